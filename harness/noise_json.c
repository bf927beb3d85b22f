// The file of a noise measurement: docs/schema/noise.schema.json.
#include "harness/noise_data.h"

#include "base/fs.h"
#include "base/strbuf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)
#define MAX_NS 1e15
#define MAX_LOG 100.0                // of a logarithm: more is no latency
#define MAX_SHARE 1e50

// ---- writing ----

static void put_sights(cJSON *o, const struct jb_noise_spread *s)
{
    cJSON *list = jb_json_put_array(o, "visible");
    for (int i = 0; list && i < JB_NOISE_HORIZONS; i++) {
        const struct jb_noise_sight *v = &s->sight[i];
        cJSON *x = jb_json_put_object(list, NULL);
        jb_json_put_f64(x, "seconds", v->seconds);
        jb_json_put_u64(x, "pairs", v->pairs);
        jb_json_put_f64(x, "difference", v->least);
        jb_json_put_f64(x, "lower", v->lower);
        jb_json_put_f64(x, "upper", v->upper);
        jb_json_put_bool(x, "extrapolated", v->extrapolated);
    }
}

static void put_spread(cJSON *series, const char *key, const struct jb_noise_spread *s)
{
    cJSON *o = jb_json_put_object(series, key);
    jb_json_put_f64(o, "log_sd", s->sd_log);
    jb_json_put_f64(o, "lower", s->lower);
    jb_json_put_f64(o, "upper", s->upper);
    jb_json_put_f64(o, "robust_log_sd", s->robust_log);
    put_sights(o, s);
}

static void put_series(cJSON *list, const struct jb_noise *n, const struct jb_noise_series *s)
{
    cJSON *o = jb_json_put_object(list, NULL), *b;
    jb_json_put_str(o, "load", n->load[s->load].name);
    jb_json_put_f64(o, "block_ms", s->block_ms);
    jb_json_put_bool(o, "pinned", s->pinned);
    jb_json_put_u64(o, "pairs", s->pairs);
    jb_json_put_f64(o, "pair_ms", s->pair_ms);
    jb_json_put_f64(o, "queries", s->queries);
    jb_json_put_f64(o, "unpaired_log_sd", s->unpaired_log);
    put_spread(o, "mean", &s->mean);
    put_spread(o, "median", &s->median);
    b = jb_json_put_object(o, "blocks");
    jb_json_put_u64(b, "total", 2 * s->pairs);
    jb_json_put_u64(b, "switched_out", s->switched_out);
    jb_json_put_u64(b, "short_of_cpu", s->starved);
    jb_json_put_u64(b, "stolen", s->stolen);
    jb_json_put_u64(b, "crowded", s->crowded);
    jb_json_put_u64(b, "disturbed", s->disturbed);
}

static void put_load(cJSON *list, const struct jb_noise_load *l)
{
    cJSON *o = jb_json_put_object(list, NULL), *d;
    jb_json_put_str(o, "name", l->name);
    jb_json_put_str(o, "what", l->what);
    jb_json_put_f64(o, "query_ns", l->query_ns);
    jb_json_put_f64(o, "recommended_block_ms", l->best_block_ms);
    d = jb_json_put_object(o, "drift");
    jb_json_put_f64(d, "change", l->drift.change);
    jb_json_put_f64(d, "wander", l->drift.wander);
    jb_json_put_f64(d, "change_p", l->drift.p);
    jb_json_put_f64(d, "change_at_s", l->drift.at_s);
}

static void put_text(cJSON *o, const char *key, const char *text) { jb_json_put_str(o, key, text[0] ? text : NULL); }

static void put_machine(cJSON *root, const struct jb_noise *n)
{
    cJSON *o = jb_json_put_object(root, "machine");
    put_text(o, "cpu", n->machine.cpu);
    put_text(o, "kernel", n->machine.kernel);
    put_text(o, "tier", n->machine.tier);
    put_text(o, "governor", n->machine.governor);
    put_text(o, "turbo", n->machine.turbo);
    jb_json_put_u64(o, "cores", n->machine.cores);
    jb_json_put_bool(o, "hypervisor", n->machine.hypervisor);
    o = jb_json_put_object(root, "clock");
    jb_json_put_f64(o, "cost_ns", n->clock.cost_ns);
    jb_json_put_u64(o, "resolution_ns", n->clock.resolution_ns);
    put_text(o, "source", n->clock.source);
}

static void put_normalise(cJSON *root, const struct jb_noise_normalise *l)
{
    cJSON *o = l->known ? jb_json_put_object(root, "normalise") : NULL;
    if (!o) return;
    jb_json_put_str(o, "rule", l->reference ? "reference" : "none");
    jb_json_put_f64(o, "gain", l->gain);
    jb_json_put_f64(o, "lower", l->lower);
    jb_json_put_f64(o, "upper", l->upper);
    jb_json_put_f64(o, "block_ms", l->block_ms);
    jb_json_put_u64(o, "blocks", l->blocks);
    jb_json_put_str(o, "why", l->reference ? "dividing by the reference kernel narrows the spread of block means here" : isnan(l->gain) ? "too few blocks, or blocks without a spread, to learn it from"
                              : "dividing by the reference kernel does not certainly narrow the spread of block means here");
}

static void put_tuning(cJSON *root, const struct jb_noise *n)
{
    cJSON *list = jb_json_put_array(root, "tuning");
    for (uint32_t i = 0; list && i < n->n_tuning; i++) {
        const struct jb_tuning *t = &n->tuning[i];
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "what", t->what);
        jb_json_put_bool(o, "applies", t->applies);
        jb_json_put_str(o, "state", t->state);
        put_text(o, "command", t->command);
        jb_json_put_str(o, "effect", t->effect);
    }
}

cJSON *jb_noise_to_json(const struct jb_noise *n)
{
    cJSON *root = cJSON_CreateObject(), *list;
    jb_json_put_str(root, "schema", JB_NOISE_SCHEMA);
    jb_json_put_str(root, "joulebench_version", n->version);
    jb_json_put_str(root, "started", n->started);
    jb_json_put_f64(root, "seconds", n->seconds);
    jb_json_put_u64(root, "seed", n->seed);
    jb_json_put_u64(root, "rounds", n->rounds);
    jb_json_put_f64(root, "confidence", JB_NOISE_CONFIDENCE);
    jb_json_put_f64(root, "power", JB_NOISE_POWER);
    put_machine(root, n);
    jb_json_put_f64(root, "others_share", n->others);
    jb_json_put_f64(root, "steal_share", n->steal);
    jb_json_put_f64(root, "recommended_block_ms", n->best_block_ms);
    list = jb_json_put_array(root, "loads");
    for (uint32_t i = 0; list && i < n->n_loads; i++) put_load(list, &n->load[i]);
    list = jb_json_put_array(root, "series");
    for (uint32_t i = 0; list && i < n->n_series; i++) put_series(list, n, &n->series[i]);
    put_normalise(root, &n->normalise);
    put_tuning(root, n);
    return root;
}

int jb_noise_write(const struct jb_noise *n, const char *path, struct jb_err *err)
{
    cJSON *root = jb_noise_to_json(n);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = jb_write_file_atomic(path, text, strlen(text), err);
    free(text);
    return rc;
}

// ---- reading ----

struct reader { struct jb_json_doc doc; struct jb_err *err; int rc; };

static const cJSON *get(struct reader *r, const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v && !r->rc) r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"%s\" is missing", r->doc.name, jb_json_line_of(&r->doc, o), key);
    return v;
}

// A number, or null: NAN.
static void number(struct reader *r, const cJSON *o, const char *key, double min, double max, double *out)
{
    const cJSON *v = get(r, o, key);
    *out = NAN;
    if (!r->rc && !cJSON_IsNull(v)) r->rc = jb_json_get_f64(&r->doc, o, key, true, min, max, out, r->err);
}

static void whole(struct reader *r, const cJSON *o, const char *key, uint64_t max, uint64_t *out)
{
    if (!r->rc) r->rc = jb_json_get_u64(&r->doc, o, key, true, 0, max, out, r->err);
}

static void whole32(struct reader *r, const cJSON *o, const char *key, uint32_t *out)
{
    uint64_t v = 0;
    whole(r, o, key, UINT32_MAX, &v);
    *out = (uint32_t)v;
}

static void flag(struct reader *r, const cJSON *o, const char *key, bool *out)
{
    if (!r->rc) r->rc = jb_json_get_bool(&r->doc, o, key, true, out, r->err);
}

// A text that fits; may_be_null: null is the empty text, and the empty text is not allowed.
static void text(struct reader *r, const cJSON *o, const char *key, bool may_be_null, char *out, size_t room)
{
    const cJSON *v = get(r, o, key);
    const char *s = "";
    if (r->rc || (may_be_null && cJSON_IsNull(v))) return;
    r->rc = jb_json_get_str(&r->doc, o, key, true, &s, r->err);
    if (!r->rc && (strlen(s) >= room || (may_be_null && !s[0])))
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"%s\" is %s", r->doc.name, jb_json_line(&r->doc, o, key), key, s[0] ? "too long" : "empty");
    if (!r->rc) snprintf(out, room, "%s", s);
}

static bool only(struct reader *r, const cJSON *o, const char *place, const char *const *keys)
{
    if (!r->rc && !cJSON_IsObject(o)) r->rc = jb_fail(r->err, JB_E_INVALID, "%s: %s is no object", r->doc.name, place);
    if (!r->rc) r->rc = jb_json_only_keys(&r->doc, o, place, keys, r->err);
    return !r->rc;
}

static const cJSON *list_of(struct reader *r, const cJSON *o, const char *key, uint32_t least, uint32_t most, uint32_t *n)
{
    const cJSON *v = get(r, o, key);
    *n = 0;
    if (!r->rc && (!cJSON_IsArray(v) || cJSON_GetArraySize(v) < (int)least || cJSON_GetArraySize(v) > (int)most))
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"%s\" must be a list of %u to %u", r->doc.name, jb_json_line(&r->doc, o, key), key, least, most);
    if (!r->rc) *n = (uint32_t)cJSON_GetArraySize(v);
    return r->rc ? NULL : v;
}

// Written figures come back bit for bit, so that they are what the formula gave; another machine's exp may differ in the last digits.
static bool same(double a, double b) { return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)); }

static bool same_sight(const struct jb_noise_sight *a, const struct jb_noise_sight *b)
{
    return a->seconds == b->seconds && a->pairs == b->pairs && a->extrapolated == b->extrapolated && same(a->least, b->least) && same(a->lower, b->lower) && same(a->upper, b->upper);
}

static void read_sights(struct reader *r, const cJSON *o, struct jb_noise_spread *s, double pair_ms, double measured_s, double floor)
{
    static const char *const keys[] = {"seconds", "pairs", "difference", "lower", "upper", "extrapolated", NULL};
    struct jb_noise_spread expected = *s;
    uint32_t n;
    const cJSON *list = list_of(r, o, "visible", JB_NOISE_HORIZONS, JB_NOISE_HORIZONS, &n);
    jb_noise_look(&expected, pair_ms, measured_s, floor);
    for (uint32_t i = 0; i < n && !r->rc; i++) {
        const cJSON *x = cJSON_GetArrayItem(list, (int)i);
        struct jb_noise_sight *v = &s->sight[i];
        if (!only(r, x, "visible", keys)) return;
        number(r, x, "seconds", 1, 1e6, &v->seconds);
        whole(r, x, "pairs", 1000000000000000u, &v->pairs);
        number(r, x, "difference", 0, MAX_SHARE, &v->least);
        number(r, x, "lower", 0, MAX_SHARE, &v->lower);
        number(r, x, "upper", 0, MAX_SHARE, &v->upper);
        flag(r, x, "extrapolated", &v->extrapolated);
        if (!r->rc && !same_sight(v, &expected.sight[i]))
            r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: what is visible does not follow from log_sd and pair_ms", r->doc.name, jb_json_line_of(&r->doc, x));
    }
}

static void read_spread(struct reader *r, const cJSON *series, const char *key, struct jb_noise_spread *s, double pair_ms, double measured_s, double floor)
{
    static const char *const keys[] = {"log_sd", "lower", "upper", "robust_log_sd", "visible", NULL};
    const cJSON *o = get(r, series, key);
    if (!only(r, o, key, keys)) return;
    number(r, o, "log_sd", 0, MAX_LOG, &s->sd_log);
    number(r, o, "lower", 0, MAX_LOG, &s->lower);
    number(r, o, "upper", 0, MAX_LOG, &s->upper);
    number(r, o, "robust_log_sd", 0, MAX_LOG, &s->robust_log);
    if (!r->rc && (isnan(s->lower) != isnan(s->upper) || s->lower > s->upper))
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"lower\" is above \"upper\"", r->doc.name, jb_json_line(&r->doc, o, "lower"));
    if (!r->rc) read_sights(r, o, s, pair_ms, measured_s, floor);
}

static void read_blocks(struct reader *r, const cJSON *series, struct jb_noise_series *s)
{
    static const char *const keys[] = {"total", "switched_out", "short_of_cpu", "stolen", "crowded", "disturbed", NULL};
    const cJSON *o = get(r, series, "blocks");
    uint64_t total = 0, all = 2 * s->pairs;
    if (!only(r, o, "blocks", keys)) return;
    whole(r, o, "total", all, &total);
    whole(r, o, "switched_out", all, &s->switched_out);
    whole(r, o, "short_of_cpu", all, &s->starved);
    whole(r, o, "stolen", all, &s->stolen);
    whole(r, o, "crowded", all, &s->crowded);
    whole(r, o, "disturbed", all, &s->disturbed);
    uint64_t most = s->switched_out > s->starved ? s->switched_out : s->starved, sum = s->switched_out + s->starved + s->stolen + s->crowded;
    if (s->stolen > most) most = s->stolen;
    if (s->crowded > most) most = s->crowded;
    if (!r->rc && (total != all || s->disturbed < most || s->disturbed > sum))
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: the numbers of blocks contradict each other", r->doc.name, jb_json_line_of(&r->doc, o));
}

static void read_series(struct reader *r, const cJSON *o, struct jb_noise *n, struct jb_noise_series *s)
{
    static const char *const keys[] = {"load", "block_ms", "pinned", "pairs", "pair_ms", "queries", "unpaired_log_sd", "mean", "median", "blocks", NULL};
    char load[sizeof n->load[0].name] = "";
    if (!only(r, o, "series", keys)) return;
    text(r, o, "load", false, load, sizeof load);
    for (s->load = 0; s->load < n->n_loads && strcmp(n->load[s->load].name, load) != 0;) s->load++;
    if (!r->rc && s->load == n->n_loads) r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"load\" is none of \"loads\"", r->doc.name, jb_json_line(&r->doc, o, "load"));
    if (!r->rc) r->rc = jb_json_get_f64(&r->doc, o, "block_ms", true, 0.01, 1e6, &s->block_ms, r->err);
    flag(r, o, "pinned", &s->pinned);
    whole(r, o, "pairs", 1000000000000u, &s->pairs);
    if (!r->rc && !s->pairs) r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: a series without pairs", r->doc.name, jb_json_line(&r->doc, o, "pairs"));
    if (!r->rc) r->rc = jb_json_get_f64(&r->doc, o, "pair_ms", true, 1e-6, 1e9, &s->pair_ms, r->err);
    number(r, o, "queries", 0, 1e12, &s->queries);
    number(r, o, "unpaired_log_sd", 0, MAX_LOG, &s->unpaired_log);
    if (!r->rc) read_spread(r, o, "mean", &s->mean, s->pair_ms, n->seconds, 0);
    if (!r->rc) read_spread(r, o, "median", &s->median, s->pair_ms, n->seconds, jb_noise_median_floor(&n->load[s->load]));
    if (!r->rc) read_blocks(r, o, s);
    if (!r->rc && jb_noise_find(n, s->load, s->block_ms, s->pinned) != s)
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: a series that stands there already", r->doc.name, jb_json_line_of(&r->doc, o));
}

static void read_load(struct reader *r, const cJSON *o, struct jb_noise *n, uint32_t at)
{
    static const char *const keys[] = {"name", "what", "query_ns", "recommended_block_ms", "drift", NULL}, *const drift[] = {"change", "wander", "change_p", "change_at_s", NULL};
    struct jb_noise_load *l = &n->load[at];
    if (!only(r, o, "loads", keys)) return;
    text(r, o, "name", false, l->name, sizeof l->name);
    text(r, o, "what", false, l->what, sizeof l->what);
    number(r, o, "query_ns", 0, MAX_NS, &l->query_ns);
    number(r, o, "recommended_block_ms", 0.01, 1e6, &l->best_block_ms);
    for (uint32_t i = 0; i < at && !r->rc; i++)
        if (!strcmp(n->load[i].name, l->name)) r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: two loads of one name", r->doc.name, jb_json_line(&r->doc, o, "name"));
    const cJSON *d = get(r, o, "drift");
    if (!only(r, d, "drift", drift)) return;
    number(r, d, "change", -1, MAX_SHARE, &l->drift.change);
    number(r, d, "wander", 0, MAX_SHARE, &l->drift.wander);
    number(r, d, "change_p", 0, 1, &l->drift.p);
    number(r, d, "change_at_s", 0, 1e9, &l->drift.at_s);
}

static void read_machine(struct reader *r, struct jb_noise *n)
{
    static const char *const keys[] = {"cpu", "kernel", "tier", "governor", "turbo", "cores", "hypervisor", NULL}, *const clock[] = {"cost_ns", "resolution_ns", "source", NULL};
    const cJSON *o = get(r, r->doc.root, "machine");
    if (!only(r, o, "machine", keys)) return;
    text(r, o, "cpu", true, n->machine.cpu, sizeof n->machine.cpu);
    text(r, o, "kernel", true, n->machine.kernel, sizeof n->machine.kernel);
    text(r, o, "tier", true, n->machine.tier, sizeof n->machine.tier);
    text(r, o, "governor", true, n->machine.governor, sizeof n->machine.governor);
    text(r, o, "turbo", true, n->machine.turbo, sizeof n->machine.turbo);
    whole32(r, o, "cores", &n->machine.cores);
    flag(r, o, "hypervisor", &n->machine.hypervisor);
    o = get(r, r->doc.root, "clock");
    if (!only(r, o, "clock", clock)) return;
    number(r, o, "cost_ns", 0, MAX_NS, &n->clock.cost_ns);
    whole(r, o, "resolution_ns", (uint64_t)MAX_NS, &n->clock.resolution_ns);
    text(r, o, "source", true, n->clock.source, sizeof n->clock.source);
}

// The rule follows from its figures. A file of a version before it has none.
static void read_normalise(struct reader *r, struct jb_noise_normalise *l)
{
    static const char *const keys[] = {"rule", "gain", "lower", "upper", "block_ms", "blocks", "why", NULL};
    char rule[16] = "", why[128] = "";
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(r->doc.root, "normalise");
    if (r->rc || !o || !only(r, o, "normalise", keys)) return;
    text(r, o, "rule", false, rule, sizeof rule);
    text(r, o, "why", false, why, sizeof why);
    number(r, o, "gain", 0, MAX_SHARE, &l->gain);
    number(r, o, "lower", 0, MAX_SHARE, &l->lower);
    number(r, o, "upper", 0, MAX_SHARE, &l->upper);
    number(r, o, "block_ms", 0.01, 1e6, &l->block_ms);
    whole(r, o, "blocks", UINT64_MAX, &l->blocks);
    l->known = true;
    l->reference = l->upper < 1;
    bool figures = !isnan(l->gain), all = figures == !isnan(l->lower) && figures == !isnan(l->upper) && (!figures || (l->lower <= l->gain && l->gain <= l->upper && l->blocks >= JB_NOISE_LEAST_LEARNED));
    if (!r->rc && (!all || strcmp(rule, l->reference ? "reference" : "none") != 0))
        r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: the rule does not follow from its figures", r->doc.name, jb_json_line_of(&r->doc, o));
}

static void read_tuning(struct reader *r, const cJSON *o, struct jb_tuning *t)
{
    static const char *const keys[] = {"what", "applies", "state", "command", "effect", NULL};
    if (!only(r, o, "tuning", keys)) return;
    text(r, o, "what", false, t->what, sizeof t->what);
    flag(r, o, "applies", &t->applies);
    text(r, o, "state", false, t->state, sizeof t->state);
    text(r, o, "command", true, t->command, sizeof t->command);
    text(r, o, "effect", false, t->effect, sizeof t->effect);
}

static void fixed(struct reader *r, const char *key, double expected)
{
    double v = NAN;
    number(r, r->doc.root, key, 0, 1, &v);
    if (!r->rc && v != expected) r->rc = jb_fail(r->err, JB_E_INVALID, "%s:%d: \"%s\" must be %g", r->doc.name, jb_json_line(&r->doc, r->doc.root, key), key, expected);
}

static void read_head(struct reader *r, struct jb_noise *n)
{
    static const char *const keys[] = {"schema", "joulebench_version", "started", "seconds", "seed", "rounds", "confidence", "power", "machine", "clock", "others_share", "steal_share",
                                       "recommended_block_ms", "loads", "series", "normalise", "tuning", NULL};
    const cJSON *root = r->doc.root;
    char schema[32] = "";
    if (!only(r, root, "noise", keys)) return;
    text(r, root, "schema", false, schema, sizeof schema);
    if (!r->rc && strcmp(schema, JB_NOISE_SCHEMA) != 0) r->rc = jb_fail(r->err, JB_E_INVALID, "%s: schema is not " JB_NOISE_SCHEMA, r->doc.name);
    text(r, root, "joulebench_version", false, n->version, sizeof n->version);
    text(r, root, "started", false, n->started, sizeof n->started);
    if (!r->rc) r->rc = jb_json_get_f64(&r->doc, root, "seconds", true, 1e-6, 1e9, &n->seconds, r->err);
    whole(r, root, "seed", UINT64_MAX, &n->seed);
    whole32(r, root, "rounds", &n->rounds);
    fixed(r, "confidence", JB_NOISE_CONFIDENCE);
    fixed(r, "power", JB_NOISE_POWER);
    number(r, root, "others_share", 0, 1, &n->others);
    number(r, root, "steal_share", 0, 1, &n->steal);
    number(r, root, "recommended_block_ms", 0.01, 1e6, &n->best_block_ms);
}

static void read_lists(struct reader *r, struct jb_noise *n)
{
    uint32_t count;
    const cJSON *list = list_of(r, r->doc.root, "loads", 1, JB_NOISE_LOADS, &count);
    for (uint32_t i = 0; i < count && !r->rc; i++) {
        read_load(r, cJSON_GetArrayItem(list, (int)i), n, i);
        n->n_loads = i + 1;
    }
    list = list_of(r, r->doc.root, "series", 1, JB_NOISE_SERIES, &count);
    for (uint32_t i = 0; i < count && !r->rc; i++) {
        n->n_series = i + 1;
        read_series(r, cJSON_GetArrayItem(list, (int)i), n, &n->series[i]);
    }
    list = list_of(r, r->doc.root, "tuning", 0, JB_TUNING_MAX, &n->n_tuning);
    for (uint32_t i = 0; i < n->n_tuning && !r->rc; i++) read_tuning(r, cJSON_GetArrayItem(list, (int)i), &n->tuning[i]);
}

static int read_doc(struct reader *r, struct jb_noise *out)
{
    struct jb_noise *n = calloc(1, sizeof *n);
    if (!n) r->rc = jb_fail(r->err, JB_E_NOMEM, "%s: out of memory", r->doc.name);
    if (n) {
        read_head(r, n);
        if (!r->rc) read_machine(r, n);
        if (!r->rc) read_lists(r, n);
        if (!r->rc) read_normalise(r, &n->normalise);
        if (!r->rc) *out = *n;
    }
    free(n);
    jb_json_close(&r->doc);
    return r->rc;
}

int jb_noise_read(struct jb_noise *out, const char *path, struct jb_err *err)
{
    struct reader r = {.err = err};
    int rc = jb_json_read(&r.doc, path, MAX_BYTES, err);
    return rc ? rc : read_doc(&r, out);
}

int jb_noise_parse(struct jb_noise *out, const char *name, const char *text_, size_t n_bytes, struct jb_err *err)
{
    struct reader r = {.err = err};
    if (n_bytes > MAX_BYTES) return jb_fail(err, JB_E_RANGE, "%s: larger than %zu bytes", name, MAX_BYTES);
    int rc = jb_json_parse(&r.doc, name, text_, n_bytes, err);
    return rc ? rc : read_doc(&r, out);
}
