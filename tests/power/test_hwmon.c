// The source hwmon on fabricated trees. What each board's tree looks like: kernel, Documentation/hwmon (ina3221, ina2xx, acpi_power_meter); NVIDIA's guides for the rails' names.
#include "tests/power/unit.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "power/hwmon.h"
#include "power/trace.h"

#define MS 1000000u

struct rig {
    struct unit_tree tree;
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_source source;
    void *impl;
    struct jb_meter *meter;
};

static void rig_tree(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    r->clock = (struct jb_fake_clock){.t_ns = 1000 * MS, .step_ns = 1000};
    r->opts = unit_opts(&r->tree, &r->clock);
    r->opts.source = "hwmon";
}

static void rig_open(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_source_hwmon.open(&r->impl, &r->opts, &r->source, &err) != 0) fail_msg("open: %s", err.detail);
}

static void rig_close(struct rig *r)
{
    if (r->impl) jb_source_hwmon.close(r->impl);
    r->impl = NULL;
    jb_meter_close(r->meter);
    unit_tree_close(&r->tree);
}

static void put(struct rig *r, const char *hwmon, const char *file, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "class/hwmon/%s/%s", hwmon, file);
    unit_put(&r->tree, path, text);
}

static void put_rail(struct rig *r, const char *hwmon, int i, const char *label, const char *mv, const char *ma)
{
    char file[40];
    snprintf(file, sizeof file, "in%d_label", i);
    if (label) put(r, hwmon, file, label);
    snprintf(file, sizeof file, "in%d_input", i);
    put(r, hwmon, file, mv);
    snprintf(file, sizeof file, "curr%d_input", i);
    put(r, hwmon, file, ma);
}

static const struct jb_channel *channel(const struct rig *r, const char *name)
{
    for (size_t i = 0; i < r->source.n; i++)
        if (strcmp(r->source.channel[i].zone.name, name) == 0) return &r->source.channel[i];
    fail_msg("no channel %s", name);
    return NULL;
}

static struct jb_reading read_of(struct rig *r, const char *name)
{
    struct jb_reading out;
    assert_false(jb_source_hwmon.read(r->impl, (size_t)(channel(r, name) - r->source.channel), &out));
    return out;
}

static void expect_sum(const struct rig *r, const char *wanted)
{
    char names[256] = "";
    for (size_t i = 0; i < r->source.n; i++)
        if (r->source.channel[i].zone.summed) snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", names[0] ? " " : "", r->source.channel[i].zone.label);
    assert_string_equal(names, wanted);
}

static struct jb_power_probe probe_of(struct rig *r)
{
    struct jb_power_probe p;
    assert_int_equal(jb_source_hwmon.probe(&r->opts, &p), 0);
    return p;
}

// Jetson Orin Nano: one INA3221 with the module's input and two rails behind it, a sum channel and shunt voltages.
static void orin_nano(struct rig *r)
{
    put(r, "hwmon1", "name", "ina3221\n");
    put(r, "hwmon1", "update_interval", "20\n");
    put_rail(r, "hwmon1", 1, "VDD_IN\n", "5040\n", "1200\n");
    put_rail(r, "hwmon1", 2, "VDD_CPU_GPU_CV\n", "5032\n", "416\n");
    put_rail(r, "hwmon1", 3, "VDD_SOC\n", "5032\n", "280\n");
    for (int i = 4; i <= 7; i++) {
        char file[40];
        snprintf(file, sizeof file, "in%d_input", i);
        put(r, "hwmon1", file, "6\n");
    }
    put(r, "hwmon1", "curr4_input", "1896\n");
    put(r, "hwmon1", "in7_label", "sum of shunt voltages\n");
}

static void the_input_of_a_module_contains_its_rails(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    orin_nano(&r);
    put(&r, "hwmon0", "name", "thermal-fan-est\n"); // a chip without power
    rig_open(&r);
    assert_int_equal(r.source.n, 3); // no shunt voltages, no sums
    expect_sum(&r, "VDD_IN");
    assert_string_equal(channel(&r, "VDD_SOC")->zone.why_not, "not disjoint from the module's input");
    assert_int_equal(r.source.cls, JB_ENERGY_REPLAYED); // its files do not lie in a sysfs
    assert_int_equal(r.source.sampler_period_ns, 20 * MS);
    const struct jb_channel *c = channel(&r, "VDD_IN");
    assert_int_equal(c->kind, JB_CHANNEL_POWER);
    assert_int_equal(c->update_ns, 20 * MS);
    assert_false(c->averaged);
    assert_float_equal(c->step_uj, 5040 * 8 + 1200 * 8, 1e-6); // 8 mA at 5 mOhm, and 8 mV
    struct jb_reading x = read_of(&r, "VDD_IN");
    assert_int_equal(x.errnum, 0);
    assert_float_equal(x.watts, 6.048, 1e-12);
    assert_string_equal(x.text, "5040 1200");
    assert_true(x.end_ns > x.begin_ns);
    x = read_of(&r, "VDD_SOC");
    assert_float_equal(x.watts, 5.032 * 0.28, 1e-12);
    rig_close(&r);
}

static void rails_side_by_side_are_added(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r); // AGX Xavier: two chips of three
    put(&r, "hwmon3", "name", "ina3221x\n");
    put_rail(&r, "hwmon3", 1, "GPU\n", "19000\n", "40\n");
    put_rail(&r, "hwmon3", 2, "CPU\n", "19000\n", "48\n");
    put_rail(&r, "hwmon3", 3, "SOC\n", "19000\n", "56\n");
    put(&r, "hwmon10", "name", "ina3221x\n");
    put_rail(&r, "hwmon10", 1, "CV\n", "19000\n", "8\n");
    put_rail(&r, "hwmon10", 2, "VDDRQ\n", "19000\n", "16\n");
    put_rail(&r, "hwmon10", 3, "SYS5V\n", "5000\n", "350\n");
    rig_open(&r);
    expect_sum(&r, "GPU CPU SOC CV VDDRQ SYS5V");
    assert_int_equal(r.source.sampler_period_ns, 100 * MS); // no interval known
    rig_close(&r);

    rig_tree(&r); // AGX Orin
    put(&r, "hwmon3", "name", "ina3221\n");
    put_rail(&r, "hwmon3", 1, "VDD_GPU_SOC\n", "19000\n", "40\n");
    put_rail(&r, "hwmon3", 2, "VDD_CPU_CV\n", "19000\n", "48\n");
    put_rail(&r, "hwmon3", 3, "VIN_SYS_5V0\n", "5000\n", "560\n");
    put(&r, "hwmon4", "name", "ina3221\n");
    put_rail(&r, "hwmon4", 2, "VDDQ_VDD2_1V8AO\n", "5000\n", "80\n");
    put_rail(&r, "hwmon4", 1, "NC\n", "0\n", "0\n");
    rig_open(&r);
    expect_sum(&r, "VDD_GPU_SOC VDD_CPU_CV VIN_SYS_5V0");
    assert_string_equal(channel(&r, "NC")->zone.why_not, "not connected");
    assert_string_equal(channel(&r, "VDDQ_VDD2_1V8AO")->zone.why_not, "not known to be disjoint");
    rig_close(&r);
}

static void a_rail_that_is_needed_must_be_readable(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon3", "name", "ina3221\n");
    put_rail(&r, "hwmon3", 1, "VDD_GPU_SOC\n", "19000\n", "40\n");
    put_rail(&r, "hwmon3", 2, "VDD_CPU_CV\n", "19000\n", "");
    put_rail(&r, "hwmon3", 3, "VIN_SYS_5V0\n", "5000\n", "560\n");
    put(&r, "hwmon3", "in2_enable", "0\n");
    struct jb_power_probe p = probe_of(&r);
    assert_false(p.available);
    assert_int_equal(p.errnum, ENODATA);
    assert_non_null(strstr(p.path, "class/hwmon/hwmon3/in2_input"));
    assert_non_null(strstr(p.reason, "VDD_CPU_CV (ina3221): the file is empty, or the channel is switched off"));
    assert_non_null(strstr(p.fix, "echo 1 | sudo tee"));
    assert_non_null(strstr(p.fix, "hwmon3/in2_enable"));
    struct jb_err err = {0};
    assert_int_equal(jb_source_hwmon.open(&r.impl, &r.opts, &r.source, &err), JB_E_UNAVAILABLE);
    assert_null(r.impl);
    assert_non_null(strstr(err.detail, "to unlock: "));
    rig_close(&r);
}

static void unknown_rails_are_not_added(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "ina226\n");
    put(&r, "hwmon0", "power1_input", "1000000\n");
    rig_open(&r);
    expect_sum(&r, "ina226:power1"); // one alone
    assert_float_equal(r.source.channel[0].step_uj, 6250, 1e-6); // a shunt of 10 mOhm is assumed
    jb_source_hwmon.close(r.impl);
    r.impl = NULL;
    put(&r, "hwmon1", "name", "ina226\n");
    put(&r, "hwmon1", "power1_input", "2000000\n");
    struct jb_power_probe p = probe_of(&r);
    assert_false(p.available);
    assert_int_equal(p.cls, JB_ENERGY_NONE);
    assert_non_null(strstr(p.reason, "2 channels (ina226:power1, hwmon1:power1) and nothing says which contain which"));
    assert_non_null(strstr(p.fix, "--power-root"));
    // the fix works: a directory with a link to the one chip
    char link[256], target[256];
    unit_put(&r.tree, "rail/readme", "x");
    unit_path(&r.tree, "rail/hwmon1", link);
    unit_path(&r.tree, "class/hwmon/hwmon1", target);
    assert_int_equal(symlink(target, link), 0);
    unit_path(&r.tree, "rail", target);
    r.opts.root = target;
    rig_open(&r);
    expect_sum(&r, "ina226:power1");
    assert_float_equal(read_of(&r, "ina226:power1").watts, 2, 1e-12);
    rig_close(&r);
}

static void devices_of_their_own_are_left_out(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "amdgpu\n");
    put(&r, "hwmon0", "power1_average", "30000000\n");
    put(&r, "hwmon0", "power1_label", "PPT\n");
    struct jb_power_probe p = probe_of(&r);
    assert_false(p.available);
    assert_non_null(strstr(p.reason, "PPT: a graphics device of its own"));
    put(&r, "hwmon1", "name", "BAT0\n");
    put(&r, "hwmon1", "power1_input", "9000000\n");
    put(&r, "hwmon2", "name", "odd_charger\n");
    put(&r, "hwmon2", "power1_input", "9000000\n");
    put(&r, "hwmon2", "device/type", "Mains\n");
    put(&r, "hwmon2", "device/online", "1\n");
    assert_false(probe_of(&r).available);
    put(&r, "hwmon3", "name", "ina219\n");
    put(&r, "hwmon3", "power1_input", "4000000\n");
    p = probe_of(&r);
    assert_true(p.available);
    assert_string_equal(p.domains, "ina219:power1");
    assert_non_null(strstr(p.left_out, "PPT (a graphics device of its own)"));
    assert_non_null(strstr(p.left_out, "odd_charger:power1 (a battery or a charger)"));
    assert_non_null(strstr(p.path, "hwmon3/power1_input"));
    assert_string_equal(p.mode, "-rw-r--r--");
    assert_true(p.read_ns >= 0);
    rig_close(&r);
}

static void a_platform_meter_has_interval_and_accuracy(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon5", "name", "power_meter\n");
    put(&r, "hwmon5", "power1_average", "152000000\n");
    put(&r, "hwmon5", "power1_input", "1\n"); // the mean is taken
    put(&r, "hwmon5", "power1_average_interval", "1000\n");
    put(&r, "hwmon5", "power1_accuracy", "95.0%\n");
    put(&r, "hwmon6", "name", "ina230\n");
    put(&r, "hwmon6", "power1_input", "4000000\n");
    rig_open(&r);
    expect_sum(&r, "power_meter:power1");
    const struct jb_channel *c = channel(&r, "power_meter:power1");
    assert_true(c->averaged);
    assert_int_equal(c->update_ns, 1000 * MS);
    assert_float_equal(c->accuracy, 0.05, 1e-12);
    assert_float_equal(c->step_uj, 1e6, 1e-6); // 152 W
    assert_int_equal(r.source.sampler_period_ns, 1000 * MS);
    assert_float_equal(read_of(&r, "power_meter:power1").watts, 152, 1e-9);
    assert_string_equal(channel(&r, "ina230:power1")->zone.why_not, "within what the platform's meter shows");
    rig_close(&r);
}

static void accuracy_is_read_with_care(void **state)
{
    (void)state;
    assert_float_equal(jb_hwmon_accuracy("95.0%"), 0.05, 1e-12);
    assert_float_equal(jb_hwmon_accuracy("99.5%"), 0.01, 1e-12); // the driver does not pad: 99.005 looks like this, too
    assert_float_equal(jb_hwmon_accuracy("0.5%"), 0.01, 1e-12);
    assert_float_equal(jb_hwmon_accuracy("2%"), 0.02, 1e-12);
    static const char *const nothing[] = {"", "%", "100.0%", "95.0", "95,0%", "-5%", "95.%", "1000%", "95.0%%", "nan%", "0%"};
    for (size_t i = 0; i < N_ELEMENTS(nothing); i++) assert_true(jb_hwmon_accuracy(nothing[i]) == 0);
}

static void counters_go_before_power(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "ltc2947\n");
    put(&r, "hwmon0", "energy1_input", "123456789\n");
    put(&r, "hwmon0", "power1_input", "1000000\n");
    rig_open(&r);
    expect_sum(&r, "ltc2947:energy1");
    const struct jb_channel *c = channel(&r, "ltc2947:energy1");
    assert_int_equal(c->kind, JB_CHANNEL_ENERGY);
    assert_int_equal(c->range, 0);
    assert_true(c->unit == 1 && c->step_uj == 1000);
    assert_int_equal(r.source.sampler_period_ns, 0);
    struct jb_reading x = read_of(&r, "ltc2947:energy1");
    assert_int_equal(x.count, 123456789);
    assert_string_equal(x.text, "123456789");
    assert_string_equal(channel(&r, "ltc2947:power1")->zone.why_not, "power, beside counters of energy");
    rig_close(&r);
}

static void sockets_contain_their_cores(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "amd_energy\n");
    for (int i = 1; i <= 98; i++) { // 96 cores, then 2 sockets: more than a source may show
        char file[40], text[40];
        snprintf(file, sizeof file, "energy%d_label", i);
        snprintf(text, sizeof text, i <= 96 ? "Ecore%03d\n" : "Esocket%d\n", i <= 96 ? i - 1 : i - 97);
        put(&r, "hwmon0", file, text);
        snprintf(file, sizeof file, "energy%d_input", i);
        put(&r, "hwmon0", file, "1000000\n");
    }
    rig_open(&r);
    expect_sum(&r, "Esocket0 Esocket1");
    assert_int_equal(r.source.n, JB_SOURCE_MAX_CHANNELS);
    assert_string_equal(r.source.remark, "34 more channels are not shown");
    assert_true(channel(&r, "Esocket1")->never_rests);
    assert_int_equal(channel(&r, "Esocket1")->update_least_ns, MS);
    assert_string_equal(channel(&r, "Ecore000")->zone.why_not, "within its socket");
    jb_source_hwmon.close(r.impl);
    r.impl = NULL;
    r.opts.hypervisor = true;
    struct jb_power_probe p = probe_of(&r);
    assert_false(p.available);
    assert_non_null(strstr(p.reason, "--trust-guest-rapl"));
    r.opts.trust_guest_rapl = true;
    assert_true(probe_of(&r).available);
    rig_close(&r);
}

static void older_jetson_boards(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r); // below the chip's device
    put(&r, "hwmon2", "name", "ina3221x\n");
    put(&r, "hwmon2", "device/iio:device0/in_power0_input", "2500\n");
    put(&r, "hwmon2", "device/iio:device0/rail_name_0", "POM_5V_IN\n");
    put(&r, "hwmon2", "device/iio:device0/in_power1_input", "400\n");
    put(&r, "hwmon2", "device/iio:device0/rail_name_1", "POM_5V_GPU\n");
    rig_open(&r);
    expect_sum(&r, "POM_5V_IN");
    assert_float_equal(read_of(&r, "POM_5V_IN").watts, 2.5, 1e-12);
    assert_string_equal(read_of(&r, "POM_5V_IN").text, "2500");
    rig_close(&r);
    rig_tree(&r); // among the driver's devices, with no hwmon at all
    unit_put(&r.tree, "bus/i2c/drivers/ina3221x/0-0041/iio:device1/in_power0_input", "3000\n");
    unit_put(&r.tree, "bus/i2c/drivers/ina3221x/0-0041/iio:device1/rail_name_0", "VDD_IN\n");
    unit_put(&r.tree, "bus/i2c/drivers/ina3221x/bind", "");
    rig_open(&r);
    expect_sum(&r, "VDD_IN");
    assert_non_null(strstr(r.source.root, "bus/i2c/drivers/ina3221x"));
    rig_close(&r);
    rig_tree(&r); // files of the chip in its device's directory
    put(&r, "hwmon0", "device/name", "ina219\n");
    put(&r, "hwmon0", "device/power1_input", "1500000\n");
    rig_open(&r);
    assert_float_equal(read_of(&r, "ina219:power1").watts, 1.5, 1e-12);
    rig_close(&r);
}

static void hostile_values_are_no_numbers(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    orin_nano(&r);
    rig_open(&r);
    static const struct { const char *mv, *ma; int errnum; } bad[] = {
        {"5040\n", "x\n", EINVAL}, {"", "1200\n", ENODATA}, {"5040\n", "", ENODATA}, {"05040\n", "1\n", EINVAL}, {" 5040\n", "1\n", EINVAL}, {"5040\n\n", "1\n", EINVAL},
        {"0x10\n", "1\n", EINVAL}, {"-5040\n", "1\n", EINVAL}, {"5040\n", "-101\n", EDOM}, {"5040\n", "--1\n", EINVAL}, {"18446744073709551616\n", "1\n", ERANGE},
        {"18446744073709551615\n", "2\n", ERANGE}, {"5040 3\n", "2\n", EINVAL}, {"50400000000000000000000000000000000000\n", "1\n", EINVAL}, {"5040\n", "99999999999999999999\n", ERANGE},
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        put(&r, "hwmon1", "in1_input", bad[i].mv);
        put(&r, "hwmon1", "curr1_input", bad[i].ma);
        struct jb_reading x = read_of(&r, "VDD_IN");
        if (x.errnum != bad[i].errnum) fail_msg("\"%s\" x \"%s\": errno %d", bad[i].mv, bad[i].ma, x.errnum);
        assert_true(x.watts == 0);
    }
    put(&r, "hwmon1", "in1_input", "5040\n");
    put(&r, "hwmon1", "curr1_input", "-8\n"); // the amplifier's offset on an idle rail
    struct jb_reading x = read_of(&r, "VDD_IN");
    assert_int_equal(x.errnum, 0);
    assert_true(x.watts == 0);
    assert_string_equal(x.text, "5040 0");
    unit_remove(&r.tree, "class/hwmon/hwmon1/in1_input");
    x = read_of(&r, "VDD_IN");
    assert_int_equal(x.errnum, ENODEV);
    assert_string_equal(x.why, "it has vanished");
    rig_close(&r);
}

static void hostile_names_are_made_safe(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "a,b \x1b[31m\"<c>\n");
    put(&r, "hwmon0", "power1_input", "1\n");
    put(&r, "hwmon0", "power1_label", "x, y (z)\nsecond line, and a very very very long text behind it\n");
    put(&r, "hwmon0", "power01_input", "1\n");
    put(&r, "hwmon0", "power1234_input", "1\n");
    put(&r, "hwmon0", "power_input", "1\n");
    put(&r, "hwmon00", "name", "odd\n");
    put(&r, "hwmon00", "power1_input", "1\n");
    put(&r, "hwmon7/power1_input", "x", "1\n"); // a directory with the name of a file
    put(&r, "hwmon7", "name", "odd\n");
    struct jb_hwmon_list *list = calloc(1, sizeof *list);
    char dir[256];
    unit_path(&r.tree, "class/hwmon", dir);
    assert_int_equal(jb_hwmon_find(list, dir), 0);
    for (size_t i = 0; i < list->n; i++)
        assert_int_equal(strspn(list->at[i].name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:+@/-"), strlen(list->at[i].name));
    assert_true(list->n >= 1);
    assert_string_equal(list->at[0].name, "x__y__z__second_line__and_a_very_very_v");
    free(list);
    rig_close(&r);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    struct jb_power_probe p = probe_of(&r); // a tree without hwmon
    assert_false(p.available);
    assert_non_null(strstr(p.reason, "no chip with a channel of energy or power"));
    assert_string_equal(p.mode, "drwxr-xr-x");
    r.opts.root = "/nowhere/at/all";
    p = probe_of(&r);
    assert_int_equal(p.errnum, ENOENT);
    assert_non_null(strstr(p.fix, "name a directory that looks like /sys"));
    struct jb_err err = {0};
    assert_int_equal(jb_source_hwmon.open(&r.impl, &r.opts, &r.source, &err), JB_E_UNAVAILABLE);
    assert_non_null(strstr(err.detail, "/nowhere/at/all"));
    rig_close(&r);
}

// As another user, in a child: 0400 files.
static void denied_says_how_to_unlock(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "ltc2947\n");
    put(&r, "hwmon0", "energy1_input", "1\n");
    char path[256];
    unit_path(&r.tree, "class/hwmon/hwmon0/energy1_input", path);
    assert_int_equal(chmod(path, 0400), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
        struct jb_power_probe p;
        if (jb_source_hwmon.probe(&r.opts, &p) != 0 || p.available) _exit(1);
        if (p.errnum != EACCES || strcmp(p.mode, "-r--------") != 0 || strcmp(p.path, path) != 0) _exit(2);
        char wanted[400];
        snprintf(wanted, sizeof wanted, "sudo chmod a+r %s (until the next boot), or run as root", path);
        if (strcmp(p.fix, wanted) != 0) _exit(3);
        struct jb_err err = {0};
        void *impl = NULL;
        struct jb_source s;
        if (jb_source_hwmon.open(&impl, &r.opts, &s, &err) != JB_E_DENIED || impl) _exit(4);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    rig_close(&r);
}

// ---- through the meter ----

static void rig_meter(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_meter_open(&r->meter, &r->opts, &err) != 0) fail_msg("open: %s", err.detail);
    assert_string_equal(jb_meter_source(r->meter), "hwmon");
}

// 5 V at a current that rises by 10 mA every 20 ms, read as often; *drawn_uj is what was drawn, the value holding until the next.
static void rise(struct rig *r, unsigned steps, unsigned *ma, double *drawn_uj)
{
    for (unsigned i = 0; i < steps; i++) {
        char text[32];
        r->clock.t_ns += 20 * MS;
        *drawn_uj += 5.0 * *ma * 20;
        *ma += 10;
        snprintf(text, sizeof text, "%u\n", *ma);
        put(r, "hwmon1", "curr1_input", text);
        jb_meter_poll(r->meter);
    }
}

static void power_is_integrated(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon1", "name", "ina3221\n");
    put(&r, "hwmon1", "update_interval", "20\n");
    put_rail(&r, "hwmon1", 1, "VDD_IN\n", "5000\n", "100\n");
    put_rail(&r, "hwmon1", 2, "VDD_SOC\n", "5000\n", "40\n");
    r.clock.step_ns = 10;
    rig_meter(&r);
    unsigned ma = 100;
    double drawn = 0, at_start;
    rise(&r, 10, &ma, &drawn);
    struct jb_window w;
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    at_start = drawn;
    rise(&r, 100, &ma, &drawn);
    struct jb_joules parts[2], j = jb_meter_end_parts(r.meter, &w, parts, 2);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    double truth = drawn - at_start;
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    assert_string_equal(j.domains, "VDD_IN");
    if (j.lower_uj > truth || truth > j.upper_uj) fail_msg("%g not in %g .. %g", truth, j.lower_uj, j.upper_uj);
    assert_true(j.upper_uj - j.lower_uj < 0.1 * truth);
    assert_true(j.upper_uj - j.lower_uj > 2 * 2e6 * 0.04); // how coarse the chip is: 8 mA
    assert_true(jb_joules_have(&parts[1]));
    assert_float_equal(parts[1].uj, 0.2 * 2e6, 1e3); // the other rail, by itself
    // A gap in the readings: bounds widen to 0 and the ceiling, they do not lie.
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 2000 * MS;
    j = jb_meter_end(r.meter, &w);
    assert_true(!jb_joules_have(&j) || j.upper_uj - j.lower_uj > 1e6);
    // A rail that fails spoils the window.
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    rise(&r, 3, &ma, &drawn);
    put(&r, "hwmon1", "in1_input", "junk\n");
    rise(&r, 1, &ma, &drawn);
    put(&r, "hwmon1", "in1_input", "5000\n");
    rise(&r, 3, &ma, &drawn);
    j = jb_meter_end(r.meter, &w);
    assert_false(jb_joules_have(&j));
    assert_non_null(strstr(j.reason, "VDD_IN: not a number"));
    rig_close(&r);
}

static void counters_give_windows(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    put(&r, "hwmon0", "name", "ltc2947\n");
    put(&r, "hwmon0", "update_interval", "100\n");
    put(&r, "hwmon0", "energy1_input", "5000000\n");
    r.clock.step_ns = 10;
    rig_meter(&r);
    uint64_t uj = 5000000;
    struct jb_window w;
    jb_meter_poll(r.meter);
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    for (int i = 0; i < 50; i++) { // 12 W
        char text[32];
        r.clock.t_ns += 100 * MS;
        uj += 1200000;
        snprintf(text, sizeof text, "%llu\n", (unsigned long long)uj);
        put(&r, "hwmon0", "energy1_input", text);
        jb_meter_poll(r.meter);
    }
    struct jb_joules j = jb_meter_end(r.meter, &w);
    if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    assert_true(j.lower_uj <= 60e6 && 60e6 <= j.upper_uj);
    assert_float_equal(j.uj, 60e6, 1.3e6);
    // Reset of the chip: not a negative figure, none.
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    put(&r, "hwmon0", "energy1_input", "7\n");
    r.clock.t_ns += 100 * MS;
    jb_meter_poll(r.meter);
    r.clock.t_ns += 100 * MS;
    j = jb_meter_end(r.meter, &w);
    assert_false(jb_joules_have(&j));
    assert_non_null(strstr(j.reason, "ran backwards or was reset"));
    rig_close(&r);
}

// What is recorded reads the same: pairs of numbers, too.
static void recorded_readings_read_the_same(void **state)
{
    (void)state;
    struct rig r;
    rig_tree(&r);
    orin_nano(&r);
    char path[256];
    unit_path(&r.tree, "trace.csv", path);
    r.opts.record = path;
    rig_meter(&r);
    for (int i = 0; i < 5; i++) jb_meter_poll(r.meter);
    assert_int_equal(jb_meter_record_end(r.meter, NULL), 0);
    struct jb_trace *t;
    struct jb_err err = {0};
    if (jb_trace_read(&t, path, &err) != 0) fail_msg("%s", err.detail);
    assert_int_equal(t->n, 3);
    assert_true(jb_trace_count(t, 0) >= 5);
    struct jb_reading x;
    jb_trace_reading(t, 0, 1, &x);
    assert_string_equal(x.text, "5040 1200");
    assert_float_equal(x.watts, 6.048, 1e-12);
    jb_trace_close(t);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_of_a_module_contains_its_rails),
        cmocka_unit_test(rails_side_by_side_are_added),
        cmocka_unit_test(a_rail_that_is_needed_must_be_readable),
        cmocka_unit_test(unknown_rails_are_not_added),
        cmocka_unit_test(devices_of_their_own_are_left_out),
        cmocka_unit_test(a_platform_meter_has_interval_and_accuracy),
        cmocka_unit_test(accuracy_is_read_with_care),
        cmocka_unit_test(counters_go_before_power),
        cmocka_unit_test(sockets_contain_their_cores),
        cmocka_unit_test(older_jetson_boards),
        cmocka_unit_test(hostile_values_are_no_numbers),
        cmocka_unit_test(hostile_names_are_made_safe),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(denied_says_how_to_unlock),
        cmocka_unit_test(power_is_integrated),
        cmocka_unit_test(counters_give_windows),
        cmocka_unit_test(recorded_readings_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
