// The GGUF reader on any bytes: refuses, or every accessor works, every tensor's bytes can be read and its blocks widened, and every key can be copied into another file.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/blocks.h"
#include "runtime/gguf.h"

static volatile uint8_t sink; // keeps the reads

static void read_key(const struct jb_gguf *g, const char *key)
{
    const char *s = NULL;
    size_t n = 0;
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    struct jb_err err;
    (void)jb_gguf_str(g, key, &s, &n, &err);
    (void)jb_gguf_u64(g, key, &u, &err);
    (void)jb_gguf_f64(g, key, &d, &err);
    (void)jb_gguf_bool(g, key, &b, &err);
    if (jb_gguf_array(g, key, NULL, &n, &err))
        return;
    for (size_t i = 0; i < n && i < 64; i++) {
        size_t len = 0;
        if (jb_gguf_array_str(g, key, i, &s, &len, &err) == 0 && strlen(s) != len)
            abort();
        (void)jb_gguf_array_u64(g, key, i, &u, &err);
        (void)jb_gguf_array_f64(g, key, i, &d, &err);
    }
    if (jb_gguf_array_u64(g, key, n, &u, &err) == 0)
        abort();
}

// The first values of a tensor as real numbers, and those that are finite back again.
static void widen(const struct jb_gguf_tensor *t)
{
    float x[512];
    uint8_t row[2048];
    const struct jb_block_type *from = jb_block_type(t->type), *to;
    if (!from || !from->widen || !t->data)
        return;
    uint64_t n = t->n_bytes / from->bytes * from->values;
    n = n > 512 ? 512 : n;
    from->widen(t->data, x, (size_t)n);
    for (size_t i = 0; (to = jb_block_type_at(i)); i++)
        if (to->narrow)
            (void)to->narrow(x, row, (size_t)(n / to->values * to->values));
}

static void copy_keys(const struct jb_gguf *g)
{
    struct jb_gguf_writer *w;
    struct jb_gguf *copy;
    struct jb_err err;
    void *data;
    size_t n, copied = 0;
    if (jb_gguf_writer_open(&w))
        return;
    for (size_t i = 0; i < jb_gguf_n_keys(g); i++)
        copied += jb_gguf_copy_key(w, g, i) == 0;
    if (copied + 1 < jb_gguf_n_keys(g)) // all but general.alignment
        abort();
    if (jb_gguf_write_memory(w, &data, &n, &err) == 0) {
        if (jb_gguf_open_memory(&copy, "copy", data, n, &err) || jb_gguf_n_keys(copy) != copied)
            abort();
        jb_gguf_close(copy);
        free(data);
    }
    jb_gguf_writer_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_gguf *g;
    struct jb_err err = { 0 };
    uint8_t *copy = malloc(n ? n : 1); // aligned, and ends where it ends
    if (!copy)
        return 0;
    if (n)
        memcpy(copy, data, n);
    int rc = jb_gguf_open_memory(&g, "fuzz", copy, n, &err);
    if (rc) {
        if (!err.detail[0])
            abort();
        free(copy);
        return 0;
    }
    for (size_t i = 0; i < jb_gguf_n_keys(g); i++)
        read_key(g, jb_gguf_key_at(g, i, NULL));
    for (size_t i = 0; i < jb_gguf_n_tensors(g); i++) {
        const struct jb_gguf_tensor *t = jb_gguf_tensor_at(g, i);
        if (jb_gguf_tensor(g, t->name) != t)
            abort();
        for (uint64_t b = 0; b < t->n_bytes; b++)
            sink = ((const uint8_t *)t->data)[b];
        widen(t);
    }
    copy_keys(g);
    jb_gguf_close(g);
    free(copy);
    return 0;
}
