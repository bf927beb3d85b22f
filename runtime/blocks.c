// Blocks of values widened to f32, and f32 narrowed to blocks: the C reference, in the order of the table of blocks.h.
#include <math.h>
#include <string.h>
#include <strings.h>

#include "kernels/half.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"

#define QK 32
#define QK_K 256

static uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t load_u32(const uint8_t *p)
{
    return load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}

static float load_half(const uint8_t *p)
{
    return jb_f16_to_f32(load_u16(p));
}

static void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void widen_f32(const void *row, float *out, size_t n)
{
    const uint8_t *p = row;
    for (size_t i = 0; i < n; i++)
        out[i] = jb_f32_from_bits(load_u32(p + 4 * i));
}

static void widen_f16(const void *row, float *out, size_t n)
{
    const uint8_t *p = row;
    for (size_t i = 0; i < n; i++)
        out[i] = load_half(p + 2 * i);
}

static void widen_bf16(const void *row, float *out, size_t n)
{
    const uint8_t *p = row;
    for (size_t i = 0; i < n; i++)
        out[i] = jb_f32_from_bits((uint32_t)load_u16(p + 2 * i) << 16);
}

static void widen_q8_0(const void *row, float *out, size_t n)
{
    const uint8_t *p = row;
    for (size_t b = 0; b < n / QK; b++, p += 34, out += QK) {
        float d = load_half(p);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)(int8_t)p[2 + i];
    }
}

// The four types of 32 values share a form: d, perhaps m, perhaps the high bits, then nibbles.
static void widen_nibbles(const uint8_t *p, float *out, size_t n, bool has_min, bool has_high)
{
    for (size_t b = 0; b < n / QK; b++, out += QK) {
        float d = load_half(p), m = has_min ? load_half(p + 2) : 0.0f;
        p += has_min ? 4 : 2;
        uint32_t high = has_high ? load_u32(p) : 0;
        p += has_high ? 4 : 0;
        int zero = has_min ? 0 : has_high ? 16 : 8;
        for (int i = 0; i < QK; i++) {
            int q = (i < 16 ? p[i] & 15 : p[i - 16] >> 4) | (int)(high >> i & 1) << 4;
            float x = d * (float)(q - zero);
            out[i] = has_min ? x + m : x; // x + 0 would turn -0 into 0
        }
        p += 16;
    }
}

static void widen_q4_0(const void *row, float *out, size_t n)
{
    widen_nibbles(row, out, n, false, false);
}

static void widen_q4_1(const void *row, float *out, size_t n)
{
    widen_nibbles(row, out, n, true, false);
}

static void widen_q5_0(const void *row, float *out, size_t n)
{
    widen_nibbles(row, out, n, false, true);
}

static void widen_q5_1(const void *row, float *out, size_t n)
{
    widen_nibbles(row, out, n, true, true);
}

// Eight scales and eight minima of six bits in 12 bytes: the first four of each lie in the low six bits of bytes 0..7; of the last four, the low four bits lie in the
// nibbles of bytes 8..11, the high two in the top bits of bytes 0..7.
static void get_scale(const uint8_t *s, int g, int *scale, int *min)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *min = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
        *min = s[g + 4] >> 4 | (s[g] >> 6) << 4;
    }
}

static void widen_k45(const uint8_t *p, float *out, size_t n, bool has_high)
{
    for (size_t b = 0; b < n / QK_K; b++, p += has_high ? 176 : 144) {
        float d = load_half(p), m = load_half(p + 2);
        const uint8_t *high = p + 16, *low = has_high ? p + 48 : p + 16;
        for (int g = 0; g < 8; g++, out += 32) {
            int scale, min;
            get_scale(p + 4, g, &scale, &min);
            float dg = d * (float)scale, mg = m * (float)min;
            for (int j = 0; j < 32; j++) {
                int q = g % 2 ? low[32 * (g / 2) + j] >> 4 : low[32 * (g / 2) + j] & 15;
                if (has_high)
                    q |= (high[j] >> g & 1) << 4;
                out[j] = dg * (float)q - mg;
            }
        }
    }
}

static void widen_q4_k(const void *row, float *out, size_t n)
{
    widen_k45(row, out, n, false);
}

static void widen_q5_k(const void *row, float *out, size_t n)
{
    widen_k45(row, out, n, true);
}

// Each half of 128 values has 64 bytes of low nibbles and 32 of high pairs: value 32 r + j of the half takes the nibble r / 2 of low byte 32 (r % 2) + j, and the pair r of high byte j.
static void widen_q6_k(const void *row, float *out, size_t n)
{
    const uint8_t *p = row;
    for (size_t b = 0; b < n / QK_K; b++, p += 210)
        for (int half = 0; half < 2; half++) {
            const uint8_t *low = p + 64 * half, *high = p + 128 + 32 * half;
            for (int i = 0; i < 128; i++) {
                int r = i / 32, j = i % 32, nibble = low[32 * (r % 2) + j] >> (r < 2 ? 0 : 4) & 15;
                float scale = load_half(p + 208) * (float)(int8_t)p[192 + 8 * half + i / 16];
                *out++ = scale * (float)((nibble | (high[j] >> 2 * r & 3) << 4) - 32);
            }
        }
}

static bool narrow_f32(const float *values, void *row, size_t n)
{
    uint8_t *p = row;
    for (size_t i = 0; i < n; i++, p += 4) {
        uint32_t bits = jb_f32_bits(values[i]);
        if (!isfinite(values[i]))
            return false;
        store_u16(p, (uint16_t)bits);
        store_u16(p + 2, (uint16_t)(bits >> 16));
    }
    return true;
}

static bool narrow_f16(const float *values, void *row, size_t n)
{
    uint8_t *p = row;
    for (size_t i = 0; i < n; i++, p += 2) {
        uint16_t h = jb_f32_to_f16(values[i]);
        if ((h & 0x7c00u) == 0x7c00u)
            return false;
        store_u16(p, h);
    }
    return true;
}

// The value of largest magnitude (the first of equals); false when a value is NaN or infinite.
static bool extreme(const float *x, float *out)
{
    float most = 0.0f, signed_most = 0.0f;
    for (int i = 0; i < QK; i++) {
        if (!isfinite(x[i]))
            return false;
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            signed_most = x[i];
        }
    }
    *out = signed_most;
    return true;
}

// 1 / d; 0 for blocks so small that it overflows: their f16 scale is 0 anyway.
static float inverse(float d)
{
    float id = d != 0.0f ? 1.0f / d : 0.0f;
    return isfinite(id) ? id : 0.0f;
}

// The scale as f16; false when it overflows.
static bool put_scale(uint8_t *p, float d)
{
    uint16_t h = jb_f32_to_f16(d);
    store_u16(p, h);
    return (h & 0x7c00u) != 0x7c00u;
}

// d = max |x| / 127, q = x * (1 / d) rounded half away from zero.
static bool narrow_q8_0(const float *values, void *row, size_t n)
{
    uint8_t *p = row;
    for (size_t b = 0; b < n / QK; b++, p += 34, values += QK) {
        float most;
        if (!extreme(values, &most))
            return false;
        float d = fabsf(most) / 127.0f, id = inverse(d);
        if (!put_scale(p, d))
            return false;
        for (int i = 0; i < QK; i++)
            p[2 + i] = (uint8_t)(int8_t)roundf(values[i] * id);
    }
    return true;
}

// d = the value of largest magnitude / -8 (so that it becomes q = 0 exactly), q = x * (1 / d) + 8.5 cut off, at most 15.
static uint8_t nibble(float x, float id)
{
    int q = (int)(x * id + 8.5f);
    return (uint8_t)(q > 15 ? 15 : q < 0 ? 0 : q);
}

static bool narrow_q4_0(const float *values, void *row, size_t n)
{
    uint8_t *p = row;
    for (size_t b = 0; b < n / QK; b++, p += 18, values += QK) {
        float most;
        if (!extreme(values, &most))
            return false;
        float d = most / -8.0f, id = inverse(d);
        if (!put_scale(p, d))
            return false;
        for (int j = 0; j < 16; j++)
            p[2 + j] = (uint8_t)(nibble(values[j], id) | nibble(values[j + 16], id) << 4);
    }
    return true;
}

// The types without functions are known by size: such a file can be inspected.
static const struct jb_block_type types[] = {
    { JB_GGML_F32, "f32", 1, 4, widen_f32, narrow_f32 },
    { JB_GGML_F16, "f16", 1, 2, widen_f16, narrow_f16 },
    { JB_GGML_BF16, "bf16", 1, 2, widen_bf16, NULL },
    { JB_GGML_Q4_0, "q4_0", 32, 18, widen_q4_0, narrow_q4_0 },
    { JB_GGML_Q4_1, "q4_1", 32, 20, widen_q4_1, NULL },
    { JB_GGML_Q5_0, "q5_0", 32, 22, widen_q5_0, NULL },
    { JB_GGML_Q5_1, "q5_1", 32, 24, widen_q5_1, NULL },
    { JB_GGML_Q8_0, "q8_0", 32, 34, widen_q8_0, narrow_q8_0 },
    { JB_GGML_Q4_K, "q4_K", 256, 144, widen_q4_k, NULL },
    { JB_GGML_Q5_K, "q5_K", 256, 176, widen_q5_k, NULL },
    { JB_GGML_Q6_K, "q6_K", 256, 210, widen_q6_k, NULL },
    { JB_GGML_Q2_K, "q2_K", 256, 84, NULL, NULL },
    { JB_GGML_Q3_K, "q3_K", 256, 110, NULL, NULL },
    { JB_GGML_I8, "i8", 1, 1, NULL, NULL },
    { JB_GGML_I16, "i16", 1, 2, NULL, NULL },
    { JB_GGML_I32, "i32", 1, 4, NULL, NULL },
    { JB_GGML_I64, "i64", 1, 8, NULL, NULL },
    { JB_GGML_F64, "f64", 1, 8, NULL, NULL },
};

const struct jb_block_type *jb_block_type_at(size_t i)
{
    return i < sizeof types / sizeof *types ? &types[i] : NULL;
}

const struct jb_block_type *jb_block_type(uint32_t type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return &types[i];
    return NULL;
}

const struct jb_block_type *jb_block_type_named(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

size_t jb_block_row_bytes(const struct jb_block_type *t, uint64_t n)
{
    return (size_t)(n / t->values * t->bytes);
}
