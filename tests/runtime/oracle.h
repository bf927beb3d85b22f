// A second, naive evaluation of a `jbcnn` file, written from docs/model-format.md alone: it shares no code with runtime/ but the GGUF reader.
// Reals in double precision; integers exactly by section 4, one value at a time.
#ifndef JB_TESTS_ORACLE_H
#define JB_TESTS_ORACLE_H

#include <stdbool.h>
#include "runtime/gguf.h"
#include "runtime/tensor.h"

struct oracle_value {
    char name[64];
    int h, w, c;
    double *real;          // f32 stages
    int *q;                // integer stages
    bool is_real, quantized;
    float scale;
    int zero;
};

struct oracle {
    const struct jb_gguf *g, *exits; // exits: NULL or the side file
    struct oracle_value *values;
    int n_values;
    double lo[512], hi[512];         // seen so far, by value index (real runs)
    char seen[512][64];
    int n_seen;
};

void oracle_open(struct oracle *o, const struct jb_gguf *g, const struct jb_gguf *exits);
void oracle_close(struct oracle *o);
// Begins a new image (bytes as in a session).
void oracle_begin(struct oracle *o, const unsigned char *image);
void oracle_stage(struct oracle *o, int stage, enum jb_precision p);
// Logits of the head behind the stage that ran last; out has room for all classes.
void oracle_head(struct oracle *o, int stage, enum jb_precision p, double *out);
// Replaces the output of a stage by these reals (those of a session), converted by q(x): what follows in integers is exact again.
void oracle_set_output(struct oracle *o, int stage, const float *x);
bool oracle_has_head(const struct oracle *o, int stage);

#endif
