// Inside live comparisons: whether a block of a side is valid, by the rules of that side's plan (harness/validity.h), all of which were fixed before and none of which looks at latencies.
#ifndef JB_HARNESS_LIVE_CHECK_H
#define JB_HARNESS_LIVE_CHECK_H

#include "base/json.h"
#include "harness/host.h"
#include "harness/validity.h"

#define JB_LIVE_REFERENCES 255u

// The reference kernel's drift is judged against the median of what it took beside the side's blocks before, JB_LIVE_REFERENCES of them at most, once there are JB_LIVE_LEAST_REFERENCES:
// a sweep has the median over the run, which a live comparison, ending when it is decided, does not know yet.
#define JB_LIVE_LEAST_REFERENCES 8u
struct jb_live_check { struct jb_validity_limits limits; double reference_ns[JB_LIVE_REFERENCES]; size_t n; };

// run: the worker's "run" line, whose settings hold the plan's rules. max_other_cpu: of the gate's rules, in place of the plan's; NAN: the plan's.
void jb_live_check_open(struct jb_live_check *c, const cJSON *run, double max_other_cpu);
// Bit 1 << enum jb_check of each check that the block fails for certain; remembers its reference kernel.
uint32_t jb_live_check_block(struct jb_live_check *c, const struct jb_block *b, uint32_t streams);
// The name of the first; NULL: none.
const char *jb_live_check_name(uint32_t failed);

#endif
