// Writing the reports of a result and telling where they are; shared by sweep and report.
#ifndef JB_CLI_REPORTING_H
#define JB_CLI_REPORTING_H

#include "cli/cli.h"
#include "reports/report.h"

struct cli_report_opts {
    const char *gnuplot, *title;
    bool no_plots;
    const struct jb_comparison *across; // of several runs, as in reports/report.h; no options
    const char *across_reason;
};
#define CLI_REPORT_ROWS(type, member)                                                                                                   \
    { "gnuplot", 0, CLI_TEXT, offsetof(type, member.gnuplot), "PROGRAM", "gnuplot", 0, 0, "the program that draws the plots" },          \
    { "no-plots", 0, CLI_FLAG, offsetof(type, member.no_plots), NULL, NULL, 0, 0, "everything but the plots" },                          \
    { "title", 0, CLI_TEXT, offsetof(type, member.title), "TEXT", NULL, 0, 0, "title of the report" }

// All formats into dir. What stopped the plots goes to stderr.
int cli_reports_write(const struct jb_result *const *r, size_t n, const char *dir, const struct cli_report_opts *o, struct jb_err *err);
// The summary on the terminal.
int cli_reports_summary(const struct cli *c, const struct jb_result *r, struct jb_err *err);
// Says how many cells failed or are invalid, and which (named: the summary has not told it already); JB_EXIT_CELL if there is one, else JB_EXIT_OK.
int cli_reports_judge(const struct jb_result *r, bool named);

#endif
