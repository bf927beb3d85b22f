// Ending early: looks, levels, and that intervals cover the truth under the rule.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/infer.h"
#include "harness/stop.h"
#include "tests/harness/bench.h"

static void looks_are_fixed(void **state)
{
    (void)state;
    uint32_t look[JB_STOP_MAX_LOOKS];
    static const uint32_t of_32[] = { 10, 15, 23, 32 };
    assert_int_equal(jb_stop_looks(32, look), 4);
    assert_memory_equal(look, of_32, sizeof of_32);
    assert_int_equal(jb_stop_looks(8, look), 1);
    assert_int_equal(jb_stop_looks(0, look), 0);
    assert_true(jb_stop_looks(UINT32_MAX, look) <= JB_STOP_MAX_LOOKS);
    assert_true(jb_stop_is_look(32, 15) && !jb_stop_is_look(32, 16) && !jb_stop_is_look(32, 32) && !jb_stop_is_look(10, 10));
}

static void what_is_spent_adds_up(void **state)
{
    (void)state;
    uint32_t look[JB_STOP_MAX_LOOKS];
    for (uint32_t planned = 1; planned < 3000; planned = planned * 3 / 2 + 1) {
        double sum = 0;
        size_t n = jb_stop_looks(planned, look);
        for (size_t i = 0; i < n; i++) sum += 1 - jb_stop_confidence(planned, look[i]);
        assert_true(fabs(sum - 0.05) < 1e-12);
    }
    assert_true(fabs(jb_stop_confidence(8, 8) - 0.95) < 1e-12);
    assert_true(fabs(1 - jb_stop_confidence(32, 10) - 0.05 * log(1 + (exp(1) - 1) * 10 / 32)) < 1e-12);
    assert_true(jb_stop_confidence(32, 11) == jb_stop_confidence(32, 15)); // time was up between two looks
    assert_true(jb_stop_confidence(32, 40) == jb_stop_confidence(32, 32));
}

static void half_widths(void **state)
{
    (void)state;
    static const double x[] = { 9, 10, 11, 10 };
    assert_true(fabs(jb_stop_half_width(x, 4, 0.95) - 3.182446305284263 * sqrt(2.0 / 3 / 4) / 10) < 1e-6); // t of 3 degrees of freedom: Abramowitz & Stegun, table 26.10
    assert_true(isnan(jb_stop_half_width(x, 1, 0.95)));
}

struct blocks { double mean[64]; };

static double mean_of(void *user, const uint32_t *draw, size_t n)
{
    const struct blocks *b = user;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += b->mean[draw[i]];
    return sum / (double)n;
}

// Blocks with mean 1: lognormal, one in twenty half as slow again. The cell ends at the first look where it is narrow enough; the interval is the one that a result would print.
static bool covers(struct jb_rng *rng, double sd, double target, uint32_t *ended)
{
    struct blocks b;
    struct jb_interval ci;
    const double truth = exp(sd * sd / 2) * (0.95 + 0.05 * 1.5);
    uint32_t n = 0;
    while (n < 32) {
        b.mean[n++] = exp(sd * jb_rng_normal(rng)) * (jb_rng_below(rng, 20) ? 1 : 1.5);
        if (jb_stop_is_look(32, n) && jb_stop_half_width(b.mean, n, jb_stop_confidence(32, n)) <= target) break;
    }
    *ended = n;
    assert_int_equal(jb_block_bootstrap(mean_of, &b, n, jb_stop_confidence(32, n), 1000, rng, &ci), 0);
    return ci.lower <= truth && truth <= ci.upper;
}

static void coverage(double sd, double target, uint32_t *early)
{
    struct jb_rng rng;
    uint32_t hit = 0, ended;
    jb_rng_seed_named(&rng, 7, "coverage under stopping");
    *early = 0;
    for (int i = 0; i < 2000; i++) {
        hit += covers(&rng, sd, target, &ended);
        *early += ended < 32;
    }
    print_message("sd %.2f, target %.2f: ended early %.1f %%, covered %.1f %%\n", sd, target, *early / 20.0, hit / 20.0);
    assert_true(hit >= 1860); // 93 %
}

static void intervals_hold_under_stopping(void **state)
{
    (void)state;
    uint32_t early;
    coverage(0.1, 0.07, &early);
    assert_true(early > 200 && early < 2000); // the rule is at work
    coverage(0.2, 0.1, &early);
    assert_true(early > 100);
    coverage(0.1, 1e-9, &early);
    assert_int_equal(early, 0);
}

// A whole sweep: asked for little, it ends at the first look and says so; resumed, it stays ended.
static void a_cell_ends_early_and_says_so(void **state)
{
    (void)state;
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"s\", \"workloads\": [{\"name\": \"null\", \"params\": {\"n\": 10}}], \"precisions\": [\"f32\"],\n"
                               "\"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 40, \"block_ms\": 2, \"idle_ms\": 0, \"max_seconds\": 60,\n"
                               "\"stop_when\": {\"latency\": 1}, " BENCH_ANY_MACHINE "}";
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    struct jb_fake_clock fake = { .step_ns = 10000 }; // every latency is the same
    bench_open(&b);
    b.o.clock = jb_clock_fake(&fake);
    if (bench_sweep(&b, plan, &r, &err)) fail_msg("%s", err.detail);
    const struct jb_result_cell *c = &r->cells[0];
    assert_int_equal(c->n_blocks, 10);
    assert_non_null(c->blocks.stopped);
    assert_int_equal(strncmp(c->blocks.stopped, "after 10 of 40 blocks: as narrow as asked; mean latency +-", 57), 0);
    assert_true(c->blocks.confidence > 0.95 && c->blocks.confidence < 1);
    jb_result_close(r);
    b.o.resume = true;
    if (bench_sweep(&b, plan, &r, &err)) fail_msg("%s", err.detail);
    assert_int_equal(r->cells[0].n_blocks, 10);
    jb_result_close(r);
    bench_close(&b);
}

// ---- blocks during which the machine drifted ----

// A machine that is three times as slow during some blocks: the program's progress tells which comes next.
struct drifting { struct jb_fake_clock clock; uint64_t done; uint64_t slow; }; // slow: bit i: during block i

static void drift(void *user, const struct jb_progress *p)
{
    struct drifting *d = user;
    if (strcmp(p->phase, "measure")) return;
    d->clock.step_ns = p->done < 64 && d->slow >> p->done & 1 ? 30000 : 10000;
    d->done = p->done;
}

#define DRIFT_PLAN(stop, share) "{\"schema\": \"joulebench.plan/1\", \"name\": \"s\", \"workloads\": [{\"name\": \"null\", \"params\": {\"n\": 10}}], \"precisions\": [\"f32\"],\n" \
    "\"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 40, \"block_ms\": 2, \"idle_ms\": 0, \"max_seconds\": 60,\n" \
    "\"stop_when\": {\"latency\": " stop "}, \"validity\": {\"max_other_cpu\": 1, \"max_steal\": 1, \"max_involuntary_per_s\": 1e9, \"max_reference_drift\": 0.5, \"throttling\": true, \"swap\": true,\n" \
    "\"max_freq_change\": 100, \"max_invalid_share\": " share "}}"

// Runs the plan with these blocks slow; the first cell is copied out as far as the tests look.
struct ended { uint64_t n_blocks, left_out; double confidence, mean_ns; char stopped[200], reason[400]; };

static struct ended run_drifting(const char *plan, uint64_t slow)
{
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    struct drifting d = { .clock = { .step_ns = 10000 }, .slow = slow };
    bench_open(&b);
    b.o.clock = jb_clock_fake(&d.clock);
    b.o.progress = drift;
    b.o.progress_user = &d;
    if (bench_sweep(&b, plan, &r, &err)) fail_msg("%s", err.detail);
    const struct jb_result_cell *c = &r->cells[0];
    struct ended e = { c->n_blocks, c->blocks.left_out, c->blocks.confidence, c->latency_mean_ns, "", "" };
    snprintf(e.stopped, sizeof e.stopped, "%s", c->blocks.stopped ? c->blocks.stopped : "");
    snprintf(e.reason, sizeof e.reason, "%s", c->reason ? c->reason : "");
    jb_result_close(r);
    bench_close(&b);
    return e;
}

static void drifted_blocks_take_no_part_in_looks(void **state)
{
    (void)state;
    // Without drift: the first look.
    struct ended e = run_drifting(DRIFT_PLAN("0.01", "0.2"), 0);
    assert_true(e.n_blocks == 10 && !e.left_out && !strncmp(e.stopped, "after 10 of 40 blocks: as narrow as asked;", 42));
    assert_true(fabs(e.confidence - jb_stop_confidence(40, 10)) < 1e-12);
    // Two slow blocks: eight are left at the first look, too few; at the second thirteen, all alike. With the slow ones the interval would have been as wide as +-60 %, and the cell would have gone on.
    e = run_drifting(DRIFT_PLAN("0.01", "0.2"), 1u << 3 | 1u << 6);
    if (strncmp(e.stopped, "after 15 of 40 blocks: as narrow as asked without 2 that drifted;", 65)) fail_msg("%s", e.stopped);
    assert_null(strstr(e.reason, "blocks are invalid")); // (that its clock is too coarse is another matter)
    assert_true(e.n_blocks == 13 && e.left_out == 2);
    assert_true(fabs(e.mean_ns - 10000) < 100);
}

// A wide target must not end a cell that would then be invalid: four of fifteen blocks are more than a fifth.
static void no_end_while_too_many_drifted(void **state)
{
    (void)state;
    struct ended e = run_drifting(DRIFT_PLAN("1", "0.2"), 0xfu << 4);
    assert_null(strstr(e.reason, "blocks are invalid")); // (that its clock is too coarse is another matter)
    if (strncmp(e.stopped, "after 23 of 40 blocks: as narrow as asked without 4 that drifted;", 65)) fail_msg("%s", e.stopped);
    assert_true(e.n_blocks == 19 && e.left_out == 4);
}

// The level is that of the look, however few blocks it was made of: ten of fifteen have not the level of a look at ten, which has been spent.
static void the_level_is_that_of_the_look(void **state)
{
    (void)state;
    struct ended e = run_drifting(DRIFT_PLAN("1", "0.4"), 1u << 2 | 1u << 5 | 1u << 8 | 1u << 11 | 1u << 13);
    if (strncmp(e.stopped, "after 15 of 40 blocks: as narrow as asked without 5 that drifted;", 65)) fail_msg("%s", e.stopped);
    assert_true(e.n_blocks == 10 && e.left_out == 5);
    assert_true(jb_stop_confidence(40, 15) > jb_stop_confidence(40, 10) + 0.005);
    assert_true(fabs(e.confidence - jb_stop_confidence(40, 15)) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(looks_are_fixed), cmocka_unit_test(what_is_spent_adds_up), cmocka_unit_test(half_widths), cmocka_unit_test(intervals_hold_under_stopping),
                                        cmocka_unit_test(a_cell_ends_early_and_says_so), cmocka_unit_test(drifted_blocks_take_no_part_in_looks),
                                        cmocka_unit_test(no_end_while_too_many_drifted), cmocka_unit_test(the_level_is_that_of_the_look) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
