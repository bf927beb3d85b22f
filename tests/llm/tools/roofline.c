// What this machine can do at most in the two things a language model lives on: bytes read from memory, and int8 multiply-accumulates.
//
//   roofline [--threads N] [--mb MB] [--seconds S]      defaults: 1, 100, 1
//
// Each thread, pinned to a CPU of its own (the first N this process may use), reads its share of a buffer of MB million bytes over and over, in 1, 2, 4 and 8 streams side by side, and
// then runs the multiply-accumulate loop of this CPU's highest int8 tier from registers. One line of JSON: {"threads", "mb", "tier", "read_gb_per_s", "streams", "ops_per_s"}: the fastest
// round, as befits a limit, of all threads together (it lasts from the first start to the last end). Two operations to a multiply-accumulate.
// jb:threads
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "base/cpu.h"
#include "base/stats.h"
#include "kernels/table.h"

#define MOST_THREADS 64
#define MOST_ROUNDS 4096
#define PEAK_ITERATIONS 2000000u
#define HUGE_PAGE ((size_t)2 << 20)
#define LINES 8u // cache lines of a step

struct job { // one round of all threads
    uint32_t n;
    const struct jb_peak_row *peak; // NULL: read
    const char *data;
    size_t bytes, streams;
    pthread_barrier_t begin, end;
    int cpu[MOST_THREADS];
    double ops[MOST_THREADS];
    uint64_t sum[MOST_THREADS];     // of what was read, so that it is
    int stop;
};
struct worker { struct job *job; uint32_t i; };

typedef uint64_t vector __attribute__((vector_size(64), may_alias));

// Whole cache lines of several streams side by side: memory gives more to some than to one. Enough sums that nothing but the reads takes time.
__attribute__((always_inline)) static inline uint64_t read_streams(const char *data, size_t bytes, size_t streams)
{
    const vector *v = (const vector *)data;
    vector sum[LINES] = { 0 };
    uint64_t all = 0;
    size_t run = LINES / streams, n = bytes / sizeof *v / streams / LINES * LINES;
    for (size_t i = 0; i < n; i += run)
        for (size_t k = 0; k < streams; k++)
            for (size_t j = 0; j < run; j++)
                sum[k * run + j] += v[k * n + i + j];
    for (size_t k = 0; k < LINES; k++)
        for (size_t j = 0; j < 8; j++)
            all += sum[k][j];
    return all;
}

static const size_t patterns[] = { 1, 2, 4, 8 }; // streams

#ifdef __x86_64__
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static uint64_t read_all(const char *data, size_t bytes, size_t streams)
{
    switch (streams) { // a loop of its own for each
    case 1: return read_streams(data, bytes, 1);
    case 2: return read_streams(data, bytes, 2);
    case 4: return read_streams(data, bytes, 4);
    default: return read_streams(data, bytes, 8);
    }
}

static void *work(void *user)
{
    struct worker *w = user;
    struct job *job = w->job;
    size_t share = job->bytes / job->n / 4096 * 4096;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)job->cpu[w->i], &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    for (;;) {
        pthread_barrier_wait(&job->begin);
        if (job->stop)
            return NULL;
        if (job->peak)
            job->ops[w->i] = job->peak->run(PEAK_ITERATIONS);
        else
            job->sum[w->i] += read_all(job->data + share * w->i, share, job->streams);
        pthread_barrier_wait(&job->end);
    }
}

// Rounds until the seconds are over; their rates, sorted. Returns how many. `work` of a round: bytes or operations of all threads.
static size_t measure(struct job *job, double seconds, double *rate)
{
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t until = clock.now_ns(clock.self) + (uint64_t)(seconds * 1e9), began = 0;
    size_t n = 0;
    for (int warm = 1; n < MOST_ROUNDS && (n < 3 || began < until); warm = 0) {
        double done = (double)(job->bytes / job->n / 4096 * 4096 * job->n);
        began = clock.now_ns(clock.self);
        pthread_barrier_wait(&job->begin);
        pthread_barrier_wait(&job->end);
        double took = (double)(clock.now_ns(clock.self) - began) * 1e-9;
        for (uint32_t i = 0; job->peak && i < job->n; i++)
            done = i ? done + job->ops[i] : job->ops[i];
        if (!warm)
            rate[n++] = done / took;
    }
    jb_sort_f64(rate, n);
    return n;
}

static const struct jb_peak_row *best_int8(void)
{
    const struct jb_peak_row *best = NULL;
    uint32_t have = jb_cpu_detect();
    for (size_t i = 0; i < jb_peak_n_rows; i++)
        if (jb_peak_rows[i].peak == JB_PEAK_U8 && (jb_peak_rows[i].bits & ~have) == 0 && (!best || jb_peak_rows[i].bits >= best->bits))
            best = &jb_peak_rows[i];
    return best;
}

static int usage(void)
{
    fprintf(stderr, "usage: roofline [--threads N] [--mb MB] [--seconds S]\n");
    return 1;
}

static int run(uint32_t n, size_t mb, double seconds)
{
    static struct job job;
    static double rate[MOST_ROUNDS];
    struct worker worker[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    const struct jb_peak_row *peak = best_int8();
    cpu_set_t mine;
    size_t room = (mb * 1000000 + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    char *data = aligned_alloc(HUGE_PAGE, room);
    if (!data || !peak || sched_getaffinity(0, sizeof mine, &mine) || (uint32_t)CPU_COUNT(&mine) < n) {
        fprintf(stderr, "roofline: no memory, or fewer than %u CPUs\n", n);
        free(data);
        return 4;
    }
    job = (struct job){ .n = n, .data = data, .bytes = mb * 1000000 / 4096 * 4096 };
    madvise(data, room, MADV_HUGEPAGE); // fewer walks of page tables where the kernel has it
    memset(data, 1, room);
    for (uint32_t i = 0, cpu = 0; i < n; cpu++)
        if (CPU_ISSET(cpu, &mine))
            job.cpu[i++] = (int)cpu;
    pthread_barrier_init(&job.begin, NULL, n + 1);
    pthread_barrier_init(&job.end, NULL, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        worker[i] = (struct worker){ &job, i };
        if (pthread_create(&thread[i], NULL, work, &worker[i])) {
            fprintf(stderr, "roofline: no thread\n");
            exit(4);
        }
    }
    double read = 0;
    size_t streams = 0;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        job.streams = patterns[i];
        size_t rounds = measure(&job, seconds / 4, rate);
        if (rate[rounds - 1] > read)
            read = rate[rounds - 1], streams = patterns[i];
    }
    job.peak = peak;
    size_t rounds = measure(&job, seconds / 4, rate);
    printf("{\"threads\": %u, \"mb\": %zu, \"tier\": \"%s\", \"read_gb_per_s\": %.3f, \"streams\": %zu, \"ops_per_s\": %.6g}\n", n, mb, peak->tier, read * 1e-9, streams, rate[rounds - 1]);
    job.stop = 1;
    pthread_barrier_wait(&job.begin);
    for (uint32_t i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    long threads = 1, mb = 100;
    double seconds = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0) threads = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--mb") == 0) mb = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0) seconds = strtod(argv[i + 1], NULL);
        else return usage();
    }
    if (argc % 2 == 0 || threads < 1 || threads > MOST_THREADS || mb < 1 || mb > 100000 || !(seconds > 0 && seconds <= 600))
        return usage();
    return run((uint32_t)threads, (size_t)mb, seconds);
}
