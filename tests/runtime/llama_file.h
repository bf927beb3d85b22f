// llama files for tests: a synthetic model with some of its keys and tensors changed, and side files with exits of every form.
#ifndef JB_TESTS_LLAMA_FILE_H
#define JB_TESTS_LLAMA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "runtime/gguf.h"
#include "runtime/synth.h"

// A change. Keys: value by kind. Tensors: a type with sizes, zeros for data where none are given. DROP takes either out. What is not in the file is added.
enum change_kind { CHANGE_END, CHANGE_DROP, CHANGE_U32, CHANGE_F32, CHANGE_TEXT, CHANGE_NUMBERS, CHANGE_TENSOR };
struct change {
    enum change_kind kind;
    const char *name;
    uint32_t u32;          // U32; the type of a TENSOR
    float f32;
    const char *text;
    uint64_t dims[2];      // TENSOR (0: one dimension less)
    const void *data;
    size_t n;              // NUMBERS: how many u32 at data
};

struct llama_file { void *data; size_t n_bytes; struct jb_gguf *g; };

struct jb_synth_opts llama_opts(const char *type); // 3 layers, width 64 (types of 256: 256), 4 heads of 2 KV heads, 270 tokens, tied, context 64
void llama_file_make(struct llama_file *f, const struct jb_synth_opts *o, const struct change *changes); // changes end with CHANGE_END; NULL: none
void llama_file_close(struct llama_file *f);

// Exits behind layers 1 and 2 (of 3): type of matrices JB_GGML_F32, F16 or Q8_0. Exit 0: full map and gate; exit 1: pair of rank 32 and gate of another width.
// `plain`: neither maps nor gates (the logit lens).
void exits_file_make(struct llama_file *f, const struct jb_gguf *base, uint32_t type, bool plain, const struct change *changes);

#endif
