// Operators on rows that are no matrix product: quantization, norm, activation, rotation, K/V (kernels/rows.h).
#include <math.h>
#include <string.h>

#include "kernels/exp.h"
#include "kernels/ref/rows_lanes.h"
#include "kernels/rows_quant.h"
#include "kernels/table.h"

void jb_quantize_rows_ref(const float *x, ptrdiff_t x_stride, int32_t m, int32_t n, struct jb_q8 *out)
{
    for (ptrdiff_t r = 0; r < m; r++)
        for (ptrdiff_t b = 0; b < n / JB_QK; b++, out++) {
            const float *from = x + r * x_stride + b * JB_QK;
            struct jb_quant s = jb_quant_of(jb_amax_bits(from, JB_QK));
            int32_t sum = 0;
            for (int32_t i = 0; i < JB_QK; i++)
                sum += out->q[i] = jb_quant_value(s, from[i]);
            out->d = s.d;
            out->s = s.d * (float)sum;
            out->zero = -128 * sum;
            out->unused = 0;
        }
}

void jb_rms_norm_ref(const struct jb_rms_norm *a)
{
    for (int32_t r = 0; r < a->m; r++) {
        const float *x = a->x + r * a->x_stride;
        float *y = a->y + r * a->y_stride, s[JB_PACK] = { 0 };
        for (int32_t i = 0; i < a->n; i++)
            s[i % JB_PACK] = fmaf(x[i], x[i], s[i % JB_PACK]);
        float scale = 1.0f / sqrtf(jb_lanes_sum(s) / (float)a->n + a->eps);
        for (int32_t i = 0; i < a->n; i++) {
            float t = x[i] * scale;
            y[i] = t * a->w[i];
        }
    }
}

void jb_silu_mul_ref(const struct jb_silu_mul *a)
{
    for (size_t i = 0; i < a->n; i++) {
        float t = a->g[i] / (1.0f + jb_exp(-a->g[i]));
        a->y[i] = t * a->u[i];
    }
}

void jb_rope_ref(const struct jb_rope *a)
{
    for (int32_t h = 0; h < a->n_heads; h++)
        for (int32_t i = 0; i < a->n_rot / 2; i++) {
            float *x = a->x + (ptrdiff_t)h * a->head_dim + 2 * i, cos = a->cs[2 * i], sin = a->cs[2 * i + 1];
            float p = x[1] * sin, q = x[0] * sin;
            x[0] = fmaf(x[0], cos, -p);
            x[1] = fmaf(x[1], cos, q);
        }
}

static void put_f16(const struct jb_kv_put *a)
{
    const struct jb_kv_layer *kv = a->kv;
    ptrdiff_t n_blocks = kv->positions / JB_PACK, p = a->position;
    for (ptrdiff_t h = 0; h < kv->n_heads; h++)
        for (ptrdiff_t d = 0; d < kv->head_dim; d++) {
            kv->k16[((h * n_blocks + p / JB_PACK) * kv->head_dim + d) * JB_PACK + p % JB_PACK] = jb_f32_to_f16(a->k[h * kv->head_dim + d]);
            kv->v16[(h * kv->positions + p) * kv->head_dim + d] = jb_f32_to_f16(a->v[h * kv->head_dim + d]);
        }
}

static void put_int8(const struct jb_kv_put *a)
{
    const struct jb_kv_layer *kv = a->kv;
    ptrdiff_t n_blocks = kv->positions / JB_PACK, p = a->position;
    for (ptrdiff_t h = 0; h < kv->n_heads; h++) {
        const float *k = a->k + h * kv->head_dim, *v = a->v + h * kv->head_dim;
        struct jb_quant sk = jb_quant_of(jb_amax_bits(k, kv->head_dim)), sv = jb_quant_of(jb_amax_bits(v, kv->head_dim));
        kv->ks[h * kv->positions + p] = sk.d;
        kv->vs[h * kv->positions + p] = sv.d;
        for (ptrdiff_t d = 0; d < kv->head_dim; d++) {
            kv->k8[((h * n_blocks + p / JB_PACK) * kv->head_dim + d) * JB_PACK + p % JB_PACK] = jb_quant_value(sk, k[d]);
            kv->v8[(h * kv->positions + p) * kv->head_dim + d] = jb_quant_value(sv, v[d]);
        }
    }
}

void jb_kv_put_ref(const struct jb_kv_put *a)
{
    if (a->kv->kind == JB_KV_F16)
        put_f16(a);
    else
        put_int8(a);
}
