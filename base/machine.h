// What the machine does beside our own work: the facts by which a block is judged. Everything here is read from /proc and /sys (a root can be given for tests); what cannot be read is said to be
// unknown, never 0.
#ifndef JB_BASE_MACHINE_H
#define JB_BASE_MACHINE_H

#include "base/cputime.h"

struct jb_machine {                  // a moment
    struct jb_cputime cpu;
    uint64_t throttles;              // thermal_throttle core and package counts of all CPUs; UINT64_MAX: unknown
    uint64_t swapped_pages;          // pswpin + pswpout of /proc/vmstat; UINT64_MAX: unknown
    uint64_t involuntary_switches;   // of this process
    int64_t clock_offset_ns;         // CLOCK_REALTIME - CLOCK_MONOTONIC_RAW: a step of the clock changes it
    char governor[24];               // of CPU 0, or "mixed", or empty: unknown
    double freq_khz_least, freq_khz_most; // scaling_cur_freq over the CPUs that this process may run on; NAN: unknown
    uint64_t monotonic_ns;
};
void jb_machine_now(const char *root, struct jb_machine *out); // root NULL: ""

struct jb_machine_span {             // between two moments
    struct jb_cputime_span cpu;      // steal, others
    uint64_t throttles, swapped_pages, involuntary_switches; // UINT64_MAX: unknown
    double clock_jump_ns;            // beyond what slewing explains (500 ppm)
    bool governor_changed;
    double freq_change;              // relative change of the mean frequency; NAN
};
void jb_machine_between(const struct jb_machine *a, const struct jb_machine *b, struct jb_machine_span *out);

#endif
