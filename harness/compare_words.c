// What a comparison says in words: sign and size of each metric, what could have been seen, and the sentences at the top.
#include "harness/compare_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANCE 0.8 // "would have been": with this probability

struct words { const char *name, *more, *less, *times; };
static const struct words WORDS[] = {
    { "accuracy", "more accurate", "less accurate", "as accurate" },
    { "exact_match", "more exact matches", "fewer exact matches", "as many" },
    { "ppl", "higher perplexity", "lower perplexity", "the perplexity" },
    { "agreement", "more agreement", "less agreement", "as much" },
    { "ttft_ns", "slower", "faster", "as long" },
    { "latency_mean_ns", "slower", "faster", "as long" },
    { "p50_ns", "slower", "faster", "as long" },
    { "p90_ns", "slower", "faster", "as long" },
    { "p99_ns", "slower", "faster", "as long" },
    { "uj_per_query", "more joules", "fewer joules", "the joules" },
    { "uj_per_correct", "more joules", "fewer joules", "the joules" },
};

static const struct words *words_of(const char *name)
{
    static const struct words other = { "", "more", "less", "as much" };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(WORDS[i].name, name)) return &WORDS[i];
    return &other;
}

// "3.1", with digits enough for `half`, which is of the same unit; no trailing zeros behind a point.
static void figure(char out[24], double v, double half)
{
    int digits = !isfinite(half) ? 2 : half >= 1 ? 1 : half >= 0.1 ? 2 : half >= 0.01 ? 3 : 4;
    snprintf(out, 24, "%.*f", digits, fabs(v) < 1e9 ? v : 0);
    char *point = strchr(out, '.'), *end = out + strlen(out);
    while (point && end > point && (end[-1] == '0' || end[-1] == '.')) {
        bool stop = end[-1] == '.';
        *--end = '\0';
        if (stop) break;
    }
    if (!strcmp(out, "-0")) memcpy(out, "0", 2);
}

// "3.1 % slower (2.4 to 3.8)", "2.31 times as long (2.2 to 2.4)": size and direction with the interval, whatever it is worth.
static const char *size_text(struct jb_comparison *c, const struct jb_compared_metric *m)
{
    const struct words *w = words_of(m->name);
    double same = m->is_difference ? 0 : 1;
    bool up = m->effect > same, interval = isfinite(m->lower) && isfinite(m->upper);
    char x[3][24];
    if (!m->is_difference && (m->effect >= 2 || m->effect <= 0.5))
        return interval ? jb_comparison_strf(c, "%.3g times %s (%.3g to %.3g)", m->effect, w->times, m->lower, m->upper) : jb_comparison_strf(c, "%.3g times %s", m->effect, w->times);
    double half = interval ? (m->upper - m->lower) * 50 : NAN, low = ((up ? m->lower : m->upper) - same) * 100, high = ((up ? m->upper : m->lower) - same) * 100;
    const char *unit = m->is_difference ? "points" : "%";
    figure(x[0], fabs(m->effect - same) * 100, half);
    figure(x[1], up ? low : -low, half);
    figure(x[2], up ? high : -high, half);
    return interval ? jb_comparison_strf(c, "%s %s %s (%s to %s)", x[0], unit, up ? w->more : w->less, x[1], x[2]) : jb_comparison_strf(c, "%s %s %s", x[0], unit, up ? w->more : w->less);
}

// The interval's half width is 1.96 standard errors (at 95 %). A true difference is found with probability 0.8 when it is as far from nothing as the test's critical value and 0.84 standard errors more;
// the critical value is that of the harshest step of Holm's correction.
static double detectable(const struct jb_comparison *c, const struct jb_compared_metric *m, size_t tests)
{
    double level = (1 - c->confidence) / (double)(tests ? tests : 1), z = jb_normal_quantile(0.5 + c->confidence / 2);
    return (m->upper - m->lower) / 2 / z * (jb_normal_quantile(1 - level / 2) + jb_normal_quantile(CHANCE));
}

static const char *unseen(struct jb_comparison *c, const struct jb_compared_metric *m, size_t tests)
{
    char x[24];
    double same = m->is_difference ? 0 : 1;
    figure(x, m->detectable * 100, m->detectable * 20);
    const char *unit = m->is_difference ? "points" : "%";
    if (!(m->lower > same || m->upper < same)) return jb_comparison_strf(c, "no difference can be seen; one of %s %s would have been", x, unit);
    const char *size = size_text(c, m);
    return size ? jb_comparison_strf(c, "no difference holds: %s, but one of %zu tests shows as much by chance", size, tests) : NULL;
}

int jb_compare_words(struct jb_comparison *c, struct jb_compared_metric *m, size_t tests)
{
    bool interval = isfinite(m->lower) && isfinite(m->upper);
    double same = m->is_difference ? 0 : 1;
    m->words = NULL;
    if (!isfinite(m->effect)) return 0;
    if (interval && !m->deterministic) m->detectable = detectable(c, m, tests);
    if (m->deterministic && !jb_compared_sign(c, m)) m->words = m->effect == same ? "the same" : "about the same";
    else if (m->effect == same && (!interval || m->upper == m->lower)) m->words = "the same";
    else if (jb_compared_sign(c, m) || !interval) m->words = size_text(c, m);
    else m->words = unseen(c, m, tests);
    return m->words ? 0 : JB_E_NOMEM;
}

// ---- once all cells are there ----

static size_t count_metrics(const struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) n += c->cells[i].n_metrics;
    return n;
}

static int holm(struct jb_comparison *c, size_t *tests)
{
    size_t n = count_metrics(c), at = 0;
    double *p = malloc((n + 1) * sizeof *p), *adjusted = malloc((n + 1) * sizeof *adjusted);
    int rc = p && adjusted ? 0 : JB_E_NOMEM;
    *tests = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            p[at++] = c->cells[i].metrics[k].p;
            *tests += !isnan(p[at - 1]);
        }
    if (!rc) rc = jb_holm(p, n, adjusted);
    at = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) c->cells[i].metrics[k].p_adjusted = adjusted[at++];
    free(p);
    free(adjusted);
    return rc;
}

// ---- sentences ----

static int say(struct jb_comparison *c, const char *kind, const char *text)
{
    struct jb_result_sentence *s = jb_comparison_array(c, c->n_sentences + 1, sizeof *s);
    if (!s || !text) return JB_E_NOMEM;
    if (c->n_sentences) memcpy(s, c->sentences, c->n_sentences * sizeof *s);
    s[c->n_sentences++] = (struct jb_result_sentence){ kind, text };
    c->sentences = s;
    return 0;
}

struct tally { size_t n, better, worse; const struct jb_compared_cell *worst, *best; double worst_by, best_by; double *seeable; };

static double size_of(const struct jb_compared_metric *m) { return m->is_difference ? fabs(m->effect) : fabs(log(m->effect)); }

static void count_one(struct tally *t, const struct jb_comparison *c, const struct jb_compared_cell *cell, const struct jb_compared_metric *m)
{
    int sign = jb_compared_sign(c, m);
    if (!isfinite(m->lower) || !isfinite(m->upper)) return;
    t->seeable[t->n++] = m->detectable;
    if (sign < 0 && (!t->worse++ || size_of(m) > t->worst_by)) t->worst = cell, t->worst_by = size_of(m);
    if (sign > 0 && (!t->better++ || size_of(m) > t->best_by)) t->best = cell, t->best_by = size_of(m);
}

static void example(struct jb_str *s, const char *name, const struct jb_compared_cell *cell, size_t n)
{
    const struct jb_compared_metric *m = jb_compared_metric_find(cell, name);
    jb_str_addf(s, "%s%s", n > 1 ? ", most " : ", ", cell->label ? cell->label : cell->label_candidate);
    if (cell->run) jb_str_addf(s, " (%s)", cell->run);
    jb_str_addf(s, ": %s", m->words);
}

// "mean latency: 3 of 14 cells slower, most fashion-ee int8: 4.6 % slower (3.1 to 6.1); 1 of 14 cells faster, ..."; of one cell: "mean latency: 4.6 % slower (3.1 to 6.1)".
static int sentence_of(struct jb_comparison *c, const char *name)
{
    const struct words *w = words_of(name);
    struct tally t = { .seeable = malloc((c->n_cells + 1) * sizeof(double)) };
    struct jb_str s = { 0 };
    char x[24];
    if (!t.seeable) return JB_E_NOMEM;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (m) count_one(&t, c, &c->cells[i], m);
    }
    bool up_is_better = jb_compared_is_share(name), one = t.n == 1 && t.worse + t.better;
    jb_str_addf(&s, "%s:", jb_compared_title_of_all(c, name));
    if (one) jb_str_addf(&s, " %s", jb_compared_metric_find(t.worse ? t.worst : t.best, name)->words);
    if (t.worse && !one) jb_str_addf(&s, " %zu of %zu cells %s", t.worse, t.n, up_is_better ? w->less : w->more), example(&s, name, t.worst, t.worse);
    if (t.better && !one) jb_str_addf(&s, "%s %zu of %zu cells %s", t.worse ? ";" : "", t.better, t.n, up_is_better ? w->more : w->less), example(&s, name, t.best, t.better);
    if (t.n && !t.worse && !t.better) {
        double median = jb_median_f64(t.seeable, t.n);
        figure(x, median * 100, median * 20);
        jb_str_addf(&s, " no difference can be seen in %zu %s; one of %s %s would have been%s", t.n, t.n == 1 ? "cell" : "cells", x, up_is_better ? "points" : "%", t.n > 1 ? " in half of them" : "");
    }
    int rc = s.failed ? JB_E_NOMEM : t.n ? say(c, "answer", jb_comparison_str(c, jb_str_get(&s))) : 0;
    jb_str_free(&s);
    free(t.seeable);
    return rc;
}

// MACs and bytes: any change is one.
static int exact_sentence(struct jb_comparison *c, const char *name)
{
    size_t n = 0, changed = 0;
    const struct jb_compared_cell *first = NULL;
    struct jb_str s = { 0 };
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (!m || !isfinite(m->effect)) continue;
        n++;
        if (!jb_compared_sign(c, m)) continue;
        changed++;
        if (!first) first = &c->cells[i];
    }
    if (!changed) return 0;
    jb_str_addf(&s, "%s: ", jb_compared_metric_title(name));
    if (n == 1) jb_str_add(&s, jb_compared_metric_find(first, name)->words);
    else jb_str_addf(&s, "changed in %zu of %zu cells", changed, n), example(&s, name, first, 1);
    int rc = s.failed ? JB_E_NOMEM : say(c, "exact", jb_comparison_str(c, jb_str_get(&s)));
    jb_str_free(&s);
    return rc;
}

static bool compared_latency(const struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], "latency_mean_ns");
        if (m && isfinite(m->effect)) return true;
    }
    return false;
}

static int counted(struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) n += c->cells[i].reason != NULL;
    return n ? say(c, "warning", jb_comparison_strf(c, "%zu of %zu cells are not compared: see their reasons.", n, c->n_cells)) : 0;
}

int jb_compare_sentences(struct jb_comparison *c)
{
    static const char *const NOISY[] = { "accuracy", "exact_match", "ppl", "agreement", "latency_mean_ns", "ttft_ns", "uj_per_query" }, *const EXACT[] = { "macs_mean", "model_bytes", "peak_rss_bytes", "instructions" };
    int rc = 0;
    c->n_sentences = 0;
    for (size_t i = 0; i < sizeof NOISY / sizeof *NOISY && !rc; i++) rc = sentence_of(c, NOISY[i]);
    for (size_t i = 0; i < sizeof EXACT / sizeof *EXACT && !rc; i++) rc = exact_sentence(c, EXACT[i]);
    if (!rc && !strcmp(c->mode, "past") && compared_latency(c))
        rc = say(c, "warning", "The two runs were made at two times: their intervals know what varied within each run, not what changed on the machine between them. compare --live measures both in turns.");
    return rc ? rc : counted(c);
}

int jb_compare_finish(struct jb_comparison *c, struct jb_err *err)
{
    size_t tests = 0;
    int rc = holm(c, &tests);
    for (size_t i = 0; i < c->n_cells && !rc; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics && !rc; k++) rc = jb_compare_words(c, &c->cells[i].metrics[k], tests);
    if (!rc) rc = jb_compare_sentences(c);
    return rc ? jb_fail(err, rc, "comparison") : 0;
}
