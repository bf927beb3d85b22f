// The kernel table: every operator that the runtime calls, chosen once for a CPU mask. A table is a value, passed on: two tables
// with different masks live side by side in one process (checks and comparisons do so).
//
// Layout. Activations are NHWC planes with a halo: `jb_plane.data` points at pixel (0, 0), `pad` further pixels stand around it on each side,
// filled by the owner with the value that stands for zero (0.0f, or the zero point). A convolution therefore never tests borders, and sees the
// kw * in_c values of one kernel row as one contiguous run. Tiers rely on the value, too: kernel rows that lie in a halo of zeros
// may be left out. Kernels may READ up to JB_PLANE_SLACK bytes past the last value of a plane; they
// never write outside the interior.
// Weights come as OHWI (out_c, kh, kw, in_c / groups), row major, and are packed once by the table's own pack functions: the packed layout is
// private to a tier and its block sizes travel in the table.
#ifndef JB_KERNELS_KERNELS_H
#define JB_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "kernels/rows.h"

#define JB_PLANE_SLACK 256
#define JB_ALIGN 64

struct jb_plane {
    void *data;           // pixel (0, 0), channel 0; borrowed
    int32_t h, w, c;      // interior size
    int32_t pad;          // halo pixels on each side
    ptrdiff_t row_stride; // elements from a row to the next: (w + 2 * pad) * c
};

enum jb_act { JB_ACT_NONE, JB_ACT_RELU, JB_ACT_RELU6, JB_ACT_HSWISH };

// Geometry of a convolution. A fully connected layer is one with h = w = kh = kw = 1. pad must be <= the input plane's halo.
struct jb_conv_geom {
    int32_t in_c, out_c, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, groups; // groups: 1, or in_c = out_c (depthwise), or any divisor (reference only)
    int32_t out_h, out_w;
};

// y = act(conv(x, w) + bias + residual)
struct jb_conv_f32 {
    struct jb_conv_geom g;
    const void *weights;             // packed by pack_conv_f32
    const float *bias;               // (out_c rounded up to the table's block), zero padded; never NULL
    const struct jb_plane *in, *out; // f32
    const struct jb_plane *residual; // f32, shape of out; or NULL
    enum jb_act act;                 // reference alone: RELU6, HSWISH
};

// Integer convolution. acc = bias[o] + sum x_u8 * w_s8 in int32 (no saturation anywhere; the caller keeps 255 * 127 * K < 2^31).
// t = (float)acc * mult[o]                                   (each step rounds to nearest even, no fused multiply-add)
// with a residual: t = t + (float)((int)r - residual_zero) * residual_mult
// u8 out:  y = clamp(rint(t) + out_zero, lo, hi), rint to nearest even; t is first clamped to [-1e6, 1e6], NaN cannot occur
// f32 out: y = t (then ReLU if lo_is_zero)
struct jb_conv_u8 {
    struct jb_conv_geom g;
    const void *weights;             // packed by pack_conv_s8 or pack_conv_s4
    bool weights_are_s4;
    void *scratch;                   // at least conv_s4_scratch_bytes(g) when weights_are_s4, JB_ALIGN aligned; else may be NULL
    const int32_t *bias;             // (out_c rounded up to block): rint(bias / (s_in s_w)) - in_zero * sum w
    const float *mult;               // (out_c rounded up to block)
    const struct jb_plane *in;       // u8; its halo holds in_zero
    const struct jb_plane *out;      // u8, or f32 when out_f32
    const struct jb_plane *residual; // u8, shape of out; or NULL
    int32_t residual_zero;
    float residual_mult;
    int32_t out_zero, lo, hi;        // u8 out
    bool out_f32;
    bool relu_f32;                   // f32 out only
};

struct jb_pool {
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    const struct jb_plane *in, *out;
    // u8 average only: y = clamp(rint((float)(sum - n * in_zero) * (mult / n)) + out_zero, 0, 255), n = values inside the image
    int32_t in_zero, out_zero;
    float mult; // s_in / s_out
};

struct jb_add_u8 { // y = clamp(rint((a - a_zero) * a_mult + (b - b_zero) * b_mult) + out_zero, lo, 255)
    const struct jb_plane *a, *b, *out;
    int32_t a_zero, b_zero, out_zero, lo;
    float a_mult, b_mult;
};

struct jb_kernels {
    uint32_t mask;      // what it was filled from
    int32_t block_f32;  // output channels a packed block holds: bias and mult are padded to a multiple of it
    int32_t block_u8;

    // Packing. *_bytes give the room needed (a multiple of JB_ALIGN). w is OHWI.
    size_t (*pack_conv_f32_bytes)(const struct jb_conv_geom *g);
    void (*pack_conv_f32)(const struct jb_conv_geom *g, const float *w, void *out);
    size_t (*pack_conv_s8_bytes)(const struct jb_conv_geom *g);
    void (*pack_conv_s8)(const struct jb_conv_geom *g, const int8_t *w, void *out);
    // 4-bit weights: value = q * m with q in -7..7 (two in a byte) and m in 1..15 a multiplier per group of JB_S4_GROUP along the reduction
    // (kh, kw, in_c flattened) of one output channel; |q * m| <= 105 is exact in 8 bits, so results equal those of the 8-bit kernel on q * m.
    // At run time a few output blocks at a time are expanded into scratch: memory and cache hold the 4-bit form.
    size_t (*pack_conv_s4_bytes)(const struct jb_conv_geom *g);
    void (*pack_conv_s4)(const struct jb_conv_geom *g, const int8_t *q, const uint8_t *m, void *out); // q OHWI; m (out_c, groups_k)
    size_t (*conv_s4_scratch_bytes)(const struct jb_conv_geom *g);

    void (*conv_f32)(const struct jb_conv_f32 *a);
    void (*conv_u8)(const struct jb_conv_u8 *a);
    void (*max_pool_f32)(const struct jb_pool *a);
    void (*max_pool_u8)(const struct jb_pool *a);
    void (*avg_pool_f32)(const struct jb_pool *a);   // global average pooling: kernel = the image
    void (*avg_pool_u8)(const struct jb_pool *a);
    void (*add_f32)(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, enum jb_act act);
    void (*add_u8)(const struct jb_add_u8 *a);
    void (*act_f32)(const struct jb_plane *in, const struct jb_plane *out, enum jb_act act);
    void (*concat)(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, size_t element_bytes); // by channel; reference only
    void (*softmax_f32)(const float *x, float *out, int32_t n, float inverse_temperature); // max-subtracted; NaN in gives NaN out
    // Conversions of whole planes (interior only), shapes equal.
    void (*quantize)(const struct jb_plane *in_f32, const struct jb_plane *out_u8, float inverse_scale, int32_t zero); // clamp(rint(x * inverse_scale) + zero, 0, 255); NaN -> zero
    void (*dequantize)(const struct jb_plane *in_u8, const struct jb_plane *out_f32, float scale, int32_t zero);        // (x - zero) * scale
    // Bytes 0..255 to f32: (x * scale[c] + offset[c]), contiguous NHWC source without halo.
    void (*bytes_to_f32)(const uint8_t *in, const struct jb_plane *out, const float *scale, const float *offset);
    // Copies contiguous NHWC bytes into a plane with halo.
    void (*bytes_to_plane)(const uint8_t *in, const struct jb_plane *out);

    // Rows of a sequence (kernels/rows.h).
    void (*quantize_rows)(const float *x, ptrdiff_t x_stride, int32_t m, int32_t n, struct jb_q8 *out);
    void (*matmul_f32)(const struct jb_matmul *a);
    void (*matmul_f16)(const struct jb_matmul *a);
    void (*matmul_q8_0)(const struct jb_matmul *a);
    void (*matmul_q4_0)(const struct jb_matmul *a);
    void (*matmul_q4_1)(const struct jb_matmul *a);
    void (*rms_norm)(const struct jb_rms_norm *a);
    void (*silu_mul)(const struct jb_silu_mul *a);
    void (*rope)(const struct jb_rope *a);
    void (*kv_put)(const struct jb_kv_put *a);
    void (*attention)(const struct jb_attention *a);
    void (*best)(struct jb_best *a);
    void (*log_sum)(struct jb_log_sum *a);
};

#define JB_S4_GROUP 32
static inline int32_t jb_s4_groups(const struct jb_conv_geom *g)
{
    return (g->kernel_h * g->kernel_w * (g->in_c / g->groups) + JB_S4_GROUP - 1) / JB_S4_GROUP;
}

// Fills the table with the reference, then climbs the tiers in `mask`.
void jb_kernels_init(struct jb_kernels *k, uint32_t mask);
// The symbol chosen for each operator, as "conv_f32=jb_conv_f32_avx512 conv_u8=...": recorded with results. i from 0; false past the end.
bool jb_kernels_symbol(const struct jb_kernels *k, size_t i, const char **op, const char **symbol);

// Multiply-accumulates of one call.
uint64_t jb_conv_macs(const struct jb_conv_geom *g);

#endif
