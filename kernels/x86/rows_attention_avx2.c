// Attention of one row, AVX2.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/rows_vec.inc"

#define HEADS 3

#include "kernels/x86/rows_attention.inc"

void jb_attention_avx2(const struct jb_attention *a)
{
    attention(a);
}
