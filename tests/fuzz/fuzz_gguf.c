// The GGUF reader on any bytes: refuses, or every accessor works and every tensor's bytes can be read.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
    }
    jb_gguf_close(g);
    free(copy);
    return 0;
}
