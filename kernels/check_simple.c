// Test bodies of everything but convolutions.
#include "kernels/check_cases.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "kernels/plane.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define CASES 600

const struct jb_body *jb_body_of(const char *op)
{
    if (strcmp(op, jb_conv_f32_body.op) == 0)
        return &jb_conv_f32_body;
    if (strcmp(op, jb_conv_u8_body.op) == 0)
        return &jb_conv_u8_body;
    const struct jb_body *tables[] = { jb_simple_bodies, jb_matmul_bodies, jb_rows_bodies };
    for (size_t t = 0; t < COUNT(tables); t++)
        for (const struct jb_body *b = tables[t]; b->op; b++)
            if (strcmp(op, b->op) == 0)
                return b;
    return NULL;
}

static enum jb_fill fill_of(size_t i)
{
    return (enum jb_fill)(i / 2 % JB_FILL_COUNT);
}

static bool filled_plane(struct jb_fixture *f, enum jb_area area, struct jb_plane *p, int32_t h, int32_t w, int32_t c, size_t element_bytes, size_t i)
{
    *p = jb_area_plane(f, area, h, w, c, f->check ? jb_between(f, 0, 2) : 1, element_bytes);
    if (!p->data)
        return false;
    if (element_bytes == 1)
        jb_fill_u8(f, jb_plane_start(p, 1), jb_plane_values(p), f->check ? fill_of(i) : JB_FILL_NORMAL);
    else
        jb_fill_f32(f, jb_plane_start(p, 4), jb_plane_values(p), f->check ? fill_of(i) : JB_FILL_NORMAL);
    return true;
}

// Sizes: channels 1 .. 150 in turn, small images; the benchmark takes 14x14x32 and 7x7x64.
static void sizes(struct jb_fixture *f, size_t i, int32_t *h, int32_t *w, int32_t *c)
{
    if (f->check) {
        *c = (int32_t)(i % 150) + 1;
        *h = jb_between(f, 1, 6);
        *w = jb_between(f, 1, 9);
    } else {
        *h = *w = i == 0 ? 14 : 7;
        *c = i == 0 ? 32 : 64;
    }
}

static void finish_case(struct jb_fixture *f, const char *kind, int32_t h, int32_t w, int32_t c, size_t element_bytes, double in_bytes)
{
    f->out = (struct jb_plane){ NULL, h, w, c, f->check ? jb_between(f, 0, 2) : 1, 0 };
    f->element_bytes = element_bytes;
    f->ops = (double)h * w * c;
    f->bytes = in_bytes + f->ops * (double)element_bytes;
    snprintf(f->shape, sizeof f->shape, "%s %dx%dx%d", kind, h, w, c);
}

// Pooling

static bool pool_case(struct jb_fixture *f, size_t i, size_t element_bytes, const char *kind)
{
    static const int32_t kernels[][3] = { { 2, 2, 0 }, { 3, 2, 1 }, { 3, 1, 1 }, { 0, 1, 0 }, { 5, 3, 2 } }; // size (0: the image), stride, pad
    int32_t h, w, c;
    if (i >= (f->check ? CASES : 4))
        return false;
    sizes(f, f->check ? i : i / 2, &h, &w, &c);
    const int32_t *k = kernels[f->check ? i % COUNT(kernels) : i % 2 * 3];
    int32_t kh = k[0] ? k[0] : h, kw = k[0] ? k[0] : w;
    if (h + 2 * k[2] < kh || w + 2 * k[2] < kw)
        kh = kw = 1;
    int32_t pad = kh == 1 ? 0 : k[2], out_h = (h + 2 * pad - kh) / k[1] + 1, out_w = (w + 2 * pad - kw) / k[1] + 1;
    if (!filled_plane(f, JB_AREA_IN, &f->in, h, w, c, element_bytes, i))
        return false;
    f->u.pool = (struct jb_pool){ kh, kw, k[1], k[1], pad, pad, &f->in, NULL, jb_between(f, 0, 255), jb_between(f, 0, 255),
                                  i % 7 ? 0.3f + 2.0f * (float)jb_rng_unit(&f->rng) : 1.0f };
    finish_case(f, kind, out_h, out_w, c, element_bytes, (double)h * w * c * (double)element_bytes);
    snprintf(f->shape, sizeof f->shape, "%s %dx%d s%d %dx%dx%d", kind, kh, kw, k[1], h, w, c);
    return true;
}

static bool max_f32_case(struct jb_fixture *f, size_t i) { return pool_case(f, i, 4, "max pool"); }
static bool pool_u8_case(struct jb_fixture *f, size_t i) { return pool_case(f, i, 1, "pool"); }

static bool avg_f32_case(struct jb_fixture *f, size_t i)
{
    if (!pool_case(f, i, 4, "average pool"))
        return false;
    if (!f->check)
        return true;
    struct jb_plane in = jb_area_plane(f, JB_AREA_ABS_IN, f->in.h, f->in.w, f->in.c, f->in.pad, 4);
    struct jb_plane out = { NULL, f->out.h, f->out.w, f->out.c, 0, (ptrdiff_t)f->out.w * f->out.c };
    size_t n = (size_t)out.h * (size_t)out.row_stride;
    float *t = out.data = jb_area_place(f, JB_AREA_TOLERANCE, n * 4, 0, 4);
    struct jb_pool a = f->u.pool;
    jb_abs_f32(jb_plane_start(&f->in, 4), jb_plane_start(&in, 4), jb_plane_values(&f->in));
    a.in = &in;
    a.out = &out;
    f->ref.avg_pool_f32(&a);
    for (size_t j = 0; j < n; j++)
        t[j] = 2.0f * (float)(a.kernel_h * a.kernel_w + 2) * FLT_EPSILON * t[j] + FLT_MIN;
    f->tolerance = t;
    return true;
}

#define POOL_CALL(name) \
    static void call_##name(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out) { f->u.pool.out = out; k->name(&f->u.pool); }
POOL_CALL(max_pool_f32)
POOL_CALL(max_pool_u8)
POOL_CALL(avg_pool_f32)
POOL_CALL(avg_pool_u8)

// Elementwise

static bool add_f32_case(struct jb_fixture *f, size_t i)
{
    int32_t h, w, c;
    sizes(f, i, &h, &w, &c);
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 4, i) || !filled_plane(f, JB_AREA_IN2, &f->in2, h, w, c, 4, i))
        return false;
    f->u.act = (enum jb_act)(i % 4);
    finish_case(f, "add", h, w, c, 4, 8.0 * h * w * c);
    return true;
}

static void call_add_f32(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->add_f32(&f->in, &f->in2, out, f->u.act);
}

static bool add_u8_case(struct jb_fixture *f, size_t i)
{
    int32_t h, w, c;
    sizes(f, i, &h, &w, &c);
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 1, i) || !filled_plane(f, JB_AREA_IN2, &f->in2, h, w, c, 1, i))
        return false;
    bool ties = i % 3 == 0;
    f->u.add_u8 = (struct jb_add_u8){ &f->in, &f->in2, NULL, jb_between(f, 0, 255), jb_between(f, 0, 255), jb_between(f, 0, 255), i % 2 ? jb_between(f, 0, 255) : 0,
                                      ties ? 0.5f : 2.0f * (float)jb_rng_unit(&f->rng), ties ? 0.25f : (float)jb_rng_unit(&f->rng) };
    finish_case(f, "add", h, w, c, 1, 2.0 * h * w * c);
    return true;
}

static void call_add_u8(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    f->u.add_u8.out = out;
    k->add_u8(&f->u.add_u8);
}

static bool act_f32_case(struct jb_fixture *f, size_t i)
{
    int32_t h, w, c;
    sizes(f, i, &h, &w, &c);
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 4, i))
        return false;
    f->u.act = (enum jb_act)((i + 1) % 4);
    finish_case(f, "act", h, w, c, 4, 4.0 * h * w * c);
    return true;
}

static void call_act_f32(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->act_f32(&f->in, out, f->u.act);
}

static bool concat_case(struct jb_fixture *f, size_t i)
{
    int32_t h, w, c, c2;
    sizes(f, i, &h, &w, &c);
    c2 = f->check ? jb_between(f, 1, 40) : c;
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 4, i) || !filled_plane(f, JB_AREA_IN2, &f->in2, h, w, c2, 4, i))
        return false;
    finish_case(f, "concat", h, w, c + c2, 4, 4.0 * h * w * (c + c2));
    return true;
}

static void call_concat(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->concat(&f->in, &f->in2, out, 4);
}

static bool softmax_case(struct jb_fixture *f, size_t i)
{
    int32_t n = f->check ? (int32_t)(i % 40) + 1 : i == 0 ? 10 : 1000;
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, 1, 1, n, 4, i))
        return false;
    f->u.softmax.n = n;
    f->u.softmax.inverse_temperature = f->check ? 0.1f + 4.0f * (float)jb_rng_unit(&f->rng) : 1.0f;
    finish_case(f, "softmax", 1, 1, n, 4, 4.0 * n);
    float *t = jb_area_place(f, JB_AREA_TOLERANCE, (size_t)n * 4, 0, 4);
    for (int32_t j = 0; j < n; j++) // expf of two libraries, 4 ulp each, and the sum of n
        t[j] = (float)(8 + n) * FLT_EPSILON;
    f->tolerance = t;
    return true;
}

static void call_softmax(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->softmax_f32(f->in.data, out->data, f->u.softmax.n, f->u.softmax.inverse_temperature);
}

static bool quantize_case(struct jb_fixture *f, size_t i)
{
    static const float scales[] = { 1.0f, 2.0f, 100.0f, 127.5f, 1e30f };
    int32_t h, w, c;
    sizes(f, i, &h, &w, &c);
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 4, i))
        return false;
    f->u.quant.scale = scales[i % COUNT(scales)];
    f->u.quant.zero = jb_between(f, 0, 255);
    finish_case(f, "quantize", h, w, c, 1, 4.0 * h * w * c);
    return true;
}

static void call_quantize(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->quantize(&f->in, out, f->u.quant.scale, f->u.quant.zero);
}

static bool dequantize_case(struct jb_fixture *f, size_t i)
{
    int32_t h, w, c;
    sizes(f, i, &h, &w, &c);
    if (i >= (f->check ? CASES : 2) || !filled_plane(f, JB_AREA_IN, &f->in, h, w, c, 1, i))
        return false;
    f->u.quant.scale = (float)jb_rng_unit(&f->rng);
    f->u.quant.zero = jb_between(f, 0, 255);
    finish_case(f, "dequantize", h, w, c, 4, 1.0 * h * w * c);
    return true;
}

static void call_dequantize(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->dequantize(&f->in, out, f->u.quant.scale, f->u.quant.zero);
}

// The source is no plane and has no slack: it ends at the guard page.
static bool bytes_case(struct jb_fixture *f, size_t i, size_t element_bytes)
{
    int32_t h = f->check ? jb_between(f, 1, 30) : 28, w = f->check ? jb_between(f, 1, 30) : 28, c = f->check ? (int32_t)(i % 32) + 1 : i ? 3 : 1;
    size_t n = (size_t)h * (size_t)w * (size_t)c;
    uint8_t *in = jb_area_place(f, JB_AREA_IN, n, 0, 1);
    if (i >= (f->check ? CASES : 2) || !in)
        return false;
    if (i % 2)
        c = f->check && i % 3 == 0 ? 1 : c;
    n = (size_t)h * (size_t)w * (size_t)c;
    in = jb_area_place(f, JB_AREA_IN, n, 0, 1);
    jb_fill_u8(f, in, n, JB_FILL_NORMAL);
    jb_fill_f32(f, f->u.bytes.scale, 32, JB_FILL_NORMAL);
    jb_fill_f32(f, f->u.bytes.offset, 32, JB_FILL_NORMAL);
    f->u.bytes.in = in;
    finish_case(f, "bytes", h, w, c, element_bytes, (double)n);
    return true;
}

static bool bytes_f32_case(struct jb_fixture *f, size_t i) { return bytes_case(f, i, 4); }
static bool bytes_plane_case(struct jb_fixture *f, size_t i) { return bytes_case(f, i, 1); }

static void call_bytes_f32(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->bytes_to_f32(f->u.bytes.in, out, f->u.bytes.scale, f->u.bytes.offset);
}

static void call_bytes_plane(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    k->bytes_to_plane(f->u.bytes.in, out);
}

const struct jb_body jb_simple_bodies[] = {
    { "max_pool_f32", max_f32_case, max_f32_case, NULL, call_max_pool_f32 },
    { "max_pool_u8", pool_u8_case, pool_u8_case, NULL, call_max_pool_u8 },
    { "avg_pool_f32", avg_f32_case, avg_f32_case, NULL, call_avg_pool_f32 },
    { "avg_pool_u8", pool_u8_case, pool_u8_case, NULL, call_avg_pool_u8 },
    { "add_f32", add_f32_case, add_f32_case, NULL, call_add_f32 },
    { "add_u8", add_u8_case, add_u8_case, NULL, call_add_u8 },
    { "act_f32", act_f32_case, act_f32_case, NULL, call_act_f32 },
    { "concat", concat_case, concat_case, NULL, call_concat },
    { "softmax_f32", softmax_case, softmax_case, NULL, call_softmax },
    { "quantize", quantize_case, quantize_case, NULL, call_quantize },
    { "dequantize", dequantize_case, dequantize_case, NULL, call_dequantize },
    { "bytes_to_f32", bytes_f32_case, bytes_f32_case, NULL, call_bytes_f32 },
    { "bytes_to_plane", bytes_plane_case, bytes_plane_case, NULL, call_bytes_plane },
    { NULL, NULL, NULL, NULL, NULL },
};
