// GGUF v3 writer: collects metadata and tensor records as bytes, then writes header, records and data in one atomic step.
#include <stdlib.h>
#include <string.h>

#include "runtime/gguf_file.h"

#define ALIGNMENT 32u

struct bytes { uint8_t *data; size_t n, room; };

struct jb_gguf_writer {
    struct bytes keys, records, data; // records hold offsets into data
    uint64_t n_keys, n_tensors;
    struct jb_names key_names, tensor_names;
    struct jb_mem_pool pool;
};

static int put(struct bytes *b, const void *p, size_t n)
{
    if (n > b->room - b->n) {
        size_t room = (b->n + n) * 2 + 256;
        uint8_t *bigger = realloc(b->data, room);
        if (!bigger)
            return JB_E_NOMEM;
        b->data = bigger;
        b->room = room;
    }
    if (n)
        memcpy(b->data + b->n, p, n);
    b->n += n;
    return JB_OK;
}

static int put_uint(struct bytes *b, uint64_t v, size_t n)
{
    uint8_t le[8];
    for (size_t i = 0; i < n; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    return put(b, le, n);
}

static int put_text(struct bytes *b, const char *s)
{
    size_t n = strlen(s);
    int rc = put_uint(b, n, 8);
    return rc ? rc : put(b, s, n);
}

static int put_zeros(struct bytes *b, size_t alignment)
{
    int rc = JB_OK;
    while (!rc && b->n % alignment)
        rc = put_uint(b, 0, 1);
    return rc;
}

int jb_gguf_writer_open(struct jb_gguf_writer **out)
{
    struct jb_gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        return JB_E_NOMEM;
    *out = w;
    return JB_OK;
}

void jb_gguf_writer_close(struct jb_gguf_writer *w)
{
    if (!w)
        return;
    free(w->keys.data);
    free(w->records.data);
    free(w->data.data);
    jb_names_free(&w->key_names);
    jb_names_free(&w->tensor_names);
    jb_pool_free(&w->pool);
    free(w);
}

// EXISTS when the name was put before.
static int claim(struct jb_gguf_writer *w, struct jb_names *names, const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > JB_GGUF_MAX_STRING || !jb_utf8_text(name, n))
        return JB_E_INVALID;
    char *copy = jb_pool_text(&w->pool, name, n);
    return copy ? jb_names_add(names, copy, 0) : JB_E_NOMEM;
}

// Key, type, and for arrays the element type and count. A failure midway leaves bytes without a count: put_key_end undoes them.
static int put_key(struct jb_gguf_writer *w, const char *key, uint32_t type)
{
    int rc = claim(w, &w->key_names, key);
    if (!rc)
        rc = put_text(&w->keys, key);
    return rc ? rc : put_uint(&w->keys, type, 4);
}

static int put_array(struct jb_gguf_writer *w, const char *key, uint32_t element, size_t n)
{
    int rc = n > JB_GGUF_MAX_ARRAY ? JB_E_RANGE : put_key(w, key, JB_GGUF_ARRAY);
    if (!rc)
        rc = put_uint(&w->keys, element, 4);
    return rc ? rc : put_uint(&w->keys, n, 8);
}

static int put_key_end(struct jb_gguf_writer *w, size_t start, int rc)
{
    if (rc)
        w->keys.n = start;
    else
        w->n_keys++;
    return rc;
}

static uint32_t f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

int jb_gguf_put_str(struct jb_gguf_writer *w, const char *key, const char *value)
{
    size_t start = w->keys.n;
    int rc = put_key(w, key, JB_GGUF_STRING);
    return put_key_end(w, start, rc ? rc : put_text(&w->keys, value));
}

int jb_gguf_put_u32(struct jb_gguf_writer *w, const char *key, uint32_t value)
{
    size_t start = w->keys.n;
    int rc = put_key(w, key, JB_GGUF_U32);
    return put_key_end(w, start, rc ? rc : put_uint(&w->keys, value, 4));
}

int jb_gguf_put_f32(struct jb_gguf_writer *w, const char *key, float value)
{
    size_t start = w->keys.n;
    int rc = put_key(w, key, JB_GGUF_F32);
    return put_key_end(w, start, rc ? rc : put_uint(&w->keys, f32_bits(value), 4));
}

int jb_gguf_put_u64(struct jb_gguf_writer *w, const char *key, uint64_t value)
{
    size_t start = w->keys.n;
    int rc = put_key(w, key, JB_GGUF_U64);
    return put_key_end(w, start, rc ? rc : put_uint(&w->keys, value, 8));
}

int jb_gguf_put_bool(struct jb_gguf_writer *w, const char *key, bool value)
{
    size_t start = w->keys.n;
    int rc = put_key(w, key, JB_GGUF_BOOL);
    return put_key_end(w, start, rc ? rc : put_uint(&w->keys, value, 1));
}

int jb_gguf_put_array_str(struct jb_gguf_writer *w, const char *key, const char *const *values, size_t n)
{
    size_t start = w->keys.n;
    int rc = put_array(w, key, JB_GGUF_STRING, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_text(&w->keys, values[i]);
    return put_key_end(w, start, rc);
}

int jb_gguf_put_array_u32(struct jb_gguf_writer *w, const char *key, const uint32_t *values, size_t n)
{
    size_t start = w->keys.n;
    int rc = put_array(w, key, JB_GGUF_U32, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_uint(&w->keys, values[i], 4);
    return put_key_end(w, start, rc);
}

int jb_gguf_put_array_f32(struct jb_gguf_writer *w, const char *key, const float *values, size_t n)
{
    size_t start = w->keys.n;
    int rc = put_array(w, key, JB_GGUF_F32, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_uint(&w->keys, f32_bits(values[i]), 4);
    return put_key_end(w, start, rc);
}

int jb_gguf_put_tensor(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, const void *data, size_t n_bytes)
{
    uint32_t values, block;
    if (n_dims < 1 || n_dims > 4 || !jb_ggml_block(type, &values, &block) || dims[0] % values)
        return JB_E_INVALID;
    uint64_t need = dims[0] / values * block;
    for (uint32_t i = 0; i < n_dims; i++)
        if (dims[i] < 1 || dims[i] > JB_GGUF_MAX_DIM || (i && !jb_mul_u64(need, dims[i], &need)))
            return JB_E_RANGE;
    if (need != n_bytes)
        return JB_E_INVALID;
    int rc = claim(w, &w->tensor_names, name);
    size_t start = w->records.n;
    if (!rc)
        rc = put_zeros(&w->data, ALIGNMENT);
    if (!rc)
        rc = put_text(&w->records, name);
    if (!rc)
        rc = put_uint(&w->records, n_dims, 4);
    for (uint32_t i = 0; i < n_dims && !rc; i++)
        rc = put_uint(&w->records, dims[i], 8);
    if (!rc)
        rc = put_uint(&w->records, type, 4);
    if (!rc)
        rc = put_uint(&w->records, w->data.n, 8);
    if (!rc)
        rc = put(&w->data, data, n_bytes);
    if (rc)
        w->records.n = start;
    else
        w->n_tensors++;
    return rc;
}

int jb_gguf_write_memory(struct jb_gguf_writer *w, void **out, size_t *n_bytes, struct jb_err *err)
{
    struct bytes file = { 0 };
    int rc = put(&file, "GGUF", 4);
    if (!rc)
        rc = put_uint(&file, 3, 4);
    if (!rc)
        rc = put_uint(&file, w->n_tensors, 8);
    if (!rc)
        rc = put_uint(&file, w->n_keys, 8);
    if (!rc)
        rc = put(&file, w->keys.data, w->keys.n);
    if (!rc)
        rc = put(&file, w->records.data, w->records.n);
    if (!rc)
        rc = put_zeros(&file, ALIGNMENT);
    if (!rc)
        rc = put(&file, w->data.data, w->data.n);
    if (rc) {
        free(file.data);
        return jb_fail(err, rc, "no memory for a model file");
    }
    *out = file.data;
    *n_bytes = file.n;
    return JB_OK;
}

int jb_gguf_write(struct jb_gguf_writer *w, const char *path, struct jb_err *err)
{
    void *data = NULL;
    size_t n = 0;
    int rc = jb_gguf_write_memory(w, &data, &n, err);
    if (rc)
        return jb_err_prefix(err, "%s", path), rc;
    rc = jb_write_file_atomic(path, data, n, err);
    free(data);
    return rc;
}
