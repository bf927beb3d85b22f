// Rows in 8 bits times packed weights, AVX-512 without VNNI.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/rows_vec.inc"
#include "kernels/x86/rows_dot_nibbles.inc"

#define ROWS_Q8 8
#define ROWS_Q4 12

#include "kernels/x86/rows_matmul_q.inc"

MATMUL(avx512)
