// What reports say of language models: the quality that belongs to a workload, and the columns of a table whose unit is the token. Private to reports/.
#ifndef JB_REPORTS_LANGUAGE_H
#define JB_REPORTS_LANGUAGE_H

#include "reports/view.h"

#define JB_TOKEN_COLUMNS 28
#define JB_SHORT_HEAD 24

// One column: `what` with `of` (a quality's name, or NULL) says which figure. `rank`: 0 is always shown; where room is short, the highest ranks go first.
struct jb_token_column { int what; const char *of; char head[64], short_head[JB_SHORT_HEAD]; int rank; bool left; };
struct jb_token_table { struct jb_token_column column[JB_TOKEN_COLUMNS]; size_t n; };

struct jb_token_figure { double key; char main[64], more[96]; }; // key: to sort by, NAN: none; more: "[a, b]" or ""

// Columns that some usable cell of the group has a figure for: quality first, then time, cost, joules, exits. Kinds of K/V and fills only where they differ.
void jb_token_columns(struct jb_token_table *t, const struct jb_view *v, const struct jb_group *g);
void jb_token_figure(struct jb_token_figure *f, const struct jb_view *v, const struct jb_group *g, const struct jb_token_column *c, size_t cell);

// Words for a quality: "next-token accuracy"; of an unknown name, the name.
const char *jb_quality_words(const char *name);
const struct jb_result_quality *jb_cell_quality(const struct jb_result_cell *c, const char *name); // or NULL
// Same kind of K/V and fill, or none of both.
bool jb_same_memory(const struct jb_result_cell *a, const struct jb_result_cell *b);
// The full model a setting of a language model is compared with: policy final, same model, precision and kind of K/V, comparable conditions; or JB_NO_CELL.
size_t jb_full_model(const struct jb_result *r, const struct jb_result_cell *c);
// Share of the bytes (macs: MACs) of a token that gates, heads tried in vain and late fills take: what is above the cost of leaving at the same exits without
// deciding. Needs settings that always leave at each exit used; NAN without them.
double jb_overhead_share(const struct jb_result *r, const struct jb_result_cell *c, bool macs);

#endif
