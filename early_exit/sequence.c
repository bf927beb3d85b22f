// One query: prompt, steps, deferred work. The loop over stages and exits is adaptive.c's; here are positions, tokens and time.
#include "early_exit/sequence.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"

struct jb_sequence {
    struct jb_session *session;             // borrowed
    struct jb_adaptive *loop;
    const struct jb_session_opts *opts;     // of the session
    struct jb_clock clock;
    uint32_t max_rows, max_steps, n_classes;
    struct jb_row_input *rows;              // (max_rows)
    struct jb_query_result *results;        // (max_rows)
    struct jb_token_result *tokens;         // (max_steps)
    size_t bytes;
    // of the running query
    const struct jb_sequence_query *q;
    struct jb_rng rng;
    uint64_t began_ns;
    uint32_t n_tokens, drawn;
    float logprob;
};

// What is wanted of the head from which an answer comes. An answer is one row: the last of the prompt, or a step.
static void on_answer(void *user, uint32_t row, uint32_t exit, const struct jb_head_row *head)
{
    struct jb_sequence *s = user;
    const struct jb_sequence_query *q = s->q;
    (void)row, (void)exit;
    s->drawn = jb_head_prediction(head);
    if (q->temperature > 0) s->drawn = jb_draw(head->logits, head->n_logits, q->temperature, &s->rng);
    s->logprob = q->want_logprob ? (float)jb_logprob(head->logits, head->n_logits, q->target ? q->target[s->n_tokens] : s->drawn) : NAN;
}

static int refuse_model(const struct jb_model_info *info, struct jb_err *err)
{
    if (info->row_kind == JB_ROW_POSITION && info->n_parts == 1) return JB_OK;
    return jb_fail(err, JB_E_UNSUPPORTED, "%s: not a model of one sequence of tokens", info->path);
}

int jb_sequence_open(struct jb_sequence **out, struct jb_session *session, const struct jb_policy *policy, const struct jb_schedule *schedule, uint32_t max_steps,
                     const struct jb_clock *clock, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(session));
    int rc = refuse_model(info, err);
    if (rc) return rc;
    if (max_steps < 1) return jb_fail(err, JB_E_RANGE, "a query needs room for at least one answer");
    struct jb_sequence *s = calloc(1, sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "out of memory");
    s->session = session;
    s->opts = jb_session_options(session);
    s->clock = *clock;
    s->max_rows = s->opts->max_rows;
    s->max_steps = max_steps;
    s->n_classes = info->n_classes;
    s->rows = calloc(s->max_rows, sizeof *s->rows);
    s->results = calloc(s->max_rows, sizeof *s->results);
    s->tokens = calloc(max_steps, sizeof *s->tokens);
    if (!s->rows || !s->results || !s->tokens) rc = jb_fail(err, JB_E_NOMEM, "out of memory for %u rows and %u answers", s->max_rows, max_steps);
    if (rc == 0) rc = jb_adaptive_open(&s->loop, session, policy, schedule, s->max_rows, err);
    if (rc) {
        jb_sequence_close(s);
        return rc;
    }
    s->bytes = sizeof *s + s->max_rows * (sizeof *s->rows + sizeof *s->results) + (size_t)max_steps * sizeof *s->tokens + jb_adaptive_bytes(s->loop);
    *out = s;
    return JB_OK;
}

void jb_sequence_close(struct jb_sequence *s)
{
    if (!s) return;
    jb_adaptive_close(s->loop);
    free(s->rows);
    free(s->results);
    free(s->tokens);
    free(s);
}

void jb_sequence_set(struct jb_sequence *s, const struct jb_policy *policy, const struct jb_schedule *schedule)
{
    jb_adaptive_set(s->loop, policy, schedule);
}

size_t jb_sequence_bytes(const struct jb_sequence *s)
{
    return s->bytes;
}

uint64_t jb_token_digest(uint64_t digest, uint32_t token)
{
    for (int i = 0; i < 4; i++) digest = (digest ^ (token >> (8 * i) & 0xff)) * 0x100000001b3u;
    return digest;
}

static int check_tokens(const struct jb_sequence *s, const uint32_t *token, uint32_t n, const char *what, struct jb_err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (token[i] >= s->n_classes) return jb_fail(err, JB_E_RANGE, "%s token %u is %u, and the vocabulary has %u", what, i, token[i], s->n_classes);
    return JB_OK;
}

static int check(const struct jb_sequence *s, const struct jb_sequence_query *q, struct jb_err *err)
{
    uint64_t positions = (uint64_t)q->n_prompt + (q->forced ? q->n_steps - 1 : 0);
    if (q->n_prompt < 1) return jb_fail(err, JB_E_INVALID, "an empty prompt: there is nothing to go on from");
    if (q->n_steps < 1 || q->n_steps > s->max_steps) return jb_fail(err, JB_E_RANGE, "%u answers, must be 1 to %u", q->n_steps, s->max_steps);
    if (q->forced && !q->target) return jb_fail(err, JB_E_INVALID, "a query cannot be forced without targets");
    if (!(q->temperature >= 0 && q->temperature <= 1e6)) return jb_fail(err, JB_E_RANGE, "temperature %g, must be 0 (greedy) to 1e6", q->temperature);
    if (q->temperature > 0 && q->target) return jb_fail(err, JB_E_INVALID, "a query with targets is not drawn: temperature %g", q->temperature);
    if (positions > s->opts->max_positions)
        return jb_fail(err, JB_E_RANGE, "%s of %llu tokens is longer than the context of %u", q->forced ? "a query" : "a prompt", (unsigned long long)positions, s->opts->max_positions);
    int rc = check_tokens(s, q->prompt, q->n_prompt, "prompt", err);
    return rc || !q->target ? rc : check_tokens(s, q->target, q->n_steps, "target", err);
}

static bool cancelled(const struct jb_sequence *s)
{
    return s->q->cancel && *s->q->cancel;
}

// n tokens from `token` on as rows; the last one is asked for an answer if `answers`. Their costs: silent rows into *silent, the answer's into its result.
static int run_rows(struct jb_sequence *s, const uint32_t *token, uint32_t n, bool answers, struct jb_cost *silent, struct jb_err *err)
{
    uint32_t n_silent = n - answers;
    for (uint32_t i = 0; i < n; i++) s->rows[i] = (struct jb_row_input){.token = token[i], .sequence = s->q->sequence};
    int rc = jb_adaptive_run_behind(s->loop, s->rows, n, n_silent, s->results);
    if (rc) return jb_fail(err, rc, "%s", jb_adaptive_error(s->loop)->detail);
    for (uint32_t i = 0; i < n_silent; i++) jb_cost_add(silent, &s->results[i].cost);
    rc = jb_session_commit(s->session, 0, n);
    return rc ? jb_fail(err, rc, "%u positions could not be kept: %s", n, jb_code_text(rc)) : JB_OK;
}

// The last row's result as answer number n_tokens.
static void take_answer(struct jb_sequence *s, const struct jb_query_result *r, struct jb_sequence_result *out)
{
    struct jb_token_result *t = &s->tokens[s->n_tokens];
    *t = (struct jb_token_result){
        .token = s->drawn,
        .exit = r->exit,
        .n_stages = r->n_stages,
        .confidence = r->confidence[r->n_reached - 1],
        .logprob = s->logprob,
        .at_ns = s->clock.now_ns(s->clock.self) - s->began_ns,
        .cost = r->cost,
    };
    jb_cost_add(&out->steps, &t->cost);
    out->by_exit[t->exit]++;
    out->digest = jb_token_digest(out->digest, t->token);
    if (s->n_tokens == 0) out->ttft_ns = t->at_ns;
    out->n_tokens = ++s->n_tokens;
    if (s->q->on_token) s->q->on_token(s->q->user, s->n_tokens - 1, t);
}

// The prompt, and the first answer behind it, unless it is cancelled before.
static int run_prompt(struct jb_sequence *s, struct jb_sequence_result *out, struct jb_err *err)
{
    const struct jb_sequence_query *q = s->q;
    for (uint32_t at = 0; at < q->n_prompt;) {
        if (cancelled(s)) return JB_OK;
        uint32_t left = q->n_prompt - at;
        if (q->apart && left == 1) out->prompt_ns = s->clock.now_ns(s->clock.self) - s->began_ns;
        if (q->apart && left > 1) left--;
        uint32_t n = left < s->max_rows ? left : s->max_rows;
        bool last = at + n == q->n_prompt;
        int rc = run_rows(s, q->prompt + at, n, last, &out->prompt, err);
        if (rc) return rc;
        out->n_positions = at += n;
        if (last) take_answer(s, &s->results[n - 1], out);
    }
    return JB_OK;
}

static bool is_stop(const struct jb_sequence_query *q, uint32_t token)
{
    for (uint32_t i = 0; i < q->n_stop && !q->forced; i++)
        if (q->stop[i] == token) return true;
    return false;
}

// Why the query is over with the answers it has; false: it is not.
static bool is_over(const struct jb_sequence *s, const struct jb_sequence_result *r, enum jb_sequence_end *end)
{
    const struct jb_sequence_query *q = s->q;
    if (s->n_tokens && is_stop(q, s->tokens[s->n_tokens - 1].token)) *end = JB_END_STOP;
    else if (s->n_tokens == q->n_steps) *end = JB_END_STEPS;
    else if (r->n_positions == s->opts->max_positions) *end = JB_END_CONTEXT;
    else if (!s->n_tokens || cancelled(s)) *end = JB_END_CANCELLED; // no answer: it was cancelled in the prompt
    else return false;
    return true;
}

static int run_steps(struct jb_sequence *s, struct jb_sequence_result *out, struct jb_err *err)
{
    while (!is_over(s, out, &out->end)) {
        uint32_t next = s->q->forced ? s->q->target[s->n_tokens - 1] : s->tokens[s->n_tokens - 1].token;
        int rc = run_rows(s, &next, 1, true, NULL, err);
        if (rc) return rc;
        out->n_positions++;
        take_answer(s, &s->results[0], out);
    }
    return JB_OK;
}

// Deferred work, and the end of the clock.
static int finish(struct jb_sequence *s, struct jb_sequence_result *out, struct jb_err *err)
{
    int rc = s->q->settle && out->n_positions ? jb_session_settle(s->session, NULL) : JB_OK;
    out->total_ns = s->clock.now_ns(s->clock.self) - s->began_ns;
    if (rc == 0 && out->n_positions) rc = jb_session_deferred(s->session, s->q->sequence, JB_ALL_POSITIONS, &out->deferred);
    out->tokens = s->tokens;
    return rc ? jb_fail(err, rc, "deferred work failed: %s", jb_code_text(rc)) : JB_OK;
}

int jb_sequence_run(struct jb_sequence *s, const struct jb_sequence_query *q, struct jb_sequence_result *out, struct jb_err *err)
{
    struct jb_sequence_result r = {.digest = JB_TOKEN_DIGEST};
    int rc = check(s, q, err);
    if (rc) return rc;
    s->q = q;
    s->n_tokens = 0;
    if (q->temperature > 0) jb_rng_seed_named(&s->rng, q->seed, "tokens");
    jb_adaptive_watch(s->loop, q->want_logprob || q->temperature > 0 ? JB_WANT_LOGITS : 0, on_answer, s);
    s->began_ns = s->clock.now_ns(s->clock.self);
    rc = run_prompt(s, &r, err);
    if (rc == 0) rc = run_steps(s, &r, err);
    if (rc == 0) rc = finish(s, &r, err);
    int forgot = jb_session_reset(s->session, q->sequence);
    if (rc == 0 && forgot) rc = jb_fail(err, forgot, "the sequence could not be forgotten: %s", jb_code_text(forgot));
    if (rc == 0) *out = r;
    return rc;
}
