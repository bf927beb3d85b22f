#include "harness/extend.h"

#include <math.h>

#define MARGIN 1.05                     // the next windows' half-widths are not exactly those seen
#define SURELY_WIDER 2.0
#define TOLD_APART 1.5                  // windows must differ by this factor before the part that grows with them can be seen

bool jb_energy_counts(enum jb_energy_class c) { return c == JB_ENERGY_MEASURED || c == JB_ENERGY_INTEGRATED || c == JB_ENERGY_REPLAYED; }

static double half_of(const struct jb_block_fact *b) { return (b->upper_uj - b->lower_uj) / 2; }

static bool usable(const struct jb_block_fact *b) { return jb_energy_counts(b->energy_cls) && b->window_ns && b->uj > 0; }

// What grows with the window, in microjoules a nanosecond. Half-widths also scatter (an update that came late): growth is believed when two long windows or more
// are there and each is at least twice as wide as the widest of the short ones; then the least slope counts. Until then a longer window is worth a try.
static double growth(const struct jb_block_fact *blocks, uint32_t n, double shortest_ns)
{
    double base = 0, base_ns = 0, least = INFINITY;
    uint32_t longer = 0;
    for (uint32_t i = 0; i < n; i++)
        if (usable(&blocks[i]) && (double)blocks[i].window_ns <= TOLD_APART * shortest_ns && half_of(&blocks[i]) >= base) {
            base = half_of(&blocks[i]);
            base_ns = (double)blocks[i].window_ns;
        }
    for (uint32_t i = 0; i < n; i++) {
        if (!usable(&blocks[i]) || (double)blocks[i].window_ns <= TOLD_APART * shortest_ns) continue;
        longer++;
        if (half_of(&blocks[i]) < SURELY_WIDER * base) return 0;
        least = fmin(least, (half_of(&blocks[i]) - base) / ((double)blocks[i].window_ns - base_ns));
    }
    return longer >= 2 && least > 0 ? least : 0;
}

void jb_extension_of(const struct jb_block_fact *blocks, uint32_t n, uint32_t left, double target, struct jb_extension *out)
{
    double energy = 0, half = 0, window = 0, count = 0, shortest_ns = INFINITY, rest = left ? left : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct jb_block_fact *b = &blocks[i];
        if (!usable(b)) continue;
        energy += b->uj;
        half += half_of(b);
        window += (double)b->window_ns;
        count++;
        shortest_ns = fmin(shortest_ns, (double)b->window_ns);
    }
    *out = (struct jb_extension){ .known = count > 0, .half_width = NAN, .wanted_ns = NAN };
    if (!out->known) return;
    out->half_width = half / energy;
    out->reached = out->half_width <= target;
    if (out->reached) return;
    double grows = growth(blocks, n, shortest_ns), edges = fmax(0, (half - grows * window) / count), gain = target * energy / window - grows;
    if (!(gain > 0)) {
        out->unreachable = true;
        return;
    }
    out->wanted_ns = MARGIN * (half + rest * edges - target * energy) / (rest * gain);
}
