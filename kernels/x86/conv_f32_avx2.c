// f32 convolution, AVX2 + FMA: 6 pixels x 2 vectors are 12 accumulators, leaving 2 weights and 1 input of 16 registers.
#include "kernels/x86/vec_avx2.inc"

#define INSTANCES \
    SINGLE(4, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1)
static const signed char max_pixels[] = { 0, 6, 0, 0, 0 };

#include "kernels/x86/conv_f32.inc"

void jb_conv_f32_avx2(const struct jb_conv_f32 *a)
{
    conv_f32(a);
}
