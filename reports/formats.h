// The writers that reports/report.c lists, and what they share. Private to reports/.
#ifndef JB_REPORTS_FORMATS_H
#define JB_REPORTS_FORMATS_H

#include "reports/view.h"

int jb_json_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err);
int jb_csv_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err);
int jb_md_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err);
int jb_html_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err);

// Writes b to opts->dir/name unless rc or b says that it failed; frees b in any case. Returns rc or the error.
int jb_report_put(const struct jb_report_opts *o, const char *name, struct jb_str *b, int rc, struct jb_err *err);

// "0.80", "a per-exit list", or "" for a cell without a threshold.
void jb_threshold_text(char out[64], const struct jb_result_cell *c);
// "94.3 uJ (measured)" or "none: reason" into b, unescaped; sanitised to one line.
void jb_energy_text(struct jb_str *b, const struct jb_result_cell *c);
// "94.3 uJ [91.5 uJ, 98.1 uJ]", or "n/a".
void jb_uj_bounds_text(char out[96], double uj, double lower_uj, double upper_uj);
// "+-0.8 %" of the gross figure, or "".
void jb_half_width_text(char out[24], const struct jb_result_cell *c);
// The meter of the run as names and values; rows of `out` (room JB_POWER_ROWS), texts in `b`. Returns how many.
#define JB_POWER_ROWS 16
struct jb_power_row { const char *name; char value[320]; };
size_t jb_power_rows(struct jb_power_row out[JB_POWER_ROWS], const struct jb_result_power *m);
// "1.91x [1.72, 2.10]" or "".
void jb_ratio_text(char out[64], const struct jb_result_hull *h);
// "-0.12" percentage points, "n/a".
void jb_points_text(char out[24], double share);

#endif
