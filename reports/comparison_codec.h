// Private to reports/: the comparison as a tree, and what its renderings share.
#ifndef JB_REPORTS_COMPARISON_CODEC_H
#define JB_REPORTS_COMPARISON_CODEC_H

#include "reports/codec.h"
#include "reports/comparison.h"

cJSON *jb_comparison_to_json(const struct jb_comparison *c); // owned by the caller; NULL on out of memory
// Memory in which the codec's readers (reports/codec.h) put what they read.
struct jb_result *jb_comparison_memory(struct jb_comparison *c);

// "baseline label", and " -> candidate label" where it is another, and " (run)" where there are several candidates. One line, sanitised, not escaped.
void jb_compared_label(struct jb_str *b, const struct jb_compared_cell *c, size_t max_columns);
// A metric that there is nothing to say about: not gated, and no effect or an unchanged deterministic one.
bool jb_compared_is_same(const struct jb_compared_metric *m);    // deterministic and equal
bool jb_compared_is_missing(const struct jb_compared_metric *m); // no effect
// Metrics that are missing in all of several compared cells for one and the same reason: said once.
#define JB_MAX_COMMON 64
struct jb_compared_common { const char *name[JB_MAX_COMMON], *reason[JB_MAX_COMMON]; size_t n; };
void jb_compared_commons(struct jb_compared_common *out, const struct jb_comparison *c);
const char *jb_compared_common(const struct jb_compared_common *all, const char *name); // its reason, or NULL

#endif
