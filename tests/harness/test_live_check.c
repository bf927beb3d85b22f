// Blocks of workers are judged as a sweep's are: every condition crosses the wire, and each check condemns by the plan's own limit.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "harness/live_check.h"
#include "harness/wire.h"

static struct jb_block quiet(void)
{
    struct jb_block b = { .start_ns = 1, .wall_ns = 1000000000, .cpu_ns = 1000000000, .reference_ns = 1000 };
    b.energy = jb_joules_none("none", "no sensor");
    b.others = (struct jb_cputime_span){ .known = true, .wall_ns = b.wall_ns };
    b.machine = (struct jb_machine_span){ .cpu = b.others, .governor_known = true };
    assert_int_equal(jb_raw_block_alloc(&b.raw, 1, 1, 1), 0);
    b.raw.stream_queries[0] = 1;
    b.raw.n_patterns = 1;
    return b;
}

static struct jb_block across(const struct jb_block *b)
{
    struct jb_err err = { 0 };
    struct jb_json_doc doc = { 0 };
    struct jb_block got;
    cJSON *o = jb_wire_block(b);
    assert_non_null(o);
    char *text = jb_json_canonical(o);
    assert_int_equal(jb_json_parse(&doc, "block", text, strlen(text), &err), 0);
    assert_int_equal(jb_wire_to_block(&got, &doc, doc.root, &err), 0);
    jb_json_close(&doc);
    free(text);
    cJSON_Delete(o);
    return got;
}

// Joules are of all rows that ran within their window: whoever divides them must be told how many.
static void rows_of_the_window_go_along(void **state)
{
    (void)state;
    struct jb_block a = quiet(), b;
    a.window_rows = 77;
    b = across(&a);
    assert_int_equal(b.window_rows, 77);
    jb_block_free(&b);
    a.window_rows = 0; // never fewer than were recorded
    b = across(&a);
    assert_int_equal(b.window_rows, a.raw.n_rows);
    jb_block_free(&b);
    jb_block_free(&a);
}

static void disturb(struct jb_block *b, enum jb_check k)
{
    switch (k) {
    case JB_CHECK_OTHERS: b->others.share = b->others.share_least = b->machine.cpu.share = b->machine.cpu.share_least = 0.5; break;
    case JB_CHECK_STEAL: b->machine.steal_share = b->machine.steal_share_least = 0.3; break;
    case JB_CHECK_FREQUENCY: b->machine.freq_change = 0.4; break;
    case JB_CHECK_GOVERNOR: b->machine.governor_changed = true; break;
    case JB_CHECK_THROTTLING: b->machine.throttles = 1; break;
    case JB_CHECK_SWAP: b->machine.swapped_pages = 3; break;
    case JB_CHECK_CLOCK: b->machine.clock_jump_ns = 50e6; break;
    case JB_CHECK_INVOLUNTARY: b->involuntary_switches = 1000; break;
    case JB_CHECK_REFERENCE: b->reference_ns = 2000; break;
    case JB_CHECK_COUNT: break;
    }
}

static void open_with(struct jb_live_check *c, const char *run, double max_other_cpu)
{
    cJSON *o = cJSON_Parse(run);
    assert_non_null(o);
    jb_live_check_open(c, o, max_other_cpu);
    cJSON_Delete(o);
}

// What a block with this trouble fails, seen through the wire, after enough quiet ones.
static uint32_t fails(struct jb_live_check *c, enum jb_check k)
{
    struct jb_block b = quiet(), got;
    for (int i = 0; i < 10; i++) assert_int_equal(jb_live_check_block(c, &b, 1), 0);
    disturb(&b, k);
    got = across(&b);
    uint32_t failed = jb_live_check_block(c, &got, 1);
    assert_int_equal(jb_live_check_block(&(struct jb_live_check){ .limits = c->limits, .n = 0 }, &b, 1), failed & ~(1u << JB_CHECK_REFERENCE)); // the same as before the wire; of one block no drift is known
    jb_block_free(&b);
    jb_block_free(&got);
    return failed;
}

static void every_check_crosses_the_wire(void **state)
{
    (void)state;
    for (int k = 0; k < JB_CHECK_COUNT; k++) {
        struct jb_live_check c;
        open_with(&c, "{\"settings\": {}}", NAN);
        uint32_t failed = fails(&c, (enum jb_check)k);
        assert_int_equal(failed, 1u << k);
        assert_string_equal(jb_live_check_name(failed), jb_check_name((enum jb_check)k));
    }
    assert_null(jb_live_check_name(0));
}

static void the_plan_says_how_much(void **state)
{
    static const char generous[] = "{\"settings\": {\"validity\": {\"max_other_cpu\": 0.9, \"max_steal\": 0.9, \"max_freq_change\": 2, \"max_clock_jump_ms\": 100, \"max_involuntary_per_s\": 1e9,"
                                   " \"max_reference_drift\": 5, \"throttling\": true, \"swap\": true}}}";
    (void)state;
    for (int k = 0; k < JB_CHECK_COUNT; k++) {
        struct jb_live_check c;
        open_with(&c, generous, NAN);
        assert_int_equal(fails(&c, (enum jb_check)k), k == JB_CHECK_GOVERNOR ? 1u << k : 0);
    }
}

static void the_gates_rules_go_before(void **state)
{
    struct jb_live_check c;
    (void)state;
    open_with(&c, "{\"settings\": {\"validity\": {\"max_other_cpu\": 0.1}}}", 0.6);
    assert_int_equal(fails(&c, JB_CHECK_OTHERS), 0);
    open_with(&c, "{\"settings\": {\"validity\": {\"max_other_cpu\": 0.9}}}", 0.2);
    assert_int_equal(fails(&c, JB_CHECK_OTHERS), 1u << JB_CHECK_OTHERS);
}

static void what_is_not_known_condemns_nothing(void **state)
{
    struct jb_live_check c;
    struct jb_block b = quiet(), got;
    (void)state;
    open_with(&c, "{}", NAN);
    b.others.known = b.machine.cpu.known = b.machine.governor_known = false;
    b.machine.throttles = b.machine.swapped_pages = UINT64_MAX;
    b.machine.freq_change = b.machine.clock_jump_ns = b.machine.steal_share = b.machine.steal_share_least = NAN;
    b.reference_ns = 0;
    got = across(&b);
    assert_int_equal(got.machine.throttles, UINT64_MAX);
    assert_true(isnan(got.machine.freq_change));
    for (int i = 0; i < 20; i++) assert_int_equal(jb_live_check_block(&c, &got, 1), 0);
    jb_block_free(&b);
    jb_block_free(&got);
}

static void drift_needs_some_blocks_and_forgets_old_ones(void **state)
{
    struct jb_live_check c;
    struct jb_block b = quiet();
    (void)state;
    open_with(&c, "{}", NAN);
    for (uint32_t i = 0; i < JB_LIVE_LEAST_REFERENCES; i++) {
        b.reference_ns = i % 2 ? 1000 : 9000;
        assert_int_equal(jb_live_check_block(&c, &b, 1), 0);
    }
    b.reference_ns = 100;
    assert_int_equal(jb_live_check_block(&c, &b, 1), 1u << JB_CHECK_REFERENCE);
    for (uint32_t i = 0; i < 2 * JB_LIVE_REFERENCES; i++) (void)jb_live_check_block(&c, &b, 1);
    assert_int_equal(jb_live_check_block(&c, &b, 1), 0);
    jb_block_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows_of_the_window_go_along),
        cmocka_unit_test(every_check_crosses_the_wire),
        cmocka_unit_test(the_plan_says_how_much),
        cmocka_unit_test(the_gates_rules_go_before),
        cmocka_unit_test(what_is_not_known_condemns_nothing),
        cmocka_unit_test(drift_needs_some_blocks_and_forgets_old_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
