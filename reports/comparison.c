// The comparison model's memory, and the words and figures that all its renderings share.
#include "reports/comparison_codec.h"
#include "reports/formats.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The arena is that of an empty result: one kind of memory for both models, and one set of readers (reports/codec.h) that fill it.
struct holder { struct jb_comparison c; struct jb_result *memory; };

int jb_comparison_open(struct jb_comparison **out)
{
    struct holder *h = calloc(1, sizeof *h);
    if (!h)
        return JB_E_NOMEM;
    if (jb_result_open(&h->memory)) {
        free(h);
        return JB_E_NOMEM;
    }
    h->c = (struct jb_comparison){.confidence = 0.95, .error_rate = NAN, .seconds = NAN, .arena = h->memory->arena};
    *out = &h->c;
    return JB_OK;
}

void jb_comparison_close(struct jb_comparison *c)
{
    struct holder *h = (struct holder *)c; // the comparison is its first member
    if (!h)
        return;
    jb_result_close(h->memory);
    free(h);
}

struct jb_result *jb_comparison_memory(struct jb_comparison *c) { return ((struct holder *)c)->memory; }

const char *jb_comparison_str(struct jb_comparison *c, const char *text) { return jb_result_str(jb_comparison_memory(c), text); }

void *jb_comparison_array(struct jb_comparison *c, size_t n, size_t element_bytes) { return jb_result_array(jb_comparison_memory(c), n, element_bytes); }

const char *jb_comparison_strf(struct jb_comparison *c, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : jb_comparison_array(c, (size_t)n + 1, 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

void jb_compared_metric_init(struct jb_compared_metric *m)
{
    *m = (struct jb_compared_metric){.baseline = NAN, .candidate = NAN, .effect = NAN, .lower = NAN, .upper = NAN, .raw_effect = NAN, .raw_lower = NAN, .raw_upper = NAN,
                                     .p = NAN, .p_adjusted = NAN, .detectable = NAN, .margin = NAN, .gate_p = NAN};
}

const struct jb_compared_metric *jb_compared_metric_find(const struct jb_compared_cell *c, const char *name)
{
    for (size_t i = 0; i < c->n_metrics; i++)
        if (strcmp(c->metrics[i].name, name) == 0)
            return &c->metrics[i];
    return NULL;
}

int jb_compared_sign(const struct jb_comparison *c, const struct jb_compared_metric *m)
{
    double same = m->is_difference ? 0 : 1;
    bool seen = m->deterministic ? fabs(m->effect - same) > (isfinite(m->detectable) ? m->detectable : 0) : isfinite(m->p_adjusted) ? m->p_adjusted <= 1 - c->confidence : m->lower > same || m->upper < same;
    if (!seen || !isfinite(m->effect) || m->effect == same)
        return 0;
    return (m->effect > same) == m->higher_is_better ? 1 : -1;
}

const char *jb_verdict_name(enum jb_verdict v)
{
    switch (v) {
    case JB_VERDICT_NONE: return "none";
    case JB_VERDICT_PASS: return "pass";
    case JB_VERDICT_FAIL: return "fail";
    case JB_VERDICT_INCONCLUSIVE: return "inconclusive";
    case JB_VERDICT_INVALID: return "invalid";
    case JB_VERDICT_NOT_MEASURED: return "not measured";
    }
    return "unknown";
}

// ---- figures ----

static void perplexity(char out[24], double v)
{
    if (isfinite(v) && fabs(v) < 1e6)
        snprintf(out, 24, "%.5g", v);
    else
        jb_fmt_count(out, v);
}

// token: of cells whose unit is the token; NULL: the same.
struct kind { const char *name, *title; void (*format)(char out[24], double); bool is_share; const char *token; };
static const struct kind KINDS[] = {
    {"accuracy", "accuracy", jb_fmt_percent, true, NULL},
    {"exact_match", "exact match", jb_fmt_percent, true, NULL},
    {"ppl", "perplexity", perplexity, false, NULL},
    {"agreement", "agreement with the full model", jb_fmt_percent, true, NULL},
    {"latency_mean_ns", "mean latency", jb_fmt_ns, false, "mean time a token"},
    {"p50_ns", "p50 latency", jb_fmt_ns, false, "p50 time a token"},
    {"p90_ns", "p90 latency", jb_fmt_ns, false, "p90 time a token"},
    {"p99_ns", "p99 latency", jb_fmt_ns, false, "p99 time a token"},
    {"ttft_ns", "mean time to first token", jb_fmt_ns, false, NULL},
    {"uj_per_query", "joules a query", jb_fmt_uj, false, "joules a token"},
    {"uj_per_correct", "joules a correct answer", jb_fmt_uj, false, "joules a correct token"},
    {"peak_rss_bytes", "peak memory", jb_fmt_bytes, false, NULL},
    {"model_bytes", "model bytes", jb_fmt_bytes, false, NULL},
    {"macs_mean", "MACs", jb_fmt_count, false, NULL},
    {"instructions", "instructions", jb_fmt_count, false, NULL},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(KINDS[i].name, name) == 0)
            return &KINDS[i];
    return NULL;
}

const char *jb_compared_metric_title(const char *name)
{
    const struct kind *k = kind_of(name);
    return k ? k->title : jb_text(name, "?");
}

const char *jb_compared_title(const struct jb_compared_cell *cell, const char *name)
{
    const struct kind *k = kind_of(name);
    return k && k->token && cell->unit && strcmp(cell->unit, "token") == 0 ? k->token : jb_compared_metric_title(name);
}

const char *jb_compared_title_of_all(const struct jb_comparison *c, const char *name)
{
    const char *title = NULL;
    for (size_t i = 0; i < c->n_cells; i++) {
        const char *own = jb_compared_metric_find(&c->cells[i], name) ? jb_compared_title(&c->cells[i], name) : NULL;
        if (own && title && strcmp(own, title))
            return jb_compared_metric_title(name);
        title = own ? own : title;
    }
    return title ? title : jb_compared_metric_title(name);
}

bool jb_compared_is_share(const char *name)
{
    const struct kind *k = kind_of(name);
    return k && k->is_share;
}

void jb_compared_value_text(char out[24], const char *name, double value)
{
    const struct kind *k = kind_of(name);
    (k ? k->format : jb_fmt_count)(out, value);
}

// Enough digits to see half the interval's width, at most three behind the point.
static int digits_for(double half_width)
{
    return !isfinite(half_width) || half_width >= 1 ? 1 : half_width >= 0.1 ? 2 : 3;
}

static void signed_text(char *out, size_t n, double v, int digits)
{
    double least = 0.5 * pow(10, -digits);
    if (fabs(v) < least)
        snprintf(out, n, "%.*f", digits, 0.0);
    else
        snprintf(out, n, "%+.*f", digits, v);
}

static void signed_change(char out[64], double v, double lower, double upper, const char *unit)
{
    char x[3][20];
    bool interval = isfinite(lower) && isfinite(upper);
    int digits = interval ? digits_for((upper - lower) / 2) : 2;
    signed_text(x[0], sizeof x[0], v, digits);
    signed_text(x[1], sizeof x[1], lower, digits);
    signed_text(x[2], sizeof x[2], upper, digits);
    if (interval)
        snprintf(out, 64, "%s %s [%s, %s]", x[0], unit, x[1], x[2]);
    else
        snprintf(out, 64, "%s %s", x[0], unit);
}

void jb_compared_change_text(char out[64], const struct jb_compared_metric *m)
{
    if (!isfinite(m->effect) || fabs(m->effect) > 1e12)
        snprintf(out, 64, "n/a");
    else if (m->is_difference)
        signed_change(out, m->effect * 100, m->lower * 100, m->upper * 100, "points");
    else if (m->effect < 2 && m->effect > 0.5)
        signed_change(out, (m->effect - 1) * 100, (m->lower - 1) * 100, (m->upper - 1) * 100, "%");
    else if (isfinite(m->lower) && isfinite(m->upper))
        snprintf(out, 64, "%.3gx [%.3g, %.3g]", m->effect, m->lower, m->upper);
    else
        snprintf(out, 64, "%.3gx", m->effect);
}

void jb_compared_margin_text(char out[24], const struct jb_compared_metric *m)
{
    if (!isfinite(m->margin) || fabs(m->margin) > 1e6)
        snprintf(out, 24, "n/a");
    else
        snprintf(out, 24, m->is_difference ? "%.4g points" : "%.4g %%", m->margin * 100);
}

// ---- shared by the renderings ----

void jb_compared_label(struct jb_str *b, const struct jb_compared_cell *c, size_t max_columns)
{
    struct jb_str s = {0};
    jb_str_add(&s, jb_text(c->label, jb_text(c->label_candidate, "?")));
    if (c->label && c->label_candidate && strcmp(c->label, c->label_candidate))
        jb_str_addf(&s, " -> %s", c->label_candidate);
    if (c->run)
        jb_str_addf(&s, " (%s)", c->run);
    jb_add_plain(b, jb_str_get(&s), max_columns);
    b->failed |= s.failed;
    jb_str_free(&s);
}

bool jb_compared_is_same(const struct jb_compared_metric *m)
{
    return !m->gated && m->deterministic && fabs(m->effect - (m->is_difference ? 0 : 1)) <= (isfinite(m->detectable) ? m->detectable : 0);
}

bool jb_compared_is_missing(const struct jb_compared_metric *m) { return !m->gated && !isfinite(m->effect); }

static const char *common_reason(const struct jb_comparison *c, const char *name)
{
    const char *reason = NULL;
    size_t n = 0;
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[i], name);
        if (c->cells[i].reason)
            continue;
        if (!m || !jb_compared_is_missing(m) || !m->reason || (reason && strcmp(reason, m->reason)))
            return NULL;
        reason = m->reason;
        n++;
    }
    return n > 1 ? reason : NULL;
}

void jb_compared_commons(struct jb_compared_common *out, const struct jb_comparison *c)
{
    size_t first = 0;
    out->n = 0;
    while (first < c->n_cells && c->cells[first].reason)
        first++;
    for (size_t i = 0; first < c->n_cells && i < c->cells[first].n_metrics && out->n < JB_MAX_COMMON; i++) {
        out->name[out->n] = c->cells[first].metrics[i].name;
        out->reason[out->n] = common_reason(c, out->name[out->n]);
        out->n += out->reason[out->n] != NULL;
    }
}

const char *jb_compared_common(const struct jb_compared_common *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->name[i], name) == 0)
            return all->reason[i];
    return NULL;
}
