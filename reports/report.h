// Renders a result. One file and one row per format in reports/report.c. Writes only into the directory given; prints nothing.
#ifndef JB_REPORTS_REPORT_H
#define JB_REPORTS_REPORT_H

#include "base/strbuf.h"
#include "reports/result.h"

struct jb_comparison;
struct jb_report_opts {
    const char *dir;          // output directory
    const char *gnuplot;      // program, "gnuplot"; NULL: no plots wanted
    const char *title;        // or NULL
    const struct jb_comparison *across; // several runs: their ratios to the first (reports/comparison.h, mode "across", its runs in the order of the results); NULL: none
    const char *across_reason; // why there is none, or NULL: nobody asked
    const char *plots_reason; // why there are no plots, shown in report.md and report.html; NULL: there are. jb_report_write_all sets it by itself
};
struct jb_report_ops {
    const char *name, *file, *summary;   // "html", "report.html"
    int (*write)(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err); // n > 1: several runs side by side
};
extern const struct jb_report_ops *const jb_reporters[]; // ends with NULL. json (several runs: results-set.json) csv md html (plots are made first, as plots/NAME.svg, and embedded)

// All formats. Without gnuplot everything but the plots is made and *plots_reason says so (static text or points into err-like buffer of 256 bytes).
int jb_report_write_all(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, char plots_reason[256], struct jb_err *err);

// The terminal summary: first the answer in words, then the table. width in columns (0: 100), color: ANSI allowed.
int jb_report_terminal(const struct jb_result *r, int width, bool color, struct jb_str *out);

// "fashion, single-stream: the fewest joules per correct answer takes ...", among the cells that may be compared with `like`. False and nothing added: there are
// not two of them with joules.
bool jb_energy_answer(const struct jb_result *r, const struct jb_result_cell *like, struct jb_str *out);

// Of a language model: the cheapest setting that is as good as the best, and whether stopping early pays, with what it saves and what deciding costs. False and
// nothing added: no language model, or nothing valid.
bool jb_language_answer(const struct jb_result *r, const struct jb_result_cell *like, struct jb_str *out);

// Human figures, used by all formats: "12.3 us", "4.05 M", "93.42 %", "n/a".
void jb_fmt_ns(char out[24], double ns);
void jb_fmt_count(char out[24], double n);
void jb_fmt_percent(char out[24], double share);
void jb_fmt_limit(char out[24], double limit_w); // ", 15 W", behind what a group of cells is called; "" for NAN
void jb_fmt_uj(char out[24], double uj);
void jb_fmt_bytes(char out[24], double bytes);

#endif
