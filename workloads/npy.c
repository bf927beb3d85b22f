// NPY: "\x93NUMPY", major, minor, header length, then a Python dictionary with descr, fortran_order and shape, then the items
// (NumPy enhancement proposal 1, and numpy.lib.format). Only that one dictionary shape is read: no expressions, no structured types.
#include "workloads/array.h"

#include <string.h>

struct cursor {
    const char *name;
    const uint8_t *bytes;
    size_t at, end;
    struct jb_err *err;
};

static int bad(struct cursor *c, const char *what)
{
    return jb_fail(c->err, JB_E_INVALID, "%s: offset %zu: NPY header: %s", c->name, c->at, what);
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (c->bytes[c->at] == ' ' || c->bytes[c->at] == '\n' || c->bytes[c->at] == '\t'))
        c->at++;
}

static bool take(struct cursor *c, char ch)
{
    skip_space(c);
    if (c->at >= c->end || c->bytes[c->at] != (uint8_t)ch)
        return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if (c->end - c->at < n || memcmp(c->bytes + c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

// A quoted text of at most n - 1 bytes without escapes.
static int take_text(struct cursor *c, char *out, size_t n)
{
    skip_space(c);
    if (c->at >= c->end || (c->bytes[c->at] != '\'' && c->bytes[c->at] != '"'))
        return bad(c, "a quoted text was expected (structured types are not supported)");
    uint8_t quote = c->bytes[c->at++];
    size_t len = 0;
    for (; c->at < c->end && c->bytes[c->at] != quote; c->at++) {
        if (len + 1 >= n || c->bytes[c->at] == '\\')
            return bad(c, "unexpected text");
        out[len++] = (char)c->bytes[c->at];
    }
    if (c->at >= c->end)
        return bad(c, "a quote is not closed");
    c->at++;
    out[len] = '\0';
    return JB_OK;
}

static int take_type(struct cursor *c, struct jb_array_type *t)
{
    char text[16];
    size_t start = c->at;
    int rc = take_text(c, text, sizeof text);
    if (rc < 0)
        return rc;
    bool ok = strlen(text) == 3 && strchr("<>|=", text[0]) && strchr("uif", text[1]) && strchr("1248", text[2]);
    if (!ok || (text[1] == 'f' && text[2] == '1') || (text[0] == '|' && text[2] != '1')) {
        c->at = start;
        return jb_fail(c->err, JB_E_UNSUPPORTED, "%s: offset %zu: NPY type \"%s\" is not supported (integers |u1 |i1 <u2 <i2 <u4 <i4 <u8 <i8, or floats <f2 <f4 <f8)",
                       c->name, start, text);
    }
    // '=' (native) never stands in a file that NumPy wrote; it is read as little endian, which every machine it was seen on has.
    *t = (struct jb_array_type){ text[1], (uint8_t)(text[2] - '0'), text[0] == '>' };
    return JB_OK;
}

static int take_shape(struct cursor *c, struct jb_array *a)
{
    if (!take(c, '('))
        return bad(c, "shape: a tuple was expected");
    a->n_dims = 0;
    while (!take(c, ')')) {
        if (a->n_dims == JB_ARRAY_MAX_DIMS)
            return bad(c, "shape: more than 8 dimensions");
        uint64_t v = 0;
        size_t start = c->at;
        for (; c->at < c->end && c->bytes[c->at] >= '0' && c->bytes[c->at] <= '9'; c->at++)
            if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(c->bytes[c->at] - '0'), &v))
                return bad(c, "shape: a size does not fit 64 bits");
        if (c->at == start)
            return bad(c, "shape: a size was expected (decimal, not negative)");
        a->dims[a->n_dims++] = v;
        if (!take(c, ',')) {
            if (!take(c, ')'))
                return bad(c, "shape: ',' or ')' was expected");
            break;
        }
    }
    return JB_OK;
}

static int take_entry(struct cursor *c, struct jb_array *a, bool *fortran, unsigned *seen)
{
    char key[32];
    int rc = take_text(c, key, sizeof key);
    if (rc < 0)
        return rc;
    unsigned bit = strcmp(key, "descr") == 0 ? 1 : strcmp(key, "fortran_order") == 0 ? 2 : strcmp(key, "shape") == 0 ? 4 : 0;
    if (bit == 0)
        return bad(c, "unknown key (known: descr, fortran_order, shape)");
    if (*seen & bit)
        return bad(c, "a key stands twice");
    *seen |= bit;
    if (!take(c, ':'))
        return bad(c, "':' was expected");
    skip_space(c);
    if (bit == 1)
        return take_type(c, &a->type);
    if (bit == 4)
        return take_shape(c, a);
    *fortran = take_word(c, "True");
    return *fortran || take_word(c, "False") ? JB_OK : bad(c, "fortran_order: True or False was expected");
}

static int take_dictionary(struct cursor *c, struct jb_array *a)
{
    unsigned seen = 0;
    bool fortran = false;
    if (!take(c, '{'))
        return bad(c, "'{' was expected");
    while (!take(c, '}')) {
        int rc = take_entry(c, a, &fortran, &seen);
        if (rc < 0)
            return rc;
        if (!take(c, ',')) {
            if (!take(c, '}'))
                return bad(c, "',' or '}' was expected");
            break;
        }
    }
    if (seen != 7)
        return bad(c, "descr, fortran_order and shape must all be there");
    skip_space(c);
    if (c->at != c->end)
        return bad(c, "text behind the dictionary");
    if (fortran && a->n_dims > 1)
        return jb_fail(c->err, JB_E_UNSUPPORTED, "%s: offset %zu: stored in Fortran order; save it with numpy.ascontiguousarray(x)", c->name, (size_t)0);
    return JB_OK;
}

int jb_npy_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err)
{
    if (n_bytes < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return jb_fail(err, JB_E_INVALID, "%s: offset 0: no NPY file, or cut before the end of its first 10 bytes (it has %zu)", name, n_bytes);
    unsigned major = bytes[6];
    if (major < 1 || major > 3)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: offset 6: NPY version %u (1 to 3 are supported)", name, major);
    size_t start = major == 1 ? 10 : 12;
    if (n_bytes < start)
        return jb_fail(err, JB_E_INVALID, "%s: offset %zu: truncated in the NPY header length", name, n_bytes);
    uint64_t length = bytes[8] | (uint64_t)bytes[9] << 8;
    if (major > 1)
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (length > n_bytes - start)
        return jb_fail(err, JB_E_INVALID, "%s: offset 8: the NPY header claims %llu bytes, the file has %zu behind it", name, (unsigned long long)length, n_bytes - start);
    struct jb_array a = { .n_dims = 0 };
    struct cursor c = { name, bytes, start, start + (size_t)length, err };
    int rc = take_dictionary(&c, &a);
    if (rc == JB_OK)
        rc = jb_array_place(&a, name, bytes, n_bytes, c.end, err);
    if (rc == JB_OK)
        *out = a;
    return rc;
}
