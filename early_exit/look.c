// The decision at one exit, shared by the loop and the replay.
#include "early_exit/look.h"
#include <string.h>

bool jb_look_asks_first(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    return exit + 1 < n_exits && jb_policy_asks_first(p->ops);
}

uint32_t jb_look_want(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    uint32_t needs = jb_look_measures(p, exit, n_exits) ? p->ops->needs : 0;
    return needs & (JB_WANT_LOGITS | JB_WANT_TOP) ? needs : needs | JB_WANT_TOP;
}

bool jb_look_measures(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    return exit + 1 < n_exits || !jb_policy_asks_first(p->ops);
}

void jb_query_clear(struct jb_query_result *r)
{
    memset(r, 0, sizeof *r);
}

void jb_query_stage(struct jb_query_result *r, uint32_t stage, enum jb_precision precision)
{
    r->precision[stage] = (uint8_t)precision;
    r->n_stages = stage + 1;
}

bool jb_look(const struct jb_policy *p, void *row_state, uint32_t exit, uint32_t n_exits, float confidence, uint32_t answer, struct jb_query_result *r)
{
    struct jb_decision_in in = {
        .exit = exit,
        .n_exits = n_exits,
        .confidence = confidence,
        .answer = answer,
        .spent_macs = jb_cost_macs(&r->cost),
        .deadline_ns = UINT64_MAX,
    };
    struct jb_decision d;
    p->ops->decide(p, row_state, &in, &d);
    uint32_t n = r->n_reached++;
    r->reached[n] = (uint8_t)exit;
    r->confidence[n] = d.confidence;
    r->exit = exit;
    r->prediction = r->reached_prediction[n] = answer;
    return d.stop || exit + 1 == n_exits;
}

void jb_look_answer(struct jb_query_result *r, uint32_t answer)
{
    r->prediction = r->reached_prediction[r->n_reached - 1] = answer;
}
