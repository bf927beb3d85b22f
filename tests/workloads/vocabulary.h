// Test helper: small vocabularies of byte-level BPE as GGUF files in memory.
#ifndef JB_TESTS_WORKLOADS_VOCABULARY_H
#define JB_TESTS_WORKLOADS_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>
#include "runtime/gguf.h"

// What a file is made of. NULL or 0: that key is left out.
struct vocabulary {
    const char *model, *pre, *template;
    const char **tokens; int32_t *types; size_t n, n_types;
    const char **merges; size_t n_merges;
    int add_bos, add_eos;       // 0: no key, 1: true, -1: false
    int bos, eos;               // -1: no key
};

// The tiny one: token b spells byte b (0 to 255), the results of tiny_merges follow, then tiny_specials. Its arrays may be changed; free with vocabulary_free.
struct vocabulary vocabulary_tiny(const char *pre);
void vocabulary_free(struct vocabulary *v);
// The file, owned by the caller (free).
void *vocabulary_file(const struct vocabulary *v, size_t *n_bytes);

// Ids in the tiny one.
enum { TINY_HE = 256, TINY_LL, TINY_HELL, TINY_HELLO, TINY_SPACE_W, TINY_OR, TINY_SPACE_WOR, TINY_LD, TINY_SPACE_WORLD, TINY_SPACES2, TINY_SPACES4, TINY_AA, TINY_AAAA, TINY_AB, TINY_12, TINY_QUOTE_S,
       TINY_NEWLINES, TINY_E_ACUTE, TINY_ENDOFTEXT, TINY_START, TINY_END, TINY_TOOL, TINY_TOOLBOX, TINY_UNUSED, TINY_N };

#endif
