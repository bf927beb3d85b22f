// The host's text workloads: a split as a model's tokens, and sequences that are timed token by token.
//
// A query of a block is one answered token: its latency is its own step's. A prompt's last token runs apart from the rest, so the first answer's step is like any other; what came before it is in
// ttft_ns alone, and in the joules, which are those of the whole block.
#include "harness/host_data.h"

#include <stdlib.h>

#define MAX_PROMPT_ROWS 512u        // of a prompt in one pass

static const struct jb_host_work *work_of(const struct jb_host *h, const struct jb_workload *w)
{
    const struct jb_host_work *k = h->works;
    while (k && k->w != w) k = k->next;
    return k;
}

static int open_text(struct jb_host_text *t, const struct jb_model *m, const struct jb_workload *w, enum jb_split split, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_tokenizer *tokenizer = NULL;
    if (info->row_kind != JB_ROW_POSITION) return jb_fail(err, JB_E_MISMATCH, "%s: takes images; workload %s gives text", info->path, jb_workload_info(w)->name);
    int rc = jb_tokenizer_open(&tokenizer, info->file, err);
    if (!rc && jb_tokenizer_n_vocab(tokenizer) > info->n_classes)
        rc = jb_fail(err, JB_E_INVALID, "%s: the tokenizer has %zu tokens, the network knows %u", info->path, jb_tokenizer_n_vocab(tokenizer), info->n_classes);
    if (!rc) rc = jb_queries_open(&t->queries, w, split, tokenizer, info->max_positions, err);
    jb_tokenizer_close(tokenizer);
    return rc;
}

int jb_host_queries(struct jb_host *h, const struct jb_model *m, const struct jb_workload *w, enum jb_split split, const struct jb_queries **out, struct jb_err *err)
{
    const struct jb_host_work *work = work_of(h, w);
    for (struct jb_host_text *t = h->texts; t; t = t->next)
        if (t->model == m && t->work == work && t->split == (uint32_t)split) {
            *out = t->queries;
            return 0;
        }
    struct jb_host_text *t = calloc(1, sizeof *t);
    if (!t) return jb_fail(err, JB_E_NOMEM, "queries");
    *t = (struct jb_host_text){ .model = m, .work = work, .split = (uint32_t)split };
    int rc = open_text(t, m, w, split, err);
    if (rc) {
        free(t);
        return rc;
    }
    t->next = h->texts;
    h->texts = t;
    *out = t->queries;
    return 0;
}

void jb_host_close_texts(struct jb_host *h)
{
    while (h->texts) {
        struct jb_host_text *t = h->texts;
        h->texts = t->next;
        jb_queries_close(t->queries);
        free(t);
    }
}

struct jb_session_opts jb_host_text_session(const struct jb_model_info *info, const struct jb_queries *q, uint32_t threads, uint32_t kv, uint32_t fill)
{
    uint32_t most = jb_queries_most_positions(q);
    if (info->max_positions && most > info->max_positions) most = info->max_positions;
    return (struct jb_session_opts){ .max_rows = most < MAX_PROMPT_ROWS ? most : MAX_PROMPT_ROWS, .max_positions = most, .threads = threads, .max_sequences = 1, .kv = (enum jb_kv_kind)kv, .fill = (enum jb_fill)fill };
}

static uint32_t most_steps(const struct jb_queries *q)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < jb_queries_count(q); i++) {
        struct jb_query_tokens t;
        jb_queries_at(q, i, &t);
        if (t.n_steps > most) most = t.n_steps;
    }
    return most;
}

int jb_host_open_sequence(struct jb_host_stream *s, const struct jb_host_lane *lane, const struct jb_host *h, struct jb_err *err)
{
    struct jb_session_opts o = jb_host_text_session(jb_model_info(lane->model), lane->queries, lane->threads, lane->kv, lane->fill);
    int rc = jb_session_open(&s->session, lane->model, &o, err);
    return rc ? rc : jb_sequence_open(&s->sequence, s->session, &lane->policy, &lane->schedule, most_steps(lane->queries), &h->o.clock, err);
}

// The test aid that makes every token slower by a known share of its own time: the next token's step is late by it.
struct drag { const struct jb_host *h; uint64_t last_ns, began_ns; };
static void drag_on(void *user, uint32_t i, const struct jb_token_result *t)
{
    struct drag *d = user;
    uint64_t now = d->h->o.clock.now_ns(d->h->o.clock.self), until = now + (uint64_t)((double)(t->at_ns - d->last_ns) * d->h->o.slow_query);
    if (i == 0) until = now; // its time holds the prompt
    while (now < until) now = d->h->o.clock.now_ns(d->h->o.clock.self);
    d->last_ns = now - d->began_ns;
}

// The tokens of one sequence behind the q that are there.
static uint32_t keep(struct jb_host_stream *s, const struct jb_host_lane *lane, const struct jb_query_tokens *t, const struct jb_sequence_result *r, uint32_t q)
{
    uint8_t precision[JB_MAX_STAGES];
    for (uint32_t k = 0; k < JB_MAX_STAGES; k++) precision[k] = (uint8_t)jb_schedule_at(&lane->schedule, k, 0);
    s->ttft_ns[s->n_sequences] = r->ttft_ns;
    s->prompt_tokens[s->n_sequences] = t->n_prompt;
    s->first_query[s->n_sequences++] = q;
    for (uint32_t i = 0; i < r->n_tokens; i++, q++) {
        const struct jb_token_result *x = &r->tokens[i];
        s->latency_ns[q] = x->at_ns - (i ? r->tokens[i - 1].at_ns : r->prompt_ns);
        s->sample[q] = t->first + i;
        s->prediction[q] = x->token;
        s->exit[q] = (uint8_t)x->exit;
        s->pattern[q] = jb_pattern_of(precision, x->n_stages);
    }
    return q;
}

int jb_host_run_sequences(const struct jb_host *h, const struct jb_host_lane *lane, struct jb_host_stream *s, const struct jb_host_limits *l)
{
    const struct jb_host_work *k = lane->work;
    uint64_t start = h->o.clock.now_ns(h->o.clock.self), elapsed = 0;
    uint32_t q = 0, n_stop;
    const uint32_t *stop = jb_queries_stop(lane->queries, &n_stop);
    s->n_sequences = 0;
    while (elapsed < l->max_ns && (elapsed < l->min_ns || q < l->min_queries)) {
        struct jb_query_tokens t;
        struct jb_sequence_result r;
        struct drag drag = { .h = h, .began_ns = h->o.clock.now_ns(h->o.clock.self) };
        jb_queries_at(lane->queries, k->order[s->at], &t);
        if (q + t.n_steps > s->capacity || s->n_sequences == s->sequence_room) break;
        if (++s->at == k->n_order) s->at = 0;
        struct jb_sequence_query x = { .prompt = t.prompt, .n_prompt = t.n_prompt, .n_steps = t.n_steps, .target = t.target, .forced = t.forced, .stop = stop, .n_stop = n_stop, .apart = true,
                                       .on_token = h->o.slow_query > 0 ? drag_on : NULL, .user = &drag };
        int rc = jb_sequence_run(s->sequence, &x, &r, NULL);
        if (rc) return rc;
        q = keep(s, lane, &t, &r, q);
        elapsed = h->o.clock.now_ns(h->o.clock.self) - start;
    }
    s->n_queries = q;
    return q ? 0 : JB_E_RANGE;
}
