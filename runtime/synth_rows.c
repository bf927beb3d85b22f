// Random rows of every tensor type: integers from the generator, scaled so that the values have the wanted spread. Nothing here rounds by a library's rules, so the same seed
// gives the same bytes on every machine.
#include <string.h>

#include "kernels/half.h"
#include "runtime/blocks.h"
#include "runtime/synth_impl.h"

static void store_half(uint8_t *p, float x)
{
    uint16_t h = jb_f32_to_f16(x);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

static void random_bytes(struct jb_rng *rng, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = jb_rng_u64(rng);
        for (size_t k = i; k < n && k < i + 8; k++, v >>= 8)
            p[k] = (uint8_t)v;
    }
}

// Of K-quants: eight scales from 24 to 63, and minima equal to them or one off, in the 12 bytes of blocks.c's get_scale.
static void random_scales(struct jb_rng *rng, uint8_t *p)
{
    memset(p, 0, 12);
    for (int g = 0; g < 8; g++) {
        unsigned s = 24 + (unsigned)jb_rng_below(rng, 40), t = s - (unsigned)jb_rng_below(rng, 2);
        if (g < 4) {
            p[g] |= (uint8_t)s;
            p[g + 4] |= (uint8_t)t;
        } else {
            p[g + 4] = (uint8_t)((s & 15) | (t & 15) << 4);
            p[g - 4] |= (uint8_t)((s >> 4) << 6);
            p[g] |= (uint8_t)((t >> 4) << 6);
        }
    }
}

// Quants are uniform: n equally likely levels one step apart have a spread of step * sqrt((n * n - 1) / 12). Minima lie so that the mean is 0; types without one have levels from -n / 2
// to n / 2 - 1, and scales of both signs, lest all weights lean one way and drown the input.
static void random_block(struct jb_rng *rng, const struct jb_block_type *t, float spread, uint8_t *p)
{
    float d = spread * (0.75f + (float)jb_rng_below(rng, 256) / 512.0f);
    random_bytes(rng, p, t->bytes);
    float either = jb_rng_below(rng, 2) ? d : -d;
    switch (t->type) {
    case JB_GGML_Q8_0: store_half(p, either / 73.9f); break;
    case JB_GGML_Q4_0: store_half(p, either / 4.61f); break;
    case JB_GGML_Q5_0: store_half(p, either / 9.23f); break;
    case JB_GGML_Q4_1: store_half(p, d / 4.61f), store_half(p + 2, d / 4.61f * -7.5f); break;
    case JB_GGML_Q5_1: store_half(p, d / 9.23f), store_half(p + 2, d / 9.23f * -15.5f); break;
    case JB_GGML_Q4_K: store_half(p, d / (45 * 4.61f)), store_half(p + 2, d / (45 * 4.61f) * 7.5f), random_scales(rng, p + 4); break;
    case JB_GGML_Q5_K: store_half(p, d / (45 * 9.23f)), store_half(p + 2, d / (45 * 9.23f) * 15.5f), random_scales(rng, p + 4); break;
    case JB_GGML_Q6_K: // scales of both signs, 64 to 127 in magnitude
        for (int i = 192; i < 208; i++)
            p[i] = (uint8_t)(p[i] & 128 ? -(p[i] % 64) - 64 : p[i] % 64 + 64);
        store_half(p + 208, d / (97 * 18.5f));
        break;
    default: break;
    }
}

// Uniform with the wanted spread; 2^-23 of it is the step.
static float random_value(struct jb_rng *rng, float spread)
{
    int32_t u = (int32_t)(jb_rng_u64(rng) >> 40) - (1 << 23);
    return (float)u * 0x1p-23f * (spread * 1.7320508f);
}

void jb_synth_rows(struct jb_rng *rng, uint32_t type, float mean, float spread, uint8_t *out, size_t n)
{
    const struct jb_block_type *t = jb_block_type(type);
    for (size_t i = 0; i < n; i += t->values, out += t->bytes) {
        if (t->values > 1) {
            random_block(rng, t, spread, out);
            continue;
        }
        float x = mean + random_value(rng, spread);
        uint32_t bits = jb_f32_bits(x);
        uint16_t upper = type == JB_GGML_F16 ? jb_f32_to_f16(x) : (uint16_t)(bits >> 16);
        size_t at = 0;
        if (type == JB_GGML_F32) {
            out[0] = (uint8_t)bits;
            out[1] = (uint8_t)(bits >> 8);
            at = 2;
        }
        out[at] = (uint8_t)upper;
        out[at + 1] = (uint8_t)(upper >> 8);
    }
}
