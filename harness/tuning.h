// What would make this machine quieter: the exact command, what it would change here, and whether it applies. Read from /sys and /proc below a root; nothing is changed.
#ifndef JB_HARNESS_TUNING_H
#define JB_HARNESS_TUNING_H

#include <stdbool.h>
#include <stdint.h>

#define JB_TUNING_MAX 8

struct jb_tuning {
    char what[16];        // governor, turbo, smt, affinity, isolation, clock, steal
    bool applies;         // false: nothing to gain, or not to be had here; `effect` says why
    char state[128];      // as it is now
    char command[320];    // empty: there is none
    char effect[320];     // what the command would change here, or why there is none
};

// What was seen of the machine; NAN: not known.
struct jb_tuning_facts {
    bool hypervisor;
    double others, steal;               // shares of the machine's CPU time while it was measured
    double switched_out;                // share of blocks in which this process was switched out
    double clock_cost_ns;
    struct jb_tuning_try { double sd_log, lower, upper; } free, pinned; // noise of blocks of pinned_ms (standard deviation of the log ratio with its bounds), as it is and bound to one CPU
    double pinned_ms;
    int cpus, last_cpu;                 // that this process may run on: how many, and the one with the highest number
};
// Fills cpus and last_cpu.
void jb_tuning_affinity(struct jb_tuning_facts *f);

// root NULL: "". Returns how many rows it filled.
uint32_t jb_tuning_find(struct jb_tuning out[JB_TUNING_MAX], const char *root, const struct jb_tuning_facts *f);

// Name of the kernel's clock source into out; empty: unknown.
void jb_tuning_clock_source(const char *root, char *out, unsigned n);

#endif
