// The comparison model: what `compare` and `gate` found, as plain data, and its renderers. harness fills it; reports owns it and writes it as JSON
// ("joulebench.comparison/1", docs/schema/comparison.schema.json), terminal text, Markdown, HTML, JUnit XML and CI annotations. Strings live in its arena.
// A number that there is not is NAN with a reason; it is null in JSON, never 0.
#ifndef JB_REPORTS_COMPARISON_H
#define JB_REPORTS_COMPARISON_H

#include "reports/result.h"
#include "base/strbuf.h"

#define JB_COMPARISON_SCHEMA "joulebench.comparison/1"

enum jb_verdict { JB_VERDICT_NONE, JB_VERDICT_PASS, JB_VERDICT_FAIL, JB_VERDICT_INCONCLUSIVE, JB_VERDICT_INVALID, JB_VERDICT_NOT_MEASURED };
const char *jb_verdict_name(enum jb_verdict v); // "none", "pass", "fail", "inconclusive", "invalid", "not measured"

// One metric of one cell, candidate against baseline.
struct jb_compared_metric {
    const char *name;        // "accuracy", "latency_mean_ns", "p50_ns", "p90_ns", "p99_ns", "uj_per_query", "uj_per_correct", "peak_rss_bytes", "model_bytes", "macs_mean", "instructions"; of language
                             // models also "ppl", "agreement", "exact_match", "ttft_ns"
    bool higher_is_better, is_difference; // is_difference: effect = candidate - baseline (accuracy, as a share); else the ratio candidate / baseline
    bool deterministic;      // the same in every run of the same thing: no interval, any difference is one
    double baseline, candidate;
    double effect, lower, upper; // interval at the comparison's confidence; NAN with a reason
    double raw_effect, raw_lower, raw_upper; // without normalising by the reference kernel; NAN when nothing was normalised
    double p, p_adjusted;    // two-sided, of "no difference"; adjusted by Holm over the comparison. NAN
    double detectable;       // the smallest true difference that would have been seen four times out of five, Holm's correction included; relative, a share for differences; NAN. Of a deterministic
                             // metric: differences up to it are none (memory comes in pages)
    bool grouped;            // shares and perplexities of a language model: answers of one query depend on each other, so queries are what the interval counts
    uint64_t n_baseline, n_candidate; // blocks, or samples for accuracy; grouped: queries
    const char *energy_class; // of joules; NULL otherwise
    const char *words;       // "3.1 % slower (2.4 to 3.8 %)", "no difference can be seen; one of 1.2 % would have been"
    const char *reason;      // why there is no effect or no interval; NULL
    // gate
    bool gated;
    double margin;           // relative, or a share for accuracy
    double gate_p;           // of "worse by more than the margin is not the case", adjusted
    enum jb_verdict verdict;
    const char *why;
};

struct jb_compared_cell {
    const char *key, *label, *label_candidate;
    const char *unit;        // what a query's latency and joules are of: "query", "token"; NULL: not known
    enum jb_cell_status baseline_status, candidate_status;
    const char *run;         // across: the candidate run that it belongs to (a name of `others`); NULL: candidate_name
    const char *reason;      // not compared: why; NULL
    struct jb_compared_metric *metrics; size_t n_metrics;
    const char *front;       // "surely" on, "perhaps" on or "surely off" the Pareto front of the candidate run, accuracy against mean latency; NULL: not known
    const char *front_joules; // the same for accuracy against joules a query
    struct jb_kv *tail; size_t n_tail; // what makes up the slowest (and the dearest) 1 %: "exit 3" -> "62 % of the slowest, 18 % of all"
    enum jb_verdict verdict;
};

struct jb_compared_run { const char *name; struct jb_kv *environment; size_t n_environment; };

struct jb_comparison {
    const char *mode;        // "past", "live", "across"
    double confidence;       // of the intervals: 0.95
    const char *baseline_name, *candidate_name, *started, *finished, *joulebench_version;
    struct jb_kv *baseline_environment; size_t n_baseline_environment;
    struct jb_kv *candidate_environment; size_t n_candidate_environment;
    struct jb_compared_run *others; size_t n_others; // across: the candidates behind the first
    struct jb_kv *differences; size_t n_differences; // environment facts that differ, and what follows: "cpu" -> "A against B: latencies are not compared"
    struct jb_compared_cell *cells; size_t n_cells;
    struct jb_result_sentence *sentences; size_t n_sentences;
    bool is_gate;
    enum jb_verdict verdict; // of the gate
    int exit_code;           // that the command ends with
    double error_rate;       // family-wise, of a false fail
    double seconds;          // of measuring (live)
    uint64_t pairs;          // of blocks (live)
    struct jb_arena *arena;
};

int jb_comparison_open(struct jb_comparison **out);
void jb_comparison_close(struct jb_comparison *c);
const char *jb_comparison_str(struct jb_comparison *c, const char *text);
__attribute__((format(printf, 2, 3))) const char *jb_comparison_strf(struct jb_comparison *c, const char *format, ...);
void *jb_comparison_array(struct jb_comparison *c, size_t n, size_t element_bytes);
void jb_compared_metric_init(struct jb_compared_metric *m);  // every number NAN
const struct jb_compared_metric *jb_compared_metric_find(const struct jb_compared_cell *c, const char *name); // NULL: none
// 1: better, -1: worse, 0: no difference was seen (or nothing is known). Seen: a deterministic figure that is not the same; else a p-value that holds after Holm at
// the comparison's confidence; else, where there is no p-value, an interval that excludes "the same".
int jb_compared_sign(const struct jb_comparison *c, const struct jb_compared_metric *m);
// What people read for a metric's key: "accuracy", "mean latency", "p50 latency", "joules a query", "peak memory", ... An unknown key stands for itself.
const char *jb_compared_metric_title(const char *name);
const char *jb_compared_title(const struct jb_compared_cell *cell, const char *name); // the same, in the cell's unit: "joules a token"
const char *jb_compared_title_of_all(const struct jb_comparison *c, const char *name); // the unit's where all cells have the same
bool jb_compared_is_share(const char *name); // higher is better, and its effect is a difference: accuracy and the like
// A figure of the metric, and its change with the interval: "+3.1 % [+2.4, +3.8]", "2.31x [2.20, 2.42]", "-0.12 points [-0.30, +0.05]"; "n/a".
void jb_compared_value_text(char out[24], const char *name, double value);
void jb_compared_change_text(char out[64], const struct jb_compared_metric *m);
// "3 %", "0.5 points".
void jb_compared_margin_text(char out[24], const struct jb_compared_metric *m);

// Renderers: append to `out`. `width` columns, `color` for the terminal.
int jb_comparison_terminal(const struct jb_comparison *c, int width, bool color, struct jb_str *out);
int jb_comparison_markdown(const struct jb_comparison *c, struct jb_str *out); // also good as a GitHub job summary
int jb_comparison_junit(const struct jb_comparison *c, struct jb_str *out);    // one test case a gated metric; inconclusive is skipped, invalid an error
int jb_comparison_annotations(const struct jb_comparison *c, struct jb_str *out); // "::error title=...::..." lines
int jb_comparison_html(const struct jb_comparison *c, struct jb_str *out);     // one self-contained page, intervals drawn as SVG
char *jb_comparison_json(const struct jb_comparison *c);                       // owned (free); NULL: out of memory
int jb_comparison_write(const struct jb_comparison *c, const char *path, struct jb_err *err); // JSON
int jb_comparison_read(struct jb_comparison **out, const char *path, struct jb_err *err);     // strictly
int jb_comparison_parse(struct jb_comparison **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);

#endif
