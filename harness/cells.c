// The plan's axes into cells.
#include "harness/ctx.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jb_cell_set(struct jb_cell *cell, enum jb_cell_status status, const char *reason)
{
    if (cell->status != JB_CELL_VALID) return;
    cell->status = status;
    free(cell->reason);
    cell->reason = strdup(reason); // NULL when memory is out: the status stands
}

// A growing list of cells.
struct list { struct jb_ctx *c; size_t room; struct jb_err *err; bool many_workloads; const char *only; double power_limit_w; };

static void label_thresholds(char *out, size_t n, const struct jb_cell *cell)
{
    size_t len = strlen(out);
    if (!isnan(cell->target_loss)) {
        snprintf(out + len, n - len, " loss<=%.4g%%%s", cell->target_loss * 100, cell->per_exit ? " per exit" : "");
        return;
    }
    for (uint32_t i = 0; i < cell->n_thresholds && len < n; i++, len = strlen(out)) snprintf(out + len, n - len, "%s%.4g", i ? "/" : " ", cell->threshold[i]);
    for (size_t i = 0; i < cell->n_params && len < n; i++, len = strlen(out)) snprintf(out + len, n - len, " %s=%g", cell->params[i].name, cell->params[i].value);
}

static void make_label(const struct list *l, struct jb_cell *cell)
{
    const struct jb_ctx *c = l->c;
    const char *workload = c->workloads[cell->workload].name;
    size_t n = sizeof cell->label;
    if (cell->model == SIZE_MAX) snprintf(cell->label, n, "%.60s", workload);
    else snprintf(cell->label, n, "%.40s%s%.60s %.60s %s", l->many_workloads ? workload : "", l->many_workloads ? "/" : "", c->models[cell->model].name, cell->precision,
                  cell->policy ? cell->policy->name : "");
    label_thresholds(cell->label, n, cell);
    size_t len = strlen(cell->label);
    if (cell->scenario == JB_SCENARIO_OFFLINE) snprintf(cell->label + len, n - len, " offline x%u", cell->batch);
    len = strlen(cell->label);
    if (cell->streams > 1) snprintf(cell->label + len, n - len, " %u streams", cell->streams);
    len = strlen(cell->label);
    if (cell->threads > 1) snprintf(cell->label + len, n - len, " %u threads", cell->threads);
    len = strlen(cell->label);
    if (cell->text && cell->kv != JB_KV_F16) snprintf(cell->label + len, n - len, " kv %s", jb_kv_name(cell->kv));
    len = strlen(cell->label);
    if (cell->text && cell->fill != JB_FILL_EXACT) snprintf(cell->label + len, n - len, " %s", jb_fill_name(cell->fill));
    len = strlen(cell->label);
    if (!isnan(cell->power_limit_w)) snprintf(cell->label + len, n - len, " %g W", cell->power_limit_w);
}

static int add(struct list *l, const struct jb_cell *cell)
{
    struct jb_ctx *c = l->c;
    struct jb_cell x = *cell;
    x.power_limit_w = l->power_limit_w;
    make_label(l, &x);
    if (l->only && fnmatch(l->only, x.label, 0)) return 0;
    if (jb_cell_key(c, &x)) return jb_fail(l->err, JB_E_NOMEM, "cells");
    if (c->n_cells == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct jb_cell *grown = realloc(c->cells, room * sizeof *grown);
        if (!grown) return jb_fail(l->err, JB_E_NOMEM, "cells");
        c->cells = grown;
        l->room = room;
    }
    c->cells[c->n_cells++] = x;
    return 0;
}

// ---- threads, streams, scenarios ----

static int add_scenarios(struct list *l, const struct jb_plan *p, const struct jb_names *scenarios, struct jb_cell *cell)
{
    for (size_t s = 0; s < scenarios->n; s++) {
        cell->scenario = (enum jb_scenario)jb_scenario_parse(scenarios->v[s]);
        if (cell->text && cell->scenario == JB_SCENARIO_OFFLINE) continue; // sequences run one by one
        cell->batch = cell->scenario == JB_SCENARIO_OFFLINE ? l->c->s.offline_batch : 1;
        for (size_t t = 0; t < p->threads.n; t++)
            for (size_t k = 0; k < p->streams.n; k++) {
                cell->threads = (uint32_t)p->threads.v[t];
                cell->streams = (uint32_t)p->streams.v[k];
                int rc = add(l, cell);
                if (rc) return rc;
            }
    }
    return 0;
}

// ---- thresholds and parameters ----

static int add_thresholds(struct list *l, const struct jb_plan *p, const struct jb_plan_policy *q, const struct jb_names *scenarios, struct jb_cell *cell)
{
    int rc = 0;
    for (size_t i = 0; i < q->n_thresholds && !rc; i++) {
        cell->n_thresholds = q->thresholds[i].n;
        memcpy(cell->threshold, q->thresholds[i].v, sizeof cell->threshold);
        rc = add_scenarios(l, p, scenarios, cell);
    }
    cell->n_thresholds = 0;
    memset(cell->threshold, 0, sizeof cell->threshold);
    if (!rc && !q->ops->has_threshold && (q->n_params || !q->target_loss.n)) rc = add_scenarios(l, p, scenarios, cell);
    return rc;
}

static int add_targets(struct list *l, const struct jb_plan *p, const struct jb_plan_policy *q, const struct jb_names *scenarios, struct jb_cell *cell)
{
    int rc = 0;
    for (size_t i = 0; i < q->target_loss.n && !rc; i++) {
        cell->target_loss = q->target_loss.v[i];
        cell->per_exit = q->per_exit;
        rc = add_scenarios(l, p, scenarios, cell);
    }
    cell->target_loss = NAN;
    cell->per_exit = false;
    return rc;
}

// A parameter beyond what the model has is left out: exit k that is the final one or behind it, more agreements than there are exits before it.
static bool makes_sense(const struct jb_policy_ops *ops, const struct jb_cell *cell, uint32_t n_exits)
{
    bool fixed = !strcmp(ops->name, "fixed"), patience = !strcmp(ops->name, "patience");
    if (!cell->n_params || !(fixed || patience)) return true;
    return fixed ? cell->params[0].value < n_exits - 1 : cell->params[0].value < n_exits;
}

static int add_params(struct list *l, const struct jb_plan *p, const struct jb_plan_policy *q, const struct jb_names *scenarios, struct jb_cell *cell, uint32_t n_exits)
{
    size_t at[JB_PLAN_MAX_PARAMS] = { 0 }, k = 0;
    int rc = 0;
    cell->n_params = q->n_params;
    while (!rc && k < q->n_params + !q->n_params) {
        for (size_t i = 0; i < q->n_params; i++) cell->params[i] = (struct jb_param){ q->params[i].name, q->params[i].values.v[at[i]] };
        if (makes_sense(q->ops, cell, n_exits)) rc = add_thresholds(l, p, q, scenarios, cell);
        for (k = 0; k < q->n_params && ++at[k] == q->params[k].values.n; k++) at[k] = 0; // an odometer
        if (!q->n_params) break;
    }
    cell->n_params = 0;
    return rc ? rc : add_targets(l, p, q, scenarios, cell);
}

// ---- models and precisions ----

// Without early exits there is nothing to decide; an escalating schedule needs a policy that looks at exits on the way.
static bool policy_fits(const struct jb_policy_ops *ops, uint32_t n_exits, bool escalate)
{
    bool is_final = !strcmp(ops->name, "final");
    if (n_exits == 1) return is_final && !escalate;
    return !escalate || (!is_final && strcmp(ops->name, "fixed"));
}

static void check_precision(struct jb_cell *cell, const struct jb_ctx_model *m, const struct jb_schedule *s)
{
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        char text[400];
        if (!(s->used & 1u << p) || m->info.precisions & 1u << p) continue;
        snprintf(text, sizeof text, "%s cannot run in this model: %s", jb_precision_name(p), m->precision_reason[p] ? m->precision_reason[p] : "not supported by the file");
        jb_cell_set(cell, JB_CELL_UNAVAILABLE, text);
    }
}

static bool listed(const struct jb_names *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->v[i], name)) return true;
    return !list->n;
}

// A model or workload that cannot be opened is one failed row for each precision, not for each threshold.
static int add_broken(struct list *l, struct jb_cell *cell, const char *reason)
{
    size_t before = l->c->n_cells;
    cell->policy = jb_policies[0];
    cell->scenario = JB_SCENARIO_SINGLE;
    cell->batch = cell->threads = cell->streams = 1;
    int rc = add(l, cell);
    if (!rc && l->c->n_cells > before) jb_cell_set(&l->c->cells[before], JB_CELL_FAILED, reason);
    return rc;
}

// Axes that only language models have. What nobody skips needs no filling: one of the fills stands for both.
static int add_language(struct list *l, const struct jb_plan *p, const struct jb_plan_policy *q, const struct jb_ctx_model *m, struct jb_cell *cell)
{
    const struct jb_names *scenarios = q->scenarios.n ? &q->scenarios : &p->scenarios, *kv = q->kv.n ? &q->kv : &p->kv, *fill = q->fill.n ? &q->fill : &p->fill;
    bool exits = m->info.n_exits > 1 && strcmp(q->ops->name, "final");
    if (!cell->text) return add_params(l, p, q, scenarios, cell, m->info.n_exits);
    for (size_t i = 0; i < kv->n + !kv->n; i++)
        for (size_t k = 0; k < (exits ? fill->n + !fill->n : 1); k++) {
            cell->kv = kv->n ? (enum jb_kv_kind)jb_kv_parse(kv->v[i]) : JB_KV_F16;
            cell->fill = exits && fill->n ? (enum jb_fill)jb_fill_parse(fill->v[k]) : JB_FILL_EXACT;
            int rc = add_params(l, p, q, scenarios, cell, m->info.n_exits);
            if (rc) return rc;
        }
    return 0;
}

// "stored": the one precision that the model offers (f32, if there are several).
static const char *resolve(const char *word, const struct jb_model_info *info)
{
    if (strcmp(word, JB_PRECISION_STORED)) return word;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (info->precisions & 1u << p) return jb_precision_name(p);
    return word;
}

static int add_policy(struct list *l, const struct jb_plan *p, const struct jb_plan_policy *q, const struct jb_ctx_model *m, struct jb_cell *cell)
{
    const struct jb_names *precisions = q->precisions.n ? &q->precisions : &p->precisions;
    for (size_t i = 0; i < precisions->n; i++) {
        struct jb_schedule s;
        if (jb_schedule_parse(&s, resolve(precisions->v[i], &m->info), m->info.n_stages, NULL)) continue; // more words than stages: no setting of this model
        if (!policy_fits(q->ops, m->info.n_exits, s.escalate)) continue;
        snprintf(cell->precision, sizeof cell->precision, "%s", s.text);
        size_t before = l->c->n_cells;
        int rc = add_language(l, p, q, m, cell);
        if (rc) return rc;
        for (size_t k = before; k < l->c->n_cells; k++) {
            check_precision(&l->c->cells[k], m, &s);
            if (l->c->cells[k].threads > 1 && !cell->text)
                jb_cell_set(&l->c->cells[k], JB_CELL_UNAVAILABLE, "image networks run on one thread inside a session: use streams for sessions side by side");
        }
    }
    return 0;
}

static int add_model(struct list *l, const struct jb_plan *p, size_t model)
{
    struct jb_ctx *c = l->c;
    const struct jb_ctx_model *m = &c->models[model];
    struct jb_cell cell = { .workload = m->workload, .model = model, .target_loss = NAN };
    const struct jb_ctx_workload *w = &c->workloads[m->workload];
    cell.text = w->w && jb_workload_is_text(w->w);
    int rc = 0;
    if (m->rc || w->rc) {
        for (size_t i = 0; i < p->precisions.n && !rc; i++) {
            snprintf(cell.precision, sizeof cell.precision, "%s", p->precisions.v[i]);
            rc = add_broken(l, &cell, m->rc ? m->reason : w->reason);
        }
        return rc;
    }
    for (size_t i = 0; i < p->n_policies && !rc; i++) {
        cell.policy = p->policies[i].ops;
        if (listed(&p->policies[i].models, m->name)) rc = add_policy(l, p, &p->policies[i], m, &cell);
    }
    return rc;
}

static int add_without_model(struct list *l, const struct jb_plan *p, size_t workload)
{
    struct jb_cell cell = { .workload = workload, .model = SIZE_MAX, .target_loss = NAN, .precision = "none" };
    const struct jb_ctx_workload *w = &l->c->workloads[workload];
    return w->rc ? add_broken(l, &cell, w->reason) : add_scenarios(l, p, &p->scenarios, &cell);
}

static int by_key(const void *a, const void *b)
{
    const struct jb_cell *x = *(struct jb_cell *const *)a, *y = *(struct jb_cell *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x > y) - (x < y);
}

// The same setting named twice is measured once: the first stays.
static int drop_twins(struct jb_ctx *c)
{
    size_t kept = 0;
    struct jb_cell **sorted = calloc(c->n_cells + 1, sizeof *sorted);
    if (!sorted) return JB_E_NOMEM;
    for (size_t i = 0; i < c->n_cells; i++) sorted[i] = &c->cells[i];
    qsort(sorted, c->n_cells, sizeof *sorted, by_key);
    for (size_t i = 1; i < c->n_cells; i++)
        if (!strcmp(sorted[i]->key, sorted[i - 1]->key)) sorted[i]->label[0] = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        if (c->cells[i].label[0]) c->cells[kept++] = c->cells[i];
        else free(c->cells[i].reason);
    }
    c->n_cells = kept;
    free(sorted);
    return 0;
}

static bool has_models(const struct jb_ctx *c, size_t workload)
{
    for (size_t i = 0; i < c->n_models; i++)
        if (c->models[i].workload == workload) return true;
    return false;
}

int jb_cells_expand(struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err)
{
    struct list l = { .c = c, .err = err, .many_workloads = p->n_workloads > 1, .only = c->o->only };
    int rc = 0;
    for (size_t k = 0; k < p->power_limit_w.n + !p->power_limit_w.n && !rc; k++) { // outermost: cells of one limit stand together, and are measured so
        l.power_limit_w = p->power_limit_w.n ? p->power_limit_w.v[k] : NAN;
        for (size_t i = 0; i < c->n_workloads && !rc; i++)
            if (c->workloads[i].rc ? !has_models(c, i) : !c->workloads[i].needs_model) rc = add_without_model(&l, p, i);
        for (size_t i = 0; i < c->n_models && !rc; i++) rc = add_model(&l, p, i);
    }
    if (!rc && drop_twins(c)) rc = jb_fail(err, JB_E_NOMEM, "cells");
    if (!rc && !c->n_cells)
        rc = c->o->only ? jb_fail(err, JB_E_NOT_FOUND, "--only \"%s\": no cell's label matches (see --dry-run)", c->o->only)
                        : jb_fail(err, JB_E_INVALID, "plan %s: no policy fits any model at any precision: nothing to run", c->name);
    return rc;
}
