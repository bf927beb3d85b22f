// The host keeps workloads, models and sessions open and runs block requests on them. Nothing global: everything a block needs is in its request.
#ifndef JB_HARNESS_HOST_H
#define JB_HARNESS_HOST_H

#include "base/clock.h"
#include "base/machine.h"
#include "harness/rawfile.h"
#include "harness/request.h"
#include "kernels/kernels.h"
#include "power/power.h"

struct jb_host_opts {
    const struct jb_kernels *kernels;  // borrowed
    const struct jb_paths *paths;      // borrowed; for workload files
    struct jb_clock clock;
    struct jb_meter *meter;            // borrowed; NULL: no energy
    const char *machine_root;          // of /proc and /sys, borrowed; NULL: this machine (tests inject)
    void (*cputime)(void *self, struct jb_cputime *out); void *cputime_self; // NULL: jb_cputime_now
    double slow_query;                 // test aid: every query spins for this share of its own time behind it; 0: none
};

struct jb_host;
int jb_host_open(struct jb_host **out, const struct jb_host_opts *o, struct jb_err *err);
void jb_host_close(struct jb_host *h);

// Opened once, kept; borrowed from the host.
int jb_host_workload(struct jb_host *h, const char *preset, const struct jb_request_param *params, uint32_t n_params, struct jb_workload **out, struct jb_err *err);
int jb_host_model(struct jb_host *h, const char *path, const char *exits_path, const struct jb_model **out, struct jb_err *err);
// MISMATCH unless the workload's samples are what the model takes. Nothing may be run before this has passed: a kernel reads as many bytes as the model's input has.
int jb_host_fits(const struct jb_model_info *info, const char *path, const struct jb_workload_info *work, const char *workload, struct jb_err *err);
// The queries of a text workload's split as this model's tokens; opened once, kept until jb_host_drop_models. w: of jb_host_workload.
struct jb_queries;
int jb_host_queries(struct jb_host *h, const struct jb_model *m, const struct jb_workload *w, enum jb_split split, const struct jb_queries **out, struct jb_err *err);
// What a session for these queries needs: rows for prompts in batches, positions for the longest.
struct jb_session_opts jb_host_text_session(const struct jb_model_info *info, const struct jb_queries *q, uint32_t threads, uint32_t kv, uint32_t fill);
// Closes models and sessions (between groups of cells that do not fit in memory together). Workloads stay.
void jb_host_drop_models(struct jb_host *h);

// The samples that a request with n_samples runs on, in the order in which blocks walk through them: owned (free), *n of them.
int jb_sample_order(const struct jb_workload_info *info, enum jb_split split, uint32_t n_samples, uint64_t seed, uint32_t **out, uint32_t *n);

// What the machine did from before the first block to behind the last, with all that lay between. False: there was no block.
bool jb_host_machine_span(const struct jb_host *h, struct jb_machine_span *out);

// How a block went, and what the machine did meanwhile.
struct jb_block {
    struct jb_raw_block raw;             // owned: jb_block_free
    uint64_t start_ns, wall_ns;          // clock at the start; length of the recorded part
    struct jb_joules energy;             // over the recorded part, and what else ran in the window:
    uint64_t window_rows;                // rows that these joules were drawn for
    uint64_t cpu_ns;                     // CPU time of this process over the recorded part
    struct jb_cputime_span others;       // CPU time of other processes meanwhile
    struct jb_machine_span machine;      // the rest of what the machine did; its `cpu` is `others`
    uint64_t reference_ns;               // of the reference kernel behind the block (harness/reference.h); 0: did not run
    uint64_t voluntary_switches, involuntary_switches, major_faults;
};
void jb_block_free(struct jb_block *b);

struct jb_warm_up { uint64_t elapsed_ns; uint32_t chunks; bool steady; double median_ns, p; }; // p: of a change of level in the last chunks; NAN: too few

// Opens what the request needs (a block does so too if this was left out) and runs queries until the latency is steady.
int jb_host_warm_up(struct jb_host *h, const struct jb_block_request *r, struct jb_warm_up *out, struct jb_err *err);
// One block: an unrecorded lead-in, then queries, each with a latency.
int jb_host_run(struct jb_host *h, const struct jb_block_request *r, struct jb_block *out, struct jb_err *err);
// Waits, and takes the energy meanwhile. ns 0: nothing is measured, the reason says so.
struct jb_joules jb_host_idle(struct jb_host *h, uint64_t ns);
// Memory of the sessions that a request runs on (0 before it ran).
size_t jb_host_session_bytes(const struct jb_host *h, const struct jb_block_request *r);

#endif
