// Validity to JSON and back: the run's checks, and how a cell's blocks stood up to them.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_CHECKS 64

void jb_validity_to_json(struct jb_codec_out *w, cJSON *root, const struct jb_result_validity *v)
{
    if (!v->verdict) {
        jb_out_null(w, root, "validity");
        return;
    }
    cJSON *o = jb_out_object(w, root, "validity");
    jb_out_text(w, o, "verdict", v->verdict);
    cJSON *a = jb_out_array(w, o, "checks");
    for (size_t i = 0; i < v->n_checks; i++) {
        const struct jb_result_check *c = &v->checks[i];
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "name", c->name);
        jb_out_text(w, p, "verdict", c->verdict);
        jb_out_num(w, p, "observed", c->observed);
        jb_out_num(w, p, "limit", c->limit);
        jb_out_text(w, p, "what_to_do", c->what_to_do);
    }
}

static bool one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(text, *list))
            return true;
    return false;
}

static int read_check(const struct jb_codec_in *in, const cJSON *p, struct jb_result_check *c)
{
    static const char *const KEYS[] = {"name", "verdict", "observed", "limit", "what_to_do", NULL}, *const VERDICTS[] = {"pass", "fail", "unknown", NULL};
    int rc = jb_json_only_keys(in->doc, p, "a check", KEYS, in->err);
    if (!rc) rc = jb_json_get_str(in->doc, p, "name", true, &c->name, in->err);
    if (!rc) rc = jb_json_get_str(in->doc, p, "verdict", true, &c->verdict, in->err);
    if (!rc && !one_of(c->verdict, VERDICTS)) rc = jb_in_bad(in, p, "verdict", "must be pass, fail or unknown");
    if (!rc) rc = jb_in_text(in, p, "name", &c->name); // copies that outlive the document
    if (!rc) rc = jb_in_text(in, p, "verdict", &c->verdict);
    if (!rc) rc = jb_in_num(in, p, "observed", -DBL_MAX, DBL_MAX, &c->observed);
    if (!rc) rc = jb_in_num(in, p, "limit", -DBL_MAX, DBL_MAX, &c->limit);
    if (!rc) rc = jb_in_text(in, p, "what_to_do", &c->what_to_do);
    return rc;
}

int jb_validity_from_json(const struct jb_codec_in *in, const cJSON *root, struct jb_result_validity *v)
{
    static const char *const KEYS[] = {"verdict", "checks", NULL}, *const VERDICTS[] = {"VALID", "INVALID", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "validity"), *a = NULL, *p;
    const char *verdict = NULL;
    if (!o || cJSON_IsNull(o))
        return JB_OK;
    int rc = jb_in_object(in, root, "validity", &o);
    if (!rc) rc = jb_json_only_keys(in->doc, o, "validity", KEYS, in->err);
    if (!rc) rc = jb_json_get_str(in->doc, o, "verdict", true, &verdict, in->err);
    if (!rc && !one_of(verdict, VERDICTS)) rc = jb_in_bad(in, o, "verdict", "must be VALID or INVALID");
    if (!rc) rc = jb_in_text(in, o, "verdict", &verdict);
    if (!rc) rc = jb_in_array(in, o, "checks", &a, MAX_CHECKS);
    if (rc)
        return rc;
    if (!(v->checks = jb_result_array(in->r, (size_t)cJSON_GetArraySize(a) + 1, sizeof *v->checks)))
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    cJSON_ArrayForEach(p, a)
        if ((rc = read_check(in, p, &v->checks[v->n_checks++])))
            return rc;
    v->verdict = verdict;
    return JB_OK;
}

void jb_out_blocks(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    const struct jb_result_blocks *b = &c->blocks;
    if (!b->known) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_count(w, p, "invalid", b->invalid);
    jb_out_count(w, p, "left_out", b->left_out);
    jb_out_text(w, p, "reasons", b->reasons);
    jb_out_text(w, p, "stopped", b->stopped);
    jb_out_num(w, p, "confidence", b->confidence);
    jb_out_num(w, p, "reference_ns", b->reference_ns);
    jb_out_text(w, p, "warm_up", b->warm_up);
}

int jb_in_blocks(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"invalid", "left_out", "reasons", "stopped", "confidence", "reference_ns", "warm_up", NULL};
    struct jb_result_blocks *b = &c->blocks;
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!p || cJSON_IsNull(p))
        return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, key, KEYS, in->err);
    if (!rc) rc = jb_in_count(in, p, "invalid", &b->invalid);
    if (!rc) rc = jb_in_count(in, p, "left_out", &b->left_out);
    if (!rc) rc = jb_in_text(in, p, "reasons", &b->reasons);
    if (!rc) rc = jb_in_text(in, p, "stopped", &b->stopped);
    if (!rc) rc = jb_in_num(in, p, "confidence", 0, 1, &b->confidence);
    if (!rc) rc = jb_in_num(in, p, "reference_ns", 0, DBL_MAX, &b->reference_ns);
    if (!rc) rc = jb_in_text(in, p, "warm_up", &b->warm_up);
    b->known = !rc;
    return rc;
}
