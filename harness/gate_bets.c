// The sequential judge of a gate.
#include "harness/gate.h"

#include <math.h>

void jb_gate_bets_open(struct jb_gate_bets *b, double margin)
{
    jb_sign_bet_open(&b->worse, log1p(margin));
    jb_sign_bet_open(&b->better, -log1p(margin));
}

void jb_gate_bets_add(struct jb_gate_bets *b, double log_ratio)
{
    jb_sign_bet_add(&b->worse, log_ratio);
    jb_sign_bet_add(&b->better, -log_ratio);
}

// Both at once is an error of one of them; the fail's level is the smaller one.
enum jb_verdict jb_gate_bets_verdict(const struct jb_gate_bets *b, double fail_level, double pass_level)
{
    if (jb_sign_bet_p(&b->worse) <= fail_level) return JB_VERDICT_FAIL;
    if (jb_sign_bet_p(&b->better) <= pass_level) return JB_VERDICT_PASS;
    return JB_VERDICT_INCONCLUSIVE;
}

// p of H0 "median <= at" of sign * log_ratio.
static double p_at(const double *log_ratio, size_t n, double sign, double at)
{
    struct jb_sign_bet b;
    jb_sign_bet_open(&b, at);
    for (size_t i = 0; i < n; i++) jb_sign_bet_add(&b, sign * log_ratio[i]);
    return jb_sign_bet_p(&b);
}

// The largest median of sign * log_ratio that is rejected as an upper limit: it falls with the median asked about, as every sign does. -INFINITY: none is.
static double lower_end(const double *log_ratio, size_t n, double sign, double level)
{
    enum { STEPS = 40 };
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, sign * log_ratio[i]);
        high = fmax(high, sign * log_ratio[i]);
    }
    low -= 1e-9; // below all: every sign is +
    if (!n || p_at(log_ratio, n, sign, low) > level) return -INFINITY;
    for (int i = 0; i < STEPS; i++) {
        double mid = low + (high - low) / 2;
        if (p_at(log_ratio, n, sign, mid) <= level) low = mid;
        else high = mid;
    }
    return low;
}

struct jb_interval jb_gate_bets_interval(const double *log_ratio, size_t n, double confidence)
{
    double level = (1 - confidence) / 2;
    return (struct jb_interval){ lower_end(log_ratio, n, 1, level), -lower_end(log_ratio, n, -1, level) };
}
