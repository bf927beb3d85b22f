// Inside the runtime: a session of a `llama` model. llama_session.c makes it and keeps its positions, llama_batch.c decides which positions run, llama_run.c runs them
// through a stage's layers, llama_head.c runs heads.
#ifndef JB_RUNTIME_LLAMA_SESSION_H
#define JB_RUNTIME_LLAMA_SESSION_H

#include "runtime/llama.h"

struct llama_position { uint32_t depth; struct jb_cost late; }; // depth: stages done. late: what was done for it after it was left

struct llama_sequence {
    uint32_t len, committed;
    uint32_t full[JB_MAX_STAGES]; // all positions before this one have done the stage
    struct jb_cost lost;          // late work of positions that were taken back, of an empty sequence
};

struct llama_row { uint32_t sequence, position; };

#define LLAMA_NO_ROW UINT32_MAX
struct llama_item { uint32_t sequence, position, row; }; // row: index among the caller's; LLAMA_NO_ROW: a hole that is filled

// Positions that go through a stage together. The first n_whole run everything; behind them stand those of which the layers' K and V alone are made (frozen fill).
struct llama_batch { uint32_t stage, n, n_whole; };

struct llama_thread {
    float *scores;         // (group, kv positions)
    float *norm;           // (LLAMA_ALONE, n_embd)
    struct jb_q8 *q8;      // (LLAMA_ALONE, widest of n_embd and heads' values)
    void *scratch;         // m->scratch_bytes
};

// So few rows every thread prepares for itself what all read: cheaper than to wait for each other once more.
#define LLAMA_ALONE 2u

struct llama_session {
    const struct llama *m;
    struct jb_team *team;
    enum jb_kv_kind kv_kind;
    enum jb_fill fill;
    uint32_t max_rows, max_positions, kv_positions, n_sequences, batch_room, head_room, n_threads, n_rows, n_turns;
    struct jb_big memory;
    struct llama_row *rows;            // (max_rows)
    struct llama_sequence *sequences;  // (n_sequences)
    struct llama_position *positions;  // (n_sequences, max_positions)
    float *hidden;                     // (n_sequences, max_positions, n_embd): at the position's depth
    float *turns;                      // (max_positions, n_rot): cos, sin of each pair; the first n_turns positions are there
    struct jb_kv_layer *kv;            // (n_layers, n_sequences)
    char *kv_memory;
    struct llama_item *items;          // (batch_room), and of a stage's rows:
    float *x, *norm;                   // (batch_room, n_embd)
    float *q, *att;                    // (batch_room, heads' values)
    float *k, *v;                      // (batch_room, KV heads' values)
    float *gate, *up;                  // (batch_room, n_ff)
    struct jb_q8 *q8, *q8_ff;          // (batch_room, widest of n_embd and heads' values), (batch_room, n_ff)
    float *u, *t;                      // (head_room, n_embd)
    float *low, *gate_rows;            // (head_room, n_low), (head_room, n_gate)
    float *gates;                      // (max_rows)
    uint32_t *n_top, *n_nan;           // (max_rows)
    float *logits;                     // (max_rows, n_vocab): kept for the caller
    struct jb_top *top;                // (max_rows, JB_TOP_N)
    char *head_memory;
    struct jb_vocab_head head;
    struct llama_thread threads[JB_TEAM_MAX];
    void *scratch[JB_TEAM_MAX];        // the same as in threads
};

static inline size_t llama_slot(const struct llama_session *s, uint32_t sequence, uint32_t position)
{
    return (size_t)sequence * s->max_positions + position;
}

static inline float *llama_hidden(const struct llama_session *s, uint32_t sequence, uint32_t position)
{
    return s->hidden + llama_slot(s, sequence, position) * s->m->n_embd;
}

static inline struct jb_kv_layer *llama_kv(const struct llama_session *s, uint32_t layer, uint32_t sequence)
{
    return &s->kv[(size_t)layer * s->n_sequences + sequence];
}

// Runs s->items through the layers of a stage, by all threads. Sets no depths and counts no costs.
void llama_run_batch(struct llama_session *s, const struct llama_batch *b);

#endif
