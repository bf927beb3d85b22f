// Attention of one row, AVX-512.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/rows_vec.inc"

#define HEADS 5

#include "kernels/x86/rows_attention.inc"

void jb_attention_avx512(const struct jb_attention *a)
{
    attention(a);
}
