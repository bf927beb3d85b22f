// final: no early exit. The full network, against which everything else is compared.
#include <math.h>
#include "early_exit/policies.h"

static bool wants_exit(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    (void)p;
    return exit + 1 == n_exits;
}

static void decide(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out)
{
    (void)p, (void)row_state;
    *out = (struct jb_decision){.stop = in->exit + 1 == in->n_exits, .confidence = NAN};
}

const struct jb_policy_ops jb_policy_final = {
    .name = "final",
    .summary = "always the last exit",
    .source = "the network without early exit",
    .options = jb_no_options,
    .measure = JB_MEASURE_NONE,
    .wants_exit = wants_exit,
    .decide = decide,
};
