#include "base/stats.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

double jb_mean(const double *x, size_t n)
{
    if (n == 0) return NAN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// A total order: NAN stands behind everything else.
static int compare_f64(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

void jb_sort_u64(uint64_t *x, size_t n)
{
    if (n > 1) qsort(x, n, sizeof *x, compare_u64);
}

void jb_sort_f64(double *x, size_t n)
{
    if (n > 1) qsort(x, n, sizeof *x, compare_f64);
}

uint64_t jb_percentile_u64(const uint64_t *sorted, size_t n, double p)
{
    assert(n > 0 && p > 0 && p <= 1);
    // 0.07 * 100 is a little above 7 in binary: take back the rounding before ceil does its work.
    double rank = ceil(p * (double)n * (1 - 4 * DBL_EPSILON));
    size_t k = rank < 1 ? 1 : (size_t)rank;
    return sorted[(k > n ? n : k) - 1];
}

double jb_median_f64(double *x, size_t n)
{
    if (n == 0) return NAN;
    jb_sort_f64(x, n);
    return n % 2 ? x[n / 2] : x[n / 2 - 1] / 2 + x[n / 2] / 2; // halves first: no overflow
}

// Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
struct jb_interval jb_wilson(uint64_t k, uint64_t n, double z)
{
    if (n == 0 || k > n) return (struct jb_interval){0, 1};
    double p = (double)k / (double)n, zz = z * z / (double)n;
    double center = (p + zz / 2) / (1 + zz);
    double half = z / (1 + zz) * sqrt(p * (1 - p) / (double)n + zz / (4 * (double)n));
    // At the ends the formula gives 0 and 1 exactly; rounding must not step over them.
    struct jb_interval i = {k == 0 ? 0 : fmax(0, center - half), k == n ? 1 : fmin(1, center + half)};
    return i;
}
