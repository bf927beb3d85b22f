// Inside early_exit: the rows of the policy table, and what they share.
#ifndef JB_EARLY_EXIT_POLICIES_H
#define JB_EARLY_EXIT_POLICIES_H

#include "early_exit/policy.h"

extern const struct jb_policy_ops jb_policy_final, jb_policy_fixed, jb_policy_maxprob, jb_policy_margin, jb_policy_entropy, jb_policy_patience, jb_policy_gate;

// Policies without a measure that look at every exit, and without parameters of their own.
bool jb_wants_every_exit(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);
extern const struct jb_option jb_no_options[];
// A `decide`: confidence >= threshold of this exit; false for NAN.
void jb_decide_by_threshold(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out);

#endif
