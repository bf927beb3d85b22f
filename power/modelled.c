// A relative figure for ranking where no sensor is. Constants: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014,
// figure 1.1.9, 45 nm, 0.9 V:
//   f32 multiply 3.7 pJ + f32 add 0.9 pJ; int8 multiply 0.2 pJ + int32 add 0.1 pJ;
//   64 bits from a cache of 1 MB: 100 pJ. From DRAM they would be 1300-2600 pJ; the weights of the networks measured here stay in the cache
//   between queries, and where they do not the model understates memory. Instruction fetch and decode (about 70 pJ each on that table's core) are left out:
//   SIMD spreads them over many operations, by a factor that this model does not know. Good for order, not for size.
#include <math.h>
#include "power/power.h"

#define MAC_F32_PJ (3.7 + 0.9)
#define MAC_INT8_PJ (0.2 + 0.1)
#define BYTE_PJ (100.0 / 8)

static double picojoules(const struct jb_model_work *w)
{
    return w->macs_f32 * MAC_F32_PJ + w->macs_int8 * MAC_INT8_PJ + w->bytes * BYTE_PJ;
}

double jb_modelled_relative(const struct jb_model_work *w, const struct jb_model_work *full_f32)
{
    double whole = picojoules(full_f32), part = picojoules(w);
    return isfinite(part) && part > 0 && whole > 0 ? part / whole : NAN;
}
