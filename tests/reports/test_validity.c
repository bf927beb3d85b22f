// The run's checks and the cells' blocks in results.json: there and back, and what the strict reader refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/codec.h"
#include "tests/reports/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const struct jb_result *r)
{
    cJSON *root = jb_result_to_json(r);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    assert_non_null(text);
    return text;
}

// Two checks and blocks of two cells, every field another value; the rest of the fixture knows of no checks.
static struct jb_result *judged(void)
{
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    struct jb_result_check *c = jb_result_array(r, 3, sizeof *c);
    assert_non_null(c);
    c[0] = (struct jb_result_check){"other_cpu", "fail", "end other programs", 0.25, 0.1};
    c[1] = (struct jb_result_check){"steal", "unknown", NULL, NAN, 0.05};
    c[2] = (struct jb_result_check){"throttling", "pass", NULL, 3, NAN}; // not judged by a number
    r->validity = (struct jb_result_validity){"INVALID", c, 3};
    r->cells[0].blocks = (struct jb_result_blocks){true, 5, 3, "other_cpu 2, steal 1", "after 15 of 40 blocks: as narrow as asked", 0.975, 333333, "steady after 12 ms"};
    r->cells[1].blocks = (struct jb_result_blocks){true, 0, 0, NULL, NULL, NAN, NAN, NULL};
    r->cells[2].blocks.known = false;
    return r;
}

static void there_and_back(void **state)
{
    (void)state;
    struct jb_result *r = judged(), *back = NULL;
    struct jb_err err = {0};
    char *text = text_of(r);
    if (jb_result_parse(&back, "a.json", text, strlen(text), &err))
        fail_msg("%s", err.detail);
    const struct jb_result_validity *v = &back->validity;
    assert_string_equal(v->verdict, "INVALID");
    assert_int_equal(v->n_checks, 3);
    assert_string_equal(v->checks[0].name, "other_cpu");
    assert_string_equal(v->checks[0].verdict, "fail");
    assert_string_equal(v->checks[0].what_to_do, "end other programs");
    assert_true(v->checks[0].observed == 0.25 && v->checks[0].limit == 0.1);
    assert_true(isnan(v->checks[1].observed) && v->checks[1].limit == 0.05 && !v->checks[1].what_to_do);
    assert_true(v->checks[2].observed == 3 && isnan(v->checks[2].limit));
    const struct jb_result_blocks *b = &back->cells[0].blocks;
    assert_true(b->known && b->invalid == 5 && b->left_out == 3 && b->confidence == 0.975 && b->reference_ns == 333333);
    assert_string_equal(b->reasons, "other_cpu 2, steal 1");
    assert_string_equal(b->stopped, "after 15 of 40 blocks: as narrow as asked");
    assert_string_equal(b->warm_up, "steady after 12 ms");
    b = &back->cells[1].blocks;
    assert_true(b->known && !b->invalid && !b->left_out && !b->reasons && !b->stopped && isnan(b->confidence) && isnan(b->reference_ns) && !b->warm_up);
    assert_false(back->cells[2].blocks.known);
    char *again = text_of(back);
    assert_string_equal(text, again);
    free(text);
    free(again);
    jb_result_close(back);
    jb_result_close(r);
}

// Files of versions before the checks have neither key.
static void older_files_are_read(void **state)
{
    (void)state;
    struct jb_result *r = judged(), *back = NULL;
    struct jb_err err = {0};
    cJSON *root = jb_result_to_json(r);
    cJSON_DeleteItemFromObjectCaseSensitive(root, "validity");
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "cells"), 0), "blocks");
    char *text = jb_json_pretty(root);
    cJSON_Delete(root);
    if (jb_result_parse(&back, "old.json", text, strlen(text), &err))
        fail_msg("%s", err.detail);
    assert_true(!back->validity.verdict && !back->validity.n_checks && !back->cells[0].blocks.known && back->cells[1].blocks.known);
    free(text);
    jb_result_close(back);
    jb_result_close(r);
}

// Each row: the text of the file with `was` replaced by `now` is refused, and the error names `key`.
static void what_is_refused(void **state)
{
    (void)state;
    static const struct { const char *was, *now, *key; } CASES[] = {
        {"\"verdict\": \"INVALID\"", "\"verdict\": \"valid\"", "verdict"},
        {"\"verdict\": \"INVALID\"", "\"verdict\": null", "verdict"},
        {"\"verdict\": \"fail\"", "\"verdict\": \"failed\"", "verdict"},
        {"\"name\": \"other_cpu\"", "\"name\": 7", "name"},
        {"\"name\": \"other_cpu\"", "\"nome\": \"other_cpu\"", "nome"},
        {"\"observed\": 0.25", "\"observed\": \"0.25\"", "observed"},
        {"\"what_to_do\": \"end other programs\"", "\"what_to_do\": []", "what_to_do"},
        {"\"checks\": [", "\"checks\": {}, \"cheques\": [", "cheques"},
        {"\"left_out\": 3", "\"left_out\": -3", "left_out"},
        {"\"left_out\": 3", "\"left_out\": 3.5", "left_out"},
        {"\"confidence\": 0.975", "\"confidence\": 1.5", "confidence"},
        {"\"reference_ns\": 333333", "\"reference_ns\": -1", "reference_ns"},
        {"\"warm_up\": \"steady after 12 ms\"", "\"warm_up\": 12", "warm_up"},
        {"\"stopped\": \"after 15", "\"ended\": \"after 15", "ended"},
    };
    struct jb_result *r = judged();
    char *text = text_of(r);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct jb_result *back = NULL;
        struct jb_err err = {0};
        const char *at = strstr(text, CASES[i].was);
        if (!at)
            fail_msg("the file has no %s", CASES[i].was);
        size_t n = strlen(text) + 100;
        char *bad = malloc(n);
        snprintf(bad, n, "%.*s%s%s", (int)(at - text), text, CASES[i].now, at + strlen(CASES[i].was));
        int rc = jb_result_parse(&back, "bad.json", bad, strlen(bad), &err);
        if (!rc || back)
            fail_msg("%s was read", CASES[i].now);
        if (!strstr(err.detail, CASES[i].key) || !strstr(err.detail, "bad.json"))
            fail_msg("%s: %s", CASES[i].now, err.detail);
        free(bad);
    }
    free(text);
    jb_result_close(r);
}

// A list without end is no list of checks.
static void too_many_checks(void **state)
{
    (void)state;
    struct jb_result *r = judged(), *back = NULL;
    struct jb_err err = {0};
    struct jb_result_check *c = jb_result_array(r, 65, sizeof *c);
    for (size_t i = 0; i < 65; i++)
        c[i] = r->validity.checks[0];
    r->validity.checks = c;
    r->validity.n_checks = 64;
    char *text = text_of(r);
    assert_int_equal(jb_result_parse(&back, "64", text, strlen(text), &err), 0);
    jb_result_close(back);
    free(text);
    r->validity.n_checks = 65;
    text = text_of(r);
    assert_int_not_equal(jb_result_parse(&back, "65", text, strlen(text), &err), 0);
    free(text);
    jb_result_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(older_files_are_read), cmocka_unit_test(what_is_refused), cmocka_unit_test(too_many_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
