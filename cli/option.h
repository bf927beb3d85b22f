// Options of a command: one row gives the parsing, the default, the range and the help of one option.
#ifndef JB_CLI_OPTION_H
#define JB_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct cli_list { const char **item; size_t n; };  // texts borrowed from argv; the array is owned, and has a NULL behind its last item unless it is empty
struct cli_numbers { double *item; size_t n; };    // owned

enum cli_type {
    CLI_END = 0,
    CLI_FLAG,    // bool; takes no value
    CLI_TEXT,    // const char *
    CLI_CHOICE,  // const char *; metavar "a|b|c" lists what is allowed
    CLI_I64,     // int64_t
    CLI_F64,     // double
    CLI_LIST,    // struct cli_list; may be given several times
    CLI_NUMBERS, // struct cli_numbers; separated by commas
};

struct cli_option {
    const char *name;     // without the dashes
    char letter;          // or 0
    enum cli_type type;
    size_t offset;        // of its field in the command's struct
    const char *metavar;
    const char *fallback; // default as text, parsed like a given one; NULL: none (false, NULL, 0, empty)
    double min, max;      // numbers
    const char *help;
};

struct cli_command;

// Fills `opts` (zeroed, then defaults, then what is given) and `args`. USAGE on failure, with what to do in err. *help: --help was given; nothing else is judged then.
// argv[0] is the command's name. Free in every case.
int cli_parse(const struct cli_command *command, int argc, char **argv, void *opts, struct cli_list *args, bool *help, struct jb_err *err);
void cli_parse_free(const struct cli_command *command, void *opts, struct cli_list *args);

// Number of edits (insert, delete, replace, swap of neighbours) that make b of a.
size_t cli_edit_distance(const char *a, const char *b);
// The best of `names` (NULL-terminated) within a third of the word's length, at least 1 and at most 3 edits; NULL: none.
const char *cli_suggest(const char *word, const char *const *names);
// Splits "NAME=VALUE" into name (room n, copied) and value (borrowed). False when there is no '=' or the name is empty or too long.
bool cli_split_pair(const char *text, char *name, size_t n, const char **value);

#endif
