// comparison.json back into the model, strictly: every key must be there, none that is not known, and nothing that could not have been written.
#include "reports/comparison_codec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 28)
#define MAX_CELLS 1000000
#define MAX_METRICS 64
#define MAX_PAIRS 4096

struct in { struct jb_codec_in codec; struct jb_comparison *c; };

static int no_memory(const struct in *in) { return jb_fail(in->codec.err, JB_E_NOMEM, "%s: out of memory", in->codec.doc->name); }

// One of the NULL-terminated words, as its index.
static int word(const struct in *in, const cJSON *o, const char *key, const char *const *words, int *out)
{
    const char *text = NULL;
    int rc = jb_json_get_str(in->codec.doc, o, key, true, &text, in->codec.err);
    for (int i = 0; !rc && words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return JB_OK;
        }
    return rc ? rc : jb_in_bad(&in->codec, o, key, "is not a word that this version knows");
}

static int verdict(const struct in *in, const cJSON *o, enum jb_verdict *out)
{
    static const char *const WORDS[] = {"none", "pass", "fail", "inconclusive", "invalid", "not measured", NULL};
    int v = 0, rc = word(in, o, "verdict", WORDS, &v);
    *out = (enum jb_verdict)v;
    return rc;
}

static int status(const struct in *in, const cJSON *o, const char *key, enum jb_cell_status *out)
{
    static const char *const WORDS[] = {"valid", "invalid", "failed", "unavailable", NULL};
    int v = 0, rc = word(in, o, key, WORDS, &v);
    *out = (enum jb_cell_status)v;
    return rc;
}

static int front(const struct in *in, const cJSON *o, const char *key, const char **out)
{
    static const char *const WORDS[] = {"surely", "perhaps", "surely off", NULL};
    int v = 0, rc = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, key)) ? JB_OK : word(in, o, key, WORDS, &v);
    *out = rc || cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, key)) ? NULL : WORDS[v];
    return rc;
}

static int needs_text(const struct in *in, const cJSON *o, const char *key, const char **out)
{
    int rc = jb_in_text(&in->codec, o, key, out);
    return rc || *out ? rc : jb_in_bad(&in->codec, o, key, "must be a text");
}

// Room for the rows of a list.
static int rows(const struct in *in, const cJSON *o, const char *key, size_t most, size_t element_bytes, void **out, const cJSON **a)
{
    int rc = jb_in_array(&in->codec, o, key, a, most);
    if (rc)
        return rc;
    *out = jb_comparison_array(in->c, (size_t)cJSON_GetArraySize(*a), element_bytes);
    return *out ? JB_OK : no_memory(in);
}

static int pairs(const struct in *in, const cJSON *o, const char *key, struct jb_kv **out, size_t *n)
{
    static const char *const KEYS[] = {"name", "text", NULL};
    const cJSON *a = NULL, *p;
    void *room = NULL;
    int rc = rows(in, o, key, MAX_PAIRS, sizeof **out, &room, &a);
    *out = room;
    cJSON_ArrayForEach(p, a)
    {
        if (rc) return rc;
        struct jb_kv *x = &(*out)[*n];
        rc = jb_json_only_keys(in->codec.doc, p, key, KEYS, in->codec.err);
        if (!rc) rc = needs_text(in, p, "name", &x->name);
        if (!rc) rc = needs_text(in, p, "text", &x->value);
        *n += !rc;
    }
    return rc;
}

static int run(const struct in *in, const cJSON *o, const char **name, struct jb_kv **environment, size_t *n)
{
    static const char *const KEYS[] = {"name", "environment", NULL};
    int rc = jb_json_only_keys(in->codec.doc, o, "a run", KEYS, in->codec.err);
    if (!rc) rc = jb_in_text(&in->codec, o, "name", name);
    if (!rc) rc = jb_in_kv(&in->codec, o, "environment", environment, n);
    return rc;
}

// Names of metrics are printed as they stand.
static int metric_name(const struct in *in, const cJSON *o, const char **out)
{
    int rc = needs_text(in, o, "name", out);
    bool plain = !rc && **out && strlen(*out) < 40 && strspn(*out, "abcdefghijklmnopqrstuvwxyz0123456789_.") == strlen(*out);
    return rc || plain ? rc : jb_in_bad(&in->codec, o, "name", "is not the name of a metric (a-z, 0-9, _ and .)");
}

static int metric_figures(const struct in *in, const cJSON *o, struct jb_compared_metric *m)
{
    const struct jb_codec_in *x = &in->codec;
    int rc = jb_in_num(x, o, "baseline", -DBL_MAX, DBL_MAX, &m->baseline);
    if (!rc) rc = jb_in_num(x, o, "candidate", -DBL_MAX, DBL_MAX, &m->candidate);
    if (!rc) rc = jb_in_num(x, o, "effect", -DBL_MAX, DBL_MAX, &m->effect);
    if (!rc) rc = jb_in_interval(x, o, "interval", &m->lower, &m->upper);
    if (!rc) rc = jb_in_num(x, o, "raw_effect", -DBL_MAX, DBL_MAX, &m->raw_effect);
    if (!rc) rc = jb_in_interval(x, o, "raw_interval", &m->raw_lower, &m->raw_upper);
    if (!rc) rc = jb_in_num(x, o, "p", 0, 1, &m->p);
    if (!rc) rc = jb_in_num(x, o, "p_adjusted", 0, 1, &m->p_adjusted);
    if (!rc) rc = jb_in_num(x, o, "detectable", 0, DBL_MAX, &m->detectable);
    if (!rc) rc = jb_in_count(x, o, "n_baseline", &m->n_baseline);
    if (!rc) rc = jb_in_count(x, o, "n_candidate", &m->n_candidate);
    return rc;
}

static int metric(const struct in *in, const cJSON *o, struct jb_compared_metric *m)
{
    static const char *const KEYS[] = {"name", "better", "effect_is", "deterministic", "grouped", "baseline", "candidate", "effect", "interval", "raw_effect", "raw_interval", "p",
        "p_adjusted", "detectable", "n_baseline", "n_candidate", "energy_class", "words", "reason", "gated", "margin", "gate_p", "verdict", "why", NULL};
    static const char *const BETTER[] = {"lower", "higher", NULL}, *const EFFECT[] = {"ratio", "difference", NULL};
    const struct jb_codec_in *x = &in->codec;
    int higher = 0, difference = 0;
    jb_compared_metric_init(m);
    int rc = jb_json_only_keys(x->doc, o, "a metric", KEYS, x->err);
    if (!rc) rc = metric_name(in, o, &m->name);
    if (!rc) rc = word(in, o, "better", BETTER, &higher);
    if (!rc) rc = word(in, o, "effect_is", EFFECT, &difference);
    if (!rc) rc = jb_json_get_bool(x->doc, o, "deterministic", true, &m->deterministic, x->err);
    if (!rc) rc = jb_json_get_bool(x->doc, o, "grouped", false, &m->grouped, x->err); // not in files of older versions
    if (!rc) rc = metric_figures(in, o, m);
    if (!rc) rc = jb_in_text(x, o, "energy_class", &m->energy_class);
    if (!rc) rc = jb_in_text(x, o, "words", &m->words);
    if (!rc) rc = jb_in_text(x, o, "reason", &m->reason);
    if (!rc) rc = jb_json_get_bool(x->doc, o, "gated", true, &m->gated, x->err);
    if (!rc) rc = jb_in_num(x, o, "margin", 0, DBL_MAX, &m->margin);
    if (!rc) rc = jb_in_num(x, o, "gate_p", 0, 1, &m->gate_p);
    if (!rc) rc = verdict(in, o, &m->verdict);
    if (!rc) rc = jb_in_text(x, o, "why", &m->why);
    m->higher_is_better = higher == 1;
    m->is_difference = difference == 1;
    return rc;
}

static int metrics(const struct in *in, const cJSON *o, struct jb_compared_cell *c)
{
    const cJSON *a = NULL, *p;
    void *room = NULL;
    int rc = rows(in, o, "metrics", MAX_METRICS, sizeof *c->metrics, &room, &a);
    c->metrics = room;
    cJSON_ArrayForEach(p, a)
    {
        if (rc) return rc;
        if (!(rc = metric(in, p, &c->metrics[c->n_metrics]))) c->n_metrics++;
    }
    return rc;
}

static int cell(const struct in *in, const cJSON *o, struct jb_compared_cell *c)
{
    static const char *const KEYS[] = {"key", "label", "label_candidate", "unit", "run", "baseline_status", "candidate_status", "reason", "front", "front_joules", "tail", "verdict", "metrics", NULL};
    const struct jb_codec_in *x = &in->codec;
    int rc = jb_json_only_keys(x->doc, o, "a cell", KEYS, x->err);
    if (!rc) rc = needs_text(in, o, "key", &c->key);
    if (!rc) rc = jb_in_text(x, o, "label", &c->label);
    if (!rc) rc = jb_in_text(x, o, "label_candidate", &c->label_candidate);
    if (!rc && cJSON_GetObjectItemCaseSensitive(o, "unit")) rc = jb_in_text(x, o, "unit", &c->unit); // not in files of older versions
    if (!rc) rc = jb_in_text(x, o, "run", &c->run);
    if (!rc) rc = status(in, o, "baseline_status", &c->baseline_status);
    if (!rc) rc = status(in, o, "candidate_status", &c->candidate_status);
    if (!rc) rc = jb_in_text(x, o, "reason", &c->reason);
    if (!rc) rc = front(in, o, "front", &c->front);
    if (!rc) rc = front(in, o, "front_joules", &c->front_joules);
    if (!rc) rc = pairs(in, o, "tail", &c->tail, &c->n_tail);
    if (!rc) rc = verdict(in, o, &c->verdict);
    if (!rc) rc = metrics(in, o, c);
    return rc;
}

static int cells(const struct in *in, const cJSON *root)
{
    struct jb_comparison *c = in->c;
    const cJSON *a = NULL, *p;
    void *room = NULL;
    int rc = rows(in, root, "cells", MAX_CELLS, sizeof *c->cells, &room, &a);
    c->cells = room;
    cJSON_ArrayForEach(p, a)
    {
        if (rc) return rc;
        if (!(rc = cell(in, p, &c->cells[c->n_cells]))) c->n_cells++;
    }
    return rc;
}

static int others(const struct in *in, const cJSON *root)
{
    struct jb_comparison *c = in->c;
    const cJSON *a = NULL, *p;
    void *room = NULL;
    int rc = rows(in, root, "others", MAX_METRICS, sizeof *c->others, &room, &a);
    c->others = room;
    cJSON_ArrayForEach(p, a)
    {
        if (rc) return rc;
        struct jb_compared_run *x = &c->others[c->n_others];
        if (!(rc = run(in, p, &x->name, &x->environment, &x->n_environment))) c->n_others++;
    }
    return rc;
}

static int sentences(const struct in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"kind", "text", NULL};
    struct jb_comparison *c = in->c;
    const cJSON *a = NULL, *p;
    void *room = NULL;
    int rc = rows(in, root, "sentences", MAX_PAIRS, sizeof *c->sentences, &room, &a);
    c->sentences = room;
    cJSON_ArrayForEach(p, a)
    {
        if (rc) return rc;
        struct jb_result_sentence *x = &c->sentences[c->n_sentences];
        rc = jb_json_only_keys(in->codec.doc, p, "a sentence", KEYS, in->codec.err);
        if (!rc) rc = needs_text(in, p, "kind", &x->kind);
        if (!rc) rc = needs_text(in, p, "text", &x->text);
        c->n_sentences += !rc;
    }
    return rc;
}

static int gate(const struct in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"verdict", "error_rate", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "gate");
    if (cJSON_IsNull(o))
        return JB_OK;
    int rc = jb_in_object(&in->codec, root, "gate", &o);
    if (!rc) rc = jb_json_only_keys(in->codec.doc, o, "gate", KEYS, in->codec.err);
    if (!rc) rc = verdict(in, o, &in->c->verdict);
    if (!rc) rc = jb_in_num(&in->codec, o, "error_rate", 0, 1, &in->c->error_rate);
    in->c->is_gate = true;
    return rc;
}

static int sides(const struct in *in, const cJSON *root)
{
    struct jb_comparison *c = in->c;
    const cJSON *a = NULL, *b = NULL;
    int rc = jb_in_object(&in->codec, root, "baseline", &a);
    if (!rc) rc = run(in, a, &c->baseline_name, &c->baseline_environment, &c->n_baseline_environment);
    if (!rc) rc = jb_in_object(&in->codec, root, "candidate", &b);
    if (!rc) rc = run(in, b, &c->candidate_name, &c->candidate_environment, &c->n_candidate_environment);
    if (!rc) rc = others(in, root);
    return rc;
}

static int head(const struct in *in, const cJSON *root)
{
    static const char *const MODES[] = {"past", "live", "across", NULL};
    const struct jb_codec_in *x = &in->codec;
    struct jb_comparison *c = in->c;
    int mode = 0;
    int64_t exit_code = 0;
    int rc = word(in, root, "mode", MODES, &mode);
    c->mode = MODES[mode];
    if (!rc) rc = jb_in_text(x, root, "joulebench_version", &c->joulebench_version);
    if (!rc) rc = jb_in_text(x, root, "started", &c->started);
    if (!rc) rc = jb_in_text(x, root, "finished", &c->finished);
    if (!rc) rc = jb_json_get_f64(x->doc, root, "confidence", true, 0.5, 0.99999, &c->confidence, x->err);
    if (!rc) rc = jb_in_num(x, root, "seconds", 0, DBL_MAX, &c->seconds);
    if (!rc) rc = jb_in_count(x, root, "pairs", &c->pairs);
    if (!rc) rc = jb_json_get_i64(x->doc, root, "exit_code", true, 0, 255, &exit_code, x->err);
    c->exit_code = (int)exit_code;
    return rc;
}

static int read_root(const struct in *in, const cJSON *root)
{
    static const char *const KEYS[] = {"schema", "mode", "joulebench_version", "started", "finished", "confidence", "seconds", "pairs", "exit_code", "gate", "baseline",
        "candidate", "others", "differences", "sentences", "cells", NULL};
    const struct jb_codec_in *x = &in->codec;
    const char *schema = NULL;
    if (!cJSON_IsObject(root))
        return jb_fail(x->err, JB_E_INVALID, "%s: not a JSON object", x->doc->name);
    int rc = jb_json_get_str(x->doc, root, "schema", true, &schema, x->err);
    if (!rc && strcmp(schema, JB_COMPARISON_SCHEMA))
        return jb_fail(x->err, JB_E_UNSUPPORTED, "%s: schema is \"%.60s\", this version reads \"" JB_COMPARISON_SCHEMA "\"", x->doc->name, schema);
    if (!rc) rc = jb_json_only_keys(x->doc, root, "a comparison", KEYS, x->err);
    if (!rc) rc = head(in, root);
    if (!rc) rc = gate(in, root);
    if (!rc) rc = sides(in, root);
    if (!rc) rc = pairs(in, root, "differences", &in->c->differences, &in->c->n_differences);
    if (!rc) rc = sentences(in, root);
    if (!rc) rc = cells(in, root);
    return rc;
}

// Closes the document.
static int read_doc(struct jb_comparison **out, struct jb_json_doc *doc, struct jb_err *err)
{
    struct jb_comparison *c = NULL;
    int rc = jb_comparison_open(&c);
    if (rc)
        jb_fail(err, rc, "%s: out of memory", doc->name);
    else
        rc = read_root(&(struct in){{.doc = doc, .r = jb_comparison_memory(c), .err = err}, c}, doc->root);
    jb_json_close(doc);
    if (rc)
        jb_comparison_close(c);
    else
        *out = c;
    return rc;
}

int jb_comparison_read(struct jb_comparison **out, const char *path, struct jb_err *err)
{
    struct jb_json_doc doc;
    int rc = jb_json_read(&doc, path, MAX_BYTES, err);
    return rc ? rc : read_doc(out, &doc, err);
}

int jb_comparison_parse(struct jb_comparison **out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc doc;
    int rc = jb_json_parse(&doc, name, text, n_bytes, err);
    return rc ? rc : read_doc(out, &doc, err);
}
