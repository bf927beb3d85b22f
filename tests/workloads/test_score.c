// Scores against values worked out by hand (definitions as in scikit-learn's balanced_accuracy_score and f1_score(average="macro")).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "workloads/score.h"

static const uint32_t label[] = { 0, 0, 0, 0, 1, 1, 2, 2, 2, 2 };
static const uint32_t answer[] = { 0, 0, 1, 0, 1, 2, 2, 2, 0, 2 };

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-6))
        fail_msg("%.9g is not %.9g", a, b);
}

static void known_values(void **state)
{
    (void)state;
    struct jb_quality q[4];
    size_t n;
    assert_int_equal(jb_score_classes(label, 10, 3, NULL, answer, 10, q, 4, &n), 0);
    assert_int_equal(n, 3);
    assert_string_equal(q[0].name, "accuracy");
    near(q[0].value, 0.7);
    near(q[0].lower, 0.396773); // Wilson, 7 of 10
    near(q[0].upper, 0.892210);
    assert_string_equal(q[1].name, "balanced-accuracy");
    near(q[1].value, (0.75 + 0.5 + 0.75) / 3);
    // Wilson per class: 3/4 -> 0.3006361..0.9544139, 1/2 -> 0.0945287..0.9054713
    near(q[1].lower, 2.0 / 3 - sqrt(2 * pow(0.75 - 0.3006361, 2) + pow(0.5 - 0.0945287, 2)) / 3);
    near(q[1].upper, 2.0 / 3 + sqrt(2 * pow(0.9544139 - 0.75, 2) + pow(0.9054713 - 0.5, 2)) / 3);
    assert_string_equal(q[2].name, "macro-f1");
    near(q[2].value, (0.75 + 0.5 + 0.75) / 3);
    assert_true(isnan(q[2].lower));
    assert_int_equal(q[2].n, 10);
}

static void index_maps_samples(void **state)
{
    (void)state;
    static const uint32_t index[] = { 9, 4 }, two[] = { 2, 0 };
    struct jb_quality q[4];
    size_t n;
    assert_int_equal(jb_score_classes(label, 10, 3, index, two, 2, q, 4, &n), 0);
    near(q[0].value, 0.5);
    near(q[1].value, 0.5);         // classes 1 and 2 occur, class 0 does not
    near(q[2].value, 1.0 / 3);     // class 0 was predicted: it counts, with 0
    static const uint32_t outside[] = { 10 };
    assert_int_equal(jb_score_classes(label, 10, 3, outside, two, 1, q, 4, &n), JB_E_RANGE);
}

static void strange_input(void **state)
{
    (void)state;
    static const uint32_t unlabelled[] = { UINT32_MAX, 1 }, wild[] = { UINT32_MAX, 4000000000u };
    struct jb_quality q[4];
    size_t n = 9;
    assert_int_equal(jb_score_classes(NULL, 5, 3, NULL, answer, 5, q, 4, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(jb_score_classes(unlabelled, 2, 3, NULL, wild, 2, q, 4, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(q[0].n, 1);
    near(q[0].value, 0);
    near(q[1].lower, 0);
    assert_int_equal(jb_score_classes(label, 10, 3, NULL, answer, 0, q, 4, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(jb_score_classes(label, 10, 3, NULL, answer, 10, q, 1, &n), 0);
    assert_int_equal(n, 1); // no more than there is room for
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(index_maps_samples),
        cmocka_unit_test(strange_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
