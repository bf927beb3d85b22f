// The reference layout: weights as they come. 4-bit weights: multipliers (out_c, groups_k), then nibbles q + 8, each output channel
// beginning on a byte.
#include <string.h>

#include "kernels/plane.h"
#include "kernels/table.h"

static size_t reduction(const struct jb_conv_geom *g)
{
    return (size_t)g->kernel_h * (size_t)g->kernel_w * (size_t)(g->in_c / g->groups);
}

static size_t f32_bytes(const struct jb_conv_geom *g)
{
    return jb_round_up((size_t)g->out_c * reduction(g) * sizeof(float), JB_ALIGN);
}

static void f32_pack(const struct jb_conv_geom *g, const float *w, void *out)
{
    memcpy(out, w, (size_t)g->out_c * reduction(g) * sizeof(float));
}

static size_t s8_bytes(const struct jb_conv_geom *g)
{
    return jb_round_up((size_t)g->out_c * reduction(g), JB_ALIGN);
}

static void s8_pack(const struct jb_conv_geom *g, const int8_t *w, void *out)
{
    memcpy(out, w, (size_t)g->out_c * reduction(g));
}

static size_t s4_bytes(const struct jb_conv_geom *g)
{
    return jb_round_up((size_t)g->out_c * ((size_t)jb_s4_groups(g) + (reduction(g) + 1) / 2), JB_ALIGN);
}

static void s4_pack(const struct jb_conv_geom *g, const int8_t *q, const uint8_t *m, void *out)
{
    size_t n_m = (size_t)g->out_c * (size_t)jb_s4_groups(g), n = reduction(g), row = (n + 1) / 2;
    uint8_t *nibbles = (uint8_t *)out + n_m;
    memcpy(out, m, n_m);
    memset(nibbles, 0, (size_t)g->out_c * row);
    for (size_t o = 0; o < (size_t)g->out_c; o++)
        for (size_t i = 0; i < n; i++)
            nibbles[o * row + i / 2] |= (uint8_t)((q[o * n + i] + 8) << (i % 2 * 4));
}

static size_t s4_scratch_bytes(const struct jb_conv_geom *g)
{
    return jb_round_up(reduction(g), JB_ALIGN);
}

const struct jb_layout jb_layout_ohwi = {
    .block = 1,
    .conv_f32_bytes = f32_bytes, .conv_f32 = f32_pack,
    .conv_s8_bytes = s8_bytes, .conv_s8 = s8_pack,
    .conv_s4_bytes = s4_bytes, .conv_s4 = s4_pack, .conv_s4_scratch_bytes = s4_scratch_bytes,
};
