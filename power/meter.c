// An open source, and windows over its cumulative reading. A window is the difference of two readings, each of which is an interval; a failed
// reading anywhere between them fails the window, because the source started counting anew.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/sources.h"

struct jb_meter {
    const struct jb_power_ops *ops;
    void *impl;
    struct jb_clock clock;
    char root[128];
    char none_reason[256]; // source none: what was tried
    uint64_t faults;       // failed readings so far
    char fault[256];       // the last one's reason
};

static const struct jb_power_ops *find(const char *name)
{
    for (size_t i = 0; jb_power_sources[i]; i++)
        if (strcmp(jb_power_sources[i]->name, name) == 0) return jb_power_sources[i];
    return NULL;
}

static int read_now(struct jb_meter *m, uint64_t now_ns, struct jb_joules *out)
{
    int rc = m->ops->read(m->impl, now_ns, out);
    if (rc == JB_OK) return JB_OK;
    m->faults++;
    snprintf(m->fault, sizeof m->fault, "%s", out->reason);
    return rc;
}

// Opens one source and takes a first reading, which a source that only looks alive does not survive.
static int try_source(struct jb_meter *m, const struct jb_power_ops *ops, const struct jb_power_opts *o, struct jb_err *err)
{
    struct jb_joules first;
    int rc = ops->open(&m->impl, o, err);
    if (rc) return rc;
    m->ops = ops;
    if (ops == &jb_power_none) return JB_OK;
    rc = read_now(m, m->clock.now_ns(m->clock.self), &first);
    if (rc) {
        ops->close(m->impl);
        m->impl = NULL;
        m->ops = NULL;
        return jb_fail(err, rc, "%s: %s", ops->name, first.reason);
    }
    memcpy(m->root, first.root, sizeof m->root);
    return JB_OK;
}

// The first source that opens; what the others said goes into the reason of `none`. A missing trace or a probe-only row is no news.
static int open_auto(struct jb_meter *m, const struct jb_power_opts *o, struct jb_err *err)
{
    for (size_t i = 0; jb_power_sources[i]; i++) {
        const struct jb_power_ops *ops = jb_power_sources[i];
        if (ops == &jb_power_none || (ops == &jb_power_replay && !o->trace)) continue;
        struct jb_err why = {0};
        int rc = try_source(m, ops, o, &why);
        if (rc == JB_OK) return JB_OK;
        if (rc == JB_E_NOMEM) return jb_fail(err, rc, "%s: out of memory", ops->name);
        if (rc == JB_E_UNSUPPORTED) continue;
        size_t at = strlen(m->none_reason);
        snprintf(m->none_reason + at, sizeof m->none_reason - at, "%s%s", at ? " | " : "", why.detail);
    }
    return try_source(m, &jb_power_none, o, err);
}

int jb_meter_open(struct jb_meter **out, const struct jb_power_opts *o, struct jb_err *err)
{
    const char *name = o->source && o->source[0] ? o->source : "auto";
    bool automatic = strcmp(name, "auto") == 0;
    const struct jb_power_ops *ops = automatic ? NULL : find(name);
    if (!automatic && !ops) return jb_fail(err, JB_E_NOT_FOUND, "unknown power source \"%.60s\" (known: auto, powercap, replay, none)", name);
    if (o->max_power_w < 0 || isnan(o->max_power_w)) return jb_fail(err, JB_E_RANGE, "a power ceiling of %g W", o->max_power_w);
    struct jb_meter *m = calloc(1, sizeof *m);
    if (!m) return jb_fail(err, JB_E_NOMEM, "out of memory");
    m->clock = o->clock.now_ns ? o->clock : jb_clock_monotonic();
    if (ops == &jb_power_none) snprintf(m->none_reason, sizeof m->none_reason, "no energy source was chosen");
    int rc = automatic ? open_auto(m, o, err) : try_source(m, ops, o, err);
    if (rc) {
        free(m);
        return rc;
    }
    *out = m;
    return JB_OK;
}

void jb_meter_close(struct jb_meter *m)
{
    if (!m) return;
    m->ops->close(m->impl);
    free(m);
}

const char *jb_meter_source(const struct jb_meter *m)
{
    return m->ops->name;
}

const char *jb_meter_root(const struct jb_meter *m)
{
    return m->root;
}

static struct jb_joules no_figure(const struct jb_meter *m, const char *reason, uint64_t window_ns)
{
    struct jb_joules none = jb_joules_none(m->ops->name, reason);
    memcpy(none.root, m->root, sizeof none.root);
    none.window_ns = window_ns;
    return none;
}

int jb_meter_begin(struct jb_meter *m, struct jb_window *w)
{
    if (m->ops == &jb_power_none) {
        *w = (struct jb_window){.start_ns = m->clock.now_ns(m->clock.self), .at_start = no_figure(m, m->none_reason, 0)};
        return JB_OK;
    }
    // A first failure may concern the time before this window (a long pause in which a counter may have wrapped twice): the source has started
    // anew by then, and a second reading tells.
    int rc = JB_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        w->start_ns = m->clock.now_ns(m->clock.self);
        rc = read_now(m, w->start_ns, &w->at_start);
        w->faults = m->faults;
        if (rc == JB_OK) return JB_OK;
    }
    w->at_start = no_figure(m, m->fault, 0);
    return rc;
}

static struct jb_joules difference(const struct jb_meter *m, const struct jb_joules *a, const struct jb_joules *b, uint64_t window_ns)
{
    struct jb_joules d = *b;
    d.window_ns = window_ns;
    d.wraps = b->wraps - a->wraps;
    d.uj = b->uj - a->uj;
    d.lower_uj = fmax(b->lower_uj - a->upper_uj, 0);
    d.upper_uj = b->upper_uj - a->lower_uj;
    if (d.uj > 0 && d.upper_uj > 0) return d;
    char reason[160];
    snprintf(reason, sizeof reason, "the counters did not move in %.3f ms: the window is shorter than their update period, or they are frozen", (double)window_ns * 1e-6);
    return no_figure(m, reason, window_ns);
}

struct jb_joules jb_meter_end(struct jb_meter *m, const struct jb_window *w)
{
    struct jb_joules now;
    uint64_t end_ns = m->clock.now_ns(m->clock.self), window_ns = end_ns > w->start_ns ? end_ns - w->start_ns : 0;
    if (m->ops == &jb_power_none) return no_figure(m, m->none_reason, window_ns);
    int rc = read_now(m, end_ns, &now);
    if (!jb_joules_have(&w->at_start)) return no_figure(m, w->at_start.reason[0] ? w->at_start.reason : "the window was never begun", window_ns);
    if (rc || m->faults != w->faults) return no_figure(m, m->fault, window_ns);
    return difference(m, &w->at_start, &now, window_ns);
}

void jb_meter_poll(struct jb_meter *m)
{
    struct jb_joules unused;
    if (m->ops != &jb_power_none) (void)read_now(m, m->clock.now_ns(m->clock.self), &unused);
}
