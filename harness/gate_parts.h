// Inside the gate: what its files share.
#ifndef JB_HARNESS_GATE_PARTS_H
#define JB_HARNESS_GATE_PARTS_H

#include "harness/gate.h"

// What a sequential test found out about one metric of one cell; it goes before what the interval of the comparison says. p-values hold under peeking.
struct jb_gate_evidence {
    const char *key;                 // of the cell
    const char *metric;              // key of the comparison: "p50_ns"
    const char *unit;                // what was bet on: "pairs"
    uint64_t n, above;               // bets; above: those beyond the margin
    double p_worse, p_better;
    double effect;                   // exp of the median log ratio
    struct jb_interval interval;     // of the log ratio; holds under peeking
};
// A cell that cannot be judged whatever its metrics say.
struct jb_gate_invalid { const char *key, *why; };
struct jb_gate_findings { const struct jb_gate_evidence *evidence; size_t n_evidence; const struct jb_gate_invalid *invalid; size_t n_invalid; };

// jb_gate_judge with what else is known; findings NULL: nothing.
int jb_gate_judge_with(struct jb_comparison *c, const struct jb_gate_rules *r, enum jb_inconclusive_as as, const struct jb_gate_findings *findings, struct jb_err *err);

// One-sided p-values of a metric with an interval: worse: H0 "not worse than the margin"; better: H0 "worse by the margin or more". NAN: it has no interval.
// Ratios: Student's distribution with blocks - 1 degrees of freedom around the log effect, whose standard error is that half of the interval which reaches towards the margin (a confidence interval read
// backwards; the interval itself may be a bootstrap's). Accuracy on the same samples: the score test of paired proportions (Tango 1998), for a fail with a continuity correction and never below the exact one-sided McNemar test.
struct jb_gate_p { double worse, better; };
struct jb_gate_p jb_gate_p_of(const struct jb_compared_metric *m, double margin, double confidence);
// The samples that only one side answers right, from what a comparison says of paired accuracies: the Tango interval is found for one such pair alone. False: not paired, or no such pair.
bool jb_gate_discordant(const struct jb_compared_metric *m, double confidence, uint64_t *only_baseline, uint64_t *only_candidate);

const char *jb_gate_effect_words(struct jb_comparison *c, const struct jb_compared_metric *m, const struct jb_gate_evidence *e);
// The words of a verdict.
const char *jb_gate_why(struct jb_comparison *c, const struct jb_compared_metric *m, const struct jb_gate_evidence *e, double error_rate);
int jb_gate_sentence(struct jb_comparison *c, size_t n_judged, size_t n_cells);

#endif
