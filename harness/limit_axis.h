// Inside the harness: power limits as an axis of a plan. A limit is set before a group of cells and holds until the next one's; at the end, on errors and stops what was before is put back.
#ifndef JB_HARNESS_LIMIT_AXIS_H
#define JB_HARNESS_LIMIT_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

struct jb_ctx;

// Before anything is run: takes the right to change limits if any cell has one. BUSY, EXISTS: another process holds limits or left them: an error of the run, for it goes away.
// Where limits cannot be changed at all the reason is kept for set, and the run goes on.
int jb_limit_axis_open(struct jb_ctx *c, struct jb_err *err);
// Puts back and closes. Accepts a run without the axis.
int jb_limit_axis_close(struct jb_ctx *c, struct jb_err *err);
// NAN: no limit, nothing to do. A failure is the reason why cells of this limit are unavailable (NOMEM ends the run).
int jb_limit_axis_set(struct jb_ctx *c, double watts, struct jb_err *err);

// Is the limit kept? Power may exceed it within the constraint's time window, so observing begins one such window after the limit was set. Called before each block.
void jb_limit_axis_watch(struct jb_ctx *c);
// At the end of a group. False, with the reason: over a window longer than the constraint's, a zone certainly drew more than its limit and 5 %. True also when nothing was observed.
// what: gets a line about each zone: limit, what it was before, what was drawn or why that is not known. Empty without a limit.
bool jb_limit_axis_kept(struct jb_ctx *c, struct jb_str *what, char *reason, size_t room);
// The journal line of that: it becomes a note of the result. NULL: out of memory.
cJSON *jb_line_limit(double watts, const char *what);

#endif
