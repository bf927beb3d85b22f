// Recording sequences: what single steps cost, and the answers of every exit at every scored position.
#include <stdlib.h>
#include <string.h>
#include "early_exit/recorded.h"
#include "early_exit/score.h"
#include "early_exit/sequence.h"

static int check(const struct jb_recording *r, const struct jb_session *s, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(s));
    if (!r->group) return jb_fail(err, JB_E_UNSUPPORTED, "%s: a recording of images takes no sequences", info->path);
    if (info->n_exits != r->n_exits || info->n_stages != r->n_stages || info->n_classes != r->n_classes || info->row_kind != JB_ROW_POSITION)
        return jb_fail(err, JB_E_MISMATCH, "%s: a recording of another model", info->path);
    if (r->schedule.used & (r->schedule.used - 1))
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: precision %s: what an exit skips is filled at the precision of the last stage run, so a recording of sequences holds for one precision alone",
                       info->path, r->schedule.text);
    if (jb_session_options(s)->fill != JB_FILL_EXACT)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: under the %s fill later positions depend on who stopped before them, so nothing can be replayed", info->path, jb_fill_name(jb_session_options(s)->fill));
    return JB_OK;
}

static struct jb_cost minus(const struct jb_cost *a, const struct jb_cost *b)
{
    struct jb_cost c;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        c.macs[p] = a->macs[p] - b->macs[p];
        c.bytes[p] = a->bytes[p] - b->bytes[p];
    }
    return c;
}

// One step at the end of sequence 0. Its stages' costs into stage; with gates: gate and answer behind it, without: the whole head.
static int step(const struct jb_recording *r, struct jb_session *s, bool gates, struct jb_cost *stage, struct jb_cost *gate, struct jb_cost *answer, struct jb_err *err)
{
    const struct jb_row_input row = {.token = 0};
    const uint32_t only = 0;
    int rc = jb_session_begin(s, 0, &row, 1, err);
    for (uint32_t k = 0, exit = 0; k < r->n_stages && rc == 0; k++) {
        struct jb_head_row head;
        rc = jb_session_run_stage(s, k, r->schedule.stage[k], &only, 1, &stage[k]);
        if (rc || r->exit_stage[exit] != k) continue;
        if (gates && r->has_gate[exit]) rc = jb_session_run_head(s, k, &only, 1, JB_WANT_GATE, &head, &gate[exit]);
        if (rc == 0) rc = jb_session_run_head(s, k, &only, 1, JB_WANT_TOP, &head, &answer[exit]);
        exit++;
    }
    if (rc == 0) rc = jb_session_commit(s, 0, 1);
    return rc && !(err && err->code) ? jb_fail(err, rc, "a step for its cost failed: %s", jb_code_text(rc)) : rc;
}

// Costs rise by the same amount with each position: it reads one more. So two steps tell all: at position 0, and at position 1.
int jb_recording_price(struct jb_recording *r, struct jb_session *s, struct jb_err *err)
{
    struct jb_cost at[2][JB_MAX_STAGES] = {{{{0}, {0}}}}, head[2][JB_MAX_STAGES] = {{{{0}, {0}}}}, gate[JB_MAX_STAGES] = {{{0}, {0}}};
    struct jb_err why = {0};
    int rc = check(r, s, &why);
    if (rc == 0) rc = step(r, s, true, at[0], gate, head[0], &why);
    if (rc == 0 && jb_session_options(s)->max_positions > 1) {
        rc = step(r, s, false, at[1], NULL, head[1], &why);
    } else {
        memcpy(at[1], at[0], sizeof at[0]);
        memcpy(head[1], head[0], sizeof head[0]);
    }
    jb_session_reset(s, 0);
    if (rc) return jb_fail(err, rc, "%s", why.detail);
    for (uint32_t k = 0; k < r->n_stages; k++) {
        r->stage_cost[k] = at[0][k];
        r->position_cost[k] = minus(&at[1][k], &at[0][k]);
    }
    r->fill_rows = jb_session_fill_rows(jb_session_options(s));
    memcpy(r->gate_cost, gate, sizeof gate);
    memcpy(r->answer_cost, head[0], sizeof head[0]);
    memcpy(r->head_cost, head[1], sizeof head[1]);
    return JB_OK;
}

struct adding { struct jb_recording *r; const struct jb_sequence_query *q; uint32_t first; };

static int keep(void *user, uint32_t position, uint32_t exit, const struct jb_head_row *head)
{
    const struct adding *a = user;
    uint32_t t = position + 1 - a->q->n_prompt, i = a->first + t;
    if (head->n_logits != a->r->n_classes) return JB_E_MISMATCH;
    jb_recording_keep(a->r, i, exit, head);
    a->r->logprob[(size_t)i * a->r->n_exits + exit] = (float)jb_logprob(head->logits, head->n_logits, a->q->target[t]);
    return JB_OK;
}

static int check_query(const struct jb_recording *r, const struct jb_sequence_query *q, uint32_t first, struct jb_err *err)
{
    if (q->n_prompt < 1 || q->n_steps < 1 || !q->target) return jb_fail(err, JB_E_INVALID, "a query without a prompt or without targets cannot be recorded");
    if (first > r->n || q->n_steps > r->n - first) return jb_fail(err, JB_E_RANGE, "answers %u to %u of a recording of %u", first, first + q->n_steps - 1, r->n);
    return JB_OK;
}

int jb_recording_add_sequence(struct jb_recording *r, struct jb_session *s, const struct jb_sequence_query *q, uint32_t first, uint32_t group, struct jb_err *err)
{
    int rc = check(r, s, err);
    if (rc == 0) rc = check_query(r, q, first, err);
    if (rc) return rc;
    uint64_t n = (uint64_t)q->n_prompt + q->n_steps - 1;
    if (n > jb_session_options(s)->max_positions) return jb_fail(err, JB_E_RANGE, "a query of %llu positions in a session of %u", (unsigned long long)n, jb_session_options(s)->max_positions);
    uint32_t *token = malloc(n * sizeof *token), gates = 0;
    if (!token) return jb_fail(err, JB_E_NOMEM, "out of memory for %llu tokens", (unsigned long long)n);
    memcpy(token, q->prompt, q->n_prompt * sizeof *token);
    if (q->n_steps > 1) memcpy(token + q->n_prompt, q->target, (q->n_steps - 1) * sizeof *token); // the last target is answered, not read
    for (uint32_t k = 0; k < r->n_exits; k++) gates += r->has_gate[k];
    struct adding a = {r, q, first};
    struct jb_score pass = {
        .token = token, .n = (uint32_t)n, .first = q->n_prompt - 1, .want = JB_WANT_LOGITS | (gates ? JB_WANT_GATE : 0), .every_exit = true,
        .sequence = q->sequence, .cancel = q->cancel, .fn = keep, .user = &a,
    };
    rc = jb_score_run(s, &r->schedule, &pass, NULL, err);
    free(token);
    for (uint32_t t = 0; rc == 0 && t < q->n_steps; t++) {
        r->label[first + t] = q->target[t];
        r->group[first + t] = group;
        r->position[first + t] = q->n_prompt - 1 + t;
    }
    return rc;
}
