// Operators on rows of a sequence: what a language model is made of. Included by kernels/kernels.h, whose table holds a pointer for each.
//
// EXACT. Every operator here gives the same bits in every tier, for every cut of rows into calls, and for every range of outputs: position 7 of a
// prompt has the same logits whether it came alone or with 127 others, on one thread or on eight. (Lossless speculation needs it; style: BLIS prescribes no
// such order, llama.cpp's batched kernels differ from its single-row ones.) So the arithmetic of each element is prescribed below, step by step, in
// binary32 with rounding to nearest even; fma(a, b, c) rounds once. No operator looks at another row than its own to decide how to compute.
// A result that is NaN is NaN in every tier; which of the NaNs is not prescribed, nor is the sign of a NaN.
// A sum "over LANES" of terms t[i]: s[l] = 0 for 16 lanes; for i rising: s[i % 16] takes t[i]; then s[l] += s[l + w] for w = 8, 4, 2, 1. The sum is s[0].
#ifndef JB_KERNELS_ROWS_H
#define JB_KERNELS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JB_QK 32      // values in a quantization block (ggml: QK8_0, QK4_0, QK4_1)
#define JB_PACK 16    // outputs in a packed block

// Weight kinds that have a packed layout and a matmul. Other ggml types are expanded to F32, JB_PACK rows at a time, by the caller.
enum jb_weight_kind { JB_W_F32, JB_W_F16, JB_W_Q8_0, JB_W_Q4_0, JB_W_Q4_1, JB_W_COUNT };

// Packed weights: ceil(n_out / 16) output blocks one after the other (rows past n_out are zero), aligned to 64 bytes. One layout for all tiers. Inside an output block, o = 0..15:
//   F32, F16: for k = 0..n-1: 16 values w[o][k].
//   quantized: for each block b of 32 along k: 16 f16 scales d[o]; Q4_1: 16 f16 minima m[o]; then quants:
//     Q8_0: for g = 0..7, o, j = 0..3: (uint8_t)(w[o][4g + j] + 128)
//     Q4_0, Q4_1: for g = 0..3, o, j = 0..3: nibble of k = 4g + j in the low four bits, of k = 16 + 4g + j in the high four (as ggml numbers them: 0..15, Q4_0 stands for q - 8)
// So a packed tensor has the bytes of the file's (but for padding rows), and is read as one stream. From huge pages (madvise MADV_HUGEPAGE) one thread streams half
// as much again as from 4 KB pages (30 against 18 GB/s on a Zen 4): put all packed tensors of a model into one such mapping, in the order in which a token reads them.
size_t jb_pack_bytes(enum jb_weight_kind kind, int32_t n, int32_t n_out);
// Packs output blocks [block0, block1) from `src`: n_out rows of n values in ggml's layout of the kind (row stride jb_kind_row_bytes). n is a multiple of 32 for quantized kinds.
void jb_pack_rows(enum jb_weight_kind kind, int32_t n, int32_t n_out, const void *src, int32_t block0, int32_t block1, void *packed);
size_t jb_kind_row_bytes(enum jb_weight_kind kind, int32_t n); // of a row in the file

// Rows in 8 bits, made by quantize_rows: (m, n / 32) blocks, n a multiple of 32. amax = max |x|; d = amax / 127; id = 127 / amax (both rounded divisions);
// q = rint(x * id) to nearest even; s = d * (float)(sum of q). amax < 2^-100: d = 0, q = 0, s = 0 (id would pass binary32).
// NaN or Inf in a block: d = NaN, q = 0, s = NaN, so that it is seen in the output.
// (The rule of ggml's quantize_row_q8_0/q8_1 on AVX2, but d stays binary32.)
struct jb_q8 {
    int8_t q[JB_QK];
    float d, s;
    int32_t zero;   // -128 * (sum of q): where a sum over weights that are stored with 128 added starts
    int32_t unused; // 0
};

// y[r][o] = (add ? y[r][o] + a : a), for r < m, o in output blocks [block0, block1) and o < n_out, where
//   quantized kinds: a = 0; for b rising: i = sum over the block of w * q in integers (Q8_0: w; Q4_0: nibble - 8; Q4_1: nibble);
//                    a = fma((float)i, dw * dx, a); Q4_1 then: a = fma(mw, s, a).         dw, mw: f16 widened; dw * dx rounds.
//   F32, F16:        a[k % 4] = fma(x[k], w[k], a[k % 4]) for k rising; a = (a[0] + a[1]) + (a[2] + a[3]).
struct jb_matmul {
    const void *w;                // packed
    int32_t n, n_out, m;          // reduction, outputs, rows
    int32_t block0, block1;       // output blocks of this call
    const struct jb_q8 *xq;       // quantized kinds: (m, n / 32)
    const float *x;               // F32, F16: (m, x_stride)
    ptrdiff_t x_stride, y_stride; // in values
    float *y;                     // (m, y_stride)
    bool add;
};

// exp for all of the operators below, the same polynomial in every tier (kernels/exp.h): relative error < 2^-22 over the finite range; x < -87.33 gives 0; x > 88.72 gives Inf; NaN gives NaN.
//   n = rint(x * log2(e)); r = fma(-n, ln2_hi, x); r = fma(-n, ln2_lo, r); p = Horner of degree 6 by fma; p * 2^n, which is exact.

// y = (x * scale) * w with scale = 1 / sqrt(sum / n + eps), sum over LANES of fma(x, x, s). Division and root are rounded ones. x = y allowed.
struct jb_rms_norm { const float *x, *w; float *y; int32_t n, m; ptrdiff_t x_stride, y_stride; float eps; };
// y = (g / (1 + exp(-g))) * u, n values. y may be g or u.
struct jb_silu_mul { const float *g, *u; float *y; size_t n; };
// Adjacent pairs (the "normal" order of llama GGUFs) of n_heads heads of head_dim values, by (cos, sin) of pair i at cs[2i], cs[2i + 1]; the first n_rot values of a head turn, the others stay.
//   a = x[2i], b = x[2i+1]: x[2i] = fma(a, cos, -(b * sin)); x[2i+1] = fma(b, cos, a * sin).
struct jb_rope { float *x; const float *cs; int32_t n_heads, head_dim, n_rot; };

// One layer's K/V of one sequence. Head h, position p, dimension d:
//   F16:  k16[((h * n_blocks + p / 16) * head_dim + d) * 16 + p % 16],  v16[(h * positions + p) * head_dim + d]; n_blocks = positions / 16, positions a multiple of 16
//   int8: the same order in k8, v8, with scales ks, vs [h * positions + p]: scale = max |x| / 127 over the head's values, q = rint(x * (127 / max)), with the exceptions of quantize_rows
enum jb_kv_kind { JB_KV_F16, JB_KV_INT8, JB_KV_COUNT };
struct jb_kv_layer {
    enum jb_kv_kind kind;
    int32_t n_heads, head_dim, positions;
    uint16_t *k16, *v16;
    int8_t *k8, *v8;
    float *ks, *vs;
};
size_t jb_kv_bytes(enum jb_kv_kind kind, int32_t n_heads, int32_t head_dim, int32_t positions); // of one layer
void jb_kv_place(struct jb_kv_layer *kv, void *memory); // sets the pointers; memory zeroed, aligned to 64
// Writes position p: k and v are (n_heads, head_dim). f16 rounds to nearest even.
struct jb_kv_put { const struct jb_kv_layer *kv; int32_t position; const float *k, *v; };

// Attention of one row over positions 0..last of kv, for query heads of KV heads [head0, head1); query head h reads KV head h / group.
//   score[j] = ((a[0] + a[1]) + (a[2] + a[3])) * scale with a[d % 4] = fma(q[d], K[j][d], a[d % 4]) for d rising (int8: q[d] * k as above, then * ks[j], then * scale)
//   mx = max of scores; p[j] = exp(score[j] - mx); z = sum over LANES of p (index j)
//   out[d] = (sum for j rising of fma(p[j] (int8: p[j] * vs[j]), V[j][d], o)) / z        a rounded division
struct jb_attention {
    const struct jb_kv_layer *kv;
    const float *q;          // (n_heads * group, head_dim)
    float *out;              // the same shape
    float *scratch;          // (group, positions) of this thread, aligned to 64
    int32_t group, last, head0, head1;
    float scale;
};

// Best logits of a row: the k largest, best first, ties by lower index, NaN never; and the count of NaNs. 1 <= k <= 16. index and value hold k; n_found = min(k, n - n_nan) are filled.
struct jb_best { const float *x; int32_t n, k; int32_t *index; float *value; int32_t n_found, n_nan; };

// log(sum exp(x)) of a row: mx = max; sum over LANES of exp(x - mx); mx + logf(sum). NaN in gives NaN.
struct jb_log_sum { const float *x; int32_t n; float out; };

#endif
