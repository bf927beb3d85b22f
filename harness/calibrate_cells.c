// Thresholds of cells that name a target loss: read from the plan's file, taken from the journal, or chosen on the calibration split.
#include "harness/calibrate_cells.h"

#include "harness/record_split.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool jb_cell_wants_calibration(const struct jb_cell *cell) { return cell->status == JB_CELL_VALID && !isnan(cell->target_loss) && !cell->n_thresholds; }

static void take(struct jb_cell *cell, const double *threshold, uint32_t n_exits, const char *id)
{
    cell->n_thresholds = n_exits > 1 ? n_exits - 1 : 1;
    memcpy(cell->threshold, threshold, cell->n_thresholds * sizeof *threshold);
    snprintf(cell->calibration_id, sizeof cell->calibration_id, "%s", id);
}

// What the choice depends on.
static int fact_key(const struct jb_ctx *c, const struct jb_cell *cell, char out[JB_HASH_HEX])
{
    const struct jb_ctx_model *m = &c->models[cell->model];
    const struct jb_ctx_workload *w = &c->workloads[cell->workload];
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "model", m->info.sha256) && jb_json_put_str(o, "exits", m->info.exits_sha256) &&
              jb_json_put_str(o, "split", jb_workload_info(w->w)->sha256[JB_SPLIT_CALIBRATION]) && jb_put_build(o, c) && jb_json_put_str(o, "precision", cell->precision) &&
              jb_json_put_str(o, "policy", cell->policy->name) && jb_json_put_f64(o, "target_loss", cell->target_loss) && jb_json_put_bool(o, "per_exit", cell->per_exit);
    int rc = ok ? jb_hash_json(o, out, JB_HASH_HEX) : JB_E_NOMEM;
    cJSON_Delete(o);
    return rc;
}

static bool from_file(struct jb_ctx *c, struct jb_cell *cell)
{
    if (!c->given.n_entries || strcmp(c->given.model_sha256, c->models[cell->model].info.sha256)) return false;
    const struct jb_calibrated *e = jb_thresholds_find(&c->given, cell->policy->name, cell->precision, cell->target_loss);
    if (e) take(cell, e->threshold, e->n_exits, c->given.id);
    else jb_cell_set(cell, JB_CELL_FAILED, "the plan's calibration file has no entry for this policy, precision and target loss; make it again by `joulebench calibrate exits`");
    return true;
}

// The id that a thresholds file with this entry alone would have.
static int single_id(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_calibrated *e, uint32_t n, char out[JB_HASH_HEX])
{
    const struct jb_workload_info *info = jb_workload_info(c->workloads[cell->workload].w);
    struct jb_thresholds t = { .n = n, .entries = e, .n_entries = 1 };
    snprintf(t.model_sha256, sizeof t.model_sha256, "%s", c->models[cell->model].info.sha256);
    snprintf(t.split, sizeof t.split, "%s", jb_split_name(JB_SPLIT_CALIBRATION));
    snprintf(t.split_sha256, sizeof t.split_sha256, "%s", info->sha256[JB_SPLIT_CALIBRATION]);
    jb_thresholds_seal(&t);
    snprintf(out, JB_HASH_HEX, "%s", t.id);
    return 0;
}

static int choose(struct jb_ctx *c, struct jb_cell *cell, const struct jb_recording *r, struct jb_err *err)
{
    struct jb_calibrated e;
    struct jb_calibration_fact f = { 0 };
    struct jb_err why = { 0 };
    int rc = jb_calibrate(&e, r, cell->policy->name, cell->target_loss, cell->per_exit, &why);
    if (rc == JB_E_NOMEM) return jb_fail(err, rc, "calibration of %s", cell->label);
    if (rc) {
        jb_cell_set(cell, JB_CELL_FAILED, why.detail);
        return 0;
    }
    f.n_exits = e.n_exits;
    f.loss_observed = e.loss_observed;
    memcpy(f.threshold, e.threshold, sizeof f.threshold);
    if (fact_key(c, cell, f.key) || single_id(c, cell, &e, r->n, f.id)) return jb_fail(err, JB_E_NOMEM, "calibration of %s", cell->label);
    rc = jb_record_write(&c->record, c->store, jb_line_calibration(&f, cell->policy->name, cell->precision, cell->target_loss), err);
    if (!rc) take(cell, f.threshold, f.n_exits, f.id);
    return rc;
}

int jb_calibrate_cells(struct jb_ctx *c, size_t model, const struct jb_model *m, const struct jb_schedule *s, struct jb_err *err)
{
    const struct jb_ctx_workload *w = &c->workloads[c->models[model].workload];
    uint32_t n = jb_workload_info(w->w)->n[JB_SPLIT_CALIBRATION];
    struct jb_recording r;
    bool recorded = false;
    int rc = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_cell *cell = &c->cells[i];
        char key[JB_HASH_HEX];
        if (cell->model != model || strcmp(cell->precision, s->text) || !jb_cell_wants_calibration(cell) || from_file(c, cell)) continue;
        if (!n) {
            jb_cell_set(cell, JB_CELL_FAILED, "a target loss needs a calibration split, and this workload has none; give a threshold instead");
            continue;
        }
        if (fact_key(c, cell, key)) rc = jb_fail(err, JB_E_NOMEM, "calibration");
        const struct jb_calibration_fact *known = rc ? NULL : jb_record_calibration(&c->record, key);
        if (known) take(cell, known->threshold, known->n_exits, known->id);
        if (rc || known) continue;
        if (!recorded) rc = jb_record_split(c, m, s, w->w, JB_SPLIT_CALIBRATION, NULL, n, "calibrate", cell->label, &r, err);
        if (!rc) {
            recorded = true;
            rc = choose(c, cell, &r, err);
        }
    }
    if (recorded) jb_recording_close(&r);
    return rc;
}
