// Statistics. Every formula cites its source; every function is tested against known answers.
#ifndef JB_BASE_STATS_H
#define JB_BASE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jb_interval { double lower, upper; };

double jb_mean(const double *x, size_t n); // NAN for n = 0
// Sorts in place. 64-bit integer samples, ascending.
void jb_sort_u64(uint64_t *x, size_t n);
void jb_sort_f64(double *x, size_t n);
// Percentile by the nearest-rank rule on a SORTED array: x[ceil(p*n)-1] (Hyndman & Fan 1996, definition 1). 0 < p <= 1, n > 0.
uint64_t jb_percentile_u64(const uint64_t *sorted, size_t n, double p);
double jb_median_f64(double *x, size_t n); // reorders x; mean of the two middle values for even n
// Wilson score interval of a proportion k/n (Wilson 1927). z = 1.96 for 95 %.
struct jb_interval jb_wilson(uint64_t k, uint64_t n, double z);
// LoadGen early stopping (MLPerf inference "early stopping", c = 0.99, d = 0): least number of queries that supports percentile p when the
// t-1 slowest are discarded: smallest h+t such that I_{1-p}(t, h+1)... = P(<= t over-latency in h+t | p) <= 1-c. Known answers for t = 1: p90 64, p95 130, p97 219,
// p99 662, p99.9 6636. Returns 0 when p is not in (0, 1).
uint64_t jb_early_stopping_min_queries(double p, uint64_t t);
// The largest t for which n queries suffice (0: none): the reported percentile is then sorted[n - t].
uint64_t jb_early_stopping_t(double p, uint64_t n);
// Regularised incomplete beta function I_x(a, b) (Lentz's continued fraction; DLMF 8.17.22).
double jb_beta_inc(double a, double b, double x);
// The t with P(|T| <= t) = confidence for Student's T (Student 1908; the tail is a beta function: DLMF 8.17, Abramowitz & Stegun 26.7.1). NAN unless 0 < confidence < 1 and df > 0.
double jb_student_t(double confidence, double df);
// 95 % interval of the mean of n independent, about normal values: mean -+ t s / sqrt(n). Bounds NAN for n < 2 or values that are not finite.
struct jb_interval jb_mean_ci95(const double *x, size_t n);
// Convex-hull upper-left envelope for (cost, value) points: minimal cost, maximal value. Writes indices by rising cost into out (room for n), returns their count.
// (Andrew's monotone chain 1979, upper hull; dominated points are left out.)
size_t jb_hull_upper(const double *cost, const double *value, size_t n, size_t *out);
// Cost on that hull at a value, by linear interpolation (a mixture of two settings); NAN above the hull's best value; the cheapest point's cost below its least.
double jb_hull_cost_at(const double *cost, const double *value, const size_t *hull, size_t n_hull, double at_value);
// Pareto front (not hull): indices by rising cost of points that no other point dominates.
size_t jb_pareto(const double *cost, const double *value, size_t n, size_t *out);

#endif
