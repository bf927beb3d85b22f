// The journal: every cut of the last line is healed, every other damage is refused; a full disk loses nothing.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "harness/store.h"
#include "tests/harness/bench.h"

static int count_line(void *user, uint64_t n, cJSON **line, struct jb_err *err)
{
    (void)err;
    assert_int_equal(n, *(uint64_t *)user);
    assert_int_equal(cJSON_GetObjectItem(*line, "i")->valueint, (int)n);
    ++*(uint64_t *)user;
    return 0;
}

static int append(struct jb_journal *j, int i, struct jb_err *err)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "i", i);
    cJSON_AddStringToObject(o, "text", "quotes \" and \n newlines");
    int rc = jb_journal_append(j, o, err);
    cJSON_Delete(o);
    return rc;
}

static struct jb_journal *open_at(const char *path, uint64_t *seen, struct jb_err *err)
{
    struct jb_journal *j = NULL;
    *seen = 0;
    return jb_journal_open(&j, path, count_line, seen, err) ? NULL : j;
}

static void write_lines(const char *path, int n)
{
    uint64_t seen;
    struct jb_journal *j = open_at(path, &seen, NULL);
    assert_non_null(j);
    for (int i = (int)seen; i < n; i++) assert_int_equal(append(j, i, NULL), 0);
    jb_journal_close(j);
}

static void comes_back(void **state)
{
    (void)state;
    struct bench b;
    uint64_t seen;
    bench_open(&b);
    const char *path = bench_path(&b, "j");
    write_lines(path, 3);
    write_lines(path, 5);
    struct jb_journal *j = open_at(path, &seen, NULL);
    assert_int_equal(seen, 5);
    assert_int_equal(jb_journal_lines(j), 5);
    jb_journal_close(j);
    seen = 0;
    assert_int_equal(jb_journal_load(path, count_line, &seen, NULL), 0);
    assert_int_equal(seen, 5);
    bench_close(&b);
}

static void heals_every_cut(void **state)
{
    (void)state;
    struct bench b;
    uint64_t seen;
    size_t n, whole = 0;
    bench_open(&b);
    char path[256];
    snprintf(path, sizeof path, "%s", bench_path(&b, "j"));
    write_lines(path, 4);
    char *text = bench_read(path, &n);
    for (size_t cut = 0; cut <= n; cut++) {
        if (cut && text[cut - 1] == '\n') whole++;
        bench_write(path, text, cut);
        struct jb_journal *j = open_at(path, &seen, NULL);
        assert_non_null(j);
        assert_int_equal(seen, whole);
        assert_int_equal(append(j, (int)seen, NULL), 0); // goes on behind what is whole
        jb_journal_close(j);
        seen = 0;
        assert_int_equal(jb_journal_load(path, count_line, &seen, NULL), 0);
        assert_int_equal(seen, whole + 1);
    }
    free(text);
    bench_close(&b);
}

static void refuses_every_flip(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err;
    size_t n;
    bench_open(&b);
    char path[256];
    snprintf(path, sizeof path, "%s", bench_path(&b, "j"));
    write_lines(path, 3);
    char *text = bench_read(path, &n);
    size_t last = n - 1;
    while (text[last - 1] != '\n') last--;
    for (size_t i = 0; i < n; i++) {
        uint64_t seen = 0;
        size_t good;
        uint64_t lines;
        char hex[JB_HASH_HEX];
        text[i] ^= 4;
        int rc = jb_journal_scan("j", text, n, count_line, &seen, &good, &lines, hex, &err);
        if (i + 1 < last) assert_int_equal(rc, JB_E_INVALID);
        else if (i + 1 == last) assert_true(rc == 0 && lines == 1); // without its newline the second line is part of a bad last one
        else assert_true(rc == 0 && lines == 2 && good == last);
        text[i] ^= 4;
    }
    // A line lost, repeated, or moved.
    char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
    uint64_t seen = 0, lines;
    size_t good;
    char hex[JB_HASH_HEX], *other = malloc(2 * n);
    size_t first_n = (size_t)(second - text), second_n = (size_t)(third - second), third_n = n - first_n - second_n;
    memcpy(other, text, first_n);
    memcpy(other + first_n, third, third_n);
    memcpy(other + first_n + third_n, second, second_n);
    assert_int_equal(jb_journal_scan("j", other, n, count_line, &seen, &good, &lines, hex, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "j:2:"));
    free(other);
    free(text);
    bench_close(&b);
}

static void survives_a_full_disk(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct rlimit old, small;
    uint64_t seen;
    size_t n;
    bench_open(&b);
    const char *path = bench_path(&b, "j");
    write_lines(path, 2);
    free(bench_read(path, &n));
    struct jb_journal *j = open_at(path, &seen, NULL);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = n + 20;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(append(j, 2, &err), JB_E_NO_SPACE);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_non_null(strstr(err.detail, path));
    size_t after;
    free(bench_read(path, &after));
    assert_int_equal(after, n); // nothing half
    assert_int_equal(append(j, 2, NULL), 0);
    jb_journal_close(j);
    seen = 0;
    assert_int_equal(jb_journal_load(path, count_line, &seen, NULL), 0);
    assert_int_equal(seen, 3);
    bench_close(&b);
}

static void store_keeps_bytes(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    bench_open(&b);
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct jb_store *s = NULL;
        struct jb_raw_place first, second;
        uint8_t *back = NULL;
        uint64_t seen = 0;
        assert_int_equal(jb_store_open(&s, on_disk ? b.out : NULL, false, count_line, &seen, &err), 0);
        assert_int_equal(jb_store_put(s, "00ff", JB_RAW_BLOCKS, 0, (const uint8_t *)"hello", 5, &first, &err), 0);
        assert_int_equal(jb_store_put(s, "00ff", JB_RAW_BLOCKS, 5, (const uint8_t *)"garbage", 7, &second, &err), 0);
        assert_int_equal(jb_store_put(s, "00ff", JB_RAW_BLOCKS, 5, (const uint8_t *)"abc", 3, &second, &err), 0); // never journaled: overwritten
        assert_int_equal(jb_store_get(s, "00ff", JB_RAW_BLOCKS, &second, &back, &err), 0);
        assert_memory_equal(back, "abc", 3);
        free(back);
        second.offset = 4;
        assert_int_equal(jb_store_get(s, "00ff", JB_RAW_BLOCKS, &second, &back, &err), JB_E_INVALID);
        second.offset = 900;
        assert_int_not_equal(jb_store_get(s, "00ff", JB_RAW_BLOCKS, &second, &back, &err), 0);
        assert_int_not_equal(jb_store_get(s, "0a", JB_RAW_BLOCKS, &first, &back, &err), 0);
        if (on_disk) assert_int_equal(jb_store_put(s, "../x", JB_RAW_BLOCKS, 0, (const uint8_t *)"x", 1, &first, &err), JB_E_INVALID);
        if (on_disk) {
            struct jb_store *other = NULL;
            assert_int_equal(jb_store_open(&other, b.out, true, count_line, &seen, &err), JB_E_BUSY);
        }
        jb_store_close(s);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(comes_back), cmocka_unit_test(heals_every_cut), cmocka_unit_test(refuses_every_flip),
                                        cmocka_unit_test(survives_a_full_disk), cmocka_unit_test(store_keeps_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
