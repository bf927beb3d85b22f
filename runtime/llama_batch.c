// Which positions go through a stage together, and what each of them cost. A row takes along all earlier positions of its sequence that lack the stage: its layers read their K and V.
#include "runtime/llama_session.h"

struct gather {
    struct llama_session *s;
    struct llama_batch batch;
    uint32_t n_holes;          // frozen ones, collected at the end of items
    struct jb_cost *cost;      // of the rows that the caller listed; or NULL
    bool settling;             // nobody listed rows: cost is of those of the last begin
};

// `of` is read by `n` positions at once: an even share of its bytes, the rest with the first.
static void add_share(struct jb_cost *sum, const struct jb_cost *of, uint32_t i, uint32_t n)
{
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        sum->macs[p] += of->macs[p];
        sum->bytes[p] += of->bytes[p] / n + (i == 0 ? of->bytes[p] % n : 0);
    }
}

static void charge(struct gather *g, const struct llama_item *at, const struct jb_cost *spent)
{
    struct llama_session *s = g->s;
    if (at->row != LLAMA_NO_ROW) {
        if (g->cost)
            jb_cost_add(&g->cost[at->row], spent);
        return;
    }
    jb_cost_add(&s->positions[llama_slot(s, at->sequence, at->position)].late, spent);
    for (uint32_t i = 0; g->settling && g->cost && i < s->n_rows; i++)
        if (s->rows[i].sequence == at->sequence && s->rows[i].position == at->position)
            jb_cost_add(&g->cost[i], spent);
}

static void flush(struct gather *g)
{
    struct llama_session *s = g->s;
    const struct llama *m = s->m;
    struct llama_batch *b = &g->batch;
    for (uint32_t i = 0; i < g->n_holes; i++) // from the end of the room to behind the others
        s->items[b->n_whole + i] = s->items[s->batch_room - g->n_holes + i];
    b->n = b->n_whole + g->n_holes;
    if (b->n)
        llama_run_batch(s, b);
    struct jb_cost both = m->kv_cost[b->stage];
    jb_cost_add(&both, &m->rest_cost[b->stage]);
    for (uint32_t i = 0; i < b->n; i++) {
        struct jb_cost spent = { 0 };
        if (!g->n_holes) // one division: what the rows of an exact fill cost can be told from the stage's cost (early_exit/replay.c)
            add_share(&spent, &both, i, b->n);
        else
            add_share(&spent, &m->kv_cost[b->stage], i, b->n);
        if (g->n_holes && i < b->n_whole)
            add_share(&spent, &m->rest_cost[b->stage], i, b->n_whole);
        if (i < b->n_whole) {
            llama_attention_cost(m, b->stage, s->items[i].position, s->kv_kind, &spent);
        }
        charge(g, &s->items[i], &spent);
    }
    b->n = b->n_whole = g->n_holes = 0;
}

// The position has its turn: it counts as done at once, so that nothing takes it along twice.
static void add(struct gather *g, uint32_t sequence, uint32_t position, uint32_t row)
{
    struct llama_session *s = g->s;
    bool whole = row != LLAMA_NO_ROW || s->fill == JB_FILL_EXACT;
    if (g->batch.n_whole + g->n_holes == s->batch_room)
        flush(g);
    uint32_t at = whole ? g->batch.n_whole++ : s->batch_room - ++g->n_holes;
    s->items[at] = (struct llama_item){ sequence, position, row };
    s->positions[llama_slot(s, sequence, position)].depth = g->batch.stage + 1;
}

// All positions before `end` that lack the stage. They have done all stages before it: whatever ran the one before took them along.
static void add_holes(struct gather *g, uint32_t sequence, uint32_t end)
{
    struct llama_session *s = g->s;
    uint32_t *full = &s->sequences[sequence].full[g->batch.stage];
    for (uint32_t p = *full; p < end; p++)
        if (s->positions[llama_slot(s, sequence, p)].depth == g->batch.stage)
            add(g, sequence, p, LLAMA_NO_ROW);
    *full = end > *full ? end : *full;
}

// A row that was taken back, or filled deeper on behalf of a later one, cannot go on.
static bool may_run(const struct llama_session *s, uint32_t row, uint32_t stage)
{
    const struct llama_row *r = &s->rows[row];
    return r->position < s->sequences[r->sequence].len && s->positions[llama_slot(s, r->sequence, r->position)].depth == stage;
}

int llama_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost)
{
    struct llama_session *s = state;
    struct gather g = { .s = s, .batch = { .stage = stage }, .cost = cost };
    if (p != s->m->precision)
        return JB_E_UNSUPPORTED;
    for (uint32_t i = 0; i < n; i++)
        if (!may_run(s, rows[i], stage))
            return JB_E_INVALID;
    for (uint32_t i = 0; i < n; i++) {
        const struct llama_row *r = &s->rows[rows[i]];
        uint32_t *full = &s->sequences[r->sequence].full[stage];
        add_holes(&g, r->sequence, r->position);
        add(&g, r->sequence, r->position, i);
        if (*full == r->position)
            *full = r->position + 1;
    }
    flush(&g);
    return JB_OK;
}

int llama_settle(void *state, struct jb_cost *cost)
{
    struct llama_session *s = state;
    struct gather g = { .s = s, .cost = cost, .settling = true };
    for (uint32_t stage = 0; stage < s->m->n_stages; stage++) {
        g.batch.stage = stage;
        for (uint32_t q = 0; q < s->n_sequences; q++)
            add_holes(&g, q, s->sequences[q].len);
        flush(&g);
    }
    return JB_OK;
}
