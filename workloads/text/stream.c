// Tokens printed one by one: a token may end within a character.
#include <string.h>

#include "base/utf8.h"
#include "workloads/text/tokenizer.h"

// True if s (1 to 3 bytes) may be the begin of a character.
static bool may_go_on(const char *s, size_t n)
{
    // Completed by the lowest or the highest continuation bytes, one of which fits if any does: first continuation bytes have narrower bounds after E0, ED, F0, F4.
    static const char tails[] = { '\x80', '\xbf' };
    size_t need = (unsigned char)s[0] >= 0xf0 ? 4 : (unsigned char)s[0] >= 0xe0 ? 3 : (unsigned char)s[0] >= 0xc2 ? 2 : 1;
    if (need <= n)
        return false;
    for (size_t t = 0; t < sizeof tails; t++) {
        char whole[4];
        memset(whole, tails[t], sizeof whole);
        memcpy(whole, s, n);
        if (jb_utf8_step(whole, need, NULL))
            return true;
    }
    return false;
}

void jb_text_stream_add(struct jb_text_stream *s, const char *bytes, size_t n_bytes, struct jb_str *out)
{
    for (size_t i = 0; i < n_bytes; i++) {
        s->held[s->n_held++] = bytes[i];
        while (s->n_held) {
            if (jb_utf8_step(s->held, s->n_held, NULL) == s->n_held) {
                jb_str_addn(out, s->held, s->n_held);
                s->n_held = 0;
            } else if (may_go_on(s->held, s->n_held)) {
                break;
            } else if (s->n_held == 1) {
                jb_str_add(out, JB_UTF8_REPLACEMENT);
                s->n_held = 0;
            } else { // the begin of a character that is none, and a byte that may begin another
                jb_str_add(out, JB_UTF8_REPLACEMENT);
                s->held[0] = s->held[s->n_held - 1];
                s->n_held = 1;
            }
        }
    }
}

void jb_text_stream_end(struct jb_text_stream *s, struct jb_str *out)
{
    if (s->n_held)
        jb_str_add(out, JB_UTF8_REPLACEMENT);
    s->n_held = 0;
}
