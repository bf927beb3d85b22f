// What a sweep would do: cells, minutes, bytes. Opens models to know their exits, measures nothing.
#include "harness/ctx.h"

#include "base/stats.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUESS_MACS_PER_S 1e10         // one core, all precisions: only to say minutes before anything was measured

static double final_macs(const struct jb_model_info *info, enum jb_precision p)
{
    struct jb_cost sum = { 0 };
    for (uint32_t s = 0; s < info->n_stages; s++) {
        jb_cost_add(&sum, &info->stages[s].cost[p]);
        jb_cost_add(&sum, &info->stages[s].head_cost[p]);
    }
    return (double)jb_cost_macs(&sum);
}

// One pass over the split for each network and schedule.
static double accuracy_seconds(const struct jb_ctx *c)
{
    double s = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_cell *cell = &c->cells[i];
        bool first = cell->status == JB_CELL_VALID && cell->model != SIZE_MAX;
        for (size_t k = 0; k < i && first; k++) first = !(c->cells[k].model == cell->model && !strcmp(c->cells[k].precision, cell->precision));
        if (first) s += final_macs(&c->models[cell->model].info, JB_PREC_F32) * c->workloads[cell->workload].n / GUESS_MACS_PER_S / c->cores;
    }
    return s;
}

static void estimate(const struct jb_ctx *c, struct jb_dry_run *d)
{
    const struct jb_settings *s = &c->s;
    bool joules = !jb_power_is_none(c);
    double line_bytes = joules ? 3000 : 1200; // with idle before and after, and net
    double measuring = 0, queries = s->block_ms * 1e-3 / 15e-6; // a guess, on the high side
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_cell *cell = &c->cells[i];
        jb_str_addf(&d->cells, "%s%s%s\n", cell->label, cell->reason ? "  -- " : "", cell->reason ? cell->reason : "");
        if (cell->status != JB_CELL_VALID) continue;
        measuring += 0.05 + s->repetitions * (s->block_ms + s->lead_in_ms + (double)(c->idle_ns + c->wait_ns) * 1e-6 + 3) * 1e-3;
        d->bytes += 21.0 * c->workloads[cell->workload].n + s->repetitions * (line_bytes + queries * 18);
    }
    d->n_cells = c->n_cells;
    bool longer = joules && s->extend; // blocks may be made longer up to that
    d->seconds = (measuring < s->max_seconds && !longer ? measuring : s->max_seconds) + accuracy_seconds(c);
}

int jb_sweep_dry_run(const struct jb_plan *p, const struct jb_sweep_opts *o, struct jb_dry_run *out, struct jb_err *err)
{
    struct jb_ctx *c = calloc(1, sizeof *c);
    struct jb_dry_run d = { 0 };
    if (!c) return jb_fail(err, JB_E_NOMEM, "sweep");
    int rc = jb_ctx_open(c, o, &p->settings, p->dir, err);
    if (!rc) rc = jb_ctx_from_plan(c, p, err);
    if (!rc) estimate(c, &d);
    if (!rc && d.cells.failed) rc = jb_fail(err, JB_E_NOMEM, "list of cells");
    jb_ctx_close(c);
    free(c);
    if (rc) jb_str_free(&d.cells);
    else *out = d;
    return rc;
}
