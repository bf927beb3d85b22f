// What a pass over m positions costs beside a decode step, v(m), and whether it gives the same bits: the two figures that decide whether speculation pays and is
// lossless (adaptive.md: S = tau / (gamma d + v(gamma + 1))).
#ifndef JB_EARLY_EXIT_VERIFY_H
#define JB_EARLY_EXIT_VERIFY_H

#include "base/clock.h"
#include "early_exit/precision.h"
#include "runtime/session.h"

#define JB_VERIFY_MOST 64

struct jb_verify_point {
    uint32_t m;
    uint64_t median_ns, least_ns;  // of one pass: begin, all stages, the final head on every position (its best tokens)
    double v;                      // median over that of m = 1
    bool identical;                // logits of all m positions are those of m single steps, bit for bit
    struct jb_cost cost;           // of one pass
};

struct jb_verify_opts {
    const uint32_t *token; // (n_context + max_m): what was read before, and what is verified
    uint32_t n_context, max_m, rounds; // at least 1 of each; max_m <= the session's rows
    const struct jb_clock *clock;
    const volatile int *cancel; // INTERRUPTED when it is set; NULL
};
// Fills out (max_m), m = 1.. max_m. Rounds go through all m in turn, forth and back, so that drift of the machine meets all of them alike; a first one is not counted.
// Uses sequence 0, which is forgotten at the end, also after an error. Median: of `rounds` passes.
int jb_verify_measure(struct jb_session *s, const struct jb_schedule *schedule, const struct jb_verify_opts *o, struct jb_verify_point *out, struct jb_err *err);

#endif
