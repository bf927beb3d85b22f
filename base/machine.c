// Hostile or odd files (fabricated roots, other kernels) count as unknown: nothing here waits, allocates with what a file says, or takes half a number.
#include "base/machine.h"

#include "base/err.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STAT_BYTES = 1 << 16, MOST_KHZ = 100000000, SLEW_PPM = 500, CLOCK_TRIES = 5 };

struct cpu { int governor, freq, core_throttles, package_throttles; };
struct jb_machine_files {
    char root[1024];
    int stat, vmstat;                // -1: not there; stat only with a root: else base/cputime.h reads it
    struct cpu cpu[JB_MACHINE_MAX_CPUS]; int n_cpus;
    char text[STAT_BYTES];
};

static int open_regular(const char *root, const char *name)
{
    char path[1400];
    struct stat st;
    if ((size_t)snprintf(path, sizeof path, "%s%s", root, name) >= sizeof path) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // NONBLOCK: a FIFO must not keep us
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
    close(fd);
    return -1;
}

static int open_of_cpu(const char *root, int cpu, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, name);
    return open_regular(root, path);
}

// A fabricated machine has CPUs of its own.
static bool may_run_on(const cpu_set_t *allowed, bool known, const char *root, int cpu)
{
    char path[1200];
    if (!*root) return known ? CPU_ISSET((size_t)cpu, allowed) != 0 : cpu == 0;
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d", root, cpu);
    return access(path, F_OK) == 0;
}

int jb_machine_open(struct jb_machine_files **out, const char *root)
{
    cpu_set_t allowed;
    struct jb_machine_files *f = calloc(1, sizeof *f);
    if (!f) return JB_E_NOMEM;
    bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    if ((size_t)snprintf(f->root, sizeof f->root, "%s", root ? root : "") >= sizeof f->root) snprintf(f->root, sizeof f->root, "/dev/null"); // too long: nothing is there
    f->stat = *f->root ? open_regular(f->root, "/proc/stat") : -1;
    f->vmstat = open_regular(f->root, "/proc/vmstat");
    for (int i = 0; i < CPU_SETSIZE && f->n_cpus < JB_MACHINE_MAX_CPUS; i++) {
        if (!may_run_on(&allowed, known, f->root, i)) continue;
        f->cpu[f->n_cpus++] = (struct cpu){ open_of_cpu(f->root, i, "cpufreq/scaling_governor"), open_of_cpu(f->root, i, "cpufreq/scaling_cur_freq"),
                                            open_of_cpu(f->root, i, "thermal_throttle/core_throttle_count"), open_of_cpu(f->root, i, "thermal_throttle/package_throttle_count") };
    }
    *out = f;
    return 0;
}

static void close_one(int fd) { if (fd >= 0) close(fd); }

void jb_machine_close(struct jb_machine_files *f)
{
    if (!f) return;
    close_one(f->stat);
    close_one(f->vmstat);
    for (int i = 0; i < f->n_cpus; i++) {
        close_one(f->cpu[i].governor);
        close_one(f->cpu[i].freq);
        close_one(f->cpu[i].core_throttles);
        close_one(f->cpu[i].package_throttles);
    }
    free(f);
}

// ---- texts ----

// Up to room - 1 bytes from the file's beginning, NUL behind them. 0: none.
static size_t read_text(int fd, char *text, size_t room)
{
    size_t n = 0;
    while (fd >= 0 && n < room - 1) {
        ssize_t got = pread(fd, text + n, room - 1 - n, (off_t)n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
    }
    text[n] = 0;
    return n;
}

// Digits and a newline or the end: nothing else is a count.
static bool count_of(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (v > (UINT64_MAX - 1 - digit) / 10) return false; // UINT64_MAX is kept for "unknown"
        v = v * 10 + digit;
    }
    if (c == text || (*c && *c != '\n')) return false;
    *out = v;
    return true;
}

static bool read_count(int fd, uint64_t *out)
{
    char text[32];
    size_t n = read_text(fd, text, sizeof text);
    return n && n < sizeof text - 1 && count_of(text, out); // one that was cut off is no count
}

static bool vmstat_line(const char *text, const char *name, uint64_t *out)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, n) && line[n] == ' ') return count_of(line + n + 1, out);
    }
    return false;
}

// ---- facts ----

static void read_swap(struct jb_machine_files *f, struct jb_machine *m)
{
    uint64_t in, out;
    m->swapped_pages = UINT64_MAX;
    if (!read_text(f->vmstat, f->text, sizeof f->text)) return;
    if (vmstat_line(f->text, "pswpin", &in) && vmstat_line(f->text, "pswpout", &out) && in < UINT64_MAX - out) m->swapped_pages = in + out;
}

// Unknown when no CPU has counts, or when one that had them cannot be read: half a sum would look like a fall.
static void read_throttles(const struct jb_machine_files *f, struct jb_machine *m)
{
    uint64_t sum = 0, v = 0;
    bool any = false;
    m->throttles = UINT64_MAX;
    for (int i = 0; i < f->n_cpus; i++) {
        const int fd[2] = { f->cpu[i].core_throttles, f->cpu[i].package_throttles };
        for (int k = 0; k < 2; k++) {
            if (fd[k] < 0) continue;
            if (!read_count(fd[k], &v) || v >= UINT64_MAX - sum) return;
            sum += v;
            any = true;
        }
    }
    if (any) m->throttles = sum;
}

static void read_freq(const struct jb_machine_files *f, struct jb_machine *m)
{
    m->freq_khz_least = m->freq_khz_most = NAN;
    for (int i = 0; i < f->n_cpus; i++) {
        uint64_t khz;
        if (!read_count(f->cpu[i].freq, &khz) || !khz || khz > MOST_KHZ) continue;
        if (!((double)khz >= m->freq_khz_least)) m->freq_khz_least = (double)khz;
        if (!((double)khz <= m->freq_khz_most)) m->freq_khz_most = (double)khz;
    }
}

static bool is_name(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '_' || text[i] == '-')) return false;
    return n > 0;
}

static void read_governor(const struct jb_machine_files *f, struct jb_machine *m)
{
    char text[sizeof m->governor + 1];
    for (int i = 0; i < f->n_cpus; i++) {
        size_t n = read_text(f->cpu[i].governor, text, sizeof text);
        if (n && text[n - 1] == '\n') text[--n] = 0;
        if (!is_name(text, n) || n >= sizeof m->governor) continue;
        if (!m->governor[0]) memcpy(m->governor, text, n + 1);
        else if (strcmp(m->governor, text)) memcpy(m->governor, "mixed", 6);
    }
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t = { 0 };
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The raw clock on both sides of the other: of some tries that which was least disturbed.
static void read_clocks(struct jb_machine *m)
{
    m->clock_doubt_ns = UINT64_MAX;
    for (int i = 0; i < CLOCK_TRIES && m->clock_doubt_ns > 500; i++) {
        uint64_t before = clock_ns(CLOCK_MONOTONIC_RAW), real = clock_ns(CLOCK_REALTIME), after = clock_ns(CLOCK_MONOTONIC_RAW);
        if (after - before >= m->clock_doubt_ns) continue;
        m->clock_doubt_ns = after - before;
        m->clock_offset_ns = (int64_t)(real - (before + (after - before) / 2));
    }
    m->monotonic_ns = clock_ns(CLOCK_MONOTONIC);
}

void jb_machine_read(struct jb_machine_files *f, struct jb_machine *out)
{
    struct rusage usage = { 0 };
    long ticks = sysconf(_SC_CLK_TCK);
    memset(out, 0, sizeof *out);
    if (!*f->root) jb_cputime_now(&out->cpu);
    else {
        size_t n = read_text(f->stat, f->text, sizeof f->text);
        out->cpu.known = ticks > 0 && jb_cputime_parse(f->text, n, (uint64_t)ticks, &out->cpu);
        out->cpu.own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        out->cpu.wall_ns = clock_ns(CLOCK_MONOTONIC);
    }
    read_swap(f, out);
    read_throttles(f, out);
    read_freq(f, out);
    read_governor(f, out);
    out->involuntary_switches = getrusage(RUSAGE_SELF, &usage) ? UINT64_MAX : (uint64_t)usage.ru_nivcsw;
    read_clocks(out);
}

void jb_machine_now(const char *root, struct jb_machine *out)
{
    struct jb_machine_files *f = NULL;
    if (jb_machine_open(&f, root)) { // out of memory: nothing is known
        *out = (struct jb_machine){ .throttles = UINT64_MAX, .swapped_pages = UINT64_MAX, .involuntary_switches = UINT64_MAX, .freq_khz_least = NAN, .freq_khz_most = NAN };
        read_clocks(out);
        return;
    }
    jb_machine_read(f, out);
    jb_machine_close(f);
}

// ---- between two ----

static uint64_t grown(uint64_t a, uint64_t b) { return a == UINT64_MAX || b == UINT64_MAX || b < a ? UINT64_MAX : b - a; }

static double jump(const struct jb_machine *a, const struct jb_machine *b)
{
    double moved = fabs((double)(b->clock_offset_ns - a->clock_offset_ns)), span = (double)(b->monotonic_ns > a->monotonic_ns ? b->monotonic_ns - a->monotonic_ns : 0);
    return fmax(0, moved - span * SLEW_PPM * 1e-6 - (double)a->clock_doubt_ns - (double)b->clock_doubt_ns);
}

static void steal(const struct jb_machine *a, const struct jb_machine *b, struct jb_machine_span *s)
{
    uint32_t most = a->cpu.n_cpus > b->cpu.n_cpus ? a->cpu.n_cpus : b->cpu.n_cpus;
    long ticks = sysconf(_SC_CLK_TCK);
    double capacity_ns = (double)s->cpu.wall_ns * most, slack_ns = (1.0 + most) * 1e9 / (ticks > 0 ? (double)ticks : 100);
    if (!s->cpu.known || !(capacity_ns > 0)) return;
    s->steal_share = (double)s->cpu.steal_ns / capacity_ns;
    s->steal_share_least = fmax(0, (double)s->cpu.steal_ns - slack_ns) / capacity_ns;
}

void jb_machine_between(const struct jb_machine *a, const struct jb_machine *b, struct jb_machine_span *out)
{
    *out = (struct jb_machine_span){ .steal_share = NAN, .steal_share_least = NAN, .throttles = grown(a->throttles, b->throttles), .swapped_pages = grown(a->swapped_pages, b->swapped_pages),
                                     .involuntary_switches = grown(a->involuntary_switches, b->involuntary_switches), .clock_jump_ns = jump(a, b),
                                     .governor_known = a->governor[0] && b->governor[0], .freq_change = fabs(b->freq_khz_most - a->freq_khz_most) / a->freq_khz_most };
    out->governor_changed = out->governor_known && strcmp(a->governor, b->governor) != 0;
    jb_cputime_between(&a->cpu, &b->cpu, &out->cpu);
    steal(a, b, out);
}
