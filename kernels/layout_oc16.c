// Packs weights into blocks of 16 output channels (oc16.h). Plain C: packing happens once, at load.
#include "kernels/oc16.h"

#include <string.h>

#include "kernels/table.h"

static size_t depthwise_values(const struct jb_conv_geom *g)
{
    return (size_t)g->kernel_h * (size_t)g->kernel_w * (size_t)jb_oc16_blocks(g) * JB_OC16;
}

static size_t f32_bytes(const struct jb_conv_geom *g)
{
    if (jb_oc16_by_ref(g))
        return jb_layout_ohwi.conv_f32_bytes(g);
    if (jb_oc16_depthwise(g))
        return depthwise_values(g) * sizeof(float);
    return (size_t)(jb_oc16_blocks(g) * g->kernel_h * jb_oc16_steps_f32(g)) * JB_OC16_STEP;
}

static void f32_pack(const struct jb_conv_geom *g, const float *w, void *out)
{
    ptrdiff_t run = jb_oc16_steps_f32(g), k = run * g->kernel_h;
    float *p = out;
    if (jb_oc16_by_ref(g)) {
        jb_layout_ohwi.conv_f32(g, w, out);
        return;
    }
    memset(out, 0, f32_bytes(g));
    if (jb_oc16_depthwise(g)) {
        ptrdiff_t taps = (ptrdiff_t)g->kernel_h * g->kernel_w, row = jb_oc16_blocks(g) * JB_OC16;
        for (ptrdiff_t c = 0; c < g->out_c; c++)
            for (ptrdiff_t t = 0; t < taps; t++)
                p[t * row + c] = w[c * taps + t];
        return;
    }
    for (ptrdiff_t o = 0; o < g->out_c; o++)
        for (ptrdiff_t i = 0; i < k; i++)
            p[(o / JB_OC16 * k + i) * JB_OC16 + o % JB_OC16] = w[o * k + i];
}

static size_t s8_bytes(const struct jb_conv_geom *g)
{
    if (jb_oc16_by_ref(g))
        return jb_layout_ohwi.conv_s8_bytes(g);
    if (jb_oc16_depthwise(g))
        return jb_round_up(depthwise_values(g), JB_ALIGN);
    return (size_t)(jb_oc16_blocks(g) * g->kernel_h * jb_oc16_steps_s8(g)) * JB_OC16_STEP;
}

// Where weight i (of the flattened reduction) of output channel o lies.
static ptrdiff_t s8_index(const struct jb_conv_geom *g, ptrdiff_t o, ptrdiff_t i)
{
    ptrdiff_t run = (ptrdiff_t)g->kernel_w * (g->in_c / g->groups), steps = jb_oc16_steps_s8(g);
    if (jb_oc16_depthwise(g))
        return i * jb_oc16_blocks(g) * JB_OC16 + o;
    ptrdiff_t step = (o / JB_OC16 * g->kernel_h + i / run) * steps + i % run / 4;
    return step * JB_OC16_STEP + o % JB_OC16 * 4 + i % run % 4;
}

static void s8_pack(const struct jb_conv_geom *g, const int8_t *w, void *out)
{
    ptrdiff_t k = (ptrdiff_t)g->kernel_h * g->kernel_w * (g->in_c / g->groups);
    if (jb_oc16_by_ref(g)) {
        jb_layout_ohwi.conv_s8(g, w, out);
        return;
    }
    memset(out, 0, s8_bytes(g));
    for (ptrdiff_t o = 0; o < g->out_c; o++)
        for (ptrdiff_t i = 0; i < k; i++)
            ((int8_t *)out)[s8_index(g, o, i)] = w[o * k + i];
}

static size_t s4_bytes(const struct jb_conv_geom *g)
{
    if (jb_oc16_by_ref(g))
        return jb_layout_ohwi.conv_s4_bytes(g);
    if (!jb_oc16_s4_stays(g))
        return s8_bytes(g);
    return jb_round_up((size_t)jb_oc16_blocks(g) * (size_t)jb_s4_groups(g) * JB_OC16_S4_GROUP, JB_ALIGN);
}

static void s4_pack(const struct jb_conv_geom *g, const int8_t *q, const uint8_t *m, void *out)
{
    ptrdiff_t k = (ptrdiff_t)g->kernel_h * g->kernel_w * (g->in_c / g->groups), groups = jb_s4_groups(g);
    uint8_t *p = out;
    if (jb_oc16_by_ref(g)) {
        jb_layout_ohwi.conv_s4(g, q, m, out);
        return;
    }
    memset(out, 0, s4_bytes(g));
    for (ptrdiff_t o = 0; o < g->out_c; o++)
        for (ptrdiff_t i = 0; i < k; i++) {
            ptrdiff_t group = i / JB_S4_GROUP, step = i % JB_S4_GROUP / 4;
            uint8_t *block = p + (o / JB_OC16 * groups + group) * JB_OC16_S4_GROUP;
            if (!jb_oc16_s4_stays(g)) {
                ((int8_t *)out)[s8_index(g, o, i)] = (int8_t)(q[o * k + i] * m[o * groups + group]);
                continue;
            }
            block[o % JB_OC16] = m[o * groups + group];
            block[JB_OC16 + step / 2 * JB_OC16_STEP + o % JB_OC16 * 4 + i % 4] |= (uint8_t)((q[o * k + i] + 8) << (step % 2 * 4));
        }
}

static size_t s4_scratch_bytes(const struct jb_conv_geom *g)
{
    ptrdiff_t blocks = jb_oc16_blocks(g);
    if (jb_oc16_by_ref(g))
        return jb_layout_ohwi.conv_s4_scratch_bytes(g);
    if (!jb_oc16_s4_stays(g))
        return JB_ALIGN;
    return (size_t)(jb_oc16_s4_block_bytes(g) * (blocks < JB_OC16_MAX_N ? blocks : JB_OC16_MAX_N));
}

const struct jb_layout jb_layout_oc16 = {
    .block = JB_OC16,
    .conv_f32_bytes = f32_bytes, .conv_f32 = f32_pack,
    .conv_s8_bytes = s8_bytes, .conv_s8 = s8_pack,
    .conv_s4_bytes = s4_bytes, .conv_s4 = s4_pack, .conv_s4_scratch_bytes = s4_scratch_bytes,
};
