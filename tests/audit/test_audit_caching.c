// The audit of caching is seen to catch a model that remembers its last sample, and not to be misled by samples that leave early; under a clock that is made of what the work costs, so nothing here
// depends on the machine.
// (Its threads are those of the accuracy pass, which tests/harness/test_sweep shows to the thread sanitizer.)
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/exit.h"
#include "cli/cli.h"
#include "tests/audit/place.h"

static void audit(struct place *p, double limit, struct jb_audit *out)
{
    struct jb_plan *x = NULL;
    struct jb_err err = { 0 };
    if (jb_plan_parse(&x, "plan.json", place_plan, strlen(place_plan), &err) || jb_audit_cache(x, &p->o, 8, limit, out, &err)) fail_msg("%s", err.detail);
    jb_plan_close(x);
    assert_int_equal(out->n, 2);
}

// How many exits the samples of the cell with a threshold leave at, in a run of the same plan.
static unsigned exits_used(struct place *p)
{
    struct jb_plan *x = NULL;
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    char out[160];
    unsigned used = 0;
    snprintf(out, sizeof out, "%s/out", p->dir);
    p->o.dir = out;
    if (jb_plan_parse(&x, "plan.json", place_plan, strlen(place_plan), &err) || jb_sweep_run(x, &p->o, &r, &err)) fail_msg("%s", err.detail);
    for (size_t i = 0; i < r->n_cells; i++)
        for (uint32_t k = 0; k < r->cells[i].n_exits && !strcmp(r->cells[i].policy, "maxprob"); k++) used += r->cells[i].exit_histogram[k] > 0;
    jb_result_close(r);
    jb_plan_close(x);
    return used;
}

// An honest model, whose samples leave at several exits: a repeated sample that leaves early is faster than the others are, and yet that is no caching.
static void honest(void **state)
{
    (void)state;
    struct place p;
    struct jb_audit a = { 0 };
    place_open(&p, &(struct memo){ .new_ns = 10000, .same_ns = 10000, .jitter = 0.02 });
    assert_true(exits_used(&p) >= 2);
    audit(&p, 0.1, &a);
    for (size_t i = 0; i < a.n; i++) {
        if (a.rows[i].verdict != JB_AUDIT_PASS) fail_msg("%s: %s", a.rows[i].label, a.rows[i].words);
        assert_true(fabs(a.rows[i].observed - 1) < 0.03 && a.rows[i].lower <= 1.01 && a.rows[i].upper >= 0.99);
        assert_true(a.rows[i].n >= 2);
    }
    assert_int_equal(a.verdict, JB_AUDIT_PASS);
    jb_audit_free(&a);
    place_close(&p);
}

static void a_model_that_remembers(void **state)
{
    (void)state;
    struct place p;
    struct jb_audit a = { 0 };
    place_open(&p, &(struct memo){ .new_ns = 10000, .same_ns = 2000, .jitter = 0.02 });
    audit(&p, 0.1, &a);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.rows[i].verdict, JB_AUDIT_FAIL);
        assert_true(a.rows[i].lower > 1.1 && a.rows[i].observed > 4 && a.rows[i].observed < 5.1);
        assert_non_null(strstr(a.rows[i].words, "are kept from query to query"));
    }
    assert_int_equal(a.verdict, JB_AUDIT_FAIL);
    jb_audit_free(&a);
    place_close(&p);
}

// The limit is what decides: a cache of 15 % fails at 10 % and passes at 30 %; and where the noise is wider than the distance to the limit, nothing is decided.
static void the_limit(void **state)
{
    (void)state;
    static const struct { double limit, jitter; enum jb_audit_verdict verdict; } CASES[] = { { 0.1, 0.01, JB_AUDIT_FAIL }, { 0.3, 0.01, JB_AUDIT_PASS }, { 0.15, 0.4, JB_AUDIT_INCONCLUSIVE } };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct place p;
        struct jb_audit a = { 0 };
        place_open(&p, &(struct memo){ .new_ns = 11500, .same_ns = 10000, .jitter = CASES[i].jitter });
        audit(&p, CASES[i].limit, &a);
        if (a.rows[0].verdict != CASES[i].verdict) fail_msg("limit %g: %s: %s", CASES[i].limit, jb_audit_verdict_name(a.rows[0].verdict), a.rows[0].words);
        jb_audit_free(&a);
        place_close(&p);
    }
}

// ---- the command: its exit code ----

static int command(const char *path, const char *limit)
{
    struct cli c;
    char *argv[] = { "joulebench", "audit", "cache", "--pairs", "10", "--limit", (char *)limit, (char *)path, NULL };
    cli_open(&c);
    return cli_close(&c, cli_dispatch(&c, 8, argv));
}

static void exit_codes(void **state)
{
    (void)state;
    struct place p;
    char path[200];
    place_open(&p, NULL);
    snprintf(path, sizeof path, "%s/plan.json", p.dir);
    place_write(path, place_plan);
    memo = (struct memo){ .new_ns = 10000, .same_ns = 2000, .jitter = 0.02, .clock = &p.clock };
    assert_int_equal(command(path, "0.1"), JB_EXIT_GATE_FAILED);
    memo.same_ns = memo.new_ns;
    assert_int_equal(command(path, "0.1"), JB_EXIT_OK);
    memo.jitter = 0.5; // honest, but nothing as small as 2 % can be told
    assert_int_equal(command(path, "0.02"), JB_EXIT_INCONCLUSIVE);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(honest), cmocka_unit_test(a_model_that_remembers), cmocka_unit_test(the_limit), cmocka_unit_test(exit_codes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
