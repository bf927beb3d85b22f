// GGUF v3 writer: collects metadata and tensor records as bytes, then writes header, records and data in one atomic step. Tensors whose data is made while
// the file is written need no memory here.
#include <stdlib.h>
#include <string.h>

#include "runtime/gguf_file.h"

#define ALIGNMENT 32u
#define PIECE_BYTES ((size_t)1 << 20)

struct bytes { uint8_t *data; size_t n, room; };

// Data of a tensor: a place in the writer's `data`, or rows to be made.
struct part {
    uint64_t offset, n_bytes; // in the file's data part
    size_t at;                // in `data`, without `fill`
    jb_gguf_fill_fn fill;
    void *self;
    uint64_t row_bytes, n_rows;
};

struct jb_gguf_writer {
    struct bytes keys, records, data, parts; // parts: struct part
    uint64_t n_keys, n_tensors, data_end;
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
    free(w->parts.data);
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

int jb_gguf_put_array_i32(struct jb_gguf_writer *w, const char *key, const int32_t *values, size_t n)
{
    size_t start = w->keys.n;
    int rc = put_array(w, key, JB_GGUF_I32, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_uint(&w->keys, (uint32_t)values[i], 4);
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

int jb_gguf_copy_key(struct jb_gguf_writer *w, const struct jb_gguf *g, size_t i)
{
    size_t start = w->keys.n;
    if (i >= g->n_keys || strcmp(g->keys[i].name, "general.alignment") == 0)
        return JB_E_INVALID;
    const struct jb_gguf_key *k = &g->keys[i];
    int rc = put_key(w, k->name, k->type);
    return put_key_end(w, start, rc ? rc : put(&w->keys, g->data + k->offset, k->n_bytes));
}

static int put_record(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, uint64_t offset)
{
    int rc = put_text(&w->records, name);
    if (!rc)
        rc = put_uint(&w->records, n_dims, 4);
    for (uint32_t i = 0; i < n_dims && !rc; i++)
        rc = put_uint(&w->records, dims[i], 8);
    if (!rc)
        rc = put_uint(&w->records, type, 4);
    return rc ? rc : put_uint(&w->records, offset, 8);
}

// The shape of a tensor: bytes of a row and number of rows. Dimensions that a file may have, whole blocks.
static int measure(struct part *p, uint32_t type, const uint64_t *dims, uint32_t n_dims)
{
    uint32_t values, block;
    if (n_dims < 1 || n_dims > 4 || !jb_ggml_block(type, &values, &block) || dims[0] % values)
        return JB_E_INVALID;
    p->n_rows = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        if (dims[i] < 1 || dims[i] > JB_GGUF_MAX_DIM || (i && !jb_mul_u64(p->n_rows, dims[i], &p->n_rows)))
            return JB_E_RANGE;
    p->row_bytes = dims[0] / values * block;
    return jb_mul_u64(p->n_rows, p->row_bytes, &p->n_bytes) && p->n_bytes <= JB_GGUF_MAX_FILE ? JB_OK : JB_E_RANGE;
}

// p is measured. Bytes that are put for nothing are taken back.
static int put_part(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, struct part *p)
{
    size_t start = w->records.n;
    p->offset = jb_align_up(w->data_end, ALIGNMENT);
    int rc = claim(w, &w->tensor_names, name);
    if (!rc)
        rc = put_record(w, name, type, dims, n_dims, p->offset);
    if (!rc)
        rc = put(&w->parts, p, sizeof *p);
    if (rc) {
        w->records.n = start;
        return rc;
    }
    w->data_end = p->offset + p->n_bytes;
    w->n_tensors++;
    return JB_OK;
}

int jb_gguf_put_tensor(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, const void *data, size_t n_bytes)
{
    struct part p = { .at = w->data.n };
    int rc = measure(&p, type, dims, n_dims);
    if (rc || p.n_bytes != n_bytes)
        return rc ? rc : JB_E_INVALID;
    rc = put(&w->data, data, n_bytes);
    if (!rc)
        rc = put_part(w, name, type, dims, n_dims, &p);
    if (rc)
        w->data.n = p.at;
    return rc;
}

int jb_gguf_put_rows(struct jb_gguf_writer *w, const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims, jb_gguf_fill_fn fill, void *self)
{
    struct part p = { .fill = fill, .self = self };
    int rc = measure(&p, type, dims, n_dims);
    return rc ? rc : put_part(w, name, type, dims, n_dims, &p);
}

// Where a file goes: memory or a new file.
struct sink { struct bytes *memory; struct jb_new_file *file; uint64_t n; struct jb_err *err; };

static int give(struct sink *to, const void *data, size_t n)
{
    to->n += n;
    if (to->file)
        return jb_new_file_write(to->file, data, n, to->err);
    int rc = put(to->memory, data, n);
    return rc ? jb_fail(to->err, rc, "no memory for a model file") : JB_OK;
}

static int give_zeros(struct sink *to, uint64_t until)
{
    static const uint8_t zeros[ALIGNMENT];
    return give(to, zeros, (size_t)(until - to->n));
}

static int give_rows(struct sink *to, const struct part *p)
{
    uint64_t step = PIECE_BYTES / p->row_bytes + 1;
    uint8_t *piece = malloc((step < p->n_rows ? step : p->n_rows) * p->row_bytes);
    if (!piece)
        return jb_fail(to->err, JB_E_NOMEM, "no memory for a model file");
    int rc = JB_OK;
    for (uint64_t row = 0; row < p->n_rows && !rc; row += step) {
        uint64_t n = p->n_rows - row < step ? p->n_rows - row : step;
        rc = p->fill(p->self, row, n, piece, to->err);
        if (!rc)
            rc = give(to, piece, n * p->row_bytes);
    }
    free(piece);
    return rc;
}

static int give_head(struct jb_gguf_writer *w, struct sink *to)
{
    struct bytes head = { 0 };
    int rc = put(&head, "GGUF", 4);
    if (!rc)
        rc = put_uint(&head, 3, 4);
    if (!rc)
        rc = put_uint(&head, w->n_tensors, 8);
    if (!rc)
        rc = put_uint(&head, w->n_keys, 8);
    rc = rc ? jb_fail(to->err, rc, "no memory for a model file") : give(to, head.data, head.n);
    free(head.data);
    if (!rc)
        rc = give(to, w->keys.data, w->keys.n);
    if (!rc)
        rc = give(to, w->records.data, w->records.n);
    return rc ? rc : give_zeros(to, jb_align_up(to->n, ALIGNMENT));
}

static int give_all(struct jb_gguf_writer *w, struct sink *to)
{
    int rc = give_head(w, to);
    uint64_t start = to->n;
    for (uint64_t i = 0; i < w->n_tensors && !rc; i++) {
        struct part p;
        memcpy(&p, w->parts.data + i * sizeof p, sizeof p);
        rc = give_zeros(to, start + p.offset);
        if (!rc)
            rc = p.fill ? give_rows(to, &p) : give(to, w->data.data + p.at, p.n_bytes);
    }
    return rc;
}

int jb_gguf_write_memory(struct jb_gguf_writer *w, void **out, size_t *n_bytes, struct jb_err *err)
{
    struct bytes file = { 0 };
    int rc = give_all(w, &(struct sink){ .memory = &file, .err = err });
    if (rc) {
        free(file.data);
        return rc;
    }
    *out = file.data;
    *n_bytes = file.n;
    return JB_OK;
}

int jb_gguf_write(struct jb_gguf_writer *w, const char *path, struct jb_err *err)
{
    struct jb_new_file file;
    int rc = jb_new_file_open(&file, path, err);
    if (rc)
        return rc;
    rc = give_all(w, &(struct sink){ .file = &file, .err = err });
    if (rc) {
        jb_new_file_drop(&file);
        return rc;
    }
    return jb_new_file_commit(&file, err);
}
