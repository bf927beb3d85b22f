// Axes, titles and legends, the same for every plot.
#include "reports/plot_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum jb_color jb_precision_color(const char *precision)
{
    const char *p = precision ? precision : "";
    if (strpbrk(p, ">,"))
        return JB_GREEN;
    if (strcmp(p, "f32") == 0)
        return JB_BLUE;
    if (strcmp(p, "int8") == 0)
        return JB_RED;
    if (strcmp(p, "int4") == 0)
        return JB_PURPLE;
    return JB_AMBER;
}

void jb_fit_text(char out[200], const char *text, double size, bool bold, double room)
{
    snprintf(out, 200, "%s", text);
    for (size_t n = strlen(out); n > 4 && jb_text_width(out, size) * (bold ? 1.1 : 1) > room; n--) {
        while (n > 4 && ((unsigned char)out[n - 1] & 0xC0) == 0x80)
            n--;
        snprintf(out + n - 1, 200 - (n - 1), "...");
    }
}

void jb_axis_title(struct jb_canvas *c, const char *title, const char *subtitle, bool phone)
{
    char cut[200];
    double size = phone ? 14 : 15;
    while (size > 11.5 && jb_text_width(title, size) * 1.1 > c->w - 20) // a long title is set smaller before it is cut
        size -= 0.5;
    jb_fit_text(cut, title, size, true, c->w - 20);
    jb_canvas_text(c, 12, 18, JB_LEFT, size, JB_INK, true, cut);
    jb_fit_text(cut, subtitle ? subtitle : "", 12, false, c->w - 20);
    if (subtitle)
        jb_canvas_text(c, 12, 36, JB_LEFT, 12, JB_DIM, false, cut);
}

void jb_axis_range_x(struct jb_canvas *c, double lo, double hi)
{
    c->log_x = lo > 0 && hi / lo > 4;
    if (c->log_x) {
        double pad = pow(hi / lo, 0.06);
        c->x0 = lo / pad;
        c->x1 = hi * pad;
    } else {
        double pad = (hi - lo) * 0.08 + (hi == lo ? fabs(hi) * 0.1 + 1e-9 : 0);
        c->x0 = lo - pad > 0 || lo < 0 ? lo - pad : 0;
        c->x1 = hi + pad;
    }
}

// Accuracy in percent. `lo` is the least that must be seen.
void jb_axis_range_accuracy(struct jb_canvas *c, double lo, double best)
{
    double span = best - lo < 0.01 ? 0.01 : best - lo;
    c->y0 = (best - span) * 100 - span * 5;
    c->y1 = best * 100 + span * 14;
    if (c->y0 < 0)
        c->y0 = 0;
}

static double nice_step(double span, int ticks)
{
    double raw = span / ticks, ten = pow(10, floor(log10(raw))), m = raw / ten;
    return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10) * ten;
}

void jb_axis_accuracy(struct jb_canvas *c)
{
    char text[24];
    double step = nice_step(c->y1 - c->y0, 6);
    for (double y = ceil(c->y0 / step) * step; y <= c->y1 && y <= 100 + 1e-9; y += step) {
        snprintf(text, sizeof text, step < 1 ? "%.1f %%" : "%.0f %%", y);
        jb_canvas_ytick(c, y, text);
    }
}

// "20.0 us" -> "20 us": a tick is a round number.
static void put_tick(struct jb_canvas *c, void (*format)(char out[24], double), double x)
{
    char text[24];
    format(text, x);
    char *dot = strchr(text, '.'), *end = dot ? dot + 1 + strspn(dot + 1, "0") : NULL;
    if (dot && (*end == ' ' || !*end))
        memmove(dot, end, strlen(end) + 1);
    jb_canvas_xtick(c, x, text);
}

static int log_ticks(struct jb_canvas *c, void (*format)(char out[24], double), const double *mantissa, int n, bool draw)
{
    int count = 0;
    for (int e = (int)floor(log10(c->x0)); e <= (int)ceil(log10(c->x1)); e++) {
        for (int k = 0; k < n; k++) {
            double x = mantissa[k] * pow(10, e);
            if (x < c->x0 || x > c->x1)
                continue;
            if (draw)
                put_tick(c, format, x);
            count++;
        }
    }
    return count;
}

// The densest of these that does not crowd: at most seven ticks.
static void log_axis(struct jb_canvas *c, void (*format)(char out[24], double))
{
    static const struct { double mantissa[6]; int n; } SETS[] = {{{1, 1.5, 2, 3, 5, 7}, 6}, {{1, 2, 5}, 3}, {{1, 5}, 2}, {{1}, 1}};
    for (int i = 0; i < 4; i++) {
        if (i < 3 && log_ticks(c, format, SETS[i].mantissa, SETS[i].n, false) > 7)
            continue;
        log_ticks(c, format, SETS[i].mantissa, SETS[i].n, true);
        return;
    }
}

void jb_axis_x(struct jb_canvas *c, void (*format)(char out[24], double), const char *label, bool phone)
{
    char full[120];
    if (c->log_x) {
        log_axis(c, format);
    } else {
        double step = nice_step(c->x1 - c->x0, phone ? 4 : 6);
        for (double x = ceil(c->x0 / step) * step; x <= c->x1; x += step) {
            put_tick(c, format, x);
        }
    }
    snprintf(full, sizeof full, "%s%s", label, c->log_x ? ", log scale" : "");
    jb_canvas_text(c, c->right, c->bottom + 34, JB_RIGHT, 12, JB_DIM, false, full);
}

void jb_legend_begin(struct jb_legend *l, struct jb_canvas *c, double y)
{
    *l = (struct jb_legend){.c = c, .x = 14, .y = y, .left = 14, .right = c->w - 8};
}

static void place(struct jb_legend *l, double mark_width, const char *text)
{
    double w = mark_width + jb_text_width(text, 12) + 16;
    if (l->x + w > l->right && l->x > l->left) {
        l->x = l->left;
        l->y += 18;
    }
    jb_canvas_text(l->c, l->x + mark_width, l->y, JB_LEFT, 12, JB_INK, false, text);
    l->x += w;
}

void jb_legend_point(struct jb_legend *l, int point_type, enum jb_color color, const char *text)
{
    place(l, 16, text);
    double x = l->x - jb_text_width(text, 12) - 16 - 16;
    jb_canvas_mark(l->c, x + 6, l->y, point_type, 0.8, color);
}

void jb_legend_line(struct jb_legend *l, double width, bool dashed, enum jb_color color, const char *text)
{
    place(l, 30, text);
    double x = l->x - jb_text_width(text, 12) - 16 - 30;
    jb_canvas_line(l->c, x, l->y, x + 23, l->y, width, dashed, color);
}
