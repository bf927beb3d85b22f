#include "harness/extend.h"

#include <math.h>

#define MARGIN 1.05                     // the next windows' half-widths are not exactly those seen
#define TOLD_APART 1.5                  // windows must differ by this factor before the part that grows with them can be seen

bool jb_energy_counts(enum jb_energy_class c) { return c == JB_ENERGY_MEASURED || c == JB_ENERGY_INTEGRATED || c == JB_ENERGY_REPLAYED; }

static double half_of(const struct jb_block_fact *b) { return (b->upper_uj - b->lower_uj) / 2; }

void jb_extension_of(const struct jb_block_fact *blocks, uint32_t n, uint32_t left, double target, struct jb_extension *out)
{
    const struct jb_block_fact *shortest = NULL, *longest = NULL;
    double energy = 0, half = 0, window = 0, count = 0, rest = left ? left : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct jb_block_fact *b = &blocks[i];
        if (!jb_energy_counts(b->energy_cls) || !b->window_ns || !(b->uj > 0)) continue;
        energy += b->uj;
        half += half_of(b);
        window += (double)b->window_ns;
        count++;
        if (!shortest || b->window_ns < shortest->window_ns) shortest = b;
        if (!longest || b->window_ns > longest->window_ns) longest = b;
    }
    *out = (struct jb_extension){ .known = count > 0, .half_width = NAN, .wanted_ns = NAN };
    if (!out->known) return;
    out->half_width = half / energy;
    out->reached = out->half_width <= target;
    if (out->reached) return;
    double grows = 0;
    if ((double)longest->window_ns > TOLD_APART * (double)shortest->window_ns)
        grows = fmax(0, (half_of(longest) - half_of(shortest)) / (double)(longest->window_ns - shortest->window_ns));
    double edges = fmax(0, (half - grows * window) / count), power = energy / window, gain = target * power - grows;
    if (!(gain > 0)) {
        out->unreachable = true;
        return;
    }
    out->wanted_ns = MARGIN * (half + rest * edges - target * energy) / (rest * gain);
}
