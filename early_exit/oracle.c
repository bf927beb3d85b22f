// What a policy could at best have done, read from a full-depth recording.
#include <math.h>
#include "early_exit/recording.h"

uint32_t jb_oracle_earliest_correct(const struct jb_recording *r, uint32_t i)
{
    if (r->label[i] == UINT32_MAX) return r->n_exits;
    for (uint32_t k = 0; k < r->n_exits; k++)
        if (jb_recording_prediction(r, i, k) == r->label[i]) return k;
    return r->n_exits;
}

uint32_t jb_oracle_earliest_consistent(const struct jb_recording *r, uint32_t i)
{
    uint32_t k = r->n_exits - 1;
    uint32_t final = jb_recording_prediction(r, i, k);
    while (k > 0 && jb_recording_prediction(r, i, k - 1) == final) k--;
    return k;
}

// Kaya, Hong, Dumitras: Shallow-Deep Networks, ICML 2019. Wasteful: right at the end and already before. Destructive: wrong at the end, right before.
struct jb_overthinking jb_recording_overthinking(const struct jb_recording *r)
{
    uint32_t n = 0, wasteful = 0, destructive = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->label[i] == UINT32_MAX) continue;
        n++;
        if (jb_oracle_earliest_correct(r, i) >= r->n_exits - 1) continue;
        if (jb_recording_prediction(r, i, r->n_exits - 1) == r->label[i]) wasteful++;
        else destructive++;
    }
    if (n == 0) return (struct jb_overthinking){NAN, NAN};
    return (struct jb_overthinking){(double)wasteful / n, (double)destructive / n};
}
