// Integer convolution, AVX-512 without VNNI.
#include "kernels/x86/vec_avx512.inc"
#include "kernels/x86/madd.inc"

#define INSTANCES \
    SINGLE(8, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1) BLOCK(7, 1) BLOCK(8, 1) BLOCK(9, 1) BLOCK(10, 1) \
    SINGLE(4, 2) BLOCK(2, 2) BLOCK(3, 2) BLOCK(4, 2) BLOCK(5, 2) BLOCK(6, 2) BLOCK(7, 2) BLOCK(8, 2) BLOCK(9, 2) BLOCK(10, 2)
static const signed char max_pixels[] = { 0, 10, 10, 0, 0 };

#include "kernels/x86/conv_u8.inc"

void jb_conv_u8_avx512(const struct jb_conv_u8 *a)
{
    conv_u8(a);
}
