#include "cli/cli.h"
#include "cli/inspect.h"

struct opts { const char *exits; bool ops, raw, json; };

static const struct cli_option options[] = {
    { "ops", 0, CLI_FLAG, offsetof(struct opts, ops), NULL, NULL, 0, 0, "show every operation of stages and heads" },
    { "raw", 0, CLI_FLAG, offsetof(struct opts, raw), NULL, NULL, 0, 0, "show the keys and tensors of the GGUF file, whatever they mean" },
    { "exits", 0, CLI_TEXT, offsetof(struct opts, exits), "FILE", NULL, 0, 0, "a side file with exits for this model" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench inspect fashion/fashion-ee.gguf", "stages, exits, shapes, MACs, bytes, precisions, provenance" },
    { "joulebench inspect other.gguf --raw", "a GGUF file of any architecture" },
    { "joulebench inspect images.npy", "type and shape of a data file" },
    { NULL, NULL },
};

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    char path[4096], exits[4096] = "";
    if (jb_paths_resolve(&c->paths, args->item[0], path, sizeof path, &err) < 0 ||
        (o->exits && jb_paths_resolve(&c->paths, o->exits, exits, sizeof exits, &err) < 0))
        return cli_fail(&err);
    int rc;
    if (o->raw)
        rc = cli_inspect_gguf(path, o->json, &err);
    else if (cli_inspect_is_array(path))
        rc = cli_inspect_array(path, o->json, &err);
    else
        rc = cli_inspect_model(c, path, exits[0] ? exits : NULL, o->ops, o->json, &err);
    return rc < 0 ? cli_fail(&err) : JB_EXIT_OK;
}

const struct cli_command cli_inspect = {
    .name = "inspect",
    .arguments = "FILE",
    .summary = "show what a model or data file holds, or what is wrong with it",
    .about = "Shows the stages of a model, their exits, shapes, multiply-accumulates, bytes of weights and precisions, and where the model comes from. "
             "IDX and NPY files are shown with type and shape. A malformed file is an error that names the place and the reason (exit code 2).",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
