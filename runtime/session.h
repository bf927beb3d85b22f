// A session: one stream through a model. All buffers are planned and allocated when it opens; afterwards nothing is allocated, locked or asked of the kernel.
//
// A query is: begin, then for each stage run_stage, and where the policy wants to know, run_head. The caller says which rows are still
// active; the others cost nothing (rows that stopped are compacted out by leaving them off the list).
// State that outlives a step (positions of a sequence in a KV store, deferred fills) is tentative until `commit`; `rollback` forgets it;
// `settle` does deferred work, and its cost is reported as that of the row that caused it. For images the three do nothing.
#ifndef JB_RUNTIME_SESSION_H
#define JB_RUNTIME_SESSION_H

#include "runtime/model.h"

struct jb_session;

// What becomes of the K/V of layers that an exit skipped. EXACT: computed when a deeper layer next reads it, in one batch, to the bit what a decoder without
// exits would have. FROZEN: every skipped layer's K/V is made at once from the hidden state at the exit (CALM, arXiv 2207.07061, 3.3): cheap, and wrong in a way that shows.
enum jb_fill { JB_FILL_EXACT, JB_FILL_FROZEN, JB_FILL_COUNT };
const char *jb_fill_name(int f);        // "exact", "frozen"
int jb_fill_parse(const char *name);    // -1 when unknown
const char *jb_kv_name(int kind);       // "f16", "int8"
int jb_kv_parse(const char *name);      // -1 when unknown

struct jb_session_opts {
    uint32_t max_rows;      // rows in one begin
    uint32_t max_positions; // per sequence (stateful models); 0: the model's own limit
    uint32_t threads;       // 0 or 1: the caller's thread alone. More: a pool inside the session (families that have one; else UNSUPPORTED)
    uint32_t max_sequences; // stateful models; 0: 1
    enum jb_kv_kind kv;     // how K/V is stored (language models)
    enum jb_fill fill;      // language models
    const uint32_t *cpus; uint32_t n_cpus; // CPUs that the pool's threads are bound to, in turn; NULL: not bound. Copied
};
// RANGE when the memory needed is more than the machine has: the text names both, and nothing was allocated.

int jb_session_open(struct jb_session **out, const struct jb_model *m, const struct jb_session_opts *opts, struct jb_err *err);
void jb_session_close(struct jb_session *s);
size_t jb_session_bytes(const struct jb_session *s);
const struct jb_model *jb_session_model(const struct jb_session *s);
// As it was opened, with what 0 stood for filled in (threads, max_sequences, and max_positions of stateful models); cpus is NULL. Borrowed.
const struct jb_session_opts *jb_session_options(const struct jb_session *s);

// One row of input. Images: `data` is h * w * c bytes (NHWC), borrowed until the next begin. Positions: `token` at the end of sequence `sequence`.
struct jb_row_input { const void *data; uint32_t token, sequence; };

// Which sequence of stages runs: 0 is the only one of most models; an encoder-decoder has 0 (encoder) and 1 (decoder), whose rows read what the encoder left.
int jb_session_begin(struct jb_session *s, uint32_t part, const struct jb_row_input *rows, uint32_t n_rows, struct jb_err *err);

// Runs stage `stage` on the listed rows (indices of begin, rising). A row must have run all stages before it since its begin.
// Adds what was spent to cost[i] for the i-th listed row (cost may be NULL).
int jb_session_run_stage(struct jb_session *s, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n_rows, struct jb_cost *cost);

enum { JB_WANT_HIDDEN = 1u << 0, JB_WANT_GATE = 1u << 1, JB_WANT_TOP = 1u << 2, JB_WANT_LOGITS = 1u << 3 };

struct jb_top { int32_t index; float logit; };
#define JB_TOP_N 8

// Results of one row's head, borrowed from the session until its next call. Only what was wanted is set, the rest is NULL.
struct jb_head_row {
    const float *hidden;  uint32_t n_hidden;
    float gate;                                    // NAN when the head has none
    const struct jb_top *top; uint32_t n_top;      // best first; ties by lower index
    const float *logits; uint32_t n_logits;
};
// What is not wanted is not computed: JB_WANT_GATE or JB_WANT_HIDDEN alone run no vocabulary head, and a second call for the same rows may then ask for the rest.
// Runs the head behind `stage` on rows that have just run it, at the precision in which the boundary value stands. out has n_rows entries. UNSUPPORTED if the stage has no head.
// INVALID, too, when a language model's logit or gate is NaN: there is then no best token (a damaged file, or hidden states beyond binary32); `out` and `cost` are partly written.
int jb_session_run_head(struct jb_session *s, uint32_t stage, const uint32_t *rows, uint32_t n_rows, uint32_t want, struct jb_head_row *out, struct jb_cost *cost);

// Keeps the first n (of the tentative) positions of row's sequence; n counts from the row itself on. Images: no effect.
int jb_session_commit(struct jb_session *s, uint32_t row, uint32_t n);
// Forgets the last n tentative positions of row's sequence.
int jb_session_rollback(struct jb_session *s, uint32_t row, uint32_t n);
// Late work of a stage runs in batches of at most so many positions: the session's rows, but at least 64 and at most 512.
uint32_t jb_session_fill_rows(const struct jb_session_opts *o);
// Does the deferred work (e.g. K/V of layers that an exit skipped). cost as in run_stage, for the rows of the last begin.
int jb_session_settle(struct jb_session *s, struct jb_cost *cost);
// What was done late (by run_stage of later rows, or by settle) on behalf of one position of a sequence, or of all (position = JB_ALL_POSITIONS).
// run_stage does not report it. Zero for images. See docs/architecture.md, walk 2.
#define JB_ALL_POSITIONS UINT32_MAX
int jb_session_deferred(const struct jb_session *s, uint32_t sequence, uint32_t position, struct jb_cost *cost);
// Forgets a sequence (positions, memory, costs), committed or not: its number may be used for the next query. Images: no effect.
int jb_session_reset(struct jb_session *s, uint32_t sequence);

#endif
