#include "tests/reports/language_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_EXITS 3
enum { PROSE, CLOZE, DECODE };
static const char *const WORKLOAD[] = {"prose", "cloze", "decode"};

// Share of tokens by exit; cost of a token of the full model = 1; quality lost, in points of agreement. `late`: of its own cost.
struct setting { const char *policy, *label, *kv, *fill; double threshold, k, share[N_EXITS], cost, late, agree; };
static const struct setting SETTINGS[] = {
    {"final", "final", "f16", "exact", NAN, NAN, {0, 0, 1}, 1, 0, 1},
    {"gate", "gate 0.70", "f16", "exact", 0.7, NAN, {0.18, 0.24, 0.58}, 0.985, 0.14, 0.914},
    {"gate", "gate 0.90", "f16", "exact", 0.9, NAN, {0.06, 0.13, 0.81}, 1.012, 0.06, 0.972},
    {"gate", "gate 0.98", "f16", "exact", 0.98, NAN, {0.01, 0.04, 0.95}, 1.021, 0.015, 0.996},
    {"maxprob", "maxprob 0.90", "f16", "exact", 0.9, NAN, {0.09, 0.15, 0.76}, 1.46, 0.08, 0.981},
    {"fixed", "fixed 0", "f16", "exact", NAN, 0, {1, 0, 0}, 0.52, 0, 0.41},
    {"fixed", "fixed 1", "f16", "exact", NAN, 1, {0, 1, 0}, 0.74, 0, 0.73},
    {"gate", "gate 0.90 fill frozen", "f16", "frozen", 0.9, NAN, {0.06, 0.13, 0.81}, 0.953, 0, 0.951},
    {"final", "final kv int8", "int8", "exact", NAN, NAN, {0, 0, 1}, 0.99, 0, 1},
};
#define N_SETTINGS (sizeof SETTINGS / sizeof *SETTINGS)

static void add_quality(struct jb_result_cell *c, const char *name, double value, double half, uint64_t n, bool higher)
{
    c->quality[c->n_quality++] = (struct jb_result_quality){name, value, value - half, value + half, n, higher};
}

static void qualities(struct jb_result_cell *c, int workload, const struct setting *s)
{
    double lost = 1 - s->agree, kv = strcmp(s->kv, "int8") ? 0 : 0.002;
    if (workload == PROSE) {
        add_quality(c, "accuracy", 0.414 - lost * 0.45 - kv, 0.021, 6144, true);
        add_quality(c, "perplexity", 18.6 * (1 + lost * 1.6 + kv), 1.4, 6144, false);
        add_quality(c, "agreement", s->agree, lost > 0 ? 0.006 : 0, 6144, true);
    } else if (workload == CLOZE) {
        add_quality(c, "exact-match", 0.375 - lost * 0.3 - kv, 0.09, 112, true);
        add_quality(c, "accuracy", 0.421 - lost * 0.3 - kv, 0.08, 171, true);
        add_quality(c, "perplexity", 9.1 * (1 + lost), 2, 171, false);
        add_quality(c, "agreement", s->agree, 0.03, 171, true);
    } else {
        add_quality(c, "matching", 1 - lost * 6 > 0.08 ? 1 - lost * 6 : 0.08, lost > 0 ? 0.05 : 0, 512, true);
        add_quality(c, "first-divergence", 32 * (1 - lost * 8 > 0.02 ? 1 - lost * 8 : 0.02), 2, 16, true);
    }
    const struct jb_result_quality *q = &c->quality[workload == CLOZE ? 1 : 0];
    c->accuracy = (struct jb_value){q->value, q->lower, q->upper, q->n};
    c->accuracy_loss = workload == DECODE ? 1 - c->accuracy.value : 0.414 - c->accuracy.value;
    if (workload != DECODE)
        c->language.ppl = (struct jb_value){c->quality[workload == CLOZE ? 2 : 1].value, c->quality[workload == CLOZE ? 2 : 1].lower, c->quality[workload == CLOZE ? 2 : 1].upper, c->quality[0].n};
}

static void times(struct jb_result *r, struct jb_result_cell *c, int workload, double ns)
{
    c->latency_mean_ns = ns;
    c->latency_mean_ci = (struct jb_value){ns, ns * 0.992, ns * 1.009, 5};
    c->percentiles = jb_result_array(r, 3, sizeof *c->percentiles);
    c->percentiles[0] = (struct jb_percentile){0.5, ns * 0.98, NULL};
    c->percentiles[1] = (struct jb_percentile){0.9, ns * 1.06, NULL};
    c->percentiles[2] = (struct jb_percentile){0.99, NAN, "420 tokens, 662 are needed"};
    c->n_percentiles = 3;
    c->n_queries = 420;
    c->n_blocks = 5;
    c->throughput_per_s = 0.92e9 / ns;
    c->language.tpot = (struct jb_result_times){ns, ns * 0.98, ns * 1.06, NAN, 420};
    c->language.ttft = (struct jb_result_times){ns * (workload == PROSE ? 5.2 : 14), ns * (workload == PROSE ? 5 : 13), NAN, NAN, 24};
    c->language.prompt = 1920;
    c->language.committed = 420;
    c->n_hist = 12;
    c->hist_edges_ns = jb_result_array(r, c->n_hist + 1, sizeof(double));
    c->hist_counts = jb_result_array(r, c->n_hist, sizeof(uint64_t));
    for (size_t i = 0; i <= c->n_hist; i++)
        c->hist_edges_ns[i] = ns * 0.8 * pow(1.04, (double)i);
    for (size_t i = 0; i < c->n_hist; i++)
        c->hist_counts[i] = (uint64_t)(80 / (1 + fabs((double)i - 5)));
}

static void add(struct jb_result *r, int workload, const struct setting *s, bool pays, bool joules)
{
    struct jb_result_cell *c = &r->cells[r->n_cells++];
    bool adaptive = !strcmp(s->policy, "gate") || !strcmp(s->policy, "maxprob");
    double cost = pays && adaptive ? s->cost * 0.9 : s->cost;
    jb_result_cell_init(c);
    c->workload = WORKLOAD[workload];
    c->model = jb_result_strf(r, "smollm2 %s", WORKLOAD[workload]);
    c->precision = "int4";
    c->policy = s->policy;
    c->scenario = "single-stream";
    c->unit = "token";
    c->role = adaptive ? "adaptive" : "fixed";
    c->label = jb_result_strf(r, "%s/%s int4 %.24s 2 threads%s", c->workload, c->model, s->policy, s->label + strlen(s->policy));
    c->key = jb_result_strf(r, "%016zx", r->n_cells * (size_t)2654435761u);
    c->id = jb_result_strf(r, "%s-llm", c->key);
    c->threads = 2;
    c->streams = 1;
    c->language.kv = s->kv;
    c->language.fill = s->fill;
    c->threshold = s->threshold;
    c->threshold_source = adaptive ? "given" : NULL;
    if (isfinite(s->k)) {
        c->policy_params = jb_result_array(r, 1, sizeof(struct jb_kd));
        c->policy_params[0] = (struct jb_kd){"k", s->k};
        c->n_policy_params = 1;
    }
    c->quality = jb_result_array(r, 4, sizeof *c->quality);
    struct setting own = *s;
    own.agree = pays && adaptive ? 1 - (1 - s->agree) / 10 : s->agree;
    qualities(c, workload, &own);
    times(r, c, workload, 12.4e6 * cost);
    c->macs_mean = 136e6 * cost;
    c->bytes_mean = 97.8e6 * cost;
    c->language.deferred_macs = c->macs_mean * s->late;
    c->language.deferred_bytes = c->bytes_mean * s->late * 0.8;
    c->n_exits = N_EXITS;
    for (size_t i = 0; i < N_EXITS; i++) {
        c->exit_histogram[i] = (uint64_t)(s->share[i] * 6144);
        c->exits[i] = (struct jb_result_exit){c->exit_histogram[i], s->share[i] > 0 ? 0.5 : NAN, s->share[i] > 0 ? c->macs_mean : NAN, s->share[i] > 0 ? c->latency_mean_ns : NAN};
    }
    if (workload != DECODE && strcmp(s->kv, "int8"))
        c->regret_macs = c->macs_mean - 88e6;
    c->energy.reason = "no readable energy counter";
    if (!joules)
        return;
    double uj = c->latency_mean_ns * 0.014;
    c->energy = (struct jb_result_energy){.cls = JB_ENERGY_REPLAYED, .source = "replay", .root = "traces/laptop.jsonl", .per = "committed_token", .domains = "package-0", .gross_uj = uj,
        .gross_lower_uj = uj * 0.99, .gross_upper_uj = uj * 1.01, .net_uj = uj * 0.8, .net_lower_uj = uj * 0.77, .net_upper_uj = uj * 0.83, .per_correct_uj = uj / c->accuracy.value,
        .per_correct_lower_uj = uj * 0.99 / c->accuracy.value, .per_correct_upper_uj = uj * 1.01 / c->accuracy.value, .power_w = 14, .idle_w = 2.8, .idle_lower_w = 2.5,
        .idle_upper_w = 3.1, .edp_uj_ms = uj * 12, .half_width = 0.01, .half_width_target = 0.01, .stopped = "target reached", .windows = 5};
}

struct jb_result *jb_language_fixture(bool pays, bool joules)
{
    struct jb_result *r = NULL;
    if (jb_result_open(&r))
        return NULL;
    r->name = "llm";
    r->started = "2026-11-22T22:04:05Z";
    r->finished = "2026-11-22T22:13:02Z";
    r->joulebench_version = "0.1.0";
    r->git = "1a2b3c4d5e6f";
    r->compiler = "gcc 12.2.0";
    r->complete = true;
    r->cells = jb_result_array(r, 3 * N_SETTINGS, sizeof *r->cells);
    for (int w = 0; w < 3; w++)
        for (size_t i = 0; i < N_SETTINGS; i++)
            add(r, w, &SETTINGS[i], pays, joules);
    r->notes = jb_result_array(r, 1, sizeof *r->notes);
    r->notes[0] = (struct jb_kv){"cloze", "own passages: not comparable to LAMBADA"};
    r->n_notes = 1;
    r->oracles = jb_result_array(r, 4, sizeof *r->oracles);
    for (int w = 0; w < 2; w++) {
        const char *model = jb_result_strf(r, "smollm2 %s", WORKLOAD[w]);
        r->oracles[r->n_oracles++] = (struct jb_result_oracle){model, "int4", "earliest-correct", 0.452, 88e6};
        r->oracles[r->n_oracles++] = (struct jb_result_oracle){model, "int4", "earliest-consistent", 0.414, 104e6};
    }
    return r;
}
