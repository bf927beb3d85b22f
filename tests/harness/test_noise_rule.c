// The rule that doctor learned: read, held against a machine, kept with a run, and what a comparison makes of it. // jb:threads
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/strbuf.h"
#include "harness/compare.h"
#include "harness/noise_data.h"
#include "tests/harness/bench.h"
#include "tests/harness/runs.h"

// A file of this machine (cpu NULL) with the gain, bounds 0.05 to both sides; reading checks that the rule follows from them. known false: of a version before.
static const char *made_file(struct bench *b, const char *name, const char *cpu, double gain, bool known)
{
    static struct jb_noise n;
    struct jb_cpu_info here;
    n = (struct jb_noise){ .seconds = 60, .others = NAN, .steal = NAN, .n_loads = 1, .n_series = 1, .best_block_ms = 5 };
    jb_cpu_describe(&here);
    snprintf(n.version, sizeof n.version, "1.0");
    snprintf(n.started, sizeof n.started, "2026-11-22T12:00:00Z");
    snprintf(n.machine.cpu, sizeof n.machine.cpu, "%s", cpu ? cpu : here.model);
    snprintf(n.machine.kernel, sizeof n.machine.kernel, "%s", here.kernel);
    n.machine.cores = (uint32_t)here.cores;
    n.machine.hypervisor = here.hypervisor;
    n.load[0] = (struct jb_noise_load){ .name = "network", .what = "made up", .query_ns = 1000, .best_block_ms = 5, .drift = { NAN, NAN, NAN, NAN } };
    struct jb_noise_series *s = &n.series[0];
    *s = (struct jb_noise_series){ .block_ms = 5, .pairs = 100, .pair_ms = 12, .queries = 100, .unpaired_log = 0.02 };
    s->mean = s->median = (struct jb_noise_spread){ .sd_log = 0.01, .lower = 0.009, .upper = 0.011, .robust_log = 0.01 };
    jb_noise_look(&s->mean, s->pair_ms, n.seconds, 0);
    jb_noise_look(&s->median, s->pair_ms, n.seconds, jb_noise_median_floor(&n.load[0]));
    n.normalise = (struct jb_noise_normalise){ .known = known, .reference = gain + 0.05 < 1, .gain = gain, .lower = gain - 0.05, .upper = gain + 0.05, .block_ms = 5, .blocks = 200 };
    cJSON *root = jb_noise_to_json(&n);
    assert_non_null(root);
    if (!known) cJSON_DeleteItemFromObjectCaseSensitive(root, "normalise");
    char *text = jb_json_pretty(root);
    const char *path = bench_path(b, name);
    bench_write(path, text, strlen(text));
    free(text);
    cJSON_Delete(root);
    return path;
}

static struct jb_noise_rule rule(struct bench *b, double gain)
{
    struct jb_noise_rule r;
    struct jb_err err = { 0 };
    if (jb_noise_rule_read(&r, made_file(b, "noise.json", NULL, gain, true), &err)) fail_msg("%s", err.detail);
    return r;
}

static void a_file_gives_a_rule(void **state)
{
    (void)state;
    struct bench b;
    struct jb_noise_rule r, again;
    struct jb_err err = { 0 };
    char text[JB_NOISE_RULE_TEXT];
    bench_open(&b);
    r = rule(&b, 0.8);
    assert_true(r.reference && r.gain == 0.8 && r.upper == 0.8 + 0.05 && strlen(r.sha256) == 64);
    assert_int_equal(jb_noise_rule_here(&r, &err), 0);
    jb_noise_rule_text(text, &r);
    assert_non_null(strstr(text, "normalised by the reference kernel, as learned by doctor on 2026-11-22T12:00:00Z"));
    assert_true(strncmp(text, "not ", 4) != 0);
    cJSON *o = cJSON_CreateObject();
    assert_true(jb_noise_rule_put(o, &r) && jb_noise_rule_get(&again, o) && again.reference && again.gain == r.gain && !strcmp(again.sha256, r.sha256));
    cJSON_Delete(o);
    o = cJSON_Parse("{\"normalise_learned\": {\"rule\": 1}}");
    assert_false(jb_noise_rule_get(&again, o));
    assert_false(jb_noise_rule_get(&again, NULL));
    cJSON_Delete(o);
    // What doctor --json prints holds the same.
    size_t n;
    char *file = bench_read(bench_path(&b, "noise.json"), &n);
    struct jb_str all = { 0 };
    jb_str_addf(&all, "{\"checks\": [], \"noise\": %s}", file);
    bench_write(bench_path(&b, "doctor.json"), jb_str_get(&all), all.len);
    assert_int_equal(jb_noise_rule_read(&again, bench_path(&b, "doctor.json"), &err), 0);
    assert_true(again.reference && again.gain == r.gain && strcmp(again.sha256, r.sha256) != 0);
    jb_str_free(&all);
    free(file);
    r = rule(&b, 1.1);
    assert_false(r.reference);
    jb_noise_rule_text(text, &r);
    assert_int_equal(strncmp(text, "not normalised", 14), 0);
    assert_int_equal(jb_noise_rule_read(&r, made_file(&b, "old.json", NULL, 0.8, false), &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "doctor --measure"));
    assert_int_equal(jb_noise_rule_read(&r, bench_path(&b, "none.json"), &err), JB_E_NOT_FOUND);
    bench_write(bench_path(&b, "bad.json"), "{\"noise\": {}}", 13);
    assert_int_equal(jb_noise_rule_read(&r, bench_path(&b, "bad.json"), &err), JB_E_INVALID);
    bench_close(&b);
}

static void another_machine_is_a_mismatch(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    bench_open(&b);
    const struct jb_noise_rule r = rule(&b, 0.8);
    struct jb_noise_rule x;
    assert_int_equal(jb_noise_rule_read(&x, made_file(&b, "other.json", "another CPU", 0.8, true), &err), 0);
    assert_int_equal(jb_noise_rule_here(&x, &err), JB_E_MISMATCH);
    assert_non_null(strstr(err.detail, "another CPU"));
    x = r, x.cores++;
    assert_int_equal(jb_noise_rule_here(&x, &err), JB_E_MISMATCH);
    x = r, x.hypervisor = !x.hypervisor;
    assert_int_equal(jb_noise_rule_here(&x, &err), JB_E_MISMATCH);
    x = r, snprintf(x.kernel, sizeof x.kernel, "0.1");
    assert_int_equal(jb_noise_rule_here(&x, &err), JB_E_MISMATCH);
    x = r, x.kernel[0] = '\0', x.cores = 0;
    assert_int_equal(jb_noise_rule_here(&x, &err), 0); // what it does not hold is not looked at
    bench_close(&b);
}

// "doctor" in place of `with` in a plan of one cell.
static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"seed\": 1, \"normalise\": \"doctor\","
                           "\"workloads\": [{\"name\": \"m\", \"preset\": \"synthetic\", \"params\": {\"n\": 40}}], \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\", \"workload\": \"m\"}],"
                           "\"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 2, \"block_ms\": 1, \"idle_ms\": 0,"
                           "\"lead_in_ms\": 0.1, \"max_seconds\": 2, " BENCH_ANY_MACHINE "}";

static const char *note(const struct jb_result *r)
{
    for (size_t i = 0; i < r->n_notes; i++)
        if (!strcmp(r->notes[i].name, "normalise")) return r->notes[i].value;
    return NULL;
}

static void a_run_keeps_its_rule(void **state)
{
    (void)state;
    struct bench b;
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    struct jb_run_data *d = NULL;
    bench_open(&b);
    assert_int_equal(bench_sweep(&b, plan, &r, &err), JB_E_INVALID);
    assert_null(r);
    assert_non_null(strstr(err.detail, "joulebench doctor --measure -o noise.json"));
    struct jb_noise_rule x = rule(&b, 0.8), other = x;
    snprintf(other.cpu, sizeof other.cpu, "another CPU");
    b.o.noise = &other;
    assert_int_equal(bench_sweep(&b, plan, &r, &err), JB_E_MISMATCH);
    b.o.noise = &x;
    if (bench_sweep(&b, plan, &r, &err)) fail_msg("%s", err.detail);
    assert_non_null(note(r));
    assert_non_null(strstr(note(r), x.started));
    jb_result_close(r);
    if (jb_run_data_open(&d, b.out, &err)) fail_msg("%s", err.detail);
    assert_true(jb_run_data_normalise(d) && !jb_run_data_doctor(d) && jb_run_data_learned(d) && !strcmp(jb_run_data_learned(d)->sha256, x.sha256) && jb_run_data_learned(d)->gain == 0.8);
    jb_run_data_close(d);
    b.o.resume = true; // with the same file, and with no other
    other = rule(&b, 1.2);
    b.o.noise = &other;
    assert_int_equal(bench_sweep(&b, plan, &r, &err), JB_E_MISMATCH);
    b.o.noise = &x;
    assert_int_equal(bench_sweep(&b, plan, &r, &err), 0);
    jb_result_close(r);
    bench_close(&b);
}

static const char *told(const struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_differences; i++)
        if (!strcmp(c->differences[i].name, "normalise")) return c->differences[i].value;
    return "";
}

// The file decides in both directions, whatever the plans say; without it plans that say "doctor" are not compared.
static void the_file_decides(void **state)
{
    (void)state;
    struct bench b;
    struct made_run a;
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    struct jb_compare_opts o;
    char before[200], after[200];
    bench_open(&b);
    jb_compare_opts_default(&o);
    o.resamples = 200;
    struct jb_noise_rule yes = rule(&b, 0.8), no = rule(&b, 1.2);
    made_defaults(&a);
    a.cell[0].reference_ns = 50000;
    for (int i = 0; i < 3; i++) {
        static const char *const says[] = { "none", "reference", "doctor" };
        a.normalise = says[i];
        a.cpu = yes.cpu;
        snprintf(before, sizeof before, "%s/before%d", b.dir, i);
        snprintf(after, sizeof after, "%s/after%d", b.dir, i);
        made_write(&a, before);
        made_write(&a, after);
        for (int k = 0; k < 2; k++) {
            o.learned = k ? &yes : &no;
            if (jb_compare_past(before, after, &o, &c, &err)) fail_msg("%s", err.detail);
            const struct jb_compared_metric *m = NULL;
            for (size_t j = 0; j < c->cells[0].n_metrics; j++)
                if (!strcmp(c->cells[0].metrics[j].name, "latency_mean_ns")) m = &c->cells[0].metrics[j];
            assert_non_null(m);
            assert_int_equal(!isnan(m->raw_effect), k);
            assert_non_null(strstr(told(c), "as learned by doctor on 2026-11-22"));
            assert_int_equal(!strncmp(told(c), "not ", 4), !k);
            jb_comparison_close(c);
        }
    }
    o.learned = NULL;
    assert_int_equal(jb_compare_past(before, after, &o, &c, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "--noise FILE"));
    o.learned = &yes;
    a.cpu = "another CPU";
    snprintf(after, sizeof after, "%s/elsewhere", b.dir);
    made_write(&a, after);
    assert_int_equal(jb_compare_past(before, after, &o, &c, &err), JB_E_MISMATCH);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_file_gives_a_rule), cmocka_unit_test(another_machine_is_a_mismatch), cmocka_unit_test(a_run_keeps_its_rule), cmocka_unit_test(the_file_decides) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
