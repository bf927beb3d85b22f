// One group of values to 8 bits: the rule of quantize_rows and of the int8 K/V (kernels/rows.h). Private to kernels/.
#ifndef JB_KERNELS_ROWS_QUANT_H
#define JB_KERNELS_ROWS_QUANT_H

#include <math.h>
#include "kernels/half.h"

#define JB_QUANT_LEAST 0x1p-100f // 127 / amax would pass binary32 not far below
struct jb_quant { float d, id; };

// From the largest |x| as bits: as integers, those of finite values rise with the value, then Inf, then NaN.
static inline struct jb_quant jb_quant_of(uint32_t amax_bits)
{
    float amax = jb_f32_from_bits(amax_bits);
    if (amax_bits >= 0x7f800000u)
        return (struct jb_quant){ NAN, 0.0f };
    if (amax < JB_QUANT_LEAST)
        return (struct jb_quant){ 0.0f, 0.0f };
    return (struct jb_quant){ amax / 127.0f, 127.0f / amax };
}

static inline uint32_t jb_amax_bits(const float *x, int32_t n)
{
    uint32_t most = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t u = jb_f32_bits(x[i]) & 0x7fffffffu;
        most = u > most ? u : most;
    }
    return most;
}

static inline int8_t jb_quant_value(struct jb_quant s, float x)
{
    return s.id == 0.0f ? 0 : (int8_t)(int32_t)rintf(x * s.id);
}

#endif
