// The command line: the only layer that prints, reads the environment and exits. One file a command, one row in cli/commands.c.
#ifndef JB_CLI_CLI_H
#define JB_CLI_CLI_H

#include <limits.h>
#include <stdbool.h>
#include "base/exit.h"
#include "base/strbuf.h"
#include "cli/option.h"
#include "kernels/kernels.h"
#include "workloads/workload.h"

// What a command is given: the terminal, and where files lie.
struct cli {
    bool out_tty, err_tty;
    bool out_moves;             // what was printed there can be printed over
    bool color;                 // NO_COLOR and TERM=dumb are respected
    int width;                  // columns
    const char *jb_cpu;         // JB_CPU, or NULL
    const char *path;           // PATH, or NULL
    struct jb_paths paths;      // plan_dir is the command's to set
    char share_dir[PATH_MAX], source_dir[PATH_MAX], models_dir[PATH_MAX];
};
void cli_open(struct cli *c);
// Flushes stdout; what could not be written turns success into exit 4.
int cli_close(struct cli *c, int exit_code);

struct cli_example { const char *command, *what; };

struct cli_command {
    const char *name;           // as it is typed; of a sub-command with its parent's: "power measure"
    const char *arguments;      // "PLAN", "DIR..." or ""
    const char *summary;        // a line for the list
    const char *about;          // paragraphs
    const struct cli_option *options;
    const struct cli_example *examples; // ends with a NULL command
    size_t min_args, max_args;
    bool ends_options;          // the first argument begins another program's command line: nothing from there on is ours
    size_t opts_bytes;
    const struct cli_command *const *subs; // NULL-terminated; then it has no options, arguments and run of its own. NULL: none
    const struct cli_command *otherwise;   // the one of subs that is meant when none is named; NULL: one must be
    int (*run)(struct cli *c, const void *opts, const struct cli_list *args); // returns an exit code
};
extern const struct cli_command *const cli_commands[]; // NULL-terminated
// Of a table of commands (cli_commands, or the sub-commands of one), by the word that is typed there; NULL: none.
const struct cli_command *cli_command_find(const struct cli_command *const *commands, const char *word);
const char *cli_command_word(const struct cli_command *command); // "measure" of "power measure"
// argv as main gets it.
int cli_dispatch(struct cli *c, int argc, char **argv);

// Prints "joulebench: DETAIL" and what to do about it, returns the exit code.
int cli_fail(const struct jb_err *err);
// The same for a wrong use of `command`.
int cli_usage(const char *command, const struct jb_err *err);

// The kernel table for JB_CPU, or for all that this CPU has.
int cli_mask(const struct cli *c, uint32_t *mask, struct jb_err *err);
int cli_kernels(const struct cli *c, struct jb_kernels *out, struct jb_err *err);

#endif
