// Filling a full-depth recording with samples of a split, on several threads: nothing is timed here.
#ifndef JB_HARNESS_RECORD_SPLIT_H
#define JB_HARNESS_RECORD_SPLIT_H

#include "early_exit/recording.h"
#include "harness/ctx.h"
#include "workloads/text/queries.h"

// order NULL: samples 0..n-1. INTERRUPTED when the stop flag came. The caller closes *out.
int jb_record_split(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_workload *w, enum jb_split split, const uint32_t *order,
                    uint32_t n, const char *phase, const char *what, struct jb_recording *out, struct jb_err *err);

// Text workloads: every answer of the queries order[0..n-1] as a sample, in this order. kv: of the session that records.
int jb_record_texts(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_queries *q, const uint32_t *order, uint32_t n, enum jb_kv_kind kv,
                    const char *phase, const char *what, struct jb_recording *out, struct jb_err *err);
// A session for text queries on as many threads as the run may use (results do not depend on it), or on one where the family has no pool.
int jb_open_text_session(const struct jb_ctx *c, const struct jb_model *m, const struct jb_queries *q, enum jb_kv_kind kv, enum jb_fill fill, struct jb_session **out, struct jb_err *err);

#endif
