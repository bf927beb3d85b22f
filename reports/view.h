// What every format needs to know about a result before it can show it: groups of comparable cells, fronts, the answer, the order of rows.
// Private to reports/.
#ifndef JB_REPORTS_VIEW_H
#define JB_REPORTS_VIEW_H

#include "base/strbuf.h"
#include "reports/report.h"
#include "reports/result.h"

#define JB_NO_CELL SIZE_MAX
#define JB_MAX_ROWS 1000 // of one table in Markdown and HTML; the CSV has all
#define JB_ANSWER_WITHIN 0.005 // the answer: the cheapest setting within this accuracy of the best

enum jb_cost { JB_COST_MEAN, JB_COST_P99, JB_COST_MACS, JB_COST_BYTES, JB_COST_ENERGY, JB_COST_MODELLED, JB_COST_COUNT };

// Cells that may be compared: one workload, scenario, number of threads and streams, power limit.
struct jb_group {
    const char *workload, *scenario, *unit, *note; // note: what the result says about this workload ("own split"), or NULL
    uint32_t threads, streams;
    double power_limit_w;       // NAN: not an axis
    size_t *cells, n;           // indices in table order: front by rising latency, other valid ones by falling accuracy, the rest
    size_t n_front, n_usable;   // of these, from the start
    size_t best, answer, full;  // most accurate; cheapest within JB_ANSWER_WITHIN; final exit of the answer's model at its precision; or JB_NO_CELL
    size_t joules;              // fewest joules per correct answer (of tokens: per committed token among those as good as the best), or JB_NO_CELL
    bool tokens, kv_differs, fill_differs; // cells of language models; their kinds of K/V, their fills differ
    const char *quality;        // name of what ranks cells: "accuracy", "exact-match", "matching"
    const char *energy_class;   // "measured", "replayed", ... of all its figures; "of several classes"; NULL: it has none
    enum jb_cost cost;          // what ranks them: mean latency, or MACs where no cell has a latency (an accuracy pass alone)
    char short_note[64];        // the note up to its first ':' or ';', sanitised; "" without one
    char label[160];            // "fashion, single-stream" and threads or streams where they are not 1, the power limit where it is an axis; sanitised to one line
};

struct jb_view_cell {
    bool usable; // valid, with an accuracy and the cost of its group
    bool front;  // on the Pareto front of accuracy and that cost
    enum jb_cost cost; // of its group
    size_t home;       // its group, in the order of first sight (groups are sorted later)
    const struct jb_result_hull *hull_macs, *hull_latency; // against static+fixed, or NULL
    const struct jb_result_hull *full_macs, *full_latency; // against the full network, or NULL
};

struct jb_view {
    const struct jb_result *r;
    struct jb_view_cell *cells;
    struct jb_group *groups;
    size_t n_groups;
    size_t n_by_status[4];
    bool energy, modelled;        // some cell has a figure
    bool energy_said;             // a sentence of the summary says whether there is energy, or why not
    const char *no_energy_reason; // when none has: the reason if it is one for all, else NULL
};

int jb_view_open(struct jb_view *v, const struct jb_result *r, struct jb_err *err);
void jb_view_close(struct jb_view *v);

double jb_cell_cost(const struct jb_result_cell *c, enum jb_cost cost);
double jb_cell_percentile(const struct jb_result_cell *c, double p); // ns or NAN
bool jb_cell_has_energy(const struct jb_result_cell *c);             // class measured, integrated, attributed or replayed, with a figure
double jb_cell_energy(const struct jb_result_cell *c);               // gross_uj, or NAN
const char *jb_energy_per(const struct jb_result_cell *c);           // "query", "committed token"
double jb_cell_half_width(const struct jb_result_cell *c);           // of the gross figure, relative; NAN
size_t jb_fewest_joules(const struct jb_result *r, const struct jb_result_cell *like); // per correct answer, or JB_NO_CELL
bool jb_cell_is_adaptive(const struct jb_result_cell *c);
bool jb_cell_is_language(const struct jb_result_cell *c);
double jb_cell_value(const struct jb_result_cell *c);           // what ranks it, 0 to 1: accuracy, or the quality that its text workload is about; NAN
const char *jb_cell_value_name(const struct jb_result_cell *c);  // of that quality
bool jb_cells_compare(const struct jb_result_cell *c, const struct jb_result_cell *like); // c is valid, has that value, and conditions are the same

bool jb_only_tokens(const struct jb_view *v); // every group's unit is the token

// The summary in words: the harness' sentences, or what can be said without them. One call a sentence.
typedef void (*jb_sentence_fn)(void *user, const char *kind, const char *text);
void jb_view_sentences(const struct jb_view *v, jb_sentence_fn say, void *user);

// Name of one of several runs: "A default", "B default".
void jb_run_label(char out[96], const struct jb_result *r, size_t index, size_t n);

// Text on one line for a terminal or a plot: new lines and tabs become spaces; controls, escapes and direction marks '?'. Cut to max_columns (0: not), with "...".
// Returns the columns taken (code points).
size_t jb_add_plain(struct jb_str *b, const char *text, size_t max_columns);
const char *jb_text(const char *text, const char *otherwise);

#endif
