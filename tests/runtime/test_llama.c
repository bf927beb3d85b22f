// The llama family against a plain recomputation in double, and its promises to the bit: cuts into batches, threads, deferred fills, rollback. (Under the thread sanitizer: test_pool, and tests/early_exit/test_llama.)
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "runtime/session.h"
#include "tests/runtime/llama_file.h"
#include "tests/runtime/llama_plain.h"

#define N 24     // tokens of most sequences
#define VOCAB 270
#define ALL UINT32_MAX

struct world {
    struct llama_file base, exits;
    struct jb_model *model;
    struct jb_session *s;
    const struct jb_model_info *info;
    enum jb_precision p;
};

static const uint32_t tokens[PLAIN_LEN] = { 17, 250, 3, 99, 99, 4, 128, 77, 269, 0, 5, 200, 201, 13, 66, 190, 31, 7, 8, 111, 112, 43, 260, 9, 1, 2, 30, 31, 32, 33 };

static void open_session(struct world *w, struct jb_session_opts o)
{
    struct jb_err err = { 0 };
    jb_session_close(w->s);
    w->s = NULL;
    o.max_rows = o.max_rows ? o.max_rows : N;
    if (jb_session_open(&w->s, w->model, &o, &err))
        fail_msg("%s", err.detail);
}

static void open_model(struct world *w, struct jb_session_opts o)
{
    struct jb_err err = { 0 };
    struct jb_kernels k;
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_model_open_memory(&w->model, "base", w->base.data, w->base.n_bytes, w->exits.data, w->exits.n_bytes, &k, NULL, &err))
        fail_msg("%s", err.detail);
    w->info = jb_model_info(w->model);
    while (!(w->info->precisions & 1u << w->p))
        w->p++;
    open_session(w, o);
}

// exits: type of the side file's matrices, or ALL: no side file.
static void open_world(struct world *w, const struct jb_synth_opts *o, const struct change *changes, uint32_t exits, struct jb_session_opts so)
{
    *w = (struct world){ 0 };
    llama_file_make(&w->base, o, changes);
    if (exits != ALL)
        exits_file_make(&w->exits, w->base.g, exits, false, NULL);
    open_model(w, so);
}

static void close_world(struct world *w)
{
    jb_session_close(w->s);
    jb_model_close(w->model);
    llama_file_close(&w->base);
    llama_file_close(&w->exits);
}

static void begin(struct world *w, uint32_t sequence, uint32_t first, uint32_t n)
{
    struct jb_row_input in[PLAIN_LEN];
    struct jb_err err = { 0 };
    for (uint32_t i = 0; i < n; i++)
        in[i] = (struct jb_row_input){ .token = tokens[first + i], .sequence = sequence };
    if (jb_session_begin(w->s, 0, in, n, &err))
        fail_msg("begin: %s", err.detail);
}

static const uint32_t rising[PLAIN_LEN] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                            32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };

static void run_all(struct world *w, uint32_t n, struct jb_cost *cost)
{
    for (uint32_t k = 0; k < w->info->n_stages; k++)
        assert_int_equal(jb_session_run_stage(w->s, k, w->p, rising, n, cost), 0);
}

// Logits of n positions behind the last stage, in batches of `cut`.
static void logits_of(struct world *w, uint32_t n, uint32_t cut, float (*out)[VOCAB])
{
    struct jb_head_row head[PLAIN_LEN];
    assert_int_equal(jb_session_reset(w->s, 0), 0);
    for (uint32_t first = 0; first < n; first += cut) {
        uint32_t m = n - first < cut ? n - first : cut;
        begin(w, 0, first, m);
        run_all(w, m, NULL);
        assert_int_equal(jb_session_run_head(w->s, w->info->n_stages - 1, rising, m, JB_WANT_LOGITS, head, NULL), 0);
        for (uint32_t i = 0; i < m; i++)
            memcpy(out[first + i], head[i].logits, sizeof out[0]);
        assert_int_equal(jb_session_commit(w->s, 0, m), 0);
    }
}

static void compare_plain(struct world *w, enum jb_kv_kind kv, double tolerance, const char *what)
{
    static float ours[N][VOCAB];
    struct plain_llama p;
    double want[VOCAB], worst = 0, spread = 0;
    logits_of(w, N, N, ours);
    plain_llama_open(&p, w->base.g, w->exits.g, kv);
    plain_llama_run(&p, tokens, N, NULL);
    for (uint32_t i = 0; i < N; i++) {
        plain_llama_logits(&p, i, p.n_layers, -1, want);
        for (uint32_t v = 0; v < VOCAB; v++) {
            worst = fmax(worst, fabs((double)ours[i][v] - want[v]));
            spread = fmax(spread, fabs(want[v]));
        }
    }
    plain_llama_close(&p);
    if (!(worst <= tolerance * spread) || spread < 1)
        fail_msg("%s: largest difference %g, largest logit %g (limit %g of it)", what, worst, spread, tolerance);
}

static const char *const types[] = { "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K", "mixed" };

// Rounding to 8 bits and f16 now and then falls to the other side: that, and not the arithmetic, is what the tolerances are for.
static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct jb_synth_opts o = llama_opts(types[i]);
        struct world w;
        open_world(&w, &o, NULL, ALL, (struct jb_session_opts){ 0 });
        compare_plain(&w, JB_KV_F16, strstr(types[i], "q8") || strstr(types[i], "q4_") || strcmp(types[i], "mixed") == 0 ? 0.015 : 0.001, types[i]);
        close_world(&w);
    }
}

static void test_kv_int8(void **state)
{
    struct jb_synth_opts o = llama_opts("f32");
    struct world w;
    (void)state;
    open_world(&w, &o, NULL, ALL, (struct jb_session_opts){ .kv = JB_KV_INT8 });
    compare_plain(&w, JB_KV_INT8, 0.005, "int8");
    close_world(&w);
}

// Sizes that are no multiple of anything, groups of 1, 2, 4 heads, an output of its own.
static void test_shapes(void **state)
{
    static const struct { uint32_t width, heads, kv, ffn; bool tied; } shapes[] = { { 64, 4, 4, 96, true }, { 64, 4, 1, 96, false }, { 40, 4, 2, 36, true }, { 6, 1, 1, 5, false }, { 96, 6, 3, 32, true } };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint32_t threads = 1; threads < 4; threads += 2) {
            struct jb_synth_opts o = llama_opts("f32");
            struct world w;
            o.width = shapes[i].width;
            o.heads = shapes[i].heads;
            o.kv_heads = shapes[i].kv;
            o.ffn = shapes[i].ffn;
            o.tied = shapes[i].tied;
            open_world(&w, &o, NULL, ALL, (struct jb_session_opts){ .threads = threads });
            compare_plain(&w, JB_KV_F16, 0.002, "shape");
            close_world(&w);
        }
}

static void test_rope(void **state)
{
    static const float factors[8] = { 1, 1, 1.25f, 2, 4, 8, 8, 8 };
    const struct change linear[] = { { CHANGE_TEXT, "llama.rope.scaling.type", .text = "linear" }, { CHANGE_F32, "llama.rope.scaling.factor", .f32 = 4 }, { .kind = CHANGE_END } };
    const struct change llama3[] = { { CHANGE_F32, "llama.rope.freq_base", .f32 = 500000 }, { CHANGE_TENSOR, "rope_freqs.weight", .dims = { 8 }, .data = factors }, { .kind = CHANGE_END } };
    const struct change partly[] = { { CHANGE_U32, "llama.rope.dimension_count", .u32 = 6 }, { .kind = CHANGE_END } };
    const struct change base[] = { { CHANGE_F32, "llama.rope.freq_base", .f32 = 100 }, { CHANGE_DROP, "llama.vocab_size", .u32 = 0 }, { .kind = CHANGE_END } };
    const struct change *const all[] = { linear, llama3, partly, base };
    struct jb_synth_opts o = llama_opts("f32");
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct world w;
        open_world(&w, &o, all[i], ALL, (struct jb_session_opts){ 0 });
        compare_plain(&w, JB_KV_F16, 0.001, all[i]->name);
        close_world(&w);
    }
}

static void test_cuts_and_threads(void **state)
{
    static const char *const some[] = { "q4_1", "q8_0", "f16", "mixed" };
    static const uint32_t cuts[] = { 1, 2, 3, 7, 16 };
    static float whole[N][VOCAB], cut[N][VOCAB];
    (void)state;
    for (size_t t = 0; t < sizeof some / sizeof *some; t++)
        for (int kv = 0; kv < JB_KV_COUNT; kv++) {
            struct jb_synth_opts o = llama_opts(some[t]);
            struct world w;
            open_world(&w, &o, NULL, JB_GGML_Q8_0, (struct jb_session_opts){ .kv = (enum jb_kv_kind)kv });
            logits_of(&w, N, N, whole);
            for (uint32_t threads = 1; threads <= 3; threads++) {
                open_session(&w, (struct jb_session_opts){ .threads = threads, .kv = (enum jb_kv_kind)kv });
                for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
                    memset(cut, 0, sizeof cut);
                    logits_of(&w, N, cuts[c], cut);
                    if (memcmp(cut, whole, sizeof whole) != 0)
                        fail_msg("%s, K/V %d: cuts of %u, %u threads: other logits", some[t], kv, cuts[c], threads);
                }
            }
            close_world(&w);
        }
}

static void test_exits(void **state)
{
    static const uint32_t exit_types[] = { JB_GGML_F32, JB_GGML_F16, JB_GGML_Q8_0 };
    (void)state;
    for (size_t t = 0; t < 3; t++)
        for (uint32_t threads = 1; threads < 3; threads++) {
            struct jb_synth_opts o = llama_opts("f32");
            struct world w;
            struct plain_llama p;
            struct jb_head_row head[N];
            double want[VOCAB];
            open_world(&w, &o, NULL, exit_types[t], (struct jb_session_opts){ .threads = threads });
            assert_int_equal(w.info->n_stages, 3);
            assert_true(w.info->stages[0].temperature == 1.5 && w.info->stages[1].temperature == 0.75 && w.info->stages[2].temperature == 1.0);
            assert_true(w.info->stages[0].has_gate && w.info->stages[1].has_gate && !w.info->stages[2].has_gate);
            plain_llama_open(&p, w.base.g, w.exits.g, JB_KV_F16);
            plain_llama_run(&p, tokens, N, NULL);
            begin(&w, 0, 0, N);
            for (uint32_t k = 0; k < 3; k++) {
                struct jb_cost gate = { 0 }, all[N] = { 0 };
                assert_int_equal(jb_session_run_stage(w.s, k, w.p, rising, N, NULL), 0);
                assert_int_equal(jb_session_run_head(w.s, k, rising, 1, JB_WANT_GATE | JB_WANT_HIDDEN, head, &gate), 0);
                assert_null(head[0].top);
                assert_null(head[0].logits);
                assert_true(jb_cost_macs(&gate) < o.width * VOCAB && (k == 2) == !jb_cost_macs(&gate)); // no vocabulary
                for (uint32_t d = 0; d < o.width; d++)
                    assert_true(fabs((double)head[0].hidden[d] - p.x[k + 1][d]) < 0.01);
                assert_int_equal(jb_session_run_head(w.s, k, rising, N, JB_WANT_GATE | JB_WANT_TOP | JB_WANT_LOGITS, head, all), 0);
                assert_true(jb_cost_macs(&all[0]) >= o.width * VOCAB && jb_cost_macs(&all[N - 1]) == jb_cost_macs(&all[0]));
                for (uint32_t i = 0; i < N; i++) {
                    plain_llama_logits(&p, i, k + 1, k < 2 ? (int)k : -1, want);
                    for (uint32_t v = 0; v < VOCAB; v++)
                        if (!(fabs((double)head[i].logits[v] - want[v]) < 0.06))
                            fail_msg("exit %u, position %u, token %u: %g, not %g", k, i, v, (double)head[i].logits[v], want[v]);
                    assert_int_equal(head[i].n_top, JB_TOP_N);
                    for (uint32_t j = 0; j < JB_TOP_N; j++)
                        assert_true(head[i].logits[head[i].top[j].index] == head[i].top[j].logit && (!j || head[i].top[j].logit <= head[i].top[j - 1].logit));
                    if (k == 2)
                        assert_true(isnan(head[i].gate));
                    else
                        assert_true(fabs((double)head[i].gate - plain_llama_gate(&p, i, k + 1, (int)k)) < 0.02);
                }
            }
            plain_llama_close(&p);
            close_world(&w);
        }
}

// One position after the other; stop[i]: stages that position i runs. Logits of those that run all go to `out`; the rest of out stays.
static void decode(struct world *w, const uint32_t *stop, uint32_t n, float (*out)[VOCAB], struct jb_cost *spent)
{
    struct jb_head_row head;
    for (uint32_t i = 0; i < n; i++) {
        begin(w, 0, i, 1);
        for (uint32_t k = 0; k < stop[i]; k++)
            assert_int_equal(jb_session_run_stage(w->s, k, w->p, rising, 1, spent), 0);
        if (stop[i] == w->info->n_stages) {
            assert_int_equal(jb_session_run_head(w->s, stop[i] - 1, rising, 1, JB_WANT_LOGITS, &head, NULL), 0);
            memcpy(out[i], head.logits, sizeof out[i]);
        }
        assert_int_equal(jb_session_commit(w->s, 0, 1), 0);
    }
}

static const uint32_t stops[N] = { 3, 1, 3, 1, 1, 2, 3, 2, 2, 1, 1, 0, 1, 3, 3, 1, 2, 3, 0, 2, 1, 1, 1, 3 };

static void test_exact_fill(void **state)
{
    static float whole[N][VOCAB], got[N][VOCAB];
    static const char *const some[] = { "q4_1", "mixed" };
    (void)state;
    for (size_t t = 0; t < 2; t++)
        for (uint32_t rows = 1; rows <= N; rows += N - 1) {
            struct jb_synth_opts o = llama_opts(some[t]);
            struct world w;
            struct jb_cost full = { 0 }, spent = { 0 }, late = { 0 }, one = { 0 }, settled = { 0 }, again = { 0 };
            static const uint32_t never[N] = { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 };
            open_world(&w, &o, NULL, JB_GGML_F32, (struct jb_session_opts){ .max_rows = rows, .threads = 2 });
            decode(&w, never, N, whole, &full);
            assert_int_equal(jb_session_deferred(w.s, 0, JB_ALL_POSITIONS, &late), 0);
            assert_true(jb_cost_macs(&late) == 0);
            assert_int_equal(jb_session_reset(w.s, 0), 0);
            memcpy(got, whole, sizeof got);
            for (uint32_t i = 0; i < N; i++)
                if (stops[i] == 3)
                    memset(got[i], 0, sizeof got[i]);
            decode(&w, stops, N - 1, got, &spent);
            assert_int_equal(jb_session_settle(w.s, &settled), 0); // some of it for the last begin's row, which stopped early
            assert_true(jb_cost_macs(&settled) > 0);
            assert_int_equal(jb_session_settle(w.s, &again), 0);
            assert_true(jb_cost_macs(&again) == 0);
            begin(&w, 0, N - 1, 1);
            run_all(&w, 1, &spent);
            struct jb_head_row head;
            assert_int_equal(jb_session_run_head(w.s, 2, rising, 1, JB_WANT_LOGITS, &head, NULL), 0);
            memcpy(got[N - 1], head.logits, sizeof got[0]);
            assert_memory_equal(got, whole, sizeof whole);
            assert_int_equal(jb_session_deferred(w.s, 0, JB_ALL_POSITIONS, &late), 0);
            assert_true(jb_cost_macs(&spent) + jb_cost_macs(&late) == jb_cost_macs(&full)); // the same work, later
            assert_true(jb_cost_bytes(&spent) + jb_cost_bytes(&late) < jb_cost_bytes(&full)); // but holes share weights
            assert_int_equal(jb_session_deferred(w.s, 0, 0, &one), 0);
            assert_true(jb_cost_macs(&one) == 0);
            assert_int_equal(jb_session_deferred(w.s, 0, 1, &one), 0);
            assert_true(jb_cost_macs(&one) > 0);
            close_world(&w);
        }
}

// More holes than a batch has room for.
static void test_many_holes(void **state)
{
    static float whole[N][VOCAB];
    struct jb_synth_opts o = llama_opts("q8_0");
    struct world w;
    struct jb_row_input in[8];
    struct jb_head_row head;
    struct jb_err err;
    static float last[2][VOCAB];
    (void)state;
    (void)whole;
    o.context = 256;
    open_world(&w, &o, NULL, JB_GGML_F32, (struct jb_session_opts){ .max_rows = 8, .threads = 2 });
    for (int pass = 0; pass < 2; pass++) { // all deep; then the same with 199 holes
        assert_int_equal(jb_session_reset(w.s, 0), 0);
        for (uint32_t i = 0; i < 200; i += 8) {
            for (uint32_t j = 0; j < 8; j++)
                in[j] = (struct jb_row_input){ .token = (i + j) * 37 % VOCAB };
            assert_int_equal(jb_session_begin(w.s, 0, in, 8, &err), 0);
            for (uint32_t k = 0; k < 3; k++) {
                bool deep = pass == 0 || i == 192;
                if (deep)
                    assert_int_equal(jb_session_run_stage(w.s, k, w.p, deep && pass ? rising + 7 : rising, deep && pass ? 1 : 8, NULL), 0);
            }
        }
        assert_int_equal(jb_session_run_head(w.s, 2, rising + 7, 1, JB_WANT_LOGITS, &head, NULL), 0);
        memcpy(last[pass], head.logits, sizeof last[0]);
    }
    assert_memory_equal(last[0], last[1], sizeof last[0]);
    close_world(&w);
}

static void test_frozen_fill(void **state)
{
    static float exact[N][VOCAB], got[N][VOCAB];
    struct jb_synth_opts o = llama_opts("f32");
    struct world w;
    struct plain_llama p;
    uint32_t left[N];
    double want[VOCAB], apart = 0;
    struct jb_cost frozen = { 0 }, late = { 0 };
    (void)state;
    open_world(&w, &o, NULL, JB_GGML_F32, (struct jb_session_opts){ 0 });
    decode(&w, stops, N, exact, NULL);
    assert_int_equal(jb_session_deferred(w.s, 0, JB_ALL_POSITIONS, &late), 0);
    open_session(&w, (struct jb_session_opts){ .fill = JB_FILL_FROZEN, .threads = 2 });
    decode(&w, stops, N, got, NULL);
    assert_int_equal(jb_session_deferred(w.s, 0, JB_ALL_POSITIONS, &frozen), 0);
    assert_true(jb_cost_macs(&frozen) > 0 && jb_cost_macs(&frozen) * 4 < jb_cost_macs(&late));
    for (uint32_t i = 0; i < N; i++)
        left[i] = stops[i]; // a stage is a layer here
    plain_llama_open(&p, w.base.g, NULL, JB_KV_F16);
    plain_llama_run(&p, tokens, N, left);
    for (uint32_t i = 0; i < N; i++)
        if (stops[i] == 3) {
            plain_llama_logits(&p, i, 3, -1, want);
            for (uint32_t v = 0; v < VOCAB; v++) {
                assert_true(fabs((double)got[i][v] - want[v]) < 0.02);
                apart = fmax(apart, fabs((double)got[i][v] - (double)exact[i][v]));
            }
        }
    assert_true(apart > 0.1); // wrong in a way that shows
    plain_llama_close(&p);
    close_world(&w);
}

static void test_rollback(void **state)
{
    static float whole[N][VOCAB];
    struct jb_synth_opts o = llama_opts("q4_1");
    struct world w;
    struct jb_head_row head[4];
    (void)state;
    open_world(&w, &o, NULL, JB_GGML_F32, (struct jb_session_opts){ .threads = 2 });
    logits_of(&w, N, N, whole);
    assert_int_equal(jb_session_reset(w.s, 0), 0);
    begin(&w, 0, 0, 4);
    run_all(&w, 4, NULL);
    assert_int_equal(jb_session_commit(w.s, 0, 4), 0);
    for (uint32_t at = 4; at + 4 <= N; at += 2) { // two of each four are wrong: tokens from elsewhere
        struct jb_row_input in[4] = { { .token = tokens[at] }, { .token = tokens[at + 1] }, { .token = 77 }, { .token = 78 } };
        assert_int_equal(jb_session_begin(w.s, 0, in, 4, NULL), 0);
        if (at % 4 == 0) {
            run_all(&w, 4, NULL);
            assert_int_equal(jb_session_run_head(w.s, 2, rising, 4, JB_WANT_LOGITS, head, NULL), 0);
            assert_memory_equal(head[0].logits, whole[at], sizeof whole[0]);
            assert_memory_equal(head[1].logits, whole[at + 1], sizeof whole[0]);
        } else { // left early: holes, two of which are taken back
            assert_int_equal(jb_session_run_stage(w.s, 0, w.p, rising, 4, NULL), 0);
            assert_int_equal(jb_session_run_stage(w.s, 1, w.p, rising + 3, 1, NULL), 0);
        }
        assert_int_equal(jb_session_commit(w.s, 0, 2), 0);
        assert_int_equal(jb_session_rollback(w.s, 0, 3), JB_E_RANGE);
        assert_int_equal(jb_session_rollback(w.s, 0, 2), 0);
        assert_int_equal(jb_session_run_stage(w.s, 2, w.p, rising + 3, 1, NULL), JB_E_INVALID); // taken back
    }
    close_world(&w);
}

// Sequences do not touch each other, in one batch or not.
static void test_sequences(void **state)
{
    static float whole[N][VOCAB];
    struct jb_synth_opts o = llama_opts("q8_0");
    struct world w;
    struct jb_row_input in[6];
    struct jb_head_row head[6];
    struct jb_err err;
    (void)state;
    open_world(&w, &o, NULL, ALL, (struct jb_session_opts){ .max_sequences = 2, .threads = 3 });
    logits_of(&w, N, N, whole);
    assert_int_equal(jb_session_reset(w.s, 0), 0);
    for (uint32_t at = 0; at < N; at += 3) {
        for (uint32_t i = 0; i < 6; i++)
            in[i] = (struct jb_row_input){ .token = i % 2 ? tokens[at + i / 2] : tokens[at + i / 2] / 2, .sequence = i % 2 };
        assert_int_equal(jb_session_begin(w.s, 0, in, 6, &err), 0);
        run_all(&w, 6, NULL);
        assert_int_equal(jb_session_run_head(w.s, 0, rising, 6, JB_WANT_LOGITS, head, NULL), 0);
        for (uint32_t i = 1; i < 6; i += 2)
            assert_memory_equal(head[i].logits, whole[at + i / 2], sizeof whole[0]);
    }
    in[0].sequence = 2;
    assert_int_equal(jb_session_begin(w.s, 0, in, 1, &err), JB_E_RANGE);
    in[0] = (struct jb_row_input){ .token = VOCAB };
    assert_int_equal(jb_session_begin(w.s, 0, in, 1, &err), JB_E_RANGE);
    close_world(&w);
}

static void test_end_of_context(void **state)
{
    struct jb_synth_opts o = llama_opts("f32");
    struct world w;
    struct jb_err err;
    struct jb_row_input in = { .token = 1 };
    (void)state;
    open_world(&w, &o, NULL, ALL, (struct jb_session_opts){ .max_rows = 30, .max_positions = 30 });
    begin(&w, 0, 0, 29);
    run_all(&w, 29, NULL);
    struct jb_row_input two[2] = { in, in };
    assert_int_equal(jb_session_begin(w.s, 0, two, 2, &err), JB_E_RANGE); // as if nothing had begun
    assert_int_equal(jb_session_begin(w.s, 0, two, 1, &err), 0);
    run_all(&w, 1, NULL);
    assert_int_equal(jb_session_begin(w.s, 0, two, 1, &err), JB_E_RANGE);
    close_world(&w);
}

static void test_nan(void **state)
{
    static float norm[64];
    const struct change changes[] = { { CHANGE_TENSOR, "output_norm.weight", .dims = { 64 }, .data = norm }, { .kind = CHANGE_END } };
    static const char *const some[] = { "f32", "q4_1" };
    (void)state;
    norm[5] = NAN;
    for (size_t t = 0; t < 2; t++) {
        struct jb_synth_opts o = llama_opts(some[t]);
        struct world w;
        struct jb_head_row head;
        open_world(&w, &o, changes, ALL, (struct jb_session_opts){ 0 });
        begin(&w, 0, 0, 1);
        run_all(&w, 1, NULL);
        assert_int_equal(jb_session_run_head(w.s, 0, rising, 1, JB_WANT_TOP, &head, NULL), JB_E_INVALID);
        assert_int_equal(jb_session_run_head(w.s, 0, rising, 1, JB_WANT_LOGITS, &head, NULL), JB_E_INVALID);
        assert_int_equal(jb_session_run_head(w.s, 0, rising, 1, JB_WANT_HIDDEN, &head, NULL), 0);
        close_world(&w);
    }
}

static void refuse(const struct world *w, struct jb_session_opts o, int code, const char *text)
{
    struct jb_session *s = NULL;
    struct jb_err err = { 0 };
    assert_int_equal(jb_session_open(&s, w->model, &o, &err), code);
    if (!strstr(err.detail, text))
        fail_msg("\"%s\" says nothing of \"%s\"", err.detail, text);
}

static void test_refusals(void **state)
{
    struct jb_synth_opts o = llama_opts("f32");
    const struct change endless[] = { { CHANGE_U32, "llama.context_length", .u32 = 1u << 24 }, { .kind = CHANGE_END } };
    struct world w;
    (void)state;
    open_world(&w, &o, endless, ALL, (struct jb_session_opts){ .max_positions = 16 });
    refuse(&w, (struct jb_session_opts){ .max_rows = 1, .max_sequences = 4096 }, JB_E_RANGE, "MB are available");
    refuse(&w, (struct jb_session_opts){ .max_rows = 1, .max_positions = (1u << 24) + 1 }, JB_E_RANGE, "16777217 positions of a model made for 16777216");
    refuse(&w, (struct jb_session_opts){ .max_rows = 1, .max_positions = 16, .max_sequences = 4097 }, JB_E_RANGE, "4097 sequences");
    refuse(&w, (struct jb_session_opts){ .max_rows = 1, .max_positions = 16, .threads = 65 }, JB_E_RANGE, "65 threads");
    refuse(&w, (struct jb_session_opts){ .max_rows = 1, .max_positions = 16, .threads = 2, .cpus = (uint32_t[]){ 0, 4000 }, .n_cpus = 2 }, JB_E_RANGE, "CPU 4000");
    begin(&w, 0, 0, 2);
    for (int p = JB_PREC_COUNT - 1; p >= 0; p--)
        assert_int_equal(jb_session_run_stage(w.s, 0, (enum jb_precision)p, rising, 2, NULL), p == JB_PREC_F32 ? 0 : JB_E_UNSUPPORTED);
    assert_non_null(strstr(w.info->precision_reason[JB_PREC_INT4], "stored as F32: only f32 runs"));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),      cmocka_unit_test(test_kv_int8),    cmocka_unit_test(test_shapes),         cmocka_unit_test(test_rope),     cmocka_unit_test(test_cuts_and_threads),
        cmocka_unit_test(test_exits),      cmocka_unit_test(test_exact_fill), cmocka_unit_test(test_many_holes),     cmocka_unit_test(test_frozen_fill), cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_sequences),  cmocka_unit_test(test_end_of_context), cmocka_unit_test(test_nan),        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
