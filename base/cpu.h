// What this CPU can do. The mask is data that is passed on; nobody reads the environment but cli/ (JB_CPU).
#ifndef JB_BASE_CPU_H
#define JB_BASE_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

// A tier contains what stands before it, but a kernel asks for the exact bits that it uses.
enum {
    JB_CPU_AVX2 = 1u << 0,        // AVX2 + FMA + F16C
    JB_CPU_AVX512 = 1u << 1,      // F, BW, DQ, VL
    JB_CPU_AVX512_VNNI = 1u << 2, // AVX-512 VNNI on top
    JB_CPU_AMX = 1u << 3,         // tile, int8, bf16 (later)
};

// Bits usable here: the CPU has them and the operating system saves their registers (XGETBV). 0 on other architectures.
uint32_t jb_cpu_detect(void);
// "ref", "avx2", "avx512", "vnni" -> the cumulative mask of that tier. Unknown name: USAGE; a tier this CPU lacks: UNAVAILABLE.
int jb_cpu_tier_mask(const char *name, uint32_t detected, uint32_t *mask, struct jb_err *err);
const char *jb_cpu_tier_name(uint32_t mask); // the highest tier of a mask

struct jb_cpu_info {
    char model[96];         // brand string, or "unknown"
    uint32_t mask;
    int cores;              // usable by this process (affinity)
    bool hypervisor;        // the hypervisor bit is set
    char governor[32];      // empty: not exposed
    char turbo[16];         // "on", "off" or empty: not exposed
    uint64_t l1d_bytes, l2_bytes, l3_bytes; // 0: unknown
    uint64_t mem_bytes;
    char kernel[96];        // uname release
};
void jb_cpu_describe(struct jb_cpu_info *out);

#endif
