// Power limits in the command line: where their state lies, what an earlier process left, and that no way out of this one leaves them changed.
#ifndef JB_CLI_LIMITS_H
#define JB_CLI_LIMITS_H

#include "power/limits.h"

#define CLI_LIMITS_PATH 512

// The state file: as given (--state, --limits-state), else by JOULEBENCH_STATE_DIR and the user's directories.
int cli_limits_state(const char *given, char out[CLI_LIMITS_PATH], struct jb_err *err);
// Every command that measures begins with this: limits that an earlier process left in force, and those that another one holds just now, are said on stderr, with the command that
// puts them back. Never an error. given as above. Returns whether there are any (of this user's).
bool cli_limits_notice(const char *given);
// While limits are held (NULL: no more), signals that end the process put them back first: faults, abort, SIGQUIT, a closed pipe, a second Ctrl-C.
void cli_limits_guard(const struct jb_limits *l);

#endif
