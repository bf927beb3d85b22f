// Made-up comparisons.
#include "tests/reports/comparison_fixture.h"

#include <math.h>
#include <string.h>

#include "tests/reports/fixture.h"

static struct jb_compared_metric noisy(const char *name, double a, double b, double lower, double upper, double p, const char *words)
{
    struct jb_compared_metric m;
    jb_compared_metric_init(&m);
    m.name = name;
    m.baseline = a;
    m.candidate = b;
    m.is_difference = m.higher_is_better = strcmp(name, "accuracy") == 0;
    m.effect = m.is_difference ? b - a : b / a;
    m.lower = lower;
    m.upper = upper;
    m.p = m.p_adjusted = p;
    m.detectable = (upper - lower) / 2;
    m.n_baseline = m.is_difference ? 10000 : 24;
    m.n_candidate = m.n_baseline;
    m.words = words;
    return m;
}

static struct jb_compared_metric exact(const char *name, double a, double b, const char *words)
{
    struct jb_compared_metric m = noisy(name, a, b, NAN, NAN, NAN, words);
    m.deterministic = true;
    m.detectable = NAN;
    return m;
}

static struct jb_compared_metric none(const char *name, const char *reason)
{
    struct jb_compared_metric m;
    jb_compared_metric_init(&m);
    m.name = name;
    m.reason = reason;
    return m;
}

static void gated(struct jb_compared_metric *m, double margin, double p, enum jb_verdict v, const char *why)
{
    m->gated = true;
    m->margin = margin;
    m->gate_p = p;
    m->verdict = v;
    m->why = why;
}

static void cells(struct jb_comparison *c, bool gate)
{
    static const char NO_JOULES[] = "no energy source: this machine exposes none";
    struct jb_compared_cell *x = c->cells = jb_comparison_array(c, 3, sizeof *c->cells);
    c->n_cells = 3;
    x[0] = (struct jb_compared_cell){.key = "0123456789abcdef", .label = "fashion-ee int8 maxprob 0.8", .label_candidate = "fashion-ee int8 maxprob 0.8", .front = "perhaps"};
    x[1] = (struct jb_compared_cell){.key = "1123456789abcdef", .label = "fashion-ee int8 final", .label_candidate = "fashion-ee int8 last", .front = "surely", .front_joules = "surely off"};
    x[2] = (struct jb_compared_cell){.key = "2123456789abcdef", .label = "fashion-ee f32 final", .candidate_status = JB_CELL_INVALID,
                                     .reason = "the candidate's cell is invalid: too few queries"};
    struct jb_compared_metric *m = x[0].metrics = jb_comparison_array(c, 16, sizeof *m);
    m[x[0].n_metrics++] = noisy("accuracy", 0.921, 0.9196, -0.0031, 0.0003, 0.118, "no difference can be seen; one of 0.17 points would have been");
    m[x[0].n_metrics++] = noisy("latency_mean_ns", 412000, 431000, 1.031, 1.061, 0.001, "4.6 % slower (3.1 to 6.1 %)");
    m[x[0].n_metrics++] = noisy("p50_ns", 398000, 352000, 0.861, 0.908, 0.001, "11.6 % faster (9.2 to 13.9 %)");
    m[x[0].n_metrics++] = none("p99_ns", "4 blocks: an interval of p99 needs at least 10");
    m[x[0].n_metrics++] = none("uj_per_query", NO_JOULES);
    m[x[0].n_metrics++] = exact("model_bytes", 1200000, 1200000, "the same");
    m[x[0].n_metrics++] = exact("macs_mean", 1.00e6, 1.02e6, "2 % more");
    m = x[1].metrics = jb_comparison_array(c, 16, sizeof *m);
    m[x[1].n_metrics++] = noisy("accuracy", 0.93, 0.93, -0.001, 0.001, 1, "no difference can be seen; one of 0.1 points would have been");
    m[x[1].n_metrics++] = noisy("latency_mean_ns", 800000, 801000, 0.98, 1.02, 0.9, "no difference can be seen; one of 2 % would have been");
    m[x[1].n_metrics++] = none("uj_per_query", NO_JOULES);
    if (!gate)
        return;
    gated(&x[0].metrics[0], 0.005, 0.0001, JB_VERDICT_PASS, "inside the margin");
    gated(&x[0].metrics[1], 0.03, 0.004, JB_VERDICT_FAIL, "slower by more than 3 %");
    gated(&x[1].metrics[1], 0.01, 0.2, JB_VERDICT_INCONCLUSIVE, "the interval reaches beyond the margin");
    gated(&x[1].metrics[2], 0.03, NAN, JB_VERDICT_NOT_MEASURED, NULL);
    x[0].verdict = JB_VERDICT_FAIL;
    x[1].verdict = JB_VERDICT_INCONCLUSIVE;
}

static struct jb_kv *kv(struct jb_comparison *c, const char *name, const char *value)
{
    struct jb_kv *x = jb_comparison_array(c, 1, sizeof *x);
    *x = (struct jb_kv){name, value};
    return x;
}

struct jb_comparison *jb_comparison_fixture(bool gate)
{
    struct jb_comparison *c = NULL;
    if (jb_comparison_open(&c))
        return NULL;
    c->mode = gate ? "live" : "past";
    c->baseline_name = "main";
    c->candidate_name = "topic";
    c->started = "2026-11-22T18:00:00Z";
    c->finished = "2026-11-22T18:01:00Z";
    c->joulebench_version = "0.5.0";
    c->baseline_environment = kv(c, "cpu", "Made-up CPU");
    c->candidate_environment = kv(c, "cpu", "Made-up CPU");
    c->n_baseline_environment = c->n_candidate_environment = 1;
    c->differences = kv(c, "joulebench", "0.4.0 against 0.5.0: noted, everything is compared");
    c->n_differences = 1;
    c->sentences = jb_comparison_array(c, 1, sizeof *c->sentences);
    c->sentences[c->n_sentences++] = (struct jb_result_sentence){"answer", gate ? "Gate failed: 1 of 4 metrics is worse than its margin." : "1 of 2 cells differs: fashion-ee int8 maxprob 0.8."};
    cells(c, gate);
    if (gate) {
        c->is_gate = true;
        c->verdict = JB_VERDICT_FAIL;
        c->exit_code = 10;
        c->error_rate = 0.01;
        c->seconds = 19.5;
        c->pairs = 120;
    }
    return c;
}

struct jb_comparison *jb_comparison_fixture_hostile(void)
{
    struct jb_comparison *c = jb_comparison_fixture(true);
    const char *t = jb_hostile_text;
    c->baseline_name = c->candidate_name = c->started = c->joulebench_version = t;
    c->baseline_environment = c->differences = kv(c, t, t);
    c->others = jb_comparison_array(c, 1, sizeof *c->others);
    c->others[c->n_others++] = (struct jb_compared_run){t, c->baseline_environment, 1};
    for (size_t i = 0; i < c->n_sentences; i++)
        c->sentences[i].text = t;
    for (size_t i = 0; i < c->n_cells; i++) {
        struct jb_compared_cell *x = &c->cells[i];
        x->label = x->run = t;
        x->reason = x->reason ? t : NULL;
        x->tail = kv(c, t, t);
        x->n_tail = 1;
        for (size_t k = 0; k < x->n_metrics; k++)
            x->metrics[k].words = x->metrics[k].reason = x->metrics[k].why = t;
    }
    c->cells[0].metrics[1].effect = c->cells[0].metrics[1].upper = 1e300;
    c->cells[0].metrics[1].lower = 1e-300;
    c->cells[0].metrics[0].lower = -1e300;
    return c;
}
