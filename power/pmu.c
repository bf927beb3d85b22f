// What the kernel says of its `power` PMU. Every file is parsed strictly: a scale half understood is a wrong joule.
#include "power/pmu.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "power/strict.h"

#define TEXT_ROOM 256
#define MAX_CPUS 65536u
#define LARGEST_UNIT_J 1.0
#define UPDATE_RAPL_NS 1000000u  // RAPL's nominal update period (Intel SDM volume 3, "RAPL interfaces"): a shorter one is not believed
#define STEP_SEARCH_NS 20000000u // how long open looks at the counts for the hardware's unit
#define STEP_READS 20000         // bound for clocks that stand still
#define STEP_CHANGES 12          // in each new count the unit's own bit is clear with a chance of a half

static const struct { const char *event, *zone; } domains[JB_PMU_DOMAINS] = {
    [JB_PMU_PKG] = {"energy-pkg", "package"}, [JB_PMU_CORES] = {"energy-cores", "core"}, [JB_PMU_GPU] = {"energy-gpu", "uncore"},
    [JB_PMU_RAM] = {"energy-ram", "dram"},    [JB_PMU_PSYS] = {"energy-psys", "psys"},
};

const char *jb_pmu_event_name(enum jb_pmu_domain d)
{
    return domains[d].event;
}

// One line of dir/name; its path stays in p->at.
static int read_line(struct jb_pmu *p, const char *dir, const char *name, char text[TEXT_ROOM], struct jb_err *err)
{
    p->errnum = 0;
    if ((size_t)snprintf(p->at, sizeof p->at, "%s/%s", dir, name) >= sizeof p->at) return jb_fail(err, JB_E_RANGE, "perf: path too long: %.100s...", p->at);
    int fd = open(p->at, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    p->errnum = fd < 0 ? errno : jb_strict_read_text(fd, text, TEXT_ROOM);
    if (fd >= 0) close(fd);
    if (p->errnum) return jb_fail_errno(err, jb_code_of_errno(p->errnum), p->errnum, "perf: %s", p->at);
    if (strlen(text) == TEXT_ROOM - 1) return jb_fail(err, JB_E_INVALID, "perf: %s is longer than %d characters", p->at, TEXT_ROOM - 2);
    return JB_OK;
}

static int strange(const struct jb_pmu *p, const char *text, const char *expected, struct jb_err *err)
{
    return jb_fail(err, JB_E_INVALID, "perf: %s says \"%.60s\", not %s", p->at, text, expected);
}

static int read_number(struct jb_pmu *p, const char *dir, const char *name, uint64_t most, unsigned *out, struct jb_err *err)
{
    char text[TEXT_ROOM];
    uint64_t v;
    int rc = read_line(p, dir, name, text, err);
    if (rc) return rc;
    if (jb_strict_u64(text, strlen(text), &v) != JB_OK || v > most) return strange(p, text, "a small number", err);
    *out = (unsigned)v;
    return JB_OK;
}

// "event=0x02": the only term that the PMU's format has, in config's lowest byte.
static bool parse_event(const char *text, uint64_t *config)
{
    if (strncmp(text, "event=0x", 8) != 0) return false;
    text += 8;
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    if (n == 0 || n > 2 || text[n]) return false;
    *config = strtoull(text, NULL, 16);
    return true;
}

// A positive decimal number as the kernel writes it: "2.3283064365386962890625e-10". Neither sign, blank, hex, inf nor nan.
static bool parse_scale(const char *text, double *scale)
{
    const char *at = text + strspn(text, "0123456789");
    if (at == text) return false;
    if (*at == '.') {
        size_t n = strspn(++at, "0123456789");
        if (n == 0) return false;
        at += n;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        size_t n = strspn(at, "0123456789");
        if (n == 0 || n > 3) return false;
        at += n;
    }
    if (*at) return false;
    *scale = strtod(text, NULL);
    return isfinite(*scale) && *scale > 0 && *scale <= LARGEST_UNIT_J;
}

static int read_event(struct jb_pmu *p, const char *dir, enum jb_pmu_domain d, struct jb_err *err)
{
    struct jb_pmu_event *e = &p->event[d];
    char text[TEXT_ROOM], name[64];
    snprintf(name, sizeof name, "events/%s", domains[d].event);
    int rc = read_line(p, dir, name, text, err);
    if (p->errnum == ENOENT) return JB_OK; // this CPU has no such domain
    if (rc) return rc;
    if (!parse_event(text, &e->config)) return strange(p, text, "\"event=0x..\"", err);
    snprintf(name, sizeof name, "events/%s.unit", domains[d].event);
    rc = read_line(p, dir, name, text, err);
    if (rc) return rc;
    if (strcmp(text, "Joules") != 0) return strange(p, text, "\"Joules\"", err);
    snprintf(name, sizeof name, "events/%s.scale", domains[d].event);
    rc = read_line(p, dir, name, text, err);
    if (rc) return rc;
    if (!parse_scale(text, &e->scale_j)) return strange(p, text, "a scale in joules", err);
    e->here = true;
    return JB_OK;
}

static int add_package(struct jb_pmu *p, const char *cpu_dir, unsigned cpu, struct jb_err *err)
{
    if (p->n_packages == JB_PMU_MAX_PACKAGES) return jb_fail(err, JB_E_RANGE, "perf: more than %d packages", JB_PMU_MAX_PACKAGES);
    struct jb_pmu_package *k = &p->package[p->n_packages];
    char name[64];
    *k = (struct jb_pmu_package){.cpu = cpu};
    snprintf(name, sizeof name, "cpu%u/topology/physical_package_id", cpu);
    int rc = read_number(p, cpu_dir, name, MAX_CPUS, &k->package, err);
    if (rc) return rc;
    snprintf(name, sizeof name, "cpu%u/topology/die_id", cpu); // since Linux 5.2
    rc = read_number(p, cpu_dir, name, MAX_CPUS, &k->die, err);
    if (rc && p->errnum != ENOENT) return rc;
    for (size_t i = 0; i < p->n_packages; i++) {
        if (p->package[i].package != k->package || p->package[i].die != k->die) continue;
        return jb_fail(err, JB_E_INVALID, "perf: CPUs %u and %u of cpumask lie in one package and die: its energy would be counted twice", p->package[i].cpu, cpu);
    }
    p->n_packages++;
    return JB_OK;
}

// Digits up to `most`; NULL when there are none or too many.
static const char *parse_cpu(const char *at, unsigned *cpu)
{
    size_t n = strspn(at, "0123456789");
    if (n == 0 || n > 5 || (n > 1 && *at == '0')) return NULL;
    *cpu = (unsigned)strtoul(at, NULL, 10);
    return *cpu < MAX_CPUS ? at + n : NULL;
}

// A list of CPUs, ascending: "0", "0,28", "0-1,4".
static int add_packages(struct jb_pmu *p, const char *mask, const char *cpu_dir, struct jb_err *err)
{
    const char *at = mask;
    unsigned next = 0; // the least that may come
    char at_file[sizeof p->at];
    memcpy(at_file, p->at, sizeof at_file);
    do {
        unsigned from, to;
        if (at != mask) at++;
        at = parse_cpu(at, &from);
        to = from;
        if (at && *at == '-') at = parse_cpu(at + 1, &to);
        if (!at || (*at && *at != ',') || from < next || to < from) {
            memcpy(p->at, at_file, sizeof at_file);
            return strange(p, mask, "a list of CPUs", err);
        }
        next = to + 1;
        for (unsigned cpu = from; cpu <= to; cpu++) {
            int rc = add_package(p, cpu_dir, cpu, err);
            if (rc) return rc;
        }
    } while (*at);
    return JB_OK;
}

static int read_all(struct jb_pmu *p, const char *dir, const char *cpu_dir, struct jb_err *err)
{
    char text[TEXT_ROOM];
    unsigned type;
    int rc = read_number(p, dir, "type", UINT32_MAX >> 1, &type, err);
    if (rc) return rc;
    p->type = type;
    rc = read_line(p, dir, "format/event", text, err);
    if (rc) return rc;
    if (strcmp(text, "config:0-7") != 0) return strange(p, text, "\"config:0-7\"", err);
    for (int d = 0; d < JB_PMU_DOMAINS; d++) {
        rc = read_event(p, dir, (enum jb_pmu_domain)d, err);
        if (rc) return rc;
    }
    if (!p->event[JB_PMU_PKG].here && !p->event[JB_PMU_PSYS].here) {
        snprintf(p->at, sizeof p->at, "%s/events", dir);
        return jb_fail(err, JB_E_UNAVAILABLE, "perf: %s has neither energy-pkg nor energy-psys", p->at);
    }
    rc = read_line(p, dir, "cpumask", text, err);
    return rc ? rc : add_packages(p, text, cpu_dir, err);
}

int jb_pmu_read(struct jb_pmu *out, const char *dir, const char *cpu_dir, struct jb_err *err)
{
    memset(out, 0, sizeof *out);
    int rc = read_all(out, dir, cpu_dir, err);
    if (rc == JB_OK) out->at[0] = 0, out->errnum = 0;
    return rc;
}

static bool path_in_sysfs(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    bool is = fd >= 0 && jb_fd_in_sysfs(fd);
    if (fd >= 0) close(fd);
    return is;
}

int jb_pmu_dirs(const struct jb_power_opts *o, char dir[160], char cpu_dir[160], struct jb_err *err)
{
    char base[150];
    int rc = jb_source_root(o, "bus/event_source/devices", base, sizeof base, err);
    if (rc) return rc;
    snprintf(dir, 160, "%s/power", base);
    if (o->root && !path_in_sysfs(base))
        return jb_fail(err, JB_E_UNAVAILABLE, "perf: %s is no sysfs: a PMU is opened in the running kernel, not read from files", o->root);
    // A root that stands for the class directory says nothing of CPUs: they are this kernel's, as the PMU is.
    rc = jb_source_root(o, "devices/system/cpu", cpu_dir, 160, err);
    if (rc) return rc;
    if (!o->root || strcmp(cpu_dir, o->root) == 0) snprintf(cpu_dir, 160, "/sys/devices/system/cpu");
    return JB_OK;
}

static bool many_dies(const struct jb_pmu *p)
{
    for (size_t i = 0; i < p->n_packages; i++)
        for (size_t k = 0; k < i; k++)
            if (p->package[i].package == p->package[k].package) return true;
    return false;
}

static void fill_zone(const struct jb_pmu *p, size_t package, enum jb_pmu_domain d, int parent, struct jb_cover_zone *out)
{
    const struct jb_pmu_package *k = &p->package[package];
    bool top = d == JB_PMU_PKG || d == JB_PMU_PSYS;
    *out = (struct jb_cover_zone){.parent = top ? -1 : parent, .has_counter = true};
    snprintf(out->control_type, sizeof out->control_type, "intel-rapl");
    if (!top || (d == JB_PMU_PSYS && k->package == 0)) snprintf(out->name, sizeof out->name, "%s", domains[d].zone);
    else if (d == JB_PMU_PKG && many_dies(p)) snprintf(out->name, sizeof out->name, "%s-%u-die-%u", domains[d].zone, k->package, k->die);
    else snprintf(out->name, sizeof out->name, "%s-%u", domains[d].zone, k->package);
}

void jb_pmu_channel(const struct jb_pmu *p, size_t package, enum jb_pmu_domain d, int parent, struct jb_channel *out)
{
    *out = (struct jb_channel){.kind = JB_CHANNEL_ENERGY, .unit = p->event[d].scale_j * 1e6, .update_least_ns = UPDATE_RAPL_NS, .never_rests = d == JB_PMU_PKG};
    fill_zone(p, package, d, parent, &out->zone);
}

void jb_pmu_find_steps(const struct jb_source_ops *ops, void *impl, struct jb_channel *channel, size_t n, const struct jb_clock *clock)
{
    uint64_t bits[JB_SOURCE_MAX_CHANNELS] = {0}, first = 0, start = clock->now_ns(clock->self), now = start;
    unsigned changes = 0;
    for (int k = 0; k < STEP_READS && changes < STEP_CHANGES && now - start < STEP_SEARCH_NS; k++) {
        for (size_t i = 0; i < n; i++) {
            struct jb_reading r = {0};
            if (!channel[i].zone.has_counter) continue;
            ops->read(impl, i, &r);
            now = r.end_ns;
            changes += i == 0 && r.count != first;
            if (i == 0) first = r.count;
            bits[i] |= r.count;
        }
    }
    for (size_t i = 0; i < n; i++) channel[i].step_uj = jb_pmu_step_uj(bits[i], channel[i].unit / 1e6);
}

void jb_pmu_probed(struct jb_power_probe *out, const struct jb_source_ops *ops, void *impl, struct jb_source *s, const struct jb_clock *clock)
{
    struct jb_cover_zone zones[JB_SOURCE_MAX_CHANNELS];
    for (size_t i = 0; i < s->n; i++) zones[i] = s->channel[i].zone;
    jb_cover_choose(zones, s->n);
    for (size_t i = 0; i < s->n; i++) s->channel[i].zone = zones[i];
    jb_cover_describe(zones, s->n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
    out->available = true;
    out->cls = s->cls;
    snprintf(out->reason, sizeof out->reason, "%s", s->remark);
    out->read_ns = jb_source_read_cost_ns(ops, impl, s, clock);
}

void jb_rapl_class(const struct jb_power_opts *o, const char *name, struct jb_source *s)
{
    bool synthetic = o->hypervisor && !o->trust_guest_rapl;
    s->cls = synthetic ? JB_ENERGY_MODELLED : JB_ENERGY_MEASURED;
    snprintf(s->name, sizeof s->name, "%s", synthetic ? "guest-rapl" : name);
    snprintf(s->remark, sizeof s->remark, "%s", !o->hypervisor ? "" : synthetic ? "RAPL under a hypervisor is synthetic: made up from CPU time, or the host's whole package (vouch for it: --trust-guest-rapl)"
                                                                                 : "RAPL of a guest, vouched for by the user (--trust-guest-rapl)");
}

static void paranoid_text(char *out, size_t room)
{
    static const char path[] = "/proc/sys/kernel/perf_event_paranoid";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || jb_strict_read_text(fd, out, room) != 0) snprintf(out, room, "unknown");
    if (fd >= 0) close(fd);
}

void jb_pmu_explain(struct jb_power_probe *p, const struct jb_power_opts *o, int errnum)
{
    char paranoid[16];
    p->errnum = errnum;
    switch (errnum) {
    case ENOENT:
        snprintf(p->reason, sizeof p->reason, "the kernel has no `power` PMU%s", o->hypervisor ? " (a virtual machine has none unless its host passes it on)" : "");
        snprintf(p->fix, sizeof p->fix, "%s", o->hypervisor ? "measure on the host" : "sudo modprobe rapl (kernel option CONFIG_PERF_EVENTS_INTEL_RAPL; Intel since Sandy Bridge, AMD since Zen)");
        break;
    case EACCES:
    case EPERM:
        paranoid_text(paranoid, sizeof paranoid);
        snprintf(p->reason, sizeof p->reason, "perf_event_open: %s (kernel.perf_event_paranoid is %s)", strerror(errnum), paranoid);
        snprintf(p->fix, sizeof p->fix, "sudo sysctl kernel.perf_event_paranoid=0, or give CAP_PERFMON (sudo setcap cap_perfmon=ep JOULEBENCH); in a container its seccomp profile must allow perf_event_open");
        break;
    case ENOSYS:
        snprintf(p->reason, sizeof p->reason, "perf_event_open: %s", strerror(errnum));
        snprintf(p->fix, sizeof p->fix, "a kernel with CONFIG_PERF_EVENTS");
        break;
    case EMFILE:
    case ENFILE:
        snprintf(p->reason, sizeof p->reason, "perf_event_open: %s", strerror(errnum));
        snprintf(p->fix, sizeof p->fix, "raise `ulimit -n`");
        break;
    default:
        snprintf(p->reason, sizeof p->reason, "perf_event_open: %s", strerror(errnum));
        snprintf(p->fix, sizeof p->fix, "see `dmesg | grep -i rapl`; powercap reads the same counters");
    }
}

double jb_pmu_step_uj(uint64_t bits, double scale_j)
{
    double step = bits ? ldexp(scale_j, __builtin_ctzll(bits)) : LARGEST_UNIT_J;
    return (step > scale_j ? step : scale_j) * 1e6;
}
