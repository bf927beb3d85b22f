// Precision schedules: spelling, precision by stage, refusals.
#include "tests/early_exit/unit.h"

static void spellings(void **state)
{
    (void)state;
    const struct { const char *text, *canonical; uint32_t used; } cases[] = {
        {"f32", "f32", 1u << JB_PREC_F32},
        {"int8,int8", "int8", 1u << JB_PREC_INT8},
        {"int8,int8,f32", "int8,int8,f32", 1u << JB_PREC_INT8 | 1u << JB_PREC_F32},
        {"int8,f32,f32,f32", "int8,f32", 1u << JB_PREC_INT8 | 1u << JB_PREC_F32},
        {"int4,int8,int4,int8", "int4,int8,int4,int8", 1u << JB_PREC_INT4 | 1u << JB_PREC_INT8},
        {"escalate:int4>int8", "escalate:int4>int8", 1u << JB_PREC_INT4 | 1u << JB_PREC_INT8},
        {"escalate:int8>f32", "escalate:int8>f32", 1u << JB_PREC_INT8 | 1u << JB_PREC_F32},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_schedule s, again;
        assert_int_equal(jb_schedule_parse(&s, cases[i].text, 4, NULL), 0);
        assert_string_equal(s.text, cases[i].canonical);
        assert_int_equal(s.used, cases[i].used);
        assert_int_equal(jb_schedule_parse(&again, s.text, 4, NULL), 0);
        assert_string_equal(again.text, s.text);
    }
    struct jb_schedule longest; // 16 different words fit
    assert_int_equal(jb_schedule_parse(&longest, "int8,int4,int8,int4,int8,int4,int8,int4,int8,int4,int8,int4,int8,int4,int8,int4", 16, NULL), 0);
    assert_int_equal(strlen(longest.text), 16 * 5 - 1);
}

static void precision_by_stage(void **state)
{
    (void)state;
    struct jb_schedule s;
    assert_int_equal(jb_schedule_parse(&s, "int4,int8,f32", 5, NULL), 0);
    const enum jb_precision want[5] = {JB_PREC_INT4, JB_PREC_INT8, JB_PREC_F32, JB_PREC_F32, JB_PREC_F32};
    for (uint32_t k = 0; k < 5; k++) assert_int_equal(jb_schedule_at(&s, k, k), want[k]);
    assert_int_equal(jb_schedule_parse(&s, "escalate:int4>int8", 5, NULL), 0);
    assert_int_equal(jb_schedule_at(&s, 0, 0), JB_PREC_INT4);
    assert_int_equal(jb_schedule_at(&s, 3, 0), JB_PREC_INT4);
    assert_int_equal(jb_schedule_at(&s, 1, 1), JB_PREC_INT8);
    assert_int_equal(jb_schedule_at(&s, 4, 3), JB_PREC_INT8);
}

static void refusals(void **state)
{
    (void)state;
    const char *const bad[] = {"", ",", "int8,", ",int8", "int9", "int8 ", "INT8", "f32,f32,f32,f32,f32", "escalate:", "escalate:int4", "escalate:int4>",
                               "escalate:>int8", "escalate:int8>int4", "escalate:int8>int8", "escalate:int4>int8>f32", "escalate:int4>int8,f32",
                               "int8;f32", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct jb_schedule s = {.text = "untouched"};
        struct jb_err err = {0};
        if (jb_schedule_parse(&s, bad[i], 4, &err) != JB_E_INVALID) fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(s.text, "untouched");
        assert_true(err.detail[0]);
    }
    struct jb_schedule s;
    assert_int_equal(jb_schedule_parse(&s, NULL, 4, NULL), JB_E_INVALID);
    assert_int_equal(jb_schedule_parse(&s, "f32", 0, NULL), JB_E_RANGE);
    assert_int_equal(jb_schedule_parse(&s, "f32", JB_MAX_STAGES + 1, NULL), JB_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spellings), cmocka_unit_test(precision_by_stage), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
