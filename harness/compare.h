// Compares two runs, past or live. Statistics: base/infer.h.
#ifndef JB_HARNESS_COMPARE_H
#define JB_HARNESS_COMPARE_H

#include "harness/live.h"
#include "base/infer.h"
#include "reports/comparison.h"

// What one side of one cell offers, from a directory or from live blocks: the only thing that the metrics look at.
struct jb_side_block { uint32_t n_queries; uint64_t *latency_ns; double uj, uj_lower, uj_upper, reference_ns; uint64_t n_correct, n_rows; bool valid; }; // latency_ns: owned; uj NAN: none
struct jb_side_cell {
    const struct jb_result_cell *cell;   // borrowed; live: figures that are not from blocks may be NAN
    struct jb_side_block *blocks; size_t n_blocks;
    uint32_t n_samples; uint32_t *index; uint8_t *correct; // of the accuracy pass, in order of index; live: of the samples seen by both sides
    enum jb_energy_class energy_cls; const char *energy_reason;
};
void jb_side_cell_free(struct jb_side_cell *c);

struct jb_run_data;                      // a run's directory, opened for reading: result, journal, raw figures
int jb_run_data_open(struct jb_run_data **out, const char *dir, struct jb_err *err);
void jb_run_data_close(struct jb_run_data *d);
const struct jb_result *jb_run_data_result(const struct jb_run_data *d);
int jb_run_data_cell(const struct jb_run_data *d, size_t cell, struct jb_side_cell *out, struct jb_err *err);

struct jb_compare_opts { double confidence; uint32_t resamples; uint64_t seed; bool across; const char *only; bool normalise; }; // normalise: by the reference kernel, as the plan's rule says
void jb_compare_opts_default(struct jb_compare_opts *o); // 0.95, 2000, 1

// All metrics of one matched cell. `paired`: block i of a stands beside block i of b in time (live).
int jb_compare_cell(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, bool paired, const struct jb_compare_opts *o, struct jb_compared_cell *out, struct jb_err *err);
int jb_compare_past(const char *baseline_dir, const char *candidate_dir, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err);
int jb_compare_live(const struct jb_live_opts *l, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err);
int jb_compare_across(const char *const *dirs, size_t n, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err); // the first is the baseline of the ratios; no verdict

#endif
