// A command of the user's, run as if joulebench were not there: same process group, terminal, files, and signals.
#ifndef JB_CLI_CHILD_H
#define JB_CLI_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "cli/option.h"

struct cli_child { pid_t pid; int pidfd; };

// The words behind the options as argv; NULL when there are none.
char *const *cli_child_argv(const struct cli_list *words);
// Starts argv (NULL-terminated, looked for in $PATH). NOT_FOUND: there is no such command; DENIED: it cannot be executed; INTERRUPTED: a signal came before; else what fork said.
int cli_child_start(struct cli_child *c, char *const *argv, struct jb_err *err);
// Whether such a command can be found at all, without starting it: as cli_child_start, for as far as the path tells.
int cli_child_look(const char *name, const char *path, struct jb_err *err);
// Waits for its end, at most this long (UINT64_MAX: as long as it takes). True: it has ended. A signal that is forwarded meanwhile does not end the wait.
bool cli_child_wait(struct cli_child *c, uint64_t most_ns);
// After its end: its exit code as a shell has it (128 + signal if one ended it), and the CPU time of it and of the children that it waited for.
int cli_child_reap(struct cli_child *c, uint64_t *cpu_ns);
// Exit code of joulebench for a failure of start or look: 127, 126, 128 + signal, else 125.
int cli_child_exit_of(int code);
// Says the failure on stderr (but not INTERRUPTED), and returns that code.
int cli_child_fail(const struct jb_err *err);

#endif
