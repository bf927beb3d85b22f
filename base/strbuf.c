#include "base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Room for `more` further bytes and a NUL. On failure the buffer stays as it is, and stays failed.
static bool reserve(struct jb_str *b, size_t more)
{
    if (b->failed) return false;
    if (more >= SIZE_MAX - b->len) goto fail;
    size_t need = b->len + more + 1;
    if (need <= b->cap) return true;
    size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
    if (cap < need) cap = need;
    if (cap < 64) cap = 64;
    char *s = realloc(b->s, cap);
    if (!s) goto fail;
    b->s = s;
    b->cap = cap;
    return true;
fail:
    b->failed = true;
    return false;
}

void jb_str_addn(struct jb_str *b, const char *bytes, size_t n)
{
    // The bytes may lie in the buffer itself, which may move.
    uintptr_t at = (uintptr_t)bytes, start = (uintptr_t)b->s;
    bool inside = b->s && at >= start && at < start + b->cap;
    size_t offset = inside ? at - start : 0;
    if (!reserve(b, n)) return;
    if (n > 0) memmove(b->s + b->len, inside ? b->s + offset : bytes, n);
    b->len += n;
    b->s[b->len] = '\0';
}

void jb_str_add(struct jb_str *b, const char *text)
{
    jb_str_addn(b, text, strlen(text));
}

void jb_str_addf(struct jb_str *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if ((size_t)n < sizeof small) {
        jb_str_addn(b, small, (size_t)n);
        return;
    }
    // Not in place: an argument may point into the buffer, which reserve may move.
    char *big = malloc((size_t)n + 1);
    if (!big) {
        b->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(big, (size_t)n + 1, format, args);
    va_end(args);
    jb_str_addn(b, big, (size_t)n);
    free(big);
}

void jb_str_clear(struct jb_str *b)
{
    b->len = 0;
    b->failed = false;
    if (b->s) b->s[0] = '\0';
}

void jb_str_free(struct jb_str *b)
{
    free(b->s);
    *b = (struct jb_str){0};
}

const char *jb_str_get(const struct jb_str *b)
{
    return b->s ? b->s : "";
}
