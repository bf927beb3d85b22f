// Fuzz target: what sysfs files say. The input is a list of "NAME=TEXT" records, each ended by a NUL; NAME picks one of the files below (by its number, modulo). The bytes also go to the parsers of
// numbers, percentages and pairs alone. A tree of hwmon and one of batteries is made of them in memory (a tmpfs), opened, and read; whatever opens gives readings that are in order and texts that end.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/hwmon.h"
#include "power/reading.h"
#include "power/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const files[] = {
    "class/hwmon/hwmon0/name", "class/hwmon/hwmon0/in1_label", "class/hwmon/hwmon0/in1_input", "class/hwmon/hwmon0/curr1_input", "class/hwmon/hwmon0/in2_label", "class/hwmon/hwmon0/in2_input",
    "class/hwmon/hwmon0/curr2_input", "class/hwmon/hwmon0/in2_enable", "class/hwmon/hwmon0/update_interval", "class/hwmon/hwmon0/energy1_input", "class/hwmon/hwmon0/energy1_label",
    "class/hwmon/hwmon1/name", "class/hwmon/hwmon1/power1_average", "class/hwmon/hwmon1/power1_average_interval", "class/hwmon/hwmon1/power1_accuracy", "class/hwmon/hwmon1/power1_label",
    "class/hwmon/hwmon1/power1_input", "class/hwmon/hwmon1/device/iio:device0/in_power0_input", "class/hwmon/hwmon1/device/iio:device0/rail_name_0", "class/hwmon/hwmon1/device/type",
    "class/power_supply/BAT0/type", "class/power_supply/BAT0/status", "class/power_supply/BAT0/energy_now", "class/power_supply/BAT0/charge_now", "class/power_supply/BAT0/voltage_now",
    "class/power_supply/BAT0/energy_full_design", "class/power_supply/BAT0/power_now", "class/power_supply/BAT0/scope", "class/power_supply/BAT0/present", "class/power_supply/BAT1/type",
    "class/power_supply/BAT1/status", "class/power_supply/BAT1/energy_now", "class/power_supply/BAT0/current_now", "class/power_supply/BAT0/charge_full_design",
};
#define N_FILES (sizeof files / sizeof files[0])

static void check(bool ok)
{
    if (!ok) abort();
}

// ---- numbers ----

static void numbers(const char *text, size_t n)
{
    uint64_t v = 12345;
    int rc = jb_strict_u64(text, n, &v);
    check(rc == JB_OK || v == 12345);
    if (rc == JB_OK) { // what was read, written, is what was there
        char again[32];
        int m = snprintf(again, sizeof again, "%llu", (unsigned long long)v);
        check((n == (size_t)m || (n == (size_t)m + 1 && text[m] == '\n')) && memcmp(again, text, (size_t)m) == 0);
    }
    struct jb_channel c = {.kind = JB_CHANNEL_POWER, .unit = 1e-6};
    struct jb_reading r = {0};
    int e = jb_reading_parse(&c, text, n, &r);
    check(e == r.errnum && memchr(r.text, 0, sizeof r.text) && isfinite(r.watts) && r.watts >= 0);
    char *terminated = malloc(n + 1);
    if (!terminated) return;
    memcpy(terminated, text, n);
    terminated[n] = 0;
    double a = jb_hwmon_accuracy(terminated);
    check(a >= 0 && a <= 0.5);
    free(terminated);
}

// ---- trees ----

static char root[64]; // one tree for the process: files are written anew for each input

static void make_dirs(void)
{
    snprintf(root, sizeof root, "/dev/shm/jb_fuzz_sysfs_%d", (int)getpid());
    if (mkdir(root, 0700) != 0) snprintf(root, sizeof root, "/tmp/jb_fuzz_sysfs_%d", (int)getpid());
    mkdir(root, 0700);
    for (size_t i = 0; i < N_FILES; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = 0;
            mkdir(path, 0700);
            *slash = '/';
        }
    }
}

static void remove_tree(void)
{
    for (size_t i = 0; i < N_FILES; i++) { // each file, then what it leaves empty above it
        char path[256];
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        unlink(path);
        for (char *slash = strrchr(path, '/'); slash && strlen(path) > strlen(root); slash = strrchr(path, '/')) {
            *slash = 0;
            if (strlen(path) < strlen(root) || rmdir(path) != 0) break;
        }
    }
}

static void put(size_t file, const uint8_t *text, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, files[file]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    close(fd);
}

static void clear(void)
{
    for (size_t i = 0; i < N_FILES; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        unlink(path);
    }
}

static bool ends(const char *text, size_t room) { return memchr(text, 0, room) != NULL; }

static void try_source(const struct jb_source_ops *ops, const struct jb_power_opts *o)
{
    struct jb_power_probe p;
    struct jb_source s;
    struct jb_err err = {0};
    void *impl;
    check(ops->probe(o, &p) == JB_OK && (p.available || (p.reason[0] && p.cls == JB_ENERGY_NONE)));
    check(ends(p.path, sizeof p.path) && ends(p.reason, sizeof p.reason) && ends(p.fix, sizeof p.fix) && ends(p.domains, sizeof p.domains));
    int rc = ops->open(&impl, o, &s, &err);
    check((rc == JB_OK) == p.available);
    if (rc) {
        check(err.code == rc && err.detail[0]);
        return;
    }
    size_t summed = 0;
    for (size_t i = 0; i < s.n; i++) {
        const struct jb_channel *c = &s.channel[i];
        check(c->unit > 0 && c->accuracy >= 0 && c->accuracy <= 1 && c->step_uj >= 0 && isfinite(c->step_uj) && c->ceiling_w >= 0 && isfinite(c->ceiling_w) && c->zone.label[0]);
        summed += c->zone.summed;
        for (int k = 0; k < 2; k++) {
            struct jb_reading r;
            check(!ops->read(impl, i, &r));
            check(r.begin_ns <= r.end_ns && ends(r.why, sizeof r.why) && ends(r.text, sizeof r.text) && isfinite(r.watts) && r.watts >= 0 && r.errnum != EAGAIN);
            check(!c->zone.summed || r.errnum == 0); // the same files as at open
        }
    }
    check(summed > 0 && s.cls == JB_ENERGY_REPLAYED);
    ops->close(impl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!root[0]) {
        make_dirs();
        atexit(remove_tree);
    }
    clear();
    for (size_t at = 0; at < n;) {
        const uint8_t *end = memchr(data + at, 0, n - at);
        size_t length = end ? (size_t)(end - data) - at : n - at;
        const uint8_t *equals = memchr(data + at, '=', length);
        size_t from = equals ? (size_t)(equals - data) + 1 : at, file = 0;
        for (size_t i = at; equals && i + 1 < from; i++) file = (10 * file + data[i] - '0') % N_FILES;
        numbers((const char *)data + from, at + length - from);
        if (equals) put(file % N_FILES, data + from, at + length - from);
        at += length + 1;
    }
    struct jb_fake_clock clock = {.t_ns = 1000000000, .step_ns = 1000000};
    struct jb_power_opts o = {.root = root, .hypervisor = n % 2, .clock = jb_clock_fake(&clock)};
    try_source(&jb_source_hwmon, &o);
    try_source(&jb_source_battery, &o);
    return 0;
}
