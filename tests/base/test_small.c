// Hashes, the generator, clocks, the CPU, the energy record.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/cpu_internal.h"
#include "base/hash.h"
#include "base/joules.h"
#include "base/rng.h"
#include "tests/base/temp_dir.h"

static void sha256_vectors(void **state)
{
    (void)state;
    char hex[JB_HASH_HEX];
    jb_hash_bytes("", 0, hex); // FIPS 180-4 examples
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    jb_hash_bytes("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    jb_hash_bytes(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct jb_hash *h;
    assert_int_equal(jb_hash_open(&h), JB_OK);
    char block[1000];
    memset(block, 'a', sizeof block);
    for (int i = 0; i < 1000; i++) jb_hash_update(h, block, sizeof block);
    jb_hash_finish(h, hex);
    jb_hash_close(h);
    jb_hash_close(NULL);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"); // a million times "a"
}

static void sha256_of_files(void **state)
{
    (void)state;
    char dir[64], path[128], hex[JB_HASH_HEX] = "kept";
    struct jb_err err;
    temp_dir_make(dir);
    temp_dir_put(dir, "f", "abc", 3);
    snprintf(path, sizeof path, "%s/f", dir);
    assert_int_equal(jb_hash_file(path, hex, &err), JB_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    snprintf(path, sizeof path, "%s/absent", dir);
    assert_int_equal(jb_hash_file(path, hex, &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_hash_file(dir, hex, &err), JB_E_INVALID);
    temp_dir_remove(dir);
}

static void generator_vectors(void **state)
{
    (void)state;
    // splitmix64 from 1234567, and xoshiro256** from {1, 2, 3, 4}: the numbers of the authors' C code.
    struct jb_rng r;
    jb_rng_seed(&r, 1234567);
    assert_true(r.s[0] == 6457827717110365317u && r.s[1] == 3203168211198807973u && r.s[2] == 9817491932198370423u && r.s[3] == 4593380528125082431u);
    r = (struct jb_rng){{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u, 607988272756665600u,
                                        16172922978634559625u, 8476171486693032832u, 10595114339597558777u, 2904607092377533576u};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) assert_true(jb_rng_u64(&r) == expected[i]);
}

static void named_streams_are_their_own(void **state)
{
    (void)state;
    struct jb_rng a, b, c, d;
    jb_rng_seed_named(&a, 1, "order");
    jb_rng_seed_named(&b, 1, "order");
    jb_rng_seed_named(&c, 1, "warmup");
    jb_rng_seed_named(&d, 2, "order");
    uint64_t first = jb_rng_u64(&a);
    assert_true(first == jb_rng_u64(&b));
    assert_true(first != jb_rng_u64(&c) && first != jb_rng_u64(&d));
    // SHA-256 of eight bytes of seed, low first, and the name: pinned, since plans carry seeds from year to year.
    jb_rng_seed_named(&a, 0, "");
    assert_true(a.s[0] == 0x7a0b81a1f57055afu); // sha256(00 x 8) = af5570f5a1810b7a...
}

static void ranges_are_kept(void **state)
{
    (void)state;
    struct jb_rng r;
    jb_rng_seed(&r, 7);
    int seen[6] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < 60000; i++) {
        seen[jb_rng_below(&r, 6)]++;
        double u = jb_rng_unit(&r), n = jb_rng_normal(&r);
        assert_true(u >= 0 && u < 1 && isfinite(n));
        sum += n;
        squares += n * n;
        assert_true(jb_rng_below(&r, 1) == 0);
        assert_true(jb_rng_below(&r, UINT64_MAX) < UINT64_MAX);
    }
    for (int i = 0; i < 6; i++) assert_in_range(seen[i], 9500, 10500);
    assert_true(fabs(sum / 60000) < 0.02 && fabs(squares / 60000 - 1) < 0.03);
}

static void shuffles_keep_all(void **state)
{
    (void)state;
    struct jb_rng r;
    jb_rng_seed(&r, 9);
    uint32_t x[1000];
    char seen[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++) x[i] = i;
    jb_rng_shuffle_u32(&r, x, 1000);
    int moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        seen[x[i]]++;
        moved += x[i] != i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 980);
    jb_rng_shuffle_u32(&r, x, 0);
    jb_rng_shuffle_u32(&r, x, 1);
}

static void fake_clock(void **state)
{
    (void)state;
    struct jb_fake_clock fake = {.t_ns = 1000, .step_ns = 25};
    struct jb_clock clock = jb_clock_fake(&fake);
    assert_int_equal(clock.now_ns(clock.self), 1000);
    assert_int_equal(clock.now_ns(clock.self), 1025);
    clock.sleep_ns(clock.self, 1000000);
    assert_int_equal(clock.now_ns(clock.self), 1001050);
    struct jb_clock_quality q = jb_clock_measure(&clock);
    assert_true(q.cost_ns == 25);
    assert_int_equal(q.resolution_ns, 25);
    fake.step_ns = 0; // a clock that stands still must not hang the measurement
    q = jb_clock_measure(&clock);
    assert_true(q.cost_ns == 0);
    assert_int_equal(q.resolution_ns, 0);
}

static void real_clocks(void **state)
{
    (void)state;
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t a = clock.now_ns(clock.self), cpu = jb_thread_cpu_ns();
    clock.sleep_ns(clock.self, 2000000);
    assert_true(clock.now_ns(clock.self) - a >= 2000000);
    assert_true(jb_thread_cpu_ns() >= cpu);
    struct jb_clock_quality q = jb_clock_measure(&clock);
    assert_true(q.cost_ns > 0 && q.resolution_ns > 0);
    assert_true(jb_realtime_ns() > 1700000000000000000u);
}

static void iso_times(void **state)
{
    (void)state;
    char text[32];
    jb_time_iso8601(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    jb_time_iso8601(1709210096987654321u, text);
    assert_string_equal(text, "2024-02-29T12:34:56Z");
    jb_time_iso8601(UINT64_MAX, text);
    assert_string_equal(text, "2554-07-21T23:34:33Z");
}

static void tiers(void **state)
{
    (void)state;
    const uint32_t all = JB_CPU_AVX2 | JB_CPU_AVX512 | JB_CPU_AVX512_VNNI | JB_CPU_AMX;
    static const char *const names[] = {"ref", "avx2", "avx512", "vnni"};
    static const uint32_t masks[] = {0, 1, 3, 7};
    struct jb_err err;
    for (int i = 0; i < 4; i++) {
        uint32_t mask = 99;
        assert_int_equal(jb_cpu_tier_mask(names[i], all, &mask, &err), JB_OK);
        assert_int_equal(mask, masks[i]);
        assert_string_equal(jb_cpu_tier_name(mask), names[i]);
    }
    uint32_t mask = 99;
    assert_int_equal(jb_cpu_tier_mask("vnni", JB_CPU_AVX2, &mask, &err), JB_E_UNAVAILABLE);
    assert_string_equal(err.detail, "this CPU lacks tier \"vnni\": its highest is \"avx2\"");
    assert_int_equal(jb_cpu_tier_mask("sse9", all, &mask, &err), JB_E_USAGE);
    assert_int_equal(mask, 99);
    assert_string_equal(jb_cpu_tier_name(all), "vnni");
    assert_string_equal(jb_cpu_tier_name(JB_CPU_AVX512_VNNI), "vnni");
}

static void this_cpu(void **state)
{
    (void)state;
    struct jb_cpu_info info;
    jb_cpu_describe(&info);
    assert_true(info.cores > 0 && info.mem_bytes > 1 << 20 && info.model[0] && info.kernel[0]);
    assert_int_equal(info.mask, jb_cpu_detect());
}

static void recorded_sysfs(void **state)
{
    (void)state;
    char dir[64];
    temp_dir_make(dir);
#define PUT(name, text) temp_dir_put(dir, "devices/system/cpu/" name, text, sizeof(text) - 1)
    PUT("cpu0/cache/index0/level", "1\n");
    PUT("cpu0/cache/index0/type", "Data\n");
    PUT("cpu0/cache/index0/size", "48K\n");
    PUT("cpu0/cache/index1/level", "1\n");
    PUT("cpu0/cache/index1/type", "Instruction\n");
    PUT("cpu0/cache/index1/size", "32K\n");
    PUT("cpu0/cache/index2/level", "2\n");
    PUT("cpu0/cache/index2/type", "Unified\n");
    PUT("cpu0/cache/index2/size", "2M\n");
    PUT("cpu0/cache/index3/level", "3\n");
    PUT("cpu0/cache/index3/type", "Unified\n");
    PUT("cpu0/cache/index3/size", "garbage\n");
    PUT("cpu0/cpufreq/scaling_governor", "schedutil\n");
    PUT("intel_pstate/no_turbo", "1\n");
    struct jb_cpu_info info;
    jb_cpu_describe_at(&info, dir);
    assert_int_equal(info.l1d_bytes, 48 << 10);
    assert_int_equal(info.l2_bytes, 2 << 20);
    assert_int_equal(info.l3_bytes, 0);
    assert_string_equal(info.governor, "schedutil");
    assert_string_equal(info.turbo, "off");
    PUT("intel_pstate/no_turbo", "\n"); // unreadable: the other place is asked
    PUT("cpufreq/boost", "1\n");
    PUT("cpu0/cpufreq/scaling_governor", "a name that is much too long for the room that there is\n");
    jb_cpu_describe_at(&info, dir);
    assert_string_equal(info.turbo, "on");
    assert_string_equal(info.governor, "");
    jb_cpu_describe_at(&info, "build/no/such/tree");
    assert_string_equal(info.turbo, "");
    assert_int_equal(info.l1d_bytes, 0);
    temp_dir_remove(dir);
}

static struct jb_joules measured(double uj, double below, double above, uint64_t window_ns)
{
    return (struct jb_joules){.cls = JB_ENERGY_MEASURED, .uj = uj, .lower_uj = uj - below, .upper_uj = uj + above, .window_ns = window_ns,
                              .source = "powercap", .root = "/sys/class/powercap", .domains = "package-0"};
}

static void energy_adds_with_bounds(void **state)
{
    (void)state;
    struct jb_joules a = measured(100, 10, 20, 1000), b = measured(50, 5, 5, 500), sum;
    b.wraps = 1;
    b.update_ns = 7;
    sum = jb_joules_add(&a, &b);
    assert_true(jb_joules_have(&sum));
    assert_true(sum.uj == 150 && sum.lower_uj == 135 && sum.upper_uj == 175);
    assert_int_equal(sum.window_ns, 1500);
    assert_int_equal(sum.wraps, 1);
    assert_int_equal(sum.update_ns, 7);
}

static void energy_of_two_kinds_is_none(void **state)
{
    (void)state;
    struct jb_joules a = measured(100, 10, 20, 1000), b = a, sum;
    b.cls = JB_ENERGY_REPLAYED;
    sum = jb_joules_add(&a, &b);
    assert_false(jb_joules_have(&sum));
    assert_string_equal(sum.reason, "classes differ: measured and replayed");
    b = a;
    snprintf(b.domains, sizeof b.domains, "dram-0");
    sum = jb_joules_add(&a, &b);
    assert_string_equal(sum.reason, "domains differ: package-0 and dram-0");
    b = a;
    snprintf(b.root, sizeof b.root, "/elsewhere");
    assert_false((sum = jb_joules_add(&a, &b), jb_joules_have(&sum)));
}

static void none_is_never_zero(void **state)
{
    (void)state;
    struct jb_joules none = jb_joules_none("powercap", "no counter"), a = measured(1, 0, 0, 1), sum;
    assert_false(jb_joules_have(&none));
    assert_true(isnan(none.uj) && isnan(none.lower_uj) && isnan(none.upper_uj));
    sum = jb_joules_add(&none, &a);
    assert_int_equal(sum.cls, JB_ENERGY_NONE);
    assert_string_equal(sum.reason, "no counter");
    sum = jb_joules_add(&a, &none);
    assert_string_equal(sum.reason, "no counter");
    struct jb_joules blank = {0}; // never filled
    assert_false(jb_joules_have(&blank));
    none = jb_joules_none(NULL, NULL);
    assert_string_equal(none.source, "none");
    assert_string_equal(none.reason, "no reason given");
    a.uj = NAN;
    sum = jb_joules_add(&a, &a);
    assert_int_equal(sum.cls, JB_ENERGY_NONE);
    assert_string_equal(sum.reason, "the figure is not finite");
    assert_string_equal(jb_energy_class_name(JB_ENERGY_INTEGRATED), "integrated");
    assert_string_equal(jb_energy_class_name((enum jb_energy_class)99), "none");
}

static void net_widens_its_bounds(void **state)
{
    (void)state;
    struct jb_joules gross = measured(1000, 10, 10, 2000), idle = measured(100, 20, 40, 1000), net;
    net = jb_joules_net(&gross, &idle);
    assert_true(net.uj == 800 && net.lower_uj == 990 - 280 && net.upper_uj == 1010 - 160);
    assert_int_equal(net.window_ns, 2000);
    idle.window_ns = 0;
    net = jb_joules_net(&gross, &idle);
    assert_false(jb_joules_have(&net));
    idle = jb_joules_none("powercap", "not asked for");
    net = jb_joules_net(&gross, &idle);
    assert_string_equal(net.reason, "no idle figure: not asked for");
    net = jb_joules_net(&idle, &gross);
    assert_string_equal(net.reason, "not asked for");
    idle = measured(100, 0, 0, 10);
    idle.cls = JB_ENERGY_MODELLED;
    net = jb_joules_net(&gross, &idle);
    assert_int_equal(net.cls, JB_ENERGY_NONE);
}

// Powers before and after are known: 100 uJ in 1,000 ns and 60 uJ in 500 ns.
static void idle_holds_both_windows(void **state)
{
    (void)state;
    struct jb_joules before = measured(100, 20, 40, 1000), after = measured(60, 5, 5, 500), idle, net; // 0.08 to 0.14, and 0.11 to 0.13 uJ/ns
    bool drift = true;
    jb_joules_idle(&before, &after, &idle, &drift);
    assert_true(jb_joules_have(&idle));
    assert_false(drift);
    assert_int_equal(idle.window_ns, 1500);
    assert_true(fabs(idle.uj / 1500 - 0.11) < 1e-12 && fabs(idle.lower_uj / 1500 - 0.08) < 1e-12 && fabs(idle.upper_uj / 1500 - 0.14) < 1e-12);
    struct jb_joules gross = measured(1000, 10, 10, 2000);
    net = jb_joules_net(&gross, &idle);
    assert_true(fabs(net.uj - 780) < 1e-9 && fabs(net.lower_uj - 710) < 1e-9 && fabs(net.upper_uj - 850) < 1e-9);
    after = measured(80, 5, 5, 500); // 0.15 to 0.17: beyond what the bounds explain
    jb_joules_idle(&before, &after, &idle, &drift);
    assert_true(drift && fabs(idle.lower_uj / 1500 - 0.08) < 1e-12 && fabs(idle.upper_uj / 1500 - 0.17) < 1e-12);
    jb_joules_idle(&after, &before, &idle, &drift);
    assert_true(drift);
    after = measured(75, 5, 5, 500); // 0.14 to 0.16: they touch
    jb_joules_idle(&before, &after, &idle, &drift);
    assert_false(drift);
}

static void idle_of_one_window_or_none(void **state)
{
    (void)state;
    struct jb_joules one = measured(100, 20, 40, 1000), none = jb_joules_none("powercap", "the counter is frozen"), idle;
    bool drift = true;
    jb_joules_idle(&none, &one, &idle, &drift);
    assert_true(idle.uj == 100 && idle.window_ns == 1000);
    assert_string_equal(idle.reason, "idle only after the work: the counter is frozen");
    assert_false(drift);
    jb_joules_idle(&one, &none, &idle, &drift);
    assert_string_equal(idle.reason, "idle only before the work: the counter is frozen");
    jb_joules_idle(&none, &none, &idle, &drift);
    assert_false(jb_joules_have(&idle));
    assert_string_equal(idle.reason, "the counter is frozen");
    struct jb_joules other = one;
    other.cls = JB_ENERGY_REPLAYED;
    jb_joules_idle(&one, &other, &idle, &drift);
    assert_false(jb_joules_have(&idle));
    one.window_ns = other.window_ns = 0;
    jb_joules_idle(&one, &other, &idle, &drift);
    assert_string_equal(idle.reason, "the idle window has no length");
}

static void modelled_energy_stands_apart(void **state)
{
    (void)state;
    struct jb_joules j = measured(100, 1, 1, 1000), energy, modelled;
    jb_joules_split(&j, &energy, &modelled);
    assert_true(energy.cls == JB_ENERGY_MEASURED && energy.uj == 100);
    assert_false(jb_joules_have(&modelled));
    j.cls = JB_ENERGY_MODELLED;
    snprintf(j.source, sizeof j.source, "guest-rapl");
    jb_joules_split(&j, &energy, &modelled);
    assert_true(modelled.cls == JB_ENERGY_MODELLED && modelled.uj == 100);
    assert_true(energy.cls == JB_ENERGY_NONE && isnan(energy.uj) && isnan(energy.lower_uj));
    assert_non_null(strstr(energy.reason, "hypervisor"));
    assert_non_null(strstr(energy.reason, "--trust-guest-rapl"));
    assert_string_equal(energy.domains, "package-0");
    snprintf(j.source, sizeof j.source, "fitted");
    jb_joules_split(&j, &energy, &modelled);
    assert_null(strstr(energy.reason, "hypervisor"));
    j = jb_joules_none("none", "no counter");
    jb_joules_split(&j, &energy, &modelled);
    assert_string_equal(energy.reason, "no counter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors), cmocka_unit_test(sha256_of_files), cmocka_unit_test(generator_vectors),
        cmocka_unit_test(named_streams_are_their_own), cmocka_unit_test(ranges_are_kept), cmocka_unit_test(shuffles_keep_all),
        cmocka_unit_test(fake_clock), cmocka_unit_test(real_clocks), cmocka_unit_test(iso_times), cmocka_unit_test(tiers), cmocka_unit_test(this_cpu),
        cmocka_unit_test(recorded_sysfs), cmocka_unit_test(energy_adds_with_bounds), cmocka_unit_test(energy_of_two_kinds_is_none),
        cmocka_unit_test(none_is_never_zero), cmocka_unit_test(net_widens_its_bounds), cmocka_unit_test(idle_holds_both_windows),
        cmocka_unit_test(idle_of_one_window_or_none), cmocka_unit_test(modelled_energy_stands_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
