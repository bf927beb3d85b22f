// Which setting costs the fewest joules per correct answer, in words.
#include "reports/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

static bool comparable(const struct jb_result_cell *c, const struct jb_result_cell *like)
{
    return c->status == JB_CELL_VALID && isfinite(c->accuracy.value) && same(c->workload, like->workload) && same(c->scenario, like->scenario) && same(c->unit, like->unit) &&
        c->threads == like->threads && c->streams == like->streams && jb_same_limit(c->power_limit_w, like->power_limit_w);
}

static bool has(const struct jb_result_cell *c, const struct jb_result_cell *like) { return comparable(c, like) && jb_cell_has_energy(c) && isfinite(c->energy.per_correct_uj); }

static size_t fewest(const struct jb_result *r, const struct jb_result_cell *like, double least_accuracy)
{
    size_t at = JB_NO_CELL;
    for (size_t i = 0; i < r->n_cells; i++)
        if (has(&r->cells[i], like) && r->cells[i].accuracy.value >= least_accuracy - 1e-12 &&
            (at == JB_NO_CELL || r->cells[i].energy.per_correct_uj < r->cells[at].energy.per_correct_uj))
            at = i;
    return at;
}

size_t jb_fewest_joules(const struct jb_result *r, const struct jb_result_cell *like) { return fewest(r, like, -1); }

// Settings whose bounds reach below its upper bound: they may be the cheaper ones.
static size_t rivals(const struct jb_result *r, const struct jb_result_cell *like, size_t winner, double least_accuracy)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_cells; i++)
        n += i != winner && has(&r->cells[i], like) && r->cells[i].accuracy.value >= least_accuracy - 1e-12 &&
            r->cells[i].energy.per_correct_lower_uj < r->cells[winner].energy.per_correct_upper_uj;
    return n;
}

static void add_cell(struct jb_str *s, const struct jb_result_cell *c)
{
    char uj[24], lower[24], upper[24], accuracy[24];
    jb_fmt_percent(accuracy, c->accuracy.value);
    jb_fmt_uj(uj, c->energy.per_correct_uj);
    jb_str_addf(s, "%s: %s per correct answer", jb_text(c->label, "?"), uj);
    if (isfinite(c->energy.per_correct_lower_uj) && isfinite(c->energy.per_correct_upper_uj)) {
        jb_fmt_uj(lower, c->energy.per_correct_lower_uj);
        jb_fmt_uj(upper, c->energy.per_correct_upper_uj);
        jb_str_addf(s, " [%s, %s]", lower, upper);
    }
    jb_str_addf(s, ", gross, %s, at %s", jb_energy_class_name(c->energy.cls), accuracy);
}

static void add_rivals(struct jb_str *s, size_t n)
{
    if (n)
        jb_str_addf(s, " (the bounds of %zu other%s overlap with its own: they may be as cheap)", n, n == 1 ? "" : "s");
}

static void against_full(struct jb_str *s, const struct jb_result *r, const struct jb_result_cell *c)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *f = &r->cells[i];
        if (f == c || !has(f, c) || !same(f->policy, "final") || !same(f->model, c->model) || !same(f->precision, c->precision) || f->energy.cls != c->energy.cls)
            continue;
        double ratio = f->energy.per_correct_uj / c->energy.per_correct_uj;
        if (ratio >= 1.005)
            jb_str_addf(s, ", %.2f times less than its full network", ratio);
        else if (ratio <= 0.995)
            jb_str_addf(s, ", %.2f times as much as its full network", 1 / ratio);
        return;
    }
}

bool jb_energy_answer(const struct jb_result *r, const struct jb_result_cell *like, struct jb_str *s)
{
    double best = -1;
    size_t n = 0, at = fewest(r, like, -1);
    for (size_t i = 0; i < r->n_cells; i++) {
        n += has(&r->cells[i], like);
        if (comparable(&r->cells[i], like))
            best = fmax(best, r->cells[i].accuracy.value);
    }
    if (at == JB_NO_CELL || n < 2) // one setting alone is no choice
        return false;
    char percent[24], limit[24];
    size_t good = fewest(r, like, best - JB_ANSWER_WITHIN);
    jb_fmt_percent(percent, best);
    jb_fmt_limit(limit, like->power_limit_w);
    jb_str_addf(s, "%s, %s%s: the fewest joules per correct answer takes ", jb_text(like->workload, "?"), jb_text(like->scenario, "?"), limit);
    add_cell(s, &r->cells[at]);
    against_full(s, r, &r->cells[at]);
    add_rivals(s, rivals(r, like, at, -1));
    jb_str_add(s, ".");
    if (good == at) {
        jb_str_addf(s, " It is within %.1f points of the best accuracy (%s).", JB_ANSWER_WITHIN * 100, percent);
    } else if (good != JB_NO_CELL) {
        jb_str_addf(s, " Within %.1f points of the best accuracy (%s) it is ", JB_ANSWER_WITHIN * 100, percent);
        add_cell(s, &r->cells[good]);
        against_full(s, r, &r->cells[good]);
        add_rivals(s, rivals(r, like, good, best - JB_ANSWER_WITHIN));
        jb_str_add(s, ".");
    }
    return true;
}
