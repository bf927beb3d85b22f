// Writes a tree that looks like /sys/class/powercap, and advances its counters in place with known watts until it is ended by a signal.
//
//   advance DIR [options]           DIR: what --power-root is given; made if it is missing
//     -n SOCKETS       1 (to 16); each has a package with core and dram inside
//     -w WATTS         of package-0, 20; LEAST:MOST: steps between the two, a known function of CLOCK_MONOTONIC. Each further package draws 0.05 of it less
//     -M               all packages draw the same at every moment: mirrors of one counter
//     -b WATTS         more, shared by the packages, for each busy CPU of this machine (/proc/stat); 0
//     -s NS            length of a step of LEAST:MOST, 5000000
//     -S SEED          of the steps, 1
//     -p US            update period of the counters, 1000
//     -r RANGE         max_energy_range_uj, 262143328850
//     -u UNIT          of the counters, in microjoules, 1
//     -P, -m           also psys; also an intel-rapl-mmio that shows the packages' counters
//     -c               packages and psys only: no core, no dram
//     -L               do not obey constraint_0_power_limit_uw (else a package draws no more than it says; read anew every 10 ms)
//     -l FILE          log: a line "before_ns after_ns package-0 [package-1 ...] [dram-0 ...]" each update: CLOCK_MONOTONIC before and after the write, true microjoules at `before`
//     -t SECONDS       end by itself
//     -d               print the pid and go into the background when the tree stands; else print "ready"
// core draws 0.7 of its package and is contained in it; dram draws 0.2 of it and is not; psys is 1.3 times the sum of the packages. On a signal it ends with a line on stderr:
// updates, how many came later than 1.5 periods, the longest gap. Figures that a meter makes while an update is late may be wrong: the counter itself was.
// Late updates carry all the energy that was drawn, so that mean watts are right.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "tests/power/profile.h"

#define MAX_SOCKETS 16
#define CONTROL_NS 10000000u

struct options {
    const char *dir, *log;
    int sockets;
    double least_w, most_w, busy_w, seconds;
    uint64_t step_ns, seed, period_ns, range_uj, unit_uj;
    bool psys, mmio, mirrors, only_packages, ignore_limits, background;
};

struct counter { int fd; double share; int package; char shown[32]; }; // package -1: the sum of all

struct plant {
    struct options o;
    struct profile profile;
    struct counter counter[4 * MAX_SOCKETS + 1];
    size_t n;
    double package_uj[MAX_SOCKETS], limit_w[MAX_SOCKETS];
    double busy_cpus;
    uint64_t busy_ticks, control_ns;
    FILE *log;
    uint64_t last_ns, updates, late, longest_ns;
};

static volatile sig_atomic_t ended;
static void on_signal(int s) { (void)s; ended = 1; }

static void die(const char *what, const char *name)
{
    fprintf(stderr, "advance: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

// Prints into a file of the tree; returns the open descriptor.
static int put(const struct plant *p, const char *path, const char *text)
{
    char full[512], dir[512];
    snprintf(full, sizeof full, "%s/%s", p->o.dir, path);
    if (jb_path_dir(dir, sizeof dir, full) || jb_make_dirs(dir, NULL)) die("cannot make", dir);
    int fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, text, strlen(text), 0) < 0) die("cannot write", full);
    return fd;
}

static void text_in(const struct plant *p, const char *zone, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", zone, name);
    close(put(p, path, text));
}

static void number_in(const struct plant *p, const char *zone, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    text_in(p, zone, name, text);
}

static void add_zone(struct plant *p, const char *zone, const char *name, int package, double share)
{
    char text[80], path[300];
    snprintf(text, sizeof text, "%s\n", name);
    text_in(p, zone, "name", text);
    text_in(p, zone, "enabled", "1\n");
    number_in(p, zone, "max_energy_range_uj", p->o.range_uj);
    snprintf(path, sizeof path, "%s/energy_uj", zone);
    p->counter[p->n++] = (struct counter){.fd = put(p, path, "0\n"), .share = share, .package = package, .shown = "0\n"};
}

// Long and short term as on a desktop: the package's own power, and 1.25 times that, may be set up to twice.
static void add_constraints(const struct plant *p, const char *zone, double most_w)
{
    static const char *const name[] = {"long_term\n", "short_term\n"};
    for (int c = 0; c < 2; c++) {
        char file[64];
        snprintf(file, sizeof file, "constraint_%d_name", c);
        text_in(p, zone, file, name[c]);
        snprintf(file, sizeof file, "constraint_%d_power_limit_uw", c);
        number_in(p, zone, file, (uint64_t)(most_w * (c ? 1.25e6 : 1e6)));
        snprintf(file, sizeof file, "constraint_%d_max_power_uw", c);
        number_in(p, zone, file, (uint64_t)(most_w * 2e6));
        snprintf(file, sizeof file, "constraint_%d_time_window_us", c);
        number_in(p, zone, file, c ? 2440 : 27983872);
    }
}

static void make_tree(struct plant *p)
{
    double most_w = p->o.most_w + p->o.busy_w * (double)sysconf(_SC_NPROCESSORS_ONLN) / p->o.sockets;
    char zone[100], name[32];
    text_in(p, "intel-rapl", "enabled", "1\n");
    for (int s = 0; s < p->o.sockets; s++) { // packages first: that is the log's order
        snprintf(zone, sizeof zone, "intel-rapl/intel-rapl:%x", (unsigned)s);
        snprintf(name, sizeof name, "package-%d", s);
        add_zone(p, zone, name, s, 1);
        add_constraints(p, zone, most_w);
    }
    for (int s = 0; s < p->o.sockets && !p->o.only_packages; s++) {
        snprintf(zone, sizeof zone, "intel-rapl/intel-rapl:%x/intel-rapl:%x:1", (unsigned)s, (unsigned)s);
        add_zone(p, zone, "dram", s, 0.2);
    }
    for (int s = 0; s < p->o.sockets && !p->o.only_packages; s++) {
        snprintf(zone, sizeof zone, "intel-rapl/intel-rapl:%x/intel-rapl:%x:0", (unsigned)s, (unsigned)s);
        add_zone(p, zone, "core", s, 0.7);
    }
    if (p->o.psys) {
        snprintf(zone, sizeof zone, "intel-rapl/intel-rapl:%x", (unsigned)p->o.sockets);
        add_zone(p, zone, "psys", -1, 1.3);
    }
    for (int s = 0; s < p->o.sockets && p->o.mmio; s++) {
        snprintf(zone, sizeof zone, "intel-rapl-mmio/intel-rapl-mmio:%x", (unsigned)s);
        snprintf(name, sizeof name, "package-%d", s);
        add_zone(p, zone, name, s, 1);
    }
}

static double sum_uj(const struct plant *p)
{
    double sum = 0;
    for (int s = 0; s < p->o.sockets; s++) sum += p->package_uj[s];
    return sum;
}

static double true_uj(const struct plant *p, size_t i)
{
    const struct counter *c = &p->counter[i];
    return c->share * (c->package < 0 ? sum_uj(p) : p->package_uj[c->package]);
}

// In place, one write: a reader sees the old value or the new one. Only a wrap, which makes the text shorter, is two steps.
static void show(struct plant *p, size_t i)
{
    struct counter *c = &p->counter[i];
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", profile_shown(true_uj(p, i), p->o.unit_uj, p->o.range_uj)), before = (int)strlen(c->shown);
    if (strcmp(text, c->shown) == 0) return;
    if (pwrite(c->fd, text, (size_t)n, 0) != n || (n < before && ftruncate(c->fd, n))) die("cannot write a counter in", p->o.dir);
    memcpy(c->shown, text, sizeof text);
}

// How many CPUs were busy since the last look, and what the packages may draw.
static void look_around(struct plant *p, uint64_t now_ns)
{
    if (now_ns - p->control_ns < CONTROL_NS) return;
    if (p->o.busy_w > 0) {
        unsigned long long user, nice, system, idle, wait, irq, soft, steal;
        FILE *f = fopen("/proc/stat", "r");
        if (f && fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal) == 8) {
            uint64_t ticks = user + nice + system + irq + soft;
            if (p->busy_ticks) p->busy_cpus = (double)(ticks - p->busy_ticks) / (double)sysconf(_SC_CLK_TCK) / ((double)(now_ns - p->control_ns) * 1e-9);
            p->busy_ticks = ticks;
        }
        if (f) fclose(f);
    }
    for (int s = 0; s < p->o.sockets && !p->o.ignore_limits; s++) {
        char path[512], text[32];
        snprintf(path, sizeof path, "%s/intel-rapl/intel-rapl:%x/constraint_0_power_limit_uw", p->o.dir, (unsigned)s);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0) close(fd);
        text[n > 0 ? n : 0] = 0;
        double watts = strtod(text, NULL) * 1e-6;
        if (watts > 0) p->limit_w[s] = watts;
    }
    p->control_ns = now_ns;
}

static void update(struct plant *p, const struct jb_clock *clock)
{
    uint64_t before = clock->now_ns(clock->self), gap = before - p->last_ns;
    double own_uj = profile_uj(&p->profile, before) - profile_uj(&p->profile, p->last_ns), busy_uj = p->o.busy_w * p->busy_cpus / p->o.sockets * 1e-3 * (double)gap;
    for (int s = 0; s < p->o.sockets; s++) {
        double most_uj = p->limit_w[s] * 1e-3 * (double)gap, uj = (own_uj + busy_uj) * (p->o.mirrors ? 1 : 1 - 0.05 * s);
        p->package_uj[s] += p->limit_w[s] > 0 && uj > most_uj ? most_uj : uj;
    }
    for (size_t i = 0; i < p->n; i++) show(p, i);
    uint64_t after = clock->now_ns(clock->self);
    if (p->updates++) {
        p->late += gap > p->o.period_ns + p->o.period_ns / 2;
        if (gap > p->longest_ns) p->longest_ns = gap;
    }
    if (p->log) {
        fprintf(p->log, "%" PRIu64 " %" PRIu64, before, after);
        for (int s = 0; s < p->o.sockets * (p->o.only_packages ? 1 : 2); s++) fprintf(p->log, " %.1f", true_uj(p, (size_t)s));
        fputc('\n', p->log);
    }
    p->last_ns = before;
    look_around(p, before);
}

static void announce(const struct plant *p)
{
    if (!p->o.background) {
        puts("ready");
        fflush(stdout);
        return;
    }
    pid_t pid = fork();
    if (pid < 0) die("cannot fork for", p->o.dir);
    if (pid > 0) {
        printf("%d\n", (int)pid);
        fflush(stdout);
        _exit(0);
    }
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC); // whoever waits for the end of our output gets it
    dup2(null, 0), dup2(null, 1);
    close(null);
}

static void run(struct plant *p)
{
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t start = clock.now_ns(clock.self), next = start;
    profile_make(&p->profile, p->o.seed, p->o.least_w, p->o.most_w, p->o.step_ns, start);
    p->last_ns = p->control_ns = start;
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 2}); // late updates are the tree's own error; without the right it goes on
    while (!ended && (p->o.seconds <= 0 || (double)(p->last_ns - start) * 1e-9 < p->o.seconds)) {
        update(p, &clock);
        next += p->o.period_ns;
        if (next < p->last_ns + p->o.period_ns / 4 * 3) next = p->last_ns + p->o.period_ns; // late: no short period after it, as counters have none
        struct timespec at = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    fprintf(stderr, "advance: %" PRIu64 " updates, %" PRIu64 " late, longest gap %.3f ms\n", p->updates, p->late, (double)p->longest_ns * 1e-6);
}

static int usage(void)
{
    fputs("usage: advance DIR [-n SOCKETS] [-w WATTS|LEAST:MOST] [-b WATTS] [-s NS] [-S SEED] [-p US] [-r RANGE_UJ] [-u UNIT_UJ] [-M] [-P] [-m] [-c] [-L] [-l FILE] [-t SECONDS] [-d]\n", stderr);
    return 1;
}

int main(int argc, char **argv)
{
    static struct plant p = {.o = {.sockets = 1, .least_w = 20, .most_w = 20, .step_ns = 5000000, .seed = 1, .period_ns = 1000000, .range_uj = 262143328850u, .unit_uj = 1}};
    for (int c; (c = getopt(argc, argv, "n:w:b:s:S:p:r:u:MPmcLl:t:d")) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'n': p.o.sockets = atoi(optarg); break;
        case 'w': p.o.least_w = p.o.most_w = strtod(optarg, &end); if (*end == ':') p.o.most_w = strtod(end + 1, NULL); break;
        case 'b': p.o.busy_w = strtod(optarg, NULL); break;
        case 's': p.o.step_ns = strtoull(optarg, NULL, 10); break;
        case 'S': p.o.seed = strtoull(optarg, NULL, 10); break;
        case 'p': p.o.period_ns = strtoull(optarg, NULL, 10) * 1000; break;
        case 'r': p.o.range_uj = strtoull(optarg, NULL, 10); break;
        case 'u': p.o.unit_uj = strtoull(optarg, NULL, 10); break;
        case 'M': p.o.mirrors = true; break;
        case 'P': p.o.psys = true; break;
        case 'm': p.o.mmio = true; break;
        case 'c': p.o.only_packages = true; break;
        case 'L': p.o.ignore_limits = true; break;
        case 'l': p.o.log = optarg; break;
        case 't': p.o.seconds = strtod(optarg, NULL); break;
        case 'd': p.o.background = true; break;
        default: return usage();
        }
    }
    if (optind + 1 != argc || p.o.sockets < 1 || p.o.sockets > MAX_SOCKETS || p.o.least_w < 0 || p.o.most_w < p.o.least_w || !p.o.step_ns || !p.o.period_ns || !p.o.range_uj || !p.o.unit_uj) return usage();
    p.o.dir = argv[optind];
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (p.o.log && !(p.log = fopen(p.o.log, "w"))) die("cannot write", p.o.log);
    make_tree(&p);
    announce(&p);
    run(&p);
    if (p.log && fclose(p.log)) die("cannot write", p.o.log);
    return 0;
}
