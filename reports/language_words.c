// Whether stopping early pays on a language model, in words.
#include "reports/language.h"

#include <math.h>
#include <stdio.h>

static double cost_of(const struct jb_result_cell *c) { return isfinite(c->latency_mean_ns) ? c->latency_mean_ns : c->macs_mean; }

static size_t cheapest(const struct jb_result *r, const struct jb_result_cell *like, double least, bool adaptive)
{
    size_t at = JB_NO_CELL;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        if (jb_cells_compare(c, like) && (!adaptive || jb_cell_is_adaptive(c)) && jb_cell_value(c) >= least - 1e-12 && isfinite(cost_of(c)) &&
            (at == JB_NO_CELL || cost_of(c) < cost_of(&r->cells[at])))
            at = i;
    }
    return at;
}

// "saves 12 % of the bytes, 3 % of the time and takes 1 % more MACs": a verb stands for all that follow it.
static bool add_saving(struct jb_str *s, size_t n, int *verb, double own, double full, const char *what)
{
    double saved = 1 - own / full;
    if (!isfinite(saved) || !(full > 0))
        return false;
    int is = fabs(saved) < 0.0005 ? 0 : saved > 0 ? 1 : -1;
    bool again = n && is == *verb;
    jb_str_add(s, n ? again ? ", " : " and " : "");
    if (is == 0)
        jb_str_addf(s, "%s%s", again ? "" : "takes the same ", what);
    else if (is > 0)
        jb_str_addf(s, "%s%.3g %% of the %s", again ? "" : "saves ", saved * 100, what);
    else
        jb_str_addf(s, "%s%.3g %% more %s", again ? "" : "takes ", -saved * 100, what);
    *verb = is;
    return true;
}

static void add_savings(struct jb_str *s, const struct jb_result_cell *c, const struct jb_result_cell *f)
{
    const struct { double own, full; const char *what; } X[] = {{c->bytes_mean, f->bytes_mean, "bytes"}, {c->latency_mean_ns, f->latency_mean_ns, "time"}, {c->macs_mean, f->macs_mean, "MACs"}};
    size_t n = 0;
    int verb = 0;
    for (size_t i = 0; i < 3; i++)
        n += add_saving(s, n, &verb, X[i].own, X[i].full, X[i].what);
    jb_str_add(s, n ? " a token" : "has no costs to compare");
}

static void add_agreement(struct jb_str *s, const struct jb_result_cell *c)
{
    const struct jb_result_quality *a = jb_cell_quality(c, "agreement"), *m = a ? NULL : jb_cell_quality(c, "matching");
    char text[24];
    if (a || m) {
        jb_fmt_percent(text, a ? a->value : m->value);
        jb_str_addf(s, " at %s %s", text, a ? "agreement with it" : "of its text matching");
    }
}

static void add_overheads(struct jb_str *s, const struct jb_result *r, const struct jb_result_cell *c)
{
    double all = jb_overhead_share(r, c, false), late = c->language.deferred_bytes / c->bytes_mean;
    if (isfinite(all)) {
        jb_str_addf(s, "; of the bytes it reads, %.3g %% are gates, heads tried in vain and late fills", all * 100);
        if (isfinite(late))
            jb_str_addf(s, " (late fills %.3g %%)", late * 100);
    } else if (isfinite(late)) {
        jb_str_addf(s, "; of the bytes it reads, %.3g %% are late fills", late * 100);
    }
}

static bool intervals_overlap(const struct jb_result_cell *a, const struct jb_result_cell *b)
{
    const struct jb_value *x = &a->latency_mean_ci, *y = &b->latency_mean_ci;
    return isfinite(x->lower) && isfinite(x->upper) && isfinite(y->lower) && isfinite(y->upper) && x->lower <= y->upper && y->lower <= x->upper;
}

static void add_setting(struct jb_str *s, const struct jb_result_cell *c)
{
    char text[24];
    jb_fmt_percent(text, jb_cell_value(c));
    jb_str_addf(s, "%s (%s", jb_text(c->label, "?"), text);
    const struct jb_result_quality *q = jb_cell_quality(c, jb_cell_value_name(c));
    if (q && isfinite(q->lower) && isfinite(q->upper) && q->upper > q->lower)
        jb_str_addf(s, " [%.1f, %.1f]", q->lower * 100, q->upper * 100);
    if (isfinite(c->latency_mean_ns)) {
        jb_fmt_ns(text, c->latency_mean_ns);
        jb_str_addf(s, ", %s a token", text);
    }
    if (isfinite(c->language.ttft.mean)) {
        jb_fmt_ns(text, c->language.ttft.mean);
        jb_str_addf(s, ", %s to the first", text);
    }
    jb_str_add(s, ")");
}

#define VAGUE 0.05 // a quality that is known no better carries no verdict

// NAN: no interval.
static double quality_half_width(const struct jb_result_cell *c)
{
    const struct jb_result_quality *q = jb_cell_quality(c, jb_cell_value_name(c));
    return q ? (q->upper - q->lower) / 2 : NAN;
}

// The verdict: `at` is the cheapest setting that is as good as the best, `try` the adaptive one to judge by.
static void add_verdict(struct jb_str *s, const struct jb_result *r, size_t at, size_t try, bool good)
{
    size_t full = try == JB_NO_CELL ? JB_NO_CELL : jb_full_model(r, &r->cells[try]);
    if (try == JB_NO_CELL) {
        jb_str_add(s, " Nothing that stops early was measured beside it.");
        return;
    }
    const struct jb_result_cell *c = &r->cells[try], *f = full == JB_NO_CELL ? NULL : &r->cells[full];
    if (!f) {
        jb_str_addf(s, " Whether stopping early pays is not known: the full model was not measured beside %s.", jb_text(c->label, "?"));
        return;
    }
    bool wins = good && cost_of(c) < cost_of(f), vague = quality_half_width(c) > VAGUE, sure = wins && !vague && !intervals_overlap(c, f);
    jb_str_addf(s, " On this model stopping early %s", sure ? "pays" : wins ? "does not surely pay" : "does not pay");
    if (wins && vague)
        jb_str_addf(s, " (too few queries: this quality is known to +-%.0f points)", quality_half_width(c) * 100);
    else if (wins && !sure)
        jb_str_add(s, " (intervals of the time a token overlap)");
    jb_str_add(s, ": ");
    if (good && try == at)
        jb_str_add(s, "this setting ");
    else
        jb_str_addf(s, "the cheapest setting that stops early%s, %s, ", good ? " and is as good" : ", none of them as good", jb_text(c->label, "?"));
    add_savings(s, c, f);
    jb_str_add(s, " against the full model");
    add_agreement(s, c);
    add_overheads(s, r, c);
    jb_str_add(s, ".");
}

bool jb_language_answer(const struct jb_result *r, const struct jb_result_cell *like, struct jb_str *s)
{
    double best = -1;
    char percent[24], limit[24];
    for (size_t i = 0; i < r->n_cells; i++)
        if (jb_cells_compare(&r->cells[i], like))
            best = fmax(best, jb_cell_value(&r->cells[i]));
    size_t at = cheapest(r, like, best - JB_ANSWER_WITHIN, false), try = cheapest(r, like, best - JB_ANSWER_WITHIN, true);
    bool good = try != JB_NO_CELL;
    if (!jb_cell_is_language(like) || at == JB_NO_CELL)
        return false;
    if (!good)
        try = cheapest(r, like, -1, true);
    jb_fmt_percent(percent, best);
    jb_fmt_limit(limit, like->power_limit_w);
    jb_str_addf(s, "%s, %s%s: the cheapest setting within %.1f points of the best %s (%s) is ", jb_text(like->workload, "?"), jb_text(like->scenario, "?"), limit, JB_ANSWER_WITHIN * 100,
        jb_quality_words(jb_cell_value_name(like)), percent);
    add_setting(s, &r->cells[at]);
    jb_str_add(s, ".");
    add_verdict(s, r, at, try, good);
    return true;
}
