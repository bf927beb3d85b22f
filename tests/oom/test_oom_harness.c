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
#include "harness/compare.h"
#include "harness/ctx.h"
#include "harness/plan_data.h"
#include "runtime/synth.h"
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

// A fuzzer's seed: a small run, one line a line, behind one byte.
static void journal_of(const char *path)
{
    char *text, last[JB_HASH_HEX], *sealed = NULL;
    size_t n;
    assert_int_equal(jb_read_file(path, 1 << 20, &text, &n, NULL), 0);
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
    oom_countdown(path, journal_to_result, NULL);
    free(sealed);
    free(text);
}

static void journals(void **state)
{
    (void)state;
    journal_of("tests/fuzz/corpus/journal/sealed");
    journal_of("tests/fuzz/corpus/journal/joules"); // with a meter: attempts, drift, failed windows, a sampler
    journal_of("tests/fuzz/corpus/journal/validity"); // checks that failed, CPU time of others, a cell that ended early
}

// Whole runs, kept in memory: from opening to result. A clock that jumps keeps blocks short.
struct whole { struct jb_run_opts r; struct jb_sweep_opts o; };

static int run_whole(void *user)
{
    struct whole *w = user;
    struct jb_fake_clock fake = { .step_ns = 200000 };
    struct jb_sweep_opts o = w->o;
    struct jb_result *r = NULL;
    struct jb_err err;
    o.clock = jb_clock_fake(&fake);
    int rc = jb_run_one(&w->r, &o, &r, &err);
    jb_result_close(r);
    return rc;
}

static void whole_runs(void **state)
{
    (void)state;
    struct jb_kernels kernels;
    struct jb_paths paths = { 0 };
    struct jb_workload_param n = { "n", "8" };
    struct jb_workload_opts work = { .paths = &paths, .params = &n, .n_params = 1 };
    double threshold = 0.2;
    char model[] = "/tmp/jb_oom_XXXXXX";
    struct jb_synth_opts synth;
    int fd = mkstemp(model);
    assert_true(fd >= 0);
    close(fd);
    jb_synth_defaults(&synth);
    synth.stages = 2;
    synth.width = 4;
    synth.size = 8;
    assert_int_equal(jb_synth_write(model, &synth, NULL), 0);
    jb_kernels_init(&kernels, 0);
    struct whole w = { .r = { .workload = "null", .workload_opts = &work, .split = JB_SPLIT_TEST, .seconds = 0.05 },
                       .o = { .paths = &paths, .kernels = &kernels, .power = { .source = "none" }, .version = "0", .git = "t", .compiler = "c" } };
    oom_countdown("a run without a model", run_whole, &w);
    struct jb_workload_param small[] = { { "n", "8" }, { "h", "8" }, { "w", "8" } };
    work = (struct jb_workload_opts){ .paths = &paths, .params = small, .n_params = 3 };
    w.r = (struct jb_run_opts){ .workload = "synthetic", .workload_opts = &work, .model_path = model, .precision = "int8", .policy = "maxprob", .thresholds = &threshold,
                                .n_thresholds = 1, .split = JB_SPLIT_TEST, .seconds = 0.05 };
    oom_countdown("a run with a model", run_whole, &w);
    unlink(model);
}

// A run with itself: opened, matched, every metric, front, words, and written in all forms.
static int compare_with_itself(void *user)
{
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    struct jb_str s = { 0 };
    struct jb_err err;
    jb_compare_opts_default(&o);
    o.resamples = 200;
    int rc = jb_compare_past(user, user, &o, &c, &err);
    if (!rc) rc = jb_comparison_terminal(c, 80, false, &s);
    if (!rc) rc = jb_comparison_markdown(c, &s);
    if (!rc) rc = jb_comparison_html(c, &s);
    if (!rc) rc = jb_comparison_junit(c, &s);
    char *json = rc ? NULL : jb_comparison_json(c);
    if (!rc && !json) rc = JB_E_NOMEM;
    free(json);
    jb_str_free(&s);
    jb_comparison_close(c);
    return rc;
}

static void comparisons(void **state)
{
    (void)state;
    struct jb_kernels kernels;
    struct jb_paths paths = { 0 };
    struct jb_plan *p = NULL;
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    char dir[] = "/tmp/jb_oom_run_XXXXXX", command[64];
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"o\", \"workloads\": [{\"name\": \"null\", \"params\": {\"ns\": 60000, \"n\": 20}}], \"precisions\": [\"f32\"],\n"
                               " \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 5, \"block_ms\": 1, \"idle_ms\": 0, \"max_seconds\": 20}";
    assert_non_null(mkdtemp(dir));
    jb_kernels_init(&kernels, 0);
    struct jb_sweep_opts o = { .dir = dir, .paths = &paths, .kernels = &kernels, .power = { .source = "none" }, .clock = jb_clock_monotonic(), .version = "0", .git = "t", .compiler = "c" };
    if (jb_plan_parse(&p, "p", plan, strlen(plan), &err) || jb_sweep_run(p, &o, &r, &err)) fail_msg("%s", err.detail);
    jb_result_close(r);
    jb_plan_close(p);
    oom_countdown("a comparison", compare_with_itself, dir);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(plans), cmocka_unit_test(requests), cmocka_unit_test(journals), cmocka_unit_test(whole_runs), cmocka_unit_test(comparisons) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
