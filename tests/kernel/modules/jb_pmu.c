// SPDX-License-Identifier: GPL-2.0
// A perf PMU named "power", as arch/x86/events/rapl.c makes it: 64-bit sums of a 32-bit register, shifted to 2^-32 J; one CPU a package reads it.
#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/topology.h>
#include "jb_energy.h"

enum { CORES = 1, PKG = 2, RAM = 3 }; // configs of the kernel's own PMU

static struct pmu power;
static struct cpumask readers;

static const enum jb_domain domain[] = {[CORES] = JB_CORE, [PKG] = JB_PACKAGE, [RAM] = JB_DRAM};

static u64 units(const struct perf_event *event)
{
    return jb_energy_units(topology_physical_package_id(event->cpu), domain[event->hw.config]);
}

static void update(struct perf_event *event)
{
    u32 now = (u32)units(event), before = (u32)local64_xchg(&event->hw.prev_count, now);
    local64_add((u64)(u32)(now - before) << (32 - jb_energy_unit_bits(domain[event->hw.config])), &event->count);
}

static void start(struct perf_event *event, int flags)
{
    event->hw.state = 0;
    local64_set(&event->hw.prev_count, (u32)units(event));
}

static void stop(struct perf_event *event, int flags)
{
    if (event->hw.state & PERF_HES_STOPPED) return;
    update(event);
    event->hw.state |= PERF_HES_STOPPED | PERF_HES_UPTODATE;
}

static int add(struct perf_event *event, int flags)
{
    event->hw.state = PERF_HES_STOPPED | PERF_HES_UPTODATE;
    if (flags & PERF_EF_START) start(event, flags);
    return 0;
}

static void del(struct perf_event *event, int flags)
{
    stop(event, PERF_EF_UPDATE);
}

static int event_init(struct perf_event *event)
{
    u64 config = event->attr.config;
    if (event->attr.type != power.type) return -ENOENT;
    if (is_sampling_event(event) || event->cpu < 0 || config < CORES || config > RAM) return -EINVAL;
    if (topology_physical_package_id(event->cpu) >= jb_energy_packages()) return -EINVAL;
    event->hw.config = config;
    return 0;
}

static ssize_t cpumask_show(struct device *device, struct device_attribute *attribute, char *text)
{
    return cpumap_print_to_pagebuf(true, text, &readers);
}
static DEVICE_ATTR_RO(cpumask);

PMU_FORMAT_ATTR(event, "config:0-7");
#define EVENT(id, name, config)                                  \
    PMU_EVENT_ATTR_STRING(name, id, "event=" config);            \
    PMU_EVENT_ATTR_STRING(name.unit, id##_unit, "Joules");       \
    PMU_EVENT_ATTR_STRING(name.scale, id##_scale, "2.3283064365386962890625e-10");
#define EVENT_ATTRS(id) &id.attr.attr, &id##_unit.attr.attr, &id##_scale.attr.attr
EVENT(cores, energy-cores, "0x01")
EVENT(pkg, energy-pkg, "0x02")
EVENT(ram, energy-ram, "0x03")

static struct attribute *format_attrs[] = {&format_attr_event.attr, NULL}, *mask_attrs[] = {&dev_attr_cpumask.attr, NULL},
                        *event_attrs[] = {EVENT_ATTRS(cores), EVENT_ATTRS(pkg), EVENT_ATTRS(ram), NULL};
static const struct attribute_group format_group = {.name = "format", .attrs = format_attrs}, event_group = {.name = "events", .attrs = event_attrs},
                                    mask_group = {.attrs = mask_attrs};
static const struct attribute_group *groups[] = {&mask_group, &format_group, &event_group, NULL};

static struct pmu power = {
    .module = THIS_MODULE, .attr_groups = groups, .task_ctx_nr = perf_invalid_context, .capabilities = PERF_PMU_CAP_NO_EXCLUDE,
    .event_init = event_init, .add = add, .del = del, .start = start, .stop = stop, .read = update,
};

static int __init jb_pmu_init(void)
{
    bool seen[JB_PACKAGES_MOST] = {false};
    unsigned int cpu, package;
    for_each_online_cpu(cpu) {
        package = topology_physical_package_id(cpu);
        if (package >= jb_energy_packages() || seen[package]) continue;
        seen[package] = true;
        cpumask_set_cpu(cpu, &readers);
    }
    return perf_pmu_register(&power, "power", -1);
}

static void __exit jb_pmu_exit(void)
{
    perf_pmu_unregister(&power);
}

module_init(jb_pmu_init);
module_exit(jb_pmu_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("joulebench tests: a perf PMU named power");
