// Oracles, overthinking, costs and replays on recordings small enough to judge by eye.
#include "tests/early_exit/unit.h"

// Answers of samples at each exit.
static void answers(struct jb_recording *r, uint32_t i, uint32_t label, const uint32_t *y)
{
    r->label[i] = label;
    for (uint32_t k = 0; k < r->n_exits; k++)
        for (uint32_t c = 0; c < r->n_classes; c++) r->logits[((size_t)i * r->n_exits + k) * r->n_classes + c] = c == y[k] ? 5.0f : 0.0f;
}

static void oracles(void **state)
{
    (void)state;
    struct jb_recording r;
    unit_recording(&r, 6, 4, 3, "int8");
    answers(&r, 0, 1, (uint32_t[]){1, 1, 1, 1});          // right at once, wasted depth
    answers(&r, 1, 1, (uint32_t[]){0, 1, 0, 1});          // right, wrong, right
    answers(&r, 2, 1, (uint32_t[]){1, 2, 2, 2});          // thought itself wrong
    answers(&r, 3, 1, (uint32_t[]){0, 0, 2, 2});          // never right
    answers(&r, 4, 1, (uint32_t[]){0, 0, 0, 1});          // right at the end alone
    answers(&r, 5, UINT32_MAX, (uint32_t[]){2, 2, 2, 2}); // unlabelled
    const uint32_t correct[6] = {0, 1, 0, 4, 3, 4}, consistent[6] = {0, 3, 1, 2, 3, 0};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(jb_oracle_earliest_correct(&r, i), correct[i]);
        assert_int_equal(jb_oracle_earliest_consistent(&r, i), consistent[i]);
    }
    struct jb_overthinking o = jb_recording_overthinking(&r);
    assert_true(fabs(o.wasteful - 2.0 / 5) < 1e-12);
    assert_true(fabs(o.destructive - 1.0 / 5) < 1e-12);
    for (uint32_t i = 0; i < 6; i++) r.label[i] = UINT32_MAX;
    assert_true(isnan(jb_recording_overthinking(&r).wasteful));
    jb_recording_close(&r);
}

static void costs(void **state)
{
    (void)state;
    struct jb_recording r;
    unit_recording(&r, 1, 4, 3, "int8");
    struct jb_cost all = jb_recording_cost(&r, 2, true), alone = jb_recording_cost(&r, 2, false);
    assert_int_equal(jb_cost_macs(&all), 100 + 200 + 300 + 30);
    assert_int_equal(jb_cost_macs(&alone), 100 + 200 + 300 + 10);
    assert_int_equal(jb_cost_bytes(&all), 7 * 6);
    jb_recording_close(&r);
}

static void replays(void **state)
{
    (void)state;
    struct jb_recording r;
    struct jb_query_result q;
    unit_recording(&r, 1, 4, 3, "int8");
    answers(&r, 0, 1, (uint32_t[]){0, 1, 1, 1});
    struct jb_policy patience = unit_param_policy("patience", "t", 1, 4), sure = unit_threshold_policy("maxprob", 0.9, 4);
    assert_int_equal(jb_recording_replay(&r, &patience, 0, &q), 0);
    assert_int_equal(q.exit, 2);
    assert_int_equal(q.prediction, 1);
    assert_int_equal(jb_cost_macs(&q.cost), 630);
    assert_int_equal(jb_recording_replay(&r, &sure, 0, &q), 0);
    assert_int_equal(q.exit, 0);
    assert_int_equal(q.n_stages, 1);
    assert_int_equal(jb_recording_replay(&r, &sure, 1, &q), JB_E_RANGE);
    r.logits[0] = NAN; // exit 0 knows nothing any more
    assert_int_equal(jb_recording_replay(&r, &sure, 0, &q), 0);
    assert_int_equal(q.exit, 1);
    assert_true(isnan(q.confidence[0]));
    assert_int_equal(q.reached_prediction[0], 1);
    jb_recording_close(&r);
    jb_recording_close(&r);
    jb_recording_close(NULL);
}

static void all_nan_still_answers(void **state)
{
    (void)state;
    struct jb_recording r;
    struct jb_query_result q;
    unit_recording(&r, 1, 4, 3, "int8");
    for (int i = 0; i < 12; i++) r.logits[i] = NAN;
    const char *const names[] = {"maxprob", "margin", "entropy"};
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        struct jb_policy p = unit_threshold_policy(names[i], 0.0, 4);
        assert_int_equal(jb_recording_replay(&r, &p, 0, &q), 0);
        assert_int_equal(q.exit, 3);
        assert_int_equal(q.prediction, 0);
    }
    jb_recording_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(oracles), cmocka_unit_test(costs), cmocka_unit_test(replays), cmocka_unit_test(all_nan_still_answers)};
    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
