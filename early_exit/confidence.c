// Confidence measures of a softmax, and the answer. They stand in the path of every exit of every query, live and
// replayed, so they are cheap and deterministic: own exp and log in plain float arithmetic (no contraction, no libm that could
// differ between machines), accurate to about 2e-7, far below what a threshold can tell apart.
#include <math.h>
#include <string.h>
#include "early_exit/policy.h"

#define LN2_HIGH 0.693359375f      // ln 2 in two parts, so that x - n ln 2 is exact in float (Cody & Waite 1980)
#define LN2_LOW -2.12194440e-4f
#define LOG2_E 1.44269504088896341f
#define LEAST_EXPONENT -87.0f      // below it exp leaves the normal floats; the term is nothing beside the largest, which is 1

// Four lanes by the compilers' vector extension, which every target has: the same operations in the same order everywhere.
typedef float lanes __attribute__((vector_size(16)));
typedef int32_t int_lanes __attribute__((vector_size(16)));
#define LANES 4

// exp(x) for -87 <= x <= 0. Polynomial of the Cephes library's expf (Moshier 1989).
static lanes exp_nonpositive(lanes x)
{
    int_lanes n = __builtin_convertvector(x * LOG2_E - 0.5f, int_lanes); // truncation rounds to nearest for negative numbers
    lanes n_float = __builtin_convertvector(n, lanes);
    lanes r = x - n_float * LN2_HIGH - n_float * LN2_LOW;
    lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (lanes)((n + 127) << 23);
}

// ln(x) for normal x >= 1. Polynomial of the Cephes library's logf.
static float log_from_one(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t n = (int32_t)(bits >> 23) - 126;
    bits = (bits & 0x007fffffu) | 0x3f000000u; // mantissa in [0.5, 1)
    float m;
    memcpy(&m, &bits, sizeof m);
    if (m < 0.70710678f) { m = m + m; n--; }
    m -= 1.0f;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float square = m * m;
    p = p * m * square + (float)n * LN2_LOW - 0.5f * square;
    return m + p + (float)n * LN2_HIGH;
}

// Finds the two largest; false when the softmax is not defined (a NaN, or a largest logit that is not finite).
static bool two_largest(const float *logits, uint32_t n, float *first, float *second)
{
    float a = -INFINITY, b = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        float z = logits[i];
        if (z > a) { b = a; a = z; }
        else if (z > b) b = z;
        else if (!(z <= b)) return false;
    }
    *first = a;
    *second = b;
    return a > -INFINITY && a < INFINITY;
}

static bool usable_temperature(float inverse)
{
    return inverse > 0.0f && inverse < INFINITY;
}

// (z - largest) / T, from LEAST_EXPONENT on.
static lanes exponents(lanes z, float largest, float inverse_temperature)
{
    lanes d = (z - largest) * inverse_temperature, least = {LEAST_EXPONENT, LEAST_EXPONENT, LEAST_EXPONENT, LEAST_EXPONENT};
    int_lanes above = d > least;
    return (lanes)((above & (int_lanes)d) | (~above & (int_lanes)least));
}

// Exponents of the next four terms; lanes behind the end get LEAST_EXPONENT, which adds nothing to a sum of at least 1.
static lanes next_exponents(const float *logits, uint32_t n, uint32_t at, float largest, float inverse_temperature)
{
    lanes z = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    if (n - at >= LANES) memcpy(&z, logits + at, sizeof z);
    else
        for (uint32_t k = 0; k < n - at; k++) z[k] = logits[at + k];
    return exponents(z, largest, inverse_temperature);
}

static float sum_of(lanes x)
{
    return (x[0] + x[1]) + (x[2] + x[3]);
}

static float partition(const float *logits, uint32_t n, float largest, float inverse_temperature)
{
    lanes sum = {0};
    for (uint32_t i = 0; i < n; i += LANES) sum += exp_nonpositive(next_exponents(logits, n, i, largest, inverse_temperature));
    return sum_of(sum);
}

static float unit_range(float x)
{
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

float jb_conf_maxprob(const float *logits, uint32_t n, float inverse_temperature)
{
    float first, second;
    if (!usable_temperature(inverse_temperature) || !two_largest(logits, n, &first, &second)) return NAN;
    return 1.0f / partition(logits, n, first, inverse_temperature);
}

float jb_conf_margin(const float *logits, uint32_t n, float inverse_temperature)
{
    float first, second;
    if (!usable_temperature(inverse_temperature) || !two_largest(logits, n, &first, &second)) return NAN;
    if (n < 2) return 1.0f;
    float sum = partition(logits, n, first, inverse_temperature);
    lanes d = exponents((lanes){second}, first, inverse_temperature);
    return unit_range((1.0f - exp_nonpositive(d)[0]) / sum);
}

// With d_i = (z_i - max) / T and S = sum exp d_i: H = ln S - (sum d_i exp d_i) / S, one pass and no logarithm per class.
float jb_conf_entropy(const float *logits, uint32_t n, float inverse_temperature)
{
    float first, second;
    if (!usable_temperature(inverse_temperature) || !two_largest(logits, n, &first, &second)) return NAN;
    if (n < 2) return 1.0f;
    lanes sums = {0}, weighteds = {0};
    for (uint32_t i = 0; i < n; i += LANES) {
        lanes d = next_exponents(logits, n, i, first, inverse_temperature);
        lanes e = exp_nonpositive(d);
        sums += e;
        weighteds += d * e;
    }
    float sum = sum_of(sums), weighted = sum_of(weighteds);
    float h = log_from_one(sum) - weighted / sum;
    return unit_range(1.0f - h / log_from_one((float)n));
}

#define SUM_CHUNK 256u // terms added up in float before they go to the double: a vocabulary's sum keeps seven digits

double jb_logprob(const float *logits, uint32_t n, uint32_t token)
{
    float largest, second;
    if (token >= n || !two_largest(logits, n, &largest, &second)) return NAN;
    double sum = 0;
    for (uint32_t i = 0; i < n; i += SUM_CHUNK) sum += (double)partition(logits + i, n - i < SUM_CHUNK ? n - i : SUM_CHUNK, largest, 1.0f);
    return (double)logits[token] - (double)largest - log(sum);
}

// The rule of a session's top-n, so that both give one answer.
uint32_t jb_argmax(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    float largest = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        if (!(logits[i] > largest)) continue;
        largest = logits[i];
        best = i;
    }
    return best;
}

uint32_t jb_head_prediction(const struct jb_head_row *head)
{
    if (head->logits) return jb_argmax(head->logits, head->n_logits);
    if (head->top && head->n_top > 0 && head->top[0].index >= 0) return (uint32_t)head->top[0].index;
    return 0;
}
