#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "cli/measure.h"
#include "harness/worker.h"

struct opts { struct cli_power_opts power; double slow_query; };

static const struct cli_option options[] = {
    { "slow-query", 0, CLI_F64, offsetof(struct opts, slow_query), "PERCENT", "0", 0, 1000, "a test aid: each query spins for this share of its own time, and the environment says so" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench worker < questions.jsonl", "answers one line of JSON with one line of JSON until \"bye\"" },
    { NULL, NULL },
};

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct cli_measure m;
    (void)args;
    // Answers go to what was standard output; whatever else might print goes to standard error.
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    int rc = out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? jb_fail(&err, JB_E_IO, "standard output cannot be kept apart") : JB_OK;
    if (rc == JB_OK)
        rc = cli_measure_open(&m, c, &o->power, NULL, &err);
    if (rc < 0)
        return cli_fail(&err);
    m.sweep.progress = NULL;
    m.sweep.slow_query = o->slow_query / 100;
    rc = jb_worker_serve(STDIN_FILENO, out, &m.sweep, &err);
    close(out);
    cli_measure_close(&m);
    return rc < 0 ? cli_measure_fail(&err) : JB_EXIT_OK;
}

const struct cli_command cli_worker = {
    .name = "worker",
    .arguments = "",
    .summary = "measure blocks as another joulebench says (JSON lines)",
    .about = "Started by `compare --live` and `gate --live`: opens a plan, then measures the blocks that it is told to, one line of JSON a question and an answer (docs/worker.md).",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
