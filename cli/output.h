// Printing of JSON, the same way for every command.
#ifndef JB_CLI_OUTPUT_H
#define JB_CLI_OUTPUT_H

#include "base/json.h"
#include "base/option.h"
#include "reports/result.h"

// Prints a tree and frees it (NULL: out of memory). Returns an exit code.
int cli_print_json(cJSON *root);
// Prints a result as results.json has it.
int cli_print_result_json(const struct jb_result *r);
// Adds {name, default, min, max, help} of each row to an array under `key`.
void cli_put_options(cJSON *o, const char *key, const struct jb_option *rows);

#endif
