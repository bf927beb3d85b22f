// The table of formats, and the order in which they are written.
#include "reports/report.h"

#include "base/fs.h"
#include "reports/across.h"
#include "reports/codec.h"
#include "reports/formats.h"
#include "reports/plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct jb_report_ops JSON = {"json", "results.json", "every figure, for scripts", jb_json_write};
static const struct jb_report_ops CSV = {"csv", "results.csv", "one row a cell, for spreadsheets and data frames", jb_csv_write};
static const struct jb_report_ops MD = {"md", "report.md", "summary and tables, for a pull request", jb_md_write};
static const struct jb_report_ops HTML = {"html", "report.html", "one page with plots, for people", jb_html_write};
const struct jb_report_ops *const jb_reporters[] = {&JSON, &CSV, &MD, &HTML, NULL};

int jb_report_put(const struct jb_report_opts *o, const char *name, struct jb_str *b, int rc, struct jb_err *err)
{
    char path[4096];
    if (!rc && b->failed)
        rc = jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    if (!rc)
        rc = jb_path_join(path, sizeof path, o->dir, name, err);
    if (!rc)
        rc = jb_write_file_atomic(path, jb_str_get(b), b->len, err);
    jb_str_free(b);
    return rc;
}

// One run: results.json. Several: results-set.json, so that no run's own file is ever replaced by a collection.
int jb_json_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_str b = {0};
    cJSON *root = n == 1 ? jb_result_to_json(r[0]) : jb_results_set_to_json(r, n, o->across, o->across_reason);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    if (text)
        jb_str_add(&b, text);
    else
        b.failed = true;
    free(text);
    return jb_report_put(o, n == 1 ? "results.json" : "results-set.json", &b, JB_OK, err);
}

int jb_report_write_all(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, char plots_reason[256], struct jb_err *err)
{
    struct jb_report_opts with = *o;
    plots_reason[0] = '\0';
    if (n == 0)
        return jb_fail(err, JB_E_USAGE, "nothing to report");
    int rc = jb_make_dirs(o->dir, err);
    if (!rc)
        rc = jb_plots_make(r, n, o, plots_reason, err);
    if (plots_reason[0])
        with.plots_reason = plots_reason;
    for (size_t i = 0; jb_reporters[i] && !rc; i++)
        rc = jb_reporters[i]->write(r, n, &with, err);
    return rc;
}

void jb_threshold_text(char out[64], const struct jb_result_cell *c)
{
    if (isfinite(c->threshold))
        snprintf(out, 64, "%.4g", c->threshold);
    else
        snprintf(out, 64, "%s", c->n_thresholds ? "per exit" : "");
}

void jb_energy_text(struct jb_str *b, const struct jb_result_cell *c)
{
    char uj[24];
    if (jb_cell_has_energy(c)) {
        jb_fmt_uj(uj, c->energy.gross_uj);
        jb_str_addf(b, "%s (%s)", uj, jb_energy_class_name(c->energy.cls));
        return;
    }
    jb_str_add(b, "none: ");
    jb_add_plain(b, jb_text(c->energy.reason, "no reason was given"), 0);
}

void jb_uj_bounds_text(char out[96], double uj, double lower_uj, double upper_uj)
{
    char v[24], lower[24], upper[24];
    jb_fmt_uj(v, uj);
    jb_fmt_uj(lower, lower_uj);
    jb_fmt_uj(upper, upper_uj);
    if (isfinite(uj) && isfinite(lower_uj) && isfinite(upper_uj))
        snprintf(out, 96, "%s [%s, %s]", v, lower, upper);
    else
        snprintf(out, 96, "%s", v);
}

void jb_half_width_text(char out[24], const struct jb_result_cell *c)
{
    double w = jb_cell_half_width(c);
    out[0] = '\0';
    if (isfinite(w))
        snprintf(out, 24, "+-%.*f %%", w < 0.1 ? 1 : 0, fmin(w, 9.99) * 100);
}

void jb_ratio_text(char out[64], const struct jb_result_hull *h)
{
    if (!h || !isfinite(h->ratio))
        out[0] = '\0';
    else if (isfinite(h->lower) && isfinite(h->upper))
        snprintf(out, 64, "%.2fx [%.2f, %.2f]", h->ratio, h->lower, h->upper);
    else
        snprintf(out, 64, "%.2fx", h->ratio);
}

void jb_points_text(char out[24], double share)
{
    if (!isfinite(share))
        snprintf(out, 24, "n/a");
    else if (fabs(share) < 0.00005)
        snprintf(out, 24, "0.00");
    else
        snprintf(out, 24, "%+.2f", share * 100);
}
