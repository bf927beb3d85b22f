// powercap: the kernel's energy counters (Intel and AMD RAPL, and whatever else registers there).
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "power/sources.h"
#include "power/strict.h"
#include "power/tree.h"

#define UPDATE_SEARCH_NS 60000000u   // how long open looks for the update period
#define UPDATE_EDGES 16              // periods that are enough
#define UPDATE_READS 400000          // bound for clocks that stand still
#define DISTURBED_NS 250000          // between two reads: the search was off the CPU, this period does not count
#define UPDATE_MARGIN 1.5            // the longest period seen is not the longest there is
#define UPDATE_RAPL_NS 1000000u      // RAPL's nominal period (Intel SDM volume 3, "RAPL interfaces"): a shorter one is not believed
#define UPDATE_UNKNOWN_NS 100000000u // assumed when none was found
#define COST_READS 101

struct powercap {
    struct jb_tree tree;
    struct jb_accumulator sum[JB_TREE_MAX_ZONES]; // of the zones in the cover
    struct jb_clock clock;
    struct jb_joules record; // what every figure says of itself
    uint64_t open_ns;
    char left_out[160];
};

// Why a tree cannot serve, or that it can.
struct verdict {
    int code, errnum;
    enum jb_energy_class cls;
    char path[160], reason[256], fix[256];
};

static bool any_summed(const struct jb_tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->cover[i].summed) return true;
    return false;
}

// The zone to name when something is wrong: a package without counter, else any zone without; t->n: none.
static size_t worst_zone(const struct jb_tree *t)
{
    size_t worst = t->n;
    for (size_t i = t->n; i-- > 0;)
        if (t->zone[i].counter_errno && (worst == t->n || jb_cover_is_package(&t->cover[i]) || !jb_cover_is_package(&t->cover[worst]))) worst = i;
    return worst;
}

static const char *no_counter_text(int errnum)
{
    switch (errnum) {
    case ENOENT: return "it has no energy counter";
    case ENODATA: return "its counter is empty";
    case EINVAL: return "its counter or range is not a number, or the driver failed to read it";
    default: return strerror(errnum);
    }
}

static void judge_root(struct verdict *v, const struct jb_power_opts *o, const char *root, int errnum)
{
    snprintf(v->path, sizeof v->path, "%s", root);
    v->errnum = errnum;
    if (errnum == ENOENT && !o->root) {
        snprintf(v->reason, sizeof v->reason, "%s does not exist: this kernel offers no energy counter%s", root, o->hypervisor ? " (a virtual machine has none unless its host passes it on)" : "");
        snprintf(v->fix, sizeof v->fix, "%s", o->hypervisor ? "measure on the host" : "sudo modprobe intel_rapl_msr (kernel option CONFIG_INTEL_RAPL); in a container mount the host's /sys/class/powercap and name it by --power-root");
    } else if (errnum) {
        snprintf(v->reason, sizeof v->reason, "%.100s: %s", root, strerror(errnum));
        snprintf(v->fix, sizeof v->fix, errnum == EACCES ? "sudo chmod a+rx %.200s" : "name a directory that looks like /sys/class/powercap (not %.100s)", root);
    } else {
        snprintf(v->reason, sizeof v->reason, "%.100s holds no power zone", root);
        snprintf(v->fix, sizeof v->fix, "sudo modprobe intel_rapl_msr; a machine without RAPL needs another source");
    }
}

static void judge_zone(struct verdict *v, const struct jb_tree *t, size_t i)
{
    const struct jb_tree_zone *z = &t->zone[i];
    jb_tree_counter_path(t, i, v->path, sizeof v->path);
    v->errnum = z->counter_errno;
    if (z->counter_errno == EACCES || z->counter_errno == EPERM) {
        v->code = JB_E_DENIED;
        snprintf(v->reason, sizeof v->reason, "%s: permission denied (the kernel keeps energy counters for root since CVE-2020-8694)", t->cover[i].name);
        if (t->sysfs) snprintf(v->fix, sizeof v->fix, "sudo chmod a+r %s/%s:*/energy_uj (until the next boot), or run as root", t->root, t->cover[i].control_type);
        else snprintf(v->fix, sizeof v->fix, "sudo chmod a+r %s/%s/energy_uj", t->root, z->path);
    } else {
        snprintf(v->reason, sizeof v->reason, "%s: %s", t->cover[i].name, no_counter_text(z->counter_errno));
        snprintf(v->fix, sizeof v->fix, "see `dmesg | grep -i rapl`; the driver does not serve this zone");
    }
}

static bool uses_rapl(const struct jb_tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->cover[i].summed && strncmp(t->cover[i].control_type, "intel-rapl", 10) == 0) return true;
    return false;
}

// A package that cannot be read while another can: the sum would be silently too small.
static size_t missing_package(const struct jb_tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (jb_cover_is_package(&t->cover[i]) && !t->cover[i].has_counter && strcmp(t->cover[i].control_type, "intel-rapl") == 0) return i;
    return t->n;
}

static void judge(struct verdict *v, struct jb_tree *t, const struct jb_power_opts *o)
{
    struct jb_err err = {0};
    int errnum;
    *v = (struct verdict){.code = jb_tree_open(t, o->root, &errnum, &err)};
    if (v->code == JB_E_RANGE) {
        snprintf(v->reason, sizeof v->reason, "%.255s", err.detail);
        return;
    }
    if (v->code) {
        judge_root(v, o, t->root, errnum);
        return;
    }
    size_t missing = missing_package(t), worst = worst_zone(t);
    if (any_summed(t) && missing < t->n && uses_rapl(t)) {
        v->code = JB_E_UNAVAILABLE;
        judge_zone(v, t, missing);
    } else if (!any_summed(t)) {
        v->code = JB_E_UNAVAILABLE;
        if (worst < t->n) judge_zone(v, t, worst);
        else snprintf(v->reason, sizeof v->reason, "%.100s: no zone that may be summed", t->root);
    } else if (t->sysfs && o->hypervisor && uses_rapl(t) && !o->trust_guest_rapl) {
        v->code = JB_E_UNAVAILABLE;
        snprintf(v->path, sizeof v->path, "%s", t->root);
        snprintf(v->reason, sizeof v->reason, "under a hypervisor RAPL is synthetic (made up from CPU time, or the host's whole package)");
        snprintf(v->fix, sizeof v->fix, "measure on the host, or vouch for the guest's counters with --trust-guest-rapl");
    } else {
        v->cls = t->sysfs ? JB_ENERGY_MEASURED : JB_ENERGY_REPLAYED;
    }
}

static struct jb_clock clock_of(const struct jb_power_opts *o)
{
    return o->clock.now_ns ? o->clock : jb_clock_monotonic();
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Median cost of reading the whole cover once.
static double read_cost_ns(const struct jb_tree *t, const struct jb_clock *clock)
{
    double cost[COST_READS];
    for (int k = 0; k < COST_READS; k++) {
        uint64_t before = clock->now_ns(clock->self), value;
        for (size_t i = 0; i < t->n; i++)
            if (t->cover[i].summed) (void)jb_strict_read_u64(t->zone[i].files.energy_uj, &value);
        cost[k] = (double)(clock->now_ns(clock->self) - before);
    }
    qsort(cost, COST_READS, sizeof *cost, by_value);
    return cost[COST_READS / 2];
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct jb_tree *t = calloc(1, sizeof *t);
    if (!t) return JB_E_NOMEM;
    struct verdict v;
    struct jb_clock clock = clock_of(o);
    jb_probe_init(out, jb_power_powercap.name);
    judge(&v, t, o);
    out->available = v.code == 0;
    out->cls = v.cls;
    out->errnum = v.errnum;
    snprintf(out->path, sizeof out->path, "%s", v.path);
    for (size_t i = 0; i < t->n && !v.path[0]; i++)
        if (t->cover[i].summed && !out->path[0]) jb_tree_counter_path(t, i, out->path, sizeof out->path);
    jb_probe_mode(out->path, out->mode);
    snprintf(out->reason, sizeof out->reason, "%s", v.reason);
    snprintf(out->fix, sizeof out->fix, "%s", v.fix);
    jb_cover_describe(t->cover, t->n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
    if (out->available) out->read_ns = read_cost_ns(t, &clock);
    jb_tree_close(t);
    free(t);
    return JB_OK;
}

// Longest time between two changes of a counter, with a margin; 0: none found in time.
static uint64_t find_update_ns(int fd, const struct jb_clock *clock)
{
    uint64_t value, previous, start = clock->now_ns(clock->self), last = start, edge = 0, longest = 0;
    int periods = 0;
    bool disturbed = false;
    if (jb_strict_read_u64(fd, &previous) != 0) return 0;
    for (int reads = 0; reads < UPDATE_READS && periods < UPDATE_EDGES && last - start < UPDATE_SEARCH_NS; reads++) {
        if (jb_strict_read_u64(fd, &value) != 0) return 0;
        uint64_t now = clock->now_ns(clock->self);
        bool held_up = now - last > DISTURBED_NS;
        last = now;
        disturbed |= held_up;
        if (value == previous) continue;
        previous = value;
        if (edge && !disturbed) {
            periods++;
            if (now - edge > longest) longest = now - edge;
        }
        edge = now;
        disturbed = held_up;
    }
    return periods >= 2 ? (uint64_t)((double)longest * UPDATE_MARGIN) + 1 : 0;
}

// Ceiling of a zone: the user's, else what the kernel names for it or for the zone around it, else the default.
static double ceiling_w(const struct jb_tree *t, size_t i, const struct jb_power_opts *o)
{
    if (o->max_power_w > 0) return o->max_power_w;
    for (int z = (int)i; z >= 0; z = t->cover[z].parent)
        if (t->zone[z].limit_w > 0) return t->zone[z].limit_w;
    return JB_DEFAULT_CEILING_W;
}

static size_t first_summed(const struct jb_tree *t)
{
    size_t i = 0;
    while (!t->cover[i].summed) i++;
    return i;
}

static void start_counters(struct powercap *p, const struct jb_power_opts *o)
{
    uint64_t found = find_update_ns(p->tree.zone[first_summed(&p->tree)].files.energy_uj, &p->clock);
    if (found && uses_rapl(&p->tree) && found < UPDATE_RAPL_NS) found = UPDATE_RAPL_NS;
    p->record.update_ns = found;
    for (size_t i = 0; i < p->tree.n; i++) {
        bool rapl = strncmp(p->tree.cover[i].control_type, "intel-rapl", 10) == 0;
        struct jb_counter c = {
            .range_uj = p->tree.zone[i].range_uj,
            .unit_uj = jb_counter_unit_uj(p->tree.zone[i].range_uj, rapl),
            .ceiling_w = ceiling_w(&p->tree, i, o),
            .update_ns = found ? found : UPDATE_UNKNOWN_NS,
            .never_rests = jb_cover_is_package(&p->tree.cover[i]),
        };
        jb_accumulator_init(&p->sum[i], &c);
    }
}

static int open_powercap(void **impl, const struct jb_power_opts *o, struct jb_err *err)
{
    struct powercap *p = calloc(1, sizeof *p);
    if (!p) return jb_fail(err, JB_E_NOMEM, "powercap: out of memory");
    struct verdict v;
    judge(&v, &p->tree, o);
    if (v.code) {
        jb_tree_close(&p->tree);
        free(p);
        return jb_fail(err, v.code, "powercap: %s%s%s", v.reason, v.fix[0] ? "; to unlock: " : "", v.fix);
    }
    p->clock = clock_of(o);
    p->record.cls = v.cls;
    snprintf(p->record.source, sizeof p->record.source, "%s", jb_power_powercap.name);
    snprintf(p->record.root, sizeof p->record.root, "%s", p->tree.root);
    jb_cover_describe(p->tree.cover, p->tree.n, p->record.domains, sizeof p->record.domains, p->left_out, sizeof p->left_out);
    if (o->hypervisor && p->tree.sysfs) snprintf(p->record.reason, sizeof p->record.reason, "RAPL of a guest, vouched for by the user (trust_guest_rapl)");
    start_counters(p, o);
    p->open_ns = p->clock.now_ns(p->clock.self);
    *impl = p;
    return JB_OK;
}

static void close_powercap(void *impl)
{
    struct powercap *p = impl;
    if (!p) return;
    jb_tree_close(&p->tree);
    free(p);
}

// A counter that stands still may have lost its file: outside sysfs a removed file can still be read.
static bool vanished(const struct powercap *p, size_t i, uint64_t raw)
{
    struct stat st;
    if (p->tree.sysfs || (p->sum[i].started && raw != p->sum[i].last_uj)) return false;
    return fstat(p->tree.zone[i].files.energy_uj, &st) == 0 && st.st_nlink == 0;
}

// One zone; keeps the first failure in `failed` and goes on, so that every accumulator sees the same moment.
static int read_zone(struct powercap *p, size_t i, struct jb_joules *failed)
{
    char why[200];
    uint64_t raw = 0, begin = p->clock.now_ns(p->clock.self);
    int e = jb_strict_read_u64(p->tree.zone[i].files.energy_uj, &raw);
    uint64_t end = p->clock.now_ns(p->clock.self);
    const char *label = p->tree.cover[i].label, *name = jb_power_powercap.name;
    if (e == 0 && vanished(p, i, raw)) e = ENODEV;
    if (e) {
        jb_accumulator_break(&p->sum[i]);
        return jb_read_failed(failed, JB_E_IO, name, "%s: %s", label, e == ENODEV ? "the zone has vanished" : no_counter_text(e));
    }
    int rc = jb_accumulator_push(&p->sum[i], raw, begin, end, why, sizeof why);
    return rc ? jb_read_failed(failed, rc, name, "%s: %s", label, why) : JB_OK;
}

static int read_powercap(void *impl, uint64_t now_ns, struct jb_joules *out)
{
    struct powercap *p = impl;
    struct jb_joules sum = p->record, failed;
    int rc = JB_OK;
    for (size_t i = 0; i < p->tree.n; i++) {
        if (!p->tree.cover[i].summed) continue;
        struct jb_joules this_failed;
        double lower, upper;
        int r = read_zone(p, i, &this_failed);
        if (r && rc == JB_OK) {
            rc = r;
            failed = this_failed;
        }
        jb_accumulator_bounds(&p->sum[i], now_ns, &lower, &upper);
        sum.uj += (double)p->sum[i].total_uj;
        sum.lower_uj += lower;
        sum.upper_uj += upper;
        sum.wraps += p->sum[i].wraps;
    }
    if (rc) {
        *out = failed;
        snprintf(out->root, sizeof out->root, "%s", p->record.root);
        return rc;
    }
    sum.window_ns = now_ns > p->open_ns ? now_ns - p->open_ns : 0;
    *out = sum;
    return JB_OK;
}

const struct jb_power_ops jb_power_powercap = {"powercap", "the kernel's energy counters (RAPL and others) through libpowercap", probe, open_powercap, close_powercap, read_powercap};
