// Ending a cell early: a look at its blocks, by the rule of harness/stop.h.
#ifndef JB_HARNESS_EARLY_H
#define JB_HARNESS_EARLY_H

#include "harness/ctx.h"

bool jb_early_may(const struct jb_ctx *c); // the plan says "stop_when"
// Blocks that count towards the looks: those without a contamination that was certain when they were measured. What the reference kernel says of a block changes as the run goes on, so it decides which
// blocks a look's intervals are made of, but not when there is a look.
uint32_t jb_early_blocks(const struct jb_rec_cell *rec);
// At the looks that the plan's number of blocks gives, and at no other time. `why` is filled if the cell may end; else left alone. It may not while so many of its blocks have drifted that it would be invalid,
// or fewer than JB_STOP_LEAST_BLOCKS are left.
int jb_early_look(const struct jb_ctx *c, const struct jb_rec_cell *rec, char why[200], struct jb_err *err);

#endif
