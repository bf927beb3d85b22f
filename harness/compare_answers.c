// What two sides answered, sample by sample: accuracy, and of language models, whose tokens come in queries, perplexity, agreement and exact match.
#include "harness/compare_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct work { struct jb_comparison *c; const struct jb_side_cell *a, *b; const struct jb_compare_opts *o; const struct jb_refusals *no; struct jb_compared_cell *out; };

// ---- samples that stand alone ----

struct agreement { uint64_t n, right_a, right_b, only_a, only_b; };

static void count(struct agreement *x, bool in_a, bool in_b)
{
    x->n++;
    x->right_a += in_a;
    x->right_b += in_b;
    x->only_a += in_a && !in_b;
    x->only_b += in_b && !in_a;
}

static struct agreement agree(const struct jb_side_cell *a, const struct jb_side_cell *b)
{
    struct agreement x = { 0 };
    for (uint32_t i = 0, k = 0; jb_compare_next(a, b, &i, &k); i++, k++) count(&x, a->correct[i], b->correct[k]);
    return x;
}

static int on_both(struct work *w, struct jb_compared_metric *m, const struct agreement *x)
{
    if (x->n == w->a->n_samples && x->n == w->b->n_samples) {
        m->reason = x->only_a + x->only_b ? NULL : "right and wrong on the very same samples";
        return 0;
    }
    return jb_compare_because(m, jb_comparison_strf(w->c, "on the %llu samples that both answered, of %u and %u", (unsigned long long)x->n, w->a->n_samples, w->b->n_samples));
}

static struct jb_effect of_pairs(const struct agreement *x, double confidence)
{
    struct jb_interval ci = jb_paired_difference(x->only_a, x->only_b, x->n, confidence);
    return (struct jb_effect){ ((double)x->only_b - (double)x->only_a) / (double)x->n, ci.lower, ci.upper, jb_mcnemar(x->only_a, x->only_b) };
}

static int accuracy(struct work *w)
{
    struct jb_compared_metric *m = &w->out->metrics[w->out->n_metrics - 1];
    const struct jb_value *a = &w->a->cell->accuracy, *b = &w->b->cell->accuracy;
    struct agreement x = agree(w->a, w->b);
    struct jb_effect e;
    if (x.n) {
        m->baseline = (double)x.right_a / (double)x.n;
        m->candidate = (double)x.right_b / (double)x.n;
        m->n_baseline = m->n_candidate = x.n;
        e = of_pairs(&x, w->o->confidence);
        jb_compare_take(m, &e);
        return on_both(w, m, &x);
    }
    if (!isfinite(a->value) || !isfinite(b->value) || !a->n || !b->n) return jb_compare_because(m, "no accuracy pass with labels in both");
    jb_effect_proportions(&e, (uint64_t)llround(a->value * (double)a->n), a->n, (uint64_t)llround(b->value * (double)b->n), b->n, w->o->confidence);
    jb_compare_take(m, &e);
    return jb_compare_because(m, "the answers to the single samples are not there: two independent proportions, which see less than pairs do");
}

// ---- answers that come in queries ----

enum figure { RIGHT, EXACT, AGREE, PPL, FIGURES };

// Sums of each query, in both sides; and each share as if its answers were independent, which no interval may be narrower than.
struct groups {
    double *top[2][FIGURES], *under[2][FIGURES]; // (m) each
    double *memory;
    size_t m;
    struct agreement flat[FIGURES];
    bool other_tokens;               // the two sides did not answer for the same tokens
};

static int open_groups(struct groups *g, size_t room)
{
    *g = (struct groups){ .memory = calloc((room + 1) * 4 * FIGURES, sizeof(double)) };
    for (size_t i = 0; g->memory && i < 2 * FIGURES; i++) {
        g->top[i / FIGURES][i % FIGURES] = g->memory + 2 * i * (room + 1);
        g->under[i / FIGURES][i % FIGURES] = g->memory + (2 * i + 1) * (room + 1);
    }
    return g->memory ? 0 : JB_E_NOMEM;
}

static void add_share(struct groups *g, enum figure f, size_t at, bool a, bool b)
{
    g->top[0][f][at] += a;
    g->top[1][f][at] += b;
    g->under[0][f][at]++;
    g->under[1][f][at]++;
    count(&g->flat[f], a, b);
}

static void add_answer(struct groups *g, size_t at, bool first, const struct jb_side_cell *a, uint32_t i, const struct jb_side_cell *b, uint32_t k)
{
    const struct jb_text_answers *x = &a->text, *y = &b->text;
    bool known = !isnan(x->logprob[i]) && !isnan(y->logprob[k]);
    if (x->query[i] != y->query[k] || (known && x->label[i] != y->label[k])) g->other_tokens = true;
    add_share(g, RIGHT, at, a->correct[i], b->correct[k]);
    for (int side = 0; side < 2; side++) {
        bool right = side ? b->correct[k] : a->correct[i];
        g->top[side][EXACT][at] = right && (first || g->top[side][EXACT][at] > 0);
        g->under[side][EXACT][at] = 1;
    }
    if (x->agrees[i] != JB_AGREES_UNKNOWN && y->agrees[k] != JB_AGREES_UNKNOWN) add_share(g, AGREE, at, x->agrees[i] == JB_AGREES, y->agrees[k] == JB_AGREES);
    if (!known) return;
    g->top[0][PPL][at] -= (double)x->logprob[i];
    g->top[1][PPL][at] -= (double)y->logprob[k];
    g->under[0][PPL][at]++;
    g->under[1][PPL][at]++;
}

static void fill_groups(struct groups *g, const struct jb_side_cell *a, const struct jb_side_cell *b)
{
    uint32_t query = UINT32_MAX;
    for (uint32_t i = 0, k = 0; jb_compare_next(a, b, &i, &k); i++, k++) {
        bool first = g->m == 0 || a->text.query[i] != query; // answers of a query stand together
        query = a->text.query[i];
        g->m += first;
        add_answer(g, g->m - 1, first, a, i, b, k);
    }
    for (size_t i = 0; i < g->m; i++) count(&g->flat[EXACT], g->top[0][EXACT][i] > 0, g->top[1][EXACT][i] > 0);
}

// Never narrower, and never surer, than if every answer stood alone: few queries say little about how much they differ, above all where they do not.
static void at_least_flat(struct jb_effect *e, const struct agreement *x, double confidence)
{
    struct jb_effect flat = of_pairs(x, confidence);
    e->lower = fmin(e->lower, flat.lower);
    e->upper = fmax(e->upper, flat.upper);
    e->p = fmax(e->p, flat.p);
}

static double total(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

static int grouped(struct work *w, const struct groups *g, const char *name, enum figure f)
{
    struct jb_compared_metric *m = f == RIGHT ? &w->out->metrics[w->out->n_metrics - 1] : jb_compare_add(w->out, name);
    struct jb_grouped x = jb_grouped_difference(g->top[0][f], g->under[0][f], g->top[1][f], g->under[1][f], g->m, w->o->confidence);
    m->grouped = true;
    m->higher_is_better = m->is_difference = f != PPL;
    m->n_baseline = m->n_candidate = g->m;
    if (g->other_tokens) return jb_compare_because(m, "other tokens: the two models cut the texts differently, and such figures count tokens");
    m->baseline = total(g->top[0][f], g->m) / total(g->under[0][f], g->m);
    m->candidate = total(g->top[1][f], g->m) / total(g->under[1][f], g->m);
    struct jb_effect e = { m->candidate - m->baseline, x.lower, x.upper, x.p };
    if (f != PPL && isfinite(x.p) && g->flat[f].n) at_least_flat(&e, &g->flat[f], w->o->confidence);
    if (f == PPL) {
        m->baseline = exp(m->baseline);
        m->candidate = exp(m->candidate);
        e = (struct jb_effect){ exp(e.effect), exp(e.lower), exp(e.upper), e.p };
    }
    jb_compare_take(m, &e);
    if (g->m >= JB_COMPARE_LEAST_BLOCKS) return f == RIGHT ? on_both(w, m, &g->flat[RIGHT]) : 0;
    m->lower = m->upper = m->p = m->p_adjusted = NAN;
    return jb_compare_because(m, jb_comparison_strf(w->c, "no interval: %zu queries, at least %u are needed", g->m, JB_COMPARE_LEAST_BLOCKS));
}

bool jb_compare_asks_for_words(const struct jb_result_cell *c)
{
    for (size_t i = 0; i < c->n_quality; i++)
        if (!strcmp(c->quality[i].name, "exact-match")) return true;
    return false;
}

static int of_queries(struct work *w)
{
    struct groups g;
    int rc = open_groups(&g, w->a->n_samples);
    if (rc) return rc;
    fill_groups(&g, w->a, w->b);
    rc = grouped(w, &g, "accuracy", RIGHT);
    if (!rc && jb_compare_asks_for_words(w->b->cell)) rc = grouped(w, &g, "exact_match", EXACT);
    if (!rc && g.m && total(g.under[0][PPL], g.m) > 0) rc = grouped(w, &g, "ppl", PPL);
    if (!rc && g.m && total(g.under[0][PPL], g.m) > 0 && g.flat[AGREE].n) rc = grouped(w, &g, "agreement", AGREE); // of free writing accuracy is agreement
    free(g.memory);
    return rc;
}

static bool is_text(const struct jb_side_cell *c) { return c->text.query != NULL; }

int jb_compare_answers(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, const struct jb_compare_opts *o, const struct jb_refusals *no, struct jb_compared_cell *out)
{
    struct work w = { c, a, b, o, no, out };
    struct jb_compared_metric *m = jb_compare_add(out, "accuracy");
    uint32_t i = 0, k = 0;
    m->is_difference = m->higher_is_better = true;
    m->baseline = a->cell->accuracy.value;
    m->candidate = b->cell->accuracy.value;
    m->n_baseline = a->cell->accuracy.n;
    m->n_candidate = b->cell->accuracy.n;
    if (no->data) return jb_compare_because(m, no->data);
    bool token = b->cell->unit && !strcmp(b->cell->unit, "token");
    if (!token) return accuracy(&w);
    if (is_text(a) && is_text(b) && jb_compare_next(a, b, &i, &k)) return of_queries(&w);
    if (isfinite(m->baseline) && isfinite(m->candidate)) m->effect = m->candidate - m->baseline;
    return jb_compare_because(m, "no interval: which queries the answers belong to is not there (only in directories of runs, of this version or newer)");
}
