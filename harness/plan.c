// Plans: opening, `--set`, closing. What the sections mean is in plan_sections.c.
#include "harness/plan_data.h"

#include "base/fs.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *jb_scenario_name(enum jb_scenario s)
{
    return s == JB_SCENARIO_OFFLINE ? "offline" : "single-stream";
}

int jb_scenario_parse(const char *name)
{
    for (int s = 0; s < JB_SCENARIO_COUNT; s++)
        if (!strcmp(name, jb_scenario_name((enum jb_scenario)s))) return s;
    return -1;
}

void jb_settings_default(struct jb_settings *s)
{
    *s = (struct jb_settings){ .seed = 1, .repetitions = 8, .offline_batch = 32, .block_ms = 40, .idle_ms = 5, .lead_in_ms = 2,
                               .max_seconds = 110, .sessions_memory_mb = 0, .energy_half_width = 0.01, .extend = true, .stop_latency = NAN, .stop_joules = NAN, .percentiles = { 0.5, 0.9, 0.99 }, .n_percentiles = 3 };
    jb_validity_default(&s->validity);
}

double jb_plan_count(const struct jb_plan *p)
{
    double n = 0;
    for (size_t i = 0; i < p->n_policies; i++) {
        const struct jb_plan_policy *q = &p->policies[i];
        double one = 1;
        for (size_t k = 0; k < q->n_params; k++) one *= (double)q->params[k].values.n;
        if (q->ops->has_threshold) one *= (double)(q->n_thresholds + q->target_loss.n);
        else one = (q->n_params || !q->target_loss.n ? one : 0) + (double)q->target_loss.n; // patience: t as given, and t by calibration
        one *= (double)(q->models.n ? q->models.n : p->n_models ? p->n_models : p->n_workloads);
        one *= (double)(q->precisions.n ? q->precisions.n : p->precisions.n);
        one *= (double)(q->scenarios.n ? q->scenarios.n : p->scenarios.n);
        one *= (double)(q->kv.n ? q->kv.n : p->kv.n ? p->kv.n : 1) * (double)(q->fill.n ? q->fill.n : p->fill.n ? p->fill.n : 1);
        n += one * (double)p->threads.n * (double)p->streams.n * (double)(p->power_limit_w.n ? p->power_limit_w.n : 1);
    }
    return n;
}

static void free_policy(struct jb_plan_policy *q)
{
    for (size_t k = 0; k < q->n_params; k++) free(q->params[k].values.v);
    free(q->thresholds);
    free(q->target_loss.v);
    free(q->models.v);
    free(q->precisions.v);
    free(q->scenarios.v);
    free(q->kv.v);
    free(q->fill.v);
}

void jb_plan_close(struct jb_plan *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_workloads; i++) {
        for (size_t k = 0; k < p->workloads[i].n_params; k++) free((char *)p->workloads[i].params[k].value);
        free(p->workloads[i].params);
    }
    for (size_t i = 0; i < p->n_policies; i++) free_policy(&p->policies[i]);
    free(p->workloads);
    free(p->models);
    free(p->policies);
    free(p->precisions.v);
    free(p->kv.v);
    free(p->fill.v);
    free(p->scenarios.v);
    free(p->threads.v);
    free(p->streams.v);
    free(p->power_limit_w.v);
    jb_json_close(&p->doc);
    free(p);
}

const char *jb_plan_name(const struct jb_plan *p) { return p->name; }

// A value of --set is JSON; what does not parse is a bare word.
static cJSON *set_value(const char *text)
{
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_parse(&doc, "--set", text, strlen(text), NULL);
    if (rc) return rc == JB_E_NOMEM ? NULL : cJSON_CreateString(text);
    cJSON *value = cJSON_Duplicate(doc.root, 1);
    jb_json_close(&doc);
    return value;
}

// One step of a dotted path: a key of an object or an index of an array.
static cJSON *step(cJSON *at, const char *name)
{
    if (!cJSON_IsArray(at)) return cJSON_IsObject(at) ? cJSON_GetObjectItemCaseSensitive(at, name) : NULL;
    char *end;
    errno = 0;
    unsigned long i = strtoul(name, &end, 10);
    return errno || *end || end == name || i > JB_PLAN_MAX_LIST ? NULL : cJSON_GetArrayItem(at, (int)i);
}

static int put(cJSON *at, const char *name, cJSON *value)
{
    cJSON *old = step(at, name);
    if (old && cJSON_IsArray(at)) return cJSON_ReplaceItemViaPointer(at, old, value) ? 0 : -1;
    if (!cJSON_IsObject(at)) return -1;
    cJSON_DeleteItemFromObjectCaseSensitive(at, name); // cJSON's own replacing forgets to check its copy of the name
    return cJSON_AddItemToObject(at, name, value) ? 0 : -1;
}

static int apply_set(cJSON *root, const struct jb_plan_set *set, struct jb_err *err)
{
    char path[256];
    if (!set->key || !set->value || !*set->key || strlen(set->key) >= sizeof path)
        return jb_fail(err, JB_E_USAGE, "--set wants key=value");
    snprintf(path, sizeof path, "%s", set->key);
    cJSON *at = root;
    char *name = path;
    for (char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        *dot = 0;
        if (!(at = step(at, name))) return jb_fail(err, JB_E_USAGE, "--set %s: the plan has no \"%s\"", set->key, name);
    }
    cJSON *value = set_value(set->value);
    if (!value) return jb_fail(err, JB_E_NOMEM, "--set %s", set->key);
    if (put(at, name, value)) {
        cJSON_Delete(value);
        if (cJSON_IsObject(at)) return jb_fail(err, JB_E_NOMEM, "--set %s", set->key);
        return jb_fail(err, JB_E_USAGE, "--set %s: the plan has no \"%s\" there", set->key, name);
    }
    return 0;
}

// Replaces the document by itself with the values set: parsed again, so that the strict reader sees exactly what will run.
static int apply_sets(struct jb_plan *p, const struct jb_plan_set *sets, size_t n_sets, struct jb_err *err)
{
    for (size_t i = 0; i < n_sets; i++) {
        int rc = apply_set(p->doc.root, &sets[i], err);
        if (rc) return rc;
    }
    char *text = jb_json_pretty(p->doc.root);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", p->doc.name);
    char name[sizeof p->doc.name];
    snprintf(name, sizeof name, "%.200s with --set", p->doc.name);
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_parse(&doc, name, text, strlen(text), err);
    free(text);
    if (rc) return rc;
    jb_json_close(&p->doc);
    p->doc = doc;
    return 0;
}

// Takes over *doc.
static int plan_from_doc(struct jb_plan **out, struct jb_json_doc *doc, struct jb_err *err)
{
    struct jb_plan *p = calloc(1, sizeof *p);
    if (!p) {
        jb_json_close(doc);
        return jb_fail(err, JB_E_NOMEM, "plan");
    }
    p->doc = *doc;
    int rc = jb_plan_fill(p, err);
    if (rc) {
        jb_plan_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

int jb_plan_parse(struct jb_plan **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    if (n_bytes > JB_PLAN_MAX_BYTES) return jb_fail(err, JB_E_RANGE, "%s: a plan of %zu bytes (limit %u)", name, n_bytes, JB_PLAN_MAX_BYTES);
    int rc = jb_json_parse(&doc, name, text, n_bytes, err);
    return rc ? rc : plan_from_doc(out, &doc, err);
}

int jb_plan_read(struct jb_plan **out, const char *path, const struct jb_plan_set *sets, size_t n_sets, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_read(&doc, path, JB_PLAN_MAX_BYTES, err);
    if (rc) return rc;
    struct jb_plan *p = NULL;
    if (!n_sets) {
        rc = plan_from_doc(&p, &doc, err);
    } else {
        // The sets may repair or replace what the file says, so the file is judged with them.
        struct jb_plan shell = { .doc = doc };
        rc = apply_sets(&shell, sets, n_sets, err);
        if (rc) jb_json_close(&shell.doc);
        else rc = plan_from_doc(&p, &shell.doc, err);
    }
    if (rc) return rc;
    rc = jb_path_dir(p->dir, sizeof p->dir, path);
    if (rc) {
        jb_plan_close(p);
        return jb_fail(err, rc, "%s: the path is too long", path);
    }
    *out = p;
    return 0;
}
