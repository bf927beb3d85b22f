// The accuracy pass of one cell.
#include "harness/accuracy_cell.h"

#include "base/fs.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "harness/instructions.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIRM_SAMPLES 96u

static void count(struct jb_tally *t, uint32_t i, uint32_t index, uint32_t label, const struct jb_query_result *q)
{
    struct jb_raw_samples *s = &t->samples;
    struct jb_exit_fact *e = &t->facts.exits[q->exit];
    s->index[i] = index;
    s->label[i] = label;
    s->prediction[i] = q->prediction;
    s->exit[i] = (uint8_t)q->exit;
    s->pattern[i] = jb_pattern_of(q->precision, q->n_stages);
    s->score[i] = q->n_reached ? q->confidence[q->n_reached - 1] : NAN;
    e->count++;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        e->macs[p] += (double)q->cost.macs[p];
        e->bytes[p] += (double)q->cost.bytes[p];
    }
    for (uint32_t k = 0; k < q->n_stages; k++)
        if (q->precision[k] < JB_PREC_COUNT) e->stages[q->precision[k]]++;
    if (label == UINT32_MAX) return;
    t->facts.n++;
    t->facts.correct += q->prediction == label;
    e->correct += q->prediction == label;
}

void jb_tally_finish(struct jb_facts *f)
{
    for (uint32_t k = 0; k < f->n_exits; k++)
        for (int p = 0; p < JB_PREC_COUNT && f->exits[k].count; p++) {
            f->exits[k].macs[p] /= (double)f->exits[k].count;
            f->exits[k].bytes[p] /= (double)f->exits[k].count;
            f->exits[k].stages[p] /= (double)f->exits[k].count;
        }
}

// ---- modelled, relative ----

// The full network in f32, or in the first precision that it offers, and what that is called.
static struct jb_model_work full_network(const struct jb_model_info *info, const char **precision)
{
    struct jb_model_work w = { 0 };
    struct jb_cost sum = { 0 };
    int p = JB_PREC_F32;
    while (p < JB_PREC_COUNT - 1 && !(info->precisions & 1u << p)) p++;
    for (uint32_t s = 0; s < info->n_stages; s++) jb_cost_add(&sum, &info->stages[s].cost[p]);
    jb_cost_add(&sum, &info->stages[info->n_stages - 1].head_cost[p]);
    *precision = info->weights && info->weights[0] ? info->weights : jb_precision_name((enum jb_precision)p);
    w.macs_f32 = (double)sum.macs[JB_PREC_F32];
    w.macs_int8 = (double)(sum.macs[JB_PREC_INT8] + sum.macs[JB_PREC_INT4]);
    w.bytes = (double)jb_cost_bytes(&sum);
    return w;
}

// One reference for a whole workload, or figures could not be compared: its first network with early exits, else its first.
static const struct jb_ctx_model *reference(const struct jb_ctx *c, size_t workload)
{
    const struct jb_ctx_model *first = NULL;
    for (size_t i = 0; i < c->n_models; i++) {
        const struct jb_ctx_model *m = &c->models[i];
        if (m->workload != workload || m->rc) continue;
        if (m->info.n_exits > 1) return m;
        if (!first) first = m;
    }
    return first;
}

void jb_fill_relative(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_facts *f)
{
    const struct jb_ctx_model *ref = reference(c, cell->workload);
    struct jb_model_work w = { 0 };
    uint64_t n = 0;
    for (uint32_t k = 0; k < f->n_exits; k++) {
        const struct jb_exit_fact *e = &f->exits[k];
        double count = (double)e->count;
        n += e->count;
        w.macs_f32 += e->macs[JB_PREC_F32] * count;
        w.macs_int8 += (e->macs[JB_PREC_INT8] + e->macs[JB_PREC_INT4]) * count;
        for (int p = 0; p < JB_PREC_COUNT; p++) w.bytes += e->bytes[p] * count;
    }
    if (!ref || !n) return;
    w.macs_f32 /= (double)n;
    w.macs_int8 /= (double)n;
    w.bytes /= (double)n;
    const char *precision;
    struct jb_model_work full = full_network(&ref->info, &precision);
    f->relative = jb_modelled_relative(&w, &full);
    snprintf(f->relative_to, sizeof f->relative_to, "%s %.90s", precision, ref->name);
}

// ---- the live run that confirms ----

static bool same_answer(const struct jb_query_result *a, const struct jb_query_result *b)
{
    if (a->exit != b->exit || a->prediction != b->prediction || a->n_stages != b->n_stages || memcmp(a->precision, b->precision, a->n_stages)) return false;
    return jb_cost_macs(&a->cost) == jb_cost_macs(&b->cost) && jb_cost_bytes(&a->cost) == jb_cost_bytes(&b->cost);
}

static int confirm_one(struct jb_ctx *c, const struct jb_cell *cell, struct jb_adaptive *a, const struct jb_recording *r, const struct jb_policy *p, uint32_t i,
                       struct jb_facts *f)
{
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    struct jb_row_input row;
    struct jb_query_result live, replayed;
    uint32_t label;
    int rc = jb_workload_sample(w->w, c->split, w->order[i], &row, &label);
    if (!rc) rc = jb_adaptive_run(a, &row, 1, &live);
    if (!rc) rc = jb_recording_replay(r, p, i, &replayed);
    if (rc || same_answer(&live, &replayed)) return rc;
    f->status = JB_CELL_INVALID;
    snprintf(f->reason, sizeof f->reason,
             "replay differs from a live run: sample %u gave exit %u, prediction %u live, but exit %u, prediction %u from the recording; this is a defect: report it with the plan and model",
             w->order[i], live.exit, live.prediction, replayed.exit, replayed.prediction);
    return 0;
}

static int confirm(struct jb_ctx *c, const struct jb_cell *cell, const struct jb_model *m, const struct jb_policy *p, const struct jb_schedule *s, const struct jb_recording *r,
                   struct jb_facts *f, struct jb_err *err)
{
    struct jb_session *session = NULL;
    struct jb_adaptive *a = NULL;
    struct jb_session_opts o = { .max_rows = cell->batch, .threads = 1 };
    struct jb_rng rng;
    int rc = jb_session_open(&session, m, &o, err);
    if (!rc) rc = jb_adaptive_open(&a, session, p, s, cell->batch, err);
    if (!rc) f->session_bytes = (double)(jb_session_bytes(session) + jb_adaptive_bytes(a)) * cell->streams;
    jb_rng_seed_named(&rng, c->s.seed, "confirm");
    for (uint32_t i = 0; !rc && i < CONFIRM_SAMPLES && f->status == JB_CELL_VALID; i++) {
        rc = confirm_one(c, cell, a, r, p, (uint32_t)(r->n <= CONFIRM_SAMPLES ? i % r->n : jb_rng_below(&rng, r->n)), f);
        if (rc) jb_fail(err, rc, "a live query failed: %s", jb_adaptive_error(a)->code == rc ? jb_adaptive_error(a)->detail : jb_code_text(rc));
    }
    jb_adaptive_close(a);
    jb_session_close(session);
    return rc;
}

static void count_instructions(const struct jb_ctx *c, const struct jb_cell *cell, const struct jb_model *m, const struct jb_policy *p, const struct jb_schedule *s, struct jb_facts *f)
{
    struct jb_instructions x;
    if (c->o->count_instructions == JB_INSTRUCTIONS_NO || f->status != JB_CELL_VALID) return;
    jb_instructions_of_cell(c, cell, m, p, s, &x);
    f->instructions = x.per_query;
    f->instructions_queries = x.queries;
    snprintf(f->instructions_source, sizeof f->instructions_source, "%s", x.source);
    snprintf(f->instructions_kernels, sizeof f->instructions_kernels, "%s", x.kernels);
    snprintf(f->instructions_reason, sizeof f->instructions_reason, "%s", x.reason);
}

// ---- the dump of `run` ----

static void dump_head(struct jb_str *d, uint32_t n_exits)
{
    jb_str_add(d, "index,label,prediction,exit");
    for (uint32_t k = 0; k < n_exits; k++) jb_str_addf(d, ",confidence_%u", k);
    jb_str_add(d, "\n");
}

static void dump_row(struct jb_str *d, uint32_t n_exits, uint32_t index, uint32_t label, const struct jb_query_result *q)
{
    jb_str_addf(d, "%u,", index);
    if (label != UINT32_MAX) jb_str_addf(d, "%u", label);
    jb_str_addf(d, ",%u,%u", q->prediction, q->exit);
    for (uint32_t k = 0, at = 0; k < n_exits; k++) {
        jb_str_add(d, ",");
        while (at < q->n_reached && q->reached[at] < k) at++;
        if (at < q->n_reached && q->reached[at] == k && !isnan(q->confidence[at])) jb_str_addf(d, "%.9g", (double)q->confidence[at]);
    }
    jb_str_add(d, "\n");
}

// ---- putting it together ----

static int by_index(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

// The dump goes by sample index, whatever order the samples were run in.
static int write_dump(struct jb_ctx *c, const struct jb_cell *cell, const struct jb_recording *r, const struct jb_policy *p, struct jb_err *err)
{
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    uint32_t (*order)[2] = malloc(((size_t)r->n + 1) * sizeof *order);
    struct jb_str d = { 0 };
    if (!order) return jb_fail(err, JB_E_NOMEM, "dump");
    for (uint32_t i = 0; i < r->n; i++) {
        order[i][0] = w->order[i];
        order[i][1] = i;
    }
    qsort(order, r->n, sizeof *order, by_index);
    dump_head(&d, r->n_exits);
    int rc = 0;
    for (uint32_t i = 0; i < r->n && !rc; i++) {
        struct jb_query_result q;
        rc = jb_recording_replay(r, p, order[i][1], &q);
        if (!rc) dump_row(&d, r->n_exits, order[i][0], r->label[order[i][1]], &q);
    }
    free(order);
    if (!rc && d.failed) rc = JB_E_NOMEM;
    rc = rc ? jb_fail(err, rc, "%s", c->dump_path) : jb_write_file_atomic(c->dump_path, jb_str_get(&d), d.len, err);
    jb_str_free(&d);
    return rc;
}

int jb_tally_store(struct jb_ctx *c, struct jb_tally *t, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = jb_raw_samples_encode(&t->samples, &bytes, &n);
    if (rc) return jb_fail(err, rc, "samples of %s", t->facts.label);
    rc = jb_store_put(c->store, t->facts.id, JB_RAW_SAMPLES, 0, bytes, n, &t->facts.samples, err);
    free(bytes);
    t->facts.n_samples = t->samples.n;
    return rc ? rc : jb_record_write(&c->record, c->store, jb_facts_to_line(&t->facts), err);
}

static void score(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_tally *t)
{
    size_t n = 0;
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    if (!jb_workload_score(w->w, c->split, t->samples.index, t->samples.prediction, t->samples.n, t->facts.quality, JB_FACTS_MAX_QUALITY, &n)) t->facts.n_quality = (uint32_t)n;
}

static void fill_from_recording(const struct jb_ctx *c, const struct jb_cell *cell, const struct jb_schedule *s, const struct jb_recording *r,
                                const struct jb_recording_fact *fact, struct jb_facts *f)
{
    const struct jb_model_info *info = &c->models[cell->model].info;
    uint64_t final_right = 0;
    for (uint32_t i = 0; i < r->n; i++) final_right += r->label[i] != UINT32_MAX && jb_recording_prediction(r, i, r->n_exits - 1) == r->label[i];
    if (f->n) f->accuracy_loss = ((double)final_right - (double)f->correct) / (double)f->n;
    if (r->n_exits > 1) {
        struct jb_overthinking o = jb_recording_overthinking(r);
        f->wasteful = o.wasteful;
        f->destructive = o.destructive;
        f->oracle_macs = fact->oracle[0].macs_mean;
    }
    f->model_bytes = 0;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (s->used & 1u << p) f->model_bytes += (double)info->weight_bytes[p];
    f->load_ns = (double)info->load_ns;
    jb_fill_relative(c, cell, f);
}

static int replay_all(struct jb_tally *t, const struct jb_ctx_workload *w, const struct jb_recording *r, const struct jb_policy *p)
{
    for (uint32_t i = 0; i < r->n; i++) {
        struct jb_query_result q;
        int rc = jb_recording_replay(r, p, i, &q);
        if (rc) return rc;
        count(t, i, w->order[i], r->label[i], &q);
    }
    jb_tally_finish(&t->facts);
    return 0;
}

static int make_policy(const struct jb_cell *cell, uint32_t n_exits, struct jb_policy *out, struct jb_err *err)
{
    return jb_policy_make(out, cell->policy->name, cell->params, cell->n_params, cell->n_thresholds ? cell->threshold : NULL, cell->n_thresholds, n_exits, err);
}

int jb_accuracy_cell(struct jb_ctx *c, struct jb_cell *cell, const struct jb_model *m, const struct jb_schedule *s, const struct jb_recording *r,
                     const struct jb_recording_fact *fact, struct jb_err *err)
{
    struct jb_tally *t = calloc(1, sizeof *t);
    struct jb_policy policy;
    struct jb_err why = { 0 };
    if (!t || jb_raw_samples_alloc(&t->samples, r->n)) {
        free(t);
        return jb_fail(err, JB_E_NOMEM, "samples of %s", cell->label);
    }
    jb_cell_facts(c, cell, &t->facts);
    t->facts.n_exits = r->n_exits;
    int rc = make_policy(cell, r->n_exits, &policy, &why);
    if (!rc && (rc = replay_all(t, &c->workloads[cell->workload], r, &policy))) jb_fail(&why, rc, "this policy cannot be replayed at this precision schedule");
    if (!rc) {
        score(c, cell, t);
        fill_from_recording(c, cell, s, r, fact, &t->facts);
        rc = confirm(c, cell, m, &policy, s, r, &t->facts, &why);
        if (!rc) count_instructions(c, cell, m, &policy, s, &t->facts);
    }
    if (rc == JB_E_NOMEM) {
        rc = jb_fail(err, rc, "accuracy of %s", cell->label);
    } else if (rc) {
        jb_cell_set(cell, JB_CELL_FAILED, why.detail);
        rc = 0;
    } else {
        if (t->facts.status != JB_CELL_VALID) jb_cell_set(cell, t->facts.status, t->facts.reason);
        rc = jb_tally_store(c, t, err);
        if (!rc && c->dump_path) rc = write_dump(c, cell, r, &policy, err);
    }
    jb_raw_samples_free(&t->samples);
    free(t);
    return rc;
}

int jb_accuracy_without_model(struct jb_ctx *c, struct jb_cell *cell, struct jb_err *err)
{
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    struct jb_tally *t = calloc(1, sizeof *t);
    if (!t || jb_raw_samples_alloc(&t->samples, w->n)) {
        free(t);
        return jb_fail(err, JB_E_NOMEM, "samples of %s", cell->label);
    }
    jb_cell_facts(c, cell, &t->facts);
    t->facts.n_exits = 1;
    int rc = 0;
    for (uint32_t i = 0; i < w->n && !rc; i++) {
        struct jb_row_input row;
        struct jb_query_result q = { 0 };
        uint32_t label;
        rc = jb_workload_sample(w->w, c->split, w->order[i], &row, &label);
        if (!rc) rc = jb_workload_run(w->w, w->order[i], &q);
        if (!rc && q.exit) rc = JB_E_INTERNAL;
        if (!rc) count(t, i, w->order[i], label, &q);
        if (jb_ctx_stopped(c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped in the accuracy pass");
    }
    jb_tally_finish(&t->facts);
    if (rc && rc != JB_E_INTERRUPTED) {
        jb_cell_set(cell, JB_CELL_FAILED, "a query of the workload failed");
        rc = 0;
    } else if (!rc) {
        score(c, cell, t);
        rc = jb_tally_store(c, t, err);
    }
    jb_raw_samples_free(&t->samples);
    free(t);
    return rc;
}
