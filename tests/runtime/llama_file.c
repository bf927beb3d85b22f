#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/blocks.h"
#include "tests/runtime/llama_file.h"

struct jb_synth_opts llama_opts(const char *type)
{
    struct jb_synth_opts o;
    jb_synth_defaults(&o);
    o.kind = "llama";
    o.layers = 3;
    o.width = strstr(type, "_K") || strcmp(type, "mixed") == 0 ? 256 : 64;
    o.heads = 4;
    o.kv_heads = 2;
    o.ffn = 0;
    o.vocab = 270;
    o.context = 64;
    o.type = type;
    o.tied = true;
    o.seed = 5;
    return o;
}

static const struct change *find(const struct change *c, const char *name)
{
    for (; c && c->kind != CHANGE_END; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int put_change(struct jb_gguf_writer *w, const struct change *c)
{
    uint32_t n_dims = c->dims[1] ? 2 : 1;
    const struct jb_block_type *t = jb_block_type(c->u32);
    void *zeros = NULL;
    int rc = JB_OK;
    switch (c->kind) {
    case CHANGE_U32: return jb_gguf_put_u32(w, c->name, c->u32);
    case CHANGE_F32: return jb_gguf_put_f32(w, c->name, c->f32);
    case CHANGE_TEXT: return jb_gguf_put_str(w, c->name, c->text);
    case CHANGE_NUMBERS: return jb_gguf_put_array_u32(w, c->name, c->data, c->n);
    case CHANGE_TENSOR: {
        size_t n_bytes = jb_block_row_bytes(t, c->dims[0]) * (n_dims == 2 ? c->dims[1] : 1);
        zeros = calloc(1, n_bytes);
        rc = zeros ? jb_gguf_put_tensor(w, c->name, c->u32, c->dims, n_dims, c->data ? c->data : zeros, n_bytes) : JB_E_NOMEM;
        free(zeros);
        return rc;
    }
    default: return JB_OK;
    }
}

// Texts, integers and floats of the model itself; the tokenizer's keys are left out (they are none of the runtime's).
static int copy_key(struct jb_gguf_writer *w, const struct jb_gguf *g, const char *key, enum jb_gguf_type type)
{
    const char *s;
    uint64_t u;
    double f;
    if (strncmp(key, "tokenizer.", 10) == 0)
        return JB_OK;
    if (type == JB_GGUF_STRING)
        return jb_gguf_str(g, key, &s, NULL, NULL) ? -1 : jb_gguf_put_str(w, key, s);
    if (type == JB_GGUF_U32)
        return jb_gguf_u64(g, key, &u, NULL) ? -1 : jb_gguf_put_u32(w, key, (uint32_t)u);
    if (type == JB_GGUF_F32)
        return jb_gguf_f64(g, key, &f, NULL) ? -1 : jb_gguf_put_f32(w, key, (float)f);
    return JB_OK;
}

static int copy_changed(struct jb_gguf_writer *w, const struct jb_gguf *g, const struct change *changes)
{
    const struct jb_gguf_tensor *t;
    const char *key;
    enum jb_gguf_type type;
    int rc = JB_OK;
    for (size_t i = 0; (key = jb_gguf_key_at(g, i, &type)) && !rc; i++)
        if (!find(changes, key))
            rc = copy_key(w, g, key, type);
    for (size_t i = 0; (t = jb_gguf_tensor_at(g, i)) && !rc; i++)
        if (!find(changes, t->name))
            rc = jb_gguf_put_tensor(w, t->name, t->type, t->dims, t->n_dims, t->data, t->n_bytes);
    for (; changes && changes->kind != CHANGE_END && !rc; changes++)
        rc = put_change(w, changes);
    return rc;
}

static void finish(struct llama_file *f, struct jb_gguf_writer *w, int rc)
{
    struct jb_err err = { 0 };
    *f = (struct llama_file){ 0 };
    if (rc || jb_gguf_write_memory(w, &f->data, &f->n_bytes, &err) || jb_gguf_open_memory(&f->g, "file", f->data, f->n_bytes, &err))
        fail_msg("a file for a test: %d %s", rc, err.detail);
    jb_gguf_writer_close(w);
}

void llama_file_make(struct llama_file *f, const struct jb_synth_opts *o, const struct change *changes)
{
    struct jb_err err = { 0 };
    struct llama_file base = { 0 };
    struct jb_gguf_writer *w;
    if (jb_synth_make(&base.data, &base.n_bytes, o, &err) || jb_gguf_open_memory(&base.g, "synth", base.data, base.n_bytes, &err))
        fail_msg("%s", err.detail);
    if (!changes) {
        *f = base;
        return;
    }
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    finish(f, w, copy_changed(w, base.g, changes));
    llama_file_close(&base);
}

void llama_file_close(struct llama_file *f)
{
    jb_gguf_close(f->g);
    free(f->data);
    *f = (struct llama_file){ 0 };
}

static int put_random(struct jb_gguf_writer *w, struct jb_rng *rng, const char *name, uint32_t type, uint64_t n, uint64_t rows, float spread)
{
    const struct jb_block_type *t = jb_block_type(type);
    uint64_t dims[2] = { n, rows };
    float *x = malloc(n * rows * sizeof *x);
    char *packed = malloc(jb_block_row_bytes(t, n) * rows);
    int rc = x && packed ? JB_OK : JB_E_NOMEM;
    for (size_t i = 0; i < n * rows && !rc; i++)
        x[i] = spread * (float)(jb_rng_unit(rng) - 0.5);
    for (size_t r = 0; r < rows && !rc; r++)
        rc = t->narrow(x + r * n, packed + r * jb_block_row_bytes(t, n), n) ? JB_OK : JB_E_RANGE;
    if (!rc)
        rc = jb_gguf_put_tensor(w, name, type, dims, rows > 1 ? 2 : 1, packed, jb_block_row_bytes(t, n) * rows);
    free(x);
    free(packed);
    return rc;
}

// The hash of the base's norms, in the order of docs/model-format.md section 7, by this test's own hand.
static void hash_norms(const struct jb_gguf *g, char hex[JB_HASH_HEX])
{
    struct jb_hash *h;
    char name[64];
    uint64_t layers = 0;
    const struct jb_gguf_tensor *t;
    assert_int_equal(jb_hash_open(&h), 0);
    assert_int_equal(jb_gguf_u64(g, "llama.block_count", &layers, NULL), 0);
    for (uint64_t l = 0; l < 2 * layers; l++) {
        snprintf(name, sizeof name, "blk.%d.%s_norm.weight", (int)(l / 2), l % 2 ? "ffn" : "attn");
        t = jb_gguf_tensor(g, name);
        jb_hash_update(h, t->data, t->n_bytes);
    }
    t = jb_gguf_tensor(g, "output_norm.weight");
    jb_hash_update(h, t->data, t->n_bytes);
    jb_hash_finish(h, hex);
    jb_hash_close(h);
}

static int put_exits(struct jb_gguf_writer *w, const struct jb_gguf *base, uint32_t type, bool plain)
{
    static const uint32_t layers[] = { 1, 2 };
    static const float temperatures[] = { 1.5f, 0.75f };
    struct jb_rng rng;
    char hex[JB_HASH_HEX];
    uint64_t n = jb_gguf_tensor(base, "output_norm.weight")->dims[0];
    float spread = 2.0f / sqrtf((float)n);
    jb_rng_seed(&rng, 77);
    hash_norms(base, hex);
    int rc = jb_gguf_put_str(w, "general.architecture", "jb-exits") || jb_gguf_put_u32(w, "jb.format", 1) || jb_gguf_put_str(w, "jb.base.norms_sha256", hex) ||
             jb_gguf_put_array_u32(w, "jb.exits.layers", layers, 2) || jb_gguf_put_array_f32(w, "jb.exits.temperature", temperatures, 2);
    if (rc || plain)
        return rc;
    return put_random(w, &rng, "exit.0.map.weight", type, n, n, spread) || put_random(w, &rng, "exit.1.down.weight", type, n, 32, spread) ||
           put_random(w, &rng, "exit.1.up.weight", type, 32, n, 0.35f) || put_random(w, &rng, "exit.0.gate.0.weight", type, n, 20, 2 * spread) ||
           put_random(w, &rng, "exit.0.gate.0.bias", JB_GGML_F32, 20, 1, 0.5f) || put_random(w, &rng, "exit.0.gate.1.weight", JB_GGML_F32, 20, 1, 2.0f) ||
           put_random(w, &rng, "exit.0.gate.1.bias", JB_GGML_F32, 1, 1, 1.0f) || put_random(w, &rng, "exit.1.gate.0.weight", type, n, 7, 2 * spread) ||
           put_random(w, &rng, "exit.1.gate.0.bias", JB_GGML_F32, 7, 1, 0.5f) || put_random(w, &rng, "exit.1.gate.1.weight", JB_GGML_F16, 7, 1, 2.0f) ||
           put_random(w, &rng, "exit.1.gate.1.bias", JB_GGML_F32, 1, 1, 1.0f);
}

// Side files are small: made whole, then copied with the changes.
void exits_file_make(struct llama_file *f, const struct jb_gguf *base, uint32_t type, bool plain, const struct change *changes)
{
    struct llama_file whole;
    struct jb_gguf_writer *w;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    finish(&whole, w, put_exits(w, base, type, plain));
    if (!changes) {
        *f = whole;
        return;
    }
    static const uint32_t layers[] = { 1, 2 };
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    int rc = find(changes, "jb.exits.layers") ? 0 : jb_gguf_put_array_u32(w, "jb.exits.layers", layers, 2);
    finish(f, w, rc ? rc : copy_changed(w, whole.g, changes)); // the temperatures, an array, are left out: they are optional
    llama_file_close(&whole);
}
