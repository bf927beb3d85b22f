// Typed answers from an open GGUF file. A value of a type that does not serve is an error that names key and both types.
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/gguf_file.h"

const char *jb_gguf_name(const struct jb_gguf *g)
{
    return g->name;
}

size_t jb_gguf_file_bytes(const struct jb_gguf *g)
{
    return g->n_bytes;
}

void jb_gguf_hash(const struct jb_gguf *g, char hex[JB_HASH_HEX])
{
    jb_hash_bytes(g->data, g->n_bytes, hex);
}

size_t jb_gguf_offset(const struct jb_gguf *g, const void *data)
{
    return (size_t)((const uint8_t *)data - g->data);
}

void jb_gguf_release(const struct jb_gguf *g, const void *data, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = jb_align_up(jb_gguf_offset(g, data), page), end = (jb_gguf_offset(g, data) + n_bytes) & ~(page - 1); // whole ones: neighbours may be in use
    if (g->mapped && begin < end)
        (void)madvise((void *)(uintptr_t)(g->data + begin), end - begin, MADV_DONTNEED); // read-only and file-backed: nothing is lost
}

size_t jb_gguf_n_tensors(const struct jb_gguf *g)
{
    return g->n_tensors;
}

const struct jb_gguf_tensor *jb_gguf_tensor_at(const struct jb_gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const struct jb_gguf_tensor *jb_gguf_tensor(const struct jb_gguf *g, const char *name)
{
    uint32_t i = jb_names_find(&g->tensor_index, name);
    return i == JB_NO_INDEX ? NULL : &g->tensors[i];
}

size_t jb_gguf_n_keys(const struct jb_gguf *g)
{
    return g->n_keys;
}

const char *jb_gguf_key_at(const struct jb_gguf *g, size_t i, enum jb_gguf_type *type)
{
    if (i >= g->n_keys)
        return NULL;
    if (type)
        *type = g->keys[i].type;
    return g->keys[i].name;
}

const struct jb_gguf_key *jb_gguf_find_key(const struct jb_gguf *g, const char *key)
{
    uint32_t i = jb_names_find(&g->key_index, key);
    return i == JB_NO_INDEX ? NULL : &g->keys[i];
}

bool jb_gguf_has(const struct jb_gguf *g, const char *key)
{
    return jb_gguf_find_key(g, key) != NULL;
}

static int wrong_type(const struct jb_gguf *g, const struct jb_gguf_key *k, const char *wanted, struct jb_err *err)
{
    const char *array = k->type == JB_GGUF_ARRAY ? "array of " : "";
    return jb_fail(err, JB_E_INVALID, "%s: byte %llu: key \"%.200s\" has type %s%s (%s is required)", g->name, (unsigned long long)k->offset, k->name, array,
                   jb_gguf_type_name(k->element), wanted);
}

// The key as a single value, or as an array.
static int find(const struct jb_gguf *g, const char *key, bool array, const struct jb_gguf_key **out, struct jb_err *err)
{
    const struct jb_gguf_key *k = jb_gguf_find_key(g, key);
    if (!k)
        return jb_fail(err, JB_E_NOT_FOUND, "%s: key \"%.200s\" is missing", g->name, key);
    if ((k->type == JB_GGUF_ARRAY) != array)
        return wrong_type(g, k, array ? "an array" : "a single value", err);
    *out = k;
    return JB_OK;
}

static int find_element(const struct jb_gguf *g, const char *key, size_t i, const struct jb_gguf_key **out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, true, &k, err);
    if (rc)
        return rc;
    if (i >= k->count)
        return jb_fail(err, JB_E_RANGE, "%s: byte %llu: key \"%.200s\" has %llu elements, %zu was asked for", g->name, (unsigned long long)k->offset, key, (unsigned long long)k->count, i);
    *out = k;
    return JB_OK;
}

static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int get_str(const struct jb_gguf *g, const struct jb_gguf_key *k, size_t i, const char **out, size_t *n_bytes, struct jb_err *err)
{
    if (k->element != JB_GGUF_STRING)
        return wrong_type(g, k, "string", err);
    *out = k->texts[i].s;
    if (n_bytes)
        *n_bytes = k->texts[i].n;
    return JB_OK;
}

static int get_u64(const struct jb_gguf *g, const struct jb_gguf_key *k, size_t i, uint64_t *out, struct jb_err *err)
{
    size_t size = jb_gguf_type_bytes(k->element);
    bool is_signed = k->element == JB_GGUF_I8 || k->element == JB_GGUF_I16 || k->element == JB_GGUF_I32 || k->element == JB_GGUF_I64;
    bool is_unsigned = k->element == JB_GGUF_U8 || k->element == JB_GGUF_U16 || k->element == JB_GGUF_U32 || k->element == JB_GGUF_U64;
    if (!is_signed && !is_unsigned)
        return wrong_type(g, k, "an integer", err);
    uint64_t v = load_le(k->data + i * size, size);
    if (is_signed && v >> (8 * size - 1))
        return jb_fail(err, JB_E_INVALID, "%s: byte %llu: key \"%.200s\" is negative", g->name, (unsigned long long)k->offset, k->name);
    *out = v;
    return JB_OK;
}

static int get_f64(const struct jb_gguf *g, const struct jb_gguf_key *k, size_t i, double *out, struct jb_err *err)
{
    if (k->element == JB_GGUF_F32) {
        uint32_t bits = (uint32_t)load_le(k->data + i * 4, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
        return JB_OK;
    }
    if (k->element != JB_GGUF_F64)
        return wrong_type(g, k, "f32 or f64", err);
    uint64_t bits = load_le(k->data + i * 8, 8);
    memcpy(out, &bits, sizeof *out);
    return JB_OK;
}

int jb_gguf_str(const struct jb_gguf *g, const char *key, const char **out, size_t *n_bytes, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, false, &k, err);
    return rc ? rc : get_str(g, k, 0, out, n_bytes, err);
}

int jb_gguf_u64(const struct jb_gguf *g, const char *key, uint64_t *out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, false, &k, err);
    return rc ? rc : get_u64(g, k, 0, out, err);
}

int jb_gguf_f64(const struct jb_gguf *g, const char *key, double *out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, false, &k, err);
    return rc ? rc : get_f64(g, k, 0, out, err);
}

int jb_gguf_bool(const struct jb_gguf *g, const char *key, bool *out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, false, &k, err);
    if (rc)
        return rc;
    if (k->element != JB_GGUF_BOOL)
        return wrong_type(g, k, "bool", err);
    *out = k->data[0] != 0;
    return JB_OK;
}

int jb_gguf_array(const struct jb_gguf *g, const char *key, enum jb_gguf_type *element, size_t *count, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find(g, key, true, &k, err);
    if (rc)
        return rc;
    if (element)
        *element = k->element;
    *count = k->count;
    return JB_OK;
}

int jb_gguf_array_str(const struct jb_gguf *g, const char *key, size_t i, const char **out, size_t *n_bytes, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find_element(g, key, i, &k, err);
    return rc ? rc : get_str(g, k, i, out, n_bytes, err);
}

int jb_gguf_array_u64(const struct jb_gguf *g, const char *key, size_t i, uint64_t *out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find_element(g, key, i, &k, err);
    return rc ? rc : get_u64(g, k, i, out, err);
}

int jb_gguf_array_f64(const struct jb_gguf *g, const char *key, size_t i, double *out, struct jb_err *err)
{
    const struct jb_gguf_key *k = NULL;
    int rc = find_element(g, key, i, &k, err);
    return rc ? rc : get_f64(g, k, i, out, err);
}
