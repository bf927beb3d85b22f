// The peer: a jbcnn network run to its full depth by oneDNN 2.x, one image at a time. Built by `make peers` (Debian: libdnnl-dev); never part of joulebench itself.
//   dnnl_net MODEL f32|int8 predict IMAGES.idx.gz     a prediction a line
//   dnnl_net MODEL f32|int8 time IMAGES.idx.gz SECONDS  median nanoseconds a query (input conversion not counted)
// int8: u8 (values that are never negative) or s8 activations without zero points, per-output-channel s8 weights, residual and ReLU as fused post-ops,
// every layout left to oneDNN: its usual fast path.
#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/fs.h"
#include "base/stats.h"
#include "runtime/gguf.h"

#define MAX_VALUES 256
#define MAX_STEPS 256

#define CHECK(call)                                                                                \
    do {                                                                                           \
        dnnl_status_t status_ = (call);                                                            \
        if (status_ != dnnl_success) { fprintf(stderr, "%s:%d: oneDNN status %d\n", __FILE__, __LINE__, (int)status_); exit(1); } \
    } while (0)

struct value { char name[64]; int h, w, c; float scale; bool is_signed; dnnl_memory_t mem; };
struct step { dnnl_primitive_t primitive; dnnl_exec_arg_t args[5]; int n_args; };
struct net {
    struct jb_gguf *g;
    bool int8;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct value values[MAX_VALUES]; int n_values;
    struct step steps[MAX_STEPS]; int n_steps;
    dnnl_memory_t input;
    float mean, std;
};
struct op { char out[64], kind[16], in[2][64], w[64], act[16]; int k[2], s[2], p[2], g; };

static void die(const char *what, const char *detail) { fprintf(stderr, "dnnl_net: %s: %s\n", what, detail); exit(1); }

static void parse_pair(const char *text, int out[2])
{
    out[0] = out[1] = atoi(text);
    const char *x = strchr(text, 'x');
    if (x) out[1] = atoi(x + 1);
}

static void parse_op(struct op *o, const char *line)
{
    char text[1024], *save = NULL;
    snprintf(text, sizeof text, "%s", line);
    *o = (struct op){.s = {1, 1}, .g = 1, .act = "none"};
    int n_in = 0, i = 0;
    for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save), i++) {
        if (i == 0) snprintf(o->out, sizeof o->out, "%s", t);
        else if (i == 2) snprintf(o->kind, sizeof o->kind, "%s", t);
        else if (i > 2 && !strchr(t, '=') && n_in < 2) snprintf(o->in[n_in++], sizeof o->in[0], "%s", t);
        else if (!strncmp(t, "w=", 2)) snprintf(o->w, sizeof o->w, "%s", t + 2);
        else if (!strncmp(t, "act=", 4)) snprintf(o->act, sizeof o->act, "%s", t + 4);
        else if (!strncmp(t, "k=", 2)) parse_pair(t + 2, o->k);
        else if (!strncmp(t, "s=", 2)) parse_pair(t + 2, o->s);
        else if (!strncmp(t, "p=", 2)) parse_pair(t + 2, o->p);
        else if (!strncmp(t, "g=", 2)) o->g = atoi(t + 2);
    }
}

static struct value *find(struct net *n, const char *name)
{
    for (int i = 0; i < n->n_values; i++) if (!strcmp(n->values[i].name, name)) return &n->values[i];
    die("unknown value", name);
    return NULL;
}

static void range_of(struct net *n, const char *name, float *scale, bool *is_signed)
{
    size_t count = 0;
    enum jb_gguf_type type;
    jb_gguf_array(n->g, "jb.range.names", &type, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        const char *s; size_t len; double lo, hi;
        jb_gguf_array_str(n->g, "jb.range.names", i, &s, &len, NULL);
        if (strcmp(s, name)) continue;
        jb_gguf_array_f64(n->g, "jb.range.min", i, &lo, NULL);
        jb_gguf_array_f64(n->g, "jb.range.max", i, &hi, NULL);
        *is_signed = lo < 0;
        *scale = (float)(lo < 0 ? fmax(-lo, hi) / 127 : hi / 255);
        if (*scale == 0) *scale = 1;
        return;
    }
    *is_signed = true;
    *scale = 0; // none: real result
}

static dnnl_data_type_t type_of(const struct net *n, const struct value *v)
{
    if (!n->int8 || v->scale == 0) return dnnl_f32;
    return v->is_signed ? dnnl_s8 : dnnl_u8;
}

static dnnl_memory_t memory(struct net *n, const dnnl_memory_desc_t *md)
{
    dnnl_memory_t m;
    CHECK(dnnl_memory_create(&m, md, n->engine, DNNL_MEMORY_ALLOCATE));
    return m;
}

static const dnnl_memory_desc_t *desc_of(dnnl_memory_t m)
{
    const dnnl_memory_desc_t *md;
    CHECK(dnnl_memory_get_memory_desc(m, &md));
    return md;
}

static void add_step(struct net *n, dnnl_primitive_t p, const dnnl_exec_arg_t *args, int n_args)
{
    struct step *s = &n->steps[n->n_steps++];
    s->primitive = p;
    s->n_args = n_args;
    memcpy(s->args, args, (size_t)n_args * sizeof *args);
}

// The same values in a memory of their own: a fused sum writes where the residual stands, which must not be what the convolution still reads.
static dnnl_memory_t copied(struct net *n, dnnl_memory_t m)
{
    dnnl_memory_t to = memory(n, desc_of(m));
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    CHECK(dnnl_reorder_primitive_desc_create(&pd, desc_of(m), n->engine, desc_of(to), n->engine, NULL));
    CHECK(dnnl_primitive_create(&p, pd));
    add_step(n, p, (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, to}}, 2);
    return to;
}

// A memory in the wanted layout: the same one, or behind a reorder that runs in every query (activations) or once (weights).
static dnnl_memory_t in_layout(struct net *n, dnnl_memory_t m, const dnnl_memory_desc_t *want, bool once)
{
    if (dnnl_memory_desc_equal(desc_of(m), want)) return m;
    dnnl_memory_t to = memory(n, want);
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    CHECK(dnnl_reorder_primitive_desc_create(&pd, desc_of(m), n->engine, want, n->engine, NULL));
    CHECK(dnnl_primitive_create(&p, pd));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, to}};
    if (once) { CHECK(dnnl_primitive_execute(p, n->stream, 2, args)); CHECK(dnnl_stream_wait(n->stream)); }
    else add_step(n, p, args, 2);
    return to;
}

// Weights OHWI -> the primitive's own layout; int8: quantized per output channel, scales[o] = s_w.
static dnnl_memory_t weights(struct net *n, const float *w, int o, int i, int kh, int kw, bool flat, const dnnl_memory_desc_t *want, float *scales)
{
    size_t per = (size_t)i * (size_t)kh * (size_t)kw, total = (size_t)o * per;
    dnnl_dims_t dims = {o, i, kh, kw};
    dnnl_memory_desc_t md;
    CHECK(dnnl_memory_desc_init_by_tag(&md, flat ? 2 : 4, dims, n->int8 ? dnnl_s8 : dnnl_f32, flat ? dnnl_ab : dnnl_ohwi));
    dnnl_memory_t m = memory(n, &md);
    void *data;
    CHECK(dnnl_memory_get_data_handle(m, &data));
    if (!n->int8) memcpy(data, w, total * sizeof *w);
    else for (int c = 0; c < o; c++) {
        float most = 0;
        for (size_t j = 0; j < per; j++) most = fmaxf(most, fabsf(w[(size_t)c * per + j]));
        scales[c] = most > 0 ? most / 127 : 1;
        for (size_t j = 0; j < per; j++) ((int8_t *)data)[(size_t)c * per + j] = (int8_t)rintf(w[(size_t)c * per + j] / scales[c]);
    }
    return in_layout(n, m, want, true);
}

static dnnl_memory_t biases(struct net *n, const float *b, int o, const float *acc_scale)
{
    dnnl_dims_t dims = {o};
    dnnl_memory_desc_t md;
    CHECK(dnnl_memory_desc_init_by_tag(&md, 1, dims, n->int8 ? dnnl_s32 : dnnl_f32, dnnl_a));
    dnnl_memory_t m = memory(n, &md);
    void *data;
    CHECK(dnnl_memory_get_data_handle(m, &data));
    for (int c = 0; c < o; c++) {
        if (n->int8) ((int32_t *)data)[c] = (int32_t)rintf(b[c] / acc_scale[c]);
        else ((float *)data)[c] = b[c];
    }
    return m;
}

static const float *tensor(struct net *n, const char *name, const char *suffix)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    const struct jb_gguf_tensor *t = jb_gguf_tensor(n->g, full);
    if (!t || t->type != JB_GGML_F32) die("no F32 tensor", full);
    return t->data;
}

// conv, or fc as the inner product over the plane; with `sum` the result is added to what stands in that memory.
static void add_weighted(struct net *n, const struct op *o, struct value *in, struct value *out, struct value *sum, const char *act)
{
    const float *w = tensor(n, o->w, "weight"), *b = tensor(n, o->w, "bias");
    bool fc = !strcmp(o->kind, "fc"), flat = desc_of(in->mem)->ndims == 2; // behind another fc
    int kh = fc ? in->h : o->k[0], kw = fc ? in->w : o->k[1];
    char wname[128];
    snprintf(wname, sizeof wname, "%s.bias", o->w);
    int oc = (int)jb_gguf_tensor(n->g, wname)->dims[0];
    out->c = oc;
    out->h = fc ? 1 : (in->h + 2 * o->p[0] - kh) / o->s[0] + 1;
    out->w = fc ? 1 : (in->w + 2 * o->p[1] - kw) / o->s[1] + 1;
    float *sw = calloc((size_t)oc, sizeof *sw), *acc = calloc((size_t)oc, sizeof *acc), *mult = calloc((size_t)oc, sizeof *mult);
    dnnl_dims_t sd = {1, in->c, in->h, in->w}, wd = {oc, in->c, kh, kw}, bd = {oc}, dd = {1, oc, out->h, out->w}, dd2 = {1, oc};
    dnnl_memory_desc_t smd, wmd, bmd, dmd;
    CHECK(dnnl_memory_desc_init_by_tag(&smd, flat ? 2 : 4, sd, type_of(n, in), dnnl_format_tag_any));
    CHECK(dnnl_memory_desc_init_by_tag(&wmd, flat ? 2 : 4, wd, n->int8 ? dnnl_s8 : dnnl_f32, dnnl_format_tag_any));
    CHECK(dnnl_memory_desc_init_by_tag(&bmd, 1, bd, n->int8 ? dnnl_s32 : dnnl_f32, dnnl_a));
    CHECK(dnnl_memory_desc_init_by_tag(&dmd, fc ? 2 : 4, fc ? dd2 : dd, type_of(n, out), fc ? dnnl_ab : dnnl_format_tag_any));
    for (int c = 0; n->int8 && c < oc; c++) {
        float most = 0;
        size_t per = (size_t)in->c * (size_t)kh * (size_t)kw;
        for (size_t j = 0; j < per; j++) most = fmaxf(most, fabsf(w[(size_t)c * per + j]));
        acc[c] = (most > 0 ? most / 127 : 1) * in->scale;
        mult[c] = out->scale > 0 ? acc[c] / out->scale : acc[c];
    }
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t post;
    CHECK(dnnl_primitive_attr_create(&attr));
    CHECK(dnnl_post_ops_create(&post));
    if (n->int8) CHECK(dnnl_primitive_attr_set_output_scales(attr, oc, 2, mult));
    if (sum) CHECK(dnnl_post_ops_append_sum_v2(post, n->int8 ? sum->scale / out->scale : 1.0f, type_of(n, sum)));
    if (!strcmp(act, "relu")) CHECK(dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0, 0));
    CHECK(dnnl_primitive_attr_set_post_ops(attr, post));
    dnnl_primitive_desc_t pd;
    if (fc) {
        dnnl_inner_product_desc_t d;
        CHECK(dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &smd, &wmd, &bmd, &dmd));
        CHECK(dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL));
    } else {
        dnnl_convolution_desc_t d;
        dnnl_dims_t s = {o->s[0], o->s[1]}, p = {o->p[0], o->p[1]};
        CHECK(dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, &smd, &wmd, &bmd, &dmd, s, p, p));
        CHECK(dnnl_primitive_desc_create(&pd, &d, attr, n->engine, NULL));
    }
    dnnl_memory_t src = in_layout(n, in->mem, dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0), false);
    dnnl_memory_t wm = weights(n, w, oc, in->c, kh, kw, flat, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), sw);
    dnnl_memory_t bm = biases(n, b, oc, acc);
    const dnnl_memory_desc_t *want = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    if (sum) {
        // The result goes where the residual stands: layouts must agree, only the type's sign may differ.
        dnnl_memory_t residual = sum->mem == src || sum->mem == in->mem ? copied(n, sum->mem) : sum->mem;
        dnnl_memory_desc_t as = *desc_of(residual);
        as.data_type = want->data_type;
        if (!dnnl_memory_desc_equal(&as, want)) die("residual layout differs", out->name);
        void *data;
        CHECK(dnnl_memory_get_data_handle(residual, &data));
        CHECK(dnnl_memory_create(&out->mem, want, n->engine, data));
    } else out->mem = memory(n, want);
    dnnl_primitive_t prim;
    CHECK(dnnl_primitive_create(&prim, pd));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, src}, {DNNL_ARG_WEIGHTS, wm}, {DNNL_ARG_BIAS, bm}, {DNNL_ARG_DST, out->mem}};
    add_step(n, prim, args, 4);
    free(sw), free(acc), free(mult);
}

static void add_pool(struct net *n, const struct op *o, struct value *in, struct value *out)
{
    bool gap = !strcmp(o->kind, "gap"), most = !strcmp(o->kind, "maxpool");
    int kh = gap ? in->h : o->k[0], kw = gap ? in->w : o->k[1];
    out->c = in->c, out->h = (in->h + 2 * o->p[0] - kh) / o->s[0] + 1, out->w = (in->w + 2 * o->p[1] - kw) / o->s[1] + 1;
    out->scale = in->scale, out->is_signed = in->is_signed; // a mean of such values fits their range
    dnnl_dims_t dd = {1, out->c, out->h, out->w}, k = {kh, kw}, s = {o->s[0], o->s[1]}, p = {o->p[0], o->p[1]}, no = {0, 0};
    dnnl_memory_desc_t dmd;
    CHECK(dnnl_memory_desc_init_by_tag(&dmd, 4, dd, type_of(n, out), dnnl_format_tag_any));
    dnnl_pooling_v2_desc_t d;
    CHECK(dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, most ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding, desc_of(in->mem), &dmd, s, k, no, p, p));
    dnnl_primitive_desc_t pd;
    CHECK(dnnl_primitive_desc_create(&pd, &d, NULL, n->engine, NULL));
    out->mem = memory(n, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
    dnnl_primitive_t prim;
    CHECK(dnnl_primitive_create(&prim, pd));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, in->mem}, {DNNL_ARG_DST, out->mem}};
    add_step(n, prim, args, 2);
}

static int collect(struct net *n, struct op *ops)
{
    uint64_t stages = 0;
    int count = 0;
    jb_gguf_u64(n->g, "jb.stages", &stages, NULL);
    for (uint64_t k = 0; k <= stages; k++) { // all stages, then the last head
        char key[64];
        if (k < stages) snprintf(key, sizeof key, "jb.stage.%d.graph", (int)k);
        else snprintf(key, sizeof key, "jb.stage.%d.head", (int)stages - 1);
        enum jb_gguf_type type;
        size_t lines = 0;
        if (jb_gguf_array(n->g, key, &type, &lines, NULL) != 0) die("no graph", key);
        for (size_t i = 0; i < lines && count < MAX_VALUES - 1; i++) {
            const char *s; size_t len;
            jb_gguf_array_str(n->g, key, i, &s, &len, NULL);
            parse_op(&ops[count++], s);
        }
    }
    return count;
}

// An add whose second value is the convolution just before, and whose other value nobody reads afterwards, becomes that convolution's post-op.
static bool fuses(const struct op *ops, int n_ops, int i, int *other)
{
    if (i + 1 >= n_ops || strcmp(ops[i + 1].kind, "add") || strcmp(ops[i].act, "none")) return false;
    int mine = !strcmp(ops[i + 1].in[0], ops[i].out) ? 0 : !strcmp(ops[i + 1].in[1], ops[i].out) ? 1 : -1;
    if (mine < 0) return false;
    *other = 1 - mine;
    for (int j = i + 2; j < n_ops; j++)
        for (int k = 0; k < 2; k++) if (!strcmp(ops[j].in[k], ops[i + 1].in[*other])) return false;
    return true;
}

static void build(struct net *n)
{
    static struct op ops[MAX_VALUES];
    int n_ops = collect(n, ops);
    uint64_t shape[3];
    double mean, std;
    for (size_t i = 0; i < 3; i++) jb_gguf_array_u64(n->g, "jb.input.shape", i, &shape[i], NULL);
    jb_gguf_array_f64(n->g, "jb.input.mean", 0, &mean, NULL);
    jb_gguf_array_f64(n->g, "jb.input.std", 0, &std, NULL);
    n->mean = (float)mean, n->std = (float)std;
    struct value *in = &n->values[n->n_values++];
    *in = (struct value){.name = "input", .h = (int)shape[0], .w = (int)shape[1], .c = (int)shape[2], .is_signed = mean > 0};
    in->scale = mean > 0 ? fmaxf(n->mean, 1 - n->mean) / n->std / 127 : 1 / n->std / 255;
    dnnl_dims_t d = {1, in->c, in->h, in->w};
    dnnl_memory_desc_t md;
    CHECK(dnnl_memory_desc_init_by_tag(&md, 4, d, type_of(n, in), dnnl_nhwc));
    n->input = in->mem = memory(n, &md);
    for (int i = 0; i < n_ops; i++) {
        int other = 0;
        bool weighted = !strcmp(ops[i].kind, "conv") || !strcmp(ops[i].kind, "fc"), fused = weighted && fuses(ops, n_ops, i, &other);
        const struct op *named = fused ? &ops[i + 1] : &ops[i];
        struct value *out = &n->values[n->n_values++];
        snprintf(out->name, sizeof out->name, "%s", named->out);
        range_of(n, out->name, &out->scale, &out->is_signed);
        if (i + fused == n_ops - 1) out->scale = 0; // logits stay real
        struct value *src = find(n, ops[i].in[0]);
        if (weighted) add_weighted(n, &ops[i], src, out, fused ? find(n, ops[i + 1].in[other]) : NULL, named->act);
        else if (strstr(ops[i].kind, "pool") || !strcmp(ops[i].kind, "gap")) add_pool(n, &ops[i], src, out);
        else die("dnnl_net has no rule for", ops[i].kind);
        i += fused;
    }
}

static void set_input(struct net *n, const uint8_t *image, size_t count)
{
    void *data;
    CHECK(dnnl_memory_get_data_handle(n->input, &data));
    for (size_t i = 0; i < count; i++) {
        float x = ((float)image[i] / 255 - n->mean) / n->std;
        if (!n->int8) ((float *)data)[i] = x;
        else if (n->values[0].is_signed) ((int8_t *)data)[i] = (int8_t)rintf(fminf(fmaxf(x / n->values[0].scale, -128), 127));
        else ((uint8_t *)data)[i] = (uint8_t)rintf(x / n->values[0].scale);
    }
}

static void run(struct net *n)
{
    for (int i = 0; i < n->n_steps; i++) CHECK(dnnl_primitive_execute(n->steps[i].primitive, n->stream, n->steps[i].n_args, n->steps[i].args));
    CHECK(dnnl_stream_wait(n->stream));
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 5) { fprintf(stderr, "usage: dnnl_net MODEL f32|int8 predict|time IMAGES.idx.gz [SECONDS]\n"); return 1; }
    static struct net n;
    struct jb_err err;
    uint8_t *idx;
    size_t n_bytes;
    n.int8 = !strcmp(argv[2], "int8");
    if (jb_gguf_open(&n.g, argv[1], &err)) die("model", err.detail);
    if (jb_read_maybe_gzip(argv[4], 1u << 30, &idx, &n_bytes, &err)) die("images", err.detail);
    CHECK(dnnl_engine_create(&n.engine, dnnl_cpu, 0));
    CHECK(dnnl_stream_create(&n.stream, n.engine, dnnl_stream_default_flags));
    build(&n);
    size_t per = (size_t)n.values[0].h * (size_t)n.values[0].w * (size_t)n.values[0].c, count = (n_bytes - 16) / per;
    struct value *logits = &n.values[n.n_values - 1];
    float *z;
    CHECK(dnnl_memory_get_data_handle(logits->mem, (void **)&z));
    if (!strcmp(argv[3], "predict")) {
        for (size_t i = 0; i < count; i++) {
            set_input(&n, idx + 16 + i * per, per);
            run(&n);
            int best = 0;
            for (int c = 1; c < logits->c; c++) if (z[c] > z[best]) best = c;
            printf("%d\n", best);
        }
        return 0;
    }
    double seconds = argc > 5 ? atof(argv[5]) : 1;
    size_t room = 1u << 20, got = 0;
    uint64_t *ns = calloc(room, sizeof *ns), end = now_ns() + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; now_ns() < end && got < room; i++) {
        set_input(&n, idx + 16 + (i % count) * per, per);
        uint64_t t = now_ns();
        run(&n);
        ns[got++] = now_ns() - t;
    }
    jb_sort_u64(ns, got);
    printf("%.1f\n", (double)ns[got / 2]);
    return 0;
}
