// Files below the level of a model: GGUF keys and tensors, and arrays.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "cli/table.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "workloads/array.h"

// A value as text, shortened; arrays by their count and first element.
static void value_text(const struct jb_gguf *g, const char *key, enum jb_gguf_type type, struct jb_str *out)
{
    const char *s;
    size_t n, len;
    uint64_t u;
    double d;
    bool b;
    enum jb_gguf_type element;
    if (type == JB_GGUF_STRING && jb_gguf_str(g, key, &s, &n, NULL) == JB_OK)
        jb_str_addf(out, "%.100s%s", s, n > 100 ? "..." : "");
    else if (type == JB_GGUF_BOOL && jb_gguf_bool(g, key, &b, NULL) == JB_OK)
        jb_str_add(out, b ? "true" : "false");
    else if ((type == JB_GGUF_F32 || type == JB_GGUF_F64) && jb_gguf_f64(g, key, &d, NULL) == JB_OK)
        jb_str_addf(out, "%.9g", d);
    else if (type == JB_GGUF_ARRAY && jb_gguf_array(g, key, &element, &n, NULL) == JB_OK) {
        jb_str_addf(out, "[%zu]", n);
        if (n && element == JB_GGUF_STRING && jb_gguf_array_str(g, key, 0, &s, &len, NULL) == JB_OK)
            jb_str_addf(out, " %.80s%s", s, n > 1 ? ", ..." : "");
        else if (n && (jb_gguf_array_f64(g, key, 0, &d, NULL) == JB_OK))
            jb_str_addf(out, " %.9g%s", d, n > 1 ? ", ..." : "");
        else if (n && jb_gguf_array_u64(g, key, 0, &u, NULL) == JB_OK)
            jb_str_addf(out, " %" PRIu64 "%s", u, n > 1 ? ", ..." : "");
    } else if (jb_gguf_u64(g, key, &u, NULL) == JB_OK)
        jb_str_addf(out, "%" PRIu64, u);
    else
        jb_str_add(out, "?");
}

static const char *type_name(enum jb_gguf_type t)
{
    static const char *const names[] = { "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64" };
    return (unsigned)t < sizeof names / sizeof names[0] ? names[t] : "?";
}

static void gguf_text(const struct jb_gguf *g)
{
    struct cli_table t;
    cli_table_open(&t, "key|type|value");
    for (size_t i = 0; i < jb_gguf_n_keys(g); i++) {
        enum jb_gguf_type type;
        struct jb_str value = { 0 };
        const char *key = jb_gguf_key_at(g, i, &type);
        value_text(g, key, type, &value);
        cli_table_addf(&t, "%s", key);
        cli_table_addf(&t, "%s", type_name(type));
        cli_table_addf(&t, "%s", jb_str_get(&value));
        jb_str_free(&value);
    }
    cli_table_close(&t);
    putchar('\n');
    cli_table_open(&t, "tensor|>type|sizes, fastest first|>bytes|>offset");
    for (size_t i = 0; i < jb_gguf_n_tensors(g); i++) {
        const struct jb_gguf_tensor *x = jb_gguf_tensor_at(g, i);
        struct jb_str dims = { 0 };
        for (uint32_t d = 0; d < x->n_dims; d++)
            jb_str_addf(&dims, "%s%" PRIu64, d ? " x " : "", x->dims[d]);
        cli_table_addf(&t, "%s", x->name);
        const struct jb_block_type *type = jb_block_type(x->type);
        if (type)
            cli_table_addf(&t, "%s", type->name);
        else
            cli_table_addf(&t, "%u", x->type);
        cli_table_addf(&t, "%s", jb_str_get(&dims));
        cli_table_addf(&t, "%" PRIu64, x->n_bytes);
        cli_table_addf(&t, "%" PRIu64, x->offset);
        jb_str_free(&dims);
    }
    cli_table_close(&t);
}

static int gguf_json(const struct jb_gguf *g)
{
    cJSON *root = cJSON_CreateObject(), *keys = jb_json_put_array(root, "keys"), *tensors;
    for (size_t i = 0; i < jb_gguf_n_keys(g); i++) {
        enum jb_gguf_type type;
        struct jb_str value = { 0 };
        const char *key = jb_gguf_key_at(g, i, &type);
        cJSON *o = jb_json_put_object(keys, NULL);
        value_text(g, key, type, &value);
        jb_json_put_str(o, "key", key);
        jb_json_put_str(o, "type", type_name(type));
        jb_json_put_str(o, "text", jb_str_get(&value));
        jb_str_free(&value);
    }
    tensors = jb_json_put_array(root, "tensors");
    for (size_t i = 0; i < jb_gguf_n_tensors(g); i++) {
        const struct jb_gguf_tensor *x = jb_gguf_tensor_at(g, i);
        cJSON *o = jb_json_put_object(tensors, NULL), *dims;
        jb_json_put_str(o, "name", x->name);
        jb_json_put_u64(o, "type", x->type);
        jb_json_put_str(o, "type_name", jb_block_type(x->type) ? jb_block_type(x->type)->name : NULL);
        dims = jb_json_put_array(o, "sizes");
        for (uint32_t d = 0; dims && d < x->n_dims; d++)
            jb_json_put_f64(dims, NULL, (double)x->dims[d]);
        jb_json_put_u64(o, "bytes", x->n_bytes);
        jb_json_put_u64(o, "offset", x->offset);
    }
    return cli_print_json(root) == JB_EXIT_OK ? JB_OK : JB_E_NOMEM;
}

int cli_inspect_gguf(const char *path, bool json, struct jb_err *err)
{
    struct jb_gguf *g;
    int rc = jb_gguf_open(&g, path, err);
    if (rc < 0)
        return rc;
    if (json)
        rc = gguf_json(g);
    else
        gguf_text(g);
    jb_gguf_close(g);
    return rc;
}

bool cli_inspect_is_array(const char *path)
{
    unsigned char b[6] = { 1 };
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(b, 1, sizeof b, f) : 0;
    if (f)
        fclose(f);
    return (n == 6 && memcmp(b, "\x93NUMPY", 6) == 0) || (n >= 2 && b[0] == 0x1f && b[1] == 0x8b) || (n >= 4 && b[0] == 0 && b[1] == 0);
}

int cli_inspect_array(const char *path, bool json, struct jb_err *err)
{
    struct jb_array a;
    char is[160];
    int rc = jb_array_read(&a, path, err);
    if (rc < 0)
        return rc;
    jb_array_describe(&a, is, sizeof is);
    if (json) {
        cJSON *root = cJSON_CreateObject();
        jb_json_put_str(root, "file", path);
        jb_json_put_str(root, "array", is);
        jb_json_put_u64(root, "items", a.n_items);
        rc = cli_print_json(root) == JB_EXIT_OK ? JB_OK : JB_E_NOMEM;
    } else {
        cli_print_safe(path);
        printf(": %s, %" PRIu64 " items\n", is, a.n_items);
    }
    jb_array_close(&a);
    return rc;
}
