// papi: the same counters as perf, through PAPI's perf_event_uncore. Whether a counter works is decided by add + start + read: PAPI answers queries for events
// that it then fails to add. PAPI's state belongs to the process, so nobody here shuts it down: another meter, or a program around us, may be using it.
#include <errno.h>
#include <papi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "power/pmu.h"

struct papi {
    struct jb_pmu pmu;
    struct jb_clock clock;
    int set;                 // PAPI_NULL: none
    bool running;
    size_t n;
    int n_added;
    int at[JB_SOURCE_MAX_CHANNELS]; // where the channel stands in the event set
    long long value[JB_SOURCE_MAX_CHANNELS];
    struct jb_channel channel[JB_SOURCE_MAX_CHANNELS];
};

// Names of libpfm's tables: two for the two makers, events as in its intel_rapl and amd64_rapl.
static const char *const tables[] = {"rapl", "amd64_rapl"};
static const char *const events[JB_PMU_DOMAINS] = {
    [JB_PMU_PKG] = "RAPL_ENERGY_PKG", [JB_PMU_CORES] = "RAPL_ENERGY_CORES", [JB_PMU_GPU] = "RAPL_ENERGY_GPU",
    [JB_PMU_RAM] = "RAPL_ENERGY_DRAM", [JB_PMU_PSYS] = "RAPL_ENERGY_PSYS",
};

// Appends " word" while there is room.
static void add_word(char *text, size_t room, const char *word)
{
    size_t at = strlen(text);
    snprintf(text + at, room - at, "%s%.40s", at ? " " : "", word);
}

// Version and components, for the reason. off: why the component that we need is off; empty: it is on.
static void describe(char *head, size_t room, int version, char *off, size_t off_room)
{
    char list[128] = "";
    snprintf(off, off_room, "not in this PAPI");
    for (int i = 0; i < PAPI_num_components(); i++) {
        const PAPI_component_info_t *info = PAPI_get_component_info(i);
        if (!info) continue;
        char word[64];
        snprintf(word, sizeof word, "%.40s%s", info->name, info->disabled ? "(off)" : "");
        add_word(list, sizeof list, word);
        if (strcmp(info->name, "perf_event_uncore") == 0) snprintf(off, off_room, "%.80s", info->disabled ? info->disabled_reason : "");
    }
    snprintf(head, room, "PAPI %d.%d.%d (%.100s)", PAPI_VERSION_MAJOR(version), PAPI_VERSION_MINOR(version), PAPI_VERSION_REVISION(version), list);
}

static void close_papi(void *impl)
{
    struct papi *p = impl;
    if (!p) return;
    if (p->running) (void)PAPI_stop(p->set, p->value);
    if (p->set != PAPI_NULL) {
        (void)PAPI_cleanup_eventset(p->set);
        (void)PAPI_destroy_eventset(&p->set);
    }
    free(p);
}

// A PAPI_read takes the whole set; reading it anew for each channel keeps its times honest.
static bool read_papi(void *impl, size_t channel, struct jb_reading *out)
{
    struct papi *p = impl;
    *out = (struct jb_reading){.begin_ns = p->clock.now_ns(p->clock.self)};
    int rc = p->channel[channel].zone.has_counter ? PAPI_read(p->set, p->value) : PAPI_ENOEVNT;
    out->end_ns = p->clock.now_ns(p->clock.self);
    if (rc == PAPI_OK) {
        out->count = (uint64_t)p->value[p->at[channel]];
    } else {
        out->errnum = rc == PAPI_ENOEVNT ? ENOENT : EIO;
        snprintf(out->why, sizeof out->why, "PAPI_read: %.100s", PAPI_strerror(rc));
    }
    return false;
}

// PAPI_OK, or why none of libpfm's tables gives the event.
static int add_event(struct papi *p, enum jb_pmu_domain d, unsigned cpu, char *name, size_t room)
{
    int first = PAPI_ENOEVNT;
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        snprintf(name, room, "%s::%s:cpu=%u", tables[k], events[d], cpu); // without :cpu PAPI refuses to add
        int rc = PAPI_add_named_event(p->set, name);
        if (rc == PAPI_OK) return rc;
        if (k == 0) first = rc;
    }
    snprintf(name, room, "%s::%s:cpu=%u", tables[0], events[d], cpu);
    return first;
}

// All counters that the kernel lists. One that libpfm does not know stays without counter, and out of the sum visibly; a package must be there.
static int add_channels(struct papi *p, char *name, size_t room)
{
    for (size_t k = 0; k < p->pmu.n_packages; k++) {
        int parent = (int)p->n;
        for (int d = 0; d < JB_PMU_DOMAINS; d++) {
            if (!p->pmu.event[d].here) continue;
            if (p->n == JB_SOURCE_MAX_CHANNELS) return PAPI_ENOMEM;
            struct jb_channel *c = &p->channel[p->n];
            jb_pmu_channel(&p->pmu, k, (enum jb_pmu_domain)d, p->pmu.event[JB_PMU_PKG].here ? parent : -1, c);
            int rc = add_event(p, (enum jb_pmu_domain)d, p->pmu.package[k].cpu, name, room);
            if (rc != PAPI_OK && d == JB_PMU_PKG) return rc;
            c->zone.has_counter = rc == PAPI_OK;
            snprintf(c->path, sizeof c->path, "%s", name);
            p->at[p->n++] = rc == PAPI_OK ? p->n_added++ : 0;
        }
    }
    return p->n_added ? PAPI_OK : PAPI_ENOEVNT;
}

static int start(struct papi *p, char *name, size_t room)
{
    int rc = PAPI_create_eventset(&p->set);
    if (rc == PAPI_OK) rc = add_channels(p, name, room);
    if (rc == PAPI_OK) rc = PAPI_start(p->set);
    if (rc != PAPI_OK) return rc;
    p->running = true;
    return PAPI_read(p->set, p->value);
}

// Opens; on failure `why` says what stands in the way, as a probe does.
static int find(struct papi *p, const struct jb_power_opts *o, struct jb_source *s, struct jb_power_probe *why, struct jb_err *err)
{
    char dir[160] = "", cpu_dir[160], head[160], off[96], name[64] = "";
    bool ours = PAPI_is_initialized() == PAPI_NOT_INITED;
    int version = ours ? PAPI_library_init(PAPI_VER_CURRENT) : PAPI_get_opt(PAPI_LIB_VERSION, NULL);
    if (version < 0) {
        snprintf(why->fix, sizeof why->fix, "install the libpapi that joulebench was built with (%d.%d)", PAPI_VERSION_MAJOR(PAPI_VERSION), PAPI_VERSION_MINOR(PAPI_VERSION));
        return jb_fail(err, JB_E_UNAVAILABLE, "PAPI does not start: %.100s", PAPI_strerror(version));
    }
    describe(head, sizeof head, version, off, sizeof off);
    int rc = jb_pmu_dirs(o, dir, cpu_dir, err);
    snprintf(why->path, sizeof why->path, "%s", dir);
    if (rc == JB_E_UNAVAILABLE) snprintf(why->fix, sizeof why->fix, "powercap reads such a tree");
    if (rc) return jb_err_prefix(err, "%s", head);
    rc = jb_pmu_read(&p->pmu, dir, cpu_dir, err);
    if (rc && p->pmu.errnum == ENOENT && access(dir, F_OK) != 0) {
        jb_pmu_explain(why, o, ENOENT);
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: %.90s", head, why->reason);
    }
    if (rc) {
        snprintf(why->path, sizeof why->path, "%s", p->pmu.at);
        why->errnum = p->pmu.errnum;
        return jb_err_prefix(err, "%s", head);
    }
    if (off[0]) {
        jb_pmu_explain(why, o, EACCES);
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: perf_event_uncore is off: %s", head, off);
    }
    rc = start(p, name, sizeof name);
    if (rc != PAPI_OK) {
        jb_pmu_explain(why, o, rc == PAPI_EPERM ? EPERM : ENODEV);
        if (rc == PAPI_ENOEVNT) snprintf(why->fix, sizeof why->fix, "use perf: PAPI's tables (libpfm) do not know this CPU's counters, the kernel does");
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: %s: %.60s", head, name, PAPI_strerror(rc));
    }
    jb_pmu_find_steps(&jb_source_papi, p, p->channel, p->n, &p->clock);
    *s = (struct jb_source){.channel = p->channel, .n = p->n};
    jb_rapl_class(o, jb_source_papi.name, s);
    snprintf(s->root, sizeof s->root, "%.127s", dir);
    return JB_OK;
}

static struct papi *make(const struct jb_power_opts *o)
{
    struct papi *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->set = PAPI_NULL;
    p->clock = jb_power_clock(o);
    return p;
}

static int open_papi(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct jb_power_probe why;
    struct jb_err detail = {0};
    struct papi *p = make(o);
    if (!p) return jb_fail(err, JB_E_NOMEM, "papi: no memory");
    jb_probe_init(&why, jb_source_papi.name);
    int rc = find(p, o, out, &why, &detail);
    if (rc) {
        close_papi(p);
        return jb_fail(err, rc, "papi: %s%s%s", detail.detail, why.fix[0] ? "; " : "", why.fix);
    }
    *impl = p;
    return JB_OK;
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct jb_err err = {0};
    struct jb_source s = {0};
    struct papi *p = make(o);
    if (!p) return JB_E_NOMEM;
    jb_probe_init(out, jb_source_papi.name);
    int rc = find(p, o, &s, out, &err);
    jb_probe_mode(out->path, out->mode);
    if (rc) snprintf(out->reason, sizeof out->reason, "%.255s", err.detail);
    else jb_pmu_probed(out, &jb_source_papi, p, &s, &p->clock);
    close_papi(p);
    return JB_OK;
}

const struct jb_source_ops jb_source_papi = {"papi", "the same counters as perf, through PAPI's perf_event_uncore", true, probe, open_papi, close_papi, read_papi};
