// Tensors of the operations: found, checked against the graph, widened to f32, quantized, packed by the kernel table. And what each operation costs.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cnn.h"

// Weights of one operation as real numbers: OHWI, and one bias a channel.
struct real { float *w, *bias; size_t n, per_channel; };

// Room for the largest operation, used for each in turn.
struct scratch { struct real real; int8_t *q; uint8_t *m; };

static float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h >> 15) << 31, e = h >> 10 & 31, f = h & 1023, bits;
    float out;
    if (e == 0) {
        out = ldexpf((float)f, -24);
        return sign ? -out : out;
    }
    bits = sign | (e == 31 ? 255u << 23 : (e + 112) << 23) | f << 13;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float load_f32(const uint8_t *p)
{
    uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static int find_tensor(const struct jb_gguf *g, const char *name, const uint64_t dims[4], const struct jb_gguf_tensor **out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    if (!t)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" is missing", jb_gguf_name(g), name);
    if (t->type != JB_GGML_F32 && t->type != JB_GGML_F16)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\" has type %u (F32 or F16 is required)", jb_gguf_name(g), name, t->type);
    for (int i = 0; i < 4; i++)
        if (t->dims[i] != dims[i])
            return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" has sizes %llu, %llu, %llu, %llu; the graph needs %llu, %llu, %llu, %llu", jb_gguf_name(g), name,
                           (unsigned long long)t->dims[0], (unsigned long long)t->dims[1], (unsigned long long)t->dims[2], (unsigned long long)t->dims[3], (unsigned long long)dims[0],
                           (unsigned long long)dims[1], (unsigned long long)dims[2], (unsigned long long)dims[3]);
    *out = t;
    return JB_OK;
}

static int widen(const struct jb_gguf *g, const struct jb_gguf_tensor *t, float *out, size_t n, struct jb_err *err)
{
    const uint8_t *p = t->data;
    for (size_t i = 0; i < n; i++) {
        float x = t->type == JB_GGML_F32 ? load_f32(p + 4 * i) : f16_to_f32(load_u16(p + 2 * i));
        if (!(fabsf(x) <= CNN_MAX_MAGNITUDE))
            return jb_fail(err, JB_E_INVALID, "%s: byte %zu: tensor \"%s\", value %zu is %s", jb_gguf_name(g), jb_gguf_offset(g, t->data) + i * (t->type == JB_GGML_F32 ? 4 : 2), t->name, i,
                           x != x ? "NaN" : isinf(x) ? "infinite" : "beyond 2^30");
        out[i] = x;
    }
    return JB_OK;
}

static size_t reduction(const struct cnn_op *op)
{
    return (size_t)op->geom.kernel_h * (size_t)op->geom.kernel_w * (size_t)(op->geom.in_c / op->geom.groups);
}

// A reduction shorter than one group keeps 8 bits (docs/model-format.md section 4).
static bool takes_s4(const struct cnn_op *op, enum jb_precision prec)
{
    return prec == JB_PREC_INT4 && reduction(op) >= JB_S4_GROUP;
}

static int load_real(const struct cnn_op *op, const struct jb_gguf *g, struct real *r, struct jb_err *err)
{
    char name[CNN_MAX_NAME + 16];
    const struct jb_gguf_tensor *w = NULL, *bias = NULL;
    const struct jb_conv_geom *q = &op->geom;
    uint64_t out_c = (uint64_t)q->out_c;
    uint64_t conv_dims[4] = { (uint64_t)(q->in_c / q->groups), (uint64_t)q->kernel_w, (uint64_t)q->kernel_h, out_c };
    uint64_t fc_dims[4] = { reduction(op), out_c, 1, 1 }, bias_dims[4] = { out_c, 1, 1, 1 };
    r->per_channel = reduction(op);
    r->n = r->per_channel * (size_t)q->out_c;
    snprintf(name, sizeof name, "%s.weight", op->weights);
    int rc = find_tensor(g, name, op->kind == CNN_FC ? fc_dims : conv_dims, &w, err);
    if (!rc)
        rc = widen(g, w, r->w, r->n, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "%s.bias", op->weights);
    rc = find_tensor(g, name, bias_dims, &bias, err);
    return rc ? rc : widen(g, bias, r->bias, (size_t)q->out_c, err);
}

static size_t padded(int32_t channels, int32_t block)
{
    return ((size_t)channels + (size_t)block - 1) / (size_t)block * (size_t)block;
}

// One allocation: packed weights, bias, mult; the latter two padded to the block with zeros.
static int make_room(struct cnn_packed *p, size_t weight_bytes, size_t n_padded, bool with_mult, struct jb_err *err)
{
    size_t table = jb_align_up(n_padded * 4, JB_ALIGN);
    weight_bytes = jb_align_up(weight_bytes, JB_ALIGN);
    char *room = jb_aligned_zeroed(weight_bytes + table * (with_mult ? 2 : 1) + JB_PLANE_SLACK);
    if (!room)
        return jb_fail(err, JB_E_NOMEM, "no memory for %zu bytes of packed weights", weight_bytes);
    p->weights = room;
    p->bias = room + weight_bytes;
    p->mult = with_mult ? (const float *)(const void *)(room + weight_bytes + table) : NULL;
    p->n_bytes = weight_bytes + table * (with_mult ? 2 : 1);
    return JB_OK;
}

static int pack_f32(const struct jb_kernels *k, struct cnn_op *op, const struct real *r, struct jb_err *err)
{
    struct cnn_packed *p = &op->packed[JB_PREC_F32];
    int rc = make_room(p, k->pack_conv_f32_bytes(&op->geom), padded(op->geom.out_c, k->block_f32), false, err);
    if (rc)
        return rc;
    k->pack_conv_f32(&op->geom, r->w, p->weights);
    memcpy((void *)(uintptr_t)p->bias, r->bias, (size_t)op->geom.out_c * sizeof(float));
    return JB_OK;
}

// Sum of the integer weights of a channel, multipliers included.
static int64_t weight_sum(const int8_t *q, const uint8_t *m, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += m ? q[i] * m[i / JB_S4_GROUP] : q[i];
    return sum;
}

static int pack_integer(const struct jb_cnn *net, struct cnn_op *op, enum jb_precision prec, const struct scratch *s, struct jb_err *err)
{
    const struct jb_kernels *k = &net->kernels;
    const struct cnn_value *in = &net->values[op->in], *out = &net->values[op->out];
    const struct real *r = &s->real;
    bool s4 = takes_s4(op, prec);
    struct cnn_packed *p = &op->packed[prec];
    p->s4 = s4;
    size_t groups = (size_t)jb_s4_groups(&op->geom), n = r->per_channel;
    int rc = make_room(p, s4 ? k->pack_conv_s4_bytes(&op->geom) : k->pack_conv_s8_bytes(&op->geom), padded(op->geom.out_c, k->block_u8), true, err);
    if (rc)
        return rc;
    int32_t *bias = (int32_t *)(uintptr_t)p->bias;
    float *mult = (float *)(uintptr_t)p->mult;
    for (size_t o = 0; o < (size_t)op->geom.out_c; o++) {
        const float *w = r->w + o * n;
        int8_t *q = s->q + o * n;
        uint8_t *m = s4 ? s->m + o * groups : NULL;
        float scale = s4 ? cnn_scale_s4(w, n, r->bias[o], in->scale) : cnn_scale_s8(w, n, r->bias[o], in->scale);
        if (s4)
            cnn_quantize_s4(w, n, scale, q, m);
        else
            cnn_quantize_s8(w, n, scale, q);
        // |rint(...)| <= 2^30 and |zero * sum| <= 255 * 127 * 32,768: both fit (docs/model-format.md section 6).
        bias[o] = (int32_t)((int64_t)rintf(r->bias[o] / (in->scale * scale)) - (int64_t)in->zero * weight_sum(q, m, n));
        mult[o] = out->logits ? in->scale * scale : in->scale * scale / out->scale;
    }
    if (s4)
        k->pack_conv_s4(&op->geom, s->q, s->m, p->weights);
    else
        k->pack_conv_s8(&op->geom, s->q, p->weights);
    return JB_OK;
}

static int load_op(struct jb_cnn *m, struct cnn_op *op, const struct jb_gguf *g, uint32_t precisions, struct scratch *s, struct jb_err *err)
{
    int rc = load_real(op, g, &s->real, err);
    for (int p = 0; p < JB_PREC_COUNT && !rc; p++) {
        if (!(precisions & 1u << p))
            continue;
        rc = p == JB_PREC_F32 ? pack_f32(&m->kernels, op, &s->real, err) : pack_integer(m, op, (enum jb_precision)p, s, err);
    }
    if (!rc && op->packed[JB_PREC_INT4].s4) {
        size_t need = m->kernels.conv_s4_scratch_bytes(&op->geom);
        m->scratch_bytes = need > m->scratch_bytes ? need : m->scratch_bytes;
    }
    return rc;
}

static bool has_weights(const struct cnn_op *op)
{
    return op->kind == CNN_CONV || op->kind == CNN_FC;
}

int cnn_load_weights(struct jb_cnn *m, const struct jb_gguf *g, const struct jb_gguf *exits, uint32_t precisions, struct jb_err *err)
{
    size_t n = 1, channels = 1, groups = 1;
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const struct cnn_op *op = &m->ops[i];
        if (!has_weights(op))
            continue;
        size_t out_c = (size_t)op->geom.out_c, all = reduction(op) * out_c, all_groups = (size_t)jb_s4_groups(&op->geom) * out_c;
        n = all > n ? all : n;
        channels = out_c > channels ? out_c : channels;
        groups = all_groups > groups ? all_groups : groups;
    }
    // A graph may promise larger weights than the file holds; it holds at least two bytes for each that is true.
    if (n > jb_gguf_file_bytes(g) / 2 + (exits ? jb_gguf_file_bytes(exits) / 2 : 0) + 1)
        return jb_fail(err, JB_E_INVALID, "%s: an operation needs %zu weights, more than the file can hold", jb_gguf_name(g), n);
    struct scratch s = { .real = { .w = malloc(n * sizeof(float)), .bias = malloc(channels * sizeof(float)) }, .q = malloc(n), .m = malloc(groups) };
    int rc = s.real.w && s.real.bias && s.q && s.m ? JB_OK : jb_fail(err, JB_E_NOMEM, "%s: no memory for %zu weights", jb_gguf_name(g), n);
    for (uint32_t i = 0; i < m->n_ops && !rc; i++)
        if (has_weights(&m->ops[i]))
            rc = load_op(m, &m->ops[i], m->ops[i].from_exits ? exits : g, precisions, &s, err);
    free(s.real.w);
    free(s.real.bias);
    free(s.q);
    free(s.m);
    return rc;
}

void cnn_free_weights(struct jb_cnn *m)
{
    for (uint32_t i = 0; i < m->n_ops; i++)
        for (int p = 0; p < JB_PREC_COUNT; p++)
            free(m->ops[i].packed[p].weights);
}

// Bytes as they are read: weights at their width, multipliers of groups, and the tables of bias and mult.
static void count_op(struct cnn_op *op)
{
    uint64_t out_c = (uint64_t)op->geom.out_c, n = reduction(op), macs = jb_conv_macs(&op->geom);
    for (int p = 0; p < JB_PREC_COUNT; p++)
        op->cost[p].macs[p] = macs;
    op->cost[JB_PREC_F32].bytes[JB_PREC_F32] = out_c * n * 4 + out_c * 4;
    op->cost[JB_PREC_INT8].bytes[JB_PREC_INT8] = out_c * n + out_c * 8;
    op->cost[JB_PREC_INT4].bytes[JB_PREC_INT4] = takes_s4(op, JB_PREC_INT4) ? out_c * ((n + 1) / 2) + out_c * (uint64_t)jb_s4_groups(&op->geom) + out_c * 8 : out_c * n + out_c * 8;
}

void cnn_count_costs(struct jb_cnn *m, struct jb_model_info *info)
{
    for (uint32_t i = 0; i < m->n_ops; i++) {
        struct cnn_op *op = &m->ops[i];
        if (!has_weights(op))
            continue;
        count_op(op);
        struct jb_stage_info *stage = &info->stages[op->seq / 2];
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            jb_cost_add(op->seq % 2 ? &stage->head_cost[p] : &stage->cost[p], &op->cost[p]);
            info->weight_bytes[p] += op->packed[p].n_bytes;
        }
    }
}
