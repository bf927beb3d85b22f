// One function a kind of plot: it fills a canvas of a given size. Private to reports/.
#ifndef JB_REPORTS_PLOT_PARTS_H
#define JB_REPORTS_PLOT_PARTS_H

#include "reports/canvas.h"
#include "reports/plots.h"

// Phone: a narrow picture with the same type size. `views`: all runs; `p` says which run and group. Return a JB_E_* code or 0.
int jb_plot_tradeoff(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output);
int jb_plot_exits(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output);
int jb_plot_distribution(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output);
int jb_plot_runs(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output);

// Which settings the exit plot shows: indices of cells, grouped by `series`. Returns how many (at most max).
struct jb_exit_row { size_t cell; bool head; }; // head: the first of its series
size_t jb_exit_rows(const struct jb_view *v, const struct jb_group *g, struct jb_exit_row *out, size_t max);
// Which settings the latency plot shows.
size_t jb_distribution_rows(const struct jb_view *v, const struct jb_group *g, size_t *out, size_t max);

// Cuts text to `room` pixels, with "..." at the end.
void jb_fit_text(char out[200], const char *text, double size, bool bold, double room);

// Axes shared by plots.
void jb_axis_title(struct jb_canvas *c, const char *title, const char *subtitle, bool phone);
void jb_axis_x(struct jb_canvas *c, void (*format)(char out[24], double), const char *label, bool phone);
void jb_axis_accuracy(struct jb_canvas *c);
// Widens [lo, hi] a little, and by more where it is narrow; log when it spans a factor of 4.
void jb_axis_range_x(struct jb_canvas *c, double lo, double hi);
void jb_axis_range_accuracy(struct jb_canvas *c, double lo, double best);

// A legend that flows in lines below the plot.
struct jb_legend { struct jb_canvas *c; double x, y, left, right; };
void jb_legend_begin(struct jb_legend *l, struct jb_canvas *c, double y);
void jb_legend_point(struct jb_legend *l, int point_type, enum jb_color color, const char *text);
void jb_legend_line(struct jb_legend *l, double width, bool dashed, enum jb_color color, const char *text);

enum jb_color jb_precision_color(const char *precision);

#endif
