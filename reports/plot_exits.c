// Where samples leave, by threshold: one horizontal bar a setting, from the first exit to the last.
#include "reports/plot_parts.h"
#include "reports/language.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_BARS 24
#define MAX_SERIES_SHOWN 3

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

static bool in_series(const struct jb_result_cell *a, const struct jb_result_cell *b)
{
    return same(a->model, b->model) && same(a->precision, b->precision) && same(a->policy, b->policy) && jb_same_memory(a, b);
}

static double depth(const struct jb_result_cell *c)
{
    double sum = 0, all = 0;
    for (uint32_t i = 0; i < c->n_exits; i++) {
        sum += (double)i * (double)c->exit_histogram[i];
        all += (double)c->exit_histogram[i];
    }
    return all > 0 ? sum / all : NAN;
}

static bool has_bar(const struct jb_result_cell *c) { return jb_cell_is_adaptive(c) && c->n_exits > 1 && isfinite(depth(c)); }

static bool comes_before(const struct jb_result_cell *a, const struct jb_result_cell *b)
{
    return depth(a) != depth(b) ? depth(a) < depth(b) : a->threshold < b->threshold;
}

// Adds the settings of one series, shallow first.
static size_t add_series(const struct jb_view *v, const struct jb_group *g, const struct jb_result_cell *of, struct jb_exit_row *out, size_t n, size_t max)
{
    size_t from = n;
    for (size_t i = 0; i < g->n_usable && n < max; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        if (!has_bar(c) || !in_series(c, of))
            continue;
        size_t k = n++;
        for (; k > from && comes_before(c, &v->r->cells[out[k - 1].cell]); k--)
            out[k] = out[k - 1];
        out[k] = (struct jb_exit_row){g->cells[i], false};
    }
    if (n > from)
        out[from].head = true;
    return n;
}

// The answer's series first, then those of the front, one policy a precision where there are many.
size_t jb_exit_rows(const struct jb_view *v, const struct jb_group *g, struct jb_exit_row *out, size_t max)
{
    size_t n = 0, shown = 0;
    const struct jb_result_cell *first[MAX_SERIES_SHOWN] = {NULL};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < g->n_usable && shown < MAX_SERIES_SHOWN; i++) {
            size_t k = pass ? g->cells[i] : g->answer;
            if (k == JB_NO_CELL)
                continue;
            const struct jb_result_cell *c = &v->r->cells[k];
            bool seen = !has_bar(c);
            for (size_t j = 0; j < shown; j++)
                seen |= same(first[j]->precision, c->precision) && same(first[j]->model, c->model) && (!g->tokens || in_series(first[j], c)); // of tokens, every policy: there are few
            if (seen || n + 2 > max)
                continue;
            first[shown++] = c;
            n = add_series(v, g, c, out, n, max);
        }
    }
    return n;
}

static void setting_text(char out[48], const struct jb_result_cell *c)
{
    struct jb_str b = {0};
    if (isfinite(c->threshold))
        jb_str_addf(&b, "%.4g", c->threshold);
    else if (isfinite(c->target_loss))
        jb_str_addf(&b, "loss %.2g %%", c->target_loss * 100);
    else if (c->n_policy_params) {
        jb_add_plain(&b, jb_text(c->policy_params[0].name, ""), 8);
        jb_str_addf(&b, " = %.4g", c->policy_params[0].value);
    } else
        jb_str_add(&b, c->n_thresholds ? "per exit" : "-");
    snprintf(out, 48, "%s", jb_str_get(&b));
    jb_str_free(&b);
}

static enum jb_color ramp(uint32_t exit, uint32_t n)
{
    return (enum jb_color)(JB_RAMP0 + (n > 1 ? (exit * 5 + (n - 1) / 2) / (n - 1) : 0));
}

static void bars_of_exit(struct jb_canvas *c, const struct jb_view *v, const struct jb_exit_row *rows, const double *y, size_t n, uint32_t exit, uint32_t n_exits)
{
    char comment[32];
    snprintf(comment, sizeof comment, "exit %u", exit);
    jb_canvas_block(c, comment);
    for (size_t i = 0; i < n; i++) {
        const struct jb_result_cell *x = &v->r->cells[rows[i].cell];
        double all = 0, before = 0, here = 0;
        for (uint32_t k = 0; k < x->n_exits; k++)
            all += (double)x->exit_histogram[k];
        for (uint32_t k = 0; k <= exit && k < x->n_exits; k++) {
            before += here;
            here = (double)x->exit_histogram[k];
        }
        if (exit >= x->n_exits)
            here = 0;
        jb_canvas_row(c, "%.6g %.6g %.6g %.6g %.6g %.6g", before / all * 100, y[i], before / all * 100, (before + here) / all * 100, y[i] - 0.36, y[i] + 0.36);
        double w = (here / all) * (c->right - c->left);
        if (w > 34) {
            char share[16];
            snprintf(share, sizeof share, "%.0f %%", here / all * 100);
            enum jb_color color = ramp(exit, n_exits);
            jb_canvas_text(c, jb_canvas_x(c, (before + here / 2) / all * 100), jb_canvas_y(c, y[i]), JB_CENTER, 11, color >= JB_RAMP3 ? JB_ON_DARK : JB_ON_LIGHT, false, share);
        }
    }
    jb_canvas_style(c, "1:2:3:4:5:6", ramp(exit, n_exits), "with boxxyerror fs solid noborder");
}

static void write_row_texts(struct jb_canvas *c, const struct jb_view *v, const struct jb_group *g, const struct jb_exit_row *row, double y)
{
    const struct jb_result_cell *x = &v->r->cells[row->cell];
    char text[48], acc[24], ns[24], side[64];
    double py = jb_canvas_y(c, y);
    bool answer = row->cell == g->answer;
    setting_text(text, x);
    jb_canvas_text(c, c->left - 8, py, JB_RIGHT, 12, JB_INK, answer, text);
    jb_fmt_percent(acc, jb_cell_value(x));
    jb_fmt_ns(ns, x->latency_mean_ns);
    snprintf(side, sizeof side, "%s  %s", acc, ns);
    jb_canvas_text(c, c->right + 8, py, JB_LEFT, 12, answer ? JB_INK : JB_DIM, answer, side);
    if (!row->head)
        return;
    struct jb_str b = {0};
    jb_add_plain(&b, jb_text(x->model, "?"), 24);
    jb_str_add(&b, " ");
    jb_add_plain(&b, jb_text(x->precision, ""), 24);
    jb_str_add(&b, " ");
    jb_add_plain(&b, jb_text(x->policy, ""), 16);
    if (g->fill_differs || g->kv_differs)
        jb_str_addf(&b, ", %.8s K/V, %.8s fill", jb_text(x->language.kv, "?"), jb_text(x->language.fill, "?"));
    jb_canvas_text(c, 12, jb_canvas_y(c, y + 0.9), JB_LEFT, 12, jb_precision_color(x->precision), true, jb_str_get(&b));
    jb_str_free(&b);
}

int jb_plot_exits(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output)
{
    const struct jb_view *v = &views[p->run];
    const struct jb_group *g = &v->groups[p->group];
    struct jb_exit_row rows[MAX_BARS];
    struct jb_legend l;
    double y[MAX_BARS], at = 0;
    uint32_t n_exits = 0;
    (void)n;
    size_t count = jb_exit_rows(v, g, rows, MAX_BARS);
    for (size_t i = count; i-- > 0;) { // from below
        y[i] = at += 0.5;
        at += rows[i].head ? 1.6 : 0.5;
        if (v->r->cells[rows[i].cell].n_exits > n_exits)
            n_exits = v->r->cells[rows[i].cell].n_exits;
    }
    c->w = phone ? 380 : 560;
    c->h = (phone ? 112 : 96) + at * 25;
    c->left = 84;
    c->right = c->w - 122;
    c->top = 48;
    c->bottom = c->h - (phone ? 64 : 48);
    c->x0 = 0;
    c->x1 = 100;
    c->y0 = 0;
    c->y1 = at;
    jb_canvas_begin(c, output);
    jb_str_add(&c->s, "unset grid\nunset border\nunset xtics\nunset ytics\n");
    char tokens[96];
    snprintf(tokens, sizeof tokens, phone ? "tokens by exit; %s, time a token" : "share of tokens by exit; %s and mean time a token beside it", jb_quality_words(g->quality));
    jb_axis_title(c, p->title, g->tokens ? tokens : phone ? "samples by exit; accuracy, mean latency" : "share of samples leaving at each exit; accuracy and mean latency beside it", phone);
    for (size_t i = 0; i < count; i++)
        write_row_texts(c, v, g, &rows[i], y[i]);
    for (uint32_t k = 0; k < n_exits; k++)
        bars_of_exit(c, v, rows, y, count, k, n_exits);
    jb_legend_begin(&l, c, c->bottom + 20);
    for (uint32_t k = 0; k < n_exits; k++) {
        char text[24];
        snprintf(text, sizeof text, k + 1 == n_exits ? "exit %u, final" : "exit %u", k);
        jb_legend_point(&l, 5, ramp(k, n_exits), text);
    }
    jb_canvas_end(c);
    return JB_OK;
}
