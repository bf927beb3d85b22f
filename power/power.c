// The table of sources, and the probe over all of them.
#include "power/power.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "power/sources.h"

const struct jb_power_ops *const jb_power_sources[] = {&jb_power_powercap, &jb_power_papi, &jb_power_replay, &jb_power_none, NULL};

void jb_probe_init(struct jb_power_probe *p, const char *source)
{
    *p = (struct jb_power_probe){.source = source, .cls = JB_ENERGY_NONE, .read_ns = NAN};
}

bool jb_probe_mode(const char *path, char mode[12])
{
    struct stat st;
    mode[0] = 0;
    if (stat(path, &st) != 0) return false;
    mode[0] = S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? '-' : S_ISFIFO(st.st_mode) ? 'p' : 'c';
    for (int bit = 0; bit < 9; bit++) mode[1 + bit] = st.st_mode & (0400u >> bit) ? "rwx"[bit % 3] : '-';
    mode[10] = 0;
    return true;
}

int jb_read_failed(struct jb_joules *out, int code, const char *source, const char *format, ...)
{
    char reason[sizeof out->reason];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    *out = jb_joules_none(source, reason);
    return code;
}

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
