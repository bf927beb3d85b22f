// Power limits, with every allocation failing in turn: whatever fails, the limits are what they were.
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

#include "power/limits.h"
#include "tests/oom/countdown.h"

#define ZONE "intel-rapl/intel-rapl:0"
static const char *const files[][2] = {
    {ZONE "/name", "package-0\n"}, {ZONE "/constraint_0_name", "long_term\n"}, {ZONE "/constraint_0_power_limit_uw", "28000000"}, {"state/x", ""},
};
static const char *const dirs[] = {"intel-rapl", ZONE, "state"};
#define N_FILES (sizeof files / sizeof files[0])
static char root[64], state_file[96];

static void full(const char *path, char out[256]) { snprintf(out, 256, "%s/%s", root, path); }

static void put(size_t i)
{
    char path[256];
    full(files[i][0], path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(files[i][1], f);
    fclose(f);
}

static void limit_is(const char *text)
{
    char path[256], have[32] = "";
    full(files[2][0], path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fgets(have, sizeof have, f) != NULL);
    fclose(f);
    assert_string_equal(have, text);
}

static int list(void *user)
{
    static struct jb_limit x[JB_LIMITS_MAX];
    size_t n;
    (void)user;
    return jb_limits_list(root, x, JB_LIMITS_MAX, &n, NULL);
}

static int set_and_close(void *user)
{
    struct jb_limits *l = NULL;
    (void)user;
    int rc = jb_limits_open(&l, root, state_file, false, NULL);
    if (!rc) rc = jb_limits_set(l, NULL, NULL, 15, NULL);
    jb_limits_close(l);
    limit_is("28000000");
    return rc;
}

// Leaving needs memory for the state file; without it the one of the first change stands, and says the same.
static int leave_and_restore(void *user)
{
    struct jb_limits *l = NULL;
    struct jb_limits_left left;
    size_t n = 0;
    (void)user;
    int rc = jb_limits_open(&l, root, state_file, false, NULL);
    if (!rc) rc = jb_limits_set(l, NULL, NULL, 15, NULL);
    int left_rc = jb_limits_leave(l, NULL);
    if (!rc) rc = left_rc;
    if (!rc) rc = jb_limits_pending(state_file, &left, NULL);
    int back = access(state_file, F_OK) == 0 ? jb_limits_restore_file(state_file, &n, NULL) : 0;
    if (back) { // no memory: nothing is put back, and the state stays for another try
        limit_is("15000000");
        assert_int_equal(access(state_file, F_OK), 0);
        put(2);
        unlink(state_file);
    }
    limit_is("28000000");
    return rc ? rc : back;
}

static void countdowns(void **state)
{
    (void)state;
    oom_countdown("list", list, NULL);
    oom_countdown("set, close", set_and_close, NULL);
    oom_countdown("set, leave, restore", leave_and_restore, NULL);
}

static int setup(void **state)
{
    char path[256];
    (void)state;
    snprintf(root, sizeof root, "/tmp/jb_oom_limits_XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(state_file, sizeof state_file, "%s/state/limits.json", root);
    for (size_t i = 0; i < 3; i++) {
        full(dirs[i], path);
        if (mkdir(path, 0755)) return -1;
    }
    for (size_t i = 0; i < N_FILES; i++) put(i);
    return 0;
}

static int teardown(void **state)
{
    char path[256];
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        full(files[i][0], path);
        unlink(path);
    }
    full("state/limits.json.lock", path);
    unlink(path);
    unlink(state_file);
    for (size_t i = 3; i-- > 0;) {
        full(dirs[i], path);
        rmdir(path);
    }
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(countdowns)};
    return cmocka_run_group_tests_name("oom_limits", tests, setup, teardown);
}
