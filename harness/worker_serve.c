// The worker's side: opens a plan as a sweep does (in memory), then measures the blocks that it is told to.
#include "harness/worker.h"

#include "harness/ctx.h"
#include "harness/peak_rss.h"
#include "harness/wire.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct server {
    const struct jb_sweep_opts *o;
    struct jb_plan *plan;
    struct jb_sweep_opts opts;       // of the plan that is open: no directory, its own pattern
    struct jb_ctx *c;                // NULL: nothing is open
    bool limits;                     // the leader sets power limits
    struct jb_wire in;
    int out;
};

static void close_plan(struct server *s)
{
    if (s->c) jb_ctx_close(s->c);
    free(s->c);
    jb_plan_close(s->plan);
    s->c = NULL;
    s->plan = NULL;
}

static cJSON *answer(void)
{
    cJSON *o = cJSON_CreateObject();
    if (o && jb_json_put_bool(o, "ok", true)) return o;
    cJSON_Delete(o);
    return NULL;
}

static cJSON *failure(int code, const struct jb_err *why)
{
    cJSON *o = cJSON_CreateObject();
    if (o && jb_json_put_bool(o, "ok", false) && jb_json_put_str(o, "code", jb_code_name(code)) && jb_json_put_str(o, "detail", why->detail)) return o;
    cJSON_Delete(o);
    return NULL;
}

// Left out where it is not known.
static bool put_peak(cJSON *out)
{
    uint64_t bytes = jb_peak_rss_bytes();
    return !bytes || jb_json_put_u64(out, "peak_rss_bytes", bytes);
}

// ---- open ----

static int read_sets(const struct jb_json_doc *doc, struct jb_plan_set *set, char text[][1024], size_t *n, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc->root, "set");
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i; i = i->next) {
        const char *equals = cJSON_IsString(i) ? strchr(i->valuestring, '=') : NULL;
        size_t key = equals ? (size_t)(equals - i->valuestring) : 0;
        if (*n == JB_SIDE_MAX || !key || key >= sizeof text[0]) return jb_fail(err, JB_E_INVALID, "\"set\" must hold at most %d \"KEY=VALUE\"", JB_SIDE_MAX);
        memcpy(text[*n], i->valuestring, key);
        text[*n][key] = 0;
        set[*n] = (struct jb_plan_set){ text[*n], equals + 1 };
        ++*n;
    }
    return 0;
}

// bare: nothing but what blocks need.
static int run_accuracy(struct server *s, bool bare, struct jb_err *err)
{
    struct jb_ctx *c = s->c;
    int rc = jb_ctx_open(c, &s->opts, &s->plan->settings, s->plan->dir, err);
    if (bare) return rc ? rc : jb_store_open(&c->store, NULL, false, jb_record_apply, &c->record, err);
    if (!rc) rc = jb_ctx_from_plan(c, s->plan, err);
    for (size_t i = 0; i < c->n_cells && !rc && !s->limits; i++)
        if (!isnan(c->cells[i].power_limit_w)) rc = jb_fail(err, JB_E_UNSUPPORTED, "power_limit_w: a worker sets no limits, and its leader has not said that it does (\"limits\")");
    if (!rc) rc = jb_store_open(&c->store, NULL, false, jb_record_apply, &c->record, err);
    c->measured = true;
    if (!rc) rc = jb_record_write(&c->record, c->store, jb_run_line(c, s->plan), err);
    return rc ? rc : jb_accuracy_pass(c, err);
}

static bool put_cell(cJSON *list, const struct jb_ctx *c, size_t i)
{
    const struct jb_rec_cell *rec = jb_record_cell(&c->record, c->cells[i].id);
    cJSON *o = jb_json_put_object(list, NULL), *facts = rec ? jb_facts_to_line(&rec->facts) : NULL;
    if (!o || !facts || !cJSON_AddItemToObject(o, "facts", facts)) {
        cJSON_Delete(facts);
        return false;
    }
    if (rec->facts.status != JB_CELL_VALID) return true;
    struct jb_block_request r;
    jb_cell_request(c, &c->cells[i], &r);
    char *text = jb_request_to_json(&r);
    cJSON *request = text ? cJSON_Parse(text) : NULL;
    free(text);
    if (request && cJSON_AddItemToObject(o, "request", request)) return true;
    cJSON_Delete(request);
    return false;
}

static int do_open(struct server *s, const struct jb_json_doc *doc, cJSON *out, struct jb_err *err)
{
    static const char *const keys[] = { "do", "plan", "set", "only", "bare", "limits", NULL };
    struct jb_plan_set set[JB_SIDE_MAX];
    char (*text)[1024] = malloc(sizeof(char[JB_SIDE_MAX][1024]));
    const char *path = NULL, *only = NULL;
    size_t n = 0;
    bool bare = false;
    if (!text) return jb_fail(err, JB_E_NOMEM, "open");
    close_plan(s);
    int rc = jb_json_only_keys(doc, doc->root, "open", keys, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "plan", true, &path, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "only", false, &only, err);
    if (!rc) rc = jb_json_get_bool(doc, doc->root, "bare", false, &bare, err);
    s->limits = false;
    if (!rc) rc = jb_json_get_bool(doc, doc->root, "limits", false, &s->limits, err);
    if (!rc) rc = read_sets(doc, set, text, &n, err);
    if (!rc) rc = jb_plan_read(&s->plan, path, set, n, err);
    free(text);
    if (!rc && !(s->c = calloc(1, sizeof *s->c))) rc = jb_fail(err, JB_E_NOMEM, "open");
    s->opts = *s->o;
    s->opts.dir = NULL;
    s->opts.only = only;
    if (!rc) rc = run_accuracy(s, bare, err);
    s->opts.only = NULL; // the text goes with the message
    if (rc) return rc;
    if (bare) return jb_json_put_str(out, "schema", JB_WORKER_SCHEMA) ? 0 : jb_fail(err, JB_E_NOMEM, "open");
    cJSON *run = cJSON_Duplicate(s->c->record.run, 1), *list = jb_json_put_array(out, "cells");
    bool ok = run && list && cJSON_AddItemToObject(out, "run", run);
    if (!ok) cJSON_Delete(run);
    for (size_t i = 0; i < s->c->n_cells && ok; i++) ok = put_cell(list, s->c, i);
    return ok && put_peak(out) && jb_json_put_str(out, "schema", JB_WORKER_SCHEMA) ? 0 : jb_fail(err, JB_E_NOMEM, "open");
}

// ---- the rest ----

static int do_samples(struct server *s, const struct jb_json_doc *doc, cJSON *out, struct jb_err *err)
{
    const char *id = NULL;
    uint8_t *bytes = NULL;
    int rc = jb_json_get_str(doc, doc->root, "cell", true, &id, err);
    if (rc) return rc;
    const struct jb_rec_cell *rec = jb_record_cell(&s->c->record, id);
    if (!rec || !rec->facts.samples.n_bytes) return jb_fail(err, JB_E_NOT_FOUND, "no samples of cell %.40s", id);
    rc = jb_store_get(s->c->store, id, JB_RAW_SAMPLES, &rec->facts.samples, &bytes, err);
    if (!rc && !jb_wire_put_bytes(out, "samples", bytes, rec->facts.samples.n_bytes)) rc = jb_fail(err, JB_E_NOMEM, "samples");
    free(bytes);
    return rc;
}

static int get_request(const struct jb_json_doc *doc, struct jb_block_request *r, struct jb_err *err)
{
    cJSON *o = cJSON_GetObjectItemCaseSensitive(doc->root, "request");
    char *text = cJSON_IsObject(o) ? jb_json_canonical(o) : NULL;
    if (!text) return jb_fail(err, JB_E_INVALID, "a request must be there");
    int rc = jb_request_from_json(r, "request", text, strlen(text), err);
    free(text);
    return rc;
}

static int do_warm_up(struct server *s, const struct jb_json_doc *doc, cJSON *out, struct jb_err *err)
{
    struct jb_block_request r;
    struct jb_warm_up w;
    int rc = get_request(doc, &r, err);
    if (!rc) rc = jb_host_warm_up(s->c->host, &r, &w, err);
    if (rc) return rc;
    bool ok = jb_json_put_bool(out, "steady", w.steady) && jb_json_put_f64(out, "median_ns", w.median_ns) && jb_json_put_u64(out, "elapsed_ns", w.elapsed_ns) && jb_json_put_u64(out, "chunks", w.chunks);
    return ok ? 0 : jb_fail(err, JB_E_NOMEM, "warm_up");
}

static int do_block(struct server *s, const struct jb_json_doc *doc, cJSON *out, struct jb_err *err)
{
    struct jb_block_request r;
    struct jb_block b = { 0 };
    int rc = get_request(doc, &r, err);
    if (!rc) rc = jb_host_run(s->c->host, &r, &b, err);
    if (rc) return rc;
    cJSON *block = jb_wire_block(&b);
    jb_block_free(&b);
    if (block && cJSON_AddItemToObject(out, "block", block)) return put_peak(out) ? 0 : jb_fail(err, JB_E_NOMEM, "block");
    cJSON_Delete(block);
    return jb_fail(err, JB_E_NOMEM, "block");
}

static int obey(struct server *s, const struct jb_json_doc *doc, cJSON *out, bool *bye, struct jb_err *err)
{
    const char *what = NULL;
    if (!cJSON_IsObject(doc->root)) return jb_fail(err, JB_E_INVALID, "a message is a JSON object");
    int rc = jb_json_get_str(doc, doc->root, "do", true, &what, err);
    if (rc) return rc;
    *bye = !strcmp(what, "bye");
    if (*bye) return 0;
    if (!strcmp(what, "open")) return do_open(s, doc, out, err);
    if (!s->c || !s->c->store) return jb_fail(err, JB_E_INVALID, "\"%.40s\" before a plan is open", what);
    if (!strcmp(what, "samples")) return do_samples(s, doc, out, err);
    if (!strcmp(what, "warm_up")) return do_warm_up(s, doc, out, err);
    if (!strcmp(what, "block")) return do_block(s, doc, out, err);
    return jb_fail(err, JB_E_INVALID, "unknown \"do\": \"%.40s\" (known: open, samples, warm_up, block, bye)", what);
}

int jb_worker_serve(int in, int out, const struct jb_sweep_opts *o, struct jb_err *err)
{
    struct server s = { .o = o, .in = { .fd = in }, .out = out };
    bool bye = false;
    int rc = 0;
    while (!rc && !bye) {
        struct jb_json_doc doc = { 0 };
        struct jb_err why = { 0 };
        int got = jb_wire_read(&s.in, 0, &doc, &why);
        if (got == JB_E_NOT_FOUND || (got == JB_E_INTERRUPTED && o->stop && *o->stop)) break;
        if (got == JB_E_INTERRUPTED) continue;
        cJSON *line = got ? NULL : answer();
        if (!got) got = line ? obey(&s, &doc, line, &bye, &why) : JB_E_NOMEM;
        jb_json_close(&doc);
        if (got) {
            cJSON_Delete(line);
            line = failure(got, &why);
        }
        rc = jb_wire_write(out, line, err);
    }
    close_plan(&s);
    jb_wire_free(&s.in);
    return rc;
}
