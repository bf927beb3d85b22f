// Calibration against brute force, its behaviour on data it has not seen, the thresholds file, and the quality measures.
#include "tests/early_exit/unit.h"
#include <unistd.h>
#include "base/fs.h"

static void replay_all(const struct jb_recording *r, const struct jb_policy *p, double *loss, double *macs)
{
    double lost = 0, sum = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        struct jb_query_result q;
        assert_int_equal(jb_recording_replay(r, p, i, &q), 0);
        lost += (double)(jb_recording_prediction(r, i, r->n_exits - 1) == r->label[i]) - (double)(q.prediction == r->label[i]);
        sum += (double)jb_cost_macs(&q.cost);
    }
    *loss = lost / r->n;
    *macs = sum / r->n;
}

static struct jb_policy policy_of(const struct jb_calibrated *c)
{
    struct jb_policy p;
    assert_int_equal(jb_policy_make(&p, c->policy, NULL, 0, c->threshold, c->n_exits - 1, c->n_exits, NULL), 0);
    return p;
}

// Every observed confidence tried by replay, cheapest that holds the target while nothing safer clearly breaks it.
static double brute_uniform(const struct jb_recording *r, const char *name, double target)
{
    struct jb_policy never = unit_threshold_policy(name, JB_THRESHOLD_NEVER, r->n_exits);
    double *candidate = malloc(r->n * r->n_exits * sizeof *candidate), best_macs, loss;
    size_t n = 0;
    replay_all(r, &never, &loss, &best_macs);
    for (uint32_t i = 0; i < r->n; i++) {
        struct jb_query_result q;
        jb_recording_replay(r, &never, i, &q);
        for (uint32_t j = 0; j + 1 < q.n_reached; j++)
            if (!isnan(q.confidence[j])) candidate[n++] = q.confidence[j];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (candidate[j] > candidate[i]) { double t = candidate[i]; candidate[i] = candidate[j]; candidate[j] = t; }
    for (size_t i = 0; i < n; i++) {
        struct jb_policy p = unit_threshold_policy(name, candidate[i], r->n_exits);
        double macs, square = 0, error;
        replay_all(r, &p, &loss, &macs);
        if (loss <= target + 1e-12 && macs < best_macs) best_macs = macs;
        for (uint32_t s = 0; s < r->n; s++) {
            struct jb_query_result q;
            jb_recording_replay(r, &p, s, &q);
            square += (jb_recording_prediction(r, s, r->n_exits - 1) == r->label[s]) != (q.prediction == r->label[s]);
        }
        error = sqrt(fmax(square / r->n - loss * loss, 0) / r->n);
        if (loss > target + error) break;
    }
    free(candidate);
    return best_macs;
}

static void uniform_is_exact(void **state)
{
    (void)state;
    const char *const names[] = {"maxprob", "margin", "entropy"};
    struct jb_rng rng;
    jb_rng_seed(&rng, 11);
    for (int trial = 0; trial < 12; trial++) {
        struct jb_recording r;
        unit_recording(&r, 40, 2 + (uint32_t)jb_rng_below(&rng, 4), 4, "int8");
        unit_fill(&r, &rng);
        if (trial % 3 == 0) for (uint32_t i = 0; i < 40 * r.n_exits * 4; i++) r.logits[i] = roundf(r.logits[i]); // many ties
        if (trial % 5 == 0) r.logits[1] = NAN;
        for (size_t k = 0; k < N_ELEMENTS(names); k++) {
            double target = 0.05 * (double)jb_rng_below(&rng, 4), loss, macs;
            struct jb_calibrated c;
            assert_int_equal(jb_calibrate(&c, &r, names[k], target, false, NULL), 0);
            struct jb_policy p = policy_of(&c);
            replay_all(&r, &p, &loss, &macs);
            assert_true(loss == c.loss_observed && macs == c.macs_mean);
            assert_true(loss <= target + 1e-12);
            double best = brute_uniform(&r, names[k], target);
            if (macs != best) fail_msg("trial %d %s: %.6f MACs, brute force %.6f", trial, names[k], macs, best);
        }
        jb_recording_close(&r);
    }
}

static void per_exit_is_never_costlier(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 12);
    double gain = 0;
    for (int trial = 0; trial < 5; trial++) {
        struct jb_recording r;
        struct jb_calibrated uniform, per_exit, again;
        unit_recording(&r, 600, 5, 10, "int8");
        unit_fill(&r, &rng);
        double target = 0.002 * (double)jb_rng_below(&rng, 5), loss, macs;
        assert_int_equal(jb_calibrate(&uniform, &r, "maxprob", target, false, NULL), 0);
        assert_int_equal(jb_calibrate(&per_exit, &r, "maxprob", target, true, NULL), 0);
        assert_int_equal(jb_calibrate(&again, &r, "maxprob", target, true, NULL), 0);
        assert_memory_equal(&per_exit, &again, sizeof again);
        assert_true(per_exit.macs_mean <= uniform.macs_mean);
        struct jb_policy p = policy_of(&per_exit);
        replay_all(&r, &p, &loss, &macs);
        assert_true(loss <= target + 1e-12 && macs == per_exit.macs_mean);
        gain += uniform.macs_mean / per_exit.macs_mean / 5;
        jb_recording_close(&r);
    }
    assert_true(gain >= 1.0);
    print_message("per exit against uniform: %.3f times fewer MACs\n", gain);
}

// Mean loss on fresh data of the same kind: what the guard is for.
static void holds_on_fresh_data(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 13);
    for (int per_exit = 0; per_exit < 2; per_exit++) {
        double sum = 0;
        for (int trial = 0; trial < 4; trial++) {
            struct jb_recording fit, test;
            struct jb_calibrated c;
            double loss, macs;
            unit_recording(&fit, 2000, 5, 10, "int8");
            unit_recording(&test, 5000, 5, 10, "int8");
            unit_fill(&fit, &rng);
            unit_fill(&test, &rng);
            assert_int_equal(jb_calibrate(&c, &fit, "maxprob", 0.005, per_exit, NULL), 0);
            struct jb_policy p = policy_of(&c);
            replay_all(&test, &p, &loss, &macs);
            sum += loss / 4;
            jb_recording_close(&fit);
            jb_recording_close(&test);
        }
        print_message("%s: mean loss on fresh data %.5f at target 0.005\n", per_exit ? "per exit" : "uniform", sum);
        assert_true(sum < 0.013); // one such network scatters by 0.007: four of them by half that
    }
}

static void patience_and_refusals(void **state)
{
    (void)state;
    struct jb_rng rng;
    struct jb_recording r;
    struct jb_calibrated c;
    struct jb_err err = {0};
    jb_rng_seed(&rng, 14);
    unit_recording(&r, 500, 5, 10, "int8");
    unit_fill(&r, &rng);
    assert_int_equal(jb_calibrate(&c, &r, "patience", 1.0, false, NULL), 0);
    assert_true(c.threshold[0] == 1);
    assert_int_equal(jb_calibrate(&c, &r, "patience", 0.0, false, NULL), 0);
    assert_true(c.loss_observed <= 0 && c.threshold[0] >= 1 && c.threshold[0] <= 5);
    assert_int_equal(jb_calibrate(&c, &r, "fixed", 0.01, false, &err), JB_E_INVALID);
    assert_int_equal(jb_calibrate(&c, &r, "nothing", 0.01, false, &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_calibrate(&c, &r, "maxprob", -0.1, false, &err), JB_E_RANGE);
    assert_int_equal(jb_calibrate(&c, &r, "maxprob", NAN, false, &err), JB_E_RANGE);
    r.label[7] = UINT32_MAX;
    assert_int_equal(jb_calibrate(&c, &r, "maxprob", 0.01, false, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "sample 7"));
    jb_recording_close(&r);
}

static void one_exit_and_all_nan(void **state)
{
    (void)state;
    struct jb_recording r;
    struct jb_calibrated c;
    unit_recording(&r, 10, 1, 3, "int8");
    assert_int_equal(jb_calibrate(&c, &r, "maxprob", 0.01, true, NULL), 0);
    assert_int_equal(jb_calibrate(&c, &r, "patience", 0.01, true, NULL), 0);
    jb_recording_close(&r);
    unit_recording(&r, 10, 3, 3, "int8");
    for (int i = 0; i < 10 * 9; i++) r.logits[i] = NAN;
    assert_int_equal(jb_calibrate(&c, &r, "entropy", 1.0, true, NULL), 0);
    assert_true(c.threshold[0] == JB_THRESHOLD_NEVER && c.threshold[1] == JB_THRESHOLD_NEVER);
    jb_recording_close(&r);
}

static void quality(void **state)
{
    (void)state;
    struct jb_rng rng;
    struct jb_recording r;
    jb_rng_seed(&rng, 15);
    // Two classes, logit difference d, label drawn from sigmoid(d / 2): calibrated at temperature 2.
    unit_recording(&r, 40000, 1, 2, "int8");
    for (uint32_t i = 0; i < r.n; i++) {
        double d = 6.0 * jb_rng_normal(&rng);
        r.logits[2 * i] = 0;
        r.logits[2 * i + 1] = (float)d;
        r.label[i] = jb_rng_unit(&rng) < 1 / (1 + exp(-d / 2));
    }
    assert_true(fabs(jb_fit_temperature(&r, 0) - 2.0) < 0.06);
    double raw = jb_recording_ece(&r, 0);
    r.inverse_temperature[0] = 0.5f;
    assert_true(jb_recording_ece(&r, 0) < 0.01 && raw > 0.03);
    double auroc = jb_recording_auroc(&r, 0);
    assert_true(auroc > 0.7 && auroc < 0.9);
    jb_recording_close(&r);
    // Four samples by hand: confidences .6 right, .7 wrong, .8 right, .8 wrong -> wins (0 + .5) + ... of 4 pairs: .8>.7, .8=.8 half: 1.5 / 4.
    const double p[4] = {0.6, 0.7, 0.8, 0.8};
    const uint32_t label[4] = {1, 0, 1, 0};
    unit_recording(&r, 4, 1, 2, "int8");
    for (uint32_t i = 0; i < 4; i++) {
        r.logits[2 * i + 1] = (float)log(p[i] / (1 - p[i]));
        r.label[i] = label[i];
    }
    assert_true(fabs(jb_recording_auroc(&r, 0) - 1.5 / 4) < 1e-9);
    assert_true(fabs(jb_recording_ece(&r, 0) - (0.4 + 0.7 + 0.6) / 4) < 1e-6); // bins .6, .7 and .8: |1-.6|, |0-.7|, |1-1.6|
    for (int i = 0; i < 4; i++) r.label[i] = UINT32_MAX;
    assert_true(isnan(jb_recording_auroc(&r, 0)) && isnan(jb_recording_ece(&r, 0)) && isnan(jb_fit_temperature(&r, 0)));
    jb_recording_close(&r);
}

static void file_name(char *out, size_t n, const char *name)
{
    snprintf(out, n, "/tmp/jb_thresholds_%d_%s", (int)getpid(), name);
}

static struct jb_thresholds sample_file(void)
{
    struct jb_thresholds t = {.split = "calibration", .n = 3000, .n_entries = 2};
    memset(t.model_sha256, 'a', 64);
    memset(t.split_sha256, 'b', 64);
    t.entries = calloc(2, sizeof *t.entries);
    t.entries[0] = (struct jb_calibrated){.policy = "maxprob", .precision = "escalate:int4>int8", .target_loss = 0.005, .threshold = {0.1f, 0.7, 2}, .n_exits = 4,
                                          .loss_observed = 0.0049, .accuracy = 0.93, .macs_mean = 1234567.25};
    t.entries[1] = (struct jb_calibrated){.policy = "patience", .precision = "f32", .target_loss = 0.01, .threshold = {2, 2, 2}, .n_exits = 4, .accuracy = 0.9, .macs_mean = 5};
    return t;
}

static void file_round_trip(void **state)
{
    (void)state;
    char path[128];
    file_name(path, sizeof path, "a.json");
    struct jb_thresholds t = sample_file(), back;
    jb_thresholds_seal(&t);
    assert_int_equal(strlen(t.id), 64);
    assert_int_equal(jb_thresholds_write(&t, path, NULL), 0);
    assert_int_equal(jb_thresholds_read(&back, path, NULL), 0);
    assert_string_equal(back.id, t.id);
    assert_int_equal(back.n, 3000);
    assert_int_equal(back.n_entries, 2);
    for (int i = 0; i < 2; i++) assert_memory_equal(&back.entries[i], &t.entries[i], sizeof t.entries[i]);
    assert_non_null(jb_thresholds_find(&back, "maxprob", "escalate:int4>int8", 0.005));
    assert_null(jb_thresholds_find(&back, "maxprob", "int8", 0.005));
    assert_null(jb_thresholds_find(&back, "maxprob", "escalate:int4>int8", 0.006));
    back.entries[0].threshold[0] = 0.2;
    jb_thresholds_seal(&back);
    assert_string_not_equal(back.id, t.id);
    jb_thresholds_close(&t);
    jb_thresholds_close(&back);
    unlink(path);
}

// Replaces the first `from` of a good file by `to`, and reads it.
static int read_changed(const char *from, const char *to, struct jb_err *err)
{
    char path[128], *text, changed[8192];
    size_t n;
    file_name(path, sizeof path, "b.json");
    struct jb_thresholds t = sample_file(), back;
    assert_int_equal(jb_thresholds_write(&t, path, NULL), 0);
    jb_thresholds_close(&t);
    assert_int_equal(jb_read_file(path, 8000, &text, &n, NULL), 0);
    char *at = strstr(text, from);
    if (!at) fail_msg("%s is not in the file:\n%s", from, text);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_int_equal(jb_write_file_atomic(path, changed, strlen(changed), NULL), 0);
    free(text);
    *err = (struct jb_err){0};
    int rc = jb_thresholds_read(&back, path, err);
    if (rc == 0) jb_thresholds_close(&back);
    unlink(path);
    return rc;
}

static void file_refusals(void **state)
{
    (void)state;
    struct jb_err err;
    const struct { const char *from, *to; int code; } cases[] = {
        {"thresholds/1", "thresholds/9", JB_E_UNSUPPORTED},
        {"aaaa", "AAAA", JB_E_INVALID},
        {"aaaa", "aaa", JB_E_INVALID},
        {"3000", "0", JB_E_RANGE},
        {"3000", "3001", JB_E_MISMATCH},
        {"0.7", "0.71", JB_E_MISMATCH},
        {"0.7", "1.7", JB_E_RANGE},
        {"0.7", "\"x\"", JB_E_INVALID},
        {"0.7,", "", JB_E_INVALID},
        {"\"maxprob\"", "\"final\"", JB_E_INVALID},
        {"\"maxprob\"", "\"nothing\"", JB_E_NOT_FOUND},
        {"\"maxprob\"", "null", JB_E_INVALID},
        {"\"accuracy\"", "\"acuracy\"", JB_E_INVALID},
        {"\"entries\"", "\"extra\"", JB_E_INVALID},
        {"0.93", "1.93", JB_E_RANGE},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        int rc = read_changed(cases[i].from, cases[i].to, &err);
        if (rc != cases[i].code || !err.detail[0]) fail_msg("%s -> %s: %d \"%s\"", cases[i].from, cases[i].to, rc, err.detail);
    }
    struct jb_thresholds t;
    assert_int_not_equal(jb_thresholds_read(&t, "/nonexistent/thresholds.json", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_is_exact),      cmocka_unit_test(per_exit_is_never_costlier), cmocka_unit_test(holds_on_fresh_data),
        cmocka_unit_test(patience_and_refusals), cmocka_unit_test(one_exit_and_all_nan),       cmocka_unit_test(quality),
        cmocka_unit_test(file_round_trip),       cmocka_unit_test(file_refusals),
    };
    return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
