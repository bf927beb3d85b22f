// A history of gates and baselines: a file to which one JSON line each is appended ("joulebench.history/1"), and a page that draws each metric over revisions.
#ifndef JB_REPORTS_HISTORY_H
#define JB_REPORTS_HISTORY_H

#include "base/json.h"
#include "reports/comparison.h"

#define JB_HISTORY_SCHEMA "joulebench.history/1"

// One metric of one cell, as one line had it.
struct jb_history_value { const char *cell, *metric, *verdict; double value, baseline, effect, lower, upper; }; // value: the candidate's. NAN: none
struct jb_history_entry {
    const char *kind, *time, *git, *version, *name, *verdict; // kind: "gate" or "record"
    int exit_code;
    struct jb_history_value *values; size_t n_values;
};
struct jb_history {
    struct jb_history_entry *entries; size_t n;
    size_t torn;                     // lines that are none of ours, or were cut by a crash: left out
    cJSON *lines;                    // an array that owns the texts
};

// Appends a line, whole, behind whatever others append at the same time. The file is made if it is not there.
int jb_history_append_gate(const char *path, const struct jb_comparison *c, struct jb_err *err);
int jb_history_append_record(const char *path, const struct jb_result *r, struct jb_err *err);
int jb_history_read(struct jb_history *out, const char *path, struct jb_err *err);
void jb_history_free(struct jb_history *h);
// Appends to `out`: a self-contained page, one picture a metric and cell; a Markdown table of the last value of each and its change since the first.
int jb_history_html(const struct jb_history *h, struct jb_str *out);
int jb_history_markdown(const struct jb_history *h, struct jb_str *out);

#endif
