// Seeded generator: xoshiro256** seeded by splitmix64 (Blackman & Vigna 2018, public domain). State is the caller's: no globals.
#ifndef JB_BASE_RNG_H
#define JB_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct jb_rng { uint64_t s[4]; };

void jb_rng_seed(struct jb_rng *r, uint64_t seed);
// Independent stream for a named purpose: seed and name are hashed together, so that adding a purpose does not shift another's numbers.
void jb_rng_seed_named(struct jb_rng *r, uint64_t seed, const char *name);
uint64_t jb_rng_u64(struct jb_rng *r);
uint64_t jb_rng_below(struct jb_rng *r, uint64_t n); // unbiased (Lemire 2019); n > 0
double jb_rng_unit(struct jb_rng *r);                // [0, 1)
double jb_rng_normal(struct jb_rng *r);              // Box-Muller
void jb_rng_shuffle_u32(struct jb_rng *r, uint32_t *x, size_t n);

#endif
