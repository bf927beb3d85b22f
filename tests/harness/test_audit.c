// Audits: an honest run passes, a changed one fails, an empty one is nothing.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "harness/audit.h"
#include "tests/harness/bench.h"

static void outputs(void **state)
{
    (void)state;
    struct bench b;
    struct jb_audit a = { 0 };
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    size_t n;
    bench_open(&b);
    assert_int_not_equal(jb_audit_outputs(b.dir, &a, &err), 0); // no run at all
    if (bench_sweep(&b, bench_plan, &r, &err)) fail_msg("%s", err.detail);
    if (jb_audit_outputs(b.out, &a, &err)) fail_msg("%s", err.detail);
    assert_int_equal(a.verdict, JB_AUDIT_PASS);
    uint64_t rows = 0;
    for (size_t i = 0; i < r->n_cells; i++) rows += r->cells[i].n_queries;
    assert_true(a.looked_at == rows && rows > 0);
    jb_audit_free(&a);
    char path[300];
    snprintf(path, sizeof path, "%s/raw/%s.blocks", b.out, r->cells[0].id);
    char *bytes = bench_read(path, &n);
    bytes[n - 1] ^= 1; // one bit of one block
    bench_write(path, bytes, n);
    free(bytes);
    if (jb_audit_outputs(b.out, &a, &err)) fail_msg("%s", err.detail);
    assert_int_equal(a.verdict, JB_AUDIT_FAIL);
    jb_audit_free(&a);
    jb_result_close(r);
    bench_close(&b);
}

static void nothing_is_no_pass(void **state)
{
    (void)state;
    struct bench b;
    struct jb_audit a = { 0 };
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    b.stop = 1; // ended before anything was measured
    (void)bench_sweep(&b, bench_plan, &r, &err);
    if (!jb_audit_outputs(b.out, &a, &err)) assert_int_equal(a.verdict, JB_AUDIT_NOTHING);
    jb_audit_free(&a);
    jb_result_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(outputs), cmocka_unit_test(nothing_is_no_pass) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
