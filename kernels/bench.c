// The benchmark: the checker's bodies on the shapes that matter, the least time of many batches.
#include "base/clock.h"
#include "kernels/check.h"
#include "kernels/check_cases.h"
#include "kernels/plane.h"
#include "kernels/table.h"

#include <stdio.h>
#include <string.h>

#define MOST_PEAKS 16
#define LEAST_SECONDS 1e-5 // a batch: far above the cost and grain of the clock

struct timing {
    struct jb_clock clock;
    double seconds; // for one shape
    double peaks[MOST_PEAKS];
};

static double now_s(const struct timing *t)
{
    return (double)t->clock.now_ns(t->clock.self) * 1e-9;
}

// Least seconds of one call of `once(user, n)`, which makes n calls.
static double least(const struct timing *t, void (*repeat)(void *user, uint64_t n), void *user)
{
    uint64_t n = 1;
    double best = 1e30, end;
    for (;;) { // batches long enough; this is the warm-up, too
        double start = now_s(t);
        repeat(user, n);
        double took = now_s(t) - start;
        if (took >= LEAST_SECONDS || n >= (uint64_t)1 << 30)
            break;
        n *= 2;
    }
    end = now_s(t) + t->seconds;
    do {
        double start = now_s(t);
        repeat(user, n);
        double took = (now_s(t) - start) / (double)n;
        best = took < best ? took : best;
    } while (now_s(t) < end);
    return best;
}

struct peak_job { const struct jb_peak_row *row; double ops; };

static void repeat_peak(void *user, uint64_t n)
{
    struct peak_job *p = user;
    p->ops = p->row->run(n * 64) / (double)n;
}

static void measure_peaks(struct timing *t, uint32_t mask)
{
    for (size_t i = 0; i < jb_peak_n_rows && i < MOST_PEAKS; i++) {
        struct peak_job p = { &jb_peak_rows[i], 0.0 };
        if (p.row->bits & ~mask)
            continue;
        double s = least(t, repeat_peak, &p);
        t->peaks[i] = p.ops / s;
    }
}

static double peak_of(const struct timing *t, const struct jb_kernel_row *row)
{
    for (size_t i = 0; i < jb_peak_n_rows && i < MOST_PEAKS; i++)
        if (jb_peak_rows[i].peak == row->peak && strcmp(jb_peak_rows[i].tier, row->tier) == 0)
            return t->peaks[i];
    return 0.0;
}

struct call_job { struct jb_fixture *f; const struct jb_body *body; const struct jb_kernels *k; struct jb_plane out; };

static void repeat_call(void *user, uint64_t n)
{
    struct call_job *c = user;
    while (n-- > 0)
        c->body->call(c->f, c->k, &c->out);
}

static int bench_row(struct jb_fixture *f, const struct timing *t, const struct jb_kernel_row *row, jb_kernel_bench_fn report, void *user, struct jb_err *err)
{
    struct jb_kernels k;
    struct call_job c = { f, jb_body_of(row->op), &k, { 0 } };
    jb_kernels_init(&k, 0);
    jb_kernel_take(&k, row);
    if (!c.body)
        return jb_fail(err, JB_E_INTERNAL, "kernel benchmark: operator %s has no test body", row->op);
    f->slow = row->bits == 0;
    for (size_t i = 0; c.body->bench_case(f, i); i++) {
        struct jb_kernel_bench_row r = { .op = row->op, .symbol = row->symbol, .tier = row->tier, .peak_ops_per_s = peak_of(t, row) };
        c.out = jb_area_plane(f, JB_AREA_OUT, f->out.h, f->out.w, f->out.c, f->out.pad, f->element_bytes);
        if (!c.out.data || (c.body->bind && c.body->bind(f, &k) != JB_OK))
            return jb_fail(err, JB_E_INTERNAL, "kernel benchmark: %s is larger than its memory area", f->shape);
        memcpy(r.shape, f->shape, sizeof r.shape);
        double s = least(t, repeat_call, &c);
        r.ns_per_call = s * 1e9;
        r.ops_per_s = f->ops / s;
        r.gb_per_s = f->bytes / s * 1e-9;
        report(user, &r);
    }
    return JB_OK;
}

int jb_kernels_bench(uint32_t mask, double seconds, jb_kernel_bench_fn report, void *user, struct jb_err *err)
{
    struct jb_fixture f;
    struct timing t = { .clock = jb_clock_monotonic(), .seconds = seconds };
    int code = jb_fixture_open(&f, 1, err);
    if (code != JB_OK)
        return code;
    measure_peaks(&t, mask);
    for (size_t i = 0; i < jb_kernel_n_rows && code == JB_OK; i++)
        if ((jb_kernel_rows[i].bits & ~mask) == 0)
            code = bench_row(&f, &t, &jb_kernel_rows[i], report, user, err);
    jb_fixture_close(&f);
    return code;
}
