// Text to token ids and back: byte-level BPE with the vocabulary, merges and pre-tokenizer that a GGUF names. Same ids as llama.cpp, which
// docs/language-models.md shows by comparison; where llama.cpp has no answer, ours stands at the function.
//
// Byte-level: each byte of the text is one of 256 characters that print (GPT-2's bytes_to_unicode); tokens are strings of these. A text is cut into
// special tokens and the rest, the rest into pieces by the pre-tokenizer's pattern, and within a piece the pair of neighbours of lowest rank is merged
// first, the leftmost of equals. Cost: O(n log n) in bytes of text, whatever the text.
#ifndef JB_WORKLOADS_TEXT_TOKENIZER_H
#define JB_WORKLOADS_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/strbuf.h"
#include "runtime/gguf.h"

struct jb_tokenizer; // read-only once open: may be shared by threads

#define JB_NO_TOKEN (-1)

// The numbers of tokenizer.ggml.token_type.
enum jb_token_type { JB_TOKEN_UNDEFINED, JB_TOKEN_NORMAL, JB_TOKEN_UNKNOWN, JB_TOKEN_CONTROL, JB_TOKEN_USER_DEFINED, JB_TOKEN_UNUSED, JB_TOKEN_BYTE };

// Copies what it needs: g may be closed afterwards. NOT_FOUND: a required key is missing; UNSUPPORTED: another kind of tokenizer or pre-tokenizer, which
// the detail names; INVALID: an inconsistent vocabulary (file, key, index and reason in the detail).
int jb_tokenizer_open(struct jb_tokenizer **out, const struct jb_gguf *g, struct jb_err *err);
void jb_tokenizer_close(struct jb_tokenizer *t);

size_t jb_tokenizer_n_vocab(const struct jb_tokenizer *t);
const char *jb_tokenizer_pre(const struct jb_tokenizer *t);       // "smollm", "gpt-2" or "llama-bpe"; borrowed
int32_t jb_tokenizer_bos(const struct jb_tokenizer *t);           // begin of sequence; JB_NO_TOKEN: the file names none
int32_t jb_tokenizer_eos(const struct jb_tokenizer *t);           // end of sequence
int32_t jb_tokenizer_eot(const struct jb_tokenizer *t);           // end of turn: named by the file, or known by its text ("<|im_end|>", ...)
bool jb_tokenizer_adds_bos(const struct jb_tokenizer *t);         // what JB_ENCODE_ADD_SPECIAL adds
bool jb_tokenizer_adds_eos(const struct jb_tokenizer *t);
bool jb_tokenizer_is_end(const struct jb_tokenizer *t, int32_t id);   // generation stops behind it: eos, eot, eom and their like
// Of ids that are none: UNDEFINED, and NULL with *n = 0.
enum jb_token_type jb_tokenizer_type(const struct jb_tokenizer *t, int32_t id);
const char *jb_tokenizer_bytes(const struct jb_tokenizer *t, int32_t id, size_t *n_bytes); // what it decodes to (may be half a character); borrowed, not NUL-terminated
const char *jb_tokenizer_text(const struct jb_tokenizer *t, int32_t id, size_t *n_bytes);  // as the vocabulary spells it, UTF-8; borrowed, NUL-terminated
int32_t jb_tokenizer_find(const struct jb_tokenizer *t, const char *text, size_t n_bytes); // by the vocabulary's spelling; JB_NO_TOKEN: none

// Ids, growing. Zero is an empty list; release it with jb_tokens_free.
struct jb_tokens { int32_t *id; size_t n, room; };
int jb_tokens_add(struct jb_tokens *list, int32_t id); // JB_E_NOMEM
void jb_tokens_free(struct jb_tokens *list);

enum {
    JB_ENCODE_ADD_SPECIAL = 1,   // bos in front and eos behind, if the file wants them (tokenizer.ggml.add_bos_token, add_eos_token)
    JB_ENCODE_PARSE_SPECIAL = 2, // texts of control tokens become these tokens; without it they are text as any other. User-defined tokens are always parsed
};

// What was odd about a text. Offsets count bytes from its begin.
struct jb_encode_facts {
    size_t n_invalid, first_invalid; // bytes that are no part of well-formed UTF-8 (Unicode table 3-7), and where the first stands
    size_t n_lost;                   // bytes (as read, see below) for which the vocabulary has no token: no id stands for them, as in llama.cpp
    uint8_t first_lost;              // the first of these, itself
};

// Appends the ids of n_bytes of text (any bytes; NULs are text). facts: filled, or NULL. On failure the list is as it was.
// Bytes that are not UTF-8 are read as llama.cpp reads them: an overlong form as its character, a surrogate as if it were one, any other byte as U+FFFD;
// so is each byte of a form above U+10FFFF, at which llama.cpp throws. Such text does not come back on decoding; well-formed text
// does, byte by byte, if nothing was lost (JB_ENCODE_PARSE_SPECIAL: and special tokens are decoded).
// RANGE: more than 2^30 bytes; UNAVAILABLE: a limit of the regular expression library was hit.
int jb_tokenizer_encode(const struct jb_tokenizer *t, const char *text, size_t n_bytes, unsigned flags, struct jb_tokens *out, struct jb_encode_facts *facts, struct jb_err *err);

// Appends the bytes of n ids. Control and unknown tokens are left out unless `special`. RANGE: an id that is none. NOMEM.
int jb_tokenizer_decode(const struct jb_tokenizer *t, const int32_t *ids, size_t n, bool special, struct jb_str *out, struct jb_err *err);

// For printing token by token: passes on whole characters, keeps back the begin of one that is not complete yet. Bytes that can be no character
// become U+FFFD. Zero is a new stream.
struct jb_text_stream { char held[4]; size_t n_held; };
void jb_text_stream_add(struct jb_text_stream *s, const char *bytes, size_t n_bytes, struct jb_str *out); // appends to out
void jb_text_stream_end(struct jb_text_stream *s, struct jb_str *out);                                     // what is still held becomes U+FFFD

#endif
