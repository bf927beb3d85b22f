// Opening what a run needs. A workload or model that cannot be opened fails its cells with the reason; the run goes on.
#include "harness/ctx.h"

#include "base/cpu.h"
#include "base/fs.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool jb_ctx_stopped(const struct jb_ctx *c) { return c->o->stop && *c->o->stop; }

void jb_ctx_progress(const struct jb_ctx *c, const char *phase, const char *cell, uint64_t done, uint64_t total, double seconds_left)
{
    struct jb_progress p = { .phase = phase, .cell = cell, .done = done, .total = total, .seconds_left = seconds_left };
    if (c->o->progress) c->o->progress(c->o->progress_user, &p);
}

static int open_meter(struct jb_ctx *c, struct jb_err *err)
{
    struct jb_power_opts power = c->o->power;
    if (!power.clock.now_ns) power.clock = c->o->clock;
    int rc = jb_meter_open(&c->meter, &power, err);
    if (rc) return rc;
    snprintf(c->power_source, sizeof c->power_source, "%s", jb_meter_source(c->meter));
    const char *root = jb_meter_root(c->meter);
    snprintf(c->power_root, sizeof c->power_root, "%s", root ? root : "");
    return 0;
}

int jb_ctx_open(struct jb_ctx *c, const struct jb_sweep_opts *o, const struct jb_settings *s, const char *plan_dir, struct jb_err *err)
{
    *c = (struct jb_ctx){ .o = o, .s = *s, .name = "", .split = JB_SPLIT_TEST, .harness_ns = NAN };
    if (o->paths) c->paths = *o->paths;
    if (plan_dir && *plan_dir) c->paths.plan_dir = plan_dir;
    struct jb_cpu_info cpu = { 0 };
    jb_cpu_describe(&cpu);
    snprintf(c->cpu, sizeof c->cpu, "%s", cpu.model);
    c->cores = cpu.cores > 0 ? cpu.cores : 1;
    c->clock = jb_clock_measure(&o->clock);
    c->started_ns = o->clock.now_ns(o->clock.self);
    int rc = open_meter(c, err);
    struct jb_host_opts host = { .kernels = o->kernels, .paths = &c->paths, .clock = o->clock, .meter = c->meter, .machine_root = o->machine_root, .cputime = o->cputime, .cputime_self = o->cputime_self, .slow_query = o->slow_query };
    if (!rc) rc = jb_host_open(&c->host, &host, err);
    return rc;
}

void jb_ctx_close(struct jb_ctx *c)
{
    (void)jb_limit_axis_close(c, NULL);
    for (size_t i = 0; i < c->n_workloads; i++) {
        free(c->workloads[i].params);
        free(c->workloads[i].order);
    }
    for (size_t i = 0; i < c->n_models; i++)
        for (int p = 0; p < JB_PREC_COUNT; p++) free(c->models[i].precision_reason[p]);
    for (size_t i = 0; i < c->n_cells; i++) free(c->cells[i].reason);
    free(c->workloads);
    free(c->models);
    free(c->cells);
    jb_thresholds_close(&c->given);
    jb_host_close(c->host);
    jb_meter_close(c->meter);
    jb_record_free(&c->record);
    jb_store_close(c->store);
    *c = (struct jb_ctx){ 0 };
}

// ---- workloads ----

static int hash_data(struct jb_ctx_workload *w, const struct jb_workload_info *info, enum jb_split split)
{
    struct jb_hash *h;
    int rc = jb_hash_open(&h);
    if (rc) return rc;
    jb_hash_update(h, info->sha256[split], strlen(info->sha256[split]));
    if (w->n < info->n[split])
        for (uint32_t i = 0; i < w->n; i++) {
            uint8_t le[4] = { (uint8_t)w->order[i], (uint8_t)(w->order[i] >> 8), (uint8_t)(w->order[i] >> 16), (uint8_t)(w->order[i] >> 24) };
            jb_hash_update(h, le, sizeof le);
        }
    jb_hash_finish(h, w->data_sha256);
    jb_hash_close(h);
    return 0;
}

int jb_ctx_open_workload(struct jb_ctx *c, struct jb_ctx_workload *w, struct jb_err *err)
{
    struct jb_err why = { 0 };
    w->rc = jb_host_workload(c->host, w->preset, w->params, w->n_params, &w->w, &why);
    if (w->rc == JB_E_NOMEM) return jb_fail(err, JB_E_NOMEM, "workload %s", w->name);
    if (!w->rc) {
        const struct jb_workload_info *info = jb_workload_info(w->w);
        w->needs_model = jb_workload_needs_model(w->w);
        if (!info->n[c->split]) w->rc = jb_fail(&why, JB_E_INVALID, "workload %s: split %s has no samples", w->name, jb_split_name(c->split));
        else if (jb_sample_order(info, c->split, c->s.accuracy_samples, c->s.seed, &w->order, &w->n) || hash_data(w, info, c->split))
            return jb_fail(err, JB_E_NOMEM, "workload %s", w->name);
    }
    snprintf(w->reason, sizeof w->reason, "%s", w->rc ? why.detail : "");
    return 0;
}

// ---- models ----

static void keep_info(struct jb_ctx_model *m, const struct jb_model_info *info)
{
    m->info = *info;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        if (info->precision_reason[p]) m->precision_reason[p] = strdup(info->precision_reason[p]);
        m->info.precision_reason[p] = NULL;
    }
    m->info.path = m->info.architecture = m->info.name = m->info.license = m->info.provenance = m->info.task = NULL;
    m->info.labels = NULL;
    m->info.weights = NULL;
    m->info.file = NULL;
}

#define PROBE_POSITIONS 64u // of a language model that is only looked at

static int probe_model(struct jb_ctx *c, struct jb_ctx_model *m, struct jb_err *why)
{
    const struct jb_model *model = NULL;
    struct jb_session *session = NULL;
    struct jb_session_opts o = { .max_rows = 1, .threads = 1 };
    const struct jb_ctx_workload *w = m->workload < c->n_workloads ? &c->workloads[m->workload] : NULL;
    int rc = jb_host_model(c->host, m->path, m->exits, &model, why);
    if (!rc && w && w->w) rc = jb_host_fits(jb_model_info(model), m->path, jb_workload_info(w->w), w->name, why);
    if (!rc && jb_model_info(model)->max_positions > PROBE_POSITIONS) o.max_positions = PROBE_POSITIONS;
    if (!rc) rc = jb_session_open(&session, model, &o, why);
    if (!rc) {
        keep_info(m, jb_model_info(model));
        m->session_bytes = jb_session_bytes(session);
    }
    jb_session_close(session);
    jb_host_drop_models(c->host);
    return rc;
}

int jb_ctx_open_model(struct jb_ctx *c, struct jb_ctx_model *m, struct jb_err *err)
{
    struct jb_err why = { 0 };
    char found[sizeof m->path];
    m->rc = jb_paths_resolve(&c->paths, m->path, found, sizeof found, &why);
    if (!m->rc) memcpy(m->path, found, sizeof found);
    if (!m->rc && m->exits[0]) {
        m->rc = jb_paths_resolve(&c->paths, m->exits, found, sizeof found, &why);
        if (!m->rc) memcpy(m->exits, found, sizeof found);
    }
    if (!m->rc) m->rc = probe_model(c, m, &why);
    snprintf(m->reason, sizeof m->reason, "%s", m->rc ? why.detail : "");
    return m->rc == JB_E_NOMEM ? jb_fail(err, JB_E_NOMEM, "model %s", m->name) : 0;
}

// ---- from a plan ----

static int copy_workload(struct jb_ctx_workload *w, const struct jb_plan_workload *p, struct jb_err *err)
{
    w->name = p->name;
    snprintf(w->preset, sizeof w->preset, "%s", p->preset);
    if (p->n_params > JB_REQUEST_MAX_PARAMS) return jb_fail(err, JB_E_RANGE, "workload %s: more than %d parameters", p->name, JB_REQUEST_MAX_PARAMS);
    if (!(w->params = calloc(p->n_params + 1, sizeof *w->params))) return jb_fail(err, JB_E_NOMEM, "workload %s", p->name);
    for (; w->n_params < p->n_params; w->n_params++) {
        struct jb_request_param *x = &w->params[w->n_params];
        const struct jb_workload_param *from = &p->params[w->n_params];
        if ((size_t)snprintf(x->name, sizeof x->name, "%s", from->name) >= sizeof x->name || (size_t)snprintf(x->value, sizeof x->value, "%s", from->value) >= sizeof x->value)
            return jb_fail(err, JB_E_RANGE, "workload %s: a parameter is too long", p->name);
    }
    return 0;
}

static int copy_model(struct jb_ctx_model *m, const struct jb_plan_model *p, struct jb_err *err)
{
    m->name = p->name;
    m->workload = p->workload;
    if ((size_t)snprintf(m->path, sizeof m->path, "%s", p->file) >= sizeof m->path ||
        (size_t)snprintf(m->exits, sizeof m->exits, "%s", p->exits ? p->exits : "") >= sizeof m->exits)
        return jb_fail(err, JB_E_RANGE, "model %s: the path is too long", p->name);
    return 0;
}

static int read_thresholds(struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err)
{
    char path[1024];
    if (!p->calibration) return 0;
    int rc = jb_paths_resolve(&c->paths, p->calibration, path, sizeof path, err);
    return rc ? rc : jb_thresholds_read(&c->given, path, err);
}

int jb_ctx_from_plan(struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err)
{
    c->name = p->name;
    c->workloads = calloc(p->n_workloads + 1, sizeof *c->workloads);
    c->models = calloc(p->n_models + 1, sizeof *c->models);
    if (!c->workloads || !c->models) return jb_fail(err, JB_E_NOMEM, "plan");
    int rc = read_thresholds(c, p, err);
    while (!rc && c->n_workloads < p->n_workloads) {
        struct jb_ctx_workload *w = &c->workloads[c->n_workloads];
        rc = copy_workload(w, &p->workloads[c->n_workloads++], err);
        if (!rc) rc = jb_ctx_open_workload(c, w, err);
    }
    while (!rc && c->n_models < p->n_models) {
        struct jb_ctx_model *m = &c->models[c->n_models];
        jb_ctx_progress(c, "load", p->models[c->n_models].name, c->n_models, p->n_models, NAN);
        rc = copy_model(m, &p->models[c->n_models++], err);
        if (!rc) rc = jb_ctx_open_model(c, m, err);
    }
    if (!rc) rc = jb_cells_expand(c, p, err);
    if (!rc) jb_power_idle(c);
    return rc;
}
