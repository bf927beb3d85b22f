// Inside reports: words on a terminal of some width, coloured or not. What is wrapped is sanitised: it may come from a file.
#ifndef JB_REPORTS_PEN_H
#define JB_REPORTS_PEN_H

#include "base/strbuf.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct jb_pen { struct jb_str *out; size_t width; bool color; };

void jb_pen_ink(const struct jb_pen *p, const char *code);  // nothing where there is no colour
size_t jb_pen_columns(const char *text);                    // characters of UTF-8
// Words from column `at` on, on lines of at most p->width columns hanging by `indent`; ends the line.
void jb_pen_wrap(const struct jb_pen *p, const char *text, size_t indent, size_t at);

#endif
