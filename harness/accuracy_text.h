// The accuracy pass of text workloads. A sample is one answered token (workloads/text/queries.h).
#ifndef JB_HARNESS_ACCURACY_TEXT_H
#define JB_HARNESS_ACCURACY_TEXT_H

#include "early_exit/recording.h"
#include "harness/ctx.h"

// All cells of a model at a schedule. Forced queries with exact fills: one full-depth recording (for each kind of K/V) is replayed under every policy, and each cell is confirmed by live queries.
// Everything else (free writing, frozen fills) runs live. What the full model answers with K/V in f16 is what `agreement` and `matching` of all settings are measured against; free writing has no other labels.
int jb_accuracy_text(struct jb_ctx *c, size_t model, const struct jb_model *m, const struct jb_schedule *s, struct jb_err *err);

// accuracy.c, for both kinds of workloads
bool jb_accuracy_is_known(const struct jb_ctx *c, const struct jb_cell *cell);
int jb_accuracy_recording(struct jb_ctx *c, size_t model, const struct jb_schedule *s, const struct jb_recording *r, struct jb_recording_fact *f, struct jb_err *err); // oracles, and their line

#endif
