// Opening a meter: which source, its cover, ceilings, what is known of it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/meter_data.h"

#define SAMPLER_MOST_NS 10000000000u // sums are kept at least so often, whatever the range
#define SAMPLER_LEAST_NS 1000000u
#define POWER_PERIOD_NS 100000000u   // samples of power, where the source does not say

static const struct jb_source_ops *find(const char *name)
{
    for (size_t i = 0; jb_power_sources[i]; i++)
        if (strcmp(jb_power_sources[i]->name, name) == 0) return jb_power_sources[i];
    return NULL;
}

// ---- a leg ----

static void close_leg(struct jb_leg *leg)
{
    if (leg->ops) leg->ops->close(leg->impl);
    free(leg->track);
    memset(leg, 0, sizeof *leg);
}

static void choose_cover(struct jb_leg *leg)
{
    struct jb_source *s = &leg->source;
    struct jb_cover_zone zones[JB_SOURCE_MAX_CHANNELS];
    for (size_t i = 0; i < s->n; i++) zones[i] = s->channel[i].zone;
    jb_cover_choose(zones, s->n);
    for (size_t i = 0; i < s->n; i++) s->channel[i].zone = zones[i];
    jb_cover_describe(zones, s->n, leg->domains, sizeof leg->domains, leg->left_out, sizeof leg->left_out);
}

static void set_ceilings(struct jb_leg *leg, const struct jb_power_opts *o)
{
    for (size_t i = 0; i < leg->source.n; i++) {
        struct jb_channel *c = &leg->source.channel[i];
        if (o->max_power_w > 0) {
            c->ceiling_w = o->max_power_w;
            c->ceiling_from = "--max-power-w";
        } else if (!(c->ceiling_w > 0)) {
            c->ceiling_w = JB_DEFAULT_CEILING_W;
            c->ceiling_from = "default";
        }
    }
}

// The first reading, which a source that only looks alive does not survive.
static int first_reading(struct jb_meter *m, struct jb_leg *leg, struct jb_err *err)
{
    size_t summed = 0;
    for (size_t i = 0; i < leg->source.n; i++) {
        const struct jb_channel *c = &leg->source.channel[i];
        if (!c->zone.has_counter) continue;
        jb_leg_read(m, leg, i);
        if (c->zone.summed && leg->track[i].faults) return jb_fail(err, JB_E_UNAVAILABLE, "%s: %s: %s", leg->ops->name, c->zone.label, leg->track[i].fault);
        summed += c->zone.summed;
    }
    return summed ? JB_OK : jb_fail(err, JB_E_UNAVAILABLE, "%s: no channel that may be summed", leg->ops->name);
}

static int open_leg(struct jb_meter *m, struct jb_leg *leg, const struct jb_source_ops *ops, const struct jb_power_opts *o, struct jb_err *err)
{
    int rc = ops->open(&leg->impl, o, &leg->source, err);
    if (rc) return rc;
    leg->ops = ops;
    leg->read_ns = NAN;
    if (ops == &jb_source_none) return JB_OK;
    set_ceilings(leg, o);
    choose_cover(leg);
    jb_leg_look(leg, &m->clock);
    choose_cover(leg);
    if (!leg->source.stream) leg->read_ns = jb_source_read_cost_ns(ops, leg->impl, &leg->source, &m->clock);
    leg->track = calloc(leg->source.n + 1, sizeof *leg->track);
    if (!leg->track) rc = jb_fail(err, JB_E_NOMEM, "%s: out of memory", ops->name);
    for (size_t i = 0; i < leg->source.n && !rc; i++) jb_track_init(&leg->track[i], &leg->source.channel[i]);
    if (!rc) rc = first_reading(m, leg, err);
    if (rc) close_leg(leg);
    return rc;
}

// ---- which source ----

// Adds why a source cannot serve to the reason of `none`: a record has no room for what follows from it or would unlock it, which `power probe` tells.
static void note_reason(struct jb_meter *m, const char *detail)
{
    static const char *const further[] = {"; to unlock: ", " (a virtual machine ", ": this "};
    size_t at = strlen(m->none_reason), room = sizeof m->none_reason - at, n = strlen(detail);
    for (size_t i = 0; i < sizeof further / sizeof *further; i++) {
        const char *end = strstr(detail, further[i]);
        if (end && (size_t)(end - detail) < n) n = (size_t)(end - detail);
    }
    if (n + 4 < room) snprintf(m->none_reason + at, room, "%s%.*s", at ? " | " : "", (int)n, detail);
    else if (room > 7 && (at < 3 || strcmp(m->none_reason + at - 3, "...") != 0)) memcpy(m->none_reason + at, " | ...", 7);
}

// The first source that opens and measures; what the others said goes into the reason of `none`. What is only modelled (a guest's RAPL) comes last.
static int open_auto(struct jb_meter *m, const struct jb_power_opts *o, struct jb_err *err)
{
    const struct jb_source_ops *modelled = NULL;
    for (size_t i = 0; jb_power_sources[i]; i++) {
        const struct jb_source_ops *ops = jb_power_sources[i];
        bool given = (ops == &jb_source_replay && o->trace) || (ops == &jb_source_external && o->external);
        if (ops->only_when_asked && !given) continue;
        struct jb_err why = {0};
        int rc = open_leg(m, &m->leg[0], ops, o, &why);
        if (rc == JB_OK && m->leg[0].source.cls != JB_ENERGY_MODELLED) return JB_OK;
        if (rc == JB_OK) {
            if (!modelled) modelled = ops;
            close_leg(&m->leg[0]);
            continue;
        }
        if (rc == JB_E_NOMEM) return jb_fail(err, rc, "%s: out of memory", ops->name);
        note_reason(m, why.detail);
    }
    return open_leg(m, &m->leg[0], modelled ? modelled : &jb_source_none, o, err);
}

// perf and powercap read the same counters by different ways: the other one is opened beside it to compare.
static void open_cross_check(struct jb_meter *m, const struct jb_power_opts *o)
{
    const struct jb_source_ops *mine = m->leg[0].ops, *other = mine == &jb_source_perf ? &jb_source_powercap : mine == &jb_source_powercap ? &jb_source_perf : NULL;
    struct jb_err unused = {0};
    if (!other || o->no_cross_check) return;
    if (open_leg(m, &m->leg[1], other, o, &unused)) return;
    if (m->leg[1].source.cls != m->leg[0].source.cls) close_leg(&m->leg[1]);
}

// ---- the sampler's period ----

// Half the shortest time in which a counter can wrap; samples of power as often as the source says.
static uint64_t sampler_period_ns(const struct jb_leg *leg)
{
    uint64_t period = leg->source.sampler_period_ns ? leg->source.sampler_period_ns : SAMPLER_MOST_NS;
    for (size_t i = 0; i < leg->source.n; i++) {
        const struct jb_channel *c = &leg->source.channel[i];
        uint64_t ns = UINT64_MAX;
        if (!c->zone.has_counter) continue;
        if (c->kind == JB_CHANNEL_POWER && !leg->source.sampler_period_ns) ns = c->update_ns ? c->update_ns : POWER_PERIOD_NS;
        if (c->kind == JB_CHANNEL_ENERGY && c->range) ns = (uint64_t)((double)c->range * c->unit * 1e3 / c->ceiling_w / 2);
        if (ns < period) period = ns;
    }
    return period > SAMPLER_LEAST_NS ? period : SAMPLER_LEAST_NS;
}

static int start_sampler(struct jb_meter *m, const struct jb_power_opts *o, struct jb_err *err)
{
    if (o->no_sampler || jb_meter_is_none(m) || m->clock.now_ns != jb_clock_monotonic().now_ns) return JB_OK;
    uint64_t period = sampler_period_ns(&m->leg[0]);
    if (m->leg[1].ops && sampler_period_ns(&m->leg[1]) < period) period = sampler_period_ns(&m->leg[1]);
    return jb_sampler_start(m, period, o->measured_cpus) ? jb_fail(err, JB_E_NOMEM, "the thread that samples the counters could not be started") : JB_OK;
}

// ---- open and close ----

static int open_source(struct jb_meter *m, const struct jb_power_opts *o, struct jb_err *err)
{
    const char *name = o->source && o->source[0] ? o->source : "auto";
    bool automatic = strcmp(name, "auto") == 0;
    const struct jb_source_ops *ops = automatic ? NULL : find(name);
    if (!automatic && !ops)
        return jb_fail(err, JB_E_NOT_FOUND, "unknown power source \"%.60s\" (known: auto, perf, powercap, papi, hwmon, battery, external, replay, none)", name);
    if (o->max_power_w < 0 || isnan(o->max_power_w)) return jb_fail(err, JB_E_RANGE, "a power ceiling of %g W", o->max_power_w);
    if (ops == &jb_source_none) snprintf(m->none_reason, sizeof m->none_reason, "no energy source was chosen");
    int rc = automatic ? open_auto(m, o, err) : open_leg(m, &m->leg[0], ops, o, err);
    if (rc) return rc;
    if (automatic) open_cross_check(m, o);
    if (o->record && !jb_meter_is_none(m)) rc = jb_recorder_open(&m->recorder, o->record, &m->leg[0].source, &m->clock, err);
    return rc ? rc : start_sampler(m, o, err);
}

int jb_meter_open(struct jb_meter **out, const struct jb_power_opts *o, struct jb_err *err)
{
    struct jb_meter *m = calloc(1, sizeof *m);
    if (!m) return jb_fail(err, JB_E_NOMEM, "out of memory");
    m->clock = jb_power_clock(o);
    m->sampler.cpu = -1;
    pthread_mutex_init(&m->lock, NULL);
    int rc = open_source(m, o, err);
    if (rc) {
        jb_meter_close(m);
        return rc;
    }
    *out = m;
    return JB_OK;
}

void jb_meter_close(struct jb_meter *m)
{
    if (!m) return;
    jb_sampler_stop(m);
    if (m->recorder) (void)jb_recorder_close(m->recorder, NULL);
    close_leg(&m->leg[1]);
    close_leg(&m->leg[0]);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

int jb_meter_record_end(struct jb_meter *m, struct jb_err *err)
{
    if (!m->recorder) return JB_OK;
    pthread_mutex_lock(&m->lock);
    struct jb_recorder *r = m->recorder;
    m->recorder = NULL;
    pthread_mutex_unlock(&m->lock);
    return jb_recorder_close(r, err);
}

// ---- what is known ----

const char *jb_meter_source(const struct jb_meter *m) { return m->leg[0].source.name; }

const char *jb_meter_root(const struct jb_meter *m) { return m->leg[0].source.root; }

void jb_meter_facts(const struct jb_meter *m, struct jb_meter_facts *out)
{
    const struct jb_leg *leg = &m->leg[0];
    *out = (struct jb_meter_facts){
        .source = leg->source.name, .root = leg->source.root, .cls = leg->source.cls, .domains = leg->domains, .left_out = leg->left_out, .remark = leg->source.remark,
        .reason = jb_meter_is_none(m) ? m->none_reason : "", .cross_check = m->leg[1].ops ? m->leg[1].source.name : "", .ceiling_from = "",
        .update_ns = leg->update_ns, .read_ns = leg->read_ns, .sampler_period_ns = m->sampler.running ? m->sampler.period_ns : 0,
    };
    for (size_t i = 0; i < leg->source.n; i++) {
        if (!leg->source.channel[i].zone.summed) continue;
        out->ceiling_w += leg->source.channel[i].ceiling_w;
        if (!out->ceiling_from[0] && leg->source.channel[i].ceiling_from) out->ceiling_from = leg->source.channel[i].ceiling_from;
    }
}

size_t jb_meter_n_channels(const struct jb_meter *m) { return m->leg[0].source.n; }

void jb_meter_channel(const struct jb_meter *m, size_t i, struct jb_channel_facts *out)
{
    const struct jb_channel *c = &m->leg[0].source.channel[i];
    const struct jb_track *t = &m->leg[0].track[i];
    bool energy = c->kind == JB_CHANNEL_ENERGY;
    *out = (struct jb_channel_facts){
        .label = c->zone.label, .control_type = c->zone.control_type, .path = c->path, .why_not = c->zone.why_not, .summed = c->zone.summed,
        .kind = energy ? "energy" : "power", .ceiling_w = c->ceiling_w, .unit_uj = energy ? (c->step_uj > c->unit ? c->step_uj : c->unit) : NAN,
        .range_uj = energy ? (uint64_t)((double)c->range * c->unit) : 0, .update_ns = c->update_ns, .trouble = t->fault,
    };
}
