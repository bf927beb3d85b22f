// Pairs of blocks of two workers. Only one of them runs at a time; the other waits on its input.
#include "harness/live.h"

#include "base/rng.h"
#include "harness/live_check.h"
#include "harness/live_limit.h"
#include <fnmatch.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
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
    struct jb_live_limit *limit;     // NULL: no side has a power limit
    struct jb_live_check check[2];
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

// The label without its power limit, which stands at its end. Length.
static size_t without_limit(const struct jb_facts *f)
{
    char suffix[48];
    size_t n = strlen(f->label), k = (size_t)snprintf(suffix, sizeof suffix, " %g W", f->power_limit_w);
    return !isnan(f->power_limit_w) && k < n && !strcmp(f->label + n - k, suffix) ? n - k : n;
}

// Sides that differ in their limits: cells of one label otherwise, where that names one cell on each side.
static void match_limits(struct jb_live *l, const struct jb_worker_cell *a, size_t n_a, const struct jb_worker_cell *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++) {
        size_t n = without_limit(&a[i].facts), found = 0, at = 0, twins = 0;
        if (!wanted(&l->o, &a[i].facts)) continue;
        for (size_t k = 0; k < n_a; k++) twins += wanted(&l->o, &a[k].facts) && without_limit(&a[k].facts) == n && !strncmp(a[k].facts.label, a[i].facts.label, n);
        for (size_t k = 0; k < n_b; k++) {
            bool limited = !isnan(a[i].facts.power_limit_w) || !isnan(b[k].facts.power_limit_w);
            if (!limited || !wanted(&l->o, &b[k].facts) || without_limit(&b[k].facts) != n || strncmp(b[k].facts.label, a[i].facts.label, n)) continue;
            found++;
            at = k;
        }
        if (found == 1 && twins == 1) pair_up(l, &a[i], i, &b[at], at);
    }
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
    if (!l->n) match_limits(l, a, n_a, b, n_b);
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

static int open_limits(struct jb_live *l, struct jb_err *err)
{
    bool any = false;
    for (size_t i = 0; i < l->n; i++) any |= !isnan(l->cells[i].facts_a->power_limit_w) || !isnan(l->cells[i].facts_b->power_limit_w);
    return any ? jb_live_limit_open(&l->limit, &(struct jb_live_limit_opts){ .power = &l->o.power, .state = l->o.limits_state, .held = l->o.limits_held, .clock = l->o.clock }, err) : 0;
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
    for (int i = 0; i < 2 && !rc; i++) jb_live_check_open(&l->check[i], jb_worker_run(l->worker[i]), o->max_other_cpu > 0 ? o->max_other_cpu : NAN);
    if (!rc) rc = open_limits(l, err);
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
    jb_live_limit_close(l->limit);
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

// The side's limit in force, and its own load run until it holds; nothing to do while both sides have the same.
static int set_limit(struct jb_live *l, const struct jb_live_cell *c, bool candidate, struct jb_err *err)
{
    struct jb_block_request r = candidate ? c->request_b : c->request_a;
    struct jb_block unused = { 0 };
    uint64_t settle_ns = 0;
    if (!l->limit) return 0;
    int rc = jb_live_limit_set(l->limit, candidate ? c->facts_b->power_limit_w : c->facts_a->power_limit_w, &settle_ns, err);
    if (!rc && settle_ns) {
        r.lead_in_ns = settle_ns;
        r.block_ns = r.max_ns = r.min_queries = 1;
        rc = jb_worker_block(l->worker[candidate], &r, settle_ns + BLOCK_SPARE_NS, &unused, err);
        jb_block_free(&unused);
    }
    if (!rc) jb_live_limit_settled(l->limit);
    return rc;
}

bool jb_live_kept(const struct jb_live *l, double watts, struct jb_str *what, char *reason, size_t room) { return isnan(watts) || jb_live_limit_kept(l->limit, watts, what, reason, room); }

static int run_side(struct jb_live *l, struct jb_live_cell *c, bool candidate, struct jb_live_pair *p, struct jb_err *err)
{
    const struct jb_block_request *r = candidate ? &c->request_b : &c->request_a;
    uint64_t longest = r->max_ns > r->block_ns ? r->max_ns : r->block_ns;
    return jb_worker_block(l->worker[candidate], r, longest + r->lead_in_ns + BLOCK_SPARE_NS, candidate ? &p->b : &p->a, err);
}

// By rules that were fixed before (harness/validity.h), and never by looking at the latencies.
static void check(struct jb_live *l, const struct jb_live_cell *c, struct jb_live_pair *p)
{
    p->invalid_a = jb_live_check_block(&l->check[0], &p->a, c->request_a.streams);
    p->invalid_b = jb_live_check_block(&l->check[1], &p->b, c->request_b.streams);
    p->why_not = jb_live_check_name(p->invalid_a ? p->invalid_a : p->invalid_b);
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
    int rc = set_limit(l, c, p.candidate_first, err);
    if (!rc) rc = run_side(l, c, p.candidate_first, &p, err);
    if (!rc) rc = set_limit(l, c, !p.candidate_first, err);
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
    int back = jb_live_limit_restore(l->limit, rc ? NULL : err);
    return rc ? rc : back;
}
