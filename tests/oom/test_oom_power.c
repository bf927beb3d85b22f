// power, with every allocation failing in turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cputime.h"
#include "power/source.h"
#include "tests/oom/countdown.h"

static char root[64], trace[96], recorded[96], external[96];

static int open_meter(void *user)
{
    struct jb_power_opts o = {.source = user, .root = root, .trace = trace, .external = external};
    struct jb_meter *m = NULL;
    int rc = jb_meter_open(&m, &o, NULL);
    if (rc) return rc;
    struct jb_window w;
    jb_meter_begin(m, &w);
    (void)jb_meter_end(m, &w);
    jb_meter_close(m);
    return JB_OK;
}

// A recording that lost a reading does not end well.
static int recording(void *user)
{
    struct jb_power_opts o = {.source = user, .root = root, .trace = trace, .record = recorded, .no_sampler = true};
    struct jb_meter *m = NULL;
    int rc = jb_meter_open(&m, &o, NULL);
    if (rc) return rc;
    for (int i = 0; i < 100; i++) jb_meter_poll(m);
    rc = jb_meter_record_end(m, NULL);
    jb_meter_close(m);
    return rc;
}

static int cpu_time(void *user)
{
    (void)user;
    struct jb_cputime t;
    jb_cputime_now(&t);
    return t.known ? JB_OK : JB_E_NOMEM;
}

static int probe(void *user)
{
    struct jb_power_opts o = {.root = root, .trace = trace, .external = external};
    struct jb_power_probe p;
    for (size_t i = 0; jb_power_sources[i]; i++)
        if (strcmp(jb_power_sources[i]->name, user) == 0) return jb_power_sources[i]->probe(&o, &p);
    return JB_E_INTERNAL;
}

static void countdowns(void **state)
{
    (void)state;
    const char *const sources[] = {"auto", "powercap", "hwmon", "battery", "external", "replay", "none"};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) oom_countdown(sources[i], open_meter, (void *)(uintptr_t)sources[i]);
    oom_countdown("record powercap", recording, "powercap");
    oom_countdown("record replay", recording, "replay");
    oom_countdown("cpu time", cpu_time, NULL);
    oom_countdown("probe powercap", probe, "powercap");
    oom_countdown("probe replay", probe, "replay");
    oom_countdown("probe hwmon", probe, "hwmon");
    oom_countdown("probe battery", probe, "battery");
    oom_countdown("probe external", probe, "external");
}

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void dir(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

#define ZONE "intel-rapl/intel-rapl:0"
#define HWMON "class/hwmon/hwmon0"
#define BATTERY "class/power_supply/BAT0"
static const char *const files[] = {ZONE "/name", ZONE "/energy_uj", ZONE "/max_energy_range_uj", "trace.csv", HWMON "/name", HWMON "/energy1_input", BATTERY "/type", BATTERY "/status",
                                    BATTERY "/energy_now", "meter.csv", "recorded.csv"};
#define N_FILES (sizeof files / sizeof files[0])
static const char *const dirs[] = {"intel-rapl", ZONE, "class", "class/hwmon", HWMON, "class/power_supply", BATTERY};
#define N_DIRS (sizeof dirs / sizeof dirs[0])

// A trace of the counter of hwmon.
static int record(void)
{
    struct jb_power_opts o = {.source = "hwmon", .root = root, .record = trace};
    struct jb_meter *m;
    int rc = jb_meter_open(&m, &o, NULL);
    if (rc) return rc;
    for (int i = 0; i < 3; i++) jb_meter_poll(m);
    rc = jb_meter_record_end(m, NULL);
    jb_meter_close(m);
    return rc;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/jb_oom_power_XXXXXX");
    if (!mkdtemp(root)) return -1;
    for (size_t i = 0; i < N_DIRS; i++) dir(dirs[i]);
    put(files[0], "package-0\n");
    put(files[1], "12\n");
    put(files[2], "262143328850\n");
    put(files[4], "ltc2947\n");
    put(files[5], "12\n");
    put(files[6], "Battery\n");
    put(files[7], "Discharging\n");
    put(files[8], "42000000\n");
    put(files[9], "timestamp_ns,joules\n");
    snprintf(trace, sizeof trace, "%s/trace.csv", root);
    snprintf(recorded, sizeof recorded, "%s/recorded.csv", root);
    snprintf(external, sizeof external, "%s/meter.csv", root);
    return record();
}

static int teardown(void **state)
{
    (void)state;
    char full[256];
    for (size_t i = 0; i < N_FILES; i++) {
        snprintf(full, sizeof full, "%s/%s", root, files[i]);
        unlink(full);
    }
    for (size_t i = N_DIRS; i-- > 0;) {
        snprintf(full, sizeof full, "%s/%s", root, dirs[i]);
        rmdir(full);
    }
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(countdowns)};
    return cmocka_run_group_tests_name("oom_power", tests, setup, teardown);
}
