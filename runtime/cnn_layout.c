// Where every value lies within a session. Three regions: boundary values, one set a row, because they outlive the stage; slots for planes
// with a halo, whose border is filled once when the session opens (kernels never write it), so only values of one geometry and halo byte share
// a slot; and the arena for planes without a halo, shared by all that are not alive together. Stages and heads run one at a time, so they all
// share slots and arena; so do the real and the byte form of the arena.
#include <stdlib.h>

#include "runtime/cnn.h"

size_t cnn_plane_bytes(const struct cnn_value *v, enum cnn_store s)
{
    size_t h = (size_t)v->shape.h + 2 * (size_t)v->pad, w = (size_t)v->shape.w + 2 * (size_t)v->pad;
    return jb_align_up(h * w * (size_t)v->shape.c * cnn_store_bytes(s) + JB_PLANE_SLACK, JB_ALIGN);
}

// Values alive in the arena while a graph is walked.
struct block { size_t begin, end; uint32_t value; };
struct walk {
    struct jb_cnn *m;
    enum cnn_store store;
    struct block live[CNN_MAX_OPS + 2]; // by rising begin
    uint32_t n_live;
    uint32_t *left;                     // readers left, per value
};

static void place_in_arena(struct walk *w, uint32_t value)
{
    struct cnn_value *v = &w->m->values[value];
    size_t n = cnn_plane_bytes(v, w->store), begin = 0;
    uint32_t i = 0;
    while (i < w->n_live && w->live[i].begin - begin < n)
        begin = w->live[i++].end;
    for (uint32_t j = w->n_live; j > i; j--)
        w->live[j] = w->live[j - 1];
    w->live[i] = (struct block){ .begin = begin, .end = begin + n, .value = value };
    w->n_live++;
    w->m->arena_bytes = begin + n > w->m->arena_bytes ? begin + n : w->m->arena_bytes;
    v->spot[w->store] = (struct cnn_spot){ CNN_IN_ARENA, begin };
}

static bool fits(const struct cnn_slot *s, const struct cnn_value *v, enum cnn_store store)
{
    return !s->busy && s->store == store && s->shape.h == v->shape.h && s->shape.w == v->shape.w && s->shape.c == v->shape.c && s->pad == v->pad && s->zero == v->zero;
}

static bool place_in_slot(struct walk *w, uint32_t value)
{
    struct jb_cnn *m = w->m;
    struct cnn_value *v = &m->values[value];
    uint32_t i = 0;
    while (i < m->n_slots && !fits(&m->slots[i], v, w->store))
        i++;
    if (i == m->n_slots) {
        if (m->n_slots == m->room_slots) {
            uint32_t room = m->room_slots * 2 + 16;
            struct cnn_slot *bigger = realloc(m->slots, room * sizeof *bigger);
            if (!bigger)
                return false;
            m->slots = bigger;
            m->room_slots = room;
        }
        m->slots[m->n_slots++] = (struct cnn_slot){ .shape = v->shape, .pad = v->pad, .zero = v->zero, .store = w->store, .offset = m->slots_bytes };
        m->slots_bytes += cnn_plane_bytes(v, w->store);
    }
    m->slots[i].busy = true;
    v->spot[w->store] = (struct cnn_spot){ CNN_IN_SLOT, m->slots[i].offset };
    return true;
}

static bool place(struct walk *w, uint32_t value)
{
    const struct cnn_value *v = &w->m->values[value];
    if (v->boundary || v->skipped || v->logits)
        return true; // placed elsewhere
    if (v->pad)
        return place_in_slot(w, value);
    place_in_arena(w, value);
    return true;
}

static void release(struct walk *w, uint32_t value)
{
    if (value == CNN_NONE || --w->left[value])
        return;
    const struct cnn_spot *spot = &w->m->values[value].spot[w->store];
    if (spot->place == CNN_IN_SLOT)
        for (uint32_t i = 0; i < w->m->n_slots; i++)
            if (w->m->slots[i].store == w->store && w->m->slots[i].offset == spot->offset)
                w->m->slots[i].busy = false;
    if (spot->place == CNN_IN_ARENA)
        for (uint32_t i = 0; i < w->n_live; i++)
            if (w->live[i].value == value) {
                for (uint32_t j = i + 1; j < w->n_live; j++)
                    w->live[j - 1] = w->live[j];
                w->n_live--;
                return;
            }
}

// A skipped addition's operands are read by the convolution before it.
static bool walk_seq(struct walk *w, const struct cnn_seq *q)
{
    struct jb_cnn *m = w->m;
    w->n_live = 0;
    for (uint32_t i = 0; i < m->n_slots; i++)
        m->slots[i].busy = false;
    for (uint32_t i = q->first_op; i < q->first_op + q->n_ops; i++) {
        const struct cnn_op *op = &m->ops[i];
        if (op->skipped)
            continue;
        w->left[op->in]++;
        if (op->residual != CNN_NONE)
            w->left[op->residual]++;
        else if (op->in2 != CNN_NONE)
            w->left[op->in2]++;
    }
    if (q->in == 0 && !place(w, 0))
        return false;
    for (uint32_t i = q->first_op; i < q->first_op + q->n_ops; i++) {
        const struct cnn_op *op = &m->ops[i];
        if (op->skipped)
            continue;
        if (!place(w, op->out))
            return false;
        release(w, op->in);
        release(w, op->residual != CNN_NONE ? op->residual : op->in2);
    }
    return true;
}

static void place_boundaries(struct jb_cnn *m, enum cnn_store store)
{
    for (uint32_t i = 0; i < m->n_values; i++) {
        struct cnn_value *v = &m->values[i];
        if (v->logits)
            v->spot[store] = (struct cnn_spot){ CNN_IN_LOGITS, 0 };
        if (!v->boundary)
            continue;
        v->spot[store] = (struct cnn_spot){ CNN_AT_BOUNDARY, m->row_bytes };
        m->row_bytes += cnn_plane_bytes(v, store);
        size_t n = (size_t)v->shape.h * (size_t)v->shape.w * (size_t)v->shape.c;
        m->hidden_values = n > m->hidden_values ? n : m->hidden_values;
    }
}

int cnn_plan_layout(struct jb_cnn *m, struct jb_err *err)
{
    struct walk w = { .m = m, .left = calloc(m->n_values, sizeof *w.left) };
    bool ok = w.left != NULL;
    for (int s = 0; s < CNN_STORES && ok; s++) {
        uint32_t users = s == CNN_F32 ? 1u << JB_PREC_F32 : 1u << JB_PREC_INT8 | 1u << JB_PREC_INT4;
        if (!(m->precisions & users))
            continue;
        w.store = (enum cnn_store)s;
        place_boundaries(m, w.store);
        for (uint32_t i = 0; i < 2 * m->n_stages && ok; i++)
            if (m->seqs[i].present)
                ok = walk_seq(&w, &m->seqs[i]);
    }
    free(w.left);
    return ok ? JB_OK : jb_fail(err, JB_E_NOMEM, "no memory for the layout");
}
