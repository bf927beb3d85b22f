// A model with k predictions flipped, drawn anew in every repetition: how often is the verdict wrong?
#include "tests/trust/trust.h"

#include "base/err.h"
#include "harness/gate_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 0.005
#define RIGHT 0.9

// Flips in the population: `broken` of all samples become wrong, `mended` become right. The truth is mended - broken. per_query: samples are the tokens of texts, so many in each, and a text that the candidate
// is bad at has many broken ones: its shares of both are lognormal around the population's, with this standard deviation of the logarithm. 0: samples stand alone.
struct kind { const char *name; double broken, mended; uint32_t n, per_query; double spread; };
static const struct kind kinds[] = {
    { "the same answers", 0, 0, 2000, 0, 0 },
    { "as many mended as broken, 1 %", 0.01, 0.01, 2000, 0, 0 },
    { "as many mended as broken, 5 %, 10,000 samples", 0.05, 0.05, 10000, 0, 0 },
    { "0.5 points worse: at the margin", 0.010, 0.005, 2000, 0, 0 },
    { "0.5 points worse by breaking alone, 2,000 samples", 0.005, 0, 2000, 0, 0 },
    { "0.5 points worse, 10,000 samples", 0.010, 0.005, 10000, 0, 0 },
    { "0.5 points worse, 400 samples", 0.010, 0.005, 400, 0, 0 },
    { "2 points worse, 2,000 samples", 0.025, 0.005, 2000, 0, 0 },
    { "2 points worse, 10,000 samples", 0.025, 0.005, 10000, 0, 0 },
    { "1 point better", 0.005, 0.015, 2000, 0, 0 },
    { "texts: the same answers, 24 of 250 tokens", 0, 0, 6000, 250, 0 },
    { "texts: as many mended as broken, 24 of 250", 0.02, 0.02, 6000, 250, 0.7 },
    { "texts: 0.5 points worse, 24 of 250, alike", 0.015, 0.010, 6000, 250, 0 },
    { "texts: 0.5 points worse, 24 of 250", 0.015, 0.010, 6000, 250, 0.7 },
    { "texts: 0.5 points worse, 60 of 150", 0.015, 0.010, 9000, 150, 0.7 },
    { "texts: 2 points worse, 60 of 150", 0.025, 0.005, 9000, 150, 0.7 },
};

struct outcome { uint64_t n, pass, fail, covered, significant; };

static void flip(struct jb_side_cell *a, struct jb_side_cell *b, const struct kind *k, struct jb_rng *g)
{
    double broken = k->broken, mended = k->mended;
    for (uint32_t i = 0; i < k->n; i++) {
        double u = jb_rng_unit(g);
        bool right = u < RIGHT;
        if (k->per_query && i % k->per_query == 0) {
            broken = k->broken * exp(k->spread * jb_rng_normal(g) - k->spread * k->spread / 2); // the mean is the population's
            mended = k->mended * exp(k->spread * jb_rng_normal(g) - k->spread * k->spread / 2);
        }
        a->index[i] = b->index[i] = i;
        a->correct[i] = right;
        b->correct[i] = right ? u >= broken : u < RIGHT + mended;
        if (k->per_query) a->text.query[i] = b->text.query[i] = i / k->per_query;
    }
}

// Tokens of texts, or samples that stand alone.
static int dress(struct trust_pair *p, const struct kind *k)
{
    for (int s = 0; s < 2; s++) {
        struct jb_side_cell *x = &p->side[s];
        x->n_samples = k->n;
        p->cell[s].unit = k->per_query ? "token" : "query";
        if (!k->per_query || x->text.query) continue;
        x->text = (struct jb_text_answers){ calloc(k->n, sizeof *x->text.query), calloc(k->n, sizeof *x->text.label), calloc(k->n, sizeof *x->text.logprob), malloc(k->n) };
        if (!x->text.query || !x->text.label || !x->text.logprob || !x->text.agrees) return JB_E_NOMEM;
        for (uint32_t i = 0; i < k->n; i++) x->text.logprob[i] = NAN;
        memset(x->text.agrees, JB_AGREES_UNKNOWN, k->n);
    }
    return 0;
}

static void undress(struct trust_pair *p)
{
    for (int s = 0; s < 2; s++) {
        struct jb_text_answers *t = &p->side[s].text;
        free(t->query);
        free(t->label);
        free(t->logprob);
        free(t->agrees);
        *t = (struct jb_text_answers){ 0 };
    }
}

static int once(struct trust_pair *p, const struct kind *k, const struct jb_gate_rules *r, struct jb_rng *g, struct outcome *o)
{
    struct jb_compare_opts opts;
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    jb_compare_opts_default(&opts);
    opts.resamples = 40; // latencies are not asked for
    flip(&p->side[0], &p->side[1], k, g);
    int rc = jb_comparison_open(&c);
    if (!rc && !(c->cells = jb_comparison_array(c, 1, sizeof *c->cells))) rc = JB_E_NOMEM;
    if (!rc) {
        c->n_cells = 1;
        c->cells[0].key = c->cells[0].label = c->cells[0].label_candidate = "made";
        c->confidence = opts.confidence;
        rc = jb_compare_cell(c, &p->side[0], &p->side[1], true, &opts, &c->cells[0], &err);
    }
    if (!rc) rc = jb_gate_judge(c, r, JB_INCONCLUSIVE_OWN, &err);
    const struct jb_compared_metric *m = rc ? NULL : jb_compared_metric_find(&c->cells[0], "accuracy");
    if (m) {
        double truth = k->mended - k->broken;
        o->n++;
        o->pass += c->verdict == JB_VERDICT_PASS;
        o->fail += c->verdict == JB_VERDICT_FAIL;
        o->covered += m->lower <= truth && truth <= m->upper;
        o->significant += m->p <= 0.05;
    }
    jb_comparison_close(c);
    return rc || !m;
}

static bool show(const struct kind *k, const struct outcome *o)
{
    double n = (double)o->n, truth = k->mended - k->broken;
    bool may_fail = truth < -MARGIN - 1e-9, may_pass = truth > -MARGIN + 1e-9, equal = truth == 0;
    // Tango's score interval is approximate: at small counts its levels are met nearly, so that passes are allowed a fifth above the stated 2.5 %. Where texts differ much, a few go very wrong, and most
    // samples of some dozen texts hold too few of those: known, and said in docs/trust.md.
    double most_passes = k->spread > 0 ? 0.04 : 0.03;
    bool bad = (!may_fail && trust_upper_tail(o->fail, o->n, 0.01) < 1e-3) || (!may_pass && trust_upper_tail(o->pass, o->n, most_passes) < 1e-3) || (equal && trust_upper_tail(o->significant, o->n, 0.05) < 1e-3) ||
               jb_binomial_cdf(o->covered, o->n, 0.93) < 1e-3;
    printf("  %-50s fail %6.2f %%%s  pass %6.2f %%%s  covered %5.1f %%  p <= 5 %%: %5.1f %%%s\n", k->name, 100 * (double)o->fail / n, may_fail ? "          " : " (at most 1)", 100 * (double)o->pass / n,
           may_pass ? "            " : " (at most 2.5)", 100 * (double)o->covered / n, 100 * (double)o->significant / n, bad ? "  WRONG TOO OFTEN" : "");
    return bad;
}

int trust_accuracy(const struct trust_args *a)
{
    static const char rules[] = "{\"metrics\": {\"accuracy\": {\"margin\": 0.005}}}";
    uint64_t repetitions = (uint64_t)trust_number(a, "repetitions", 10000);
    struct trust_scene s = { .name = "answers", .paired = true, .blocks = 1, .queries = 1, .factor = 1, .samples = 10000 };
    struct trust_pair p;
    struct jb_gate_rules r;
    struct jb_err err = { 0 };
    struct jb_rng g;
    int bad = 0;
    if (trust_pair_open(&p, &s)) return 1;
    if (jb_gate_rules_parse(&r, "rules of the proof", rules, sizeof rules - 1, &err)) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    jb_rng_seed_named(&g, (uint64_t)trust_number(a, "seed", 1), "flips");
    trust_pair_draw(&p, &s, &g);
    printf("accuracy: margin 0.5 points, %llu repetitions each\n", (unsigned long long)repetitions);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct outcome o = { 0 };
        if (dress(&p, &kinds[i])) return 1;
        for (uint64_t k = 0; k < repetitions; k++)
            if (once(&p, &kinds[i], &r, &g, &o)) return 1;
        bad |= show(&kinds[i], &o);
        undress(&p);
    }
    trust_pair_close(&p);
    jb_gate_rules_free(&r);
    return bad;
}
