#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <sodium/crypto_hash_sha256.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128; // ISO C has no name for it

// splitmix64: Steele, Lea & Flood 2014; the seeding that the authors of xoshiro recommend.
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void jb_rng_seed(struct jb_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) r->s[i] = splitmix64(&seed);
}

void jb_rng_seed_named(struct jb_rng *r, uint64_t seed, const char *name)
{
    unsigned char bytes[8], digest[crypto_hash_sha256_BYTES];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(seed >> (8 * i)); // the same on every byte order
    crypto_hash_sha256_state h;
    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, bytes, sizeof bytes);
    crypto_hash_sha256_update(&h, (const unsigned char *)name, strlen(name));
    crypto_hash_sha256_final(&h, digest);
    for (int i = 0; i < 4; i++) {
        r->s[i] = 0;
        for (int k = 0; k < 8; k++) r->s[i] |= (uint64_t)digest[8 * i + k] << (8 * k);
    }
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

// xoshiro256** 1.0
uint64_t jb_rng_u64(struct jb_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

// Lemire, "Fast random integer generation in an interval", 2019.
uint64_t jb_rng_below(struct jb_rng *r, uint64_t n)
{
    assert(n > 0);
    u128 m = (u128)jb_rng_u64(r) * n;
    if ((uint64_t)m < n) {
        uint64_t threshold = -n % n;
        while ((uint64_t)m < threshold) m = (u128)jb_rng_u64(r) * n;
    }
    return (uint64_t)(m >> 64);
}

double jb_rng_unit(struct jb_rng *r)
{
    return (double)(jb_rng_u64(r) >> 11) * 0x1p-53;
}

// Box & Muller 1958. The second value is dropped: the state is the generator's alone.
double jb_rng_normal(struct jb_rng *r)
{
    double u = 1.0 - jb_rng_unit(r); // (0, 1]
    double v = jb_rng_unit(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586477 * v);
}

// Fisher & Yates, in Durstenfeld's form (1964).
void jb_rng_shuffle_u32(struct jb_rng *r, uint32_t *x, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = jb_rng_below(r, i);
        uint32_t t = x[i - 1];
        x[i - 1] = x[j];
        x[j] = t;
    }
}
