// Power as a known function of time, so that the true energy between any two moments can be computed exactly by whoever knows the seed: the program
// that advances a tree, the file system that answers reads, and the test that judges the figure. Steps between two powers, repeating after 256 steps.
#ifndef JB_TESTS_POWER_PROFILE_H
#define JB_TESTS_POWER_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#define PROFILE_STEPS 256

struct profile {
    uint64_t zero_ns, step_ns;          // energy is counted from zero_ns
    double watts[PROFILE_STEPS], uj_before[PROFILE_STEPS + 1];
};

// Powers between least and most; a quarter of the steps at the one, a quarter at the other. least == most: constant.
void profile_make(struct profile *p, uint64_t seed, double least_w, double most_w, uint64_t step_ns, uint64_t zero_ns);
double profile_uj(const struct profile *p, uint64_t t_ns); // since zero_ns; 0 before

// A counter of energy as it is shown: whole units, wrapped. The value after `range` is 0; with a unit above 1 one more unit comes before it, as in 32-bit registers.
uint64_t profile_shown(double uj, uint64_t unit_uj, uint64_t range_uj);
// The moment of the last update at or before t: periods of at most period_ns, shortened by up to `jitter` of it, the same for everybody who asks.
uint64_t profile_update_at(uint64_t t_ns, uint64_t period_ns, double jitter, uint64_t seed);

#endif
