// Multiplying by packed matrices, and by those that are widened on the way.
#include "runtime/matrix.h"

static bool is_quantized(enum jb_weight_kind kind)
{
    return kind == JB_W_Q8_0 || kind == JB_W_Q4_0 || kind == JB_W_Q4_1;
}

bool jb_matrix_reads_q8(const struct jb_matrix *w)
{
    return w->packed && is_quantized(w->kind);
}

// JB_PACK rows as floats, and the same packed.
size_t jb_matrix_scratch_bytes(const struct jb_matrix *w)
{
    return w->packed ? 0 : 2 * (size_t)JB_PACK * (size_t)w->n * sizeof(float);
}

static void call(const struct jb_kernels *k, enum jb_weight_kind kind, const struct jb_matmul *a)
{
    void (*const by_kind[JB_W_COUNT])(const struct jb_matmul *) = {
        [JB_W_F32] = k->matmul_f32, [JB_W_F16] = k->matmul_f16, [JB_W_Q8_0] = k->matmul_q8_0, [JB_W_Q4_0] = k->matmul_q4_0, [JB_W_Q4_1] = k->matmul_q4_1,
    };
    by_kind[kind](a);
}

static void multiply_widened(const struct jb_kernels *k, const struct jb_matrix *w, struct jb_matmul *a, int32_t block0, int32_t block1, float *scratch)
{
    size_t row_bytes = jb_block_row_bytes(w->type, (uint64_t)w->n);
    float *packed = scratch + (size_t)JB_PACK * (size_t)w->n, *y = a->y;
    for (int32_t b = block0; b < block1; b++) {
        int32_t first = b * JB_PACK, rows = w->n_out - first < JB_PACK ? w->n_out - first : JB_PACK;
        for (int32_t i = 0; i < rows; i++)
            w->type->widen((const char *)w->data + (size_t)(first + i) * row_bytes, scratch + (size_t)i * (size_t)w->n, (size_t)w->n);
        jb_pack_rows(JB_W_F32, w->n, rows, scratch, 0, 1, packed);
        a->w = packed;
        a->n_out = rows;
        a->block0 = 0;
        a->block1 = 1;
        a->y = y + first;
        k->matmul_f32(a);
    }
}

void jb_matrix_multiply(const struct jb_kernels *k, const struct jb_matrix *w, const struct jb_matrix_rows *in, float *y, ptrdiff_t y_stride, bool add, int32_t block0, int32_t block1,
                        void *scratch)
{
    struct jb_matmul a = { .w = w->data, .n = w->n, .n_out = w->n_out, .m = in->m, .block0 = block0, .block1 = block1, .xq = in->q, .x = in->x, .x_stride = in->stride, .y_stride = y_stride,
                           .y = y, .add = add };
    if (block0 >= block1 || in->m == 0)
        return;
    if (w->packed)
        call(k, w->kind, &a);
    else
        multiply_widened(k, w, &a, block0, block1, scratch);
}

void jb_matrix_cost(const struct jb_matrix *w, struct jb_cost *sum)
{
    sum->macs[w->precision] += (uint64_t)w->n * (uint64_t)w->n_out;
    sum->bytes[w->precision] += w->bytes;
}

enum jb_precision jb_matrix_class(uint32_t type)
{
    switch (type) {
    case JB_GGML_F32: case JB_GGML_F16: case JB_GGML_BF16: return JB_PREC_F32;
    case JB_GGML_Q4_0: case JB_GGML_Q4_1: case JB_GGML_Q4_K: return JB_PREC_INT4;
    default: return JB_PREC_INT8;
    }
}
