// Traces: format, refusals, and windows over them.
#include "tests/power/unit.h"
#include "power/trace.h"

#define MS 1000000u

static const char header[] = "# joulebench.trace/1\n## a comment\n# update_ns 1000000\n# max_power_w 100\n# zone dram-0 65712999613\n# zone package-0 262143328850\n"
                             "# zone core-0 262143328850\n# zone psys 262143328850\ntimestamp_ns,zone,energy_uj\n";

struct rig {
    struct unit_tree dir;
    char path[256];
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_meter *meter;
};

static void rig_open(struct rig *r, const char *data)
{
    char text[8192];
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->dir);
    snprintf(text, sizeof text, "%s%s", header, data);
    unit_put(&r->dir, "trace.csv", text);
    unit_path(&r->dir, "trace.csv", r->path);
    r->clock = (struct jb_fake_clock){.t_ns = 5000 * MS};
    r->opts = (struct jb_power_opts){.source = "replay", .trace = r->path, .clock = jb_clock_fake(&r->clock)};
    struct jb_err err = {0};
    if (jb_meter_open(&r->meter, &r->opts, &err) != 0) fail_msg("%s", err.detail);
}

static void rig_close(struct rig *r)
{
    jb_meter_close(r->meter);
    unit_tree_close(&r->dir);
}

static const char plain[] = "1000000000,package-0,1000\n1000000000,dram-0,50\n1000000000,core-0,7\n1000000000,psys,1\n"
                            "1100000000,package-0,1001000\n1100000000,dram-0,100050\n"
                            "1200000000,package-0,3001000\n1200000000,dram-0,200050\n1200000000,core-0,9\n1200000000,psys,9\n";

static void plays_as_time_goes_by(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_open(&r, plain);
    assert_string_equal(jb_meter_source(r.meter), "replay");
    assert_string_equal(jb_meter_root(r.meter), r.path);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 100 * MS;
    struct jb_joules j = jb_meter_end(r.meter, &w);
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    assert_true(fabs(j.uj - 1100000) < 1);
    // Bounds: one period at 100 W (0.1 J) and a unit at both ends, for package and dram each.
    assert_true(j.lower_uj >= 1100000 - 201000 && j.lower_uj < 1100000);
    assert_true(j.upper_uj <= 1100000 + 201000 && j.upper_uj > 1100000);
    assert_string_equal(j.domains, "package-0 dram-0");
    assert_int_equal(j.window_ns, 100 * MS);
    assert_int_equal(j.update_ns, MS);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 50 * MS; // half way: interpolated, bounds reach from reading to reading
    j = jb_meter_end(r.meter, &w);
    assert_true(fabs(j.uj - 1050000) < 1);
    assert_true(j.upper_uj >= 2100000 && j.lower_uj <= 0);
    r.clock.t_ns += 51 * MS;
    assert_int_not_equal(jb_meter_begin(r.meter, &w), 0);
    j = jb_meter_end(r.meter, &w);
    assert_int_equal(j.cls, JB_ENERGY_NONE);
    assert_true(isnan(j.uj));
    assert_non_null(strstr(j.reason, "the trace is over"));
    rig_close(&r);
}

static void wraps_and_gaps(void **state)
{
    (void)state;
    struct rig r;
    struct jb_window w;
    rig_open(&r, "0,package-0,262143328000\n0,dram-0,0\n100000000,package-0,999150\n100000000,dram-0,10\n"
                 "200000000,package-0,!EINVAL\n200000000,dram-0,20\n300000000,package-0,5000000\n300000000,dram-0,30\n"
                 "400000000,package-0,6000000\n400000000,dram-0,40\n500000000,package-0,5000000\n500000000,dram-0,50\n"
                 "600000000,package-0,5500000\n600000000,dram-0,60\n");
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 100 * MS;
    struct jb_joules j = jb_meter_end(r.meter, &w);
    assert_true(fabs(j.uj - 1000010) < 1); // 850 to the end of the range, then 999150
    assert_int_equal(j.wraps, 1);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 200 * MS;
    j = jb_meter_end(r.meter, &w);
    assert_int_equal(j.cls, JB_ENERGY_NONE);
    assert_non_null(strstr(j.reason, "missing"));
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 100 * MS;
    j = jb_meter_end(r.meter, &w);
    assert_true(fabs(j.uj - 1000010) < 1);
    jb_meter_begin(r.meter, &w);
    r.clock.t_ns += 100 * MS;
    j = jb_meter_end(r.meter, &w);
    assert_non_null(strstr(j.reason, "ran backwards"));
    rig_close(&r);
}

static void refusals(void **state)
{
    (void)state;
    const struct { const char *text, *says; } cases[] = {
        {"", "no readings"},
        {"# joulebench.trace/2\n", "begins with"},
        {"# joulebench.trace/1\ntimestamp_ns,zone,energy_uj\n", "names no zone"},
        {"# joulebench.trace/1\n# zone a\n", "largest value"},
        {"# joulebench.trace/1\n# zone a 0\n", "largest value"},
        {"# joulebench.trace/1\n# zone a 10\n# zone a 10\n", "new name"},
        {"# joulebench.trace/1\n# zone a,b 10\n", "new name"},
        {"# joulebench.trace/1\n# frequency 10\n", ":2: unknown header key"},
        {"# joulebench.trace/1\n# update_ns -1\n", "KEY NUMBER"},
        {"# joulebench.trace/1\n# max_power_w 0\n", "out of range"},
        {"# joulebench.trace/1\n# zone a 10\n1,a,2\n", "before the readings"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n1,a\n", ":4: a reading is"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n1,b,2\n", "does not name"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n1,a,x\n", "whole number"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n01,a,1\n", "a reading is"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n1,a,11\n", "above its own range"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n2,a,1\n2,a,2\n", ":5: the time does not rise"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n2,a,1\n", "fewer than two"},
        {"# joulebench.trace/1\n# zone a 10\n# zone b 10\ntimestamp_ns,zone,energy_uj\n1,a,1\n2,a,2\n3,b,1\n4,b,2\n", "in common"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n\n", "a reading is"},
        {"# joulebench.trace/1\n# zone a 10\ntimestamp_ns,zone,energy_uj\n99999999999999999999,a,1\n", "a reading is"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_trace t = {0};
        struct jb_err err = {0};
        int rc = jb_trace_parse(&t, "t.csv", cases[i].text, strlen(cases[i].text), 0, &err);
        if (rc != JB_E_INVALID || !strstr(err.detail, cases[i].says) || strncmp(err.detail, "t.csv", 5) != 0) fail_msg("case %zu: %d \"%s\"", i, rc, err.detail);
    }
}

// Damaged traces: an answer or an error that names the file, never more.
static void damaged_traces(void **state)
{
    (void)state;
    static const char odd[] = "0123456789,#!- \n\r\xff\0pazk";
    struct jb_rng rng;
    char good[2048], text[2048];
    uint32_t parsed = 0;
    size_t n_good = (size_t)snprintf(good, sizeof good, "%s%s", header, plain);
    jb_rng_seed(&rng, 8);
    for (int trial = 0; trial < 20000; trial++) {
        struct jb_trace t;
        struct jb_err err = {0};
        size_t n = jb_rng_below(&rng, 4) ? n_good : jb_rng_below(&rng, n_good);
        memcpy(text, good, n_good);
        for (uint64_t k = jb_rng_below(&rng, 4); k > 0; k--) text[jb_rng_below(&rng, n_good)] = odd[jb_rng_below(&rng, sizeof odd)];
        char *exact = malloc(n ? n : 1); // so that a byte too far is seen
        assert_non_null(exact);
        memcpy(exact, text, n);
        int rc = jb_trace_parse(&t, "t.csv", exact, n, 0, &err);
        free(exact);
        if (rc == 0) {
            parsed++;
            jb_trace_close(&t);
        } else if (rc != JB_E_INVALID || strncmp(err.detail, "t.csv", 5) != 0) fail_msg("trial %d: %d \"%s\"", trial, rc, err.detail);
    }
    assert_true(parsed > 1000 && parsed < 19000);
}

static void probes(void **state)
{
    (void)state;
    struct rig r;
    struct jb_power_probe p[8];
    size_t n;
    rig_open(&r, plain);
    assert_int_equal(jb_power_probe_all(&r.opts, p, N_ELEMENTS(p), &n), 0);
    assert_int_equal(n, 4);
    assert_string_equal(p[2].source, "replay");
    assert_true(p[2].available);
    assert_int_equal(p[2].cls, JB_ENERGY_REPLAYED);
    assert_string_equal(p[2].domains, "package-0 dram-0");
    assert_non_null(strstr(p[2].left_out, "psys (spans all)"));
    assert_string_equal(p[1].source, "papi");
    assert_false(p[1].available);
    assert_non_null(strstr(p[1].reason, "PAPI "));
    assert_true(p[1].fix[0]);
    assert_string_equal(p[3].source, "none");
    assert_int_equal(jb_power_probe_all(&r.opts, p, 2, &n), JB_E_RANGE);
    struct jb_err err = {0};
    struct jb_meter *m;
    r.opts.trace = NULL;
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_UNAVAILABLE);
    r.opts.trace = "/nonexistent.csv";
    assert_int_not_equal(jb_meter_open(&m, &r.opts, &err), 0);
    assert_non_null(strstr(err.detail, "/nonexistent.csv"));
    r.opts.source = "papi";
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_UNSUPPORTED);
    r.opts.source = "wall";
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_NOT_FOUND);
    rig_close(&r);
}

static void auto_takes_the_trace(void **state)
{
    (void)state;
    struct rig r;
    struct jb_meter *m;
    rig_open(&r, plain);
    r.opts.source = "auto";
    r.opts.root = "/nonexistent/powercap";
    assert_int_equal(jb_meter_open(&m, &r.opts, NULL), 0);
    assert_string_equal(jb_meter_source(m), "replay");
    jb_meter_close(m);
    rig_close(&r);
}

static void none_is_never_zero(void **state)
{
    (void)state;
    struct jb_power_opts o = {.source = "none"};
    struct jb_meter *m;
    struct jb_window w;
    assert_int_equal(jb_meter_open(&m, &o, NULL), 0);
    assert_int_equal(jb_meter_begin(m, &w), 0);
    jb_meter_poll(m);
    struct jb_joules j = jb_meter_end(m, &w);
    assert_int_equal(j.cls, JB_ENERGY_NONE);
    assert_true(isnan(j.uj) && isnan(j.lower_uj) && isnan(j.upper_uj) && j.reason[0]);
    assert_string_equal(jb_meter_source(m), "none");
    jb_meter_close(m);
    jb_meter_close(NULL);
}

static void relative_model(void **state)
{
    (void)state;
    struct jb_model_work full = {.macs_f32 = 20e6, .bytes = 2e6}, early = {.macs_int8 = 1e6, .bytes = 1e5}, nothing = {0};
    assert_true(jb_modelled_relative(&full, &full) == 1.0);
    double x = jb_modelled_relative(&early, &full);
    assert_true(fabs(x - (0.3e6 + 12.5e5) / (92e6 + 25e6 - 0)) < 0.02 && x > 0);
    assert_true(isnan(jb_modelled_relative(&nothing, &full)) && isnan(jb_modelled_relative(&full, &nothing)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_as_time_goes_by), cmocka_unit_test(wraps_and_gaps),     cmocka_unit_test(refusals),       cmocka_unit_test(probes),
        cmocka_unit_test(damaged_traces),
        cmocka_unit_test(auto_takes_the_trace),  cmocka_unit_test(none_is_never_zero), cmocka_unit_test(relative_model),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
