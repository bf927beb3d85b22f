// Inside the runtime: one row per model family. A new family is one file and one row in runtime/arch.c.
// session.c has checked rows and order before it calls a row's functions; a NULL commit, rollback, settle, deferred or reset has no effect.
#ifndef JB_RUNTIME_ARCH_H
#define JB_RUNTIME_ARCH_H

#include "runtime/gguf.h"
#include "runtime/inspect.h"
#include "runtime/model.h"
#include "runtime/session.h"

struct jb_arch_ops {
    const char *name;    // general.architecture
    const char *summary;
    bool pool;           // sessions may have several threads
    // How a side file names its base: this key holds what base_hash makes of the base's file. NULL both: "jb.base.sha256", the hash of the whole file.
    const char *base_key;
    int (*base_hash)(const struct jb_gguf *g, char hex[JB_HASH_HEX], struct jb_err *err);
    // Builds everything from the checked file. Fills info (but path, hashes, file_bytes, load_ns, which the caller fills) and *impl. Texts in info live as long as impl.
    int (*build)(void **impl, struct jb_model_info *info, const struct jb_gguf *g, const struct jb_gguf *exits, const struct jb_kernels *k, const struct jb_model_opts *o, struct jb_err *err);
    void (*destroy)(void *impl);
    int (*open)(void **state, size_t *state_bytes, const void *impl, const struct jb_session_opts *o, struct jb_err *err);
    void (*close)(void *state);
    int (*begin)(void *state, uint32_t part, const struct jb_row_input *rows, uint32_t n);
    int (*run_stage)(void *state, uint32_t stage, enum jb_precision p, const uint32_t *rows, uint32_t n, struct jb_cost *cost);
    int (*run_head)(void *state, uint32_t stage, const uint32_t *rows, uint32_t n, uint32_t want, struct jb_head_row *out, struct jb_cost *cost);
    int (*commit)(void *state, uint32_t row, uint32_t n);
    int (*rollback)(void *state, uint32_t row, uint32_t n);
    int (*settle)(void *state, struct jb_cost *cost);
    int (*deferred)(const void *state, uint32_t sequence, uint32_t position, struct jb_cost *cost);
    int (*reset)(void *state, uint32_t sequence);
    // For inspect.h; NULL: the family has no operations to show, or none to observe.
    int (*op)(const void *impl, uint32_t stage, bool head, uint32_t i, struct jb_op_info *out);
    void (*observe)(void *state, jb_observe_fn fn, void *self);
};

extern const struct jb_arch_ops *const jb_archs[]; // NULL-terminated: jbcnn, jb-synth-state, llama

#endif
