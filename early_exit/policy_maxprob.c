// maxprob: stop when max p >= threshold of the exit, p = softmax(z / T).
#include "early_exit/policies.h"

const struct jb_policy_ops jb_policy_maxprob = {
    .name = "maxprob",
    .summary = "stop when the largest softmax probability reaches the threshold",
    .source = "Hendrycks & Gimpel, ICLR 2017, arXiv 1610.02136; as an exit rule MSDNet (arXiv 1703.09844) and Shallow-Deep Networks (arXiv 1810.07052)",
    .options = jb_no_options,
    .measure = JB_MEASURE_MAXPROB,
    .needs = JB_WANT_LOGITS,
    .has_threshold = true,
    .threshold_min = 0.0,
    .threshold_max = 1.0,
    .wants_exit = jb_wants_every_exit,
    .decide = jb_decide_by_threshold,
};
