// Pooling, AVX2: vectors along the channels. The window is cut to the image once a pixel.
#include "kernels/x86/vec_avx2.inc"

#include "kernels/plane.h"
#include "kernels/table.h"

struct window { int32_t y0, y1, x0, x1; };

static struct window window_of(const struct jb_pool *a, int32_t y, int32_t x)
{
    struct window w;
    jb_window(y, a->stride_h, a->pad_h, a->kernel_h, a->in->h, &w.y0, &w.y1);
    jb_window(x, a->stride_w, a->pad_w, a->kernel_w, a->in->w, &w.x0, &w.x1);
    return w;
}

#define EACH_PIXEL \
    for (int32_t y = 0; y < a->out->h; y++) \
        for (int32_t x = 0; x < a->out->w; x++)

// Runs `step(p)` over the window, p being channel c of each of its pixels.
#define EACH_TAP(type, row_of, step) \
    for (int32_t r = w.y0; r < w.y1; r++) { \
        const type *p = row_of(a->in, r) + (ptrdiff_t)w.x0 * a->in->c + c; \
        for (int32_t s = w.x0; s < w.x1; s++, p += a->in->c) \
            step; \
    }

void jb_max_pool_f32_avx2(const struct jb_pool *a)
{
    EACH_PIXEL {
        struct window w = window_of(a, y, x);
        float *out = jb_row_f32(a->out, y) + (ptrdiff_t)x * a->out->c;
        for (int32_t c = 0; c < a->out->c; c += LANES) {
            vf m = vf_set1(-INFINITY);
            EACH_TAP(float, jb_row_f32, m = vf_max_nan(vf_load(p), m))
            vf_store(out + c, m, a->out->c - c);
        }
    }
}

// The first n bytes of x, n <= 16.
static inline void store_bytes(uint8_t *p, __m128i x, int32_t n)
{
    uint8_t bytes[16];
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)p, x);
        return;
    }
    _mm_storeu_si128((__m128i *)bytes, x);
    memcpy(p, bytes, (size_t)n);
}

void jb_max_pool_u8_avx2(const struct jb_pool *a)
{
    EACH_PIXEL {
        struct window w = window_of(a, y, x);
        uint8_t *out = jb_row_u8(a->out, y) + (ptrdiff_t)x * a->out->c;
        for (int32_t c = 0; c < a->out->c; c += 16) {
            __m128i m = _mm_setzero_si128();
            EACH_TAP(uint8_t, jb_row_u8, m = _mm_max_epu8(m, _mm_loadu_si128((const __m128i *)p)))
            store_bytes(out + c, m, a->out->c - c);
        }
    }
}

void jb_avg_pool_f32_avx2(const struct jb_pool *a)
{
    EACH_PIXEL {
        struct window w = window_of(a, y, x);
        float *out = jb_row_f32(a->out, y) + (ptrdiff_t)x * a->out->c;
        int32_t n = (w.y1 - w.y0) * (w.x1 - w.x0);
        vf by = vf_set1((float)(n ? n : 1));
        for (int32_t c = 0; c < a->out->c; c += LANES) {
            vf sum = vf_set1(0.0f);
            EACH_TAP(float, jb_row_f32, sum = vf_add(sum, vf_load(p)))
            vf_store(out + c, vf_div(sum, by), a->out->c - c);
        }
    }
}

void jb_avg_pool_u8_avx2(const struct jb_pool *a)
{
    vf lo = vf_set1((float)-a->out_zero), hi = vf_set1((float)(255 - a->out_zero));
    vi zero = vi_set1(a->out_zero);
    EACH_PIXEL {
        struct window w = window_of(a, y, x);
        uint8_t *out = jb_row_u8(a->out, y) + (ptrdiff_t)x * a->out->c;
        int32_t n = (w.y1 - w.y0) * (w.x1 - w.x0);
        vf mult = vf_set1(a->mult / (float)(n ? n : 1));
        for (int32_t c = 0; c < a->out->c; c += LANES) {
            vi sum = vi_set1(-n * a->in_zero);
            EACH_TAP(uint8_t, jb_row_u8, sum = vi_add(sum, vi_from_u8(p)))
            vf t = vf_min(vf_max(vf_mul(vi_to_f(sum), mult), lo), hi);
            vi_store_u8(out + c, vi_add(vf_to_i(t), zero), a->out->c - c);
        }
    }
}
