// Counters that advance by themselves, read by a meter with its sampler in real time: written in place by a thread, and answered by a file system.
// jb:threads
// In all windows the bounds hold the true joules, or the window is refused with a reason.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/power/profile.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WINDOWS 250u
#else
#define WINDOWS 1000u
#endif

#define MS 1000000u
#define N_OPEN 8
#define CEILING_W 200.0
#define RANGE_SMALL_UJ 10000000u // 50 ms at the ceiling

static uint64_t now_ns(void)
{
    struct jb_clock c = jb_clock_monotonic();
    return c.now_ns(c.self);
}

static void pause_ns(uint64_t ns)
{
    struct jb_clock c = jb_clock_monotonic();
    c.sleep_ns(c.self, ns);
}

// ---- Random windows over anything that knows its true energy.

struct truth {
    double (*uj)(void *self, uint64_t t_ns);       // of the whole cover
    bool (*good)(void *self, uint64_t from_ns, uint64_t to_ns); // the counter itself kept to its update period; NULL: always
    void *self;
};

struct tally { uint64_t held, refused, wrapped, excused; double half_widths; };

static void judge(const struct truth *truth, const struct jb_window *w, const struct jb_joules *j, struct tally *t)
{
    uint64_t end_ns = w->start_ns + j->window_ns;
    if (!jb_joules_have(j)) {
        assert_true(isnan(j->uj) && j->reason[0]);
        t->refused++;
        return;
    }
    assert_int_equal(j->cls, JB_ENERGY_REPLAYED);
    double uj = truth->uj(truth->self, end_ns) - truth->uj(truth->self, w->start_ns);
    if (truth->good && !truth->good(truth->self, w->start_ns - 10 * MS, end_ns + 10 * MS)) {
        t->excused++;
        return;
    }
    if (!(j->lower_uj <= uj && uj <= j->upper_uj))
        fail_msg("window of %" PRIu64 " ns from %" PRIu64 ": truth %.1f, said %.1f in [%.1f, %.1f], %u wraps, update %" PRIu64 " ns", j->window_ns, w->start_ns, uj, j->uj, j->lower_uj, j->upper_uj,
                 j->wraps, j->update_ns);
    t->held++;
    t->wrapped += j->wraps;
    t->half_widths += (j->upper_uj - j->lower_uj) / 2 / j->uj;
}

// A meter that has found the counter's update period: on a machine that is too busy it cannot look closely, and refuses short windows. NULL: after many tries.
static struct jb_meter *open_meter(const char *root, struct jb_meter_facts *facts)
{
    struct jb_power_opts o = {.source = "powercap", .root = root, .max_power_w = CEILING_W};
    struct jb_err err = {0};
    for (int tries = 0; tries < 30; tries++) {
        struct jb_meter *m;
        if (jb_meter_open(&m, &o, &err)) {
            print_message("%s\n", err.detail); // a failing read, where those are asked for
            continue;
        }
        jb_meter_facts(m, facts);
        if (facts->update_ns) return m;
        jb_meter_close(m);
    }
    return NULL;
}

// False: nothing could be tested, and why was printed.
static bool random_windows(const char *what, const char *root, const struct truth *truth, uint64_t seed)
{
    struct jb_meter_facts f;
    struct jb_rng rng;
    struct tally t = {0};
    struct jb_window open[N_OPEN];
    size_t n_open = 0;
    struct jb_meter *m = open_meter(root, &f);
    if (!m) {
        print_message("skipped: this machine is too busy to see a counter move every millisecond\n");
        return false;
    }
    jb_rng_seed(&rng, seed);
    for (uint64_t ended = 0; ended < WINDOWS + t.excused && ended < 4 * WINDOWS;) {
        pause_ns(jb_rng_below(&rng, 3 * MS));
        if (n_open < N_OPEN && (n_open == 0 || jb_rng_below(&rng, 2))) {
            (void)jb_meter_begin(m, &open[n_open++]);
            continue;
        }
        size_t i = jb_rng_below(&rng, n_open);
        struct jb_joules j = jb_meter_end(m, &open[i]);
        judge(truth, &open[i], &j, &t);
        open[i] = open[--n_open];
        ended++;
    }
    struct jb_sampler_stats s;
    jb_meter_sampler(m, &s);
    jb_meter_close(m);
    print_message("%s: of %" PRIu64 " windows %" PRIu64 " held the truth (half-width %.3g of the figure on average), %" PRIu64 " were refused, %" PRIu64 " left out because the counter was late itself; %" PRIu64
                  " wraps; update %.3f ms; sampler: %" PRIu64 " reads, one in %.1f ms\n",
                  what, t.held + t.refused + t.excused, t.held, t.half_widths / (double)t.held, t.refused, t.excused, t.wrapped, (double)f.update_ns * 1e-6, s.reads, (double)s.period_ns * 1e-6);
    assert_true(t.held > WINDOWS / 10 && t.wrapped > 0 && s.reads > 0); // else nothing was tested
    return true;
}

// ---- In place. The writer may be late: then nothing was drawn before the last update period. So its truth is its own log.

#define PERIOD_NS MS
#define MOST_UPDATES 400000u

struct update { uint64_t before_ns, after_ns; double uj; };
struct writer {
    int package_fd, dram_fd;
    pthread_t thread;
    atomic_bool stop;
    atomic_size_t n;
    struct update *log; // (MOST_UPDATES)
};

static void put_count(int fd, uint64_t count, uint64_t *last)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", count);
    assert_int_equal(pwrite(fd, text, (size_t)n, 0), n);
    if (count < *last) assert_int_equal(ftruncate(fd, n), 0);
    *last = count;
}

static void *write_counters(void *arg)
{
    struct writer *w = arg;
    struct jb_rng rng;
    uint64_t last[2] = {0, 0};
    double uj = 0;
    jb_rng_seed(&rng, 5);
    for (size_t k = 0; k < MOST_UPDATES && !atomic_load(&w->stop); k++) {
        double u = jb_rng_unit(&rng), watts = u < 0.3 ? 5 : u < 0.6 ? 45 : 5 + 40 * jb_rng_unit(&rng);
        if (k) uj += watts * 0.9e-3 * PERIOD_NS;
        struct update *e = &w->log[k];
        e->uj = uj;
        e->before_ns = now_ns();
        put_count(w->package_fd, profile_shown(uj, 1, RANGE_SMALL_UJ), &last[0]);
        put_count(w->dram_fd, profile_shown(uj * 0.2, 1, RANGE_SMALL_UJ), &last[1]);
        e->after_ns = now_ns();
        atomic_store(&w->n, k + 1);
        pause_ns(PERIOD_NS);
    }
    return NULL;
}

// The last update that began at or before t; waits for the one behind it.
static size_t update_before(struct writer *w, uint64_t t_ns)
{
    while (w->log[atomic_load(&w->n) - 1].before_ns <= t_ns) pause_ns(PERIOD_NS);
    size_t low = 0, high = atomic_load(&w->n) - 1; // low begins at or before t, high behind it
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (w->log[middle].before_ns <= t_ns) low = middle;
        else high = middle;
    }
    return low;
}

static uint64_t rises_from(const struct update *a, const struct update *b)
{
    uint64_t from = b->after_ns - PERIOD_NS;
    return from > a->before_ns ? from : a->before_ns;
}

// From one update to the next energy stands still, and rises in the last period before the value can be seen by all.
static double written_uj(void *self, uint64_t t_ns)
{
    struct writer *w = self;
    size_t k = update_before(w, t_ns);
    const struct update *a = &w->log[k], *b = a + 1;
    uint64_t from = rises_from(a, b);
    double uj = t_ns <= from ? a->uj : a->uj + (b->uj - a->uj) * (double)(t_ns - from) / (double)(b->before_ns - from);
    return 1.2 * uj;
}

// An update whose two writes took so long that no such truth exists.
static bool writer_was_good(void *self, uint64_t from_ns, uint64_t to_ns)
{
    struct writer *w = self;
    size_t from = update_before(w, from_ns), to = update_before(w, to_ns);
    for (size_t k = from; k <= to; k++) {
        const struct update *a = &w->log[k], *b = a + 1;
        uint64_t rise = rises_from(a, b);
        if (rise >= b->before_ns || (b->uj - a->uj) > CEILING_W * 1e-3 * (double)(b->before_ns - rise)) return false;
    }
    return true;
}

static int open_counter(const struct unit_tree *tree, const char *zone)
{
    char file[120], path[256];
    snprintf(file, sizeof file, "%s/energy_uj", zone);
    unit_path(tree, file, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void written_in_place(void **state)
{
    (void)state;
    struct unit_tree tree;
    static struct writer w; // outlives a failed assertion, as its thread does
    w.log = calloc(MOST_UPDATES, sizeof *w.log);
    assert_non_null(w.log);
    unit_tree_open(&tree);
    unit_zone(&tree, PKG0, "package-0", 0, RANGE_SMALL_UJ);
    unit_zone(&tree, DRAM0, "dram", 0, RANGE_SMALL_UJ);
    w.package_fd = open_counter(&tree, PKG0);
    w.dram_fd = open_counter(&tree, DRAM0);
    assert_int_equal(pthread_create(&w.thread, NULL, write_counters, &w), 0);
    while (atomic_load(&w.n) < 30) pause_ns(PERIOD_NS);
    bool tested = random_windows("in place", tree.root, &(struct truth){written_uj, writer_was_good, &w}, 11);
    atomic_store(&w.stop, true);
    pthread_join(w.thread, NULL);
    close(w.package_fd);
    close(w.dram_fd);
    free(w.log);
    unit_tree_close(&tree);
    if (!tested) skip();
}

// ---- A file system.

struct mounted { char dir[64]; pid_t pid; struct profile profile; };

static double mounted_uj(void *self, uint64_t t_ns)
{
    return 1.9 * 1.2 * profile_uj(&((struct mounted *)self)->profile, t_ns); // two packages, 1 and 0.9 of it, and dram beside each
}

// Path of the program beside this one; false and why on the output when it cannot be used.
static bool find_program(char *out, size_t room)
{
    char self[300];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(out, room, "%s/tools/fuse_powercap", self);
    if (access(out, X_OK) != 0) print_message("skipped: tests/power/tools/fuse_powercap is not built (libfuse3-dev is not installed, or this variant leaves it out)\n");
    else if (access("/dev/fuse", R_OK | W_OK) != 0) print_message("skipped: /dev/fuse cannot be used: %s\n", strerror(errno));
    else return true;
    return false;
}

static bool mount_it(struct mounted *f, const char *program, const char *fail_one_of)
{
    char zero[32], path[128];
    uint64_t zero_ns = now_ns();
    snprintf(zero, sizeof zero, "%" PRIu64, zero_ns);
    snprintf(f->dir, sizeof f->dir, "/tmp/jb_fuse_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    profile_make(&f->profile, 3, 5, 45, 3 * MS, zero_ns);
    fflush(NULL);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); // a failed assertion leaves no mount behind
        execl(program, program, f->dir, "-n", "2", "-w", "5:45", "-s", "3000000", "-S", "3", "-z", zero, "-p", "1000000", "-r", "10000000", "-e", fail_one_of, (char *)NULL);
        _exit(127);
    }
    snprintf(path, sizeof path, "%s/intel-rapl/enabled", f->dir);
    for (int i = 0; i < 1000 && access(path, R_OK) != 0; i++) {
        int status;
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            print_message("skipped: a file system cannot be mounted here (fuse_powercap ended with %d)\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
            rmdir(f->dir);
            return false;
        }
        pause_ns(5 * MS);
    }
    assert_int_equal(access(path, R_OK), 0);
    return true;
}

static void unmount_it(struct mounted *f)
{
    int status;
    kill(f->pid, SIGTERM);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_int_equal(rmdir(f->dir), 0);
}

static void answered_by_a_file_system(void **state)
{
    (void)state;
    char program[400];
    struct mounted f;
    if (!find_program(program, sizeof program)) skip();
    if (!mount_it(&f, program, "0")) skip();
    bool tested = random_windows("file system", f.dir, &(struct truth){mounted_uj, NULL, &f}, 12);
    unmount_it(&f);
    if (!tested) skip();
}

static void a_file_system_with_failing_reads(void **state)
{
    (void)state;
    char program[400];
    struct mounted f;
    if (!find_program(program, sizeof program)) skip();
    if (!mount_it(&f, program, "3001")) skip();
    bool tested = random_windows("file system, one read of 3001 fails", f.dir, &(struct truth){mounted_uj, NULL, &f}, 13);
    unmount_it(&f);
    if (!tested) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_in_place),
        cmocka_unit_test(answered_by_a_file_system),
        cmocka_unit_test(a_file_system_with_failing_reads),
    };
    return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}
