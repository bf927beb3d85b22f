// patience(t): stop when t exits in a row have confirmed the answer of the one before them:
// cnt = (y_k == y_{k-1}) ? cnt + 1 : 0; stop at cnt = t.
#include <string.h>
#include "early_exit/policies.h"

struct row {
    uint32_t looked_at; // 0: no exit before this one
    uint32_t last;
    uint32_t count;
};
_Static_assert(sizeof(struct row) <= JB_POLICY_ROW_BYTES, "the state of patience must fit into a row");

static void decide(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out)
{
    struct row r;
    memcpy(&r, row_state, sizeof r);
    uint32_t y = in->answer;
    r.count = r.looked_at && y == r.last ? r.count + 1 : 0;
    r.last = y;
    r.looked_at = 1;
    memcpy(row_state, &r, sizeof r);
    *out = (struct jb_decision){.stop = (double)r.count >= p->param[0], .confidence = (float)r.count};
}

static const struct jb_option options[] = {
    {"t", JB_OPT_I64, NULL, 1, JB_MAX_STAGES, "exits in a row that must confirm the answer"},
    {.type = JB_OPT_END},
};

const struct jb_policy_ops jb_policy_patience = {
    .name = "patience",
    .summary = "stop when t exits in a row agree with the one before",
    .source = "PABEE (Zhou et al., NeurIPS 2020, arXiv 2006.04152)",
    .options = options,
    .measure = JB_MEASURE_NONE,
    .needs = JB_WANT_TOP,
    .wants_exit = jb_wants_every_exit,
    .decide = decide,
};
