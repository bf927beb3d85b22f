// Judging a comparison by rules.
#include "harness/gate_parts.h"

#include "base/exit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// One gated metric with a test.
struct test { struct jb_compared_metric *m; const struct jb_gate_evidence *e; struct jb_gate_p p; };
struct judge {
    struct jb_comparison *c;
    const struct jb_gate_rules *r;
    const struct jb_gate_findings *f;
    struct test *tests; size_t n_tests; // of metrics that vary
    size_t n_judged, n_cells;        // that have a verdict other than none
};

static const char *label_of(const struct jb_compared_cell *cell) { return cell->label ? cell->label : cell->label_candidate; }

static const struct jb_gate_evidence *evidence_for(const struct judge *j, const struct jb_compared_cell *cell, const char *metric)
{
    for (size_t i = 0; j->f && i < j->f->n_evidence; i++) {
        const struct jb_gate_evidence *e = &j->f->evidence[i];
        if (!strcmp(e->metric, metric) && cell->key && !strcmp(e->key, cell->key)) return e;
    }
    return NULL;
}

static const char *invalid_because(const struct judge *j, const struct jb_compared_cell *cell)
{
    for (size_t i = 0; j->f && i < j->f->n_invalid; i++)
        if (cell->key && !strcmp(j->f->invalid[i].key, cell->key)) return j->f->invalid[i].why;
    return NULL;
}

static void settle(struct jb_compared_metric *m, enum jb_verdict v, const char *why)
{
    m->verdict = v;
    if (why) m->why = why;
}

// ---- without a figure ----

static bool is_joules(const char *key) { return !strncmp(key, "uj_", 3); }

// A workload without labels has no accuracy, one without a model no MACs and no bytes: neither run lost anything.
static bool has_none(const struct jb_compared_metric *m)
{
    static const char *const by_nature[] = { "accuracy", "exact_match", "ppl", "agreement", "ttft_ns", "macs_mean", "model_bytes" };
    for (size_t i = 0; i < sizeof by_nature / sizeof *by_nature; i++)
        if (!strcmp(m->name, by_nature[i])) return isnan(m->baseline) && isnan(m->candidate);
    return false;
}

// Counts and costs that nobody took are "not measured"; a latency or accuracy that is refused means that the two runs do not belong together.
static void no_figure(struct jb_compared_metric *m, const struct jb_gate_metric *rule)
{
    bool not_measured = is_joules(m->name) || !strcmp(m->name, "instructions") || !strcmp(m->name, "peak_rss_bytes");
    if (rule->optional || has_none(m)) m->gated = false;
    else settle(m, not_measured ? JB_VERDICT_NOT_MEASURED : JB_VERDICT_INVALID, m->reason ? m->reason : "there is no figure in both runs");
}

static bool class_allowed(const char *name, unsigned classes)
{
    for (int k = JB_ENERGY_MEASURED; name && k <= JB_ENERGY_REPLAYED; k++)
        if (!strcmp(name, jb_energy_class_name((enum jb_energy_class)k))) return classes >> k & 1;
    return false;
}

// ---- one metric ----

static int judge_metric(struct judge *j, struct jb_compared_cell *cell, struct jb_compared_metric *m, const struct jb_gate_metric *rule)
{
    m->gated = true;
    m->margin = rule->margin;
    const struct jb_gate_evidence *e = evidence_for(j, cell, m->name);
    if (!isfinite(m->effect) && !e) {
        no_figure(m, rule);
        return 0;
    }
    if (is_joules(m->name) && !class_allowed(m->energy_class, rule->classes)) {
        const char *why = jb_comparison_strf(j->c, "joules of class %s do not gate: the rules do not name it", m->energy_class ? m->energy_class : "none");
        if (rule->optional) m->gated = false;
        settle(m, rule->optional ? JB_VERDICT_NONE : JB_VERDICT_NOT_MEASURED, why);
        return why ? 0 : JB_E_NOMEM;
    }
    if (m->deterministic) {
        double grain = isfinite(m->detectable) ? m->detectable : 0;
        settle(m, m->effect <= (1 + m->margin) * (1 + 1e-12) || m->effect <= 1 + grain ? JB_VERDICT_PASS : JB_VERDICT_FAIL, NULL);
        m->gate_p = m->verdict == JB_VERDICT_FAIL ? 0 : 1;
        return (m->why = jb_gate_why(j->c, m, NULL, j->r->error_rate)) ? 0 : JB_E_NOMEM;
    }
    struct test t = { m, e, e ? (struct jb_gate_p){ e->p_worse, e->p_better } : jb_gate_p_of(m, m->margin, j->c->confidence) };
    if (e) {
        m->effect = e->effect;
        m->lower = isfinite(e->interval.lower) ? exp(e->interval.lower) : NAN;
        m->upper = isfinite(e->interval.upper) ? exp(e->interval.upper) : NAN;
        m->p = m->p_adjusted = m->detectable = NAN;
        m->words = jb_gate_effect_words(j->c, m, e);
        if (!m->words) return JB_E_NOMEM;
    }
    if (isnan(t.p.worse) || isnan(t.p.better)) settle(m, JB_VERDICT_INCONCLUSIVE, m->reason ? m->reason : "there is no interval");
    j->tests[j->n_tests++] = t; // a metric without an interval is a test that was meant, and counts
    return 0;
}

// Adds a row for what the comparison has none for, so that its absence is seen.
static int missing_metric(struct judge *j, struct jb_compared_cell *cell, const char *key)
{
    struct jb_compared_metric *grown = jb_comparison_array(j->c, cell->n_metrics + 1, sizeof *grown);
    if (!grown) return JB_E_NOMEM;
    if (cell->n_metrics) memcpy(grown, cell->metrics, cell->n_metrics * sizeof *grown);
    jb_compared_metric_init(&grown[cell->n_metrics]);
    grown[cell->n_metrics].name = key;
    grown[cell->n_metrics].reason = "not taken in these runs";
    cell->metrics = grown;
    cell->n_metrics++;
    return 0;
}

static struct jb_compared_metric *find(struct jb_compared_cell *cell, const char *key)
{
    for (size_t i = 0; i < cell->n_metrics; i++)
        if (!strcmp(cell->metrics[i].name, key)) return &cell->metrics[i];
    return NULL;
}

// ---- one cell ----

// Neither side could measure it, in the same way: there is nothing to compare, and nothing was lost. A cell that is new has no baseline yet.
static bool of_no_concern(const struct jb_compared_cell *cell)
{
    bool broken = cell->candidate_status == JB_CELL_FAILED || cell->candidate_status == JB_CELL_INVALID;
    if (!cell->label) return !broken;
    return cell->label_candidate && cell->baseline_status == JB_CELL_UNAVAILABLE && cell->candidate_status == JB_CELL_UNAVAILABLE;
}

static int open_cell(struct judge *j, struct jb_compared_cell *cell)
{
    static const char *const all[] = { "accuracy", "exact_match", "perplexity", "agreement", "ttft", "mean", "p50", "p90", "p99", "joules", "joules_per_correct", "peak_memory", "model_bytes", "macs", "instructions" };
    enum { N = sizeof all / sizeof *all };
    struct jb_gate_metric rule;
    int rc = 0;
    if (cell->reason) {
        cell->verdict = of_no_concern(cell) ? JB_VERDICT_NONE : JB_VERDICT_INVALID;
        return 0;
    }
    // Rows first: tests point to them.
    for (size_t i = 0; i < N && !rc; i++)
        if (jb_gate_rule_for(j->r, label_of(cell), all[i], &rule) && !rule.optional && !find(cell, jb_gate_metric_key(all[i]))) rc = missing_metric(j, cell, jb_gate_metric_key(all[i]));
    for (size_t i = 0; i < N && !rc; i++) {
        struct jb_compared_metric *m = find(cell, jb_gate_metric_key(all[i]));
        if (m && jb_gate_rule_for(j->r, label_of(cell), all[i], &rule)) rc = judge_metric(j, cell, m, &rule);
    }
    return rc;
}

// ---- all tests together ----

// A fail is a p-value that holds after Holm's correction over all tests of the gate. p-values of sequential tests are valid at whatever moment the measuring ended, and so is Holm of them.
static int correct(struct judge *j, struct jb_err *err)
{
    double *p = malloc((j->n_tests + 1) * 2 * sizeof *p), *adjusted = p ? p + j->n_tests + 1 : NULL;
    if (!p) return jb_fail(err, JB_E_NOMEM, "gate");
    for (size_t i = 0; i < j->n_tests; i++) p[i] = isnan(j->tests[i].p.worse) ? 1 : j->tests[i].p.worse;
    int rc = jb_holm(p, j->n_tests, adjusted);
    for (size_t i = 0; i < j->n_tests && !rc; i++) {
        struct test *t = &j->tests[i];
        t->m->gate_p = adjusted[i];
        if (t->m->verdict == JB_VERDICT_INCONCLUSIVE) continue; // no interval
        bool fail = adjusted[i] <= j->r->error_rate, pass = t->p.better <= (1 - j->r->confidence) / 2;
        t->m->verdict = fail ? JB_VERDICT_FAIL : pass ? JB_VERDICT_PASS : JB_VERDICT_INCONCLUSIVE;
        if (!(t->m->why = jb_gate_why(j->c, t->m, t->e, j->r->error_rate))) rc = JB_E_NOMEM;
    }
    free(p);
    return rc ? jb_fail(err, rc, "gate") : 0;
}

// ---- verdicts of cells and of the whole ----

static int weight(enum jb_verdict v)
{
    switch (v) {
    case JB_VERDICT_FAIL: return 5;
    case JB_VERDICT_INVALID: return 4;
    case JB_VERDICT_NOT_MEASURED: return 3;
    case JB_VERDICT_INCONCLUSIVE: return 2;
    case JB_VERDICT_PASS: return 1;
    case JB_VERDICT_NONE: break;
    }
    return 0;
}

static enum jb_verdict worst(enum jb_verdict a, enum jb_verdict b) { return weight(b) > weight(a) ? b : a; }

static void close_cell(struct judge *j, struct jb_compared_cell *cell)
{
    const char *invalid = invalid_because(j, cell);
    for (size_t i = 0; i < cell->n_metrics; i++) {
        struct jb_compared_metric *m = &cell->metrics[i];
        if (!m->gated) continue;
        // What an invalid cell's figures say does not count, but what cannot be otherwise does.
        if (invalid && !m->deterministic && !m->is_difference && !m->grouped && (m->verdict == JB_VERDICT_FAIL || m->verdict == JB_VERDICT_PASS || m->verdict == JB_VERDICT_INCONCLUSIVE)) settle(m, JB_VERDICT_INVALID, invalid);
        cell->verdict = worst(cell->verdict, m->verdict);
        j->n_judged += m->verdict == JB_VERDICT_FAIL || m->verdict == JB_VERDICT_PASS || m->verdict == JB_VERDICT_INCONCLUSIVE;
    }
    j->n_cells += cell->verdict != JB_VERDICT_NONE;
}

static int exit_of(enum jb_verdict v, enum jb_inconclusive_as as)
{
    switch (v) {
    case JB_VERDICT_PASS: return JB_EXIT_OK;
    case JB_VERDICT_FAIL: return JB_EXIT_GATE_FAILED;
    case JB_VERDICT_INCONCLUSIVE: return as == JB_INCONCLUSIVE_PASS ? JB_EXIT_OK : as == JB_INCONCLUSIVE_FAIL ? JB_EXIT_GATE_FAILED : JB_EXIT_INCONCLUSIVE;
    case JB_VERDICT_INVALID: return JB_EXIT_INVALID_ENV;
    case JB_VERDICT_NOT_MEASURED: return JB_EXIT_NOT_MEASURED;
    case JB_VERDICT_NONE: break;
    }
    return JB_EXIT_INPUT;
}

static void clear(struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        c->cells[i].verdict = JB_VERDICT_NONE;
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            struct jb_compared_metric *m = &c->cells[i].metrics[k];
            m->gated = false;
            m->margin = m->gate_p = NAN;
            m->verdict = JB_VERDICT_NONE;
            m->why = NULL;
        }
    }
}

static void conclude(struct judge *j, enum jb_inconclusive_as as)
{
    struct jb_comparison *c = j->c;
    c->verdict = JB_VERDICT_NONE;
    for (size_t i = 0; i < c->n_cells; i++) {
        if (!jb_gate_concerns(j->r, label_of(&c->cells[i]))) continue;
        close_cell(j, &c->cells[i]);
        c->verdict = worst(c->verdict, c->cells[i].verdict);
    }
    c->exit_code = exit_of(c->verdict, as);
    if (c->verdict == JB_VERDICT_NONE) c->verdict = JB_VERDICT_INVALID; // nothing was compared
}

int jb_gate_judge_with(struct jb_comparison *c, const struct jb_gate_rules *r, enum jb_inconclusive_as as, const struct jb_gate_findings *findings, struct jb_err *err)
{
    struct judge j = { .c = c, .r = r, .f = findings };
    size_t room = 1;
    int rc = 0;
    for (size_t i = 0; i < c->n_cells; i++) room += c->cells[i].n_metrics;
    if (!(j.tests = malloc(room * sizeof *j.tests))) return jb_fail(err, JB_E_NOMEM, "gate");
    clear(c);
    c->is_gate = true;
    c->error_rate = r->error_rate;
    for (size_t i = 0; i < c->n_cells && !rc; i++)
        if (jb_gate_concerns(r, label_of(&c->cells[i]))) rc = open_cell(&j, &c->cells[i]);
    if (!rc) rc = correct(&j, err);
    if (!rc) conclude(&j, as);
    if (!rc) rc = jb_gate_sentence(c, j.n_judged, j.n_cells);
    free(j.tests);
    return rc ? jb_fail(err, rc, "gate") : 0;
}

int jb_gate_judge(struct jb_comparison *c, const struct jb_gate_rules *r, enum jb_inconclusive_as as, struct jb_err *err) { return jb_gate_judge_with(c, r, as, NULL, err); }

// ---- stored baselines ----

// Of two runs at different times, the interval knows what varied within each, not what changed between them.
static int mark_past(struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (!m->gated || m->deterministic || m->is_difference || m->grouped || !m->why || (m->verdict != JB_VERDICT_PASS && m->verdict != JB_VERDICT_FAIL)) continue;
            m->why = jb_comparison_strf(c, "%s; the runs stand apart in time: what the machine did differently is in this figure (gate --live is not misled by it)", m->why);
            if (!m->why) return JB_E_NOMEM;
        }
    return 0;
}

int jb_gate_past(const char *baseline_dir, const char *candidate_dir, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err)
{
    struct jb_compare_opts with = *o;
    struct jb_comparison *c = NULL;
    with.confidence = r->confidence;
    with.across = false;
    int rc = jb_compare_past(baseline_dir, candidate_dir, &with, &c, err);
    if (!rc) rc = jb_gate_judge(c, r, as, err);
    if (!rc && mark_past(c)) rc = jb_fail(err, JB_E_NOMEM, "gate");
    if (rc) jb_comparison_close(c);
    else *out = c;
    return rc;
}
