#include <stdio.h>
#include <stdlib.h>
#include "base/fs.h"
#include "cli/output.h"
#include "cli/reporting.h"
#include "cli/table.h"
#include "harness/compare.h"
#include "harness/sweep.h"
#include "reports/across.h"
#include "reports/history.h"

struct opts { const char *output, *history; bool json; struct cli_report_opts report; };

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "where to write (one run: its own directory; several: required)" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print results.json instead of the summary, or results-set.json of several runs" },
    { "history", 0, CLI_TEXT, offsetof(struct opts, history), "FILE", NULL, 0, 0, "instead of runs: each metric of a gate's history over revisions; writes history.html and history.md into DIR" },
    CLI_REPORT_ROWS(struct opts, report),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench report out", "writes all reports again, also after a crash in the middle of a sweep" },
    { "joulebench report laptop server -o both --title 'Two machines'", "several runs side by side in one report" },
    { "joulebench report --history history.jsonl -o out", "how accuracy, latency and joules went from gate to gate" },
    { NULL, NULL },
};

// From the journal where there is one: it is the truth, results.json may be older or missing.
static int load(const char *dir, struct jb_result **out, struct jb_err *err)
{
    char path[4096];
    int rc = jb_path_join(path, sizeof path, dir, "journal.jsonl", err);
    if (rc == JB_OK && jb_path_exists(path))
        return jb_sweep_load(dir, out, err);
    if (rc == JB_OK)
        rc = jb_path_join(path, sizeof path, dir, "results.json", err);
    if (rc == JB_OK && !jb_path_exists(path))
        rc = jb_fail(err, JB_E_NOT_FOUND, "%s: neither journal.jsonl nor results.json: not a directory of a run", dir);
    return rc < 0 ? rc : jb_result_read(out, path, err);
}

// The runs' figures and ratios to the first run's. A report shows every run whatever it is: why there are no ratios is a text in it.
static int side_by_side(const struct cli_list *dirs, struct jb_comparison **out, struct jb_err *why)
{
    struct jb_compare_opts o;
    jb_compare_opts_default(&o);
    o.across = o.gather = true;
    return jb_compare_across(dirs->item, dirs->n, &o, out, why) == JB_E_NOMEM ? JB_E_NOMEM : JB_OK;
}

static int show_side_by_side(const struct cli *c, const struct cli_report_opts *o, const struct jb_result *const *r, size_t n, struct jb_err *err)
{
    struct jb_str text = { 0 };
    int rc = jb_across_terminal(o->across, o->across_reason, r, n, c->width, c->color, &text);
    if (rc == JB_OK)
        printf("\n%s", jb_str_get(&text));
    else
        jb_fail(err, rc, "the runs side by side: %s", jb_code_text(rc));
    jb_str_free(&text);
    return rc;
}

static int show(const struct cli *c, const struct cli_report_opts *o, const struct jb_result *const *r, const struct cli_list *dirs, struct jb_err *err)
{
    int rc = JB_OK;
    for (size_t i = 0; i < dirs->n && rc == JB_OK; i++) {
        if (dirs->n > 1) {
            printf("%s", i ? "\n" : "");
            cli_print_safe(dirs->item[i]);
            printf(":\n");
        }
        rc = cli_reports_summary(c, r[i], err);
    }
    return rc == JB_OK && dirs->n > 1 ? show_side_by_side(c, o, r, dirs->n, err) : rc;
}

static int write_and_show(const struct cli *c, const struct opts *o, const struct jb_result *const *r, const struct cli_list *dirs, const char *dir)
{
    size_t n = dirs->n;
    struct jb_err err = { 0 }, why = { 0 };
    struct cli_report_opts report = o->report;
    struct jb_comparison *across = NULL;
    int exit_code = JB_EXIT_OK, rc = n > 1 ? side_by_side(dirs, &across, &why) : JB_OK;
    if (rc < 0)
        jb_fail(&err, rc, "out of memory");
    report.across = across;
    report.across_reason = n > 1 && !across ? why.detail : NULL;
    if (rc == JB_OK)
        rc = cli_reports_write(r, n, dir, &report, &err);
    if (rc == JB_OK && !o->json)
        rc = show(c, &report, r, dirs, &err);
    if (rc < 0)
        exit_code = cli_fail(&err);
    else if (o->json)
        exit_code = n == 1 ? cli_print_result_json(r[0]) : cli_print_json(jb_results_set_to_json(r, n, across, report.across_reason));
    else
        printf("\nreport: %s/report.html\n", dir);
    for (size_t i = 0; i < n && rc == JB_OK; i++)
        if (cli_reports_judge(r[i], o->json) != JB_EXIT_OK)
            exit_code = JB_EXIT_CELL;
    jb_comparison_close(across);
    return exit_code;
}

static int put(const char *dir, const char *name, struct jb_str *s, int rc, struct jb_err *err)
{
    char path[4096];
    rc = rc < 0 ? jb_fail(err, rc, "out of memory") : jb_path_join(path, sizeof path, dir, name, err);
    if (rc == JB_OK)
        rc = jb_write_file_atomic(path, jb_str_get(s), s->len, err);
    jb_str_free(s);
    return rc;
}

static int report_history(const struct opts *o)
{
    struct jb_err err = { 0 };
    struct jb_history h = { 0 };
    struct jb_str page = { 0 }, table = { 0 };
    int rc = jb_history_read(&h, o->history, &err);
    if (rc == JB_OK) {
        rc = jb_history_markdown(&h, &table);
        if (rc == JB_OK)
            fputs(jb_str_get(&table), stdout);
        if (rc == JB_OK && o->output)
            rc = jb_make_dirs(o->output, &err);
        if (rc == JB_OK && o->output)
            rc = put(o->output, "history.html", &page, jb_history_html(&h, &page), &err);
        if (rc == JB_OK && o->output)
            rc = put(o->output, "history.md", &table, JB_OK, &err);
        if (rc == JB_OK && o->output)
            printf("\nreport: %s/history.html\n", o->output);
    }
    jb_str_free(&table);
    jb_history_free(&h);
    return rc < 0 ? cli_fail(&err) : JB_EXIT_OK;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    if (o->history && (args->n || o->json))
        jb_fail(&err, JB_E_USAGE, "--history stands alone: joulebench report --history FILE [-o DIR]");
    else if (!o->history && !args->n)
        jb_fail(&err, JB_E_USAGE, "which run? name its directory, or a history with --history FILE");
    if (err.code)
        return cli_usage("report", &err);
    if (o->history)
        return report_history(o);
    if (args->n > 1 && !o->output) {
        jb_fail(&err, JB_E_USAGE, "several runs: say where to write with -o DIR");
        return cli_usage("report", &err);
    }
    struct jb_result **r = calloc(args->n, sizeof *r);
    int rc = r ? JB_OK : jb_fail(&err, JB_E_NOMEM, "out of memory");
    size_t n = 0;
    while (n < args->n && rc == JB_OK) {
        rc = load(args->item[n], &r[n], &err);
        n += rc == JB_OK;
    }
    const char *dir = o->output ? o->output : args->item[0];
    if (rc == JB_OK && o->output)
        rc = jb_make_dirs(dir, &err);
    int exit_code = rc < 0 ? cli_fail(&err) : write_and_show(c, o, (const struct jb_result *const *)r, args, dir);
    for (size_t i = 0; i < n; i++)
        jb_result_close(r[i]);
    free(r);
    return exit_code;
}

const struct cli_command cli_report = {
    .name = "report",
    .arguments = "DIR...",
    .summary = "write the reports of one or more runs again",
    .about = "Reads the journal of a run (or its results.json), writes report.html, report.md, results.json, results.csv and plots/, and prints the summary. "
             "Several directories give one report with the runs side by side: of each cell that they share by key, every run's figures, "
             "their ratios to the first run's with 95 % intervals, and the class of every joule; results-set.json has them as a comparison. There is no verdict: joulebench gate judges.\n\nExit code 3: a cell of a run failed or is invalid.",
    .options = options,
    .examples = examples,
    .max_args = 64,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
