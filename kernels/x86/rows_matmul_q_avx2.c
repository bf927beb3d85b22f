// Rows in 8 bits times packed weights, AVX2.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/rows_vec.inc"
#include "kernels/x86/rows_dot_nibbles.inc"

#define ROWS_Q8 3
#define ROWS_Q4 4

#include "kernels/x86/rows_matmul_q.inc"

MATMUL(avx2)
