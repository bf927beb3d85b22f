// Passes over m positions: their bits against single steps, and their time.
#include "early_exit/verify.h"
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"

struct verify {
    struct jb_session *session;
    const struct jb_model_info *info;
    const struct jb_schedule *schedule;
    const struct jb_verify_opts *o;
    uint32_t n_logits;
    float *want;                       // (max_m, n_logits) of single steps
    uint64_t *ns;                      // (max_m, rounds)
    struct jb_row_input rows[JB_VERIFY_MOST];
    uint32_t all[JB_VERIFY_MOST];
    struct jb_head_row head[JB_VERIFY_MOST];
    struct jb_cost cost[JB_VERIFY_MOST];
};

// n tokens from number `at` on through all stages, at the end of the sequence; the final head if `want` is not 0.
static int pass(struct verify *v, uint32_t at, uint32_t n, uint32_t want, struct jb_cost *cost)
{
    for (uint32_t i = 0; i < n; i++) v->rows[i].token = v->o->token[at + i];
    int rc = jb_session_begin(v->session, 0, v->rows, n, NULL);
    for (uint32_t stage = 0; stage < v->info->n_stages && rc == 0; stage++) rc = jb_session_run_stage(v->session, stage, v->schedule->stage[stage], v->all, n, cost);
    if (rc == 0 && want) rc = jb_session_run_head(v->session, v->info->n_stages - 1, v->all, n, want, v->head, cost);
    return rc;
}

static int read_context(struct verify *v)
{
    uint32_t most = jb_session_options(v->session)->max_rows < JB_VERIFY_MOST ? jb_session_options(v->session)->max_rows : JB_VERIFY_MOST;
    int rc = JB_OK;
    for (uint32_t at = 0; at < v->o->n_context && rc == 0;) {
        uint32_t left = v->o->n_context - at, n = left < most ? left : most;
        rc = pass(v, at, n, 0, NULL);
        if (rc == 0) rc = jb_session_commit(v->session, 0, n);
        at += n;
    }
    return rc;
}

// Logits of max_m single steps, which are then taken back.
static int single_steps(struct verify *v)
{
    int rc = JB_OK;
    for (uint32_t i = 0; i < v->o->max_m && rc == 0; i++) {
        rc = pass(v, v->o->n_context + i, 1, JB_WANT_LOGITS, NULL);
        if (rc == 0) memcpy(v->want + (size_t)i * v->n_logits, v->head[0].logits, v->n_logits * sizeof(float));
    }
    return rc ? rc : jb_session_rollback(v->session, 0, v->o->max_m);
}

// NaNs are compared by their bits, too.
static int compare(struct verify *v, struct jb_verify_point *out)
{
    memset(v->cost, 0, sizeof v->cost);
    int rc = pass(v, v->o->n_context, out->m, JB_WANT_LOGITS, v->cost);
    out->identical = rc == 0;
    for (uint32_t i = 0; i < out->m && rc == 0; i++) {
        out->identical &= memcmp(v->want + (size_t)i * v->n_logits, v->head[i].logits, v->n_logits * sizeof(float)) == 0;
        jb_cost_add(&out->cost, &v->cost[i]);
    }
    return rc ? rc : jb_session_rollback(v->session, 0, out->m);
}

static uint64_t now(const struct verify *v)
{
    return v->o->clock->now_ns(v->o->clock->self);
}

static int time_round(struct verify *v, uint32_t round, bool counts)
{
    for (uint32_t i = 0; i < v->o->max_m; i++) {
        uint32_t m = round % 2 ? v->o->max_m - i : i + 1;
        if (v->o->cancel && *v->o->cancel) return JB_E_INTERRUPTED;
        uint64_t before = now(v);
        int rc = pass(v, v->o->n_context, m, JB_WANT_TOP, NULL);
        uint64_t after = now(v);
        if (rc == 0) rc = jb_session_rollback(v->session, 0, m);
        if (rc) return rc;
        if (counts) v->ns[(size_t)(m - 1) * v->o->rounds + round] = after - before;
    }
    return JB_OK;
}

static void judge(struct verify *v, struct jb_verify_point *out)
{
    uint32_t rounds = v->o->rounds;
    for (uint32_t i = 0; i < v->o->max_m; i++) {
        uint64_t *ns = v->ns + (size_t)i * rounds;
        jb_sort_u64(ns, rounds);
        out[i].least_ns = ns[0];
        out[i].median_ns = jb_percentile_u64(ns, rounds, 0.5);
        out[i].v = (double)out[i].median_ns / (double)(out[0].median_ns ? out[0].median_ns : 1);
    }
}

static int run(struct verify *v, struct jb_verify_point *out)
{
    int rc = read_context(v);
    if (rc == 0) rc = single_steps(v);
    for (uint32_t i = 0; i < v->o->max_m && rc == 0; i++) {
        out[i] = (struct jb_verify_point){.m = i + 1};
        rc = compare(v, &out[i]);
    }
    if (rc == 0) rc = time_round(v, 0, false);
    for (uint32_t r = 0; r < v->o->rounds && rc == 0; r++) rc = time_round(v, r, true);
    if (rc == 0) judge(v, out);
    return rc;
}

static int check(const struct jb_model_info *info, const struct jb_session_opts *s, const struct jb_schedule *schedule, const struct jb_verify_opts *o, struct jb_err *err)
{
    if (info->row_kind != JB_ROW_POSITION || info->n_parts != 1) return jb_fail(err, JB_E_UNSUPPORTED, "%s: not a model of one sequence of tokens", info->path);
    if (schedule->escalate) return jb_fail(err, JB_E_UNSUPPORTED, "%s: a verify pass looks at no exit, so precision %s does not escalate in it", info->path, schedule->text);
    if (o->max_m < 1 || o->max_m > JB_VERIFY_MOST || o->max_m > s->max_rows)
        return jb_fail(err, JB_E_RANGE, "%u positions in a pass, must be 1 to %u", o->max_m, s->max_rows < JB_VERIFY_MOST ? s->max_rows : JB_VERIFY_MOST);
    if (o->n_context < 1 || (uint64_t)o->n_context + o->max_m > s->max_positions)
        return jb_fail(err, JB_E_RANGE, "a context of %u tokens and passes of %u need %llu positions, and there are %u", o->n_context, o->max_m, (unsigned long long)o->n_context + o->max_m, s->max_positions);
    if (o->rounds < 1 || o->rounds > 1000000) return jb_fail(err, JB_E_RANGE, "%u rounds, must be 1 to 1,000,000", o->rounds);
    return JB_OK;
}

int jb_verify_measure(struct jb_session *s, const struct jb_schedule *schedule, const struct jb_verify_opts *o, struct jb_verify_point *out, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(s));
    int rc = check(info, jb_session_options(s), schedule, o, err);
    if (rc) return rc;
    struct verify *v = calloc(1, sizeof *v);
    if (!v) return jb_fail(err, JB_E_NOMEM, "out of memory");
    v->session = s, v->info = info, v->schedule = schedule, v->o = o;
    v->n_logits = info->n_classes;
    v->want = calloc(o->max_m, v->n_logits * sizeof *v->want);
    v->ns = calloc(o->max_m, o->rounds * sizeof *v->ns);
    for (uint32_t i = 0; i < JB_VERIFY_MOST; i++) v->all[i] = i;
    if (!v->want || !v->ns) rc = jb_fail(err, JB_E_NOMEM, "out of memory for %u rounds", o->rounds);
    else if ((rc = run(v, out))) jb_fail(err, rc, "a pass failed: %s", jb_code_text(rc));
    jb_session_reset(s, 0);
    free(v->want);
    free(v->ns);
    free(v);
    return rc;
}
