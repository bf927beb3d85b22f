#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/stats.h"
#include "cli/language.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "reports/report.h"
#include "workloads/text/chat.h"

#define MAX_TEXT_BYTES ((size_t)16 << 20)

struct opts {
    const char *text, *file, *system;
    int64_t n, ctx, seed;
    double temperature;
    bool chat, json, past_end;
    struct cli_policy_opts policy;
    struct cli_language_opts language;
};

static const struct cli_option options[] = {
    { "prompt", 'p', CLI_TEXT, offsetof(struct opts, text), "TEXT", NULL, 0, 0, "what to go on from" },
    { "file", 'f', CLI_TEXT, offsetof(struct opts, file), "FILE", NULL, 0, 0, "a file with it (up to 16 MiB)" },
    { "tokens", 'n', CLI_I64, offsetof(struct opts, n), "N", "128", 1, 1e6, "tokens to write, at most; fewer where the model ends its text or the context is full" },
    { "chat", 0, CLI_FLAG, offsetof(struct opts, chat), NULL, NULL, 0, 0, "the prompt is a user's message, put into the model's chat template" },
    { "system", 0, CLI_TEXT, offsetof(struct opts, system), "TEXT", NULL, 0, 0, "with --chat: the system's message, instead of the template's own" },
    { "past-end", 0, CLI_FLAG, offsetof(struct opts, past_end), NULL, NULL, 0, 0, "go on where the model ends its text" },
    { "temp", 0, CLI_F64, offsetof(struct opts, temperature), "T", "0", 0, 100, "draw from softmax(logits / T); 0: the most likely token" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9007199254740992.0, "with --temp: same seed, same text" },
    { "ctx", 0, CLI_I64, offsetof(struct opts, ctx), "N", "0", 0, 1e9, "positions to make room for; 0: as many as prompt and answer need, up to the model's own limit" },
    CLI_POLICY_ROWS(struct opts, policy),
    CLI_LANGUAGE_ROWS(struct opts, language),
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print text, tokens, times and costs as JSON at the end" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench complete model.gguf -p \"The sea was\" -n 40", "the most likely text" },
    { "joulebench complete model.gguf --chat -p \"Why is the sky blue?\" --temp 0.7 --seed 3", "an answer, drawn; the same for the same seed" },
    { "joulebench complete model.gguf --exits exits.gguf --policy gate -t 0.9 -p \"Call me\"", "tokens that are easy stop early" },
    { NULL, NULL },
};

struct writer {
    const struct jb_tokenizer *tokenizer;
    struct jb_text_stream stream;
    struct jb_str text;       // all of it
    size_t shown;             // bytes of it that were printed
    bool stream_out, terminal; // to a terminal
};

static void show(struct writer *w)
{
    if (!w->stream_out || w->text.failed)
        return;
    for (; w->shown < w->text.len; w->shown++) {
        unsigned char byte = (unsigned char)w->text.s[w->shown];
        bool steers = w->terminal && (byte < 0x20 || byte == 0x7f) && byte != '\n' && byte != '\t';
        putchar(steers ? '?' : byte); // a text may not steer the terminal
    }
    fflush(stdout);
}

// Control tokens are no text.
static void on_token(void *user, uint32_t i, const struct jb_token_result *token)
{
    struct writer *w = user;
    size_t n = 0;
    (void)i;
    enum jb_token_type type = jb_tokenizer_type(w->tokenizer, (int32_t)token->token);
    const char *bytes = jb_tokenizer_bytes(w->tokenizer, (int32_t)token->token, &n);
    if (bytes && type != JB_TOKEN_CONTROL && type != JB_TOKEN_UNKNOWN)
        jb_text_stream_add(&w->stream, bytes, n, &w->text);
    show(w);
}

static int chat_text(const struct opts *o, const struct cli_language *l, const char *text, struct jb_str *out, struct jb_err *err)
{
    struct jb_chat_message messages[2] = { { "system", o->system }, { "user", text } };
    int rc = o->system ? jb_chat_prompt(l->info->file, messages, 2, true, out, err) : jb_chat_prompt(l->info->file, messages + 1, 1, true, out, err);
    return !rc && out->failed ? jb_fail(err, JB_E_NOMEM, "out of memory for the prompt") : rc;
}

static int make_prompt(const struct opts *o, const struct cli_language *l, uint32_t **out, uint32_t *n, struct jb_err *err)
{
    struct jb_str chat = { 0 };
    char *file = NULL;
    const char *text = o->text;
    size_t n_bytes = text ? strlen(text) : 0;
    int rc = o->file ? jb_read_file(o->file, MAX_TEXT_BYTES, &file, &n_bytes, err) : JB_OK;
    if (o->file)
        text = file;
    if (!rc && !n_bytes)
        rc = jb_fail(err, JB_E_INVALID, "an empty prompt: there is nothing to go on from");
    if (!rc && o->chat && strlen(text) != n_bytes)
        rc = jb_fail(err, JB_E_INVALID, "%s: a chat message with a byte of 0 in it", o->file);
    if (!rc && o->chat) {
        rc = chat_text(o, l, text, &chat, err);
        text = jb_str_get(&chat);
        n_bytes = chat.len;
    }
    if (!rc)
        rc = cli_language_encode(l, o->file ? o->file : "the prompt", text, n_bytes, JB_ENCODE_ADD_SPECIAL | JB_ENCODE_PARSE_SPECIAL, out, n, err);
    jb_str_free(&chat);
    free(file);
    return rc;
}

// Every token behind which the model has no more to say.
static int find_ends(const struct jb_tokenizer *t, uint32_t **out, uint32_t *n, struct jb_err *err)
{
    size_t vocab = jb_tokenizer_n_vocab(t);
    uint32_t count = 0;
    for (size_t i = 0; i < vocab; i++)
        count += jb_tokenizer_is_end(t, (int32_t)i);
    uint32_t *id = malloc((count ? count : 1) * sizeof *id);
    if (!id)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    *n = 0;
    for (size_t i = 0; i < vocab; i++)
        if (jb_tokenizer_is_end(t, (int32_t)i))
            id[(*n)++] = (uint32_t)i;
    *out = id;
    return JB_OK;
}

// Times between answers, behind the first; sorted. NULL when there are none, or no memory.
static uint64_t *gaps(const struct jb_sequence_result *r)
{
    uint64_t *ns = r->n_tokens > 1 ? malloc((r->n_tokens - 1) * sizeof *ns) : NULL;
    for (uint32_t t = 1; ns && t < r->n_tokens; t++)
        ns[t - 1] = r->tokens[t].at_ns - r->tokens[t - 1].at_ns;
    if (ns)
        jb_sort_u64(ns, r->n_tokens - 1);
    return ns;
}

static const double ranks[] = { 0.5, 0.9, 0.99 };
static const char *const rank_names[] = { "p50", "p90", "p99" };
static const char *const end_names[] = { "tokens", "stop", "context", "interrupted" };

static void say(const struct cli_language *l, const struct jb_sequence_result *r, uint32_t n_prompt)
{
    char text[24];
    uint64_t *ns = gaps(r);
    jb_fmt_ns(text, r->n_tokens ? (double)r->ttft_ns : NAN);
    fprintf(stderr, "%-18s %u, first token after %s\n", "prompt tokens", n_prompt, text);
    fprintf(stderr, "%-18s %u (%s)", "tokens", r->n_tokens, r->end == JB_END_STOP ? "the model ended its text" : r->end == JB_END_CONTEXT ? "the context is full" :
            r->end == JB_END_CANCELLED ? "interrupted" : "as many as were asked for");
    for (size_t i = 0; ns && i < sizeof ranks / sizeof *ranks; i++) {
        jb_fmt_ns(text, (double)jb_percentile_u64(ns, r->n_tokens - 1, ranks[i]));
        fprintf(stderr, "%s%s %s", i ? ", " : ", time of one: ", rank_names[i], text);
    }
    fputc('\n', stderr);
    cli_say_exits(l->info, r->by_exit);
    cli_say_cost("cost of the prompt", &r->prompt);
    cli_say_cost("cost of tokens", &r->steps);
    cli_say_cost("filled later", &r->deferred);
    free(ns);
}

static void put_tokens(cJSON *root, const struct jb_sequence_result *r)
{
    cJSON *list = jb_json_put_array(root, "tokens");
    for (uint32_t t = 0; t < r->n_tokens; t++) {
        const struct jb_token_result *token = &r->tokens[t];
        cJSON *row = jb_json_put_object(list, NULL);
        jb_json_put_u64(row, "id", token->token);
        jb_json_put_u64(row, "exit", token->exit);
        jb_json_put_f64(row, "confidence", (double)token->confidence);
        jb_json_put_f64(row, "logprob", (double)token->logprob);
        jb_json_put_u64(row, "at_ns", token->at_ns);
        jb_json_put_u64(row, "macs", jb_cost_macs(&token->cost));
        jb_json_put_u64(row, "bytes", jb_cost_bytes(&token->cost));
    }
}

static int print_json(const struct cli_language *l, const struct opts *o, const struct jb_sequence_result *r, uint32_t n_prompt, const char *text)
{
    cJSON *root = cJSON_CreateObject();
    char digest[17];
    uint64_t *ns = gaps(r);
    cli_put_language(root, l, &o->language);
    jb_json_put_str(root, "policy", o->policy.name);
    jb_json_put_u64(root, "n_prompt", n_prompt);
    jb_json_put_u64(root, "n_tokens", r->n_tokens);
    jb_json_put_str(root, "end", end_names[r->end]);
    jb_json_put_str(root, "text", text);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest);
    jb_json_put_str(root, "digest", digest);
    jb_json_put_f64(root, "ttft_ns", r->n_tokens ? (double)r->ttft_ns : NAN);
    jb_json_put_u64(root, "total_ns", r->total_ns);
    cJSON *times = jb_json_put_object(root, "token_ns");
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        jb_json_put_f64(times, rank_names[i], ns ? (double)jb_percentile_u64(ns, r->n_tokens - 1, ranks[i]) : NAN);
    cli_put_exits(root, l->info, r->by_exit);
    cli_put_cost(root, "prompt_cost", &r->prompt);
    cli_put_cost(root, "token_cost", &r->steps);
    cli_put_cost(root, "deferred_cost", &r->deferred);
    put_tokens(root, r);
    free(ns);
    return cli_print_json(root);
}

static int write_text(const struct cli_language *l, const struct opts *o, struct jb_sequence *s, const struct jb_sequence_query *q, struct writer *w, struct jb_err *err)
{
    struct jb_sequence_result r;
    int rc = jb_sequence_run(s, q, &r, err);
    if (rc)
        return rc;
    jb_text_stream_end(&w->stream, &w->text);
    show(w);
    if (w->text.failed)
        return jb_fail(err, JB_E_NOMEM, "out of memory for the text");
    if (o->json) {
        if (print_json(l, o, &r, q->n_prompt, jb_str_get(&w->text)) != JB_EXIT_OK)
            return jb_fail(err, JB_E_NOMEM, "out of memory");
    } else {
        putchar('\n');
        fflush(stdout);
        say(l, &r, q->n_prompt);
    }
    return r.end == JB_END_CANCELLED ? jb_fail(err, JB_E_INTERRUPTED, "interrupted") : JB_OK;
}

// Room for prompt and answer, within what the model was made for.
static int positions(const struct opts *o, const struct cli_language *l, uint32_t n_prompt, uint32_t *out, struct jb_err *err)
{
    uint64_t need = (uint64_t)n_prompt + (uint64_t)o->n - 1, most = l->info->max_positions;
    if (o->ctx && (uint64_t)o->ctx > most)
        return jb_fail(err, JB_E_RANGE, "%s: a context of %lld positions; the model was made for %llu", l->path, (long long)o->ctx, (unsigned long long)most);
    if (o->ctx)
        most = (uint64_t)o->ctx;
    if (n_prompt > most)
        return jb_fail(err, JB_E_RANGE, "a prompt of %u tokens is longer than the context of %llu", n_prompt, (unsigned long long)most);
    *out = (uint32_t)(o->ctx || need > most ? most : need);
    return JB_OK;
}

static int complete(struct cli *c, const struct opts *o, const char *name, struct jb_err *err)
{
    struct cli_language l;
    struct jb_session *session = NULL;
    struct jb_sequence *s = NULL;
    struct jb_policy policy;
    uint32_t *prompt = NULL, *end = NULL, n_prompt = 0, n_end = 0, room = 0;
    int rc = cli_language_open(&l, c, name, &o->language, true, err);
    if (rc)
        return rc;
    struct writer w = { .tokenizer = l.tokenizer, .stream_out = !o->json, .terminal = c->out_tty };
    rc = cli_policy_make(&policy, &o->policy, l.info, err);
    if (!rc)
        rc = make_prompt(o, &l, &prompt, &n_prompt, err);
    if (!rc)
        rc = find_ends(l.tokenizer, &end, &n_end, err);
    if (!rc)
        rc = positions(o, &l, n_prompt, &room, err);
    uint32_t rows = (uint64_t)o->language.batch < n_prompt ? (uint32_t)o->language.batch : n_prompt;
    if (!rc)
        rc = cli_language_session(&session, &l, &o->language, rows, room, err);
    if (!rc)
        rc = jb_sequence_open(&s, session, &policy, &l.schedule, (uint32_t)o->n, &l.clock, err);
    struct jb_sequence_query q = {
        .prompt = prompt, .n_prompt = n_prompt, .n_steps = (uint32_t)o->n, .want_logprob = o->json, .stop = end, .n_stop = o->past_end ? 0 : n_end,
        .temperature = o->temperature, .seed = (uint64_t)o->seed, .on_token = on_token, .user = &w, .cancel = l.cancel,
    };
    if (!rc)
        rc = write_text(&l, o, s, &q, &w, err);
    jb_str_free(&w.text);
    jb_sequence_close(s);
    jb_session_close(session);
    free(prompt);
    free(end);
    cli_language_close(&l);
    return rc;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    if (!o->text == !o->file) {
        jb_fail(&err, JB_E_USAGE, "say what to go on from: -p TEXT or -f FILE");
        return cli_usage("complete", &err);
    }
    if (o->system && !o->chat) {
        jb_fail(&err, JB_E_USAGE, "--system TEXT is for --chat");
        return cli_usage("complete", &err);
    }
    int rc = complete(c, o, args->item[0], &err);
    if (rc == JB_E_USAGE)
        return cli_usage("complete", &err);
    return rc ? cli_measure_fail(&err) : JB_EXIT_OK;
}

const struct cli_command cli_complete = {
    .name = "complete",
    .arguments = "MODEL",
    .summary = "go on from a prompt, token by token, with exits",
    .about = "Reads a prompt and writes the text that a language model goes on with, as it comes. Behind it, on stderr: the time to the first token, the time of a token "
             "(p50, p90, p99), the exits at which tokens stopped, and the work: of the prompt, of the tokens, and what was filled in later for layers that an exit had "
             "skipped. The text is the most likely one, token by token, unless --temp is given. Ctrl-C ends it with what was written.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
