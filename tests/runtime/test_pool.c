// The team of threads: everyone runs, barriers hold, sums come out, with spinning and with sleeping; opening that fails leaves nothing. jb:threads
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/pool.h"

#define ROUNDS 300

struct work { struct jb_team *team; uint32_t value[JB_TEAM_MAX], seen[JB_TEAM_MAX]; uint32_t rounds; int doze; };

// Each writes its own number, and behind a barrier reads its neighbour's: not behind it, the sanitizer would see the race.
static void step(void *self, uint32_t thread)
{
    struct work *w = self;
    uint32_t n = jb_team_size(w->team);
    for (uint32_t i = 0; i < w->rounds; i++) {
        if (w->doze && thread == i % n)
            nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL); // the others' patience ends: they sleep
        w->value[thread] = i * n + thread;
        jb_team_barrier(w->team);
        w->seen[thread] += w->value[(thread + 1) % n] - i * n;
        jb_team_barrier(w->team);
    }
}

static void run(uint32_t n, int doze, const uint32_t *cpus, uint32_t n_cpus)
{
    struct work w = { .rounds = doze ? 10 : ROUNDS, .doze = doze };
    struct jb_err err = { 0 };
    if (jb_team_open(&w.team, n, cpus, n_cpus, &err))
        fail_msg("%s", err.detail);
    for (int i = 0; i < 5; i++) {
        jb_team_run(w.team, step, &w);
        for (uint32_t t = 0; t < n; t++)
            assert_int_equal(w.seen[t], ((uint32_t)i + 1) * w.rounds * ((t + 1) % n));
    }
    jb_team_close(w.team);
}

static void test_runs(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 5; n++) {
        run(n, 0, NULL, 0);
        run(n, 1, NULL, 0);
    }
}

static void test_idle_close(void **state)
{
    struct jb_team *t;
    (void)state;
    for (int i = 0; i < 20; i++) { // closed before, while and after workers fall asleep
        assert_int_equal(jb_team_open(&t, 4, NULL, 0, NULL), 0);
        nanosleep(&(struct timespec){ .tv_nsec = i * 20000 }, NULL);
        jb_team_close(t);
    }
    jb_team_close(NULL);
}

static uint32_t first_cpu(void)
{
    cpu_set_t set;
    uint32_t i = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    while (!CPU_ISSET(i, &set))
        i++;
    return i;
}

static void where(void *self, uint32_t thread)
{
    ((struct work *)self)->value[thread] = (uint32_t)sched_getcpu();
}

static void test_bound(void **state)
{
    uint32_t cpu = first_cpu();
    struct work w = { .rounds = 0 };
    struct jb_err err = { 0 };
    cpu_set_t before, after;
    (void)state;
    run(3, 0, &cpu, 1);
    sched_getaffinity(0, sizeof before, &before);
    if (jb_team_open(&w.team, 3, &cpu, 1, &err))
        fail_msg("%s", err.detail);
    jb_team_run(w.team, where, &w);
    jb_team_close(w.team);
    assert_int_equal(w.value[1], cpu);
    assert_int_equal(w.value[2], cpu);
    sched_getaffinity(0, sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after)); // the caller's is its own
}

static void test_refused(void **state)
{
    struct jb_team *t = NULL;
    struct jb_err err = { 0 };
    const uint32_t beyond[] = { first_cpu(), first_cpu(), 1000000 }, absent[] = { first_cpu(), first_cpu(), CPU_SETSIZE - 1 };
    (void)state;
    assert_int_equal(jb_team_open(&t, 0, NULL, 0, &err), JB_E_RANGE);
    assert_int_equal(jb_team_open(&t, JB_TEAM_MAX + 1, NULL, 0, &err), JB_E_RANGE);
    assert_int_equal(jb_team_open(&t, 3, beyond, 3, &err), JB_E_RANGE); // one is started by then
    assert_non_null(strstr(err.detail, "CPU 1000000"));
    assert_int_equal(jb_team_open(&t, 3, absent, 3, &err), JB_E_UNAVAILABLE);
    assert_null(t);
}

static void test_share(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 50; n++)
        for (uint32_t threads = 1; threads < 9; threads++) {
            uint32_t at = 0, begin, end;
            for (uint32_t t = 0; t < threads; t++) {
                jb_team_share(n, t, threads, &begin, &end);
                assert_true(begin == at && end >= begin && end - begin <= n / threads + 1);
                at = end;
            }
            assert_int_equal(at, n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_runs), cmocka_unit_test(test_idle_close), cmocka_unit_test(test_bound), cmocka_unit_test(test_refused), cmocka_unit_test(test_share) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
