// Reports of a language model: the right quality, tokens and not samples, the full model in the plot, whether stopping early pays, whichever way it comes out.
// JB_UPDATE_GOLDEN=1 writes the golden files anew: read the difference before you commit it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/reports/fixture.h"
#include "tests/reports/language_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/reports/golden"

static char dir[256];

static int set_up(void **state)
{
    (void)state;
    jb_temp_dir(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jb_temp_remove(dir);
    return 0;
}

static void check_golden(const char *name, const char *text)
{
    if (getenv("JB_UPDATE_GOLDEN")) {
        char path[200];
        snprintf(path, sizeof path, GOLDEN "/%s", name);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        return;
    }
    char *want = jb_slurp(GOLDEN, name);
    if (!want)
        fail_msg(GOLDEN "/%s is missing", name);
    size_t line = 1;
    for (const char *a = want, *b = text; *a || *b; a++, b++) {
        if (*a != *b)
            fail_msg(GOLDEN "/%s differs at line %zu: want \"%.60s\", have \"%.60s\"", name, line, a, b);
        line += *a == '\n';
    }
    free(want);
}

static void must_have(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("\"%s\" is not in:\n%.3000s", what, text);
}

static void must_lack(const char *text, const char *what)
{
    if (strstr(text, what))
        fail_msg("\"%s\" is in:\n%.3000s", what, text);
}

static struct jb_result *write_all(bool pays, bool joules, const char *gnuplot)
{
    char reason[256];
    struct jb_err err = {0};
    struct jb_result *r = jb_language_fixture(pays, joules);
    const struct jb_result *const list[] = {r};
    struct jb_report_opts o = {.dir = dir, .gnuplot = gnuplot};
    assert_non_null(r);
    if (jb_report_write_all(list, 1, &o, reason, &err))
        fail_msg("%s", err.detail);
    return r;
}

static void golden(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = write_all(false, true, NULL);
    assert_int_equal(jb_report_terminal(r, 120, false, &s), 0);
    check_golden("language-120.txt", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_report_terminal(r, 80, false, &s), 0);
    check_golden("language-80.txt", jb_str_get(&s));
    char *md = jb_slurp(dir, "report.md"), *csv = jb_slurp(dir, "results.csv");
    check_golden("language.md", md);
    check_golden("language.csv", csv);
    free(md);
    free(csv);
    jb_str_free(&s);
    jb_result_close(r);
}

static void says_whether_it_pays(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = jb_language_fixture(false, false);
    assert_true(jb_language_answer(r, &r->cells[0], &s));
    must_have(jb_str_get(&s), "best next-token accuracy");
    must_have(jb_str_get(&s), "stopping early does not pay: ");
    must_have(jb_str_get(&s), "agreement with it");
    must_have(jb_str_get(&s), "are gates, heads tried in vain and late fills");
    jb_str_clear(&s);
    assert_true(jb_language_answer(r, &r->cells[9], &s));
    must_have(jb_str_get(&s), "best exact match");
    jb_str_clear(&s);
    assert_true(jb_language_answer(r, &r->cells[18], &s));
    must_have(jb_str_get(&s), "best matching fraction");
    jb_str_clear(&s);
    jb_result_close(r);
    r = jb_language_fixture(true, false);
    assert_true(jb_language_answer(r, &r->cells[0], &s));
    must_have(jb_str_get(&s), "stopping early pays: this setting saves ");
    jb_str_clear(&s);
    for (size_t i = 0; i < r->n_cells; i++) // so wide that nobody knows
        r->cells[i].latency_mean_ci.lower = 0, r->cells[i].latency_mean_ci.upper = 1e9;
    assert_true(jb_language_answer(r, &r->cells[0], &s));
    must_have(jb_str_get(&s), "does not surely pay (intervals of the time a token overlap)");
    jb_str_clear(&s);
    for (size_t i = 0; i < r->n_cells; i++) // and a quality that nobody knows
        for (size_t k = 0; k < r->cells[i].n_quality; k++) r->cells[i].quality[k].lower = 0.1, r->cells[i].quality[k].upper = 0.5;
    assert_true(jb_language_answer(r, &r->cells[0], &s));
    must_have(jb_str_get(&s), "does not surely pay (too few queries: this quality is known to +-20 points)");
    jb_str_clear(&s);
    r->cells[0].language.kv = NULL; // no language model
    assert_false(jb_language_answer(r, &r->cells[0], &s));
    jb_str_free(&s);
    jb_result_close(r);
}

// The best accuracy of single tokens is not what cloze is about.
static void ranks_by_its_own_quality(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = jb_language_fixture(false, false);
    r->cells[9 + 6].accuracy.value = 0.99; // fixed 1 of cloze: tokens right, words wrong
    r->cells[9 + 6].quality[1].value = 0.99;
    assert_true(jb_language_answer(r, &r->cells[9], &s));
    must_have(jb_str_get(&s), "(37.50 %) is cloze/smollm2 cloze int4 final");
    jb_str_free(&s);
    jb_result_close(r);
}

static void joules_per_committed_token(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = jb_language_fixture(false, true);
    assert_true(jb_energy_answer(r, &r->cells[0], &s));
    must_have(jb_str_get(&s), "fewest joules per committed token takes ");
    must_have(jb_str_get(&s), "replayed");
    must_lack(jb_str_get(&s), "fixed 0"); // cheapest, and worst
    must_lack(jb_str_get(&s), "correct answer");
    jb_str_free(&s);
    jb_result_close(r);
}

static void a_page_of_tokens(void **state)
{
    (void)state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) {
        print_message("skipped: gnuplot is not installed\n");
        skip();
    }
    struct jb_result *r = write_all(false, true, "gnuplot");
    char *html = jb_slurp(dir, "report.html"), *svg = jb_slurp(dir, "plots/latency_mean-1.svg"), *cloze = jb_slurp(dir, "plots/macs-2.svg"), *bytes = jb_slurp(dir, "plots/bytes-1.svg");
    assert_non_null(svg);
    assert_non_null(cloze);
    assert_non_null(bytes);
    must_have(svg, "full model");
    must_have(svg, "frozen fill");
    must_have(svg, "next-token accuracy");
    must_have(cloze, "exact match");
    must_lack(cloze, "oracle"); // it knows of tokens, not of words
    must_have(html, "Where tokens leave");
    must_have(html, "committed token");
    must_have(html, "to the first token");
    must_lack(html, "samples leave");
    must_lack(html, "images");
    must_lack(html, "mean latency</span>");
    free(html);
    free(svg);
    free(cloze);
    free(bytes);
    jb_result_close(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(golden), T(says_whether_it_pays), T(ranks_by_its_own_quality), T(joules_per_committed_token), T(a_page_of_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
