// latency_ns of a cell: percentiles, mean with its interval, counts, and the histogram that plots draw.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double ALWAYS[] = {0.5, 0.9, 0.99};

// "p50", "p99", "p99.9"
static void percentile_key(char out[32], double p) { snprintf(out, 32, "p%.10g", p * 100); }

// Exact inverse of percentile_key: "p99.9" -> 0.999. False for other keys.
static bool percentile_of(const char *key, double *p)
{
    char text[40], *end = NULL;
    if (key[0] != 'p' || key[1] < '0' || key[1] > '9' || strlen(key) > 30)
        return false;
    snprintf(text, sizeof text, "%se-2", key + 1);
    *p = strtod(text, &end);
    return *end == '\0' && *p > 0 && *p < 1;
}

static void write_histogram(struct jb_codec_out *w, cJSON *l, const struct jb_result_cell *c)
{
    if (!c->n_hist || !c->hist_edges_ns || !c->hist_counts) {
        jb_out_null(w, l, "histogram");
        return;
    }
    cJSON *h = jb_out_object(w, l, "histogram");
    cJSON *edges = jb_out_array(w, h, "edges_ns"), *counts = jb_out_array(w, h, "counts");
    for (size_t i = 0; i <= c->n_hist; i++)
        jb_out_push_num(w, edges, c->hist_edges_ns[i]);
    for (size_t i = 0; i < c->n_hist; i++)
        jb_out_push_num(w, counts, (double)c->hist_counts[i]);
}

void jb_out_latency(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    char name[32];
    cJSON *l = jb_out_object(w, o, key);
    if (!l)
        return;
    for (size_t i = 0; i < c->n_percentiles; i++) {
        percentile_key(name, c->percentiles[i].p);
        if (!cJSON_GetObjectItemCaseSensitive(l, name))
            jb_out_num(w, l, name, c->percentiles[i].ns);
    }
    for (size_t i = 0; i < sizeof ALWAYS / sizeof *ALWAYS; i++) {
        percentile_key(name, ALWAYS[i]);
        if (!cJSON_GetObjectItemCaseSensitive(l, name))
            jb_out_null(w, l, name);
    }
    jb_out_num(w, l, "mean", c->latency_mean_ns);
    jb_out_interval(w, l, "mean_ci95", c->latency_mean_ci.lower, c->latency_mean_ci.upper);
    jb_out_count(w, l, "n", c->n_queries);
    jb_out_count(w, l, "blocks", c->n_blocks);
    write_histogram(w, l, c);
}

static int read_numbers(const struct jb_codec_in *in, const cJSON *o, const char *key, double **out, size_t *n)
{
    const cJSON *a = NULL, *i;
    int rc = jb_in_array(in, o, key, &a, 1000000);
    if (rc)
        return rc;
    size_t k = 0;
    double *x = jb_result_array(in->r, (size_t)cJSON_GetArraySize(a), sizeof *x);
    if (!x)
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    cJSON_ArrayForEach(i, a)
    {
        if (!cJSON_IsNumber(i) || !(i->valuedouble >= 0 && i->valuedouble <= 9e15))
            return jb_in_bad(in, o, key, "must hold numbers from 0 to 9e15");
        x[k++] = i->valuedouble;
    }
    *out = x;
    *n = k;
    return JB_OK;
}

static int read_histogram(const struct jb_codec_in *in, const cJSON *l, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"edges_ns", "counts", NULL};
    const cJSON *h = NULL;
    double *edges = NULL, *counts = NULL;
    size_t n_edges = 0, n = 0;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(l, "histogram")))
        return JB_OK;
    int rc = jb_in_object(in, l, "histogram", &h);
    if (!rc) rc = jb_json_only_keys(in->doc, h, "histogram", KEYS, in->err);
    if (!rc) rc = read_numbers(in, h, "edges_ns", &edges, &n_edges);
    if (!rc) rc = read_numbers(in, h, "counts", &counts, &n);
    if (!rc && (n == 0 || n_edges != n + 1))
        rc = jb_in_bad(in, h, "edges_ns", "must have one element more than counts");
    for (size_t i = 1; i < n_edges && !rc; i++)
        if (!(edges[i] > edges[i - 1]))
            rc = jb_in_bad(in, h, "edges_ns", "must rise");
    if (rc)
        return rc;
    if (!(c->hist_counts = jb_result_array(in->r, n, sizeof *c->hist_counts)))
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    for (size_t i = 0; i < n; i++)
        c->hist_counts[i] = (uint64_t)counts[i];
    c->hist_edges_ns = edges;
    c->n_hist = n;
    return JB_OK;
}

// Every other key of latency_ns is a percentile; its reason stands in the cell's reasons.
static int read_percentiles(const struct jb_codec_in *in, const cJSON *l, struct jb_result_cell *c)
{
    static const char *const OTHERS[] = {"mean", "mean_ci95", "n", "blocks", "histogram", NULL};
    char path[64];
    if (!(c->percentiles = jb_result_array(in->r, (size_t)cJSON_GetArraySize(l), sizeof *c->percentiles)))
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    for (const cJSON *i = l->child; i; i = i->next) {
        struct jb_percentile *p = &c->percentiles[c->n_percentiles];
        bool other = false;
        for (size_t k = 0; OTHERS[k] && !other; k++)
            other = strcmp(OTHERS[k], i->string) == 0;
        if (other)
            continue;
        if (!percentile_of(i->string, &p->p))
            return jb_in_bad(in, l, i->string, "is unknown in latency_ns (known: pNN, mean, mean_ci95, n, blocks, histogram)");
        int rc = jb_in_num(in, l, i->string, 0, DBL_MAX, &p->ns);
        if (rc)
            return rc;
        snprintf(path, sizeof path, "latency_ns.%s", i->string);
        p->reason = isnan(p->ns) ? jb_cell_reason(c, path) : NULL;
        c->n_percentiles++;
    }
    for (size_t k = 0; k < sizeof ALWAYS / sizeof *ALWAYS; k++) {
        percentile_key(path, ALWAYS[k]);
        if (!cJSON_GetObjectItemCaseSensitive(l, path))
            return jb_in_bad(in, l, path, "is missing");
    }
    return JB_OK;
}

int jb_in_latency(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const cJSON *l = NULL;
    int rc = jb_in_object(in, o, key, &l);
    if (!rc) rc = read_percentiles(in, l, c);
    if (!rc) rc = jb_in_num(in, l, "mean", 0, DBL_MAX, &c->latency_mean_ns);
    if (!rc) rc = jb_in_interval(in, l, "mean_ci95", &c->latency_mean_ci.lower, &c->latency_mean_ci.upper);
    if (!rc) rc = jb_in_count(in, l, "n", &c->n_queries);
    if (!rc) rc = jb_in_count(in, l, "blocks", &c->n_blocks);
    if (!rc) rc = read_histogram(in, l, c);
    if (!rc) {
        c->latency_mean_ci.value = c->latency_mean_ns;
        c->latency_mean_ci.n = c->n_blocks;
    }
    return rc;
}
