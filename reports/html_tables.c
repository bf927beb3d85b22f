// Tables and tiles of report.html.
#include "reports/html.h"
#include "reports/language.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void jb_html_text(struct jb_str *b, const char *text, const char *otherwise)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, text ? text : otherwise, 0);
    jb_str_add_html(b, jb_str_get(&plain));
    b->failed |= plain.failed;
    jb_str_free(&plain);
}

void jb_html_figure(struct jb_str *b, const char *figure)
{
    const char *unit = strchr(figure, ' ');
    if (unit && (strcmp(unit, " us") == 0 || strcmp(unit, " uJ") == 0))
        jb_str_addf(b, "%.*s \xc2\xb5%s", (int)(unit - figure), figure, unit + 2);
    else
        jb_str_add(b, figure);
}

static void sort_key(struct jb_str *b, double v)
{
    if (isfinite(v))
        jb_str_addf(b, "<td data-v=\"%.9g\">", v);
    else
        jb_str_add(b, "<td data-v=\"\">");
}

static void figure_cell(struct jb_str *b, double v, void (*format)(char out[24], double))
{
    char text[24];
    sort_key(b, v);
    format(text, v);
    jb_html_figure(b, isfinite(v) ? text : "<span class=\"dim\">n/a</span>");
    jb_str_add(b, "</td>");
}

static void ratio_cell(struct jb_str *b, const struct jb_result_hull *h)
{
    sort_key(b, h ? h->ratio : NAN);
    if (h && isfinite(h->ratio)) {
        jb_str_addf(b, "%.2f\xc3\x97", h->ratio);
        if (isfinite(h->lower) && isfinite(h->upper))
            jb_str_addf(b, " <small>[%.2f, %.2f]</small>", h->lower, h->upper);
    } else if (h && h->reason) {
        jb_str_add(b, "<span class=\"dim\" title=\"");
        jb_html_text(b, h->reason, "");
        jb_str_add(b, "\">n/a</span>");
    }
    jb_str_add(b, "</td>");
}

static void bounds_cell(struct jb_str *b, double uj, double lower_uj, double upper_uj, const char *after)
{
    char text[24];
    sort_key(b, uj);
    jb_fmt_uj(text, uj);
    jb_html_figure(b, isfinite(uj) ? text : "<span class=\"dim\">n/a</span>");
    if (isfinite(uj) && isfinite(lower_uj) && isfinite(upper_uj)) {
        jb_fmt_uj(text, lower_uj);
        jb_str_add(b, " <small>[");
        jb_html_figure(b, text);
        jb_fmt_uj(text, upper_uj);
        jb_str_add(b, ", ");
        jb_html_figure(b, text);
        jb_str_add(b, "]</small>");
    }
    jb_str_addf(b, "%s</td>", after);
}

// Gross with its class where the column holds several, and with what is wrong about it; net; gross per correct answer.
static void energy_cells(struct jb_str *b, const struct jb_group *g, const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    char after[160] = "";
    if (!jb_cell_has_energy(c)) {
        jb_str_add(b, "<td data-v=\"\"><span class=\"dim\">none: ");
        jb_html_text(b, e->reason, "no reason was given");
        jb_str_add(b, "</span></td><td data-v=\"\"></td><td data-v=\"\"></td>");
        return;
    }
    snprintf(after, sizeof after, "%s%s%s%s", strchr(g->energy_class, ' ') ? " <small>" : "", strchr(g->energy_class, ' ') ? jb_energy_class_name(e->cls) : "",
        strchr(g->energy_class, ' ') ? "</small>" : "", e->windows_failed || c->others.contaminated ? "<span class=\"pill\">remark</span>" : "");
    bounds_cell(b, e->gross_uj, e->gross_lower_uj, e->gross_upper_uj, after);
    bounds_cell(b, e->net_uj, e->net_lower_uj, e->net_upper_uj, e->drift_windows ? "<span class=\"pill\">idle drift</span>" : "");
    bounds_cell(b, e->per_correct_uj, e->per_correct_lower_uj, e->per_correct_upper_uj, "");
}

static void tile(struct jb_str *b, const char *figure, const char *what)
{
    jb_str_add(b, "<div class=\"tile\"><b>");
    jb_html_figure(b, figure);
    jb_str_add(b, "</b><span>");
    jb_html_text(b, what, "");
    jb_str_add(b, "</span></div>\n");
}

static void against(struct jb_str *s, const char *what, double full, double own, const struct jb_result_hull *hull)
{
    jb_str_add(s, what);
    if (isfinite(full / own))
        jb_str_addf(s, ", %.1f\xc3\x97 less than the full network", full / own);
    if (hull && isfinite(hull->ratio)) {
        jb_str_addf(s, ", %.2f\xc3\x97 less than the static hull", hull->ratio);
        if (isfinite(hull->lower) && isfinite(hull->upper))
            jb_str_addf(s, " [%.2f, %.2f]", hull->lower, hull->upper);
    }
}

static void add_range(struct jb_str *s, double lower_uj, double upper_uj)
{
    char lower[24], upper[24];
    if (!isfinite(lower_uj) || !isfinite(upper_uj))
        return;
    jb_fmt_uj(lower, lower_uj);
    jb_fmt_uj(upper, upper_uj);
    jb_str_addf(s, " [%s, %s]", lower, upper);
}

// What a reader of text feels first, and what memory has to deliver.
static void token_tiles(struct jb_str *b, const struct jb_result_cell *c, const struct jb_result_cell *full)
{
    char text[24];
    struct jb_str s = {0};
    if (isfinite(c->language.ttft.mean)) {
        jb_fmt_ns(text, c->language.ttft.mean);
        tile(b, text, "to the first token, mean, prompt included");
    }
    jb_fmt_bytes(text, c->bytes_mean);
    against(&s, "read a token", full ? full->bytes_mean : NAN, c->bytes_mean, NULL);
    if (isfinite(c->bytes_mean))
        tile(b, text, jb_str_get(&s));
    b->failed |= s.failed;
    jb_str_free(&s);
}

void jb_html_tiles(struct jb_str *b, const struct jb_view *v, const struct jb_group *g)
{
    char text[24];
    struct jb_str s = {0};
    if (g->answer == JB_NO_CELL)
        return;
    const struct jb_result_cell *c = &v->r->cells[g->answer], *f = g->full == JB_NO_CELL || g->full == g->answer ? NULL : &v->r->cells[g->full];
    jb_str_add(b, "<div class=\"tiles\">\n");
    const struct jb_result_quality *q = g->tokens ? jb_cell_quality(c, g->quality) : NULL;
    double lower = q ? q->lower : c->accuracy.lower, upper = q ? q->upper : c->accuracy.upper;
    jb_fmt_percent(text, jb_cell_value(c));
    jb_str_add(&s, g->tokens ? jb_quality_words(g->quality) : "accuracy");
    if (g->short_note[0])
        jb_str_addf(&s, ", %s", g->short_note);
    if (isfinite(lower) && isfinite(upper))
        jb_str_addf(&s, " [%.2f, %.2f]", lower * 100, upper * 100);
    tile(b, text, jb_str_get(&s));
    jb_str_clear(&s);
    jb_fmt_ns(text, c->latency_mean_ns);
    against(&s, g->tokens ? "a token, mean" : "mean latency", f ? f->latency_mean_ns : NAN, c->latency_mean_ns, v->cells[g->answer].hull_latency);
    tile(b, text, jb_str_get(&s));
    jb_str_clear(&s);
    if (g->tokens)
        token_tiles(b, c, f);
    jb_fmt_count(text, c->macs_mean);
    against(&s, g->tokens ? "MACs a token" : "mean MACs", f ? f->macs_mean : NAN, c->macs_mean, v->cells[g->answer].hull_macs);
    tile(b, text, jb_str_get(&s));
    jb_str_clear(&s);
    if (jb_cell_has_energy(c)) {
        jb_fmt_uj(text, c->energy.gross_uj);
        jb_str_addf(&s, "energy a %s, gross, %s", jb_energy_per(c), jb_energy_class_name(c->energy.cls));
        add_range(&s, c->energy.gross_lower_uj, c->energy.gross_upper_uj);
        tile(b, text, jb_str_get(&s));
        jb_str_clear(&s);
        jb_fmt_uj(text, g->tokens ? NAN : c->energy.per_correct_uj);
        jb_str_addf(&s, "gross a correct answer, %s", jb_energy_class_name(c->energy.cls));
        add_range(&s, c->energy.per_correct_lower_uj, c->energy.per_correct_upper_uj);
        if (g->joules == g->answer)
            jb_str_add(&s, ": the fewest");
        if (!g->tokens)
            tile(b, text, jb_str_get(&s));
    } else if (v->energy_said) {
        tile(b, "none", "energy was not measured: the reason stands above");
    } else {
        jb_str_addf(&s, "energy: %s", jb_text(c->energy.reason, "no reason was given"));
        tile(b, "none:", jb_str_get(&s));
    }
    b->failed |= s.failed;
    jb_str_free(&s);
    jb_str_add(b, "</div>\n");
}

static void name_cell(struct jb_str *b, const struct jb_view *v, const struct jb_group *g, size_t index)
{
    const struct jb_result_cell *c = &v->r->cells[index];
    jb_str_add(b, "<td>");
    jb_html_text(b, c->label, "?");
    if (index == g->answer)
        jb_str_add(b, "<span class=\"pill a\">answer</span>");
    if (index == g->joules)
        jb_str_add(b, "<span class=\"pill a\">fewest joules</span>");
    if (v->cells[index].front)
        jb_str_add(b, "<span class=\"pill f\">front</span>");
    jb_str_add(b, "<br><small>");
    jb_html_text(b, c->role, "");
    if (c->threshold_source) {
        jb_str_add(b, ", threshold ");
        jb_html_text(b, c->threshold_source, "");
    }
    if (isfinite(c->target_loss))
        jb_str_addf(b, " for a loss of %.2g points", c->target_loss * 100);
    jb_str_add(b, "</small></td>");
}

static void settings_row(struct jb_str *b, const struct jb_view *v, const struct jb_group *g, size_t index)
{
    const struct jb_result_cell *c = &v->r->cells[index];
    char points[24];
    jb_str_add(b, index == g->answer ? "<tr class=\"is\">" : v->cells[index].front ? "<tr>" : "<tr class=\"other\">");
    name_cell(b, v, g, index);
    sort_key(b, c->accuracy.value);
    jb_fmt_percent(points, c->accuracy.value);
    jb_str_add(b, points);
    if (isfinite(c->accuracy.lower) && isfinite(c->accuracy.upper))
        jb_str_addf(b, " <small>[%.2f, %.2f]</small>", c->accuracy.lower * 100, c->accuracy.upper * 100);
    jb_str_add(b, "</td>");
    sort_key(b, -c->accuracy_loss);
    jb_points_text(points, -c->accuracy_loss);
    jb_str_add(b, points);
    jb_str_add(b, "</td>");
    if (g->energy_class)
        energy_cells(b, g, c);
    figure_cell(b, c->latency_mean_ns, jb_fmt_ns);
    figure_cell(b, jb_cell_percentile(c, 0.5), jb_fmt_ns);
    figure_cell(b, jb_cell_percentile(c, 0.99), jb_fmt_ns);
    ratio_cell(b, v->cells[index].hull_latency);
    figure_cell(b, c->macs_mean, jb_fmt_count);
    ratio_cell(b, v->cells[index].hull_macs);
    figure_cell(b, c->throughput_per_s, jb_fmt_count);
    figure_cell(b, c->model_bytes, jb_fmt_bytes);
    jb_str_add(b, "</tr>\n");
}

static void left_out(struct jb_str *b, size_t n)
{
    if (n > JB_MAX_ROWS)
        jb_str_addf(b, "<p class=\"sub\">%zu more rows stand in results.csv.</p>\n", n - JB_MAX_ROWS);
}

static void token_row(struct jb_str *b, const struct jb_view *v, const struct jb_group *g, const struct jb_token_table *t, size_t index)
{
    struct jb_token_figure f;
    jb_str_add(b, index == g->answer ? "<tr class=\"is\">" : v->cells[index].front ? "<tr>" : "<tr class=\"other\">");
    name_cell(b, v, g, index);
    for (size_t k = 0; k < t->n; k++) {
        jb_token_figure(&f, v, g, &t->column[k], index);
        if (t->column[k].left)
            jb_str_add(b, "<td class=\"l\">");
        else
            sort_key(b, f.key);
        if (t->column[k].left || !isfinite(f.key))
            jb_html_text(b, f.main, "");
        else
            jb_html_figure(b, f.main);
        if (f.more[0])
            jb_str_addf(b, " <small>%s</small>", f.more);
        jb_str_add(b, "</td>");
    }
    jb_str_add(b, "</tr>\n");
}

static void token_settings(struct jb_str *b, const struct jb_view *v, const struct jb_group *g)
{
    struct jb_token_table t;
    jb_token_columns(&t, v, g);
    jb_str_addf(b, "<h3>Every valid setting</h3>\n<p class=\"sub\">Pareto front of %s and mean time a token first, then by %s.", jb_quality_words(g->quality), jb_quality_words(g->quality));
    if (g->note) {
        jb_str_add(b, " Quality: ");
        jb_html_text(b, g->note, "");
        jb_str_add(b, ".");
    }
    jb_str_add(b, " Intervals of quality take queries as the units, for tokens of one text depend on each other. Perplexity: lower is better. Agreement: with what the full model with the same kind of K/V"
                  " answers. A token\xe2\x80\x99s time is its own step; reading the prompt is in the time to the first token. Late: K/V of skipped layers, filled when a later token went deeper.");
    if (g->energy_class)
        jb_str_add(b, " Joules: per committed token, prompts included, with hard bounds; net is gross less the idle power measured before and after each block.");
    jb_str_add(b, "</p>\n<div><div class=\"scroll tall\"><table class=\"s\"><thead><tr><th>setting</th>");
    for (size_t k = 0; k < t.n; k++)
        jb_str_addf(b, "<th%s>%s</th>", t.column[k].left ? " class=\"l\"" : "", t.column[k].head);
    jb_str_add(b, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < g->n_usable && i < JB_MAX_ROWS; i++)
        token_row(b, v, g, &t, g->cells[i]);
    jb_str_add(b, "</tbody></table></div></div>\n");
    left_out(b, g->n_usable);
}

void jb_html_settings(struct jb_str *b, const struct jb_view *v, const struct jb_group *g)
{
    if (!g->n_usable) {
        jb_str_add(b, "<p class=\"sub\">No valid setting: see \xe2\x80\x9cNot valid\xe2\x80\x9d below.</p>\n");
        return;
    }
    if (g->tokens) {
        token_settings(b, v, g);
        return;
    }
    jb_str_add(b, "<h3>Every valid setting</h3>\n<p class=\"sub\">Pareto front of accuracy and mean latency first, then by accuracy.");
    if (g->note) {
        jb_str_add(b, " Accuracy: ");
        jb_html_text(b, g->note, "");
        jb_str_add(b, ".");
    }
    jb_str_add(b, " Points: against the same network\xe2\x80\x99s final exit at the same precision. Hull: how many times more the static networks and fixed exits need at equal"
                  " accuracy, with a 95 % interval; above 1 adapting pays.");
    if (g->energy_class)
        jb_str_add(b, " Energy: a query, with hard bounds; net is gross less the idle power measured before and after each block.");
    if (!v->energy && !v->energy_said) {
        jb_str_add(b, " Energy: none: ");
        jb_html_text(b, v->no_energy_reason, "reasons differ from setting to setting, see results.json");
        jb_str_add(b, ".");
    }
    jb_str_add(b, "</p>\n<div><div class=\"scroll tall\"><table class=\"s\"><thead><tr><th>setting</th><th>accuracy, 95 %</th><th>points</th>");
    if (g->energy_class) // what is asked for first stands first
        jb_str_addf(b, "<th>energy, gross (%s)</th><th>net of idle</th><th>gross a correct answer</th>", g->energy_class);
    jb_str_add(b, "<th>mean</th><th>p50</th><th>p99</th><th>time vs hull</th><th>MACs</th><th>MACs vs hull</th><th>per second</th><th>model</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < g->n_usable && i < JB_MAX_ROWS; i++)
        settings_row(b, v, g, g->cells[i]);
    jb_str_add(b, "</tbody></table></div></div>\n");
    left_out(b, g->n_usable);
}

void jb_html_modelled(struct jb_str *b, const struct jb_view *v)
{
    if (!v->modelled)
        return;
    jb_str_add(b, "<h3>Modelled energy, not measured</h3>\n<p class=\"sub\">Relative: the full network is 1 (in f32 where it can run in f32), computed from operations and bytes; good for ranking only. Never "
                  "mixed with measured figures.</p>\n<div><div class=\"scroll tall modelled\"><table class=\"s modelled\"><thead><tr><th>setting</th><th>relative</th><th>microjoules</th>"
                  "<th class=\"l\">model</th><th class=\"l\">why modelled</th></tr></thead><tbody>\n");
    size_t rows = 0;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        for (size_t k = 0; k < c->n_modelled && v->cells[i].usable; k++) {
            if (rows++ >= JB_MAX_ROWS)
                continue;
            const struct jb_result_modelled *m = &c->modelled[k];
            jb_str_add(b, "<tr><td>");
            jb_html_text(b, c->label, "?");
            jb_str_add(b, "</td>");
            sort_key(b, m->relative);
            jb_str_addf(b, isfinite(m->relative) ? "%.3f</td>" : "n/a</td>", m->relative);
            sort_key(b, m->uj);
            if (isfinite(m->uj) && isfinite(m->lower_uj) && isfinite(m->upper_uj))
                jb_str_addf(b, "%.3g [%.3g, %.3g] (modelled)</td>", m->uj, m->lower_uj, m->upper_uj);
            else
                jb_str_addf(b, isfinite(m->uj) ? "%.3g (modelled)</td>" : "<span class=\"dim\">none</span></td>", m->uj);
            jb_str_add(b, "<td class=\"l\">");
            jb_html_text(b, m->source, "");
            jb_str_add(b, "</td><td class=\"w\">");
            jb_html_text(b, m->reason, "");
            jb_str_add(b, "</td></tr>\n");
        }
    }
    jb_str_add(b, "</tbody></table></div></div>\n");
    left_out(b, rows);
}

// Overthinking belongs to a model at a precision; every cell of it carries the same figures.
static const struct jb_result_cell *overthinker(const struct jb_result *r, const struct jb_result_oracle *o)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        if (isfinite(c->overthinking_wasteful) && strcmp(jb_text(c->model, ""), jb_text(o->model, "")) == 0 &&
            strcmp(jb_text(c->precision, ""), jb_text(o->precision, "")) == 0)
            return c;
    }
    return NULL;
}

void jb_html_oracles(struct jb_str *b, const struct jb_view *v)
{
    if (!v->r->n_oracles)
        return;
    jb_str_add(b, "<h3>How much is left to gain</h3>\n<p class=\"sub\">An oracle leaves at the earliest exit that is right (earliest-correct) or that says what the last exit says "
                  "(earliest-consistent). Wasteful: right earlier, and still right at the end. Destructive: right earlier, wrong at the end.</p>\n"
                  "<div class=\"scroll\"><table><thead><tr><th>network</th><th class=\"l\">oracle</th><th>accuracy</th><th>mean MACs</th><th>wasteful</th><th>destructive</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < v->r->n_oracles; i++) {
        const struct jb_result_oracle *o = &v->r->oracles[i];
        const struct jb_result_cell *c = overthinker(v->r, o);
        jb_str_add(b, "<tr><td>");
        jb_html_text(b, o->model, "?");
        jb_str_add(b, " ");
        jb_html_text(b, o->precision, "");
        jb_str_add(b, "</td><td class=\"l\">");
        jb_html_text(b, o->kind, "");
        jb_str_add(b, "</td>");
        figure_cell(b, o->accuracy, jb_fmt_percent);
        figure_cell(b, o->macs_mean, jb_fmt_count);
        figure_cell(b, c ? c->overthinking_wasteful : NAN, jb_fmt_percent);
        figure_cell(b, c ? c->overthinking_destructive : NAN, jb_fmt_percent);
        jb_str_add(b, "</tr>\n");
    }
    jb_str_add(b, "</tbody></table></div>\n");
}

void jb_html_remarks(struct jb_str *b, const struct jb_view *v)
{
    size_t rows = 0;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (c->status != JB_CELL_VALID || !c->energy.remark || ++rows > JB_MAX_ROWS)
            continue;
        if (rows == 1)
            jb_str_add(b, "<h3>What must stand beside the joules</h3>\n<div class=\"scroll\"><table><thead><tr><th>setting</th><th class=\"l\">remark</th></tr></thead><tbody>\n");
        jb_str_add(b, "<tr><td>");
        jb_html_text(b, c->label, "?");
        jb_str_add(b, "</td><td class=\"w\">");
        jb_html_text(b, c->energy.remark, "");
        jb_str_add(b, "</td></tr>\n");
    }
    if (rows)
        jb_str_add(b, "</tbody></table></div>\n");
    left_out(b, rows);
}

void jb_html_not_valid(struct jb_str *b, const struct jb_view *v)
{
    if (v->n_by_status[JB_CELL_VALID] == v->r->n_cells)
        return;
    jb_str_add(b, "<h3>Not valid</h3>\n<p class=\"sub\">These settings take no part in fronts, hulls or the answer.</p>\n<div class=\"scroll\"><table><thead><tr><th>setting</th>"
                  "<th class=\"l\">status</th><th class=\"l\">what failed, and what to do</th></tr></thead><tbody>\n");
    size_t rows = 0;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (c->status == JB_CELL_VALID || ++rows > JB_MAX_ROWS)
            continue;
        jb_str_add(b, "<tr><td>");
        jb_html_text(b, c->label, "?");
        jb_str_addf(b, "</td><td class=\"l\">%s</td><td class=\"w\">", jb_cell_status_name(c->status));
        jb_html_text(b, c->reason, "no reason was given");
        jb_str_add(b, "</td></tr>\n");
    }
    jb_str_add(b, "</tbody></table></div>\n");
    left_out(b, rows);
}
