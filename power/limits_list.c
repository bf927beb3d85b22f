// Finds the constraints of a powercap tree: every control type, nested zones, hexadecimal ids, constraint numbers with gaps.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/cover.h"
#include "power/limits_data.h"
#include "power/strict.h"

#define SYSTEM_ROOT "/sys/class/powercap"
#define MAX_ZONES 128
#define MAX_DEPTH 4
#define MAX_ENTRIES 128
#define MAX_CONSTRAINTS 32

struct zone { char path[160]; bool enabled; };
struct walk {
    char root[128];
    struct zone zone[MAX_ZONES];
    struct jb_cover_zone cover[MAX_ZONES]; // for the labels alone
    size_t n;
    bool no_memory;
};

struct names { char name[MAX_ENTRIES][32]; size_t n; };

// ---- zones ----

// "intel-rapl:2" before "intel-rapl:a" before "intel-rapl:10": ids are hexadecimal without padding.
static int by_length_then_text(const void *a, const void *b)
{
    size_t n = strlen(a), m = strlen(b);
    return n != m ? (n > m) - (n < m) : strcmp(a, b);
}

static bool is_child(const char *name, const char *parent)
{
    size_t n = strlen(parent);
    if (n == 0) return name[0] != '.' && !strchr(name, ':'); // a control type
    if (strncmp(name, parent, n) != 0 || name[n] != ':') return false;
    const char *id = name + n + 1;
    return *id && strlen(id) <= 8 && strspn(id, "0123456789abcdef") == strlen(id);
}

// Directories in ROOT/path that are children of `parent`; control types for "". Sorted. Returns 0 or an errno.
static int list(const struct walk *w, const char *path, const char *parent, struct names *out)
{
    char full[320];
    snprintf(full, sizeof full, "%s/%s", w->root, path);
    out->n = 0;
    DIR *dir = opendir(full);
    if (!dir) return errno;
    for (struct dirent *d = readdir(dir); d && out->n < MAX_ENTRIES; d = readdir(dir)) {
        struct stat st;
        size_t n = strlen(d->d_name);
        if (!is_child(d->d_name, parent) || n >= sizeof out->name[0]) continue;
        if (fstatat(dirfd(dir), d->d_name, &st, 0) != 0 || !S_ISDIR(st.st_mode)) continue;
        memcpy(out->name[out->n++], d->d_name, n + 1);
    }
    closedir(dir);
    qsort(out->name, out->n, sizeof out->name[0], by_length_then_text);
    return 0;
}

// ROOT/zone/file, opened for reading, or -1 with errno.
static int open_attribute(const char *root, const char *zone, const char *file)
{
    char full[400];
    int n = snprintf(full, sizeof full, "%s/%s/%s", root, zone, file);
    if (n < 0 || (size_t)n >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int read_u64(const char *root, const char *zone, const char *file, uint64_t *out)
{
    int fd = open_attribute(root, zone, file);
    if (fd < 0) return errno;
    int e = jb_strict_read_u64(fd, out);
    close(fd);
    return e;
}

// What is not plain ASCII would not survive the state file.
static int read_text(const char *root, const char *zone, const char *file, char *out, size_t room)
{
    int fd = open_attribute(root, zone, file);
    if (fd < 0) return errno;
    int e = jb_strict_read_text(fd, out, room);
    close(fd);
    for (char *p = out; e == 0 && *p; p++)
        if ((unsigned char)*p > 126) *p = '?';
    return e;
}

static void add_zone(struct walk *w, const char *control_type, const char *name, int parent, int depth)
{
    if (w->n == MAX_ZONES) return;
    size_t i = w->n++;
    struct zone *z = &w->zone[i];
    struct jb_cover_zone *c = &w->cover[i];
    uint64_t enabled = 1;
    *c = (struct jb_cover_zone){.parent = parent};
    snprintf(c->control_type, sizeof c->control_type, "%s", control_type);
    snprintf(z->path, sizeof z->path, "%.120s/%.31s", parent < 0 ? control_type : w->zone[parent].path, name);
    if (read_text(w->root, z->path, "name", c->name, sizeof c->name) != 0) snprintf(c->name, sizeof c->name, "%.63s", name);
    z->enabled = read_u64(w->root, z->path, "enabled", &enabled) != 0 || enabled != 0;
    struct names *below = depth < MAX_DEPTH ? malloc(sizeof *below) : NULL;
    w->no_memory |= depth < MAX_DEPTH && !below;
    if (below && list(w, z->path, name, below) == 0)
        for (size_t k = 0; k < below->n; k++) add_zone(w, control_type, below->name[k], (int)i, depth + 1);
    free(below);
}

int jb_limits_root(const char *root, char *out, size_t room, struct jb_err *err)
{
    char given[400], real[PATH_MAX];
    int n = snprintf(given, sizeof given, "%s/class/powercap", root ? root : "/sys");
    if (n < 0 || (size_t)n >= sizeof given) return jb_fail(err, JB_E_RANGE, "power root \"%.60s...\" is too long", root);
    if (root && access(given, F_OK) != 0) snprintf(given, sizeof given, "%s", root);
    if (!realpath(given, real)) {
        int e = errno;
        return jb_fail_errno(err, JB_E_UNAVAILABLE, e, "%s (no power capping: on bare metal `modprobe intel_rapl_msr`; in a virtual machine or container there is mostly none)", given);
    }
    if (strlen(real) >= room) return jb_fail(err, JB_E_RANGE, "power root \"%.60s...\" is longer than %zu bytes", real, room - 1);
    memcpy(out, real, strlen(real) + 1);
    return JB_OK;
}

static int walk_tree(struct walk *w, const char *root, struct jb_err *err)
{
    struct names types, zones;
    int rc = jb_limits_root(root, w->root, sizeof w->root, err);
    if (rc) return rc;
    int e = list(w, "", "", &types);
    if (e) return jb_fail_errno(err, JB_E_UNAVAILABLE, e, "%s", w->root);
    for (size_t i = 0; i < types.n; i++) {
        if (list(w, types.name[i], types.name[i], &zones) != 0) continue;
        for (size_t k = 0; k < zones.n; k++) add_zone(w, types.name[i], zones.name[k], -1, 1);
    }
    if (w->no_memory) return jb_fail(err, JB_E_NOMEM, "power zones");
    if (w->n == 0) return jb_fail(err, JB_E_UNAVAILABLE, "%s: no power zone", w->root);
    jb_cover_choose(w->cover, w->n);
    return JB_OK;
}

// ---- constraints ----

static int by_number(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// N of "constraint_N_power_limit_uw"; -1: another file.
static int constraint_of(const char *file)
{
    static const char head[] = "constraint_", tail[] = "_power_limit_uw";
    if (strncmp(file, head, sizeof head - 1) != 0) return -1;
    const char *digits = file + sizeof head - 1;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 3 || (n > 1 && digits[0] == '0') || strcmp(digits + n, tail) != 0) return -1;
    return (int)strtol(digits, NULL, 10);
}

static size_t constraints(const char *root, const char *zone, int *out)
{
    char full[320];
    size_t n = 0;
    snprintf(full, sizeof full, "%s/%s", root, zone);
    DIR *dir = opendir(full);
    if (!dir) return 0;
    for (struct dirent *d = readdir(dir); d && n < MAX_CONSTRAINTS; d = readdir(dir)) {
        int c = constraint_of(d->d_name);
        if (c >= 0) out[n++] = c;
    }
    closedir(dir);
    qsort(out, n, sizeof *out, by_number);
    return n;
}

static uint64_t number_or_0(const char *root, const char *zone, int constraint, const char *what)
{
    char file[64];
    uint64_t v = 0;
    snprintf(file, sizeof file, "constraint_%d_%s", constraint, what);
    return read_u64(root, zone, file, &v) == 0 ? v : 0;
}

// Whether it can be read and written, as far as can be seen without a write.
static void judge(struct jb_limit *x)
{
    struct jb_err why = {0};
    int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    x->errnum = fd < 0 ? errno : jb_strict_read_u64(fd, &x->limit_uw);
    if (fd >= 0) close(fd);
    x->readable = x->errnum == 0;
    if (x->readable && faccessat(AT_FDCWD, x->path, W_OK, AT_EACCESS) != 0) x->errnum = errno;
    x->writable = x->errnum == 0;
    if (x->errnum) {
        jb_limits_fail(&why, x->errnum, NULL, x->readable ? "changed" : "read", 0);
        snprintf(x->why, sizeof x->why, "%.150s", why.detail);
    } else if (!x->enabled) {
        snprintf(x->why, sizeof x->why, "switched off: the zone's `enabled` is 0, so that the limit has no effect");
    }
}

static int fill(struct jb_limit *x, const struct walk *w, size_t zone, int constraint, struct jb_err *err)
{
    const char *path = w->zone[zone].path;
    char file[64];
    memset(x, 0, sizeof *x);
    snprintf(x->zone, sizeof x->zone, "%s", path);
    snprintf(x->label, sizeof x->label, "%s", w->cover[zone].label);
    x->constraint = constraint;
    x->enabled = w->zone[zone].enabled;
    int rc = jb_limits_file_of(w->root, path, constraint, x->path, sizeof x->path, err);
    if (rc) return rc;
    snprintf(file, sizeof file, "constraint_%d_name", constraint);
    if (read_text(w->root, path, file, x->name, sizeof x->name) != 0) snprintf(x->name, sizeof x->name, "constraint_%d", constraint);
    x->min_uw = number_or_0(w->root, path, constraint, "min_power_uw");
    x->max_uw = number_or_0(w->root, path, constraint, "max_power_uw");
    x->window_us = number_or_0(w->root, path, constraint, "time_window_us");
    judge(x);
    return JB_OK;
}

int jb_limits_list(const char *root, struct jb_limit *out, size_t room, size_t *n, struct jb_err *err)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w) return jb_fail(err, JB_E_NOMEM, "power limits");
    size_t found = 0;
    int rc = walk_tree(w, root, err);
    for (size_t i = 0; i < w->n && rc == JB_OK; i++) {
        int number[MAX_CONSTRAINTS];
        size_t m = constraints(w->root, w->zone[i].path, number);
        for (size_t k = 0; k < m && rc == JB_OK; k++)
            rc = found < room ? fill(&out[found++], w, i, number[k], err) : jb_fail(err, JB_E_RANGE, "%s: more than %zu power limits", w->root, room);
    }
    free(w);
    if (rc == JB_OK) *n = found;
    return rc;
}
