// Sweeps from end to end on a small made-up model: results, resume, damage, stops, failures. // jb:threads
#include <math.h>
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

#include "base/fs.h"
#include "harness/rawfile.h"
#include "harness/record.h"
#include "tests/harness/bench.h"

static void must(int rc, const struct jb_err *err)
{
    if (rc) fail_msg("%d: %s", rc, err->detail);
}

static void gives_a_whole_result(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL, *loaded = NULL;
    bench_open(&b);
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    assert_true(r->complete);
    // int8: final, fixed 0 and 1 (9 is beyond the model), maxprob given and calibrated; escalating: maxprob twice
    assert_int_equal(r->n_cells, 7);
    const struct jb_result_cell *full = bench_cell(r, "tiny int8 final"), *k0 = bench_cell(r, "tiny int8 fixed k=0"), *cal = bench_cell(r, "tiny int8 maxprob loss<=1%");
    assert_int_equal(full->status, JB_CELL_VALID);
    assert_string_equal(full->role, "fixed");
    assert_string_equal(cal->role, "adaptive");
    assert_string_equal(cal->threshold_source, "calibrated");
    assert_int_equal(strlen(cal->calibration_id), 64);
    assert_null(full->threshold_source);
    assert_int_equal(full->accuracy.n, 120);
    assert_int_equal(full->n_blocks, 3);
    assert_true(full->n_queries > 0 && full->latency_mean_ns > 0 && full->throughput_per_s > 0);
    assert_true(k0->macs_mean < full->macs_mean);
    assert_int_equal(full->exit_histogram[3], 120);
    assert_int_equal(k0->exit_histogram[0], 120);
    assert_true(isnan(full->accuracy_loss) || full->accuracy_loss == 0);
    assert_int_equal(full->energy.cls, JB_ENERGY_NONE);
    assert_true(isnan(full->energy.gross_uj) && full->energy.reason && full->energy.reason[0]);
    assert_true(full->n_modelled == 1 && full->modelled[0].relative > 0 && isnan(full->modelled[0].uj));
    assert_true(r->n_oracles == 4 && r->n_hull > 0 && r->n_sentences > 0);
    assert_string_equal(r->sentences[0].kind, "validity");
    assert_string_equal(r->sentences[1].kind, "answer");
    must(jb_sweep_load(b.out, &loaded, &err), &err);
    assert_int_equal(loaded->n_cells, r->n_cells);
    for (size_t i = 0; i < r->n_cells; i++) {
        assert_string_equal(loaded->cells[i].id, r->cells[i].id);
        assert_true(loaded->cells[i].latency_mean_ns == r->cells[i].latency_mean_ns);
        assert_true(loaded->cells[i].latency_mean_ci.lower == r->cells[i].latency_mean_ci.lower || isnan(r->cells[i].latency_mean_ci.lower));
    }
    for (size_t i = 0; i < r->n_hull; i++) assert_true(loaded->hull[i].lower == r->hull[i].lower || isnan(r->hull[i].lower));
    jb_result_close(loaded);
    jb_result_close(r);
    bench_close(&b);
}

static size_t blocks_in(const struct bench *b)
{
    char path[256];
    snprintf(path, sizeof path, "%s/journal.jsonl", b->out);
    char *text = bench_read(path, NULL);
    size_t n = bench_count(text, "\"kind\":\"block\"");
    free(text);
    return n;
}

static void measures_nothing_twice(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    jb_result_close(r);
    assert_int_equal(blocks_in(&b), 21);
    assert_int_equal(bench_sweep(&b, bench_plan, &r, &err), JB_E_EXISTS);
    assert_null(r);
    b.o.resume = true;
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    assert_int_equal(blocks_in(&b), 21);
    assert_int_equal(r->n_cells, 7);
    jb_result_close(r);
    // A changed plan keeps cells whose id stands: one more policy, one more repetition.
    char *more = strdup(bench_plan), *at = strstr(more, "\"repetitions\": 3");
    at[15] = '4';
    must(bench_sweep(&b, more, &r, &err), &err);
    free(more);
    assert_int_equal(blocks_in(&b), 28);
    jb_result_close(r);
    b.o.only = "*maxprob 0.3*";
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    assert_int_equal(r->n_cells, 2);
    assert_int_equal(blocks_in(&b), 28);
    jb_result_close(r);
    b.o.only = "nothing";
    assert_int_equal(bench_sweep(&b, bench_plan, &r, &err), JB_E_NOT_FOUND);
    b.o.only = NULL;
    b.o.git = "another"; // another build: other ids, everything anew
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    assert_int_equal(blocks_in(&b), 49);
    jb_result_close(r);
    bench_close(&b);
}

// A journal cut anywhere goes on; what was whole is not measured again.
static void resumes_from_any_cut(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    size_t n;
    bench_open(&b);
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    jb_result_close(r);
    char path[256];
    snprintf(path, sizeof path, "%s/journal.jsonl", b.out);
    char *text = bench_read(path, &n);
    b.o.resume = true;
    char keep[400], restore[500];
    snprintf(keep, sizeof keep, "cp -r '%s/raw' '%s/keep'", b.out, b.dir);
    snprintf(restore, sizeof restore, "rm -rf '%s/raw' && cp -r '%s/keep' '%s/raw'", b.out, b.dir, b.out);
    assert_int_equal(system(keep), 0);
    for (int i = 1; i <= 6; i++) {
        size_t cut = n * (size_t)i / 7;
        bench_write(path, text, cut);
        assert_int_equal(system(restore), 0);
        struct jb_result *partial = NULL;
        must(jb_sweep_load(b.out, &partial, &err), &err); // a report can be made at any time
        assert_false(partial->complete);
        jb_result_close(partial);
        must(bench_sweep(&b, bench_plan, &r, &err), &err);
        assert_true(r->complete);
        assert_int_equal(r->n_cells, 7);
        for (size_t k = 0; k < r->n_cells; k++) assert_int_equal(r->cells[k].n_blocks, 3);
        assert_int_equal(blocks_in(&b), 21);
        jb_result_close(r);
    }
    free(text);
    bench_close(&b);
}

static void damaged_raw_bytes(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    size_t n;
    bench_open(&b);
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    char path[300];
    snprintf(path, sizeof path, "%s/raw/%s.blocks", b.out, bench_cell(r, "tiny int8 final")->id);
    jb_result_close(r);
    char *bytes = bench_read(path, &n);
    bytes[60] ^= 1;
    bench_write(path, bytes, n);
    must(jb_sweep_load(b.out, &r, &err), &err);
    const struct jb_result_cell *c = bench_cell(r, "tiny int8 final");
    assert_int_equal(c->status, JB_CELL_FAILED);
    assert_non_null(strstr(c->reason, "do not match their hash"));
    jb_result_close(r);
    b.o.resume = true; // measured again, and only that block
    must(bench_sweep(&b, bench_plan, &r, &err), &err);
    assert_int_equal(bench_cell(r, "tiny int8 final")->status, JB_CELL_VALID);
    assert_int_equal(blocks_in(&b), 22);
    jb_result_close(r);
    free(bytes);
    bench_close(&b);
}

struct stopper { struct bench *b; int after; };

static void stop_before_blocks(void *user, const struct jb_progress *p)
{
    struct bench *b = user;
    if (!strcmp(p->phase, "measure")) b->stop = 1;
}

static void count_down(void *user, const struct jb_progress *p)
{
    struct stopper *s = user;
    (void)p;
    if (s->after-- == 0) s->b->stop = 1;
}

// A stop at every point that reports progress: what was measured stays, the rest follows on resume.
static void stops_anywhere(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    b.o.resume = true;
    b.o.progress = count_down;
    int interrupted = 0;
    for (int after = 0; after < 300; after += 3) {
        struct stopper s = { &b, after };
        b.o.progress_user = &s;
        b.stop = 0;
        int rc = bench_sweep(&b, bench_plan, &r, &err);
        if (!rc) break;
        assert_int_equal(rc, JB_E_INTERRUPTED);
        assert_non_null(r);
        assert_false(r->complete);
        jb_result_close(r);
        interrupted++;
    }
    assert_true(interrupted > 3 && r && r->complete);
    assert_int_equal(r->n_cells, 7);
    assert_int_equal(blocks_in(&b), 21);
    jb_result_close(r);
    bench_close(&b);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    struct rlimit old, small;
    bench_open(&b);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    b.o.resume = true;
    for (rlim_t limit = 2000; limit < 200000; limit += 6000) {
        small = old;
        small.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &small);
        int rc = bench_sweep(&b, bench_plan, &r, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        if (!rc) break;
        assert_int_equal(rc, JB_E_NO_SPACE);
        assert_null(r);
    }
    assert_non_null(r);
    assert_int_equal(r->n_cells, 7);
    assert_int_equal(blocks_in(&b), 21);
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status != JB_CELL_VALID) fail_msg("%s: %s", r->cells[i].label, r->cells[i].reason);
    jb_result_close(r);
    bench_close(&b);
}

static void failing_cells_are_rows(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    bench_write(bench_path(&b, "broken.gguf"), "GGUFnonsense", 12);
    static const char plan[] =
        "{\"schema\": \"joulebench.plan/1\", \"name\": \"f\", \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 50}},\n"
        " {\"name\": \"null\", \"params\": {\"ns\": 5000, \"n\": 10}}, {\"name\": \"gone\", \"preset\": \"classify\", \"params\": {\"test_images\": \"nowhere\"}}],\n"
        " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\", \"workload\": \"synthetic\"}, {\"name\": \"none\", \"file\": \"none.gguf\", \"workload\": \"synthetic\"},\n"
        " {\"name\": \"broken\", \"file\": \"broken.gguf\", \"workload\": \"synthetic\"}, {\"name\": \"lost\", \"file\": \"tiny.gguf\", \"workload\": \"gone\"}],\n"
        " \"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}, {\"name\": \"maxprob\", \"threshold\": [[0.1, 0.2]]}], \"threads\": [1, 2], \"streams\": [1, 2],\n"
        " \"scenarios\": [\"single-stream\", \"offline\"], \"offline_batch\": 3, \"percentiles\": [0.5], \"repetitions\": 2, \"block_ms\": 2, \"idle_ms\": 0, \"max_seconds\": 60, " BENCH_ANY_MACHINE "}";
    must(bench_sweep(&b, plan, &r, &err), &err);
    assert_true(r->complete);
    const struct jb_result_cell *c = bench_cell(r, "synthetic/none int8 final");
    assert_int_equal(c->status, JB_CELL_FAILED);
    assert_non_null(strstr(c->reason, "none.gguf"));
    assert_int_equal(bench_cell(r, "synthetic/broken int8 final")->status, JB_CELL_FAILED);
    assert_int_equal(bench_cell(r, "gone/lost int8 final")->status, JB_CELL_FAILED);
    c = bench_cell(r, "synthetic/tiny int8 final 2 threads");
    assert_int_equal(c->status, JB_CELL_UNAVAILABLE);
    assert_true(isnan(c->latency_mean_ns));
    c = bench_cell(r, "synthetic/tiny int8 maxprob 0.1/0.2"); // four exits want three
    assert_int_equal(c->status, JB_CELL_FAILED);
    assert_non_null(strstr(c->reason, "3"));
    c = bench_cell(r, "synthetic/tiny int8 final offline x3 2 streams");
    assert_int_equal(c->status, JB_CELL_VALID);
    assert_int_equal(c->streams, 2);
    c = bench_cell(r, "null");
    assert_int_equal(c->status, JB_CELL_VALID);
    assert_true(c->latency_mean_ns >= 5000 && isnan(c->macs_mean));
    jb_result_close(r);
    bench_close(&b);
}

static void too_few_queries_and_a_coarse_clock(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"f\", \"workloads\": [{\"name\": \"null\", \"params\": {\"ns\": 3000000, \"n\": 10}},\n"
                               " {\"name\": \"fast\", \"preset\": \"null\"}], \"precisions\": [\"f32\"], \"policies\": [{\"name\": \"final\"}],\n"
                               " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.99], \"repetitions\": 2, \"block_ms\": 1, \"idle_ms\": 0, \"max_seconds\": 60, " BENCH_ANY_MACHINE "}";
    must(bench_sweep(&b, plan, &r, &err), &err);
    const struct jb_result_cell *slow = bench_cell(r, "null"), *fast = bench_cell(r, "fast");
    assert_int_equal(slow->status, JB_CELL_INVALID);
    assert_non_null(strstr(slow->reason, "662"));
    assert_int_equal(fast->status, JB_CELL_INVALID);
    assert_non_null(strstr(fast->reason, "clock"));
    // Asked for or not, p50, p90 and p99 stand there; those that cannot be supported have a reason.
    assert_int_equal(slow->n_percentiles, 3);
    assert_true(isnan(slow->percentiles[2].ns) && slow->percentiles[2].reason);
    assert_true(isfinite(fast->percentiles[2].ns) && !fast->percentiles[2].reason);
    jb_result_close(r);
    bench_close(&b);
}

// Answers that differ between the passes: the journal's samples are changed, with a hash that fits, as a stand-in for a network that is not itself.
static void a_difference_is_invalid(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"d\", \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 50}}],\n"
                               " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}], \"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}],\n"
                               " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 2, \"block_ms\": 2, \"max_seconds\": 60, " BENCH_ANY_MACHINE "}";
    b.o.progress = stop_before_blocks;
    b.o.progress_user = &b;
    assert_int_equal(bench_sweep(&b, plan, &r, &err), JB_E_INTERRUPTED); // the accuracy pass is done, no block yet
    jb_result_close(r);
    struct jb_record rec = { 0 };
    struct jb_store *store = NULL;
    struct jb_raw_samples raw;
    uint8_t *bytes;
    must(jb_store_open(&store, b.out, true, jb_record_apply, &rec, &err), &err);
    assert_int_equal(rec.n_cells, 1);
    assert_int_equal(rec.cells[0]->n_blocks, 0);
    struct jb_facts f = rec.cells[0]->facts;
    must(jb_store_get(store, f.id, JB_RAW_SAMPLES, &f.samples, &bytes, &err), &err);
    must(jb_raw_samples_decode(&raw, bytes, f.samples.n_bytes, &err), &err);
    free(bytes);
    for (uint32_t i = 0; i < raw.n; i++) raw.prediction[i] = (raw.prediction[i] + 1) % 10;
    size_t n;
    assert_int_equal(jb_raw_samples_encode(&raw, &bytes, &n), 0);
    must(jb_store_put(store, f.id, JB_RAW_SAMPLES, 0, bytes, n, &f.samples, &err), &err);
    must(jb_record_write(&rec, store, jb_facts_to_line(&f), &err), &err);
    free(bytes);
    jb_raw_samples_free(&raw);
    jb_store_close(store);
    jb_record_free(&rec);
    b.o.resume = true;
    b.o.progress = NULL;
    b.stop = 0;
    must(bench_sweep(&b, plan, &r, &err), &err);
    assert_int_equal(r->cells[0].status, JB_CELL_INVALID);
    assert_non_null(strstr(r->cells[0].reason, "differs from the accuracy pass"));
    assert_int_equal(r->cells[0].n_blocks, 1); // nothing more is measured of it
    jb_result_close(r);
    bench_close(&b);
}

static void one_setting(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    bench_open(&b);
    b.o.dir = NULL;
    char model[300], dump[300];
    snprintf(model, sizeof model, "%s", bench_path(&b, "tiny.gguf"));
    snprintf(dump, sizeof dump, "%s", bench_path(&b, "dump.csv"));
    struct jb_workload_param params[] = { { "n", "60" } };
    struct jb_workload_opts w = { .paths = &b.paths, .params = params, .n_params = 1 };
    double threshold = 0.2;
    struct jb_run_opts o = { .workload = "synthetic", .workload_opts = &w, .model_path = model, .precision = "f32", .policy = "maxprob", .thresholds = &threshold,
                             .n_thresholds = 1, .split = JB_SPLIT_TEST, .max_samples = 40, .dump_path = dump };
    must(jb_run_one(&o, &b.o, &r, &err), &err);
    assert_int_equal(r->n_cells, 1);
    assert_int_equal(r->cells[0].status, JB_CELL_VALID);
    assert_int_equal(r->cells[0].accuracy.n, 40);
    assert_true(isnan(r->cells[0].latency_mean_ns));
    jb_result_close(r);
    char *text = bench_read(dump, NULL);
    assert_memory_equal(text, "index,label,prediction,exit,confidence_0,confidence_1,confidence_2,confidence_3\n", 76);
    assert_int_equal(bench_count(text, "\n"), 41);
    free(text);
    o.seconds = 0.1;
    o.dump_path = NULL;
    must(jb_run_one(&o, &b.o, &r, &err), &err);
    assert_true(r->cells[0].latency_mean_ns > 0);
    jb_result_close(r);
    o.policy = "fixed";
    assert_int_not_equal(jb_run_one(&o, &b.o, &r, &err), 0);
    assert_null(r);
    o.model_path = "nowhere.gguf";
    assert_int_equal(jb_run_one(&o, &b.o, &r, &err), JB_E_NOT_FOUND);
    bench_close(&b);
}

static void calibrates(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_thresholds t;
    bench_open(&b);
    char model[300], path[300];
    snprintf(model, sizeof model, "%s", bench_path(&b, "tiny.gguf"));
    snprintf(path, sizeof path, "%s", bench_path(&b, "thresholds.json"));
    struct jb_workload_param params[] = { { "n", "120" } };
    struct jb_workload_opts w = { .paths = &b.paths, .params = params, .n_params = 1 };
    struct jb_calibrate_opts o = { .workload = "synthetic", .workload_opts = &w, .model_path = model, .precisions = (const char *[]){ "int8", "escalate:int4>int8" },
                                   .n_precisions = 2, .policies = (const char *[]){ "maxprob", "patience" }, .n_policies = 2, .target_losses = (double[]){ 0.01, 0.05 }, .n_target_losses = 2 };
    must(jb_calibrate_run(&o, &b.o, &t, &err), &err);
    assert_int_equal(t.n_entries, 8);
    must(jb_thresholds_write(&t, path, &err), &err);
    // A plan that names the file gets the same thresholds as one that calibrates by itself.
    struct jb_result *own = NULL, *given = NULL;
    must(bench_sweep(&b, bench_plan, &own, &err), &err);
    char plan[2000];
    snprintf(plan, sizeof plan, "%.*s, \"calibration\": \"thresholds.json\"}", (int)(strrchr(bench_plan, '}') - bench_plan), bench_plan);
    snprintf(b.out, sizeof b.out, "%s/second", b.dir);
    must(bench_sweep(&b, plan, &given, &err), &err);
    const struct jb_result_cell *x = bench_cell(own, "tiny int8 maxprob loss<=1%"), *y = bench_cell(given, "tiny int8 maxprob loss<=1%");
    assert_true(x->threshold == y->threshold);
    assert_string_equal(x->key, y->key);
    assert_string_equal(y->calibration_id, t.id);
    jb_result_close(own);
    jb_result_close(given);
    jb_thresholds_close(&t);
    bench_close(&b);
}

static void dry_run(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_plan *p = NULL;
    struct jb_dry_run d;
    bench_open(&b);
    must(jb_plan_parse(&p, "p", bench_plan, strlen(bench_plan), &err), &err);
    must(jb_sweep_dry_run(p, &b.o, &d, &err), &err);
    assert_int_equal(d.n_cells, 7);
    assert_true(d.seconds > 0 && d.bytes > 0);
    assert_int_equal(bench_count(jb_str_get(&d.cells), "\n"), 7);
    assert_false(jb_path_exists(b.out));
    jb_str_free(&d.cells);
    jb_plan_close(p);
    bench_close(&b);
}

#if defined(__SANITIZE_THREAD__)
#define ONLY_THREADS 1 // a thread sanitizer makes a sweep ten times as slow: those that have threads of their own
#else
#define ONLY_THREADS 0
#endif

int main(void)
{
    const struct CMUnitTest threaded[] = { cmocka_unit_test(gives_a_whole_result), cmocka_unit_test(failing_cells_are_rows), cmocka_unit_test(calibrates) };
    if (ONLY_THREADS) return cmocka_run_group_tests_name("sweep, threads", threaded, NULL, NULL);
    const struct CMUnitTest tests[] = { cmocka_unit_test(gives_a_whole_result), cmocka_unit_test(measures_nothing_twice), cmocka_unit_test(resumes_from_any_cut),
                                        cmocka_unit_test(damaged_raw_bytes), cmocka_unit_test(stops_anywhere), cmocka_unit_test(a_full_disk_loses_nothing),
                                        cmocka_unit_test(failing_cells_are_rows), cmocka_unit_test(too_few_queries_and_a_coarse_clock),
                                        cmocka_unit_test(a_difference_is_invalid), cmocka_unit_test(one_setting), cmocka_unit_test(calibrates), cmocka_unit_test(dry_run) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
