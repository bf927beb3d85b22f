// A comparison on the terminal.
#include "reports/comparison_codec.h"
#include "reports/formats.h"
#include "reports/pen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FEW_CELLS 8 // more: a cell without any difference takes one line

static const char *verdict_ink(enum jb_verdict v)
{
    return v == JB_VERDICT_PASS ? GREEN : v == JB_VERDICT_FAIL ? BOLD RED : v == JB_VERDICT_NONE ? "" : YELLOW;
}

// ---- a cell ----

struct row { const char *title; char baseline[24], candidate[24], margin[24]; const struct jb_compared_metric *m; };
#define MAX_ROWS 32

static void one_row(const struct jb_pen *p, const struct jb_comparison *c, const struct row *r, const size_t width[4])
{
    const struct jb_compared_metric *m = r->m;
    int sign = jb_compared_sign(c, m);
    size_t at = 4 + width[0] + 2 + width[1] + 2 + width[2] + 2;
    jb_str_addf(p->out, "    %-*s  %*s  %*s  ", (int)width[0], r->title, (int)width[1], r->baseline, (int)width[2], r->candidate);
    if (m->gated) {
        jb_pen_ink(p, verdict_ink(m->verdict));
        jb_str_addf(p->out, "%-12s", jb_verdict_name(m->verdict));
        jb_pen_ink(p, PLAIN);
        jb_str_addf(p->out, "  %*s  ", (int)width[3], r->margin);
        at += 14 + width[3] + 2;
    }
    struct jb_str s = {0};
    jb_str_add(&s, jb_text(m->words, jb_text(m->reason, "")));
    if (m->words && m->reason)
        jb_str_addf(&s, " (%s)", m->reason);
    if (m->energy_class)
        jb_str_addf(&s, ", %s", m->energy_class);
    if (m->why)
        jb_str_addf(&s, "%s%s", s.len ? "; " : "", m->why);
    jb_pen_ink(p, sign > 0 ? GREEN : sign < 0 ? RED : DIM);
    jb_pen_wrap(p, jb_str_get(&s), at + 30 < p->width ? at : 6, at);
    jb_pen_ink(p, PLAIN);
    jb_str_free(&s);
}

// "same: model bytes 1.2 MB, MACs 3.4 M": what is known exactly and did not change.
static void same(const struct jb_pen *p, const struct jb_compared_cell *cell)
{
    struct jb_str s = {0};
    char text[24];
    for (size_t i = 0; i < cell->n_metrics; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        if (!jb_compared_is_same(m))
            continue;
        jb_compared_value_text(text, m->name, m->candidate);
        jb_str_addf(&s, "%s %s %s", s.len ? "," : "the same:", jb_compared_title(cell, m->name), text);
    }
    jb_pen_ink(p, DIM);
    if (s.len) {
        jb_str_add(p->out, "    ");
        jb_pen_wrap(p, jb_str_get(&s), 6, 4);
    }
    jb_pen_ink(p, PLAIN);
    jb_str_free(&s);
}

// What was not compared, metrics of one reason together; reasons that hold for all cells are said once, below.
static void missing(const struct jb_pen *p, const struct jb_compared_common *common, const struct jb_compared_cell *cell)
{
    for (size_t i = 0; i < cell->n_metrics; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        bool said = false;
        struct jb_str s = {0};
        if (!jb_compared_is_missing(m) || jb_compared_common(common, m->name))
            continue;
        for (size_t k = 0; k < cell->n_metrics; k++) {
            const struct jb_compared_metric *o = &cell->metrics[k];
            if (!jb_compared_is_missing(o) || strcmp(jb_text(o->reason, ""), jb_text(m->reason, "")))
                continue;
            said |= k < i;
            jb_str_addf(&s, "%s%s", s.len ? ", " : "not compared: ", jb_compared_title(cell, o->name));
        }
        jb_str_addf(&s, ": %s", jb_text(m->reason, "no reason was given"));
        if (!said) {
            jb_pen_ink(p, DIM);
            jb_str_add(p->out, "    ");
            jb_pen_wrap(p, jb_str_get(&s), 6, 4);
            jb_pen_ink(p, PLAIN);
        }
        jb_str_free(&s);
    }
}

static void rows_of(const struct jb_pen *p, const struct jb_comparison *c, const struct jb_compared_cell *cell)
{
    struct row row[MAX_ROWS];
    size_t n = 0, width[4] = {0};
    for (size_t i = 0; i < cell->n_metrics && n < MAX_ROWS; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        if (jb_compared_is_same(m) || jb_compared_is_missing(m))
            continue;
        struct row *r = &row[n++];
        *r = (struct row){.title = jb_compared_title(cell, m->name), .m = m};
        jb_compared_value_text(r->baseline, m->name, m->baseline);
        jb_compared_value_text(r->candidate, m->name, m->candidate);
        jb_compared_margin_text(r->margin, m);
        const char *texts[4] = {r->title, r->baseline, r->candidate, r->margin};
        for (int k = 0; k < 4; k++)
            if (jb_pen_columns(texts[k]) > width[k])
                width[k] = jb_pen_columns(texts[k]);
    }
    for (size_t i = 0; i < n; i++)
        one_row(p, c, &row[i], width);
}

static bool says_something(const struct jb_comparison *c, const struct jb_compared_cell *cell)
{
    bool any = c->n_cells <= FEW_CELLS || cell->reason || (cell->verdict != JB_VERDICT_NONE && cell->verdict != JB_VERDICT_PASS);
    for (size_t i = 0; i < cell->n_metrics; i++)
        any |= jb_compared_sign(c, &cell->metrics[i]) != 0;
    return any;
}

// One line for a cell of which nothing can be said but how much the mean could have changed.
static void in_short(const struct jb_pen *p, const struct jb_compared_cell *cell)
{
    const struct jb_compared_metric *m = jb_compared_metric_find(cell, "latency_mean_ns");
    char change[64];
    jb_str_add(p->out, ": no difference can be seen");
    if (m && isfinite(m->effect)) {
        jb_compared_change_text(change, m);
        jb_str_addf(p->out, "; mean latency %s", change);
    }
    jb_str_add(p->out, "\n");
}

static void print_cell(const struct jb_pen *p, const struct jb_comparison *c, const struct jb_compared_common *common, const struct jb_compared_cell *cell)
{
    bool full = says_something(c, cell);
    jb_str_add(p->out, full ? "\n  " : "  ");
    jb_pen_ink(p, full ? BOLD : DIM);
    jb_compared_label(p->out, cell, p->width > 30 ? p->width - 20 : 10);
    jb_pen_ink(p, PLAIN);
    if (cell->verdict != JB_VERDICT_NONE) {
        jb_str_add(p->out, "  ");
        jb_pen_ink(p, verdict_ink(cell->verdict));
        jb_str_add(p->out, jb_verdict_name(cell->verdict));
        jb_pen_ink(p, PLAIN);
    }
    if (full && (cell->front || cell->front_joules)) {
        jb_pen_ink(p, DIM);
        jb_str_add(p->out, "  front: ");
        jb_str_addf(p->out, "%s%s%s%s", jb_text(cell->front, ""), cell->front ? " (latency)" : "", cell->front && cell->front_joules ? ", " : "", jb_text(cell->front_joules, ""));
        jb_str_add(p->out, cell->front_joules ? " (joules)" : "");
        jb_pen_ink(p, PLAIN);
    }
    if (!full) {
        in_short(p, cell);
        return;
    }
    jb_str_add(p->out, "\n");
    if (cell->reason) {
        jb_pen_ink(p, YELLOW);
        jb_str_add(p->out, "    not compared: ");
        jb_pen_wrap(p, cell->reason, 6, 18);
        jb_pen_ink(p, PLAIN);
        return;
    }
    rows_of(p, c, cell);
    same(p, cell);
    missing(p, common, cell);
    for (size_t i = 0; i < cell->n_tail; i++) {
        struct jb_str s = {0};
        jb_str_addf(&s, "%s: %s", cell->tail[i].name, cell->tail[i].value);
        jb_pen_ink(p, DIM);
        jb_str_add(p->out, "    ");
        jb_pen_wrap(p, jb_str_get(&s), 6, 4);
        jb_pen_ink(p, PLAIN);
        jb_str_free(&s);
    }
}

// ---- all ----

static void head(const struct jb_pen *p, const struct jb_comparison *c)
{
    struct jb_str s = {0};
    jb_str_addf(&s, "%s against %s", jb_text(c->candidate_name, "candidate"), jb_text(c->baseline_name, "baseline"));
    for (size_t i = 0; i < c->n_others; i++)
        jb_str_addf(&s, "%s %s", i + 1 < c->n_others ? "," : " and", jb_text(c->others[i].name, "?"));
    if (c->is_gate) {
        jb_pen_ink(p, verdict_ink(c->verdict));
        jb_str_addf(p->out, "gate: %s", jb_verdict_name(c->verdict));
        jb_pen_ink(p, PLAIN);
        jb_str_addf(p->out, " (exit code %d)\n", c->exit_code);
    }
    jb_pen_wrap(p, jb_str_get(&s), 2, 0);
    jb_str_free(&s);
    for (size_t i = 0; i < c->n_sentences; i++) {
        bool answer = strcmp(c->sentences[i].kind, "answer") == 0, warning = strcmp(c->sentences[i].kind, "warning") == 0;
        jb_pen_ink(p, answer ? BOLD : warning ? YELLOW : "");
        jb_str_add(p->out, answer ? "" : warning ? "! " : "- ");
        jb_pen_wrap(p, c->sentences[i].text, answer ? 0 : 2, answer ? 0 : 2);
        jb_pen_ink(p, answer || warning ? PLAIN : "");
    }
    for (size_t i = 0; i < c->n_differences; i++) {
        struct jb_str d = {0};
        jb_str_addf(&d, "%s: %s", c->differences[i].name, c->differences[i].value);
        jb_pen_ink(p, YELLOW);
        jb_str_add(p->out, "! ");
        jb_pen_wrap(p, jb_str_get(&d), 2, 2);
        jb_pen_ink(p, PLAIN);
        jb_str_free(&d);
    }
}

static void common_reasons(const struct jb_pen *p, const struct jb_compared_common *common)
{
    for (size_t i = 0; i < common->n; i++) {
        bool said = false;
        struct jb_str s = {0};
        for (size_t k = 0; k < common->n; k++) {
            if (strcmp(common->reason[k], common->reason[i]))
                continue;
            said |= k < i;
            jb_str_addf(&s, "%s%s", s.len ? ", " : "not compared in any cell: ", jb_compared_metric_title(common->name[k]));
        }
        jb_str_addf(&s, ": %s", common->reason[i]);
        if (!said) {
            jb_str_add(p->out, "\n  ");
            jb_pen_wrap(p, jb_str_get(&s), 4, 2);
        }
        jb_str_free(&s);
    }
}

int jb_comparison_terminal(const struct jb_comparison *c, int width, bool color, struct jb_str *out)
{
    struct jb_pen p = {.out = out, .width = width <= 0 ? 100 : width < 40 ? 40 : (size_t)width, .color = color};
    struct jb_compared_common common;
    size_t compared = 0;
    jb_compared_commons(&common, c);
    head(&p, c);
    for (size_t i = 0; i < c->n_cells; i++) {
        compared += !c->cells[i].reason;
        print_cell(&p, c, &common, &c->cells[i]);
    }
    common_reasons(&p, &common);
    jb_str_addf(out, "\n%zu of %zu cells compared, intervals at %.4g %%", compared, c->n_cells, c->confidence * 100);
    if (c->pairs)
        jb_str_addf(out, ", %llu pairs of blocks", (unsigned long long)c->pairs);
    if (isfinite(c->seconds))
        jb_str_addf(out, ", %.0f s of measuring", c->seconds);
    jb_str_add(out, "\n");
    return out->failed ? JB_E_NOMEM : JB_OK;
}
