// How long blocks must be for joules of a wanted half-width. Pure arithmetic over what the journal says of a cell's blocks.
//
// Bounds are hard, not statistical: the sum of n windows is only known to within the sum of their half-widths, so that n equal windows are no narrower, in
// proportion, than one. Only longer windows are: a half-width has a part a that comes from a window's two edges (update period, unit) and does not grow with it, and a
// part b * T that does (a driver's accuracy figure, sampling). Over a window of length T at power P the share is (a + b T) / (P T), which falls to b / P and no further.
// For blocks done with energy E and half-width H, and R blocks of length T still to come, (H + R (a + b T)) / (E + R P T) <= target asks for
//     T >= (H + R a - target E) / (R (target P - b)).
#ifndef JB_HARNESS_EXTEND_H
#define JB_HARNESS_EXTEND_H

#include "harness/facts.h"

struct jb_extension {
    bool known;              // some window has a figure that counts; else nothing below is set
    bool reached, unreachable; // unreachable: no length of window is enough
    double half_width;       // of the sum over the windows, relative
    double wanted_ns;        // length of each block to come; NAN when reached or unreachable
};
// `left`: blocks still to come (at least 1 is assumed).
void jb_extension_of(const struct jb_block_fact *blocks, uint32_t n, uint32_t left, double target, struct jb_extension *out);
// Whether figures of this class are worth the time: modelled ones are not.
bool jb_energy_counts(enum jb_energy_class c);

#endif
