// Inside the runtime: the best few of many logits.
#ifndef JB_RUNTIME_TOP_H
#define JB_RUNTIME_TOP_H

#include "runtime/session.h"

// Fills top (room for JB_TOP_N) with the greatest logits, best first, ties by lower index; NaN counts as minus infinity. Returns how many.
uint32_t jb_find_top(const float *logits, uint32_t n, struct jb_top *top);

#endif
