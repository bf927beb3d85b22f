// Limits of plain C: eight independent chains of scalar multiply-add.
#include "kernels/table.h"

double jb_peak_f32_ref(uint64_t iterations)
{
    float acc[8] = { 0 };
    volatile float source = 0.5f;
    float x = source;
    for (uint64_t i = 0; i < iterations; i++)
        for (int j = 0; j < 8; j++)
            acc[j] = acc[j] * x + x;
    for (int j = 0; j < 8; j++)
        source = acc[j];
    return (double)iterations * 8 * 2;
}

double jb_peak_u8_ref(uint64_t iterations)
{
    uint32_t acc[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    volatile uint32_t source = 3;
    uint32_t x = source;
    for (uint64_t i = 0; i < iterations; i++)
        for (int j = 0; j < 8; j++)
            acc[j] = acc[j] * x + x;
    for (int j = 0; j < 8; j++)
        source = acc[j];
    return (double)iterations * 8 * 2;
}
