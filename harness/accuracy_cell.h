// The accuracy pass of one cell.
#ifndef JB_HARNESS_ACCURACY_CELL_H
#define JB_HARNESS_ACCURACY_CELL_H

#include "early_exit/recording.h"
#include "harness/ctx.h"

// What is gathered over the samples of a cell.
struct jb_tally {
    struct jb_raw_samples samples;
    struct jb_facts facts;
};
void jb_tally_finish(struct jb_facts *f); // sums by exit into means
int jb_tally_store(struct jb_ctx *c, struct jb_tally *t, struct jb_err *err); // raw samples to the store, the cell's line to the journal
void jb_fill_relative(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_facts *f);

// Replays the cell's policy on the recording, confirms it live on a seeded sample, keeps the raw samples, writes the cell's line.
// A policy that cannot be made, or a live run that differs, gives the cell its status; only what ends the whole run is returned.
int jb_accuracy_cell(struct jb_ctx *c, struct jb_cell *cell, const struct jb_model *m, const struct jb_schedule *s, const struct jb_recording *r,
                     const struct jb_recording_fact *fact, struct jb_err *err);
int jb_accuracy_without_model(struct jb_ctx *c, struct jb_cell *cell, struct jb_err *err);

#endif
