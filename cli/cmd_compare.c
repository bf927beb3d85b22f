#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "cli/live.h"
#include "cli/output.h"
#include "cli/table.h"
#include "harness/compare.h"

struct opts {
    const char *output, *only, *noise, *limits_state;
    bool json, live, across;
    double confidence, seconds, block_ms, instance_s;
    int64_t seed;
    struct cli_power_opts power;
};

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "write comparison.json, comparison.md and comparison.html into DIR" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print comparison.json instead of the summary" },
    { "only", 0, CLI_TEXT, offsetof(struct opts, only), "PATTERN", NULL, 0, 0, "only cells whose label matches, as in a shell: '*int8*'" },
    { "confidence", 0, CLI_F64, offsetof(struct opts, confidence), "SHARE", "0.95", 0.5, 0.999, "of the intervals" },
    { "noise", 0, CLI_TEXT, offsetof(struct opts, noise), "FILE", NULL, 0, 0, "of doctor --measure: what it learned on this machine decides whether latencies are divided by the reference kernel, not the plans; needed where live sides say \"normalise\": \"doctor\"" },
    { "across", 0, CLI_FLAG, offsetof(struct opts, across), NULL, NULL, 0, 0, "devices side by side: other CPUs are compared too, with the first run as the baseline; two runs or more" },
    { "live", 0, CLI_FLAG, offsetof(struct opts, live), NULL, NULL, 0, 0, "A and B are sides (JSON): both are measured now, block by block in turns" },
    { "seconds", 0, CLI_F64, offsetof(struct opts, seconds), "S", "60", 0.1, 1e6, "with --live: time of measuring in all" },
    { "block-ms", 0, CLI_F64, offsetof(struct opts, block_ms), "MS", "5", 0, 60000, "with --live: length of a block; 0: the plan's" },
    { "restart-s", 0, CLI_F64, offsetof(struct opts, instance_s), "S", "0.5", 0, 1e6, "with --live: both workers are restarted after so long, as where memory lies in a process changes its latencies; 0: never" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9e15, "of the order of live blocks and of resampling" },
    CLI_LIVE_LIMITS_ROW(struct opts, limits_state),
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench compare before after", "what changed between two runs of a plan" },
    { "joulebench compare before after -o out --only '*int8*'", "the same for some cells, with out/comparison.html" },
    { "joulebench compare --live main.json topic.json --seconds 60", "two builds, models or settings measured in turns: what slows the machine slows both" },
    { "joulebench compare --across laptop server phone", "devices side by side" },
    { NULL, NULL },
};

static int write_text(const char *dir, const char *name, int (*render)(const struct jb_comparison *, struct jb_str *), const struct jb_comparison *c, struct jb_err *err)
{
    char path[4096];
    struct jb_str s = { 0 };
    int rc = jb_path_join(path, sizeof path, dir, name, err);
    if (rc == JB_OK && render(c, &s) != JB_OK)
        rc = jb_fail(err, JB_E_NOMEM, "out of memory");
    if (rc == JB_OK)
        rc = jb_write_file_atomic(path, jb_str_get(&s), s.len, err);
    jb_str_free(&s);
    return rc;
}

static int write_files(const char *dir, const struct jb_comparison *c, struct jb_err *err)
{
    char path[4096];
    int rc = jb_make_dirs(dir, err);
    if (rc == JB_OK)
        rc = jb_path_join(path, sizeof path, dir, "comparison.json", err);
    if (rc == JB_OK)
        rc = jb_comparison_write(c, path, err);
    if (rc == JB_OK)
        rc = write_text(dir, "comparison.md", jb_comparison_markdown, c, err);
    return rc < 0 ? rc : write_text(dir, "comparison.html", jb_comparison_html, c, err);
}

static int show(const struct cli *cli, const struct opts *o, const struct jb_comparison *c)
{
    struct jb_err err = { 0 };
    struct jb_str text = { 0 };
    int rc = o->output ? write_files(o->output, c, &err) : JB_OK;
    if (rc < 0)
        return cli_fail(&err);
    if (o->json) {
        char *json = jb_comparison_json(c);
        if (json)
            fputs(json, stdout);
        else
            rc = jb_fail(&err, JB_E_NOMEM, "out of memory");
        free(json);
    } else {
        rc = jb_comparison_terminal(c, cli->width, cli->color, &text);
        if (rc == JB_OK)
            fputs(jb_str_get(&text), stdout);
        else
            jb_fail(&err, JB_E_NOMEM, "out of memory");
        if (rc == JB_OK && o->output) {
            printf("comparison: ");
            cli_print_safe(o->output);
            printf("/comparison.html\n");
        }
        jb_str_free(&text);
    }
    return rc < 0 ? cli_fail(&err) : c->exit_code;
}

static int live(struct cli *cli, const struct opts *o, const struct jb_compare_opts *compare, const char *path_a, const char *path_b)
{
    struct jb_err err = { 0 };
    struct cli_live l;
    struct jb_comparison *c = NULL;
    int rc = cli_live_open(&l, cli, path_a, path_b, &o->power, o->limits_state, &err);
    l.opts.seconds = o->seconds;
    l.opts.instance_s = o->instance_s;
    l.opts.block_ms = o->block_ms;
    l.opts.only = o->only;
    l.opts.seed = (uint64_t)o->seed;
    if (rc == JB_OK)
        rc = jb_compare_live(&l.opts, compare, &c, &err);
    cli_live_close(&l);
    int exit_code = c ? show(cli, o, c) : JB_EXIT_OK;
    if (rc < 0) // stopped: what was measured is shown all the same
        exit_code = cli_measure_fail(&err);
    jb_comparison_close(c);
    return exit_code;
}

static int usage(const char *text)
{
    struct jb_err err = { 0 };
    jb_fail(&err, JB_E_USAGE, "%s", text);
    return cli_usage("compare", &err);
}

static int run(struct cli *cli, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_compare_opts compare;
    struct jb_noise_rule learned;
    struct jb_comparison *c = NULL;
    jb_compare_opts_default(&compare);
    compare.confidence = o->confidence;
    compare.only = o->only;
    compare.seed = (uint64_t)o->seed;
    compare.across = o->across;
    if (o->live && o->across)
        return usage("--live and --across exclude each other: a live comparison runs on one device");
    if (!o->across && args->n != 2)
        return usage("two runs are compared (or two sides, with --live); --across takes more");
    if (o->noise && o->across)
        return usage("--noise and --across exclude each other: what doctor learned holds for one machine");
    if (o->noise && jb_noise_rule_read(&learned, o->noise, &err) < 0)
        return cli_fail(&err);
    compare.learned = o->noise ? &learned : NULL;
    if (o->live)
        return live(cli, o, &compare, args->item[0], args->item[1]);
    int rc = o->across ? jb_compare_across(args->item, args->n, &compare, &c, &err) : jb_compare_past(args->item[0], args->item[1], &compare, &c, &err);
    int exit_code = rc < 0 ? cli_fail(&err) : show(cli, o, c);
    jb_comparison_close(c);
    return exit_code;
}

const struct cli_command cli_compare = {
    .name = "compare",
    .arguments = "A B",
    .summary = "say what changed between two runs, by how much, with intervals",
    .about = "A is the baseline, B the candidate: directories of runs (or their results.json: then without intervals of latency and joules). Cells match by their names and axis values; if none "
             "do and each run has one cell (that --only leaves), these two are compared: two models, or two settings. Accuracy is compared sample by sample (exact McNemar test, Tango's interval), latencies and joules by resampling blocks. Percentiles "
             "here are plain ones of all queries, on both sides; those of a report are LoadGen's, which lie higher where there are few queries. All tests of one comparison share "
             "its level (Holm). \"One of 2 % would have been\" seen: four times out of five.\n\n"
             "Not compared: cells that are not valid; accuracy, latency and joules on other samples; latencies and joules of another CPU (but --across); joules of another class or of other domains; "
             "percentiles without queries and blocks enough. Other kernels, governors, versions are noted.\n\n"
             "Two runs at two times differ by what happened to the machine in between; no interval knows of that. --live starts a worker (joulebench worker) for each side and measures pairs of blocks in "
             "random order, and starts both anew again and again: where memory happens to lie in a process can change a latency by per cents, so these starts are what intervals are made of. A side is a JSON file: {\"name\": \"topic\", \"joulebench\": \"build/joulebench\", \"plan\": \"plan.json\", \"set\": [\"KEY=VALUE\"], \"only\": \"PATTERN\"}; all but the plan may "
             "be left out. The power options are those of its workers.\n\n"
             "A comparison does not judge: exit code 0 whatever changed (joulebench gate judges), 2 where nothing can be compared, 3 where a cell of a run failed or is invalid.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 64,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
