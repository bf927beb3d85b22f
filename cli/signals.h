// Ctrl-C and its like for commands that can stop cleanly, or that stand between the user and a command.
#ifndef JB_CLI_SIGNALS_H
#define JB_CLI_SIGNALS_H

#include <sys/types.h>

// SIGINT, SIGTERM and SIGHUP set the flag; a second one ends the process at once with 128 + its number.
const volatile int *cli_signals_catch(void);
// The same without a word on stderr, and SIGQUIT too.
const volatile int *cli_signals_catch_quietly(void);
// What is done before the process ends at once; only what a handler may do. NULL: nothing.
void cli_signals_at_once(void (*last)(void));
// The signal that came, or 0.
int cli_signals_seen(void);

// With a child, what somebody sends to this process goes on to it, and a second signal does not end this process. What the terminal sends (Ctrl-C) reaches
// the child by itself, because it is in the same process group. 0: no child any more. The signals must be held while this is called.
void cli_signals_forward(pid_t child);
// Holds back these signals, so that none comes between the start of a child and the word of it; release lets them through.
void cli_signals_hold(void);
void cli_signals_release(void);
// In a new child, before exec: everything as joulebench found it.
void cli_signals_restore(void);

#endif
