#include "harness/limit_axis.h"

#include "harness/ctx.h"
#include "harness/extend.h"
#include "power/limits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 1.05                    // above the limit by more than this counts as not kept; regulation is not exact
#define UNKNOWN_WINDOW_NS 1000000000u  // for constraints that do not tell their time window

struct jb_limit_axis {
    struct jb_limits *limits;          // NULL: cannot be changed here
    struct jb_err why;                 // then: why
    double watts;                      // in force; NAN: none yet
    uint64_t since_ns, settle_ns;      // when it was set; the longest time window of its constraints
    bool watching;
    struct jb_window window;
};

static uint64_t now_ns(const struct jb_ctx *c) { return c->o->clock.now_ns(c->o->clock.self); }

static bool any_limit(const struct jb_ctx *c)
{
    for (size_t i = 0; i < c->n_cells; i++)
        if (!isnan(c->cells[i].power_limit_w) && c->cells[i].status == JB_CELL_VALID) return true;
    return false;
}

int jb_limit_axis_open(struct jb_ctx *c, struct jb_err *err)
{
    if (!any_limit(c)) return 0;
    struct jb_limit_axis *a = calloc(1, sizeof *a);
    if (!a) return jb_fail(err, JB_E_NOMEM, "power limits");
    a->watts = NAN;
    c->limits = a;
    int rc = c->o->limits_state ? jb_limits_open(&a->limits, c->o->power.root, c->o->limits_state, false, &a->why)
                                : jb_fail(&a->why, JB_E_UNAVAILABLE, "there is no place for what the limits were (--limits-state)");
    if (!rc && c->o->limits_held) c->o->limits_held(a->limits);
    if (!rc || rc == JB_E_UNAVAILABLE) return 0;
    return jb_fail(err, rc, "%s", a->why.detail);
}

static void stop_watching(struct jb_ctx *c)
{
    if (c->limits->watching) (void)jb_meter_end(c->meter, &c->limits->window);
    c->limits->watching = false;
}

int jb_limit_axis_close(struct jb_ctx *c, struct jb_err *err)
{
    struct jb_limit_axis *a = c->limits;
    if (!a) return 0;
    int rc = a->limits ? jb_limits_restore(a->limits, err) : 0;
    stop_watching(c);
    if (a->limits && c->o->limits_held) c->o->limits_held(NULL);
    jb_limits_close(a->limits);
    free(a);
    c->limits = NULL;
    return rc ? jb_err_prefix(err, "power limits could not be put back") : 0;
}

int jb_limit_axis_set(struct jb_ctx *c, double watts, struct jb_err *err)
{
    struct jb_limit_axis *a = c->limits;
    struct jb_limits_held h;
    if (isnan(watts)) return 0;
    if (!a || !a->limits) return jb_fail(err, JB_E_UNAVAILABLE, "a power limit of %g W cannot be set: %s", watts, a ? a->why.detail : "limits were not opened");
    if (a->watts == watts) return 0;
    stop_watching(c);
    a->watts = NAN;
    int rc = jb_limits_set(a->limits, NULL, NULL, watts, err);
    if (rc) return jb_err_prefix(err, "a power limit of %g W cannot be set", watts);
    a->watts = watts;
    a->since_ns = now_ns(c);
    a->settle_ns = 0;
    for (size_t i = 0; i < jb_limits_n_held(a->limits); i++) {
        jb_limits_held(a->limits, i, &h);
        uint64_t ns = h.window_us && h.window_us < UINT64_MAX / 1000 ? h.window_us * 1000 : UNKNOWN_WINDOW_NS;
        if (ns > a->settle_ns) a->settle_ns = ns;
    }
    return 0;
}

// ---- is it kept? ----

void jb_limit_axis_watch(struct jb_ctx *c)
{
    struct jb_limit_axis *a = c->limits;
    if (!a || isnan(a->watts) || a->watching || !c->meter || now_ns(c) - a->since_ns < a->settle_ns) return;
    a->watching = jb_meter_begin(c->meter, &a->window) == 0;
}

// The figure of the zone's own channel: a cover may sum more than the limit is for. NULL: there is no such channel.
static const struct jb_joules *part_of(const struct jb_ctx *c, const struct jb_joules *parts, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(c->meter, i, &f);
        if (f.label && !strcmp(f.label, label)) return &parts[i];
    }
    return NULL;
}

// j: what the zone drew; NULL: nothing is known.
static bool one_kept(const struct jb_ctx *c, const struct jb_limits_held *h, const struct jb_joules *j, struct jb_str *what, char *reason, size_t room)
{
    double limit = (double)h->set_uw * 1e-6, settle_s = (double)c->limits->settle_ns * 1e-9, s = j ? (double)j->window_ns * 1e-9 : 0;
    jb_str_addf(what, "%s%s %g W instead of %g W, ", what->len ? "; " : "", h->label, limit, (double)h->original_uw * 1e-6);
    if (!j) {
        jb_str_addf(what, "power not observed: there are no joules of it, or the group ended before it had lasted twice the limit's time window of %.4g s", settle_s);
        return true;
    }
    if (!jb_energy_counts(j->cls) || !j->window_ns) {
        jb_str_addf(what, "power not observed: %s", j->reason[0] ? j->reason : "no figure of a sensor");
        return true;
    }
    jb_str_addf(what, "%.3g W [%.3g, %.3g] drawn over %.3g s", j->uj * 1e-6 / s, j->lower_uj * 1e-6 / s, j->upper_uj * 1e-6 / s, s);
    if (j->window_ns <= c->limits->settle_ns) jb_str_addf(what, ", which is not longer than its time window of %.4g s", settle_s);
    if (j->window_ns <= c->limits->settle_ns || !(j->lower_uj * 1e-6 / s > limit * MARGIN)) return true;
    snprintf(reason, room, "the limit of %g W was not kept: %.3g W were drawn (%s, over %.3g s)", limit, j->uj * 1e-6 / s, h->label, s);
    return false;
}

bool jb_limit_axis_kept(struct jb_ctx *c, struct jb_str *what, char *reason, size_t room)
{
    struct jb_limit_axis *a = c->limits;
    if (!a || isnan(a->watts)) return true;
    size_t n = a->watching ? jb_meter_n_channels(c->meter) : 0;
    struct jb_joules *parts = n ? calloc(n, sizeof *parts) : NULL;
    if (a->watching) (void)jb_meter_end_parts(c->meter, &a->window, parts, parts ? n : 0);
    a->watching = false;
    bool kept = true;
    for (size_t i = 0; i < jb_limits_n_held(a->limits); i++) {
        struct jb_limits_held h;
        jb_limits_held(a->limits, i, &h);
        kept &= one_kept(c, &h, part_of(c, parts, parts ? n : 0, h.label), what, reason, room);
    }
    free(parts);
    return kept;
}

cJSON *jb_line_limit(double watts, const char *what)
{
    char name[48];
    snprintf(name, sizeof name, "power limit %g W", watts);
    return jb_line_note(name, what);
}
