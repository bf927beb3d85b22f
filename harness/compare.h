// Compares two runs, past or live. Statistics: base/infer.h.
#ifndef JB_HARNESS_COMPARE_H
#define JB_HARNESS_COMPARE_H

#include "harness/live.h"
#include "harness/noise_rule.h"
#include "harness/record.h"
#include "base/infer.h"
#include "reports/comparison.h"

// What one side of one cell offers, from a directory or from live blocks: the only thing that the metrics look at.
struct jb_side_block {
    uint32_t n_queries;
    uint64_t *latency_ns;                // of each query; owned
    double uj, uj_lower, uj_upper;       // gross, over window_rows rows; NAN: none
    uint64_t window_rows;                // recorded rows and those that ran unrecorded within the window; 0: n_rows
    double reference_ns;                 // of the reference kernel beside the block; NAN: none
    uint64_t n_correct, n_rows;
    double ttft_ns; uint32_t n_sequences; // texts: sum over the sequences that it began, and how many; 0: no text
    uint32_t instance;                   // live: of the process that measured it
    bool valid;                          // false: measured, but takes no part (contaminated)
    // For the tail; may be left out
    uint8_t *exit; uint32_t *pattern;    // of each query; owned; NULL: not known, or queries of several rows
    uint64_t involuntary_switches;       // UINT64_MAX: not known
    double others, steal;                // share of the machine's CPU time that others had, and that the hypervisor kept; NAN: not known
    double throttles;                    // thermal ones; NAN: not known
};
static inline double jb_side_window_rows(const struct jb_side_block *b) { return (double)(b->window_rows > b->n_rows ? b->window_rows : b->n_rows); }

// Of each sample of a text workload, an answered token. All NULL: no text, or not known.
enum jb_agrees { JB_AGREES_NOT, JB_AGREES, JB_AGREES_UNKNOWN }; // with the full model
struct jb_text_answers { uint32_t *query, *label; float *logprob; uint8_t *agrees; };
struct jb_side_cell {
    const struct jb_result_cell *cell;   // borrowed; live: figures that are not from blocks may be NAN
    struct jb_side_block *blocks; size_t n_blocks;
    uint32_t n_samples; uint32_t *index; uint8_t *correct; // of the accuracy pass, in order of index; live: of the samples seen by both sides
    struct jb_text_answers text;         // (n_samples) each; owned
    bool labelled;                       // n_correct and correct mean something
    enum jb_energy_class energy_cls; const char *energy_reason; // class none: why; borrowed
    const char *energy_domains;          // what was summed; NULL: not known
};
void jb_side_cell_free(struct jb_side_cell *c);

struct jb_run_data;                      // a run's directory, opened for reading: result, journal, raw figures
// dir: a run's directory; or one that holds a results.json alone, or such a file: then there are figures, but no blocks.
int jb_run_data_open(struct jb_run_data **out, const char *dir, struct jb_err *err);
// Takes over a record and its store (closes them, also on failure).
int jb_run_data_from(struct jb_run_data **out, struct jb_record *record, struct jb_store *store, const char *name, struct jb_err *err);
void jb_run_data_close(struct jb_run_data *d);
const struct jb_result *jb_run_data_result(const struct jb_run_data *d);
const char *jb_run_data_name(const struct jb_run_data *d);
bool jb_run_data_normalise(const struct jb_run_data *d);      // its plan, or what doctor had learned, says that comparisons normalise by the reference kernel
bool jb_run_data_doctor(const struct jb_run_data *d);         // its plan says that doctor decides, and there was no file
const struct jb_noise_rule *jb_run_data_learned(const struct jb_run_data *d); // what doctor had learned, or NULL; no machine in it
const char *jb_run_data_split(const struct jb_run_data *d);  // of the samples that were measured: "test"
int jb_run_data_cell(const struct jb_run_data *d, size_t cell, struct jb_side_cell *out, struct jb_err *err);

struct jb_compare_opts { double confidence; uint32_t resamples; uint64_t seed; bool across; const char *only; bool normalise, gather; const struct jb_noise_rule *learned; };
// normalise: by the reference kernel even if the plans do not say so. gather: for a report, which shows every run whatever it is: cells match by their keys alone, and a run that cannot be compared
// is named among the differences ("not compared") instead of failing the whole.
// learned: by doctor; decides instead of the plans. MISMATCH when a run is of another machine. NULL: none, and live sides whose plans say "doctor" are INVALID.
void jb_compare_opts_default(struct jb_compare_opts *o); // 0.95, 2000, 1

// Fewest blocks and queries, of each side, from which the percentile p gets an interval (measured by simulation: tests/trust). A mean needs JB_COMPARE_LEAST_BLOCKS.
#define JB_COMPARE_LEAST_BLOCKS 5u
void jb_compare_needs(double p, uint32_t *blocks, uint32_t *queries);

// All metrics of one matched cell. `paired`: block i of a stands beside block i of b in time (live).
int jb_compare_cell(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, bool paired, const struct jb_compare_opts *o, struct jb_compared_cell *out, struct jb_err *err);
// Once all cells are there: Holm over all metrics that have a p-value, the words of every metric, the sentences. jb_compare_past and the like have done it.
int jb_compare_finish(struct jb_comparison *c, struct jb_err *err);
int jb_compare_past(const char *baseline_dir, const char *candidate_dir, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err);
int jb_compare_live(const struct jb_live_opts *l, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err);
int jb_compare_across(const char *const *dirs, size_t n, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err); // the first is the baseline of the ratios; no verdict

#endif
