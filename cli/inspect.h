// What `joulebench inspect` shows of each kind of file. All print to stdout.
#ifndef JB_CLI_INSPECT_H
#define JB_CLI_INSPECT_H

#include "cli/cli.h"
#include "runtime/model.h"

struct cJSON;

int cli_inspect_model(const struct cli *c, const char *path, const char *exits, bool ops, bool json, struct jb_err *err);
// Lines of a language model, instead of those for image input and classes; and its object in JSON (none for other models of positions).
void cli_inspect_language(const struct jb_model_info *i);
void cli_inspect_language_json(const struct jb_model_info *i, struct cJSON *root);
int cli_inspect_gguf(const char *path, bool json, struct jb_err *err);
bool cli_inspect_is_array(const char *path); // by its first bytes, or .gz
int cli_inspect_array(const char *path, bool json, struct jb_err *err);

#endif
