// Sessions against the naive oracle: f32 within a tolerance, integers bit for bit, on random networks and on every tier of this machine.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "runtime/inspect.h"
#include "tests/runtime/oracle.h"
#include "tests/runtime/randnet.h"

#define N_NETS 300

static uint32_t tiers(uint32_t masks[4])
{
    static const char *const names[] = { "ref", "avx2", "avx512", "vnni" };
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        if (!jb_cpu_tier_mask(names[i], jb_cpu_detect(), &masks[n], NULL))
            n++;
    return n;
}

struct rig {
    struct randnet net;
    struct jb_gguf *file;
    struct oracle oracle;
    struct jb_model *model;
    struct jb_session *session;
    uint64_t seed;
    char where[80];
};

static void rig_open(struct rig *r, uint64_t seed, bool real_only, uint32_t mask)
{
    struct jb_err err = { 0 };
    struct jb_kernels k;
    r->seed = seed;
    snprintf(r->where, sizeof r->where, "net %llu, mask %x", (unsigned long long)seed, mask);
    randnet_make(&r->net, seed, real_only);
    jb_kernels_init(&k, mask);
    if (jb_gguf_open_memory(&r->file, "net", r->net.data, r->net.n_bytes, &err) ||
        jb_model_open_memory(&r->model, "net", r->net.data, r->net.n_bytes, NULL, 0, &k, NULL, &err) ||
        jb_session_open(&r->session, r->model, &(struct jb_session_opts){ .max_rows = 8, .threads = 1 }, &err))
        fail_msg("%s: %s", r->where, err.detail);
    oracle_open(&r->oracle, r->file, NULL);
}

static void rig_close(struct rig *r)
{
    oracle_close(&r->oracle);
    jb_session_close(r->session);
    jb_model_close(r->model);
    jb_gguf_close(r->file);
    randnet_free(&r->net);
}

static void compare(const struct rig *r, int stage, enum jb_precision p, const struct jb_head_row *head, const double *want)
{
    double top = 1.0;
    int n = r->net.classes;
    assert_int_equal(head->n_logits, n);
    for (int i = 0; i < n; i++)
        top = fmax(top, fabs(want[i]));
    for (int i = 0; i < n; i++) {
        double got = (double)head->logits[i];
        if (p == JB_PREC_F32 ? !(fabs(got - want[i]) <= 2e-5 * top) : (float)want[i] != head->logits[i])
            fail_msg("%s: stage %d, %s, logit %d: %.9g, the oracle has %.9g", r->where, stage, jb_precision_name(p), i, got, want[i]);
    }
    int best = 0;
    for (int i = 1; i < n; i++)
        if (head->logits[i] > head->logits[best])
            best = i;
    assert_int_equal(head->top[0].index, best);
    assert_true(head->top[0].logit == head->logits[best]);
    assert_int_equal(head->n_top, n < JB_TOP_N ? n : JB_TOP_N);
}

// One image through all stages; schedule[k] is the precision of stage k.
static void walk(struct rig *r, const enum jb_precision *schedule, uint64_t image_seed)
{
    unsigned char *image = randnet_image(&r->net, image_seed);
    uint32_t row = 0;
    double want[16];
    assert_int_equal(jb_session_begin(r->session, 0, &(struct jb_row_input){ .data = image }, 1, NULL), 0);
    oracle_begin(&r->oracle, image);
    for (int k = 0; k < r->net.stages; k++) {
        struct jb_head_row head;
        struct jb_cost cost = { 0 };
        assert_int_equal(jb_session_run_stage(r->session, (uint32_t)k, schedule[k], &row, 1, &cost), 0);
        oracle_stage(&r->oracle, k, schedule[k]);
        assert_memory_equal(&cost, &jb_model_info(r->model)->stages[k].cost[schedule[k]], sizeof cost);
        int rc = jb_session_run_head(r->session, (uint32_t)k, &row, 1, JB_WANT_LOGITS | JB_WANT_TOP, &head, &cost);
        assert_int_equal(rc, oracle_has_head(&r->oracle, k) ? 0 : JB_E_UNSUPPORTED);
        if (rc)
            continue;
        oracle_head(&r->oracle, k, schedule[k], want);
        compare(r, k, schedule[k], &head, want);
    }
    free(image);
}

// Reductions shorter than a group of 4-bit weights, of just one group, and longer ones: the networks of the next test have them all.
static void test_reductions_occur(void **state)
{
    int below = 0, exactly = 0, above = 0;
    (void)state;
    for (uint64_t seed = 0; seed < N_NETS; seed++) {
        struct randnet net;
        struct jb_gguf *file;
        randnet_make(&net, seed, seed % 5 == 4);
        assert_int_equal(jb_gguf_open_memory(&file, "net", net.data, net.n_bytes, NULL), 0);
        for (size_t i = 0; i < jb_gguf_n_tensors(file) && seed % 5 != 4; i++) {
            const struct jb_gguf_tensor *t = jb_gguf_tensor_at(file, i);
            uint64_t n = t->n_dims == 4 ? t->dims[0] * t->dims[1] * t->dims[2] : t->n_dims == 2 ? t->dims[0] : 0; // 0: a bias
            below += n > 0 && n < 32;
            exactly += n == 32;
            above += n > 32;
        }
        jb_gguf_close(file);
        randnet_free(&net);
    }
    if (below < 100 || exactly < 3 || above < 100)
        fail_msg("%d reductions below 32, %d of 32, %d above", below, exactly, above);
}

static void test_single_precision(void **state)
{
    uint32_t masks[4], n = tiers(masks);
    (void)state;
    for (uint64_t seed = 0; seed < N_NETS; seed++)
        for (uint32_t t = 0; t < n; t++) {
            struct rig r;
            rig_open(&r, seed, seed % 5 == 4, masks[t]);
            uint32_t have = jb_model_info(r.model)->precisions;
            if (seed % 5 != 4)
                assert_int_equal(have, 7);
            for (int p = 0; p < JB_PREC_COUNT; p++)
                if (have & 1u << p) {
                    enum jb_precision all[3] = { (enum jb_precision)p, (enum jb_precision)p, (enum jb_precision)p };
                    walk(&r, all, seed + 100);
                }
            rig_close(&r);
        }
}

// Schedules that change width or end in f32. (After an f32 stage the oracle's doubles may round another way: the next test.)
static void test_integer_schedules(void **state)
{
    uint32_t masks[4], n = tiers(masks);
    (void)state;
    for (uint64_t seed = 1000; seed < 1000 + N_NETS / 3; seed++) {
        struct rig r;
        struct jb_rng rng;
        jb_rng_seed(&rng, seed);
        rig_open(&r, seed, false, masks[seed % n]);
        for (int i = 0; i < 4; i++) {
            enum jb_precision schedule[3];
            for (int k = 0; k < 3; k++)
                schedule[k] = jb_rng_below(&rng, 2) ? JB_PREC_INT8 : JB_PREC_INT4;
            walk(&r, schedule, seed + (uint64_t)i);
        }
        // integers first, then f32: the conversion is exact, what follows is real
        walk(&r, (enum jb_precision[3]){ JB_PREC_INT8, JB_PREC_F32, JB_PREC_F32 }, seed);
        rig_close(&r);
    }
}

// f32, then integers: the oracle takes over the session's own reals at the boundary, so that the rest is exact.
static void test_real_then_integer(void **state)
{
    uint32_t masks[4], n = tiers(masks), row = 0;
    int compared = 0;
    (void)state;
    for (uint64_t seed = 2000; seed < 2100; seed++) {
        struct rig r;
        rig_open(&r, seed, false, masks[seed % n]);
        const struct jb_model_info *info = jb_model_info(r.model);
        unsigned char *image = randnet_image(&r.net, seed);
        struct jb_head_row head;
        double want[16];
        enum jb_precision then = seed % 2 ? JB_PREC_INT8 : JB_PREC_INT4;
        uint32_t last = info->n_stages - 1;
        assert_int_equal(jb_session_begin(r.session, 0, &(struct jb_row_input){ .data = image }, 1, NULL), 0);
        assert_int_equal(jb_session_run_stage(r.session, 0, JB_PREC_F32, &row, 1, NULL), 0);
        if (last > 0 && info->stages[0].exit >= 0) {
            assert_int_equal(jb_session_run_head(r.session, 0, &row, 1, JB_WANT_HIDDEN, &head, NULL), 0);
            assert_int_equal(head.n_hidden, info->stages[0].output.h * info->stages[0].output.w * info->stages[0].output.c);
            oracle_begin(&r.oracle, image);
            oracle_stage(&r.oracle, 0, JB_PREC_F32);
            oracle_set_output(&r.oracle, 0, head.hidden);
            for (uint32_t k = 1; k <= last; k++) {
                assert_int_equal(jb_session_run_stage(r.session, k, then, &row, 1, NULL), 0);
                oracle_stage(&r.oracle, (int)k, then);
            }
            assert_int_equal(jb_session_run_head(r.session, last, &row, 1, JB_WANT_LOGITS | JB_WANT_TOP, &head, NULL), 0);
            oracle_head(&r.oracle, (int)last, then, want);
            compare(&r, (int)last, then, &head, want);
            compared++;
        }
        free(image);
        rig_close(&r);
    }
    assert_true(compared > 20);
}

// Eight rows with exits and mixed precisions give what each row gives alone.
static void test_rows(void **state)
{
    uint32_t masks[4], n_tiers = tiers(masks);
    (void)state;
    for (uint64_t seed = 3000; seed < 3040; seed++) {
        struct rig r;
        struct jb_rng rng;
        jb_rng_seed(&rng, seed);
        rig_open(&r, seed, false, masks[seed % n_tiers]);
        const struct jb_model_info *info = jb_model_info(r.model);
        unsigned char *images[8];
        struct jb_row_input in[8] = { 0 };
        enum jb_precision precision[8][3];
        uint32_t depth[8];
        float alone[8][16];
        for (uint32_t i = 0; i < 8; i++) {
            images[i] = randnet_image(&r.net, seed + i);
            in[i].data = images[i];
            depth[i] = 1 + (uint32_t)jb_rng_below(&rng, info->n_stages);
            while (info->stages[depth[i] - 1].exit < 0)
                depth[i]++;
            for (int k = 0; k < 3; k++)
                precision[i][k] = (enum jb_precision)jb_rng_below(&rng, JB_PREC_COUNT);
        }
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t row = 0;
            struct jb_head_row head;
            assert_int_equal(jb_session_begin(r.session, 0, &in[i], 1, NULL), 0);
            for (uint32_t k = 0; k < depth[i]; k++)
                assert_int_equal(jb_session_run_stage(r.session, k, precision[i][k], &row, 1, NULL), 0);
            assert_int_equal(jb_session_run_head(r.session, depth[i] - 1, &row, 1, JB_WANT_LOGITS, &head, NULL), 0);
            memcpy(alone[i], head.logits, head.n_logits * sizeof(float));
        }
        assert_int_equal(jb_session_begin(r.session, 0, in, 8, NULL), 0);
        for (uint32_t k = 0; k < info->n_stages; k++)
            for (int p = 0; p < JB_PREC_COUNT; p++) {
                uint32_t rows[8], stopping[8], n = 0, n_stopping = 0;
                struct jb_head_row head[8];
                for (uint32_t i = 0; i < 8; i++)
                    if (depth[i] > k && precision[i][k] == (enum jb_precision)p) {
                        rows[n++] = i;
                        if (depth[i] == k + 1)
                            stopping[n_stopping++] = i;
                    }
                assert_int_equal(jb_session_run_stage(r.session, k, (enum jb_precision)p, rows, n, NULL), 0);
                if (!n_stopping)
                    continue;
                assert_int_equal(jb_session_run_head(r.session, k, stopping, n_stopping, JB_WANT_LOGITS, head, NULL), 0);
                for (uint32_t i = 0; i < n_stopping; i++)
                    assert_memory_equal(head[i].logits, alone[stopping[i]], info->n_classes * sizeof(float));
            }
        for (uint32_t i = 0; i < 8; i++)
            free(images[i]);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions_occur), cmocka_unit_test(test_single_precision), cmocka_unit_test(test_integer_schedules), cmocka_unit_test(test_real_then_integer), cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
