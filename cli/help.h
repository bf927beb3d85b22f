// Help texts, all from the tables of commands and options.
#ifndef JB_CLI_HELP_H
#define JB_CLI_HELP_H

#include <stdio.h>
#include "cli/cli.h"

void cli_help_overview(FILE *to);
void cli_help_command(const struct cli_command *command); // to stdout
void cli_help_exit_codes(void);
void cli_help_environment(void);
void cli_help_markdown(void);  // docs/command-line.md
void cli_help_man(void);       // docs/man/joulebench.1

// What a row says of itself besides its help: "1 to 16; default 4", or "". Shared by all forms.
void cli_option_remark(const struct cli_option *row, struct jb_str *out);
struct cli_fact { int code; const char *name, *text; };
extern const struct cli_fact cli_exit_facts[];        // ends with a NULL text
extern const struct cli_fact cli_environment_facts[]; // likewise; code unused

#endif
