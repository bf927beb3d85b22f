// Process exit codes, from base/exit.def. Only cli/ exits.
#ifndef JB_BASE_EXIT_H
#define JB_BASE_EXIT_H

enum jb_exit {
#define JB_EXIT(name, value, text) JB_EXIT_##name = (value),
#include "base/exit.def"
#undef JB_EXIT
    JB_EXIT_SIGNAL_BASE = 128 // + signal number
};

// The exit code that a JB_E_* error maps to: USAGE -> 1; INVALID, RANGE, NOT_FOUND, UNSUPPORTED, MISMATCH -> 2; the rest -> 4.
int jb_exit_of_error(int code);
const char *jb_exit_text(int exit_code);

#endif
