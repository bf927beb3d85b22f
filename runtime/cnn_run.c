// Running a session: for each row, point the boundary planes at the row's room, convert if the precision differs, and make the prepared calls.
// Rows run one after the other through a whole stage: the stage's planes stay in the cache, its weights in the next one.
#include <math.h>
#include <string.h>

#include "runtime/cnn_session.h"
#include "runtime/top.h"

int cnn_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n)
{
    struct cnn_session *s = state;
    (void)part; // there is one
    for (uint32_t i = 0; i < n; i++) {
        if (!rows[i].data)
            return JB_E_INVALID;
        s->rows[i] = (struct cnn_row){ .bytes = rows[i].data };
    }
    return JB_OK;
}

static void act_u8(const struct jb_plane *in, const struct jb_plane *out, uint8_t lo)
{
    for (int32_t y = 0; y < out->h; y++) {
        const uint8_t *p = (const uint8_t *)in->data + y * in->row_stride;
        uint8_t *o = (uint8_t *)out->data + y * out->row_stride;
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out->w * out->c; i++)
            o[i] = p[i] > lo ? p[i] : lo;
    }
}

// Bytes of two scales side by side in a third: a table for each operand.
static void concat_u8(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, const uint8_t *table)
{
    for (int32_t y = 0; y < out->h; y++) {
        const uint8_t *p = (const uint8_t *)a->data + y * a->row_stride, *q = (const uint8_t *)b->data + y * b->row_stride;
        uint8_t *o = (uint8_t *)out->data + y * out->row_stride;
        for (int32_t x = 0; x < out->w; x++) {
            for (int32_t c = 0; c < a->c; c++)
                *o++ = table[*p++];
            for (int32_t c = 0; c < b->c; c++)
                *o++ = table[256 + *q++];
        }
    }
}

static inline void make_call(const struct jb_kernels *k, struct cnn_step *t)
{
    if (t->view_of)
        t->view.data = t->view_of->data;
    switch (t->call) {
    case CNN_CALL_CONV_F32: k->conv_f32(&t->u.conv_f32); break;
    case CNN_CALL_CONV_U8: k->conv_u8(&t->u.conv_u8); break;
    case CNN_CALL_MAX_F32: k->max_pool_f32(&t->u.pool); break;
    case CNN_CALL_MAX_U8: k->max_pool_u8(&t->u.pool); break;
    case CNN_CALL_AVG_F32: k->avg_pool_f32(&t->u.pool); break;
    case CNN_CALL_AVG_U8: k->avg_pool_u8(&t->u.pool); break;
    case CNN_CALL_ADD_F32: k->add_f32(t->u.plain.a, t->u.plain.b, t->u.plain.out, t->u.plain.act); break;
    case CNN_CALL_ADD_U8: k->add_u8(&t->u.add_u8); break;
    case CNN_CALL_ACT_F32: k->act_f32(t->u.plain.a, t->u.plain.out, t->u.plain.act); break;
    case CNN_CALL_ACT_U8: act_u8(t->u.plain.a, t->u.plain.out, t->u.plain.lo); break;
    case CNN_CALL_CONCAT_F32: k->concat(t->u.plain.a, t->u.plain.b, t->u.plain.out, sizeof(float)); break;
    case CNN_CALL_CONCAT_U8: concat_u8(t->u.plain.a, t->u.plain.b, t->u.plain.out, t->u.plain.table); break;
    }
}

static void show(const struct cnn_session *s, uint32_t value)
{
    const struct jb_plane *p = &s->planes[CNN_F32][value];
    float lo = INFINITY, hi = -INFINITY;
    for (int32_t y = 0; y < p->h; y++)
        for (ptrdiff_t i = 0; i < (ptrdiff_t)p->w * p->c; i++) {
            float x = ((const float *)p->data + y * p->row_stride)[i];
            lo = isfinite(x) && x < lo ? x : lo;
            hi = isfinite(x) && x > hi ? x : hi;
        }
    if (lo <= hi)
        s->observe(s->observer, s->m->values[value].name, lo, hi);
}

static void run_plan(struct cnn_session *s, enum jb_precision p, uint32_t seq)
{
    const struct jb_kernels *k = &s->m->kernels;
    struct cnn_step *t = s->steps + s->plans[p][seq].first, *end = t + s->plans[p][seq].n;
    if (s->observe && p == JB_PREC_F32) {
        for (; t < end; t++) {
            make_call(k, t);
            show(s, t->out_value);
        }
        return;
    }
    for (; t < end; t++)
        make_call(k, t);
}

// Bytes of an image into the plane of bytes, through the table when that changes anything.
static void enter_bytes(const struct cnn_session *s, const uint8_t *in)
{
    const struct jb_plane *p = &s->planes[CNN_U8][0];
    if (s->m->input_identity) {
        s->m->kernels.bytes_to_plane(in, p);
        return;
    }
    for (int32_t y = 0; y < p->h; y++) {
        uint8_t *o = (uint8_t *)p->data + y * p->row_stride;
        for (int32_t x = 0; x < p->w; x++)
            for (int32_t c = 0; c < p->c; c++)
                *o++ = s->m->input_table[c][*in++];
    }
}

// Points the plane of stage `stage`'s output at a row's room.
static inline void point(struct cnn_session *s, enum cnn_store store, uint32_t stage, uint32_t row)
{
    s->planes[store][s->m->seqs[2 * stage].out].data = s->boundaries + row * s->m->row_bytes + s->pixel[store][stage];
}

// The stage's input in the store it needs; what another precision left is converted.
static void enter(struct cnn_session *s, uint32_t stage, enum cnn_store store, uint32_t row)
{
    const struct jb_kernels *k = &s->m->kernels;
    if (stage == 0) {
        if (store == CNN_F32)
            k->bytes_to_f32(s->rows[row].bytes, &s->planes[CNN_F32][0], s->m->input_scale, s->m->input_offset);
        else
            enter_bytes(s, s->rows[row].bytes);
        return;
    }
    uint32_t value = s->m->seqs[2 * stage].in;
    const struct cnn_value *v = &s->m->values[value];
    point(s, store, stage - 1, row);
    if (s->rows[row].store == store)
        return;
    point(s, s->rows[row].store, stage - 1, row);
    if (store == CNN_U8)
        k->quantize(&s->planes[CNN_F32][value], &s->planes[CNN_U8][value], 1.0f / v->scale, v->zero);
    else
        k->dequantize(&s->planes[CNN_U8][value], &s->planes[CNN_F32][value], v->scale, v->zero);
}

int cnn_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost)
{
    struct cnn_session *s = state;
    if (!(s->m->precisions & 1u << p))
        return JB_E_UNSUPPORTED;
    enum cnn_store store = cnn_store_of(p);
    for (uint32_t i = 0; i < n; i++) {
        enter(s, stage, store, rows[i]);
        point(s, store, stage, rows[i]);
        run_plan(s, p, 2 * stage);
        s->rows[rows[i]].store = store;
        s->rows[rows[i]].precision = p;
        if (cost)
            jb_cost_add(&cost[i], &s->m->seq_cost[2 * stage][p]);
    }
    return JB_OK;
}

// The boundary value as dense real numbers.
static const float *show_hidden(struct cnn_session *s, uint32_t stage, uint32_t row, uint32_t *n)
{
    uint32_t value = s->m->seqs[2 * stage].out;
    const struct cnn_value *v = &s->m->values[value];
    const struct jb_plane *p = &s->planes[s->rows[row].store][value];
    size_t line = (size_t)p->w * (size_t)p->c;
    float *out = s->hidden + row * s->hidden_stride;
    struct jb_plane dense = { .data = out, .h = p->h, .w = p->w, .c = p->c, .row_stride = (ptrdiff_t)line };
    *n = (uint32_t)(line * (size_t)p->h);
    if (s->rows[row].store == CNN_U8)
        s->m->kernels.dequantize(p, &dense, v->scale, v->zero);
    else
        for (int32_t y = 0; y < p->h; y++)
            memcpy(out + (size_t)y * line, (const float *)p->data + y * p->row_stride, line * sizeof(float));
    return out;
}

static void run_head_row(struct cnn_session *s, uint32_t stage, uint32_t row, uint32_t want, struct jb_head_row *out)
{
    const struct cnn_seq *q = &s->m->seqs[2 * stage + 1];
    enum cnn_store store = s->rows[row].store;
    float *logits = s->logits + row * s->logits_stride;
    *out = (struct jb_head_row){ .gate = NAN };
    point(s, store, stage, row);
    if (want & (JB_WANT_TOP | JB_WANT_LOGITS)) {
        s->planes[store][q->out].data = logits;
        run_plan(s, s->rows[row].precision, 2 * stage + 1);
    }
    if (want & JB_WANT_LOGITS) {
        out->logits = logits;
        out->n_logits = s->m->n_classes;
    }
    if (want & JB_WANT_TOP) {
        out->top = s->top + (size_t)row * JB_TOP_N;
        out->n_top = jb_find_top(logits, s->m->n_classes, s->top + (size_t)row * JB_TOP_N);
    }
    if (want & JB_WANT_HIDDEN)
        out->hidden = show_hidden(s, stage, row, &out->n_hidden);
}

int cnn_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost)
{
    struct cnn_session *s = state;
    if (!s->m->seqs[2 * stage + 1].present)
        return JB_E_UNSUPPORTED;
    for (uint32_t i = 0; i < n; i++) {
        run_head_row(s, stage, rows[i], want, &out[i]);
        if (cost && want & (JB_WANT_TOP | JB_WANT_LOGITS))
            jb_cost_add(&cost[i], &s->m->seq_cost[2 * stage + 1][s->rows[rows[i]].precision]);
    }
    return JB_OK;
}

void cnn_observe(void *state, jb_observe_fn fn, void *self)
{
    struct cnn_session *s = state;
    s->observe = fn;
    s->observer = self;
}
