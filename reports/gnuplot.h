// Running gnuplot, and making its SVG ours. Private to reports/.
#ifndef JB_REPORTS_GNUPLOT_H
#define JB_REPORTS_GNUPLOT_H

#include "base/err.h"
#include "base/strbuf.h"
#include "reports/canvas.h"

#define JB_GNUPLOT_SECONDS 60 // a script that takes longer is ended

// Runs `program -d script` in `dir`, without a shell. UNAVAILABLE: there is no such program; BUSY: it did not end in time; IO: it failed, with what it said.
int jb_gnuplot_run(const char *program, const char *dir, const char *script, struct jb_err *err);

// gnuplot's SVG to ours: tokens become escaped text, tips become <title>, a title and a description for readers that do not see.
int jb_svg_finish(struct jb_str *out, const char *svg, const struct jb_texts *texts, const char *title, const char *description);
// For a page: colours become variables, ids are unique by prefix, the XML declaration goes.
void jb_svg_inline(struct jb_str *out, const char *svg, const char *prefix, const char *class_name);
// The variables, for the page's style: "--p-ink:#1f2328;..."
void jb_svg_variables(struct jb_str *out, bool dark);

#endif
