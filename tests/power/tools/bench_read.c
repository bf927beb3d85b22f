// What reading energy costs: nanoseconds per read of the cover, and the sampler's share of a CPU. For docs/measuring-energy.md.
//
//   bench_read [--root DIR] [--source NAME] [--reads N] [--seconds S]      defaults: the system's counters, auto, 20000 reads, 21 s (two of the sampler's)
//
// Prints median and 99th percentile of reading every channel once (jb_meter_poll, lock and arithmetic included), of a window's begin and end without a pause
// between (that is the waiting for edges), and the sampler's reads, CPU time and share over S seconds at its own period.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "power/power.h"

#define WINDOWS 200

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *what, double *ns, size_t n)
{
    qsort(ns, n, sizeof *ns, by_value);
    printf("%-14s median %10.0f ns   p99 %10.0f ns   (n = %zu)\n", what, ns[n / 2], ns[n * 99 / 100], n);
}

static uint64_t now_ns(const struct jb_clock *c) { return c->now_ns(c->self); }

int main(int argc, char **argv)
{
    struct jb_power_opts o = {0};
    size_t reads = 20000;
    double seconds = 21;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value && strcmp(argv[i], "--root") == 0) o.root = value;
        else if (value && strcmp(argv[i], "--source") == 0) o.source = value;
        else if (value && strcmp(argv[i], "--reads") == 0) reads = (size_t)strtoull(value, NULL, 10);
        else if (value && strcmp(argv[i], "--seconds") == 0) seconds = strtod(value, NULL);
        else {
            fputs("usage: bench_read [--root DIR] [--source NAME] [--reads N] [--seconds S]\n", stderr);
            return 1;
        }
    }
    struct jb_clock clock = jb_clock_monotonic();
    struct jb_meter *m;
    struct jb_err err = {0};
    double *ns = calloc(reads + WINDOWS + 1, sizeof *ns);
    if (!ns || jb_meter_open(&m, &o, &err)) {
        fprintf(stderr, "bench_read: %s\n", err.detail);
        return 1;
    }
    struct jb_meter_facts f;
    jb_meter_facts(m, &f);
    printf("source %s, %zu channels, sums %s, root %s\n", f.source, jb_meter_n_channels(m), f.domains, f.root);
    printf("cover alone    median %10.0f ns   (at start-up, without the meter)\n", f.read_ns);
    for (size_t i = 0; i < reads; i++) {
        uint64_t before = now_ns(&clock);
        jb_meter_poll(m);
        ns[i] = (double)(now_ns(&clock) - before);
    }
    if (reads) show("all channels", ns, reads);
    for (size_t i = 0; i < WINDOWS; i++) {
        struct jb_window w;
        uint64_t before = now_ns(&clock);
        (void)jb_meter_begin(m, &w);
        (void)jb_meter_end(m, &w);
        ns[i] = (double)(now_ns(&clock) - before);
    }
    show("begin and end", ns, WINDOWS);
    jb_meter_close(m);
    if (jb_meter_open(&m, &o, &err)) return 1; // anew: a sampler that has the machine to itself
    if (seconds > 0) clock.sleep_ns(clock.self, (uint64_t)(seconds * 1e9));
    struct jb_sampler_stats s;
    jb_meter_sampler(m, &s);
    printf("sampler        every %.3f ms, %llu reads, %.3f ms of CPU in %.3f s: %.5f %% of one CPU\n", (double)s.period_ns * 1e-6, (unsigned long long)s.reads, (double)s.cpu_ns * 1e-6,
           (double)s.wall_ns * 1e-9, 100 * s.share);
    jb_meter_close(m);
    free(ns);
    return 0;
}
