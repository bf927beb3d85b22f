// The arena, empty cells, and results.json there and back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/json.h"
#include "tests/reports/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void arena_holds_strings_and_arrays(void **state)
{
    (void)state;
    struct jb_result *r = NULL;
    assert_int_equal(jb_result_open(&r), 0);
    assert_null(jb_result_str(r, NULL));
    const char *first = jb_result_str(r, "first");
    double *big = jb_result_array(r, 100000, sizeof *big);
    assert_non_null(big);
    assert_true((uintptr_t)big % _Alignof(max_align_t) == 0);
    for (size_t i = 0; i < 100000; i++)
        assert_true(big[i] == 0);
    for (int i = 0; i < 20000; i++)
        assert_non_null(jb_result_strf(r, "number %d", i));
    assert_string_equal(first, "first");
    assert_string_equal(jb_result_strf(r, "%s-%d", "a", 7), "a-7");
    assert_null(jb_result_array(r, SIZE_MAX / 2, 16));
    assert_non_null(jb_result_array(r, 0, 8));
    jb_result_close(r);
    jb_result_close(NULL);
}

static void an_empty_cell_has_no_figures(void **state)
{
    (void)state;
    struct jb_result_cell c;
    jb_result_cell_init(&c);
    assert_true(isnan(c.threshold) && isnan(c.accuracy.value) && isnan(c.latency_mean_ns) && isnan(c.macs_mean) && isnan(c.regret_macs) && isnan(c.load_ns));
    assert_true(isnan(c.exits[15].macs) && isnan(c.thresholds[15]) && c.n_exits == 0);
    assert_int_equal(c.energy.cls, JB_ENERGY_NONE);
    assert_string_equal(c.energy.reason, "not measured");
    assert_true(isnan(c.energy.gross_uj) && isnan(c.energy.per_correct_uj));
}

// Writes, reads, writes again: the two files must be the same byte for byte, whatever the texts hold.
static void there_and_back(struct jb_result *r)
{
    char dir[256], path[300];
    struct jb_err err = {0};
    struct jb_result *back = NULL;
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    if (jb_result_read(&back, path, &err))
        fail_msg("%s", err.detail);
    snprintf(path, sizeof path, "%s/b.json", dir);
    assert_int_equal(jb_result_write(back, path, &err), 0);
    char *a = jb_slurp(dir, "a.json"), *b = jb_slurp(dir, "b.json");
    assert_string_equal(a, b);
    assert_int_equal(back->n_cells, r->n_cells);
    assert_int_equal(back->cells[9].exit_histogram[1], r->cells[9].exit_histogram[1]);
    assert_true(back->cells[3].latency_mean_ns == r->cells[3].latency_mean_ns);
    free(a);
    free(b);
    jb_result_close(back);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void round_trip(void **state)
{
    (void)state;
    there_and_back(jb_fixture_open(JB_FIXTURE_NO_ENERGY));
    there_and_back(jb_fixture_open(JB_FIXTURE_REPLAYED));
    there_and_back(jb_fixture_hostile());
}

// A cell of a language model has all of its keys; its neighbour has none of them, and says why.
static void round_trip_of_language(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY), *back = NULL;
    struct jb_err err = {0};
    struct jb_result_language l = {.kv = "int8", .fill = "frozen", .prompt = 1000, .committed = 640, .drafted = NAN, .ttft = {3e7, 2.5e7, 6e7, NAN, 10}, .tpot = {5e6, 4.9e6, 6e6, 7e6, 640},
        .ppl = {21.5, 20.25, 22.75, 2560}, .deferred_macs = 1e6, .deferred_bytes = 5e5};
    r->cells[0].language = l;
    r->cells[0].unit = "token";
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    if (jb_result_read(&back, path, &err)) fail_msg("%s", err.detail);
    const struct jb_result_language *b = &back->cells[0].language;
    assert_string_equal(b->kv, "int8");
    assert_string_equal(b->fill, "frozen");
    assert_true(b->prompt == 1000 && b->committed == 640 && isnan(b->drafted) && b->ttft.mean == 3e7 && b->ttft.p90 == 6e7 && isnan(b->ttft.p99) && b->ttft.n == 10);
    assert_true(b->tpot.p50 == 4.9e6 && b->tpot.n == 640 && b->ppl.value == 21.5 && b->ppl.lower == 20.25 && b->ppl.upper == 22.75 && b->ppl.n == 2560);
    assert_true(b->deferred_macs == 1e6 && b->deferred_bytes == 5e5);
    assert_true(!back->cells[1].language.kv && isnan(back->cells[1].language.ppl.value) && back->cells[1].language.tpot.n == 0);
    char *text = jb_slurp(dir, "a.json");
    assert_non_null(strstr(text, "\"ttft_ns.p99\": \"no performance pass, or too few sequences to support it\""));
    assert_non_null(strstr(text, "\"kv\": \"not a language model\""));
    free(text);
    jb_result_close(back);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void round_trip_of_percentiles_and_counts(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY), *back = NULL;
    struct jb_err err = {0};
    struct jb_percentile *p = jb_result_array(r, 5, sizeof *p);
    p[0] = (struct jb_percentile){0.5, 10, NULL};
    p[1] = (struct jb_percentile){0.9, 20, NULL};
    p[2] = (struct jb_percentile){0.99, NAN, "too few"};
    p[3] = (struct jb_percentile){0.999, 40, NULL};
    p[4] = (struct jb_percentile){0.975, 30, NULL};
    r->cells[0].percentiles = p;
    r->cells[0].n_percentiles = 5;
    r->cells[0].n_queries = ((uint64_t)1 << 60) + 1;
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    assert_int_equal(jb_result_read(&back, path, &err), 0);
    const struct jb_result_cell *c = &back->cells[0];
    assert_int_equal(c->n_percentiles, 5);
    assert_true(c->percentiles[3].p == 0.999 && c->percentiles[3].ns == 40 && c->percentiles[4].p == 0.975);
    assert_true(isnan(c->percentiles[2].ns));
    assert_string_equal(c->percentiles[2].reason, "too few");
    assert_true(c->n_queries == ((uint64_t)1 << 60) + 1);
    jb_result_close(back);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// No null in a cell without a reason for it.
static size_t nulls_without_reason(const cJSON *value, const char *prefix, const cJSON *reasons)
{
    size_t n = 0;
    for (const cJSON *i = value->child; i; i = i->next) {
        char path[200];
        snprintf(path, sizeof path, i->string ? "%s%s%s" : "%s[]%s%s", prefix, *prefix && i->string ? "." : "", i->string ? i->string : "");
        if (strcmp(path, "reasons") == 0 || strcmp(path, "reason") == 0 || strncmp(path, "energy", 6) == 0)
            continue;
        if (cJSON_IsNull(i) && !cJSON_IsString(cJSON_GetObjectItemCaseSensitive(reasons, path))) {
            print_message("no reason for %s\n", path);
            n++;
        }
        n += nulls_without_reason(i, path, reasons);
    }
    return n;
}

static void every_null_has_a_reason(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    struct jb_json_doc doc;
    struct jb_err err = {0};
    struct jb_kv own = {"memory.peak_rss_bytes", "/proc is not mounted"};
    r->cells[0].peak_rss_bytes = NAN;
    r->cells[0].reasons = &own;
    r->cells[0].n_reasons = 1;
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    assert_int_equal(jb_json_read(&doc, path, 1 << 28, &err), 0);
    const cJSON *cell;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(doc.root, "cells"))
    {
        const cJSON *reasons = cJSON_GetObjectItem(cell, "reasons"), *energy = cJSON_GetObjectItem(cell, "energy");
        assert_int_equal(nulls_without_reason(cell, "", reasons), 0);
        assert_true(cJSON_IsNull(cJSON_GetObjectItem(energy, "gross_uj")));
        assert_true(cJSON_IsString(cJSON_GetObjectItem(energy, "reason")));
    }
    cell = cJSON_GetArrayItem(cJSON_GetObjectItem(doc.root, "cells"), 0);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(cell, "reasons"), own.name)->valuestring, own.value);
    jb_json_close(&doc);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// Files of versions before these keys are read; what they do not say is not there, and not 0 where a figure is meant.
static void older_files_are_read(void **state)
{
    (void)state;
    static const char *const GONE[] = {"per_correct_lower_uj", "per_correct_upper_uj", "power_w", "idle_w", "idle_lower_w", "idle_upper_w", "edp_uj_ms", "half_width",
        "half_width_target", "windows", "windows_failed", "drift_windows", "stopped", "remark"};
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED), *back = NULL;
    struct jb_json_doc doc;
    struct jb_err err = {0};
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    assert_int_equal(jb_json_read(&doc, path, 1 << 28, &err), 0);
    cJSON_DeleteItemFromObjectCaseSensitive(doc.root, "power");
    cJSON *cell;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(doc.root, "cells"))
    {
        cJSON_DeleteItemFromObjectCaseSensitive(cell, "others_cpu");
        for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++)
            cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItem(cell, "energy"), GONE[i]);
    }
    char *text = jb_json_pretty(doc.root);
    assert_int_equal(jb_write_file_atomic(path, text, strlen(text), &err), 0);
    if (jb_result_read(&back, path, &err))
        fail_msg("%s", err.detail);
    assert_false(back->power.known);
    assert_true(isfinite(back->cells[0].energy.gross_uj) && isnan(back->cells[0].energy.idle_w) && isnan(back->cells[0].energy.half_width) && isnan(back->cells[0].others.share));
    free(text);
    jb_json_close(&doc);
    jb_result_close(back);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void the_meter_comes_back(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED), *back = NULL;
    struct jb_err err = {0};
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    for (int pinned = 0; pinned < 2; pinned++) {
        r->power.sampler.cpu = pinned ? 3 : -1;
        assert_int_equal(jb_result_write(r, path, &err), 0);
        assert_int_equal(jb_result_read(&back, path, &err), 0);
        assert_true(back->power.known && back->power.cls == JB_ENERGY_REPLAYED && back->power.ceiling_w == 112 && back->power.update_ns == 1050000);
        assert_string_equal(back->power.ceiling_from, "4x the largest constraint");
        assert_true(back->power.sampler.there && back->power.sampler.reads == 12 && back->power.sampler.cpu == (pinned ? 3 : -1));
        const struct jb_result_cell *c = &back->cells[2];
        assert_true(c->others.contaminated == 1 && c->others.repeated == 4 && c->others.share == 0.31);
        assert_int_equal(back->cells[1].energy.drift_windows, 2);
        assert_int_equal(back->cells[0].energy.windows_failed, 1);
        assert_string_equal(back->cells[3].energy.stopped, "target reached");
        assert_true(isnan(back->cells[3].energy.net_uj) && back->cells[3].energy.reason);
        jb_result_close(back);
    }
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void modelled_energy_is_never_written_as_measured(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED), *back = NULL;
    struct jb_err err = {0};
    r->cells[0].energy.cls = JB_ENERGY_MODELLED;
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    assert_int_equal(jb_result_read(&back, path, &err), 0);
    assert_int_equal(back->cells[0].energy.cls, JB_ENERGY_NONE);
    assert_true(isnan(back->cells[0].energy.gross_uj));
    assert_non_null(strstr(back->cells[0].energy.reason, "modelled"));
    jb_result_close(back);
    jb_result_close(r);
    jb_temp_remove(dir);
}

// Replaces the first `from` by `to` and expects an error that names the file, a line and `word`.
static void refuse(const char *text, const char *from, const char *to, const char *word)
{
    char dir[256], path[300];
    struct jb_result *r = NULL;
    struct jb_err err = {0};
    const char *at = strstr(text, from);
    assert_non_null(at);
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/bad.json", dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(text, 1, (size_t)(at - text), f);
    fputs(to, f);
    fputs(at + strlen(from), f);
    fclose(f);
    assert_int_not_equal(jb_result_read(&r, path, &err), 0);
    assert_null(r);
    if (!strstr(err.detail, "bad.json") || !strstr(err.detail, word))
        fail_msg("\"%s\" does not say bad.json and %s", err.detail, word);
    jb_temp_remove(dir);
}

static void the_reader_is_strict(void **state)
{
    (void)state;
    char dir[256], path[300];
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    struct jb_err err = {0};
    r->power.cls = JB_ENERGY_MEASURED; // so that the first "replayed" is a cell's
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/a.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    char *s = jb_slurp(dir, "a.json");
    refuse(s, "\"class\": \"measured\"", "\"class\": \"guessed\"", "class");
    refuse(s, "\"ceiling_w\": ", "\"ceiling_w\": -", "ceiling_w");
    refuse(s, "\"left_out\"", "\"left_in\"", "left_in");
    refuse(s, "\"half_width\": ", "\"half_width\": -", "half_width");
    refuse(s, "\"contaminated\": 0", "\"contaminated\": -1", "contaminated");
    refuse(s, "joulebench.results/1", "joulebench.results/2", "joulebench.results/2");
    refuse(s, "\"complete\"", "\"completed\"", "completed");
    refuse(s, "\"key\"", "\"kee\"", "kee");
    refuse(s, "\"status\": \"valid\"", "\"status\": \"fine\"", "status");
    refuse(s, "\"throughput_per_s\": ", "\"throughput_per_s\": -", "throughput_per_s");
    refuse(s, "\"threads\": 1", "\"threads\": 1.5", "threads");
    refuse(s, "\"p50\"", "\"p5x\"", "p5x");
    refuse(s, "\"class\": \"replayed\"", "\"class\": \"modelled\"", "class");
    refuse(s, "\"class\": \"replayed\"", "\"class\": \"none\"", "gross_uj");
    refuse(s, "\"tokens\": null", "\"tokens\": 1", "tokens");
    refuse(s, "\"exits\": [", "\"exits\": [{}, ", "exits");
    refuse(s, "\"load_ns\"", "\"load_ms\"", "load_ms");
    refuse(s, "\n}\n", "\n}]\n", "bad.json");
    s[strlen(s) / 2] = '\0';
    refuse(s, "joulebench.results/1", "joulebench.results/1", "bad.json");
    free(s);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    struct jb_result *r = NULL;
    struct jb_err err = {0};
    assert_int_not_equal(jb_result_read(&r, "/nonexistent/results.json", &err), 0);
    assert_non_null(strstr(err.detail, "/nonexistent/results.json"));
    r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    assert_int_not_equal(jb_result_write(r, "/nonexistent/results.json", &err), 0);
    assert_non_null(strstr(err.detail, "/nonexistent/results.json"));
    jb_result_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_holds_strings_and_arrays), cmocka_unit_test(an_empty_cell_has_no_figures), cmocka_unit_test(round_trip),
        cmocka_unit_test(round_trip_of_language),
        cmocka_unit_test(round_trip_of_percentiles_and_counts), cmocka_unit_test(every_null_has_a_reason),
        cmocka_unit_test(modelled_energy_is_never_written_as_measured), cmocka_unit_test(older_files_are_read), cmocka_unit_test(the_meter_comes_back), cmocka_unit_test(the_reader_is_strict), cmocka_unit_test(missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
