// Typed reads and writes that allow null: the small words of which result_json.c and cell_*.c are made.
#include "reports/codec.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SAFE_INTEGER 9007199254740992.0 // 2^53

static const cJSON *member(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

int jb_in_bad(const struct jb_codec_in *in, const cJSON *o, const char *key, const char *what)
{
    return jb_fail(in->err, JB_E_INVALID, "%s:%d: \"%s\" %s", in->doc->name, jb_json_line(in->doc, o, key), key, what);
}

int jb_in_num(const struct jb_codec_in *in, const cJSON *o, const char *key, double min, double max, double *out)
{
    if (cJSON_IsNull(member(o, key))) {
        *out = NAN;
        return JB_OK;
    }
    return jb_json_get_f64(in->doc, o, key, true, min, max, out, in->err);
}

int jb_in_text(const struct jb_codec_in *in, const cJSON *o, const char *key, const char **out)
{
    const char *text = NULL;
    if (cJSON_IsNull(member(o, key))) {
        *out = NULL;
        return JB_OK;
    }
    int rc = jb_json_get_str(in->doc, o, key, true, &text, in->err);
    if (rc)
        return rc;
    *out = jb_result_str(in->r, text);
    return *out ? JB_OK : jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
}

// A count is a number, or a string beyond 2^53.
static bool count_of(const cJSON *item, uint64_t *out)
{
    if (cJSON_IsNumber(item)) {
        double v = item->valuedouble;
        if (!(v >= 0 && v <= MAX_SAFE_INTEGER) || v != floor(v))
            return false;
        *out = (uint64_t)v;
        return true;
    }
    if (!cJSON_IsString(item) || item->valuestring[0] < '0' || item->valuestring[0] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(item->valuestring, &end, 10);
    if (errno || *end)
        return false;
    *out = v;
    return true;
}

int jb_in_count(const struct jb_codec_in *in, const cJSON *o, const char *key, uint64_t *out)
{
    const cJSON *item = member(o, key);
    if (cJSON_IsNull(item)) {
        *out = 0;
        return JB_OK;
    }
    return count_of(item, out) ? JB_OK : jb_in_bad(in, o, key, item ? "must be a whole number >= 0 or null" : "is missing");
}

int jb_in_array(const struct jb_codec_in *in, const cJSON *o, const char *key, const cJSON **out, size_t max)
{
    const cJSON *item = member(o, key);
    if (!cJSON_IsArray(item))
        return jb_in_bad(in, o, key, item ? "must be an array" : "is missing");
    if ((size_t)cJSON_GetArraySize(item) > max)
        return jb_in_bad(in, o, key, "has more elements than this version can hold");
    *out = item;
    return JB_OK;
}

int jb_in_object(const struct jb_codec_in *in, const cJSON *o, const char *key, const cJSON **out)
{
    const cJSON *item = member(o, key);
    if (!cJSON_IsObject(item))
        return jb_in_bad(in, o, key, item ? "must be an object" : "is missing");
    *out = item;
    return JB_OK;
}

int jb_in_interval(const struct jb_codec_in *in, const cJSON *o, const char *key, double *lower, double *upper)
{
    const cJSON *item = member(o, key);
    if (cJSON_IsNull(item)) {
        *lower = *upper = NAN;
        return JB_OK;
    }
    const cJSON *a = cJSON_GetArrayItem(item, 0), *b = cJSON_GetArrayItem(item, 1);
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 || !cJSON_IsNumber(a) || !cJSON_IsNumber(b))
        return jb_in_bad(in, o, key, item ? "must be [lower, upper] or null" : "is missing");
    if (!(a->valuedouble <= b->valuedouble))
        return jb_in_bad(in, o, key, "has its lower end above its upper end");
    *lower = a->valuedouble;
    *upper = b->valuedouble;
    return JB_OK;
}

int jb_in_kv_of(const struct jb_codec_in *in, const cJSON *object, const char *skip, struct jb_kv **out, size_t *n)
{
    size_t count = 0;
    struct jb_kv *kv = jb_result_array(in->r, (size_t)cJSON_GetArraySize(object), sizeof *kv);
    if (!kv)
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    for (const cJSON *i = object->child; i; i = i->next) {
        if (skip && strcmp(i->string, skip) == 0)
            continue;
        if (!cJSON_IsString(i) && !cJSON_IsNumber(i) && !cJSON_IsNull(i))
            return jb_in_bad(in, object, i->string, "must be text, a number or null");
        kv[count].name = jb_result_str(in->r, i->string);
        char number[40];
        for (int digits = 15; cJSON_IsNumber(i) && digits <= 17; digits++) {
            snprintf(number, sizeof number, "%.*g", digits, i->valuedouble);
            if (strtod(number, NULL) == i->valuedouble)
                break;
        }
        kv[count].value = jb_result_str(in->r, cJSON_IsNumber(i) ? number : i->valuestring);
        if (!kv[count].name || (!kv[count].value && !cJSON_IsNull(i)))
            return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
        count++;
    }
    *out = kv;
    *n = count;
    return JB_OK;
}

int jb_in_kv(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_kv **out, size_t *n)
{
    const cJSON *object = NULL;
    int rc = jb_in_object(in, o, key, &object);
    return rc ? rc : jb_in_kv_of(in, object, NULL, out, n);
}

int jb_in_kd(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_kd **out, size_t *n)
{
    const cJSON *object = NULL;
    int rc = jb_in_object(in, o, key, &object);
    if (rc)
        return rc;
    size_t count = 0;
    struct jb_kd *kd = jb_result_array(in->r, (size_t)cJSON_GetArraySize(object), sizeof *kd);
    if (!kd)
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    for (const cJSON *i = object->child; i; i = i->next, count++) {
        if (!cJSON_IsNumber(i) && !cJSON_IsNull(i))
            return jb_in_bad(in, object, i->string, "must be a number or null");
        kd[count].value = cJSON_IsNull(i) ? NAN : i->valuedouble;
        if (!(kd[count].name = jb_result_str(in->r, i->string)))
            return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    }
    *out = kd;
    *n = count;
    return JB_OK;
}

void jb_out_num(struct jb_codec_out *w, cJSON *o, const char *key, double value)
{
    w->failed |= !o || !jb_json_put_f64(o, key, isfinite(value) ? value : NAN);
}

void jb_out_text(struct jb_codec_out *w, cJSON *o, const char *key, const char *value)
{
    w->failed |= !o || !jb_json_put_str(o, key, value);
}

void jb_out_count(struct jb_codec_out *w, cJSON *o, const char *key, uint64_t value)
{
    w->failed |= !o || !(value == UINT64_MAX ? jb_json_put_null(o, key) : jb_json_put_u64(o, key, value));
}

void jb_out_null(struct jb_codec_out *w, cJSON *o, const char *key) { w->failed |= !o || !jb_json_put_null(o, key); }

cJSON *jb_out_object(struct jb_codec_out *w, cJSON *o, const char *key)
{
    cJSON *p = o ? jb_json_put_object(o, key) : NULL;
    w->failed |= !p;
    return p;
}

cJSON *jb_out_array(struct jb_codec_out *w, cJSON *o, const char *key)
{
    cJSON *p = o ? jb_json_put_array(o, key) : NULL;
    w->failed |= !p;
    return p;
}

cJSON *jb_out_item(struct jb_codec_out *w, cJSON *array)
{
    cJSON *p = array ? cJSON_CreateObject() : NULL;
    if (!p || !cJSON_AddItemToArray(array, p)) {
        cJSON_Delete(p);
        w->failed = true;
        return NULL;
    }
    return p;
}

void jb_out_push_num(struct jb_codec_out *w, cJSON *array, double value)
{
    cJSON *p = NULL;
    char text[40] = "null";
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    p = array ? cJSON_CreateRaw(text) : NULL;
    if (!p || !cJSON_AddItemToArray(array, p)) {
        cJSON_Delete(p);
        w->failed = true;
    }
}

void jb_out_interval(struct jb_codec_out *w, cJSON *o, const char *key, double lower, double upper)
{
    if (!isfinite(lower) || !isfinite(upper)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *a = jb_out_array(w, o, key);
    jb_out_push_num(w, a, lower);
    jb_out_push_num(w, a, upper);
}

void jb_out_kv(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_kv *kv, size_t n)
{
    cJSON *p = jb_out_object(w, o, key);
    for (size_t i = 0; i < n && p; i++)
        if (!member(p, kv[i].name))
            jb_out_text(w, p, kv[i].name, kv[i].value);
}

void jb_out_kd(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_kd *kd, size_t n)
{
    cJSON *p = jb_out_object(w, o, key);
    for (size_t i = 0; i < n && p; i++)
        if (!member(p, kd[i].name))
            jb_out_num(w, p, kd[i].name, kd[i].value);
}
