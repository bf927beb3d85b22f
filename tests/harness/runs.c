// Made-up runs with known truth.
#include "tests/harness/runs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/rng.h"

void made_defaults(struct made_run *r)
{
    *r = (struct made_run){ .cpu = "cpu A", .data_sha = "aaaaaaaaaaaaaaaaaaaa", .kernel = "jb_conv_avx2", .version = "1", .workload = "made", .seed = 1, .peak_rss_bytes = 1e7, .n_cells = 1 };
    r->cell[0] = (struct made_cell){ .key = "0123456789abcdef", .label = "net int8 final", .n_samples = 1000, .n_wrong = 80, .n_blocks = 20, .n_queries = 200, .mean_ns = 100000, .block_sd = 0.01,
                                     .query_sd = 0.05, .domains = "package-0", .macs = 1e6, .model_bytes = 1000 };
}

static void put(struct jb_record *rec, struct jb_store *s, cJSON *line)
{
    struct jb_err err = { 0 };
    if (jb_record_write(rec, s, line, &err)) fail_msg("%s", err.detail);
}

static cJSON *run_line(const struct made_run *r)
{
    char key[128];
    cJSON *o = cJSON_CreateObject();
    jb_json_put_str(o, "kind", "run");
    jb_json_put_str(o, "name", "made");
    jb_json_put_str(o, "started", "2026-11-22T18:00:00Z");
    jb_json_put_str(o, "version", r->version);
    jb_json_put_str(o, "git", "test");
    jb_json_put_str(o, "compiler", "cc");
    cJSON *e = jb_json_put_object(o, "environment");
    if (r->cpu) jb_json_put_str(e, "cpu", r->cpu);
    jb_json_put_str(jb_json_put_object(o, "kernels"), "conv", r->kernel);
    snprintf(key, sizeof key, "data %s test", r->workload);
    jb_json_put_str(jb_json_put_object(o, "hashes"), key, r->data_sha);
    cJSON *settings = jb_json_put_object(o, "settings");
    jb_json_put_u64(settings, "seed", r->seed);
    jb_json_put_str(settings, "split", "test");
    jb_json_put_bool(settings, "measured", true);
    if (r->normalise) jb_json_put_str(settings, "normalise", r->normalise);
    return o;
}

static bool is_wrong(const struct made_cell *c, uint32_t i) { return i < c->n_wrong + c->flipped; }

static uint32_t query_of(const struct made_cell *c, uint32_t i) { return i / c->per_query; }

static void fill_text(struct jb_raw_samples *raw, const struct made_cell *c)
{
    for (uint32_t i = 0; i < raw->n; i++) {
        uint32_t k = raw->index[i], query = query_of(c, k);
        raw->label[i] += c->vocabulary;
        raw->prediction[i] += c->vocabulary;
        if (c->old_raw) continue;
        raw->query[i] = query;
        raw->full[i] = k < c->disagreed ? 9 : raw->prediction[i];
        raw->logprob[i] = (float)-(1 + 0.5 * (query * 7 % 5) + c->nll * (0.5 + query % 3 * 0.5));
    }
}

static void describe_text(struct jb_facts *f, const struct made_cell *c)
{
    strcpy(f->unit, "token");
    strcpy(f->kv, "f16");
    strcpy(f->fill, "exact");
    f->deferred_macs = f->deferred_bytes = NAN;
    if (!c->words) return;
    f->n_quality = 1;
    f->quality[0] = (struct jb_quality){ .value = 0.5, .lower = NAN, .upper = NAN, .n = c->n_samples / c->per_query, .higher_is_better = true };
    strcpy(f->quality[0].name, "exact-match");
}

static void put_cell(struct jb_record *rec, struct jb_store *s, const struct made_run *r, const struct made_cell *c, const char *id)
{
    struct jb_err err = { 0 };
    struct jb_raw_samples raw;
    uint8_t *bytes;
    size_t n;
    static struct jb_facts f;
    f = (struct jb_facts){ .status = c->status, .n = c->n_samples, .correct = c->n_samples - c->n_wrong - c->flipped, .target_loss = NAN, .power_limit_w = NAN, .batch = 1, .threads = 1, .streams = 1,
                           .accuracy_loss = NAN, .n_exits = 1, .oracle_macs = NAN, .wasteful = NAN, .destructive = NAN, .relative = NAN, .model_bytes = c->model_bytes };
    memcpy(f.id, id, sizeof f.id);
    snprintf(f.key, sizeof f.key, "%s", c->key);
    snprintf(f.label, sizeof f.label, "%s", c->label);
    snprintf(f.workload, sizeof f.workload, "%s", r->workload);
    strcpy(f.model, "net");
    snprintf(f.precision, sizeof f.precision, "%s", c->precision ? c->precision : "int8");
    strcpy(f.policy, "final");
    strcpy(f.role, "static");
    strcpy(f.unit, "query");
    if (c->per_query) describe_text(&f, c);
    if (c->status != JB_CELL_VALID) strcpy(f.reason, "made to fail");
    f.exits[0] = (struct jb_exit_fact){ .count = c->n_samples, .correct = f.correct };
    f.exits[0].macs[1] = c->macs;
    f.exits[0].stages[1] = 1;
    assert_int_equal(jb_raw_samples_alloc(&raw, c->n_samples), 0);
    for (uint32_t i = 0; i < raw.n; i++) {
        raw.index[i] = raw.n - 1 - i; // in no order
        raw.label[i] = 3;
        raw.prediction[i] = is_wrong(c, raw.index[i]) ? 4 : 3;
        raw.pattern[i] = 0xfffffffd;
    }
    if (c->per_query) {
        if (!c->old_raw) assert_int_equal(jb_raw_samples_text(&raw), 0);
        fill_text(&raw, c);
    }
    assert_int_equal(jb_raw_samples_encode(&raw, &bytes, &n), 0);
    if (jb_store_put(s, id, JB_RAW_SAMPLES, 0, bytes, n, &f.samples, &err)) fail_msg("%s", err.detail);
    free(bytes);
    jb_raw_samples_free(&raw);
    put(rec, s, jb_facts_to_line(&f));
}

static void fill_queries(struct jb_raw_block *raw, const struct made_cell *c, double block_ns, struct jb_rng *rng, uint32_t from)
{
    uint8_t stages[1] = { 1 };
    uint32_t pattern = jb_raw_pattern_index(raw, jb_pattern_of(stages, 1));
    raw->stream_queries[0] = raw->n_queries;
    for (uint32_t q = 0; q < raw->n_queries; q++) {
        bool slow = c->slow_exit && q % 20 == 19;
        raw->latency_ns[q] = (uint64_t)(block_ns * exp(c->query_sd * jb_rng_normal(rng)) * (slow ? 3 : 1));
        raw->sample[q] = (from + q) % c->n_samples;
        raw->prediction[q] = (is_wrong(c, raw->sample[q]) ? 4 : 3) + c->vocabulary;
        raw->exit[q] = (uint8_t)(slow ? c->slow_exit : 0);
        raw->pattern[q] = (uint8_t)pattern;
    }
}

static void fill_sequences(struct jb_raw_block *raw, const struct made_cell *c, double block_ns)
{
    assert_int_equal(jb_raw_block_sequences(raw, raw->n_queries / c->per_query), 0);
    for (uint32_t i = 0; i < raw->n_sequences; i++) {
        raw->ttft_ns[i] = (uint64_t)(block_ns * c->ttft);
        raw->prompt_tokens[i] = 5;
        raw->first_query[i] = i * c->per_query;
    }
}

static void put_block(struct jb_record *rec, struct jb_store *s, const struct made_cell *c, const char *id, uint32_t repetition, struct jb_rng *rng)
{
    struct jb_err err = { 0 };
    struct jb_block b = { .wall_ns = 1000000 };
    bool contaminated = repetition >= c->n_blocks - c->contaminated;
    struct jb_around around = { .contaminated = contaminated, .attempt = contaminated ? JB_MAX_REPEATS : 0 };
    struct jb_raw_place place;
    uint8_t *bytes;
    size_t n;
    double factor = exp(c->block_sd * jb_rng_normal(rng)) * (contaminated ? 10 : 1);
    assert_int_equal(jb_raw_block_alloc(&b.raw, 1, c->n_queries, 1), 0);
    fill_queries(&b.raw, c, c->mean_ns * factor, rng, c->per_query ? 0 : repetition * 37);
    if (c->per_query) fill_sequences(&b.raw, c, c->mean_ns * factor);
    b.reference_ns = (uint64_t)(c->reference_ns * factor);
    b.window_rows = c->n_queries + c->unrecorded;
    b.energy = jb_joules_none("none", "this machine has no sensor");
    if (c->cls != JB_ENERGY_NONE) {
        b.energy = (struct jb_joules){ .cls = c->cls, .uj = c->uj * (c->n_queries + c->unrecorded) * factor, .window_ns = 1000000 };
        b.energy.lower_uj = b.energy.uj * (1 - c->bound);
        b.energy.upper_uj = b.energy.uj * (1 + c->bound);
        strcpy(b.energy.source, "made");
        snprintf(b.energy.domains, sizeof b.energy.domains, "%s", c->domains);
    }
    around.idle_before = around.idle_after = around.net = jb_joules_none("none", "no idle");
    assert_int_equal(jb_raw_block_encode(&b.raw, &bytes, &n), 0);
    if (jb_store_put(s, id, JB_RAW_BLOCKS, jb_record_cell(rec, id)->raw_end, bytes, n, &place, &err)) fail_msg("%s", err.detail);
    put(rec, s, jb_line_block(id, repetition, &b, &place, &around));
    free(bytes);
    jb_block_free(&b);
}

void made_write(const struct made_run *r, const char *dir)
{
    struct jb_err err = { 0 };
    struct jb_record rec = { 0 };
    struct jb_store *s = NULL;
    struct jb_sampler_stats none = { 0 };
    char id[RUNS_MAX_CELLS][JB_ID_HEX];
    const char *ids[RUNS_MAX_CELLS];
    struct jb_rng rng;
    jb_rng_seed(&rng, r->seed);
    if (jb_store_open(&s, dir, false, jb_record_apply, &rec, &err)) fail_msg("%s", err.detail);
    put(&rec, s, run_line(r));
    for (size_t i = 0; i < r->n_cells; i++) {
        snprintf(id[i], sizeof id[i], "%015llx%x", (unsigned long long)(r->seed & 0xffff), (unsigned)(i & 15));
        ids[i] = id[i];
        put_cell(&rec, s, r, &r->cell[i], ids[i]);
    }
    put(&rec, s, jb_line_cells(ids, r->n_cells));
    for (size_t i = 0; i < r->n_cells; i++)
        for (uint32_t b = 0; b < r->cell[i].n_blocks && r->cell[i].status == JB_CELL_VALID; b++) put_block(&rec, s, &r->cell[i], ids[i], b, &rng);
    put(&rec, s, jb_line_end(true, "2026-11-22T18:01:00Z", (uint64_t)r->peak_rss_bytes, &none));
    jb_store_close(s);
    jb_record_free(&rec);
}
