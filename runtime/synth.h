// Deterministic small models for tests and `joulebench synth`: random weights for a graph, written in the container format.
#ifndef JB_RUNTIME_SYNTH_H
#define JB_RUNTIME_SYNTH_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct jb_synth_opts {
    const char *kind;     // "cnn" (jbcnn with exits), "state" (the stateful test family)
    uint32_t stages;      // 1..16
    uint32_t width;       // channels of the first stage
    int32_t size;         // image height and width
    int32_t channels;     // input channels
    uint32_t classes;
    uint64_t seed;
    uint32_t encoder;     // "state": the first so many stages are an encoder (part 0); 0: a decoder alone
    uint32_t positions;   // "state": longest sequence
};
void jb_synth_defaults(struct jb_synth_opts *o);
// The same into memory; *out is owned by the caller (free).
int jb_synth_make(void **out, size_t *n_bytes, const struct jb_synth_opts *o, struct jb_err *err);
int jb_synth_write(const char *path, const struct jb_synth_opts *o, struct jb_err *err);

#endif
