// A table of text for the terminal: columns as wide as their widest cell.
#ifndef JB_CLI_TABLE_H
#define JB_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define CLI_TABLE_COLUMNS 12

struct cli_table {
    size_t n_columns, n_cells;
    bool right[CLI_TABLE_COLUMNS];
    char **cell;   // owned
    bool failed;
};

// Heads separated by '|'; one that starts with '>' is right-aligned: "name|>bytes".
void cli_table_open(struct cli_table *t, const char *heads);
__attribute__((format(printf, 2, 3))) void cli_table_addf(struct cli_table *t, const char *format, ...);
// Prints to stdout and frees. JB_E_NOMEM when a cell was lost.
int cli_table_close(struct cli_table *t);

// Prints text with control characters as '?', so that a hostile name cannot steer the terminal.
void cli_print_safe(const char *text);

#endif
