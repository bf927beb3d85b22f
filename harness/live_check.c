#include "harness/live_check.h"

#include "base/stats.h"
#include "harness/build.h"
#include <math.h>
#include <string.h>

void jb_live_check_open(struct jb_live_check *c, const cJSON *run, double max_other_cpu)
{
    memset(c, 0, sizeof *c);
    jb_validity_of_settings(&c->limits, cJSON_GetObjectItemCaseSensitive(run, "settings"));
    if (!isnan(max_other_cpu)) c->limits.max_other_cpu = max_other_cpu;
}

// NAN: too few to say.
static double drift_of(const struct jb_live_check *c, double reference_ns)
{
    double x[JB_LIVE_REFERENCES];
    size_t n = c->n < JB_LIVE_REFERENCES ? c->n : JB_LIVE_REFERENCES;
    if (n < JB_LIVE_LEAST_REFERENCES) return NAN;
    memcpy(x, c->reference_ns, n * sizeof *x);
    double median = jb_median_f64(x, n);
    return fabs(reference_ns - median) / median;
}

uint32_t jb_live_check_block(struct jb_live_check *c, const struct jb_block *b, uint32_t streams)
{
    struct jb_conditions k;
    jb_conditions_of(&b->machine, b->involuntary_switches, b->wall_ns, streams, &k);
    if (b->reference_ns) {
        k.observed[JB_CHECK_REFERENCE] = k.certain[JB_CHECK_REFERENCE] = drift_of(c, (double)b->reference_ns);
        c->reference_ns[c->n++ % JB_LIVE_REFERENCES] = (double)b->reference_ns;
    }
    return jb_conditions_judge(&k, &c->limits, NULL);
}

const char *jb_live_check_name(uint32_t failed)
{
    for (int k = 0; k < JB_CHECK_COUNT; k++)
        if (failed >> k & 1) return jb_check_name((enum jb_check)k);
    return NULL;
}
