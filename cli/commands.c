// The table of commands, and the way to them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/help.h"

extern const struct cli_command cli_list_command, cli_inspect, cli_run, cli_sweep, cli_report, cli_calibrate, cli_synth, cli_kernels_command, cli_doctor,
    cli_version, cli_help;

const struct cli_command *const cli_commands[] = {
    &cli_sweep, &cli_run, &cli_report, &cli_calibrate, &cli_inspect, &cli_synth, &cli_list_command, &cli_kernels_command, &cli_doctor, &cli_version, &cli_help,
    NULL,
};

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[64];
    size_t n = 0;
    for (; cli_commands[n] && n < 63; n++)
        names[n] = cli_commands[n]->name;
    names[n] = NULL;
    const char *guess = cli_suggest(name, names);
    if (name[0] == '-')
        fprintf(stderr, "joulebench: unknown option %s before the command\n", name);
    else
        fprintf(stderr, "joulebench: unknown command \"%s\"%s%s%s\n", name, guess ? "; did you mean \"" : "", guess ? guess : "", guess ? "\"?" : "");
    fprintf(stderr, "  joulebench help lists the commands\n");
    return JB_EXIT_USAGE;
}

static int run_command(struct cli *c, const struct cli_command *command, int argc, char **argv)
{
    struct jb_err err = { 0 };
    struct cli_list args;
    bool help;
    void *opts = malloc(command->opts_bytes ? command->opts_bytes : 1);
    if (!opts) {
        jb_fail(&err, JB_E_NOMEM, "out of memory");
        return cli_fail(&err);
    }
    int rc = cli_parse(command, argc, argv, opts, &args, &help, &err), exit_code;
    if (rc < 0) {
        exit_code = cli_usage(command->name, &err);
    } else if (help) {
        cli_help_command(command);
        exit_code = JB_EXIT_OK;
    } else {
        exit_code = command->run(c, opts, &args);
    }
    cli_parse_free(command, opts, &args);
    free(opts);
    return exit_code;
}

int cli_dispatch(struct cli *c, int argc, char **argv)
{
    if (argc < 2) {
        cli_help_overview(stderr);
        return JB_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct cli_command *command = cli_command_find(name);
    return command ? run_command(c, command, argc - 1, argv + 1) : unknown(name);
}
