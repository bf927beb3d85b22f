// report.md: the summary and the tables, fit for a pull request.
#include "reports/formats.h"
#include "reports/across.h"
#include "reports/language.h"
#include "reports/plots.h"

#include "base/fs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void md(struct jb_str *b, const char *text)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, jb_text(text, ""), 0);
    jb_str_add_md(b, jb_str_get(&plain));
    b->failed |= plain.failed;
    jb_str_free(&plain);
}

static void say(void *user, const char *kind, const char *text)
{
    struct jb_str *b = user;
    bool answer = strcmp(kind, "answer") == 0;
    jb_str_add(b, answer ? "**" : strcmp(kind, "warning") == 0 ? "- **Warning:** " : "- ");
    md(b, text);
    jb_str_add(b, answer ? "**\n\n" : "\n");
}

static void energy_cells(struct jb_str *b, const struct jb_group *g, const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    char text[96];
    if (!jb_cell_has_energy(c)) {
        jb_str_add(b, " none: ");
        md(b, jb_text(e->reason, "no reason was given"));
        jb_str_add(b, " | | |");
        return;
    }
    jb_uj_bounds_text(text, e->gross_uj, e->gross_lower_uj, e->gross_upper_uj);
    jb_str_addf(b, " %s%s%s |", text, strchr(g->energy_class, ' ') ? " " : "", strchr(g->energy_class, ' ') ? jb_energy_class_name(e->cls) : "");
    jb_uj_bounds_text(text, e->net_uj, e->net_lower_uj, e->net_upper_uj);
    jb_str_addf(b, " %s |", text);
    jb_uj_bounds_text(text, e->per_correct_uj, e->per_correct_lower_uj, e->per_correct_upper_uj);
    jb_str_addf(b, " %s |", text);
}

static void name_cell(struct jb_str *b, const struct jb_view *v, const struct jb_group *g, size_t index)
{
    jb_str_addf(b, "| %s%s%s%s%s| ", index == g->answer ? "**answer**" : "", index == g->joules && index == g->answer ? ", " : "", index == g->joules ? "**fewest joules**" : "",
        v->cells[index].front && index != g->answer ? (index == g->joules ? ", front" : "front") : "", index == g->answer || index == g->joules || v->cells[index].front ? " " : "");
    md(b, v->r->cells[index].label);
}

static void token_settings(struct jb_str *b, const struct jb_view *v, const struct jb_group *g)
{
    struct jb_token_table t;
    struct jb_token_figure f;
    jb_token_columns(&t, v, g);
    jb_str_add(b, "| | setting |");
    for (size_t k = 0; k < t.n; k++)
        jb_str_addf(b, " %s |", t.column[k].head);
    jb_str_add(b, "\n|---|---|");
    for (size_t k = 0; k < t.n; k++)
        jb_str_add(b, t.column[k].left ? "---|" : "---:|");
    jb_str_add(b, "\n");
    for (size_t i = 0; i < g->n_usable && i < JB_MAX_ROWS; i++) {
        name_cell(b, v, g, g->cells[i]);
        for (size_t k = 0; k < t.n; k++) {
            jb_token_figure(&f, v, g, &t.column[k], g->cells[i]);
            jb_str_add(b, " | ");
            md(b, f.main);
            jb_str_addf(b, "%s%s", f.more[0] ? " " : "", f.more);
        }
        jb_str_add(b, " |\n");
    }
}

static void settings_row(struct jb_str *b, const struct jb_view *v, const struct jb_group *g, size_t index)
{
    const struct jb_result_cell *c = &v->r->cells[index];
    char x[6][24], ratio[64];
    jb_fmt_percent(x[0], c->accuracy.value);
    jb_points_text(x[1], isfinite(c->accuracy_loss) ? -c->accuracy_loss : NAN);
    jb_fmt_ns(x[2], c->latency_mean_ns);
    jb_fmt_ns(x[3], jb_cell_percentile(c, 0.99));
    jb_fmt_count(x[4], c->macs_mean);
    jb_ratio_text(ratio, v->cells[index].hull_macs);
    name_cell(b, v, g, index);
    jb_str_addf(b, " | %s", x[0]);
    if (isfinite(c->accuracy.lower) && isfinite(c->accuracy.upper))
        jb_str_addf(b, " [%.2f, %.2f]", c->accuracy.lower * 100, c->accuracy.upper * 100);
    jb_str_addf(b, " | %s | %s | %s | %s | %s |", x[1], x[2], x[3], x[4], ratio);
    if (g->energy_class)
        energy_cells(b, g, c);
    jb_str_add(b, "\n");
}

static void left_out(struct jb_str *b, const struct jb_group *g)
{
    if (g->n_usable > JB_MAX_ROWS)
        jb_str_addf(b, "\n%zu more rows stand in results.csv.\n", g->n_usable - JB_MAX_ROWS);
}

static void settings(struct jb_str *b, const struct jb_view *v, const struct jb_group *g)
{
    jb_str_add(b, "\n### ");
    md(b, g->label);
    jb_str_add(b, "\n\n");
    if (g->note) {
        jb_str_add(b, g->tokens ? "Quality: " : "Accuracy: ");
        md(b, g->note);
        jb_str_add(b, ".\n\n");
    }
    if (g->tokens) {
        token_settings(b, v, g);
        left_out(b, g);
        return;
    }
    jb_str_add(b, "| | setting | accuracy, 95 % | points | mean | p99 | MACs | fewer MACs than the hull |");
    if (g->energy_class)
        jb_str_addf(b, " energy a %s, gross (%s) | net of idle | gross a correct answer |", jb_text(g->unit, "query"), g->energy_class);
    jb_str_addf(b, "\n|---|---|---:|---:|---:|---:|---:|---:|%s\n", g->energy_class ? "---:|---:|---:|" : "");
    for (size_t i = 0; i < g->n_usable && i < JB_MAX_ROWS; i++)
        settings_row(b, v, g, g->cells[i]);
    left_out(b, g);
}

static void modelled_uj(struct jb_str *b, const struct jb_result_modelled *m)
{
    char text[96];
    jb_uj_bounds_text(text, m->uj, m->lower_uj, m->upper_uj);
    jb_str_addf(b, isfinite(m->uj) ? "*%s, modelled* | " : "n/a | ", text);
}

static void remarks(struct jb_str *b, const struct jb_view *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (c->status != JB_CELL_VALID || !c->energy.remark || n++ >= JB_MAX_ROWS)
            continue;
        if (n == 1)
            jb_str_add(b, "\n### What must stand beside the joules\n\n| setting | |\n|---|---|\n");
        jb_str_add(b, "| ");
        md(b, c->label);
        jb_str_add(b, " | ");
        md(b, c->energy.remark);
        jb_str_add(b, " |\n");
    }
}

static void modelled(struct jb_str *b, const struct jb_view *v)
{
    if (!v->modelled)
        return;
    jb_str_addf(b, "\n### Modelled energy, not measured\n\n| setting | relative | joules a %s | source | |\n|---|---:|---:|---|---|\n", jb_only_tokens(v) ? "token" : "query");
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        for (size_t k = 0; k < c->n_modelled && c->status == JB_CELL_VALID; k++) {
            jb_str_add(b, "| *");
            md(b, c->label);
            jb_str_addf(b, isfinite(c->modelled[k].relative) ? "* | *%.3f* | " : "* | n/a | ", c->modelled[k].relative);
            modelled_uj(b, &c->modelled[k]);
            md(b, c->modelled[k].source);
            jb_str_add(b, " | ");
            md(b, c->modelled[k].reason);
            jb_str_add(b, " |\n");
        }
    }
}

static void not_valid(struct jb_str *b, const struct jb_view *v)
{
    if (v->n_by_status[JB_CELL_VALID] == v->r->n_cells)
        return;
    jb_str_add(b, "\n### Not valid\n\n| status | setting | reason |\n|---|---|---|\n");
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (c->status == JB_CELL_VALID)
            continue;
        jb_str_addf(b, "| %s | ", jb_cell_status_name(c->status));
        md(b, c->label);
        jb_str_add(b, " | ");
        md(b, jb_text(c->reason, "no reason was given"));
        jb_str_add(b, " |\n");
    }
}

static void pairs(struct jb_str *b, const char *title, const struct jb_kv *kv, size_t n)
{
    if (!n)
        return;
    jb_str_addf(b, "\n#### %s\n\n| | |\n|---|---|\n", title);
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "| ");
        md(b, kv[i].name);
        jb_str_add(b, " | ");
        md(b, jb_text(kv[i].value, "n/a"));
        jb_str_add(b, " |\n");
    }
}

static void meter(struct jb_str *b, const struct jb_result *r)
{
    struct jb_power_row row[JB_POWER_ROWS];
    struct jb_kv kv[JB_POWER_ROWS];
    size_t n = jb_power_rows(row, &r->power);
    for (size_t i = 0; i < n; i++)
        kv[i] = (struct jb_kv){row[i].name, row[i].value};
    pairs(b, "Energy meter", kv, n);
}

static void provenance(struct jb_str *b, const struct jb_result *r)
{
    jb_str_add(b, "\n### Where and with what\n\njoulebench ");
    md(b, jb_text(r->joulebench_version, "?"));
    jb_str_add(b, " (");
    md(b, jb_text(r->git, "unknown revision"));
    jb_str_add(b, "), ");
    md(b, jb_text(r->compiler, "unknown compiler"));
    jb_str_add(b, ", from ");
    md(b, jb_text(r->started, "?"));
    jb_str_add(b, " to ");
    md(b, jb_text(r->finished, "?"));
    jb_str_add(b, r->complete ? ".\n" : ", interrupted.\n");
    pairs(b, "Environment", r->environment, r->n_environment);
    meter(b, r);
    pairs(b, "Kernels", r->kernels, r->n_kernels);
    pairs(b, "Libraries", r->libraries, r->n_libraries);
    pairs(b, "Hashes", r->hashes, r->n_hashes);
    pairs(b, "Seeds", r->seeds, r->n_seeds);
}

static int plots(struct jb_str *b, const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    char path[4096], file[160];
    struct jb_view *views = NULL;
    struct jb_plot_list list = {0};
    if (o->plots_reason) {
        jb_str_add(b, "\n*Plots are missing: ");
        md(b, o->plots_reason);
        jb_str_add(b, "*\n");
    }
    int rc = jb_views_open(&views, r, n, err);
    if (!rc)
        rc = jb_plots_list(&list, views, n, err);
    for (size_t i = 0; i < list.n; i++) {
        snprintf(file, sizeof file, "plots/%s.svg", list.plots[i].name);
        if (jb_path_join(path, sizeof path, o->dir, file, NULL) || !jb_path_exists(path))
            continue;
        jb_str_add(b, "\n![");
        md(b, list.plots[i].title);
        jb_str_addf(b, "](%s)\n", file);
    }
    jb_plots_free(&list);
    jb_views_close(views, n);
    return rc;
}

static int one_run(struct jb_str *b, const struct jb_result *r, struct jb_err *err)
{
    struct jb_view v;
    int rc = jb_view_open(&v, r, err);
    if (rc)
        return rc;
    jb_view_sentences(&v, say, b);
    for (size_t i = 0; i < v.n_groups; i++)
        settings(b, &v, &v.groups[i]);
    if (!v.energy && !v.energy_said && r->n_cells) {
        jb_str_add(b, "\nEnergy: none: ");
        md(b, jb_text(v.no_energy_reason, "reasons differ from cell to cell, see results.json"));
        jb_str_add(b, "\n");
    }
    remarks(b, &v);
    modelled(b, &v);
    not_valid(b, &v);
    provenance(b, r);
    jb_view_close(&v);
    return JB_OK;
}

static int across(struct jb_str *b, const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_across a = {0};
    if (n < 2 || (!o->across && !o->across_reason))
        return JB_OK;
    int rc = o->across ? jb_across_open(&a, o->across, r, n) : JB_OK;
    if (!rc && o->across)
        rc = jb_across_markdown(&a, b);
    if (!o->across) {
        jb_str_add(b, "\n## Side by side\n\nNo ratios: ");
        md(b, o->across_reason);
        jb_str_add(b, "\n");
    }
    jb_across_close(&a);
    return rc ? jb_fail(err, rc, "report.md: the runs side by side") : JB_OK;
}

int jb_md_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_str b = {0};
    jb_str_add(&b, "# ");
    md(&b, o->title ? o->title : n == 1 ? jb_text(r[0]->name, "joulebench") : "Runs side by side");
    jb_str_add(&b, "\n\n");
    int rc = across(&b, r, n, o, err);
    for (size_t i = 0; i < n && !rc; i++) {
        char run[96];
        jb_run_label(run, r[i], i, n);
        if (n > 1) {
            jb_str_add(&b, "\n## Run ");
            md(&b, run);
            jb_str_add(&b, "\n\n");
        }
        rc = one_run(&b, r[i], err);
    }
    if (!rc)
        rc = plots(&b, r, n, o, err);
    return jb_report_put(o, "report.md", &b, rc, err);
}
