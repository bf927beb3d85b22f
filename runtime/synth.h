// Deterministic small models for tests and `joulebench synth`: random weights for a graph, written in the container format.
#ifndef JB_RUNTIME_SYNTH_H
#define JB_RUNTIME_SYNTH_H

#include "base/err.h"
#include <stdint.h>

struct jb_synth_opts {
    const char *kind;     // "cnn" (jbcnn with exits), "state" (the stateful test family)
    uint32_t stages;      // 1..16
    uint32_t width;       // channels of the first stage
    int32_t size;         // image height and width
    int32_t channels;     // input channels
    uint32_t classes;
    uint64_t seed;
};
void jb_synth_defaults(struct jb_synth_opts *o);
int jb_synth_write(const char *path, const struct jb_synth_opts *o, struct jb_err *err);

#endif
