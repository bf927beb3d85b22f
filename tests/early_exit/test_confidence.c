// Confidence measures against double-precision references, and where they are not defined.
#include "tests/early_exit/unit.h"

static void softmax(const float *z, uint32_t n, double inverse_temperature, double *p)
{
    double largest = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++) largest = fmax(largest, z[i]);
    for (uint32_t i = 0; i < n; i++) sum += p[i] = exp((z[i] - largest) * inverse_temperature);
    for (uint32_t i = 0; i < n; i++) p[i] /= sum;
}

static void reference(const float *z, uint32_t n, double inverse_temperature, double out[3])
{
    double p[64], first = 0, second = 0, h = 0;
    softmax(z, n, inverse_temperature, p);
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] > first) { second = first; first = p[i]; }
        else if (p[i] > second) second = p[i];
        if (p[i] > 0) h -= p[i] * log(p[i]);
    }
    out[0] = first;
    out[1] = first - second;
    out[2] = 1 - h / log(n);
}

static void agrees_with_double(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 1);
    for (int trial = 0; trial < 30000; trial++) {
        float z[64];
        uint32_t n = 2 + (uint32_t)jb_rng_below(&rng, 63);
        double spread = pow(10.0, 4.0 * jb_rng_unit(&rng) - 2.0);
        float inverse_temperature = (float)pow(10.0, 2.0 * jb_rng_unit(&rng) - 1.0);
        for (uint32_t i = 0; i < n; i++) z[i] = (float)(spread * jb_rng_normal(&rng));
        double want[3];
        reference(z, n, inverse_temperature, want);
        float got[3] = {jb_conf_maxprob(z, n, inverse_temperature), jb_conf_margin(z, n, inverse_temperature), jb_conf_entropy(z, n, inverse_temperature)};
        for (int m = 0; m < 3; m++) {
            // Rounding of (z - max) / T is relative to its size, and exp turns it into a relative error of p.
            double tolerance = 4e-6 + 1e-6 * (m == 2);
            if (!(fabs(got[m] - want[m]) <= tolerance)) fail_msg("measure %d: %.9g, must be %.9g (n %u, spread %g)", m, got[m], want[m], n, spread);
            assert_true(got[m] >= 0 && got[m] <= 1);
        }
    }
}

static void known_answers(void **state)
{
    (void)state;
    const float equal[4] = {2, 2, 2, 2}, sure[3] = {0, 1000, -1000}, two[2] = {0, 0.6931472f};
    assert_true(jb_conf_maxprob(equal, 4, 1) == 0.25f);
    assert_true(jb_conf_margin(equal, 4, 1) == 0.0f);
    assert_true(fabsf(jb_conf_entropy(equal, 4, 1)) < 1e-6f);
    assert_true(jb_conf_maxprob(sure, 3, 1) == 1.0f);
    assert_true(jb_conf_margin(sure, 3, 1) == 1.0f);
    assert_true(jb_conf_entropy(sure, 3, 1) == 1.0f);
    assert_true(fabsf(jb_conf_maxprob(two, 2, 1) - 2.0f / 3) < 1e-6f);
    assert_true(fabsf(jb_conf_margin(two, 2, 1) - 1.0f / 3) < 1e-6f);
    assert_true(fabsf(jb_conf_maxprob(two, 2, 2) - 0.8f) < 1e-6f);
    assert_true(jb_conf_maxprob(two, 1, 1) == 1.0f && jb_conf_margin(two, 1, 1) == 1.0f && jb_conf_entropy(two, 1, 1) == 1.0f);
}

typedef float measure(const float *, uint32_t, float);
static measure *const measures[] = {jb_conf_maxprob, jb_conf_margin, jb_conf_entropy};

static void undefined_is_nan(void **state)
{
    (void)state;
    const float bad[][3] = {{NAN, 1, 2}, {1, NAN, 2}, {1, 2, NAN}, {NAN, NAN, NAN}, {INFINITY, 1, 2}, {1, 2, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
    const float fine[3] = {1, 2, 3};
    for (size_t m = 0; m < N_ELEMENTS(measures); m++) {
        for (size_t i = 0; i < N_ELEMENTS(bad); i++) assert_true(isnan(measures[m](bad[i], 3, 1)));
        const float temperatures[] = {0, -1, NAN, INFINITY};
        for (size_t i = 0; i < N_ELEMENTS(temperatures); i++) assert_true(isnan(measures[m](fine, 3, temperatures[i])));
        const float masked[3] = {-INFINITY, 0, 0}, huge[3] = {3e38f, -3e38f, -3e38f}, tiny[3] = {1e-40f, 0, 0};
        assert_true(isfinite(measures[m](masked, 3, 1)));
        assert_true(isfinite(measures[m](huge, 3, 20)));
        assert_true(isfinite(measures[m](tiny, 3, 1)));
    }
}

static void argmax_is_deterministic(void **state)
{
    (void)state;
    assert_int_equal(jb_argmax((float[]){1, 3, 3}, 3), 1);
    assert_int_equal(jb_argmax((float[]){NAN, -5, NAN}, 3), 1);
    assert_int_equal(jb_argmax((float[]){NAN, -INFINITY}, 2), 0);
    assert_int_equal(jb_argmax((float[]){NAN, NAN}, 2), 0);
    assert_int_equal(jb_argmax((float[]){-INFINITY, -INFINITY}, 2), 0);
    assert_int_equal(jb_argmax((float[]){2, NAN, INFINITY}, 3), 2);
    assert_int_equal(jb_head_prediction(&(struct jb_head_row){0}), 0);
    struct jb_top top = {.index = 7};
    assert_int_equal(jb_head_prediction(&(struct jb_head_row){.top = &top, .n_top = 1}), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_double),
        cmocka_unit_test(known_answers),
        cmocka_unit_test(undefined_is_nan),
        cmocka_unit_test(argmax_is_deterministic),
    };
    return cmocka_run_group_tests_name("confidence", tests, NULL, NULL);
}
