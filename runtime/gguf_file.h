// Inside the GGUF reader: what an open file holds. gguf_read.c fills it, gguf_get.c answers from it.
#ifndef JB_RUNTIME_GGUF_FILE_H
#define JB_RUNTIME_GGUF_FILE_H

#include "base/fs.h"
#include "runtime/gguf.h"
#include "runtime/mem.h"
#include "runtime/names.h"

// Limits of docs/model-format.md section 6.
#define JB_GGUF_MAX_FILE ((uint64_t)16 << 30)
#define JB_GGUF_MAX_KEYS 65536u
#define JB_GGUF_MAX_TENSORS 65536u
#define JB_GGUF_MAX_ARRAY ((uint64_t)1 << 24)
#define JB_GGUF_MAX_STRING ((uint64_t)1 << 20)
#define JB_GGUF_MAX_DIM (((uint64_t)1 << 31) - 1)

struct jb_gguf_text { const char *s; size_t n; };

struct jb_gguf_key {
    const char *name;
    enum jb_gguf_type type;      // as in the file
    enum jb_gguf_type element;   // of an array
    uint64_t count;              // of an array, else 1
    const uint8_t *data;         // the value in the file (unaligned); an array's first element
    struct jb_gguf_text *texts;  // strings and arrays of strings: count copies, NUL-terminated
    uint64_t offset, n_bytes;    // of the value in the file
};

struct jb_gguf {
    char *name;
    struct jb_map map;
    bool mapped;
    const uint8_t *data;
    uint64_t n_bytes, data_start, alignment;
    struct jb_gguf_key *keys;
    struct jb_gguf_tensor *tensors;
    size_t n_keys, n_tensors;
    struct jb_names key_index, tensor_index;
    struct jb_mem_pool pool;     // all texts
};

// Bytes of one value in a file; 0 for strings, arrays and unknown types.
size_t jb_gguf_type_bytes(uint32_t type);
const char *jb_gguf_type_name(uint32_t type);
// Values in a block and bytes of a block of a tensor type; false when this build does not know the type.
bool jb_ggml_block(uint32_t type, uint32_t *values, uint32_t *bytes);
const struct jb_gguf_key *jb_gguf_find_key(const struct jb_gguf *g, const char *key); // NULL: none
// True if the bytes are well-formed UTF-8 (RFC 3629) without a NUL.
bool jb_utf8_text(const char *s, size_t n);

#endif
