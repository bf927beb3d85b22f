// Text workloads from end to end: a tiny made-up language model with two exits, three workloads, exact and frozen fills. // jb:threads
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "harness/host.h"
#include "runtime/synth.h"
#include "tests/harness/bench.h"
#include "workloads/text/queries.h"
#include "workloads/text/score_tokens.h"

static void must(int rc, const struct jb_err *err)
{
    if (rc) fail_msg("%d: %s", rc, err->detail);
}

static const char plan[] =
    "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"seed\": 5,\n"
    " \"workloads\": [{\"name\": \"prose\", \"params\": {\"bytes\": 64}}, {\"name\": \"cloze\"}, {\"name\": \"decode\", \"params\": {\"n\": 6}}],\n"
    " \"models\": [{\"name\": \"p\", \"file\": \"lm.gguf\", \"exits\": \"exits.gguf\", \"workload\": \"prose\"}, {\"name\": \"c\", \"file\": \"lm.gguf\", \"exits\": \"exits.gguf\", \"workload\": \"cloze\"},\n"
    "  {\"name\": \"d\", \"file\": \"lm.gguf\", \"exits\": \"exits.gguf\", \"workload\": \"decode\"}],\n"
    " \"precisions\": [\"stored\"], \"kv\": [\"f16\"],\n"
    " \"policies\": [{\"name\": \"final\", \"kv\": [\"f16\", \"int8\"]}, {\"name\": \"gate\", \"threshold\": [0.5], \"fill\": [\"exact\", \"frozen\"]}, {\"name\": \"fixed\", \"k\": [0]},\n"
    "  {\"name\": \"maxprob\", \"threshold\": [0.02], \"models\": [\"p\"]}, {\"name\": \"gate\", \"target_loss\": [0.2], \"models\": [\"p\"]}],\n"
    " \"scenarios\": [\"single-stream\", \"offline\"], \"threads\": [1, 2], \"percentiles\": [0.5], \"repetitions\": 3, \"block_ms\": 1, \"idle_ms\": 0, \"lead_in_ms\": 0.1, \"max_seconds\": 300,\n"
    " \"accuracy_samples\": 3, " BENCH_ANY_MACHINE "}\n";

static void write_texts(const struct bench *b)
{
    static const char line[] = "{\"id\": \"a\", \"source\": \"s\", \"text\": \"It was the best of times, it was the worst of times; it was the age of wisdom, it was the age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light.\"}\n";
    static const char cloze[] = "{\"id\": \"a\", \"context\": \"the cat sat on the mat and the dog sat on the\", \"target\": \"mat\"}\n{\"id\": \"b\", \"context\": \"one two three one two\", \"target\": \"three\"}\n";
    static const char prompts[] = "{\"id\": \"a\", \"system\": \"\", \"user\": \"Say it.\", \"n\": 9}\n{\"id\": \"b\", \"user\": \"Say that.\", \"n\": 9}\n";
    static const char *const splits[] = { "fit", "calibration", "test" };
    must(jb_make_dirs(bench_path(b, "llm"), NULL), NULL);
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "llm/%s.jsonl.gz", splits[i]);
        bench_write(bench_path(b, name), line, sizeof line - 1); // plain files serve as well
    }
    bench_write(bench_path(b, "llm/cloze.jsonl.gz"), cloze, sizeof cloze - 1);
    bench_write(bench_path(b, "llm/prompts.jsonl"), prompts, sizeof prompts - 1);
}

static void text_open(struct bench *b)
{
    struct jb_synth_opts s;
    struct jb_err err = { 0 };
    bench_open(b);
    jb_synth_defaults(&s);
    s.kind = "llama";
    s.width = 64;
    s.vocab = 320;
    s.heads = 4;
    s.kv_heads = 2;
    s.type = "q8_0";
    s.layers = 3;
    s.context = 256;
    must(jb_synth_write(bench_path(b, "lm.gguf"), &s, &err), &err);
    must(jb_synth_write_exits(bench_path(b, "exits.gguf"), bench_path(b, "lm.gguf"), (const uint32_t[]){ 1, 2 }, 2, 1, &err), &err);
    write_texts(b);
}

static const struct jb_result_quality *quality(const struct jb_result_cell *c, const char *name)
{
    for (size_t i = 0; i < c->n_quality; i++)
        if (!strcmp(c->quality[i].name, name)) return &c->quality[i];
    fail_msg("%s has no %s", c->label, name);
    return NULL;
}

static void gives_a_whole_result(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    text_open(&b);
    must(bench_sweep(&b, plan, &r, &err), &err);
    assert_true(r->complete);
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status != JB_CELL_VALID) fail_msg("%s: %s", r->cells[i].label, r->cells[i].reason);
    // final twice, gate twice, fixed, for three models; for p maxprob and the calibrated gate besides; all on one and on two threads. Offline there is none.
    assert_int_equal(r->n_cells, 2 * (3 * 5 + 2));
    const struct jb_result_cell *full = bench_cell(r, "prose/p int8 final"), *gate = bench_cell(r, "prose/p int8 gate 0.5"), *frozen = bench_cell(r, "prose/p int8 gate 0.5 frozen");
    const struct jb_result_cell *k0 = bench_cell(r, "prose/p int8 fixed k=0"), *two = bench_cell(r, "prose/p int8 gate 0.5 2 threads"), *cal = bench_cell(r, "prose/p int8 gate loss<=20%");
    assert_string_equal(full->unit, "token");
    assert_string_equal(full->language.kv, "f16");
    assert_string_equal(frozen->language.fill, "frozen");
    assert_string_equal(full->energy.per, "committed_token");
    assert_true(full->language.ppl.value > 1 && full->language.committed >= 3 && full->language.prompt >= 3 && full->language.ttft.mean > 0 && full->language.tpot.mean > 0);
    assert_true(full->language.ttft.mean > full->language.tpot.mean); // a prompt is longer than a token
    assert_true(full->language.deferred_macs == 0);
    assert_true(quality(full, "agreement")->value == 1 && full->accuracy_loss == 0);
    assert_true(k0->exit_histogram[0] == full->accuracy.n && k0->macs_mean < full->macs_mean && quality(k0, "agreement")->value < 1);
    // Two threads find what one finds.
    assert_true(two->accuracy.value == gate->accuracy.value && two->language.ppl.value == gate->language.ppl.value && two->macs_mean == gate->macs_mean);
    assert_true(gate->exit_histogram[0] + gate->exit_histogram[1] > 0 && gate->language.deferred_macs > 0); // somebody left early, and somebody went deep behind
    assert_true(gate->macs_mean > gate->language.deferred_macs);
    assert_string_equal(cal->threshold_source, "calibrated");
    const struct jb_result_cell *c = bench_cell(r, "cloze/c int8 final"), *d = bench_cell(r, "decode/d int8 final"), *d0 = bench_cell(r, "decode/d int8 fixed k=0");
    assert_int_equal(quality(c, "exact-match")->n, 2);
    assert_true(quality(d, "matching")->value == 1 && quality(d, "first-divergence")->value > 0 && isnan(d->language.ppl.value));
    assert_true(quality(d0, "matching")->value <= 1 && d0->accuracy.value == quality(d0, "matching")->value);
    assert_true(r->n_oracles > 0);
    jb_result_close(r);
    bench_close(&b);
}

// How often a block's cell is another one than the block's before.
static size_t changes(const struct bench *b)
{
    char path[256], last[JB_ID_HEX] = "";
    size_t n = 0;
    snprintf(path, sizeof path, "%s/journal.jsonl", b->out);
    char *text = bench_read(path, NULL);
    for (const char *at = text; (at = strstr(at, "\"kind\":\"block\",\"cell\":\"")); at++) {
        const char *id = at + strlen("\"kind\":\"block\",\"cell\":\"");
        n += strncmp(last, id, JB_ID_HEX - 1) != 0;
        snprintf(last, sizeof last, "%.*s", JB_ID_HEX - 1, id);
    }
    free(text);
    return n;
}

static bool notes_groups(const struct jb_result *r)
{
    for (size_t i = 0; i < r->n_notes; i++)
        if (!strcmp(r->notes[i].name, "interleaving")) return strstr(r->notes[i].value, "groups, one after another") != NULL;
    return false;
}

// Cells are compared with each other, so their blocks stand side by side in time; where memory forbids it, the report says so.
static void cells_are_interleaved(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    char small[sizeof plan + 64];
    text_open(&b);
    b.o.only = "decode/*";
    must(bench_sweep(&b, plan, &r, &err), &err);
    assert_int_equal(r->n_cells, 10);
    assert_true(changes(&b) > 2 * r->n_cells && !notes_groups(r)); // three rounds of ten cells: at most two neighbours of two rounds are the same cell
    jb_result_close(r);
    bench_close(&b);
    snprintf(small, sizeof small, "{\"sessions_memory_mb\": 0.001, %s", plan + 1);
    text_open(&b);
    b.o.only = "decode/*";
    must(bench_sweep(&b, small, &r, &err), &err);
    assert_int_equal(changes(&b), r->n_cells);
    assert_true(notes_groups(r));
    bool warned = false;
    for (size_t i = 0; i < r->n_sentences; i++) warned |= !strcmp(r->sentences[i].kind, "warning") && strstr(r->sentences[i].text, "Not all cells were interleaved");
    assert_true(warned);
    jb_result_close(r);
    bench_close(&b);
}

// The journal is enough for the same result, and nothing is done twice.
static void resumes(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL, *again = NULL;
    char path[256];
    text_open(&b);
    b.o.only = "prose/*";
    must(bench_sweep(&b, plan, &r, &err), &err);
    snprintf(path, sizeof path, "%s/journal.jsonl", b.out);
    char *before = bench_read(path, NULL), *after;
    b.o.resume = true;
    must(bench_sweep(&b, plan, &again, &err), &err);
    after = bench_read(path, NULL);
    assert_int_equal(bench_count(after, "\"kind\":\"block\""), bench_count(before, "\"kind\":\"block\""));
    assert_int_equal(again->n_cells, r->n_cells);
    for (size_t i = 0; i < r->n_cells; i++) {
        assert_true(again->cells[i].latency_mean_ns == r->cells[i].latency_mean_ns && again->cells[i].language.ttft.mean == r->cells[i].language.ttft.mean);
        assert_true(again->cells[i].language.ppl.value == r->cells[i].language.ppl.value && again->cells[i].language.deferred_bytes == r->cells[i].language.deferred_bytes);
    }
    free(before);
    free(after);
    jb_result_close(again);
    jb_result_close(r);
    bench_close(&b);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    text_open(&b);
    assert_int_equal(bench_sweep(&b, "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"workloads\": [{\"name\": \"prose\"}], \"models\": [{\"name\": \"m\", \"file\": \"tiny.gguf\"}],"
                                     "\"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"]}", &r, &err), 0);
    assert_int_equal(r->cells[0].status, JB_CELL_FAILED);
    assert_non_null(strstr(r->cells[0].reason, "takes images; workload prose gives text"));
    jb_result_close(r);
    b.o.dir = bench_path(&b, "out2");
    assert_int_equal(bench_sweep(&b, "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"workloads\": [{\"name\": \"decode\", \"params\": {\"n\": 60000}}], \"models\": [{\"name\": \"m\", \"file\": \"lm.gguf\"}],"
                                     "\"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"repetitions\": 1}", &r, &err), 0);
    assert_int_equal(r->cells[0].status, JB_CELL_FAILED);
    assert_non_null(strstr(r->cells[0].reason, "do not fit the model's 256 positions"));
    jb_result_close(r);
    bench_close(&b);
}

// Scores on answers that are known.
static void scores_tokens(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_host *h = NULL;
    struct jb_workload *w = NULL;
    const struct jb_model *m = NULL;
    const struct jb_queries *q = NULL;
    struct jb_answered a[8];
    struct jb_quality out[8];
    size_t n = 0;
    text_open(&b);
    struct jb_host_opts o = { .kernels = &b.kernels, .paths = &b.paths, .clock = jb_clock_monotonic() };
    must(jb_host_open(&h, &o, &err), &err);
    must(jb_host_workload(h, "cloze", NULL, 0, &w, &err), &err);
    must(jb_host_model(h, bench_path(&b, "lm.gguf"), NULL, &m, &err), &err);
    must(jb_host_queries(h, m, w, JB_SPLIT_TEST, &q, &err), &err);
    struct jb_query_tokens t[2];
    for (uint32_t i = 0; i < 2; i++) jb_queries_at(q, i, &t[i]);
    assert_int_equal(t[1].first, t[0].n_steps);
    assert_true(t[0].n_steps + t[1].n_steps <= 8 && t[0].forced && t[0].n_steps > 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t s = 0; s < t[i].n_steps; s++, k++) {
            bool wrong = i == 0 && s == 1; // one token of the first word
            a[k] = (struct jb_answered){ .index = k, .token = t[i].target[s] + wrong, .full = t[i].target[s], .logprob = -0.5f };
        }
    must(jb_score_tokens(q, a, k, out, 8, &n), &err);
    assert_int_equal(n, 4);
    assert_string_equal(out[0].name, "exact-match");
    assert_true(out[0].value == 0.5 && out[0].n == 2 && isfinite(out[0].lower) && out[0].lower < 0.5);
    assert_true(fabs(out[1].value - (k - 1.0) / k) < 1e-12 && out[1].lower <= out[1].value && out[1].upper >= out[1].value);
    assert_true(fabs(out[2].value - exp(0.5)) < 1e-9 && !out[2].higher_is_better);
    assert_true(out[3].value == out[1].value);
    jb_host_close(h);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gives_a_whole_result), cmocka_unit_test(cells_are_interleaved), cmocka_unit_test(resumes), cmocka_unit_test(refuses_what_does_not_fit), cmocka_unit_test(scores_tokens) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
