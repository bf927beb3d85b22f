// Rows times packed F32 or F16 weights, AVX2.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/rows_vec.inc"

#define ROWS_F 3

#include "kernels/x86/rows_matmul_f.inc"

MATMUL(avx2)
