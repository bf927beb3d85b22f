// report.html and the plots: one file, nothing from outside, everything escaped; gnuplot missing, failing, or writing nonsense.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fs.h"
#include "tests/reports/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256], reason[256];

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

static bool have_gnuplot(void) { return system("gnuplot --version >/dev/null 2>&1") == 0; }

static void need_gnuplot(void)
{
    if (have_gnuplot())
        return;
    print_message("skipped: gnuplot is not installed\n");
    skip();
}

static void write_all(struct jb_result *a, struct jb_result *b, const char *gnuplot)
{
    struct jb_err err = {0};
    const struct jb_result *r[] = {a, b};
    struct jb_report_opts o = {.dir = dir, .gnuplot = gnuplot};
    if (jb_report_write_all(r, b ? 2 : 1, &o, reason, &err))
        fail_msg("%s", err.detail);
    jb_result_close(a);
    jb_result_close(b);
}

static size_t count(const char *s, const char *what)
{
    size_t n = 0;
    for (; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

// Every tag is closed where it must be; void elements are known. Attribute values are all quoted by us, so '>' ends a tag only outside quotes.
static void assert_balanced(const char *html)
{
    static const char *const VOID[] = {"meta", "br", "input", "!doctype", NULL};
    static char stack[200][24];
    size_t depth = 0;
    for (const char *p = strchr(html, '<'); p; p = strchr(p, '<')) {
        char name[24] = "";
        bool close = p[1] == '/', is_void = false;
        size_t n = 0;
        p += close ? 2 : 1;
        while (n < 23 && *p && !strchr(" \t\r\n/>", *p))
            name[n++] = *p++;
        char quote = 0;
        while (*p && (quote || *p != '>')) {
            if (quote ? *p == quote : *p == '"' || *p == '\'')
                quote = quote ? 0 : *p;
            p++;
        }
        bool self = p[-1] == '/';
        for (size_t i = 0; VOID[i]; i++)
            is_void |= strcmp(name, VOID[i]) == 0;
        if (close) {
            if (!depth || strcmp(stack[depth - 1], name))
                fail_msg("</%s> closes <%s>", name, depth ? stack[depth - 1] : "nothing");
            depth--;
        } else if (!self && !is_void) {
            assert_true(depth < 200);
            memcpy(stack[depth++], name, sizeof name);
            if (strcmp(name, "script") == 0)
                p = strstr(p, "</script>") - 1;
            else if (strcmp(name, "style") == 0)
                p = strstr(p, "</style>") - 1;
        }
    }
    assert_int_equal(depth, 0);
}

static void assert_self_contained(const char *html)
{
    assert_null(strstr(html, "<link"));
    assert_null(strstr(html, "@import"));
    assert_null(strstr(html, "url("));
    assert_null(strstr(html, " src="));
    assert_null(strstr(html, "onmousemove"));
    assert_int_equal(count(html, "<script>"), 1);
    for (const char *p = html; (p = strstr(p, "http")); p += 4) // name spaces, and the policy's own header
        assert_true(strncmp(p, "http://www.w3.org/", 18) == 0 || strncmp(p, "http-equiv", 10) == 0);
}

static void assert_ids_unique(const char *html)
{
    char id[120];
    for (const char *p = html; (p = strstr(p, " id='")); p += 5) {
        size_t n = strcspn(p + 5, "'");
        snprintf(id, sizeof id, " id='%.*s'", (int)n, p + 5);
        assert_int_equal(count(html, id), 1);
    }
}

static void a_page_with_plots(void **state)
{
    (void)state;
    need_gnuplot();
    write_all(jb_fixture_open(JB_FIXTURE_REPLAYED), NULL, "gnuplot");
    assert_string_equal(reason, "");
    char *html = jb_slurp(dir, "report.html");
    assert_int_equal(count(html, "<svg class=\"wide\""), 7);
    assert_int_equal(count(html, "<svg class=\"narrow\""), 7);
    assert_balanced(html);
    assert_self_contained(html);
    assert_non_null(strstr(html, "own split"));
    assert_non_null(strstr(html, "replayed"));
    assert_non_null(strstr(html, "MODELLED energy"));
    assert_null(strstr(html, "Plots are missing"));
    assert_null(strstr(html, "JBT"));
    assert_ids_unique(html);
    free(html);
    char *md = jb_slurp(dir, "report.md");
    assert_non_null(strstr(md, "(plots/latency_mean.svg)"));
    free(md);
}

// The class of every joule stands in its table's head, in the tile, in the plot's title and on its axis; beside it what was subtracted, and what went wrong.
static void joules_say_their_class(void **state)
{
    (void)state;
    write_all(jb_fixture_open(JB_FIXTURE_REPLAYED), NULL, have_gnuplot() ? "gnuplot" : NULL);
    char *html = jb_slurp(dir, "report.html");
    assert_balanced(html);
    const char *joules = strstr(html, "the fewest joules per correct answer takes"), *cheapest = strstr(html, "the cheapest setting within");
    assert_true(joules && cheapest && joules < cheapest);
    assert_non_null(strstr(html, "<th>energy, gross (replayed)</th><th>net of idle</th><th>gross a correct answer</th>"));
    assert_non_null(strstr(html, "energy a query, gross, replayed ["));
    assert_non_null(strstr(html, "gross a correct answer, replayed ["));
    assert_int_equal(count(html, "<span class=\"pill a\">fewest joules</span>"), 1);
    assert_int_equal(count(html, "<span class=\"pill\">idle drift</span>"), 1);
    assert_int_equal(count(html, "<span class=\"pill\">remark</span>"), 2);
    assert_non_null(strstr(html, "1 of 8 windows failed: package-0: EIO"));
    assert_non_null(strstr(html, "What must stand beside the joules"));
    assert_non_null(strstr(html, "Energy meter"));
    assert_non_null(strstr(html, "112 W (4x the largest constraint)"));
    if (have_gnuplot()) {
        char *svg = jb_slurp(dir, "plots/energy.svg");
        assert_non_null(svg);
        assert_non_null(strstr(svg, "Accuracy against energy, replayed"));
        assert_non_null(strstr(svg, "J per query, gross (replayed)"));
        assert_non_null(strstr(svg, "fewest J: "));
        assert_true(strstr(html, "id=\"energy") || strstr(html, "Accuracy against energy") < strstr(html, "Accuracy against p99"));
        free(svg);
    }
    free(html);
}

static void runs_side_by_side(void **state)
{
    (void)state;
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), jb_fixture_open(JB_FIXTURE_OTHER_DEVICE), have_gnuplot() ? "gnuplot" : NULL);
    char *html = jb_slurp(dir, "report.html");
    assert_balanced(html);
    assert_self_contained(html);
    assert_non_null(strstr(html, "A default"));
    assert_non_null(strstr(html, "B default"));
    assert_non_null(strstr(html, "Cortex-A76"));
    assert_non_null(strstr(html, "2.30\xc3\x97"));
    free(html);
}

static void no_energy_is_never_zero(void **state)
{
    (void)state;
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, NULL);
    char *html = jb_slurp(dir, "report.html");
    assert_non_null(strstr(html, "none: no readable energy counter"));
    assert_null(strstr(html, "0 \xc2\xb5J"));
    assert_null(strstr(html, "0 nJ"));
    assert_non_null(strstr(html, "Plots are missing: not asked for"));
    free(html);
}

static void hostile_names(void **state)
{
    (void)state;
    unlink("/tmp/jb-owned");
    write_all(jb_fixture_hostile(), NULL, have_gnuplot() ? "gnuplot" : NULL);
    if (have_gnuplot())
        assert_string_equal(reason, "");
    assert_false(jb_path_exists("/tmp/jb-owned")); // the back quotes ran nothing
    char *html = jb_slurp(dir, "report.html");
    assert_balanced(html);
    assert_self_contained(html);
    assert_null(strstr(html, "<script>alert"));
    assert_null(strstr(html, "\033"));
    assert_null(strstr(html, "\xe2\x80\xae"));
    assert_null(strstr(html, "\xff"));
    free(html);
    char *gp = jb_slurp(dir, "plots/latency_mean.gp");
    if (gp) {
        assert_null(strstr(gp, "touch"));
        assert_null(strchr(gp, '`'));
    }
    free(gp);
}

static void without_gnuplot(void **state)
{
    (void)state;
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, "/nonexistent/gnuplot");
    assert_non_null(strstr(reason, "cannot run /nonexistent/gnuplot"));
    char *html = jb_slurp(dir, "report.html"), *md = jb_slurp(dir, "report.md"), *csv = jb_slurp(dir, "results.csv");
    assert_non_null(strstr(html, "Plots are missing: cannot run"));
    assert_non_null(strstr(md, "Plots are missing"));
    assert_non_null(csv);
    assert_balanced(html);
    free(html);
    free(md);
    free(csv);
}

static void fake(char path[300], const char *script)
{
    snprintf(path, 300, "%s/fake-gnuplot", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
}

static void gnuplot_fails(void **state)
{
    (void)state;
    char path[300];
    fake(path, "echo 'line 3: the paper is empty' >&2; exit 2");
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, path);
    assert_non_null(strstr(reason, "the paper is empty"));
    assert_non_null(strstr(reason, "latency_mean.gp"));
}

static void gnuplot_writes_nonsense(void **state)
{
    (void)state;
    char path[300];
    fake(path, "n=${2%.gp}; echo '<svg><g>' >$n.svg; echo '<svg' >$n-phone.svg");
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, path);
    assert_non_null(strstr(reason, "no complete SVG"));
    char *svg = jb_slurp(dir, "plots/latency_mean.svg");
    assert_null(svg);
    char *html = jb_slurp(dir, "report.html");
    assert_null(strstr(html, "<svg"));
    free(html);
}

// Pictures of an earlier report must not turn up in a later one that has none.
static void old_plots_are_not_taken_for_new(void **state)
{
    (void)state;
    need_gnuplot();
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, "gnuplot");
    write_all(jb_fixture_open(JB_FIXTURE_NO_ENERGY), NULL, "/nonexistent/gnuplot");
    char *html = jb_slurp(dir, "report.html");
    assert_null(strstr(html, "<svg"));
    free(html);
}

static void a_place_that_cannot_be_written(void **state)
{
    (void)state;
    struct jb_err err = {0};
    char inside[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    const struct jb_result *one[] = {r};
    snprintf(inside, sizeof inside, "%s/file", dir);
    FILE *f = fopen(inside, "w");
    fclose(f);
    strcat(inside, "/sub");
    struct jb_report_opts o = {.dir = inside, .gnuplot = "gnuplot"};
    assert_int_not_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    assert_non_null(strstr(err.detail, dir));
    jb_result_close(r);
}

static void a_disk_that_is_full(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct rlimit old, small;
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    const struct jb_result *one[] = {r};
    struct jb_report_opts o = {.dir = dir};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 20000;
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = jb_report_write_all(one, 1, &o, reason, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_not_equal(rc, 0);
    assert_non_null(strstr(err.detail, "results.json"));
    assert_null(jb_slurp(dir, "results.json"));
    jb_result_close(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_page_with_plots), T(joules_say_their_class), T(runs_side_by_side), T(no_energy_is_never_zero), T(hostile_names), T(without_gnuplot), T(gnuplot_fails),
        T(gnuplot_writes_nonsense), T(old_plots_are_not_taken_for_new), T(a_place_that_cannot_be_written), T(a_disk_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
