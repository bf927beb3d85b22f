// Inside the runtime: the `jbcnn` family. A file becomes values and operations (cnn_parse, cnn_graph), quantities (cnn_quant, cnn_weights),
// and a layout of memory (cnn_layout); a session turns these into prepared kernel calls (cnn_open) and runs them (cnn_run).
#ifndef JB_RUNTIME_CNN_H
#define JB_RUNTIME_CNN_H

#include "runtime/arch.h"
#include "runtime/mem.h"
#include "runtime/names.h"

#define CNN_NONE UINT32_MAX
#define CNN_MAX_OPS 256        // in one stage or head
#define CNN_MAX_LINE 511
#define CNN_MAX_NAME 63
#define CNN_MAX_CHANNELS_IN 8
#define CNN_MAX_SIDE 4096
#define CNN_MAX_CHANNELS 65536
#define CNN_MAX_VALUES ((int64_t)1 << 28)
#define CNN_MAX_REDUCTION 32768
#define CNN_MAX_WINDOW ((int64_t)1 << 22)
#define CNN_MAX_MAGNITUDE 1073741824.0f // 2^30

enum cnn_kind { CNN_CONV, CNN_FC, CNN_ADD, CNN_MAXPOOL, CNN_AVGPOOL, CNN_GAP, CNN_CONCAT, CNN_ACT, CNN_KINDS };

// Storage of a value: real, or bytes with scale and zero point.
enum cnn_store { CNN_F32, CNN_U8, CNN_STORES };
static inline enum cnn_store cnn_store_of(enum jb_precision p) { return p == JB_PREC_F32 ? CNN_F32 : CNN_U8; }
static inline size_t cnn_store_bytes(enum cnn_store s) { return s == CNN_F32 ? sizeof(float) : 1; }

// One parsed line, names still names.
struct cnn_line {
    enum cnn_kind kind;
    char out[CNN_MAX_NAME + 1], in[CNN_MAX_NAME + 1], in2[CNN_MAX_NAME + 1], weights[CNN_MAX_NAME + 1]; // empty: absent
    enum jb_act act;
    int32_t kernel[2], stride[2], pad[2]; // height, width
    int32_t groups;
};
// Strict. On failure the reason alone stands in err->detail (the caller knows file, key and line).
int cnn_parse_line(struct cnn_line *out, const char *text, struct jb_err *err);

// Where a value's plane lies within a session.
enum cnn_place { CNN_NOWHERE, CNN_IN_ARENA, CNN_IN_SLOT, CNN_AT_BOUNDARY, CNN_IN_LOGITS };
struct cnn_spot { enum cnn_place place; size_t offset; }; // offset of its first byte (halo included) within the region

struct cnn_value {
    const char *name;
    struct jb_shape shape;
    uint32_t seq;            // graph that makes it
    uint32_t n_readers;
    int32_t pad;             // halo that its readers need
    bool boundary, logits, skipped; // skipped: fused away, never stored
    bool has_range;
    const struct jb_gguf *range_from; // the file that gave it
    float lo, hi;
    bool quantized;          // scale and zero are valid
    float scale;
    int32_t zero;
    struct cnn_spot spot[CNN_STORES];
};

// Packed weights of one operation at one precision. One allocation holds all three.
struct cnn_packed {
    void *weights;
    const void *bias;        // float or int32_t, padded to the block
    const float *mult;       // integers alone
    bool s4;                 // 4-bit weights; else 8-bit ones, at int4 too where the reduction is short
    size_t n_bytes;
};

struct cnn_op {
    enum cnn_kind kind;
    const char *text, *weights;
    uint32_t seq, in, in2, out; // values
    uint32_t residual;          // value that is added in the same step, or CNN_NONE
    bool skipped;               // an addition that the operation before has taken over
    bool from_exits;            // tensors lie in the side file
    bool view;                  // fc over a plane without halo: one pixel of h * w * c channels
    enum jb_act act;
    struct jb_conv_geom geom;   // pools use its kernel, stride and pad
    struct jb_shape in_shape;
    struct cnn_packed packed[JB_PREC_COUNT];
    uint8_t *table;             // concat of bytes: 256 entries for each operand
    struct jb_cost cost[JB_PREC_COUNT];
};

// A stage (2 * k) or its head (2 * k + 1).
struct cnn_seq { bool present; uint32_t first_op, n_ops, in, out; };

// A region for planes with a halo: shared by values of the same geometry and halo byte that are not alive together.
struct cnn_slot { struct jb_shape shape; int32_t pad, zero; size_t offset; bool busy; enum cnn_store store; };

struct jb_cnn {
    struct jb_kernels kernels;
    struct jb_mem_pool pool;    // texts, tables
    const char **labels;
    struct cnn_value *values;
    struct cnn_op *ops;
    uint32_t n_values, n_ops, n_stages, n_classes;
    struct cnn_seq seqs[2 * JB_MAX_STAGES];
    struct jb_cost seq_cost[2 * JB_MAX_STAGES][JB_PREC_COUNT]; // one row
    struct jb_names names;      // of all values
    float input_mean[CNN_MAX_CHANNELS_IN], input_std[CNN_MAX_CHANNELS_IN];
    float input_scale[CNN_MAX_CHANNELS_IN], input_offset[CNN_MAX_CHANNELS_IN];
    uint8_t input_table[CNN_MAX_CHANNELS_IN][256]; // byte of channel c -> q
    bool input_identity;        // the table changes nothing
    uint32_t precisions;        // prepared
    // Layout: sizes of the regions of a session.
    struct cnn_slot *slots;
    uint32_t n_slots, room_slots;
    size_t arena_bytes, slots_bytes;
    size_t row_bytes;           // boundary values of one row, all stores
    size_t scratch_bytes;       // for 4-bit weights
    size_t hidden_values;       // of the largest boundary value
};

// cnn_graph.c: lines of one stage or head into values and operations, with shapes.
struct cnn_source { const struct jb_gguf *g; const char *key; uint32_t seq; bool exits; };
int cnn_add_graph(struct jb_cnn *m, const struct cnn_source *src, const char *output, struct jb_err *err);
// After all graphs: readers, fusing, halos.
int cnn_link(struct jb_cnn *m, const struct jb_gguf *g, struct jb_err *err);

// cnn_quant.c: the rules of docs/model-format.md section 4, single precision throughout.
float cnn_range_scale(float lo, float hi, int32_t *zero);
uint8_t cnn_quantize(float x, float scale, int32_t zero);
float cnn_scale_s8(const float *w, size_t n, float bias, float s_in);
void cnn_quantize_s8(const float *w, size_t n, float scale, int8_t *q);
float cnn_scale_s4(const float *w, size_t n, float bias, float s_in);
void cnn_quantize_s4(const float *w, size_t n, float scale, int8_t *q, uint8_t *m); // m: one a group of JB_S4_GROUP
// Scales of all values. Sets *reason (pool text) to why there are no integers, or leaves it NULL.
int cnn_quantize_values(struct jb_cnn *m, const char **reason, struct jb_err *err);

// cnn_weights.c: tensors, checked, quantized, packed; costs.
int cnn_load_weights(struct jb_cnn *m, const struct jb_gguf *g, const struct jb_gguf *exits, uint32_t precisions, struct jb_err *err);
void cnn_count_costs(struct jb_cnn *m, struct jb_model_info *info);
void cnn_free_weights(struct jb_cnn *m);

// cnn_layout.c: where every value lies.
int cnn_plan_layout(struct jb_cnn *m, struct jb_err *err);
size_t cnn_plane_bytes(const struct cnn_value *v, enum cnn_store s); // halo and slack included, aligned

// cnn_open.c and cnn_run.c: a session.
int cnn_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err);
void cnn_close(void *state);
int cnn_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n);
int cnn_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost);
int cnn_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost);
void cnn_observe(void *state, jb_observe_fn fn, void *self);

extern const struct jb_arch_ops jb_arch_cnn;

#endif
