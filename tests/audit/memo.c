// A model that remembers.
#include "tests/audit/memo.h"

#include <math.h>

#include "base/rng.h"

struct memo memo;

static struct jb_kernels real;
static struct jb_rng rng;
static uint64_t last_sample;
static bool same_sample, started;
static double query_factor = 1;

static void spend(uint64_t ns)
{
    if (memo.clock) {
        memo.clock->t_ns += ns;
        return;
    }
    struct jb_clock c = jb_clock_monotonic();
    uint64_t until = c.now_ns(c.self) + ns;
    while (c.now_ns(c.self) < until) continue;
}

static void query_begins(const uint8_t *in, size_t n)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < n; i++) hash = (hash ^ in[i]) * 1099511628211u;
    same_sample = hash == last_sample;
    last_sample = hash;
    if (!started) {
        jb_rng_seed(&rng, 1);
        started = true;
    }
    query_factor = memo.jitter > 0 ? exp(memo.jitter * jb_rng_normal(&rng)) : 1;
}

static void convolution_cost(void) { spend((uint64_t)((double)(same_sample ? memo.same_ns : memo.new_ns) * query_factor)); }

static void memo_bytes_to_f32(const uint8_t *in, const struct jb_plane *out, const float *scale, const float *offset)
{
    query_begins(in, (size_t)out->h * (size_t)out->w * (size_t)out->c);
    real.bytes_to_f32(in, out, scale, offset);
}

static void memo_conv_f32(const struct jb_conv_f32 *a)
{
    convolution_cost();
    real.conv_f32(a);
}

void memo_wrap(struct jb_kernels *k)
{
    real = *k;
    started = false;
    k->bytes_to_f32 = memo_bytes_to_f32;
    k->conv_f32 = memo_conv_f32;
}
