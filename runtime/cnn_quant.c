// From real numbers to integers: the rules of docs/model-format.md section 4, word for word, in single precision.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cnn.h"

#define LEAST_SCALE 0x1p-60f
#define BIAS_LIMIT 0x1p30f

static float clampf(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

float cnn_range_scale(float lo, float hi, int32_t *zero)
{
    lo = lo > 0.0f ? 0.0f : lo;
    hi = hi < 0.0f ? 0.0f : hi;
    float scale = (hi - lo) / 255.0f;
    if (scale < LEAST_SCALE)
        scale = 1.0f;
    *zero = (int32_t)clampf(rintf(-lo / scale), 0.0f, 255.0f);
    return scale;
}

uint8_t cnn_quantize(float x, float scale, int32_t zero)
{
    float inv = 1.0f / scale;
    float t = clampf(rintf(x * inv), -1e6f, 1e6f);
    return (uint8_t)clampf(t + (float)zero, 0.0f, 255.0f);
}

static float greatest(const float *w, size_t n)
{
    float a = 0.0f;
    for (size_t i = 0; i < n; i++)
        a = fabsf(w[i]) > a ? fabsf(w[i]) : a;
    return a;
}

// Large enough that the bias fits 31 bits, and never so small that a product of scales leaves the normal numbers.
static float usable_scale(float scale, float bias, float s_in)
{
    float least = fabsf(bias) / (s_in * BIAS_LIMIT);
    scale = least > scale ? least : scale;
    return scale < LEAST_SCALE ? 1.0f : scale;
}

float cnn_scale_s8(const float *w, size_t n, float bias, float s_in)
{
    return usable_scale(greatest(w, n) / 127.0f, bias, s_in);
}

void cnn_quantize_s8(const float *w, size_t n, float scale, int8_t *q)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)clampf(rintf(w[i] / scale), -127.0f, 127.0f);
}

float cnn_scale_s4(const float *w, size_t n, float bias, float s_in)
{
    return usable_scale(greatest(w, n) / 105.0f, bias, s_in);
}

void cnn_quantize_s4(const float *w, size_t n, float scale, int8_t *q, uint8_t *m)
{
    for (size_t start = 0, g = 0; start < n; start += JB_S4_GROUP, g++) {
        size_t len = n - start < JB_S4_GROUP ? n - start : JB_S4_GROUP;
        float mult = clampf(ceilf(greatest(w + start, len) / (7.0f * scale)), 1.0f, 15.0f);
        m[g] = (uint8_t)mult;
        for (size_t i = start; i < start + len; i++)
            q[i] = (int8_t)clampf(rintf(w[i] / (scale * mult)), -7.0f, 7.0f);
    }
}

static void set_input(struct jb_cnn *m)
{
    struct cnn_value *v = &m->values[0];
    float lo = INFINITY, hi = -INFINITY;
    for (int32_t c = 0; c < v->shape.c; c++) {
        float first = (0.0f - m->input_mean[c]) / m->input_std[c], last = (1.0f - m->input_mean[c]) / m->input_std[c];
        lo = first < lo ? first : lo;
        hi = last > hi ? last : hi;
    }
    v->lo = lo;
    v->hi = hi;
    v->has_range = true;
    v->scale = cnn_range_scale(lo, hi, &v->zero);
    v->quantized = true;
    m->input_identity = true;
    for (int32_t c = 0; c < v->shape.c; c++)
        for (int b = 0; b < 256; b++) {
            float x = ((float)b / 255.0f - m->input_mean[c]) / m->input_std[c];
            m->input_table[c][b] = (uint8_t)clampf(rintf(x / v->scale) + (float)v->zero, 0.0f, 255.0f);
            m->input_identity &= m->input_table[c][b] == b;
        }
}

// Why this operation has no integer form; NULL: it has one.
static const char *refuse(const struct jb_cnn *m, const struct cnn_op *op, char *text, size_t n)
{
    const struct cnn_value *in = &m->values[op->in], *out = &m->values[op->out];
    const struct cnn_value *second = op->residual != CNN_NONE ? &m->values[op->residual] : op->in2 != CNN_NONE ? &m->values[op->in2] : NULL;
    bool inherits = op->kind == CNN_MAXPOOL || op->kind == CNN_ACT;
    if (op->act == JB_ACT_HSWISH || (op->kind == CNN_ACT && op->act == JB_ACT_RELU6))
        snprintf(text, n, "%s of value \"%s\" has no integer form", op->act == JB_ACT_HSWISH ? "hswish" : "relu6 alone", out->name);
    else if (!inherits && !out->logits && !out->has_range)
        snprintf(text, n, "no range for value \"%s\"", out->name);
    else if (!in->quantized || (second && !second->quantized))
        snprintf(text, n, "no range for an operand of \"%s\"", out->name);
    else if (op->kind == CNN_ADD && op->act == JB_ACT_RELU6 && out->hi > 6.0f)
        snprintf(text, n, "the range of value \"%s\" ends above 6, yet it is a relu6", out->name);
    else
        return NULL;
    return text;
}

static bool make_concat_table(struct jb_cnn *m, struct cnn_op *op)
{
    const struct cnn_value *out = &m->values[op->out];
    op->table = jb_pool_get(&m->pool, 512);
    for (int side = 0; op->table && side < 2; side++) {
        const struct cnn_value *v = &m->values[side ? op->in2 : op->in];
        float mult = v->scale / out->scale;
        for (int x = 0; x < 256; x++)
            op->table[side * 256 + x] = (uint8_t)clampf(clampf(rintf((float)(x - v->zero) * mult), -1e6f, 1e6f) + (float)out->zero, 0.0f, 255.0f);
    }
    return op->table != NULL;
}

int cnn_quantize_values(struct jb_cnn *m, const char **reason, struct jb_err *err)
{
    char text[160];
    set_input(m);
    *reason = NULL;
    for (uint32_t i = 0; i < m->n_ops; i++) {
        struct cnn_op *op = &m->ops[i];
        struct cnn_value *out = &m->values[op->out];
        if (op->skipped)
            continue;
        const char *why = refuse(m, op, text, sizeof text);
        if (why) {
            *reason = jb_pool_text(&m->pool, why, strlen(why));
            return *reason ? JB_OK : jb_fail(err, JB_E_NOMEM, "no memory");
        }
        if (out->logits)
            continue;
        if (op->kind == CNN_MAXPOOL || op->kind == CNN_ACT) {
            out->scale = m->values[op->in].scale;
            out->zero = m->values[op->in].zero;
        } else {
            out->scale = cnn_range_scale(out->lo, out->hi, &out->zero);
        }
        out->quantized = true;
        if (op->kind == CNN_CONCAT && !make_concat_table(m, op))
            return jb_fail(err, JB_E_NOMEM, "no memory");
    }
    return JB_OK;
}
