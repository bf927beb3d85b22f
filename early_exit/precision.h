// Precision schedules: "int8" throughout, "int8,int8,f32" per stage (the last word holds for the rest), or
// "escalate:int4>int8": stages after an exit that was looked at and did not stop the row run at the higher one; no stage is run again.
#ifndef JB_EARLY_EXIT_PRECISION_H
#define JB_EARLY_EXIT_PRECISION_H

#include "base/err.h"
#include "runtime/tensor.h"
#include <stdbool.h>

struct jb_schedule {
    bool escalate;
    enum jb_precision stage[JB_MAX_STAGES]; // not escalating: by stage
    enum jb_precision low, high;            // escalating
    char text[96];                          // canonical spelling
    uint32_t used;                          // bits of precisions that may occur
};
int jb_schedule_parse(struct jb_schedule *out, const char *text, uint32_t n_stages, struct jb_err *err);
// Precision for `stage` of a row that has passed `unconfident` looked-at exits so far.
enum jb_precision jb_schedule_at(const struct jb_schedule *s, uint32_t stage, uint32_t unconfident);

#endif
