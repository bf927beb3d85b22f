// The layout that every x86 tier reads: blocks of 16 output channels. Private to kernels/; packed by layout_oc16.c.
//
//   f32          [block][kernel row][kw * in_c]         [16 channels] f32      one step: 1 input value  x 16 channels
//   s8           [block][kernel row][kw * in_c / 4, up] [16 channels][4] s8    one step: 4 input values x 16 channels
// Both read 4 bytes of input and 64 bytes of weights a step, so one driver (x86/conv.inc) serves them.
//   s4           [block][groups of 32 along the reduction]{ [16] u8 multipliers, 4 x { [64] low nibbles: step 2i, high: step 2i + 1; q + 8 } }
//                only where a kernel row is a multiple of 4 values, so that no step straddles two groups; elsewhere q * m is stored as s8.
//   depthwise    [kernel row][kernel column][channels rounded up to 16], f32 or s8
//   other groups [as they come]: the reference runs these
#ifndef JB_KERNELS_OC16_H
#define JB_KERNELS_OC16_H

#include "kernels/plane.h"

#define JB_OC16 16
#define JB_OC16_STEP 64       // bytes of weights a step
#define JB_OC16_S4_GROUP (JB_OC16 + JB_S4_GROUP * JB_OC16 / 2)

static inline bool jb_oc16_depthwise(const struct jb_conv_geom *g)
{
    return g->groups > 1 && g->groups == g->in_c && g->groups == g->out_c;
}

static inline bool jb_oc16_by_ref(const struct jb_conv_geom *g)
{
    return g->groups > 1 && !jb_oc16_depthwise(g);
}

static inline ptrdiff_t jb_oc16_blocks(const struct jb_conv_geom *g)
{
    return (g->out_c + JB_OC16 - 1) / JB_OC16;
}

// Steps of one kernel row.
static inline ptrdiff_t jb_oc16_steps_f32(const struct jb_conv_geom *g)
{
    return (ptrdiff_t)g->kernel_w * g->in_c;
}

static inline ptrdiff_t jb_oc16_steps_s8(const struct jb_conv_geom *g)
{
    return ((ptrdiff_t)g->kernel_w * g->in_c + 3) / 4;
}

// Whether 4-bit weights stay 4-bit.
static inline bool jb_oc16_s4_stays(const struct jb_conv_geom *g)
{
    return g->groups == 1 && g->kernel_w * g->in_c % 4 == 0;
}

// Room for one expanded block: whole groups are expanded.
static inline ptrdiff_t jb_oc16_s4_block_bytes(const struct jb_conv_geom *g)
{
    return (ptrdiff_t)jb_s4_groups(g) * JB_S4_GROUP * JB_OC16;
}

// Output channel blocks that a driver keeps in registers at once, at most; scratch has room for as many expanded blocks.
#define JB_OC16_MAX_N 4

#endif
