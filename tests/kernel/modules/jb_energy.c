// SPDX-License-Identifier: GPL-2.0
// The energy of an emulated machine: set powers, integrated over the kernel's clock, and whatever is injected. Each write settles the account first, so that no
// counter ever jumps but by inject_uj. Counters move every update_us, as RAPL's do about every millisecond.
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include "jb_energy.h"

static DEFINE_SPINLOCK(lock);
static u64 base_nj[JB_PACKAGES_MOST][JB_DOMAINS], since_ns, limit_mw[JB_PACKAGES_MOST];
static unsigned int power_mw[JB_DOMAINS] = {20000, 12000, 3000};
static unsigned int frozen, fail, update_us = 1000;
static unsigned long start_uj = 1000000;
static unsigned int packages = 1;
module_param(packages, uint, 0444);
module_param(start_uj, ulong, 0444);
MODULE_PARM_DESC(start_uj, "what every counter shows first: 262143000000 lies right before a wrap of 32 bits");
module_param(fail, uint, 0644);
MODULE_PARM_DESC(fail, "errno that reads fail with");

static u64 updated_ns(void)
{
    u64 now = ktime_get_ns(), rest;
    div64_u64_rem(now, update_us * 1000ULL, &rest);
    return now - rest;
}

// The second package draws half of what the first does: no mirror.
static u64 milliwatts(unsigned int package, enum jb_domain d)
{
    u64 whole = power_mw[JB_PACKAGE] / (package + 1), mine = power_mw[d] / (package + 1);
    u64 most = limit_mw[package] && limit_mw[package] < whole ? limit_mw[package] : whole;
    return d == JB_DRAM ? mine : min(mine, most);
}

static u64 nj_at(unsigned int package, enum jb_domain d, u64 t_ns)
{
    u64 span_ns = frozen || t_ns < since_ns ? 0 : t_ns - since_ns;
    return base_nj[package][d] + div_u64(span_ns * milliwatts(package, d), 1000); // ns x mW = pJ; 64 bits last for days
}

static void settle(void)
{
    u64 t_ns = updated_ns();
    unsigned int p, d;
    for (p = 0; p < JB_PACKAGES_MOST; p++)
        for (d = 0; d < JB_DOMAINS; d++)
            base_nj[p][d] = nj_at(p, d, t_ns);
    since_ns = max(since_ns, t_ns);
}

static int set_number(const char *text, const struct kernel_param *param)
{
    unsigned long flags;
    unsigned int v;
    int rc = kstrtouint(text, 10, &v);
    if (rc) return rc;
    if (param->arg == &update_us && v == 0) return -EINVAL;
    spin_lock_irqsave(&lock, flags);
    settle();
    *(unsigned int *)param->arg = v;
    spin_unlock_irqrestore(&lock, flags);
    return 0;
}

// A package gets all of it, its core a half, its dram a quarter; the second package half of that.
static int inject(const char *text, const struct kernel_param *param)
{
    static const unsigned int part[JB_DOMAINS] = {1, 2, 4};
    unsigned long flags;
    unsigned int p, d;
    u64 uj;
    int rc = kstrtoull(text, 10, &uj);
    if (rc) return rc;
    spin_lock_irqsave(&lock, flags);
    for (p = 0; p < JB_PACKAGES_MOST; p++)
        for (d = 0; d < JB_DOMAINS; d++)
            base_nj[p][d] += div_u64(uj * 1000, part[d] * (p + 1));
    spin_unlock_irqrestore(&lock, flags);
    return 0;
}

static const struct kernel_param_ops number_ops = {.set = set_number, .get = param_get_uint}, inject_ops = {.set = inject};
module_param_cb(package_mw, &number_ops, &power_mw[JB_PACKAGE], 0644);
module_param_cb(core_mw, &number_ops, &power_mw[JB_CORE], 0644);
module_param_cb(dram_mw, &number_ops, &power_mw[JB_DRAM], 0644);
module_param_cb(update_us, &number_ops, &update_us, 0644);
module_param_cb(frozen, &number_ops, &frozen, 0644);
module_param_cb(inject_uj, &inject_ops, NULL, 0200);

unsigned int jb_energy_packages(void)
{
    return packages;
}
EXPORT_SYMBOL_GPL(jb_energy_packages);

u64 jb_energy_nj(unsigned int package, enum jb_domain d)
{
    unsigned long flags;
    u64 nj;
    spin_lock_irqsave(&lock, flags);
    nj = nj_at(package, d, updated_ns());
    spin_unlock_irqrestore(&lock, flags);
    return nj;
}
EXPORT_SYMBOL_GPL(jb_energy_nj);

u64 jb_energy_units(unsigned int package, enum jb_domain d)
{
    return mul_u64_u64_div_u64(jb_energy_nj(package, d), 1ULL << jb_energy_unit_bits(d), 1000000000);
}
EXPORT_SYMBOL_GPL(jb_energy_units);

int jb_energy_fail(void)
{
    return fail;
}
EXPORT_SYMBOL_GPL(jb_energy_fail);

void jb_energy_limit(unsigned int package, u64 mw)
{
    unsigned long flags;
    spin_lock_irqsave(&lock, flags);
    settle();
    limit_mw[package] = mw;
    spin_unlock_irqrestore(&lock, flags);
}
EXPORT_SYMBOL_GPL(jb_energy_limit);

static int __init jb_energy_init(void)
{
    unsigned int p, d;
    if (packages < 1 || packages > JB_PACKAGES_MOST) return -EINVAL;
    for (p = 0; p < JB_PACKAGES_MOST; p++)
        for (d = 0; d < JB_DOMAINS; d++)
            base_nj[p][d] += start_uj * 1000;
    since_ns = updated_ns();
    return 0;
}

static void __exit jb_energy_exit(void)
{
}

module_init(jb_energy_init);
module_exit(jb_energy_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("joulebench tests: the energy of an emulated machine");
