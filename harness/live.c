// Pairs of blocks of two workers. Only one of them runs at a time; the other waits on its input.
#include "harness/live.h"

#include "base/rng.h"
#include "harness/validity.h"
#include <fnmatch.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 256
#define OPEN_NS 600000000000u        // models are loaded and run over the samples
#define BLOCK_SPARE_NS 60000000000u  // beyond the block's own longest time

struct jb_live {
    struct jb_live_opts o;
    struct jb_worker *worker[2];
    struct jb_live_cell *cells; size_t n;
    uint64_t *instance_start;        // (n) pairs of each cell when the instance began
    uint32_t instance;
    int cpus[MAX_CPUS], n_cpus;      // that this process may use
};

static bool wanted(const struct jb_live_opts *o, const struct jb_facts *f)
{
    return f->status == JB_CELL_VALID && (!o->only || fnmatch(o->only, f->label, 0) == 0);
}

static void pair_up(struct jb_live *l, const struct jb_worker_cell *a, size_t ia, const struct jb_worker_cell *b, size_t ib)
{
    struct jb_live_cell *c = &l->cells[l->n++];
    *c = (struct jb_live_cell){ .a = ia, .b = ib, .facts_a = &a->facts, .facts_b = &b->facts, .request_a = a->request, .request_b = b->request };
    if (!(l->o.block_ms > 0)) return;
    c->request_a.block_ns = c->request_b.block_ns = (uint64_t)(l->o.block_ms * 1e6);
    c->request_a.min_queries = c->request_b.min_queries = 1; // pairs make up for what percentiles need
}

static int match(struct jb_live *l, struct jb_err *err)
{
    size_t n_a, n_b, valid_a = 0, valid_b = 0, last_a = 0, last_b = 0;
    const struct jb_worker_cell *a = jb_worker_cells(l->worker[0], &n_a), *b = jb_worker_cells(l->worker[1], &n_b);
    if (!(l->cells = calloc(n_a + 1, sizeof *l->cells))) return jb_fail(err, JB_E_NOMEM, "cells");
    for (size_t k = 0; k < n_b; k++)
        if (wanted(&l->o, &b[k].facts)) valid_b++, last_b = k;
    for (size_t i = 0; i < n_a; i++) {
        if (!wanted(&l->o, &a[i].facts)) continue;
        valid_a++;
        last_a = i;
        for (size_t k = 0; k < n_b; k++)
            if (wanted(&l->o, &b[k].facts) && !strcmp(a[i].facts.key, b[k].facts.key)) {
                pair_up(l, &a[i], i, &b[k], k);
                break;
            }
    }
    if (!l->n && valid_a == 1 && valid_b == 1) pair_up(l, &a[last_a], last_a, &b[last_b], last_b);
    if (l->n) return 0;
    for (size_t i = 0; i < n_a && !valid_a; i++)
        if (a[i].facts.status != JB_CELL_VALID) return jb_fail(err, JB_E_INVALID, "%s: no valid cell; %s: %s", l->o.a->name, a[i].facts.label, a[i].facts.reason);
    for (size_t i = 0; i < n_b && !valid_b; i++)
        if (b[i].facts.status != JB_CELL_VALID) return jb_fail(err, JB_E_INVALID, "%s: no valid cell; %s: %s", l->o.b->name, b[i].facts.label, b[i].facts.reason);
    return jb_fail(err, JB_E_MISMATCH, "no cell of %s (%zu valid) has the key of one of %s (%zu valid); two settings are compared when each side has one cell (\"only\")", l->o.a->name, valid_a, l->o.b->name,
                   valid_b);
}

static void find_cpus(struct jb_live *l)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return;
    for (int i = 0; i < CPU_SETSIZE && l->n_cpus < MAX_CPUS; i++)
        if (CPU_ISSET(i, &set)) l->cpus[l->n_cpus++] = i;
}

int jb_live_open(struct jb_live **out, const struct jb_live_opts *o, struct jb_err *err)
{
    struct jb_live *l = calloc(1, sizeof *l);
    if (!l) return jb_fail(err, JB_E_NOMEM, "live comparison");
    l->o = *o;
    const struct jb_side *side[2] = { o->a, o->b };
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        struct jb_progress p = { .phase = "open", .cell = side[i]->name, .done = (uint64_t)i, .total = 2, .seconds_left = NAN };
        if (o->progress) o->progress(o->progress_user, &p);
        rc = jb_worker_start(&l->worker[i], side[i], o->this_program, OPEN_NS, err);
    }
    if (!rc) rc = match(l, err);
    if (!rc && !(l->instance_start = calloc(l->n + 1, sizeof *l->instance_start))) rc = jb_fail(err, JB_E_NOMEM, "cells");
    find_cpus(l);
    if (!rc && o->opened) rc = o->opened(o->opened_user, l, err);
    if (rc) {
        jb_live_close(l);
        return rc;
    }
    *out = l;
    return 0;
}

const struct jb_live_cell *jb_live_cells(const struct jb_live *l, size_t *n)
{
    *n = l->n;
    return l->cells;
}

struct jb_worker *jb_live_worker(const struct jb_live *l, int side) { return l->worker[side != 0]; }

void jb_live_close(struct jb_live *l)
{
    if (!l) return;
    jb_worker_stop(l->worker[0]);
    jb_worker_stop(l->worker[1]);
    free(l->cells);
    free(l->instance_start);
    free(l);
}

// ---- measuring ----

static int warm_up(struct jb_live *l, struct jb_err *err)
{
    struct jb_warm_up unused;
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        if (l->cells[i].decided) continue;
        rc = jb_worker_warm_up(l->worker[0], &l->cells[i].request_a, &unused, err);
        if (!rc) rc = jb_worker_warm_up(l->worker[1], &l->cells[i].request_b, &unused, err);
    }
    return rc;
}

static int run_side(struct jb_live *l, struct jb_live_cell *c, bool candidate, struct jb_live_pair *p, struct jb_err *err)
{
    const struct jb_block_request *r = candidate ? &c->request_b : &c->request_a;
    uint64_t longest = r->max_ns > r->block_ns ? r->max_ns : r->block_ns;
    return jb_worker_block(l->worker[candidate], r, longest + r->lead_in_ns + BLOCK_SPARE_NS, candidate ? &p->b : &p->a, err);
}

// By rules that were fixed before (harness/validity.h), and never by looking at the latencies. Involuntary switches are none of them: short blocks have few or many by chance, and both sides alike.
static const char *disturbed(const struct jb_live *l, const struct jb_block *b, uint32_t streams)
{
    struct jb_validity_limits limits;
    struct jb_conditions c;
    uint32_t unknown;
    jb_validity_default(&limits);
    limits.max_other_cpu = l->o.max_other_cpu;
    limits.max_involuntary_per_s = limits.max_reference_drift = INFINITY;
    jb_conditions_of(&b->machine, b->involuntary_switches, b->wall_ns, streams, &c);
    uint32_t failed = jb_conditions_judge(&c, &limits, &unknown);
    for (int k = 0; k < JB_CHECK_COUNT; k++)
        if (failed >> k & 1) return jb_check_name((enum jb_check)k);
    return NULL;
}

static void check(const struct jb_live *l, const struct jb_live_cell *c, struct jb_live_pair *p)
{
    if (!(l->o.max_other_cpu > 0)) return;
    p->why_not = disturbed(l, &p->a, c->request_a.streams);
    if (!p->why_not) p->why_not = disturbed(l, &p->b, c->request_b.streams);
    p->valid = !p->why_not;
}

// Both blocks of a pair run on the same CPU, and pairs on any: CPUs differ by what else runs there, and the scheduler would leave each worker on one of its own. Several threads go where they want.
static int choose_cpu(struct jb_live *l, const struct jb_live_cell *c, struct jb_rng *rng)
{
    bool alone = c->request_a.threads <= 1 && c->request_a.streams <= 1 && c->request_b.threads <= 1 && c->request_b.streams <= 1;
    int cpu = alone && l->n_cpus ? l->cpus[jb_rng_below(rng, (uint64_t)l->n_cpus)] : -1;
    jb_worker_pin(l->worker[0], cpu);
    jb_worker_pin(l->worker[1], cpu);
    return cpu;
}

// Both blocks of a pair start at the same samples: their repetition is the same.
static int run_pair(struct jb_live *l, size_t cell, struct jb_rng *rng, struct jb_err *err)
{
    struct jb_live_cell *c = &l->cells[cell];
    struct jb_live_pair p = { .start_ns = l->o.clock.now_ns(l->o.clock.self), .candidate_first = jb_rng_below(rng, 2) != 0, .valid = true, .instance = l->instance };
    p.cpu = choose_cpu(l, c, rng);
    c->request_a.repetition = c->request_b.repetition = (uint32_t)c->pairs;
    int rc = run_side(l, c, p.candidate_first, &p, err);
    if (!rc) rc = run_side(l, c, !p.candidate_first, &p, err);
    if (!rc) {
        c->pairs++;
        check(l, c, &p);
        if (l->o.told) c->decided = l->o.told(l->o.told_user, cell, &p);
    }
    jb_block_free(&p.a);
    jb_block_free(&p.b);
    return rc;
}

static bool any_undecided(const struct jb_live *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->cells[i].decided) return true;
    return false;
}

static bool instance_is_over(const struct jb_live *l, double spent)
{
    if (!(l->o.instance_s > 0) || spent < l->o.instance_s) return false;
    for (size_t i = 0; i < l->n; i++)
        if (!l->cells[i].decided && l->cells[i].pairs - l->instance_start[i] < JB_LIVE_PAIRS) return false;
    return true;
}

static int next_instance(struct jb_live *l, struct jb_err *err)
{
    int rc = jb_worker_restart(l->worker[0], OPEN_NS, err);
    if (!rc) rc = jb_worker_restart(l->worker[1], OPEN_NS, err);
    l->instance++;
    for (size_t i = 0; i < l->n; i++) l->instance_start[i] = l->cells[i].pairs;
    return rc ? rc : warm_up(l, err);
}

static double since(const struct jb_live *l, uint64_t ns) { return (double)(l->o.clock.now_ns(l->o.clock.self) - ns) * 1e-9; }

int jb_live_run(struct jb_live *l, struct jb_err *err)
{
    struct jb_rng rng;
    uint32_t *order = calloc(l->n + 1, sizeof *order);
    jb_rng_seed_named(&rng, l->o.seed, "order of pairs");
    int rc = order ? warm_up(l, err) : jb_fail(err, JB_E_NOMEM, "order of pairs");
    uint64_t start = l->o.clock.now_ns(l->o.clock.self), began = start, pairs = 0;
    double spent = 0;
    while (!rc && spent < l->o.seconds && any_undecided(l)) {
        if (instance_is_over(l, since(l, began))) {
            rc = next_instance(l, err);
            began = l->o.clock.now_ns(l->o.clock.self);
        }
        for (size_t i = 0; i < l->n; i++) order[i] = (uint32_t)i;
        jb_rng_shuffle_u32(&rng, order, l->n);
        for (size_t i = 0; i < l->n && !rc && spent < l->o.seconds; i++) {
            struct jb_live_cell *c = &l->cells[order[i]];
            if (c->decided) continue;
            if (l->o.stop && *l->o.stop) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped");
            else rc = run_pair(l, order[i], &rng, err);
            spent = since(l, start);
            struct jb_progress p = { .phase = "compare", .cell = c->facts_a->label, .done = ++pairs, .total = 0, .seconds_left = l->o.seconds - spent };
            if (l->o.progress) l->o.progress(l->o.progress_user, &p);
        }
    }
    free(order);
    return rc;
}
