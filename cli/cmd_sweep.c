#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "cli/limits.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/reporting.h"
#include "cli/table.h"
#include "harness/noise_rule.h"

struct opts {
    const char *output, *only, *noise, *limits_state, *count;
    bool resume, dry_run, json;
    struct cli_list sets;
    struct cli_power_opts power;
    struct cli_report_opts report;
};

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "directory for journal, raw data and reports (required but for --dry-run)" },
    { "resume", 'r', CLI_FLAG, offsetof(struct opts, resume), NULL, NULL, 0, 0, "go on with what DIR holds; nothing is measured twice" },
    { "dry-run", 'n', CLI_FLAG, offsetof(struct opts, dry_run), NULL, NULL, 0, 0, "only show the cells, the time and the space that they need" },
    { "only", 0, CLI_TEXT, offsetof(struct opts, only), "PATTERN", NULL, 0, 0, "only cells whose label matches, as in a shell: '*int8*'" },
    { "set", 's', CLI_LIST, offsetof(struct opts, sets), "KEY=VALUE", NULL, 0, 0, "replace a key of the plan; VALUE is JSON or a bare word" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print results.json instead of the summary" },
    CLI_COUNT_ROW(struct opts, count),
    { "noise", 0, CLI_TEXT, offsetof(struct opts, noise), "FILE", NULL, 0, 0, "of doctor --measure: what it learned on this machine decides whether latencies are divided by the reference kernel, not the plans; needed where the plan says \"normalise\": \"doctor\"" },
    { "limits-state", 0, CLI_TEXT, offsetof(struct opts, limits_state), "FILE", NULL, 0, 0,
      "for plans with power_limit_w: where it is written down what the limits were; without it limits.json in $JOULEBENCH_STATE_DIR or the user's state directory" },
    CLI_POWER_ROWS(struct opts, power),
    CLI_REPORT_ROWS(struct opts, report),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench sweep plans/default.json -o out", "the plan that make bench runs; open out/report.html afterwards" },
    { "joulebench sweep plans/default.json -o out --resume", "goes on after Ctrl-C, a crash or a full disk" },
    { "joulebench sweep plans/default.json --dry-run --only '*int8*'", "what would be measured, and how long it would take" },
    { "joulebench sweep plans/default.json -o quick --set repetitions=3 --set max_seconds=20", "a shorter run of the same plan" },
    { NULL, NULL },
};

struct sets { struct jb_plan_set *item; size_t n; struct cli_params pairs; };

static int parse_sets(struct sets *out, const struct cli_list *list, struct jb_err *err)
{
    struct sets s = { .n = list->n };
    int rc = cli_params_parse(&s.pairs, list, err);
    if (rc < 0)
        return jb_err_prefix(err, "--set");
    s.item = calloc(list->n ? list->n : 1, sizeof *s.item);
    if (!s.item) {
        cli_params_free(&s.pairs);
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < list->n; i++)
        s.item[i] = (struct jb_plan_set){ s.pairs.item[i].name, s.pairs.item[i].value };
    *out = s;
    return JB_OK;
}

static int print_dry_run_json(const struct jb_dry_run *d)
{
    cJSON *root = cJSON_CreateObject();
    jb_json_put_u64(root, "cells", d->n_cells);
    jb_json_put_f64(root, "seconds", d->seconds);
    jb_json_put_f64(root, "bytes", d->bytes);
    cJSON *list = jb_json_put_array(root, "labels");
    const char *p = jb_str_get(&d->cells);
    while (list && *p) {
        size_t n = strcspn(p, "\n");
        char *line = strndup(p, n);
        jb_json_put_str(list, NULL, line);
        free(line);
        p += n + (p[n] == '\n');
    }
    return cli_print_json(root);
}

static int dry_run(const struct jb_plan *plan, const struct cli_measure *m, bool json)
{
    struct jb_err err = { 0 };
    struct jb_dry_run d = { 0 };
    if (jb_sweep_dry_run(plan, &m->sweep, &d, &err) < 0)
        return cli_fail(&err);
    int exit_code = JB_EXIT_OK;
    if (json) {
        exit_code = print_dry_run_json(&d);
    } else {
        char time[32], bytes[24];
        for (const char *p = jb_str_get(&d.cells); *p; p++)
            putchar((unsigned char)*p < 0x20 && *p != '\n' ? '?' : *p);
        cli_time_left(d.seconds, time);
        jb_fmt_bytes(bytes, d.bytes);
        printf("%llu cells, about %s of measuring, %s on disk\n", (unsigned long long)d.n_cells, time[0] ? time : "?", bytes);
    }
    jb_str_free(&d.cells);
    return exit_code;
}

// Reports, summary, and what is left to say.
static int finish(const struct cli *c, const struct opts *o, const struct jb_result *r)
{
    struct jb_err err = { 0 };
    int rc = cli_reports_write(&r, 1, o->output, &o->report, &err);
    if (rc == JB_OK && !o->json)
        rc = cli_reports_summary(c, r, &err);
    if (rc < 0)
        return cli_fail(&err);
    if (o->json)
        cli_print_result_json(r);
    else
        printf("\nreport: %s/report.html\n", o->output);
    return cli_reports_judge(r, o->json);
}

static int measure(const struct cli *c, const struct opts *o, const struct jb_plan *plan, const char *path, struct cli_measure *m)
{
    struct jb_err err = { 0 };
    struct jb_result *r = NULL;
    int rc = jb_sweep_run(plan, &m->sweep, &r, &err), exit_code;
    cli_measure_close(m);
    if (rc == JB_E_INTERRUPTED) {
        err.code = rc;
        fprintf(stderr, "joulebench: interrupted with %zu cells in %s; go on with: joulebench sweep %s -o %s --resume\n", r ? r->n_cells : 0, o->output, path, o->output);
        exit_code = cli_measure_fail(&err);
    } else if (rc < 0 && !r) {
        exit_code = cli_measure_fail(&err);
    } else {
        exit_code = finish(c, o, r);
    }
    jb_result_close(r);
    return exit_code;
}

// Around the run: limits that are not the machine's own are said before it, and those that it could not put back after it.
static int measure_with_limits(const struct cli *c, const struct opts *o, const struct jb_plan *plan, const char *path, struct cli_measure *m)
{
    struct jb_err err = { 0 };
    char state[CLI_LIMITS_PATH];
    int rc = cli_limits_state(o->limits_state, state, &err);
    if (rc < 0 && o->limits_state)
        return cli_fail(&err);
    m->sweep.limits_state = rc < 0 ? NULL : state;
    m->sweep.limits_held = cli_limits_guard;
    bool before = cli_limits_notice(o->limits_state);
    int exit_code = measure(c, o, plan, path, m);
    if (!before && cli_limits_notice(o->limits_state) && exit_code == JB_EXIT_OK)
        exit_code = JB_EXIT_ENVIRONMENT;
    return exit_code;
}

static int run_plan(struct cli *c, const struct opts *o, const char *path, const struct sets *sets)
{
    struct jb_err err = { 0 };
    struct jb_plan *plan = NULL;
    struct cli_measure m;
    struct jb_noise_rule learned;
    char dir[4096];
    int rc = jb_path_dir(dir, sizeof dir, path) < 0 ? jb_fail(&err, JB_E_RANGE, "%s: the path is too long", path) : JB_OK;
    if (rc == JB_OK)
        rc = jb_plan_read(&plan, path, sets->item, sets->n, &err);
    if (rc == JB_OK && o->noise)
        rc = jb_noise_rule_read(&learned, o->noise, &err);
    if (rc == JB_OK)
        rc = cli_measure_open(&m, c, &o->power, dir, &err);
    if (rc < 0) {
        jb_plan_close(plan);
        return cli_fail(&err);
    }
    m.sweep.dir = o->output;
    m.sweep.resume = o->resume;
    m.sweep.only = o->only;
    m.sweep.noise = o->noise ? &learned : NULL;
    cli_measure_count(&m, o->count);
    int exit_code = o->dry_run ? dry_run(plan, &m, o->json) : measure_with_limits(c, o, plan, path, &m);
    cli_measure_close(&m);
    jb_plan_close(plan);
    return exit_code;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct sets sets;
    char path[4096];
    if (!o->output && !o->dry_run) {
        jb_fail(&err, JB_E_USAGE, "say where to write: -o DIR");
        return cli_usage("sweep", &err);
    }
    if (jb_paths_resolve(&c->paths, args->item[0], path, sizeof path, &err) < 0)
        return cli_fail(&err);
    if (parse_sets(&sets, &o->sets, &err) < 0)
        return cli_usage("sweep", &err);
    int exit_code = run_plan(c, o, path, &sets);
    free(sets.item);
    cli_params_free(&sets.pairs);
    return exit_code;
}

const struct cli_command cli_sweep = {
    .name = "sweep",
    .arguments = "PLAN",
    .summary = "run a plan: measure all its settings and write the reports",
    .about = "Runs every cell of a plan (workloads, models, precisions, policies and their parameters): once over the whole split for accuracy, then in "
             "interleaved blocks for time and energy. Every finished block is kept in DIR/journal.jsonl before the next one starts, so Ctrl-C, kill -9 "
             "or a full disk lose at most the running block, and --resume goes on.\n\n"
             "At the end DIR holds report.html, report.md, results.json, results.csv and plots/. Exit code 3: a cell failed or is invalid; the others "
             "are reported all the same.\n\n"
             "A plan with power_limit_w sets each limit on all packages before its cells, and puts back what was there at the end, on errors and on signals; after kill -9 "
             "power limits restore does.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
