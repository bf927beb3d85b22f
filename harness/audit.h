// Audits: whether a run's figures are what they say they are.
#ifndef JB_HARNESS_AUDIT_H
#define JB_HARNESS_AUDIT_H

#include "harness/sweep.h"

enum jb_audit_verdict { JB_AUDIT_PASS, JB_AUDIT_FAIL, JB_AUDIT_INCONCLUSIVE, JB_AUDIT_NOTHING }; // NOTHING: there was nothing to look at; never a pass
const char *jb_audit_verdict_name(enum jb_audit_verdict v); // "pass", "fail", "inconclusive", "nothing audited"

struct jb_audit_row { char label[192], words[400]; enum jb_audit_verdict verdict; uint64_t n; double observed, lower, upper; }; // NAN where none
struct jb_audit { struct jb_audit_row *rows; size_t n; enum jb_audit_verdict verdict; uint64_t looked_at; double limit; }; // verdict: the worst; rows: owned
void jb_audit_free(struct jb_audit *a);

// Outputs: every answer of every block of a run's directory against the accuracy pass: sample, exit, prediction, precisions. n: answers.
int jb_audit_outputs(const char *dir, struct jb_audit *out, struct jb_err *err);
// Caching: of each cell of a plan, blocks over distinct samples beside blocks that repeat one sample, in pairs in random order; medians of queries that leave at the same exit. Repeating may be faster by
// `limit` (0.10: MLPerf Inference TEST04), as caches and branch predictors are real; pass: the 95 % interval of distinct / repeated lies below 1 + limit, fail: above. n: pairs.
int jb_audit_cache(const struct jb_plan *p, const struct jb_sweep_opts *o, uint32_t pairs, double limit, struct jb_audit *out, struct jb_err *err);
// Seeds: a plan is run under each of n seeds (into DIR/seed-N), runs 1 and 2, 3 and 4, ... are compared. They are the same thing, so each comparison that sees a difference in latency, joules or accuracy is
// a false one, and at most the stated share of comparisons may have any (Holm within each: 5 %). fail: so many false ones have a chance below 1 % at that rate. n: comparisons.
int jb_audit_seeds(const char *plan_path, const struct jb_plan_set *sets, size_t n_sets, const struct jb_sweep_opts *o, const char *dir, uint32_t n_seeds, struct jb_audit *out, struct jb_err *err);
// The row "all" behind rows of single comparisons (n 1: it compared something; observed: how many figures seemed to differ), as jb_audit_seeds adds it. The verdict is in that row alone.
int jb_audit_judge_seeds(struct jb_audit *a, struct jb_err *err);

#endif
