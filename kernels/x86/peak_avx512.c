// The limits of AVX-512 (see peak_avx2.c).
#include "kernels/x86/vec_avx512.inc"

#include "kernels/table.h"

#define CHAINS 16
#define EACH_CHAIN(i) _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)
#define KEEP(x) __asm__ volatile("" : "+v"(x))

double jb_peak_f32_avx512(uint64_t iterations)
{
    vf acc[CHAINS], x = vf_set1(0.5f);
    KEEP(x);
    EACH_CHAIN(i) acc[i] = vf_set1((float)i);
    for (uint64_t n = 0; n < iterations; n++)
        EACH_CHAIN(i) acc[i] = vf_fma(acc[i], x, x);
    EACH_CHAIN(i) KEEP(acc[i]);
    return (double)iterations * CHAINS * LANES * 2;
}

double jb_peak_u8_avx512(uint64_t iterations)
{
    vi acc[CHAINS], x = vi_set1(0x00030002), w = vi_set1(0x00050007);
    KEEP(w);
    EACH_CHAIN(i) acc[i] = vi_set1(i);
    for (uint64_t n = 0; n < iterations; n++)
        EACH_CHAIN(i) {
            KEEP(x); // the product would else be computed once
            acc[i] = vi_add(acc[i], vi_madd(x, w));
        }
    EACH_CHAIN(i) KEEP(acc[i]);
    return (double)iterations * CHAINS * LANES * 2 * 2;
}
