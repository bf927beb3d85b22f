// Bounds, for a ceiling P on the power drawn, update period u, unit q (docs/measuring-energy.md derives them):
// a reading C taken in [b, e] shows the energy at some time in [b - u, e], rounded down to a unit, so at time t the true sum lies in
// [C - P max(0, e - t), C + P (u + max(0, t - b)) + q].
#include "power/accumulator.h"
#include <math.h>
#include <stdio.h>
#include "base/err.h"

#define UNKNOWN_UNIT_UJ 1.0
#define REST_PERIODS 4           // update periods after which a counter that never rests must have moved
#define NS_TO_S 1e-9

void jb_accumulator_init(struct jb_accumulator *a, const struct jb_counter *counter)
{
    *a = (struct jb_accumulator){.counter = *counter};
}

double jb_counter_unit_uj(uint64_t range_uj, bool rapl)
{
    double unit = rapl ? ceil((double)range_uj / 4294967295.0) : UNKNOWN_UNIT_UJ;
    return unit > UNKNOWN_UNIT_UJ ? unit : UNKNOWN_UNIT_UJ;
}

static double drawn_at_most(const struct jb_counter *c, uint64_t ns)
{
    return c->ceiling_w * 1e6 * ((double)ns * NS_TO_S);
}

static int refuse(char *reason, size_t room, int code, const char *text, double seconds, double watts)
{
    snprintf(reason, room, "%s (%.6g s between readings, %.6g W implied)", text, seconds, watts);
    return code;
}

// Decides what the step from the last reading to this one was, and adds it.
static int advance(struct jb_accumulator *a, uint64_t raw_uj, uint64_t ns, char *reason, size_t room)
{
    const struct jb_counter *c = &a->counter;
    bool wrapped = raw_uj < a->last_uj;
    uint64_t step = wrapped ? raw_uj + (c->range_uj - a->last_uj) : raw_uj - a->last_uj;
    // A reading can be as old as the update period at either end, and each is rounded by a unit.
    double most = drawn_at_most(c, ns + c->update_ns) + 2 * c->unit_uj;
    double seconds = (double)ns * NS_TO_S, watts = seconds > 0 ? (double)step * 1e-6 / seconds : 0;
    if ((double)step > most)
        return refuse(reason, room, JB_E_RANGE, wrapped ? "implausible: the counter ran backwards or was reset" : "implausible: more power than the ceiling", seconds, watts);
    if ((double)step + (double)c->range_uj <= most)
        return refuse(reason, room, JB_E_UNAVAILABLE, "ambiguous wrap: the counter may have wrapped more than once", seconds, watts);
    if (step == 0 && c->never_rests && ns > REST_PERIODS * c->update_ns)
        return refuse(reason, room, JB_E_UNAVAILABLE, "the counter is frozen", seconds, 0);
    a->total_uj += step;
    if (wrapped) {
        a->wraps++;
        a->wrap_slack_uj += c->unit_uj + 1; // from range to 0 is no step for some sources and one unit for others
    }
    return JB_OK;
}

int jb_accumulator_push(struct jb_accumulator *a, uint64_t raw_uj, uint64_t begin_ns, uint64_t end_ns, char *reason, size_t room)
{
    if (raw_uj > a->counter.range_uj) {
        a->started = false;
        snprintf(reason, room, "the counter stands above its own range");
        return JB_E_INVALID;
    }
    int rc = a->started ? advance(a, raw_uj, end_ns > a->last_ns ? end_ns - a->last_ns : 0, reason, room) : JB_OK;
    a->started = true;
    a->last_uj = raw_uj;
    a->last_ns = begin_ns;
    a->read_end_ns = end_ns;
    return rc;
}

void jb_accumulator_break(struct jb_accumulator *a)
{
    a->started = false;
}

void jb_accumulator_bounds(const struct jb_accumulator *a, uint64_t at_ns, double *lower_uj, double *upper_uj)
{
    const struct jb_counter *c = &a->counter;
    uint64_t after = a->read_end_ns > at_ns ? a->read_end_ns - at_ns : 0;
    uint64_t before = at_ns > a->last_ns ? at_ns - a->last_ns : 0;
    *lower_uj = (double)a->total_uj - drawn_at_most(c, after);
    *upper_uj = (double)a->total_uj + a->wrap_slack_uj + drawn_at_most(c, c->update_ns + before) + c->unit_uj;
}
