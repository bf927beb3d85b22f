// report.html: one file. The answer in words first, then the plots, the tables, and where it all comes from.
#include "reports/html.h"

#include "base/fs.h"
#include "base/hash.h"
#include "reports/across.h"
#include "reports/gnuplot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SVG_BYTES ((size_t)32 << 20)

// The page may run one script, ours, named by its hash: a name that slipped through an escaper could still do nothing.
static void script_hash(char out[48])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[JB_HASH_HEX], pair[3] = "";
    unsigned char bytes[33] = {0};
    size_t n = 0;
    jb_hash_bytes(jb_html_script, strlen(jb_html_script), hex);
    for (size_t i = 0; i < 32; i++) {
        memcpy(pair, hex + 2 * i, 2);
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    for (size_t i = 0; i < 33; i += 3) {
        unsigned v = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | (i + 2 < 33 ? bytes[i + 2] : 0u);
        for (int k = 18; k >= 0; k -= 6)
            out[n++] = DIGITS[v >> k & 63];
    }
    out[43] = '='; // 32 bytes leave one digit of padding
    out[44] = '\0';
}

static void head(struct jb_str *b, const char *title)
{
    char hash[48];
    script_hash(hash);
    jb_str_addf(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"joulebench\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'\">\n<title>", hash);
    jb_html_text(b, title, "");
    jb_str_add(b, "</title>\n<style>:root{color-scheme:light dark;--page:#f5f6f8;--hit:#e5f4ee;");
    jb_svg_variables(b, false);
    jb_str_add(b, "}@media(prefers-color-scheme:dark){:root{--page:#0f1216;--hit:#173029;");
    jb_svg_variables(b, true);
    jb_str_add(b, "}}");
    jb_str_add(b, jb_html_style);
    jb_str_add(b, jb_html_style_tables);
    jb_str_add(b, "</style>\n</head>\n<body>\n<main>\n");
}

static void kicker(struct jb_str *b, const struct jb_result *r)
{
    const char *cpu = NULL;
    for (size_t i = 0; i < r->n_environment; i++)
        if (strcmp(r->environment[i].name, "cpu") == 0)
            cpu = r->environment[i].value;
    jb_str_add(b, "<p class=\"kicker\">joulebench ");
    jb_html_text(b, r->joulebench_version, "");
    jb_str_add(b, " \xc2\xb7 ");
    jb_html_text(b, r->started, "date unknown");
    jb_str_add(b, " \xc2\xb7 ");
    jb_html_text(b, cpu, "CPU unknown");
    jb_str_add(b, "</p>\n");
}

struct talk { struct jb_str *b; int pass; size_t n; }; // pass 0: answers, 1: the rest, 2: warnings

static void say(void *user, const char *kind, const char *text)
{
    struct talk *t = user;
    int pass = strcmp(kind, "answer") == 0 || strcmp(kind, "validity") == 0 ? 0 : strcmp(kind, "warning") == 0 ? 2 : 1;
    if (pass != t->pass)
        return;
    if (t->n++ == 0)
        jb_str_add(t->b, pass == 1 ? "<ul>" : pass == 2 ? "<div class=\"answer warn\">" : "");
    jb_str_add(t->b, pass == 1 ? "<li>" : "<p>");
    jb_html_text(t->b, text, "");
    jb_str_add(t->b, pass == 1 ? "</li>" : "</p>\n");
}

static void answer(struct jb_str *b, const struct jb_view *v)
{
    struct talk t = {.b = b};
    jb_str_add(b, "<div class=\"answer\">\n");
    jb_view_sentences(v, say, &t);
    t = (struct talk){.b = b, .pass = 1};
    jb_view_sentences(v, say, &t);
    jb_str_add(b, t.n ? "</ul>\n</div>\n" : "</div>\n");
    t = (struct talk){.b = b, .pass = 2};
    jb_view_sentences(v, say, &t);
    jb_str_add(b, t.n ? "</div>\n" : "");
}

static bool embed(struct jb_str *b, const char *dir, const struct jb_plot *p, bool phone)
{
    char path[4096], name[128], prefix[80], *svg = NULL;
    size_t n = 0;
    snprintf(name, sizeof name, "plots/%s%s.svg", p->name, phone ? "-phone" : "");
    if (jb_path_join(path, sizeof path, dir, name, NULL) || jb_read_file(path, MAX_SVG_BYTES, &svg, &n, NULL))
        return false;
    snprintf(prefix, sizeof prefix, "%s%s", p->name, phone ? "-n" : "");
    jb_svg_inline(b, svg, prefix, phone ? "narrow" : "wide");
    free(svg);
    return true;
}

static bool figure(struct jb_str *b, const struct jb_plot *p, const char *dir, bool open)
{
    static const char *const PLACE[] = {[JB_PLOT_MEAN] = " class=\"big\"", [JB_PLOT_MODELLED] = " class=\"modelled\"", [JB_PLOT_RUNS] = " class=\"all\""};
    struct jb_str svg = {0};
    bool there = embed(&svg, dir, p, false);
    if (there) {
        embed(&svg, dir, p, true);
        jb_str_addf(b, "%s<figure%s>\n", open ? "" : "<div class=\"plots\">\n", p->side ? " class=\"side\"" : (size_t)p->kind < sizeof PLACE / sizeof *PLACE ? jb_text(PLACE[p->kind], "") : "");
        jb_str_addn(b, jb_str_get(&svg), svg.len);
        jb_str_add(b, "<figcaption>");
        jb_html_text(b, p->caption, "");
        jb_str_add(b, "</figcaption>\n</figure>\n");
    }
    b->failed |= svg.failed;
    jb_str_free(&svg);
    return there;
}

// The figures of one run and group, or the picture of all runs. What is modelled comes last where there is a measured figure in its place.
static void figures(struct jb_str *b, const struct jb_plot_list *list, const struct jb_report_opts *o, bool runs, size_t run, size_t group)
{
    bool open = false, energy = false;
    for (int last = 0; last < 2; last++) {
        for (size_t i = 0; i < list->n; i++) {
            const struct jb_plot *p = &list->plots[i];
            if ((p->kind == JB_PLOT_RUNS) != runs || (!runs && (p->run != run || p->group != group)))
                continue;
            energy |= p->kind == JB_PLOT_ENERGY;
            if ((p->kind == JB_PLOT_MODELLED && energy) == (last == 1))
                open |= figure(b, p, o->dir, open);
        }
    }
    if (open)
        jb_str_add(b, "</div>\n");
}

static void one_run(struct jb_str *b, const struct jb_view *v, size_t run, size_t n_runs, const struct jb_plot_list *list, const struct jb_report_opts *o)
{
    if (n_runs > 1) {
        char label[96];
        jb_run_label(label, v->r, run, n_runs);
        jb_str_addf(b, "<h2 id=\"run%zu\">Run ", run + 1);
        jb_html_text(b, label, "");
        jb_str_add(b, "</h2>\n");
        kicker(b, v->r);
    }
    answer(b, v);
    for (size_t g = 0; g < v->n_groups; g++) {
        if (v->n_groups > 1) {
            jb_str_add(b, "<h2>");
            jb_html_text(b, v->groups[g].label, "");
            jb_str_add(b, "</h2>\n");
        }
        jb_html_tiles(b, v, &v->groups[g]);
        figures(b, list, o, false, run, g);
        jb_html_settings(b, v, &v->groups[g]);
    }
    jb_html_remarks(b, v);
    jb_html_modelled(b, v);
    jb_html_oracles(b, v);
    jb_html_not_valid(b, v);
    jb_html_provenance(b, v);
}

static void foot(struct jb_str *b, size_t n)
{
    jb_str_addf(b, "<footer>Made by joulebench. Beside this page: %s (every figure, for scripts), results.csv, report.md, plots/. What is missing is missing for a reason: "
                   "it is null there and the reason stands beside it.</footer>\n</main>\n<script>", n == 1 ? "results.json" : "results-set.json");
    jb_str_add(b, jb_html_script);
    jb_str_add(b, "</script>\n</body>\n</html>\n");
}

static int across(struct jb_str *b, const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_across a = {0};
    int rc = o->across ? jb_across_open(&a, o->across, r, n) : JB_OK;
    if (!rc && o->across)
        rc = jb_across_html(&a, b);
    if (!o->across && o->across_reason) {
        jb_str_add(b, "<h2 id=\"across\">Side by side</h2>\n<p class=\"sub\">No ratios: ");
        jb_html_text(b, o->across_reason, "");
        jb_str_add(b, "</p>\n");
    }
    jb_across_close(&a);
    return rc ? jb_fail(err, rc, "report.html: the runs side by side") : JB_OK;
}

int jb_html_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_str b = {0};
    struct jb_view *views = NULL;
    struct jb_plot_list list = {0};
    const char *title = o->title ? o->title : n == 1 ? jb_text(r[0]->name, "joulebench") : "Runs side by side";
    int rc = jb_views_open(&views, r, n, err);
    if (!rc)
        rc = jb_plots_list(&list, views, n, err);
    if (!rc) {
        head(&b, title);
        if (n == 1)
            kicker(&b, r[0]);
        jb_str_add(&b, "<h1>");
        jb_html_text(&b, title, "");
        if (!o->title && n == 1 && views[0].n_groups == 1) {
            jb_str_add(&b, ": ");
            jb_html_text(&b, views[0].groups[0].label, "");
        }
        jb_str_add(&b, "</h1>\n");
        if (o->plots_reason) {
            jb_str_add(&b, "<div class=\"answer warn\"><p>Plots are missing: ");
            jb_html_text(&b, o->plots_reason, "");
            jb_str_add(&b, "</p></div>\n");
        }
        if (n > 1) {
            figures(&b, &list, o, true, 0, 0);
            jb_html_runs(&b, views, n, !o->across);
            rc = across(&b, r, n, o, err);
        }
        for (size_t i = 0; i < n && !rc; i++)
            one_run(&b, &views[i], i, n, &list, o);
        foot(&b, n);
    }
    jb_plots_free(&list);
    jb_views_close(views, n);
    return jb_report_put(o, "report.html", &b, rc, err);
}
