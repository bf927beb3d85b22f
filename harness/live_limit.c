#include "harness/live_limit.h"

#include "harness/extend.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 1.05                    // as of sweeps: regulation is not exact
#define MAX_ACCOUNTS 256u

// What one zone drew under one limit, in all spans together.
struct account {
    double watts;                      // of the side
    char label[80];
    uint64_t set_uw, original_uw, window_ns;
    double s, uj, lower_uj, upper_uj;
    char why_not[160];                 // of a span without a figure
};

struct jb_live_limit {
    struct jb_limits *limits;
    struct jb_meter *meter;            // NULL: not watched
    char no_meter[200];
    struct jb_clock clock;
    void (*held)(const struct jb_limits *);
    double watts;                      // in force; NAN: none
    uint64_t settle_ns;                // of the limit in force
    bool watching;
    struct jb_window window;
    struct account account[MAX_ACCOUNTS]; size_t n;
    uint64_t changes;
    double settled_s;
};

int jb_live_limit_open(struct jb_live_limit **out, const struct jb_live_limit_opts *o, struct jb_err *err)
{
    struct jb_err why = { 0 };
    struct jb_live_limit *l = calloc(1, sizeof *l);
    if (!l) return jb_fail(err, JB_E_NOMEM, "power limits");
    *l = (struct jb_live_limit){ .watts = NAN, .clock = o->clock, .held = o->held };
    int rc = o->state ? jb_limits_open(&l->limits, o->power->root, o->state, false, err) : jb_fail(err, JB_E_UNAVAILABLE, "a side has a power limit, and there is no place for what the limits were (--limits-state)");
    if (!rc && jb_meter_open(&l->meter, o->power, &why)) {
        l->meter = NULL;
        snprintf(l->no_meter, sizeof l->no_meter, "%.190s", why.detail);
    }
    if (!rc && l->held) l->held(l->limits);
    if (rc) jb_live_limit_close(l);
    else *out = l;
    return rc;
}

// ---- watching ----

void jb_live_limit_settled(struct jb_live_limit *l)
{
    if (!l || l->watching || isnan(l->watts) || !l->meter) return;
    l->watching = jb_meter_begin(l->meter, &l->window) == 0;
}

static struct account *account_of(struct jb_live_limit *l, const struct jb_limits_held *h)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->account[i].watts == l->watts && !strcmp(l->account[i].label, h->label)) return &l->account[i];
    if (l->n == MAX_ACCOUNTS) return NULL;
    struct account *a = &l->account[l->n++];
    *a = (struct account){ .watts = l->watts, .set_uw = h->set_uw, .original_uw = h->original_uw, .window_ns = h->window_us < UINT64_MAX / 1000 ? h->window_us * 1000 : 0 };
    snprintf(a->label, sizeof a->label, "%s", h->label);
    return a;
}

// The zone's own channel: a cover may sum more than the limit is for.
static const struct jb_joules *part_of(const struct jb_meter *m, const struct jb_joules *parts, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(m, i, &f);
        if (f.label && !strcmp(f.label, label)) return &parts[i];
    }
    return NULL;
}

static void book(struct account *a, const struct jb_joules *j)
{
    if (!j || !jb_energy_counts(j->cls) || !j->window_ns) {
        if (!a->why_not[0]) snprintf(a->why_not, sizeof a->why_not, "%.150s", j && j->reason[0] ? j->reason : "there are no joules of it");
        return;
    }
    a->s += (double)j->window_ns * 1e-9;
    a->uj += j->uj;
    a->lower_uj += j->lower_uj;
    a->upper_uj += j->upper_uj;
}

// Ends a span, and books it for every zone that is held.
static void end_span(struct jb_live_limit *l)
{
    struct jb_limits_held h;
    size_t n = l->watching ? jb_meter_n_channels(l->meter) : 0;
    struct jb_joules *parts = n ? calloc(n, sizeof *parts) : NULL;
    bool watched = l->watching;
    if (watched) (void)jb_meter_end_parts(l->meter, &l->window, parts, parts ? n : 0);
    l->watching = false;
    for (size_t i = 0; i < jb_limits_n_held(l->limits) && !isnan(l->watts); i++) {
        jb_limits_held(l->limits, i, &h);
        struct account *a = account_of(l, &h);
        if (a && watched) book(a, part_of(l->meter, parts, parts ? n : 0, h.label));
    }
    free(parts);
}

// ---- changing ----

// The longest time window of what is held; 0: none is known.
static uint64_t longest_window(const struct jb_live_limit *l)
{
    struct jb_limits_held h;
    uint64_t us = 0;
    for (size_t i = 0; i < jb_limits_n_held(l->limits); i++) {
        jb_limits_held(l->limits, i, &h);
        if (h.window_us > us && h.window_us < UINT64_MAX / 1000) us = h.window_us;
    }
    return us * 1000;
}

int jb_live_limit_set(struct jb_live_limit *l, double watts, uint64_t *settle_ns, struct jb_err *err)
{
    *settle_ns = 0;
    if (l->watts == watts || (isnan(l->watts) && isnan(watts))) return 0;
    uint64_t before_ns = longest_window(l);
    end_span(l);
    l->watts = NAN;
    int rc = isnan(watts) ? jb_limits_restore(l->limits, err) : jb_limits_set(l->limits, NULL, NULL, watts, err);
    if (rc) return isnan(watts) ? jb_err_prefix(err, "power limits could not be put back") : jb_err_prefix(err, "a power limit of %g W cannot be set", watts);
    l->watts = watts;
    l->changes++;
    *settle_ns = l->settle_ns = isnan(watts) ? before_ns : longest_window(l);
    l->settled_s += (double)l->settle_ns * 1e-9;
    return 0;
}

int jb_live_limit_restore(struct jb_live_limit *l, struct jb_err *err)
{
    if (!l || !l->limits) return 0;
    end_span(l);
    l->watts = NAN;
    int rc = jb_limits_restore(l->limits, err);
    return rc ? jb_err_prefix(err, "power limits could not be put back") : 0;
}

void jb_live_limit_close(struct jb_live_limit *l)
{
    if (!l) return;
    (void)jb_live_limit_restore(l, NULL);
    if (l->limits && l->held) l->held(NULL);
    jb_limits_close(l->limits);
    jb_meter_close(l->meter);
    free(l);
}

// ---- was it kept? ----

static bool one_kept(const struct account *a, const char *no_meter, struct jb_str *what, char *reason, size_t room)
{
    double limit = (double)a->set_uw * 1e-6, window_s = (double)a->window_ns * 1e-9;
    jb_str_addf(what, "%s%s %g W instead of %g W, ", what->len ? "; " : "", a->label, limit, (double)a->original_uw * 1e-6);
    if (!(a->s > 0)) {
        jb_str_addf(what, "power not observed: %s", no_meter[0] ? no_meter : a->why_not[0] ? a->why_not : "no time was left behind its time window");
        return true;
    }
    jb_str_addf(what, "%.3g W [%.3g, %.3g] drawn over %.3g s", a->uj * 1e-6 / a->s, a->lower_uj * 1e-6 / a->s, a->upper_uj * 1e-6 / a->s, a->s);
    if (a->s <= window_s) jb_str_addf(what, ", which is not longer than its time window of %.4g s", window_s);
    if (a->s <= window_s || !(a->lower_uj * 1e-6 / a->s > limit * MARGIN)) return true;
    snprintf(reason, room, "the limit of %g W was not kept: %.3g W were drawn (%s, over %.3g s)", limit, a->uj * 1e-6 / a->s, a->label, a->s);
    return false;
}

bool jb_live_limit_kept(const struct jb_live_limit *l, double watts, struct jb_str *what, char *reason, size_t room)
{
    bool kept = true;
    for (size_t i = 0; l && i < l->n; i++)
        if (l->account[i].watts == watts) kept &= one_kept(&l->account[i], l->no_meter, what, reason, room);
    if (l && what->len) jb_str_addf(what, "; limits were changed %llu times, %.3g s went by until they held", (unsigned long long)l->changes, l->settled_s);
    return kept;
}
