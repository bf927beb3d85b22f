// Operators that treat each value alone, concatenation, and softmax.
#include <string.h>

#include "kernels/plane.h"
#include "kernels/table.h"

void jb_add_f32_ref(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, enum jb_act act)
{
    for (int32_t y = 0; y < out->h; y++) {
        const float *p = jb_row_f32(a, y), *q = jb_row_f32(b, y);
        float *o = jb_row_f32(out, y);
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out->w * out->c; i++)
            o[i] = jb_act(p[i] + q[i], act);
    }
}

void jb_add_u8_ref(const struct jb_add_u8 *a)
{
    for (int32_t y = 0; y < a->out->h; y++) {
        const uint8_t *p = jb_row_u8(a->a, y), *q = jb_row_u8(a->b, y);
        uint8_t *o = jb_row_u8(a->out, y);
        for (ptrdiff_t i = 0; i < (ptrdiff_t)a->out->w * a->out->c; i++) {
            float s = (float)((int32_t)p[i] - a->a_zero) * a->a_mult, t = (float)((int32_t)q[i] - a->b_zero) * a->b_mult;
            o[i] = jb_requant(s + t, a->out_zero, a->lo, 255);
        }
    }
}

void jb_act_f32_ref(const struct jb_plane *in, const struct jb_plane *out, enum jb_act act)
{
    for (int32_t y = 0; y < out->h; y++) {
        const float *p = jb_row_f32(in, y);
        float *o = jb_row_f32(out, y);
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out->w * out->c; i++)
            o[i] = jb_act(p[i], act);
    }
}

void jb_concat_ref(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, size_t element_bytes)
{
    size_t a_bytes = (size_t)a->c * element_bytes, b_bytes = (size_t)b->c * element_bytes;
    for (int32_t y = 0; y < out->h; y++)
        for (int32_t x = 0; x < out->w; x++) {
            char *o = (char *)out->data + (y * out->row_stride + (ptrdiff_t)x * out->c) * (ptrdiff_t)element_bytes;
            memcpy(o, (const char *)a->data + (y * a->row_stride + (ptrdiff_t)x * a->c) * (ptrdiff_t)element_bytes, a_bytes);
            memcpy(o + a_bytes, (const char *)b->data + (y * b->row_stride + (ptrdiff_t)x * b->c) * (ptrdiff_t)element_bytes, b_bytes);
        }
}

// The sum is kept in double, so that it adds nothing to expf's own error. +Inf takes the limit: the infinite entries share 1.
void jb_softmax_f32_ref(const float *x, float *out, int32_t n, float inverse_temperature)
{
    float max = -INFINITY;
    double sum = 0.0;
    bool nan = false;
    for (int32_t i = 0; i < n; i++) {
        nan |= x[i] != x[i];
        max = x[i] > max ? x[i] : max;
    }
    for (int32_t i = 0; i < n; i++) {
        float e = x[i] == max ? 1.0f : isinf(max) ? 0.0f : expf((x[i] - max) * inverse_temperature);
        out[i] = e;
        sum += (double)e;
    }
    for (int32_t i = 0; i < n; i++)
        out[i] = nan ? NAN : (float)((double)out[i] / sum);
}

void jb_quantize_ref(const struct jb_plane *in_f32, const struct jb_plane *out_u8, float inverse_scale, int32_t zero)
{
    for (int32_t y = 0; y < out_u8->h; y++) {
        const float *p = jb_row_f32(in_f32, y);
        uint8_t *o = jb_row_u8(out_u8, y);
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out_u8->w * out_u8->c; i++) {
            float t = p[i] * inverse_scale;
            o[i] = jb_requant(t != t ? 0.0f : t, zero, 0, 255);
        }
    }
}

void jb_dequantize_ref(const struct jb_plane *in_u8, const struct jb_plane *out_f32, float scale, int32_t zero)
{
    for (int32_t y = 0; y < out_f32->h; y++) {
        const uint8_t *p = jb_row_u8(in_u8, y);
        float *o = jb_row_f32(out_f32, y);
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out_f32->w * out_f32->c; i++)
            o[i] = (float)((int32_t)p[i] - zero) * scale;
    }
}

void jb_bytes_to_f32_ref(const uint8_t *in, const struct jb_plane *out, const float *scale, const float *offset)
{
    for (int32_t y = 0; y < out->h; y++) {
        float *o = jb_row_f32(out, y);
        for (int32_t x = 0; x < out->w; x++)
            for (int32_t c = 0; c < out->c; c++) {
                float t = (float)*in++ * scale[c];
                *o++ = t + offset[c];
            }
    }
}

void jb_bytes_to_plane_ref(const uint8_t *in, const struct jb_plane *out)
{
    size_t row = (size_t)out->w * (size_t)out->c;
    for (int32_t y = 0; y < out->h; y++)
        memcpy(jb_row_u8(out, y), in + (size_t)y * row, row);
}
