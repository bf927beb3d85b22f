// Windows: aligned to the counters' edges where these come quickly, and closed by the reading behind the end. What a window needs is found in the tracks.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "power/meter_data.h"

#define STREAM_MOST 100000       // readings taken in one go from a stream
#define STANDING_CLOCK 64        // looks after which a clock that does not move is believed to stand still
#define SPIN_MOST 200000         // looks
#define SLEEP_LEAST_NS 500000u
#define SETTLE_MOST_NS 3000000000u

static uint64_t now_of(const struct jb_meter *m) { return m->clock.now_ns(m->clock.self); }

void jb_leg_read(struct jb_meter *m, struct jb_leg *leg, size_t i)
{
    bool more = true;
    for (int n = 0; more && n < STREAM_MOST; n++) {
        struct jb_reading r = {0};
        more = leg->ops->read(leg->impl, i, &r);
        if (m->recorder && leg == m->leg && r.errnum != EAGAIN && jb_recorder_add(m->recorder, i, &r) != JB_OK) m->record_failed = true;
        if (leg->source.stream) snprintf(leg->no_news, sizeof leg->no_news, "%s", r.errnum == EAGAIN ? r.why : "");
        (void)jb_track_push(&leg->track[i], &r);
    }
}

void jb_meter_read_all(struct jb_meter *m)
{
    for (int k = 0; k < JB_METER_LEGS; k++)
        for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++)
            if (m->leg[k].source.channel[i].zone.has_counter) jb_leg_read(m, &m->leg[k], i);
}

// ---- waiting for counters ----

enum wait { WAIT_EDGE, WAIT_FINAL };

// A counter in the cover that comes round so quickly that waiting for it costs little.
static bool is_fast(const struct jb_leg *leg, size_t i)
{
    const struct jb_channel *c = &leg->source.channel[i];
    return c->zone.summed && c->kind == JB_CHANNEL_ENERGY && !leg->source.stream && leg->track[i].update_ns <= JB_ALIGN_MOST_NS;
}

static bool arrived(const struct jb_track *t, enum wait what, int mark, uint64_t edges, uint64_t faults)
{
    return t->faults != faults || (what == WAIT_EDGE ? t->edges != edges : t->mark[mark].final);
}

// Reads what is fast again and again until all of it has come round, at most two periods.
static void spin(struct jb_meter *m, enum wait what, int mark)
{
    uint64_t edges[JB_METER_LEGS][JB_SOURCE_MAX_CHANNELS], faults[JB_METER_LEGS][JB_SOURCE_MAX_CHANNELS], longest = 0;
    for (int k = 0; k < JB_METER_LEGS; k++)
        for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++) {
            edges[k][i] = m->leg[k].track[i].edges;
            faults[k][i] = m->leg[k].track[i].faults;
            if (is_fast(&m->leg[k], i) && m->leg[k].track[i].update_ns > longest) longest = m->leg[k].track[i].update_ns;
        }
    uint64_t start = now_of(m), now = start;
    for (int looks = 0, standing = 0; longest && looks < SPIN_MOST && standing < STANDING_CLOCK && now - start <= 2 * longest; looks++) {
        bool waiting = false;
        for (int k = 0; k < JB_METER_LEGS; k++)
            for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++) {
                if (!is_fast(&m->leg[k], i)) continue;
                bool there = arrived(&m->leg[k].track[i], what, mark, edges[k][i], faults[k][i]);
                // One that came round between two others' reads is looked at further, or its last edge is a period old when the last one comes.
                if (there && what == WAIT_FINAL) continue;
                jb_leg_read(m, &m->leg[k], i);
                waiting |= !there;
            }
        if (!waiting) return;
        uint64_t before = now;
        now = now_of(m);
        standing = now == before ? standing + 1 : 0;
    }
}

// Of a stream all that ever came: what is not summed comes in the same round, a moment behind.
static bool is_slow(const struct jb_leg *leg, size_t i)
{
    return (leg->source.channel[i].zone.summed || (leg->source.stream && leg->track[i].known)) && !is_fast(leg, i);
}

static uint64_t settle_ns(const struct jb_leg *leg, size_t i)
{
    uint64_t ns = leg->source.settle_most_ns ? leg->source.settle_most_ns : leg->track[i].update_ns + leg->track[i].update_ns / 2;
    return ns < SETTLE_MOST_NS ? ns : SETTLE_MOST_NS;
}

// Slow ones are waited for asleep, unless the window is so short that nothing can come of it.
static void settle(struct jb_meter *m, int mark, uint64_t window_ns)
{
    uint64_t start = now_of(m), now = start;
    for (int standing = 0; standing < STANDING_CLOCK;) {
        uint64_t pause = UINT64_MAX;
        for (int k = 0; k < JB_METER_LEGS; k++)
            for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++) {
                struct jb_track *t = &m->leg[k].track[i];
                if (!is_slow(&m->leg[k], i) || t->mark[mark].final || now - start > settle_ns(&m->leg[k], i) || 2 * window_ns < t->update_ns) continue;
                jb_leg_read(m, &m->leg[k], i);
                uint64_t eighth = t->update_ns / 8 > SLEEP_LEAST_NS ? t->update_ns / 8 : SLEEP_LEAST_NS;
                if (!t->mark[mark].final && eighth < pause) pause = eighth;
            }
        if (pause == UINT64_MAX) return;
        uint64_t before = now;
        m->clock.sleep_ns(m->clock.self, pause);
        now = now_of(m);
        standing = now == before ? standing + 1 : 0;
    }
}

// ---- begin ----

static void mark_all(struct jb_meter *m, int mark, uint64_t t_ns)
{
    for (int k = 0; k < JB_METER_LEGS; k++)
        for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++)
            if (m->leg[k].source.channel[i].zone.has_counter) jb_track_mark(&m->leg[k].track[i], mark, t_ns);
}

static const char *cover_trouble(const struct jb_leg *leg)
{
    for (size_t i = 0; i < leg->source.n; i++)
        if (leg->source.channel[i].zone.summed && !leg->track[i].started && leg->track[i].faults) return leg->track[i].fault;
    return NULL;
}

int jb_meter_begin(struct jb_meter *m, struct jb_window *w)
{
    *w = (struct jb_window){.slot = -1};
    if (jb_meter_is_none(m)) {
        w->start_ns = now_of(m);
        return JB_OK;
    }
    pthread_mutex_lock(&m->lock);
    for (int s = 0; s < JB_METER_WINDOWS && w->slot < 0; s++)
        if (!m->slot_used[s]) w->slot = s;
    if (w->slot >= 0) {
        m->slot_used[w->slot] = true;
        w->generation = ++m->generation[w->slot];
        jb_meter_read_all(m);
        spin(m, WAIT_EDGE, 0);
    }
    w->start_ns = now_of(m);
    if (w->slot >= 0) mark_all(m, 2 * w->slot, w->start_ns);
    int rc = w->slot < 0 ? JB_E_RANGE : cover_trouble(&m->leg[0]) ? JB_E_UNAVAILABLE : JB_OK;
    pthread_mutex_unlock(&m->lock);
    return rc;
}

// ---- end ----

__attribute__((format(printf, 3, 4))) static struct jb_joules no_figure(const struct jb_leg *leg, uint64_t window_ns, const char *format, ...)
{
    char reason[sizeof((struct jb_joules *)0)->reason];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    struct jb_joules none = jb_joules_none(leg->source.name, reason);
    snprintf(none.root, sizeof none.root, "%s", leg->source.root);
    none.window_ns = window_ns;
    return none;
}

// A record of this leg without its figures.
static struct jb_joules blank(const struct jb_leg *leg, uint64_t window_ns, const char *domains)
{
    struct jb_joules j = {.cls = leg->source.cls, .window_ns = window_ns, .update_ns = leg->update_ns};
    snprintf(j.source, sizeof j.source, "%s", leg->source.name);
    snprintf(j.root, sizeof j.root, "%s", leg->source.root);
    snprintf(j.domains, sizeof j.domains, "%s", domains);
    snprintf(j.reason, sizeof j.reason, "%s", leg->source.remark);
    return j;
}

static void add(struct jb_joules *j, const struct jb_span *s)
{
    j->uj += s->uj;
    j->lower_uj += s->lower_uj;
    j->upper_uj += s->upper_uj;
    j->wraps += s->wraps;
}

static struct jb_joules part(const struct jb_leg *leg, size_t i, int slot, uint64_t window_ns)
{
    const struct jb_channel *c = &leg->source.channel[i];
    struct jb_span span;
    char why[256];
    if (!c->zone.has_counter) return no_figure(leg, window_ns, "%s", c->zone.why_not ? c->zone.why_not : "no counter");
    if (jb_track_between(&leg->track[i], 2 * slot, 2 * slot + 1, &span, why, sizeof why)) {
        // No fault: nothing came, or nothing moved.
        const char *hint = leg->track[i].mark[2 * slot].faults != leg->track[i].faults ? "" : leg->no_news[0] ? leg->no_news : leg->source.too_short;
        return no_figure(leg, window_ns, "%s: %s%s%s", c->zone.label, why, hint[0] ? "; " : "", hint);
    }
    struct jb_joules j = blank(leg, window_ns, c->zone.label);
    j.update_ns = c->update_ns;
    add(&j, &span);
    return j;
}

// The sum over the cover; or over the channels of the cover whose label stands in both legs, when `other` is given.
static struct jb_joules sum(const struct jb_leg *leg, int slot, uint64_t window_ns, const struct jb_leg *other)
{
    struct jb_joules j = blank(leg, window_ns, leg->domains);
    for (size_t i = 0; i < leg->source.n; i++) {
        bool both = !other;
        for (size_t k = 0; other && k < other->source.n; k++) both |= other->source.channel[k].zone.summed && strcmp(other->source.channel[k].zone.label, leg->source.channel[i].zone.label) == 0;
        if (!leg->source.channel[i].zone.summed || !both) continue;
        struct jb_joules one = part(leg, i, slot, window_ns);
        if (!jb_joules_have(&one)) return one;
        j.uj += one.uj;
        j.lower_uj += one.lower_uj;
        j.upper_uj += one.upper_uj;
        j.wraps += one.wraps;
    }
    return j;
}

// A window whose lower bound is 0 says nothing.
static struct jb_joules judged(const struct jb_leg *leg, const struct jb_joules *j)
{
    if (!jb_joules_have(j) || (j->lower_uj > 0 && j->uj > 0)) return *j;
    uint64_t longest = 0;
    for (size_t i = 0; i < leg->source.n; i++)
        if (leg->source.channel[i].zone.summed && leg->track[i].update_ns > longest) longest = leg->track[i].update_ns;
    return no_figure(leg, j->window_ns, "the window of %.6g ms is too short: the counters are brought up to date every %.6g ms, and between 0 and %.3g J were drawn%s%s", (double)j->window_ns * 1e-6,
                     (double)longest * 1e-6, j->upper_uj * 1e-6, leg->source.too_short[0] ? "; " : "", leg->source.too_short);
}

// Two ways to one counter must not contradict each other.
static struct jb_joules cross_checked(const struct jb_meter *m, const struct jb_joules *j, int slot)
{
    const struct jb_leg *a = &m->leg[0], *b = &m->leg[1];
    if (!b->ops || !jb_joules_have(j)) return *j;
    struct jb_joules x = sum(a, slot, j->window_ns, b), y = sum(b, slot, j->window_ns, a);
    if (!jb_joules_have(&x) || !jb_joules_have(&y) || (x.lower_uj <= y.upper_uj && y.lower_uj <= x.upper_uj)) return *j;
    return no_figure(a, j->window_ns, "%s and %s read the same counters and disagree: %.6g to %.6g J against %.6g to %.6g J", a->source.name, b->source.name, x.lower_uj * 1e-6, x.upper_uj * 1e-6,
                     y.lower_uj * 1e-6, y.upper_uj * 1e-6);
}

static void release(struct jb_meter *m, int slot)
{
    for (int k = 0; k < JB_METER_LEGS; k++)
        for (size_t i = 0; m->leg[k].ops && i < m->leg[k].source.n; i++) {
            jb_track_unmark(&m->leg[k].track[i], 2 * slot);
            jb_track_unmark(&m->leg[k].track[i], 2 * slot + 1);
        }
    m->slot_used[slot] = false;
}

static bool is_open(const struct jb_meter *m, const struct jb_window *w)
{
    return w->slot >= 0 && w->slot < JB_METER_WINDOWS && m->slot_used[w->slot] && m->generation[w->slot] == w->generation;
}

struct jb_joules jb_meter_end_parts(struct jb_meter *m, const struct jb_window *w, struct jb_joules *parts, size_t room)
{
    uint64_t end_ns = now_of(m), window_ns = end_ns > w->start_ns ? end_ns - w->start_ns : 0;
    if (jb_meter_is_none(m)) return no_figure(&m->leg[0], window_ns, "%s", m->none_reason);
    pthread_mutex_lock(&m->lock);
    struct jb_joules j;
    if (!is_open(m, w)) {
        j = no_figure(&m->leg[0], window_ns, w->slot < 0 ? "more than %d windows are open at once" : "the window was never begun, or has ended", JB_METER_WINDOWS);
        for (size_t i = 0; i < room && i < m->leg[0].source.n; i++) parts[i] = j;
    } else {
        int to = 2 * w->slot + 1;
        mark_all(m, to, end_ns);
        jb_meter_read_all(m);
        spin(m, WAIT_FINAL, to);
        settle(m, to, window_ns);
        j = sum(&m->leg[0], w->slot, window_ns, NULL);
        j = judged(&m->leg[0], &j);
        j = cross_checked(m, &j, w->slot);
        for (size_t i = 0; i < room && i < m->leg[0].source.n; i++) parts[i] = part(&m->leg[0], i, w->slot, window_ns);
        release(m, w->slot);
    }
    pthread_mutex_unlock(&m->lock);
    return j;
}

struct jb_joules jb_meter_end(struct jb_meter *m, const struct jb_window *w)
{
    return jb_meter_end_parts(m, w, NULL, 0);
}

void jb_meter_poll(struct jb_meter *m)
{
    if (jb_meter_is_none(m)) return;
    pthread_mutex_lock(&m->lock);
    jb_meter_read_all(m);
    pthread_mutex_unlock(&m->lock);
}
