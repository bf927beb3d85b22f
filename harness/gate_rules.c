// The rules of a gate: defaults, a strict parser, and what holds for a metric of a cell.
#include "harness/gate.h"

#include "base/fs.h"
#include "base/json.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX_BYTES (1u << 20)
#define MAX_STARS 8                  // fnmatch tries every split of the text at every star

static const struct { const char *name, *key; } names[] = {
    { "accuracy", "accuracy" }, { "exact_match", "exact_match" }, { "perplexity", "ppl" }, { "agreement", "agreement" }, { "ttft", "ttft_ns" }, { "mean", "latency_mean_ns" }, { "p50", "p50_ns" }, { "p90", "p90_ns" }, { "p99", "p99_ns" }, { "joules", "uj_per_query" },
    { "joules_per_correct", "uj_per_correct" }, { "peak_memory", "peak_rss_bytes" }, { "model_bytes", "model_bytes" }, { "macs", "macs_mean" }, { "instructions", "instructions" },
};
#define N_NAMES (sizeof names / sizeof *names)

const char *jb_gate_metric_key(const char *name)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (!strcmp(names[i].name, name)) return names[i].key;
    return NULL;
}

const char *jb_gate_metric_name(const char *key)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (!strcmp(names[i].key, key)) return names[i].name;
    return NULL;
}

static bool is_joules(const char *name) { return strncmp(name, "joules", 6) == 0; }

// ---- defaults ----

static void base_rules(struct jb_gate_rules *r) { *r = (struct jb_gate_rules){ .cells = "*", .error_rate = 0.01, .confidence = 0.95, .max_other_cpu = 0.5, .max_disturbed = 0.5 }; }

static void add(struct jb_gate_rules *r, const char *name, double margin, bool optional)
{
    struct jb_gate_metric *m = &r->metric[r->n_metrics++];
    *m = (struct jb_gate_metric){ .margin = margin, .classes = is_joules(name) ? JB_GATE_CLASSES_DEFAULT : 0, .optional = optional };
    snprintf(m->name, sizeof m->name, "%s", name);
}

void jb_gate_rules_default(struct jb_gate_rules *r)
{
    base_rules(r);
    add(r, "accuracy", 0.005, false);
    add(r, "p50", 0.05, false);
    add(r, "mean", 0.05, false);
    add(r, "joules", 0.05, true);
}

void jb_gate_rules_default_past(struct jb_gate_rules *r)
{
    base_rules(r);
    add(r, "accuracy", 0.005, false);
    add(r, "macs", 0.001, false);
    add(r, "model_bytes", 0.01, false);
}

// ---- parsing ----

static int pattern(const struct jb_json_doc *doc, const cJSON *o, bool required, char *out, size_t room, struct jb_err *err)
{
    const char *text = NULL;
    size_t stars = 0;
    int rc = jb_json_get_str(doc, o, "cells", required, &text, err);
    if (rc || !text) return rc;
    for (const char *p = text; *p; p++) stars += *p == '*';
    if (!*text || strlen(text) >= room || stars > MAX_STARS)
        return jb_fail(err, JB_E_INVALID, "%s:%d: \"cells\" must be a pattern of 1 to %zu bytes with at most %d stars", doc->name, jb_json_line(doc, o, "cells"), room - 1, MAX_STARS);
    snprintf(out, room, "%s", text);
    return 0;
}

static int classes(const struct jb_json_doc *doc, const cJSON *o, unsigned *out, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "classes");
    if (!list) return 0;
    unsigned set = 0;
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i; i = i->next) {
        int found = 0;
        for (int c = JB_ENERGY_MEASURED; c <= JB_ENERGY_REPLAYED; c++)
            if (cJSON_IsString(i) && !strcmp(i->valuestring, jb_energy_class_name((enum jb_energy_class)c))) found = c;
        if (!found) return jb_fail(err, JB_E_INVALID, "%s:%d: \"classes\" holds something that is no class of joules (known: measured, integrated, attributed, modelled, replayed)", doc->name, jb_json_line_of(doc, i));
        set |= 1u << found;
    }
    if (!set) return jb_fail(err, JB_E_INVALID, "%s:%d: \"classes\" must be a list of at least one class of joules", doc->name, jb_json_line(doc, o, "classes"));
    *out = set;
    return 0;
}

static int metric(const struct jb_json_doc *doc, const cJSON *o, bool may_be_off, struct jb_gate_metric *m, struct jb_err *err)
{
    static const char *const keys[] = { "margin", "optional", NULL }, *const joules_keys[] = { "margin", "optional", "classes", NULL };
    const char *name = o->string;
    char place[64];
    if (!jb_gate_metric_key(name))
        return jb_fail(err, JB_E_INVALID, "%s:%d: unknown metric \"%.40s\" (known: accuracy, exact_match, perplexity, agreement, ttft, mean, p50, p90, p99, joules, joules_per_correct, peak_memory, model_bytes, macs, instructions)", doc->name,
                       jb_json_line_of(doc, o), name);
    snprintf(m->name, sizeof m->name, "%s", name);
    if (may_be_off && cJSON_IsNull(o)) {
        m->off = true;
        return 0;
    }
    if (!cJSON_IsObject(o)) return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be an object with a \"margin\"%s", doc->name, jb_json_line_of(doc, o), name, may_be_off ? ", or null" : "");
    snprintf(place, sizeof place, "metric \"%s\"", name);
    m->classes = is_joules(name) ? JB_GATE_CLASSES_DEFAULT : 0;
    int rc = jb_json_only_keys(doc, o, place, is_joules(name) ? joules_keys : keys, err);
    if (!rc) rc = jb_json_get_f64(doc, o, "margin", true, 0, jb_compared_is_share(jb_gate_metric_key(name)) ? 1 : 10, &m->margin, err);
    if (!rc) rc = jb_json_get_bool(doc, o, "optional", false, &m->optional, err);
    return rc ? rc : classes(doc, o, &m->classes, err);
}

static int metrics(const struct jb_json_doc *doc, const cJSON *o, bool may_be_off, struct jb_gate_metric *out, size_t *n, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "metrics");
    *n = 0;
    if (!cJSON_IsObject(list) || !list->child)
        return jb_fail(err, JB_E_INVALID, "%s:%d: \"metrics\" must be an object that names at least one metric", doc->name, jb_json_line(doc, o, "metrics"));
    for (const cJSON *i = list->child; i; i = i->next) {
        struct jb_gate_metric m = { .margin = 0 };
        int rc = *n < JB_GATE_MAX_METRICS ? metric(doc, i, may_be_off, &m, err) : jb_fail(err, JB_E_RANGE, "%s: more than %d metrics", doc->name, JB_GATE_MAX_METRICS);
        if (rc) return rc;
        out[(*n)++] = m;
    }
    return 0;
}

static int overrides(const struct jb_json_doc *doc, struct jb_gate_rules *r, struct jb_err *err)
{
    static const char *const keys[] = { "cells", "metrics", NULL };
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc->root, "overrides");
    if (!list) return 0;
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1, rc = 0;
    if (n < 0 || n > JB_GATE_MAX_OVERRIDES) return jb_fail(err, JB_E_INVALID, "%s:%d: \"overrides\" must be a list of at most %d", doc->name, jb_json_line(doc, doc->root, "overrides"), JB_GATE_MAX_OVERRIDES);
    if (!(r->overrides = calloc((size_t)n + 1, sizeof *r->overrides))) return jb_fail(err, JB_E_NOMEM, "%s", doc->name);
    for (const cJSON *i = list->child; i && !rc; i = i->next) {
        struct jb_gate_override *v = &r->overrides[r->n_overrides++];
        if (!cJSON_IsObject(i)) return jb_fail(err, JB_E_INVALID, "%s:%d: an override must be an object", doc->name, jb_json_line_of(doc, i));
        rc = jb_json_only_keys(doc, i, "override", keys, err);
        if (!rc) rc = pattern(doc, i, true, v->cells, sizeof v->cells, err);
        if (!rc) rc = metrics(doc, i, true, v->metric, &v->n_metrics, err);
    }
    return rc;
}

static int validity(const struct jb_json_doc *doc, struct jb_gate_rules *r, struct jb_err *err)
{
    static const char *const keys[] = { "max_other_cpu", "max_disturbed", NULL };
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(doc->root, "validity");
    if (!o) return 0;
    if (!cJSON_IsObject(o)) return jb_fail(err, JB_E_INVALID, "%s:%d: \"validity\" must be an object", doc->name, jb_json_line(doc, doc->root, "validity"));
    int rc = jb_json_only_keys(doc, o, "validity", keys, err);
    if (!rc) rc = jb_json_get_f64(doc, o, "max_other_cpu", false, 0.001, 1, &r->max_other_cpu, err);
    return rc ? rc : jb_json_get_f64(doc, o, "max_disturbed", false, 0, 1, &r->max_disturbed, err);
}

static int fill(const struct jb_json_doc *doc, struct jb_gate_rules *r, struct jb_err *err)
{
    static const char *const keys[] = { "schema", "note", "cells", "error_rate", "confidence", "metrics", "overrides", "validity", NULL };
    const char *schema = JB_GATE_SCHEMA, *note = NULL;
    if (!cJSON_IsObject(doc->root)) return jb_fail(err, JB_E_INVALID, "%s: the rules of a gate are a JSON object", doc->name);
    int rc = jb_json_only_keys(doc, doc->root, "rules", keys, err);
    if (!rc) rc = jb_json_get_str(doc, doc->root, "schema", false, &schema, err);
    if (!rc && strcmp(schema, JB_GATE_SCHEMA)) rc = jb_fail(err, JB_E_INVALID, "%s:%d: \"schema\" must be \"" JB_GATE_SCHEMA "\"", doc->name, jb_json_line(doc, doc->root, "schema"));
    if (!rc) rc = jb_json_get_str(doc, doc->root, "note", false, &note, err);
    if (!rc) rc = pattern(doc, doc->root, false, r->cells, sizeof r->cells, err);
    if (!rc) rc = jb_json_get_f64(doc, doc->root, "error_rate", false, 1e-6, 0.1, &r->error_rate, err);
    if (!rc) rc = jb_json_get_f64(doc, doc->root, "confidence", false, 0.8, 0.9999, &r->confidence, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(doc->root, "metrics")) rc = metrics(doc, doc->root, false, r->metric, &r->n_metrics, err);
    if (!rc) rc = overrides(doc, r, err);
    return rc ? rc : validity(doc, r, err);
}

static int from_doc(struct jb_gate_rules *out, struct jb_json_doc *doc, struct jb_err *err)
{
    struct jb_gate_rules r;
    jb_gate_rules_default(&r);
    int rc = fill(doc, &r, err);
    jb_json_close(doc);
    if (rc) jb_gate_rules_free(&r);
    else *out = r;
    return rc;
}

int jb_gate_rules_parse(struct jb_gate_rules *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = n_bytes <= RULES_MAX_BYTES ? jb_json_parse(&doc, name, text, n_bytes, err) : jb_fail(err, JB_E_RANGE, "%s: more than %u bytes", name, RULES_MAX_BYTES);
    return rc ? rc : from_doc(out, &doc, err);
}

int jb_gate_rules_read(struct jb_gate_rules *out, const char *path, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_read(&doc, path, RULES_MAX_BYTES, err);
    return rc ? rc : from_doc(out, &doc, err);
}

void jb_gate_rules_free(struct jb_gate_rules *r)
{
    free(r->overrides);
    r->overrides = NULL;
    r->n_overrides = 0;
}

// ---- what holds ----

bool jb_gate_concerns(const struct jb_gate_rules *r, const char *label) { return label && fnmatch(r->cells, label, 0) == 0; }

static const struct jb_gate_metric *named(const struct jb_gate_metric *m, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(m[i].name, name)) return &m[i];
    return NULL;
}

bool jb_gate_rule_for(const struct jb_gate_rules *r, const char *label, const char *name, struct jb_gate_metric *out)
{
    if (!jb_gate_concerns(r, label)) return false;
    const struct jb_gate_metric *best = named(r->metric, r->n_metrics, name);
    for (size_t i = 0; i < r->n_overrides; i++) {
        const struct jb_gate_metric *m = fnmatch(r->overrides[i].cells, label, 0) == 0 ? named(r->overrides[i].metric, r->overrides[i].n_metrics, name) : NULL;
        if (m) best = m;
    }
    if (!best || best->off) return false;
    *out = *best;
    return true;
}
