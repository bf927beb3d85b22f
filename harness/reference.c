#include "harness/reference.h"

#include "base/err.h"
#include <stdlib.h>

#define RUNS 3
#define WORDS 65536u                   // 256 KiB of 32-bit words
#define FLOATS 256u
#define ROUNDS 32u
#define STEPS 1200u                    // integer steps of a round
#define HOPS 600u                      // dependent loads and stores of a round
#define PASSES 12u                     // over the floats, of a round

struct jb_reference { uint32_t word[WORDS]; float x[FLOATS], w[FLOATS]; };

int jb_reference_open(struct jb_reference **out)
{
    struct jb_reference *r = calloc(1, sizeof *r);
    if (!r) return JB_E_NOMEM;
    *out = r;
    return 0;
}

void jb_reference_close(struct jb_reference *r) { free(r); }

// xorshift64* (Vigna 2016): shifts and a multiplication, each step waiting for the one before.
static inline uint64_t step(uint64_t s)
{
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    return s * 0x2545f4914f6cdd1du;
}

static void fill(struct jb_reference *r)
{
    for (uint32_t i = 0; i < WORDS; i++) r->word[i] = i * 2654435761u;
    for (uint32_t i = 0; i < FLOATS; i++) {
        r->x[i] = (float)(i % 13);
        r->w[i] = (float)(i * 7 % 11);
    }
}

// Whole numbers below 2^24: exact in any order, fused or not, so the result is the same from every compiler.
static uint32_t floats(const struct jb_reference *r)
{
    float sum[4] = { 0 };
    for (uint32_t i = 0; i < FLOATS; i += 4)
        for (uint32_t k = 0; k < 4; k++) sum[k] += r->x[i + k] * r->w[i + k];
    return (uint32_t)(sum[0] + 2 * sum[1] + 3 * sum[2] + 4 * sum[3]);
}

// Out of line and from one place, so that every caller runs the same code.
__attribute__((noinline)) uint64_t jb_reference_work(struct jb_reference *r)
{
    uint64_t s = 88172645463325252u;
    uint32_t at = 1;
    fill(r);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < STEPS; i++) s = step(s + i);
        for (uint32_t i = 0; i < HOPS; i++) {
            uint32_t next = r->word[at] + i;
            r->word[at] = next ^ (uint32_t)s;
            at = next % WORDS;
        }
        for (uint32_t i = 0; i < PASSES; i++) {
            r->x[(round * PASSES + i) % FLOATS] = (float)(s >> (i % 60) & 15);
            s += floats(r);
        }
        s ^= at;
    }
    return s;
}

int jb_reference_run(struct jb_reference *r, const struct jb_clock *clock, uint64_t *ns)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = clock->now_ns(clock->self);
        if (jb_reference_work(r) != JB_REFERENCE_RESULT) return JB_E_MISMATCH;
        uint64_t took = clock->now_ns(clock->self) - start;
        if (took < least) least = took;
    }
    *ns = least ? least : 1;
    return 0;
}
