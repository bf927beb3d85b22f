// The kernel table, the reference on hand-computed cases, and every tier of this machine against the reference.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "kernels/check.h"

static void test_symbols(void **state)
{
    (void)state;
    struct jb_kernels ref, best;
    const char *op, *symbol;
    size_t n = 0;
    jb_kernels_init(&ref, 0);
    jb_kernels_init(&best, jb_cpu_detect());
    for (; jb_kernels_symbol(&ref, n, &op, &symbol); n++) {
        char expect[64];
        snprintf(expect, sizeof expect, "jb_%s_ref", op);
        assert_string_equal(symbol, expect);
        assert_true(jb_kernels_symbol(&best, n, &op, &symbol));
        assert_non_null(strstr(symbol, op));
    }
    assert_int_equal(n, 28);
    assert_false(jb_kernels_symbol(&best, n, &op, &symbol));
    assert_int_equal(ref.block_u8, 1);
    assert_int_equal(ref.mask, 0);
}

// Without the bits below it a tier is not taken.
static void test_bits_are_asked_for_exactly(void **state)
{
    (void)state;
    struct jb_kernels k;
    const char *op, *symbol;
    jb_kernels_init(&k, JB_CPU_AVX512_VNNI);
    for (size_t i = 0; jb_kernels_symbol(&k, i, &op, &symbol); i++)
        assert_non_null(strstr(symbol, "_ref"));
}

static void test_foreign_pointer_is_named(void **state)
{
    (void)state;
    struct jb_kernels k;
    const char *op, *symbol;
    jb_kernels_init(&k, 0);
    k.conv_f32 = NULL;
    assert_true(jb_kernels_symbol(&k, 0, &op, &symbol));
    assert_string_equal(op, "conv_f32");
    assert_string_equal(symbol, "foreign");
}

static void test_macs(void **state)
{
    (void)state;
    struct jb_conv_geom g = { 64, 96, 3, 3, 1, 1, 1, 1, 1, 7, 7 };
    assert_int_equal(jb_conv_macs(&g), 7 * 7 * 96 * 64 * 9);
    g.out_c = g.groups = 64;
    assert_int_equal(jb_conv_macs(&g), 7 * 7 * 64 * 9);
}

// 2 x 2 input with a halo of zeros, one 3 x 3 kernel of ones: every output is the sum of all inputs, plus bias and residual.
static void test_conv_f32_by_hand(void **state)
{
    (void)state;
    struct jb_kernels k;
    float in[16 + JB_PLANE_SLACK / 4] = { 0 }, w[9], res[4] = { 0, -20, 1, 2 }, out[4], bias[16] = { 1 };
    _Alignas(JB_ALIGN) char packed[4096];
    in[5] = 1, in[6] = 2, in[9] = 3, in[10] = 4;
    for (int i = 0; i < 9; i++)
        w[i] = 1;
    struct jb_plane p = { in + 5, 2, 2, 1, 1, 4 }, r = { res, 2, 2, 1, 0, 2 }, o = { out, 2, 2, 1, 0, 2 };
    struct jb_conv_f32 a = { { 1, 1, 3, 3, 1, 1, 1, 1, 1, 2, 2 }, packed, bias, &p, &o, &r, JB_ACT_RELU };
    jb_kernels_init(&k, 0);
    assert_true(k.pack_conv_f32_bytes(&a.g) <= sizeof packed);
    k.pack_conv_f32(&a.g, w, packed);
    k.conv_f32(&a);
    assert_float_equal(out[0], 11, 0);
    assert_float_equal(out[1], 0, 0);
    assert_float_equal(out[2], 12, 0);
    assert_float_equal(out[3], 13, 0);
    a.act = JB_ACT_RELU6;
    k.conv_f32(&a);
    assert_float_equal(out[0], 6, 0);
    a.act = JB_ACT_HSWISH;
    k.conv_f32(&a);
    assert_float_equal(out[1], -9 * 0.0f, 0);
}

static uint8_t fc_u8(const struct jb_kernels *k, const uint8_t *x, int32_t in_c, const int8_t *w, float mult, int32_t zero)
{
    uint8_t in[64 + JB_PLANE_SLACK] = { 0 }, out[1];
    int32_t bias[64] = { 0 };
    float mults[64] = { mult };
    _Alignas(JB_ALIGN) char packed[4096];
    struct jb_plane p = { in, 1, 1, in_c, 0, in_c }, o = { out, 1, 1, 1, 0, 1 };
    struct jb_conv_u8 a = { .g = { in_c, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1 }, .weights = packed, .bias = bias, .mult = mults, .in = &p, .out = &o,
                            .out_zero = zero, .lo = 0, .hi = 255 };
    memcpy(in, x, (size_t)in_c);
    k->pack_conv_s8(&a.g, w, packed);
    k->conv_u8(&a);
    return out[0];
}

// Halves go to even, both ends clamp, and the accumulator does not saturate at 16 bits: in every tier.
static void test_requantization(void **state)
{
    (void)state;
    uint32_t mask = jb_cpu_detect(), masks[] = { 0, mask & JB_CPU_AVX2, mask & (JB_CPU_AVX2 | JB_CPU_AVX512), mask };
    for (size_t i = 0; i < 4; i++) {
        struct jb_kernels k;
        uint8_t x[4] = { 255, 255, 255, 255 };
        jb_kernels_init(&k, masks[i]);
        assert_int_equal(fc_u8(&k, (uint8_t[]){ 1 }, 1, (int8_t[]){ 1 }, 0.5f, 0), 0);
        assert_int_equal(fc_u8(&k, (uint8_t[]){ 3 }, 1, (int8_t[]){ 1 }, 0.5f, 0), 2);
        assert_int_equal(fc_u8(&k, (uint8_t[]){ 5 }, 1, (int8_t[]){ 1 }, 0.5f, 10), 12);
        assert_int_equal(fc_u8(&k, (uint8_t[]){ 5 }, 1, (int8_t[]){ -1 }, 0.5f, 10), 8);
        assert_int_equal(fc_u8(&k, x, 4, (int8_t[]){ 127, 127, 127, 127 }, 1e-3f, 0), 130);
        assert_int_equal(fc_u8(&k, x, 4, (int8_t[]){ 127, 127, 127, 127 }, 1e30f, 7), 255);
        assert_int_equal(fc_u8(&k, x, 4, (int8_t[]){ -128, -128, -128, -128 }, 1e30f, 7), 0);
    }
}

// 4-bit weights give exactly what 8-bit weights q * m give.
static void test_s4_equals_s8(void **state)
{
    (void)state;
    uint32_t masks[] = { 0, jb_cpu_detect() };
    for (size_t t = 0; t < 2; t++) {
        struct jb_kernels k;
        _Alignas(JB_ALIGN) static char packed[65536], scratch[65536];
        uint8_t in[96 + JB_PLANE_SLACK], m[20 * 3];
        int8_t q[20 * 72], w[20 * 72];
        int32_t bias[64] = { 0 };
        float mult[64], got[20], want[20];
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (uint8_t)(i * 37);
        for (size_t i = 0; i < sizeof m; i++)
            m[i] = (uint8_t)(i * 7 % 15 + 1);
        for (size_t o = 0; o < 20; o++)
            for (size_t i = 0; i < 72; i++) {
                q[o * 72 + i] = (int8_t)((int)((o * 31 + i * 11) % 15) - 7);
                w[o * 72 + i] = (int8_t)(q[o * 72 + i] * m[o * 3 + i / 32]);
            }
        for (size_t i = 0; i < 64; i++)
            mult[i] = 1.0f;
        jb_kernels_init(&k, masks[t]);
        struct jb_plane p = { in, 1, 1, 72, 0, 72 }, o = { want, 1, 1, 20, 0, 20 };
        struct jb_conv_u8 a = { .g = { 72, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1 }, .weights = packed, .scratch = scratch, .bias = bias, .mult = mult,
                                .in = &p, .out = &o, .out_f32 = true };
        k.pack_conv_s8(&a.g, w, packed);
        k.conv_u8(&a);
        assert_true(k.pack_conv_s4_bytes(&a.g) < k.pack_conv_s8_bytes(&a.g));
        k.pack_conv_s4(&a.g, q, m, packed);
        a.weights_are_s4 = true;
        o.data = got;
        k.conv_u8(&a);
        assert_memory_equal(got, want, sizeof got);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    struct jb_kernels k;
    float out[3], sum;
    jb_kernels_init(&k, jb_cpu_detect());
    k.softmax_f32((float[]){ 1000, 1001, 999 }, out, 3, 1.0f);
    sum = out[0] + out[1] + out[2];
    assert_float_equal(sum, 1, 1e-6f);
    assert_float_equal(out[1] / out[0], 2.7182817f, 1e-5f);
    k.softmax_f32((float[]){ 0, NAN, 1 }, out, 3, 1.0f);
    assert_true(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
    k.softmax_f32((float[]){ 0, INFINITY, -INFINITY }, out, 3, 0.5f);
    assert_float_equal(out[1], 1, 0);
    assert_float_equal(out[2], 0, 0);
}

static void test_pool_ignores_the_halo(void **state)
{
    (void)state;
    uint32_t masks[] = { 0, jb_cpu_detect() };
    for (size_t t = 0; t < 2; t++) {
        struct jb_kernels k;
        uint8_t in[16 + JB_PLANE_SLACK], out[4];
        memset(in, 200, sizeof in);
        in[5] = 10, in[6] = 20, in[9] = 30, in[10] = 41;
        struct jb_plane p = { in + 5, 2, 2, 1, 1, 4 }, o = { out, 2, 2, 1, 0, 2 };
        struct jb_pool a = { 2, 2, 2, 2, 1, 1, &p, &o, 5, 5, 1.0f };
        jb_kernels_init(&k, masks[t]);
        k.max_pool_u8(&a);
        assert_memory_equal(out, ((uint8_t[]){ 10, 20, 30, 41 }), 4);
        a.kernel_h = a.kernel_w = 3;
        a.stride_h = a.stride_w = 1;
        k.avg_pool_u8(&a); // (101 - 20) / 4 = 20.25, + 5
        assert_memory_equal(out, ((uint8_t[]){ 25, 25, 25, 25 }), 4);
    }
}

static void count_rows(void *user, const struct jb_kernel_check_row *row)
{
    if (row->failures > 0)
        print_error("%s: %llu of %llu failed: %s\n", row->symbol, (unsigned long long)row->failures, (unsigned long long)row->cases, row->detail);
    ++*(int *)user;
}

// Every case, but one in so many where the sanitizers' parts of `make` say so: each kernel still has its share.
static size_t stride_of_cases(void)
{
    const char *text = getenv("JB_KERNEL_STRIDE");
    long n = text ? strtol(text, NULL, 10) : 1;
    return n < 1 || n > 50 ? 1 : (size_t)n;
}

static void test_every_tier(void **state)
{
    (void)state;
    struct jb_err err = { 0 };
    uint32_t mask = jb_cpu_detect();
    uint64_t cases = 0;
    size_t stride = stride_of_cases();
    int rows = 0, code = jb_kernels_check(mask, 0, 20261122, stride, count_rows, &rows, &cases, &err);
    if (code != JB_OK)
        fail_msg("%s", err.detail);
    assert_true(mask == 0 ? cases == 0 : cases > 1000 / stride && rows > 0);
}

static void test_required_tier(void **state)
{
    (void)state;
    struct jb_err err = { 0 };
    uint64_t cases = 99;
    assert_int_equal(jb_kernels_check(0, JB_CPU_AVX2, 1, 1, NULL, NULL, &cases, &err), JB_E_UNAVAILABLE);
    assert_non_null(strstr(err.detail, "avx2"));
    assert_int_equal(cases, 0);
}

static void test_bad_kernels_are_caught(void **state)
{
    (void)state;
    struct jb_err err = { 0 };
    if (jb_kernels_check_self(&err) != JB_OK)
        fail_msg("%s", err.detail);
}

static void bench_row(void *user, const struct jb_kernel_bench_row *row)
{
    assert_true(row->ns_per_call > 0 && row->shape[0] != '\0' && row->gb_per_s > 0);
    if (strncmp(row->op, "conv", 4) == 0)
        assert_true(row->peak_ops_per_s > 0);
    ++*(int *)user;
}

static void test_bench(void **state)
{
    (void)state;
    struct jb_err err = { 0 };
    int rows = 0;
    bool few = stride_of_cases() > 1; // the large shapes take minutes under a sanitizer; the reference leaves them out
    assert_int_equal(jb_kernels_bench(few ? 0 : jb_cpu_detect(), 0.0001, bench_row, &rows, &err), JB_OK);
    assert_true(rows > (few ? 20 : 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols), cmocka_unit_test(test_bits_are_asked_for_exactly), cmocka_unit_test(test_foreign_pointer_is_named),
        cmocka_unit_test(test_macs), cmocka_unit_test(test_conv_f32_by_hand), cmocka_unit_test(test_requantization),
        cmocka_unit_test(test_s4_equals_s8), cmocka_unit_test(test_softmax), cmocka_unit_test(test_pool_ignores_the_halo),
        cmocka_unit_test(test_every_tier), cmocka_unit_test(test_required_tier), cmocka_unit_test(test_bad_kernels_are_caught),
        cmocka_unit_test(test_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
