// The parts of a cell that are objects or arrays in JSON: settings, quality, latency, exits, memory.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const struct jb_codec_in *in) { return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name); }

void jb_out_policy_params(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    jb_out_kd(w, o, key, c->policy_params, c->n_policy_params);
}

int jb_in_policy_params(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    return jb_in_kd(in, o, key, &c->policy_params, &c->n_policy_params);
}

void jb_out_macs_by_precision(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    jb_out_kd(w, o, key, c->macs_by_precision, c->n_macs_by_precision);
}

int jb_in_macs_by_precision(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    return jb_in_kd(in, o, key, &c->macs_by_precision, &c->n_macs_by_precision);
}

void jb_out_thresholds(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    if (!c->n_thresholds) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *a = jb_out_array(w, o, key);
    for (uint32_t i = 0; i < c->n_thresholds && i < JB_RESULT_MAX_EXITS; i++)
        jb_out_push_num(w, a, c->thresholds[i]);
}

int jb_in_thresholds(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const cJSON *a = NULL, *i;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, key)))
        return JB_OK;
    int rc = jb_in_array(in, o, key, &a, JB_RESULT_MAX_EXITS);
    if (rc)
        return rc;
    cJSON_ArrayForEach(i, a)
    {
        if (!cJSON_IsNumber(i) && !cJSON_IsNull(i))
            return jb_in_bad(in, o, key, "must hold numbers or null");
        c->thresholds[c->n_thresholds++] = cJSON_IsNumber(i) ? i->valuedouble : NAN;
    }
    return JB_OK;
}

void jb_out_status(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    jb_out_text(w, o, key, jb_cell_status_name(c->status));
}

int jb_in_status(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const char *text = NULL;
    int rc = jb_json_get_str(in->doc, o, key, true, &text, in->err);
    if (rc)
        return rc;
    for (int s = JB_CELL_VALID; s <= JB_CELL_UNAVAILABLE; s++) {
        if (strcmp(text, jb_cell_status_name((enum jb_cell_status)s)) == 0) {
            c->status = (enum jb_cell_status)s;
            return JB_OK;
        }
    }
    return jb_in_bad(in, o, key, "must be valid, invalid, failed or unavailable");
}

void jb_out_accuracy(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_object(w, o, key);
    jb_out_num(w, a, "value", c->accuracy.value);
    jb_out_count(w, a, "n", c->accuracy.n);
    jb_out_interval(w, a, "ci95", c->accuracy.lower, c->accuracy.upper);
}

int jb_in_accuracy(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"value", "n", "ci95", NULL};
    const cJSON *a = NULL;
    int rc = jb_in_object(in, o, key, &a);
    if (!rc) rc = jb_json_only_keys(in->doc, a, "accuracy", KEYS, in->err);
    if (!rc) rc = jb_in_num(in, a, "value", 0, 1, &c->accuracy.value);
    if (!rc) rc = jb_in_count(in, a, "n", &c->accuracy.n);
    if (!rc) rc = jb_in_interval(in, a, "ci95", &c->accuracy.lower, &c->accuracy.upper);
    return rc;
}

void jb_out_quality(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_array(w, o, key);
    for (size_t i = 0; i < c->n_quality; i++) {
        const struct jb_result_quality *q = &c->quality[i];
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "name", q->name ? q->name : "");
        jb_out_num(w, p, "value", q->value);
        jb_out_num(w, p, "lower", q->lower);
        jb_out_num(w, p, "upper", q->upper);
        jb_out_count(w, p, "n", q->n);
        jb_out_text(w, p, "better", q->higher_is_better ? "higher" : "lower");
    }
}

static int read_quality(const struct jb_codec_in *in, const cJSON *p, struct jb_result_quality *q)
{
    static const char *const KEYS[] = {"name", "value", "lower", "upper", "n", "better", NULL};
    const char *better = NULL;
    int rc = jb_json_only_keys(in->doc, p, "quality", KEYS, in->err);
    if (!rc) rc = jb_in_text(in, p, "name", &q->name);
    if (!rc) rc = jb_in_num(in, p, "value", -DBL_MAX, DBL_MAX, &q->value);
    if (!rc) rc = jb_in_num(in, p, "lower", -DBL_MAX, DBL_MAX, &q->lower);
    if (!rc) rc = jb_in_num(in, p, "upper", -DBL_MAX, DBL_MAX, &q->upper);
    if (!rc) rc = jb_in_count(in, p, "n", &q->n);
    if (!rc) rc = jb_json_get_str(in->doc, p, "better", true, &better, in->err);
    if (!rc && strcmp(better, "higher") && strcmp(better, "lower"))
        rc = jb_in_bad(in, p, "better", "must be higher or lower");
    if (!rc) q->higher_is_better = better[0] == 'h';
    return rc;
}

int jb_in_quality(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const cJSON *a = NULL, *p;
    int rc = jb_in_array(in, o, key, &a, 1000);
    if (rc)
        return rc;
    if (!(c->quality = jb_result_array(in->r, (size_t)cJSON_GetArraySize(a), sizeof *c->quality)))
        return no_memory(in);
    cJSON_ArrayForEach(p, a)
        if ((rc = read_quality(in, p, &c->quality[c->n_quality++])))
            return rc;
    return JB_OK;
}

void jb_out_exit_histogram(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_array(w, o, key);
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++)
        jb_out_push_num(w, a, (double)c->exit_histogram[i]);
}

int jb_in_exit_histogram(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const cJSON *a = NULL, *i;
    uint32_t k = 0;
    int rc = jb_in_array(in, o, key, &a, JB_RESULT_MAX_EXITS);
    if (rc)
        return rc;
    cJSON_ArrayForEach(i, a)
    {
        if (!cJSON_IsNumber(i) || !(i->valuedouble >= 0 && i->valuedouble <= 9e15))
            return jb_in_bad(in, o, key, "must hold counts");
        c->exit_histogram[k++] = (uint64_t)i->valuedouble;
    }
    c->n_exits = k;
    return JB_OK;
}

void jb_out_exits(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_array(w, o, key);
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++) {
        cJSON *p = jb_out_item(w, a);
        jb_out_count(w, p, "count", c->exits[i].count);
        jb_out_num(w, p, "accuracy", c->exits[i].accuracy);
        jb_out_num(w, p, "macs", c->exits[i].macs);
        jb_out_num(w, p, "latency_mean_ns", c->exits[i].latency_mean_ns);
    }
}

int jb_in_exits(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"count", "accuracy", "macs", "latency_mean_ns", NULL};
    const cJSON *a = NULL, *p;
    int rc = jb_in_array(in, o, key, &a, JB_RESULT_MAX_EXITS);
    if (!rc && (uint32_t)cJSON_GetArraySize(a) != c->n_exits)
        rc = jb_in_bad(in, o, key, "and \"exit_histogram\" differ in length");
    if (rc)
        return rc;
    struct jb_result_exit *e = c->exits;
    cJSON_ArrayForEach(p, a)
    {
        rc = jb_json_only_keys(in->doc, p, "an exit", KEYS, in->err);
        if (!rc) rc = jb_in_count(in, p, "count", &e->count);
        if (!rc) rc = jb_in_num(in, p, "accuracy", 0, 1, &e->accuracy);
        if (!rc) rc = jb_in_num(in, p, "macs", 0, DBL_MAX, &e->macs);
        if (!rc) rc = jb_in_num(in, p, "latency_mean_ns", 0, DBL_MAX, &e->latency_mean_ns);
        if (rc)
            return rc;
        e++;
    }
    return JB_OK;
}

void jb_out_precision_histogram(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_array(w, o, key);
    for (size_t i = 0; i < c->n_precision_histogram; i++) {
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "precision", c->precision_histogram[i].name);
        jb_out_num(w, p, "stages", c->precision_histogram[i].value);
    }
}

int jb_in_precision_histogram(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"precision", "stages", NULL};
    const cJSON *a = NULL, *p;
    int rc = jb_in_array(in, o, key, &a, 1000);
    if (rc)
        return rc;
    if (!(c->precision_histogram = jb_result_array(in->r, (size_t)cJSON_GetArraySize(a), sizeof *c->precision_histogram)))
        return no_memory(in);
    cJSON_ArrayForEach(p, a)
    {
        struct jb_kd *h = &c->precision_histogram[c->n_precision_histogram++];
        rc = jb_json_only_keys(in->doc, p, "precision_histogram", KEYS, in->err);
        if (!rc) rc = jb_in_text(in, p, "precision", &h->name);
        if (!rc) rc = jb_in_num(in, p, "stages", 0, DBL_MAX, &h->value);
        if (rc)
            return rc;
    }
    return JB_OK;
}

void jb_out_memory(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "model_bytes", c->model_bytes);
    jb_out_num(w, p, "session_bytes", c->session_bytes);
    jb_out_num(w, p, "peak_rss_bytes", c->peak_rss_bytes);
}

int jb_in_memory(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"model_bytes", "session_bytes", "peak_rss_bytes", NULL};
    const cJSON *p = NULL;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "memory", KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "model_bytes", 0, DBL_MAX, &c->model_bytes);
    if (!rc) rc = jb_in_num(in, p, "session_bytes", 0, DBL_MAX, &c->session_bytes);
    if (!rc) rc = jb_in_num(in, p, "peak_rss_bytes", 0, DBL_MAX, &c->peak_rss_bytes);
    return rc;
}

void jb_out_instructions(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    if (!isfinite(c->instructions.value)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "value", c->instructions.value);
    jb_out_text(w, p, "per", "query");
    jb_out_count(w, p, "queries", c->instructions.queries);
    jb_out_text(w, p, "source", c->instructions.source);
    jb_out_text(w, p, "kernels", c->instructions.kernels);
}

// Absent in files of before: not counted.
int jb_in_instructions(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"value", "per", "queries", "source", "kernels", NULL};
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, key);
    const char *per = NULL;
    if (!p || cJSON_IsNull(p))
        return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "instructions", KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "value", 1, DBL_MAX, &c->instructions.value);
    if (!rc) rc = jb_in_text(in, p, "per", &per);
    if (!rc) rc = jb_in_count(in, p, "queries", &c->instructions.queries);
    if (!rc) rc = jb_in_text(in, p, "source", &c->instructions.source);
    if (!rc) rc = jb_in_text(in, p, "kernels", &c->instructions.kernels);
    if (!rc && (isnan(c->instructions.value) || !c->instructions.source || !per || strcmp(per, "query") != 0))
        rc = jb_in_bad(in, o, key, "must have a value, a source, and be per query");
    return rc;
}

void jb_out_overthinking(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "wasteful", c->overthinking_wasteful);
    jb_out_num(w, p, "destructive", c->overthinking_destructive);
}

int jb_in_overthinking(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"wasteful", "destructive", NULL};
    const cJSON *p = NULL;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "overthinking", KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "wasteful", 0, 1, &c->overthinking_wasteful);
    if (!rc) rc = jb_in_num(in, p, "destructive", 0, 1, &c->overthinking_destructive);
    return rc;
}
