// Identities. `key`: what a cell is called, for comparisons across runs. `id`: everything its figures depend on, for reuse on resume.
#include "harness/ctx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int jb_hash_json(const cJSON *value, char *out, size_t n_out)
{
    char hex[JB_HASH_HEX];
    char *text = jb_json_canonical(value);
    if (!text) return JB_E_NOMEM;
    jb_hash_bytes(text, strlen(text), hex);
    free(text);
    snprintf(out, n_out, "%.*s", (int)n_out - 1, hex);
    return 0;
}

static bool put_thresholds(cJSON *o, const char *key, const double *v, uint32_t n)
{
    cJSON *list = jb_json_put_array(o, key);
    for (uint32_t i = 0; list && i < n; i++) {
        cJSON *x = cJSON_CreateNumber(v[i]);
        if (!x || !cJSON_AddItemToArray(list, x)) {
            cJSON_Delete(x);
            return false;
        }
    }
    return list != NULL;
}

static int seal(cJSON *o, bool ok, char *out, size_t n_out)
{
    int rc = ok ? jb_hash_json(o, out, n_out) : JB_E_NOMEM;
    cJSON_Delete(o);
    return rc;
}

// Thresholds that a calibration chose are no part of the key: the target is.
int jb_cell_key(const struct jb_ctx *c, struct jb_cell *cell)
{
    bool given = isnan(cell->target_loss);
    cJSON *o = cJSON_CreateObject();
    cJSON *params = o ? jb_json_put_object(o, "params") : NULL;
    bool ok = params && jb_json_put_str(o, "workload", c->workloads[cell->workload].name) &&
              jb_json_put_str(o, "model", cell->model == SIZE_MAX ? "none" : c->models[cell->model].name) && jb_json_put_str(o, "precision", cell->precision) &&
              jb_json_put_str(o, "policy", cell->policy ? cell->policy->name : "none") && put_thresholds(o, "threshold", cell->threshold, given ? cell->n_thresholds : 0) &&
              jb_json_put_f64(o, "target_loss", cell->target_loss) && jb_json_put_bool(o, "per_exit", cell->per_exit) &&
              jb_json_put_str(o, "scenario", jb_scenario_name(cell->scenario)) && jb_json_put_u64(o, "batch", cell->batch) &&
              jb_json_put_u64(o, "threads", cell->threads) && jb_json_put_u64(o, "streams", cell->streams);
    if (ok && !isnan(cell->power_limit_w)) ok = jb_json_put_f64(o, "power_limit_w", cell->power_limit_w); // keys of plans without it stay what they were
    if (ok && cell->text) ok = jb_json_put_str(o, "kv", jb_kv_name(cell->kv)) && jb_json_put_str(o, "fill", jb_fill_name(cell->fill));
    for (size_t i = 0; ok && i < cell->n_params; i++) ok = jb_json_put_f64(params, cell->params[i].name, cell->params[i].value);
    return seal(o, ok, cell->key, sizeof cell->key);
}

bool jb_put_build(cJSON *o, const struct jb_ctx *c)
{
    const char *op, *symbol;
    cJSON *kernels = jb_json_put_object(o, "kernels");
    bool ok = kernels && jb_json_put_str(o, "version", c->o->version) && jb_json_put_str(o, "git", c->o->git) && jb_json_put_str(o, "compiler", c->o->compiler) &&
              jb_json_put_str(o, "cpu", c->cpu);
    for (size_t i = 0; ok && c->o->kernels && jb_kernels_symbol(c->o->kernels, i, &op, &symbol); i++) ok = jb_json_put_str(kernels, op, symbol);
    return ok;
}

int jb_cell_id(const struct jb_ctx *c, struct jb_cell *cell)
{
    const struct jb_ctx_model *m = cell->model == SIZE_MAX ? NULL : &c->models[cell->model];
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "key", cell->key) && jb_json_put_str(o, "model", m ? m->info.sha256 : "") && jb_json_put_str(o, "exits", m ? m->info.exits_sha256 : "") &&
              jb_json_put_str(o, "data", c->workloads[cell->workload].data_sha256) && jb_json_put_str(o, "calibration", cell->calibration_id) &&
              put_thresholds(o, "thresholds", cell->threshold, cell->n_thresholds) && jb_put_build(o, c) && jb_json_put_str(o, "power_source", c->power_source) &&
              jb_json_put_str(o, "power_root", c->power_root);
    return seal(o, ok, cell->id, sizeof cell->id);
}
