// The gate in words.
#include "harness/gate_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void percent(char out[24], double share, bool points)
{
    snprintf(out, 24, "%.3g %s", share * 100, points ? "points" : "%");
}

// A p-value as evidence: "p 0.0004", never "p 0".
static void p_text(char out[32], double p)
{
    if (p < 1e-6) snprintf(out, 32, "p < 0.000001");
    else snprintf(out, 32, "p %.2g", p);
}

static const char *of_pairs(struct jb_comparison *c, const struct jb_compared_metric *m, const struct jb_gate_evidence *e, const char *margin)
{
    char worse[32], better[32];
    p_text(worse, e->p_worse);
    p_text(better, e->p_better);
    unsigned long long above = e->above, n = e->n;
    switch (m->verdict) {
    case JB_VERDICT_PASS: return jb_comparison_strf(c, "within the margin of %s: beyond it in %llu of %llu %s (%s)", margin, above, n, e->unit, better);
    case JB_VERDICT_FAIL: return jb_comparison_strf(c, "worse by more than the margin of %s: beyond it in %llu of %llu %s (%s before correction)", margin, above, n, e->unit, worse);
    default: return jb_comparison_strf(c, "undecided: beyond the margin of %s in %llu of %llu %s (worse: %s, within: %s)", margin, above, n, e->unit, worse, better);
    }
}

const char *jb_gate_effect_words(struct jb_comparison *c, const struct jb_compared_metric *m, const struct jb_gate_evidence *e)
{
    const char *more = m->effect >= 1 ? strncmp(m->name, "uj_", 3) ? "slower" : "more" : strncmp(m->name, "uj_", 3) ? "faster" : "less";
    double change = fabs(m->effect - 1) * 100;
    if (!isfinite(m->effect)) return jb_comparison_strf(c, "nothing was measured");
    if (!isfinite(m->lower) || !isfinite(m->upper)) return jb_comparison_strf(c, "%.2g %% %s in the median of %llu %s", change, more, (unsigned long long)e->n, e->unit);
    return jb_comparison_strf(c, "%.2g %% %s in the median of %llu %s (%+.2g to %+.2g %%)", change, more, (unsigned long long)e->n, e->unit, (m->lower - 1) * 100, (m->upper - 1) * 100);
}

const char *jb_gate_why(struct jb_comparison *c, const struct jb_compared_metric *m, const struct jb_gate_evidence *e, double error_rate)
{
    char margin[24], change[24], p[32];
    percent(margin, m->margin, m->is_difference);
    if (m->deterministic) {
        percent(change, fabs(m->effect - 1), false);
        if (m->verdict == JB_VERDICT_PASS) return m->effect <= 1 ? "not more than before" : jb_comparison_strf(c, "%s more, within the margin of %s", change, margin);
        return jb_comparison_strf(c, "%s more, beyond the margin of %s", change, margin);
    }
    if (e) return of_pairs(c, m, e, margin);
    p_text(p, m->gate_p);
    switch (m->verdict) {
    case JB_VERDICT_PASS: return jb_comparison_strf(c, "the interval lies within the margin of %s", margin);
    case JB_VERDICT_FAIL: return jb_comparison_strf(c, "worse by more than the margin of %s (%s after correction, at most %g)", margin, p, error_rate);
    default: break;
    }
    double z = jb_normal_quantile(0.5 + c->confidence / 2), least = m->is_difference && !m->grouped ? ceil(z * z * (1 - m->margin) / m->margin) : 0; // samples with which equal answers lie within (Tango's interval for none that differ)
    if (least > (double)m->n_baseline && isfinite(least)) return jb_comparison_strf(c, "%llu samples cannot show a margin of %s: at least %.0f are needed (accuracy_samples)", (unsigned long long)m->n_baseline, margin, least);
    return jb_comparison_strf(c, "the interval reaches beyond the margin of %s, but not surely (%s after correction)", margin, p);
}

// The first metric with that verdict.
static const struct jb_compared_metric *first_of(const struct jb_comparison *c, enum jb_verdict v, const struct jb_compared_cell **cell)
{
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++)
            if (c->cells[i].metrics[k].gated && c->cells[i].metrics[k].verdict == v) {
                *cell = &c->cells[i];
                return &c->cells[i].metrics[k];
            }
    *cell = NULL;
    for (size_t i = 0; i < c->n_cells && !*cell; i++)
        if (c->cells[i].verdict == v) *cell = &c->cells[i];
    return NULL;
}

static const char *answer(struct jb_comparison *c, size_t n_judged, size_t n_cells)
{
    const struct jb_compared_cell *cell;
    const struct jb_compared_metric *m = first_of(c, c->verdict, &cell);
    const char *label = cell ? cell->label ? cell->label : cell->label_candidate : "";
    if (c->exit_code == 2) return "Nothing was compared: no cell that the rules name is valid in both, or none of its metrics is; a gate that compared nothing does not pass.";
    if (c->verdict == JB_VERDICT_PASS)
        return jb_comparison_strf(c, "The gate passes: %zu metric%s of %zu cell%s lie%s within their margins.", n_judged, n_judged == 1 ? "" : "s", n_cells, n_cells == 1 ? "" : "s", n_judged == 1 ? "s" : "");
    const char *what = c->verdict == JB_VERDICT_FAIL ? "fails" : c->verdict == JB_VERDICT_INVALID ? "is invalid" : c->verdict == JB_VERDICT_NOT_MEASURED ? "lacks a figure" : "is inconclusive";
    const char *why = m ? m->why ? m->why : m->reason : cell && cell->reason ? cell->reason : "see the table";
    return jb_comparison_strf(c, "The gate %s: %s%s%s: %s.", what, label, m ? ": " : "", m ? jb_compared_metric_title(m->name) : "", why ? why : "no reason is known");
}

int jb_gate_sentence(struct jb_comparison *c, size_t n_judged, size_t n_cells)
{
    struct jb_result_sentence *s = jb_comparison_array(c, c->n_sentences + 1, sizeof *s);
    const char *text = answer(c, n_judged, n_cells);
    if (!s || !text) return JB_E_NOMEM;
    s[0] = (struct jb_result_sentence){ "answer", text };
    if (c->n_sentences) memcpy(s + 1, c->sentences, c->n_sentences * sizeof *s);
    c->sentences = s;
    c->n_sentences++;
    return 0;
}
