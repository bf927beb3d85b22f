// Thresholds of cells that name a target loss.
#ifndef JB_HARNESS_CALIBRATE_CELLS_H
#define JB_HARNESS_CALIBRATE_CELLS_H

#include "harness/ctx.h"

bool jb_cell_wants_calibration(const struct jb_cell *cell);
// Resolves every cell of this model and schedule; a cell whose thresholds cannot be had gets a status and reason.
int jb_calibrate_cells(struct jb_ctx *c, size_t model, const struct jb_model *m, const struct jb_schedule *s, struct jb_err *err);

#endif
