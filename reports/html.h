// The parts of report.html. Private to reports/.
#ifndef JB_REPORTS_HTML_H
#define JB_REPORTS_HTML_H

#include "reports/formats.h"
#include "reports/plots.h"

extern const char jb_html_style[], jb_html_style_tables[]; // CSS without the colour variables of the plots
extern const char jb_html_script[]; // sorts and filters tables; the page works without it

// Escaped text on one line; NULL becomes `otherwise`.
void jb_html_text(struct jb_str *b, const char *text, const char *otherwise);
// A figure of ours ("12.3 us") with the micro sign.
void jb_html_figure(struct jb_str *b, const char *figure);

void jb_html_tiles(struct jb_str *b, const struct jb_view *v, const struct jb_group *g);
void jb_html_settings(struct jb_str *b, const struct jb_view *v, const struct jb_group *g);
void jb_html_modelled(struct jb_str *b, const struct jb_view *v);
void jb_html_oracles(struct jb_str *b, const struct jb_view *v);
void jb_html_remarks(struct jb_str *b, const struct jb_view *v); // what must stand beside joules
void jb_html_not_valid(struct jb_str *b, const struct jb_view *v);
void jb_html_provenance(struct jb_str *b, const struct jb_view *v);
void jb_html_runs(struct jb_str *b, const struct jb_view *views, size_t n, bool settings); // settings: the same settings on each, where no comparison says more

#endif
