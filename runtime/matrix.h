// Inside the runtime: matrices of a language model, from n values to n_out, in the kernels' packed order; and what reads them.
// Types that have no packed order (BF16, Q5_0, Q5_1, K-quants) stay as they are in the file, and are widened JB_PACK rows at a time into a thread's scratch.
#ifndef JB_RUNTIME_MATRIX_H
#define JB_RUNTIME_MATRIX_H

#include "kernels/kernels.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "runtime/mem.h"
#include "runtime/tensor.h"

struct jb_matrix {
    int32_t n, n_out;
    const struct jb_block_type *type; // as stored
    bool packed;
    enum jb_weight_kind kind;         // packed: of it
    const void *data;                 // packed, or the file's rows
    enum jb_precision precision;      // class of its type: floats f32, four bits int4, the rest int8
    uint64_t bytes;                   // read by a multiplication
};

// Rows that matrices read: (m, n). q: the same in 8 bits, for those that jb_matrix_reads_q8.
struct jb_matrix_rows { const float *x; ptrdiff_t stride; const struct jb_q8 *q; int32_t m; };

static inline int32_t jb_matrix_blocks(const struct jb_matrix *w) // of JB_PACK outputs
{
    return (w->n_out + JB_PACK - 1) / JB_PACK;
}
bool jb_matrix_reads_q8(const struct jb_matrix *w);
size_t jb_matrix_scratch_bytes(const struct jb_matrix *w); // of a thread, aligned to JB_ALIGN; 0: none
// Outputs of blocks [block0, block1): y[r][o] = sum, or += with `add`.
void jb_matrix_multiply(const struct jb_kernels *k, const struct jb_matrix *w, const struct jb_matrix_rows *in, float *y, ptrdiff_t y_stride, bool add, int32_t block0, int32_t block1,
                        void *scratch);
void jb_matrix_cost(const struct jb_matrix *w, struct jb_cost *sum); // one row
enum jb_precision jb_matrix_class(uint32_t ggml_type);

// Rows of n in 8 bits: blocks of a row; 0 when n has no whole blocks (then nothing reads it so).
static inline size_t jb_q8_blocks(size_t n)
{
    return n % JB_QK ? 0 : n / JB_QK;
}

// Brings tensors into packed order: name them all, then run. What `out` points to must stay where it is until then.
struct jb_packer_item;
struct jb_packer { struct jb_packer_item *items; size_t n_items, room; uint64_t packed_bytes, unpacked_bytes; };
// Sizes are to be checked before. UNSUPPORTED: a type that this build cannot widen; the text names tensor and type. `release`: the file's bytes are needed no more (a hint to the kernel).
int jb_packer_matrix(struct jb_packer *p, const struct jb_gguf *g, const struct jb_gguf_tensor *t, bool release, struct jb_matrix *out, struct jb_err *err);
// A vector of n floats of any type that widens; *out points to n values.
int jb_packer_vector(struct jb_packer *p, const struct jb_gguf *g, const struct jb_gguf_tensor *t, const float **out, struct jb_err *err);
// One piece of memory for all, released by jb_big_free. NOMEM names the size.
int jb_packer_run(struct jb_packer *p, struct jb_big *memory, struct jb_err *err);
void jb_packer_free(struct jb_packer *p);

#endif
