// binary16, exactly as F16C converts it. Private to kernels/ and to those who read its layouts.
#ifndef JB_KERNELS_HALF_H
#define JB_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t jb_f32_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float jb_f32_from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

// Exact; a signalling NaN becomes quiet.
static inline float jb_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, m = h & 0x3ffu;
    if (exponent == 31)
        return jb_f32_from_bits(sign | 0x7f800000u | m << 13 | (m ? 0x400000u : 0u));
    if (exponent == 0)
        return jb_f32_from_bits(sign | jb_f32_bits((float)m * 0x1p-24f));
    return jb_f32_from_bits(sign | (exponent + 112) << 23 | m << 13);
}

// To nearest even; past the largest: Inf; subnormals are kept; NaN stays a quiet NaN with the upper bits of its payload.
static inline uint16_t jb_f32_to_f16(float x)
{
    uint32_t u = jb_f32_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x1ffu));
    if (a >= 0x477ff000u) // 65520 rounds to 2^16
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) // below 2^-14: the sum's last bit is 2^-24
        return (uint16_t)(sign | (jb_f32_bits(jb_f32_from_bits(a) + 0.5f) - 0x3f000000u));
    a += 0xfffu + (a >> 13 & 1u);
    return (uint16_t)(sign | ((a - (112u << 23)) >> 13));
}

#endif
