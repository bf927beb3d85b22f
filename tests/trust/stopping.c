// Do intervals of cells that may end early cover? Blocks one after another, looked at as harness/stop.h says.
#include "tests/trust/trust.h"

#include "harness/stop.h"
#include <math.h>

#define MOST 400

enum kind { NORMAL, SKEWED, BIMODAL, OUTLIERS, CORRELATED };
static const struct { enum kind kind; bool documented; const char *name; } kinds[] = {
    { NORMAL, false, "independent blocks" }, { SKEWED, false, "skewed blocks" }, { BIMODAL, false, "two modes" }, { OUTLIERS, true, "one block in twenty 1.3 to 1.8 times as slow" },
    { CORRELATED, true, "neighbours correlated 0.3" },
};

// Blocks of mean 1.
static double draw(enum kind k, double *z, struct jb_rng *g)
{
    double n = jb_rng_normal(g);
    switch (k) {
    case NORMAL: return 1 + 0.03 * n;
    case SKEWED: return exp(0.2 * n - 0.02);
    case BIMODAL: return (jb_rng_unit(g) < 0.3 ? 1.07 : 0.97) + 0.005 * n;
    case OUTLIERS: return (1 + 0.01 * n) * (jb_rng_unit(g) < 0.05 ? 1.3 + 0.5 * jb_rng_unit(g) : 1) / 1.0275;
    case CORRELATED: return 1 + 0.03 * (*z = 0.3 * *z + sqrt(1 - 0.09) * n);
    }
    return NAN;
}

int trust_stopping(const struct trust_args *a)
{
    static const uint32_t planned[] = { 18, 60, 400 };
    static const double target[] = { 0.05, 0.02, 0.01 };
    uint64_t repetitions = (uint64_t)trust_number(a, "repetitions", 2000);
    int bad = 0;
    printf("stopping: cells that may end at a look, %llu repetitions; interval of the mean at the level that the look has\n", (unsigned long long)repetitions);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int p = 0; p < 3; p++)
            for (int t = 0; t < 3; t++) {
                uint64_t covered = 0, early = 0;
                struct jb_rng g;
                jb_rng_seed_named(&g, 1 + (uint64_t)(10 * p + t), kinds[k].name);
                for (uint64_t r = 0; r < repetitions; r++) {
                    double x[MOST], z = jb_rng_normal(&g), half = NAN;
                    uint32_t n = 0;
                    while (n < planned[p]) {
                        x[n++] = draw(kinds[k].kind, &z, &g);
                        if (!jb_stop_is_look(planned[p], n)) continue;
                        half = jb_stop_half_width(x, n, jb_stop_confidence(planned[p], n));
                        if (half <= target[t]) break;
                    }
                    half = jb_stop_half_width(x, n, jb_stop_confidence(planned[p], n));
                    double mean = jb_mean(x, n);
                    covered += fabs(mean - 1) <= half * mean;
                    early += n < planned[p];
                }
                bool under = repetitions >= 2000 ? (double)covered < 0.93 * (double)repetitions : jb_binomial_cdf(covered, repetitions, 0.93) < 0.001;
                printf("  %-44s %3u blocks planned, +-%g %%: covered %5.1f %%, ended early %5.1f %%%s\n", kinds[k].name, planned[p], target[t] * 100, 100 * (double)covered / (double)repetitions,
                       100 * (double)early / (double)repetitions, !under ? "" : kinds[k].documented ? "  UNDER-COVERS (documented)" : "  UNDER-COVERS");
                bad |= under && !kinds[k].documented;
            }
    return bad;
}
