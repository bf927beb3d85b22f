// What a meter does around the arithmetic: windows side by side, failures inside and outside the cover, a second source, the sampler, falling back.
// jb:threads
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <unistd.h>
#include "power/meter_data.h"

#define MS 1000000u

// A socket at known power on a clock of its own; each package draws 20 W, of which core 12, dram beside it 5.
struct plant {
    struct unit_tree tree;
    struct jb_power_opts opts;
    struct jb_meter *meter;
    uint64_t now_ns, shown_ns;
    bool stopped;
};

static void show(struct plant *p)
{
    uint64_t t = p->now_ns / MS * MS;
    if (t == p->shown_ns || p->stopped) return;
    unit_counter(&p->tree, PKG0, t / 1000 * 20 % RANGE_UJ);
    unit_counter(&p->tree, CORE0, t / 1000 * 12 % RANGE_UJ);
    unit_counter(&p->tree, DRAM0, t / 1000 * 5 % RANGE_UJ);
    p->shown_ns = t;
}

static uint64_t plant_now(void *self)
{
    struct plant *p = self;
    p->now_ns += 20000;
    show(p);
    return p->now_ns;
}

static void plant_sleep(void *self, uint64_t ns) { ((struct plant *)self)->now_ns += ns; }

static void plant_open(struct plant *p)
{
    struct jb_err err = {0};
    memset(p, 0, sizeof *p);
    unit_tree_open(&p->tree);
    unit_one_socket(&p->tree);
    p->now_ns = 5000u * (uint64_t)MS;
    show(p);
    p->opts = (struct jb_power_opts){.source = "powercap", .root = p->tree.root, .max_power_w = 100, .clock = {.now_ns = plant_now, .sleep_ns = plant_sleep, .self = p}};
    if (jb_meter_open(&p->meter, &p->opts, &err)) fail_msg("%s", err.detail);
}

static void plant_close(struct plant *p)
{
    jb_meter_close(p->meter);
    unit_tree_close(&p->tree);
}

static void draws(const struct jb_joules *j, double watts)
{
    if (!jb_joules_have(j)) fail_msg("none: %s", j->reason);
    double truth = watts * 1e-3 * (double)j->window_ns;
    if (!(j->lower_uj <= truth && truth <= j->upper_uj)) fail_msg("%.1f not in [%.1f, %.1f]", truth, j->lower_uj, j->upper_uj);
}

static void none_because(const struct jb_joules *j, const char *says)
{
    assert_int_equal(j->cls, JB_ENERGY_NONE);
    assert_true(isnan(j->uj) && isnan(j->lower_uj) && isnan(j->upper_uj));
    if (!strstr(j->reason, says)) fail_msg("reason \"%s\" does not say \"%s\"", j->reason, says);
}

static void eight_windows_at_once(void **state)
{
    (void)state;
    struct plant p;
    struct jb_window w[9];
    plant_open(&p);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(jb_meter_begin(p.meter, &w[i]), 0);
        plant_sleep(&p, 30 * MS);
    }
    assert_int_not_equal(jb_meter_begin(p.meter, &w[8]), 0);
    struct jb_joules j = jb_meter_end(p.meter, &w[8]);
    none_because(&j, "more than 8 windows");
    static const int order[] = {3, 0, 7, 5, 1, 2, 6, 4};
    for (int i = 0; i < 8; i++) {
        plant_sleep(&p, 20 * MS);
        j = jb_meter_end(p.meter, &w[order[i]]);
        draws(&j, 25);
        j = jb_meter_end(p.meter, &w[order[i]]);
        none_because(&j, "has ended");
    }
    // The places are free again; an old handle is not mistaken for the new window in its place.
    struct jb_window again;
    assert_int_equal(jb_meter_begin(p.meter, &again), 0);
    plant_sleep(&p, 100 * MS);
    for (int i = 0; i < 8; i++) {
        j = jb_meter_end(p.meter, &w[i]);
        none_because(&j, "has ended");
    }
    j = jb_meter_end(p.meter, &again);
    draws(&j, 25);
    struct jb_window never = {.slot = 3, .generation = 77};
    j = jb_meter_end(p.meter, &never);
    none_because(&j, "never begun");
    never.slot = 4711;
    j = jb_meter_end(p.meter, &never);
    none_because(&j, "never begun");
    plant_close(&p);
}

static void parts_have_each_channel(void **state)
{
    (void)state;
    struct plant p;
    struct jb_window w;
    struct jb_joules part[3];
    plant_open(&p);
    assert_int_equal(jb_meter_n_channels(p.meter), 3);
    jb_meter_begin(p.meter, &w);
    plant_sleep(&p, 400 * MS);
    struct jb_joules j = jb_meter_end_parts(p.meter, &w, part, 3);
    draws(&j, 25);
    static const double watts[] = {20, 12, 5};
    static const char *const label[] = {"package-0", "core-0", "dram-0"};
    for (size_t i = 0; i < 3; i++) {
        struct jb_channel_facts c;
        draws(&part[i], watts[i]);
        jb_meter_channel(p.meter, i, &c);
        assert_string_equal(c.label, label[i]);
        assert_string_equal(part[i].domains, label[i]);
        assert_int_equal(c.summed, i != 1);
        assert_string_equal(c.kind, "energy");
        assert_int_equal(c.range_uj, i == 2 ? 65712999613u : RANGE_UJ);
    }
    plant_close(&p);
}

static void what_is_not_summed_may_fail(void **state)
{
    (void)state;
    struct plant p;
    struct jb_window w;
    struct jb_joules part[3];
    plant_open(&p);
    jb_meter_begin(p.meter, &w);
    plant_sleep(&p, 100 * MS);
    unit_remove(&p.tree, CORE0 "/energy_uj");
    plant_sleep(&p, 300 * MS);
    struct jb_joules j = jb_meter_end_parts(p.meter, &w, part, 3);
    p.stopped = true; // else the file comes back
    draws(&j, 25);
    none_because(&part[1], "vanished");
    plant_close(&p);
}

static void what_is_summed_may_not(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } cases[] = {{"", "empty"}, {"x\n", "not a number"}, {"1 2\n", "not a number"}, {"999999999999999\n", "above its own range"}};
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct plant p;
        struct jb_window before, over, after;
        plant_open(&p);
        jb_meter_begin(p.meter, &before);
        plant_sleep(&p, 200 * MS);
        struct jb_joules j = jb_meter_end(p.meter, &before);
        draws(&j, 25);
        jb_meter_begin(p.meter, &over);
        plant_sleep(&p, 100 * MS);
        (void)plant_now(&p);
        unit_put(&p.tree, DRAM0 "/energy_uj", cases[i].text);
        p.stopped = true;
        jb_meter_poll(p.meter);
        p.stopped = false;
        plant_sleep(&p, 100 * MS);
        jb_meter_begin(p.meter, &after); // the other window is lost; this one need not be
        j = jb_meter_end(p.meter, &over);
        none_because(&j, cases[i].says);
        none_because(&j, "dram-0");
        plant_sleep(&p, 200 * MS);
        j = jb_meter_end(p.meter, &after);
        draws(&j, 25);
        plant_close(&p);
    }
}

// However a zone ends in a window, and whenever it was last looked at.
static void a_zone_that_vanishes(void **state)
{
    (void)state;
    for (int polled = 0; polled < 2; polled++) {
        struct plant p;
        struct jb_window w;
        plant_open(&p);
        jb_meter_begin(p.meter, &w);
        plant_sleep(&p, 100 * MS);
        (void)plant_now(&p);
        p.stopped = true;
        unit_remove(&p.tree, PKG0 "/energy_uj");
        if (polled) jb_meter_poll(p.meter);
        plant_sleep(&p, 100 * MS);
        struct jb_joules j = jb_meter_end(p.meter, &w);
        none_because(&j, "package-0: ");
        none_because(&j, "vanished");
        assert_int_not_equal(jb_meter_begin(p.meter, &w), 0);
        j = jb_meter_end(p.meter, &w);
        none_because(&j, "vanished");
        plant_close(&p);
    }
}

// ---- A second source on the same counters. A stand-in for perf: it reads the package by another way, right or wrong.

struct stand_in { struct jb_channel channel[2]; struct plant *plant; double factor; int errnum; };

static void close_stand_in(void *impl) { (void)impl; }

static bool read_stand_in(void *impl, size_t i, struct jb_reading *out)
{
    struct stand_in *s = impl;
    *out = (struct jb_reading){.begin_ns = plant_now(s->plant), .errnum = s->errnum};
    out->count = (uint64_t)(s->factor * (double)(s->plant->now_ns / MS * MS / 1000 * (i ? 5 : 20)));
    out->end_ns = plant_now(s->plant);
    return false;
}

static const struct jb_source_ops stand_in_ops = {.name = "stand-in", .summary = "", .close = close_stand_in, .read = read_stand_in};

static struct jb_joules compared(double factor, int errnum)
{
    struct plant p;
    struct jb_window w;
    plant_open(&p);
    struct stand_in s = {.plant = &p, .factor = factor, .errnum = errnum};
    struct jb_leg *leg = &p.meter->leg[1];
    for (int i = 0; i < 2; i++) {
        s.channel[i] = (struct jb_channel){.kind = JB_CHANNEL_ENERGY, .unit = 1, .ceiling_w = 100, .update_ns = 1500000, .never_rests = i == 0};
        s.channel[i].zone = (struct jb_cover_zone){.control_type = "power", .has_counter = true, .summed = true, .parent = -1};
        snprintf(s.channel[i].zone.label, sizeof s.channel[i].zone.label, "%s", i ? "dram-0" : "package-0");
    }
    leg->ops = &stand_in_ops;
    leg->impl = &s;
    leg->source = (struct jb_source){.cls = JB_ENERGY_REPLAYED, .name = "stand-in", .channel = s.channel, .n = 2};
    leg->track = calloc(2, sizeof *leg->track);
    assert_non_null(leg->track);
    for (size_t i = 0; i < 2; i++) jb_track_init(&leg->track[i], &s.channel[i]);
    assert_int_equal(jb_meter_begin(p.meter, &w), 0);
    plant_sleep(&p, 500 * MS);
    struct jb_joules j = jb_meter_end(p.meter, &w);
    plant_close(&p);
    return j;
}

static void two_ways_to_one_counter(void **state)
{
    (void)state;
    struct jb_joules j = compared(1, 0);
    draws(&j, 25);
    j = compared(1.1, 0);
    none_because(&j, "disagree");
    none_because(&j, "powercap");
    none_because(&j, "stand-in");
    j = compared(0.9, 0);
    none_because(&j, "disagree");
    j = compared(1, EIO); // a second opinion that cannot be had
    draws(&j, 25);
}

// ---- The sampler, in real time.

static void the_sampler(void **state)
{
    (void)state;
    struct unit_tree tree;
    struct jb_meter *m;
    struct jb_sampler_stats s;
    struct jb_meter_facts f;
    cpu_set_t allowed;
    unit_tree_open(&tree);
    unit_zone(&tree, PKG0, "package-0", 0, 1000000); // 1 J: at 100 W it wraps in 10 ms
    unit_zone(&tree, DRAM0, "dram", 0, 500000);      // 0.5 J: in 5
    struct jb_power_opts o = {.source = "powercap", .root = tree.root, .max_power_w = 100, .measured_cpus = "0"};
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    jb_meter_facts(m, &f);
    assert_int_equal(f.sampler_period_ns, 2500000); // half of the shortest wrap, though dram moves less
    struct jb_clock clock = jb_clock_monotonic();
    for (int i = 0; i < 20000; i++) {
        jb_meter_sampler(m, &s);
        if (s.reads >= 20) break;
        clock.sleep_ns(clock.self, MS);
    }
    assert_true(s.reads >= 20 && s.period_ns == 2500000 && s.cpu_ns > 0 && s.wall_ns >= 20u * 2500000u);
    assert_true(s.share > 0 && s.share < 1 && fabs(s.share - (double)s.cpu_ns / (double)s.wall_ns) < 1e-9);
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    if (CPU_COUNT(&allowed) > 1 && CPU_ISSET(0, &allowed)) assert_true(s.cpu > 0); // away from what is measured
    jb_meter_close(m);

    o.measured_cpus = "0-4095"; // no choice: nowhere in particular
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    jb_meter_sampler(m, &s);
    assert_int_equal(s.cpu, -1);
    jb_meter_close(m);

    unit_put_u64(&tree, PKG0 "/max_energy_range_uj", RANGE_UJ); // 44 minutes: it is looked at all the same
    unit_put_u64(&tree, DRAM0 "/max_energy_range_uj", RANGE_UJ);
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    jb_meter_facts(m, &f);
    assert_true(f.sampler_period_ns > 0 && f.sampler_period_ns <= 10000000000u);
    jb_meter_close(m);

    o.no_sampler = true;
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    jb_meter_facts(m, &f);
    jb_meter_sampler(m, &s);
    assert_true(f.sampler_period_ns == 0 && s.reads == 0 && s.cpu_ns == 0 && s.cpu == -1);
    jb_meter_close(m);
    unit_tree_close(&tree);
}

static void no_sampler_on_another_clock(void **state)
{
    (void)state;
    struct plant p;
    struct jb_meter_facts f;
    plant_open(&p);
    jb_meter_facts(p.meter, &f);
    assert_int_equal(f.sampler_period_ns, 0);
    plant_close(&p);
}

// ---- Falling back, and names.

static void auto_says_what_it_tried(void **state)
{
    (void)state;
    struct jb_power_opts o = {.root = "/nonexistent/jb-power"};
    struct jb_meter *m;
    struct jb_meter_facts f;
    struct jb_window w;
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    jb_meter_facts(m, &f);
    assert_string_equal(f.source, "none");
    assert_int_equal(f.cls, JB_ENERGY_NONE);
    assert_non_null(strstr(f.reason, "powercap"));
    assert_non_null(strstr(f.reason, "perf"));
    assert_int_equal(jb_meter_n_channels(m), 0);
    assert_int_equal(jb_meter_begin(m, &w), 0);
    struct jb_joules j = jb_meter_end(m, &w);
    none_because(&j, "powercap");
    jb_meter_poll(m);
    jb_meter_close(m);
    jb_meter_close(NULL);
}

static void wrong_options(void **state)
{
    (void)state;
    const struct { struct jb_power_opts o; const char *says; } cases[] = {
        {{.source = "rapl"}, "unknown power source"}, {{.max_power_w = -1}, "ceiling"}, {{.max_power_w = NAN}, "ceiling"}, {{.source = "replay"}, "trace"}, {{.source = "external"}, ""},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_meter *m = NULL;
        struct jb_err err = {0};
        assert_int_not_equal(jb_meter_open(&m, &cases[i].o, &err), 0);
        assert_null(m);
        if (!err.detail[0] || !strstr(err.detail, cases[i].says)) fail_msg("case %zu: \"%s\"", i, err.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_windows_at_once),
        cmocka_unit_test(parts_have_each_channel),
        cmocka_unit_test(what_is_not_summed_may_fail),
        cmocka_unit_test(what_is_summed_may_not),
        cmocka_unit_test(a_zone_that_vanishes),
        cmocka_unit_test(two_ways_to_one_counter),
        cmocka_unit_test(the_sampler),
        cmocka_unit_test(no_sampler_on_another_clock),
        cmocka_unit_test(auto_says_what_it_tried),
        cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
