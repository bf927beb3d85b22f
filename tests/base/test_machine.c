// What the machine does meanwhile: fabricated roots, hostile files, arithmetic of a span, and this machine.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/machine.h"
#include "temp_dir.h"

static char root[64];

static void put(const char *name, const char *text) { temp_dir_put(root, name, text, strlen(text)); }

#define CPU(n) "sys/devices/system/cpu/cpu" #n "/"
static const char vmstat[] = "nr_free_pages 12\npswpin_not 900\npswpin 40\npswpout 2\nthp_swpout 7\n";

static int set_up(void **state)
{
    (void)state;
    temp_dir_make(root);
    put("proc/stat", "cpu  100 20 30 4000 500 6 7 80 90 10\ncpu0 60 10 20 2000 250 3 4 40 45 5\ncpu1 40 10 10 2000 250 3 3 40 45 5\nintr 7143551 0 0\n");
    put("proc/vmstat", vmstat);
    put(CPU(0) "cpufreq/scaling_governor", "performance\n");
    put(CPU(1) "cpufreq/scaling_governor", "performance\n");
    put(CPU(0) "cpufreq/scaling_cur_freq", "3000000\n");
    put(CPU(1) "cpufreq/scaling_cur_freq", "1200000\n");
    put(CPU(0) "thermal_throttle/core_throttle_count", "3\n");
    put(CPU(0) "thermal_throttle/package_throttle_count", "4\n");
    put(CPU(1) "thermal_throttle/core_throttle_count", "5\n");
    put(CPU(1) "thermal_throttle/package_throttle_count", "4\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_remove(root);
    return 0;
}

static void reads_a_machine(void **state)
{
    (void)state;
    struct jb_machine m;
    jb_machine_now(root, &m);
    assert_true(m.cpu.known);
    assert_int_equal(m.cpu.n_cpus, 2);
    assert_int_equal(m.swapped_pages, 42);
    assert_int_equal(m.throttles, 16);
    assert_string_equal(m.governor, "performance");
    assert_true(m.freq_khz_least == 1200000 && m.freq_khz_most == 3000000);
    assert_true(m.involuntary_switches != UINT64_MAX);
    assert_true(m.monotonic_ns > 0);
}

static void nothing_there_is_unknown(void **state)
{
    (void)state;
    char empty[80];
    struct jb_machine m;
    struct jb_machine_span s;
    snprintf(empty, sizeof empty, "%s/nowhere", root);
    jb_machine_now(empty, &m);
    assert_false(m.cpu.known);
    assert_true(m.swapped_pages == UINT64_MAX && m.throttles == UINT64_MAX && m.governor[0] == 0 && isnan(m.freq_khz_least) && isnan(m.freq_khz_most));
    jb_machine_between(&m, &m, &s);
    assert_true(s.swapped_pages == UINT64_MAX && s.throttles == UINT64_MAX && isnan(s.freq_change) && isnan(s.cpu.share) && !s.governor_known && !s.governor_changed && !s.cpu.known);
}

static void a_long_root_is_nothing(void **state)
{
    (void)state;
    char name[3000];
    struct jb_machine m;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    jb_machine_now(name, &m);
    assert_true(!m.cpu.known && m.swapped_pages == UINT64_MAX);
}

// One file after another says what no kernel says; the others stay known.
static void hostile_counts_are_unknown(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "\n", " 3\n", "-3\n", "3 4\n", "3x\n", "0x3\n", "99999999999999999999\n", "18446744073709551615\n", "three\n", "3.5\n", "00000000000000000000000000000000000000003" };
    struct jb_machine m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(CPU(1) "thermal_throttle/core_throttle_count", bad[i]);
        put(CPU(0) "cpufreq/scaling_cur_freq", bad[i]);
        jb_machine_now(root, &m);
        if (m.throttles != UINT64_MAX) fail_msg("\"%s\" was taken for a count", bad[i]);
        if (m.freq_khz_most != 1200000) fail_msg("\"%s\" was taken for a frequency: %g", bad[i], m.freq_khz_most);
        assert_int_equal(m.swapped_pages, 42);
    }
    put(CPU(0) "cpufreq/scaling_cur_freq", "0\n");
    put(CPU(1) "cpufreq/scaling_cur_freq", "100000001\n");
    jb_machine_now(root, &m);
    assert_true(isnan(m.freq_khz_least) && isnan(m.freq_khz_most));
}

static void hostile_vmstat_is_unknown(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "pswpin 4\n", "pswpout 4\n", "pswpin\npswpout 2\n", "pswpin x\npswpout 2\n", "pswpin 18446744073709551614\npswpout 2\n", "xpswpin 1\nxpswpout 1\n",
                                       "pswpin -1\npswpout 1\n", "pswpin 1 2\npswpout 1\n" };
    struct jb_machine m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put("proc/vmstat", bad[i]);
        jb_machine_now(root, &m);
        if (m.swapped_pages != UINT64_MAX) fail_msg("case %zu was taken", i);
        assert_int_equal(m.throttles, 16);
    }
}

static void governors(void **state)
{
    (void)state;
    struct jb_machine m;
    put(CPU(1) "cpufreq/scaling_governor", "powersave\n");
    jb_machine_now(root, &m);
    assert_string_equal(m.governor, "mixed");
    static const char *const bad[] = { "", "\n", "\033[31m\n", "a b\n", "performanceperformanceperformance\n", "perf\nx\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(CPU(1) "cpufreq/scaling_governor", bad[i]);
        jb_machine_now(root, &m);
        assert_string_equal(m.governor, "performance"); // of the CPU that says something
    }
}

// A FIFO would keep a reader for ever, a directory cannot be read.
static void what_is_no_file_is_not_opened(void **state)
{
    (void)state;
    char path[200];
    struct jb_machine m;
    snprintf(path, sizeof path, "%s/proc/vmstat", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/" CPU(0) "cpufreq/scaling_governor", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    jb_machine_now(root, &m);
    assert_true(m.swapped_pages == UINT64_MAX);
    assert_string_equal(m.governor, "performance");
    snprintf(path, sizeof path, "%s/proc/vmstat", root);
    unlink(path);
}

static void kept_open_sees_changes(void **state)
{
    (void)state;
    struct jb_machine_files *f = NULL;
    struct jb_machine a, b;
    struct jb_machine_span s;
    assert_int_equal(jb_machine_open(&f, root), 0);
    jb_machine_read(f, &a);
    put("proc/vmstat", "pswpin 41\npswpout 4\n");
    put(CPU(0) "thermal_throttle/core_throttle_count", "10\n");
    put(CPU(0) "cpufreq/scaling_governor", "powersave\n");
    put(CPU(1) "cpufreq/scaling_governor", "powersave\n");
    put(CPU(0) "cpufreq/scaling_cur_freq", "2400000\n");
    put("proc/stat", "cpu  100 20 30 4000 500 6 7 95 90 10\ncpu0 60 10 20 2000 250 3 4 40 45 5\ncpu1 40 10 10 2000 250 3 3 55 45 5\nintr 7143551 0 0\n");
    jb_machine_read(f, &b);
    jb_machine_between(&a, &b, &s);
    assert_int_equal(s.swapped_pages, 3);
    assert_int_equal(s.throttles, 7);
    assert_true(s.governor_known && s.governor_changed);
    assert_true(fabs(s.freq_change - 0.2) < 1e-12);
    assert_true(s.cpu.known && s.cpu.steal_ns == (uint64_t)15 * 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    jb_machine_between(&b, &a, &s); // counts that fall were reset, or are another machine's
    assert_true(s.swapped_pages == UINT64_MAX && s.throttles == UINT64_MAX);
    jb_machine_close(f);
    jb_machine_close(NULL);
}

static void a_step_of_the_clock_is_told_from_slewing(void **state)
{
    (void)state;
    struct jb_machine a = { .clock_offset_ns = 1000000000, .monotonic_ns = 5 }, b = a;
    struct jb_machine_span s;
    b.monotonic_ns += 1000000000u;        // a second later
    b.clock_offset_ns += 500000;          // 500 ppm
    jb_machine_between(&a, &b, &s);
    assert_true(s.clock_jump_ns == 0);
    b.clock_offset_ns -= 20500000;        // 20 ms back
    jb_machine_between(&a, &b, &s);
    assert_true(fabs(s.clock_jump_ns - 19500000) < 1);
    a.clock_doubt_ns = 19000000;          // the reading had been interrupted
    jb_machine_between(&a, &b, &s);
    assert_true(fabs(s.clock_jump_ns - 500000) < 1);
}

static void this_machine(void **state)
{
    (void)state;
    struct jb_machine a, b;
    struct jb_machine_span s;
    struct jb_machine_files *f = NULL;
    struct jb_clock clock = jb_clock_monotonic();
    assert_int_equal(jb_machine_open(&f, NULL), 0);
    jb_machine_read(f, &a);
    uint64_t start = clock.now_ns(clock.self);
    for (int i = 0; i < 200; i++) jb_machine_read(f, &b);
    print_message("a reading: %.1f us\n", (double)(clock.now_ns(clock.self) - start) / 200e3);
    jb_machine_between(&a, &b, &s);
    assert_true(s.cpu.known);
    assert_true(s.involuntary_switches != UINT64_MAX);
    assert_true(s.clock_jump_ns >= 0);
    jb_machine_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_there_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_root_is_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_counts_are_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_vmstat_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(governors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_not_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_open_sees_changes, set_up, tear_down),
        cmocka_unit_test(a_step_of_the_clock_is_told_from_slewing),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
