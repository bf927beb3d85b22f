// Made-up cells of known truth.
#include "tests/trust/trust.h"

#include "base/err.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BASE_NS 100000.0
#define N_EXITS 5
#define LONG_BLOCKS 20000u

const char *const trust_metric[TRUST_METRICS] = { "accuracy", "latency_mean_ns", "p50_ns", "p90_ns", "p99_ns", "uj_per_query", "uj_per_correct" };

// Blocks of past runs number 18 in the default plan, of a few hundred queries each; live pairs of 5 ms blocks come to hundreds, of some dozens.
#define PAST(n, of) .blocks = n, .queries = of, .query_sd = 0.05
#define LIVE(n, of) .paired = true, .blocks = n, .queries = of, .query_sd = 0.05
#define SCALED .factor = 1.03, .samples = 1000
#define MIXED .factor = 1, .samples = 1000, .earlier = 0.3
const struct trust_scene trust_scenes[] = {
    { .name = "past, independent blocks", PAST(18, 150), SCALED, .own_sd = 0.02 },
    { .name = "past, correlated within blocks", PAST(18, 150), SCALED, .own_sd = 0.02, .query_rho = 0.9 },
    { .name = "past, correlated blocks 0.3", PAST(18, 150), SCALED, .own_sd = 0.02, .own_rho = 0.3 },
    { .name = "past, correlated blocks 0.6", PAST(18, 150), SCALED, .own_sd = 0.02, .own_rho = 0.6 },
    { .name = "past, few blocks", PAST(6, 400), SCALED, .own_sd = 0.02 },
    { .name = "past, many blocks 0.6", PAST(80, 40), SCALED, .own_sd = 0.02, .own_rho = 0.6 },
    { .name = "past, drift within", PAST(18, 150), SCALED, .own_sd = 0.02, .drift = 0.06 },
    { .name = "past, outliers", PAST(18, 150), SCALED, .own_sd = 0.01, .slow_query = 0.01, .slow_block = 0.05 },
    { .name = "past, bimodal", PAST(18, 150), SCALED, .own_sd = 0.02, .shape = TRUST_BIMODAL },
    { .name = "past, exits", PAST(18, 150), SCALED, .own_sd = 0.02, .shape = TRUST_EXITS },
    { .name = "past, exits, other mixture", PAST(18, 150), MIXED, .own_sd = 0.02, .shape = TRUST_EXITS },
    { .name = "past, joules with bounds", PAST(18, 150), SCALED, .own_sd = 0.02, .joules_bound = 0.01 },
    { .name = "past, shares of accuracy only", PAST(18, 150), .factor = 1.03, .own_sd = 0.02 },
    { .name = "past, 2 % between runs", PAST(18, 150), SCALED, .own_sd = 0.02, .between = 0.02, .documented = true },
    { .name = "live, independent pairs", LIVE(200, 30), SCALED, .machine_sd = 0.05, .own_sd = 0.03 },
    { .name = "live, machine drifts", LIVE(200, 30), SCALED, .machine_sd = 0.05, .machine_rho = 0.98, .own_sd = 0.03, .drift = 0.3 },
    { .name = "live, sides correlated 0.5", LIVE(200, 30), SCALED, .machine_sd = 0.05, .machine_rho = 0.9, .own_sd = 0.03, .own_rho = 0.5 },
    { .name = "live, sides correlated 0.8", LIVE(200, 30), SCALED, .machine_sd = 0.05, .machine_rho = 0.9, .own_sd = 0.03, .own_rho = 0.8 },
    { .name = "live, few pairs", LIVE(7, 300), SCALED, .machine_sd = 0.05, .own_sd = 0.03 },
    { .name = "live, outliers", LIVE(200, 30), SCALED, .machine_sd = 0.02, .own_sd = 0.01, .slow_query = 0.01, .slow_block = 0.05 },
    { .name = "live, bimodal", LIVE(200, 30), SCALED, .machine_sd = 0.05, .own_sd = 0.03, .shape = TRUST_BIMODAL },
    { .name = "live, exits", LIVE(200, 30), SCALED, .machine_sd = 0.05, .own_sd = 0.03, .shape = TRUST_EXITS },
    { .name = "live, exits, other mixture", LIVE(200, 30), MIXED, .machine_sd = 0.05, .own_sd = 0.03, .shape = TRUST_EXITS },
    { .name = "live, joules with bounds", LIVE(200, 30), SCALED, .machine_sd = 0.05, .own_sd = 0.03, .joules_bound = 0.01 },
    { .name = "live, one side always slower", LIVE(200, 30), SCALED, .machine_sd = 0.05, .own_sd = 0.03, .between = 0.01, .documented = true },
};
const size_t trust_n_scenes = sizeof trust_scenes / sizeof *trust_scenes;

// ---- memory ----

static int open_side(struct jb_side_cell *c, struct jb_result_cell *cell, const struct trust_scene *s)
{
    *cell = (struct jb_result_cell){ .id = "made", .key = "made", .label = "made", .accuracy = { NAN, NAN, NAN, 0 }, .latency_mean_ns = NAN, .peak_rss_bytes = NAN, .model_bytes = NAN, .macs_mean = NAN };
    *c = (struct jb_side_cell){ .cell = cell, .n_blocks = s->blocks, .n_samples = s->samples, .labelled = true, .energy_cls = JB_ENERGY_MEASURED };
    c->blocks = calloc(s->blocks, sizeof *c->blocks);
    c->index = calloc(s->samples + 1, sizeof *c->index);
    c->correct = calloc(s->samples + 1, 1);
    if (!c->blocks || !c->index || !c->correct) return JB_E_NOMEM;
    for (uint32_t i = 0; i < s->blocks; i++)
        if (!(c->blocks[i].latency_ns = calloc(s->queries, sizeof(uint64_t)))) return JB_E_NOMEM;
    return 0;
}

int trust_pair_open(struct trust_pair *p, const struct trust_scene *s)
{
    memset(p, 0, sizeof *p);
    int rc = open_side(&p->side[0], &p->cell[0], s);
    if (!rc) rc = open_side(&p->side[1], &p->cell[1], s);
    if (rc) trust_pair_close(p);
    return rc;
}

void trust_pair_close(struct trust_pair *p)
{
    jb_side_cell_free(&p->side[0]);
    jb_side_cell_free(&p->side[1]);
}

// ---- latencies ----

struct ar { double z, rho; };
static struct ar ar_open(double rho, struct jb_rng *g) { return (struct ar){ jb_rng_normal(g), rho }; }
static double ar_next(struct ar *a, struct jb_rng *g) { return a->z = a->rho * a->z + sqrt(1 - a->rho * a->rho) * jb_rng_normal(g); }

// Share of queries that leave at each exit, and their cost: skewed, as early exits make it.
static const double exit_share[N_EXITS] = { 0.45, 0.25, 0.13, 0.09, 0.08 }, exit_cost[N_EXITS] = { 0.3, 0.6, 1.0, 1.5, 2.1 };
static const double exit_right[N_EXITS] = { 0.98, 0.95, 0.88, 0.8, 0.7 };

static uint32_t exit_of(const struct trust_scene *s, double u, bool candidate, struct jb_rng *g)
{
    uint32_t e = 0;
    for (double sum = exit_share[0]; e + 1 < N_EXITS && u >= sum; sum += exit_share[e]) e++;
    double chance = jb_rng_unit(g); // drawn for both sides alike
    return candidate && e == N_EXITS - 1 && chance < s->earlier ? 0 : e;
}

static double shape_of(const struct trust_scene *s, uint32_t e, double u)
{
    return s->shape == TRUST_EXITS ? exit_cost[e] : s->shape == TRUST_BIMODAL && u >= 0.7 ? 1.8 : 1;
}

// samples: seeds the block's inputs: both of a pair get the same ones.
static void draw_block(struct jb_side_block *b, const struct trust_scene *s, bool candidate, double level, uint64_t samples, struct jb_rng *g)
{
    struct jb_rng input;
    struct ar within = ar_open(s->query_rho, g);
    double sum = 0;
    jb_rng_seed(&input, samples);
    b->n_queries = b->n_rows = s->queries;
    b->n_correct = 0;
    b->valid = true;
    b->reference_ns = NAN;
    for (uint32_t q = 0; q < s->queries; q++) {
        double u = jb_rng_unit(&input), slow = jb_rng_unit(g) < s->slow_query ? 3 + 7 * jb_rng_unit(g) : 1;
        uint32_t e = exit_of(s, u, candidate, &input);
        double ns = BASE_NS * shape_of(s, e, u) * exp(s->query_sd * ar_next(&within, g)) * level * slow;
        b->latency_ns[q] = (uint64_t)llround(ns);
        b->n_correct += jb_rng_unit(&input) < (s->shape == TRUST_EXITS ? exit_right[e] : 0.9);
        sum += ns;
    }
    double read = sum * 2e-3 * (1 + s->joules_bound * (2 * jb_rng_unit(g) - 1)); // 2 W; microjoules
    b->uj = read;
    b->uj_lower = read / (1 + s->joules_bound);
    b->uj_upper = s->joules_bound < 1 ? read / (1 - s->joules_bound) : INFINITY;
}

static double slow_block(const struct trust_scene *s, struct jb_rng *g) { return jb_rng_unit(g) < s->slow_block ? 1.3 + 0.5 * jb_rng_unit(g) : 1; }

// ---- accuracy ----

#define ONLY_BASELINE 0.020
#define ONLY_CANDIDATE 0.012
#define NEITHER 0.08

static void draw_answers(struct trust_pair *p, const struct trust_scene *s, struct jb_rng *g)
{
    uint32_t n = s->samples ? s->samples : 1000;
    uint64_t right[2] = { 0, 0 };
    for (uint32_t i = 0; i < n; i++) {
        double u = jb_rng_unit(g);
        bool a = u >= NEITHER + ONLY_CANDIDATE, b = u >= NEITHER + ONLY_CANDIDATE + ONLY_BASELINE || (u >= NEITHER && !a);
        if (!s->samples) { // two runs that saw different samples
            u = jb_rng_unit(g);
            b = u >= NEITHER + ONLY_BASELINE;
        } else {
            p->side[0].index[i] = p->side[1].index[i] = i;
            p->side[0].correct[i] = a;
            p->side[1].correct[i] = b;
        }
        right[0] += a;
        right[1] += b;
    }
    for (int k = 0; k < 2; k++) p->cell[k].accuracy = (struct jb_value){ (double)right[k] / n, NAN, NAN, n };
}

// ---- both sides ----

void trust_pair_draw(struct trust_pair *p, const struct trust_scene *s, struct jb_rng *g)
{
    struct ar machine[2] = { ar_open(s->machine_rho, g), ar_open(s->machine_rho, g) }, own[2] = { ar_open(s->own_rho, g), ar_open(s->own_rho, g) };
    for (uint32_t i = 0; i < s->blocks; i++) {
        double drift = 1 + s->drift * (s->blocks > 1 ? (double)i / (s->blocks - 1) : 0);
        double shared = exp(s->machine_sd * ar_next(&machine[0], g));
        uint64_t samples = jb_rng_u64(g);
        for (int k = 0; k < 2; k++) {
            double mine = k && !s->paired ? exp(s->machine_sd * ar_next(&machine[1], g)) : shared;
            double level = mine * exp(s->own_sd * ar_next(&own[k], g)) * drift * slow_block(s, g) * (k ? s->factor * (1 + s->between) : 1);
            draw_block(&p->side[k].blocks[i], s, k == 1, level, s->paired ? samples : samples + (uint64_t)k, g);
        }
    }
    draw_answers(p, s, g);
}

// ---- truth ----

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double quantile(double *x, size_t n, double p)
{
    qsort(x, n, sizeof *x, by_value);
    return x[(size_t)ceil(p * (double)n) - 1];
}

// Sums and pools of one side over the long run.
struct pool { double *all, *mean, *median, uj, rows, correct, sum; size_t n, blocks; };

static void take_block(struct pool *t, const struct jb_side_block *b, double *room)
{
    double sum = 0;
    for (uint32_t q = 0; q < b->n_queries; q++) {
        room[q] = (double)b->latency_ns[q];
        sum += room[q];
        if (t->n < (size_t)LONG_BLOCKS * 50) t->all[t->n++] = room[q];
    }
    t->mean[t->blocks] = sum / b->n_queries;
    t->median[t->blocks++] = jb_median_f64(room, b->n_queries);
    t->sum += sum;
    t->uj += b->uj;
    t->rows += b->n_rows;
    t->correct += (double)b->n_correct;
}

static double geometric(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log(b[i] / a[i]);
    return exp(sum / (double)n);
}

static void from_pools(const struct trust_scene *s, struct pool *a, struct pool *b, double truth[TRUST_METRICS])
{
    truth[1] = s->paired ? geometric(a->mean, b->mean, a->blocks) : (b->sum / b->rows) / (a->sum / a->rows);
    truth[2] = s->paired ? geometric(a->median, b->median, a->blocks) : quantile(b->all, b->n, 0.5) / quantile(a->all, a->n, 0.5);
    truth[3] = quantile(b->all, b->n, 0.9) / quantile(a->all, a->n, 0.9);
    truth[4] = quantile(b->all, b->n, 0.99) / quantile(a->all, a->n, 0.99);
    truth[5] = (b->uj / b->rows) / (a->uj / a->rows);
    truth[6] = (b->uj / b->correct) / (a->uj / a->correct);
}

static int long_run(const struct trust_scene *s, uint64_t seed, double truth[TRUST_METRICS])
{
    struct trust_scene one = *s;
    struct trust_pair p;
    struct pool pool[2] = { { 0 } };
    struct jb_rng g;
    double *room = malloc(s->queries * sizeof *room);
    one.samples = 1;
    int rc = trust_pair_open(&p, &one);
    if (rc) {
        free(room);
        return rc;
    }
    for (int k = 0; k < 2; k++) {
        pool[k].all = malloc((size_t)LONG_BLOCKS * 50 * sizeof(double));
        pool[k].mean = malloc((LONG_BLOCKS + s->blocks) * sizeof(double));
        pool[k].median = malloc((LONG_BLOCKS + s->blocks) * sizeof(double));
        if (!pool[k].all || !pool[k].mean || !pool[k].median || !room) rc = JB_E_NOMEM;
    }
    jb_rng_seed_named(&g, seed, "truth");
    while (!rc && pool[0].blocks < LONG_BLOCKS) {
        trust_pair_draw(&p, &one, &g);
        for (int k = 0; k < 2; k++)
            for (uint32_t i = 0; i < s->blocks; i++) take_block(&pool[k], &p.side[k].blocks[i], room);
    }
    if (!rc) from_pools(s, &pool[0], &pool[1], truth);
    for (int k = 0; k < 2; k++) {
        free(pool[k].all);
        free(pool[k].mean);
        free(pool[k].median);
    }
    free(room);
    trust_pair_close(&p);
    return rc;
}

int trust_truth(const struct trust_scene *s, uint64_t seed, double truth[TRUST_METRICS])
{
    truth[0] = ONLY_CANDIDATE - ONLY_BASELINE;
    if (s->earlier > 0) return long_run(s, seed, truth);
    for (int m = 1; m < TRUST_METRICS; m++) truth[m] = s->factor;
    return 0;
}
