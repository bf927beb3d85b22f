/* SPDX-License-Identifier: GPL-2.0 */
// One model of energy, shown by jb_zones (powercap class), jb_msr (intel_rapl_common) and jb_pmu (perf): what one interface says, the others must say.
#ifndef JB_TESTS_KERNEL_ENERGY_H
#define JB_TESTS_KERNEL_ENERGY_H

#include <linux/types.h>

#define JB_PACKAGES_MOST 2
// The counters' units, as on Skylake servers: 2^-14 J, and 2^-16 J for memory whatever the register says (the drivers know).
#define JB_UNIT_BITS 14
#define JB_DRAM_UNIT_BITS 16

enum jb_domain { JB_PACKAGE, JB_CORE, JB_DRAM, JB_DOMAINS };

unsigned int jb_energy_packages(void);
// Since the start, as of the last update: a package within its core and beside its dram.
u64 jb_energy_nj(unsigned int package, enum jb_domain d);
static inline unsigned int jb_energy_unit_bits(enum jb_domain d)
{
    return d == JB_DRAM ? JB_DRAM_UNIT_BITS : JB_UNIT_BITS;
}
u64 jb_energy_units(unsigned int package, enum jb_domain d);
// An errno (positive) that reads of counters shall fail with; 0: none.
int jb_energy_fail(void);
// A power limit works: no package draws more. 0: no limit.
void jb_energy_limit(unsigned int package, u64 limit_mw);

#endif
