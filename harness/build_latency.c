// What a cell's blocks say: percentiles by LoadGen's early stopping, mean with an interval over blocks, latency by exit, histogram.
#include "harness/build.h"

#include "base/infer.h"
#include "base/stats.h"
#include "harness/early.h"
#include "harness/stop.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A clock is too coarse for a cell when its resolution, or the cost of a reading, is more than this share of the median latency.
#define COARSE_SHARE 0.02
#define MAX_BINS 60u

struct gathered { uint64_t *latency, *ttft; size_t n, n_ttft; double prompt; double exit_sum[JB_MAX_STAGES]; uint64_t exit_n[JB_MAX_STAGES]; };

static int add_sequences(const struct jb_raw_block *raw, struct gathered *g)
{
    uint64_t *grown = raw->n_sequences ? realloc(g->ttft, (g->n_ttft + raw->n_sequences) * sizeof *grown) : g->ttft;
    if (raw->n_sequences && !grown) return JB_E_NOMEM;
    g->ttft = grown;
    for (uint32_t i = 0; i < raw->n_sequences; i++) {
        g->ttft[g->n_ttft++] = raw->ttft_ns[i];
        g->prompt += raw->prompt_tokens[i];
    }
    return 0;
}

static int add_block(struct jb_build *b, struct jb_built *x, const struct jb_block_fact *f, struct gathered *g, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_block raw = { 0 };
    int rc = jb_store_get(b->store, x->rec->facts.id, JB_RAW_BLOCKS, &f->place, &bytes, err);
    if (!rc) rc = jb_raw_block_decode(&raw, bytes, f->place.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    double sum = 0;
    uint64_t *grown = realloc(g->latency, (g->n + raw.n_queries + 1) * sizeof *grown);
    if (grown) {
        g->latency = grown;
        for (uint32_t q = 0; q < raw.n_queries; q++) {
            g->latency[g->n++] = raw.latency_ns[q];
            sum += (double)raw.latency_ns[q];
            if (raw.rows_per_query != 1) continue; // the latency of a batch belongs to no exit
            g->exit_sum[raw.exit[q]] += (double)raw.latency_ns[q];
            g->exit_n[raw.exit[q]]++;
        }
        x->repetition[x->n_blocks] = f->repetition;
        x->block_sum[x->n_blocks] = sum;
        x->block_n[x->n_blocks++] = raw.n_queries;
    }
    rc = grown ? add_sequences(&raw, g) : JB_E_NOMEM;
    jb_raw_block_free(&raw);
    return rc;
}

static int gather(struct jb_build *b, struct jb_built *x, struct gathered *g, struct jb_err *err)
{
    size_t n = x->rec->n_blocks;
    x->repetition = calloc(n + 1, sizeof *x->repetition);
    x->block_sum = calloc(n + 1, sizeof *x->block_sum);
    x->block_n = calloc(n + 1, sizeof *x->block_n);
    int rc = x->repetition && x->block_sum && x->block_n ? 0 : JB_E_NOMEM;
    for (size_t i = 0; i < n && !rc; i++)
        if (jb_built_uses(x, (uint32_t)i)) rc = add_block(b, x, &x->rec->blocks[i], g, err);
    return rc;
}

// ---- percentiles ----

static bool asked(const struct jb_build *b, double p)
{
    for (size_t i = 0; i < b->n_percentiles; i++)
        if (b->percentiles[i] == p) return true;
    return false;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The reported value is LoadGen's early-stopping estimate: the latency left when the t - 1 slowest queries are discarded, t the most that n queries allow at
// 99 % confidence. A short run is so penalised rather than rejected.
static const char *one_percentile(struct jb_build *b, struct jb_percentile *out, double p, const uint64_t *sorted, size_t n)
{
    uint64_t t = n ? jb_early_stopping_t(p, n) : 0;
    *out = (struct jb_percentile){ .p = p, .ns = NAN };
    if (t) {
        out->ns = (double)sorted[n - t];
        return NULL;
    }
    out->reason = jb_result_strf(b->r, "%zu queries: p%.6g needs at least %llu", n, p * 100, (unsigned long long)jb_early_stopping_min_queries(p, 1));
    return out->reason ? out->reason : "too few queries";
}

static int percentiles(struct jb_build *b, struct jb_result_cell *c, const uint64_t *sorted, size_t n, const char **missing)
{
    double list[JB_PLAN_MAX_PERCENTILES + 3] = { 0.5, 0.9, 0.99 };
    size_t count = 3;
    for (size_t i = 0; i < b->n_percentiles; i++)
        if (b->percentiles[i] != 0.5 && b->percentiles[i] != 0.9 && b->percentiles[i] != 0.99) list[count++] = b->percentiles[i];
    qsort(list, count, sizeof *list, by_value);
    c->percentiles = jb_result_array(b->r, count, sizeof *c->percentiles);
    if (!c->percentiles) return JB_E_NOMEM;
    c->n_percentiles = count;
    for (size_t i = 0; i < count; i++) {
        const char *why = one_percentile(b, &c->percentiles[i], list[i], sorted, n);
        if (why && asked(b, list[i])) *missing = why;
    }
    return 0;
}

// ---- mean ----

static double mean_of(void *user, const uint32_t *draw, size_t n_draws)
{
    const struct jb_built *x = user;
    double s = 0, m = 0;
    for (size_t i = 0; i < n_draws; i++) {
        s += x->block_sum[draw[i]];
        m += x->block_n[draw[i]];
    }
    return m > 0 ? s / m : NAN;
}

// Blocks are resampled, not queries: those of one block share the machine's state. Where the cell could end early, at the level that holds under that rule.
static int mean_interval(struct jb_build *b, struct jb_result_cell *c, struct jb_built *x)
{
    double sum = 0, n = 0, level = 0.95;
    for (uint32_t i = 0; i < x->n_blocks; i++) {
        sum += x->block_sum[i];
        n += x->block_n[i];
    }
    c->latency_mean_ns = n > 0 ? sum / n : NAN;
    c->latency_mean_ci = (struct jb_value){ c->latency_mean_ns, NAN, NAN, x->n_blocks };
    if (b->repetitions && (!isnan(b->stop_latency) || !isnan(b->stop_joules))) c->blocks.confidence = level = jb_stop_confidence(b->repetitions, jb_early_blocks(x->rec)); // of the look, whatever is left out
    if (x->n_blocks < JB_BLOCKS_FOR_INTERVAL) return 0;
    struct jb_rng rng;
    struct jb_interval ci;
    jb_rng_seed_named(&rng, b->seed, "bootstrap of blocks");
    int rc = jb_block_bootstrap(mean_of, x, x->n_blocks, level, level > 0.95 ? 5 * JB_RESAMPLES : JB_RESAMPLES, &rng, &ci);
    c->latency_mean_ci.lower = ci.lower;
    c->latency_mean_ci.upper = ci.upper;
    return rc;
}

// ---- histogram ----

static int histogram(struct jb_build *b, struct jb_result_cell *c, const uint64_t *sorted, size_t n)
{
    if (!n) return 0;
    double low = sorted[0] ? (double)sorted[0] : 1, high = (double)sorted[n - 1] + 1;
    uint32_t bins = (uint32_t)ceil(log(high / low) / log(1.05));
    if (bins < 1) bins = 1;
    if (bins > MAX_BINS) bins = MAX_BINS;
    double factor = pow(high / low, 1.0 / bins);
    c->hist_edges_ns = jb_result_array(b->r, bins + 1, sizeof *c->hist_edges_ns);
    c->hist_counts = jb_result_array(b->r, bins, sizeof *c->hist_counts);
    if (!c->hist_edges_ns || !c->hist_counts) return JB_E_NOMEM;
    for (uint32_t i = 0; i <= bins; i++) c->hist_edges_ns[i] = low * pow(factor, i);
    c->n_hist = bins;
    for (size_t i = 0, at = 0; i < n; i++) {
        while (at + 1 < bins && (double)sorted[i] >= c->hist_edges_ns[at + 1]) at++;
        c->hist_counts[at]++;
    }
    return 0;
}

// ---- verdicts ----

static int invalid(struct jb_build *b, struct jb_result_cell *c, const char *reason)
{
    if (c->status != JB_CELL_VALID) return 0;
    c->status = JB_CELL_INVALID;
    c->reason = reason;
    (void)b;
    return reason ? 0 : JB_E_NOMEM;
}

static int judge(struct jb_build *b, struct jb_result_cell *c, const uint64_t *sorted, size_t n, const char *missing)
{
    if (!n) return invalid(b, c, jb_result_str(b->r, "no block was measured before max_seconds was over: raise max_seconds, or ask for fewer cells or repetitions"));
    double median = (double)sorted[(n - 1) / 2], limit = COARSE_SHARE * median;
    int rc = 0;
    if (b->clock_resolution_ns > limit || b->clock_cost_ns > limit)
        rc = invalid(b, c, jb_result_strf(b->r, "the clock is too coarse: resolution %.0f ns, %.1f ns a reading, median latency %.0f ns (limit 2 %%); give a query more work (offline, larger batch)",
                                          b->clock_resolution_ns, b->clock_cost_ns, median));
    // Offline is about throughput: there no percentile makes a cell invalid (as in LoadGen).
    if (!rc && missing && strcmp(c->scenario, jb_scenario_name(JB_SCENARIO_OFFLINE)))
        rc = invalid(b, c, jb_result_strf(b->r, "too few queries: %s; raise repetitions, block_ms or max_seconds, or ask for lower percentiles", missing));
    return rc;
}

static void by_exit(struct jb_result_cell *c, const struct gathered *g)
{
    for (uint32_t k = 0; k < c->n_exits; k++)
        if (g->exit_n[k]) c->exits[k].latency_mean_ns = g->exit_sum[k] / (double)g->exit_n[k];
}

static void throughput(struct jb_result_cell *c, const struct jb_built *x)
{
    const struct jb_rec_cell *rec = x->rec;
    double rows = 0, ns = 0;
    for (uint32_t i = 0; i < rec->n_blocks; i++) {
        if (!jb_built_uses(x, i)) continue;
        rows += (double)rec->blocks[i].n_rows;
        ns += (double)rec->blocks[i].wall_ns;
    }
    if (rows > 0 && ns > 0) c->throughput_per_s = rows * 1e9 / ns;
}

// ---- sequences ----

static double supported(const uint64_t *sorted, size_t n, double p)
{
    uint64_t t = n ? jb_early_stopping_t(p, n) : 0;
    return t ? (double)sorted[n - t] : NAN;
}

static struct jb_result_times times_of(uint64_t *x, size_t n)
{
    double sum = 0;
    jb_sort_u64(x, n);
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    return (struct jb_result_times){ n ? sum / (double)n : NAN, supported(x, n, 0.5), supported(x, n, 0.9), supported(x, n, 0.99), n };
}

static void sequences(struct jb_result_cell *c, const struct gathered *g)
{
    struct jb_result_language *l = &c->language;
    if (!l->kv || !g->n) return;
    l->prompt = g->prompt;
    l->committed = (double)g->n;
    l->tpot = times_of(g->latency, g->n);
    l->ttft = times_of(g->ttft, g->n_ttft);
}

int jb_build_latency(struct jb_build *b, size_t index, struct jb_err *err)
{
    struct jb_result_cell *c = &b->r->cells[index];
    struct jb_built *x = &b->built[index];
    struct gathered g = { 0 };
    const char *missing = NULL;
    if (!b->measured && !x->rec->n_blocks) return 0;
    int rc = gather(b, x, &g, err);
    if (!rc) {
        jb_sort_u64(g.latency, g.n);
        rc = percentiles(b, c, g.latency, g.n, &missing);
    }
    if (!rc) rc = histogram(b, c, g.latency, g.n);
    if (!rc) {
        c->n_queries = g.n;
        c->n_blocks = x->n_blocks;
        rc = mean_interval(b, c, x);
        by_exit(c, &g);
        throughput(c, x);
        sequences(c, &g);
        if (!rc) rc = judge(b, c, g.latency, g.n, missing);
    }
    free(g.latency);
    free(g.ttft);
    return rc;
}
