// comparison.json ("joulebench.comparison/1", docs/schema/comparison.schema.json): the model to a tree.
#include "reports/comparison_codec.h"

#include "base/fs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_bool(struct jb_codec_out *w, cJSON *o, const char *key, bool value) { w->failed |= !o || !jb_json_put_bool(o, key, value); }

// Names may repeat (one fact of the environment can have several consequences), so this is a list and not an object.
static void pairs(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_kv *kv, size_t n)
{
    cJSON *a = jb_out_array(w, o, key);
    for (size_t i = 0; i < n && !w->failed; i++) {
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "name", kv[i].name);
        jb_out_text(w, p, "text", kv[i].value);
    }
}

static void run(struct jb_codec_out *w, cJSON *o, const char *name, const struct jb_kv *environment, size_t n)
{
    jb_out_text(w, o, "name", name);
    jb_out_kv(w, o, "environment", environment, n);
}

static void metric(struct jb_codec_out *w, cJSON *o, const struct jb_compared_metric *m)
{
    jb_out_text(w, o, "name", m->name);
    jb_out_text(w, o, "better", m->higher_is_better ? "higher" : "lower");
    jb_out_text(w, o, "effect_is", m->is_difference ? "difference" : "ratio");
    put_bool(w, o, "deterministic", m->deterministic);
    put_bool(w, o, "grouped", m->grouped);
    jb_out_num(w, o, "baseline", m->baseline);
    jb_out_num(w, o, "candidate", m->candidate);
    jb_out_num(w, o, "effect", m->effect);
    jb_out_interval(w, o, "interval", m->lower, m->upper);
    jb_out_num(w, o, "raw_effect", m->raw_effect);
    jb_out_interval(w, o, "raw_interval", m->raw_lower, m->raw_upper);
    jb_out_num(w, o, "p", m->p);
    jb_out_num(w, o, "p_adjusted", m->p_adjusted);
    jb_out_num(w, o, "detectable", m->detectable);
    jb_out_count(w, o, "n_baseline", m->n_baseline);
    jb_out_count(w, o, "n_candidate", m->n_candidate);
    jb_out_text(w, o, "energy_class", m->energy_class);
    jb_out_text(w, o, "words", m->words);
    jb_out_text(w, o, "reason", m->reason);
    put_bool(w, o, "gated", m->gated);
    jb_out_num(w, o, "margin", m->margin);
    jb_out_num(w, o, "gate_p", m->gate_p);
    jb_out_text(w, o, "verdict", jb_verdict_name(m->verdict));
    jb_out_text(w, o, "why", m->why);
}

static void cell(struct jb_codec_out *w, cJSON *o, const struct jb_compared_cell *c)
{
    jb_out_text(w, o, "key", c->key);
    jb_out_text(w, o, "label", c->label);
    jb_out_text(w, o, "label_candidate", c->label_candidate);
    jb_out_text(w, o, "unit", c->unit);
    jb_out_text(w, o, "run", c->run);
    jb_out_text(w, o, "baseline_status", jb_cell_status_name(c->baseline_status));
    jb_out_text(w, o, "candidate_status", jb_cell_status_name(c->candidate_status));
    jb_out_text(w, o, "reason", c->reason);
    jb_out_text(w, o, "front", c->front);
    jb_out_text(w, o, "front_joules", c->front_joules);
    pairs(w, o, "tail", c->tail, c->n_tail);
    jb_out_text(w, o, "verdict", jb_verdict_name(c->verdict));
    cJSON *a = jb_out_array(w, o, "metrics");
    for (size_t i = 0; i < c->n_metrics && !w->failed; i++)
        metric(w, jb_out_item(w, a), &c->metrics[i]);
}

static void gate(struct jb_codec_out *w, cJSON *root, const struct jb_comparison *c)
{
    if (!c->is_gate) {
        jb_out_null(w, root, "gate");
        return;
    }
    cJSON *o = jb_out_object(w, root, "gate");
    jb_out_text(w, o, "verdict", jb_verdict_name(c->verdict));
    jb_out_num(w, o, "error_rate", c->error_rate);
}

static void sides(struct jb_codec_out *w, cJSON *root, const struct jb_comparison *c)
{
    run(w, jb_out_object(w, root, "baseline"), c->baseline_name, c->baseline_environment, c->n_baseline_environment);
    run(w, jb_out_object(w, root, "candidate"), c->candidate_name, c->candidate_environment, c->n_candidate_environment);
    cJSON *a = jb_out_array(w, root, "others");
    for (size_t i = 0; i < c->n_others && !w->failed; i++)
        run(w, jb_out_item(w, a), c->others[i].name, c->others[i].environment, c->others[i].n_environment);
}

static void sentences(struct jb_codec_out *w, cJSON *root, const struct jb_comparison *c)
{
    cJSON *a = jb_out_array(w, root, "sentences");
    for (size_t i = 0; i < c->n_sentences && !w->failed; i++) {
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "kind", c->sentences[i].kind);
        jb_out_text(w, p, "text", c->sentences[i].text);
    }
}

cJSON *jb_comparison_to_json(const struct jb_comparison *c)
{
    struct jb_codec_out w = {.failed = false};
    cJSON *root = cJSON_CreateObject();
    if (!root)
        return NULL;
    jb_out_text(&w, root, "schema", JB_COMPARISON_SCHEMA);
    jb_out_text(&w, root, "mode", c->mode);
    jb_out_text(&w, root, "joulebench_version", c->joulebench_version);
    jb_out_text(&w, root, "started", c->started);
    jb_out_text(&w, root, "finished", c->finished);
    jb_out_num(&w, root, "confidence", c->confidence);
    jb_out_num(&w, root, "seconds", c->seconds);
    jb_out_count(&w, root, "pairs", c->pairs);
    w.failed |= !jb_json_put_f64(root, "exit_code", c->exit_code);
    gate(&w, root, c);
    sides(&w, root, c);
    pairs(&w, root, "differences", c->differences, c->n_differences);
    sentences(&w, root, c);
    cJSON *a = jb_out_array(&w, root, "cells");
    for (size_t i = 0; i < c->n_cells && !w.failed; i++)
        cell(&w, jb_out_item(&w, a), &c->cells[i]);
    if (!w.failed)
        return root;
    cJSON_Delete(root);
    return NULL;
}

char *jb_comparison_json(const struct jb_comparison *c)
{
    cJSON *root = jb_comparison_to_json(c);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    return text;
}

int jb_comparison_write(const struct jb_comparison *c, const char *path, struct jb_err *err)
{
    char *text = jb_comparison_json(c);
    if (!text)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = jb_write_file_atomic(path, text, strlen(text), err);
    free(text);
    return rc;
}
