// Operators on rows: known answers of the reference, its accuracy, and that packing loses nothing. (Tiers against the reference: test_kernels.)
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/exp.h"
#include "kernels/half.h"
#include "kernels/kernels.h"

static void test_half_known(void **state)
{
    static const struct { float x; uint16_t h; } rows[] = {
        { 0.0f, 0x0000 }, { -0.0f, 0x8000 }, { 1.0f, 0x3c00 }, { -2.0f, 0xc000 }, { 65504.0f, 0x7bff }, { 65519.99f, 0x7bff }, { 65520.0f, 0x7c00 }, { 1e30f, 0x7c00 },
        { 0x1p-14f, 0x0400 }, { 0x1p-24f, 0x0001 }, { 0x1p-25f, 0x0000 }, { 0x1.000002p-25f, 0x0001 }, { 0x1.8p-24f, 0x0002 }, { -0x1.ff8p-15f, 0x83ff },
        { 1.0f + 0x1p-11f, 0x3c00 }, { 1.0f + 0x3p-11f, 0x3c02 }, { 1.0f + 0x1.02p-11f, 0x3c01 }, { 0x1.ffep-15f, 0x0400 }, // ties to even; past a tie; into the normal range
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(jb_f32_to_f16(rows[i].x), rows[i].h);
    assert_int_equal(jb_f32_to_f16(INFINITY), 0x7c00);
    assert_int_equal(jb_f32_to_f16(NAN) & 0x7e00, 0x7e00);
}

// Every binary16 there and back; and each is the nearest: no neighbour is closer to a value between two.
static void test_half_all(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = jb_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff) != 0)
            assert_true(isnan(x));
        else
            assert_int_equal(jb_f32_to_f16(x), h);
        if ((h & 0x7fff) >= 0x7bff)
            continue;
        float next = jb_f16_to_f32((uint16_t)(h + 1)), middle = x + (next - x) / 2; // exact
        assert_int_equal(jb_f32_to_f16(middle), h % 2 ? h + 1 : h);
        assert_int_equal(jb_f32_to_f16(nextafterf(middle, x)), h);
        assert_int_equal(jb_f32_to_f16(nextafterf(middle, next)), h + 1);
    }
}

static void test_exp(void **state)
{
    double worst = 0.0;
    (void)state;
    for (float x = JB_EXP_LEAST; x <= JB_EXP_MOST; x += 0x1p-13f) {
        double want = exp((double)x), e = fabs((double)jb_exp(x) - want) / want;
        worst = e > worst ? e : worst;
    }
    for (float x = 1e-30f; x < 1.0f; x *= 1.001f) {
        double e = fabs((double)jb_exp(x) - exp((double)x)) / exp((double)x), f = fabs((double)jb_exp(-x) - exp(-(double)x)) / exp(-(double)x);
        worst = fmax(worst, fmax(e, f));
    }
    assert_true(worst > 0 && worst < 0x1p-22);
    assert_true(jb_exp(0.0f) == 1.0f && jb_exp(-0.0f) == 1.0f);
    assert_true(jb_exp(-87.34f) == 0.0f && jb_exp(-INFINITY) == 0.0f && jb_exp(JB_EXP_LEAST) > 0.0f);
    assert_true(isinf(jb_exp(88.73f)) && isinf(jb_exp(INFINITY)) && isfinite(jb_exp(JB_EXP_MOST)));
    assert_true(isnan(jb_exp(NAN)));
}

static void tables(struct jb_kernels k[2])
{
    jb_kernels_init(&k[0], 0);
    jb_kernels_init(&k[1], jb_cpu_detect());
}

static void test_quantize(void **state)
{
    struct jb_kernels k[2];
    (void)state;
    tables(k);
    for (size_t t = 0; t < 2; t++) {
        struct jb_q8 q[4];
        float x[128] = { 0 };
        x[0] = -127.0f, x[1] = 0.5f, x[2] = 1.5f, x[3] = 2.5f, x[4] = -0.5f, x[31] = 126.4f; // d = 1: rint to even
        x[32] = 0x1p-101f;
        x[64] = NAN, x[65] = 1.0f;
        x[96] = 254.0f, x[97] = -3.0f; // d = 2; -1.5
        k[t].quantize_rows(x, 128, 1, 128, q);
        assert_memory_equal(q[0].q, ((int8_t[JB_QK]){ -127, 0, 2, 2, 0, [31] = 126 }), JB_QK);
        assert_true(q[0].d == 1.0f && q[0].s == 3.0f && q[0].zero == -128 * 3);
        assert_true(q[1].q[0] == 0 && q[1].d == 0.0f && q[1].s == 0.0f && q[1].zero == 0);
        assert_true(isnan(q[2].d) && isnan(q[2].s) && q[2].q[1] == 0 && q[2].zero == 0);
        assert_true(q[3].q[0] == 127 && q[3].q[1] == -2 && q[3].d == 2.0f && q[3].s == 250.0f);
    }
}

// Value i of a row of the file, as ggml defines its blocks.
static double dequantized(enum jb_weight_kind kind, const uint8_t *row, int32_t i)
{
    size_t heads = kind == JB_W_Q4_1 ? 2 : 1, block = 2 * heads + (kind == JB_W_Q8_0 ? JB_QK : JB_QK / 2);
    const uint8_t *at = row + (size_t)(i / JB_QK) * block, *q = at + 2 * heads;
    uint16_t d, m;
    memcpy(&d, at, 2);
    memcpy(&m, at + 2 * (heads - 1), 2);
    i %= JB_QK;
    if (kind == JB_W_Q8_0)
        return (double)jb_f16_to_f32(d) * (int8_t)q[i];
    int nibble = i < 16 ? q[i] & 15 : q[i - 16] >> 4;
    return kind == JB_W_Q4_0 ? (double)jb_f16_to_f32(d) * (nibble - 8) : (double)jb_f16_to_f32(d) * nibble + (double)jb_f16_to_f32(m);
}

// Packed, in two parts, times rows: against the plain product of what the file's blocks and the rows' blocks stand for.
static void one_packing(const struct jb_kernels *k, enum jb_weight_kind kind, void (*matmul)(const struct jb_matmul *a), struct jb_rng *rng)
{
    enum { N = 96, OUT = 37, M = 3 };
    size_t row = jb_kind_row_bytes(kind, N), heads = kind == JB_W_Q4_1 ? 2 : 1, block = row / (N / JB_QK);
    uint8_t *file = malloc(row * OUT), *packed = aligned_alloc(64, (jb_pack_bytes(kind, N, OUT) + 63) / 64 * 64);
    float x[M * N], y[M * OUT];
    struct jb_q8 q[M * N / JB_QK];
    assert_true(file && packed);
    for (size_t i = 0; i < row * OUT; i++)
        file[i] = (uint8_t)jb_rng_u64(rng);
    for (size_t b = 0; b < row * OUT; b += block)
        for (size_t h = 0; h < heads; h++)
            memcpy(file + b + 2 * h, &(uint16_t){ jb_f32_to_f16((float)jb_rng_unit(rng) - 0.5f) }, 2);
    for (size_t i = 0; i < M * N; i++)
        x[i] = (float)jb_rng_normal(rng);
    jb_pack_rows(kind, N, OUT, file, 0, 1, packed);
    jb_pack_rows(kind, N, OUT, file, 1, 3, packed);
    k->quantize_rows(x, N, M, N, q);
    matmul(&(struct jb_matmul){ .w = packed, .n = N, .n_out = OUT, .m = M, .block1 = 3, .xq = q, .y = y, .y_stride = OUT });
    for (int32_t r = 0; r < M; r++)
        for (int32_t o = 0; o < OUT; o++) {
            double want = 0, size = 0;
            for (int32_t i = 0; i < N; i++) {
                const struct jb_q8 *b = &q[(r * N + i) / JB_QK];
                double term = (double)b->d * b->q[i % JB_QK] * dequantized(kind, file + (size_t)o * row, i);
                want += term;
                size += fabs(term);
            }
            assert_true(fabs((double)y[r * OUT + o] - want) <= 1e-5 * (size + 1));
        }
    free(file);
    free(packed);
}

static void test_packing(void **state)
{
    struct jb_kernels k[2];
    struct jb_rng rng;
    (void)state;
    tables(k);
    jb_rng_seed(&rng, 5);
    for (size_t t = 0; t < 2; t++) {
        one_packing(&k[t], JB_W_Q8_0, k[t].matmul_q8_0, &rng);
        one_packing(&k[t], JB_W_Q4_0, k[t].matmul_q4_0, &rng);
        one_packing(&k[t], JB_W_Q4_1, k[t].matmul_q4_1, &rng);
    }
}

static void test_packing_plain(void **state)
{
    struct jb_kernels k[2];
    float w[2 * 3] = { 1, 2, 3, 4, 5, 6 }, x[3] = { 1, 10, 100 }, y[2];
    uint16_t h[2 * 3];
    _Alignas(64) char packed[3 * JB_PACK * 4];
    (void)state;
    tables(k);
    for (int i = 0; i < 6; i++)
        h[i] = jb_f32_to_f16(w[i]);
    assert_int_equal(jb_pack_bytes(JB_W_F32, 3, 2), sizeof packed);
    for (size_t t = 0; t < 2; t++) {
        struct jb_matmul a = { .w = packed, .n = 3, .n_out = 2, .m = 1, .block1 = 1, .x = x, .x_stride = 3, .y = y, .y_stride = 2 };
        jb_pack_rows(JB_W_F32, 3, 2, w, 0, 1, packed);
        k[t].matmul_f32(&a);
        assert_true(y[0] == 321.0f && y[1] == 654.0f);
        jb_pack_rows(JB_W_F16, 3, 2, h, 0, 1, packed);
        a.add = true;
        k[t].matmul_f16(&a);
        assert_true(y[0] == 642.0f && y[1] == 1308.0f);
    }
}

// Equal keys: the mean of the values up to `last`, which the positions past it do not touch. A key far ahead: its value.
static void test_attention(void **state)
{
    struct jb_kernels k[2];
    (void)state;
    tables(k);
    for (size_t t = 0; t < 2; t++)
        for (int kind = 0; kind < JB_KV_COUNT; kind++) {
            struct jb_kv_layer kv = { .kind = (enum jb_kv_kind)kind, .n_heads = 1, .head_dim = 4, .positions = 32 };
            _Alignas(64) char memory[2048] = { 0 };
            _Alignas(64) float scratch[2 * 32];
            float q[8] = { 0, 0, 0, 0, 100, 0, 0, 0 }, out[8];
            assert_true(jb_kv_bytes(kv.kind, 1, 4, 32) <= sizeof memory);
            jb_kv_place(&kv, memory);
            for (int32_t p = 0; p < 20; p++)
                k[t].kv_put(&(struct jb_kv_put){ &kv, p, (float[]){ p == 17 ? 1.0f : -1.0f, 0, 0, 0 }, (float[]){ (float)p, 0, 0, 127 } });
            k[t].attention(&(struct jb_attention){ .kv = &kv, .q = q, .out = out, .scratch = scratch, .group = 2, .last = 18, .head1 = 1, .scale = 1.0f });
            assert_float_equal(out[0], 9.0f, 1e-4f);
            assert_float_equal(out[3], 127.0f, 1e-4f);
            assert_float_equal(out[4], 17.0f, 1e-4f);
        }
}

static void test_logits(void **state)
{
    struct jb_kernels k[2];
    float x[40];
    int32_t index[3];
    float value[3];
    (void)state;
    tables(k);
    for (int i = 0; i < 40; i++)
        x[i] = (float)(i % 10);
    x[5] = NAN;
    for (size_t t = 0; t < 2; t++) {
        struct jb_best b = { .x = x, .n = 40, .k = 3, .index = index, .value = value };
        struct jb_log_sum s = { .x = (float[]){ 1000.0f, 1000.0f }, .n = 2 };
        k[t].best(&b);
        assert_true(b.n_found == 3 && b.n_nan == 1);
        assert_true(index[0] == 9 && index[1] == 19 && index[2] == 29 && value[0] == 9.0f);
        b.n = 2;
        k[t].best(&b);
        assert_true(b.n_found == 2 && b.n_nan == 0 && index[0] == 1);
        k[t].log_sum(&s);
        assert_float_equal(s.out, 1000.6931f, 1e-3f);
        s = (struct jb_log_sum){ .x = x, .n = 40 };
        k[t].log_sum(&s);
        assert_true(isnan(s.out));
    }
}

static void test_norm_and_rotation(void **state)
{
    struct jb_kernels k[2];
    (void)state;
    tables(k);
    for (size_t t = 0; t < 2; t++) {
        float x[2] = { 3, 4 }, w[2] = { 1, 2 }, y[2], v[4] = { 1, 2, 5, 6 }, cs[2] = { 0, 1 }, g[3] = { 0, 100, -100 }, u[3] = { 7, 2, 3 };
        k[t].rms_norm(&(struct jb_rms_norm){ x, w, y, 2, 1, 2, 2, 0.0f });
        assert_float_equal(y[0], 3 / sqrt(12.5), 1e-6f);
        assert_float_equal(y[1], 8 / sqrt(12.5), 1e-6f);
        k[t].rope(&(struct jb_rope){ v, cs, 1, 4, 2 }); // a quarter turn of the first pair
        assert_memory_equal(v, ((float[]){ -2, 1, 5, 6 }), sizeof v);
        k[t].silu_mul(&(struct jb_silu_mul){ g, u, g, 3 });
        assert_true(g[0] == 0.0f && g[1] == 200.0f && g[2] == 0.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_known), cmocka_unit_test(test_half_all), cmocka_unit_test(test_exp), cmocka_unit_test(test_quantize), cmocka_unit_test(test_packing),
        cmocka_unit_test(test_packing_plain), cmocka_unit_test(test_attention), cmocka_unit_test(test_logits), cmocka_unit_test(test_norm_and_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
