// Distributions, paired answers, many tests.
#include "base/infer.h"
#include "base/err.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define SQRT_2 1.4142135623730950488
#define SQRT_2PI 2.5066282746310005024

double jb_normal_cdf(double z) { return 0.5 * erfc(-z / SQRT_2); }

double jb_normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01, -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
    if (!(p > 0 && p < 1)) return NAN;
    double low = p < 0.5 ? p : 1 - p, x;
    if (low < 0.02425) {
        double q = sqrt(-2 * log(low));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) / ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    } else {
        double q = low - 0.5, r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q / (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
    }
    for (int i = 0; i < 2; i++) { // Halley's step on the error of the tail
        double e = jb_normal_cdf(x) - low, u = e * SQRT_2PI * exp(x * x / 2);
        x -= u / (1 + x * u / 2);
    }
    return p < 0.5 ? x : -x;
}

double jb_binomial_cdf(uint64_t k, uint64_t n, double p)
{
    if (!(p >= 0 && p <= 1)) return NAN;
    if (k >= n) return 1;
    if (p <= 0) return 1;
    if (p >= 1) return 0;
    return jb_beta_inc((double)(n - k), (double)k + 1, 1 - p);
}

double jb_mcnemar(uint64_t b, uint64_t c)
{
    uint64_t n = b + c, least = b < c ? b : c;
    if (n == 0) return 1;
    double p = 2 * jb_binomial_cdf(least, n, 0.5);
    return p < 1 ? p : 1;
}

// ---- groups ----

double jb_student_tail(double t, double df)
{
    if (isnan(t)) return NAN;
    double half = isinf(t) ? 0 : jb_beta_inc(df / 2, 0.5, df / (df + t * t)) / 2;
    return t >= 0 ? half : 1 - half;
}

static double sum_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

struct jb_grouped jb_grouped_difference(const double *top_a, const double *under_a, const double *top_b, const double *under_b, size_t m, double confidence)
{
    struct jb_grouped g = { NAN, NAN, NAN, NAN, NAN, NAN, m };
    double n_a = sum_of(under_a, m), n_b = sum_of(under_b, m), squares = 0;
    if (m < 2 || !(n_a > 0) || !(n_b > 0)) return g;
    g.a = sum_of(top_a, m) / n_a;
    g.b = sum_of(top_b, m) / n_b;
    g.difference = g.b - g.a;
    for (size_t i = 0; i < m; i++) {
        double influence = (top_b[i] - g.b * under_b[i]) / n_b - (top_a[i] - g.a * under_a[i]) / n_a; // these sum to 0
        squares += influence * influence;
    }
    double df = (double)(m - 1), error = sqrt(squares * (double)m / df), half = jb_student_t(confidence, df) * error;
    g.lower = g.difference - half;
    g.upper = g.difference + half;
    g.p = error > 0 ? fmin(1, 2 * jb_student_tail(fabs(g.difference) / error, df)) : g.difference == 0 ? 1 : 0;
    return g;
}

// ---- Tango's score ----

// The standardised score of H0: p2 - p1 = delta (his equations 5 to 7; x = c, y = b in the sense of a difference c - b).
static double tango_score(double b, double c, double n, double delta)
{
    double B = -c - b + (2 * n - c + b) * delta, C = -b * delta * (1 - delta);
    double q = (sqrt(fmax(B * B - 8 * n * C, 0)) - B) / (4 * n); // restricted estimate of the chance of "only in the first"
    double variance = n * (2 * q + delta * (1 - delta));
    double difference = c - b - n * delta;
    if (variance <= 0) return difference == 0 ? 0 : difference > 0 ? INFINITY : -INFINITY;
    return difference / sqrt(variance);
}

// The delta at which the score is z: it falls as delta rises.
static double tango_bound(double b, double c, double n, double z)
{
    double low = -1, high = 1;
    for (int i = 0; i < 200 && high - low > 1e-12; i++) {
        double mid = (low + high) / 2;
        if (tango_score(b, c, n, mid) > z) low = mid;
        else high = mid;
    }
    return (low + high) / 2;
}

struct jb_interval jb_paired_difference(uint64_t b, uint64_t c, uint64_t n, double confidence)
{
    double z = jb_normal_quantile(0.5 + confidence / 2);
    if (n == 0 || b > n || c > n - b || isnan(z)) return (struct jb_interval){NAN, NAN};
    return (struct jb_interval){tango_bound((double)b, (double)c, (double)n, z), tango_bound((double)b, (double)c, (double)n, -z)};
}

double jb_noninferiority_p(uint64_t b, uint64_t c, uint64_t n, double margin)
{
    if (n == 0 || b > n || c > n - b || !(margin >= 0 && margin < 1)) return NAN;
    return jb_normal_cdf(-tango_score((double)b, (double)c, (double)n, -margin));
}

// ---- Holm ----

struct ranked { double p; size_t i; };

static int by_p(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    return (a->p > b->p) - (a->p < b->p);
}

int jb_holm(const double *p, size_t n, double *adjusted)
{
    struct ranked *r = malloc((n + 1) * sizeof *r);
    size_t m = 0;
    double running = 0;
    if (!r) return JB_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        adjusted[i] = NAN;
        if (!isnan(p[i])) r[m++] = (struct ranked){p[i], i};
    }
    qsort(r, m, sizeof *r, by_p);
    for (size_t k = 0; k < m; k++) {
        running = fmax(running, fmin(1, (double)(m - k) * r[k].p));
        adjusted[r[k].i] = running;
    }
    free(r);
    return JB_OK;
}
