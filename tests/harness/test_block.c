// Blocks: one request, nothing global; the clock is read right before and after each query. // jb:threads
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "harness/host.h"
#include "tests/harness/bench.h"

static struct jb_host *open_host(const struct bench *b, struct jb_clock clock)
{
    struct jb_host *h = NULL;
    struct jb_host_opts o = { .kernels = &b->kernels, .paths = &b->paths, .clock = clock };
    assert_int_equal(jb_host_open(&h, &o, NULL), 0);
    return h;
}

static struct jb_block_request request(const struct bench *b)
{
    struct jb_block_request r = { .cell = "t", .workload = "synthetic", .n_workload_params = 1, .split = JB_SPLIT_TEST, .precision = "int8", .policy = "maxprob", .threshold = { 0.3 },
                                  .n_thresholds = 1, .batch = 1, .threads = 1, .streams = 1, .seed = 9, .repetitions = 4, .block_ns = 1000000, .max_ns = 2000000000, .lead_in_ns = 1000 };
    strcpy(r.workload_params[0].name, "n");
    strcpy(r.workload_params[0].value, "64");
    snprintf(r.model_path, sizeof r.model_path, "%s", bench_path(b, "tiny.gguf"));
    return r;
}

static void run(struct jb_host *h, const struct jb_block_request *r, struct jb_block *out)
{
    struct jb_err err = { 0 };
    if (jb_host_run(h, r, out, &err)) fail_msg("%s", err.detail);
}

// With a clock that goes 1 us at each reading every latency is exactly 1 us, whatever the machine does.
static void two_readings_a_query(void **state)
{
    (void)state;
    struct bench b;
    struct jb_fake_clock fake = { .step_ns = 1000 };
    struct jb_block block;
    bench_open(&b);
    struct jb_host *h = open_host(&b, jb_clock_fake(&fake));
    struct jb_block_request r = request(&b);
    run(h, &r, &block);
    assert_true(block.raw.n_queries > 300 && block.raw.n_queries <= 500); // 1 ms at two readings a query
    for (uint32_t q = 0; q < block.raw.n_queries; q++) assert_int_equal(block.raw.latency_ns[q], 1000);
    assert_int_equal(block.energy.cls, JB_ENERGY_NONE);
    assert_true(block.energy.reason[0]);
    jb_block_free(&block);
    jb_host_close(h);
    bench_close(&b);
}

static void same_request_same_block(void **state)
{
    (void)state;
    struct bench b;
    struct jb_fake_clock fake = { .step_ns = 1000 };
    struct jb_block x, y;
    bench_open(&b);
    struct jb_block_request r = request(&b), again;
    char *text = jb_request_to_json(&r);
    assert_int_equal(jb_request_from_json(&again, "r", text, strlen(text), NULL), 0);
    free(text);
    struct jb_host *h = open_host(&b, jb_clock_fake(&fake));
    run(h, &r, &x);
    jb_host_close(h);
    h = open_host(&b, jb_clock_fake(&fake)); // another process would do the same
    run(h, &again, &y);
    assert_int_equal(x.raw.n_queries, y.raw.n_queries);
    assert_memory_equal(x.raw.sample, y.raw.sample, x.raw.n_rows * 4);
    assert_memory_equal(x.raw.exit, y.raw.exit, x.raw.n_rows);
    jb_block_free(&y);
    again.repetition = 1; // other samples first
    run(h, &again, &y);
    assert_int_not_equal(x.raw.sample[0], y.raw.sample[0]);
    jb_block_free(&x);
    jb_block_free(&y);
    // Settings are exchanged from block to block on one session.
    strcpy(again.policy, "fixed");
    again.n_thresholds = 0;
    again.n_params = 1;
    strcpy(again.params[0].name, "k");
    again.params[0].value = 1;
    run(h, &again, &y);
    for (uint32_t i = 0; i < y.raw.n_rows; i++) assert_int_equal(y.raw.exit[i], 1);
    jb_block_free(&y);
    jb_host_close(h);
    bench_close(&b);
}

static void goes_on_for_enough_queries(void **state)
{
    (void)state;
    struct bench b;
    struct jb_fake_clock fake = { .step_ns = 100000 };
    struct jb_block block;
    bench_open(&b);
    struct jb_host *h = open_host(&b, jb_clock_fake(&fake));
    struct jb_block_request r = request(&b);
    r.min_queries = 77;
    run(h, &r, &block);
    assert_int_equal(block.raw.n_queries, 77);
    jb_block_free(&block);
    r.max_ns = 3000000;
    run(h, &r, &block);
    assert_true(block.raw.n_queries < 40);
    jb_block_free(&block);
    jb_host_close(h);
    bench_close(&b);
}

static void streams_and_batches(void **state)
{
    (void)state;
    struct bench b;
    struct jb_block block;
    bench_open(&b);
    struct jb_host *h = open_host(&b, jb_clock_monotonic());
    struct jb_block_request r = request(&b);
    r.streams = 3;
    r.batch = 5;
    r.min_queries = 4;
    run(h, &r, &block);
    assert_int_equal(block.raw.n_streams, 3);
    assert_int_equal(block.raw.n_rows, block.raw.n_queries * 5);
    for (int i = 0; i < 3; i++) assert_true(block.raw.stream_queries[i] >= 4);
    for (uint32_t i = 0; i < block.raw.n_rows; i++) assert_true(block.raw.sample[i] < 64 && block.raw.exit[i] < 4);
    assert_true(jb_host_session_bytes(h, &r) > 0);
    jb_block_free(&block);
    jb_host_close(h);
    bench_close(&b);
}

static void refuses(void **state)
{
    (void)state;
    struct bench b;
    struct jb_block block;
    struct jb_err err = { 0 };
    bench_open(&b);
    struct jb_host *h = open_host(&b, jb_clock_monotonic());
    struct jb_block_request r = request(&b);
    strcpy(r.model_sha256, "0000");
    assert_int_equal(jb_host_run(h, &r, &block, &err), JB_E_MISMATCH);
    r = request(&b);
    r.threads = 2;
    assert_int_equal(jb_host_run(h, &r, &block, &err), JB_E_UNAVAILABLE);
    r = request(&b);
    strcpy(r.policy, "guess");
    assert_int_not_equal(jb_host_run(h, &r, &block, &err), 0);
    r = request(&b);
    r.model_path[0] = 0;
    assert_int_equal(jb_host_run(h, &r, &block, &err), JB_E_INVALID);
    r = request(&b);
    r.n_workload_params = 1;
    strcpy(r.workload_params[0].name, "h");
    strcpy(r.workload_params[0].value, "9"); // the network takes 28 x 28
    assert_int_equal(jb_host_run(h, &r, &block, &err), JB_E_MISMATCH);
    assert_non_null(strstr(err.detail, "28x28"));
    jb_host_close(h);
    bench_close(&b);
}

static void warms_up_until_steady(void **state)
{
    (void)state;
    struct bench b;
    struct jb_fake_clock fake = { .step_ns = 50000 };
    struct jb_warm_up w;
    bench_open(&b);
    struct jb_host *h = open_host(&b, jb_clock_fake(&fake));
    struct jb_block_request r = request(&b);
    assert_int_equal(jb_host_warm_up(h, &r, &w, NULL), 0);
    assert_true(w.steady);
    assert_int_equal(w.chunks, 16); // a clock without noise is steady as soon as it can be judged
    assert_true(w.median_ns == 50000);
    jb_host_close(h);
    bench_close(&b);
}

// Readings of a clock on which each is later by `step`, which falls to `low` over `n` readings.
struct falling { uint64_t now; double step, low, factor; };

static uint64_t falling_now(void *self)
{
    struct falling *f = self;
    f->step = f->step * f->factor > f->low ? f->step * f->factor : f->low;
    return f->now += (uint64_t)f->step;
}

static void warm_up(double first, double low, double factor, struct jb_warm_up *w)
{
    struct bench b;
    struct falling f = { .step = first, .low = low, .factor = factor };
    bench_open(&b);
    struct jb_host *h = open_host(&b, (struct jb_clock){ .now_ns = falling_now, .self = &f });
    struct jb_block_request r = request(&b);
    assert_int_equal(jb_host_warm_up(h, &r, w, NULL), 0);
    jb_host_close(h);
    bench_close(&b);
}

// Latency falls to half over some ten chunks: no verdict before the fall lies behind.
static void a_fall_is_waited_for(void **state)
{
    (void)state;
    struct jb_warm_up w;
    warm_up(100000, 50000, 0.996, &w);
    assert_true(w.steady && w.p >= 0.05);
    assert_true(w.chunks > 16 && w.chunks < 40);
    assert_true(w.median_ns < 50001);
}

// A query that becomes faster without end: the limit ends it, and it is not called steady.
static void what_never_settles_is_not_steady(void **state)
{
    (void)state;
    struct jb_warm_up w;
    warm_up(400000, 1, 0.999, &w);
    assert_false(w.steady);
    assert_true(w.p < 0.05 && w.elapsed_ns >= 150000000u);
    warm_up(20000000, 20000000, 1, &w); // too slow for sixteen chunks: nothing is known
    assert_false(w.steady);
    assert_true(isnan(w.p) && w.chunks >= 2 && w.chunks < 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(two_readings_a_query), cmocka_unit_test(same_request_same_block), cmocka_unit_test(goes_on_for_enough_queries),
                                        cmocka_unit_test(streams_and_batches), cmocka_unit_test(refuses), cmocka_unit_test(warms_up_until_steady),
                                        cmocka_unit_test(a_fall_is_waited_for), cmocka_unit_test(what_never_settles_is_not_steady) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
