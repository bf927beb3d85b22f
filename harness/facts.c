// Cells to journal lines and back: one table of fields, walked by both directions.
#include "harness/facts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// ---- lenient readers ----

double jb_line_num(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

uint64_t jb_line_u64(const cJSON *o, const char *key)
{
    double v = jb_line_num(o, key);
    return v >= 0 && v <= 9007199254740992.0 ? (uint64_t)v : 0;
}

void jb_line_text(const cJSON *o, const char *key, char *out, size_t n)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    snprintf(out, n, "%s", cJSON_IsString(v) ? v->valuestring : "");
}

static size_t list_numbers(const cJSON *o, const char *key, double *out, size_t room)
{
    size_t n = 0;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i && n < room; i = i->next) out[n++] = cJSON_IsNumber(i) ? i->valuedouble : NAN;
    return n;
}

static bool put_numbers(cJSON *o, const char *key, const double *v, size_t n)
{
    cJSON *list = jb_json_put_array(o, key);
    for (size_t i = 0; list && i < n; i++) {
        cJSON *x = isfinite(v[i]) ? cJSON_CreateNumber(v[i]) : cJSON_CreateNull();
        if (!x || !cJSON_AddItemToArray(list, x)) {
            cJSON_Delete(x);
            return false;
        }
    }
    return list != NULL;
}

// ---- small parts ----

bool jb_place_to_json(cJSON *o, const struct jb_raw_place *p)
{
    return jb_json_put_u64(o, "offset", p->offset) && jb_json_put_u64(o, "bytes", p->n_bytes) && jb_json_put_str(o, "sha256", p->sha256);
}

int jb_place_from_json(struct jb_raw_place *p, const cJSON *o)
{
    *p = (struct jb_raw_place){ .offset = jb_line_u64(o, "offset"), .n_bytes = jb_line_u64(o, "bytes") };
    jb_line_text(o, "sha256", p->sha256, sizeof p->sha256);
    return p->n_bytes && strlen(p->sha256) == JB_HASH_HEX - 1 ? 0 : JB_E_INVALID;
}

cJSON *jb_joules_to_json(const struct jb_joules *j)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "class", jb_energy_class_name(j->cls)) && jb_json_put_str(o, "source", j->source);
    if (ok && j->reason[0]) ok = jb_json_put_str(o, "reason", j->reason);
    if (ok && j->cls != JB_ENERGY_NONE)
        ok = jb_json_put_f64(o, "uj", j->uj) && jb_json_put_f64(o, "lower_uj", j->lower_uj) && jb_json_put_f64(o, "upper_uj", j->upper_uj) &&
             jb_json_put_u64(o, "window_ns", j->window_ns) && jb_json_put_u64(o, "update_ns", j->update_ns) && jb_json_put_u64(o, "wraps", j->wraps) &&
             jb_json_put_str(o, "root", j->root) && jb_json_put_str(o, "domains", j->domains);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

void jb_joules_from_json(struct jb_joules *j, const cJSON *o)
{
    char name[32];
    *j = jb_joules_none("none", "not measured");
    if (!cJSON_IsObject(o)) return;
    jb_line_text(o, "class", name, sizeof name);
    jb_line_text(o, "source", j->source, sizeof j->source);
    jb_line_text(o, "reason", j->reason, sizeof j->reason);
    jb_line_text(o, "root", j->root, sizeof j->root);
    jb_line_text(o, "domains", j->domains, sizeof j->domains);
    j->uj = jb_line_num(o, "uj");
    j->lower_uj = jb_line_num(o, "lower_uj");
    j->upper_uj = jb_line_num(o, "upper_uj");
    j->window_ns = jb_line_u64(o, "window_ns");
    j->update_ns = jb_line_u64(o, "update_ns");
    j->wraps = (uint32_t)jb_line_u64(o, "wraps");
    for (int c = JB_ENERGY_NONE; c <= JB_ENERGY_REPLAYED; c++)
        if (!strcmp(name, jb_energy_class_name((enum jb_energy_class)c)) && isfinite(j->uj)) j->cls = (enum jb_energy_class)c;
}

// ---- a cell ----

enum kind { TEXT, U32, U64, NUM };
struct field { const char *key; enum kind kind; size_t offset, size; };
#define SIZE_(m) sizeof(((struct jb_facts *)0)->m)
#define TEXT_(m) { #m, TEXT, offsetof(struct jb_facts, m), SIZE_(m) }
#define U32_(m) { #m, U32, offsetof(struct jb_facts, m), 4 }
#define U64_(m) { #m, U64, offsetof(struct jb_facts, m), 8 }
#define NUM_(m) { #m, NUM, offsetof(struct jb_facts, m), 8 }
static const struct field FIELDS[] = {
    TEXT_(id), TEXT_(key), TEXT_(label), TEXT_(workload), TEXT_(model), TEXT_(precision), TEXT_(policy), TEXT_(role), TEXT_(unit),
    NUM_(target_loss), NUM_(power_limit_w), TEXT_(calibration_id), U32_(scenario), U32_(batch), U32_(threads), U32_(streams), TEXT_(reason),
    U64_(n), U64_(correct), NUM_(accuracy_loss), NUM_(oracle_macs), NUM_(wasteful), NUM_(destructive), NUM_(relative), TEXT_(relative_to),
    NUM_(model_bytes), NUM_(session_bytes), NUM_(load_ns), U64_(n_samples),
    TEXT_(kv), TEXT_(fill), NUM_(deferred_macs), NUM_(deferred_bytes),
    NUM_(instructions), U64_(instructions_queries), TEXT_(instructions_source), TEXT_(instructions_kernels), TEXT_(instructions_reason),
};
#define N_FIELDS (sizeof FIELDS / sizeof *FIELDS)

static bool put_field(cJSON *o, const struct field *f, const struct jb_facts *x)
{
    const char *at = (const char *)x + f->offset;
    uint32_t u;
    uint64_t v;
    double d;
    switch (f->kind) {
    case TEXT: return jb_json_put_str(o, f->key, at);
    case U32: memcpy(&u, at, sizeof u); return jb_json_put_u64(o, f->key, u);
    case U64: memcpy(&v, at, sizeof v); return jb_json_put_u64(o, f->key, v);
    case NUM: memcpy(&d, at, sizeof d); return jb_json_put_f64(o, f->key, d);
    }
    return false;
}

static void get_field(const cJSON *o, const struct field *f, struct jb_facts *x)
{
    char *at = (char *)x + f->offset;
    uint64_t v = jb_line_u64(o, f->key);
    uint32_t u = v > UINT32_MAX ? 0 : (uint32_t)v;
    double d = jb_line_num(o, f->key);
    switch (f->kind) {
    case TEXT: jb_line_text(o, f->key, at, f->size); break;
    case U32: memcpy(at, &u, sizeof u); break;
    case U64: memcpy(at, &v, sizeof v); break;
    case NUM: memcpy(at, &d, sizeof d); break;
    }
}

static cJSON *add_object(cJSON *list)
{
    cJSON *x = cJSON_CreateObject();
    if (x && cJSON_AddItemToArray(list, x)) return x;
    cJSON_Delete(x);
    return NULL;
}

static bool put_lists(cJSON *o, const struct jb_facts *f)
{
    cJSON *params = jb_json_put_object(o, "params"), *quality = jb_json_put_array(o, "quality"), *exits = jb_json_put_array(o, "exits");
    bool ok = params && quality && exits && put_numbers(o, "threshold", f->threshold, f->n_thresholds);
    for (uint32_t i = 0; ok && i < f->n_params; i++) ok = jb_json_put_f64(params, f->params[i].name, f->params[i].value);
    for (uint32_t i = 0; ok && i < f->n_quality; i++) {
        const struct jb_quality *q = &f->quality[i];
        cJSON *x = add_object(quality);
        ok = x && jb_json_put_str(x, "name", q->name) && jb_json_put_f64(x, "value", q->value) && jb_json_put_f64(x, "lower", q->lower) &&
             jb_json_put_f64(x, "upper", q->upper) && jb_json_put_u64(x, "n", q->n) && jb_json_put_bool(x, "higher_is_better", q->higher_is_better);
    }
    for (uint32_t i = 0; ok && i < f->n_exits; i++) {
        const struct jb_exit_fact *e = &f->exits[i];
        cJSON *x = add_object(exits);
        ok = x && jb_json_put_u64(x, "count", e->count) && jb_json_put_u64(x, "correct", e->correct) && put_numbers(x, "macs", e->macs, JB_PREC_COUNT) &&
             put_numbers(x, "bytes", e->bytes, JB_PREC_COUNT) && put_numbers(x, "stages", e->stages, JB_PREC_COUNT);
    }
    return ok;
}

cJSON *jb_facts_to_line(const struct jb_facts *f)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "kind", "cell") && jb_json_put_str(o, "status", jb_cell_status_name(f->status));
    for (size_t i = 0; ok && i < N_FIELDS; i++) ok = put_field(o, &FIELDS[i], f);
    if (ok) ok = put_lists(o, f);
    if (ok && f->samples.n_bytes) {
        cJSON *raw = jb_json_put_object(o, "samples");
        ok = raw && jb_place_to_json(raw, &f->samples);
    }
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static const cJSON *children(const cJSON *o, const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsArray(list) || cJSON_IsObject(list) ? list->child : NULL;
}

static void get_lists(struct jb_facts *f, const cJSON *o)
{
    f->n_thresholds = (uint32_t)list_numbers(o, "threshold", f->threshold, JB_MAX_STAGES);
    for (const cJSON *i = children(o, "params"); i && f->n_params < JB_PLAN_MAX_PARAMS; i = i->next) {
        if (!i->string || !cJSON_IsNumber(i)) continue;
        snprintf(f->params[f->n_params].name, sizeof f->params->name, "%s", i->string);
        f->params[f->n_params++].value = i->valuedouble;
    }
    for (const cJSON *i = children(o, "quality"); i && f->n_quality < JB_FACTS_MAX_QUALITY; i = i->next) {
        struct jb_quality *q = &f->quality[f->n_quality++];
        jb_line_text(i, "name", q->name, sizeof q->name);
        q->value = jb_line_num(i, "value");
        q->lower = jb_line_num(i, "lower");
        q->upper = jb_line_num(i, "upper");
        q->n = jb_line_u64(i, "n");
        q->higher_is_better = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(i, "higher_is_better"));
    }
    for (const cJSON *i = children(o, "exits"); i && f->n_exits < JB_MAX_STAGES; i = i->next) {
        struct jb_exit_fact *e = &f->exits[f->n_exits++];
        e->count = jb_line_u64(i, "count");
        e->correct = jb_line_u64(i, "correct");
        list_numbers(i, "macs", e->macs, JB_PREC_COUNT);
        list_numbers(i, "bytes", e->bytes, JB_PREC_COUNT);
        list_numbers(i, "stages", e->stages, JB_PREC_COUNT);
    }
}

int jb_facts_from_line(struct jb_facts *f, const cJSON *line, struct jb_err *err)
{
    char status[16];
    *f = (struct jb_facts){ 0 };
    for (size_t i = 0; i < N_FIELDS; i++) get_field(line, &FIELDS[i], f);
    get_lists(f, line);
    jb_line_text(line, "status", status, sizeof status);
    f->status = JB_CELL_FAILED;
    for (int s = JB_CELL_VALID; s <= JB_CELL_UNAVAILABLE; s++)
        if (!strcmp(status, jb_cell_status_name((enum jb_cell_status)s))) f->status = (enum jb_cell_status)s;
    const cJSON *raw = cJSON_GetObjectItemCaseSensitive(line, "samples");
    if (raw && jb_place_from_json(&f->samples, raw)) return jb_fail(err, JB_E_INVALID, "cell %s: its samples have no place", f->label);
    if (strlen(f->id) != JB_ID_HEX - 1 || strspn(f->id, "0123456789abcdef") != JB_ID_HEX - 1) return jb_fail(err, JB_E_INVALID, "a cell without an id");
    if (f->scenario >= JB_SCENARIO_COUNT) return jb_fail(err, JB_E_INVALID, "cell %s: unknown scenario", f->label);
    return 0;
}
