// replay: a recorded trace plays as time goes by, from the moment the meter opens. Everything downstream tests without a sensor.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/sources.h"
#include "power/trace.h"

struct replay {
    struct jb_trace trace;
    uint64_t open_ns;
    size_t at[JB_TRACE_MAX_ZONES];      // last reading not after now
    size_t checked[JB_TRACE_MAX_ZONES]; // readings up to here have been looked at for gaps
    struct jb_joules record;
};

static uint64_t now_of(const struct jb_power_opts *o)
{
    struct jb_clock c = o->clock.now_ns ? o->clock : jb_clock_monotonic();
    return c.now_ns(c.self);
}

static int read_trace(struct jb_trace *t, const struct jb_power_opts *o, struct jb_err *err)
{
    if (!o->trace) return jb_fail(err, JB_E_UNAVAILABLE, "no trace was given (--power-trace FILE)");
    return jb_trace_read(t, o->trace, o->max_power_w, err);
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct jb_trace *t = calloc(1, sizeof *t);
    if (!t) return JB_E_NOMEM;
    struct jb_err err = {0};
    jb_probe_init(out, jb_power_replay.name);
    out->available = read_trace(t, o, &err) == JB_OK;
    if (o->trace) snprintf(out->path, sizeof out->path, "%s", o->trace);
    if (o->trace) jb_probe_mode(out->path, out->mode);
    if (out->available) {
        out->cls = JB_ENERGY_REPLAYED;
        jb_cover_describe(t->cover, t->n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
        jb_trace_close(t);
    } else {
        snprintf(out->reason, sizeof out->reason, "%.255s", err.detail);
        snprintf(out->fix, sizeof out->fix, "name a trace (format: docs/measuring-energy.md)");
    }
    free(t);
    return JB_OK;
}

static int open_replay(void **impl, const struct jb_power_opts *o, struct jb_err *err)
{
    struct replay *r = calloc(1, sizeof *r);
    if (!r) return jb_fail(err, JB_E_NOMEM, "replay: out of memory");
    int rc = read_trace(&r->trace, o, err);
    if (rc) {
        free(r);
        jb_err_prefix(err, "replay");
        return rc;
    }
    char left_out[160];
    r->record.cls = JB_ENERGY_REPLAYED;
    r->record.update_ns = r->trace.update_ns;
    snprintf(r->record.source, sizeof r->record.source, "%s", jb_power_replay.name);
    snprintf(r->record.root, sizeof r->record.root, "%s", o->trace);
    jb_cover_describe(r->trace.cover, r->trace.n, r->record.domains, sizeof r->record.domains, left_out, sizeof left_out);
    for (size_t i = 0; i < r->trace.n; i++) { // what lies before the common start is nobody's window
        const struct jb_trace_zone *z = &r->trace.zone[i];
        while (r->at[i] + 1 < z->n && z->point[r->at[i] + 1].t_ns <= r->trace.start_ns) r->at[i]++;
        r->checked[i] = r->at[i];
    }
    r->open_ns = now_of(o);
    *impl = r;
    return JB_OK;
}

static void close_replay(void *impl)
{
    struct replay *r = impl;
    if (!r) return;
    jb_trace_close(&r->trace);
    free(r);
}

// Between two readings the true sum lies between them; the figure is interpolated. Returns why there is none, or NULL.
static const char *add_zone(struct replay *r, size_t i, uint64_t t_ns, struct jb_joules *sum)
{
    const struct jb_trace_zone *z = &r->trace.zone[i];
    while (r->at[i] + 1 < z->n && z->point[r->at[i] + 1].t_ns <= t_ns) r->at[i]++;
    const struct jb_trace_point *before = &z->point[r->at[i]];
    bool exact = before->t_ns == t_ns;
    size_t last = exact ? r->at[i] : r->at[i] + 1; // the last reading that this answer rests on
    const char *bad = NULL;
    for (size_t k = r->checked[i] + 1; k <= last; k++)
        if (z->point[k].bad) bad = z->point[k].bad;
    r->checked[i] = r->at[i];
    if (bad) return bad;
    const struct jb_trace_point *after = &z->point[last];
    double share = exact ? 0 : (double)(t_ns - before->t_ns) / (double)(after->t_ns - before->t_ns);
    sum->uj += before->total_uj + share * (after->total_uj - before->total_uj);
    sum->lower_uj += before->lower_uj;
    sum->upper_uj += after->upper_uj;
    sum->wraps += before->wraps;
    return NULL;
}

static int read_replay(void *impl, uint64_t now_ns, struct jb_joules *out)
{
    struct replay *r = impl;
    const struct jb_trace *t = &r->trace;
    struct jb_joules sum = r->record;
    uint64_t since = now_ns > r->open_ns ? now_ns - r->open_ns : 0;
    const char *bad = NULL;
    if (since > t->end_ns - t->start_ns)
        return jb_read_failed(out, JB_E_UNAVAILABLE, jb_power_replay.name, "the trace is over: it lasts %.3f s, this is second %.3f", (double)(t->end_ns - t->start_ns) * 1e-9, (double)since * 1e-9);
    for (size_t i = 0; i < t->n; i++) {
        if (!t->cover[i].summed) continue;
        const char *why = add_zone(r, i, t->start_ns + since, &sum);
        if (!bad) bad = why;
    }
    if (bad) return jb_read_failed(out, JB_E_UNAVAILABLE, jb_power_replay.name, "%s", bad);
    sum.window_ns = since;
    *out = sum;
    return JB_OK;
}

const struct jb_power_ops jb_power_replay = {"replay", "a recorded trace of counter readings (class replayed)", probe, open_replay, close_replay, read_replay};
