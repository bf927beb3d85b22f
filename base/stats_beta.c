// The incomplete beta function and LoadGen's early stopping, which is a binomial tail and so a beta function.
#include "base/stats.h"

#include <float.h>
#include <math.h>

// Continued fraction of I_x(a, b) (DLMF 8.17.22), by Lentz's method as modified by Thompson & Barnett 1986.
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    // It needs in the order of sqrt(max(a, b)) rounds; the limit only ends hostile arguments.
    for (int m = 1; m < 1000000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 + even * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = 1 + even / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + odd * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = 1 + odd / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 4 * DBL_EPSILON) break;
    }
    return h;
}

static double log_gamma(double x)
{
    int sign; // lgamma keeps it in a global
    return lgamma_r(x, &sign);
}

double jb_beta_inc(double a, double b, double x)
{
    if (!(a > 0) || !(b > 0) || isnan(x)) return NAN;
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

// P(|T| > t) = I_{df / (df + t^2)}(df / 2, 1 / 2), which falls as t rises: halving finds t.
double jb_student_t(double confidence, double df)
{
    if (!(confidence > 0 && confidence < 1 && df > 0)) return NAN;
    double low = 0, high = 1;
    while (jb_beta_inc(df / 2, 0.5, df / (df + high * high)) > 1 - confidence && high < 1e150) high *= 2;
    for (int i = 0; i < 100; i++) {
        double t = low + (high - low) / 2;
        if (jb_beta_inc(df / 2, 0.5, df / (df + t * t)) > 1 - confidence)
            low = t;
        else
            high = t;
    }
    return low + (high - low) / 2;
}

struct jb_interval jb_mean_ci95(const double *x, size_t n)
{
    struct jb_interval unknown = {NAN, NAN};
    if (n < 2) return unknown;
    double mean = jb_mean(x, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    double half = jb_student_t(0.95, (double)(n - 1)) * sqrt(squares / (double)(n - 1) / (double)n);
    return isfinite(half) && isfinite(mean) ? (struct jb_interval){mean - half, mean + half} : unknown;
}

// P(at most t of n queries are over-latency), when a query is within it with probability p: I_p(n - t, t + 1).
static double tail(uint64_t n, uint64_t t, double p)
{
    return n <= t ? 1 : jb_beta_inc((double)(n - t), (double)t + 1, p);
}

#define EARLY_STOPPING_DOUBT 0.01 // 1 - c

uint64_t jb_early_stopping_min_queries(double p, uint64_t t)
{
    if (!(p > 0 && p < 1)) return 0;
    const uint64_t limit = (uint64_t)1 << 52; // beyond it a double no longer counts queries
    if (t >= limit) return 0;
    uint64_t low = t, high = t + 1; // tail(low) is too large, tail(high) to be found small enough
    while (tail(high, t, p) > EARLY_STOPPING_DOUBT) {
        if (high >= limit) return 0;
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (tail(middle, t, p) > EARLY_STOPPING_DOUBT)
            low = middle;
        else
            high = middle;
    }
    return high;
}

uint64_t jb_early_stopping_t(double p, uint64_t n)
{
    if (!(p > 0 && p < 1) || n < 2 || tail(n, 1, p) > EARLY_STOPPING_DOUBT) return 0;
    uint64_t low = 1, high = n; // low suffices, high does not: the tail grows with t
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (tail(n, middle, p) > EARLY_STOPPING_DOUBT)
            high = middle;
        else
            low = middle;
    }
    return low;
}
