#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/child.h"
#include "cli/limits.h"
#include "cli/power_runs.h"
#include "cli/signals.h"

struct opts {
    const char *output;
    int64_t repetitions, warmup;
    double idle_s;
    bool require_energy, ignore_failure, json;
    struct cli_power_opts power;
};

static const struct cli_option options[] = {
    { "repetitions", 'r', CLI_I64, offsetof(struct opts, repetitions), "N", "1", 1, 100000, "run the command N times" },
    { "warmup", 0, CLI_I64, offsetof(struct opts, warmup), "N", "0", 0, 100000, "run it N times before, unmeasured" },
    { "idle", 0, CLI_F64, offsetof(struct opts, idle_s), "S", "1", 0, 3600, "seconds of idle measured before the first and after the last run; 0: none, and no net figure" },
    { "require-energy", 0, CLI_FLAG, offsetof(struct opts, require_energy), NULL, NULL, 0, 0, "refuse with exit code 13, before anything starts, when there is no energy source" },
    { "ignore-failure", 0, CLI_FLAG, offsetof(struct opts, ignore_failure), NULL, NULL, 0, 0, "go on after a repetition that fails; the first failure's exit code is handed on" },
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "write the report to this file instead of stderr" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "the report as JSON: a document in FILE, or the last line of stderr" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench power measure -- make -j4", "what a build costs, on stderr; the build's output and exit code are its own" },
    { "joulebench power measure -r 10 --idle 5 --json -o cost.json -- ./program input", "ten runs, idle looked at for 5 s before and after, for a program" },
    { "joulebench power measure --require-energy -- ./gate.sh", "13 instead of a run without figures" },
    { NULL, NULL },
};

static int fail(const struct jb_err *err, int exit_code)
{
    cli_fail(err);
    return exit_code;
}

static bool is_figure(const struct jb_meter *m)
{
    struct jb_meter_facts f;
    if (!m)
        return false;
    jb_meter_facts(m, &f);
    return f.cls != JB_ENERGY_NONE && f.cls != JB_ENERGY_MODELLED;
}

static int refuse(const struct cli_runs *r)
{
    struct jb_err err = { 0 };
    jb_fail(&err, JB_E_UNAVAILABLE, "%s", r->m ? "energy is required, and this source's figures are only modelled (a guest's RAPL: measure on the host, or --trust-guest-rapl)" : r->why.text);
    fprintf(stderr, "joulebench: --require-energy: nothing was started: %s\n", err.detail);
    return JB_EXIT_NOT_MEASURED;
}

// What the report of one kind of output looks like. Owned (free); NULL: out of memory.
static char *report_of(const struct opts *o, const struct cli_runs *r)
{
    if (o->json) {
        cJSON *root = cli_runs_json(r);
        char *text = !root ? NULL : o->output ? jb_json_pretty(root) : jb_json_canonical(root);
        cJSON_Delete(root);
        return text;
    }
    struct jb_str s = { 0 };
    cli_runs_text(r, &s);
    if (s.failed)
        jb_str_free(&s);
    return s.s;
}

static int write_report(const struct opts *o, const struct cli_runs *r, FILE *to, struct jb_err *err)
{
    char *text = report_of(o, r);
    if (!text)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    bool ok = fputs(text, to) >= 0 && (!o->json || o->output || fputc('\n', to) != EOF);
    free(text);
    errno = 0;
    return fflush(to) == 0 && ok ? JB_OK : jb_fail_errno(err, jb_code_of_errno(errno), errno, "%.300s", o->output ? o->output : "stderr");
}

// The command's own code goes first; then what keeps this from being a result.
static int exit_code_of(const struct opts *o, const struct cli_runs *r)
{
    if (r->exit_code)
        return r->exit_code;
    if (r->signal && r->n < r->repetitions)
        return JB_EXIT_SIGNAL_BASE + r->signal;
    return o->require_energy && cli_runs_missing(r, false) ? JB_EXIT_NOT_MEASURED : JB_EXIT_OK;
}

static int measure(const struct opts *o, struct cli_runs *r, FILE *to)
{
    struct jb_err err = { 0 };
    cli_signals_catch_quietly();
    int rc = cli_runs_measure(r, &err);
    int exit_code = rc == JB_OK ? exit_code_of(o, r) : cli_child_fail(&err);
    if (r->n && write_report(o, r, to, &err) < 0)
        return fail(&err, exit_code ? exit_code : JB_EXIT_WRAP_OWN);
    return exit_code;
}

// Before anything starts: what can be known to be in vain.
static int prepare(const struct cli *c, const struct opts *o, struct cli_runs *r, FILE **to)
{
    struct jb_err err = { 0 };
    struct jb_power_opts power;
    if (cli_child_look(r->argv[0], c->path, &err) < 0)
        return cli_child_fail(&err);
    cli_limits_notice(NULL);
    cli_power_fill(&power, &o->power);
    if (cli_power_open(&r->m, &power, &r->why, &err) < 0)
        return fail(&err, JB_EXIT_WRAP_OWN);
    if (o->require_energy && !is_figure(r->m))
        return refuse(r);
    if (!o->output)
        return JB_EXIT_OK;
    int fd = open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), errnum = errno;
    *to = fd < 0 ? NULL : fdopen(fd, "w");
    if (*to)
        return JB_EXIT_OK;
    jb_fail_errno(&err, jb_code_of_errno(errnum), errnum, "%.300s", o->output);
    return fail(&err, JB_EXIT_WRAP_OWN);
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    FILE *to = stderr;
    struct cli_runs r = { .argv = cli_child_argv(args), .repetitions = (size_t)o->repetitions, .warmup = (size_t)o->warmup, .idle_s = o->idle_s, .ignore_failure = o->ignore_failure };
    int exit_code = prepare(c, o, &r, &to);
    if (exit_code == JB_EXIT_OK)
        exit_code = measure(o, &r, to);
    if (to && to != stderr)
        fclose(to);
    cli_runs_close(&r);
    jb_meter_close(r.m);
    return exit_code;
}

const struct cli_command cli_command_power_measure = {
    .name = "power measure",
    .arguments = "[--] CMD [ARGS...]",
    .summary = "what a command costs: energy with bounds, net of idle, time",
    .about = "Runs CMD as if joulebench were not there (its terminal, files, process group and signals are its own) and reports its energy, gross and net of idle, with hard "
             "bounds and the 95 % interval over the repetitions, power, time, energy-delay product, CPU time of it and of others, and where the figures come from. Everything "
             "from the first word that is no option, or from --, belongs to CMD.\n\n"
             "The report goes to stderr or to -o FILE; stdout is CMD's. With --json it is one document in FILE, or else the last line of stderr.\n\n"
             "The exit code is CMD's, or 128 + N if signal N ended it; of several repetitions that of the first failure, which also ends them. 127: there is no CMD. 126: it cannot "
             "be executed. 125: joulebench itself failed, wrong options included. 13: --require-energy, and there is no figure.\n\n"
             "Without a sensor CMD runs all the same, and the report says none and why. What is only modelled (RAPL of a guest that nobody vouched for) is never called energy.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = SIZE_MAX,
    .ends_options = true,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
