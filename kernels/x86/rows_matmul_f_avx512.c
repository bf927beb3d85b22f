// Rows times packed F32 or F16 weights, AVX-512.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/rows_vec.inc"

#define ROWS_F 6

#include "kernels/x86/rows_matmul_f.inc"

MATMUL(avx512)
