#include "harness/side.h"

#include "base/fs.h"
#include <stdio.h>
#include <string.h>

#define SIDE_MAX_BYTES (1u << 20)

// Texts of a list: "NAME=VALUE", or options that begin with two dashes.
static int texts(const struct jb_side *s, const char *key, bool options, const char **out, size_t *n, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(s->doc.root, key);
    if (!list) return 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > JB_SIDE_MAX)
        return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be a list of at most %d texts", s->doc.name, jb_json_line(&s->doc, s->doc.root, key), key, JB_SIDE_MAX);
    for (const cJSON *i = list->child; i; i = i->next) {
        bool good = cJSON_IsString(i) && (options ? !strncmp(i->valuestring, "--", 2) : strchr(i->valuestring, '=') && i->valuestring[0] != '=');
        if (!good) return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" holds something that is no %s", s->doc.name, jb_json_line_of(&s->doc, i), key, options ? "\"--OPTION\"" : "\"NAME=VALUE\"");
        out[(*n)++] = i->valuestring;
    }
    return 0;
}

int jb_side_read(struct jb_side *out, const char *path, struct jb_err *err)
{
    static const char *const keys[] = { "name", "joulebench", "plan", "only", "set", "env", "args", NULL };
    struct jb_side s = { 0 };
    int rc = jb_json_read(&s.doc, path, SIDE_MAX_BYTES, err);
    if (rc) return rc;
    if (!cJSON_IsObject(s.doc.root)) rc = jb_fail(err, JB_E_INVALID, "%s: a side of a comparison is a JSON object", path);
    if (!rc) rc = jb_json_only_keys(&s.doc, s.doc.root, "side", keys, err);
    if (!rc) rc = jb_path_dir(s.dir, sizeof s.dir, path);
    if (!rc) rc = jb_json_get_str(&s.doc, s.doc.root, "plan", true, &s.plan, err);
    if (!rc) rc = jb_json_get_str(&s.doc, s.doc.root, "name", false, &s.name, err);
    if (!rc) rc = jb_json_get_str(&s.doc, s.doc.root, "joulebench", false, &s.program, err);
    if (!rc) rc = jb_json_get_str(&s.doc, s.doc.root, "only", false, &s.only, err);
    if (!rc) rc = texts(&s, "set", false, s.set, &s.n_set, err);
    if (!rc) rc = texts(&s, "env", false, s.env, &s.n_env, err);
    if (!rc) rc = texts(&s, "args", true, s.arg, &s.n_arg, err);
    if (rc) {
        jb_json_close(&s.doc);
        return rc;
    }
    *out = s;
    if (!out->name) out->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path; // borrowed from the caller's argument
    return 0;
}

void jb_side_close(struct jb_side *s) { jb_json_close(&s->doc); }
