#include "base/clock.h"

#include <time.h>

#include "base/stats.h"

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t monotonic_now(void *self)
{
    (void)self;
    return read_ns(CLOCK_MONOTONIC);
}

static void monotonic_sleep(void *self, uint64_t ns)
{
    (void)self;
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

struct jb_clock jb_clock_monotonic(void)
{
    return (struct jb_clock){.now_ns = monotonic_now, .sleep_ns = monotonic_sleep, .self = NULL};
}

uint64_t jb_realtime_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

uint64_t jb_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t fake_now(void *self)
{
    struct jb_fake_clock *state = self;
    uint64_t t = state->t_ns;
    state->t_ns += state->step_ns;
    return t;
}

static void fake_sleep(void *self, uint64_t ns)
{
    struct jb_fake_clock *state = self;
    state->t_ns += ns;
}

struct jb_clock jb_clock_fake(struct jb_fake_clock *state)
{
    return (struct jb_clock){.now_ns = fake_now, .sleep_ns = fake_sleep, .self = state};
}

// A clock that ticks every few milliseconds shows the same value many times over: the limit ends the search on one that stands still.
static uint64_t least_step(const struct jb_clock *clock)
{
    enum { WANTED = 1000, LIMIT = 1000000 };
    uint64_t least = 0, last = clock->now_ns(clock->self);
    for (int seen = 0, i = 0; seen < WANTED && i < LIMIT; i++) {
        uint64_t now = clock->now_ns(clock->self);
        if (now > last) {
            if (least == 0 || now - last < least) least = now - last;
            seen++;
        }
        last = now;
    }
    return least;
}

struct jb_clock_quality jb_clock_measure(const struct jb_clock *clock)
{
    enum { BATCHES = 51, CALLS = 500 };
    double cost[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        uint64_t start = clock->now_ns(clock->self), end = start;
        for (int i = 0; i < CALLS; i++) end = clock->now_ns(clock->self);
        cost[b] = (double)(end - start) / CALLS;
    }
    return (struct jb_clock_quality){.cost_ns = jb_median_f64(cost, BATCHES), .resolution_ns = least_step(clock)};
}

void jb_time_iso8601(uint64_t realtime_ns, char *out)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000u);
    struct tm t = {0};
    gmtime_r(&seconds, &t);
    if (strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &t) == 0) out[0] = '\0';
}
