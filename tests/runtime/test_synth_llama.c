// Synthetic language models: the tensors and keys of the architecture, weights with the spread that was asked for, the same bytes for the same seed.
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "runtime/model.h"
#include "runtime/synth.h"

static const char *const types[] = { "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K", "mixed" };
enum { N = sizeof types / sizeof *types };

static struct jb_synth_opts opts(const char *type)
{
    struct jb_synth_opts o;
    jb_synth_defaults(&o);
    o.kind = "llama";
    o.type = type;
    o.width = 256;
    return o;
}

struct file { void *data; size_t n; struct jb_gguf *g; };

static struct file make(const struct jb_synth_opts *o)
{
    struct file f = { 0 };
    struct jb_err err = { 0 };
    if (jb_synth_make(&f.data, &f.n, o, &err) || jb_gguf_open_memory(&f.g, "synth", f.data, f.n, &err))
        fail_msg("%s: %s", o->type, err.detail);
    return f;
}

static void drop(struct file *f)
{
    jb_gguf_close(f->g);
    free(f->data);
}

static void spread_of(const struct jb_gguf_tensor *t, double *mean, double *spread)
{
    size_t n = (size_t)(t->dims[0] * t->dims[1]);
    float *x = malloc(n * sizeof *x);
    double sum = 0, squares = 0;
    jb_block_type(t->type)->widen(t->data, x, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(x[i]));
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    free(x);
    *mean = sum / (double)n;
    *spread = sqrt(squares / (double)n - *mean * *mean);
}

static void test_spreads(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++) {
        struct jb_synth_opts o = opts(types[i]);
        struct file f = make(&o);
        for (size_t k = 0; k < jb_gguf_n_tensors(f.g); k++) {
            const struct jb_gguf_tensor *t = jb_gguf_tensor_at(f.g, k);
            const char *name = strncmp(t->name, "blk.", 4) ? t->name : strrchr(t->name, '.') - 1;
            double gain = 1, mean, spread;
            if (strstr(t->name, "attn_q") || strstr(t->name, "attn_k") || strstr(t->name, "ffn_down"))
                gain = 2;
            else if (strstr(t->name, "attn_output"))
                gain = 1.5;
            else if (!strcmp(name, "output.weight") || !strcmp(name, "token_embd.weight"))
                gain = 3;
            double wanted = t->n_dims == 1 ? 0.1 : gain / sqrt((double)t->dims[0]);
            spread_of(t, &mean, &spread);
            if (fabs(spread / wanted - 1) > 0.12)
                fail_msg("%s: %s spreads by %g, %g is wanted", types[i], t->name, spread, wanted);
            if (fabs(mean - (t->n_dims == 1 ? 1 : 0)) > (t->n_dims == 1 ? 0.2 : 0.05) * wanted)
                fail_msg("%s: %s has mean %g", types[i], t->name, mean);
            if (i < N - 1)
                assert_int_equal(t->type, t->n_dims == 1 ? JB_GGML_F32 : jb_block_type_named(types[i])->type);
        }
        drop(&f);
    }
}

static void test_mixed_has_all(void **state)
{
    uint64_t seen = 0;
    struct jb_synth_opts o = opts("mixed");
    struct file f = make(&o);
    (void)state;
    for (size_t i = 0; i < jb_gguf_n_tensors(f.g); i++)
        seen |= (uint64_t)1 << jb_gguf_tensor_at(f.g, i)->type;
    for (size_t i = 0; i < N - 1; i++)
        assert_true(seen >> jb_block_type_named(types[i])->type & 1);
    drop(&f);
    o.width = 32; // no room for blocks of 256
    f = make(&o);
    for (size_t i = 0; i < jb_gguf_n_tensors(f.g); i++)
        assert_true(jb_block_type(jb_gguf_tensor_at(f.g, i)->type)->values <= 32);
    drop(&f);
}

static void test_shapes(void **state)
{
    struct jb_synth_opts o = opts("q8_0");
    uint64_t u;
    (void)state;
    o.width = 96;
    o.heads = 6;
    o.kv_heads = 3;
    o.ffn = 160;
    o.layers = 3;
    o.vocab = 1000;
    o.context = 77;
    for (int tied = 0; tied < 2; tied++) {
        o.tied = tied;
        struct file f = make(&o);
        assert_int_equal(jb_gguf_n_tensors(f.g), 3 * 9 + 3 - (size_t)tied);
        assert_int_equal(jb_gguf_tensor(f.g, "output.weight") == NULL, tied);
        assert_int_equal(jb_gguf_tensor(f.g, "blk.2.attn_v.weight")->dims[0], 96);
        assert_int_equal(jb_gguf_tensor(f.g, "blk.2.attn_v.weight")->dims[1], 48);
        assert_int_equal(jb_gguf_tensor(f.g, "blk.0.ffn_down.weight")->dims[0], 160);
        assert_int_equal(jb_gguf_tensor(f.g, "token_embd.weight")->dims[1], 1000);
        assert_int_equal(jb_gguf_u64(f.g, "llama.rope.dimension_count", &u, NULL), 0);
        assert_int_equal(u, 16);
        assert_int_equal(jb_gguf_u64(f.g, "llama.context_length", &u, NULL), 0);
        assert_int_equal(u, 77);
        drop(&f);
    }
}

// All tokens differ; every merge joins two tokens to one, in the order of the merges.
static void test_vocabulary(void **state)
{
    struct jb_synth_opts o = opts("f16");
    const uint32_t sizes[] = { 259, 260, 320, 1200, 5000 };
    (void)state;
    o.width = 32;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        o.vocab = sizes[s];
        struct file f = make(&o);
        struct jb_gguf_writer *w; // its set of names finds what occurs twice
        size_t n, m;
        assert_int_equal(jb_gguf_writer_open(&w), 0);
        assert_int_equal(jb_gguf_array(f.g, "tokenizer.ggml.tokens", NULL, &n, NULL), 0);
        assert_int_equal(jb_gguf_array(f.g, "tokenizer.ggml.merges", NULL, &m, NULL), 0);
        assert_int_equal(n, sizes[s]);
        assert_int_equal(m, sizes[s] - 259);
        for (size_t i = 0; i < n; i++) {
            const char *token, *merge;
            assert_int_equal(jb_gguf_array_str(f.g, "tokenizer.ggml.tokens", i, &token, NULL, NULL), 0);
            if (i >= 259) {
                assert_int_equal(jb_gguf_array_str(f.g, "tokenizer.ggml.merges", i - 259, &merge, NULL, NULL), 0);
                char a[32], b[32], joined[64];
                assert_int_equal(sscanf(merge, "%31s %31s", a, b), 2);
                snprintf(joined, sizeof joined, "%s%s", a, b);
                assert_string_equal(joined, token);
                assert_int_equal(jb_gguf_put_u32(w, a, 0), JB_E_EXISTS);
                assert_int_equal(jb_gguf_put_u32(w, b, 0), JB_E_EXISTS);
            }
            assert_int_equal(jb_gguf_put_u32(w, token, 0), 0);
        }
        jb_gguf_writer_close(w);
        drop(&f);
    }
}

static void hash_of(const char *type, uint64_t seed, char hex[JB_HASH_HEX])
{
    struct jb_synth_opts o = opts(type);
    o.seed = seed;
    struct file f = make(&o);
    jb_gguf_hash(f.g, hex);
    drop(&f);
}

static void test_same_seed_same_bytes(void **state)
{
    char one[JB_HASH_HEX], two[JB_HASH_HEX], other[JB_HASH_HEX];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        hash_of(types[i], 5, one);
        hash_of(types[i], 5, two);
        hash_of(types[i], 6, other);
        assert_string_equal(one, two);
        assert_string_not_equal(one, other);
    }
}

static void test_refusals(void **state)
{
    const struct { uint32_t width, heads, kv_heads, ffn, vocab, layers; const char *type; int code; const char *reason; } cases[] = {
        { 64, 3, 1, 0, 320, 1, "f32", JB_E_INVALID, "a width of 64 cannot be cut into 3 heads" },
        { 36, 4, 2, 0, 320, 1, "f32", JB_E_INVALID, "into 4 heads of an even size" },
        { 64, 4, 3, 0, 320, 1, "f32", JB_E_INVALID, "4 heads cannot share 3" },
        { 64, 4, 2, 0, 258, 1, "f32", JB_E_RANGE, "258 tokens in the vocabulary (259 to" },
        { 64, 4, 2, 0, 320, 0, "f32", JB_E_RANGE, "0 layers" },
        { 64, 4, 2, 0, 320, 1, "q4_K", JB_E_INVALID, "no whole blocks of q4_K (256 values)" },
        { 64, 4, 2, 33, 320, 1, "q8_0", JB_E_INVALID, "rows of 64 and 33 values" },
        { 64, 4, 2, 0, 320, 1, "q2_K", JB_E_USAGE, "unknown type \"q2_K\"" },
        { 64, 4, 2, 0, 320, 1, "i8", JB_E_USAGE, "unknown type \"i8\"" },
        { 0, 4, 2, 0, 320, 1, "f32", JB_E_RANGE, "0 width" },
        { 64, 0, 2, 0, 320, 1, "f32", JB_E_RANGE, "0 heads" },
        { 16384, 4, 2, 65537, 320, 1, "f32", JB_E_RANGE, "65537 values within feed-forward" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jb_synth_opts o = opts(cases[i].type);
        struct jb_err err = { 0 };
        void *data = NULL;
        size_t n = 0;
        o.width = cases[i].width, o.heads = cases[i].heads, o.kv_heads = cases[i].kv_heads, o.ffn = cases[i].ffn, o.vocab = cases[i].vocab, o.layers = cases[i].layers;
        int rc = jb_synth_make(&data, &n, &o, &err);
        if (rc != cases[i].code || !strstr(err.detail, cases[i].reason))
            fail_msg("case %zu: code %d, \"%s\"", i, rc, err.detail);
        assert_null(data);
    }
}

// A side file that its base takes, with a stage behind each exit; another base refuses it.
static void test_exits(void **state)
{
    char base[] = "/tmp/jb-synth-XXXXXX", side[] = "/tmp/jb-exits-XXXXXX", other[] = "/tmp/jb-other-XXXXXX";
    const uint32_t layers[] = { 1, 2, 4, 5 }, wrong[][2] = { { 0, 1 }, { 2, 2 }, { 3, 1 }, { 1, 6 } };
    struct jb_synth_opts o = opts("q4_1");
    struct jb_kernels k;
    struct jb_model_opts beside = { .exits_path = side };
    struct jb_model *m;
    struct jb_err err = { 0 };
    (void)state;
    jb_kernels_init(&k, 0);
    close(mkstemp(base)), close(mkstemp(side)), close(mkstemp(other));
    o.layers = 6;
    for (uint32_t width = 48; width <= 64; width += 16) { // without and with whole blocks of 32
        o.width = width;
        o.type = width % 32 ? "f16" : "q4_1";
        o.seed = 1;
        assert_int_equal(jb_synth_write(base, &o, &err), 0);
        o.seed = 2;
        assert_int_equal(jb_synth_write(other, &o, &err), 0);
        if (jb_synth_write_exits(side, base, layers, 4, 1, &err) || jb_model_open(&m, base, &k, &beside, &err))
            fail_msg("%s", err.detail);
        assert_int_equal(jb_model_info(m)->n_stages, 5);
        jb_model_close(m);
        assert_int_equal(jb_model_open(&m, other, &k, &beside, &err), JB_E_MISMATCH);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(jb_synth_write_exits(side, base, wrong[i], 2, 1, &err), JB_E_RANGE);
    assert_int_equal(jb_synth_write_exits(side, base, layers, 0, 1, &err), JB_E_RANGE);
    unlink(base), unlink(side), unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spreads), cmocka_unit_test(test_mixed_has_all), cmocka_unit_test(test_shapes), cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
