// The performance pass: blocks of all cells of a group, interleaved in seeded random order, each on the disk before the next starts.
#include "harness/ctx.h"

#include "base/cpu.h"
#include "base/rng.h"
#include "base/stats.h"
#include "harness/build.h"
#include "harness/early.h"
#include "harness/expected.h"
#include "harness/extend.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGER_AFTER_FAILURE 4.0        // where no window has a figure yet, the next is so much longer,
#define MOST_AFTER_FAILURE 16.0         // and at most so much longer than the plan's: a dead sensor must not eat the time
#define LEAST_MEMORY_MB 150.0          // of models and sessions, whatever the machine has
#define MAX_EXTRA_ROUNDS 8u            // beyond the plan's, for joules that are not yet narrow enough

struct runner {                        // a cell that is being measured
    struct jb_cell *cell;
    struct jb_rec_cell *rec;
    struct jb_block_request request;
    struct jb_expected expected;
    double median_ns;
    bool out;                          // a verdict fell: no more blocks
};

struct group {
    struct jb_ctx *c;
    struct runner *runners; size_t n;
    double budget_s, started_s;        // of this group; seconds since the pass began
    uint64_t pass_ns, block_ns;        // when the pass began; length of a block unless joules want a longer one
    struct jb_joules idle; bool idle_there; // the idle window behind the last block, while nothing else has run since
    double rest_s;                     // what the plan's blocks from this round on take, at the plan's length
    double *extra;                     // scratch of lengthen
    uint64_t done, total;              // blocks, of the whole pass
};

static double seconds_since(const struct jb_ctx *c, uint64_t start_ns) { return (double)(c->o->clock.now_ns(c->o->clock.self) - start_ns) * 1e-9; }

static bool ends_the_run(int rc) { return rc == JB_E_NOMEM || rc == JB_E_NO_SPACE || rc == JB_E_DENIED || rc == JB_E_INTERRUPTED || rc == JB_E_IO; }

static int verdict(struct jb_ctx *c, struct runner *r, enum jb_cell_status status, const char *reason, struct jb_err *err)
{
    r->out = true;
    return jb_record_write(&c->record, c->store, jb_line_verdict(r->cell->id, status, reason), err);
}

// ---- one block ----

static int keep_block(struct jb_ctx *c, struct runner *r, uint32_t repetition, const struct jb_block *b, const struct jb_around *a, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    struct jb_raw_place place;
    int rc = jb_raw_block_encode(&b->raw, &bytes, &n);
    if (rc) return jb_fail(err, rc, "block of %s", r->cell->label);
    rc = jb_store_put(c->store, r->cell->id, JB_RAW_BLOCKS, r->rec->raw_end, bytes, n, &place, err);
    free(bytes);
    return rc ? rc : jb_record_write(&c->record, c->store, jb_line_block(r->cell->id, repetition, b, &place, a), err);
}

// Idle before and after. The window behind a block is the one before the next: between them the block is only written down.
static void around(struct group *g, const struct runner *r, const struct jb_block *b, struct jb_around *a)
{
    struct jb_joules idle;
    const struct jb_ctx *c = g->c;
    g->idle = a->idle_after = jb_host_idle(c->host, c->idle_ns);
    g->idle_there = true;
    jb_joules_idle(&a->idle_before, &a->idle_after, &idle, &a->drift);
    a->net = jb_joules_net(&b->energy, &idle);
    // Only what is certain condemns a block.
    struct jb_conditions k;
    jb_conditions_of(&b->machine, b->involuntary_switches, b->wall_ns, r->request.streams, &k);
    a->invalid = jb_conditions_judge(&k, &c->s.validity, NULL);
    a->contaminated = a->invalid != 0;
}

static int run_attempt(struct group *g, struct runner *r, uint32_t repetition, uint32_t attempt, struct jb_err *err)
{
    struct jb_ctx *c = g->c;
    struct jb_block b = { 0 };
    struct jb_err why = { 0 };
    struct jb_around a = { .attempt = attempt };
    char reason[400];
    a.idle_before = g->idle_there ? g->idle : jb_host_idle(c->host, c->idle_ns);
    g->idle_there = false;
    r->request.repetition = repetition;
    int rc = jb_host_run(c->host, &r->request, &b, &why);
    if (rc == JB_E_NOMEM) {
        if (err) *err = why;
        return rc;
    }
    if (rc) return verdict(c, r, JB_CELL_FAILED, why.detail, err);
    around(g, r, &b, &a);
    rc = keep_block(c, r, repetition, &b, &a, err);
    if (!rc && !jb_expected_equal(&r->expected, &b.raw, reason, sizeof reason)) rc = verdict(c, r, JB_CELL_INVALID, reason, err);
    jb_block_free(&b);
    return rc;
}

static bool time_is_up(const struct group *g) { return seconds_since(g->c, g->pass_ns) - g->started_s > g->budget_s; }

// Measuring a block again must not cost another cell the blocks that the plan has for it.
static bool can_afford(const struct group *g, const struct runner *r)
{
    const struct jb_ctx *c = g->c;
    double cost = (double)(r->request.block_ns + r->request.lead_in_ns + c->idle_ns + c->wait_ns) * 1e-9;
    return g->budget_s - (seconds_since(c, g->pass_ns) - g->started_s) - cost > g->rest_s;
}

// A contaminated block is measured again at once. Every attempt is on the disk before the next begins.
static int run_block(struct group *g, struct runner *r, uint32_t repetition, struct jb_err *err)
{
    int rc = 0;
    do {
        const struct jb_block_fact *old = jb_rec_block(r->rec, repetition);
        jb_limit_axis_watch(g->c);
        rc = run_attempt(g, r, repetition, old && old->contaminated ? old->attempt + 1 : 0, err);
    } while (!rc && !r->out && jb_rec_needs_block(r->rec, repetition) && !jb_ctx_stopped(g->c) && can_afford(g, r));
    return rc;
}

// ---- a group ----

static int prepare_runner(struct jb_ctx *c, struct runner *r, struct jb_err *err)
{
    struct jb_err why = { 0 };
    struct jb_warm_up warm;
    jb_cell_request(c, r->cell, &r->request);
    int rc = jb_expected_open(&r->expected, c->store, &r->rec->facts, r->cell->text ? 0 : jb_workload_info(c->workloads[r->cell->workload].w)->n[c->split], &why);
    if (!rc) rc = jb_host_warm_up(c->host, &r->request, &warm, &why);
    if (!rc) {
        r->median_ns = warm.median_ns;
        return jb_record_write(&c->record, c->store, jb_line_warm_up(r->cell->id, &warm), err);
    }
    if (ends_the_run(rc) && rc != JB_E_IO) {
        if (err) *err = why;
        return rc;
    }
    return verdict(c, r, JB_CELL_FAILED, why.detail, err);
}

// Seconds that one round of blocks takes if the queries that percentiles need are spread over `rounds` of them.
static double round_seconds(const struct group *g, double rounds)
{
    double sum = 0;
    const struct jb_settings *s = &g->c->s;
    for (size_t i = 0; i < g->n; i++) {
        const struct runner *r = &g->runners[i];
        if (r->out) continue;
        double needed_ms = (double)r->request.min_queries * s->repetitions / rounds * r->median_ns * 1e-6;
        double longest = (double)r->request.max_ns * 1e-6;
        double block_ms = (double)r->request.block_ns * 1e-6;
        double ms = needed_ms > longest ? fmax(longest, block_ms) : fmax(needed_ms, block_ms);
        sum += (ms + (double)(g->c->idle_ns + g->c->wait_ns) * 1e-6 + s->lead_in_ms + 2 * r->median_ns * 1e-6 + 3) * 1e-3; // 3 ms: writing and waiting for the disk
    }
    return sum;
}

// The most rounds that fit the time; the percentiles' queries are spread over these, so that a slow cell has enough when time is up.
static uint32_t rounds_that_fit(const struct group *g, double seconds)
{
    uint32_t n = g->c->s.repetitions;
    while (n > 1 && round_seconds(g, n) * n > seconds) n--;
    return n;
}

static void spread_queries(struct group *g, uint32_t rounds)
{
    uint32_t planned = g->c->s.repetitions;
    for (size_t i = 0; i < g->n && rounds < planned; i++) {
        uint64_t q = (uint64_t)g->runners[i].request.min_queries * planned / rounds + 1;
        if (g->runners[i].request.min_queries) g->runners[i].request.min_queries = q > UINT32_MAX ? UINT32_MAX : (uint32_t)q;
    }
}

// ---- longer blocks for narrower joules ----

static uint32_t blocks_lacking(const struct group *g, const struct runner *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->c->s.repetitions; i++) n += !jb_rec_block(r->rec, i);
    return n ? n : 1;
}

static double mean_query_ns(const struct runner *r)
{
    double wall = 0, queries = 0;
    for (uint32_t i = 0; i < r->rec->n_blocks; i++) {
        wall += (double)r->rec->blocks[i].wall_ns * r->request.streams;
        queries += (double)r->rec->blocks[i].n_queries;
    }
    return queries > 0 ? wall / queries : 0;
}

// No window of a cell has a figure yet: most likely they are too short for the counter. NAN: nothing is known against the plan's length, or it is no use.
static double after_failures(const struct group *g, const struct runner *r)
{
    double ns = 0;
    for (uint32_t i = 0; i < r->rec->n_blocks; i++) {
        if (r->rec->blocks[i].energy_cls != JB_ENERGY_NONE) return NAN; // modelled
        if ((double)r->rec->blocks[i].wall_ns > ns) ns = (double)r->rec->blocks[i].wall_ns;
    }
    if (!(ns > 0) || jb_power_is_none(g->c) || r->rec->n_blocks >= g->c->s.repetitions) return NAN;
    return fmin(LONGER_AFTER_FAILURE * ns, MOST_AFTER_FAILURE * (double)g->block_ns);
}

// Seconds beyond the plan's block length that a runner wants for the blocks to come.
static double wanted_extra(const struct group *g, const struct runner *r)
{
    struct jb_extension e;
    uint32_t left = blocks_lacking(g, r);
    if (r->out || !g->c->s.extend) return 0;
    jb_extension_of(r->rec->blocks, r->rec->n_blocks, left, g->c->s.energy_half_width, &e);
    if (!e.known) e.wanted_ns = after_failures(g, r);
    if (isnan(e.wanted_ns)) return 0;
    return fmax(e.wanted_ns - (double)g->block_ns, 1000) * 1e-9 * left; // a microsecond: another block of the plan's length will do
}

static void lengthen_one(struct group *g, struct runner *r, double extra_s)
{
    r->request.block_ns = g->block_ns + (uint64_t)(extra_s * 1e9 / blocks_lacking(g, r));
    r->request.query_ns = (uint64_t)(mean_query_ns(r) / 2); // room for twice as many as expected: a block that fills it ends early
}

// Shares the time that the plan leaves over: each cell its equal share, what one does not need goes to the others.
static void lengthen(struct group *g, uint32_t rounds_left, uint64_t pass_ns)
{
    double *extra = g->extra, open = 0;
    for (size_t i = 0; i < g->n; i++) {
        g->runners[i].request.block_ns = g->block_ns;
        g->runners[i].request.query_ns = 0;
        extra[i] = wanted_extra(g, &g->runners[i]);
        open += extra[i] > 0;
    }
    g->rest_s = round_seconds(g, rounds_left ? rounds_left : 1) * rounds_left;
    double slack = g->budget_s - (seconds_since(g->c, pass_ns) - g->started_s) - g->rest_s, share = 0;
    for (bool again = open > 0 && slack > 0; again;) { // those below the share are served in full, which raises it for the rest
        again = false;
        share = slack / open;
        for (size_t i = 0; i < g->n; i++) {
            if (!(extra[i] > 0) || extra[i] > share) continue;
            lengthen_one(g, &g->runners[i], extra[i]);
            slack -= extra[i];
            extra[i] = 0;
            open--;
            again = open > 0;
        }
    }
    for (size_t i = 0; i < g->n && slack > 0; i++)
        if (extra[i] > 0) lengthen_one(g, &g->runners[i], share);
}

// ---- ending early ----

static int look(struct jb_ctx *c, struct runner *r, struct jb_err *err)
{
    char why[200] = "";
    int rc = r->out ? 0 : jb_early_look(c, r->rec, why, err);
    if (rc || !why[0]) return rc;
    r->out = true;
    return jb_record_write(&c->record, c->store, jb_line_stopped(r->cell->id, why), err);
}

static void tell(struct group *g, const struct runner *r, uint32_t round, uint32_t rounds, uint64_t pass_ns)
{
    double spent = seconds_since(g->c, pass_ns) - g->started_s, left = g->budget_s - spent, wanted = round_seconds(g, rounds) * (rounds > round ? rounds - round : 0);
    jb_ctx_progress(g->c, "measure", r->cell->label, g->done, g->total, wanted < left ? wanted : left > 0 ? left : 0);
}

static void draw_order(const struct group *g, uint32_t round, uint32_t *order)
{
    struct jb_rng rng;
    char name[40];
    snprintf(name, sizeof name, "order of round %u", round);
    jb_rng_seed_named(&rng, g->c->s.seed, name);
    for (size_t i = 0; i < g->n; i++) order[i] = (uint32_t)i;
    jb_rng_shuffle_u32(&rng, order, g->n);
}

// Beyond the plan's rounds only those run that one longer block brings to the target.
static bool runs_in(const struct group *g, const struct runner *r, uint32_t round)
{
    if (r->out || !jb_rec_needs_block(r->rec, round)) return false;
    return round < g->c->s.repetitions || (r->request.block_ns > g->block_ns && wanted_extra(g, r) <= (double)(r->request.block_ns - g->block_ns) * 1e-9 * 1.001);
}

static int run_round(struct group *g, uint32_t round, uint32_t fits, const uint32_t *order, uint64_t pass_ns, size_t *ran, struct jb_err *err)
{
    int rc = 0;
    *ran = 0;
    for (size_t i = 0; i < g->n && !rc; i++) {
        struct runner *r = &g->runners[order[i]];
        if (!runs_in(g, r, round)) continue;
        if (jb_ctx_stopped(g->c)) return jb_fail(err, JB_E_INTERRUPTED, "stopped; go on by --resume");
        if (time_is_up(g)) return 0;
        rc = run_block(g, r, round, err);
        if (!rc) rc = look(g->c, r, err);
        ++*ran;
        g->done += round < g->c->s.repetitions;
        tell(g, r, round + 1, fits, pass_ns);
    }
    return rc;
}

static int run_rounds(struct group *g, uint64_t pass_ns, struct jb_err *err)
{
    struct jb_ctx *c = g->c;
    uint32_t *order = calloc(g->n + 1, sizeof *order), fits = rounds_that_fit(g, g->budget_s - (seconds_since(c, pass_ns) - g->started_s));
    g->extra = calloc(g->n + 1, sizeof *g->extra);
    int rc = order && g->extra ? 0 : jb_fail(err, JB_E_NOMEM, "order of blocks");
    size_t ran = 1;
    spread_queries(g, fits);
    for (uint32_t round = 0; round < c->s.repetitions + MAX_EXTRA_ROUNDS && !rc && !time_is_up(g); round++) {
        if (round >= c->s.repetitions && !ran) break;
        draw_order(g, round, order);
        lengthen(g, round < c->s.repetitions ? c->s.repetitions - round : 0, pass_ns);
        rc = run_round(g, round, fits, order, pass_ns, &ran, err);
    }
    free(g->extra);
    free(order);
    return rc;
}

// The plan's; or what slow counters need at least, where five rounds of it fit the time.
static uint64_t block_length(struct group *g, uint64_t pass_ns)
{
    uint64_t planned = (uint64_t)(g->c->s.block_ms * 1e6), least = jb_power_least_ns(g->c);
    uint32_t rounds = g->c->s.repetitions < JB_BLOCKS_FOR_INTERVAL ? g->c->s.repetitions : JB_BLOCKS_FOR_INTERVAL;
    if (least <= planned || !g->c->s.extend) return planned;
    for (size_t i = 0; i < g->n; i++) g->runners[i].request.block_ns = least;
    bool fits = round_seconds(g, rounds) * rounds <= g->budget_s - (seconds_since(g->c, pass_ns) - g->started_s);
    for (size_t i = 0; i < g->n && !fits; i++) g->runners[i].request.block_ns = planned;
    return fits ? least : planned;
}

// The same word for all cells of a group, those that are out already excepted.
static int verdict_all(struct group *g, enum jb_cell_status status, const char *reason, struct jb_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < g->n && !rc; i++)
        if (!g->runners[i].out) rc = verdict(g->c, &g->runners[i], status, reason, err);
    return rc;
}

// The group's power limit. Where it cannot be set, its cells are unavailable, and so out.
static int set_limit(struct group *g, struct jb_err *err)
{
    struct jb_err why = { 0 };
    int rc = jb_limit_axis_set(g->c, g->runners->cell->power_limit_w, &why);
    return !rc ? 0 : rc == JB_E_NOMEM ? jb_fail(err, rc, "power limits") : verdict_all(g, JB_CELL_UNAVAILABLE, why.detail, err);
}

static int check_limit(struct group *g, struct jb_err *err)
{
    char reason[200];
    struct jb_str what = { 0 };
    bool kept = jb_limit_axis_kept(g->c, &what, reason, sizeof reason);
    int rc = what.len ? jb_record_write(&g->c->record, g->c->store, jb_line_limit(g->runners->cell->power_limit_w, jb_str_get(&what)), err) : 0;
    jb_str_free(&what);
    return rc || kept ? rc : verdict_all(g, JB_CELL_INVALID, reason, err);
}

static int run_group(struct group *g, uint64_t pass_ns, struct jb_err *err)
{
    int rc = set_limit(g, err);
    if (rc || g->runners->out) return rc;
    g->started_s = seconds_since(g->c, pass_ns);
    for (size_t i = 0; i < g->n && !rc; i++) {
        jb_ctx_progress(g->c, "measure", g->runners[i].cell->label, g->done, g->total, NAN);
        if (jb_ctx_stopped(g->c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped while warming up; go on by --resume");
        else rc = prepare_runner(g->c, &g->runners[i], err);
    }
    g->pass_ns = pass_ns;
    g->block_ns = block_length(g, pass_ns);
    if (!rc) rc = run_rounds(g, pass_ns, err);
    if (!rc) rc = check_limit(g, err);
    for (size_t i = 0; i < g->n; i++) jb_expected_close(&g->runners[i].expected);
    jb_host_drop_models(g->c->host);
    return rc;
}

// ---- all groups ----

static bool lacks_blocks(const struct jb_ctx *c, const struct jb_rec_cell *r)
{
    for (uint32_t i = 0; i < c->s.repetitions; i++)
        if (jb_rec_needs_block(r, i)) return true;
    return false;
}

static size_t collect(struct jb_ctx *c, struct runner *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        struct jb_rec_cell *r = jb_record_cell(&c->record, c->cells[i].id);
        if (!r || r->facts.status != JB_CELL_VALID || !r->facts.samples.n_bytes || !lacks_blocks(c, r) || (r->stopped[0] && jb_early_may(c))) continue;
        out[n++] = (struct runner){ .cell = &c->cells[i], .rec = r };
    }
    return n;
}

// Of a cell's sessions: those of a text are its own, and were seen in the accuracy pass; images' cells of one shape that follow one another share them.
static double sessions_of(const struct jb_ctx *c, const struct runner *r, const struct runner *before)
{
    const struct jb_ctx_model *m = &c->models[r->cell->model];
    bool same = before && before->cell->model == r->cell->model && before->cell->batch == r->cell->batch && before->cell->streams == r->cell->streams;
    if (r->cell->text && isfinite(r->rec->facts.session_bytes)) return r->rec->facts.session_bytes * r->cell->streams;
    return same ? 0 : (double)m->session_bytes * r->cell->batch * r->cell->streams;
}

// A file is open once, whatever the models of the plan that name it are called.
static bool is_open(const struct jb_ctx *c, const struct runner *first, size_t i)
{
    const struct jb_ctx_model *m = &c->models[first[i].cell->model];
    for (size_t k = 0; k < i; k++) {
        const struct jb_ctx_model *o = first[k].cell->model == SIZE_MAX ? NULL : &c->models[first[k].cell->model];
        if (o && !strcmp(o->path, m->path) && !strcmp(o->exits, m->exits)) return true;
    }
    return false;
}

static double memory_of(const struct jb_ctx *c, const struct runner *first, size_t i)
{
    if (first[i].cell->model == SIZE_MAX) return 0;
    return (is_open(c, first, i) ? 0 : (double)c->models[first[i].cell->model].info.model_bytes) + sessions_of(c, &first[i], i ? &first[i - 1] : NULL);
}

// What models and sessions may take: the plan's, or a quarter of the machine's memory. The cells of one group are interleaved, those of two are not.
static double memory_limit(const struct jb_ctx *c)
{
    struct jb_cpu_info cpu;
    jb_cpu_describe(&cpu);
    return c->s.sessions_memory_mb > 0 ? c->s.sessions_memory_mb * 1e6 : fmax(LEAST_MEMORY_MB * 1e6, (double)cpu.mem_bytes / 4);
}

// How many runners from `first` on fit in memory together, under one power limit; at least one.
static size_t group_size(const struct jb_ctx *c, const struct runner *first, size_t n)
{
    double sum = 0, limit = memory_limit(c);
    for (size_t i = 0; i < n; i++) {
        if (!jb_same_limit(first[i].cell->power_limit_w, first->cell->power_limit_w)) return i;
        double more = memory_of(c, first, i);
        sum += more;
        if (i && more > 0 && sum > limit) return i;
    }
    return n;
}

// Between the blocks of one group lies what the machine did while another was measured.
static int tell_groups(struct jb_ctx *c, size_t n_groups, struct jb_err *err)
{
    char what[300];
    if (n_groups < 2) return 0;
    snprintf(what, sizeof what, "cells were measured in %zu groups, one after another (of one power limit, and in %.0f MB: sessions_memory_mb); differences between cells of two groups hold what the machine did meanwhile",
             n_groups, memory_limit(c) * 1e-6);
    return jb_record_write(&c->record, c->store, jb_line_note("interleaving", what), err);
}

// The journal may know blocks whose raw bytes are gone or damaged: those are measured again. Checked once, before anything is added.
static int drop_damaged(struct jb_ctx *c, struct jb_rec_cell *r, struct jb_err *err)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->n_blocks; i++) {
        uint8_t *bytes = NULL;
        struct jb_err why = { 0 };
        int rc = jb_store_get(c->store, r->facts.id, JB_RAW_BLOCKS, &r->blocks[i].place, &bytes, &why);
        free(bytes);
        if (rc == JB_E_NOMEM) return jb_fail(err, rc, "raw figures");
        if (!rc) r->blocks[kept++] = r->blocks[i];
    }
    r->n_blocks = kept;
    return 0;
}

// What the machine did over the pass: shares of CPU time that blocks are too short for.
static int tell_machine(struct jb_ctx *c, struct jb_err *err)
{
    struct jb_machine_span span;
    return jb_host_machine_span(c->host, &span) ? jb_record_write(&c->record, c->store, jb_line_machine(&span), err) : 0;
}

int jb_measure_pass(struct jb_ctx *c, struct jb_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_rec_cell *r = jb_record_cell(&c->record, c->cells[i].id);
        if (r) rc = drop_damaged(c, r, err);
    }
    struct runner *all = rc ? NULL : calloc(c->n_cells + 1, sizeof *all);
    if (!all) return rc ? rc : jb_fail(err, JB_E_NOMEM, "cells");
    size_t n = collect(c, all), n_groups = 0;
    uint64_t pass_ns = c->o->clock.now_ns(c->o->clock.self), done = 0;
    for (size_t first = 0; first < n && !rc;) {
        struct group g = { .c = c, .runners = all + first, .done = done, .total = (uint64_t)n * c->s.repetitions };
        g.n = group_size(c, g.runners, n - first);
        double left = c->s.max_seconds - seconds_since(c, pass_ns);
        g.budget_s = left * (double)g.n / (double)(n - first);
        rc = run_group(&g, pass_ns, err);
        done = g.done;
        first += g.n;
        n_groups++;
    }
    if (!rc) rc = tell_groups(c, n_groups, err);
    free(all);
    int told = rc && rc != JB_E_INTERRUPTED ? 0 : tell_machine(c, rc ? NULL : err);
    return rc ? rc : told;
}
