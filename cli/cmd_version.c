#include <stdio.h>
#include "base/version.h"
#include "cli/cli.h"
#include "cli/output.h"

struct opts { bool json; };

static const struct cli_option options[] = {
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench --version", "version, git revision, compiler and its options" },
    { NULL, NULL },
};

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    (void)c;
    (void)args;
    if (!o->json) {
        printf("joulebench %s (git %s)\n%s %s\n", jb_version(), jb_git_revision(), jb_build_compiler(), jb_build_flags());
        return JB_EXIT_OK;
    }
    cJSON *root = cJSON_CreateObject();
    jb_json_put_str(root, "version", jb_version());
    jb_json_put_str(root, "git", jb_git_revision());
    jb_json_put_str(root, "compiler", jb_build_compiler());
    jb_json_put_str(root, "flags", jb_build_flags());
    jb_json_put_str(root, "prefix", jb_build_prefix());
    return cli_print_json(root);
}

const struct cli_command cli_version = {
    .name = "version",
    .arguments = "",
    .summary = "which joulebench this is",
    .about = "Prints the version, the git revision, and the compiler with its options.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
