// Inside live comparisons: power limits of sides. A limit is the machine's, so it is changed between the blocks of two sides that differ in it, and put back at the end, on errors and on stops.
//
// Constraints limit mean power over their time window: after a change the side runs its own load for one window, unrecorded, so that what the window before allowed is spent. From then on until the next
// change power is watched. A limit is not kept when, over all such spans together and these longer than the window, a zone certainly drew more than its limit and 5 %.
#ifndef JB_HARNESS_LIVE_LIMIT_H
#define JB_HARNESS_LIVE_LIMIT_H

#include "base/clock.h"
#include "base/strbuf.h"
#include "power/limits.h"
#include "power/power.h"

struct jb_live_limit;
struct jb_live_limit_opts {
    const struct jb_power_opts *power; // root of the limits, and the source that watches them; borrowed until open returns
    const char *state;                 // as in struct jb_sweep_opts; NULL: UNAVAILABLE
    void (*held)(const struct jb_limits *); // likewise; may be NULL
    struct jb_clock clock;
};
// Errors of jb_limits_open; where no source can be opened, limits are set and not watched.
int jb_live_limit_open(struct jb_live_limit **out, const struct jb_live_limit_opts *o, struct jb_err *err);
// Puts `watts` in force; NAN: what was there before. *settle_ns: how long load must run before anything is recorded; 0: the limit was in force already, or its time window is not known.
int jb_live_limit_set(struct jb_live_limit *l, double watts, uint64_t *settle_ns, struct jb_err *err);
// That has been done: power is watched from here on. Accepts NULL, and being told often.
void jb_live_limit_settled(struct jb_live_limit *l);
// Puts back what was before; what has been seen stays. Accepts NULL. May be repeated.
int jb_live_limit_restore(struct jb_live_limit *l, struct jb_err *err);
// Once restored: was `watts` kept? False with the reason; true also when nothing was seen. what: gets a line about each zone.
bool jb_live_limit_kept(const struct jb_live_limit *l, double watts, struct jb_str *what, char *reason, size_t room);
void jb_live_limit_close(struct jb_live_limit *l); // restores if need be. Accepts NULL

#endif
