#include <string.h>
#include "cli/help.h"

struct opts { const char *format; };

static const struct cli_option options[] = {
    { "format", 0, CLI_CHOICE, offsetof(struct opts, format), "text|markdown|man", "text", 0, 0, "all of it, as docs/command-line.md or as a man page" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench help", "the list of commands" },
    { "joulebench help sweep", "the same as joulebench sweep --help" },
    { "joulebench help power measure", "the same as joulebench power measure --help" },
    { "joulebench help exit-codes", "what the exit codes mean" },
    { NULL, NULL },
};

// The command that the words name, or NULL.
static const struct cli_command *find(const struct cli_list *words)
{
    const struct cli_command *const *table = cli_commands, *found = NULL;
    for (size_t i = 0; i < words->n; i++) {
        found = table ? cli_command_find(table, words->item[i]) : NULL;
        table = found ? found->subs : NULL;
    }
    return found;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    (void)c;
    if (strcmp(o->format, "markdown") == 0)
        cli_help_markdown();
    else if (strcmp(o->format, "man") == 0)
        cli_help_man();
    else if (args->n == 0)
        cli_help_overview(stdout);
    else if (find(args))
        cli_help_command(find(args));
    else if (strcmp(args->item[0], "exit-codes") == 0)
        cli_help_exit_codes();
    else if (strcmp(args->item[0], "environment") == 0)
        cli_help_environment();
    else {
        struct jb_err err = { 0 };
        jb_fail(&err, JB_E_USAGE, "no help on \"%s%s%s\": a command, exit-codes or environment", args->item[0], args->n > 1 ? " " : "", args->n > 1 ? args->item[1] : "");
        return cli_usage("help", &err);
    }
    return JB_EXIT_OK;
}

const struct cli_command cli_help = {
    .name = "help",
    .arguments = "[COMMAND... | exit-codes | environment]",
    .summary = "show how a command is used",
    .about = "Shows the commands, the options of one, the exit codes, or the variables of the environment.",
    .options = options,
    .examples = examples,
    .max_args = 3,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
