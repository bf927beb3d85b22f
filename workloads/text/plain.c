// Text as the patterns need it: well-formed UTF-8, and each character in the class that the reference gives it.
//
// A pattern sees a character's class only: letter, number, white space, or other. The reference's classes are those of Unicode 15.1 (llama.cpp's tables); the
// regular expression library has those of its own version. Where these differ, and for surrogates, the pattern is shown a stand-in of the right class and the
// same length. So ids do not depend on the library's version (from 10.40, Unicode 14, to the one that leaves 15.1 behind).
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "workloads/text/tokenizer_impl.h"

// Assigned by Unicode 15.0 and 15.1; U+180E is white space to the library, but not to Unicode.
static const struct { uint32_t first, last; char class; } stand_ins[] = {
    { 0x180e, 0x180e, 'o' },   { 0xd800, 0xdfff, 'o' },   { 0x1123f, 0x11240, 'L' }, { 0x11f02, 0x11f02, 'L' }, { 0x11f04, 0x11f10, 'L' }, { 0x11f12, 0x11f33, 'L' },
    { 0x11f50, 0x11f59, 'N' }, { 0x1342f, 0x1342f, 'L' }, { 0x13441, 0x13446, 'L' }, { 0x1b132, 0x1b132, 'L' }, { 0x1b155, 0x1b155, 'L' }, { 0x1d2c0, 0x1d2d3, 'N' },
    { 0x1df25, 0x1df2a, 'L' }, { 0x1e030, 0x1e06d, 'L' }, { 0x1e4d0, 0x1e4eb, 'L' }, { 0x1e4f0, 0x1e4f9, 'N' }, { 0x2b739, 0x2b739, 'L' }, { 0x2ebf0, 0x2ee5d, 'L' },
    { 0x31350, 0x323af, 'L' },
};

// 0: the library may see the character itself.
static uint32_t stand_in(uint32_t c)
{
    if (c < 0x180e)
        return 0;
    for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins && c >= stand_ins[i].first; i++)
        if (c <= stand_ins[i].last) {
            if (c < 0x10000)
                return 0xfffd;
            return stand_ins[i].class == 'L' ? 0x20000 : stand_ins[i].class == 'N' ? 0x1d7ce : 0x1f600;
        }
    return 0;
}

bool jb_plain_as_is(const char *text, size_t n, struct jb_encode_facts *facts)
{
    bool as_is = true;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        size_t step = jb_utf8_step(text + at, n - at, &c);
        if (step == 0) {
            if (facts->n_invalid++ == 0)
                facts->first_invalid = at;
            as_is = false;
            at++;
            continue;
        }
        if (c >= 0x180e && as_is)
            as_is = !stand_in(c);
        at += step;
    }
    return as_is;
}

// llama.cpp's lenient reading: length from the first byte, then continuation bytes; overlong forms and surrogates pass. Returns the length.
static size_t read_leniently(const unsigned char *s, size_t n, uint32_t *out)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    *out = 0xfffd;
    if (len == 0 || len > n)
        return 1;
    uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c > 0x10ffff)
        return 1;
    *out = c;
    return len;
}

static size_t write_utf8(char *out, uint32_t c)
{
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n == 1 ? 0 : n] | c);
    return n;
}

int jb_plain_make(struct jb_plain *out, const char *text, size_t n, struct jb_err *err)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t total = 0;
    uint32_t c;
    char one[4];
    for (size_t at = 0; at < n; total += write_utf8(one, c))
        at += read_leniently(s + at, n - at, &c);
    char *bytes = malloc(2 * total + 1), *shown = bytes + total;
    if (!bytes)
        return jb_fail(err, JB_E_NOMEM, "no memory for a text of %zu bytes", n);
    for (size_t at = 0, put = 0; at < n;) {
        at += read_leniently(s + at, n - at, &c);
        size_t len = write_utf8(bytes + put, c);
        memcpy(shown + put, bytes + put, len);
        if (stand_in(c))
            write_utf8(shown + put, stand_in(c));
        put += len;
    }
    *out = (struct jb_plain){ .bytes = bytes, .shown = shown, .n = total, .owned = bytes };
    return JB_OK;
}

void jb_plain_free(struct jb_plain *p)
{
    free(p->owned);
    p->owned = NULL;
}
