// Provenance of a run, and several runs side by side.
#include "reports/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pairs(struct jb_str *b, const char *title, const struct jb_kv *kv, size_t n, bool mono)
{
    if (!n)
        return;
    jb_str_addf(b, "<div><h3>%s</h3><div class=\"scroll\"><table>\n", title);
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "<tr><td>");
        jb_html_text(b, kv[i].name, "");
        jb_str_add(b, mono ? "</td><td class=\"mono\">" : "</td><td>");
        jb_html_text(b, kv[i].value, "n/a");
        jb_str_add(b, "</td></tr>\n");
    }
    jb_str_add(b, "</table></div></div>\n");
}

static void meter(struct jb_str *b, const struct jb_result *r)
{
    struct jb_power_row row[JB_POWER_ROWS];
    struct jb_kv kv[JB_POWER_ROWS];
    size_t n = jb_power_rows(row, &r->power);
    for (size_t i = 0; i < n; i++)
        kv[i] = (struct jb_kv){row[i].name, row[i].value};
    pairs(b, "Energy meter", kv, n, false);
}

void jb_html_provenance(struct jb_str *b, const struct jb_view *v)
{
    const struct jb_result *r = v->r;
    const struct jb_kv self[] = {{"joulebench", r->joulebench_version}, {"revision", r->git}, {"compiler", r->compiler}, {"started", r->started},
        {"finished", r->finished}, {"complete", r->complete ? "yes" : "no, interrupted"}};
    jb_str_add(b, "<h2>Where and with what</h2>\n<div class=\"kv\">\n");
    pairs(b, "Environment", r->environment, r->n_environment, false);
    meter(b, r);
    pairs(b, "This run", self, sizeof self / sizeof *self, false);
    pairs(b, "Kernels chosen", r->kernels, r->n_kernels, true);
    pairs(b, "Libraries", r->libraries, r->n_libraries, false);
    pairs(b, "Notes", r->notes, r->n_notes, false);
    pairs(b, "Seeds", r->seeds, r->n_seeds, true);
    pairs(b, "Hashes (SHA-256)", r->hashes, r->n_hashes, true);
    jb_str_add(b, "</div>\n");
}

static const char *environment(const struct jb_result *r, const char *name)
{
    for (size_t i = 0; i < r->n_environment; i++)
        if (strcmp(r->environment[i].name, name) == 0)
            return r->environment[i].value;
    return NULL;
}

static void text_row(struct jb_str *b, const struct jb_view *views, size_t n, const char *title, const char *name)
{
    jb_str_addf(b, "<tr><td>%s</td>", title);
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "<td class=\"w\">");
        jb_html_text(b, environment(views[i].r, name), "n/a");
        jb_str_add(b, "</td>");
    }
    jb_str_add(b, "</tr>\n");
}

static void answer_row(struct jb_str *b, const struct jb_view *views, size_t n)
{
    jb_str_add(b, "<tr><td>answer</td>");
    for (size_t i = 0; i < n; i++) {
        const struct jb_group *g = views[i].n_groups ? &views[i].groups[0] : NULL;
        char acc[24], ns[24];
        jb_str_add(b, "<td class=\"w\">");
        if (!g || g->answer == JB_NO_CELL) {
            jb_str_add(b, "none</td>");
            continue;
        }
        const struct jb_result_cell *c = &views[i].r->cells[g->answer];
        jb_html_text(b, c->label, "?");
        jb_fmt_percent(acc, jb_cell_value(c));
        jb_fmt_ns(ns, c->latency_mean_ns);
        jb_str_addf(b, "<br><b>%s, ", acc);
        jb_html_figure(b, ns);
        jb_str_add(b, "</b><br><small>energy ");
        struct jb_str e = {0};
        jb_energy_text(&e, c);
        jb_html_text(b, jb_str_get(&e), "");
        jb_str_free(&e);
        jb_str_add(b, "</small></td>");
    }
    jb_str_add(b, "</tr>\n");
}

struct keyed { const char *key; size_t index; };

static int by_key(const void *x, const void *y) { return strcmp(((const struct keyed *)x)->key, ((const struct keyed *)y)->key); }

// Valid cells of a run, sorted by key. NULL on out of memory.
static struct keyed *keys_of(const struct jb_view *v, size_t *n)
{
    struct keyed *k = malloc((v->r->n_cells + 1) * sizeof *k);
    *n = 0;
    for (size_t i = 0; i < v->r->n_cells && k; i++)
        if (v->cells[i].usable && v->r->cells[i].key)
            k[(*n)++] = (struct keyed){v->r->cells[i].key, i};
    if (k)
        qsort(k, *n, sizeof *k, by_key);
    return k;
}

static void matched_row(struct jb_str *b, const struct jb_view *views, struct keyed **keys, const size_t *counts, size_t n, size_t first)
{
    const struct jb_result_cell *a = &views[0].r->cells[first];
    jb_str_add(b, "<tr><td>");
    jb_html_text(b, a->label, "?");
    jb_str_add(b, "</td>");
    for (size_t i = 0; i < n; i++) {
        const struct keyed want = {a->key, 0}, *hit = bsearch(&want, keys[i], counts[i], sizeof want, by_key);
        char acc[24], ns[24];
        if (!hit) {
            jb_str_add(b, "<td data-v=\"\"><span class=\"dim\">not in this run</span></td>");
            continue;
        }
        const struct jb_result_cell *c = &views[i].r->cells[hit->index];
        jb_fmt_ns(ns, c->latency_mean_ns);
        jb_fmt_percent(acc, jb_cell_value(c));
        jb_str_addf(b, "<td data-v=\"%.9g\">", c->latency_mean_ns);
        jb_html_figure(b, ns);
        if (i)
            jb_str_addf(b, " <small>%.2f\xc3\x97</small>", c->latency_mean_ns / a->latency_mean_ns);
        jb_str_addf(b, "<br><small>%s</small></td>", acc);
    }
    jb_str_add(b, "</tr>\n");
}

static void matched(struct jb_str *b, const struct jb_view *views, size_t n)
{
    struct keyed **keys = calloc(n, sizeof *keys);
    size_t *counts = calloc(n, sizeof *counts);
    b->failed |= !keys || !counts;
    for (size_t i = 0; i < n && keys && counts; i++) {
        keys[i] = keys_of(&views[i], &counts[i]);
        b->failed |= !keys[i];
    }
    if (!b->failed && counts[0]) {
        jb_str_add(b, "<h3>The same settings on each</h3>\n<p class=\"sub\">Mean latency and accuracy; \xc3\x97: against the first run. Matched by key. No verdict.</p>\n"
                      "<div><div class=\"scroll tall\"><table class=\"s\"><thead><tr><th>setting</th>");
        for (size_t i = 0; i < n; i++) {
            char label[96];
            jb_run_label(label, views[i].r, i, n);
            jb_str_add(b, "<th>");
            jb_html_text(b, label, "");
            jb_str_add(b, "</th>");
        }
        jb_str_add(b, "</tr></thead><tbody>\n");
        for (size_t g = 0; g < views[0].n_groups; g++)
            for (size_t i = 0; i < views[0].groups[g].n_usable; i++)
                if (views[0].r->cells[views[0].groups[g].cells[i]].key)
                    matched_row(b, views, keys, counts, n, views[0].groups[g].cells[i]);
        jb_str_add(b, "</tbody></table></div></div>\n");
    }
    for (size_t i = 0; i < n && keys; i++)
        free(keys[i]);
    free(keys);
    free(counts);
}

void jb_html_runs(struct jb_str *b, const struct jb_view *views, size_t n, bool settings)
{
    jb_str_add(b, "<h2>Runs</h2>\n<div class=\"scroll\"><table><thead><tr><th></th>");
    for (size_t i = 0; i < n; i++) {
        char label[96];
        jb_run_label(label, views[i].r, i, n);
        jb_str_addf(b, "<th class=\"l\"><a href=\"#run%zu\">", i + 1);
        jb_html_text(b, label, "");
        jb_str_add(b, "</a></th>");
    }
    jb_str_add(b, "</tr></thead><tbody>\n");
    answer_row(b, views, n);
    text_row(b, views, n, "CPU", "cpu");
    text_row(b, views, n, "governor", "governor");
    text_row(b, views, n, "hypervisor", "hypervisor");
    text_row(b, views, n, "power source", "power_source");
    jb_str_add(b, "<tr><td>joulebench</td>");
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "<td class=\"w\">");
        jb_html_text(b, views[i].r->joulebench_version, "?");
        jb_str_add(b, " ");
        jb_html_text(b, views[i].r->git, "");
        jb_str_add(b, "</td>");
    }
    jb_str_add(b, "</tr>\n<tr><td>started</td>");
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "<td class=\"w\">");
        jb_html_text(b, views[i].r->started, "n/a");
        jb_str_add(b, "</td>");
    }
    jb_str_add(b, "</tr>\n<tr><td>cells</td>");
    for (size_t i = 0; i < n; i++)
        jb_str_addf(b, "<td class=\"w\">%zu of %zu valid</td>", views[i].n_by_status[JB_CELL_VALID], views[i].r->n_cells);
    jb_str_add(b, "</tr>\n</tbody></table></div>\n");
    if (settings)
        matched(b, views, n);
}
