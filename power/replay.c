// replay: the readings of a recorded trace come in as time goes by, from the moment the source opens. Everything downstream tests without a sensor, and a run can be looked at again.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/source.h"
#include "power/trace.h"

#define SETTLE_CAP_NS 3000000000u
#define SETTLE_MARGIN_NS 10000000u // whoever waits sleeps between two looks

struct replay {
    struct jb_trace *trace;
    struct jb_clock clock;
    uint64_t open_ns;                                 // stands for trace->start_ns
    size_t at[JB_SOURCE_MAX_CHANNELS];                // readings given out
    struct jb_reading next[JB_SOURCE_MAX_CHANNELS];   // the one behind them, where there is one
};

static int read_trace(struct jb_trace **t, const struct jb_power_opts *o, struct jb_err *err)
{
    if (!o->trace) return jb_fail(err, JB_E_UNAVAILABLE, "no trace was given (--power-trace FILE)");
    return jb_trace_read(t, o->trace, err);
}

// What of it would be summed, as a live machine's channels are.
static void describe(struct jb_trace *t, struct jb_power_probe *out)
{
    struct jb_cover_zone zones[JB_SOURCE_MAX_CHANNELS];
    for (size_t i = 0; i < t->n; i++) zones[i] = t->channel[i].zone;
    jb_cover_choose(zones, t->n);
    jb_cover_describe(zones, t->n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct jb_trace *t;
    struct jb_err err = {0};
    jb_probe_init(out, jb_source_replay.name);
    int rc = read_trace(&t, o, &err);
    if (rc == JB_E_NOMEM) return rc;
    if (o->trace) {
        snprintf(out->path, sizeof out->path, "%s", o->trace);
        jb_probe_mode(o->trace, out->mode);
    }
    if (rc == JB_OK) {
        out->available = true;
        out->cls = JB_ENERGY_REPLAYED;
        describe(t, out);
        jb_trace_close(t);
    } else {
        snprintf(out->reason, sizeof out->reason, "%.255s", err.detail);
        snprintf(out->fix, sizeof out->fix, "joulebench power record -o FILE makes a trace; --power-trace FILE replays it");
    }
    return JB_OK;
}

static void fetch_next(struct replay *r, size_t i)
{
    if (r->at[i] < jb_trace_count(r->trace, i)) jb_trace_reading(r->trace, i, r->at[i], &r->next[i]);
}

static void fill_source(const struct replay *r, const char *path, struct jb_source *out)
{
    const struct jb_trace_head *h = &r->trace->head;
    char date[32];
    jb_time_iso8601(h->realtime_ns, date);
    *out = (struct jb_source){.cls = JB_ENERGY_REPLAYED, .channel = r->trace->channel, .n = r->trace->n, .sampler_period_ns = h->sampler_period_ns, .stream = true};
    snprintf(out->name, sizeof out->name, "%s", jb_source_replay.name);
    snprintf(out->root, sizeof out->root, "%s", path);
    snprintf(out->remark, sizeof out->remark, "recorded from %s at %.48s on %s%s", h->name, h->root[0] ? h->root : "?", date, r->trace->torn ? "; its last line was torn" : "");
    size_t at = strlen(out->remark); // what was remarked then holds now, too: that a guest's counters were vouched for
    if (h->remark[0]) snprintf(out->remark + at, sizeof out->remark - at, "; %s", h->remark);
    uint64_t settle_ns = r->trace->largest_gap_ns + SETTLE_MARGIN_NS;
    out->settle_most_ns = settle_ns < SETTLE_CAP_NS ? settle_ns : SETTLE_CAP_NS;
}

static int open_replay(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct replay *r = calloc(1, sizeof *r);
    if (!r) return jb_fail(err, JB_E_NOMEM, "replay: out of memory");
    int rc = read_trace(&r->trace, o, err);
    if (rc) {
        free(r);
        jb_err_prefix(err, "replay");
        return rc;
    }
    for (size_t i = 0; i < r->trace->n; i++) fetch_next(r, i);
    fill_source(r, o->trace, out);
    r->clock = jb_power_clock(o);
    r->open_ns = r->clock.now_ns(r->clock.self);
    *impl = r;
    return JB_OK;
}

static void close_replay(void *impl)
{
    struct replay *r = impl;
    if (!r) return;
    jb_trace_close(r->trace);
    free(r);
}

// A recorded time on the clock of today.
static uint64_t mapped(const struct replay *r, uint64_t t_ns)
{
    uint64_t start_ns = r->trace->start_ns;
    if (t_ns >= start_ns) return r->open_ns + (t_ns - start_ns);
    return r->open_ns > start_ns - t_ns ? r->open_ns - (start_ns - t_ns) : 0;
}

static bool is_due(const struct replay *r, size_t i, uint64_t now_ns)
{
    return r->at[i] < jb_trace_count(r->trace, i) && mapped(r, r->next[i].end_ns) <= now_ns;
}

static bool read_replay(void *impl, size_t i, struct jb_reading *out)
{
    struct replay *r = impl;
    const struct jb_trace *t = r->trace;
    uint64_t now_ns = r->clock.now_ns(r->clock.self);
    if (is_due(r, i, now_ns)) {
        *out = r->next[i];
        out->begin_ns = mapped(r, out->begin_ns);
        out->end_ns = mapped(r, out->end_ns);
        r->at[i]++;
        fetch_next(r, i);
        return is_due(r, i, now_ns);
    }
    bool over = now_ns > mapped(r, t->last_ns);
    *out = (struct jb_reading){.begin_ns = now_ns, .end_ns = now_ns, .errnum = over ? ENODATA : EAGAIN};
    if (over) snprintf(out->why, sizeof out->why, "the trace is over: it lasts %.3f s", (double)(t->last_ns - t->start_ns) * 1e-9);
    return false;
}

const struct jb_source_ops jb_source_replay = {
    .name = "replay", .summary = "a recorded trace of raw readings (class replayed)", .only_when_asked = true,
    .probe = probe, .open = open_replay, .close = close_replay, .read = read_replay,
};
