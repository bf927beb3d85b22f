// Inside the runtime: the kinds of synthetic models. Options are checked by the caller.
#ifndef JB_RUNTIME_SYNTH_IMPL_H
#define JB_RUNTIME_SYNTH_IMPL_H

#include "base/rng.h"
#include "runtime/gguf.h"
#include "runtime/model.h"
#include "runtime/synth.h"

int jb_synth_cnn(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err);
int jb_synth_state(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err);
// *kept: what the writer borrows until it has written; owned by the caller (free), also on failure. Checks its options itself.
int jb_synth_llama(struct jb_gguf_writer *w, const struct jb_synth_opts *o, void **kept, struct jb_err *err);

#define JB_SYNTH_SPECIALS 3u
// Keys of a byte-level tokenizer of n tokens (at least JB_SYNTH_SPECIALS + 256).
int jb_synth_vocab(struct jb_gguf_writer *w, uint32_t n);
// n random values of a type (whole blocks) with this mean (0 for types in blocks) and about this standard deviation.
void jb_synth_rows(struct jb_rng *rng, uint32_t type, float mean, float spread, uint8_t *out, size_t n);

#endif
