// A model that remembers.
#include "tests/audit/memo.h"

#include <math.h>
#include <pthread.h>

#include "base/rng.h"

struct memo memo;

static struct jb_kernels real;
static pthread_t payer;                  // queries of other threads (of an accuracy pass) take no time: blocks are measured on this one
static _Thread_local struct jb_rng rng;
static _Thread_local uint64_t last_sample;
static _Thread_local bool same_sample, started;
static _Thread_local double query_factor = 1;

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

static void convolution_cost(void)
{
    if (memo.clock && pthread_equal(pthread_self(), payer)) memo.clock->t_ns += (uint64_t)((double)(same_sample ? memo.same_ns : memo.new_ns) * query_factor);
}

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
    payer = pthread_self();
    started = false;
    k->bytes_to_f32 = memo_bytes_to_f32;
    k->conv_f32 = memo_conv_f32;
}

// ---- for whole commands: the linker sends these two names here (mk/tests.mk) ----

void __real_jb_kernels_init(struct jb_kernels *k, uint32_t mask);
void __wrap_jb_kernels_init(struct jb_kernels *k, uint32_t mask);
void __wrap_jb_kernels_init(struct jb_kernels *k, uint32_t mask)
{
    __real_jb_kernels_init(k, mask);
    if (memo.new_ns) memo_wrap(k);
}

struct jb_clock __real_jb_clock_monotonic(void);
struct jb_clock __wrap_jb_clock_monotonic(void);
struct jb_clock __wrap_jb_clock_monotonic(void) { return memo.clock ? jb_clock_fake(memo.clock) : __real_jb_clock_monotonic(); }
