// Measuring A/A pairs in random order.
#include "harness/noise_data.h"

#include "base/rng.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_ROUNDS 5u
#define MOST_TIMES 10                // as long as was asked for
#define FILL_MS 20                   // short blocks come several times a round, up to this long together
#define MOST_A_ROUND 5u
#define STARTS 64u                   // places among the samples where blocks begin

struct measuring {
    const struct jb_noise_opts *o;
    struct jb_noise *n;
    struct jb_noise_pairs pairs[JB_NOISE_SERIES];
    uint32_t task[JB_NOISE_SERIES * MOST_A_ROUND]; uint32_t n_tasks; // series of a round
    struct jb_rng rng;
    uint64_t begin_ns;
};

static uint64_t now(const struct measuring *m) { return m->o->clock.now_ns(m->o->clock.self); }

static void add_series(struct measuring *m, uint32_t load, double block_ms, bool pinned)
{
    uint32_t at = m->n->n_series++, times = (uint32_t)(FILL_MS / block_ms);
    if (times < 1 || pinned) times = 1;
    if (times > MOST_A_ROUND) times = MOST_A_ROUND;
    m->n->series[at] = (struct jb_noise_series){.load = load, .block_ms = block_ms, .pinned = pinned};
    for (uint32_t i = 0; i < times; i++) m->task[m->n_tasks++] = at;
}

static void lay_out(struct measuring *m)
{
    const struct jb_noise_opts *o = m->o;
    struct jb_noise *n = m->n;
    n->n_loads = o->n_loads;
    for (uint32_t l = 0; l < o->n_loads; l++) {
        snprintf(n->load[l].name, sizeof n->load[l].name, "%s", o->load[l].name);
        snprintf(n->load[l].what, sizeof n->load[l].what, "%s", o->load[l].what);
        for (uint32_t i = 0; i < o->n_block_ms; i++) add_series(m, l, o->block_ms[i], false);
    }
    if (o->pin) add_series(m, o->n_loads - 1, o->pinned_ms, true);
}

static int keep(struct jb_noise_pairs *p, const struct jb_noise_pair *x)
{
    if (p->n == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        struct jb_noise_pair *grown = realloc(p->pair, room * sizeof *grown);
        if (!grown) return JB_E_NOMEM;
        p->pair = grown;
        p->room = room;
    }
    p->pair[p->n++] = *x;
    return 0;
}

// What disturbed a block.
static void count(struct jb_noise_series *s, const struct jb_noise_block *b)
{
    bool out = b->involuntary_switches > 0, starved = (double)b->cpu_ns < 0.99 * (double)b->wall_ns, stolen = b->steal_ns > 0, crowded = b->others_least > 0.1;
    s->switched_out += out;
    s->starved += starved;
    s->stolen += stolen;
    s->crowded += crowded;
    s->disturbed += out || starved || stolen || crowded;
}

static int measure_pair(struct measuring *m, uint32_t at, struct jb_err *err)
{
    struct jb_noise_series *s = &m->n->series[at];
    struct jb_noise_pairs *pairs = &m->pairs[at];
    struct jb_noise_block block[2];
    uint32_t start = (uint32_t)jb_rng_below(&m->rng, STARTS); // both blocks run the same samples, as the two sides of a comparison do
    unsigned first = (unsigned)jb_rng_below(&m->rng, 2);
    uint64_t begin = now(m);
    for (unsigned i = 0; i < 2; i++) {
        int rc = m->o->block(m->o->self, s->load, (uint64_t)(s->block_ms * 1e6), start, &block[first ^ i], err);
        if (rc) return rc;
    }
    double wall_s = (double)(now(m) - begin) * 1e-9;
    for (int i = 0; i < 2; i++)
        if (!(block[i].mean_ns > 0 && block[i].median_ns > 0) || wall_s <= 0) return jb_fail(err, JB_E_UNAVAILABLE, "the clock stood still over a block");
    count(s, &block[0]);
    count(s, &block[1]);
    pairs->queries += (double)(block[0].queries + block[1].queries);
    return keep(pairs, &(struct jb_noise_pair){.mean = log(block[1].mean_ns / block[0].mean_ns), .median = log(block[1].median_ns / block[0].median_ns), .log_mean = log(block[0].mean_ns),
                                               .log_median = (log(block[0].median_ns) + log(block[1].median_ns)) / 2, .log_reference = block[0].reference_ns ? log((double)block[0].reference_ns) : NAN,
                                               .at_s = (double)(begin - m->begin_ns) * 1e-9, .wall_s = wall_s})
               ? jb_fail(err, JB_E_NOMEM, "noise: out of memory") : 0;
}

static int measure_task(struct measuring *m, uint32_t at, struct jb_err *err)
{
    bool pinned = m->n->series[at].pinned;
    if (m->o->stop && *m->o->stop) return jb_fail(err, JB_E_INTERRUPTED, "stopped while measuring noise");
    if (pinned && m->o->pin(m->o->self, true) != 0) return 0; // may not bind: that series stays empty
    int rc = measure_pair(m, at, err);
    if (pinned) (void)m->o->pin(m->o->self, false);
    return rc;
}

static int measure_rounds(struct measuring *m, struct jb_err *err)
{
    double asked = m->o->seconds, elapsed = 0;
    int rc = 0;
    while (!rc && (elapsed < asked || (m->n->rounds < LEAST_ROUNDS && elapsed < asked * MOST_TIMES))) {
        jb_rng_shuffle_u32(&m->rng, m->task, m->n_tasks);
        for (uint32_t i = 0; i < m->n_tasks && !rc && (elapsed < asked || m->n->rounds < LEAST_ROUNDS); i++) {
            rc = measure_task(m, m->task[i], err);
            elapsed = (double)(now(m) - m->begin_ns) * 1e-9;
            if (m->o->progress) m->o->progress(m->o->progress_user, fmin(elapsed / asked, 1));
        }
        m->n->rounds++;
    }
    m->n->seconds = elapsed;
    return rc;
}

static void cputime_now(const struct jb_noise_opts *o, struct jb_cputime *out)
{
    if (o->cputime) o->cputime(o->self, out);
    else jb_cputime_now(out);
}

// Series without a pair leave no trace.
static void drop_empty(struct measuring *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->n->n_series; i++) {
        if (!m->pairs[i].n) continue;
        struct jb_noise_pairs moved = m->pairs[i];
        m->pairs[i] = m->pairs[kept];
        m->pairs[kept] = moved;
        m->n->series[kept++] = m->n->series[i];
    }
    m->n->n_series = kept;
}

int jb_noise_measure(struct jb_noise *out, const struct jb_noise_opts *o, struct jb_err *err)
{
    struct jb_cputime before, after;
    struct jb_cputime_span span;
    uint32_t series = o->n_loads * o->n_block_ms + (o->pin != NULL);
    if (!o->n_loads || o->n_loads > JB_NOISE_LOADS || !o->n_block_ms || series > JB_NOISE_SERIES || !(o->seconds > 0)) return jb_fail(err, JB_E_INTERNAL, "noise: nothing to measure, or too much");
    struct measuring *m = calloc(1, sizeof *m);
    if (!m) return jb_fail(err, JB_E_NOMEM, "noise: out of memory");
    memset(out, 0, sizeof *out);
    m->o = o;
    m->n = out;
    out->seed = o->seed;
    lay_out(m);
    jb_rng_seed_named(&m->rng, o->seed, "noise");
    cputime_now(o, &before);
    m->begin_ns = now(m);
    int rc = measure_rounds(m, err);
    cputime_now(o, &after);
    jb_cputime_between(&before, &after, &span);
    out->others = span.known ? fmin(span.share, 1) : NAN;
    out->steal = span.known && span.wall_ns && after.n_cpus ? fmin((double)span.steal_ns / (double)span.wall_ns / after.n_cpus, 1) : NAN;
    drop_empty(m);
    if (!rc && jb_noise_sum(out, m->pairs)) rc = jb_fail(err, JB_E_NOMEM, "noise: out of memory");
    for (int i = 0; i < JB_NOISE_SERIES; i++) free(m->pairs[i].pair);
    free(m);
    return rc;
}

const struct jb_noise_series *jb_noise_find(const struct jb_noise *n, uint32_t load, double block_ms, bool pinned)
{
    for (uint32_t i = 0; i < n->n_series; i++)
        if (n->series[i].load == load && n->series[i].block_ms == block_ms && n->series[i].pinned == pinned) return &n->series[i];
    return NULL;
}
