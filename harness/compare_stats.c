// Effects from blocks.
#include "harness/compare_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- a pool ----

struct entry { double value; uint32_t block; };

static int by_value(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    return (a->value > b->value) - (a->value < b->value);
}

static struct entry *sorted_entries(const struct jb_side_block *const *blocks, size_t n_blocks, const double *scale, const uint32_t *group, size_t n)
{
    struct entry *e = malloc((n + 1) * sizeof *e);
    size_t at = 0;
    for (size_t i = 0; e && i < n_blocks; i++)
        for (uint32_t q = 0; q < blocks[i]->n_queries; q++) e[at++] = (struct entry){ (double)blocks[i]->latency_ns[q] * (scale ? scale[i] : 1), group ? group[i] : (uint32_t)i };
    if (e) qsort(e, n, sizeof *e, by_value);
    return e;
}

static void count_all(struct jb_pooled *p)
{
    uint32_t *running = p->size; // ends as the sizes
    for (size_t i = 0; i < p->n; i++) {
        if (i % p->step == 0) memcpy(p->count + i / p->step * p->n_blocks, running, p->n_blocks * sizeof *running);
        running[p->block[i]]++;
    }
    if (p->n % p->step == 0) memcpy(p->count + p->n / p->step * p->n_blocks, running, p->n_blocks * sizeof *running);
}

int jb_pooled_open(struct jb_pooled *p, const struct jb_side_block *const *blocks, size_t n_given, const double *scale, const uint32_t *group, size_t n_groups)
{
    size_t n_blocks = group ? n_groups : n_given;
    *p = (struct jb_pooled){ .n_blocks = n_blocks };
    for (size_t i = 0; i < n_given; i++) p->n += blocks[i]->n_queries;
    struct entry *e = sorted_entries(blocks, n_given, scale, group, p->n);
    p->step = p->n / 1024 + 1;
    p->n_checks = p->n / p->step + 1;
    p->value = malloc((p->n + 1) * sizeof *p->value);
    p->block = malloc((p->n + 1) * sizeof *p->block);
    p->size = calloc(n_blocks + 1, sizeof *p->size);
    p->count = calloc(p->n_checks * n_blocks + 1, sizeof *p->count);
    if (!e || !p->value || !p->block || !p->size || !p->count) {
        free(e);
        jb_pooled_free(p);
        return JB_E_NOMEM;
    }
    for (size_t i = 0; i < p->n; i++) {
        p->value[i] = e[i].value;
        p->block[i] = e[i].block;
    }
    free(e);
    count_all(p);
    return 0;
}

void jb_pooled_free(struct jb_pooled *p)
{
    free(p->value);
    free(p->block);
    free(p->count);
    free(p->size);
    *p = (struct jb_pooled){ 0 };
}

static uint64_t weighed(const uint32_t *count, const uint32_t *times, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint64_t)count[i] * (times ? times[i] : 1);
    return sum;
}

double jb_pooled_percentile(const struct jb_pooled *p, const uint32_t *times, double percentile)
{
    uint64_t all = weighed(p->size, times, p->n_blocks);
    double rank = ceil(percentile * (double)all * (1 - 1e-15));
    uint64_t want = rank < 1 ? 1 : (uint64_t)rank, have;
    size_t low = 0, high = p->n_checks; // the last check with fewer than `want` before it
    if (!all) return NAN;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (weighed(p->count + mid * p->n_blocks, times, p->n_blocks) < want) low = mid;
        else high = mid;
    }
    have = weighed(p->count + low * p->n_blocks, times, p->n_blocks);
    for (size_t i = low * p->step; i < p->n; i++)
        if ((have += times ? times[p->block[i]] : 1) >= want) return p->value[i];
    return NAN;
}

// ---- p-values ----

static double student_p(double t, double df) { return isfinite(t) ? jb_beta_inc(df / 2, 0.5, df / (df + t * t)) : t == INFINITY ? 0 : NAN; }

double jb_invert_percentile(const double *log_ratio, size_t n_values, double log_effect, size_t n_blocks)
{
    size_t beyond = 0;
    double sum = 0, squares = 0, df = (double)n_blocks - 1, shrink = sqrt(df / (double)n_blocks);
    if (n_blocks < 2 || !n_values || !isfinite(log_effect)) return NAN;
    for (size_t i = 0; i < n_values; i++) {
        beyond += log_effect > 0 ? log_ratio[i] <= 0 : log_ratio[i] >= 0;
        sum += log_ratio[i];
    }
    for (size_t i = 0; i < n_values; i++) squares += (log_ratio[i] - sum / (double)n_values) * (log_ratio[i] - sum / (double)n_values);
    double tail = (double)(beyond + 1) / (double)(n_values + 1);
    if (log_effect == 0 || tail >= 0.5) return 1;
    double p = student_p(-jb_normal_quantile(tail) * shrink, df), sd = sqrt(squares / (double)n_values);
    return beyond || !(sd > 0) ? p : fmin(p, student_p(fabs(log_effect) / sd * shrink, df));
}

// ---- bootstraps ----

// A statistic that remembers what it returned, for the p-value: the same draws serve both. Drawn as if blocks were independent; widen: how much farther from the centre values lie because they are not.
struct remembering { double (*f)(void *user, const uint32_t *draw); void *user; double *log_value; size_t n; double centre, widen; };

static double remember(void *user, const uint32_t *draw, size_t n_draws)
{
    struct remembering *r = user;
    double v = r->f(r->user, draw);
    (void)n_draws;
    if (!(v > 0) || !isfinite(v)) return NAN;
    double x = r->centre + r->widen * (log(v) - r->centre);
    r->log_value[r->n++] = x;
    return exp(x);
}

// lower, upper and p of a ratio whose value is `effect`. widen: see remember.
static int resample(struct jb_effect *out, double effect, double widen, double (*f)(void *, const uint32_t *), void *user, size_t n_a, size_t n_b, const struct jb_resampling *r)
{
    struct jb_interval ci;
    struct jb_rng rng;
    size_t least = n_b && n_b < n_a ? n_b : n_a;
    struct remembering m = { f, user, malloc((r->resamples + 1) * sizeof(double)), 0, log(effect), widen };
    *out = (struct jb_effect){ effect, NAN, NAN, NAN };
    if (!m.log_value) return JB_E_NOMEM;
    if (!isfinite(m.centre)) m.centre = 0, m.widen = 1;
    jb_rng_seed_named(&rng, r->seed, "comparison of blocks");
    int rc = n_b ? jb_block_bootstrap_2(remember, &m, n_a, n_b, r->confidence, r->resamples, &rng, &ci) : jb_block_bootstrap(remember, &m, n_a, r->confidence, r->resamples, &rng, &ci);
    if (!rc && isfinite(ci.lower) && isfinite(ci.upper)) *out = (struct jb_effect){ effect, ci.lower, ci.upper, jb_invert_percentile(m.log_value, m.n, log(effect), least) };
    free(m.log_value);
    return rc;
}

// ---- percentiles ----

struct pools { const struct jb_pooled *a, *b; uint32_t *times_a, *times_b; double percentile; bool paired; };

static void tally(uint32_t *times, size_t n_blocks, const uint32_t *draw)
{
    memset(times, 0, n_blocks * sizeof *times);
    for (size_t i = 0; i < n_blocks; i++) times[draw[i]]++;
}

static double percentile_ratio(void *user, const uint32_t *draw)
{
    struct pools *p = user;
    tally(p->times_a, p->a->n_blocks, draw);
    if (!p->paired) tally(p->times_b, p->b->n_blocks, draw + p->a->n_blocks);
    return jb_pooled_percentile(p->b, p->paired ? p->times_a : p->times_b, p->percentile) / jb_pooled_percentile(p->a, p->times_a, p->percentile);
}

// What block i does to the percentile: how many more of its values lie beyond it than their share (the influence of a quantile: Serfling 1980, section 2.5).
static double *beyond(const struct jb_pooled *p, double percentile)
{
    double *x = calloc(p->n_blocks + 1, sizeof *x), at = jb_pooled_percentile(p, NULL, percentile);
    for (size_t i = 0; x && i < p->n; i++) x[p->block[i]] += p->value[i] > at;
    for (size_t i = 0; x && i < p->n_blocks; i++) x[i] = (x[i] - (1 - percentile) * p->size[i]) / (double)p->n;
    return x;
}

// Takes over a and b. paired: what counts is what the two of a pair do to the ratio together.
static int widening(double *out, double *a, size_t n_a, double *b, size_t n_b, bool paired, double confidence)
{
    bool there = a && b;
    for (size_t i = 0; there && paired && i < n_a; i++) a[i] -= b[i];
    if (there) *out = jb_correlated_widening(a, n_a, paired ? NULL : b, n_b, confidence);
    free(a);
    free(b);
    return there ? 0 : JB_E_NOMEM;
}

int jb_effect_percentile(struct jb_effect *out, const struct jb_pooled *a, const struct jb_pooled *b, double percentile, bool paired, const struct jb_resampling *r)
{
    struct pools p = { a, b, calloc(a->n_blocks + 1, sizeof(uint32_t)), calloc(b->n_blocks + 1, sizeof(uint32_t)), percentile, paired };
    double effect = jb_pooled_percentile(b, NULL, percentile) / jb_pooled_percentile(a, NULL, percentile);
    double widen = 1;
    int rc = p.times_a && p.times_b ? 0 : JB_E_NOMEM;
    if (!rc) rc = widening(&widen, beyond(a, percentile), a->n_blocks, beyond(b, percentile), b->n_blocks, paired, r->confidence);
    if (!rc) rc = resample(out, effect, widen, percentile_ratio, &p, a->n_blocks, paired ? 0 : b->n_blocks, r);
    free(p.times_a);
    free(p.times_b);
    return rc;
}

// ---- sums ----

enum which { EXACT, LEAST, MOST };
struct two_sums { const struct jb_sums *a, *b; bool paired; enum which of_b; };

static double quotient(const struct jb_sums *s, const uint32_t *draw, enum which which)
{
    const double *top = which == EXACT || !s->top_lower ? s->top : which == LEAST ? s->top_lower : s->top_upper;
    double over = 0, under = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t k = draw ? draw[i] : i;
        over += top[k];
        under += s->under[k];
    }
    return over / under;
}

static double sums_ratio(void *user, const uint32_t *draw)
{
    const struct two_sums *t = user;
    const uint32_t *draw_b = !draw ? NULL : t->paired ? draw : draw + t->a->n;
    return quotient(t->b, draw_b, t->of_b) / quotient(t->a, draw, t->of_b == LEAST ? MOST : t->of_b == MOST ? LEAST : EXACT);
}

// What block i does to the quotient, relative (the influence of a ratio of means: Cochran 1977, section 6.3).
static double *residuals(const struct jb_sums *s)
{
    double *x = calloc(s->n + 1, sizeof *x), q = quotient(s, NULL, EXACT), sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += s->top[i];
    for (size_t i = 0; x && i < s->n; i++) x[i] = (s->top[i] - q * s->under[i]) / sum;
    return x;
}

int jb_effect_sums(struct jb_effect *out, const struct jb_sums *a, const struct jb_sums *b, bool paired, const struct jb_resampling *r)
{
    struct two_sums t = { a, b, paired, EXACT };
    struct jb_effect least, most;
    double effect = sums_ratio(&t, NULL);
    size_t n_b = paired ? 0 : b->n;
    double widen = 1;
    int rc = widening(&widen, residuals(a), a->n, residuals(b), b->n, paired, r->confidence);
    if (rc) return rc;
    if (!a->top_lower || !b->top_lower) return resample(out, effect, widen, sums_ratio, &t, a->n, n_b, r);
    t.of_b = LEAST;
    rc = resample(&least, sums_ratio(&t, NULL), widen, sums_ratio, &t, a->n, n_b, r);
    t.of_b = MOST;
    if (!rc) rc = resample(&most, sums_ratio(&t, NULL), widen, sums_ratio, &t, a->n, n_b, r);
    if (rc) return rc;
    *out = (struct jb_effect){ effect, least.lower, most.upper, NAN };
    // The interval excludes 1 only where its near end does: the p-value is that of the end, and 1 where the bounds alone reach over 1.
    const struct jb_effect *near = effect > 1 ? &least : &most;
    out->p = (effect > 1) == (near->effect > 1) && near->effect != 1 ? near->p : isnan(near->p) ? NAN : 1;
    return 0;
}

// ---- the rest ----

size_t jb_starts(const uint32_t *instance, size_t n_pairs)
{
    size_t n = 0;
    for (size_t i = 0; i < n_pairs; i++) n += i == 0 || instance[i] != instance[i - 1];
    return n;
}

size_t jb_batches(const uint32_t *instance, size_t n_pairs, uint32_t *batch)
{
    size_t n = instance ? jb_starts(instance, n_pairs) : 0;
    if (n >= JB_COMPARE_LEAST_BLOCKS) {
        for (size_t i = 0; i < n_pairs; i++) batch[i] = i == 0 ? 0 : batch[i - 1] + (instance[i] != instance[i - 1]);
        return n;
    }
    n = n_pairs < JB_COMPARE_BATCHES ? n_pairs : JB_COMPARE_BATCHES;
    for (size_t i = 0; i < n_pairs; i++) batch[i] = (uint32_t)(i * n / n_pairs);
    return n;
}

// log_b: log of b, a being 1: room that is used up.
static void student(struct jb_effect *out, const double *a, const double *b, double *log_b, size_t n, double confidence)
{
    struct jb_ratio r = jb_paired_ratio(a, b, n, confidence);
    for (size_t i = 0; i < n; i++) log_b[i] = log(b[i]);
    double half = (log(r.upper) - log(r.lower)) / 2 * (isfinite(r.ratio) ? jb_correlated_widening(log_b, n, NULL, 0, confidence) : 1);
    double se = n > 1 ? half / jb_student_t(confidence, (double)n - 1) : NAN;
    *out = (struct jb_effect){ r.ratio, r.ratio * exp(-half), r.ratio * exp(half), NAN };
    if (isfinite(r.ratio) && isfinite(se)) out->p = se > 0 ? student_p(fabs(log(r.ratio)) / se, (double)n - 1) : r.ratio == 1 ? 1 : 0;
}

int jb_effect_pairs(struct jb_effect *out, const double *a, const double *b, const uint32_t *batch, size_t n_pairs, size_t n_batches, double confidence)
{
    double *sum = calloc(3 * n_batches + 1, sizeof *sum), *count = sum ? sum + n_batches : NULL, *ones = sum ? count + n_batches : NULL;
    if (!sum) return JB_E_NOMEM;
    for (size_t i = 0; i < n_pairs; i++) {
        sum[batch[i]] += log(b[i] / a[i]);
        count[batch[i]]++;
    }
    for (size_t i = 0; i < n_batches; i++) {
        ones[i] = 1;
        sum[i] = exp(sum[i] / count[i]);
    }
    student(out, ones, sum, count, n_batches, confidence); // the counts are done with
    free(sum);
    return 0;
}

void jb_effect_proportions(struct jb_effect *out, uint64_t k_a, uint64_t n_a, uint64_t k_b, uint64_t n_b, double confidence)
{
    double z = jb_normal_quantile(0.5 + confidence / 2);
    *out = (struct jb_effect){ NAN, NAN, NAN, NAN };
    if (!n_a || !n_b || k_a > n_a || k_b > n_b || isnan(z)) return;
    double a = (double)k_a / (double)n_a, b = (double)k_b / (double)n_b, both = (double)(k_a + k_b) / (double)(n_a + n_b);
    struct jb_interval x = jb_wilson(k_a, n_a, z), y = jb_wilson(k_b, n_b, z);
    double variance = both * (1 - both) * (1 / (double)n_a + 1 / (double)n_b);
    *out = (struct jb_effect){ b - a, b - a - hypot(b - y.lower, x.upper - a), b - a + hypot(y.upper - b, a - x.lower), variance > 0 ? 2 * jb_normal_cdf(-fabs(b - a) / sqrt(variance)) : 1 };
}
