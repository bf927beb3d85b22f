// A comparison on the terminal.
#include "reports/comparison_codec.h"
#include "reports/formats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

#define FEW_CELLS 8 // more: a cell without any difference takes one line

struct pen { struct jb_str *out; size_t width; bool color; };

static void ink(const struct pen *p, const char *code)
{
    if (p->color)
        jb_str_add(p->out, code);
}

static size_t columns_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

// Words from column `at` on, hanging by `indent`; ends the line. `text` is sanitised here.
static void wrap(const struct pen *p, const char *text, size_t indent, size_t at)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, text, 0);
    bool first = true;
    for (const char *s = jb_str_get(&plain); *s;) {
        char word[256];
        size_t n = strcspn(s, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, s);
        size_t w = columns_of(word);
        if (!first && at + 1 + w > p->width) {
            jb_str_addf(p->out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            jb_str_add(p->out, " ");
            at++;
        }
        jb_str_addn(p->out, s, n);
        at += w;
        first = false;
        s += n + strspn(s + n, " ");
    }
    jb_str_add(p->out, "\n");
    p->out->failed |= plain.failed;
    jb_str_free(&plain);
}

static const char *verdict_ink(enum jb_verdict v)
{
    return v == JB_VERDICT_PASS ? GREEN : v == JB_VERDICT_FAIL ? BOLD RED : v == JB_VERDICT_NONE ? "" : YELLOW;
}

// ---- a cell ----

struct row { const char *title; char baseline[24], candidate[24], margin[24]; const struct jb_compared_metric *m; };
#define MAX_ROWS 32

static void one_row(const struct pen *p, const struct jb_comparison *c, const struct row *r, const size_t width[4])
{
    const struct jb_compared_metric *m = r->m;
    int sign = jb_compared_sign(c, m);
    size_t at = 4 + width[0] + 2 + width[1] + 2 + width[2] + 2;
    jb_str_addf(p->out, "    %-*s  %*s  %*s  ", (int)width[0], r->title, (int)width[1], r->baseline, (int)width[2], r->candidate);
    if (m->gated) {
        ink(p, verdict_ink(m->verdict));
        jb_str_addf(p->out, "%-12s", jb_verdict_name(m->verdict));
        ink(p, PLAIN);
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
    ink(p, sign > 0 ? GREEN : sign < 0 ? RED : DIM);
    wrap(p, jb_str_get(&s), at + 30 < p->width ? at : 6, at);
    ink(p, PLAIN);
    jb_str_free(&s);
}

// "same: model bytes 1.2 MB, MACs 3.4 M": what is known exactly and did not change.
static void same(const struct pen *p, const struct jb_compared_cell *cell)
{
    struct jb_str s = {0};
    char text[24];
    for (size_t i = 0; i < cell->n_metrics; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        if (!jb_compared_is_same(m))
            continue;
        jb_compared_value_text(text, m->name, m->candidate);
        jb_str_addf(&s, "%s %s %s", s.len ? "," : "the same:", jb_compared_metric_title(m->name), text);
    }
    ink(p, DIM);
    if (s.len) {
        jb_str_add(p->out, "    ");
        wrap(p, jb_str_get(&s), 6, 4);
    }
    ink(p, PLAIN);
    jb_str_free(&s);
}

// What was not compared, metrics of one reason together; reasons that hold for all cells are said once, below.
static void missing(const struct pen *p, const struct jb_compared_common *common, const struct jb_compared_cell *cell)
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
            jb_str_addf(&s, "%s%s", s.len ? ", " : "not compared: ", jb_compared_metric_title(o->name));
        }
        jb_str_addf(&s, ": %s", jb_text(m->reason, "no reason was given"));
        if (!said) {
            ink(p, DIM);
            jb_str_add(p->out, "    ");
            wrap(p, jb_str_get(&s), 6, 4);
            ink(p, PLAIN);
        }
        jb_str_free(&s);
    }
}

static void rows_of(const struct pen *p, const struct jb_comparison *c, const struct jb_compared_cell *cell)
{
    struct row row[MAX_ROWS];
    size_t n = 0, width[4] = {0};
    for (size_t i = 0; i < cell->n_metrics && n < MAX_ROWS; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        if (jb_compared_is_same(m) || jb_compared_is_missing(m))
            continue;
        struct row *r = &row[n++];
        *r = (struct row){.title = jb_compared_metric_title(m->name), .m = m};
        jb_compared_value_text(r->baseline, m->name, m->baseline);
        jb_compared_value_text(r->candidate, m->name, m->candidate);
        jb_compared_margin_text(r->margin, m);
        const char *texts[4] = {r->title, r->baseline, r->candidate, r->margin};
        for (int k = 0; k < 4; k++)
            if (columns_of(texts[k]) > width[k])
                width[k] = columns_of(texts[k]);
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
static void in_short(const struct pen *p, const struct jb_compared_cell *cell)
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

static void print_cell(const struct pen *p, const struct jb_comparison *c, const struct jb_compared_common *common, const struct jb_compared_cell *cell)
{
    bool full = says_something(c, cell);
    jb_str_add(p->out, full ? "\n  " : "  ");
    ink(p, full ? BOLD : DIM);
    jb_compared_label(p->out, cell, p->width > 30 ? p->width - 20 : 10);
    ink(p, PLAIN);
    if (cell->verdict != JB_VERDICT_NONE) {
        jb_str_add(p->out, "  ");
        ink(p, verdict_ink(cell->verdict));
        jb_str_add(p->out, jb_verdict_name(cell->verdict));
        ink(p, PLAIN);
    }
    if (full && (cell->front || cell->front_joules)) {
        ink(p, DIM);
        jb_str_add(p->out, "  front: ");
        jb_str_addf(p->out, "%s%s%s%s", jb_text(cell->front, ""), cell->front ? " (latency)" : "", cell->front && cell->front_joules ? ", " : "", jb_text(cell->front_joules, ""));
        jb_str_add(p->out, cell->front_joules ? " (joules)" : "");
        ink(p, PLAIN);
    }
    if (!full) {
        in_short(p, cell);
        return;
    }
    jb_str_add(p->out, "\n");
    if (cell->reason) {
        ink(p, YELLOW);
        jb_str_add(p->out, "    not compared: ");
        wrap(p, cell->reason, 6, 18);
        ink(p, PLAIN);
        return;
    }
    rows_of(p, c, cell);
    same(p, cell);
    missing(p, common, cell);
    for (size_t i = 0; i < cell->n_tail; i++) {
        struct jb_str s = {0};
        jb_str_addf(&s, "%s: %s", cell->tail[i].name, cell->tail[i].value);
        ink(p, DIM);
        jb_str_add(p->out, "    ");
        wrap(p, jb_str_get(&s), 6, 4);
        ink(p, PLAIN);
        jb_str_free(&s);
    }
}

// ---- all ----

static void head(const struct pen *p, const struct jb_comparison *c)
{
    struct jb_str s = {0};
    jb_str_addf(&s, "%s against %s", jb_text(c->candidate_name, "candidate"), jb_text(c->baseline_name, "baseline"));
    for (size_t i = 0; i < c->n_others; i++)
        jb_str_addf(&s, "%s %s", i + 1 < c->n_others ? "," : " and", jb_text(c->others[i].name, "?"));
    if (c->is_gate) {
        ink(p, verdict_ink(c->verdict));
        jb_str_addf(p->out, "gate: %s", jb_verdict_name(c->verdict));
        ink(p, PLAIN);
        jb_str_addf(p->out, " (exit code %d)\n", c->exit_code);
    }
    wrap(p, jb_str_get(&s), 2, 0);
    jb_str_free(&s);
    for (size_t i = 0; i < c->n_sentences; i++) {
        bool answer = strcmp(c->sentences[i].kind, "answer") == 0, warning = strcmp(c->sentences[i].kind, "warning") == 0;
        ink(p, answer ? BOLD : warning ? YELLOW : "");
        jb_str_add(p->out, answer ? "" : warning ? "! " : "- ");
        wrap(p, c->sentences[i].text, answer ? 0 : 2, answer ? 0 : 2);
        ink(p, answer || warning ? PLAIN : "");
    }
    for (size_t i = 0; i < c->n_differences; i++) {
        struct jb_str d = {0};
        jb_str_addf(&d, "%s: %s", c->differences[i].name, c->differences[i].value);
        ink(p, YELLOW);
        jb_str_add(p->out, "! ");
        wrap(p, jb_str_get(&d), 2, 2);
        ink(p, PLAIN);
        jb_str_free(&d);
    }
}

static void common_reasons(const struct pen *p, const struct jb_compared_common *common)
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
            wrap(p, jb_str_get(&s), 4, 2);
        }
        jb_str_free(&s);
    }
}

int jb_comparison_terminal(const struct jb_comparison *c, int width, bool color, struct jb_str *out)
{
    struct pen p = {.out = out, .width = width <= 0 ? 100 : width < 40 ? 40 : (size_t)width, .color = color};
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
