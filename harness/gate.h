// The release gate. Rules (JSON, docs/schema/gate.schema.json):
//   {"cells": "PATTERN", "error_rate": 0.01, "confidence": 0.95, "metrics": {"accuracy": {"margin": 0.002}, "mean": {"margin": 0.03}, "p50": {"margin": 0.03}, "joules": {"margin": 0.03, "classes": ["measured"]}},
//    "overrides": [{"cells": "PATTERN", "metrics": {"p50": {"margin": 0.1}, "mean": null}}], "validity": {"max_other_cpu": 0.5, "max_disturbed": 0.5}}
// Verdict of a metric, one-sided against its margin (non-inferiority): pass: the interval lies inside; fail: worse by more than the margin at the family-wise error rate (Holm over metrics and cells);
// else inconclusive. Every metric must pass, each at its own level: an intersection-union test, whose error is that of one (Berger, Technometrics 24:295, 1982).
// Live: both by bets on signs (base/infer.h), which hold however often one looks; an undecided gate goes on until its time is up.
#ifndef JB_HARNESS_GATE_H
#define JB_HARNESS_GATE_H

#include "harness/compare.h"

#define JB_GATE_SCHEMA "joulebench.gate/1"
#define JB_GATE_MAX_METRICS 24
#define JB_GATE_MAX_OVERRIDES 32

// margin: relative, a share for accuracy. classes: a bit for each enum jb_energy_class that may gate (joules alone). optional: not judged where there is no figure ("if measured").
// off: an override takes the metric away from its cells.
struct jb_gate_metric { char name[24]; double margin; unsigned classes; bool optional, off; };
struct jb_gate_override { char cells[128]; struct jb_gate_metric metric[JB_GATE_MAX_METRICS]; size_t n_metrics; };
struct jb_gate_rules {
    char cells[128];                 // pattern (fnmatch) over labels
    double error_rate, confidence;
    struct jb_gate_metric metric[JB_GATE_MAX_METRICS]; size_t n_metrics;
    struct jb_gate_override *overrides; size_t n_overrides; // owned; later ones win
    double max_other_cpu;            // a pair beside which others had a larger share of the machine, for certain, is disturbed: counted and left out
    double max_disturbed;            // a cell with a larger share of disturbed pairs is invalid
};
#define JB_GATE_CLASSES_DEFAULT (1u << JB_ENERGY_MEASURED | 1u << JB_ENERGY_INTEGRATED | 1u << JB_ENERGY_ATTRIBUTED) // never modelled or replayed unless the rules say so
void jb_gate_rules_default(struct jb_gate_rules *r);      // accuracy 0.005, p50 and mean 0.05, joules 0.05 if measured
void jb_gate_rules_default_past(struct jb_gate_rules *r); // accuracy 0.005, macs 0.001, model_bytes 0.01: what a stored baseline can tell
int jb_gate_rules_read(struct jb_gate_rules *out, const char *path, struct jb_err *err);
int jb_gate_rules_parse(struct jb_gate_rules *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);
void jb_gate_rules_free(struct jb_gate_rules *r);

// The comparison's key of a metric of the rules ("mean" -> "latency_mean_ns"), and back; NULL: no such metric.
const char *jb_gate_metric_key(const char *name);
const char *jb_gate_metric_name(const char *key);
bool jb_gate_concerns(const struct jb_gate_rules *r, const char *label);
// What holds for a metric (name of the rules) of a cell. False: it is not judged there.
bool jb_gate_rule_for(const struct jb_gate_rules *r, const char *label, const char *name, struct jb_gate_metric *out);

enum jb_inconclusive_as { JB_INCONCLUSIVE_OWN, JB_INCONCLUSIVE_PASS, JB_INCONCLUSIVE_FAIL };
// Judges a comparison that holds all its metrics: fills gated, margin, verdicts, exit_code and the first sentence. Precedence of exit codes: 2 > 10 > 12 > 13 > 11 > 0, 10 counts valid cells only. A
// gate that compared nothing never passes (2).
int jb_gate_judge(struct jb_comparison *c, const struct jb_gate_rules *r, enum jb_inconclusive_as as, struct jb_err *err);
int jb_gate_past(const char *baseline_dir, const char *candidate_dir, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err);
int jb_gate_live(const struct jb_live_opts *l, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err);

// The sequential judge of one metric of one cell, fed with the log ratios (candidate / baseline, worse is larger) of pairs.
struct jb_gate_bets { struct jb_sign_bet worse, better; }; // worse: H0 "not worse than the margin"; better: H0 "worse by the margin or more"
void jb_gate_bets_open(struct jb_gate_bets *b, double margin);
void jb_gate_bets_add(struct jb_gate_bets *b, double log_ratio);
enum jb_verdict jb_gate_bets_verdict(const struct jb_gate_bets *b, double fail_level, double pass_level);
// Interval of the median log ratio that holds however often one looked: the medians that neither bet rejects at (1 - confidence) / 2 (a confidence sequence: Howard, Ramdas, McAuliffe & Sekhon,
// Annals of Statistics 49:1055, 2021; by inverting the bets: Waudby-Smith & Ramdas, JRSS B 86:1, 2024). Infinite ends: too few pairs.
struct jb_interval jb_gate_bets_interval(const double *log_ratio, size_t n, double confidence);

// gate record: keeps a run's result, with its environment, as baseline_dir/results.json, and which samples it answered right as answers.json. *out: the run, for its owner to close (jb_run_data_close). A run without a valid cell, or cut short, is no baseline.
int jb_gate_record(const char *run_dir, const char *baseline_dir, struct jb_run_data **out, struct jb_err *err);

#endif
