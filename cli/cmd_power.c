// joulebench power: the table of its sub-commands.
#include "cli/power.h"

static const struct cli_command *const subs[] = {
    &cli_command_power_list, &cli_command_power_probe, &cli_command_power_watch, &cli_command_power_measure, &cli_command_power_record, &cli_command_power_limits, NULL,
};

static const struct cli_option options[] = { { .type = CLI_END } };

static const struct cli_example examples[] = {
    { "joulebench power probe", "which energy sensors this machine has, or what would unlock them" },
    { "joulebench power measure -- make -j4", "what a build costs" },
    { NULL, NULL },
};

const struct cli_command cli_command_power = {
    .name = "power",
    .arguments = "",
    .summary = "energy sensors: what there is, what a command costs, limits",
    .about = "Reads the energy sensors of this machine by themselves, without a model or a plan. joulebench power COMMAND --help shows each.",
    .options = options,
    .examples = examples,
    .subs = subs,
};
