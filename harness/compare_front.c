// The Pareto front of one run, with confidence.
//
// The rule. A setting is on the front when no other one of its group (same workload, scenario, threads, streams) is at least as accurate and at most as dear, and better in one of both. Samples (the
// same for all settings: pairs stay pairs; of texts whole queries, whose answers depend on each other) and blocks (each setting's own) are drawn again with replacement, accuracies and costs are computed from the draw, and the front is found anew. On the
// front in at least `confidence` of the draws: "surely"; in at most 1 - confidence: "surely off"; else "perhaps". (Percentile bootstrap of an indicator: Efron & Tibshirani 1993, chapter 13.)
#include "harness/compare_parts.h"

#include "base/rng.h"
#include "harness/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DRAWS 1000u
#define LEAST_DRAWS 200u
#define WORK 4e8 // additions: so many settings and samples that even LEAST_DRAWS would take longer get no front

struct rival {                           // one setting
    size_t cell;                         // of the result
    const struct jb_result_cell *c;
    uint32_t n; uint32_t *index, *right; // of each sample, or query of a text: which one, and how many answers in it are right
    double *cost, *under; size_t n_blocks; // of each block
    double accuracy, price;              // of the draw
    uint32_t hits;
    bool done;
};

static void drop(struct rival *r)
{
    free(r->index);
    free(r->right);
    free(r->cost);
    free(r->under);
    *r = (struct rival){ 0 };
}

static int take_blocks(struct rival *r, const struct jb_side_cell *s, bool joules)
{
    r->cost = malloc((s->n_blocks + 1) * sizeof *r->cost);
    r->under = malloc((s->n_blocks + 1) * sizeof *r->under);
    if (!r->cost || !r->under) return JB_E_NOMEM;
    for (size_t i = 0; i < s->n_blocks; i++) {
        const struct jb_side_block *b = &s->blocks[i];
        double sum = 0;
        if (!b->valid || !b->n_queries || (joules && !(b->uj > 0))) continue;
        for (uint32_t q = 0; q < b->n_queries; q++) sum += (double)b->latency_ns[q];
        r->cost[r->n_blocks] = joules ? b->uj : sum;
        r->under[r->n_blocks++] = joules ? jb_side_window_rows(b) : (double)b->n_queries;
    }
    return 0;
}

// What is drawn: samples, or queries with the right answers in them (where whole answers are asked for: 1 if all are).
static int take_answers(struct rival *r, const struct jb_side_cell *s)
{
    bool whole = jb_compare_asks_for_words(s->cell);
    r->index = malloc(((size_t)s->n_samples + 1) * sizeof *r->index);
    r->right = malloc(((size_t)s->n_samples + 1) * sizeof *r->right);
    if (!r->index || !r->right) return JB_E_NOMEM;
    for (uint32_t i = 0; i < s->n_samples; i++) {
        uint32_t unit = s->text.query ? s->text.query[i] : s->index[i];
        bool first = r->n == 0 || r->index[r->n - 1] != unit; // a query's answers stand together
        if (first) r->index[r->n++] = unit;
        uint32_t *right = &r->right[r->n - 1];
        *right = first ? s->correct[i] : whole ? *right && s->correct[i] : *right + s->correct[i];
    }
    return 0;
}

// Adds the cell to the rivals if it can be placed: valid, with answers and blocks enough.
static int add_rival(const struct jb_run_data *d, size_t cell, bool joules, struct rival *r, size_t *n, struct jb_err *err)
{
    const struct jb_result_cell *c = &jb_run_data_result(d)->cells[cell];
    struct jb_side_cell s = { 0 };
    if (c->status != JB_CELL_VALID) return 0;
    int rc = jb_run_data_cell(d, cell, &s, err);
    if (rc) return rc;
    bool fits = s.labelled && (!joules || (s.energy_cls != JB_ENERGY_NONE && s.energy_cls != JB_ENERGY_MODELLED));
    if (fits) {
        *r = (struct rival){ .cell = cell, .c = c };
        rc = take_answers(r, &s);
        if (!rc) rc = take_blocks(r, &s, joules);
        if (rc || r->n_blocks < JB_COMPARE_LEAST_BLOCKS) drop(r);
        else ++*n;
    }
    jb_side_cell_free(&s);
    return rc ? jb_fail(err, rc, "front") : 0;
}

static bool same_group(const struct rival *a, const struct rival *b)
{
    return jb_same_conditions(a->c, b->c) && a->n == b->n && !memcmp(a->index, b->index, a->n * sizeof *a->index);
}

static void draw_rival(struct rival *r, const uint8_t *times, struct jb_rng *rng)
{
    uint64_t right = 0;
    double cost = 0, under = 0;
    for (uint32_t i = 0; i < r->n; i++) right += (uint64_t)times[i] * r->right[i];
    for (size_t i = 0; i < r->n_blocks; i++) {
        size_t k = jb_rng_below(rng, r->n_blocks);
        cost += r->cost[k];
        under += r->under[k];
    }
    r->accuracy = (double)right;
    r->price = cost / under;
}

static bool beats(const struct rival *a, const struct rival *b)
{
    return a->accuracy >= b->accuracy && a->price <= b->price && (a->accuracy > b->accuracy || a->price < b->price);
}

static void one_draw(struct rival *const *group, size_t n, uint8_t *times, struct jb_rng *rng)
{
    memset(times, 0, group[0]->n);
    for (uint32_t i = 0; i < group[0]->n; i++) {
        uint8_t *t = &times[jb_rng_below(rng, group[0]->n)];
        *t = (uint8_t)(*t + (*t < 255));
    }
    for (size_t i = 0; i < n; i++) draw_rival(group[i], times, rng);
    for (size_t i = 0; i < n; i++) {
        bool on = true;
        for (size_t k = 0; k < n && on; k++) on = !beats(group[k], group[i]);
        group[i]->hits += on;
    }
}

static uint32_t draws_for(const struct rival *r, size_t n)
{
    double each = (double)n * ((double)r->n + (double)r->n_blocks + (double)n), most = WORK / (each + 1);
    return most < LEAST_DRAWS ? 0 : most > MOST_DRAWS ? MOST_DRAWS : (uint32_t)most;
}

static int judge_group(struct rival *const *group, size_t n, const struct jb_compare_opts *o, const char **out)
{
    struct jb_rng rng;
    uint32_t draws = draws_for(group[0], n);
    uint8_t *times = malloc((size_t)group[0]->n + 1);
    if (!times) return JB_E_NOMEM;
    jb_rng_seed_named(&rng, o->seed, "front");
    for (uint32_t d = 0; d < draws; d++) one_draw(group, n, times, &rng);
    free(times);
    for (size_t i = 0; i < n && draws; i++) {
        double share = (double)group[i]->hits / draws;
        out[group[i]->cell] = share >= o->confidence ? "surely" : share <= 1 - o->confidence ? "surely off" : "perhaps";
    }
    return 0;
}

static int judge(struct rival *r, size_t n, const struct jb_compare_opts *o, const char **out)
{
    struct rival **group = malloc((n + 1) * sizeof *group);
    int rc = group ? 0 : JB_E_NOMEM;
    for (size_t i = 0; i < n && !rc; i++) {
        size_t m = 0;
        if (r[i].done) continue;
        for (size_t k = i; k < n; k++)
            if (!r[k].done && same_group(&r[i], &r[k])) {
                r[k].done = true;
                group[m++] = &r[k];
            }
        if (m > 1) rc = judge_group(group, m, o, out); // one setting alone is no front
    }
    free(group);
    return rc;
}

static int fronts(const struct jb_run_data *d, bool joules, const struct jb_compare_opts *o, const char **out, struct jb_err *err)
{
    size_t n_cells = jb_run_data_result(d)->n_cells, n = 0;
    struct rival *r = calloc(n_cells + 1, sizeof *r);
    int rc = r ? 0 : jb_fail(err, JB_E_NOMEM, "front");
    for (size_t i = 0; i < n_cells && !rc; i++) rc = add_rival(d, i, joules, &r[n], &n, err);
    if (!rc && judge(r, n, o, out)) rc = jb_fail(err, JB_E_NOMEM, "front");
    for (size_t i = 0; i < n; i++) drop(&r[i]);
    free(r);
    return rc;
}

int jb_compare_fronts(struct jb_comparison *c, const struct jb_run_data *d, const struct jb_compare_opts *o, struct jb_fronts *out, struct jb_err *err)
{
    size_t n = jb_run_data_result(d)->n_cells;
    out->latency = jb_comparison_array(c, n + 1, sizeof *out->latency);
    out->joules = jb_comparison_array(c, n + 1, sizeof *out->joules);
    if (!out->latency || !out->joules) return jb_fail(err, JB_E_NOMEM, "front");
    int rc = fronts(d, false, o, out->latency, err);
    return rc ? rc : fronts(d, true, o, out->joules, err);
}
