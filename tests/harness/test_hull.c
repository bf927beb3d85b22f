// Adaptive cells against the hull: known answers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "harness/build.h"

#define N 2000u
#define CELLS 5

// exit 0 costs 1, exit 1 costs 10. "right" of the N samples are right; the first `early` of them stop at exit 0.
static void fill(struct jb_build *b, size_t i, const char *role, const char *policy, const char *model, double macs0, double macs1, uint32_t early, uint32_t right)
{
    struct jb_result_cell *c = &b->r->cells[i];
    struct jb_built *x = &b->built[i];
    jb_result_cell_init(c);
    c->id = jb_result_strf(b->r, "%016zx", i);
    c->key = c->id;
    c->label = c->id;
    c->workload = "w";
    c->model = model;
    c->precision = "int8";
    c->policy = policy;
    c->scenario = "single-stream";
    c->role = role;
    c->threads = c->streams = 1;
    c->status = JB_CELL_VALID;
    c->accuracy = (struct jb_value){ (double)right / N, NAN, NAN, N };
    c->macs_mean = (macs0 * early + macs1 * (N - early)) / N;
    c->latency_mean_ns = c->macs_mean * 1000;
    x->n = N;
    x->macs[0] = macs0;
    x->macs[1] = macs1;
    x->index = malloc(N * 4);
    x->outcome = malloc(N);
    x->n_blocks = 8;
    x->repetition = malloc(8 * 4);
    x->block_sum = malloc(8 * 8);
    x->block_n = malloc(8 * 8);
    for (uint32_t k = 0; k < N; k++) {
        x->index[k] = k;
        uint32_t place = k * 7919u % N; // spread
        x->outcome[k] = (uint8_t)((k < early ? 0 : 2) + (place < right));
    }
    for (uint32_t k = 0; k < 8; k++) {
        x->repetition[k] = k;
        x->block_n[k] = 100;
        x->block_sum[k] = 100 * c->latency_mean_ns * (1 + 0.01 * (k % 3)); // the same drift in every cell
    }
}

static void open_build(struct jb_build *b)
{
    *b = (struct jb_build){ .seed = 1 };
    assert_int_equal(jb_result_open(&b->r), 0);
    b->r->n_cells = CELLS;
    b->r->cells = jb_result_array(b->r, CELLS, sizeof *b->r->cells);
    b->built = calloc(CELLS, sizeof *b->built);
    fill(b, 0, "static", "final", "s1", 5, 5, N, N * 80 / 100);
    fill(b, 1, "static", "final", "s2", 10, 10, N, N * 90 / 100);
    fill(b, 2, "fixed", "final", "ee", 12, 12, N, N * 88 / 100);
    fill(b, 3, "adaptive", "maxprob", "ee", 1, 10, N * 8 / 9, N * 85 / 100);  // mean cost 2
    fill(b, 4, "adaptive", "maxprob", "ee", 10, 10, 0, N * 90 / 100);         // as good and as dear as s2
}

static void close_build(struct jb_build *b)
{
    for (size_t i = 0; i < CELLS; i++) jb_built_free(&b->built[i]);
    free(b->built);
    jb_result_close(b->r);
}

static const struct jb_result_hull *find(const struct jb_build *b, size_t cell, const char *cost, const char *against)
{
    for (size_t i = 0; i < b->r->n_hull; i++) {
        const struct jb_result_hull *h = &b->r->hull[i];
        if (!strcmp(h->cell_id, b->r->cells[cell].id) && !strcmp(h->cost, cost) && !strcmp(h->against, against)) return h;
    }
    fail_msg("no row for cell %zu, %s, %s", cell, cost, against);
    return NULL;
}

static void near(double x, double y, double tolerance)
{
    if (!(fabs(x - y) <= tolerance)) fail_msg("%g is not %g", x, y);
}

static void known_ratios(void **state)
{
    (void)state;
    struct jb_build b;
    struct jb_err err;
    open_build(&b);
    assert_int_equal(jb_build_hull(&b, &err), 0);
    assert_int_equal(b.r->n_hull, 8);
    // At 85 % the hull of (5, 80 %) and (10, 90 %) costs 7.5; the cell costs 2.
    const struct jb_result_hull *h = find(&b, 3, "macs_mean", "static+fixed");
    double own = b.r->cells[3].macs_mean;
    near(h->ratio, 7.5 / own, 1e-9);
    assert_true(h->lower < h->ratio && h->ratio < h->upper && h->lower > 2.5 && h->upper < 5);
    assert_null(h->reason);
    near(find(&b, 3, "macs_mean", "full")->ratio, 12 / own, 1e-9);
    // Latency is proportional here and drifts together: the ratio to the full network has no spread at all.
    h = find(&b, 3, "latency_mean_ns", "full");
    near(h->ratio, 12 / own, 1e-9);
    near(h->upper - h->lower, 0, 1e-9);
    // The twin of a static network: ratio 1, and paired resamples agree exactly.
    h = find(&b, 4, "macs_mean", "static+fixed");
    near(h->ratio, 1, 1e-12);
    near(h->lower, 1, 1e-9);
    near(h->upper, 1, 1e-9);
    close_build(&b);
}

// Samples that come in queries of 100, where a query's answers are all right or all wrong: with 20 such units the interval must be much wider than with 2000.
static void queries_are_drawn_whole(void **state)
{
    (void)state;
    struct jb_build alone, grouped;
    struct jb_err err;
    struct jb_build *both[] = { &alone, &grouped };
    for (int i = 0; i < 2; i++) {
        open_build(both[i]);
        for (size_t c = 0; c < CELLS; c++) {
            struct jb_built *x = &both[i]->built[c];
            uint32_t right = (uint32_t)(both[i]->r->cells[c].accuracy.value * N);
            for (uint32_t k = 0; k < N; k++) x->outcome[k] = (uint8_t)((x->outcome[k] & 2u) + (k / 100 * 7 % 20 * 100 < right)); // whole hundreds
            if (i == 0) continue;
            x->first = malloc((N / 100 + 1) * sizeof *x->first);
            x->n_groups = N / 100;
            for (uint32_t g = 0; g <= x->n_groups; g++) x->first[g] = g * 100;
        }
        assert_int_equal(jb_build_hull(both[i], &err), 0);
    }
    const struct jb_result_hull *a = find(&alone, 3, "macs_mean", "static+fixed"), *g = find(&grouped, 3, "macs_mean", "static+fixed");
    near(a->ratio, g->ratio, 1e-12);
    assert_true(g->upper - g->lower > 2 * (a->upper - a->lower));
    for (int i = 0; i < 2; i++) close_build(both[i]);
}

// What counts is that all of a query is right: a quarter of the answers wrong can be all queries wrong, or a quarter of them.
static void queries_count_as_a_whole(void **state)
{
    (void)state;
    struct jb_build b;
    struct jb_err err;
    open_build(&b);
    for (size_t c = 0; c < CELLS; c++) {
        struct jb_built *x = &b.built[c];
        x->first = malloc((N / 100 + 1) * sizeof *x->first);
        x->whole = malloc(N / 100);
        x->n_groups = N / 100;
        for (uint32_t g = 0; g <= x->n_groups; g++) x->first[g] = g * 100;
        for (uint32_t g = 0; g < x->n_groups; g++) x->whole[g] = g < (c == 3 ? 19 : c == 0 ? 10 : 20); // the adaptive cell: 95 %, between s1 (50 %) and s2 (100 %)
    }
    assert_int_equal(jb_build_hull(&b, &err), 0);
    near(find(&b, 3, "macs_mean", "static+fixed")->ratio, 9.5 / b.r->cells[3].macs_mean, 1e-9);
    close_build(&b);
}

static void says_what_is_missing(void **state)
{
    (void)state;
    struct jb_build b;
    struct jb_err err;
    open_build(&b);
    b.built[0].n_blocks = 2;
    b.r->cells[3].accuracy.value = 0.95; // figures come from the samples: make them all right
    for (uint32_t k = 0; k < N; k++) b.built[3].outcome[k] |= 1;
    b.r->cells[4].status = JB_CELL_INVALID; // no row for it
    assert_int_equal(jb_build_hull(&b, &err), 0);
    assert_int_equal(b.r->n_hull, 4);
    const struct jb_result_hull *h = find(&b, 3, "macs_mean", "static+fixed");
    near(h->ratio, 10 / b.r->cells[3].macs_mean, 1e-9); // held against the most accurate
    assert_non_null(strstr(h->reason, "more accurate"));
    assert_true(isfinite(h->lower));
    h = find(&b, 3, "latency_mean_ns", "static+fixed");
    assert_true(isnan(h->lower) && isnan(h->upper));
    assert_non_null(strstr(h->reason, "blocks"));
    close_build(&b);
}

static void sentences_answer_first(void **state)
{
    (void)state;
    struct jb_build b;
    struct jb_err err;
    open_build(&b);
    assert_int_equal(jb_build_hull(&b, &err), 0);
    assert_int_equal(jb_build_sentences(&b, &err), 0);
    assert_true(b.r->n_sentences >= 2);
    assert_string_equal(b.r->sentences[0].kind, "answer");
    assert_non_null(strstr(b.r->sentences[0].text, "90.00 %"));
    close_build(&b);
}

static void schedules_cover(void **state)
{
    (void)state;
    assert_true(jb_precision_covers("int8", "int8"));
    assert_false(jb_precision_covers("int8", "int4"));
    assert_true(jb_precision_covers("escalate:int4>int8", "int4"));
    assert_true(jb_precision_covers("escalate:int4>int8", "int8"));
    assert_false(jb_precision_covers("escalate:int4>int8", "f32"));
    assert_false(jb_precision_covers("int8", "escalate:int4>int8"));
    assert_false(jb_precision_covers("none", "int8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_ratios), cmocka_unit_test(queries_are_drawn_whole), cmocka_unit_test(queries_count_as_a_whole), cmocka_unit_test(says_what_is_missing), cmocka_unit_test(sentences_answer_first),
                                        cmocka_unit_test(schedules_cover) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
