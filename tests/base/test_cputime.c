// CPU time: the parser of /proc/stat, the arithmetic of a span, and this machine.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cputime.h"
#include "base/rng.h"

#define TICK 10000000u

static bool parse(const char *text, struct jb_cputime *out)
{
    return jb_cputime_parse(text, strlen(text), 100, out);
}

static const char two_cpus[] = "cpu  100 20 30 4000 500 6 7 80 90 10\ncpu0 60 10 20 2000 250 3 4 40 45 5\ncpu1 40 10 10 2000 250 3 3 40 45 5\nintr 7143551 0 0\nctxt 5\n";

static void sums_what_is_busy(void **state)
{
    (void)state;
    struct jb_cputime t = {0};
    assert_true(parse(two_cpus, &t));
    assert_int_equal(t.busy_ns, (100 + 20 + 30 + 6 + 7) * (uint64_t)TICK); // no idle, no iowait, and guest (90, 10) not twice
    assert_int_equal(t.steal_ns, 80 * (uint64_t)TICK);
    assert_int_equal(t.n_cpus, 2);
    assert_true(parse("cpu 1 2 3 4 5 6 7 8\ncpu3 1 2 3 4 5 6 7 8\n", &t)); // kernels before guest; one CPU on line
    assert_int_equal(t.n_cpus, 1);
    assert_true(parse("cpu  1 2 3 4 5 6 7 8 9 10 11 12\ncpu0 1 2 3 4 5 6 7 8 9 10 11 12\n", &t)); // kernels to come
    assert_int_equal(t.busy_ns, 19 * (uint64_t)TICK);
    static const char one_tick[] = "cpu 1 0 0 0 0 0 0 0\ncpu0 1 0 0 0 0 0 0 0\n";
    assert_true(jb_cputime_parse(one_tick, strlen(one_tick), 1024, &t)); // a tick that is no whole number of ns
    assert_int_equal(t.busy_ns, 976562);
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "c", "cpu", "cpu\n", "intr 1\n", "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\n", "cpu  1 2 3 4 5 6 7 8", "cpu  1 2 3 4 5 6 7 8\n", "cpu  1 2 3 4 5 6 7 8\nintr 1\n",
        "cpu  1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8", "cpu  1 2 3 4 5 6 7 8\ncpu1 1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n", "cpu  1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n",
        "cpu  1 2 3 4 5 6 7 x\ncpu0 1 2 3 4 5 6 7 8\n", "cpu  -1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n", "cpu  1 2 3 4 5 6 7 8 \ncpu0 1 2 3 4 5 6 7 8\n", "cpu  1\t2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n",
        "cpu  18446744073709551616 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n", "cpu  18446744073709551615 1 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n", // 2^64, and a sum beyond it
        "cpu  9000000000000000000 1 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n", // more ns than 64 bits hold
        "cpu  1 2 3 4 5 6 7 8\ncpu99999 1 2 3 4 5 6 7 8\n", "cpu  1 2 3 4 5 6 7 8\ncpux 1 2 3 4 5 6 7 8\n", "cpu0 1 2 3 4 5 6 7 8\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jb_cputime t = {.busy_ns = 77, .n_cpus = 7};
        if (parse(bad[i], &t) || t.busy_ns != 77 || t.n_cpus != 7) fail_msg("case %zu was taken", i);
    }
    struct jb_cputime t;
    assert_false(jb_cputime_parse(two_cpus, strlen(two_cpus), 0, &t));
}

// Damaged in every way: an answer or none, never a byte too far.
static void damaged_texts(void **state)
{
    (void)state;
    static const char odd[] = "0123456789 \n-cpu\0\xff";
    struct jb_rng rng;
    jb_rng_seed(&rng, 4);
    int taken = 0;
    for (int trial = 0; trial < 50000; trial++) {
        size_t n = jb_rng_below(&rng, 2) ? strlen(two_cpus) : jb_rng_below(&rng, strlen(two_cpus));
        char *text = malloc(n ? n : 1);
        assert_non_null(text);
        memcpy(text, two_cpus, n);
        for (uint64_t k = jb_rng_below(&rng, 3); k > 0 && n; k--) text[jb_rng_below(&rng, n)] = odd[jb_rng_below(&rng, sizeof odd)];
        struct jb_cputime t;
        taken += jb_cputime_parse(text, n, 100, &t);
        free(text);
    }
    assert_true(taken > 1000 && taken < 49000);
}

static void spans(void **state)
{
    (void)state;
    const uint64_t s = 1000000000;
    struct jb_cputime a = {.wall_ns = 5 * s, .busy_ns = 100 * s, .own_ns = s, .steal_ns = s, .n_cpus = 2, .known = true};
    struct jb_cputime b = {.wall_ns = 15 * s, .busy_ns = 108 * s, .own_ns = 4 * s, .steal_ns = s, .n_cpus = 2, .known = true};
    struct jb_cputime_span d;
    jb_cputime_between_ticks(&a, &b, TICK, &d);
    assert_true(d.known);
    assert_int_equal(d.wall_ns, 10 * s);
    assert_int_equal(d.own_ns, 3 * s);
    assert_int_equal(d.others_ns, 5 * s);
    assert_int_equal(d.others_least_ns, 5 * s - 9 * (uint64_t)TICK); // two CPUs at both ends, five fields
    assert_true(fabs(d.share - 0.25) < 1e-12 && d.share_least < d.share && d.share_least > 0.24);
    b.busy_ns = 102 * s; // less than our own time: rounding
    jb_cputime_between_ticks(&a, &b, TICK, &d);
    assert_true(d.known && d.others_ns == 0 && d.others_least_ns == 0 && d.share == 0);
    b.busy_ns = 103 * s + 9 * (uint64_t)TICK; // no more than ticks can make
    jb_cputime_between_ticks(&a, &b, TICK, &d);
    assert_true(d.others_ns == 9 * (uint64_t)TICK && d.others_least_ns == 0);
    b.n_cpus = 1; // one went off line: the wider bound holds
    b.busy_ns = 113 * s;
    jb_cputime_between_ticks(&a, &b, TICK, &d);
    assert_true(d.known && d.others_least_ns == 10 * s - 9 * (uint64_t)TICK && fabs(d.share - 0.5) < 1e-12);
    b.busy_ns = 99 * s;
    jb_cputime_between_ticks(&a, &b, TICK, &d);
    assert_true(!d.known && isnan(d.share) && isnan(d.share_least) && d.wall_ns == 10 * s);
    b = a;
    jb_cputime_between_ticks(&a, &b, TICK, &d); // no time: no share
    assert_true(d.known && isnan(d.share) && d.others_ns == 0);
    b.known = false;
    jb_cputime_between(&a, &b, &d);
    assert_true(!d.known && isnan(d.share));
}

static void burn(uint64_t ns)
{
    struct jb_cputime start, now;
    jb_cputime_now(&start);
    do jb_cputime_now(&now);
    while (now.own_ns - start.own_ns < ns);
}

// What this process and a child that it waited for burn is theirs, not the others'.
static void this_machine(void **state)
{
    (void)state;
    struct jb_cputime a, b, c;
    struct jb_cputime_span d;
    jb_cputime_now(&a);
    if (!a.known) skip(); // no /proc
    assert_true(a.n_cpus >= 1 && a.busy_ns > 0 && a.own_ns > 0);
    burn(30000000);
    jb_cputime_now(&b);
    jb_cputime_between(&a, &b, &d);
    assert_true(d.known && d.own_ns >= 30000000 && d.own_ns <= d.wall_ns * a.n_cpus + 1000000);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        burn(30000000);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    jb_cputime_now(&c);
    jb_cputime_between(&b, &c, &d);
    assert_true(d.known && d.own_ns >= 29000000);
    assert_true(d.share_least <= d.share && d.share <= 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_what_is_busy), cmocka_unit_test(refuses_the_rest), cmocka_unit_test(damaged_texts), cmocka_unit_test(spans), cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests_name("cputime", tests, NULL, NULL);
}
