// Energy sources and meters. Knows nothing of models. A source is one row in power/power.c and one file.
#ifndef JB_POWER_POWER_H
#define JB_POWER_POWER_H

#include <stddef.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/joules.h"

struct jb_power_opts {
    const char *source;      // name, or "auto": the first available of the table; never the model
    const char *root;        // NULL: the system's own; another root gives class replayed unless it is sysfs
    const char *trace;       // replay: path
    bool trust_guest_rapl;   // under a hypervisor RAPL is synthetic: none, unless the user vouches for it
    bool hypervisor;         // from jb_cpu_describe (a parameter, so that tests can set it)
    double max_power_w;      // plausibility ceiling; 0: from the source or 500 W
    struct jb_clock clock;
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

struct jb_meter;             // an open source
struct jb_power_ops {
    const char *name, *summary;
    int (*probe)(const struct jb_power_opts *o, struct jb_power_probe *out);
    int (*open)(void **impl, const struct jb_power_opts *o, struct jb_err *err);
    void (*close)(void *impl);
    // Takes the counters now: cumulative microjoules since open, per window arithmetic in the meter. Fails the window with a reason, not the process.
    int (*read)(void *impl, uint64_t now_ns, struct jb_joules *cumulative);
};
extern const struct jb_power_ops *const jb_power_sources[]; // NULL-terminated: powercap, papi (probe alone: open is UNSUPPORTED for now), replay, none ("Joules" adds perf, hwmon, battery, external)

int jb_power_probe_all(const struct jb_power_opts *o, struct jb_power_probe *out, size_t room, size_t *n);

// Opens a source. With "auto" and nothing available the meter is of source none, whose reason sums up what was tried: never an error.
int jb_meter_open(struct jb_meter **out, const struct jb_power_opts *o, struct jb_err *err);
void jb_meter_close(struct jb_meter *m);
const char *jb_meter_source(const struct jb_meter *m);
const char *jb_meter_root(const struct jb_meter *m);
// Short windows are widened by the counter's update period at both ends, in the bounds. Counters wrap at the zone's own range.
struct jb_window { uint64_t start_ns; struct jb_joules at_start; uint64_t faults; }; // faults: the meter's count when it began
int jb_meter_begin(struct jb_meter *m, struct jb_window *w);
struct jb_joules jb_meter_end(struct jb_meter *m, const struct jb_window *w); // class none with a reason when the window failed
// Call at least every half wrap period on long windows (the harness calls it between blocks; "Joules" adds the sampler thread).
void jb_meter_poll(struct jb_meter *m);

// A relative figure from MACs and bytes: full f32 network = 1. Not joules; needs no coefficients of this CPU; stands apart from measured figures everywhere.
// Weights from Horowitz (ISSCC 2014, 45 nm): cost of a multiply-add at f32 and int8 and of a byte from memory; ranking only.
struct jb_model_work { double macs_f32, macs_int8, bytes; };
double jb_modelled_relative(const struct jb_model_work *w, const struct jb_model_work *full_f32);

#endif
