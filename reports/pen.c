#include "reports/pen.h"
#include "reports/view.h"

#include <stdio.h>
#include <string.h>

void jb_pen_ink(const struct jb_pen *p, const char *code)
{
    if (p->color)
        jb_str_add(p->out, code);
}

size_t jb_pen_columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

void jb_pen_wrap(const struct jb_pen *p, const char *text, size_t indent, size_t at)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, text, 0);
    bool first = true;
    for (const char *s = jb_str_get(&plain); *s;) {
        char word[256];
        size_t n = strcspn(s, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, s);
        size_t w = jb_pen_columns(word);
        if (!first && at + 1 + w > p->width) {
            jb_str_addf(p->out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            jb_str_add(p->out, " ");
            at++;
        }
        jb_str_addn(p->out, s, n);
        at += w;
        first = false;
        s += n + strspn(s + n, " ");
    }
    jb_str_add(p->out, "\n");
    p->out->failed |= plain.failed;
    jb_str_free(&plain);
}
