// A live comparison: the pairs of blocks become two runs in memory, told by the same journal lines and built by the same code as a run on the disk, and then these two are compared, pair by pair.
#include "harness/compare_parts.h"

#include "harness/expected.h"
#include "harness/limit_axis.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct side_run { struct jb_record record; struct jb_store *store; struct jb_expected *expected; size_t n_expected; }; // expected: of each live cell, in their order

struct gathering {
    const struct jb_live_opts *o;
    struct jb_live *live;
    struct side_run side[2];
    struct jb_err why;                   // the first failure inside a callback
    uint64_t pairs;
};

static void close_side(struct side_run *s)
{
    for (size_t i = 0; i < s->n_expected; i++) jb_expected_close(&s->expected[i]);
    free(s->expected);
    jb_store_close(s->store);
    jb_record_free(&s->record);
    *s = (struct side_run){ 0 };
}

// ---- what both workers said of themselves ----

// Percentiles that the plan asks for do not judge a comparison: what it can support, it says itself.
static int begin_run(struct side_run *s, const cJSON *run, struct jb_err *err)
{
    cJSON *line = cJSON_Duplicate(run, 1);
    cJSON *settings = line ? cJSON_GetObjectItemCaseSensitive(line, "settings") : NULL;
    if (settings) {
        cJSON_DeleteItemFromObjectCaseSensitive(settings, "percentiles");
        cJSON_DeleteItemFromObjectCaseSensitive(settings, "measured");
    }
    if (line && !cJSON_GetObjectItemCaseSensitive(line, "kind") && !jb_json_put_str(line, "kind", "run")) {
        cJSON_Delete(line);
        line = NULL;
    }
    return jb_record_write(&s->record, s->store, line, err);
}

// Every answer of every block is held against these.
static int expect(struct side_run *s, const struct jb_facts *f, const struct jb_raw_samples *raw, struct jb_err *err)
{
    uint32_t n_split = 0;
    for (uint32_t i = 0; i < raw->n; i++)
        if (raw->index[i] >= n_split && raw->index[i] < JB_RAW_MAX_ROWS) n_split = raw->index[i] + 1;
    int rc = jb_expected_open(&s->expected[s->n_expected], s->store, f, n_split, err);
    s->n_expected += !rc;
    return rc;
}

static int put_samples(struct side_run *s, struct jb_worker *w, size_t cell, struct jb_facts *f, struct jb_err *err)
{
    struct jb_raw_samples raw = { 0 };
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = jb_worker_samples(w, cell, &raw, err);
    if (rc) return rc;
    rc = jb_raw_samples_encode(&raw, &bytes, &n);
    if (rc) jb_fail(err, rc, "samples of %s", f->label);
    if (!rc) rc = jb_store_put(s->store, f->id, JB_RAW_SAMPLES, 0, bytes, n, &f->samples, err);
    if (!rc) rc = expect(s, f, &raw, err);
    free(bytes);
    jb_raw_samples_free(&raw);
    return rc;
}

// key: under which the pair is known; that of the baseline, also for two settings that are compared though their keys differ.
static int put_cell(struct side_run *s, struct jb_worker *w, size_t cell, const struct jb_facts *facts, const char *key, struct jb_err *err)
{
    struct jb_facts *f = malloc(sizeof *f);
    if (!f) return jb_fail(err, JB_E_NOMEM, "cell");
    *f = *facts;
    memcpy(f->key, key, sizeof f->key);
    memset(&f->samples, 0, sizeof f->samples);
    int rc = w ? put_samples(s, w, cell, f, err) : 0;
    if (!rc) rc = jb_record_write(&s->record, s->store, jb_facts_to_line(f), err);
    free(f);
    return rc;
}

static int put_pairs(struct gathering *g, int side, struct jb_err *err)
{
    size_t n;
    int rc = 0;
    const struct jb_live_cell *cells = jb_live_cells(g->live, &n);
    if (!(g->side[side].expected = calloc(n + 1, sizeof *g->side[side].expected))) rc = jb_fail(err, JB_E_NOMEM, "cells");
    for (size_t i = 0; i < n && !rc; i++)
        rc = put_cell(&g->side[side], jb_live_worker(g->live, side), side ? cells[i].b : cells[i].a, side ? cells[i].facts_b : cells[i].facts_a, cells[i].facts_a->key, err);
    return rc;
}

// A cell that one side could not measure is told with its reason, not left out.
static int put_unmeasured(struct gathering *g, int side, struct jb_err *err)
{
    size_t n;
    int rc = 0;
    const struct jb_worker_cell *c = jb_worker_cells(jb_live_worker(g->live, side), &n);
    for (size_t i = 0; i < n && !rc; i++)
        if (c[i].facts.status != JB_CELL_VALID && !jb_record_cell(&g->side[side].record, c[i].facts.id)) rc = put_cell(&g->side[side], NULL, 0, &c[i].facts, c[i].facts.key, err);
    return rc;
}

static int begin(struct gathering *g, struct jb_err *err)
{
    int rc = 0;
    for (int side = 0; side < 2 && !rc; side++) {
        rc = jb_store_open(&g->side[side].store, NULL, false, NULL, NULL, err);
        if (!rc) rc = begin_run(&g->side[side], jb_worker_run(jb_live_worker(g->live, side)), err);
        if (!rc) rc = put_pairs(g, side, err);
        if (!rc) rc = put_unmeasured(g, side, err);
    }
    return rc;
}

// ---- pairs ----

static cJSON *line_of(const struct jb_facts *f, uint32_t repetition, const struct jb_block *b, const struct jb_raw_place *place, const struct jb_around *a, uint32_t instance)
{
    cJSON *line = jb_line_block(f->id, repetition, b, place, a);
    if (!line || jb_json_put_u64(line, "instance", instance)) return line;
    cJSON_Delete(line);
    return NULL;
}

// invalid: of this block; the other one's make it a part of a disturbed pair.
static int put_block(struct side_run *s, const struct jb_facts *f, uint32_t repetition, const struct jb_block *b, const struct jb_live_pair *p, uint32_t invalid, struct jb_err *err)
{
    struct jb_rec_cell *rec = jb_record_cell(&s->record, f->id);
    struct jb_around a = { .contaminated = !p->valid, .invalid = invalid };
    struct jb_raw_place place;
    uint8_t *bytes = NULL;
    size_t n = 0;
    a.idle_before = a.idle_after = a.net = jb_joules_none("none", "blocks of a live comparison have no idle windows");
    int rc = rec ? jb_raw_block_encode(&b->raw, &bytes, &n) : JB_E_INTERNAL;
    if (rc) return jb_fail(err, rc, "block of %s", f->label);
    rc = jb_store_put(s->store, f->id, JB_RAW_BLOCKS, rec->raw_end, bytes, n, &place, err);
    free(bytes);
    return rc ? rc : jb_record_write(&s->record, s->store, line_of(f, repetition, b, &place, &a, p->instance), err);
}

// A side that answers otherwise than in its accuracy pass computes something else while it is timed: its cell is invalid, and measured no further.
static int check(struct side_run *s, size_t cell, const struct jb_facts *f, const struct jb_block *b, bool *differs, struct jb_err *err)
{
    char reason[400];
    if (*differs || jb_expected_equal(&s->expected[cell], &b->raw, reason, sizeof reason)) return 0;
    *differs = true;
    return jb_record_write(&s->record, s->store, jb_line_verdict(f->id, JB_CELL_INVALID, reason), err);
}

static bool told(void *user, size_t cell, const struct jb_live_pair *p)
{
    bool differs = false;
    struct gathering *g = user;
    size_t n;
    const struct jb_live_cell *c = &jb_live_cells(g->live, &n)[cell];
    uint32_t repetition = jb_record_cell(&g->side[0].record, c->facts_a->id)->n_blocks;
    struct jb_err why = { 0 };
    int rc = g->why.code ? g->why.code : put_block(&g->side[0], c->facts_a, repetition, &p->a, p, p->invalid_a, &why);
    if (!rc) rc = put_block(&g->side[1], c->facts_b, repetition, &p->b, p, p->invalid_b, &why);
    if (!rc) rc = check(&g->side[0], cell, c->facts_a, &p->a, &differs, &why);
    if (!rc) rc = check(&g->side[1], cell, c->facts_b, &p->b, &differs, &why);
    if (rc && !g->why.code) g->why = why;
    if (rc) return true; // there is no use in measuring on
    g->pairs += p->valid;
    return differs || (g->o->told && g->o->told(g->o->told_user, cell, p));
}

// ---- the comparison ----

// A note of each limit, and a verdict over the cells of one that was not kept.
static int put_limits(struct gathering *g, int side, struct jb_err *err)
{
    size_t n;
    int rc = 0;
    struct side_run *s = &g->side[side];
    const struct jb_live_cell *cells = jb_live_cells(g->live, &n);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct jb_facts *f = side ? cells[i].facts_b : cells[i].facts_a;
        struct jb_str what = { 0 };
        char reason[300];
        bool kept = jb_live_kept(g->live, f->power_limit_w, &what, reason, sizeof reason);
        if (what.failed) rc = jb_fail(err, JB_E_NOMEM, "power limits");
        if (!rc && what.len) rc = jb_record_write(&s->record, s->store, jb_line_limit(f->power_limit_w, jb_str_get(&what)), err);
        if (!rc && !kept) rc = jb_record_write(&s->record, s->store, jb_line_verdict(f->id, JB_CELL_INVALID, reason), err);
        jb_str_free(&what);
    }
    return rc;
}

static int finish_side(struct gathering *g, int side, const char *name, struct jb_run_data **out, struct jb_err *err)
{
    struct side_run *s = &g->side[side];
    struct jb_sampler_stats none = { 0 };
    int rc = put_limits(g, side, err);
    if (!rc) rc = jb_record_write(&s->record, s->store, jb_line_end(true, "", jb_worker_peak_rss(jb_live_worker(g->live, side)), &none), err);
    if (rc) return rc;
    struct jb_store *store = s->store;
    s->store = NULL;
    return jb_run_data_from(out, &s->record, store, name, err);
}

static int compare_sides(struct gathering *g, struct jb_comparison *c, const struct jb_compare_opts *o, struct jb_err *err)
{
    struct jb_run_data *a = NULL, *b = NULL;
    int rc = finish_side(g, 0, g->o->a->name, &a, err);
    if (!rc) rc = finish_side(g, 1, g->o->b->name, &b, err);
    if (!rc) {
        c->baseline_name = jb_comparison_str(c, g->o->a->name);
        c->candidate_name = jb_comparison_str(c, g->o->b->name);
        bool ok = c->baseline_name && c->candidate_name && !jb_compare_facts(c, jb_run_data_result(a), &c->baseline_environment, &c->n_baseline_environment) &&
                  !jb_compare_facts(c, jb_run_data_result(b), &c->candidate_environment, &c->n_candidate_environment);
        if (!ok) rc = jb_fail(err, JB_E_NOMEM, "comparison");
    }
    if (!rc) rc = jb_compare_runs(c, a, b, true, o, NULL, err);
    if (!rc) rc = jb_compare_end(c, err);
    jb_run_data_close(a);
    jb_run_data_close(b);
    return rc;
}

static int run_live(struct gathering *g, struct jb_comparison *c, const struct jb_compare_opts *o, struct jb_err *err)
{
    uint64_t start = g->o->clock.now_ns(g->o->clock.self);
    struct jb_err why = { 0 };
    int ran = jb_live_run(g->live, &why);
    c->seconds = (double)(g->o->clock.now_ns(g->o->clock.self) - start) * 1e-9;
    c->pairs = g->pairs;
    if (!ran && g->why.code) {
        ran = g->why.code;
        why = g->why;
    }
    int rc = ran && (ran != JB_E_INTERRUPTED || !g->pairs) ? ran : compare_sides(g, c, o, err);
    if (ran && err) *err = why;
    return rc ? rc : ran; // INTERRUPTED: with a comparison of what was measured
}

// Before a minute is spent on it.
static int no_rule_missing(const struct gathering *g, struct jb_err *err)
{
    for (int side = 0; side < 2; side++) {
        const cJSON *settings = cJSON_GetObjectItemCaseSensitive(jb_worker_run(jb_live_worker(g->live, side)), "settings"), *rule = cJSON_GetObjectItemCaseSensitive(settings, "normalise");
        if (cJSON_IsString(rule) && !strcmp(rule->valuestring, "doctor")) return jb_noise_rule_missing(side ? g->o->b->name : g->o->a->name, err);
    }
    return 0;
}

int jb_compare_live(const struct jb_live_opts *l, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err)
{
    struct gathering g = { .o = l };
    struct jb_live_opts mine = *l;
    struct jb_comparison *c = NULL;
    mine.told = told;
    mine.told_user = &g;
    if (!mine.only) mine.only = o->only;
    *out = NULL;
    int rc = o->learned ? jb_noise_rule_here(o->learned, err) : 0;
    if (rc) return rc;
    rc = jb_compare_open(&c, "live", o, err);
    if (!rc) rc = jb_live_open(&g.live, &mine, err);
    if (!rc && !o->learned && !o->normalise) rc = no_rule_missing(&g, err);
    if (!rc) rc = begin(&g, err);
    if (!rc) rc = run_live(&g, c, o, err);
    jb_live_close(g.live);
    close_side(&g.side[0]);
    close_side(&g.side[1]);
    if (!rc || (rc == JB_E_INTERRUPTED && c && c->n_cells)) *out = c;
    else jb_comparison_close(c);
    return rc;
}
