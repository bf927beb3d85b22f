// A plan: what to run. JSON "joulebench.plan/1" (docs/schema/plan.schema.json). Unknown keys are errors that name key and line.
//
// {
//   "schema": "joulebench.plan/1", "name": "default", "seed": 1,
//   "workloads": [ {"name": "fashion"}, {"name": "mine", "preset": "classify", "params": {"test_images": "a.idx", ...}} ],
//   "models": [ {"name": "fashion-ee", "file": "fashion-ee.gguf", "workload": "fashion"}, ... ],   // role is derived: static when it has one exit
//   "precisions": ["f32", "int8", "escalate:int4>int8"],
//   "policies": [ {"name": "final"}, {"name": "fixed", "k": [0, 1, 2]}, {"name": "maxprob", "threshold": [0.6, 0.8]},
//                 {"name": "maxprob", "target_loss": [0.001, 0.005]}, {"name": "patience", "t": [1, 2]} ],
//   "threads": [1], "streams": [1], "scenarios": ["single-stream", "offline"], "offline_batch": 32,
//   "power_limit_w": [15, 28] (optional: set on every package before the cells of each, and put back at the end),
//   "percentiles": [0.5, 0.9, 0.99], "repetitions": 8, "block_ms": 40, "idle_ms": 5, "max_seconds": 110,
//   "accuracy_samples": 0 (0: whole split), "calibration": "thresholds.json" (optional: read instead of calibrating in the run),
//   "sessions_memory_mb": 0, "energy_half_width": 0.01, "max_other_cpu": 0.1,
//   "validity": {"max_steal": 0.05, ...} (optional: rules and defaults in harness/validity.h), "normalise": "none", "reference" (by the reference kernel; comparisons give both figures) or "doctor" (as learned on this machine),
//   "stop_when": {"latency": 0.01, "joules": 0.02} (optional: a cell ends early once its intervals' relative half-widths are so small, see harness/stop.h)
// }
// Policies that make no sense for a model (fixed k beyond its exits; anything but final on a model with one exit) are left out, not failed.
#ifndef JB_HARNESS_PLAN_H
#define JB_HARNESS_PLAN_H

#include "base/err.h"
#include "base/strbuf.h"
#include "workloads/workload.h"

#define JB_PLAN_MAX_CELLS 100000

struct jb_plan; // opaque; holds its text and paths
struct jb_plan_set { const char *key, *value; }; // --set key=value, value is JSON or a bare word

int jb_plan_read(struct jb_plan **out, const char *path, const struct jb_plan_set *sets, size_t n_sets, struct jb_err *err);
int jb_plan_parse(struct jb_plan **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err); // for tests and fuzzing
void jb_plan_close(struct jb_plan *p);
const char *jb_plan_name(const struct jb_plan *p);

#endif
