#include "tests/runtime/oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 512

struct parsed { char out[64], op[16], in[64], in2[64], w[64], act[16]; int kh, kw, sh, sw, ph, pw, groups; };

static void die(const char *what)
{
    fprintf(stderr, "oracle: %s\n", what);
    abort();
}

static void pair(const char *s, int *a, int *b)
{
    if (sscanf(s, "%dx%d", a, b) != 2) {
        *a = atoi(s);
        *b = *a;
    }
}

static struct parsed parse(const char *text)
{
    struct parsed p = { .act = "none", .kh = 1, .kw = 1, .sh = 1, .sw = 1, .groups = 1 };
    char copy[600], *save = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    int i = 0;
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save), i++) {
        if (i == 0)
            snprintf(p.out, sizeof p.out, "%s", word);
        else if (i == 2)
            snprintf(p.op, sizeof p.op, "%s", word);
        else if (i == 3)
            snprintf(p.in, sizeof p.in, "%s", word);
        else if (i == 4 && !strchr(word, '='))
            snprintf(p.in2, sizeof p.in2, "%s", word);
        else if (strncmp(word, "w=", 2) == 0)
            snprintf(p.w, sizeof p.w, "%s", word + 2);
        else if (strncmp(word, "k=", 2) == 0)
            pair(word + 2, &p.kh, &p.kw);
        else if (strncmp(word, "s=", 2) == 0)
            pair(word + 2, &p.sh, &p.sw);
        else if (strncmp(word, "p=", 2) == 0)
            pair(word + 2, &p.ph, &p.pw);
        else if (strncmp(word, "g=", 2) == 0)
            p.groups = atoi(word + 2);
        else if (strncmp(word, "act=", 4) == 0)
            snprintf(p.act, sizeof p.act, "%s", word + 4);
    }
    return p;
}

static struct oracle_value *find(struct oracle *o, const char *name)
{
    for (int i = 0; i < o->n_values; i++)
        if (strcmp(o->values[i].name, name) == 0)
            return &o->values[i];
    die(name);
    return NULL;
}

static size_t count(const struct oracle_value *v)
{
    return (size_t)v->h * (size_t)v->w * (size_t)v->c;
}

static struct oracle_value *add_value(struct oracle *o, const char *name, int h, int w, int c)
{
    if (o->n_values == MAX_VALUES)
        die("too many values");
    struct oracle_value *v = &o->values[o->n_values++];
    *v = (struct oracle_value){ .h = h, .w = w, .c = c };
    snprintf(v->name, sizeof v->name, "%s", name);
    v->real = calloc(count(v), sizeof *v->real);
    v->q = calloc(count(v), sizeof *v->q);
    return v;
}

static bool range_in(const struct jb_gguf *g, const char *name, double *lo, double *hi)
{
    size_t n = 0;
    if (!g || jb_gguf_array(g, "jb.range.names", NULL, &n, NULL))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *s;
        if (jb_gguf_array_str(g, "jb.range.names", i, &s, NULL, NULL) || strcmp(s, name) != 0)
            continue;
        return !jb_gguf_array_f64(g, "jb.range.min", i, lo, NULL) && !jb_gguf_array_f64(g, "jb.range.max", i, hi, NULL);
    }
    return false;
}

static void scale_of(float lo, float hi, float *scale, int *zero)
{
    if (lo > 0.0f)
        lo = 0.0f;
    if (hi < 0.0f)
        hi = 0.0f;
    *scale = (hi - lo) / 255.0f;
    if (*scale < ldexpf(1.0f, -60))
        *scale = 1.0f;
    float z = rintf(-lo / *scale);
    *zero = z < 0.0f ? 0 : z > 255.0f ? 255 : (int)z;
}

static void take_range(struct oracle *o, struct oracle_value *v)
{
    double lo, hi;
    if (!range_in(o->exits, v->name, &lo, &hi) && !range_in(o->g, v->name, &lo, &hi))
        return;
    scale_of((float)lo, (float)hi, &v->scale, &v->zero);
    v->quantized = true;
}

static int clamp_to(float t, int zero, int lo, int hi)
{
    double y = (double)rintf(t) + zero;
    return y < lo ? lo : y > hi ? hi : (int)y;
}

static int quantize(float x, float scale, int zero)
{
    float inv = 1.0f / scale;
    return clamp_to(x * inv, zero, 0, 255);
}

static double activate(double x, const char *act)
{
    if (strcmp(act, "relu") == 0)
        return x > 0 ? x : 0;
    if (strcmp(act, "relu6") == 0)
        return x < 0 ? 0 : x > 6 ? 6 : x;
    if (strcmp(act, "hswish") == 0)
        return x * (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6;
    return x;
}

static float half(const unsigned char *p)
{
    unsigned h = (unsigned)p[0] | (unsigned)p[1] << 8, e = h >> 10 & 31, f = h & 1023;
    double v = e == 0 ? ldexp(f, -24) : ldexp(1024 + f, (int)e - 25);
    return (float)(h >> 15 ? -v : v);
}

static float *weights_of(const struct oracle *o, const char *w, const char *part, bool from_exits)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", w, part);
    const struct jb_gguf_tensor *t = jb_gguf_tensor(from_exits ? o->exits : o->g, name);
    if (!t)
        die(name);
    size_t n = (size_t)(t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]);
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        if (t->type == JB_GGML_F16)
            x[i] = half((const unsigned char *)t->data + 2 * i);
        else
            memcpy(&x[i], (const unsigned char *)t->data + 4 * i, 4);
    }
    return x;
}

static int channels_of(const struct oracle *o, const struct parsed *p, bool from_exits)
{
    char name[96];
    snprintf(name, sizeof name, "%s.bias", p->w);
    return (int)jb_gguf_tensor(from_exits ? o->exits : o->g, name)->dims[0];
}

// Integer weights of one output channel, the multipliers already in.
static float quantize_weights(const float *w, size_t n, float bias, float s_in, enum jb_precision prec, int *out)
{
    float top = 0.0f, s;
    bool eight = prec == JB_PREC_INT8 || n < 32; // less than one group: 8 bits at int4, too
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(w[i]));
    s = fmaxf(top / (eight ? 127.0f : 105.0f), fabsf(bias) / (s_in * ldexpf(1.0f, 30)));
    if (s < ldexpf(1.0f, -60))
        s = 1.0f;
    for (size_t i = 0; i < n; i++) {
        if (eight) {
            float q = rintf(w[i] / s);
            out[i] = q < -127 ? -127 : q > 127 ? 127 : (int)q;
            continue;
        }
        float a = 0.0f;
        for (size_t j = i / 32 * 32; j < n && j < i / 32 * 32 + 32; j++)
            a = fmaxf(a, fabsf(w[j]));
        float m = ceilf(a / (7.0f * s));
        m = m < 1 ? 1 : m > 15 ? 15 : m;
        float q = rintf(w[i] / (s * m));
        out[i] = (q < -7 ? -7 : q > 7 ? 7 : (int)q) * (int)m;
    }
    return s;
}

struct conv { const struct parsed *p; const struct oracle_value *in, *residual; struct oracle_value *out; const char *act; bool logits; };

static long long int_sum(const struct conv *c, const int *w, int o, int y, int x)
{
    const struct parsed *p = c->p;
    int cg = c->in->c / p->groups, og = c->out->c / p->groups;
    long long sum = 0;
    for (int r = 0; r < p->kh; r++)
        for (int s = 0; s < p->kw; s++) {
            int iy = y * p->sh - p->ph + r, ix = x * p->sw - p->pw + s;
            if (iy < 0 || iy >= c->in->h || ix < 0 || ix >= c->in->w)
                continue; // padding is the zero point: it adds nothing
            for (int k = 0; k < cg; k++)
                sum += (long long)(c->in->q[(iy * c->in->w + ix) * c->in->c + o / og * cg + k] - c->in->zero) * w[(r * p->kw + s) * cg + k];
        }
    return sum;
}

static void conv_integer(const struct conv *c, const float *w, const float *bias, enum jb_precision prec)
{
    const struct oracle_value *in = c->in;
    struct oracle_value *out = c->out;
    size_t n = (size_t)c->p->kh * (size_t)c->p->kw * (size_t)(in->c / c->p->groups);
    int *q = malloc(n * sizeof *q);
    for (int o = 0; o < out->c; o++) {
        float s_w = quantize_weights(w + (size_t)o * n, n, bias[o], in->scale, prec, q);
        long long b = (long long)rintf(bias[o] / (in->scale * s_w));
        float product = in->scale * s_w, mult = c->logits ? product : product / out->scale;
        for (int y = 0; y < out->h; y++)
            for (int x = 0; x < out->w; x++) {
                size_t at = ((size_t)y * (size_t)out->w + (size_t)x) * (size_t)out->c + (size_t)o;
                float t = (float)(b + int_sum(c, q, o, y, x)) * mult;
                if (c->residual) {
                    float m = c->residual->scale / out->scale, r = (float)(c->residual->q[at] - c->residual->zero) * m;
                    t = t + r;
                }
                int lo = strcmp(c->act, "none") == 0 ? 0 : out->zero, hi = strcmp(c->act, "relu6") == 0 ? quantize(6.0f, out->scale, out->zero) : 255;
                if (c->logits)
                    out->real[at] = (double)t;
                else
                    out->q[at] = clamp_to(t, out->zero, lo, hi);
            }
    }
    free(q);
}

static void conv_real(const struct conv *c, const float *w, const float *bias)
{
    const struct parsed *p = c->p;
    const struct oracle_value *in = c->in;
    struct oracle_value *out = c->out;
    int cg = in->c / p->groups, og = out->c / p->groups;
    for (int o = 0; o < out->c; o++)
        for (int y = 0; y < out->h; y++)
            for (int x = 0; x < out->w; x++) {
                double sum = (double)bias[o];
                for (int r = 0; r < p->kh; r++)
                    for (int s = 0; s < p->kw; s++) {
                        int iy = y * p->sh - p->ph + r, ix = x * p->sw - p->pw + s;
                        if (iy < 0 || iy >= in->h || ix < 0 || ix >= in->w)
                            continue;
                        for (int k = 0; k < cg; k++)
                            sum += in->real[(iy * in->w + ix) * in->c + o / og * cg + k] * (double)w[((o * p->kh + r) * p->kw + s) * cg + k];
                    }
                out->real[(y * out->w + x) * out->c + o] = activate(sum, c->act);
            }
}

static void pool(const struct parsed *p, const struct oracle_value *in, struct oracle_value *out, enum jb_precision prec)
{
    bool max = strcmp(p->op, "maxpool") == 0;
    for (int y = 0; y < out->h; y++)
        for (int x = 0; x < out->w; x++)
            for (int c = 0; c < out->c; c++) {
                double sum = 0, top = -INFINITY;
                long long isum = 0, n = 0, itop = 0;
                for (int r = 0; r < p->kh; r++)
                    for (int s = 0; s < p->kw; s++) {
                        int iy = y * p->sh - p->ph + r, ix = x * p->sw - p->pw + s;
                        if (iy < 0 || iy >= in->h || ix < 0 || ix >= in->w)
                            continue;
                        int at = (iy * in->w + ix) * in->c + c;
                        n++;
                        sum += in->real[at];
                        top = fmax(top, in->real[at]);
                        isum += in->q[at] - in->zero;
                        itop = in->q[at] > itop ? in->q[at] : itop;
                    }
                int at = (y * out->w + x) * out->c + c;
                if (prec == JB_PREC_F32)
                    out->real[at] = max ? top : sum / (double)n;
                else if (max)
                    out->q[at] = (int)itop;
                else {
                    float m = in->scale / out->scale, mn = m / (float)n;
                    out->q[at] = clamp_to((float)isum * mn, out->zero, 0, 255);
                }
            }
}

static void plain(const struct parsed *p, const struct oracle_value *a, const struct oracle_value *b, struct oracle_value *out, enum jb_precision prec)
{
    size_t n = count(out);
    int lo = strcmp(p->act, "none") == 0 ? 0 : out->zero;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p->op, "concat") == 0) {
            size_t pixel = i / (size_t)out->c, c = i % (size_t)out->c;
            const struct oracle_value *v = c < (size_t)a->c ? a : b;
            size_t at = pixel * (size_t)v->c + (c < (size_t)a->c ? c : c - (size_t)a->c);
            float m = v->scale / out->scale;
            out->real[i] = v->real[at];
            out->q[i] = prec == JB_PREC_F32 ? 0 : clamp_to((float)(v->q[at] - v->zero) * m, out->zero, 0, 255);
        } else if (strcmp(p->op, "act") == 0) {
            out->real[i] = activate(a->real[i], p->act);
            out->q[i] = a->q[i] < lo ? lo : a->q[i];
        } else if (prec == JB_PREC_F32) {
            out->real[i] = activate(a->real[i] + b->real[i], p->act);
        } else {
            float am = a->scale / out->scale, bm = b->scale / out->scale;
            float s = (float)(a->q[i] - a->zero) * am, t = (float)(b->q[i] - b->zero) * bm;
            out->q[i] = clamp_to(s + t, out->zero, lo, 255);
        }
    }
}

// Does `next` add the result of `p`, which nothing else reads?
static bool fuses(const struct parsed *p, const struct parsed *next, const char *const *lines, size_t n, const char *output)
{
    if (strcmp(p->op, "conv") != 0 || strcmp(p->act, "none") != 0 || strcmp(next->op, "add") != 0 || (output && strcmp(output, p->out) == 0))
        return false;
    int uses = 0;
    for (size_t i = 0; i < n; i++) {
        struct parsed l = parse(lines[i]);
        uses += (strcmp(l.in, p->out) == 0) + (strcmp(l.in2, p->out) == 0);
    }
    return uses == 1 && (strcmp(next->in, p->out) == 0 || strcmp(next->in2, p->out) == 0);
}

static int size_out(int in, int k, int s, int p)
{
    return (in + 2 * p - k) / s + 1;
}

static void note(struct oracle *o, const struct oracle_value *v)
{
    int i = 0;
    while (i < o->n_seen && strcmp(o->seen[i], v->name) != 0)
        i++;
    if (i == o->n_seen) {
        snprintf(o->seen[i], sizeof o->seen[i], "%s", v->name);
        o->lo[i] = o->hi[i] = v->real[0];
        o->n_seen++;
    }
    for (size_t k = 0; k < count(v); k++) {
        o->lo[i] = fmin(o->lo[i], v->real[k]);
        o->hi[i] = fmax(o->hi[i], v->real[k]);
    }
}

// One line; `add` is the addition that is done in the same step, or NULL.
static void eval(struct oracle *o, struct parsed p, const struct parsed *add, enum jb_precision prec, bool logits, bool from_exits)
{
    const struct oracle_value in = *find(o, p.in);
    if (strcmp(p.op, "gap") == 0 || strcmp(p.op, "fc") == 0) {
        p.kh = in.h;
        p.kw = in.w;
    }
    bool convolves = strcmp(p.op, "conv") == 0 || strcmp(p.op, "fc") == 0, pools = strcmp(p.op, "gap") == 0 || strstr(p.op, "pool") != NULL;
    int c = convolves ? channels_of(o, &p, from_exits) : in.c;
    if (strcmp(p.op, "concat") == 0)
        c += find(o, p.in2)->c;
    bool windows = convolves || pools;
    struct oracle_value *out = add_value(o, add ? add->out : p.out, windows ? size_out(in.h, p.kh, p.sh, p.ph) : in.h, windows ? size_out(in.w, p.kw, p.sw, p.pw) : in.w, c);
    out->is_real = prec == JB_PREC_F32;
    if (strcmp(p.op, "maxpool") == 0 || strcmp(p.op, "act") == 0) {
        out->quantized = in.quantized;
        out->scale = in.scale;
        out->zero = in.zero;
    } else if (!logits) {
        take_range(o, out);
    }
    if (prec != JB_PREC_F32 && !logits && !out->quantized)
        die("a range is missing");
    const struct oracle_value *residual = !add ? NULL : find(o, strcmp(add->in, p.out) == 0 ? add->in2 : add->in);
    if (convolves) {
        struct conv k = { .p = &p, .in = &in, .residual = residual, .out = out, .act = add ? add->act : p.act, .logits = logits };
        float *w = weights_of(o, p.w, "weight", from_exits), *bias = weights_of(o, p.w, "bias", from_exits);
        if (prec == JB_PREC_F32)
            conv_real(&k, w, bias);
        else
            conv_integer(&k, w, bias, prec);
        free(w);
        free(bias);
    } else if (pools)
        pool(&p, &in, out, prec);
    else
        plain(&p, &in, p.in2[0] ? find(o, p.in2) : NULL, out, prec);
    if (prec == JB_PREC_F32)
        note(o, out);
}

static void eval_graph(struct oracle *o, const struct jb_gguf *g, const char *key, const char *output, enum jb_precision prec, bool head)
{
    size_t n = 0;
    const char *lines[256];
    if (jb_gguf_array(g, key, NULL, &n, NULL))
        die(key);
    for (size_t i = 0; i < n; i++)
        (void)jb_gguf_array_str(g, key, i, &lines[i], NULL, NULL);
    for (size_t i = 0; i < n; i++) {
        struct parsed p = parse(lines[i]), next = { 0 };
        bool fused = false;
        if (i + 1 < n && prec != JB_PREC_F32) {
            next = parse(lines[i + 1]);
            fused = fuses(&p, &next, lines, n, output);
        }
        eval(o, p, fused ? &next : NULL, prec, head && i + 1 == n, g == o->exits);
        i += fused;
    }
}

void oracle_open(struct oracle *o, const struct jb_gguf *g, const struct jb_gguf *exits)
{
    *o = (struct oracle){ .g = g, .exits = exits, .values = calloc(MAX_VALUES, sizeof *o->values) };
}

static void drop_values(struct oracle *o)
{
    for (int i = 0; i < o->n_values; i++) {
        free(o->values[i].real);
        free(o->values[i].q);
    }
    o->n_values = 0;
}

void oracle_close(struct oracle *o)
{
    drop_values(o);
    free(o->values);
}

void oracle_begin(struct oracle *o, const unsigned char *image)
{
    uint64_t d[3];
    float lo = INFINITY, hi = -INFINITY, mean[8], std[8];
    drop_values(o);
    for (size_t i = 0; i < 3; i++)
        (void)jb_gguf_array_u64(o->g, "jb.input.shape", i, &d[i], NULL);
    struct oracle_value *v = add_value(o, "input", (int)d[0], (int)d[1], (int)d[2]);
    for (size_t c = 0; c < d[2]; c++) {
        double x;
        (void)jb_gguf_array_f64(o->g, "jb.input.mean", c, &x, NULL);
        mean[c] = (float)x;
        (void)jb_gguf_array_f64(o->g, "jb.input.std", c, &x, NULL);
        std[c] = (float)x;
        lo = fminf(lo, (0.0f - mean[c]) / std[c]);
        hi = fmaxf(hi, (1.0f - mean[c]) / std[c]);
    }
    scale_of(lo, hi, &v->scale, &v->zero);
    v->quantized = true;
    for (size_t i = 0; i < count(v); i++) {
        float x = ((float)image[i] / 255.0f - mean[i % d[2]]) / std[i % d[2]];
        v->real[i] = ((double)image[i] / 255.0 - (double)mean[i % d[2]]) / (double)std[i % d[2]];
        v->q[i] = clamp_to(x / v->scale, v->zero, 0, 255);
    }
}

// The boundary value before a stage, in the form that the stage reads.
static void convert(struct oracle *o, int stage, enum jb_precision p)
{
    char key[64];
    const char *name = "input";
    if (stage == 0)
        return; // both forms are there
    snprintf(key, sizeof key, "jb.stage.%d.output", stage - 1);
    (void)jb_gguf_str(o->g, key, &name, NULL, NULL);
    struct oracle_value *v = find(o, name);
    bool real = p == JB_PREC_F32;
    if (v->is_real == real)
        return;
    if (!v->quantized)
        die("a boundary value has no range");
    for (size_t i = 0; i < count(v); i++) {
        if (real)
            v->real[i] = (double)((float)(v->q[i] - v->zero) * v->scale);
        else
            v->q[i] = quantize((float)v->real[i], v->scale, v->zero);
    }
    v->is_real = real;
}

void oracle_stage(struct oracle *o, int stage, enum jb_precision p)
{
    char key[64], output_key[64];
    const char *output = NULL;
    snprintf(key, sizeof key, "jb.stage.%d.graph", stage);
    snprintf(output_key, sizeof output_key, "jb.stage.%d.output", stage);
    (void)jb_gguf_str(o->g, output_key, &output, NULL, NULL);
    convert(o, stage, p);
    eval_graph(o, o->g, key, output, p, false);
}

void oracle_set_output(struct oracle *o, int stage, const float *x)
{
    char key[64];
    const char *name = NULL;
    snprintf(key, sizeof key, "jb.stage.%d.output", stage);
    (void)jb_gguf_str(o->g, key, &name, NULL, NULL);
    struct oracle_value *v = find(o, name);
    for (size_t i = 0; i < count(v); i++)
        v->q[i] = quantize(x[i], v->scale, v->zero);
    v->is_real = false;
}

static const struct jb_gguf *head_in(const struct oracle *o, int stage, char key[64])
{
    size_t n;
    snprintf(key, 64, "jb.stage.%d.head", stage);
    if (o->exits && !jb_gguf_array(o->exits, key, NULL, &n, NULL))
        return o->exits;
    return jb_gguf_array(o->g, key, NULL, &n, NULL) ? NULL : o->g;
}

bool oracle_has_head(const struct oracle *o, int stage)
{
    char key[64];
    return head_in(o, stage, key) != NULL;
}

void oracle_head(struct oracle *o, int stage, enum jb_precision p, double *out)
{
    char key[64];
    const struct jb_gguf *g = head_in(o, stage, key);
    if (!g)
        die("no head");
    eval_graph(o, g, key, NULL, p, true);
    const struct oracle_value *v = &o->values[o->n_values - 1];
    memcpy(out, v->real, count(v) * sizeof *out);
}
