#include "harness/early.h"

#include "base/stats.h"
#include "harness/build.h"
#include "harness/drift.h"
#include "harness/extend.h"
#include "harness/stop.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool jb_early_may(const struct jb_ctx *c) { return !isnan(c->s.stop_latency) || !isnan(c->s.stop_joules); }

// Mean and median latency of one block, and its joules a row (NAN: none); bounds: half of what is uncertain about these.
static int figures_of(const struct jb_ctx *c, const struct jb_rec_cell *rec, const struct jb_block_fact *f, double *mean, double *median, double *uj, double *bounds, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_block raw = { 0 };
    int rc = jb_store_get(c->store, rec->facts.id, JB_RAW_BLOCKS, &f->place, &bytes, err);
    if (!rc) rc = jb_raw_block_decode(&raw, bytes, f->place.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    double sum = 0;
    for (uint32_t q = 0; q < raw.n_queries; q++) sum += (double)raw.latency_ns[q];
    jb_sort_u64(raw.latency_ns, raw.n_queries);
    *mean = raw.n_queries ? sum / raw.n_queries : NAN;
    *median = raw.n_queries ? (double)raw.latency_ns[raw.n_queries / 2] : NAN;
    *uj = jb_energy_counts(f->energy_cls) && f->window_rows ? f->uj / (double)f->window_rows : NAN;
    *bounds = (f->upper_uj - f->lower_uj) / 2 / (double)f->window_rows;
    jb_raw_block_free(&raw);
    return 0;
}

// Joules are hard bounds, not draws: what is uncertain about every window is added to what scatters between them.
static bool narrow(const struct jb_ctx *c, const double *x, size_t n, uint32_t measured, double level, char *text, size_t room)
{
    const double *mean = x, *median = x + n, *uj = x + 2 * n, *bounds = x + 3 * n;
    double a = jb_stop_half_width(mean, n, level), b = jb_stop_half_width(median, n, level), e = jb_stop_half_width(uj, n, level) + jb_mean(bounds, n) / jb_mean(uj, n);
    bool latency = !isnan(c->s.stop_latency), joules = !isnan(c->s.stop_joules);
    if ((latency && !(a <= c->s.stop_latency && b <= c->s.stop_latency)) || (joules && !(e <= c->s.stop_joules))) return false;
    int at = snprintf(text, room, "after %u of %u blocks: as narrow as asked", measured, c->s.repetitions);
    if (n < measured && at > 0 && (size_t)at < room) at += snprintf(text + at, room - (size_t)at, " without %zu that drifted", measured - n);
    if (latency && at > 0 && (size_t)at < room) at += snprintf(text + at, room - (size_t)at, "; mean latency +-%.2g %%, median +-%.2g %% (%.2g %%)", a * 100, b * 100, c->s.stop_latency * 100);
    if (joules && at > 0 && (size_t)at < room) snprintf(text + at, room - (size_t)at, "; joules a query +-%.2g %% (%.2g %%)", e * 100, c->s.stop_joules * 100);
    return true;
}

uint32_t jb_early_blocks(const struct jb_rec_cell *rec)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rec->n_blocks; i++) n += !rec->blocks[i].contaminated;
    return n;
}

// The same median as in the result (build_validity.c), over the blocks that there are so far.
static int median_so_far(const struct jb_ctx *c, double *out)
{
    const struct jb_rec_cell **cells = calloc(c->n_cells + 1, sizeof *cells);
    if (!cells) return JB_E_NOMEM;
    for (size_t i = 0; i < c->n_cells; i++) cells[i] = jb_record_cell(&c->record, c->cells[i].id);
    int rc = jb_drift_median(cells, c->n_cells, out);
    free(cells);
    return rc;
}

static bool takes_part(const struct jb_ctx *c, const struct jb_block_fact *f, double median_ns) { return !f->contaminated && !jb_drift_is_invalid(f, median_ns, &c->s.validity); }

int jb_early_look(const struct jb_ctx *c, const struct jb_rec_cell *rec, char why[200], struct jb_err *err)
{
    uint32_t measured = jb_early_blocks(rec), n = 0, at = 0;
    double median_ns;
    if (!jb_early_may(c) || !jb_stop_is_look(c->s.repetitions, measured)) return 0;
    if (median_so_far(c, &median_ns)) return jb_fail(err, JB_E_NOMEM, "blocks");
    for (uint32_t i = 0; i < rec->n_blocks; i++) n += takes_part(c, &rec->blocks[i], median_ns);
    if (n < JB_STOP_LEAST_BLOCKS || rec->n_blocks - n > jb_validity_may_fail(rec->n_blocks, &c->s.validity)) return 0;
    double *x = malloc(4 * (size_t)n * sizeof *x);
    int rc = x ? 0 : jb_fail(err, JB_E_NOMEM, "blocks");
    for (uint32_t i = 0; i < rec->n_blocks && !rc; i++) {
        if (!takes_part(c, &rec->blocks[i], median_ns)) continue;
        rc = figures_of(c, rec, &rec->blocks[i], &x[at], &x[n + at], &x[2 * n + at], &x[3 * n + at], err);
        at++;
    }
    if (!rc && !narrow(c, x, n, measured, jb_stop_confidence(c->s.repetitions, measured), why, 200)) why[0] = '\0';
    free(x);
    return rc;
}
