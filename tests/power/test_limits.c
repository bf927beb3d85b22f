// Power limits on fabricated trees: listed, set, verified, always put back; and a state file that nobody can turn against root.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "power/limits_data.h"

#define PKG1 "intel-rapl/intel-rapl:1"
#define MMIO "intel-rapl-mmio/intel-rapl-mmio:0"

struct rig {
    struct unit_tree tree;
    char state[128];
    struct jb_limits *limits;
    struct jb_err err;
};

static void constraint(struct rig *r, const char *zone, int n, const char *name, uint64_t limit_uw, uint64_t min_uw, uint64_t max_uw)
{
    char path[200], text[64];
    snprintf(path, sizeof path, "%s/constraint_%d_power_limit_uw", zone, n);
    unit_put_u64(&r->tree, path, limit_uw);
    snprintf(path, sizeof path, "%s/constraint_%d_time_window_us", zone, n);
    unit_put_u64(&r->tree, path, 27983872);
    if (name) {
        snprintf(path, sizeof path, "%s/constraint_%d_name", zone, n);
        snprintf(text, sizeof text, "%s\n", name);
        unit_put(&r->tree, path, text);
    }
    if (min_uw) {
        snprintf(path, sizeof path, "%s/constraint_%d_min_power_uw", zone, n);
        unit_put_u64(&r->tree, path, min_uw);
    }
    if (max_uw) {
        snprintf(path, sizeof path, "%s/constraint_%d_max_power_uw", zone, n);
        unit_put_u64(&r->tree, path, max_uw);
    }
}

static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    unit_one_socket(&r->tree);
    unit_zone(&r->tree, PKG1, "package-1", 5, RANGE_UJ);
    unit_put(&r->tree, PKG0 "/enabled", "1\n");
    constraint(r, PKG0, 0, "long_term", 28000000, 5000000, 28000000);
    constraint(r, PKG0, 1, "short_term", 64000000, 0, 0);
    constraint(r, PKG0, 4, "peak_power", 140000000, 0, 0); // a gap in the numbers
    constraint(r, PKG1, 0, "long_term", 30000000, 5000000, 0);
    constraint(r, DRAM0, 0, "long_term", 0, 0, 0);
    unit_put(&r->tree, DRAM0 "/enabled", "0\n");
    snprintf(r->state, sizeof r->state, "%s/state/limits.json", r->tree.root);
}

static void rig_close(struct rig *r)
{
    jb_limits_close(r->limits);
    unit_tree_close(&r->tree);
}

static void limits_open(struct rig *r)
{
    if (jb_limits_open(&r->limits, r->tree.root, r->state, false, &r->err) != 0) fail_msg("open: %s", r->err.detail);
}

// The text of a limit's file, whole: junk behind the digits would show.
static void reads(const struct rig *r, const char *zone, int n, const char *text)
{
    char path[256], have[64] = "";
    snprintf(path, sizeof path, "%s/%s/constraint_%d_power_limit_uw", r->tree.root, zone, n);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, have, sizeof have - 1);
    if (fd >= 0) close(fd);
    if (got > 0 && have[got - 1] == '\n') have[got - 1] = 0;
    if (got < 0 || strcmp(have, text) != 0) fail_msg("%s constraint %d reads \"%s\", not \"%s\"", zone, n, have, text);
}

static void refuses(struct rig *r, int rc, int code, const char *says)
{
    if (rc != code || !strstr(r->err.detail, says)) fail_msg("%d \"%s\", not %d with \"%s\"", rc, r->err.detail, code, says);
}

static bool state_is_there(const struct rig *r) { return access(r->state, F_OK) == 0; }

static size_t pending(const struct rig *r)
{
    struct jb_limits_left left;
    struct jb_err err = {0};
    if (jb_limits_pending(r->state, &left, &err) != 0) fail_msg("pending: %s", err.detail);
    return left.n;
}

static const struct jb_limit *find(const struct jb_limit *x, size_t n, const char *label, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(x[i].label, label) && !strcmp(x[i].name, name)) return &x[i];
    fail_msg("%s %s is not listed", label, name);
    return NULL;
}

// ---- list ----

static void lists_everything(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limit *x = calloc(JB_LIMITS_MAX, sizeof *x);
    size_t n = 0;
    rig_open(&r);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:a", "psys", 5, RANGE_UJ);
    constraint(&r, "intel-rapl/intel-rapl:a", 10, "long_term", 90000000, 0, 0);
    constraint(&r, PKG0 "/intel-rapl:0:0", 0, NULL, 7000000, 0, 0); // no name
    unit_put(&r.tree, "dtpm/dtpm:0/name", "so\xc3\xa9\n");
    unit_put(&r.tree, "dtpm/dtpm:0/constraint_0_power_limit_uw", "junk\n");
    unit_put(&r.tree, PKG1 "/constraint_01_power_limit_uw", "1\n"); // no number of the kernel's
    unit_put(&r.tree, PKG1 "/constraint_x_power_limit_uw", "1\n");
    if (jb_limits_list(r.tree.root, x, JB_LIMITS_MAX, &n, &r.err) != 0) fail_msg("list: %s", r.err.detail);
    assert_int_equal(n, 8);
    const struct jb_limit *p = find(x, n, "package-0", "long_term");
    assert_int_equal(p->limit_uw, 28000000);
    assert_int_equal(p->min_uw, 5000000);
    assert_int_equal(p->max_uw, 28000000);
    assert_int_equal(p->window_us, 27983872);
    assert_true(p->readable && p->enabled && p->errnum == 0);
    assert_int_equal(find(x, n, "package-0", "peak_power")->constraint, 4);
    assert_int_equal(find(x, n, "psys", "long_term")->constraint, 10);
    assert_int_equal(find(x, n, "core-0", "constraint_0")->limit_uw, 7000000);
    assert_false(find(x, n, "dram-0", "long_term")->enabled);
    assert_non_null(strstr(find(x, n, "dram-0", "long_term")->why, "switched off"));
    const struct jb_limit *odd = find(x, n, "so??", "constraint_0");
    assert_false(odd->readable);
    assert_int_equal(odd->errnum, EINVAL);
    refuses(&r, jb_limits_list(r.tree.root, x, 3, &n, &r.err), JB_E_RANGE, "more than 3");
    free(x);
    rig_close(&r);
}

static void roots(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limit x[16];
    size_t n = 99;
    rig_open(&r);
    refuses(&r, jb_limits_list("/nowhere/at/all", x, 16, &n, &r.err), JB_E_UNAVAILABLE, "/nowhere/at/all");
    assert_int_equal(n, 99);
    char empty[128];
    snprintf(empty, sizeof empty, "%s/state2", r.tree.root);
    mkdir(empty, 0755);
    refuses(&r, jb_limits_list(empty, x, 16, &n, &r.err), JB_E_UNAVAILABLE, "no power zone");
    // A directory that stands for /sys.
    struct unit_tree sys;
    unit_tree_open(&sys);
    unit_put(&sys, "class/powercap/intel-rapl/intel-rapl:0/name", "package-0\n");
    unit_put(&sys, "class/powercap/intel-rapl/intel-rapl:0/constraint_0_power_limit_uw", "1000000\n");
    assert_int_equal(jb_limits_list(sys.root, x, 16, &n, &r.err), 0);
    assert_int_equal(n, 1);
    unit_put(&sys, "class/powercap/intel-rapl/intel-rapl:1/name", "package-1\n"); // a zone without constraints is no error
    assert_int_equal(jb_limits_list(sys.root, x, 16, &n, &r.err), 0);
    assert_int_equal(n, 1);
    unit_tree_close(&sys);
    rig_close(&r);
}

// ---- set and restore ----

static void sets_and_restores(void **state)
{
    (void)state;
    struct rig r;
    struct stat st;
    rig_open(&r);
    limits_open(&r);
    assert_false(state_is_there(&r)); // nothing changed, nothing to write down
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 9.5, &r.err), 0);
    reads(&r, PKG0, 0, "9500000"); // a digit shorter than before: no junk
    reads(&r, PKG1, 0, "9500000");
    reads(&r, PKG0, 1, "64000000");
    assert_int_equal(stat(r.state, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(jb_limits_n_held(r.limits), 2);
    struct jb_limits_held h;
    jb_limits_held(r.limits, 1, &h);
    assert_string_equal(h.label, "package-1");
    assert_int_equal(h.original_uw, 30000000);
    assert_int_equal(h.set_uw, 9500000);
    assert_int_equal(h.window_us, 27983872);
    assert_int_equal(jb_limits_set(r.limits, "package-0", "peak_power", 100, &r.err), 0);
    assert_int_equal(jb_limits_set(r.limits, "intel-rapl:1", NULL, 20, &r.err), 0); // again: the first original stays
    reads(&r, PKG0, 4, "100000000");
    reads(&r, PKG1, 0, "20000000");
    assert_int_equal(pending(&r), 3);
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, PKG0, 0, "28000000");
    reads(&r, PKG1, 0, "30000000");
    reads(&r, PKG0, 4, "140000000");
    assert_false(state_is_there(&r));
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0); // once more does nothing
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0); // and all begins anew
    assert_true(state_is_there(&r));
    jb_limits_close(r.limits);
    r.limits = NULL;
    reads(&r, PKG0, 0, "28000000");
    assert_false(state_is_there(&r));
    jb_limits_close(NULL);
    rig_close(&r);
}

static void mmio_only_where_it_is_lower(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    unit_zone(&r.tree, MMIO, "package-0", 5, RANGE_UJ);
    constraint(&r, MMIO, 0, "long_term", 20000000, 0, 0);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    reads(&r, MMIO, 0, "20000000");
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 25, &r.err), 0);
    reads(&r, MMIO, 0, "25000000");
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, MMIO, 0, "20000000");
    rig_close(&r);
}

static void refused_values(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    limits_open(&r);
    refuses(&r, jb_limits_set(r.limits, NULL, NULL, 4.9, &r.err), JB_E_INVALID, "below the platform's minimum of 5 W");
    refuses(&r, jb_limits_set(r.limits, NULL, NULL, 28.5, &r.err), JB_E_INVALID, "above the platform's maximum of 28 W");
    const double bad[] = {0, -1, NAN, INFINITY, 2e6};
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) refuses(&r, jb_limits_set(r.limits, NULL, NULL, bad[i], &r.err), JB_E_INVALID, "must be above 0");
    refuses(&r, jb_limits_set(r.limits, "package-7", NULL, 10, &r.err), JB_E_NOT_FOUND, "package-0 long_term, package-0 short_term");
    refuses(&r, jb_limits_set(r.limits, NULL, "no_term", 10, &r.err), JB_E_NOT_FOUND, "no_term");
    refuses(&r, jb_limits_set(r.limits, "dram-0", NULL, 10, &r.err), JB_E_UNAVAILABLE, "switched off");
    assert_false(state_is_there(&r)); // nothing was ever changed
    reads(&r, PKG0, 0, "28000000");
    // What is in force cannot be too much, whatever the CPU names as its maximum.
    constraint(&r, PKG0, 0, "long_term", 250000000, 0, 28000000);
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 100, &r.err), 0);
    rig_close(&r);
}

// ---- firmware ----

// Takes fail_fd_after writes as they are, then fail_n (0: all) as its other fields say.
struct firmware { int write_errno, fail_fd_after, fail_n, n_writes; uint64_t rounds_to; bool ignores; };

static int fw_read(void *self, int fd, uint64_t *uw)
{
    (void)self;
    return jb_limits_io_files().read(NULL, fd, uw);
}

static int fw_write(void *self, int fd, bool sysfs, const char *digits, size_t n)
{
    struct firmware *f = self;
    int at = f->n_writes++;
    if (at < f->fail_fd_after || (f->fail_n && at >= f->fail_fd_after + f->fail_n)) return jb_limits_io_files().write(NULL, fd, sysfs, digits, n);
    if (f->write_errno) return f->write_errno;
    if (f->ignores) return 0;
    char text[32] = "", out[32];
    memcpy(text, digits, n);
    uint64_t v = strtoull(text, NULL, 10);
    if (f->rounds_to) v = v / f->rounds_to * f->rounds_to;
    int m = snprintf(out, sizeof out, "%llu", (unsigned long long)v);
    return jb_limits_io_files().write(NULL, fd, sysfs, out, (size_t)m);
}

static void firmware_errors(void **state)
{
    (void)state;
    const struct { struct firmware f; int code; const char *says; } cases[] = {
        {{.write_errno = EACCES}, JB_E_UNAVAILABLE, "locked by the firmware"},
        {{.write_errno = EPERM}, JB_E_UNAVAILABLE, "locked by the firmware"},
        {{.write_errno = EINVAL}, JB_E_INVALID, "refuses 15 W as a value"},
        {{.write_errno = ENODATA}, JB_E_UNAVAILABLE, "locked by the firmware"},
        {{.write_errno = EROFS}, JB_E_DENIED, "read-only"},
        {{.write_errno = ENODEV}, JB_E_UNAVAILABLE, "vanished"},
        {{.write_errno = EIO}, JB_E_IO, "cannot be written"},
        {{.ignores = true}, JB_E_UNAVAILABLE, "it still reads 28 W"},
        {{.rounds_to = 10000000}, JB_E_UNAVAILABLE, "it reads 10 W"},
        {{.write_errno = EACCES, .fail_fd_after = 1}, JB_E_UNAVAILABLE, PKG1}, // the second of two: the first is put back...
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        struct firmware f = cases[i].f;
        rig_open(&r);
        limits_open(&r);
        r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
        refuses(&r, jb_limits_set(r.limits, NULL, NULL, 15, &r.err), cases[i].code, cases[i].says);
        if (f.fail_fd_after) f.fail_fd_after = 99; // ...as soon as it can be
        if (f.rounds_to) f.rounds_to = 0;
        assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
        reads(&r, PKG0, 0, "28000000");
        reads(&r, PKG1, 0, "30000000");
        assert_false(state_is_there(&r));
        rig_close(&r);
    }
}

// The second of two packages refuses: the first gets back what it had before the call, which need not be what it was at first.
static void a_failed_call_is_undone(void **state)
{
    (void)state;
    struct rig r;
    struct firmware f = {.write_errno = EINVAL, .fail_fd_after = 1, .fail_n = 1};
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 20, &r.err), 0);
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    refuses(&r, jb_limits_set(r.limits, NULL, NULL, 15, &r.err), JB_E_INVALID, PKG1);
    reads(&r, PKG0, 0, "20000000");
    reads(&r, PKG1, 0, "30000000");
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, PKG0, 0, "28000000");
    rig_close(&r);
}

// Somebody else has put the limit back, and firmware has locked it meanwhile: nothing is left to do.
static void back_already(void **state)
{
    (void)state;
    struct rig r;
    struct firmware f = {.write_errno = EACCES};
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 20, &r.err), 0);
    constraint(&r, PKG0, 0, "long_term", 28000000, 0, 0);
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    assert_int_equal(f.n_writes, 0);
    assert_false(state_is_there(&r));
    rig_close(&r);
}

static void rounding_is_accepted(void **state)
{
    (void)state;
    struct rig r;
    struct firmware f = {.rounds_to = 125000};
    struct jb_limits_held h;
    rig_open(&r);
    limits_open(&r);
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15.1, &r.err), 0);
    jb_limits_held(r.limits, 0, &h);
    assert_int_equal(h.set_uw, 15000000); // what holds, not what was asked for
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    rig_close(&r);
    assert_true(jb_limits_same(15000000, 14875000) && !jb_limits_same(15000000, 14870000));
    assert_true(jb_limits_same(100000000, 100500000) && !jb_limits_same(100000000, 100600000));
}

static void partial_restore_keeps_the_state(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    struct firmware f = {.write_errno = EACCES, .fail_fd_after = 1};
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    refuses(&r, jb_limits_restore(r.limits, &r.err), JB_E_UNAVAILABLE, "locked");
    assert_true(state_is_there(&r));
    reads(&r, PKG1, 0, "30000000"); // the last changed goes first
    reads(&r, PKG0, 0, "15000000");
    assert_int_equal(pending(&r), 1);
    r.limits->io = jb_limits_io_files();
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, PKG0, 0, "28000000");
    assert_false(state_is_there(&r));
    rig_close(&r);
}

// ---- a zone that goes, and comes again ----

static void vanishes_in_the_middle(void **state)
{
    (void)state;
    struct rig r;
    char path[256], away[256];
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    unit_path(&r.tree, PKG1, path);
    unit_path(&r.tree, "away", away);
    assert_int_equal(rename(path, away), 0);
    refuses(&r, jb_limits_set(r.limits, "package-1", NULL, 20, &r.err), JB_E_NOT_FOUND, "package-1");
    struct firmware f = {.write_errno = ENODEV}; // what sysfs says of a file whose driver went
    struct jb_limits_io io = r.limits->io;
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    refuses(&r, jb_limits_restore(r.limits, &r.err), JB_E_UNAVAILABLE, "vanished");
    assert_true(state_is_there(&r));
    r.limits->io = io;
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, PKG0, 0, "28000000");
    reads(&r, PKG1, 0, "30000000");
    // A driver loaded anew: the old descriptors are dead, the path is not.
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 15, &r.err), 0);
    f = (struct firmware){.write_errno = ENODEV, .fail_n = 1};
    r.limits->io = (struct jb_limits_io){fw_read, fw_write, &f};
    assert_int_equal(jb_limits_restore(r.limits, &r.err), 0);
    reads(&r, PKG0, 0, "28000000");
    r.limits->io = io;
    // Gone for good: the others are put back, the state stays until it is given up.
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    assert_int_equal(jb_limits_leave(r.limits, &r.err), 0);
    r.limits = NULL;
    assert_int_equal(rename(path, away), 0);
    size_t n = 0;
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_UNAVAILABLE, "vanished");
    reads(&r, PKG0, 0, "28000000");
    assert_int_equal(pending(&r), 1);
    assert_int_equal(jb_limits_forget(r.state, &r.err), 0);
    assert_false(state_is_there(&r));
    rig_close(&r);
}

// ---- processes ----

// A child that sets limits and dies as `how` says.
static void child_sets_and_dies(struct rig *r, void (*how)(struct jb_limits *l))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct jb_limits *l = NULL;
        if (jb_limits_open(&l, r->tree.root, r->state, false, NULL) || jb_limits_set(l, NULL, NULL, 15, NULL)) _exit(1);
        how(l);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void by_kill(struct jb_limits *l)
{
    (void)l;
    raise(SIGKILL);
}

static const struct jb_limits *volatile in_handler;

static void on_fatal(int number)
{
    jb_limits_restore_in_signal(in_handler);
    (void)number; // SA_RESETHAND: the fault happens again, and ends it
}

static void by_fault(struct jb_limits *l)
{
    struct sigaction a = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND};
    in_handler = l;
    sigaction(SIGABRT, &a, NULL);
    raise(SIGABRT);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

static void killed(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limits_left left;
    rig_open(&r);
    child_sets_and_dies(&r, by_kill);
    reads(&r, PKG0, 0, "15000000");
    assert_int_equal(jb_limits_pending(r.state, &left, &r.err), 0);
    assert_int_equal(left.n, 2);
    assert_false(left.running || left.kept);
    if (!strstr(left.text, "package-0 long_term 15 W instead of 28 W")) fail_msg("%s", left.text);
    refuses(&r, jb_limits_open(&r.limits, r.tree.root, r.state, false, &r.err), JB_E_EXISTS, "joulebench power limits restore");
    assert_null(r.limits);
    size_t n = 0;
    assert_int_equal(jb_limits_restore_file(r.state, &n, &r.err), 0);
    assert_int_equal(n, 2);
    reads(&r, PKG0, 0, "28000000");
    reads(&r, PKG1, 0, "30000000");
    assert_int_equal(pending(&r), 0);
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_NOT_FOUND, "no power limits are left");
    rig_close(&r);
}

static void fatal_signal(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    child_sets_and_dies(&r, by_fault);
    reads(&r, PKG0, 0, "28000000");
    reads(&r, PKG1, 0, "30000000");
    assert_true(state_is_there(&r)); // but says nothing that is still so
    assert_int_equal(pending(&r), 0);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    jb_limits_restore_in_signal(NULL);
    rig_close(&r);
}

static void two_holders(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limits *other = NULL;
    char state2[160];
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    refuses(&r, jb_limits_open(&other, r.tree.root, r.state, false, &r.err), JB_E_BUSY, "holds the power limits");
    size_t n = 0;
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_BUSY, "holds the power limits");
    refuses(&r, jb_limits_forget(r.state, &r.err), JB_E_BUSY, "holds the power limits");
    // Another state file does not help: the limits themselves are locked.
    snprintf(state2, sizeof state2, "%s/elsewhere/limits.json", r.tree.root);
    assert_int_equal(jb_limits_open(&other, r.tree.root, state2, false, &r.err), 0);
    refuses(&r, jb_limits_set(other, NULL, NULL, 10, &r.err), JB_E_BUSY, "another process changes this limit");
    jb_limits_close(other);
    reads(&r, PKG0, 0, "15000000");
    // Seen from elsewhere, this process runs.
    pid_t pid = fork();
    if (pid == 0) {
        struct jb_limits_left left;
        _exit(jb_limits_pending(r.state, &left, NULL) == 0 && left.n == 2 && left.running ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    rig_close(&r);
}

static void kept_and_adopted(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limits_left left;
    rig_open(&r);
    limits_open(&r);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    assert_int_equal(jb_limits_leave(r.limits, &r.err), 0);
    r.limits = NULL;
    reads(&r, PKG0, 0, "15000000");
    assert_int_equal(jb_limits_pending(r.state, &left, &r.err), 0);
    assert_true(left.n == 2 && left.kept && !left.running);
    refuses(&r, jb_limits_open(&r.limits, r.tree.root, r.state, false, &r.err), JB_E_EXISTS, "stay until they are put back");
    assert_int_equal(jb_limits_open(&r.limits, r.tree.root, r.state, true, &r.err), 0);
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 10, &r.err), 0);
    refuses(&r, jb_limits_set(r.limits, "package-0", NULL, 1, &r.err), JB_E_INVALID, "minimum"); // a failure leaves what was
    assert_int_equal(jb_limits_leave(r.limits, &r.err), 0);
    r.limits = NULL;
    reads(&r, PKG0, 0, "10000000");
    size_t n = 0;
    assert_int_equal(jb_limits_restore_file(r.state, &n, &r.err), 0);
    assert_int_equal(n, 2);
    reads(&r, PKG0, 0, "28000000");
    // Nothing changed: nothing stays.
    limits_open(&r);
    refuses(&r, jb_limits_set(r.limits, NULL, NULL, 1, &r.err), JB_E_INVALID, "minimum");
    assert_int_equal(jb_limits_leave(r.limits, &r.err), 0);
    r.limits = NULL;
    assert_false(state_is_there(&r));
    assert_int_equal(jb_limits_leave(NULL, NULL), 0);
    rig_close(&r);
}

// ---- rights ----

// Runs `check` in a child; it returns 0 when all is as it should be.
static void in_child(struct rig *r, int (*check)(struct rig *r))
{
    pid_t pid = fork();
    if (pid == 0) _exit(check(r));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status == 77 << 8) {
        printf("skipped: this process may not mount or change its user here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static int as_nobody(struct rig *r)
{
    struct jb_limit x[16];
    struct jb_limits *l = NULL;
    size_t n = 0;
    char state2[160];
    if (setgid(65534) || setuid(65534)) return 77;
    if (jb_limits_list(r->tree.root, x, 16, &n, NULL)) return 1;
    const struct jb_limit *p = find(x, n, "package-0", "long_term");
    if (!p->readable || p->writable || p->errnum != EACCES || !strstr(p->why, "not root; run the same with sudo")) return 2;
    snprintf(state2, sizeof state2, "%s/shared/mine/limits.json", r->tree.root);
    if (jb_limits_open(&l, r->tree.root, state2, false, &r->err)) return 3;
    if (jb_limits_set(l, NULL, NULL, 15, &r->err) != JB_E_DENIED || !strstr(r->err.detail, "not root; run the same with sudo")) return 4;
    jb_limits_close(l);
    return access(state2, F_OK) == 0 ? 5 : 0;
}

static void not_root(void **state)
{
    (void)state;
    struct rig r;
    char shared[160];
    if (geteuid() != 0) {
        printf("skipped: only root can try this\n");
        skip();
    }
    rig_open(&r);
    snprintf(shared, sizeof shared, "%s/shared", r.tree.root);
    assert_int_equal(mkdir(shared, 0777), 0);
    assert_int_equal(chmod(shared, 01777), 0);
    in_child(&r, as_nobody);
    rig_close(&r);
}

static int read_only(struct rig *r)
{
    struct jb_limits *l = NULL;
    char path[256];
    unit_path(&r->tree, "intel-rapl", path);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount(path, path, NULL, MS_BIND, NULL) ||
        mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
        return 77;
    if (jb_limits_open(&l, r->tree.root, r->state, false, &r->err)) return 1;
    if (jb_limits_set(l, NULL, NULL, 15, &r->err) != JB_E_DENIED || !strstr(r->err.detail, "mounted read-only (a container?)")) return 2;
    jb_limits_close(l);
    return access(r->state, F_OK) == 0 ? 3 : 0;
}

static void read_only_mount(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    in_child(&r, read_only);
    rig_close(&r);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    struct rig r;
    char target[256], path[256];
    rig_open(&r);
    unit_put(&r.tree, "precious", "28000000\n");
    unit_path(&r.tree, "precious", target);
    unit_path(&r.tree, PKG0 "/constraint_0_power_limit_uw", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(target, path), 0);
    limits_open(&r);
    refuses(&r, jb_limits_set(r.limits, "package-0", NULL, 15, &r.err), JB_E_DENIED, "symbolic link");
    // Nor when a state file leads there.
    assert_int_equal(unlink(path), 0);
    constraint(&r, PKG0, 0, "long_term", 28000000, 0, 0);
    assert_int_equal(jb_limits_set(r.limits, "package-0", NULL, 15, &r.err), 0);
    assert_int_equal(jb_limits_leave(r.limits, &r.err), 0);
    r.limits = NULL;
    unit_put(&r.tree, "precious", "15000000\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(target, path), 0);
    size_t n = 0;
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_DENIED, "symbolic link");
    unit_path(&r.tree, "precious", target);
    int fd = open(target, O_RDONLY);
    char have[16] = "";
    assert_int_equal(read(fd, have, sizeof have - 1), 9);
    close(fd);
    assert_string_equal(have, "15000000\n");
    rig_close(&r);
}

// ---- the state file ----

static void put_state(struct rig *r, const char *text)
{
    unit_put(&r->tree, "state/limits.json", text);
    assert_int_equal(chmod(r->state, 0600), 0);
}

// The state as it is written, with one piece exchanged wherever it stands.
static void put_changed(struct rig *r, const char *from, const char *to)
{
    struct jb_limits_state *s = calloc(1, sizeof *s);
    char out[4096];
    jb_limits_state_init(s);
    assert_true(realpath(r->tree.root, s->root) != NULL);
    s->n = 1;
    s->saved[0] = (struct jb_limits_saved){.zone = PKG0, .label = "package-0", .name = "long_term", .constraint = 1, .original_uw = 28000000};
    assert_int_equal(jb_limits_file_of(s->root, PKG0, 1, s->saved[0].path, sizeof s->saved[0].path, NULL), 0);
    char *text = jb_limits_state_print(s);
    assert_non_null(text);
    size_t n = 0;
    if (!strstr(text, from)) fail_msg("the state has no %s", from);
    for (const char *p = text, *at; n < sizeof out; p = at + strlen(from)) {
        at = strstr(p, from);
        n += (size_t)snprintf(out + n, sizeof out - n, "%.*s%s", at ? (int)(at - p) : (int)strlen(p), p, at ? to : "");
        if (!at) break;
    }
    put_state(r, out);
    free(text);
    free(s);
}

static void round_trip(void **state)
{
    (void)state;
    struct jb_limits_state *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct jb_err err = {0};
    jb_limits_state_init(a);
    snprintf(a->root, sizeof a->root, "/sys/class/powercap");
    a->kept = true;
    for (a->n = 0; a->n < JB_LIMITS_MAX; a->n++) {
        struct jb_limits_saved *x = &a->saved[a->n];
        snprintf(x->zone, sizeof x->zone, "intel-rapl/intel-rapl:%zx", a->n);
        snprintf(x->label, sizeof x->label, "package-%zu", a->n);
        snprintf(x->name, sizeof x->name, "long_term");
        x->constraint = (int)a->n;
        x->original_uw = a->n * 1000000007u;
        assert_int_equal(jb_limits_file_of(a->root, x->zone, x->constraint, x->path, sizeof x->path, NULL), 0);
    }
    char *text = jb_limits_state_print(a);
    assert_non_null(text);
    if (jb_limits_state_parse(b, "state", text, strlen(text), &err) != 0) fail_msg("%s", err.detail);
    assert_memory_equal(a, b, sizeof *a);
    assert_false(jb_limits_state_is_stale(b));
    free(text);
    free(a);
    free(b);
}

static void hostile_states(void **state)
{
    (void)state;
    const struct { const char *from, *to, *says; } cases[] = {
        {"joulebench.limits/1", "joulebench.limits/2", "schema"},
        {PKG0, "intel-rapl/../../etc", "zone"},
        {PKG0, "intel-rapl/intel-rapl:0/../intel-rapl:1", "zone"},
        {PKG0, "intel-rapl/intel-rapl:0/other:0:1", "zone"},
        {PKG0, "intel-rapl/intel-rapl:0/", "zone"},
        {PKG0, "intel-rapl//intel-rapl:0", "zone"},
        {PKG0, "intel-rapl", "zone"},
        {PKG0, "intel-rapl:0", "zone"},
        {PKG0, "intel-rapl/intel-rapl:G", "zone"},
        {PKG0, "intel-rapl/intel-rapl:123456789", "zone"},
        {PKG0 "\"", "intel-rapl/intel-rapl:1\"", "\"path\" is not"},
        {"constraint_1_power_limit_uw", "constraint_2_power_limit_uw", "\"path\" is not"},
        {"\"/tmp", "\"/tmp/../tmp", "root"},
        {"\"/tmp", "\"/tmp/./", "root"},
        {"\"/tmp", "\"tmp", "root"},
        {"\"constraint\": 1", "\"constraint\": -1", "constraint"},
        {"\"constraint\": 1", "\"constraint\": 1e300", "constraint"},
        {"28000000", "-28000000", "original_uw"},
        {"28000000", "28000000.5", "original_uw"},
        {"28000000", "\"99999999999999999999\"", "original_uw"},
        {"28000000", "9000000000000001", "original_uw"},
        {"\"pid\": ", "\"pid\": -", "pid"},
        {"\"root\": \"/", "\"root\": \"", "root"},
        {"long_term", "long\\u0007term", "name"},
        {"long_term", "0123456789012345678901234567890123", "name"},
        {"\"kept\"", "\"more\": 1, \"kept\"", "unknown key"},
        {"\"kept\": false", "\"kept\": 0", "kept"},
        {"\"constraints\": [", "\"constraints\": [ 7,", "constraints"},
        {"{", "", "limits.json"},
        {"}", "} x", "limits.json"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        size_t n = 0;
        struct jb_limits_left left;
        rig_open(&r);
        put_changed(&r, cases[i].from, cases[i].to);
        int rc = jb_limits_restore_file(r.state, &n, &r.err);
        if ((rc != JB_E_INVALID && rc != JB_E_RANGE) || !strstr(r.err.detail, cases[i].says) || !strstr(r.err.detail, "limits.json"))
            fail_msg("%s -> %s: %d \"%s\"", cases[i].from, cases[i].to, rc, r.err.detail);
        assert_int_equal(jb_limits_pending(r.state, &left, &r.err), rc);
        assert_int_equal(jb_limits_open(&r.limits, r.tree.root, r.state, true, &r.err), rc);
        reads(&r, PKG0, 1, "64000000");
        assert_true(state_is_there(&r));
        assert_int_equal(jb_limits_forget(r.state, &r.err), 0); // the way out
        rig_close(&r);
    }
    struct rig r;
    size_t n = 0;
    rig_open(&r);
    put_changed(&r, "long_term", "long_term"); // and unchanged it is believed
    assert_int_equal(jb_limits_restore_file(r.state, &n, &r.err), 0);
    reads(&r, PKG0, 1, "28000000");
    rig_close(&r);
}

static void not_believed(void **state)
{
    (void)state;
    struct rig r;
    size_t n = 0;
    char dir[160], other[160];
    rig_open(&r);
    put_changed(&r, "long_term", "long_term");
    assert_int_equal(chmod(r.state, 0622), 0);
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_DENIED, "not believed");
    assert_int_equal(chmod(r.state, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(r.state, 12345, 0), 0);
        refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_DENIED, "not believed");
        assert_int_equal(chown(r.state, 0, 0), 0);
    }
    snprintf(dir, sizeof dir, "%s/state", r.tree.root);
    assert_int_equal(chmod(dir, 0777), 0);
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_DENIED, "other users may change this directory");
    refuses(&r, jb_limits_open(&r.limits, r.tree.root, r.state, false, &r.err), JB_E_DENIED, "chmod go-w");
    assert_int_equal(chmod(dir, 0755), 0);
    // Links: of the file, and of its directory.
    snprintf(other, sizeof other, "%s/state/other.json", r.tree.root);
    assert_int_equal(rename(r.state, other), 0);
    assert_int_equal(symlink(other, r.state), 0);
    refuses(&r, jb_limits_restore_file(r.state, &n, &r.err), JB_E_DENIED, "symbolic link");
    assert_int_equal(unlink(r.state), 0);
    assert_int_equal(rename(other, r.state), 0);
    snprintf(other, sizeof other, "%s/link", r.tree.root);
    assert_int_equal(symlink(dir, other), 0);
    snprintf(other, sizeof other, "%s/link/limits.json", r.tree.root);
    refuses(&r, jb_limits_restore_file(other, &n, &r.err), JB_E_DENIED, "symbolic link");
    reads(&r, PKG0, 1, "64000000");
    rig_close(&r);
}

static void another_boot(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limits_state *s = calloc(1, sizeof *s);
    size_t n = 7;
    rig_open(&r);
    jb_limits_state_init(s);
    assert_true(strlen(s->boot_id) > 10);
    put_changed(&r, s->boot_id, "01234567-0123-0123-0123-0123456789ab");
    assert_int_equal(pending(&r), 0);
    assert_int_equal(jb_limits_restore_file(r.state, &n, &r.err), 0);
    assert_int_equal(n, 0);
    reads(&r, PKG0, 1, "64000000"); // the kernel's own
    assert_false(state_is_there(&r));
    put_changed(&r, s->boot_id, "01234567-0123-0123-0123-0123456789ab");
    limits_open(&r); // no obstacle
    assert_false(state_is_there(&r));
    free(s);
    rig_close(&r);
}

static void nothing_is_changed_that_cannot_be_written_down(void **state)
{
    (void)state;
    struct rig r;
    char tmp[200];
    rig_open(&r);
    limits_open(&r);
    snprintf(tmp, sizeof tmp, "%s.tmp", r.state); // a directory where the temporary file should be
    assert_int_equal(mkdir(tmp, 0755), 0);
    refuses(&r, jb_limits_set(r.limits, NULL, NULL, 15, &r.err), JB_E_EXISTS, "so that none is changed");
    reads(&r, PKG0, 0, "28000000");
    assert_int_equal(rmdir(tmp), 0);
    assert_int_equal(jb_limits_set(r.limits, NULL, NULL, 15, &r.err), 0);
    assert_int_equal(pending(&r), 2); // written the second time, though its entries were there already
    rig_close(&r);
}

static void state_paths(void **state)
{
    (void)state;
    char out[128];
    struct jb_err err = {0};
    struct jb_limits_env e = {.state_dir = "/s", .runtime_dir = "/r", .home = "/h", .root = true};
    assert_int_equal(jb_limits_state_path(&e, out, sizeof out, &err), 0);
    assert_string_equal(out, "/s/limits.json");
    e.state_dir = NULL;
    assert_int_equal(jb_limits_state_path(&e, out, sizeof out, &err), 0);
    assert_string_equal(out, "/run/joulebench/limits.json");
    e.root = false;
    assert_int_equal(jb_limits_state_path(&e, out, sizeof out, &err), 0);
    assert_string_equal(out, "/r/joulebench/limits.json");
    e.runtime_dir = "";
    assert_int_equal(jb_limits_state_path(&e, out, sizeof out, &err), 0);
    assert_string_equal(out, "/h/.local/state/joulebench/limits.json");
    assert_int_equal(jb_limits_state_path(&e, out, 10, &err), JB_E_RANGE);
    e.home = NULL;
    assert_int_equal(jb_limits_state_path(&e, out, sizeof out, &err), JB_E_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_everything), cmocka_unit_test(roots), cmocka_unit_test(sets_and_restores), cmocka_unit_test(mmio_only_where_it_is_lower),
        cmocka_unit_test(refused_values), cmocka_unit_test(firmware_errors), cmocka_unit_test(a_failed_call_is_undone), cmocka_unit_test(back_already), cmocka_unit_test(rounding_is_accepted), cmocka_unit_test(partial_restore_keeps_the_state),
        cmocka_unit_test(vanishes_in_the_middle), cmocka_unit_test(killed), cmocka_unit_test(fatal_signal), cmocka_unit_test(two_holders), cmocka_unit_test(kept_and_adopted),
        cmocka_unit_test(not_root), cmocka_unit_test(read_only_mount), cmocka_unit_test(links_are_not_followed), cmocka_unit_test(round_trip), cmocka_unit_test(hostile_states),
        cmocka_unit_test(not_believed), cmocka_unit_test(another_boot), cmocka_unit_test(nothing_is_changed_that_cannot_be_written_down), cmocka_unit_test(state_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
