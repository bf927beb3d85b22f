// A small vocabulary of byte-level BPE: three special tokens as SmolLM2 has them, 256 bytes, and merges: first common ones of English, then pairs of letters, then pairs of these.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/synth_impl.h"

#define SPACE "\xc4\xa0" // how a space is spelt

static const char *const specials[JB_SYNTH_SPECIALS] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };

// Both parts of a merge are bytes or stand above it.
static const char *const common[][2] = {
    { SPACE, "t" }, { SPACE, "a" }, { "h", "e" }, { "i", "n" }, { "r", "e" }, { "o", "n" }, { SPACE "t", "he" }, { "e", "r" }, { SPACE, "s" }, { "a", "t" }, { SPACE, "w" }, { SPACE, "o" },
    { "e", "n" }, { SPACE, "c" }, { "i", "t" }, { "i", "s" }, { "a", "n" }, { "o", "r" }, { "e", "s" }, { SPACE, "b" }, { "e", "d" }, { SPACE, "f" }, { "in", "g" }, { SPACE, "p" },
    { "o", "u" }, { SPACE "a", "n" }, { "a", "l" }, { "a", "r" }, { SPACE "t", "o" }, { SPACE, "m" }, { SPACE "o", "f" }, { SPACE, "in" }, { SPACE, "d" }, { SPACE, "h" },
    { SPACE "an", "d" }, { "i", "c" }, { "a", "s" }, { "l", "e" }, { SPACE "t", "h" }, { "i", "on" }, { "o", "m" }, { "l", "l" }, { "en", "t" }, { SPACE, "n" }, { SPACE, "l" },
    { "s", "t" }, { SPACE, "re" }, { "v", "e" }, { SPACE, "e" }, { "r", "o" }, { "l", "y" }, { SPACE "b", "e" }, { SPACE, "g" },
};
#define N_COMMON (sizeof common / sizeof *common)

struct vocab {
    uint32_t n, n_made, n_merges;
    char (*token)[16], (*merge)[20];
};

// GPT-2's bytes_to_unicode: bytes that print stand for themselves, the others for U+0100 and up, in order.
static void byte_token(unsigned byte, char out[16])
{
    unsigned code = byte, shifted = 0;
    for (unsigned b = 0; b <= byte; b++)
        if (!((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174)) {
            code = b == byte ? 256 + shifted : code;
            shifted++;
        }
    if (code < 128)
        snprintf(out, 16, "%c", (char)code);
    else
        snprintf(out, 16, "%c%c", (char)(0xc0 | code >> 6), (char)(0x80 | (code & 63)));
}

static bool is_common(const char *text)
{
    char joined[16];
    for (size_t i = 0; i < N_COMMON; i++) {
        snprintf(joined, sizeof joined, "%s%s", common[i][0], common[i][1]);
        if (strcmp(joined, text) == 0)
            return true;
    }
    return false;
}

// False when the vocabulary is full.
static bool add_merge(struct vocab *v, const char *a, const char *b, bool new_only)
{
    char text[16];
    if (v->n_made == v->n)
        return false;
    snprintf(text, sizeof text, "%s%s", a, b);
    if (new_only && is_common(text))
        return true;
    memcpy(v->token[v->n_made++], text, sizeof text);
    snprintf(v->merge[v->n_merges++], sizeof *v->merge, "%s %s", a, b);
    return true;
}

static void pair(uint32_t i, char out[16])
{
    snprintf(out, 16, "%c%c", (char)('a' + i / 26), (char)('a' + i % 26));
}

static void make(struct vocab *v)
{
    for (uint32_t i = 0; i < JB_SYNTH_SPECIALS; i++)
        snprintf(v->token[v->n_made++], sizeof *v->token, "%s", specials[i]);
    for (unsigned b = 0; b < 256; b++)
        byte_token(b, v->token[v->n_made++]);
    for (size_t i = 0; i < N_COMMON && add_merge(v, common[i][0], common[i][1], false); i++)
        ;
    for (uint32_t i = 0; i < 676; i++)
        if (!add_merge(v, (char[2]){ (char)('a' + i / 26) }, (char[2]){ (char)('a' + i % 26) }, true))
            return;
    for (uint32_t i = 0; i < 676 * 676; i++) {
        char a[16], b[16];
        pair(i % 676, a);
        pair(i / 676, b);
        if (!add_merge(v, a, b, true))
            return;
    }
}

static int put(struct jb_gguf_writer *w, const struct vocab *v)
{
    const char **texts = calloc(v->n + 1, sizeof *texts);
    int32_t *types = calloc(v->n + 1, sizeof *types);
    int rc = texts && types ? JB_OK : JB_E_NOMEM;
    for (uint32_t i = 0; i < v->n && !rc; i++) {
        texts[i] = v->token[i];
        types[i] = i < JB_SYNTH_SPECIALS ? 3 : 1; // control, normal
    }
    if (!rc)
        rc = jb_gguf_put_array_str(w, "tokenizer.ggml.tokens", texts, v->n);
    if (!rc)
        rc = jb_gguf_put_array_i32(w, "tokenizer.ggml.token_type", types, v->n);
    for (uint32_t i = 0; i < v->n_merges && !rc; i++)
        texts[i] = v->merge[i];
    if (!rc)
        rc = jb_gguf_put_array_str(w, "tokenizer.ggml.merges", texts, v->n_merges);
    free(texts);
    free(types);
    return rc;
}

int jb_synth_vocab(struct jb_gguf_writer *w, uint32_t n)
{
    static const char template[] = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
                                   "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    static const struct { const char *key; uint32_t id; } ids[] = { { "bos", 1 }, { "eos", 2 }, { "unknown", 0 }, { "padding", 2 } };
    struct vocab v = { .n = n, .token = calloc(n, sizeof *v.token), .merge = calloc(n, sizeof *v.merge) };
    char key[64];
    int rc = v.token && v.merge ? JB_OK : JB_E_NOMEM;
    if (!rc)
        rc = jb_gguf_put_str(w, "tokenizer.ggml.model", "gpt2");
    if (!rc)
        rc = jb_gguf_put_str(w, "tokenizer.ggml.pre", "smollm");
    if (!rc) {
        make(&v);
        rc = put(w, &v);
    }
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !rc; i++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i].key);
        rc = jb_gguf_put_u32(w, key, ids[i].id);
    }
    if (!rc)
        rc = jb_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    if (!rc)
        rc = jb_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
    if (!rc)
        rc = jb_gguf_put_str(w, "tokenizer.chat_template", template);
    free(v.token);
    free(v.merge);
    return rc;
}
