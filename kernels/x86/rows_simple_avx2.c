// Operators on rows, AVX2.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/rows_vec.inc"
#include "kernels/x86/rows_simple.inc"

SIMPLE(avx2)
