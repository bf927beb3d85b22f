// Inside the runtime: the kinds of synthetic models. Options are checked by the caller.
#ifndef JB_RUNTIME_SYNTH_IMPL_H
#define JB_RUNTIME_SYNTH_IMPL_H

#include "runtime/gguf.h"
#include "runtime/model.h"
#include "runtime/synth.h"

int jb_synth_cnn(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err);
int jb_synth_state(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err);

#endif
