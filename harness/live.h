// Live comparison: pairs of blocks, one of each side, in random order within the pair, cells in random order: what slows the machine slows both.
#ifndef JB_HARNESS_LIVE_H
#define JB_HARNESS_LIVE_H

#include "base/strbuf.h"
#include "harness/worker.h"
#include "reports/comparison.h"

// instance: how often the workers had been restarted; what is peculiar to two processes (where their memory lies) is the same in all pairs of one instance.
// invalid_a, invalid_b: 1 << enum jb_check of each check of harness/validity.h that the block fails; a pair is valid when both blocks are.
struct jb_live_pair { uint64_t start_ns; bool candidate_first; struct jb_block a, b; bool valid; const char *why_not; uint32_t invalid_a, invalid_b; uint32_t instance; int cpu; };

#define JB_LIVE_PAIRS 5u

struct jb_live;
// Told after every pair; returns true to end this cell (decided). May be NULL: each cell gets its share of the time.
typedef bool (*jb_live_fn)(void *user, size_t cell, const struct jb_live_pair *pair);

struct jb_live_opts {
    const struct jb_side *a, *b;     // baseline, candidate
    const char *this_program;
    double seconds;                  // of measuring in all, warm-up not counted
    const char *only;                // pattern over labels (fnmatch); NULL: all that match
    double instance_s;               // both workers are restarted after so many seconds of measuring (and no fewer than JB_LIVE_PAIRS pairs of every cell); 0: never
    double block_ms;                 // 0: the plan's
    uint64_t seed;
    struct jb_clock clock;
    const volatile int *stop;
    jb_progress_fn progress; void *progress_user;
    jb_live_fn told; void *told_user;
    int (*opened)(void *user, const struct jb_live *l, struct jb_err *err); void *opened_user; // told once both sides are open and their cells matched; an error ends it. NULL: nobody asks
    double max_other_cpu;            // blocks are judged by their plan's rules of validity; above 0: this in place of their max_other_cpu (the gate's rules)
    // Power limits of sides ("power_limit_w" in their plans): as in struct jb_sweep_opts; power: whose root has the limits, and the source that watches them.
    struct jb_power_opts power;
    const char *limits_state;
    void (*limits_held)(const struct jb_limits *);
};

// Cells match by key; when no key matches and a side has power limits, by label without the limit; when none does and each side has one cell, these two are the pair (two models or settings).
struct jb_live_cell { size_t a, b; const struct jb_facts *facts_a, *facts_b; struct jb_block_request request_a, request_b; bool decided; uint64_t pairs; }; // a, b: places in the workers' lists
int jb_live_open(struct jb_live **out, const struct jb_live_opts *o, struct jb_err *err);
const struct jb_live_cell *jb_live_cells(const struct jb_live *l, size_t *n);
struct jb_worker *jb_live_worker(const struct jb_live *l, int side); // borrowed; 0: a, 1: b. For its run line and samples
int jb_live_run(struct jb_live *l, struct jb_err *err); // INTERRUPTED: what was told stands. Power limits are put back when it returns
// After the run: was a cell's power limit (of facts_a or facts_b) kept? See harness/live_limit.h. NAN: there was none, and it was.
bool jb_live_kept(const struct jb_live *l, double watts, struct jb_str *what, char *reason, size_t room);
void jb_live_close(struct jb_live *l);

#endif
