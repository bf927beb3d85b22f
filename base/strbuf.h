// A growing text buffer. On out-of-memory it keeps a sticky flag; check once at the end.
#ifndef JB_BASE_STRBUF_H
#define JB_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct jb_str {
    char *s;      // NUL-terminated once anything was added; NULL before
    size_t len, cap;
    bool failed;  // an allocation failed: the content is cut
};

__attribute__((format(printf, 2, 3))) void jb_str_addf(struct jb_str *b, const char *format, ...);
void jb_str_add(struct jb_str *b, const char *text);
void jb_str_addn(struct jb_str *b, const char *bytes, size_t n);
void jb_str_clear(struct jb_str *b); // keeps the room
void jb_str_free(struct jb_str *b);
const char *jb_str_get(const struct jb_str *b); // "" when empty, never NULL

// Escaped additions for hostile names.
void jb_str_add_html(struct jb_str *b, const char *text);     // & < > " ' and control characters
void jb_str_add_csv(struct jb_str *b, const char *text);      // RFC 4180, always quoted when needed
void jb_str_add_json(struct jb_str *b, const char *text);     // with the quotes; invalid UTF-8 becomes U+FFFD
void jb_str_add_gnuplot(struct jb_str *b, const char *text);  // inside a gnuplot double-quoted string, enhanced text neutralised
void jb_str_add_md(struct jb_str *b, const char *text);       // a Markdown table cell: | ` * _ < > \ and newlines

#endif
