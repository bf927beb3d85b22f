// Pooling, AVX2: vectors along the channels. The window is cut to the image; rows once for an output row. The usual 2 x 2 window has a
// path without loops.
#include "kernels/x86/vec_avx2.inc"

#include "kernels/plane.h"
#include "kernels/table.h"

// The cut window of one output pixel: where it begins, and its size.
struct window { ptrdiff_t first; int32_t rows, columns; };

INLINE vf step_max_f32(const float *p, vf m) { return vf_max_nan(vf_load(p), m); }
INLINE vf step_add_f32(const float *p, vf m) { return vf_add(m, vf_load(p)); }
INLINE vi step_add_u8(const uint8_t *p, vi m) { return vi_add(m, vi_from_u8(p)); }
INLINE __m256i step_max_u8(const uint8_t *p, __m256i m) { return _mm256_max_epu8(m, vi_load_any(p)); } // 32 channels

// `step` over a window, in the reference's order.
#define OVER_WINDOW(name, type, vec) \
    INLINE vec over_##name(struct window w, const type *p, ptrdiff_t row, ptrdiff_t c, vec m) \
    { \
        if (w.rows == 2 && w.columns == 2) \
            return step_##name(p + row + c, step_##name(p + row, step_##name(p + c, step_##name(p, m)))); \
        for (int32_t r = 0; r < w.rows; r++) \
            for (int32_t s = 0; s < w.columns; s++) \
                m = step_##name(p + r * row + s * c, m); \
        return m; \
    }
OVER_WINDOW(max_f32, float, vf)
OVER_WINDOW(add_f32, float, vf)
OVER_WINDOW(add_u8, uint8_t, vi)
OVER_WINDOW(max_u8, uint8_t, __m256i)

// A whole operator: `finish(a, w, in, out)` makes one output pixel.
#define OVER_PIXELS(type, finish) \
    for (int32_t y = 0; y < a->out->h; y++) { \
        int32_t y0, y1, x0, x1; \
        jb_window(y, a->stride_h, a->pad_h, a->kernel_h, a->in->h, &y0, &y1); \
        type *out = (type *)a->out->data + y * a->out->row_stride; \
        for (int32_t x = 0; x < a->out->w; x++, out += a->out->c) { \
            jb_window(x, a->stride_w, a->pad_w, a->kernel_w, a->in->w, &x0, &x1); \
            struct window w = { y0 * a->in->row_stride + (ptrdiff_t)x0 * a->in->c, y1 - y0, x1 - x0 }; \
            finish(a, w, (const type *)a->in->data + w.first, out); \
        } \
    }

INLINE void max_f32(const struct jb_pool *a, struct window w, const float *in, float *out)
{
    for (ptrdiff_t c = 0, n = a->in->c; c < n; c += LANES)
        vf_store(out + c, over_max_f32(w, in + c, a->in->row_stride, n, vf_set1(-INFINITY)), n - c);
}

INLINE void avg_f32(const struct jb_pool *a, struct window w, const float *in, float *out)
{
    int32_t taps = w.rows * w.columns;
    vf by = vf_set1((float)(taps ? taps : 1));
    for (ptrdiff_t c = 0, n = a->in->c; c < n; c += LANES)
        vf_store(out + c, vf_div(over_add_f32(w, in + c, a->in->row_stride, n, vf_set1(0.0f)), by), n - c);
}

INLINE void max_u8(const struct jb_pool *a, struct window w, const uint8_t *in, uint8_t *out)
{
    for (ptrdiff_t c = 0, n = a->in->c; c < n; c += 32) {
        __m256i m = over_max_u8(w, in + c, a->in->row_stride, n, _mm256_setzero_si256());
        uint8_t bytes[32];
        if (n - c >= 32) {
            vi_store_any(out + c, m);
        } else if (n - c == 16) {
            _mm_storeu_si128((__m128i *)(out + c), _mm256_castsi256_si128(m));
        } else {
            vi_store_any(bytes, m);
            memcpy(out + c, bytes, (size_t)(n - c));
        }
    }
}

INLINE void avg_u8(const struct jb_pool *a, struct window w, const uint8_t *in, uint8_t *out)
{
    int32_t taps = w.rows * w.columns;
    vf lo = vf_set1((float)-a->out_zero), hi = vf_set1((float)(255 - a->out_zero)), mult = vf_set1(a->mult / (float)(taps ? taps : 1));
    for (ptrdiff_t c = 0, n = a->in->c; c < n; c += LANES) {
        vi sum = over_add_u8(w, in + c, a->in->row_stride, n, vi_set1(-taps * a->in_zero));
        vf t = vf_min(vf_max(vf_mul(vi_to_f(sum), mult), lo), hi);
        vi_store_u8(out + c, vi_add(vf_to_i(t), vi_set1(a->out_zero)), n - c);
    }
}

void jb_max_pool_f32_avx2(const struct jb_pool *a)
{
    OVER_PIXELS(float, max_f32)
}

void jb_max_pool_u8_avx2(const struct jb_pool *a)
{
    OVER_PIXELS(uint8_t, max_u8)
}

void jb_avg_pool_f32_avx2(const struct jb_pool *a)
{
    OVER_PIXELS(float, avg_f32)
}

void jb_avg_pool_u8_avx2(const struct jb_pool *a)
{
    OVER_PIXELS(uint8_t, avg_u8)
}
