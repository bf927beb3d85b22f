#include "workloads/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "workloads/text/bytes.h"
#include "workloads/text/tokenizer_impl.h"

#define MAX_TEXT_BYTES ((size_t)1 << 30)

// "gpt2" is what GGUF calls byte-level BPE.
static int check_kind(const struct jb_gguf *g, const char **pre, struct jb_err *err)
{
    const char *model = NULL;
    int rc = jb_gguf_str(g, "tokenizer.ggml.model", &model, NULL, err);
    if (rc)
        return rc;
    if (strcmp(model, "gpt2") == 0)
        return jb_gguf_str(g, "tokenizer.ggml.pre", pre, NULL, err);
    struct jb_str name = { 0 };
    jb_str_add_json(&name, model);
    rc = jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"tokenizer.ggml.model\": tokenizer %.200s is not known (known: gpt2, which is byte-level BPE)", jb_gguf_name(g), jb_str_get(&name));
    jb_str_free(&name);
    return rc;
}

static int open_parts(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    const char *pre = NULL;
    int rc = check_kind(g, &pre, err);
    if (rc)
        return rc;
    rc = jb_splitter_open(&t->splitter, pre, err);
    if (rc) {
        jb_err_prefix(err, "%s: key \"tokenizer.ggml.pre\"", jb_gguf_name(g));
        return rc;
    }
    t->pre = strdup(pre);
    if (!t->pre)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for a tokenizer", jb_gguf_name(g));
    t->ignore_merges = t->add_bos = strcmp(pre, "llama-bpe") == 0;
    rc = jb_vocab_load(t, g, err);
    return rc ? rc : jb_specials_load(t, g, err);
}

int jb_tokenizer_open(struct jb_tokenizer **out, const struct jb_gguf *g, struct jb_err *err)
{
    struct jb_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for a tokenizer", jb_gguf_name(g));
    int rc = open_parts(t, g, err);
    if (rc) {
        jb_tokenizer_close(t);
        return rc;
    }
    *out = t;
    return JB_OK;
}

void jb_tokenizer_close(struct jb_tokenizer *t)
{
    if (!t)
        return;
    jb_splitter_close(t->splitter);
    free(t->specials);
    free(t->merges.slots);
    free(t->by_text.slots);
    free(t->texts);
    free(t->bytes);
    free(t->tokens);
    free(t->pre);
    free(t);
}

size_t jb_tokenizer_n_vocab(const struct jb_tokenizer *t)
{
    return t->n;
}

const char *jb_tokenizer_pre(const struct jb_tokenizer *t)
{
    return t->pre;
}

int32_t jb_tokenizer_bos(const struct jb_tokenizer *t)
{
    return t->bos;
}

int32_t jb_tokenizer_eos(const struct jb_tokenizer *t)
{
    return t->eos;
}

int32_t jb_tokenizer_eot(const struct jb_tokenizer *t)
{
    return t->eot;
}

bool jb_tokenizer_adds_bos(const struct jb_tokenizer *t)
{
    return t->add_bos;
}

bool jb_tokenizer_adds_eos(const struct jb_tokenizer *t)
{
    return t->add_eos;
}

static const struct jb_token *token_at(const struct jb_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->n ? &t->tokens[id] : NULL;
}

bool jb_tokenizer_is_end(const struct jb_tokenizer *t, int32_t id)
{
    const struct jb_token *token = token_at(t, id);
    return token && token->ends;
}

enum jb_token_type jb_tokenizer_type(const struct jb_tokenizer *t, int32_t id)
{
    const struct jb_token *token = token_at(t, id);
    return token ? (enum jb_token_type)token->type : JB_TOKEN_UNDEFINED;
}

const char *jb_tokenizer_bytes(const struct jb_tokenizer *t, int32_t id, size_t *n_bytes)
{
    const struct jb_token *token = token_at(t, id);
    *n_bytes = token ? token->bytes_n : 0;
    return token ? token->bytes : NULL;
}

const char *jb_tokenizer_text(const struct jb_tokenizer *t, int32_t id, size_t *n_bytes)
{
    const struct jb_token *token = token_at(t, id);
    *n_bytes = token ? token->text_n : 0;
    return token ? token->text : NULL;
}

int jb_tokens_add(struct jb_tokens *list, int32_t id)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        int32_t *bigger = realloc(list->id, room * sizeof *bigger);
        if (!bigger)
            return JB_E_NOMEM;
        list->id = bigger;
        list->room = room;
    }
    list->id[list->n++] = id;
    return JB_OK;
}

void jb_tokens_free(struct jb_tokens *list)
{
    free(list->id);
    *list = (struct jb_tokens){ 0 };
}

// What one encoding needs beside the tokenizer.
struct encoder {
    const struct jb_tokenizer *t;
    struct jb_split split;
    struct jb_bpe bpe;
    struct jb_str spelled;
    struct jb_tokens *out;
    struct jb_encode_facts *facts;
};

// The token that a whole piece is, for models that look there before they merge.
static int32_t whole_piece(struct encoder *e, const char *bytes, size_t n)
{
    char two[2];
    jb_str_clear(&e->spelled);
    for (size_t i = 0; i < n; i++)
        jb_str_addn(&e->spelled, two, jb_byte_spell((uint8_t)bytes[i], two));
    return e->spelled.failed ? JB_NO_TOKEN : jb_tokenizer_find(e->t, e->spelled.s, e->spelled.len);
}

static int encode_piece(struct encoder *e, const char *bytes, size_t n)
{
    if (e->t->ignore_merges) {
        int32_t id = whole_piece(e, bytes, n);
        if (e->spelled.failed)
            return JB_E_NOMEM;
        if (id != JB_NO_TOKEN)
            return jb_tokens_add(e->out, id);
    }
    return jb_bpe_piece(&e->bpe, e->t, bytes, n, e->out, e->facts);
}

static int encode_plain(struct encoder *e, const struct jb_plain *plain, struct jb_err *err)
{
    size_t at, n;
    int rc;
    jb_split_text(&e->split, plain);
    while ((rc = jb_split_next(&e->split, &at, &n, err)) == 1)
        if (encode_piece(e, plain->bytes + at, n))
            return jb_fail(err, JB_E_NOMEM, "no memory for the tokens of a text of %zu bytes", plain->n);
    return rc;
}

static int encode_part(struct encoder *e, const char *text, const struct jb_text_part *part, bool as_is, struct jb_err *err)
{
    if (part->id != JB_NO_TOKEN)
        return jb_tokens_add(e->out, part->id) ? jb_fail(err, JB_E_NOMEM, "no memory for tokens") : JB_OK;
    struct jb_plain plain = { .bytes = text + part->at, .shown = text + part->at, .n = part->n };
    int rc = as_is ? JB_OK : jb_plain_make(&plain, text + part->at, part->n, err);
    if (!rc)
        rc = encode_plain(e, &plain, err);
    jb_plain_free(&plain);
    return rc;
}

static int encode_text(struct encoder *e, const char *text, size_t n, unsigned flags, struct jb_err *err)
{
    struct jb_text_part *parts = NULL;
    size_t n_parts = 0;
    bool as_is = jb_plain_as_is(text, n, e->facts);
    int rc = jb_special_parts(e->t, text, n, flags & JB_ENCODE_PARSE_SPECIAL, &parts, &n_parts, err);
    if (!rc)
        rc = jb_split_begin(&e->split, e->t->splitter, err);
    if (rc) {
        free(parts);
        return rc;
    }
    if ((flags & JB_ENCODE_ADD_SPECIAL) && e->t->add_bos && jb_tokens_add(e->out, e->t->bos))
        rc = jb_fail(err, JB_E_NOMEM, "no memory for tokens");
    for (size_t i = 0; i < n_parts && !rc; i++)
        rc = encode_part(e, text, &parts[i], as_is, err);
    if (!rc && (flags & JB_ENCODE_ADD_SPECIAL) && e->t->add_eos && jb_tokens_add(e->out, e->t->eos))
        rc = jb_fail(err, JB_E_NOMEM, "no memory for tokens");
    jb_split_end(&e->split);
    free(parts);
    return rc;
}

int jb_tokenizer_encode(const struct jb_tokenizer *t, const char *text, size_t n_bytes, unsigned flags, struct jb_tokens *out, struct jb_encode_facts *facts, struct jb_err *err)
{
    if (n_bytes > MAX_TEXT_BYTES)
        return jb_fail(err, JB_E_RANGE, "a text of %zu bytes (limit %zu)", n_bytes, MAX_TEXT_BYTES);
    struct jb_encode_facts found = { 0 };
    struct encoder e = { .t = t, .out = out, .facts = &found };
    size_t n_before = out->n;
    int rc = encode_text(&e, text, n_bytes, flags, err);
    jb_bpe_free(&e.bpe);
    jb_str_free(&e.spelled);
    if (rc)
        out->n = n_before;
    else if (facts)
        *facts = found;
    return rc;
}

int jb_tokenizer_decode(const struct jb_tokenizer *t, const int32_t *ids, size_t n, bool special, struct jb_str *out, struct jb_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!token_at(t, ids[i]))
            return jb_fail(err, JB_E_RANGE, "%d is no token (the vocabulary has %zu)", (int)ids[i], t->n);
    for (size_t i = 0; i < n; i++) {
        const struct jb_token *token = &t->tokens[ids[i]];
        if (special || (token->type != JB_TOKEN_CONTROL && token->type != JB_TOKEN_UNKNOWN))
            jb_str_addn(out, token->bytes, token->bytes_n);
    }
    return out->failed ? jb_fail(err, JB_E_NOMEM, "no memory for the text of %zu tokens", n) : JB_OK;
}
