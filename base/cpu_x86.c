// CPUID (Intel SDM volume 2A, "CPUID"; volume 1, 13.3 for XCR0). Empty on other architectures.
#include "base/cpu_internal.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

// Registers that the operating system saves. Only to be asked when CPUID says OSXSAVE.
static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

uint32_t jb_cpu_x86_detect(void)
{
    enum {
        ECX1_FMA = 1 << 12, ECX1_OSXSAVE = 1 << 27, ECX1_AVX = 1 << 28, ECX1_F16C = 1 << 29,
        EBX7_AVX2 = 1 << 5, EBX7_F = 1 << 16, EBX7_DQ = 1 << 17, EBX7_BW = 1 << 30, ECX7_VNNI = 1 << 11,
        EDX7_AMX_BF16 = 1 << 22, EDX7_AMX_TILE = 1 << 24, EDX7_AMX_INT8 = 1 << 25,
        XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000,
    };
    const uint32_t ebx7_vl = 1u << 31; // does not fit an enum constant
    uint32_t a, b, c, d, ecx1;
    if (!__get_cpuid(1, &a, &b, &ecx1, &d) || !has(ecx1, ECX1_OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    uint64_t saved = read_xcr0();
    uint32_t mask = 0;
    if (has(saved, XCR0_AVX) && has(ecx1, ECX1_AVX | ECX1_FMA | ECX1_F16C) && has(b, EBX7_AVX2)) mask |= JB_CPU_AVX2;
    if (mask && has(saved, XCR0_AVX512) && has(b, (uint32_t)(EBX7_F | EBX7_DQ | EBX7_BW) | ebx7_vl)) mask |= JB_CPU_AVX512;
    if ((mask & JB_CPU_AVX512) && has(c, ECX7_VNNI)) mask |= JB_CPU_AVX512_VNNI;
    if (has(saved, XCR0_AMX) && has(d, EDX7_AMX_TILE | EDX7_AMX_INT8 | EDX7_AMX_BF16)) mask |= JB_CPU_AMX;
    return mask;
}

void jb_cpu_x86_describe(char *model, size_t n, bool *hypervisor)
{
    uint32_t a, b, c, d, brand[12];
    if (__get_cpuid(1, &a, &b, &c, &d)) *hypervisor = c >> 31;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t *r = brand + 4 * i;
        if (!__get_cpuid(0x80000002u + i, &r[0], &r[1], &r[2], &r[3])) return;
    }
    char text[sizeof brand + 1] = {0};
    memcpy(text, brand, sizeof brand);
    size_t len = 0;
    for (const char *s = text; *s && len + 1 < n; s++)
        if (*s != ' ' || (len > 0 && model[len - 1] != ' ')) model[len++] = *s;
    while (len > 0 && model[len - 1] == ' ') len--;
    model[len] = '\0';
}

#else

uint32_t jb_cpu_x86_detect(void)
{
    return 0;
}

void jb_cpu_x86_describe(char *model, size_t n, bool *hypervisor)
{
    (void)model, (void)n, (void)hypervisor;
}

#endif
