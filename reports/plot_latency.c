// Latency distributions of a few settings, one ridge each on a common axis: mean, p50 and p99 marked.
#include "reports/plot_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_RIDGES 5

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

static bool has_histogram(const struct jb_result_cell *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->n_hist; i++)
        most = c->hist_counts[i] > most ? c->hist_counts[i] : most;
    return c->n_hist > 0 && c->hist_edges_ns && c->hist_edges_ns[0] > 0 && most > 0;
}

static size_t add(const struct jb_view *v, size_t cell, size_t *out, size_t n, size_t max)
{
    if (cell == JB_NO_CELL || n == max || !has_histogram(&v->r->cells[cell]))
        return n;
    for (size_t i = 0; i < n; i++)
        if (out[i] == cell)
            return n;
    out[n] = cell;
    return n + 1;
}

// The answer, its full network, the cheapest of the front, the most accurate, and the f32 full network.
size_t jb_distribution_rows(const struct jb_view *v, const struct jb_group *g, size_t *out, size_t max)
{
    size_t n = add(v, g->answer, out, 0, max);
    n = add(v, g->full, out, n, max);
    if (g->n_front)
        n = add(v, g->cells[0], out, n, max);
    n = add(v, g->best, out, n, max);
    for (size_t i = 0; i < g->n_usable; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        if (same(c->policy, "final") && same(c->role, "fixed") && same(c->precision, "f32"))
            n = add(v, g->cells[i], out, n, max);
    }
    for (size_t i = 0; i < g->n_usable && n < 3; i++)
        n = add(v, g->cells[i], out, n, max);
    return n;
}

// The range that holds all but one query in a thousand of every ridge.
static void range(struct jb_canvas *c, const struct jb_view *v, const size_t *rows, size_t n)
{
    double lo = INFINITY, hi = 0;
    for (size_t i = 0; i < n; i++) {
        const struct jb_result_cell *x = &v->r->cells[rows[i]];
        double all = 0, sum = 0;
        for (size_t k = 0; k < x->n_hist; k++)
            all += (double)x->hist_counts[k];
        for (size_t k = 0; k < x->n_hist; k++) {
            double before = sum;
            sum += (double)x->hist_counts[k];
            if (before <= all * 0.001 && sum > all * 0.001)
                lo = fmin(lo, x->hist_edges_ns[k]);
            if (before < all * 0.999 && sum >= all * 0.999)
                hi = fmax(hi, x->hist_edges_ns[k + 1]);
        }
    }
    jb_axis_range_x(c, lo, hi);
}

static void ridge(struct jb_canvas *c, const struct jb_result_cell *x, double base, enum jb_color color)
{
    uint64_t most = 1;
    for (size_t k = 0; k < x->n_hist; k++)
        most = x->hist_counts[k] > most ? x->hist_counts[k] : most;
    for (int pass = 0; pass < 2; pass++) {
        jb_canvas_block(c, "latency histogram: ns, height, base");
        for (size_t k = 0; k < x->n_hist; k++) {
            double a = fmax(x->hist_edges_ns[k], c->x0), b = fmin(x->hist_edges_ns[k + 1], c->x1), h = base + 0.56 * (double)x->hist_counts[k] / (double)most;
            if (a >= b)
                continue;
            jb_canvas_row(c, "%.10g %.6g %.6g", a, h, base);
            jb_canvas_row(c, "%.10g %.6g %.6g", b, h, base);
        }
        jb_canvas_style(c, pass ? "1:2" : "1:2:3", color, pass ? "with lines lw 1.4" : "with filledcurves fs solid 0.28 noborder");
    }
}

static void marks(struct jb_canvas *c, const struct jb_result_cell *x, double base, enum jb_color color)
{
    static const double P[] = {0.5, 0.99};
    double py = jb_canvas_y(c, base), last = -1e9;
    for (size_t k = 0; k < 2; k++) {
        double ns = jb_cell_percentile(x, P[k]);
        if (!isfinite(ns) || ns < c->x0 || ns > c->x1)
            continue;
        double px = jb_canvas_x(c, ns);
        jb_canvas_line(c, px, py + 5, px, py - 5, 1.6, false, JB_INK);
        if (px - last > 30)
            jb_canvas_text(c, px, py + 12, JB_CENTER, 10.5, JB_DIM, false, k ? "p99" : "p50");
        last = px;
    }
    if (x->latency_mean_ns >= c->x0 && x->latency_mean_ns <= c->x1)
        jb_canvas_mark(c, jb_canvas_x(c, x->latency_mean_ns), py, 7, 0.8, color);
}

int jb_plot_distribution(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output)
{
    const struct jb_view *v = &views[p->run];
    const struct jb_group *g = &v->groups[p->group];
    size_t rows[MAX_RIDGES], count = jb_distribution_rows(v, g, rows, MAX_RIDGES);
    (void)n;
    c->w = phone ? 380 : 560;
    c->h = 104 + 100.0 * (double)count;
    c->left = 16;
    c->right = c->w - 16;
    c->top = 48;
    c->bottom = c->h - 50;
    c->y0 = -0.22;
    c->y1 = (double)count - 0.14;
    range(c, v, rows, count);
    jb_canvas_begin(c, output);
    jb_str_add(&c->s, "unset grid\nunset ytics\n");
    jb_axis_title(c, p->title, phone ? "each to its own height; dot: mean" : "one ridge a setting, each to its own height; the dot is the mean", phone);
    jb_axis_x(c, jb_fmt_ns, views[p->run].groups[p->group].tokens ? "time of one token" : "latency of one query", phone);
    for (size_t i = 0; i < count; i++) {
        const struct jb_result_cell *x = &v->r->cells[rows[i]];
        double base = (double)(count - 1 - i);
        char ns[24], p99[24];
        struct jb_str b = {0};
        ridge(c, x, base, jb_precision_color(x->precision));
        jb_fmt_ns(ns, x->latency_mean_ns);
        jb_fmt_ns(p99, jb_cell_percentile(x, 0.99));
        char cut[200], figures[80];
        snprintf(figures, sizeof figures, ": %s, p99 %s", ns, p99);
        jb_add_plain(&b, jb_text(x->label, "?"), 60);
        jb_fit_text(cut, jb_str_get(&b), 12, true, c->right - c->left - jb_text_width(figures, 12) * 1.1);
        jb_str_clear(&b);
        jb_str_addf(&b, "%s%s", cut, figures);
        jb_canvas_text(c, c->left, jb_canvas_y(c, base + 0.72), JB_LEFT, 12, jb_precision_color(x->precision), rows[i] == g->answer, jb_str_get(&b));
        jb_str_free(&b);
        marks(c, x, base, jb_precision_color(x->precision));
    }
    jb_canvas_end(c);
    return JB_OK;
}
