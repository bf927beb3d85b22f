// The "run" line: which machine, build, files and settings the lines after it come from; and the harness's own cost.
#include "harness/ctx.h"

#include "base/cpu.h"
#include "base/stats.h"
#include "harness/noise_rule.h"
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// Cost of a query beyond the work: blocks of the workload that returns at once, the median of seven.
double jb_harness_cost(struct jb_ctx *c)
{
    struct jb_block_request r = { .cell = "harness", .workload = "null", .precision = "none", .split = JB_SPLIT_TEST, .batch = 1, .threads = 1, .streams = 1, .seed = c->s.seed,
                                  .repetitions = 1, .block_ns = 3000000, .max_ns = 3000000, .lead_in_ns = 100000 };
    double cost[7];
    for (size_t i = 0; i < sizeof cost / sizeof *cost; i++) {
        struct jb_block b = { 0 };
        if (jb_host_run(c->host, &r, &b, NULL)) return NAN;
        cost[i] = b.raw.n_queries ? (double)b.wall_ns / b.raw.n_queries : NAN;
        jb_block_free(&b);
    }
    return jb_median_f64(cost, sizeof cost / sizeof *cost);
}

static bool put_f(cJSON *o, const char *key, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    return jb_json_put_str(o, key, isnan(value) ? NULL : text);
}

static bool put_bytes(cJSON *o, const char *key, uint64_t bytes) { return bytes ? put_f(o, key, "%.0f", (double)bytes) : jb_json_put_null(o, key); }

static bool put_environment(cJSON *o, const struct jb_ctx *c)
{
    struct jb_cpu_info cpu = { 0 };
    jb_cpu_describe(&cpu);
    uint32_t mask = c->o->kernels ? c->o->kernels->mask : cpu.mask;
    return jb_json_put_str(o, "cpu", cpu.model) && jb_json_put_str(o, "tier", jb_cpu_tier_name(mask)) && put_f(o, "cores", "%.0f", cpu.cores) &&
           jb_json_put_str(o, "hypervisor", cpu.hypervisor ? "yes" : "no") && jb_json_put_str(o, "governor", cpu.governor[0] ? cpu.governor : NULL) &&
           jb_json_put_str(o, "turbo", cpu.turbo[0] ? cpu.turbo : NULL) && jb_json_put_str(o, "kernel", cpu.kernel) && put_bytes(o, "memory_bytes", cpu.mem_bytes) &&
           put_bytes(o, "l1d_bytes", cpu.l1d_bytes) && put_bytes(o, "l2_bytes", cpu.l2_bytes) && put_bytes(o, "l3_bytes", cpu.l3_bytes) &&
           put_f(o, JB_ENV_CLOCK_COST, "%.1f", c->clock.cost_ns) && put_f(o, JB_ENV_CLOCK_RESOLUTION, "%.0f", (double)c->clock.resolution_ns) &&
           put_f(o, JB_ENV_HARNESS, "%.1f", c->harness_ns) && jb_json_put_str(o, "power_source", c->power_source) && jb_json_put_str(o, "power_root", c->power_root) &&
           (!(c->o->slow_query > 0) || put_f(o, "slow_query_percent", "%g", c->o->slow_query * 100)); // a figure from slowed queries never hides it
}

static bool put_kernels(cJSON *o, const struct jb_ctx *c)
{
    const char *op, *symbol;
    for (size_t i = 0; c->o->kernels && jb_kernels_symbol(c->o->kernels, i, &op, &symbol); i++)
        if (!jb_json_put_str(o, op, symbol)) return false;
    return true;
}

static bool put_libraries(cJSON *o)
{
    return jb_json_put_str(o, "cjson", cJSON_Version()) && jb_json_put_str(o, "zlib", zlibVersion()) && jb_json_put_str(o, "libsodium", sodium_version_string());
}

static bool put_hashes(cJSON *o, const struct jb_ctx *c)
{
    char key[256];
    for (size_t i = 0; i < c->n_models; i++) {
        snprintf(key, sizeof key, "model %s", c->models[i].name);
        if (!c->models[i].rc && !jb_json_put_str(o, key, c->models[i].info.sha256)) return false;
        snprintf(key, sizeof key, "exits %s", c->models[i].name);
        if (!c->models[i].rc && c->models[i].info.exits_sha256[0] && !jb_json_put_str(o, key, c->models[i].info.exits_sha256)) return false;
    }
    for (size_t i = 0; i < c->n_workloads; i++)
        for (int s = 0; c->workloads[i].w && s < JB_SPLIT_COUNT; s++) {
            const struct jb_workload_info *info = jb_workload_info(c->workloads[i].w);
            snprintf(key, sizeof key, "data %s %s", c->workloads[i].name, jb_split_name((enum jb_split)s));
            if (info->n[s] && !jb_json_put_str(o, key, info->sha256[s])) return false;
        }
    return true;
}

static bool put_notes(cJSON *o, const struct jb_ctx *c)
{
    char learned[JB_NOISE_RULE_TEXT];
    if (c->o->noise) {
        jb_noise_rule_text(learned, c->o->noise);
        if (!jb_json_put_str(o, "normalise", learned)) return false;
    }
    for (size_t i = 0; i < c->n_workloads; i++) {
        if (!c->workloads[i].w) continue;
        const struct jb_workload_info *info = jb_workload_info(c->workloads[i].w);
        if (info->note[0] && !jb_json_put_str(o, c->workloads[i].name, info->note)) return false;
    }
    return true;
}

static bool put_validity(cJSON *settings, const struct jb_validity_limits *l)
{
    cJSON *o = jb_json_put_object(settings, "validity");
    return o && jb_json_put_f64(o, "max_other_cpu", l->max_other_cpu) && jb_json_put_f64(o, "max_steal", l->max_steal) && jb_json_put_f64(o, "max_freq_change", l->max_freq_change) &&
           jb_json_put_f64(o, "max_clock_jump_ms", l->max_clock_jump_ms) && jb_json_put_f64(o, "max_involuntary_per_s", l->max_involuntary_per_s) && jb_json_put_bool(o, "swap", l->swap) &&
           jb_json_put_bool(o, "throttling", l->throttling) && jb_json_put_f64(o, "max_reference_drift", l->max_reference_drift) && jb_json_put_f64(o, "max_invalid_share", l->max_invalid_share);
}

// "doctor": its rule is not known here; whoever compares has it.
static bool put_normalise(cJSON *o, const struct jb_ctx *c)
{
    const struct jb_noise_rule *r = c->o->noise;
    bool reference = r ? r->reference : c->s.normalise;
    return jb_json_put_str(o, "normalise", reference ? "reference" : !r && c->s.normalise_doctor ? "doctor" : "none") && (!r || jb_noise_rule_put(o, r));
}

static bool put_settings(cJSON *o, const struct jb_ctx *c)
{
    const struct jb_settings *s = &c->s;
    cJSON *list = jb_json_put_array(o, "percentiles");
    bool ok = list && jb_json_put_u64(o, "seed", s->seed) && jb_json_put_u64(o, "repetitions", s->repetitions) && jb_json_put_f64(o, "block_ms", s->block_ms) &&
              jb_json_put_f64(o, "idle_ms", s->idle_ms) && jb_json_put_f64(o, "lead_in_ms", s->lead_in_ms) && jb_json_put_f64(o, "max_seconds", s->max_seconds) &&
              jb_json_put_f64(o, "energy_half_width", s->energy_half_width) && jb_json_put_bool(o, "extend", s->extend) && jb_json_put_f64(o, "max_other_cpu", s->validity.max_other_cpu) &&
              put_validity(o, &s->validity) && put_normalise(o, c) && (isnan(s->stop_latency) || jb_json_put_f64(o, "stop_latency", s->stop_latency)) &&
              (isnan(s->stop_joules) || jb_json_put_f64(o, "stop_joules", s->stop_joules)) &&
              jb_json_put_u64(o, "accuracy_samples", s->accuracy_samples) && jb_json_put_str(o, "split", jb_split_name(c->split)) &&
              jb_json_put_bool(o, "measured", c->measured);
    for (size_t i = 0; ok && i < s->n_percentiles; i++) {
        cJSON *x = cJSON_CreateNumber(s->percentiles[i]);
        ok = x && cJSON_AddItemToArray(list, x);
        if (!ok) cJSON_Delete(x);
    }
    return ok;
}

static bool put_seeds(cJSON *o, const struct jb_ctx *c)
{
    // Every stream of numbers is named and drawn from the one seed (jb_rng_seed_named).
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)c->s.seed);
    return jb_json_put_str(o, "plan", text) && jb_json_put_str(o, "samples", text) && jb_json_put_str(o, "order", text) && jb_json_put_str(o, "confirm", text) &&
           jb_json_put_str(o, "bootstrap", text);
}

cJSON *jb_run_line(struct jb_ctx *c, const struct jb_plan *p)
{
    char now[32];
    jb_time_iso8601(jb_realtime_ns(), now);
    cJSON *o = cJSON_CreateObject();
    cJSON *environment = o ? jb_json_put_object(o, "environment") : NULL, *kernels = o ? jb_json_put_object(o, "kernels") : NULL;
    cJSON *libraries = o ? jb_json_put_object(o, "libraries") : NULL, *hashes = o ? jb_json_put_object(o, "hashes") : NULL;
    cJSON *power = o ? jb_json_put_object(o, "power") : NULL;
    cJSON *notes = o ? jb_json_put_object(o, "notes") : NULL, *settings = o ? jb_json_put_object(o, "settings") : NULL, *seeds = o ? jb_json_put_object(o, "seeds") : NULL;
    bool ok = environment && power && kernels && libraries && hashes && notes && settings && seeds && jb_json_put_str(o, "kind", "run") && jb_json_put_str(o, "name", c->name) &&
              jb_json_put_str(o, "started", now) && jb_json_put_str(o, "version", c->o->version) && jb_json_put_str(o, "git", c->o->git) &&
              jb_json_put_str(o, "compiler", c->o->compiler) && put_environment(environment, c) && jb_put_power(power, c) && put_kernels(kernels, c) && put_libraries(libraries) &&
              put_hashes(hashes, c) && put_notes(notes, c) && put_settings(settings, c) && put_seeds(seeds, c);
    if (ok && p) {
        cJSON *plan = cJSON_Duplicate(p->doc.root, 1);
        ok = plan && cJSON_AddItemToObject(o, "plan", plan);
        if (!ok) cJSON_Delete(plan);
    }
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}
