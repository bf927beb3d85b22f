// llama.cpp's logits, for tests/llm/reference.py: windows of tokens as llama-perplexity takes them, each from an empty context.
//   llama_logits MODEL IDS OUT [ctx 512] [windows 8] [threads 1] [batch ctx]
// IDS: token ids parted by white space. OUT: little-endian f32, positions ctx / 2 .. ctx - 2 of every window x vocabulary. The model must want no begin-of-sequence token in front.
// Compiled by tests/llm/answers.sh against the libraries of a llama.cpp that is given.
#include <stdio.h>
#include <stdlib.h>
#include "llama.h"

static void only_errors(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static int fail(const char *text)
{
    fprintf(stderr, "llama_logits: %s\n", text);
    return 1;
}

static llama_token *read_ids(const char *path, size_t most, size_t *n)
{
    FILE *f = fopen(path, "r");
    llama_token *id = malloc(most * sizeof *id);
    for (*n = 0; f && id && *n < most && fscanf(f, "%d", &id[*n]) == 1;)
        ++*n;
    if (f)
        fclose(f);
    return id;
}

static int window(struct llama_context *c, struct llama_batch *b, const llama_token *id, int ctx, int vocabulary, FILE *out)
{
    int first = ctx / 2;
    llama_kv_cache_clear(c);
    b->n_tokens = ctx;
    for (int i = 0; i < ctx; i++) {
        b->token[i] = id[i];
        b->pos[i] = i;
        b->n_seq_id[i] = 1;
        b->seq_id[i][0] = 0;
        b->logits[i] = i >= first;
    }
    if (llama_decode(c, *b))
        return fail("llama_decode failed");
    for (int i = first; i < ctx - 1; i++)
        if (fwrite(llama_get_logits_ith(c, i), sizeof(float), (size_t)vocabulary, out) != (size_t)vocabulary)
            return fail("the logits could not be written");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return fail("usage: llama_logits MODEL IDS OUT [ctx] [windows] [threads] [batch]");
    int ctx = argc > 4 ? atoi(argv[4]) : 512, windows = argc > 5 ? atoi(argv[5]) : 8, threads = argc > 6 ? atoi(argv[6]) : 1, batch = argc > 7 ? atoi(argv[7]) : ctx;
    if (ctx < 4 || windows < 1 || threads < 1 || batch < 1 || batch > ctx)
        return fail("these numbers make no sense");
    llama_log_set(only_errors, NULL);
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
    size_t n = 0;
    llama_token *id = read_ids(argv[2], (size_t)ctx * (size_t)windows, &n);
    if (!model || !id || n < (size_t)ctx * (size_t)windows)
        return fail("no model, or too few ids");
    const struct llama_vocab *v = llama_model_get_vocab(model);
    if (llama_vocab_get_add_bos(v))
        return fail("this model wants a begin-of-sequence token");
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = (uint32_t)ctx;
    p.n_ubatch = (uint32_t)batch;
    p.n_threads = p.n_threads_batch = threads;
    struct llama_context *c = llama_init_from_model(model, p);
    FILE *out = fopen(argv[3], "wb");
    if (!c || !out)
        return fail("no context, or no output file");
    struct llama_batch b = llama_batch_init(ctx, 0, 1);
    int rc = 0;
    for (int w = 0; w < windows && !rc; w++)
        rc = window(c, &b, id + (size_t)w * (size_t)ctx, ctx, llama_vocab_n_tokens(v), out);
    if (fclose(out) && !rc)
        rc = fail("the logits could not be written");
    llama_batch_free(b);
    llama_free(c);
    llama_model_free(model);
    free(id);
    return rc;
}
