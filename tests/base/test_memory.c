// How much memory is available, by a /proc and /sys made up for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tests/base/temp_dir.h"

static void put(const char *root, const char *name, const char *text)
{
    temp_dir_put(root, name, text, strlen(text));
}

static void test_available(void **state)
{
    char root[64];
    (void)state;
    temp_dir_make(root);
    assert_true(jb_memory_available(NULL) > 0);
    assert_true(jb_memory_available(root) == UINT64_MAX); // nothing is known
    put(root, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    2000 kB\n");
    assert_true(jb_memory_available(root) == 2000 * 1024);
    put(root, "proc/self/cgroup", "1:name=old:/x\n0::/a/b\n");
    put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    put(root, "sys/fs/cgroup/a/b/memory.current", "100000\n");
    assert_true(jb_memory_available(root) == 2000 * 1024);
    put(root, "sys/fs/cgroup/a/memory.max", "1000000\n"); // a parent's limit counts
    put(root, "sys/fs/cgroup/a/memory.current", "400000\n");
    assert_true(jb_memory_available(root) == 600000);
    put(root, "sys/fs/cgroup/a/b/memory.max", "100\n"); // over the limit already
    assert_true(jb_memory_available(root) == 0);
    put(root, "proc/self/cgroup", "0::/\n");
    assert_true(jb_memory_available(root) == 2000 * 1024);
    put(root, "sys/fs/cgroup/memory.max", "7000\n");
    put(root, "sys/fs/cgroup/memory.current", "1000\n");
    assert_true(jb_memory_available(root) == 6000);
    put(root, "proc/self/cgroup", "nonsense");
    put(root, "proc/meminfo", "MemAvailable: 99999999999999999999 kB\n");
    assert_true(jb_memory_available(root) == UINT64_MAX);
    temp_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_available) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
