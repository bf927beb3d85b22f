// Warm-up: queries until the latency is steady. Steady: in the medians of the last sixteen chunks Pettitt's test (base/infer.h) sees no change of level at p < 0.05. With fewer than eleven it could not
// see one at all: then nothing is called steady.
#include "harness/host_data.h"

#include "base/infer.h"
#include <math.h>
#include <string.h>

#define CHUNK_QUERIES 8u
#define CHUNK_NS 300000u           // a chunk has at least 8 queries and lasts at least 0.3 ms,
#define LONG_CHUNK_NS 3000000u     // but slow queries make chunks of fewer
#define WINDOW 16u
#define P_CHANGE 0.05
#define MAX_NS 150000000u          // a slow query still gets two chunks
#define MAX_CHUNK_QUERIES 1024u

// A text workload: one sequence.
static int text_chunk(const struct jb_host *h, struct jb_host_lane *lane, uint64_t *ns, double *median)
{
    struct jb_host_stream *s = lane->streams;
    struct jb_host_limits l = { .min_queries = 1, .max_ns = UINT64_MAX, .max_queries = s->capacity };
    uint64_t before = h->o.clock.now_ns(h->o.clock.self);
    int rc = jb_host_run_sequences(h, lane, s, &l);
    if (rc) return rc;
    *ns += h->o.clock.now_ns(h->o.clock.self) - before;
    jb_sort_u64(s->latency_ns, s->n_queries);
    *median = (double)s->latency_ns[s->n_queries / 2];
    return 0;
}

// One chunk on the first stream: its median latency.
static int chunk(const struct jb_host *h, struct jb_host_lane *lane, enum jb_split split, uint64_t *ns, double *median)
{
    struct jb_host_stream *s = lane->streams;
    uint64_t sum = 0;
    uint32_t n = 0;
    if (lane->queries) return text_chunk(h, lane, ns, median);
    while (n < MAX_CHUNK_QUERIES && (n < CHUNK_QUERIES || sum < CHUNK_NS)) {
        uint32_t first = 0;
        for (uint32_t r = 0; r < lane->batch; r++) {
            uint32_t label, sample = lane->work->order[s->at];
            if (!r) first = sample;
            if (++s->at == lane->work->n_order) s->at = 0;
            int rc = lane->model ? jb_workload_sample(lane->work->w, split, sample, &s->rows[r], &label) : 0;
            if (rc) return rc;
        }
        uint64_t before = h->o.clock.now_ns(h->o.clock.self);
        int rc = lane->model ? jb_adaptive_run(s->adaptive, s->rows, lane->batch, s->results) : jb_workload_run(lane->work->w, first, s->results);
        s->latency_ns[n] = h->o.clock.now_ns(h->o.clock.self) - before;
        if (rc) return rc;
        sum += s->latency_ns[n++];
        if (sum > LONG_CHUNK_NS) break;
    }
    jb_sort_u64(s->latency_ns, n);
    *median = (double)s->latency_ns[n / 2];
    *ns += sum;
    return 0;
}

// `ring` holds the last WINDOW medians, the oldest at `at`.
static double change(const double *ring, uint32_t at)
{
    double x[WINDOW];
    size_t where;
    for (uint32_t i = 0; i < WINDOW; i++) x[i] = ring[(at + i) % WINDOW];
    return jb_change_point(x, WINDOW, &where);
}

int jb_host_warm_up(struct jb_host *h, const struct jb_block_request *r, struct jb_warm_up *out, struct jb_err *err)
{
    struct jb_host_lane *lane = NULL;
    struct jb_warm_up w = { .median_ns = NAN, .p = NAN };
    double last[WINDOW] = { 0 };
    int rc = jb_host_lane_for(h, r, &lane, err);
    if (!rc) rc = jb_host_room(lane, MAX_CHUNK_QUERIES + (lane->queries ? jb_queries_most_positions(lane->queries) : 0), err);
    if (rc) return rc;
    lane->streams->at = (uint32_t)((r->seed + r->repetition) % lane->work->n_order);
    while (!w.steady && (w.elapsed_ns < MAX_NS || w.chunks < 2)) {
        rc = chunk(h, lane, (enum jb_split)r->split, &w.elapsed_ns, &w.median_ns);
        if (rc) return jb_fail(err, rc, "cell %s: a query failed in the warm-up (%s)", r->cell, jb_code_text(rc));
        last[w.chunks++ % WINDOW] = w.median_ns;
        if (w.chunks >= WINDOW) w.p = change(last, w.chunks % WINDOW);
        w.steady = w.p >= P_CHANGE;
        if (w.chunks == 10000) break; // a clock that stands still must not keep us here
    }
    *out = w;
    return 0;
}
