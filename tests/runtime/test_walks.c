// The four walks of docs/architecture.md ("The stage interface"), on synthetic models, against plain recomputations that know nothing of exits,
// deferred work or taking back.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "runtime/gguf.h"
#include "runtime/session.h"
#include "runtime/synth.h"

#define MAX_LEN 64
#define MAX_DIM 16
#define MAX_VOCAB 32

struct world { void *data; size_t n; struct jb_model *model; struct jb_session *session; const struct jb_model_info *info; struct jb_gguf *file; };

static void open_world(struct world *w, const struct jb_synth_opts *o, uint32_t max_rows)
{
    struct jb_err err = { 0 };
    struct jb_kernels k;
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_synth_make(&w->data, &w->n, o, &err) || jb_model_open_memory(&w->model, "synth", w->data, w->n, NULL, 0, &k, NULL, &err) ||
        jb_session_open(&w->session, w->model, &(struct jb_session_opts){ .max_rows = max_rows, .threads = 1 }, &err) || jb_gguf_open_memory(&w->file, "synth", w->data, w->n, &err))
        fail_msg("%s", err.detail);
    w->info = jb_model_info(w->model);
}

static void close_world(struct world *w)
{
    jb_session_close(w->session);
    jb_model_close(w->model);
    jb_gguf_close(w->file);
    free(w->data);
}

static struct jb_synth_opts state_opts(uint32_t stages, uint32_t encoder, uint64_t seed)
{
    struct jb_synth_opts o;
    jb_synth_defaults(&o);
    o.kind = "state";
    o.stages = stages;
    o.encoder = encoder;
    o.width = 8;
    o.classes = 20;
    o.positions = MAX_LEN;
    o.seed = seed;
    return o;
}

// --- Plain recomputation of the state family, from runtime/state.h's description. precision[k][p]: of stage k at position p.
struct plain {
    const uint32_t *embed, *head, *layer[JB_MAX_STAGES];
    uint32_t dim, vocab, first, n_stages, n_memory;
    uint32_t memory[MAX_LEN][MAX_DIM];
};

static void plain_open(struct plain *q, const struct world *w)
{
    char name[32];
    memset(q, 0, sizeof *q);
    q->embed = jb_gguf_tensor(w->file, "embed")->data;
    q->head = jb_gguf_tensor(w->file, "head.weight")->data;
    q->dim = (uint32_t)jb_gguf_tensor(w->file, "embed")->dims[0];
    q->vocab = (uint32_t)jb_gguf_tensor(w->file, "embed")->dims[1];
    q->n_stages = w->info->n_stages;
    q->first = w->info->n_parts > 1 ? w->info->part_stage[1] : 0;
    for (uint32_t k = 0; k < q->n_stages; k++) {
        snprintf(name, sizeof name, "layer.%u.weight", k);
        q->layer[k] = jb_gguf_tensor(w->file, name)->data;
    }
}

static void plain_mix(uint32_t *x, const uint32_t *a, uint32_t dim, int precision, uint32_t stage)
{
    for (uint32_t i = 0; i < dim; i++) {
        uint32_t v = x[i] ^ a[i];
        x[i] = ((v << 7) | (v >> 25)) + 0x9e3779b9u * ((uint32_t)precision + 1) + stage;
    }
}

static void plain_project(const struct plain *q, uint32_t stage, const uint32_t *x, uint32_t *out)
{
    for (uint32_t o = 0; o < q->dim; o++) {
        out[o] = 0;
        for (uint32_t i = 0; i < q->dim; i++)
            out[o] += q->layer[stage][o * q->dim + i] * x[i];
    }
}

static void plain_logits(const struct plain *q, const uint32_t *x, float *out)
{
    for (uint32_t v = 0; v < q->vocab; v++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < q->dim; i++)
            sum += q->head[v * q->dim + i] * x[i];
        out[v] = (float)((int32_t)sum >> 8) / 65536.0f;
    }
}

// All positions through all decoder stages, stage by stage; logits of position `at` behind its stage depth - 1 (of the decoder).
static void plain_decode(const struct plain *q, const uint32_t *tokens, uint32_t n, int (*precision)[MAX_LEN], uint32_t at, uint32_t depth, float *out)
{
    static uint32_t x[MAX_LEN][MAX_DIM], kv[MAX_LEN][MAX_DIM];
    for (uint32_t p = 0; p < n; p++)
        memcpy(x[p], q->embed + tokens[p] * q->dim, q->dim * 4);
    for (uint32_t k = 0; k < depth; k++) {
        for (uint32_t p = 0; p < n; p++)
            plain_project(q, q->first + k, x[p], kv[p]);
        for (uint32_t p = 0; p < n; p++) {
            uint32_t a[MAX_DIM] = { 0 };
            for (uint32_t i = 0; i < q->dim; i++) {
                for (uint32_t j = 0; j <= p; j++)
                    a[i] += (p - j + 1) * kv[j][i];
                for (uint32_t j = 0; j < q->n_memory; j++)
                    a[i] += (j + 1) * q->memory[j][i];
            }
            plain_mix(x[p], a, q->dim, precision[k][p], q->first + k);
        }
    }
    plain_logits(q, x[at], out);
}

// The encoder, all positions through all its stages, at one precision.
static void plain_encode(struct plain *q, const uint32_t *tokens, uint32_t n, int precision)
{
    static uint32_t projected[MAX_LEN][MAX_DIM];
    q->n_memory = n;
    for (uint32_t p = 0; p < n; p++)
        memcpy(q->memory[p], q->embed + tokens[p] * q->dim, q->dim * 4);
    for (uint32_t k = 0; k < q->first; k++) {
        uint32_t a[MAX_DIM] = { 0 };
        for (uint32_t p = 0; p < n; p++) {
            plain_project(q, k, q->memory[p], projected[p]);
            for (uint32_t i = 0; i < q->dim; i++)
                a[i] += (p + 1) * projected[p][i];
        }
        for (uint32_t p = 0; p < n; p++)
            plain_mix(q->memory[p], a, q->dim, precision, k);
    }
}

// --- Walk 1
static void test_eight_images(void **state)
{
    (void)state;
    struct jb_synth_opts o;
    struct world w;
    struct jb_rng rng;
    uint8_t images[8][28 * 28];
    struct jb_row_input in[8] = { 0 };
    float alone[8][3][10];
    uint64_t macs[8] = { 0 };
    jb_synth_defaults(&o);
    o.stages = 3;
    o.width = 8;
    open_world(&w, &o, 8);
    jb_rng_seed(&rng, 5);
    const enum jb_precision schedule[3] = { JB_PREC_INT8, JB_PREC_INT8, JB_PREC_F32 };
    for (uint32_t i = 0; i < 8; i++) {
        for (size_t b = 0; b < sizeof images[i]; b++)
            images[i][b] = (uint8_t)jb_rng_below(&rng, 256);
        in[i].data = images[i];
        assert_int_equal(jb_session_begin(w.session, 0, &in[i], 1, NULL), 0);
        for (uint32_t k = 0; k < 3; k++) {
            struct jb_head_row head;
            uint32_t row = 0;
            assert_int_equal(jb_session_run_stage(w.session, k, schedule[k], &row, 1, NULL), 0);
            assert_int_equal(jb_session_run_head(w.session, k, &row, 1, JB_WANT_LOGITS, &head, NULL), 0);
            memcpy(alone[i][k], head.logits, sizeof alone[i][k]);
        }
    }
    const struct { uint32_t n, rows[8]; } active[3] = { { 8, { 0, 1, 2, 3, 4, 5, 6, 7 } }, { 5, { 0, 2, 3, 6, 7 } }, { 2, { 3, 6 } } };
    assert_int_equal(jb_session_begin(w.session, 0, in, 8, NULL), 0);
    for (uint32_t k = 0; k < 3; k++) {
        struct jb_cost cost[8] = { 0 };
        struct jb_head_row head[8];
        assert_int_equal(jb_session_run_stage(w.session, k, schedule[k], active[k].rows, active[k].n, cost), 0);
        assert_int_equal(jb_session_run_head(w.session, k, active[k].rows, active[k].n, JB_WANT_TOP | JB_WANT_LOGITS, head, cost), 0);
        for (uint32_t i = 0; i < active[k].n; i++) {
            assert_memory_equal(head[i].logits, alone[active[k].rows[i]][k], sizeof alone[0][0]);
            macs[active[k].rows[i]] += jb_cost_macs(&cost[i]);
            assert_int_equal(cost[i].macs[JB_PREC_INT4], 0);
            assert_int_equal(cost[i].macs[schedule[k] == JB_PREC_F32 ? JB_PREC_INT8 : JB_PREC_F32], 0);
        }
    }
    uint64_t depth_macs[3] = { 0 };
    for (uint32_t k = 0; k < 3; k++)
        depth_macs[k] = (k ? depth_macs[k - 1] : 0) + jb_cost_macs(&w.info->stages[k].cost[0]) + jb_cost_macs(&w.info->stages[k].head_cost[0]);
    const uint32_t depth[8] = { 2, 1, 2, 3, 1, 1, 3, 2 };
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(macs[i], depth_macs[depth[i] - 1]);
    // Out of order, twice, too deep, not begun: refused.
    uint32_t falling[2] = { 3, 1 }, stopped = 1, outside = 8;
    assert_int_equal(jb_session_run_stage(w.session, 0, JB_PREC_F32, falling, 2, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_run_stage(w.session, 2, JB_PREC_F32, &stopped, 1, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_run_stage(w.session, 0, JB_PREC_F32, &stopped, 1, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_run_stage(w.session, 1, JB_PREC_F32, &outside, 1, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_run_stage(w.session, 3, JB_PREC_F32, &stopped, 1, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_begin(w.session, 1, in, 1, NULL), JB_E_INVALID);
    assert_int_equal(jb_session_begin(w.session, 0, in, 9, NULL), JB_E_RANGE);
    assert_int_equal(jb_session_begin(w.session, 0, &(struct jb_row_input){ 0 }, 1, NULL), JB_E_INVALID);
    close_world(&w);
}

// --- Walk 2
static void step(struct world *w, uint32_t token, const int *precisions, uint32_t depth, float *logits, struct jb_cost *cost)
{
    uint32_t row = 0, first = w->info->n_parts > 1 ? w->info->part_stage[1] : 0;
    struct jb_head_row head;
    assert_int_equal(jb_session_begin(w->session, w->info->n_parts - 1, &(struct jb_row_input){ .token = token }, 1, NULL), 0);
    for (uint32_t k = 0; k < depth; k++)
        assert_int_equal(jb_session_run_stage(w->session, first + k, (enum jb_precision)precisions[k], &row, 1, cost), 0);
    assert_int_equal(jb_session_run_head(w->session, first + depth - 1, &row, 1, JB_WANT_LOGITS, &head, cost), 0);
    memcpy(logits, head.logits, head.n_logits * sizeof *logits);
    assert_int_equal(jb_session_commit(w->session, 0, 1), 0);
}

static void test_late_fill(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct jb_synth_opts o = state_opts(3, 0, seed);
        struct world w;
        struct plain q;
        struct jb_rng rng;
        uint32_t tokens[MAX_LEN], depths[MAX_LEN];
        int precision[3][MAX_LEN];
        struct jb_cost own = { 0 }, late;
        open_world(&w, &o, 2);
        plain_open(&q, &w);
        jb_rng_seed(&rng, seed);
        uint32_t n = 30;
        for (uint32_t p = 0; p < n; p++) {
            float got[MAX_VOCAB], want[MAX_VOCAB];
            int mine[3];
            depths[p] = 1 + (uint32_t)jb_rng_below(&rng, 3);
            tokens[p] = (uint32_t)jb_rng_below(&rng, q.vocab);
            for (uint32_t k = 0; k < 3; k++)
                mine[k] = (int)jb_rng_below(&rng, 3);
            for (uint32_t k = 0; k < 3; k++) // late stages run at the precision of the last one that ran in time
                precision[k][p] = mine[k < depths[p] ? k : depths[p] - 1];
            step(&w, tokens[p], mine, depths[p], got, &own);
            plain_decode(&q, tokens, p + 1, precision, p, depths[p], want);
            assert_memory_equal(got, want, q.vocab * sizeof *got);
        }
        // Settled, the sequence has cost what full depth costs, wherever its exits were (bytes: less, for batches read weights once).
        assert_int_equal(jb_session_settle(w.session, NULL), 0);
        assert_int_equal(jb_session_deferred(w.session, 0, JB_ALL_POSITIONS, &late), 0);
        uint64_t full = 0, heads = n * jb_cost_macs(&w.info->stages[0].head_cost[0]);
        for (uint32_t p = 0; p < n; p++)
            full += 3 * (q.dim * q.dim + q.dim * (p + 1));
        assert_int_equal(jb_cost_macs(&own) + jb_cost_macs(&late), full + heads);
        for (uint32_t p = 0; p < n; p++) {
            assert_int_equal(jb_session_deferred(w.session, 0, p, &late), 0);
            assert_int_equal(jb_cost_macs(&late), (3 - depths[p]) * (q.dim * q.dim + q.dim * (p + 1)));
        }
        assert_int_equal(jb_session_deferred(w.session, 0, n, &late), JB_E_RANGE);
        close_world(&w);
    }
}

static void test_settle_and_reset(void **state)
{
    (void)state;
    struct jb_synth_opts o = state_opts(3, 0, 9);
    struct world w;
    struct jb_cost own = { 0 }, settled = { 0 }, late;
    float first[MAX_VOCAB], again[MAX_VOCAB];
    const int f32[3] = { 0, 0, 0 };
    open_world(&w, &o, 1);
    step(&w, 4, f32, 1, first, &own);
    assert_int_equal(jb_session_settle(w.session, &settled), 0);
    assert_int_equal(jb_cost_macs(&settled), 2 * (8 * 8 + 8));
    assert_int_equal(settled.bytes[JB_PREC_F32], 2 * (8 * 8 * 4 + 8 * 4));
    assert_int_equal(jb_session_deferred(w.session, 0, 0, &late), 0);
    assert_memory_equal(&late, &settled, sizeof late);
    assert_int_equal(jb_session_settle(w.session, &settled), 0); // nothing is left
    assert_memory_equal(&late, &settled, sizeof late);
    assert_int_equal(jb_session_reset(w.session, 0), 0);
    step(&w, 4, f32, 1, again, &own);
    assert_memory_equal(first, again, 20 * sizeof *first);
    assert_int_equal(jb_session_reset(w.session, 1), JB_E_RANGE);
    // The longest sequence, and one more; tokens and sequences that do not exist.
    for (uint32_t p = 1; p < MAX_LEN; p++)
        step(&w, p % 20, f32, 1 + p % 3, again, NULL);
    assert_int_equal(jb_session_begin(w.session, 0, &(struct jb_row_input){ .token = 1 }, 1, NULL), JB_E_RANGE);
    assert_int_equal(jb_session_begin(w.session, 0, &(struct jb_row_input){ .token = 20 }, 1, NULL), JB_E_RANGE);
    assert_int_equal(jb_session_begin(w.session, 0, &(struct jb_row_input){ .token = 1, .sequence = 1 }, 1, NULL), JB_E_RANGE);
    close_world(&w);
}

// --- Walk 3
static void test_verify_and_reject(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct jb_synth_opts o = state_opts(3, 0, seed);
        struct world w;
        struct plain q;
        struct jb_rng rng;
        uint32_t tokens[MAX_LEN], n = 0, all[4] = { 0, 1, 2, 3 };
        int precision[3][MAX_LEN] = { { 0 } };
        const int f32[3] = { 0, 0, 0 };
        float want[MAX_VOCAB], got[MAX_VOCAB];
        open_world(&w, &o, 4);
        plain_open(&q, &w);
        jb_rng_seed(&rng, seed);
        for (int round = 0; round < 6; round++) {
            // A prefix token that exits early, then four drafted positions in one pass.
            tokens[n] = (uint32_t)jb_rng_below(&rng, q.vocab);
            step(&w, tokens[n], f32, 1 + (uint32_t)jb_rng_below(&rng, 3), got, NULL);
            n++;
            struct jb_row_input draft[4] = { 0 };
            struct jb_head_row head[4];
            struct jb_cost cost[4] = { 0 };
            for (uint32_t i = 0; i < 4; i++)
                tokens[n + i] = draft[i].token = (uint32_t)jb_rng_below(&rng, q.vocab);
            assert_int_equal(jb_session_begin(w.session, 0, draft, 4, NULL), 0);
            for (uint32_t k = 0; k < 3; k++)
                assert_int_equal(jb_session_run_stage(w.session, k, JB_PREC_F32, all, 4, cost), 0);
            assert_int_equal(jb_session_run_head(w.session, 2, all, 4, JB_WANT_LOGITS, head, cost), 0);
            for (uint32_t i = 0; i < 4; i++) { // each as if decoded alone
                plain_decode(&q, tokens, n + i + 1, precision, n + i, 3, want);
                assert_memory_equal(head[i].logits, want, q.vocab * sizeof *want);
                assert_int_equal(cost[i].macs[JB_PREC_F32], 3 * (q.dim * q.dim + q.dim * (n + i + 1)) + q.dim * q.vocab);
            }
            assert_int_equal(jb_session_commit(w.session, 0, 2), 0);
            assert_int_equal(jb_session_rollback(w.session, 0, 3), JB_E_RANGE); // committed positions stay
            assert_int_equal(jb_session_rollback(w.session, 0, 2), 0);
            assert_int_equal(jb_session_run_head(w.session, 2, &all[3], 1, JB_WANT_LOGITS, head, NULL), JB_E_INVALID); // it is gone
            assert_int_equal(jb_session_commit(w.session, 0, 3), JB_E_RANGE);
            n += 2;
        }
        // Rejected positions leave no trace, even where they exited early and were filled or not.
        assert_int_equal(jb_session_begin(w.session, 0, &(struct jb_row_input){ .token = 3 }, 1, NULL), 0);
        assert_int_equal(jb_session_run_stage(w.session, 0, JB_PREC_INT8, all, 1, NULL), 0);
        assert_int_equal(jb_session_rollback(w.session, 0, 1), 0);
        tokens[n] = 7;
        step(&w, 7, f32, 3, got, NULL);
        plain_decode(&q, tokens, n + 1, precision, n, 3, want);
        assert_memory_equal(got, want, q.vocab * sizeof *want);
        close_world(&w);
    }
}

// Two sequences in one begin, one of which stops.
static void test_two_sequences(void **state)
{
    (void)state;
    struct jb_synth_opts o = state_opts(2, 0, 3);
    struct world w;
    struct plain q;
    uint32_t tokens[2][MAX_LEN], both[2] = { 0, 1 };
    int precision[3][MAX_LEN] = { { 0 } };
    float want[MAX_VOCAB];
    open_world(&w, &o, 2);
    plain_open(&q, &w);
    for (uint32_t p = 0; p < 10; p++) {
        struct jb_row_input in[2] = { { .token = p % 20, .sequence = 0 }, { .token = (p * 7 + 1) % 20, .sequence = 1 } };
        struct jb_head_row head[2];
        uint32_t stopped = p % 2, going = 1 - stopped;
        tokens[0][p] = in[0].token;
        tokens[1][p] = in[1].token;
        assert_int_equal(jb_session_begin(w.session, 0, in, 2, NULL), 0);
        assert_int_equal(jb_session_run_stage(w.session, 0, JB_PREC_F32, both, 2, NULL), 0);
        assert_int_equal(jb_session_run_head(w.session, 0, both, 2, JB_WANT_LOGITS, head, NULL), 0);
        plain_decode(&q, tokens[stopped], p + 1, precision, p, 1, want);
        assert_memory_equal(head[stopped].logits, want, q.vocab * sizeof *want);
        assert_int_equal(jb_session_run_stage(w.session, 1, JB_PREC_F32, &going, 1, NULL), 0);
        assert_int_equal(jb_session_run_head(w.session, 1, &going, 1, JB_WANT_LOGITS | JB_WANT_TOP | JB_WANT_GATE | JB_WANT_HIDDEN, head, NULL), 0);
        plain_decode(&q, tokens[going], p + 1, precision, p, 2, want);
        assert_memory_equal(head[0].logits, want, q.vocab * sizeof *want);
        assert_true(head[0].gate >= 0.0f && head[0].gate < 1.0f && head[0].n_hidden == q.dim);
        assert_int_equal(jb_session_commit(w.session, 0, 1), 0);
        assert_int_equal(jb_session_commit(w.session, 1, 1), 0);
    }
    close_world(&w);
}

// A row that stopped, was filled on behalf of a later row of the same begin, and then wants to go on: refused, not computed twice.
static void test_overtaken_row(void **state)
{
    (void)state;
    struct jb_synth_opts o = state_opts(2, 0, 3);
    struct world w;
    struct jb_row_input in[2] = { { .token = 1 }, { .token = 2 } };
    uint32_t both[2] = { 0, 1 };
    struct jb_cost cost[2] = { 0 }, late;
    open_world(&w, &o, 2);
    assert_int_equal(jb_session_begin(w.session, 0, in, 2, NULL), 0);
    assert_int_equal(jb_session_run_stage(w.session, 0, JB_PREC_F32, both, 2, NULL), 0);
    assert_int_equal(jb_session_run_stage(w.session, 1, JB_PREC_F32, &both[1], 1, cost), 0);
    assert_int_equal(jb_cost_macs(&cost[0]), 8 * 8 + 8 * 2); // its own work alone
    assert_int_equal(jb_session_deferred(w.session, 0, 0, &late), 0);
    assert_int_equal(jb_cost_macs(&late), 8 * 8 + 8);
    assert_int_equal(jb_session_run_stage(w.session, 1, JB_PREC_F32, &both[0], 1, NULL), JB_E_INVALID);
    close_world(&w);
}

// --- Walk 4
static void test_encoder_decoder(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct jb_synth_opts o = state_opts(4, 2, seed);
        struct world w;
        struct plain q;
        struct jb_rng rng;
        struct jb_row_input source[5] = { 0 };
        uint32_t tokens[MAX_LEN], rows[5] = { 0, 1, 2, 3, 4 };
        int precision[3][MAX_LEN] = { { 0 } };
        struct jb_cost cost[5] = { 0 };
        open_world(&w, &o, 5);
        plain_open(&q, &w);
        jb_rng_seed(&rng, seed);
        assert_int_equal(w.info->n_parts, 2);
        assert_int_equal(w.info->part_stage[1], 2);
        // The decoder cannot begin before its memory is there.
        assert_int_equal(jb_session_begin(w.session, 1, source, 1, NULL), JB_E_INVALID);
        for (int query = 0; query < 2; query++) { // the second one reuses the sequence
            for (uint32_t i = 0; i < 5; i++)
                tokens[i] = source[i].token = (uint32_t)jb_rng_below(&rng, q.vocab);
            assert_int_equal(jb_session_begin(w.session, 0, source, 5, NULL), 0);
            for (uint32_t k = 0; k < 2; k++)
                assert_int_equal(jb_session_run_stage(w.session, k, JB_PREC_INT8, rows, 5, cost), 0);
            assert_int_equal(jb_session_run_stage(w.session, 2, JB_PREC_INT8, rows, 5, cost), JB_E_INVALID); // that is the decoder
            assert_int_equal(cost[4].macs[JB_PREC_INT8] / (query + 1u), 2 * (8 * 8 + 8 * 5));
            assert_int_equal(jb_session_commit(w.session, 0, 5), 0);
            plain_encode(&q, tokens, 5, JB_PREC_INT8);
            for (uint32_t p = 0; p < 12; p++) {
                float got[MAX_VOCAB], want[MAX_VOCAB];
                const int f32[2] = { 0, 0 };
                uint32_t depth = 1 + (uint32_t)jb_rng_below(&rng, 2);
                tokens[p] = (uint32_t)jb_rng_below(&rng, q.vocab);
                step(&w, tokens[p], f32, depth, got, NULL);
                plain_decode(&q, tokens, p + 1, precision, p, depth, want);
                assert_memory_equal(got, want, q.vocab * sizeof *got);
            }
        }
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eight_images), cmocka_unit_test(test_late_fill), cmocka_unit_test(test_settle_and_reset), cmocka_unit_test(test_verify_and_reject),
        cmocka_unit_test(test_two_sequences), cmocka_unit_test(test_overtaken_row), cmocka_unit_test(test_encoder_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
