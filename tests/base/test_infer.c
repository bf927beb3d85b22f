// Known answers, and the promises of intervals and tests on simulated data of known truth.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include "base/infer.h"

static void near(double x, double expected, double tolerance)
{
    if (!(fabs(x - expected) <= tolerance)) fail_msg("%.12g, expected %.12g", x, expected);
}

static void normal_and_binomial(void **state)
{
    (void)state;
    near(jb_normal_quantile(0.975), 1.959963984540054, 1e-13);
    near(jb_normal_quantile(1e-10), -6.361340902404056, 1e-11);
    near(jb_normal_quantile(0.5), 0, 1e-15);
    assert_true(isnan(jb_normal_quantile(0)) && isnan(jb_normal_quantile(1)) && isnan(jb_normal_quantile(NAN)));
    for (double z = -6; z < 6; z += 0.37) near(jb_normal_quantile(jb_normal_cdf(z)), z, 1e-8);
    near(jb_binomial_cdf(3, 10, 0.5), 0.171875, 1e-14);
    near(jb_binomial_cdf(0, 7, 0.1), 0.4782969, 1e-13);
    near(jb_binomial_cdf(10, 10, 0.3), 1, 0);
}

// The other side's figures: restricted likelihood maximised numerically (not by Tango's closed form), bisected; Python.
static void paired_answers(void **state)
{
    (void)state;
    near(jb_mcnemar(5, 15), 0.04138946533203125, 1e-13);
    near(jb_mcnemar(15, 5), jb_mcnemar(5, 15), 0);
    near(jb_mcnemar(0, 0), 1, 0);
    near(jb_mcnemar(7, 7), 1, 0);
    const struct { uint64_t b, c, n; double lower, upper; } cases[] = {
        {10, 2, 50, -0.30050481060, -0.02805799521}, {2, 10, 50, 0.02805799520, 0.30050481075}, {0, 0, 30, -0.11351339317, 0.11351339317},
        {21, 33, 10000, -0.00024899392, 0.00272755373}, {5, 0, 40, -0.26112119839, -0.02642570202},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jb_interval v = jb_paired_difference(cases[i].b, cases[i].c, cases[i].n, 0.95);
        near(v.lower, cases[i].lower, 1e-8);
        near(v.upper, cases[i].upper, 1e-8);
    }
    near(jb_noninferiority_p(21, 33, 10000, 0.001), 0.001899778943, 1e-9);
    assert_true(isnan(jb_paired_difference(3, 3, 5, 0.95).lower) && isnan(jb_paired_difference(0, 0, 0, 0.95).lower));
}

// Where every group has one answer it is Student's paired test; the other side's figures: the density integrated numerically; Python.
static void groups_of_one(void **state)
{
    (void)state;
    const double a[] = { 2.1, 3.4, 1.9, 5.0, 4.2, 3.3 }, b[] = { 2.6, 3.1, 2.5, 5.9, 4.4, 4.1 }, one[] = { 1, 1, 1, 1, 1, 1 };
    struct jb_grouped g = jb_grouped_difference(a, one, b, one, 6, 0.95);
    near(g.difference, 0.45, 1e-12);
    near(g.p, 0.0547473120, 1e-9);
    near(g.lower, -0.0134182308, 1e-9);
    near(g.upper, 0.9134182308, 1e-9);
    near(jb_student_tail(2.0, 10), 0.036694017385, 1e-11);
    near(jb_student_tail(-2.0, 10), 1 - 0.036694017385, 1e-11);
    near(jb_student_tail(INFINITY, 3), 0, 0);
    assert_true(isnan(jb_grouped_difference(a, one, b, one, 1, 0.95).p));
    const double none[6] = { 0 };
    assert_true(isnan(jb_grouped_difference(a, none, b, one, 6, 0.95).difference));
    g = jb_grouped_difference(a, one, a, one, 6, 0.95);
    assert_true(g.difference == 0 && g.p == 1 && g.lower == 0 && g.upper == 0);
}

struct texts { double top[2][64], under[64]; uint64_t only_a, only_b, n; };

// Queries of 20 to 120 tokens; in each, how many tokens of one side alone are right depends on the query, with the same chances for both: what a query is about makes one side good or bad at all of it.
static void write_texts(struct texts *t, size_t m, double shift, struct jb_rng *rng)
{
    t->only_a = t->only_b = t->n = 0;
    for (size_t i = 0; i < m; i++) {
        double lean = 0.08 * jb_rng_normal(rng);
        t->under[i] = 20 + (double)jb_rng_below(rng, 101);
        t->top[0][i] = t->top[1][i] = 0;
        for (int k = 0; k < (int)t->under[i]; k++) {
            double u = jb_rng_unit(rng), a = 0.1 - lean / 2, b = 0.1 + lean / 2 + shift;
            bool only_a = u < a, only_b = !only_a && u < a + b, both = !only_a && !only_b && u < 0.5;
            t->top[0][i] += only_a || both;
            t->top[1][i] += only_b || both;
            t->only_a += only_a;
            t->only_b += only_b;
        }
        t->n += (uint64_t)t->under[i];
    }
}

static void groups_cover(void **state)
{
    (void)state;
    enum { TIMES = 2000, M = 24 };
    struct jb_rng rng;
    struct texts t;
    int covered = 0, found = 0, false_alarms = 0, mcnemar = 0;
    jb_rng_seed(&rng, 6);
    for (int i = 0; i < TIMES; i++) {
        write_texts(&t, M, 0, &rng);
        struct jb_grouped g = jb_grouped_difference(t.top[0], t.under, t.top[1], t.under, M, 0.95);
        covered += g.lower <= 0 && g.upper >= 0;
        false_alarms += g.p <= 0.05;
        mcnemar += jb_mcnemar(t.only_a, t.only_b) <= 0.05;
        write_texts(&t, M, 0.1, &rng);
        found += jb_grouped_difference(t.top[0], t.under, t.top[1], t.under, M, 0.95).p <= 0.05;
    }
    assert_true(covered >= 0.93 * TIMES && covered <= 0.97 * TIMES);
    assert_int_equal(covered + false_alarms, TIMES);
    assert_true(mcnemar > 0.12 * TIMES); // what counting tokens as samples would say
    assert_true(found > 0.8 * TIMES);
}

static void holm(void **state)
{
    (void)state;
    const double p[] = {0.01, 0.04, NAN, 0.03, 0.005}, expected[] = {0.03, 0.06, NAN, 0.06, 0.02};
    double adjusted[5];
    assert_int_equal(jb_holm(p, 5, adjusted), 0);
    for (int i = 0; i < 5; i++)
        if (isnan(expected[i])) assert_true(isnan(adjusted[i]));
        else near(adjusted[i], expected[i], 1e-15);
    const double large[] = {0.9, 0.8};
    assert_int_equal(jb_holm(large, 2, adjusted), 0);
    near(adjusted[0], 1, 0);
}

// ---- blocks ----

struct means { const double *a, *b; size_t n_a; };

static double ratio_of_means(void *user, const uint32_t *draw, size_t n)
{
    const struct means *m = user;
    double a = 0, b = 0;
    for (size_t i = 0; i < m->n_a; i++) a += m->a[draw[i]];
    for (size_t i = m->n_a; i < n; i++) b += m->b[draw[i]];
    return (b / (double)(n - m->n_a)) / (a / (double)m->n_a);
}

// Latencies of blocks: about normal, with an outlier now and then, or of two modes.
static double block_mean(struct jb_rng *rng, int kind)
{
    double x = 100 + 2 * jb_rng_normal(rng);
    if (kind == 1 && jb_rng_unit(rng) < 0.1) x += 20 * jb_rng_unit(rng);
    if (kind == 2 && jb_rng_unit(rng) < 0.5) x += 6;
    return x;
}

// 95 % intervals from 12 blocks each cover; short form of `make trust`: 600 repetitions, so the limit leaves room for chance (0.93 less 3 standard errors).
static void bootstrap_covers(void **state)
{
    (void)state;
    const double truth[] = {1, 1, 1};
    for (int kind = 0; kind < 3; kind++) {
        struct jb_rng rng;
        jb_rng_seed(&rng, 77 + (uint64_t)kind);
        int covered = 0, repetitions = 600;
        for (int r = 0; r < repetitions; r++) {
            double a[12], b[12];
            struct means m = {a, b, 12};
            struct jb_interval v;
            for (int i = 0; i < 12; i++) a[i] = block_mean(&rng, kind), b[i] = block_mean(&rng, kind);
            assert_int_equal(jb_block_bootstrap_2(ratio_of_means, &m, 12, 12, 0.95, 400, &rng, &v), 0);
            covered += v.lower <= truth[kind] && truth[kind] <= v.upper;
        }
        if (covered < 0.90 * repetitions) fail_msg("kind %d: %d of %d covered", kind, covered, repetitions);
        if (covered == repetitions) fail_msg("kind %d: intervals that always cover are too wide", kind);
    }
}

// A first-order autoregression under white noise: what is true of neighbours is not all that is true.
static void draw_series(struct jb_rng *rng, double *x, size_t n, double r, double share)
{
    double z = jb_rng_normal(rng);
    for (size_t i = 0; i < n; i++) {
        z = r * z + sqrt(1 - r * r) * jb_rng_normal(rng);
        x[i] = sqrt(share) * z + sqrt(1 - share) * jb_rng_normal(rng);
    }
}

static double student_half(const double *a, const double *b, size_t n)
{
    struct jb_interval x = jb_mean_ci95(a, n), y = jb_mean_ci95(b, n);
    return hypot(x.upper - x.lower, y.upper - y.lower) / 2;
}

static void correlated_blocks_cover(void **state)
{
    (void)state;
    static const struct { size_t n; double r, share; } kind[] = {{10, 0, 1}, {18, 0.3, 1}, {18, 0.6, 1}, {40, 0.6, 0.5}, {80, 0.6, 0.5}, {80, 0.8, 1}, {200, 0, 1}};
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        struct jb_rng rng;
        double a[200], b[200], widest = 0;
        int covered = 0, naive = 0, repetitions = 1000;
        jb_rng_seed(&rng, 5 + k);
        for (int i = 0; i < repetitions; i++) {
            draw_series(&rng, a, kind[k].n, kind[k].r, kind[k].share);
            draw_series(&rng, b, kind[k].n, kind[k].r, kind[k].share);
            double off = fabs(jb_mean(b, kind[k].n) - jb_mean(a, kind[k].n)), half = student_half(a, b, kind[k].n), widen = jb_correlated_widening(a, kind[k].n, b, kind[k].n, 0.95);
            assert_true(widen >= 1);
            naive += off <= half;
            covered += off <= half * widen;
            widest = fmax(widest, widen);
        }
        if (covered < 920) fail_msg("kind %zu: %d of %d covered", k, covered, repetitions);
        if (kind[k].r > 0.5 && naive > 900) fail_msg("kind %zu: correlation does no harm (%d)", k, naive);
        if (kind[k].n == 200 && widest > 2) fail_msg("independent blocks were widened %g times", widest);
    }
}

static void widening_of_known_series(void **state)
{
    (void)state;
    double flat[8] = {3, 3, 3, 3, 3, 3, 3, 3}, turns[8] = {1, -1, 1, -1, 1, -1, 1, -1}, step[8] = {1, 1, 1, 1, -1, -1, -1, -1};
    assert_true(jb_correlated_widening(flat, 8, NULL, 0, 0.95) == 1);
    assert_true(jb_correlated_widening(turns, 8, NULL, 0, 0.95) == 1);
    assert_true(jb_correlated_widening(step, 5, NULL, 0, 0.95) == 1); // too short to tell
    // r = 5 / 8, corrected (8 r + 1) / 4 = 1.5, at most 0.7: 8 * 0.3 / 1.7 blocks, at least 4
    near(jb_correlated_widening(step, 8, NULL, 0, 0.95), sqrt(17 / 3.0 * (1 - 1 / 8.0) / (1 - 1 / 4.0)) * jb_student_t(0.95, 3) / jb_student_t(0.95, 7), 1e-9);
    near(jb_correlated_widening(step, 8, step, 8, 0.95), jb_correlated_widening(step, 8, NULL, 0, 0.95), 1e-9);
}

static void bootstrap_refuses(void **state)
{
    (void)state;
    struct jb_rng rng;
    double a[12] = {1, 2, 3, 4};
    struct means m = {a, a, 4};
    struct jb_interval v;
    jb_rng_seed(&rng, 1);
    assert_int_equal(jb_block_bootstrap_2(ratio_of_means, &m, 4, 4, 0.95, 400, &rng, &v), 0);
    assert_true(isnan(v.lower) && isnan(v.upper));
}

static void paired_ratio(void **state)
{
    (void)state;
    const double a[] = {100, 110, 90, 100}, b[] = {103, 113.3, 92.7, 103};
    struct jb_ratio r = jb_paired_ratio(a, b, 4, 0.95);
    near(r.ratio, 1.03, 1e-12);
    near(r.upper - r.lower, 0, 1e-9);
    const double c[] = {101, 120, 91, 99};
    r = jb_paired_ratio(a, c, 4, 0.95);
    assert_true(r.lower < 1.02 && r.upper > 1.03);
    assert_true(isnan(jb_paired_ratio(a, b, 1, 0.95).lower));
    const double zero[] = {0, 1, 1, 1};
    assert_true(isnan(jb_paired_ratio(zero, b, 4, 0.95).ratio));
}

// ---- bets ----

// Looked at after every pair, 400 pairs, heavy tails: rejected at 1 % in about 1 % of runs at most; a shift is found.
static void bets_hold_under_peeking(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 5);
    int false_alarms = 0, found = 0, runs = 3000;
    for (int r = 0; r < runs; r++) {
        struct jb_sign_bet equal, slower;
        jb_sign_bet_open(&equal, 0);
        jb_sign_bet_open(&slower, 0);
        for (int i = 0; i < 400; i++) {
            double noise = 0.02 * jb_rng_normal(&rng) / (0.05 + jb_rng_unit(&rng));
            jb_sign_bet_add(&equal, noise);
            jb_sign_bet_add(&slower, noise + 0.02);
        }
        false_alarms += jb_sign_bet_p(&equal) <= 0.01;
        found += jb_sign_bet_p(&slower) <= 0.01;
    }
    if (false_alarms > 45) fail_msg("%d false alarms in %d", false_alarms, runs); // 30 expected at most; 45 is beyond 2.7 standard errors
    if (found < runs * 9 / 10) fail_msg("found %d of %d", found, runs);
}

static void change_points(void **state)
{
    (void)state;
    double step[20], flat[20];
    size_t at;
    for (int i = 0; i < 20; i++) step[i] = i < 8 ? 10 + 0.1 * i : 5 - 0.1 * (i % 3), flat[i] = (i * 7919) % 13;
    assert_true(jb_change_point(step, 20, &at) < 0.01);
    assert_int_equal(at, 8);
    assert_true(jb_change_point(flat, 20, &at) > 0.2);
    assert_true(isnan(jb_change_point(flat, 7, &at)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_and_binomial), cmocka_unit_test(paired_answers), cmocka_unit_test(groups_of_one), cmocka_unit_test(groups_cover), cmocka_unit_test(holm), cmocka_unit_test(bootstrap_covers), cmocka_unit_test(correlated_blocks_cover), cmocka_unit_test(widening_of_known_series), cmocka_unit_test(bootstrap_refuses),
        cmocka_unit_test(paired_ratio), cmocka_unit_test(bets_hold_under_peeking), cmocka_unit_test(change_points),
    };
    return cmocka_run_group_tests_name("infer", tests, NULL, NULL);
}
