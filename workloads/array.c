#include "workloads/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"

int jb_array_place(struct jb_array *a, const char *name, const uint8_t *bytes, size_t n_bytes, size_t offset, struct jb_err *err)
{
    uint64_t items = 1, size;
    bool empty = false, overflow = false;
    for (uint32_t d = 0; d < a->n_dims; d++) {
        empty |= a->dims[d] == 0;
        overflow |= __builtin_mul_overflow(items, a->dims[d], &items);
    }
    if (empty) {
        items = 0;
        overflow = false;
    }
    overflow |= __builtin_mul_overflow(items, (uint64_t)a->type.item_bytes, &size);
    uint64_t have = n_bytes - offset;
    if (overflow)
        return jb_fail(err, JB_E_INVALID, "%s: offset %zu: the sizes multiply to more than 64 bits hold; the file has %" PRIu64 " bytes of data", name, offset, have);
    if (size > have)
        return jb_fail(err, JB_E_INVALID, "%s: offset %zu: the header announces %" PRIu64 " bytes of data, the file has %" PRIu64 ": truncated, or a wrong size",
                       name, offset, size, have);
    if (size < have)
        return jb_fail(err, JB_E_INVALID, "%s: offset %" PRIu64 ": %" PRIu64 " bytes too many behind the %" PRIu64 " that the header announces", name,
                       (uint64_t)offset + size, have - size, size);
    a->n_items = items;
    a->data = bytes + offset;
    return JB_OK;
}

int jb_array_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err)
{
    if (n_bytes >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0)
        return jb_npy_parse(out, name, bytes, n_bytes, err);
    if (n_bytes >= 4 && bytes[0] == 0 && bytes[1] == 0)
        return jb_idx_parse(out, name, bytes, n_bytes, err);
    if (n_bytes < 4)
        return jb_fail(err, JB_E_INVALID, "%s: offset 0: %zu bytes are neither IDX nor NPY", name, n_bytes);
    return jb_fail(err, JB_E_INVALID, "%s: offset 0: neither IDX (00 00 ...) nor NPY (93 4e 55 4d 50 59): it starts %02x %02x %02x %02x", name, bytes[0], bytes[1],
                   bytes[2], bytes[3]);
}

int jb_array_read(struct jb_array *out, const char *path, struct jb_err *err)
{
    uint8_t *bytes;
    size_t n_bytes;
    int rc = jb_read_maybe_gzip(path, JB_ARRAY_MAX_FILE_BYTES, &bytes, &n_bytes, err);
    if (rc < 0)
        return rc;
    struct jb_array a;
    rc = jb_array_parse(&a, path, bytes, n_bytes, err);
    if (rc < 0) {
        free(bytes);
        return rc;
    }
    a.owned = bytes;
    *out = a;
    return JB_OK;
}

void jb_array_close(struct jb_array *a)
{
    free(a->owned);
    memset(a, 0, sizeof *a);
}

int64_t jb_array_int(const struct jb_array *a, uint64_t i)
{
    uint32_t n = a->type.item_bytes;
    const uint8_t *p = a->data + i * n;
    uint64_t v = 0;
    for (uint32_t b = 0; b < n; b++)
        v |= (uint64_t)p[a->type.big_endian ? n - 1 - b : b] << (8 * b);
    if (a->type.kind == 'i' && n < 8 && (v >> (8 * n - 1)) != 0) // sign extension
        v |= UINT64_MAX << (8 * n);
    if (a->type.kind == 'u' && v > INT64_MAX)
        return INT64_MAX;
    return (int64_t)v;
}

void jb_array_describe(const struct jb_array *a, char *out, size_t n)
{
    const char *kind = a->type.kind == 'u' ? "uint" : a->type.kind == 'i' ? "int" : "float";
    int at = snprintf(out, n, "%s%d (", kind, a->type.item_bytes * 8);
    for (uint32_t d = 0; d < a->n_dims && at >= 0 && (size_t)at < n; d++)
        at += snprintf(out + at, n - (size_t)at, "%s%" PRIu64, d ? ", " : "", a->dims[d]);
    if (at >= 0 && (size_t)at < n)
        snprintf(out + at, n - (size_t)at, ")");
}
