// Plans: what is read, and that everything else is refused with file, line and key.
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

#include "harness/plan_data.h"
#include "tests/harness/bench.h"

#define HEAD "{\"schema\": \"joulebench.plan/1\", \"name\": \"p\",\n"
#define WORK "\"workloads\": [{\"name\": \"synthetic\"}],\n"
#define MODEL "\"models\": [{\"name\": \"m\", \"file\": \"m.gguf\"}],\n"
#define REST "\"precisions\": [\"f32\"], \"policies\": [{\"name\": \"final\"}], \"scenarios\": [\"single-stream\"]}"

static int parse(const char *text, struct jb_plan **p, struct jb_err *err) { return jb_plan_parse(p, "x.json", text, strlen(text), err); }

static void refused(const char *text, int code, const char *part)
{
    struct jb_plan *p = NULL;
    struct jb_err err = { 0 };
    int rc = parse(text, &p, &err);
    if (rc == 0) fail_msg("accepted: %s", text);
    if (rc != code || !strstr(err.detail, part)) fail_msg("got %d \"%s\", wanted %d with \"%s\"", rc, err.detail, code, part);
    assert_null(p);
}

static void reads_a_plan(void **state)
{
    (void)state;
    struct jb_plan *p = NULL;
    assert_int_equal(parse(HEAD WORK MODEL "\"precisions\": [\"f32\", \"escalate:int4>int8\"], \"seed\": 7, \"percentiles\": [0.9], \"repetitions\": 3,\n"
                           "\"policies\": [{\"name\": \"fixed\", \"k\": [0, 2]}, {\"name\": \"maxprob\", \"threshold\": [0.5, [0.1, 0.2]], \"target_loss\": 0.01},"
                           "{\"name\": \"patience\", \"t\": [1, 2], \"target_loss\": [0.01], \"precisions\": \"int8\"}], \"scenarios\": \"offline\"}", &p, NULL), 0);
    assert_string_equal(jb_plan_name(p), "p");
    assert_int_equal(p->settings.seed, 7);
    assert_int_equal(p->settings.repetitions, 3);
    assert_true(p->settings.energy_half_width == 0.01 && p->settings.validity.max_other_cpu == 0.10 && !p->settings.normalise && isnan(p->settings.stop_latency) && isnan(p->settings.stop_joules) && p->settings.extend);
    assert_int_equal(p->settings.n_percentiles, 1);
    assert_int_equal(p->n_policies, 3);
    assert_int_equal(p->policies[1].n_thresholds, 2);
    assert_int_equal(p->policies[1].thresholds[1].n, 2);
    // fixed 2 x 2 precisions, maxprob (2 + 1) x 2, patience 2 + 1 at one precision
    assert_int_equal((int)jb_plan_count(p), 4 + 6 + 3);
    jb_plan_close(p);
}

static void refuses_with_place(void **state)
{
    (void)state;
    refused("[]", JB_E_INVALID, "object");
    refused("{", JB_E_INVALID, "x.json");
    refused(HEAD WORK MODEL "\"presicions\": [\"f32\"], " REST, JB_E_INVALID, "x.json:4: unknown key \"presicions\"");
    refused("{\"schema\": \"joulebench.plan/2\", \"name\": \"p\", " WORK MODEL REST, JB_E_INVALID, "schema");
    refused(HEAD WORK REST, JB_E_INVALID, "\"models\" is missing");
    refused(HEAD "\"workloads\": [], " MODEL REST, JB_E_INVALID, "x.json:2: \"workloads\" is empty");
    refused(HEAD "\"workloads\": [{\"name\": \"nothing\"}], " MODEL REST, JB_E_INVALID, "unknown workload \"nothing\"");
    refused(HEAD "\"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": []}}], " MODEL REST, JB_E_INVALID, "\"n\"");
    refused(HEAD "\"workloads\": [{\"name\": \"synthetic\"}, {\"name\": \"synthetic\"}], " MODEL REST, JB_E_INVALID, "twice");
    refused(HEAD WORK "\"models\": [{\"name\": \"m\"}], " REST, JB_E_INVALID, "\"file\"");
    refused(HEAD WORK "\"models\": [{\"name\": \"m\", \"file\": 3}], " REST, JB_E_INVALID, "\"file\"");
    refused(HEAD WORK "\"models\": [{\"name\": \"m\", \"file\": \"f\", \"workload\": \"other\"}], " REST, JB_E_INVALID, "\"workload\"");
    refused(HEAD "\"workloads\": [{\"name\": \"null\"}], " MODEL REST, JB_E_INVALID, "without a model");
    refused(HEAD WORK MODEL "\"energy_half_width\": 0, " REST, JB_E_RANGE, "\"energy_half_width\"");
    refused(HEAD WORK MODEL "\"energy_half_width\": \"1 %\", " REST, JB_E_INVALID, "\"energy_half_width\"");
    refused(HEAD WORK MODEL "\"max_other_cpu\": 1.5, " REST, JB_E_RANGE, "\"max_other_cpu\"");
}

static void refused_axes(const char *axes, const char *part)
{
    char text[2000];
    snprintf(text, sizeof text, HEAD WORK MODEL "%s}", axes);
    refused(text, JB_E_INVALID, part);
}

static void refuses_axes(void **state)
{
    (void)state;
#define P "\"policies\": "
#define OK_P P "[{\"name\": \"final\"}], "
#define OK_F "\"precisions\": [\"f32\"], "
#define OK_S "\"scenarios\": [\"single-stream\"]"
    refused_axes("\"precisions\": [], " OK_P OK_S, "x.json:4: \"precisions\" is empty");
    refused_axes("\"precisions\": [\"int7\"], " OK_P OK_S, "int7");
    refused_axes("\"precisions\": [3], " OK_P OK_S, "\"precisions\"");
    refused_axes(OK_F P "[], " OK_S, "\"policies\" is empty");
    refused_axes(OK_F P "[3], " OK_S, "objects");
    refused_axes(OK_F P "[{\"name\": \"best\"}], " OK_S, "unknown policy \"best\"");
    refused_axes(OK_F P "[{\"name\": \"fixed\"}], " OK_S, "\"k\"");
    refused_axes(OK_F P "[{\"name\": \"fixed\", \"k\": []}], " OK_S, "\"k\" is empty");
    refused_axes(OK_F P "[{\"name\": \"fixed\", \"k\": [0.5]}], " OK_S, "\"k\" has 0.5");
    refused_axes(OK_F P "[{\"name\": \"fixed\", \"k\": [0], \"q\": 1}], " OK_S, "x.json:4: unknown key \"q\" in policy fixed");
    refused_axes(OK_F P "[{\"name\": \"maxprob\"}], " OK_S, "threshold");
    refused_axes(OK_F P "[{\"name\": \"maxprob\", \"threshold\": [1.5]}], " OK_S, "threshold");
    refused_axes(OK_F P "[{\"name\": \"maxprob\", \"threshold\": [[]]}], " OK_S, "threshold");
    refused_axes(OK_F P "[{\"name\": \"final\", \"threshold\": [0.5]}], " OK_S, "threshold");
    refused_axes(OK_F P "[{\"name\": \"final\", \"target_loss\": [0.5]}], " OK_S, "target_loss");
    refused_axes(OK_F P "[{\"name\": \"final\", \"models\": [\"z\"]}], " OK_S, "models");
    refused_axes(OK_F OK_P "\"scenarios\": [\"server\"]", "scenarios");
    refused_axes(OK_F OK_P OK_S ", \"threads\": [0]", "threads");
    refused_axes(OK_F OK_P OK_S ", \"streams\": []", "\"streams\" is empty");
    refused_axes(OK_F OK_P OK_S ", \"percentiles\": [1.5]", "percentiles");
}

static void refuses_numbers(void **state)
{
    (void)state;
    refused(HEAD WORK MODEL "\"repetitions\": 0, " REST, JB_E_RANGE, "repetitions");
    refused(HEAD WORK MODEL "\"repetitions\": \"many\", " REST, JB_E_INVALID, "repetitions");
    refused(HEAD WORK MODEL "\"block_ms\": -1, " REST, JB_E_RANGE, "block_ms");
    refused(HEAD WORK MODEL "\"seed\": 1.5, " REST, JB_E_INVALID, "seed");
    refused(HEAD WORK MODEL "\"seed\": 1, \"seed\": 2, " REST, JB_E_INVALID, "seed");
}

static void refuses_too_many_cells(void **state)
{
    (void)state;
    char *text = malloc(100000), *at = text;
    at += sprintf(at, HEAD WORK MODEL "\"precisions\": [\"f32\"], \"scenarios\": [\"single-stream\"], \"streams\": [");
    for (int i = 1; i <= 250; i++) at += sprintf(at, "%s%d", i > 1 ? "," : "", i);
    at += sprintf(at, "], \"policies\": [{\"name\": \"maxprob\", \"threshold\": [");
    for (int i = 0; i < 401; i++) at += sprintf(at, "%s%.4f", i ? "," : "", i / 401.0);
    sprintf(at, "]}]}");
    refused(text, JB_E_RANGE, "100250 cells");
    free(text);
}

static void sets_replace(void **state)
{
    (void)state;
    struct bench b;
    struct jb_plan *p = NULL;
    struct jb_err err = { 0 };
    bench_open(&b);
    const char *path = bench_path(&b, "p.json");
    bench_write(path, bench_plan, strlen(bench_plan));
    struct jb_plan_set sets[] = { { "precisions", "f32" }, { "repetitions", "9" }, { "models.0.name", "renamed" }, { "policies.1.k", "[2]" }, { "note", "a word" } };
    assert_int_equal(jb_plan_read(&p, path, sets, 5, &err), 0);
    assert_int_equal(p->precisions.n, 1);
    assert_string_equal(p->precisions.v[0], "f32");
    assert_int_equal(p->settings.repetitions, 9);
    assert_string_equal(p->models[0].name, "renamed");
    assert_int_equal((int)p->policies[1].params[0].values.v[0], 2);
    assert_string_equal(p->dir, b.dir);
    jb_plan_close(p);
    p = NULL;
    struct jb_plan_set bad[] = { { "nothing.there", "1" }, { "repetitios", "9" }, { "models.7.name", "x" }, { "", "x" } };
    for (size_t i = 0; i < 4; i++) {
        assert_int_not_equal(jb_plan_read(&p, path, &bad[i], 1, &err), 0);
        assert_true(err.detail[0] != 0);
    }
    assert_int_equal(jb_plan_read(&p, bench_path(&b, "absent.json"), NULL, 0, &err), JB_E_NOT_FOUND);
    bench_close(&b);
}

static void committed_plans_read(void **state)
{
    (void)state;
    struct jb_plan *p = NULL;
    struct jb_err err = { 0 };
    if (jb_plan_read(&p, "plans/default.json", NULL, 0, &err)) fail_msg("%s", err.detail);
    jb_plan_close(p);
    if (jb_plan_read(&p, "plans/smoke.json", NULL, 0, &err)) fail_msg("%s", err.detail);
    jb_plan_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_a_plan), cmocka_unit_test(refuses_with_place), cmocka_unit_test(refuses_axes), cmocka_unit_test(refuses_numbers),
                                        cmocka_unit_test(refuses_too_many_cells), cmocka_unit_test(sets_replace), cmocka_unit_test(committed_plans_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
