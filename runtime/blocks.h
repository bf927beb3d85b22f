// Tensor types of GGUF files: how rows of values lie in blocks, and what they stand for. A row of the table per type.
// Layouts are published facts (ggml's ggml-common.h and ggml-quants.c, MIT licence); the code is ours. All multi-byte fields are little endian.
// This is the C reference: kernels read packed forms of some of these types (kernels/rows.h).
//
//   type   values  bytes  block, in this order                                value i (q unsigned unless said; products and sums in binary32)
//   F32         1      4  f32                                                 itself
//   F16         1      2  f16                                                 itself
//   BF16        1      2  upper half of an f32                                itself
//   Q4_0       32     18  f16 d; 16 bytes                                     d * (q - 8); byte j holds q[j] in its low four bits, q[j + 16] in its high four
//   Q4_1       32     20  f16 d; f16 m; 16 bytes as Q4_0                      d * q + m
//   Q5_0       32     22  f16 d; u32 high; 16 bytes as Q4_0                   d * (q - 16), bit 4 of q[i] is bit i of high
//   Q5_1       32     24  f16 d; f16 m; u32 high; 16 bytes as Q4_0            d * q + m
//   Q8_0       32     34  f16 d; 32 i8                                        d * q
//   Q4_K      256    144  f16 d; f16 m; 12 bytes of scales; 128 bytes         (d * s[g]) * q - (m * t[g]), g = i / 32; byte 32 p + j of the 128 holds q[64 p + j] low, q[64 p + 32 + j] high;
//                                                                             s[g], t[g]: six bits each, see get_scale in blocks.c
//   Q5_K      256    176  as Q4_K, with 32 bytes of high bits before the 128  the same; bit 4 of q[32 g + j] is bit g of byte j
//   Q6_K      256    210  128 bytes low; 64 bytes high; 16 i8 s; f16 d        (d * s[i / 16]) * (q - 32)
// Every product above is exact in binary32 (short mantissas), and a sum rounds once: whether a compiler fuses them makes no difference.
#ifndef JB_RUNTIME_BLOCKS_H
#define JB_RUNTIME_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jb_block_type {
    uint32_t type;             // enum jb_ggml_type
    const char *name;          // as ggml prints it: "q4_K", "f32"
    uint16_t values, bytes;    // of a block
    // n values (a multiple of `values`) from `row`, which needs no alignment. NULL: this build knows the size alone.
    void (*widen)(const void *row, float *out, size_t n);
    // The other way, to the bits of ggml's reference quantizers. False when a value is NaN or infinite, or too large for the type (an f16 scale or value would overflow):
    // `row` is then partly written. NULL: not offered.
    bool (*narrow)(const float *values, void *row, size_t n);
};

const struct jb_block_type *jb_block_type(uint32_t type);               // NULL: unknown
const struct jb_block_type *jb_block_type_named(const char *name);      // in upper or lower case; NULL: unknown
const struct jb_block_type *jb_block_type_at(size_t i);                 // NULL past the end
size_t jb_block_row_bytes(const struct jb_block_type *t, uint64_t n);   // n: a multiple of t->values

#endif
