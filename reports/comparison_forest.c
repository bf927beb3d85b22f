// Intervals of one metric over all cells, drawn: rows of text beside a strip of SVG that stretches with the page; dots and lines keep their size.
#include "reports/comparison_html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 1000.0 // of a strip, in its own units
#define HEIGHT 22.0
#define MOST_ROWS 200

struct scale { double low, high; bool ratio; };

// Ratios are drawn on a logarithmic scale: twice and half are equally far from 1.
static double on(const struct scale *s, double effect) { return s->ratio ? log(effect) : effect; }

static double at(const struct scale *s, double v)
{
    double x = (v - s->low) / (s->high - s->low) * WIDTH;
    return !(x > 0) ? 0 : x > WIDTH ? WIDTH : x; // a value that cannot be placed stands at the edge
}

static void reach(struct scale *s, double v)
{
    if (!isfinite(v))
        return;
    s->low = fmin(s->low, v);
    s->high = fmax(s->high, v);
}

// The margin lies where worse is.
static double margin_of(const struct jb_compared_metric *m)
{
    double v = m->higher_is_better ? -m->margin : m->margin;
    return m->is_difference ? v : 1 + v;
}

static void fit(struct scale *s, const struct jb_comparison *c, const char *name)
{
    double least = s->ratio ? 0.01 : 0.002, most = log(8);
    s->low = -least;
    s->high = least;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (!m || !isfinite(m->effect) || m->deterministic)
            continue;
        reach(s, on(s, m->effect));
        reach(s, on(s, m->lower));
        reach(s, on(s, m->upper));
        if (m->gated)
            reach(s, on(s, margin_of(m)));
    }
    double pad = (s->high - s->low) * 0.04;
    s->low = fmax(s->low - pad, -most);
    s->high = fmin(s->high + pad, most);
}

static void line(struct jb_str *b, double x, const char *color, double width, const char *more)
{
    jb_str_addf(b, "<path d=\"M%.1f 0V%.0f\" stroke=\"var(--p-%s)\" stroke-width=\"%.1f\" vector-effect=\"non-scaling-stroke\"%s/>", x, HEIGHT, color, width, more);
}

// A dot of the same size on every screen: a line of no length with round ends. An interval that leaves the picture ends in none.
static void strip(struct jb_str *b, const struct jb_comparison *c, const struct scale *s, const struct jb_compared_metric *m)
{
    static const char *const COLOR[] = {"red", "dim", "green"};
    const char *color = COLOR[jb_compared_sign(c, m) + 1];
    if (m->gated && m->verdict == JB_VERDICT_FAIL)
        color = "red";
    jb_str_addf(b, "<span class=\"fp\"><svg viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" fill=\"none\" aria-hidden=\"true\">", WIDTH, HEIGHT);
    line(b, at(s, 0), "dim", 1, "");
    if (m->gated && isfinite(on(s, margin_of(m))))
        line(b, at(s, on(s, margin_of(m))), "amber", 1.5, " stroke-dasharray=\"4 3\"");
    if (isfinite(m->lower) && isfinite(m->upper))
        jb_str_addf(b, "<path d=\"M%.1f %.0fH%.1f\" stroke=\"var(--p-%s)\" stroke-width=\"3\" vector-effect=\"non-scaling-stroke\"/>", at(s, on(s, m->lower)), HEIGHT / 2,
                    at(s, on(s, m->upper)), color);
    jb_str_addf(b, "<path d=\"M%.1f %.0fh0.01\" stroke=\"var(--p-%s)\" stroke-width=\"9\" stroke-linecap=\"round\" vector-effect=\"non-scaling-stroke\"/></svg></span>",
                at(s, on(s, m->effect)), HEIGHT / 2, color);
}

// A round step that gives at most about six ticks.
static double step_for(double span)
{
    double step = pow(10, floor(log10(span / 6)));
    static const double TIMES[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++)
        if (span / (step * TIMES[i]) <= 6)
            return step * TIMES[i];
    return step * 10;
}

static void tick(struct jb_str *b, const struct scale *s, double v, const char *text)
{
    double x = at(s, v) / WIDTH * 100;
    if (v >= s->low && v <= s->high)
        jb_str_addf(b, "<i style=\"left:%.2f%%\">%s</i>", x, text);
}

static void axis(struct jb_str *b, const struct scale *s)
{
    static const double FACTORS[] = {0.125, 0.25, 0.5, 1, 2, 4, 8};
    char text[32];
    jb_str_add(b, "<div class=\"fr\"><span class=\"fl\"></span><span class=\"fp ax\">");
    if (s->ratio && s->high - s->low > 1) {
        for (size_t i = 0; i < sizeof FACTORS / sizeof *FACTORS; i++) {
            snprintf(text, sizeof text, "%gx", FACTORS[i]);
            tick(b, s, log(FACTORS[i]), text);
        }
    } else {
        double low = s->ratio ? exp(s->low) - 1 : s->low, high = s->ratio ? exp(s->high) - 1 : s->high, step = step_for(high - low);
        for (double k = ceil(low / step); k * step <= high; k++) {
            snprintf(text, sizeof text, fabs(k) < 0.5 ? "0" : "%+.4g%s", k * step * 100, s->ratio ? " %" : "");
            tick(b, s, s->ratio ? log(1 + k * step) : k * step, text);
        }
    }
    jb_str_add(b, "</span><span class=\"fv\"></span></div>\n");
}

static void row(struct jb_str *b, const struct jb_comparison *c, const struct scale *s, const struct jb_compared_cell *cell, const struct jb_compared_metric *m)
{
    struct jb_str name = {0};
    char change[64];
    jb_compared_label(&name, cell, 0);
    jb_compared_change_text(change, m);
    jb_str_add(b, "<div class=\"fr\"><span class=\"fl\">");
    jb_str_add_html(b, jb_str_get(&name));
    jb_str_add(b, "</span>");
    strip(b, c, s, m);
    jb_str_addf(b, "<span class=\"fv\">%s", change);
    if (m->energy_class) {
        jb_str_add(b, ", ");
        jb_html_text(b, m->energy_class, "");
    }
    jb_str_add(b, "</span></div>\n");
    b->failed |= name.failed;
    jb_str_free(&name);
}

bool jb_compared_forest(struct jb_str *b, const struct jb_comparison *c, const char *name)
{
    struct scale s = {.ratio = true};
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (!m || !isfinite(m->effect) || m->deterministic || (!m->is_difference && !(m->effect > 0)))
            continue;
        s.ratio = !m->is_difference;
        n++;
    }
    if (!n)
        return false;
    fit(&s, c, name);
    jb_str_add(b, "<figure class=\"all\"><h3>");
    jb_html_text(b, jb_compared_title_of_all(c, name), "");
    jb_str_addf(b, "</h3><div class=\"forest\">\n");
    n = 0;
    for (size_t i = 0; i < c->n_cells && n < MOST_ROWS; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (!m || !isfinite(m->effect) || m->deterministic || (!m->is_difference && !(m->effect > 0)))
            continue;
        row(b, c, &s, &c->cells[i], m);
        n++;
    }
    axis(b, &s);
    jb_str_addf(b, "</div><figcaption>Candidate against baseline, %s; the line is the %.4g %% interval. %s is better%s.%s</figcaption></figure>\n",
                s.ratio ? "change of the ratio" : "difference in points", c->confidence * 100, jb_compared_is_share(name) ? "Right" : "Left",
                "; grey: no difference was seen", c->is_gate ? " Dashed: the margin." : "");
    return true;
}
