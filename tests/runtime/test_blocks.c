// Blocks against the answers of another implementation (blocks.py), and what every type's functions promise.
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"

#define KNOWN "tests/runtime/blocks.gguf"

static struct jb_gguf *known;

static int open_known(void **state)
{
    struct jb_err err = { 0 };
    (void)state;
    if (jb_gguf_open(&known, KNOWN, &err))
        fprintf(stderr, "%s\n", err.detail);
    return known ? 0 : -1;
}

static int close_known(void **state)
{
    (void)state;
    jb_gguf_close(known);
    return 0;
}

static const struct jb_gguf_tensor *tensor(const char *prefix, const char *name, const char *suffix)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s%s", prefix, name, suffix);
    for (char *p = full; *p; p++)
        if (*p == 'K')
            *p = 'k';
    const struct jb_gguf_tensor *t = jb_gguf_tensor(known, full);
    if (!t)
        fail_msg("%s has no %s", KNOWN, full);
    return t;
}

static size_t n_values(const struct jb_gguf_tensor *t)
{
    return (size_t)(t->dims[0] * t->dims[1]);
}

static void test_widen(void **state)
{
    int seen = 0;
    const struct jb_block_type *b;
    (void)state;
    for (size_t i = 0; (b = jb_block_type_at(i)); i++) {
        if (!b->widen || b->type == JB_GGML_F32)
            continue;
        const struct jb_gguf_tensor *t = tensor("", b->name, ""), *wanted = tensor("", b->name, ".f32");
        size_t n = n_values(t);
        assert_int_equal(t->type, b->type);
        assert_int_equal(t->n_bytes, jb_block_row_bytes(b, n));
        // Unaligned, in memory of its own that ends where it ends.
        uint8_t *odd = malloc(t->n_bytes + 1);
        float *out = malloc(n * sizeof *out);
        memcpy(odd + 1, t->data, t->n_bytes);
        b->widen(odd + 1, out, n);
        for (size_t k = 0; k < n; k++)
            if (memcmp(&out[k], (const char *)wanted->data + 4 * k, 4) != 0)
                fail_msg("%s: value %zu is %.9g, %.9g is wanted", b->name, k, out[k], ((const float *)wanted->data)[k]);
        free(odd);
        free(out);
        seen++;
    }
    assert_int_equal(seen, 10);
}

static void test_narrow(void **state)
{
    int seen = 0;
    const struct jb_block_type *b;
    const struct jb_gguf_tensor *x = tensor("narrow.", "f32", "");
    size_t n = n_values(x);
    (void)state;
    for (size_t i = 0; (b = jb_block_type_at(i)); i++) {
        if (!b->narrow)
            continue;
        const struct jb_gguf_tensor *wanted = tensor("narrow.", b->name, "");
        uint8_t *row = malloc(wanted->n_bytes);
        assert_true(b->narrow(x->data, row, n));
        for (size_t k = 0; k < wanted->n_bytes; k++)
            if (row[k] != ((const uint8_t *)wanted->data)[k])
                fail_msg("%s: byte %zu is %02x, %02x is wanted", b->name, k, row[k], ((const uint8_t *)wanted->data)[k]);
        free(row);
        seen++;
    }
    assert_int_equal(seen, 4);
}

// Narrowed, widened and narrowed again: the same bytes; and the error is at most half a step.
static void test_there_and_back(void **state)
{
    struct jb_rng rng;
    const struct jb_block_type *b;
    float x[256], y[256];
    uint8_t row[1024], again[1024];
    (void)state;
    jb_rng_seed(&rng, 3);
    for (int turn = 0; turn < 200; turn++)
        for (size_t i = 0; (b = jb_block_type_at(i)); i++) {
            if (!b->narrow)
                continue;
            float scale = ldexpf(1.0f, (int)jb_rng_below(&rng, 16) - 8), most = 0;
            for (int k = 0; k < 256; k++) {
                x[k] = scale * (float)jb_rng_normal(&rng);
                most = fmaxf(most, fabsf(x[k]));
            }
            assert_true(b->narrow(x, row, 256));
            b->widen(row, y, 256);
            double step = b->type == JB_GGML_Q4_0 ? most / 8 : b->type == JB_GGML_Q8_0 ? most / 127 : b->type == JB_GGML_F16 ? most / 1024 : 0;
            for (int k = 0; k < 256; k++) // q4_0's scale has a sign: its far end may be cut by a whole step
                assert_true(fabs((double)y[k] - x[k]) <= step * (b->type == JB_GGML_Q4_0 ? 1.01 : 0.56));
            if (b->values == 1) {
                assert_true(b->narrow(y, again, 256));
                assert_memory_equal(row, again, jb_block_row_bytes(b, 256));
            }
        }
}

static void test_what_does_not_fit(void **state)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    const struct jb_block_type *b;
    float x[64];
    uint8_t row[256];
    (void)state;
    for (size_t i = 0; (b = jb_block_type_at(i)); i++) {
        if (!b->narrow)
            continue;
        for (size_t k = 0; k < 64; k++) {
            for (size_t j = 0; j < 3; j++) {
                memset(x, 0, sizeof x);
                x[k] = bad[j];
                assert_false(b->narrow(x, row, 64));
            }
        }
        memset(x, 0, sizeof x);
        x[40] = 3e38f; // an f16 scale cannot carry it
        assert_int_equal(b->narrow(x, row, 64), b->type == JB_GGML_F32);
        x[40] = 1e-45f; // the reciprocal of its scale overflows
        x[41] = -1e-45f;
        float y[64];
        assert_true(b->narrow(x, row, 64));
        b->widen(row, y, 64);
        for (int k = 0; k < 64; k++)
            assert_true(b->type == JB_GGML_F32 ? y[k] == x[k] : y[k] == 0.0f);
    }
}

static void test_names(void **state)
{
    const struct jb_block_type *b;
    (void)state;
    for (size_t i = 0; (b = jb_block_type_at(i)); i++) {
        assert_ptr_equal(jb_block_type(b->type), b);
        assert_ptr_equal(jb_block_type_named(b->name), b);
    }
    assert_ptr_equal(jb_block_type_named("Q4_K"), jb_block_type(JB_GGML_Q4_K));
    assert_null(jb_block_type_named("q9"));
    assert_null(jb_block_type(999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widen), cmocka_unit_test(test_narrow), cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_what_does_not_fit), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, open_known, close_known);
}
