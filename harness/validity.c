#include "harness/validity.h"

#include <math.h>
#include <string.h>

#define LEAST_SWITCHES 10.0             // fewer in a block are chance

static const struct { const char *name, *what_to_do; } ROW[JB_CHECK_COUNT] = {
    [JB_CHECK_OTHERS] = { "other_cpu", "end other programs or wait for them (joulebench doctor --measure shows the machine's noise), or raise validity.max_other_cpu" },
    [JB_CHECK_STEAL] = { "steal", "the host gave this guest's CPUs to others: use a dedicated host or an instance with fixed CPUs, or raise validity.max_steal" },
    [JB_CHECK_FREQUENCY] = { "frequency", "fix the clock: cpupower frequency-set -g performance, and turn turbo off for the run; or raise validity.max_freq_change" },
    [JB_CHECK_GOVERNOR] = { "governor", "something changed the frequency governor during the run: stop the power daemon (power-profiles-daemon, tlp) and run again" },
    [JB_CHECK_THROTTLING] = { "throttling", "the CPU was throttled for heat: better cooling, pauses, or a lower power limit (joulebench power limits); or allow it by validity.throttling=true" },
    [JB_CHECK_SWAP] = { "swap", "memory was swapped: end programs, give the machine more memory, or switch swap off; or allow it by validity.swap=true" },
    [JB_CHECK_CLOCK] = { "clock_jump", "the clock was set, or the machine slept or moved to another host: let time synchronisation settle and keep the machine awake, then run again" },
    [JB_CHECK_INVOLUNTARY] = { "involuntary_switches", "other threads took the CPU: end other programs, pin the run (taskset) to a CPU that is kept free, ask for fewer threads; or raise validity.max_involuntary_per_s" },
    [JB_CHECK_REFERENCE] = { "reference_drift", "fixed work took another time beside some blocks than beside others: the machine's speed drifts; fix the clock, end other programs, wait until it is warm" },
};

const char *jb_check_name(enum jb_check c) { return ROW[c].name; }
const char *jb_check_what_to_do(enum jb_check c) { return ROW[c].what_to_do; }

int jb_check_find(const char *name)
{
    for (int c = 0; c < JB_CHECK_COUNT; c++)
        if (!strcmp(name, ROW[c].name)) return c;
    return -1;
}

void jb_validity_default(struct jb_validity_limits *l)
{
    *l = (struct jb_validity_limits){ .max_other_cpu = 0.1, .max_steal = 0.05, .max_freq_change = 0.2, .max_clock_jump_ms = 10, .max_involuntary_per_s = 250, .max_reference_drift = 0.5,
                                      .max_invalid_share = 0.2 };
}

double jb_check_limit(enum jb_check c, const struct jb_validity_limits *l)
{
    switch (c) {
    case JB_CHECK_OTHERS: return l->max_other_cpu;
    case JB_CHECK_STEAL: return l->max_steal;
    case JB_CHECK_FREQUENCY: return l->max_freq_change;
    case JB_CHECK_GOVERNOR: return 0;
    case JB_CHECK_THROTTLING: return l->throttling ? INFINITY : 0;
    case JB_CHECK_SWAP: return l->swap ? INFINITY : 0;
    case JB_CHECK_CLOCK: return l->max_clock_jump_ms;
    case JB_CHECK_INVOLUNTARY: return l->max_involuntary_per_s;
    case JB_CHECK_REFERENCE: return l->max_reference_drift;
    case JB_CHECK_COUNT: break;
    }
    return INFINITY;
}

static double count_of(uint64_t n) { return n == UINT64_MAX ? NAN : (double)n; }

void jb_conditions_of(const struct jb_machine_span *s, uint64_t involuntary_switches, uint64_t wall_ns, uint32_t streams, struct jb_conditions *out)
{
    struct jb_conditions *c = out;
    *c = (struct jb_conditions){ .wall_ns = wall_ns, .streams = streams ? streams : 1 };
    double *o = c->observed, seconds = (double)wall_ns * 1e-9;
    o[JB_CHECK_OTHERS] = s->cpu.known ? s->cpu.share : NAN;
    o[JB_CHECK_STEAL] = s->cpu.known ? s->steal_share : NAN;
    o[JB_CHECK_FREQUENCY] = s->freq_change;
    o[JB_CHECK_GOVERNOR] = s->governor_known ? s->governor_changed : NAN;
    o[JB_CHECK_THROTTLING] = count_of(s->throttles);
    o[JB_CHECK_SWAP] = count_of(s->swapped_pages);
    o[JB_CHECK_CLOCK] = s->clock_jump_ns * 1e-6;
    o[JB_CHECK_INVOLUNTARY] = seconds > 0 ? count_of(involuntary_switches) / seconds / c->streams : NAN;
    o[JB_CHECK_REFERENCE] = NAN;
    memcpy(c->certain, o, sizeof c->certain);
    c->certain[JB_CHECK_OTHERS] = s->cpu.known ? s->cpu.share_least : NAN;
    c->certain[JB_CHECK_STEAL] = s->cpu.known ? s->steal_share_least : NAN;
    if (involuntary_switches < LEAST_SWITCHES) c->certain[JB_CHECK_INVOLUNTARY] = 0;
}

uint32_t jb_conditions_judge(const struct jb_conditions *c, const struct jb_validity_limits *l, uint32_t *unknown)
{
    uint32_t failed = 0, none = 0;
    for (int k = 0; k < JB_CHECK_COUNT; k++) {
        if (isnan(c->certain[k])) none |= 1u << k;
        else if (c->certain[k] > jb_check_limit((enum jb_check)k, l)) failed |= 1u << k;
    }
    if (unknown) *unknown = none;
    return failed;
}

uint64_t jb_validity_may_fail(uint64_t n, const struct jb_validity_limits *l)
{
    uint64_t share = (uint64_t)floor((double)n * l->max_invalid_share + 1e-9);
    return n < 2 ? 0 : share ? share : 1;
}
