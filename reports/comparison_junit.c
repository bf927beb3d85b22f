// What a CI server reads: JUnit XML and GitHub's annotations. What did not pass never looks as if it had.
#include "reports/comparison_codec.h"
#include "reports/formats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// One line for XML: no controls, nothing that XML 1.0 forbids.
static void xml(struct jb_str *b, const char *text)
{
    struct jb_str plain = {0}, safe = {0};
    jb_add_plain(&plain, jb_text(text, ""), 0);
    for (const char *s = jb_str_get(&plain); *s; s++) { // U+FFFE and U+FFFF are well-formed UTF-8, but no characters of XML
        bool forbidden = (unsigned char)s[0] == 0xEF && (unsigned char)s[1] == 0xBF && ((unsigned char)s[2] == 0xBE || (unsigned char)s[2] == 0xBF);
        if (forbidden)
            jb_str_add(&safe, "?"), s += 2;
        else
            jb_str_addn(&safe, s, 1);
    }
    jb_str_add_html(b, jb_str_get(&safe));
    b->failed |= plain.failed || safe.failed;
    jb_str_free(&plain);
    jb_str_free(&safe);
}

static void message(struct jb_str *b, const struct jb_compared_metric *m)
{
    char change[64], margin[24];
    jb_compared_change_text(change, m);
    jb_compared_margin_text(margin, m);
    jb_str_addf(b, "%s: %s, margin %s", jb_compared_metric_title(m->name), change, margin);
    if (m->why)
        jb_str_addf(b, "; %s", m->why);
    else if (m->words || m->reason)
        jb_str_addf(b, "; %s", m->words ? m->words : m->reason);
}

// The element inside a test case that is not a pass; NULL: a pass.
static const char *element(enum jb_verdict v)
{
    switch (v) {
    case JB_VERDICT_PASS: return NULL;
    case JB_VERDICT_FAIL: return "failure";
    case JB_VERDICT_INCONCLUSIVE: return "skipped";
    case JB_VERDICT_NONE: case JB_VERDICT_INVALID: case JB_VERDICT_NOT_MEASURED: break;
    }
    return "error";
}

struct counts { size_t tests, failures, errors, skipped; };

static void count(struct counts *n, enum jb_verdict v)
{
    n->tests++;
    n->failures += v == JB_VERDICT_FAIL;
    n->skipped += v == JB_VERDICT_INCONCLUSIVE;
    n->errors += v != JB_VERDICT_FAIL && v != JB_VERDICT_INCONCLUSIVE && v != JB_VERDICT_PASS;
}

static void test_case(struct jb_str *b, const char *class_name, const char *name, enum jb_verdict v, const char *text)
{
    const char *e = element(v);
    jb_str_add(b, "  <testcase classname=\"");
    xml(b, class_name);
    jb_str_add(b, "\" name=\"");
    xml(b, name);
    if (!e) {
        jb_str_add(b, "\"/>\n");
        return;
    }
    jb_str_addf(b, "\"><%s message=\"%s: ", e, jb_verdict_name(v));
    xml(b, text);
    jb_str_add(b, "\"/></testcase>\n");
}

static void cells(struct jb_str *b, const struct jb_comparison *c, struct counts *n)
{
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            struct jb_str name = {0}, text = {0};
            if (!m->gated)
                continue;
            count(n, m->verdict);
            jb_compared_label(&name, &c->cells[i], 0);
            message(&text, m);
            test_case(b, jb_str_get(&name), m->name, m->verdict, jb_str_get(&text));
            b->failed |= name.failed || text.failed;
            jb_str_free(&name);
            jb_str_free(&text);
        }
}

// The gate as a whole, so that one that judged nothing, or fails for a reason of its own, is not an empty and thereby green suite.
static void whole(struct jb_str *b, const struct jb_comparison *c, struct counts *n)
{
    const char *text = c->n_sentences ? c->sentences[0].text : "see comparison.json";
    for (size_t i = 0; i < c->n_sentences; i++)
        if (strcmp(c->sentences[i].kind, "answer") == 0) {
            text = c->sentences[i].text;
            break;
        }
    enum jb_verdict v = c->verdict == JB_VERDICT_PASS && n->tests == 0 ? JB_VERDICT_NOT_MEASURED : c->verdict;
    count(n, v);
    test_case(b, "gate", "verdict", v, text);
}

int jb_comparison_junit(const struct jb_comparison *c, struct jb_str *out)
{
    struct jb_str body = {0};
    struct counts n = {0};
    cells(&body, c, &n);
    if (c->is_gate)
        whole(&body, c, &n);
    jb_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"joulebench ");
    xml(out, c->is_gate ? "gate" : "compare");
    jb_str_addf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"", n.tests, n.failures, n.errors, n.skipped);
    if (isfinite(c->seconds))
        jb_str_addf(out, " time=\"%.3f\"", c->seconds);
    if (c->started && strlen(c->started) < 40) {
        jb_str_add(out, " timestamp=\"");
        xml(out, c->started);
        jb_str_add(out, "\"");
    }
    jb_str_add(out, ">\n");
    jb_str_addn(out, jb_str_get(&body), body.len);
    jb_str_add(out, "</testsuite>\n");
    out->failed |= body.failed;
    jb_str_free(&body);
    return out->failed ? JB_E_NOMEM : JB_OK;
}

// ---- annotations ----

// GitHub reads %, and in properties : and , too, as commands of its own.
static void annotation_text(struct jb_str *b, const char *text, bool property)
{
    struct jb_str plain = {0};
    jb_add_plain(&plain, text, 0);
    for (const char *s = jb_str_get(&plain); *s; s++)
        if (*s == '%' || (property && (*s == ':' || *s == ',')))
            jb_str_addf(b, "%%%02X", (unsigned char)*s);
        else
            jb_str_addn(b, s, 1);
    b->failed |= plain.failed;
    jb_str_free(&plain);
}

static void annotation(struct jb_str *b, const char *level, const char *title, const char *text)
{
    jb_str_addf(b, "::%s title=", level);
    annotation_text(b, title, true);
    jb_str_add(b, "::");
    annotation_text(b, text, false);
    jb_str_add(b, "\n");
}

int jb_comparison_annotations(const struct jb_comparison *c, struct jb_str *out)
{
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            struct jb_str title = {0}, text = {0};
            if (!m->gated || m->verdict == JB_VERDICT_PASS)
                continue;
            jb_str_addf(&title, "joulebench gate %s, ", jb_verdict_name(m->verdict));
            jb_compared_label(&title, &c->cells[i], 120);
            message(&text, m);
            annotation(out, m->verdict == JB_VERDICT_FAIL ? "error" : "warning", jb_str_get(&title), jb_str_get(&text));
            out->failed |= title.failed || text.failed;
            jb_str_free(&title);
            jb_str_free(&text);
        }
    if (c->is_gate) {
        const char *level = c->verdict == JB_VERDICT_PASS ? "notice" : c->verdict == JB_VERDICT_FAIL ? "error" : "warning";
        struct jb_str title = {0};
        jb_str_addf(&title, "joulebench gate %s", jb_verdict_name(c->verdict));
        annotation(out, level, jb_str_get(&title), c->n_sentences ? c->sentences[0].text : "");
        out->failed |= title.failed;
        jb_str_free(&title);
    }
    return out->failed ? JB_E_NOMEM : JB_OK;
}
