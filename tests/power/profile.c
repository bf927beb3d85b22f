#include "tests/power/profile.h"
#include "base/rng.h"

void profile_make(struct profile *p, uint64_t seed, double least_w, double most_w, uint64_t step_ns, uint64_t zero_ns)
{
    struct jb_rng rng;
    jb_rng_seed(&rng, seed);
    p->zero_ns = zero_ns;
    p->step_ns = step_ns;
    p->uj_before[0] = 0;
    for (size_t i = 0; i < PROFILE_STEPS; i++) {
        double u = jb_rng_unit(&rng);
        p->watts[i] = u < 0.25 ? least_w : u < 0.5 ? most_w : least_w + (most_w - least_w) * jb_rng_unit(&rng);
        p->uj_before[i + 1] = p->uj_before[i] + p->watts[i] * 1e-3 * (double)step_ns;
    }
}

double profile_uj(const struct profile *p, uint64_t t_ns)
{
    if (t_ns <= p->zero_ns) return 0;
    uint64_t t = t_ns - p->zero_ns, step = t / p->step_ns;
    return (double)(step / PROFILE_STEPS) * p->uj_before[PROFILE_STEPS] + p->uj_before[step % PROFILE_STEPS] + p->watts[step % PROFILE_STEPS] * 1e-3 * (double)(t % p->step_ns);
}

uint64_t profile_shown(double uj, uint64_t unit_uj, uint64_t range_uj)
{
    uint64_t modulus = range_uj + unit_uj, units = (uint64_t)uj / unit_uj;
    uint64_t shown = units * unit_uj % modulus;
    return shown > range_uj ? range_uj : shown;
}

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u; // splitmix64's finish
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// The k-th update lies up to jitter / 2 of the base before its place, so that two are never further apart than base * (1 + jitter / 2) = period.
static uint64_t update(uint64_t k, uint64_t base, double jitter, uint64_t seed)
{
    double early = 0.5 * jitter * (double)(mixed(k * 0x9e3779b97f4a7c15u + seed) >> 11) * 0x1p-53;
    return k * base - (uint64_t)(early * (double)base);
}

uint64_t profile_update_at(uint64_t t_ns, uint64_t period_ns, double jitter, uint64_t seed)
{
    uint64_t base = (uint64_t)((double)period_ns / (1 + 0.5 * jitter)), k = t_ns / base + 1;
    while (k > 0 && update(k, base, jitter, seed) > t_ns) k--;
    return k ? update(k, base, jitter, seed) : 0;
}
