// Integer convolution, AVX2: 4 pixels x 2 vectors are 8 accumulators; even and odd weights take 4 registers, the input 2.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/madd.inc"

#define INSTANCES SINGLE(2, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1)
static const signed char max_pixels[] = { 0, 4, 0, 0, 0 };

#include "kernels/x86/conv_u8.inc"

void jb_conv_u8_avx2(const struct jb_conv_u8 *a)
{
    conv_u8(a);
}
