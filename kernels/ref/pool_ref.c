// Pooling. Values outside the image take no part: the window is cut to the image, and averages divide by what remains.
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

static float max_f32(const struct jb_plane *in, struct window w, int32_t c)
{
    float m = -INFINITY;
    for (int32_t y = w.y0; y < w.y1; y++)
        for (int32_t x = w.x0; x < w.x1; x++) {
            float v = jb_row_f32(in, y)[(ptrdiff_t)x * in->c + c];
            if (v > m || v != v) // NaN wins, as in PyTorch
                m = v;
        }
    return m;
}

static uint8_t max_u8(const struct jb_plane *in, struct window w, int32_t c)
{
    uint8_t m = 0;
    for (int32_t y = w.y0; y < w.y1; y++)
        for (int32_t x = w.x0; x < w.x1; x++) {
            uint8_t v = jb_row_u8(in, y)[(ptrdiff_t)x * in->c + c];
            if (v > m)
                m = v;
        }
    return m;
}

static float avg_f32(const struct jb_plane *in, struct window w, int32_t c)
{
    float sum = 0.0f;
    int32_t n = (w.y1 - w.y0) * (w.x1 - w.x0);
    for (int32_t y = w.y0; y < w.y1; y++)
        for (int32_t x = w.x0; x < w.x1; x++)
            sum += jb_row_f32(in, y)[(ptrdiff_t)x * in->c + c];
    return n ? sum / (float)n : 0.0f;
}

static uint8_t avg_u8(const struct jb_pool *a, struct window w, int32_t c)
{
    int32_t sum = 0, n = (w.y1 - w.y0) * (w.x1 - w.x0);
    for (int32_t y = w.y0; y < w.y1; y++)
        for (int32_t x = w.x0; x < w.x1; x++)
            sum += jb_row_u8(a->in, y)[(ptrdiff_t)x * a->in->c + c];
    float mult = a->mult / (float)(n ? n : 1);
    return jb_requant((float)(sum - n * a->in_zero) * mult, a->out_zero, 0, 255);
}

#define EACH(row_type, row, value) \
    for (int32_t y = 0; y < a->out->h; y++) \
        for (int32_t x = 0; x < a->out->w; x++) { \
            struct window w = window_of(a, y, x); \
            row_type *out = row(a->out, y) + (ptrdiff_t)x * a->out->c; \
            for (int32_t c = 0; c < a->out->c; c++) \
                out[c] = (value); \
        }

void jb_max_pool_f32_ref(const struct jb_pool *a)
{
    EACH(float, jb_row_f32, max_f32(a->in, w, c))
}

void jb_max_pool_u8_ref(const struct jb_pool *a)
{
    EACH(uint8_t, jb_row_u8, max_u8(a->in, w, c))
}

void jb_avg_pool_f32_ref(const struct jb_pool *a)
{
    EACH(float, jb_row_f32, avg_f32(a->in, w, c))
}

void jb_avg_pool_u8_ref(const struct jb_pool *a)
{
    EACH(uint8_t, jb_row_u8, avg_u8(a, w, c))
}
