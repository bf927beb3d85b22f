// Running one block: lead-in, then queries with a latency each. Nothing is allocated, formatted or written between two queries.
#include "harness/host_data.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MIN_QUERY_NS 250u           // sizes the room for a block: a faster query fills it before block_ns, and the block ends there
#define MAX_CAPACITY (1u << 21)

#define MIN_TOKEN_NS 50000u         // the same for the tokens of a text workload
void jb_block_free(struct jb_block *b) { jb_raw_block_free(&b->raw); }

static inline uint64_t now(const struct jb_host *h) { return h->o.clock.now_ns(h->o.clock.self); }

// Picks the next `batch` samples of the order; wraps around.
static int next_rows(const struct jb_host_lane *lane, struct jb_host_stream *s, enum jb_split split, uint32_t *sample)
{
    const struct jb_host_work *k = lane->work;
    for (uint32_t r = 0; r < lane->batch; r++) {
        uint32_t label;
        sample[r] = k->order[s->at];
        if (++s->at == k->n_order) s->at = 0;
        int rc = lane->model ? jb_workload_sample(k->w, split, sample[r], &s->rows[r], &label) : 0;
        if (rc) return rc;
    }
    return 0;
}

static inline int run_query(const struct jb_host_lane *lane, struct jb_host_stream *s, uint32_t first_sample)
{
    return lane->model ? jb_adaptive_run(s->adaptive, s->rows, lane->batch, s->results) : jb_workload_run(lane->work->w, first_sample, s->results);
}

// The test aid that makes a query slower by a known share.
static uint64_t spin(const struct jb_host *h, uint64_t before, uint64_t after)
{
    uint64_t until = after + (uint64_t)((double)(after - before) * h->o.slow_query), t = after;
    while (t < until) t = now(h);
    return t;
}

// Queries until the limits are met; each is recorded from place 0 of the stream's room on.
static int run_queries(const struct jb_host *h, const struct jb_host_lane *lane, struct jb_host_stream *s, enum jb_split split, const struct jb_host_limits *l)
{
    if (lane->queries) return jb_host_run_sequences(h, lane, s, l);
    uint64_t start = now(h), elapsed = 0;
    uint32_t q = 0, batch = lane->batch;
    while (q < l->max_queries && elapsed < l->max_ns && (elapsed < l->min_ns || q < l->min_queries)) {
        size_t at = (size_t)q * batch;
        int rc = next_rows(lane, s, split, s->sample + at);
        if (rc) return rc;
        uint64_t before = now(h);
        rc = run_query(lane, s, s->sample[at]);
        uint64_t after = now(h);
        if (h->o.slow_query > 0) after = spin(h, before, after);
        if (rc) return rc;
        s->latency_ns[q++] = after - before;
        elapsed = after - start;
        for (uint32_t r = 0; r < batch; r++, at++) {
            const struct jb_query_result *x = &s->results[r];
            s->prediction[at] = x->prediction;
            s->exit[at] = (uint8_t)x->exit;
            s->pattern[at] = jb_pattern_of(x->precision, x->n_stages);
        }
    }
    s->n_queries = q;
    return 0;
}

// Streams start at different samples; blocks of one repetition start at the same ones in every cell, so that cells are compared on equal inputs.
static void place_streams(struct jb_host_lane *lane, const struct jb_block_request *r)
{
    uint64_t n = lane->work->n_order, spread = r->repetitions ? r->repetitions : 1;
    for (uint32_t i = 0; i < lane->n_streams; i++) lane->streams[i].at = (uint32_t)((n * (r->repetition % spread) / spread + n * i / lane->n_streams) % n);
}

static uint32_t capacity_for(const struct jb_block_request *r, const struct jb_queries *texts)
{
    uint64_t least = texts ? MIN_TOKEN_NS : MIN_QUERY_NS;
    uint64_t n = (r->query_ns > least ? r->block_ns / r->query_ns : r->block_ns / least / r->batch) + 64;
    if (n < r->min_queries) n = r->min_queries;
    if (texts) n += 2 * (uint64_t)jb_queries_most_positions(texts); // the last sequence runs to its end
    uint64_t most = MAX_CAPACITY / r->batch + 1;
    return (uint32_t)(n < most ? n : most);
}

static struct jb_host_limits block_limits(const struct jb_block_request *r, uint32_t capacity)
{
    uint64_t most = r->max_ns > r->block_ns ? r->max_ns : r->block_ns;
    return (struct jb_host_limits){ .min_ns = r->block_ns, .max_ns = most ? most : 1, .min_queries = r->min_queries, .max_queries = capacity };
}

// Queries that nobody records, on other samples than the block will have: those half the order away.
static int unrecorded(const struct jb_host *h, const struct jb_host_lane *lane, struct jb_host_stream *s, const struct jb_block_request *r, uint64_t min_ns, uint32_t min_queries)
{
    uint32_t at = s->at;
    struct jb_host_limits l = { .min_ns = min_ns, .max_ns = UINT64_MAX, .min_queries = min_queries, .max_queries = s->capacity };
    s->at = (uint32_t)((at + lane->work->n_order / 2) % lane->work->n_order);
    int rc = run_queries(h, lane, s, (enum jb_split)r->split, &l);
    s->at = at;
    return rc;
}

static int lead_in(const struct jb_host *h, const struct jb_host_lane *lane, struct jb_host_stream *s, const struct jb_block_request *r)
{
    return unrecorded(h, lane, s, r, r->lead_in_ns, 2);
}

// ---- usage and energy around the recorded part ----

struct meters { struct jb_window window; struct rusage usage; uint64_t cpu_ns; struct jb_machine machine; };

static void machine_now(const struct jb_host *h, struct jb_machine *out)
{
    jb_machine_read(h->machine, out);
    if (h->o.cputime) h->o.cputime(h->o.cputime_self, &out->cpu);
}

bool jb_host_machine_span(const struct jb_host *h, struct jb_machine_span *out)
{
    if (h->any_block) jb_machine_between(&h->first, &h->last, out);
    return h->any_block;
}

static uint64_t process_cpu_ns(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The energy window begins. Returns whether the meter may have waited for an edge.
static bool window_begin(const struct jb_host *h, struct meters *m)
{
    machine_now(h, &m->machine); // outside the window: it costs as much as some queries
    if (!h->o.meter) return false;
    (void)jb_meter_begin(h->o.meter, &m->window); // a window that could not begin says why when it ends
    return strcmp(jb_meter_source(h->o.meter), "none") != 0;
}

static void meters_begin(const struct jb_host *h, struct meters *m, struct jb_block *b)
{
    getrusage(RUSAGE_SELF, &m->usage);
    m->cpu_ns = process_cpu_ns();
    b->start_ns = now(h);
}

// The meter may wait for the reading behind the end: what belongs to the queries is taken before, and the latencies are done by then.
static void meters_end(struct jb_host *h, const struct meters *m, struct jb_block *b)
{
    struct rusage usage;
    struct jb_machine machine;
    b->wall_ns = now(h) - b->start_ns;
    b->cpu_ns = process_cpu_ns() - m->cpu_ns;
    getrusage(RUSAGE_SELF, &usage);
    if (!h->o.meter) b->energy = jb_joules_none("none", "no energy source was opened");
    else b->energy = jb_meter_end(h->o.meter, &m->window);
    machine_now(h, &machine);
    jb_machine_between(&m->machine, &machine, &b->machine);
    b->others = b->machine.cpu;
    if (!h->any_block) h->first = m->machine;
    h->last = machine;
    h->any_block = true;
    b->voluntary_switches = (uint64_t)(usage.ru_nvcsw - m->usage.ru_nvcsw);
    b->involuntary_switches = (uint64_t)(usage.ru_nivcsw - m->usage.ru_nivcsw);
    b->major_faults = (uint64_t)(usage.ru_majflt - m->usage.ru_majflt);
}

// ---- several streams at once ----

enum gate { GATE_CLOSED, GATE_OPEN, GATE_GO_HOME };
struct crew {
    struct jb_host *h;
    struct jb_host_lane *lane;
    const struct jb_block_request *r;
    struct jb_host_limits l;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n_ready;
    enum gate gate;
};
struct member { struct crew *crew; struct jb_host_stream *s; pthread_t thread; };

static enum gate wait_at_gate(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->n_ready++;
    pthread_cond_broadcast(&c->changed);
    while (c->gate == GATE_CLOSED) pthread_cond_wait(&c->changed, &c->lock);
    enum gate gate = c->gate;
    pthread_mutex_unlock(&c->lock);
    return gate;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct crew *c = m->crew;
    m->s->rc = lead_in(c->h, c->lane, m->s, c->r);
    m->s->n_queries = 0;
    if (wait_at_gate(c) == GATE_OPEN && !m->s->rc) m->s->rc = run_queries(c->h, c->lane, m->s, (enum jb_split)c->r->split, &c->l);
    return NULL;
}

// Waits until `n` members stand at the gate, then opens it (or sends them home).
static void open_gate(struct crew *c, uint32_t n, enum gate gate, struct meters *m, struct jb_block *b)
{
    pthread_mutex_lock(&c->lock);
    while (c->n_ready < n) pthread_cond_wait(&c->changed, &c->lock);
    if (gate == GATE_OPEN) {
        (void)window_begin(c->h, m); // the members stand at the gate anyway
        meters_begin(c->h, m, b);
    }
    c->gate = gate;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static int run_crew(struct jb_host *h, struct jb_host_lane *lane, const struct jb_block_request *r, const struct jb_host_limits *l, struct jb_block *b)
{
    struct meters meters;
    struct crew crew = { .h = h, .lane = lane, .r = r, .l = *l, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct member *members = calloc(lane->n_streams, sizeof *members);
    if (!members) return JB_E_NOMEM;
    uint32_t made = 0;
    for (; made < lane->n_streams; made++) {
        members[made] = (struct member){ .crew = &crew, .s = &lane->streams[made] };
        if (pthread_create(&members[made].thread, NULL, member_main, &members[made])) break;
    }
    int rc = made < lane->n_streams ? JB_E_NOMEM : 0;
    open_gate(&crew, made, rc ? GATE_GO_HOME : GATE_OPEN, &meters, b);
    for (uint32_t i = 0; i < made; i++) pthread_join(members[i].thread, NULL);
    if (!rc) meters_end(h, &meters, b);
    for (uint32_t i = 0; i < made && !rc; i++) rc = lane->streams[i].rc;
    pthread_cond_destroy(&crew.changed);
    pthread_mutex_destroy(&crew.lock);
    free(members);
    return rc;
}

static int run_alone(struct jb_host *h, struct jb_host_lane *lane, const struct jb_block_request *r, const struct jb_host_limits *l, struct jb_block *b)
{
    struct meters meters;
    int rc = lead_in(h, lane, lane->streams, r);
    if (rc) return rc;
    // While the meter waited for an edge the caches were emptied of the model. One query more brings it back; the window holds its joules, so it counts as a row there.
    if (window_begin(h, &meters) && (rc = unrecorded(h, lane, lane->streams, r, 0, 1)) == 0) b->window_rows = lane->queries ? lane->streams->n_queries : lane->batch;
    if (rc) {
        (void)jb_meter_end(h->o.meter, &meters.window);
        return rc;
    }
    meters_begin(h, &meters, b);
    rc = run_queries(h, lane, lane->streams, (enum jb_split)r->split, l);
    meters_end(h, &meters, b);
    return rc;
}

// ---- what was recorded, in one piece ----

static int gather_stream(struct jb_raw_block *raw, const struct jb_host_stream *s, uint32_t batch, uint32_t query, struct jb_err *err)
{
    size_t row = (size_t)query * batch, n = (size_t)s->n_queries * batch;
    memcpy(raw->latency_ns + query, s->latency_ns, s->n_queries * sizeof *s->latency_ns);
    memcpy(raw->sample + row, s->sample, n * sizeof *s->sample);
    memcpy(raw->prediction + row, s->prediction, n * sizeof *s->prediction);
    memcpy(raw->exit + row, s->exit, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t p = jb_raw_pattern_index(raw, s->pattern[i]);
        if (p == UINT32_MAX) return jb_fail(err, JB_E_UNSUPPORTED, "more than %d patterns of precision in one block", JB_RAW_MAX_PATTERNS);
        raw->pattern[row + i] = (uint8_t)p;
    }
    return 0;
}

static int gather_sequences(struct jb_raw_block *raw, const struct jb_host_lane *lane)
{
    uint32_t n = 0, query = 0;
    for (uint32_t i = 0; i < lane->n_streams; i++) n += lane->streams[i].n_sequences;
    int rc = jb_raw_block_sequences(raw, n);
    n = 0;
    for (uint32_t i = 0; i < lane->n_streams && !rc; i++) {
        const struct jb_host_stream *s = &lane->streams[i];
        for (uint32_t k = 0; k < s->n_sequences; k++, n++) {
            raw->ttft_ns[n] = s->ttft_ns[k];
            raw->prompt_tokens[n] = s->prompt_tokens[k];
            raw->first_query[n] = query + s->first_query[k];
        }
        query += s->n_queries;
    }
    return rc;
}

static int gather(struct jb_block *b, const struct jb_host_lane *lane, struct jb_err *err)
{
    uint64_t queries = 0;
    for (uint32_t i = 0; i < lane->n_streams; i++) queries += lane->streams[i].n_queries;
    int rc = queries > UINT32_MAX ? JB_E_RANGE : jb_raw_block_alloc(&b->raw, lane->n_streams, (uint32_t)queries, lane->batch);
    if (rc) return jb_fail(err, rc, "a block of %llu queries", (unsigned long long)queries);
    uint32_t query = 0;
    for (uint32_t i = 0; i < lane->n_streams && !rc; i++) {
        b->raw.stream_queries[i] = lane->streams[i].n_queries;
        rc = gather_stream(&b->raw, &lane->streams[i], lane->batch, query, err);
        query += lane->streams[i].n_queries;
    }
    if (!rc && lane->queries && (rc = gather_sequences(&b->raw, lane))) jb_fail(err, rc, "sequences");
    if (rc) jb_raw_block_free(&b->raw);
    return rc;
}

int jb_host_run(struct jb_host *h, const struct jb_block_request *r, struct jb_block *out, struct jb_err *err)
{
    struct jb_host_lane *lane = NULL;
    struct jb_block b = { 0 };
    int rc = jb_host_lane_for(h, r, &lane, err);
    uint32_t capacity = rc ? 0 : capacity_for(r, lane->queries);
    if (!rc) rc = jb_host_room(lane, capacity, err);
    if (rc) return rc;
    struct jb_host_limits l = block_limits(r, capacity);
    place_streams(lane, r);
    rc = lane->n_streams == 1 ? run_alone(h, lane, r, &l, &b) : run_crew(h, lane, r, &l, &b);
    if (rc) return jb_fail(err, rc, "cell %s, block %u: a query failed (%s)", r->cell, r->repetition, jb_code_text(rc));
    rc = gather(&b, lane, err);
    b.window_rows += b.raw.n_rows;
    if (!rc && (rc = jb_reference_run(h->reference, &h->o.clock, &b.reference_ns))) {
        rc = jb_fail(err, rc, "cell %s, block %u: the reference kernel gave another result than it always gives: check memory and CPU (memtester, mcelog)", r->cell, r->repetition);
        jb_block_free(&b);
    }
    if (!rc) *out = b;
    return rc;
}

struct jb_joules jb_host_idle(struct jb_host *h, uint64_t ns)
{
    struct jb_window window;
    if (!h->o.meter) return jb_joules_none("none", "no energy source was opened");
    if (!ns) return jb_joules_none(jb_meter_source(h->o.meter), "no idle window was asked for (idle_ms)");
    (void)jb_meter_begin(h->o.meter, &window);
    h->o.clock.sleep_ns(h->o.clock.self, ns);
    return jb_meter_end(h->o.meter, &window);
}
