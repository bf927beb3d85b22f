// Adaptive cells against the hull of static networks and of the network's own exits, at equal accuracy, with paired-bootstrap intervals: the same
// resampled samples, of texts whole queries (and the same resampled rounds of blocks) for every cell (Efron & Tibshirani 1993, chapter 13: percentile intervals, expanded for few blocks or queries).
#include "harness/build.h"

#include "base/infer.h"
#include "base/rng.h"
#include "base/stats.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BASE 512u                 // settings in one hull
#define MAX_FIGURES 6000000u          // figures kept over all resamples: three for each cell and resample
#define MIN_RESAMPLES 200u
#define MAX_CELLS 4000u               // beyond it no hull is computed: every cell would be held against every other

enum cost { MACS, LATENCY, N_COSTS };
static const char *const COST_NAMES[N_COSTS] = { "macs_mean", "latency_mean_ns" };

// Figures of a cell in each resample; [0] holds what was measured, resamples follow.
struct figures { double *accuracy, *cost[N_COSTS]; };

struct work {
    struct jb_build *b;
    struct figures *f;                // (n_cells); arrays NULL where not needed
    uint32_t resamples;
    uint32_t *draw;                   // scratch: how often each sample was drawn
};

bool jb_same_conditions(const struct jb_result_cell *a, const struct jb_result_cell *b)
{
    return !strcmp(a->workload, b->workload) && !strcmp(a->scenario, b->scenario) && a->threads == b->threads && a->streams == b->streams &&
           jb_same_limit(a->power_limit_w, b->power_limit_w);
}

bool jb_precision_covers(const char *of_cell, const char *of_base)
{
    struct jb_schedule s, t;
    if (!strcmp(of_cell, of_base)) return true;
    if (jb_schedule_parse(&s, of_cell, JB_MAX_STAGES, NULL) || jb_schedule_parse(&t, of_base, JB_MAX_STAGES, NULL)) return false;
    bool single = t.used && !(t.used & (t.used - 1));
    return !t.escalate && single && (s.used & t.used) && (s.used & (s.used - 1));
}

static bool is_role(const struct jb_result_cell *c, const char *role) { return c->role && !strcmp(c->role, role); }

static bool usable(const struct jb_build *b, size_t i)
{
    const struct jb_result_cell *c = &b->r->cells[i];
    return c->status == JB_CELL_VALID && c->accuracy.n && isfinite(c->macs_mean) && b->built[i].outcome && b->built[i].n;
}

static bool paired(const struct jb_built *x, const struct jb_built *y) { return x->n == y->n && !x->whole == !y->whole && !x->first == !y->first && !memcmp(x->index, y->index, x->n * sizeof *x->index); }

static bool in_hull_of(const struct jb_build *b, size_t adaptive, size_t i)
{
    const struct jb_result_cell *a = &b->r->cells[adaptive], *c = &b->r->cells[i];
    if (!usable(b, i) || !jb_same_conditions(a, c) || !jb_precision_covers(a->precision, c->precision) || !paired(&b->built[adaptive], &b->built[i])) return false;
    return is_role(c, "static") || (is_role(c, "fixed") && !strcmp(c->model, a->model));
}

// ---- resampling ----

// Share of the drawn queries that are right as a whole.
static double whole_queries(const struct jb_built *x, const uint32_t *draw)
{
    double right = 0, all = 0;
    for (uint32_t g = 0; g < x->n_groups; g++) {
        right += x->whole[g] ? draw[x->first[g]] : 0;
        all += draw[x->first[g]];
    }
    return right / all;
}

// Counts of one resample by exit and correctness. Four tables, so that equal outcomes in a row need not wait for each other's sums.
static void tally(const struct jb_built *x, const uint32_t *draw, double *accuracy, double *macs)
{
    uint64_t t[4][2 * JB_MAX_STAGES] = { { 0 } };
    uint32_t i = 0;
    for (; i + 4 <= x->n; i += 4)
        for (uint32_t k = 0; k < 4; k++) t[k][x->outcome[i + k]] += draw[i + k];
    for (; i < x->n; i++) t[0][x->outcome[i]] += draw[i];
    double right = 0, sum = 0, all = 0;
    for (uint32_t o = 0; o < 2 * JB_MAX_STAGES; o++) {
        double n = (double)(t[0][o] + t[1][o] + t[2][o] + t[3][o]);
        right += o & 1u ? n : 0;
        all += n;
        sum += n * x->macs[o / 2];
    }
    *accuracy = x->whole ? whole_queries(x, draw) : right / all; // of texts a resample may be longer or shorter than the measured one
    *macs = sum / all;
}

static void draw_queries(const struct jb_built *x, uint32_t *draw, struct jb_rng *rng)
{
    for (uint32_t g = 0; g < x->n_groups; g++) {
        uint64_t k = jb_rng_below(rng, x->n_groups);
        for (uint32_t i = x->first[k]; i < x->first[k + 1]; i++) draw[i]++;
    }
}

static void draw_samples(const struct work *w, uint32_t k, const struct jb_built *x)
{
    struct jb_rng rng;
    jb_rng_seed(&rng, w->b->seed * 0x9e3779b97f4a7c15u + k);
    for (uint32_t i = 0; i < x->n; i++) w->draw[i] = k ? 0 : 1;
    if (k && x->first) draw_queries(x, w->draw, &rng);
    else for (uint32_t i = 0; k && i < x->n; i++) w->draw[jb_rng_below(&rng, x->n)]++;
}

// Rounds are drawn, and each cell brings its blocks of those rounds: what the machine did in a round stays shared.
static double latency_of(const struct work *w, size_t cell, uint32_t k)
{
    const struct jb_built *x = &w->b->built[cell];
    const struct jb_result_cell *c = &w->b->r->cells[cell];
    if (!k || x->n_blocks < JB_BLOCKS_FOR_INTERVAL) return c->latency_mean_ns;
    struct jb_rng rng;
    uint32_t rounds = 0;
    for (uint32_t i = 0; i < x->n_blocks; i++)
        if (x->repetition[i] >= rounds) rounds = x->repetition[i] + 1;
    jb_rng_seed(&rng, w->b->seed * 0xd1342543de82ef95u + k);
    double sum = 0, n = 0;
    for (uint32_t d = 0; d < rounds; d++) {
        uint64_t round = jb_rng_below(&rng, rounds);
        uint32_t i = (uint32_t)round; // blocks stand in the order of their rounds, unless some are missing
        if (i >= x->n_blocks || x->repetition[i] != round)
            for (i = 0; i < x->n_blocks && x->repetition[i] != round;) i++;
        if (i == x->n_blocks) continue;
        sum += x->block_sum[i];
        n += x->block_n[i];
    }
    return n > 0 ? sum / n : c->latency_mean_ns;
}

static int make_figures(struct work *w, size_t cell)
{
    struct figures *f = &w->f[cell];
    size_t n = w->resamples + 1;
    f->accuracy = malloc(n * sizeof(double));
    for (int k = 0; k < N_COSTS; k++) f->cost[k] = malloc(n * sizeof(double));
    return f->accuracy && f->cost[MACS] && f->cost[LATENCY] ? 0 : JB_E_NOMEM;
}

// Samples of one split are drawn once for all cells that share it.
static void fill_figures(struct work *w, size_t first)
{
    const struct jb_build *b = w->b;
    for (uint32_t k = 0; k <= w->resamples; k++) {
        draw_samples(w, k, &b->built[first]);
        for (size_t i = first; i < b->r->n_cells; i++) {
            struct figures *f = &w->f[i];
            if (!f->accuracy || !paired(&b->built[first], &b->built[i])) continue;
            tally(&b->built[i], w->draw, &f->accuracy[k], &f->cost[MACS][k]);
            f->cost[LATENCY][k] = latency_of(w, i, k);
        }
    }
}

static int resample(struct work *w, const bool *needed)
{
    struct jb_build *b = w->b;
    uint32_t most = 0;
    for (size_t i = 0; i < b->r->n_cells; i++) {
        if (needed[i] && make_figures(w, i)) return JB_E_NOMEM;
        if (needed[i] && b->built[i].n > most) most = b->built[i].n;
    }
    if (!(w->draw = calloc((size_t)most + 1, sizeof *w->draw))) return JB_E_NOMEM;
    for (size_t i = 0; i < b->r->n_cells; i++) {
        bool first = needed[i];
        for (size_t k = 0; k < i && first; k++) first = !(needed[k] && paired(&b->built[k], &b->built[i]));
        if (first) fill_figures(w, i);
    }
    return 0;
}

// ---- ratios ----

struct comparison { size_t cell; enum cost cost; const size_t *base; size_t n_base; bool at_equal_accuracy; };

// Hull cost over cell cost in resample k. A cell more accurate than the whole hull is held against the hull's most accurate point: that understates it.
static double ratio_at(const struct work *w, const struct comparison *x, uint32_t k, bool *above)
{
    const struct figures *f = &w->f[x->cell];
    double own = f->cost[x->cost][k];
    if (!x->at_equal_accuracy) return w->f[x->base[0]].cost[x->cost][k] / own;
    double cost[MAX_BASE], value[MAX_BASE], best = -1;
    size_t hull[MAX_BASE];
    for (size_t i = 0; i < x->n_base; i++) {
        cost[i] = w->f[x->base[i]].cost[x->cost][k];
        value[i] = w->f[x->base[i]].accuracy[k];
        if (value[i] > best) best = value[i];
    }
    size_t n = jb_hull_upper(cost, value, x->n_base, hull);
    *above = f->accuracy[k] > best;
    return jb_hull_cost_at(cost, value, hull, n, *above ? best : f->accuracy[k]) / own;
}

static size_t units_of(const struct jb_built *x, enum cost cost)
{
    size_t n = x->first ? x->n_groups : x->n;
    return cost == LATENCY && x->n_blocks < n ? x->n_blocks : n;
}

// The fewest of what was drawn: samples or queries, and for latency blocks. Few of them draw too narrow an interval, so its levels are expanded (Hesterberg 2015: base/infer.h).
static size_t fewest_units(const struct jb_build *b, const struct comparison *x)
{
    size_t least = units_of(&b->built[x->cell], x->cost);
    for (size_t i = 0; i < x->n_base; i++) {
        size_t n = units_of(&b->built[x->base[i]], x->cost);
        least = n < least ? n : least;
    }
    return least;
}

static bool enough_blocks(const struct jb_build *b, const struct comparison *x)
{
    if (b->built[x->cell].n_blocks < JB_BLOCKS_FOR_INTERVAL) return false;
    for (size_t i = 0; i < x->n_base; i++)
        if (b->built[x->base[i]].n_blocks < JB_BLOCKS_FOR_INTERVAL) return false;
    return true;
}

static int compare(struct work *w, const struct comparison *x, double *scratch)
{
    struct jb_result *r = w->b->r;
    struct jb_result_hull *h = &r->hull[r->n_hull++];
    bool above = false, ignored;
    *h = (struct jb_result_hull){ .cell_id = r->cells[x->cell].id, .cost = COST_NAMES[x->cost], .against = x->at_equal_accuracy ? "static+fixed" : "full", .lower = NAN, .upper = NAN };
    h->ratio = ratio_at(w, x, 0, &above);
    if (!isfinite(h->ratio)) {
        h->ratio = NAN;
        h->reason = x->cost == LATENCY ? "latency was not measured" : "a cost is missing";
        return 0;
    }
    if (above) h->reason = "more accurate than every static or fixed setting: held against the most accurate of them, which understates it";
    if (!w->resamples || (x->cost == LATENCY && !enough_blocks(w->b, x))) {
        h->reason = w->resamples ? "too few blocks for an interval (5 are needed)" : "too many cells for a bootstrap";
        return 0;
    }
    for (uint32_t k = 1; k <= w->resamples; k++) scratch[k - 1] = ratio_at(w, x, k, &ignored);
    struct jb_interval ci = { NAN, NAN };
    size_t units = fewest_units(w->b, x);
    if (units > 1) jb_cut_tails(scratch, w->resamples, jb_expanded_tail(0.95, units), &ci);
    h->lower = ci.lower;
    h->upper = ci.upper;
    if (!isfinite(h->lower) || !isfinite(h->upper)) h->lower = h->upper = NAN;
    return 0;
}

// The same network's final exit: at the same precision, or for an escalating schedule at its highest.
static size_t full_of(const struct jb_build *b, size_t cell)
{
    const struct jb_result_cell *a = &b->r->cells[cell];
    struct jb_schedule s;
    const char *precision = a->precision;
    if (!jb_schedule_parse(&s, a->precision, JB_MAX_STAGES, NULL) && s.escalate) precision = jb_precision_name((int)s.high);
    for (size_t i = 0; i < b->r->n_cells; i++) {
        const struct jb_result_cell *c = &b->r->cells[i];
        if (usable(b, i) && !strcmp(c->policy, "final") && !strcmp(c->model, a->model) && !strcmp(c->precision, precision) && jb_same_conditions(a, c) &&
            paired(&b->built[i], &b->built[cell]))
            return i;
    }
    return SIZE_MAX;
}

static int compare_cell(struct work *w, size_t cell, double *scratch)
{
    const struct jb_build *b = w->b;
    size_t base[MAX_BASE], n = 0, full = full_of(b, cell);
    int rc = 0;
    for (size_t i = 0; i < b->r->n_cells && n < MAX_BASE; i++)
        if (in_hull_of(b, cell, i)) base[n++] = i;
    for (int cost = 0; cost < N_COSTS && !rc; cost++) {
        struct comparison hull = { cell, (enum cost)cost, base, n, true }, whole = { cell, (enum cost)cost, &full, 1, false };
        if (n) rc = compare(w, &hull, scratch);
        if (!rc && full != SIZE_MAX) rc = compare(w, &whole, scratch);
    }
    return rc;
}

static size_t mark_needed(const struct jb_build *b, bool *needed)
{
    size_t adaptive = 0, n = 0;
    for (size_t a = 0; a < b->r->n_cells; a++) {
        if (!is_role(&b->r->cells[a], "adaptive") || !usable(b, a)) continue;
        adaptive++;
        needed[a] = true;
        size_t full = full_of(b, a);
        if (full != SIZE_MAX) needed[full] = true;
        for (size_t i = 0; i < b->r->n_cells; i++) needed[i] |= in_hull_of(b, a, i);
    }
    for (size_t i = 0; i < b->r->n_cells; i++) n += needed[i];
    return adaptive ? n : 0;
}

static void free_work(struct work *w)
{
    for (size_t i = 0; w->f && i < w->b->r->n_cells; i++) {
        free(w->f[i].accuracy);
        for (int k = 0; k < N_COSTS; k++) free(w->f[i].cost[k]);
    }
    free(w->f);
    free(w->draw);
}

int jb_build_hull(struct jb_build *b, struct jb_err *err)
{
    size_t n = b->r->n_cells;
    if (n > MAX_CELLS) return 0;
    bool *needed = calloc(n + 1, sizeof *needed);
    double *scratch = calloc(JB_RESAMPLES, sizeof *scratch);
    struct work w = { .b = b, .f = calloc(n + 1, sizeof *w.f) };
    int rc = needed && scratch && w.f ? 0 : JB_E_NOMEM;
    size_t count = rc ? 0 : mark_needed(b, needed);
    if (count) {
        size_t most = MAX_FIGURES / (count * 3);
        w.resamples = most >= JB_RESAMPLES ? JB_RESAMPLES : most >= MIN_RESAMPLES ? (uint32_t)most : 0;
        b->r->hull = jb_result_array(b->r, n * 2 * N_COSTS, sizeof *b->r->hull);
        rc = b->r->hull ? resample(&w, needed) : JB_E_NOMEM;
        for (size_t i = 0; i < n && !rc; i++)
            if (is_role(&b->r->cells[i], "adaptive") && usable(b, i)) rc = compare_cell(&w, i, scratch);
    }
    free_work(&w);
    free(needed);
    free(scratch);
    return rc ? jb_fail(err, rc, "bootstrap") : 0;
}
