// Integer convolution, AVX-512 VNNI: vpdpbusd takes 4 bytes of 16 channels a step, without saturation on the way.
#include "kernels/x86/vec_avx512.inc"

typedef vi vacc;
typedef vi vx;
typedef vi vw;

INLINE vx x_load(const char *p)
{
    int32_t four;
    memcpy(&four, p, 4);
    return vi_set1(four);
}
INLINE vw w_from(vi w) { return w; }
INLINE vw w_load(const char *p) { return vi_load_any(p); }
// Not the intrinsic: gcc 12 copies the accumulators around it, and spills a 24-accumulator loop to the stack.
INLINE vacc acc_step(vacc acc, vx x, vw w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}

#define INSTANCES \
    SINGLE(8, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1) BLOCK(7, 1) BLOCK(8, 1) BLOCK(9, 1) BLOCK(10, 1) \
    SINGLE(4, 2) BLOCK(2, 2) BLOCK(3, 2) BLOCK(4, 2) BLOCK(5, 2) BLOCK(6, 2) BLOCK(7, 2) BLOCK(8, 2) BLOCK(9, 2) BLOCK(10, 2) \
    SINGLE(3, 3) BLOCK(2, 3) BLOCK(3, 3) BLOCK(4, 3) BLOCK(5, 3) BLOCK(6, 3) BLOCK(7, 3) BLOCK(8, 3) \
    SINGLE(2, 4) BLOCK(2, 4) BLOCK(3, 4) BLOCK(4, 4) BLOCK(5, 4) BLOCK(6, 4)
static const signed char max_pixels[] = { 0, 10, 10, 8, 6 };

#include "kernels/x86/conv_u8.inc"

void jb_conv_u8_vnni(const struct jb_conv_u8 *a)
{
    conv_u8(a);
}
