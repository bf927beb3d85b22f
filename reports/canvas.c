// Script primitives: terminal, axes, text by token, blocks of data.
#include "reports/canvas.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FONT "sans-serif" // a page puts its own in place of it

// Okabe and Ito's palette (colour-blind safe) for what is told apart, ColorBrewer's YlGnBu for what has an order.
const struct jb_color_row jb_colors[JB_N_COLORS] = {
    [JB_INK] = {"ink", {31, 35, 40}, {230, 234, 240}},
    [JB_DIM] = {"dim", {98, 107, 119}, {154, 164, 178}},
    [JB_GRID] = {"grid", {229, 232, 236}, {45, 51, 59}},
    [JB_PAPER] = {"paper", {255, 255, 255}, {22, 26, 31}},
    [JB_FRONT] = {"front", {222, 226, 232}, {58, 66, 77}},
    [JB_BLUE] = {"blue", {0, 114, 178}, {86, 170, 232}},
    [JB_RED] = {"red", {213, 94, 0}, {240, 138, 60}},
    [JB_PURPLE] = {"purple", {178, 84, 138}, {221, 146, 188}},
    [JB_GREEN] = {"green", {0, 138, 102}, {52, 190, 148}},
    [JB_AMBER] = {"amber", {176, 120, 0}, {236, 180, 60}},
    [JB_SKY] = {"sky", {60, 150, 205}, {120, 196, 240}},
    [JB_ON_LIGHT] = {"on-light", {30, 34, 38}, {30, 34, 38}}, // text on the ramp, whatever the page
    [JB_ON_DARK] = {"on-dark", {254, 254, 254}, {254, 254, 254}},
    [JB_RAMP0] = {"ramp0", {199, 233, 180}, {208, 238, 190}},
    [JB_RAMP1] = {"ramp1", {127, 205, 187}, {127, 205, 187}},
    [JB_RAMP2] = {"ramp2", {65, 182, 196}, {65, 182, 196}},
    [JB_RAMP3] = {"ramp3", {29, 145, 192}, {40, 145, 200}},
    [JB_RAMP4] = {"ramp4", {34, 94, 168}, {62, 112, 196}},
    [JB_RAMP5] = {"ramp5", {37, 52, 148}, {84, 88, 190}},
};

static void hex(char out[8], enum jb_color c)
{
    const unsigned char *p = jb_colors[c].light;
    snprintf(out, 8, "#%02x%02x%02x", p[0], p[1], p[2]);
}

void jb_texts_free(struct jb_texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->s[i]);
    free(t->s);
    *t = (struct jb_texts){0};
}

// Characters that gnuplot reads as themselves inside single quotes, and that no SVG reader stumbles over.
static bool is_plain(const char *text)
{
    if (strstr(text, "JBT"))
        return false;
    for (; *text; text++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;+-/%()=", *text))
            return false;
    return true;
}

static size_t remember(struct jb_texts *t, const char *text)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **s = realloc(t->s, cap * sizeof *s);
        if (!s) {
            t->failed = true;
            return 0;
        }
        t->s = s;
        t->cap = cap;
    }
    char *copy = strdup(text);
    if (!copy) {
        t->failed = true;
        return 0;
    }
    t->s[t->n] = copy;
    return t->n++;
}

// A unit at the end of a word gets its micro sign: "26.7 us, 3 uJ" -> "26.7 µs, 3 µJ".
static void add_micro(struct jb_str *b, const char *text)
{
    for (; *text; text++) {
        bool unit = text[0] == ' ' && text[1] == 'u' && (text[2] == 's' || text[2] == 'J') && !(text[3] >= 'a' && text[3] <= 'z') && !(text[3] >= 'A' && text[3] <= 'Z');
        if (unit)
            jb_str_addn(b, " \xc2\xb5", 3);
        else
            jb_str_addn(b, text, 1);
        text += unit;
    }
}

static void add_text(struct jb_canvas *c, struct jb_str *out, const char *text, bool is_format)
{
    struct jb_str b = {0};
    add_micro(&b, text);
    if (is_plain(jb_str_get(&b)) && !(is_format && strchr(text, '%')))
        jb_str_addf(out, "'%s'", jb_str_get(&b));
    else
        jb_str_addf(out, "'JBT%zuZ'", remember(c->texts, jb_str_get(&b)));
    c->failed |= b.failed;
    jb_str_free(&b);
}

void jb_canvas_free(struct jb_canvas *c)
{
    jb_str_free(&c->s);
    jb_str_free(&c->plot);
    free(c->boxes);
    c->boxes = NULL;
}

static double screen_x(const struct jb_canvas *c, double px) { return px / c->w; }
static double screen_y(const struct jb_canvas *c, double py) { return 1 - py / c->h; }

void jb_canvas_begin(struct jb_canvas *c, const char *output)
{
    char grid[8], dim[8];
    hex(grid, JB_GRID);
    hex(dim, JB_DIM);
    jb_str_addf(&c->s, "reset\nset encoding utf8\nset terminal svg noenhanced size %.0f,%.0f font '" FONT ",12' background '#ffffff' linewidth 1 dynamic name 'jb'\n", c->w, c->h);
    jb_str_addf(&c->s, "set output '%s'\nunset key\n", output);
    jb_str_addf(&c->s, "set lmargin at screen %.5f\nset rmargin at screen %.5f\nset tmargin at screen %.5f\nset bmargin at screen %.5f\n", screen_x(c, c->left),
        screen_x(c, c->right), screen_y(c, c->top), screen_y(c, c->bottom));
    jb_str_addf(&c->s, "set border 1 lc rgb '%s' lw 1\nset tics scale 0\nset xtics () nomirror textcolor rgb '%s' font '" FONT ",12' offset 0,0.2\n", dim, dim);
    jb_str_addf(&c->s, "set ytics () nomirror textcolor rgb '%s' font '" FONT ",12'\n", dim);
    jb_str_addf(&c->s, "set grid ytics lt 1 lw 1 lc rgb '%s'\n%s", grid, c->log_x ? "set logscale x\n" : "");
    jb_str_addf(&c->s, "set xrange [%.10g:%.10g]\nset yrange [%.10g:%.10g]\n", c->x0, c->x1, c->y0, c->y1);
}

void jb_canvas_end(struct jb_canvas *c)
{
    jb_str_addf(&c->s, "plot %s\nunset output\n", c->plot.len ? jb_str_get(&c->plot) : "NaN notitle");
    c->failed |= c->s.failed || c->plot.failed || c->data->failed || c->texts->failed;
}

double jb_canvas_x(const struct jb_canvas *c, double x)
{
    double share = c->log_x ? log(x / c->x0) / log(c->x1 / c->x0) : (x - c->x0) / (c->x1 - c->x0);
    return c->left + share * (c->right - c->left);
}

double jb_canvas_y(const struct jb_canvas *c, double y) { return c->bottom - (y - c->y0) / (c->y1 - c->y0) * (c->bottom - c->top); }

bool jb_canvas_inside(const struct jb_canvas *c, double x, double y) { return x >= c->x0 && x <= c->x1 && y >= c->y0 && y <= c->y1; }

double jb_text_width(const char *text, double size)
{
    double w = 0;
    for (const char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xC0) == 0x80)
            continue;
        w += strchr("iljtf.,:;|!'()[] ", *p) ? 0.36 : strchr("mwMW%", *p) ? 0.95 : *p >= 'A' && *p <= 'Z' ? 0.7 : 0.61;
    }
    return w * size;
}

void jb_canvas_text(struct jb_canvas *c, double px, double py, enum jb_align align, double size, enum jb_color color, bool bold, const char *text)
{
    static const char *const ALIGN[] = {"left", "center", "right"};
    char rgb[8];
    hex(rgb, color);
    jb_str_add(&c->s, "set label ");
    add_text(c, &c->s, text, false);
    jb_str_addf(&c->s, " at screen %.5f, screen %.5f %s front font '" FONT "%s,%.4g' textcolor rgb '%s'\n", screen_x(c, px), screen_y(c, py), ALIGN[align],
        bold ? ":Bold" : "", size, rgb);
}

void jb_canvas_mark(struct jb_canvas *c, double px, double py, int point_type, double point_size, enum jb_color color)
{
    char rgb[8];
    hex(rgb, color);
    jb_str_addf(&c->s, "set label '' at screen %.5f, screen %.5f front point pt %d ps %.3g lw 1.6 lc rgb '%s'\n", screen_x(c, px), screen_y(c, py), point_type,
        point_size, rgb);
}

void jb_canvas_line(struct jb_canvas *c, double px0, double py0, double px1, double py1, double width, bool dashed, enum jb_color color)
{
    char rgb[8];
    hex(rgb, color);
    jb_str_addf(&c->s, "set arrow from screen %.5f, screen %.5f to screen %.5f, screen %.5f nohead lw %.3g %s lc rgb '%s'\n", screen_x(c, px0), screen_y(c, py0),
        screen_x(c, px1), screen_y(c, py1), width, dashed ? "dt (5,4)" : "dt solid", rgb);
}

static void tick(struct jb_canvas *c, const char *axis, double at, const char *text)
{
    jb_str_addf(&c->s, "set %stics add (", axis);
    add_text(c, &c->s, text, true);
    jb_str_addf(&c->s, " %.10g)\n", at);
}

void jb_canvas_xtick(struct jb_canvas *c, double x, const char *text) { tick(c, "x", x, text); }
void jb_canvas_ytick(struct jb_canvas *c, double y, const char *text) { tick(c, "y", y, text); }

// The comment helps whoever opens the data file; a name that is not plain stays out of it.
void jb_canvas_block(struct jb_canvas *c, const char *comment)
{
    if (c->write_data)
        jb_str_addf(c->data, "%s# %zu: %s\n", c->n_blocks ? "\n\n" : "", c->n_blocks, is_plain(comment) ? comment : "(name with special characters)");
}

void jb_canvas_row(struct jb_canvas *c, const char *format, ...)
{
    char row[400];
    va_list args;
    if (!c->write_data)
        return;
    va_start(args, format);
    vsnprintf(row, sizeof row, format, args);
    va_end(args);
    jb_str_addf(c->data, "%s\n", row);
}

void jb_canvas_row_tip(struct jb_canvas *c, double x, double y, const char *tip)
{
    if (c->write_data)
        jb_str_addf(c->data, "%.10g %.10g JBT%zuZ\n", x, y, remember(c->texts, tip));
}

void jb_canvas_style(struct jb_canvas *c, const char *using_columns, enum jb_color color, const char *style)
{
    char rgb[8];
    hex(rgb, color);
    jb_str_addf(&c->plot, "%s'%s.dat' index %zu using %s %s lc rgb '%s' notitle", c->plot.len ? ", \\\n  " : "", c->name, c->n_blocks, using_columns, style, rgb);
    c->n_blocks++;
}
