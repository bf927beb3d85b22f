// From gnuplot's SVG to ours, and from that into a page.
#include "reports/gnuplot.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

// "JBT12Z": writes the text that stands for it, escaped, and returns its length; 0: no token.
static size_t token(struct jb_str *out, const char *s, const struct jb_texts *t)
{
    char *end = NULL;
    if (!starts(s, "JBT") || !isdigit((unsigned char)s[3]))
        return 0;
    unsigned long k = strtoul(s + 3, &end, 10);
    if (*end != 'Z' || k >= t->n)
        return 0;
    jb_str_add_html(out, t->s[k]);
    return (size_t)(end + 1 - s);
}

// gnuplot's SVG terminal knows no bold: it writes the font's name as it stands.
static size_t bold(struct jb_str *out, const char *s)
{
    static const char ODD[] = "font-family=\"sans-serif:Bold\"";
    if (!starts(s, ODD))
        return 0;
    jb_str_add(out, "font-family=\"sans-serif\" font-weight=\"600\"");
    return sizeof ODD - 1;
}

// gnuplot's tip needs its script file; an SVG <title> needs nothing. The mark becomes an unseen circle to point at.
//   <g onmousemove="gnuplot_svg.showHypertext(evt,'TEXT')" onmouseout="..."><title> </title> <use ... translate(X,Y) .../></g>
static size_t tip(struct jb_str *out, const char *s, const struct jb_texts *t)
{
    const char *text = strstr(s, "evt,'"), *end = strstr(s, "</g>"), *at = strstr(s, "translate(");
    if (!starts(s, "<g onmousemove=") || !text || !end || !at || at > end || text > end)
        return 0;
    double x = 0, y = 0;
    if (sscanf(at, "translate(%lf,%lf)", &x, &y) != 2)
        return 0;
    jb_str_add(out, "<g><title>");
    token(out, text + 5, t);
    jb_str_addf(out, "</title><circle cx=\"%.2f\" cy=\"%.2f\" r=\"9\" fill=\"transparent\" stroke=\"none\"/></g>", x, y);
    return (size_t)(end + 4 - s);
}

// What gnuplot writes and nobody needs: returns how much of it stands at s.
static size_t noise(const char *s)
{
    const char *end = NULL;
    if (starts(s, "<title>") && (end = strstr(s, "</title>")))
        return (size_t)(end + 8 - s);
    if (starts(s, "<desc>") && (end = strstr(s, "</desc>")))
        return (size_t)(end + 7 - s);
    if (starts(s, "<filter ") && (end = strstr(s, "</filter>")))
        return (size_t)(end + 9 - s);
    static const char EMPTY[] = "<g fill=\"none\" color=\"black\" stroke=\"currentColor\" stroke-width=\"1.00\" stroke-linecap=\"butt\" stroke-linejoin=\"miter\">\n</g>\n";
    return starts(s, EMPTY) ? sizeof EMPTY - 1 : 0;
}

int jb_svg_finish(struct jb_str *out, const char *svg, const struct jb_texts *texts, const char *title, const char *description)
{
    const char *open = strstr(svg, "<svg"), *body = open ? strchr(open, '>') : NULL;
    if (!body || !strstr(body, "</svg>"))
        return JB_E_INVALID;
    jb_str_add(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    jb_str_addn(out, open, (size_t)(body - open));
    jb_str_add(out, " role=\"img\">\n<title>");
    jb_str_add_html(out, title);
    jb_str_add(out, "</title>\n<desc>");
    jb_str_add_html(out, description);
    jb_str_add(out, "</desc>");
    for (const char *s = body + 1; *s;) {
        size_t n = 0;
        if (*s == 'J')
            n = token(out, s, texts);
        else if (*s == 'f')
            n = bold(out, s);
        else if (*s == '<' && !(n = noise(s)))
            n = tip(out, s, texts);
        if (!n)
            jb_str_addn(out, s, n = 1);
        s += n;
    }
    return out->failed ? JB_E_NOMEM : JB_OK;
}

// "rgb( 31,  35,  40)" of the palette becomes "var(--p-ink)".
static size_t color(struct jb_str *out, const char *s)
{
    int r, g, b, n = 0;
    if (sscanf(s, "rgb( %d , %d , %d )%n", &r, &g, &b, &n) != 3 || !n)
        return 0;
    for (int i = 0; i < JB_N_COLORS; i++) {
        const unsigned char *p = jb_colors[i].light;
        if (p[0] == r && p[1] == g && p[2] == b) {
            jb_str_addf(out, "var(--p-%s)", jb_colors[i].name);
            return (size_t)n;
        }
    }
    return 0;
}

void jb_svg_inline(struct jb_str *out, const char *svg, const char *prefix, const char *class_name)
{
    const char *s = strstr(svg, "<svg");
    if (!s)
        return;
    jb_str_addf(out, "<svg class=\"%s\"", class_name);
    for (s += 4; *s;) {
        size_t n = 0;
        if (*s == 'r') {
            n = color(out, s);
        } else if (starts(s, " id='")) {
            jb_str_addf(out, " id='%s-", prefix);
            n = 5;
        } else if (starts(s, "href='#")) {
            jb_str_addf(out, "href='#%s-", prefix);
            n = 7;
        } else if (starts(s, " id=\"")) { // of groups that nobody refers to
            const char *end = strchr(s + 5, '"');
            n = end ? (size_t)(end + 1 - s) : 0;
        } else if (starts(s, "fill=\"#ffffff\"")) { // the paper: the page has its own
            jb_str_add(out, "fill=\"none\"");
            n = 14;
        }
        if (!n)
            jb_str_addn(out, s, n = 1);
        s += n;
    }
}

void jb_svg_variables(struct jb_str *out, bool dark)
{
    for (int i = 0; i < JB_N_COLORS; i++) {
        const unsigned char *p = dark ? jb_colors[i].dark : jb_colors[i].light;
        jb_str_addf(out, "--p-%s:#%02x%02x%02x;", jb_colors[i].name, p[0], p[1], p[2]);
    }
}
