// A second, naive evaluation of a llama file, written from the formulas at the head of runtime/llama.h: whole sequences at once, in double precision, weights widened one by one.
// What is rounded by intent is rounded here too, by the rules of kernels/rows.h: rows in 8 bits before matrices of quantized types that are packed, and K and V as they are stored.
#ifndef JB_TESTS_LLAMA_PLAIN_H
#define JB_TESTS_LLAMA_PLAIN_H

#include "runtime/gguf.h"
#include "runtime/session.h"

#define PLAIN_LEN 64
#define PLAIN_LAYERS 4

struct plain_llama {
    const struct jb_gguf *g, *exits;
    uint32_t n_layers, n_embd, n_ff, n_head, n_kv, head_dim, n_rot, n_vocab;
    double eps, freq_base, freq_scale;
    enum jb_kv_kind kv;
    double *x[PLAIN_LAYERS + 1]; // hidden state behind so many layers: (PLAIN_LEN, n_embd)
};

void plain_llama_open(struct plain_llama *p, const struct jb_gguf *g, const struct jb_gguf *exits, enum jb_kv_kind kv);
void plain_llama_close(struct plain_llama *p);
// left[i]: layers after which position i was left for good, its K and V of deeper ones made from what it was then (frozen fill); NULL: nobody left.
void plain_llama_run(struct plain_llama *p, const uint32_t *tokens, uint32_t n, const uint32_t *left);
// Of position `at` behind `layers` layers, after run. exit < 0: the model's own head. out: (n_vocab)
void plain_llama_logits(const struct plain_llama *p, uint32_t at, uint32_t layers, int exit, double *out);
double plain_llama_gate(const struct plain_llama *p, uint32_t at, uint32_t layers, int exit);

#endif
