// Deliberately wrong kernels: the checker must catch each.
#include <math.h>
#include <string.h>

#include "kernels/check_run.h"
#include "kernels/plane.h"

static uint8_t *last_u8(const struct jb_plane *out)
{
    return jb_row_u8(out, out->h - 1) + (ptrdiff_t)out->w * out->c - 1;
}

static float *last_f32(const struct jb_plane *out)
{
    return jb_row_f32(out, out->h - 1) + (ptrdiff_t)out->w * out->c - 1;
}

static void bad_off_by_one(const struct jb_conv_u8 *a)
{
    jb_conv_u8_ref(a);
    if (!a->out_f32)
        *last_u8(a->out) ^= 1;
}

static void bad_writes_past_row(const struct jb_conv_u8 *a)
{
    jb_conv_u8_ref(a);
    if (!a->out_f32)
        last_u8(a->out)[1] = 0;
}

static void bad_ignores_residual(const struct jb_conv_u8 *a)
{
    struct jb_conv_u8 b = *a;
    b.residual = NULL;
    jb_conv_u8_ref(&b);
}

// What pmaddubsw does: pairs saturate at 16 bits.
static int32_t saturating_dot(const struct jb_conv_u8 *a, const uint8_t *x, const int8_t *w, int32_t acc)
{
    int32_t run = a->g.kernel_w * a->g.in_c;
    for (int32_t r = 0; r < a->g.kernel_h; r++, x += a->in->row_stride, w += run)
        for (int32_t i = 0; i < run; i += 2)
            acc += jb_clamp_i32(x[i] * w[i] + (i + 1 < run ? x[i + 1] * w[i + 1] : 0), -32768, 32767);
    return acc;
}

static void bad_saturates(const struct jb_conv_u8 *a)
{
    const struct jb_conv_geom *g = &a->g;
    ptrdiff_t n = (ptrdiff_t)g->kernel_h * g->kernel_w * g->in_c;
    jb_conv_u8_ref(a);
    if (a->weights_are_s4 || a->residual || a->out_f32 || g->groups > 1)
        return;
    for (int32_t y = 0; y < g->out_h; y++)
        for (int32_t x = 0; x < g->out_w; x++)
            for (int32_t o = 0; o < g->out_c; o++) {
                const uint8_t *in = jb_row_u8(a->in, (ptrdiff_t)y * g->stride_h - g->pad_h) + ((ptrdiff_t)x * g->stride_w - g->pad_w) * g->in_c;
                int32_t acc = saturating_dot(a, in, (const int8_t *)a->weights + o * n, a->bias[o]);
                jb_row_u8(a->out, y)[(ptrdiff_t)x * g->out_c + o] = jb_requant((float)acc * a->mult[o], a->out_zero, a->lo, a->hi);
            }
}

static void bad_does_nothing(const struct jb_conv_f32 *a)
{
    (void)a;
}

static void bad_one_in_a_thousand(const struct jb_conv_f32 *a)
{
    jb_conv_f32_ref(a);
    *last_f32(a->out) *= 1.001f;
}

static void bad_loses_nan(const struct jb_conv_f32 *a)
{
    jb_conv_f32_ref(a);
    for (int32_t y = 0; y < a->out->h; y++)
        for (ptrdiff_t i = 0; i < (ptrdiff_t)a->out->w * a->out->c; i++) {
            float *v = jb_row_f32(a->out, y) + i;
            *v = isnan(*v) ? 0.0f : *v;
        }
}

// Half away from zero instead of half to even.
static void bad_rounds_away(const struct jb_plane *in, const struct jb_plane *out, float inverse_scale, int32_t zero)
{
    jb_quantize_ref(in, out, inverse_scale, zero);
    for (int32_t y = 0; y < out->h; y++)
        for (ptrdiff_t i = 0; i < (ptrdiff_t)out->w * out->c; i++) {
            float t = jb_row_f32(in, y)[i] * inverse_scale;
            if (fabsf(t) < 256.0f)
                jb_row_u8(out, y)[i] = (uint8_t)jb_clamp_i32((int32_t)roundf(t) + zero, 0, 255);
        }
}

// Rows of a sequence: bits that depend on how rows are cut into calls, a value out of the prescribed order, what is forgotten.

static void bad_two_rows_differ(const struct jb_matmul *a)
{
    jb_matmul_q8_0_ref(a);
    if (a->m > 1)
        a->y[0] = nextafterf(a->y[0], 1e9f);
}

static void bad_first_output_of_a_range(const struct jb_matmul *a)
{
    jb_matmul_q4_0_ref(a);
    if (a->block0 > 0)
        a->y[a->block0 * JB_PACK] = nextafterf(a->y[a->block0 * JB_PACK], 1e9f);
}

static void bad_forgets_minima(const struct jb_matmul *a)
{
    struct jb_q8 few[256];
    struct jb_matmul b = *a;
    int32_t n = a->m * (a->n / JB_QK);
    for (int32_t i = 0; n <= 256 && i < n; i++) {
        few[i] = a->xq[i];
        few[i].s = 0.0f;
        b.xq = few;
    }
    jb_matmul_q4_1_ref(&b);
}

static void bad_never_adds(const struct jb_matmul *a)
{
    struct jb_matmul b = *a;
    b.add = false;
    jb_matmul_f16_ref(&b);
}

static void bad_sums_in_order(const struct jb_rms_norm *a)
{
    for (int32_t r = 0; r < a->m; r++) {
        const float *x = a->x + r * a->x_stride;
        float sum = 0.0f;
        for (int32_t i = 0; i < a->n; i++)
            sum = fmaf(x[i], x[i], sum);
        for (int32_t i = 0; i < a->n; i++)
            a->y[r * a->y_stride + i] = x[i] * (1.0f / sqrtf(sum / (float)a->n + a->eps)) * a->w[i];
    }
}

static void bad_sees_the_future(const struct jb_attention *a)
{
    struct jb_attention b = *a;
    b.last += b.last + 1 < b.kv->positions;
    jb_attention_ref(&b);
}

static void bad_later_tie_wins(struct jb_best *a)
{
    jb_best_ref(a);
    for (int32_t i = a->n_found > 0 ? a->index[0] + 1 : a->n; i < a->n; i++)
        if (a->x[i] == a->value[0])
            a->index[0] = i;
}

#define BAD(op, function, class) { #op, "bad", #function, 0, offsetof(struct jb_kernels, op), (jb_any_fn)function, class, JB_PEAK_NONE, &jb_layout_ohwi }
static const struct jb_kernel_row bad_rows[] = {
    BAD(conv_u8, bad_off_by_one, JB_TOL_EXACT),
    BAD(conv_u8, bad_writes_past_row, JB_TOL_EXACT),
    BAD(conv_u8, bad_ignores_residual, JB_TOL_EXACT),
    BAD(conv_u8, bad_saturates, JB_TOL_EXACT),
    BAD(conv_f32, bad_does_nothing, JB_TOL_REDUCTION),
    BAD(conv_f32, bad_one_in_a_thousand, JB_TOL_REDUCTION),
    BAD(conv_f32, bad_loses_nan, JB_TOL_REDUCTION),
    BAD(quantize, bad_rounds_away, JB_TOL_EXACT),
    BAD(matmul_q8_0, bad_two_rows_differ, JB_TOL_EXACT),
    BAD(matmul_q4_0, bad_first_output_of_a_range, JB_TOL_EXACT),
    BAD(matmul_q4_1, bad_forgets_minima, JB_TOL_EXACT),
    BAD(matmul_f16, bad_never_adds, JB_TOL_EXACT),
    BAD(rms_norm, bad_sums_in_order, JB_TOL_EXACT),
    BAD(attention, bad_sees_the_future, JB_TOL_EXACT),
    BAD(best, bad_later_tie_wins, JB_TOL_EXACT),
};

int jb_kernels_check_self(struct jb_err *err)
{
    struct jb_fixture f;
    int code = jb_fixture_open(&f, 1, err);
    if (code != JB_OK)
        return code;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0] && code == JB_OK; i++) {
        struct jb_kernel_check_row result;
        code = jb_check_row(&f, &bad_rows[i], 0, 1, 400, &result, err);
        if (code == JB_OK && (result.failures == 0 || result.detail[0] == '\0'))
            code = jb_fail(err, JB_E_INTERNAL, "kernel check: the wrong kernel %s passed %llu cases", result.symbol, (unsigned long long)result.cases);
    }
    // The reference against itself must pass, or the checker sees errors where there are none.
    for (size_t i = 0; i < jb_kernel_n_rows && code == JB_OK; i++) {
        struct jb_kernel_check_row result;
        if (jb_kernel_rows[i].bits != 0)
            continue;
        code = jb_check_row(&f, &jb_kernel_rows[i], 0, 1, 60, &result, err);
        if (code == JB_OK && (result.failures > 0 || result.cases == 0))
            code = jb_fail(err, JB_E_INTERNAL, "kernel check: %s differs from itself: %s", result.symbol, result.detail);
    }
    jb_fixture_close(&f);
    return code;
}
