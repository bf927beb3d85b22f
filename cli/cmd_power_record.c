#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/fs.h"
#include "cli/child.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/power.h"
#include "cli/signals.h"

struct opts { const char *output; double interval_s, duration_s; bool force, json; struct cli_power_opts power; };

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "write the trace to this file" },
    { "interval", 'i', CLI_F64, offsetof(struct opts, interval_s), "SECONDS", "0.1", 0.0001, 3600, "time between two readings" },
    { "duration", 'd', CLI_F64, offsetof(struct opts, duration_s), "SECONDS", "0", 0, 1e7, "end after this time; 0: go on until Ctrl-C or the end of CMD" },
    { "force", 'f', CLI_FLAG, offsetof(struct opts, force), NULL, NULL, 0, 0, "write over an existing file" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "end with a JSON document, in one line, where the text would be" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench power record -o idle.trace -d 10", "ten seconds of raw readings" },
    { "joulebench power record -o build.trace -i 0.01 -- make", "the readings while make runs" },
    { "joulebench sweep plans/smoke.json -o out --power replay --power-trace idle.trace", "what such a trace is for: figures without a sensor" },
    { NULL, NULL },
};

struct record {
    const struct opts *o;
    struct jb_meter *m;
    struct jb_clock clock;
    uint64_t start_ns, until_ns, polls; // until_ns 0: no end by time
};

// Polls, and waits one interval. False when the time is over, the command has ended, or a signal came.
static bool step(struct record *r, struct cli_child *child)
{
    jb_meter_poll(r->m);
    r->polls++;
    uint64_t next = r->start_ns + (uint64_t)((double)r->polls * r->o->interval_s * 1e9), now = r->clock.now_ns(r->clock.self);
    if (r->until_ns && next > r->until_ns)
        next = r->until_ns;
    if (child) {
        if (cli_child_wait(child, next > now ? next - now : 0))
            return false;
    } else {
        cli_power_sleep_until(&r->clock, next);
        if (cli_signals_seen())
            return false;
    }
    return !r->until_ns || r->clock.now_ns(r->clock.self) < r->until_ns;
}

// With a command: its exit code. -d ends the recording, not the command.
static int record(struct record *r, char *const *argv)
{
    struct jb_err err = { 0 };
    struct cli_child child;
    r->start_ns = r->clock.now_ns(r->clock.self);
    if (r->o->duration_s > 0)
        r->until_ns = r->start_ns + (uint64_t)(r->o->duration_s * 1e9);
    if (!argv) {
        while (step(r, NULL)) {
        }
        jb_meter_poll(r->m);
        return JB_EXIT_OK;
    }
    int rc = cli_child_start(&child, argv, &err);
    if (rc < 0)
        return cli_child_fail(&err);
    while (step(r, &child)) {
    }
    jb_meter_poll(r->m);
    cli_child_wait(&child, UINT64_MAX);
    return cli_child_reap(&child, NULL);
}

// On stdout; with a command on stderr, because stdout is the command's.
static void tell(const struct record *r, bool command)
{
    FILE *to = command ? stderr : stdout;
    struct jb_meter_facts f;
    struct cli_power_why why = { .text = "" };
    double seconds = (double)(r->clock.now_ns(r->clock.self) - r->start_ns) * 1e-9;
    jb_meter_facts(r->m, &f);
    if (r->o->json) {
        cJSON *root = cli_power_json("record");
        jb_json_put_str(root, "trace", r->o->output);
        jb_json_put_u64(root, "polls", r->polls);
        jb_json_put_f64(root, "seconds", seconds);
        cli_power_put_meter(root, "meter", r->m, &why);
        cli_power_print_line(to, root);
        return;
    }
    fprintf(to, "recorded %s for %.3f s (%llu times all %zu channels) into %s\n", f.source, seconds, (unsigned long long)r->polls, jb_meter_n_channels(r->m), r->o->output);
    fprintf(to, "replay it with --power replay --power-trace %s\n", r->o->output);
}

static int fail_around(const struct jb_err *err, bool command)
{
    int exit_code = cli_fail(err);
    return command ? JB_EXIT_WRAP_OWN : exit_code;
}

static int record_meter(const struct opts *o, struct jb_meter *m, char *const *argv)
{
    struct jb_err err = { 0 };
    struct record r = { .o = o, .m = m, .clock = jb_clock_monotonic() };
    cli_signals_catch_quietly();
    int exit_code = record(&r, argv);
    if (jb_meter_record_end(m, &err) < 0) {
        int own = fail_around(&err, argv);
        return exit_code ? exit_code : own;
    }
    tell(&r, argv);
    return exit_code;
}

static int check(const struct cli *c, const struct opts *o, const struct cli_list *args, struct jb_err *err)
{
    if (!o->output)
        return jb_fail(err, JB_E_USAGE, "-o FILE is missing");
    if (!o->force && jb_path_exists(o->output))
        return jb_fail(err, JB_E_EXISTS, "%.300s exists already: choose another name, or --force writes over it", o->output);
    return args->n ? cli_child_look(args->item[0], c->path, err) : JB_OK;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_power_opts power;
    struct cli_power_why why = { .text = "" };
    struct jb_meter *m = NULL;
    int rc = check(c, o, args, &err);
    if (rc == JB_E_USAGE)
        return cli_usage("power record", &err);
    if (rc < 0 && rc != JB_E_EXISTS)
        return cli_child_fail(&err);
    cli_limits_notice(NULL);
    cli_power_fill(&power, &o->power);
    power.record = o->output;
    power.no_sampler = true;
    if (rc == JB_OK)
        rc = cli_power_open(&m, &power, &why, &err);
    if (rc == JB_OK && !m)
        rc = jb_fail(&err, JB_E_UNAVAILABLE, "nothing to record: %s", why.text);
    if (rc < 0)
        return fail_around(&err, args->n > 0);
    int exit_code = record_meter(o, m, cli_child_argv(args));
    jb_meter_close(m);
    return exit_code;
}

const struct cli_command cli_command_power_record = {
    .name = "power record",
    .arguments = "-o FILE [--] [CMD ARGS...]",
    .summary = "write a source's raw readings to a trace that --power replay reads",
    .about = "Writes every raw reading of the source, byte for byte and with its time, to a trace. It ends after -d, with Ctrl-C, or with CMD, which gets the terminal, the "
             "files and the signals as if joulebench were not there; its exit code is handed on. A file that exists is not written over without --force.",
    .options = options,
    .examples = examples,
    .max_args = SIZE_MAX,
    .ends_options = true,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
