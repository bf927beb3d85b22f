#include "kernels/check_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MARGIN 128 // canary bytes before and after an output plane; with the slack, all that a vector store could hit
#define CANARY 0xa5

// An output plane whose every byte, interior included, is the canary.
static bool place_out(struct jb_fixture *f, enum jb_area area, struct jb_plane *out)
{
    *out = f->out;
    out->row_stride = (ptrdiff_t)(out->w + 2 * out->pad) * out->c;
    size_t bytes = jb_plane_values(out) * f->element_bytes;
    char *start = jb_area_place(f, area, bytes, JB_PLANE_SLACK, f->element_bytes);
    if (!start)
        return false;
    out->data = start + (out->pad * out->row_stride + (ptrdiff_t)out->pad * out->c) * (ptrdiff_t)f->element_bytes;
    memset(start - MARGIN, CANARY, MARGIN + bytes + JB_PLANE_SLACK);
    return true;
}

// Whether anything outside the interior was written.
static bool canaries_dead(const struct jb_fixture *f, const struct jb_plane *out, char *detail, size_t size)
{
    const uint8_t *start = jb_plane_start(out, f->element_bytes), *data = out->data;
    size_t bytes = jb_plane_values(out) * f->element_bytes, row = (size_t)out->row_stride * f->element_bytes;
    size_t inner = (size_t)out->w * (size_t)out->c * f->element_bytes, skip = (size_t)(data - start);
    for (ptrdiff_t i = -MARGIN; i < (ptrdiff_t)bytes + JB_PLANE_SLACK; i++) {
        ptrdiff_t at = i - (ptrdiff_t)skip;
        bool inside = at >= 0 && at < (ptrdiff_t)(row * (size_t)out->h) && (size_t)at % row < inner;
        if (inside || start[i] == CANARY)
            continue;
        snprintf(detail, size, "%s: wrote %td bytes from the first value, outside the output", f->shape, at);
        return true;
    }
    return false;
}

// |a - b| in units of the tolerance; 1 or less passes. Not finite: the same kind, or infinitely wrong.
static double f32_error(float want, float got, const float *tolerance)
{
    if (memcmp(&want, &got, sizeof want) == 0 || (isnan(want) && isnan(got)))
        return 0.0;
    if (!tolerance || !isfinite(want) || !isfinite(got))
        return want == got && tolerance ? 0.0 : INFINITY;
    return want == got ? 0.0 : (double)fabsf(want - got) / (double)*tolerance;
}

struct verdict { uint64_t wrong; double worst; };

static struct verdict compare(const struct jb_fixture *f, const struct jb_plane *want, const struct jb_plane *got, char *detail, size_t size)
{
    struct verdict v = { 0, 0.0 };
    for (int32_t y = 0; y < want->h; y++)
        for (ptrdiff_t i = 0; i < (ptrdiff_t)want->w * want->c; i++) {
            ptrdiff_t at = y * want->row_stride + i;
            double a, b, e;
            if (f->element_bytes == 1) {
                a = ((const uint8_t *)want->data)[at];
                b = ((const uint8_t *)got->data)[at];
                e = a == b ? 0.0 : INFINITY;
            } else {
                float p = ((const float *)want->data)[at], q = ((const float *)got->data)[at];
                a = (double)p;
                b = (double)q;
                e = f32_error(p, q, f->tolerance ? f->tolerance + (ptrdiff_t)y * want->w * want->c + i : NULL);
            }
            v.worst = e > v.worst ? e : v.worst;
            if (e <= 1.0)
                continue;
            if (v.wrong++ == 0)
                snprintf(detail, size, "%s: row %d, x %td, channel %td: %.9g, reference %.9g", f->shape, y, i / want->c, i % want->c, b, a);
        }
    return v;
}

static int run_case(struct jb_fixture *f, const struct jb_body *body, const struct jb_kernels *k, struct jb_kernel_check_row *row, struct jb_err *err)
{
    struct jb_plane want, got;
    char detail[sizeof row->detail] = "";
    if (!place_out(f, JB_AREA_OUT_REF, &want) || !place_out(f, JB_AREA_OUT, &got))
        return jb_fail(err, JB_E_INTERNAL, "kernel check: %s is larger than its memory area", f->shape);
    if (body->bind && body->bind(f, &f->ref) != JB_OK)
        return jb_fail(err, JB_E_INTERNAL, "kernel check: weights of %s are larger than their area", f->shape);
    body->call(f, &f->ref, &want);
    if (body->bind && body->bind(f, k) != JB_OK)
        return jb_fail(err, JB_E_INTERNAL, "kernel check: packed weights of %s are larger than their area", f->shape);
    body->call(f, k, &got);
    bool wild = canaries_dead(f, &got, detail, sizeof detail);
    struct verdict v = compare(f, &want, &got, detail, sizeof detail);
    row->cases++;
    if (f->tolerance)
        row->worst_error = v.worst > row->worst_error ? v.worst : row->worst_error;
    else
        row->worst_error += (double)v.wrong;
    if ((wild || v.wrong > 0) && row->failures++ == 0)
        memcpy(row->detail, detail, sizeof row->detail);
    return JB_OK;
}

int jb_check_row(struct jb_fixture *f, const struct jb_kernel_row *row, size_t first, size_t stride, size_t most, struct jb_kernel_check_row *out, struct jb_err *err)
{
    const struct jb_body *body = jb_body_of(row->op);
    struct jb_kernels k;
    *out = (struct jb_kernel_check_row){ .op = row->op, .symbol = row->symbol, .tier = row->tier };
    if (!body)
        return jb_fail(err, JB_E_INTERNAL, "kernel check: operator %s has no test body", row->op);
    jb_kernels_init(&k, 0);
    jb_kernel_take(&k, row);
    f->check = true;
    for (size_t i = first; most == 0 || i < most; i += stride) {
        f->tolerance = NULL;
        if (!body->check_case(f, i))
            break;
        int code = run_case(f, body, &k, out, err);
        if (code != JB_OK)
            return code;
    }
    if (f->overflow)
        return jb_fail(err, JB_E_INTERNAL, "kernel check: a case of %s is larger than its memory area", row->op);
    return JB_OK;
}

static int missing_tier(uint32_t require, uint32_t tested, struct jb_err *err)
{
    static const struct { uint32_t bit; const char *name; } tiers[] = {
        { JB_CPU_AVX2, "avx2" }, { JB_CPU_AVX512, "avx512" }, { JB_CPU_AVX512_VNNI, "vnni" }, { JB_CPU_AMX, "amx" },
    };
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++)
        if (require & ~tested & tiers[i].bit)
            return jb_fail(err, JB_E_UNAVAILABLE, "no kernel of the required tier %s was tested here", tiers[i].name);
    return JB_OK;
}

int jb_kernels_check(uint32_t mask, uint32_t require, uint64_t seed, size_t stride, jb_kernel_check_fn report, void *user, uint64_t *n_cases, struct jb_err *err)
{
    struct jb_fixture f;
    uint64_t cases = 0, failures = 0;
    uint32_t tested = 0;
    int code = jb_fixture_open(&f, seed, err);
    if (code != JB_OK)
        return code;
    for (size_t i = 0; i < jb_kernel_n_rows && code == JB_OK; i++) {
        const struct jb_kernel_row *row = &jb_kernel_rows[i];
        struct jb_kernel_check_row result;
        if (row->bits == 0 || (row->bits & ~mask) != 0)
            continue;
        code = jb_check_row(&f, row, i % stride, stride, 0, &result, err);
        if (code != JB_OK)
            break;
        if (result.cases == 0)
            code = jb_fail(err, JB_E_INTERNAL, "kernel check: no case ran for %s", row->symbol);
        cases += result.cases;
        failures += result.failures;
        tested |= row->bits;
        if (report)
            report(user, &result);
    }
    jb_fixture_close(&f);
    if (code != JB_OK)
        return code;
    *n_cases = cases;
    if (failures > 0)
        return jb_fail(err, JB_E_MISMATCH, "%llu of %llu kernel cases differ from the reference", (unsigned long long)failures, (unsigned long long)cases);
    return missing_tier(require, tested, err);
}
