// The thresholds file: strict reading, writing, and the identity of its content.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "early_exit/calibrate.h"

#define SCHEMA "joulebench.thresholds/1"
#define MAX_BYTES (4u << 20)
#define MAX_ENTRIES 10000

static bool put_entry(cJSON *list, const struct jb_calibrated *c)
{
    cJSON *e = jb_json_put_object(list, NULL);
    bool ok = jb_json_put_str(e, "policy", c->policy) && jb_json_put_str(e, "precision", c->precision) &&
              (!c->agreement || jb_json_put_str(e, "loss", "agreement")) && jb_json_put_f64(e, "target_loss", c->target_loss) && jb_json_put_u64(e, "n_exits", c->n_exits);
    cJSON *t = jb_json_put_array(e, "thresholds");
    for (uint32_t k = 0; ok && k + 1 < c->n_exits; k++) ok = jb_json_put_f64(t, NULL, c->threshold[k]);
    return ok && t && jb_json_put_f64(e, "loss_observed", c->loss_observed) && jb_json_put_f64(e, "accuracy", c->accuracy) &&
           jb_json_put_f64(e, "macs_mean", c->macs_mean);
}

// The content as JSON, with or without its id; NULL when out of memory.
static cJSON *to_json(const struct jb_thresholds *t, bool with_id)
{
    cJSON *root = cJSON_CreateObject();
    bool ok = root && jb_json_put_str(root, "schema", SCHEMA) && (!with_id || jb_json_put_str(root, "id", t->id)) &&
              jb_json_put_str(root, "model_sha256", t->model_sha256) && jb_json_put_str(root, "split", t->split) &&
              jb_json_put_str(root, "split_sha256", t->split_sha256) && jb_json_put_u64(root, "n", t->n);
    cJSON *list = jb_json_put_array(root, "entries");
    ok = ok && list;
    for (size_t i = 0; ok && i < t->n_entries; i++) ok = put_entry(list, &t->entries[i]);
    if (ok) return root;
    cJSON_Delete(root);
    return NULL;
}

void jb_thresholds_seal(struct jb_thresholds *t)
{
    cJSON *content = to_json(t, false);
    char *text = content ? jb_json_canonical(content) : NULL;
    t->id[0] = 0;
    if (text) jb_hash_bytes(text, strlen(text), t->id);
    free(text);
    cJSON_Delete(content);
}

int jb_thresholds_write(const struct jb_thresholds *t, const char *path, struct jb_err *err)
{
    struct jb_thresholds sealed = *t;
    jb_thresholds_seal(&sealed);
    cJSON *root = sealed.id[0] ? to_json(&sealed, true) : NULL;
    char *text = root ? jb_json_pretty(root) : NULL;
    int rc = text ? jb_write_file_atomic(path, text, strlen(text), err) : jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    free(text);
    cJSON_Delete(root);
    return rc;
}

void jb_thresholds_close(struct jb_thresholds *t)
{
    if (!t) return;
    free(t->entries);
    t->entries = NULL;
    t->n_entries = 0;
}

const struct jb_calibrated *jb_thresholds_find(const struct jb_thresholds *t, const char *policy, const char *precision, double target_loss)
{
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct jb_calibrated *c = &t->entries[i];
        if (strcmp(c->policy, policy) == 0 && strcmp(c->precision, precision) == 0 && fabs(c->target_loss - target_loss) < 1e-9) return c;
    }
    return NULL;
}

// A string of known room. *required* everywhere: the file is written by a program.
static int get_text(const struct jb_json_doc *doc, const cJSON *o, const char *key, char *out, size_t room, struct jb_err *err)
{
    const char *s;
    int rc = jb_json_get_str(doc, o, key, true, &s, err);
    if (rc) return rc;
    if (strlen(s) >= room) return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" is longer than %zu bytes", doc->name, jb_json_line(doc, o, key), key, room - 1);
    memcpy(out, s, strlen(s) + 1);
    return JB_OK;
}

static int get_hash(const struct jb_json_doc *doc, const cJSON *o, const char *key, char out[65], struct jb_err *err)
{
    int rc = get_text(doc, o, key, out, 65, err);
    if (rc) return rc;
    if (strlen(out) != 64 || strspn(out, "0123456789abcdef") != 64)
        return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be 64 hexadecimal digits in lower case", doc->name, jb_json_line(doc, o, key), key);
    return JB_OK;
}

static int get_thresholds(const struct jb_json_doc *doc, const cJSON *o, struct jb_calibrated *c, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "thresholds");
    int line = jb_json_line(doc, o, "thresholds");
    if (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) + 1 != c->n_exits)
        return jb_fail(err, JB_E_INVALID, "%s:%d: \"thresholds\" must be an array of n_exits - 1 = %u numbers", doc->name, line, c->n_exits - 1);
    uint32_t k = 0;
    for (const cJSON *v = list->child; v; v = v->next, k++) {
        if (!cJSON_IsNumber(v)) return jb_fail(err, JB_E_INVALID, "%s:%d: thresholds[%u] must be a number", doc->name, line, k);
        c->threshold[k] = v->valuedouble;
    }
    if (c->n_exits < 2) return JB_OK;
    struct jb_policy p;
    int rc = jb_policy_make(&p, c->policy, NULL, 0, c->threshold, c->n_exits - 1, c->n_exits, err);
    return rc ? (jb_err_prefix(err, "%s:%d", doc->name, line), rc) : JB_OK;
}

// What the loss is a loss of; absent: of accuracy.
static int get_loss(const struct jb_json_doc *doc, const cJSON *o, struct jb_calibrated *c, struct jb_err *err)
{
    const char *s = "accuracy";
    int rc = jb_json_get_str(doc, o, "loss", false, &s, err);
    if (rc) return rc;
    c->agreement = strcmp(s, "agreement") == 0;
    if (c->agreement || strcmp(s, "accuracy") == 0) return JB_OK;
    return jb_fail(err, JB_E_INVALID, "%s:%d: \"loss\" must be \"accuracy\" or \"agreement\"", doc->name, jb_json_line(doc, o, "loss"));
}

static int get_entry(const struct jb_json_doc *doc, const cJSON *o, struct jb_calibrated *c, struct jb_err *err)
{
    static const char *const keys[] = {"policy", "precision", "loss", "target_loss", "n_exits", "thresholds", "loss_observed", "accuracy", "macs_mean", NULL};
    int64_t n_exits = 0;
    *c = (struct jb_calibrated){0};
    int rc = jb_json_only_keys(doc, o, "an entry", keys, err);
    if (rc == JB_OK) rc = get_text(doc, o, "policy", c->policy, sizeof c->policy, err);
    if (rc == JB_OK) rc = get_text(doc, o, "precision", c->precision, sizeof c->precision, err);
    if (rc == JB_OK) rc = get_loss(doc, o, c, err);
    if (rc == JB_OK) rc = jb_json_get_f64(doc, o, "target_loss", true, 0, 1, &c->target_loss, err);
    if (rc == JB_OK) rc = jb_json_get_i64(doc, o, "n_exits", true, 1, JB_MAX_STAGES, &n_exits, err);
    c->n_exits = (uint32_t)n_exits;
    if (rc == JB_OK) rc = get_thresholds(doc, o, c, err);
    if (rc == JB_OK) rc = jb_json_get_f64(doc, o, "loss_observed", true, -1, 1, &c->loss_observed, err);
    if (rc == JB_OK) rc = jb_json_get_f64(doc, o, "accuracy", true, 0, 1, &c->accuracy, err);
    if (rc == JB_OK) rc = jb_json_get_f64(doc, o, "macs_mean", true, 0, 1e18, &c->macs_mean, err);
    return rc;
}

static int get_entries(const struct jb_json_doc *doc, struct jb_thresholds *t, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc->root, "entries");
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
    if (n < 0 || n > MAX_ENTRIES) return jb_fail(err, JB_E_INVALID, "%s:%d: \"entries\" must be an array of at most %d", doc->name, jb_json_line(doc, doc->root, "entries"), MAX_ENTRIES);
    t->entries = calloc(n ? (size_t)n : 1, sizeof *t->entries);
    if (!t->entries) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", doc->name);
    for (const cJSON *v = list->child; v; v = v->next) {
        int rc = get_entry(doc, v, &t->entries[t->n_entries], err);
        if (rc) return rc;
        t->n_entries++;
    }
    return JB_OK;
}

static int get_all(const struct jb_json_doc *doc, struct jb_thresholds *t, struct jb_err *err)
{
    static const char *const keys[] = {"schema", "id", "model_sha256", "split", "split_sha256", "n", "entries", NULL};
    char schema[40], id[65];
    int64_t n = 0;
    int rc = jb_json_only_keys(doc, doc->root, "a thresholds file", keys, err);
    if (rc == JB_OK) rc = get_text(doc, doc->root, "schema", schema, sizeof schema, err);
    if (rc == JB_OK && strcmp(schema, SCHEMA) != 0) rc = jb_fail(err, JB_E_UNSUPPORTED, "%s: schema \"%s\", this build reads %s", doc->name, schema, SCHEMA);
    if (rc == JB_OK) rc = get_hash(doc, doc->root, "id", id, err);
    if (rc == JB_OK) rc = get_hash(doc, doc->root, "model_sha256", t->model_sha256, err);
    if (rc == JB_OK) rc = get_text(doc, doc->root, "split", t->split, sizeof t->split, err);
    if (rc == JB_OK) rc = get_hash(doc, doc->root, "split_sha256", t->split_sha256, err);
    if (rc == JB_OK) rc = jb_json_get_i64(doc, doc->root, "n", true, 1, UINT32_MAX, &n, err);
    t->n = (uint32_t)n;
    if (rc == JB_OK) rc = get_entries(doc, t, err);
    if (rc) return rc;
    jb_thresholds_seal(t);
    if (!t->id[0]) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", doc->name);
    if (strcmp(t->id, id) != 0)
        return jb_fail(err, JB_E_MISMATCH, "%s: the content does not belong to its id (edited by hand?); make it anew with `joulebench calibrate exits`", doc->name);
    return JB_OK;
}

int jb_thresholds_read(struct jb_thresholds *out, const char *path, struct jb_err *err)
{
    struct jb_json_doc doc;
    struct jb_thresholds t = {0};
    int rc = jb_json_read(&doc, path, MAX_BYTES, err);
    if (rc) return rc;
    rc = get_all(&doc, &t, err);
    jb_json_close(&doc);
    if (rc) jb_thresholds_close(&t);
    else *out = t;
    return rc;
}
