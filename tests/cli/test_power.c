// Measured commands as text and JSON: what is modelled is never called energy, what is missing is never 0.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/power_runs.h"

static struct jb_joules joules(enum jb_energy_class cls, double uj, double half)
{
    struct jb_joules j = { .cls = cls, .uj = uj, .lower_uj = uj - half, .upper_uj = uj + half, .window_ns = 500000000u };
    snprintf(j.source, sizeof j.source, "%s", cls == JB_ENERGY_MODELLED ? "guest-rapl" : "powercap");
    snprintf(j.domains, sizeof j.domains, "package-0");
    return j;
}

// Three repetitions of 2, 3 and 4 J above 1 J of idle.
struct made { struct cli_run run[3]; struct cli_runs r; };

static void make(struct made *m, enum jb_energy_class cls)
{
    static char *argv[] = { "prog\033ram", "b\xff", NULL };
    memset(m, 0, sizeof *m);
    m->r = (struct cli_runs){ .argv = argv, .repetitions = 3, .run = m->run, .n = 3, .idle_s = 1, .has_idle = true, .why = { "none", "no meter" } };
    m->r.idle_before = m->r.idle_after = joules(cls, 1e6, 1e4);
    jb_joules_idle(&m->r.idle_before, &m->r.idle_after, &m->r.idle, &m->r.drift);
    for (int i = 0; i < 3; i++) {
        m->run[i].gross = joules(cls, (2 + i) * 1e6, 1e5);
        m->run[i].net = jb_joules_net(&m->run[i].gross, &m->r.idle);
        m->run[i].time_ns = 500000000u;
    }
}

static char *text_of(const struct cli_runs *r)
{
    struct jb_str s = { 0 };
    cli_runs_text(r, &s);
    assert_false(s.failed);
    return s.s;
}

static void bounds_bear_their_digits(void **state)
{
    (void)state;
    static const struct { double v, lower, upper; const char *unit, *want; } CASES[] = {
        { 12.3456, 12.3, 12.4, "J", "12.35 J [12.30, 12.40]" },
        { 12.3456, 12.345, 12.346, "J", "12.3456 J [12.3450, 12.3460]" },
        { 0.0123, 0.0003, 0.02, "W", "12.3 mW [0.3, 20.0]" },
        { 1500, 1400, 1600, "J", "1.50 kJ [1.40, 1.60]" },
        { 999.6, NAN, NAN, "J", "1.00 kJ" },
        { 0, 0, 0, "J", "0 J [0, 0]" },
        { -0.5, -1, 2, "J", "-0.50 J [-1.00, 2.00]" },
        { 250, 0, 900, "W", "250 W [0, 900]" },
        { -1e-6, -0.20224, 0.20224, "J", "0 mJ [-203, 203]" },
        { 20, 18.04, 21.96, "W", "20.0 W [18.0, 22.0]" },
        { 20, 17.96, 22.04, "W", "20.0 W [17.9, 22.1]" },
        { 3e-9, NAN, NAN, "J", "3.00 nJ" },
        { NAN, 1, 2, "J", "n/a" },
        { INFINITY, 1, 2, "J", "n/a" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct jb_str s = { 0 };
        cli_power_add_bounds(&s, CASES[i].v, CASES[i].lower, CASES[i].upper, CASES[i].unit);
        assert_string_equal(jb_str_get(&s), CASES[i].want);
        jb_str_free(&s);
    }
    struct jb_str s = { 0 };
    cli_power_add_range(&s, 0.0125, 0.0135, "J");
    assert_string_equal(jb_str_get(&s), "12.5 to 13.5 mJ");
    jb_str_free(&s);
}

static void means(void **state)
{
    (void)state;
    struct made m;
    struct cli_stat t;
    make(&m, JB_ENERGY_MEASURED);
    assert_int_equal(cli_runs_stat(&m.r, CLI_GROSS_UJ, &t), 0);
    assert_true(t.n == 3 && t.mean == 3e6 && t.lower == 2.9e6 && t.upper == 3.1e6);
    assert_true(fabs(t.ci95.upper - (3e6 + 4.302652729749461 * 1e6 / sqrt(3))) < 1); // t of 2 degrees of freedom
    assert_int_equal(cli_runs_stat(&m.r, CLI_NET_UJ, &t), 0);
    assert_true(fabs(t.mean - 2e6) < 1e-3);
    assert_int_equal(cli_runs_stat(&m.r, CLI_GROSS_W, &t), 0);
    assert_true(fabs(t.mean - 6) < 1e-9);
    assert_int_equal(cli_runs_stat(&m.r, CLI_EDP_JS, &t), 0);
    assert_true(fabs(t.mean - 1.5) < 1e-9);
    // One that failed is left out, and named.
    m.run[1].gross = jb_joules_none("powercap", "ambiguous wrap");
    assert_int_equal(cli_runs_stat(&m.r, CLI_GROSS_UJ, &t), 0);
    assert_true(t.n == 2 && t.mean == 3e6);
    assert_string_equal(cli_runs_missing(&m.r, false), "ambiguous wrap");
    char *text = text_of(&m.r);
    assert_non_null(strstr(text, "in some repetitions: ambiguous wrap"));
    free(text);
    m.r.n = 0;
    assert_int_equal(cli_runs_stat(&m.r, CLI_GROSS_UJ, &t), 0);
    assert_true(t.n == 0 && isnan(t.mean));
}

static void modelled_is_no_energy(void **state)
{
    (void)state;
    struct made m;
    make(&m, JB_ENERGY_MODELLED);
    char *text = text_of(&m.r);
    assert_non_null(strstr(text, "  energy         none: under a hypervisor"));
    assert_non_null(strstr(text, "  modelled       3.00 J [2.90, 3.10]"));
    assert_non_null(strstr(text, "  modelled net  "));
    assert_null(strstr(text, "  net of idle"));
    assert_null(strstr(text, "  power  "));
    assert_null(strstr(text, "  energy-delay"));
    assert_non_null(strstr(text, "  idle           modelled 2.00 W ["));
    // Every figure of energy or power stands in a line that says modelled.
    for (char *save = NULL, *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save))
        assert_true(strstr(row, "modelled") || (!strstr(row, " J") && !strstr(row, " W")));
    free(text);
    cJSON *root = cli_runs_json(&m.r);
    const cJSON *energy = cJSON_GetObjectItem(root, "energy"), *modelled = cJSON_GetObjectItem(root, "energy_modelled");
    assert_string_equal(cJSON_GetObjectItem(energy, "class")->valuestring, "none");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(energy, "gross_uj")) && cJSON_IsNull(cJSON_GetObjectItem(energy, "edp_js")));
    assert_non_null(strstr(cJSON_GetObjectItem(energy, "reason")->valuestring, "hypervisor"));
    assert_string_equal(cJSON_GetObjectItem(modelled, "class")->valuestring, "modelled");
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(modelled, "gross_uj"), "mean")->valuedouble == 3e6);
    const cJSON *run = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "runs"), 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "energy"), "uj")));
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "net_modelled"), "uj")->valuedouble > 0);
    cJSON_Delete(root);
}

static void nothing_is_not_0(void **state)
{
    (void)state;
    struct made m;
    make(&m, JB_ENERGY_NONE);
    for (int i = 0; i < 3; i++)
        m.run[i].gross = m.run[i].net = jb_joules_none("none", "no sensor");
    char *text = text_of(&m.r);
    assert_non_null(strstr(text, "  energy         none: no sensor\n"));
    assert_null(strstr(text, " J"));
    assert_null(strstr(text, " W"));
    free(text);
    cJSON *root = cli_runs_json(&m.r);
    const cJSON *energy = cJSON_GetObjectItem(root, "energy"), *run = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "runs"), 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(energy, "gross_uj")) && cJSON_IsNull(cJSON_GetObjectItem(energy, "gross_w")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "energy"), "uj")));
    cJSON_Delete(root);
}

static void hostile_words(void **state)
{
    (void)state;
    struct made m;
    make(&m, JB_ENERGY_MEASURED);
    char *text = text_of(&m.r);
    assert_non_null(strstr(text, "joulebench power measure: prog?ram b"));
    assert_null(strchr(text, '\033'));
    free(text);
    cJSON *root = cli_runs_json(&m.r);
    char *line = jb_json_canonical(root);
    struct jb_json_doc doc;
    assert_int_equal(jb_json_parse(&doc, "own", line, strlen(line), NULL), 0); // strict: refuses bytes that are no UTF-8
    assert_null(strchr(line, '\n'));
    jb_json_close(&doc);
    free(line);
    cJSON_Delete(root);
}

static void warnings(void **state)
{
    (void)state;
    struct made m;
    make(&m, JB_ENERGY_MEASURED);
    char *text = text_of(&m.r);
    assert_null(strstr(text, "warning"));
    free(text);
    m.r.drift = true;
    m.run[2].contaminated = true;
    m.run[2].others = (struct jb_cputime_span){ .known = true, .share = 0.5, .share_least = 0.4 };
    text = text_of(&m.r);
    assert_non_null(strstr(text, "drifted"));
    assert_non_null(strstr(text, "contaminated: in 1 of 3 repetitions others used more than 10 % of the machine (up to 40 %)"));
    free(text);
    assert_int_equal(cli_runs_contaminated(&m.r), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_bear_their_digits), cmocka_unit_test(means), cmocka_unit_test(modelled_is_no_energy), cmocka_unit_test(nothing_is_not_0),
        cmocka_unit_test(hostile_words), cmocka_unit_test(warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
