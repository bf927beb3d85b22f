// Drawing a token from a softmax.
#include <math.h>
#include "early_exit/policy.h"
#include "early_exit/sequence.h"

uint32_t jb_draw(const float *logits, uint32_t n, double temperature, struct jb_rng *rng)
{
    uint32_t best = jb_argmax(logits, n);
    double largest = n ? (double)logits[best] : 0, sum = 0, at = 0;
    double u = jb_rng_unit(rng); // one number for every draw, whatever comes of it
    if (!isfinite(largest)) return best;
    for (uint32_t i = 0; i < n; i++)
        if (logits[i] == logits[i]) sum += exp(((double)logits[i] - largest) / temperature);
    for (uint32_t i = 0; i < n; i++) {
        if (logits[i] != logits[i]) continue;
        at += exp(((double)logits[i] - largest) / temperature);
        if (u * sum < at) return i;
    }
    return best;
}
