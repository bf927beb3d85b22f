// The source battery on fabricated trees (kernel: Documentation/ABI/testing/sysfs-class-power).
#include "tests/power/unit.h"
#include <errno.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

struct rig {
    struct unit_tree tree;
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_source source;
    void *impl;
    struct jb_meter *meter;
};

static void put(struct rig *r, const char *battery, const char *file, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "class/power_supply/%s/%s", battery, file);
    unit_put(&r->tree, path, text);
}

static void put_u64(struct rig *r, const char *battery, const char *file, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu\n", (unsigned long long)value);
    put(r, battery, file, text);
}

// A laptop's battery of 50 Wh at 42 Wh that gives 12 W.
static void by_energy(struct rig *r, const char *name)
{
    put(r, name, "type", "Battery\n");
    put(r, name, "status", "Discharging\n");
    put(r, name, "energy_now", "42000000\n");
    put(r, name, "energy_full_design", "50000000\n");
    put(r, name, "power_now", "12000000\n");
    put(r, name, "voltage_now", "11400000\n");
}

static void by_charge(struct rig *r, const char *name)
{
    put(r, name, "type", "Battery\n");
    put(r, name, "status", "Discharging\n");
    put(r, name, "charge_now", "4000000\n");
    put(r, name, "charge_full_design", "5000000\n");
    put(r, name, "current_now", "1000000\n");
    put(r, name, "voltage_now", "10000000\n");
}

static void rig_tree(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    r->clock = (struct jb_fake_clock){.t_ns = 1000 * SECOND, .step_ns = 1000};
    r->opts = unit_opts(&r->tree, &r->clock);
    r->opts.source = "battery";
    r->opts.max_power_w = 0;
    put(r, "AC", "type", "Mains\n");
    put(r, "AC", "online", "0\n");
}

static void rig_open(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_source_battery.open(&r->impl, &r->opts, &r->source, &err) != 0) fail_msg("open: %s", err.detail);
}

static void rig_close(struct rig *r)
{
    if (r->impl) jb_source_battery.close(r->impl);
    jb_meter_close(r->meter);
    unit_tree_close(&r->tree);
}

static struct jb_reading read_at(struct rig *r, size_t i)
{
    struct jb_reading out;
    assert_false(jb_source_battery.read(r->impl, i, &out));
    assert_true(out.end_ns > out.begin_ns);
    return out;
}

static struct jb_power_probe probe_of(struct rig *r)
{
    struct jb_power_probe p;
    assert_int_equal(jb_source_battery.probe(&r->opts, &p), 0);
    return p;
}

static void energy_counts_down(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    rig_open(&r);
    assert_int_equal(r.source.n, 1);
    assert_int_equal(r.source.cls, JB_ENERGY_REPLAYED); // not in a sysfs
    const struct jb_channel *c = r.source.channel;
    assert_int_equal(c->kind, JB_CHANNEL_ENERGY);
    assert_true(c->falling && c->never_rests && c->zone.summed);
    assert_true(c->unit == 3600);
    assert_true(c->step_uj == 36e6); // 10 mWh are assumed
    assert_int_equal(c->update_ns, 60 * SECOND);
    assert_float_equal(c->ceiling_w, 200, 1e-9); // 4 C
    assert_string_equal(c->zone.label, "BAT0");
    assert_non_null(strstr(r.source.remark, "steps of 36 J: at the present 12 W a window needs more than 3 s"));
    struct jb_reading x = read_at(&r, 0);
    assert_int_equal(x.count, 42000000);
    assert_string_equal(x.text, "42000000");
    put(&r, "BAT0", "energy_now", "41998000\n"); // 2 mWh: a finer gauge than assumed
    assert_int_equal(read_at(&r, 0).count, 41998000);
    assert_true(c->step_uj == 7.2e6);
    put(&r, "BAT0", "energy_now", "41900000\n");
    read_at(&r, 0);
    assert_true(c->step_uj == 7.2e6); // never coarser again
    rig_close(&r);
}

static void a_gauge_coarser_than_assumed_is_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    put(&r, "BAT0", "energy_now", "41950000\n"); // all its figures are multiples of 50 mWh
    rig_open(&r);
    assert_true(r.source.channel[0].step_uj == 180e6);
    jb_source_battery.close(r.impl);
    put(&r, "BAT0", "energy_now", "41999990\n"); // by the percent, from an odd full charge
    rig_open(&r);
    assert_true(r.source.channel[0].step_uj == 36e6);
    assert_int_equal(read_at(&r, 0).errnum, 0);
    r.clock.t_ns += 50 * SECOND;
    put(&r, "BAT0", "energy_now", "41499990\n"); // 500 mWh: a lot, but it may have been updated 50 s ago
    assert_int_equal(read_at(&r, 0).errnum, 0);
    r.clock.t_ns += 90 * SECOND;
    put(&r, "BAT0", "energy_now", "41489990\n"); // 10 mWh at last: little power
    assert_int_equal(read_at(&r, 0).errnum, 0);
    r.clock.t_ns += 90 * SECOND;
    put(&r, "BAT0", "energy_now", "40989990\n");
    struct jb_reading x = read_at(&r, 0);
    assert_int_equal(x.errnum, ERANGE);
    assert_non_null(strstr(x.why, "its gauge moved by 1.8e+03 J after 90 s: too coarse (36 J or 60 s are assumed)"));
    assert_int_equal(read_at(&r, 0).errnum, 0);
    rig_close(&r);
}

static void charge_times_voltage(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_charge(&r, "BAT1");
    rig_open(&r);
    const struct jb_channel *c = r.source.channel;
    assert_false(c->falling);
    assert_true(c->unit == 1 && c->accuracy == 0.05);
    assert_float_equal(c->step_uj, 36e6, 1e-3); // 1 mAh at 10 V
    assert_float_equal(c->ceiling_w, 200, 1e-9);
    assert_non_null(strstr(r.source.remark, "charge x voltage"));
    struct jb_reading x = read_at(&r, 0);
    uint64_t before = x.count;
    assert_string_equal(x.text, ""); // the sum is what is recorded
    put(&r, "BAT1", "voltage_now", "9800000\n");
    assert_int_equal(read_at(&r, 0).count, before); // voltage alone is no energy
    put(&r, "BAT1", "charge_now", "3990000\n");
    x = read_at(&r, 0);
    assert_int_equal(x.errnum, 0);
    assert_float_equal((double)(x.count - before), 10000 * 3.6 * 9900, 1); // 10 mAh at 9.9 V, the middle of 9.8 and 10
    before = x.count;
    put(&r, "BAT1", "charge_now", "3991000\n");
    x = read_at(&r, 0);
    assert_int_equal(x.errnum, ERANGE);
    assert_string_equal(x.why, "the level rose: it is being charged");
    x = read_at(&r, 0);
    assert_int_equal(x.errnum, 0);
    assert_int_equal(x.count, before); // counting goes on from here, never backwards
    put(&r, "BAT1", "voltage_now", "8000000\n");
    read_at(&r, 0);
    put(&r, "BAT1", "charge_now", "3980000\n");
    x = read_at(&r, 0);
    assert_int_equal(x.errnum, ERANGE);
    assert_non_null(strstr(x.why, "its voltage spread by 10.1 %"));
    rig_close(&r);
}

static void on_mains_there_is_no_figure(void **state)
{
    (void)state;
    static const char *const status[] = {"Charging\n", "Full\n", "Not charging\n", "Unknown\n", "discharging\n", "Discharging now\n"};
    for (size_t i = 0; i < N_ELEMENTS(status); i++) {
        struct rig r;
        rig_tree(&r);
        by_energy(&r, "BAT0");
        put(&r, "BAT0", "status", status[i]);
        struct jb_power_probe p = probe_of(&r);
        assert_false(p.available);
        assert_non_null(strstr(p.reason, "the machine runs on mains"));
        assert_string_equal(p.fix, "unplug the charger");
        assert_non_null(strstr(p.path, "BAT0/status"));
        assert_string_equal(p.mode, "-rw-r--r--");
        struct jb_err err = {0};
        assert_int_equal(jb_source_battery.open(&r.impl, &r.opts, &r.source, &err), JB_E_UNAVAILABLE);
        assert_non_null(strstr(err.detail, "unplug the charger"));
        rig_close(&r);
    }
}

static void what_happens_during_a_window_is_noticed(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    by_energy(&r, "BAT1");
    put(&r, "BAT1", "status", "Not charging\n"); // the second battery of a laptop waits
    rig_open(&r);
    assert_int_equal(r.source.n, 2);
    assert_true(r.source.channel[0].zone.summed);
    assert_string_equal(r.source.channel[1].zone.why_not, "does not discharge");
    assert_int_equal(read_at(&r, 0).errnum, 0);
    assert_int_equal(read_at(&r, 1).errnum, 0);
    put(&r, "BAT1", "status", "Discharging\n");
    assert_string_equal(read_at(&r, 0).why, "BAT1 has begun to discharge and is not in the sum");
    put(&r, "BAT1", "status", "Not charging\n");
    put(&r, "BAT0", "status", "Charging\n");
    assert_string_equal(read_at(&r, 0).why, "BAT0 is being charged");
    put(&r, "BAT0", "status", "Full\n");
    assert_string_equal(read_at(&r, 0).why, "BAT0 does not discharge any more (Full)");
    put(&r, "BAT0", "status", "Discharging\n");
    assert_int_equal(read_at(&r, 0).errnum, 0);
    unit_remove(&r.tree, "class/power_supply/BAT0/energy_now");
    assert_int_equal(read_at(&r, 0).errnum, ENODEV);
    rig_close(&r);
}

static void all_that_discharge_are_summed(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    by_energy(&r, "BAT1");
    by_energy(&r, "hidpp_battery_0"); // a mouse's
    put(&r, "hidpp_battery_0", "scope", "Device\n");
    by_energy(&r, "BAT2");
    put(&r, "BAT2", "present", "0\n");
    put(&r, "odd", "name", "x\n");
    struct jb_power_probe p = probe_of(&r);
    assert_true(p.available);
    assert_string_equal(p.domains, "BAT0 BAT1");
    assert_string_equal(p.left_out, "");
    assert_non_null(strstr(p.path, "BAT0/energy_now"));
    assert_true(p.read_ns >= 0);
    rig_close(&r);
}

static void hostile_values_are_no_numbers(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    rig_open(&r);
    static const char *const bad[] = {"-1\n", "042\n", "42 \n", "0x42\n", "4e7\n", "\n", "99999999999999999999999\n", "100000000001\n", "4200000000000000000000000000000000\n"};
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        put(&r, "BAT0", "energy_now", bad[i]);
        struct jb_reading x = read_at(&r, 0);
        assert_int_equal(x.errnum, EINVAL);
        assert_string_equal(x.why, "BAT0: its level is not a number");
    }
    put(&r, "BAT0", "energy_now", "");
    assert_int_equal(read_at(&r, 0).errnum, ENODATA);
    put(&r, "BAT0", "status", "");
    assert_int_equal(read_at(&r, 0).errnum, ENODATA);
    rig_close(&r);
    static const char *const volts[] = {"0\n", "-5\n", "1000000001\n", "x\n"};
    for (size_t i = 0; i < N_ELEMENTS(volts); i++) {
        rig_tree(&r);
        by_charge(&r, "BAT0");
        put(&r, "BAT0", "voltage_now", volts[i]);
        struct jb_power_probe p = probe_of(&r);
        assert_false(p.available);
        assert_int_equal(p.errnum, EINVAL);
        rig_close(&r);
    }
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    struct jb_power_probe p = probe_of(&r);
    assert_false(p.available);
    assert_non_null(strstr(p.reason, "holds no battery"));
    put(&r, "BAT0", "type", "Battery\n");
    put(&r, "BAT0", "status", "Discharging\n");
    put(&r, "BAT0", "capacity", "90\n");
    p = probe_of(&r);
    assert_int_equal(p.errnum, ENOENT);
    assert_non_null(strstr(p.reason, "neither energy nor charge"));
    assert_non_null(strstr(p.fix, "percentage only"));
    put(&r, "BAT0", "charge_now", "4000000\n");
    p = probe_of(&r);
    assert_non_null(strstr(p.reason, "cannot become energy without a voltage"));
    assert_non_null(strstr(p.path, "BAT0/voltage_now"));
    r.opts.root = "/nowhere";
    p = probe_of(&r);
    assert_int_equal(p.errnum, ENOENT);
    assert_non_null(strstr(p.reason, "/nowhere does not exist: this machine has no battery"));
    rig_close(&r);
}

// ---- through the meter ----

static void rig_meter(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_meter_open(&r->meter, &r->opts, &err) != 0) fail_msg("open: %s", err.detail);
    assert_string_equal(jb_meter_source(r->meter), "battery");
}

// Draws `watts` for `seconds` with a gauge of `step_uwh`, read once a second. Keeps what was truly drawn since the start in *drawn_uj.
static void draw(struct rig *r, double watts, unsigned seconds, uint64_t step_uwh, double *drawn_uj)
{
    for (unsigned i = 0; i < seconds; i++) {
        r->clock.t_ns += SECOND;
        *drawn_uj += watts * 1e6;
        uint64_t left_uwh = (uint64_t)(42000000.0 - *drawn_uj / 3600);
        put_u64(r, "BAT0", "energy_now", left_uwh / step_uwh * step_uwh);
        jb_meter_poll(r->meter);
    }
}

static void a_long_window_holds_the_truth(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    rig_meter(&r);
    double drawn = 0;
    draw(&r, 12, 100, 10000, &drawn);
    struct jb_window w;
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    double at_start = drawn;
    draw(&r, 12, 1200, 10000, &drawn);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    double truth = drawn - at_start;
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    assert_true(j.lower_uj <= truth && truth <= j.upper_uj);
    assert_true(fabs(j.uj - truth) < 0.02 * truth);
    assert_true(j.upper_uj - j.lower_uj < 0.2 * truth); // steps, and some seconds at the ceiling
    rig_close(&r);
}

// Gauges with any step and delay within what is assumed, any power: bounds hold the truth, or there is no figure.
static void random_windows_hold_the_truth(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 7);
    int figures = 0;
    for (int k = 0; k < 60; k++) {
        struct rig r;
        struct jb_window w;
        rig_tree(&r);
        bool charge = k % 3 == 2;
        if (charge) by_charge(&r, "BAT0");
        else by_energy(&r, "BAT0");
        rig_meter(&r);
        const uint64_t step = charge ? 100 + jb_rng_below(&rng, 900) : 100 + jb_rng_below(&rng, 9900), delay = 1 + jb_rng_below(&rng, 58), length = 60 + jb_rng_below(&rng, 1200);
        double drawn = 0, at_start = 0, watts = 1 + (double)jb_rng_below(&rng, 60);
        for (uint64_t s = 0, begin = 100 + jb_rng_below(&rng, 60); s < begin + length; s++) {
            if (s == begin) {
                assert_int_equal(jb_meter_begin(r.meter, &w), 0);
                at_start = drawn;
            }
            r.clock.t_ns += SECOND;
            drawn += watts * 1e6;
            if (jb_rng_below(&rng, 30) == 0) watts = 1 + (double)jb_rng_below(&rng, 60);
            if (s % delay == 0) {
                uint64_t start = charge ? 4000000 : 42000000, gone = (uint64_t)(drawn / (charge ? 3.6e-3 * 10e6 : 3600));
                if (charge) put_u64(&r, "BAT0", "voltage_now", 9900000 + jb_rng_below(&rng, 200000)); // about the 10 V of the truth
                put_u64(&r, "BAT0", charge ? "charge_now" : "energy_now", gone < start ? (start - gone) / step * step : 0);
            }
            jb_meter_poll(r.meter);
        }
        struct jb_joules j = jb_meter_end(r.meter, &w);
        double truth = drawn - at_start;
        if (jb_joules_have(&j) && (truth < j.lower_uj || truth > j.upper_uj))
            fail_msg("%d: step %llu, delay %llu s, window %llu s: %g not in %g .. %g", k, (unsigned long long)step, (unsigned long long)delay, (unsigned long long)length, truth, j.lower_uj, j.upper_uj);
        figures += jb_joules_have(&j);
        rig_close(&r);
    }
    assert_true(figures > 20);
}

static void a_short_window_is_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    rig_meter(&r);
    double drawn = 0;
    draw(&r, 12, 100, 10000, &drawn);
    struct jb_window w;
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    draw(&r, 12, 2, 10000, &drawn); // 24 J of a step of 36 J
    struct jb_joules j = jb_meter_end(r.meter, &w);
    assert_false(jb_joules_have(&j));
    print_message("    %s\n", j.reason);
    assert_non_null(strstr(j.reason, "a window needs more than 3 s"));
    rig_close(&r);
}

static void a_charger_spoils_the_window(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    by_energy(&r, "BAT0");
    rig_meter(&r);
    double drawn = 0;
    struct jb_window w;
    draw(&r, 12, 100, 10000, &drawn);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    draw(&r, 12, 300, 10000, &drawn);
    put(&r, "BAT0", "status", "Charging\n");
    jb_meter_poll(r.meter);
    put(&r, "BAT0", "status", "Discharging\n");
    draw(&r, 12, 300, 10000, &drawn);
    struct jb_joules j = jb_meter_end(r.meter, &w);
    assert_false(jb_joules_have(&j));
    assert_non_null(strstr(j.reason, "BAT0 is being charged"));
    assert_int_equal(jb_meter_begin(r.meter, &w), 0); // the next one is good again
    draw(&r, 12, 600, 10000, &drawn);
    j = jb_meter_end(r.meter, &w);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energy_counts_down),
        cmocka_unit_test(a_gauge_coarser_than_assumed_is_refused),
        cmocka_unit_test(charge_times_voltage),
        cmocka_unit_test(on_mains_there_is_no_figure),
        cmocka_unit_test(what_happens_during_a_window_is_noticed),
        cmocka_unit_test(all_that_discharge_are_summed),
        cmocka_unit_test(hostile_values_are_no_numbers),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(a_long_window_holds_the_truth),
        cmocka_unit_test(random_windows_hold_the_truth),
        cmocka_unit_test(a_short_window_is_refused),
        cmocka_unit_test(a_charger_spoils_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
