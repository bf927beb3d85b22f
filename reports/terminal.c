// The terminal summary: the answer in words, then an aligned table, then what is not valid and why.
#include "reports/formats.h"
#include "reports/language.h"
#include "reports/pen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_ROWS 16
#define COLUMNS 10 // of samples; tokens have their own
#define MAX_COLUMNS (JB_TOKEN_COLUMNS + 1)

static const char TOKENS_LEGEND[] = "  tokens: > the cheapest as good as the best, J the fewest joules per committed token among those, * Pareto front of quality and mean time a token; ppl: perplexity, lower is better; agreement: "
    "tokens answered as the full model answers them; read: bytes of weights and K/V a token, late: the share of it that fills skipped layers afterwards, overhead: gates, heads tried in vain and late fills; "
    "exits: tokens by exit, first to last; J/token: gross, per committed token. Narrow terminals show less: results.csv and report.html have all.";

static void say(void *user, const char *kind, const char *text)
{
    const struct jb_pen *p = user;
    bool answer = strcmp(kind, "answer") == 0, warning = strcmp(kind, "warning") == 0;
    jb_pen_ink(p, answer ? BOLD : warning ? YELLOW : "");
    jb_str_add(p->out, answer ? "" : warning ? "! " : "- ");
    jb_pen_wrap(p, text, answer ? 0 : 2, answer ? 0 : 2);
    jb_pen_ink(p, answer || warning ? PLAIN : "");
}

struct table {
    const char *head[MAX_COLUMNS];
    char energy_head[40];
    char cell[MAX_ROWS + 1][MAX_COLUMNS][64];
    size_t row[MAX_ROWS + 1], n, n_columns, width[MAX_COLUMNS], drop[MAX_COLUMNS], n_drop; // drop: what goes first where room is short
    bool shown[MAX_COLUMNS];
    struct jb_token_table tokens;
};

// Gross, net, per correct answer. The class stands in the head of the column, or beside the figure where there are several.
static void fill_energy(const struct jb_result_cell *c, const char *class_in_head, char (*x)[64])
{
    char uj[24], width[24];
    if (!jb_cell_has_energy(c)) {
        for (int k = 0; k < 3; k++)
            snprintf(x[k], 64, "none");
        return;
    }
    jb_fmt_uj(uj, c->energy.gross_uj);
    jb_half_width_text(width, c);
    snprintf(x[0], 64, "%s%s%s%s%s", uj, *width ? " " : "", width, class_in_head ? "" : " ", class_in_head ? "" : jb_energy_class_name(c->energy.cls));
    jb_fmt_uj(x[1], c->energy.net_uj);
    jb_fmt_uj(x[2], c->energy.per_correct_uj);
}

// Without what stands above the table already: "prose/" before it, " 2 threads" in it.
static void add_short_label(struct jb_str *s, const struct jb_group *g, const char *label, size_t room)
{
    char threads[24];
    struct jb_str b = {0};
    size_t n = strlen(g->workload);
    snprintf(threads, sizeof threads, " %u threads", g->threads);
    if (n && strncmp(label, g->workload, n) == 0 && label[n] == '/')
        label += n + 1;
    const char *at = g->threads > 1 ? strstr(label, threads) : NULL;
    jb_str_addn(&b, label, at ? (size_t)(at - label) : strlen(label));
    jb_str_add(&b, at ? at + strlen(threads) : "");
    jb_add_plain(s, jb_str_get(&b), room);
    s->failed |= b.failed;
    jb_str_free(&b);
}

static void fill_row(const struct jb_view *v, const struct jb_group *g, struct table *t, size_t index, size_t label_room)
{
    const struct jb_result_cell *c = &v->r->cells[index];
    struct jb_str s = {0};
    char (*x)[64] = t->cell[t->n];
    if (g->tokens)
        add_short_label(&s, g, jb_text(c->label, "?"), label_room);
    else
        jb_add_plain(&s, jb_text(c->label, "?"), label_room);
    snprintf(x[0], 64, "%s", jb_str_get(&s));
    jb_str_free(&s);
    t->row[t->n++] = index;
    for (size_t k = 0; k < t->tokens.n; k++) {
        struct jb_token_figure f;
        jb_token_figure(&f, v, g, &t->tokens.column[k], index);
        snprintf(x[k + 1], 64, "%s", f.main);
    }
    if (t->tokens.n)
        return;
    jb_fmt_percent(x[1], c->accuracy.value);
    jb_points_text(x[2], isfinite(c->accuracy_loss) ? -c->accuracy_loss : NAN);
    jb_fmt_ns(x[3], c->latency_mean_ns);
    jb_fmt_ns(x[4], jb_cell_percentile(c, 0.99));
    jb_fmt_count(x[5], c->macs_mean);
    const struct jb_result_hull *h = v->cells[index].hull_macs;
    snprintf(x[6], 64, h && isfinite(h->ratio) ? "%.2fx" : "-", h ? h->ratio : 0);
    fill_energy(c, g->energy_class && strchr(g->energy_class, ' ') ? NULL : g->energy_class, x + 7);
}

static void measure(struct table *t)
{
    for (size_t k = 0; k < t->n_columns; k++) {
        t->width[k] = jb_pen_columns(t->head[k]);
        for (size_t i = 0; i < t->n; i++)
            if (jb_pen_columns(t->cell[i][k]) > t->width[k])
                t->width[k] = jb_pen_columns(t->cell[i][k]);
    }
}

// Leaves out columns, the least needed first, until a row fits.
static void fit(struct table *t, size_t width)
{
    for (size_t d = 0; d <= t->n_drop; d++) {
        size_t sum = 2;
        for (size_t k = 0; k < t->n_columns; k++)
            sum += t->shown[k] ? t->width[k] + (k ? 2 : 0) : 0;
        if (sum <= width || d == t->n_drop)
            return;
        t->shown[t->drop[d]] = false;
    }
}

static void print_line(const struct jb_pen *p, const struct table *t, const char *mark, const char *const *cells, const char (*row)[64])
{
    jb_str_add(p->out, mark);
    for (size_t k = 0; k < t->n_columns; k++) {
        if (!t->shown[k])
            continue;
        const char *s = cells ? cells[k] : row[k];
        int pad = (int)(t->width[k] - jb_pen_columns(s));
        if (k == 0)
            jb_str_addf(p->out, " %s%*s", s, pad, "");
        else
            jb_str_addf(p->out, "  %*s%s", pad, "", s);
    }
}

static void print_table(const struct jb_pen *p, const struct jb_view *v, const struct jb_group *g, const struct table *t)
{
    jb_pen_ink(p, DIM);
    print_line(p, t, " ", t->head, NULL);
    jb_pen_ink(p, PLAIN);
    jb_str_add(p->out, "\n");
    for (size_t i = 0; i < t->n; i++) {
        bool answer = t->row[i] == g->answer, front = v->cells[t->row[i]].front, joules = t->row[i] == g->joules;
        jb_pen_ink(p, answer ? BOLD GREEN : joules ? BOLD : front ? "" : DIM);
        print_line(p, t, answer ? ">" : joules ? "J" : front ? "*" : " ", NULL, (const char (*)[64])t->cell[i]);
        jb_pen_ink(p, answer || joules || !front ? PLAIN : "");
        jb_str_add(p->out, "\n");
    }
}

static void energy_line(const struct jb_pen *p, const struct jb_view *v)
{
    if (v->energy || v->energy_said || !v->r->n_cells)
        return;
    struct jb_str s = {0};
    jb_str_addf(&s, "energy: none: %s", jb_text(v->no_energy_reason, "reasons differ from cell to cell, see results.json"));
    jb_str_add(p->out, "  ");
    jb_pen_wrap(p, jb_str_get(&s), 4, 2);
    jb_str_free(&s);
}

// Which columns, and in which order they are left out where they do not fit.
static void columns(struct table *t, const struct jb_view *v, const struct jb_group *g)
{
    static const char *const HEAD[COLUMNS] = {"setting", "accuracy", "points", "mean", "p99", "MACs", "vs hull", "energy", "net", "per correct"};
    static const size_t DROP[] = {6, 2, 5, 4, 8, 7, 9};
    if (!g->tokens) {
        memcpy(t->head, HEAD, sizeof HEAD);
        memcpy(t->drop, DROP, sizeof DROP);
        t->n_drop = sizeof DROP / sizeof *DROP;
        t->n_columns = COLUMNS;
        for (size_t k = 0; k < COLUMNS; k++)
            t->shown[k] = k < 6 || (k == 6 && v->r->n_hull) || (k >= 7 && g->energy_class);
        return;
    }
    jb_token_columns(&t->tokens, v, g);
    t->head[0] = "setting";
    t->shown[0] = true;
    t->n_columns = t->tokens.n + 1;
    for (size_t k = 0; k < t->tokens.n; k++) {
        t->head[k + 1] = t->tokens.column[k].short_head;
        t->shown[k + 1] = t->tokens.column[k].rank < 20;
    }
    for (int rank = 20; rank-- > 1;)
        for (size_t k = t->tokens.n; k-- > 0;)
            if (t->tokens.column[k].rank == rank)
                t->drop[t->n_drop++] = k + 1;
}

static void print_group(const struct jb_pen *p, const struct jb_view *v, const struct jb_group *g)
{
    struct table t = {.n = 0};
    columns(&t, v, g);
    size_t room = p->width > 90 ? p->width - 60 : p->width >= 60 ? 30 : p->width - 24, left = 0;
    if (g->tokens && p->width > 70)
        room = p->width >= 110 ? 44 : 34; // names are long, and there are more figures than room
    else if (g->energy_class && p->width > 90)
        room -= 5; // so that gross, net and per correct answer all have room at 100 columns
    for (size_t i = 0; i < g->n_usable; i++) {
        size_t k = g->cells[i];
        // The last rows are kept for the answer and the full network, should they stand further down.
        bool must = k == g->answer || k == g->full || k == g->best || k == g->joules;
        if (t.n < MAX_ROWS - (g->joules == JB_NO_CELL ? 3 : 4) || (must && t.n < MAX_ROWS))
            fill_row(v, g, &t, k, room > 60 ? 60 : room);
        else
            left++;
    }
    if (!g->tokens && g->energy_class && !strchr(g->energy_class, ' ')) {
        snprintf(t.energy_head, sizeof t.energy_head, "energy, %s", g->energy_class);
        t.head[7] = t.energy_head;
    }
    measure(&t);
    fit(&t, p->width);
    jb_str_add(p->out, "\n");
    jb_pen_ink(p, BOLD);
    jb_str_add(p->out, g->label);
    jb_pen_ink(p, PLAIN);
    jb_str_add(p->out, "\n");
    if (g->note) {
        jb_pen_ink(p, DIM);
        jb_str_add(p->out, "  ");
        jb_pen_wrap(p, g->note, 2, 2);
        jb_pen_ink(p, PLAIN);
    }
    if (!t.n) {
        jb_str_add(p->out, "  no valid setting\n");
        return;
    }
    print_table(p, v, g, &t);
    if (left)
        jb_str_addf(p->out, "  ... and %zu more in results.csv\n", left);
}

static void print_bad(const struct jb_pen *p, const struct jb_view *v)
{
    bool head = false;
    size_t shown = 0, left = 0;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (c->status == JB_CELL_VALID)
            continue;
        if (shown++ >= 10) {
            left++;
            continue;
        }
        if (!head)
            jb_str_add(p->out, "\nnot valid\n");
        head = true;
        jb_pen_ink(p, c->status == JB_CELL_UNAVAILABLE ? DIM : RED);
        size_t at = 4 + strlen(jb_cell_status_name(c->status)) + 2;
        jb_str_addf(p->out, "  %s  ", jb_cell_status_name(c->status));
        at += jb_add_plain(p->out, jb_text(c->label, "?"), 48);
        jb_str_add(p->out, ": ");
        jb_pen_wrap(p, jb_text(c->reason, "no reason was given"), 6, at + 2);
        jb_pen_ink(p, PLAIN);
    }
    if (left)
        jb_str_addf(p->out, "  ... and %zu more in results.csv\n", left);
}

int jb_report_terminal(const struct jb_result *r, int width, bool color, struct jb_str *out)
{
    struct jb_view v;
    struct jb_err err;
    struct jb_pen p = {.out = out, .width = width <= 0 ? 100 : width < 40 ? 40 : (size_t)width, .color = color};
    int rc = jb_view_open(&v, r, &err);
    if (rc)
        return rc;
    jb_view_sentences(&v, say, &p);
    for (size_t i = 0; i < v.n_groups; i++)
        print_group(&p, &v, &v.groups[i]);
    bool tokens = false, samples = false;
    for (size_t i = 0; i < v.n_groups; i++) {
        tokens |= v.groups[i].tokens;
        samples |= !v.groups[i].tokens;
    }
    if (tokens) {
        jb_str_add(out, "\n");
        jb_pen_wrap(&p, TOKENS_LEGEND, 4, 0);
        if (!samples)
            energy_line(&p, &v);
    }
    if (samples) {
        jb_str_add(out, "\n");
        jb_pen_wrap(&p, v.energy ? "  > the answer, J the fewest joules per correct answer, * Pareto front of accuracy and mean latency (without latencies: MACs); points: accuracy against the same model's final exit; vs hull: how many times more MACs static networks and fixed exits need; energy: gross a query with the half-width of its bounds, net of idle, and gross a correct answer" :
            "  > the answer, * Pareto front of accuracy and mean latency (without latencies: MACs); points: accuracy against the same model's final exit; vs hull: how many times more MACs static networks and fixed exits need", 4, 0);
        energy_line(&p, &v);
    }
    print_bad(&p, &v);
    struct jb_str counts = {0};
    jb_str_addf(&counts, "%zu cells: %zu valid, %zu invalid, %zu failed, %zu unavailable", r->n_cells, v.n_by_status[JB_CELL_VALID], v.n_by_status[JB_CELL_INVALID],
        v.n_by_status[JB_CELL_FAILED], v.n_by_status[JB_CELL_UNAVAILABLE]);
    jb_str_add(out, "\n");
    jb_pen_wrap(&p, jb_str_get(&counts), 2, 0);
    jb_str_free(&counts);
    jb_view_close(&v);
    return out->failed ? JB_E_NOMEM : JB_OK;
}
