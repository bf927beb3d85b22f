// Inside the harness: what a plan holds once read. Texts are borrowed from the plan's own document unless said otherwise.
#ifndef JB_HARNESS_PLAN_DATA_H
#define JB_HARNESS_PLAN_DATA_H

#include "base/json.h"
#include "early_exit/policy.h"
#include "harness/plan.h"
#include "harness/validity.h"

#define JB_PLAN_MAX_BYTES (4u << 20)
#define JB_PLAN_MAX_LIST 4096          // values in one list
#define JB_PLAN_MAX_PERCENTILES 16
#define JB_PRECISION_STORED "stored"    // the one precision that a model offers
#define JB_PLAN_MAX_PARAMS 4           // as struct jb_policy has room for

struct jb_names { const char **v; size_t n; };        // the array is owned, its texts are borrowed
struct jb_numbers { double *v; size_t n; };           // owned

enum jb_scenario { JB_SCENARIO_SINGLE, JB_SCENARIO_OFFLINE, JB_SCENARIO_COUNT };
const char *jb_scenario_name(enum jb_scenario s);     // "single-stream", "offline"
int jb_scenario_parse(const char *name);              // -1: unknown

struct jb_plan_workload {
    const char *name, *preset;                        // preset: row of the workload table
    struct jb_workload_param *params; size_t n_params; // owned; values are owned too (numbers become text)
};

struct jb_plan_model {
    const char *name, *file, *exits;                  // exits: side file or NULL
    size_t workload;                                  // index
};

struct jb_threshold_set { double v[JB_MAX_STAGES]; uint32_t n; }; // n == 1: the same for every exit

struct jb_plan_policy {
    const struct jb_policy_ops *ops;
    struct { const char *name; struct jb_numbers values; } params[JB_PLAN_MAX_PARAMS]; size_t n_params;
    struct jb_threshold_set *thresholds; size_t n_thresholds; // given; owned
    struct jb_numbers target_loss;                    // calibrated
    bool per_exit;
    struct jb_names models, precisions, scenarios, kv, fill; // n > 0: replaces that axis for this entry
};

// How to measure; the part of a plan that a single `run` also needs.
struct jb_settings {
    uint64_t seed;
    uint32_t repetitions, offline_batch, accuracy_samples;
    double block_ms, idle_ms, lead_in_ms, max_seconds, sessions_memory_mb;
    double energy_half_width;                         // relative half-width of a cell's gross joules that blocks are made longer for
    bool extend;                                      // whether they are (a single run's length is the user's)
    struct jb_validity_limits validity;               // of blocks; max_other_cpu may also stand beside it, as in plans of older versions
    bool normalise;                                   // comparisons normalise by the reference kernel
    bool normalise_doctor;                            // they do what doctor learned on this machine (harness/noise_rule.h)
    double stop_latency, stop_joules;                 // a cell ends early once its intervals are so narrow, relative half-width; NAN: never
    double percentiles[JB_PLAN_MAX_PERCENTILES]; size_t n_percentiles;
};
void jb_settings_default(struct jb_settings *s);

struct jb_plan {
    struct jb_json_doc doc;                           // after --set
    char dir[1024];                                   // where the file lies; "" when parsed from memory
    const char *name, *calibration;                   // calibration: thresholds file or NULL
    struct jb_settings settings;
    struct jb_plan_workload *workloads; size_t n_workloads;
    struct jb_plan_model *models; size_t n_models;
    struct jb_plan_policy *policies; size_t n_policies;
    struct jb_names precisions, scenarios;
    struct jb_names kv, fill;                         // of language models; n 0: "f16", "exact"
    struct jb_numbers threads, streams;
    struct jb_numbers power_limit_w;                  // n 0: no axis
};

// Reads every section of p->doc.root; p's lists are freed by jb_plan_close whatever happens.
int jb_plan_fill(struct jb_plan *p, struct jb_err *err);
// Cells that the axes span before anything is left out (an upper bound, saturating).
double jb_plan_count(const struct jb_plan *p);

#endif
