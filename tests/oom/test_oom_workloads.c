// workloads, with every allocation failing in turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/oom/countdown.h"
#include "workloads/text/tokenizer.h"
#include "workloads/workload.h"

static char root[64];

struct work { const char *name; const struct jb_workload_param *params; size_t n; };

static int open_and_score(void *user)
{
    const struct work *k = user;
    const struct jb_paths paths = { .plan_dir = root };
    const struct jb_workload_opts o = { &paths, k->params, k->n };
    struct jb_workload *w = NULL;
    int rc = jb_workload_open(&w, k->name, &o, NULL);
    if (rc < 0)
        return rc;
    uint32_t prediction[2] = { 0, 1 };
    struct jb_quality q[4];
    size_t n;
    rc = jb_workload_score(w, JB_SPLIT_TEST, NULL, prediction, 2, q, 4, &n);
    jb_workload_close(w);
    return rc;
}

static void workloads(void **state)
{
    (void)state;
    static const struct jb_workload_param null[] = { { "n", "3" } };
    static const struct jb_workload_param synthetic[] = { { "h", "4" }, { "w", "4" }, { "n", "3" } };
    static const struct jb_workload_param classify[] = { { "test_images", "images" }, { "test_labels", "labels" }, { "fit_images", "images" } };
    oom_countdown("null", open_and_score, &(struct work){ "null", null, 1 });
    oom_countdown("synthetic", open_and_score, &(struct work){ "synthetic", synthetic, 3 });
    oom_countdown("classify", open_and_score, &(struct work){ "classify", classify, 3 });
}

// A text that takes every way: specials, broken bytes, a piece that outgrows its first room.
static int tokens_and_back(void *user)
{
    (void)user;
    static char text[700] = "hello\xff<|im_end|>";
    struct jb_gguf *g = NULL;
    struct jb_tokenizer *t = NULL;
    struct jb_tokens k = { 0 };
    struct jb_str back = { 0 };
    memset(text + 16, 'a', sizeof text - 17);
    int rc = jb_gguf_open(&g, "tests/golden/vocabulary.gguf", NULL);
    if (!rc)
        rc = jb_tokenizer_open(&t, g, NULL);
    if (!rc)
        rc = jb_tokenizer_encode(t, text, strlen(text), JB_ENCODE_PARSE_SPECIAL, &k, NULL, NULL);
    if (!rc)
        rc = jb_tokenizer_decode(t, k.id, k.n, true, &back, NULL);
    jb_str_free(&back);
    jb_tokens_free(&k);
    jb_tokenizer_close(t);
    jb_gguf_close(g);
    return rc;
}

static void text(void **state)
{
    (void)state;
    oom_countdown("tokenizer", tokens_and_back, NULL);
}

static void put(const char *name, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/jb-oom-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("images", "\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\2abcd", 20);
    put("labels", "\0\0\x08\1\0\0\0\2\0\1", 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[128];
    static const char *const names[] = { "images", "labels" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        unlink(path);
    }
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(workloads), cmocka_unit_test(text) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
