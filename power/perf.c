// perf: the kernel's `power` PMU, opened directly. No model table: what the kernel lists is there (libpfm's tables behind PAPI lack whole generations).
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "power/pmu.h"


struct perf {
    struct jb_pmu pmu;
    struct jb_clock clock;
    size_t n;
    int fd[JB_SOURCE_MAX_CHANNELS];
    struct jb_channel channel[JB_SOURCE_MAX_CHANNELS];
};

static int event_open(uint32_t type, uint64_t config, unsigned cpu)
{
    struct perf_event_attr attr = {.type = type, .size = sizeof attr, .config = config};
    return (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static void close_perf(void *impl)
{
    struct perf *p = impl;
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) close(p->fd[i]);
    free(p);
}

static bool read_perf(void *impl, size_t channel, struct jb_reading *out)
{
    struct perf *p = impl;
    uint64_t count = 0;
    *out = (struct jb_reading){.begin_ns = p->clock.now_ns(p->clock.self)};
    ssize_t n = read(p->fd[channel], &count, sizeof count);
    out->errnum = n < 0 ? errno : n == 0 ? ENODATA : n != (ssize_t)sizeof count ? EIO : 0;
    out->end_ns = p->clock.now_ns(p->clock.self);
    out->count = out->errnum ? 0 : count;
    if (n == 0) snprintf(out->why, sizeof out->why, "the kernel has taken the event off its CPU");
    return false;
}

// Adds one counter; on failure errnum says why the kernel refused it.
static int add_channel(struct perf *p, size_t package, enum jb_pmu_domain d, int parent, const char *dir, int *errnum, struct jb_err *err)
{
    const struct jb_pmu_event *e = &p->pmu.event[d];
    unsigned cpu = p->pmu.package[package].cpu;
    if (p->n == JB_SOURCE_MAX_CHANNELS) return jb_fail(err, JB_E_RANGE, "perf: more than %d counters", JB_SOURCE_MAX_CHANNELS);
    int fd = event_open(p->pmu.type, e->config, cpu);
    if (fd < 0) {
        *errnum = errno;
        return jb_fail_errno(err, *errnum == EACCES || *errnum == EPERM ? JB_E_DENIED : JB_E_UNAVAILABLE, *errnum, "perf: %s on CPU %u", jb_pmu_event_name(d), cpu);
    }
    struct jb_channel *c = &p->channel[p->n];
    jb_pmu_channel(&p->pmu, package, d, parent, c);
    snprintf(c->path, sizeof c->path, "%.120s/events/%s:cpu=%u", dir, jb_pmu_event_name(d), cpu);
    p->fd[p->n++] = fd;
    return JB_OK;
}

static int add_channels(struct perf *p, const char *dir, int *errnum, struct jb_err *err)
{
    for (size_t k = 0; k < p->pmu.n_packages; k++) {
        int parent = (int)p->n;
        for (int d = 0; d < JB_PMU_DOMAINS; d++) {
            if (!p->pmu.event[d].here) continue;
            int rc = add_channel(p, k, (enum jb_pmu_domain)d, p->pmu.event[JB_PMU_PKG].here ? parent : -1, dir, errnum, err);
            if (rc) return rc;
        }
    }
    return JB_OK;
}

// Opens; on failure `why` says what stands in the way, as a probe does.
static int find(struct perf *p, const struct jb_power_opts *o, struct jb_source *s, struct jb_power_probe *why, struct jb_err *err)
{
    char dir[160] = "", cpu_dir[160];
    int errnum = 0, rc = jb_pmu_dirs(o, dir, cpu_dir, err);
    snprintf(why->path, sizeof why->path, "%s", dir);
    if (rc == JB_E_UNAVAILABLE) snprintf(why->fix, sizeof why->fix, "powercap reads such a tree");
    if (rc) return rc;
    rc = jb_pmu_read(&p->pmu, dir, cpu_dir, err);
    if (rc) {
        bool absent = p->pmu.errnum == ENOENT && access(dir, F_OK) != 0;
        if (absent) jb_pmu_explain(why, o, ENOENT);
        else snprintf(why->path, sizeof why->path, "%s", p->pmu.at), why->errnum = p->pmu.errnum;
        return absent ? jb_fail(err, JB_E_UNAVAILABLE, "perf: %s; %s", why->reason, why->fix) : rc;
    }
    rc = add_channels(p, dir, &errnum, err);
    if (rc && errnum) {
        jb_pmu_explain(why, o, errnum);
        if (err) jb_fail(err, rc, "perf: %s; %s", why->reason, why->fix);
    }
    if (rc) return rc;
    jb_pmu_find_steps(&jb_source_perf, p, p->channel, p->n, &p->clock);
    *s = (struct jb_source){.channel = p->channel, .n = p->n};
    jb_rapl_class(o, jb_source_perf.name, s);
    snprintf(s->root, sizeof s->root, "%.127s", dir);
    return JB_OK;
}

static int open_perf(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct jb_power_probe why;
    struct perf *p = calloc(1, sizeof *p);
    if (!p) return jb_fail(err, JB_E_NOMEM, "perf: no memory");
    jb_probe_init(&why, jb_source_perf.name);
    p->clock = jb_power_clock(o);
    int rc = find(p, o, out, &why, err);
    if (rc) close_perf(p);
    else *impl = p;
    return rc;
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct jb_err err = {0};
    struct jb_source s = {0};
    struct perf *p = calloc(1, sizeof *p);
    if (!p) return JB_E_NOMEM;
    jb_probe_init(out, jb_source_perf.name);
    p->clock = jb_power_clock(o);
    int rc = find(p, o, &s, out, &err);
    out->available = rc == JB_OK;
    jb_probe_mode(out->path, out->mode);
    if (rc && !out->reason[0]) snprintf(out->reason, sizeof out->reason, "%.255s", err.detail);
    if (rc == JB_OK) jb_pmu_probed(out, &jb_source_perf, p, &s, &p->clock);
    close_perf(p);
    return JB_OK;
}

const struct jb_source_ops jb_source_perf = {"perf", "the kernel's power PMU: Intel and AMD energy counters by perf_event_open", false, probe, open_perf, close_perf, read_perf};
