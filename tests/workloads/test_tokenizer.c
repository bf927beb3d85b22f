// The tokenizer on the tiny vocabulary: ids worked out by hand from the merges, a naive merger beside ours, hostile vocabularies. Pieces are those of llama.cpp
// (tests/llm/tokens.py compares with it on megabytes, given a real vocabulary).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/rng.h"
#include "tests/workloads/vocabulary.h"
#include "workloads/text/bytes.h"
#include "workloads/text/chat.h"
#include "workloads/text/tokenizer_impl.h"

static const char *const pres[] = { "gpt-2", "smollm", "llama-bpe" };

static struct jb_tokenizer *open_as(const struct vocabulary *v)
{
    struct jb_tokenizer *t = NULL;
    struct jb_gguf *g = NULL;
    struct jb_err err = { 0 };
    size_t n;
    void *file = vocabulary_file(v, &n);
    if (jb_gguf_open_memory(&g, "tiny", file, n, &err) || jb_tokenizer_open(&t, g, &err))
        fail_msg("%s", err.detail);
    jb_gguf_close(g); // the tokenizer keeps nothing of it
    free(file);
    return t;
}

static struct jb_tokenizer *open_tiny(const char *pre)
{
    struct vocabulary v = vocabulary_tiny(pre);
    v.add_bos = -1;
    struct jb_tokenizer *t = open_as(&v);
    vocabulary_free(&v);
    return t;
}

static struct jb_tokens encode(const struct jb_tokenizer *t, const char *text, size_t n, unsigned flags, struct jb_encode_facts *facts)
{
    struct jb_tokens k = { 0 };
    struct jb_err err = { 0 };
    if (jb_tokenizer_encode(t, text, n, flags, &k, facts, &err))
        fail_msg("%s", err.detail);
    return k;
}

static void expect(const struct jb_tokenizer *t, const char *text, size_t n, unsigned flags, const int32_t *ids, size_t n_ids)
{
    struct jb_tokens k = encode(t, text, n, flags, NULL);
    bool same = k.n == n_ids && (n_ids == 0 || memcmp(k.id, ids, n_ids * sizeof *ids) == 0);
    for (size_t i = 0; !same && i < k.n; i++)
        print_error("%d ", (int)k.id[i]);
    if (!same)
        fail_msg("%s of \"%.*s\"", jb_tokenizer_pre(t), (int)n, text);
    jb_tokens_free(&k);
}
#define EXPECT(t, text, flags, ...) expect(t, text, sizeof(text) - 1, flags, (const int32_t[]){ __VA_ARGS__ }, sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void alphabet(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++) {
        assert_int_equal(jb_char_byte(jb_byte_char((uint8_t)b)), b);
        for (int c = 0; c < b; c++)
            assert_int_not_equal(jb_byte_char((uint8_t)b), jb_byte_char((uint8_t)c));
    }
    assert_int_equal(jb_byte_char(' '), 0x120);
    assert_int_equal(jb_byte_char('\n'), 0x10a);
    assert_int_equal(jb_byte_char(0xad), 0x143);
    assert_int_equal(jb_char_byte(0x144), -1);
    assert_int_equal(jb_char_byte(0xad), -1);
}

static void known_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct jb_tokenizer *t = open_tiny(pres[i]);
        EXPECT(t, "hello world", 0, TINY_HELLO, TINY_SPACE_WORLD);
        EXPECT(t, "hellohello", 0, TINY_HELLO, TINY_HELLO);
        EXPECT(t, "aaaaa", 0, TINY_AAAA, 'a');
        EXPECT(t, "aaab", 0, TINY_AA, TINY_AB); // the leftmost pair of equals first
        EXPECT(t, "it's", 0, 'i', 't', TINY_QUOTE_S);
        EXPECT(t, "\xc3\xa9", 0, TINY_E_ACUTE);
        EXPECT(t, "h\0e", 0, 'h', 0, 'e');
        expect(t, "", 0, 3, NULL, 0);
        jb_tokenizer_close(t);
    }
    struct jb_tokenizer *t = open_tiny("smollm");
    EXPECT(t, "12", 0, '1', '2'); // each digit a piece
    EXPECT(t, "a  1", 0, 'a', TINY_SPACES2, '1');
    jb_tokenizer_close(t);
    t = open_tiny("gpt-2");
    EXPECT(t, "12", 0, TINY_12);
    EXPECT(t, "a  1", 0, 'a', ' ', ' ', '1');
    jb_tokenizer_close(t);
}

static void pieces_are(const char *pre, const char *text, const char *marked)
{
    struct jb_splitter *s;
    struct jb_split w;
    struct jb_err err = { 0 };
    struct jb_str got = { 0 };
    const struct jb_plain plain = { .bytes = text, .shown = text, .n = strlen(text) };
    size_t at, n;
    int rc;
    assert_int_equal(jb_splitter_open(&s, pre, &err), 0);
    assert_int_equal(jb_split_begin(&w, s, &err), 0);
    jb_split_text(&w, &plain);
    while ((rc = jb_split_next(&w, &at, &n, &err)) == 1) {
        jb_str_add(&got, got.len ? "|" : "");
        jb_str_addn(&got, text + at, n);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(jb_str_get(&got), marked);
    jb_str_free(&got);
    jb_split_end(&w);
    jb_splitter_close(s);
}

static void pieces(void **state)
{
    (void)state;
    pieces_are("gpt-2", "I'll say  'tis 12x34   \n ok!?  ", "I|'ll| say| | '|tis| 12|x|34|   \n| ok|!?|  ");
    pieces_are("smollm", "I'll say  'tis 12x34   \n ok!?  ", "I|'ll| say| | '|tis| |1|2|x|3|4|   \n| ok|!?|  ");
    pieces_are("llama-bpe", "I'LL say  'tis 12345x   \n\n ok!?\r\n  ", "I|'LL| say| | '|tis| |123|45|x|   \n\n| ok|!?\r\n|  ");
    pieces_are("gpt-2", "\xc3\xa9t\xc3\xa9\xc2\xa0\xc2\xb2\xd9\xa3\xcc\x81", "\xc3\xa9t\xc3\xa9|\xc2\xa0|\xc2\xb2\xd9\xa3|\xcc\x81"); // no-break space; superscript and Arabic digits; a combining mark alone
    pieces_are("llama-bpe", "(word)\t\tx", "(word|)|\t|\tx");
}

// The merges one by one, each time the pair of lowest rank, leftmost: what the heap must do.
static size_t naive(const struct jb_tokenizer *t, const char *bytes, size_t n, int32_t *id)
{
    for (size_t i = 0; i < n; i++)
        id[i] = t->byte_token[(uint8_t)bytes[i]];
    for (;;) {
        const struct jb_merge *best = NULL;
        size_t where = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const struct jb_merge *m = jb_merge_find(&t->merges, id[i], id[i + 1]);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                where = i;
            }
        }
        if (!best)
            return n;
        id[where] = best->merged;
        memmove(id + where + 1, id + where + 2, (n - where - 2) * sizeof *id);
        n--;
    }
}

static void merging(void **state)
{
    (void)state;
    struct jb_tokenizer *t = open_tiny("gpt-2");
    struct jb_rng rng;
    struct jb_bpe bpe = { 0 };
    static int32_t id[3000];
    char text[3000];
    jb_rng_seed(&rng, 6);
    for (int round = 0; round < 400; round++) {
        size_t n = 1 + jb_rng_below(&rng, round % 40 ? 40 : 3000);
        for (size_t i = 0; i < n; i++)
            text[i] = "helo wrdab12's \n"[jb_rng_below(&rng, round % 3 ? 16 : 4)];
        struct jb_tokens k = { 0 };
        struct jb_encode_facts facts = { 0 };
        assert_int_equal(jb_bpe_piece(&bpe, t, text, n, &k, &facts), 0);
        size_t n_naive = naive(t, text, n, id);
        assert_int_equal(k.n, n_naive);
        assert_memory_equal(k.id, id, n_naive * sizeof *id);
        jb_tokens_free(&k);
    }
    jb_bpe_free(&bpe);
    jb_tokenizer_close(t);
}

static size_t put_char(char *out, uint32_t c)
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63)), 3;
    return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)), out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

static void there_and_back(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 7);
    for (size_t p = 0; p < 3; p++) {
        struct jb_tokenizer *t = open_tiny(pres[p]);
        for (int round = 0; round < 300; round++) {
            char text[1024];
            size_t n = 0;
            for (size_t i = jb_rng_below(&rng, 200); i; i--) {
                uint32_t c = jb_rng_below(&rng, 4) ? jb_rng_below(&rng, 128) : jb_rng_below(&rng, round % 2 ? 0x110000 : 0x3000);
                if (c < 0xd800 || c > 0xdfff)
                    n += put_char(text + n, c);
                if (jb_rng_below(&rng, 20) == 0)
                    n += (size_t)sprintf(text + n, "%s", jb_rng_below(&rng, 2) ? "<|im_end|>" : "<tool>");
                if (n > sizeof text - 20)
                    break;
            }
            for (unsigned flags = 0; flags < 4; flags += 2) {
                struct jb_encode_facts facts;
                struct jb_str back = { 0 };
                struct jb_tokens k = encode(t, text, n, flags, &facts);
                assert_int_equal(jb_tokenizer_decode(t, k.id, k.n, true, &back, NULL), 0);
                assert_int_equal(back.len, n);
                assert_memory_equal(jb_str_get(&back), text, n);
                assert_true(facts.n_invalid == 0 && facts.n_lost == 0);
                jb_str_free(&back);
                jb_tokens_free(&k);
            }
        }
        jb_tokenizer_close(t);
    }
}

// Broken bytes are read as llama.cpp reads them.
static void invalid_bytes(void **state)
{
    (void)state;
    static const struct { const char *text, *read_as; size_t n_invalid, first; } cases[] = {
        { "ab\xff", "ab\xef\xbf\xbd", 1, 2 },
        { "\x80\xbf", "\xef\xbf\xbd\xef\xbf\xbd", 2, 0 },
        { "a\xc3", "a\xef\xbf\xbd", 1, 1 },
        { "\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz", 2, 0 },
        { "\xc1\x81", "A", 2, 0 },                                                                 // overlong
        { "\xe0\x80\xaf", "/", 3, 0 },
        { "\xed\xa0\x80x", "\xed\xa0\x80x", 3, 0 },                                                // a surrogate stays
        { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 4, 0 },          // llama.cpp throws
        { "\xf8\x88\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 5, 0 },
        { "\xe2<|im_end|>\xff", "\xef\xbf\xbd<|im_end|>\xef\xbf\xbd", 2, 0 },
    };
    struct jb_tokenizer *t = open_tiny("smollm");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jb_encode_facts facts;
        struct jb_tokens a = encode(t, cases[i].text, strlen(cases[i].text), JB_ENCODE_PARSE_SPECIAL, &facts), b = encode(t, cases[i].read_as, strlen(cases[i].read_as), JB_ENCODE_PARSE_SPECIAL, NULL);
        assert_int_equal(facts.n_invalid, cases[i].n_invalid);
        assert_int_equal(facts.first_invalid, cases[i].first);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, a.n * sizeof *a.id);
        jb_tokens_free(&a);
        jb_tokens_free(&b);
    }
    jb_tokenizer_close(t);
}

static void special_tokens(void **state)
{
    (void)state;
    struct jb_tokenizer *t = open_tiny("gpt-2");
    EXPECT(t, "a<|im_end|>b", JB_ENCODE_PARSE_SPECIAL, 'a', TINY_END, 'b');
    EXPECT(t, "<|im_end|>", 0, '<', '|', 'i', 'm', '_', 'e', 'n', 'd', '|', '>');
    EXPECT(t, "<tool>", 0, TINY_TOOLBOX); // user-defined: always; the longer one first
    EXPECT(t, "<tool<tool>", 0, TINY_TOOL, TINY_TOOLBOX);
    EXPECT(t, "<|im_end|><|im_end|", JB_ENCODE_PARSE_SPECIAL, TINY_END, '<', '|', 'i', 'm', '_', 'e', 'n', 'd', '|');
    EXPECT(t, "<unused>", JB_ENCODE_PARSE_SPECIAL, '<', 'u', 'n', 'u', 's', 'e', 'd', '>');
    EXPECT(t, "x", JB_ENCODE_ADD_SPECIAL, 'x');
    assert_int_equal(jb_tokenizer_eot(t), TINY_END);
    assert_true(jb_tokenizer_is_end(t, TINY_END) && jb_tokenizer_is_end(t, TINY_ENDOFTEXT) && !jb_tokenizer_is_end(t, TINY_START) && !jb_tokenizer_is_end(t, -1) && !jb_tokenizer_is_end(t, TINY_N));
    struct jb_str text = { 0 };
    assert_int_equal(jb_tokenizer_decode(t, (const int32_t[]){ 'a', TINY_END, TINY_TOOL, TINY_UNUSED }, 4, false, &text, NULL), 0);
    assert_string_equal(jb_str_get(&text), "a<tool");
    struct jb_err err = { 0 };
    assert_int_equal(jb_tokenizer_decode(t, (const int32_t[]){ 'a', TINY_N }, 2, false, &text, &err), JB_E_RANGE);
    assert_string_equal(jb_str_get(&text), "a<tool");
    jb_str_free(&text);
    jb_tokenizer_close(t);

    struct vocabulary v = vocabulary_tiny("llama-bpe"); // adds a begin by itself
    v.add_eos = 1;
    t = open_as(&v);
    EXPECT(t, "x", JB_ENCODE_ADD_SPECIAL, TINY_START, 'x', TINY_END);
    EXPECT(t, "", JB_ENCODE_ADD_SPECIAL, TINY_START, TINY_END);
    EXPECT(t, "x", 0, 'x');
    jb_tokenizer_close(t);
    vocabulary_free(&v);
}

// Special texts that overlap: the longer counts; of equally long ones the one of lower id, wherever it stands.
static void overlapping_specials(void **state)
{
    (void)state;
    struct vocabulary v = vocabulary_tiny("gpt-2");
    v.tokens[TINY_TOOL] = "|bc|";
    v.tokens[TINY_TOOLBOX] = "|abc";
    struct jb_tokenizer *t = open_as(&v);
    v.tokens[TINY_TOOL] = "|abc|";
    v.tokens[TINY_TOOLBOX] = "c|ab";
    struct jb_tokenizer *u = open_as(&v);
    EXPECT(t, "|abc|bc|", 0, TINY_TOOLBOX, TINY_TOOL);
    EXPECT(t, "|bc|abc", 0, TINY_TOOL, TINY_AB, 'c');
    EXPECT(u, "c|abc|", 0, 'c', TINY_TOOL);
    EXPECT(u, "|abc|abc|", 0, TINY_TOOL, TINY_AB, 'c', '|');
    jb_tokenizer_close(t);
    jb_tokenizer_close(u);
    vocabulary_free(&v);
}

// A piece that is a token is that token, even if no merge leads to it: llama-bpe alone.
static void ignored_merges(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        struct vocabulary v = vocabulary_tiny(pres[p]);
        v.tokens[TINY_UNUSED] = "\xc4\xa0zz";
        v.types[TINY_UNUSED] = JB_TOKEN_NORMAL;
        struct jb_tokenizer *t = open_as(&v);
        if (p == 2)
            EXPECT(t, "zz zz", 0, 'z', 'z', TINY_UNUSED);
        else
            EXPECT(t, "zz zz", 0, 'z', 'z', ' ', 'z', 'z');
        jb_tokenizer_close(t);
        vocabulary_free(&v);
    }
}

static void lost_bytes(void **state)
{
    (void)state;
    struct vocabulary v = vocabulary_tiny("gpt-2");
    v.tokens['z'] = "zzzz";
    struct jb_tokenizer *t = open_as(&v);
    struct jb_encode_facts facts;
    struct jb_tokens k = encode(t, "azbz", 4, 0, &facts);
    assert_int_equal(facts.n_lost, 2);
    assert_int_equal(facts.first_lost, 'z');
    assert_int_equal(k.n, 2);
    jb_tokens_free(&k);
    jb_tokenizer_close(t);
    vocabulary_free(&v);
}

// A quarter of a megabyte without a place to cut. (That the time grows as n log n is not judged here: a quadratic step would not end.)
static void long_pieces(void **state)
{
    (void)state;
    size_t n = (size_t)1 << 18;
    char *text = malloc(n);
    assert_non_null(text);
    static const char *const fills[] = { "a", "ab", " ", "\n ", ".", "<", "<tool", "1", "'", "\xcc\x81" };
    for (size_t p = 0; p < 3; p++) {
        struct jb_tokenizer *t = open_tiny(pres[p]);
        for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
            size_t unit = strlen(fills[f]), total = 0;
            for (size_t i = 0; i < n; i++)
                text[i] = fills[f][i % unit];
            struct jb_tokens k = encode(t, text, n, JB_ENCODE_PARSE_SPECIAL, NULL);
            for (size_t i = 0, size; i < k.n; i++, total += size)
                (void)jb_tokenizer_bytes(t, k.id[i], &size);
            assert_true(total >= n && total < n + 3);
            jb_tokens_free(&k);
        }
        jb_tokenizer_close(t);
    }
    free(text);
}

static void refused(const struct vocabulary *v, int code, const char *part)
{
    struct jb_tokenizer *t = NULL;
    struct jb_gguf *g = NULL;
    struct jb_err err = { 0 };
    size_t n;
    void *file = vocabulary_file(v, &n);
    assert_int_equal(jb_gguf_open_memory(&g, "tiny.gguf", file, n, &err), 0);
    assert_int_equal(jb_tokenizer_open(&t, g, &err), code);
    if (strncmp(err.detail, "tiny.gguf: ", 11) != 0 || !strstr(err.detail, part))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, part);
    jb_gguf_close(g);
    free(file);
}

static void hostile_vocabularies(void **state)
{
    (void)state;
    struct vocabulary v;
#define REFUSED(code, part, change) v = vocabulary_tiny("smollm"), change, refused(&v, code, part), vocabulary_free(&v)
    REFUSED(JB_E_UNSUPPORTED, "tokenizer \"llama\" is not known", v.model = "llama");
    REFUSED(JB_E_NOT_FOUND, "tokenizer.ggml.model", v.model = NULL);
    REFUSED(JB_E_UNSUPPORTED, "pre-tokenizer \"qw\\u001ben\" is not known", v.pre = "qw\x1b" "en");
    REFUSED(JB_E_NOT_FOUND, "tokenizer.ggml.pre", v.pre = NULL);
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.tokens\" is empty", v.n = 0);
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.token_type\" has 7 elements for 280 tokens", v.n_types = 7);
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.token_type\", element 9: 77 is no type", v.types[9] = 77);
    REFUSED(JB_E_INVALID, "negative", v.types[9] = -1);
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.tokens\", element 256: \"a\" is token 97 already", v.tokens[256] = "a");
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.tokens\", element 200: not valid UTF-8", v.tokens[200] = "\xc3(");
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.merges\", element 3: \"hell\" is not in the vocabulary", (v.tokens[TINY_HELL] = "hull", v.merges[2] = "h e"));
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.merges\", element 0: \"hq\", which it makes, is not in the vocabulary", v.merges[0] = "h q");
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.merges\", element 1: \"hello\" is no two tokens", v.merges[1] = "hello");
    REFUSED(JB_E_INVALID, "is no two tokens", v.merges[1] = "a ");
    REFUSED(JB_E_INVALID, "is no two tokens", v.merges[1] = "");
    REFUSED(JB_E_INVALID, "key \"tokenizer.ggml.bos_token_id\": 280 is no token (the vocabulary has 280)", v.bos = 280);
    REFUSED(JB_E_INVALID, "\"tokenizer.ggml.eos_token_id\" does not name", (v.eos = -1, v.add_eos = 1));
    REFUSED(JB_E_INVALID, "\"tokenizer.ggml.bos_token_id\" does not name", (v.bos = -1, v.add_bos = 1));
    char *giant = calloc(1, 70001);
    assert_non_null(giant);
    memset(giant, 'x', 70000);
    REFUSED(JB_E_INVALID, "element 270: a token of 70000 bytes", v.tokens[270] = giant);
    giant[2000] = '\0';
    REFUSED(JB_E_INVALID, "element 278: a special token of 2000 bytes", v.tokens[TINY_TOOLBOX] = giant);
    free(giant);
#undef REFUSED
}

// A NUL in a token, and 2^31 tokens: refused by the reader, with key and element.
static void hostile_files(void **state)
{
    (void)state;
    struct vocabulary v = vocabulary_tiny("smollm");
    v.tokens[7] = "unmistakable";
    struct jb_gguf *g;
    struct jb_err err = { 0 };
    size_t n;
    char *file = vocabulary_file(&v, &n);
    char *at = memmem(file, n, "unmistakable", 12);
    assert_non_null(at);
    at[3] = '\0';
    assert_int_equal(jb_gguf_open_memory(&g, "nul.gguf", file, n, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "key \"tokenizer.ggml.tokens\", element 7: a string holds a NUL"));
    at[3] = 'i';
    at = memmem(file, n, "tokenizer.ggml.tokens", 21);
    assert_non_null(at);
    memcpy(at + 21 + 4 + 4, "\0\0\0\x80\0\0\0\0", 8);
    assert_int_equal(jb_gguf_open_memory(&g, "many.gguf", file, n, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "key \"tokenizer.ggml.tokens\": array of 2147483648 elements"));
    free(file);
    vocabulary_free(&v);
}

static void streams(void **state)
{
    (void)state;
    static const struct { const char *in, *out; } cases[] = {
        { "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z" },
        { "\xe2\x82", "\xef\xbf\xbd" },
        { "\xe2\x82x", "\xef\xbf\xbdx" },
        { "\xe2\xc3\xa9", "\xef\xbf\xbd\xc3\xa9" },
        { "\xff\xc0\x80q", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdq" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xf4\x90", "\xef\xbf\xbd\xef\xbf\xbd" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut <= strlen(cases[i].in); cut++) {
            struct jb_text_stream s = { 0 };
            struct jb_str out = { 0 };
            jb_text_stream_add(&s, cases[i].in, cut, &out);
            jb_text_stream_add(&s, cases[i].in + cut, strlen(cases[i].in) - cut, &out);
            jb_text_stream_end(&s, &out);
            assert_string_equal(jb_str_get(&out), cases[i].out);
            jb_str_free(&out);
        }
    struct jb_text_stream s = { 0 };
    struct jb_str out = { 0 };
    jb_text_stream_add(&s, "x\xf0\x9f\x98", 4, &out);
    assert_string_equal(jb_str_get(&out), "x"); // held back
    jb_str_free(&out);
}

#define LOOP "{% for message in messages %}"
#define MESSAGE "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
#define ASK "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
#define SYSTEM "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}"

static int prompt(const char *template, const struct jb_chat_message *m, size_t n, struct jb_str *out, struct jb_err *err)
{
    struct vocabulary v = vocabulary_tiny("smollm");
    struct jb_gguf *g;
    size_t size;
    v.template = template;
    void *file = vocabulary_file(&v, &size);
    assert_int_equal(jb_gguf_open_memory(&g, "tiny.gguf", file, size, err), 0);
    int rc = jb_chat_prompt(g, m, n, true, out, err);
    jb_gguf_close(g);
    free(file);
    vocabulary_free(&v);
    return rc;
}

static void chat_prompts(void **state)
{
    (void)state;
    static const struct jb_chat_message hello[] = { { "user", "Hi" } }, told[] = { { "system", "S" }, { "user", "Hi" } };
    static const char *const others[] = { "", "{% for m in messages %}{{ m }}{% endfor %}", LOOP MESSAGE ASK "x", LOOP "{{'<|im_start|>' + message['role']}}{% endfor %}" ASK, "[INST] {{ '<|im_start|>' }}",
                                          LOOP "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}\n{% endfor %}" ASK }; // prints a line end more
    struct jb_str out = { 0 };
    struct jb_err err = { 0 };
    assert_int_equal(prompt(LOOP SYSTEM MESSAGE ASK, hello, 1, &out, &err), 0);
    assert_string_equal(jb_str_get(&out), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    jb_str_clear(&out);
    assert_int_equal(prompt(LOOP SYSTEM MESSAGE ASK, told, 2, &out, &err), 0);
    assert_string_equal(jb_str_get(&out), "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    jb_str_clear(&out);
    assert_int_equal(prompt("{%- for message in messages -%}\n  {{- '<|im_start|>' + message.role + \"\\n\" + message.content + '<|im_end|>\\n' -}}\n{%- endfor -%}\n" ASK, hello, 1, &out, &err), 0);
    assert_string_equal(jb_str_get(&out), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    jb_str_clear(&out);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(prompt(others[i], hello, 1, &out, &err), JB_E_UNSUPPORTED);
        assert_non_null(strstr(err.detail, "tiny.gguf: key \"tokenizer.chat_template\": a template that is not known (known: ChatML); it begins with \""));
    }
    assert_int_equal(prompt(NULL, hello, 1, &out, &err), JB_E_NOT_FOUND);
    assert_int_equal(prompt(LOOP MESSAGE ASK, &(struct jb_chat_message){ "tool", "x" }, 1, &out, &err), JB_E_INVALID);
    assert_string_equal(jb_str_get(&out), "");
    jb_str_free(&out);
}

// What the golden outputs of the command line are made with (tests/workloads/tools/vocabulary.c writes it).
static void golden_file(void **state)
{
    (void)state;
    struct vocabulary v = vocabulary_tiny("smollm");
    size_t n, n_golden;
    char *golden;
    void *file = vocabulary_file(&v, &n);
    assert_int_equal(jb_read_file("tests/golden/vocabulary.gguf", 1 << 20, &golden, &n_golden, NULL), 0);
    assert_int_equal(n, n_golden);
    assert_memory_equal(file, golden, n);
    free(golden);
    free(file);
    vocabulary_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alphabet),       cmocka_unit_test(known_ids),            cmocka_unit_test(pieces),         cmocka_unit_test(merging),
        cmocka_unit_test(there_and_back), cmocka_unit_test(invalid_bytes),        cmocka_unit_test(special_tokens), cmocka_unit_test(overlapping_specials),
        cmocka_unit_test(ignored_merges), cmocka_unit_test(lost_bytes),           cmocka_unit_test(long_pieces),    cmocka_unit_test(hostile_vocabularies),
        cmocka_unit_test(hostile_files),  cmocka_unit_test(streams),              cmocka_unit_test(chat_prompts), cmocka_unit_test(golden_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
