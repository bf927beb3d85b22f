// Full-depth passes in batches.
#include "early_exit/score.h"
#include <math.h>
#include <stdlib.h>

struct pass {
    struct jb_session *session;
    const struct jb_model_info *info;
    const struct jb_schedule *schedule;
    const struct jb_score *q;
    struct jb_row_input *rows;  // (batch)
    uint32_t *all, batch;       // (batch) 0, 1, 2, ...
    struct jb_cost *cost, *sum; // (batch) of one call; sum: the caller's, or NULL
    struct jb_head_row *head;   // (batch)
};

static void add_costs(struct pass *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (p->sum) jb_cost_add(p->sum, &p->cost[i]);
        p->cost[i] = (struct jb_cost){0};
    }
}

// The heads of rows `from` on, of the batch that begins at position `start`.
static int run_head(struct pass *p, uint32_t stage, uint32_t start, uint32_t from, uint32_t n, struct jb_err *err)
{
    uint32_t exit = (uint32_t)p->info->stages[stage].exit;
    int rc = jb_session_run_head(p->session, stage, p->all + from, n - from, p->q->want, p->head, p->cost);
    if (rc) return jb_fail(err, rc, "the head behind stage %u (%s) failed: %s", stage, p->info->stages[stage].name, jb_code_text(rc));
    add_costs(p, n - from);
    for (uint32_t i = from; i < n && rc == 0; i++) rc = p->q->fn(p->q->user, start + i, exit, &p->head[i - from]);
    return rc;
}

static int run_batch(struct pass *p, uint32_t start, uint32_t n, struct jb_err *err)
{
    for (uint32_t i = 0; i < n; i++) p->rows[i] = (struct jb_row_input){.token = p->q->token[start + i], .sequence = p->q->sequence};
    int rc = jb_session_begin(p->session, 0, p->rows, n, err);
    if (rc) return rc;
    uint32_t from = p->q->first > start ? p->q->first - start : 0;
    for (uint32_t stage = 0; stage < p->info->n_stages; stage++) {
        enum jb_precision precision = p->schedule->stage[stage];
        rc = jb_session_run_stage(p->session, stage, precision, p->all, n, p->cost);
        if (rc) return jb_fail(err, rc, "stage %u (%s) at %s failed: %s", stage, p->info->stages[stage].name, jb_precision_name(precision), jb_code_text(rc));
        add_costs(p, n);
        bool looks = p->info->stages[stage].exit >= 0 && (p->q->every_exit || stage + 1 == p->info->n_stages);
        if (looks && from < n) rc = run_head(p, stage, start, from, n, err);
        if (rc) return rc;
    }
    rc = jb_session_commit(p->session, 0, n);
    return rc ? jb_fail(err, rc, "positions %u to %u could not be kept: %s", start, start + n - 1, jb_code_text(rc)) : JB_OK;
}

static int check(const struct jb_model_info *info, const struct jb_session_opts *o, const struct jb_schedule *schedule, const struct jb_score *q, struct jb_err *err)
{
    if (info->row_kind != JB_ROW_POSITION || info->n_parts != 1) return jb_fail(err, JB_E_UNSUPPORTED, "%s: not a model of one sequence of tokens", info->path);
    if (schedule->escalate) return jb_fail(err, JB_E_UNSUPPORTED, "%s: a full-depth pass looks at no exit, so precision %s does not escalate in it", info->path, schedule->text);
    if (q->n < 1) return jb_fail(err, JB_E_INVALID, "%s: no tokens", info->path);
    if (q->n > o->max_positions) return jb_fail(err, JB_E_RANGE, "%s: %u tokens in a session of %u positions", info->path, q->n, o->max_positions);
    return JB_OK;
}

int jb_score_run(struct jb_session *s, const struct jb_schedule *schedule, const struct jb_score *q, struct jb_cost *cost, struct jb_err *err)
{
    const struct jb_session_opts *o = jb_session_options(s);
    struct pass p = {.session = s, .info = jb_model_info(jb_session_model(s)), .schedule = schedule, .q = q, .sum = cost};
    int rc = check(p.info, o, schedule, q, err);
    if (rc) return rc;
    p.batch = q->batch && q->batch < o->max_rows ? q->batch : o->max_rows;
    if (p.batch > q->n) p.batch = q->n;
    p.rows = calloc(p.batch, sizeof *p.rows);
    p.all = calloc(p.batch, sizeof *p.all);
    p.cost = calloc(p.batch, sizeof *p.cost);
    p.head = calloc(p.batch, sizeof *p.head);
    if (!p.rows || !p.all || !p.cost || !p.head) rc = jb_fail(err, JB_E_NOMEM, "out of memory for a pass of %u positions", p.batch);
    for (uint32_t i = 0; rc == 0 && i < p.batch; i++) p.all[i] = i;
    for (uint32_t start = 0; rc == 0 && start < q->n; start += p.batch) {
        if (q->cancel && *q->cancel) rc = jb_fail(err, JB_E_INTERRUPTED, "interrupted");
        else rc = run_batch(&p, start, q->n - start < p.batch ? q->n - start : p.batch, err);
    }
    jb_session_reset(s, q->sequence);
    free(p.rows);
    free(p.all);
    free(p.cost);
    free(p.head);
    return rc;
}
