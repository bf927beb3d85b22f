// Instructions of a query: a figure that does not depend on what else the machine does, beside the noisy ones. Two ways to count, which compare only with themselves:
// "papi": user-space instructions of this CPU, by PAPI's perf::INSTRUCTIONS:u. Whether it works is decided by add + start + read: guests and containers mostly have no such counter.
// "callgrind": by valgrind, which runs the program on a made-up CPU with AVX2 at most: other kernels than outside it, so the figure carries the names of those that ran.
#ifndef JB_HARNESS_INSTRUCTIONS_H
#define JB_HARNESS_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "early_exit/adaptive.h"

enum jb_instructions_how { JB_INSTRUCTIONS_NO, JB_INSTRUCTIONS_PAPI, JB_INSTRUCTIONS_CALLGRIND };

struct jb_instructions {
    double per_query;                // NAN: not counted, see reason
    uint32_t queries;                // it is the mean of
    char source[12];                 // "papi" or "callgrind"
    char kernels[1024];              // that ran: "op=symbol op=symbol ..."; empty: not known
    char reason[320];
};

// Runs all of `queries` queries. Returns 0 or a JB_E_* code.
typedef int (*jb_instructions_fn)(void *user);
// Counts over two runs and takes the lower: an interrupt can only add. Reasons: no PAPI, no such event, a counter that stands still, a run that failed.
void jb_instructions_papi(struct jb_instructions *out, const char *kernels, uint32_t queries, jb_instructions_fn run, void *user);

// Starts `valgrind --tool=callgrind` on `program` with `words` (NULL-terminated, argv[0] not among them), counts what happens inside function `within`, and divides by `queries`. valgrind NULL: the one in
// $PATH. The program must end with 0, and print JSON with the object "kernels" in "environment"
// (as `run --json` does); the last line of its stderr is part of the reason when it fails.
void jb_instructions_callgrind(struct jb_instructions *out, const char *valgrind, const char *program, char *const *words, const char *within, uint32_t queries);
// The number behind "Collected :" in what callgrind says; false: there is none.
bool jb_instructions_collected(const char *text, uint64_t *out);

// Of a cell with a model, whose policy has been confirmed: as the options ask (harness/sweep.h). Never fails a cell: what cannot be counted has a reason.
struct jb_ctx;
struct jb_cell;
void jb_instructions_of_cell(const struct jb_ctx *c, const struct jb_cell *cell, const struct jb_model *m, const struct jb_policy *p, const struct jb_schedule *s, struct jb_instructions *out);

#endif
