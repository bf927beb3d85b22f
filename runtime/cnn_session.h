// Inside the runtime: a session of a `jbcnn` network. cnn_open.c makes it, cnn_run.c runs it.
#ifndef JB_RUNTIME_CNN_SESSION_H
#define JB_RUNTIME_CNN_SESSION_H

#include "runtime/cnn.h"

enum cnn_call {
    CNN_CALL_CONV_F32, CNN_CALL_CONV_U8, CNN_CALL_MAX_F32, CNN_CALL_MAX_U8, CNN_CALL_AVG_F32, CNN_CALL_AVG_U8, CNN_CALL_ADD_F32, CNN_CALL_ADD_U8, CNN_CALL_ACT_F32, CNN_CALL_ACT_U8,
    CNN_CALL_CONCAT_F32, CNN_CALL_CONCAT_U8,
};

// A prepared kernel call. Its planes are those of the session, whose data pointers alone change from row to row (boundary values and logits).
struct cnn_step {
    enum cnn_call call;
    uint32_t out_value;
    const struct jb_plane *view_of; // a fully connected layer's input as one pixel: `view` takes over this plane's data; or NULL
    struct jb_plane view;
    union {
        struct jb_conv_f32 conv_f32;
        struct jb_conv_u8 conv_u8;
        struct jb_pool pool;
        struct jb_add_u8 add_u8;
        struct { const struct jb_plane *a, *b, *out; enum jb_act act; uint8_t lo; const uint8_t *table; } plain;
    } u;
};

struct cnn_row {
    const uint8_t *bytes;      // the image; borrowed
    enum cnn_store store;      // of its boundary value
    enum jb_precision precision;
};

struct cnn_plan { uint32_t first, n; };

struct cnn_session {
    const struct jb_cnn *m;
    uint32_t max_rows;
    struct jb_plane *planes[CNN_STORES];                // a value each
    struct cnn_step *steps;
    struct cnn_plan plans[JB_PREC_COUNT][2 * JB_MAX_STAGES];
    struct cnn_row *rows;
    char *arena, *slots, *boundaries;                   // boundaries: max_rows times row_bytes
    size_t pixel[CNN_STORES][JB_MAX_STAGES];            // from a row's boundary room to pixel (0, 0) of a stage's output
    void *scratch;
    float *logits, *hidden;                             // (max_rows, logits_stride), (max_rows, hidden_stride)
    struct jb_top *top;                                 // (max_rows, JB_TOP_N)
    size_t logits_stride, hidden_stride, n_bytes;
    jb_observe_fn observe;
    void *observer;
};

#endif
