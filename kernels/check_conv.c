// Test bodies of the convolutions.
#include "kernels/check_cases.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/plane.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct conv_case {
    struct jb_conv_geom g;
    int32_t in_h, in_w, in_pad, out_pad;
};

// Cases 0 .. EVERY - 1 cross all remainders of output channels (five blocks of 16) and pixels; then random ones; then fully connected
// layers, whose one pixel takes its own path; then the layers below.
#define CHANNELS 80
#define PIXELS 30
#define EVERY (CHANNELS * PIXELS)
#define RANDOM 900
#define CONNECTED 240

static const int32_t kernels_hw[][2] = { { 1, 1 }, { 3, 3 }, { 5, 5 }, { 4, 4 }, { 7, 7 }, { 1, 3 }, { 3, 1 }, { 2, 2 } };

// The shapes that matter: a multi-exit network on 28 x 28 images.
struct layer { int32_t in, in_c, k, stride, pad, out_c, groups; };
static const struct layer layers[] = {
    { 28, 1, 5, 2, 2, 16, 1 },   { 28, 1, 5, 2, 2, 32, 1 },   { 14, 16, 3, 1, 1, 16, 1 },  { 14, 16, 3, 1, 1, 32, 1 },
    { 14, 32, 3, 1, 1, 32, 1 },  { 14, 16, 3, 2, 1, 32, 1 },  { 14, 32, 3, 2, 1, 32, 1 },  { 14, 32, 3, 2, 1, 64, 1 },
    { 7, 32, 3, 1, 1, 32, 1 },   { 7, 48, 3, 1, 1, 48, 1 },   { 7, 64, 3, 1, 1, 64, 1 },   { 7, 64, 3, 1, 1, 96, 1 },
    { 7, 96, 3, 1, 1, 96, 1 },   { 7, 128, 3, 1, 1, 128, 1 }, { 7, 64, 3, 2, 1, 48, 1 },   { 14, 16, 1, 1, 0, 32, 1 },
    { 7, 64, 1, 1, 0, 64, 1 },   { 7, 64, 1, 1, 0, 128, 1 },  { 7, 128, 1, 1, 0, 128, 1 }, { 1, 1568, 1, 1, 0, 64, 1 },
    { 1, 768, 1, 1, 0, 64, 1 },  { 1, 288, 1, 1, 0, 64, 1 },  { 1, 576, 1, 1, 0, 128, 1 }, { 1, 128, 1, 1, 0, 10, 1 },
    { 1, 64, 1, 1, 0, 10, 1 },   { 14, 64, 3, 1, 1, 64, 64 }, { 14, 64, 3, 2, 1, 64, 64 }, { 28, 3, 4, 4, 0, 48, 1 },
};

static void of_layer(struct conv_case *c, const struct layer *l)
{
    int32_t out = (l->in + 2 * l->pad - l->k) / l->stride + 1;
    *c = (struct conv_case){
        .g = { l->in_c, l->out_c, l->k, l->k, l->stride, l->stride, l->pad, l->pad, l->groups, out, out },
        .in_h = l->in, .in_w = l->in, .in_pad = l->pad, .out_pad = 1,
    };
}

static void fit_input(struct jb_fixture *f, struct conv_case *c)
{
    struct jb_conv_geom *g = &c->g;
    int32_t extra_h = jb_between(f, 0, g->stride_h - 1), extra_w = jb_between(f, 0, g->stride_w - 1);
    c->in_h = (g->out_h - 1) * g->stride_h + g->kernel_h - 2 * g->pad_h + extra_h;
    c->in_w = (g->out_w - 1) * g->stride_w + g->kernel_w - 2 * g->pad_w + extra_w;
    if (c->in_h < 1 || c->in_w < 1) { // then without padding
        g->pad_h = g->pad_w = 0;
        c->in_h = (g->out_h - 1) * g->stride_h + g->kernel_h;
        c->in_w = (g->out_w - 1) * g->stride_w + g->kernel_w;
    }
    c->in_pad = (g->pad_h > g->pad_w ? g->pad_h : g->pad_w) + jb_between(f, 0, 2);
    c->out_pad = jb_between(f, 0, 2);
}

static void random_geom(struct jb_fixture *f, struct conv_case *c, size_t i)
{
    static const int32_t in_cs[] = { 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 32, 33, 48, 64 };
    const int32_t *k = kernels_hw[i % COUNT(kernels_hw)];
    struct jb_conv_geom *g = &c->g;
    *g = (struct jb_conv_geom){ .in_c = jb_pick(f, in_cs, COUNT(in_cs)), .out_c = jb_between(f, 1, 130), .kernel_h = k[0], .kernel_w = k[1],
                                .stride_h = jb_between(f, 1, 2), .stride_w = jb_between(f, 1, 2), .pad_h = jb_between(f, 0, k[0] / 2),
                                .pad_w = jb_between(f, 0, k[1] / 2), .groups = 1, .out_h = jb_between(f, 1, 6), .out_w = jb_between(f, 1, 9) };
    if (i % 3 == 0) { // depthwise
        g->in_c = g->out_c = g->groups = jb_between(f, 1, 70);
        g->out_w = jb_between(f, 1, 17);
    } else if (i % 16 == 1) { // other groups: the tiers hand them on
        g->groups = jb_between(f, 2, 4);
        g->in_c = g->groups * jb_between(f, 1, 5);
        g->out_c = g->groups * jb_between(f, 1, 5);
    }
}

static bool pick_case(struct jb_fixture *f, struct conv_case *c, size_t i)
{
    if (i < EVERY) {
        static const int32_t in_cs[] = { 1, 3, 4, 6, 8 };
        size_t k = jb_rng_below(&f->rng, 3);
        int32_t pixels = (int32_t)(i / CHANNELS) + 1, w = pixels % 3 == 0 ? pixels / 3 : pixels;
        c->g = (struct jb_conv_geom){ .in_c = jb_pick(f, in_cs, COUNT(in_cs)), .out_c = (int32_t)(i % CHANNELS) + 1,
                                      .kernel_h = (int32_t)k + 1, .kernel_w = (int32_t)k + 1, .stride_h = 1, .stride_w = jb_between(f, 1, 2),
                                      .pad_h = (int32_t)k / 2, .pad_w = (int32_t)k / 2, .groups = 1, .out_h = pixels / w, .out_w = w };
    } else if (i < EVERY + RANDOM) {
        random_geom(f, c, i - EVERY);
    } else if (i < EVERY + RANDOM + CONNECTED) {
        int32_t in_c = i % 4 == 0 ? jb_between(f, 1, 700) : 4 * jb_between(f, 1, 175);
        c->g = (struct jb_conv_geom){ in_c, jb_between(f, 1, 100), 1, 1, 1, 1, 0, 0, 1, 1, 1 };
    } else if (i < EVERY + RANDOM + CONNECTED + COUNT(layers)) {
        of_layer(c, &layers[i - EVERY - RANDOM - CONNECTED]);
        return true;
    } else {
        return false;
    }
    fit_input(f, c);
    return true;
}

// The contract: the halo holds what stands for zero, and tiers may rely on it.
static void fill_halo(const struct jb_plane *p, size_t element_bytes, int value)
{
    char *start = jb_plane_start(p, element_bytes);
    size_t pixel = (size_t)p->c * element_bytes, row = (size_t)p->row_stride * element_bytes;
    for (int32_t y = -p->pad; y < p->h + p->pad; y++)
        for (int32_t x = -p->pad; x < p->w + p->pad; x++)
            if (y < 0 || y >= p->h || x < 0 || x >= p->w)
                memset(start + (size_t)(y + p->pad) * row + (size_t)(x + p->pad) * pixel, value, pixel);
}

static void describe(struct jb_fixture *f, const struct conv_case *c, const char *kind, size_t element_bytes)
{
    const struct jb_conv_geom *g = &c->g;
    size_t weights = (size_t)g->out_c * (size_t)(g->in_c / g->groups) * (size_t)g->kernel_h * (size_t)g->kernel_w;
    snprintf(f->shape, sizeof f->shape, "%s %dx%d s%d%s %d->%d %dx%d", kind, g->kernel_h, g->kernel_w, g->stride_w, g->groups == 1 ? "" : " grouped",
             g->in_c, g->out_c, g->out_h, g->out_w);
    f->ops = 2.0 * (double)jb_conv_macs(g);
    f->bytes = (double)((weights + (size_t)c->in_h * (size_t)c->in_w * (size_t)g->in_c + (size_t)g->out_h * (size_t)g->out_w * (size_t)g->out_c) * element_bytes);
}

static size_t weight_count(const struct jb_conv_geom *g)
{
    return (size_t)g->out_c * (size_t)(g->in_c / g->groups) * (size_t)g->kernel_h * (size_t)g->kernel_w;
}

// Copies padded values to where the table's own padding ends at the guard page, so that reading further faults.
static const void *padded(struct jb_fixture *f, enum jb_area from, enum jb_area to, int32_t out_c, int32_t block)
{
    size_t raw = jb_round_up((size_t)out_c, 64) * 4, n = jb_round_up((size_t)out_c, (size_t)block) * 4;
    void *p = jb_area_place(f, to, n, 0, 4);
    memcpy(p, jb_area_place(f, from, raw, 0, 4), n);
    return p;
}

// f32

// Tolerance 2 n eps sum|terms|: the bound on two sums of n terms in any order. The sum of magnitudes comes from the reference itself.
static bool f32_tolerance(struct jb_fixture *f)
{
    struct jb_conv_f32 a = f->u.conv_f32.args;
    size_t n_w = weight_count(&a.g), n_in = jb_plane_values(&f->in), terms = n_w / (size_t)a.g.out_c + 2;
    float *w = jb_area_place(f, JB_AREA_ABS_WEIGHTS, n_w * sizeof(float), 0, sizeof(float));
    float *b = jb_area_place(f, JB_AREA_ABS_BIAS, (size_t)a.g.out_c * sizeof(float), 0, sizeof(float));
    struct jb_plane in = jb_area_plane(f, JB_AREA_ABS_IN, f->in.h, f->in.w, f->in.c, f->in.pad, sizeof(float));
    struct jb_plane res = jb_area_plane(f, JB_AREA_ABS_IN2, f->in2.h, f->in2.w, f->in2.c, f->in2.pad, sizeof(float));
    struct jb_plane out = { .h = f->out.h, .w = f->out.w, .c = f->out.c, .row_stride = (ptrdiff_t)f->out.w * f->out.c };
    size_t n_out = (size_t)out.h * (size_t)out.row_stride;
    float *t = out.data = jb_area_place(f, JB_AREA_TOLERANCE, n_out * sizeof(float), 0, sizeof(float));
    if (!w || !b || !in.data || !t || (a.residual && !res.data))
        return false;
    jb_abs_f32(a.weights, w, n_w);
    jb_abs_f32(a.bias, b, (size_t)a.g.out_c);
    jb_abs_f32(jb_plane_start(&f->in, sizeof(float)), jb_plane_start(&in, sizeof(float)), n_in);
    if (a.residual) {
        jb_abs_f32(jb_plane_start(&f->in2, sizeof(float)), jb_plane_start(&res, sizeof(float)), jb_plane_values(&f->in2));
        a.residual = &res;
    }
    a.weights = w;
    a.bias = b;
    a.in = &in;
    a.out = &out;
    a.act = JB_ACT_NONE;
    f->ref.conv_f32(&a);
    for (size_t i = 0; i < n_out; i++)
        t[i] = 2.0f * (float)terms * FLT_EPSILON * t[i] + (float)terms * FLT_MIN;
    f->tolerance = t;
    return true;
}

static bool f32_setup(struct jb_fixture *f, const struct conv_case *c, enum jb_fill how, bool residual, enum jb_act act)
{
    const struct jb_conv_geom *g = &c->g;
    size_t n_w = weight_count(g), n_bias = jb_round_up((size_t)g->out_c, 64);
    float *w = jb_area_place(f, JB_AREA_WEIGHTS, n_w * sizeof(float), 0, sizeof(float));
    float *bias = jb_area_place(f, JB_AREA_RAW_BIAS, n_bias * sizeof(float), 0, sizeof(float));
    f->in = jb_area_plane(f, JB_AREA_IN, c->in_h, c->in_w, g->in_c, c->in_pad, sizeof(float));
    f->in2 = jb_area_plane(f, JB_AREA_IN2, g->out_h, g->out_w, g->out_c, jb_between(f, 0, 1), sizeof(float));
    if (!w || !bias || !f->in.data || !f->in2.data)
        return false;
    jb_fill_f32(f, w, n_w, how == JB_FILL_SPECIAL ? JB_FILL_NORMAL : how);
    jb_fill_f32(f, bias, n_bias, JB_FILL_NORMAL);
    jb_fill_f32(f, jb_plane_start(&f->in, 4), jb_plane_values(&f->in), how);
    fill_halo(&f->in, 4, 0);
    jb_fill_f32(f, jb_plane_start(&f->in2, 4), jb_plane_values(&f->in2), how);
    memset(bias + g->out_c, 0, (n_bias - (size_t)g->out_c) * sizeof(float));
    f->u.conv_f32.args = (struct jb_conv_f32){ *g, w, bias, &f->in, NULL, residual ? &f->in2 : NULL, act };
    f->out = (struct jb_plane){ NULL, g->out_h, g->out_w, g->out_c, c->out_pad, 0 };
    f->element_bytes = sizeof(float);
    describe(f, c, g->groups > 1 && g->groups == g->in_c ? "dwconv" : "conv", sizeof(float));
    return true;
}

static bool f32_check_case(struct jb_fixture *f, size_t i)
{
    struct conv_case c;
    if (!pick_case(f, &c, i))
        return false;
    enum jb_act act = i % 11 == 0 ? (enum jb_act)(i / 11 % 4) : (enum jb_act)(i % 2);
    return f32_setup(f, &c, (enum jb_fill)(i / 2 % JB_FILL_COUNT), i % 3 == 0, act) && f32_tolerance(f);
}

static bool f32_bench_case(struct jb_fixture *f, size_t i)
{
    struct conv_case c;
    if (i >= COUNT(layers))
        return false;
    of_layer(&c, &layers[i]);
    return f32_setup(f, &c, JB_FILL_NORMAL, false, JB_ACT_RELU);
}

static int f32_bind(struct jb_fixture *f, const struct jb_kernels *k)
{
    struct jb_conv_f32 *a = &f->u.conv_f32.args;
    const float *raw = jb_area_place(f, JB_AREA_WEIGHTS, weight_count(&a->g) * sizeof(float), 0, sizeof(float));
    void *packed = jb_area_place(f, JB_AREA_PACKED, k->pack_conv_f32_bytes(&a->g), 0, JB_ALIGN);
    if (!packed)
        return JB_E_NOMEM;
    k->pack_conv_f32(&a->g, raw, packed);
    a->weights = packed;
    a->bias = padded(f, JB_AREA_RAW_BIAS, JB_AREA_BIAS, a->g.out_c, k->block_f32);
    return JB_OK;
}

static void f32_call(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    f->u.conv_f32.args.out = out;
    k->conv_f32(&f->u.conv_f32.args);
}

const struct jb_body jb_conv_f32_body = { "conv_f32", f32_check_case, f32_bench_case, f32_bind, f32_call };

// u8

struct u8_options { enum jb_fill how; bool residual, s4, out_f32, relu_f32; };

static void u8_weights(struct jb_fixture *f, const struct jb_conv_geom *g, const struct u8_options *o, int8_t *w, uint8_t *m)
{
    size_t n = weight_count(g);
    int32_t most = o->s4 ? 7 : o->how == JB_FILL_TIES ? 1 : 127;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = jb_rng_u64(&f->rng);
        w[i] = (int8_t)(o->how == JB_FILL_EXTREME ? ((r >> 20) % 16 ? most : -most) : (int32_t)((r >> 20) % (uint64_t)(2 * most + 1)) - most);
    }
    for (size_t i = 0; o->s4 && i < (size_t)g->out_c * (size_t)jb_s4_groups(g); i++)
        m[i] = (uint8_t)(o->how == JB_FILL_EXTREME ? 15 : jb_between(f, 1, 15));
}

static void u8_scales(struct jb_fixture *f, const struct jb_conv_geom *g, const struct u8_options *o, int32_t *bias, float *mult, size_t n)
{
    size_t k = weight_count(g) / (size_t)g->out_c;
    for (size_t i = 0; i < n; i++) {
        bool real = i < (size_t)g->out_c;
        bias[i] = !real ? 0 : o->how == JB_FILL_TIES ? jb_between(f, -8, 8) : jb_between(f, -20000, 20000);
        mult[i] = !real ? 0.0f : o->how == JB_FILL_TIES ? 0.5f : (float)(0.2 + jb_rng_unit(&f->rng)) / (40.0f * sqrtf((float)k));
        if (real && o->how == JB_FILL_EXTREME && i % 5 == 4)
            mult[i] = 1e30f;
    }
}

static bool u8_setup(struct jb_fixture *f, const struct conv_case *c, const struct u8_options *o)
{
    const struct jb_conv_geom *g = &c->g;
    size_t n_w = weight_count(g), n_bias = jb_round_up((size_t)g->out_c, 64);
    int8_t *w = jb_area_place(f, JB_AREA_WEIGHTS, n_w, 0, 1);
    uint8_t *m = jb_area_place(f, JB_AREA_S4_MULT, (size_t)g->out_c * (size_t)jb_s4_groups(g), 0, 1);
    int32_t *bias = jb_area_place(f, JB_AREA_RAW_BIAS, n_bias * 4, 0, 4);
    float *mult = jb_area_place(f, JB_AREA_RAW_MULT, n_bias * 4, 0, 4);
    f->in = jb_area_plane(f, JB_AREA_IN, c->in_h, c->in_w, g->in_c, c->in_pad, 1);
    f->in2 = jb_area_plane(f, JB_AREA_IN2, g->out_h, g->out_w, g->out_c, jb_between(f, 0, 1), 1);
    if (!w || !m || !bias || !mult || !f->in.data || !f->in2.data)
        return false;
    u8_weights(f, g, o, w, m);
    u8_scales(f, g, o, bias, mult, n_bias);
    jb_fill_u8(f, jb_plane_start(&f->in, 1), jb_plane_values(&f->in), o->how);
    fill_halo(&f->in, 1, !f->check || jb_rng_below(&f->rng, 2) ? 0 : jb_between(f, 1, 255));
    jb_fill_u8(f, jb_plane_start(&f->in2, 1), jb_plane_values(&f->in2), JB_FILL_NORMAL);
    int32_t zero = jb_between(f, 0, 255), lo = o->how == JB_FILL_NORMAL && zero < 250 ? zero : 0;
    f->u.conv_u8.args = (struct jb_conv_u8){
        .g = *g, .weights = w, .weights_are_s4 = o->s4, .bias = bias, .mult = mult, .in = &f->in, .residual = o->residual ? &f->in2 : NULL,
        .residual_zero = jb_between(f, 0, 255), .residual_mult = o->how == JB_FILL_TIES ? 0.25f : (float)jb_rng_unit(&f->rng),
        .out_zero = zero, .lo = lo, .hi = o->how == JB_FILL_NORMAL && lo < 200 ? 240 : 255, .out_f32 = o->out_f32, .relu_f32 = o->relu_f32,
    };
    f->element_bytes = o->out_f32 ? sizeof(float) : 1;
    f->out = (struct jb_plane){ NULL, g->out_h, g->out_w, g->out_c, c->out_pad, 0 };
    describe(f, c, o->s4 ? "conv s4" : g->groups > 1 && g->groups == g->in_c ? "dwconv" : "conv", 1);
    return true;
}

static bool u8_check_case(struct jb_fixture *f, size_t i)
{
    struct conv_case c;
    struct u8_options o = { (enum jb_fill)(i / 2 % 3), i % 3 == 0, i % 5 < 2, i % 7 == 0, i % 2 == 0 };
    return pick_case(f, &c, i) && u8_setup(f, &c, &o);
}

static bool u8_bench_case(struct jb_fixture *f, size_t i)
{
    struct conv_case c;
    struct u8_options o = { .how = JB_FILL_NORMAL, .s4 = i >= COUNT(layers) };
    if (i >= 2 * COUNT(layers))
        return false;
    of_layer(&c, &layers[i % COUNT(layers)]);
    return u8_setup(f, &c, &o);
}

static int u8_bind(struct jb_fixture *f, const struct jb_kernels *k)
{
    struct jb_conv_u8 *a = &f->u.conv_u8.args;
    const int8_t *raw = jb_area_place(f, JB_AREA_WEIGHTS, weight_count(&a->g), 0, 1);
    const uint8_t *m = jb_area_place(f, JB_AREA_S4_MULT, (size_t)a->g.out_c * (size_t)jb_s4_groups(&a->g), 0, 1);
    size_t bytes = a->weights_are_s4 ? k->pack_conv_s4_bytes(&a->g) : k->pack_conv_s8_bytes(&a->g);
    void *packed = jb_area_place(f, JB_AREA_PACKED, bytes, 0, JB_ALIGN);
    a->scratch = a->weights_are_s4 ? jb_area_place(f, JB_AREA_SCRATCH, k->conv_s4_scratch_bytes(&a->g), 0, JB_ALIGN) : NULL;
    if (!packed || (a->weights_are_s4 && !a->scratch))
        return JB_E_NOMEM;
    if (a->weights_are_s4)
        k->pack_conv_s4(&a->g, raw, m, packed);
    else
        k->pack_conv_s8(&a->g, raw, packed);
    a->weights = packed;
    a->bias = padded(f, JB_AREA_RAW_BIAS, JB_AREA_BIAS, a->g.out_c, k->block_u8);
    a->mult = padded(f, JB_AREA_RAW_MULT, JB_AREA_MULT, a->g.out_c, k->block_u8);
    return JB_OK;
}

static void u8_call(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out)
{
    f->u.conv_u8.args.out = out;
    k->conv_u8(&f->u.conv_u8.args);
}

const struct jb_body jb_conv_u8_body = { "conv_u8", u8_check_case, u8_bench_case, u8_bind, u8_call };
