// Test bodies of the operators on rows that are no product with packed weights (kernels/rows.h). What an operator fills is laid out as a plane.
#include "kernels/check_cases.h"

#include <stdio.h>
#include <string.h>

#include "kernels/plane.h"

#define CASES 600
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static float *filled(struct jb_fixture *f, enum jb_area area, size_t n, enum jb_fill how)
{
    float *x = jb_area_place(f, area, n * 4, 0, 4);
    if (x)
        jb_fill_f32(f, x, n, how);
    return x;
}

static enum jb_fill fill_of(const struct jb_fixture *f, size_t i)
{
    return f->check ? (enum jb_fill)(i / 2 % JB_FILL_COUNT) : JB_FILL_NORMAL;
}

static void finish(struct jb_fixture *f, int32_t h, int32_t w, size_t element_bytes, double bytes)
{
    f->out = (struct jb_plane){ NULL, h, w, 1, f->check ? jb_between(f, 0, 2) : 0, 0 };
    f->element_bytes = element_bytes;
    f->bytes = bytes;
    f->ops = (double)h * w;
}

// Norm, activation, rotation

static bool rms_norm_case(struct jb_fixture *f, size_t i)
{
    int32_t m = f->check ? (int32_t)(i % 4) + 1 : i == 0 ? 1 : 128, n = f->check ? (int32_t)(i % 100) + 1 : 576;
    ptrdiff_t stride = n + (f->check ? jb_between(f, 0, 3) : 0);
    if (i >= (f->check ? CASES : 2))
        return false;
    struct jb_rms_norm a = { .n = n, .m = m, .x_stride = stride, .eps = 1e-5f };
    a.x = filled(f, JB_AREA_IN, (size_t)(m * stride), fill_of(f, i));
    a.w = filled(f, JB_AREA_IN2, (size_t)n, JB_FILL_NORMAL);
    f->u.rms_norm.args = a;
    f->u.rms_norm.in_place = f->check && i % 3 == 0;
    f->cut = i % 2;
    finish(f, m, n, 4, 8.0 * m * n);
    snprintf(f->shape, sizeof f->shape, "norm %d x %d", m, n);
    return a.x && a.w;
}

static void call_rms_norm(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_rms_norm a = f->u.rms_norm.args;
    a.y = out->data;
    a.y_stride = out->row_stride;
    if (f->u.rms_norm.in_place) {
        for (int32_t r = 0; r < a.m; r++)
            memcpy(a.y + r * a.y_stride, a.x + r * a.x_stride, (size_t)a.n * 4);
        a.x = a.y;
        a.x_stride = a.y_stride;
    }
    int32_t m = a.m, step = f->check && f->cut && k != &f->ref ? 1 : m;
    for (int32_t r = 0; r < m; r += step, a.x += a.x_stride, a.y += a.y_stride) {
        a.m = step;
        k->rms_norm(&a);
    }
}

static bool silu_mul_case(struct jb_fixture *f, size_t i)
{
    int32_t n = f->check ? (int32_t)(i % 100) + 1 : i == 0 ? 1536 : 128 * 1536;
    if (i >= (f->check ? CASES : 2))
        return false;
    float *g = filled(f, JB_AREA_IN, (size_t)n, fill_of(f, i)), *u = filled(f, JB_AREA_IN2, (size_t)n, fill_of(f, i / 8));
    if (!g || !u)
        return false;
    for (int32_t j = 0; f->check && j < n; j++)
        g[j] *= i % 3 == 0 ? 100.0f : i % 3 == 1 ? 10.0f : 1.0f; // past both ends of exp, too
    f->u.silu_mul.args = (struct jb_silu_mul){ .g = g, .u = u, .n = (size_t)n };
    f->u.silu_mul.in_place = f->check ? (int32_t)(i % 3) : 0;
    finish(f, 1, n, 4, 12.0 * n);
    snprintf(f->shape, sizeof f->shape, "silu %d", n);
    return true;
}

static void call_silu_mul(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_silu_mul a = f->u.silu_mul.args;
    a.y = out->data;
    if (f->u.silu_mul.in_place) {
        const float **same = f->u.silu_mul.in_place == 1 ? &a.g : &a.u;
        memcpy(a.y, *same, a.n * 4);
        *same = a.y;
    }
    k->silu_mul(&a);
}

static bool rope_case(struct jb_fixture *f, size_t i)
{
    int32_t heads = f->check ? (int32_t)(i % 4) + 1 : 9, dim = f->check ? 2 * ((int32_t)(i % 70) + 1) : 64, rot = f->check && i % 3 ? 2 * jb_between(f, 0, dim / 2) : dim;
    if (i >= (f->check ? CASES : 1))
        return false;
    f->u.rope = (struct jb_rope){ .x = filled(f, JB_AREA_IN, (size_t)(heads * dim), fill_of(f, i)), .cs = filled(f, JB_AREA_IN2, (size_t)rot, fill_of(f, i / 8)),
                                  .n_heads = heads, .head_dim = dim, .n_rot = rot };
    finish(f, 1, heads * dim, 4, 8.0 * heads * dim);
    snprintf(f->shape, sizeof f->shape, "rope %d x %d, %d turn", heads, dim, rot);
    return f->u.rope.x && f->u.rope.cs;
}

static void call_rope(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_rope a = f->u.rope;
    memcpy(out->data, a.x, (size_t)(a.n_heads * a.head_dim) * 4);
    a.x = out->data;
    k->rope(&a);
}

// K and V

static void kv_shape(struct jb_fixture *f, size_t i, struct jb_kv_layer *kv)
{
    *kv = (struct jb_kv_layer){ .kind = (enum jb_kv_kind)(i % JB_KV_COUNT), .n_heads = 3, .head_dim = 64, .positions = 512 };
    if (!f->check)
        return;
    kv->n_heads = jb_between(f, 1, 3);
    kv->head_dim = i % 3 ? 8 * jb_between(f, 1, 17) : jb_between(f, 1, 70);
    kv->positions = JB_PACK * jb_between(f, 1, 6);
}

static size_t kv_all(const struct jb_kv_layer *kv)
{
    return jb_kv_bytes(kv->kind, kv->n_heads, kv->head_dim, kv->positions);
}

static bool kv_put_case(struct jb_fixture *f, size_t i)
{
    struct jb_kv_layer kv;
    int32_t *at = jb_area_place(f, JB_AREA_BIAS, 4 * 4, 0, 4);
    if (i >= (f->check ? CASES : 2))
        return false;
    kv_shape(f, i, &kv);
    size_t n = (size_t)(kv.n_heads * kv.head_dim), bytes = kv_all(&kv);
    f->u.kv_put.kv = kv;
    f->u.kv_put.n = f->check ? 4 : 1;
    f->u.kv_put.k = filled(f, JB_AREA_IN, 4 * n, fill_of(f, i));
    f->u.kv_put.v = filled(f, JB_AREA_IN2, 4 * n, fill_of(f, i));
    for (int32_t j = 0; at && j < 4; j++)
        at[j] = jb_between(f, 0, kv.positions - 1);
    f->u.kv_put.positions = at;
    finish(f, 1, f->check ? (int32_t)bytes : 1, 1, 12.0 * (double)n);
    snprintf(f->shape, sizeof f->shape, "%s %d x %d, %d positions", kv.kind == JB_KV_F16 ? "f16" : "int8", kv.n_heads, kv.head_dim, kv.positions);
    return at && f->u.kv_put.k && f->u.kv_put.v;
}

static void call_kv_put(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_kv_layer kv = f->u.kv_put.kv;
    size_t n = (size_t)(kv.n_heads * kv.head_dim), bytes = kv_all(&kv);
    void *memory = jb_area_place(f, JB_AREA_SCRATCH, bytes, 0, JB_ALIGN);
    if (f->check)
        memset(memory, 0, bytes);
    jb_kv_place(&kv, memory);
    for (int32_t j = 0; j < f->u.kv_put.n; j++)
        k->kv_put(&(struct jb_kv_put){ &kv, f->u.kv_put.positions[j], f->u.kv_put.k + (size_t)j * n, f->u.kv_put.v + (size_t)j * n });
    if (!f->check)
        return;
    for (int32_t j = 0; kv.kind == JB_KV_INT8 && j < kv.n_heads * kv.positions; j++) { // each NaN as one and the same
        kv.ks[j] = kv.ks[j] != kv.ks[j] ? NAN : kv.ks[j];
        kv.vs[j] = kv.vs[j] != kv.vs[j] ? NAN : kv.vs[j];
    }
    memcpy(out->data, memory, bytes);
}

// All positions hold something, those past `last` too: stale values that must not be seen.
static bool attention_case(struct jb_fixture *f, size_t i)
{
    struct jb_kv_layer kv;
    static const int32_t lasts[] = { 0, 15, 127, 511 };
    if (i >= (f->check ? CASES : 2 * COUNT(lasts)))
        return false;
    kv_shape(f, i, &kv);
    int32_t group = f->check ? (int32_t)(i / 2 % 9) + 1 : 3, last = f->check ? jb_between(f, 0, kv.positions - 1) : lasts[i / 2];
    size_t n = (size_t)(kv.n_heads * kv.head_dim);
    void *memory = jb_area_place(f, JB_AREA_WEIGHTS, kv_all(&kv), 0, JB_ALIGN);
    float *q = filled(f, JB_AREA_BIAS, n * (size_t)group, fill_of(f, i / 8));
    float *scratch = jb_area_place(f, JB_AREA_SCRATCH, (size_t)(group * kv.positions) * 4, 0, JB_ALIGN);
    if (!memory || !q || !scratch)
        return false;
    jb_kv_place(&kv, memory);
    for (int32_t p = 0; p < kv.positions; p++) {
        const float *k = filled(f, JB_AREA_IN, n, fill_of(f, i)), *v = filled(f, JB_AREA_IN2, n, p <= last ? fill_of(f, i / 4) : JB_FILL_SPECIAL);
        f->ref.kv_put(&(struct jb_kv_put){ &kv, p, k, v });
    }
    f->u.attention.kv = kv;
    f->u.attention.args = (struct jb_attention){ .q = q, .scratch = scratch, .group = group, .last = last, .head1 = kv.n_heads, .scale = 0.125f * (float)(i % 50 == 3 ? 100 : 1) };
    f->cut = i % 2;
    finish(f, 1, (int32_t)n * group, 4, (kv.kind == JB_KV_F16 ? 4.0 : 2.0) * (double)n * (last + 1));
    f->ops = 4.0 * (double)n * group * (last + 1);
    snprintf(f->shape, sizeof f->shape, "%s %d x %d x %d, %d positions", kv.kind == JB_KV_F16 ? "f16" : "int8", kv.n_heads, group, kv.head_dim, last + 1);
    return true;
}

static void call_attention(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_attention a = f->u.attention.args;
    int32_t heads = a.head1, step = f->check && f->cut && k != &f->ref ? 1 : heads;
    a.kv = &f->u.attention.kv;
    a.out = out->data;
    for (a.head0 = 0; a.head0 < heads; a.head0 = a.head1) {
        a.head1 = a.head0 + step;
        k->attention(&a);
    }
}

// Logits

static float *logits(struct jb_fixture *f, size_t i, int32_t *n)
{
    static const int32_t few[] = { 1, 2, 15, 16, 17, 32, 33, 100, 257, 1000 };
    *n = f->check ? jb_pick(f, few, COUNT(few)) : 49152;
    float *x = filled(f, JB_AREA_IN, (size_t)*n, fill_of(f, i));
    for (int32_t j = 0; x && f->check && j < *n; j++) // falling, rising (each value enters), steep
        x[j] = i % 11 == 3 ? (float)-j : i % 11 == 5 ? (float)(j / 2) : i % 11 == 7 ? x[j] * 100.0f : x[j];
    return x;
}

static bool best_case(struct jb_fixture *f, size_t i)
{
    int32_t n, k = f->check ? (int32_t)(i % 16) + 1 : i == 0 ? 1 : 10;
    const float *x = logits(f, i, &n);
    if (i >= (f->check ? CASES : 2) || !x)
        return false;
    f->u.best = (struct jb_best){ .x = x, .n = n, .k = k };
    finish(f, 1, 2 * k + 2, 4, 4.0 * n);
    f->ops = n;
    snprintf(f->shape, sizeof f->shape, "best %d of %d", k, n);
    return true;
}

static void call_best(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_best a = f->u.best;
    int32_t index[16] = { 0 };
    float value[16] = { 0 }, *o = out->data;
    a.index = index;
    a.value = value;
    a.n_found = a.n_nan = -1;
    k->best(&a);
    for (int32_t j = 0; j < a.k; j++) {
        o[2 * j] = j < a.n_found ? (float)index[j] : -1.0f;
        o[2 * j + 1] = j < a.n_found ? value[j] : 0.0f;
    }
    o[2 * a.k] = (float)a.n_found;
    o[2 * a.k + 1] = (float)a.n_nan;
}

static bool log_sum_case(struct jb_fixture *f, size_t i)
{
    int32_t n;
    const float *x = logits(f, i, &n);
    if (i >= (f->check ? CASES : 1) || !x)
        return false;
    f->u.log_sum = (struct jb_log_sum){ .x = x, .n = n };
    finish(f, 1, 1, 4, 4.0 * n);
    f->ops = n;
    snprintf(f->shape, sizeof f->shape, "log sum of %d", n);
    return true;
}

static void call_log_sum(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    struct jb_log_sum a = f->u.log_sum;
    k->log_sum(&a);
    *(float *)out->data = a.out;
}

const struct jb_body jb_rows_bodies[] = {
    { "rms_norm", rms_norm_case, rms_norm_case, NULL, call_rms_norm },
    { "silu_mul", silu_mul_case, silu_mul_case, NULL, call_silu_mul },
    { "rope", rope_case, rope_case, NULL, call_rope },
    { "kv_put", kv_put_case, kv_put_case, NULL, call_kv_put },
    { "attention", attention_case, attention_case, NULL, call_attention },
    { "best", best_case, best_case, NULL, call_best },
    { "log_sum", log_sum_case, log_sum_case, NULL, call_log_sum },
    { NULL, NULL, NULL, NULL, NULL },
};
