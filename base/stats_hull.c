// Pareto front and hull of (cost, value) points: cost is to be low, value high.
#include "base/stats.h"

#include <math.h>
#include <stdlib.h>

struct points {
    const double *cost, *value;
};

// By rising cost; at equal cost the best value first, then the lower index: the order is total, so the result is one.
static int compare_points(const void *a, const void *b, void *user)
{
    const struct points *p = user;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    if (p->cost[i] != p->cost[j]) return p->cost[i] < p->cost[j] ? -1 : 1;
    if (p->value[i] != p->value[j]) return p->value[i] > p->value[j] ? -1 : 1;
    return (i > j) - (i < j);
}

size_t jb_pareto(const double *cost, const double *value, size_t n, size_t *out)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(cost[i]) && isfinite(value[i])) out[m++] = i; // what was not measured dominates nothing
    struct points points = {cost, value};
    if (m > 1) qsort_r(out, m, sizeof *out, compare_points, &points);
    size_t kept = 0;
    for (size_t i = 0; i < m; i++)
        if (kept == 0 || value[out[i]] > value[out[kept - 1]]) out[kept++] = out[i];
    return kept;
}

size_t jb_hull_upper(const double *cost, const double *value, size_t n, size_t *out)
{
    // The front rises in cost and value, so the chain needs one pass, in place: what is kept never outruns what is read.
    size_t m = jb_pareto(cost, value, n, out), kept = 0;
    for (size_t i = 0; i < m; i++) {
        size_t c = out[i];
        while (kept >= 2) {
            size_t a = out[kept - 2], b = out[kept - 1];
            double turn = (cost[b] - cost[a]) * (value[c] - value[a]) - (value[b] - value[a]) * (cost[c] - cost[a]);
            if (turn < 0) break; // a right turn: b stands above the line from a to c
            kept--;
        }
        out[kept++] = c;
    }
    return kept;
}

double jb_hull_cost_at(const double *cost, const double *value, const size_t *hull, size_t n_hull, double at_value)
{
    if (n_hull == 0 || isnan(at_value)) return NAN;
    if (at_value <= value[hull[0]]) return cost[hull[0]];
    for (size_t i = 1; i < n_hull; i++) {
        size_t a = hull[i - 1], b = hull[i];
        if (at_value > value[b]) continue;
        if (at_value == value[b]) return cost[b];
        return cost[a] + (cost[b] - cost[a]) * ((at_value - value[a]) / (value[b] - value[a]));
    }
    return NAN;
}
