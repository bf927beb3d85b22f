// p-values against a margin.
#include "harness/gate_parts.h"

#include <math.h>

static double distance(double effect, double end, double to, double quantile)
{
    double se = fabs(effect - end) / quantile;
    return se > 0 ? (effect - to) / se : effect > to ? INFINITY : effect < to ? -INFINITY : 0;
}

static struct jb_gate_p of_ratio(const struct jb_compared_metric *m, double margin, double confidence)
{
    uint64_t n = m->n_baseline < m->n_candidate ? m->n_baseline : m->n_candidate;
    double df = n > 1 ? (double)(n - 1) : 1, t = jb_student_t(confidence, df), effect = log(m->effect), to = log1p(margin);
    if (m->higher_is_better) return (struct jb_gate_p){ NAN, NAN }; // there is no such ratio
    return (struct jb_gate_p){ jb_student_tail(distance(effect, log(m->lower), to, t), df), jb_student_tail(-distance(effect, log(m->upper), to, t), df) };
}

bool jb_gate_discordant(const struct jb_compared_metric *m, double confidence, uint64_t *only_baseline, uint64_t *only_candidate)
{
    uint64_t n = m->n_baseline;
    if (!n || n != m->n_candidate || n > 100000000 || !isfinite(m->effect) || !isfinite(m->lower)) return false;
    double k = m->effect * (double)n;
    if (fabs(k) > (double)n || fabs(k - round(k)) > 1e-4) return false;
    uint64_t gap = (uint64_t)fabs(round(k)), low = 0, high = (n - gap) / 2; // pairs of one each way beyond the gap: the interval widens with every one
    while (low < high) {
        uint64_t mid = (low + high) / 2, b = mid + (k < 0 ? gap : 0), c = mid + (k > 0 ? gap : 0);
        if (jb_paired_difference(b, c, n, confidence).lower <= m->lower + 1e-9) high = mid;
        else low = mid + 1;
    }
    *only_baseline = low + (k < 0 ? gap : 0);
    *only_candidate = low + (k > 0 ? gap : 0);
    return fabs(jb_paired_difference(*only_baseline, *only_candidate, n, confidence).lower - m->lower) <= 1e-8;
}

// Shares of answers that come in groups: Student's interval over the groups, read backwards.
static struct jb_gate_p of_groups(const struct jb_compared_metric *m, double margin, double confidence)
{
    double df = m->n_baseline > 1 ? (double)(m->n_baseline - 1) : 1, t = jb_student_t(confidence, df);
    return (struct jb_gate_p){ jb_student_tail(-distance(m->effect, m->upper, -margin, t), df), jb_student_tail(distance(m->effect, m->lower, -margin, t), df) };
}

static struct jb_gate_p of_difference(const struct jb_compared_metric *m, double margin, double confidence)
{
    uint64_t b, c;
    if (m->grouped) return of_groups(m, margin, confidence);
    double z = jb_normal_quantile(0.5 + confidence / 2);
    if (!jb_gate_discordant(m, confidence, &b, &c)) // two independent proportions: the interval read backwards
        return (struct jb_gate_p){ jb_normal_cdf(distance(m->effect, m->upper, -margin, z)), 1 - jb_normal_cdf(distance(m->effect, m->lower, -margin, z)) };
    double better = jb_noninferiority_p(b, c, m->n_baseline, margin), exact = b + c ? jb_binomial_cdf(c, b + c, 0.5) : 1;
    // Counts are whole numbers, and the score is only about normal: for a fail one broken answer is forgiven (a continuity correction, Edwards 1948), without which 1.2 % instead of 1 % fail at the margin.
    double worse = 1 - jb_noninferiority_p(b ? b - 1 : 0, c, m->n_baseline, margin);
    return (struct jb_gate_p){ fmax(worse, exact), better };
}

struct jb_gate_p jb_gate_p_of(const struct jb_compared_metric *m, double margin, double confidence)
{
    if (!isfinite(m->effect) || !isfinite(m->lower) || !isfinite(m->upper)) return (struct jb_gate_p){ NAN, NAN };
    return m->is_difference ? of_difference(m, margin, confidence) : of_ratio(m, margin, confidence);
}
