// base, with every allocation failing in turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "tests/oom/countdown.h"

static const char document[] = "{\"name\": \"x\", \"list\": [1, 2, {\"deep\": [true, null, \"\\u00e9\"]}], \"n\": 1.5}";

static int parse_and_print(void *user)
{
    (void)user;
    struct jb_json_doc doc;
    struct jb_err err;
    int rc = jb_json_parse(&doc, "t", document, sizeof document - 1, &err);
    if (rc != JB_OK) return rc;
    char *canonical = jb_json_canonical(doc.root), *pretty = jb_json_pretty(doc.root);
    rc = canonical && pretty ? JB_OK : JB_E_NOMEM;
    free(canonical);
    free(pretty);
    jb_json_close(&doc);
    return rc;
}

static int build_document(void *user)
{
    (void)user;
    cJSON *o = cJSON_CreateObject();
    cJSON *list = jb_json_put_array(o, "list");
    // Every call is made, whatever the one before it said.
    const bool put[] = {
        jb_json_put_str(list, NULL, "s"), jb_json_put_f64(list, NULL, 1.5), jb_json_put_bool(list, NULL, true), jb_json_put_u64(o, "u", UINT64_MAX),
        jb_json_put_null(o, "n"), jb_json_put_str(jb_json_put_object(o, "sub"), "k", "v"),
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof put / sizeof put[0]; i++) ok = ok && put[i];
    char *text = ok ? jb_json_pretty(o) : NULL;
    ok = text != NULL;
    free(text);
    cJSON_Delete(o);
    return ok ? JB_OK : JB_E_NOMEM;
}

static int refuse_unknown_key(void *user)
{
    (void)user;
    static const char *const keys[] = {"name", "list", NULL};
    struct jb_json_doc doc;
    struct jb_err err;
    int rc = jb_json_parse(&doc, "t", document, sizeof document - 1, &err);
    if (rc != JB_OK) return rc;
    rc = jb_json_only_keys(&doc, doc.root, "here", keys, &err); // must be refused even when the message loses its list
    jb_json_close(&doc);
    return rc == JB_E_INVALID ? JB_OK : JB_E_INTERNAL;
}

static int add_text(void *user)
{
    (void)user;
    struct jb_str b = {0};
    for (int i = 0; i < 50; i++) {
        jb_str_addf(&b, "%0300d", i);
        jb_str_add_html(&b, "<a href=\"\">&</a>");
        jb_str_add_gnuplot(&b, "\"`_");
    }
    bool failed = b.failed;
    size_t len = strlen(jb_str_get(&b));
    bool sound = len == b.len;
    jb_str_free(&b);
    return !sound ? JB_E_INTERNAL : failed ? JB_E_NOMEM : JB_OK;
}

static int hash_something(void *user)
{
    (void)user;
    struct jb_hash *h;
    char hex[JB_HASH_HEX];
    int rc = jb_hash_open(&h);
    if (rc != JB_OK) return rc;
    jb_hash_update(h, "abc", 3);
    jb_hash_finish(h, hex);
    jb_hash_close(h);
    return JB_OK;
}

static int read_json(void *user)
{
    struct jb_json_doc doc;
    int rc = jb_json_read(&doc, user, 1 << 16, NULL);
    if (rc == JB_OK) jb_json_close(&doc);
    return rc;
}

static int read_gzip(void *user)
{
    uint8_t *data;
    size_t n;
    int rc = jb_read_maybe_gzip(user, 1 << 20, &data, &n, NULL);
    if (rc == JB_OK) free(data);
    return rc;
}

static int write_file(void *user)
{
    return jb_write_file_atomic(user, "text", 4, NULL);
}

static void strings(void **state)
{
    (void)state;
    oom_countdown("strings", add_text, NULL);
    oom_countdown("hash", hash_something, NULL);
}

static void json(void **state)
{
    (void)state;
    oom_countdown("parse and print", parse_and_print, NULL);
    oom_countdown("build", build_document, NULL);
    oom_countdown("unknown key", refuse_unknown_key, NULL);
}

static void files(void **state)
{
    (void)state;
    char path[] = "build/oom_test_XXXXXX";
    mkdir("build", 0777);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, document, sizeof document - 1), sizeof document - 1);
    close(fd);
    oom_countdown("read JSON", read_json, path);
    gzFile gz = gzopen(path, "wb9");
    for (int i = 0; i < 20000; i++) gzwrite(gz, "0123456789", 10);
    gzclose(gz);
    oom_countdown("read gzip", read_gzip, path);
    assert_int_equal(write_file(path), JB_OK); // takes no memory at all
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(strings), cmocka_unit_test(json), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
