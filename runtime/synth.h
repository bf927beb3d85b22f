// Deterministic small models for tests and `joulebench synth`: random weights for a graph, written in the container format.
#ifndef JB_RUNTIME_SYNTH_H
#define JB_RUNTIME_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct jb_synth_opts {
    const char *kind;     // "cnn" (jbcnn with exits), "state" (the stateful test family), "llama" (a language model with a small vocabulary)
    uint32_t stages;      // 1..16
    uint32_t width;       // channels of the first stage; "llama": values of an embedding
    int32_t size;         // image height and width
    int32_t channels;     // input channels
    uint32_t classes;
    uint64_t seed;
    uint32_t encoder;     // "state": the first so many stages are an encoder (part 0); 0: a decoder alone
    uint32_t positions;   // "state": longest sequence
    // "llama"
    uint32_t layers, heads, kv_heads;
    uint32_t ffn;         // values within feed-forward; 0: about three widths, whole blocks of the type
    uint32_t vocab;       // at least 259: bytes and special tokens
    uint32_t context;
    const char *type;     // of matrices: "f32", "q4_K", ... (jb_block_type names that can be widened), or "mixed": all in turn that fit
    bool tied;            // no output.weight: the embeddings serve
};
void jb_synth_defaults(struct jb_synth_opts *o);
// The same into memory; *out is owned by the caller (free).
int jb_synth_make(void **out, size_t *n_bytes, const struct jb_synth_opts *o, struct jb_err *err);
// A side file with random exits for the llama at `base`: behind the first layers[k] of its layers, n rising numbers from 1 to all but one. Small translators of each form in turn, gates.
int jb_synth_write_exits(const char *path, const char *base, const uint32_t *layers, uint32_t n, uint64_t seed, struct jb_err *err);
bool jb_synth_type_known(const char *name); // of "llama"
int jb_synth_write(const char *path, const struct jb_synth_opts *o, struct jb_err *err);

#endif
