// The release gate. Rules (JSON, docs/schema/gate.schema.json):
//   {"cells": "PATTERN", "error_rate": 0.01, "confidence": 0.95, "metrics": {"accuracy": {"margin": 0.002}, "mean": {"margin": 0.03}, "p50": {"margin": 0.03}, "joules": {"margin": 0.03, "classes": ["measured"]}},
//    "overrides": [{"cells": "PATTERN", "metrics": {..}}], "validity": {...}}
// Verdict of a metric, one-sided against its margin (non-inferiority): pass: the interval lies inside; fail: worse by more than the margin at the family-wise error rate (Holm over metrics and cells);
// else inconclusive. Live: both by bets on signs (base/infer.h), which hold however often one looks; an undecided gate goes on until its time is up.
#ifndef JB_HARNESS_GATE_H
#define JB_HARNESS_GATE_H

#include "harness/compare.h"

#define JB_GATE_MAX_METRICS 16
#define JB_GATE_MAX_OVERRIDES 32

struct jb_gate_metric { char name[24]; double margin; bool allow_replayed, allow_modelled; };
struct jb_gate_rules {
    char cells[128];
    double error_rate, confidence;
    struct jb_gate_metric metric[JB_GATE_MAX_METRICS]; size_t n_metrics;
    struct jb_gate_override { char cells[128]; struct jb_gate_metric metric[JB_GATE_MAX_METRICS]; size_t n_metrics; } *overrides; size_t n_overrides; // owned
};
void jb_gate_rules_default(struct jb_gate_rules *r); // accuracy 0.005, p50 and mean 0.05, joules 0.05 if measured
int jb_gate_rules_read(struct jb_gate_rules *out, const char *path, struct jb_err *err);
int jb_gate_rules_parse(struct jb_gate_rules *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);
void jb_gate_rules_free(struct jb_gate_rules *r);

enum jb_inconclusive_as { JB_INCONCLUSIVE_OWN, JB_INCONCLUSIVE_PASS, JB_INCONCLUSIVE_FAIL };
// Judges a comparison that holds all its metrics: fills gated, margin, verdicts, exit_code. Precedence of exit codes: 2 > 10 > 12 > 13 > 11 > 0, 10 counts valid cells only. A gate that compared
// nothing never passes.
int jb_gate_judge(struct jb_comparison *c, const struct jb_gate_rules *r, enum jb_inconclusive_as as, struct jb_err *err);
int jb_gate_past(const char *baseline_dir, const char *candidate_dir, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err);
int jb_gate_live(const struct jb_live_opts *l, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err);

// The sequential judge of one metric of one cell, fed with the log ratios (candidate / baseline, worse is larger) of pairs.
struct jb_gate_bets { struct jb_sign_bet worse, better; }; // worse: H0 "not worse than the margin"; better: H0 "worse by the margin or more"
void jb_gate_bets_open(struct jb_gate_bets *b, double margin);
void jb_gate_bets_add(struct jb_gate_bets *b, double log_ratio);
enum jb_verdict jb_gate_bets_verdict(const struct jb_gate_bets *b, double fail_level, double pass_level);

#endif
