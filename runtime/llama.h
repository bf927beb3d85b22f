// Inside the runtime: the `llama` family (SmolLM2, Llama 3, Mistral): a decoder of equal layers, run position by position. The graph, as llama.cpp's
// llm_build_llama and Hugging Face's modeling_llama.py have it:
//     x = token_embd[token]
//     layer l:  a = rms_norm(x) * attn_norm;  q, k, v = Wq a, Wk a, Wv a;  q, k turned by rope;  x += Wo attention(q, K, V)
//               b = rms_norm(x) * ffn_norm;   x += Wdown (silu(Wgate b) * Wup b)
//     logits = W (rms_norm(x) * output_norm), W = output.weight or (tied) token_embd.weight
// rope turns the adjacent values 2i, 2i+1 of a head by position * base^(-2i / n_rot) / (factor of linear scaling * rope_freqs[i]).
//
// Stages are runs of layers, cut where the side file puts exits (docs/model-format.md section 7).
// llama_keys.c reads the numbers, llama_weights.c the tensors, llama_exits.c the side file, llama_build.c puts them together; llama_session.c holds
// positions, llama_batch.c decides what runs, llama_run.c runs layers, llama_head.c heads.
#ifndef JB_RUNTIME_LLAMA_H
#define JB_RUNTIME_LLAMA_H

#include "runtime/arch.h"
#include "runtime/matrix.h"
#include "runtime/pool.h"
#include "runtime/vocab_head.h"

#define LLAMA_MAX_LAYERS 1024u
#define LLAMA_HEAD_ROWS 32u    // rows of logits at once when nobody wants to keep them

struct llama_layer {
    const float *attn_norm, *ffn_norm;
    struct jb_matrix q, k, v, out, gate, up, down;
};

enum llama_map { LLAMA_MAP_NONE, LLAMA_MAP_FULL, LLAMA_MAP_LOW_RANK };

// Behind layer `layers`. u = rms_norm(x); t = u, u + map u, or u + up (down u); logits = head(rms_norm(t) * output_norm); gate = sigmoid(bias1 + w1 . silu(W0 u + b0)).
struct llama_exit {
    uint32_t layers;
    double temperature;
    enum llama_map map_kind;
    struct jb_matrix map, down, up;
    bool has_gate;
    struct jb_matrix gate;
    const float *gate_bias, *gate_weight, *gate_bias1; // (G), (G), (1)
};

struct llama {
    const struct jb_gguf *file, *exits_file;
    struct jb_kernels k;
    uint32_t n_layers, n_embd, n_ff, n_head, n_kv, head_dim, n_rot, n_vocab, max_positions, group;
    float eps, scale;              // scale: of attention scores, 1 / sqrt(head_dim)
    double freq_base, freq_scale;  // freq_scale: 1 / factor of linear scaling
    const float *freq_factors;     // (n_rot / 2), or NULL
    double *freqs;                 // (n_rot / 2): what a pair turns from one position to the next, but for freq_scale
    const float *output_norm, *ones; // (n_embd)
    const struct jb_gguf_tensor *embedding;
    const struct jb_block_type *embedding_type;
    size_t embedding_row_bytes;
    struct llama_layer *layers;    // (n_layers)
    struct jb_matrix head;
    uint32_t n_stages, n_exits;
    uint32_t stage_layer[JB_MAX_STAGES + 1]; // stage k has layers stage_layer[k] to stage_layer[k + 1] - 1
    struct llama_exit exits[JB_MAX_STAGES];  // n_exits: behind stages 0 to n_exits - 1 (the last stage has the model's own head)
    uint32_t n_gate;               // widest gate
    uint32_t n_low;                // widest low-rank map
    bool q8_embd, q8_att, q8_ff;   // some matrix reads rows of this width in 8 bits
    size_t scratch_bytes;          // of a thread, for matrices that are widened
    enum jb_precision precision;
    // Costs of stage k for one row: of its K and V matrices (all that a frozen fill needs), and of all others. Attention comes on top, by position.
    struct jb_cost kv_cost[JB_MAX_STAGES], rest_cost[JB_MAX_STAGES];
    struct jb_packer packer;
    struct jb_big packed;
    struct jb_mem_pool pool;
};

int llama_read_keys(struct llama *m, const struct jb_gguf *g, struct jb_err *err);
int llama_read_tensors(struct llama *m, const struct jb_gguf *g, struct jb_err *err);
int llama_read_exits(struct llama *m, const struct jb_gguf *exits, struct jb_err *err);
int llama_base_hash(const struct jb_gguf *g, char hex[JB_HASH_HEX], struct jb_err *err); // of the norms
// A tensor of these sizes (rows 1: a vector, which may have one dimension). NOT_FOUND when it is missing and optional.
int llama_find(const struct jb_gguf *g, const char *name, uint64_t n, uint64_t rows, bool optional, const struct jb_gguf_tensor **out, struct jb_err *err);
int llama_find_matrix(struct llama *m, const struct jb_gguf *g, const char *name, uint64_t n, uint64_t rows, struct jb_matrix *out, struct jb_err *err);
// Attention of stage k at a position: MACs and bytes of K/V read, under f32 (its arithmetic).
void llama_attention_cost(const struct llama *m, uint32_t stage, uint32_t position, enum jb_kv_kind kv, struct jb_cost *sum);
// Of exit k's translator, or its gate.
void llama_map_cost(const struct llama_exit *e, struct jb_cost *sum);
void llama_gate_cost(const struct llama_exit *e, struct jb_cost *sum);

int llama_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err);
void llama_close(void *state);
int llama_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n);
int llama_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost);
int llama_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost);
int llama_commit(void *state, uint32_t row, uint32_t n);
int llama_rollback(void *state, uint32_t row, uint32_t n);
int llama_settle(void *state, struct jb_cost *cost);
int llama_deferred(const void *state, uint32_t sequence, uint32_t position, struct jb_cost *cost);
int llama_reset(void *state, uint32_t sequence);

#endif
