// The loop on a fake session that checks how it is called, and the equality of live runs and replays.
#include "tests/early_exit/unit.h"

#include "early_exit/adaptive.h"

// ---- The fake. It stands in for the whole session, so the real one is not linked.
#define MAX_ROWS 32
#define CLASSES 6

struct jb_model { struct jb_model_info info; };
struct jb_session {
    const struct jb_model *model;
    uint32_t n_rows, next_stage[MAX_ROWS], head_ready[MAX_ROWS]; // head_ready: stage + 1 whose head may run
    uint64_t path[MAX_ROWS];                                     // sample and precisions so far: logits depend on both
    float logits[MAX_ROWS][CLASSES];
    struct jb_top top[MAX_ROWS][CLASSES];
    uint32_t n_stage_calls, n_stage_rows, n_head_calls, n_head_rows, n_gate_rows, last_want;
    int fail_at; // stage whose run fails; -1: none
};

const struct jb_model_info *jb_model_info(const struct jb_model *m) { return &m->info; }
const struct jb_model *jb_session_model(const struct jb_session *s) { return s->model; }

static void poison(struct jb_session *s)
{
    for (uint32_t i = 0; i < MAX_ROWS; i++)
        for (uint32_t c = 0; c < CLASSES; c++) {
            s->logits[i][c] = NAN;
            s->top[i][c] = (struct jb_top){-1, NAN};
        }
}

int jb_session_begin(struct jb_session *s, uint32_t part, const struct jb_row_input *rows, uint32_t n_rows, struct jb_err *err)
{
    (void)err;
    assert_int_equal(part, 0);
    assert_true(n_rows <= MAX_ROWS);
    poison(s);
    s->n_rows = n_rows;
    for (uint32_t i = 0; i < n_rows; i++) {
        s->next_stage[i] = s->head_ready[i] = 0;
        s->path[i] = *(const uint32_t *)rows[i].data;
    }
    return 0;
}

int jb_session_run_stage(struct jb_session *s, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost)
{
    poison(s);
    assert_true(n > 0);
    s->n_stage_calls++;
    s->n_stage_rows += n;
    if (s->fail_at == (int)stage) return JB_E_INTERNAL;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(i == 0 || rows[i] > rows[i - 1]);
        assert_int_equal(s->next_stage[rows[i]], stage);
        s->next_stage[rows[i]] = s->head_ready[rows[i]] = stage + 1;
        s->path[rows[i]] = s->path[rows[i]] * 31 + 7 * stage + p;
        if (cost) jb_cost_add(&cost[i], &s->model->info.stages[stage].cost[p]);
        s->path[rows[i]] |= (uint64_t)(p + 1) << 60; // precision of the boundary value, read by the head's cost
    }
    return 0;
}

int jb_session_run_head(struct jb_session *s, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost)
{
    poison(s);
    s->n_head_calls++;
    s->n_head_rows += n;
    s->last_want = want;
    if (want == JB_WANT_GATE) s->n_gate_rows += n;
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(s->head_ready[rows[i]], stage + 1);
        uint64_t path = s->path[rows[i]] & ~(7ull << 60);
        struct jb_rng rng;
        jb_rng_seed(&rng, path);
        uint32_t best = 0;
        for (uint32_t c = 0; c < CLASSES; c++) s->logits[i][c] = (float)(2.0 * jb_rng_normal(&rng));
        for (uint32_t c = 1; c < CLASSES; c++) best = s->logits[i][c] > s->logits[i][best] ? c : best;
        s->top[i][0] = (struct jb_top){(int32_t)best, s->logits[i][best]};
        out[i] = (struct jb_head_row){.gate = want & JB_WANT_GATE ? (float)(path % 1000) / 1000.0f : NAN};
        if (want & JB_WANT_LOGITS) out[i].logits = s->logits[i], out[i].n_logits = CLASSES;
        if (want & JB_WANT_TOP) out[i].top = s->top[i], out[i].n_top = 1;
        if (cost) jb_cost_add(&cost[i], &s->model->info.stages[stage].head_cost[0]);
    }
    return 0;
}

// Stages with and without exits; the last always has one.
static void make_model(struct jb_model *m, uint32_t n_stages, uint32_t exit_mask)
{
    memset(m, 0, sizeof *m);
    struct jb_model_info *info = &m->info;
    info->path = "fake.gguf";
    info->n_stages = n_stages;
    info->n_classes = CLASSES;
    info->precisions = 7;
    for (uint32_t s = 0; s < n_stages; s++) {
        bool has = exit_mask >> s & 1 || s + 1 == n_stages;
        struct jb_stage_info *stage = &info->stages[s];
        stage->exit = has ? (int32_t)info->n_exits : -1;
        stage->temperature = 1.0 + 0.25 * s;
        if (has) info->exit_stage[info->n_exits++] = s;
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            stage->cost[p].macs[p] = 1000 * (s + 1) + (uint64_t)p;
            stage->cost[p].bytes[p] = 50 * (s + 1);
            stage->head_cost[p].macs[0] = has ? 11 : 0; // the fake's heads cost the same at any precision
        }
    }
}

struct rig {
    struct jb_model model;
    struct jb_session session;
    struct jb_schedule schedule;
    uint32_t sample[MAX_ROWS];
    struct jb_row_input rows[MAX_ROWS];
    struct jb_query_result out[MAX_ROWS];
};

static void rig_open(struct rig *r, uint32_t n_stages, uint32_t exit_mask, const char *schedule)
{
    memset(r, 0, sizeof *r);
    make_model(&r->model, n_stages, exit_mask);
    r->session = (struct jb_session){.model = &r->model, .fail_at = -1};
    assert_int_equal(jb_schedule_parse(&r->schedule, schedule, n_stages, NULL), 0);
    for (uint32_t i = 0; i < MAX_ROWS; i++) {
        r->sample[i] = 1000 + i;
        r->rows[i].data = &r->sample[i];
    }
}

static void run(struct rig *r, const struct jb_policy *p, uint32_t n)
{
    struct jb_adaptive *a = NULL;
    assert_int_equal(jb_adaptive_open(&a, &r->session, p, &r->schedule, MAX_ROWS, NULL), 0);
    memset(r->out, 0xa5, sizeof r->out);
    assert_int_equal(jb_adaptive_run(a, r->rows, n, r->out), 0);
    assert_true(jb_adaptive_bytes(a) > MAX_ROWS * sizeof(struct jb_cost));
    jb_adaptive_close(a);
}

// ---- Tests
static void eight_rows_leave_at_mixed_exits(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 4, 0xf, "int8");
    struct jb_policy p = unit_threshold_policy("maxprob", 0.6, 4);
    run(&r, &p, 8);
    uint32_t depth_sum = 0, seen = 0;
    for (uint32_t i = 0; i < 8; i++) {
        struct jb_query_result *q = &r.out[i];
        depth_sum += q->n_stages;
        seen |= 1u << q->exit;
        assert_int_equal(q->n_stages, q->exit + 1);
        assert_int_equal(q->n_reached, q->exit + 1);
        assert_int_equal(q->prediction, q->reached_prediction[q->n_reached - 1]);
        uint64_t macs = 0;
        for (uint32_t s = 0; s <= q->exit; s++) {
            assert_int_equal(q->precision[s], JB_PREC_INT8);
            assert_int_equal(q->reached[s], s);
            if (s < q->exit) assert_true(q->confidence[s] < 0.6f);
            macs += 1000 * (s + 1) + JB_PREC_INT8 + 11;
        }
        if (q->exit < 3) assert_true(q->confidence[q->exit] >= 0.6f);
        assert_int_equal(jb_cost_macs(&q->cost), macs);
    }
    assert_true(seen & (seen - 1));                          // more than one exit was used
    assert_int_equal(r.session.n_stage_rows, depth_sum);     // rows that stopped cost nothing
    assert_int_equal(r.session.n_head_rows, depth_sum);
    assert_int_equal(r.session.last_want, JB_WANT_LOGITS);
}

static void rows_do_not_depend_on_their_neighbours(void **state)
{
    (void)state;
    struct rig many, one;
    rig_open(&many, 5, 0x15, "escalate:int4>int8");
    rig_open(&one, 5, 0x15, "escalate:int4>int8");
    struct jb_policy p = unit_threshold_policy("margin", 0.3, many.model.info.n_exits);
    run(&many, &p, MAX_ROWS);
    for (uint32_t i = 0; i < MAX_ROWS; i++) {
        one.rows[0].data = &one.sample[i];
        run(&one, &p, 1);
        assert_memory_equal(&many.out[i], &one.out[0], sizeof one.out[0]);
    }
}

static void only_wanted_heads_run(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 4, 0xf, "f32");
    struct jb_policy fixed = unit_param_policy("fixed", "k", 2, 4), final = unit_param_policy("final", NULL, 0, 4);
    run(&r, &fixed, 3);
    assert_int_equal(r.session.n_head_calls, 1);
    assert_int_equal(r.session.n_stage_calls, 3);
    assert_int_equal(r.session.last_want, JB_WANT_TOP);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(r.out[i].exit, 2);
        assert_int_equal(r.out[i].n_reached, 1);
        assert_int_equal(r.out[i].reached[0], 2);
        assert_true(isnan(r.out[i].confidence[0]));
        assert_int_equal(jb_cost_macs(&r.out[i].cost), 1000 + 2000 + 3000 + 11);
    }
    rig_open(&r, 4, 0xf, "f32");
    run(&r, &final, 3);
    assert_int_equal(r.session.n_head_calls, 1);
    assert_int_equal(r.session.n_stage_calls, 4);
    assert_int_equal(r.out[0].exit, 3);
}

static void escalation_follows_what_was_looked_at(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 5, 0x12, "escalate:int4>int8"); // exits behind stages 1 and 4
    struct jb_policy never = unit_threshold_policy("maxprob", JB_THRESHOLD_NEVER, r.model.info.n_exits);
    run(&r, &never, 2);
    const enum jb_precision looked[5] = {JB_PREC_INT4, JB_PREC_INT4, JB_PREC_INT8, JB_PREC_INT8, JB_PREC_INT8};
    for (uint32_t s = 0; s < 5; s++) assert_int_equal(r.out[1].precision[s], looked[s]);
    struct jb_policy final = unit_param_policy("final", NULL, 0, r.model.info.n_exits);
    run(&r, &final, 2);
    for (uint32_t s = 0; s < 5; s++) assert_int_equal(r.out[1].precision[s], JB_PREC_INT4); // nobody was asked, nobody was unsure
}

static void set_exchanges_between_queries(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3, 0x7, "int8");
    struct jb_policy first = unit_param_policy("fixed", "k", 0, 3), last = unit_param_policy("final", NULL, 0, 3);
    struct jb_schedule f32;
    assert_int_equal(jb_schedule_parse(&f32, "f32", 3, NULL), 0);
    struct jb_adaptive *a;
    assert_int_equal(jb_adaptive_open(&a, &r.session, &first, &r.schedule, 4, NULL), 0);
    assert_int_equal(jb_adaptive_run(a, r.rows, 4, r.out), 0);
    assert_int_equal(r.out[3].exit, 0);
    jb_adaptive_set(a, &last, &f32);
    assert_int_equal(jb_adaptive_run(a, r.rows, 4, r.out), 0);
    assert_int_equal(r.out[3].exit, 2);
    assert_int_equal(r.out[3].precision[2], JB_PREC_F32);
    assert_int_equal(jb_adaptive_run(a, r.rows, 0, NULL), 0);
    assert_int_equal(jb_adaptive_run(a, r.rows, 5, r.out), JB_E_RANGE);
    r.session.fail_at = 1;
    assert_int_equal(jb_adaptive_run(a, r.rows, 4, r.out), JB_E_INTERNAL);
    jb_adaptive_close(a);
    jb_adaptive_close(NULL);
}

// A gate is asked of every row, the answer only of those that stop; at the final exit there is no gate to ask.
static void gates_come_first(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 4, 0xf, "int8");
    for (uint32_t k = 0; k < 3; k++) r.model.info.stages[k].has_gate = true;
    struct jb_policy p = unit_threshold_policy("gate", 0.6, 4);
    run(&r, &p, MAX_ROWS);
    uint32_t gates = 0, early = 0;
    for (uint32_t i = 0; i < MAX_ROWS; i++) {
        const struct jb_query_result *q = &r.out[i];
        bool final = q->exit == 3;
        gates += q->exit + !final;
        early += !final;
        assert_int_equal(q->n_reached, q->exit + 1);
        assert_true(q->prediction == q->reached_prediction[q->exit] && q->prediction < CLASSES);
        for (uint32_t k = 0; k < q->exit; k++) {
            assert_true(q->confidence[k] < 0.6f);
            assert_int_equal(q->reached_prediction[k], JB_NO_ANSWER);
        }
        if (final) assert_true(isnan(q->confidence[3]));
        else assert_true(q->confidence[q->exit] >= 0.6f);
    }
    assert_true(early > 0 && early < MAX_ROWS);
    assert_int_equal(r.session.n_gate_rows, gates);
    assert_int_equal(r.session.n_head_rows, gates + MAX_ROWS); // one answer a row

    struct jb_err err = {0};
    struct jb_adaptive *a = NULL;
    r.model.info.stages[1].has_gate = false;
    assert_int_equal(jb_adaptive_open(&a, &r.session, &p, &r.schedule, 1, &err), JB_E_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "exit 1"));
    r.model.info.n_exits = 1; // nothing to ask
    assert_int_equal(jb_policy_fits(p.ops, &r.model.info, &err), 0);
}

struct watched { uint32_t n, exit[MAX_ROWS]; bool logits; };

static void on_answer(void *user, uint32_t row, uint32_t exit, const struct jb_head_row *head)
{
    struct watched *w = user;
    w->n++;
    w->exit[row] = exit;
    w->logits &= head->logits != NULL && jb_argmax(head->logits, head->n_logits) == jb_head_prediction(head);
}

// Rows of a prompt run to the end and look at nothing; the last row is under the policy; answers are handed out as they fall.
static void silent_rows_and_watched_answers(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 4, 0xf, "int8");
    struct jb_policy p = unit_param_policy("fixed", "k", 1, 4);
    struct jb_adaptive *a = NULL;
    struct watched w = {.logits = true};
    assert_int_equal(jb_adaptive_open(&a, &r.session, &p, &r.schedule, MAX_ROWS, NULL), 0);
    jb_adaptive_watch(a, JB_WANT_LOGITS, on_answer, &w);
    assert_int_equal(jb_adaptive_run_behind(a, r.rows, 8, 7, r.out), 0);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(r.out[i].n_stages, 4);
        assert_int_equal(r.out[i].n_reached, 0);
        assert_int_equal(r.out[i].prediction, JB_NO_ANSWER);
    }
    assert_int_equal(r.out[7].exit, 1);
    assert_int_equal(r.out[7].n_stages, 2);
    assert_int_equal(r.session.n_head_rows, 1);
    assert_true(w.n == 1 && w.exit[7] == 1 && w.logits);
    assert_int_equal(jb_adaptive_run_behind(a, r.rows, 8, 8, r.out), 0); // nobody is asked
    assert_int_equal(r.session.n_head_rows, 1);
    assert_int_equal(jb_adaptive_run_behind(a, r.rows, 8, 9, r.out), JB_E_RANGE);
    r.session.fail_at = 2;
    assert_int_equal(jb_adaptive_run_behind(a, r.rows, 8, 7, r.out), JB_E_INTERNAL);
    assert_non_null(strstr(jb_adaptive_error(a)->detail, "stage 2"));
    assert_int_equal(jb_adaptive_error(a)->code, JB_E_INTERNAL);
    jb_adaptive_close(a);
}

static void open_refuses(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3, 0x7, "int4,f32");
    struct jb_policy p = unit_param_policy("final", NULL, 0, 3);
    struct jb_adaptive *a = NULL;
    struct jb_err err = {0};
    r.model.info.precisions = 1u << JB_PREC_F32;
    r.model.info.precision_reason[JB_PREC_INT4] = "no range for value s1.a";
    assert_int_equal(jb_adaptive_open(&a, &r.session, &p, &r.schedule, 1, &err), JB_E_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "s1.a"));
    r.model.info.precisions = 7;
    r.model.info.stages[2].exit = -1;
    assert_int_equal(jb_adaptive_open(&a, &r.session, &p, &r.schedule, 1, &err), JB_E_INVALID);
    r.model.info.stages[2].exit = 2;
    assert_int_equal(jb_adaptive_open(&a, &r.session, &p, &r.schedule, 0, &err), JB_E_RANGE);
    assert_null(a);
}

static void same_result(const struct jb_query_result *live, const struct jb_query_result *replayed, const char *what)
{
    if (memcmp(live, replayed, sizeof *live) != 0)
        fail_msg("%s: exit %u against %u, prediction %u against %u", what, live->exit, replayed->exit, live->prediction, replayed->prediction);
}

// Every policy on random models and schedules, bit for bit.
static void replay_equals_live(void **state)
{
    (void)state;
    const char *const schedules[] = {"f32", "int8,f32", "int4,int8,f32", "escalate:int4>int8", "escalate:int8>f32"};
    const char *const thresholded[] = {"maxprob", "margin", "entropy"};
    struct jb_rng rng;
    jb_rng_seed(&rng, 3);
    uint32_t refused = 0, compared = 0;
    for (int trial = 0; trial < 100; trial++) {
        struct rig r;
        uint32_t n_stages = 2 + (uint32_t)jb_rng_below(&rng, JB_MAX_STAGES - 1);
        const char *schedule = n_stages < 3 ? "f32" : schedules[jb_rng_below(&rng, N_ELEMENTS(schedules))];
        rig_open(&r, n_stages, (uint32_t)jb_rng_u64(&rng), schedule);
        uint32_t n_exits = r.model.info.n_exits;
        struct jb_recording rec;
        assert_int_equal(jb_recording_open(&rec, &r.model, &r.schedule, MAX_ROWS, NULL), 0);
        for (uint32_t i = 0; i < MAX_ROWS; i++) assert_int_equal(jb_recording_add(&rec, &r.session, i, &r.sample[i], i % CLASSES), 0);
        struct jb_policy policies[6] = {unit_param_policy("final", NULL, 0, n_exits), unit_param_policy("fixed", "k", (double)jb_rng_below(&rng, n_exits), n_exits),
                                        unit_param_policy("patience", "t", 1 + (double)jb_rng_below(&rng, 3), n_exits)};
        for (int t = 0; t < 3; t++) policies[3 + t] = unit_threshold_policy(thresholded[t], jb_rng_unit(&rng), n_exits);
        for (size_t k = 0; k < N_ELEMENTS(policies); k++) {
            run(&r, &policies[k], MAX_ROWS);
            for (uint32_t i = 0; i < MAX_ROWS; i++) {
                struct jb_query_result q;
                int rc = jb_recording_replay(&rec, &policies[k], i, &q);
                if (rc == JB_E_UNSUPPORTED && r.schedule.escalate && k < 2) {
                    refused++;
                    continue;
                }
                assert_int_equal(rc, 0);
                same_result(&r.out[i], &q, policies[k].ops->name);
                compared++;
            }
        }
        assert_int_equal(jb_recording_add(&rec, &r.session, MAX_ROWS, &r.sample[0], 0), JB_E_RANGE);
        jb_recording_close(&rec);
    }
    assert_true(refused > 0 && compared > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_rows_leave_at_mixed_exits), cmocka_unit_test(rows_do_not_depend_on_their_neighbours),
        cmocka_unit_test(only_wanted_heads_run),           cmocka_unit_test(escalation_follows_what_was_looked_at),
        cmocka_unit_test(set_exchanges_between_queries),   cmocka_unit_test(open_refuses),
        cmocka_unit_test(replay_equals_live), cmocka_unit_test(gates_come_first),
        cmocka_unit_test(silent_rows_and_watched_answers),
    };
    return cmocka_run_group_tests_name("adaptive", tests, NULL, NULL);
}
