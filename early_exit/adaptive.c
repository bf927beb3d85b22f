// The loop. Per stage: rows are grouped by the precision at which they go on (normally one group), each group runs the stage and, if the
// policy wants to look, the head; rows that stop leave the list. A policy that judges by the hidden state is asked first, and only rows that
// stop run the rest of the head. Everything is allocated at open.
#include "early_exit/adaptive.h"
#include <stdlib.h>
#include <string.h>
#include "early_exit/look.h"

struct jb_adaptive {
    struct jb_session *session;            // borrowed
    const struct jb_model_info *info;      // borrowed
    const struct jb_policy *policy;        // borrowed
    const struct jb_schedule *schedule;    // borrowed
    uint32_t max_rows;
    float inverse_temperature[JB_MAX_STAGES]; // by exit
    uint32_t *active;      // (max_rows) rows still going, rising
    uint32_t *group;       // (max_rows) those of them that share a precision
    uint32_t *asked;       // (max_rows) those of the group whose head is run
    uint32_t *unconfident; // (max_rows) exits looked at without stopping
    uint8_t *stopped;      // (max_rows)
    uint8_t *state;        // (max_rows, JB_POLICY_ROW_BYTES) the policy's
    struct jb_cost *cost;  // (max_rows) of a group
    struct jb_head_row *head; // (max_rows) of a group
    uint32_t n_silent;     // rows below look at no exit
    uint32_t watch_want;
    jb_answer_fn watch;    // NULL: nobody
    void *watch_user;
    struct jb_err failure; // of the last run that failed
    size_t bytes;
};

static int check_model(const struct jb_model_info *info, const struct jb_schedule *schedule, struct jb_err *err)
{
    if (info->n_stages < 1 || info->n_exits < 1 || info->stages[info->n_stages - 1].exit != (int32_t)info->n_exits - 1)
        return jb_fail(err, JB_E_INVALID, "%s: the last stage has no exit head, so a row that never stops would have no answer", info->path);
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        if (!(schedule->used & 1u << p) || info->precisions & 1u << p) continue;
        const char *why = info->precision_reason[p];
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: precision %s cannot run: %s", info->path, jb_precision_name(p), why ? why : "the model was opened without it");
    }
    return JB_OK;
}

static void *take(struct jb_adaptive *a, size_t count, size_t size, bool *ok)
{
    void *p = calloc(count, size);
    if (!p) *ok = false;
    a->bytes += count * size;
    return p;
}

int jb_adaptive_open(struct jb_adaptive **out, struct jb_session *s, const struct jb_policy *policy, const struct jb_schedule *schedule,
                     uint32_t max_rows, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(s));
    if (max_rows < 1) return jb_fail(err, JB_E_RANGE, "a query needs room for at least one row");
    int rc = check_model(info, schedule, err);
    if (rc == JB_OK) rc = jb_policy_fits(policy->ops, info, err);
    if (rc) return rc;

    struct jb_adaptive *a = calloc(1, sizeof *a);
    if (!a) return jb_fail(err, JB_E_NOMEM, "out of memory");
    bool ok = true;
    a->bytes = sizeof *a;
    a->session = s;
    a->info = info;
    a->max_rows = max_rows;
    a->active = take(a, max_rows, sizeof *a->active, &ok);
    a->group = take(a, max_rows, sizeof *a->group, &ok);
    a->asked = take(a, max_rows, sizeof *a->asked, &ok);
    a->unconfident = take(a, max_rows, sizeof *a->unconfident, &ok);
    a->stopped = take(a, max_rows, sizeof *a->stopped, &ok);
    a->state = take(a, max_rows, JB_POLICY_ROW_BYTES, &ok);
    a->cost = take(a, max_rows, sizeof *a->cost, &ok);
    a->head = take(a, max_rows, sizeof *a->head, &ok);
    if (!ok) {
        jb_adaptive_close(a);
        return jb_fail(err, JB_E_NOMEM, "out of memory for %u rows", max_rows);
    }
    for (uint32_t k = 0; k < info->n_exits; k++) a->inverse_temperature[k] = (float)(1.0 / info->stages[info->exit_stage[k]].temperature);
    jb_adaptive_set(a, policy, schedule);
    *out = a;
    return JB_OK;
}

void jb_adaptive_close(struct jb_adaptive *a)
{
    if (!a) return;
    free(a->active);
    free(a->group);
    free(a->asked);
    free(a->unconfident);
    free(a->stopped);
    free(a->state);
    free(a->cost);
    free(a->head);
    free(a);
}

void jb_adaptive_set(struct jb_adaptive *a, const struct jb_policy *policy, const struct jb_schedule *schedule)
{
    a->policy = policy;
    a->schedule = schedule;
}

size_t jb_adaptive_bytes(const struct jb_adaptive *a)
{
    return a->bytes;
}

const struct jb_err *jb_adaptive_error(const struct jb_adaptive *a)
{
    return &a->failure;
}

void jb_adaptive_watch(struct jb_adaptive *a, uint32_t want, jb_answer_fn fn, void *user)
{
    a->watch_want = fn ? want : 0;
    a->watch = fn;
    a->watch_user = user;
}

static void charge(struct jb_adaptive *a, const uint32_t *rows, uint32_t n, struct jb_query_result *out)
{
    for (uint32_t i = 0; i < n; i++) jb_cost_add(&out[rows[i]].cost, &a->cost[i]);
}

// The head behind `stage` on n rows of a->asked.
static int run_head(struct jb_adaptive *a, uint32_t stage, uint32_t n, uint32_t want, struct jb_query_result *out)
{
    memset(a->cost, 0, n * sizeof *a->cost);
    int rc = jb_session_run_head(a->session, stage, a->asked, n, want, a->head, a->cost);
    if (rc) return jb_fail(&a->failure, rc, "the head behind stage %u (%s) failed: %s", stage, a->info->stages[stage].name, jb_code_text(rc));
    charge(a, a->asked, n, out);
    return JB_OK;
}

static void *state_of(struct jb_adaptive *a, uint32_t row)
{
    return a->state + (size_t)row * JB_POLICY_ROW_BYTES;
}

static void stop(struct jb_adaptive *a, uint32_t row, uint32_t exit, const struct jb_head_row *head)
{
    a->stopped[row] = 1;
    if (a->watch) a->watch(a->watch_user, row, exit, head);
}

// The policy's word on n rows of a->asked from the hidden state alone; then the answers of those that stop.
static int ask_first(struct jb_adaptive *a, uint32_t stage, uint32_t exit, uint32_t n, struct jb_query_result *out)
{
    uint32_t n_exits = a->info->n_exits, n_stop = 0;
    int rc = run_head(a, stage, n, a->policy->ops->needs, out);
    if (rc) return rc;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = a->asked[i];
        float confidence = jb_measure(a->policy->ops->measure, &a->head[i], a->inverse_temperature[exit]);
        if (jb_look(a->policy, state_of(a, row), exit, n_exits, confidence, JB_NO_ANSWER, &out[row])) a->asked[n_stop++] = row;
        else a->unconfident[row]++;
    }
    if (n_stop == 0) return JB_OK;
    rc = run_head(a, stage, n_stop, JB_WANT_TOP | a->watch_want, out);
    for (uint32_t i = 0; i < n_stop && rc == JB_OK; i++) {
        jb_look_answer(&out[a->asked[i]], jb_head_prediction(&a->head[i]));
        stop(a, a->asked[i], exit, &a->head[i]);
    }
    return rc;
}

// The head behind `stage` on the group's rows that look at exits, and the policy's word on each.
static int look_at_exit(struct jb_adaptive *a, uint32_t stage, uint32_t n_group, struct jb_query_result *out)
{
    uint32_t exit = (uint32_t)a->info->stages[stage].exit, n_exits = a->info->n_exits, n = 0;
    for (uint32_t i = 0; i < n_group; i++)
        if (a->group[i] >= a->n_silent) a->asked[n++] = a->group[i];
    if (n == 0) return JB_OK;
    if (jb_look_asks_first(a->policy, exit, n_exits)) return ask_first(a, stage, exit, n, out);
    int rc = run_head(a, stage, n, jb_look_want(a->policy, exit, n_exits) | a->watch_want, out);
    if (rc) return rc;
    enum jb_measure measure = jb_look_measures(a->policy, exit, n_exits) ? a->policy->ops->measure : JB_MEASURE_NONE;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = a->asked[i];
        float confidence = jb_measure(measure, &a->head[i], a->inverse_temperature[exit]);
        if (jb_look(a->policy, state_of(a, row), exit, n_exits, confidence, jb_head_prediction(&a->head[i]), &out[row]))
            stop(a, row, exit, &a->head[i]);
        else
            a->unconfident[row]++;
    }
    return JB_OK;
}

// The group's n rows through one stage at one precision. The head follows at once: its results are borrowed until the session's next call.
static int run_group(struct jb_adaptive *a, uint32_t stage, enum jb_precision p, uint32_t n, struct jb_query_result *out)
{
    memset(a->cost, 0, n * sizeof *a->cost);
    int rc = jb_session_run_stage(a->session, stage, p, a->group, n, a->cost);
    if (rc) return jb_fail(&a->failure, rc, "stage %u (%s) at %s failed: %s", stage, a->info->stages[stage].name, jb_precision_name(p), jb_code_text(rc));
    charge(a, a->group, n, out);
    for (uint32_t i = 0; i < n; i++) jb_query_stage(&out[a->group[i]], stage, p);
    int32_t exit = a->info->stages[stage].exit;
    if (exit < 0 || !jb_policy_wants(a->policy, (uint32_t)exit, a->info->n_exits)) return JB_OK;
    return look_at_exit(a, stage, n, out);
}

static int run_stage(struct jb_adaptive *a, uint32_t stage, uint32_t n_active, struct jb_query_result *out)
{
    uint32_t done = 0;
    // The precisions are settled by what a row saw before this stage; unconfident changes only for rows whose group has run.
    for (int p = 0; p < JB_PREC_COUNT && done < n_active; p++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < n_active; i++) {
            uint32_t row = a->active[i];
            bool has_run = out[row].n_stages > stage;
            if (!has_run && (int)jb_schedule_at(a->schedule, stage, a->unconfident[row]) == p) a->group[n++] = row;
        }
        if (n == 0) continue;
        int rc = run_group(a, stage, (enum jb_precision)p, n, out);
        if (rc) return rc;
        done += n;
    }
    return JB_OK;
}

static uint32_t compact(struct jb_adaptive *a, uint32_t n_active)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_active; i++)
        if (!a->stopped[a->active[i]]) a->active[n++] = a->active[i];
    return n;
}

int jb_adaptive_run(struct jb_adaptive *a, const struct jb_row_input *rows, uint32_t n, struct jb_query_result *out)
{
    return jb_adaptive_run_behind(a, rows, n, 0, out);
}

int jb_adaptive_run_behind(struct jb_adaptive *a, const struct jb_row_input *rows, uint32_t n, uint32_t n_silent, struct jb_query_result *out)
{
    if (n == 0) return JB_OK;
    if (n > a->max_rows || n_silent > n) return jb_fail(&a->failure, JB_E_RANGE, "%u rows (%u silent) in a loop opened for %u", n, n_silent, a->max_rows);
    int rc = jb_session_begin(a->session, 0, rows, n, &a->failure);
    if (rc) return rc;
    memset(a->state, 0, (size_t)n * JB_POLICY_ROW_BYTES);
    memset(a->stopped, 0, n);
    a->n_silent = n_silent;
    for (uint32_t i = 0; i < n; i++) {
        a->active[i] = i;
        a->unconfident[i] = 0;
        jb_query_clear(&out[i]);
        if (i < n_silent) out[i].prediction = JB_NO_ANSWER;
    }
    uint32_t n_active = n;
    for (uint32_t stage = 0; n_active > 0 && stage < a->info->n_stages; stage++) {
        rc = run_stage(a, stage, n_active, out);
        if (rc) return rc;
        n_active = compact(a, n_active);
    }
    return JB_OK;
}
