#include "power/reading.h"
#include <errno.h>
#include <string.h>
#include "power/strict.h"

void jb_reading_keep(struct jb_reading *r, const char *text, size_t n_bytes)
{
    if (n_bytes > 0 && text[n_bytes - 1] == '\n') n_bytes--;
    if (n_bytes >= sizeof r->text) n_bytes = sizeof r->text - 1;
    const char *nul = memchr(text, 0, n_bytes);
    size_t n = nul ? (size_t)(nul - text) : n_bytes;
    memcpy(r->text, text, n);
    r->text[n] = 0;
}

static int number(const char *text, size_t n_bytes, uint64_t *out)
{
    if (n_bytes > 0 && text[n_bytes - 1] == '\n') return EINVAL; // a newline ends the whole text, which lost it before
    int rc = jb_strict_u64(text, n_bytes, out);
    return rc == JB_OK ? 0 : rc == JB_E_RANGE ? ERANGE : EINVAL;
}

static int product(const char *text, size_t n_bytes, uint64_t *out)
{
    uint64_t a, b = 1;
    if (n_bytes > 0 && text[n_bytes - 1] == '\n') n_bytes--;
    if (n_bytes == 0) return ENODATA;
    const char *blank = memchr(text, ' ', n_bytes);
    size_t n = blank ? (size_t)(blank - text) : n_bytes;
    int rc = number(text, n, &a);
    if (rc == 0 && blank) rc = number(blank + 1, n_bytes - n - 1, &b);
    if (rc) return rc;
    if (b && a > UINT64_MAX / b) return ERANGE;
    *out = a * b;
    return 0;
}

int jb_reading_parse(const struct jb_channel *c, const char *text, size_t n_bytes, struct jb_reading *out)
{
    uint64_t value = 0;
    out->errnum = product(text, n_bytes, &value);
    jb_reading_keep(out, text, n_bytes);
    if (out->errnum) return out->errnum;
    if (c->kind == JB_CHANNEL_ENERGY) out->count = value;
    else out->watts = (double)value * c->unit;
    return 0;
}
