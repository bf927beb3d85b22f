// Operators on rows, AVX-512.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/rows_vec.inc"
#include "kernels/x86/rows_simple.inc"

SIMPLE(avx512)
