// Fuzz target: a journal of any bytes, and journals whose checksums are right but whose lines are not ours. The first byte chooses:
// even: the bytes are the journal; odd: each line of the bytes is sealed with the right checksum first, then read, applied and made into a result.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "harness/ctx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void seal(struct jb_str *out, const char *body, size_t n_body, uint64_t n, char last[JB_HASH_HEX])
{
    struct jb_str text = { 0 };
    jb_str_addf(&text, "%s %llu ", last, (unsigned long long)n);
    jb_str_addn(&text, body, n_body);
    jb_hash_bytes(text.s, text.len, last);
    jb_str_free(&text);
    jb_str_addf(out, "{\"n\":%llu,\"sha256\":\"%s\",\"line\":", (unsigned long long)n, last);
    jb_str_addn(out, body, n_body);
    jb_str_add(out, "}\n");
}

static void seal_lines(struct jb_str *out, const char *at, const char *end)
{
    char last[JB_HASH_HEX];
    memset(last, '0', JB_HASH_HEX - 1);
    last[JB_HASH_HEX - 1] = 0;
    for (uint64_t n = 0; at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        seal(out, at, (size_t)(stop - at), n, last);
        at = stop + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n) return 0;
    struct jb_str sealed = { 0 };
    struct jb_record rec = { 0 };
    struct jb_err err = { 0 };
    struct jb_store *store = NULL;
    struct jb_result *r = NULL;
    size_t good = 0;
    uint64_t lines = 0;
    char last[JB_HASH_HEX];
    const char *text = (const char *)data + 1;
    size_t n_text = n - 1;
    if (data[0] & 1) {
        seal_lines(&sealed, text, text + n_text);
        text = jb_str_get(&sealed);
        n_text = sealed.len;
    }
    int rc = jb_journal_scan("fuzz.jsonl", text, n_text, jb_record_apply, &rec, &good, &lines, last, &err);
    if (rc && (err.code != rc || !err.detail[0])) abort();
    if (good > n_text) abort();
    if (!jb_store_open(&store, NULL, false, NULL, NULL, &err)) { // in memory: no raw bytes are there, every cell that names some fails
        if (!jb_build_result(&rec, store, &r, &err)) jb_result_close(r);
        jb_store_close(store);
    }
    jb_record_free(&rec);
    jb_str_free(&sealed);
    return 0;
}
