// GGUF v3, read (mapped, fully checked before anything is returned) and written. Knows nothing of networks.
// Format: docs/model-format.md section 1, and ggml's docs/gguf.md.
#ifndef JB_RUNTIME_GGUF_H
#define JB_RUNTIME_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/hash.h"

enum jb_gguf_type {
    JB_GGUF_U8, JB_GGUF_I8, JB_GGUF_U16, JB_GGUF_I16, JB_GGUF_U32, JB_GGUF_I32, JB_GGUF_F32, JB_GGUF_BOOL,
    JB_GGUF_STRING, JB_GGUF_ARRAY, JB_GGUF_U64, JB_GGUF_I64, JB_GGUF_F64
};
// ggml tensor types, by their numbers in files. Layouts: runtime/blocks.h.
enum jb_ggml_type {
    JB_GGML_F32 = 0, JB_GGML_F16 = 1, JB_GGML_Q4_0 = 2, JB_GGML_Q4_1 = 3, JB_GGML_Q5_0 = 6, JB_GGML_Q5_1 = 7, JB_GGML_Q8_0 = 8, JB_GGML_Q2_K = 10, JB_GGML_Q3_K = 11, JB_GGML_Q4_K = 12,
    JB_GGML_Q5_K = 13, JB_GGML_Q6_K = 14, JB_GGML_I8 = 24, JB_GGML_I16 = 25, JB_GGML_I32 = 26, JB_GGML_I64 = 27, JB_GGML_F64 = 28, JB_GGML_BF16 = 30
};

struct jb_gguf; // an open file; read-only, may be shared by threads

struct jb_gguf_tensor {
    const char *name;     // borrowed; NUL-terminated
    uint32_t n_dims;
    uint64_t dims[4];     // fastest first; unused ones are 1
    uint32_t type;        // enum jb_ggml_type
    const void *data;     // borrowed, aligned; NULL when the type's size is unknown to this build
    uint64_t n_bytes, offset;
};

// Every error names the file, the byte offset and the reason.
int jb_gguf_open(struct jb_gguf **out, const char *path, struct jb_err *err);
int jb_gguf_open_memory(struct jb_gguf **out, const char *name, const void *data, size_t n_bytes, struct jb_err *err); // borrows data (aligned to 8)
void jb_gguf_close(struct jb_gguf *g);
const char *jb_gguf_name(const struct jb_gguf *g);
size_t jb_gguf_file_bytes(const struct jb_gguf *g);
void jb_gguf_hash(const struct jb_gguf *g, char hex[JB_HASH_HEX]); // SHA-256 of the whole file

size_t jb_gguf_offset(const struct jb_gguf *g, const void *data); // byte of the file at which borrowed data stands

// These bytes are not needed soon: their pages may leave memory, and come back from the file when they are read again. A hint; nothing happens to files in memory.
void jb_gguf_release(const struct jb_gguf *g, const void *data, size_t n_bytes);

size_t jb_gguf_n_tensors(const struct jb_gguf *g);
const struct jb_gguf_tensor *jb_gguf_tensor_at(const struct jb_gguf *g, size_t i);
const struct jb_gguf_tensor *jb_gguf_tensor(const struct jb_gguf *g, const char *name); // NULL: none
size_t jb_gguf_n_keys(const struct jb_gguf *g);
bool jb_gguf_has(const struct jb_gguf *g, const char *key);
const char *jb_gguf_key_at(const struct jb_gguf *g, size_t i, enum jb_gguf_type *type);

// Typed reads. NOT_FOUND when absent (the outputs are untouched), INVALID when of another type; any unsigned or signed integer type serves for u64 if it fits.
int jb_gguf_str(const struct jb_gguf *g, const char *key, const char **out, size_t *n_bytes, struct jb_err *err); // NUL-terminated copy owned by g
int jb_gguf_u64(const struct jb_gguf *g, const char *key, uint64_t *out, struct jb_err *err);
int jb_gguf_f64(const struct jb_gguf *g, const char *key, double *out, struct jb_err *err);   // f32 or f64
int jb_gguf_bool(const struct jb_gguf *g, const char *key, bool *out, struct jb_err *err);
// Arrays: count and element type, then elements.
int jb_gguf_array(const struct jb_gguf *g, const char *key, enum jb_gguf_type *element, size_t *count, struct jb_err *err);
int jb_gguf_array_str(const struct jb_gguf *g, const char *key, size_t i, const char **out, size_t *n_bytes, struct jb_err *err);
int jb_gguf_array_u64(const struct jb_gguf *g, const char *key, size_t i, uint64_t *out, struct jb_err *err);
int jb_gguf_array_f64(const struct jb_gguf *g, const char *key, size_t i, double *out, struct jb_err *err);

// Writer: collects, then writes atomically. Strings and data are copied.
struct jb_gguf_writer;
int jb_gguf_writer_open(struct jb_gguf_writer **out);
void jb_gguf_writer_close(struct jb_gguf_writer *w);
int jb_gguf_put_str(struct jb_gguf_writer *w, const char *key, const char *value);
int jb_gguf_put_u32(struct jb_gguf_writer *w, const char *key, uint32_t value);
int jb_gguf_put_f32(struct jb_gguf_writer *w, const char *key, float value);
int jb_gguf_put_array_str(struct jb_gguf_writer *w, const char *key, const char *const *values, size_t n);
int jb_gguf_put_array_u32(struct jb_gguf_writer *w, const char *key, const uint32_t *values, size_t n);
int jb_gguf_put_array_i32(struct jb_gguf_writer *w, const char *key, const int32_t *values, size_t n);
int jb_gguf_put_array_f32(struct jb_gguf_writer *w, const char *key, const float *values, size_t n);
int jb_gguf_put_bool(struct jb_gguf_writer *w, const char *key, bool value);
int jb_gguf_put_u64(struct jb_gguf_writer *w, const char *key, uint64_t value);
int jb_gguf_put_tensor(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, const void *data, size_t n_bytes);
// Data made while the file is written, so that it need not lie in memory: fill(self, first row, rows, out) is called for rising rows, each row once; `out` has room for them.
// A failure of fill ends the writing. self is borrowed until then.
typedef int (*jb_gguf_fill_fn)(void *self, uint64_t row, uint64_t n_rows, void *out, struct jb_err *err);
int jb_gguf_put_rows(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, jb_gguf_fill_fn fill, void *self);
// Key i of an open file, of whatever type, byte for byte. INVALID for general.alignment: what is written has an alignment of its own (32).
int jb_gguf_copy_key(struct jb_gguf_writer *w, const struct jb_gguf *g, size_t i);
int jb_gguf_write_memory(struct jb_gguf_writer *w, void **out, size_t *n_bytes, struct jb_err *err); // *out is owned by the caller (free)
int jb_gguf_write(struct jb_gguf_writer *w, const char *path, struct jb_err *err);

#endif
