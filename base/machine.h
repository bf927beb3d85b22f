// What the machine does beside our own work: the facts by which a block is judged. Everything here is read from /proc and /sys (a root can be given for tests); what cannot be read is said to be
// unknown, never 0.
//
// Cost of one reading, files kept open: about 45 us on a guest of two CPUs without cpufreq, nearly all of it the kernel writing /proc/stat and /proc/vmstat; and some us for each CPU that has cpufreq
// or throttle counts. So it is taken before a block's window and behind it, never between queries. Opening the files costs as much again.
#ifndef JB_BASE_MACHINE_H
#define JB_BASE_MACHINE_H

#include "base/cputime.h"

#define JB_MACHINE_MAX_CPUS 64       // of those that this process may run on, so many are looked at

struct jb_machine {                  // a moment
    struct jb_cputime cpu;
    uint64_t throttles;              // thermal_throttle core and package counts of the CPUs; UINT64_MAX: unknown
    uint64_t swapped_pages;          // pswpin + pswpout of /proc/vmstat; UINT64_MAX: unknown
    uint64_t involuntary_switches;   // of this process
    int64_t clock_offset_ns;         // CLOCK_REALTIME - CLOCK_MONOTONIC_RAW: a step of the clock changes it
    uint64_t clock_doubt_ns;         // by so much the offset may be wrong: the clocks cannot be read at once
    char governor[24];               // of all CPUs, or "mixed", or empty: unknown
    double freq_khz_least, freq_khz_most; // scaling_cur_freq over the CPUs that this process may run on; NAN: unknown
    uint64_t monotonic_ns;
};

struct jb_machine_files;             // kept open
// root NULL: "". What is not there is unknown, not an error: NOMEM alone.
int jb_machine_open(struct jb_machine_files **out, const char *root);
void jb_machine_close(struct jb_machine_files *f); // accepts NULL
void jb_machine_read(struct jb_machine_files *f, struct jb_machine *out);
void jb_machine_now(const char *root, struct jb_machine *out); // opens, reads, closes

struct jb_machine_span {             // between two moments
    struct jb_cputime_span cpu;      // steal, others
    double steal_share, steal_share_least; // of the machine's CPU time; what of it is certain, given that Linux counts it in ticks and late by up to one on each CPU. NAN
    uint64_t throttles, swapped_pages, involuntary_switches; // UINT64_MAX: unknown
    double clock_jump_ns;            // beyond what slewing explains (500 ppm: the most that the kernel's clock is ever disciplined by, adjtimex(2)) and what the readings leave in doubt
    bool governor_known, governor_changed;
    // Relative change of freq_khz_most; NAN. Of the fastest CPU, because that is a busy one, so ours: CPUs that idle show anything between their least and their last.
    double freq_change;
};
void jb_machine_between(const struct jb_machine *a, const struct jb_machine *b, struct jb_machine_span *out);

#endif
