// Comparing and gating language models: answers come in queries, and queries are what counts.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/exit.h"
#include "base/fs.h"
#include "harness/gate.h"
#include "tests/harness/runs.h"

static char root[128], dir_a[160], dir_b[160], dir_c[160];

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/jb_text_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(root));
    snprintf(dir_a, sizeof dir_a, "%s/a", root);
    snprintf(dir_b, sizeof dir_b, "%s/b", root);
    snprintf(dir_c, sizeof dir_c, "%s/c", root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

// 60 queries of 16 tokens.
static void text_run(struct made_run *r)
{
    made_defaults(r);
    struct made_cell *c = &r->cell[0];
    c->n_samples = 960;
    c->per_query = 16;
    c->ttft = 10;
    c->n_wrong = 400;
}

static struct jb_comparison *compare_dirs(const char *a, const char *b)
{
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    jb_compare_opts_default(&o);
    o.resamples = 500;
    if (jb_compare_past(a, b, &o, &c, &err)) fail_msg("%s", err.detail);
    return c;
}

static struct jb_comparison *compare(const struct made_run *a, const struct made_run *b)
{
    made_write(a, dir_a);
    made_write(b, dir_b);
    return compare_dirs(dir_a, dir_b);
}

static const struct jb_compared_metric *metric(const struct jb_comparison *c, const char *name)
{
    const struct jb_compared_metric *m = jb_compared_metric_find(&c->cells[0], name);
    if (!m) fail_msg("no metric %s", name);
    return m;
}

static void says(const char *text, const char *what)
{
    if (!text || !strstr(text, what)) fail_msg("\"%s\" does not say \"%s\"", text ? text : "(nothing)", what);
}

static void near(double x, double expected, double tolerance)
{
    if (!(fabs(x - expected) <= tolerance)) fail_msg("%.12g, expected %.12g", x, expected);
}

// One query answered wrong as a whole: 16 answers in a row, which a test of single samples would call sure.
static void one_query_is_one_accident(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    text_run(&b);
    b.cell[0].flipped = 16;
    struct jb_comparison *c = compare(&a, &b);
    const struct jb_compared_metric *m = metric(c, "accuracy");
    assert_true(m->grouped && m->is_difference && m->higher_is_better && m->n_baseline == 60 && m->n_candidate == 60);
    near(m->effect, -16.0 / 960, 1e-12);
    assert_true(jb_mcnemar(16, 0) < 1e-4 && m->p > 0.2 && m->upper > 0);
    // The same 16 answers spread over 16 queries are a difference.
    b.cell[0].flipped = 0;
    assert_true(metric(c, "agreement")->effect == 0);
    jb_comparison_close(c);
}

static void perplexity_is_a_ratio_over_queries(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    text_run(&b);
    b.cell[0].nll = 0.1;
    b.cell[0].disagreed = 480;
    struct jb_comparison *c = compare(&a, &b);
    const struct jb_compared_metric *m = metric(c, "ppl");
    assert_true(m->grouped && !m->is_difference && !m->higher_is_better && m->n_baseline == 60);
    near(m->baseline, exp(2), 1e-5);
    near(m->effect, exp(0.1), 1e-6);
    assert_true(m->lower > 1.08 && m->lower < m->effect && m->upper > m->effect && m->upper < 1.13 && m->p < 1e-6);
    assert_int_equal(jb_compared_sign(c, m), -1);
    says(m->words, "higher perplexity");
    near(metric(c, "agreement")->effect, -0.5, 1e-12);
    assert_int_equal(jb_compared_sign(c, metric(c, "agreement")), -1);
    assert_null(jb_compared_metric_find(&c->cells[0], "exact_match"));
    jb_comparison_close(c);
}

static void the_same_is_the_same(void **state)
{
    (void)state;
    struct made_run a;
    text_run(&a);
    struct jb_comparison *c = compare(&a, &a);
    static const char *const SAME[] = { "accuracy", "ppl", "agreement" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(jb_compared_sign(c, metric(c, SAME[i])), 0);
        assert_true(metric(c, SAME[i])->p == 1);
    }
    says(metric(c, "ppl")->words, "the same");
    assert_true(metric(c, "accuracy")->lower < 0 && metric(c, "accuracy")->upper > 0); // 960 equal answers say so much, not more
    jb_comparison_close(c);
}

static void words_are_right_as_a_whole(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    a.cell[0].words = true;
    a.cell[0].n_wrong = 0;
    b = a;
    b.cell[0].flipped = 20; // all of one query, and some of the next
    struct jb_comparison *c = compare(&a, &b);
    near(metric(c, "exact_match")->baseline, 1, 0);
    near(metric(c, "exact_match")->candidate, 58.0 / 60, 1e-12);
    jb_comparison_close(c);
}

static void first_tokens_have_a_time_of_their_own(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    text_run(&b);
    b.seed = 2;
    b.cell[0].ttft = 12;
    struct jb_comparison *c = compare(&a, &b);
    const struct jb_compared_metric *m = metric(c, "ttft_ns");
    near(m->effect, 1.2, 0.03);
    near(m->baseline, 1e6, 3e4);
    assert_true(m->lower > 1.1 && m->upper < 1.3 && jb_compared_sign(c, m) == -1);
    assert_int_equal(jb_compared_sign(c, metric(c, "latency_mean_ns")), 0);
    assert_string_equal(jb_compared_title(&c->cells[0], "latency_mean_ns"), "mean time a token");
    assert_string_equal(jb_compared_title(&c->cells[0], "uj_per_query"), "joules a token");
    jb_comparison_close(c);
}

static void other_tokens_do_not_compare(void **state)
{
    (void)state;
    static const char *const COUNT_TOKENS[] = { "accuracy", "ppl", "agreement" };
    struct made_run a, b;
    text_run(&a);
    text_run(&b);
    b.cell[0].vocabulary = 100;
    struct jb_comparison *c = compare(&a, &b);
    for (size_t i = 0; i < 3; i++) {
        assert_true(isnan(metric(c, COUNT_TOKENS[i])->effect));
        says(metric(c, COUNT_TOKENS[i])->reason, "other tokens");
    }
    jb_comparison_close(c);
}

static void too_few_queries(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    a.cell[0].n_samples = 64;
    a.cell[0].n_wrong = 20;
    b = a;
    b.cell[0].nll = 0.1;
    struct jb_comparison *c = compare(&a, &b);
    assert_true(metric(c, "ppl")->effect > 1.05 && isnan(metric(c, "ppl")->lower) && isnan(metric(c, "ppl")->p));
    says(metric(c, "ppl")->reason, "4 queries, at least 5");
    jb_comparison_close(c);
}

// A run of a version that did not keep which query an answer belongs to.
static void without_queries_there_is_no_interval(void **state)
{
    (void)state;
    struct made_run a, b;
    text_run(&a);
    a.cell[0].old_raw = true;
    text_run(&b);
    b.cell[0].flipped = 16;
    struct jb_comparison *c = compare(&a, &b);
    const struct jb_compared_metric *m = metric(c, "accuracy");
    near(m->effect, -16.0 / 960, 1e-12);
    assert_true(isnan(m->lower) && isnan(m->p));
    says(m->reason, "which queries");
    assert_null(jb_compared_metric_find(&c->cells[0], "ppl"));
    jb_comparison_close(c);
}

// ---- gates ----

static int gate(const char *baseline, const char *candidate, const char *text, struct jb_comparison **out)
{
    struct jb_gate_rules r;
    struct jb_compare_opts o;
    struct jb_err err = { 0 };
    if (jb_gate_rules_parse(&r, "gate.json", text, strlen(text), &err)) fail_msg("%s", err.detail);
    jb_compare_opts_default(&o);
    o.resamples = 500;
    if (jb_gate_past(baseline, candidate, &r, &o, JB_INCONCLUSIVE_OWN, out, &err)) fail_msg("%s", err.detail);
    jb_gate_rules_free(&r);
    return (*out)->exit_code;
}

#define RULES "{\"metrics\": {\"perplexity\": {\"margin\": 0.02}, \"agreement\": {\"margin\": 0.05}}}"

static void perplexity_gates(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_comparison *c = NULL;
    text_run(&a);
    text_run(&b);
    made_write(&a, dir_a);
    b.cell[0].nll = 0.01;
    made_write(&b, dir_b);
    b.cell[0].nll = 0.1;
    made_write(&b, dir_c);
    assert_int_equal(gate(dir_a, dir_b, RULES, &c), JB_EXIT_OK);
    assert_true(metric(c, "ppl")->verdict == JB_VERDICT_PASS && metric(c, "agreement")->verdict == JB_VERDICT_PASS);
    assert_null(strstr(metric(c, "ppl")->why, "apart in time")); // answers do not depend on when they were asked for
    jb_comparison_close(c);
    assert_int_equal(gate(dir_a, dir_c, RULES, &c), JB_EXIT_GATE_FAILED);
    assert_true(metric(c, "ppl")->verdict == JB_VERDICT_FAIL && metric(c, "agreement")->verdict == JB_VERDICT_PASS);
    jb_comparison_close(c);
}

// Half of all answers wrong in one query of 60: nobody can say that this holds for other texts.
static void one_query_does_not_fail_a_gate(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_comparison *c = NULL;
    text_run(&a);
    text_run(&b);
    b.cell[0].flipped = 16;
    made_write(&a, dir_a);
    made_write(&b, dir_b);
    assert_int_equal(gate(dir_a, dir_b, "{\"metrics\": {\"accuracy\": {\"margin\": 0.005}}}", &c), JB_EXIT_INCONCLUSIVE);
    jb_comparison_close(c);
    b.cell[0].flipped = 300;
    made_write(&b, dir_c);
    assert_int_equal(gate(dir_a, dir_c, "{\"metrics\": {\"accuracy\": {\"margin\": 0.005}}}", &c), JB_EXIT_GATE_FAILED);
    jb_comparison_close(c);
}

// Of images there is no perplexity: a rule that names it is no concern of theirs.
static void images_have_none(void **state)
{
    (void)state;
    struct made_run a;
    struct jb_comparison *c = NULL;
    made_defaults(&a);
    made_write(&a, dir_a);
    made_write(&a, dir_b);
    assert_int_equal(gate(dir_a, dir_b, "{\"metrics\": {\"perplexity\": {\"margin\": 0.02}, \"accuracy\": {\"margin\": 0.01}}}", &c), JB_EXIT_OK);
    assert_true(!metric(c, "ppl")->gated);
    jb_comparison_close(c);
}

// A stored baseline keeps what perplexity and agreement need, and a damaged one is refused.
static void stored_baselines_keep_the_answers(void **state)
{
    (void)state;
    struct made_run a, b;
    struct jb_run_data *d = NULL;
    struct jb_comparison *c = NULL, *raw = NULL;
    struct jb_err err = { 0 };
    char path[200], *text = NULL, *at;
    size_t n = 0;
    text_run(&a);
    text_run(&b);
    b.cell[0].nll = 0.1;
    b.cell[0].disagreed = 100;
    raw = compare(&a, &b);
    if (jb_gate_record(dir_a, dir_c, &d, &err)) fail_msg("%s", err.detail);
    jb_run_data_close(d);
    c = compare_dirs(dir_c, dir_b);
    static const char *const NAMES[] = { "accuracy", "ppl", "agreement" };
    for (size_t i = 0; i < 3; i++) {
        near(metric(c, NAMES[i])->effect, metric(raw, NAMES[i])->effect, 0);
        near(metric(c, NAMES[i])->lower, metric(raw, NAMES[i])->lower, 0);
    }
    jb_comparison_close(c);
    jb_comparison_close(raw);
    snprintf(path, sizeof path, "%s/answers.json", dir_c);
    if (jb_read_file(path, 1 << 20, &text, &n, &err)) fail_msg("%s", err.detail);
    assert_non_null(at = strstr(text, "\"query\""));
    at = strchr(at + 8, '"');
    memmove(at + 1, at + 9, strlen(at + 9) + 1); // six bytes fewer
    if (jb_write_file_atomic(path, text, strlen(text), &err)) fail_msg("%s", err.detail);
    free(text);
    struct jb_compare_opts o;
    jb_compare_opts_default(&o);
    assert_int_equal(jb_compare_past(dir_c, dir_b, &o, &c, &err), JB_E_INVALID);
    says(err.detail, "answers.json");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_query_is_one_accident), T(perplexity_is_a_ratio_over_queries), T(the_same_is_the_same), T(words_are_right_as_a_whole), T(first_tokens_have_a_time_of_their_own), T(other_tokens_do_not_compare),
        T(too_few_queries), T(without_queries_there_is_no_interval), T(perplexity_gates), T(one_query_does_not_fail_a_gate), T(images_have_none), T(stored_baselines_keep_the_answers),
    };
    return cmocka_run_group_tests_name("compare text", tests, NULL, NULL);
}
