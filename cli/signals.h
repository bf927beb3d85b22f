// Ctrl-C and its like for commands that can stop cleanly.
#ifndef JB_CLI_SIGNALS_H
#define JB_CLI_SIGNALS_H

// SIGINT, SIGTERM and SIGHUP set the flag; a second one ends the process at once with 128 + its number.
const volatile int *cli_signals_catch(void);
// The signal that came, or 0.
int cli_signals_seen(void);

#endif
