// Inside the tokenizer: what an open one holds, and the steps of encoding. vocab.c and specials.c fill it, nothing changes it afterwards.
#ifndef JB_WORKLOADS_TEXT_TOKENIZER_IMPL_H
#define JB_WORKLOADS_TEXT_TOKENIZER_IMPL_H

#include "workloads/text/tokenizer.h"

struct jb_token {
    const char *text;     // as the vocabulary spells it
    const char *bytes;    // what it decodes to
    uint32_t text_n, bytes_n;
    uint8_t type;         // enum jb_token_type
    bool ends;            // generation stops behind it
};

// A pair of tokens that become one. The lower the rank, the earlier.
struct jb_merge { int32_t left, right, merged; uint32_t rank; };

struct jb_splitter; // split.c

// Open addressing, a power of two of slots, at most half full. The keys are drawn anew for each tokenizer, so that no file can be made to collide.
struct jb_token_index { int32_t *slots; size_t mask; uint8_t key[16]; };
struct jb_merge_index { struct jb_merge *slots; size_t mask; uint64_t key[2]; }; // left == JB_NO_TOKEN: empty

struct jb_tokenizer {
    char *pre;
    struct jb_token *tokens;
    size_t n;
    char *texts, *bytes;          // what tokens point into
    struct jb_token_index by_text;
    struct jb_merge_index merges;
    int32_t byte_token[256];      // JB_NO_TOKEN: the vocabulary cannot spell this byte
    bool ignore_merges;           // a piece that is a token is that token
    int32_t bos, eos, eot, eom;
    bool add_bos, add_eos;
    int32_t *specials;            // control, unknown and user-defined tokens, by text (bytewise)
    size_t n_specials, specials_from[257]; // those that begin with byte b: [from[b], from[b + 1])
    struct jb_splitter *splitter;
};

// A part of a text: a special token (id >= 0), or text to be split.
struct jb_text_part { size_t at, n; int32_t id; };
// The parts of a text in order; *parts is owned (free). Of overlapping special texts the longer one counts, of equally long ones that of the lower id,
// of the same one the earlier place.
int jb_special_parts(const struct jb_tokenizer *t, const char *text, size_t n, bool parse_special, struct jb_text_part **parts, size_t *n_parts, struct jb_err *err);

// Text in the form that the patterns need: `bytes` is what pieces are made of, `shown` (as long) what the pattern sees.
struct jb_plain { const char *bytes, *shown; size_t n; char *owned; };
// True when text needs no second form. Fills facts' counts of invalid bytes.
bool jb_plain_as_is(const char *text, size_t n, struct jb_encode_facts *facts);
int jb_plain_make(struct jb_plain *out, const char *text, size_t n, struct jb_err *err);
void jb_plain_free(struct jb_plain *p);

// The patterns. open: UNSUPPORTED for a name that is not known (known: jb_splitter_names).
int jb_splitter_open(struct jb_splitter **out, const char *pre, struct jb_err *err);
void jb_splitter_close(struct jb_splitter *s);
// A walk over one text. next: 1 and the piece [*at, *at + *n), 0 at the end, or an error.
struct jb_split { const struct jb_splitter *s; void *match, *context; const struct jb_plain *text; size_t at; };
int jb_split_begin(struct jb_split *w, const struct jb_splitter *s, struct jb_err *err);
void jb_split_text(struct jb_split *w, const struct jb_plain *text); // the next text
int jb_split_next(struct jb_split *w, size_t *at, size_t *n, struct jb_err *err);
void jb_split_end(struct jb_split *w);

// Merging within a piece. The room grows with the longest piece and is reused.
struct jb_bpe_symbol { uint32_t prev, next; int32_t id; };
struct jb_bpe_pair { uint32_t rank, left; int32_t left_id, right_id, merged; };
struct jb_bpe { struct jb_bpe_symbol *symbols; struct jb_bpe_pair *heap; size_t room, heap_n; };
void jb_bpe_free(struct jb_bpe *b);
int jb_bpe_piece(struct jb_bpe *b, const struct jb_tokenizer *t, const char *bytes, size_t n, struct jb_tokens *out, struct jb_encode_facts *facts); // NOMEM

// vocab.c
const struct jb_merge *jb_merge_find(const struct jb_merge_index *m, int32_t left, int32_t right); // NULL: none
int jb_vocab_load(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err);
// specials.c: ids with a meaning, ends of generation, and the order of special texts.
int jb_specials_load(struct jb_tokenizer *t, const struct jb_gguf *g, struct jb_err *err);

#endif
