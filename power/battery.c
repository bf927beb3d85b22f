// battery: what a laptop's or a gateway's batteries give while nothing charges them (kernel: Documentation/ABI/testing/sysfs-class-power).
//
// energy_now counts microwatt-hours (3,600 uJ) downwards, but moves in steps of its gauge, 10 mWh on many machines, and only every so often: windows have to be long. Assumed are
// a step of 10 mWh (1 mAh for gauges of charge; more if all its figures are multiples of more) and an update at least every 60 s; a smaller step that is seen takes its place. A
// gauge that stands still for longer and then moves by more is coarser than that: refused. A battery that discharges and does not move in a window gives no figure: never_rests.
// charge_now (microampere-hours) becomes energy by the voltage: each fall is multiplied by the middle of the lowest and the highest voltage read since the fall before, and
// added up. The voltage between two readings is not known, so these figures carry an accuracy of 5 %; a fall over which the voltage was seen to spread by more than that is refused.
// The energy is the battery's: what the machine's own converters lose is in it, what the gauge itself gets wrong (often 1 % and more) is not stated by the kernel and not in the bounds.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/reading.h"
#include "power/source.h"
#include "power/strict.h"

#define MAX_BATTERIES 8
#define UJ_PER_UWH 3600.0
#define UJ_PER_UAH_UV 3.6e-3         // 1 uAh at 1 uV
#define STEP_UWH 10000.0             // assumed: 10 mWh
#define STEP_UAH 1000.0              // assumed: 1 mAh
#define STEP_MOST 100000u            // a common divisor above 100 mWh or 100 mAh is chance
#define UPDATE_NS 60000000000u       // assumed
#define PERIOD_NS 1000000000u        // ACPI keeps its answers for a second
#define SETTLE_NS 1500000000u
#define VOLTAGE_ACCURACY 0.05
#define CEILING_C 4.0                // no battery of a machine is emptied in less than a quarter of an hour
#define LEVEL_MOST 100000000000u     // 100 kWh in uWh: beyond it is garbage

struct battery {
    char name[32], dir[160];
    int status, level, voltage;      // descriptors; voltage -1 for gauges of energy
    bool by_charge, gives, sysfs;    // gives: it was discharging when it was opened
    bool started;
    uint64_t last, low_uv, high_uv;  // since the last fall
    double sum_uj;                   // by charge: what was drawn since the first reading
    uint64_t last_level, changed_ns; // changed_ns: when it was first seen to stand there
    double assumed_uj;               // the step
};

struct batteries {
    struct jb_clock clock;
    struct battery at[MAX_BATTERIES];
    struct jb_channel channel[MAX_BATTERIES];
    size_t n;
};

struct verdict {
    int code, errnum;
    enum jb_energy_class cls;
    char root[128], path[160], reason[256], fix[256], remark[160];
    struct batteries *impl;
};

static int open_file(const char *dir, const char *file)
{
    char path[256];
    int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool text_of(const char *dir, const char *file, char *out, size_t room)
{
    int fd = open_file(dir, file);
    bool ok = fd >= 0 && jb_strict_read_text(fd, out, room) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

// 0 when there is no such number.
static uint64_t number_of(const char *dir, const char *file)
{
    uint64_t v = 0;
    int fd = open_file(dir, file);
    if (fd >= 0 && jb_strict_read_u64(fd, &v) != 0) v = 0;
    if (fd >= 0) close(fd);
    return v;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_battery(void *impl)
{
    struct batteries *b = impl;
    if (!b) return;
    for (size_t i = 0; i < b->n; i++) {
        close_fd(&b->at[i].status);
        close_fd(&b->at[i].level);
        close_fd(&b->at[i].voltage);
    }
    free(b);
}

// ---- reading ----

static int status_of(const struct battery *b, char out[32])
{
    return jb_strict_read_text(b->status, out, 32);
}

__attribute__((format(printf, 3, 4))) static bool refuse(struct jb_reading *r, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
    r->errnum = errnum;
    return false;
}

// All batteries must do what they did at open: one that begins to give would be missing in the sum, one that is charged takes what the machine seems to draw.
static bool all_as_before(const struct batteries *b, struct jb_reading *r)
{
    for (size_t i = 0; i < b->n; i++) {
        char status[32];
        int e = status_of(&b->at[i], status);
        bool gives = !e && strcmp(status, "Discharging") == 0;
        if (e) return refuse(r, e, "%s: its status cannot be read: %s", b->at[i].name, strerror(e));
        if (strcmp(status, "Charging") == 0) return refuse(r, ENODATA, "%s is being charged", b->at[i].name);
        if (b->at[i].gives && !gives) return refuse(r, ENODATA, "%s does not discharge any more (%s)", b->at[i].name, status);
        if (!b->at[i].gives && gives) return refuse(r, ENODATA, "%s has begun to discharge and is not in the sum", b->at[i].name);
    }
    return true;
}

static bool vanished(const struct battery *b)
{
    struct stat st;
    return !b->sysfs && fstat(b->level, &st) == 0 && st.st_nlink == 0;
}

// Any change is a whole number of steps: one that is smaller than the step assumed takes its place. False: the gauge is coarser in step and in time than assumed, so what was
// concluded from its standing still is wrong.
static bool learn_step(struct battery *b, struct jb_channel *c, uint64_t level, double uj_per_count, struct jb_reading *r)
{
    double uj = fabs((double)level - (double)b->last_level) * uj_per_count, seconds = r->begin_ns > b->changed_ns ? (double)(r->begin_ns - b->changed_ns) * 1e-9 : 0;
    bool first = b->changed_ns == 0;
    if (!first && uj == 0) return true;
    b->last_level = level;
    b->changed_ns = r->begin_ns;
    if (first) return true;
    if (uj < c->step_uj) c->step_uj = uj;
    if (uj <= b->assumed_uj || seconds <= UPDATE_NS * 1e-9) return true;
    return refuse(r, ERANGE, "its gauge moved by %.3g J after %.3g s: too coarse (%.3g J or 60 s are assumed)", uj * 1e-6, seconds, b->assumed_uj * 1e-6);
}

// Adds a fall of the charge. False: refused.
static bool add_charge(struct battery *b, uint64_t uah, uint64_t uv, struct jb_reading *r)
{
    if (!b->started || uah > b->last) {
        bool rose = b->started;
        b->started = true;
        b->last = uah;
        b->low_uv = b->high_uv = uv;
        return rose ? refuse(r, ERANGE, "the level rose: it is being charged") : true;
    }
    if (uv < b->low_uv) b->low_uv = uv;
    if (uv > b->high_uv) b->high_uv = uv;
    if (uah == b->last) return true;
    double middle = ((double)b->low_uv + (double)b->high_uv) / 2, spread = (double)(b->high_uv - b->low_uv) / 2;
    b->sum_uj += (double)(b->last - uah) * middle * UJ_PER_UAH_UV;
    b->last = uah;
    b->low_uv = b->high_uv = uv;
    if (b->sum_uj > 1e18) {
        b->sum_uj = 0;
        return refuse(r, ERANGE, "its charge ran up and down beyond all measure");
    }
    if (spread > VOLTAGE_ACCURACY * middle) return refuse(r, ERANGE, "its voltage spread by %.3g %% over one step of charge", 100 * spread / middle);
    return true;
}

static int read_level(const struct battery *b, char text[32], size_t *n)
{
    ssize_t got = pread(b->level, text, 32, 0);
    if (got < 0) return errno == EAGAIN ? EIO : errno;
    *n = (size_t)got;
    return got == 0 ? ENODATA : got == 32 ? EINVAL : 0;
}

static void read_one(struct batteries *bs, size_t i, struct jb_reading *r)
{
    struct battery *b = &bs->at[i];
    struct jb_channel *c = &bs->channel[i];
    char text[32];
    size_t n = 0;
    uint64_t uv = 0, level = 0;
    if (!all_as_before(bs, r)) return;
    int e = read_level(b, text, &n);
    if (!e && b->by_charge) e = jb_strict_read_u64(b->voltage, &uv);
    if (!e) e = jb_strict_u64(text, n, &level) != JB_OK || level > LEVEL_MOST || (b->by_charge && (uv == 0 || uv > 1000000000u)) ? EINVAL : 0;
    if (!e && vanished(b)) e = ENODEV;
    if (e) {
        refuse(r, e, "%s: %s", b->name, e == ENODEV ? "it has vanished" : e == EINVAL ? "its level is not a number" : e == ENODATA ? "its level is empty" : strerror(e));
        return;
    }
    if (!b->by_charge) {
        if (learn_step(b, c, level, UJ_PER_UWH, r)) jb_reading_parse(c, text, n, r);
    } else {
        bool fits = learn_step(b, c, level, (double)uv * UJ_PER_UAH_UV, r);
        if (add_charge(b, level, uv, r) && fits) r->count = (uint64_t)b->sum_uj; // the text stays empty: what is recorded is the sum, not one of the two numbers
    }
}

static bool read_battery(void *impl, size_t channel, struct jb_reading *out)
{
    struct batteries *b = impl;
    *out = (struct jb_reading){.begin_ns = b->clock.now_ns(b->clock.self)};
    read_one(b, channel, out);
    out->end_ns = b->clock.now_ns(b->clock.self);
    return false;
}

// ---- finding ----

static double watts_now(const struct battery *b)
{
    uint64_t uw = number_of(b->dir, "power_now");
    if (uw) return (double)uw * 1e-6;
    return (double)number_of(b->dir, "current_now") * 1e-6 * (double)number_of(b->dir, "voltage_now") * 1e-6;
}

static double full_uj(const struct battery *b)
{
    uint64_t full = number_of(b->dir, b->by_charge ? "charge_full_design" : "energy_full_design");
    if (!full) full = number_of(b->dir, b->by_charge ? "charge_full" : "energy_full");
    return b->by_charge ? (double)full * (double)number_of(b->dir, "voltage_now") * UJ_PER_UAH_UV : (double)full * UJ_PER_UWH;
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// The step that is assumed, in counts.
static double assumed_step(const struct battery *b)
{
    static const char *const energy[] = {"energy_now", "energy_full", "energy_full_design"}, *const charge[] = {"charge_now", "charge_full", "charge_full_design"};
    uint64_t common = 0;
    for (int i = 0; i < 3; i++) common = divisor(common, number_of(b->dir, b->by_charge ? charge[i] : energy[i]));
    double least = b->by_charge ? STEP_UAH : STEP_UWH;
    return common <= STEP_MOST && (double)common > least ? (double)common : least;
}

static void describe(struct jb_channel *c, struct battery *b)
{
    *c = (struct jb_channel){.zone = {.parent = -1, .has_counter = true}, .kind = JB_CHANNEL_ENERGY, .update_ns = UPDATE_NS, .never_rests = b->gives};
    snprintf(c->zone.control_type, sizeof c->zone.control_type, "battery");
    snprintf(c->zone.name, sizeof c->zone.name, "%s", b->name);
    snprintf(c->path, sizeof c->path, "%.145s/%s", b->dir, b->by_charge ? "charge_now" : "energy_now");
    if (!b->gives) c->zone.excluded = "does not discharge";
    c->unit = b->by_charge ? 1 : UJ_PER_UWH;
    c->falling = !b->by_charge;
    c->step_uj = b->assumed_uj = assumed_step(b) * (b->by_charge ? (double)number_of(b->dir, "voltage_now") * UJ_PER_UAH_UV : UJ_PER_UWH);
    c->accuracy = b->by_charge ? VOLTAGE_ACCURACY : 0;
    double full = full_uj(b);
    if (full > 0) {
        c->ceiling_w = CEILING_C * full * 1e-6 / 3600;
        c->ceiling_from = "4 times the full battery an hour";
    }
}

// Is this directory a battery of the machine (not one of its mouse)?
static bool is_battery(const char *dir)
{
    char text[64];
    if (!text_of(dir, "type", text, sizeof text) || strcmp(text, "Battery") != 0) return false;
    if (text_of(dir, "scope", text, sizeof text) && strcmp(text, "Device") == 0) return false;
    return !text_of(dir, "present", text, sizeof text) || strcmp(text, "0") != 0;
}

static void say(struct verdict *v, int errnum, const struct battery *b, const char *file, const char *what)
{
    v->errnum = errnum;
    v->code = errnum == EACCES || errnum == EPERM ? JB_E_DENIED : JB_E_UNAVAILABLE;
    snprintf(v->path, sizeof v->path, "%.130s/%s", b->dir, file);
    snprintf(v->reason, sizeof v->reason, "%s: %s%s%s", b->name, what, errnum ? ": " : "", errnum ? strerror(errnum) : "");
    if (v->code == JB_E_DENIED) snprintf(v->fix, sizeof v->fix, "sudo chmod a+r %s", v->path);
}

static void open_files(struct verdict *v, struct battery *b)
{
    b->status = open_file(b->dir, "status");
    if (b->status < 0) {
        say(v, errno, b, "status", "its status cannot be read");
        return;
    }
    b->level = open_file(b->dir, "energy_now");
    if (b->level < 0 && errno == ENOENT) {
        b->by_charge = true;
        b->level = open_file(b->dir, "charge_now");
    }
    if (b->level < 0) {
        bool percent_only = errno == ENOENT;
        say(v, errno, b, b->by_charge ? "charge_now" : "energy_now", percent_only ? "it tells neither energy nor charge" : "its level cannot be read");
        if (percent_only) snprintf(v->fix, sizeof v->fix, "none: this gauge gives a percentage only");
        return;
    }
    if (b->by_charge) b->voltage = open_file(b->dir, "voltage_now");
    if (b->by_charge && b->voltage < 0) say(v, errno, b, "voltage_now", "its charge cannot become energy without a voltage");
    b->sysfs = jb_fd_in_sysfs(b->level) && (!b->by_charge || jb_fd_in_sysfs(b->voltage));
}

static void add_battery(struct verdict *v, const char *entry)
{
    struct batteries *bs = v->impl;
    struct battery *b = &bs->at[bs->n];
    *b = (struct battery){.status = -1, .level = -1, .voltage = -1};
    int n = snprintf(b->dir, sizeof b->dir, "%s/%.30s", v->root, entry);
    if (n < 0 || (size_t)n >= sizeof b->dir || !is_battery(b->dir)) return;
    snprintf(b->name, sizeof b->name, "%.30s", entry);
    bs->n++;
    open_files(v, b);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

// Returns 0 or the errno of reading the directory.
static int find(struct verdict *v)
{
    char name[64][32];
    size_t n = 0;
    DIR *dir = opendir(v->root);
    if (!dir) return errno;
    for (struct dirent *d = readdir(dir); d && n < 64; d = readdir(dir))
        if (d->d_name[0] != '.' && strlen(d->d_name) <= 30 && strspn(d->d_name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-") == strlen(d->d_name)) strcpy(name[n++], d->d_name);
    closedir(dir);
    qsort(name, n, sizeof name[0], by_text);
    for (size_t i = 0; i < n && v->impl->n < MAX_BATTERIES && !v->code; i++) add_battery(v, name[i]);
    return 0;
}

static void judge_root(struct verdict *v, const struct jb_power_opts *o, int errnum)
{
    v->code = errnum == EACCES ? JB_E_DENIED : JB_E_UNAVAILABLE;
    v->errnum = errnum;
    snprintf(v->path, sizeof v->path, "%s", v->root);
    if (errnum == ENOENT || !errnum) snprintf(v->reason, sizeof v->reason, "%s %s: this machine has no battery", v->root, errnum ? "does not exist" : "holds no battery");
    else snprintf(v->reason, sizeof v->reason, "%s: %s", v->root, strerror(errnum));
    if (errnum == EACCES) snprintf(v->fix, sizeof v->fix, "sudo chmod a+rx %s", v->root);
    else if (o->root) snprintf(v->fix, sizeof v->fix, "name a directory that looks like /sys or /sys/class/power_supply (not %.128s)", v->root);
    else snprintf(v->fix, sizeof v->fix, "none: use another source");
}

// Which of them discharge; none, or one that is charged: no source.
static void judge_status(struct verdict *v)
{
    struct batteries *bs = v->impl;
    const struct battery *other = NULL;
    char status[32], seen[32] = "";
    size_t giving = 0;
    for (size_t i = 0; i < bs->n; i++) {
        struct battery *b = &bs->at[i];
        int e = status_of(b, status);
        if (e) {
            say(v, e, b, "status", "its status cannot be read");
            return;
        }
        b->gives = strcmp(status, "Discharging") == 0;
        giving += b->gives;
        if (b->gives || (other && strcmp(seen, "Charging") == 0)) continue;
        other = b;
        memcpy(seen, status, sizeof seen);
    }
    if (giving > 0 && (!other || strcmp(seen, "Charging") != 0)) return;
    char what[96];
    snprintf(what, sizeof what, "status is \"%.20s\": the machine runs on mains, so its battery tells nothing", seen);
    say(v, 0, other, "status", what);
    snprintf(v->fix, sizeof v->fix, "unplug the charger");
}

static void make_remark(struct verdict *v)
{
    double watts = 0, step_uj = 0;
    bool by_charge = false;
    for (size_t i = 0; i < v->impl->n; i++) {
        if (!v->impl->at[i].gives) continue;
        watts += watts_now(&v->impl->at[i]);
        by_charge |= v->impl->at[i].by_charge;
        step_uj = fmax(step_uj, v->impl->channel[i].step_uj);
    }
    if (watts > 0)
        snprintf(v->remark, sizeof v->remark, "steps of %.3g J: at the present %.3g W a window needs more than %.3g s, and about %.0f s for 1 %%%s", step_uj * 1e-6, watts, step_uj * 1e-6 / watts,
                 200 * step_uj * 1e-6 / watts, by_charge ? "; charge x voltage" : "");
    else snprintf(v->remark, sizeof v->remark, "steps of %.3g J, every 60 s at worst: windows of minutes%s", step_uj * 1e-6, by_charge ? "; charge x voltage" : "");
}

static void judge(struct verdict *v, const struct jb_power_opts *o)
{
    *v = (struct verdict){0};
    struct jb_err err = {0};
    v->impl = calloc(1, sizeof *v->impl);
    v->code = v->impl ? jb_source_root(o, "class/power_supply", v->root, sizeof v->root, &err) : JB_E_NOMEM;
    if (v->code) {
        snprintf(v->reason, sizeof v->reason, "%.255s", v->impl ? err.detail : "out of memory");
        return;
    }
    struct batteries *bs = v->impl;
    bs->clock = jb_power_clock(o);
    int errnum = find(v);
    if (errnum || (!v->code && bs->n == 0)) judge_root(v, o, errnum);
    if (errnum == ENOMEM) v->code = JB_E_NOMEM;
    if (!v->code) judge_status(v);
    if (v->code) return;
    v->cls = JB_ENERGY_MEASURED;
    struct jb_cover_zone zone[MAX_BATTERIES];
    for (size_t i = 0; i < bs->n; i++) {
        struct jb_reading r = {.begin_ns = bs->clock.now_ns(bs->clock.self)};
        describe(&bs->channel[i], &bs->at[i]);
        read_one(bs, i, &r);
        if (r.errnum && bs->at[i].gives && !v->code) {
            say(v, 0, &bs->at[i], bs->at[i].by_charge ? "charge_now" : "energy_now", r.why);
            v->errnum = r.errnum;
            snprintf(v->fix, sizeof v->fix, "see `dmesg | grep -i -e battery -e acpi`");
        }
        if (bs->at[i].gives && !bs->at[i].sysfs) v->cls = JB_ENERGY_REPLAYED;
        bs->channel[i].zone.has_counter = r.errnum == 0;
        zone[i] = bs->channel[i].zone;
    }
    jb_cover_choose(zone, bs->n);
    for (size_t i = 0; i < bs->n; i++) bs->channel[i].zone = zone[i];
    make_remark(v);
}

static void source_of(const struct verdict *v, struct jb_source *out)
{
    *out = (struct jb_source){.cls = v->cls, .channel = v->impl->channel, .n = v->impl->n, .sampler_period_ns = PERIOD_NS, .settle_most_ns = SETTLE_NS};
    snprintf(out->name, sizeof out->name, "%s", jb_source_battery.name);
    snprintf(out->root, sizeof out->root, "%s", v->root);
    snprintf(out->remark, sizeof out->remark, "%s", v->remark);
    snprintf(out->too_short, sizeof out->too_short, "%s", v->remark);
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct verdict v;
    judge(&v, o);
    jb_probe_init(out, jb_source_battery.name);
    out->available = v.code == JB_OK;
    out->cls = out->available ? v.cls : JB_ENERGY_NONE;
    out->errnum = v.errnum;
    snprintf(out->reason, sizeof out->reason, "%s", v.reason);
    snprintf(out->fix, sizeof out->fix, "%s", v.fix);
    if (out->available) {
        struct jb_source s;
        struct jb_cover_zone zone[MAX_BATTERIES];
        source_of(&v, &s);
        for (size_t i = 0; i < s.n; i++) {
            zone[i] = s.channel[i].zone;
            if (zone[i].summed && !v.path[0]) snprintf(v.path, sizeof v.path, "%s", s.channel[i].path);
        }
        jb_cover_describe(zone, s.n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
        out->read_ns = jb_source_read_cost_ns(&jb_source_battery, v.impl, &s, &v.impl->clock);
    }
    snprintf(out->path, sizeof out->path, "%s", v.path);
    jb_probe_mode(out->path, out->mode);
    int code = v.code == JB_E_NOMEM ? v.code : JB_OK;
    close_battery(v.impl);
    return code;
}

static int open_battery(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct verdict v;
    judge(&v, o);
    if (v.code) {
        close_battery(v.impl);
        return jb_fail(err, v.code, "battery: %s%s%s", v.reason, v.fix[0] ? "; to unlock: " : "", v.fix);
    }
    source_of(&v, out);
    *impl = v.impl;
    return JB_OK;
}

const struct jb_source_ops jb_source_battery = {"battery", "the machine's batteries while they discharge (long windows only)", false, probe, open_battery, close_battery, read_battery};
