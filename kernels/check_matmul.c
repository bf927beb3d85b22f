// Test bodies of quantize_rows and of rows times packed weights. The reference always runs in one call; the kernel under test in calls of a few rows
// and outputs, too (f->cut): the bits must not depend on it.
#include "kernels/check_cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/plane.h"

#define CASES 700
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int32_t n_blocks(int32_t n_out)
{
    return (n_out + JB_PACK - 1) / JB_PACK;
}

// A scale of the file: usual ones, any bits at all, or the largest and least.
static uint16_t half_fill(struct jb_fixture *f, enum jb_fill how)
{
    static const uint16_t special[] = { 0x0000, 0x8000, 0x0001, 0x83ff, 0x7bff, 0x7c00, 0xfc00, 0x7e01 };
    uint64_t r = jb_rng_u64(&f->rng);
    if (how == JB_FILL_SPECIAL)
        return r % 8 == 0 ? special[(r >> 8) % COUNT(special)] : jb_f32_to_f16((float)((int32_t)(r >> 16 & 2047) - 1024) * 1e-3f);
    return how == JB_FILL_EXTREME ? (uint16_t)(r & 0x8000 ? 0x7bff : 0x0002) : jb_f32_to_f16((float)((int32_t)(r >> 16 & 2047) - 1024) * 1e-4f);
}

// Rows of the file: finite usual values, or extreme quants (-128, all nibbles 0 or 15) and scales.
static void fill_weights(struct jb_fixture *f, enum jb_weight_kind kind, uint8_t *w, size_t bytes, enum jb_fill how)
{
    size_t heads = kind == JB_W_Q4_1 ? 2 : 1, block = 2 * heads + (kind == JB_W_Q8_0 ? JB_QK : JB_QK / 2);
    if (kind == JB_W_F32) {
        jb_fill_f32(f, (float *)(void *)w, bytes / 4, how);
    } else if (kind == JB_W_F16) {
        for (size_t i = 0; i < bytes / 2; i++)
            ((uint16_t *)(void *)w)[i] = half_fill(f, how);
    } else {
        for (size_t i = 0; i < bytes; i++)
            w[i] = (uint8_t)jb_rng_u64(&f->rng);
        for (size_t b = 0; b < bytes; b += block) {
            uint64_t r = jb_rng_u64(&f->rng);
            if (how == JB_FILL_EXTREME)
                memset(w + b, kind == JB_W_Q8_0 ? (r % 2 ? 0x80 : 0x7f) : (r % 2 ? 0xff : 0), block);
            for (size_t h = 0; h < heads; h++)
                memcpy(w + b + 2 * h, &(uint16_t){ half_fill(f, how) }, 2);
        }
    }
}

// Rows as quantize_rows could have made them.
static struct jb_q8 *fill_rows(struct jb_fixture *f, int32_t m, int32_t n, enum jb_fill how)
{
    size_t blocks = (size_t)m * (size_t)(n / JB_QK);
    struct jb_q8 *x = jb_area_place(f, JB_AREA_ROWS, blocks * sizeof *x, 0, 4);
    for (size_t b = 0; x && b < blocks; b++) {
        uint64_t r = jb_rng_u64(&f->rng);
        bool nan = how == JB_FILL_SPECIAL && r % 64 == 0;
        int32_t sum = 0;
        for (size_t i = 0; i < JB_QK; i++) {
            int8_t q = (int8_t)jb_between(f, -127, 127);
            sum += x[b].q[i] = nan ? 0 : how == JB_FILL_EXTREME ? (int8_t)(r % 2 ? 127 : -127) : q;
        }
        x[b].d = nan ? NAN : (float)(r >> 40 & 0xffff) * 1e-6f;
        x[b].s = x[b].d * (float)sum;
        x[b].zero = -128 * sum;
        x[b].unused = 0;
    }
    return x;
}

static bool is_plain(enum jb_weight_kind kind)
{
    return kind == JB_W_F32 || kind == JB_W_F16;
}

#define STREAM_BYTES ((size_t)90 << 20) // larger than any cache: matrices that lie one after the other, as in a model

// 16 rows of the file, again and again: what the weights are does not matter to their speed.
static bool fill_stream(struct jb_fixture *f, enum jb_weight_kind kind, int32_t n, int32_t n_out, const void **packed)
{
    size_t bytes = jb_pack_bytes(kind, n, n_out), one = jb_pack_bytes(kind, n, JB_PACK);
    bytes = STREAM_BYTES / bytes * bytes;
    uint8_t *w = jb_area_place(f, JB_AREA_WEIGHTS, one, 0, 4), *p = jb_area_place(f, JB_AREA_STREAM, bytes, 0, JB_ALIGN);
    if (!w || !p)
        return false;
    fill_weights(f, kind, w, one, JB_FILL_NORMAL);
    jb_pack_rows(kind, n, JB_PACK, w, 0, 1, p);
    for (size_t at = one; at < bytes; at += one)
        memcpy(p + at, p, one);
    *packed = p;
    return true;
}

static bool fill_packed(struct jb_fixture *f, enum jb_weight_kind kind, int32_t n, int32_t n_out, enum jb_fill how, const void **packed)
{
    size_t bytes = (size_t)n_out * jb_kind_row_bytes(kind, n);
    uint8_t *w = jb_area_place(f, JB_AREA_WEIGHTS, bytes, 0, 4), *p = jb_area_place(f, JB_AREA_PACKED, jb_pack_bytes(kind, n, n_out), 0, JB_ALIGN);
    if (!w || !p)
        return false;
    fill_weights(f, kind, w, bytes, how);
    jb_pack_rows(kind, n, n_out, w, 0, n_blocks(n_out), p);
    *packed = p;
    return true;
}

static bool matmul_setup(struct jb_fixture *f, enum jb_weight_kind kind, struct jb_matmul a, enum jb_fill how, bool stream)
{
    size_t stride = (size_t)a.n + (f->check ? jb_rng_below(&f->rng, 9) : 0);
    float *before = NULL;
    a.block1 = n_blocks(a.n_out);
    if (stream ? !fill_stream(f, kind, a.n, a.n_out, &a.w) : !fill_packed(f, kind, a.n, a.n_out, how, &a.w))
        return false;
    if (is_plain(kind)) {
        float *x = jb_area_place(f, JB_AREA_IN, (size_t)a.m * stride * 4, 0, 4);
        if (!x)
            return false;
        jb_fill_f32(f, x, (size_t)a.m * stride, how);
        a.x = x;
        a.x_stride = (ptrdiff_t)stride;
    } else if (!(a.xq = fill_rows(f, a.m, a.n, how))) {
        return false;
    }
    if (a.add) {
        if (!(before = jb_area_place(f, JB_AREA_IN2, (size_t)a.m * (size_t)a.n_out * 4, 0, 4)))
            return false;
        jb_fill_f32(f, before, (size_t)a.m * (size_t)a.n_out, how);
    }
    f->u.matmul.args = a;
    f->u.matmul.before = before;
    f->out = (struct jb_plane){ NULL, a.m, a.n_out, 1, f->check ? jb_between(f, 0, 2) : 0, 0 };
    f->element_bytes = 4;
    f->u.matmul.bytes = jb_pack_bytes(kind, a.n, a.n_out);
    f->u.matmul.matrices = stream ? STREAM_BYTES / jb_pack_bytes(kind, a.n, a.n_out) : 1;
    f->ops = 2.0 * a.m * a.n * a.n_out * (double)f->u.matmul.matrices;
    f->bytes = ((double)jb_pack_bytes(kind, a.n, a.n_out) + (double)a.m * ((is_plain(kind) ? 4.0 : 1.5) * a.n + 4.0 * a.n_out)) * (double)f->u.matmul.matrices;
    snprintf(f->shape, sizeof f->shape, "%d x %d -> %d%s%s", a.m, a.n, a.n_out, a.add ? " add" : "", stream ? " from memory" : "");
    return true;
}

static bool matmul_check(struct jb_fixture *f, enum jb_weight_kind kind, size_t i)
{
    static const int32_t outs[] = { 1, 15, 16, 17, 31, 32, 33, 48, 64, 79, 80, 97, 128, 130 };
    bool large = i % 50 == 49;
    struct jb_matmul a = { .m = (int32_t)(i % 17) + 1, .add = i % 3 == 0 };
    if (i >= CASES)
        return false;
    a.n = is_plain(kind) ? (int32_t)(i % 70) + 1 : JB_QK * ((int32_t)(i % 9) + 1);
    a.n_out = jb_pick(f, outs, COUNT(outs));
    if (large) {
        a.m = jb_between(f, 18, 70);
        a.n = is_plain(kind) ? jb_between(f, 70, 300) : JB_QK * jb_between(f, 10, 50);
    }
    f->cut = i / 17 % 4;
    return matmul_setup(f, kind, a, (enum jb_fill)(i / 2 % JB_FILL_COUNT), false);
}

static bool matmul_bench(struct jb_fixture *f, enum jb_weight_kind kind, size_t i)
{
    static const struct { int32_t m, n, n_out; } shapes[] = { // of a model with 135 M parameters
        { 1, 576, 576 }, { 1, 576, 1536 }, { 1, 1536, 576 }, { 4, 576, 1536 },
        { 128, 576, 192 }, { 128, 576, 576 }, { 128, 576, 1536 }, { 128, 1536, 576 }, { 512, 576, 1536 },
        { 1, 576, 1536 }, { 2, 576, 1536 }, { 4, 576, 1536 }, { 8, 576, 1536 }, { 16, 576, 1536 }, // one after the other from memory
    };
    const size_t streamed = COUNT(shapes) - 5;
    if (i >= (f->slow ? 1 : COUNT(shapes)))
        return false;
    struct jb_matmul a = { .m = shapes[i].m, .n = shapes[i].n, .n_out = shapes[i].n_out };
    return matmul_setup(f, kind, a, JB_FILL_NORMAL, i >= streamed);
}

typedef void (*matmul_fn)(const struct jb_matmul *a);

static void rows_of(const struct jb_matmul *a, int32_t r0, int32_t r1, struct jb_matmul *part)
{
    *part = *a;
    part->m = r1 - r0;
    part->y += r0 * a->y_stride;
    if (a->x)
        part->x += r0 * a->x_stride;
    else
        part->xq += (ptrdiff_t)r0 * (a->n / JB_QK);
}

static void in_parts(const struct jb_matmul *a, matmul_fn fn, int32_t rows, int32_t blocks)
{
    for (int32_t r = 0; r < a->m; r += rows)
        for (int32_t b = a->block0; b < a->block1; b += blocks) {
            struct jb_matmul part;
            rows_of(a, r, r + rows < a->m ? r + rows : a->m, &part);
            part.block0 = b;
            part.block1 = b + blocks < a->block1 ? b + blocks : a->block1;
            fn(&part);
        }
}

static void matmul_call(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out, matmul_fn fn)
{
    struct jb_matmul a = f->u.matmul.args;
    a.y = out->data;
    a.y_stride = out->row_stride;
    for (int32_t r = 0; f->u.matmul.before && r < a.m; r++)
        memcpy(a.y + r * a.y_stride, f->u.matmul.before + (ptrdiff_t)r * a.n_out, (size_t)a.n_out * 4);
    const char *w = a.w;
    size_t bytes = f->u.matmul.bytes;
    if (!f->check)
        for (size_t i = 0; i < f->u.matmul.matrices; i++, w += bytes, a.w = w)
            fn(&a);
    else if (k == &f->ref || f->cut == 0)
        fn(&a);
    else
        in_parts(&a, fn, f->cut == 1 ? 1 : f->cut == 2 ? a.m : 5, f->cut == 1 ? a.block1 : f->cut == 2 ? 1 : 3);
}

#define MATMUL(op, kind) \
    static bool check_##op(struct jb_fixture *f, size_t i) { return matmul_check(f, kind, i); } \
    static bool bench_##op(struct jb_fixture *f, size_t i) { return matmul_bench(f, kind, i); } \
    static void call_##op(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out) { matmul_call(f, k, out, k->op); }
MATMUL(matmul_f32, JB_W_F32)
MATMUL(matmul_f16, JB_W_F16)
MATMUL(matmul_q8_0, JB_W_Q8_0)
MATMUL(matmul_q4_0, JB_W_Q4_0)
MATMUL(matmul_q4_1, JB_W_Q4_1)

// quantize_rows: the output plane holds the blocks as bytes, each NaN as one and the same.

static bool quantize_case(struct jb_fixture *f, size_t i)
{
    int32_t m = f->check ? (int32_t)(i % 5) + 1 : i == 0 ? 1 : 128, blocks = f->check ? (int32_t)(i % 12) + 1 : 18, n = blocks * JB_QK;
    ptrdiff_t stride = n + (f->check ? jb_between(f, 0, 5) : 0);
    float *x = jb_area_place(f, JB_AREA_IN, (size_t)(m * stride) * 4, 0, 4);
    if (i >= (f->check ? CASES : 2) || !x)
        return false;
    jb_fill_f32(f, x, (size_t)(m * stride), (enum jb_fill)(i / 2 % JB_FILL_COUNT));
    if (i % 7 == 6) // near the bounds of the rule, subnormals, zeros
        for (int32_t b = 0; b < m * stride / JB_QK; b++)
            for (int32_t j = 0; j < JB_QK; j++)
                x[b * JB_QK + j] *= b % 5 == 0 ? 0.0f : b % 5 == 1 ? 0x1p-99f : b % 5 == 2 ? 0x1p-101f : b % 5 == 3 ? 0x1p-130f : 0x1p+127f;
    f->u.quantize_rows.x = x;
    f->u.quantize_rows.stride = stride;
    f->u.quantize_rows.m = m;
    f->u.quantize_rows.n = n;
    f->out = (struct jb_plane){ NULL, 1, m * blocks * (int32_t)sizeof(struct jb_q8), 1, f->check ? 1 : 0, 0 };
    f->element_bytes = 1;
    f->ops = (double)m * n;
    f->bytes = 5.5 * m * n;
    snprintf(f->shape, sizeof f->shape, "%d x %d", m, n);
    return true;
}

static void call_quantize(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    int32_t m = f->u.quantize_rows.m, n = f->u.quantize_rows.n;
    size_t all = (size_t)m * (size_t)(n / JB_QK);
    struct jb_q8 *q = jb_area_place(f, JB_AREA_ROWS, all * sizeof *q, 0, 4);
    k->quantize_rows(f->u.quantize_rows.x, f->u.quantize_rows.stride, m, n, q);
    for (size_t b = 0; f->check && b < all; b++) {
        q[b].d = q[b].d != q[b].d ? NAN : q[b].d;
        q[b].s = q[b].s != q[b].s ? NAN : q[b].s;
    }
    if (f->check)
        memcpy(out->data, q, all * sizeof *q);
}

const struct jb_body jb_matmul_bodies[] = {
    { "quantize_rows", quantize_case, quantize_case, NULL, call_quantize },
    { "matmul_f32", check_matmul_f32, bench_matmul_f32, NULL, call_matmul_f32 },
    { "matmul_f16", check_matmul_f16, bench_matmul_f16, NULL, call_matmul_f16 },
    { "matmul_q8_0", check_matmul_q8_0, bench_matmul_q8_0, NULL, call_matmul_q8_0 },
    { "matmul_q4_0", check_matmul_q4_0, bench_matmul_q4_0, NULL, call_matmul_q4_0 },
    { "matmul_q4_1", check_matmul_q4_1, bench_matmul_q4_1, NULL, call_matmul_q4_1 },
    { NULL, NULL, NULL, NULL, NULL },
};
