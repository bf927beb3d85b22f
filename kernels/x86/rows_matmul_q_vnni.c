// Rows in 8 bits times packed weights, AVX-512 VNNI: unsigned weights times signed rows by vpdpbusd. Weights are stored with 128 (Q8_0) or 8 (Q4_0) added:
// the sums start at what that amounts to.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/rows_vec.inc"

typedef vi iacc8;
typedef vi iacc4;
typedef vi w8;
typedef int32_t __attribute__((may_alias)) four;
#define ROWS_Q8 12
#define ROWS_Q4 12

// Not the intrinsic: gcc 12 copies the accumulators around it (conv_u8_vnni.c).
INLINE vi dot(vi acc, vi w, const int8_t *x)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*(const four *)(const void *)x));
    return acc;
}

INLINE w8 w8_from(vi w) { return w; }
INLINE iacc8 start8(const int32_t *zero) { return vi_set1(*zero); }
INLINE iacc8 acc8(iacc8 acc, w8 w, const int8_t *x) { return dot(acc, w, x); }
INLINE vi sum8(iacc8 acc, const int32_t *zero) { (void)zero; return acc; }
INLINE iacc4 start4(const int32_t *zero, bool centred) { return centred ? _mm512_srai_epi32(vi_set1(*zero), 4) : vi_set1(0); } // -128 sum / 16
INLINE iacc4 acc4(iacc4 acc, vi w, const int8_t *x) { return dot(acc, w, x); }
INLINE vi sum4(iacc4 acc, const int32_t *zero, bool centred) { (void)zero, (void)centred; return acc; }

#include "kernels/x86/rows_matmul_q.inc"

MATMUL(vnni)
