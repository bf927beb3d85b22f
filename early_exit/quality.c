// How far the confidence of an exit can be trusted: calibration error, ranking, temperature.
#include <math.h>
#include <stdlib.h>
#include "early_exit/calibrate.h"

#define ECE_BINS 15

static bool usable(const struct jb_recording *r, uint32_t i, uint32_t exit, float *confidence, bool *correct)
{
    if (r->label[i] == UINT32_MAX) return false;
    *confidence = jb_recording_confidence(r, i, exit, JB_MEASURE_MAXPROB);
    *correct = jb_recording_prediction(r, i, exit) == r->label[i];
    return isfinite(*confidence);
}

// Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, eq. 3: sum over bins |B| / n |acc(B) - conf(B)|.
double jb_recording_ece(const struct jb_recording *r, uint32_t exit)
{
    double conf[ECE_BINS] = {0}, right[ECE_BINS] = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        float c;
        bool correct;
        if (!usable(r, i, exit, &c, &correct)) continue;
        int bin = (int)(c * ECE_BINS);
        if (bin >= ECE_BINS) bin = ECE_BINS - 1;
        conf[bin] += c;
        right[bin] += correct;
        n++;
    }
    if (n == 0) return NAN;
    double sum = 0;
    for (int b = 0; b < ECE_BINS; b++) sum += fabs(right[b] - conf[b]);
    return sum / n;
}

struct scored { float confidence; bool correct; };

static int by_confidence(const void *a, const void *b)
{
    float x = ((const struct scored *)a)->confidence, y = ((const struct scored *)b)->confidence;
    return (x > y) - (x < y);
}

// P(confidence of a right answer > that of a wrong one) + half the ties: the Mann-Whitney statistic (Hanley & McNeil 1982).
static double auroc(struct scored *s, uint32_t n)
{
    double right = 0, wrong = 0, wins = 0;
    qsort(s, n, sizeof *s, by_confidence);
    for (uint32_t i = 0; i < n;) {
        double right_here = 0, wrong_here = 0;
        float c = s[i].confidence;
        for (; i < n && s[i].confidence == c; i++) {
            right_here += s[i].correct;
            wrong_here += !s[i].correct;
        }
        wins += right_here * (wrong + 0.5 * wrong_here);
        right += right_here;
        wrong += wrong_here;
    }
    return right > 0 && wrong > 0 ? wins / (right * wrong) : NAN;
}

double jb_recording_auroc(const struct jb_recording *r, uint32_t exit)
{
    struct scored *s = malloc(r->n * sizeof *s);
    if (!s) return NAN;
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++)
        if (usable(r, i, exit, &s[n].confidence, &s[n].correct)) n++;
    double a = auroc(s, n);
    free(s);
    return a;
}

// Mean negative log likelihood of the labels at temperature t; NAN when no sample can be used.
static double nll(const struct jb_recording *r, uint32_t exit, double t)
{
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; r->logits && i < r->n; i++) {
        if (r->label[i] >= r->n_classes) continue;
        const float *z = jb_recording_logits(r, i, exit);
        double largest = z[jb_argmax(z, r->n_classes)], total = 0;
        for (uint32_t c = 0; c < r->n_classes; c++) total += exp((z[c] - largest) / t);
        double loss = log(total) - (z[r->label[i]] - largest) / t;
        if (!isfinite(loss)) continue;
        sum += loss;
        n++;
    }
    return n ? sum / n : NAN;
}

// The likelihood is convex in 1/T, so it has one minimum in ln T as well; golden-section search there (Kiefer 1953).
double jb_fit_temperature(const struct jb_recording *r, uint32_t exit)
{
    const double golden = 0.6180339887498949;
    double low = log(0.05), high = log(20.0);
    double a = high - golden * (high - low), b = low + golden * (high - low);
    double fa = nll(r, exit, exp(a)), fb = nll(r, exit, exp(b));
    if (isnan(fa) || isnan(fb)) return NAN;
    while (high - low > 1e-5) {
        if (fa <= fb) {
            high = b;
            b = a, fb = fa;
            a = high - golden * (high - low);
            fa = nll(r, exit, exp(a));
        } else {
            low = a;
            a = b, fa = fb;
            b = low + golden * (high - low);
            fb = nll(r, exit, exp(b));
        }
    }
    return exp((low + high) / 2);
}
