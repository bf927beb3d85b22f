// The table of commands, and the way to them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/power.h"

extern const struct cli_command cli_audit, cli_compare, cli_gate, cli_list_command, cli_inspect, cli_run, cli_sweep, cli_report, cli_calibrate, cli_synth, cli_quantize, cli_kernels_command, cli_tokenize, cli_complete, cli_perplexity, cli_verify_cost, cli_doctor,
    cli_worker, cli_version, cli_help;

const struct cli_command *const cli_commands[] = {
    &cli_sweep, &cli_run, &cli_report, &cli_compare, &cli_gate, &cli_audit, &cli_calibrate, &cli_inspect, &cli_quantize, &cli_synth, &cli_tokenize, &cli_complete, &cli_perplexity, &cli_verify_cost, &cli_list_command, &cli_kernels_command, &cli_command_power, &cli_doctor, &cli_worker, &cli_version, &cli_help,
    NULL,
};

const char *cli_command_word(const struct cli_command *command)
{
    const char *space = strrchr(command->name, ' ');
    return space ? space + 1 : command->name;
}

const struct cli_command *cli_command_find(const struct cli_command *const *commands, const char *word)
{
    for (; *commands; commands++)
        if (strcmp(cli_command_word(*commands), word) == 0)
            return *commands;
    return NULL;
}

static const char *guess_command(const struct cli_command *const *commands, const char *word)
{
    const char *names[64];
    size_t n = 0;
    for (; commands[n] && n < 63; n++)
        names[n] = cli_command_word(commands[n]);
    names[n] = NULL;
    return cli_suggest(word, names);
}

static int unknown(const char *word)
{
    const char *guess = guess_command(cli_commands, word);
    if (word[0] == '-')
        fprintf(stderr, "joulebench: unknown option %s before the command\n", word);
    else
        fprintf(stderr, "joulebench: unknown command \"%s\"%s%s%s\n", word, guess ? "; did you mean \"" : "", guess ? guess : "", guess ? "\"?" : "");
    fprintf(stderr, "  joulebench help lists the commands\n");
    return JB_EXIT_USAGE;
}

// A command that has sub-commands and was not given one of them.
static int unknown_sub(const struct cli_command *command, const char *word)
{
    struct jb_err err = { 0 };
    struct jb_str known = { 0 };
    const char *guess = word ? guess_command(command->subs, word) : NULL;
    for (size_t i = 0; command->subs[i]; i++)
        jb_str_addf(&known, "%s%s", i ? ", " : "", cli_command_word(command->subs[i]));
    if (word)
        jb_fail(&err, JB_E_USAGE, "unknown command \"%s\"%s%s%s (known: %s)", word, guess ? "; did you mean \"" : "", guess ? guess : "", guess ? "\"?" : "", jb_str_get(&known));
    else
        jb_fail(&err, JB_E_USAGE, "which one? %s", jb_str_get(&known));
    jb_str_free(&known);
    return cli_usage(command->name, &err);
}

static int run_command(struct cli *c, const struct cli_command *command, int argc, char **argv);

static int run_sub(struct cli *c, const struct cli_command *command, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const struct cli_command *sub = word ? cli_command_find(command->subs, word) : NULL;
    if (sub)
        return run_command(c, sub, argc - 1, argv + 1);
    bool help = word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
    if (!help && command->otherwise && (!word || word[0] == '-'))
        return run_command(c, command->otherwise, argc, argv);
    if (!help)
        return unknown_sub(command, word);
    cli_help_command(command);
    return JB_EXIT_OK;
}

static int run_command(struct cli *c, const struct cli_command *command, int argc, char **argv)
{
    if (command->subs)
        return run_sub(c, command, argc, argv);
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
        if (command->ends_options && command->min_args > 0) // it stands before another command, whose exit codes are its own
            exit_code = JB_EXIT_WRAP_OWN;
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
    const struct cli_command *command = cli_command_find(cli_commands, name);
    return command ? run_command(c, command, argc - 1, argv + 1) : unknown(name);
}
