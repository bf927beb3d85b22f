// A comparison as Markdown, fit for a pull request and for a GitHub job summary.
#include "reports/comparison_codec.h"
#include "reports/formats.h"

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

static void label(struct jb_str *b, const struct jb_compared_cell *c)
{
    struct jb_str s = {0};
    jb_compared_label(&s, c, 0);
    jb_str_add_md(b, jb_str_get(&s));
    b->failed |= s.failed;
    jb_str_free(&s);
}

static const char *verdict_sign(enum jb_verdict v)
{
    return v == JB_VERDICT_PASS ? "\xe2\x9c\x85 pass" : v == JB_VERDICT_FAIL ? "\xe2\x9d\x8c fail" : v == JB_VERDICT_NONE ? "" : jb_verdict_name(v);
}

static void row(struct jb_str *b, const struct jb_compared_cell *cell, const struct jb_compared_metric *m, bool gate)
{
    char x[3][24], change[64];
    jb_compared_value_text(x[0], m->name, m->baseline);
    jb_compared_value_text(x[1], m->name, m->candidate);
    jb_compared_change_text(change, m);
    jb_str_add(b, "| ");
    label(b, cell);
    jb_str_add(b, " | ");
    md(b, jb_compared_title(cell, m->name));
    jb_str_addf(b, " | %s | %s | %s | ", x[0], x[1], change);
    if (gate) {
        jb_compared_margin_text(x[2], m);
        jb_str_addf(b, "%s | %s | ", x[2], verdict_sign(m->verdict));
    }
    md(b, jb_text(m->words, jb_text(m->reason, "")));
    if (m->words && m->reason) {
        jb_str_add(b, " (");
        md(b, m->reason);
        jb_str_add(b, ")");
    }
    if (m->energy_class) {
        jb_str_add(b, ", ");
        md(b, m->energy_class);
    }
    if (m->why) {
        jb_str_add(b, "; ");
        md(b, m->why);
    }
    jb_str_add(b, " |\n");
}

static void table_head(struct jb_str *b, const struct jb_comparison *c, bool gate)
{
    jb_str_addf(b, "\n| cell | metric | baseline | candidate | change, %.4g %% |%s |\n|---|---|---:|---:|---:|%s---|\n", c->confidence * 100, gate ? " margin | verdict |" : "",
                gate ? "---:|---|" : "");
}

static void gated(struct jb_str *b, const struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (!m->gated)
                continue;
            if (n++ == 0)
                table_head(b, c, true);
            if (n <= JB_MAX_ROWS)
                row(b, &c->cells[i], m, true);
        }
    if (!n)
        jb_str_add(b, "\nNothing was gated: this is no pass.\n");
    if (n > JB_MAX_ROWS)
        jb_str_addf(b, "\n%zu more rows stand in comparison.json.\n", n - JB_MAX_ROWS);
}

static void all(struct jb_str *b, const struct jb_comparison *c, const struct jb_compared_common *common)
{
    size_t n = 0, left = 0;
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics && !c->cells[i].reason; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (c->is_gate && m->gated)
                continue;
            if (jb_compared_is_missing(m) && jb_compared_common(common, m->name))
                continue;
            if (n == 0)
                table_head(b, c, false);
            if (n++ < JB_MAX_ROWS)
                row(b, &c->cells[i], m, false);
            else
                left++;
        }
    if (left)
        jb_str_addf(b, "\n%zu more rows stand in comparison.json.\n", left);
}

static void say_common(struct jb_str *b, const struct jb_compared_common *common)
{
    for (size_t i = 0; i < common->n; i++) {
        jb_str_add(b, "\nNot compared in any cell: ");
        md(b, jb_compared_metric_title(common->name[i]));
        jb_str_add(b, ": ");
        md(b, common->reason[i]);
        jb_str_add(b, "\n");
    }
}

static void not_compared(struct jb_str *b, const struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        if (!c->cells[i].reason || n++ >= JB_MAX_ROWS)
            continue;
        jb_str_add(b, n == 1 ? "\n### Not compared\n\n| cell | why |\n|---|---|\n| " : "| ");
        label(b, &c->cells[i]);
        jb_str_add(b, " | ");
        md(b, c->cells[i].reason);
        jb_str_add(b, " |\n");
    }
}

static void tails(struct jb_str *b, const struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_tail && n < JB_MAX_ROWS; k++) {
            jb_str_add(b, n++ == 0 ? "\n### What makes up the slowest and the dearest 1 %\n\n| cell | | |\n|---|---|---|\n| " : "| ");
            label(b, &c->cells[i]);
            jb_str_add(b, " | ");
            md(b, c->cells[i].tail[k].name);
            jb_str_add(b, " | ");
            md(b, c->cells[i].tail[k].value);
            jb_str_add(b, " |\n");
        }
}

static void environment(struct jb_str *b, const char *who, const char *name, const struct jb_kv *kv, size_t n)
{
    jb_str_addf(b, "\n#### %s: ", who);
    md(b, name);
    jb_str_add(b, "\n\n| | |\n|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        jb_str_add(b, "| ");
        md(b, kv[i].name);
        jb_str_add(b, " | ");
        md(b, jb_text(kv[i].value, "n/a"));
        jb_str_add(b, " |\n");
    }
}

static void head(struct jb_str *b, const struct jb_comparison *c)
{
    jb_str_add(b, "# ");
    if (c->is_gate)
        jb_str_addf(b, "Gate: %s: ", verdict_sign(c->verdict));
    md(b, jb_text(c->candidate_name, "candidate"));
    jb_str_add(b, " against ");
    md(b, jb_text(c->baseline_name, "baseline"));
    jb_str_add(b, "\n");
    for (size_t i = 0; i < c->n_sentences; i++) {
        bool answer = strcmp(c->sentences[i].kind, "answer") == 0;
        jb_str_add(b, answer ? "\n**" : "\n- ");
        md(b, c->sentences[i].text);
        jb_str_add(b, answer ? "**\n" : "");
    }
    jb_str_add(b, "\n");
    for (size_t i = 0; i < c->n_differences; i++) {
        jb_str_add(b, i ? "- " : "\nDiffers:\n\n- ");
        md(b, c->differences[i].name);
        jb_str_add(b, ": ");
        md(b, c->differences[i].value);
        jb_str_add(b, "\n");
    }
}

int jb_comparison_markdown(const struct jb_comparison *c, struct jb_str *out)
{
    struct jb_compared_common common;
    jb_compared_commons(&common, c);
    head(out, c);
    if (c->is_gate) {
        gated(out, c);
        jb_str_add(out, "\n<details><summary>Everything else that was compared</summary>\n");
    }
    all(out, c, &common);
    say_common(out, &common);
    not_compared(out, c);
    tails(out, c);
    jb_str_add(out, "\n### Where and with what\n");
    environment(out, "Baseline", c->baseline_name, c->baseline_environment, c->n_baseline_environment);
    environment(out, "Candidate", c->candidate_name, c->candidate_environment, c->n_candidate_environment);
    for (size_t i = 0; i < c->n_others; i++)
        environment(out, "Candidate", c->others[i].name, c->others[i].environment, c->others[i].n_environment);
    if (c->is_gate)
        jb_str_add(out, "\n</details>\n");
    return out->failed ? JB_E_NOMEM : JB_OK;
}
