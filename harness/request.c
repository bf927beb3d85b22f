// The block request to JSON and back: one table of fields, walked by both directions.
#include "harness/request.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, U32, U64 };
struct field { const char *key; enum kind kind; size_t offset, size; uint64_t max; };

#define TEXT_(m) { #m, TEXT, offsetof(struct jb_block_request, m), sizeof ((struct jb_block_request *)0)->m, 0 }
#define U32_(m, most) { #m, U32, offsetof(struct jb_block_request, m), 4, most }
#define U64_(m) { #m, U64, offsetof(struct jb_block_request, m), 8, (uint64_t)1 << 53 }

static const struct field FIELDS[] = {
    TEXT_(cell), U32_(repetition, UINT32_MAX), TEXT_(workload), U32_(split, JB_SPLIT_COUNT - 1), U32_(n_samples, UINT32_MAX),
    TEXT_(model_path), TEXT_(exits_path), TEXT_(model_sha256), TEXT_(precision), TEXT_(policy),
    U32_(kv, JB_KV_COUNT - 1), U32_(fill, JB_FILL_COUNT - 1),
    U32_(scenario, JB_SCENARIO_COUNT - 1), U32_(batch, 65536), U32_(threads, 1024), U32_(streams, 256),
    U64_(seed), U32_(repetitions, UINT32_MAX), U64_(block_ns), U64_(lead_in_ns), U64_(max_ns), U32_(min_queries, UINT32_MAX), U64_(query_ns),
};
#define N_FIELDS (sizeof FIELDS / sizeof *FIELDS)

static bool put_lists(cJSON *o, const struct jb_block_request *r)
{
    cJSON *w = jb_json_put_object(o, "workload_params"), *p = jb_json_put_object(o, "params"), *t = jb_json_put_array(o, "threshold");
    bool ok = w && p && t;
    for (uint32_t i = 0; ok && i < r->n_workload_params; i++) ok = jb_json_put_str(w, r->workload_params[i].name, r->workload_params[i].value);
    for (uint32_t i = 0; ok && i < r->n_params; i++) ok = jb_json_put_f64(p, r->params[i].name, r->params[i].value);
    for (uint32_t i = 0; ok && i < r->n_thresholds; i++) {
        cJSON *v = cJSON_CreateNumber(r->threshold[i]);
        ok = v && cJSON_AddItemToArray(t, v);
        if (v && !ok) cJSON_Delete(v);
    }
    return ok;
}

char *jb_request_to_json(const struct jb_block_request *r)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "schema", JB_REQUEST_SCHEMA);
    for (size_t i = 0; ok && i < N_FIELDS; i++) {
        const struct field *f = &FIELDS[i];
        const char *at = (const char *)r + f->offset;
        uint32_t u;
        uint64_t v;
        memcpy(&u, at, sizeof u);
        if (f->kind == U64) memcpy(&v, at, sizeof v);
        else v = u;
        ok = f->kind == TEXT ? jb_json_put_str(o, f->key, at) : jb_json_put_u64(o, f->key, v);
    }
    char *text = ok && put_lists(o, r) ? jb_json_canonical(o) : NULL;
    cJSON_Delete(o);
    return text;
}

static int get_text(const struct jb_json_doc *doc, const char *key, char *out, size_t n, struct jb_err *err)
{
    const char *text = NULL;
    int rc = jb_json_get_str(doc, doc->root, key, true, &text, err);
    if (rc) return rc;
    if (strlen(text) >= n) return jb_fail(err, JB_E_RANGE, "%s: \"%s\" is longer than %zu bytes", doc->name, key, n - 1);
    snprintf(out, n, "%s", text);
    return 0;
}

static int get_field(const struct jb_json_doc *doc, const struct field *f, struct jb_block_request *r, struct jb_err *err)
{
    char *at = (char *)r + f->offset;
    if (f->kind == TEXT) return get_text(doc, f->key, at, f->size, err);
    int64_t v = 0;
    int rc = jb_json_get_i64(doc, doc->root, f->key, true, 0, (int64_t)f->max, &v, err);
    if (rc) return rc;
    uint32_t u = (uint32_t)v;
    uint64_t u64 = (uint64_t)v;
    if (f->kind == U32) memcpy(at, &u, sizeof u);
    else memcpy(at, &u64, sizeof u64);
    return 0;
}

static int get_lists(const struct jb_json_doc *doc, struct jb_block_request *r, struct jb_err *err)
{
    const cJSON *w = cJSON_GetObjectItemCaseSensitive(doc->root, "workload_params"), *p = cJSON_GetObjectItemCaseSensitive(doc->root, "params");
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(doc->root, "threshold");
    if (!cJSON_IsObject(w) || !cJSON_IsObject(p) || !cJSON_IsArray(t) || cJSON_GetArraySize(w) > JB_REQUEST_MAX_PARAMS ||
        cJSON_GetArraySize(p) > JB_PLAN_MAX_PARAMS || cJSON_GetArraySize(t) > JB_MAX_STAGES)
        return jb_fail(err, JB_E_INVALID, "%s: workload_params, params and threshold must be there and not too long", doc->name);
    for (const cJSON *i = w->child; i; i = i->next) {
        struct jb_request_param *x = &r->workload_params[r->n_workload_params++];
        if (!cJSON_IsString(i) || strlen(i->string) >= sizeof x->name || strlen(i->valuestring) >= sizeof x->value)
            return jb_fail(err, JB_E_INVALID, "%s: workload_params must hold short texts", doc->name);
        snprintf(x->name, sizeof x->name, "%s", i->string);
        snprintf(x->value, sizeof x->value, "%s", i->valuestring);
    }
    for (const cJSON *i = p->child; i; i = i->next) {
        struct jb_request_number *x = &r->params[r->n_params++];
        if (!cJSON_IsNumber(i) || strlen(i->string) >= sizeof x->name) return jb_fail(err, JB_E_INVALID, "%s: params must hold numbers", doc->name);
        snprintf(x->name, sizeof x->name, "%s", i->string);
        x->value = i->valuedouble;
    }
    for (const cJSON *i = t->child; i; i = i->next) {
        if (!cJSON_IsNumber(i)) return jb_fail(err, JB_E_INVALID, "%s: threshold must hold numbers", doc->name);
        r->threshold[r->n_thresholds++] = i->valuedouble;
    }
    return 0;
}

static int from_doc(struct jb_block_request *r, const struct jb_json_doc *doc, struct jb_err *err)
{
    const char *keys[N_FIELDS + 5] = { "schema", "workload_params", "params", "threshold" };
    for (size_t i = 0; i < N_FIELDS; i++) keys[4 + i] = FIELDS[i].key;
    if (!cJSON_IsObject(doc->root)) return jb_fail(err, JB_E_INVALID, "%s: a block request is a JSON object", doc->name);
    char schema[64];
    int rc = jb_json_only_keys(doc, doc->root, "block request", keys, err);
    if (!rc) rc = get_text(doc, "schema", schema, sizeof schema, err);
    if (!rc && strcmp(schema, JB_REQUEST_SCHEMA)) rc = jb_fail(err, JB_E_INVALID, "%s: schema must be \"" JB_REQUEST_SCHEMA "\"", doc->name);
    for (size_t i = 0; !rc && i < N_FIELDS; i++) rc = get_field(doc, &FIELDS[i], r, err);
    if (!rc) rc = get_lists(doc, r, err);
    if (!rc && (!r->batch || !r->streams || !r->threads)) rc = jb_fail(err, JB_E_RANGE, "%s: batch, streams and threads count from 1", doc->name);
    return rc;
}

int jb_request_from_json(struct jb_block_request *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    struct jb_block_request *r = calloc(1, sizeof *r);
    if (!r) return jb_fail(err, JB_E_NOMEM, "block request");
    int rc = jb_json_parse(&doc, name, text, n_bytes, err);
    if (!rc) {
        rc = from_doc(r, &doc, err);
        jb_json_close(&doc);
    }
    if (!rc) *out = *r;
    free(r);
    return rc;
}
