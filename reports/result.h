// The result model: plain data that a run leaves and every report renders. harness fills it; reports owns it, reads it from and writes it to
// results.json ("joulebench.results/1", docs/schema/results.schema.json). Strings are owned by the result's arena (jb_result_str).
// A number that there is not is NAN (or UINT64_MAX for counts marked so), with a reason; it is null in JSON, never 0.
#ifndef JB_REPORTS_RESULT_H
#define JB_REPORTS_RESULT_H

#include "base/err.h"
#include "base/joules.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JB_RESULT_SCHEMA "joulebench.results/1"
#define JB_RESULT_MAX_EXITS 16
#define JB_RESULT_MAX_PRECISIONS 8

enum jb_cell_status { JB_CELL_VALID, JB_CELL_INVALID, JB_CELL_FAILED, JB_CELL_UNAVAILABLE };
const char *jb_cell_status_name(enum jb_cell_status s);

struct jb_kv { const char *name, *value; };          // text
struct jb_kd { const char *name; double value; };    // number

struct jb_value { double value, lower, upper; uint64_t n; };                     // 95 % interval; NAN where none
struct jb_result_quality { const char *name; double value, lower, upper; uint64_t n; bool higher_is_better; };
struct jb_percentile { double p; double ns; const char *reason; };               // ns NAN with a reason: not supported by the number of queries

struct jb_result_exit { uint64_t count; double accuracy, macs, latency_mean_ns; }; // count: performance... of the accuracy pass; latency of the performance pass

struct jb_result_energy {            // per query (or committed token), over the windows that have a figure; class none: all NAN and a reason
    enum jb_energy_class cls;        // never modelled
    const char *source, *root, *per, *domains;
    const char *reason;              // class none: why; else why net is missing, or NULL
    const char *remark;              // what must stand beside the figure ("RAPL of a guest, vouched for by the user", "1 of 5 windows failed: ..."), or NULL
    double gross_uj, gross_lower_uj, gross_upper_uj, net_uj, net_lower_uj, net_upper_uj;
    double per_correct_uj, per_correct_lower_uj, per_correct_upper_uj; // gross, over the accuracy observed
    double power_w;                  // mean of the windows
    double idle_w, idle_lower_w, idle_upper_w; // what was subtracted, mean over the windows
    double edp_uj_ms;                // energy-delay product: gross_uj times mean latency in ms
    double half_width, half_width_target; // (upper - lower) / 2 / value of gross
    const char *stopped;             // "target reached", "max_seconds ...": why the windows were not made longer; or NULL
    uint64_t windows, windows_failed, drift_windows; // blocks; those without a figure; those whose idle before and after differ beyond their bounds
};
struct jb_result_modelled { const char *source, *reason, *per; double uj, lower_uj, upper_uj, relative; };

// CPU time of other processes beside the blocks of a cell, as a share of the machine.
struct jb_result_others {
    double share, share_most_least;  // mean over blocks; the largest of what is certain (ticks rounded down). NAN: not known
    double limit;                    // "max_other_cpu"
    uint64_t contaminated, repeated; // blocks kept although more than the limit was certain; attempts that were measured again for it
};

// How a cell's blocks stood up to the plan's rules of validity.
struct jb_result_blocks {
    bool known;                      // false: the file says nothing about it
    uint64_t invalid, left_out;      // blocks that failed a check; of these, those that figures and intervals were made without
    const char *reasons;             // of the invalid ones: "other_cpu 2, steal 1"; or NULL
    const char *stopped;             // why the cell ended before the plan's blocks were done; or NULL
    double confidence;               // of its interval of the mean, above 0.95 where the cell could end early: so that 95 % hold whenever it did. NAN
    double reference_ns;             // median of the reference kernel beside its blocks; NAN
    const char *warm_up;             // "steady", or why it was not; NULL: not recorded
};

// One check of the run: "pass", "fail" or "unknown".
struct jb_result_check { const char *name, *verdict, *what_to_do; double observed, limit; }; // NAN: not known; not judged
struct jb_result_validity { const char *verdict; struct jb_result_check *checks; size_t n_checks; }; // "VALID", "INVALID"; NULL: the file says nothing about it

// The meter of the run.
struct jb_result_power {
    const char *source, *root, *domains, *left_out, *remark, *reason, *cross_check, *ceiling_from; // remark: "RAPL of a guest, vouched for by the user"; reason: class none: why
    enum jb_energy_class cls;        // of its figures; modelled: they stand in energy_modelled
    bool known;                      // false: the file says nothing about it
    double ceiling_w, read_ns;
    uint64_t update_ns, idle_ns;     // update_ns 0: not found
    struct { uint64_t period_ns, reads, cpu_ns; double share; int cpu; bool there; } sampler; // cpu -1: not pinned
};

// What a cell of a language model has besides. Figures of the performance pass, but ppl.
struct jb_result_times { double mean, p50, p90, p99; uint64_t n; }; // ns; NAN: none, or too few
struct jb_result_language {
    const char *kv, *fill;           // "f16", "int8"; "exact", "frozen"; NULL: not a language model
    double prompt, committed, drafted; // tokens of the performance pass: read in prompts, answered and kept, proposed by a draft; NAN: none
    struct jb_result_times ttft, tpot; // time to the first token (prompt included) of a sequence; time of each token
    struct jb_value ppl;             // perplexity of the accuracy pass; value NAN: the workload has none
    double deferred_macs, deferred_bytes; // of macs_mean and bytes_mean: done late for tokens that left early (K/V of skipped layers); NAN: not known
};

struct jb_result_cell {
    const char *id, *key;
    const char *workload, *model, *precision, *policy, *scenario, *unit;
    const char *label;               // short text for tables: "fashion-ee int8 maxprob 0.80"
    const char *role;                // "adaptive", "static" (a model without early exits) or "fixed" (one exit of a multi-exit network, or its final one)
    struct jb_kd *policy_params; size_t n_policy_params;
    double threshold;                // NAN: none, or one per exit (then thresholds)
    double thresholds[JB_RESULT_MAX_EXITS]; uint32_t n_thresholds;
    const char *threshold_source;    // "calibrated", "given" or NULL
    double target_loss;              // of the calibration; NAN
    const char *calibration_id;      // or NULL
    uint32_t threads, streams;
    double power_limit_w;            // of every package while the cell was measured; NAN: not an axis of the plan
    enum jb_cell_status status;
    const char *reason;              // not valid: which check failed and what to do; or NULL
    struct jb_value accuracy;
    double accuracy_loss;            // against the same model's final exit at the same precision, on the same samples; NAN
    struct jb_result_quality *quality; size_t n_quality;
    struct jb_percentile *percentiles; size_t n_percentiles; // at least p50, p90, p99
    double latency_mean_ns; struct jb_value latency_mean_ci; uint64_t n_queries, n_blocks;
    double throughput_per_s, macs_mean, bytes_mean;
    struct jb_kd *macs_by_precision; size_t n_macs_by_precision;
    uint64_t exit_histogram[JB_RESULT_MAX_EXITS]; uint32_t n_exits;
    struct jb_result_exit exits[JB_RESULT_MAX_EXITS];
    struct jb_kd *precision_histogram; size_t n_precision_histogram; // stage executions by precision
    double model_bytes, session_bytes, peak_rss_bytes, load_ns;
    // User-space instructions of a query, mean over the first `queries`. Compares only with a figure of the same source and kernels. value NAN: not counted.
    struct jb_result_instructions { double value; uint64_t queries; const char *source, *kernels; } instructions; // "papi", "callgrind"; "op=symbol ..."
    struct jb_result_energy energy;
    struct jb_result_modelled *modelled; size_t n_modelled;
    struct jb_result_others others;
    struct jb_result_blocks blocks;
    struct jb_result_language language; // unit "token"; kv NULL: not a language model
    double regret_macs;              // mean MACs above the earliest-correct oracle; NAN
    double overthinking_wasteful, overthinking_destructive; // of the model at this precision; NAN
    // For plots: latency histogram of the performance pass (edges rise by a constant factor).
    double *hist_edges_ns; uint64_t *hist_counts; size_t n_hist; // n_hist counts, n_hist + 1 edges
    // Optional: why a figure is missing, by its JSON path in the cell ("accuracy_loss", "latency_ns.p99", "memory.peak_rss_bytes", "exits[].accuracy").
    // Whatever is null and not named here gets a standard text when it is written.
    struct jb_kv *reasons; size_t n_reasons;
};

// Reference points that are no settings: oracle per model and precision, hull statements.
struct jb_result_oracle { const char *model, *precision, *kind; double accuracy, macs_mean; }; // kind: "earliest-correct", "earliest-consistent"

// Adaptive cell against the hull of static networks and fixed exits, at equal accuracy, same workload, precision and scenario.
struct jb_result_hull {
    const char *cell_id, *cost;      // cost: "macs_mean" or "latency_mean_ns"
    const char *against;             // "static+fixed" or "full" (the same network's final exit)
    double ratio, lower, upper;      // hull cost / cell cost (> 1: adaptive is cheaper); paired-bootstrap 95 % interval, NAN if not computed
    const char *reason;              // why there is none
};

struct jb_result_sentence { const char *kind, *text; }; // the summary in words, most important first; kind: "answer", "hull", "escalate", "energy", "warning"

struct jb_result {
    const char *name, *started, *finished; // plan name, ISO 8601
    const char *joulebench_version, *git, *compiler;
    struct jb_kv *environment; size_t n_environment;   // cpu, governor, hypervisor, kernel, memory, turbo, clock_cost_ns, clock_resolution_ns, harness_ns_per_query, power_source ...
    struct jb_kv *kernels; size_t n_kernels;           // op -> symbol
    struct jb_kv *libraries; size_t n_libraries;
    struct jb_kv *hashes; size_t n_hashes;             // "model fashion-ee" -> sha256, "data fashion test" -> sha256
    struct jb_kv *seeds; size_t n_seeds;
    struct jb_kv *notes; size_t n_notes;               // e.g. "fashion": "own split"
    struct jb_result_power power;
    struct jb_result_validity validity;
    struct jb_result_cell *cells; size_t n_cells;
    struct jb_result_oracle *oracles; size_t n_oracles;
    struct jb_result_hull *hull; size_t n_hull;
    struct jb_result_sentence *sentences; size_t n_sentences;
    bool complete;                                     // false: interrupted; cells not measured are absent
    struct jb_arena *arena;                            // owns everything above
};

int jb_result_open(struct jb_result **out);
void jb_result_close(struct jb_result *r);
// Owned copies and zeroed arrays that live as long as the result; NULL on out of memory. A NULL text stays NULL.
const char *jb_result_str(struct jb_result *r, const char *text);
__attribute__((format(printf, 2, 3))) const char *jb_result_strf(struct jb_result *r, const char *format, ...);
void *jb_result_array(struct jb_result *r, size_t n, size_t element_bytes);
bool jb_same_limit(double a_w, double b_w); // of two cells: both NAN, or the same
// Sets every number to NAN and every count to 0, class none with reason "not measured".
void jb_result_cell_init(struct jb_result_cell *c);

int jb_result_read(struct jb_result **out, const char *path, struct jb_err *err); // results.json, strictly
int jb_result_parse(struct jb_result **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err); // its text; name: for errors
int jb_result_write(const struct jb_result *r, const char *path, struct jb_err *err);

#endif
