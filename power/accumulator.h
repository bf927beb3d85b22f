// Inside power: one counter that wraps, made into a sum that does not, with the bounds that follow from how the counter works.
#ifndef JB_POWER_ACCUMULATOR_H
#define JB_POWER_ACCUMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is known of the counter before the first reading.
struct jb_counter {
    uint64_t range_uj;   // largest value; behind it comes 0 (sources differ on whether after range or range + unit)
    double unit_uj;      // step of the counter
    double ceiling_w;    // no more than this is ever drawn
    uint64_t update_ns;  // the value is at most this old
    bool never_rests;    // a package: standing still for long means frozen, not idle
};

struct jb_accumulator {
    struct jb_counter counter;
    bool started;
    uint64_t last_uj, last_ns;
    uint64_t total_uj;     // since the first reading
    uint32_t wraps;
    double wrap_slack_uj;  // what the wraps may have hidden
    uint64_t read_end_ns;  // when the last reading was over
};

void jb_accumulator_init(struct jb_accumulator *a, const struct jb_counter *counter);
// A reading taken between begin_ns and end_ns. On failure the accumulator starts again from this value, `reason` says why (at least 160 bytes):
// RANGE: implausible (ran backwards, was reset, or more power than the ceiling); UNAVAILABLE: several wraps were possible, or it froze; INVALID: above its range.
int jb_accumulator_push(struct jb_accumulator *a, uint64_t raw_uj, uint64_t begin_ns, uint64_t end_ns, char *reason, size_t room);
// A reading was missed or refused: the next one starts again.
void jb_accumulator_break(struct jb_accumulator *a);
// True cumulative energy at `at_ns` lies in [lower, upper], by the last reading alone.
void jb_accumulator_bounds(const struct jb_accumulator *a, uint64_t at_ns, double *lower_uj, double *upper_uj);

// Unit of a RAPL counter of 32 bits with this range (range = (2^32 - 1) units); 1 for others.
double jb_counter_unit_uj(uint64_t range_uj, bool rapl);

#endif
