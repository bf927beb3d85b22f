// Full-depth recordings: filling one, and replaying a policy on it.
#include "early_exit/recording.h"
#include <stdlib.h>
#include <string.h>
#include "early_exit/look.h"
#include "runtime/top.h"

// Precision of `stage` on the path of a row that looks at every exit and never stops.
static enum jb_precision recorded_precision(const struct jb_recording *r, uint32_t stage)
{
    uint32_t looked_at = 0;
    for (uint32_t k = 0; k < r->n_exits; k++) looked_at += r->exit_stage[k] < stage;
    return jb_schedule_at(&r->schedule, stage, looked_at);
}

static int fill_description(struct jb_recording *r, const struct jb_model_info *info, struct jb_err *err)
{
    r->n_exits = info->n_exits;
    r->n_classes = info->n_classes;
    r->n_stages = info->n_stages;
    memcpy(r->model_sha256, info->sha256, sizeof r->model_sha256);
    for (uint32_t k = 0; k < info->n_exits; k++) {
        r->exit_stage[k] = info->exit_stage[k];
        r->inverse_temperature[k] = (float)(1.0 / info->stages[info->exit_stage[k]].temperature);
    }
    for (uint32_t s = 0; s < info->n_stages; s++) {
        enum jb_precision p = recorded_precision(r, s);
        if (!(info->precisions & 1u << p)) return jb_fail(err, JB_E_UNSUPPORTED, "%s: precision %s cannot run", info->path, jb_precision_name(p));
        r->stage_cost[s] = info->stages[s].cost[p];
        if (info->stages[s].exit >= 0) r->head_cost[info->stages[s].exit] = info->stages[s].head_cost[p];
    }
    return JB_OK;
}

int jb_recording_open(struct jb_recording *out, const struct jb_model *m, const struct jb_schedule *s, uint32_t n, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_recording r = {.n = n, .schedule = *s};
    if (n < 1) return jb_fail(err, JB_E_RANGE, "%s: a recording needs at least one sample", info->path);
    if (info->n_exits < 1 || info->n_classes < 1 || info->stages[info->n_stages - 1].exit != (int32_t)info->n_exits - 1)
        return jb_fail(err, JB_E_INVALID, "%s: no exit head behind the last stage", info->path);
    int rc = fill_description(&r, info, err);
    if (rc) return rc;
    size_t per_sample = (size_t)r.n_exits * r.n_classes; // at most 16 * 4096
    r.logits = calloc(n, per_sample * sizeof *r.logits);
    r.label = calloc(n, sizeof *r.label);
    if (!r.logits || !r.label) {
        jb_recording_close(&r);
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory for a recording of %u samples", info->path, n);
    }
    for (uint32_t i = 0; i < n; i++) r.label[i] = UINT32_MAX;
    *out = r;
    return JB_OK;
}

void jb_recording_close(struct jb_recording *r)
{
    if (!r) return;
    free(r->logits);
    free(r->label);
    r->logits = NULL;
    r->label = NULL;
    r->n = 0;
}

const float *jb_recording_logits(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return r->logits + ((size_t)i * r->n_exits + exit) * r->n_classes;
}

uint32_t jb_recording_prediction(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return jb_argmax(jb_recording_logits(r, i, exit), r->n_classes);
}

int jb_recording_add(struct jb_recording *r, struct jb_session *s, uint32_t i, const void *data, uint32_t label)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(s));
    if (i >= r->n) return JB_E_RANGE;
    if (info->n_exits != r->n_exits || info->n_stages != r->n_stages || info->n_classes != r->n_classes) return JB_E_MISMATCH;
    const struct jb_row_input row = {.data = data};
    const uint32_t only = 0;
    int rc = jb_session_begin(s, 0, &row, 1, NULL);
    for (uint32_t stage = 0; rc == JB_OK && stage < r->n_stages; stage++) {
        rc = jb_session_run_stage(s, stage, recorded_precision(r, stage), &only, 1, NULL);
        int32_t exit = info->stages[stage].exit;
        if (rc || exit < 0) continue;
        struct jb_head_row head;
        rc = jb_session_run_head(s, stage, &only, 1, JB_WANT_LOGITS, &head, NULL);
        if (rc) break;
        if (head.n_logits != r->n_classes) return JB_E_MISMATCH;
        memcpy(r->logits + ((size_t)i * r->n_exits + (uint32_t)exit) * r->n_classes, head.logits, r->n_classes * sizeof(float));
    }
    if (rc == JB_OK) r->label[i] = label;
    return rc;
}

// The head as the session would have handed it out for this want.
static struct jb_head_row head_of(const struct jb_recording *r, uint32_t i, uint32_t exit, uint32_t want, struct jb_top top[JB_TOP_N])
{
    struct jb_head_row head = {0};
    const float *logits = jb_recording_logits(r, i, exit);
    if (want & JB_WANT_LOGITS) {
        head.logits = logits;
        head.n_logits = r->n_classes;
    }
    if (want & JB_WANT_TOP) {
        head.top = top;
        head.n_top = jb_find_top(logits, r->n_classes, top);
    }
    return head;
}

static int exit_behind(const struct jb_recording *r, uint32_t stage)
{
    for (uint32_t k = 0; k < r->n_exits; k++)
        if (r->exit_stage[k] == stage) return (int)k;
    return -1;
}

int jb_recording_replay(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out)
{
    if (i >= r->n) return JB_E_RANGE;
    uint32_t want = jb_look_want(p);
    if (want & (JB_WANT_HIDDEN | JB_WANT_GATE)) return JB_E_UNSUPPORTED; // not recorded
    _Alignas(16) uint8_t state[JB_POLICY_ROW_BYTES] = {0};
    uint32_t unconfident = 0;
    jb_query_clear(out);
    for (uint32_t stage = 0; stage < r->n_stages; stage++) {
        enum jb_precision precision = jb_schedule_at(&r->schedule, stage, unconfident);
        if (precision != recorded_precision(r, stage)) return JB_E_UNSUPPORTED;
        jb_cost_add(&out->cost, &r->stage_cost[stage]);
        jb_query_stage(out, stage, precision);
        int exit = exit_behind(r, stage);
        if (exit < 0 || !jb_policy_wants(p, (uint32_t)exit, r->n_exits)) continue;
        jb_cost_add(&out->cost, &r->head_cost[exit]);
        struct jb_top top[JB_TOP_N];
        struct jb_head_row head = head_of(r, i, (uint32_t)exit, want, top);
        if (jb_look(p, state, (uint32_t)exit, r->n_exits, r->inverse_temperature[exit], &head, out)) break;
        unconfident++;
    }
    return JB_OK;
}

struct jb_cost jb_recording_cost(const struct jb_recording *r, uint32_t exit, bool looked_at_all)
{
    struct jb_cost c = {0};
    for (uint32_t s = 0; s <= r->exit_stage[exit]; s++) jb_cost_add(&c, &r->stage_cost[s]);
    for (uint32_t k = looked_at_all ? 0 : exit; k <= exit; k++) jb_cost_add(&c, &r->head_cost[k]);
    return c;
}
