// Files: bounds, gzip bombs, atomic writes, locks, paths, mappings.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/fs.h"
#include "tests/base/temp_dir.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    temp_dir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", dir, name);
    return path[next];
}

static void reads_are_bounded(void **state)
{
    (void)state;
    struct jb_err err;
    char *data = NULL;
    size_t n = 99;
    temp_dir_put(dir, "ten", "0123456789", 10);
    assert_int_equal(jb_read_file(in_dir("ten"), 10, &data, &n, &err), JB_OK);
    assert_int_equal(n, 10);
    assert_string_equal(data, "0123456789");
    free(data);
    data = NULL;
    assert_int_equal(jb_read_file(in_dir("ten"), 9, &data, &n, &err), JB_E_RANGE);
    assert_null(data);
    temp_dir_put(dir, "empty", "", 0);
    assert_int_equal(jb_read_file(in_dir("empty"), 0, &data, &n, &err), JB_OK);
    assert_int_equal(n, 0);
    free(data);
    assert_int_equal(jb_read_file(in_dir("absent"), 10, &data, &n, &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_read_file(dir, 10, &data, &n, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "is a directory"));
    assert_int_equal(jb_read_file("/dev/zero", 10, &data, &n, &err), JB_E_INVALID);
    assert_int_equal(jb_read_file(in_dir("ten/x"), 10, &data, &n, NULL), JB_E_NOT_FOUND);
}

// A file of /proc says that it has no size, and has content.
static void sizes_may_lie(void **state)
{
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(jb_read_file("/proc/self/status", 1 << 20, &data, &n, NULL), JB_OK);
    assert_true(n > 100);
    free(data);
    assert_int_equal(jb_read_file("/proc/self/status", 100, &data, &n, NULL), JB_E_RANGE);
}

static void pipes_are_read(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    for (size_t limit = 50000; limit <= 100000; limit += 50000) {
        pid_t child = fork();
        if (child == 0) {
            signal(SIGPIPE, SIG_IGN);
            FILE *f = fopen(in_dir("pipe"), "w");
            for (int i = 0; f && i < 100000; i++) fputc('x', f);
            _exit(0);
        }
        char *data;
        size_t n;
        int rc = jb_read_file(in_dir("pipe"), limit, &data, &n, NULL);
        waitpid(child, NULL, 0);
        assert_int_equal(rc, limit < 90000 ? JB_E_RANGE : JB_OK);
        if (rc != JB_OK) continue;
        assert_in_range(n, 90000, 100000); // what stdio held back at _exit is missing
        free(data);
    }
}

// Deflates n bytes of `byte` as one gzip member behind what `out` holds.
static size_t add_member(unsigned char *out, size_t room, int byte, size_t n)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    unsigned char block[4096];
    memset(block, byte, sizeof block);
    z.next_out = out;
    z.avail_out = (uInt)room;
    while (n > 0) {
        size_t part = n < sizeof block ? n : sizeof block;
        z.next_in = block;
        z.avail_in = (uInt)part;
        n -= part;
        assert_true(deflate(&z, n ? Z_NO_FLUSH : Z_FINISH) >= 0);
    }
    size_t used = room - z.avail_out;
    deflateEnd(&z);
    return used;
}

static void gzip_and_plain(void **state)
{
    (void)state;
    static unsigned char gz[1 << 16];
    uint8_t *data;
    size_t n, used = add_member(gz, sizeof gz, 'a', 1000);
    temp_dir_put(dir, "a.gz", gz, used);
    assert_int_equal(jb_read_maybe_gzip(in_dir("a.gz"), 1000, &data, &n, NULL), JB_OK);
    assert_int_equal(n, 1000);
    assert_true(data[0] == 'a' && data[999] == 'a');
    free(data);
    used += add_member(gz + used, sizeof gz - used, 'b', 500);
    temp_dir_put(dir, "ab.gz", gz, used);
    assert_int_equal(jb_read_maybe_gzip(in_dir("ab.gz"), 1500, &data, &n, NULL), JB_OK);
    assert_int_equal(n, 1500);
    assert_true(data[999] == 'a' && data[1000] == 'b');
    free(data);
    temp_dir_put(dir, "plain", "plain", 5);
    assert_int_equal(jb_read_maybe_gzip(in_dir("plain"), 5, &data, &n, NULL), JB_OK);
    assert_int_equal(n, 5);
    free(data);
    assert_int_equal(jb_read_maybe_gzip(in_dir("plain"), 4, &data, &n, NULL), JB_E_RANGE);
    assert_int_equal(jb_read_maybe_gzip(in_dir("absent"), 4, &data, &n, NULL), JB_E_NOT_FOUND);
}

static void gzip_bombs_are_refused(void **state)
{
    (void)state;
    static unsigned char gz[1 << 19];
    struct jb_err err;
    uint8_t *data;
    size_t n, used = add_member(gz, sizeof gz, 0, 40u << 20);
    assert_true(used < 60000);
    temp_dir_put(dir, "bomb.gz", gz, used);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(jb_read_maybe_gzip(in_dir("bomb.gz"), 1 << 20, &data, &n, &err), JB_E_RANGE);
    getrusage(RUSAGE_SELF, &after);
    assert_non_null(strstr(err.detail, "inflates to more than"));
    assert_true(after.ru_maxrss - before.ru_maxrss < 20000); // KiB
    assert_int_equal(jb_read_maybe_gzip(in_dir("bomb.gz"), (40u << 20) - 1, &data, &n, &err), JB_E_RANGE);
}

static void damaged_gzip_is_refused(void **state)
{
    (void)state;
    unsigned char gz[4096], bad[4096];
    struct jb_err err;
    uint8_t *data;
    size_t n, used = add_member(gz, sizeof gz, 'q', 5000);
    for (size_t cut = 2; cut < used; cut++) { // at every length
        temp_dir_put(dir, "cut.gz", gz, cut);
        assert_int_equal(jb_read_maybe_gzip(in_dir("cut.gz"), 1 << 16, &data, &n, &err), JB_E_INVALID);
    }
    for (size_t i = 2; i < used; i++) { // one bit at every place: refused, or harmless header fields
        memcpy(bad, gz, used);
        bad[i] ^= 0x10;
        temp_dir_put(dir, "bad.gz", bad, used);
        if (jb_read_maybe_gzip(in_dir("bad.gz"), 1 << 16, &data, &n, &err) != JB_OK) continue;
        assert_int_equal(n, 5000);
        free(data);
    }
    memcpy(gz + used, "trailing", 8);
    temp_dir_put(dir, "trail.gz", gz, used + 8);
    assert_int_equal(jb_read_maybe_gzip(in_dir("trail.gz"), 1 << 16, &data, &n, &err), JB_E_INVALID);
}

static void expect_content(const char *path, const char *content)
{
    char *data;
    size_t n;
    assert_int_equal(jb_read_file(path, 1 << 20, &data, &n, NULL), JB_OK);
    assert_string_equal(data, content);
    free(data);
}

static void writes_are_atomic(void **state)
{
    (void)state;
    struct jb_err err;
    assert_int_equal(jb_write_file_atomic(in_dir("w"), "old", 3, &err), JB_OK);
    assert_int_equal(jb_write_file_atomic(in_dir("w"), "new!", 4, &err), JB_OK);
    expect_content(in_dir("w"), "new!");
    struct stat st;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(in_dir("w"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
    // A disk that is full half-way, by a limit on the size of files.
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 10;
    setrlimit(RLIMIT_FSIZE, &small);
    int entries = temp_dir_count(dir);
    int rc = jb_write_file_atomic(in_dir("w"), "0123456789abcdef", 16, &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(rc, JB_E_NO_SPACE);
    expect_content(in_dir("w"), "new!");
    assert_int_equal(temp_dir_count(dir), entries); // nothing is left lying about
}

static void write_refusals(void **state)
{
    (void)state;
    struct jb_err err;
    assert_int_equal(jb_write_file_atomic(in_dir("no/such/file"), "x", 1, &err), JB_E_NOT_FOUND);
    temp_dir_put(dir, "target/inside", "x", 1);
    assert_true(jb_write_file_atomic(in_dir("target"), "x", 1, &err) < 0);
    temp_dir_put(dir, "plainfile", "x", 1);
    assert_true(jb_write_file_atomic(in_dir("plainfile/x"), "x", 1, &err) < 0);
    assert_int_equal(jb_write_file_atomic("/proc/joulebench", "x", 1, &err) < 0, 1);
    char name[5000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_true(jb_write_file_atomic(name, "x", 1, &err) < 0);
}

static void devices_are_not_replaced(void **state)
{
    (void)state;
    struct jb_err err;
    struct stat st;
    assert_int_equal(jb_write_file_atomic("/dev/null", "x", 1, &err), JB_OK);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(jb_write_file_atomic("/dev/full", "x", 1, &err), JB_E_NO_SPACE);
}

static void dirs_are_made(void **state)
{
    (void)state;
    struct jb_err err;
    assert_int_equal(jb_make_dirs(in_dir("a/b//c/"), &err), JB_OK);
    assert_int_equal(jb_make_dirs(in_dir("a/b/c"), &err), JB_OK);
    assert_true(jb_path_exists(in_dir("a/b/c")));
    assert_false(jb_path_exists(in_dir("a/b/d")));
    temp_dir_put(dir, "f", "x", 1);
    assert_int_equal(jb_make_dirs(in_dir("f"), &err), JB_E_EXISTS);
    assert_true(jb_make_dirs(in_dir("f/g"), &err) < 0);
    assert_int_equal(jb_make_dirs("", &err), JB_E_INVALID);
    assert_int_equal(jb_make_dirs("/", &err), JB_OK);
    assert_true(jb_make_dirs("/proc/joulebench", &err) < 0);
}

static void paths(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(jb_path_join(out, sizeof out, "a", "b", NULL), JB_OK);
    assert_string_equal(out, "a/b");
    assert_int_equal(jb_path_join(out, sizeof out, "a/", "b/c", NULL), JB_OK);
    assert_string_equal(out, "a/b/c");
    assert_int_equal(jb_path_join(out, sizeof out, out, "d", NULL), JB_OK);
    assert_string_equal(out, "a/b/c/d");
    assert_int_equal(jb_path_join(out, sizeof out, "a", "/b", NULL), JB_OK);
    assert_string_equal(out, "/b");
    assert_int_equal(jb_path_join(out, sizeof out, "", "b", NULL), JB_OK);
    assert_string_equal(out, "b");
    assert_int_equal(jb_path_join(out, sizeof out, "1234567", "1234567", NULL), JB_OK);
    assert_int_equal(jb_path_join(out, sizeof out, "1234567", "12345678", NULL), JB_E_RANGE);
    static const char *const cases[][2] = {{"a/b", "a"}, {"/b", "/"}, {"b", "."}, {"", "."}, {"/", "/"}, {"a/b/", "a"}, {"a//b", "a"}, {"a/", "."}, {"//", "/"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(jb_path_dir(out, sizeof out, cases[i][0]), JB_OK);
        assert_string_equal(out, cases[i][1]);
    }
    assert_int_equal(jb_path_dir(out, 4, "abcd/x"), JB_E_RANGE);
}

static void mappings(void **state)
{
    (void)state;
    struct jb_err err;
    struct jb_map map = {.n_bytes = 77};
    temp_dir_put(dir, "m", "mapped", 6);
    assert_int_equal(jb_map_open(&map, in_dir("m"), &err), JB_OK);
    assert_int_equal(map.n_bytes, 6);
    assert_memory_equal(map.data, "mapped", 6);
    jb_map_close(&map);
    jb_map_close(&map);
    temp_dir_put(dir, "nothing", "", 0);
    assert_int_equal(jb_map_open(&map, in_dir("nothing"), &err), JB_OK);
    assert_int_equal(map.n_bytes, 0);
    assert_non_null(map.data);
    jb_map_close(&map);
    assert_int_equal(jb_map_open(&map, in_dir("absent"), &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_map_open(&map, dir, &err), JB_E_INVALID);
    mkfifo(in_dir("fifo"), 0600); // must neither be mapped nor waited for
    assert_int_equal(jb_map_open(&map, in_dir("fifo"), &err), JB_E_INVALID);
}

static void locks_exclude(void **state)
{
    (void)state;
    struct jb_err err;
    char expected[100];
    int fd = -1, other = -1;
    assert_int_equal(jb_dir_lock(dir, &fd, &err), JB_OK);
    assert_int_equal(jb_dir_lock(dir, &other, &err), JB_E_BUSY);
    snprintf(expected, sizeof expected, "%s: held by process %ld", dir, (long)getpid());
    assert_string_equal(err.detail, expected);
    assert_int_equal(other, -1);
    jb_dir_unlock(fd);
    assert_int_equal(jb_dir_lock(dir, &other, &err), JB_OK);
    jb_dir_unlock(other);
    jb_dir_unlock(-1);
    assert_int_equal(jb_dir_lock(in_dir("absent_dir"), &fd, &err), JB_E_NOT_FOUND);
}

// The lock of a process that was killed is gone with it.
static void locks_die_with_the_holder(void **state)
{
    (void)state;
    struct jb_err err;
    int fd = -1, ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int mine;
        char ok = jb_dir_lock(dir, &mine, NULL) == JB_OK;
        (void)!write(ready[1], &ok, 1);
        pause();
        _exit(0);
    }
    char ok = 0;
    assert_int_equal(read(ready[0], &ok, 1), 1);
    assert_int_equal(ok, 1);
    int held = jb_dir_lock(dir, &fd, &err);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(held, JB_E_BUSY);
    assert_int_equal(jb_dir_lock(dir, &fd, &err), JB_OK);
    jb_dir_unlock(fd);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_bounded), cmocka_unit_test(sizes_may_lie), cmocka_unit_test(pipes_are_read), cmocka_unit_test(gzip_and_plain),
        cmocka_unit_test(gzip_bombs_are_refused), cmocka_unit_test(damaged_gzip_is_refused), cmocka_unit_test(writes_are_atomic),
        cmocka_unit_test(write_refusals), cmocka_unit_test(devices_are_not_replaced), cmocka_unit_test(dirs_are_made), cmocka_unit_test(paths),
        cmocka_unit_test(mappings), cmocka_unit_test(locks_exclude), cmocka_unit_test(locks_die_with_the_holder),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
