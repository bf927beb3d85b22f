// The sum over LANES of kernels/rows.h: its last step. Private to kernels/.
#ifndef JB_KERNELS_REF_ROWS_LANES_H
#define JB_KERNELS_REF_ROWS_LANES_H

#include "kernels/rows.h"

static inline float jb_lanes_sum(float s[JB_PACK])
{
    for (int w = JB_PACK / 2; w > 0; w /= 2)
        for (int l = 0; l < w; l++)
            s[l] += s[l + w];
    return s[0];
}

#endif
