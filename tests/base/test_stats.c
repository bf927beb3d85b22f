// Statistics against known answers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/stats.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static void mean_and_median(void **state)
{
    (void)state;
    double x[] = {3, 1, 2}, y[] = {4, 1, 3, 2}, huge[] = {1.7e308, 1.7e308};
    assert_true(isnan(jb_mean(x, 0)));
    near(jb_mean(x, 3), 2, 0);
    near(jb_median_f64(x, 3), 2, 0);
    near(jb_median_f64(y, 4), 2.5, 0);
    near(jb_median_f64(huge, 2), 1.7e308, 0);
    assert_true(isnan(jb_median_f64(x, 0)));
}

static void sorting_is_total(void **state)
{
    (void)state;
    uint64_t u[] = {UINT64_MAX, 0, 5, (uint64_t)INT64_MAX + 1, 5};
    jb_sort_u64(u, 5);
    for (int i = 1; i < 5; i++) assert_true(u[i - 1] <= u[i]);
    double f[] = {NAN, 1, -INFINITY, NAN, INFINITY, -1};
    jb_sort_f64(f, 6);
    assert_true(f[0] == -INFINITY && f[1] == -1 && f[2] == 1 && f[3] == INFINITY && isnan(f[4]) && isnan(f[5]));
    jb_sort_u64(NULL, 0);
    jb_sort_f64(NULL, 0);
}

static void percentile_is_nearest_rank(void **state)
{
    (void)state;
    uint64_t x[100];
    for (size_t i = 0; i < 100; i++) x[i] = i + 1;
    for (int percent = 1; percent <= 100; percent++) assert_int_equal(jb_percentile_u64(x, 100, percent / 100.0), percent); // 0.07 * 100 > 7
    assert_int_equal(jb_percentile_u64(x, 5, 0.3), 2); // the textbook example: ceil(1.5)
    assert_int_equal(jb_percentile_u64(x, 5, 1e-9), 1);
    assert_int_equal(jb_percentile_u64(x, 1, 0.999), 1);
    assert_int_equal(jb_percentile_u64(x, 100, 0.991), 100);
}

static void wilson(void **state)
{
    (void)state;
    // R: prop.test(k, n, correct = FALSE)$conf.int, z = qnorm(0.975)
    const double z = 1.959963984540054;
    struct jb_interval i = jb_wilson(81, 263, z);
    near(i.lower, 0.2553, 5e-5);
    near(i.upper, 0.3662, 5e-5); // Newcombe 1998, table I
    i = jb_wilson(15, 148, z);
    near(i.lower, 0.0624, 5e-5);
    near(i.upper, 0.1605, 5e-5);
    i = jb_wilson(0, 20, z);
    assert_true(i.lower == 0);
    near(i.upper, 0.1611, 5e-5);
    i = jb_wilson(29, 29, z);
    near(i.lower, 0.8830, 5e-5);
    assert_true(i.upper == 1);
    i = jb_wilson(0, 0, z);
    assert_true(i.lower == 0 && i.upper == 1);
}

static void beta_known_values(void **state)
{
    (void)state;
    near(jb_beta_inc(1, 1, 0.3), 0.3, 1e-15);
    near(jb_beta_inc(2, 3, 0.5), 0.6875, 1e-14);
    near(jb_beta_inc(0.5, 0.5, 0.25), 1.0 / 3, 1e-13); // 2/pi asin(sqrt(x))
    near(jb_beta_inc(10, 10, 0.5), 0.5, 1e-13);
    near(jb_beta_inc(5, 1, 0.9), pow(0.9, 5), 1e-14);  // I_x(a, 1) = x^a
    near(jb_beta_inc(1, 7, 0.2), 1 - pow(0.8, 7), 1e-14);
    near(jb_beta_inc(1e6, 1e6, 0.5), 0.5, 1e-9);
    assert_true(jb_beta_inc(2, 3, 0) == 0 && jb_beta_inc(2, 3, 1) == 1);
    assert_true(isnan(jb_beta_inc(0, 1, 0.5)) && isnan(jb_beta_inc(1, -1, 0.5)) && isnan(jb_beta_inc(1, 1, NAN)));
}

static void beta_is_the_binomial_tail(void **state)
{
    (void)state;
    // P(X <= k) = I_{1-q}(n - k, k + 1), summed directly.
    for (int n = 1; n <= 40; n += 3) {
        for (int k = 0; k < n; k++) {
            for (double q = 0.05; q < 1; q += 0.15) {
                double sum = 0, term = pow(1 - q, n);
                for (int i = 0; i <= k; i++) {
                    sum += term;
                    term *= (double)(n - i) / (i + 1) * q / (1 - q);
                }
                near(jb_beta_inc(n - k, k + 1, 1 - q), sum, 1e-11);
            }
        }
    }
}

static void early_stopping_as_loadgen(void **state)
{
    (void)state;
    assert_int_equal(jb_early_stopping_min_queries(0.90, 1), 64);
    assert_int_equal(jb_early_stopping_min_queries(0.95, 1), 130);
    assert_int_equal(jb_early_stopping_min_queries(0.97, 1), 219);
    assert_int_equal(jb_early_stopping_min_queries(0.99, 1), 662);
    assert_int_equal(jb_early_stopping_min_queries(0.999, 1), 6636);
    assert_int_equal(jb_early_stopping_min_queries(0.5, 0), 7); // 0.5^7 < 0.01
    assert_int_equal(jb_early_stopping_min_queries(0, 1), 0);
    assert_int_equal(jb_early_stopping_min_queries(1, 1), 0);
    assert_int_equal(jb_early_stopping_min_queries(NAN, 1), 0);
    assert_int_equal(jb_early_stopping_min_queries(1 - 1e-16, 1), 0); // more than can be counted
    assert_true(jb_early_stopping_min_queries(0.999999, 1) > 6600000);
}

static void early_stopping_inverse(void **state)
{
    (void)state;
    static const double ps[] = {0.5, 0.9, 0.97, 0.99, 0.999};
    for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i++) {
        for (uint64_t t = 1; t < 60; t += 7) {
            uint64_t n = jb_early_stopping_min_queries(ps[i], t);
            assert_int_equal(jb_early_stopping_t(ps[i], n), t);
            if (t > 1) assert_int_equal(jb_early_stopping_t(ps[i], n - 1), t - 1);
        }
        assert_int_equal(jb_early_stopping_t(ps[i], jb_early_stopping_min_queries(ps[i], 1) - 1), 0);
    }
    assert_int_equal(jb_early_stopping_t(0.9, 0), 0);
    assert_int_equal(jb_early_stopping_t(0.9, 63), 0);
    assert_int_equal(jb_early_stopping_t(0, 1000), 0);
}

static void hull_and_front(void **state)
{
    (void)state;
    //                      0  1  2  3    4    5  6    7
    const double cost[] =  {1, 2, 3, 4,   4,   8, 9,   NAN};
    const double value[] = {1, 5, 6, 7.5, 6.5, 9, 8.5, 99};
    size_t out[8];
    size_t n = jb_pareto(cost, value, 8, out);
    const size_t front[] = {0, 1, 2, 3, 5};
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) assert_int_equal(out[i], front[i]);
    n = jb_hull_upper(cost, value, 8, out);
    const size_t hull[] = {0, 1, 3, 5}; // 2 lies below the line from 1 to 3
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) assert_int_equal(out[i], hull[i]);
    near(jb_hull_cost_at(cost, value, out, n, 0.5), 1, 0);
    near(jb_hull_cost_at(cost, value, out, n, 3), 1.5, 1e-15);
    near(jb_hull_cost_at(cost, value, out, n, 7.5), 4, 0);
    near(jb_hull_cost_at(cost, value, out, n, 8.25), 6, 1e-15);
    near(jb_hull_cost_at(cost, value, out, n, 9), 8, 0);
    assert_true(isnan(jb_hull_cost_at(cost, value, out, n, 9.01)));
    assert_true(isnan(jb_hull_cost_at(cost, value, out, n, NAN)));
    assert_true(isnan(jb_hull_cost_at(cost, value, out, 0, 1)));
}

static void hull_edges(void **state)
{
    (void)state;
    size_t out[4];
    const double same_cost[] = {2, 2, 2}, same_value[] = {1, 3, 3};
    assert_int_equal(jb_hull_upper(same_cost, same_value, 3, out), 1);
    assert_int_equal(out[0], 1);
    const double line_cost[] = {1, 2, 3}, line_value[] = {1, 2, 3};
    assert_int_equal(jb_hull_upper(line_cost, line_value, 3, out), 2); // the middle of a line adds nothing
    const double infinite[] = {INFINITY, NAN, 1};
    assert_int_equal(jb_hull_upper(infinite, line_value, 3, out), 1);
    assert_int_equal(out[0], 2);
    assert_int_equal(jb_hull_upper(NULL, NULL, 0, out), 0);
}

static void hull_lies_above_everything(void **state)
{
    (void)state;
    struct jb_rng r;
    jb_rng_seed(&r, 5);
    for (int round = 0; round < 200; round++) {
        double cost[40], value[40];
        size_t hull[40];
        for (int i = 0; i < 40; i++) {
            cost[i] = (double)jb_rng_below(&r, 20);
            value[i] = (double)jb_rng_below(&r, 20);
        }
        size_t n = jb_hull_upper(cost, value, 40, hull);
        for (int i = 0; i < 40; i++) assert_true(jb_hull_cost_at(cost, value, hull, n, value[i]) <= cost[i] + 1e-9);
        for (size_t i = 1; i < n; i++) assert_true(cost[hull[i]] > cost[hull[i - 1]] && value[hull[i]] > value[hull[i - 1]]);
    }
}

// Two-sided 95 % and 99 % points of Student's t: Abramowitz & Stegun, table 26.10; df 1 is tan(pi/2 * confidence).
static void student(void **state)
{
    (void)state;
    near(jb_student_t(0.95, 1), tan(acos(-1.0) / 2 * 0.95), 1e-9);
    near(jb_student_t(0.95, 2), 0.95 * sqrt(2 / (1 - 0.95 * 0.95)), 1e-10); // df 2 has a closed form too
    near(jb_student_t(0.95, 4), 2.776445105198, 1e-9);
    near(jb_student_t(0.95, 9), 2.262157162798, 1e-9);
    near(jb_student_t(0.99, 30), 2.749995653567, 1e-9);
    near(jb_student_t(0.95, 1e6), 1.959966, 1e-5);
    assert_true(isnan(jb_student_t(1, 3)) && isnan(jb_student_t(0.95, 0)) && isnan(jb_student_t(NAN, 3)));
    const double x[] = {1, 2, 3, 4, 5};
    struct jb_interval i = jb_mean_ci95(x, 5); // 3 -+ 2.7764 sqrt(2.5 / 5)
    near(i.lower, 3 - 1.963243168, 1e-8);
    near(i.upper, 3 + 1.963243168, 1e-8);
    i = jb_mean_ci95(x, 1);
    assert_true(isnan(i.lower) && isnan(i.upper));
    const double same[] = {7, 7}, bad[] = {1, NAN};
    i = jb_mean_ci95(same, 2);
    assert_true(i.lower == 7 && i.upper == 7);
    assert_true(isnan(jb_mean_ci95(bad, 2).lower));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_median), cmocka_unit_test(sorting_is_total), cmocka_unit_test(percentile_is_nearest_rank), cmocka_unit_test(wilson),
        cmocka_unit_test(beta_known_values), cmocka_unit_test(student), cmocka_unit_test(beta_is_the_binomial_tail), cmocka_unit_test(early_stopping_as_loadgen),
        cmocka_unit_test(early_stopping_inverse), cmocka_unit_test(hull_and_front), cmocka_unit_test(hull_edges), cmocka_unit_test(hull_lies_above_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
