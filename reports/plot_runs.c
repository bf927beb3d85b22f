// Several runs in one picture: the Pareto front of accuracy and mean latency of each.
#include "reports/plot_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const enum jb_color RUN_COLORS[] = {JB_BLUE, JB_RED, JB_GREEN, JB_PURPLE, JB_AMBER, JB_SKY};
#define N_RUN_COLORS (sizeof RUN_COLORS / sizeof *RUN_COLORS)

// The group of this run that holds the same kind of cells as the first run's first group.
static const struct jb_group *match(const struct jb_view *v, const struct jb_group *like)
{
    for (size_t i = 0; i < v->n_groups; i++) {
        const struct jb_group *g = &v->groups[i];
        if (strcmp(g->workload, like->workload) == 0 && strcmp(g->scenario, like->scenario) == 0 && g->threads == like->threads && g->streams == like->streams &&
            jb_same_limit(g->power_limit_w, like->power_limit_w))
            return g;
    }
    return NULL;
}

static void curve(struct jb_canvas *c, const struct jb_view *v, const struct jb_group *g, enum jb_color color)
{
    struct jb_str b = {0};
    jb_canvas_block(c, "Pareto front of a run");
    for (size_t i = 0; i < g->n_front; i++) {
        const struct jb_result_cell *x = &v->r->cells[g->cells[i]];
        jb_canvas_row(c, "%.10g %.10g", x->latency_mean_ns, jb_cell_value(x) * 100);
    }
    jb_canvas_style(c, "1:2", color, "with linespoints lw 2 pt 7 ps 0.7");
    jb_canvas_block(c, "tips");
    for (size_t i = 0; i < g->n_front; i++) {
        const struct jb_result_cell *x = &v->r->cells[g->cells[i]];
        char acc[24], ns[24];
        jb_fmt_percent(acc, jb_cell_value(x));
        jb_fmt_ns(ns, x->latency_mean_ns);
        jb_str_clear(&b);
        jb_add_plain(&b, jb_text(x->label, "?"), 80);
        jb_str_addf(&b, ": %s, %s", acc, ns);
        jb_canvas_row_tip(c, x->latency_mean_ns, jb_cell_value(x) * 100, jb_str_get(&b));
    }
    jb_canvas_style(c, "1:2:3", JB_INK, "with labels hypertext point pt 7 ps 1");
    jb_str_free(&b);
}

int jb_plot_runs(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output)
{
    const struct jb_group *like = &views[p->run].groups[p->group];
    double lo = INFINITY, hi = 0, least = 1, best = 0;
    struct jb_legend l;
    for (size_t i = 0; i < n; i++) {
        const struct jb_group *g = match(&views[i], like);
        for (size_t k = 0; g && k < g->n_front; k++) {
            const struct jb_result_cell *x = &views[i].r->cells[g->cells[k]];
            lo = fmin(lo, x->latency_mean_ns);
            hi = fmax(hi, x->latency_mean_ns);
            least = fmin(least, jb_cell_value(x));
            best = fmax(best, jb_cell_value(x));
        }
    }
    c->w = phone ? 380 : 1120;
    c->h = 440;
    c->left = 58;
    c->right = c->w - 16;
    c->top = 54;
    c->bottom = c->h - 86;
    jb_axis_range_x(c, lo, hi);
    jb_axis_range_accuracy(c, fmax(least, best - 0.06), best);
    jb_canvas_begin(c, output);
    jb_axis_title(c, p->title, like->label, phone);
    jb_axis_accuracy(c);
    jb_axis_x(c, jb_fmt_ns, "mean latency", phone);
    jb_legend_begin(&l, c, c->bottom + 58);
    for (size_t i = 0; i < n; i++) {
        const struct jb_group *g = match(&views[i], like);
        char label[96];
        if (!g || !g->n_front)
            continue;
        jb_run_label(label, views[i].r, i, n);
        curve(c, &views[i], g, RUN_COLORS[i % N_RUN_COLORS]);
        jb_legend_point(&l, 7, RUN_COLORS[i % N_RUN_COLORS], label);
    }
    jb_canvas_end(c);
    return JB_OK;
}
