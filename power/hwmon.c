// hwmon: counters of energy and readings of power of board monitors, platform meters and SoC drivers. What is found stands in hwmon_find.c, what is summed in hwmon_rules.c.
//
// energyN_input counts microjoules in a driver's 64 bits (kernel: Documentation/hwmon/sysfs-interface): no wrap is assumed. A driver that wraps earlier (INA228: 40 bits) is seen
// running backwards and loses that window; it is never guessed. The step of most drivers is not published: 1 mJ is assumed where it is not known below.
// A power reading is a sample; between two the power is taken to lie between them (class integrated). How coarse it is follows from the chip and its shunt (datasheets of the INA219, INA226 and
// INA3221); of other chips only from the first reading: what its trailing zeros hide. The tolerance of a shunt (1 % on many boards) is not stated by the kernel and not in the bounds.
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/hwmon.h"
#include "power/reading.h"
#include "power/strict.h"

#define NS_PER_MS 1000000u
#define LONGEST_MS 3600000u          // a longer interval is garbage
#define SAMPLE_LEAST_NS 10000000u    // power is not read more often
#define SAMPLE_DEFAULT_NS 100000000u // nor less often, when the interval is not known
#define SAMPLE_MOST_NS 1000000000u
#define SETTLE_MOST_NS 3000000000u
#define STEP_UNKNOWN_UJ 1000.0
#define SHUNT_DEFAULT_UOHM 10000.0   // the drivers' own default; INA3221 on Jetson boards: 5,000
#define INA3221_STEP_UV 40.0         // of the shunt's voltage
#define INA3221_BUS_STEP_MV 8.0
#define STEP_MOST_UW 1e9             // more is garbage
#define OFFSET_MA 100                // an amplifier's offset shows up to this much backwards on an idle rail: read as 0

struct input { int fd[2]; int n; bool sysfs; };

struct hwmon {
    struct jb_clock clock;
    struct jb_channel *channel;
    struct input *input;
    size_t n;
};

// Why it cannot serve, or that it can.
struct verdict {
    int code, errnum;
    enum jb_energy_class cls;
    char root[128], path[160], reason[256], fix[256], remark[160];
    struct jb_source source;
    struct hwmon *impl;
};

static const struct { const char *chip; double step_uj; uint64_t least_ns; } steps[] = {
    {"amd_energy", 15.2587890625, 1000000}, // RAPL: 2^-16 J, every millisecond (AMD PPR, Core::X86::Msr::RAPL_PWR_UNIT)
    {"i915", 61.03515625, 1000000},         // 2^-14 J
    {"xe", 61.03515625, 1000000},
};

static int open_file(const char *dir, const char *file)
{
    char path[320];
    int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

// A number of milliseconds in a file of the chip as nanoseconds; 0: not there or not believable.
static uint64_t interval_ns(const char *dir, const char *file)
{
    uint64_t ms = 0;
    int fd = open_file(dir, file);
    bool ok = fd >= 0 && jb_strict_read_u64(fd, &ms) == 0 && ms <= LONGEST_MS;
    if (fd >= 0) close(fd);
    return ok ? ms * NS_PER_MS : 0;
}

static double accuracy_of(const struct jb_hwmon_found *f)
{
    char file[40], text[32];
    snprintf(file, sizeof file, "power%u_accuracy", f->index);
    int fd = open_file(f->dir, file);
    double accuracy = fd >= 0 && jb_strict_read_text(fd, text, sizeof text) == 0 ? jb_hwmon_accuracy(text) : 0;
    if (fd >= 0) close(fd);
    return accuracy;
}

static bool switched_off(const struct jb_hwmon_found *f)
{
    char file[40];
    uint64_t on = 1;
    if (f->kind != JB_HWMON_PRODUCT) return false;
    snprintf(file, sizeof file, "in%u_enable", f->index);
    int fd = open_file(f->dir, file);
    if (fd < 0) return false;
    bool off = jb_strict_read_u64(fd, &on) == 0 && on == 0;
    close(fd);
    return off;
}

static void describe_energy(struct jb_channel *c, const struct jb_hwmon_found *f)
{
    c->kind = JB_CHANNEL_ENERGY;
    c->unit = 1;
    c->step_uj = STEP_UNKNOWN_UJ;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].chip, f->chip) == 0) {
            c->step_uj = steps[i].step_uj;
            c->update_least_ns = steps[i].least_ns;
        }
    c->never_rests = fnmatch("Esocket*", f->label, 0) == 0;
    c->update_ns = interval_ns(f->dir, "update_interval");
}

static double number_of(const char *dir, const char *file, double fallback)
{
    uint64_t v = 0;
    int fd = open_file(dir, file);
    bool ok = fd >= 0 && jb_strict_read_u64(fd, &v) == 0 && v > 0 && v < 1000000000000u;
    if (fd >= 0) close(fd);
    return ok ? (double)v : fallback;
}

// The power register of an INA2xx, in microvolts of the shunt's voltage: 20 steps of current of 10 uV each, or 25 of 2.5 uV.
static const struct { const char *chip; double uv; } power_steps[] = {{"ina219", 200}, {"ina220", 200}, {"ina226", 62.5}, {"ina230", 62.5}, {"ina231", 62.5}};

// How coarse a reading of power is, in microwatts.
static double step_uw(const struct jb_hwmon_found *f)
{
    char first[40], second[40], file[40];
    bool two;
    jb_hwmon_files(f, first, second, &two);
    double shunt_uohm = number_of(f->dir, "shunt_resistor", SHUNT_DEFAULT_UOHM), mv = number_of(f->dir, first, 0), raw = mv;
    for (size_t i = 0; i < sizeof power_steps / sizeof power_steps[0]; i++)
        if (f->kind == JB_HWMON_INPUT && strcmp(power_steps[i].chip, f->chip) == 0) return power_steps[i].uv * 1e6 / shunt_uohm;
    if (f->kind == JB_HWMON_PRODUCT || f->kind == JB_HWMON_MILLIWATTS) {
        snprintf(file, sizeof file, "shunt%u_resistor", f->index);
        shunt_uohm = number_of(f->dir, file, SHUNT_DEFAULT_UOHM / 2);
        snprintf(file, sizeof file, "in_voltage%u_input", f->index);
        if (f->kind == JB_HWMON_MILLIWATTS) mv = number_of(f->dir, file, 5000);
        double ma = two ? number_of(f->dir, second, 0) : raw / mv * 1e3;
        return mv * (INA3221_STEP_UV / shunt_uohm * 1e3) + ma * INA3221_BUS_STEP_MV;
    }
    double step = 1;
    while (step < 1e6 && raw > 0 && fmod(raw, step * 10) == 0) step *= 10;
    return step;
}

static void describe_power(struct jb_channel *c, const struct jb_hwmon_found *f)
{
    char file[40];
    c->kind = JB_CHANNEL_POWER;
    c->unit = f->kind == JB_HWMON_MILLIWATTS ? 1e-3 : 1e-6;
    c->averaged = f->kind == JB_HWMON_AVERAGE;
    c->step_uj = fmin(step_uw(f), STEP_MOST_UW);
    snprintf(file, sizeof file, "power%u_average_interval", f->index);
    if (c->averaged) c->update_ns = interval_ns(f->dir, file);
    if (!c->update_ns) c->update_ns = interval_ns(f->dir, "update_interval");
    if (f->kind == JB_HWMON_AVERAGE || f->kind == JB_HWMON_INPUT) c->accuracy = accuracy_of(f);
}

static void describe(struct jb_channel *c, const struct jb_hwmon_found *f)
{
    char first[40], second[40];
    bool two;
    jb_hwmon_files(f, first, second, &two);
    *c = (struct jb_channel){.zone = {.parent = -1, .excluded = f->excluded}};
    snprintf(c->zone.control_type, sizeof c->zone.control_type, "hwmon");
    snprintf(c->zone.name, sizeof c->zone.name, "%s", f->name);
    snprintf(c->path, sizeof c->path, "%.119s/%.39s", f->dir, first);
    if (jb_hwmon_is_energy(f)) describe_energy(c, f);
    else describe_power(c, f);
}

// Milliamperes, which may stand a little below 0. The text becomes what is counted.
static int clamp_current(const char *text, size_t n, uint64_t *ma)
{
    bool negative = n > 0 && text[0] == '-';
    int rc = jb_strict_u64(text + negative, n - negative, ma);
    if (rc) return rc == JB_E_RANGE ? ERANGE : EINVAL;
    if (!negative) return 0;
    if (*ma > OFFSET_MA) return EDOM;
    *ma = 0;
    return 0;
}

static int read_text(int fd, char text[32], size_t *n)
{
    ssize_t got = pread(fd, text, 32, 0);
    if (got < 0) return errno == EAGAIN ? EIO : errno; // EAGAIN means "no news" to the meter; here it is a driver that did not answer
    *n = (size_t)got;
    return got == 0 ? ENODATA : got == 32 ? EINVAL : 0;
}

// The raw text of a channel: one number, or two with a blank between.
static int read_raw(const struct input *in, char text[64], size_t *n_text)
{
    char current[32];
    size_t n = 0, n_current = 0;
    uint64_t ma;
    int e = read_text(in->fd[0], text, &n);
    if (e || in->n == 1) {
        *n_text = n;
        return e;
    }
    e = read_text(in->fd[1], current, &n_current);
    if (!e) e = clamp_current(current, n_current, &ma);
    if (e) return e;
    if (n > 0 && text[n - 1] == '\n') n--;
    *n_text = n + (size_t)snprintf(text + n, 64 - n, " %llu", (unsigned long long)ma);
    return 0;
}

// Outside sysfs a removed file can still be read.
static bool vanished(const struct input *in)
{
    struct stat st;
    for (int k = 0; k < in->n; k++)
        if (!in->sysfs && fstat(in->fd[k], &st) == 0 && st.st_nlink == 0) return true;
    return false;
}

static void say_why(struct jb_reading *r)
{
    const char *why = NULL;
    switch (r->errnum) {
    case ENODATA: why = "the file is empty, or the channel is switched off"; break;
    case EINVAL: why = "not a number, or the driver failed to read it"; break;
    case ENODEV: why = "it has vanished"; break;
    case EDOM: why = "the current flows backwards: the rail is fed from elsewhere"; break;
    default: break;
    }
    if (why) snprintf(r->why, sizeof r->why, "%s", why);
}

static bool read_hwmon(void *impl, size_t channel, struct jb_reading *out)
{
    struct hwmon *h = impl;
    const struct input *in = &h->input[channel];
    char text[64];
    size_t n = 0;
    *out = (struct jb_reading){.begin_ns = h->clock.now_ns(h->clock.self)};
    int e = in->n ? read_raw(in, text, &n) : ENODEV;
    out->end_ns = h->clock.now_ns(h->clock.self);
    if (!e && vanished(in)) e = ENODEV;
    if (e) out->errnum = e;
    else jb_reading_parse(&h->channel[channel], text, n, out);
    say_why(out);
    return false;
}

static void close_input(struct input *in)
{
    for (int k = 0; k < in->n; k++) close(in->fd[k]);
    in->n = 0;
}

static int open_input(struct input *in, const struct jb_hwmon_found *f)
{
    char file[2][40];
    bool two;
    jb_hwmon_files(f, file[0], file[1], &two);
    *in = (struct input){.sysfs = true};
    for (int k = 0; k < 1 + two; k++) {
        int fd = open_file(f->dir, file[k]);
        if (fd < 0) {
            int e = errno;
            close_input(in);
            return e;
        }
        in->fd[in->n++] = fd;
        in->sysfs &= jb_fd_in_sysfs(fd);
    }
    return 0;
}

static void close_hwmon(void *impl)
{
    struct hwmon *h = impl;
    if (!h) return;
    for (size_t i = 0; i < h->n; i++) close_input(&h->input[i]);
    free(h->channel);
    free(h->input);
    free(h);
}

// Opens and reads a channel once. One that is needed for the sum and cannot be read decides the verdict: a sum without it would be silently too small.
static void open_channel(struct verdict *v, const struct jb_hwmon_found *f)
{
    struct hwmon *h = v->impl;
    size_t i = h->n++;
    struct jb_channel *c = &h->channel[i];
    struct jb_reading r = {0};
    describe(c, f);
    r.errnum = open_input(&h->input[i], f);
    if (!r.errnum) read_hwmon(h, i, &r);
    c->zone.has_counter = r.errnum == 0;
    if (r.errnum && !f->excluded && !v->code) {
        v->errnum = r.errnum;
        v->code = r.errnum == EACCES || r.errnum == EPERM ? JB_E_DENIED : JB_E_UNAVAILABLE;
        snprintf(v->path, sizeof v->path, "%s", c->path);
        snprintf(v->reason, sizeof v->reason, "%s (%s): %s", f->name, f->chip, r.why[0] ? r.why : strerror(r.errnum));
        if (v->code == JB_E_DENIED) snprintf(v->fix, sizeof v->fix, "sudo chmod a+r %s (until the next boot), or run as root", c->path);
        else if (switched_off(f)) snprintf(v->fix, sizeof v->fix, "echo 1 | sudo tee %.119s/in%u_enable", f->dir, f->index);
        else snprintf(v->fix, sizeof v->fix, "see `dmesg | grep -i %.31s`; the driver does not serve this channel", f->chip);
    }
    if (!f->excluded && !h->input[i].sysfs) v->cls = JB_ENERGY_REPLAYED;
    else if (!f->excluded && v->cls == JB_ENERGY_NONE) v->cls = jb_hwmon_is_energy(f) ? JB_ENERGY_MEASURED : JB_ENERGY_INTEGRATED;
}

// How often to read, and how long the end of a window may wait.
static void set_pace(struct jb_source *s)
{
    uint64_t shortest = 0, longest = 0;
    bool power = false;
    for (size_t i = 0; i < s->n; i++) {
        const struct jb_channel *c = &s->channel[i];
        if (!c->zone.summed) continue;
        uint64_t update = c->update_ns ? c->update_ns : SAMPLE_DEFAULT_NS;
        power |= c->kind == JB_CHANNEL_POWER;
        if (!shortest || update < shortest) shortest = update;
        if (update > longest) longest = update;
    }
    if (power) s->sampler_period_ns = shortest < SAMPLE_LEAST_NS ? SAMPLE_LEAST_NS : shortest > SAMPLE_MOST_NS ? SAMPLE_MOST_NS : shortest;
    if (2 * longest > SETTLE_MOST_NS) s->settle_most_ns = SETTLE_MOST_NS;
}

static void choose_cover(struct jb_source *s)
{
    struct jb_cover_zone zone[JB_SOURCE_MAX_CHANNELS];
    for (size_t i = 0; i < s->n; i++) zone[i] = s->channel[i].zone;
    jb_cover_choose(zone, s->n);
    for (size_t i = 0; i < s->n; i++) s->channel[i].zone = zone[i];
}

static int open_all(struct verdict *v, const struct jb_hwmon_list *list, const struct jb_power_opts *o)
{
    struct hwmon *h = calloc(1, sizeof *h);
    if (!h) return JB_E_NOMEM;
    v->impl = h;
    h->clock = jb_power_clock(o);
    h->channel = calloc(JB_SOURCE_MAX_CHANNELS, sizeof *h->channel);
    h->input = calloc(JB_SOURCE_MAX_CHANNELS, sizeof *h->input);
    if (!h->channel || !h->input) return JB_E_NOMEM;
    for (int pass = 0; pass < 2; pass++) // what is summed first: there may be more than there is room for
        for (size_t i = 0; i < list->n && h->n < JB_SOURCE_MAX_CHANNELS; i++)
            if ((list->at[i].excluded != NULL) == (pass == 1)) open_channel(v, &list->at[i]);
    v->source = (struct jb_source){.cls = v->cls, .channel = h->channel, .n = h->n};
    snprintf(v->source.name, sizeof v->source.name, "%s", jb_source_hwmon.name);
    snprintf(v->source.root, sizeof v->source.root, "%s", v->root);
    if (list->n > h->n) snprintf(v->source.remark, sizeof v->source.remark, "%zu more channels are not shown", list->n - h->n);
    choose_cover(&v->source);
    set_pace(&v->source);
    return JB_OK;
}

static void judge_root(struct verdict *v, const struct jb_power_opts *o, int errnum)
{
    static const char drivers[] = "load the driver of the board's monitor (sudo modprobe ina3221, ina2xx, acpi_power_meter, amd_energy, ...)";
    v->code = errnum == EACCES ? JB_E_DENIED : JB_E_UNAVAILABLE;
    v->errnum = errnum;
    snprintf(v->path, sizeof v->path, "%s", v->root);
    if (errnum == ENOENT && !o->root) snprintf(v->reason, sizeof v->reason, "%s does not exist: this kernel watches no sensor%s", v->root, o->hypervisor ? " (a virtual machine has none)" : "");
    else snprintf(v->reason, sizeof v->reason, "%s: %s", v->root, strerror(errnum));
    if (errnum == EACCES) snprintf(v->fix, sizeof v->fix, "sudo chmod a+rx %s", v->root);
    else if (o->root) snprintf(v->fix, sizeof v->fix, "name a directory that looks like /sys or /sys/class/hwmon (not %.128s)", v->root);
    else snprintf(v->fix, sizeof v->fix, "%s", o->hypervisor ? "measure on the host" : drivers);
}

static void judge_list(struct verdict *v, const struct jb_hwmon_list *list, const struct jb_power_opts *o)
{
    v->code = JB_E_UNAVAILABLE;
    snprintf(v->path, sizeof v->path, "%s", v->root);
    if (list->n == 0) snprintf(v->fix, sizeof v->fix, "%s", o->hypervisor && !o->root ? "measure on the host" : "load the driver of the board's monitor (sudo modprobe ina3221, ina2xx, acpi_power_meter, amd_energy, ...)");
    else snprintf(v->fix, sizeof v->fix, "mkdir /tmp/rail && ln -s $(readlink -f %.100s/%.23s) /tmp/rail/ and --power-root /tmp/rail: only the chip that feeds the board", v->root, list->at[0].hwmon);
}

static void judge(struct verdict *v, const struct jb_power_opts *o)
{
    *v = (struct verdict){0};
    struct jb_err err = {0};
    struct jb_hwmon_list *list = calloc(1, sizeof *list);
    v->code = list ? jb_source_root(o, "class/hwmon", v->root, sizeof v->root, &err) : JB_E_NOMEM;
    if (v->code) {
        snprintf(v->reason, sizeof v->reason, "%.255s", list ? err.detail : "out of memory");
        free(list);
        return;
    }
    char jetson[128];
    int errnum = jb_hwmon_find(list, v->root);
    size_t n = list->n;
    bool other = jb_source_root(o, "bus/i2c/drivers/ina3221x", jetson, sizeof jetson, NULL) == JB_OK && strcmp(jetson, v->root) != 0 && jb_hwmon_find(list, jetson) == 0;
    if (list->no_memory) errnum = ENOMEM;
    else if (other && n == 0 && list->n > 0) {
        snprintf(v->root, sizeof v->root, "%s", jetson);
        errnum = 0;
    }
    if (errnum == ENOMEM) v->code = JB_E_NOMEM;
    else if (errnum) judge_root(v, o, errnum);
    else if (!jb_hwmon_choose(list, o, v->reason, sizeof v->reason)) judge_list(v, list, o);
    else if (open_all(v, list, o) != JB_OK) v->code = JB_E_NOMEM;
    free(list);
}

static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct verdict *v = calloc(1, sizeof *v);
    if (!v) return JB_E_NOMEM;
    judge(v, o);
    int code = v->code;
    jb_probe_init(out, jb_source_hwmon.name);
    out->available = code == JB_OK;
    out->cls = out->available ? v->cls : JB_ENERGY_NONE;
    out->errnum = v->errnum;
    for (size_t i = 0; i < v->source.n && !v->path[0]; i++)
        if (v->source.channel[i].zone.summed) snprintf(v->path, sizeof v->path, "%s", v->source.channel[i].path);
    snprintf(out->path, sizeof out->path, "%s", v->path);
    jb_probe_mode(out->path, out->mode);
    snprintf(out->reason, sizeof out->reason, "%s", v->reason);
    snprintf(out->fix, sizeof out->fix, "%s", v->fix);
    struct jb_cover_zone zone[JB_SOURCE_MAX_CHANNELS];
    for (size_t i = 0; i < v->source.n; i++) zone[i] = v->source.channel[i].zone;
    jb_cover_describe(zone, v->source.n, out->domains, sizeof out->domains, out->left_out, sizeof out->left_out);
    if (out->available) out->read_ns = jb_source_read_cost_ns(&jb_source_hwmon, v->impl, &v->source, &v->impl->clock);
    close_hwmon(v->impl);
    free(v);
    return code == JB_E_NOMEM ? code : JB_OK;
}

static int open_hwmon(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct verdict *v = calloc(1, sizeof *v);
    if (!v) return jb_fail(err, JB_E_NOMEM, "hwmon: out of memory");
    judge(v, o);
    int code = v->code;
    if (code == JB_OK) {
        *impl = v->impl;
        *out = v->source;
    } else {
        close_hwmon(v->impl);
        jb_fail(err, code, "hwmon: %s%s%s", code == JB_E_NOMEM ? "out of memory" : v->reason, v->fix[0] ? "; to unlock: " : "", v->fix);
    }
    free(v);
    return code;
}

const struct jb_source_ops jb_source_hwmon = {"hwmon", "monitors of the board: energy counters, platform meters, INA219 to INA3221, Jetson's rails", false, probe, open_hwmon, close_hwmon, read_hwmon};
