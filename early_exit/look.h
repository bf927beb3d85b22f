// Inside early_exit: what happens at one exit of one row. The one place where live runs and replays decide, so that they cannot differ.
#ifndef JB_EARLY_EXIT_LOOK_H
#define JB_EARLY_EXIT_LOOK_H

#include "early_exit/adaptive.h"

// Whether a row that may stop at this exit is judged before its answer is known. At the final exit there is nothing to judge.
bool jb_look_asks_first(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);
// What of the head is asked for along with the answer: what the policy needs, and at least the answer.
uint32_t jb_look_want(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);
// Whether a confidence is known at this exit in such a look: not at the final one of a policy that asks first.
bool jb_look_measures(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);

// A row enters: no exit seen, no cost.
void jb_query_clear(struct jb_query_result *r);
// A row has run `stage`, the next one in order.
void jb_query_stage(struct jb_query_result *r, uint32_t stage, enum jb_precision precision);
// Looks at exit `exit`: asks the policy, writes confidence and answer (JB_NO_ANSWER: not known yet) down. True: the row stops here (always at the final exit).
bool jb_look(const struct jb_policy *p, void *row_state, uint32_t exit, uint32_t n_exits, float confidence, uint32_t answer, struct jb_query_result *r);
// The answer of a row that stopped before it was known.
void jb_look_answer(struct jb_query_result *r, uint32_t answer);

#endif
