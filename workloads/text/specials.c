// Tokens with a meaning of their own: begin, end, end of turn; and their texts found within a text. Which token means what follows llama.cpp's
// llama-vocab.cpp (it, too, knows some by their text alone).
#include <stdlib.h>
#include <string.h>

#include "workloads/text/tokenizer_impl.h"

#define KEY "tokenizer.ggml."
#define MAX_SPECIAL_BYTES 1024u // a text is compared with special tokens at every byte: this bounds the work

static int read_id(const struct jb_tokenizer *t, const struct jb_gguf *g, const char *key, int32_t *out, struct jb_err *err)
{
    struct jb_err absent;
    uint64_t id = 0;
    int rc = jb_gguf_u64(g, key, &id, &absent);
    if (rc == JB_E_NOT_FOUND)
        return JB_OK;
    if (rc)
        return jb_gguf_u64(g, key, &id, err);
    if (id >= t->n)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\": %llu is no token (the vocabulary has %zu)", jb_gguf_name(g), key, (unsigned long long)id, t->n);
    *out = (int32_t)id;
    return JB_OK;
}

static int read_flag(const struct jb_gguf *g, const char *key, bool *out, struct jb_err *err)
{
    struct jb_err absent;
    int rc = jb_gguf_bool(g, key, out, &absent);
    return rc && rc != JB_E_NOT_FOUND ? jb_gguf_bool(g, key, out, err) : JB_OK;
}

// The first of these texts that is a token; it is a control token, whatever its type says.
static int32_t known_by_text(struct jb_tokenizer *t, const char *const *texts)
{
    for (; *texts; texts++) {
        int32_t id = jb_tokenizer_find(t, *texts, strlen(*texts));
        if (id != JB_NO_TOKEN) {
            t->tokens[id].type = JB_TOKEN_CONTROL;
            return id;
        }
    }
    return JB_NO_TOKEN;
}

static const char *const end_texts[] = { "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<EOT>", "<\xef\xbd\x9c""end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", NULL };
static const char *const eom_texts[] = { "<|eom_id|>", NULL };
// What fills a gap between two files: padding, name of a repository, separator of files end a generation.
static const char *const prefix_texts[] = { "<|fim_prefix|>", "<fim-prefix>", "<\xef\xbd\x9c""fim\xe2\x96\x81""begin\xef\xbd\x9c>", "<PRE>", NULL };
static const char *const suffix_texts[] = { "<|fim_suffix|>", "<fim-suffix>", "<\xef\xbd\x9c""fim\xe2\x96\x81hole\xef\xbd\x9c>", "<SUF>", NULL };
static const char *const middle_texts[] = { "<|fim_middle|>", "<fim-middle>", "<\xef\xbd\x9c""fim\xe2\x96\x81""end\xef\xbd\x9c>", "<MID>", NULL };
static const char *const pad_texts[] = { "<|fim_pad|>", "<fim-pad>", "<PAD>", NULL };
static const char *const repo_texts[] = { "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", NULL };
static const char *const file_texts[] = { "<|file_sep|>", NULL };

static const struct { const char *key; const char *const *texts; bool ends; } fim[] = {
    { KEY "fim_pre_token_id", prefix_texts, false }, { KEY "fim_suf_token_id", suffix_texts, false }, { KEY "fim_mid_token_id", middle_texts, false },
    { KEY "fim_pad_token_id", pad_texts, true },     { KEY "fim_rep_token_id", repo_texts, true },    { KEY "fim_sep_token_id", file_texts, true },
};

static void mark_end(struct jb_tokenizer *t, int32_t id)
{
    if (id != JB_NO_TOKEN)
        t->tokens[id].ends = true;
}

static int find_ends(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    if (t->eot == JB_NO_TOKEN)
        t->eot = known_by_text(t, end_texts);
    if (t->eom == JB_NO_TOKEN)
        t->eom = known_by_text(t, eom_texts);
    for (size_t i = 0; i < sizeof fim / sizeof *fim; i++) {
        int32_t id = JB_NO_TOKEN;
        int rc = read_id(t, g, fim[i].key, &id, err);
        if (rc)
            return rc;
        if (id == JB_NO_TOKEN)
            id = known_by_text(t, fim[i].texts);
        if (fim[i].ends)
            mark_end(t, id);
    }
    for (const char *const *text = end_texts; text[1]; text++) // all but the last, which counts as an end of turn only
        mark_end(t, known_by_text(t, (const char *const[]){ *text, NULL }));
    mark_end(t, known_by_text(t, eom_texts));
    mark_end(t, t->eos);
    mark_end(t, t->eot);
    mark_end(t, t->eom);
    return JB_OK;
}

static int by_text(const void *a, const void *b, void *tokens)
{
    const struct jb_token *x = (const struct jb_token *)tokens + *(const int32_t *)a, *y = (const struct jb_token *)tokens + *(const int32_t *)b;
    int order = memcmp(x->text, y->text, x->text_n < y->text_n ? x->text_n : y->text_n);
    return order ? order : x->text_n < y->text_n ? -1 : x->text_n > y->text_n;
}

static int list_specials(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    t->specials = malloc(t->n * sizeof *t->specials);
    if (!t->specials)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for the special tokens", jb_gguf_name(g));
    for (size_t i = 0; i < t->n; i++) {
        const struct jb_token *token = &t->tokens[i];
        if ((token->type != JB_TOKEN_CONTROL && token->type != JB_TOKEN_UNKNOWN && token->type != JB_TOKEN_USER_DEFINED) || token->text_n == 0)
            continue;
        if (token->text_n > MAX_SPECIAL_BYTES)
            return jb_fail(err, JB_E_INVALID, "%s: key \"" KEY "tokens\", element %zu: a special token of %u bytes (limit %u)", jb_gguf_name(g), i, token->text_n, MAX_SPECIAL_BYTES);
        t->specials[t->n_specials++] = (int32_t)i;
    }
    qsort_r(t->specials, t->n_specials, sizeof *t->specials, by_text, t->tokens);
    for (size_t b = 0, i = 0; b <= 256; b++) {
        while (i < t->n_specials && (unsigned char)t->tokens[t->specials[i]].text[0] < b)
            i++;
        t->specials_from[b] = i;
    }
    return JB_OK;
}

int jb_specials_load(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err)
{
    t->bos = t->eos = t->eot = t->eom = JB_NO_TOKEN;
    int rc = read_id(t, g, KEY "bos_token_id", &t->bos, err);
    if (!rc)
        rc = read_id(t, g, KEY "eos_token_id", &t->eos, err);
    if (!rc)
        rc = read_id(t, g, KEY "eot_token_id", &t->eot, err);
    if (!rc)
        rc = read_id(t, g, KEY "eom_token_id", &t->eom, err);
    if (!rc)
        rc = read_flag(g, KEY "add_bos_token", &t->add_bos, err);
    if (!rc)
        rc = read_flag(g, KEY "add_eos_token", &t->add_eos, err);
    if (!rc && ((t->add_bos && t->bos == JB_NO_TOKEN) || (t->add_eos && t->eos == JB_NO_TOKEN)))
        rc = jb_fail(err, JB_E_INVALID, "%s: texts are to begin or end with a token that key \"" KEY "%s_token_id\" does not name", jb_gguf_name(g), t->add_bos && t->bos == JB_NO_TOKEN ? "bos" : "eos");
    if (!rc)
        rc = find_ends(t, g, err);
    return rc ? rc : list_specials(t, g, err);
}

// A special text found.
struct hit { size_t at; uint32_t n; int32_t id; };
struct hits { struct hit *hit; size_t n, room; };

static int add_hit(struct hits *h, size_t at, uint32_t n, int32_t id)
{
    if (h->n == h->room) {
        size_t room = h->room ? 2 * h->room : 64;
        struct hit *bigger = realloc(h->hit, room * sizeof *bigger);
        if (!bigger)
            return JB_E_NOMEM;
        h->hit = bigger;
        h->room = room;
    }
    h->hit[h->n++] = (struct hit){ .at = at, .n = n, .id = id };
    return JB_OK;
}

// The first of specials[from..to), which agree in their first `depth` bytes and are longer, whose next byte is at least b.
static size_t narrow(const struct jb_tokenizer *t, size_t from, size_t to, size_t depth, int b)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if ((unsigned char)t->tokens[t->specials[middle]].text[depth] < b)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

// All special texts that begin at text[at].
static int hits_at(const struct jb_tokenizer *t, const char *text, size_t n, size_t at, bool parse_special, struct hits *out)
{
    int b = (unsigned char)text[at], rc = JB_OK;
    size_t from = t->specials_from[b], to = t->specials_from[b + 1];
    for (size_t depth = 1; from < to && !rc; depth++) {
        const struct jb_token *token = &t->tokens[t->specials[from]];
        if (token->text_n == depth) { // the shortest stands first, and no two are equal
            if (parse_special || token->type == JB_TOKEN_USER_DEFINED)
                rc = add_hit(out, at, token->text_n, t->specials[from]);
            from++;
        }
        if (at + depth >= n)
            break;
        b = (unsigned char)text[at + depth];
        from = narrow(t, from, to, depth, b);
        to = narrow(t, from, to, depth, b + 1);
    }
    return rc;
}

static int by_right(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_place(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

// Keeps those that overlap none of greater right. Hits come longest first, so one that overlaps a kept one has its first or its last byte in it.
static int settle(struct hits *h, size_t n)
{
    char *taken = calloc(n, 1);
    if (!taken)
        return JB_E_NOMEM;
    qsort(h->hit, h->n, sizeof *h->hit, by_right);
    size_t kept = 0;
    for (size_t i = 0; i < h->n; i++) {
        struct hit hit = h->hit[i];
        if (taken[hit.at] || taken[hit.at + hit.n - 1])
            continue;
        memset(taken + hit.at, 1, hit.n);
        h->hit[kept++] = hit;
    }
    free(taken);
    h->n = kept;
    qsort(h->hit, h->n, sizeof *h->hit, by_place);
    return JB_OK;
}

static size_t cut(const struct hits *h, size_t n, struct jb_text_part *parts)
{
    size_t n_parts = 0, at = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->hit[i].at > at)
            parts[n_parts++] = (struct jb_text_part){ .at = at, .n = h->hit[i].at - at, .id = JB_NO_TOKEN };
        parts[n_parts++] = (struct jb_text_part){ .at = h->hit[i].at, .n = h->hit[i].n, .id = h->hit[i].id };
        at = h->hit[i].at + h->hit[i].n;
    }
    if (at < n)
        parts[n_parts++] = (struct jb_text_part){ .at = at, .n = n - at, .id = JB_NO_TOKEN };
    return n_parts;
}

int jb_special_parts(const struct jb_tokenizer *t, const char *text, size_t n, bool parse_special, struct jb_text_part **parts, size_t *n_parts, struct jb_err *err)
{
    struct hits h = { 0 };
    int rc = JB_OK;
    for (size_t at = 0; at < n && !rc && t->n_specials; at++)
        if (t->specials_from[(unsigned char)text[at]] != t->specials_from[(unsigned char)text[at] + 1])
            rc = hits_at(t, text, n, at, parse_special, &h);
    if (!rc && h.n)
        rc = settle(&h, n);
    struct jb_text_part *list = rc ? NULL : malloc((2 * h.n + 1) * sizeof *list);
    if (list) {
        *n_parts = cut(&h, n, list);
        *parts = list;
    }
    free(h.hit);
    return list ? JB_OK : jb_fail(err, JB_E_NOMEM, "no memory for the special tokens of a text of %zu bytes", n);
}
