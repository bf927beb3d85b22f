#include "tests/workloads/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "workloads/text/bytes.h"
#include "workloads/text/tokenizer.h"

// Lowest rank first. "Ġ" is the space, "Ċ" the line end.
static const char *const tiny_merges[] = { "h e", "l l", "he ll", "hell o", "\xc4\xa0 w", "o r", "\xc4\xa0w or", "l d", "\xc4\xa0wor ld", "\xc4\xa0 \xc4\xa0", "\xc4\xa0\xc4\xa0 \xc4\xa0\xc4\xa0",
                                           "a a", "aa aa", "a b", "1 2", "' s", "\xc4\x8a \xc4\x8a", "\xc3\x83 \xc2\xa9" };
static const struct { const char *text; enum jb_token_type type; } tiny_specials[] = {
    { "<|endoftext|>", JB_TOKEN_CONTROL }, { "<|im_start|>", JB_TOKEN_CONTROL }, { "<|im_end|>", JB_TOKEN_CONTROL }, { "<tool", JB_TOKEN_USER_DEFINED }, { "<tool>", JB_TOKEN_USER_DEFINED }, { "<unused>", JB_TOKEN_UNUSED },
};

#define N_MERGES (sizeof tiny_merges / sizeof *tiny_merges)
#define N_SPECIALS (sizeof tiny_specials / sizeof *tiny_specials)
_Static_assert(256 + N_MERGES + N_SPECIALS == TINY_N, "one id each");

static const char *byte_text(uint8_t b)
{
    static char texts[256][3];
    size_t n = jb_byte_spell(b, texts[b]);
    texts[b][n] = '\0';
    return texts[b];
}

static const char *merged_text(size_t i)
{
    static char texts[N_MERGES][64];
    const char *space = strchr(tiny_merges[i], ' ');
    memcpy(texts[i], tiny_merges[i], (size_t)(space - tiny_merges[i]));
    strcpy(texts[i] + (space - tiny_merges[i]), space + 1);
    return texts[i];
}

struct vocabulary vocabulary_tiny(const char *pre)
{
    struct vocabulary v = { .model = "gpt2", .pre = pre, .n = TINY_N, .n_types = TINY_N, .n_merges = N_MERGES, .bos = TINY_START, .eos = TINY_END };
    v.tokens = calloc(TINY_N, sizeof *v.tokens);
    v.types = calloc(TINY_N, sizeof *v.types);
    v.merges = calloc(N_MERGES, sizeof *v.merges);
    assert_true(v.tokens && v.types && v.merges);
    for (size_t i = 0; i < TINY_N; i++) {
        size_t special = i - 256 - N_MERGES;
        v.tokens[i] = i < 256 ? byte_text((uint8_t)i) : i < 256 + N_MERGES ? merged_text(i - 256) : tiny_specials[special].text;
        v.types[i] = i < 256 + N_MERGES ? JB_TOKEN_NORMAL : (int32_t)tiny_specials[special].type;
    }
    memcpy(v.merges, tiny_merges, sizeof tiny_merges);
    return v;
}

void vocabulary_free(struct vocabulary *v)
{
    free(v->tokens);
    free(v->types);
    free(v->merges);
}

static void put_text(struct jb_gguf_writer *w, const char *key, const char *value)
{
    if (value)
        assert_int_equal(jb_gguf_put_str(w, key, value), 0);
}

static void put_flag(struct jb_gguf_writer *w, const char *key, int flag)
{
    if (flag)
        assert_int_equal(jb_gguf_put_bool(w, key, flag > 0), 0);
}

void *vocabulary_file(const struct vocabulary *v, size_t *n_bytes)
{
    struct jb_gguf_writer *w;
    void *file = NULL;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    put_text(w, "general.architecture", "llama");
    put_text(w, "tokenizer.ggml.model", v->model);
    put_text(w, "tokenizer.ggml.pre", v->pre);
    put_text(w, "tokenizer.chat_template", v->template);
    if (v->tokens)
        assert_int_equal(jb_gguf_put_array_str(w, "tokenizer.ggml.tokens", v->tokens, v->n), 0);
    if (v->types)
        assert_int_equal(jb_gguf_put_array_i32(w, "tokenizer.ggml.token_type", v->types, v->n_types), 0);
    if (v->merges)
        assert_int_equal(jb_gguf_put_array_str(w, "tokenizer.ggml.merges", v->merges, v->n_merges), 0);
    put_flag(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    put_flag(w, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (v->bos >= 0)
        assert_int_equal(jb_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos), 0);
    if (v->eos >= 0)
        assert_int_equal(jb_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)v->eos), 0);
    assert_int_equal(jb_gguf_write_memory(w, &file, n_bytes, NULL), 0);
    jb_gguf_writer_close(w);
    return file;
}
