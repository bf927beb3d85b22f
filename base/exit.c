#include "base/exit.h"

#include "base/err.h"

int jb_exit_of_error(int code)
{
    switch (code) {
    case JB_OK: return JB_EXIT_OK;
    case JB_E_USAGE: return JB_EXIT_USAGE;
    case JB_E_INVALID:
    case JB_E_RANGE:
    case JB_E_NOT_FOUND:
    case JB_E_UNSUPPORTED:
    case JB_E_MISMATCH: return JB_EXIT_INPUT;
    default: return JB_EXIT_ENVIRONMENT;
    }
}

const char *jb_exit_text(int exit_code)
{
    switch (exit_code) {
#define JB_EXIT(name, value, text) case JB_EXIT_##name: return text;
#include "base/exit.def"
#undef JB_EXIT
    default: return exit_code > JB_EXIT_SIGNAL_BASE && exit_code < JB_EXIT_SIGNAL_BASE + 65 ? "ended by a signal" : "unknown";
    }
}
