// proc(5): the first line of /proc/stat sums all CPUs: user nice system idle iowait irq softirq steal guest guest_nice, in ticks of 1/sysconf(_SC_CLK_TCK) s.
// guest is contained in user and guest_nice in nice (kernel/sched/cputime.c, account_guest_time), so neither is added. idle and iowait are not busy; steal is another guest's.
#include "base/cputime.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { N_BUSY = 5, N_FIELDS = 8, MAX_FIELDS = 32, MAX_CPUS = 1 << 16, MAX_BYTES = 1 << 20 };

struct cursor { const char *at, *end; };

static bool digits(struct cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        uint64_t digit = (uint64_t)(*c->at - '0');
        if (v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return c->at > start;
}

static bool blanks(struct cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at == ' ') c->at++;
    return c->at > start;
}

// The numbers up to the newline, which must be there: a line that was cut off tells nothing.
static bool numbers(struct cursor *c, uint64_t field[N_FIELDS])
{
    int n = 0;
    for (; blanks(c); n++) {
        uint64_t v;
        if (n == MAX_FIELDS || !digits(c, &v)) return false;
        if (n < N_FIELDS) field[n] = v;
    }
    return n >= N_FIELDS && c->at < c->end && *c->at++ == '\n';
}

static bool word_cpu(struct cursor *c)
{
    if (c->end - c->at < 3 || memcmp(c->at, "cpu", 3) != 0) return false;
    c->at += 3;
    return true;
}

static bool ticks_to_ns(uint64_t ticks, uint64_t ticks_per_s, uint64_t *ns)
{
    uint64_t s = ticks / ticks_per_s, rest = ticks % ticks_per_s;
    if (s >= UINT64_MAX / 1000000000u) return false;
    *ns = s * 1000000000u + rest * 1000000000u / ticks_per_s;
    return true;
}

// "cpu0 ...", "cpu2 ...": those that are on line, in rising order. 0 when there is none or something else.
static uint32_t count_cpus(struct cursor *c)
{
    uint64_t field[N_FIELDS], id, next = 0;
    uint32_t n = 0;
    while (word_cpu(c)) {
        if (!digits(c, &id) || id < next || id >= MAX_CPUS || !numbers(c, field)) return 0;
        next = id + 1;
        n++;
    }
    return n;
}

bool jb_cputime_parse(const char *text, size_t n_bytes, uint64_t ticks_per_s, struct jb_cputime *out)
{
    struct cursor c = {text, text + n_bytes};
    uint64_t field[N_FIELDS], busy = 0, busy_ns, steal_ns;
    static const int is_busy[N_BUSY] = {0, 1, 2, 5, 6}; // user, nice, system, irq, softirq
    if (ticks_per_s == 0 || ticks_per_s > 1000000000 || !word_cpu(&c) || !numbers(&c, field)) return false;
    for (int i = 0; i < N_BUSY; i++) {
        if (field[is_busy[i]] > UINT64_MAX - busy) return false;
        busy += field[is_busy[i]];
    }
    uint32_t n_cpus = count_cpus(&c);
    if (n_cpus == 0 || !ticks_to_ns(busy, ticks_per_s, &busy_ns) || !ticks_to_ns(field[7], ticks_per_s, &steal_ns)) return false;
    out->busy_ns = busy_ns;
    out->steal_ns = steal_ns;
    out->n_cpus = n_cpus;
    return true;
}

// Reads until the lines of the CPUs are over (what follows can be long: a number for each interrupt) or the file is.
static size_t read_head(int fd, char *text, size_t room)
{
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
        if (memmem(text, n, "\nintr", 5)) break;
    }
    return n;
}

static bool read_stat(struct jb_cputime *out)
{
    long ticks = sysconf(_SC_CLK_TCK);
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 && ticks > 0 ? malloc(MAX_BYTES) : NULL;
    bool known = text && jb_cputime_parse(text, read_head(fd, text, MAX_BYTES), (uint64_t)ticks, out);
    free(text);
    if (fd >= 0) close(fd);
    return known;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t usage_ns(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

void jb_cputime_now(struct jb_cputime *out)
{
    struct rusage children = {0};
    *out = (struct jb_cputime){0};
    out->known = read_stat(out) && getrusage(RUSAGE_CHILDREN, &children) == 0;
    out->own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + usage_ns(&children.ru_utime) + usage_ns(&children.ru_stime);
    out->wall_ns = clock_ns(CLOCK_MONOTONIC);
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void jb_cputime_between_ticks(const struct jb_cputime *a, const struct jb_cputime *b, uint64_t tick_ns, struct jb_cputime_span *out)
{
    *out = (struct jb_cputime_span){.share = NAN, .share_least = NAN};
    out->wall_ns = above(b->wall_ns, a->wall_ns);
    out->own_ns = above(b->own_ns, a->own_ns);
    // A sum over all CPUs that fell was reset or is another machine's.
    if (!a->known || !b->known || b->busy_ns < a->busy_ns || b->own_ns < a->own_ns) return;
    uint32_t most = a->n_cpus > b->n_cpus ? a->n_cpus : b->n_cpus;
    // Each CPU's account runs ahead or behind by up to a tick at both ends, and each of the fields in the sum is cut to whole ticks.
    uint64_t slack_ns = (2 * (uint64_t)most + N_BUSY) * tick_ns, busy_ns = b->busy_ns - a->busy_ns;
    out->known = true;
    out->steal_ns = above(b->steal_ns, a->steal_ns);
    out->others_ns = above(busy_ns, out->own_ns);
    out->others_least_ns = above(out->others_ns, slack_ns);
    double capacity_ns = (double)out->wall_ns * most;
    if (capacity_ns > 0) {
        out->share = (double)out->others_ns / capacity_ns;
        out->share_least = (double)out->others_least_ns / capacity_ns;
    }
}

void jb_cputime_between(const struct jb_cputime *a, const struct jb_cputime *b, struct jb_cputime_span *out)
{
    long ticks = sysconf(_SC_CLK_TCK);
    jb_cputime_between_ticks(a, b, ticks > 0 ? 1000000000u / (uint64_t)ticks : 10000000, out);
}
