// The audit of seeds: verdicts that disagree too often make it fail, whether they are injected or come from runs whose machine drifts; honest noise passes.
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

#include "tests/audit/place.h"

// As jb_audit_seeds leaves them: n comparisons, of which the first `wrong` saw a difference.
static struct jb_audit verdicts(size_t n, size_t wrong)
{
    struct jb_audit a = { .rows = calloc(n + 1, sizeof *a.rows), .limit = 0.05 };
    assert_non_null(a.rows);
    for (; a.n < n; a.n++) a.rows[a.n] = (struct jb_audit_row){ .n = 1, .verdict = JB_AUDIT_PASS, .observed = a.n < wrong ? 2 : 0 };
    return a;
}

static void injected(void **state)
{
    (void)state;
    // Chances of so many or more at 5 %: 4 of 10: 0.001; 3 of 10: 0.012; 12 of 100: 0.004; 10 of 100: 0.028.
    static const struct { size_t n, wrong; enum jb_audit_verdict verdict; } CASES[] = {
        { 10, 0, JB_AUDIT_PASS }, { 10, 3, JB_AUDIT_PASS }, { 10, 4, JB_AUDIT_FAIL }, { 10, 10, JB_AUDIT_FAIL }, { 100, 10, JB_AUDIT_PASS }, { 100, 12, JB_AUDIT_FAIL }, { 1, 1, JB_AUDIT_PASS }, { 2, 2, JB_AUDIT_FAIL },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct jb_audit a = verdicts(CASES[i].n, CASES[i].wrong);
        struct jb_err err = { 0 };
        assert_int_equal(jb_audit_judge_seeds(&a, &err), 0);
        assert_int_equal(a.n, CASES[i].n + 1);
        const struct jb_audit_row *all = &a.rows[CASES[i].n];
        if (all->verdict != CASES[i].verdict) fail_msg("%zu of %zu: %s", CASES[i].wrong, CASES[i].n, all->words);
        assert_true(fabs(all->observed - (double)CASES[i].wrong / (double)CASES[i].n) < 1e-12);
        jb_audit_free(&a);
    }
}

// Comparisons of nothing are no evidence: no verdict, never a pass.
static void nothing_compared(void **state)
{
    (void)state;
    struct jb_audit a = verdicts(3, 0);
    struct jb_err err = { 0 };
    for (size_t i = 0; i < a.n; i++) a.rows[i] = (struct jb_audit_row){ .verdict = JB_AUDIT_NOTHING, .observed = NAN };
    assert_int_equal(jb_audit_judge_seeds(&a, &err), 0);
    assert_int_equal(a.rows[3].verdict, JB_AUDIT_NOTHING);
    jb_audit_free(&a);
}

// A run begins by loading its model: from then on everything takes a twentieth longer than in the run before.
static void heats_up(void *user, const struct jb_progress *x)
{
    (void)user;
    if (!strcmp(x->phase, "load")) memo.new_ns = memo.same_ns = memo.new_ns * 21 / 20;
}

static void run(const struct memo *costs, bool drifts, uint32_t n_seeds, struct jb_audit *out)
{
    struct place p;
    struct jb_err err = { 0 };
    char plan[200], dir[200];
    place_open(&p, costs);
    snprintf(plan, sizeof plan, "%s/plan.json", p.dir);
    snprintf(dir, sizeof dir, "%s/seeds", p.dir);
    place_write(plan, place_plan);
    p.o.progress = drifts ? heats_up : NULL;
    if (jb_audit_seeds(plan, NULL, 0, &p.o, dir, n_seeds, out, &err)) fail_msg("%s", err.detail);
    assert_int_equal(out->n, n_seeds / 2 + 1);
    place_close(&p);
}

// Whole sweeps are slow under a sanitizer, and the verdicts are the same ones.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 4
#define DRIFTING 4
#else
#define SEEDS 20
#define DRIFTING 8
#endif

static void honest_noise(void **state)
{
    (void)state;
    struct jb_audit a = { 0 };
    run(&(struct memo){ .new_ns = 10000, .same_ns = 10000, .jitter = 0.05 }, false, SEEDS, &a);
    assert_int_equal(a.verdict, JB_AUDIT_PASS);
    assert_int_equal(a.rows[SEEDS / 2].verdict, JB_AUDIT_PASS);
    assert_int_equal(a.looked_at, SEEDS / 2);
    jb_audit_free(&a);
}

// Each run is slower than the one before, as on a machine that heats up: every comparison sees what its seeds did not cause.
static void a_machine_that_drifts(void **state)
{
    (void)state;
    struct jb_audit a = { 0 };
    run(&(struct memo){ .new_ns = 10000, .same_ns = 10000, .jitter = 0.05 }, true, DRIFTING, &a);
    if (a.verdict != JB_AUDIT_FAIL) fail_msg("%s", a.rows[DRIFTING / 2].words);
    assert_true(a.rows[DRIFTING / 2].observed == 1);
    jb_audit_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(injected), cmocka_unit_test(nothing_compared), cmocka_unit_test(honest_noise), cmocka_unit_test(a_machine_that_drifts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
