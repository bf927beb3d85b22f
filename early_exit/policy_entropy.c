// entropy: stop when 1 - H(p) / ln C >= threshold of the exit. BranchyNet stops at H < t; t = (1 - threshold) ln C.
#include "early_exit/policies.h"

const struct jb_policy_ops jb_policy_entropy = {
    .name = "entropy",
    .summary = "stop when 1 - normalised entropy reaches the threshold",
    .source = "BranchyNet (Teerapittayanon et al., ICPR 2016, arXiv 1709.01686); normalised by ln C as in FastBERT (arXiv 2004.02178)",
    .options = jb_no_options,
    .measure = JB_MEASURE_ENTROPY,
    .needs = JB_WANT_LOGITS,
    .has_threshold = true,
    .threshold_min = 0.0,
    .threshold_max = 1.0,
    .wants_exit = jb_wants_every_exit,
    .decide = jb_decide_by_threshold,
};
