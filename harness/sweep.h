// Runs a plan: expands it into cells, measures them, keeps a journal, returns the result.
#ifndef JB_HARNESS_SWEEP_H
#define JB_HARNESS_SWEEP_H

#include "base/cputime.h"
#include "early_exit/calibrate.h"
#include "harness/plan.h"
#include "kernels/kernels.h"
#include "power/power.h"
#include "reports/result.h"

// What the run is told about progress; called between blocks, never inside one. NULL: quiet.
struct jb_progress { const char *phase, *cell; uint64_t done, total; double seconds_left; }; // phase: "load", "accuracy", "calibrate", "measure"
typedef void (*jb_progress_fn)(void *user, const struct jb_progress *p);

struct jb_limits;
struct jb_noise_rule;

struct jb_sweep_opts {
    const char *dir;                 // output directory (created); journal.jsonl, raw/, plan.json
    bool resume;                     // go on with a journal that is there; without it an existing journal is EXISTS
    const char *only;                // pattern (fnmatch) over cell labels; NULL: all
    const struct jb_paths *paths;
    const struct jb_kernels *kernels;
    struct jb_power_opts power;
    struct jb_clock clock;
    const char *machine_root;        // of /proc and /sys for what the machine does beside blocks; NULL: this machine (tests inject)
    void (*cputime)(void *self, struct jb_cputime *out); void *cputime_self; // CPU time of this process and of all; NULL: of this machine (tests inject)
    const volatile int *stop;        // set by a signal handler: finish nothing more, lose nothing; returns INTERRUPTED with the result so far
    jb_progress_fn progress; void *progress_user;
    const char *limits_state;        // state file of power limits (power/limits.h); NULL: a plan with "power_limit_w" has only unavailable cells
    void (*limits_held)(const struct jb_limits *l); // told while limits may be changed (NULL: no more), for jb_limits_restore_in_signal; NULL: nobody asks
    double slow_query;               // test aid: share of a query's own time that it spins behind it; said in the run's environment. 0: none
    const struct jb_noise_rule *noise; // decides whether comparisons of this run normalise, whatever the plan says; a plan that says "doctor" needs it. NULL: none
    int count_instructions;          // enum jb_instructions_how
    const char *program;             // this program, for callgrind
    const char *version, *git, *compiler;
};

struct jb_dry_run { uint64_t n_cells; double seconds, bytes; struct jb_str cells; }; // one line a cell
int jb_sweep_dry_run(const struct jb_plan *p, const struct jb_sweep_opts *o, struct jb_dry_run *out, struct jb_err *err);

// *out is set also when the return is INTERRUPTED or some cells failed (see their status); NULL on other errors.
int jb_sweep_run(const struct jb_plan *p, const struct jb_sweep_opts *o, struct jb_result **out, struct jb_err *err);

// One cell at once, for `joulebench run`: model over a split, with an optional dump of one CSV line a sample
// (index,label,prediction,exit,confidence per exit reached).
struct jb_run_opts {
    const char *workload; const struct jb_workload_opts *workload_opts;
    const char *model_path, *exits_path, *precision, *policy;
    const struct jb_param *params; size_t n_params;
    const double *thresholds; size_t n_thresholds;
    enum jb_split split;
    uint64_t max_samples;            // 0: all
    double seconds;                  // of measuring; 0: accuracy pass only
    const char *dump_path;           // or NULL
    uint32_t threads;                // of language models; 0: 1
    const char *kv, *fill;           // of language models; NULL: "f16", "exact"
};
int jb_run_one(const struct jb_run_opts *r, const struct jb_sweep_opts *o, struct jb_result **out, struct jb_err *err);

// `joulebench calibrate exits`: records the calibration split at each precision and chooses thresholds for each policy and target loss.
struct jb_calibrate_opts {
    const char *workload; const struct jb_workload_opts *workload_opts;
    const char *model_path, *exits_path;
    const char *const *precisions; size_t n_precisions;
    const char *const *policies; size_t n_policies;
    const double *target_losses; size_t n_target_losses;
    bool per_exit;
};
int jb_calibrate_run(const struct jb_calibrate_opts *c, const struct jb_sweep_opts *o, struct jb_thresholds *out, struct jb_err *err);

// Rebuilds the result of a directory from its journal and raw files (for `report DIR` after a crash, and for checks).
int jb_sweep_load(const char *dir, struct jb_result **out, struct jb_err *err);

#endif
