// Intervals over blocks, sequential bets, change points.
#include "base/infer.h"
#include "base/err.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BLOCKS 5

double jb_expanded_tail(double confidence, size_t n)
{
    return jb_normal_cdf(-sqrt((double)n / (double)(n - 1)) * jb_student_t(confidence, (double)(n - 1)));
}

static void draw_blocks(struct jb_rng *rng, uint32_t *draw, size_t n)
{
    for (size_t i = 0; i < n; i++) draw[i] = (uint32_t)jb_rng_below(rng, n);
}

void jb_cut_tails(double *value, size_t n, double tail, struct jb_interval *out)
{
    jb_sort_f64(value, n);
    double low = tail * (double)(n + 1) - 1, high = (1 - tail) * (double)(n + 1) - 1; // type 6: the r-th of n estimates the r / (n + 1) quantile
    size_t a = low > 0 ? (size_t)low : 0, b = high < (double)(n - 1) ? (size_t)ceil(high) : n - 1;
    *out = (struct jb_interval){value[a], value[b]};
}

int jb_block_bootstrap_2(jb_block_statistic f, void *user, size_t n_a, size_t n_b, double confidence, uint32_t resamples, struct jb_rng *rng, struct jb_interval *out)
{
    size_t least = n_b && n_b < n_a ? n_b : n_a, kept = 0;
    *out = (struct jb_interval){NAN, NAN};
    if (least < LEAST_BLOCKS || resamples < 40 || !(confidence > 0 && confidence < 1)) return JB_OK;
    double *value = malloc(resamples * sizeof *value);
    uint32_t *draw = malloc((n_a + n_b) * sizeof *draw);
    if (!value || !draw) {
        free(value);
        free(draw);
        return JB_E_NOMEM;
    }
    for (uint32_t r = 0; r < resamples; r++) {
        draw_blocks(rng, draw, n_a);
        draw_blocks(rng, draw + n_a, n_b);
        double v = f(user, draw, n_a + n_b);
        if (isfinite(v)) value[kept++] = v;
    }
    if (kept >= resamples - resamples / 20) jb_cut_tails(value, kept, jb_expanded_tail(confidence, least), out);
    free(value);
    free(draw);
    return JB_OK;
}

int jb_block_bootstrap(jb_block_statistic f, void *user, size_t n_blocks, double confidence, uint32_t resamples, struct jb_rng *rng, struct jb_interval *out)
{
    return jb_block_bootstrap_2(f, user, n_blocks, 0, confidence, resamples, rng, out);
}

// ---- correlated blocks ----

#define MOST_CORRELATED 0.7
#define LEAST_EFFECTIVE 4.0 // fewer, and chance alone makes intervals that say nothing; with both limits as they are, coverage holds up to r = 0.6 (tests/trust)
#define LEAST_SERIES 6

struct series { double own, neighbours; size_t n; }; // sums of squares and of neighbours' products, around the mean, of n batches

// Of the means of m consecutive values; an incomplete last batch is left out.
static struct series series_of(const double *x, size_t n_values, size_t m)
{
    struct series s = {0, 0, n_values / m};
    double mean = jb_mean(x, s.n * m), last = 0;
    for (size_t i = 0; i < s.n; i++) {
        double d = jb_mean(x + i * m, m) - mean;
        s.own += d * d;
        if (i) s.neighbours += d * last;
        last = d;
    }
    return s;
}

static double variance_of_mean(const struct series *s) { return s->own / (double)(s->n - 1) / (double)s->n; }

// Half-width of the interval of the difference of two means, for correlated batches or as if they were not. b->n 0: of one mean.
static double half_width(const struct series *a, const struct series *b, double confidence, bool correlated)
{
    double n = (double)(b->n ? (a->n + b->n) / 2 : a->n), variance = variance_of_mean(a) + (b->n ? variance_of_mean(b) : 0);
    double least = (double)(b->n && b->n < a->n ? b->n : a->n), r = (n * (a->neighbours + b->neighbours) / (a->own + b->own) + 1) / (n - 4);
    r = fmin(fmax(correlated ? r : 0, 0), MOST_CORRELATED);
    double effective = r > 0 ? fmax(least * (1 - r) / (1 + r), LEAST_EFFECTIVE) : least;
    if (effective < least) variance *= (1 + r) / (1 - r) * (1 - 1 / least) / (1 - 1 / effective);
    else effective = least;
    return sqrt(variance) * jb_student_t(confidence, effective - 1);
}

double jb_correlated_widening(const double *a, size_t n_a, const double *b, size_t n_b, double confidence)
{
    size_t least = b && n_b < n_a ? n_b : n_a;
    double independent = 0, most = 0;
    if (least < LEAST_SERIES) return 1;
    for (size_t m = 1; m <= 4; m *= 2) {
        struct series x = series_of(a, n_a, m), y = b ? series_of(b, n_b, m) : (struct series){0, 0, 0};
        if (m > 1 && least < (m == 2 ? 16u : 48u)) break;
        if (!(x.own + y.own > 0) || !isfinite(x.own + y.own)) return 1;
        if (m == 1) independent = half_width(&x, &y, confidence, false);
        most = fmax(most, half_width(&x, &y, confidence, true));
    }
    return most > independent ? most / independent : 1;
}

struct jb_ratio jb_paired_ratio(const double *a, const double *b, size_t n, double confidence)
{
    struct jb_ratio r = {NAN, NAN, NAN, n};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(a[i] > 0 && b[i] > 0 && isfinite(a[i]) && isfinite(b[i]))) return r;
        sum += log(b[i] / a[i]);
    }
    if (n < 2) return r;
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = log(b[i] / a[i]) - mean;
        squares += d * d;
    }
    double half = jb_student_t(confidence, (double)(n - 1)) * sqrt(squares / (double)(n - 1) / (double)n);
    return (struct jb_ratio){exp(mean), exp(mean - half), exp(mean + half), n};
}

// ---- bets ----

// Stakes from timid (good when nearly half the signs are +) to bold; each begins with an equal share of the wealth.
static const double stake[JB_BETS] = {0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9};

void jb_sign_bet_open(struct jb_sign_bet *b, double log_margin)
{
    memset(b, 0, sizeof *b);
    b->log_margin = log_margin;
}

static double log_mixture(const struct jb_sign_bet *b)
{
    double most = b->log_wealth[0], sum = 0;
    for (int i = 1; i < JB_BETS; i++) most = fmax(most, b->log_wealth[i]);
    for (int i = 0; i < JB_BETS; i++) sum += exp(b->log_wealth[i] - most);
    return most + log(sum / JB_BETS);
}

void jb_sign_bet_add(struct jb_sign_bet *b, double log_ratio)
{
    if (isnan(log_ratio)) return;
    b->n++;
    if (log_ratio == b->log_margin) return; // a tie: half a win and half a loss would only cost; no bet is no less fair
    bool above = log_ratio > b->log_margin;
    b->above += above;
    b->below += !above;
    for (int i = 0; i < JB_BETS; i++) b->log_wealth[i] += log1p(above ? stake[i] : -stake[i]);
    b->best_log_wealth = fmax(b->best_log_wealth, log_mixture(b));
}

double jb_sign_bet_p(const struct jb_sign_bet *b) { return exp(-b->best_log_wealth); }

// ---- change ----

double jb_change_point(const double *x, size_t n, size_t *at)
{
    double u = 0, most = 0;
    *at = 0;
    if (n < 8) return NAN;
    for (size_t t = 0; t + 1 < n; t++) { // U(t) = U(t - 1) + sum over j of sign(x[t] - x[j])
        for (size_t j = 0; j < n; j++) u += (x[t] > x[j]) - (x[t] < x[j]);
        if (fabs(u) <= most) continue;
        most = fabs(u);
        *at = t + 1;
    }
    double p = 2 * exp(-6 * most * most / ((double)n * (double)n * (double)n + (double)n * (double)n));
    return p < 1 ? p : 1;
}
