// Pre-tokenizers: the pattern that cuts a text into pieces, by PCRE2 in UTF mode.
//
// The patterns are those of llama.cpp, written so that no text costs more than its length: runs are possessive, and each pattern matches at every place.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/text/tokenizer_impl.h"

struct jb_splitter { pcre2_code *code; };

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"

static const struct { const char *pre, *pattern; } patterns[] = {
    { "gpt-2", CONTRACTIONS "| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s+(?!\\S)|\\s" },
    // Every number character is a piece, and a text ends before it: white space there is whole, as at the end of a text.
    { "smollm", "\\p{N}|" CONTRACTIONS "| ?\\p{L}++| ?[^\\s\\p{L}\\p{N}]++|\\s+(?![^\\s\\p{N}])|\\s" },
    // `(?:[^\S\r\n]*+[\r\n]++)++` is `\s*[\r\n]+` without its backtracking: white space up to the last line end.
    { "llama-bpe", "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+"
                   "|(?:[^\\S\\r\\n]*+[\\r\\n]++)++|\\s+(?!\\S)|\\s" },
};

static const char *pattern_of(const char *pre)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strcmp(patterns[i].pre, pre) == 0)
            return patterns[i].pattern;
    return NULL;
}

int jb_splitter_open(struct jb_splitter **out, const char *pre, struct jb_err *err)
{
    const char *pattern = pattern_of(pre);
    if (!pattern) {
        struct jb_str name = { 0 };
        jb_str_add_json(&name, pre);
        int rc = jb_fail(err, JB_E_UNSUPPORTED, "pre-tokenizer %.200s is not known (known: gpt-2, llama-bpe, smollm)", jb_str_get(&name));
        jb_str_free(&name);
        return rc;
    }
    struct jb_splitter *s = calloc(1, sizeof *s);
    if (!s)
        return jb_fail(err, JB_E_NOMEM, "no memory for a pre-tokenizer");
    int code = 0;
    PCRE2_SIZE at = 0;
    s->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE, &code, &at, NULL);
    if (!s->code) {
        char reason[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof reason);
        free(s);
        return jb_fail(err, code == PCRE2_ERROR_HEAP_FAILED ? JB_E_NOMEM : JB_E_UNAVAILABLE, "the pattern of pre-tokenizer %s is refused by PCRE2: %s (at %zu)", pre, reason, (size_t)at);
    }
    (void)pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); // where memory may not be made executable, the interpreter serves
    *out = s;
    return JB_OK;
}

void jb_splitter_close(struct jb_splitter *s)
{
    if (!s)
        return;
    pcre2_code_free(s->code);
    free(s);
}

int jb_split_begin(struct jb_split *w, const struct jb_splitter *s, struct jb_err *err)
{
    *w = (struct jb_split){ .s = s };
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    w->match = match;
    w->context = context;
    if (!match || !context) {
        jb_split_end(w);
        return jb_fail(err, JB_E_NOMEM, "no memory for a pre-tokenizer");
    }
    pcre2_set_heap_limit(context, 64 * 1024); // KiB
    return JB_OK;
}

void jb_split_text(struct jb_split *w, const struct jb_plain *text)
{
    // A piece needs a step or two for each of its bytes: an end in place of a hang.
    uint64_t limit = 100000 + 4 * (uint64_t)text->n;
    pcre2_set_match_limit(w->context, limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX);
    w->text = text;
    w->at = 0;
}

int jb_split_next(struct jb_split *w, size_t *at, size_t *n, struct jb_err *err)
{
    size_t size = w->text->n;
    if (w->at >= size)
        return 0;
    PCRE2_SPTR shown = (PCRE2_SPTR)w->text->shown;
    int rc = pcre2_match(w->s->code, shown, size, w->at, PCRE2_NO_UTF_CHECK, w->match, w->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(w->s->code, shown, size, w->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->match, w->context);
    if (rc < 0) {
        char reason[128] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)reason, sizeof reason);
        return jb_fail(err, rc == PCRE2_ERROR_NOMEMORY ? JB_E_NOMEM : JB_E_UNAVAILABLE, "the text cannot be cut into pieces at byte %zu: PCRE2: %s", w->at, reason);
    }
    size_t end = pcre2_get_ovector_pointer(w->match)[1];
    if (end <= w->at)
        return jb_fail(err, JB_E_INTERNAL, "an empty piece at byte %zu", w->at);
    *at = w->at;
    *n = end - w->at;
    w->at = end;
    return 1;
}

void jb_split_end(struct jb_split *w)
{
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->context);
    w->match = w->context = NULL;
}
