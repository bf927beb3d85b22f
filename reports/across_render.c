// Several runs side by side on the terminal, in report.md and in report.html.
#include "reports/across.h"

#include "reports/html.h"
#include "reports/pen.h"

#include <stdio.h>
#include <string.h>

#define MAX_TABLES 200     // in Markdown and HTML; results-set.json has all
#define MAX_ON_TERMINAL 12
#define OPEN_TABLES 12     // of the page; the others are folded

static const char INTRO[] = "Each figure stands with its ratio to that of %s and the ratio's %.4g %% interval (of accuracy: the difference). No verdict: the runs were made on other machines or at other times.";

static void label_of(char out[96], const struct jb_across *a, size_t run) { jb_run_label(out, a->r[run], run, a->n); }

static void intro(const struct jb_across *a, struct jb_str *s)
{
    char first[96];
    label_of(first, a, 0);
    if (a->n_keys)
        jb_str_addf(s, INTRO, first, a->c->confidence * 100);
    else
        jb_str_add(s, "No cell of the first run could be compared with one of another run:");
}

// ---- Markdown ----

static void md(struct jb_str *b, const char *text)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, jb_text(text, ""), 0);
    jb_str_add_md(b, jb_str_get(&plain));
    b->failed |= plain.failed;
    jb_str_free(&plain);
}

static void md_table(const struct jb_across *a, size_t key, struct jb_str *b)
{
    const char *metric[JB_ACROSS_METRICS];
    char run[96];
    size_t n = jb_across_metrics(a, key, metric);
    jb_str_add(b, "\n### ");
    md(b, jb_across_label(a, key));
    jb_str_add(b, "\n\n| |");
    for (size_t i = 0; i < a->n; i++) {
        label_of(run, a, i);
        jb_str_add(b, " ");
        md(b, run);
        jb_str_add(b, " |");
    }
    jb_str_add(b, "\n|---|");
    for (size_t i = 0; i < a->n; i++)
        jb_str_add(b, "---:|");
    for (size_t k = 0; k < n; k++) {
        jb_str_add(b, "\n| ");
        md(b, jb_compared_metric_title(metric[k]));
        jb_str_add(b, " |");
        for (size_t i = 0; i < a->n; i++) {
            struct jb_across_figure f;
            jb_across_figure(a, key, metric[k], i, &f);
            jb_str_addf(b, " %s%s%s%s%s |", f.value, f.energy_class ? " " : "", jb_text(f.energy_class, ""), f.ratio[0] ? ", " : "", f.ratio);
        }
    }
    jb_str_add(b, "\n");
}

struct md_notes { struct jb_str *b; size_t n; };

static void md_note(void *user, const char *text)
{
    struct md_notes *s = user;
    jb_str_add(s->b, s->n++ ? "- " : "\n- ");
    md(s->b, text);
    jb_str_add(s->b, "\n");
}

int jb_across_markdown(const struct jb_across *a, struct jb_str *out)
{
    struct md_notes notes = {.b = out};
    struct jb_str text = {0};
    intro(a, &text);
    jb_str_add(out, "\n## Side by side\n\n");
    md(out, jb_str_get(&text));
    jb_str_add(out, "\n");
    jb_str_free(&text);
    for (size_t k = 0; k < a->n_keys && k < MAX_TABLES; k++)
        md_table(a, k, out);
    if (a->n_keys > MAX_TABLES)
        jb_str_addf(out, "\n%zu more cells stand in results-set.json.\n", a->n_keys - MAX_TABLES);
    int rc = jb_across_notes(a, md_note, &notes);
    return rc ? rc : out->failed ? JB_E_NOMEM : JB_OK;
}

// ---- HTML ----

static void html_row(const struct jb_across *a, size_t key, const char *metric, struct jb_str *b)
{
    jb_str_add(b, "<tr><td>");
    jb_html_text(b, jb_compared_metric_title(metric), "");
    jb_str_add(b, "</td>");
    for (size_t i = 0; i < a->n; i++) {
        struct jb_across_figure f;
        jb_across_figure(a, key, metric, i, &f);
        jb_str_add(b, "<td>");
        jb_html_figure(b, f.value);
        if (f.energy_class)
            jb_str_addf(b, "<span class=\"pill\">%s</span>", f.energy_class);
        if (f.ratio[0])
            jb_str_addf(b, "<br><small>%s</small>", f.ratio);
        jb_str_add(b, "</td>");
    }
    jb_str_add(b, "</tr>\n");
}

static void html_table(const struct jb_across *a, size_t key, struct jb_str *b)
{
    const char *metric[JB_ACROSS_METRICS];
    char run[96];
    size_t n = jb_across_metrics(a, key, metric);
    jb_str_addf(b, "<details%s><summary>", key < OPEN_TABLES ? " open" : "");
    jb_html_text(b, jb_across_label(a, key), "?");
    jb_str_add(b, "</summary>\n<div class=\"scroll\"><table><thead><tr><th></th>");
    for (size_t i = 0; i < a->n; i++) {
        label_of(run, a, i);
        jb_str_addf(b, "<th><a href=\"#run%zu\">", i + 1);
        jb_html_text(b, run, "");
        jb_str_add(b, "</a></th>");
    }
    jb_str_add(b, "</tr></thead><tbody>\n");
    for (size_t k = 0; k < n; k++)
        html_row(a, key, metric[k], b);
    jb_str_add(b, "</tbody></table></div></details>\n");
}

static void html_note(void *user, const char *text)
{
    struct md_notes *s = user;
    jb_str_add(s->b, s->n++ ? "<li>" : "<ul class=\"sub\"><li>");
    jb_html_text(s->b, text, "");
    jb_str_add(s->b, "</li>\n");
}

int jb_across_html(const struct jb_across *a, struct jb_str *out)
{
    struct md_notes notes = {.b = out};
    struct jb_str text = {0};
    intro(a, &text);
    jb_str_add(out, "<h2 id=\"across\">Side by side</h2>\n<p class=\"sub\">");
    jb_html_text(out, jb_str_get(&text), "");
    jb_str_add(out, "</p>\n");
    jb_str_free(&text);
    for (size_t k = 0; k < a->n_keys && k < MAX_TABLES; k++)
        html_table(a, k, out);
    if (a->n_keys > MAX_TABLES)
        jb_str_addf(out, "<p class=\"sub\">%zu more cells stand in results-set.json.</p>\n", a->n_keys - MAX_TABLES);
    int rc = jb_across_notes(a, html_note, &notes);
    if (notes.n)
        jb_str_add(out, "</ul>\n");
    return rc ? rc : out->failed ? JB_E_NOMEM : JB_OK;
}

// ---- terminal ----

static void wrapped(const struct jb_pen *p, const char *ink, const char *lead, const char *text)
{
    jb_pen_ink(p, ink);
    jb_str_add(p->out, lead);
    jb_pen_wrap(p, text, strlen(lead), strlen(lead));
    jb_pen_ink(p, PLAIN);
}

// One line a run: as many runs as one likes fit any width.
static void terminal_metric(const struct jb_pen *p, const struct jb_across *a, size_t key, const char *metric)
{
    struct jb_across_figure f;
    size_t width[2] = {0};
    char run[96];
    for (size_t i = 0; i < a->n; i++) {
        label_of(run, a, i);
        jb_across_figure(a, key, metric, i, &f);
        size_t columns[2] = {jb_pen_columns(run), jb_pen_columns(f.value)};
        for (int k = 0; k < 2; k++)
            width[k] = columns[k] > width[k] ? columns[k] : width[k];
    }
    jb_str_addf(p->out, "    %s\n", jb_compared_metric_title(metric));
    for (size_t i = 0; i < a->n; i++) {
        label_of(run, a, i);
        jb_across_figure(a, key, metric, i, &f);
        jb_str_addf(p->out, "      %s%*s  %*s", run, (int)(width[0] - jb_pen_columns(run)), "", (int)width[1], f.value);
        jb_str_addf(p->out, "%s%s%s%s\n", f.energy_class ? " " : "", jb_text(f.energy_class, ""), f.ratio[0] ? "  " : "", f.ratio);
    }
}

// The terminal has what people ask for first; the files have every metric.
static void terminal_key(const struct jb_pen *p, const struct jb_across *a, size_t key)
{
    static const char *const SHOWN[] = {"accuracy", "latency_mean_ns", "p99_ns", "uj_per_query", "uj_per_correct"};
    const char *metric[JB_ACROSS_METRICS];
    size_t n = jb_across_metrics(a, key, metric);
    jb_str_add(p->out, "\n  ");
    jb_pen_ink(p, BOLD);
    jb_add_plain(p->out, jb_across_label(a, key), p->width > 14 ? p->width - 4 : 10);
    jb_pen_ink(p, PLAIN);
    jb_str_add(p->out, "\n");
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < sizeof SHOWN / sizeof *SHOWN; i++)
            if (strcmp(SHOWN[i], metric[k]) == 0)
                terminal_metric(p, a, key, metric[k]);
}

static void terminal_note(void *user, const char *text) { wrapped(user, YELLOW, "! ", text); }

static int terminal_body(struct jb_pen *p, const struct jb_across *a)
{
    struct jb_str text = {0};
    intro(a, &text);
    wrapped(p, "", "", jb_str_get(&text));
    jb_str_free(&text);
    for (size_t k = 0; k < a->n_keys && k < MAX_ON_TERMINAL; k++)
        terminal_key(p, a, k);
    if (a->n_keys > MAX_ON_TERMINAL)
        jb_str_addf(p->out, "\n  %zu more cells stand in report.html and report.md.\n", a->n_keys - MAX_ON_TERMINAL);
    jb_str_add(p->out, "\n");
    return jb_across_notes(a, terminal_note, p);
}

int jb_across_terminal(const struct jb_comparison *c, const char *reason, const struct jb_result *const *r, size_t n, int width, bool color, struct jb_str *out)
{
    struct jb_pen p = {.out = out, .width = width <= 0 ? 100 : width < 40 ? 40 : (size_t)width, .color = color};
    struct jb_across a = {0};
    jb_pen_ink(&p, BOLD);
    jb_str_add(out, "side by side\n");
    jb_pen_ink(&p, PLAIN);
    int rc = c ? jb_across_open(&a, c, r, n) : JB_OK;
    if (!c)
        wrapped(&p, YELLOW, "! ", jb_text(reason, "not asked for"));
    else if (!rc)
        rc = terminal_body(&p, &a);
    jb_across_close(&a);
    return rc ? rc : out->failed ? JB_E_NOMEM : JB_OK;
}
