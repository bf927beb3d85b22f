// A session of a `llama` model: its memory, planned before any is taken; and the life of its positions.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/llama_session.h"

#define MAX_SEQUENCES 4096u
#define MAX_PARTS 64

static uint32_t at_least(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t at_most(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// Pieces of one large memory: where a pointer is to be set, and how many bytes stand behind it.
struct plan { struct { void **out; uint64_t bytes; } parts[MAX_PARTS + 4 * JB_TEAM_MAX]; size_t n; uint64_t total; bool overflow; };

static void want(struct plan *p, void *out, uint64_t each, uint64_t n, uint64_t times)
{
    uint64_t bytes = 0;
    if (!jb_mul_u64(each, n, &bytes) || !jb_mul_u64(bytes, times, &bytes) || bytes > UINT64_MAX / 2 || !jb_add_u64(p->total, jb_align_up(bytes, JB_ALIGN), &p->total)) {
        p->overflow = true;
        return;
    }
    p->parts[p->n].out = out;
    p->parts[p->n++].bytes = jb_align_up(bytes, JB_ALIGN);
}

static void plan_threads(struct llama_session *s, struct plan *p, uint64_t q8_blocks)
{
    const struct llama *m = s->m;
    for (uint32_t i = 0; i < s->n_threads; i++) {
        struct llama_thread *t = &s->threads[i];
        want(p, &t->scores, sizeof(float), m->group, s->kv_positions);
        want(p, &t->norm, sizeof(float), LLAMA_ALONE, m->n_embd);
        want(p, &t->q8, sizeof(struct jb_q8), LLAMA_ALONE, q8_blocks);
        want(p, &t->scratch, 1, m->scratch_bytes, 1);
    }
}

static void plan_memory(struct llama_session *s, struct plan *p)
{
    const struct llama *m = s->m;
    uint64_t all = (uint64_t)s->n_sequences * s->max_positions, batch = s->batch_room, q_width = (uint64_t)m->n_head * m->head_dim, kv_width = (uint64_t)m->n_kv * m->head_dim;
    uint32_t widest = at_least(at_least(m->n_embd, (uint32_t)q_width), m->n_low);
    uint64_t q8_blocks = (widest + JB_QK - 1) / JB_QK;
    want(p, &s->rows, sizeof *s->rows, s->max_rows, 1);
    want(p, &s->sequences, sizeof *s->sequences, s->n_sequences, 1);
    want(p, &s->positions, sizeof *s->positions, all, 1);
    want(p, &s->hidden, sizeof(float), all, m->n_embd);
    want(p, &s->turns, sizeof(float), s->max_positions, m->n_rot);
    want(p, &s->kv, sizeof *s->kv, s->n_sequences, m->n_layers);
    want(p, &s->kv_memory, jb_kv_bytes(s->kv_kind, (int32_t)m->n_kv, (int32_t)m->head_dim, (int32_t)s->kv_positions), s->n_sequences, m->n_layers);
    want(p, &s->items, sizeof *s->items, batch, 1);
    want(p, &s->x, sizeof(float), batch, m->n_embd);
    want(p, &s->norm, sizeof(float), batch, m->n_embd);
    want(p, &s->q, sizeof(float), batch, q_width);
    want(p, &s->att, sizeof(float), batch, q_width);
    want(p, &s->k, sizeof(float), batch, kv_width);
    want(p, &s->v, sizeof(float), batch, kv_width);
    want(p, &s->gate, sizeof(float), batch, m->n_ff);
    want(p, &s->up, sizeof(float), batch, m->n_ff);
    want(p, &s->q8, sizeof(struct jb_q8), batch, q8_blocks);
    want(p, &s->q8_ff, sizeof(struct jb_q8), batch, jb_q8_blocks(m->n_ff));
    want(p, &s->u, sizeof(float), s->head_room, m->n_embd);
    want(p, &s->t, sizeof(float), s->head_room, m->n_embd);
    want(p, &s->low, sizeof(float), s->head_room, m->n_low);
    want(p, &s->gate_rows, sizeof(float), s->head_room, m->n_gate);
    want(p, &s->gates, sizeof(float), s->max_rows, 1);
    want(p, &s->n_top, sizeof(uint32_t), s->max_rows, 1);
    want(p, &s->n_nan, sizeof(uint32_t), s->max_rows, 1);
    want(p, &s->logits, sizeof(float), s->max_rows, m->n_vocab);
    want(p, &s->top, sizeof *s->top, s->max_rows, JB_TOP_N);
    want(p, &s->head_memory, s->head.ops->bytes(&m->head, s->head_room, s->n_threads), 1, 1);
    plan_threads(s, p, q8_blocks);
}

static int take_memory(struct llama_session *s, struct jb_err *err)
{
    const struct llama *m = s->m;
    struct plan p = { .n = 0 };
    plan_memory(s, &p);
    uint64_t available = jb_memory_available(NULL);
    if (p.overflow || p.total > available)
        return jb_fail(err, JB_E_RANGE, "a session of %u rows, %u sequences of %u positions, K/V %s, needs %.1f MB, and %.1f MB are available", s->max_rows, s->n_sequences, s->max_positions,
                       jb_kv_name((int)s->kv_kind), p.overflow ? (double)INFINITY : (double)p.total / 1e6, (double)available / 1e6);
    if (!jb_big_get(&s->memory, p.total, false))
        return jb_fail(err, JB_E_NOMEM, "no memory for a session of %.1f MB", (double)p.total / 1e6);
    char *at = s->memory.data;
    for (size_t i = 0; i < p.n; at += p.parts[i++].bytes)
        *p.parts[i].out = at;
    size_t kv_bytes = jb_kv_bytes(s->kv_kind, (int32_t)m->n_kv, (int32_t)m->head_dim, (int32_t)s->kv_positions);
    for (size_t i = 0; i < (size_t)m->n_layers * s->n_sequences; i++) {
        s->kv[i] = (struct jb_kv_layer){ .kind = s->kv_kind, .n_heads = (int32_t)m->n_kv, .head_dim = (int32_t)m->head_dim, .positions = (int32_t)s->kv_positions };
        jb_kv_place(&s->kv[i], s->kv_memory + i * kv_bytes);
    }
    for (uint32_t i = 0; i < s->n_threads; i++)
        s->scratch[i] = s->threads[i].scratch;
    s->head.ops->place(&s->head, s->head_memory);
    return JB_OK;
}

static int check_options(const struct llama *m, const struct jb_session_opts *o, struct jb_err *err)
{
    if (o->max_positions > m->max_positions)
        return jb_fail(err, JB_E_RANGE, "%u positions of a model made for %u", o->max_positions, m->max_positions);
    if (o->max_sequences > MAX_SEQUENCES)
        return jb_fail(err, JB_E_RANGE, "%u sequences in one session (limit %u)", o->max_sequences, MAX_SEQUENCES);
    if (o->threads > JB_TEAM_MAX)
        return jb_fail(err, JB_E_RANGE, "%u threads in one session (limit %d)", o->threads, JB_TEAM_MAX);
    if ((int)o->kv < 0 || o->kv >= JB_KV_COUNT || (int)o->fill < 0 || o->fill >= JB_FILL_COUNT)
        return jb_fail(err, JB_E_INVALID, "a session with K/V of kind %d and fill of kind %d", (int)o->kv, (int)o->fill);
    return JB_OK;
}

int llama_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err)
{
    const struct llama *m = impl;
    int rc = check_options(m, o, err);
    if (rc)
        return rc;
    struct llama_session *s = calloc(1, sizeof *s);
    if (!s)
        return jb_fail(err, JB_E_NOMEM, "no memory for a session");
    s->m = m;
    s->kv_kind = o->kv;
    s->fill = o->fill;
    s->max_rows = o->max_rows;
    s->max_positions = o->max_positions ? o->max_positions : m->max_positions;
    s->kv_positions = (uint32_t)jb_align_up(s->max_positions, JB_PACK);
    s->n_sequences = at_least(o->max_sequences, 1);
    s->n_threads = at_least(o->threads, 1);
    s->batch_room = jb_session_fill_rows(o);
    s->head_room = at_most(o->max_rows, LLAMA_HEAD_ROWS);
    s->head = (struct jb_vocab_head){ .ops = jb_vocab_heads[0], .k = &m->k, .w = &m->head, .max_rows = s->head_room };
    rc = take_memory(s, err);
    if (!rc)
        rc = jb_team_open(&s->team, s->n_threads, o->cpus, o->n_cpus, err);
    if (rc) {
        llama_close(s);
        return rc;
    }
    s->head.team = s->team;
    *state = s;
    *state_bytes = sizeof *s + s->memory.n_bytes;
    return JB_OK;
}

void llama_close(void *state)
{
    struct llama_session *s = state;
    if (!s)
        return;
    jb_team_close(s->team);
    jb_big_free(&s->memory);
    free(s);
}

// cos and sin of positions up to `end`, in double and rounded once.
static void extend_turns(struct llama_session *s, uint32_t end)
{
    const struct llama *m = s->m;
    for (; s->n_turns < end; s->n_turns++) {
        float *cs = s->turns + (size_t)s->n_turns * m->n_rot;
        for (uint32_t i = 0; i < m->n_rot / 2; i++) {
            double angle = (double)s->n_turns * m->freq_scale * m->freqs[i];
            cs[2 * i] = (float)cos(angle);
            cs[2 * i + 1] = (float)sin(angle);
        }
    }
}

int llama_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n)
{
    struct llama_session *s = state;
    const struct llama *m = s->m;
    (void)part; // there is one
    for (uint32_t i = 0; i < n; i++)
        if (rows[i].token >= m->n_vocab || rows[i].sequence >= s->n_sequences)
            return JB_E_RANGE;
    s->n_rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct llama_sequence *q = &s->sequences[rows[i].sequence];
        if (q->len == s->max_positions) {
            while (i--)
                s->sequences[rows[i].sequence].len--; // as if nothing had begun
            return JB_E_RANGE;
        }
        uint32_t p = q->len++;
        s->rows[i] = (struct llama_row){ .sequence = rows[i].sequence, .position = p };
        s->positions[llama_slot(s, rows[i].sequence, p)] = (struct llama_position){ .depth = 0 };
        m->embedding_type->widen((const char *)m->embedding->data + rows[i].token * m->embedding_row_bytes, llama_hidden(s, rows[i].sequence, p), m->n_embd);
        extend_turns(s, p + 1);
    }
    s->n_rows = n;
    return JB_OK;
}

int llama_commit(void *state, uint32_t row, uint32_t n)
{
    struct llama_session *s = state;
    const struct llama_row *r = &s->rows[row];
    struct llama_sequence *q = &s->sequences[r->sequence];
    if (r->position > q->len || n > q->len - r->position || r->position + n < q->committed)
        return JB_E_RANGE;
    q->committed = r->position + n;
    return JB_OK;
}

int llama_rollback(void *state, uint32_t row, uint32_t n)
{
    struct llama_session *s = state;
    uint32_t sequence = s->rows[row].sequence;
    struct llama_sequence *q = &s->sequences[sequence];
    if (n > q->len - q->committed)
        return JB_E_RANGE;
    while (n--) {
        struct jb_cost *late = &s->positions[llama_slot(s, sequence, --q->len)].late;
        jb_cost_add(q->len ? &s->positions[llama_slot(s, sequence, q->len - 1)].late : &q->lost, late);
    }
    for (uint32_t k = 0; k < s->m->n_stages; k++)
        q->full[k] = at_most(q->full[k], q->len);
    return JB_OK;
}

int llama_deferred(const void *state, uint32_t sequence, uint32_t position, struct jb_cost *cost)
{
    const struct llama_session *s = state;
    if (sequence >= s->n_sequences)
        return JB_E_RANGE;
    const struct llama_sequence *q = &s->sequences[sequence];
    if (position != JB_ALL_POSITIONS && position >= q->len)
        return JB_E_RANGE;
    if (position != JB_ALL_POSITIONS) {
        jb_cost_add(cost, &s->positions[llama_slot(s, sequence, position)].late);
        return JB_OK;
    }
    jb_cost_add(cost, &q->lost);
    for (uint32_t p = 0; p < q->len; p++)
        jb_cost_add(cost, &s->positions[llama_slot(s, sequence, p)].late);
    return JB_OK;
}

int llama_reset(void *state, uint32_t sequence)
{
    struct llama_session *s = state;
    if (sequence >= s->n_sequences)
        return JB_E_RANGE;
    s->sequences[sequence] = (struct llama_sequence){ 0 };
    s->n_rows = 0; // rows of the last begin may have belonged to it
    return JB_OK;
}
