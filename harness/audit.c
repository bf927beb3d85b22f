#include "harness/audit.h"

#include "base/fs.h"
#include "base/infer.h"
#include "harness/compare.h"
#include "harness/ctx.h"
#include "harness/expected.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL 0.95
#define ERROR_RATE 0.05
#define UNLIKELY 0.01
#define LEAST_AT_EXIT 5u

const char *jb_audit_verdict_name(enum jb_audit_verdict v)
{
    static const char *const name[] = { "pass", "fail", "inconclusive", "nothing audited" };
    return name[v];
}

void jb_audit_free(struct jb_audit *a)
{
    free(a->rows);
    *a = (struct jb_audit){ 0 };
}

static struct jb_audit_row *add(struct jb_audit *a, const char *label)
{
    struct jb_audit_row *grown = realloc(a->rows, (a->n + 1) * sizeof *grown);
    if (!grown) return NULL;
    a->rows = grown;
    grown[a->n] = (struct jb_audit_row){ .verdict = JB_AUDIT_NOTHING, .observed = NAN, .lower = NAN, .upper = NAN };
    snprintf(grown[a->n].label, sizeof grown->label, "%s", label);
    return &grown[a->n++];
}

// One failure fails; a pass needs something that passed and nothing that is open.
static void settle(struct jb_audit *a)
{
    size_t count[4] = { 0 };
    for (size_t i = 0; i < a->n; i++) {
        count[a->rows[i].verdict]++;
        a->looked_at += a->rows[i].n;
    }
    a->verdict = count[JB_AUDIT_FAIL] ? JB_AUDIT_FAIL : count[JB_AUDIT_INCONCLUSIVE] ? JB_AUDIT_INCONCLUSIVE : count[JB_AUDIT_PASS] ? JB_AUDIT_PASS : JB_AUDIT_NOTHING;
}

static int finish(struct jb_audit *a, int rc, struct jb_audit *out)
{
    if (rc) jb_audit_free(a);
    else {
        settle(a);
        *out = *a;
    }
    return rc;
}

// ---- outputs ----

static int split_size(const struct jb_store *s, const struct jb_facts *f, uint32_t *n, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_samples x = { 0 };
    int rc = jb_store_get(s, f->id, JB_RAW_SAMPLES, &f->samples, &bytes, err);
    if (!rc) rc = jb_raw_samples_decode(&x, bytes, f->samples.n_bytes, err);
    free(bytes);
    *n = 0;
    for (uint32_t i = 0; i < x.n && !rc; i++)
        if (x.index[i] < UINT32_MAX && x.index[i] >= *n) *n = x.index[i] + 1;
    jb_raw_samples_free(&x);
    return rc;
}

static int outputs_of(const struct jb_store *s, const struct jb_rec_cell *c, struct jb_audit_row *row, struct jb_err *err)
{
    struct jb_expected e = { 0 };
    uint32_t n = 0;
    int rc = split_size(s, &c->facts, &n, err);
    if (!rc) rc = jb_expected_open(&e, s, &c->facts, n, err);
    for (uint32_t i = 0; i < c->n_blocks && !rc && row->verdict != JB_AUDIT_FAIL; i++) {
        uint8_t *bytes = NULL;
        struct jb_raw_block raw = { 0 };
        rc = jb_store_get(s, c->facts.id, JB_RAW_BLOCKS, &c->blocks[i].place, &bytes, err);
        if (!rc) rc = jb_raw_block_decode(&raw, bytes, c->blocks[i].place.n_bytes, err);
        free(bytes);
        if (rc) break;
        row->n += raw.n_rows;
        if (raw.n_rows) row->verdict = jb_expected_equal(&e, &raw, row->words, sizeof row->words) ? JB_AUDIT_PASS : JB_AUDIT_FAIL;
        jb_raw_block_free(&raw);
    }
    jb_expected_close(&e);
    if (!rc && row->verdict == JB_AUDIT_PASS) snprintf(row->words, sizeof row->words, "all %llu answers of %u blocks are those of the accuracy pass", (unsigned long long)row->n, c->n_blocks);
    return rc;
}

int jb_audit_outputs(const char *dir, struct jb_audit *out, struct jb_err *err)
{
    struct jb_record record = { 0 };
    struct jb_store *store = NULL;
    struct jb_audit a = { .limit = NAN };
    int rc = jb_store_open_read(&store, dir, jb_record_apply, &record, err);
    for (size_t i = 0; i < record.n_cells && !rc; i++) {
        const struct jb_rec_cell *c = record.cells[i];
        struct jb_audit_row *row = add(&a, c->facts.label);
        struct jb_err why = { 0 };
        if (!row) rc = jb_fail(err, JB_E_NOMEM, "audit");
        else if (!c->facts.samples.n_bytes || !c->n_blocks) snprintf(row->words, sizeof row->words, "no block or no accuracy pass");
        else if ((rc = outputs_of(store, c, row, &why)) != 0 && rc != JB_E_NOMEM) { // bytes that are gone or changed are no proof
            row->verdict = JB_AUDIT_FAIL;
            snprintf(row->words, sizeof row->words, "%.380s", why.detail);
            rc = 0;
        }
    }
    jb_store_close(store);
    jb_record_free(&record);
    return finish(&a, rc, out);
}

// ---- caching ----

static double median_at(const struct jb_raw_block *raw, int exit, uint32_t *n, double *scratch)
{
    *n = 0;
    for (uint32_t q = 0; q < raw->n_queries; q++)
        if (raw->exit[(size_t)q * raw->rows_per_query] == exit) scratch[(*n)++] = (double)raw->latency_ns[q];
    return *n ? jb_median_f64(scratch, *n) : NAN;
}

static double pair_ratio(const struct jb_raw_block *distinct, const struct jb_raw_block *repeated)
{
    uint32_t n_a, n_b, most = distinct->n_queries > repeated->n_queries ? distinct->n_queries : repeated->n_queries;
    double *scratch = malloc(((size_t)most + 1) * sizeof *scratch), a, b;
    if (!scratch || !repeated->n_rows) {
        free(scratch);
        return NAN;
    }
    int exit = repeated->exit[0];
    a = median_at(distinct, exit, &n_a, scratch);
    b = median_at(repeated, exit, &n_b, scratch);
    free(scratch);
    return n_a >= LEAST_AT_EXIT && n_b >= LEAST_AT_EXIT ? a / b : NAN;
}

static int cache_of(struct jb_ctx *c, const struct jb_cell *cell, uint32_t pairs, struct jb_audit *audit, struct jb_audit_row *row, struct jb_err *err)
{
    struct jb_block_request distinct, repeated;
    struct jb_rng rng;
    struct jb_warm_up warm;
    double *ratio = calloc((size_t)pairs + 1, sizeof *ratio), *one = calloc((size_t)pairs + 1, sizeof *one);
    uint32_t n = 0;
    jb_cell_request(c, cell, &distinct);
    distinct.repetitions = pairs;
    jb_rng_seed_named(&rng, c->s.seed, "audit of caching");
    int rc = ratio && one ? jb_host_warm_up(c->host, &distinct, &warm, err) : jb_fail(err, JB_E_NOMEM, "audit");
    for (uint32_t i = 0; i < pairs && !rc && !jb_ctx_stopped(c); i++) {
        struct jb_block a = { 0 }, b = { 0 };
        bool first = jb_rng_below(&rng, 2) != 0;
        distinct.repetition = i;
        repeated = distinct;
        repeated.n_samples = 1; // the first of the order that this seed gives
        repeated.seed = c->s.seed + 1 + i;
        if (first) rc = jb_host_run(c->host, &distinct, &a, err);
        if (!rc) rc = jb_host_run(c->host, &repeated, &b, err);
        if (!rc && !first) rc = jb_host_run(c->host, &distinct, &a, err);
        double r = rc ? NAN : pair_ratio(&a.raw, &b.raw);
        one[n] = 1;
        if (r > 0) ratio[n++] = r;
        jb_block_free(&a);
        jb_block_free(&b);
    }
    struct jb_ratio x = jb_paired_ratio(one, ratio ? ratio : one, n, LEVEL);
    if (!rc && n >= 2 && isfinite(x.lower)) {
        *row = (struct jb_audit_row){ .n = n, .observed = x.ratio, .lower = x.lower, .upper = x.upper,
                                      .verdict = x.upper <= 1 + audit->limit ? JB_AUDIT_PASS : x.lower > 1 + audit->limit ? JB_AUDIT_FAIL : JB_AUDIT_INCONCLUSIVE };
        snprintf(row->label, sizeof row->label, "%s", cell->label);
        snprintf(row->words, sizeof row->words, "distinct samples take %.3f times as long as one repeated sample at the same exit [%.3f, %.3f]%s", x.ratio, x.lower, x.upper,
                 row->verdict == JB_AUDIT_FAIL ? ": answers or work are kept from query to query" : row->verdict == JB_AUDIT_INCONCLUSIVE ? ": more pairs or longer blocks would tell" : "");
    } else if (!rc) snprintf(row->words, sizeof row->words, "fewer than two pairs with %u queries at one exit", LEAST_AT_EXIT);
    free(ratio);
    free(one);
    return rc;
}

int jb_audit_cache(const struct jb_plan *p, const struct jb_sweep_opts *o, uint32_t pairs, double limit, struct jb_audit *out, struct jb_err *err)
{
    struct jb_ctx *c = calloc(1, sizeof *c);
    struct jb_audit a = { .limit = limit };
    if (!c) return jb_fail(err, JB_E_NOMEM, "audit");
    int rc = jb_ctx_open(c, o, &p->settings, p->dir, err);
    if (!rc) rc = jb_ctx_from_plan(c, p, err);
    for (size_t i = 0; i < c->n_cells && !rc; i++) {
        struct jb_audit_row *row = add(&a, c->cells[i].label);
        if (!row) rc = jb_fail(err, JB_E_NOMEM, "audit");
        else if (c->cells[i].status != JB_CELL_VALID || !isnan(c->cells[i].target_loss)) snprintf(row->words, sizeof row->words, "%s", c->cells[i].reason ? c->cells[i].reason : "its threshold is calibrated: give one");
        else rc = cache_of(c, &c->cells[i], pairs, &a, row, err);
    }
    if (!rc && jb_ctx_stopped(c)) rc = jb_fail(err, JB_E_INTERRUPTED, "stopped");
    jb_ctx_close(c);
    free(c);
    return finish(&a, rc, out);
}

// ---- seeds ----

static int run_seed(const char *plan_path, const struct jb_plan_set *sets, size_t n_sets, const struct jb_sweep_opts *o, const char *dir, uint32_t seed, struct jb_err *err)
{
    char text[16];
    struct jb_plan *p = NULL;
    struct jb_result *r = NULL;
    struct jb_sweep_opts own = *o;
    struct jb_plan_set *all = calloc(n_sets + 1, sizeof *all);
    if (!all) return jb_fail(err, JB_E_NOMEM, "audit");
    if (n_sets) memcpy(all, sets, n_sets * sizeof *all);
    snprintf(text, sizeof text, "%u", seed);
    all[n_sets] = (struct jb_plan_set){ "seed", text };
    own.dir = dir;
    int rc = jb_plan_read(&p, plan_path, all, n_sets + 1, err);
    if (!rc) rc = jb_sweep_run(p, &own, &r, err);
    jb_result_close(r);
    jb_plan_close(p);
    free(all);
    return rc;
}

static int compare_seeds(const char *a_dir, const char *b_dir, struct jb_audit_row *row, struct jb_err *err)
{
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    jb_compare_opts_default(&o);
    int rc = jb_compare_past(a_dir, b_dir, &o, &c, err);
    if (rc) return rc;
    uint64_t judged = 0, seen = 0, left = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        left += c->cells[i].reason != NULL;
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (m->deterministic || isnan(m->p)) continue;
            judged++;
            seen += jb_compared_sign(c, m) != 0;
        }
    }
    row->n = judged > 0;
    row->observed = judged ? (double)seen : NAN;
    row->verdict = judged ? JB_AUDIT_PASS : JB_AUDIT_NOTHING; // one false difference is no failure: their share is judged
    snprintf(row->words, sizeof row->words, judged ? "%llu of %llu figures seem to differ" : "nothing could be compared", (unsigned long long)seen, (unsigned long long)judged);
    size_t at = strlen(row->words);
    if (left) snprintf(row->words + at, sizeof row->words - at, "; %llu of %zu cells were not compared", (unsigned long long)left, c->n_cells);
    jb_comparison_close(c);
    return 0;
}

int jb_audit_judge_seeds(struct jb_audit *a, struct jb_err *err)
{
    uint64_t n = 0, wrong = 0;
    for (size_t i = 0; i < a->n; i++) {
        n += a->rows[i].n;
        wrong += a->rows[i].observed > 0;
    }
    struct jb_audit_row *row = add(a, "all");
    if (!row) return jb_fail(err, JB_E_NOMEM, "audit");
    if (!n) return 0;
    double chance = wrong ? 1 - jb_binomial_cdf(wrong - 1, n, ERROR_RATE) : 1;
    row->observed = (double)wrong / (double)n;
    row->verdict = chance < UNLIKELY ? JB_AUDIT_FAIL : JB_AUDIT_PASS;
    snprintf(row->words, sizeof row->words, "%llu of %llu comparisons of a thing with itself saw a difference; at the stated 5 %% so many or more have a chance of %.2g", (unsigned long long)wrong, (unsigned long long)n, chance);
    return 0;
}

int jb_audit_seeds(const char *plan_path, const struct jb_plan_set *sets, size_t n_sets, const struct jb_sweep_opts *o, const char *dir, uint32_t n_seeds, struct jb_audit *out, struct jb_err *err)
{
    char path[2][4096], name[2][32];
    struct jb_audit a = { .limit = ERROR_RATE };
    int rc = jb_make_dirs(dir, err);
    for (uint32_t i = 0; i + 1 < n_seeds && !rc; i += 2) {
        struct jb_audit_row *row = NULL;
        for (uint32_t k = 0; k < 2 && !rc; k++) {
            snprintf(name[k], sizeof name[k], "seed-%u", i + k + 1);
            rc = jb_path_join(path[k], sizeof path[k], dir, name[k], err);
            if (!rc) rc = run_seed(plan_path, sets, n_sets, o, path[k], i + k + 1, err);
        }
        char label[80];
        snprintf(label, sizeof label, "%s against %s", name[0], name[1]);
        if (!rc && !(row = add(&a, label))) rc = jb_fail(err, JB_E_NOMEM, "audit");
        if (!rc) rc = compare_seeds(path[0], path[1], row, err);
    }
    if (!rc) rc = jb_audit_judge_seeds(&a, err);
    return finish(&a, rc, out);
}
