// none: always there, gives no figure.
#include <errno.h>
#include <stdio.h>
#include "power/source.h"

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    (void)o;
    jb_probe_init(out, jb_source_none.name);
    out->available = true;
    snprintf(out->reason, sizeof out->reason, "always there; gives no figure");
    return JB_OK;
}

static int open_none(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    (void)o, (void)err;
    *impl = NULL;
    *out = (struct jb_source){.cls = JB_ENERGY_NONE, .name = "none"};
    return JB_OK;
}

static void close_none(void *impl) { (void)impl; }

static bool read_none(void *impl, size_t channel, struct jb_reading *out)
{
    (void)impl, (void)channel;
    *out = (struct jb_reading){.errnum = ENODATA};
    return false;
}

const struct jb_source_ops jb_source_none = {"none", "no energy source: every figure is absent, with the reason", true, probe, open_none, close_none, read_none};
