// The sampler: keeps every counter's sum complete on long windows. It sleeps nearly always; its own CPU time is reported.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "power/meter_data.h"

static uint64_t thread_cpu_ns(pthread_t thread)
{
    clockid_t id;
    struct timespec t;
    if (pthread_getcpuclockid(thread, &id) != 0 || clock_gettime(id, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct timespec later(uint64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t sum = (uint64_t)t.tv_nsec + ns;
    t.tv_sec += (time_t)(sum / 1000000000u);
    t.tv_nsec = (long)(sum % 1000000000u);
    return t;
}

static void *run(void *arg)
{
    struct jb_meter *m = arg;
    struct jb_sampler *s = &m->sampler;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct timespec until = later(s->period_ns);
        int rc = 0;
        while (!s->stop && rc == 0) rc = pthread_cond_timedwait(&s->wake, &s->lock, &until);
        if (s->stop) break;
        pthread_mutex_unlock(&s->lock);
        pthread_mutex_lock(&m->lock);
        jb_meter_read_all(m);
        pthread_mutex_unlock(&m->lock);
        pthread_mutex_lock(&s->lock);
        s->reads++;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

// The highest CPU of `allowed` that is not in "0-3,8"; -1: there is none.
static int highest_outside(const char *measured, cpu_set_t allowed)
{
    for (const char *p = measured; *p;) {
        char *end;
        unsigned long from = strtoul(p, &end, 10), to = from;
        if (end == p) return -1;
        if (*end == '-') to = strtoul(end + 1, &end, 10);
        for (unsigned long c = from; c <= to && c < CPU_SETSIZE; c++) CPU_CLR(c, &allowed);
        if (*end != ',') break;
        p = end + 1;
    }
    for (int c = CPU_SETSIZE - 1; c >= 0; c--)
        if (CPU_ISSET(c, &allowed)) return c;
    return -1;
}

// First among those that this process is bound to. If these are just the measured ones (taskset), among all: a thread may leave them, unless a cpuset forbids it.
static int cpu_outside(const char *measured)
{
    cpu_set_t bound, all;
    if (!measured || sched_getaffinity(0, sizeof bound, &bound) != 0) return -1;
    int cpu = highest_outside(measured, bound);
    if (cpu >= 0) return cpu;
    CPU_ZERO(&all);
    for (long c = sysconf(_SC_NPROCESSORS_CONF) - 1; c >= 0; c--) CPU_SET((size_t)c, &all);
    return highest_outside(measured, all);
}

static int make_condition(struct jb_sampler *s)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) return JB_E_NOMEM;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    return rc ? JB_E_NOMEM : JB_OK;
}

int jb_sampler_start(struct jb_meter *m, uint64_t period_ns, const char *measured_cpus)
{
    struct jb_sampler *s = &m->sampler;
    s->period_ns = period_ns;
    s->cpu = -1;
    s->start_ns = m->clock.now_ns(m->clock.self);
    if (make_condition(s)) return JB_E_NOMEM;
    pthread_mutex_init(&s->lock, NULL);
    sigset_t all, before; // signals are for the threads of the caller
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int made = pthread_create(&s->thread, NULL, run, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (made != 0) {
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->wake);
        return JB_E_NOMEM;
    }
    s->running = true;
    int cpu = cpu_outside(measured_cpus);
    if (cpu >= 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (pthread_setaffinity_np(s->thread, sizeof one, &one) == 0) s->cpu = cpu;
    }
    return JB_OK;
}

void jb_sampler_stop(struct jb_meter *m)
{
    struct jb_sampler *s = &m->sampler;
    if (!s->running) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    s->running = false;
}

void jb_meter_sampler(const struct jb_meter *m, struct jb_sampler_stats *out)
{
    struct jb_sampler *s = &((struct jb_meter *)m)->sampler; // the lock is not part of what a reader sees
    *out = (struct jb_sampler_stats){.cpu = -1};
    if (!s->running) return;
    pthread_mutex_lock(&s->lock);
    out->reads = s->reads;
    pthread_mutex_unlock(&s->lock);
    out->cpu_ns = thread_cpu_ns(s->thread);
    out->wall_ns = m->clock.now_ns(m->clock.self) - s->start_ns;
    out->period_ns = s->period_ns;
    out->cpu = s->cpu;
    out->share = out->wall_ns ? (double)out->cpu_ns / (double)out->wall_ns : 0;
}
