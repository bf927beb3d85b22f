// The session as callers see it: checks rows and their order, then hands on to the row of the model's family.
#include <stdlib.h>
#include <string.h>

#include "runtime/model_impl.h"

struct jb_session {
    const struct jb_model *model;
    const struct jb_arch_ops *arch;
    struct jb_session_opts opts;
    void *state;
    size_t n_bytes;
    uint32_t max_rows, n_rows, part;
    uint32_t *next; // per row: the stage that it may run now
};

int jb_session_open(struct jb_session **out, const struct jb_model *m, const struct jb_session_opts *opts, struct jb_err *err)
{
    if (opts->threads > 1 && !m->arch->pool)
        return jb_fail(err, JB_E_UNSUPPORTED, "%u threads in one session (%s networks run on 1)", opts->threads, m->arch->name);
    if (opts->max_rows < 1)
        return jb_fail(err, JB_E_INVALID, "a session needs at least one row");
    if (opts->max_rows > 65536)
        return jb_fail(err, JB_E_RANGE, "%u rows in one session (limit 65,536)", opts->max_rows);
    struct jb_session *s = calloc(1, sizeof *s);
    if (!s)
        return jb_fail(err, JB_E_NOMEM, "no memory for a session");
    s->model = m;
    s->arch = m->arch;
    s->opts = *opts;
    s->opts.cpus = NULL;
    if (!opts->threads) s->opts.threads = 1;
    if (!opts->max_sequences) s->opts.max_sequences = 1;
    if (!opts->max_positions) s->opts.max_positions = m->info.max_positions;
    s->max_rows = opts->max_rows;
    s->next = calloc(opts->max_rows, sizeof *s->next);
    int rc = s->next ? m->arch->open(&s->state, &s->n_bytes, m->impl, opts, err) : jb_fail(err, JB_E_NOMEM, "no memory for a session");
    if (rc) {
        jb_session_close(s);
        return rc;
    }
    s->n_bytes += sizeof *s + opts->max_rows * sizeof *s->next;
    *out = s;
    return JB_OK;
}

void jb_session_close(struct jb_session *s)
{
    if (!s)
        return;
    if (s->state)
        s->arch->close(s->state);
    free(s->next);
    free(s);
}

size_t jb_session_bytes(const struct jb_session *s)
{
    return s->n_bytes;
}

const struct jb_model *jb_session_model(const struct jb_session *s)
{
    return s->model;
}

const struct jb_session_opts *jb_session_options(const struct jb_session *s)
{
    return &s->opts;
}

int jb_session_begin(struct jb_session *s, uint32_t part, const struct jb_row_input *rows, uint32_t n_rows, struct jb_err *err)
{
    const struct jb_model_info *info = &s->model->info;
    if (part >= info->n_parts)
        return jb_fail(err, JB_E_INVALID, "part %u of a model with %u", part, info->n_parts);
    if (n_rows < 1 || n_rows > s->max_rows)
        return jb_fail(err, JB_E_RANGE, "%u rows in a session opened for %u", n_rows, s->max_rows);
    s->n_rows = 0; // a failed begin leaves no rows
    int rc = s->arch->begin(s->state, part, rows, n_rows);
    if (rc)
        return jb_fail(err, rc, "%s", rc == JB_E_RANGE ? "a token, sequence or position is out of range" : "a row without its input, or a part that cannot begin now");
    s->part = part;
    s->n_rows = n_rows;
    for (uint32_t i = 0; i < n_rows; i++)
        s->next[i] = info->part_stage[part];
    return JB_OK;
}

// Rows must rise, be of this begin, and stand before stage `next`.
static int check_rows(const struct jb_session *s, const uint32_t *rows, uint32_t n, uint32_t next)
{
    for (uint32_t i = 0; i < n; i++)
        if (rows[i] >= s->n_rows || (i && rows[i] <= rows[i - 1]) || s->next[rows[i]] != next)
            return JB_E_INVALID;
    return JB_OK;
}

int jb_session_run_stage(struct jb_session *s, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n_rows, struct jb_cost *cost)
{
    if (stage >= s->model->info.part_stage[s->part + 1] || (int)p < 0 || p >= JB_PREC_COUNT)
        return JB_E_INVALID;
    int rc = check_rows(s, rows, n_rows, stage);
    if (!rc)
        rc = s->arch->run_stage(s->state, stage, p, rows, n_rows, cost);
    for (uint32_t i = 0; i < n_rows && !rc; i++)
        s->next[rows[i]] = stage + 1;
    return rc;
}

int jb_session_run_head(struct jb_session *s, uint32_t stage, const uint32_t *rows, uint32_t n_rows, uint32_t want, struct jb_head_row *out, struct jb_cost *cost)
{
    if (stage >= s->model->info.n_stages)
        return JB_E_INVALID;
    if (s->model->info.stages[stage].exit < 0)
        return JB_E_UNSUPPORTED;
    int rc = check_rows(s, rows, n_rows, stage + 1);
    return rc ? rc : s->arch->run_head(s->state, stage, rows, n_rows, want, out, cost);
}

int jb_session_commit(struct jb_session *s, uint32_t row, uint32_t n)
{
    if (row >= s->n_rows)
        return JB_E_INVALID;
    return s->arch->commit ? s->arch->commit(s->state, row, n) : JB_OK;
}

int jb_session_rollback(struct jb_session *s, uint32_t row, uint32_t n)
{
    if (row >= s->n_rows)
        return JB_E_INVALID;
    return s->arch->rollback ? s->arch->rollback(s->state, row, n) : JB_OK;
}

int jb_session_settle(struct jb_session *s, struct jb_cost *cost)
{
    return s->arch->settle ? s->arch->settle(s->state, cost) : JB_OK;
}

uint32_t jb_session_fill_rows(const struct jb_session_opts *o)
{
    return o->max_rows < 64 ? 64 : o->max_rows > 512 ? 512 : o->max_rows;
}

int jb_session_deferred(const struct jb_session *s, uint32_t sequence, uint32_t position, struct jb_cost *cost)
{
    *cost = (struct jb_cost){ 0 };
    return s->arch->deferred ? s->arch->deferred(s->state, sequence, position, cost) : JB_OK;
}

int jb_session_reset(struct jb_session *s, uint32_t sequence)
{
    return s->arch->reset ? s->arch->reset(s->state, sequence) : JB_OK;
}

int jb_session_observe(struct jb_session *s, jb_observe_fn fn, void *self)
{
    if (!s->arch->observe)
        return JB_E_UNSUPPORTED;
    s->arch->observe(s->state, fn, self);
    return JB_OK;
}

static int find_name(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static const char *const fill_names[JB_FILL_COUNT] = { "exact", "frozen" }, *const kv_names[JB_KV_COUNT] = { "f16", "int8" };

const char *jb_fill_name(int f)
{
    return f >= 0 && f < JB_FILL_COUNT ? fill_names[f] : "?";
}

int jb_fill_parse(const char *name)
{
    return find_name(fill_names, JB_FILL_COUNT, name);
}

const char *jb_kv_name(int kind)
{
    return kind >= 0 && kind < JB_KV_COUNT ? kv_names[kind] : "?";
}

int jb_kv_parse(const char *name)
{
    return find_name(kv_names, JB_KV_COUNT, name);
}
