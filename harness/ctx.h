// Inside the harness: everything that one run has open. Built from a plan (sweep), or from a single setting (run).
#ifndef JB_HARNESS_CTX_H
#define JB_HARNESS_CTX_H

#include "harness/host.h"
#include "harness/limit_axis.h"
#include "harness/record.h"
#include "harness/sweep.h"

struct jb_ctx_workload {
    const char *name;                    // borrowed
    char preset[64];
    struct jb_request_param *params; uint32_t n_params; // owned
    struct jb_workload *w;               // borrowed from the host; NULL: could not be opened
    bool needs_model;
    int rc;
    char reason[480];
    uint32_t *order, n;                  // samples of the accuracy pass (jb_sample_order); owned
    char data_sha256[JB_HASH_HEX];       // of the split and of which samples of it
};

struct jb_ctx_model {
    const char *name;                    // borrowed
    char path[1024], exits[1024];        // resolved
    size_t workload;
    int rc;
    char reason[480];
    struct jb_model_info info;           // numbers and hashes alone: its pointers are NULL once the model is closed
    char *precision_reason[JB_PREC_COUNT]; // owned copies
    size_t session_bytes;
};

struct jb_cell {
    size_t workload, model;              // model SIZE_MAX: the workload runs without one
    const struct jb_policy_ops *policy;  // NULL: none
    char precision[96];                  // canonical text, "none" without a model
    struct jb_param params[JB_PLAN_MAX_PARAMS]; size_t n_params;
    double threshold[JB_MAX_STAGES]; uint32_t n_thresholds; // given, or resolved by a calibration
    double target_loss;                  // NAN: none
    bool per_exit;
    enum jb_scenario scenario;
    uint32_t batch, threads, streams;
    bool text;                           // of a text workload: kv and fill mean something
    enum jb_kv_kind kv;
    enum jb_fill fill;
    double power_limit_w;                // NAN: not an axis of the plan
    enum jb_cell_status status;          // as far as is known before anything is measured
    char *reason;                        // owned
    char calibration_id[JB_HASH_HEX];
    char key[JB_ID_HEX], id[JB_ID_HEX];
    char label[192];
};

struct jb_ctx {
    const struct jb_sweep_opts *o;
    struct jb_settings s;
    const char *name;
    enum jb_split split;
    struct jb_paths paths;               // those of the options, with the plan's folder
    struct jb_ctx_workload *workloads; size_t n_workloads;
    struct jb_ctx_model *models; size_t n_models;
    struct jb_cell *cells; size_t n_cells;
    struct jb_thresholds given;          // the plan's calibration file; n_entries 0: none
    struct jb_host *host;
    struct jb_meter *meter;
    struct jb_limit_axis *limits;        // NULL: no cell has a limit
    struct jb_store *store;
    struct jb_record record;
    char cpu[96], power_source[32], power_root[128];
    int cores;
    uint64_t wait_ns;                    // what the meter waits for edges, about, for a block and the idle window behind it
    uint64_t idle_ns;                    // length of an idle window; 0: none (nothing can be measured in it, or the plan says so)
    struct jb_clock_quality clock;
    double harness_ns;                   // own cost of a query
    bool measured;                       // the run has a performance pass
    const char *dump_path;               // `run --dump`; NULL
    uint64_t started_ns;                 // monotonic
};

// ctx_open.c: workloads, models, meter. What cannot be opened is noted where it is and fails its cells, not the run.
int jb_ctx_open(struct jb_ctx *c, const struct jb_sweep_opts *o, const struct jb_settings *s, const char *plan_dir, struct jb_err *err);
int jb_ctx_from_plan(struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err);
int jb_ctx_open_workload(struct jb_ctx *c, struct jb_ctx_workload *w, struct jb_err *err);
int jb_ctx_open_model(struct jb_ctx *c, struct jb_ctx_model *m, struct jb_err *err);
void jb_ctx_close(struct jb_ctx *c);

// cells.c: the plan's axes into cells; settings that make no sense for a model are left out, those that cannot run here become rows with a reason.
int jb_cells_expand(struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err);
void jb_cell_set(struct jb_cell *cell, enum jb_cell_status status, const char *reason); // keeps the first
// identity.c
int jb_cell_key(const struct jb_ctx *c, struct jb_cell *cell);
int jb_cell_id(const struct jb_ctx *c, struct jb_cell *cell);
int jb_hash_json(const cJSON *value, char *out, size_t n_out); // hash of the canonical text, cut to n_out - 1 digits
bool jb_put_build(cJSON *o, const struct jb_ctx *c);           // build, kernel symbols, CPU: what a number depends on besides files

void jb_cell_request(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_block_request *out);
void jb_cell_facts(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_facts *out); // identity part and status; figures NAN or 0

// accuracy.c: calibrates, resolves identities, runs the accuracy pass of what the record does not hold yet.
int jb_accuracy_pass(struct jb_ctx *c, struct jb_err *err);
// measure.c: the performance pass.
int jb_measure_pass(struct jb_ctx *c, struct jb_err *err);
// environment.c: the "run" line.
cJSON *jb_run_line(struct jb_ctx *c, const struct jb_plan *p);
double jb_harness_cost(struct jb_ctx *c);
// power_facts.c: what is known of the meter, for the "run" line; what its sampler did so far.
bool jb_put_power(cJSON *o, const struct jb_ctx *c);
void jb_power_stats(const struct jb_ctx *c, struct jb_sampler_stats *out);
bool jb_power_is_none(const struct jb_ctx *c);
uint64_t jb_power_least_ns(const struct jb_ctx *c);            // a shorter window cannot give joules; 0: not known
void jb_power_idle(struct jb_ctx *c);                          // sets idle_ns, once the cells are known: none without joules, longer where the counters are slow and there is time
// sweep.c: the whole run of an open context (p NULL: no plan), then its result. INTERRUPTED still gives one.
int jb_ctx_run(struct jb_ctx *c, const struct jb_plan *p, bool measure, struct jb_err *err);
int jb_ctx_result(struct jb_ctx *c, int rc, struct jb_result **out, struct jb_err *err);
// build.c
int jb_build_result(const struct jb_record *rec, const struct jb_store *store, struct jb_result **out, struct jb_err *err);

bool jb_ctx_stopped(const struct jb_ctx *c);
void jb_ctx_progress(const struct jb_ctx *c, const char *phase, const char *cell, uint64_t done, uint64_t total, double seconds_left);

// Texts of a journal line's "environment" in one place, so that what build.c reads is what environment.c wrote.
#define JB_ENV_CLOCK_COST "clock_cost_ns"
#define JB_ENV_CLOCK_RESOLUTION "clock_resolution_ns"
#define JB_ENV_HARNESS "harness_ns_per_query"

#endif
