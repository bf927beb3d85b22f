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

#include "power/source.h"
#include "tests/oom/countdown.h"

static char root[64], trace[96];

static int open_meter(void *user)
{
    struct jb_power_opts o = {.source = user, .root = root, .trace = trace};
    struct jb_meter *m = NULL;
    int rc = jb_meter_open(&m, &o, NULL);
    if (rc) return rc;
    struct jb_window w;
    jb_meter_begin(m, &w);
    (void)jb_meter_end(m, &w);
    jb_meter_close(m);
    return JB_OK;
}

static int probe(void *user)
{
    struct jb_power_opts o = {.root = root, .trace = trace};
    struct jb_power_probe p;
    for (size_t i = 0; jb_power_sources[i]; i++)
        if (strcmp(jb_power_sources[i]->name, user) == 0) return jb_power_sources[i]->probe(&o, &p);
    return JB_E_INTERNAL;
}

static void countdowns(void **state)
{
    (void)state;
    const char *const sources[] = {"auto", "powercap", "replay", "none"};
    for (size_t i = 0; i < 4; i++) oom_countdown(sources[i], open_meter, (void *)(uintptr_t)sources[i]);
    oom_countdown("probe powercap", probe, "powercap");
    oom_countdown("probe replay", probe, "replay");
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
static const char *const files[] = {ZONE "/name", ZONE "/energy_uj", ZONE "/max_energy_range_uj", "trace.csv"};
static const char *const dirs[] = {"intel-rapl", ZONE};

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/jb_oom_power_XXXXXX");
    if (!mkdtemp(root)) return -1;
    for (size_t i = 0; i < 2; i++) dir(dirs[i]);
    put(files[0], "package-0\n");
    put(files[1], "12\n");
    put(files[2], "262143328850\n");
    put(files[3], "# joulebench.trace/1\n# zone package-0 262143328850\ntimestamp_ns,zone,energy_uj\n0,package-0,5\n9000000000,package-0,9000000\n");
    snprintf(trace, sizeof trace, "%s/trace.csv", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char full[256];
    for (size_t i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s/%s", root, files[i]);
        unlink(full);
    }
    for (size_t i = 2; i-- > 0;) {
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
