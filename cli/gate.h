// What the sub-commands of gate share: where a verdict goes.
#ifndef JB_CLI_GATE_H
#define JB_CLI_GATE_H

#include "cli/cli.h"
#include "reports/comparison.h"

extern const struct cli_command cli_gate_check, cli_gate_record;

struct cli_gate_outputs {
    const char *dir, *junit, *summary, *history; // NULL: not wanted
    bool json, annotations;
};
// The table (or the JSON) on stdout, everything else where it is wanted. Returns the comparison's exit code, or that of a failure to write.
int cli_gate_show(const struct cli *cli, const struct jb_comparison *c, const struct cli_gate_outputs *o);
// The exit code of a gate that could not judge: what cannot be read is bad input (2); a worker that died or a machine that cannot measure is an invalid environment (12). Prints the error.
int cli_gate_fail(const struct jb_err *err);

#endif
