// Attention of one row, and what is asked of a row of logits (kernels/rows.h).
#include <math.h>

#include "kernels/exp.h"
#include "kernels/ref/rows_lanes.h"
#include "kernels/rows_best.h"
#include "kernels/table.h"

static float score(const struct jb_attention *a, const float *q, ptrdiff_t h, ptrdiff_t j)
{
    const struct jb_kv_layer *kv = a->kv;
    ptrdiff_t block = (h * (kv->positions / JB_PACK) + j / JB_PACK) * kv->head_dim;
    float s[4] = { 0 };
    for (ptrdiff_t d = 0; d < kv->head_dim; d++) {
        ptrdiff_t at = (block + d) * JB_PACK + j % JB_PACK;
        s[d % 4] = fmaf(q[d], kv->kind == JB_KV_F16 ? jb_f16_to_f32(kv->k16[at]) : (float)kv->k8[at], s[d % 4]);
    }
    float t = (s[0] + s[1]) + (s[2] + s[3]);
    if (kv->kind == JB_KV_INT8)
        t = t * kv->ks[h * kv->positions + j];
    return t * a->scale;
}

// Query head `query` of KV head h. p: (positions)
static void head(const struct jb_attention *a, ptrdiff_t h, ptrdiff_t query, float *p)
{
    const struct jb_kv_layer *kv = a->kv;
    float *out = a->out + query * kv->head_dim, mx = -INFINITY, z[JB_PACK] = { 0 };
    for (ptrdiff_t j = 0; j <= a->last; j++) {
        p[j] = score(a, a->q + query * kv->head_dim, h, j);
        mx = p[j] > mx ? p[j] : mx;
    }
    for (ptrdiff_t j = 0; j <= a->last; j++)
        z[j % JB_PACK] += p[j] = jb_exp(p[j] - mx);
    float total = jb_lanes_sum(z);
    for (ptrdiff_t d = 0; d < kv->head_dim; d++) {
        float o = 0.0f;
        for (ptrdiff_t j = 0; j <= a->last; j++) {
            ptrdiff_t row = h * kv->positions + j, at = row * kv->head_dim + d;
            float t = kv->kind == JB_KV_F16 ? p[j] : p[j] * kv->vs[row];
            o = fmaf(t, kv->kind == JB_KV_F16 ? jb_f16_to_f32(kv->v16[at]) : (float)kv->v8[at], o);
        }
        out[d] = o / total;
    }
}

void jb_attention_ref(const struct jb_attention *a)
{
    for (ptrdiff_t h = a->head0; h < a->head1; h++)
        for (ptrdiff_t g = 0; g < a->group; g++)
            head(a, h, h * a->group + g, a->scratch + g * a->kv->positions);
}

void jb_best_ref(struct jb_best *a)
{
    a->n_found = a->n_nan = 0;
    for (int32_t i = 0; i < a->n; i++)
        jb_best_offer(a, i);
}

void jb_log_sum_ref(struct jb_log_sum *a)
{
    float mx = -INFINITY, s[JB_PACK] = { 0 };
    for (int32_t i = 0; i < a->n; i++)
        mx = a->x[i] > mx ? a->x[i] : mx;
    for (int32_t i = 0; i < a->n; i++)
        s[i % JB_PACK] += jb_exp(a->x[i] - mx);
    a->out = mx + logf(jb_lanes_sum(s));
}
