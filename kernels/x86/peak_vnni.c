// The limit of AVX-512 VNNI (see peak_avx2.c).
#include "kernels/x86/vec_avx512.inc"

#include "kernels/table.h"

#define CHAINS 16
#define EACH_CHAIN(i) _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)

double jb_peak_u8_vnni(uint64_t iterations)
{
    vi acc[CHAINS], x = vi_set1(0x04030201), w = vi_set1(0x05060708);
    EACH_CHAIN(i) acc[i] = vi_set1(i);
    for (uint64_t n = 0; n < iterations; n++)
        EACH_CHAIN(i) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(acc[i]) : "v"(x), "v"(w));
    return (double)iterations * CHAINS * LANES * 4 * 2;
}
