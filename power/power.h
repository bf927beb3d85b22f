// Energy sources and meters. Knows nothing of models. A source is one row in power/power.c and one file.
#ifndef JB_POWER_POWER_H
#define JB_POWER_POWER_H

#include <stddef.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/joules.h"

struct jb_power_opts {
    const char *source;      // name, or NULL or "auto": the first available of the table; never the model
    // NULL: the system's own /sys. Else a directory that stands for /sys (it holds class/powercap, class/hwmon, ...) or for the one class directory that the
    // source reads (it looks like /sys/class/powercap). Figures from it have class replayed unless it lies in a sysfs.
    const char *root;
    const char *trace;       // replay: path
    const char *external;    // external: path of a file or FIFO of "timestamp_ns,watts" or "timestamp_ns,joules" lines
    bool external_joules;    // its second column: cumulative joules instead of watts (a header line in the file decides before this)
    bool external_has_offset; // its clock is not CLOCK_REALTIME: add this to its stamps to get CLOCK_REALTIME
    int64_t external_offset_ns;
    bool trust_guest_rapl;   // under a hypervisor RAPL is synthetic: class modelled, source guest-rapl, unless the user vouches for it
    bool hypervisor;         // from jb_cpu_describe (a parameter, so that tests can set it)
    double max_power_w;      // plausibility ceiling; 0: from the source or 500 W
    const char *measured_cpus; // "0-3,8": the sampler thread stays away from these where there is a choice; NULL: no wish
    bool no_sampler;         // no thread: the caller polls (tests, `power record`). Always so with a clock that is not the system's
    bool no_cross_check;     // with auto, perf and powercap are read together and compared; this leaves the second out
    const char *record;      // write every raw reading to this trace; NULL: no
    struct jb_clock clock;   // now_ns NULL: CLOCK_MONOTONIC
};

// One line per source: is it here, or exactly why not and what would unlock it.
struct jb_power_probe {
    const char *source;
    bool available;
    enum jb_energy_class cls;  // the class its figures would have
    char path[160];
    char mode[12];           // "-r--------", empty if not applicable
    int errnum;
    char reason[256], fix[256];
    char domains[160];       // what it would sum
    char left_out[160];      // what the disjoint cover leaves out
    double read_ns;          // cost of one read, measured; NAN
};

struct jb_source_ops;
// NULL-terminated, in the order in which auto tries them: perf, powercap, papi, hwmon, battery (these by themselves), external, replay (only when named or given), none.
extern const struct jb_source_ops *const jb_power_sources[];
const char *jb_power_source_name(const struct jb_source_ops *s);
const char *jb_power_source_summary(const struct jb_source_ops *s);

int jb_power_probe_all(const struct jb_power_opts *o, struct jb_power_probe *out, size_t room, size_t *n);
#define JB_POWER_MAX_SOURCES 16

// ---- a meter: an open source ----

struct jb_meter;
// With "auto" and nothing available the meter is of source none, whose reason sums up what was tried: never an error.
int jb_meter_open(struct jb_meter **out, const struct jb_power_opts *o, struct jb_err *err);
void jb_meter_close(struct jb_meter *m);
// Ends the recording of jb_power_opts.record and says whether all of it was written (close does it too, in silence).
int jb_meter_record_end(struct jb_meter *m, struct jb_err *err);
const char *jb_meter_source(const struct jb_meter *m); // "powercap", "guest-rapl", "none", ...
const char *jb_meter_root(const struct jb_meter *m);

// What is known of an open meter; texts live as long as it does. Recorded with every run.
struct jb_meter_facts {
    const char *source, *root;
    enum jb_energy_class cls;  // of its figures
    const char *domains, *left_out; // the disjoint cover, and what it leaves out and why
    const char *remark;        // "RAPL of a guest, vouched for by the user", or ""
    const char *reason;        // class none: why; else ""
    const char *cross_check;   // name of the second source that every window is compared with, or ""
    double ceiling_w;          // sum over the cover
    const char *ceiling_from;  // "--max-power-w", "max_power_range_uw", "4x the largest constraint", "default"
    uint64_t update_ns;        // longest update period in the cover, with its margin; 0: not found
    double read_ns;            // cost of reading the cover once, measured; NAN
    uint64_t sampler_period_ns; // 0: no sampler
};
void jb_meter_facts(const struct jb_meter *m, struct jb_meter_facts *out);

struct jb_sampler_stats { uint64_t reads, cpu_ns, wall_ns, period_ns; int cpu; double share; }; // share of one CPU; cpu -1: not pinned; all 0 without sampler
void jb_meter_sampler(const struct jb_meter *m, struct jb_sampler_stats *out);

// ---- windows ----

// begin waits for an edge of fast counters (update period up to JB_ALIGN_MOST_NS: at most two periods), so that the window starts at a known reading. end waits for the reading
// behind the end: up to two periods for fast counters, up to a period and a half for slow ones (see settle_most_ns). The window itself is from begin's return to end's call.
#define JB_ALIGN_MOST_NS 5000000u
struct jb_window { uint64_t start_ns; int slot; uint32_t generation; }; // up to 8 may be open at once on a meter
int jb_meter_begin(struct jb_meter *m, struct jb_window *w);            // an error's text comes with end's figure
struct jb_joules jb_meter_end(struct jb_meter *m, const struct jb_window *w); // class none with a reason when the window failed
// The same, and the figure of each channel (also those outside the cover), in the order of jb_meter_channel.
struct jb_joules jb_meter_end_parts(struct jb_meter *m, const struct jb_window *w, struct jb_joules *parts, size_t room);
// Reads now. Needed on long windows only where there is no sampler.
void jb_meter_poll(struct jb_meter *m);

// What a source offers, one by one: for `power list` and `power watch`.
struct jb_channel_facts {
    const char *label, *control_type, *path, *why_not; // why_not: NULL when summed
    bool summed;
    const char *kind;          // "energy", "power"
    double ceiling_w, unit_uj; // unit_uj NAN for power
    uint64_t range_uj;         // 0: does not wrap
    uint64_t update_ns;        // 0: not found
    const char *trouble;       // last failure, or ""
};
size_t jb_meter_n_channels(const struct jb_meter *m);
void jb_meter_channel(const struct jb_meter *m, size_t i, struct jb_channel_facts *out);

// A relative figure from MACs and bytes: full f32 network = 1. Not joules; needs no coefficients of this CPU; stands apart from measured figures everywhere.
// Weights from Horowitz (ISSCC 2014, 45 nm): cost of a multiply-add at f32 and int8 and of a byte from memory; ranking only.
struct jb_model_work { double macs_f32, macs_int8, bytes; };
double jb_modelled_relative(const struct jb_model_work *w, const struct jb_model_work *full_f32);

#endif
