// Odd and hostile powercap trees: what is there of them is measured, or it is said why not. Never a crash, never a silent part of the whole.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/source.h"

#define MS 1000000u

struct rig {
    struct unit_tree tree;
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_meter *meter;
    struct jb_meter_facts facts;
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
    if (jb_meter_open(&r->meter, &r->opts, &err)) fail_msg("open: %s", err.detail);
    jb_meter_facts(r->meter, &r->facts);
}

static void rig_close(struct rig *r)
{
    jb_meter_close(r->meter);
    unit_tree_close(&r->tree);
}

// Neither probe nor open give anything, and both say why.
static void refused(struct rig *r, const char *says)
{
    struct jb_err err = {0};
    struct jb_meter *m = NULL;
    struct jb_power_probe p;
    int rc = jb_meter_open(&m, &r->opts, &err);
    if (rc == JB_OK || !strstr(err.detail, says)) fail_msg("open: %d \"%s\" instead of \"%s\"", rc, err.detail, says);
    assert_null(m);
    assert_int_equal(jb_source_powercap.probe(&r->opts, &p), 0);
    if (p.available || !strstr(p.reason, says)) fail_msg("probe: \"%s\" instead of \"%s\"", p.reason, says);
}

static void text_of(const struct unit_tree *t, const char *zone, const char *file, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", zone, file);
    unit_put(t, path, text);
}

// ---- AMD parts with several dies: each die shows the socket's one counter. Found by looking at them while they move.

struct moving { struct rig *r; uint64_t last; bool same; };

static uint64_t moving_now(void *self)
{
    struct moving *v = self;
    uint64_t now = v->r->clock.t_ns += 10000, count = now / MS * 20000; // 20 W
    if (count != v->last) {
        unit_counter(&v->r->tree, "intel-rapl/intel-rapl:0", count);
        unit_counter(&v->r->tree, "intel-rapl/intel-rapl:1", v->same ? count : count / 2 + 7);
        for (int i = 0; i < 2; i++) unit_counter(&v->r->tree, i ? "intel-rapl/intel-rapl:1/intel-rapl:1:0" : "intel-rapl/intel-rapl:0/intel-rapl:0:0", count / 10);
        v->last = count;
    }
    return now;
}

static void moving_sleep(void *self, uint64_t ns) { ((struct moving *)self)->r->clock.t_ns += ns; }

static void mirrors_count_once(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        struct rig r;
        struct moving v = {.r = &r, .same = same};
        struct jb_window w;
        rig_tree(&r);
        unit_zone(&r.tree, "intel-rapl/intel-rapl:0", "package-0-die-0", 0, RANGE_UJ);
        unit_zone(&r.tree, "intel-rapl/intel-rapl:1", "package-0-die-1", 0, RANGE_UJ);
        unit_zone(&r.tree, "intel-rapl/intel-rapl:0/intel-rapl:0:0", "dram", 0, RANGE_UJ);
        unit_zone(&r.tree, "intel-rapl/intel-rapl:1/intel-rapl:1:0", "dram", 0, RANGE_UJ);
        r.opts.clock = (struct jb_clock){.now_ns = moving_now, .sleep_ns = moving_sleep, .self = &v};
        rig_meter(&r);
        assert_string_equal(r.facts.domains, same ? "package-0-die-0 dram-0-die-0" : "package-0-die-0 dram-0-die-0 package-0-die-1 dram-0-die-1");
        if (same) assert_non_null(strstr(r.facts.left_out, "package-0-die-1 (the same counter as another package), dram-0-die-1 (within a zone that is left out)"));
        assert_int_equal(jb_meter_begin(r.meter, &w), 0);
        moving_sleep(&v, 500 * MS);
        struct jb_joules j = jb_meter_end(r.meter, &w);
        if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
        double truth = (same ? 22 : 34) * 1e-3 * (double)j.window_ns;
        if (fabs(j.uj - truth) > 0.01 * truth) fail_msg("%.0f, truth %.0f", j.uj, truth);
        rig_close(&r);
    }
}

// ---- Zones without a counter of energy.

static void power_alone_is_integrated(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    struct jb_channel_facts c;
    rig_tree(&r);
    text_of(&r.tree, "arm-scmi/arm-scmi:0", "name", "soc\n");
    text_of(&r.tree, "arm-scmi/arm-scmi:0", "power_uw", "7000000\n");
    rig_meter(&r);
    assert_int_equal(r.facts.cls, JB_ENERGY_REPLAYED); // integrated it would be in a sysfs
    jb_meter_channel(r.meter, 0, &c);
    assert_string_equal(c.kind, "power");
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    for (int k = 0; k < 10; k++) {
        r.clock.t_ns += 100 * MS;
        text_of(&r.tree, "arm-scmi/arm-scmi:0", "power_uw", k % 2 ? "7000000\n" : "9000000\n");
        jb_meter_poll(r.meter);
    }
    struct jb_joules j = jb_meter_end(r.meter, &w);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    double s = (double)j.window_ns * 1e-9;
    assert_true(j.lower_uj <= 7.001e6 * s && 8.8e6 * s <= j.upper_uj); // between the samples all is possible
    assert_true(j.uj > 7e6 * s && j.uj < 9e6 * s);
    rig_close(&r);
}

static void a_counter_goes_before_power(void **state)
{
    (void)state;
    struct rig r;
    struct jb_channel_facts c;
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0", 1000, RANGE_UJ);
    text_of(&r.tree, PKG0, "power_uw", "7000000\n");
    text_of(&r.tree, "arm-scmi/arm-scmi:0", "name", "soc\n");
    text_of(&r.tree, "arm-scmi/arm-scmi:0", "power_uw", "7000000\n");
    rig_meter(&r);
    jb_meter_channel(r.meter, 0, &c);
    assert_string_equal(r.facts.domains, "package-0");
    rig_close(&r);
}

// ---- Ceilings and constraints.

static void ceilings_say_where_they_are_from(void **state)
{
    (void)state;
    const struct { const char *file[2], *text[2]; double user_w, watts; const char *from; } cases[] = {
        {{NULL, NULL}, {NULL, NULL}, 0, 500, "default"},
        {{"constraint_0_power_limit_uw", NULL}, {"15000000\n", NULL}, 0, 60, "4x the largest constraint"},
        {{"constraint_0_power_limit_uw", "constraint_2_max_power_uw"}, {"15000000\n", "90000000\n"}, 0, 360, "4x the largest constraint"}, // the third is peak_power
        {{"constraint_0_power_limit_uw", "max_power_range_uw"}, {"15000000\n", "123000000\n"}, 0, 123, "max_power_range_uw"},
        {{"constraint_0_power_limit_uw", "max_power_range_uw"}, {"15000000\n", "0\n"}, 0, 60, "4x the largest constraint"},
        {{"constraint_0_power_limit_uw", "max_power_range_uw"}, {"abc\n", "\n"}, 0, 500, "default"},
        {{"constraint_0_power_limit_uw", NULL}, {"18446744073709551615\n", NULL}, 0, 500, "default"}, // what some firmware says for "no limit"
        {{"constraint_0_power_limit_uw", "max_power_range_uw"}, {"15000000\n", "123000000\n"}, 77, 77, "--max-power-w"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct rig r;
        rig_tree(&r);
        r.opts.max_power_w = cases[i].user_w;
        unit_zone(&r.tree, PKG0, "package-0", 1000, RANGE_UJ);
        text_of(&r.tree, PKG0, "constraint_0_name", "long_term\n");
        text_of(&r.tree, PKG0, "constraint_2_name", "peak_power\n");
        for (int k = 0; k < 2; k++)
            if (cases[i].file[k]) text_of(&r.tree, PKG0, cases[i].file[k], cases[i].text[k]);
        rig_meter(&r);
        if (fabs(r.facts.ceiling_w - cases[i].watts) > 1e-6 || strcmp(r.facts.ceiling_from, cases[i].from) != 0) fail_msg("case %zu: %g W from %s", i, r.facts.ceiling_w, r.facts.ceiling_from);
        rig_close(&r);
    }
}

// ---- Names.

static void hex_ids(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    for (unsigned i = 0; i < 18; i++) {
        char path[80], name[20];
        snprintf(path, sizeof path, "intel-rapl/intel-rapl:%x", i);
        snprintf(name, sizeof name, "package-%u", i);
        unit_zone(&r.tree, path, name, i, RANGE_UJ);
    }
    rig_meter(&r);
    assert_int_equal(jb_meter_n_channels(r.meter), 18);
    for (unsigned i = 0; i < 18; i++) { // 9, a, b, ... f, 10, 11: by number, not by text
        struct jb_channel_facts c;
        char label[20];
        snprintf(label, sizeof label, "package-%u", i);
        jb_meter_channel(r.meter, i, &c);
        assert_string_equal(c.label, label);
        assert_true(c.summed);
    }
    rig_close(&r);
}

// What is shown to people holds no control characters; nothing is opened that is no zone.
static void odd_names(void **state)
{
    (void)state;
    struct rig r;
    struct jb_channel_facts c;
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0\x1b[31m\a\xff\xfe", 1000, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:0x1", "package-9", 1000, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:123456789", "package-9", 1000, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:", "package-9", 1000, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/intel-rapl:G", "package-9", 1000, RANGE_UJ);
    unit_zone(&r.tree, "intel-rapl/other:1", "package-9", 1000, RANGE_UJ);
    unit_zone(&r.tree, "we\x01ird/we\x01ird:0", "package-9", 1000, RANGE_UJ);
    unit_put(&r.tree, "intel-rapl/intel-rapl:2", "a file, no zone\n");
    rig_meter(&r);
    for (size_t i = 0; i < jb_meter_n_channels(r.meter); i++) {
        jb_meter_channel(r.meter, i, &c);
        for (const char *p = c.label; *p; p++) assert_true((unsigned char)*p >= ' ' && *p != 127);
    }
    assert_null(strstr(r.facts.domains, "package-9"));
    rig_close(&r);
}

static void a_zone_without_name_has_its_directory_for_one(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    unit_zone(&r.tree, "other/other:0", "x", 5, RANGE_UJ);
    unit_remove(&r.tree, "other/other:0/name");
    rig_meter(&r);
    assert_string_equal(r.facts.domains, "other:0");
    rig_close(&r);
}

// ---- Sizes and loops.

static void too_many_zones(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    for (unsigned i = 0; i < 1000; i++) {
        char path[80], name[20];
        snprintf(path, sizeof path, "intel-rapl/intel-rapl:%x", i);
        snprintf(name, sizeof name, "package-%u", i);
        unit_zone(&r.tree, path, name, i, RANGE_UJ);
    }
    refused(&r, "more than"); // the sum of some of them would be no sum
    unit_tree_close(&r.tree);
}

static void loops_and_no_directories(void **state)
{
    (void)state;
    struct rig r;
    char link[256], file[256];
    rig_tree(&r);
    unit_put(&r.tree, "plain", "x\n");
    unit_path(&r.tree, "plain", file);
    r.opts.root = file;
    refused(&r, "Not a directory");
    unit_path(&r.tree, "loop", link);
    assert_int_equal(symlink("loop", link), 0);
    r.opts.root = link;
    refused(&r, "symbolic links");
    r.opts.root = "";
    struct jb_meter *m = NULL;
    if (jb_meter_open(&m, &r.opts, NULL) == 0) jb_meter_close(m); // whatever it means, it does no harm
    r.opts.root = r.tree.root;
    // A zone that contains itself, under a name that looks nested; a counter that points to itself, to a directory, to a device that never ends.
    unit_zone(&r.tree, PKG0, "package-0", 1000, RANGE_UJ);
    unit_path(&r.tree, PKG0 "/intel-rapl:0:0", link);
    assert_int_equal(symlink("../intel-rapl:0", link), 0);
    rig_meter(&r);
    assert_string_equal(r.facts.domains, "package-0");
    jb_meter_close(r.meter);
    const char *const targets[] = {"energy_uj", "..", "/dev/zero", "/dev/null", "/nonexistent"};
    for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
        unit_remove(&r.tree, PKG0 "/energy_uj");
        unit_path(&r.tree, PKG0 "/energy_uj", link);
        assert_int_equal(symlink(targets[i], link), 0);
        refused(&r, "");
    }
    unit_remove(&r.tree, PKG0 "/energy_uj");
    assert_int_equal(mkfifo(link, 0644), 0); // nobody writes into it: to open it must not wait
    refused(&r, "");
    unit_tree_close(&r.tree);
}

// ---- Garbage in every attribute.

static void garbage_everywhere(void **state)
{
    (void)state;
    static const char *const files[] = {"name", "energy_uj", "max_energy_range_uj", "max_power_range_uw", "power_uw", "enabled", "constraint_0_name", "constraint_0_power_limit_uw", "constraint_0_max_power_uw"};
    static const char *const garbage[] = {"", "\n", " ", "-1\n", "+5\n", "0x10\n", "1e6\n", "12 34\n", "18446744073709551616\n", "nan\n", "007\n", "12\r\n", "\xff\xff", "5\n\n", "1.5\n"};
    struct jb_rng rng;
    jb_rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct rig r;
        struct jb_meter *m = NULL;
        struct jb_err err = {0};
        struct jb_window w;
        rig_tree(&r);
        unit_one_socket(&r.tree);
        for (int k = 0; k < 4; k++) {
            static const char *const zones[] = {PKG0, CORE0, DRAM0};
            if (jb_rng_below(&rng, 3)) text_of(&r.tree, zones[jb_rng_below(&rng, 3)], files[jb_rng_below(&rng, N_ELEMENTS(files))], garbage[jb_rng_below(&rng, N_ELEMENTS(garbage))]);
        }
        if (jb_meter_open(&m, &r.opts, &err)) {
            assert_true(err.detail[0]);
        } else {
            (void)jb_meter_begin(m, &w);
            r.clock.t_ns += 100 * MS;
            unit_counter(&r.tree, PKG0, 1001000);
            struct jb_joules j = jb_meter_end(m, &w);
            assert_true(jb_joules_have(&j) ? j.lower_uj > 0 && j.upper_uj >= j.uj : j.reason[0] != 0);
            jb_meter_close(m);
        }
        unit_tree_close(&r.tree);
    }
}

static void several_wraps_in_a_row(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    const uint64_t range = 50000000; // 50 J
    rig_tree(&r);
    unit_zone(&r.tree, PKG0, "package-0", 0, range);
    rig_meter(&r);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    uint64_t sum = 0;
    for (int k = 0; k < 40; k++) { // 40 times 30 J in 390 ms: 77 W at a ceiling of 100 W
        r.clock.t_ns += 390 * MS;
        sum += 30000000;
        unit_counter(&r.tree, PKG0, sum % (range + 1));
        jb_meter_poll(r.meter);
    }
    r.clock.t_ns += 10 * MS;
    struct jb_joules j = jb_meter_end(r.meter, &w);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    assert_int_equal(j.wraps, 23); // 1200 J by 50 J and a microjoule
    assert_true(j.lower_uj <= (double)sum && (double)sum <= j.upper_uj && fabs(j.uj - (double)sum) < 100);
    rig_close(&r);
}

// The directory that stands for /sys, and the class directory itself, are the same root.
static void both_forms_of_a_root(void **state)
{
    (void)state;
    struct rig r;
    char path[256];
    rig_tree(&r);
    unit_zone(&r.tree, "class/powercap/" PKG0, "package-0", 1000, RANGE_UJ);
    rig_meter(&r);
    assert_string_equal(r.facts.domains, "package-0");
    jb_meter_close(r.meter);
    unit_path(&r.tree, "class/powercap", path);
    r.opts.root = path;
    rig_meter(&r);
    assert_string_equal(r.facts.domains, "package-0");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirrors_count_once),
        cmocka_unit_test(power_alone_is_integrated),
        cmocka_unit_test(a_counter_goes_before_power),
        cmocka_unit_test(ceilings_say_where_they_are_from),
        cmocka_unit_test(hex_ids),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(a_zone_without_name_has_its_directory_for_one),
        cmocka_unit_test(too_many_zones),
        cmocka_unit_test(loops_and_no_directories),
        cmocka_unit_test(garbage_everywhere),
        cmocka_unit_test(several_wraps_in_a_row),
        cmocka_unit_test(both_forms_of_a_root),
    };
    return cmocka_run_group_tests_name("trees", tests, NULL, NULL);
}
