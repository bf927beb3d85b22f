// Filling a full-depth recording of text queries: one session, whose own threads share the work.
#include "harness/record_split.h"

#include "early_exit/sequence.h"
#include "harness/host.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workloads/text/queries.h"

#define MAX_THREADS 4

int jb_open_text_session(const struct jb_ctx *c, const struct jb_model *m, const struct jb_queries *q, enum jb_kv_kind kv, enum jb_fill fill, struct jb_session **out, struct jb_err *err)
{
    uint32_t threads = c->cores < 1 ? 1 : c->cores < MAX_THREADS ? (uint32_t)c->cores : MAX_THREADS;
    struct jb_session_opts o = jb_host_text_session(jb_model_info(m), q, threads, (uint32_t)kv, (uint32_t)fill);
    int rc = jb_session_open(out, m, &o, err);
    if (rc != JB_E_UNSUPPORTED || threads == 1) return rc;
    o.threads = 1;
    return jb_session_open(out, m, &o, err);
}

static uint32_t count_answers(const struct jb_queries *q, const uint32_t *order, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct jb_query_tokens t;
        jb_queries_at(q, order[i], &t);
        sum += t.n_steps;
    }
    return sum;
}

static int add_all(const struct jb_ctx *c, struct jb_recording *r, struct jb_session *s, const struct jb_queries *q, const uint32_t *order, uint32_t n, const char *phase, const char *what, struct jb_err *err)
{
    uint32_t first = 0;
    int rc = jb_recording_price(r, s, err);
    for (uint32_t i = 0; i < n && !rc; i++) {
        struct jb_query_tokens t;
        if (jb_ctx_stopped(c)) return jb_fail(err, JB_E_INTERRUPTED, "%s: stopped", what);
        jb_queries_at(q, order[i], &t);
        struct jb_sequence_query x = { .prompt = t.prompt, .n_prompt = t.n_prompt, .n_steps = t.n_steps, .target = t.target, .forced = true, .want_logprob = true };
        rc = jb_recording_add_sequence(r, s, &x, first, i, err);
        first += t.n_steps;
        jb_ctx_progress(c, phase, what, i + 1, n, NAN);
    }
    return rc;
}

int jb_record_texts(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_queries *q, const uint32_t *order, uint32_t n, enum jb_kv_kind kv,
                    const char *phase, const char *what, struct jb_recording *out, struct jb_err *err)
{
    struct jb_recording r;
    struct jb_session *session = NULL;
    int rc = jb_recording_open(&r, m, s, count_answers(q, order, n), err);
    if (rc) return rc;
    rc = jb_open_text_session(c, m, q, kv, JB_FILL_EXACT, &session, err);
    if (!rc) rc = add_all(c, &r, session, q, order, n, phase, what, err);
    jb_session_close(session);
    if (rc) jb_recording_close(&r);
    else *out = r;
    return rc;
}
