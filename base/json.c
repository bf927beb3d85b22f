// Reading JSON: our scanner decides what is valid and says where it is not; cJSON then builds the tree.
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_scan.h"

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

// Finds two members of one name by sorting: an object of a million keys must not cost a million squared.
static int check_object_keys(const struct jb_json_doc *doc, const cJSON *object, struct jb_err *err)
{
    size_t n = 0, i = 0;
    for (const cJSON *c = object->child; c; c = c->next) n++;
    if (n < 2) return JB_OK;
    const cJSON **keys = malloc(n * sizeof *keys);
    if (!keys) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", doc->name);
    for (const cJSON *c = object->child; c; c = c->next) keys[i++] = c;
    qsort(keys, n, sizeof *keys, compare_keys);
    int rc = JB_OK;
    for (i = 1; i < n && rc == JB_OK; i++)
        if (strcmp(keys[i - 1]->string, keys[i]->string) == 0)
            rc = jb_fail(err, JB_E_INVALID, "%s:%d: duplicate key \"%s\"", doc->name, jb_json_line(doc, object, keys[i]->string), keys[i]->string);
    free(keys);
    return rc;
}

// Depth is bounded by the scanner.
static int check_duplicates(const struct jb_json_doc *doc, const cJSON *item, struct jb_err *err)
{
    int rc = cJSON_IsObject(item) ? check_object_keys(doc, item, err) : JB_OK;
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) return JB_OK;
    for (const cJSON *c = item->child; c && rc == JB_OK; c = c->next) rc = check_duplicates(doc, c, err);
    return rc;
}

// Takes `text` (n bytes and a NUL), whatever happens.
static int parse_owned(struct jb_json_doc *out, const char *name, char *text, size_t n, struct jb_err *err)
{
    struct jb_json_doc doc = {.text = text};
    snprintf(doc.name, sizeof doc.name, "%s", name);
    int rc = jb_json_scan(doc.name, text, n, err);
    if (rc == JB_OK) {
        doc.root = cJSON_ParseWithLengthOpts(text, n, NULL, false);
        // After our scanner said yes, nothing but memory is left to fail.
        if (!doc.root) rc = jb_fail(err, JB_E_NOMEM, "%s: out of memory while parsing", doc.name);
    }
    if (rc == JB_OK) rc = check_duplicates(&doc, doc.root, err);
    if (rc == JB_OK)
        *out = doc;
    else
        jb_json_close(&doc);
    return rc;
}

int jb_json_read(struct jb_json_doc *out, const char *path, size_t max_bytes, struct jb_err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = jb_read_file(path, max_bytes, &text, &n, err);
    return rc == JB_OK ? parse_owned(out, path, text, n, err) : rc;
}

int jb_json_parse(struct jb_json_doc *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    char *copy = malloc(n_bytes + 1);
    if (!copy) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    if (n_bytes > 0) memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    return parse_owned(out, name, copy, n_bytes, err);
}

void jb_json_close(struct jb_json_doc *doc)
{
    if (!doc) return;
    cJSON_Delete(doc->root);
    free(doc->text);
    *doc = (struct jb_json_doc){0};
}

// The tree and the text have one order: walking both at once finds where a value stands. Called for errors only.
struct search {
    const cJSON *item;   // look for this value, or
    const cJSON *object; // for the last member named `key` of this object
    const char *key;
    const char *hit;
};

static const char *walk(const char *p, const cJSON *item, struct search *s)
{
    p = jb_json_skip_space(p);
    if (item && item == s->item) s->hit = p;
    if (*p != '{' && *p != '[') return jb_json_skip_scalar(p);
    bool object = *p == '{';
    const cJSON *child = item ? item->child : NULL;
    for (p = jb_json_skip_space(p + 1); *p && *p != '}' && *p != ']'; child = child ? child->next : NULL) {
        if (object) {
            if (s->key && child && item == s->object && strcmp(child->string, s->key) == 0) s->hit = p;
            p = jb_json_skip_space(jb_json_skip_string(p)) + 1; // behind the colon
        }
        p = jb_json_skip_space(walk(p, child, s));
        if (*p == ',') p = jb_json_skip_space(p + 1);
    }
    return *p ? p + 1 : p;
}

static int line_of(const struct jb_json_doc *doc, struct search *s)
{
    if (!doc || !doc->text || !doc->root) return 0;
    walk(doc->text, doc->root, s);
    return s->hit ? jb_json_line_at(doc->text, s->hit) : 0;
}

int jb_json_line(const struct jb_json_doc *doc, const cJSON *object, const char *key)
{
    struct search s = {.object = object, .key = key};
    return object && key ? line_of(doc, &s) : 0;
}

int jb_json_line_of(const struct jb_json_doc *doc, const cJSON *item)
{
    struct search s = {.item = item};
    return item ? line_of(doc, &s) : 0;
}
