// Heads: what a row says behind a stage. Hidden state, gate and translator need no vocabulary; only best tokens and logits run its matrix.
#include <math.h>
#include <string.h>

#include "runtime/llama_session.h"

struct head_run {
    struct llama_session *s;
    const struct llama_exit *exit; // NULL: the model's own head
    const uint32_t *rows;          // of the begin
    uint32_t n, want;
    float *gates;                  // (n)
    struct jb_vocab_job job;
};

// Rows of n values of one kind, by row: normalised with weights w, from x to y.
static void norm_row(const struct llama *m, const float *x, const float *w, float *y)
{
    struct jb_rms_norm a = { .x = x, .w = w, .y = y, .n = (int32_t)m->n_embd, .m = 1, .x_stride = (ptrdiff_t)m->n_embd, .y_stride = (ptrdiff_t)m->n_embd, .eps = m->eps };
    m->k.rms_norm(&a);
}

// What the matrix w reads: rows of x, made ready by all threads, behind a barrier.
static struct jb_matrix_rows prepare(const struct head_run *r, const struct jb_matrix *w, const float *x, uint32_t thread)
{
    struct llama_session *s = r->s;
    struct jb_matrix_rows in = { .x = x, .stride = w->n, .q = s->q8, .m = (int32_t)r->n };
    uint32_t begin, end;
    if (jb_matrix_reads_q8(w)) {
        jb_team_share(r->n, thread, s->n_threads, &begin, &end);
        if (begin < end)
            s->m->k.quantize_rows(x + (size_t)begin * (size_t)w->n, w->n, (int32_t)(end - begin), w->n, s->q8 + begin * jb_q8_blocks((size_t)w->n));
    }
    jb_team_barrier(s->team);
    return in;
}

// y = w x or, with add, y += w x; ends with a barrier.
static void multiply(const struct head_run *r, const struct jb_matrix *w, const float *x, float *y, bool add, uint32_t thread)
{
    struct llama_session *s = r->s;
    struct jb_matrix_rows in = prepare(r, w, x, thread);
    uint32_t begin, end;
    jb_team_share((uint32_t)jb_matrix_blocks(w), thread, s->n_threads, &begin, &end);
    jb_matrix_multiply(&s->m->k, w, &in, y, w->n_out, add, (int32_t)begin, (int32_t)end, s->scratch[thread]);
    jb_team_barrier(s->team);
}

// gate = sigmoid(bias1 + sum of gate_weight * silu(W0 u + gate_bias)): the sum in double, index by index, the same for every cut of rows.
static void run_gate(const struct head_run *r, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama_exit *e = r->exit;
    size_t n = (size_t)e->gate.n_out;
    uint32_t begin, end;
    multiply(r, &e->gate, s->u, s->gate_rows, false, thread);
    jb_team_share(r->n, thread, s->n_threads, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        float *g = s->gate_rows + i * n;
        double sum = (double)e->gate_bias1[0];
        for (size_t k = 0; k < n; k++)
            g[k] += e->gate_bias[k];
        struct jb_silu_mul mul = { .g = g, .u = e->gate_weight, .y = g, .n = n };
        s->m->k.silu_mul(&mul);
        for (size_t k = 0; k < n; k++)
            sum += (double)g[k];
        r->gates[i] = (float)(1.0 / (1.0 + exp(-sum)));
    }
    jb_team_barrier(s->team);
}

// t = u + map u; then, in place, what the vocabulary's matrix reads.
static void run_map(const struct head_run *r, uint32_t thread)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    const struct llama_exit *e = r->exit;
    uint32_t begin, end;
    size_t n = m->n_embd;
    jb_team_share(r->n, thread, s->n_threads, &begin, &end);
    memcpy(s->t + begin * n, s->u + begin * n, (end - begin) * n * sizeof(float));
    if (e->map_kind == LLAMA_MAP_FULL) {
        multiply(r, &e->map, s->u, s->t, true, thread); // the barrier in it stands before anything is added
    } else if (e->map_kind == LLAMA_MAP_LOW_RANK) {
        multiply(r, &e->down, s->u, s->low, false, thread);
        multiply(r, &e->up, s->low, s->t, true, thread);
    }
    for (uint32_t i = begin; i < end; i++)
        norm_row(m, s->t + i * n, m->output_norm, s->t + i * n);
}

static void run_share(void *self, uint32_t thread)
{
    struct head_run *r = self;
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    uint32_t begin, end;
    bool vocabulary = r->want & (JB_WANT_TOP | JB_WANT_LOGITS);
    jb_team_share(r->n, thread, s->n_threads, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        const struct llama_row *at = &s->rows[r->rows[i]];
        const float *x = llama_hidden(s, at->sequence, at->position);
        if (r->exit)
            norm_row(m, x, m->ones, s->u + (size_t)i * m->n_embd);
        else
            norm_row(m, x, m->output_norm, s->t + (size_t)i * m->n_embd);
    }
    if (r->exit && r->exit->has_gate && r->want & JB_WANT_GATE)
        run_gate(r, thread);
    if (!vocabulary)
        return;
    if (r->exit)
        run_map(r, thread);
    struct jb_vocab_job job = r->job;
    job.in = prepare(r, &m->head, s->t, thread);
    s->head.ops->run(&s->head, &job, thread);
}

static void add_costs(const struct head_run *r, struct jb_cost *cost)
{
    struct jb_cost one = { 0 };
    if (r->exit && r->exit->has_gate && r->want & JB_WANT_GATE)
        llama_gate_cost(r->exit, &one);
    if (r->want & (JB_WANT_TOP | JB_WANT_LOGITS)) {
        if (r->exit)
            llama_map_cost(r->exit, &one);
        r->s->head.ops->cost(&r->s->m->head, &one);
    }
    for (uint32_t i = 0; cost && i < r->n; i++)
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            cost[i].macs[p] += one.macs[p];
            cost[i].bytes[p] += one.bytes[p] / r->n + (i == 0 ? one.bytes[p] % r->n : 0);
        }
}

// Rows first to first + r->n of the call. INVALID: a logit is NaN, and no token can be trusted.
static int answer(struct head_run *r, uint32_t first, struct jb_head_row *out)
{
    struct llama_session *s = r->s;
    const struct llama *m = s->m;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct llama_row *at = &s->rows[r->rows[i]];
        out[i] = (struct jb_head_row){ .gate = NAN };
        if (r->want & JB_WANT_HIDDEN) {
            out[i].hidden = llama_hidden(s, at->sequence, at->position);
            out[i].n_hidden = m->n_embd;
        }
        if (r->exit && r->exit->has_gate && r->want & JB_WANT_GATE) {
            out[i].gate = r->gates[i];
            if (r->gates[i] != r->gates[i]) // NAN would say that there is no gate
                return JB_E_INVALID;
        }
        if (r->want & (JB_WANT_TOP | JB_WANT_LOGITS) && r->job.n_nan[i])
            return JB_E_INVALID;
        if (r->want & JB_WANT_TOP) {
            out[i].top = s->top + (size_t)(first + i) * JB_TOP_N;
            out[i].n_top = r->job.n_top[i];
        }
        if (r->want & JB_WANT_LOGITS) {
            out[i].logits = s->logits + (size_t)(first + i) * m->n_vocab;
            out[i].n_logits = m->n_vocab;
        }
    }
    return JB_OK;
}

int llama_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost)
{
    struct llama_session *s = state;
    const struct llama *m = s->m;
    for (uint32_t i = 0; i < n; i++) {
        const struct llama_row *at = &s->rows[rows[i]];
        if (at->position >= s->sequences[at->sequence].len || s->positions[llama_slot(s, at->sequence, at->position)].depth != stage + 1)
            return JB_E_INVALID;
    }
    int rc = JB_OK;
    for (uint32_t first = 0; first < n && !rc; first += s->head_room) {
        struct head_run r = { .s = s, .exit = stage < m->n_exits ? &m->exits[stage] : NULL, .rows = rows + first, .n = n - first < s->head_room ? n - first : s->head_room, .want = want,
                              .gates = s->gates + first };
        r.job = (struct jb_vocab_job){ .logits = want & JB_WANT_LOGITS ? s->logits + (size_t)first * m->n_vocab : NULL, .top = s->top + (size_t)first * JB_TOP_N, .n_top = s->n_top + first,
                                       .n_nan = s->n_nan + first, .scratch = s->scratch };
        if (want & (JB_WANT_GATE | JB_WANT_TOP | JB_WANT_LOGITS))
            jb_team_run(s->team, run_share, &r);
        add_costs(&r, cost ? cost + first : NULL);
        rc = answer(&r, first, out + first);
    }
    return rc;
}
