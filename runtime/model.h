// A model: a sequence of stages, some with an exit head. Read-only once open, so any number of sessions and threads may share it.
#ifndef JB_RUNTIME_MODEL_H
#define JB_RUNTIME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/hash.h"
#include "kernels/kernels.h"
#include "runtime/tensor.h"

struct jb_model;
struct jb_gguf;

#define JB_MAX_PARTS 2

// What a row is: one image, or one position of one sequence.
enum jb_row_kind { JB_ROW_IMAGE, JB_ROW_POSITION };

struct jb_stage_info {
    char name[64];
    struct jb_shape output;                 // of the boundary value, one row
    int32_t exit;                           // index of the exit behind it; -1: none
    struct jb_cost cost[JB_PREC_COUNT];     // one row through the stage at this precision (conversion at its entry is no MAC and no weight byte)
    struct jb_cost head_cost[JB_PREC_COUNT];
    double temperature;                     // of its exit
    uint32_t n_ops, n_head_ops;
    uint32_t n_layers;                      // layers of a language model in this stage; 0 otherwise
    bool has_gate;                          // its head offers JB_WANT_GATE
};

struct jb_model_info {
    const char *path, *architecture, *name, *license, *provenance, *task; // borrowed, never NULL ("" when absent)
    char sha256[JB_HASH_HEX];               // of the file
    char exits_sha256[JB_HASH_HEX];         // of the side file; empty: none
    enum jb_row_kind row_kind;
    struct jb_shape input;
    uint32_t n_stages, n_exits, n_classes;
    const char *const *labels;              // n_classes; NULL: the family has none (sequence models)
    uint32_t precisions;                    // bit 1u << enum jb_precision for each that can run
    const char *precision_reason[JB_PREC_COUNT]; // why one cannot (e.g. "no range for value s1.a"), else NULL
    uint64_t file_bytes;                    // size of the container
    uint64_t weight_bytes[JB_PREC_COUNT];   // packed weights in memory for this precision
    uint64_t model_bytes;                   // all memory that the model holds, mapped file included
    uint64_t load_ns;
    struct jb_stage_info stages[JB_MAX_STAGES];
    uint32_t exit_stage[JB_MAX_STAGES];     // stage of exit k
    float input_scale[8], input_offset[8];  // x = byte * scale[c] + offset[c]
    uint32_t n_parts;                       // sequences of stages: 1, or 2 for an encoder and a decoder
    uint32_t part_stage[JB_MAX_PARTS + 1];  // part p has stages part_stage[p] to part_stage[p + 1] - 1
    uint32_t max_positions;                 // of one sequence; 0 for images
    const char *weights;                    // type of most weight bytes, as stored: "Q4_1"; "" where precisions are derived
    uint64_t pack_ns, unpacked_bytes;       // of load_ns: time to bring weights into the kernels' order; bytes of the file that stay mapped in use (e.g. the embedding's rows)
    const struct jb_gguf *file;             // the open file (tokenizer, template); borrowed
};

struct jb_model_opts {
    const char *exits_path;  // side file with exits, or NULL
    uint32_t precisions;     // which to prepare, as bits; 0: all that the file supports
    bool no_hash;            // leave info.sha256 empty (hashing a large file takes longer than loading it)
};

// Builds through the row of runtime/arch.h that general.architecture names. The kernel table is copied.
int jb_model_open(struct jb_model **out, const char *path, const struct jb_kernels *kernels, const struct jb_model_opts *opts, struct jb_err *err);
// The same from memory (borrowed until close, aligned to 8 bytes); `name` stands for the path in errors and info. exits: the side file in memory, or NULL.
int jb_model_open_memory(struct jb_model **out, const char *name, const void *data, size_t n_bytes, const void *exits, size_t exits_bytes, const struct jb_kernels *kernels,
                         const struct jb_model_opts *opts, struct jb_err *err);
void jb_model_close(struct jb_model *m); // accepts NULL; sessions must be closed before
const struct jb_model_info *jb_model_info(const struct jb_model *m); // borrowed

#endif
