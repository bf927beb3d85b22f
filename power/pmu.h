// Inside power: the kernel's `power` PMU as its sysfs directory describes it (arch/x86/events/rapl.c; Documentation/ABI: sysfs-bus-event_source-devices-events).
// Only files are read here; nothing is opened in the kernel.
#ifndef JB_POWER_PMU_H
#define JB_POWER_PMU_H

#include "power/source.h"

#define JB_PMU_MAX_PACKAGES 16

// In the order in which channels stand: a package before its children.
enum jb_pmu_domain { JB_PMU_PKG, JB_PMU_CORES, JB_PMU_GPU, JB_PMU_RAM, JB_PMU_PSYS, JB_PMU_DOMAINS };

struct jb_pmu_event { bool here; uint64_t config; double scale_j; }; // scale_j: joules a count
struct jb_pmu_package { unsigned cpu, package, die; };

struct jb_pmu {
    uint32_t type;
    struct jb_pmu_event event[JB_PMU_DOMAINS];
    struct jb_pmu_package package[JB_PMU_MAX_PACKAGES]; // one for each CPU of cpumask
    size_t n_packages;
    char at[160];    // the file that the last failure is about
    int errnum;      // why it could not be read; 0: it could, but makes no sense
};

// dir: .../event_source/devices/power; cpu_dir: .../devices/system/cpu. NOT_FOUND: there is no such PMU; INVALID: a file says what this does not understand;
// else the code of the errno. The error's text names the file.
int jb_pmu_read(struct jb_pmu *out, const char *dir, const char *cpu_dir, struct jb_err *err);
// Where it lies for these options (rooms of 160 bytes). UNAVAILABLE when the root is a directory of files: a PMU belongs to the running kernel.
int jb_pmu_dirs(const struct jb_power_opts *o, char dir[160], char cpu_dir[160], struct jb_err *err);

const char *jb_pmu_event_name(enum jb_pmu_domain d); // "energy-pkg"
// The channel of this counter but for its path and step. The zone is named as the kernel's powercap tree names it: "package-1", "package-0-die-1", "core", "uncore", "dram",
// "psys", "psys-1".
void jb_pmu_channel(const struct jb_pmu *p, size_t package, enum jb_pmu_domain d, int parent, struct jb_channel *out);
// Fills step_uj of channels that are open, by jb_pmu_step_uj of what they show within 20 ms.
void jb_pmu_find_steps(const struct jb_source_ops *ops, void *impl, struct jb_channel *channel, size_t n, const struct jb_clock *clock);

// Class, name and remark of RAPL figures by these options: synthetic in a guest, unless the user vouches for it.
void jb_rapl_class(const struct jb_power_opts *o, const char *name, struct jb_source *s);
// What a probe says of a source that is open: class, cover, remark, cost.
void jb_pmu_probed(struct jb_power_probe *out, const struct jb_source_ops *ops, void *impl, struct jb_source *s, const struct jb_clock *clock);
// Reason and fix for a missing PMU (ENOENT), or for one that could not be opened with this errno.
void jb_pmu_explain(struct jb_power_probe *p, const struct jb_power_opts *o, int errnum);

// The energy unit of the hardware as the counts show it: the kernel shifts the register left to 2^-32 J, so that each count is a multiple of the unit. `bits`: all counts
// seen, or-ed. The lowest bit set is never below the unit's. 0 (nothing moved): 1 J, the largest unit that the 5 bits of MSR_RAPL_POWER_UNIT can say (Intel SDM volume 4).
double jb_pmu_step_uj(uint64_t bits, double scale_j);

#endif
