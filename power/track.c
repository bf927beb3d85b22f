#include "power/track.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define W_TO_UJ_PER_NS 1e-3
#define REST_PERIODS 4           // update periods after which a counter that never rests must have moved
#define GAP_PERIODS 4            // update periods between two samples of power, beyond which nothing is known of the time between
#define GAP_LEAST_NS 500000000u

void jb_track_init(struct jb_track *t, const struct jb_channel *c)
{
    double ceiling_w = c->ceiling_w > 0 ? c->ceiling_w : JB_DEFAULT_CEILING_W;
    *t = (struct jb_track){.channel = c, .ceiling_uj_per_ns = ceiling_w * W_TO_UJ_PER_NS, .update_ns = c->update_ns ? c->update_ns : c->update_least_ns || c->kind == JB_CHANNEL_POWER ? JB_UPDATE_UNKNOWN_NS : JB_UPDATE_ANY_NS};
    // A counter that steps by more than a count is rounded twice: to its step by the hardware, to a count by the kernel.
    t->step_uj = c->step_uj > c->unit ? c->step_uj + c->unit : c->unit;
}

static uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// What may be drawn in `ns` at most.
static double at_most(const struct jb_track *t, uint64_t ns) { return t->ceiling_uj_per_ns * (double)ns; }

// A failed reading: nothing is known of the time behind the last good one, so marks that no reading has confirmed are lost and none is narrowed any more.
__attribute__((format(printf, 3, 4))) static int fail(struct jb_track *t, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->fault, sizeof t->fault, format, args);
    va_end(args);
    t->faults++;
    t->started = false;
    for (int i = 0; i < JB_TRACK_MARKS; i++) {
        struct jb_mark *m = &t->mark[i];
        // Of what never rests, a value that was not seen to move on may have been an old one: the source may have died before the mark.
        if (m->open && (!m->confirmed || ((t->channel->never_rests || t->channel->kind == JB_CHANNEL_POWER) && !m->final))) m->lost = true;
        m->final = true;
    }
    return code;
}

// ---- marks of a counter ----

// What the reading held last says of time m->t_ns.
static void narrow(const struct jb_track *t, struct jb_mark *m)
{
    double hidden = t->slack_uj - m->slack_uj;
    double lower = t->total_uj - at_most(t, minus(t->s_most_ns, m->t_ns));
    double upper = t->total_uj + t->step_uj + hidden + at_most(t, minus(m->t_ns, t->s_least_ns));
    m->lower_uj = fmax(m->lower_uj, lower);
    m->upper_uj = fmin(m->upper_uj, upper);
    bool confirms = !m->confirmed && t->last_end_ns >= m->t_ns;
    // No line can be laid through edges whose distance is not known: then the reading nearest in time.
    if (confirms && t->channel->update_ns == 0 && t->last_end_ns - m->t_ns < m->before_ns) m->best_uj = t->total_uj;
    if (confirms) m->wraps_behind = t->wraps;
    m->confirmed |= confirms;
    m->final = t->s_least_ns >= m->t_ns;
}

// The best figure at a mark between the last edge and a new one at (ns, uj).
static void fit(const struct jb_track *t, struct jb_mark *m, double ns, double uj)
{
    double at = (double)m->t_ns;
    if (m->fitted || t->channel->update_ns == 0 || at > ns || at < t->edge_from_ns || ns <= t->edge_ns) return;
    m->best_uj = t->edge_uj + (uj - t->edge_uj) * ((at - t->edge_ns) / (ns - t->edge_ns));
    m->fitted = true;
}

static double clamp(double x, double low, double high) { return isnan(x) ? (low + high) / 2 : x < low ? low : x > high ? high : x; }

// When the counter was not watched, its last change is known to an update period alone. The next one, seen as it happens, dates it: it came a period before.
static void date_last_edge(struct jb_track *t, double from_ns, double to_ns)
{
    double period = (double)t->channel->period_ns;
    if (period > 0 && to_ns - from_ns < period / 4 && t->edge_to_ns - t->edge_from_ns > period / 4) t->edge_ns = clamp((from_ns + to_ns) / 2 - period, t->edge_from_ns, t->edge_to_ns);
}

static void note_edge(struct jb_track *t)
{
    double from = (double)t->s_least_ns, to = (double)t->s_most_ns, ns = (from + to) / 2, uj = t->total_uj;
    if (t->edges) date_last_edge(t, from, to);
    for (int i = 0; i < JB_TRACK_MARKS; i++)
        if (t->mark[i].open && t->edges) fit(t, &t->mark[i], ns, uj);
    if (t->edges && ns > t->edge_ns) t->rate_uj_per_ns = (uj - t->edge_uj) / (ns - t->edge_ns);
    t->edge_from_ns = from;
    t->edge_to_ns = to;
    t->edge_ns = ns;
    t->edge_uj = uj;
    t->edges++;
}

static void narrow_marks(struct jb_track *t)
{
    for (int i = 0; i < JB_TRACK_MARKS; i++)
        if (t->mark[i].open && !t->mark[i].final) narrow(t, &t->mark[i]);
}

// ---- readings of a counter ----

// Counts since the last reading; decides whether they are a number at all.
static int step_of(struct jb_track *t, const struct jb_reading *r, uint64_t *counts, bool *wrapped)
{
    const struct jb_channel *c = t->channel;
    bool back = c->falling ? r->count > t->last_count : r->count < t->last_count;
    uint64_t gap = minus(r->end_ns, t->s_least_ns), since_edge = minus(r->end_ns, t->edge_least_ns);
    double seconds = (double)minus(r->end_ns, t->last_begin_ns) * 1e-9;
    *wrapped = back && c->range && !c->falling;
    if (c->falling) *counts = t->last_count - r->count;
    else *counts = *wrapped ? r->count + (c->range - t->last_count) : r->count - t->last_count;
    if (back && !*wrapped)
        return fail(t, JB_E_RANGE, c->falling ? "the level rose: it is being charged" : "implausible: the counter ran backwards or was reset (%.6g s between readings)", seconds);
    double uj = (double)*counts * c->unit;
    if (uj > at_most(t, since_edge) + 2 * t->step_uj)
        return fail(t, JB_E_RANGE, "implausible: %s (%.6g s between readings, %.6g W implied, ceiling %.6g W)",
                    *wrapped ? "the counter ran backwards or was reset" : "more power than the ceiling", seconds, seconds > 0 ? uj * 1e-6 / seconds : 0, t->ceiling_uj_per_ns / W_TO_UJ_PER_NS);
    if (c->range && uj + (double)c->range * c->unit <= at_most(t, gap) + 2 * t->step_uj)
        return fail(t, JB_E_UNAVAILABLE, "ambiguous wrap: the counter may have wrapped more than once (%.6g s between readings, ceiling %.6g W)", seconds, t->ceiling_uj_per_ns / W_TO_UJ_PER_NS);
    return JB_OK;
}

static void start(struct jb_track *t, const struct jb_reading *r, uint64_t s_least_ns)
{
    t->started = t->known = true;
    t->last_count = r->count;
    t->s_least_ns = t->edge_least_ns = s_least_ns;
    t->s_most_ns = r->end_ns;
    t->still_since_ns = t->last_begin_ns = r->begin_ns;
    t->last_end_ns = r->end_ns;
    // The value may have stood there for up to an update period: no edge was seen, but the line has to begin somewhere.
    t->edge_from_ns = (double)s_least_ns;
    t->edge_to_ns = (double)r->end_ns;
    t->edge_ns = (t->edge_from_ns + t->edge_to_ns) / 2;
    t->edge_uj = t->total_uj;
}

static int push_count(struct jb_track *t, const struct jb_reading *r)
{
    const struct jb_channel *c = t->channel;
    uint64_t counts = 0, s_least = r->exact ? r->begin_ns : minus(r->begin_ns, t->update_ns);
    bool wrapped = false;
    if (c->range && r->count > c->range) return fail(t, JB_E_INVALID, "the counter stands above its own range");
    if (t->started) {
        int rc = step_of(t, r, &counts, &wrapped);
        if (rc) {
            start(t, r, s_least);
            return rc;
        }
    } else {
        start(t, r, s_least);
    }
    bool still = counts == 0 && !wrapped;
    uint64_t rested = minus(r->begin_ns, t->still_since_ns);
    if (still && c->never_rests && rested > REST_PERIODS * t->update_ns) { // before it confirms any mark
        int rc = fail(t, JB_E_UNAVAILABLE, "the counter is frozen: it has not moved for %.6g s", (double)rested * 1e-9);
        t->started = true;
        t->last_begin_ns = r->begin_ns;
        t->last_end_ns = r->end_ns;
        return rc;
    }
    t->total_count += counts;
    t->total_uj = (double)t->total_count * c->unit;
    if (wrapped) {
        t->wraps++;
        t->slack_uj += t->step_uj; // from the range to 0 is no step for some counters and one unit of the hardware for others
    }
    t->last_count = r->count;
    if (still) {
        // No energy since; but of what never rests a still value is an old one, if not frozen.
        if (!c->never_rests && s_least > t->s_least_ns) t->s_least_ns = s_least;
    } else {
        t->s_least_ns = t->edge_least_ns = s_least > t->last_begin_ns || r->exact ? s_least : t->last_begin_ns;
        t->s_most_ns = r->end_ns;
        t->still_since_ns = r->begin_ns;
        note_edge(t);
    }
    t->last_begin_ns = r->begin_ns;
    t->last_end_ns = r->end_ns;
    narrow_marks(t);
    return JB_OK;
}

// ---- readings of power ----

enum { LEAST, BEST, MOST };

// A mark `ns` behind (or, negative, before) the sums as they are.
static void settle_power_mark(const struct jb_track *t, struct jb_mark *m, const double rate[3], double ns)
{
    m->lower_uj = t->low_uj + rate[LEAST] * ns;
    m->best_uj = t->total_uj + rate[BEST] * ns;
    m->upper_uj = t->high_uj + rate[MOST] * ns;
    m->confirmed = m->fitted = true;
    m->final = t->s_least_ns >= m->t_ns;
}

// Rates change at the last sample, whose moment may lie before its read: what this can do to the sums, and to marks before it.
static void bend(struct jb_track *t, const double rate[3])
{
    double up = fmax(rate[MOST] - t->slice[MOST], 0), down = fmax(t->slice[LEAST] - rate[LEAST], 0), z = (double)(t->last_end_ns - t->s_least_ns);
    for (int i = 0; i < JB_TRACK_MARKS; i++) {
        struct jb_mark *m = &t->mark[i];
        if (!m->open || !m->confirmed || m->final) continue;
        double ns = (double)minus(m->t_ns, t->s_least_ns);
        m->ahead_low_uj += down * ns;
        m->ahead_high_uj += up * ns;
    }
    t->low_uj -= down * z;
    t->high_uj += up * z;
}

// From the last sample to one that was read until `now`.
static void add_slice(struct jb_track *t, const struct jb_reading *r)
{
    const struct jb_channel *c = t->channel;
    uint64_t ns = r->end_ns - t->last_end_ns, most = GAP_PERIODS * t->update_ns > GAP_LEAST_NS ? GAP_PERIODS * t->update_ns : GAP_LEAST_NS, before = t->last_end_ns;
    double w = r->watts * W_TO_UJ_PER_NS, last = t->last_w * W_TO_UJ_PER_NS, step = fmax(c->unit, c->step_uj * 1e-6) * W_TO_UJ_PER_NS;
    bool gap = ns > most;
    double rate[3] = {gap ? 0 : fmax(fmin(w, last) - step, 0), c->averaged ? w : (w + last) / 2, gap ? t->ceiling_uj_per_ns : fmax(w, last) + step};
    if (t->sliced) bend(t, rate);
    t->s_least_ns = r->exact ? r->begin_ns : minus(r->begin_ns, t->update_ns);
    for (int i = 0; i < JB_TRACK_MARKS; i++) {
        struct jb_mark *m = &t->mark[i];
        if (!m->open || m->lost || m->final) continue;
        if (m->confirmed) m->final = t->s_least_ns >= m->t_ns;
        else if (m->t_ns <= r->end_ns) settle_power_mark(t, m, rate, (double)minus(m->t_ns, before));
    }
    t->low_uj += rate[LEAST] * (double)ns;
    t->total_uj += rate[BEST] * (double)ns;
    t->high_uj += rate[MOST] * (double)ns;
    memcpy(t->slice, rate, sizeof t->slice);
    t->sliced = true;
}

static int push_watts(struct jb_track *t, const struct jb_reading *r)
{
    if (!(r->watts >= 0) || r->watts * W_TO_UJ_PER_NS > t->ceiling_uj_per_ns)
        return fail(t, JB_E_RANGE, "implausible: %.6g W, ceiling %.6g W", r->watts, t->ceiling_uj_per_ns / W_TO_UJ_PER_NS);
    if (!t->started) {
        t->sliced = false;
        t->s_least_ns = r->exact ? r->begin_ns : minus(r->begin_ns, t->update_ns);
    } else if (r->end_ns > t->last_end_ns) {
        add_slice(t, r);
    }
    t->started = t->known = true;
    t->edges++;
    t->last_w = r->watts;
    t->last_begin_ns = r->begin_ns;
    t->last_end_ns = r->end_ns;
    return JB_OK;
}

int jb_track_push(struct jb_track *t, const struct jb_reading *r)
{
    if (r->errnum == EAGAIN) return JB_OK;
    if (r->errnum == ENODATA) return fail(t, JB_E_UNAVAILABLE, "%s", r->why[0] ? r->why : "the file is empty");
    if (r->errnum == EINVAL) return fail(t, JB_E_UNAVAILABLE, "%s", r->why[0] ? r->why : "not a number, or the driver failed to read it");
    if (r->errnum == ENODEV) return fail(t, JB_E_UNAVAILABLE, "%s", r->why[0] ? r->why : "it has vanished");
    if (r->errnum) return fail(t, JB_E_UNAVAILABLE, "%s", r->why[0] ? r->why : strerror(r->errnum));
    if (r->end_ns < r->begin_ns || (t->started && r->end_ns < t->last_end_ns)) return fail(t, JB_E_INVALID, "a reading out of order");
    return t->channel->kind == JB_CHANNEL_POWER ? push_watts(t, r) : push_count(t, r);
}

// ---- windows ----

void jb_track_mark(struct jb_track *t, int slot, uint64_t t_ns)
{
    struct jb_mark *m = &t->mark[slot];
    *m = (struct jb_mark){.open = true, .t_ns = t_ns, .wraps = t->wraps, .faults = t->faults, .edges = t->edges, .lower_uj = -INFINITY, .upper_uj = INFINITY, .best_uj = NAN};
    if (t->channel->kind == JB_CHANNEL_POWER) {
        m->lost = !t->started;
        if (t_ns >= t->last_end_ns) return; // the next sample tells
        // Within the last read: back along the rates before it; of the very first one nothing is known but the ceiling.
        double first[3] = {0, t->last_w * W_TO_UJ_PER_NS, t->ceiling_uj_per_ns};
        settle_power_mark(t, m, t->sliced ? t->slice : first, -(double)(t->last_end_ns - t_ns));
        return;
    }
    m->slack_uj = t->slack_uj;
    m->before_ns = t->started ? minus(t_ns, t->last_end_ns) : UINT64_MAX;
    if (!t->started) return;
    narrow(t, m);
    m->best_uj = t->channel->update_ns ? t->edge_uj + t->rate_uj_per_ns * ((double)t_ns - t->edge_ns) : t->total_uj;
}

void jb_track_unmark(struct jb_track *t, int slot) { t->mark[slot].open = false; }

static void span_of_power(const struct jb_track *t, const struct jb_mark *a, const struct jb_mark *b, struct jb_span *out)
{
    // What a sample that is still to come may say of the time before the end.
    double open_ns = b->final ? 0 : (double)minus(b->t_ns, t->s_least_ns);
    out->lower_uj = fmax(b->lower_uj - a->lower_uj - b->ahead_low_uj - open_ns * t->slice[LEAST], 0);
    out->upper_uj = b->upper_uj - a->upper_uj + b->ahead_high_uj + open_ns * fmax(t->ceiling_uj_per_ns - t->slice[MOST], 0);
    out->uj = clamp(b->best_uj - a->best_uj, out->lower_uj, out->upper_uj);
    out->wraps = 0;
}

static void span_of_counts(const struct jb_mark *a, const struct jb_mark *b, bool moved, struct jb_span *out)
{
    double hidden = b->slack_uj - a->slack_uj; // negative: the end was set before the begin, with a wrap between
    out->lower_uj = fmax(b->lower_uj - a->upper_uj + fmin(hidden, 0), 0);
    out->upper_uj = fmax(b->upper_uj - a->lower_uj + fmax(hidden, 0), out->lower_uj);
    double from = clamp(a->best_uj, a->lower_uj, a->upper_uj), to = clamp(b->best_uj, b->lower_uj, b->upper_uj);
    out->uj = moved ? clamp(to - from, out->lower_uj, out->upper_uj) : out->lower_uj;
    out->wraps = b->wraps_behind - a->wraps;
}

int jb_track_between(const struct jb_track *t, int from, int to, struct jb_span *out, char *reason, size_t room)
{
    const struct jb_mark *a = &t->mark[from], *b = &t->mark[to];
    const char *why = NULL;
    bool power = t->channel->kind == JB_CHANNEL_POWER, moved = t->edges != a->edges;
    // The value behind the end may be of long before it, when it then stands still for more than a period.
    bool stuck = t->channel->never_rests && t->channel->update_ns && !b->final && minus(t->last_begin_ns, t->still_since_ns) > t->update_ns;
    if (!a->open || !b->open || b->t_ns < a->t_ns) why = "the window was never begun";
    else if (a->lost || b->lost || a->faults != b->faults) why = t->fault[0] ? t->fault : "no reading yet";
    else if (!a->confirmed || !b->confirmed) why = power ? "no sample of power behind the window" : "no reading behind the window";
    else if (!moved && t->channel->never_rests) why = "the counter did not move: the window is shorter than its update period, or it is frozen";
    else if (stuck) why = "the counter has not moved for longer than its update period behind the window: it may have been frozen within it";
    else if (!isfinite(a->lower_uj) || !isfinite(a->upper_uj) || !isfinite(b->lower_uj) || !isfinite(b->upper_uj)) why = "no reading yet";
    if (why) {
        snprintf(reason, room, "%s", why);
        return JB_E_UNAVAILABLE;
    }
    if (power) span_of_power(t, a, b, out);
    else span_of_counts(a, b, moved, out);
    out->lower_uj *= 1 - fmin(t->channel->accuracy, 1);
    out->upper_uj *= 1 + t->channel->accuracy;
    return JB_OK;
}
