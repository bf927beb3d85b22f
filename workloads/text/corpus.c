// Passages from JSON lines. Every line is a document of its own, checked by base/json; its texts are copied into one piece of memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/json.h"
#include "workloads/text/text_set.h"

#define MAX_BYTES ((size_t)64 << 20)
#define MAX_LINES 1000000u

// Texts are shorter than the JSON that held them, so one block as long as the file holds them all.
struct reader { struct jb_corpus *c; char *at; uint32_t room; const char *name; };

static const char *keep(struct reader *r, const char *text)
{
    size_t n = text ? strlen(text) + 1 : 0;
    if (!text) return NULL;
    memcpy(r->at, text, n);
    r->at += n;
    return r->at - n;
}

static int read_fields(struct reader *r, const struct jb_json_doc *doc, struct jb_passage *p, struct jb_err *err)
{
    static const char *const keys[] = { "id", "text", "target", "context", "system", "user", "n", "source", NULL };
    const char *id = NULL, *text = NULL, *context = NULL, *target = NULL, *system = NULL, *user = NULL, *source = NULL;
    int64_t n = 0;
    if (!cJSON_IsObject(doc->root)) return jb_fail(err, JB_E_INVALID, "%s: not an object", doc->name);
    int rc = jb_json_only_keys(doc, doc->root, "a passage", keys, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "id", true, &id, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "text", false, &text, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "context", false, &context, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "target", false, &target, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "system", false, &system, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "user", false, &user, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "source", false, &source, err);
    if (!rc) rc = jb_json_get_i64(doc, doc->root, "n", false, 1, 65536, &n, err);
    if (!rc && text && context) rc = jb_fail(err, JB_E_INVALID, "%s: both \"text\" and \"context\"", doc->name);
    if (rc) return rc;
    *p = (struct jb_passage){ keep(r, id), keep(r, text ? text : context), keep(r, target), keep(r, system), keep(r, user), (uint32_t)n };
    return JB_OK;
}

static int read_line(struct reader *r, uint32_t number, const char *line, size_t n, struct jb_err *err)
{
    struct jb_json_doc doc;
    char name[256];
    snprintf(name, sizeof name, "%.200s:%u", r->name, number);
    if (r->c->n == r->room) {
        uint32_t room = r->room ? r->room * 2 : 64;
        struct jb_passage *more = realloc(r->c->passages, room * sizeof *more);
        if (!more) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
        r->c->passages = more;
        r->room = room;
    }
    int rc = jb_json_parse(&doc, name, line, n, err);
    if (rc) return rc;
    rc = read_fields(r, &doc, &r->c->passages[r->c->n], err);
    jb_json_close(&doc);
    if (!rc) r->c->n++;
    return rc;
}

int jb_corpus_parse(struct jb_corpus *out, const char *name, const char *bytes, size_t n_bytes, struct jb_err *err)
{
    struct jb_corpus c = { 0 };
    struct reader r = { .c = &c, .name = name };
    int rc = (r.at = c.memory = malloc(n_bytes + 1)) ? 0 : jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    uint32_t number = 0;
    for (size_t at = 0; !rc && at < n_bytes;) {
        const char *end = memchr(bytes + at, '\n', n_bytes - at);
        size_t n = end ? (size_t)(end - (bytes + at)) : n_bytes - at;
        if (++number > MAX_LINES) rc = jb_fail(err, JB_E_RANGE, "%s: more than %u lines", name, MAX_LINES);
        if (!rc && n) rc = read_line(&r, number, bytes + at, n, err);
        at += n + 1;
    }
    if (!rc && !c.n) rc = jb_fail(err, JB_E_INVALID, "%s: no passages", name);
    if (rc) {
        jb_corpus_close(&c);
        return rc;
    }
    *out = c;
    return JB_OK;
}

int jb_corpus_open(struct jb_corpus *out, const struct jb_paths *paths, const char *name, struct jb_err *err)
{
    char path[4096];
    uint8_t *bytes;
    size_t n;
    int rc = jb_paths_resolve(paths, name, path, sizeof path, err);
    if (!rc) rc = jb_read_maybe_gzip(path, MAX_BYTES, &bytes, &n, err);
    if (rc) return rc;
    rc = jb_corpus_parse(out, path, (const char *)bytes, n, err);
    free(bytes);
    return rc;
}

void jb_corpus_close(struct jb_corpus *c)
{
    free(c->passages);
    free(c->memory);
    *c = (struct jb_corpus){ 0 };
}
