// Power limits as an axis of a sweep, on a tree at rest: every block runs under its limit, and whatever happens the limits are afterwards what they were.
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "power/limits.h"
#include "tests/harness/bench.h"

static const char plan[] =
    "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"seed\": 5,\n"
    " \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 60}}],\n"
    " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}],\n"
    " \"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}, {\"name\": \"maxprob\", \"threshold\": [0.3]}],\n"
    " \"scenarios\": [\"single-stream\"], \"power_limit_w\": [15, 28.5],\n"
    " \"percentiles\": [0.5], \"repetitions\": 3, \"block_ms\": 2, \"idle_ms\": 0, \"lead_in_ms\": 0.2, \"max_seconds\": 120,\n" BENCH_ANY_MACHINE "}\n";

struct rig {
    struct bench b;
    char tree[160], zone[200], state[200];
    int stop_after;                     // progress reports until a stop; negative: never
    size_t wrong, seen;                 // blocks that ran under another limit than their label says; reports of measuring
    struct jb_result *r;
    struct jb_err err;
};

static const struct jb_limits *held;    // as a handler of signals would know it
static size_t n_held, n_released;

static void on_held(const struct jb_limits *l)
{
    if (l) n_held++;
    else n_released++;
    held = l;
}

static void put(const struct rig *r, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", r->zone, file);
    bench_write(path, text, strlen(text));
}

static void limit(const struct rig *r, char out[32])
{
    char path[256], *text;
    snprintf(path, sizeof path, "%s/constraint_0_power_limit_uw", r->zone);
    text = bench_read(path, NULL);
    snprintf(out, 32, "%s", text);
    out[strcspn(out, "\n")] = 0;
    free(text);
}

static void limit_is(const struct rig *r, const char *want)
{
    char have[32];
    limit(r, have);
    assert_string_equal(have, want);
}

static void on_progress(void *user, const struct jb_progress *p)
{
    struct rig *r = user;
    char have[32];
    if (!strcmp(p->phase, "measure")) {
        limit(r, have);
        r->seen++;
        r->wrong += strcmp(have, strstr(p->cell, " 15 W") ? "15000000" : "28500000") != 0;
    }
    if (r->stop_after-- == 0) r->b.stop = 1;
}

static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof *r);
    held = NULL;
    n_held = n_released = 0;
    bench_open(&r->b);
    snprintf(r->tree, sizeof r->tree, "%s/tree", r->b.dir);
    snprintf(r->zone, sizeof r->zone, "%s/intel-rapl/intel-rapl:0", r->tree);
    snprintf(r->state, sizeof r->state, "%s/state/limits.json", r->b.dir);
    char command[256];
    snprintf(command, sizeof command, "mkdir -p '%s'", r->zone);
    assert_int_equal(system(command), 0);
    put(r, "name", "package-0\n");
    put(r, "constraint_0_name", "long_term\n");
    put(r, "constraint_0_power_limit_uw", "40000000\n");
    r->stop_after = -1;
    r->b.o.power.root = r->tree;
    r->b.o.limits_state = r->state;
    r->b.o.limits_held = on_held;
    r->b.o.progress = on_progress;
    r->b.o.progress_user = r;
}

static void rig_close(struct rig *r)
{
    jb_result_close(r->r);
    bench_close(&r->b);
}

// Runs; afterwards everything must be as before, whatever came of it.
static int sweep(struct rig *r)
{
    jb_result_close(r->r);
    r->r = NULL;
    r->seen = r->wrong = 0;
    int rc = bench_sweep(&r->b, plan, &r->r, &r->err);
    limit_is(r, "40000000");
    assert_true(access(r->state, F_OK) != 0 && errno == ENOENT);
    assert_null(held);
    assert_int_equal(n_held, n_released);
    assert_int_equal(r->wrong, 0);
    return rc;
}

static void has_note(const struct jb_result *r, const char *name, const char *says)
{
    for (size_t i = 0; i < r->n_notes; i++)
        if (!strcmp(r->notes[i].name, name)) {
            if (!strstr(r->notes[i].value, says)) fail_msg("%s: %s", name, r->notes[i].value);
            return;
        }
    fail_msg("no note \"%s\"", name);
}

static void every_block_runs_under_its_limit(void **state)
{
    (void)state;
    struct rig r;
    struct jb_result *loaded = NULL;
    rig_open(&r);
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    assert_true(r.seen >= 12 && n_held == 1);
    assert_int_equal(r.r->n_cells, 4);
    const struct jb_result_cell *low = bench_cell(r.r, "tiny int8 final 15 W"), *high = bench_cell(r.r, "tiny int8 maxprob 0.3 28.5 W");
    assert_true(low->power_limit_w == 15 && high->power_limit_w == 28.5);
    assert_true(low->status == JB_CELL_VALID && high->status == JB_CELL_VALID && low->n_blocks == 3 && high->n_blocks == 3);
    assert_string_not_equal(low->key, bench_cell(r.r, "tiny int8 final 28.5 W")->key);
    for (size_t i = 0; i < r.r->n_sentences; i++) // groups are named with their limit
        if (!strcmp(r.r->sentences[i].kind, "answer") && !strstr(r.r->sentences[i].text, ", 15 W:") && !strstr(r.r->sentences[i].text, ", 28.5 W:"))
            fail_msg("%s", r.r->sentences[i].text);
    assert_int_equal(jb_sweep_load(r.b.out, &loaded, &r.err), 0);
    assert_true(bench_cell(loaded, "tiny int8 final 15 W")->power_limit_w == 15);
    has_note(r.r, "power limit 15 W", "package-0 15 W instead of 40 W, power not observed");
    has_note(loaded, "power limit 28.5 W", "package-0 28.5 W instead of 40 W");
    jb_result_close(loaded);
    rig_close(&r);
}

// Keys of plans without the axis are what they were: results of earlier versions stay comparable.
static void no_axis_no_trace(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.b.o.progress = NULL;
    if (bench_sweep(&r.b, bench_plan, &r.r, &r.err)) fail_msg("%s", r.err.detail);
    const struct jb_result_cell *c = bench_cell(r.r, "tiny int8 final");
    assert_true(isnan(c->power_limit_w));
    // sha256 of {"batch":1,"model":"tiny","params":{},"per_exit":false,"policy":"final","precision":"int8","scenario":"single-stream","streams":1,"target_loss":null,"threads":1,
    // "threshold":[],"workload":"synthetic"}
    assert_string_equal(c->key, "f19c56f1f33d09ad");
    assert_int_equal(n_held, 0);
    limit_is(&r, "40000000");
    assert_true(access(r.state, F_OK) != 0);
    rig_close(&r);
}

// Stopped at every point that reports progress: put back each time, and on resume every block runs under its limit again.
static void stops_anywhere(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    for (int after = 0; after < 40; after++) {
        r.stop_after = after / 4 + (after % 4); // more than once at the same point
        r.b.stop = 0;
        r.b.o.resume = after > 0;
        int rc = sweep(&r);
        if (rc && rc != JB_E_INTERRUPTED) fail_msg("%s", r.err.detail);
        if (rc == 0) break;
    }
    r.stop_after = -1;
    r.b.stop = 0;
    r.b.o.resume = true;
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    for (size_t i = 0; i < r.r->n_cells; i++) assert_int_equal(r.r->cells[i].n_blocks, 3);
    rig_close(&r);
}

// One limit that the platform refuses: its cells alone are unavailable. When it can be set, --resume measures them.
static void unavailable_until_it_is_not(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    put(&r, "constraint_0_min_power_uw", "20000000\n");
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    const struct jb_result_cell *c = bench_cell(r.r, "tiny int8 maxprob 0.3 15 W");
    assert_int_equal(c->status, JB_CELL_UNAVAILABLE);
    if (!strstr(c->reason, "a power limit of 15 W cannot be set: package-0 long_term: 15 W is below the platform's minimum of 20 W")) fail_msg("%s", c->reason);
    assert_int_equal(bench_cell(r.r, "tiny int8 final 28.5 W")->status, JB_CELL_VALID);
    put(&r, "constraint_0_min_power_uw", "1000000\n");
    r.b.o.resume = true;
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    c = bench_cell(r.r, "tiny int8 maxprob 0.3 15 W");
    assert_int_equal(c->status, JB_CELL_VALID);
    assert_int_equal(c->n_blocks, 3);
    has_note(r.r, "power limit 15 W", "package-0 15 W instead of 40 W");
    has_note(r.r, "power limit 28.5 W", "package-0 28.5 W instead of 40 W"); // from before the resume
    rig_close(&r);
}

static void nowhere_to_set_them(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.b.o.limits_state = NULL;
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    for (size_t i = 0; i < r.r->n_cells; i++) assert_int_equal(r.r->cells[i].status, JB_CELL_UNAVAILABLE);
    assert_true(strstr(r.r->cells[0].reason, "--limits-state") && r.r->cells[0].accuracy.n == 60); // what needs no limit is there
    r.b.o.limits_state = r.state;
    r.b.o.power.root = "/no/such/tree";
    r.b.o.resume = true;
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    assert_int_equal(r.r->cells[0].status, JB_CELL_UNAVAILABLE);
    assert_non_null(strstr(r.r->cells[0].reason, "/no/such/tree"));
    rig_close(&r);
}

// Limits that another process holds or left are an error before anything is measured.
static void left_by_another(void **state)
{
    (void)state;
    struct rig r;
    struct jb_limits *l = NULL;
    rig_open(&r);
    assert_int_equal(jb_limits_open(&l, r.tree, r.state, false, &r.err), 0);
    assert_int_equal(bench_sweep(&r.b, plan, &r.r, &r.err), JB_E_BUSY);
    assert_null(r.r);
    assert_int_equal(jb_limits_set(l, NULL, NULL, 9, &r.err), 0);
    assert_int_equal(jb_limits_leave(l, &r.err), 0);
    r.b.o.resume = true;
    assert_int_equal(bench_sweep(&r.b, plan, &r.r, &r.err), JB_E_EXISTS);
    assert_non_null(strstr(r.err.detail, "joulebench power limits restore --state"));
    assert_int_equal(r.seen, 0);
    assert_int_equal(jb_limits_restore_file(r.state, NULL, &r.err), 0);
    if (sweep(&r)) fail_msg("%s", r.err.detail);
    assert_int_equal(r.r->n_cells, 4);
    rig_close(&r);
}

static void refused(const char *from, const char *to, const char *says)
{
    char text[sizeof plan + 64];
    struct jb_plan *p = NULL;
    struct jb_err err = { 0 };
    const char *at = strstr(plan, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - plan), plan, to, at + strlen(from));
    int rc = jb_plan_parse(&p, "plan.json", text, strlen(text), &err);
    if (rc != JB_E_INVALID || !strstr(err.detail, says)) fail_msg("%s: %d %s", to, rc, err.detail);
}

static void plans(void **state)
{
    (void)state;
    refused("[15, 28.5]", "[]", "power_limit_w");
    refused("[15, 28.5]", "[0]", "power_limit_w");
    refused("[15, 28.5]", "[15, null]", "power_limit_w");
    refused("[15, 28.5]", "\"15\"", "power_limit_w");
    refused("[15, 28.5]", "1e9", "power_limit_w");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_runs_under_its_limit), cmocka_unit_test(no_axis_no_trace), cmocka_unit_test(stops_anywhere), cmocka_unit_test(unavailable_until_it_is_not),
        cmocka_unit_test(nowhere_to_set_them), cmocka_unit_test(left_by_another), cmocka_unit_test(plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
