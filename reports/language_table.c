// Columns of a table whose unit is the token.
#include "reports/language.h"

#include "reports/formats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { T_KV, T_FILL, T_QUALITY, T_MEAN, T_P50, T_P90, T_P99, T_TTFT, T_TTFT50, T_TTFT90, T_TTFT99, T_RATE, T_BYTES, T_LATE_BYTES, T_MACS, T_LATE_MACS, T_OVERHEAD, T_HULL, T_REGRET, T_GROSS, T_NET, T_EXITS };

static const struct { int what; const char *head, *short_head; int rank; } COLUMNS[] = {
    {T_MEAN, "a token, mean", "a token", 0}, {T_P50, "p50", "p50", 9}, {T_P90, "p90", "p90", 5}, {T_P99, "p99", "p99", 6},
    {T_TTFT, "to the first token, mean", "1st token", 4}, {T_TTFT50, "p50", "1st p50", 20}, {T_TTFT90, "p90", "1st p90", 20}, {T_TTFT99, "p99", "1st p99", 20}, {T_RATE, "tokens a second", "tok/s", 10},
    {T_GROSS, "joules per committed token, gross", "J/token", 1}, {T_NET, "net of idle", "net", 3},
    {T_BYTES, "read a token", "read", 2}, {T_LATE_BYTES, "of it late", "late", 4}, {T_MACS, "MACs a token", "MACs", 7}, {T_LATE_MACS, "of them late", "late MACs", 12},
    {T_OVERHEAD, "of the bytes, gates, idle heads and late fills", "overhead", 6}, {T_HULL, "MACs vs hull", "vs hull", 11}, {T_REGRET, "MACs above the oracle", "regret", 11}, {T_EXITS, "tokens by exit", "exits", 5}};

static void set_share(struct jb_token_figure *f, double part, double whole)
{
    f->key = whole > 0 ? part / whole : NAN;
    if (isfinite(f->key))
        snprintf(f->main, sizeof f->main, "%.3g %%", f->key * 100);
}

static void set(struct jb_token_figure *f, double value, void (*format)(char out[24], double))
{
    char text[24];
    f->key = value;
    format(text, value);
    if (isfinite(value))
        snprintf(f->main, sizeof f->main, "%s", text);
}

static void set_quality(struct jb_token_figure *f, const struct jb_result_quality *q)
{
    if (!q || !isfinite(q->value))
        return;
    bool share = strcmp(q->name, "perplexity") != 0 && strcmp(q->name, "first-divergence") != 0;
    double times = share ? 100 : 1;
    f->key = q->value;
    snprintf(f->main, sizeof f->main, share ? "%.2f %%" : strcmp(q->name, "perplexity") == 0 ? "%.2f" : "%.1f", q->value * times);
    if (isfinite(q->lower) && isfinite(q->upper))
        snprintf(f->more, sizeof f->more, share ? "[%.1f, %.1f]" : "[%.4g, %.4g]", q->lower * times, q->upper * times);
}

static void set_bounds(struct jb_token_figure *f, const struct jb_result_cell *c, double uj, double lower_uj, double upper_uj)
{
    char text[96];
    if (!jb_cell_has_energy(c) || !isfinite(uj))
        return;
    jb_uj_bounds_text(text, uj, lower_uj, upper_uj);
    f->key = uj;
    char *at = strstr(text, " [");
    if (at) {
        *at = '\0';
        snprintf(f->more, sizeof f->more, "%s", at + 1);
    }
    snprintf(f->main, sizeof f->main, "%.60s", text);
}

static void set_exits(struct jb_token_figure *f, const struct jb_result_cell *c)
{
    double all = 0, depth = 0;
    size_t n = 0;
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++) {
        all += (double)c->exit_histogram[i];
        depth += (double)i * (double)c->exit_histogram[i];
    }
    if (c->n_exits < 2 || !(all > 0))
        return;
    f->key = depth / all;
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS && n + 8 < sizeof f->main; i++)
        n += (size_t)snprintf(f->main + n, sizeof f->main - n, "%s%.0f", i ? "/" : "", (double)c->exit_histogram[i] / all * 100);
    if (n + 3 < sizeof f->main)
        snprintf(f->main + n, sizeof f->main - n, " %%");
}

static void set_hull(struct jb_token_figure *f, const struct jb_result_hull *h)
{
    if (!h || !isfinite(h->ratio))
        return;
    f->key = h->ratio;
    snprintf(f->main, sizeof f->main, "%.2fx", h->ratio);
    if (isfinite(h->lower) && isfinite(h->upper))
        snprintf(f->more, sizeof f->more, "[%.2f, %.2f]", h->lower, h->upper);
}

static void set_word(struct jb_token_figure *f, const char *word)
{
    struct jb_str s = {0};
    jb_add_plain(&s, jb_text(word, ""), 20);
    snprintf(f->main, sizeof f->main, "%.60s", jb_str_get(&s));
    jb_str_free(&s);
}

static void set_times(struct jb_token_figure *f, const struct jb_result_cell *c, int what)
{
    const struct jb_result_language *l = &c->language;
    switch (what) {
    case T_MEAN:
        set(f, c->latency_mean_ns, jb_fmt_ns);
        if (isfinite(c->latency_mean_ci.lower) && isfinite(c->latency_mean_ci.upper)) {
            char lower[24], upper[24];
            jb_fmt_ns(lower, c->latency_mean_ci.lower);
            jb_fmt_ns(upper, c->latency_mean_ci.upper);
            snprintf(f->more, sizeof f->more, "[%s, %s]", lower, upper);
        }
        break;
    case T_P50: set(f, l->tpot.p50, jb_fmt_ns); break;
    case T_P90: set(f, l->tpot.p90, jb_fmt_ns); break;
    case T_P99: set(f, l->tpot.p99, jb_fmt_ns); break;
    case T_TTFT: set(f, l->ttft.mean, jb_fmt_ns); break;
    case T_TTFT50: set(f, l->ttft.p50, jb_fmt_ns); break;
    case T_TTFT90: set(f, l->ttft.p90, jb_fmt_ns); break;
    case T_TTFT99: set(f, l->ttft.p99, jb_fmt_ns); break;
    default: break;
    }
}

void jb_token_figure(struct jb_token_figure *f, const struct jb_view *v, const struct jb_group *g, const struct jb_token_column *column, size_t cell)
{
    const struct jb_result_cell *c = &v->r->cells[cell];
    const struct jb_result_energy *e = &c->energy;
    *f = (struct jb_token_figure){.key = NAN};
    switch (column->what) {
    case T_KV: set_word(f, c->language.kv); break;
    case T_FILL: set_word(f, c->language.fill); break;
    case T_QUALITY: set_quality(f, jb_cell_quality(c, column->of)); break;
    case T_RATE: set(f, c->throughput_per_s, jb_fmt_count); break;
    case T_BYTES: set(f, c->bytes_mean, jb_fmt_bytes); break;
    case T_MACS: set(f, c->macs_mean, jb_fmt_count); break;
    case T_LATE_BYTES: set_share(f, c->language.deferred_bytes, c->bytes_mean); break;
    case T_LATE_MACS: set_share(f, c->language.deferred_macs, c->macs_mean); break;
    case T_OVERHEAD: set_share(f, jb_cell_is_adaptive(c) ? jb_overhead_share(v->r, c, false) : NAN, 1); break;
    case T_HULL: set_hull(f, v->cells[cell].hull_macs); break;
    case T_REGRET: set(f, c->regret_macs, jb_fmt_count); break;
    case T_GROSS:
        set_bounds(f, c, e->gross_uj, e->gross_lower_uj, e->gross_upper_uj);
        if (isfinite(f->key) && strchr(jb_text(g->energy_class, ""), ' ')) // several classes: each figure names its own
            snprintf(f->main + strlen(f->main), sizeof f->main - strlen(f->main), " %s", jb_energy_class_name(e->cls));
        break;
    case T_NET: set_bounds(f, c, e->net_uj, e->net_lower_uj, e->net_upper_uj); break;
    case T_EXITS: set_exits(f, c); break;
    default: set_times(f, c, column->what); break;
    }
    if (!f->main[0])
        snprintf(f->main, sizeof f->main, "%s", column->what == T_GROSS || column->what == T_NET ? "none" : column->what == T_EXITS || column->what == T_HULL || column->what == T_OVERHEAD ? "-" : "n/a");
}

static bool some(const struct jb_view *v, const struct jb_group *g, const struct jb_token_column *column)
{
    struct jb_token_figure f;
    for (size_t i = 0; i < g->n_usable; i++) {
        jb_token_figure(&f, v, g, column, g->cells[i]);
        if (isfinite(f.key) && !(f.key <= 0 && (column->what == T_LATE_BYTES || column->what == T_LATE_MACS))) // nothing late anywhere: no column
            return true;
    }
    return false;
}

static void add(struct jb_token_table *t, int what, const char *of, const char *head, const char *short_head, int rank)
{
    if (t->n == JB_TOKEN_COLUMNS)
        return;
    struct jb_token_column *c = &t->column[t->n++];
    *c = (struct jb_token_column){.what = what, .of = of, .rank = rank, .left = what == T_KV || what == T_FILL};
    snprintf(c->head, sizeof c->head, "%s", head);
    snprintf(c->short_head, sizeof c->short_head, "%s", short_head);
}

// What the workload is about first: perplexity leads prose, exact match cloze, the matching fraction free writing.
static void add_qualities(struct jb_token_table *t, const struct jb_view *v, const struct jb_group *g)
{
    static const struct { const char *name, *head, *short_head; int rank; } Q[] = {
        {"perplexity", "perplexity", "ppl", 2}, {"exact-match", "exact match, 95 %", "exact", 0}, {"matching", "matching fraction, 95 %", "matching", 0}, {"accuracy", "next-token accuracy, 95 %", "accuracy", 0},
        {"agreement", "agreement with the full model", "agreement", 1}, {"first-divergence", "first divergence, tokens", "diverges", 2}};
    bool exact = strcmp(g->quality, "exact-match") == 0;
    for (int pass = 0; pass < 2; pass++) { // of an exact answer, single tokens are the lesser part
        for (size_t i = 0; i < sizeof Q / sizeof *Q; i++) {
            bool lesser = exact && (strcmp(Q[i].name, "perplexity") == 0 || strcmp(Q[i].name, "accuracy") == 0);
            struct jb_token_column c = {.what = T_QUALITY, .of = Q[i].name};
            if (lesser == (pass == 1) && some(v, g, &c))
                add(t, T_QUALITY, Q[i].name, Q[i].head, Q[i].short_head, lesser ? 10 : Q[i].rank);
        }
    }
}

void jb_token_columns(struct jb_token_table *t, const struct jb_view *v, const struct jb_group *g)
{
    *t = (struct jb_token_table){.n = 0};
    if (g->kv_differs)
        add(t, T_KV, NULL, "K/V", "K/V", 8); // labels name them too
    if (g->fill_differs)
        add(t, T_FILL, NULL, "fill", "fill", 8);
    add_qualities(t, v, g);
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++) {
        struct jb_token_column c = {.what = COLUMNS[i].what};
        if (!some(v, g, &c))
            continue;
        add(t, COLUMNS[i].what, NULL, COLUMNS[i].head, COLUMNS[i].short_head, COLUMNS[i].rank);
        if (COLUMNS[i].what == T_GROSS && g->energy_class) {
            struct jb_token_column *last = &t->column[t->n - 1];
            snprintf(last->head + strlen(last->head), sizeof last->head - strlen(last->head), " (%s)", g->energy_class);
            snprintf(last->short_head, sizeof last->short_head, "J/token, %.14s", g->energy_class);
        }
    }
}
