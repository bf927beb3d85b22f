// Several runs side by side: of every setting that the runs share, each run's figures, their ratios to the first run's with intervals, and the classes of joules.
// No verdict. The figures are those of a comparison of mode "across" (harness/compare.h, `gather`); this file arranges them by setting. Private to reports/ but for
// jb_across_terminal and jb_results_set_to_json.
#ifndef JB_REPORTS_ACROSS_H
#define JB_REPORTS_ACROSS_H

#include "base/json.h"
#include "base/strbuf.h"
#include "reports/comparison.h"

#define JB_ACROSS_METRICS 24

struct jb_across {
    const struct jb_comparison *c;               // borrowed. Its runs are r[] in the same order: baseline, candidate, others
    const struct jb_result *const *r; size_t n;  // borrowed
    const struct jb_compared_cell **cell; size_t n_keys; // cell[key * n + run]; NULL: the first run, and runs that do not have it
};
// JB_E_INVALID: the comparison is not one of these runs. Keys: cells of the first run that at least one other was compared with.
int jb_across_open(struct jb_across *a, const struct jb_comparison *c, const struct jb_result *const *r, size_t n);
void jb_across_close(struct jb_across *a);
const char *jb_across_label(const struct jb_across *a, size_t key);
// Names of the metrics of which some run has a figure.
size_t jb_across_metrics(const struct jb_across *a, size_t key, const char *out[JB_ACROSS_METRICS]);

struct jb_across_figure {
    char value[24];           // "12.3 us", "n/a"
    char ratio[64];           // "0.823x [0.801, 0.845]"; of accuracy the difference, "-0.12 points [-0.30, +0.05]"; "no ratio"; "" for the first run
    const char *energy_class; // of joules: "measured", "replayed", ...; NULL: another metric, or no joules
};
void jb_across_figure(const struct jb_across *a, size_t key, const char *metric, size_t run, struct jb_across_figure *out);
// Everything that must stand beside the figures, one call a line: what differs between the runs, which cells are not side by side, why there is no ratio or interval.
// JB_E_NOMEM or 0.
int jb_across_notes(const struct jb_across *a, void (*say)(void *user, const char *text), void *user);

// Sections of report.md and report.html.
int jb_across_markdown(const struct jb_across *a, struct jb_str *out);
int jb_across_html(const struct jb_across *a, struct jb_str *out);

// For the terminal. c may be NULL: `reason` is told instead.
int jb_across_terminal(const struct jb_comparison *c, const char *reason, const struct jb_result *const *r, size_t n, int width, bool color, struct jb_str *out);
// {"schema": "joulebench.results-set/1", "results": [...], "across": a comparison or null, "across_reason": why it is null, or null}. Owned; NULL: out of memory.
cJSON *jb_results_set_to_json(const struct jb_result *const *r, size_t n, const struct jb_comparison *c, const char *reason);

#endif
