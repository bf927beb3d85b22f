// Walks a powercap tree. Below the system's root, libpowercap opens the files; its root is compiled in, so below another root they are
// opened here and handed to it in its public structs. Its getters return 0 for garbage: every number is read strictly as well.
#include "power/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/source.h"
#include "power/strict.h"

#define MAX_ENTRIES 64
#define N_CONSTRAINTS 8

struct entries { char name[MAX_ENTRIES][32]; size_t n; bool more; }; // more: than there is room for

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

// Directories in `fd` (consumed) that are children of `parent`; control types for "". Sorted.
static int list(int fd, const char *parent, struct entries *out)
{
    out->n = 0;
    out->more = false;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int e = errno;
        close(fd);
        return e;
    }
    for (struct dirent *d = readdir(dir); d && !out->more; d = readdir(dir)) {
        struct stat st;
        size_t n = strlen(d->d_name);
        if (!is_child(d->d_name, parent) || n >= sizeof out->name[0]) continue;
        if (fstatat(dirfd(dir), d->d_name, &st, 0) != 0 || !S_ISDIR(st.st_mode)) continue;
        if (out->n == MAX_ENTRIES) out->more = true;
        else memcpy(out->name[out->n++], d->d_name, n + 1);
    }
    closedir(dir);
    qsort(out->name, out->n, sizeof out->name[0], by_length_then_text);
    return 0;
}

static int open_below(const struct jb_tree *t, const char *path, const char *file, int flags)
{
    char full[512];
    int n = snprintf(full, sizeof full, "%s/%s%s%s", t->root, path, file[0] ? "/" : "", file);
    if (n < 0 || (size_t)n >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
}

void jb_tree_counter_path(const struct jb_tree *t, size_t zone, char *out, size_t room)
{
    const struct jb_tree_zone *z = &t->zone[zone];
    snprintf(out, room, "%s/%s/%s", t->root, z->path, z->counter_errno && z->power_errno == 0 ? "power_uw" : "energy_uj");
}

static int *descriptor(struct powercap_zone *z, powercap_zone_file file)
{
    switch (file) {
    case POWERCAP_ZONE_FILE_ENERGY_UJ: return &z->energy_uj;
    case POWERCAP_ZONE_FILE_MAX_ENERGY_RANGE_UJ: return &z->max_energy_range_uj;
    case POWERCAP_ZONE_FILE_MAX_POWER_RANGE_UW: return &z->max_power_range_uw;
    case POWERCAP_ZONE_FILE_POWER_UW: return &z->power_uw;
    default: return &z->name;
    }
}

// Opens one attribute of a zone; returns 0 or an errno.
static int open_file(struct jb_tree *t, size_t i, powercap_zone_file file)
{
    struct jb_tree_zone *z = &t->zone[i];
    int *fd = descriptor(&z->files, file);
    if (t->system_root) {
        int rc = powercap_zone_file_open(&z->files, file, t->cover[i].control_type, z->index, z->depth, O_RDONLY | O_CLOEXEC);
        if (rc < 0) *fd = -1;
        return rc < 0 ? -rc : 0;
    }
    char name[64];
    powercap_zone_file_get_name(file, name, sizeof name);
    *fd = open_below(t, z->path, name, 0);
    return *fd < 0 ? errno : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

// Largest power that the kernel names: the zone's own range of power, or 4 times the largest constraint.
static double power_limit_w(struct jb_tree *t, size_t i, const char **from)
{
    *from = "max_power_range_uw";
    uint64_t uw = 0, largest = 0;
    if (open_file(t, i, POWERCAP_ZONE_FILE_MAX_POWER_RANGE_UW) == 0 && jb_strict_read_u64(t->zone[i].files.max_power_range_uw, &uw) == 0 && uw > 0) return (double)uw * 1e-6;
    for (int c = 0; c < N_CONSTRAINTS; c++) {
        static const char *const attributes[] = {"max_power_uw", "power_limit_uw"};
        for (int a = 0; a < 2; a++) {
            char name[64];
            snprintf(name, sizeof name, "constraint_%d_%s", c, attributes[a]);
            int fd = open_below(t, t->zone[i].path, name, 0);
            if (fd < 0) continue;
            if (jb_strict_read_u64(fd, &uw) == 0 && uw > largest && uw < 100000000000u) largest = uw; // above 100 kW is no limit
            close(fd);
        }
    }
    *from = "4x the largest constraint";
    return 4e-6 * (double)largest;
}

// The counter and its range; 0 or the errno that makes the zone useless.
static int open_counter(struct jb_tree *t, size_t i)
{
    struct jb_tree_zone *z = &t->zone[i];
    uint64_t by_library = 0;
    int e = open_file(t, i, POWERCAP_ZONE_FILE_ENERGY_UJ);
    if (e == 0) e = jb_strict_read_u64(z->files.energy_uj, &z->first_uj);
    if (e == 0) e = open_file(t, i, POWERCAP_ZONE_FILE_MAX_ENERGY_RANGE_UJ);
    if (e == 0) e = jb_strict_read_u64(z->files.max_energy_range_uj, &z->range_uj);
    if (e) return e;
    int rc = powercap_zone_get_max_energy_range_uj(&z->files, &by_library);
    if (rc < 0) return -rc;
    if (z->range_uj == 0 || by_library != z->range_uj || z->first_uj > z->range_uj) return EINVAL;
    return 0;
}

// Some zones (arm-scmi) have no counter of energy and show power alone.
static int open_power(struct jb_tree *t, size_t i)
{
    uint64_t uw;
    int e = open_file(t, i, POWERCAP_ZONE_FILE_POWER_UW);
    return e ? e : jb_strict_read_u64(t->zone[i].files.power_uw, &uw);
}

// Zones with counters of energy go before those that only show power; when there are no counters at all, power is integrated.
static void fall_back_to_power(struct jb_tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->cover[i].has_counter) return;
    for (size_t i = 0; i < t->n; i++) {
        t->cover[i].has_counter = t->zone[i].power_errno == 0;
        t->power |= t->cover[i].has_counter;
    }
}

static void fill_zone(struct jb_tree *t, size_t i)
{
    struct jb_tree_zone *z = &t->zone[i];
    struct jb_cover_zone *c = &t->cover[i];
    if (open_file(t, i, POWERCAP_ZONE_FILE_NAME) != 0 || jb_strict_read_text(z->files.name, c->name, sizeof c->name) != 0) {
        const char *slash = strrchr(z->path, '/');
        snprintf(c->name, sizeof c->name, "%.63s", slash ? slash + 1 : z->path);
    }
    z->counter_errno = open_counter(t, i);
    z->power_errno = z->counter_errno ? open_power(t, i) : ENOENT;
    c->has_counter = z->counter_errno == 0;
    if (c->has_counter || z->power_errno == 0) {
        z->limit_w = power_limit_w(t, i, &z->limit_from);
        t->sysfs &= jb_fd_in_sysfs(c->has_counter ? z->files.energy_uj : z->files.power_uw);
    }
    close_fd(&z->files.name);
    close_fd(&z->files.max_energy_range_uj);
    close_fd(&z->files.max_power_range_uw);
}

// Adds zone `name` below `parent` (-1: below its control type), then what is nested in it.
static void add_zone(struct jb_tree *t, const char *control_type, const char *name, int parent)
{
    t->too_many |= t->n == JB_TREE_MAX_ZONES;
    if (t->too_many) return;
    size_t i = t->n++;
    struct jb_tree_zone *z = &t->zone[i];
    memset(z, 0, sizeof *z);
    z->files = (struct powercap_zone){-1, -1, -1, -1, -1, -1};
    const char *above = parent < 0 ? control_type : t->zone[parent].path;
    if (parent >= 0) memcpy(z->index, t->zone[parent].index, sizeof z->index);
    z->depth = parent < 0 ? 0 : t->zone[parent].depth;
    z->index[z->depth++] = (uint32_t)strtoul(strrchr(name, ':') + 1, NULL, 16);
    snprintf(z->path, sizeof z->path, "%.110s/%.31s", above, name);
    t->cover[i] = (struct jb_cover_zone){.parent = parent};
    snprintf(t->cover[i].control_type, sizeof t->cover[i].control_type, "%s", control_type);
    fill_zone(t, i);
    if (z->depth == JB_TREE_MAX_DEPTH) return;
    struct entries below;
    int fd = open_below(t, z->path, "", O_DIRECTORY);
    if (fd < 0 || list(fd, name, &below) != 0) return;
    t->too_many |= below.more;
    for (size_t k = 0; k < below.n; k++) add_zone(t, control_type, below.name[k], (int)i);
}

int jb_tree_open(struct jb_tree *t, const char *root, int *errnum, struct jb_err *err)
{
    memset(t, 0, sizeof *t);
    t->system_root = !root || strcmp(root, JB_TREE_SYSTEM_ROOT) == 0;
    *errnum = 0;
    if (root && strlen(root) >= sizeof t->root) return jb_fail(err, JB_E_RANGE, "power root \"%.60s...\" is longer than %zu bytes", root, sizeof t->root - 1);
    snprintf(t->root, sizeof t->root, "%s", root ? root : JB_TREE_SYSTEM_ROOT);
    struct entries types, zones;
    int fd = open(t->root, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) *errnum = errno;
    else t->sysfs = jb_fd_in_sysfs(fd);
    if (*errnum == 0) *errnum = list(fd, "", &types);
    if (*errnum) return jb_fail_errno(err, JB_E_UNAVAILABLE, *errnum, "%s", t->root);
    t->too_many = types.more;
    for (size_t i = 0; i < types.n; i++) {
        fd = open_below(t, types.name[i], "", O_DIRECTORY);
        if (fd < 0 || list(fd, types.name[i], &zones) != 0) continue;
        t->too_many |= zones.more;
        for (size_t k = 0; k < zones.n; k++) add_zone(t, types.name[i], zones.name[k], -1);
    }
    if (t->too_many) { // a sum of some of them would be no sum
        jb_tree_close(t);
        return jb_fail(err, JB_E_RANGE, "%.100s holds more than %d zones", t->root, JB_TREE_MAX_ZONES);
    }
    if (t->n == 0) return jb_fail(err, JB_E_UNAVAILABLE, "%s: no power zone", t->root);
    fall_back_to_power(t);
    jb_cover_choose(t->cover, t->n);
    return JB_OK;
}

void jb_tree_close(struct jb_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        close_fd(&t->zone[i].files.energy_uj);
        close_fd(&t->zone[i].files.power_uw);
        close_fd(&t->zone[i].files.name);
        close_fd(&t->zone[i].files.max_energy_range_uj);
        close_fd(&t->zone[i].files.max_power_range_uw);
    }
    t->n = 0;
}
