// tokens, ttft_ns, tpot_ns, ppl, kv, fill, deferred: what a cell of a language model has besides. All null in other cells.
#include "reports/codec.h"

#include <float.h>
#include <math.h>

static bool is_language(const struct jb_result_cell *c) { return c->language.kv != NULL; }

// Absent in files of versions before it, or null: nothing to read.
static const cJSON *item_of(const cJSON *o, const char *key)
{
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, key);
    return p && !cJSON_IsNull(p) ? p : NULL;
}

void jb_out_tokens(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    if (!is_language(c)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "prompt", c->language.prompt);
    jb_out_num(w, p, "committed", c->language.committed);
    jb_out_num(w, p, "drafted", c->language.drafted);
}

int jb_in_tokens(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"prompt", "committed", "drafted", NULL};
    const cJSON *p = NULL;
    if (!item_of(o, key)) return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "tokens", KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "prompt", 0, DBL_MAX, &c->language.prompt);
    if (!rc) rc = jb_in_num(in, p, "committed", 0, DBL_MAX, &c->language.committed);
    if (!rc) rc = jb_in_num(in, p, "drafted", 0, DBL_MAX, &c->language.drafted);
    return rc;
}

static void put_times(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c, const struct jb_result_times *t)
{
    if (!is_language(c)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "mean", t->mean);
    jb_out_num(w, p, "p50", t->p50);
    jb_out_num(w, p, "p90", t->p90);
    jb_out_num(w, p, "p99", t->p99);
    jb_out_count(w, p, "n", t->n);
}

static int get_times(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_times *t)
{
    static const char *const KEYS[] = {"mean", "p50", "p90", "p99", "n", NULL};
    const cJSON *p = NULL;
    if (!item_of(o, key)) return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, key, KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "mean", 0, DBL_MAX, &t->mean);
    if (!rc) rc = jb_in_num(in, p, "p50", 0, DBL_MAX, &t->p50);
    if (!rc) rc = jb_in_num(in, p, "p90", 0, DBL_MAX, &t->p90);
    if (!rc) rc = jb_in_num(in, p, "p99", 0, DBL_MAX, &t->p99);
    if (!rc) rc = jb_in_count(in, p, "n", &t->n);
    return rc;
}

void jb_out_ttft(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c) { put_times(w, o, key, c, &c->language.ttft); }
void jb_out_tpot(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c) { put_times(w, o, key, c, &c->language.tpot); }
int jb_in_ttft(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c) { return get_times(in, o, key, &c->language.ttft); }
int jb_in_tpot(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c) { return get_times(in, o, key, &c->language.tpot); }

void jb_out_ppl(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    if (!is_language(c) || isnan(c->language.ppl.value)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "value", c->language.ppl.value);
    jb_out_count(w, p, "n", c->language.ppl.n);
    jb_out_interval(w, p, "ci95", c->language.ppl.lower, c->language.ppl.upper);
}

int jb_in_ppl(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"value", "n", "ci95", NULL};
    const cJSON *p = NULL;
    if (!item_of(o, key)) return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, key, KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "value", 0, DBL_MAX, &c->language.ppl.value);
    if (!rc) rc = jb_in_count(in, p, "n", &c->language.ppl.n);
    if (!rc) rc = jb_in_interval(in, p, "ci95", &c->language.ppl.lower, &c->language.ppl.upper);
    return rc;
}

void jb_out_deferred(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    if (!is_language(c)) {
        jb_out_null(w, o, key);
        return;
    }
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "macs", c->language.deferred_macs);
    jb_out_num(w, p, "bytes", c->language.deferred_bytes);
}

int jb_in_deferred(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"macs", "bytes", NULL};
    const cJSON *p = NULL;
    if (!item_of(o, key)) return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, key, KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "macs", 0, DBL_MAX, &c->language.deferred_macs);
    if (!rc) rc = jb_in_num(in, p, "bytes", 0, DBL_MAX, &c->language.deferred_bytes);
    return rc;
}

void jb_out_kv_kind(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c) { jb_out_text(w, o, key, c->language.kv); }
void jb_out_fill(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c) { jb_out_text(w, o, key, c->language.fill); }

int jb_in_kv_kind(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    return item_of(o, key) ? jb_in_text(in, o, key, &c->language.kv) : JB_OK;
}

int jb_in_fill(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    return item_of(o, key) ? jb_in_text(in, o, key, &c->language.fill) : JB_OK;
}
