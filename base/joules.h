// The energy record. Everybody who passes a joule on passes this whole record: a figure without class, bounds and source is not a figure.
// Shared by power (makes it), early_exit (reads it as a plain value) and reports (renders it).
#ifndef JB_BASE_JOULES_H
#define JB_BASE_JOULES_H

#include <stdbool.h>
#include <stdint.h>

enum jb_energy_class {
    JB_ENERGY_NONE = 0,   // there is no figure; `reason` says why. Never shown as 0.
    JB_ENERGY_MEASURED,   // an energy counter of this machine
    JB_ENERGY_INTEGRATED, // power samples of this machine, integrated over time
    JB_ENERGY_ATTRIBUTED, // a share of a measured figure, by CPU time or the like
    JB_ENERGY_MODELLED,   // computed from a model: relative, or fitted coefficients
    JB_ENERGY_REPLAYED,   // from a recorded trace or a fabricated tree
};

const char *jb_energy_class_name(enum jb_energy_class c); // "none", "measured", ...

struct jb_joules {
    enum jb_energy_class cls;
    double uj;             // microjoules over the window; NAN when cls is none
    double lower_uj;       // hard lower bound
    double upper_uj;       // hard upper bound
    uint64_t window_ns;    // length of the window that it covers
    uint64_t update_ns;    // update period of the source; 0: unknown
    uint32_t wraps;        // counter wraps seen within the window
    char source[32];       // "powercap", "replay", "none", ...
    char root[128];        // "/sys/class/powercap", a trace's path, or empty
    char domains[128];     // the disjoint cover that was summed: "package-0 dram-0"
    char reason[256];      // why there is no figure (class none), else empty or a remark
};

// A record of class none with this reason.
struct jb_joules jb_joules_none(const char *source, const char *reason);
bool jb_joules_have(const struct jb_joules *j);
// Sum of two windows of one source: bounds add, classes must be equal, else none with a reason. none + x = none.
struct jb_joules jb_joules_add(const struct jb_joules *a, const struct jb_joules *b);
// Net of idle: gross - idle_uw * window; bounds widened by idle_lower/upper. idle class none gives none with a reason.
struct jb_joules jb_joules_net(const struct jb_joules *gross, const struct jb_joules *idle);

// One idle record from the windows before and after a piece of work: the mean of their powers (which is the idle power in the middle of the work if it
// changes linearly), and bounds that hold both, the hull of the two power intervals (Moore, Kearfott, Cloud: Introduction to Interval Analysis, SIAM 2009, 2.1):
// idle power anywhere between the two values is inside. Its window is the sum of both. *drift: the intervals have no point in common, so idle power has
// changed by more than both bounds explain. With one window alone that one counts, its reason says so, and *drift is false. Neither: none, with the reason.
void jb_joules_idle(const struct jb_joules *before, const struct jb_joules *after, struct jb_joules *out, bool *drift);

// What was observed and what was modelled never share a record. Class modelled goes to *modelled, and *energy becomes none with the reason (source "guest-rapl":
// RAPL under a hypervisor that nobody vouched for); any other record goes to *energy, and *modelled is none.
void jb_joules_split(const struct jb_joules *j, struct jb_joules *energy, struct jb_joules *modelled);

#endif
