// Reports of several runs: ratios to the first, intervals, classes of joules; runs that cannot be read or share nothing; every format.
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

#include "base/fs.h"
#include "reports/across.h"
#include "reports/report.h"
#include "tests/harness/runs.h"

static char root[128], dirs[4][200];
static const char *const DIRS[] = { dirs[0], dirs[1], dirs[2], dirs[3] };

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/jb_across_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(root));
    for (int i = 0; i < 4; i++) snprintf(dirs[i], sizeof dirs[i], "%s/%c", root, 'a' + i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

struct all { struct jb_run_data *d[4]; const struct jb_result *r[4]; struct jb_comparison *c; size_t n; };

static void open_all(struct all *x, size_t n)
{
    struct jb_compare_opts o;
    struct jb_err err = { 0 };
    jb_compare_opts_default(&o);
    o.resamples = 500;
    o.across = o.gather = true;
    *x = (struct all){ .n = n };
    for (size_t i = 0; i < n; i++) {
        if (jb_run_data_open(&x->d[i], DIRS[i], &err)) fail_msg("%s", err.detail);
        x->r[i] = jb_run_data_result(x->d[i]);
    }
    if (jb_compare_across(DIRS, n, &o, &x->c, &err)) fail_msg("%s", err.detail);
}

static void close_all(struct all *x)
{
    for (size_t i = 0; i < x->n; i++) jb_run_data_close(x->d[i]);
    jb_comparison_close(x->c);
}

// Three machines: the second twice as slow with replayed joules, the third without a sensor and with a cell more.
static void three_machines(void)
{
    struct made_run a, b, c;
    made_defaults(&a);
    a.cell[0].cls = JB_ENERGY_MEASURED;
    a.cell[0].uj = 50;
    b = a;
    b.cpu = "cpu B";
    b.seed = 2;
    b.cell[0].mean_ns *= 2;
    b.cell[0].cls = JB_ENERGY_REPLAYED;
    b.cell[0].uj = 25;
    made_defaults(&c);
    c.cpu = "cpu C";
    c.seed = 3;
    c.cell[0].mean_ns /= 4;
    c.cell[1] = c.cell[0];
    c.cell[1].key = "fedcba9876543210";
    c.cell[1].label = "net f32 final";
    c.n_cells = 2;
    made_write(&a, dirs[0]);
    made_write(&b, dirs[1]);
    made_write(&c, dirs[2]);
}

static void figures(void **state)
{
    (void)state;
    struct all x;
    struct jb_across a;
    struct jb_across_figure f;
    const char *metric[JB_ACROSS_METRICS];
    three_machines();
    open_all(&x, 3);
    assert_int_equal(jb_across_open(&a, x.c, x.r, 2), JB_E_INVALID); // another number of runs
    assert_int_equal(jb_across_open(&a, x.c, x.r, 3), 0);
    assert_int_equal(a.n_keys, 1);
    assert_string_equal(jb_across_label(&a, 0), "net int8 final");
    assert_true(jb_across_metrics(&a, 0, metric) >= 7);
    jb_across_figure(&a, 0, "latency_mean_ns", 0, &f);
    assert_string_equal(f.ratio, "");
    assert_true(strtod(f.value, NULL) > 95 && strtod(f.value, NULL) < 105 && strstr(f.value, " us"));
    static const double TRUTH[] = { 1, 2, 0.25 };
    for (size_t run = 1; run < 3; run++) {
        double ratio, lower, upper;
        jb_across_figure(&a, 0, "latency_mean_ns", run, &f);
        assert_int_equal(sscanf(f.ratio, "%lfx [%lf, %lf]", &ratio, &lower, &upper), 3);
        assert_true(lower < ratio && ratio < upper && fabs(ratio / TRUTH[run] - 1) < 0.03 && upper / lower < 1.1);
        assert_null(f.energy_class);
    }
    // Joules of other classes stand there, each with its class, and without a ratio.
    jb_across_figure(&a, 0, "uj_per_query", 0, &f);
    assert_string_equal(f.energy_class, "measured");
    jb_across_figure(&a, 0, "uj_per_query", 1, &f);
    assert_string_equal(f.energy_class, "replayed");
    assert_string_equal(f.ratio, "no ratio");
    assert_true(strtod(f.value, NULL) > 23 && strtod(f.value, NULL) < 27);
    jb_across_figure(&a, 0, "uj_per_query", 2, &f);
    assert_null(f.energy_class);
    assert_string_equal(f.value, "n/a");
    assert_string_equal(f.ratio, "no ratio");
    jb_across_figure(&a, 0, "accuracy", 1, &f);
    assert_non_null(strstr(f.ratio, "points"));
    jb_across_close(&a);
    close_all(&x);
}

static void has(const char *format, const char *text, const char *const *want)
{
    for (; *want; want++)
        if (!strstr(text, *want)) fail_msg("%s: no \"%s\" in:\n%s", format, *want, text);
}

static char *slurp(const char *name)
{
    char path[300], *text = NULL;
    size_t n;
    struct jb_err err = { 0 };
    snprintf(path, sizeof path, "%s/%s", dirs[3], name);
    if (jb_read_file(path, 1u << 24, &text, &n, &err)) fail_msg("%s", err.detail);
    return text;
}

static void no_verdict(const char *format, const char *text)
{
    static const char *const JUDGING[] = { "pass ", "fail ", "slower", "faster", "inconclusive" };
    for (size_t i = 0; i < sizeof JUDGING / sizeof *JUDGING; i++)
        if (strstr(text, JUDGING[i])) fail_msg("%s judges: \"%s\"", format, JUDGING[i]);
}

static void every_format(void **state)
{
    (void)state;
    static const char *const NOTES[] = { "cpu A against cpu B", "other class of energy: measured against replayed", "only the candidate has it", "in the candidate: this machine has no sensor", NULL };
    static const char *const FIGURES[] = { "measured", "replayed", "no ratio", "net int8 final", "x [", NULL };
    struct all x;
    struct jb_err err = { 0 };
    struct jb_str text = { 0 };
    char reason[256];
    three_machines();
    open_all(&x, 3);
    struct jb_report_opts o = { .dir = dirs[3], .across = x.c };
    if (jb_report_write_all(x.r, 3, &o, reason, &err)) fail_msg("%s", err.detail);
    assert_int_equal(jb_across_terminal(x.c, NULL, x.r, 3, 200, false, &text), 0);
    has("terminal", jb_str_get(&text), NOTES);
    has("terminal", jb_str_get(&text), FIGURES);
    no_verdict("terminal", jb_str_get(&text));
    jb_str_free(&text);
    static const char *const NAMES[] = { "report.md", "report.html" };
    for (size_t i = 0; i < 2; i++) {
        char *page = slurp(NAMES[i]), *from = strstr(page, "Side by side");
        assert_non_null(from);
        has(NAMES[i], from, NOTES);
        has(NAMES[i], from, FIGURES);
        free(page);
    }
    char *json = slurp("results-set.json");
    struct jb_json_doc doc;
    assert_int_equal(jb_json_parse(&doc, "set", json, strlen(json), &err), 0);
    const cJSON *across = cJSON_GetObjectItemCaseSensitive(doc.root, "across");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(doc.root, "results")), 3);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(across, "mode")->valuestring, "across");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(across, "gate")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(across, "cells")), 3);
    // What stands under "across" is a comparison that its own reader takes.
    struct jb_comparison *back = NULL;
    char *alone = cJSON_PrintUnformatted(across);
    if (jb_comparison_parse(&back, "across", alone, strlen(alone), &err)) fail_msg("%s", err.detail);
    free(alone);
    jb_comparison_close(back);
    jb_json_close(&doc);
    free(json);
    close_all(&x);
}

static void without_ratios(void **state)
{
    (void)state;
    struct all x;
    struct jb_err err = { 0 };
    struct jb_str text = { 0 };
    char reason[256];
    three_machines();
    open_all(&x, 2);
    struct jb_report_opts o = { .dir = dirs[3], .across_reason = "made <so>" };
    if (jb_report_write_all(x.r, 2, &o, reason, &err)) fail_msg("%s", err.detail);
    char *md = slurp("report.md"), *html = slurp("report.html"), *json = slurp("results-set.json");
    assert_non_null(strstr(md, "No ratios: made "));
    assert_non_null(strstr(html, "No ratios: made &lt;so&gt;"));
    assert_non_null(strstr(json, "\"across_reason\": \"made <so>\""));
    assert_int_equal(jb_across_terminal(NULL, "made <so>", x.r, 2, 80, false, &text), 0);
    assert_non_null(strstr(jb_str_get(&text), "! made <so>"));
    jb_str_free(&text);
    free(md);
    free(html);
    free(json);
    close_all(&x);
}

// `compare` fails where nothing matches; a report names the run and goes on.
static void a_run_that_shares_nothing(void **state)
{
    (void)state;
    struct made_run b;
    struct all x;
    struct jb_across a;
    three_machines();
    made_defaults(&b);
    b.cell[0].key = "00000000000000bb";
    b.seed = 9;
    char other[300];
    snprintf(other, sizeof other, "rm -rf '%s'", dirs[1]);
    assert_int_equal(system(other), 0);
    made_write(&b, dirs[1]);
    open_all(&x, 3);
    assert_int_equal(x.c->n_others, 1);
    bool told = false;
    for (size_t i = 0; i < x.c->n_differences; i++)
        told |= !strcmp(x.c->differences[i].name, "not compared") && strstr(x.c->differences[i].value, "no cell in common") && strstr(x.c->differences[i].value, dirs[1]);
    assert_true(told);
    assert_int_equal(jb_across_open(&a, x.c, x.r, 3), 0);
    assert_int_equal(a.n_keys, 1);
    struct jb_across_figure f;
    jb_across_figure(&a, 0, "latency_mean_ns", 1, &f);
    assert_string_equal(f.value, "n/a");
    assert_string_equal(f.ratio, "no ratio");
    jb_across_figure(&a, 0, "latency_mean_ns", 2, &f);
    assert_non_null(strstr(f.ratio, "x ["));
    jb_across_close(&a);
    close_all(&x);
}

static void a_run_that_cannot_be_read(void **state)
{
    (void)state;
    struct jb_compare_opts o;
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    const char *names[] = { dirs[0], "/nonexistent", dirs[2] };
    three_machines();
    jb_compare_opts_default(&o);
    o.resamples = 500;
    o.across = true;
    assert_int_equal(jb_compare_across(names, 3, &o, &c, &err), JB_E_NOT_FOUND); // unless a report is made
    o.gather = true;
    if (jb_compare_across(names, 3, &o, &c, &err)) fail_msg("%s", err.detail);
    assert_string_equal(c->candidate_name, "/nonexistent");
    assert_string_equal(c->others[0].name, dirs[2]);
    assert_string_equal(c->differences[0].name, "not compared");
    assert_string_equal(c->cells[0].run, dirs[2]);
    jb_comparison_close(c);
    const char *none[] = { "/nonexistent", dirs[0] };
    assert_int_equal(jb_compare_across(none, 2, &o, &c, &err), JB_E_NOT_FOUND); // nothing to hold the others against
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures, set_up, tear_down), cmocka_unit_test_setup_teardown(every_format, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_ratios, set_up, tear_down), cmocka_unit_test_setup_teardown(a_run_that_shares_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_cannot_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
