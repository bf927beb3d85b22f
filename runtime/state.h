// Inside the runtime: the `jb-synth-state` family, a tiny sequence model for tests. It has no use but to show that the stage interface carries
// state: a stage leaves something at every position that later positions read, exits leave holes that are filled late, positions are taken back,
// an encoder leaves a memory. All arithmetic is on 32-bit words and wraps, so results are equal or not, never nearly so.
//
// Hidden state x: `dim` words. Stage k at position p, at precision q:
//     kv[k][p] = W_k x
//     a = sum over j <= p of (p - j + 1) * kv[k][j]   +   sum over the memory of (j + 1) * mem[j]   (the latter: a decoder behind an encoder)
//     x = rotate_left(x ^ a, 7) + STATE_MIX * (q + 1) + k
// An encoder stage: a = sum over ALL rows j of the sequence of (j + 1) * (W_k x_j), with x_j as it stood before the stage.
// Logits: float of the upper 24 bits (signed) of H x, over 65536.
//
// File: general.architecture; jb.format = 1; jb.stages; jb.synth.encoder (stages of part 0, 0: decoder alone), jb.synth.dim, jb.synth.vocab,
// jb.synth.positions (u32). Tensors, I32: `embed` (vocab rows of dim), `layer.K.weight` (dim rows of dim), `head.weight` (vocab rows of dim).
// Every decoder stage has an exit; encoder stages have none.
#ifndef JB_RUNTIME_STATE_H
#define JB_RUNTIME_STATE_H

#include "runtime/arch.h"

#define STATE_MIX 0x9e3779b9u
#define STATE_MAX_DIM 1024u
#define STATE_MAX_POSITIONS 4096u

struct jb_state_model {
    uint32_t n_stages, encoder, dim, vocab, positions;
    const uint32_t *embed, *head;                // borrowed from the file
    const uint32_t *layers[JB_MAX_STAGES];
};

int state_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err);
void state_close(void *state);
int state_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n);
int state_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost);
int state_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost);
int state_commit(void *state, uint32_t row, uint32_t n);
int state_rollback(void *state, uint32_t row, uint32_t n);
int state_settle(void *state, struct jb_cost *cost);
int state_deferred(const void *state, uint32_t sequence, uint32_t position, struct jb_cost *cost);
int state_reset(void *state, uint32_t sequence);

// Cost of one stage at one position: its weights, and the state it reads (n_read vectors). `share`: positions that read the weights together, of which this is number `i`.
void state_stage_cost(const struct jb_state_model *m, enum jb_precision p, uint64_t n_read, uint32_t i, uint32_t share, struct jb_cost *sum);
void state_head_cost(const struct jb_state_model *m, enum jb_precision p, struct jb_cost *sum);

#endif
