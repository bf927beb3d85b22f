// none: no sensor. What stands in for a figure is the reason why there is none.
#include <stdio.h>
#include <stdlib.h>
#include "power/sources.h"

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    (void)o;
    jb_probe_init(out, jb_power_none.name);
    out->available = true;
    snprintf(out->reason, sizeof out->reason, "always there; gives no figure");
    return JB_OK;
}

static int open_none(void **impl, const struct jb_power_opts *o, struct jb_err *err)
{
    (void)o, (void)err;
    *impl = NULL;
    return JB_OK;
}

static void close_none(void *impl)
{
    (void)impl;
}

static int read_none(void *impl, uint64_t now_ns, struct jb_joules *out)
{
    (void)impl, (void)now_ns;
    return jb_read_failed(out, JB_E_UNAVAILABLE, jb_power_none.name, "no energy source was chosen");
}

const struct jb_power_ops jb_power_none = {"none", "no energy source: every figure is absent, with the reason", probe, open_none, close_none, read_none};
