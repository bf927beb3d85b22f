// Inside noise: the pairs of one series while they are measured.
#ifndef JB_HARNESS_NOISE_DATA_H
#define JB_HARNESS_NOISE_DATA_H

#include <stddef.h>
#include "harness/noise.h"

struct jb_noise_pair {
    double mean, median;             // log ratio B / A
    double log_mean;                 // of A, alone
    double log_median;               // level of both
    double log_reference;            // of the reference kernel beside A; NAN: none
    double at_s, wall_s;             // since the beginning; what the pair took
};
struct jb_noise_pairs { struct jb_noise_pair *pair; size_t n, room; double queries; };

// Fills what follows from the pairs. `pairs` has one entry for each series. JB_E_NOMEM.
int jb_noise_sum(struct jb_noise *n, const struct jb_noise_pairs *pairs);
// Sights that follow from a standard deviation and its bounds; none is less than `floor`.
void jb_noise_look(struct jb_noise_spread *s, double pair_ms, double measured_s, double floor);
// Latencies are whole nanoseconds, so that a median moves by nanoseconds, however many blocks there are: the least share of a query that it can show.
double jb_noise_median_floor(const struct jb_noise_load *l);

#endif
