// The vocabulary and the merges of a GGUF file, checked: no token twice, no merge of what is no token.
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/utf8.h"
#include "workloads/text/bytes.h"
#include "workloads/text/tokenizer_impl.h"

#define TOKENS "tokenizer.ggml.tokens"
#define TYPES "tokenizer.ggml.token_type"
#define MERGES "tokenizer.ggml.merges"
#define MAX_TOKEN_BYTES 65535u // longer than any token that is

// A hostile text, fit for a message: quoted, escaped, cut.
static const char *quoted(struct jb_str *b, const char *s, size_t n)
{
    char cut[64];
    size_t keep = n < sizeof cut - 1 ? n : sizeof cut - 1;
    memcpy(cut, s, keep);
    cut[keep] = '\0';
    jb_str_clear(b);
    jb_str_add_json(b, cut);
    if (keep < n)
        jb_str_add(b, "...");
    return jb_str_get(b);
}

__attribute__((format(printf, 6, 7))) static int bad(const struct jb_gguf *g, const char *key, size_t i, int code, struct jb_err *err, const char *format, ...)
{
    char reason[320];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return jb_fail(err, code, "%s: key \"%s\", element %zu: %s", jb_gguf_name(g), key, i, reason);
}

static int no_memory(const struct jb_gguf *g, struct jb_err *err)
{
    return jb_fail(err, JB_E_NOMEM, "%s: no memory for the vocabulary", jb_gguf_name(g));
}

static size_t slots_for(size_t n)
{
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    return slots;
}

static void draw_key(void *key, size_t n)
{
    if (getrandom(key, n, GRND_NONBLOCK) != (ssize_t)n)
        memset(key, 0x5b, n); // an early boot: a fixed key serves, only not against hostile files
}

// The slot where a text stands or would stand.
static size_t text_slot(const struct jb_tokenizer *t, const char *text, size_t n)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t h;
    _Static_assert(crypto_shorthash_KEYBYTES == sizeof t->by_text.key && sizeof hash == sizeof h, "SipHash");
    crypto_shorthash(hash, (const unsigned char *)text, n, t->by_text.key);
    memcpy(&h, hash, sizeof h);
    size_t i = h & t->by_text.mask;
    for (int32_t id; (id = t->by_text.slots[i]) != JB_NO_TOKEN; i = (i + 1) & t->by_text.mask)
        if (t->tokens[id].text_n == n && memcmp(t->tokens[id].text, text, n) == 0)
            break;
    return i;
}

int32_t jb_tokenizer_find(const struct jb_tokenizer *t, const char *text, size_t n_bytes)
{
    return n_bytes ? t->by_text.slots[text_slot(t, text, n_bytes)] : JB_NO_TOKEN;
}

static int read_types(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    struct jb_err absent;
    size_t count = 0;
    int rc = jb_gguf_array(g, TYPES, NULL, &count, &absent);
    if (rc == JB_E_NOT_FOUND)
        return JB_OK; // all are normal
    if (rc)
        return jb_gguf_array(g, TYPES, NULL, &count, err);
    if (count != t->n)
        return jb_fail(err, JB_E_INVALID, "%s: key \"" TYPES "\" has %zu elements for %zu tokens", jb_gguf_name(g), count, t->n);
    for (size_t i = 0; i < count; i++) {
        uint64_t type = 0;
        rc = jb_gguf_array_u64(g, TYPES, i, &type, err);
        if (rc)
            return rc;
        if (type > JB_TOKEN_BYTE)
            return bad(g, TYPES, i, JB_E_INVALID, err, "%llu is no type of token (0 to %d)", (unsigned long long)type, JB_TOKEN_BYTE);
        t->tokens[i].type = (uint8_t)type;
    }
    return JB_OK;
}

// Texts are borrowed from g here; own_texts copies them.
static int read_texts(struct jb_tokenizer *t, const struct jb_gguf *g, size_t *total, struct jb_err *err)
{
    struct jb_str name = { 0 };
    int rc = JB_OK;
    for (size_t i = 0; i < t->n && !rc; i++) {
        struct jb_token *token = &t->tokens[i];
        size_t n = 0;
        rc = jb_gguf_array_str(g, TOKENS, i, &token->text, &n, err);
        if (rc)
            break;
        token->type = JB_TOKEN_NORMAL;
        token->text_n = (uint32_t)n;
        *total += n + 1;
        if (n > MAX_TOKEN_BYTES)
            rc = bad(g, TOKENS, i, JB_E_INVALID, err, "a token of %zu bytes (limit %u)", n, MAX_TOKEN_BYTES);
        for (size_t at = 0, step; at < n && !rc; at += step)
            if (!(step = jb_utf8_step(token->text + at, n - at, NULL)))
                rc = bad(g, TOKENS, i, JB_E_INVALID, err, "not valid UTF-8: %s", quoted(&name, token->text, n));
        if (n == 0 || rc) // an empty token is never found
            continue;
        size_t slot = text_slot(t, token->text, n);
        if (t->by_text.slots[slot] != JB_NO_TOKEN)
            rc = bad(g, TOKENS, i, JB_E_INVALID, err, "%s is token %d already", quoted(&name, token->text, n), t->by_text.slots[slot]);
        else
            t->by_text.slots[slot] = (int32_t)i;
    }
    jb_str_free(&name);
    return rc;
}

// Bytes of a normal token. One that holds other characters than those of bytes stands for its own text.
static size_t decode_text(const struct jb_token *token, char *out)
{
    size_t n = 0;
    uint32_t c = 0;
    for (size_t at = 0; at < token->text_n; n++) {
        at += jb_utf8_step(token->text + at, token->text_n - at, &c);
        int byte = jb_char_byte(c);
        if (byte < 0) {
            memcpy(out, token->text, token->text_n);
            return token->text_n;
        }
        out[n] = (char)byte;
    }
    return n;
}

static int own_texts(struct jb_tokenizer *t, size_t total, const struct jb_gguf *g, struct jb_err *err)
{
    char *text = t->texts = malloc(total + 1), *bytes = t->bytes = malloc(total + 1);
    if (!text || !bytes)
        return no_memory(g, err);
    for (size_t i = 0; i < t->n; i++) {
        struct jb_token *token = &t->tokens[i];
        memcpy(text, token->text, token->text_n + 1);
        token->text = text;
        text += token->text_n + 1;
        token->bytes = bytes;
        if (token->type == JB_TOKEN_NORMAL) {
            token->bytes_n = (uint32_t)decode_text(token, bytes);
        } else if (token->type == JB_TOKEN_CONTROL || token->type == JB_TOKEN_UNKNOWN || token->type == JB_TOKEN_USER_DEFINED) {
            token->bytes_n = token->text_n;
            memcpy(bytes, token->text, token->text_n);
        } // unused, undefined and byte tokens decode to nothing, as in llama.cpp
        bytes += token->bytes_n;
    }
    for (int b = 0; b < 256; b++) {
        char spelled[2];
        size_t n = jb_byte_spell((uint8_t)b, spelled);
        t->byte_token[b] = jb_tokenizer_find(t, spelled, n);
    }
    return JB_OK;
}

static int load_tokens(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    size_t total = 0;
    int rc = jb_gguf_array(g, TOKENS, NULL, &t->n, err);
    if (rc)
        return rc;
    if (t->n == 0)
        return jb_fail(err, JB_E_INVALID, "%s: key \"" TOKENS "\" is empty", jb_gguf_name(g));
    size_t slots = slots_for(t->n);
    t->tokens = calloc(t->n, sizeof *t->tokens);
    t->by_text.slots = malloc(slots * sizeof *t->by_text.slots);
    if (!t->tokens || !t->by_text.slots)
        return no_memory(g, err);
    memset(t->by_text.slots, 0xff, slots * sizeof *t->by_text.slots); // JB_NO_TOKEN
    t->by_text.mask = slots - 1;
    draw_key(t->by_text.key, sizeof t->by_text.key);
    rc = read_texts(t, g, &total, err);
    if (!rc)
        rc = read_types(t, g, err);
    return rc ? rc : own_texts(t, total, g, err);
}

// Multiply and shift by odd keys of 64 bits that nobody knows.
static size_t merge_slot(const struct jb_merge_index *m, int32_t left, int32_t right)
{
    size_t i = (((uint64_t)(uint32_t)left * m->key[0] + (uint64_t)(uint32_t)right * m->key[1]) >> 32) & m->mask;
    while (m->slots[i].left != JB_NO_TOKEN && (m->slots[i].left != left || m->slots[i].right != right))
        i = (i + 1) & m->mask;
    return i;
}

const struct jb_merge *jb_merge_find(const struct jb_merge_index *m, int32_t left, int32_t right)
{
    const struct jb_merge *found = &m->slots[merge_slot(m, left, right)];
    return found->left == JB_NO_TOKEN ? NULL : found;
}

// One "LEFT RIGHT". The first of equal merges counts.
static int read_merge(struct jb_tokenizer *t, const struct jb_gguf *g, size_t i, struct jb_str *room, struct jb_err *err)
{
    const char *text = NULL;
    size_t n = 0;
    int rc = jb_gguf_array_str(g, MERGES, i, &text, &n, err);
    if (rc)
        return rc;
    const char *space = n > 1 ? memchr(text + 1, ' ', n - 1) : NULL;
    if (!space || space == text + n - 1)
        return bad(g, MERGES, i, JB_E_INVALID, err, "%s is no two tokens with a space between", quoted(room, text, n));
    size_t left_n = (size_t)(space - text), right_n = n - left_n - 1;
    int32_t left = jb_tokenizer_find(t, text, left_n), right = jb_tokenizer_find(t, space + 1, right_n);
    if (left == JB_NO_TOKEN || right == JB_NO_TOKEN)
        return bad(g, MERGES, i, JB_E_INVALID, err, "%s is not in the vocabulary", left == JB_NO_TOKEN ? quoted(room, text, left_n) : quoted(room, space + 1, right_n));
    jb_str_clear(room);
    jb_str_addn(room, text, left_n);
    jb_str_addn(room, space + 1, right_n);
    if (room->failed)
        return no_memory(g, err);
    int32_t merged = jb_tokenizer_find(t, room->s, room->len);
    if (merged == JB_NO_TOKEN) {
        struct jb_str name = { 0 };
        rc = bad(g, MERGES, i, JB_E_INVALID, err, "%s, which it makes, is not in the vocabulary", quoted(&name, room->s, room->len));
        jb_str_free(&name);
        return rc;
    }
    struct jb_merge *slot = &t->merges.slots[merge_slot(&t->merges, left, right)];
    if (slot->left == JB_NO_TOKEN)
        *slot = (struct jb_merge){ .left = left, .right = right, .merged = merged, .rank = (uint32_t)i };
    return JB_OK;
}

static int load_merges(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    size_t n = 0;
    int rc = jb_gguf_array(g, MERGES, NULL, &n, err);
    if (rc)
        return rc;
    size_t slots = slots_for(n);
    t->merges.slots = malloc(slots * sizeof *t->merges.slots);
    if (!t->merges.slots)
        return no_memory(g, err);
    for (size_t i = 0; i < slots; i++)
        t->merges.slots[i].left = JB_NO_TOKEN;
    t->merges.mask = slots - 1;
    draw_key(t->merges.key, sizeof t->merges.key);
    t->merges.key[0] |= 1;
    t->merges.key[1] |= 1;
    struct jb_str room = { 0 };
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_merge(t, g, i, &room, err);
    jb_str_free(&room);
    return rc;
}

int jb_vocab_load(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    int rc = load_tokens(t, g, err);
    return rc ? rc : load_merges(t, g, err);
}
