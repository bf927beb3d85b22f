// Opening a session: one piece of memory a region, planes with their halos filled, and for each precision the kernel calls of every stage and head.
#include <stdlib.h>
#include <string.h>

#include "runtime/cnn_session.h"

#define MAX_ROWS 65536u
#define MAX_SESSION_BYTES ((uint64_t)4 << 30)

static bool used(const struct jb_cnn *m, enum cnn_store store)
{
    uint32_t users = store == CNN_F32 ? 1u << JB_PREC_F32 : 1u << JB_PREC_INT8 | 1u << JB_PREC_INT4;
    return (m->precisions & users) != 0;
}

// From the first byte of a plane's room to pixel (0, 0).
static size_t pixel_offset(const struct cnn_value *v, enum cnn_store store)
{
    size_t row = ((size_t)v->shape.w + 2 * (size_t)v->pad) * (size_t)v->shape.c;
    return ((size_t)v->pad * row + (size_t)v->pad * (size_t)v->shape.c) * cnn_store_bytes(store);
}

static void set_plane(struct cnn_session *s, enum cnn_store store, uint32_t i)
{
    const struct cnn_value *v = &s->m->values[i];
    struct jb_plane *p = &s->planes[store][i];
    int32_t pad = v->logits ? 0 : v->pad;
    *p = (struct jb_plane){ .h = v->shape.h, .w = v->shape.w, .c = v->shape.c, .pad = pad, .row_stride = ((ptrdiff_t)v->shape.w + 2 * pad) * v->shape.c };
    char *room = v->spot[store].place == CNN_IN_ARENA ? s->arena : v->spot[store].place == CNN_IN_SLOT ? s->slots : NULL;
    if (room)
        p->data = room + v->spot[store].offset + pixel_offset(v, store);
}

// The whole room of a plane takes the value that stands for zero: 0.0f, or the zero point. The inside is written before it is read.
static void fill_halos(struct cnn_session *s)
{
    const struct jb_cnn *m = s->m;
    for (uint32_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].store == CNN_U8) {
            struct cnn_value like = { .shape = m->slots[i].shape, .pad = m->slots[i].pad };
            memset(s->slots + m->slots[i].offset, m->slots[i].zero, cnn_plane_bytes(&like, CNN_U8));
        }
    for (uint32_t k = 0; k < m->n_stages; k++) {
        const struct cnn_value *v = &m->values[m->seqs[2 * k].out];
        for (int store = 0; store < CNN_STORES; store++)
            s->pixel[store][k] = v->spot[store].offset + pixel_offset(v, (enum cnn_store)store);
        for (uint32_t r = 0; r < s->max_rows && used(m, CNN_U8); r++)
            memset(s->boundaries + r * m->row_bytes + v->spot[CNN_U8].offset, v->zero, cnn_plane_bytes(v, CNN_U8));
    }
}

static void prepare_conv_f32(struct cnn_session *s, const struct cnn_op *op, struct cnn_step *step)
{
    struct jb_plane *planes = s->planes[CNN_F32];
    step->call = CNN_CALL_CONV_F32;
    step->u.conv_f32 = (struct jb_conv_f32){ .g = op->geom, .weights = op->packed[JB_PREC_F32].weights, .bias = op->packed[JB_PREC_F32].bias, .in = &planes[op->in],
                                             .out = &planes[op->out], .residual = op->residual == CNN_NONE ? NULL : &planes[op->residual], .act = op->act };
    if (op->view)
        step->u.conv_f32.in = &step->view;
}

static int32_t low_clamp(const struct cnn_op *op, const struct cnn_value *out)
{
    return op->act == JB_ACT_NONE ? 0 : out->zero;
}

static void prepare_conv_u8(struct cnn_session *s, const struct cnn_op *op, enum jb_precision p, struct cnn_step *step)
{
    const struct cnn_value *out = &s->m->values[op->out], *r = op->residual == CNN_NONE ? NULL : &s->m->values[op->residual];
    struct jb_plane *planes = s->planes[CNN_U8];
    const struct cnn_packed *w = &op->packed[p];
    step->call = CNN_CALL_CONV_U8;
    struct jb_conv_u8 *c = &step->u.conv_u8;
    *c = (struct jb_conv_u8){ .g = op->geom, .weights = w->weights, .weights_are_s4 = w->s4, .scratch = s->scratch, .bias = w->bias, .mult = w->mult,
                              .in = op->view ? &step->view : &planes[op->in], .out = &planes[op->out], .out_f32 = out->logits };
    if (!out->logits) {
        c->out_zero = out->zero;
        c->lo = low_clamp(op, out);
        c->hi = op->act == JB_ACT_RELU6 ? cnn_quantize(6.0f, out->scale, out->zero) : 255;
    }
    if (r) {
        c->residual = &planes[op->residual];
        c->residual_zero = r->zero;
        c->residual_mult = r->scale / out->scale;
    }
}

static void prepare_pool(struct cnn_session *s, const struct cnn_op *op, enum cnn_store store, struct cnn_step *step)
{
    const struct cnn_value *in = &s->m->values[op->in], *out = &s->m->values[op->out];
    const struct jb_conv_geom *g = &op->geom;
    if (op->kind == CNN_MAXPOOL)
        step->call = store == CNN_F32 ? CNN_CALL_MAX_F32 : CNN_CALL_MAX_U8;
    else
        step->call = store == CNN_F32 ? CNN_CALL_AVG_F32 : CNN_CALL_AVG_U8;
    step->u.pool = (struct jb_pool){ .kernel_h = g->kernel_h, .kernel_w = g->kernel_w, .stride_h = g->stride_h, .stride_w = g->stride_w, .pad_h = g->pad_h, .pad_w = g->pad_w,
                                     .in = &s->planes[store][op->in], .out = &s->planes[store][op->out] };
    if (store == CNN_U8 && op->kind != CNN_MAXPOOL) {
        step->u.pool.in_zero = in->zero;
        step->u.pool.out_zero = out->zero;
        step->u.pool.mult = in->scale / out->scale;
    }
}

static void prepare_add_u8(struct cnn_session *s, const struct cnn_op *op, struct cnn_step *step)
{
    const struct cnn_value *a = &s->m->values[op->in], *b = &s->m->values[op->in2], *out = &s->m->values[op->out];
    struct jb_plane *planes = s->planes[CNN_U8];
    step->call = CNN_CALL_ADD_U8;
    step->u.add_u8 = (struct jb_add_u8){ .a = &planes[op->in], .b = &planes[op->in2], .out = &planes[op->out], .a_zero = a->zero, .b_zero = b->zero, .out_zero = out->zero,
                                         .lo = low_clamp(op, out), .a_mult = a->scale / out->scale, .b_mult = b->scale / out->scale };
}

static void prepare_plain(struct cnn_session *s, const struct cnn_op *op, enum cnn_store store, struct cnn_step *step)
{
    struct jb_plane *planes = s->planes[store];
    step->u.plain.a = &planes[op->in];
    step->u.plain.b = op->in2 == CNN_NONE ? NULL : &planes[op->in2];
    step->u.plain.out = &planes[op->out];
    step->u.plain.act = op->act;
    step->u.plain.table = op->table;
    step->u.plain.lo = (uint8_t)low_clamp(op, &s->m->values[op->out]);
    if (op->kind == CNN_ADD)
        step->call = CNN_CALL_ADD_F32;
    else if (op->kind == CNN_ACT)
        step->call = store == CNN_F32 ? CNN_CALL_ACT_F32 : CNN_CALL_ACT_U8;
    else
        step->call = store == CNN_F32 ? CNN_CALL_CONCAT_F32 : CNN_CALL_CONCAT_U8;
}

static void prepare_step(struct cnn_session *s, const struct cnn_op *op, enum jb_precision p, struct cnn_step *step)
{
    enum cnn_store store = cnn_store_of(p);
    step->out_value = op->out;
    if (op->view) {
        int32_t n = op->geom.in_c;
        step->view_of = &s->planes[store][op->in];
        step->view = (struct jb_plane){ .data = step->view_of->data, .h = 1, .w = 1, .c = n, .row_stride = n };
    }
    switch (op->kind) {
    case CNN_CONV:
    case CNN_FC:
        if (store == CNN_F32)
            prepare_conv_f32(s, op, step);
        else
            prepare_conv_u8(s, op, p, step);
        break;
    case CNN_MAXPOOL:
    case CNN_AVGPOOL:
    case CNN_GAP:
        prepare_pool(s, op, store, step);
        break;
    case CNN_ADD:
        if (store == CNN_U8) {
            prepare_add_u8(s, op, step);
            break;
        }
        prepare_plain(s, op, store, step);
        break;
    case CNN_CONCAT:
    case CNN_ACT:
    case CNN_KINDS:
        prepare_plain(s, op, store, step);
        break;
    }
}

static void prepare_steps(struct cnn_session *s)
{
    const struct jb_cnn *m = s->m;
    uint32_t n = 0;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        if (!(m->precisions & 1u << p))
            continue;
        for (uint32_t q = 0; q < 2 * m->n_stages; q++) {
            s->plans[p][q].first = n;
            for (uint32_t i = m->seqs[q].first_op; i < m->seqs[q].first_op + m->seqs[q].n_ops; i++)
                if (!m->ops[i].skipped)
                    prepare_step(s, &m->ops[i], (enum jb_precision)p, &s->steps[n++]);
            s->plans[p][q].n = n - s->plans[p][q].first;
        }
    }
}

// All memory of the session, in one table, so that it is summed before any of it is taken.
static int take_memory(struct cnn_session *s, struct jb_err *err)
{
    const struct jb_cnn *m = s->m;
    const struct { void **out; uint64_t each, n; } parts[] = {
        { (void **)&s->planes[CNN_F32], sizeof(struct jb_plane), m->n_values },
        { (void **)&s->planes[CNN_U8], sizeof(struct jb_plane), m->n_values },
        { (void **)&s->steps, sizeof(struct cnn_step), (uint64_t)JB_PREC_COUNT * m->n_ops },
        { (void **)&s->rows, sizeof(struct cnn_row), s->max_rows },
        { (void **)&s->arena, m->arena_bytes, 1 },
        { (void **)&s->slots, m->slots_bytes, 1 },
        { (void **)&s->boundaries, m->row_bytes, s->max_rows },
        { &s->scratch, m->scratch_bytes, 1 },
        { (void **)&s->logits, s->logits_stride * sizeof(float), s->max_rows },
        { (void **)&s->hidden, s->hidden_stride * sizeof(float), s->max_rows },
        { (void **)&s->top, JB_TOP_N * sizeof(struct jb_top), s->max_rows },
    };
    uint64_t total = sizeof *s;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t n;
        if (!jb_mul_u64(parts[i].each, parts[i].n, &n) || !jb_add_u64(total, n, &total) || total > MAX_SESSION_BYTES)
            return jb_fail(err, JB_E_RANGE, "a session of %u rows of this model needs more than 4 GiB", s->max_rows);
    }
    s->n_bytes = total;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].out = jb_aligned_zeroed(parts[i].each * parts[i].n);
        if (!*parts[i].out)
            return jb_fail(err, JB_E_NOMEM, "no memory for a session of %llu bytes", (unsigned long long)total);
    }
    return JB_OK;
}

int cnn_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err)
{
    const struct jb_cnn *m = impl;
    if (o->max_rows > MAX_ROWS)
        return jb_fail(err, JB_E_RANGE, "%u rows in one session (limit 65,536)", o->max_rows);
    struct cnn_session *s = calloc(1, sizeof *s);
    if (!s)
        return jb_fail(err, JB_E_NOMEM, "no memory for a session");
    s->m = m;
    s->max_rows = o->max_rows;
    s->logits_stride = jb_align_up(m->n_classes, 16);
    s->hidden_stride = jb_align_up(m->hidden_values, 16) + JB_PLANE_SLACK / sizeof(float);
    int rc = take_memory(s, err);
    if (rc) {
        cnn_close(s);
        return rc;
    }
    for (int store = 0; store < CNN_STORES; store++)
        for (uint32_t i = 0; i < m->n_values && used(m, (enum cnn_store)store); i++)
            set_plane(s, (enum cnn_store)store, i);
    fill_halos(s);
    prepare_steps(s);
    *state = s;
    *state_bytes = s->n_bytes;
    return JB_OK;
}

void cnn_close(void *state)
{
    struct cnn_session *s = state;
    if (!s)
        return;
    void *parts[] = { s->planes[CNN_F32], s->planes[CNN_U8], s->steps, s->rows, s->arena, s->slots, s->boundaries, s->scratch, s->logits, s->hidden, s->top };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(s);
}
