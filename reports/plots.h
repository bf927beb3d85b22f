// The plots of a report: which there are, and making them with gnuplot. Files: DIR/plots/NAME.gp, NAME.dat, NAME.svg and NAME-phone.svg.
// Private to reports/.
#ifndef JB_REPORTS_PLOTS_H
#define JB_REPORTS_PLOTS_H

#include "reports/view.h"

#define JB_MAX_PLOT_GROUPS 6 // groups of one run that get plots of their own

enum jb_plot_kind { JB_PLOT_MEAN, JB_PLOT_ENERGY, JB_PLOT_P99, JB_PLOT_MACS, JB_PLOT_BYTES, JB_PLOT_MODELLED, JB_PLOT_EXITS, JB_PLOT_DISTRIBUTION, JB_PLOT_RUNS };

struct jb_plot {
    enum jb_plot_kind kind;
    size_t run, group;
    bool side;          // stands beside the large one: energy, or the p99 latency where there is none
    char name[64];      // file name without ending: letters, digits, '-' and '_'
    char title[200];    // sanitised, one line
    const char *caption; // how to read it; static
};
struct jb_plot_list { struct jb_plot *plots; size_t n; };

// One view a run, in the order of the results.
int jb_views_open(struct jb_view **out, const struct jb_result *const *r, size_t n, struct jb_err *err);
void jb_views_close(struct jb_view *v, size_t n);

int jb_plots_list(struct jb_plot_list *out, const struct jb_view *views, size_t n, struct jb_err *err);
void jb_plots_free(struct jb_plot_list *list);

// Makes every plot. A missing or failing gnuplot is no error: the reason is written and the rest of the report is made without plots.
int jb_plots_make(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, char reason[256], struct jb_err *err);

#endif
