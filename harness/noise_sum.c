// What follows from the pairs.
#include "harness/noise_data.h"

#include "base/infer.h"
#include <math.h>
#include <stdlib.h>

#define RESAMPLES 500u
#define BINS 200u                    // of time, for drift
#define SPANS 10u
#define LEAST_BINS 8u

const double jb_noise_horizon_s[JB_NOISE_HORIZONS] = {60, 300, 1800, 3600};

double jb_noise_visible(double sd_log, uint64_t pairs, double confidence, double power)
{
    if (pairs < 2 || !(sd_log >= 0) || !isfinite(sd_log) || !(power > 0.5 && power < 1)) return NAN;
    double df = (double)(pairs - 1);
    double least = expm1((jb_student_t(confidence, df) + jb_student_t(2 * power - 1, df)) * sd_log / sqrt((double)pairs)); // P(|T| <= t) = 2 power - 1: t is the `power` quantile
    return isfinite(least) ? least : NAN;
}

double jb_noise_median_floor(const struct jb_noise_load *l) { return l->query_ns > 0 ? 1 / l->query_ns : 0; }

static double visible(double sd_log, uint64_t pairs, double floor)
{
    double least = jb_noise_visible(sd_log, pairs, JB_NOISE_CONFIDENCE, JB_NOISE_POWER);
    return least < floor ? floor : least; // NAN stays
}

void jb_noise_look(struct jb_noise_spread *s, double pair_ms, double measured_s, double floor)
{
    for (int i = 0; i < JB_NOISE_HORIZONS; i++) {
        double seconds = jb_noise_horizon_s[i];
        uint64_t pairs = (uint64_t)fmin(seconds * 1e3 / pair_ms, 1e15);
        s->sight[i] = (struct jb_noise_sight){.seconds = seconds, .pairs = pairs, .extrapolated = seconds > JB_NOISE_TRUST * measured_s,
                                              .least = visible(s->sd_log, pairs, floor),
                                              .lower = visible(s->lower, pairs, floor),
                                              .upper = visible(s->upper, pairs, floor)};
    }
}

// ---- spread ----

static double sd_of(void *user, const uint32_t *draw, size_t n)
{
    const double *x = user;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[draw[i]];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[draw[i]] - mean) * (x[draw[i]] - mean);
    return sqrt(squares / (double)(n - 1));
}

static double standard_deviation(const double *x, size_t n)
{
    double mean = jb_mean(x, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return n < 2 ? NAN : sqrt(squares / (double)(n - 1));
}

// Reorders x.
static double robust_deviation(double *x, size_t n)
{
    double middle = jb_median_f64(x, n);
    for (size_t i = 0; i < n; i++) x[i] = fabs(x[i] - middle);
    return 1.4826 * jb_median_f64(x, n);
}

static int spread(struct jb_noise_spread *s, double *x, size_t n, struct jb_rng *rng)
{
    struct jb_interval v = {NAN, NAN};
    s->sd_log = standard_deviation(x, n);
    int rc = jb_block_bootstrap(sd_of, x, n, JB_NOISE_CONFIDENCE, RESAMPLES, rng, &v);
    s->lower = v.lower;
    s->upper = v.upper;
    s->robust_log = robust_deviation(x, n);
    return rc;
}

static void pick(double *x, const struct jb_noise_pairs *p, size_t offset)
{
    for (size_t i = 0; i < p->n; i++) x[i] = *(const double *)(const void *)((const char *)&p->pair[i] + offset);
}

static int sum_series(struct jb_noise *n, struct jb_noise_series *s, const struct jb_noise_pairs *p, struct jb_rng *rng)
{
    double *x = malloc(p->n * sizeof *x), wall = 0;
    if (!x) return JB_E_NOMEM;
    for (size_t i = 0; i < p->n; i++) wall += p->pair[i].wall_s;
    s->pairs = p->n;
    s->pair_ms = wall * 1e3 / (double)p->n;
    s->queries = p->queries / 2 / (double)p->n;
    pick(x, p, offsetof(struct jb_noise_pair, mean));
    int rc = spread(&s->mean, x, p->n, rng);
    pick(x, p, offsetof(struct jb_noise_pair, median));
    if (!rc) rc = spread(&s->median, x, p->n, rng);
    pick(x, p, offsetof(struct jb_noise_pair, log_mean));
    s->unpaired_log = standard_deviation(x, p->n);
    free(x);
    jb_noise_look(&s->mean, s->pair_ms, n->seconds, 0);
    jb_noise_look(&s->median, s->pair_ms, n->seconds, jb_noise_median_floor(&n->load[s->load]));
    return rc;
}

// ---- drift ----

struct level { double sum, n; };

// Level of each span of time against the level of all, on the logarithm, whatever the length of the blocks. False: out of memory.
static bool levels(const struct jb_noise *n, uint32_t load, const struct jb_noise_pairs *pairs, struct level *bin, uint32_t bins, double *query_log)
{
    double total = 0, weight = 0;
    for (uint32_t i = 0; i < n->n_series; i++) {
        const struct jb_noise_pairs *p = &pairs[i];
        if (n->series[i].load != load || n->series[i].pinned) continue;
        double *x = malloc(p->n * sizeof *x);
        if (!x) return false;
        pick(x, p, offsetof(struct jb_noise_pair, log_median));
        double middle = jb_median_f64(x, p->n);
        free(x);
        for (size_t k = 0; k < p->n; k++) {
            uint32_t b = (uint32_t)fmin(p->pair[k].at_s / n->seconds * bins, bins - 1);
            bin[b].sum += p->pair[k].log_median - middle;
            bin[b].n++;
        }
        total += middle * (double)p->n;
        weight += (double)p->n;
    }
    *query_log = total / weight;
    return true;
}

// x: levels at times t, n of them; scratch has room for n * n.
static double slope(const double *t, const double *x, size_t n, double *scratch)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) scratch[m++] = (x[k] - x[i]) / (t[k] - t[i]);
    return jb_median_f64(scratch, m);
}

static double wander(const struct level *bin, uint32_t bins)
{
    double low = INFINITY, high = -INFINITY;
    for (uint32_t s = 0; s < SPANS; s++) {
        struct level l = {0, 0};
        for (uint32_t b = bins * s / SPANS; b < bins * (s + 1) / SPANS; b++) {
            l.sum += bin[b].sum;
            l.n += bin[b].n;
        }
        if (l.n < 1) return NAN;
        low = fmin(low, l.sum / l.n);
        high = fmax(high, l.sum / l.n);
    }
    return expm1(high - low);
}

static int sum_drift(struct jb_noise *n, uint32_t load, const struct jb_noise_pairs *pairs)
{
    struct level bin[BINS] = {{0, 0}};
    double t[BINS], x[BINS], query_log;
    uint32_t bins = n->rounds < BINS ? n->rounds : BINS, filled = 0;
    struct jb_noise_drift *d = &n->load[load].drift;
    size_t at;
    *d = (struct jb_noise_drift){.change = NAN, .wander = NAN, .p = NAN, .at_s = NAN};
    if (!levels(n, load, pairs, bin, bins, &query_log)) return JB_E_NOMEM;
    n->load[load].query_ns = exp(query_log);
    for (uint32_t b = 0; b < bins; b++) {
        if (bin[b].n < 1) continue;
        t[filled] = n->seconds * (b + 0.5) / bins;
        x[filled++] = bin[b].sum / bin[b].n;
    }
    if (filled < LEAST_BINS) return 0;
    double *scratch = malloc((size_t)filled * filled * sizeof *scratch);
    if (!scratch) return JB_E_NOMEM;
    d->change = expm1(slope(t, x, filled, scratch) * n->seconds);
    free(scratch);
    d->p = jb_change_point(x, filled, &at);
    d->at_s = t[at];
    if (bins >= 2 * SPANS) d->wander = wander(bin, bins);
    return 0;
}

// ---- the best length ----

// In one minute, by both; NAN: cannot be told. The geometric mean: a length at which medians see ten times better is worth a little on the means.
static double sees(const struct jb_noise_series *s) { return sqrt(s->mean.sight[0].least * s->median.sight[0].least); }

static double best_length(const struct jb_noise *n, uint32_t load)
{
    double best = INFINITY;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < n->n_series; i++) { // by rising length
            const struct jb_noise_series *s = &n->series[i];
            if (s->load != load || s->pinned || !isfinite(sees(s))) continue;
            if (pass == 0) best = fmin(best, sees(s));
            else if (sees(s) <= best * 1.1) return s->block_ms;
        }
    return NAN;
}

// ---- dividing by the reference kernel ----

// log of the gain, without the pairs of one span of time (skip SPANS: of all). x, y: room for all.
static double log_gain(const struct jb_noise_pairs *p, uint32_t skip, double *x, double *y)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (i * SPANS / p->n == skip) continue;
        x[n] = p->pair[i].log_mean;
        y[n++] = p->pair[i].log_mean - p->pair[i].log_reference;
    }
    return log(standard_deviation(y, n) / standard_deviation(x, n));
}

static int learn_from(struct jb_noise_normalise *l, const struct jb_noise_pairs *p)
{
    double *x = malloc(p->n * 2 * sizeof *x), without[SPANS], squares = 0;
    if (!x) return JB_E_NOMEM;
    double all = log_gain(p, SPANS, x, x + p->n);
    for (uint32_t s = 0; s < SPANS; s++) without[s] = log_gain(p, s, x, x + p->n);
    free(x);
    double mean = jb_mean(without, SPANS);
    for (uint32_t s = 0; s < SPANS; s++) squares += (without[s] - mean) * (without[s] - mean);
    double half = jb_student_t(JB_NOISE_CONFIDENCE, SPANS - 1) * sqrt(squares * (SPANS - 1) / SPANS);
    if (!isfinite(all) || !isfinite(half)) return 0; // blocks without a spread, or without the kernel
    l->gain = exp(all);
    l->lower = exp(all - half);
    l->upper = exp(all + half);
    l->reference = l->upper < 1;
    return 0;
}

static int learn(struct jb_noise *n, const struct jb_noise_pairs *pairs)
{
    n->normalise = (struct jb_noise_normalise){.known = true, .gain = NAN, .lower = NAN, .upper = NAN, .block_ms = n->best_block_ms};
    for (uint32_t i = 0; i < n->n_series; i++) {
        const struct jb_noise_series *s = &n->series[i];
        if (s->load != n->n_loads - 1 || s->pinned || s->block_ms != n->best_block_ms) continue;
        n->normalise.blocks = pairs[i].n;
        return pairs[i].n < JB_NOISE_LEAST_LEARNED ? 0 : learn_from(&n->normalise, &pairs[i]);
    }
    return 0;
}

int jb_noise_sum(struct jb_noise *n, const struct jb_noise_pairs *pairs)
{
    struct jb_rng rng;
    int rc = 0;
    jb_rng_seed_named(&rng, n->seed, "resampling");
    for (uint32_t l = 0; l < n->n_loads && !rc; l++) rc = sum_drift(n, l, pairs);
    for (uint32_t i = 0; i < n->n_series && !rc; i++) rc = sum_series(n, &n->series[i], &pairs[i], &rng);
    for (uint32_t l = 0; l < n->n_loads && !rc; l++) n->best_block_ms = n->load[l].best_block_ms = best_length(n, l);
    return rc ? rc : learn(n, pairs);
}
