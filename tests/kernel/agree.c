// Runs inside the emulated kernel, as a program of its own: the sources read raw, one after the other, without the meter. Lines as guest.sh counts them.
//   agree inject MICROJOULES SOURCE...   opens the sources, injects, reads again: each channel must show its part of it, to 0.1 %
//   agree unit STEP_UJ SOURCE...         the package's step as the source found it
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/source.h"

#define INJECT "/sys/module/jb_energy/parameters/inject_uj"
#define SOURCES_MOST 4
#define WITHIN 0.001
#define DRIVERS_DRAM (15.3 / (1e6 / 65536)) // intel_rapl_common takes 15.3 uJ for the 2^-16 J of a server's memory: 0.27 % too much, on real machines, too

struct opened {
    const struct jb_source_ops *ops;
    void *impl;
    struct jb_source source;
    uint64_t before[JB_SOURCE_MAX_CHANNELS];
};

static int failed;

static void line(bool ok, const char *what, const char *detail)
{
    printf("%s - %s: %s\n", ok ? "ok" : "not ok", what, detail);
    failed |= !ok;
}

static const struct jb_source_ops *find(const char *name)
{
    static const struct jb_source_ops *const rows[] = {&jb_source_perf, &jb_source_papi, &jb_source_powercap};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

static bool open_source(struct opened *s, const char *name)
{
    const struct jb_power_opts opts = {.hypervisor = true, .trust_guest_rapl = true};
    struct jb_err err = {0};
    s->ops = find(name);
    int rc = s->ops ? s->ops->open(&s->impl, &opts, &s->source, &err) : jb_fail(&err, JB_E_NOT_FOUND, "no such source");
    if (rc) line(false, name, err.detail);
    return rc == JB_OK;
}

// 1 for package-0, 2 for its core, 4 for its dram; the second package twice that (jb_energy.c). 0: not known.
static double part_of(const struct jb_channel *channel, size_t i)
{
    const struct jb_cover_zone *z = &channel[i].zone;
    const char *top = z->parent < 0 ? z->name : channel[z->parent].zone.name;
    double part = strncmp(z->name, "package-", 8) == 0 ? 1 : strcmp(z->name, "core") == 0 ? 2 : strcmp(z->name, "dram") == 0 ? 4 : 0;
    return strcmp(top, "package-0") == 0 ? part : strcmp(top, "package-1") == 0 ? 2 * part : 0;
}

static bool has(const struct opened *s, size_t i) { return s->source.channel[i].zone.has_counter; }

static uint64_t count_of(struct opened *s, size_t i)
{
    struct jb_reading r = {0};
    s->ops->read(s->impl, i, &r);
    if (r.errnum) line(false, s->ops->name, strerror(r.errnum));
    return r.count;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0) ok = false;
    if (!ok) line(false, path, strerror(errno));
    return ok;
}

static void compare(struct opened *s, double injected_uj)
{
    for (size_t i = 0; i < s->source.n; i++) {
        const struct jb_channel *c = &s->source.channel[i];
        char what[192], detail[128];
        int package = c->zone.parent < 0 ? (int)i : c->zone.parent;
        snprintf(what, sizeof what, "injected joules, %s %s of %s", s->ops->name, c->zone.name, s->source.channel[package].zone.name);
        if (!has(s, i)) {
            printf("skip - %s: %s is not in libpfm's table of this CPU\n", what, c->path);
            continue;
        }
        uint64_t now = count_of(s, i), range = c->range;
        uint64_t moved = now >= s->before[i] ? now - s->before[i] : range - s->before[i] + 1 + now;
        double uj = (double)moved * c->unit, part = part_of(s->source.channel, i), expected = part > 0 ? injected_uj / part : NAN;
        snprintf(detail, sizeof detail, "%.3f J of %.3f J", uj / 1e6, expected / 1e6);
        bool rounded = strcmp(c->zone.name, "dram") == 0 && fabs((double)range / UINT32_MAX - 15.3) < 0.001;
        if (rounded) strcat(detail, " (a unit that the driver rounds to 15.3 uJ)");
        if (rounded) expected *= DRIVERS_DRAM;
        line(fabs(uj - expected) <= WITHIN * expected, what, detail);
    }
}

static int inject(struct opened *s, size_t n, const char *text)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < s[k].source.n; i++)
            if (has(&s[k], i)) s[k].before[i] = count_of(&s[k], i);
    if (!write_text(INJECT, text)) return 1;
    for (size_t k = 0; k < n; k++) compare(&s[k], atof(text));
    return failed;
}

static int unit(struct opened *s, size_t n, double expected_uj)
{
    for (size_t k = 0; k < n; k++) {
        char detail[64];
        double step = s[k].source.channel[0].step_uj;
        snprintf(detail, sizeof detail, "%.3f uJ, expected %.3f uJ", step, expected_uj);
        line(fabs(step - expected_uj) <= WITHIN * expected_uj, s[k].ops->name, detail);
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct opened sources[SOURCES_MOST] = {0};
    size_t n = argc > 3 ? (size_t)argc - 3 : 0;
    if (n == 0 || n > SOURCES_MOST) return fprintf(stderr, "usage: agree inject|unit MICROJOULES SOURCE...\n"), 2;
    for (size_t k = 0; k < n; k++)
        if (!open_source(&sources[k], argv[3 + k])) return 1;
    int rc = strcmp(argv[1], "inject") == 0 ? inject(sources, n, argv[2]) : strcmp(argv[1], "unit") == 0 ? unit(sources, n, atof(argv[2])) : 2;
    for (size_t k = 0; k < n; k++) sources[k].ops->close(sources[k].impl);
    return rc;
}
