// Hostile and merely wrong llama files and side files: each is refused with a code and a text that names what is wrong.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "runtime/session.h"
#include "tests/runtime/llama_file.h"

static int open_files(const struct llama_file *base, const struct llama_file *exits, struct jb_err *err)
{
    struct jb_kernels k;
    struct jb_model *m = NULL;
    jb_kernels_init(&k, jb_cpu_detect());
    int rc = jb_model_open_memory(&m, "base", base->data, base->n_bytes, exits ? exits->data : NULL, exits ? exits->n_bytes : 0, &k, NULL, err);
    jb_model_close(m);
    return rc;
}

static void expect(int line, const struct llama_file *base, const struct llama_file *exits, int code, const char *text)
{
    struct jb_err err = { 0 };
    int rc = open_files(base, exits, &err);
    if (rc != code || (code && !strstr(err.detail, text)))
        fail_msg("line %d: %d \"%s\" (expected: %d \"%s\")", line, rc, err.detail, code, text);
}

static void base_case(int line, int code, const char *text, const struct change *changes)
{
    struct llama_file f;
    struct jb_synth_opts o = llama_opts("f32");
    llama_file_make(&f, &o, changes);
    expect(line, &f, NULL, code, text);
    llama_file_close(&f);
}
#define BASE(code, text, ...) base_case(__LINE__, code, text, (const struct change[]){ __VA_ARGS__, { .kind = CHANGE_END } })
#define U32(key, v) { .kind = CHANGE_U32, .name = key, .u32 = (v) }
#define F32(key, v) { .kind = CHANGE_F32, .name = key, .f32 = (v) }
#define TEXT(key, v) { .kind = CHANGE_TEXT, .name = key, .text = (v) }
#define DROP(key) { .kind = CHANGE_DROP, .name = key }
#define TENSOR(key, t, ...) { .kind = CHANGE_TENSOR, .name = key, .u32 = (t), .dims = { __VA_ARGS__ } }

static void test_keys(void **state)
{
    (void)state;
    BASE(0, "", DROP("llama.vocab_size"));
    BASE(0, "", U32("llama.expert_count", 0), TEXT("llama.tensor_data_layout", "Meta AI original pth"), TEXT("llama.rope.scaling.type", "none"));
    static const char *const needed[] = { "llama.block_count", "llama.context_length", "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
                                          "llama.attention.layer_norm_rms_epsilon" };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        BASE(JB_E_INVALID, needed[i], DROP(needed[i]));
        BASE(JB_E_INVALID, needed[i], TEXT(needed[i], "x"));
        BASE(JB_E_INVALID, needed[i], F32(needed[i], -1.0f));
    }
    for (size_t i = 0; i < 5; i++) {
        BASE(JB_E_INVALID, needed[i], U32(needed[i], 0));
        BASE(JB_E_INVALID, needed[i], U32(needed[i], UINT32_MAX));
    }
    BASE(JB_E_UNSUPPORTED, "unknown key \"llama.attention.sliding_window\"", U32("llama.attention.sliding_window", 4096));
    BASE(JB_E_UNSUPPORTED, "\"llama.expert_count\" is 8", U32("llama.expert_count", 8));
    BASE(JB_E_INVALID, "\"llama.block_count\" is 1024, but the file has", U32("llama.block_count", 1024));
    BASE(JB_E_INVALID, "blk.3.attn_norm.weight\" is missing", U32("llama.block_count", 4));
    BASE(JB_E_UNSUPPORTED, "blk.2.attn_norm.weight\" is none of a llama model of 2 layers", U32("llama.block_count", 2));
    BASE(JB_E_INVALID, "which does not divide the 4 heads", U32("llama.attention.head_count_kv", 3));
    BASE(JB_E_INVALID, "\"llama.attention.head_count_kv\" is 8 (1 to 4 can be)", U32("llama.attention.head_count_kv", 8));
    BASE(JB_E_INVALID, "which does not divide \"llama.embedding_length\" 64", U32("llama.attention.head_count", 5), DROP("llama.attention.head_count_kv"));
    BASE(JB_E_INVALID, "has sizes 64 x 64 x 1 x 1 (65 x 65 are required)", U32("llama.embedding_length", 65), U32("llama.attention.head_count", 5), U32("llama.attention.head_count_kv", 5),
         U32("llama.rope.dimension_count", 12), TENSOR("token_embd.weight", JB_GGML_F32, 65, 270), TENSOR("output_norm.weight", JB_GGML_F32, 65), TENSOR("blk.0.attn_norm.weight", JB_GGML_F32, 65),
         TENSOR("blk.0.ffn_norm.weight", JB_GGML_F32, 65));
    BASE(JB_E_UNSUPPORTED, "\"llama.attention.value_length\" is 32", U32("llama.attention.value_length", 32));
    BASE(JB_E_INVALID, "\"blk.0.attn_q.weight\" has sizes 64 x 64", U32("llama.attention.key_length", 32), U32("llama.rope.dimension_count", 16));
    BASE(JB_E_INVALID, "\"llama.attention.key_length\" is 100000", U32("llama.attention.key_length", 100000));
    BASE(JB_E_INVALID, "\"llama.vocab_size\" is 271, but", U32("llama.vocab_size", 271));
    BASE(JB_E_INVALID, "\"llama.rope.dimension_count\" is 7 (pairs", U32("llama.rope.dimension_count", 7));
    BASE(JB_E_INVALID, "\"llama.rope.dimension_count\" is 18", U32("llama.rope.dimension_count", 18));
    BASE(JB_E_INVALID, "\"llama.rope.freq_base\" is nan", F32("llama.rope.freq_base", NAN));
    BASE(JB_E_INVALID, "\"llama.rope.freq_base\" is 0", F32("llama.rope.freq_base", 0));
    BASE(JB_E_UNSUPPORTED, "\"llama.rope.scaling.type\" is \"yarn\"", TEXT("llama.rope.scaling.type", "yarn"));
    BASE(JB_E_INVALID, "\"llama.rope.scaling.factor\" is -2", F32("llama.rope.scaling.factor", -2));
    BASE(JB_E_INVALID, "layer_norm_rms_epsilon\" is inf", F32("llama.attention.layer_norm_rms_epsilon", INFINITY));
}

static void test_tensors(void **state)
{
    (void)state;
    static const char *const needed[] = { "token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.ffn_norm.weight", "blk.2.attn_q.weight", "blk.0.attn_k.weight",
                                          "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.2.ffn_down.weight" };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        BASE(JB_E_INVALID, needed[i], DROP(needed[i]));
        BASE(i ? JB_E_INVALID : JB_E_INVALID, i ? needed[i] : "\"llama.vocab_size\" is 270", TENSOR(needed[i], JB_GGML_F32, 64, 65));
        BASE(JB_E_UNSUPPORTED, needed[i], TENSOR(needed[i], JB_GGML_I32, i == 10 ? 192 : 64, i == 0 ? 270 : i < 4 ? 0 : i == 5 || i == 6 ? 32 : i == 8 || i == 9 ? 192 : 64));
    }
    BASE(JB_E_UNSUPPORTED, "\"blk.0.attn_q.bias\" is none", TENSOR("blk.0.attn_q.bias", JB_GGML_F32, 64));
    BASE(JB_E_UNSUPPORTED, "\"blk.0.ffn_gate.0.weight\" is none", TENSOR("blk.0.ffn_gate.0.weight", JB_GGML_F32, 64, 64));
    BASE(JB_E_UNSUPPORTED, "\"blk.99999999999.attn_q.weight\" is none", TENSOR("blk.99999999999.attn_q.weight", JB_GGML_F32, 64, 64));
    BASE(JB_E_UNSUPPORTED, "\"blk.0.attn_q.weight2\" is none", TENSOR("blk.0.attn_q.weight2", JB_GGML_F32, 64, 64));
    BASE(JB_E_UNSUPPORTED, "\"token_types.weight\" is none", TENSOR("token_types.weight", JB_GGML_F32, 64, 64));
    BASE(JB_E_UNSUPPORTED, "type f16 (F32 is required)", TENSOR("blk.0.attn_norm.weight", JB_GGML_F16, 64));
    BASE(JB_E_INVALID, "\"output.weight\" has sizes 64 x 269", TENSOR("output.weight", JB_GGML_F32, 64, 269));
    BASE(JB_E_INVALID, "\"rope_freqs.weight\" has sizes 9 x 1", TENSOR("rope_freqs.weight", JB_GGML_F32, 9));
    BASE(JB_E_INVALID, "\"rope_freqs.weight\": value 0 is 0", TENSOR("rope_freqs.weight", JB_GGML_F32, 8));
    BASE(JB_E_UNSUPPORTED, "type q2_K is none for weights here", U32("llama.embedding_length", 256), TENSOR("token_embd.weight", JB_GGML_Q2_K, 256, 270));
}

static void exits_case(int line, int code, const char *text, bool plain, const struct change *changes)
{
    struct llama_file base, exits;
    struct jb_synth_opts o = llama_opts("f32");
    llama_file_make(&base, &o, NULL);
    exits_file_make(&exits, base.g, JB_GGML_F32, plain, changes);
    expect(line, &base, &exits, code, text);
    llama_file_close(&exits);
    llama_file_close(&base);
}
#define EXITS(code, text, ...) exits_case(__LINE__, code, text, false, (const struct change[]){ __VA_ARGS__, { .kind = CHANGE_END } })
#define LAYERS(...) { .kind = CHANGE_NUMBERS, .name = "jb.exits.layers", .data = (const uint32_t[]){ __VA_ARGS__ }, .n = sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t) }

static void test_exits(void **state)
{
    (void)state;
    exits_case(__LINE__, 0, "", true, NULL);
    EXITS(0, "", DROP("exit.0.map.weight")); // one less translator: the logit lens
    EXITS(JB_E_MISMATCH, "jb.base.norms_sha256", TEXT("jb.base.norms_sha256", "0123"));
    EXITS(JB_E_NOT_FOUND, "\"jb.base.norms_sha256\" is missing", DROP("jb.base.norms_sha256"));
    EXITS(JB_E_INVALID, "architecture \"llama\"", TEXT("general.architecture", "llama"));
    EXITS(JB_E_UNSUPPORTED, "\"jb.format\" is 2", U32("jb.format", 2));
    EXITS(JB_E_INVALID, "jb.exits.layers", U32("jb.exits.layers", 2));
    EXITS(JB_E_INVALID, "exit 0 stands behind layer 0", LAYERS(0, 1));
    EXITS(JB_E_INVALID, "exit 1 stands behind layer 1 (more than 1", LAYERS(1, 1));
    EXITS(JB_E_INVALID, "exit 1 stands behind layer 3 (more than 1, less than the model's 3)", LAYERS(1, 3));
    EXITS(JB_E_INVALID, "exit 1 stands behind layer 4294967295", LAYERS(1, UINT32_MAX));
    EXITS(JB_E_INVALID, "names 16 exits", LAYERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
    EXITS(JB_E_UNSUPPORTED, "exit.1.", LAYERS(1)); // tensors of an exit that is none
    EXITS(JB_E_INVALID, "\"jb.exits.temperature\" has type", F32("jb.exits.temperature", 1));
    EXITS(JB_E_UNSUPPORTED, "\"exit.0.map.bias\" is of none", TENSOR("exit.0.map.bias", JB_GGML_F32, 64));
    EXITS(JB_E_UNSUPPORTED, "\"exit.7.map.weight\" is of none", TENSOR("exit.7.map.weight", JB_GGML_F32, 64, 64));
    EXITS(JB_E_INVALID, "\"exit.0.map.weight\" has sizes 64 x 63", TENSOR("exit.0.map.weight", JB_GGML_F32, 64, 63));
    EXITS(JB_E_INVALID, "exit 0 has both", TENSOR("exit.0.up.weight", JB_GGML_F32, 32, 64));
    EXITS(JB_E_INVALID, "\"exit.1.down.weight\" is missing", DROP("exit.1.down.weight"));
    EXITS(JB_E_INVALID, "\"exit.1.up.weight\" is missing", DROP("exit.1.up.weight"));
    EXITS(JB_E_INVALID, "\"exit.1.up.weight\" has sizes 31 x 64", TENSOR("exit.1.up.weight", JB_GGML_F32, 31, 64));
    EXITS(JB_E_INVALID, "\"exit.0.gate.0.weight\" is missing", DROP("exit.0.gate.0.weight"));
    EXITS(JB_E_INVALID, "\"exit.0.gate.1.bias\" is missing", DROP("exit.0.gate.1.bias"));
    EXITS(JB_E_INVALID, "\"exit.0.gate.0.bias\" has sizes 21", TENSOR("exit.0.gate.0.bias", JB_GGML_F32, 21));
    EXITS(JB_E_INVALID, "\"exit.0.gate.1.weight\" has sizes 20 x 2", TENSOR("exit.0.gate.1.weight", JB_GGML_F32, 20, 2));
    EXITS(0, "", TENSOR("exit.0.gate.1.weight", JB_GGML_F32, 20, 1));
    EXITS(JB_E_UNSUPPORTED, "\"exit.0.map.weight\" has type q4_0 (F32, F16 and Q8_0 can be)", TENSOR("exit.0.map.weight", JB_GGML_Q4_0, 64, 64));
    EXITS(JB_E_UNSUPPORTED, "\"exit.0.gate.0.bias\" has type bf16", TENSOR("exit.0.gate.0.bias", JB_GGML_BF16, 20));
}

// A side file fits every quantization of one model: only norms count. And none of another model.
static void test_any_quantization(void **state)
{
    struct llama_file a, b, other, exits;
    struct jb_synth_opts o = llama_opts("f32");
    (void)state;
    llama_file_make(&a, &o, NULL);
    o.type = "q8_0";
    llama_file_make(&b, &o, NULL);
    o.seed++;
    llama_file_make(&other, &o, NULL);
    exits_file_make(&exits, a.g, JB_GGML_Q8_0, false, NULL);
    expect(__LINE__, &a, &exits, 0, "");
    expect(__LINE__, &b, &exits, 0, "");
    expect(__LINE__, &other, &exits, JB_E_MISMATCH, "jb.base.norms_sha256");
    expect(__LINE__, &exits, NULL, JB_E_INVALID, "holds exits alone");
    llama_file_close(&a);
    llama_file_close(&b);
    llama_file_close(&other);
    llama_file_close(&exits);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys), cmocka_unit_test(test_tensors), cmocka_unit_test(test_exits), cmocka_unit_test(test_any_quantization) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
