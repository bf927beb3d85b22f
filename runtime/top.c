#include "runtime/top.h"

#include <math.h>

uint32_t jb_find_top(const float *logits, uint32_t n, struct jb_top *top)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        float x = logits[i] != logits[i] ? -INFINITY : logits[i];
        if (kept == JB_TOP_N && !(x > top[kept - 1].logit))
            continue;
        uint32_t j = kept < JB_TOP_N ? kept++ : kept - 1;
        for (; j > 0 && x > top[j - 1].logit; j--)
            top[j] = top[j - 1];
        top[j] = (struct jb_top){ .index = (int32_t)i, .logit = x };
    }
    return kept;
}
