// The table, and each workload through the public interface.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "tests/workloads/files.h"
#include "workloads/text/text_set.h"
#include "workloads/workload.h"

static const struct jb_paths source_tree = { .source_dir = "." }; // tests run from the repository root

static int open_with(struct jb_workload **w, const char *name, const struct jb_workload_param *params, size_t n, struct jb_err *err)
{
    struct jb_workload_opts o = { .paths = &source_tree, .params = params, .n_params = n };
    return jb_workload_open(w, name, &o, err);
}

static void says(int rc, int code, const struct jb_err *err, const char *text)
{
    if (rc != code || !strstr(err->detail, text))
        fail_msg("code %d (wanted %d): \"%s\" lacks \"%s\"", rc, code, err->detail, text);
}

static void every_row_is_whole(void **state)
{
    (void)state;
    size_t n = 0;
    for (; jb_workloads[n]; n++) {
        const struct jb_workload_ops *o = jb_workloads[n];
        assert_non_null(o->name);
        assert_non_null(o->summary);
        assert_non_null(o->options);
        assert_non_null(o->open);
        assert_non_null(o->close);
        assert_true((o->sample && o->score) || o->text); // images, or text
        assert_false(o->sample && o->text);
        o->close(NULL);
    }
    assert_int_equal(n, 7);
    for (int s = 0; s < JB_SPLIT_COUNT; s++)
        assert_int_equal(jb_split_parse(jb_split_name((enum jb_split)s)), s);
    assert_int_equal(jb_split_parse("validation"), -1);
}

static void unknown_names(void **state)
{
    (void)state;
    struct jb_workload *w = NULL;
    struct jb_err err = { 0 };
    says(open_with(&w, "fashoin", NULL, 0, &err), JB_E_NOT_FOUND, &err, "known: fashion, classify, null, synthetic");
    struct jb_workload_param p = { "nz", "1" };
    says(open_with(&w, "null", &p, 1, &err), JB_E_INVALID, &err, "workload null has no parameter \"nz\" (known: ns, n)");
    p = (struct jb_workload_param){ "ns", "12x" };
    says(open_with(&w, "null", &p, 1, &err), JB_E_INVALID, &err, "\"12x\" is no whole number");
    p = (struct jb_workload_param){ "ns", "-1" };
    says(open_with(&w, "null", &p, 1, &err), JB_E_RANGE, &err, "outside 0 to 1000000000");
    p = (struct jb_workload_param){ "n", "99999999999999999999" };
    says(open_with(&w, "null", &p, 1, &err), JB_E_INVALID, &err, "no whole number");
    p = (struct jb_workload_param){ "train", "yes" };
    says(open_with(&w, "fashion", &p, 1, &err), JB_E_INVALID, &err, "neither true nor false");
    assert_null(w);
}

static void fashion_is_there(void **state)
{
    (void)state;
    struct jb_workload *w;
    struct jb_err err = { 0 };
    if (open_with(&w, "fashion", NULL, 0, &err) != 0)
        fail_msg("%s", err.detail);
    const struct jb_workload_info *i = jb_workload_info(w);
    assert_int_equal(i->n[JB_SPLIT_TEST], 10000);
    assert_int_equal(i->n[JB_SPLIT_CALIBRATION], 3000);
    assert_int_equal(i->n[JB_SPLIT_FIT], 2000);
    assert_int_equal(i->n[JB_SPLIT_TRAIN], 0);
    assert_int_equal(i->n_classes, 10);
    assert_true(i->shape.h == 28 && i->shape.w == 28 && i->shape.c == 1);
    assert_string_equal(i->license, "MIT");
    assert_non_null(strstr(i->note, "own split"));
    assert_int_equal(strlen(i->sha256[JB_SPLIT_TEST]), 64);
    assert_string_not_equal(i->sha256[JB_SPLIT_TEST], i->sha256[JB_SPLIT_FIT]);
    assert_string_equal(i->sha256[JB_SPLIT_TRAIN], "");
    assert_true(jb_workload_needs_model(w));
    struct jb_row_input row;
    uint32_t label, count[10] = { 0 };
    for (uint32_t k = 0; k < 10000; k++) {
        assert_int_equal(jb_workload_sample(w, JB_SPLIT_TEST, k, &row, &label), 0);
        assert_true(label < 10);
        count[label]++;
    }
    for (int c = 0; c < 10; c++)
        assert_int_equal(count[c], 1000); // stratified
    assert_int_equal(jb_workload_sample(w, JB_SPLIT_TEST, 10000, &row, &label), JB_E_RANGE);
    assert_int_equal(jb_workload_sample(w, JB_SPLIT_TRAIN, 0, &row, &label), JB_E_RANGE);
    jb_workload_close(w);
}

static void null_takes_its_time(void **state)
{
    (void)state;
    struct jb_workload_param p[] = { { "ns", "200000" }, { "n", "3" } };
    struct jb_workload *w;
    assert_int_equal(open_with(&w, "null", p, 2, NULL), 0);
    assert_false(jb_workload_needs_model(w));
    struct jb_query_result r = { .exit = 7 };
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t start = clock.now_ns(clock.self);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(jb_workload_run(w, i, &r), 0);
    assert_true(clock.now_ns(clock.self) - start >= 10 * 200000);
    assert_true(r.exit == 0 && r.prediction == 0 && r.n_stages == 0);
    struct jb_quality q[4];
    uint32_t index[] = { 2, 1 }, prediction[] = { 0, 0 };
    size_t n;
    assert_int_equal(jb_workload_score(w, JB_SPLIT_TEST, index, prediction, 2, q, 4, &n), 0);
    assert_true(n >= 1 && q[0].value == 1);
    jb_workload_close(w);
}

static void synthetic_is_the_same_everywhere(void **state)
{
    (void)state;
    struct jb_workload_param p[] = { { "h", "6" }, { "w", "5" }, { "c", "2" }, { "classes", "7" }, { "n", "50" }, { "seed", "3" } };
    struct jb_workload *w;
    assert_int_equal(open_with(&w, "synthetic", p, 6, NULL), 0);
    const struct jb_workload_info *i = jb_workload_info(w);
    assert_true(i->shape.h == 6 && i->shape.w == 5 && i->shape.c == 2 && i->n_classes == 7 && i->n[JB_SPLIT_TEST] == 50);
    assert_string_equal(i->sha256[JB_SPLIT_TEST], "a2c616d58e0aac9db7779df646b2cfaf46928cfee004da62ee6275da111669c0");
    assert_string_not_equal(i->sha256[JB_SPLIT_TEST], i->sha256[JB_SPLIT_CALIBRATION]);
    struct jb_row_input row;
    uint32_t label;
    for (uint32_t k = 0; k < 50; k++) {
        assert_int_equal(jb_workload_sample(w, JB_SPLIT_FIT, k, &row, &label), 0);
        assert_true(label < 7);
    }
    struct jb_query_result r;
    assert_int_equal(jb_workload_run(w, 0, &r), JB_E_UNSUPPORTED);
    jb_workload_close(w);
    p[0].value = p[1].value = "4096";
    p[4].value = "1000000";
    struct jb_err err = { 0 };
    says(open_with(&w, "synthetic", p, 6, &err), JB_E_RANGE, &err, "bytes of images");
}

static void classify_reads_both_formats(void **state)
{
    (void)state;
    struct temp_dir t;
    temp_open(&t);
    struct bytes b = make_idx(0x08, (uint32_t[]){ 4, 2, 3 }, 3, 24, 0);
    temp_gzip(&t, "test.gz", b.b, b.n);
    b = make_npy("{'descr': '<i2', 'fortran_order': False, 'shape': (4, 1), }\n", 8, 0);
    for (size_t i = 0; i < 4; i++) {
        b.b[b.n - 8 + 2 * i] = (uint8_t)(i * 2);
        b.b[b.n - 7 + 2 * i] = 0;
    }
    temp_write(&t, "test.npy", b.b, b.n);
    b = make_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 3, 1), }\n", 12, 100);
    temp_write(&t, "cal.npy", b.b, b.n);
    struct jb_paths paths = { .plan_dir = t.path };
    struct jb_workload_param p[] = {
        { "test_images", "test.gz" }, { "test_labels", "test.npy" }, { "calibration_images", "cal.npy" }, { "title", "mine" }, { "license", "mine too" },
    };
    struct jb_workload_opts o = { &paths, p, 5 };
    struct jb_workload *w;
    struct jb_err err = { 0 };
    if (jb_workload_open(&w, "classify", &o, &err) != 0)
        fail_msg("%s", err.detail);
    const struct jb_workload_info *i = jb_workload_info(w);
    assert_string_equal(i->name, "mine");
    assert_true(i->n_classes == 7 && i->n[JB_SPLIT_TEST] == 4 && i->n[JB_SPLIT_CALIBRATION] == 2);
    struct jb_row_input row;
    uint32_t label;
    assert_int_equal(jb_workload_sample(w, JB_SPLIT_TEST, 3, &row, &label), 0);
    assert_int_equal(((const uint8_t *)row.data)[5], 23);
    assert_int_equal(label, 6);
    assert_int_equal(jb_workload_sample(w, JB_SPLIT_CALIBRATION, 1, &row, &label), 0);
    assert_int_equal(((const uint8_t *)row.data)[0], 106);
    assert_int_equal(label, UINT32_MAX);
    jb_workload_close(w);
    temp_close(&t);
}

static void classify_refuses(void **state)
{
    (void)state;
    struct temp_dir t;
    temp_open(&t);
    struct bytes b = make_idx(0x08, (uint32_t[]){ 3, 2, 2 }, 3, 12, 0);
    temp_write(&t, "three", b.b, b.n);
    b = make_idx(0x08, (uint32_t[]){ 3, 2, 3 }, 3, 18, 0);
    temp_write(&t, "wider", b.b, b.n);
    b = make_idx(0x08, (uint32_t[]){ 4 }, 1, 4, 0);
    temp_write(&t, "four", b.b, b.n);
    b = make_idx(0x08, (uint32_t[]){ 3 }, 1, 3, 8);
    temp_write(&t, "labels", b.b, b.n); // 8 9 10
    b = make_idx(0x0d, (uint32_t[]){ 3, 1, 1 }, 3, 12, 0);
    temp_write(&t, "floats", b.b, b.n);
    b = make_idx(0x08, (uint32_t[]){ 0, 2, 2 }, 3, 0, 0);
    temp_write(&t, "none", b.b, b.n);
    b = make_idx(0x08, (uint32_t[]){ 1, 1, 0, 0 }, 4, 0, 0);
    temp_write(&t, "flat", b.b, b.n);
    static const struct { struct jb_workload_param p[3]; int code; const char *text; } cases[] = {
        { { { "title", "x" }, { "classes", "3" }, { "note", "" } }, JB_E_INVALID, "no split has images" },
        { { { "test_images", "three" }, { "test_labels", "four" }, { "note", "" } }, JB_E_MISMATCH, "4 labels for 3 images" },
        { { { "test_images", "three" }, { "test_labels", "labels" }, { "classes", "10" } }, JB_E_RANGE, "offset 10: label 10 of image 2 is outside 0 to 9" },
        { { { "test_images", "three" }, { "test_labels", "wider" }, { "note", "" } }, JB_E_INVALID, "labels have one dimension" },
        { { { "test_images", "three" }, { "test_labels", "floats" }, { "note", "" } }, JB_E_UNSUPPORTED, "labels are integers" },
        { { { "test_images", "floats" }, { "title", "" }, { "note", "" } }, JB_E_UNSUPPORTED, "images are uint8" },
        { { { "test_images", "four" }, { "title", "" }, { "note", "" } }, JB_E_INVALID, "images have the dimensions" },
        { { { "test_images", "none" }, { "title", "" }, { "note", "" } }, JB_E_INVALID, "no image" },
        { { { "test_images", "flat" }, { "title", "" }, { "note", "" } }, JB_E_RANGE, "from 1 to 4096" },
        { { { "test_images", "three" }, { "fit_images", "wider" }, { "note", "" } }, JB_E_MISMATCH, "images of 2 x 2 x 1" },
        { { { "test_labels", "four" }, { "title", "" }, { "note", "" } }, JB_E_INVALID, "test_labels is given without test_images" },
        { { { "test_images", "gone" }, { "title", "" }, { "note", "" } }, JB_E_NOT_FOUND, "\"gone\" was not found; tried " },
        { { { "classes", "5000" }, { "title", "" }, { "note", "" } }, JB_E_RANGE, "outside 0 to 4096" },
    };
    struct jb_paths paths = { .plan_dir = t.path };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jb_workload_opts o = { &paths, cases[i].p, 3 };
        struct jb_workload *w = NULL;
        struct jb_err err = { 0 };
        says(jb_workload_open(&w, "classify", &o, &err), cases[i].code, &err, cases[i].text);
        assert_null(w);
    }
    temp_close(&t);
}

// The committed texts: windows follow the rule, targets are words, prompts are ChatML, and their hashes do not change unseen.
static void texts_are_there(void **state)
{
    (void)state;
    struct jb_workload_opts o = { &source_tree, NULL, 0 };
    struct jb_workload_param wide = { "bytes", "4096" }, bad = { "bytes", "12" };
    struct jb_workload *w = NULL;
    struct jb_err err = { 0 };
    struct jb_text_query q;
    struct jb_row_input row;
    uint32_t label;
    if (jb_workload_open(&w, "prose", &o, &err)) fail_msg("%s", err.detail);
    const struct jb_workload_info *info = jb_workload_info(w);
    assert_string_equal(info->unit, "token");
    assert_int_equal(info->n[JB_SPLIT_TRAIN], 0);
    assert_true(info->n[JB_SPLIT_FIT] > 100 && info->n[JB_SPLIT_CALIBRATION] > 200 && info->n[JB_SPLIT_TEST] > 300);
    for (int s = JB_SPLIT_FIT; s < JB_SPLIT_COUNT; s++)
        for (uint32_t i = 0; i < info->n[s]; i++) {
            assert_int_equal(jb_workload_text(w, (enum jb_split)s, i, &q), 0);
            assert_true(q.forced && !q.chat && q.n_bytes >= 512 && q.n_bytes < 1024 + 64 && q.prompt_bytes >= q.n_bytes / 2 && q.prompt_bytes < q.n_bytes);
            assert_true(strchr(" \n\t\r", q.text[q.prompt_bytes]) && !strchr(" \n\t\r", q.text[0]));
        }
    assert_int_equal(jb_workload_text(w, JB_SPLIT_TEST, info->n[JB_SPLIT_TEST], &q), JB_E_RANGE);
    assert_int_equal(jb_workload_sample(w, JB_SPLIT_TEST, 0, &row, &label), JB_E_UNSUPPORTED);
    uint32_t narrow = info->n[JB_SPLIT_TEST];
    char hash[65];
    snprintf(hash, sizeof hash, "%s", info->sha256[JB_SPLIT_TEST]);
    jb_workload_close(w);
    o.params = &wide;
    o.n_params = 1;
    assert_int_equal(jb_workload_open(&w, "prose", &o, &err), 0);
    assert_true(jb_workload_info(w)->n[JB_SPLIT_TEST] < narrow / 3 && strcmp(jb_workload_info(w)->sha256[JB_SPLIT_TEST], hash));
    jb_workload_close(w);
    o.params = &bad;
    assert_int_equal(jb_workload_open(&w, "prose", &o, &err), JB_E_RANGE);
    o.n_params = 0;
    assert_int_equal(jb_workload_open(&w, "cloze", &o, &err), 0);
    assert_int_equal(jb_workload_info(w)->n[JB_SPLIT_TEST], 235);
    assert_int_equal(jb_workload_text(w, JB_SPLIT_TEST, 0, &q), 0);
    assert_true(q.forced && q.text[q.prompt_bytes] == ' ' && !memchr(q.text + q.prompt_bytes + 1, ' ', q.n_bytes - q.prompt_bytes - 1));
    jb_workload_close(w);
    assert_int_equal(jb_workload_open(&w, "decode", &o, &err), 0);
    assert_int_equal(jb_workload_info(w)->n[JB_SPLIT_TEST], 24);
    assert_int_equal(jb_workload_text(w, JB_SPLIT_TEST, 0, &q), 0);
    assert_true(!q.forced && q.chat && q.n_new > 0 && q.prompt_bytes == q.n_bytes && strncmp(q.text, "<|im_start|>", 12) == 0);
    jb_workload_close(w);
}

static void corpora_that_are_none(void **state)
{
    (void)state;
    static const struct { const char *text; int code; } cases[] = {
        { "", JB_E_INVALID },
        { "\n\n", JB_E_INVALID },
        { "{\"id\": \"a\"}\n", 0 },
        { "{\"text\": \"a\"}\n", JB_E_INVALID },
        { "{\"id\": \"a\", \"text\": 5}\n", JB_E_INVALID },
        { "{\"id\": \"a\", \"text\": \"x\", \"context\": \"y\"}\n", JB_E_INVALID },
        { "{\"id\": \"a\", \"texts\": \"x\"}\n", JB_E_INVALID },
        { "[1]\n", JB_E_INVALID },
        { "{\"id\": \"a\", \"n\": 0}\n", JB_E_RANGE },
        { "{\"id\": \"a\", \"text\": \"x\"} {}\n", JB_E_INVALID },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jb_corpus c = { 0 };
        struct jb_err err = { 0 };
        int rc = jb_corpus_parse(&c, "lines", cases[i].text, strlen(cases[i].text), &err);
        if ((rc == 0) != (cases[i].code == 0)) fail_msg("case %zu gave %d: %s", i, rc, err.detail);
        jb_corpus_close(&c);
    }
}

static void paths_in_their_order(void **state)
{
    (void)state;
    struct temp_dir t;
    char dir[5][300], out[400], want[400];
    static const char *const names[] = { "plan", "data", "share", "models", "source" };
    temp_open(&t);
    for (int i = 0; i < 5; i++) {
        snprintf(dir[i], sizeof dir[i], "%s/%s", t.path, names[i]);
        mkdir(dir[i], 0700);
    }
    struct jb_paths p = { .plan_dir = dir[0], .jb_data = dir[1], .share_dir = dir[2], .models_dir = dir[3], .source_dir = dir[4] };
    struct jb_err err = { 0 };
    says(jb_paths_resolve(&p, "x.idx", out, sizeof out, &err), JB_E_NOT_FOUND, &err, "\"x.idx\" was not found; tried ");
    for (int i = 4; i >= 0; i--) { // the later one always wins over those before
        char name[32];
        snprintf(name, sizeof name, "%s/x.idx", names[i]);
        snprintf(want, sizeof want, "%s", temp_write(&t, name, "x", 1));
        assert_int_equal(jb_paths_resolve(&p, "x.idx", out, sizeof out, NULL), 0);
        assert_string_equal(out, want);
    }
    assert_int_equal(jb_paths_resolve(&p, want, out, sizeof out, NULL), 0); // absolute
    assert_int_equal(jb_paths_resolve(NULL, want, out, sizeof out, NULL), 0);
    assert_int_equal(jb_paths_resolve(&p, dir[0], out, sizeof out, NULL), JB_E_NOT_FOUND); // a directory is no file
    assert_int_equal(jb_paths_resolve(&p, want, out, 8, NULL), JB_E_NOT_FOUND);
    assert_int_equal(jb_paths_resolve(&p, "", out, sizeof out, NULL), JB_E_INVALID);
    assert_int_equal(jb_paths_resolve(&source_tree, "fashion/SHA256SUMS", out, sizeof out, NULL), 0);
    assert_string_equal(out, "./workloads/fashion/data/SHA256SUMS");
    temp_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(fashion_is_there),
        cmocka_unit_test(null_takes_its_time),
        cmocka_unit_test(synthetic_is_the_same_everywhere),
        cmocka_unit_test(classify_reads_both_formats),
        cmocka_unit_test(classify_refuses),
        cmocka_unit_test(paths_in_their_order),
        cmocka_unit_test(texts_are_there),
        cmocka_unit_test(corpora_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
