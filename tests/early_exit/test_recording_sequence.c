// Recordings of sequences: every policy and threshold replayed on one full-depth pass equals a live, teacher-forced run, costs and late fills included.
#include "tests/early_exit/sequence_rig.h"

#define QUERIES 3
#define STEPS 16
#define PROMPT 4
#define N (QUERIES * STEPS)

static struct jb_sequence_query query_at(const struct seq_rig *r, uint32_t i)
{
    const uint32_t *begin = r->text + 5 * i;
    return (struct jb_sequence_query){.prompt = begin, .n_prompt = PROMPT + i, .n_steps = STEPS, .target = begin + PROMPT + i, .forced = true, .want_logprob = true, .apart = true};
}

static void record(struct seq_rig *r, struct jb_session *s, struct jb_recording *rec)
{
    struct jb_err err = {0};
    if (jb_recording_open(rec, r->model, &r->schedule, N, &err) || jb_recording_price(rec, s, &err)) fail_msg("%s", err.detail);
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct jb_sequence_query q = query_at(r, i);
        if (jb_recording_add_sequence(rec, s, &q, i * STEPS, 10 + i, &err)) fail_msg("%s", err.detail);
    }
}

// Returns how many answers came early.
static uint32_t compare(struct seq_rig *r, struct jb_session *session, const struct jb_recording *rec, const struct jb_policy *p)
{
    struct jb_sequence *s;
    uint32_t early = 0;
    assert_int_equal(jb_sequence_open(&s, session, p, &r->schedule, STEPS, &r->clock, NULL), 0);
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct jb_sequence_query q = query_at(r, i);
        struct jb_sequence_result live;
        struct jb_query_result replayed[STEPS];
        struct jb_cost deferred;
        uint32_t n = 0;
        assert_int_equal(jb_sequence_run(s, &q, &live, NULL), 0);
        assert_int_equal(jb_recording_replay_group(rec, p, i * STEPS, replayed, &n, &deferred), 0);
        assert_int_equal(n, STEPS);
        for (uint32_t t = 0; t < STEPS; t++) {
            const struct jb_token_result *a = &live.tokens[t];
            const struct jb_query_result *b = &replayed[t];
            float confidence = b->confidence[b->n_reached - 1], logprob = jb_recording_logprob(rec, i * STEPS + t, b->exit);
            if (a->exit != b->exit || a->token != b->prediction || a->n_stages != b->n_stages) fail_msg("%s, query %u, answer %u: exit %u against %u", p->ops->name, i, t, a->exit, b->exit);
            assert_memory_equal(&a->confidence, &confidence, sizeof confidence);
            assert_memory_equal(&a->logprob, &logprob, sizeof logprob);
            assert_memory_equal(&a->cost, &b->cost, sizeof a->cost);
            early += a->exit + 1 < RIG_STAGES;
        }
        assert_memory_equal(&live.deferred, &deferred, sizeof deferred);
    }
    jb_sequence_close(s);
    return early;
}

static void replay_equals_live(void **state)
{
    (void)state;
    uint32_t early = 0, runs = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct seq_rig r;
        struct jb_recording rec;
        seq_rig_open(&r, seed);
        assert_int_equal(jb_schedule_parse(&r.schedule, seed % 2 ? "f32" : "int8", RIG_STAGES, NULL), 0);
        struct jb_session *session = seq_rig_session(&r, 7, 0);
        record(&r, session, &rec);
        const char *const names[] = {"maxprob", "margin", "entropy", "gate"};
        for (size_t m = 0; m < N_ELEMENTS(names); m++)
            for (double t = 0; t <= 1.01; t += 0.2, runs++) {
                struct jb_policy p = unit_threshold_policy(names[m], t < 1 ? t : 1, RIG_STAGES);
                early += compare(&r, session, &rec, &p);
            }
        for (uint32_t k = 0; k < RIG_STAGES; k++) {
            struct jb_policy fixed = unit_param_policy("fixed", "k", k, RIG_STAGES), patience = unit_param_policy("patience", "t", k + 1, RIG_STAGES);
            compare(&r, session, &rec, &fixed);
            compare(&r, session, &rec, &patience);
        }
        struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES);
        assert_int_equal(compare(&r, session, &rec, &final), 0);
        jb_recording_close(&rec);
        jb_session_close(session);
        seq_rig_close(&r);
    }
    assert_true(early > runs && early < runs * N);
}

// More holes than a batch of late work takes: 80 answers in a row that stop at once, then one that goes deep.
static void long_fills(void **state)
{
    (void)state;
    struct seq_rig r;
    struct jb_recording rec;
    enum { LONG = 150 };
    static uint32_t text[LONG + 2];
    uint32_t batches = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        seq_rig_open(&r, seed);
        struct jb_session *session = seq_rig_session(&r, 2, 0);
        struct jb_policy gate = unit_threshold_policy("gate", 0.012, RIG_STAGES);
        struct jb_sequence *s;
        struct jb_sequence_result live;
        struct jb_query_result replayed[LONG];
        struct jb_cost deferred;
        struct jb_rng rng;
        uint32_t n, run = 0;
        jb_rng_seed(&rng, seed);
        for (uint32_t i = 0; i < LONG + 2; i++) text[i] = (uint32_t)jb_rng_below(&rng, RIG_VOCAB);
        struct jb_sequence_query q = {.prompt = text, .n_prompt = 2, .n_steps = LONG, .target = text + 2, .forced = true, .apart = true};
        assert_int_equal(jb_recording_open(&rec, r.model, &r.schedule, LONG, NULL), 0);
        assert_int_equal(jb_recording_price(&rec, session, NULL), 0);
        assert_int_equal(jb_recording_add_sequence(&rec, session, &q, 0, 0, NULL), 0);
        assert_int_equal(jb_sequence_open(&s, session, &gate, &r.schedule, LONG, &r.clock, NULL), 0);
        assert_int_equal(jb_sequence_run(s, &q, &live, NULL), 0);
        assert_int_equal(jb_recording_replay_group(&rec, &gate, 0, replayed, &n, &deferred), 0);
        for (uint32_t t = 0; t < LONG; t++) {
            assert_memory_equal(&live.tokens[t].cost, &replayed[t].cost, sizeof deferred);
            batches += run > 64 && live.tokens[t].exit > 0;
            run = live.tokens[t].exit > 0 ? 0 : run + 1;
        }
        assert_memory_equal(&live.deferred, &deferred, sizeof deferred);
        jb_recording_close(&rec);
        jb_sequence_close(s);
        jb_session_close(session);
        seq_rig_close(&r);
    }
    assert_true(batches > 5);
}

static void what_is_kept(void **state)
{
    (void)state;
    struct seq_rig r;
    struct jb_recording rec;
    seq_rig_open(&r, 11);
    struct jb_session *session = seq_rig_session(&r, 8, 0);
    record(&r, session, &rec);
    assert_null(jb_recording_logits(&rec, 0, 0));
    assert_true(isnan(jb_fit_temperature(&rec, 0)));
    for (uint32_t i = 0; i < N; i++) {
        struct jb_sequence_query q = query_at(&r, i / STEPS);
        assert_int_equal(rec.label[i], q.target[i % STEPS]);
        assert_int_equal(rec.group[i], 10 + i / STEPS);
        assert_int_equal(rec.position[i], q.n_prompt - 1 + i % STEPS);
    }
    uint32_t label = rec.label[3];
    float logprob = jb_recording_logprob(&rec, 3, 1);
    struct jb_overthinking o = jb_recording_overthinking(&rec);
    assert_true(o.wasteful >= 0 && o.wasteful <= 1);
    jb_recording_label_by_agreement(&rec);
    assert_true(rec.agreement);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(rec.label[i], jb_recording_prediction(&rec, i, RIG_STAGES - 1));
    assert_true(jb_recording_logprob(&rec, 3, 1) == logprob && rec.label[3] != label); // the text's token, still
    assert_true(jb_recording_overthinking(&rec).destructive == 0); // the end is always right
    jb_recording_close(&rec);
    jb_session_close(session);
    seq_rig_close(&r);
}

// Loss is 1 - agreement; a target of 0 must find thresholds that change no answer, a target of 1 the cheapest exits.
static void calibrates_by_agreement(void **state)
{
    (void)state;
    struct seq_rig r;
    struct jb_recording rec;
    seq_rig_open(&r, 12);
    struct jb_session *session = seq_rig_session(&r, 8, 0);
    record(&r, session, &rec);
    jb_recording_label_by_agreement(&rec);
    const char *const names[] = {"gate", "maxprob"};
    for (size_t m = 0; m < N_ELEMENTS(names); m++) {
        struct jb_calibrated strict, loose;
        assert_int_equal(jb_calibrate(&strict, &rec, names[m], 0, false, NULL), 0);
        assert_int_equal(jb_calibrate(&loose, &rec, names[m], 1, false, NULL), 0);
        assert_true(strict.agreement && loose.agreement);
        assert_true(strict.accuracy == 1 && strict.loss_observed == 0);
        assert_true(fabs(loose.loss_observed + loose.accuracy - 1) < 1e-12 && loose.accuracy < 1);
        struct jb_policy p = {.ops = jb_policy_find(names[m])};
        memcpy(p.threshold, loose.threshold, sizeof p.threshold);
        for (uint32_t i = 0; i < N; i++) {
            struct jb_query_result q;
            assert_int_equal(jb_recording_replay(&rec, &p, i, &q), 0);
            assert_int_equal(q.exit, 0);
        }
        // Through the file.
        struct jb_thresholds t = {.split = "calibration", .n = N, .entries = &loose, .n_entries = 1}, back;
        struct jb_err err = {0};
        memset(t.model_sha256, 'a', 64);
        memset(t.split_sha256, 'b', 64);
        char path[64];
        snprintf(path, sizeof path, "/tmp/jb_agree_%d.json", (int)getpid());
        assert_int_equal(jb_thresholds_write(&t, path, &err), 0);
        if (jb_thresholds_read(&back, path, &err)) fail_msg("%s", err.detail);
        assert_true(back.entries[0].agreement);
        jb_thresholds_close(&back);
        unlink(path);
    }
    jb_recording_close(&rec);
    jb_session_close(session);
    seq_rig_close(&r);
}

static void refuses(void **state)
{
    (void)state;
    struct seq_rig r;
    struct jb_recording rec;
    struct jb_err err = {0};
    seq_rig_open(&r, 13);
    struct jb_session *session = seq_rig_session(&r, 8, 0), *frozen = NULL, *tight = seq_rig_session(&r, 8, 10), *single = seq_rig_session(&r, 2, 1);
    assert_int_equal(jb_session_open(&frozen, r.model, &(struct jb_session_opts){.max_rows = 8, .fill = JB_FILL_FROZEN}, NULL), 0);
    struct jb_sequence_query q = query_at(&r, 0), prompt_only = q, empty = q;
    prompt_only.target = NULL;
    empty.n_prompt = 0;
    assert_int_equal(jb_recording_open(&rec, r.model, &r.schedule, N, &err), 0);
    assert_int_equal(jb_recording_add_sequence(&rec, frozen, &q, 0, 0, &err), JB_E_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "frozen"));
    assert_int_equal(jb_recording_price(&rec, frozen, &err), JB_E_UNSUPPORTED);
    assert_int_equal(jb_recording_price(&rec, single, &err), 0);
    assert_int_equal(jb_recording_add_sequence(&rec, tight, &q, 0, 0, &err), JB_E_RANGE);
    assert_int_equal(jb_recording_add_sequence(&rec, session, &q, N - STEPS + 1, 0, &err), JB_E_RANGE);
    assert_int_equal(jb_recording_add_sequence(&rec, session, &q, UINT32_MAX, 0, &err), JB_E_RANGE);
    assert_int_equal(jb_recording_add_sequence(&rec, session, &prompt_only, 0, 0, &err), JB_E_INVALID);
    assert_int_equal(jb_recording_add_sequence(&rec, session, &empty, 0, 0, &err), JB_E_INVALID);
    assert_int_equal(jb_recording_add(&rec, session, 0, NULL, 0), JB_E_UNSUPPORTED);
    jb_recording_close(&rec);
    struct jb_schedule mixed;
    assert_int_equal(jb_schedule_parse(&mixed, "int8,f32", RIG_STAGES, NULL), 0);
    assert_int_equal(jb_recording_open(&rec, r.model, &mixed, N, &err), 0);
    assert_int_equal(jb_recording_add_sequence(&rec, session, &q, 0, 0, &err), JB_E_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "one precision"));
    jb_recording_close(&rec);
    jb_session_close(session);
    jb_session_close(frozen);
    jb_session_close(tight);
    jb_session_close(single);
    seq_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replay_equals_live), cmocka_unit_test(long_fills), cmocka_unit_test(what_is_kept), cmocka_unit_test(calibrates_by_agreement), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests_name("recording_sequence", tests, NULL, NULL);
}
