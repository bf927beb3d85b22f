// The rules are llama.cpp's (tools/perplexity), so that figures compare: the text is cut into windows of ctx tokens, what is left over is not read; a begin-of-sequence token
// takes the place of each window's first one if the model wants it; positions ctx / 2 to ctx - 2 are scored. exp(mean of -ln p), and its standard error by the delta method.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "cli/language.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "early_exit/score.h"
#include "reports/report.h"

#define MAX_TEXT_BYTES ((size_t)1 << 30)

struct opts {
    const char *file, *logits;
    int64_t ctx, chunks;
    bool json;
    struct cli_policy_opts policy;
    struct cli_language_opts language;
};

static const struct cli_option options[] = {
    { "file", 'f', CLI_TEXT, offsetof(struct opts, file), "FILE", NULL, 0, 0, "the text (required; up to 1 GiB)" },
    { "ctx", 'c', CLI_I64, offsetof(struct opts, ctx), "N", "512", 4, 1e6, "tokens of a window; the second half of each is scored" },
    { "chunks", 0, CLI_I64, offsetof(struct opts, chunks), "N", "0", 0, 1e9, "no more windows than this; 0: all" },
    CLI_POLICY_ROWS(struct opts, policy),
    CLI_LANGUAGE_ROWS(struct opts, language),
    { "logits", 0, CLI_TEXT, offsetof(struct opts, logits), "OUT", NULL, 0, 0, "write the full model's logits: little-endian f32, scored positions x vocabulary" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench perplexity model.gguf -f wiki.txt --threads 2", "as llama-perplexity gives it" },
    { "joulebench perplexity model.gguf -f wiki.txt --exits exits.gguf --policy gate -t 0.9 --chunks 8", "with tokens that stop early, and how often they are the full model's" },
    { NULL, NULL },
};

struct tally { uint64_t n, right, agreed, n_bad; double nll, nll2; }; // n_bad: positions without a probability (NaN logits)

struct run {
    const struct opts *o;
    struct cli_language l;
    struct jb_policy policy;
    bool exits;                      // the policy may stop early: a run token by token, and a full one beside it
    struct jb_session *session;
    struct jb_sequence *sequence;    // NULL unless exits
    uint32_t *token, n_tokens, ctx, first, n_chunks;
    uint32_t *window;                // (ctx) of the running one
    uint32_t *answer;                // (ctx) of the policy, by position
    struct tally t, full;            // of the policy; of the full model
    uint32_t by_exit[JB_MAX_STAGES];
    struct jb_cost prompt, steps, deferred;
    double seconds;                  // of the policy's passes (without exits: of the full ones)
    uint64_t digest;
    struct jb_new_file out;
    bool writes;
    struct jb_err write_error;
};

static void count(struct tally *t, double logprob, uint32_t answer, uint32_t target)
{
    if (isnan(logprob)) {
        t->n_bad++;
    } else {
        t->nll -= logprob;
        t->nll2 += logprob * logprob;
    }
    t->n++;
    t->right += answer == target;
}

static int on_head(void *user, uint32_t position, uint32_t exit, const struct jb_head_row *head)
{
    struct run *r = user;
    (void)exit;
    uint32_t answer = jb_argmax(head->logits, head->n_logits), target = r->window[position + 1];
    if (r->writes && jb_new_file_write(&r->out, head->logits, head->n_logits * sizeof(float), &r->write_error))
        return r->write_error.code;
    count(&r->full, jb_logprob(head->logits, head->n_logits, target), answer, target);
    if (r->exits)
        r->t.agreed += answer == r->answer[position];
    else
        r->digest = jb_token_digest(r->digest, answer);
    return JB_OK;
}

static double since(const struct run *r, uint64_t began_ns)
{
    return (double)(r->l.clock.now_ns(r->l.clock.self) - began_ns) * 1e-9;
}

static int full_window(struct run *r, struct jb_err *err)
{
    struct jb_score pass = { .token = r->window, .n = r->ctx - 1, .first = r->first, .want = JB_WANT_LOGITS, .cancel = r->l.cancel, .fn = on_head, .user = r }; // the last token is only predicted
    struct jb_cost cost = { 0 };
    uint64_t began = r->l.clock.now_ns(r->l.clock.self);
    int rc = jb_score_run(r->session, &r->l.schedule, &pass, &cost, err);
    if (rc)
        return r->write_error.code ? jb_fail(err, rc, "%s", r->write_error.detail) : rc;
    if (!r->exits) {
        r->seconds += since(r, began);
        jb_cost_add(&r->steps, &cost);
        r->by_exit[r->l.info->n_exits - 1] += r->ctx - 1 - r->first;
    }
    return JB_OK;
}

static int exits_window(struct run *r, struct jb_err *err)
{
    struct jb_sequence_query q = {
        .prompt = r->window, .n_prompt = r->first + 1, .n_steps = r->ctx - 1 - r->first, .target = r->window + r->first + 1, .forced = true, .want_logprob = true, .cancel = r->l.cancel,
    };
    struct jb_sequence_result out;
    int rc = jb_sequence_run(r->sequence, &q, &out, err);
    if (rc)
        return rc;
    if (out.end == JB_END_CANCELLED)
        return jb_fail(err, JB_E_INTERRUPTED, "interrupted");
    for (uint32_t i = 0; i < out.n_tokens; i++) {
        const struct jb_token_result *t = &out.tokens[i];
        r->answer[r->first + i] = t->token;
        count(&r->t, (double)t->logprob, t->token, q.target[i]);
        r->digest = jb_token_digest(r->digest, t->token);
    }
    for (uint32_t k = 0; k < r->l.info->n_exits; k++)
        r->by_exit[k] += out.by_exit[k];
    jb_cost_add(&r->prompt, &out.prompt);
    jb_cost_add(&r->steps, &out.steps);
    jb_cost_add(&r->deferred, &out.deferred);
    r->seconds += (double)out.total_ns * 1e-9;
    return JB_OK;
}

static int run_windows(struct run *r, struct jb_err *err)
{
    int32_t bos = jb_tokenizer_adds_bos(r->l.tokenizer) ? jb_tokenizer_bos(r->l.tokenizer) : JB_NO_TOKEN;
    int rc = JB_OK;
    for (uint32_t i = 0; i < r->n_chunks && !rc; i++) {
        memcpy(r->window, r->token + (size_t)i * r->ctx, r->ctx * sizeof *r->window);
        if (bos != JB_NO_TOKEN)
            r->window[0] = (uint32_t)bos;
        if (r->exits)
            rc = exits_window(r, err);
        if (!rc)
            rc = full_window(r, err);
        if (!rc && !r->o->json) {
            const struct tally *t = r->exits ? &r->t : &r->full;
            printf("[%u]%.4f,", i + 1, exp(t->nll / (double)(t->n - t->n_bad)));
            fflush(stdout);
        }
    }
    if (!r->o->json)
        putchar('\n');
    return rc;
}

struct figures { double ppl, error, accuracy; };

// llama.cpp's estimate: sqrt((mean of squares - square of the mean) / (n - 1)) of -ln p, times the perplexity.
static struct figures judge(const struct tally *t)
{
    double n = (double)(t->n - t->n_bad), mean = t->nll / n, variance = t->nll2 / n - mean * mean;
    if (t->n_bad || !t->n)
        return (struct figures){ NAN, NAN, t->n ? (double)t->right / (double)t->n : NAN };
    return (struct figures){ exp(mean), n > 1 && variance > 0 ? sqrt(variance / (n - 1)) * exp(mean) : NAN, (double)t->right / n };
}

static int print_json(const struct run *r, const struct figures *f, const struct figures *full)
{
    cJSON *root = cJSON_CreateObject();
    char digest[17];
    uint64_t read = (uint64_t)r->n_chunks * r->ctx;
    cli_put_language(root, &r->l, &r->o->language);
    jb_json_put_str(root, "policy", r->o->policy.name);
    jb_json_put_u64(root, "ctx", r->ctx);
    jb_json_put_u64(root, "chunks", r->n_chunks);
    jb_json_put_u64(root, "tokens", r->full.n);
    jb_json_put_f64(root, "ppl", f->ppl);
    jb_json_put_f64(root, "ppl_error", f->error);
    jb_json_put_f64(root, "accuracy", f->accuracy);
    jb_json_put_f64(root, "agreement", r->exits ? (double)r->t.agreed / (double)r->t.n : 1);
    jb_json_put_f64(root, "ppl_full", full->ppl);
    jb_json_put_f64(root, "accuracy_full", full->accuracy);
    jb_json_put_f64(root, "seconds", r->seconds);
    jb_json_put_f64(root, "tokens_per_s", r->seconds > 0 ? (double)read / r->seconds : NAN);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest);
    jb_json_put_str(root, "digest", digest);
    cli_put_exits(root, r->l.info, r->by_exit);
    cli_put_cost(root, "prompt_cost", &r->prompt);
    cli_put_cost(root, "token_cost", &r->steps);
    cli_put_cost(root, "deferred_cost", &r->deferred);
    return cli_print_json(root);
}

static void print_text(const struct run *r, const struct figures *f, const struct figures *full)
{
    char text[24];
    printf("Final estimate: PPL = %.4f +/- %.5f\n", f->ppl, f->error);
    if (r->full.n_bad || r->t.n_bad)
        printf("%-18s %llu positions have logits that are no numbers\n", "", (unsigned long long)(r->exits ? r->t.n_bad : r->full.n_bad));
    jb_fmt_percent(text, f->accuracy);
    printf("%-18s %s of %llu tokens, in %u windows of %u\n", "next token", text, (unsigned long long)r->full.n, r->n_chunks, r->ctx);
    if (r->exits) {
        jb_fmt_percent(text, (double)r->t.agreed / (double)r->t.n);
        printf("%-18s %s of the tokens, whose perplexity is %.4f\n", "as the full model", text, full->ppl);
    }
    printf("%-18s %.2f s, %.1f tokens/s\n", "time", r->seconds, r->seconds > 0 ? (double)r->n_chunks * r->ctx / r->seconds : NAN);
    fflush(stdout);
    if (r->exits)
        cli_say_exits(r->l.info, r->by_exit);
    if (r->exits)
        cli_say_cost("cost of prompts", &r->prompt);
    cli_say_cost("cost of tokens", &r->steps);
    if (r->exits)
        cli_say_cost("filled later", &r->deferred);
}

// As llama.cpp's -f: one newline at the end is not part of the text.
static int read_text(struct run *r, struct jb_err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = jb_read_file(r->o->file, MAX_TEXT_BYTES, &text, &n, err);
    if (!rc && n && text[n - 1] == '\n')
        n--;
    if (!rc)
        rc = cli_language_encode(&r->l, r->o->file, text, n, JB_ENCODE_ADD_SPECIAL, &r->token, &r->n_tokens, err);
    free(text);
    if (rc)
        return rc;
    r->n_chunks = r->n_tokens / r->ctx;
    if (r->o->chunks && (uint64_t)r->o->chunks < r->n_chunks)
        r->n_chunks = (uint32_t)r->o->chunks;
    return r->n_chunks ? JB_OK : jb_fail(err, JB_E_RANGE, "%s: a text of %u tokens has no window of %u (--ctx N for shorter ones)", r->o->file, r->n_tokens, r->ctx);
}

static int open_run(struct run *r, struct jb_err *err)
{
    uint32_t rows = (uint64_t)r->o->language.batch < r->ctx ? (uint32_t)r->o->language.batch : r->ctx;
    int rc = cli_policy_make(&r->policy, &r->o->policy, r->l.info, err);
    r->exits = !rc && strcmp(r->policy.ops->name, "final") != 0;
    if (!rc && r->ctx > r->l.info->max_positions)
        rc = jb_fail(err, JB_E_RANGE, "%s: windows of %u tokens; the model was made for %u", r->l.path, r->ctx, r->l.info->max_positions);
    if (!rc)
        rc = read_text(r, err);
    r->window = calloc(r->ctx, sizeof *r->window);
    r->answer = calloc(r->ctx, sizeof *r->answer);
    if (!rc && (!r->window || !r->answer))
        rc = jb_fail(err, JB_E_NOMEM, "out of memory");
    if (!rc)
        rc = cli_language_session(&r->session, &r->l, &r->o->language, rows, r->ctx, err);
    if (!rc && r->exits)
        rc = jb_sequence_open(&r->sequence, r->session, &r->policy, &r->l.schedule, r->ctx, &r->l.clock, err);
    if (!rc && r->o->logits)
        rc = jb_new_file_open(&r->out, r->o->logits, err);
    r->writes = !rc && r->o->logits;
    return rc;
}

static int perplexity(struct cli *c, const struct opts *o, const char *name, struct jb_err *err)
{
    struct run r = { .o = o, .ctx = (uint32_t)o->ctx, .first = (uint32_t)o->ctx / 2, .digest = JB_TOKEN_DIGEST };
    int rc = cli_language_open(&r.l, c, name, &o->language, true, err);
    if (rc)
        return rc;
    rc = open_run(&r, err);
    if (!rc)
        rc = run_windows(&r, err);
    if (r.writes && rc)
        jb_new_file_drop(&r.out);
    else if (r.writes)
        rc = jb_new_file_commit(&r.out, err);
    if (!rc) {
        struct figures full = judge(&r.full), f = r.exits ? judge(&r.t) : full;
        if (o->json)
            rc = print_json(&r, &f, &full) == JB_EXIT_OK ? JB_OK : jb_fail(err, JB_E_NOMEM, "out of memory");
        else
            print_text(&r, &f, &full);
    }
    jb_sequence_close(r.sequence);
    jb_session_close(r.session);
    free(r.token);
    free(r.window);
    free(r.answer);
    cli_language_close(&r.l);
    return rc;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    if (!o->file) {
        jb_fail(&err, JB_E_USAGE, "say which text: -f FILE");
        return cli_usage("perplexity", &err);
    }
    int rc = perplexity(c, o, args->item[0], &err);
    if (rc == JB_E_USAGE)
        return cli_usage("perplexity", &err);
    return rc ? cli_measure_fail(&err) : JB_EXIT_OK;
}

const struct cli_command cli_perplexity = {
    .name = "perplexity",
    .arguments = "MODEL",
    .summary = "how well a language model predicts a text, with exits",
    .about = "Cuts a text into windows, predicts the second half of each, token by token as it stands, and prints exp of the mean negative log probability. Windows, "
             "begin-of-sequence tokens, scored positions and the standard error are those of llama.cpp's perplexity, so figures compare. Under a policy that stops "
             "early the windows run a second time at full depth, which is not timed: for the agreement with the full model.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
