// Warm-up: queries until the latency is steady. Steady: the medians of the last five chunks lie within 5 % of their own median. ("Trust" replaces this by a change-point test.)
#include "harness/host_data.h"

#include "base/stats.h"
#include <math.h>
#include <string.h>

#define CHUNK_QUERIES 8u
#define CHUNK_NS 300000u           // a chunk has at least 8 queries and lasts at least 0.3 ms
#define WINDOW 5u
#define STEADY_SHARE 0.05
#define MAX_NS 150000000u          // a slow query still gets MIN_CHUNKS chunks
#define MAX_CHUNK_QUERIES 1024u

// One chunk on the first stream: its median latency.
static int chunk(const struct jb_host *h, struct jb_host_lane *lane, enum jb_split split, uint64_t *ns, double *median)
{
    struct jb_host_stream *s = lane->streams;
    uint64_t sum = 0;
    uint32_t n = 0;
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
        if (sum > MAX_NS && n >= 2) break;
    }
    jb_sort_u64(s->latency_ns, n);
    *median = (double)s->latency_ns[n / 2];
    *ns += sum;
    return 0;
}

static bool is_steady(const double *last)
{
    double sorted[WINDOW];
    memcpy(sorted, last, sizeof sorted);
    double middle = jb_median_f64(sorted, WINDOW); // sorts
    for (uint32_t i = 0; i < WINDOW; i++)
        if (fabs(last[i] - middle) > STEADY_SHARE * middle) return false;
    return true;
}

int jb_host_warm_up(struct jb_host *h, const struct jb_block_request *r, struct jb_warm_up *out, struct jb_err *err)
{
    struct jb_host_lane *lane = NULL;
    struct jb_warm_up w = { .median_ns = NAN };
    double last[WINDOW] = { 0 };
    int rc = jb_host_lane_for(h, r, &lane, err);
    if (!rc) rc = jb_host_room(lane, MAX_CHUNK_QUERIES, err);
    if (rc) return rc;
    lane->streams->at = (uint32_t)((r->seed + r->repetition) % lane->work->n_order);
    while (!w.steady && (w.elapsed_ns < MAX_NS || w.chunks < 2)) {
        rc = chunk(h, lane, (enum jb_split)r->split, &w.elapsed_ns, &w.median_ns);
        if (rc) return jb_fail(err, rc, "cell %s: a query failed in the warm-up (%s)", r->cell, jb_code_text(rc));
        last[w.chunks++ % WINDOW] = w.median_ns;
        w.steady = w.chunks >= WINDOW && is_steady(last);
        if (w.chunks == 10000) break; // a clock that stands still must not keep us here
    }
    *out = w;
    return 0;
}
