// Which setting costs the fewest joules per correct answer, in words.
#include "reports/language.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

// What is asked for: joules per correct answer; of a language model, per committed token.
static struct jb_value joules_of(const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    if (jb_cell_is_language(c))
        return (struct jb_value){e->gross_uj, e->gross_lower_uj, e->gross_upper_uj, 0};
    return (struct jb_value){e->per_correct_uj, e->per_correct_lower_uj, e->per_correct_upper_uj, 0};
}

static const char *answer_word(const struct jb_result_cell *c) { return jb_cell_is_language(c) ? "committed token" : "correct answer"; }

static bool has(const struct jb_result_cell *c, const struct jb_result_cell *like) { return jb_cells_compare(c, like) && jb_cell_has_energy(c) && isfinite(joules_of(c).value); }

static double best_value(const struct jb_result *r, const struct jb_result_cell *like)
{
    double best = -1;
    for (size_t i = 0; i < r->n_cells; i++)
        if (jb_cells_compare(&r->cells[i], like))
            best = fmax(best, jb_cell_value(&r->cells[i]));
    return best;
}

// A token costs least where it is worst, so only settings as good as the best take part.
static double least_value(const struct jb_result *r, const struct jb_result_cell *like) { return jb_cell_is_language(like) ? best_value(r, like) - JB_ANSWER_WITHIN : -1; }

static size_t fewest(const struct jb_result *r, const struct jb_result_cell *like, double least_accuracy)
{
    size_t at = JB_NO_CELL;
    for (size_t i = 0; i < r->n_cells; i++)
        if (has(&r->cells[i], like) && jb_cell_value(&r->cells[i]) >= least_accuracy - 1e-12 &&
            (at == JB_NO_CELL || joules_of(&r->cells[i]).value < joules_of(&r->cells[at]).value))
            at = i;
    return at;
}

size_t jb_fewest_joules(const struct jb_result *r, const struct jb_result_cell *like) { return fewest(r, like, least_value(r, like)); }

// Settings whose bounds reach below its upper bound: they may be the cheaper ones.
static size_t rivals(const struct jb_result *r, const struct jb_result_cell *like, size_t winner, double least_accuracy)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_cells; i++)
        n += i != winner && has(&r->cells[i], like) && jb_cell_value(&r->cells[i]) >= least_accuracy - 1e-12 &&
            joules_of(&r->cells[i]).lower < joules_of(&r->cells[winner]).upper;
    return n;
}

static void add_cell(struct jb_str *s, const struct jb_result_cell *c)
{
    char uj[24], lower[24], upper[24], accuracy[24];
    struct jb_value j = joules_of(c);
    jb_fmt_percent(accuracy, jb_cell_value(c));
    jb_fmt_uj(uj, j.value);
    jb_str_addf(s, "%s: %s per %s", jb_text(c->label, "?"), uj, answer_word(c));
    if (isfinite(j.lower) && isfinite(j.upper)) {
        jb_fmt_uj(lower, j.lower);
        jb_fmt_uj(upper, j.upper);
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
        if (f == c || !has(f, c) || !same(f->policy, "final") || !same(f->model, c->model) || !same(f->precision, c->precision) || !same(f->language.kv, c->language.kv) || f->energy.cls != c->energy.cls)
            continue;
        double ratio = joules_of(f).value / joules_of(c).value;
        if (ratio >= 1.005)
            jb_str_addf(s, ", %.2f times less than its full network", ratio);
        else if (ratio <= 0.995)
            jb_str_addf(s, ", %.2f times as much as its full network", 1 / ratio);
        return;
    }
}

static const char *best_word(const struct jb_result_cell *c) { return jb_cell_is_language(c) ? jb_quality_words(jb_cell_value_name(c)) : "accuracy"; }

bool jb_energy_answer(const struct jb_result *r, const struct jb_result_cell *like, struct jb_str *s)
{
    double best = best_value(r, like), least = least_value(r, like);
    size_t n = 0, at = fewest(r, like, least);
    for (size_t i = 0; i < r->n_cells; i++)
        n += has(&r->cells[i], like);
    if (at == JB_NO_CELL || n < 2) // one setting alone is no choice
        return false;
    char percent[24], limit[24];
    size_t good = fewest(r, like, best - JB_ANSWER_WITHIN);
    jb_fmt_percent(percent, best);
    jb_fmt_limit(limit, like->power_limit_w);
    jb_str_addf(s, "%s, %s%s: the fewest joules per %s takes ", jb_text(like->workload, "?"), jb_text(like->scenario, "?"), limit, answer_word(like));
    add_cell(s, &r->cells[at]);
    against_full(s, r, &r->cells[at]);
    add_rivals(s, rivals(r, like, at, least));
    jb_str_add(s, ".");
    if (good == at) {
        jb_str_addf(s, " It is within %.1f points of the best %s (%s).", JB_ANSWER_WITHIN * 100, best_word(like), percent);
    } else if (good != JB_NO_CELL) {
        jb_str_addf(s, " Within %.1f points of the best %s (%s) it is ", JB_ANSWER_WITHIN * 100, best_word(like), percent);
        add_cell(s, &r->cells[good]);
        against_full(s, r, &r->cells[good]);
        add_rivals(s, rivals(r, like, good, best - JB_ANSWER_WITHIN));
        jb_str_add(s, ".");
    }
    return true;
}
