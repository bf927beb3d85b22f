// Filling a full-depth recording on several threads. Each has its own session; samples are handed out in small portions.
#include "harness/record_split.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PORTION 8u
#define MAX_THREADS 4

struct job {
    const struct jb_ctx *c;
    const struct jb_workload *w;
    enum jb_split split;
    const uint32_t *order;
    uint32_t n;
    struct jb_recording *r;
    atomic_uint next;
    atomic_int rc;                       // the first failure
    const char *phase, *what;
};
struct hand { struct job *job; struct jb_session *session; pthread_t thread; bool speaks; };

static int add_portion(struct job *j, struct jb_session *s, uint32_t from)
{
    for (uint32_t i = from; i < j->n && i < from + PORTION; i++) {
        struct jb_row_input row;
        uint32_t label;
        int rc = jb_workload_sample(j->w, j->split, j->order ? j->order[i] : i, &row, &label);
        if (!rc) rc = jb_recording_add(j->r, s, i, row.data, label);
        if (rc) return rc;
    }
    return 0;
}

static void *work(void *arg)
{
    struct hand *h = arg;
    struct job *j = h->job;
    uint32_t told = 0;
    for (;;) {
        if (jb_ctx_stopped(j->c)) atomic_store(&j->rc, JB_E_INTERRUPTED);
        uint32_t from = atomic_fetch_add(&j->next, PORTION);
        if (from >= j->n || atomic_load(&j->rc)) return NULL;
        int rc = add_portion(j, h->session, from);
        if (rc) atomic_store(&j->rc, rc);
        if (h->speaks && from >= told + 256) {
            jb_ctx_progress(j->c, j->phase, j->what, from, j->n, NAN);
            told = from;
        }
    }
}

static int run_hands(struct job *j, const struct jb_model *m, struct jb_err *err)
{
    struct hand hands[MAX_THREADS] = { 0 };
    struct jb_session_opts o = { .max_rows = 1, .threads = 1 };
    int n = j->c->cores < MAX_THREADS ? j->c->cores : MAX_THREADS, open = 0, running = 1, rc = 0;
    for (; open < n && !rc; open += !rc) {
        hands[open] = (struct hand){ .job = j, .speaks = open == 0 };
        rc = jb_session_open(&hands[open].session, m, &o, err);
    }
    if (!rc) {
        while (running < open && !pthread_create(&hands[running].thread, NULL, work, &hands[running])) running++; // fewer threads: slower, no failure
        work(&hands[0]);
        for (int i = 1; i < running; i++) pthread_join(hands[i].thread, NULL);
    }
    for (int i = 0; i < open; i++) jb_session_close(hands[i].session);
    return rc;
}

// A text workload's split: labels become what the full model answers, so that a loss is the share of answers that differ from it.
static int record_text_split(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_workload *w, enum jb_split split, const char *phase, const char *what,
                             struct jb_recording *out, struct jb_err *err)
{
    const struct jb_queries *q = NULL;
    uint32_t *order = NULL, n = 0;
    int rc = jb_host_queries(c->host, m, w, split, &q, err);
    if (!rc && jb_sample_order(jb_workload_info(w), split, c->s.accuracy_samples, c->s.seed, &order, &n)) rc = jb_fail(err, JB_E_NOMEM, "order of queries");
    if (!rc) rc = jb_record_texts(c, m, s, q, order, n, JB_KV_F16, phase, what, out, err);
    free(order);
    if (rc) return rc;
    memcpy(out->split_sha256, jb_workload_info(w)->sha256[split], sizeof out->split_sha256);
    jb_recording_label_by_agreement(out);
    return 0;
}

int jb_record_split(const struct jb_ctx *c, const struct jb_model *m, const struct jb_schedule *s, const struct jb_workload *w, enum jb_split split, const uint32_t *order,
                    uint32_t n, const char *phase, const char *what, struct jb_recording *out, struct jb_err *err)
{
    struct jb_recording r;
    if (jb_workload_is_text(w)) return record_text_split(c, m, s, w, split, phase, what, out, err);
    int rc = jb_recording_open(&r, m, s, n, err);
    if (rc) return rc;
    memcpy(r.split_sha256, jb_workload_info(w)->sha256[split], sizeof r.split_sha256);
    struct job j = { .c = c, .w = w, .split = split, .order = order, .n = n, .r = &r, .phase = phase, .what = what };
    jb_ctx_progress(c, phase, what, 0, n, NAN);
    rc = run_hands(&j, m, err);
    if (!rc && (rc = atomic_load(&j.rc))) rc = jb_fail(err, rc, "%s: %s", what, rc == JB_E_INTERRUPTED ? "stopped" : "a sample could not be run");
    if (rc) {
        jb_recording_close(&r);
        return rc;
    }
    *out = r;
    return 0;
}
