// Golden output of CSV, Markdown and terminal; human figures; width; colour; hostile names.
// JB_UPDATE_GOLDEN=1 writes the golden files anew: read the difference before you commit it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/reports/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/reports/golden"

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

static void terminal(struct jb_result *r, int width, bool color, struct jb_str *out)
{
    assert_int_equal(jb_report_terminal(r, width, color, out), 0);
}

static void golden_terminal(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY), *e = jb_fixture_open(JB_FIXTURE_REPLAYED);
    terminal(r, 0, false, &s);
    check_golden("terminal.txt", jb_str_get(&s));
    jb_str_clear(&s);
    terminal(e, 120, false, &s);
    check_golden("terminal-energy-120.txt", jb_str_get(&s));
    jb_str_clear(&s);
    terminal(r, 60, false, &s);
    check_golden("terminal-60.txt", jb_str_get(&s));
    jb_str_free(&s);
    jb_result_close(r);
    jb_result_close(e);
}

static void golden_files(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    const struct jb_result *one[] = {r};
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    assert_string_equal(reason, "not asked for");
    char *csv = jb_slurp(dir, "results.csv"), *md = jb_slurp(dir, "report.md");
    check_golden("results.csv", csv);
    check_golden("report.md", md);
    free(csv);
    free(md);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void lines_keep_to_the_width(void **state)
{
    (void)state;
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    for (int width = 50; width <= 140; width += 10) {
        struct jb_str s = {0};
        terminal(r, width, false, &s);
        size_t n = 0;
        for (const char *p = jb_str_get(&s); *p; p++) {
            n = *p == '\n' ? 0 : n + (((unsigned char)*p & 0xC0) != 0x80);
            if (n > (size_t)width)
                fail_msg("a line is longer than %d: %.80s", width, p - width);
        }
        jb_str_free(&s);
    }
    jb_result_close(r);
}

static void colour_only_when_asked(void **state)
{
    (void)state;
    struct jb_str s = {0};
    struct jb_result *r = jb_fixture_hostile();
    terminal(r, 100, false, &s);
    for (const char *p = jb_str_get(&s); *p; p++) {
        assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
        assert_false((unsigned char)*p == 0x7f);
        assert_false((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0); // C1 controls
    }
    assert_null(strstr(s.s, "\xe2\x80\xae")); // right-to-left override
    jb_str_clear(&s);
    terminal(r, 100, true, &s);
    assert_non_null(strchr(s.s, '\033'));
    assert_null(strstr(s.s, "\033[31mred"));
    jb_str_free(&s);
    jb_result_close(r);
}

// Counts fields of every record by RFC 4180; all records must have the same number.
static void hostile_csv(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_result *r = jb_fixture_hostile();
    const struct jb_result *two[] = {r, r};
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(two, 2, &o, reason, &err), 0);
    char *csv = jb_slurp(dir, "results.csv");
    size_t fields = 1, first = 0, records = 0;
    bool quoted = false;
    for (const char *p = csv; *p; p++) {
        if (*p == '"')
            quoted = !quoted;
        if (quoted)
            continue;
        fields += *p == ',';
        if (*p == '\r' && p[1] == '\n') {
            first = first ? first : fields;
            assert_int_equal(fields, first);
            fields = 1;
            records++;
            p++;
        }
    }
    assert_false(quoted);
    assert_int_equal(records, 1 + 2 * r->n_cells);
    free(csv);
    assert_null(jb_slurp(dir, "results.json")); // a collection never takes the place of a run's own file
    char *set = jb_slurp(dir, "results-set.json");
    assert_non_null(set);
    free(set);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// A table row of Markdown has as many unescaped bars as its head, whatever the names are.
static void hostile_markdown(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_result *r = jb_fixture_hostile();
    const struct jb_result *one[] = {r};
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    char *md = jb_slurp(dir, "report.md");
    size_t bars = 0;
    for (char *line = strtok(md, "\n"); line; line = strtok(NULL, "\n")) {
        size_t n = 0;
        for (char *p = line; *p; p++) {
            if (*p == '\\' && p[1])
                p++;
            else
                n += *p == '|';
        }
        assert_null(strstr(line, "<script>"));
        if (line[0] != '|')
            bars = 0;
        else if (bars)
            assert_int_equal(n, bars);
        else
            bars = n;
    }
    free(md);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void figures(void **state)
{
    (void)state;
    static const struct { double v; const char *ns, *count; } ROWS[] = {
        {0, "0 ns", "0"}, {7, "7.00 ns", "7"}, {999.4, "999 ns", "999"}, {999.6, "1.00 us", "1.00 k"}, {12345, "12.3 us", "12.3 k"}, {999949, "1.00 ms", "1.00 M"},
        {4.05e6, "4.05 ms", "4.05 M"}, {2.5e9, "2.50 s", "2.50 G"}, {NAN, "n/a", "n/a"}, {INFINITY, "n/a", "n/a"}, {-1500, "-1.50 us", "-1.50 k"}};
    char out[24];
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        jb_fmt_ns(out, ROWS[i].v);
        assert_string_equal(out, ROWS[i].ns);
        jb_fmt_count(out, ROWS[i].v);
        assert_string_equal(out, ROWS[i].count);
    }
    jb_fmt_ns(out, 1e300);
    jb_fmt_count(out, -1e300);
    jb_fmt_percent(out, 0.93421);
    assert_string_equal(out, "93.42 %");
    jb_fmt_percent(out, NAN);
    assert_string_equal(out, "n/a");
    jb_fmt_uj(out, 0.25);
    assert_string_equal(out, "250 nJ");
    jb_fmt_uj(out, 94.34);
    assert_string_equal(out, "94.3 uJ");
    jb_fmt_bytes(out, 412000);
    assert_string_equal(out, "412 kB");
}

// Joules of a guest's RAPL: among the modelled ones in every format, none as energy.
static void guest_rapl_is_modelled(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_str s = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    const struct jb_result *one[] = {r};
    jb_fixture_make_guest(r);
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    char *csv = jb_slurp(dir, "results.csv"), *md = jb_slurp(dir, "report.md"), *html = jb_slurp(dir, "report.html");
    terminal(r, 100, false, &s);
    assert_non_null(strstr(csv, ",none,"));
    assert_non_null(strstr(csv, "macs-bytes;guest-rapl"));
    assert_null(strstr(md, "gross a correct answer"));
    assert_non_null(strstr(md, ", modelled* | guest-rapl"));
    assert_non_null(strstr(md, "Energy: none: under a hypervisor"));
    assert_non_null(strstr(html, "guest-rapl"));
    assert_null(strstr(html, "<th>gross a correct answer"));
    assert_non_null(strstr(s.s, "energy: none: under a hypervisor"));
    assert_null(strstr(s.s, "fewest joules"));
    free(csv);
    free(md);
    free(html);
    jb_str_free(&s);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// Two classes in one table: each figure says its own.
static void classes_are_told_apart(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_str s = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    const struct jb_result *one[] = {r};
    for (size_t i = 0; i < r->n_cells; i += 2)
        if (r->cells[i].energy.cls == JB_ENERGY_REPLAYED)
            r->cells[i].energy.cls = JB_ENERGY_MEASURED;
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    char *md = jb_slurp(dir, "report.md"), *html = jb_slurp(dir, "report.html");
    terminal(r, 140, false, &s);
    assert_non_null(strstr(md, "gross (of several classes)"));
    assert_non_null(strstr(md, "] measured |"));
    assert_non_null(strstr(md, "] replayed |"));
    assert_non_null(strstr(html, "<small>measured</small>"));
    assert_non_null(strstr(s.s, "% measured"));
    assert_non_null(strstr(s.s, "% replayed"));
    free(md);
    free(html);
    jb_str_free(&s);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// The reason why there is no energy stands once: where the summary says it, nothing below says it again.
static void the_reason_stands_once(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_str s = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    const struct jb_result *one[] = {r};
    struct jb_result_sentence sentence = {"energy", "Energy was not measured: no readable energy counter"};
    r->sentences = &sentence;
    r->n_sentences = 1;
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    char *md = jb_slurp(dir, "report.md"), *html = jb_slurp(dir, "report.html");
    terminal(r, 200, false, &s);
    const char *texts[] = {md, html, s.s};
    for (size_t i = 0; i < 3; i++) {
        const char *first = strstr(texts[i], "no readable energy counter");
        assert_non_null(first);
        assert_null(strstr(first + 1, "no readable energy counter"));
    }
    free(md);
    free(html);
    jb_str_free(&s);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void nothing_measured(void **state)
{
    (void)state;
    char dir[256], reason[256];
    struct jb_err err = {0};
    struct jb_str s = {0};
    struct jb_result *r = NULL;
    assert_int_equal(jb_result_open(&r), 0);
    const struct jb_result *one[] = {r};
    jb_temp_dir(dir);
    struct jb_report_opts o = {.dir = dir, .gnuplot = "gnuplot"};
    assert_int_equal(jb_report_write_all(one, 1, &o, reason, &err), 0);
    assert_non_null(strstr(reason, "nothing to plot"));
    terminal(r, 80, false, &s);
    assert_non_null(strstr(s.s, "Nothing was measured"));
    assert_non_null(strstr(s.s, "interrupted"));
    jb_str_free(&s);
    jb_result_close(r);
    jb_temp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_terminal), cmocka_unit_test(golden_files), cmocka_unit_test(lines_keep_to_the_width), cmocka_unit_test(colour_only_when_asked),
        cmocka_unit_test(hostile_csv), cmocka_unit_test(hostile_markdown), cmocka_unit_test(figures), cmocka_unit_test(nothing_measured),
        cmocka_unit_test(guest_rapl_is_modelled), cmocka_unit_test(classes_are_told_apart), cmocka_unit_test(the_reason_stands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
