#include "workloads/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/stats.h"

struct class_count { uint64_t truth, predicted, hit; };

static struct jb_quality quality(const char *name, double value, double lower, double upper, uint64_t n)
{
    struct jb_quality q = { .value = value, .lower = lower, .upper = upper, .n = n, .higher_is_better = true };
    snprintf(q.name, sizeof q.name, "%s", name);
    return q;
}

// Mean recall over the classes that occur. Interval: MOVER, lower = sum p/k - sqrt(sum ((p - l)/k)^2), with l, u of Wilson's interval of each class
// (Zou & Donner 2008, "Construction of confidence limits about effect measures"), for recalls of different classes are independent.
static struct jb_quality balanced_accuracy(const struct class_count *c, uint32_t n_classes, uint64_t n)
{
    double sum = 0, below = 0, above = 0;
    uint32_t k = 0;
    for (uint32_t i = 0; i < n_classes; i++) {
        if (c[i].truth == 0)
            continue;
        double p = (double)c[i].hit / (double)c[i].truth;
        struct jb_interval w = jb_wilson(c[i].hit, c[i].truth, 1.96);
        sum += p;
        below += (p - w.lower) * (p - w.lower);
        above += (w.upper - p) * (w.upper - p);
        k++;
    }
    double mean = sum / k, lower = mean - sqrt(below) / k, upper = mean + sqrt(above) / k;
    return quality("balanced-accuracy", mean, fmax(0, lower), fmin(1, upper), n);
}

// Unweighted mean of 2 TP / (truth + predicted) over the classes that occur as truth or prediction (Opitz & Burst 2019, "averaged F1").
static struct jb_quality macro_f1(const struct class_count *c, uint32_t n_classes, uint64_t n)
{
    double sum = 0;
    uint32_t k = 0;
    for (uint32_t i = 0; i < n_classes; i++) {
        uint64_t both = c[i].truth + c[i].predicted;
        if (both == 0)
            continue;
        sum += 2.0 * (double)c[i].hit / (double)both;
        k++;
    }
    return quality("macro-f1", sum / k, NAN, NAN, n);
}

int jb_score_classes(const uint32_t *label, uint32_t n_labels, uint32_t n_classes, const uint32_t *index, const uint32_t *prediction, uint32_t n,
                     struct jb_quality *out, size_t room, size_t *n_out)
{
    struct class_count *c = calloc(n_classes ? n_classes : 1, sizeof *c);
    if (!c)
        return JB_E_NOMEM;
    uint64_t seen = 0, hits = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = index ? index[i] : i, p = prediction[i];
        if (at >= n_labels) {
            free(c);
            return JB_E_RANGE;
        }
        uint32_t truth = label ? label[at] : UINT32_MAX;
        if (truth >= n_classes)
            continue;
        seen++;
        c[truth].truth++;
        if (p < n_classes)
            c[p].predicted++;
        c[truth].hit += p == truth;
        hits += p == truth;
    }
    size_t k = 0;
    if (seen) {
        struct jb_interval w = jb_wilson(hits, seen, 1.96);
        if (k < room)
            out[k++] = quality("accuracy", (double)hits / (double)seen, w.lower, w.upper, seen);
        if (k < room)
            out[k++] = balanced_accuracy(c, n_classes, seen);
        if (k < room)
            out[k++] = macro_f1(c, n_classes, seen);
    }
    *n_out = k;
    free(c);
    return JB_OK;
}
