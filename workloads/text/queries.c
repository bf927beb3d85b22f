#include "workloads/text/queries.h"

#include <stdlib.h>

#define MAX_ANSWERS (1u << 26)
#define MAX_STOP 16u

struct entry { size_t at; uint32_t n_prompt, n_steps, first; bool forced; };

struct jb_queries {
    struct jb_tokens tokens;             // of all queries, one behind the other
    struct entry *entries;
    uint32_t n, n_answers, most;
    uint32_t stop[MAX_STOP], n_stop;
};

static int encode(struct jb_queries *q, const struct jb_tokenizer *t, const char *text, size_t n, bool chat, struct jb_err *err)
{
    return jb_tokenizer_encode(t, text, n, chat ? JB_ENCODE_PARSE_SPECIAL : 0, &q->tokens, NULL, err);
}

static int add(struct jb_queries *q, uint32_t i, const struct jb_text_query *x, const struct jb_tokenizer *t, uint32_t max_positions, struct jb_err *err)
{
    struct entry *e = &q->entries[i];
    *e = (struct entry){ .at = q->tokens.n, .first = q->n_answers, .forced = x->forced };
    int rc = jb_tokenizer_adds_bos(t) && jb_tokenizer_bos(t) != JB_NO_TOKEN ? jb_tokens_add(&q->tokens, jb_tokenizer_bos(t)) : 0;
    if (!rc) rc = encode(q, t, x->text, x->prompt_bytes, x->chat, err);
    size_t middle = q->tokens.n;
    if (!rc && x->forced) rc = encode(q, t, x->text + x->prompt_bytes, x->n_bytes - x->prompt_bytes, x->chat, err);
    if (rc == JB_E_NOMEM) return jb_fail(err, rc, "query %u: out of memory", i);
    if (rc) return rc;
    size_t n_prompt = middle - e->at, n_steps = x->forced ? q->tokens.n - middle : x->n_new;
    if (!n_prompt || !n_steps) return jb_fail(err, JB_E_INVALID, "query %u: %s has no tokens", i, n_prompt ? "what follows the prompt" : "the prompt");
    if (n_prompt + n_steps > (max_positions ? max_positions : MAX_ANSWERS))
        return jb_fail(err, JB_E_RANGE, "query %u: %zu tokens of prompt and %zu to answer do not fit the model's %u positions", i, n_prompt, n_steps, max_positions ? max_positions : MAX_ANSWERS);
    if (q->n_answers + n_steps > MAX_ANSWERS) return jb_fail(err, JB_E_RANGE, "more than %u tokens to answer", MAX_ANSWERS);
    e->n_prompt = (uint32_t)n_prompt;
    e->n_steps = (uint32_t)n_steps;
    q->n_answers += e->n_steps;
    if (e->n_prompt + e->n_steps > q->most) q->most = e->n_prompt + e->n_steps;
    return JB_OK;
}

static void find_stops(struct jb_queries *q, const struct jb_tokenizer *t)
{
    for (size_t id = 0; id < jb_tokenizer_n_vocab(t) && q->n_stop < MAX_STOP; id++)
        if (jb_tokenizer_is_end(t, (int32_t)id)) q->stop[q->n_stop++] = (uint32_t)id;
}

int jb_queries_open(struct jb_queries **out, const struct jb_workload *w, enum jb_split s, const struct jb_tokenizer *t, uint32_t max_positions, struct jb_err *err)
{
    const struct jb_workload_info *info = jb_workload_info(w);
    if (!jb_workload_is_text(w)) return jb_fail(err, JB_E_MISMATCH, "workload %s gives no text", info->name);
    struct jb_queries *q = calloc(1, sizeof *q);
    if (!q || !(q->entries = calloc((size_t)info->n[s] + 1, sizeof *q->entries))) {
        jb_queries_close(q);
        return jb_fail(err, JB_E_NOMEM, "workload %s: out of memory", info->name);
    }
    struct jb_err why = { 0 };
    int rc = 0;
    for (; q->n < info->n[s] && !rc; q->n += !rc) {
        struct jb_text_query x;
        rc = jb_workload_text(w, s, q->n, &x);
        if (!rc) rc = add(q, q->n, &x, t, max_positions, &why);
    }
    if (rc) {
        jb_queries_close(q);
        return jb_fail(err, rc, "workload %s: %s", info->name, why.detail[0] ? why.detail : jb_code_text(rc));
    }
    find_stops(q, t);
    *out = q;
    return JB_OK;
}

void jb_queries_close(struct jb_queries *q)
{
    if (!q) return;
    jb_tokens_free(&q->tokens);
    free(q->entries);
    free(q);
}

uint32_t jb_queries_count(const struct jb_queries *q) { return q->n; }
uint32_t jb_queries_answers(const struct jb_queries *q) { return q->n_answers; }
uint32_t jb_queries_most_positions(const struct jb_queries *q) { return q->most; }

void jb_queries_at(const struct jb_queries *q, uint32_t i, struct jb_query_tokens *out)
{
    const struct entry *e = &q->entries[i];
    const uint32_t *tokens = (const uint32_t *)q->tokens.id + e->at; // ids are not negative; signed and unsigned of one type may alias
    *out = (struct jb_query_tokens){ .prompt = tokens, .n_prompt = e->n_prompt, .target = e->forced ? tokens + e->n_prompt : NULL, .n_steps = e->n_steps, .first = e->first, .forced = e->forced };
}

uint32_t jb_queries_of(const struct jb_queries *q, uint32_t answer)
{
    uint32_t low = 0, high = q->n;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (q->entries[middle].first <= answer) low = middle;
        else high = middle;
    }
    return low;
}

const uint32_t *jb_queries_stop(const struct jb_queries *q, uint32_t *n)
{
    *n = q->n_stop;
    return q->stop;
}
