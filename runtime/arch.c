#include "runtime/arch.h"

#include <stddef.h>

extern const struct jb_arch_ops jb_arch_cnn, jb_arch_state, jb_arch_llama;

const struct jb_arch_ops *const jb_archs[] = { &jb_arch_cnn, &jb_arch_state, &jb_arch_llama, NULL };
