// The history file: what is appended is read again, what is torn is left out, hostile texts stay texts.
#include <fcntl.h>
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
#include "reports/history.h"
#include "tests/reports/comparison_fixture.h"
#include "tests/reports/fixture.h"

static char dir[256], path[300];

static int setup(void **state)
{
    (void)state;
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/history.jsonl", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(dir);
    return 0;
}

static void append_text(const char *text)
{
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void gates_are_read_again(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct jb_history h;
    struct jb_comparison *c = jb_comparison_fixture(true);
    for (int i = 0; i < 3; i++) assert_int_equal(jb_history_append_gate(path, c, &err), 0);
    assert_int_equal(jb_history_read(&h, path, &err), 0);
    assert_int_equal(h.n, 3);
    assert_int_equal(h.torn, 0);
    assert_string_equal(h.entries[0].kind, "gate");
    assert_string_equal(h.entries[2].verdict, jb_verdict_name(c->verdict));
    size_t gated = 0, seen = 0;
    for (size_t i = 0; i < c->n_cells; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (!m->gated) continue;
            gated++;
            for (size_t v = 0; v < h.entries[0].n_values; v++) {
                const struct jb_history_value *x = &h.entries[0].values[v];
                bool same = !strcmp(x->metric, m->name) && !strcmp(x->cell, c->cells[i].label_candidate) && (x->value == m->candidate || (isnan(x->value) && isnan(m->candidate)));
                seen += same && !strcmp(x->verdict, jb_verdict_name(m->verdict));
            }
        }
    assert_true(gated > 0);
    assert_int_equal(h.entries[0].n_values, gated);
    assert_int_equal(seen, gated);
    jb_history_free(&h);
    jb_comparison_close(c);
}

static void baselines_are_read_again(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct jb_history h;
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    assert_int_equal(jb_history_append_record(path, r, &err), 0);
    assert_int_equal(jb_history_read(&h, path, &err), 0);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.entries[0].kind, "record");
    assert_true(h.entries[0].n_values > 0);
    assert_null(h.entries[0].values[0].verdict);
    jb_history_free(&h);
    jb_result_close(r);
}

static void torn_lines_cost_nothing_else(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct jb_history h;
    struct jb_comparison *c = jb_comparison_fixture(true);
    assert_int_equal(jb_history_append_gate(path, c, &err), 0);
    append_text("{\"schema\":\"joulebench.history/1\",\"kind\":\"ga"); // a crash
    assert_int_equal(jb_history_append_gate(path, c, &err), 0);
    append_text("[1]\n{}\nnull\n{\"schema\":\"joulebench.history/1\",\"kind\":1,\"time\":\"x\",\"values\":[]}\n{\"schema\":\"joulebench.history/1\",\"kind\":\"gate\",\"time\":\"x\",\"values\":[{\"cell\":1},{\"cell\":\"a\",\"metric\":\"b\",\"value\":\"1e999\"}]}\n");
    assert_int_equal(jb_history_read(&h, path, &err), 0);
    assert_int_equal(h.n, 3);
    assert_int_equal(h.torn, 5);
    assert_int_equal(h.entries[2].n_values, 1);
    assert_true(isnan(h.entries[2].values[0].value));
    struct jb_str page = {0}, table = {0};
    assert_int_equal(jb_history_html(&h, &page), 0);
    assert_int_equal(jb_history_markdown(&h, &table), 0);
    assert_non_null(strstr(jb_str_get(&page), "5 lines could not be read"));
    assert_non_null(strstr(jb_str_get(&table), "5 lines could not be read"));
    jb_str_free(&page);
    jb_str_free(&table);
    jb_history_free(&h);
    jb_comparison_close(c);
}

static void nothing_is_no_history(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct jb_history h;
    assert_true(jb_history_read(&h, path, &err) < 0);
    append_text("\n\nnot a line\n");
    assert_int_equal(jb_history_read(&h, path, &err), JB_E_INVALID);
}

static void hostile_texts_stay_texts(void **state)
{
    (void)state;
    struct jb_err err = {0};
    struct jb_history h;
    struct jb_str page = {0}, table = {0};
    struct jb_comparison *c = jb_comparison_fixture_hostile();
    assert_int_equal(jb_history_append_gate(path, c, &err), 0);
    append_text("{\"schema\":\"joulebench.history/1\",\"kind\":\"gate\",\"time\":\"<i>\",\"git\":\"</title><script>x\",\"values\":[{\"cell\":\"<script>|\\n`x`\",\"metric\":\"\\\"><img src=x>\",\"value\":1,\"verdict\":\"<b>\"}]}\n");
    assert_int_equal(jb_history_read(&h, path, &err), 0);
    assert_int_equal(h.n, 2);
    assert_int_equal(jb_history_html(&h, &page), 0);
    assert_int_equal(jb_history_markdown(&h, &table), 0);
    assert_null(strstr(jb_str_get(&page), "<script"));
    assert_null(strstr(jb_str_get(&page), "<img"));
    assert_null(strstr(jb_str_get(&page), "<i>"));
    assert_null(strstr(jb_str_get(&page), "<b>"));
    for (const char *p = jb_str_get(&table); (p = strchr(p, '<')); p++) assert_int_equal(p[-1], '\\'); // escaped
    assert_null(strstr(jb_str_get(&page), "nan"));
    jb_str_free(&page);
    jb_str_free(&table);
    jb_history_free(&h);
    jb_comparison_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gates_are_read_again, setup, teardown),         cmocka_unit_test_setup_teardown(baselines_are_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_lines_cost_nothing_else, setup, teardown), cmocka_unit_test_setup_teardown(nothing_is_no_history, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_texts_stay_texts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
