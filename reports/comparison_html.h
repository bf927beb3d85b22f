// The parts of comparison.html. Private to reports/.
#ifndef JB_REPORTS_COMPARISON_HTML_H
#define JB_REPORTS_COMPARISON_HTML_H

#include "reports/comparison_codec.h"
#include "reports/html.h"

// The intervals of one metric over all cells. False: there is nothing to draw.
bool jb_compared_forest(struct jb_str *b, const struct jb_comparison *c, const char *name);

#endif
