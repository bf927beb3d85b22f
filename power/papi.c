// PAPI, probed alone: which version, which components, and whether energy can be read through its perf_event_uncore. Whether a counter works is
// decided by add + start + read: PAPI answers queries for events that it then fails to add.
#include <errno.h>
#include <papi.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "power/sources.h"

#define PMU_PATH "/sys/bus/event_source/devices/power"

static const char *const energy_events[] = {"rapl::RAPL_ENERGY_PKG:cpu=0", "amd64_rapl::RAPL_ENERGY_PKG:cpu=0", "rapl::RAPL_ENERGY_PKG", NULL};

// Appends " word" while there is room.
static void add_word(char *text, size_t room, const char *word)
{
    size_t at = strlen(text);
    snprintf(text + at, room - at, "%s%.40s", at ? " " : "", word);
}

static bool list_components(char *text, size_t room)
{
    bool uncore = false;
    text[0] = 0;
    for (int i = 0; i < PAPI_num_components(); i++) {
        const PAPI_component_info_t *info = PAPI_get_component_info(i);
        if (!info) continue;
        char word[64];
        snprintf(word, sizeof word, "%.40s%s", info->name, info->disabled ? "(off)" : "");
        add_word(text, room, word);
        uncore |= strcmp(info->name, "perf_event_uncore") == 0 && !info->disabled;
    }
    return uncore;
}

// Add, start, read, stop. PAPI_OK or the first error.
static int try_event(const char *event)
{
    int set = PAPI_NULL;
    long long value = 0;
    int rc = PAPI_create_eventset(&set);
    if (rc != PAPI_OK) return rc;
    rc = PAPI_add_named_event(set, event);
    if (rc == PAPI_OK) {
        rc = PAPI_start(set);
        if (rc == PAPI_OK) {
            rc = PAPI_read(set, &value);
            long long last;
            (void)PAPI_stop(set, &last);
        }
        (void)PAPI_cleanup_eventset(set);
    }
    (void)PAPI_destroy_eventset(&set);
    return rc;
}

static const char *working_event(int *error)
{
    for (size_t i = 0; energy_events[i]; i++) {
        int rc = try_event(energy_events[i]);
        if (rc == PAPI_OK) return energy_events[i];
        if (i == 0) *error = rc;
    }
    return NULL;
}

static void explain(struct jb_power_probe *out, int version, const char *components, bool uncore, const char *event, int error)
{
    char head[136];
    bool pmu = jb_probe_mode(PMU_PATH, out->mode);
    snprintf(head, sizeof head, "PAPI %d.%d.%d (%.100s)", PAPI_VERSION_MAJOR(version), PAPI_VERSION_MINOR(version), PAPI_VERSION_REVISION(version), components);
    if (event) {
        snprintf(out->reason, sizeof out->reason, "%s: %s can be read, but this version takes no energy through PAPI", head, event);
        snprintf(out->fix, sizeof out->fix, "use powercap, which reads the same counters");
    } else if (!pmu) {
        out->errnum = ENOENT;
        snprintf(out->reason, sizeof out->reason, "%s: the kernel has no `power` PMU", head);
        snprintf(out->fix, sizeof out->fix, "sudo modprobe rapl (kernel option CONFIG_PERF_EVENTS_INTEL_RAPL); not in a virtual machine");
    } else {
        snprintf(out->reason, sizeof out->reason, "%s: perf_event_uncore %s, %s: %.60s", head, uncore ? "is on" : "is off", energy_events[0], PAPI_strerror(error));
        snprintf(out->fix, sizeof out->fix, "sudo sysctl kernel.perf_event_paranoid=0, or run as root with paranoid below 3");
    }
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    (void)o;
    char components[128];
    jb_probe_init(out, jb_power_papi.name);
    snprintf(out->path, sizeof out->path, "%s", PMU_PATH);
    bool ours = PAPI_is_initialized() == PAPI_NOT_INITED;
    int version = ours ? PAPI_library_init(PAPI_VER_CURRENT) : PAPI_get_opt(PAPI_LIB_VERSION, NULL);
    if (version < 0) {
        snprintf(out->reason, sizeof out->reason, "PAPI does not start: %.100s", PAPI_strerror(version));
        snprintf(out->fix, sizeof out->fix, "install the libpapi that joulebench was built with (%d.%d)", PAPI_VERSION_MAJOR(PAPI_VERSION), PAPI_VERSION_MINOR(PAPI_VERSION));
        return JB_OK;
    }
    int error = PAPI_OK;
    bool uncore = list_components(components, sizeof components);
    const char *event = working_event(&error);
    explain(out, version, components, uncore, event, error);
    if (ours) PAPI_shutdown();
    return JB_OK;
}

static int open_papi(void **impl, const struct jb_power_opts *o, struct jb_err *err)
{
    (void)impl, (void)o;
    return jb_fail(err, JB_E_UNSUPPORTED, "papi: this version probes PAPI but takes no energy through it; use powercap, which reads the same counters");
}

static void close_papi(void *impl)
{
    (void)impl;
}

static int read_papi(void *impl, uint64_t now_ns, struct jb_joules *out)
{
    (void)impl, (void)now_ns;
    return jb_read_failed(out, JB_E_UNSUPPORTED, jb_power_papi.name, "not read by this version");
}

const struct jb_power_ops jb_power_papi = {"papi", "PAPI's perf_event_uncore: probed, not read by this version", probe, open_papi, close_papi, read_papi};
