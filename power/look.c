// Looking at counters when a source opens: how often each is brought up to date, and which packages are mirrors of one another.
#include <errno.h>
#include <string.h>
#include "power/meter_data.h"

#define SEARCH_NS 60000000u    // how long is looked
#define SEARCH_BUSY_NS 400000000u // on a busy machine, where what was seen so far was disturbed
#define ENOUGH_EDGES 16        // periods that are enough
#define MOST_READS 400000      // bound for clocks that stand still
#define DISTURBED_NS 250000    // for two reads: the search was off the CPU, this period does not count
#define MARGIN 1.5             // the longest period seen is not the longest there is
#define MIRROR_EDGES 3         // changes together after which two equal counters are one

static const char mirror_text[] = "the same counter as another package";

struct look {
    uint64_t count, last_begin_ns, edge_ns, longest_ns, sum_ns; // last_begin_ns: of the read before; sum_ns: of the periods
    int periods, edges;
    bool bad, disturbed;
};

// Counters whose period is not known yet, and packages, which may be mirrors.
static bool wanted(const struct jb_channel *c)
{
    return c->kind == JB_CHANNEL_ENERGY && c->zone.has_counter && c->zone.summed && (c->update_ns == 0 || jb_cover_is_package(&c->zone));
}

static void see(struct look *l, const struct jb_reading *r, bool first)
{
    if (r->errnum) {
        l->bad |= r->errnum != EAGAIN;
        return;
    }
    bool held_up = !first && r->end_ns - l->last_begin_ns > DISTURBED_NS; // the change came at some time since that read began
    l->last_begin_ns = r->begin_ns;
    l->disturbed |= held_up;
    if (first || r->count == l->count) {
        l->count = r->count;
        return;
    }
    l->count = r->count;
    l->edges++;
    if (l->edge_ns && !l->disturbed) {
        l->periods++;
        l->sum_ns += r->end_ns - l->edge_ns;
        if (r->end_ns - l->edge_ns > l->longest_ns) l->longest_ns = r->end_ns - l->edge_ns;
    }
    l->edge_ns = r->end_ns;
    l->disturbed = held_up;
}

static bool enough(const struct jb_source *s, const struct look *look)
{
    for (size_t i = 0; i < s->n; i++)
        if (wanted(&s->channel[i]) && !look[i].bad && look[i].periods < ENOUGH_EDGES) return false;
    return true;
}

// Something moves, but mostly when it did we were held up.
static bool disturbed(const struct jb_source *s, const struct look *look)
{
    for (size_t i = 0; i < s->n; i++)
        if (wanted(&s->channel[i]) && !look[i].bad && look[i].periods < 8 && look[i].edges > 2 * look[i].periods + 2) return true;
    return false;
}

// Packages equal at nearly every look while they move are one counter: AMD parts with several dies show it once a die.
static void drop_mirrors(struct jb_source *s, const struct look *look, uint32_t (*unequal)[JB_SOURCE_MAX_CHANNELS], uint32_t rounds)
{
    for (size_t j = 0; j < s->n; j++)
        for (size_t i = 0; i < j && !s->channel[j].zone.excluded; i++) {
            if (!jb_cover_is_package(&s->channel[i].zone) || !jb_cover_is_package(&s->channel[j].zone) || s->channel[i].zone.excluded) continue;
            if (strcmp(s->channel[i].zone.control_type, s->channel[j].zone.control_type) != 0) continue;
            if (!wanted(&s->channel[i]) || !wanted(&s->channel[j]) || look[i].bad || look[j].bad) continue;
            // A look may fall between the updates of the two: a tenth may differ.
            if (look[i].edges >= MIRROR_EDGES && look[j].edges >= MIRROR_EDGES && unequal[i][j] <= rounds / 10) s->channel[j].zone.excluded = mirror_text;
        }
}

static uint32_t watch(struct jb_leg *leg, const struct jb_clock *clock, struct look *look, uint32_t (*unequal)[JB_SOURCE_MAX_CHANNELS])
{
    struct jb_source *s = &leg->source;
    uint64_t start = clock->now_ns(clock->self), now = start;
    uint32_t rounds = 0;
    for (uint64_t reads = 0; reads < MOST_READS && (now - start < SEARCH_NS || (now - start < SEARCH_BUSY_NS && disturbed(s, look))) && (rounds == 0 || !enough(s, look)); rounds++) {
        for (size_t i = 0; i < s->n; i++) {
            struct jb_reading r;
            if (!wanted(&s->channel[i])) continue;
            (void)leg->ops->read(leg->impl, i, &r);
            see(&look[i], &r, rounds == 0);
            for (size_t k = 0; k < i; k++) unequal[k][i] += look[k].count != look[i].count;
            reads++;
        }
        if (rounds == 0 && enough(s, look)) break;
        now = clock->now_ns(clock->self);
    }
    return rounds;
}

void jb_leg_look(struct jb_leg *leg, const struct jb_clock *clock)
{
    struct jb_source *s = &leg->source;
    struct look look[JB_SOURCE_MAX_CHANNELS] = {0};
    uint32_t unequal[JB_SOURCE_MAX_CHANNELS][JB_SOURCE_MAX_CHANNELS] = {0};
    bool any = false, all_found = true;
    for (size_t i = 0; i < s->n; i++) any |= wanted(&s->channel[i]);
    uint64_t period_ns = 0;
    uint32_t rounds = any && !s->stream ? watch(leg, clock, look, unequal) : 0;
    drop_mirrors(s, look, unequal, rounds);
    for (size_t i = 0; i < s->n; i++) {
        struct jb_channel *c = &s->channel[i];
        bool resting = c->kind == JB_CHANNEL_ENERGY && !c->never_rests; // a plane at rest shows no edge; its siblings tell
        if (c->update_ns == 0 && look[i].periods >= 2) {
            c->update_ns = (uint64_t)((double)look[i].longest_ns * MARGIN) + 1;
            c->period_ns = look[i].sum_ns / (uint64_t)look[i].periods;
            if (c->period_ns > period_ns) period_ns = c->period_ns;
        }
        if (c->update_ns && c->update_ns < c->update_least_ns) c->update_ns = c->update_least_ns;
        if (!c->zone.summed || c->zone.excluded) continue;
        if (c->update_ns > leg->update_ns) leg->update_ns = c->update_ns;
        if (c->update_ns == 0 && !resting) all_found = false;
    }
    for (size_t i = 0; i < s->n; i++) // counters of one driver share its period
        if (s->channel[i].kind == JB_CHANNEL_ENERGY && s->channel[i].update_ns == 0 && all_found) {
            s->channel[i].update_ns = leg->update_ns;
            s->channel[i].period_ns = period_ns;
        }
    if (!all_found) leg->update_ns = 0;
}
