// What the commands that run a language model on a text have in common: model, tokenizer, session, policy.
#ifndef JB_CLI_LANGUAGE_H
#define JB_CLI_LANGUAGE_H

#include "base/json.h"
#include "cli/cli.h"
#include "early_exit/sequence.h"
#include "workloads/text/tokenizer.h"

struct cli_language_opts { const char *exits, *kv, *fill; int64_t threads, batch; };
#define CLI_LANGUAGE_ROWS(type, member)                                                                                                             \
    { "exits", 0, CLI_TEXT, offsetof(type, member.exits), "FILE", NULL, 0, 0, "a side file with exits for MODEL" },                                    \
    { "threads", 0, CLI_I64, offsetof(type, member.threads), "N", "1", 1, 1024, "threads of the session; the answers do not depend on it" },           \
    { "kv", 0, CLI_CHOICE, offsetof(type, member.kv), "f16|int8", "f16", 0, 0, "how keys and values are kept" },                                       \
    { "fill", 0, CLI_CHOICE, offsetof(type, member.fill), "exact|frozen", "exact", 0, 0,                                                               \
      "what becomes of the keys and values of layers that an exit skipped: computed when they are read, or guessed at once" },                         \
    { "batch", 0, CLI_I64, offsetof(type, member.batch), "N", "128", 1, 4096, "tokens read in one pass; the answers do not depend on it" }

struct cli_policy_opts { const char *name; struct cli_numbers threshold; struct cli_list params; };
#define CLI_POLICY_ROWS(type, member)                                                                                                               \
    { "policy", 0, CLI_TEXT, offsetof(type, member.name), "NAME", "final", 0, 0, "when a token may stop (joulebench list policies)" },                  \
    { "threshold", 't', CLI_NUMBERS, offsetof(type, member.threshold), "X[,X...]", NULL, -1e9, 1e9, "confidence at which it stops: one for all exits, or one for each but the last" }, \
    { "set", 's', CLI_LIST, offsetof(type, member.params), "NAME=X", NULL, 0, 0, "a parameter of the policy, such as k=1 of fixed" }

struct cli_language {
    char path[4096];
    struct jb_model *model;
    const struct jb_model_info *info;
    struct jb_tokenizer *tokenizer;       // NULL unless it was wanted
    struct jb_schedule schedule;          // the file's own precision
    struct jb_clock clock;
    const volatile int *cancel;           // signals are caught from open on
};
// Opens model, exits and tokenizer. NAME is looked for as everywhere. UNSUPPORTED: no language model.
int cli_language_open(struct cli_language *l, struct cli *c, const char *name, const struct cli_language_opts *o, bool tokenizer, struct jb_err *err);
void cli_language_close(struct cli_language *l); // sessions must be closed before
// A session for sequences of so many positions, in passes of at most `rows`.
int cli_language_session(struct jb_session **out, const struct cli_language *l, const struct cli_language_opts *o, uint32_t rows, uint32_t positions, struct jb_err *err);
int cli_policy_make(struct jb_policy *out, const struct cli_policy_opts *o, const struct jb_model_info *info, struct jb_err *err);
// Tokens of a text (owned: free), with flags as jb_tokenizer_encode has them; what is odd about it is said on stderr, with `what` for its name.
int cli_language_encode(const struct cli_language *l, const char *what, const char *text, size_t n_bytes, unsigned flags, uint32_t **out, uint32_t *n, struct jb_err *err);

// "1.2 G MACs, 34 MB" on stderr behind a name; and {macs, bytes} under a key.
void cli_say_cost(const char *name, const struct jb_cost *c);
void cli_put_cost(cJSON *o, const char *key, const struct jb_cost *c);
// model, weights, threads, kv, fill.
void cli_put_language(cJSON *root, const struct cli_language *l, const struct cli_language_opts *o);
// Counts of answers by exit: an array of numbers under "exits", from a table of the model's exits.
void cli_put_exits(cJSON *root, const struct jb_model_info *info, const uint32_t *by_exit);
void cli_say_exits(const struct jb_model_info *info, const uint32_t *by_exit);

#endif
