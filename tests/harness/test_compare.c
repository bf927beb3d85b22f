// Comparing runs of known truth: effects, refusals, matching, pairs, the front, the tail, hostile directories.
#include <math.h>
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
#include "base/rng.h"
#include "harness/compare_stats.h"
#include "tests/harness/runs.h"

static char root[128], dir_a[160], dir_b[160], dir_c[160];

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/jb_compare_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(root));
    snprintf(dir_a, sizeof dir_a, "%s/a", root);
    snprintf(dir_b, sizeof dir_b, "%s/b", root);
    snprintf(dir_c, sizeof dir_c, "%s/c", root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static struct jb_compare_opts opts(void)
{
    struct jb_compare_opts o;
    jb_compare_opts_default(&o);
    o.resamples = 500;
    return o;
}

static struct jb_comparison *compare(const struct made_run *a, const struct made_run *b, const struct jb_compare_opts *o)
{
    struct jb_compare_opts mine = opts();
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    made_write(a, dir_a);
    made_write(b, dir_b);
    if (jb_compare_past(dir_a, dir_b, o ? o : &mine, &c, &err)) fail_msg("%s", err.detail);
    return c;
}

static const struct jb_compared_metric *metric(const struct jb_comparison *c, size_t cell, const char *name)
{
    const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[cell], name);
    if (!m) fail_msg("no metric %s", name);
    return m;
}

static void says(const char *text, const char *what)
{
    if (!text || !strstr(text, what)) fail_msg("\"%s\" does not say \"%s\"", text ? text : "(nothing)", what);
}

static bool differs(const struct jb_comparison *c, const char *name)
{
    for (size_t i = 0; i < c->n_differences; i++)
        if (!strcmp(c->differences[i].name, name)) return true;
    return false;
}

// ---- statistics ----

static void percentiles_of_draws(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 3);
    for (int round = 0; round < 200; round++) {
        struct jb_side_block b[7] = { 0 };
        const struct jb_side_block *p[7];
        uint32_t times[7];
        uint64_t all[7 * 4 * 400];
        size_t n_blocks = 1 + jb_rng_below(&rng, 7), n = 0;
        for (size_t i = 0; i < n_blocks; i++) {
            b[i].n_queries = (uint32_t)jb_rng_below(&rng, round % 5 ? 400 : 3);
            b[i].latency_ns = malloc((b[i].n_queries + 1) * sizeof(uint64_t));
            p[i] = &b[i];
            times[i] = (uint32_t)jb_rng_below(&rng, 4);
            for (uint32_t q = 0; q < b[i].n_queries; q++) b[i].latency_ns[q] = 1 + jb_rng_below(&rng, round % 2 ? 50 : 1000000);
            for (uint32_t t = 0; t < times[i]; t++)
                for (uint32_t q = 0; q < b[i].n_queries; q++) all[n++] = b[i].latency_ns[q];
        }
        struct jb_pooled pool;
        assert_int_equal(jb_pooled_open(&pool, p, n_blocks, NULL, NULL, 0), 0);
        jb_sort_u64(all, n);
        for (double q = 0.01; q <= 1; q += 0.0707) {
            double got = jb_pooled_percentile(&pool, times, q);
            if (n) assert_true(got == (double)jb_percentile_u64(all, n, q));
            else assert_true(isnan(got));
        }
        jb_pooled_free(&pool);
        for (size_t i = 0; i < n_blocks; i++) free(b[i].latency_ns);
    }
}

// p at most 0.05 where, and only where, the 95 % interval excludes 1.
static void p_value_and_interval_agree(void **state)
{
    (void)state;
    struct jb_rng rng;
    int rejected = 0, near = 0;
    jb_rng_seed(&rng, 4);
    for (int round = 0; round < 300; round++) {
        double a[12], b[12], n[12];
        size_t n_a = 5 + jb_rng_below(&rng, 8), n_b = 5 + jb_rng_below(&rng, 8);
        for (size_t i = 0; i < 12; i++) {
            a[i] = exp(0.02 * jb_rng_normal(&rng));
            b[i] = exp(0.02 * jb_rng_normal(&rng) + 0.012 * (round % 3));
            n[i] = 1;
        }
        struct jb_effect e;
        struct jb_resampling r = { 0.95, 999, (uint64_t)round };
        assert_int_equal(jb_effect_sums(&e, &(struct jb_sums){ a, NULL, NULL, n, n_a }, &(struct jb_sums){ b, NULL, NULL, n, n_b }, false, &r), 0);
        bool excludes = e.lower > 1 || e.upper < 1;
        rejected += excludes;
        assert_true(e.p > 0 && e.p <= 1);
        if (fabs(e.p - 0.05) < 0.01) near++; // one resample decides
        else if ((e.p <= 0.05) != excludes) fail_msg("p %g, interval %g to %g", e.p, e.lower, e.upper);
    }
    assert_true(rejected > 30 && rejected < 270 && near < 60);
}

static void known_answers(void **state)
{
    (void)state;
    struct jb_effect e;
    // Newcombe 1998, table II, example (a) by method 10: 56/70 - 48/80 lies within 0.0524 and 0.3339.
    jb_effect_proportions(&e, 48, 80, 56, 70, 0.95);
    assert_true(fabs(e.effect - 0.2) < 1e-12 && fabs(e.lower - 0.0524) < 5e-5 && fabs(e.upper - 0.3339) < 5e-5);
    // The same counts by hand: pooled 104/150, standard error 0.075456, z 2.6505, p 0.00804.
    assert_true(fabs(e.p - 0.00804) < 5e-5);
    jb_effect_proportions(&e, 5, 5, 5, 5, 0.95);
    assert_true(e.effect == 0 && e.lower < 0 && e.upper > 0 && e.p == 1);
    // Student: log ratios 1, 2, 3 have mean 2, standard error 1/sqrt 3: t 3.4641, p 0.0742 (tables of t, 2 degrees of freedom).
    double a[3] = { 1, 1, 1 }, b[3] = { exp(1), exp(2), exp(3) };
    uint32_t batch[40], instance[40];
    size_t n = jb_batches(NULL, 3, batch);
    assert_int_equal(n, 3);
    assert_int_equal(jb_effect_pairs(&e, a, b, batch, 3, n, 0.95), 0);
    assert_true(fabs(e.effect - exp(2)) < 1e-9 && fabs(e.p - 0.0742) < 5e-5);
    // Forty pairs that come in runs of two alike are twenty of them, and the interval knows it.
    double x[40], y[40], half[20], ones[20];
    for (int i = 0; i < 40; i++) {
        x[i] = 1;
        y[i] = 1 + 0.01 * ((i / 2 * 7) % 5);
        half[i / 2] = y[i];
        ones[i / 2] = 1;
    }
    struct jb_effect forty, twenty;
    n = jb_batches(NULL, 40, batch);
    assert_int_equal(n, 20);
    assert_int_equal(jb_effect_pairs(&forty, x, y, batch, 40, n, 0.95), 0);
    assert_int_equal(jb_effect_pairs(&twenty, ones, half, batch, 20, jb_batches(NULL, 20, batch), 0.95), 0);
    assert_true(fabs(forty.lower - twenty.lower) < 1e-12 && fabs(forty.upper - twenty.upper) < 1e-12 && fabs(forty.p - twenty.p) < 1e-12);
    // Pairs of one instance of the workers belong together, where there are five instances; else stretches of pairs.
    for (int i = 0; i < 40; i++) instance[i] = (uint32_t)i / 9;
    assert_int_equal(jb_batches(instance, 40, batch), 5);
    assert_true(batch[8] == 0 && batch[9] == 1 && batch[39] == 4);
    assert_int_equal(jb_batches(instance, 36, batch), 20);
    n = jb_batches(NULL, 3, batch);
    assert_int_equal(jb_effect_pairs(&e, a, a, batch, 3, n, 0.95), 0);
    assert_true(e.effect == 1 && e.p == 1);
}

static void bounds_widen(void **state)
{
    (void)state;
    double a[8], low[8], high[8], n[8];
    for (int i = 0; i < 8; i++) {
        a[i] = 100 + i % 3;
        low[i] = a[i] * 0.9;
        high[i] = a[i] * 1.1;
        n[i] = 1;
    }
    struct jb_effect exact, wide;
    struct jb_resampling r = { 0.95, 400, 1 };
    struct jb_sums sharp = { a, NULL, NULL, n, 8 }, soft = { a, low, high, n, 8 };
    assert_int_equal(jb_effect_sums(&exact, &sharp, &sharp, false, &r), 0);
    assert_int_equal(jb_effect_sums(&wide, &soft, &soft, false, &r), 0);
    assert_true(wide.effect == 1 && exact.effect == 1);
    assert_true(wide.lower < exact.lower * 0.83 && wide.lower > exact.lower * 0.80); // 0.9 / 1.1
    assert_true(wide.upper > exact.upper * 1.21 && wide.upper < exact.upper * 1.24);
    assert_true(wide.p == 1);
}

// ---- two runs ----

static void a_known_slowdown(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.seed = 2;
    b.cell[0].mean_ns *= 1.1;
    struct jb_comparison *c = compare(&a, &b, NULL);
    assert_int_equal(c->n_cells, 1);
    assert_null(c->cells[0].reason);
    static const char *const SLOWER[] = { "latency_mean_ns", "p50_ns", "p90_ns" };
    for (size_t i = 0; i < 3; i++) {
        const struct jb_compared_metric *m = metric(c, 0, SLOWER[i]);
        assert_true(m->lower < 1.1 && m->upper > 1.1 && m->upper - m->lower < 0.1);
        assert_int_equal(jb_compared_sign(c, m), -1);
        assert_true(m->p <= m->p_adjusted && m->p_adjusted <= 0.05);
        says(m->words, "slower");
        assert_int_equal(m->n_baseline, 20);
    }
    const struct jb_compared_metric *m = metric(c, 0, "accuracy");
    assert_true(m->effect == 0 && m->p == 1 && m->lower < 0 && m->upper > 0);
    assert_int_equal(m->n_candidate, 1000);
    says(metric(c, 0, "uj_per_query")->reason, "no sensor");
    assert_true(isnan(metric(c, 0, "uj_per_query")->effect));
    assert_true(metric(c, 0, "macs_mean")->deterministic && metric(c, 0, "macs_mean")->effect == 1);
    says(c->sentences[1].text, "slower");
    says(c->sentences[c->n_sentences - 1].text, "--live");
    assert_int_equal(c->exit_code, 0);
    jb_comparison_close(c);
}

static void nothing_where_nothing_is(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.seed = 2;
    for (size_t i = 1; i < 8; i++) {
        static char key[8][20], label[8][20];
        snprintf(key[i], sizeof key[i], "%016zx", i);
        snprintf(label[i], sizeof label[i], "net %zu", i);
        a.cell[i] = b.cell[i] = a.cell[0];
        a.cell[i].key = b.cell[i].key = key[i];
        a.cell[i].label = b.cell[i].label = label[i];
    }
    a.n_cells = b.n_cells = 8;
    struct jb_comparison *c = compare(&a, &b, NULL);
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (jb_compared_sign(c, m)) fail_msg("%s of cell %zu: %s", m->name, i, m->words);
            assert_true(isnan(m->p) ? isnan(m->p_adjusted) : m->p_adjusted >= m->p);
        }
    const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
    if (!(m->lower > 1 || m->upper < 1)) says(m->words, "no difference can be seen; one of");
    assert_true(m->detectable > (m->upper - m->lower) / 2); // a difference of half the width would be seen every other time
    jb_comparison_close(c);
}

static void flipped_predictions(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.cell[0].flipped = 12;
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "accuracy");
    assert_true(fabs(m->effect + 0.012) < 1e-12 && m->upper < 0 && m->baseline == 0.92);
    assert_true(fabs(m->p - 2 * pow(0.5, 12)) < 1e-12); // exact McNemar: all 12 in one direction
    assert_int_equal(jb_compared_sign(c, m), -1);
    says(m->words, "1.2 points less accurate");
    says(c->sentences[0].text, "less accurate");
    jb_comparison_close(c);
}

static void other_samples(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.data_sha = "bbbbbbbbbbbbbbbbbbbb";
    b.cell[0].mean_ns *= 2;
    struct jb_comparison *c = compare(&a, &b, NULL);
    static const char *const REFUSED[] = { "accuracy", "latency_mean_ns", "p50_ns", "uj_per_query", "macs_mean" };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        assert_true(isnan(metric(c, 0, REFUSED[i])->effect) && isnan(metric(c, 0, REFUSED[i])->p));
        says(metric(c, 0, REFUSED[i])->reason, "other samples");
    }
    assert_true(metric(c, 0, "model_bytes")->effect == 1);
    assert_true(differs(c, "data made test"));
    jb_comparison_close(c);
}

// The same data, but the second run measured 800 of the first one's 1000 samples. Where every query does the same work this is noted; where its work depends on the sample, costs are not compared.
static void another_part_of_the_samples(void **state)
{
    (void)state;
    static const char *const COSTS[] = { "latency_mean_ns", "p50_ns", "p90_ns", "uj_per_query", "uj_per_correct", "macs_mean" };
    struct made_run a, b;
    made_defaults(&a);
    a.cell[0].cls = JB_ENERGY_MEASURED;
    a.cell[0].uj = 50;
    b = a;
    b.seed = 2;
    b.cell[0].n_samples = 800;
    struct jb_comparison *c = compare(&a, &b, NULL);
    for (size_t i = 0; i < sizeof COSTS / sizeof *COSTS; i++) assert_true(isfinite(metric(c, 0, COSTS[i])->effect));
    says(metric(c, 0, "latency_mean_ns")->reason, "other samples of the same data");
    jb_comparison_close(c);
    a.cell[0].precision = b.cell[0].precision = "escalate:int4>int8";
    char other[400];
    snprintf(other, sizeof other, "rm -rf '%s' '%s'", dir_a, dir_b);
    assert_int_equal(system(other), 0);
    c = compare(&a, &b, NULL);
    for (size_t i = 0; i < sizeof COSTS / sizeof *COSTS; i++) {
        assert_true(isnan(metric(c, 0, COSTS[i])->effect) && isnan(metric(c, 0, COSTS[i])->p));
        says(metric(c, 0, COSTS[i])->reason, "other samples: 800 of 1000 and 800 are the same");
    }
    assert_true(isfinite(metric(c, 0, "accuracy")->effect) && metric(c, 0, "accuracy")->n_baseline == 800);
    assert_true(metric(c, 0, "model_bytes")->effect == 1);
    jb_comparison_close(c);
    // The same samples compare.
    b.cell[0].n_samples = 1000;
    assert_int_equal(system(other), 0);
    c = compare(&a, &b, NULL);
    assert_true(isfinite(metric(c, 0, "latency_mean_ns")->effect) && !metric(c, 0, "latency_mean_ns")->reason);
    jb_comparison_close(c);
}

static void other_machines(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    made_defaults(&a);
    made_defaults(&b);
    b.cpu = "cpu B";
    b.kernel = "jb_conv_ref";
    b.cell[0].mean_ns *= 2;
    struct jb_comparison *c = compare(&a, &b, NULL);
    says(metric(c, 0, "latency_mean_ns")->reason, "other CPU: cpu A against cpu B");
    assert_true(isnan(metric(c, 0, "latency_mean_ns")->effect) && metric(c, 0, "latency_mean_ns")->candidate > 190000);
    assert_true(isfinite(metric(c, 0, "accuracy")->effect));
    assert_true(differs(c, "cpu") && differs(c, "kernels"));
    jb_comparison_close(c);
    const char *dirs[] = { dir_a, dir_b, dir_a };
    if (jb_compare_across(dirs, 3, &o, &c, &err)) fail_msg("%s", err.detail);
    assert_int_equal(c->n_cells, 2);
    assert_string_equal(c->mode, "across");
    assert_int_equal(c->n_others, 1);
    assert_string_equal(c->cells[0].run, dir_b);
    assert_string_equal(c->cells[1].run, dir_a);
    const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
    assert_true(m->lower < 2 && m->upper > 2 && m->upper - m->lower < 0.2);
    says(m->reason, "other kernels");
    says(m->words, "times");
    assert_true(metric(c, 1, "latency_mean_ns")->effect == 1);
    jb_comparison_close(c);
    assert_int_equal(jb_compare_across(dirs, 1, &o, &c, &err), JB_E_USAGE);
}

static void joules(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    made_defaults(&a);
    a.cell[0].cls = JB_ENERGY_MEASURED;
    a.cell[0].uj = 50;
    a.cell[0].bound = 0.001;
    b = a;
    b.seed = 2;
    b.cell[0].uj = 60;
    b.cell[0].flipped = 92; // of 1000: 908 right become 828... of 920
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "uj_per_query"), *right = metric(c, 0, "uj_per_correct");
    assert_true(m->lower < 1.2 && m->upper > 1.2 && m->upper - m->lower < 0.06);
    assert_string_equal(m->energy_class, "measured");
    says(m->words, "more joules");
    assert_true(fabs(right->effect / m->effect - 920.0 / 828) < 0.01);
    double sharp = m->upper - m->lower;
    jb_comparison_close(c);
    // Wide hard bounds widen the interval until nothing can be seen.
    b.cell[0].bound = 0.2;
    made_write(&b, dir_c);
    if (jb_compare_past(dir_a, dir_c, &o, &c, &err)) fail_msg("%s", err.detail);
    m = metric(c, 0, "uj_per_query");
    assert_true(m->upper - m->lower > sharp + 0.4);
    assert_int_equal(jb_compared_sign(c, m), 0);
    jb_comparison_close(c);
}

// A window holds the joules of queries that were not recorded, too: they are rows of it. A sequence of a text can be as long as the whole rest.
static void rows_of_a_window(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    a.cell[0].cls = JB_ENERGY_MEASURED;
    a.cell[0].uj = 50;
    a.cell[0].bound = 0.001;
    b = a;
    b.seed = 2;
    b.cell[0].unrecorded = 200; // as many as were recorded
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "uj_per_query");
    assert_true(fabs(m->baseline - 50) < 1 && fabs(m->candidate - 50) < 1 && fabs(m->effect - 1) < 0.02);
    m = metric(c, 0, "uj_per_correct");
    assert_true(fabs(m->effect - 1) < 0.02 && m->candidate > 50 && m->candidate < 60); // about nine in ten are right
    jb_comparison_close(c);
}

static void joules_that_do_not_compare(void **state)
{
    (void)state;
    static const struct { enum jb_energy_class cls; const char *domains, *why; } CASES[] = {
        { JB_ENERGY_REPLAYED, "package-0", "other class of energy: measured against replayed" },
        { JB_ENERGY_MEASURED, "package-0 dram-0", "other domains" },
        { JB_ENERGY_NONE, "", "in the candidate: this machine has no sensor" },
        { JB_ENERGY_MODELLED, "package-0", "other class of energy: measured against modelled" },
    };
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    made_defaults(&a);
    a.cell[0].cls = JB_ENERGY_MEASURED;
    a.cell[0].uj = 50;
    made_write(&a, dir_a);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct jb_comparison *c = NULL;
        char dir[200];
        snprintf(dir, sizeof dir, "%s/%zu", root, i);
        b = a;
        b.cell[0].cls = CASES[i].cls;
        b.cell[0].domains = CASES[i].domains;
        made_write(&b, dir);
        if (jb_compare_past(dir_a, dir, &o, &c, &err)) fail_msg("%s", err.detail);
        says(metric(c, 0, "uj_per_query")->reason, CASES[i].why);
        assert_true(isnan(metric(c, 0, "uj_per_query")->effect) && isnan(metric(c, 0, "uj_per_correct")->effect));
        jb_comparison_close(c);
        // With its like each class compares, and says which it is.
        if (CASES[i].cls == JB_ENERGY_NONE) continue;
        if (jb_compare_past(dir, dir, &o, &c, &err)) fail_msg("%s", err.detail);
        assert_true(metric(c, 0, "uj_per_query")->effect == 1);
        assert_string_equal(metric(c, 0, "uj_per_query")->energy_class, jb_energy_class_name(CASES[i].cls));
        jb_comparison_close(c);
    }
}

static void contaminated_blocks_take_no_part(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.seed = 2;
    b.cell[0].contaminated = 8;
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
    assert_int_equal(m->n_candidate, 12);
    assert_true(fabs(m->effect - 1) < 0.03);
    jb_comparison_close(c);
}

static void too_little_for_an_interval(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    made_defaults(&b);
    b.seed = 2;
    b.cell[0].n_blocks = 4;
    b.cell[0].n_queries = 45;
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
    assert_true(isfinite(m->effect) && isnan(m->lower) && isnan(m->p));
    says(m->reason, "4 blocks, at least 5");
    assert_int_equal(jb_compared_sign(c, m), 0);
    assert_true(isnan(metric(c, 0, "p90_ns")->effect));
    says(metric(c, 0, "p90_ns")->reason, "180 queries: at least 200");
    says(metric(c, 0, "p99_ns")->reason, "180 queries: at least 2000");
    jb_comparison_close(c);
    uint32_t blocks, queries;
    jb_compare_needs(0.999, &blocks, &queries);
    assert_true(blocks == 10 && queries == 20000);
}

// ---- matching ----

static void cells_match_by_key(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    made_defaults(&a);
    b = a;
    a.cell[1] = a.cell[2] = b.cell[1] = b.cell[2] = a.cell[0];
    a.n_cells = b.n_cells = 3;
    a.cell[1].key = "1111111111111111", a.cell[1].label = "only in a";
    a.cell[2].key = b.cell[0].key = "2222222222222222", a.cell[2].label = "second", b.cell[0].label = "second";
    b.cell[1].key = "3333333333333333", b.cell[1].label = "only in b";
    b.cell[2].key = a.cell[0].key, b.cell[2].label = a.cell[0].label, b.cell[2].status = JB_CELL_FAILED;
    c = compare(&a, &b, NULL);
    assert_int_equal(c->n_cells, 4);
    says(c->cells[0].reason, "the candidate's cell is failed: made to fail");
    says(c->cells[1].reason, "only the baseline has it");
    assert_null(c->cells[1].label_candidate);
    assert_null(c->cells[2].reason);
    assert_string_equal(c->cells[2].label, "second");
    says(c->cells[3].reason, "only the candidate has it");
    assert_null(c->cells[3].label);
    assert_int_equal(c->exit_code, 3);
    jb_comparison_close(c);
    o.only = "sec*";
    if (jb_compare_past(dir_a, dir_b, &o, &c, &err)) fail_msg("%s", err.detail);
    assert_int_equal(c->n_cells, 1);
    assert_int_equal(c->exit_code, 0);
    jb_comparison_close(c);
    o.only = "nothing*";
    assert_int_equal(jb_compare_past(dir_a, dir_b, &o, &c, &err), JB_E_NOT_FOUND);
    says(err.detail, "nothing*");
    o.only = "only*"; // one of each side is left: these two are meant
    if (jb_compare_past(dir_a, dir_b, &o, &c, &err)) fail_msg("%s", err.detail);
    assert_int_equal(c->n_cells, 1);
    assert_string_equal(c->cells[0].label_candidate, "only in b");
    jb_comparison_close(c);
}

static void one_cell_each_is_a_pair(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    made_defaults(&a);
    b = a;
    b.cell[0].key = "9999999999999999", b.cell[0].label = "another";
    c = compare(&a, &b, NULL);
    assert_int_equal(c->n_cells, 1);
    assert_string_equal(c->cells[0].label_candidate, "another");
    assert_null(c->cells[0].reason);
    jb_comparison_close(c);
    b.n_cells = 2; // two there: which one?
    b.cell[1] = b.cell[0];
    b.cell[1].key = "8888888888888888";
    made_write(&b, dir_c);
    assert_int_equal(jb_compare_past(dir_a, dir_c, &o, &c, &err), JB_E_MISMATCH);
    says(err.detail, "no cell in common");
}

static void wrong_options(void **state)
{
    (void)state;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    o.confidence = 1;
    assert_int_equal(jb_compare_past("x", "y", &o, &c, &err), JB_E_RANGE);
    o = opts();
    o.resamples = 3;
    assert_int_equal(jb_compare_past("x", "y", &o, &c, &err), JB_E_RANGE);
}

// ---- what somebody may give us ----

static void fails(const char *a, const char *b, int code, const char *what)
{
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    int rc = jb_compare_past(a, b, &o, &c, &err);
    if (rc != code) fail_msg("%d instead of %d: %s", rc, code, err.detail);
    says(err.detail, what);
    assert_null(c);
}

static void write_at(const char *dir, const char *name, const char *text, size_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(text, 1, n, f);
    fclose(f);
}

static void hostile_directories(void **state)
{
    (void)state;
    struct made_run a;
    struct jb_err err = { 0 };
    char *text, path[300];
    size_t n;
    made_defaults(&a);
    made_write(&a, dir_a);
    fails(dir_a, "/nowhere/at/all", JB_E_NOT_FOUND, "/nowhere/at/all");
    assert_int_equal(jb_make_dirs(dir_b, NULL), 0);
    fails(dir_a, dir_b, JB_E_NOT_FOUND, "neither journal.jsonl nor results.json");
    write_at(dir_b, "journal.jsonl", "", 0);
    fails(dir_a, dir_b, JB_E_INVALID, dir_b);
    write_at(dir_b, "journal.jsonl", "garbage\ngarbage\n", 16);
    fails(dir_b, dir_a, JB_E_INVALID, "journal.jsonl");
    snprintf(path, sizeof path, "%s/journal.jsonl", dir_a);
    assert_int_equal(jb_read_file(path, 1 << 24, &text, &n, &err), 0);
    text[n / 2] ^= 1; // in the middle: damage, not a torn end
    write_at(dir_b, "journal.jsonl", text, n);
    fails(dir_a, dir_b, JB_E_INVALID, "journal.jsonl");
    text[n / 2] ^= 1;
    // Cut anywhere: what is whole is compared, or refused with a reason; never a crash.
    for (size_t cut = 1; cut < n; cut += 1 + n / 60) {
        struct jb_compare_opts o = opts();
        struct jb_comparison *c = NULL;
        write_at(dir_b, "journal.jsonl", text, cut);
        int rc = jb_compare_past(dir_a, dir_b, &o, &c, &err);
        if (rc) assert_true(err.detail[0]);
        else assert_non_null(c->cells[0].reason); // the raw figures are not there
        jb_comparison_close(c);
    }
    free(text);
    write_at(dir_b, "results.json", "{}", 2);
    snprintf(path, sizeof path, "%s/journal.jsonl", dir_b);
    unlink(path);
    fails(dir_a, dir_b, JB_E_INVALID, "results.json");
}

static void damaged_figures(void **state)
{
    (void)state;
    struct made_run a, b;
    char path[300];
    made_defaults(&a);
    made_defaults(&b);
    b.seed = 2;
    struct jb_comparison *c = compare(&a, &b, NULL);
    jb_comparison_close(c);
    snprintf(path, sizeof path, "%s/raw/0000000000000020.blocks", dir_b);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 200, SEEK_SET);
    fputc(0xAA, f);
    fputc(0x55, f);
    fclose(f);
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    if (jb_compare_past(dir_a, dir_b, &o, &c, &err)) fail_msg("%s", err.detail);
    says(c->cells[0].reason, "do not match their hash");
    assert_int_equal(c->exit_code, 3);
    jb_comparison_close(c);
}

// A stored results.json alone: exact figures and accuracies compare, nothing gets an interval that needs blocks.
static void results_alone(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    struct jb_run_data *d = NULL;
    struct jb_comparison *c = NULL;
    char path[300];
    made_defaults(&a);
    made_defaults(&b);
    b.cell[0].macs *= 1.5;
    b.cell[0].mean_ns *= 1.2;
    made_write(&a, dir_a);
    made_write(&b, dir_b);
    assert_int_equal(jb_run_data_open(&d, dir_a, &err), 0);
    assert_int_equal(jb_make_dirs(dir_c, NULL), 0);
    snprintf(path, sizeof path, "%s/results.json", dir_c);
    assert_int_equal(jb_result_write(jb_run_data_result(d), path, &err), 0);
    jb_run_data_close(d);
    for (int i = 0; i < 2; i++) { // the directory, and the file itself
        if (jb_compare_past(i ? path : dir_c, dir_b, &o, &c, &err)) fail_msg("%s", err.detail);
        const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
        assert_true(fabs(m->effect - 1.2) < 0.05 && isnan(m->lower) && isnan(m->p));
        says(m->reason, "results.json alone");
        m = metric(c, 0, "accuracy");
        assert_true(m->effect == 0 && m->lower < 0 && m->upper > 0);
        says(m->reason, "two independent proportions");
        assert_int_equal(jb_compared_sign(c, metric(c, 0, "macs_mean")), -1);
        says(metric(c, 0, "macs_mean")->words, "50 % more");
        jb_comparison_close(c);
    }
}

// ---- pairs, normalising ----

struct pair { struct jb_side_cell a, b; struct jb_result_cell cell; };

// Both sides drift together by `drift` from block to block; b is `factor` slower.
static void make_pairs(struct pair *p, size_t n, double drift, double factor, bool reference)
{
    struct jb_rng rng;
    jb_rng_seed(&rng, 11);
    *p = (struct pair){ 0 };
    jb_result_cell_init(&p->cell);
    struct jb_side_cell *side[2] = { &p->a, &p->b };
    for (int s = 0; s < 2; s++) {
        side[s]->cell = &p->cell;
        side[s]->blocks = calloc(n, sizeof *side[s]->blocks);
        side[s]->n_blocks = n;
        side[s]->energy_reason = "none";
    }
    for (size_t i = 0; i < n; i++) {
        double speed = exp(drift * jb_rng_normal(&rng));
        for (int s = 0; s < 2; s++) {
            double mine = reference ? exp(drift * jb_rng_normal(&rng)) : speed; // with a reference kernel each block has a speed of its own
            struct jb_side_block *b = &side[s]->blocks[i];
            *b = (struct jb_side_block){ .n_queries = 100, .latency_ns = calloc(100, sizeof(uint64_t)), .uj = NAN, .reference_ns = reference ? 1000 * mine : NAN, .valid = true, .others = NAN };
            for (int q = 0; q < 100; q++) b->latency_ns[q] = (uint64_t)(100000 * mine * (s ? factor : 1) * exp(0.01 * jb_rng_normal(&rng)));
        }
    }
}

static void compare_pairs(struct pair *p, bool paired, bool normalise, struct jb_compared_metric *mean, struct jb_compared_metric *p50)
{
    struct jb_compare_opts o = opts();
    struct jb_comparison *c = NULL;
    struct jb_compared_cell out = { 0 };
    struct jb_err err = { 0 };
    o.normalise = normalise;
    assert_int_equal(jb_comparison_open(&c), 0);
    c->mode = "live";
    if (jb_compare_cell(c, &p->a, &p->b, paired, &o, &out, &err)) fail_msg("%s", err.detail);
    *mean = *jb_compared_metric_find(&out, "latency_mean_ns");
    *p50 = *jb_compared_metric_find(&out, "p50_ns");
    mean->words = p50->words = NULL;
    jb_comparison_close(c);
}

static void pairs_see_through_drift(void **state)
{
    (void)state;
    struct pair p;
    struct jb_compared_metric mean, p50, loose, loose50;
    make_pairs(&p, 30, 0.2, 1.02, false);
    compare_pairs(&p, true, false, &mean, &p50);
    compare_pairs(&p, false, false, &loose, &loose50);
    assert_true(mean.lower > 1.01 && mean.lower < 1.02 && mean.upper > 1.02 && mean.upper < 1.03 && mean.p < 1e-6);
    assert_true(p50.lower > 1.01 && p50.upper < 1.03);
    assert_true(loose.lower < 1 && loose.upper > 1 && loose.upper - loose.lower > 10 * (mean.upper - mean.lower));
    // A pair counts only where both of its blocks do.
    p.a.blocks[3].valid = p.b.blocks[5].valid = false;
    compare_pairs(&p, true, false, &mean, &p50);
    assert_true(mean.n_baseline == 28 && mean.n_candidate == 28);
    jb_side_cell_free(&p.a);
    jb_side_cell_free(&p.b);
}

static void normalising_by_the_reference(void **state)
{
    (void)state;
    struct pair p;
    struct jb_compared_metric mean, p50, raw, raw50;
    make_pairs(&p, 30, 0.2, 1.02, true);
    compare_pairs(&p, false, true, &mean, &p50);
    compare_pairs(&p, false, false, &raw, &raw50);
    assert_true(mean.lower > 1 && mean.upper < 1.04 && fabs(mean.effect - 1.02) < 0.01);
    assert_true(mean.raw_effect == raw.effect && mean.raw_lower == raw.lower && mean.raw_upper == raw.upper); // both figures are given
    assert_true(raw.upper - raw.lower > 5 * (mean.upper - mean.lower));
    assert_true(isnan(raw.raw_effect));
    p.b.blocks[7].reference_ns = NAN; // one block without: nothing is normalised, and it is said
    compare_pairs(&p, false, true, &mean, &p50);
    assert_true(mean.effect == raw.effect && isnan(mean.raw_effect));
    says(mean.reason, "not normalised");
    jb_side_cell_free(&p.a);
    jb_side_cell_free(&p.b);
}

// The rule stands in the plans: both must have it.
static void the_plan_says_whether_to_normalise(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_compare_opts o = opts();
    struct jb_err err = { 0 };
    made_defaults(&a);
    a.normalise = "reference";
    a.cell[0].reference_ns = 50000;
    a.cell[0].block_sd = 0.2;
    b = a;
    b.seed = 2;
    struct jb_comparison *c = compare(&a, &b, NULL);
    const struct jb_compared_metric *m = metric(c, 0, "latency_mean_ns");
    assert_true(isfinite(m->raw_effect) && m->upper - m->lower < (m->raw_upper - m->raw_lower) / 5 && fabs(m->effect - 1) < 0.02);
    jb_comparison_close(c);
    b.normalise = "none";
    made_write(&b, dir_c);
    if (jb_compare_past(dir_a, dir_c, &o, &c, &err)) fail_msg("%s", err.detail);
    assert_true(isnan(metric(c, 0, "latency_mean_ns")->raw_effect));
    jb_comparison_close(c);
}

// ---- front and tail ----

static void the_front_with_confidence(void **state)
{
    (void)state;
    struct made_run a;
    made_defaults(&a);
    a.n_cells = 4;
    a.cell[1] = a.cell[2] = a.cell[3] = a.cell[0];
    a.cell[1].key = "1111111111111111", a.cell[1].label = "worse and slower", a.cell[1].n_wrong = 300, a.cell[1].mean_ns = 300000;
    a.cell[2].key = "2222222222222222", a.cell[2].label = "better and slower", a.cell[2].n_wrong = 10, a.cell[2].mean_ns = 200000;
    a.cell[3].key = "3333333333333333", a.cell[3].label = "the same again"; // as the first, up to noise: one of them is ahead by chance
    a.cell[3].mean_ns = 100000;
    struct jb_comparison *c = compare(&a, &a, NULL);
    assert_string_equal(c->cells[1].front, "surely off");
    assert_string_equal(c->cells[2].front, "surely");
    assert_string_equal(c->cells[0].front, "perhaps");
    assert_string_equal(c->cells[3].front, "perhaps");
    assert_null(c->cells[0].front_joules);
    jb_comparison_close(c);
}

static void what_makes_up_the_tail(void **state)
{
    (void)state;
    struct made_run a, b;
    made_defaults(&a);
    b = a;
    b.cell[0].slow_exit = 3;
    struct jb_comparison *c = compare(&a, &b, NULL);
    assert_true(c->cells[0].n_tail >= 1);
    assert_string_equal(c->cells[0].tail[0].name, "slowest 1 %: exit 3");
    assert_string_equal(c->cells[0].tail[0].value, "100 % of them, 5 % of all");
    jb_comparison_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(percentiles_of_draws), T(p_value_and_interval_agree), T(known_answers), T(bounds_widen), T(a_known_slowdown), T(nothing_where_nothing_is), T(flipped_predictions), T(other_samples), T(another_part_of_the_samples),
        T(other_machines), T(joules), T(rows_of_a_window), T(joules_that_do_not_compare), T(contaminated_blocks_take_no_part), T(too_little_for_an_interval), T(cells_match_by_key), T(one_cell_each_is_a_pair),
        T(wrong_options), T(hostile_directories), T(damaged_figures), T(results_alone), T(pairs_see_through_drift), T(normalising_by_the_reference), T(the_plan_says_whether_to_normalise), T(the_front_with_confidence),
        T(what_makes_up_the_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
