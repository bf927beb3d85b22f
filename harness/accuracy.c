// The accuracy pass: every cell over the whole split. One full-depth recording serves all thresholds of a network at a precision; each cell is confirmed
// by a live run over a seeded sample, so that a replay that lies cannot pass.
#include "harness/ctx.h"

#include "harness/accuracy_cell.h"
#include "harness/accuracy_text.h"
#include "harness/calibrate_cells.h"
#include "harness/record_split.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A cell whose id the journal knows, with its samples whole and a verdict that will not change, is not run again.
bool jb_accuracy_is_known(const struct jb_ctx *c, const struct jb_cell *cell)
{
    uint8_t *bytes = NULL;
    const struct jb_rec_cell *r = jb_record_cell(&c->record, cell->id);
    if (!r || (r->facts.status != JB_CELL_VALID && r->facts.status != JB_CELL_INVALID) || !r->facts.samples.n_bytes) return false;
    bool whole = jb_store_get(c->store, cell->id, JB_RAW_SAMPLES, &r->facts.samples, &bytes, NULL) == 0;
    free(bytes);
    return whole;
}

static bool same_facts(const struct jb_rec_cell *r, const struct jb_cell *cell)
{
    return r && r->facts.status == cell->status && !strcmp(r->facts.reason, cell->reason ? cell->reason : "");
}

// Cells that will not run: a row with the reason.
static int write_unable(struct jb_ctx *c, struct jb_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_facts f;
        struct jb_cell *cell = &c->cells[i];
        if (cell->status == JB_CELL_VALID) continue;
        if (!cell->id[0] && jb_cell_id(c, cell)) return jb_fail(err, JB_E_NOMEM, "identity");
        const struct jb_rec_cell *known = jb_record_cell(&c->record, cell->id);
        if (same_facts(known, cell) || (known && known->facts.samples.n_bytes)) continue;
        jb_cell_facts(c, cell, &f);
        rc = jb_record_write(&c->record, c->store, jb_facts_to_line(&f), err);
    }
    return rc;
}

static int write_order(struct jb_ctx *c, struct jb_err *err)
{
    const char **ids = calloc(c->n_cells + 1, sizeof *ids);
    if (!ids) return jb_fail(err, JB_E_NOMEM, "cells");
    for (size_t i = 0; i < c->n_cells; i++) ids[i] = c->cells[i].id;
    int rc = jb_record_write(&c->record, c->store, jb_line_cells(ids, c->n_cells), err);
    free(ids);
    return rc;
}

// ---- one network at one schedule ----

static int fill_oracles(struct jb_recording_fact *f, const struct jb_recording *r)
{
    double macs[2] = { 0, 0 };
    uint64_t right[2] = { 0, 0 }, labelled = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t k[2] = { jb_oracle_earliest_correct(r, i), jb_oracle_earliest_consistent(r, i) };
        if (r->label[i] != UINT32_MAX) labelled++;
        for (int o = 0; o < 2; o++) {
            bool found = k[o] < r->n_exits;
            struct jb_cost cost = jb_recording_cost(r, found ? k[o] : 0, false); // nothing is right: the cheapest answer is as good as any
            macs[o] += (double)jb_cost_macs(&cost);
            right[o] += r->label[i] != UINT32_MAX && found && jb_recording_prediction(r, i, k[o]) == r->label[i];
        }
    }
    for (int o = 0; o < 2; o++) {
        snprintf(f->oracle[o].kind, sizeof f->oracle[o].kind, "%s", o ? "earliest-consistent" : "earliest-correct");
        f->oracle[o].macs_mean = macs[o] / r->n;
        f->oracle[o].accuracy = labelled ? (double)right[o] / (double)labelled : NAN;
    }
    return 0;
}

int jb_accuracy_recording(struct jb_ctx *c, size_t model, const struct jb_schedule *s, const struct jb_recording *r, struct jb_recording_fact *f, struct jb_err *err)
{
    const struct jb_ctx_model *m = &c->models[model];
    *f = (struct jb_recording_fact){ 0 };
    snprintf(f->workload, sizeof f->workload, "%s", c->workloads[m->workload].name);
    snprintf(f->model, sizeof f->model, "%s", m->name);
    snprintf(f->precision, sizeof f->precision, "%s", s->text);
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "workload", f->workload) && jb_json_put_str(o, "model", f->model) && jb_json_put_str(o, "sha256", m->info.sha256) &&
              jb_json_put_str(o, "exits", m->info.exits_sha256) && jb_json_put_str(o, "data", c->workloads[m->workload].data_sha256) &&
              jb_json_put_str(o, "precision", s->text) && jb_put_build(o, c);
    int rc = ok ? jb_hash_json(o, f->key, sizeof f->key) : JB_E_NOMEM;
    cJSON_Delete(o);
    if (rc) return jb_fail(err, rc, "recording");
    fill_oracles(f, r);
    if (r->n_exits < 2 || jb_record_recording(&c->record, f->key)) return 0;
    return jb_record_write(&c->record, c->store, jb_line_recording(f), err);
}

static int run_schedule(struct jb_ctx *c, size_t model, const struct jb_model *m, const struct jb_schedule *s, struct jb_err *err)
{
    const struct jb_ctx_workload *w = &c->workloads[c->models[model].workload];
    struct jb_recording r;
    struct jb_recording_fact fact;
    bool recorded = false;
    int rc = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_cell *cell = &c->cells[i];
        if (cell->model != model || strcmp(cell->precision, s->text) || cell->status != JB_CELL_VALID) continue;
        if (jb_cell_id(c, cell)) rc = jb_fail(err, JB_E_NOMEM, "identity");
        if (rc || (jb_accuracy_is_known(c, cell) && !c->dump_path)) continue;
        if (!recorded) {
            rc = jb_record_split(c, m, s, w->w, c->split, w->order, w->n, "accuracy", cell->label, &r, err);
            recorded = !rc;
            if (!rc) rc = jb_accuracy_recording(c, model, s, &r, &fact, err);
        }
        if (!rc && jb_ctx_stopped(c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped in the accuracy pass");
        if (!rc) rc = jb_accuracy_cell(c, cell, m, s, &r, &fact, err);
    }
    if (recorded) jb_recording_close(&r);
    return rc;
}

// ---- one network ----

static bool seen_before(const struct jb_ctx *c, size_t model, size_t cell)
{
    for (size_t i = 0; i < cell; i++)
        if (c->cells[i].model == model && c->cells[i].status == JB_CELL_VALID && !strcmp(c->cells[i].precision, c->cells[cell].precision)) return true;
    return false;
}

// What concerns one network fails its cells; what concerns the run (memory, disk, stop) ends it.
static bool ends_the_run(int rc) { return rc == JB_E_NOMEM || rc == JB_E_IO || rc == JB_E_NO_SPACE || rc == JB_E_DENIED || rc == JB_E_INTERRUPTED; }

static int each_schedule(struct jb_ctx *c, size_t model, const struct jb_model *m, size_t cell, struct jb_err *err)
{
    struct jb_schedule s;
    char text[96];
    struct jb_err why = { 0 };
    snprintf(text, sizeof text, "%s", c->cells[cell].precision);
    int rc = jb_schedule_parse(&s, text, c->models[model].info.n_stages, &why);
    if (!rc) rc = jb_calibrate_cells(c, model, m, &s, &why);
    if (!rc) rc = c->cells[cell].text ? jb_accuracy_text(c, model, m, &s, &why) : run_schedule(c, model, m, &s, &why);
    if (!rc) return 0;
    if (ends_the_run(rc)) {
        if (err) *err = why;
        return rc;
    }
    for (size_t i = 0; i < c->n_cells; i++)
        if (c->cells[i].model == model && !strcmp(c->cells[i].precision, text) && !jb_accuracy_is_known(c, &c->cells[i])) jb_cell_set(&c->cells[i], JB_CELL_FAILED, why.detail);
    return 0;
}

static int run_model(struct jb_ctx *c, size_t model, struct jb_err *err)
{
    const struct jb_model *m = NULL;
    struct jb_err why = { 0 };
    int rc = jb_host_model(c->host, c->models[model].path, c->models[model].exits, &m, &why);
    if (rc == JB_E_NOMEM) return jb_fail(err, rc, "model %s", c->models[model].name);
    for (size_t i = 0; i < c->n_cells; i++) {
        struct jb_cell *cell = &c->cells[i];
        if (cell->model != model || cell->status != JB_CELL_VALID) continue;
        if (rc) jb_cell_set(cell, JB_CELL_FAILED, why.detail); // it could be opened a moment ago
        else if (!seen_before(c, model, i)) {
            int failed = each_schedule(c, model, m, i, err);
            if (failed) return failed;
        }
    }
    return 0;
}

int jb_accuracy_pass(struct jb_ctx *c, struct jb_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_cell *cell = &c->cells[i];
        if (cell->model != SIZE_MAX || cell->status != JB_CELL_VALID) continue;
        if (jb_cell_id(c, cell)) rc = jb_fail(err, JB_E_NOMEM, "identity");
        else if (!jb_accuracy_is_known(c, cell)) rc = jb_accuracy_without_model(c, cell, err);
    }
    for (size_t m = 0; m < c->n_models && !rc; m++) {
        if (c->models[m].rc) continue;
        rc = run_model(c, m, err);
        jb_host_drop_models(c->host);
    }
    if (!rc) rc = write_unable(c, err);
    return rc ? rc : write_order(c, err);
}
