// One row describes a parameter: its name, type, default, range and help. The same row parses it, prints it in --help and echoes it into JSON.
#ifndef JB_BASE_OPTION_H
#define JB_BASE_OPTION_H

#include "base/err.h"

enum jb_option_type { JB_OPT_END = 0, JB_OPT_F64, JB_OPT_I64, JB_OPT_STR, JB_OPT_BOOL };
struct jb_option {
    const char *name;
    enum jb_option_type type;
    const char *default_text; // NULL: required
    double min, max;          // numbers
    const char *help;
};
// A table ends with a row of type JB_OPT_END.

#endif
