// A worker is a process that measures blocks as it is told, one JSON text a line on stdin and stdout ("joulebench.worker/1", docs/worker.md): so two programs, models, settings or power limits
// can be measured block by block in turns, each in a process of its own.
//   -> {"do":"open","plan":..,"set":["KEY=VALUE"],"only":..,"bare":false,"limits":false} <- {"ok":true,"schema":..,"run":{..},"cells":[{"facts":{..},"request":{..}}]}: the plan is expanded, thresholds are resolved,
//                                                        "limits": the leader sets the power limits of the plan's cells (without it such a plan is refused); the accuracy pass is done; facts and run are the journal's lines of these names
//   -> {"do":"samples","cell":ID}                     <- {"ok":true,"samples":base64 of the raw samples}
//   -> {"do":"warm_up","request":{..}}                <- {"ok":true,"steady":true,"median_ns":..}
//   -> {"do":"block","request":{..}}                  <- {"ok":true,"block":{..}}: latencies, samples, predictions, exits (base64 of the raw block), energy, machine facts, reference kernel
//   -> {"do":"bye"}                                   an error is <- {"ok":false,"code":"invalid","detail":".."}; the worker goes on
#ifndef JB_HARNESS_WORKER_H
#define JB_HARNESS_WORKER_H

#include "harness/host.h"
#include "harness/side.h"
#include "harness/sweep.h"

// Serves until "bye" or the end of the input. in and out are descriptors; nothing else may write to out.
int jb_worker_serve(int in, int out, const struct jb_sweep_opts *o, struct jb_err *err);

struct jb_worker;
struct jb_worker_cell { struct jb_facts facts; struct jb_block_request request; }; // request: only when facts.status is valid
// Starts the side's program as `program worker` with its environment and opens its plan. Errors of the worker come with its side's name and its own words; a worker that died says by which signal.
// timeout_ns: for the answer to "open", which loads models and runs them over the samples.
int jb_worker_start(struct jb_worker **out, const struct jb_side *side, const char *this_program, uint64_t timeout_ns, struct jb_err *err);
const struct jb_worker_cell *jb_worker_cells(const struct jb_worker *w, size_t *n);
const cJSON *jb_worker_run(const struct jb_worker *w); // borrowed: the journal's "run" line: version, git, environment, kernels, hashes, power
uint64_t jb_worker_peak_rss(const struct jb_worker *w); // highest so far, over its restarts; 0: not told
int jb_worker_samples(struct jb_worker *w, size_t cell, struct jb_raw_samples *out, struct jb_err *err);
int jb_worker_warm_up(struct jb_worker *w, const struct jb_block_request *r, struct jb_warm_up *out, struct jb_err *err);
// Waits at most timeout_ns.
int jb_worker_block(struct jb_worker *w, const struct jb_block_request *r, uint64_t timeout_ns, struct jb_block *out, struct jb_err *err);
// Ends the process and starts another, which opens no cells and runs no accuracy pass, but whatever a request names: memory lies elsewhere in it, and that alone can change a latency by per cents
// (Mytkowicz et al., ASPLOS 2009). What was known of cells and samples stays.
int jb_worker_restart(struct jb_worker *w, uint64_t timeout_ns, struct jb_err *err);
// Binds its main thread to a CPU; -1: to all that this process may use.
void jb_worker_pin(struct jb_worker *w, int cpu);
void jb_worker_stop(struct jb_worker *w); // "bye", then SIGTERM, then SIGKILL; waits for it. Accepts NULL

#endif
