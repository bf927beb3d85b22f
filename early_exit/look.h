// Inside early_exit: what happens at one exit of one row. The one place where live runs and replays decide, so that they cannot differ.
#ifndef JB_EARLY_EXIT_LOOK_H
#define JB_EARLY_EXIT_LOOK_H

#include "early_exit/adaptive.h"

// What of the head is asked for: what the policy needs, and at least the answer.
uint32_t jb_look_want(const struct jb_policy *p);

// A row enters: no exit seen, no cost.
void jb_query_clear(struct jb_query_result *r);
// A row has run `stage`, the next one in order.
void jb_query_stage(struct jb_query_result *r, uint32_t stage, enum jb_precision precision);
// Looks at exit `exit` through `head`: asks the policy, writes confidence and prediction down. True: the row stops here (always at the final exit).
bool jb_look(const struct jb_policy *p, void *row_state, uint32_t exit, uint32_t n_exits, float inverse_temperature, const struct jb_head_row *head,
             struct jb_query_result *r);

#endif
