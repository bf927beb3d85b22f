// fixed(k): every row stops at exit k. The network's own exits as static networks: half of the hull that an adaptive policy must beat.
#include <math.h>
#include "early_exit/policies.h"

static bool wants_exit(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    (void)n_exits;
    return (double)exit == p->param[0];
}

static void decide(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out)
{
    (void)row_state;
    *out = (struct jb_decision){.stop = (double)in->exit == p->param[0], .confidence = NAN};
}

static const struct jb_option options[] = {
    {"k", JB_OPT_I64, NULL, 0, JB_MAX_STAGES - 1, "exit at which every row stops, counted from 0"},
    {.type = JB_OPT_END},
};

const struct jb_policy_ops jb_policy_fixed = {
    .name = "fixed",
    .summary = "always exit k",
    .source = "static early exit; hull baseline of MSDNet (Huang et al., ICLR 2018, arXiv 1703.09844)",
    .options = options,
    .measure = JB_MEASURE_NONE,
    .wants_exit = wants_exit,
    .decide = decide,
};
