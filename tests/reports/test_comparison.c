// Comparisons: round trip through JSON, the strict reader, the schema, golden output of every rendering, hostile names, what CI servers read.
// JB_UPDATE_GOLDEN=1 writes the golden files anew: read the difference before you commit it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "tests/reports/comparison_fixture.h"
#include "tests/reports/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/reports/golden"
#define SCHEMA "docs/schema/comparison.schema.json"

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
    if (strcmp(want, text))
        fail_msg(GOLDEN "/%s differs; have:\n%s", name, text);
    free(want);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static size_t count(const char *s, const char *what)
{
    size_t n = 0;
    for (; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

// ---- JSON ----

static void round_trip(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_err err = {0};
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/c.json", dir);
    for (int i = 0; i < 3; i++) {
        struct jb_comparison *c = i == 2 ? jb_comparison_fixture_hostile() : jb_comparison_fixture(i == 1), *back = NULL;
        assert_int_equal(jb_comparison_write(c, path, &err), 0);
        if (jb_comparison_read(&back, path, &err))
            fail_msg("%s", err.detail);
        char *a = jb_comparison_json(c), *b = jb_comparison_json(back);
        assert_string_equal(a, b);
        assert_int_equal(back->is_gate, i > 0);
        assert_int_equal(back->exit_code, i > 0 ? 10 : 0);
        assert_true(isnan(back->cells[0].metrics[3].effect) && back->cells[0].metrics[3].reason);
        assert_int_equal(back->cells[2].candidate_status, JB_CELL_INVALID);
        free(a);
        free(b);
        jb_comparison_close(back);
        jb_comparison_close(c);
    }
    jb_temp_remove(dir);
}

// Replaces the first `from` by `to` in a good file; it must be refused, with the file's name and `says` in the error.
static void refuses(const char *good, const char *path, const char *from, const char *to, const char *says)
{
    struct jb_err err = {0};
    struct jb_comparison *c = NULL;
    const char *at = strstr(good, from);
    struct jb_str s = {0};
    if (!at)
        fail_msg("the fixture has no %s", from);
    jb_str_addn(&s, good, (size_t)(at - good));
    jb_str_add(&s, to);
    jb_str_add(&s, at + strlen(from));
    write_text(path, jb_str_get(&s));
    jb_str_free(&s);
    if (!jb_comparison_read(&c, path, &err))
        fail_msg("%s instead of %s was read", to, from);
    assert_null(c);
    if (!strstr(err.detail, says) || !strstr(err.detail, "c.json"))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, says);
}

static void reads_strictly(void **state)
{
    (void)state;
    static const char *const BAD[][3] = {
        {"\"joulebench.comparison/1\"", "\"joulebench.comparison/2\"", "schema"},
        {"\"mode\"", "\"mood\"", "mood"},
        {"\"live\"", "\"dead\"", "mode"},
        {"\"confidence\": 0.95", "\"confidence\": 95", "confidence"},
        {"\"exit_code\": 10", "\"exit_code\": 1.5", "exit_code"},
        {"\"exit_code\": 10", "\"exit_code\": -1", "exit_code"},
        {"\"verdict\": \"fail\"", "\"verdict\": \"fine\"", "verdict"},
        {"\"valid\"", "\"splendid\"", "status"},
        {"\"gated\": true", "\"gated\": 1", "gated"},
        {"\"name\": \"accuracy\"", "\"name\": \"accu\\u001bracy\"", "name"},
        {"\"name\": \"accuracy\"", "\"name\": \"\"", "name"},
        {"\"name\": \"accuracy\"", "\"name\": null", "name"},
        {"\"better\": \"higher\"", "\"better\": \"best\"", "better"},
        {"\"effect_is\": \"ratio\"", "\"effect_is\": \"feeling\"", "effect_is"},
        {"\"p\": 0.118", "\"p\": 1.18", "\"p\""},
        {"\"margin\": 0.005", "\"margin\": -0.005", "margin"},
        {"\"n_baseline\": 10000", "\"n_baseline\": -1", "n_baseline"},
        {"\"key\": \"0123456789abcdef\"", "\"key\": null", "key"},
        {"\"effect\"", "\"affect\"", "affect"},
        {"\"gate\": {", "\"gate\": {\"x\": 1,", "x"},
        {"\"pairs\": 120", "\"pairs\": \"many\"", "pairs"},
        {"\"cells\": [", "\"cells\": [7,", "cell"},
        {"\"tail\": []", "\"tail\": {}", "tail"},
        {"\"sentences\": [", "\"sentences\": [null,", "sentence"},
    };
    char dir[256], path[300];
    struct jb_err err = {0};
    struct jb_comparison *c = jb_comparison_fixture(true), *none = NULL;
    char *good = jb_comparison_json(c);
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/c.json", dir);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        refuses(good, path, BAD[i][0], BAD[i][1], BAD[i][2]);
    write_text(path, "[]");
    assert_int_equal(jb_comparison_read(&none, path, &err), JB_E_INVALID);
    write_text(path, "");
    assert_int_equal(jb_comparison_read(&none, path, &err), JB_E_INVALID);
    // Cut anywhere: refused, never a part of it.
    for (size_t cut = 1, n = strlen(good); cut + 2 < n; cut += 97) {
        char *part = strndup(good, cut);
        write_text(path, part);
        free(part);
        assert_int_not_equal(jb_comparison_read(&none, path, &err), 0);
    }
    assert_null(none);
    free(good);
    jb_comparison_close(c);
    jb_temp_remove(dir);
}

// Keys of `value` and properties of `schema` are the same set, and all of them are required.
static void same_keys(const cJSON *value, const cJSON *schema, const char *where)
{
    const cJSON *properties = cJSON_GetObjectItem(schema, "properties"), *required = cJSON_GetObjectItem(schema, "required"), *i;
    assert_non_null(properties);
    assert_int_equal(cJSON_GetArraySize(required), cJSON_GetArraySize(properties));
    cJSON_ArrayForEach(i, value)
        if (!cJSON_GetObjectItemCaseSensitive(properties, i->string))
            fail_msg("%s: \"%s\" is written, but not in the schema", where, i->string);
    cJSON_ArrayForEach(i, properties)
        if (!cJSON_GetObjectItemCaseSensitive(value, i->string))
            fail_msg("%s: \"%s\" is in the schema, but not written", where, i->string);
}

static void schema_names_every_key(void **state)
{
    (void)state;
    struct jb_json_doc schema, doc;
    struct jb_err err = {0};
    struct jb_comparison *c = jb_comparison_fixture(true);
    char *text = jb_comparison_json(c);
    assert_int_equal(jb_json_read(&schema, SCHEMA, 1 << 24, &err), 0);
    assert_int_equal(jb_json_parse(&doc, "c", text, strlen(text), &err), 0);
    const cJSON *defs = cJSON_GetObjectItem(schema.root, "$defs"), *cell = cJSON_GetArrayItem(cJSON_GetObjectItem(doc.root, "cells"), 0);
    const cJSON *cell_schema = cJSON_GetObjectItem(defs, "cell"), *metrics = cJSON_GetObjectItem(cJSON_GetObjectItem(cell_schema, "properties"), "metrics");
    same_keys(doc.root, schema.root, "comparison");
    same_keys(cell, cell_schema, "cell");
    same_keys(cJSON_GetArrayItem(cJSON_GetObjectItem(cell, "metrics"), 0), cJSON_GetObjectItem(metrics, "items"), "metric");
    same_keys(cJSON_GetObjectItem(doc.root, "baseline"), cJSON_GetObjectItem(defs, "run"), "run");
    jb_json_close(&doc);
    jb_json_close(&schema);
    free(text);
    jb_comparison_close(c);
}

static const char PROGRAM[] =
    "import json,sys,copy\n"
    "from jsonschema import Draft202012Validator as V\n"
    "s=json.load(open('" SCHEMA "'));V.check_schema(s);v=V(s)\n"
    "for f in sys.argv[1:]:\n"
    "  d=json.load(open(f))\n"
    "  e=list(v.iter_errors(d))\n"
    "  assert not e,(f,list(e[0].path),e[0].message)\n"
    "def bad(change):\n"
    "  x=copy.deepcopy(d);change(x);assert next(v.iter_errors(x),None),'a broken file passed'\n"
    "bad(lambda x:x.update(extra=1))\n"
    "bad(lambda x:x['cells'][0].pop('key'))\n"
    "bad(lambda x:x['cells'][0]['metrics'][0].update(verdict='fine'))\n"
    "bad(lambda x:x['cells'][0]['metrics'][0].update(p=2))\n";

static void written_files_validate(void **state)
{
    (void)state;
    char dir[256], path[300], command[2600];
    struct jb_err err = {0};
    if (system("python3 -c 'import jsonschema; jsonschema.Draft202012Validator' >/dev/null 2>&1") != 0) {
        print_message("skipped: python3 with jsonschema (4 or newer) is not installed\n");
        skip();
    }
    jb_temp_dir(dir);
    for (int i = 0; i < 3; i++) {
        struct jb_comparison *c = i == 2 ? jb_comparison_fixture_hostile() : jb_comparison_fixture(i == 1);
        snprintf(path, sizeof path, "%s/%d.json", dir, i);
        assert_int_equal(jb_comparison_write(c, path, &err), 0);
        jb_comparison_close(c);
    }
    snprintf(path, sizeof path, "%s/check.py", dir);
    write_text(path, PROGRAM);
    snprintf(command, sizeof command, "python3 %s %s/2.json %s/0.json %s/1.json 2>&1", path, dir, dir, dir);
    assert_int_equal(system(command), 0);
    jb_temp_remove(dir);
}

// ---- renderings ----

static void golden(void **state)
{
    (void)state;
    struct jb_comparison *c = jb_comparison_fixture(false), *g = jb_comparison_fixture(true);
    struct jb_str s = {0};
    assert_int_equal(jb_comparison_terminal(c, 100, false, &s), 0);
    check_golden("comparison.txt", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_terminal(g, 100, false, &s), 0);
    check_golden("comparison-gate.txt", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_markdown(c, &s), 0);
    check_golden("comparison.md", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_markdown(g, &s), 0);
    check_golden("comparison-gate.md", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_junit(g, &s), 0);
    check_golden("comparison-gate.xml", jb_str_get(&s));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_annotations(g, &s), 0);
    check_golden("comparison-gate.annotations", jb_str_get(&s));
    jb_str_free(&s);
    jb_comparison_close(c);
    jb_comparison_close(g);
}

static void colour_only_when_told(void **state)
{
    (void)state;
    struct jb_comparison *g = jb_comparison_fixture(true);
    struct jb_str s = {0};
    jb_comparison_terminal(g, 100, true, &s);
    assert_non_null(strchr(jb_str_get(&s), '\033'));
    jb_str_clear(&s);
    for (int width = -1; width < 200; width += 7) {
        jb_comparison_terminal(g, width, false, &s);
        assert_null(strchr(jb_str_get(&s), '\033'));
        jb_str_clear(&s);
    }
    jb_str_free(&s);
    jb_comparison_close(g);
}

static void changes_in_figures(void **state)
{
    (void)state;
    static const struct { bool difference; double effect, lower, upper; const char *want; } CASES[] = {
        {false, 1.0305, 1.024, 1.038, "+3.05 % [+2.40, +3.80]"}, {false, 0.97, 0.8, 1.2, "-3.0 % [-20.0, +20.0]"}, {false, 2.5, 2.25, 2.75, "2.5x [2.25, 2.75]"},
        {false, 0.4, NAN, NAN, "0.4x"}, {false, 1.00000001, 0.9999, 1.0001, "0.000 % [-0.010, +0.010]"}, {false, NAN, NAN, NAN, "n/a"},
        {true, -0.0012, -0.003, 0.0005, "-0.12 points [-0.30, +0.05]"}, {true, 0, NAN, NAN, "0.00 points"}, {false, INFINITY, NAN, NAN, "n/a"},
    };
    char text[64];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct jb_compared_metric m;
        jb_compared_metric_init(&m);
        m.is_difference = CASES[i].difference;
        m.effect = CASES[i].effect;
        m.lower = CASES[i].lower;
        m.upper = CASES[i].upper;
        jb_compared_change_text(text, &m);
        assert_string_equal(text, CASES[i].want);
    }
}

static void what_counts_as_seen(void **state)
{
    (void)state;
    struct jb_comparison *c = jb_comparison_fixture(false);
    const struct jb_compared_cell *x = &c->cells[0];
    assert_int_equal(jb_compared_sign(c, &x->metrics[0]), 0);  // accuracy: the p-value does not hold
    assert_int_equal(jb_compared_sign(c, &x->metrics[1]), -1); // slower
    assert_int_equal(jb_compared_sign(c, &x->metrics[2]), 1);  // faster
    assert_int_equal(jb_compared_sign(c, &x->metrics[3]), 0);  // not known
    assert_int_equal(jb_compared_sign(c, &x->metrics[5]), 0);  // the same bytes
    assert_int_equal(jb_compared_sign(c, &x->metrics[6]), -1); // more MACs, however few
    c->cells[0].metrics[1].p_adjusted = 0.2;                   // the interval alone would say so; after Holm it does not hold
    assert_int_equal(jb_compared_sign(c, &x->metrics[1]), 0);
    jb_comparison_close(c);
}

// A gate that judged nothing is no green suite, whatever its verdict says.
static void an_empty_gate_is_not_green(void **state)
{
    (void)state;
    struct jb_comparison *c = NULL;
    struct jb_str s = {0};
    assert_int_equal(jb_comparison_open(&c), 0);
    c->is_gate = true;
    c->verdict = JB_VERDICT_PASS;
    assert_int_equal(jb_comparison_junit(c, &s), 0);
    assert_non_null(strstr(jb_str_get(&s), "errors=\"1\""));
    assert_non_null(strstr(jb_str_get(&s), "<error "));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_markdown(c, &s), 0);
    assert_non_null(strstr(jb_str_get(&s), "no pass"));
    jb_str_free(&s);
    jb_comparison_close(c);
}

static void page(void **state)
{
    (void)state;
    struct jb_comparison *g = jb_comparison_fixture(true);
    struct jb_str s = {0};
    assert_int_equal(jb_comparison_html(g, &s), 0);
    const char *html = jb_str_get(&s);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "http://"));
    assert_null(strstr(html, "https://"));
    assert_null(strstr(html, "url("));
    assert_non_null(strstr(html, "Gate: fail (exit code 10)"));
    assert_int_equal(count(html, "class=\"forest\""), 3); // accuracy, mean, p50: what has an effect and is no exact figure
    assert_true(count(html, "stroke-dasharray") >= 3);    // margins
    assert_null(strstr(html, "nan"));
    if (getenv("JB_KEEP_PAGE"))
        write_text(getenv("JB_KEEP_PAGE"), html);
    jb_str_free(&s);
    jb_comparison_close(g);
}

static void hostile_names(void **state)
{
    (void)state;
    struct jb_comparison *c = jb_comparison_fixture_hostile();
    struct jb_str s = {0};
    assert_int_equal(jb_comparison_terminal(c, 100, false, &s), 0);
    assert_null(strchr(jb_str_get(&s), '\033'));
    assert_null(strchr(jb_str_get(&s), '\a'));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_markdown(c, &s), 0);
    assert_int_equal(count(jb_str_get(&s), "<script"), count(jb_str_get(&s), "\\<script"));
    assert_null(strchr(jb_str_get(&s), '\033'));
    jb_str_clear(&s);
    assert_int_equal(jb_comparison_html(c, &s), 0);
    assert_null(strstr(jb_str_get(&s), "<script"));
    assert_null(strstr(jb_str_get(&s), "=\"nan"));
    assert_null(strstr(jb_str_get(&s), "inf "));
    jb_str_clear(&s);
    // A name must not end its line and begin a command of its own.
    assert_int_equal(jb_comparison_annotations(c, &s), 0);
    for (const char *line = jb_str_get(&s); *line; line = strchr(line, '\n') + 1)
        assert_true(strncmp(line, "::", 2) == 0 && count(line, "::") >= 2);
    assert_null(strstr(jb_str_get(&s), "%s"));
    jb_str_free(&s);
    jb_comparison_close(c);
}

static void junit_is_xml(void **state)
{
    (void)state;
    char dir[256], path[300], command[1000];
    if (system("python3 -c 'import xml.etree.ElementTree' >/dev/null 2>&1") != 0) {
        print_message("skipped: no python3\n");
        skip();
    }
    jb_temp_dir(dir);
    for (int i = 0; i < 2; i++) {
        struct jb_comparison *c = i ? jb_comparison_fixture_hostile() : jb_comparison_fixture(true);
        struct jb_str s = {0};
        if (i)
            c->cells[0].label = "\xef\xbf\xbe \xef\xbf\xbf x"; // U+FFFE, U+FFFF: no characters of XML
        assert_int_equal(jb_comparison_junit(c, &s), 0);
        snprintf(path, sizeof path, "%s/j.xml", dir);
        write_text(path, jb_str_get(&s));
        snprintf(command, sizeof command, "python3 -c 'import xml.etree.ElementTree as E,sys;r=E.parse(sys.argv[1]).getroot();c=r.findall(\"testcase\");"
                 "assert len(c)==int(r.get(\"tests\"))==5;n=lambda k:sum(len(x.findall(k)) for x in c);"
                 "assert (n(\"failure\"),n(\"error\"),n(\"skipped\"))==(int(r.get(\"failures\")),int(r.get(\"errors\")),int(r.get(\"skipped\")))==(2,1,1)' %s 2>&1", path);
        assert_int_equal(system(command), 0);
        jb_str_free(&s);
        jb_comparison_close(c);
    }
    jb_temp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(reads_strictly), cmocka_unit_test(schema_names_every_key), cmocka_unit_test(written_files_validate),
        cmocka_unit_test(golden), cmocka_unit_test(colour_only_when_told), cmocka_unit_test(changes_in_figures), cmocka_unit_test(what_counts_as_seen),
        cmocka_unit_test(an_empty_gate_is_not_green), cmocka_unit_test(page), cmocka_unit_test(hostile_names), cmocka_unit_test(junit_is_xml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
