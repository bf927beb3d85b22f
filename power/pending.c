// Rows of sources that are on their way: whoever brings one removes its line (and the last one this file).
#include "power/source.h"

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    (void)o, (void)out;
    return JB_OK;
}

static int open_it(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    (void)impl, (void)o, (void)out;
    return jb_fail(err, JB_E_UNSUPPORTED, "not there yet");
}

static void close_it(void *impl) { (void)impl; }

static bool read_it(void *impl, size_t channel, struct jb_reading *out)
{
    (void)impl, (void)channel, (void)out;
    return false;
}

const struct jb_source_ops jb_source_hwmon = {"hwmon", "pending", true, probe, open_it, close_it, read_it};
const struct jb_source_ops jb_source_battery = {"battery", "pending", true, probe, open_it, close_it, read_it};
const struct jb_source_ops jb_source_external = {"external", "pending", true, probe, open_it, close_it, read_it};
