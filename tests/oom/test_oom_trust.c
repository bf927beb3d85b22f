// What says whether to trust a figure, with every allocation failing in turn: rules and verdicts of gates, noise, audits, validity in results.json, several runs side by side.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "harness/audit.h"
#include "harness/gate.h"
#include "harness/noise.h"
#include "reports/across.h"
#include "reports/codec.h"
#include "tests/oom/countdown.h"

struct text { char *s; size_t n; };

static struct text slurp(const char *path)
{
    struct text t;
    struct jb_err err = { 0 };
    if (jb_read_file(path, 1 << 20, &t.s, &t.n, &err)) fail_msg("%s", err.detail);
    return t;
}

// ---- gates ----

static int rules(void *user)
{
    const struct text *t = user;
    struct jb_gate_rules r;
    struct jb_err err;
    int rc = jb_gate_rules_parse(&r, "gate.json", t->s, t->n, &err);
    if (!rc) jb_gate_rules_free(&r);
    return rc;
}

// A run against itself: compared, judged, and written in the forms that a CI server reads.
static int verdicts(void *dir)
{
    struct jb_gate_rules r;
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    struct jb_str s = { 0 };
    struct jb_err err;
    jb_gate_rules_default_past(&r);
    jb_compare_opts_default(&o);
    o.resamples = 200;
    int rc = jb_gate_past(dir, dir, &r, &o, JB_INCONCLUSIVE_OWN, &c, &err);
    static int undisturbed = -1;
    if (!rc && undisturbed < 0) undisturbed = c->exit_code;
    if (!rc && c->exit_code != undisturbed) fail_msg("out of memory made another verdict: %d", c->exit_code);
    if (!rc) rc = jb_comparison_junit(c, &s);
    if (!rc) rc = jb_comparison_annotations(c, &s);
    jb_str_free(&s);
    jb_comparison_close(c);
    jb_gate_rules_free(&r);
    return rc;
}

static int record(void *dir)
{
    char baseline[200];
    struct jb_run_data *d = NULL;
    struct jb_err err;
    snprintf(baseline, sizeof baseline, "%s/baseline", (const char *)dir);
    int rc = jb_gate_record(dir, baseline, &d, &err);
    jb_run_data_close(d);
    return rc;
}

// ---- audits, reports of several runs ----

static int outputs(void *dir)
{
    struct jb_audit a = { 0 };
    struct jb_err err;
    int rc = jb_audit_outputs(dir, &a, &err);
    if (!rc && a.verdict != JB_AUDIT_PASS) fail_msg("out of memory made a verdict: %s", jb_audit_verdict_name(a.verdict));
    if (!rc) rc = jb_audit_judge_seeds(&a, &err);
    jb_audit_free(&a);
    return rc;
}

static int side_by_side(void *dir)
{
    const char *dirs[] = { dir, dir };
    struct jb_run_data *d = NULL;
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    struct jb_across a = { 0 };
    struct jb_str s = { 0 };
    struct jb_err err;
    jb_compare_opts_default(&o);
    o.resamples = 200;
    o.across = o.gather = true;
    int rc = jb_run_data_open(&d, dir, &err);
    if (!rc) rc = jb_compare_across(dirs, 2, &o, &c, &err);
    const struct jb_result *r[] = { rc ? NULL : jb_run_data_result(d), rc ? NULL : jb_run_data_result(d) };
    if (!rc) rc = jb_across_open(&a, c, r, 2);
    if (!rc) rc = jb_across_markdown(&a, &s);
    if (!rc) rc = jb_across_html(&a, &s);
    if (!rc) rc = jb_across_terminal(c, NULL, r, 2, 80, false, &s);
    cJSON *json = rc ? NULL : jb_results_set_to_json(r, 2, c, NULL);
    if (!rc && !json) rc = JB_E_NOMEM;
    cJSON_Delete(json);
    jb_str_free(&s);
    jb_across_close(&a);
    jb_comparison_close(c);
    jb_run_data_close(d);
    return rc;
}

static void make_run(char *dir)
{
    struct jb_kernels kernels;
    struct jb_paths paths = { 0 };
    struct jb_plan *p = NULL;
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"o\", \"workloads\": [{\"name\": \"null\", \"params\": {\"ns\": 60000, \"n\": 20}}], \"precisions\": [\"f32\"],\n"
                               " \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 5, \"block_ms\": 1, \"idle_ms\": 0, \"max_seconds\": 20,\n"
                               " \"validity\": {\"max_other_cpu\": 1, \"max_steal\": 1, \"max_involuntary_per_s\": 1e9, \"max_reference_drift\": 1e6, \"throttling\": true, \"swap\": true, \"max_freq_change\": 100}}";
    struct jb_sweep_opts o = { .dir = dir, .paths = &paths, .kernels = &kernels, .power = { .source = "none" }, .clock = jb_clock_monotonic(), .version = "0", .git = "t", .compiler = "c" };
    jb_kernels_init(&kernels, 0);
    if (jb_plan_parse(&p, "p", plan, strlen(plan), &err) || jb_sweep_run(p, &o, &r, &err)) fail_msg("%s", err.detail);
    jb_result_close(r);
    jb_plan_close(p);
}

static void gates_and_audits(void **state)
{
    (void)state;
    struct text t = slurp("tests/fuzz/corpus/gate/all.json");
    oom_countdown("rules of a gate", rules, &t);
    free(t.s);
    char dir[] = "/tmp/jb_oom_trust_XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    make_run(dir);
    oom_countdown("a gate of a run with itself", verdicts, dir);
    oom_countdown("a baseline", record, dir);
    oom_countdown("an audit of outputs", outputs, dir);
    oom_countdown("two runs side by side", side_by_side, dir);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

// ---- noise ----

static int noise_file(void *user)
{
    static struct jb_noise n;
    const struct text *t = user;
    struct jb_err err;
    int rc = jb_noise_parse(&n, "noise.json", t->s, t->n, &err);
    if (rc) return rc;
    cJSON *json = jb_noise_to_json(&n);
    cJSON_Delete(json);
    return json ? 0 : JB_E_NOMEM;
}

struct machine { struct jb_fake_clock clock; uint64_t calls; };

static int block(void *self, uint32_t load, uint64_t block_ns, uint32_t start, struct jb_noise_block *out, struct jb_err *err)
{
    struct machine *m = self;
    double ns = 20000 + 100 * (double)(m->calls++ % 7) + load + start % 3;
    (void)err;
    m->clock.t_ns += block_ns;
    *out = (struct jb_noise_block){ .mean_ns = ns, .median_ns = ns, .queries = 100, .wall_ns = block_ns, .cpu_ns = block_ns, .others_least = 0, .reference_ns = (uint64_t)ns * 5 };
    return 0;
}

static int noise_measured(void *user)
{
    static const double lengths[] = { 2, 5 };
    static struct jb_noise n;
    struct machine m = { .clock = { .step_ns = 100 } };
    struct jb_noise_opts o = { .seconds = 0.3, .seed = 1, .clock = jb_clock_fake(&m.clock), .load = { { "null", "made" } }, .n_loads = 1, .block_ms = lengths, .n_block_ms = 2, .block = block, .self = &m };
    struct jb_err err;
    (void)user;
    return jb_noise_measure(&n, &o, &err);
}

static void noise(void **state)
{
    (void)state;
    struct text t = slurp("tests/fuzz/corpus/noise/small.json");
    oom_countdown("a file of noise", noise_file, &t);
    free(t.s);
    oom_countdown("measuring noise", noise_measured, NULL);
}

// ---- results.json ----

static int results(void *user)
{
    const struct text *t = user;
    struct jb_result *r = NULL;
    struct jb_err err;
    int rc = jb_result_parse(&r, "results.json", t->s, t->n, &err);
    cJSON *json = rc ? NULL : jb_result_to_json(r);
    if (!rc && !json) rc = JB_E_NOMEM;
    cJSON_Delete(json);
    jb_result_close(r);
    return rc;
}

static void validity(void **state)
{
    (void)state;
    static const char *const SEEDS[] = { "tests/fuzz/corpus/results/invalid.json", "tests/fuzz/corpus/results/joules.json" };
    for (size_t i = 0; i < 2; i++) {
        struct text t = slurp(SEEDS[i]);
        oom_countdown(SEEDS[i], results, &t);
        free(t.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gates_and_audits), cmocka_unit_test(noise), cmocka_unit_test(validity) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
