// Typed reads out of an object: every refusal names file, line and key.
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define EXACT_LIMIT 9007199254740992.0 // 2^53: a double counts integers up to here

static const char *type_name(const cJSON *v)
{
    if (cJSON_IsString(v)) return "a string";
    if (cJSON_IsNumber(v)) return "a number";
    if (cJSON_IsBool(v)) return "true or false";
    if (cJSON_IsNull(v)) return "null";
    if (cJSON_IsArray(v)) return "an array";
    return "an object";
}

// NULL and *rc = JB_OK: absent, and not required.
static const cJSON *find(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, int *rc, struct jb_err *err)
{
    *rc = JB_OK;
    if (!cJSON_IsObject(o)) {
        *rc = jb_fail(err, JB_E_INVALID, "%s:%d: an object with \"%s\" is expected, not %s", doc->name, jb_json_line_of(doc, o), key, o ? type_name(o) : "nothing");
        return NULL;
    }
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v && required) *rc = jb_fail(err, JB_E_INVALID, "%s:%d: key \"%s\" is missing", doc->name, jb_json_line_of(doc, o), key);
    return v;
}

static int wrong_type(const struct jb_json_doc *doc, const cJSON *o, const char *key, const cJSON *v, const char *wanted, struct jb_err *err)
{
    return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be %s, not %s", doc->name, jb_json_line(doc, o, key), key, wanted, type_name(v));
}

int jb_json_only_keys(const struct jb_json_doc *doc, const cJSON *object, const char *place, const char *const *keys, struct jb_err *err)
{
    if (!cJSON_IsObject(object))
        return jb_fail(err, JB_E_INVALID, "%s:%d: %s must be an object, not %s", doc->name, jb_json_line_of(doc, object), place, object ? type_name(object) : "absent");
    for (const cJSON *c = object->child; c; c = c->next) {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], c->string) != 0) i++;
        if (keys[i]) continue;
        struct jb_str known = {0};
        for (i = 0; keys[i]; i++) jb_str_addf(&known, "%s%s", i ? ", " : "", keys[i]);
        jb_fail(err, JB_E_INVALID, "%s:%d: unknown key \"%.80s\" in %s (known: %s)", doc->name, jb_json_line(doc, object, c->string), c->string, place, jb_str_get(&known));
        jb_str_free(&known);
        return JB_E_INVALID;
    }
    return JB_OK;
}

int jb_json_get_str(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, const char **out, struct jb_err *err)
{
    int rc;
    const cJSON *v = find(doc, o, key, required, &rc, err);
    if (!v) return rc;
    if (!cJSON_IsString(v)) return wrong_type(doc, o, key, v, "a string", err);
    *out = v->valuestring;
    return JB_OK;
}

int jb_json_get_bool(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, bool *out, struct jb_err *err)
{
    int rc;
    const cJSON *v = find(doc, o, key, required, &rc, err);
    if (!v) return rc;
    if (!cJSON_IsBool(v)) return wrong_type(doc, o, key, v, "true or false", err);
    *out = cJSON_IsTrue(v);
    return JB_OK;
}

int jb_json_get_f64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, double min, double max, double *out, struct jb_err *err)
{
    int rc;
    const cJSON *v = find(doc, o, key, required, &rc, err);
    if (!v) return rc;
    if (!cJSON_IsNumber(v)) return wrong_type(doc, o, key, v, "a number", err);
    if (!(v->valuedouble >= min && v->valuedouble <= max))
        return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" is %g: it must lie in %g to %g", doc->name, jb_json_line(doc, o, key), key, v->valuedouble, min, max);
    *out = v->valuedouble;
    return JB_OK;
}

// Sign and magnitude of an integer. Numbers count up to 2^53; what is larger must stand as a string of digits (as jb_json_put_u64 writes it).
static int read_integer(const struct jb_json_doc *doc, const cJSON *o, const char *key, const cJSON *v, bool *negative, uint64_t *magnitude, struct jb_err *err)
{
    if (cJSON_IsNumber(v)) {
        double x = fabs(v->valuedouble);
        if (x != floor(x)) return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be an integer, not %g", doc->name, jb_json_line(doc, o, key), key, v->valuedouble);
        if (x > EXACT_LIMIT) return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" is beyond 2^53: write it as a string", doc->name, jb_json_line(doc, o, key), key);
        *negative = v->valuedouble < 0;
        *magnitude = (uint64_t)x;
        return JB_OK;
    }
    if (!cJSON_IsString(v)) return wrong_type(doc, o, key, v, "an integer", err);
    const char *s = v->valuestring;
    bool minus = s[0] == '-';
    size_t digits = strspn(s + minus, "0123456789");
    if (digits == 0 || s[minus + digits]) return wrong_type(doc, o, key, v, "an integer", err);
    errno = 0;
    unsigned long long m = strtoull(s + minus, NULL, 10);
    if (errno == ERANGE) return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" does not fit 64 bits", doc->name, jb_json_line(doc, o, key), key);
    if ((double)m <= EXACT_LIMIT) return wrong_type(doc, o, key, v, "an integer", err);
    *negative = minus;
    *magnitude = m;
    return JB_OK;
}

int jb_json_get_i64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, int64_t min, int64_t max, int64_t *out, struct jb_err *err)
{
    int rc;
    bool negative;
    uint64_t m;
    const cJSON *v = find(doc, o, key, required, &rc, err);
    if (!v) return rc;
    rc = read_integer(doc, o, key, v, &negative, &m, err);
    if (rc != JB_OK) return rc;
    bool fits = m <= (uint64_t)INT64_MAX || (negative && m == (uint64_t)INT64_MAX + 1);
    int64_t value = !fits ? 0 : negative ? (m ? -(int64_t)(m - 1) - 1 : 0) : (int64_t)m;
    if (!fits || value < min || value > max)
        return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" is %s%" PRIu64 ": it must lie in %" PRId64 " to %" PRId64, doc->name, jb_json_line(doc, o, key), key, negative ? "-" : "", m, min, max);
    *out = value;
    return JB_OK;
}

int jb_json_get_u64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, uint64_t min, uint64_t max, uint64_t *out, struct jb_err *err)
{
    int rc;
    bool negative;
    uint64_t m;
    const cJSON *v = find(doc, o, key, required, &rc, err);
    if (!v) return rc;
    rc = read_integer(doc, o, key, v, &negative, &m, err);
    if (rc != JB_OK) return rc;
    if ((negative && m > 0) || m < min || m > max)
        return jb_fail(err, JB_E_RANGE, "%s:%d: \"%s\" is %s%" PRIu64 ": it must lie in %" PRIu64 " to %" PRIu64, doc->name, jb_json_line(doc, o, key), key, negative ? "-" : "", m, min, max);
    *out = m;
    return JB_OK;
}
