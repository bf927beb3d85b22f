// `joulebench run`: one setting over one split, without a plan. `joulebench calibrate exits`: thresholds for a list of target losses.
#include "harness/ctx.h"

#include "harness/record_split.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_workload(struct jb_ctx *c, const char *name, const struct jb_workload_opts *o, struct jb_err *err)
{
    size_t n = o ? o->n_params : 0;
    if (n > JB_REQUEST_MAX_PARAMS) return jb_fail(err, JB_E_RANGE, "workload %s: more than %d parameters", name, JB_REQUEST_MAX_PARAMS);
    if (!(c->workloads = calloc(1, sizeof *c->workloads))) return jb_fail(err, JB_E_NOMEM, "workload %s", name);
    struct jb_ctx_workload *w = c->workloads;
    c->n_workloads = 1;
    w->name = name;
    snprintf(w->preset, sizeof w->preset, "%s", name);
    if (!(w->params = calloc(n + 1, sizeof *w->params))) return jb_fail(err, JB_E_NOMEM, "workload %s", name);
    for (; w->n_params < n; w->n_params++) {
        snprintf(w->params[w->n_params].name, sizeof w->params->name, "%s", o->params[w->n_params].name);
        if ((size_t)snprintf(w->params[w->n_params].value, sizeof w->params->value, "%s", o->params[w->n_params].value) >= sizeof w->params->value)
            return jb_fail(err, JB_E_RANGE, "workload %s: %s is too long", name, w->params[w->n_params].name);
    }
    int rc = jb_ctx_open_workload(c, w, err);
    return rc ? rc : w->rc ? jb_fail(err, w->rc, "%s", w->reason) : 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int set_model(struct jb_ctx *c, const char *path, const char *exits, struct jb_err *err)
{
    if (!(c->models = calloc(1, sizeof *c->models))) return jb_fail(err, JB_E_NOMEM, "model");
    struct jb_ctx_model *m = c->models;
    c->n_models = 1;
    m->name = base_name(path);
    if ((size_t)snprintf(m->path, sizeof m->path, "%s", path) >= sizeof m->path || (size_t)snprintf(m->exits, sizeof m->exits, "%s", exits ? exits : "") >= sizeof m->exits)
        return jb_fail(err, JB_E_RANGE, "%.200s: the path is too long", path);
    int rc = jb_ctx_open_model(c, m, err);
    return rc ? rc : m->rc ? jb_fail(err, m->rc, "%s", m->reason) : 0;
}

// Errors of a single setting are the command's errors, not a row's.
static int set_policy(struct jb_cell *cell, const struct jb_run_opts *r, const struct jb_model_info *info, struct jb_err *err)
{
    struct jb_schedule s;
    struct jb_policy p;
    const char *precision = r->precision ? r->precision : JB_PRECISION_STORED;
    if (!strcmp(precision, JB_PRECISION_STORED)) // f32, or the one precision that there is
        for (int k = JB_PREC_COUNT - 1; k >= 0; k--)
            if (info->precisions & 1u << k) precision = jb_precision_name(k);
    int rc = jb_schedule_parse(&s, precision, info->n_stages, err);
    if (!rc) rc = jb_policy_make(&p, r->policy ? r->policy : "final", r->params, r->n_params, r->thresholds, r->n_thresholds, info->n_exits, err);
    if (rc) return rc;
    if (r->n_params > JB_PLAN_MAX_PARAMS || r->n_thresholds > JB_MAX_STAGES) return jb_fail(err, JB_E_RANGE, "too many parameters or thresholds");
    snprintf(cell->precision, sizeof cell->precision, "%s", s.text);
    cell->policy = p.ops;
    cell->n_params = r->n_params;
    if (r->n_params) memcpy(cell->params, r->params, r->n_params * sizeof *r->params);
    cell->n_thresholds = (uint32_t)r->n_thresholds;
    if (r->n_thresholds) memcpy(cell->threshold, r->thresholds, r->n_thresholds * sizeof *r->thresholds);
    return 0;
}

// What only language models have.
static int set_language(struct jb_cell *cell, const struct jb_run_opts *r, bool text, struct jb_err *err)
{
    int kv = r->kv ? jb_kv_parse(r->kv) : JB_KV_F16, fill = r->fill ? jb_fill_parse(r->fill) : JB_FILL_EXACT;
    if (kv < 0 || fill < 0) return jb_fail(err, JB_E_USAGE, "%s", kv < 0 ? "K/V is f16 or int8" : "a fill is exact or frozen");
    cell->text = text;
    cell->threads = r->threads ? r->threads : 1;
    if (!text && (cell->threads > 1 || kv != JB_KV_F16 || fill != JB_FILL_EXACT)) return jb_fail(err, JB_E_USAGE, "threads, kv and fill are for language models");
    cell->kv = (enum jb_kv_kind)kv;
    cell->fill = (enum jb_fill)fill;
    return 0;
}

static int set_cell(struct jb_ctx *c, const struct jb_run_opts *r, struct jb_err *err)
{
    if (!(c->cells = calloc(1, sizeof *c->cells))) return jb_fail(err, JB_E_NOMEM, "cell");
    struct jb_cell *cell = c->cells;
    c->n_cells = 1;
    *cell = (struct jb_cell){ .model = SIZE_MAX, .precision = "none", .target_loss = NAN, .power_limit_w = NAN, .batch = 1, .threads = 1, .streams = 1 };
    int rc = 0;
    if (c->workloads->needs_model) {
        if (!r->model_path) return jb_fail(err, JB_E_USAGE, "workload %s needs a model", c->workloads->name);
        rc = set_model(c, r->model_path, r->exits_path, err);
        cell->model = 0;
        if (!rc) rc = set_policy(cell, r, &c->models->info, err);
        if (!rc) rc = set_language(cell, r, c->workloads->w && jb_workload_is_text(c->workloads->w), err);
    }
    if (rc) return rc;
    int n = cell->model == SIZE_MAX ? snprintf(cell->label, sizeof cell->label, "%s", c->workloads->name)
                                    : snprintf(cell->label, sizeof cell->label, "%.60s %s %s", c->models->name, cell->precision, cell->policy->name);
    for (uint32_t i = 0; i < cell->n_thresholds && n > 0 && (size_t)n < sizeof cell->label; i++)
        n += snprintf(cell->label + n, sizeof cell->label - (size_t)n, "%s%.4g", i ? "/" : " ", cell->threshold[i]);
    for (size_t i = 0; i < cell->n_params && n > 0 && (size_t)n < sizeof cell->label; i++)
        n += snprintf(cell->label + n, sizeof cell->label - (size_t)n, " %s=%g", cell->params[i].name, cell->params[i].value);
    return jb_cell_key(c, cell) ? jb_fail(err, JB_E_NOMEM, "cell") : 0;
}

// As many blocks as fit the seconds asked for. With joules ten long ones: only a longer window narrows their bounds (harness/extend.h), and none is made longer later.
static void set_blocks(struct jb_ctx *c, double seconds)
{
    struct jb_settings *s = &c->s;
    bool joules = !jb_power_is_none(c);
    if (joules) s->block_ms = fmax(s->block_ms, seconds * 1e3 / 10 - s->idle_ms - s->lead_in_ms - 3);
    double blocks = seconds * 1e3 / (s->block_ms + (joules ? s->idle_ms : 0) + s->lead_in_ms + 3) + 1e-9;
    s->repetitions = blocks < 1 ? 1 : blocks > 100000 ? 100000 : (uint32_t)blocks;
    s->extend = false;
    jb_power_idle(c);
}

int jb_run_one(const struct jb_run_opts *r, const struct jb_sweep_opts *o, struct jb_result **out, struct jb_err *err)
{
    struct jb_settings s;
    struct jb_ctx *c = calloc(1, sizeof *c);
    if (!c) return jb_fail(err, JB_E_NOMEM, "run");
    *out = NULL;
    jb_settings_default(&s);
    s.accuracy_samples = r->max_samples > UINT32_MAX ? 0 : (uint32_t)r->max_samples;
    s.max_seconds = r->seconds * 3 + 5; // repetitions set the length; this only bounds a machine that is busy
    int rc = jb_ctx_open(c, o, &s, NULL, err);
    c->name = "run";
    c->split = r->split;
    if (!rc) rc = set_workload(c, r->workload, r->workload_opts, err);
    if (!rc) rc = set_cell(c, r, err);
    if (!rc) set_blocks(c, r->seconds);
    c->dump_path = r->dump_path;
    if (!rc) {
        rc = jb_ctx_run(c, NULL, r->seconds > 0, err);
        if (c->store) rc = jb_ctx_result(c, rc, out, err);
    }
    jb_ctx_close(c);
    free(c);
    return rc;
}

// ---- calibrate ----

static int add_entry(struct jb_thresholds *t, const struct jb_calibrated *e, struct jb_err *err)
{
    struct jb_calibrated *grown = realloc(t->entries, (t->n_entries + 1) * sizeof *grown);
    if (!grown) return jb_fail(err, JB_E_NOMEM, "thresholds");
    t->entries = grown;
    t->entries[t->n_entries++] = *e;
    return 0;
}

static int calibrate_recording(const struct jb_calibrate_opts *k, const struct jb_recording *r, struct jb_thresholds *t, struct jb_err *err)
{
    int rc = 0;
    for (size_t p = 0; p < k->n_policies && !rc; p++)
        for (size_t l = 0; l < k->n_target_losses && !rc; l++) {
            struct jb_calibrated e;
            rc = jb_calibrate(&e, r, k->policies[p], k->target_losses[l], k->per_exit, err);
            if (!rc) rc = add_entry(t, &e, err);
        }
    return rc;
}

static int calibrate_all(struct jb_ctx *c, const struct jb_calibrate_opts *k, struct jb_thresholds *t, struct jb_err *err)
{
    const struct jb_model *m = NULL;
    const struct jb_ctx_workload *w = c->workloads;
    const struct jb_workload_info *info = jb_workload_info(w->w);
    uint32_t n = info->n[JB_SPLIT_CALIBRATION];
    if (!w->needs_model) return jb_fail(err, JB_E_INVALID, "workload %s runs without a model: there are no exits to calibrate", w->name);
    if (!n) return jb_fail(err, JB_E_INVALID, "workload %s has no calibration split", w->name);
    int rc = jb_host_model(c->host, c->models->path, c->models->exits, &m, err);
    if (rc) return rc;
    snprintf(t->model_sha256, sizeof t->model_sha256, "%s", c->models->info.sha256);
    snprintf(t->split, sizeof t->split, "%s", jb_split_name(JB_SPLIT_CALIBRATION));
    snprintf(t->split_sha256, sizeof t->split_sha256, "%s", info->sha256[JB_SPLIT_CALIBRATION]);
    t->n = n;
    for (size_t i = 0; i < k->n_precisions && !rc; i++) {
        struct jb_schedule s;
        struct jb_recording r;
        rc = jb_schedule_parse(&s, k->precisions[i], c->models->info.n_stages, err);
        if (!rc) rc = jb_record_split(c, m, &s, w->w, JB_SPLIT_CALIBRATION, NULL, n, "calibrate", s.text, &r, err);
        if (rc) break;
        rc = calibrate_recording(k, &r, t, err);
        jb_recording_close(&r);
    }
    return rc;
}

int jb_calibrate_run(const struct jb_calibrate_opts *k, const struct jb_sweep_opts *o, struct jb_thresholds *out, struct jb_err *err)
{
    struct jb_settings s;
    struct jb_thresholds t = { 0 };
    struct jb_ctx *c = calloc(1, sizeof *c);
    if (!c) return jb_fail(err, JB_E_NOMEM, "calibration");
    jb_settings_default(&s);
    int rc = jb_ctx_open(c, o, &s, NULL, err);
    c->split = JB_SPLIT_CALIBRATION;
    if (!rc) rc = set_workload(c, k->workload, k->workload_opts, err);
    if (!rc && c->workloads->needs_model) rc = set_model(c, k->model_path, k->exits_path, err);
    if (!rc) rc = calibrate_all(c, k, &t, err);
    jb_ctx_close(c);
    free(c);
    if (rc) {
        jb_thresholds_close(&t);
        return rc;
    }
    jb_thresholds_seal(&t);
    *out = t;
    return 0;
}
