// Replaying a policy on a recording.
#include <math.h>
#include <string.h>
#include "early_exit/look.h"
#include "early_exit/recorded.h"

static int exit_behind(const struct jb_recording *r, uint32_t stage)
{
    for (uint32_t k = 0; k < r->n_exits; k++)
        if (r->exit_stage[k] == stage) return (int)k;
    return -1;
}

static void add_times(struct jb_cost *sum, const struct jb_cost *c, uint64_t times)
{
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        sum->macs[p] += c->macs[p] * times;
        sum->bytes[p] += c->bytes[p] * times;
    }
}

// A single step through a stage at a position.
static void add_stage(struct jb_cost *sum, const struct jb_recording *r, uint32_t stage, uint64_t position)
{
    jb_cost_add(sum, &r->stage_cost[stage]);
    add_times(sum, &r->position_cost[stage], position);
}

// Of one sample at one exit, in the order of the loop (adaptive.c): true when it stops.
static bool look(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, uint32_t exit, void *state, struct jb_query_result *out)
{
    bool first = jb_look_asks_first(p, exit, r->n_exits);
    jb_cost_add(&out->cost, first ? &r->gate_cost[exit] : &r->head_cost[exit]);
    enum jb_measure measure = jb_look_measures(p, exit, r->n_exits) ? p->ops->measure : JB_MEASURE_NONE;
    uint32_t answer = jb_recording_prediction(r, i, exit);
    if (!jb_look(p, state, exit, r->n_exits, jb_recording_confidence(r, i, exit, measure), first ? JB_NO_ANSWER : answer, out)) return false;
    if (first) {
        jb_look_answer(out, answer);
        jb_cost_add(&out->cost, &r->answer_cost[exit]);
    }
    return true;
}

// What the policy needs was recorded.
static bool holds(const struct jb_recording *r, const struct jb_policy *p)
{
    if (p->ops->needs & JB_WANT_HIDDEN) return false;
    if (!(p->ops->needs & JB_WANT_GATE)) return true;
    for (uint32_t k = 0; k + 1 < r->n_exits; k++)
        if (!r->has_gate[k]) return false;
    return r->group != NULL; // what a gate costs is known of sequences alone
}

int jb_recording_replay(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out)
{
    if (i >= r->n) return JB_E_RANGE;
    if (!holds(r, p)) return JB_E_UNSUPPORTED;
    _Alignas(16) uint8_t state[JB_POLICY_ROW_BYTES] = {0};
    uint32_t unconfident = 0;
    jb_query_clear(out);
    for (uint32_t stage = 0; stage < r->n_stages; stage++) {
        enum jb_precision precision = jb_schedule_at(&r->schedule, stage, unconfident);
        if (precision != jb_recorded_precision(r, stage)) return JB_E_UNSUPPORTED;
        add_stage(&out->cost, r, stage, r->position ? r->position[i] : 0);
        jb_query_stage(out, stage, precision);
        int exit = exit_behind(r, stage);
        if (exit < 0 || !jb_policy_wants(p, (uint32_t)exit, r->n_exits)) continue;
        if (look(r, p, i, (uint32_t)exit, state, out)) break;
        unconfident++;
    }
    return JB_OK;
}

struct holes { uint32_t n; uint64_t positions; }; // positions that lack a stage: how many, and the sum of their numbers

// A row runs a stage that earlier positions lack: they run together, the row last (docs/architecture.md, walk 2). A batch reads the weights once: the row pays its share of its
// own batch, the holes the rest and the full batches before it. What a position reads of earlier ones, and its arithmetic, it has for itself.
static void add_fill(struct jb_cost *late, struct jb_cost *row, const struct jb_recording *r, uint32_t stage, const struct holes *h)
{
    const struct jb_cost *at = &r->stage_cost[stage], *each = &r->position_cost[stage];
    uint32_t full = r->fill_rows ? h->n / r->fill_rows : 0, with_row = r->fill_rows ? h->n % r->fill_rows : h->n;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        uint64_t weights = at->bytes[p] - each->bytes[p], share = weights / (with_row + 1); // at position 0 a row reads its own state
        late->macs[p] += at->macs[p] * h->n + each->macs[p] * h->positions;
        late->bytes[p] += each->bytes[p] * (h->n + h->positions) + weights * full + (weights - share);
        row->bytes[p] -= weights - share;
    }
}

int jb_recording_replay_group(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out, uint32_t *n, struct jb_cost *deferred)
{
    struct holes holes[JB_MAX_STAGES] = {{0}};
    struct jb_query_result one;
    uint32_t count = 0;
    *deferred = (struct jb_cost){0};
    if (i >= r->n) return JB_E_RANGE;
    do {
        struct jb_query_result *q = out ? &out[count] : &one;
        uint32_t sample = i + count++;
        int rc = jb_recording_replay(r, p, sample, q);
        if (rc) return rc;
        if (!r->group) break;
        for (uint32_t stage = 0; stage < q->n_stages; stage++) {
            if (holes[stage].n) add_fill(deferred, &q->cost, r, stage, &holes[stage]);
            holes[stage] = (struct holes){0};
        }
        for (uint32_t stage = q->n_stages; stage < r->n_stages; stage++) {
            holes[stage].n++;
            holes[stage].positions += r->position[sample];
        }
    } while (i + count < r->n && r->group[i + count] == r->group[i]);
    *n = count;
    return JB_OK;
}

// All stages up to an exit.
static struct jb_cost stages_to(const struct jb_recording *r, uint32_t exit)
{
    struct jb_cost c = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; r->position && i < r->n; i++) sum += r->position[i];
    for (uint32_t s = 0; s <= r->exit_stage[exit]; s++) add_stage(&c, r, s, (sum + r->n / 2) / (r->n ? r->n : 1));
    return c;
}

struct jb_cost jb_recording_cost(const struct jb_recording *r, uint32_t exit, bool looked_at_all)
{
    struct jb_cost c = stages_to(r, exit);
    for (uint32_t k = looked_at_all ? 0 : exit; k <= exit; k++) jb_cost_add(&c, &r->head_cost[k]);
    return c;
}

struct jb_cost jb_recording_path_cost(const struct jb_recording *r, const struct jb_policy_ops *ops, uint32_t exit)
{
    if (!jb_policy_asks_first(ops)) return jb_recording_cost(r, exit, true);
    struct jb_cost c = stages_to(r, exit);
    for (uint32_t k = 0; k <= exit && k + 1 < r->n_exits; k++) jb_cost_add(&c, &r->gate_cost[k]);
    jb_cost_add(&c, exit + 1 < r->n_exits ? &r->answer_cost[exit] : &r->head_cost[exit]);
    return c;
}
