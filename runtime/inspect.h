// What `joulebench inspect` shows beyond jb_model_info: the operations of a stage or head as text lines; and the ranges that values take,
// which calibration and the synth writer collect.
#ifndef JB_RUNTIME_INSPECT_H
#define JB_RUNTIME_INSPECT_H

#include "runtime/session.h"

struct jb_op_info {
    const char *text;                    // the line as it stands in the file; borrowed from the model
    struct jb_shape output;
    struct jb_cost cost[JB_PREC_COUNT];  // one row
    bool has_range;                      // of the result; real numbers
    float lo, hi;
    bool fused;                          // computed in one step with the line before
};

// Operation i (of info.stages[stage].n_ops or n_head_ops). NOT_FOUND past the end, UNSUPPORTED if the family has none to show.
int jb_model_op(const struct jb_model *m, uint32_t stage, bool head, uint32_t i, struct jb_op_info *out);

// From now on `fn` sees, after each operation that runs in f32, the least and greatest finite value of its result (for each row). NULL ends it.
// A conv whose addition is fused shows the sum alone. UNSUPPORTED if the family has nothing to observe.
typedef void (*jb_observe_fn)(void *self, const char *value, float lo, float hi);
int jb_session_observe(struct jb_session *s, jb_observe_fn fn, void *self);

#endif
