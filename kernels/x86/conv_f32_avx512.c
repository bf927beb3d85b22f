// f32 convolution, AVX-512: up to 24 accumulators of 32 registers.
#include "kernels/x86/vec_avx512.inc"

#define INSTANCES \
    SINGLE(8, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1) BLOCK(7, 1) BLOCK(8, 1) BLOCK(9, 1) BLOCK(10, 1) \
    SINGLE(4, 2) BLOCK(2, 2) BLOCK(3, 2) BLOCK(4, 2) BLOCK(5, 2) BLOCK(6, 2) BLOCK(7, 2) BLOCK(8, 2) BLOCK(9, 2) BLOCK(10, 2) \
    SINGLE(3, 3) BLOCK(2, 3) BLOCK(3, 3) BLOCK(4, 3) BLOCK(5, 3) BLOCK(6, 3) BLOCK(7, 3) BLOCK(8, 3) \
    SINGLE(2, 4) BLOCK(2, 4) BLOCK(3, 4) BLOCK(4, 4) BLOCK(5, 4) BLOCK(6, 4)
static const signed char max_pixels[] = { 0, 10, 10, 8, 6 };

#include "kernels/x86/conv_f32.inc"

void jb_conv_f32_avx512(const struct jb_conv_f32 *a)
{
    conv_f32(a);
}
