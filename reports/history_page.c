// A history as a page and as a table. One picture a metric and cell, drawn here: points over revisions, the interval of each gate, and its verdict in colour.
#include "reports/comparison_html.h"
#include "reports/gnuplot.h"
#include "reports/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1040.0
#define HEIGHT 200.0
#define LEFT 92.0
#define RIGHT 16.0
#define TOP 14.0
#define BOTTOM 34.0
#define MOST_SERIES 400

static const char STYLE[] = "figure svg{width:100%;height:auto;display:block}figure h3{margin:10px 8px 2px;font-size:15px;overflow-wrap:anywhere}svg text{font:12px system-ui,sans-serif;fill:var(--p-dim)}";

struct series { const char *cell, *metric; };
struct point { const struct jb_history_entry *e; const struct jb_history_value *v; };

// ---- which series there are ----

static const struct jb_history_value *find(const struct jb_history_entry *e, const struct series *s)
{
    for (size_t i = 0; i < e->n_values; i++)
        if (!strcmp(e->values[i].cell, s->cell) && !strcmp(e->values[i].metric, s->metric)) return &e->values[i];
    return NULL;
}

static bool known(const struct series *s, size_t n, const struct jb_history_value *v)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].cell, v->cell) && !strcmp(s[i].metric, v->metric)) return true;
    return false;
}

static size_t all_series(const struct jb_history *h, struct series *s)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = 0; k < h->entries[i].n_values && n < MOST_SERIES; k++)
            if (!known(s, n, &h->entries[i].values[k])) s[n++] = (struct series){ h->entries[i].values[k].cell, h->entries[i].values[k].metric };
    return n;
}

// Values alone: entries without this metric leave no gap.
static size_t points_of(const struct jb_history *h, const struct series *s, struct point *p)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct jb_history_value *v = find(&h->entries[i], s);
        if (v && isfinite(v->value)) p[n++] = (struct point){ &h->entries[i], v };
    }
    return n;
}

// ---- one picture ----

// What the interval of a gate's ratio or difference means for the value itself.
static void bounds(const struct point *p, double *low, double *high)
{
    const struct jb_history_value *v = p->v;
    bool difference = jb_compared_is_share(v->metric), have = isfinite(v->baseline) && isfinite(v->lower) && isfinite(v->upper);
    *low = !have ? v->value : difference ? v->baseline + v->lower : v->baseline * v->lower;
    *high = !have ? v->value : difference ? v->baseline + v->upper : v->baseline * v->upper;
}

static const char *color_of(const char *verdict)
{
    if (!verdict) return "blue";
    return !strcmp(verdict, "pass") ? "green" : !strcmp(verdict, "fail") ? "red" : "amber";
}

static void label(struct jb_str *b, double x, double y, const char *anchor, const char *text)
{
    jb_str_addf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    jb_html_text(b, text, "");
    jb_str_add(b, "</text>");
}

static void mark(struct jb_str *b, const struct point *p, double x, double y, double y_low, double y_high)
{
    char value[24];
    const char *color = color_of(p->v->verdict);
    jb_compared_value_text(value, p->v->metric, p->v->value);
    jb_str_add(b, "<g><title>");
    jb_html_text(b, p->e->git, "no revision");
    jb_str_add(b, ", ");
    jb_html_text(b, p->e->time, "");
    jb_str_add(b, ": ");
    jb_html_text(b, value, "");
    if (p->v->verdict) {
        jb_str_add(b, ", ");
        jb_html_text(b, p->v->verdict, "");
    }
    jb_str_addf(b, "</title><path d=\"M%.1f %.1fV%.1f\" stroke=\"var(--p-%s)\" stroke-width=\"2\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"var(--p-%s)\" stroke=\"none\"/></g>", x, y_low, y_high, color, x, y, color);
}

static void picture(struct jb_str *b, const struct point *p, size_t n)
{
    double low = INFINITY, high = -INFINITY, l, h, right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    for (size_t i = 0; i < n; i++) {
        bounds(&p[i], &l, &h);
        low = fmin(low, fmin(l, p[i].v->value));
        high = fmax(high, fmax(h, p[i].v->value));
    }
    double pad = high > low ? (high - low) * 0.1 : fabs(high) * 0.05 + 1e-9;
    low -= pad;
    high += pad;
    jb_str_addf(b, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" fill=\"none\">", WIDTH, HEIGHT);
    for (int i = 0; i <= 2; i++) {
        char text[24];
        double y = bottom - (bottom - TOP) * i / 2;
        jb_compared_value_text(text, p[0].v->metric, low + (high - low) * i / 2);
        jb_str_addf(b, "<path d=\"M%.0f %.1fH%.0f\" stroke=\"var(--p-grid)\"/>", LEFT, y, right);
        label(b, LEFT - 8, y + 4, "end", text);
    }
    double step = n > 1 ? (right - LEFT - 24) / (double)(n - 1) : 0, scale = (bottom - TOP) / (high - low);
    jb_str_add(b, "<path d=\"");
    for (size_t i = 0; i < n; i++) jb_str_addf(b, "%s%.1f %.1f", i ? "L" : "M", LEFT + 12 + step * (double)i, bottom - (p[i].v->value - low) * scale);
    jb_str_add(b, "\" stroke=\"var(--p-dim)\" stroke-width=\"1.2\"/>");
    for (size_t i = 0; i < n; i++) {
        bounds(&p[i], &l, &h);
        mark(b, &p[i], LEFT + 12 + step * (double)i, bottom - (p[i].v->value - low) * scale, bottom - (l - low) * scale, bottom - (h - low) * scale);
    }
    label(b, LEFT, HEIGHT - 10, "start", p[0].e->git ? p[0].e->git : p[0].e->time);
    if (n > 1) label(b, right, HEIGHT - 10, "end", p[n - 1].e->git ? p[n - 1].e->git : p[n - 1].e->time);
    jb_str_add(b, "</svg>\n");
}

// ---- the page ----

static void head(struct jb_str *b)
{
    jb_str_add(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"joulebench\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>history</title>\n"
                  "<style>:root{color-scheme:light dark;--page:#f5f6f8;--hit:#e5f4ee;");
    jb_svg_variables(b, false);
    jb_str_add(b, "}@media(prefers-color-scheme:dark){:root{--page:#0f1216;--hit:#173029;");
    jb_svg_variables(b, true);
    jb_str_add(b, "}}");
    jb_str_add(b, jb_html_style);
    jb_str_add(b, jb_html_style_tables);
    jb_str_add(b, STYLE);
    jb_str_add(b, "</style>\n</head>\n<body>\n<main>\n<p class=\"kicker\">joulebench</p>\n<h1>History</h1>\n");
}

struct room { struct series *s; size_t n; struct point *p; };

static bool room_for(const struct jb_history *h, struct room *r)
{
    *r = (struct room){ calloc(MOST_SERIES, sizeof *r->s), 0, calloc(h->n + 1, sizeof *r->p) };
    if (r->s && r->p) {
        r->n = all_series(h, r->s);
        return true;
    }
    free(r->s);
    free(r->p);
    return false;
}

static void leave(struct room *r)
{
    free(r->s);
    free(r->p);
}

int jb_history_html(const struct jb_history *h, struct jb_str *out)
{
    struct room r;
    if (!room_for(h, &r)) return JB_E_NOMEM;
    head(out);
    jb_str_addf(out, "<p>%zu lines, oldest on the left; green: the gate passed, red: failed, amber: undecided or invalid, blue: a recorded baseline. Points are what was measured then; only gates compare like with like.</p>\n", h->n);
    if (h->torn) jb_str_addf(out, "<p>%zu lines could not be read and are left out.</p>\n", h->torn);
    for (size_t i = 0; i < r.n; i++) {
        size_t n = points_of(h, &r.s[i], r.p);
        if (!n) continue;
        jb_str_add(out, "<figure><h3>");
        jb_html_text(out, r.s[i].cell, "");
        jb_str_add(out, ": ");
        jb_html_text(out, jb_compared_metric_title(r.s[i].metric), "");
        jb_str_add(out, "</h3>\n");
        picture(out, r.p, n);
        jb_str_add(out, "</figure>\n");
    }
    jb_str_add(out, "</main>\n</body>\n</html>\n");
    leave(&r);
    return out->failed ? JB_E_NOMEM : 0;
}

int jb_history_markdown(const struct jb_history *h, struct jb_str *out)
{
    struct room r;
    if (!room_for(h, &r)) return JB_E_NOMEM;
    jb_str_add(out, "| cell | metric | first | last | change | points | last verdict |\n|---|---|---:|---:|---:|---:|---|\n");
    for (size_t i = 0; i < r.n; i++) {
        size_t n = points_of(h, &r.s[i], r.p);
        char first[24], last[24], change[24] = "n/a";
        if (!n) continue;
        double a = r.p[0].v->value, b = r.p[n - 1].v->value;
        jb_compared_value_text(first, r.s[i].metric, a);
        jb_compared_value_text(last, r.s[i].metric, b);
        if (jb_compared_is_share(r.s[i].metric)) snprintf(change, sizeof change, "%+.2f points", (b - a) * 100);
        else if (a > 0 && b / a < 1e6) snprintf(change, sizeof change, "%+.1f %%", (b / a - 1) * 100);
        jb_str_add(out, "| ");
        jb_str_add_md(out, r.s[i].cell);
        jb_str_add(out, " | ");
        jb_str_add_md(out, jb_compared_metric_title(r.s[i].metric));
        jb_str_addf(out, " | %s | %s | %s | %zu | ", first, last, change, n);
        jb_str_add_md(out, r.p[n - 1].v->verdict ? r.p[n - 1].v->verdict : "recorded");
        jb_str_add(out, " |\n");
    }
    if (h->torn) jb_str_addf(out, "\n%zu lines could not be read and are left out.\n", h->torn);
    leave(&r);
    return out->failed ? JB_E_NOMEM : 0;
}
