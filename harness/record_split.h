// Filling a full-depth recording with samples of a split, on several threads: nothing is timed here.
#ifndef JB_HARNESS_RECORD_SPLIT_H
#define JB_HARNESS_RECORD_SPLIT_H

#include "early_exit/recording.h"
#include "harness/ctx.h"

// order NULL: samples 0..n-1. INTERRUPTED when the stop flag came. The caller closes *out.
int jb_record_split(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_workload *w, enum jb_split split, const uint32_t *order,
                    uint32_t n, const char *phase, const char *what, struct jb_recording *out, struct jb_err *err);

#endif
