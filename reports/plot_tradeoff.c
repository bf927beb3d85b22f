// Accuracy against a cost: hull of what does not adapt, adaptive curves, fixed exits, oracles, the Pareto front and the answer.
#include "reports/plot_parts.h"
#include "reports/language.h"

#include "base/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SERIES 48
#define MAX_POLICIES 8
#define MAX_ORACLES 16

struct point { size_t cell; double cost, acc; };
struct series { const char *model, *precision, *policy; bool adaptive, frozen; size_t from, n; };

struct scene {
    struct jb_canvas *c;
    const struct jb_view *v;
    const struct jb_group *g;
    const struct jb_plot *plot;
    enum jb_cost cost;
    bool modelled, phone;
    struct point *points;
    size_t n, below;               // below: under the range shown
    struct series series[MAX_SERIES];
    size_t n_series;
    const char *policies[MAX_POLICIES];
    size_t n_policies;
    bool has_static, has_fixed, has_oracle, has_frozen, has_full;
};

static const int FILLED[MAX_POLICIES] = {7, 13, 9, 5, 11, 15, 7, 5}; // round, diamond, up, square, down, pentagon
static const int OPEN[MAX_POLICIES] = {6, 12, 8, 4, 10, 14, 6, 4};

static enum jb_cost cost_of(enum jb_plot_kind k)
{
    switch (k) {
    case JB_PLOT_P99: return JB_COST_P99;
    case JB_PLOT_MACS: return JB_COST_MACS;
    case JB_PLOT_BYTES: return JB_COST_BYTES;
    case JB_PLOT_ENERGY: return JB_COST_ENERGY;
    case JB_PLOT_MODELLED: return JB_COST_MODELLED;
    default: return JB_COST_MEAN;
    }
}

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

static const struct jb_result_cell *cell_of(const struct scene *s, const struct point *p) { return &s->v->r->cells[p->cell]; }

// The full language model has a mark of its own.
static bool is_full(const struct scene *s, const struct jb_result_cell *c) { return s->g->tokens && same(c->policy, "final"); }

// Series first (adaptive ones by model, precision and policy; the rest by precision), then cost.
static int compare(const void *x, const void *y, void *user)
{
    const struct jb_result_cell *cells = user;
    const struct point *a = x, *b = y;
    const struct jb_result_cell *ca = &cells[a->cell], *cb = &cells[b->cell];
    int d = jb_cell_is_adaptive(ca) - jb_cell_is_adaptive(cb);
    if (!d) d = strcmp(jb_text(ca->precision, ""), jb_text(cb->precision, ""));
    if (!d && jb_cell_is_adaptive(ca)) d = strcmp(jb_text(ca->model, ""), jb_text(cb->model, ""));
    if (!d && jb_cell_is_adaptive(ca)) d = strcmp(jb_text(ca->policy, ""), jb_text(cb->policy, ""));
    if (!d && jb_cell_is_adaptive(ca)) d = strcmp(jb_text(ca->language.kv, ""), jb_text(cb->language.kv, ""));
    if (!d && jb_cell_is_adaptive(ca)) d = strcmp(jb_text(ca->language.fill, ""), jb_text(cb->language.fill, ""));
    if (!d) d = a->cost < b->cost ? -1 : a->cost > b->cost;
    if (!d) d = a->acc < b->acc ? -1 : a->acc > b->acc;
    return d;
}

static size_t policy_index(struct scene *s, const char *policy)
{
    for (size_t i = 0; i < s->n_policies; i++)
        if (same(s->policies[i], policy))
            return i;
    if (s->n_policies == MAX_POLICIES)
        return MAX_POLICIES - 1;
    s->policies[s->n_policies] = jb_text(policy, "");
    return s->n_policies++;
}

static int gather(struct scene *s)
{
    s->points = malloc((s->g->n_usable + 1) * sizeof *s->points);
    if (!s->points)
        return JB_E_NOMEM;
    for (size_t i = 0; i < s->g->n_usable; i++) {
        const struct jb_result_cell *c = &s->v->r->cells[s->g->cells[i]];
        double cost = jb_cell_cost(c, s->cost);
        if (isfinite(cost) && cost > 0)
            s->points[s->n++] = (struct point){s->g->cells[i], cost, jb_cell_value(c)};
    }
    qsort_r(s->points, s->n, sizeof *s->points, compare, s->v->r->cells);
    for (size_t i = 0; i < s->n; i++) {
        const struct jb_result_cell *c = cell_of(s, &s->points[i]);
        bool adaptive = jb_cell_is_adaptive(c);
        struct series *l = s->n_series ? &s->series[s->n_series - 1] : NULL;
        bool goes_on = l && l->adaptive == adaptive && same(l->precision, c->precision) && (!adaptive || (same(l->model, c->model) && same(l->policy, c->policy) && (i == 0 || jb_same_memory(cell_of(s, &s->points[i - 1]), c))));
        if (!goes_on && s->n_series == MAX_SERIES) {
            s->n = i; // more curves than an eye can tell apart
            break;
        }
        if (!goes_on)
            s->series[s->n_series++] = (struct series){c->model, c->precision, c->policy, adaptive, adaptive && same(c->language.fill, "frozen"), i, 0};
        s->series[s->n_series - 1].n++;
        if (adaptive)
            policy_index(s, c->policy);
        s->has_static |= same(c->role, "static") && !is_full(s, c);
        s->has_fixed |= same(c->role, "fixed") && !is_full(s, c);
        s->has_full |= is_full(s, c);
        s->has_frozen |= adaptive && same(c->language.fill, "frozen");
    }
    return JB_OK;
}

// Oracles of the networks in this group alone. What they know is whether a token is right: where quality is another one, they have no place.
static bool oracle_belongs(const struct scene *s, const struct jb_result_oracle *o)
{
    if (!s->g->tokens)
        return true;
    for (size_t i = 0; i < s->n && same(s->g->quality, "accuracy"); i++)
        if (same(cell_of(s, &s->points[i])->model, o->model))
            return true;
    return false;
}

// The interesting part: from the best down to what the Pareto front of this cost holds, but not more than 6 points of accuracy (of tokens 10, of free writing 60: it parts soon).
static void ranges(struct scene *s)
{
    double best = 0, least = 1, lo = INFINITY, hi = 0;
    for (size_t i = 0; i < s->n; i++) {
        best = fmax(best, s->points[i].acc);
        least = fmin(least, s->points[i].acc);
    }
    least = fmax(least, best - (!s->g->tokens ? 0.06 : same(s->g->quality, "matching") ? 0.6 : 0.1));
    for (size_t i = 0; i < s->n; i++) {
        if (s->points[i].acc < least) {
            s->below++;
            continue;
        }
        lo = fmin(lo, s->points[i].cost);
        hi = fmax(hi, s->points[i].cost);
    }
    for (size_t i = 0; i < s->v->r->n_oracles && s->cost == JB_COST_MACS; i++) {
        if (!oracle_belongs(s, &s->v->r->oracles[i]))
            continue;
        double m = s->v->r->oracles[i].macs_mean;
        if (isfinite(m) && m > 0 && isfinite(s->v->r->oracles[i].accuracy)) {
            lo = fmin(lo, m);
            hi = fmax(hi, m);
            s->has_oracle = true;
        }
    }
    jb_axis_range_x(s->c, lo, hi);
    jb_axis_range_accuracy(s->c, least, best);
    if (s->has_oracle) // room for what stands above
        s->c->y1 += (s->c->y1 - s->c->y0) * 0.12;
}

static void relative_text(char out[24], double v) { snprintf(out, 24, "%.3g", v); }

static void cost_text(char out[24], enum jb_cost kind, double cost)
{
    if (kind == JB_COST_MACS)
        jb_fmt_count(out, cost);
    else if (kind == JB_COST_BYTES)
        jb_fmt_bytes(out, cost);
    else if (kind == JB_COST_ENERGY)
        jb_fmt_uj(out, cost);
    else if (kind == JB_COST_MODELLED)
        snprintf(out, 24, "%.3f", cost);
    else
        jb_fmt_ns(out, cost);
}

static void tip(struct jb_str *b, const struct scene *s, const struct point *p)
{
    const struct jb_result_cell *c = cell_of(s, p);
    char acc[24], cost[24];
    jb_fmt_percent(acc, p->acc);
    cost_text(cost, s->cost, p->cost);
    jb_str_clear(b);
    jb_add_plain(b, jb_text(c->label, "?"), 80);
    jb_str_addf(b, ": %s, %s%s", acc, cost, s->cost == JB_COST_MACS ? " MACs" : s->cost == JB_COST_MODELLED ? " of the full network (modelled)" : "");
    if (s->cost == JB_COST_ENERGY)
        jb_str_addf(b, " (%s)", jb_energy_class_name(c->energy.cls));
}

static void clip_avoid(struct jb_canvas *c, double x0, double y0, double x1, double y1)
{
    jb_canvas_avoid_line(c, jb_canvas_x(c, x0), fmin(jb_canvas_y(c, y0 * 100), c->bottom), jb_canvas_x(c, x1), fmin(jb_canvas_y(c, y1 * 100), c->bottom));
}

// The Pareto front of this cost, as a broad pale band behind everything.
static void draw_front(struct scene *s)
{
    double *cost = malloc((s->n + 1) * sizeof *cost), *value = malloc((s->n + 1) * sizeof *value);
    size_t *out = malloc((s->n + 1) * sizeof *out);
    s->c->failed |= !cost || !value || !out;
    if (cost && value && out) {
        for (size_t i = 0; i < s->n; i++) {
            cost[i] = s->points[i].cost;
            value[i] = s->points[i].acc;
        }
        size_t n = jb_pareto(cost, value, s->n, out);
        jb_canvas_block(s->c, "Pareto front");
        for (size_t i = 0; i < n; i++)
            jb_canvas_row(s->c, "%.10g %.10g", cost[out[i]], value[out[i]] * 100);
        jb_canvas_style(s->c, "1:2", JB_FRONT, "with lines lw 11");
    }
    free(cost);
    free(value);
    free(out);
}

// A mixture of two settings lies on a straight line of cost, which a logarithmic axis bends.
static void hull_side(struct jb_canvas *c, double x0, double y0, double x1, double y1)
{
    double px = x0, py = y0;
    for (int i = 0; i <= 16; i++) {
        double x = x0 + (x1 - x0) * i / 16, y = y0 + (y1 - y0) * i / 16;
        jb_canvas_row(c, "%.10g %.10g", x, y * 100);
        clip_avoid(c, px, py, x, y);
        px = x;
        py = y;
    }
}

static void draw_hull(struct scene *s, const struct series *l)
{
    double *cost = malloc((l->n + 1) * sizeof *cost), *value = malloc((l->n + 1) * sizeof *value);
    size_t *out = malloc((l->n + 1) * sizeof *out), n = 0;
    s->c->failed |= !cost || !value || !out;
    for (size_t i = 0; i < l->n && cost && value && out; i++) {
        cost[i] = s->points[l->from + i].cost;
        value[i] = s->points[l->from + i].acc;
    }
    if (cost && value && out)
        n = jb_hull_upper(cost, value, l->n, out);
    if (n > 1) {
        jb_canvas_block(s->c, "hull of static networks and fixed exits");
        for (size_t i = 1; i < n; i++)
            hull_side(s->c, cost[out[i - 1]], value[out[i - 1]], cost[out[i]], value[out[i]]);
        jb_canvas_style(s->c, "1:2", jb_precision_color(l->precision), "with lines dt (5,4) lw 1.4");
    }
    free(cost);
    free(value);
    free(out);
}

static void draw_points(struct scene *s, const struct series *l, const char *role, int point_type)
{
    char style[80];
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += (l->adaptive || same(cell_of(s, &s->points[l->from + i])->role, "static") == same(role, "static"));
    if (!n)
        return;
    for (int pass = 0; pass < 2; pass++) { // open marks stand on paper, so that lines do not run through them
        if (pass == 0 && l->adaptive && !s->modelled)
            continue;
        jb_canvas_block(s->c, l->adaptive ? "adaptive" : role);
        for (size_t i = 0; i < l->n; i++) {
            const struct point *p = &s->points[l->from + i];
            if (!l->adaptive && same(cell_of(s, p)->role, "static") != same(role, "static"))
                continue;
            jb_canvas_row(s->c, "%.10g %.10g", p->cost, p->acc * 100);
            if (pass == 1 && jb_canvas_inside(s->c, p->cost, p->acc * 100))
                jb_canvas_avoid(s->c, jb_canvas_x(s->c, p->cost), jb_canvas_y(s->c, p->acc * 100), 5, 5, 3);
        }
        snprintf(style, sizeof style, "with points pt %d ps %.2g lw 1.7", pass ? point_type : point_type + 1, l->adaptive ? 0.72 : 0.8);
        jb_canvas_style(s->c, "1:2", pass ? jb_precision_color(l->precision) : JB_PAPER, style);
    }
}

static void draw_adaptive(struct scene *s, const struct series *l)
{
    size_t k = policy_index(s, l->policy);
    jb_canvas_block(s->c, "adaptive curve");
    for (size_t i = 0; i < l->n; i++) {
        const struct point *p = &s->points[l->from + i];
        jb_canvas_row(s->c, "%.10g %.10g", p->cost, p->acc * 100);
        if (i)
            clip_avoid(s->c, p[-1].cost, p[-1].acc, p->cost, p->acc);
    }
    jb_canvas_style(s->c, "1:2", jb_precision_color(l->precision), s->modelled ? "with lines dt (1,3) lw 1.8" : l->frozen ? "with lines dt (3,3) lw 1.4" : "with lines lw 2");
    draw_points(s, l, "adaptive", l->frozen ? 2 : s->modelled ? OPEN[k] : FILLED[k]);
}

static void draw_series(struct scene *s)
{
    for (size_t i = 0; i < s->n_series; i++)
        if (!s->series[i].adaptive)
            draw_hull(s, &s->series[i]);
    for (size_t i = 0; i < s->n_series; i++) {
        if (s->series[i].adaptive)
            continue;
        draw_points(s, &s->series[i], "static", 4);
        draw_points(s, &s->series[i], "fixed", 6);
    }
    for (size_t i = 0; i < s->n_series; i++)
        if (s->series[i].adaptive)
            draw_adaptive(s, &s->series[i]);
}

// Everything is to be seen against the full model: a filled square in a ring, and the name beside it.
static void draw_full(struct scene *s, bool label)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct point *p = &s->points[i];
        const struct jb_result_cell *c = cell_of(s, p);
        if (!is_full(s, c) || !jb_canvas_inside(s->c, p->cost, p->acc * 100))
            continue;
        double px = jb_canvas_x(s->c, p->cost), py = jb_canvas_y(s->c, p->acc * 100);
        char text[48] = "full model";
        if (s->g->kv_differs)
            snprintf(text, sizeof text, "full model, K/V %.20s", jb_text(c->language.kv, ""));
        if (label) {
            jb_canvas_label(s->c, px, py, 12, JB_INK, false, false, text);
        } else {
            jb_canvas_mark(s->c, px, py, 5, 0.9, jb_precision_color(c->precision));
            jb_canvas_mark(s->c, px, py, 4, 1.5, JB_INK);
            jb_canvas_avoid(s->c, px, py, 8, 8, 8);
        }
    }
}

// An oracle above the range is marked at the upper edge, with its accuracy in words. Of those that fall on one spot, one is drawn.
// Marks first and words later: the answer has the first choice of room.
static void draw_oracles(struct scene *s, bool labels)
{
    struct jb_canvas *c = s->c;
    const struct jb_result *r = s->v->r;
    double seen[MAX_ORACLES][2];
    size_t n = 0;
    for (size_t i = 0; i < r->n_oracles && s->cost == JB_COST_MACS && n < MAX_ORACLES; i++) {
        const struct jb_result_oracle *o = &r->oracles[i];
        if (!oracle_belongs(s, o) || !isfinite(o->accuracy) || !(o->macs_mean > 0) || o->accuracy * 100 < c->y0)
            continue;
        bool above = o->accuracy * 100 > c->y1, twice = false;
        double px = jb_canvas_x(c, o->macs_mean), py = above ? c->top + 4 : jb_canvas_y(c, o->accuracy * 100);
        for (size_t k = 0; k < n; k++)
            twice |= hypot(seen[k][0] - px, seen[k][1] - py) < 9;
        if (twice)
            continue;
        seen[n][0] = px;
        seen[n++][1] = py;
        if (!labels) {
            jb_canvas_mark(c, px, py, 3, 1.1, JB_INK);
            jb_canvas_avoid(c, px, py, 8, 8, 8);
            continue;
        }
        char acc[24], text[96];
        struct jb_str kind = {0};
        jb_fmt_percent(acc, o->accuracy);
        jb_add_plain(&kind, jb_text(o->kind, "oracle"), 24);
        snprintf(text, sizeof text, above ? "oracle, %s: %s" : "oracle, %s", jb_str_get(&kind), acc);
        jb_str_free(&kind);
        jb_canvas_label(c, px, py, 11, JB_INK, false, false, text);
    }
}

// In joules the question is another one.
static size_t answer_of(const struct scene *s) { return s->cost == JB_COST_ENERGY ? s->g->joules : s->g->answer; }

// Hard bounds of the joules, as thin lines behind the marks.
static void draw_bounds(struct scene *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n && s->cost == JB_COST_ENERGY; i++) {
        const struct point *p = &s->points[i];
        const struct jb_result_energy *e = &cell_of(s, p)->energy;
        if (!isfinite(e->gross_lower_uj) || !isfinite(e->gross_upper_uj) || !jb_canvas_inside(s->c, p->cost, p->acc * 100))
            continue;
        if (n++ == 0)
            jb_canvas_block(s->c, "bounds of the joules");
        jb_canvas_row(s->c, "%.10g %.10g %.10g %.10g", p->cost, p->acc * 100, fmax(e->gross_lower_uj, s->c->x0), fmin(e->gross_upper_uj, s->c->x1));
    }
    if (n)
        jb_canvas_style(s->c, "1:2:3:4", JB_DIM, "with xerrorbars pt -1 lw 0.8");
}

static void draw_answer(struct scene *s)
{
    struct jb_canvas *c = s->c;
    for (size_t i = 0; i < s->n; i++) {
        const struct point *p = &s->points[i];
        if (p->cell != answer_of(s) || !jb_canvas_inside(c, p->cost, p->acc * 100))
            continue;
        double px = jb_canvas_x(c, p->cost), py = jb_canvas_y(c, p->acc * 100);
        jb_canvas_mark(c, px, py, 6, 1.9, JB_INK);
        jb_canvas_avoid(c, px, py, 10, 10, 6);
        char acc[24], cost[24], text[64];
        jb_fmt_percent(acc, p->acc);
        cost_text(cost, s->cost, p->cost);
        snprintf(text, sizeof text, s->cost == JB_COST_ENERGY ? "fewest J: %s at %s" : "answer: %s at %s", acc, cost);
        jb_canvas_label(c, px, py, 12.5, JB_INK, true, true, text);
    }
}

static void label_precisions(struct scene *s)
{
    char text[64];
    const char *last = NULL;
    for (int adaptive = 1; adaptive >= 0; adaptive--) {
        last = NULL;
        for (size_t i = 0; i < s->n_series; i++) {
            const struct series *l = &s->series[i];
            if (l->adaptive != (adaptive == 1) || (last && same(last, l->precision)))
                continue;
            struct jb_str b = {0};
            jb_add_plain(&b, jb_text(l->precision, "?"), 24);
            snprintf(text, sizeof text, "%.48s %s", jb_str_get(&b), adaptive ? "adaptive" : s->g->tokens ? "fixed exits" : "static");
            jb_str_free(&b);
            for (size_t k = 0; k < l->n; k++) { // at the cheap end of the curve
                const struct point *p = &s->points[l->from + k];
                if (!jb_canvas_inside(s->c, p->cost, p->acc * 100))
                    continue;
                if (jb_canvas_label(s->c, jb_canvas_x(s->c, p->cost), jb_canvas_y(s->c, p->acc * 100), 12, jb_precision_color(l->precision), adaptive, false, text)) {
                    last = l->precision;
                    break;
                }
            }
        }
    }
}

// Names of networks and exits, for the precision of the answer alone.
static void label_points(struct scene *s)
{
    const char *precision = s->g->answer == JB_NO_CELL ? NULL : s->v->r->cells[s->g->answer].precision;
    struct jb_str b = {0};
    for (size_t i = 0; i < s->n; i++) {
        const struct point *p = &s->points[i];
        const struct jb_result_cell *c = cell_of(s, p);
        bool frozen = s->g->tokens && jb_cell_is_adaptive(c) && same(c->language.fill, "frozen");
        if ((jb_cell_is_adaptive(c) && !frozen) || is_full(s, c) || (precision && !same(precision, c->precision)) || !jb_canvas_inside(s->c, p->cost, p->acc * 100))
            continue;
        jb_str_clear(&b);
        if (frozen)
            jb_str_add(&b, "frozen fill");
        else if (same(c->role, "static"))
            jb_add_plain(&b, jb_text(c->model, "?"), 20);
        else if (c->n_policy_params)
            jb_str_addf(&b, "exit %.0f", c->policy_params[0].value);
        else
            jb_str_add(&b, "full");
        jb_canvas_label(s->c, jb_canvas_x(s->c, p->cost), jb_canvas_y(s->c, p->acc * 100), 11, JB_DIM, false, false, jb_str_get(&b));
    }
    jb_str_free(&b);
}

static void draw_tips(struct scene *s)
{
    struct jb_str b = {0};
    jb_canvas_block(s->c, "tips");
    for (size_t i = 0; i < s->n; i++) {
        if (!jb_canvas_inside(s->c, s->points[i].cost, s->points[i].acc * 100))
            continue;
        tip(&b, s, &s->points[i]);
        jb_canvas_row_tip(s->c, s->points[i].cost, s->points[i].acc * 100, jb_str_get(&b));
    }
    s->c->failed |= b.failed;
    jb_str_free(&b);
    jb_canvas_style(s->c, "1:2:3", JB_INK, "with labels hypertext point pt 7 ps 1");
}

static void legend(struct scene *s)
{
    struct jb_legend l;
    jb_legend_begin(&l, s->c, s->c->bottom + 58);
    for (size_t i = 0; i < s->n_policies; i++) {
        char text[48];
        struct jb_str b = {0};
        jb_add_plain(&b, s->policies[i], 20);
        snprintf(text, sizeof text, "%s", jb_str_get(&b));
        jb_str_free(&b);
        jb_legend_point(&l, s->modelled ? OPEN[i] : FILLED[i], JB_DIM, text);
    }
    if (s->has_frozen)
        jb_legend_point(&l, 2, JB_DIM, "frozen fill");
    if (s->has_full)
        jb_legend_point(&l, 5, JB_INK, "full model");
    if (s->has_static)
        jb_legend_point(&l, 4, JB_DIM, "static network");
    if (s->has_fixed)
        jb_legend_point(&l, 6, JB_DIM, "fixed exit");
    jb_legend_line(&l, 1.4, true, JB_DIM, s->g->tokens ? "hull of what does not adapt" : "static hull");
    jb_legend_line(&l, 9, false, JB_FRONT, "Pareto front");
    if (s->has_oracle)
        jb_legend_point(&l, 3, JB_DIM, "oracle");
}

static void axes(struct scene *s)
{
    static const char *const LABEL[] = {"mean latency", "p99 latency", "mean MACs", "bytes read", "energy (gross)", "MODELLED energy, full network = 1"};
    char label[120];
    struct jb_str note = {0};
    void (*format[])(char out[24], double) = {jb_fmt_ns, jb_fmt_ns, jb_fmt_count, jb_fmt_bytes, jb_fmt_uj, relative_text};
    if (s->cost == JB_COST_ENERGY)
        snprintf(label, sizeof label, "J per %s%.20s, gross (%s)", s->g->tokens ? "committed " : "", s->g->unit, jb_text(s->g->energy_class, "none"));
    else if (s->g->tokens && s->cost != JB_COST_MODELLED)
        snprintf(label, sizeof label, "%s per token", s->cost == JB_COST_MEAN ? "mean time" : s->cost == JB_COST_P99 ? "p99 time" : LABEL[s->cost]);
    else
        snprintf(label, sizeof label, s->cost == JB_COST_MODELLED ? "%s" : "%s per %.20s", LABEL[s->cost], s->g->unit);
    jb_str_add(&note, s->g->tokens ? jb_quality_words(s->g->quality) : "accuracy");
    if (s->g->short_note[0])
        jb_str_addf(&note, " (%s)", s->g->short_note);
    if (s->below)
        jb_str_addf(&note, ", %zu settings lie below", s->below);
    size_t plain = note.len;
    if (answer_of(s) != JB_NO_CELL) {
        jb_str_add(&note, s->cost == JB_COST_ENERGY ? s->g->tokens ? "; fewest joules per committed token: " : "; fewest joules per correct answer: " : "; answer: ");
        jb_add_plain(&note, jb_text(s->v->r->cells[answer_of(s)].label, "?"), 50);
    }
    if (note.s && jb_text_width(note.s, 12) > s->c->w - 20)
        note.s[plain] = '\0';
    jb_axis_title(s->c, s->plot->title, jb_str_get(&note), s->phone);
    s->c->failed |= note.failed;
    jb_str_free(&note);
    jb_axis_accuracy(s->c);
    jb_axis_x(s->c, format[s->cost], label, s->phone);
}

int jb_plot_tradeoff(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output)
{
    (void)n;
    struct scene s = {.c = c, .v = &views[p->run], .g = &views[p->run].groups[p->group], .plot = p, .cost = cost_of(p->kind),
        .modelled = p->kind == JB_PLOT_MODELLED, .phone = phone};
    bool big = p->kind == JB_PLOT_MEAN;
    c->w = phone ? 380 : big ? 680 : 560;
    c->h = phone ? 440 : big ? 500 : 440;
    if (p->side && !phone) {
        c->w = 480;
        c->h = 500;
    }
    c->left = 58;
    c->right = c->w - 16;
    c->top = 54;
    c->bottom = c->h - (phone ? 112 : 90);
    int rc = gather(&s);
    if (!rc) {
        ranges(&s);
        jb_canvas_begin(c, output);
        axes(&s);
        draw_front(&s);
        draw_bounds(&s);
        draw_series(&s);
        draw_oracles(&s, false);
        draw_full(&s, false);
        draw_answer(&s);
        draw_full(&s, true);
        draw_oracles(&s, true);
        label_precisions(&s);
        label_points(&s);
        draw_tips(&s);
        legend(&s);
        jb_canvas_end(c);
    }
    free(s.points);
    return rc;
}
