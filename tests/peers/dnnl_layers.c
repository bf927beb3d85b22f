// Layer by layer beside oneDNN (Debian's libdnnl-dev, 2.6 API): same shapes, same weights, answers compared, then timed in turns in one
// process. Built and run as docs/kernels.md says; no part of the product.
//   OMP_NUM_THREADS=1 taskset -c 0 build/peers/dnnl_layers [seconds a layer] [tier]
// Like with like: DNNL_MAX_CPU_ISA=AVX512_CORE_VNNI where the CPU has AMX; DNNL_MAX_CPU_ISA=AVX2 and tier avx2.
#include <oneapi/dnnl/dnnl.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/kernels.h"

#define DO(call) \
    do { \
        dnnl_status_t status_ = (call); \
        if (status_ != dnnl_success) { \
            fprintf(stderr, "dnnl_layers: %s: oneDNN status %d\n", #call, (int)status_); \
            exit(4); \
        } \
    } while (0)

struct layer { int in, in_c, k, stride, pad, out_c; };
static const struct layer layers[] = {
    { 28, 1, 5, 2, 2, 16 },   { 28, 1, 5, 2, 2, 32 },  { 14, 16, 3, 1, 1, 16 }, { 14, 16, 3, 1, 1, 32 }, { 14, 32, 3, 1, 1, 32 },
    { 14, 16, 3, 2, 1, 32 },  { 14, 32, 3, 2, 1, 32 }, { 14, 32, 3, 2, 1, 64 }, { 7, 32, 3, 1, 1, 32 },  { 7, 48, 3, 1, 1, 48 },
    { 7, 64, 3, 1, 1, 64 },   { 7, 64, 3, 1, 1, 96 },  { 7, 96, 3, 1, 1, 96 },  { 7, 128, 3, 1, 1, 128 }, { 7, 64, 3, 2, 1, 48 },
    { 14, 16, 1, 1, 0, 32 },  { 7, 64, 1, 1, 0, 64 },  { 7, 64, 1, 1, 0, 128 }, { 7, 128, 1, 1, 0, 128 }, { 1, 1568, 1, 1, 0, 64 },
    { 1, 768, 1, 1, 0, 64 },  { 1, 288, 1, 1, 0, 64 }, { 1, 576, 1, 1, 0, 128 }, { 1, 128, 1, 1, 0, 10 },
};

struct problem {
    struct layer l;
    int out;
    bool u8;
    uint8_t *x_u8, *y_u8; // (in, in, in_c), (out, out, out_c): dense NHWC
    int8_t *w_s8;         // OHWI
    int32_t *bias_s32;
    float *x_f32, *w_f32, *bias_f32, *mult, *y_f32;
};

static void *room(size_t n)
{
    void *p = aligned_alloc(JB_ALIGN, (n + JB_PLANE_SLACK + JB_ALIGN - 1) / JB_ALIGN * JB_ALIGN);
    if (!p)
        exit(4);
    memset(p, 0, n + JB_PLANE_SLACK);
    return p;
}

static void fill(struct problem *p, struct jb_rng *rng)
{
    size_t n_x = (size_t)(p->l.in * p->l.in * p->l.in_c), k = (size_t)(p->l.k * p->l.k * p->l.in_c), n_w = k * (size_t)p->l.out_c;
    size_t n_y = (size_t)(p->out * p->out * p->l.out_c), n_o = (size_t)((p->l.out_c + 63) / 64 * 64);
    p->x_u8 = room(n_x), p->y_u8 = room(n_y), p->w_s8 = room(n_w), p->bias_s32 = room(n_o * 4);
    p->x_f32 = room(n_x * 4), p->w_f32 = room(n_w * 4), p->bias_f32 = room(n_o * 4), p->mult = room(n_o * 4), p->y_f32 = room(n_y * 4);
    for (size_t i = 0; i < n_x; i++)
        p->x_f32[i] = p->x_u8[i] = (uint8_t)jb_rng_below(rng, 256);
    for (size_t i = 0; i < n_w; i++)
        p->w_f32[i] = p->w_s8[i] = (int8_t)((int)jb_rng_below(rng, 255) - 127);
    for (int o = 0; o < p->l.out_c; o++) {
        p->bias_f32[o] = (float)(p->bias_s32[o] = (int32_t)jb_rng_below(rng, 20001) - 10000);
        p->mult[o] = 1.0f / (60.0f * sqrtf((float)k));
    }
}

// Ours

struct ours { struct jb_kernels k; struct jb_plane in, out; struct jb_conv_u8 u8; struct jb_conv_f32 f32; };

static void ours_open(struct ours *u, const struct problem *p, uint32_t mask)
{
    const struct layer *l = &p->l;
    struct jb_conv_geom g = { l->in_c, l->out_c, l->k, l->k, l->stride, l->stride, l->pad, l->pad, 1, p->out, p->out };
    size_t size = p->u8 ? 1 : 4;
    ptrdiff_t row = (ptrdiff_t)(l->in + 2 * l->pad) * l->in_c, n = (ptrdiff_t)l->in * l->in_c;
    char *in = room((size_t)(row * (l->in + 2 * l->pad)) * size);
    jb_kernels_init(&u->k, mask);
    u->in = (struct jb_plane){ in + (l->pad * row + l->pad * l->in_c) * (ptrdiff_t)size, l->in, l->in, l->in_c, l->pad, row };
    u->out = (struct jb_plane){ p->u8 ? (void *)p->y_u8 : p->y_f32, p->out, p->out, l->out_c, 0, (ptrdiff_t)p->out * l->out_c };
    for (int y = 0; y < l->in; y++)
        memcpy((char *)u->in.data + y * row * (ptrdiff_t)size, (p->u8 ? (char *)p->x_u8 : (char *)p->x_f32) + y * n * (ptrdiff_t)size, (size_t)n * size);
    void *w = room(p->u8 ? u->k.pack_conv_s8_bytes(&g) : u->k.pack_conv_f32_bytes(&g));
    if (p->u8)
        u->k.pack_conv_s8(&g, p->w_s8, w);
    else
        u->k.pack_conv_f32(&g, p->w_f32, w);
    u->u8 = (struct jb_conv_u8){ .g = g, .weights = w, .bias = p->bias_s32, .mult = p->mult, .in = &u->in, .out = &u->out, .lo = 0, .hi = 255 };
    u->f32 = (struct jb_conv_f32){ g, w, p->bias_f32, &u->in, &u->out, NULL, JB_ACT_RELU };
}

static void ours_run(struct ours *u, bool u8)
{
    if (u8)
        u->k.conv_u8(&u->u8);
    else
        u->k.conv_f32(&u->f32);
}

// Theirs: formats of its own choice for everything, reorders are not timed.

struct theirs {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[4];
    dnnl_memory_t dst;
    const char *name;
};

static dnnl_memory_t memory(struct theirs *t, const dnnl_memory_desc_t *d)
{
    dnnl_memory_t m;
    DO(dnnl_memory_create(&m, d, t->engine, DNNL_MEMORY_ALLOCATE));
    return m;
}

static void reorder(struct theirs *t, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *a, *b;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t r;
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    DO(dnnl_memory_get_memory_desc(from, &a));
    DO(dnnl_memory_get_memory_desc(to, &b));
    DO(dnnl_reorder_primitive_desc_create(&pd, a, t->engine, b, t->engine, NULL));
    DO(dnnl_primitive_create(&r, pd));
    DO(dnnl_primitive_execute(r, t->stream, 2, args));
    DO(dnnl_stream_wait(t->stream));
    DO(dnnl_primitive_destroy(r));
    DO(dnnl_primitive_desc_destroy(pd));
}

// A memory that the primitive likes, filled from dense values with these strides.
static dnnl_memory_t liked(struct theirs *t, const dnnl_primitive_desc_t pd, dnnl_query_t what, int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
                           const dnnl_dims_t strides, void *values)
{
    dnnl_memory_desc_t plain;
    dnnl_memory_t from, to = memory(t, dnnl_primitive_desc_query_md(pd, what, 0));
    DO(dnnl_memory_desc_init_by_strides(&plain, ndims, dims, type, strides));
    DO(dnnl_memory_create(&from, &plain, t->engine, values));
    reorder(t, from, to);
    DO(dnnl_memory_destroy(from));
    return to;
}

static void theirs_open(struct theirs *t, const struct problem *p)
{
    const struct layer *l = &p->l;
    dnnl_dims_t x = { 1, l->in_c, l->in, l->in }, w = { l->out_c, l->in_c, l->k, l->k }, b = { l->out_c }, y = { 1, l->out_c, p->out, p->out };
    dnnl_dims_t x_s = { (dnnl_dim_t)l->in * l->in * l->in_c, 1, (dnnl_dim_t)l->in * l->in_c, l->in_c };
    dnnl_dims_t w_s = { (dnnl_dim_t)l->k * l->k * l->in_c, 1, (dnnl_dim_t)l->k * l->in_c, l->in_c };
    dnnl_dims_t stride = { l->stride, l->stride }, pad = { l->pad, l->pad };
    dnnl_data_type_t act = p->u8 ? dnnl_u8 : dnnl_f32, wt = p->u8 ? dnnl_s8 : dnnl_f32, bt = p->u8 ? dnnl_s32 : dnnl_f32;
    int nd = l->in == 1 ? 2 : 4; // one pixel: an inner product
    dnnl_memory_desc_t xd, wd, bd, yd;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t post;
    dnnl_primitive_desc_t pd;
    DO(dnnl_engine_create(&t->engine, dnnl_cpu, 0));
    DO(dnnl_stream_create(&t->stream, t->engine, dnnl_stream_default_flags));
    DO(dnnl_memory_desc_init_by_tag(&xd, nd, x, act, dnnl_format_tag_any));
    DO(dnnl_memory_desc_init_by_tag(&wd, nd, w, wt, dnnl_format_tag_any));
    DO(dnnl_memory_desc_init_by_tag(&bd, 1, b, bt, dnnl_format_tag_any));
    DO(dnnl_memory_desc_init_by_tag(&yd, nd, y, act, dnnl_format_tag_any));
    DO(dnnl_primitive_attr_create(&attr));
    DO(dnnl_post_ops_create(&post));
    DO(dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f));
    DO(dnnl_primitive_attr_set_post_ops(attr, post));
    if (p->u8)
        DO(dnnl_primitive_attr_set_output_scales(attr, l->out_c, 1 << 1, p->mult));
    if (nd == 2) {
        dnnl_inner_product_desc_t d;
        DO(dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &xd, &wd, &bd, &yd));
        DO(dnnl_primitive_desc_create(&pd, &d, attr, t->engine, NULL));
    } else {
        dnnl_convolution_desc_t d;
        DO(dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, &xd, &wd, &bd, &yd, stride, pad, pad));
        DO(dnnl_primitive_desc_create(&pd, &d, attr, t->engine, NULL));
    }
    DO(dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &t->name));
    t->name = strdup(t->name);
    t->dst = memory(t, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
    t->args[0] = (dnnl_exec_arg_t){ DNNL_ARG_SRC, liked(t, pd, dnnl_query_src_md, nd, x, act, x_s, p->u8 ? (void *)p->x_u8 : p->x_f32) };
    t->args[1] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, liked(t, pd, dnnl_query_weights_md, nd, w, wt, w_s, p->u8 ? (void *)p->w_s8 : p->w_f32) };
    t->args[2] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS, NULL };
    const dnnl_memory_desc_t *bias_md = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1);
    DO(dnnl_memory_create(&t->args[2].memory, bias_md, t->engine, p->u8 ? (void *)p->bias_s32 : p->bias_f32));
    t->args[3] = (dnnl_exec_arg_t){ DNNL_ARG_DST, t->dst };
    DO(dnnl_primitive_create(&t->primitive, pd));
    DO(dnnl_primitive_desc_destroy(pd));
    DO(dnnl_primitive_attr_destroy(attr));
    DO(dnnl_post_ops_destroy(post));
}

static void theirs_run(struct theirs *t)
{
    DO(dnnl_primitive_execute(t->primitive, t->stream, 4, t->args));
}

// Values that differ by more than one step (u8) or 1e-5 of the largest (f32); *one_off counts u8 values that differ by one.
static size_t differences(struct theirs *t, const struct problem *p, size_t *one_off)
{
    const struct layer *l = &p->l;
    size_t n = (size_t)(p->out * p->out * l->out_c), wrong = 0;
    dnnl_dims_t y = { 1, l->out_c, p->out, p->out };
    dnnl_dims_t y_s = { (dnnl_dim_t)n, 1, (dnnl_dim_t)p->out * l->out_c, l->out_c };
    void *values = room(n * 4);
    dnnl_memory_desc_t plain;
    dnnl_memory_t m;
    float most = 0;
    DO(dnnl_memory_desc_init_by_strides(&plain, l->in == 1 ? 2 : 4, y, p->u8 ? dnnl_u8 : dnnl_f32, y_s));
    DO(dnnl_memory_create(&m, &plain, t->engine, values));
    reorder(t, t->dst, m);
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(p->y_f32[i]));
    *one_off = 0;
    for (size_t i = 0; i < n; i++) {
        int d = p->u8 ? abs(p->y_u8[i] - ((uint8_t *)values)[i]) : 0;
        *one_off += d == 1;
        wrong += p->u8 ? d > 1 : fabsf(p->y_f32[i] - ((float *)values)[i]) > 1e-5f * most;
    }
    DO(dnnl_memory_destroy(m));
    free(values);
    return wrong;
}

static double seconds_of(const struct jb_clock *c, struct ours *u, struct theirs *t, bool u8, int n)
{
    uint64_t start = c->now_ns(c->self);
    for (int i = 0; i < n; i++)
        if (u)
            ours_run(u, u8);
        else
            theirs_run(t);
    return (double)(c->now_ns(c->self) - start) * 1e-9 / n;
}

static int compare_layer(const struct layer *l, bool u8, double seconds, uint32_t mask, double *ratio)
{
    struct problem p = { .l = *l, .out = (l->in + 2 * l->pad - l->k) / l->stride + 1, .u8 = u8 };
    struct jb_clock c = jb_clock_monotonic();
    struct jb_rng rng;
    struct ours u;
    struct theirs t;
    double best_u = 1, best_t = 1;
    size_t one_off;
    jb_rng_seed(&rng, 1);
    fill(&p, &rng);
    ours_open(&u, &p, mask);
    theirs_open(&t, &p);
    ours_run(&u, u8);
    theirs_run(&t);
    DO(dnnl_stream_wait(t.stream));
    size_t wrong = differences(&t, &p, &one_off);
    for (uint64_t end = c.now_ns(c.self) + (uint64_t)(seconds * 1e9); c.now_ns(c.self) < end;) { // in turns; the least of many batches
        best_u = fmin(best_u, seconds_of(&c, &u, NULL, u8, 20));
        best_t = fmin(best_t, seconds_of(&c, NULL, &t, u8, 20));
    }
    *ratio = best_u / best_t;
    printf("%-4s %dx%d s%d %3d->%-3d %2dx%-2d  ours %8.2f us  oneDNN %8.2f us  ours/oneDNN %5.2f  differ: %zu by one, %zu wrong  (%s)\n", u8 ? "int8" : "f32",
           l->k, l->k, l->stride, l->in_c, l->out_c, p.out, p.out, best_u * 1e6, best_t * 1e6, *ratio, one_off, wrong, t.name);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    const char *threads = getenv("OMP_NUM_THREADS");
    double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    uint32_t mask = jb_cpu_detect();
    struct jb_err err;
    int failed = 0;
    if (argc > 2 && jb_cpu_tier_mask(argv[2], mask, &mask, &err) != JB_OK) {
        fprintf(stderr, "dnnl_layers: %s\n", err.detail);
        return 1;
    }
    if (!threads || strcmp(threads, "1") != 0) {
        fprintf(stderr, "dnnl_layers: set OMP_NUM_THREADS=1: this compares single threads\n");
        return 1;
    }
    for (int u8 = 1; u8 >= 0; u8--) {
        double worst = 0, log_sum = 0, ratio;
        size_t n = sizeof layers / sizeof layers[0];
        for (size_t i = 0; i < n; i++) {
            failed |= compare_layer(&layers[i], u8, seconds, mask, &ratio);
            worst = fmax(worst, ratio);
            log_sum += log(ratio);
        }
        printf("%s: ours/oneDNN geometric mean %.2f, worst %.2f\n", u8 ? "int8" : "f32", exp(log_sum / (double)n), worst);
    }
    return failed ? 3 : 0;
}
