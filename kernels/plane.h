// Small inlines over planes that every tier shares, so that rounding and border rules stand in one place. Private to kernels/.
#ifndef JB_KERNELS_PLANE_H
#define JB_KERNELS_PLANE_H

#include <math.h>
#include "kernels/kernels.h"

static inline float *jb_row_f32(const struct jb_plane *p, ptrdiff_t y)
{
    return (float *)p->data + y * p->row_stride;
}

static inline uint8_t *jb_row_u8(const struct jb_plane *p, ptrdiff_t y)
{
    return (uint8_t *)p->data + y * p->row_stride;
}

static inline int32_t jb_clamp_i32(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

// clamp(rint(t) + zero, lo, hi). The first clamp keeps the conversion defined; it cannot change the result, since zero is 0..255.
// NaN, which no caller produces, gives lo in every tier.
static inline uint8_t jb_requant(float t, int32_t zero, int32_t lo, int32_t hi)
{
    t = !(t > -1e6f) ? -1e6f : t > 1e6f ? 1e6f : t;
    return (uint8_t)jb_clamp_i32((int32_t)rintf(t) + zero, lo, hi);
}

// NaN stays NaN, as in PyTorch; -0 stays -0, as with maxps(0, x).
static inline float jb_relu(float x)
{
    return 0.0f > x ? 0.0f : x;
}

static inline float jb_act(float x, enum jb_act act)
{
    float relu6 = x + 3.0f;
    switch (act) {
    case JB_ACT_RELU:
        return jb_relu(x);
    case JB_ACT_RELU6:
        x = jb_relu(x);
        return x > 6.0f ? 6.0f : x;
    case JB_ACT_HSWISH: // x * relu6(x + 3) / 6
        relu6 = jb_relu(relu6);
        relu6 = relu6 > 6.0f ? 6.0f : relu6;
        return x * relu6 / 6.0f;
    case JB_ACT_NONE:
        break;
    }
    return x;
}

// The part of a pooling window that lies inside the image: [*begin, *end), maybe empty.
static inline void jb_window(int32_t o, int32_t stride, int32_t pad, int32_t kernel, int32_t size, int32_t *begin, int32_t *end)
{
    int32_t b = o * stride - pad, e = b + kernel;
    *begin = b < 0 ? 0 : b > size ? size : b;
    *end = e > size ? size : e < *begin ? *begin : e;
}

// Planes without a halo are one run: loops over rows then see h = 1, w = h * w.
static inline void jb_rows(const struct jb_plane *a, const struct jb_plane *b, int32_t *rows, ptrdiff_t *values)
{
    bool one_run = a->pad == 0 && (b == NULL || b->pad == 0);
    *rows = one_run ? 1 : a->h;
    *values = (one_run ? (ptrdiff_t)a->h : 1) * a->w * a->c;
}

static inline size_t jb_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

#endif
