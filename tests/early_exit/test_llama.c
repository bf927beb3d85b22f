// The same promises on a language model with exits: replays equal live runs, token by token and byte by byte, in every type, kind of K/V and number of threads.
// jb:threads
#include "tests/early_exit/unit.h"

#include <unistd.h>
#include "base/cpu.h"
#include "early_exit/sequence.h"
#include "early_exit/verify.h"
#include "runtime/synth.h"

#define QUERIES 2
#define STEPS 24
#define PROMPT 9
#define N (QUERIES * STEPS)

struct rig {
    char path[64], exits[64];
    struct jb_model *model;
    const struct jb_model_info *info;
    struct jb_schedule schedule;
    struct jb_clock clock;
    uint32_t text[QUERIES][PROMPT + STEPS];
};

static void rig_open(struct rig *r, const char *type, uint64_t seed)
{
    struct jb_synth_opts o;
    struct jb_kernels k;
    struct jb_err err = {0};
    memset(r, 0, sizeof *r);
    snprintf(r->path, sizeof r->path, "/tmp/jb_words_%d.gguf", (int)getpid());
    snprintf(r->exits, sizeof r->exits, "/tmp/jb_exits_%d.gguf", (int)getpid());
    jb_synth_defaults(&o);
    o.kind = "llama", o.type = type, o.layers = 6, o.vocab = 300, o.context = 128, o.seed = seed, o.width = 64;
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_synth_write(r->path, &o, &err) || jb_synth_write_exits(r->exits, r->path, (const uint32_t[]){2, 3, 5}, 3, seed, &err) ||
        jb_model_open(&r->model, r->path, &k, &(struct jb_model_opts){.exits_path = r->exits, .no_hash = true}, &err))
        fail_msg("%s", err.detail);
    r->info = jb_model_info(r->model);
    assert_int_equal(r->info->n_exits, 4);
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (r->info->precisions & 1u << p) assert_int_equal(jb_schedule_parse(&r->schedule, jb_precision_name(p), r->info->n_stages, NULL), 0);
    r->clock = jb_clock_monotonic();
    struct jb_rng rng;
    jb_rng_seed(&rng, seed);
    for (uint32_t i = 0; i < QUERIES; i++)
        for (uint32_t t = 0; t < PROMPT + STEPS; t++) r->text[i][t] = (uint32_t)jb_rng_below(&rng, 300);
}

static void rig_close(struct rig *r)
{
    jb_model_close(r->model);
    unlink(r->path);
    unlink(r->exits);
}

static struct jb_session *session_of(struct rig *r, uint32_t rows, uint32_t threads, enum jb_kv_kind kv)
{
    struct jb_session *s = NULL;
    struct jb_err err = {0};
    if (jb_session_open(&s, r->model, &(struct jb_session_opts){.max_rows = rows, .threads = threads, .kv = kv}, &err)) fail_msg("%s", err.detail);
    return s;
}

static struct jb_sequence_query query_at(const struct rig *r, uint32_t i)
{
    return (struct jb_sequence_query){.prompt = r->text[i], .n_prompt = PROMPT, .n_steps = STEPS, .target = r->text[i] + PROMPT, .forced = true, .want_logprob = true, .apart = true};
}

static void record(struct rig *r, struct jb_session *s, struct jb_recording *rec)
{
    struct jb_err err = {0};
    if (jb_recording_open(rec, r->model, &r->schedule, N, &err) || jb_recording_price(rec, s, &err)) fail_msg("%s", err.detail);
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct jb_sequence_query q = query_at(r, i);
        if (jb_recording_add_sequence(rec, s, &q, i * STEPS, i, &err)) fail_msg("%s", err.detail);
    }
}

static uint32_t compare(struct rig *r, struct jb_session *session, const struct jb_recording *rec, const struct jb_policy *p)
{
    struct jb_sequence *s;
    uint32_t early = 0;
    assert_int_equal(jb_sequence_open(&s, session, p, &r->schedule, STEPS, &r->clock, NULL), 0);
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct jb_sequence_query q = query_at(r, i);
        struct jb_sequence_result live;
        struct jb_query_result replayed[STEPS];
        struct jb_cost deferred;
        struct jb_err err = {0};
        uint32_t n = 0;
        if (jb_sequence_run(s, &q, &live, &err)) fail_msg("%s", err.detail);
        assert_int_equal(jb_recording_replay_group(rec, p, i * STEPS, replayed, &n, &deferred), 0);
        assert_int_equal(n, STEPS);
        for (uint32_t t = 0; t < STEPS; t++) {
            const struct jb_token_result *a = &live.tokens[t];
            const struct jb_query_result *b = &replayed[t];
            float confidence = b->confidence[b->n_reached - 1], logprob = jb_recording_logprob(rec, i * STEPS + t, b->exit);
            if (a->exit != b->exit || a->token != b->prediction || a->n_stages != b->n_stages) fail_msg("%s, query %u, answer %u: exit %u against %u", p->ops->name, i, t, a->exit, b->exit);
            assert_memory_equal(&a->confidence, &confidence, sizeof confidence);
            assert_memory_equal(&a->logprob, &logprob, sizeof logprob);
            if (memcmp(&a->cost, &b->cost, sizeof a->cost))
                fail_msg("%s, query %u, answer %u at exit %u: %llu bytes against %llu", p->ops->name, i, t, a->exit, (unsigned long long)jb_cost_bytes(&a->cost), (unsigned long long)jb_cost_bytes(&b->cost));
            early += a->exit + 1 < rec->n_exits;
        }
        assert_memory_equal(&live.deferred, &deferred, sizeof deferred);
    }
    jb_sequence_close(s);
    return early;
}

// Thresholds that split the samples: the median confidence at exit 1.
static double median(const struct jb_recording *rec, enum jb_measure m)
{
    double c[N];
    for (uint32_t i = 0; i < N; i++) c[i] = (double)jb_recording_confidence(rec, i, 1, m);
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++)
            if (c[j] < c[i]) { double t = c[i]; c[i] = c[j]; c[j] = t; }
    return c[N / 2];
}

static void replay_equals_live(void **state)
{
    (void)state;
    const struct { const char *type; enum jb_kv_kind kv; uint32_t rows, threads; } cases[] = {
        {"f32", JB_KV_F16, 16, 1}, {"q8_0", JB_KV_F16, 5, 2}, {"q4_1", JB_KV_INT8, 33, 1}, {"q4_0", JB_KV_F16, 1, 1}, {"f16", JB_KV_INT8, 7, 1},
    };
    for (size_t c = 0; c < N_ELEMENTS(cases); c++) {
        struct rig r;
        struct jb_recording rec;
        rig_open(&r, cases[c].type, c + 1);
        struct jb_session *session = session_of(&r, cases[c].rows, cases[c].threads, cases[c].kv);
        record(&r, session, &rec);
        const enum jb_measure measures[] = {JB_MEASURE_MAXPROB, JB_MEASURE_MARGIN, JB_MEASURE_ENTROPY, JB_MEASURE_GATE};
        for (size_t m = 0; m < N_ELEMENTS(measures); m++) {
            double t = median(&rec, measures[m]);
            struct jb_policy p = unit_threshold_policy(jb_measure_name(measures[m]), t, 4), never = unit_threshold_policy(jb_measure_name(measures[m]), JB_THRESHOLD_NEVER, 4);
            uint32_t early = compare(&r, session, &rec, &p);
            assert_true(early > 0 && compare(&r, session, &rec, &never) == 0);
        }
        struct jb_policy others[] = {unit_param_policy("final", NULL, 0, 4), unit_param_policy("fixed", "k", 1, 4), unit_param_policy("patience", "t", 1, 4)};
        for (size_t k = 0; k < N_ELEMENTS(others); k++) compare(&r, session, &rec, &others[k]);
        jb_recording_close(&rec);
        jb_session_close(session);
        rig_close(&r);
    }
}

// Single steps and batches, one thread and two: the same text, and passes with the bits of steps.
static void the_same_text_however_it_runs(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, "q4_1", 9);
    uint64_t digest = 0;
    struct jb_policy gate = unit_threshold_policy("gate", 0.5, 4);
    for (uint32_t rows = 1; rows <= 33; rows += 16)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            struct jb_session *session = session_of(&r, rows, threads, JB_KV_F16);
            struct jb_sequence *s;
            struct jb_sequence_result out;
            assert_int_equal(jb_sequence_open(&s, session, &gate, &r.schedule, 30, &r.clock, NULL), 0);
            assert_int_equal(jb_sequence_run(s, &(struct jb_sequence_query){.prompt = r.text[0], .n_prompt = 20, .n_steps = 30}, &out, NULL), 0);
            if (!digest) digest = out.digest;
            assert_true(out.digest == digest && out.n_tokens == 30);
            jb_sequence_close(s);
            if (rows >= 9) {
                struct jb_verify_point v[9];
                struct jb_verify_opts o = {.token = r.text[0], .n_context = 20, .max_m = 9, .rounds = 1, .clock = &r.clock};
                assert_int_equal(jb_verify_measure(session, &r.schedule, &o, v, NULL), 0);
                for (int i = 0; i < 9; i++) assert_true(v[i].identical);
            }
            jb_session_close(session);
        }
    rig_close(&r);
}

// Frozen fills change what later tokens read.
static void frozen_fills_show(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, "f32", 4);
    float logprob[2] = {0};
    for (int fill = 0; fill < JB_FILL_COUNT; fill++) {
        struct jb_session *session = NULL;
        struct jb_sequence *s;
        struct jb_sequence_result out;
        struct jb_policy p = unit_threshold_policy("gate", 0.5, 4);
        assert_int_equal(jb_session_open(&session, r.model, &(struct jb_session_opts){.max_rows = 16, .fill = (enum jb_fill)fill}, NULL), 0);
        assert_int_equal(jb_sequence_open(&s, session, &p, &r.schedule, STEPS, &r.clock, NULL), 0);
        struct jb_sequence_query q = query_at(&r, 0);
        assert_int_equal(jb_sequence_run(s, &q, &out, NULL), 0);
        uint32_t early = 0;
        for (uint32_t t = 0; t < STEPS; t++) {
            logprob[fill] += out.tokens[t].exit == 3 && early ? out.tokens[t].logprob : 0;
            early += out.tokens[t].exit < 3;
        }
        assert_true(early > 0 && early < STEPS);
        jb_sequence_close(s);
        jb_session_close(session);
    }
    assert_true(logprob[0] != logprob[1]);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replay_equals_live), cmocka_unit_test(the_same_text_however_it_runs), cmocka_unit_test(frozen_fills_show)};
    return cmocka_run_group_tests_name("llama", tests, NULL, NULL);
}
