#include "tests/runtime/randnet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "runtime/gguf.h"
#include "tests/runtime/oracle.h"

struct value { char name[32]; int h, w, c; };

struct gen {
    struct jb_gguf_writer *w;
    struct jb_rng rng;
    char lines[64][200];
    const char *pointers[64];
    int n_lines, n_names, n_weights;
    bool real_only;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "randnet: %s\n", what);
    abort();
}

static int pick(struct gen *g, int n)
{
    return (int)jb_rng_below(&g->rng, (uint64_t)n);
}

__attribute__((format(printf, 2, 3))) static void line(struct gen *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(g->lines[g->n_lines], sizeof g->lines[0], format, args);
    va_end(args);
    g->pointers[g->n_lines] = g->lines[g->n_lines];
    g->n_lines++;
}

static struct value fresh(struct gen *g, int h, int w, int c)
{
    struct value v = { .h = h, .w = w, .c = c };
    snprintf(v.name, sizeof v.name, "v%d", g->n_names++);
    return v;
}

static uint16_t to_half(float x) // rounds toward zero; normal numbers alone
{
    uint32_t b;
    memcpy(&b, &x, 4);
    int e = (int)(b >> 23 & 255) - 112;
    return (uint16_t)(e <= 0 ? 0 : (b >> 16 & 0x8000) | (uint32_t)e << 10 | (b >> 13 & 1023));
}

// Random tensors; now and then F16, a dead channel, or an outlier.
static void tensors(struct gen *g, const char *name, int out_c, const uint64_t *dims, uint32_t n_dims)
{
    char full[64];
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        n *= dims[i];
    float *x = malloc(n * sizeof *x), *bias = malloc((size_t)out_c * sizeof *bias);
    size_t per = n / (size_t)out_c;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(jb_rng_normal(&g->rng) / sqrt((double)per));
    for (int o = 0; o < out_c; o++)
        bias[o] = (float)(jb_rng_normal(&g->rng) * 0.2);
    if (pick(g, 4) == 0)
        memset(x + (size_t)pick(g, out_c) * per, 0, per * sizeof *x);
    if (pick(g, 4) == 0)
        for (size_t i = 0, o = (size_t)pick(g, out_c); i < per; i++)
            x[o * per + i] *= 1e-12f;
    if (pick(g, 4) == 0)
        x[pick(g, (int)n)] *= 6.0f;
    snprintf(full, sizeof full, "%s.weight", name);
    if (pick(g, 3) == 0) {
        uint16_t *h = malloc(n * sizeof *h);
        for (size_t i = 0; i < n; i++)
            h[i] = to_half(x[i]);
        must(!jb_gguf_put_tensor(g->w, full, JB_GGML_F16, dims, n_dims, h, n * 2), full);
        free(h);
    } else {
        must(!jb_gguf_put_tensor(g->w, full, JB_GGML_F32, dims, n_dims, x, n * 4), full);
    }
    uint64_t channels = (uint64_t)out_c;
    snprintf(full, sizeof full, "%s.bias", name);
    must(!jb_gguf_put_tensor(g->w, full, JB_GGML_F32, &channels, 1, bias, (size_t)out_c * 4), full);
    free(x);
    free(bias);
}

static const char *random_act(struct gen *g)
{
    static const char *const acts[] = { "", " act=relu", " act=none", " act=relu6", " act=hswish" };
    return acts[pick(g, g->real_only ? 5 : 4)];
}

// conv with these numbers; the groups are made to fit.
static struct value conv(struct gen *g, struct value in, int out_c, int kh, int kw, int s, int ph, int pw, const char *act)
{
    int choice = pick(g, 6), groups = choice == 0 ? in.c : choice == 1 && in.c % 2 == 0 && out_c % 2 == 0 ? 2 : 1;
    char name[24], group_key[24] = "";
    if (groups == in.c && groups > 1 && out_c % in.c)
        groups = 1;
    struct value out = fresh(g, (in.h + 2 * ph - kh) / s + 1, (in.w + 2 * pw - kw) / s + 1, out_c);
    snprintf(name, sizeof name, "w%d", g->n_weights++);
    if (groups > 1)
        snprintf(group_key, sizeof group_key, " g=%d", groups);
    line(g, "%s = conv %s w=%s k=%dx%d s=%d p=%dx%d%s%s", out.name, in.name, name, kh, kw, s, ph, pw, act, group_key);
    uint64_t dims[4] = { (uint64_t)(in.c / groups), (uint64_t)kw, (uint64_t)kh, (uint64_t)out_c };
    tensors(g, name, out_c, dims, 4);
    return out;
}

static struct value same_conv(struct gen *g, struct value in, int out_c, const char *act)
{
    int k = pick(g, 2) ? 3 : 1;
    return conv(g, in, out_c, k, k, 1, k / 2, k / 2, act);
}

static struct value random_conv(struct gen *g, struct value in)
{
    static const int channels[] = { 1, 3, 8, 15, 16, 17, 24, 31, 32, 33 };
    int kh = 1 + pick(g, 3), kw = 1 + pick(g, 3), s = 1 + pick(g, 2), ph = pick(g, kh), pw = pick(g, kw), out_c = pick(g, 4) ? channels[pick(g, 10)] : in.c;
    if (in.h + 2 * ph < kh || in.w + 2 * pw < kw)
        kh = kw = s = 1, ph = pw = 0;
    return conv(g, in, out_c, kh, kw, s, ph, pw, random_act(g));
}

static struct value sum(struct gen *g, struct value a, struct value b, const char *act)
{
    struct value out = fresh(g, a.h, a.w, a.c);
    line(g, "%s = add %s %s%s", out.name, a.name, b.name, act);
    return out;
}

static struct value window(struct gen *g, struct value in, const char *op, int k, int s, int p)
{
    if (in.h + 2 * p < k || in.w + 2 * p < k)
        k = s = 1, p = 0;
    struct value out = fresh(g, (in.h + 2 * p - k) / s + 1, (in.w + 2 * p - k) / s + 1, in.c);
    line(g, "%s = %s %s k=%d s=%d p=%d", out.name, op, in.name, k, s, p);
    return out;
}

static struct value step(struct gen *g, struct value in)
{
    struct value a, b, out;
    const char *relu = pick(g, 2) ? " act=relu" : "";
    switch (pick(g, 9)) {
    case 0: // fused addition, either order
        a = same_conv(g, in, in.c, "");
        return pick(g, 2) ? sum(g, a, in, relu) : sum(g, in, a, pick(g, 3) ? relu : " act=relu6");
    case 1: // not fused: another line between, or an activation
        a = same_conv(g, in, in.c, "");
        b = same_conv(g, in, in.c, " act=relu");
        return sum(g, a, b, relu);
    case 2:
        return window(g, in, "maxpool", 2 + pick(g, 2), 1 + pick(g, 2), pick(g, 2));
    case 3:
        return window(g, in, "avgpool", 2 + pick(g, 2), 1 + pick(g, 2), pick(g, 2));
    case 4:
        out = fresh(g, in.h, in.w, in.c);
        line(g, "%s = act %s act=%s", out.name, in.name, g->real_only ? "hswish" : pick(g, 2) ? "relu" : "none");
        return out;
    case 5:
        a = same_conv(g, in, 1 + pick(g, 9), random_act(g));
        b = window(g, in, "maxpool", 1, 1, 0);
        out = fresh(g, in.h, in.w, a.c + b.c);
        line(g, "%s = concat %s %s", out.name, a.name, b.name);
        return out;
    case 6: // twice the same
        return sum(g, in, in, relu);
    default:
        return random_conv(g, in);
    }
}

static void put_lines(struct gen *g, int stage, const char *what)
{
    char key[64];
    snprintf(key, sizeof key, "jb.stage.%d.%s", stage, what);
    must(!jb_gguf_put_array_str(g->w, key, g->pointers, (size_t)g->n_lines), key);
    g->n_lines = 0;
}

static struct value fc(struct gen *g, struct value in, int out_c, const char *act)
{
    char name[24];
    struct value out = fresh(g, 1, 1, out_c);
    snprintf(name, sizeof name, "w%d", g->n_weights++);
    line(g, "%s = fc %s w=%s%s", out.name, in.name, name, act);
    uint64_t dims[2] = { (uint64_t)(in.h * in.w * in.c), (uint64_t)out_c };
    tensors(g, name, out_c, dims, 2);
    return out;
}

static void head(struct gen *g, struct value in, int classes)
{
    struct value v = in;
    if (pick(g, 3) == 0)
        v = same_conv(g, v, 5, " act=relu");
    if (pick(g, 2)) {
        struct value pooled = fresh(g, 1, 1, v.c);
        line(g, "%s = gap %s", pooled.name, v.name);
        v = pooled;
    }
    if (pick(g, 2))
        v = fc(g, v, 1 + pick(g, 20), " act=relu");
    if (pick(g, 3) == 0)
        conv(g, v, classes, v.h, v.w, 1, 0, 0, "");
    else
        fc(g, v, classes, "");
}

static void facts(struct gen *g, const struct randnet *net)
{
    uint32_t shape[3] = { (uint32_t)net->h, (uint32_t)net->w, (uint32_t)net->c };
    float mean[8], std[8];
    const char *labels[16];
    for (int c = 0; c < net->c; c++) {
        mean[c] = (float)jb_rng_unit(&g->rng);
        std[c] = (float)(0.1 + jb_rng_unit(&g->rng));
    }
    for (int i = 0; i < net->classes; i++)
        labels[i] = "label";
    must(!jb_gguf_put_str(g->w, "general.architecture", "jbcnn") && !jb_gguf_put_u32(g->w, "jb.format", 1) && !jb_gguf_put_str(g->w, "jb.task", "classify") &&
         !jb_gguf_put_array_u32(g->w, "jb.input.shape", shape, 3) && !jb_gguf_put_array_f32(g->w, "jb.input.mean", mean, (size_t)net->c) &&
         !jb_gguf_put_array_f32(g->w, "jb.input.std", std, (size_t)net->c) && !jb_gguf_put_u32(g->w, "jb.stages", (uint32_t)net->stages) &&
         !jb_gguf_put_array_str(g->w, "jb.labels", labels, (size_t)net->classes), "facts");
}

static void ranges(struct gen *g, const struct randnet *net)
{
    struct jb_gguf *file;
    struct oracle o;
    void *data;
    size_t n;
    double logits[16];
    must(!jb_gguf_write_memory(g->w, &data, &n, NULL) && !jb_gguf_open_memory(&file, "randnet", data, n, NULL), "written file");
    oracle_open(&o, file, NULL);
    for (int i = 0; i < 3; i++) {
        unsigned char *image = randnet_image(net, (uint64_t)i);
        oracle_begin(&o, image);
        for (int k = 0; k < net->stages; k++) {
            oracle_stage(&o, k, JB_PREC_F32);
            if (oracle_has_head(&o, k))
                oracle_head(&o, k, JB_PREC_F32, logits);
        }
        free(image);
    }
    const char *names[512];
    float lo[512], hi[512];
    for (int i = 0; i < o.n_seen; i++) {
        names[i] = o.seen[i];
        lo[i] = (float)o.lo[i];
        hi[i] = (float)o.hi[i];
    }
    must(!jb_gguf_put_array_str(g->w, "jb.range.names", names, (size_t)o.n_seen) && !jb_gguf_put_array_f32(g->w, "jb.range.min", lo, (size_t)o.n_seen) &&
         !jb_gguf_put_array_f32(g->w, "jb.range.max", hi, (size_t)o.n_seen), "ranges");
    oracle_close(&o);
    jb_gguf_close(file);
    free(data);
}

void randnet_make(struct randnet *out, uint64_t seed, bool real_only)
{
    struct gen g = { .real_only = real_only };
    char key[64];
    jb_rng_seed_named(&g.rng, seed, "randnet");
    must(!jb_gguf_writer_open(&g.w), "writer");
    *out = (struct randnet){ .h = 4 + pick(&g, 8), .w = 4 + pick(&g, 8), .c = 1 + pick(&g, 3), .stages = 1 + pick(&g, 3), .classes = 2 + pick(&g, 12) };
    facts(&g, out);
    struct value v = { .name = "input", .h = out->h, .w = out->w, .c = out->c };
    for (int k = 0; k < out->stages; k++) {
        int n = 1 + pick(&g, 4);
        for (int i = 0; i < n; i++)
            v = step(&g, v);
        put_lines(&g, k, "graph");
        snprintf(key, sizeof key, "jb.stage.%d.output", k);
        must(!jb_gguf_put_str(g.w, key, v.name), key);
        if (k + 1 == out->stages || pick(&g, 4)) {
            head(&g, v, out->classes);
            put_lines(&g, k, "head");
        }
    }
    ranges(&g, out);
    must(!jb_gguf_write_memory(g.w, &out->data, &out->n_bytes, NULL), "file");
    jb_gguf_writer_close(g.w);
}

void randnet_free(struct randnet *net)
{
    free(net->data);
}

unsigned char *randnet_image(const struct randnet *net, uint64_t seed)
{
    struct jb_rng r;
    size_t n = (size_t)net->h * (size_t)net->w * (size_t)net->c;
    unsigned char *image = malloc(n);
    jb_rng_seed_named(&r, seed, "image");
    for (size_t i = 0; i < n; i++)
        image[i] = (unsigned char)jb_rng_below(&r, 256);
    return image;
}
