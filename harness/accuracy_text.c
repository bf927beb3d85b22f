#include "harness/accuracy_text.h"

#include "base/rng.h"
#include "early_exit/sequence.h"
#include "harness/accuracy_cell.h"
#include "harness/record_split.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workloads/text/score_tokens.h"

#define CONFIRM_QUERIES 2u

// One model at one schedule and kind of K/V, and what its full depth says.
struct text {
    struct jb_ctx *c;
    size_t model;
    const struct jb_model *m;
    const struct jb_schedule *s;
    const struct jb_ctx_workload *w;
    const struct jb_queries *queries;
    enum jb_kv_kind kv;
    bool forced, recorded;               // recorded: r is there (forced queries alone)
    struct jb_recording r;               // with this kind of K/V
    uint32_t *full;                      // what the full model answers with K/V in f16, by number of the answer; UINT32_MAX: not asked, or its text was over. Owned; NULL: not yet known
};

// What one cell gathers: a growing list of answers.
struct gather {
    struct jb_tally *t;
    struct jb_answered *a;
    uint32_t n, room;
    double deferred_macs, deferred_bytes;
};

static uint32_t all_answers(const struct text *x)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < x->w->n; i++) {
        struct jb_query_tokens t;
        jb_queries_at(x->queries, x->w->order[i], &t);
        sum += t.n_steps;
    }
    return sum;
}

// ---- counting ----

struct token { uint32_t index, label, token, exit, n_stages; float confidence, logprob; struct jb_cost cost; };

static void count(const struct text *x, struct gather *g, const struct token *k)
{
    struct jb_raw_samples *s = &g->t->samples;
    struct jb_facts *f = &g->t->facts;
    struct jb_exit_fact *e = &f->exits[k->exit];
    uint8_t precision[JB_MAX_STAGES];
    for (uint32_t i = 0; i < JB_MAX_STAGES; i++) precision[i] = (uint8_t)jb_schedule_at(x->s, i, 0);
    uint32_t full = x->full ? x->full[k->index] : UINT32_MAX, label = x->forced ? k->label : full;
    s->index[g->n] = k->index;
    s->label[g->n] = label;
    s->prediction[g->n] = k->token;
    s->exit[g->n] = (uint8_t)k->exit;
    s->pattern[g->n] = jb_pattern_of(precision, k->n_stages);
    s->score[g->n] = k->confidence;
    s->query[g->n] = jb_queries_of(x->queries, k->index);
    s->full[g->n] = full;
    s->logprob[g->n] = x->forced ? k->logprob : NAN;
    g->a[g->n++] = (struct jb_answered){ .index = k->index, .token = k->token, .full = full, .logprob = k->logprob };
    e->count++;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        e->macs[p] += (double)k->cost.macs[p];
        e->bytes[p] += (double)k->cost.bytes[p];
    }
    for (uint32_t i = 0; i < k->n_stages; i++) e->stages[precision[i]]++;
    if (label == UINT32_MAX) return;
    f->n++;
    f->correct += k->token == label;
    e->correct += k->token == label;
}

// What was done late in a query is put on the answers that left early, evenly: the session knows it by query.
static void spread(const struct text *x, struct gather *g, const struct token *k, uint32_t n, const struct jb_cost *late)
{
    uint32_t stages = jb_model_info(x->m)->n_stages, early = 0;
    for (uint32_t i = 0; i < n; i++) early += k[i].n_stages < stages;
    if (!early) return;
    for (uint32_t i = 0; i < n; i++) {
        struct jb_exit_fact *e = &g->t->facts.exits[k[i].exit];
        if (k[i].n_stages == stages) continue;
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            e->macs[p] += (double)late->macs[p] / early;
            e->bytes[p] += (double)late->bytes[p] / early;
        }
    }
    g->deferred_macs += (double)jb_cost_macs(late);
    g->deferred_bytes += (double)jb_cost_bytes(late);
}

static void count_query(const struct text *x, struct gather *g, const struct token *k, uint32_t n, const struct jb_cost *late)
{
    for (uint32_t i = 0; i < n; i++) count(x, g, &k[i]);
    spread(x, g, k, n, late);
}

// ---- live ----

struct live {
    struct jb_session *session;
    struct jb_sequence *sequence;
    struct token *tokens;                // of one query
    uint32_t n;
    struct jb_cost late;
};

static uint32_t most_steps(const struct text *x)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < x->w->n; i++) {
        struct jb_query_tokens t;
        jb_queries_at(x->queries, x->w->order[i], &t);
        if (t.n_steps > most) most = t.n_steps;
    }
    return most;
}

static void close_live(struct live *l)
{
    jb_sequence_close(l->sequence);
    jb_session_close(l->session);
    free(l->tokens);
}

static int open_live(struct live *l, const struct text *x, const struct jb_policy *p, enum jb_fill fill, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    *l = (struct live){ 0 };
    int rc = jb_open_text_session(x->c, x->m, x->queries, x->kv, fill, &l->session, err);
    if (!rc) rc = jb_sequence_open(&l->sequence, l->session, p, x->s, most_steps(x), &clock, err);
    if (!rc && !(l->tokens = calloc(most_steps(x), sizeof *l->tokens))) rc = jb_fail(err, JB_E_NOMEM, "tokens");
    if (rc) close_live(l);
    return rc;
}

static int run_live(struct live *l, const struct text *x, uint32_t query, struct jb_err *err)
{
    struct jb_query_tokens t;
    struct jb_sequence_result r;
    uint32_t n_stop;
    const uint32_t *stop = jb_queries_stop(x->queries, &n_stop);
    jb_queries_at(x->queries, query, &t);
    struct jb_sequence_query q = { .prompt = t.prompt, .n_prompt = t.n_prompt, .n_steps = t.n_steps, .target = t.target, .forced = t.forced, .want_logprob = t.forced, .stop = stop, .n_stop = n_stop, .apart = true };
    int rc = jb_sequence_run(l->sequence, &q, &r, err);
    if (rc) return rc;
    for (l->n = 0; l->n < r.n_tokens; l->n++) {
        const struct jb_token_result *k = &r.tokens[l->n];
        l->tokens[l->n] = (struct token){ t.first + l->n, t.target ? t.target[l->n] : UINT32_MAX, k->token, k->exit, k->n_stages, k->confidence, k->logprob, k->cost };
    }
    l->late = r.deferred;
    return 0;
}

static int live_all(const struct text *x, const struct jb_policy *p, enum jb_fill fill, const char *what, struct gather *g, uint32_t *full, struct jb_err *err)
{
    struct live l;
    int rc = open_live(&l, x, p, fill, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < x->w->n && !rc; i++) {
        if (jb_ctx_stopped(x->c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped in the accuracy pass");
        if (!rc) rc = run_live(&l, x, x->w->order[i], err);
        if (rc) break;
        for (uint32_t k = 0; full && k < l.n; k++) full[l.tokens[k].index] = l.tokens[k].token;
        if (g) count_query(x, g, l.tokens, l.n, &l.late);
        jb_ctx_progress(x->c, "accuracy", what, i + 1, x->w->n, NAN);
    }
    if (!rc && g) g->t->facts.session_bytes = (double)(jb_session_bytes(l.session) + jb_sequence_bytes(l.sequence));
    close_live(&l);
    return rc;
}

// ---- the full model ----

static void answers_of(const struct text *x, const struct jb_recording *r, uint32_t *full)
{
    for (uint32_t i = 0, at = 0; i < x->w->n; i++) {
        struct jb_query_tokens t;
        jb_queries_at(x->queries, x->w->order[i], &t);
        for (uint32_t k = 0; k < t.n_steps; k++, at++) full[t.first + k] = jb_recording_prediction(r, at, r->n_exits - 1);
    }
}

// The answers of the full model with K/V in f16: one reference for all settings of a model, those with K/V in fewer bits included.
static int learn_full(struct text *x, const char *what, struct jb_err *err)
{
    uint32_t answers = jb_queries_answers(x->queries), *full = malloc(((size_t)answers + 1) * sizeof *full);
    struct text y = *x;
    struct jb_policy final;
    struct jb_recording r;
    if (!full) return jb_fail(err, JB_E_NOMEM, "answers of the full model");
    for (uint32_t i = 0; i < answers; i++) full[i] = UINT32_MAX;
    y.kv = JB_KV_F16;
    int rc = 0;
    if (x->recorded && x->kv == JB_KV_F16) {
        answers_of(x, &x->r, full);
    } else if (x->forced) {
        rc = jb_record_texts(x->c, x->m, x->s, x->queries, x->w->order, x->w->n, JB_KV_F16, "accuracy", what, &r, err);
        if (!rc) answers_of(x, &r, full);
        if (!rc) jb_recording_close(&r);
    } else {
        rc = jb_policy_make(&final, "final", NULL, 0, NULL, 0, jb_model_info(x->m)->n_exits, err);
        if (!rc) rc = live_all(&y, &final, JB_FILL_EXACT, what, NULL, full, err);
    }
    if (rc) free(full);
    else x->full = full;
    return rc;
}

static int learn(struct text *x, const char *what, struct jb_recording_fact *fact, struct jb_err *err)
{
    int rc = 0;
    if (x->forced && !x->recorded) {
        rc = jb_record_texts(x->c, x->m, x->s, x->queries, x->w->order, x->w->n, x->kv, "accuracy", what, &x->r, err);
        x->recorded = !rc;
        if (!rc && x->kv == JB_KV_F16) rc = jb_accuracy_recording(x->c, x->model, x->s, &x->r, fact, err);
    }
    return rc || x->full ? rc : learn_full(x, what, err);
}

static void forget_recording(struct text *x)
{
    if (x->recorded) jb_recording_close(&x->r);
    x->recorded = false;
}

// ---- replay, and the live run that confirms it ----

// The tokens of the query order[k], whose samples begin at `first`.
static int replay_query(const struct text *x, const struct jb_policy *p, uint32_t k, uint32_t first, struct jb_query_result *out, struct token *tokens, uint32_t *n, struct jb_cost *late)
{
    struct jb_query_tokens t;
    jb_queries_at(x->queries, x->w->order[k], &t);
    int rc = jb_recording_replay_group(&x->r, p, first, out, n, late);
    if (rc) return rc;
    if (*n != t.n_steps) return JB_E_INTERNAL;
    for (uint32_t i = 0; i < *n; i++) {
        const struct jb_query_result *q = &out[i];
        tokens[i] = (struct token){ t.first + i, t.target[i], q->prediction, q->exit, q->n_stages, q->n_reached ? q->confidence[q->n_reached - 1] : NAN,
                                    jb_recording_logprob(&x->r, first + i, q->exit), q->cost };
    }
    return 0;
}

static bool same_token(const struct token *a, const struct token *b)
{
    return a->token == b->token && a->exit == b->exit && a->n_stages == b->n_stages && jb_cost_macs(&a->cost) == jb_cost_macs(&b->cost) && jb_cost_bytes(&a->cost) == jb_cost_bytes(&b->cost);
}

static void compare(const struct live *l, const struct token *replayed, uint32_t n, struct jb_facts *f)
{
    for (uint32_t i = 0; i < n && f->status == JB_CELL_VALID; i++) {
        const struct token *a = &replayed[i], *b = &l->tokens[i < l->n ? i : 0];
        if (i < l->n && same_token(a, b)) continue;
        f->status = JB_CELL_INVALID;
        snprintf(f->reason, sizeof f->reason,
                 "replay differs from a live run: answer %u left at exit %u with token %u and %llu MACs, %llu bytes live, but at exit %u with token %u and %llu, %llu from the recording; this is a defect: report it with the plan and model",
                 a->index, b->exit, b->token, (unsigned long long)jb_cost_macs(&b->cost), (unsigned long long)jb_cost_bytes(&b->cost), a->exit, a->token, (unsigned long long)jb_cost_macs(&a->cost), (unsigned long long)jb_cost_bytes(&a->cost));
    }
}

static uint32_t first_sample(const struct text *x, uint32_t k)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < k; i++) {
        struct jb_query_tokens t;
        jb_queries_at(x->queries, x->w->order[i], &t);
        first += t.n_steps;
    }
    return first;
}

static int confirm(const struct text *x, const struct jb_policy *p, struct jb_query_result *out, struct token *tokens, struct jb_facts *f, struct jb_err *err)
{
    struct live l;
    struct jb_rng rng;
    int rc = open_live(&l, x, p, JB_FILL_EXACT, err);
    if (rc) return rc;
    f->session_bytes = (double)(jb_session_bytes(l.session) + jb_sequence_bytes(l.sequence));
    jb_rng_seed_named(&rng, x->c->s.seed, "confirm");
    for (uint32_t i = 0; i < CONFIRM_QUERIES && !rc && f->status == JB_CELL_VALID; i++) {
        uint32_t k = (uint32_t)jb_rng_below(&rng, x->w->n), n = 0;
        struct jb_cost late;
        rc = run_live(&l, x, x->w->order[k], err);
        if (!rc && (rc = replay_query(x, p, k, first_sample(x, k), out, tokens, &n, &late))) jb_fail(err, rc, "replay");
        if (!rc) compare(&l, tokens, n, f);
    }
    close_live(&l);
    return rc;
}

static int replay_all(const struct text *x, const struct jb_policy *p, struct gather *g, struct jb_err *err)
{
    uint32_t most = most_steps(x), first = 0;
    struct jb_query_result *out = calloc(most, sizeof *out);
    struct token *tokens = calloc(most, sizeof *tokens);
    int rc = out && tokens ? 0 : jb_fail(err, JB_E_NOMEM, "replay");
    for (uint32_t k = 0; k < x->w->n && !rc; k++) {
        struct jb_cost late = { 0 };
        uint32_t n = 0;
        if ((rc = replay_query(x, p, k, first, out, tokens, &n, &late))) jb_fail(err, rc, "this policy cannot be replayed at this precision schedule (%s)", jb_code_text(rc));
        else count_query(x, g, tokens, n, &late);
        first += n;
    }
    if (!rc) rc = confirm(x, p, out, tokens, &g->t->facts, err);
    free(out);
    free(tokens);
    return rc;
}

// ---- one cell ----

// Deferred work by token, oracle, loss against the full model, qualities, sizes.
static void fill_facts(const struct text *x, const struct jb_cell *cell, const struct gather *g, const struct jb_recording_fact *fact)
{
    struct jb_facts *f = &g->t->facts;
    const struct jb_model_info *info = &x->c->models[cell->model].info;
    size_t n = 0;
    uint64_t right = 0;
    for (uint32_t i = 0; x->forced && i < x->r.n; i++) right += jb_recording_prediction(&x->r, i, x->r.n_exits - 1) == x->r.label[i];
    if (f->n) f->accuracy_loss = x->forced ? ((double)right - (double)f->correct) / (double)f->n : 1 - (double)f->correct / (double)f->n;
    if (x->forced && x->r.n_exits > 1) {
        struct jb_overthinking o = jb_recording_overthinking(&x->r);
        f->wasteful = o.wasteful;
        f->destructive = o.destructive;
        if (x->kv == JB_KV_F16) f->oracle_macs = fact->oracle[0].macs_mean;
    }
    f->deferred_macs = g->n ? g->deferred_macs / g->n : NAN;
    f->deferred_bytes = g->n ? g->deferred_bytes / g->n : NAN;
    f->model_bytes = 0;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (x->s->used & 1u << p) f->model_bytes += (double)info->weight_bytes[p];
    f->load_ns = (double)info->load_ns;
    if (!jb_score_tokens(x->queries, g->a, g->n, f->quality, JB_FACTS_MAX_QUALITY, &n)) f->n_quality = (uint32_t)n;
    jb_fill_relative(x->c, cell, f);
}

static int run_gathered(struct text *x, struct jb_cell *cell, struct gather *g, const struct jb_recording_fact *fact, struct jb_err *why)
{
    struct jb_policy policy;
    struct jb_facts *f = &g->t->facts;
    jb_cell_facts(x->c, cell, f);
    f->n_exits = jb_model_info(x->m)->n_exits;
    int rc = jb_policy_make(&policy, cell->policy->name, cell->params, cell->n_params, cell->n_thresholds ? cell->threshold : NULL, cell->n_thresholds, f->n_exits, why);
    if (rc) return rc;
    bool replay = x->forced && cell->fill == JB_FILL_EXACT;
    rc = replay ? replay_all(x, &policy, g, why) : live_all(x, &policy, cell->fill, cell->label, g, NULL, why);
    if (rc) return rc;
    g->t->samples.n = g->n; // free queries may have ended early
    jb_tally_finish(f);
    fill_facts(x, cell, g, fact);
    return 0;
}

static bool ends_the_run(int rc) { return rc == JB_E_NOMEM || rc == JB_E_INTERRUPTED || rc == JB_E_IO || rc == JB_E_NO_SPACE; }

static int run_cell(struct text *x, struct jb_cell *cell, const struct jb_recording_fact *fact, struct jb_err *err)
{
    struct jb_tally *t = calloc(1, sizeof *t);
    uint32_t room = all_answers(x);
    struct gather g = { .t = t, .a = malloc(((size_t)room + 1) * sizeof *g.a), .room = room };
    struct jb_err why = { 0 };
    int rc = t && g.a && !jb_raw_samples_alloc(&t->samples, room) && !jb_raw_samples_text(&t->samples) ? 0 : jb_fail(&why, JB_E_NOMEM, "samples of %s", cell->label);
    if (!rc) rc = run_gathered(x, cell, &g, fact, &why);
    if (!rc) {
        if (t->facts.status != JB_CELL_VALID) jb_cell_set(cell, t->facts.status, t->facts.reason);
        rc = jb_tally_store(x->c, t, &why);
    } else if (!ends_the_run(rc)) {
        jb_cell_set(cell, JB_CELL_FAILED, why.detail);
        rc = 0;
    }
    if (rc && err) *err = why;
    if (t) jb_raw_samples_free(&t->samples);
    free(t);
    free(g.a);
    return rc;
}

static int run_kv(struct text *x, struct jb_err *err)
{
    struct jb_recording_fact fact = { 0 };
    int rc = 0;
    for (size_t i = 0; i < x->c->n_cells && !rc; i++) {
        struct jb_cell *cell = &x->c->cells[i];
        if (cell->model != x->model || cell->kv != x->kv || strcmp(cell->precision, x->s->text) || cell->status != JB_CELL_VALID) continue;
        if (jb_cell_id(x->c, cell)) rc = jb_fail(err, JB_E_NOMEM, "identity");
        if (rc || jb_accuracy_is_known(x->c, cell)) continue;
        if (jb_ctx_stopped(x->c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped in the accuracy pass");
        if (!rc) rc = learn(x, cell->label, &fact, err);
        if (!rc) rc = run_cell(x, cell, &fact, err);
    }
    forget_recording(x);
    return rc;
}

int jb_accuracy_text(struct jb_ctx *c, size_t model, const struct jb_model *m, const struct jb_schedule *s, struct jb_err *err)
{
    struct text x = { .c = c, .model = model, .m = m, .s = s, .w = &c->workloads[c->models[model].workload] };
    int rc = jb_host_queries(c->host, m, x.w->w, c->split, &x.queries, err);
    if (!rc && x.w->n) {
        struct jb_query_tokens t;
        jb_queries_at(x.queries, x.w->order[0], &t);
        x.forced = t.forced;
    }
    for (int kv = 0; kv < JB_KV_COUNT && !rc; kv++) {
        x.kv = (enum jb_kv_kind)kv;
        rc = run_kv(&x, err);
    }
    free(x.full);
    return rc;
}
