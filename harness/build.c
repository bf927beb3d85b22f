// The result of a run, from its journal and raw files alone.
#include "harness/build.h"

#include "harness/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- the head ----

static int texts(struct jb_result *r, const cJSON *run, const char *key, struct jb_kv **out, size_t *n)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(run, key);
    int count = cJSON_IsObject(o) ? cJSON_GetArraySize(o) : 0;
    struct jb_kv *kv = jb_result_array(r, (size_t)count + 1, sizeof *kv);
    if (!kv) return JB_E_NOMEM;
    size_t at = 0;
    for (const cJSON *i = count ? o->child : NULL; i; i = i->next, at++) {
        kv[at].name = jb_result_str(r, i->string);
        kv[at].value = jb_result_str(r, cJSON_IsString(i) ? i->valuestring : NULL);
        if (!kv[at].name || (cJSON_IsString(i) && !kv[at].value)) return JB_E_NOMEM;
    }
    *out = kv;
    *n = at;
    return 0;
}

// NULL: the line has none. Memory running out is told by *ok.
static const char *text_of(struct jb_result *r, const cJSON *o, const char *key, bool *ok)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    const char *text = cJSON_IsString(v) ? jb_result_str(r, v->valuestring) : NULL;
    *ok &= text || !cJSON_IsString(v);
    return text;
}

static double number_text(const cJSON *run, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(run, "environment"), key);
    return cJSON_IsString(v) ? strtod(v->valuestring, NULL) : NAN;
}

static int build_head(struct jb_build *b)
{
    struct jb_result *r = b->r;
    const cJSON *run = b->rec->run, *settings = cJSON_GetObjectItemCaseSensitive(run, "settings");
    bool ok = true;
    r->name = text_of(r, run, "name", &ok);
    r->started = jb_result_str(r, b->rec->started);
    r->finished = b->rec->finished[0] ? jb_result_str(r, b->rec->finished) : NULL;
    r->joulebench_version = text_of(r, run, "version", &ok);
    r->git = text_of(r, run, "git", &ok);
    r->compiler = text_of(r, run, "compiler", &ok);
    r->complete = b->rec->complete;
    ok &= r->started && (r->finished || !b->rec->finished[0]);
    int rc = ok ? 0 : JB_E_NOMEM;
    if (!rc) rc = texts(r, run, "environment", &r->environment, &r->n_environment);
    if (!rc) rc = texts(r, run, "kernels", &r->kernels, &r->n_kernels);
    if (!rc) rc = texts(r, run, "libraries", &r->libraries, &r->n_libraries);
    if (!rc) rc = texts(r, run, "hashes", &r->hashes, &r->n_hashes);
    if (!rc) rc = texts(r, run, "seeds", &r->seeds, &r->n_seeds);
    if (!rc) rc = texts(r, run, "notes", &r->notes, &r->n_notes);
    b->clock_cost_ns = number_text(run, JB_ENV_CLOCK_COST);
    b->clock_resolution_ns = number_text(run, JB_ENV_CLOCK_RESOLUTION);
    b->seed = jb_line_u64(settings, "seed");
    b->measured = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(settings, "measured"));
    b->extend = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(settings, "extend"));
    b->energy_half_width = jb_line_num(settings, "energy_half_width");
    b->max_other_cpu = jb_line_num(settings, "max_other_cpu");
    b->repetitions = (uint32_t)jb_line_u64(settings, "repetitions");
    b->stop_latency = jb_line_num(settings, "stop_latency");
    b->stop_joules = jb_line_num(settings, "stop_joules");
    jb_build_limits(b, settings);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(settings, "percentiles");
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i && b->n_percentiles < JB_PLAN_MAX_PERCENTILES; i = i->next)
        if (cJSON_IsNumber(i) && i->valuedouble > 0 && i->valuedouble < 1) b->percentiles[b->n_percentiles++] = i->valuedouble;
    return rc;
}

// ---- cells ----

// A cell of an interrupted run that has no block yet is absent, unless it already has a verdict.
static bool is_there(const struct jb_build *b, const struct jb_rec_cell *c) { return c && (b->rec->complete || c->n_blocks || c->facts.status != JB_CELL_VALID || !b->measured); }

static int select_cells(struct jb_build *b)
{
    const struct jb_record *rec = b->rec;
    size_t most = rec->order ? rec->n_order : rec->n_cells, n = 0;
    b->r->cells = jb_result_array(b->r, most + 1, sizeof *b->r->cells);
    b->built = calloc(most + 1, sizeof *b->built);
    if (!b->r->cells || !b->built) return JB_E_NOMEM;
    for (size_t i = 0; i < most; i++) {
        const struct jb_rec_cell *c = rec->order ? jb_record_cell(rec, rec->order[i]) : rec->cells[i];
        if (is_there(b, c)) b->built[n++].rec = c;
    }
    b->r->n_cells = n;
    return 0;
}

static int build_cells(struct jb_build *b, struct jb_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < b->r->n_cells && !rc; i++) rc = jb_build_cell(b, i, err);
    return rc;
}

// ---- oracles ----

// A network or its data may have changed between runs of a directory: the last recording of a name counts.
static bool is_last(const struct jb_record *rec, size_t at)
{
    const struct jb_recording_fact *f = &rec->recordings[at];
    for (size_t i = at + 1; i < rec->n_recordings; i++) {
        const struct jb_recording_fact *g = &rec->recordings[i];
        if (!strcmp(f->workload, g->workload) && !strcmp(f->model, g->model) && !strcmp(f->precision, g->precision)) return false;
    }
    return true;
}

static bool is_used(const struct jb_build *b, const struct jb_recording_fact *f)
{
    for (size_t i = 0; i < b->r->n_cells; i++) {
        const struct jb_facts *x = &b->built[i].rec->facts;
        if (!strcmp(x->model, f->model) && !strcmp(x->workload, f->workload) && !strcmp(x->precision, f->precision)) return true;
    }
    return false;
}

static int build_oracles(struct jb_build *b)
{
    struct jb_result *r = b->r;
    r->oracles = jb_result_array(r, b->rec->n_recordings * 2 + 1, sizeof *r->oracles);
    if (!r->oracles) return JB_E_NOMEM;
    for (size_t i = 0; i < b->rec->n_recordings; i++) {
        const struct jb_recording_fact *f = &b->rec->recordings[i];
        if (!is_last(b->rec, i) || !is_used(b, f)) continue;
        for (int o = 0; o < 2; o++) {
            struct jb_result_oracle *x = &r->oracles[r->n_oracles++];
            *x = (struct jb_result_oracle){ .model = jb_result_str(r, f->model), .precision = jb_result_str(r, f->precision), .kind = jb_result_str(r, f->oracle[o].kind),
                                            .accuracy = f->oracle[o].accuracy, .macs_mean = f->oracle[o].macs_mean };
            if (!x->model || !x->precision || !x->kind) return JB_E_NOMEM;
        }
    }
    return 0;
}

static int build_all(struct jb_build *b, struct jb_err *err)
{
    int rc = build_head(b);
    if (!rc) rc = jb_build_power(b);
    if (!rc) rc = select_cells(b);
    if (!rc) rc = build_cells(b, err);
    if (!rc) rc = build_oracles(b);
    if (!rc) rc = jb_build_hull(b, err);
    if (!rc) rc = jb_build_validity(b);
    if (!rc) rc = jb_build_sentences(b, err);
    return rc == JB_E_NOMEM ? jb_fail(err, rc, "result") : rc;
}

int jb_build_result(const struct jb_record *rec, const struct jb_store *store, struct jb_result **out, struct jb_err *err)
{
    struct jb_build b = { .rec = rec, .store = store };
    if (!rec->run) return jb_fail(err, JB_E_INVALID, "the journal has no \"run\" line: nothing was started here");
    if (jb_result_open(&b.r)) return jb_fail(err, JB_E_NOMEM, "result");
    int rc = build_all(&b, err);
    for (size_t i = 0; b.built && i < b.r->n_cells; i++) jb_built_free(&b.built[i]);
    free(b.built);
    if (rc) {
        jb_result_close(b.r);
        return rc;
    }
    *out = b.r;
    return 0;
}
