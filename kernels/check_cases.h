// Test bodies: one an operator. It sets up cases for the checker and shapes for the benchmark, and runs a table on either. Private to kernels/.
#ifndef JB_KERNELS_CHECK_CASES_H
#define JB_KERNELS_CHECK_CASES_H

#include "base/rng.h"
#include "kernels/kernels.h"

// Memory areas, each ending at a page that faults: reads past the slack that the contract allows do not stay unseen.
enum jb_area {
    JB_AREA_IN, JB_AREA_IN2, JB_AREA_WEIGHTS, JB_AREA_S4_MULT, JB_AREA_PACKED, JB_AREA_BIAS, JB_AREA_MULT, JB_AREA_RAW_BIAS, JB_AREA_RAW_MULT,
    JB_AREA_SCRATCH, JB_AREA_ABS_IN, JB_AREA_ABS_IN2, JB_AREA_ABS_WEIGHTS, JB_AREA_ABS_BIAS, JB_AREA_TOLERANCE, JB_AREA_OUT, JB_AREA_OUT_REF,
    JB_AREA_ROWS,
    JB_AREA_STREAM, // the last, and larger than any cache: weights that come from memory
    JB_AREA_COUNT
};

struct jb_fixture {
    void *map;
    size_t map_bytes, area_bytes, page;
    struct jb_rng rng;
    struct jb_kernels ref;
    bool overflow; // an area was too small: a defect of the checker, never a silent end of the cases

    // The case that stands: filled by a body.
    char shape[64];
    double ops, bytes;      // of one call
    size_t element_bytes;   // of the output
    struct jb_plane out;    // its geometry; data is set by the caller of `call`
    const float *tolerance; // (out.h, out.w, out.c), or NULL: exact
    bool check;             // else benchmark: no tolerance is computed
    bool slow;              // the reference is measured: shapes that take it seconds are left out
    size_t cut;             // rows.h: 0: one call; else how rows and outputs are cut into several, which must not change a bit
    struct jb_plane in, in2;
    union {
        struct { struct jb_conv_f32 args; } conv_f32;
        struct { struct jb_conv_u8 args; } conv_u8;
        struct jb_pool pool;
        struct jb_add_u8 add_u8;
        enum jb_act act;
        struct { int32_t n; float inverse_temperature; } softmax;
        struct { float scale; int32_t zero; } quant;
        struct { const uint8_t *in; float scale[32], offset[32]; } bytes;
        struct { struct jb_matmul args; const float *before; size_t matrices, bytes; } matmul; // before: (m, n_out), what y holds, or NULL; matrices of so many bytes
        struct { const float *x; ptrdiff_t stride; int32_t m, n; } quantize_rows;
        struct { struct jb_rms_norm args; bool in_place; } rms_norm;
        struct { struct jb_silu_mul args; int32_t in_place; } silu_mul; // 0: no, 1: y is g, 2: y is u
        struct jb_rope rope;
        struct { struct jb_kv_layer kv; const float *k, *v; const int32_t *positions; int32_t n; } kv_put;
        struct { struct jb_kv_layer kv; struct jb_attention args; } attention;
        struct jb_best best;
        struct jb_log_sum log_sum;
    } u;
};

struct jb_body {
    const char *op;
    bool (*check_case)(struct jb_fixture *f, size_t i); // sets up case i; false past the last
    bool (*bench_case)(struct jb_fixture *f, size_t i);
    int (*bind)(struct jb_fixture *f, const struct jb_kernels *k); // packs weights for this table; or NULL
    void (*call)(struct jb_fixture *f, const struct jb_kernels *k, const struct jb_plane *out);
};
extern const struct jb_body jb_conv_f32_body, jb_conv_u8_body; // check_conv.c
extern const struct jb_body jb_simple_bodies[];               // check_simple.c; ends with op NULL
extern const struct jb_body jb_matmul_bodies[];               // check_matmul.c; ends with op NULL
extern const struct jb_body jb_rows_bodies[];                 // check_rows.c; ends with op NULL
const struct jb_body *jb_body_of(const char *op);

int jb_fixture_open(struct jb_fixture *f, uint64_t seed, struct jb_err *err);
void jb_fixture_close(struct jb_fixture *f);
// `bytes` at the end of an area, then `slack` readable bytes, then the guard page. Aligned to `align` (a power of two) downwards.
void *jb_area_place(struct jb_fixture *f, enum jb_area area, size_t bytes, size_t slack, size_t align);
// A plane with halo in an area, misaligned at random (element alignment is kept).
struct jb_plane jb_area_plane(struct jb_fixture *f, enum jb_area area, int32_t h, int32_t w, int32_t c, int32_t pad, size_t element_bytes);
size_t jb_plane_values(const struct jb_plane *p);        // with halo
void *jb_plane_start(const struct jb_plane *p, size_t element_bytes);

int32_t jb_pick(struct jb_fixture *f, const int32_t *list, size_t n);
int32_t jb_between(struct jb_fixture *f, int32_t lo, int32_t hi); // both included
enum jb_fill { JB_FILL_NORMAL, JB_FILL_EXTREME, JB_FILL_TIES, JB_FILL_SPECIAL, JB_FILL_COUNT };
void jb_fill_f32(struct jb_fixture *f, float *x, size_t n, enum jb_fill how); // SPECIAL: some NaN, Inf, subnormals
void jb_fill_u8(struct jb_fixture *f, uint8_t *x, size_t n, enum jb_fill how);
void jb_abs_f32(const float *x, float *out, size_t n);

#endif
