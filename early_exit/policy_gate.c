// gate: stop when the exit's learned gate on the hidden state reaches the threshold. The vocabulary head runs only for rows that stop.
// BERxiT stops at uncertainty u < t with u = sigmoid(w.h + b); the gate here is the certainty 1 - u, so t = 1 - threshold.
#include "early_exit/policies.h"

const struct jb_policy_ops jb_policy_gate = {
    .name = "gate",
    .summary = "stop when the exit's learned gate on the hidden state reaches the threshold",
    .source = "learning to exit of BERxiT (Xin et al., EACL 2021); one gate an exit",
    .options = jb_no_options,
    .measure = JB_MEASURE_GATE,
    .needs = JB_WANT_GATE,
    .has_threshold = true,
    .threshold_min = 0.0,
    .threshold_max = 1.0,
    .wants_exit = jb_wants_every_exit,
    .decide = jb_decide_by_threshold,
};
