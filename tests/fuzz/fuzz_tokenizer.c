// Tokenizer: any vocabulary, any text. It refuses the vocabulary with a reason, or each text becomes ids of the vocabulary, and well-formed text comes back.
// Input: a byte of flags. Bit 0: a GGUF file follows, its length in 4 bytes before it, then the text. Otherwise lines follow: tokens up to an empty line
// ('!' in front: control, '@': user-defined), merges up to an empty line, then the text; the 256 bytes are tokens, too. Bits 1-2: the pre-tokenizer; bits 3-4: flags of encoding.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/text/bytes.h"
#include "workloads/text/chat.h"
#include "workloads/text/tokenizer.h"

#define MOST 64

struct lines { char text[MOST][64]; size_t n; };

static void read_lines(const uint8_t **p, const uint8_t *end, struct lines *out)
{
    while (*p < end) {
        const uint8_t *stop = memchr(*p, '\n', (size_t)(end - *p));
        size_t n = (size_t)((stop ? stop : end) - *p);
        if (n && n < sizeof out->text[0] && out->n < MOST && !memchr(*p, 0, n)) {
            memcpy(out->text[out->n], *p, n);
            out->text[out->n++][n] = '\0';
        }
        *p = stop ? stop + 1 : end;
        if (n == 0)
            return;
    }
}

static void *make_file(const uint8_t **p, const uint8_t *end, int pre, size_t *n_bytes)
{
    static const char *const pres[] = { "gpt-2", "smollm", "llama-bpe", "other" };
    struct lines tokens = { .n = 0 }, merges = { .n = 0 };
    const char *token[256 + MOST], *merge[MOST];
    int32_t type[256 + MOST];
    static char bytes[256][3];
    struct jb_gguf_writer *w;
    void *file = NULL;
    read_lines(p, end, &tokens);
    read_lines(p, end, &merges);
    for (int b = 0; b < 256; b++) {
        bytes[b][jb_byte_spell((uint8_t)b, bytes[b])] = '\0';
        token[b] = bytes[b];
        type[b] = JB_TOKEN_NORMAL;
    }
    for (size_t i = 0; i < tokens.n; i++) {
        char first = tokens.text[i][0];
        type[256 + i] = first == '!' ? JB_TOKEN_CONTROL : first == '@' ? JB_TOKEN_USER_DEFINED : JB_TOKEN_NORMAL;
        token[256 + i] = tokens.text[i] + (first == '!' || first == '@');
    }
    for (size_t i = 0; i < merges.n; i++)
        merge[i] = merges.text[i];
    if (jb_gguf_writer_open(&w))
        return NULL;
    if (jb_gguf_put_str(w, "tokenizer.ggml.model", "gpt2") || jb_gguf_put_str(w, "tokenizer.ggml.pre", pres[pre]) || jb_gguf_put_array_str(w, "tokenizer.ggml.tokens", token, 256 + tokens.n) ||
        jb_gguf_put_array_i32(w, "tokenizer.ggml.token_type", type, 256 + tokens.n) || jb_gguf_put_array_str(w, "tokenizer.ggml.merges", merge, merges.n) ||
        jb_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false) || jb_gguf_write_memory(w, &file, n_bytes, NULL))
        file = NULL;
    jb_gguf_writer_close(w);
    return file;
}

// All of these tokens decode to what they were made of.
static bool comes_back(const struct jb_tokenizer *t, const struct jb_tokens *k, const struct jb_encode_facts *facts)
{
    for (size_t i = 0; i < k->n; i++) {
        enum jb_token_type type = jb_tokenizer_type(t, k->id[i]);
        if (type != JB_TOKEN_NORMAL && type != JB_TOKEN_CONTROL && type != JB_TOKEN_USER_DEFINED)
            return false;
    }
    return !facts->n_invalid && !facts->n_lost;
}

static void try_text(const struct jb_tokenizer *t, const char *text, size_t n, unsigned flags)
{
    struct jb_tokens k = { 0 };
    struct jb_encode_facts facts;
    struct jb_err err = { 0 };
    struct jb_str back = { 0 }, shown = { 0 };
    struct jb_text_stream stream = { .n_held = 0 };
    if (jb_tokenizer_encode(t, text, n, flags & JB_ENCODE_PARSE_SPECIAL, &k, &facts, &err))
        abort();
    if (facts.n_invalid > n || (facts.n_invalid && facts.first_invalid >= n))
        abort();
    if (jb_tokenizer_decode(t, k.id, k.n, true, &back, &err)) // refuses ids that are none
        abort();
    if (comes_back(t, &k, &facts) && (back.len != n || (n && memcmp(back.s, text, n) != 0)))
        abort();
    jb_text_stream_add(&stream, jb_str_get(&back), back.len, &shown);
    jb_text_stream_end(&stream, &shown);
    if (comes_back(t, &k, &facts) && (shown.len != n || (n && memcmp(shown.s, text, n) != 0)))
        abort();
    k.n = 0;
    if (jb_tokenizer_encode(t, text, n, flags, &k, NULL, &err))
        abort();
    jb_tokens_free(&k);
    jb_str_free(&back);
    jb_str_free(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *p = data, *end = data + n;
    struct jb_gguf *g = NULL;
    struct jb_tokenizer *t = NULL;
    struct jb_err err = { 0 };
    struct jb_str prompt = { 0 };
    void *file = NULL;
    size_t n_bytes = 0;
    if (n < 5)
        return 0;
    int flags = *p++;
    if (flags & 1) {
        n_bytes = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
        p += 4;
        if (n_bytes > (size_t)(end - p))
            n_bytes = (size_t)(end - p);
        file = malloc(n_bytes + 1); // aligned
        if (file)
            memcpy(file, p, n_bytes);
        p += n_bytes;
    } else {
        file = make_file(&p, end, flags >> 1 & 3, &n_bytes);
    }
    if (file && jb_gguf_open_memory(&g, "fuzz", file, n_bytes, &err) == 0) {
        (void)jb_chat_prompt(g, &(struct jb_chat_message){ "user", "x" }, 1, true, &prompt, &err);
        err.detail[0] = '\0';
        if (jb_tokenizer_open(&t, g, &err) == 0)
            try_text(t, (const char *)p, (size_t)(end - p), (unsigned)flags >> 3 & 3);
        else if (!err.detail[0])
            abort();
    }
    jb_tokenizer_close(t);
    jb_gguf_close(g);
    jb_str_free(&prompt);
    free(file);
    return 0;
}
