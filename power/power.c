// The table of sources, and the probe over all of them.
#include "power/source.h"

// auto tries them in this order: the kernel's counters as directly as can be, then other sensors; what has to be named comes last.
const struct jb_source_ops *const jb_power_sources[] = {
    &jb_source_perf, &jb_source_powercap, &jb_source_papi, &jb_source_hwmon, &jb_source_battery, &jb_source_external, &jb_source_replay, &jb_source_none, NULL,
};

const char *jb_power_source_name(const struct jb_source_ops *s) { return s->name; }

const char *jb_power_source_summary(const struct jb_source_ops *s) { return s->summary; }

int jb_power_probe_all(const struct jb_power_opts *o, struct jb_power_probe *out, size_t room, size_t *n)
{
    *n = 0;
    for (size_t i = 0; jb_power_sources[i]; i++) {
        if (*n == room) return JB_E_RANGE;
        jb_probe_init(&out[*n], jb_power_sources[i]->name);
        int rc = jb_power_sources[i]->probe(o, &out[*n]);
        if (rc) return rc;
        ++*n;
    }
    return JB_OK;
}
