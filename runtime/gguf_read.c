// GGUF v3 reader. Everything is checked here, before anything is returned: no count is believed (or allocated for) before the bytes
// that it promises are known to be there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gguf_file.h"

// A cursor over the file. The first failure is kept in err, with its offset.
struct reader {
    struct jb_gguf *g;
    uint64_t at;
    struct jb_err *err;
    const struct jb_gguf_key *array; // the array whose strings are read, NULL: none
    uint64_t element;                // of it
};

__attribute__((format(printf, 3, 4))) static int bad(struct reader *r, uint64_t at, const char *format, ...)
{
    char reason[320];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (r->array)
        return jb_fail(r->err, JB_E_INVALID, "%s: byte %llu: key \"%.120s\", element %llu: %s", r->g->name, (unsigned long long)at, r->array->name, (unsigned long long)r->element, reason);
    return jb_fail(r->err, JB_E_INVALID, "%s: byte %llu: %s", r->g->name, (unsigned long long)at, reason);
}

static uint64_t left(const struct reader *r)
{
    return r->g->n_bytes - r->at;
}

// Little endian, whatever this machine is.
static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int read_uint(struct reader *r, size_t n, const char *what, uint64_t *out)
{
    if (left(r) < n)
        return bad(r, r->at, "the file ends within %s", what);
    *out = load_le(r->g->data + r->at, n);
    r->at += n;
    return JB_OK;
}

static int skip_string(struct reader *r, const char *what, uint64_t *at, uint64_t *n)
{
    uint64_t start = r->at, len = 0;
    int rc = read_uint(r, 8, what, &len);
    if (rc)
        return rc;
    if (len > JB_GGUF_MAX_STRING)
        return bad(r, start, "%s is %llu bytes long (limit 1 MiB)", what, (unsigned long long)len);
    if (len > left(r))
        return bad(r, start, "%s of %llu bytes ends past the end of the file", what, (unsigned long long)len);
    if (memchr(r->g->data + r->at, 0, len))
        return bad(r, start, "%s holds a NUL", what);
    *at = r->at;
    *n = len;
    r->at += len;
    return JB_OK;
}

static int read_string(struct reader *r, const char *what, struct jb_gguf_text *out)
{
    uint64_t at = 0, n = 0;
    int rc = skip_string(r, what, &at, &n);
    if (rc)
        return rc;
    char *s = jb_pool_text(&r->g->pool, r->g->data + at, n);
    if (!s)
        return jb_fail(r->err, JB_E_NOMEM, "%s: no memory for %s", r->g->name, what);
    *out = (struct jb_gguf_text){ .s = s, .n = n };
    return JB_OK;
}

// A key or a tensor name: not empty, valid UTF-8.
static int read_name(struct reader *r, const char *what, const char **out)
{
    uint64_t start = r->at;
    struct jb_gguf_text t;
    int rc = read_string(r, what, &t);
    if (rc)
        return rc;
    if (t.n == 0)
        return bad(r, start, "%s is empty", what);
    if (!jb_utf8_text(t.s, t.n))
        return bad(r, start, "%s is not valid UTF-8", what);
    *out = t.s;
    return JB_OK;
}

static int read_header(struct reader *r)
{
    struct jb_gguf *g = r->g;
    uint64_t version = 0;
    if (g->n_bytes < 24 || memcmp(g->data, "GGUF", 4) != 0)
        return bad(r, 0, g->n_bytes < 4 || memcmp(g->data, "GGUF", 4) != 0 ? "not a GGUF file (no magic \"GGUF\")" : "the file ends within the header");
    r->at = 4;
    (void)read_uint(r, 4, "the version", &version);
    if (version != 3)
        return jb_fail(r->err, JB_E_UNSUPPORTED, "%s: byte 4: GGUF version %llu%s (this build reads version 3)", g->name, (unsigned long long)version,
                       version == 0x03000000u ? ", a big-endian file" : "");
    uint64_t n_tensors = 0, n_keys = 0;
    (void)read_uint(r, 8, "the tensor count", &n_tensors);
    (void)read_uint(r, 8, "the metadata count", &n_keys);
    // The shortest tensor record has 33 bytes, the shortest metadata entry 14: counts beyond what is left are lies.
    if (n_tensors > JB_GGUF_MAX_TENSORS || n_tensors > left(r) / 33)
        return bad(r, 8, "%llu tensors cannot be (limit 65,536 and what fits the file)", (unsigned long long)n_tensors);
    if (n_keys > JB_GGUF_MAX_KEYS || n_keys > left(r) / 14)
        return bad(r, 16, "%llu metadata entries cannot be (limit 65,536 and what fits the file)", (unsigned long long)n_keys);
    g->keys = calloc(n_keys + 1, sizeof *g->keys);
    g->tensors = calloc(n_tensors + 1, sizeof *g->tensors);
    if (!g->keys || !g->tensors)
        return jb_fail(r->err, JB_E_NOMEM, "%s: no memory for %llu tensors and %llu keys", g->name, (unsigned long long)n_tensors, (unsigned long long)n_keys);
    g->n_keys = n_keys;
    g->n_tensors = n_tensors;
    return JB_OK;
}

static int read_array_strings(struct reader *r, struct jb_gguf_key *k)
{
    if (k->count > left(r) / 8)
        return bad(r, r->at, "key \"%s\": %llu strings do not fit the file", k->name, (unsigned long long)k->count);
    k->texts = jb_pool_get(&r->g->pool, k->count * sizeof *k->texts);
    if (!k->texts)
        return jb_fail(r->err, JB_E_NOMEM, "%s: no memory for the %llu strings of \"%s\"", r->g->name, (unsigned long long)k->count, k->name);
    int rc = JB_OK;
    r->array = k;
    for (r->element = 0; r->element < k->count && !rc; r->element++)
        rc = read_string(r, "a string", &k->texts[r->element]);
    r->array = NULL;
    return rc;
}

// `count` values of one type of fixed size, in place.
static int read_scalars(struct reader *r, struct jb_gguf_key *k, uint32_t type)
{
    size_t size = jb_gguf_type_bytes(type);
    k->data = r->g->data + r->at;
    if (k->count > left(r) / size)
        return bad(r, r->at, "key \"%s\": %llu values of type %s end past the end of the file", k->name, (unsigned long long)k->count, jb_gguf_type_name(type));
    if (type == JB_GGUF_BOOL)
        for (uint64_t i = 0; i < k->count; i++)
            if (k->data[i] > 1)
                return bad(r, r->at + i, "key \"%s\": a bool is 0 or 1, not %u", k->name, k->data[i]);
    r->at += k->count * size;
    return JB_OK;
}

static int read_array(struct reader *r, struct jb_gguf_key *k)
{
    uint64_t start = r->at, element = 0, count = 0;
    int rc = read_uint(r, 4, "an array's type", &element);
    if (!rc)
        rc = read_uint(r, 8, "an array's count", &count);
    if (rc)
        return rc;
    if (element == JB_GGUF_ARRAY)
        return jb_fail(r->err, JB_E_UNSUPPORTED, "%s: byte %llu: key \"%s\" is an array of arrays", r->g->name, (unsigned long long)start, k->name);
    if (element > JB_GGUF_F64)
        return bad(r, start, "key \"%s\": unknown element type %llu", k->name, (unsigned long long)element);
    if (count > JB_GGUF_MAX_ARRAY)
        return bad(r, start + 4, "key \"%s\": array of %llu elements (limit 2^24)", k->name, (unsigned long long)count);
    k->element = (enum jb_gguf_type)element;
    k->count = count;
    return element == JB_GGUF_STRING ? read_array_strings(r, k) : read_scalars(r, k, (uint32_t)element);
}

static int read_value(struct reader *r, struct jb_gguf_key *k)
{
    if (k->type == JB_GGUF_ARRAY)
        return read_array(r, k);
    if (k->type != JB_GGUF_STRING)
        return read_scalars(r, k, (uint32_t)k->type);
    k->texts = jb_pool_get(&r->g->pool, sizeof *k->texts);
    return k->texts ? read_string(r, "a string value", k->texts) : jb_fail(r->err, JB_E_NOMEM, "%s: no memory for keys", r->g->name);
}

static int read_key(struct reader *r, struct jb_gguf_key *k)
{
    uint64_t start = r->at, type = 0;
    int rc = read_name(r, "a key", &k->name);
    if (rc)
        return rc;
    rc = jb_names_add(&r->g->key_index, k->name, (uint32_t)(k - r->g->keys));
    if (rc == JB_E_EXISTS)
        return bad(r, start, "key \"%.200s\" occurs twice", k->name);
    if (rc)
        return jb_fail(r->err, rc, "%s: no memory for keys", r->g->name);
    start = r->at;
    rc = read_uint(r, 4, "a value's type", &type);
    if (rc)
        return rc;
    if (type > JB_GGUF_F64)
        return bad(r, start, "key \"%.200s\": unknown value type %llu", k->name, (unsigned long long)type);
    k->type = k->element = (enum jb_gguf_type)type;
    k->count = 1;
    k->offset = r->at;
    rc = read_value(r, k);
    k->n_bytes = r->at - k->offset;
    return rc;
}

// Sizes of one tensor: 1 to 4 dimensions of 1 to 2^31 - 1, whole blocks, bytes that fit 64 bits.
static int read_dims(struct reader *r, struct jb_gguf_tensor *t)
{
    uint64_t start = r->at, n = 0;
    int rc = read_uint(r, 4, "a tensor's dimension count", &n);
    if (rc)
        return rc;
    if (n < 1 || n > 4)
        return bad(r, start, "tensor \"%.200s\": %llu dimensions (1 to 4 can be)", t->name, (unsigned long long)n);
    t->n_dims = (uint32_t)n;
    for (uint32_t i = 0; i < 4; i++)
        t->dims[i] = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        start = r->at;
        rc = read_uint(r, 8, "a tensor's sizes", &t->dims[i]);
        if (rc)
            return rc;
        if (t->dims[i] < 1 || t->dims[i] > JB_GGUF_MAX_DIM)
            return bad(r, start, "tensor \"%.200s\": size %llu (1 to 2^31 - 1 can be)", t->name, (unsigned long long)t->dims[i]);
    }
    return JB_OK;
}

static int tensor_bytes(struct reader *r, struct jb_gguf_tensor *t, uint64_t start)
{
    uint32_t values, bytes;
    if (!jb_ggml_block(t->type, &values, &bytes))
        return JB_OK; // n_bytes stays 0, data NULL
    if (t->dims[0] % values)
        return bad(r, start, "tensor \"%.200s\": rows of %llu values are no whole blocks of %u", t->name, (unsigned long long)t->dims[0], values);
    uint64_t n = t->dims[0] / values * bytes;
    for (uint32_t i = 1; i < 4; i++)
        if (!jb_mul_u64(n, t->dims[i], &n))
            return bad(r, start, "tensor \"%.200s\": its size overflows 64 bits", t->name);
    t->n_bytes = n;
    return JB_OK;
}

static int read_tensor(struct reader *r, struct jb_gguf_tensor *t)
{
    uint64_t start = r->at, type = 0;
    int rc = read_name(r, "a tensor name", &t->name);
    if (rc)
        return rc;
    rc = jb_names_add(&r->g->tensor_index, t->name, (uint32_t)(t - r->g->tensors));
    if (rc == JB_E_EXISTS)
        return bad(r, start, "tensor \"%.200s\" occurs twice", t->name);
    if (rc)
        return jb_fail(r->err, rc, "%s: no memory for tensors", r->g->name);
    rc = read_dims(r, t);
    if (!rc)
        rc = read_uint(r, 4, "a tensor's type", &type);
    if (rc)
        return rc;
    t->type = (uint32_t)type;
    uint64_t at = r->at;
    rc = read_uint(r, 8, "a tensor's offset", &t->offset);
    if (rc)
        return rc;
    if (t->offset % r->g->alignment)
        return bad(r, at, "tensor \"%.200s\": offset %llu is no multiple of the alignment %llu", t->name, (unsigned long long)t->offset, (unsigned long long)r->g->alignment);
    return tensor_bytes(r, t, start);
}

static int read_alignment(struct reader *r)
{
    struct jb_gguf *g = r->g;
    g->alignment = 32;
    const struct jb_gguf_key *k = jb_gguf_find_key(g, "general.alignment");
    if (!k)
        return JB_OK;
    if (k->type != JB_GGUF_U32)
        return bad(r, k->offset, "general.alignment has type %s (u32 is required)", jb_gguf_type_name(k->type));
    g->alignment = load_le(k->data, 4);
    if (g->alignment < 8 || g->alignment > 65536 || (g->alignment & (g->alignment - 1)))
        return bad(r, k->offset, "alignment %llu is no power of two from 8 to 65,536", (unsigned long long)g->alignment);
    return JB_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct jb_gguf_tensor *x = *(const struct jb_gguf_tensor *const *)a, *y = *(const struct jb_gguf_tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes;
}

static int check_overlap(struct reader *r)
{
    struct jb_gguf *g = r->g;
    if (g->n_tensors < 2)
        return JB_OK;
    const struct jb_gguf_tensor **sorted = malloc(g->n_tensors * sizeof *sorted);
    if (!sorted)
        return jb_fail(r->err, JB_E_NOMEM, "%s: no memory to check tensors", g->name);
    for (size_t i = 0; i < g->n_tensors; i++)
        sorted[i] = &g->tensors[i];
    qsort(sorted, g->n_tensors, sizeof *sorted, by_offset);
    int rc = JB_OK;
    for (size_t i = 1; i < g->n_tensors && !rc; i++)
        if (sorted[i]->offset - sorted[i - 1]->offset < sorted[i - 1]->n_bytes)
            rc = bad(r, g->data_start + sorted[i]->offset, "tensors \"%.100s\" and \"%.100s\" overlap", sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return rc;
}

// Where the data part begins, and that every tensor lies in it.
static int place_tensors(struct reader *r)
{
    struct jb_gguf *g = r->g;
    g->data_start = jb_align_up(r->at, g->alignment);
    for (size_t i = 0; i < g->n_tensors; i++) {
        struct jb_gguf_tensor *t = &g->tensors[i];
        uint64_t begin, end;
        if (!jb_add_u64(g->data_start, t->offset, &begin) || !jb_add_u64(begin, t->n_bytes, &end) || end > g->n_bytes)
            return bad(r, g->data_start, "tensor \"%.200s\" (%llu bytes at offset %llu of the data part) ends past the end of the file (%llu bytes)", t->name,
                       (unsigned long long)t->n_bytes, (unsigned long long)t->offset, (unsigned long long)g->n_bytes);
        t->data = t->n_bytes ? g->data + begin : NULL;
    }
    return check_overlap(r);
}

static int read_all(struct jb_gguf *g, struct jb_err *err)
{
    struct reader r = { .g = g, .err = err };
    if (g->n_bytes > JB_GGUF_MAX_FILE)
        return bad(&r, 0, "file of %llu bytes (limit 16 GiB)", (unsigned long long)g->n_bytes);
    int rc = read_header(&r);
    for (size_t i = 0; i < g->n_keys && !rc; i++)
        rc = read_key(&r, &g->keys[i]);
    if (!rc)
        rc = read_alignment(&r);
    for (size_t i = 0; i < g->n_tensors && !rc; i++)
        rc = read_tensor(&r, &g->tensors[i]);
    return rc ? rc : place_tensors(&r);
}

static int open_common(struct jb_gguf **out, struct jb_gguf *g, const char *name, struct jb_err *err)
{
    g->name = strdup(name);
    int rc = g->name ? read_all(g, err) : jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    if (rc) {
        jb_gguf_close(g);
        return rc;
    }
    *out = g;
    return JB_OK;
}

int jb_gguf_open(struct jb_gguf **out, const char *path, struct jb_err *err)
{
    struct jb_gguf *g = calloc(1, sizeof *g);
    if (!g)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = jb_map_open(&g->map, path, err);
    if (rc) {
        free(g);
        return rc;
    }
    g->mapped = true;
    g->data = g->map.data;
    g->n_bytes = g->map.n_bytes;
    return open_common(out, g, path, err);
}

int jb_gguf_open_memory(struct jb_gguf **out, const char *name, const void *data, size_t n_bytes, struct jb_err *err)
{
    struct jb_gguf *g = calloc(1, sizeof *g);
    if (!g)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    g->data = data;
    g->n_bytes = n_bytes;
    return open_common(out, g, name, err);
}

void jb_gguf_close(struct jb_gguf *g)
{
    if (!g)
        return;
    if (g->mapped)
        jb_map_close(&g->map);
    jb_names_free(&g->key_index);
    jb_names_free(&g->tensor_index);
    jb_pool_free(&g->pool);
    free(g->keys);
    free(g->tensors);
    free(g->name);
    free(g);
}
