// What `joulebench inspect` shows of each kind of file. All print to stdout.
#ifndef JB_CLI_INSPECT_H
#define JB_CLI_INSPECT_H

#include "cli/cli.h"

int cli_inspect_model(const struct cli *c, const char *path, const char *exits, bool ops, bool json, struct jb_err *err);
int cli_inspect_gguf(const char *path, bool json, struct jb_err *err);
bool cli_inspect_is_array(const char *path); // by its first bytes, or .gz
int cli_inspect_array(const char *path, bool json, struct jb_err *err);

#endif
