// Random small networks in the container format: every operation, shape, halo and fusing that the format allows, by seed.
#ifndef JB_TESTS_RANDNET_H
#define JB_TESTS_RANDNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct randnet { void *data; size_t n_bytes; int h, w, c, stages, classes; };

// real_only: with activations that have no integer form. Ranges come from the oracle.
void randnet_make(struct randnet *out, uint64_t seed, bool real_only);
void randnet_free(struct randnet *net);
// A random image for it; owned by the caller.
unsigned char *randnet_image(const struct randnet *net, uint64_t seed);

#endif
