#include <stdio.h>
#include "cli/cli.h"
#include "runtime/synth.h"

struct opts {
    const char *output, *kind;
    int64_t stages, width, size, channels, classes, seed;
};

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "the GGUF file to write (required)" },
    { "kind", 0, CLI_CHOICE, offsetof(struct opts, kind), "cnn|state", "cnn", 0, 0, "convolutional network with exits, or the stateful test family" },
    { "stages", 0, CLI_I64, offsetof(struct opts, stages), "N", "4", 1, 16, "stages, each with an exit" },
    { "width", 0, CLI_I64, offsetof(struct opts, width), "N", "8", 1, 4096, "channels of the first stage" },
    { "size", 0, CLI_I64, offsetof(struct opts, size), "N", "28", 1, 4096, "height and width of the images" },
    { "channels", 0, CLI_I64, offsetof(struct opts, channels), "N", "1", 1, 8, "channels of the images" },
    { "classes", 0, CLI_I64, offsetof(struct opts, classes), "N", "10", 1, 4096, "number of classes" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9007199254740992.0, "same seed, same bytes, on every machine" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench synth -o net.gguf", "a small network for 28 x 28 grey images" },
    { "joulebench synth -o big.gguf --stages 6 --width 32 --size 64 --channels 3", "a larger one for colour images" },
    { "joulebench run net.gguf --workload synthetic", "runs it on made-up images of its shape" },
    { NULL, NULL },
};

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_synth_opts s;
    (void)c;
    (void)args;
    if (!o->output) {
        jb_fail(&err, JB_E_USAGE, "say where to write: -o FILE");
        return cli_usage("synth", &err);
    }
    jb_synth_defaults(&s);
    s.kind = o->kind;
    s.stages = (uint32_t)o->stages;
    s.width = (uint32_t)o->width;
    s.size = (int32_t)o->size;
    s.channels = (int32_t)o->channels;
    s.classes = (uint32_t)o->classes;
    s.seed = (uint64_t)o->seed;
    if (jb_synth_write(o->output, &s, &err) < 0)
        return cli_fail(&err);
    printf("%s: %s, %u stages, %u classes, seed %llu\n", o->output, s.kind, s.stages, s.classes, (unsigned long long)s.seed);
    return JB_EXIT_OK;
}

const struct cli_command cli_synth = {
    .name = "synth",
    .arguments = "",
    .summary = "write a model with random weights, for tests and timing",
    .about = "Writes a multi-exit model with deterministic random weights. Its accuracy means nothing; its time, memory and work do.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
