// Layers. All threads walk through the same steps; within a step each computes a share of the outputs (or of the rows, or of the heads), and a barrier stands where a step
// reads what another thread wrote. Which share is whose changes no result: every operator fixes the arithmetic of each value (kernels/rows.h).
#include <string.h>

#include "runtime/llama_session.h"

#define ROWS_A_THREAD 4u // from so many on attention is shared by rows, below by heads

struct run { struct llama_session *s; const struct llama_batch *b; };

// One matrix's part of a step: its outputs for some rows.
struct product { const struct jb_matrix *w; struct jb_matrix_rows in; float *y; uint32_t y_stride; bool add; };

static const struct llama_item *item_of(const struct run *r, uint32_t i)
{
    return &r->s->items[i];
}

static void share(const struct run *r, uint32_t n, uint32_t thread, uint32_t *begin, uint32_t *end)
{
    jb_team_share(n, thread, r->s->n_threads, begin, end);
}

// The output blocks of several matrices as one row of blocks, of which each thread takes a piece.
static void multiply(const struct run *r, const struct product *p, uint32_t n, uint32_t thread)
{
    uint32_t total = 0, begin, end, at = 0;
    for (uint32_t i = 0; i < n; i++)
        total += (uint32_t)jb_matrix_blocks(p[i].w);
    share(r, total, thread, &begin, &end);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t blocks = (uint32_t)jb_matrix_blocks(p[i].w), first = begin > at ? begin - at : 0, last = end > at ? end - at : 0;
        if (last > blocks)
            last = blocks;
        if (first < last)
            jb_matrix_multiply(&r->s->m->k, p[i].w, &p[i].in, p[i].y, (ptrdiff_t)p[i].y_stride, p[i].add, (int32_t)first, (int32_t)last, r->s->scratch[thread]);
        at += blocks;
    }
}

// Rows as matrices of this width read them, n of them at x: in 8 bits too, if some matrix wants it.
static void quantize(const struct llama_session *s, const float *x, uint32_t n, uint32_t width, bool wanted, struct jb_q8 *out)
{
    if (wanted && n)
        s->m->k.quantize_rows(x, (ptrdiff_t)width, (int32_t)n, (int32_t)width, out);
}

static struct jb_matrix_rows normalise(const struct run *r, const float *weights, uint32_t n, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    bool alone = n <= LLAMA_ALONE;
    uint32_t begin = 0, end = n, width = m->n_embd;
    float *norm = alone ? s->threads[thread].norm : s->norm;
    struct jb_q8 *q8 = alone ? s->threads[thread].q8 : s->q8;
    if (!alone)
        share(r, n, thread, &begin, &end);
    float *mine = norm + (size_t)begin * width;
    struct jb_rms_norm a = { .x = s->x + (size_t)begin * width, .w = weights, .y = mine, .n = (int32_t)width, .m = (int32_t)(end - begin), .x_stride = (ptrdiff_t)width, .y_stride = (ptrdiff_t)width,
                             .eps = m->eps };
    m->k.rms_norm(&a);
    quantize(s, mine, end - begin, width, m->q8_embd, q8 + begin * jb_q8_blocks(width));
    if (!alone)
        jb_team_barrier(s->team);
    return (struct jb_matrix_rows){ .x = norm, .stride = (ptrdiff_t)width, .q = q8, .m = (int32_t)n };
}

// Turns q and k by their positions, and puts K and V where attention reads them.
static void turn_and_put(const struct run *r, uint32_t layer, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    uint32_t begin, end;
    size_t q_width = (size_t)m->n_head * m->head_dim, kv_width = (size_t)m->n_kv * m->head_dim;
    share(r, r->b->n, thread, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        const struct llama_item *at = item_of(r, i);
        struct jb_rope rope = { .x = s->k + i * kv_width, .cs = s->turns + (size_t)at->position * m->n_rot, .n_heads = (int32_t)m->n_kv, .head_dim = (int32_t)m->head_dim, .n_rot = (int32_t)m->n_rot };
        struct jb_kv_put put = { .kv = llama_kv(s, layer, at->sequence), .position = (int32_t)at->position, .k = s->k + i * kv_width, .v = s->v + i * kv_width };
        m->k.rope(&rope);
        m->k.kv_put(&put);
        if (i >= r->b->n_whole)
            continue;
        rope.x = s->q + i * q_width;
        rope.n_heads = (int32_t)m->n_head;
        m->k.rope(&rope);
    }
}

// Query heads [head, head + n) of one row, all of one KV head.
static void attend(const struct run *r, uint32_t layer, uint32_t row, uint32_t head, uint32_t n, float *scores)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    const struct llama_item *at = item_of(r, row);
    uint32_t kv_head = head / m->group;
    // The operator takes whole groups: with a group of n, KV head h's queries begin at h * n.
    size_t offset = ((size_t)row * m->n_head + head - (size_t)kv_head * n) * m->head_dim;
    struct jb_attention a = { .kv = llama_kv(s, layer, at->sequence), .q = s->q + offset, .out = s->att + offset, .scratch = scores, .group = (int32_t)n, .last = (int32_t)at->position,
                              .head0 = (int32_t)kv_head, .head1 = (int32_t)kv_head + 1, .scale = m->scale };
    m->k.attention(&a);
}

// Many rows: each thread takes every n-th, since later ones cost more. Returns rows that the output projection reads; behind the barrier.
static struct jb_matrix_rows attention(const struct run *r, uint32_t layer, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    uint32_t n = r->b->n_whole, width = m->n_head * m->head_dim, begin, end;
    bool by_rows = n >= ROWS_A_THREAD * s->n_threads;
    struct jb_q8 *q8 = n <= LLAMA_ALONE ? s->threads[thread].q8 : s->q8;
    float *scores = s->threads[thread].scores;
    size_t blocks = jb_q8_blocks(width);
    for (uint32_t i = thread; by_rows && i < n; i += s->n_threads) {
        for (uint32_t h = 0; h < m->n_head; h += m->group)
            attend(r, layer, i, h, m->group, scores);
        quantize(s, s->att + (size_t)i * width, 1, width, m->q8_att, q8 + i * blocks);
    }
    share(r, n * m->n_head, thread, &begin, &end);
    for (uint32_t i = begin; !by_rows && i < end;) {
        uint32_t row = i / m->n_head, head = i % m->n_head, left = m->group - head % m->group, some = end - i < left ? end - i : left;
        attend(r, layer, row, head, some, scores);
        i += some;
    }
    jb_team_barrier(s->team);
    if (n <= LLAMA_ALONE) {
        quantize(s, s->att, n, width, m->q8_att, q8);
    } else if (!by_rows) {
        share(r, n, thread, &begin, &end);
        quantize(s, s->att + (size_t)begin * width, end - begin, width, m->q8_att, q8 + begin * blocks);
        jb_team_barrier(s->team);
    }
    return (struct jb_matrix_rows){ .x = s->att, .stride = (ptrdiff_t)width, .q = q8, .m = (int32_t)n };
}

// gate and up in equal shares of their columns, so that what joins them needs no barrier. Shares are whole blocks of 8-bit rows.
static struct jb_matrix_rows feed_forward(const struct run *r, const struct llama_layer *a, const struct jb_matrix_rows *in, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    uint32_t width = m->n_ff, unit = JB_QK / JB_PACK, blocks = (uint32_t)jb_matrix_blocks(&a->gate), begin, end;
    size_t row_blocks = jb_q8_blocks(width);
    share(r, (blocks + unit - 1) / unit, thread, &begin, &end);
    begin *= unit;
    end = end * unit < blocks ? end * unit : blocks;
    uint32_t first = begin * JB_PACK, last = end * JB_PACK < width ? end * JB_PACK : width;
    jb_matrix_multiply(&m->k, &a->gate, in, s->gate, (ptrdiff_t)width, false, (int32_t)begin, (int32_t)end, s->scratch[thread]);
    jb_matrix_multiply(&m->k, &a->up, in, s->up, (ptrdiff_t)width, false, (int32_t)begin, (int32_t)end, s->scratch[thread]);
    for (uint32_t i = 0; i < r->b->n_whole && first < last; i++) {
        float *gate = s->gate + (size_t)i * width + first;
        struct jb_silu_mul mul = { .g = gate, .u = s->up + (size_t)i * width + first, .y = gate, .n = last - first };
        m->k.silu_mul(&mul);
        quantize(s, gate, 1, last - first, m->q8_ff, s->q8_ff + i * row_blocks + first / JB_QK);
    }
    jb_team_barrier(s->team);
    return (struct jb_matrix_rows){ .x = s->gate, .stride = (ptrdiff_t)width, .q = s->q8_ff, .m = (int32_t)r->b->n_whole };
}

static void run_layer(const struct run *r, uint32_t layer, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    const struct llama_layer *a = &m->layers[layer];
    uint32_t q_width = m->n_head * m->head_dim, kv_width = m->n_kv * m->head_dim;
    struct jb_matrix_rows all = normalise(r, a->attn_norm, r->b->n, thread), whole = all;
    whole.m = (int32_t)r->b->n_whole;
    const struct product qkv[] = { { &a->q, whole, s->q, q_width, false }, { &a->k, all, s->k, kv_width, false }, { &a->v, all, s->v, kv_width, false } };
    multiply(r, qkv + (r->b->n_whole == 0), r->b->n_whole ? 3 : 2, thread);
    jb_team_barrier(s->team);
    turn_and_put(r, layer, thread);
    jb_team_barrier(s->team);
    if (!r->b->n_whole)
        return;
    const struct product out = { &a->out, attention(r, layer, thread), s->x, m->n_embd, true };
    multiply(r, &out, 1, thread);
    jb_team_barrier(s->team);
    struct jb_matrix_rows normed = normalise(r, a->ffn_norm, r->b->n_whole, thread);
    const struct product down = { &a->down, feed_forward(r, a, &normed, thread), s->x, m->n_embd, true };
    multiply(r, &down, 1, thread);
    jb_team_barrier(s->team);
}

static void run_share(void *self, uint32_t thread)
{
    const struct run *r = self;
    struct llama_session *s = r->s;
    size_t width = s->m->n_embd;
    uint32_t begin, end;
    share(r, r->b->n, thread, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        memcpy(s->x + i * width, llama_hidden(s, item_of(r, i)->sequence, item_of(r, i)->position), width * sizeof(float));
    jb_team_barrier(s->team);
    for (uint32_t l = s->m->stage_layer[r->b->stage]; l < s->m->stage_layer[r->b->stage + 1]; l++)
        run_layer(r, l, thread);
    share(r, r->b->n_whole, thread, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        memcpy(llama_hidden(s, item_of(r, i)->sequence, item_of(r, i)->position), s->x + i * width, width * sizeof(float));
}

void llama_run_batch(struct llama_session *s, const struct llama_batch *b)
{
    struct run r = { s, b };
    jb_team_run(s->team, run_share, &r);
}
