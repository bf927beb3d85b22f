// SPDX-License-Identifier: GPL-2.0
// Feeds the kernel's powercap class: control type intel-rapl, a zone a package with core and dram nested in it, constraints that can be set and read back.
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/powercap.h>
#include "jb_energy.h"

#define CONSTRAINTS_MOST 2

struct jb_zone {
    struct powercap_zone zone;
    unsigned int package;
    enum jb_domain domain;
    bool registered;
    u64 limit_uw[CONSTRAINTS_MOST], window_us[CONSTRAINTS_MOST];
};

static struct jb_zone zones[JB_PACKAGES_MOST][JB_DOMAINS];
static struct powercap_control_type *control_type;
static unsigned long range_uj = 262143328850UL; // (2^32 - 1) x 2^-14 J
static unsigned int locked;
module_param(range_uj, ulong, 0444);
module_param(locked, uint, 0644);
MODULE_PARM_DESC(locked, "firmware has locked the power limits: writes fail");

static struct jb_zone *of(struct powercap_zone *z)
{
    return container_of(z, struct jb_zone, zone);
}

static int get_range(struct powercap_zone *z, u64 *uj)
{
    *uj = range_uj;
    return 0;
}

static int get_energy(struct powercap_zone *z, u64 *uj)
{
    if (jb_energy_fail()) return -jb_energy_fail();
    div64_u64_rem(div_u64(jb_energy_nj(of(z)->package, of(z)->domain), 1000), range_uj + 1, uj);
    return 0;
}

static int get_enable(struct powercap_zone *z, bool *enabled)
{
    *enabled = true;
    return 0;
}

static int set_enable(struct powercap_zone *z, bool enabled)
{
    return 0;
}

static int release(struct powercap_zone *z)
{
    return 0;
}

static int set_limit(struct powercap_zone *z, int id, u64 uw)
{
    struct jb_zone *k = of(z);
    if (locked) return -EACCES;
    k->limit_uw[id] = div_u64(uw, 125000) * 125000; // the register's unit: 1/8 W
    if (id == 0 && k->domain == JB_PACKAGE) jb_energy_limit(k->package, div_u64(k->limit_uw[0], 1000));
    return 0;
}

static int get_limit(struct powercap_zone *z, int id, u64 *uw)
{
    *uw = of(z)->limit_uw[id];
    return 0;
}

static int set_window(struct powercap_zone *z, int id, u64 us)
{
    if (locked) return -EACCES;
    of(z)->window_us[id] = us;
    return 0;
}

static int get_window(struct powercap_zone *z, int id, u64 *us)
{
    *us = of(z)->window_us[id];
    return 0;
}

static int get_max_power(struct powercap_zone *z, int id, u64 *uw)
{
    *uw = 125000000;
    return 0;
}

static const char *get_name(struct powercap_zone *z, int id)
{
    return id ? "short_term" : "long_term";
}

static const struct powercap_zone_ops zone_ops = {
    .get_max_energy_range_uj = get_range, .get_energy_uj = get_energy, .get_enable = get_enable, .set_enable = set_enable, .release = release,
};
static const struct powercap_zone_constraint_ops constraint_ops = {
    .set_power_limit_uw = set_limit, .get_power_limit_uw = get_limit, .set_time_window_us = set_window, .get_time_window_us = get_window,
    .get_max_power_uw = get_max_power, .get_name = get_name,
};

static int add_zone(unsigned int package, enum jb_domain d)
{
    static const char *const names[JB_DOMAINS] = {"package", "core", "dram"};
    struct jb_zone *k = &zones[package][d];
    struct powercap_zone *added;
    char name[16];
    snprintf(name, sizeof(name), d == JB_PACKAGE ? "%s-%u" : "%s", names[d], package);
    *k = (struct jb_zone){.package = package, .domain = d, .limit_uw = {125000000, 150000000}, .window_us = {1000000, 2440}};
    added = powercap_register_zone(&k->zone, control_type, name, d == JB_PACKAGE ? NULL : &zones[package][JB_PACKAGE].zone, &zone_ops,
                                   d == JB_PACKAGE ? CONSTRAINTS_MOST : 1, &constraint_ops);
    k->registered = !IS_ERR(added);
    return k->registered ? 0 : PTR_ERR(added);
}

static void jb_zones_exit(void)
{
    int p, d;
    for (p = JB_PACKAGES_MOST - 1; p >= 0; p--) {
        for (d = JB_DOMAINS - 1; d >= 0; d--) // children first
            if (zones[p][d].registered) powercap_unregister_zone(control_type, &zones[p][d].zone);
        jb_energy_limit(p, 0);
    }
    powercap_unregister_control_type(control_type);
}

static int __init jb_zones_init(void)
{
    unsigned int p, d;
    int rc = 0;
    control_type = powercap_register_control_type(NULL, "intel-rapl", NULL);
    if (IS_ERR(control_type)) return PTR_ERR(control_type);
    for (p = 0; p < jb_energy_packages() && !rc; p++)
        for (d = 0; d < JB_DOMAINS && !rc; d++)
            rc = add_zone(p, d);
    if (rc) jb_zones_exit();
    return rc;
}

module_init(jb_zones_init);
module_exit(jb_zones_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("joulebench tests: zones of the powercap class");
