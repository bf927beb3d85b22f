// Arrays from files: IDX (the format of MNIST) and NPY (NumPy 1.0 to 3.0), gzipped or plain. Nothing is allocated by what a header claims:
// the claim is held against the bytes that are there.
#ifndef JB_WORKLOADS_ARRAY_H
#define JB_WORKLOADS_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define JB_ARRAY_MAX_DIMS 8
#define JB_ARRAY_MAX_FILE_BYTES ((size_t)2 << 30) // inflated

struct jb_array_type {
    char kind;           // 'u', 'i' or 'f'
    uint8_t item_bytes;  // 1, 2, 4 or 8
    bool big_endian;
};

struct jb_array {
    struct jb_array_type type;
    uint32_t n_dims;
    uint64_t dims[JB_ARRAY_MAX_DIMS]; // slowest first (C order)
    uint64_t n_items;
    const uint8_t *data;              // n_items * item_bytes, not aligned; borrowed from the bytes parsed, or from `owned`
    uint8_t *owned;
};

// Each names `name`, the byte offset and the reason on failure. They borrow `bytes`.
int jb_idx_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err);
int jb_npy_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err);
// Either one, by its first bytes.
int jb_array_parse(struct jb_array *out, const char *name, const uint8_t *bytes, size_t n_bytes, struct jb_err *err);
int jb_array_read(struct jb_array *out, const char *path, struct jb_err *err);
void jb_array_close(struct jb_array *a);

// Item i of an array of integers as it is stored (u64 beyond INT64_MAX become INT64_MAX).
int64_t jb_array_int(const struct jb_array *a, uint64_t i);
// "uint8 (10000, 28, 28)" into out.
void jb_array_describe(const struct jb_array *a, char *out, size_t n);

// Shared by the two readers: checks dims against the bytes behind `offset` and fills n_items and data. Other fields must be set.
int jb_array_place(struct jb_array *a, const char *name, const uint8_t *bytes, size_t n_bytes, size_t offset, struct jb_err *err);

#endif
