// A cell as a block request, and as the identity part of its journal line.
#include "harness/ctx.h"

#include "base/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t needed_queries(const struct jb_ctx *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->s.n_percentiles; i++) {
        uint64_t n = jb_early_stopping_min_queries(c->s.percentiles[i], 1);
        if (n > most) most = n;
    }
    return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

void jb_cell_request(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_block_request *out)
{
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    struct jb_block_request *r = out;
    *r = (struct jb_block_request){ .split = (uint32_t)c->split, .n_samples = c->s.accuracy_samples, .scenario = (uint32_t)cell->scenario, .batch = cell->batch,
                                    .threads = cell->threads, .streams = cell->streams, .seed = c->s.seed, .repetitions = c->s.repetitions,
                                    .block_ns = (uint64_t)(c->s.block_ms * 1e6), .lead_in_ns = (uint64_t)(c->s.lead_in_ms * 1e6) };
    snprintf(r->cell, sizeof r->cell, "%s", cell->id);
    snprintf(r->workload, sizeof r->workload, "%s", w->preset);
    r->n_workload_params = w->n_params;
    if (w->n_params) memcpy(r->workload_params, w->params, w->n_params * sizeof *w->params);
    if (cell->model != SIZE_MAX) {
        const struct jb_ctx_model *m = &c->models[cell->model];
        snprintf(r->model_path, sizeof r->model_path, "%s", m->path);
        snprintf(r->exits_path, sizeof r->exits_path, "%s", m->exits);
        snprintf(r->model_sha256, sizeof r->model_sha256, "%s", m->info.sha256);
        snprintf(r->policy, sizeof r->policy, "%s", cell->policy->name);
    }
    r->kv = (uint32_t)cell->kv;
    r->fill = (uint32_t)cell->fill;
    snprintf(r->precision, sizeof r->precision, "%s", cell->precision);
    r->n_params = (uint32_t)cell->n_params;
    for (size_t i = 0; i < cell->n_params; i++) {
        snprintf(r->params[i].name, sizeof r->params[i].name, "%s", cell->params[i].name);
        r->params[i].value = cell->params[i].value;
    }
    r->n_thresholds = cell->n_thresholds;
    memcpy(r->threshold, cell->threshold, sizeof r->threshold);
    uint32_t spare = (uint32_t)jb_validity_may_fail(c->s.repetitions, &c->s.validity); // blocks that may turn out invalid: the others have queries enough
    if (spare >= c->s.repetitions) spare = c->s.repetitions - 1;
    // Slow queries: the block goes on until its share of the queries that the percentiles need is done. Offline is about throughput and goes by time alone.
    r->max_ns = r->block_ns * 8 > r->block_ns + 100000000u ? r->block_ns * 8 : r->block_ns + 100000000u;
    if (cell->scenario == JB_SCENARIO_SINGLE) r->min_queries = needed_queries(c) / ((c->s.repetitions - spare) * cell->streams) + 1;
}

static const char *role_of(const struct jb_ctx *c, const struct jb_cell *cell)
{
    if (cell->model == SIZE_MAX || c->models[cell->model].info.n_exits <= 1) return "static";
    return !strcmp(cell->policy->name, "final") || !strcmp(cell->policy->name, "fixed") ? "fixed" : "adaptive";
}

void jb_cell_facts(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_facts *out)
{
    struct jb_facts *f = out;
    *f = (struct jb_facts){ .target_loss = cell->target_loss, .scenario = (uint32_t)cell->scenario, .batch = cell->batch, .threads = cell->threads, .streams = cell->streams,
                            .power_limit_w = cell->power_limit_w, .status = cell->status, .accuracy_loss = NAN, .instructions = NAN, .oracle_macs = NAN, .wasteful = NAN, .destructive = NAN, .relative = NAN, .model_bytes = NAN,
                            .session_bytes = NAN, .load_ns = NAN, .deferred_macs = NAN, .deferred_bytes = NAN };
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    memcpy(f->id, cell->id, sizeof f->id);
    memcpy(f->key, cell->key, sizeof f->key);
    snprintf(f->label, sizeof f->label, "%s", cell->label);
    snprintf(f->workload, sizeof f->workload, "%s", w->name);
    snprintf(f->model, sizeof f->model, "%s", cell->model == SIZE_MAX ? "none" : c->models[cell->model].name);
    snprintf(f->precision, sizeof f->precision, "%s", cell->precision);
    snprintf(f->policy, sizeof f->policy, "%s", cell->policy ? cell->policy->name : "none");
    snprintf(f->role, sizeof f->role, "%s", role_of(c, cell));
    snprintf(f->kv, sizeof f->kv, "%s", cell->text ? jb_kv_name(cell->kv) : "");
    snprintf(f->fill, sizeof f->fill, "%s", cell->text ? jb_fill_name(cell->fill) : "");
    snprintf(f->unit, sizeof f->unit, "%s", w->w ? jb_workload_info(w->w)->unit : "query");
    snprintf(f->calibration_id, sizeof f->calibration_id, "%s", cell->calibration_id);
    snprintf(f->reason, sizeof f->reason, "%s", cell->reason ? cell->reason : "");
    for (; f->n_params < cell->n_params; f->n_params++) {
        snprintf(f->params[f->n_params].name, sizeof f->params->name, "%s", cell->params[f->n_params].name);
        f->params[f->n_params].value = cell->params[f->n_params].value;
    }
    f->n_thresholds = cell->n_thresholds;
    memcpy(f->threshold, cell->threshold, sizeof f->threshold);
}
