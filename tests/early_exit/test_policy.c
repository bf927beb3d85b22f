// The table, parameters and their errors, and each policy's decisions.
#include "tests/early_exit/unit.h"

static void table_is_complete(void **state)
{
    (void)state;
    const char *const names[] = {"final", "fixed", "maxprob", "margin", "entropy", "patience", "gate"};
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        const struct jb_policy_ops *o = jb_policy_find(names[i]);
        assert_non_null(o);
        assert_ptr_equal(jb_policies[i], o);
        assert_true(o->summary && o->source && o->options && o->wants_exit && o->decide);
    }
    assert_null(jb_policies[N_ELEMENTS(names)]);
    assert_null(jb_policy_find("no such"));
    assert_null(jb_policy_find(NULL));
}

struct bad { const char *name; struct jb_param param[2]; size_t n_params; double threshold[5]; size_t n_thresholds; int code; const char *says; };

static void make_refuses(void **state)
{
    (void)state;
    const struct bad cases[] = {
        {.name = "maxprop", .code = JB_E_NOT_FOUND, .says = "maxprop"},
        {.name = "fixed", .code = JB_E_INVALID, .says = "needs its parameter k"},
        {.name = "fixed", .param = {{"k", 4}}, .n_params = 1, .code = JB_E_RANGE, .says = "exits 0 to 3"},
        {.name = "fixed", .param = {{"k", 0.5}}, .n_params = 1, .code = JB_E_RANGE, .says = "whole number"},
        {.name = "fixed", .param = {{"k", NAN}}, .n_params = 1, .code = JB_E_RANGE, .says = "k = "},
        {.name = "fixed", .param = {{"q", 1}}, .n_params = 1, .code = JB_E_INVALID, .says = "\"q\""},
        {.name = "final", .threshold = {0.5}, .n_thresholds = 1, .code = JB_E_INVALID, .says = "takes no threshold"},
        {.name = "maxprob", .code = JB_E_INVALID, .says = "needs a threshold"},
        {.name = "maxprob", .threshold = {1.5}, .n_thresholds = 1, .code = JB_E_RANGE, .says = "1.5"},
        {.name = "maxprob", .threshold = {NAN}, .n_thresholds = 1, .code = JB_E_RANGE, .says = "threshold"},
        {.name = "maxprob", .threshold = {0.5, 0.5}, .n_thresholds = 2, .code = JB_E_INVALID, .says = "2 thresholds"},
        {.name = "maxprob", .threshold = {0.5, 0.5, 0.5, 0.5, 0.5}, .n_thresholds = 5, .code = JB_E_INVALID, .says = "5 thresholds"},
        {.name = "patience", .param = {{"t", 0}}, .n_params = 1, .code = JB_E_RANGE, .says = "from 1"},
        {.name = "patience", .code = JB_E_INVALID, .says = "needs its parameter t"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_policy p;
        struct jb_err err = {0};
        int rc = jb_policy_make(&p, cases[i].name, cases[i].param, cases[i].n_params, cases[i].threshold, cases[i].n_thresholds, 4, &err);
        if (rc != cases[i].code || !strstr(err.detail, cases[i].says)) fail_msg("case %zu: %d, \"%s\"", i, rc, err.detail);
    }
}

static void make_accepts(void **state)
{
    (void)state;
    struct jb_policy p;
    const double three[] = {0.1, 0.2, 0.3}, four[] = {0.1, 0.2, JB_THRESHOLD_NEVER, 99};
    assert_int_equal(jb_policy_make(&p, "margin", NULL, 0, three, 3, 4, NULL), 0);
    assert_true(p.threshold[2] == 0.3);
    assert_int_equal(jb_policy_make(&p, "margin", NULL, 0, four, 4, 4, NULL), 0);
    assert_int_equal(jb_policy_make(&p, "entropy", &(struct jb_param){"threshold", 0.7}, 1, NULL, 0, 4, NULL), 0);
    assert_true(p.threshold[0] == 0.7 && p.threshold[2] == 0.7);
    assert_int_equal(jb_policy_make(&p, "patience", NULL, 0, (double[]){2, 2, 2}, 3, 4, NULL), 0);
    assert_true(p.param[0] == 2);
    assert_int_equal(jb_policy_make(&p, "maxprob", NULL, 0, NULL, 0, 1, NULL), 0); // one exit: nothing to decide
    assert_int_equal(jb_policy_make(&p, "final", NULL, 0, NULL, 0, 4, NULL), 0);
}

static bool stops(const struct jb_policy *p, void *state, uint32_t exit, const float *logits, uint32_t n, float *confidence)
{
    struct jb_head_row head = {.logits = logits, .n_logits = n};
    struct jb_decision_in in = {.exit = exit, .n_exits = 4, .confidence = jb_measure(p->ops->measure, &head, 1), .answer = jb_head_prediction(&head), .deadline_ns = UINT64_MAX};
    struct jb_decision d;
    p->ops->decide(p, state, &in, &d);
    if (confidence) *confidence = d.confidence;
    return d.stop;
}

static void thresholds_decide(void **state)
{
    (void)state;
    const float z[2] = {0, 0.6931472f}, nan[2] = {NAN, 5};
    const char *const names[] = {"maxprob", "margin", "entropy"};
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        struct jb_policy p = unit_threshold_policy(names[i], 0, 4);
        float c;
        assert_true(stops(&p, NULL, 0, z, 2, &c));
        p.threshold[1] = c; // exactly reached: stops
        assert_true(stops(&p, NULL, 1, z, 2, NULL));
        p.threshold[1] = nextafter(c, 2);
        assert_false(stops(&p, NULL, 1, z, 2, NULL));
        assert_false(stops(&p, NULL, 0, nan, 2, &c)); // threshold 0, and yet
        assert_true(isnan(c));
    }
}

static void fixed_and_final(void **state)
{
    (void)state;
    const float z[2] = {0, 1};
    struct jb_policy fixed = unit_param_policy("fixed", "k", 1, 4), final = unit_param_policy("final", NULL, 0, 4);
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(stops(&fixed, NULL, k, z, 2, NULL), k == 1);
        assert_int_equal(stops(&final, NULL, k, z, 2, NULL), k == 3);
        assert_int_equal(jb_policy_wants(&fixed, k, 4), k == 1 || k == 3);
        assert_int_equal(jb_policy_wants(&final, k, 4), k == 3);
    }
}

static void patience_counts(void **state)
{
    (void)state;
    const float a[3] = {1, 0, 0}, b[3] = {0, 1, 0};
    _Alignas(16) uint8_t row[JB_POLICY_ROW_BYTES] = {0};
    struct jb_policy p = unit_param_policy("patience", "t", 2, 4);
    float c;
    assert_false(stops(&p, row, 0, a, 3, &c));
    assert_true(c == 0);
    assert_false(stops(&p, row, 1, b, 3, &c));
    assert_true(c == 0);
    assert_false(stops(&p, row, 2, b, 3, &c));
    assert_true(c == 1);
    assert_true(stops(&p, row, 3, b, 3, &c));
    assert_true(c == 2);
    memset(row, 0, sizeof row);
    p = unit_param_policy("patience", "t", 1, 4);
    assert_false(stops(&p, row, 0, a, 3, NULL)); // the first answer confirms nothing, not even class 0
    assert_true(stops(&p, row, 1, a, 3, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_complete), cmocka_unit_test(make_refuses),    cmocka_unit_test(make_accepts),
        cmocka_unit_test(thresholds_decide), cmocka_unit_test(fixed_and_final), cmocka_unit_test(patience_counts),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
