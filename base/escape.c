// Escapers: a hostile name goes through one of these before it reaches a report, a table or another program.
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

// What stands for one ASCII character: a constant, or text put into scratch, or NULL for the character itself.
typedef const char *(*escape_fn)(unsigned char c, char scratch[16]);

// Well-formed multi-byte sequences pass; ill-formed bytes become U+FFFD.
static void add_escaped(struct jb_str *b, const char *text, escape_fn escape)
{
    size_t n = strlen(text), from = 0; // text[from..i) is still to be copied
    char scratch[16];
    for (size_t i = 0; i < n;) {
        size_t len = jb_utf8_step(text + i, n - i, NULL);
        const char *instead = len == 0 ? JB_UTF8_REPLACEMENT : len == 1 ? escape((unsigned char)text[i], scratch) : NULL;
        if (instead) {
            jb_str_addn(b, text + from, i - from);
            jb_str_add(b, instead);
            from = i + 1;
        }
        i += len ? len : 1;
    }
    jb_str_addn(b, text + from, n - from);
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

static const char *escape_html(unsigned char c, char scratch[16])
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: break;
    }
    if (c == '\n' || c == '\r' || c == '\t') {
        snprintf(scratch, 16, "&#%d;", c);
        return scratch;
    }
    return is_control(c) ? JB_UTF8_REPLACEMENT : NULL; // HTML has no way to write the other controls
}

void jb_str_add_html(struct jb_str *b, const char *text)
{
    add_escaped(b, text, escape_html);
}

void jb_str_add_csv(struct jb_str *b, const char *text)
{
    size_t n = strlen(text);
    bool padded = n > 0 && (text[0] == ' ' || text[n - 1] == ' ');
    if (!padded && !strpbrk(text, ",\"\r\n")) {
        jb_str_addn(b, text, n);
        return;
    }
    jb_str_add(b, "\"");
    for (const char *quote; (quote = strchr(text, '"')); text = quote + 1) {
        jb_str_addn(b, text, (size_t)(quote - text) + 1);
        jb_str_add(b, "\"");
    }
    jb_str_add(b, text);
    jb_str_add(b, "\"");
}

static const char *escape_json(unsigned char c, char scratch[16])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '\f': return "\\f";
    default: break;
    }
    if (c >= 0x20) return NULL;
    snprintf(scratch, 16, "\\u%04x", c);
    return scratch;
}

void jb_str_add_json(struct jb_str *b, const char *text)
{
    jb_str_add(b, "\"");
    add_escaped(b, text, escape_json);
    jb_str_add(b, "\"");
}

// gnuplot reads a double-quoted string three times: ` ` runs a command, then backslash sequences, then enhanced text.
// An octal sequence passes the first reading unseen; the doubled backslash before it reaches the third.
static const char *escape_gnuplot(unsigned char c, char scratch[16])
{
    if (is_control(c)) return " ";
    if (c == '"' || c == '`' || c == '\'') {
        snprintf(scratch, 16, "\\%03o", c);
        return scratch;
    }
    if (c == '&') return "\\\\U+00026"; // an escaped & would reach the SVG bare, and break it; five digits, so that no letter joins them
    if (!strchr("{}^_@~\\", c)) return NULL;
    snprintf(scratch, 16, "\\\\\\%03o", c);
    return scratch;
}

void jb_str_add_gnuplot(struct jb_str *b, const char *text)
{
    add_escaped(b, text, escape_gnuplot);
}

static const char *escape_md(unsigned char c, char scratch[16])
{
    if (is_control(c)) return " ";
    if (!strchr("|`*_<>\\[]&~#", c)) return NULL;
    snprintf(scratch, 16, "\\%c", c);
    return scratch;
}

void jb_str_add_md(struct jb_str *b, const char *text)
{
    add_escaped(b, text, escape_md);
}
