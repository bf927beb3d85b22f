// results.json: the whole result to a tree and back, strictly.
#include "reports/codec.h"

#include "base/fs.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_JSON_BYTES ((size_t)1 << 30)
#define MAX_ROWS 1000000

// Environment values are text, except those whose name ends in a unit: scripts get numbers there.
static bool named_as_number(const char *name)
{
    static const char *const ENDS[] = {"_ns", "_us", "_ms", "_bytes", "_uj", "_uw", "_mhz", "_hz", "_percent", "_per_query", "_per_s", "cores"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        size_t m = strlen(ENDS[i]);
        if (n >= m && strcmp(name + n - m, ENDS[i]) == 0)
            return true;
    }
    return false;
}

static void write_environment(struct jb_codec_out *w, cJSON *root, const struct jb_result *r)
{
    cJSON *e = jb_out_object(w, root, "environment");
    for (size_t i = 0; i < r->n_environment && e; i++) {
        const struct jb_kv *kv = &r->environment[i];
        char *end = NULL;
        double v = kv->value && named_as_number(kv->name) ? strtod(kv->value, &end) : NAN;
        if (strcmp(kv->name, "kernels") == 0 || cJSON_GetObjectItemCaseSensitive(e, kv->name))
            continue;
        if (end && end != kv->value && !*end && isfinite(v))
            jb_out_num(w, e, kv->name, v);
        else
            jb_out_text(w, e, kv->name, kv->value);
    }
    jb_out_kv(w, e, "kernels", r->kernels, r->n_kernels);
}

static void write_sentences(struct jb_codec_out *w, cJSON *root, const struct jb_result *r)
{
    cJSON *a = jb_out_array(w, root, "sentences");
    for (size_t i = 0; i < r->n_sentences; i++) {
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "kind", r->sentences[i].kind);
        jb_out_text(w, p, "text", r->sentences[i].text);
    }
}

static void write_oracles(struct jb_codec_out *w, cJSON *root, const struct jb_result *r)
{
    cJSON *a = jb_out_array(w, root, "oracles");
    for (size_t i = 0; i < r->n_oracles; i++) {
        const struct jb_result_oracle *x = &r->oracles[i];
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "model", x->model);
        jb_out_text(w, p, "precision", x->precision);
        jb_out_text(w, p, "kind", x->kind);
        jb_out_num(w, p, "accuracy", x->accuracy);
        jb_out_num(w, p, "macs_mean", x->macs_mean);
    }
}

static void write_hull(struct jb_codec_out *w, cJSON *root, const struct jb_result *r)
{
    cJSON *a = jb_out_array(w, root, "hull");
    for (size_t i = 0; i < r->n_hull; i++) {
        const struct jb_result_hull *x = &r->hull[i];
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "cell_id", x->cell_id);
        jb_out_text(w, p, "cost", x->cost);
        jb_out_text(w, p, "against", x->against);
        jb_out_num(w, p, "ratio", x->ratio);
        jb_out_interval(w, p, "ci95", x->lower, x->upper);
        jb_out_text(w, p, "reason", x->reason);
    }
}

cJSON *jb_result_to_json(const struct jb_result *r)
{
    struct jb_codec_out w = {.failed = false};
    cJSON *root = cJSON_CreateObject();
    if (!root)
        return NULL;
    jb_out_text(&w, root, "schema", JB_RESULT_SCHEMA);
    jb_out_text(&w, root, "name", r->name);
    jb_out_text(&w, root, "started", r->started);
    jb_out_text(&w, root, "finished", r->finished);
    w.failed |= !jb_json_put_bool(root, "complete", r->complete);
    cJSON *self = jb_out_object(&w, root, "joulebench");
    jb_out_text(&w, self, "version", r->joulebench_version);
    jb_out_text(&w, self, "git", r->git);
    jb_out_text(&w, root, "compiler", r->compiler);
    write_sentences(&w, root, r);
    jb_out_kv(&w, root, "notes", r->notes, r->n_notes);
    jb_out_kv(&w, root, "seeds", r->seeds, r->n_seeds);
    write_environment(&w, root, r);
    jb_power_to_json(&w, root, &r->power);
    jb_validity_to_json(&w, root, &r->validity);
    jb_out_kv(&w, root, "libraries", r->libraries, r->n_libraries);
    jb_out_kv(&w, root, "hashes", r->hashes, r->n_hashes);
    cJSON *cells = jb_out_array(&w, root, "cells");
    for (size_t i = 0; i < r->n_cells && !w.failed; i++) {
        cJSON *p = jb_out_item(&w, cells);
        if (p)
            jb_cell_to_json(&w, p, &r->cells[i]);
    }
    write_oracles(&w, root, r);
    write_hull(&w, root, r);
    if (w.failed) {
        cJSON_Delete(root);
        return NULL;
    }
    return root;
}

int jb_result_write(const struct jb_result *r, const char *path, struct jb_err *err)
{
    cJSON *root = jb_result_to_json(r);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    if (!text)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = jb_write_file_atomic(path, text, strlen(text), err);
    free(text);
    return rc;
}

// Room for the rows of an array of objects.
static int rows_of(const struct jb_codec_in *in, const cJSON *o, const char *key, size_t element_bytes, void **out, const cJSON **a)
{
    int rc = jb_in_array(in, o, key, a, MAX_ROWS);
    if (rc)
        return rc;
    *out = jb_result_array(in->r, (size_t)cJSON_GetArraySize(*a), element_bytes);
    return *out ? JB_OK : jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
}

static int read_sentences(const struct jb_codec_in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"kind", "text", NULL};
    struct jb_result *r = in->r;
    const cJSON *a = NULL, *p;
    void *rows = NULL;
    int rc = rows_of(in, root, "sentences", sizeof *r->sentences, &rows, &a);
    r->sentences = rows;
    if (rc)
        return rc;
    cJSON_ArrayForEach(p, a)
    {
        struct jb_result_sentence *x = &r->sentences[r->n_sentences++];
        rc = jb_json_only_keys(in->doc, p, "a sentence", KEYS, in->err);
        if (!rc) rc = jb_in_text(in, p, "kind", &x->kind);
        if (!rc) rc = jb_in_text(in, p, "text", &x->text);
        if (rc)
            return rc;
    }
    return JB_OK;
}

static int read_oracles(const struct jb_codec_in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"model", "precision", "kind", "accuracy", "macs_mean", NULL};
    struct jb_result *r = in->r;
    const cJSON *a = NULL, *p;
    void *rows = NULL;
    int rc = rows_of(in, root, "oracles", sizeof *r->oracles, &rows, &a);
    r->oracles = rows;
    if (rc)
        return rc;
    cJSON_ArrayForEach(p, a)
    {
        struct jb_result_oracle *x = &r->oracles[r->n_oracles++];
        rc = jb_json_only_keys(in->doc, p, "an oracle", KEYS, in->err);
        if (!rc) rc = jb_in_text(in, p, "model", &x->model);
        if (!rc) rc = jb_in_text(in, p, "precision", &x->precision);
        if (!rc) rc = jb_in_text(in, p, "kind", &x->kind);
        if (!rc) rc = jb_in_num(in, p, "accuracy", 0, 1, &x->accuracy);
        if (!rc) rc = jb_in_num(in, p, "macs_mean", 0, DBL_MAX, &x->macs_mean);
        if (rc)
            return rc;
    }
    return JB_OK;
}

static int read_hull(const struct jb_codec_in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"cell_id", "cost", "against", "ratio", "ci95", "reason", NULL};
    struct jb_result *r = in->r;
    const cJSON *a = NULL, *p;
    void *rows = NULL;
    int rc = rows_of(in, root, "hull", sizeof *r->hull, &rows, &a);
    r->hull = rows;
    if (rc)
        return rc;
    cJSON_ArrayForEach(p, a)
    {
        struct jb_result_hull *x = &r->hull[r->n_hull++];
        rc = jb_json_only_keys(in->doc, p, "hull", KEYS, in->err);
        if (!rc) rc = jb_in_text(in, p, "cell_id", &x->cell_id);
        if (!rc) rc = jb_in_text(in, p, "cost", &x->cost);
        if (!rc) rc = jb_in_text(in, p, "against", &x->against);
        if (!rc) rc = jb_in_num(in, p, "ratio", 0, DBL_MAX, &x->ratio);
        if (!rc) rc = jb_in_interval(in, p, "ci95", &x->lower, &x->upper);
        if (!rc) rc = jb_in_text(in, p, "reason", &x->reason);
        if (rc)
            return rc;
    }
    return JB_OK;
}

static int read_cells(const struct jb_codec_in *in, const cJSON *root)
{
    struct jb_result *r = in->r;
    const cJSON *a = NULL, *p;
    void *rows = NULL;
    int rc = rows_of(in, root, "cells", sizeof *r->cells, &rows, &a);
    r->cells = rows;
    if (rc)
        return rc;
    cJSON_ArrayForEach(p, a)
    {
        if ((rc = jb_cell_from_json(in, p, &r->cells[r->n_cells])))
            return rc;
        r->n_cells++;
    }
    return JB_OK;
}

static int read_provenance(const struct jb_codec_in *in, const cJSON *root)
{
    static const char *const SELF[] = {"version", "git", NULL};
    struct jb_result *r = in->r;
    const cJSON *self = NULL, *env = NULL;
    int rc = jb_in_object(in, root, "joulebench", &self);
    if (!rc) rc = jb_json_only_keys(in->doc, self, "joulebench", SELF, in->err);
    if (!rc) rc = jb_in_text(in, self, "version", &r->joulebench_version);
    if (!rc) rc = jb_in_text(in, self, "git", &r->git);
    if (!rc) rc = jb_in_text(in, root, "compiler", &r->compiler);
    if (!rc) rc = jb_in_kv(in, root, "notes", &r->notes, &r->n_notes);
    if (!rc) rc = jb_in_kv(in, root, "seeds", &r->seeds, &r->n_seeds);
    if (!rc) rc = jb_in_kv(in, root, "libraries", &r->libraries, &r->n_libraries);
    if (!rc) rc = jb_in_kv(in, root, "hashes", &r->hashes, &r->n_hashes);
    if (!rc) rc = jb_in_object(in, root, "environment", &env);
    if (!rc) rc = jb_in_kv(in, env, "kernels", &r->kernels, &r->n_kernels);
    if (!rc) rc = jb_in_kv_of(in, env, "kernels", &r->environment, &r->n_environment);
    return rc;
}

static int read_root(const struct jb_codec_in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"schema", "name", "started", "finished", "complete", "joulebench", "compiler", "sentences", "notes", "seeds",
        "environment", "power", "validity", "libraries", "hashes", "cells", "oracles", "hull", NULL};
    struct jb_result *r = in->r;
    const char *schema = NULL;
    if (!cJSON_IsObject(root))
        return jb_fail(in->err, JB_E_INVALID, "%s: not a JSON object", in->doc->name);
    int rc = jb_json_get_str(in->doc, root, "schema", true, &schema, in->err);
    if (!rc && strcmp(schema, JB_RESULT_SCHEMA))
        return jb_fail(in->err, JB_E_UNSUPPORTED, "%s: schema is \"%.60s\", this version reads \"" JB_RESULT_SCHEMA "\"", in->doc->name, schema);
    if (!rc) rc = jb_json_only_keys(in->doc, root, "results", KEYS, in->err);
    if (!rc) rc = jb_in_text(in, root, "name", &r->name);
    if (!rc) rc = jb_in_text(in, root, "started", &r->started);
    if (!rc) rc = jb_in_text(in, root, "finished", &r->finished);
    if (!rc) rc = jb_json_get_bool(in->doc, root, "complete", true, &r->complete, in->err);
    if (!rc) rc = read_provenance(in, root);
    if (!rc) rc = jb_power_from_json(in, root, &r->power);
    if (!rc) rc = jb_validity_from_json(in, root, &r->validity);
    if (!rc) rc = read_sentences(in, root);
    if (!rc) rc = read_cells(in, root);
    if (!rc) rc = read_oracles(in, root);
    if (!rc) rc = read_hull(in, root);
    return rc;
}

static int from_doc(struct jb_result **out, const struct jb_json_doc *doc, struct jb_err *err)
{
    struct jb_result *r = NULL;
    int rc = jb_result_open(&r) ? jb_fail(err, JB_E_NOMEM, "%s: out of memory", doc->name) : read_root(&(struct jb_codec_in){.doc = doc, .r = r, .err = err}, doc->root);
    if (rc)
        jb_result_close(r);
    else
        *out = r;
    return rc;
}

int jb_result_read(struct jb_result **out, const char *path, struct jb_err *err)
{
    struct jb_json_doc doc;
    int rc = jb_json_read(&doc, path, MAX_JSON_BYTES, err);
    if (rc)
        return rc;
    rc = from_doc(out, &doc, err);
    jb_json_close(&doc);
    return rc;
}

int jb_result_parse(struct jb_result **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc doc;
    int rc = jb_json_parse(&doc, name, text, n_bytes, err);
    if (rc)
        return rc;
    rc = from_doc(out, &doc, err);
    jb_json_close(&doc);
    return rc;
}
