// Rules of validity: what condemns a block, a cell and a run, and that what is not known never passes silently; the reference kernel.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "harness/build.h"
#include "harness/plan_data.h"
#include "harness/reference.h"
#include "harness/validity.h"
#include "tests/harness/bench.h"

static struct jb_machine_span quiet(void)
{
    return (struct jb_machine_span){ .cpu = { .known = true, .wall_ns = 1000000000, .share = 0.01, .share_least = 0 }, .steal_share = 0, .steal_share_least = 0, .governor_known = true, .freq_change = 0.05 };
}

static uint32_t judge(const struct jb_machine_span *s, uint64_t involuntary, uint64_t wall_ns, const struct jb_validity_limits *l, uint32_t *unknown)
{
    struct jb_conditions c;
    jb_conditions_of(s, involuntary, wall_ns, 1, &c);
    return jb_conditions_judge(&c, l, unknown);
}

static void each_check_can_fail(void **state)
{
    (void)state;
    struct jb_validity_limits l;
    uint32_t unknown;
    jb_validity_default(&l);
    struct jb_machine_span s = quiet();
    assert_int_equal(judge(&s, 5, 1000000000, &l, &unknown), 0);
    assert_int_equal(unknown, 1u << JB_CHECK_REFERENCE); // judged over the run
    s = quiet(), s.cpu.share_least = 0.11;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_OTHERS);
    s = quiet(), s.cpu.share = 0.9; // rounded ticks: not certain
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 0);
    s = quiet(), s.steal_share_least = 0.06;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_STEAL);
    s = quiet(), s.freq_change = 0.3;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_FREQUENCY);
    s = quiet(), s.governor_changed = true;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_GOVERNOR);
    s = quiet(), s.throttles = 1;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_THROTTLING);
    s = quiet(), s.swapped_pages = 1;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_SWAP);
    s = quiet(), s.clock_jump_ns = 11e6;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 1u << JB_CHECK_CLOCK);
    s = quiet();
    assert_int_equal(judge(&s, 251, 1000000000, &l, NULL), 1u << JB_CHECK_INVOLUNTARY);
    assert_int_equal(judge(&s, 9, 1000000, &l, NULL), 0); // 9000 a second, but nine are chance
    l.swap = l.throttling = true;
    s.swapped_pages = s.throttles = 1000;
    assert_int_equal(judge(&s, 0, 1000000000, &l, NULL), 0);
    for (int k = 0; k < JB_CHECK_COUNT; k++) {
        assert_int_equal(jb_check_find(jb_check_name((enum jb_check)k)), k);
        assert_true(strlen(jb_check_what_to_do((enum jb_check)k)) > 20);
    }
    assert_int_equal(jb_check_find("weather"), -1);
}

static void what_is_not_known_is_said(void **state)
{
    (void)state;
    struct jb_validity_limits l;
    uint32_t unknown;
    jb_validity_default(&l);
    struct jb_machine_span s = { .cpu = { .share = NAN, .share_least = NAN }, .steal_share = NAN, .steal_share_least = NAN, .throttles = UINT64_MAX, .swapped_pages = UINT64_MAX, .freq_change = NAN };
    assert_int_equal(judge(&s, UINT64_MAX, 1000000000, &l, &unknown), 0);
    assert_int_equal(unknown, ((1u << JB_CHECK_COUNT) - 1) & ~(1u << JB_CHECK_CLOCK));
}

static void one_block_never_condemns_a_cell(void **state)
{
    (void)state;
    struct jb_validity_limits l;
    jb_validity_default(&l);
    static const struct { uint64_t n, may; } known[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 5, 1 }, { 8, 1 }, { 9, 1 }, { 10, 2 }, { 100, 20 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_int_equal(jb_validity_may_fail(known[i].n, &l), known[i].may);
}

// ---- made-up cells ----

#define BLOCKS 10u
struct made { struct jb_record rec; struct jb_rec_cell cell; struct jb_block_fact blocks[BLOCKS]; struct jb_built built; struct jb_build b; struct jb_result_cell row; };

static void made_open(struct made *m)
{
    memset(m, 0, sizeof *m);
    for (uint32_t i = 0; i < BLOCKS; i++)
        m->blocks[i] = (struct jb_block_fact){ .repetition = i, .wall_ns = 40000000, .others = 0.02, .steal = 0, .steal_least = 0, .clock_jump_ns = 0, .freq_change = NAN, .throttles = NAN, .swapped_pages = 0,
                                               .governor_changed = NAN, .reference_ns = 225000 + i * 1000 };
    m->cell.blocks = m->blocks;
    m->cell.n_blocks = BLOCKS;
    m->built.rec = &m->cell;
    m->b = (struct jb_build){ .rec = &m->rec, .built = &m->built, .max_other_cpu = NAN };
    assert_int_equal(jb_result_open(&m->b.r), 0);
    m->b.r->cells = &m->row;
    m->b.r->n_cells = 1;
    jb_result_cell_init(&m->row);
    m->row.status = JB_CELL_VALID;
    cJSON *settings = cJSON_Parse("{\"validity\": {\"max_steal\": 0.05}}");
    jb_build_limits(&m->b, settings);
    cJSON_Delete(settings);
}

static void made_judge(struct made *m)
{
    assert_int_equal(jb_build_blocks(&m->b, 0), 0);
    assert_int_equal(jb_build_validity(&m->b), 0);
}

static void made_close(struct made *m)
{
    jb_built_free(&m->built);
    cJSON_Delete(m->rec.machine);
    m->b.r->cells = NULL;
    m->b.r->n_cells = 0;
    jb_result_close(m->b.r);
}

static const struct jb_result_check *check(const struct made *m, enum jb_check k) { return &m->b.r->validity.checks[k]; }

static void an_invalid_block_is_left_out(void **state)
{
    (void)state;
    struct made m;
    made_open(&m);
    m.blocks[3].invalid = 1u << JB_CHECK_STEAL;
    m.blocks[4].reference_ns = 400000; // more than half slower than the median
    made_judge(&m);
    assert_int_equal(m.row.status, JB_CELL_VALID);
    assert_true(m.row.blocks.known && m.row.blocks.invalid == 2 && m.row.blocks.left_out == 2);
    assert_string_equal(m.row.blocks.reasons, "steal 1, reference_drift 1");
    for (uint32_t i = 0; i < BLOCKS; i++) assert_int_equal(jb_built_uses(&m.built, i), i != 3 && i != 4);
    assert_string_equal(m.b.r->validity.verdict, "VALID");
    made_close(&m);
}

static void too_many_make_the_cell_invalid(void **state)
{
    (void)state;
    struct made m;
    made_open(&m);
    for (int i = 0; i < 3; i++) m.blocks[i].invalid = 1u << JB_CHECK_THROTTLING;
    made_judge(&m);
    assert_int_equal(m.row.status, JB_CELL_INVALID);
    assert_int_equal(strncmp(m.row.reason, "3 of 10 blocks are invalid (throttling 3; at most 20 % may be): the CPU was throttled for heat", 90), 0);
    assert_true(m.row.blocks.left_out == 0 && jb_built_uses(&m.built, 0)); // nothing is chosen from what is not good enough
    assert_string_equal(m.b.r->validity.verdict, "INVALID");
    assert_string_equal(check(&m, JB_CHECK_THROTTLING)->verdict, "fail");
    assert_non_null(check(&m, JB_CHECK_THROTTLING)->what_to_do);
    made_close(&m);
}

static void unknown_is_no_pass(void **state)
{
    (void)state;
    struct made m;
    made_open(&m);
    m.rec.machine = cJSON_Parse("{\"wall_ns\": 10000000000, \"machine\": {\"steal\": 0.001}, \"others\": {\"share\": 0.02}}");
    made_judge(&m);
    assert_string_equal(m.b.r->validity.verdict, "VALID");
    static const enum jb_check unknown[] = { JB_CHECK_FREQUENCY, JB_CHECK_GOVERNOR, JB_CHECK_THROTTLING }, pass[] = { JB_CHECK_OTHERS, JB_CHECK_STEAL, JB_CHECK_SWAP, JB_CHECK_CLOCK, JB_CHECK_INVOLUNTARY, JB_CHECK_REFERENCE };
    for (size_t i = 0; i < 3; i++) assert_string_equal(check(&m, unknown[i])->verdict, "unknown");
    for (size_t i = 0; i < 6; i++) assert_string_equal(check(&m, pass[i])->verdict, "pass");
    made_close(&m);
}

// Shares of CPU time come from the whole pass: blocks are too short for ticks. A pass that is too short as well tells nothing.
static void shares_come_from_the_pass(void **state)
{
    (void)state;
    static const struct { const char *line, *others; } known[] = {
        { "{\"wall_ns\": 10000000000, \"machine\": {\"steal\": 0.001}, \"others\": {\"share\": 0.3}}", "fail" },
        { "{\"wall_ns\": 100000000, \"machine\": {\"steal\": 0}, \"others\": {\"share\": 0}}", "unknown" },
        { "{\"wall_ns\": 100000000, \"machine\": {\"steal\": 0}, \"others\": {\"share\": 0.9}}", "fail" },
        { "{\"wall_ns\": 10000000000}", "unknown" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct made m;
        made_open(&m);
        m.rec.machine = cJSON_Parse(known[i].line);
        made_judge(&m);
        assert_string_equal(check(&m, JB_CHECK_OTHERS)->verdict, known[i].others);
        assert_string_equal(m.b.r->validity.verdict, strcmp(known[i].others, "fail") ? "VALID" : "INVALID");
        assert_int_equal(m.row.status, JB_CELL_VALID);
        made_close(&m);
    }
}

static void old_journals_are_not_judged(void **state)
{
    (void)state;
    struct made m;
    made_open(&m);
    m.b.judged = false;
    for (uint32_t i = 0; i < BLOCKS; i++) m.blocks[i].contaminated = true, m.blocks[i].invalid = 1u << JB_CHECK_OTHERS;
    made_judge(&m);
    assert_int_equal(m.row.status, JB_CELL_VALID);
    assert_false(m.row.blocks.known);
    assert_null(m.b.r->validity.verdict);
    made_close(&m);
}

// ---- the plan ----

static int read_plan(const char *more, struct jb_settings *out, struct jb_err *err)
{
    char text[1024];
    struct jb_plan *p = NULL;
    int n = snprintf(text, sizeof text, "{\"schema\": \"joulebench.plan/1\", \"name\": \"p\", \"workloads\": [{\"name\": \"null\"}], \"precisions\": [\"f32\"], \"policies\": [{\"name\": \"final\"}], "
                     "\"scenarios\": [\"single-stream\"]%s}", more);
    int rc = jb_plan_parse(&p, "p.json", text, (size_t)n, err);
    if (!rc && out) *out = p->settings;
    jb_plan_close(p);
    return rc;
}

static void plan_keys(void **state)
{
    (void)state;
    struct jb_settings s;
    struct jb_err err = { 0 };
    assert_int_equal(read_plan(", \"normalise\": \"reference\", \"stop_when\": {\"latency\": 0.02}, \"validity\": {\"max_steal\": 0.2, \"swap\": true, \"max_other_cpu\": 0.3}", &s, &err), 0);
    assert_true(s.normalise && s.stop_latency == 0.02 && isnan(s.stop_joules) && s.validity.max_steal == 0.2 && s.validity.swap && !s.validity.throttling && s.validity.max_other_cpu == 0.3);
    assert_int_equal(read_plan("", &s, &err), 0);
    assert_true(!s.normalise && isnan(s.stop_latency) && s.validity.max_invalid_share == 0.2);
    static const char *const bad[] = { "\"normalise\": \"yes\"", "\"normalise\": true", "\"validity\": 3", "\"validity\": {\"max_steel\": 1}", "\"validity\": {\"max_steal\": -1}", "\"validity\": {\"swap\": 1}",
                                       "\"max_other_cpu\": 0.1, \"validity\": {\"max_other_cpu\": 0.1}", "\"stop_when\": {}", "\"stop_when\": {\"latency\": 0}", "\"stop_when\": {\"p99\": 0.1}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, ", %s", bad[i]);
        if (!read_plan(text, NULL, &err)) fail_msg("%s was taken", bad[i]);
    }
}

// ---- the reference kernel ----

static void the_reference_is_always_the_same(void **state)
{
    (void)state;
    struct jb_reference *r = NULL;
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t ns = 0;
    assert_int_equal(jb_reference_open(&r), 0);
    for (int i = 0; i < 3; i++) assert_true(jb_reference_work(r) == JB_REFERENCE_RESULT);
    assert_int_equal(jb_reference_run(r, &clock, &ns), 0);
    assert_true(ns > 1000);
    jb_reference_close(r);
    jb_reference_close(NULL);
}

static uint64_t stands_still(void *self) { (void)self; return 7; }

static void a_clock_that_stands_gives_no_zero(void **state)
{
    (void)state;
    struct jb_reference *r = NULL;
    struct jb_clock clock = { .now_ns = stands_still };
    uint64_t ns = 0;
    assert_int_equal(jb_reference_open(&r), 0);
    assert_int_equal(jb_reference_run(r, &clock, &ns), 0);
    assert_int_equal(ns, 1);
    jb_reference_close(r);
}

// ---- a whole sweep: every block has the reference and the machine beside it ----

static void a_sweep_records_it(void **state)
{
    (void)state;
    struct bench b;
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    size_t n;
    bench_open(&b);
    if (bench_sweep(&b, bench_plan, &r, &err)) fail_msg("%s", err.detail);
    char path[256];
    snprintf(path, sizeof path, "%s/journal.jsonl", b.out);
    char *text = bench_read(path, &n);
    size_t blocks = bench_count(text, "\"kind\":\"block\"");
    assert_true(blocks > 0);
    assert_int_equal(bench_count(text, "\"reference_ns\":"), blocks);
    assert_int_equal(bench_count(text, "\"clock_jump_ns\":"), blocks + 1);
    assert_int_equal(bench_count(text, "\"kind\":\"machine\""), 1);
    assert_true(r->cells[0].blocks.known && r->cells[0].blocks.reference_ns > 0);
    assert_non_null(r->validity.verdict);
    assert_int_equal(r->validity.n_checks, JB_CHECK_COUNT);
    free(text);
    jb_result_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_can_fail), cmocka_unit_test(what_is_not_known_is_said), cmocka_unit_test(one_block_never_condemns_a_cell), cmocka_unit_test(an_invalid_block_is_left_out),
        cmocka_unit_test(too_many_make_the_cell_invalid), cmocka_unit_test(unknown_is_no_pass), cmocka_unit_test(shares_come_from_the_pass), cmocka_unit_test(old_journals_are_not_judged),
        cmocka_unit_test(plan_keys), cmocka_unit_test(the_reference_is_always_the_same), cmocka_unit_test(a_clock_that_stands_gives_no_zero), cmocka_unit_test(a_sweep_records_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
