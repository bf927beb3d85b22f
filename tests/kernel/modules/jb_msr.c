// SPDX-License-Identifier: GPL-2.0
// Runs the kernel's own intel_rapl_common driver on emulated model-specific registers: its units, its zones, its 32-bit counters that wrap.
// Register layouts: Intel SDM volume 4, MSR_RAPL_POWER_UNIT and MSR_PKG_*.
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/intel_rapl.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/topology.h>
#include "jb_energy.h"

enum {
    UNIT = 0x606, PL4 = 0x601,
    PKG_LIMIT = 0x610, PKG_ENERGY = 0x611, PKG_INFO = 0x614,
    PP0_LIMIT = 0x638, PP0_ENERGY = 0x639,
    DRAM_LIMIT = 0x618, DRAM_ENERGY = 0x619, DRAM_INFO = 0x61c,
};

#define UNITS (3ULL | JB_UNIT_BITS << 8 | 10ULL << 16)                          // 1/8 W, 2^-14 J, 976 us
#define PKG_LIMITS (0x00dd8000ULL | 1000 | (0x00dd8000ULL | 1200) << 32)        // 125 W and 150 W, enabled, clamped, with time windows
#define PKG_RANGE (1000ULL | 0x260ULL << 16 | 3000ULL << 32)                    // 125 W thermal design power, 76 W least, 375 W most

static u64 pkg_limit[JB_PACKAGES_MOST] = {PKG_LIMITS, PKG_LIMITS}, pp0_limit[JB_PACKAGES_MOST], dram_limit[JB_PACKAGES_MOST], pl4[JB_PACKAGES_MOST];
static struct rapl_package *package_of[JB_PACKAGES_MOST];

static u64 *limit_register(unsigned int package, u64 reg)
{
    switch (reg) {
    case PKG_LIMIT: return &pkg_limit[package];
    case PP0_LIMIT: return &pp0_limit[package];
    case DRAM_LIMIT: return &dram_limit[package];
    case PL4: return &pl4[package];
    default: return NULL;
    }
}

static int read_register(int cpu, struct reg_action *ra)
{
    unsigned int package = topology_physical_package_id(cpu);
    u64 v = 0, *limit;
    if (package >= JB_PACKAGES_MOST) return -ENODEV;
    limit = limit_register(package, ra->reg);
    if (limit) v = *limit;
    else if (ra->reg == UNIT) v = UNITS;
    else if (ra->reg == PKG_INFO) v = PKG_RANGE;
    else if (jb_energy_fail()) return -jb_energy_fail();
    else if (ra->reg == PKG_ENERGY) v = (u32)jb_energy_units(package, JB_PACKAGE);
    else if (ra->reg == PP0_ENERGY) v = (u32)jb_energy_units(package, JB_CORE);
    else if (ra->reg == DRAM_ENERGY) v = (u32)jb_energy_units(package, JB_DRAM);
    ra->value = v & ra->mask;
    return 0;
}

static int write_register(int cpu, struct reg_action *ra)
{
    unsigned int package = topology_physical_package_id(cpu);
    u64 *limit = package < JB_PACKAGES_MOST ? limit_register(package, ra->reg) : NULL;
    if (!limit) return -EIO;
    *limit = (*limit & ~ra->mask) | ra->value;
    if (ra->reg == PKG_LIMIT) jb_energy_limit(package, (*limit & 0x7fff) * 125);
    return 0;
}

static struct rapl_if_priv registers = {
    .reg_unit = UNIT,
    .read_raw = read_register,
    .write_raw = write_register,
    .regs = {
        [RAPL_DOMAIN_PACKAGE] = {PKG_LIMIT, PKG_ENERGY, 0x613, 0, PKG_INFO, PL4},
        [RAPL_DOMAIN_PP0] = {PP0_LIMIT, PP0_ENERGY, 0, 0x63a, 0, 0},
        [RAPL_DOMAIN_PP1] = {0x640, 0x641, 0, 0x642, 0, 0}, // shows 0 for ever: the driver finds no such domain
        [RAPL_DOMAIN_DRAM] = {DRAM_LIMIT, DRAM_ENERGY, 0x61b, 0, DRAM_INFO, 0},
    },
    .limits = {[RAPL_DOMAIN_PACKAGE] = 2},
};

static void jb_msr_exit(void)
{
    unsigned int p;
    for (p = 0; p < JB_PACKAGES_MOST; p++) {
        if (package_of[p]) rapl_remove_package(package_of[p]);
        jb_energy_limit(p, 0);
    }
    powercap_unregister_control_type(registers.control_type);
}

static int add_package(unsigned int cpu)
{
    unsigned int p = topology_physical_package_id(cpu);
    struct rapl_package *added;
    if (p >= jb_energy_packages() || package_of[p]) return 0;
    added = rapl_add_package(cpu, &registers);
    if (IS_ERR(added)) return PTR_ERR(added);
    cpumask_set_cpu(cpu, &added->cpumask);
    package_of[p] = added;
    return 0;
}

static int __init jb_msr_init(void)
{
    unsigned int cpu;
    int rc = 0;
    registers.control_type = powercap_register_control_type(NULL, "intel-rapl", NULL);
    if (IS_ERR(registers.control_type)) return PTR_ERR(registers.control_type);
    cpus_read_lock();
    for_each_online_cpu(cpu)
        if (!rc) rc = add_package(cpu);
    cpus_read_unlock();
    if (rc) jb_msr_exit();
    return rc;
}

module_init(jb_msr_init);
module_exit(jb_msr_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("joulebench tests: emulated registers under intel_rapl_common");
