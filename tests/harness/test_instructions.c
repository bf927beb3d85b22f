// Counts of instructions: what callgrind says, what goes wrong with it, and what the CPU can or cannot do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "harness/instructions.h"
#include "tests/harness/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void collected(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_true(jb_instructions_collected("==1== Events    : Ir\n==1== Collected : 307806768\n==1== \n", &v) && v == 307806768);
    assert_true(jb_instructions_collected("==1== Collected : 12 3 4\n", &v) && v == 12);
    assert_true(jb_instructions_collected("Collected : 1,234", &v) && v == 1234);
    const char *const bad[] = {"", "Collected : ", "Collected : x", "Collected : 12x", "Collected : 9999999999999999999", "Collected : ,5", "==1== Events : Ir\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(jb_instructions_collected(bad[i], &v));
}

// A program that stands in for valgrind.
static const char *stand_in(const struct bench *b, const char *script)
{
    const char *path = bench_path(b, "valgrind");
    bench_write(path, script, strlen(script));
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void refused(const struct bench *b, const char *script, const char *why)
{
    struct jb_instructions x;
    char *words[] = {NULL};
    jb_instructions_callgrind(&x, script ? stand_in(b, script) : bench_path(b, "absent"), "/bin/true", words, "f", 10);
    if (!isnan(x.per_query) || !strstr(x.reason, why)) fail_msg("%g, %s; expected: %s", x.per_query, x.reason, why);
}

static void callgrind(void **state)
{
    (void)state;
    struct bench b;
    struct jb_instructions x;
    char first[] = "run", second[] = "a b", *words[] = {first, second, NULL};
    bench_open(&b);
    jb_instructions_callgrind(&x, stand_in(&b, "#!/bin/sh\n[ \"$5\" = prog ] && [ \"$7\" = 'a b' ] && [ $# = 7 ] && [ \"$4\" = --toggle-collect=f ] || exit 9\necho '{\"environment\": {\"kernels\": {\"a\": \"x_avx2\", \"b\": \"y\"}}}'\necho '==1== Collected : 1000' >&2\n"), "prog", words, "f", 96);
    if (isnan(x.per_query)) fail_msg("%s", x.reason);
    assert_true(fabs(x.per_query - 1000.0 / 96) < 1e-12 && x.queries == 96 && !strcmp(x.source, "callgrind") && !x.reason[0]);
    assert_string_equal(x.kernels, "a=x_avx2 b=y");
    refused(&b, NULL, "apt-get install valgrind");
    refused(&b, "#!/bin/sh\necho 'joulebench: no such model' >&2\necho '==1== Collected : 5' >&2\nexit 2\n", "(exit code 2): joulebench: no such model");
    refused(&b, "#!/bin/sh\nkill -9 $$\n", "(signal 9)");
    refused(&b, "#!/bin/sh\nexit 0\n", "did not say");
    refused(&b, "#!/bin/sh\necho '==1== Collected : 0' >&2\n", "stripped");
    bench_close(&b);
}

static int work(void *user)
{
    volatile double x = 1;
    for (int i = 0; i < 100000; i++) x = x * 1.0000001;
    ++*(int *)user;
    return 0;
}

static int failing(void *user)
{
    (void)user;
    return JB_E_IO;
}

// Here or not: a figure that can be right, or a reason; never 0.
static void papi(void **state)
{
    (void)state;
    struct jb_instructions x, again;
    int runs = 0;
    jb_instructions_papi(&x, "ref", 100, work, &runs);
    assert_string_equal(x.source, "papi");
    if (isnan(x.per_query)) {
        assert_true(strlen(x.reason) > 10);
        print_message("no counter: %s\n", x.reason);
        return;
    }
    assert_true(runs == 2 && x.per_query > 1000 && !x.reason[0]); // at least one instruction a turn
    jb_instructions_papi(&again, "ref", 100, work, &runs);
    assert_true(fabs(again.per_query / x.per_query - 1) < 0.01);
    jb_instructions_papi(&x, "ref", 100, failing, NULL);
    assert_true(isnan(x.per_query) && strstr(x.reason, "failed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(collected), cmocka_unit_test(callgrind), cmocka_unit_test(papi)};
    return cmocka_run_group_tests_name("instructions", tests, NULL, NULL);
}
