#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "workloads/text/tokenizer.h"

struct opts { const char *text, *file; bool ids, json, no_parse_special, no_add_special; };

static const struct cli_option options[] = {
    { "prompt", 'p', CLI_TEXT, offsetof(struct opts, text), "TEXT", NULL, 0, 0, "the text" },
    { "file", 'f', CLI_TEXT, offsetof(struct opts, file), "FILE", NULL, 0, 0, "a file with the text, any bytes (up to 1 GiB)" },
    { "ids", 0, CLI_FLAG, offsetof(struct opts, ids), NULL, NULL, 0, 0, "print ids only, one a line (with --json: a list of numbers)" },
    { "no-parse-special", 0, CLI_FLAG, offsetof(struct opts, no_parse_special), NULL, NULL, 0, 0, "texts of control tokens are text as any other" },
    { "no-add-special", 0, CLI_FLAG, offsetof(struct opts, no_add_special), NULL, NULL, 0, 0, "add no begin and end of sequence, even if the model wants them" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench tokenize model.gguf -p \"It's 2026.\"", "ids and pieces" },
    { "joulebench tokenize model.gguf -f book.txt --ids | wc -l", "the number of tokens of a file" },
    { NULL, NULL },
};

// Bytes of a piece: characters that print as they are, the others as \n, \t, \\, \" or \xNN.
static void add_piece(struct jb_str *out, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t c = 0;
        size_t step = jb_utf8_step(bytes + at, n - at, &c);
        const char *name = bytes[at] == '\n' ? "\\n" : bytes[at] == '\t' ? "\\t" : bytes[at] == '\\' ? "\\\\" : bytes[at] == '"' ? "\\\"" : NULL;
        if (name)
            jb_str_add(out, name);
        else if (step == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            for (size_t i = 0; i < (step ? step : 1); i++)
                jb_str_addf(out, "\\x%02x", (unsigned char)bytes[at + i]);
        else
            jb_str_addn(out, bytes + at, step);
        at += step ? step : 1;
    }
}

static int print_pieces(const struct jb_tokenizer *t, const struct jb_tokens *tokens, bool ids_only, struct jb_err *err)
{
    struct jb_str line = { 0 };
    for (size_t i = 0; i < tokens->n && !line.failed; i++) {
        if (ids_only) {
            printf("%d\n", (int)tokens->id[i]);
            continue;
        }
        size_t n;
        const char *bytes = jb_tokenizer_bytes(t, tokens->id[i], &n);
        jb_str_clear(&line);
        add_piece(&line, bytes, n);
        printf("%6d  \"%s\"\n", (int)tokens->id[i], jb_str_get(&line));
    }
    bool failed = line.failed;
    jb_str_free(&line);
    return failed ? jb_fail(err, JB_E_NOMEM, "no memory for a line") : JB_OK;
}

static bool put_tokens(cJSON *root, const struct jb_tokenizer *t, const struct jb_tokens *tokens, bool ids_only)
{
    cJSON *list = jb_json_put_array(root, ids_only ? "ids" : "tokens");
    struct jb_str piece = { 0 };
    bool ok = list != NULL;
    for (size_t i = 0; i < tokens->n && ok; i++) {
        if (ids_only) {
            ok = jb_json_put_u64(list, NULL, (uint64_t)tokens->id[i]);
            continue;
        }
        size_t n;
        const char *bytes = jb_tokenizer_bytes(t, tokens->id[i], &n);
        jb_str_clear(&piece);
        add_piece(&piece, bytes, n);
        cJSON *row = jb_json_put_object(list, NULL);
        ok = row && !piece.failed && jb_json_put_u64(row, "id", (uint64_t)tokens->id[i]) && jb_json_put_str(row, "piece", jb_str_get(&piece));
    }
    jb_str_free(&piece);
    return ok;
}

static int print_json(const char *path, const struct jb_tokenizer *t, size_t n_bytes, const struct jb_tokens *tokens, const struct jb_encode_facts *facts, bool ids_only)
{
    cJSON *root = cJSON_CreateObject();
    bool ok = root && jb_json_put_str(root, "model", path) && jb_json_put_str(root, "pre_tokenizer", jb_tokenizer_pre(t)) && jb_json_put_u64(root, "n_bytes", n_bytes) &&
              jb_json_put_u64(root, "n_tokens", tokens->n) && jb_json_put_u64(root, "n_invalid_bytes", facts->n_invalid) &&
              (facts->n_invalid ? jb_json_put_u64(root, "first_invalid_byte", facts->first_invalid) : jb_json_put_null(root, "first_invalid_byte")) &&
              jb_json_put_u64(root, "n_lost_bytes", facts->n_lost) && put_tokens(root, t, tokens, ids_only);
    if (!ok) {
        cJSON_Delete(root);
        root = NULL;
    }
    return cli_print_json(root);
}

static void warn(const char *what, const struct jb_encode_facts *facts)
{
    if (facts->n_invalid)
        fprintf(stderr, "joulebench: warning: %s: byte %zu is not UTF-8 (of %zu such bytes the first); these are tokenized as llama.cpp does, mostly as U+FFFD, and do not come back on decoding\n", what,
                facts->first_invalid, facts->n_invalid);
    if (facts->n_lost)
        fprintf(stderr, "joulebench: warning: %s: for %zu bytes, the first of them 0x%02x, the vocabulary has no token; none stands for them\n", what, facts->n_lost, facts->first_lost);
}

static int tokenize(const char *path, const struct opts *o, const char *text, size_t n, struct jb_err *err)
{
    struct jb_gguf *g = NULL;
    struct jb_tokenizer *t = NULL;
    struct jb_tokens tokens = { 0 };
    struct jb_encode_facts facts;
    int rc = jb_gguf_open(&g, path, err), exit_code = JB_EXIT_OK;
    if (!rc)
        rc = jb_tokenizer_open(&t, g, err);
    jb_gguf_close(g);
    if (!rc)
        rc = jb_tokenizer_encode(t, text, n, (o->no_add_special ? 0 : JB_ENCODE_ADD_SPECIAL) | (o->no_parse_special ? 0 : JB_ENCODE_PARSE_SPECIAL), &tokens, &facts, err);
    if (!rc) {
        warn(o->file ? o->file : "the text", &facts);
        if (o->json)
            exit_code = print_json(path, t, n, &tokens, &facts, o->ids);
        else
            rc = print_pieces(t, &tokens, o->ids, err);
    }
    jb_tokens_free(&tokens);
    jb_tokenizer_close(t);
    return rc ? cli_fail(err) : exit_code;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    char path[4096], *text = NULL;
    if (!o->text == !o->file) {
        jb_fail(&err, JB_E_USAGE, "say which text: -p TEXT or -f FILE");
        return cli_usage("tokenize", &err);
    }
    size_t n = o->text ? strlen(o->text) : 0;
    if (jb_paths_resolve(&c->paths, args->item[0], path, sizeof path, &err) < 0 || (o->file && jb_read_file(o->file, (size_t)1 << 30, &text, &n, &err) < 0))
        return cli_fail(&err);
    int exit_code = tokenize(path, o, o->text ? o->text : text, n, &err);
    free(text);
    return exit_code;
}

const struct cli_command cli_tokenize = {
    .name = "tokenize",
    .arguments = "MODEL",
    .summary = "show the tokens of a text, as a language model reads it",
    .about = "Reads the vocabulary of a GGUF file (byte-level BPE; pre-tokenizers gpt-2, llama-bpe and smollm) and prints a line for each token of a text: "
             "its id and its piece. In a piece, bytes that are no whole character stand as \\xNN, a backslash is doubled. Ids are those of llama.cpp. "
             "A text that is not UTF-8 is tokenized as llama.cpp does it, and a warning names the first such byte.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
