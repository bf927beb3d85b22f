#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "runtime/blocks.h"
#include "runtime/synth.h"

struct opts {
    const char *output, *kind, *type, *exits_out;
    struct cli_numbers exits;
    int64_t stages, width, size, channels, classes, seed, layers, heads, kv_heads, ffn, vocab, context;
    bool tied;
};

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "the GGUF file to write (required)" },
    { "kind", 0, CLI_CHOICE, offsetof(struct opts, kind), "cnn|state|llama", "cnn", 0, 0, "convolutional network with exits, the stateful test family, or a language model" },
    { "stages", 0, CLI_I64, offsetof(struct opts, stages), "N", "4", 1, 16, "stages, each with an exit" },
    { "width", 0, CLI_I64, offsetof(struct opts, width), "N", NULL, 0, 16384, "channels of the first stage (0: 8); llama: values of an embedding (0: 64, or 256 for types with blocks of 256)" },
    { "size", 0, CLI_I64, offsetof(struct opts, size), "N", "28", 1, 4096, "height and width of the images" },
    { "channels", 0, CLI_I64, offsetof(struct opts, channels), "N", "1", 1, 8, "channels of the images" },
    { "classes", 0, CLI_I64, offsetof(struct opts, classes), "N", "10", 1, 4096, "number of classes" },
    { "type", 't', CLI_CHOICE, offsetof(struct opts, type), "f32|f16|bf16|q8_0|q4_0|q4_1|q5_0|q5_1|q4_K|q5_K|q6_K|mixed", "f32", 0, 0, "llama: type of the matrices; mixed: all of them in turn" },
    { "layers", 0, CLI_I64, offsetof(struct opts, layers), "N", "2", 1, 256, "llama: layers" },
    { "heads", 0, CLI_I64, offsetof(struct opts, heads), "N", "4", 1, 256, "llama: attention heads" },
    { "kv-heads", 0, CLI_I64, offsetof(struct opts, kv_heads), "N", "2", 1, 256, "llama: key-value heads" },
    { "ffn", 0, CLI_I64, offsetof(struct opts, ffn), "N", "0", 0, 65536, "llama: values within feed-forward (0: about three widths)" },
    { "vocab", 0, CLI_I64, offsetof(struct opts, vocab), "N", "320", 259, 262144, "llama: tokens in the vocabulary" },
    { "context", 0, CLI_I64, offsetof(struct opts, context), "N", "256", 1, 1048576, "llama: longest sequence" },
    { "tied", 0, CLI_FLAG, offsetof(struct opts, tied), NULL, NULL, 0, 0, "llama: the embeddings are the output matrix as well" },
    { "exits", 0, CLI_NUMBERS, offsetof(struct opts, exits), "N[,N...]", NULL, 1, 255, "llama: exits with random translators and gates behind so many layers; needs --exits-out" },
    { "exits-out", 0, CLI_TEXT, offsetof(struct opts, exits_out), "FILE", NULL, 0, 0, "llama: the side file for the exits" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9007199254740992.0, "same seed, same bytes, on every machine" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench synth -o net.gguf", "a small network for 28 x 28 grey images" },
    { "joulebench synth -o big.gguf --stages 6 --width 32 --size 64 --channels 3", "a larger one for colour images" },
    { "joulebench synth -o tiny.gguf --kind llama --type q4_K --layers 4", "a language model with a small vocabulary" },
    { "joulebench run net.gguf --workload synthetic", "runs it on made-up images of its shape" },
    { NULL, NULL },
};

static uint32_t default_width(const struct opts *o)
{
    if (strcmp(o->kind, "llama") != 0)
        return 8;
    const struct jb_block_type *t = jb_block_type_named(o->type);
    return !t || t->values == 256 ? 256 : 64;
}

// The side file, once the model is there.
static int write_exits(const struct opts *o, struct jb_err *err)
{
    uint32_t layers[256];
    for (size_t i = 0; i < o->exits.n; i++)
        layers[i] = (uint32_t)o->exits.item[i];
    return jb_synth_write_exits(o->exits_out, o->output, layers, (uint32_t)o->exits.n, (uint64_t)o->seed, err);
}

static int check(const struct opts *o, struct jb_err *err)
{
    if (!o->output)
        return jb_fail(err, JB_E_USAGE, "say where to write: -o FILE");
    if ((o->exits.n > 0) != (o->exits_out != NULL))
        return jb_fail(err, JB_E_USAGE, "--exits and --exits-out go together");
    if (o->exits_out && strcmp(o->kind, "llama") != 0)
        return jb_fail(err, JB_E_USAGE, "--exits-out is for --kind llama: other kinds hold their exits themselves");
    if (o->exits.n > 255)
        return jb_fail(err, JB_E_USAGE, "--exits: %zu of them", o->exits.n);
    for (size_t i = 0; i < o->exits.n; i++)
        if (o->exits.item[i] != (double)(uint32_t)o->exits.item[i] || o->exits.item[i] >= (double)o->layers)
            return jb_fail(err, JB_E_USAGE, "--exits: %g (numbers of layers below %lld can be)", o->exits.item[i], (long long)o->layers);
    return JB_OK;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_synth_opts s;
    (void)c;
    (void)args;
    if (check(o, &err) < 0)
        return cli_usage("synth", &err);
    jb_synth_defaults(&s);
    s.kind = o->kind;
    s.stages = (uint32_t)o->stages;
    s.width = o->width ? (uint32_t)o->width : default_width(o);
    s.type = o->type;
    s.layers = (uint32_t)o->layers;
    s.heads = (uint32_t)o->heads;
    s.kv_heads = (uint32_t)o->kv_heads;
    s.ffn = (uint32_t)o->ffn;
    s.vocab = (uint32_t)o->vocab;
    s.context = (uint32_t)o->context;
    s.tied = o->tied;
    s.size = (int32_t)o->size;
    s.channels = (int32_t)o->channels;
    s.classes = (uint32_t)o->classes;
    s.seed = (uint64_t)o->seed;
    if (jb_synth_write(o->output, &s, &err) < 0 || (o->exits_out && write_exits(o, &err) < 0))
        return cli_fail(&err);
    if (strcmp(s.kind, "llama") == 0)
        printf("%s: llama, %s, %u layers, width %u, %u tokens, seed %llu\n", o->output, s.type, s.layers, s.width, s.vocab, (unsigned long long)s.seed);
    else
        printf("%s: %s, %u stages, %u classes, seed %llu\n", o->output, s.kind, s.stages, s.classes, (unsigned long long)s.seed);
    if (o->exits_out)
        printf("%s: %zu exits\n", o->exits_out, o->exits.n);
    return JB_EXIT_OK;
}

const struct cli_command cli_synth = {
    .name = "synth",
    .arguments = "",
    .summary = "write a model with random weights, for tests and timing",
    .about = "Writes a multi-exit or language model with deterministic random weights. Its accuracy means nothing; its time, memory and work do.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
