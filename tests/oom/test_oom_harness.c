// harness, with every allocation failing in turn: plans, journal, block requests, results from a record.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "harness/ctx.h"
#include "harness/plan_data.h"
#include "tests/oom/countdown.h"

static char *plan_text, *journal_text;
static size_t journal_bytes;

static int read_plan(void *user)
{
    (void)user;
    struct jb_plan *p = NULL;
    struct jb_err err;
    int rc = jb_plan_parse(&p, "p", plan_text, strlen(plan_text), &err);
    jb_plan_close(p);
    return rc;
}

static int set_in_plan(void *user)
{
    struct jb_plan *p = NULL;
    struct jb_err err;
    struct jb_plan_set set = { "seed", "7" };
    int rc = jb_plan_read(&p, user, &set, 1, &err);
    jb_plan_close(p);
    return rc;
}

static int request_json(void *user)
{
    (void)user;
    static struct jb_block_request r = { .workload = "null", .precision = "none", .batch = 1, .threads = 1, .streams = 1, .n_workload_params = 1, .workload_params = { { "n", "3" } } };
    struct jb_block_request back;
    struct jb_err err;
    char *text = jb_request_to_json(&r);
    if (!text) return JB_E_NOMEM;
    int rc = jb_request_from_json(&back, "r", text, strlen(text), &err);
    free(text);
    return rc;
}

// The record of a journal, and the result that is built from it (its raw bytes are not there, so its cells fail: also a path).
static int journal_to_result(void *user)
{
    (void)user;
    struct jb_record rec = { 0 };
    struct jb_store *store = NULL;
    struct jb_result *r = NULL;
    struct jb_err err;
    size_t good;
    uint64_t lines;
    char last[JB_HASH_HEX];
    int rc = jb_journal_scan("j", journal_text, journal_bytes, jb_record_apply, &rec, &good, &lines, last, &err);
    if (!rc) rc = jb_store_open(&store, NULL, false, NULL, NULL, &err);
    if (!rc) rc = jb_build_result(&rec, store, &r, &err);
    jb_result_close(r);
    jb_store_close(store);
    jb_record_free(&rec);
    return rc;
}

static void plans(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(jb_read_file("plans/smoke.json", 1 << 20, &plan_text, &n, NULL), 0);
    oom_countdown("reading a plan", read_plan, NULL);
    oom_countdown("reading a plan with --set", set_in_plan, "plans/smoke.json");
    free(plan_text);
}

static void requests(void **state)
{
    (void)state;
    oom_countdown("block request", request_json, NULL);
}

static void seal_line(FILE *f, const char *body, size_t n_body, uint64_t n, char last[JB_HASH_HEX])
{
    char *text = malloc(n_body + 100);
    int head = sprintf(text, "%s %llu ", last, (unsigned long long)n);
    memcpy(text + head, body, n_body);
    jb_hash_bytes(text, (size_t)head + n_body, last);
    free(text);
    fprintf(f, "{\"n\":%llu,\"sha256\":\"%s\",\"line\":%.*s}\n", (unsigned long long)n, last, (int)n_body, body);
}

static void journals(void **state)
{
    (void)state;
    // The fuzzer's seed: a small run, one line a line, behind one byte.
    char *text, last[JB_HASH_HEX], *sealed = NULL;
    size_t n;
    assert_int_equal(jb_read_file("tests/fuzz/corpus/journal/sealed", 1 << 20, &text, &n, NULL), 0);
    FILE *f = open_memstream(&sealed, &journal_bytes);
    memset(last, '0', JB_HASH_HEX - 1);
    last[JB_HASH_HEX - 1] = 0;
    uint64_t i = 0;
    for (char *at = text + 1, *stop; at < text + n; at = stop + 1, i++) {
        stop = memchr(at, '\n', (size_t)(text + n - at));
        if (!stop) stop = text + n;
        seal_line(f, at, (size_t)(stop - at), i, last);
    }
    fclose(f);
    journal_text = sealed;
    oom_countdown("journal to result", journal_to_result, NULL);
    free(sealed);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(plans), cmocka_unit_test(requests), cmocka_unit_test(journals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
