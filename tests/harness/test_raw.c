// Raw files, block requests and journal facts: there and back, and hostile bytes refused.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "harness/rawfile.h"
#include "harness/request.h"

static struct jb_raw_block make_block(void)
{
    struct jb_raw_block b;
    assert_int_equal(jb_raw_block_alloc(&b, 2, 5, 3), 0);
    b.stream_queries[0] = 2;
    b.stream_queries[1] = 3;
    for (uint32_t i = 0; i < 5; i++) b.latency_ns[i] = 0x0102030405060708u + i;
    for (uint32_t i = 0; i < 15; i++) {
        b.sample[i] = i * 7;
        b.prediction[i] = i;
        b.exit[i] = (uint8_t)(i % 4);
        b.pattern[i] = (uint8_t)jb_raw_pattern_index(&b, jb_pattern_of((const uint8_t[]){ 1, 2, 0, 1 }, i % 4 + 1));
    }
    return b;
}

static void sequences_there_and_back(void **state)
{
    (void)state;
    struct jb_raw_block a = make_block(), b;
    uint8_t *bytes;
    size_t n;
    struct jb_err err;
    assert_int_equal(jb_raw_block_sequences(&a, 2), 0);
    a.ttft_ns[0] = 123456789012u;
    a.ttft_ns[1] = 7;
    a.prompt_tokens[0] = 30;
    a.prompt_tokens[1] = 1;
    a.first_query[1] = 3;
    assert_int_equal(jb_raw_block_encode(&a, &bytes, &n), 0);
    assert_int_equal(jb_raw_block_decode(&b, bytes, n, &err), 0);
    assert_int_equal(b.n_sequences, 2);
    assert_memory_equal(a.ttft_ns, b.ttft_ns, 16);
    assert_memory_equal(a.prompt_tokens, b.prompt_tokens, 8);
    assert_memory_equal(a.first_query, b.first_query, 8);
    jb_raw_block_free(&b);
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(jb_raw_block_decode(&b, bytes, cut, &err), JB_E_INVALID);
    bytes[n - 4] = 5; // there are queries 0 to 4
    assert_int_equal(jb_raw_block_decode(&b, bytes, n, &err), JB_E_INVALID);
    bytes[n - 4] = 0; // two sequences cannot begin at one
    assert_int_equal(jb_raw_block_decode(&b, bytes, n, &err), JB_E_INVALID);
    free(bytes);
    jb_raw_block_free(&a);
}

static void block_there_and_back(void **state)
{
    (void)state;
    struct jb_raw_block a = make_block(), b;
    uint8_t *bytes;
    size_t n;
    struct jb_err err;
    assert_int_equal(a.n_patterns, 4);
    assert_int_equal(jb_pattern_at(a.patterns[0], 0), 1);
    assert_int_equal(jb_pattern_at(a.patterns[0], 1), 3);
    assert_int_equal(jb_raw_block_encode(&a, &bytes, &n), 0);
    assert_memory_equal(bytes, "JBBLOCK1\2\0\0\0\3\0\0\0\5\0\0\0\17\0\0\0\4\0\0\0\0\0\0\0\2\0\0\0\3\0\0\0", 40); // little-endian everywhere
    assert_int_equal(jb_raw_block_decode(&b, bytes, n, &err), 0);
    assert_memory_equal(a.latency_ns, b.latency_ns, 40);
    assert_memory_equal(a.sample, b.sample, 60);
    assert_memory_equal(a.prediction, b.prediction, 60);
    assert_memory_equal(a.exit, b.exit, 15);
    assert_memory_equal(a.pattern, b.pattern, 15);
    assert_memory_equal(a.patterns, b.patterns, 16);
    jb_raw_block_free(&b);
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(jb_raw_block_decode(&b, bytes, cut, &err), JB_E_INVALID);
    struct jb_rng rng;
    jb_rng_seed(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        size_t at = jb_rng_below(&rng, i & 1 ? 48 : n);
        uint8_t was = bytes[at];
        bytes[at] = (uint8_t)jb_rng_u64(&rng);
        if (!jb_raw_block_decode(&b, bytes, n, &err)) jb_raw_block_free(&b);
        bytes[at] = was;
    }
    free(bytes);
    jb_raw_block_free(&a);
}

static void samples_there_and_back(void **state)
{
    (void)state;
    struct jb_raw_samples a, b;
    uint8_t *bytes;
    size_t n;
    struct jb_err err;
    assert_int_equal(jb_raw_samples_alloc(&a, 3), 0);
    for (uint32_t i = 0; i < 3; i++) {
        a.index[i] = 10 - i;
        a.label[i] = i ? i : UINT32_MAX;
        a.prediction[i] = 5;
        a.score[i] = i ? 0.25f * (float)i : NAN;
        a.pattern[i] = 0xfffffff1;
        a.exit[i] = (uint8_t)i;
    }
    assert_int_equal(jb_raw_samples_encode(&a, &bytes, &n), 0);
    assert_int_equal(n, 16 + 3 * 21);
    assert_int_equal(jb_raw_samples_decode(&b, bytes, n, &err), 0);
    assert_memory_equal(a.index, b.index, 12);
    assert_true(isnan(b.score[0]) && b.score[2] == 0.5f);
    jb_raw_samples_free(&b);
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(jb_raw_samples_decode(&b, bytes, cut, &err), JB_E_INVALID);
    bytes[n - 1] = 200;
    assert_int_equal(jb_raw_samples_decode(&b, bytes, n, &err), JB_E_INVALID);
    free(bytes);
    jb_raw_samples_free(&a);
}

// The columns of a text workload stand behind the others; files without them are those of older versions.
static void text_samples_there_and_back(void **state)
{
    (void)state;
    struct jb_raw_samples a, b;
    uint8_t *bytes;
    size_t n;
    struct jb_err err;
    assert_int_equal(jb_raw_samples_alloc(&a, 5), 0);
    assert_int_equal(jb_raw_samples_text(&a), 0);
    for (uint32_t i = 0; i < 5; i++) {
        a.index[i] = i;
        a.query[i] = i / 2;
        a.full[i] = i ? i : UINT32_MAX;
        a.logprob[i] = i ? -0.5f * (float)i : NAN;
    }
    assert_int_equal(jb_raw_samples_encode(&a, &bytes, &n), 0);
    assert_int_equal(n, 16 + 5 * 33);
    assert_int_equal(jb_raw_samples_decode(&b, bytes, n, &err), 0);
    assert_memory_equal(a.query, b.query, 20);
    assert_memory_equal(a.full, b.full, 20);
    assert_memory_equal(a.logprob, b.logprob, 20);
    jb_raw_samples_free(&b);
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(jb_raw_samples_decode(&b, bytes, cut, &err), JB_E_INVALID);
    bytes[12] = 3;
    assert_int_equal(jb_raw_samples_decode(&b, bytes, n, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "newer version"));
    free(bytes);
    jb_raw_samples_free(&a);
}

static void request_there_and_back(void **state)
{
    (void)state;
    struct jb_block_request a = { .cell = "00aa", .repetition = 3, .workload = "synthetic", .n_workload_params = 1, .split = 3, .n_samples = 100, .model_path = "a \"b\".gguf",
                                  .model_sha256 = "ab", .precision = "escalate:int4>int8", .policy = "maxprob", .n_params = 1, .threshold = { 0.1, 0.30000000000000004 }, .n_thresholds = 2,
                                  .scenario = 1, .batch = 32, .threads = 1, .streams = 2, .seed = 1ull << 53, .repetitions = 8, .block_ns = 40000000, .lead_in_ns = 1, .max_ns = 9,
                                  .min_queries = 7 };
    struct jb_block_request b;
    struct jb_err err = { 0 };
    strcpy(a.workload_params[0].name, "n");
    strcpy(a.workload_params[0].value, "12");
    strcpy(a.params[0].name, "k");
    a.params[0].value = 2;
    char *text = jb_request_to_json(&a);
    assert_non_null(text);
    if (jb_request_from_json(&b, "r", text, strlen(text), &err)) fail_msg("%s", err.detail);
    assert_memory_equal(&a, &b, sizeof a);
    char *again = jb_request_to_json(&b);
    assert_string_equal(text, again);
    free(again);
    // Anything else is refused: unknown and missing keys, wrong types, zero streams.
    char *broken = malloc(strlen(text) + 100);
    assert_int_not_equal(jb_request_from_json(&b, "r", "{}", 2, &err), 0);
    sprintf(broken, "{\"surprise\":1,%s", text + 1);
    assert_int_equal(jb_request_from_json(&b, "r", broken, strlen(broken), &err), JB_E_INVALID);
    strcpy(broken, text);
    memcpy(strstr(broken, "\"streams\":2") + 10, "0", 1);
    assert_int_equal(jb_request_from_json(&b, "r", broken, strlen(broken), &err), JB_E_RANGE);
    free(broken);
    free(text);
}

static void facts_there_and_back(void **state)
{
    (void)state;
    struct jb_facts a = { .id = "0123456789abcdef", .key = "fedcba9876543210", .label = "a <b> \"c\"\n", .workload = "w", .model = "m", .precision = "int8", .policy = "maxprob",
                          .role = "adaptive", .unit = "query", .n_params = 1, .threshold = { 0.5, 2 }, .n_thresholds = 2, .target_loss = 0.005, .scenario = 1, .batch = 8, .threads = 1,
                          .streams = 2, .status = JB_CELL_INVALID, .reason = "because", .n = 10, .correct = 9, .accuracy_loss = -0.1, .n_quality = 1, .n_exits = 2, .oracle_macs = 5,
                          .wasteful = 0.25, .destructive = NAN, .relative = 0.1, .relative_to = "m", .model_bytes = 1, .session_bytes = 2, .load_ns = 3, .n_samples = 10 };
    struct jb_facts b;
    struct jb_err err = { 0 };
    strcpy(a.params[0].name, "t");
    a.params[0].value = 2;
    strcpy(a.quality[0].name, "accuracy");
    a.quality[0].value = 0.9;
    a.quality[0].lower = NAN;
    a.exits[1] = (struct jb_exit_fact){ 3, 2, { 1, 2, 3 }, { 4, 5, 6 }, { 0, 1.5, 0 } };
    a.samples = (struct jb_raw_place){ 0, 226, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    cJSON *line = jb_facts_to_line(&a);
    assert_non_null(line);
    assert_int_equal(jb_facts_from_line(&b, line, &err), 0);
    assert_string_equal(a.label, b.label);
    assert_int_equal(b.status, JB_CELL_INVALID);
    assert_true(isnan(b.destructive) && isnan(b.quality[0].lower) && b.target_loss == 0.005 && b.threshold[1] == 2);
    assert_memory_equal(&a.exits, &b.exits, sizeof a.exits);
    assert_memory_equal(&a.samples, &b.samples, sizeof a.samples);
    cJSON_DeleteItemFromObject(line, "id");
    assert_int_equal(jb_facts_from_line(&b, line, &err), JB_E_INVALID);
    cJSON_Delete(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(block_there_and_back), cmocka_unit_test(sequences_there_and_back), cmocka_unit_test(samples_there_and_back), cmocka_unit_test(text_samples_there_and_back), cmocka_unit_test(request_there_and_back),
                                        cmocka_unit_test(facts_there_and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
