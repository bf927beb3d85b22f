// The gate: rules, bets, and the table of verdicts over comparisons made by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/exit.h"
#include "harness/gate_parts.h"

// ---- rules ----

static int parse(struct jb_gate_rules *r, const char *text, struct jb_err *err)
{
    *err = (struct jb_err){ 0 };
    return jb_gate_rules_parse(r, "gate.json", text, strlen(text), err);
}

static void rules_are_read(void **state)
{
    (void)state;
    struct jb_gate_rules r;
    struct jb_gate_metric m;
    struct jb_err err;
    assert_int_equal(parse(&r, "{\"cells\": \"*int8*\", \"error_rate\": 0.02, \"confidence\": 0.9, \"metrics\": {\"p50\": {\"margin\": 0.03}, \"joules\": {\"margin\": 0.1, \"classes\": [\"measured\", \"replayed\"]}},"
                               " \"overrides\": [{\"cells\": \"*offline*\", \"metrics\": {\"p50\": null}}, {\"cells\": \"*x8\", \"metrics\": {\"p50\": {\"margin\": 0.5}}}],"
                               " \"validity\": {\"max_other_cpu\": 0.25, \"max_disturbed\": 0.1}}", &err), 0);
    assert_true(r.error_rate == 0.02 && r.confidence == 0.9 && r.max_other_cpu == 0.25 && r.max_disturbed == 0.1);
    assert_int_equal(r.n_metrics, 2);
    assert_true(jb_gate_rule_for(&r, "net int8 final", "p50", &m));
    assert_true(m.margin == 0.03);
    assert_false(jb_gate_rule_for(&r, "net int8 offline", "p50", &m));  // taken away
    assert_true(jb_gate_rule_for(&r, "net int8 offline x8", "p50", &m)); // and given back by a later one
    assert_true(m.margin == 0.5);
    assert_false(jb_gate_rule_for(&r, "net f32 final", "p50", &m));     // of no concern
    assert_false(jb_gate_rule_for(&r, "net int8 final", "accuracy", &m));
    assert_true(jb_gate_rule_for(&r, "net int8 final", "joules", &m));
    assert_true(m.classes == (1u << JB_ENERGY_MEASURED | 1u << JB_ENERGY_REPLAYED));
    jb_gate_rules_free(&r);
}

static void defaults_never_believe_models(void **state)
{
    (void)state;
    struct jb_gate_rules r;
    struct jb_gate_metric m;
    struct jb_err err;
    assert_int_equal(parse(&r, "{}", &err), 0);
    assert_true(jb_gate_rule_for(&r, "x", "joules", &m) && m.optional);
    assert_false(m.classes >> JB_ENERGY_MODELLED & 1);
    assert_false(m.classes >> JB_ENERGY_REPLAYED & 1);
    assert_true(m.classes >> JB_ENERGY_MEASURED & 1);
    assert_true(jb_gate_rule_for(&r, "x", "accuracy", &m) && !m.optional);
    assert_false(jb_gate_rule_for(&r, "x", "p99", &m));
    jb_gate_rules_free(&r);
    assert_int_equal(parse(&r, "{\"metrics\": {\"joules\": {\"margin\": 0.1}}}", &err), 0);
    assert_true(jb_gate_rule_for(&r, "x", "joules", &m) && !m.optional && !(m.classes >> JB_ENERGY_REPLAYED & 1));
    assert_false(jb_gate_rule_for(&r, "x", "accuracy", &m)); // rules that name metrics name all of them
    jb_gate_rules_free(&r);
}

static void bad_rules_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "{\"metrics\": {}}", "{\"metrics\": null}", "{\"metrics\": {\"p51\": {\"margin\": 0.1}}}", "{\"metrics\": {\"p50\": {}}}", "{\"metrics\": {\"p50\": null}}",
        "{\"metrics\": {\"p50\": {\"margin\": -0.1}}}", "{\"metrics\": {\"p50\": {\"margin\": 11}}}", "{\"metrics\": {\"accuracy\": {\"margin\": 2}}}", "{\"metrics\": {\"p50\": {\"margin\": \"3 %\"}}}",
        "{\"metrics\": {\"p50\": {\"margin\": 0.1, \"classes\": [\"measured\"]}}}", "{\"metrics\": {\"joules\": {\"margin\": 0.1, \"classes\": []}}}", "{\"metrics\": {\"joules\": {\"margin\": 0.1, \"classes\": [\"none\"]}}}",
        "{\"error_rate\": 0}", "{\"error_rate\": 0.5}", "{\"confidence\": 1}", "{\"cells\": \"\"}", "{\"cells\": \"*a*b*c*d*e*f*g*h*i*\"}", "{\"cell\": \"*\"}", "{\"overrides\": {}}", "{\"overrides\": [1]}",
        "{\"overrides\": [{\"metrics\": {\"p50\": null}}]}", "{\"overrides\": [{\"cells\": \"*\"}]}", "{\"validity\": 1}", "{\"validity\": {\"max_other_cpu\": 2}}", "{\"schema\": \"joulebench.gate/2\"}",
        "{\"metrics\": {\"p50\": {\"margin\": 0.1}, \"p50\": {\"margin\": 9}}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct jb_gate_rules r = { .n_overrides = 99 };
        struct jb_err err;
        if (parse(&r, bad[i], &err) == 0) fail_msg("accepted: %s", bad[i]);
        assert_true(err.detail[0] && r.n_overrides == 99);
    }
}

// ---- bets ----

static void bets_decide_and_hold(void **state)
{
    (void)state;
    struct jb_gate_bets slow, same;
    struct jb_rng rng;
    jb_rng_seed(&rng, 4);
    jb_gate_bets_open(&slow, 0.01);
    jb_gate_bets_open(&same, 0.01);
    for (int i = 0; i < 400; i++) {
        jb_gate_bets_add(&slow, log(1.03) + 0.02 * jb_rng_normal(&rng));
        jb_gate_bets_add(&same, 0.02 * jb_rng_normal(&rng));
    }
    assert_int_equal(jb_gate_bets_verdict(&slow, 0.01, 0.025), JB_VERDICT_FAIL);
    assert_int_equal(jb_gate_bets_verdict(&same, 0.01, 0.025), JB_VERDICT_PASS);
    jb_gate_bets_open(&same, 0.01);
    assert_int_equal(jb_gate_bets_verdict(&same, 0.01, 0.025), JB_VERDICT_INCONCLUSIVE);
}

// Looked at after every bet, for as long as the limit: at the very margin, a fail is an error, and so is a pass.
static void bets_err_as_seldom_as_they_say(void **state)
{
    (void)state;
    enum { RUNS = 2000, BETS = 60 };
    int fails = 0, passes = 0;
    struct jb_rng rng;
    jb_rng_seed(&rng, 11);
    for (int r = 0; r < RUNS; r++) {
        struct jb_gate_bets b;
        bool failed = false, passed = false;
        jb_gate_bets_open(&b, 0.01);
        for (int i = 0; i < BETS; i++) {
            jb_gate_bets_add(&b, log(1.01) + 0.03 * jb_rng_normal(&rng));
            failed |= jb_gate_bets_verdict(&b, 0.01, 0) == JB_VERDICT_FAIL;
            passed |= jb_gate_bets_verdict(&b, 0, 0.025) == JB_VERDICT_PASS;
        }
        fails += failed;
        passes += passed;
    }
    assert_true(fails <= RUNS / 100);      // expected 20 at most; Ville's bound is far from tight
    assert_true(passes <= RUNS * 25 / 1000);
    assert_true(passes > 0);               // and it is no empty promise
}

static void intervals_hold_under_peeking(void **state)
{
    (void)state;
    enum { RUNS = 200, BETS = 40 };
    int missed = 0;
    struct jb_rng rng;
    jb_rng_seed(&rng, 12);
    for (int r = 0; r < RUNS; r++) {
        double x[BETS];
        bool outside = false;
        for (int i = 0; i < BETS; i++) {
            x[i] = 0.02 + 0.05 * jb_rng_normal(&rng);
            if (i % 4 != 3) continue;
            struct jb_interval ci = jb_gate_bets_interval(x, (size_t)i + 1, 0.95);
            assert_true(ci.lower <= ci.upper);
            outside |= ci.lower > 0.02 || ci.upper < 0.02;
        }
        missed += outside;
    }
    assert_true(missed <= RUNS * 5 / 100);
    double few[3] = { 1, 1, 1 };
    struct jb_interval ci = jb_gate_bets_interval(few, 3, 0.95);
    assert_true(isinf(ci.lower) && isinf(ci.upper)); // three bets say nothing
    ci = jb_gate_bets_interval(NULL, 0, 0.95);
    assert_true(isinf(ci.lower) && isinf(ci.upper));
}

// ---- verdicts ----

struct made { struct jb_comparison *c; struct jb_gate_rules r; };

static struct jb_compared_metric *metric(struct jb_compared_cell *cell, const char *name, double effect, double lower, double upper)
{
    struct jb_compared_metric *m = &cell->metrics[cell->n_metrics++];
    jb_compared_metric_init(m);
    m->name = name;
    m->baseline = 1000;
    m->candidate = 1000 * effect;
    m->effect = effect;
    m->lower = lower;
    m->upper = upper;
    m->n_baseline = m->n_candidate = 30;
    return m;
}

static void exact(struct jb_compared_cell *cell, const char *name, double effect) { metric(cell, name, effect, NAN, NAN)->deterministic = true; }

static void accuracy(struct jb_compared_cell *cell, uint64_t only_a, uint64_t only_b, uint64_t n)
{
    struct jb_interval ci = jb_paired_difference(only_a, only_b, n, 0.95);
    struct jb_compared_metric *m = metric(cell, "accuracy", ((double)only_b - (double)only_a) / (double)n, ci.lower, ci.upper);
    m->is_difference = m->higher_is_better = true;
    m->n_baseline = m->n_candidate = n;
}

static void energy(struct jb_compared_cell *cell, const char *cls, double effect, double half)
{
    struct jb_compared_metric *m = metric(cell, "uj_per_query", effect, effect - half, effect + half);
    m->energy_class = cls;
    if (cls) return;
    m->effect = m->lower = m->upper = NAN;
    m->reason = "no energy source";
}

static struct made make(size_t n_cells, const char *rules)
{
    struct made x;
    struct jb_err err;
    assert_int_equal(parse(&x.r, rules, &err), 0);
    assert_int_equal(jb_comparison_open(&x.c), 0);
    x.c->mode = "past";
    x.c->confidence = x.r.confidence;
    x.c->cells = jb_comparison_array(x.c, n_cells, sizeof *x.c->cells);
    x.c->n_cells = n_cells;
    for (size_t i = 0; i < n_cells; i++) {
        struct jb_compared_cell *cell = &x.c->cells[i];
        memset(cell, 0, sizeof *cell);
        cell->key = jb_comparison_strf(x.c, "key%zu", i);
        cell->label = cell->label_candidate = jb_comparison_strf(x.c, "net int8 %zu", i);
        cell->metrics = jb_comparison_array(x.c, 16, sizeof *cell->metrics);
    }
    return x;
}

static int judged(struct made *x, enum jb_inconclusive_as as)
{
    struct jb_err err = { 0 };
    assert_int_equal(jb_gate_judge(x->c, &x->r, as, &err), 0);
    assert_true(x->c->is_gate && x->c->n_sentences == 1 && !strcmp(x->c->sentences[0].kind, "answer"));
    return x->c->exit_code;
}

static void unmake(struct made *x)
{
    jb_comparison_close(x->c);
    jb_gate_rules_free(&x->r);
}

#define ALL "{\"metrics\": {\"accuracy\": {\"margin\": 0.005}, \"p50\": {\"margin\": 0.03}, \"macs\": {\"margin\": 0}, \"joules\": {\"margin\": 0.03}}}"
#define P50 "{\"metrics\": {\"p50\": {\"margin\": 0.03}}}"

static int p50_alone(double effect, double half, enum jb_verdict *v)
{
    struct made x = make(1, P50);
    metric(&x.c->cells[0], "p50_ns", effect, effect - half, effect + half);
    int code = judged(&x, JB_INCONCLUSIVE_OWN);
    *v = x.c->cells[0].metrics[0].verdict;
    assert_true(x.c->cells[0].metrics[0].gated && x.c->cells[0].metrics[0].margin == 0.03 && x.c->cells[0].metrics[0].why);
    assert_int_equal(x.c->verdict, *v);
    unmake(&x);
    return code;
}

static void a_margin_judges_an_interval(void **state)
{
    (void)state;
    enum jb_verdict v;
    assert_int_equal(p50_alone(1.00, 0.01, &v), JB_EXIT_OK);
    assert_int_equal(v, JB_VERDICT_PASS);
    assert_int_equal(p50_alone(0.70, 0.01, &v), JB_EXIT_OK);             // better is never a fail
    assert_int_equal(p50_alone(1.029, 0.0005, &v), JB_EXIT_OK);
    assert_int_equal(p50_alone(1.02, 0.02, &v), JB_EXIT_INCONCLUSIVE);
    assert_int_equal(v, JB_VERDICT_INCONCLUSIVE);
    assert_int_equal(p50_alone(1.04, 0.015, &v), JB_EXIT_INCONCLUSIVE);  // beyond, but not surely at 1 %
    assert_int_equal(p50_alone(1.06, 0.01, &v), JB_EXIT_GATE_FAILED);
    assert_int_equal(v, JB_VERDICT_FAIL);
}

static void who_must_choose(void **state)
{
    (void)state;
    struct made x = make(1, P50);
    metric(&x.c->cells[0], "p50_ns", 1.02, 1.0, 1.04);
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_OWN), JB_EXIT_INCONCLUSIVE);
    x.c->n_sentences = 0;
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_OK);
    assert_int_equal(x.c->verdict, JB_VERDICT_INCONCLUSIVE); // what it was does not change
    x.c->n_sentences = 0;
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_FAIL), JB_EXIT_GATE_FAILED);
    unmake(&x);
}

// One cell with every kind of metric; each case changes one thing.
static int all_kinds(uint64_t only_a, double p50, double macs, const char *cls, double joules, enum jb_cell_status candidate, size_t n_cells)
{
    struct made x = make(n_cells, ALL);
    for (size_t i = 0; i < n_cells; i++) {
        struct jb_compared_cell *cell = &x.c->cells[i];
        bool last = i + 1 == n_cells;
        if (last && candidate != JB_CELL_VALID) {
            cell->candidate_status = candidate;
            cell->reason = "the candidate's cell is invalid: drift";
            continue;
        }
        accuracy(cell, last ? only_a : 0, 0, 10000);
        metric(cell, "p50_ns", last ? p50 : 1, (last ? p50 : 1) - 0.005, (last ? p50 : 1) + 0.005);
        exact(cell, "macs_mean", last ? macs : 1);
        energy(cell, last ? cls : "measured", last ? joules : 1, 0.005);
    }
    int code = judged(&x, JB_INCONCLUSIVE_OWN);
    unmake(&x);
    return code;
}

static void every_exit_code_by_precedence(void **state)
{
    (void)state;
    const enum jb_cell_status ok = JB_CELL_VALID;
    assert_int_equal(all_kinds(0, 1, 1, "measured", 1, ok, 1), JB_EXIT_OK);
    assert_int_equal(all_kinds(300, 1, 1, "measured", 1, ok, 1), JB_EXIT_GATE_FAILED);
    assert_int_equal(all_kinds(0, 1.1, 1, "measured", 1, ok, 1), JB_EXIT_GATE_FAILED);
    assert_int_equal(all_kinds(0, 1, 1.001, "measured", 1, ok, 1), JB_EXIT_GATE_FAILED);
    assert_int_equal(all_kinds(0, 1, 0.9, "measured", 1, ok, 1), JB_EXIT_OK);
    assert_int_equal(all_kinds(0, 1, 1, "measured", 1.1, ok, 1), JB_EXIT_GATE_FAILED);
    assert_int_equal(all_kinds(0, 1, 1, "replayed", 1.0, ok, 1), JB_EXIT_NOT_MEASURED);
    assert_int_equal(all_kinds(0, 1, 1, "modelled", 1.1, ok, 1), JB_EXIT_NOT_MEASURED);
    assert_int_equal(all_kinds(0, 1, 1, NULL, 1, ok, 1), JB_EXIT_NOT_MEASURED);
    assert_int_equal(all_kinds(0, 1.03, 1, "measured", 1, ok, 1), JB_EXIT_INCONCLUSIVE);
    assert_int_equal(all_kinds(0, 1.03, 1, NULL, 1, ok, 1), JB_EXIT_NOT_MEASURED); // 13 before 11
    assert_int_equal(all_kinds(0, 1.1, 1, NULL, 1, ok, 1), JB_EXIT_GATE_FAILED);   // 10 before 13
    assert_int_equal(all_kinds(0, 1, 1, "measured", 1, JB_CELL_INVALID, 2), JB_EXIT_INVALID_ENV);
    assert_int_equal(all_kinds(0, 1, 1, "measured", 1, JB_CELL_FAILED, 2), JB_EXIT_INVALID_ENV);
    assert_int_equal(all_kinds(0, 1, 1, "measured", 1, JB_CELL_INVALID, 1), JB_EXIT_INVALID_ENV); // nothing but an invalid cell is no pass
}

static void fails_of_invalid_cells_do_not_count(void **state)
{
    (void)state;
    struct made x = make(2, P50);
    struct jb_gate_invalid invalid = { "key0", "9 of 10 pairs were disturbed" };
    struct jb_gate_findings f = { .invalid = &invalid, .n_invalid = 1 };
    struct jb_err err = { 0 };
    metric(&x.c->cells[0], "p50_ns", 1.5, 1.45, 1.55);
    metric(&x.c->cells[1], "p50_ns", 1, 0.99, 1.01);
    assert_int_equal(jb_gate_judge_with(x.c, &x.r, JB_INCONCLUSIVE_OWN, &f, &err), 0);
    assert_int_equal(x.c->exit_code, JB_EXIT_INVALID_ENV);
    assert_int_equal(x.c->cells[0].metrics[0].verdict, JB_VERDICT_INVALID);
    x.c->cells[1].metrics[0].effect = 1.5;
    x.c->cells[1].metrics[0].lower = 1.45;
    x.c->cells[1].metrics[0].upper = 1.55;
    assert_int_equal(jb_gate_judge_with(x.c, &x.r, JB_INCONCLUSIVE_OWN, &f, &err), 0);
    assert_int_equal(x.c->exit_code, JB_EXIT_GATE_FAILED); // 10 before 12, by the valid cell
    unmake(&x);
}

static void nothing_compared_never_passes(void **state)
{
    (void)state;
    struct made x = make(0, ALL);
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INPUT);
    assert_int_not_equal(x.c->verdict, JB_VERDICT_PASS);
    unmake(&x);
    x = make(1, "{\"cells\": \"no such*\"}");
    metric(&x.c->cells[0], "p50_ns", 1, 0.99, 1.01);
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INPUT);
    unmake(&x);
    x = make(1, "{\"metrics\": {\"joules\": {\"margin\": 0.1, \"optional\": true}}}"); // all optional, none there
    energy(&x.c->cells[0], NULL, 1, 0);
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INPUT);
    unmake(&x);
    x = make(1, "{}"); // neither side could run it
    x.c->cells[0].baseline_status = x.c->cells[0].candidate_status = JB_CELL_UNAVAILABLE;
    x.c->cells[0].reason = "the baseline's cell is unavailable";
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INPUT);
    unmake(&x);
    x = make(1, P50); // refused: other machine
    metric(&x.c->cells[0], "p50_ns", NAN, NAN, NAN)->reason = "other CPU";
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INVALID_ENV);
    unmake(&x);
    x = make(1, P50); // lost in the candidate
    x.c->cells[0].label_candidate = NULL;
    x.c->cells[0].reason = "only the baseline has it";
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_INVALID_ENV);
    unmake(&x);
    x = make(1, "{\"metrics\": {\"instructions\": {\"margin\": 0.01}}}"); // no such row at all
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_PASS), JB_EXIT_NOT_MEASURED);
    assert_int_equal(x.c->cells[0].n_metrics, 1);
    unmake(&x);
}

static void replayed_joules_gate_when_the_rules_say_so(void **state)
{
    (void)state;
    struct made x = make(1, "{\"metrics\": {\"joules\": {\"margin\": 0.03, \"classes\": [\"replayed\"]}}}");
    energy(&x.c->cells[0], "replayed", 1.1, 0.005);
    assert_int_equal(judged(&x, JB_INCONCLUSIVE_OWN), JB_EXIT_GATE_FAILED);
    unmake(&x);
}

// Twenty cells at p = 0.004 each: any of them alone would fail, none does among twenty.
static void holm_counts_all_cells(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 20; n += 19) {
        struct made x = make(n, P50);
        for (size_t i = 0; i < n; i++) metric(&x.c->cells[i], "p50_ns", 1.0451, 1.0343, 1.056);
        int code = judged(&x, JB_INCONCLUSIVE_OWN);
        assert_int_equal(code, n == 1 ? JB_EXIT_GATE_FAILED : JB_EXIT_INCONCLUSIVE);
        unmake(&x);
    }
}

static void evidence_goes_before_intervals(void **state)
{
    (void)state;
    struct jb_gate_evidence e = { .key = "key0", .metric = "p50_ns", .unit = "starts of the workers", .n = 20, .above = 20, .p_worse = 1e-6, .p_better = 1, .effect = 1.05, .interval = { 0.03, 0.07 } };
    struct jb_gate_findings f = { .evidence = &e, .n_evidence = 1 };
    struct jb_err err = { 0 };
    struct made x = make(1, P50);
    metric(&x.c->cells[0], "p50_ns", 1, 0.999, 1.001);
    assert_int_equal(jb_gate_judge_with(x.c, &x.r, JB_INCONCLUSIVE_OWN, &f, &err), 0);
    assert_int_equal(x.c->exit_code, JB_EXIT_GATE_FAILED);
    assert_true(x.c->cells[0].metrics[0].effect == 1.05 && x.c->cells[0].metrics[0].lower == exp(0.03));
    e = (struct jb_gate_evidence){ .key = "key0", .metric = "p50_ns", .unit = "pairs", .p_worse = 1, .p_better = 1, .effect = NAN, .interval = { -INFINITY, INFINITY } }; // no time for a single pair
    assert_int_equal(jb_gate_judge_with(x.c, &x.r, JB_INCONCLUSIVE_OWN, &f, &err), 0);
    assert_int_equal(x.c->exit_code, JB_EXIT_INCONCLUSIVE);
    assert_true(isnan(x.c->cells[0].metrics[0].lower));
    unmake(&x);
}

// ---- p-values ----

static void discordant_samples_are_found_again(void **state)
{
    (void)state;
    static const uint64_t cases[][3] = { { 0, 0, 400 }, { 3, 0, 400 }, { 0, 7, 10000 }, { 12, 9, 10000 }, { 150, 150, 1000 }, { 500, 500, 1000 }, { 1, 0, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made x = make(1, "{}");
        uint64_t b = 99, c = 99;
        accuracy(&x.c->cells[0], cases[i][0], cases[i][1], cases[i][2]);
        assert_true(jb_gate_discordant(&x.c->cells[0].metrics[0], 0.95, &b, &c));
        assert_int_equal(b, cases[i][0]);
        assert_int_equal(c, cases[i][1]);
        unmake(&x);
    }
}

static void p_values_agree_with_the_interval(void **state)
{
    (void)state;
    struct made x = make(1, "{}");
    struct jb_compared_metric *m = metric(&x.c->cells[0], "p50_ns", 1.05, 1.03, 1.07);
    assert_true(fabs(jb_gate_p_of(m, 0.03, 0.95).worse - 0.025) < 1e-6);
    assert_true(fabs(jb_gate_p_of(m, 0.07, 0.95).better - 0.025) < 1e-6);
    assert_true(jb_gate_p_of(m, 0.05, 0.95).worse > 0.49 && jb_gate_p_of(m, 0.05, 0.95).worse < 0.51);
    m->lower = NAN;
    assert_true(isnan(jb_gate_p_of(m, 0.05, 0.95).worse));
    accuracy(&x.c->cells[0], 10, 2, 2000);
    m = &x.c->cells[0].metrics[1];
    assert_true(fabs(jb_gate_p_of(m, 0.005, 0.95).better - jb_noninferiority_p(10, 2, 2000, 0.005)) < 1e-9);
    assert_true(jb_gate_p_of(m, 0, 0.95).worse >= jb_binomial_cdf(2, 12, 0.5));
    unmake(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read), cmocka_unit_test(defaults_never_believe_models), cmocka_unit_test(bad_rules_are_refused), cmocka_unit_test(bets_decide_and_hold),
        cmocka_unit_test(bets_err_as_seldom_as_they_say), cmocka_unit_test(intervals_hold_under_peeking), cmocka_unit_test(a_margin_judges_an_interval), cmocka_unit_test(who_must_choose),
        cmocka_unit_test(every_exit_code_by_precedence), cmocka_unit_test(fails_of_invalid_cells_do_not_count), cmocka_unit_test(nothing_compared_never_passes),
        cmocka_unit_test(replayed_joules_gate_when_the_rules_say_so), cmocka_unit_test(holm_counts_all_cells), cmocka_unit_test(evidence_goes_before_intervals),
        cmocka_unit_test(discordant_samples_are_found_again), cmocka_unit_test(p_values_agree_with_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
