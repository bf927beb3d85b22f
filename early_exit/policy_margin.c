// margin: stop when p(1) - p(2) >= threshold of the exit.
#include "early_exit/policies.h"

const struct jb_policy_ops jb_policy_margin = {
    .name = "margin",
    .summary = "stop when the two largest softmax probabilities lie apart by the threshold",
    .source = "margin of Scheffer et al., IDA 2001; as an exit rule Park et al., CODES+ISSS 2015 (Big/Little deep neural network) and CALM (arXiv 2207.07061)",
    .options = jb_no_options,
    .measure = JB_MEASURE_MARGIN,
    .needs = JB_WANT_LOGITS,
    .has_threshold = true,
    .threshold_min = 0.0,
    .threshold_max = 1.0,
    .wants_exit = jb_wants_every_exit,
    .decide = jb_decide_by_threshold,
};
