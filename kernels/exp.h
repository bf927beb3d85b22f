// exp as every tier computes it (kernels/rows.h): the constants, and the reference. Private to kernels/.
// The polynomial is 1 + r + r^2 q(r) with q of degree 4, minimax in relative error over |r| <= ln(2) / 2: 2^-28 before rounding.
#ifndef JB_KERNELS_EXP_H
#define JB_KERNELS_EXP_H

#include <math.h>
#include "kernels/half.h"

#define JB_EXP_LEAST -87.33f // below: 0. So that no result is subnormal
#define JB_EXP_MOST 88.72f   // above: Inf
#define JB_EXP_LOG2E 0x1.715476p+0f
#define JB_EXP_LN2_HI 0x1.62e43p-1f
#define JB_EXP_LN2_LO -0x1.05c61p-29f
#define JB_EXP_C2 0x1.fffffcp-2f
#define JB_EXP_C3 0x1.555492p-3f
#define JB_EXP_C4 0x1.5558f2p-5f
#define JB_EXP_C5 0x1.123a2p-7f
#define JB_EXP_C6 0x1.6a23dp-10f

static inline float jb_exp(float x)
{
    if (!(x >= JB_EXP_LEAST))
        return x < JB_EXP_LEAST ? 0.0f : x;
    if (x > JB_EXP_MOST)
        return INFINITY;
    float n = rintf(x * JB_EXP_LOG2E), r = fmaf(-n, JB_EXP_LN2_HI, x), p = JB_EXP_C6;
    r = fmaf(-n, JB_EXP_LN2_LO, r);
    p = fmaf(p, r, JB_EXP_C5);
    p = fmaf(p, r, JB_EXP_C4);
    p = fmaf(p, r, JB_EXP_C3);
    p = fmaf(p, r, JB_EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    int32_t half = (int32_t)n / 2, rest = (int32_t)n - half; // 2^128 is no binary32: two steps, each exact
    return p * jb_f32_from_bits((uint32_t)(half + 127) << 23) * jb_f32_from_bits((uint32_t)(rest + 127) << 23);
}

#endif
