// The powercap source on fabricated trees.
#include "tests/power/unit.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS 1000000u

struct rig {
    struct unit_tree tree;
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_meter *meter;
};

static void rig_tree(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    r->clock = (struct jb_fake_clock){.t_ns = 1000 * MS, .step_ns = 10000};
    r->opts = unit_opts(&r->tree, &r->clock);
}

static void rig_meter(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_meter_open(&r->meter, &r->opts, &err) != 0) fail_msg("open: %s", err.detail);
}

static void rig_close(struct rig *r)
{
    jb_meter_close(r->meter);
    unit_tree_close(&r->tree);
}

// The record holds `truth` in its bounds, and is of a fabricated tree.
static void holds(const struct jb_joules *j, double truth)
{
    if (!jb_joules_have(j)) fail_msg("no figure: %s", j->reason);
    assert_int_equal(j->cls, JB_ENERGY_REPLAYED); // never measured: not a sysfs
    if (!(j->lower_uj <= truth && truth <= j->upper_uj && j->lower_uj <= j->uj && j->uj <= j->upper_uj))
        fail_msg("%.1f not in [%.1f, %.1f], figure %.1f", truth, j->lower_uj, j->upper_uj, j->uj);
}

static void none_because(const struct jb_joules *j, const char *says)
{
    assert_int_equal(j->cls, JB_ENERGY_NONE);
    assert_true(isnan(j->uj) && isnan(j->lower_uj) && isnan(j->upper_uj));
    if (!strstr(j->reason, says)) fail_msg("reason \"%s\" does not say \"%s\"", j->reason, says);
}

static void one_socket(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_tree(&r);
    unit_one_socket(&r.tree);
    rig_meter(&r);
    assert_string_equal(jb_meter_source(r.meter), "powercap");
    assert_string_equal(jb_meter_root(r.meter), r.tree.root);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 2000 * MS;
    unit_counter(&r.tree, PKG0, 1000 + 60000000);
    unit_counter(&r.tree, CORE0, 500 + 50000000); // inside the package: not added
    unit_counter(&r.tree, DRAM0, 200 + 3000000);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    holds(&j, 63000000);
    if (j.uj != 63000000) fail_msg("%.9g", j.uj);
    assert_string_equal(j.domains, "package-0 dram-0");
    assert_string_equal(j.source, "powercap");
    assert_string_equal(j.root, r.tree.root);
    assert_true(j.window_ns >= 2000 * MS && j.window_ns < 2001 * MS);
    assert_int_equal(j.wraps, 0);
    assert_int_equal(j.update_ns, 0); // a tree at rest shows no period
    rig_close(&r);
}

static void two_sockets_psys_and_mmio(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    struct jb_power_probe p;
    rig_tree(&r);
    unit_one_socket(&r.tree);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:1", "package-1", 5, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:1/intel-rapl:1:0", "dram", 5, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:1/intel-rapl:1:1", "uncore", 5, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:a", "psys", 5, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl-mmio/intel-rapl-mmio:0", "package-0", 1000, RANGE_UJ);
    unit_zone(&r.tree, "dtpm/dtpm:0", "soc", 9, RANGE_UJ);
    unit_put(&r.tree, "intel-rapl/enabled", "1\n");
    assert_int_equal(jb_source_powercap.probe(&r.opts, &p), 0);
    assert_true(p.available);
    assert_int_equal(p.cls, JB_ENERGY_REPLAYED);
    assert_string_equal(p.domains, "package-0 dram-0 package-1 dram-1");
    const char *const out[] = {"core-0 (within its package)", "uncore-1 (within its package)", "psys (spans all)", "package-0/mmio (the same counter", "soc ("};
    for (size_t i = 0; i < 3; i++)
        if (!strstr(p.left_out, out[i])) fail_msg("\"%s\" lacks %s", p.left_out, out[i]);
    assert_true(p.read_ns > 0);
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 3000 * MS;
    unit_counter(&r.tree, PKG0, 100001000);
    unit_counter(&r.tree, "intel-rapl/intel-rapl:1", 200000005);
    unit_counter(&r.tree, "intel-rapl/intel-rapl:1/intel-rapl:1:0", 3000005);
    unit_counter(&r.tree, "intel-rapl/intel-rapl:a", 9000000);
    unit_counter(&r.tree, "intel-rapl-mmio/intel-rapl-mmio:0", 1001000);
    unit_counter(&r.tree, "dtpm/dtpm:0", 1000);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    holds(&j, 303000000);
    assert_true(j.uj == 303000000);
    rig_close(&r);
}

static void alone_what_is_otherwise_left_out(void **state)
{
    (void)state;
    const struct { const char *zone, *name, *label; } cases[] = {
        {"intel-rapl/intel-rapl:0", "psys", "psys"},
        {"intel-rapl-mmio/intel-rapl-mmio:0", "package-0", "package-0/mmio"},
        {"arm-scmi/arm-scmi:0", "soc", "soc"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        struct jb_power_probe p;
        rig_tree(&r);
        unit_zone(&r.tree, cases[i].zone, cases[i].name, 5, RANGE_UJ);
        assert_int_equal(jb_source_powercap.probe(&r.opts, &p), 0);
        assert_true(p.available);
        assert_string_equal(p.domains, cases[i].label);
        unit_tree_close(&r.tree);
    }
}

static void wraps(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    const uint64_t range = 50000000; // 50 J
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0", range - 1000, range);
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 200 * MS;
    unit_counter(&r.tree, PKG0, 4000000);
    jb_meter_poll(r.meter);
    r.clock.t_ns += 300 * MS;
    unit_counter(&r.tree, PKG0, 20000000);
    jb_meter_poll(r.meter);
    r.clock.t_ns += 390 * MS;
    unit_counter(&r.tree, PKG0, 10); // 30 J at a ceiling of 100 W
    struct jb_joules j = jb_meter_end(r.meter, &w);
    holds(&j, 4001000 + 16000000 + 30000010);
    assert_int_equal(j.wraps, 2);
    rig_close(&r);
}

static void long_silence_is_ambiguous(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0", 10, 50000000);
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 2000ull * MS; // at 100 W four wraps were possible
    unit_counter(&r.tree, PKG0, 1000000);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    none_because(&j, "ambiguous wrap");
    // A pause between windows costs nothing: begin takes a second reading.
    r.clock.t_ns += 2000ull * MS;
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 300 * MS;
    unit_counter(&r.tree, PKG0, 21000000);
    j = jb_meter_end(r.meter, &w);
    holds(&j, 20000000);
    rig_close(&r);
}

static void implausible_backwards_frozen(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0", 10000000, RANGE_UJ);
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 200 * MS;
    unit_counter(&r.tree, PKG0, 10000000 + 60000000); // 300 W at a ceiling of 100 W
    struct jb_joules j = jb_meter_end(r.meter, &w);
    none_because(&j, "more power than the ceiling");
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 200 * MS;
    unit_counter(&r.tree, PKG0, 60000000);
    j = jb_meter_end(r.meter, &w);
    none_because(&j, "ran backwards");
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 50 * MS;
    j = jb_meter_end(r.meter, &w);
    none_because(&j, "did not move");
    r.clock.t_ns += 1000 * MS;
    assert_true(jb_meter_begin(r.meter, &w) == 0);
    r.clock.t_ns += 1000 * MS;
    j = jb_meter_end(r.meter, &w);
    none_because(&j, "frozen");
    rig_close(&r);
}

// A failed reading in the middle fails the window though both ends were fine.
static void failures_in_the_middle(void **state)
{
    (void)state;
    const struct { const char *text, *says; } cases[] = {{"", "empty"}, {"abc\n", "not a number"}, {"0012000\n", "not a number"}, {"-5\n", "not a number"},
                                                         {"12 34\n", "not a number"}, {"99999999999999999999\n", "out of range"}, {"262143328851\n", "above its own range"}};
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        struct jb_window w;
        rig_tree(&r);
        unit_one_socket(&r.tree);
        rig_meter(&r);
        jb_meter_begin(r.meter, &w);
        r.clock.t_ns += 100 * MS;
        unit_put(&r.tree, PKG0 "/energy_uj", cases[i].text);
        jb_meter_poll(r.meter);
        r.clock.t_ns += 100 * MS;
        unit_counter(&r.tree, PKG0, 1001000);
        struct jb_joules j = jb_meter_end(r.meter, &w);
        assert_int_equal(j.cls, JB_ENERGY_NONE);
        if (!strcasestr(j.reason, cases[i].says)) fail_msg("\"%s\": %s", cases[i].text, j.reason);
        assert_int_equal(jb_meter_begin(r.meter, &w), 0); // and then all is well again
        r.clock.t_ns += 1000 * MS;
        unit_counter(&r.tree, PKG0, 51001000);
        j = jb_meter_end(r.meter, &w);
        holds(&j, 50000000);
        rig_close(&r);
    }
}

static void zones_vanish(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_tree(&r);
    unit_one_socket(&r.tree);
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 10 * MS;
    unit_remove(&r.tree, PKG0 "/energy_uj");
    struct jb_joules j = jb_meter_end(r.meter, &w);
    none_because(&j, "package-0: the zone has vanished");
    assert_int_not_equal(jb_meter_begin(r.meter, &w), 0);
    j = jb_meter_end(r.meter, &w);
    none_because(&j, "vanished");
    rig_close(&r);
}

static void refused(struct rig *r, int code, int errnum, const char *says)
{
    struct jb_err err = {0};
    struct jb_meter *m = NULL;
    struct jb_power_probe p;
    int rc = jb_meter_open(&m, &r->opts, &err);
    if (rc != code || !strstr(err.detail, says)) fail_msg("open: %d \"%s\"", rc, err.detail);
    assert_null(m);
    assert_int_equal(jb_source_powercap.probe(&r->opts, &p), 0);
    assert_false(p.available);
    assert_int_equal(p.cls, JB_ENERGY_NONE);
    assert_true(isnan(p.read_ns));
    assert_int_equal(p.errnum, errnum);
    if (!strstr(p.reason, says)) fail_msg("probe: \"%s\"", p.reason);
    assert_true(p.fix[0]);
    r->opts.source = "auto"; // never an error: source none with what was tried
    assert_int_equal(jb_meter_open(&m, &r->opts, NULL), 0);
    assert_string_equal(jb_meter_source(m), "none");
    struct jb_window w;
    assert_int_equal(jb_meter_begin(m, &w), 0);
    struct jb_joules j = jb_meter_end(m, &w);
    none_because(&j, "powercap: ");
    jb_meter_close(m);
    r->opts.source = "powercap";
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    refused(&r, JB_E_UNAVAILABLE, 0, "no power zone");
    r.opts.root = "/nonexistent/powercap";
    refused(&r, JB_E_UNAVAILABLE, ENOENT, "No such file");
    r.opts.root = r.tree.root;
    unit_put(&r.tree, PKG0 "/name", "package-0\n");
    refused(&r, JB_E_UNAVAILABLE, ENOENT, "no energy counter");
    unit_put(&r.tree, PKG0 "/energy_uj", "");
    refused(&r, JB_E_UNAVAILABLE, ENODATA, "empty");
    unit_put(&r.tree, PKG0 "/energy_uj", "many\n");
    refused(&r, JB_E_UNAVAILABLE, EINVAL, "not a number");
    unit_put(&r.tree, PKG0 "/energy_uj", "5\n");
    refused(&r, JB_E_UNAVAILABLE, ENOENT, "no energy counter"); // no range: a wrap could not be told
    unit_put(&r.tree, PKG0 "/max_energy_range_uj", "0\n");
    refused(&r, JB_E_UNAVAILABLE, EINVAL, "not a number");
    unit_put(&r.tree, PKG0 "/max_energy_range_uj", "4\n");
    refused(&r, JB_E_UNAVAILABLE, EINVAL, "not a number");
    unit_put(&r.tree, PKG0 "/max_energy_range_uj", "100000\n");
    rig_meter(&r);
    jb_meter_close(r.meter);
    r.meter = NULL;
    unit_put(&r.tree, "intel-rapl/intel-rapl:1/name", "package-1\n"); // half a machine is no figure
    refused(&r, JB_E_UNAVAILABLE, ENOENT, "package-1");
    unit_tree_close(&r.tree);
}

// As another user, in a child. 77: this user cannot become another.
static int denied_child(struct rig *r)
{
    if (setgid(65534) != 0 || setuid(65534) != 0) return 77;
    struct jb_err err = {0};
    struct jb_meter *m = NULL;
    struct jb_power_probe p;
    if (jb_meter_open(&m, &r->opts, &err) != JB_E_DENIED) return 1;
    if (jb_source_powercap.probe(&r->opts, &p) != 0 || p.available || p.errnum != EACCES) return 2;
    if (strcmp(p.mode, "-r--------") != 0 || !strstr(p.reason, "permission denied") || !strstr(p.path, PKG0 "/energy_uj")) return 3;
    if (!strstr(p.fix, "sudo chmod a+r ") || !strstr(p.fix, "energy_uj")) return 4;
    return 0;
}

static void counters_of_root(void **state)
{
    (void)state;
    struct rig r;
    char path[256];
    rig_tree(&r);
    unit_one_socket(&r.tree);
    const char *const zones[] = {PKG0, CORE0, DRAM0};
    for (size_t i = 0; i < N_ELEMENTS(zones); i++) {
        snprintf(path, sizeof path, "%s/%s/energy_uj", r.tree.root, zones[i]);
        assert_int_equal(chmod(path, 0400), 0);
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(denied_child(&r));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unit_tree_close(&r.tree);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void ceilings(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_tree(&r);
    r.opts.max_power_w = 0;
    unit_one_socket(&r.tree);
    unit_put(&r.tree, PKG0 "/constraint_0_name", "long_term\n");
    unit_put(&r.tree, PKG0 "/constraint_0_power_limit_uw", "15000000\n");
    unit_put(&r.tree, PKG0 "/constraint_1_max_power_uw", "25000000\n"); // ceiling 4 * 25 W, also for the dram within
    rig_meter(&r);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 1000 * MS;
    unit_counter(&r.tree, PKG0, 90000000);
    unit_counter(&r.tree, DRAM0, 90000000);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    holds(&j, 179999000 - 200 - 0);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 1000 * MS;
    unit_counter(&r.tree, PKG0, 90000000 + 130000000);
    j = jb_meter_end(r.meter, &w);
    none_because(&j, "ceiling");
    rig_close(&r);
}

static void hypervisor_does_not_matter_off_sysfs(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    unit_one_socket(&r.tree);
    r.opts.hypervisor = true;
    rig_meter(&r);
    rig_close(&r);
}

static void symlinks_as_the_kernel_has_them(void **state)
{
    (void)state;
    struct rig r;
    struct jb_power_probe p;
    char from[256], root[256];
    rig_tree(&r);
    unit_zone(&r.tree, "devices/virtual/powercap/" PKG0, "package-0", 7, RANGE_UJ);
    unit_put(&r.tree, "class/powercap/.keep", "");
    unit_path(&r.tree, "class/powercap/intel-rapl", from);
    assert_int_equal(symlink("../../devices/virtual/powercap/intel-rapl", from), 0);
    unit_path(&r.tree, "class/powercap/intel-rapl:0", from); // the flat view: not a control type
    assert_int_equal(symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", from), 0);
    unit_path(&r.tree, "devices/virtual/powercap/" PKG0 "/subsystem", from); // a cycle
    assert_int_equal(symlink("../../../../../class/powercap", from), 0);
    unit_path(&r.tree, "class/powercap", root);
    r.opts.root = root;
    assert_int_equal(jb_source_powercap.probe(&r.opts, &p), 0);
    assert_true(p.available);
    assert_string_equal(p.domains, "package-0");
    unit_tree_close(&r.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_socket),
        cmocka_unit_test(two_sockets_psys_and_mmio),
        cmocka_unit_test(alone_what_is_otherwise_left_out),
        cmocka_unit_test(wraps),
        cmocka_unit_test(long_silence_is_ambiguous),
        cmocka_unit_test(implausible_backwards_frozen),
        cmocka_unit_test(failures_in_the_middle),
        cmocka_unit_test(zones_vanish),
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(counters_of_root),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(hypervisor_does_not_matter_off_sysfs),
        cmocka_unit_test(symlinks_as_the_kernel_has_them),
    };
    return cmocka_run_group_tests_name("powercap", tests, NULL, NULL);
}
