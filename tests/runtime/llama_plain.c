#include "tests/runtime/llama_plain.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/half.h"
#include "runtime/blocks.h"

static uint32_t number(const struct jb_gguf *g, const char *key, uint32_t otherwise)
{
    uint64_t v = otherwise;
    (void)jb_gguf_u64(g, key, &v, NULL);
    return (uint32_t)v;
}

static double real(const struct jb_gguf *g, const char *key, double otherwise)
{
    (void)jb_gguf_f64(g, key, &otherwise, NULL);
    return otherwise;
}

void plain_llama_open(struct plain_llama *p, const struct jb_gguf *g, const struct jb_gguf *exits, enum jb_kv_kind kv)
{
    *p = (struct plain_llama){ .g = g, .exits = exits, .kv = kv };
    p->n_layers = number(g, "llama.block_count", 0);
    p->n_embd = number(g, "llama.embedding_length", 0);
    p->n_ff = number(g, "llama.feed_forward_length", 0);
    p->n_head = number(g, "llama.attention.head_count", 0);
    p->n_kv = number(g, "llama.attention.head_count_kv", p->n_head);
    p->head_dim = number(g, "llama.attention.key_length", p->n_embd / p->n_head);
    p->n_rot = number(g, "llama.rope.dimension_count", p->head_dim);
    p->n_vocab = (uint32_t)jb_gguf_tensor(g, "token_embd.weight")->dims[1];
    p->eps = real(g, "llama.attention.layer_norm_rms_epsilon", 0);
    p->freq_base = real(g, "llama.rope.freq_base", 10000);
    p->freq_scale = 1.0 / real(g, "llama.rope.scaling.factor", 1.0);
    for (uint32_t l = 0; l <= p->n_layers; l++)
        p->x[l] = calloc((size_t)PLAIN_LEN * p->n_embd, sizeof(double));
}

void plain_llama_close(struct plain_llama *p)
{
    for (uint32_t l = 0; l <= p->n_layers; l++)
        free(p->x[l]);
}

static const struct jb_gguf_tensor *tensor(const struct jb_gguf *g, const char *name)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

static void widen_row(const struct jb_gguf_tensor *t, uint64_t row, float *out)
{
    const struct jb_block_type *type = jb_block_type(t->type);
    type->widen((const char *)t->data + row * jb_block_row_bytes(type, t->dims[0]), out, t->dims[0]);
}

// What a packed quantized matrix sees of x: 8 bits in blocks of 32.
static void round_to_8(const double *x, double *y, uint64_t n)
{
    for (uint64_t b = 0; b < n; b += 32) {
        float most = 0, d, id;
        for (int i = 0; i < 32; i++)
            most = fmaxf(most, fabsf((float)x[b + (uint64_t)i]));
        d = most / 127.0f;
        id = most > 0 ? 127.0f / most : 0;
        for (int i = 0; i < 32; i++)
            y[b + (uint64_t)i] = (double)(rintf((float)x[b + (uint64_t)i] * id) * d);
    }
}

// y = W x, W by name
static void multiply(const struct jb_gguf *g, const char *name, const double *x, double *y)
{
    const struct jb_gguf_tensor *t = tensor(g, name);
    bool packed = t->type == JB_GGML_Q8_0 || t->type == JB_GGML_Q4_0 || t->type == JB_GGML_Q4_1;
    double rounded[2048];
    float w[2048];
    assert_true(t->dims[0] <= 2048);
    if (packed)
        round_to_8(x, rounded, t->dims[0]);
    for (uint64_t o = 0; o < t->dims[1]; o++) {
        double sum = 0;
        widen_row(t, o, w);
        for (uint64_t i = 0; i < t->dims[0]; i++)
            sum += (packed ? rounded[i] : x[i]) * (double)w[i];
        y[o] = sum;
    }
}

static void normalise(const struct plain_llama *p, const char *name, const double *x, double *y) // NULL: weights of one
{
    const float *w = name ? tensor(p->g, name)->data : NULL;
    double sum = 0;
    for (uint32_t i = 0; i < p->n_embd; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < p->n_embd; i++)
        y[i] = x[i] / sqrt(sum / p->n_embd + p->eps) * (w ? (double)w[i] : 1.0);
}

static void turn(const struct plain_llama *p, double *x, uint32_t heads, uint32_t position)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(p->g, "rope_freqs.weight");
    for (uint32_t h = 0; h < heads; h++)
        for (uint32_t i = 0; i < p->n_rot / 2; i++) {
            double angle = position * p->freq_scale * pow(p->freq_base, -2.0 * i / p->n_rot), *at = x + h * p->head_dim + 2 * i, a = at[0], b = at[1];
            if (t)
                angle /= (double)((const float *)t->data)[i];
            at[0] = a * cos(angle) - b * sin(angle);
            at[1] = b * cos(angle) + a * sin(angle);
        }
}

// As K and V are kept.
static void store(const struct plain_llama *p, double *x)
{
    for (uint32_t h = 0; h < p->n_kv; h++) {
        double *at = x + h * p->head_dim;
        float most = 0;
        for (uint32_t d = 0; d < p->head_dim; d++)
            most = fmaxf(most, fabsf((float)at[d]));
        for (uint32_t d = 0; d < p->head_dim; d++)
            at[d] = p->kv == JB_KV_F16 ? (double)jb_f16_to_f32(jb_f32_to_f16((float)at[d])) : (double)(rintf((float)at[d] * (127.0f / most)) * (most / 127.0f));
    }
}

static void attend(const struct plain_llama *p, const double *q, const double *k, const double *v, uint32_t last, double *out)
{
    uint32_t group = p->n_head / p->n_kv, width = p->n_kv * p->head_dim;
    for (uint32_t h = 0; h < p->n_head; h++) {
        double score[PLAIN_LEN], most = -INFINITY, sum = 0;
        for (uint32_t j = 0; j <= last; j++) {
            score[j] = 0;
            for (uint32_t d = 0; d < p->head_dim; d++)
                score[j] += q[h * p->head_dim + d] * k[j * width + h / group * p->head_dim + d];
            score[j] /= sqrt(p->head_dim);
            most = fmax(most, score[j]);
        }
        for (uint32_t j = 0; j <= last; j++)
            sum += score[j] = exp(score[j] - most);
        for (uint32_t d = 0; d < p->head_dim; d++) {
            double o = 0;
            for (uint32_t j = 0; j <= last; j++)
                o += score[j] / sum * v[j * width + h / group * p->head_dim + d];
            out[h * p->head_dim + d] = o;
        }
    }
}

static char *name_of(uint32_t layer, const char *what)
{
    static char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, what);
    return name;
}

static void feed_forward(const struct plain_llama *p, uint32_t l, double *x)
{
    double a[2048], gate[2048], up[2048];
    normalise(p, name_of(l, "ffn_norm"), x, a);
    multiply(p->g, name_of(l, "ffn_gate"), a, gate);
    multiply(p->g, name_of(l, "ffn_up"), a, up);
    for (uint32_t i = 0; i < p->n_ff; i++)
        up[i] *= gate[i] / (1 + exp(-gate[i]));
    multiply(p->g, name_of(l, "ffn_down"), up, a);
    for (uint32_t i = 0; i < p->n_embd; i++)
        x[i] += a[i];
}

static void run_layer(struct plain_llama *p, uint32_t l, uint32_t n, const uint32_t *left)
{
    uint32_t q_width = p->n_head * p->head_dim, kv_width = p->n_kv * p->head_dim;
    double *q = calloc((size_t)n * q_width, sizeof *q), *k = calloc((size_t)n * kv_width, sizeof *k), *v = calloc((size_t)n * kv_width, sizeof *v), a[2048], out[2048];
    for (uint32_t i = 0; i < n; i++) {
        normalise(p, name_of(l, "attn_norm"), p->x[l] + (size_t)i * p->n_embd, a);
        multiply(p->g, name_of(l, "attn_q"), a, q + (size_t)i * q_width);
        multiply(p->g, name_of(l, "attn_k"), a, k + (size_t)i * kv_width);
        multiply(p->g, name_of(l, "attn_v"), a, v + (size_t)i * kv_width);
        turn(p, q + (size_t)i * q_width, p->n_head, i);
        turn(p, k + (size_t)i * kv_width, p->n_kv, i);
        store(p, k + (size_t)i * kv_width);
        store(p, v + (size_t)i * kv_width);
    }
    for (uint32_t i = 0; i < n; i++) {
        double *x = p->x[l + 1] + (size_t)i * p->n_embd;
        memcpy(x, p->x[l] + (size_t)i * p->n_embd, p->n_embd * sizeof *x);
        if (left && l >= left[i])
            continue;
        attend(p, q + (size_t)i * q_width, k, v, i, a);
        multiply(p->g, name_of(l, "attn_output"), a, out);
        for (uint32_t d = 0; d < p->n_embd; d++)
            x[d] += out[d];
        feed_forward(p, l, x);
    }
    free(q);
    free(k);
    free(v);
}

void plain_llama_run(struct plain_llama *p, const uint32_t *tokens, uint32_t n, const uint32_t *left)
{
    float row[2048];
    assert_true(n <= PLAIN_LEN && p->n_layers <= PLAIN_LAYERS);
    for (uint32_t i = 0; i < n; i++) {
        widen_row(tensor(p->g, "token_embd.weight"), tokens[i], row);
        for (uint32_t d = 0; d < p->n_embd; d++)
            p->x[0][(size_t)i * p->n_embd + d] = (double)row[d];
    }
    for (uint32_t l = 0; l < p->n_layers; l++)
        run_layer(p, l, n, left);
}

static const char *exit_name(int exit, const char *what)
{
    static char name[64];
    snprintf(name, sizeof name, "exit.%d.%s", exit, what);
    return name;
}

void plain_llama_logits(const struct plain_llama *p, uint32_t at, uint32_t layers, int exit, double *out)
{
    const double *x = p->x[layers] + (size_t)at * p->n_embd;
    double u[2048], t[2048] = { 0 }, low[2048];
    memcpy(u, x, p->n_embd * sizeof *u);
    if (exit >= 0) {
        normalise(p, NULL, x, u);
        if (jb_gguf_tensor(p->exits, exit_name(exit, "map.weight")))
            multiply(p->exits, exit_name(exit, "map.weight"), u, t);
        if (jb_gguf_tensor(p->exits, exit_name(exit, "down.weight"))) {
            multiply(p->exits, exit_name(exit, "down.weight"), u, low);
            multiply(p->exits, exit_name(exit, "up.weight"), low, t);
        }
        for (uint32_t i = 0; i < p->n_embd; i++)
            u[i] += t[i];
    }
    normalise(p, "output_norm.weight", u, t);
    multiply(p->g, jb_gguf_tensor(p->g, "output.weight") ? "output.weight" : "token_embd.weight", t, out);
}

double plain_llama_gate(const struct plain_llama *p, uint32_t at, uint32_t layers, int exit)
{
    double u[2048], g[2048], sum;
    float bias[2048], w[2048], last;
    uint64_t n = tensor(p->exits, exit_name(exit, "gate.0.weight"))->dims[1];
    normalise(p, NULL, p->x[layers] + (size_t)at * p->n_embd, u);
    multiply(p->exits, exit_name(exit, "gate.0.weight"), u, g);
    widen_row(tensor(p->exits, exit_name(exit, "gate.0.bias")), 0, bias);
    widen_row(tensor(p->exits, exit_name(exit, "gate.1.weight")), 0, w);
    widen_row(tensor(p->exits, exit_name(exit, "gate.1.bias")), 0, &last);
    sum = (double)last;
    for (uint64_t i = 0; i < n; i++) {
        double z = g[i] + (double)bias[i];
        sum += (double)w[i] * z / (1 + exp(-z));
    }
    return 1 / (1 + exp(-sum));
}
