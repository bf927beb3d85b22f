// comparison.html: one page without script and without anything from outside. The verdict and the words first, then the intervals, then every figure.
#include "reports/comparison_html.h"
#include "reports/gnuplot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char STYLE[] =
    ".forest{padding:4px 8px;font-size:14px}"
    ".fr{display:grid;grid-template-columns:minmax(120px,30%) 1fr minmax(150px,24%);gap:12px;align-items:center;border-bottom:1px solid var(--p-grid);min-height:30px}"
    ".fr:last-child{border-bottom:0}"
    ".fl{overflow-wrap:anywhere}.fv{font-variant-numeric:tabular-nums;text-align:right;color:var(--p-dim);font-size:13px}"
    ".fp{position:relative;height:22px}.fp svg{width:100%;height:22px;display:block;max-height:none;overflow:visible}"
    ".ax i{position:absolute;transform:translateX(-50%);font-style:normal;font-size:12px;color:var(--p-dim);white-space:nowrap}"
    "figure h3{margin:4px 8px 2px}"
    "td.pass{color:var(--p-green);font-weight:600}td.fail{color:var(--p-red);font-weight:600}td.other{color:var(--p-amber);font-weight:600}"
    ".better{color:var(--p-green)}.worse{color:var(--p-red)}"
    ".answer.bad{border-left-color:var(--p-red)}.answer.open{border-left-color:var(--p-amber)}"
    "tr.cell td{font-weight:600;padding-top:14px}"
    "@media(max-width:760px){.fr{grid-template-columns:1fr;gap:0;padding:6px 0}.fv{text-align:left}}";

static void head(struct jb_str *b, const struct jb_comparison *c)
{
    jb_str_add(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"joulebench\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>");
    jb_html_text(b, c->candidate_name, "candidate");
    jb_str_add(b, " against ");
    jb_html_text(b, c->baseline_name, "baseline");
    jb_str_add(b, "</title>\n<style>:root{color-scheme:light dark;--page:#f5f6f8;--hit:#e5f4ee;");
    jb_svg_variables(b, false);
    jb_str_add(b, "}@media(prefers-color-scheme:dark){:root{--page:#0f1216;--hit:#173029;");
    jb_svg_variables(b, true);
    jb_str_add(b, "}}");
    jb_str_add(b, jb_html_style);
    jb_str_add(b, jb_html_style_tables);
    jb_str_add(b, STYLE);
    jb_str_add(b, "</style>\n</head>\n<body>\n<main>\n<p class=\"kicker\">joulebench ");
    jb_html_text(b, c->joulebench_version, "");
    jb_str_addf(b, " \xc2\xb7 %s \xc2\xb7 ", c->is_gate ? "gate" : "comparison");
    jb_html_text(b, c->mode, "");
    if (c->started) {
        jb_str_add(b, " \xc2\xb7 ");
        jb_html_text(b, c->started, "");
    }
    jb_str_add(b, "</p>\n<h1>");
    jb_html_text(b, c->candidate_name, "candidate");
    jb_str_add(b, " against ");
    jb_html_text(b, c->baseline_name, "baseline");
    jb_str_add(b, "</h1>\n");
}

static void answer(struct jb_str *b, const struct jb_comparison *c)
{
    const char *kind = !c->is_gate || c->verdict == JB_VERDICT_PASS ? "" : c->verdict == JB_VERDICT_FAIL ? " bad" : " open";
    size_t n = 0;
    jb_str_addf(b, "<div class=\"answer%s\">\n", kind);
    if (c->is_gate)
        jb_str_addf(b, "<p>Gate: %s (exit code %d)</p>\n", jb_verdict_name(c->verdict), c->exit_code);
    for (size_t i = 0; i < c->n_sentences; i++) {
        if (strcmp(c->sentences[i].kind, "answer"))
            continue;
        jb_str_add(b, "<p>");
        jb_html_text(b, c->sentences[i].text, "");
        jb_str_add(b, "</p>\n");
    }
    for (size_t i = 0; i < c->n_sentences; i++) {
        if (strcmp(c->sentences[i].kind, "answer") == 0)
            continue;
        jb_str_add(b, n++ ? "<li>" : "<ul><li>");
        jb_html_text(b, c->sentences[i].text, "");
        jb_str_add(b, "</li>");
    }
    jb_str_add(b, n ? "</ul>\n</div>\n" : "</div>\n");
}

static void differences(struct jb_str *b, const struct jb_comparison *c)
{
    if (!c->n_differences)
        return;
    jb_str_add(b, "<div class=\"answer warn\">\n");
    for (size_t i = 0; i < c->n_differences; i++) {
        jb_str_add(b, "<p><b>");
        jb_html_text(b, c->differences[i].name, "");
        jb_str_add(b, "</b>: ");
        jb_html_text(b, c->differences[i].value, "");
        jb_str_add(b, "</p>\n");
    }
    jb_str_add(b, "</div>\n");
}

// Every name of a metric that some cell has, once, in the order of first sight.
static void forests(struct jb_str *b, const struct jb_comparison *c)
{
    const char *seen[JB_MAX_COMMON];
    size_t n = 0;
    jb_str_add(b, "<div class=\"plots\">\n");
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics && n < JB_MAX_COMMON; k++) {
            const char *name = c->cells[i].metrics[k].name;
            size_t at = 0;
            while (at < n && strcmp(seen[at], name))
                at++;
            if (at < n)
                continue;
            seen[n++] = name;
            jb_compared_forest(b, c, name);
        }
    jb_str_add(b, "</div>\n");
}

// ---- the table ----

static void text_cell(struct jb_str *b, const char *class_name, const char *text)
{
    jb_str_addf(b, "<td class=\"%s\">", class_name);
    jb_html_text(b, text, "");
    jb_str_add(b, "</td>");
}

static void verdict_cell(struct jb_str *b, const struct jb_compared_metric *m)
{
    char margin[24];
    jb_compared_margin_text(margin, m);
    if (!m->gated) {
        jb_str_add(b, "<td></td><td></td>");
        return;
    }
    jb_str_addf(b, "<td>%s</td><td class=\"%s\">%s</td>", margin, m->verdict == JB_VERDICT_PASS ? "pass" : m->verdict == JB_VERDICT_FAIL ? "fail" : "other", jb_verdict_name(m->verdict));
}

static void p_cell(struct jb_str *b, const struct jb_compared_metric *m)
{
    double p = m->gated && isfinite(m->gate_p) ? m->gate_p : m->p_adjusted;
    if (isfinite(p))
        jb_str_addf(b, p < 0.001 ? "<td>&lt;0.001</td>" : "<td>%.3f</td>", p);
    else
        jb_str_add(b, "<td class=\"dim\"></td>");
}

static void words_cell(struct jb_str *b, const struct jb_compared_metric *m)
{
    jb_str_add(b, "<td class=\"w\">");
    jb_html_text(b, m->words ? m->words : m->reason, "");
    if (m->words && m->reason) {
        jb_str_add(b, " <small>");
        jb_html_text(b, m->reason, "");
        jb_str_add(b, "</small>");
    }
    if (m->energy_class) {
        jb_str_add(b, "<span class=\"pill\">");
        jb_html_text(b, m->energy_class, "");
        jb_str_add(b, "</span>");
    }
    if (m->why) {
        jb_str_add(b, " <small>");
        jb_html_text(b, m->why, "");
        jb_str_add(b, "</small>");
    }
    jb_str_add(b, "</td>");
}

static void row(struct jb_str *b, const struct jb_comparison *c, const struct jb_compared_cell *cell, const struct jb_compared_metric *m)
{
    static const char *const SIGN[] = {"worse", "dim", "better"};
    char x[24], change[64];
    jb_str_add(b, "<tr><td>");
    jb_html_text(b, jb_compared_title(cell, m->name), "");
    jb_str_add(b, "</td><td>");
    jb_compared_value_text(x, m->name, m->baseline);
    jb_html_figure(b, x);
    jb_str_add(b, "</td><td>");
    jb_compared_value_text(x, m->name, m->candidate);
    jb_html_figure(b, x);
    jb_compared_change_text(change, m);
    jb_str_addf(b, "</td><td class=\"%s\">%s</td>", SIGN[jb_compared_sign(c, m) + 1], change);
    p_cell(b, m);
    if (c->is_gate)
        verdict_cell(b, m);
    words_cell(b, m);
    jb_str_add(b, "</tr>\n");
}

static void cell_rows(struct jb_str *b, const struct jb_comparison *c, const struct jb_compared_common *common, const struct jb_compared_cell *cell)
{
    struct jb_str name = {0};
    int columns = c->is_gate ? 8 : 6;
    jb_compared_label(&name, cell, 0);
    jb_str_addf(b, "<tr class=\"cell\"><td class=\"w\" colspan=\"%d\">", columns);
    jb_str_add_html(b, jb_str_get(&name));
    b->failed |= name.failed;
    jb_str_free(&name);
    if (cell->verdict != JB_VERDICT_NONE)
        jb_str_addf(b, "<span class=\"pill\">%s</span>", jb_verdict_name(cell->verdict));
    if (cell->front)
        jb_str_addf(b, "<span class=\"pill f\">front of latency: %s</span>", cell->front);
    if (cell->front_joules)
        jb_str_addf(b, "<span class=\"pill f\">front of joules: %s</span>", cell->front_joules);
    jb_str_add(b, "</td></tr>\n");
    if (cell->reason) {
        jb_str_addf(b, "<tr><td class=\"w\" colspan=\"%d\">not compared: ", columns);
        jb_html_text(b, cell->reason, "");
        jb_str_add(b, "</td></tr>\n");
        return;
    }
    for (size_t i = 0; i < cell->n_metrics; i++)
        if (!jb_compared_is_missing(&cell->metrics[i]) || !jb_compared_common(common, cell->metrics[i].name))
            row(b, c, cell, &cell->metrics[i]);
    for (size_t i = 0; i < cell->n_tail; i++) {
        jb_str_addf(b, "<tr><td class=\"w dim\" colspan=\"%d\">", columns);
        jb_html_text(b, cell->tail[i].name, "");
        jb_str_add(b, ": ");
        jb_html_text(b, cell->tail[i].value, "");
        jb_str_add(b, "</td></tr>\n");
    }
}

static void table(struct jb_str *b, const struct jb_comparison *c)
{
    struct jb_compared_common common;
    jb_compared_commons(&common, c);
    jb_str_addf(b, "<h2>Every cell</h2>\n<div class=\"scroll tall\"><table><thead><tr><th>metric</th><th>baseline</th><th>candidate</th><th>change, %.4g %%</th><th title=\"after Holm\">p</th>%s"
                   "<th class=\"l\"></th></tr></thead><tbody>\n", c->confidence * 100, c->is_gate ? "<th>margin</th><th>verdict</th>" : "");
    for (size_t i = 0; i < c->n_cells && i < JB_MAX_ROWS; i++)
        cell_rows(b, c, &common, &c->cells[i]);
    jb_str_add(b, "</tbody></table></div>\n");
    if (c->n_cells > JB_MAX_ROWS)
        jb_str_addf(b, "<p class=\"sub\">%zu more cells stand in comparison.json.</p>\n", c->n_cells - JB_MAX_ROWS);
    for (size_t i = 0; i < common.n; i++) {
        jb_str_add(b, "<p class=\"sub\">Not compared in any cell: ");
        jb_html_text(b, jb_compared_metric_title(common.name[i]), "");
        jb_str_add(b, ": ");
        jb_html_text(b, common.reason[i], "");
        jb_str_add(b, "</p>\n");
    }
}

static void environment(struct jb_str *b, const char *who, const char *name, const struct jb_kv *kv, size_t n)
{
    jb_str_addf(b, "<div class=\"scroll\"><table><thead><tr><th>%s</th><th class=\"l\">", who);
    jb_html_text(b, name, "");
    jb_str_add(b, "</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "<tr>");
        text_cell(b, "w", kv[i].name);
        text_cell(b, "w", jb_text(kv[i].value, "n/a"));
        jb_str_add(b, "</tr>\n");
    }
    jb_str_add(b, "</tbody></table></div>\n");
}

int jb_comparison_html(const struct jb_comparison *c, struct jb_str *out)
{
    head(out, c);
    answer(out, c);
    differences(out, c);
    forests(out, c);
    table(out, c);
    jb_str_add(out, "<h2>Where and with what</h2>\n<div class=\"kv\">\n");
    environment(out, "Baseline", c->baseline_name, c->baseline_environment, c->n_baseline_environment);
    environment(out, "Candidate", c->candidate_name, c->candidate_environment, c->n_candidate_environment);
    for (size_t i = 0; i < c->n_others; i++)
        environment(out, "Candidate", c->others[i].name, c->others[i].environment, c->others[i].n_environment);
    jb_str_add(out, "</div>\n<footer>Made by joulebench. Blocks are what is resampled, not queries: queries in a block share the machine's state. A difference that \"would have been\" seen is one that four such comparisons out of five had shown. comparison.json has every figure.</footer>\n</main>\n</body>\n</html>\n");
    return out->failed ? JB_E_NOMEM : JB_OK;
}
