// Rows times packed weights, as kernels/rows.h prescribes: each output by itself, step by step.
#include <math.h>

#include "kernels/half.h"
#include "kernels/table.h"

static const char *output_block(const struct jb_matmul *a, enum jb_weight_kind kind, int32_t o)
{
    return (const char *)a->w + (size_t)(o / JB_PACK) * JB_PACK * jb_kind_row_bytes(kind, a->n);
}

static void store(const struct jb_matmul *a, int32_t r, int32_t o, float v)
{
    float *y = a->y + r * a->y_stride + o;
    *y = a->add ? *y + v : v;
}

static int32_t last_output(const struct jb_matmul *a)
{
    int32_t o = a->block1 * JB_PACK;
    return o < a->n_out ? o : a->n_out;
}

static void plain(const struct jb_matmul *a, enum jb_weight_kind kind)
{
    for (int32_t o = a->block0 * JB_PACK; o < last_output(a); o++) {
        const char *w = output_block(a, kind, o);
        for (int32_t r = 0; r < a->m; r++) {
            const float *x = a->x + r * a->x_stride;
            float s[4] = { 0 };
            for (ptrdiff_t k = 0; k < a->n; k++) {
                ptrdiff_t at = k * JB_PACK + o % JB_PACK;
                s[k % 4] = fmaf(x[k], kind == JB_W_F32 ? ((const float *)w)[at] : jb_f16_to_f32(((const uint16_t *)w)[at]), s[k % 4]);
            }
            store(a, r, o, (s[0] + s[1]) + (s[2] + s[3]));
        }
    }
}

// The quants of lane o in one block of 32, as the integers that they stand for (rows.h).
static void unpack(enum jb_weight_kind kind, const uint8_t *quants, int32_t o, int32_t w[JB_QK])
{
    for (int32_t g = 0; g < (kind == JB_W_Q8_0 ? 8 : 4); g++)
        for (int32_t j = 0; j < 4; j++) {
            int32_t v = quants[(g * JB_PACK + o) * 4 + j], k = 4 * g + j, zero = kind == JB_W_Q4_0 ? 8 : 0;
            if (kind == JB_W_Q8_0) {
                w[k] = v - 128;
            } else {
                w[k] = (v & 15) - zero;
                w[k + 16] = (v >> 4) - zero;
            }
        }
}

static float one_output(const struct jb_matmul *a, enum jb_weight_kind kind, int32_t r, int32_t o)
{
    ptrdiff_t blocks = a->n / JB_QK, block_bytes = (ptrdiff_t)(JB_PACK * jb_kind_row_bytes(kind, JB_QK));
    const char *at = output_block(a, kind, o);
    float sum = 0.0f;
    for (ptrdiff_t b = 0; b < blocks; b++, at += block_bytes) {
        const uint16_t *heads = (const uint16_t *)at; // scales, then (Q4_1) minima
        const struct jb_q8 *x = a->xq + r * blocks + b;
        int32_t w[JB_QK], i = 0;
        unpack(kind, (const uint8_t *)at + (kind == JB_W_Q4_1 ? 4 : 2) * JB_PACK, o % JB_PACK, w);
        for (int32_t k = 0; k < JB_QK; k++)
            i += w[k] * x->q[k];
        sum = fmaf((float)i, jb_f16_to_f32(heads[o % JB_PACK]) * x->d, sum);
        if (kind == JB_W_Q4_1)
            sum = fmaf(jb_f16_to_f32(heads[JB_PACK + o % JB_PACK]), x->s, sum);
    }
    return sum;
}

static void quantized(const struct jb_matmul *a, enum jb_weight_kind kind)
{
    for (int32_t o = a->block0 * JB_PACK; o < last_output(a); o++)
        for (int32_t r = 0; r < a->m; r++)
            store(a, r, o, one_output(a, kind, r, o));
}

void jb_matmul_f32_ref(const struct jb_matmul *a) { plain(a, JB_W_F32); }
void jb_matmul_f16_ref(const struct jb_matmul *a) { plain(a, JB_W_F16); }
void jb_matmul_q8_0_ref(const struct jb_matmul *a) { quantized(a, JB_W_Q8_0); }
void jb_matmul_q4_0_ref(const struct jb_matmul *a) { quantized(a, JB_W_Q4_0); }
void jb_matmul_q4_1_ref(const struct jb_matmul *a) { quantized(a, JB_W_Q4_1); }
