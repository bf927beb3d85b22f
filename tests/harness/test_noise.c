// Noise of simulated machines whose truth is known, the file, and what would make a machine quieter.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>

#include "base/fs.h"
#include "base/infer.h"
#include "base/rng.h"
#include "harness/noise.h"
#include "tests/harness/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const double lengths[] = {2, 5, 10, 20, 50, 100};
#define N_LENGTHS 6u
#define LEAD_NS 2000000u

// A machine: what a block's mean is, and what disturbs it.
struct machine {
    struct jb_fake_clock clock;
    struct jb_rng rng;
    double sd;                       // of the logarithm of a block's mean; at 10 ms if `white`
    bool white;                      // noise falls with the square root of the length
    double drift_per_s, step_at_s, step; // of the logarithm
    double outliers, outlier;        // share of blocks, and their logarithm
    double second;                   // by how much every second block is slower, on the logarithm
    uint64_t calls, disturb_every, fail_at;
    bool stands_still, pinned, pin_fails;
    uint64_t pins, pinned_blocks;
    volatile int stop;
    uint64_t stop_at;
    int reference;                   // kernel: 0 none; 1 whose time has nothing to do with a block's; 2 that the machine slows as it slows blocks
};

static int sim_block(void *self, uint32_t load, uint64_t block_ns, uint32_t start, struct jb_noise_block *out, struct jb_err *err)
{
    struct machine *m = self;
    double ms = (double)block_ns * 1e-6, t = (double)m->clock.t_ns * 1e-9, sd = m->white ? m->sd * sqrt(10 / ms) : m->sd;
    double level = log(load ? 50000 : 20000) + m->drift_per_s * t + (m->step > 0 && t > m->step_at_s ? m->step : 0);
    double x = level + sd * jb_rng_normal(&m->rng) + (jb_rng_unit(&m->rng) < m->outliers ? m->outlier : 0) + (m->calls % 2 ? m->second : 0);
    m->calls++;
    m->pinned_blocks += m->pinned;
    if (start >= 64) fail_msg("start %u", start);
    if (m->fail_at && m->calls == m->fail_at) return jb_fail(err, JB_E_IO, "the disk burns");
    if (m->stop_at && m->calls == m->stop_at) m->stop = 1;
    if (!m->stands_still) m->clock.t_ns += block_ns + LEAD_NS;
    bool bad = m->disturb_every && m->calls % m->disturb_every == 0;
    *out = (struct jb_noise_block){.mean_ns = exp(x), .median_ns = exp(level + (x - level) / 4), .queries = 100, .wall_ns = block_ns, .cpu_ns = bad ? block_ns / 2 : block_ns,
                                   .involuntary_switches = bad, .others_least = NAN,
                                   .reference_ns = m->reference == 2 ? (uint64_t)(100000 * exp(x - log(load ? 50000 : 20000) + sd / 4 * jb_rng_normal(&m->rng))) : m->reference == 1 ? (uint64_t)(100000 * exp(sd * jb_rng_normal(&m->rng))) : 0};
    return 0;
}

static int sim_pin(void *self, bool on)
{
    struct machine *m = self;
    if (m->pin_fails) return -1;
    m->pins += on;
    m->pinned = on;
    return 0;
}

static void sim_cputime(void *self, struct jb_cputime *out)
{
    struct machine *m = self;
    uint64_t t = m->clock.t_ns;
    *out = (struct jb_cputime){.wall_ns = t, .busy_ns = t + t / 2, .steal_ns = t / 10, .own_ns = t, .n_cpus = 2, .known = true};
}

static struct jb_noise_opts opts_for(struct machine *m, double seconds)
{
    m->clock = (struct jb_fake_clock){.t_ns = 1000};
    jb_rng_seed(&m->rng, 11);
    return (struct jb_noise_opts){.seconds = seconds, .seed = 3, .clock = jb_clock_fake(&m->clock), .load = {{"null", "nothing"}, {"network", "something"}}, .n_loads = 2, .block_ms = lengths,
                                  .n_block_ms = N_LENGTHS, .block = sim_block, .self = m, .cputime = sim_cputime, .stop = &m->stop};
}

static void measured(struct jb_noise *n, struct machine *m, double seconds)
{
    struct jb_err err = {0};
    struct jb_noise_opts o = opts_for(m, seconds);
    if (jb_noise_measure(n, &o, &err) != 0) fail_msg("%s", err.detail);
}

static void near(double x, double expected, double share)
{
    if (!(fabs(x - expected) <= share * fabs(expected))) fail_msg("%.6g, expected %.6g within %g %%", x, expected, share * 100);
}

static void known_noise(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.01};
    struct jb_noise n;
    unsigned covered = 0;
    measured(&n, &m, 900);
    assert_int_equal(n.n_series, 2 * N_LENGTHS);
    for (uint32_t i = 0; i < n.n_series; i++) {
        const struct jb_noise_series *s = &n.series[i];
        double truth = 0.01 * sqrt(2), pairs = floor(60e3 / (2 * (s->block_ms + 2)));
        near(s->mean.sd_log, truth, 0.09); // 900 pairs and more: 4 standard errors
        near(s->mean.robust_log, truth, 0.14);
        near(s->median.sd_log, truth / 4, 0.09);
        near(s->unpaired_log, 0.01, 0.09);
        near(s->pair_ms, 2 * (s->block_ms + 2), 1e-9);
        covered += s->mean.lower <= truth && truth <= s->mean.upper;
        // by hand: z(0.975) + z(0.8) = 1.959964 + 0.841621
        if (pairs > 250) near(s->mean.sight[0].least, 2.801585 * s->mean.sd_log / sqrt(pairs), 0.01);
        assert_true(fabs((double)s->mean.sight[0].pairs - pairs) <= 1);
        near(s->mean.sight[0].least / s->mean.sight[1].least, sqrt(5), 0.02);
        assert_int_equal(s->disturbed, 0);
    }
    assert_in_range(covered, 9, 12); // 95 %: 11.4 on average
    near(n.load[0].query_ns, 20000, 0.01);
    near(n.load[1].query_ns, 50000, 0.01);
    assert_true(fabs(n.load[0].drift.change) < 0.001 && n.load[0].drift.p > 0.01);
    assert_true(n.best_block_ms == 2); // equal noise at all lengths: the shortest has the most pairs
    near(n.others, 0.25, 1e-6); // 1.5 busy of 2 CPUs, 1 of it our own
    near(n.steal, 0.05, 1e-6);
}

// The promise itself: at the smallest visible difference four of five tests find it, at none of it one in twenty, at half of it far fewer.
static void power_is_as_promised(void **state)
{
    (void)state;
    const double share_of[] = {0, 0.5, 1}, low[] = {0.04, 0.20, 0.78}, high[] = {0.06, 0.36, 0.83};
    const uint64_t sizes[] = {10, 50};
    struct jb_rng rng;
    jb_rng_seed(&rng, 21);
    for (int k = 0; k < 2; k++)
        for (int d = 0; d < 3; d++) {
            uint64_t n = sizes[k];
            double a[50], b[50], sd = 0.02, delta = jb_noise_visible(sd * sqrt(2), n, 0.95, 0.8);
            int found = 0, repetitions = 6000;
            for (int r = 0; r < repetitions; r++) {
                for (uint64_t i = 0; i < n; i++) {
                    a[i] = exp(sd * jb_rng_normal(&rng));
                    b[i] = exp(sd * jb_rng_normal(&rng)) * (1 + delta * share_of[d]);
                }
                struct jb_ratio x = jb_paired_ratio(a, b, (size_t)n, 0.95);
                found += x.lower > 1 || x.upper < 1;
            }
            double share = (double)found / repetitions;
            if (share < low[d] || share > high[d]) fail_msg("n = %llu, %g of the visible difference: found in %.3f", (unsigned long long)n, share_of[d], share);
        }
    assert_true(isnan(jb_noise_visible(0.01, 1, 0.95, 0.8)) && isnan(jb_noise_visible(NAN, 10, 0.95, 0.8)) && isnan(jb_noise_visible(-1, 10, 0.95, 0.8)));
    assert_true(isnan(jb_noise_visible(0.01, 10, 0.95, 0.4)) && jb_noise_visible(0, 10, 0.95, 0.8) == 0);
}

static void drift_cancels_within_pairs(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.005, .drift_per_s = log(1.3) / 200};
    struct jb_noise n;
    measured(&n, &m, 200);
    for (uint32_t i = 0; i < n.n_series; i++) {
        near(n.series[i].mean.sd_log, 0.005 * sqrt(2), 0.2);
        assert_true(n.series[i].unpaired_log > 0.05); // a uniform drift of 0.262 has a standard deviation of 0.076
    }
    near(n.load[1].drift.change, 0.3, 0.02);
    near(n.load[1].drift.wander, expm1(log(1.3) * 0.9), 0.05); // first to last tenth
    assert_true(n.load[1].drift.p < 1e-6);
}

static void a_step_is_found(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.005, .step = 0.05, .step_at_s = 140};
    struct jb_noise n;
    measured(&n, &m, 200);
    assert_true(n.load[0].drift.p < 1e-4 && fabs(n.load[0].drift.at_s - 140) < 5);
    near(n.load[0].drift.wander, expm1(0.05), 0.05);
    struct machine quick = {.sd = 0.005};
    measured(&n, &quick, 2); // few rounds tell nothing
    assert_true(n.rounds < 8 && isnan(n.load[0].drift.change) && isnan(n.load[0].drift.wander));
}

static void outliers_are_told_from_noise(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.002, .outliers = 0.05, .outlier = 0.5};
    struct jb_noise n;
    measured(&n, &m, 300);
    near(n.series[0].mean.robust_log, 0.002 * sqrt(2), 0.25);
    near(n.series[0].mean.sd_log, 0.5 * sqrt(2 * 0.05 * 0.95), 0.2);
}

// What the second block of a pair suffers is no bias, because the coin decides which side it is; and it shows as noise.
static void order_is_random(void **state)
{
    (void)state;
    struct machine m = {.sd = 1e-6, .second = 0.05};
    struct jb_noise n;
    measured(&n, &m, 300);
    near(n.series[0].mean.sd_log, 0.05, 0.01); // -+0.05 by a coin; always the same way round: 0
}

static void best_length(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.01, .white = true};
    struct jb_noise n;
    measured(&n, &m, 900);
    // Per time, noise goes with sqrt((L + 2) / L): 1.41 1.18 1.095 1.05 1.02 1.01. Within a tenth of the least: 10 ms, or with bad luck its neighbours.
    assert_true(n.best_block_ms == 10 || n.best_block_ms == 20 || n.best_block_ms == 5);
    near(n.series[0].mean.sd_log / n.series[2].mean.sd_log, sqrt(5), 0.1);
}

static void disturbed_blocks(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.01, .disturb_every = 4};
    struct jb_noise n;
    uint64_t disturbed = 0, blocks = 0;
    measured(&n, &m, 60);
    for (uint32_t i = 0; i < n.n_series; i++) {
        disturbed += n.series[i].disturbed;
        blocks += 2 * n.series[i].pairs;
        assert_int_equal(n.series[i].switched_out, n.series[i].starved);
        assert_int_equal(n.series[i].stolen + n.series[i].crowded, 0);
    }
    near((double)disturbed, (double)blocks / 4, 0.01);
}

static void what_may_go_wrong(void **state)
{
    (void)state;
    struct jb_noise n;
    struct jb_err err = {0};
    struct machine still = {.sd = 0.01, .stands_still = true}, broken = {.sd = 0.01, .fail_at = 7}, stopped = {.sd = 0.01, .stop_at = 9}, free_ = {.sd = 0.01, .pin_fails = true}, bound = {.sd = 0.01};
    struct jb_noise_opts o = opts_for(&still, 5);
    assert_int_equal(jb_noise_measure(&n, &o, &err), JB_E_UNAVAILABLE);
    o = opts_for(&broken, 5);
    assert_int_equal(jb_noise_measure(&n, &o, &err), JB_E_IO);
    o = opts_for(&stopped, 5);
    assert_int_equal(jb_noise_measure(&n, &o, &err), JB_E_INTERRUPTED);
    o = opts_for(&free_, 5);
    o.pin = sim_pin;
    o.pinned_ms = 20;
    assert_int_equal(jb_noise_measure(&n, &o, &err), 0);
    assert_int_equal(n.n_series, 2 * N_LENGTHS);
    assert_null(jb_noise_find(&n, 1, 20, true));
    o = opts_for(&bound, 5);
    o.pin = sim_pin;
    o.pinned_ms = 20;
    assert_int_equal(jb_noise_measure(&n, &o, &err), 0);
    assert_non_null(jb_noise_find(&n, 1, 20, true));
    assert_int_equal(jb_noise_find(&n, 1, 20, true)->pairs, bound.pins);
    assert_int_equal(bound.pinned_blocks, 2 * bound.pins);
    assert_false(bound.pinned);
}

// Five times what was measured is trusted, not more.
static void horizons(void **state)
{
    (void)state;
    struct machine m = {.sd = 0.01};
    struct jb_noise n;
    measured(&n, &m, 60);
    assert_false(n.series[0].mean.sight[0].extrapolated || n.series[0].mean.sight[1].extrapolated);
    assert_true(n.series[0].mean.sight[2].extrapolated && n.series[0].mean.sight[3].extrapolated);
    measured(&n, &m, 6);
    assert_true(n.series[0].mean.sight[0].extrapolated);
}

// ---- the file ----

static char *text_of(const struct jb_noise *n)
{
    cJSON *root = jb_noise_to_json(n);
    char *text = jb_json_pretty(root);
    cJSON_Delete(root);
    assert_non_null(text);
    return text;
}

static void example(struct jb_noise *n)
{
    struct machine m = {.sd = 0.01, .disturb_every = 5};
    struct jb_tuning_facts f = {.hypervisor = true, .others = 0.2, .steal = 0.01, .switched_out = 0.1, .clock_cost_ns = 25, .free = {0.02, 0.018, 0.022}, .pinned = {0.01, 0.009, 0.011},
                                .pinned_ms = 20, .cpus = 4, .last_cpu = 3};
    measured(n, &m, 12);
    snprintf(n->version, sizeof n->version, "1.0");
    snprintf(n->started, sizeof n->started, "2026-11-22T12:00:00Z");
    snprintf(n->machine.cpu, sizeof n->machine.cpu, "a \"CPU\"");
    n->machine.cores = 4;
    n->clock.cost_ns = 25;
    n->clock.resolution_ns = 20;
    n->n_tuning = jb_tuning_find(n->tuning, "/nonexistent", &f);
}

static void file_round_trip(void **state)
{
    (void)state;
    struct jb_noise n, back;
    struct jb_err err = {0};
    struct bench b;
    bench_open(&b);
    example(&n);
    char *text = text_of(&n);
    memset(&back, 0xa5, sizeof back);
    if (jb_noise_write(&n, bench_path(&b, "noise.json"), &err) != 0 || jb_noise_read(&back, bench_path(&b, "noise.json"), &err) != 0) fail_msg("%s", err.detail);
    char *again = text_of(&back);
    assert_string_equal(text, again);
    free(text);
    free(again);
    assert_int_equal(jb_noise_read(&back, bench_path(&b, "absent.json"), &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_noise_read(&back, b.dir, &err), JB_E_INVALID);
    bench_close(&b);
}

// `what` (its first place) replaced by `with`: INVALID, and nothing is written.
static void refused(const char *text, const char *what, const char *with)
{
    struct jb_noise n, before;
    struct jb_err err = {0};
    const char *at = strstr(text, what);
    if (!at) fail_msg("no %s in the example", what);
    size_t n_bytes = strlen(text) - strlen(what) + strlen(with);
    char *changed = malloc(n_bytes + 1);
    assert_non_null(changed);
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
    memset(&n, 7, sizeof n);
    before = n;
    int rc = jb_noise_parse(&n, "noise.json", changed, n_bytes, &err);
    if (rc == 0 || rc == JB_E_NOMEM || !err.detail[0]) fail_msg("%s for %s: %d", with, what, rc);
    assert_memory_equal(&n, &before, sizeof n);
    free(changed);
}

static void hostile_files(void **state)
{
    (void)state;
    struct jb_noise n;
    struct jb_err err = {0};
    static const char *const changes[][2] = {
        {"joulebench.noise/1", "joulebench.noise/2"}, {"\"seed\": 3", "\"seed\": -3"}, {"\"seed\": 3", "\"seed\": 3, \"sead\": 3"}, {"\"seconds\": 12", "\"seconds\": \"12\""},
        {"\"confidence\": 0.95", "\"confidence\": 0.9"}, {"\"power\": 0.8", "\"power\": 0.9"}, {"\"load\": \"null\"", "\"load\": \"nil\""}, {"\"name\": \"null\"", "\"name\": \"network\""},
        {"\"pairs\": ", "\"pairs\": 1"}, {"\"block_ms\": 2", "\"block_ms\": 5"}, {"\"log_sd\": 0.0", "\"log_sd\": 0.1"}, {"\"difference\": 0.0", "\"difference\": 0.000"},
        {"\"extrapolated\": false", "\"extrapolated\": true"}, {"\"disturbed\": ", "\"disturbed\": 9"}, {"\"total\": ", "\"total\": 1"}, {"\"what\": \"governor\"", "\"what\": \"\\u0000\""},
        {"\"what\": \"governor\"", "\"what\": \"a name that has no room in here\""}, {"\"applies\": false", "\"applies\": 0"}, {"\"hypervisor\": ", "\"hypervisor\": null, \"x\": "},
        {"\"loads\": [", "\"loads\": {}, \"loads\": ["}, {"\"others_share\": 0.25", "\"others_share\": 2"}, {"\"change_p\": ", "\"change_p\": 1"}, {"\"lower\": 0.0", "\"lower\": 0.9"},
        {"\"median\": {", "\"medium\": {"}, {"\"tuning\": [", "\"tuning\": [{},"}, {"\"cores\": 4", "\"cores\": 4.5"}, {"\"cost_ns\": 25", "\"cost_ns\": 1e999"}, {"\"started\": ", "\"started\": 1, \"x\":"},
        {"\"rule\": \"none\"", "\"rule\": \"reference\""}, {"\"gain\": null", "\"gain\": 0.5"},
    };
    example(&n);
    char *text = text_of(&n);
    size_t size = strlen(text);
    assert_int_equal(jb_noise_parse(&n, "noise.json", text, size, &err), 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) refused(text, changes[i][0], changes[i][1]);
    for (size_t cut = 0; cut + 3 < size; cut += 97) // the last two bytes are a brace and a newline
        if (jb_noise_parse(&n, "cut", text, cut, &err) == 0) fail_msg("cut at %zu of %zu", cut, size);
    for (const char *const *t = (const char *const[]){"", "[]", "null", "{}", "1", "{\"schema\": \"joulebench.noise/1\"}", NULL}; *t; t++) assert_true(jb_noise_parse(&n, "x", *t, strlen(*t), &err) < 0);
    free(text);
}

// Keys that are written, and keys that the schema has, are the same.
static void same_keys(const cJSON *value, const cJSON *schema)
{
    const cJSON *p = cJSON_GetObjectItem(schema, "properties"), *required = cJSON_GetObjectItem(schema, "required"), *i;
    assert_true(cJSON_IsObject(p) && cJSON_IsFalse(cJSON_GetObjectItem(schema, "additionalProperties")));
    cJSON_ArrayForEach(i, value) if (!cJSON_GetObjectItemCaseSensitive(p, i->string)) fail_msg("\"%s\" is not in the schema", i->string);
    cJSON_ArrayForEach(i, p) if (!cJSON_GetObjectItemCaseSensitive(value, i->string)) fail_msg("\"%s\" is not written", i->string);
    int optional = cJSON_GetObjectItem(p, "normalise") != NULL; // files of versions before it have none
    assert_int_equal(cJSON_GetArraySize(required) + optional, cJSON_GetArraySize(p));
}

static const cJSON *def(const cJSON *schema, const char *name) { return cJSON_GetObjectItem(cJSON_GetObjectItem(schema, "$defs"), name); }

static void schema_and_file_agree(void **state)
{
    (void)state;
    struct jb_json_doc schema;
    struct jb_noise n;
    struct jb_err err = {0};
    struct bench b;
    char command[700];
    if (jb_json_read(&schema, "docs/schema/noise.schema.json", 1 << 20, &err) != 0) fail_msg("%s", err.detail);
    example(&n);
    cJSON *root = jb_noise_to_json(&n), *series = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "series"), 0), *load = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "loads"), 0);
    same_keys(root, schema.root);
    same_keys(series, def(schema.root, "series"));
    same_keys(cJSON_GetObjectItem(series, "mean"), def(schema.root, "spread"));
    same_keys(cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(series, "mean"), "visible"), 0), def(schema.root, "visible"));
    same_keys(cJSON_GetObjectItem(series, "blocks"), def(schema.root, "blocks"));
    same_keys(load, def(schema.root, "load"));
    same_keys(cJSON_GetObjectItem(load, "drift"), def(schema.root, "drift"));
    same_keys(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "tuning"), 0), def(schema.root, "tuning"));
    cJSON_Delete(root);
    jb_json_close(&schema);
    if (system("python3 -c 'import jsonschema; jsonschema.Draft202012Validator' >/dev/null 2>&1") != 0) {
        print_message("not validated: python3 with jsonschema (4 or newer) is not installed\n");
        return;
    }
    bench_open(&b);
    assert_int_equal(jb_noise_write(&n, bench_path(&b, "noise.json"), &err), 0);
    snprintf(command, sizeof command,
             "python3 -c \"import json\nfrom jsonschema import Draft202012Validator as V\ns = json.load(open('docs/schema/noise.schema.json')); V.check_schema(s); d = json.load(open('%s'))\n"
             "V(s).validate(d); d['series'][0]['blocks']['total'] = -1\nassert next(V(s).iter_errors(d), None)\"",
             bench_path(&b, "noise.json"));
    assert_int_equal(system(command), 0);
    bench_close(&b);
}

// ---- the machine itself ----

static void this_machine(void **state)
{
    (void)state;
    struct jb_noise n, back;
    struct jb_err err = {0};
    struct bench b;
    bench_open(&b);
    struct jb_paths nowhere = {.plan_dir = b.dir};
    struct jb_noise_run_opts o = {.kernels = &b.kernels, .paths = &nowhere, .seconds = 0.2, .seed = 5};
    if (jb_noise_run(&n, &o, &err) != 0) fail_msg("%s", err.detail);
    assert_true(n.n_loads == 2 && n.rounds >= 1 && n.n_series >= 2 * N_LENGTHS && n.n_tuning >= 6);
    assert_non_null(strstr(n.load[1].what, "made-up"));
    for (uint32_t i = 0; i < n.n_series; i++) {
        const struct jb_noise_series *x = &n.series[i];
        if (!(x->pairs >= 1 && x->queries >= 4 && (x->pairs < 2 || x->mean.sight[0].least > 0)))
            fail_msg("series %u: %llu pairs, %g queries, %g visible", i, (unsigned long long)x->pairs, x->queries, x->mean.sight[0].least);
    }
    assert_true(n.load[0].query_ns >= 20000); // spins that long
    char *text = text_of(&n);
    if (jb_noise_parse(&back, "noise.json", text, strlen(text), &err) != 0) fail_msg("%s", err.detail);
    free(text);
    bench_close(&b);
}

// ---- what would make it quieter ----

static void put(const struct bench *b, const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", b->dir, path);
    *strrchr(whole, '/') = '\0';
    assert_int_equal(jb_make_dirs(whole, NULL), 0);
    whole[strlen(whole)] = '/';
    bench_write(whole, text, strlen(text));
}

static const struct jb_tuning *row(const struct jb_tuning *t, uint32_t n, const char *what)
{
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(t[i].what, what)) return &t[i];
    fail_msg("no row %s", what);
    return t;
}

#define CPU "/sys/devices/system/cpu"

static void tuning_of_a_laptop(void **state)
{
    (void)state;
    struct bench b;
    struct jb_tuning t[JB_TUNING_MAX];
    struct jb_tuning_facts f = {.others = 0.3, .steal = NAN, .switched_out = 0.2, .clock_cost_ns = 900, .free = {0.03, 0.028, 0.033}, .pinned = {0.01, 0.009, 0.011}, .pinned_ms = 20, .cpus = 8, .last_cpu = 7};
    bench_open(&b);
    put(&b, CPU "/cpu0/cpufreq/scaling_governor", "performance\n");
    put(&b, CPU "/cpu1/cpufreq/scaling_governor", "powersave\n");
    put(&b, CPU "/cpu0/cpufreq/scaling_available_governors", "performance powersave\n");
    put(&b, CPU "/cpu0/cpufreq/scaling_min_freq", "400000\n");
    put(&b, CPU "/cpu0/cpufreq/scaling_max_freq", "4200000\n");
    put(&b, CPU "/intel_pstate/no_turbo", "0\n");
    put(&b, CPU "/smt/active", "1\n");
    put(&b, CPU "/isolated", "\n");
    put(&b, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put(&b, "/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm\n");
    uint32_t n = jb_tuning_find(t, b.dir, &f);
    for (uint32_t i = 0; i < n; i++)
        if (!t[i].applies || !t[i].command[0] || !t[i].effect[0]) fail_msg("%s: %s", t[i].what, t[i].effect);
    assert_string_equal(row(t, n, "governor")->state, "powersave on 1 of 2 CPUs");
    assert_non_null(strstr(row(t, n, "governor")->effect, "400 and 4200 MHz"));
    assert_non_null(strstr(row(t, n, "turbo")->command, "echo 1 | sudo tee " CPU "/intel_pstate/no_turbo"));
    assert_string_equal(row(t, n, "affinity")->command, "taskset -c 7 joulebench ...");
    assert_non_null(strstr(row(t, n, "isolation")->command, "boot with the kernel parameters isolcpus=managed_irq,domain,7 nohz_full=7"));
    put(&b, "/etc/default/grub", "\n");
    assert_non_null(strstr(row(t, jb_tuning_find(t, b.dir, &f), "isolation")->command, "sudo update-grub"));
    put(&b, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n");
    put(&b, "/run/systemd/system/x", "\n");
    assert_non_null(strstr(row(t, jb_tuning_find(t, b.dir, &f), "isolation")->command, "AllowedCPUs=0-6; done; sudo systemd-run --scope --slice=bench -p AllowedCPUs=7 joulebench"));
    n = jb_tuning_find(t, b.dir, &f);
    assert_non_null(strstr(row(t, n, "clock")->command, "echo tsc"));
    for (uint32_t i = 0; i < n; i++) assert_string_not_equal(t[i].what, "steal"); // bare metal
    bench_close(&b);
}

static void tuning_of_a_tuned_server(void **state)
{
    (void)state;
    struct bench b;
    struct jb_tuning t[JB_TUNING_MAX];
    struct jb_tuning_facts f = {.others = 0, .steal = NAN, .switched_out = 0, .clock_cost_ns = 20, .free = {0.01, 0.009, 0.011}, .pinned = {0.008, 0.0075, 0.0095}, .pinned_ms = 20, .cpus = 2, .last_cpu = 5};
    bench_open(&b);
    put(&b, CPU "/cpu0/cpufreq/scaling_governor", "performance\n");
    put(&b, CPU "/cpufreq/boost", "0\n");
    put(&b, CPU "/smt/active", "0\n");
    put(&b, CPU "/isolated", "4-5\n");
    uint32_t n = jb_tuning_find(t, b.dir, &f);
    for (uint32_t i = 0; i < n; i++)
        if (t[i].applies || t[i].command[0]) fail_msg("%s: %s", t[i].what, t[i].command);
    assert_string_equal(row(t, n, "turbo")->state, "off");
    assert_string_equal(row(t, n, "isolation")->state, "CPUs 4-5 are isolated");
    assert_non_null(strstr(row(t, n, "affinity")->effect, "no difference for sure")); // bounds overlap
    put(&b, CPU "/cpu0/cpufreq/scaling_governor", "schedutil\n");
    put(&b, CPU "/cpu0/cpufreq/scaling_available_governors", "schedutil\n");
    assert_false(row(t, jb_tuning_find(t, b.dir, &f), "governor")->applies); // nothing to be had
    put(&b, CPU "/cpufreq/boost", "1\n");
    assert_non_null(strstr(row(t, jb_tuning_find(t, b.dir, &f), "turbo")->command, "echo 0 | sudo tee " CPU "/cpufreq/boost"));
    bench_close(&b);
}

// A guest is promised nothing that only its host can do; hostile texts do no harm.
static void tuning_of_a_guest(void **state)
{
    (void)state;
    struct bench b;
    struct jb_tuning t[JB_TUNING_MAX];
    struct jb_tuning_facts f = {.hypervisor = true, .others = NAN, .steal = 0.02, .switched_out = NAN, .clock_cost_ns = 25, .free = {NAN, NAN, NAN}, .pinned = {NAN, NAN, NAN}, .pinned_ms = 20, .cpus = 1};
    bench_open(&b);
    uint32_t n = jb_tuning_find(t, b.dir, &f);
    for (uint32_t i = 0; i < n; i++) assert_true(t[i].command[0] == '\0' && t[i].effect[0]);
    assert_non_null(strstr(row(t, n, "governor")->effect, "virtual machine cannot"));
    assert_non_null(strstr(row(t, n, "turbo")->effect, "virtual machine cannot"));
    assert_true(row(t, n, "steal")->applies);
    assert_non_null(strstr(row(t, n, "steal")->state, "2.00 %"));
    put(&b, CPU "/cpu0/cpufreq/scaling_governor", "\033[2Jevil; rm -rf ~\n");
    put(&b, CPU "/isolated", "$(reboot)\001\n");
    put(&b, CPU "/intel_pstate/no_turbo", "0x0\n");
    n = jb_tuning_find(t, b.dir, &f);
    for (uint32_t i = 0; i < n; i++)
        for (const char *c = t[i].state; *c; c++) assert_in_range((unsigned char)*c, ' ', '~');
    assert_false(row(t, n, "turbo")->applies);
    bench_close(&b);
}

static void normalising_is_learned(void **state)
{
    (void)state;
    struct noise_case { int reference; bool expected; double gain; } cases[] = {{0, false, NAN}, {1, false, sqrt(2)}, {2, true, 0.25}};
    for (size_t i = 0; i < 3; i++) {
        struct machine m = {.sd = 0.01, .reference = cases[i].reference};
        struct jb_noise n;
        measured(&n, &m, 900);
        assert_true(n.normalise.known && n.normalise.blocks >= JB_NOISE_LEAST_LEARNED);
        assert_int_equal(n.normalise.reference, cases[i].expected);
        if (isnan(cases[i].gain)) assert_true(isnan(n.normalise.gain));
        else near(n.normalise.gain, cases[i].gain, 0.2);
    }
    struct machine short_one = {.sd = 0.01, .reference = 2};
    struct jb_noise n;
    measured(&n, &short_one, 5);
    assert_false(n.normalise.reference); // too few blocks to say so, however clear it looks
    assert_true(isnan(n.normalise.gain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_noise), cmocka_unit_test(normalising_is_learned), cmocka_unit_test(power_is_as_promised), cmocka_unit_test(drift_cancels_within_pairs), cmocka_unit_test(a_step_is_found),
        cmocka_unit_test(outliers_are_told_from_noise), cmocka_unit_test(order_is_random), cmocka_unit_test(best_length), cmocka_unit_test(disturbed_blocks),
        cmocka_unit_test(what_may_go_wrong), cmocka_unit_test(horizons), cmocka_unit_test(file_round_trip), cmocka_unit_test(hostile_files), cmocka_unit_test(schema_and_file_agree),
        cmocka_unit_test(this_machine), cmocka_unit_test(tuning_of_a_laptop), cmocka_unit_test(tuning_of_a_tuned_server), cmocka_unit_test(tuning_of_a_guest),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
