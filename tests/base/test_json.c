// JSON: what is refused, with which line; typed reads; stable writing.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"

static struct jb_json_doc parse(const char *text)
{
    struct jb_json_doc doc = {0};
    struct jb_err err = {0};
    if (jb_json_parse(&doc, "t.json", text, strlen(text), &err) != JB_OK) fail_msg("%s: %s", text, err.detail);
    return doc;
}

// The text is refused with INVALID and this detail.
static void refused(const char *text, const char *detail)
{
    struct jb_json_doc doc = {.root = (cJSON *)&doc};
    struct jb_err err = {0};
    int rc = jb_json_parse(&doc, "t.json", text, strlen(text), &err);
    if (rc == JB_OK) fail_msg("accepted: %s", text);
    assert_int_equal(rc, JB_E_INVALID);
    assert_string_equal(err.detail, detail);
    assert_ptr_equal(doc.root, &doc); // outputs are written only on success
}

static void valid_texts_are_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "[]", " [ 1 , -0.5e+3 , 0 , -0 , 1E5 ] ", "\"x\"", "true", "null", "{\"a\":{\"b\":[{}]}}",
                                        "\"\\u00e9\\ud83d\\ude00\\n\"", "\r\n\t 7 \n", "{\"\":1}", "\"\xf0\x9f\x98\x80\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct jb_json_doc doc = parse(texts[i]);
        jb_json_close(&doc);
        jb_json_close(&doc);
    }
    jb_json_close(NULL);
}

static void bad_grammar_is_refused_with_its_place(void **state)
{
    (void)state;
    refused("", "t.json:1:1: the text ends where a value is expected");
    refused("{\n  \"a\": 1,\n}", "t.json:3:1: '}' where a key in double quotes is expected");
    refused("[1,]", "t.json:1:4: ']' where a value is expected");
    refused("[1 2]", "t.json:1:4: '2' where ',' or ']' is expected");
    refused("{} x", "t.json:1:4: 'x' where the end of the text is expected");
    refused("{\"a\" 1}", "t.json:1:6: '1' where ':' is expected");
    refused("{a:1}", "t.json:1:2: 'a' where a key in double quotes is expected");
    refused("// no\n1", "t.json:1:1: '/' where a value is expected");
    refused("{\"a\":1", "t.json:1:7: the text ends where ',' or '}' is expected");
    refused("\xef\xbb\xbf{}", "t.json:1:1: byte 0xef where a value is expected");
    refused("tru", "t.json:1:1: 't' where a value is expected");
    refused("[\x01]", "t.json:1:2: byte 0x01 where a value is expected");
}

static void bad_numbers_are_refused(void **state)
{
    (void)state;
    refused("NaN", "t.json:1:1: 'N' where a value is expected");
    refused("[Infinity]", "t.json:1:2: 'I' where a value is expected");
    refused("-Infinity", "t.json:1:2: 'I' where a digit is expected");
    refused("[nan]", "t.json:1:2: 'n' where a value is expected");
    refused("01", "t.json:1:1: number with a leading zero");
    refused("-00", "t.json:1:1: number with a leading zero");
    refused("1.", "t.json:1:3: the text ends where a digit is expected");
    refused(".5", "t.json:1:1: '.' where a value is expected");
    refused("+1", "t.json:1:1: '+' where a value is expected");
    refused("1e", "t.json:1:3: the text ends where a digit is expected");
    refused("0x10", "t.json:1:2: 'x' where the end of the text is expected");
    refused("[\n1e999]", "t.json:2:1: number beyond the range of a double");
    refused("1000000000000000000000000000000000000000000000000000000000000000000000", "t.json:1:1: number of more than 60 characters");
}

static void bad_strings_are_refused(void **state)
{
    (void)state;
    refused("\"abc", "t.json:1:1: string without an end");
    refused("\"a\nb\"", "t.json:1:3: control character inside a string");
    refused("\"\\x\"", "t.json:1:2: unknown escape in a string");
    refused("\"\\", "t.json:1:2: unknown escape in a string");
    refused("\"\\u12g4\"", "t.json:1:2: \\u needs four hexadecimal digits");
    refused("\"\\u12", "t.json:1:2: \\u needs four hexadecimal digits");
    refused("\"a\\u0000b\"", "t.json:1:3: \\u0000 is not accepted");
    refused("\"\\ud800\"", "t.json:1:2: lone surrogate");
    refused("\"\\ud800\\u0041\"", "t.json:1:2: lone surrogate");
    refused("\"\\udc00\"", "t.json:1:2: lone surrogate");
    refused("\"\xff\"", "t.json:1:2: invalid UTF-8");
    refused("\"\xc0\x80\"", "t.json:1:2: invalid UTF-8");
    refused("\"\xe2\x82", "t.json:1:2: invalid UTF-8");
}

static void embedded_nul_is_refused(void **state)
{
    (void)state;
    struct jb_json_doc doc;
    struct jb_err err = {0};
    static const struct { const char *text; size_t n; } cases[] = {{"{}\0", 3}, {"[\0]", 3}, {"\"a\0b\"", 5}, {"\0", 1}, {"1\0", 2}, {"tr\0e", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) assert_int_equal(jb_json_parse(&doc, "t", cases[i].text, cases[i].n, &err), JB_E_INVALID);
    assert_int_equal(jb_json_parse(&doc, "t", NULL, 0, &err), JB_E_INVALID);
}

static void duplicate_keys_are_refused(void **state)
{
    (void)state;
    refused("{\"a\":1,\n\"b\":2,\n\"a\":3}", "t.json:3: duplicate key \"a\"");
    refused("[{\"x\":{\n\"k\":1,\"k\":1}}]", "t.json:2: duplicate key \"k\"");
    refused("{\"a\":1,\"\\u0061\":2}", "t.json:1: duplicate key \"a\""); // equal after unescaping
    struct jb_json_doc doc = parse("{\"a\":1,\"A\":2}");
    jb_json_close(&doc);
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[300];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    struct jb_json_doc doc = parse(text);
    jb_json_close(&doc);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    refused(text, "t.json:1:65: nested deeper than 64 levels");
    char *deep = malloc(2000001);
    memset(deep, '[', 2000000);
    deep[2000000] = '\0';
    refused(deep, "t.json:1:65: nested deeper than 64 levels");
    free(deep);
}

static void lines_are_found(void **state)
{
    (void)state;
    struct jb_json_doc doc = parse("{\n \"a\": {\n  \"k\": [1,\n 2, {\"a\": 5,\n\n \"z\": \"}{,\\\"\"}] },\n \"z\": 1 }");
    const cJSON *a = cJSON_GetObjectItem(doc.root, "a"), *k = cJSON_GetObjectItem(a, "k"), *inner = cJSON_GetArrayItem(k, 2);
    assert_int_equal(jb_json_line(&doc, doc.root, "a"), 2);
    assert_int_equal(jb_json_line(&doc, a, "k"), 3);
    assert_int_equal(jb_json_line(&doc, inner, "a"), 4);
    assert_int_equal(jb_json_line(&doc, inner, "z"), 6);
    assert_int_equal(jb_json_line(&doc, doc.root, "z"), 7);
    assert_int_equal(jb_json_line_of(&doc, cJSON_GetArrayItem(k, 1)), 4);
    assert_int_equal(jb_json_line_of(&doc, doc.root), 1);
    assert_int_equal(jb_json_line(&doc, doc.root, "no"), 0);
    assert_int_equal(jb_json_line(&doc, NULL, "a"), 0);
    assert_int_equal(jb_json_line_of(&doc, NULL), 0);
    jb_json_close(&doc);
}

static void unknown_keys_name_line_and_choice(void **state)
{
    (void)state;
    static const char *const keys[] = {"seed", "models", NULL};
    struct jb_err err = {0};
    struct jb_json_doc doc = parse("{\n\"seed\": 1,\n\"modles\": []}");
    assert_int_equal(jb_json_only_keys(&doc, doc.root, "the plan", keys, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:3: unknown key \"modles\" in the plan (known: seed, models)");
    assert_int_equal(jb_json_only_keys(&doc, cJSON_GetObjectItem(doc.root, "seed"), "the plan", keys, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:2: the plan must be an object, not a number");
    assert_int_equal(jb_json_only_keys(&doc, NULL, "x", keys, NULL), JB_E_INVALID);
    jb_json_close(&doc);
}

static void typed_reads(void **state)
{
    (void)state;
    struct jb_json_doc doc = parse("{\"s\": \"text\", \"f\": 2.5, \"i\": -7, \"b\": true, \"n\": null, \"big\": \"18446744073709551615\", \"min\": \"-9223372036854775808\"}");
    const cJSON *o = doc.root;
    struct jb_err err;
    const char *s = NULL;
    double f = 0;
    int64_t i = 0;
    uint64_t u = 0;
    bool b = false;
    assert_int_equal(jb_json_get_str(&doc, o, "s", true, &s, &err), JB_OK);
    assert_string_equal(s, "text");
    assert_int_equal(jb_json_get_f64(&doc, o, "f", true, 0, 10, &f, &err), JB_OK);
    assert_true(f == 2.5);
    assert_int_equal(jb_json_get_i64(&doc, o, "i", true, -10, 10, &i, &err), JB_OK);
    assert_int_equal(i, -7);
    assert_int_equal(jb_json_get_bool(&doc, o, "b", true, &b, &err), JB_OK);
    assert_true(b);
    assert_int_equal(jb_json_get_u64(&doc, o, "big", true, 0, UINT64_MAX, &u, &err), JB_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(jb_json_get_i64(&doc, o, "min", true, INT64_MIN, INT64_MAX, &i, &err), JB_OK);
    assert_true(i == INT64_MIN);
    f = 3;
    assert_int_equal(jb_json_get_f64(&doc, o, "absent", false, 0, 1, &f, &err), JB_OK);
    assert_true(f == 3);
    jb_json_close(&doc);
}

static void typed_refusals(void **state)
{
    (void)state;
    struct jb_json_doc doc = parse("{\"s\": 1,\n\"f\": \"x\",\n\"i\": 2.5,\n\"b\": 1,\n\"n\": null,\n\"big\": 1e300,\n\"quoted\": \"5\",\n\"neg\": -1,\n\"huge\": \"99999999999999999999\",\n\"i65\": \"9223372036854775808\"}");
    const cJSON *o = doc.root;
    struct jb_err err;
    const char *s = "kept";
    double f = 1;
    int64_t i = 1;
    uint64_t u = 1;
    bool b = true;
    assert_int_equal(jb_json_get_str(&doc, o, "s", false, &s, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:1: \"s\" must be a string, not a number");
    assert_int_equal(jb_json_get_f64(&doc, o, "f", false, 0, 1, &f, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:2: \"f\" must be a number, not a string");
    assert_int_equal(jb_json_get_i64(&doc, o, "i", false, 0, 9, &i, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:3: \"i\" must be an integer, not 2.5");
    assert_int_equal(jb_json_get_bool(&doc, o, "b", false, &b, &err), JB_E_INVALID);
    assert_int_equal(jb_json_get_str(&doc, o, "n", false, &s, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:5: \"n\" must be a string, not null");
    assert_int_equal(jb_json_get_i64(&doc, o, "big", false, 0, 9, &i, &err), JB_E_RANGE);
    assert_string_equal(err.detail, "t.json:6: \"big\" is beyond 2^53: write it as a string");
    assert_int_equal(jb_json_get_i64(&doc, o, "quoted", false, 0, 9, &i, &err), JB_E_INVALID);
    assert_int_equal(jb_json_get_u64(&doc, o, "neg", false, 0, 9, &u, &err), JB_E_RANGE);
    assert_string_equal(err.detail, "t.json:8: \"neg\" is -1: it must lie in 0 to 9");
    assert_int_equal(jb_json_get_u64(&doc, o, "huge", false, 0, UINT64_MAX, &u, &err), JB_E_RANGE);
    assert_int_equal(jb_json_get_i64(&doc, o, "i65", false, INT64_MIN, INT64_MAX, &i, &err), JB_E_RANGE);
    assert_int_equal(jb_json_get_f64(&doc, o, "absent", true, 0, 1, &f, &err), JB_E_INVALID);
    assert_string_equal(err.detail, "t.json:1: key \"absent\" is missing");
    assert_int_equal(jb_json_get_f64(&doc, o->child, "x", true, 0, 1, &f, &err), JB_E_INVALID);
    assert_int_equal(jb_json_get_f64(&doc, NULL, "x", false, 0, 1, &f, NULL), JB_E_INVALID);
    assert_true(f == 1 && i == 1 && u == 1 && b && strcmp(s, "kept") == 0);
    jb_json_close(&doc);
}

static void canonical_text(void **state)
{
    (void)state;
    struct jb_json_doc doc = parse("{ \"b\": [1.0, 0.10, -0.0, 1e2, true, null], \"a\": {\"z\": \"\\u0041\\n\", \"Z\": {}}, \"\xc3\xa9\": 1, \"ab\": 2 }");
    char *text = jb_json_canonical(doc.root);
    assert_string_equal(text, "{\"a\":{\"Z\":{},\"z\":\"A\\n\"},\"ab\":2,\"b\":[1,0.1,0,100,true,null],\"\xc3\xa9\":1}");
    free(text);
    jb_json_close(&doc);
    assert_null(jb_json_canonical(NULL));
}

static void pretty_text(void **state)
{
    (void)state;
    struct jb_json_doc doc = parse("{\"b\":[1,2],\"a\":[{\"x\":1}],\"e\":{},\"f\":[]}");
    char *text = jb_json_pretty(doc.root);
    assert_string_equal(text, "{\n  \"b\": [1, 2],\n  \"a\": [\n    {\n      \"x\": 1\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}\n");
    free(text);
    jb_json_close(&doc);
}

static void writers(void **state)
{
    (void)state;
    cJSON *o = cJSON_CreateObject();
    assert_true(jb_json_put_str(o, "s", "\xff"));
    assert_true(jb_json_put_str(o, "sn", NULL));
    assert_true(jb_json_put_f64(o, "nan", NAN));
    assert_true(jb_json_put_f64(o, "inf", -INFINITY));
    assert_true(jb_json_put_f64(o, "third", 1.0 / 3));
    assert_true(jb_json_put_u64(o, "exact", (uint64_t)1 << 53));
    assert_true(jb_json_put_u64(o, "beyond", ((uint64_t)1 << 53) + 1));
    assert_true(jb_json_put_bool(o, "yes", true));
    assert_true(jb_json_put_null(o, "none"));
    cJSON *list = jb_json_put_array(o, "list");
    assert_true(jb_json_put_f64(list, NULL, 0.1));
    assert_true(jb_json_put_bool(jb_json_put_object(o, "sub"), "in", false));
    assert_false(jb_json_put_f64(NULL, "x", 1));
    assert_null(jb_json_put_object(NULL, "x"));
    char *text = jb_json_canonical(o);
    assert_string_equal(text, "{\"beyond\":\"9007199254740993\",\"exact\":9007199254740992,\"inf\":null,\"list\":[0.1],\"nan\":null,\"none\":null,"
                              "\"s\":\"\xef\xbf\xbd\",\"sn\":null,\"sub\":{\"in\":false},\"third\":0.3333333333333333,\"yes\":true}");
    free(text);
    cJSON_Delete(o);
}

static void numbers_read_back_equal(void **state)
{
    (void)state;
    struct jb_rng r;
    jb_rng_seed(&r, 1);
    static const double special[] = {5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e15, 1e16, 123456789012345680.0, 0.1, 1e-7, 4503599627370497.5};
    for (size_t i = 0; i < 20000; i++) {
        double v = 0;
        uint64_t bits = jb_rng_u64(&r);
        memcpy(&v, &bits, sizeof v);
        if (i < sizeof special / sizeof special[0]) v = special[i];
        if (!isfinite(v)) continue;
        cJSON *n = cJSON_CreateNumber(v);
        char *text = jb_json_canonical(n);
        double back = strtod(text, NULL);
        if (back != v) fail_msg("%a became %s", v, text);
        struct jb_json_doc doc = parse(text);
        jb_json_close(&doc);
        if (i == 0) assert_string_equal(text, "5e-324");
        free(text);
        cJSON_Delete(n);
    }
}

static void absurd_trees_fail_to_print(void **state)
{
    (void)state;
    cJSON *root = cJSON_CreateArray(), *at = root;
    for (int i = 0; i < 300; i++) at = jb_json_put_array(at, NULL);
    assert_null(jb_json_pretty(root));
    cJSON_Delete(root);
}

static void files(void **state)
{
    (void)state;
    char path[] = "build/json_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs("{\"a\": 1}\n", f);
    fclose(f);
    struct jb_json_doc doc;
    struct jb_err err;
    assert_int_equal(jb_json_read(&doc, path, 100, &err), JB_OK);
    assert_string_equal(doc.name, path);
    jb_json_close(&doc);
    assert_int_equal(jb_json_read(&doc, path, 8, &err), JB_E_RANGE);
    remove(path);
    assert_int_equal(jb_json_read(&doc, path, 100, &err), JB_E_NOT_FOUND);
}

// A quick fuzz on top of the real one: no mutation of a valid text may crash, and what is accepted prints and reads back alike.
static void mutations(void **state)
{
    (void)state;
    static const char seed_text[] = "{\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude00\"], \"b\": {\"c\": null, \"d\": true}}";
    struct jb_rng r;
    jb_rng_seed(&r, 2);
    for (int round = 0; round < 30000; round++) {
        char text[sizeof seed_text];
        memcpy(text, seed_text, sizeof text);
        size_t n = sizeof text - 1;
        for (uint64_t k = jb_rng_below(&r, 4); k > 0; k--) text[jb_rng_below(&r, n)] = (char)jb_rng_u64(&r);
        if (jb_rng_below(&r, 4) == 0) n = jb_rng_below(&r, n);
        struct jb_json_doc doc, again;
        if (jb_json_parse(&doc, "m", text, n, NULL) != JB_OK) continue;
        char *one = jb_json_canonical(doc.root);
        assert_int_equal(jb_json_parse(&again, "m", one, strlen(one), NULL), JB_OK);
        char *two = jb_json_canonical(again.root);
        assert_string_equal(one, two);
        free(one);
        free(two);
        jb_json_close(&doc);
        jb_json_close(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_read), cmocka_unit_test(bad_grammar_is_refused_with_its_place), cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(bad_strings_are_refused), cmocka_unit_test(embedded_nul_is_refused), cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(depth_is_limited), cmocka_unit_test(lines_are_found), cmocka_unit_test(unknown_keys_name_line_and_choice),
        cmocka_unit_test(typed_reads), cmocka_unit_test(typed_refusals), cmocka_unit_test(canonical_text), cmocka_unit_test(pretty_text),
        cmocka_unit_test(writers), cmocka_unit_test(numbers_read_back_equal), cmocka_unit_test(absurd_trees_fail_to_print), cmocka_unit_test(files),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
