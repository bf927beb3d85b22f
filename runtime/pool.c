// One barrier serves for everything: workers wait at it between two runs, and the caller's arrival lets them go.
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/mem.h"
#include "runtime/pool.h"

#define SPIN_NS 50000u
#define PAUSES_A_LOOK 16 // at the clock

struct member { struct jb_team *team; uint32_t number; pthread_t thread; };

struct jb_team {
    // Each on a cache line of its own: the first is written once a barrier and read by all who spin.
    _Alignas(64) atomic_uint round;    // barriers passed
    _Alignas(64) atomic_uint arrived;  // at the present one
    atomic_uint sleepers;
    _Alignas(64) uint32_t n, n_started;
    uint64_t spin_ns;
    jb_team_fn fn;                     // of this run; NULL: the end
    void *self;
    struct jb_clock clock;
    struct member members[JB_TEAM_MAX];
};

static void pause_cpu(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

static void sleep_while(struct jb_team *t, uint32_t round)
{
    // The sleeper counts itself before the kernel compares the round; who passes the barrier changes the round before it looks at the count. So one of them sees the other.
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(&t->round) == round)
        syscall(SYS_futex, &t->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
    atomic_fetch_sub(&t->sleepers, 1);
}

static void wait_while(struct jb_team *t, uint32_t round)
{
    uint64_t start_ns = t->spin_ns ? t->clock.now_ns(t->clock.self) : 0;
    while (t->spin_ns) {
        for (int i = 0; i < PAUSES_A_LOOK; i++) {
            if (atomic_load_explicit(&t->round, memory_order_acquire) != round)
                return;
            pause_cpu();
        }
        if (t->clock.now_ns(t->clock.self) - start_ns > t->spin_ns)
            break;
    }
    sleep_while(t, round);
}

void jb_team_barrier(struct jb_team *t)
{
    if (t->n == 1)
        return;
    uint32_t round = atomic_load_explicit(&t->round, memory_order_relaxed); // cannot change before this thread arrives
    if (atomic_fetch_add(&t->arrived, 1) + 1 < t->n) {
        wait_while(t, round);
        return;
    }
    atomic_store_explicit(&t->arrived, 0, memory_order_relaxed); // the others are still here: nobody adds to it before the next line
    atomic_store(&t->round, round + 1);
    if (atomic_load(&t->sleepers))
        syscall(SYS_futex, &t->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void jb_team_run(struct jb_team *t, jb_team_fn fn, void *self)
{
    t->fn = fn;
    t->self = self;
    jb_team_barrier(t);
    fn(self, 0);
    jb_team_barrier(t);
}

static void *work(void *arg)
{
    struct member *me = arg;
    struct jb_team *t = me->team;
    for (;;) {
        jb_team_barrier(t);
        if (!t->fn)
            return NULL;
        t->fn(t->self, me->number);
        jb_team_barrier(t);
    }
}

// Signals are the caller's thread's: a worker that took one would only delay it.
static int start(struct jb_team *t, uint32_t i, const uint32_t *cpus, uint32_t n_cpus, struct jb_err *err)
{
    struct member *m = &t->members[i];
    pthread_attr_t attr;
    sigset_t all, old;
    cpu_set_t set;
    uint32_t cpu = cpus ? cpus[i % n_cpus] : 0;
    if (cpu >= CPU_SETSIZE)
        return jb_fail(err, JB_E_RANGE, "CPU %u (0 to %d can be)", cpu, CPU_SETSIZE - 1);
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    int rc = pthread_attr_init(&attr);
    if (rc)
        return jb_fail_errno(err, JB_E_NOMEM, rc, "no thread %u for a session", i);
    if (cpus)
        rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
    *m = (struct member){ .team = t, .number = i };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (!rc)
        rc = pthread_create(&m->thread, &attr, work, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc && cpus)
        return jb_fail_errno(err, JB_E_UNAVAILABLE, rc, "no thread %u for a session on CPU %u", i, cpu);
    return rc ? jb_fail_errno(err, JB_E_UNAVAILABLE, rc, "no thread %u for a session", i) : JB_OK;
}

static uint32_t usable_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : JB_TEAM_MAX; // more CPUs than the set has room for
}

// When not all could be started, those that were stand at a barrier for t->n: this thread arrives for the missing ones, too.
static void stop(struct jb_team *t)
{
    t->fn = NULL;
    atomic_fetch_add(&t->arrived, t->n - t->n_started); // before our own arrival, so that the last to come still opens the barrier
    if (t->n_started > 1)
        jb_team_barrier(t);
    for (uint32_t i = 1; i < t->n_started; i++)
        pthread_join(t->members[i].thread, NULL);
}

int jb_team_open(struct jb_team **out, uint32_t n, const uint32_t *cpus, uint32_t n_cpus, struct jb_err *err)
{
    if (n < 1 || n > JB_TEAM_MAX)
        return jb_fail(err, JB_E_RANGE, "%u threads in one session (1 to %d can be)", n, JB_TEAM_MAX);
    struct jb_team *t = jb_aligned_zeroed(sizeof *t);
    if (!t)
        return jb_fail(err, JB_E_NOMEM, "no memory for the threads of a session");
    t->n = n;
    t->n_started = 1;
    t->clock = jb_clock_monotonic();
    t->spin_ns = n <= usable_cpus() ? SPIN_NS : 0;
    int rc = JB_OK;
    for (uint32_t i = 1; i < n && !rc; i++) {
        rc = start(t, i, n_cpus ? cpus : NULL, n_cpus, err);
        t->n_started += !rc;
    }
    if (rc) {
        jb_team_close(t);
        return rc;
    }
    *out = t;
    return JB_OK;
}

void jb_team_close(struct jb_team *t)
{
    if (!t)
        return;
    stop(t);
    free(t);
}

uint32_t jb_team_size(const struct jb_team *t)
{
    return t->n;
}
