// One query of a sequence model: against a plain loop over the session, however the prompt is cut, and at its ends.
#include "tests/early_exit/sequence_rig.h"

#include <malloc.h>
#include "early_exit/verify.h"

static struct jb_sequence *open_with(struct seq_rig *r, struct jb_session *s, const struct jb_policy *p)
{
    struct jb_sequence *q = NULL;
    struct jb_err err = {0};
    if (jb_sequence_open(&q, s, p, &r->schedule, 40, &r->clock, &err)) fail_msg("%s", err.detail);
    return q;
}

static struct jb_sequence_result run(struct jb_sequence *s, const struct jb_sequence_query *q)
{
    struct jb_sequence_result out;
    struct jb_err err = {0};
    if (jb_sequence_run(s, q, &out, &err)) fail_msg("%s", err.detail);
    return out;
}

// The full model, a position at a time, by the calls of the stage interface alone.
static void plain_greedy(struct seq_rig *r, const uint32_t *prompt, uint32_t n_prompt, uint32_t n, uint32_t *answer, float *logits)
{
    struct jb_session *s = seq_rig_session(r, 1, 0);
    const uint32_t only = 0;
    for (uint32_t i = 0; i < n_prompt + n - 1; i++) {
        struct jb_row_input row = {.token = i < n_prompt ? prompt[i] : answer[i - n_prompt]};
        struct jb_head_row head;
        assert_int_equal(jb_session_begin(s, 0, &row, 1, NULL), 0);
        for (uint32_t k = 0; k < RIG_STAGES; k++) assert_int_equal(jb_session_run_stage(s, k, JB_PREC_F32, &only, 1, NULL), 0);
        if (i + 1 < n_prompt) continue;
        assert_int_equal(jb_session_run_head(s, RIG_STAGES - 1, &only, 1, JB_WANT_LOGITS, &head, NULL), 0);
        answer[i + 1 - n_prompt] = jb_argmax(head.logits, head.n_logits);
        if (logits) memcpy(logits + (size_t)(i + 1 - n_prompt) * RIG_VOCAB, head.logits, RIG_VOCAB * sizeof *logits);
    }
    jb_session_close(s);
}

static double plain_logprob(const float *z, uint32_t token)
{
    double sum = 0;
    for (uint32_t c = 0; c < RIG_VOCAB; c++) sum += exp((double)z[c] - z[token]);
    return -log(sum);
}

static void greedy_is_the_full_models_text(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 3);
    uint32_t want[20];
    float logits[20 * RIG_VOCAB];
    plain_greedy(&r, r.text, 7, 20, want, logits);
    struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES);
    struct jb_cost prompt = {0}, steps = {0};
    for (uint32_t rows = 1; rows <= 9; rows++) { // however the prompt is cut into batches
        struct jb_session *session = seq_rig_session(&r, rows, 0);
        struct jb_sequence *s = open_with(&r, session, &final);
        struct jb_sequence_result out = run(s, &(struct jb_sequence_query){.prompt = r.text, .n_prompt = 7, .n_steps = 20, .want_logprob = true});
        uint64_t digest = JB_TOKEN_DIGEST;
        assert_int_equal(out.n_tokens, 20);
        assert_int_equal(out.end, JB_END_STEPS);
        assert_int_equal(out.n_positions, 26);
        assert_int_equal(out.by_exit[RIG_STAGES - 1], 20);
        assert_int_equal(jb_cost_macs(&out.deferred), 0);
        for (uint32_t t = 0; t < 20; t++) {
            assert_int_equal(out.tokens[t].token, want[t]);
            assert_int_equal(out.tokens[t].n_stages, RIG_STAGES);
            assert_true(isnan(out.tokens[t].confidence));
            assert_true(fabs(out.tokens[t].logprob - plain_logprob(logits + (size_t)t * RIG_VOCAB, want[t])) < 1e-5 * (1 + fabs((double)out.tokens[t].logprob)));
            assert_true(t == 0 || out.tokens[t].at_ns > out.tokens[t - 1].at_ns);
            digest = jb_token_digest(digest, want[t]);
        }
        assert_true(out.digest == digest && out.ttft_ns == out.tokens[0].at_ns && out.total_ns > out.tokens[19].at_ns);
        if (rows == 1) prompt = out.prompt, steps = out.steps;
        assert_memory_equal(&out.prompt, &prompt, sizeof prompt);
        assert_memory_equal(&out.steps, &steps, sizeof steps);
        jb_sequence_close(s);
        jb_session_close(session);
    }
    assert_true(jb_cost_macs(&prompt) > 0 && jb_cost_macs(&steps) > jb_cost_macs(&prompt));
    seq_rig_close(&r);
}

// Exits change what is answered, not what a full-depth answer is: with exact fills the states are those of a decoder without exits.
static void exits_leave_no_trace_when_forced(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 4);
    struct jb_session *session = seq_rig_session(&r, 4, 0);
    struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES), gate = unit_threshold_policy("gate", 0.6, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &final);
    struct jb_sequence_query q = {.prompt = r.text, .n_prompt = 5, .n_steps = 30, .target = r.text + 5, .forced = true, .want_logprob = true};
    struct jb_token_result full[30];
    memcpy(full, run(s, &q).tokens, sizeof full);
    jb_sequence_set(s, &gate, &r.schedule);
    struct jb_sequence_result out = run(s, &q);
    uint32_t deep = 0;
    for (uint32_t t = 0; t < 30; t++) {
        assert_int_equal(out.tokens[t].n_stages, out.tokens[t].exit + 1);
        if (out.tokens[t].exit < RIG_STAGES - 1) {
            assert_true(out.tokens[t].confidence >= 0.6f);
            continue;
        }
        deep++;
        assert_int_equal(out.tokens[t].token, full[t].token);
        assert_true(out.tokens[t].logprob == full[t].logprob);
    }
    assert_true(deep > 0 && deep < 30);
    assert_true(jb_cost_macs(&out.deferred) > 0);
    struct jb_cost without = out.deferred;
    q.settle = true;
    out = run(s, &q);
    assert_true(jb_cost_macs(&out.deferred) >= jb_cost_macs(&without));
    jb_sequence_close(s);
    jb_session_close(session);
    seq_rig_close(&r);
}

// A gate is asked before the vocabulary head: rows that go on pay for the gate alone (which this family gives away).
static void gates_spare_the_head(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 5);
    struct jb_session *session = seq_rig_session(&r, 4, 0);
    struct jb_policy gate = unit_threshold_policy("gate", JB_THRESHOLD_NEVER, RIG_STAGES), softmax = unit_threshold_policy("maxprob", JB_THRESHOLD_NEVER, RIG_STAGES),
                     final = unit_param_policy("final", NULL, 0, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &gate);
    struct jb_sequence_query q = {.prompt = r.text, .n_prompt = 1, .n_steps = 1};
    uint64_t head = jb_cost_macs(&r.info->stages[0].head_cost[JB_PREC_F32]), with_gate = jb_cost_macs(&(struct jb_cost){0}), with_softmax, full;
    struct jb_cost c = run(s, &q).steps;
    with_gate = jb_cost_macs(&c);
    jb_sequence_set(s, &softmax, &r.schedule);
    c = run(s, &q).steps;
    with_softmax = jb_cost_macs(&c);
    jb_sequence_set(s, &final, &r.schedule);
    c = run(s, &q).steps;
    full = jb_cost_macs(&c);
    assert_true(with_gate == full);
    assert_true(with_softmax == full + (RIG_STAGES - 1) * head);
    jb_sequence_close(s);
    jb_session_close(session);
    seq_rig_close(&r);
}

struct stream { uint32_t n; uint32_t token[40]; volatile int cancel; uint32_t cancel_at; };

static void on_token(void *user, uint32_t i, const struct jb_token_result *t)
{
    struct stream *s = user;
    assert_int_equal(i, s->n);
    s->token[s->n++] = t->token;
    if (s->n == s->cancel_at) s->cancel = 1;
}

static void queries_end(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 6);
    struct jb_session *session = seq_rig_session(&r, 4, 16);
    struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &final);
    struct stream stream = {0};
    struct jb_sequence_query q = {.prompt = r.text, .n_prompt = 6, .n_steps = 40, .on_token = on_token, .user = &stream};
    struct jb_sequence_result out = run(s, &q);
    uint32_t all[40];
    assert_int_equal(out.end, JB_END_CONTEXT); // 16 positions: 6 of the prompt, 10 answers read, the 11th not
    assert_int_equal(out.n_tokens, 11);
    assert_int_equal(out.n_positions, 16);
    assert_int_equal(stream.n, 11);
    for (uint32_t t = 0; t < 11; t++) all[t] = out.tokens[t].token;
    assert_memory_equal(stream.token, all, 11 * sizeof *all);

    uint32_t first = 0; // where the fifth answer stands first
    while (all[first] != all[4]) first++;
    q.stop = &all[4];
    q.n_stop = 1;
    stream.n = 0;
    out = run(s, &q);
    assert_int_equal(out.end, JB_END_STOP);
    assert_int_equal(out.n_tokens, first + 1);

    q.n_stop = 0;
    stream = (struct stream){.cancel_at = 3};
    q.cancel = &stream.cancel;
    out = run(s, &q);
    assert_int_equal(out.end, JB_END_CANCELLED);
    assert_int_equal(out.n_tokens, 3);
    stream.n = 0; // and before the first: the flag is still set
    out = run(s, &q);
    assert_int_equal(out.end, JB_END_CANCELLED);
    assert_int_equal(out.n_tokens, 0);
    assert_int_equal(out.n_positions, 0);
    q.cancel = NULL; // nothing of this is left in the session
    assert_int_equal(run(s, &q).n_tokens, 11);
    jb_sequence_close(s);
    jb_session_close(session);
    seq_rig_close(&r);
}

static void drawing(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 7);
    struct jb_session *session = seq_rig_session(&r, 4, 0);
    struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &final);
    struct jb_sequence_query q = {.prompt = r.text, .n_prompt = 3, .n_steps = 30, .temperature = 40, .seed = 1};
    uint64_t a = run(s, &q).digest, b = run(s, &q).digest;
    assert_true(a == b);
    q.seed = 2;
    assert_true(run(s, &q).digest != a);
    q.temperature = 0;
    b = run(s, &q).digest;
    q.temperature = 1e-6; // as good as greedy
    assert_true(run(s, &q).digest == b);

    struct jb_rng rng; // p = 1/4, 3/4; the NaN never
    const float z[3] = {0, NAN, 1.0986123f};
    uint32_t n[3] = {0};
    jb_rng_seed(&rng, 1);
    for (int i = 0; i < 10000; i++) n[jb_draw(z, 3, 1, &rng)]++;
    assert_int_equal(n[1], 0);
    assert_in_range(n[0], 2300, 2700);
    const float bad[2] = {NAN, NAN};
    assert_int_equal(jb_draw(bad, 2, 1, &rng), 0);
    jb_sequence_close(s);
    jb_session_close(session);
    seq_rig_close(&r);
}

struct wrong { struct jb_sequence_query q; int code; const char *says; };

static void wrong_queries(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 8);
    struct jb_session *session = seq_rig_session(&r, 4, 16);
    struct jb_policy final = unit_param_policy("final", NULL, 0, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &final);
    const uint32_t none[2] = {1, RIG_VOCAB};
    const struct wrong cases[] = {
        {{.prompt = r.text, .n_prompt = 0, .n_steps = 1}, JB_E_INVALID, "empty prompt"},
        {{.prompt = r.text, .n_prompt = 17, .n_steps = 1}, JB_E_RANGE, "17 tokens is longer than the context of 16"},
        {{.prompt = r.text, .n_prompt = 8, .n_steps = 10, .target = r.text, .forced = true}, JB_E_RANGE, "17 tokens"},
        {{.prompt = r.text, .n_prompt = 8, .n_steps = 0}, JB_E_RANGE, "0 answers"},
        {{.prompt = r.text, .n_prompt = 8, .n_steps = 41}, JB_E_RANGE, "41 answers"},
        {{.prompt = r.text, .n_prompt = 8, .n_steps = 2, .forced = true}, JB_E_INVALID, "without targets"},
        {{.prompt = none, .n_prompt = 2, .n_steps = 2}, JB_E_RANGE, "prompt token 1 is 24"},
        {{.prompt = r.text, .n_prompt = 2, .n_steps = 2, .target = none, .forced = true}, JB_E_RANGE, "target token 1"},
        {{.prompt = r.text, .n_prompt = 2, .n_steps = 2, .target = r.text, .temperature = 1}, JB_E_INVALID, "not drawn"},
        {{.prompt = r.text, .n_prompt = 2, .n_steps = 2, .temperature = NAN}, JB_E_RANGE, "temperature"},
        {{.prompt = r.text, .n_prompt = 2, .n_steps = 2, .sequence = 4}, JB_E_RANGE, "sequence"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_sequence_result out;
        struct jb_err err = {0};
        int rc = jb_sequence_run(s, &cases[i].q, &out, &err);
        if (rc != cases[i].code || !strstr(err.detail, cases[i].says)) fail_msg("case %zu: %d, \"%s\"", i, rc, err.detail);
    }
    assert_int_equal(run(s, &(struct jb_sequence_query){.prompt = r.text, .n_prompt = 16, .n_steps = 1}).n_tokens, 1); // just fits
    jb_sequence_close(s);
    jb_sequence_close(NULL);

    struct jb_err err = {0};
    assert_int_equal(jb_sequence_open(&s, session, &final, &r.schedule, 0, &r.clock, &err), JB_E_RANGE);
    jb_session_close(session);
    seq_rig_close(&r);
}

static void queries_allocate_nothing(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 9);
    struct jb_session *session = seq_rig_session(&r, 4, 0);
    struct jb_policy p = unit_threshold_policy("margin", 0.3, RIG_STAGES);
    struct jb_sequence *s = open_with(&r, session, &p);
    struct jb_sequence_query q = {.prompt = r.text, .n_prompt = 9, .n_steps = 20, .want_logprob = true, .settle = true};
    assert_true(jb_sequence_bytes(s) > 40 * sizeof(struct jb_token_result));
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 20; i++) run(s, &q);
    struct mallinfo2 after = mallinfo2();
    assert_true(before.uordblks == after.uordblks && before.hblkhd == after.hblkhd);
    jb_sequence_close(s);
    jb_session_close(session);
    seq_rig_close(&r);
}

struct seen { uint32_t n; float logits[RIG_POSITIONS][RIG_VOCAB]; uint32_t position[RIG_POSITIONS]; int fail_at; };

static int on_head(void *user, uint32_t position, uint32_t exit, const struct jb_head_row *head)
{
    struct seen *s = user;
    if (exit + 1 < RIG_STAGES) return 0;
    if (s->fail_at && (int)s->n == s->fail_at) return JB_E_NO_SPACE;
    s->position[s->n] = position;
    memcpy(s->logits[s->n++], head->logits, sizeof s->logits[0]);
    return 0;
}

// m positions in one pass give the logits of m single steps, bit for bit.
static void passes_equal_steps(void **state)
{
    (void)state;
    struct seq_rig r;
    static struct seen one, many;
    seq_rig_open(&r, 10);
    struct jb_session *session = seq_rig_session(&r, 16, 0);
    struct jb_score q = {.token = r.text, .n = 40, .first = 3, .want = JB_WANT_LOGITS, .batch = 1, .fn = on_head, .user = &one};
    struct jb_cost cost_one = {0}, cost_many = {0};
    struct jb_err err = {0};
    memset(&one, 0, sizeof one);
    assert_int_equal(jb_score_run(session, &r.schedule, &q, &cost_one, &err), 0);
    assert_int_equal(one.n, 37);
    for (uint32_t m = 2; m <= 16; m++) {
        memset(&many, 0, sizeof many);
        memset(&cost_many, 0, sizeof cost_many);
        q.batch = m;
        q.user = &many;
        q.every_exit = m % 2;
        assert_int_equal(jb_score_run(session, &r.schedule, &q, &cost_many, &err), 0);
        assert_int_equal(many.n, 37);
        assert_memory_equal(many.position, one.position, sizeof one.position);
        assert_memory_equal(many.logits, one.logits, sizeof one.logits);
        if (!q.every_exit) assert_memory_equal(&cost_one, &cost_many, sizeof cost_one);
    }
    many.n = 0;
    many.fail_at = 5;
    assert_int_equal(jb_score_run(session, &r.schedule, &q, NULL, &err), JB_E_NO_SPACE);
    q.n = 0;
    assert_int_equal(jb_score_run(session, &r.schedule, &q, NULL, &err), JB_E_INVALID);
    q.n = RIG_POSITIONS + 1;
    assert_int_equal(jb_score_run(session, &r.schedule, &q, NULL, &err), JB_E_RANGE);
    struct jb_schedule escalate;
    assert_int_equal(jb_schedule_parse(&escalate, "escalate:int4>int8", RIG_STAGES, NULL), 0);
    q.n = 5;
    assert_int_equal(jb_score_run(session, &escalate, &q, NULL, &err), JB_E_UNSUPPORTED);
    const volatile int cancel = 1;
    q.cancel = &cancel;
    assert_int_equal(jb_score_run(session, &r.schedule, &q, NULL, &err), JB_E_INTERRUPTED);
    jb_session_close(session);
    seq_rig_close(&r);
}

static void logprobs(void **state)
{
    (void)state;
    static float z[50000];
    struct jb_rng rng;
    jb_rng_seed(&rng, 2);
    double sum = 0;
    for (uint32_t i = 0; i < 50000; i++) z[i] = (float)(4 * jb_rng_normal(&rng));
    for (uint32_t i = 0; i < 50000; i++) sum += exp((double)z[i]);
    for (uint32_t i = 0; i < 50000; i += 999) assert_true(fabs(jb_logprob(z, 50000, i) - ((double)z[i] - log(sum))) < 1e-6);
    assert_true(isnan(jb_logprob(z, 50000, 50000)));
    z[77] = NAN;
    assert_true(isnan(jb_logprob(z, 50000, 1)));
}

static void verifying(void **state)
{
    (void)state;
    struct seq_rig r;
    seq_rig_open(&r, 14);
    struct jb_session *session = seq_rig_session(&r, 16, 0);
    struct jb_verify_point v[16];
    struct jb_verify_opts o = {.token = r.text, .n_context = 40, .max_m = 16, .rounds = 3, .clock = &r.clock};
    struct jb_err err = {0};
    if (jb_verify_measure(session, &r.schedule, &o, v, &err)) fail_msg("%s", err.detail);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(v[i].m, i + 1);
        assert_true(v[i].identical);
        assert_true(v[i].v == 1.0 && v[i].median_ns == 10 && v[i].least_ns == 10); // of the fake clock
        assert_true(i == 0 || jb_cost_macs(&v[i].cost) > jb_cost_macs(&v[i - 1].cost));
    }
    struct jb_row_input row = {.token = 1};
    struct jb_cost none;
    assert_int_equal(jb_session_begin(session, 0, &row, 1, NULL), 0); // the sequence was forgotten
    assert_int_equal(jb_session_deferred(session, 0, 0, &none), 0);
    assert_int_equal(jb_session_deferred(session, 0, 1, &none), JB_E_RANGE);
    assert_int_equal(jb_session_reset(session, 0), 0);
    const struct { uint32_t context, m, rounds; } wrong[] = {{0, 1, 1}, {RIG_POSITIONS - 15, 16, 1}, {4, 17, 1}, {4, 0, 1}, {4, 4, 0}};
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        o.n_context = wrong[i].context, o.max_m = wrong[i].m, o.rounds = wrong[i].rounds;
        assert_int_equal(jb_verify_measure(session, &r.schedule, &o, v, &err), JB_E_RANGE);
    }
    jb_session_close(session);
    seq_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_is_the_full_models_text), cmocka_unit_test(exits_leave_no_trace_when_forced), cmocka_unit_test(gates_spare_the_head),
        cmocka_unit_test(queries_end), cmocka_unit_test(drawing), cmocka_unit_test(wrong_queries), cmocka_unit_test(queries_allocate_nothing),
        cmocka_unit_test(passes_equal_steps), cmocka_unit_test(logprobs), cmocka_unit_test(verifying),
    };
    return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
