// The sections of a plan, read strictly: unknown keys, wrong types, empty axes and absurd counts are errors that name file, line and key.
#include "harness/plan_data.h"

#include "base/strbuf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(const struct jb_plan *p, const cJSON *o, const char *key, const char *why, struct jb_err *err)
{
    return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" %s", p->doc.name, jb_json_line(&p->doc, o, key), key, why);
}

// The items of a list; a lone value counts as a list of one, so that `--set precisions=int8` works.
static int items_of(const struct jb_plan *p, const cJSON *o, const char *key, size_t *n, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    *n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 1;
    if (!*n) return bad(p, o, key, "is empty: an axis needs at least one value", err);
    if (*n > JB_PLAN_MAX_LIST) return bad(p, o, key, "has more than 4096 values", err);
    return 0;
}

static const cJSON *first_item(const cJSON *list) { return cJSON_IsArray(list) ? list->child : list; }
static const cJSON *next_item(const cJSON *list, const cJSON *item) { return cJSON_IsArray(list) ? item->next : NULL; }

static int names(const struct jb_plan *p, const cJSON *o, const char *key, bool required, struct jb_names *out, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!list) return required ? jb_fail(err, JB_E_INVALID, "%s: \"%s\" is missing", p->doc.name, key) : 0;
    size_t n;
    int rc = items_of(p, o, key, &n, err);
    if (rc) return rc;
    if (!(out->v = calloc(n, sizeof *out->v))) return jb_fail(err, JB_E_NOMEM, "plan");
    for (const cJSON *i = first_item(list); i; i = next_item(list, i)) {
        if (!cJSON_IsString(i) || !i->valuestring[0] || strlen(i->valuestring) > 200) return bad(p, o, key, "must list texts of 1 to 200 bytes", err);
        out->v[out->n++] = i->valuestring;
    }
    return 0;
}

static int numbers(const struct jb_plan *p, const cJSON *o, const char *key, double min, double max, bool whole, struct jb_numbers *out, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    size_t n;
    int rc = items_of(p, o, key, &n, err);
    if (rc) return rc;
    if (!(out->v = calloc(n, sizeof *out->v))) return jb_fail(err, JB_E_NOMEM, "plan");
    for (const cJSON *i = first_item(list); i; i = next_item(list, i)) {
        if (!cJSON_IsNumber(i)) return bad(p, o, key, "must list numbers", err);
        double v = i->valuedouble;
        if (!(v >= min && v <= max) || (whole && v != floor(v))) {
            char why[128];
            snprintf(why, sizeof why, "has %g: wanted %s %g to %g", v, whole ? "whole numbers" : "numbers", min, max);
            return bad(p, o, key, why, err);
        }
        out->v[out->n++] = v;
    }
    return 0;
}

// ---- workloads ----

static char *value_text(const cJSON *v) { return cJSON_IsString(v) ? strdup(v->valuestring) : cJSON_PrintUnformatted(v); }

static int workload_params(const struct jb_plan *p, const cJSON *o, struct jb_plan_workload *w, struct jb_err *err)
{
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(o, "params");
    if (!params) return 0;
    if (!cJSON_IsObject(params)) return bad(p, o, "params", "must be an object of names and values", err);
    int n = cJSON_GetArraySize(params);
    if (n > 64) return bad(p, o, "params", "has more than 64 entries", err);
    if (!(w->params = calloc((size_t)n + 1, sizeof *w->params))) return jb_fail(err, JB_E_NOMEM, "plan");
    for (const cJSON *i = params->child; i; i = i->next) {
        if (!cJSON_IsString(i) && !cJSON_IsNumber(i) && !cJSON_IsBool(i)) return bad(p, params, i->string, "must be a text, a number or true/false", err);
        char *text = value_text(i);
        if (!text) return jb_fail(err, JB_E_NOMEM, "plan");
        w->params[w->n_params++] = (struct jb_workload_param){ .name = i->string, .value = text };
    }
    return 0;
}

static const struct jb_workload_ops *workload_row(const char *preset)
{
    for (size_t i = 0; jb_workloads[i]; i++)
        if (!strcmp(jb_workloads[i]->name, preset)) return jb_workloads[i];
    return NULL;
}

static int read_workload(struct jb_plan *p, const cJSON *o, struct jb_plan_workload *w, struct jb_err *err)
{
    static const char *const keys[] = { "name", "preset", "params", NULL };
    int rc = jb_json_only_keys(&p->doc, o, "workloads[]", keys, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "name", true, &w->name, err);
    w->preset = w->name;
    if (!rc) rc = jb_json_get_str(&p->doc, o, "preset", false, &w->preset, err);
    if (rc) return rc;
    if (!workload_row(w->preset)) {
        struct jb_str known = { 0 };
        for (size_t i = 0; jb_workloads[i]; i++) jb_str_addf(&known, "%s%s", i ? ", " : "", jb_workloads[i]->name);
        rc = jb_fail(err, JB_E_INVALID, "%s:%d: unknown workload \"%s\" (known: %s)", p->doc.name,
                     jb_json_line(&p->doc, o, w->preset == w->name ? "name" : "preset"), w->preset, jb_str_get(&known));
        jb_str_free(&known);
        return rc;
    }
    for (const struct jb_plan_workload *q = p->workloads; q < w; q++)
        if (!strcmp(q->name, w->name)) return bad(p, o, "name", "names a workload twice", err);
    return workload_params(p, o, w, err);
}

// ---- models ----

static int read_model(struct jb_plan *p, const cJSON *o, struct jb_plan_model *m, struct jb_err *err)
{
    static const char *const keys[] = { "name", "file", "exits", "workload", NULL };
    const char *workload = NULL;
    int rc = jb_json_only_keys(&p->doc, o, "models[]", keys, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "name", true, &m->name, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "file", true, &m->file, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "exits", false, &m->exits, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "workload", p->n_workloads > 1, &workload, err);
    if (rc) return rc;
    if (!*m->name || strlen(m->name) > 100) return bad(p, o, "name", "must have 1 to 100 bytes", err);
    for (const struct jb_plan_model *q = p->models; q < m; q++)
        if (!strcmp(q->name, m->name)) return bad(p, o, "name", "names a model twice", err);
    for (m->workload = 0; workload && m->workload < p->n_workloads; m->workload++)
        if (!strcmp(p->workloads[m->workload].name, workload)) break;
    if (m->workload >= p->n_workloads) return bad(p, o, "workload", "is not among the plan's workloads", err);
    if (workload_row(p->workloads[m->workload].preset)->run_without_model) return bad(p, o, "name", "belongs to a workload that runs without a model", err);
    return 0;
}

// ---- policies ----

static int read_thresholds(const struct jb_plan *p, const cJSON *o, struct jb_plan_policy *q, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "threshold");
    if (!list) return 0;
    if (!q->ops->has_threshold) return bad(p, o, "threshold", "given, but this policy has none", err);
    size_t n;
    int rc = items_of(p, o, "threshold", &n, err);
    if (rc) return rc;
    if (!(q->thresholds = calloc(n, sizeof *q->thresholds))) return jb_fail(err, JB_E_NOMEM, "plan");
    for (const cJSON *i = first_item(list); i; i = next_item(list, i)) {
        struct jb_threshold_set *t = &q->thresholds[q->n_thresholds++];
        for (const cJSON *v = first_item(i); v; v = next_item(i, v)) {
            if (t->n == JB_MAX_STAGES) return bad(p, o, "threshold", "has a list of more than 16 values (one for each exit)", err);
            if (!cJSON_IsNumber(v) || !(v->valuedouble >= q->ops->threshold_min && v->valuedouble <= q->ops->threshold_max)) {
                char why[160];
                snprintf(why, sizeof why, "must hold numbers from %g to %g, or lists of them by exit", q->ops->threshold_min, q->ops->threshold_max);
                return bad(p, o, "threshold", why, err);
            }
            t->v[t->n++] = v->valuedouble;
        }
        if (!t->n) return bad(p, o, "threshold", "holds an empty list", err);
    }
    return 0;
}

static const struct jb_option *policy_option(const struct jb_policy_ops *ops, const char *name)
{
    for (const struct jb_option *x = ops->options; x && x->type != JB_OPT_END; x++)
        if (!strcmp(x->name, name)) return x;
    return NULL;
}

static bool is_common_key(const char *key)
{
    static const char *const common[] = { "name", "threshold", "target_loss", "per_exit", "models", "precisions", "scenarios", "kv", "fill" };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (!strcmp(key, common[i])) return true;
    return false;
}

static int unknown_key(const struct jb_plan *p, const cJSON *o, const struct jb_policy_ops *ops, const char *key, struct jb_err *err)
{
    struct jb_str known = { 0 };
    jb_str_add(&known, "name, models, precisions, scenarios, kv, fill");
    if (ops->has_threshold) jb_str_add(&known, ", threshold, target_loss, per_exit");
    for (const struct jb_option *x = ops->options; x && x->type != JB_OPT_END; x++) jb_str_addf(&known, ", %s", x->name);
    int rc = jb_fail(err, JB_E_INVALID, "%s:%d: unknown key \"%s\" in policy %s (known: %s)", p->doc.name, jb_json_line(&p->doc, o, key), key, ops->name,
                     jb_str_get(&known));
    jb_str_free(&known);
    return rc;
}

static int read_params(const struct jb_plan *p, const cJSON *o, struct jb_plan_policy *q, struct jb_err *err)
{
    for (const cJSON *i = o->child; i; i = i->next) {
        if (is_common_key(i->string)) continue;
        const struct jb_option *x = policy_option(q->ops, i->string);
        if (!x) return unknown_key(p, o, q->ops, i->string, err);
        if (q->n_params == JB_PLAN_MAX_PARAMS) return bad(p, o, i->string, "is one parameter too many", err);
        size_t k = q->n_params++;
        q->params[k].name = x->name;
        int rc = numbers(p, o, i->string, x->min, x->max, x->type == JB_OPT_I64, &q->params[k].values, err);
        if (rc) return rc;
    }
    for (const struct jb_option *x = q->ops->options; x && x->type != JB_OPT_END; x++)
        if (!x->default_text && !cJSON_GetObjectItemCaseSensitive(o, x->name) && !cJSON_GetObjectItemCaseSensitive(o, "target_loss"))
            return jb_fail(err, JB_E_INVALID, "%s:%d: policy %s wants \"%s\"", p->doc.name, jb_json_line(&p->doc, o, "name"), q->ops->name, x->name);
    return 0;
}

static int check_names(const struct jb_plan *p, const cJSON *o, const struct jb_plan_policy *q, struct jb_err *err)
{
    for (size_t i = 0; i < q->models.n; i++) {
        size_t m = 0;
        while (m < p->n_models && strcmp(p->models[m].name, q->models.v[i])) m++;
        if (m == p->n_models) return bad(p, o, "models", "names a model that the plan does not have", err);
    }
    return 0;
}

static int check_precisions(const struct jb_plan *p, const cJSON *o, const struct jb_names *list, struct jb_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct jb_schedule s;
        struct jb_err why = { 0 };
        if (!strcmp(list->v[i], JB_PRECISION_STORED)) continue;
        if (jb_schedule_parse(&s, list->v[i], JB_MAX_STAGES, &why)) {
            char text[600];
            snprintf(text, sizeof text, "has \"%s\": %s", list->v[i], why.detail);
            return bad(p, o, "precisions", text, err);
        }
    }
    return 0;
}

static int check_scenarios(const struct jb_plan *p, const cJSON *o, const struct jb_names *list, struct jb_err *err)
{
    for (size_t i = 0; i < list->n; i++)
        if (jb_scenario_parse(list->v[i]) < 0) return bad(p, o, "scenarios", "may hold \"single-stream\" and \"offline\"", err);
    return 0;
}

// The axes that only language models have.
static int read_language(const struct jb_plan *p, const cJSON *o, struct jb_names *kv, struct jb_names *fill, struct jb_err *err)
{
    int rc = names(p, o, "kv", false, kv, err);
    if (!rc) rc = names(p, o, "fill", false, fill, err);
    for (size_t i = 0; i < kv->n && !rc; i++)
        if (jb_kv_parse(kv->v[i]) < 0) rc = bad(p, o, "kv", "may hold \"f16\" and \"int8\"", err);
    for (size_t i = 0; i < fill->n && !rc; i++)
        if (jb_fill_parse(fill->v[i]) < 0) rc = bad(p, o, "fill", "may hold \"exact\" and \"frozen\"", err);
    return rc;
}

static int read_policy(struct jb_plan *p, const cJSON *o, struct jb_plan_policy *q, struct jb_err *err)
{
    const char *name = NULL;
    int rc = jb_json_get_str(&p->doc, o, "name", true, &name, err);
    if (rc) return rc;
    if (!(q->ops = jb_policy_find(name))) {
        struct jb_str known = { 0 };
        for (size_t i = 0; jb_policies[i]; i++) jb_str_addf(&known, "%s%s", i ? ", " : "", jb_policies[i]->name);
        rc = jb_fail(err, JB_E_INVALID, "%s:%d: unknown policy \"%s\" (known: %s)", p->doc.name, jb_json_line(&p->doc, o, "name"), name, jb_str_get(&known));
        jb_str_free(&known);
        return rc;
    }
    rc = read_params(p, o, q, err);
    if (!rc) rc = read_thresholds(p, o, q, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(o, "target_loss")) rc = numbers(p, o, "target_loss", 0, 1, false, &q->target_loss, err);
    if (!rc) rc = jb_json_get_bool(&p->doc, o, "per_exit", false, &q->per_exit, err);
    if (!rc) rc = names(p, o, "models", false, &q->models, err);
    if (!rc) rc = names(p, o, "precisions", false, &q->precisions, err);
    if (!rc) rc = names(p, o, "scenarios", false, &q->scenarios, err);
    if (!rc) rc = read_language(p, o, &q->kv, &q->fill, err);
    if (!rc) rc = check_names(p, o, q, err);
    if (!rc) rc = check_precisions(p, o, &q->precisions, err);
    if (!rc) rc = check_scenarios(p, o, &q->scenarios, err);
    if (rc) return rc;
    if (q->ops->has_threshold && !q->n_thresholds && !q->target_loss.n)
        return bad(p, o, "name", "is a policy that wants \"threshold\" or \"target_loss\"", err);
    if (q->target_loss.n && (!strcmp(name, "final") || !strcmp(name, "fixed"))) return bad(p, o, "target_loss", "given, but this policy has no threshold", err);
    return 0;
}

// ---- top level ----

typedef int (*read_fn)(struct jb_plan *p, const cJSON *o, void *row, struct jb_err *err);

static int row_workload(struct jb_plan *p, const cJSON *o, void *row, struct jb_err *err) { return read_workload(p, o, row, err); }
static int row_model(struct jb_plan *p, const cJSON *o, void *row, struct jb_err *err) { return read_model(p, o, row, err); }
static int row_policy(struct jb_plan *p, const cJSON *o, void *row, struct jb_err *err) { return read_policy(p, o, row, err); }

// A list of objects into an array of rows. *count rises row by row, before a row is read, so that closing frees what a failed row holds.
static int rows(struct jb_plan *p, const char *key, size_t row_bytes, void **array, size_t *count, read_fn read, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(p->doc.root, key);
    if (!list) return jb_fail(err, JB_E_INVALID, "%s: \"%s\" is missing", p->doc.name, key);
    if (!cJSON_IsArray(list)) return bad(p, p->doc.root, key, "must be a list of objects", err);
    size_t n;
    int rc = items_of(p, p->doc.root, key, &n, err);
    if (rc) return rc;
    if (!(*array = calloc(n, row_bytes))) return jb_fail(err, JB_E_NOMEM, "plan");
    for (const cJSON *i = list->child; i; i = i->next) {
        if (!cJSON_IsObject(i)) return bad(p, p->doc.root, key, "must be a list of objects", err);
        char *row = (char *)*array + *count * row_bytes;
        ++*count;
        if ((rc = read(p, i, row, err))) return rc;
    }
    return 0;
}

static int u32_of(const struct jb_plan *p, const char *key, int64_t min, int64_t max, uint32_t *out, struct jb_err *err)
{
    int64_t v = *out;
    int rc = jb_json_get_i64(&p->doc, p->doc.root, key, false, min, max, &v, err);
    if (!rc) *out = (uint32_t)v;
    return rc;
}

// An object of the plan, or NULL.
static int section(const struct jb_plan *p, const char *key, const char *const *keys, const cJSON **out, struct jb_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(p->doc.root, key);
    *out = v;
    if (!v) return 0;
    return cJSON_IsObject(v) ? jb_json_only_keys(&p->doc, v, key, keys, err) : bad(p, p->doc.root, key, "must be an object", err);
}

static int read_validity(const struct jb_plan *p, struct jb_validity_limits *l, struct jb_err *err)
{
    static const char *const keys[] = { "max_other_cpu", "max_steal", "max_freq_change", "max_clock_jump_ms", "max_involuntary_per_s", "swap", "throttling", "max_reference_drift", "max_invalid_share", NULL };
    const cJSON *o;
    int rc = section(p, "validity", keys, &o, err);
    if (rc || !o) return rc;
    if (cJSON_GetObjectItemCaseSensitive(o, "max_other_cpu") && cJSON_GetObjectItemCaseSensitive(p->doc.root, "max_other_cpu"))
        return bad(p, o, "max_other_cpu", "stands in \"validity\" and beside it: one of them", err);
    rc = jb_json_get_f64(&p->doc, o, "max_other_cpu", false, 0, 1, &l->max_other_cpu, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_steal", false, 0, 1, &l->max_steal, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_freq_change", false, 0, 100, &l->max_freq_change, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_clock_jump_ms", false, 0, 1e12, &l->max_clock_jump_ms, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_involuntary_per_s", false, 0, 1e9, &l->max_involuntary_per_s, err);
    if (!rc) rc = jb_json_get_bool(&p->doc, o, "swap", false, &l->swap, err);
    if (!rc) rc = jb_json_get_bool(&p->doc, o, "throttling", false, &l->throttling, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_reference_drift", false, 0, 1e6, &l->max_reference_drift, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_invalid_share", false, 0, 1, &l->max_invalid_share, err);
    return rc;
}

static int read_normalise(const struct jb_plan *p, struct jb_settings *s, struct jb_err *err)
{
    const char *text = "none";
    int rc = jb_json_get_str(&p->doc, p->doc.root, "normalise", false, &text, err);
    if (rc) return rc;
    s->normalise = !strcmp(text, "reference");
    s->normalise_doctor = !strcmp(text, "doctor");
    if (strcmp(text, "none") && !s->normalise && !s->normalise_doctor) return bad(p, p->doc.root, "normalise", "must be \"none\", \"reference\" or \"doctor\"", err);
    return 0;
}

static int read_stop_when(const struct jb_plan *p, struct jb_settings *s, struct jb_err *err)
{
    static const char *const keys[] = { "latency", "joules", NULL };
    const cJSON *o;
    int rc = section(p, "stop_when", keys, &o, err);
    if (rc || !o) return rc;
    if (!o->child) return bad(p, p->doc.root, "stop_when", "must hold \"latency\", \"joules\" or both: relative half-widths", err);
    rc = jb_json_get_f64(&p->doc, o, "latency", false, 0.0001, 1, &s->stop_latency, err);
    return rc ? rc : jb_json_get_f64(&p->doc, o, "joules", false, 0.0001, 1, &s->stop_joules, err);
}

static int read_settings(struct jb_plan *p, struct jb_err *err)
{
    struct jb_settings *s = &p->settings;
    const cJSON *o = p->doc.root;
    jb_settings_default(s);
    int64_t seed = 1;
    int rc = jb_json_get_i64(&p->doc, o, "seed", false, 0, (int64_t)1 << 53, &seed, err);
    s->seed = (uint64_t)seed;
    if (!rc) rc = u32_of(p, "repetitions", 1, 100000, &s->repetitions, err);
    if (!rc) rc = u32_of(p, "offline_batch", 1, 4096, &s->offline_batch, err);
    if (!rc) rc = u32_of(p, "accuracy_samples", 0, 100000000, &s->accuracy_samples, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "block_ms", false, 0.1, 600000, &s->block_ms, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "idle_ms", false, 0, 600000, &s->idle_ms, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "lead_in_ms", false, 0, 600000, &s->lead_in_ms, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_seconds", false, 0.01, 1e7, &s->max_seconds, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "energy_half_width", false, 0.0001, 1, &s->energy_half_width, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "max_other_cpu", false, 0, 1, &s->validity.max_other_cpu, err);
    if (!rc) rc = read_validity(p, &s->validity, err);
    if (!rc) rc = read_normalise(p, s, err);
    if (!rc) rc = read_stop_when(p, s, err);
    if (!rc) rc = jb_json_get_f64(&p->doc, o, "sessions_memory_mb", false, 0, 1e6, &s->sessions_memory_mb, err);
    if (rc || !cJSON_GetObjectItemCaseSensitive(o, "percentiles")) return rc;
    struct jb_numbers list = { 0 };
    rc = numbers(p, o, "percentiles", 0.01, 0.99999, false, &list, err);
    if (!rc && list.n > JB_PLAN_MAX_PERCENTILES) rc = bad(p, o, "percentiles", "has more than 16 values", err);
    for (s->n_percentiles = 0; !rc && s->n_percentiles < list.n; s->n_percentiles++) s->percentiles[s->n_percentiles] = list.v[s->n_percentiles];
    free(list.v);
    return rc;
}

static int whole_list(struct jb_plan *p, const char *key, double max, struct jb_numbers *out, struct jb_err *err)
{
    if (cJSON_GetObjectItemCaseSensitive(p->doc.root, key)) return numbers(p, p->doc.root, key, 1, max, true, out, err);
    if (!(out->v = calloc(1, sizeof *out->v))) return jb_fail(err, JB_E_NOMEM, "plan");
    out->v[0] = 1;
    out->n = 1;
    return 0;
}

static bool all_without_model(const struct jb_plan *p)
{
    for (size_t i = 0; i < p->n_workloads; i++)
        if (!workload_row(p->workloads[i].preset)->run_without_model) return false;
    return true;
}

static int read_axes(struct jb_plan *p, struct jb_err *err)
{
    const cJSON *o = p->doc.root;
    int rc = rows(p, "workloads", sizeof *p->workloads, (void **)&p->workloads, &p->n_workloads, row_workload, err);
    if (rc) return rc;
    bool models = cJSON_GetObjectItemCaseSensitive(o, "models") || !all_without_model(p);
    if (models) rc = rows(p, "models", sizeof *p->models, (void **)&p->models, &p->n_models, row_model, err);
    if (!rc) rc = names(p, o, "precisions", true, &p->precisions, err);
    if (!rc) rc = check_precisions(p, o, &p->precisions, err);
    if (!rc) rc = rows(p, "policies", sizeof *p->policies, (void **)&p->policies, &p->n_policies, row_policy, err);
    if (!rc) rc = names(p, o, "scenarios", true, &p->scenarios, err);
    if (!rc) rc = check_scenarios(p, o, &p->scenarios, err);
    if (!rc) rc = read_language(p, o, &p->kv, &p->fill, err);
    if (!rc) rc = whole_list(p, "threads", 1024, &p->threads, err);
    if (!rc) rc = whole_list(p, "streams", 256, &p->streams, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(o, "power_limit_w")) rc = numbers(p, o, "power_limit_w", 0.1, 100000, false, &p->power_limit_w, err);
    return rc;
}

int jb_plan_fill(struct jb_plan *p, struct jb_err *err)
{
    static const char *const keys[] = { "schema", "name", "note", "seed", "workloads", "models", "precisions", "policies", "threads", "streams", "power_limit_w", "scenarios", "kv", "fill",
                                        "offline_batch", "percentiles", "repetitions", "block_ms", "idle_ms", "lead_in_ms", "max_seconds", "accuracy_samples",
                                        "calibration", "sessions_memory_mb", "energy_half_width", "max_other_cpu", "validity", "normalise", "stop_when", NULL };
    const cJSON *o = p->doc.root;
    if (!cJSON_IsObject(o)) return jb_fail(err, JB_E_INVALID, "%s: a plan is a JSON object", p->doc.name);
    const char *schema = NULL, *note = NULL;
    int rc = jb_json_only_keys(&p->doc, o, "the plan", keys, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "schema", true, &schema, err);
    if (!rc && strcmp(schema, "joulebench.plan/1")) rc = bad(p, o, "schema", "must be \"joulebench.plan/1\"", err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "name", true, &p->name, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "note", false, &note, err);
    if (!rc) rc = jb_json_get_str(&p->doc, o, "calibration", false, &p->calibration, err);
    if (!rc) rc = read_settings(p, err);
    if (!rc) rc = read_axes(p, err);
    if (rc) return rc;
    double count = jb_plan_count(p);
    if (count > JB_PLAN_MAX_CELLS)
        return jb_fail(err, JB_E_RANGE, "%s: the axes span %.0f cells; at most %d can be run as one plan: shorten a list or split the plan", p->doc.name, count,
                       JB_PLAN_MAX_CELLS);
    return 0;
}
