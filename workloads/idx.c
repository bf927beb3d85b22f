// IDX: two zero bytes, a type byte, the number of dimensions, sizes as big-endian u32, then the items in big endian (Y. LeCun, "THE IDX FILE FORMAT", MNIST page).
#include "workloads/array.h"

#include <string.h>

static bool idx_type(uint8_t code, struct jb_array_type *t)
{
    static const struct { uint8_t code; struct jb_array_type type; } known[] = {
        { 0x08, { 'u', 1, true } }, { 0x09, { 'i', 1, true } }, { 0x0b, { 'i', 2, true } },
        { 0x0c, { 'i', 4, true } }, { 0x0d, { 'f', 4, true } }, { 0x0e, { 'f', 8, true } },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == code) {
            *t = known[i].type;
            return true;
        }
    return false;
}

int jb_idx_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err)
{
    struct jb_array a = { .n_dims = 0 };
    if (n_bytes < 4 || bytes[0] != 0 || bytes[1] != 0)
        return jb_fail(err, JB_E_INVALID, "%s: offset 0: no IDX file: it does not start with two zero bytes and a type", name);
    if (!idx_type(bytes[2], &a.type))
        return jb_fail(err, JB_E_INVALID, "%s: offset 2: unknown IDX type 0x%02x (known: 08 09 0b 0c 0d 0e)", name, bytes[2]);
    a.n_dims = bytes[3];
    if (a.n_dims == 0 || a.n_dims > JB_ARRAY_MAX_DIMS)
        return jb_fail(err, JB_E_INVALID, "%s: offset 3: %u dimensions (1 to %d are supported)", name, a.n_dims, JB_ARRAY_MAX_DIMS);
    size_t header = 4 + 4 * (size_t)a.n_dims;
    if (n_bytes < header)
        return jb_fail(err, JB_E_INVALID, "%s: offset %zu: truncated in the header, which needs %zu bytes for %u dimensions", name, n_bytes, header, a.n_dims);
    for (uint32_t d = 0; d < a.n_dims; d++) {
        const uint8_t *p = bytes + 4 + 4 * (size_t)d;
        a.dims[d] = (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    }
    int rc = jb_array_place(&a, name, bytes, n_bytes, header, err);
    if (rc == JB_OK)
        *out = a;
    return rc;
}
