// Running the `jb-synth-state` family: positions with a depth, holes that are filled when read, and taking back.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/mem.h"
#include "runtime/state.h"
#include "runtime/top.h"

#define NO_PRECISION JB_PREC_COUNT
#define MAX_STATE_BYTES ((uint64_t)4 << 30)

struct position {
    uint32_t depth;             // decoder stages done
    enum jb_precision precision; // of the last one; NO_PRECISION: none yet
    struct jb_cost late;        // done after it was left
};

struct sequence { uint32_t len, committed, n_memory, n_source; struct jb_cost lost; }; // lost: late work of an empty sequence's positions

struct row { uint32_t sequence, position; };

struct state {
    const struct jb_state_model *m;
    uint32_t max_rows, fill_rows, max_positions, n_rows, first; // first: stage at which the part begins
    bool encoding;
    struct row *rows;
    struct sequence *sequences;    // (max_rows)
    struct position *positions;    // (max_rows, max_positions)
    uint32_t *hidden;              // (max_rows, max_positions, dim)
    uint32_t *kv;                  // (decoder stages, max_rows, max_positions, dim)
    uint32_t *memory;              // (max_rows, max_positions, dim)
    uint32_t *source, *projected;  // encoder rows: (max_rows, dim)
    uint32_t *sum;                 // (dim)
    float *logits, *shown;         // (max_rows, vocab), (max_rows, dim)
    struct jb_top *top;            // (max_rows, JB_TOP_N)
};

void state_stage_cost(const struct jb_state_model *m, enum jb_precision p, uint64_t n_read, uint32_t i, uint32_t share, struct jb_cost *sum)
{
    static const uint64_t half_bytes[JB_PREC_COUNT] = { 8, 2, 1 }; // of a weight, twice
    uint64_t dim = m->dim, weights = dim * dim * half_bytes[p] / 2;
    sum->macs[p] += dim * dim + dim * n_read;
    sum->bytes[p] += weights / share + (i == 0 ? weights % share : 0) + dim * 4 * n_read;
}

void state_head_cost(const struct jb_state_model *m, enum jb_precision p, struct jb_cost *sum)
{
    static const uint64_t half_bytes[JB_PREC_COUNT] = { 8, 2, 1 };
    uint64_t n = (uint64_t)m->dim * m->vocab;
    sum->macs[p] += n;
    sum->bytes[p] += n * half_bytes[p] / 2;
}

static size_t slot(const struct state *s, uint32_t sequence, uint32_t position)
{
    return (size_t)sequence * s->max_positions + position;
}

static uint32_t *hidden_of(const struct state *s, uint32_t sequence, uint32_t position)
{
    return s->hidden + slot(s, sequence, position) * s->m->dim;
}

static uint32_t *kv_of(const struct state *s, uint32_t depth, uint32_t sequence, uint32_t position)
{
    return s->kv + ((size_t)depth * s->max_rows * s->max_positions + slot(s, sequence, position)) * s->m->dim;
}

static int take_memory(struct state *s, struct jb_err *err)
{
    const struct jb_state_model *m = s->m;
    uint64_t rows = s->max_rows, all = rows * s->max_positions, dim = m->dim;
    const struct { void **out; uint64_t each, n; } parts[] = {
        { (void **)&s->rows, sizeof *s->rows, rows }, { (void **)&s->sequences, sizeof *s->sequences, rows }, { (void **)&s->positions, sizeof *s->positions, all },
        { (void **)&s->hidden, dim * 4, all }, { (void **)&s->kv, dim * 4 * (m->n_stages - m->encoder), all }, { (void **)&s->memory, dim * 4, m->encoder ? all : 0 },
        { (void **)&s->source, dim * 4, rows }, { (void **)&s->projected, dim * 4, rows }, { (void **)&s->sum, dim * 4, 1 },
        { (void **)&s->logits, m->vocab * sizeof(float), rows }, { (void **)&s->shown, dim * sizeof(float), rows }, { (void **)&s->top, JB_TOP_N * sizeof(struct jb_top), rows },
    };
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t n;
        if (!jb_mul_u64(parts[i].each, parts[i].n, &n) || !jb_add_u64(total, n, &total) || total > MAX_STATE_BYTES)
            return jb_fail(err, JB_E_RANGE, "a session of %u rows and %u positions needs more than 4 GiB", s->max_rows, s->max_positions);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].out = jb_aligned_zeroed(parts[i].each * parts[i].n);
        if (!*parts[i].out)
            return jb_fail(err, JB_E_NOMEM, "no memory for a session of %llu bytes", (unsigned long long)total);
    }
    return JB_OK;
}

int state_open(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err)
{
    const struct jb_state_model *m = impl;
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return jb_fail(err, JB_E_NOMEM, "no memory for a session");
    s->m = m;
    s->max_rows = o->max_rows;
    s->fill_rows = jb_session_fill_rows(o);
    s->max_positions = o->max_positions ? o->max_positions : m->positions;
    int rc = s->max_positions > m->positions ? jb_fail(err, JB_E_RANGE, "%u positions of a model made for %u", s->max_positions, m->positions) : take_memory(s, err);
    if (rc) {
        state_close(s);
        return rc;
    }
    *state = s;
    *state_bytes = sizeof *s + (size_t)s->max_rows * s->max_positions * m->dim * 4 * (m->n_stages - m->encoder + 1 + (m->encoder ? 1 : 0));
    return JB_OK;
}

void state_close(void *state)
{
    struct state *s = state;
    if (!s)
        return;
    void *parts[] = { s->rows, s->sequences, s->positions, s->hidden, s->kv, s->memory, s->source, s->projected, s->sum, s->logits, s->shown, s->top };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(s);
}

static void forget(struct state *s, uint32_t sequence)
{
    s->sequences[sequence] = (struct sequence){ 0 };
}

static void begin_source(struct state *s, const struct jb_row_input *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        forget(s, rows[i].sequence);
    for (uint32_t i = 0; i < n; i++) {
        struct sequence *q = &s->sequences[rows[i].sequence];
        s->rows[i] = (struct row){ .sequence = rows[i].sequence, .position = q->n_source++ };
        memcpy(s->source + (size_t)i * s->m->dim, s->m->embed + (size_t)rows[i].token * s->m->dim, s->m->dim * sizeof(uint32_t));
    }
}

static int begin_target(struct state *s, const struct jb_row_input *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct sequence *q = &s->sequences[rows[i].sequence];
        bool ready = !s->m->encoder || q->n_memory;
        if (!ready || q->len == s->max_positions) {
            while (i--)
                s->sequences[rows[i].sequence].len--; // as if nothing had begun
            return ready ? JB_E_RANGE : JB_E_INVALID;
        }
        uint32_t p = q->len++;
        s->rows[i] = (struct row){ .sequence = rows[i].sequence, .position = p };
        s->positions[slot(s, rows[i].sequence, p)] = (struct position){ .precision = NO_PRECISION };
        memcpy(hidden_of(s, rows[i].sequence, p), s->m->embed + (size_t)rows[i].token * s->m->dim, s->m->dim * sizeof(uint32_t));
    }
    return JB_OK;
}

int state_begin(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n)
{
    struct state *s = state;
    for (uint32_t i = 0; i < n; i++)
        if (rows[i].token >= s->m->vocab || rows[i].sequence >= s->max_rows)
            return JB_E_RANGE;
    bool encoding = s->m->encoder && part == 0;
    s->n_rows = 0;
    if (encoding && n > s->max_positions) // a source is at most as long as a target
        return JB_E_RANGE;
    if (encoding) {
        begin_source(s, rows, n);
    } else {
        int rc = begin_target(s, rows, n);
        if (rc)
            return rc;
    }
    s->encoding = encoding;
    s->n_rows = n;
    s->first = encoding ? 0 : s->m->encoder;
    return JB_OK;
}

// out = W x
static void project(const struct state *s, uint32_t stage, const uint32_t *x, uint32_t *out)
{
    uint32_t dim = s->m->dim;
    for (uint32_t o = 0; o < dim; o++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < dim; i++)
            sum += s->m->layers[stage][(size_t)o * dim + i] * x[i];
        out[o] = sum;
    }
}

static void add_scaled(uint32_t *sum, const uint32_t *x, uint32_t factor, uint32_t dim)
{
    for (uint32_t i = 0; i < dim; i++)
        sum[i] += factor * x[i];
}

static void mix(uint32_t *x, const uint32_t *a, uint32_t dim, enum jb_precision p, uint32_t stage)
{
    for (uint32_t i = 0; i < dim; i++) {
        uint32_t v = x[i] ^ a[i];
        x[i] = (v << 7 | v >> 25) + STATE_MIX * ((uint32_t)p + 1) + stage;
    }
}

// One decoder stage at one position. All earlier positions have run it.
static void run_position(struct state *s, uint32_t depth, uint32_t sequence, uint32_t p, enum jb_precision precision)
{
    uint32_t dim = s->m->dim, *x = hidden_of(s, sequence, p);
    struct position *pos = &s->positions[slot(s, sequence, p)];
    project(s, s->m->encoder + depth, x, kv_of(s, depth, sequence, p));
    memset(s->sum, 0, dim * sizeof *s->sum);
    for (uint32_t j = 0; j <= p; j++)
        add_scaled(s->sum, kv_of(s, depth, sequence, j), p - j + 1, dim);
    for (uint32_t j = 0; j < s->sequences[sequence].n_memory; j++)
        add_scaled(s->sum, s->memory + slot(s, sequence, j) * dim, j + 1, dim);
    mix(x, s->sum, dim, precision, s->m->encoder + depth);
    pos->depth = depth + 1;
    pos->precision = precision;
}

static uint64_t vectors_read(const struct state *s, uint32_t sequence, uint32_t p)
{
    return (uint64_t)p + 1 + s->sequences[sequence].n_memory;
}

// Positions before `end` that lack stage `depth`.
static uint32_t count_holes(const struct state *s, uint32_t depth, uint32_t sequence, uint32_t end)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < end; p++)
        n += s->positions[slot(s, sequence, p)].depth == depth;
    return n;
}

// Cost of the i-th of n positions that run a stage together, in batches of fill_rows.
static void add_batch_cost(const struct state *s, enum jb_precision p, uint64_t n_read, uint32_t i, uint32_t n, struct jb_cost *sum)
{
    uint32_t at = i % s->fill_rows, left = n - (i - at);
    state_stage_cost(s->m, p, n_read, at, left < s->fill_rows ? left : s->fill_rows, sum);
}

// Runs stage `depth` at all positions before `end` that lack it, of `share` positions that run it together. Charged to the positions; and to cost[i] of rows of this begin, if given.
static void fill(struct state *s, uint32_t depth, uint32_t sequence, uint32_t end, uint32_t share, enum jb_precision otherwise, struct jb_cost *cost)
{
    uint32_t i = 0;
    for (uint32_t p = 0; p < end && share; p++) {
        struct position *pos = &s->positions[slot(s, sequence, p)];
        if (pos->depth != depth)
            continue;
        enum jb_precision precision = pos->precision == NO_PRECISION ? otherwise : pos->precision;
        struct jb_cost spent = { 0 };
        run_position(s, depth, sequence, p, precision);
        add_batch_cost(s, precision, vectors_read(s, sequence, p), i++, share, &spent);
        jb_cost_add(&pos->late, &spent);
        for (uint32_t r = 0; cost && r < s->n_rows; r++)
            if (s->rows[r].sequence == sequence && s->rows[r].position == p)
                jb_cost_add(&cost[r], &spent);
    }
}

// Every row sees every row of its sequence as it stood before the stage, those that stopped included.
static void run_encoder(struct state *s, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost)
{
    uint32_t dim = s->m->dim;
    for (uint32_t i = 0; i < s->n_rows; i++)
        project(s, stage, s->source + (size_t)i * dim, s->projected + (size_t)i * dim);
    for (uint32_t i = 0; i < n; i++) {
        const struct row *row = &s->rows[rows[i]];
        memset(s->sum, 0, dim * sizeof *s->sum);
        for (uint32_t j = 0; j < s->n_rows; j++)
            if (s->rows[j].sequence == row->sequence)
                add_scaled(s->sum, s->projected + (size_t)j * dim, s->rows[j].position + 1, dim);
        mix(s->source + (size_t)rows[i] * dim, s->sum, dim, p, stage);
        if (cost)
            state_stage_cost(s->m, p, s->sequences[row->sequence].n_source, 0, 1, &cost[i]);
    }
}

// A row that was taken back, or filled deeper on behalf of a later one, cannot go on.
static bool may_run(const struct state *s, uint32_t row, uint32_t depth)
{
    const struct row *r = &s->rows[row];
    return r->position < s->sequences[r->sequence].len && s->positions[slot(s, r->sequence, r->position)].depth == depth;
}

int state_run_stage(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost)
{
    struct state *s = state;
    if (s->encoding) {
        run_encoder(s, stage, p, rows, n, cost);
        return JB_OK;
    }
    uint32_t depth = stage - s->first;
    for (uint32_t i = 0; i < n; i++)
        if (!may_run(s, rows[i], depth))
            return JB_E_INVALID;
    for (uint32_t i = 0; i < n; i++) {
        const struct row *r = &s->rows[rows[i]];
        uint32_t holes = count_holes(s, depth, r->sequence, r->position); // they run together with the row that needs them
        fill(s, depth, r->sequence, r->position, holes + 1, p, NULL);
        run_position(s, depth, r->sequence, r->position, p);
        if (cost)
            add_batch_cost(s, p, vectors_read(s, r->sequence, r->position), holes, holes + 1, &cost[i]);
    }
    return JB_OK;
}

static float signed_float(uint32_t x)
{
    return (float)((int32_t)x >> 8) / 65536.0f; // 24 bits: exact
}

static void run_head_row(struct state *s, uint32_t row, uint32_t want, struct jb_head_row *out)
{
    uint32_t dim = s->m->dim, vocab = s->m->vocab;
    const uint32_t *x = hidden_of(s, s->rows[row].sequence, s->rows[row].position);
    float *logits = s->logits + (size_t)row * vocab, *shown = s->shown + (size_t)row * dim;
    *out = (struct jb_head_row){ .gate = NAN };
    for (uint32_t v = 0; v < vocab && want & (JB_WANT_TOP | JB_WANT_LOGITS); v++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < dim; i++)
            sum += s->m->head[(size_t)v * dim + i] * x[i];
        logits[v] = signed_float(sum);
    }
    if (want & JB_WANT_LOGITS) {
        out->logits = logits;
        out->n_logits = vocab;
    }
    if (want & JB_WANT_TOP) {
        out->top = s->top + (size_t)row * JB_TOP_N;
        out->n_top = jb_find_top(logits, vocab, s->top + (size_t)row * JB_TOP_N);
    }
    if (want & JB_WANT_GATE)
        out->gate = (float)(x[0] >> 8) / 16777216.0f; // as good as any: in [0, 1)
    if (want & JB_WANT_HIDDEN) {
        for (uint32_t i = 0; i < dim; i++)
            shown[i] = signed_float(x[i]);
        out->hidden = shown;
        out->n_hidden = dim;
    }
}

int state_run_head(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost)
{
    struct state *s = state;
    if (s->encoding)
        return JB_E_UNSUPPORTED;
    for (uint32_t i = 0; i < n; i++)
        if (!may_run(s, rows[i], stage + 1 - s->first))
            return JB_E_INVALID;
    for (uint32_t i = 0; i < n; i++) {
        const struct row *r = &s->rows[rows[i]];
        run_head_row(s, rows[i], want, &out[i]);
        if (cost && want & (JB_WANT_TOP | JB_WANT_LOGITS))
            state_head_cost(s->m, s->positions[slot(s, r->sequence, r->position)].precision, &cost[i]);
    }
    return JB_OK;
}

// The first positions of an encoder's sequence become the memory of its decoder.
static int commit_source(struct state *s, const struct row *row, uint32_t n)
{
    struct sequence *q = &s->sequences[row->sequence];
    if (n > q->n_source - row->position)
        return JB_E_RANGE;
    uint32_t keep = row->position + n;
    for (uint32_t i = 0; i < s->n_rows; i++)
        if (s->rows[i].sequence == row->sequence && s->rows[i].position < keep)
            memcpy(s->memory + slot(s, row->sequence, s->rows[i].position) * s->m->dim, s->source + (size_t)i * s->m->dim, s->m->dim * sizeof(uint32_t));
    q->n_memory = keep;
    return JB_OK;
}

int state_commit(void *state, uint32_t row, uint32_t n)
{
    struct state *s = state;
    const struct row *r = &s->rows[row];
    struct sequence *q = &s->sequences[r->sequence];
    if (s->encoding)
        return commit_source(s, r, n);
    if (r->position > q->len || n > q->len - r->position || r->position + n < q->committed)
        return JB_E_RANGE;
    q->committed = r->position + n;
    return JB_OK;
}

int state_rollback(void *state, uint32_t row, uint32_t n)
{
    struct state *s = state;
    uint32_t sequence = s->rows[row].sequence;
    struct sequence *q = &s->sequences[sequence];
    if (s->encoding)
        return JB_OK; // a source is kept or not by commit alone
    if (n > q->len - q->committed)
        return JB_E_RANGE;
    while (n--) {
        struct jb_cost *late = &s->positions[slot(s, sequence, --q->len)].late;
        jb_cost_add(q->len ? &s->positions[slot(s, sequence, q->len - 1)].late : &q->lost, late);
    }
    return JB_OK;
}

int state_settle(void *state, struct jb_cost *cost)
{
    struct state *s = state;
    for (uint32_t q = 0; q < s->max_rows; q++)
        for (uint32_t depth = 0; depth < s->m->n_stages - s->m->encoder; depth++)
            fill(s, depth, q, s->sequences[q].len, count_holes(s, depth, q, s->sequences[q].len), JB_PREC_F32, s->encoding ? NULL : cost);
    return JB_OK;
}

int state_deferred(const void *state, uint32_t sequence, uint32_t position, struct jb_cost *cost)
{
    const struct state *s = state;
    if (sequence >= s->max_rows)
        return JB_E_RANGE;
    const struct sequence *q = &s->sequences[sequence];
    if (position != JB_ALL_POSITIONS && position >= q->len)
        return JB_E_RANGE;
    if (position == JB_ALL_POSITIONS)
        jb_cost_add(cost, &q->lost);
    for (uint32_t p = 0; p < q->len; p++)
        if (position == JB_ALL_POSITIONS || position == p)
            jb_cost_add(cost, &s->positions[slot(s, sequence, p)].late);
    return JB_OK;
}

int state_reset(void *state, uint32_t sequence)
{
    struct state *s = state;
    if (sequence >= s->max_rows)
        return JB_E_RANGE;
    forget(s, sequence);
    s->n_rows = 0; // rows of the last begin may have belonged to it
    return JB_OK;
}
