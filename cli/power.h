// The commands of the energy layer: joulebench power SUB. One file a sub-command, one row in cli/cmd_power.c.
#ifndef JB_CLI_POWER_H
#define JB_CLI_POWER_H

#include "cli/cli.h"
#include "base/json.h"
#include "cli/measure.h"

extern const struct cli_command cli_command_power;
// Its sub-commands. cli_command_power_limits (cli/cmd_power_limits.c, name "power limits") is declared and joins the table in cli/cmd_power.c when it exists.
extern const struct cli_command cli_command_power_probe;

// A document of joulebench.power/1 with its kind, for docs/schema/power.schema.json. NULL: out of memory (the put functions and cli_print_json bear it).
cJSON *cli_power_json(const char *kind);

// What doctor and `power probe` show of the sources: text, and an array "power" of objects into `root`.
void cli_power_print_probes(const struct jb_power_probe *p, size_t n);
void cli_power_put_probes(cJSON *root, const char *key, const struct jb_power_probe *p, size_t n);

#endif
