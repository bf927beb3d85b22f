// powercap: the kernel's energy counters (Intel and AMD RAPL, and whatever else registers there); zones that only show power where there is no counter.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "power/source.h"
#include "power/strict.h"
#include "power/tree.h"

#define UPDATE_RAPL_NS 1000000u      // RAPL's nominal period (Intel SDM volume 3, "RAPL interfaces"): a shorter one is not believed
#define RAPL_COUNTS 4294967295.0     // a RAPL counter has 32 bits: its range is so many units

static const char guest_text[] = "under a hypervisor RAPL is synthetic (made up from CPU time, or the host's whole package)";
static const char vouched_text[] = "RAPL of a guest, vouched for by the user (--trust-guest-rapl)";

struct powercap {
    struct jb_tree tree;
    struct jb_channel channel[JB_TREE_MAX_ZONES];
    struct jb_clock clock;
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
    char root[sizeof t->root];
    *v = (struct verdict){.code = jb_source_root(o, "class/powercap", root, sizeof root, &err)};
    if (v->code == JB_OK) v->code = jb_tree_open(t, root, &errnum, &err);
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
        v->cls = JB_ENERGY_MODELLED;
        snprintf(v->reason, sizeof v->reason, "%s", guest_text);
        snprintf(v->fix, sizeof v->fix, "measure on the host, or vouch for the guest's counters with --trust-guest-rapl");
    } else {
        v->cls = !t->sysfs ? JB_ENERGY_REPLAYED : t->power ? JB_ENERGY_INTEGRATED : JB_ENERGY_MEASURED;
    }
}

// Ceiling of a zone: what the kernel names for it or for the zone around it.
static void set_ceiling(const struct jb_tree *t, size_t i, struct jb_channel *c)
{
    for (int z = (int)i; z >= 0 && !(c->ceiling_w > 0); z = t->cover[z].parent) {
        c->ceiling_w = t->zone[z].limit_w;
        c->ceiling_from = c->ceiling_w > 0 ? t->zone[z].limit_from : NULL;
    }
}

// The driver counts in nanojoules that it rounded: 15.3 uJ for the 2^-16 J of a server's memory is 0.27 % too much, and the perf PMU, which shifts, shows it.
// A unit so far from any 2^-n J is none of these (some Atoms: 2^n uJ), and nothing is known against it.
static double unit_rounding(double unit_j)
{
    double ratio = unit_j / exp2(round(log2(unit_j))), off = fmax(ratio, 1 / ratio) - 1;
    return off < 0.005 ? off : 0;
}

static void fill_channel(struct powercap *p, size_t i)
{
    struct jb_channel *c = &p->channel[i];
    const struct jb_tree_zone *z = &p->tree.zone[i];
    bool rapl = strncmp(p->tree.cover[i].control_type, "intel-rapl", 10) == 0;
    *c = (struct jb_channel){.zone = p->tree.cover[i], .kind = p->tree.power ? JB_CHANNEL_POWER : JB_CHANNEL_ENERGY};
    jb_tree_counter_path(&p->tree, i, c->path, sizeof c->path);
    set_ceiling(&p->tree, i, c);
    if (p->tree.power) {
        c->unit = 1e-6;
        return;
    }
    c->unit = 1;
    c->range = z->range_uj;
    c->step_uj = rapl ? ceil((double)z->range_uj / RAPL_COUNTS) : 1;
    c->accuracy = rapl ? unit_rounding((double)z->range_uj / RAPL_COUNTS * 1e-6) : 0;
    c->update_least_ns = rapl ? UPDATE_RAPL_NS : 0;
    c->never_rests = jb_cover_is_package(&c->zone);
}

static void fill_source(struct powercap *p, const struct verdict *v, const struct jb_power_opts *o, struct jb_source *out)
{
    bool guest = v->cls == JB_ENERGY_MODELLED;
    for (size_t i = 0; i < p->tree.n; i++) fill_channel(p, i);
    *out = (struct jb_source){.cls = v->cls, .channel = p->channel, .n = p->tree.n};
    snprintf(out->name, sizeof out->name, "%s", guest ? "guest-rapl" : jb_source_powercap.name);
    snprintf(out->root, sizeof out->root, "%s", p->tree.root);
    if (guest || (o->hypervisor && p->tree.sysfs && uses_rapl(&p->tree))) snprintf(out->remark, sizeof out->remark, "%s", guest ? guest_text : vouched_text);
}

static int open_powercap(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
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
    p->clock = jb_power_clock(o);
    fill_source(p, &v, o, out);
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

// Outside sysfs a removed file can still be read; what it says may be of long ago.
static bool vanished(const struct powercap *p, int fd)
{
    struct stat st;
    return !p->tree.sysfs && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static bool read_powercap(void *impl, size_t i, struct jb_reading *out)
{
    struct powercap *p = impl;
    int fd = p->tree.power ? p->tree.zone[i].files.power_uw : p->tree.zone[i].files.energy_uj;
    uint64_t raw = 0;
    *out = (struct jb_reading){.begin_ns = p->clock.now_ns(p->clock.self)};
    out->errnum = jb_strict_read_u64(fd, &raw);
    out->end_ns = p->clock.now_ns(p->clock.self);
    if (out->errnum == 0 && vanished(p, fd)) out->errnum = ENODEV;
    if (out->errnum) {
        snprintf(out->why, sizeof out->why, "%s", out->errnum == ENODEV ? "the zone has vanished" : no_counter_text(out->errnum));
        return false;
    }
    if (p->tree.power) out->watts = (double)raw * 1e-6;
    else out->count = raw;
    return false;
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct powercap *p = calloc(1, sizeof *p);
    if (!p) return JB_E_NOMEM;
    struct jb_tree *t = &p->tree;
    struct verdict v;
    struct jb_source s;
    jb_probe_init(out, jb_source_powercap.name);
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
    if (out->available) {
        p->clock = jb_power_clock(o);
        fill_source(p, &v, o, &s);
        out->read_ns = jb_source_read_cost_ns(&jb_source_powercap, p, &s, &p->clock);
    }
    jb_tree_close(t);
    free(p);
    return JB_OK;
}

const struct jb_source_ops jb_source_powercap = {"powercap", "the kernel's energy counters (RAPL and others) through libpowercap", false, probe, open_powercap, close_powercap, read_powercap};
