// Inside power: the energy of one channel over time, as far as its readings tell. Pure arithmetic: no clock, no file, no lock.
//
// A reading of a counter says: at some time s in [s_least, s_most] the cumulative energy was in [C, C + step). With a ceiling P on power, for every time t
//     C - P max(0, s_most - t)  <=  E(t)  <=  C + step + P max(0, t - s_least)
// because energy never falls and rises by no more than P. A mark is a time t whose bounds are narrowed by every reading before and after it: readings behind t
// bound E(t) from above without using P at all. A window is two marks. (Derivation: docs/measuring-energy.md.)
//     s_most  = end of the read.
//     s_least = begin of the read - update period; but if the value differs from the one before, it was updated since that earlier read began: the later of both.
// A reading of power is of some moment in [begin - update period, end], if it is not exact of the moment of the read; from one such moment to the next one's power lay
// between the two readings: integrated. These bounds rest on that assumption, which the class says. Sums are kept as if each moment were the end of its read; that a moment may
// have been up to z earlier adds z max(0, M - M') at each reading to the sum of the most, where M' and M are the larger of two neighbours before and behind it, and likewise
// takes z max(0, m' - m) from the sum of the least. Readings behind a window's end may be of before it: only the first that cannot be makes the bounds final.
#ifndef JB_POWER_TRACK_H
#define JB_POWER_TRACK_H

#include "power/source.h"

#define JB_TRACK_MARKS 16
#define JB_UPDATE_UNKNOWN_NS 100000000u // assumed when the update period was not found: RAPL (1 ms by its specification), samples of power
#define JB_UPDATE_ANY_NS 1000000000u    // the same for other counters of energy: monitors average over up to a second

struct jb_mark {
    bool open;
    bool final;              // a reading behind it was seen; later ones cannot narrow it further
    bool confirmed;          // some good reading ended at or after it
    bool lost;               // a reading failed before one confirmed it: nothing is known
    bool fitted;             // best_uj lies on the line between the edges around it
    uint64_t t_ns, before_ns; // before_ns: since the last reading before it
    double lower_uj, best_uj, upper_uj; // since the track's first reading; power: of the sums of least and most power
    double slack_uj;         // energy: what wraps had hidden when it was set
    double ahead_low_uj, ahead_high_uj; // power: what samples behind it, which may be of before it, take from the one and add to the other
    uint32_t wraps, wraps_behind; // the track's when it was set, and when it was confirmed
    uint64_t faults, edges;  // the track's when it was set
};

struct jb_track {
    const struct jb_channel *channel; // borrowed
    double ceiling_uj_per_ns, step_uj;
    uint64_t update_ns;      // in use: the channel's, or what was assumed
    bool started;            // the next reading continues from the last one
    bool known;              // some reading was good so far
    uint64_t last_count, last_begin_ns, last_end_ns;
    uint64_t s_least_ns, s_most_ns; // when last_count was true, as narrow as is known
    uint64_t edge_least_ns;  // s_least when last_count was first seen
    uint64_t still_since_ns; // begin of the first read that showed last_count
    uint64_t total_count;    // energy: counts since the first reading
    double total_uj;         // the same in microjoules; power: the best sum
    double low_uj, high_uj;  // power: sums of the least and the most power
    double last_w;
    bool sliced;             // power: slice holds the least, best and most rate between the last two samples, in uJ/ns
    double slice[3];
    double slack_uj;         // energy: what wraps may have hidden so far
    double edge_ns, edge_uj, rate_uj_per_ns; // the last change of value, and the slope between the last two
    double edge_from_ns, edge_to_ns; // where edge_ns may lie
    uint32_t wraps;
    uint64_t edges;          // changes of value seen (power: readings)
    uint64_t faults;
    char fault[200];         // the last one
    struct jb_mark mark[JB_TRACK_MARKS];
};

void jb_track_init(struct jb_track *t, const struct jb_channel *c);
// Takes a reading (errnum EAGAIN: nothing happens). On failure counting starts anew from this value, the windows over it are lost (faults), and `fault` says why:
// RANGE: implausible (ran backwards, was reset, or more power than the ceiling); UNAVAILABLE: several wraps were possible, frozen, or unreadable; INVALID: above its range.
int jb_track_push(struct jb_track *t, const struct jb_reading *r);
// A time to be known, not before the last reading began. Slots are the caller's to choose (0 .. JB_TRACK_MARKS - 1); a slot in use is taken over.
void jb_track_mark(struct jb_track *t, int slot, uint64_t t_ns);
void jb_track_unmark(struct jb_track *t, int slot);
// Energy between two marks. UNAVAILABLE with the reason (room for 256 bytes) when a fault lies between, nothing was known, or what never rests did not move.
struct jb_span { double uj, lower_uj, upper_uj; uint32_t wraps; };
int jb_track_between(const struct jb_track *t, int from, int to, struct jb_span *out, char *reason, size_t room);

#endif
