// Inside the runtime: the vocabulary head, from rows before the last matrix to the best tokens. Behind an interface of its own, because on a small language model it
// costs as much as many layers: a head that finds the best tokens without reading every weight is one more row of jb_vocab_heads. What every row promises:
// the same best tokens with the same logits, to the bit, as "full"; all logits when they are asked for.
#ifndef JB_RUNTIME_VOCAB_HEAD_H
#define JB_RUNTIME_VOCAB_HEAD_H

#include "runtime/matrix.h"
#include "runtime/pool.h"
#include "runtime/session.h"

struct jb_vocab_head_ops;

// One session's head. Its memory is planned before and handed over, its threads are the session's.
struct jb_vocab_head {
    const struct jb_vocab_head_ops *ops;
    const struct jb_kernels *k;
    const struct jb_matrix *w;   // n to vocabulary
    struct jb_team *team;
    uint32_t max_rows;           // in one run
    float *logits;               // (max_rows, vocabulary)
    struct jb_vocab_part *parts; // (threads, max_rows): best of a thread's share
};

// What a run is asked for, and what it found. m rows, at most max_rows; outputs are the caller's.
struct jb_vocab_job {
    struct jb_matrix_rows in;
    float *logits;               // (m, vocabulary) to be kept; NULL: not wanted
    float *log_sum;              // (m): log of the sum of exp(logits); NULL: not wanted
    struct jb_top *top;          // (m, JB_TOP_N): best first, ties by lower index, NaN never
    uint32_t *n_top, *n_nan;     // (m): how many of top are filled; logits that are NaN
    void *const *scratch;        // a thread each, jb_matrix_scratch_bytes(w)
};

struct jb_vocab_head_ops {
    const char *name;
    size_t (*bytes)(const struct jb_matrix *w, uint32_t max_rows, uint32_t n_threads); // of the memory that place wants, aligned to JB_ALIGN, zeroed
    void (*place)(struct jb_vocab_head *h, void *memory); // all fields above logits are set
    void (*run)(const struct jb_vocab_head *h, const struct jb_vocab_job *job, uint32_t thread); // every thread of the team calls it; has barriers; ends with one
    void (*cost)(const struct jb_matrix *w, struct jb_cost *sum); // one row alone
};
extern const struct jb_vocab_head_ops *const jb_vocab_heads[]; // NULL-terminated: full

#endif
