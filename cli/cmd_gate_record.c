#include "cli/gate.h"

#include <stdio.h>
#include "cli/table.h"
#include "harness/gate.h"
#include "reports/history.h"

struct opts { const char *output, *history; };

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "where to keep the baseline (required)" },
    { "history", 0, CLI_TEXT, offsetof(struct opts, history), "FILE", NULL, 0, 0, "append a line about this baseline to FILE (joulebench report --history)" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench gate record out -o baseline", "keeps the result of a sweep as baseline: some kilobytes, fit for a repository" },
    { "joulebench gate record out -o baseline --history history.jsonl", "and notes its figures" },
    { NULL, NULL },
};

static int run(struct cli *cli, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_run_data *d = NULL;
    (void)cli;
    if (!o->output) {
        jb_fail(&err, JB_E_USAGE, "say where to keep it: -o DIR");
        return cli_usage("gate record", &err);
    }
    int rc = jb_gate_record(args->item[0], o->output, &d, &err);
    if (rc == JB_OK && o->history)
        rc = jb_history_append_record(o->history, jb_run_data_result(d), &err);
    if (rc == JB_OK) {
        printf("baseline: ");
        cli_print_safe(o->output);
        printf("/results.json (%zu cells)\n", jb_run_data_result(d)->n_cells);
    }
    jb_run_data_close(d);
    return rc < 0 ? cli_fail(&err) : JB_EXIT_OK;
}

const struct cli_command cli_gate_record = {
    .name = "gate record",
    .arguments = "RUN_DIR",
    .summary = "keep a run as baseline",
    .about = "Copies what a gate needs of a run, its results and its environment, into a directory of its own. Latencies and joules stand in it for the record; without the run's blocks there are no "
             "intervals, so a gate against such a baseline judges accuracy, MACs and bytes. Latency and joules are judged live (joulebench gate --live).",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
