// What the kernel says of its power PMU, on fabricated directories: sound ones, and hostile ones. (The PMU itself: make check-kernel.)
#include "tests/power/unit.h"
#include <errno.h>
#include "power/pmu.h"

#define SCALE "2.3283064365386962890625e-10\n" // 2^-32

struct rig {
    struct unit_tree tree;
    char dir[96], cpu_dir[96];
    struct jb_pmu pmu;
    struct jb_err err;
};

static void put_event(struct rig *r, const char *event, const char *config)
{
    char path[96];
    snprintf(path, sizeof path, "power/events/%s", event);
    unit_put(&r->tree, path, config);
    snprintf(path, sizeof path, "power/events/%s.unit", event);
    unit_put(&r->tree, path, "Joules\n");
    snprintf(path, sizeof path, "power/events/%s.scale", event);
    unit_put(&r->tree, path, SCALE);
}

static void put_cpu(struct rig *r, unsigned cpu, unsigned package, unsigned die)
{
    char path[96];
    snprintf(path, sizeof path, "cpu/cpu%u/topology/physical_package_id", cpu);
    unit_put_u64(&r->tree, path, package);
    snprintf(path, sizeof path, "cpu/cpu%u/topology/die_id", cpu);
    unit_put_u64(&r->tree, path, die);
}

// A client: one package with everything.
static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    snprintf(r->dir, sizeof r->dir, "%s/power", r->tree.root);
    snprintf(r->cpu_dir, sizeof r->cpu_dir, "%s/cpu", r->tree.root);
    unit_put(&r->tree, "power/type", "21\n");
    unit_put(&r->tree, "power/format/event", "config:0-7\n");
    unit_put(&r->tree, "power/cpumask", "0\n");
    put_event(r, "energy-cores", "event=0x01\n");
    put_event(r, "energy-pkg", "event=0x02\n");
    put_event(r, "energy-ram", "event=0x03\n");
    put_event(r, "energy-gpu", "event=0x04\n");
    put_event(r, "energy-psys", "event=0x05\n");
    put_cpu(r, 0, 0, 0);
}

static int rig_read(struct rig *r)
{
    r->err = (struct jb_err){0};
    return jb_pmu_read(&r->pmu, r->dir, r->cpu_dir, &r->err);
}

static void rig_reads(struct rig *r)
{
    if (rig_read(r) != JB_OK) fail_msg("%s", r->err.detail);
}

static void one_package(void **state)
{
    (void)state;
    static const unsigned configs[JB_PMU_DOMAINS] = {[JB_PMU_CORES] = 1, [JB_PMU_PKG] = 2, [JB_PMU_RAM] = 3, [JB_PMU_GPU] = 4, [JB_PMU_PSYS] = 5};
    static const char *const names[JB_PMU_DOMAINS] = {"package-0", "core", "uncore", "dram", "psys"};
    struct rig r;
    rig_open(&r);
    rig_reads(&r);
    assert_int_equal(r.pmu.type, 21);
    assert_int_equal(r.pmu.n_packages, 1);
    for (int d = 0; d < JB_PMU_DOMAINS; d++) {
        struct jb_channel c;
        assert_true(r.pmu.event[d].here);
        assert_int_equal(r.pmu.event[d].config, configs[d]);
        assert_true(r.pmu.event[d].scale_j == ldexp(1, -32)); // exactly
        jb_pmu_channel(&r.pmu, 0, (enum jb_pmu_domain)d, 0, &c);
        assert_string_equal(c.zone.name, names[d]);
        assert_string_equal(c.zone.control_type, "intel-rapl");
        assert_int_equal(c.zone.parent, d == JB_PMU_PKG || d == JB_PMU_PSYS ? -1 : 0);
        assert_int_equal(c.never_rests, d == JB_PMU_PKG);
        assert_int_equal(c.range, 0);
        assert_true(c.unit == ldexp(1e6, -32));
    }
    unit_tree_close(&r.tree);
}

static void expect_cpus(struct rig *r, const char *mask, size_t n, const struct jb_pmu_package *expected)
{
    unit_put(&r->tree, "power/cpumask", mask);
    rig_reads(r);
    assert_int_equal(r->pmu.n_packages, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(r->pmu.package[i].cpu, expected[i].cpu);
        assert_int_equal(r->pmu.package[i].package, expected[i].package);
        assert_int_equal(r->pmu.package[i].die, expected[i].die);
    }
}

static void many_packages(void **state)
{
    (void)state;
    struct rig r;
    struct jb_channel c;
    rig_open(&r);
    put_cpu(&r, 1, 3, 0);
    put_cpu(&r, 28, 1, 0);
    expect_cpus(&r, "0,28\n", 2, (struct jb_pmu_package[]){{0, 0, 0}, {28, 1, 0}});
    jb_pmu_channel(&r.pmu, 1, JB_PMU_PKG, 5, &c);
    assert_string_equal(c.zone.name, "package-1");
    jb_pmu_channel(&r.pmu, 1, JB_PMU_PSYS, 5, &c);
    assert_string_equal(c.zone.name, "psys-1");
    jb_pmu_channel(&r.pmu, 1, JB_PMU_RAM, 5, &c);
    assert_string_equal(c.zone.name, "dram");
    assert_int_equal(c.zone.parent, 5);
    expect_cpus(&r, "0-1\n", 2, (struct jb_pmu_package[]){{0, 0, 0}, {1, 3, 0}});
    expect_cpus(&r, "0-1,28", 3, (struct jb_pmu_package[]){{0, 0, 0}, {1, 3, 0}, {28, 1, 0}});
    unit_tree_close(&r.tree);
}

static void dies(void **state)
{
    (void)state;
    struct rig r;
    struct jb_channel c;
    rig_open(&r);
    put_cpu(&r, 8, 0, 1);
    expect_cpus(&r, "0,8\n", 2, (struct jb_pmu_package[]){{0, 0, 0}, {8, 0, 1}});
    jb_pmu_channel(&r.pmu, 1, JB_PMU_PKG, -1, &c);
    assert_string_equal(c.zone.name, "package-0-die-1");
    // Before Linux 5.2 there were no dies.
    unit_remove(&r.tree, "cpu/cpu0/topology/die_id");
    expect_cpus(&r, "0\n", 1, (struct jb_pmu_package[]){{0, 0, 0}});
    jb_pmu_channel(&r.pmu, 0, JB_PMU_PKG, -1, &c);
    assert_string_equal(c.zone.name, "package-0");
    unit_tree_close(&r.tree);
}

static void domains_that_are_not_there(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    unit_remove(&r.tree, "power/events/energy-psys");
    unit_remove(&r.tree, "power/events/energy-gpu");
    rig_reads(&r);
    assert_true(r.pmu.event[JB_PMU_PKG].here && r.pmu.event[JB_PMU_RAM].here && !r.pmu.event[JB_PMU_GPU].here && !r.pmu.event[JB_PMU_PSYS].here);
    unit_remove(&r.tree, "power/events/energy-pkg");
    assert_int_equal(rig_read(&r), JB_E_UNAVAILABLE); // nothing to sum
    assert_non_null(strstr(r.err.detail, "energy-pkg"));
    unit_tree_close(&r.tree);
}

// Each file with each of these texts: refused, naming the file.
static void hostile(void **state)
{
    (void)state;
    static const struct { const char *file, *text; } cases[] = {
        {"type", ""}, {"type", "\n"}, {"type", "-1\n"}, {"type", "0x15\n"}, {"type", "21 \n"}, {"type", "99999999999\n"}, {"type", "021\n"}, {"type", "21\n22\n"},
        {"format/event", "config:0-15\n"}, {"format/event", "config1:0-7\n"}, {"format/event", "\n"},
        {"events/energy-pkg", "event=2\n"}, {"events/energy-pkg", "event=0x\n"}, {"events/energy-pkg", "event=0x02,umask=0x1\n"}, {"events/energy-pkg", "event=0x102\n"},
        {"events/energy-pkg", " event=0x02\n"}, {"events/energy-pkg", "config=0x02\n"}, {"events/energy-pkg", "event=0x0g\n"}, {"events/energy-pkg", ""},
        {"events/energy-pkg.unit", "Watts\n"}, {"events/energy-pkg.unit", "joules\n"}, {"events/energy-pkg.unit", ""},
        {"events/energy-pkg.scale", "0\n"}, {"events/energy-pkg.scale", "-1e-10\n"}, {"events/energy-pkg.scale", "nan\n"}, {"events/energy-pkg.scale", "inf\n"},
        {"events/energy-pkg.scale", "0x1p-32\n"}, {"events/energy-pkg.scale", "1e-10 J\n"}, {"events/energy-pkg.scale", "2\n"}, {"events/energy-pkg.scale", "1e-9999\n"},
        {"events/energy-pkg.scale", ".5\n"}, {"events/energy-pkg.scale", "1.\n"}, {"events/energy-pkg.scale", "1e\n"}, {"events/energy-pkg.scale", "1e-400\n"},
        {"events/energy-pkg.scale", "1,5e-10\n"}, {"events/energy-pkg.scale", "1e-10\n2\n"}, {"events/energy-pkg.scale", ""},
        {"cpumask", ""}, {"cpumask", "\n"}, {"cpumask", ",\n"}, {"cpumask", "0,\n"}, {"cpumask", ",0\n"}, {"cpumask", "0,,1\n"}, {"cpumask", "1-0\n"}, {"cpumask", "0-\n"},
        {"cpumask", "-1\n"}, {"cpumask", "0,0\n"}, {"cpumask", "28,0\n"}, {"cpumask", "0-1-2\n"}, {"cpumask", "00\n"}, {"cpumask", "a\n"}, {"cpumask", "0 1\n"},
        {"cpumask", "65536\n"}, {"cpumask", "4294967296\n"}, {"cpumask", "0:1\n"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        char path[96];
        rig_open(&r);
        put_cpu(&r, 1, 1, 0);
        put_cpu(&r, 28, 2, 0);
        snprintf(path, sizeof path, "power/%s", cases[i].file);
        unit_put(&r.tree, path, cases[i].text);
        int rc = rig_read(&r);
        if (rc == JB_OK) fail_msg("%s: \"%s\" was taken", cases[i].file, cases[i].text);
        if (!strstr(r.err.detail, cases[i].file) || !strstr(r.pmu.at, cases[i].file)) fail_msg("%s: \"%s\": %s (%s)", cases[i].file, cases[i].text, r.err.detail, r.pmu.at);
        unit_tree_close(&r.tree);
    }
}

static void hostile_topology(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    unit_put(&r.tree, "power/cpumask", "0-60000\n"); // no such CPUs
    assert_true(rig_read(&r) != JB_OK);
    put_cpu(&r, 1, 0, 0); // in the package of CPU 0
    unit_put(&r.tree, "power/cpumask", "0-1\n");
    assert_int_equal(rig_read(&r), JB_E_INVALID);
    assert_non_null(strstr(r.err.detail, "twice"));
    unit_put(&r.tree, "power/cpumask", "0\n");
    unit_put(&r.tree, "cpu/cpu0/topology/physical_package_id", "-1\n"); // as some guests say
    assert_int_equal(rig_read(&r), JB_E_INVALID);
    unit_put(&r.tree, "cpu/cpu0/topology/physical_package_id", "0\n");
    unit_put(&r.tree, "cpu/cpu0/topology/die_id", "x\n");
    assert_int_equal(rig_read(&r), JB_E_INVALID);
    unit_remove(&r.tree, "cpu/cpu0/topology/physical_package_id");
    assert_int_equal(rig_read(&r), JB_E_NOT_FOUND);
    for (unsigned cpu = 0; cpu <= JB_PMU_MAX_PACKAGES; cpu++) put_cpu(&r, cpu, cpu, 0);
    unit_put(&r.tree, "power/cpumask", "0-16\n");
    assert_int_equal(rig_read(&r), JB_E_RANGE);
    unit_tree_close(&r.tree);
}

static void long_list(void **state)
{
    (void)state;
    struct rig r;
    char mask[600] = "0";
    rig_open(&r);
    for (int i = 1; i < 100; i++) sprintf(mask + strlen(mask), ",%d", i * 10); // cut short it would still be a list
    unit_put(&r.tree, "power/cpumask", mask);
    assert_int_equal(rig_read(&r), JB_E_INVALID);
    assert_non_null(strstr(r.err.detail, "longer"));
    unit_tree_close(&r.tree);
}

static void steps(void **state)
{
    (void)state;
    const double scale = ldexp(1, -32);
    assert_true(jb_pmu_step_uj(0, scale) == 1e6);                         // nothing seen: 1 J
    assert_true(jb_pmu_step_uj(1u << 18, scale) == ldexp(1e6, -14));      // 61 uJ
    assert_true(jb_pmu_step_uj(5u << 18 | 1ull << 63, scale) == ldexp(1e6, -14));
    assert_true(jb_pmu_step_uj(1, scale) == ldexp(1e6, -32));
    assert_true(jb_pmu_step_uj(1ull << 40, scale) == 256e6);
    // Any counts of a counter of this unit: never below it.
    struct jb_rng rng;
    jb_rng_seed(&rng, 7);
    for (int k = 0; k < 100000; k++) {
        unsigned shift = (unsigned)(jb_rng_u64(&rng) % 33);
        uint64_t bits = 0;
        for (int i = 0; i < k % 4; i++) bits |= (jb_rng_u64(&rng) >> 32) << shift;
        double step = jb_pmu_step_uj(bits, scale);
        if (bits && step < ldexp(1e6, (int)shift - 32)) fail_msg("step %g for a unit of 2^%d J", step, (int)shift - 32);
    }
}

static void files_are_no_pmu(void **state)
{
    (void)state;
    struct rig r;
    struct jb_power_probe p;
    struct jb_source s;
    void *impl;
    rig_open(&r);
    struct jb_power_opts o = {.root = r.tree.root};
    const struct jb_source_ops *rows[] = {&jb_source_perf, &jb_source_papi};
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(rows[i]->probe(&o, &p), JB_OK);
        assert_false(p.available);
        assert_non_null(strstr(p.reason, "is no sysfs"));
        assert_non_null(strstr(p.fix, "powercap"));
        assert_int_equal(rows[i]->open(&impl, &o, &s, &r.err), JB_E_UNAVAILABLE);
        assert_non_null(strstr(r.err.detail, "is no sysfs"));
    }
    unit_tree_close(&r.tree);
}

// Whatever machine this is: it works, or there is a reason and a fix.
static void this_machine(void **state)
{
    (void)state;
    const struct jb_source_ops *rows[] = {&jb_source_perf, &jb_source_papi};
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct jb_power_probe p;
        struct jb_power_opts o = {.hypervisor = true};
        assert_int_equal(rows[i]->probe(&o, &p), JB_OK);
        if (p.available) {
            assert_true(p.domains[0] && p.cls == JB_ENERGY_MODELLED && p.read_ns > 0);
        } else {
            assert_true(p.reason[0] && p.fix[0] && p.path[0]);
            assert_true(p.cls == JB_ENERGY_NONE && isnan(p.read_ns));
        }
    }
}

static void classes(void **state)
{
    (void)state;
    struct jb_source s = {0};
    jb_rapl_class(&(struct jb_power_opts){0}, "perf", &s);
    assert_true(s.cls == JB_ENERGY_MEASURED && strcmp(s.name, "perf") == 0 && !s.remark[0]);
    jb_rapl_class(&(struct jb_power_opts){.hypervisor = true}, "perf", &s);
    assert_true(s.cls == JB_ENERGY_MODELLED && strcmp(s.name, "guest-rapl") == 0 && strstr(s.remark, "synthetic"));
    jb_rapl_class(&(struct jb_power_opts){.hypervisor = true, .trust_guest_rapl = true}, "perf", &s);
    assert_true(s.cls == JB_ENERGY_MEASURED && strcmp(s.name, "perf") == 0);
    assert_string_equal(s.remark, "RAPL of a guest, vouched for by the user (--trust-guest-rapl)");
}

static void reasons(void **state)
{
    (void)state;
    static const struct { int errnum; bool hypervisor; const char *reason, *fix; } cases[] = {
        {ENOENT, false, "no `power` PMU", "modprobe rapl"}, {ENOENT, true, "virtual machine", "on the host"}, {EACCES, false, "kernel.perf_event_paranoid is", "kernel.perf_event_paranoid=0"},
        {EPERM, false, "perf_event_open", "CAP_PERFMON"},   {ENODEV, false, "perf_event_open", "powercap"},   {EMFILE, false, "perf_event_open", "ulimit"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_power_probe p = {0};
        struct jb_power_opts o = {.hypervisor = cases[i].hypervisor};
        jb_pmu_explain(&p, &o, cases[i].errnum);
        assert_int_equal(p.errnum, cases[i].errnum);
        if (!strstr(p.reason, cases[i].reason) || !strstr(p.fix, cases[i].fix)) fail_msg("%d: %s | %s", cases[i].errnum, p.reason, p.fix);
    }
}

// One counter by two ways: the driver behind powercap takes 15.3 uJ for 2^-16 J, and the bounds of the two must still meet.
static void the_drivers_rounding(void **state)
{
    (void)state;
    struct unit_tree tree;
    struct jb_source s;
    struct jb_err err = {0};
    void *impl;
    unit_tree_open(&tree);
    unit_one_socket(&tree); // its dram has the range of a server's: (2^32 - 1) x 15.3 uJ
    struct jb_power_opts o = unit_opts(&tree, NULL);
    if (jb_source_powercap.open(&impl, &o, &s, &err) != JB_OK) fail_msg("%s", err.detail);
    for (size_t i = 0; i < s.n; i++) {
        double by_perf = ldexp(1e6, strcmp(s.channel[i].zone.name, "dram") == 0 ? -16 : -14), by_driver = (double)s.channel[i].range / UINT32_MAX;
        assert_true(by_driver * (1 - s.channel[i].accuracy) <= by_perf * (1 + 1e-12) && by_perf * (1 - 1e-12) <= by_driver * (1 + s.channel[i].accuracy));
        assert_true(s.channel[i].accuracy < 0.003);
    }
    jb_source_powercap.close(impl);
    unit_tree_close(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_package), cmocka_unit_test(many_packages),    cmocka_unit_test(dies),         cmocka_unit_test(domains_that_are_not_there),
        cmocka_unit_test(hostile),     cmocka_unit_test(hostile_topology), cmocka_unit_test(long_list),    cmocka_unit_test(steps),
        cmocka_unit_test(classes),     cmocka_unit_test(files_are_no_pmu), cmocka_unit_test(this_machine), cmocka_unit_test(reasons),
        cmocka_unit_test(the_drivers_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
