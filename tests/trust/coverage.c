// Do intervals cover? Made-up blocks of known truth through jb_compare_cell.
#include "tests/trust/trust.h"

#include "base/err.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROMISED 0.93
#define SURPRISE 0.001 // with fewer than 2,000 repetitions only a shortfall as unlikely as this is one

struct tally { uint64_t printed, covered, above, below, significant; double width; const char *reason; };

static void take(struct tally *t, const struct jb_compared_metric *m, double truth)
{
    static char reason[TRUST_METRICS][160];
    if (!isfinite(m->lower) || !isfinite(m->upper)) {
        for (int i = 0; i < TRUST_METRICS && m->reason; i++)
            if (!strcmp(trust_metric[i], m->name)) t->reason = strncpy(reason[i], m->reason, sizeof reason[i] - 1);
        return;
    }
    t->printed++;
    t->covered += m->lower <= truth && truth <= m->upper;
    t->below += truth < m->lower;
    t->above += truth > m->upper;
    t->significant += m->p <= 0.05;
    t->width += m->upper - m->lower;
}

static int repeat(const struct trust_scene *s, struct trust_pair *p, const struct jb_compare_opts *o, struct jb_rng *rng, const double *truth, struct tally *t)
{
    struct jb_comparison *c = NULL;
    struct jb_compared_cell out = { 0 };
    struct jb_err err = { 0 };
    trust_pair_draw(p, s, rng);
    int rc = jb_comparison_open(&c);
    if (!rc) rc = jb_compare_cell(c, &p->side[0], &p->side[1], s->paired, o, &out, &err);
    for (int m = 0; m < TRUST_METRICS && !rc; m++) {
        const struct jb_compared_metric *x = jb_compared_metric_find(&out, trust_metric[m]);
        if (x) take(&t[m], x, truth[m]);
    }
    jb_comparison_close(c);
    return rc;
}

// 1: covers too seldom.
static int judge(const struct trust_scene *s, const char *metric, const struct tally *t, uint64_t repetitions)
{
    if (!t->printed) {
        printf("  %-16s no interval (%s)\n", metric, t->reason ? t->reason : "no reason given");
        return t->reason ? 0 : 1;
    }
    double share = (double)t->covered / (double)t->printed;
    bool bad = repetitions >= 2000 ? share < PROMISED : jb_binomial_cdf(t->covered, t->printed, PROMISED) < SURPRISE;
    printf("  %-16s covered %5.1f %%  truth below %4.1f %%, above %4.1f %%  half-width %6.3f %%%s%s\n", metric, share * 100, 100 * (double)t->below / (double)t->printed,
           100 * (double)t->above / (double)t->printed, 50 * t->width / (double)t->printed, t->printed < repetitions ? "  (not in every repetition)" : "",
           !bad ? share > 0.975 ? "  over-covers" : "" : s->documented ? "  UNDER-COVERS (documented)" : "  UNDER-COVERS");
    return bad && !s->documented;
}

static int run_scene(const struct trust_scene *s, const struct jb_compare_opts *opts, uint64_t repetitions, uint64_t seed)
{
    struct tally t[TRUST_METRICS] = { { 0 } };
    struct trust_pair p;
    struct jb_compare_opts o = *opts;
    struct jb_rng rng;
    double truth[TRUST_METRICS];
    int bad = 0, rc = trust_truth(s, seed, truth);
    if (!rc) rc = trust_pair_open(&p, s);
    if (rc) {
        fprintf(stderr, "%s: out of memory\n", s->name);
        return 1;
    }
    jb_rng_seed_named(&rng, seed, s->name);
    for (uint64_t r = 0; r < repetitions && !rc; r++) {
        o.seed = seed * 1000003 + r;
        rc = repeat(s, &p, &o, &rng, truth, t);
    }
    trust_pair_close(&p);
    printf("%s: %u %s of %u queries, %llu repetitions\n", s->name, s->blocks, s->paired ? "pairs" : "blocks a side", s->queries, (unsigned long long)repetitions);
    for (int m = 0; m < TRUST_METRICS; m++) bad |= judge(s, trust_metric[m], &t[m], repetitions);
    return bad || rc;
}

int trust_coverage(const struct trust_args *a)
{
    struct jb_compare_opts o;
    const char *only = trust_arg(a, "scene", NULL);
    int bad = 0, run = 0;
    jb_compare_opts_default(&o);
    o.resamples = (uint32_t)trust_number(a, "resamples", o.resamples);
    for (size_t i = 0; i < trust_n_scenes; i++) {
        if (only && !strstr(trust_scenes[i].name, only)) continue;
        bad += run_scene(&trust_scenes[i], &o, (uint64_t)trust_number(a, "repetitions", 2000), (uint64_t)trust_number(a, "seed", 1));
        run++;
    }
    printf("coverage: %d of %d scenes cover as promised (at least %g %%; those that cannot are marked as documented)\n", run - bad, run, PROMISED * 100);
    return bad || !run;
}

// ---- how many blocks and queries a percentile needs ----

int trust_needs(const struct trust_args *a)
{
    static const uint32_t blocks[] = { 5, 6, 8, 10, 12, 15, 20, 30 }, beyond[] = { 10, 20, 40 };
    double p = trust_number(a, "p", 0.99);
    uint64_t repetitions = (uint64_t)trust_number(a, "repetitions", 500), seed = (uint64_t)trust_number(a, "seed", 1);
    int metric = p == 0.5 ? 2 : p == 0.9 ? 3 : 4;
    struct jb_compare_opts o;
    jb_compare_opts_default(&o);
    o.resamples = 1000;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++)
            for (int shape = 0; shape < 3; shape++)
                for (int paired = 0; paired < 2; paired++) {
                    struct trust_scene s = { .name = "needs", .paired = paired, .blocks = blocks[i], .queries = (uint32_t)ceil(beyond[k] / (1 - p) / blocks[i]), .shape = (enum trust_shape)shape, .factor = 1.03,
                                             .query_sd = 0.05, .own_sd = 0.02, .machine_sd = paired ? 0.05 : 0, .slow_query = 0.01, .samples = 10 };
                    struct tally t[TRUST_METRICS] = { { 0 } };
                    struct trust_pair pair;
                    struct jb_rng rng;
                    double truth[TRUST_METRICS];
                    if (trust_truth(&s, seed, truth) || trust_pair_open(&pair, &s)) return 1;
                    jb_rng_seed_named(&rng, seed, s.name);
                    for (uint64_t r = 0; r < repetitions; r++) {
                        o.seed = r + 1;
                        if (repeat(&s, &pair, &o, &rng, truth, t)) return 1;
                    }
                    trust_pair_close(&pair);
                    printf("p%g %s %2u blocks of %4u queries (%2u beyond), %s: ", p * 100, paired ? "live" : "past", s.blocks, s.queries, beyond[k], (const char *[]){ "one mode", "bimodal", "exits" }[shape]);
                    if (t[metric].printed) printf("covered %.1f %%\n", 100 * (double)t[metric].covered / (double)t[metric].printed);
                    else printf("no interval\n");
                }
    return 0;
}
