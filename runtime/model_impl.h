// Inside the runtime: what an open model is. Shared by model.c and session.c.
#ifndef JB_RUNTIME_MODEL_IMPL_H
#define JB_RUNTIME_MODEL_IMPL_H

#include "runtime/arch.h"

struct jb_model {
    struct jb_model_info info;
    const struct jb_arch_ops *arch;
    void *impl;
    struct jb_gguf *file, *exits; // exits: NULL when there is no side file
};

#endif
