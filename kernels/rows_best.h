// One value offered to a list of the best (struct jb_best, kernels/rows.h). Private to kernels/.
#ifndef JB_KERNELS_ROWS_BEST_H
#define JB_KERNELS_ROWS_BEST_H

#include "kernels/rows.h"

// Indices come rising, so that a tie stays behind what was there.
static inline void jb_best_offer(struct jb_best *a, int32_t i)
{
    float x = a->x[i];
    int32_t at = a->n_found;
    if (x != x) {
        a->n_nan++;
        return;
    }
    while (at > 0 && x > a->value[at - 1])
        at--;
    if (at == a->k)
        return;
    if (a->n_found < a->k)
        a->n_found++;
    for (int32_t j = a->n_found - 1; j > at; j--) {
        a->index[j] = a->index[j - 1];
        a->value[j] = a->value[j - 1];
    }
    a->index[at] = i;
    a->value[at] = x;
}

#endif
