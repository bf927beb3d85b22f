// Fuzz target: what the kernel says of its power PMU. The input is texts that end with a NUL each; the k-th one is what file k of the list below says, and a file without text is not there.
// Whatever is taken is in order: a cover of packages that are not one and the same, scales of energy, names that end; whatever is refused names its file.
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/pmu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const dirs[] = {"", "/power", "/power/format", "/power/events", "/cpu", "/cpu/cpu0", "/cpu/cpu0/topology", "/cpu/cpu7", "/cpu/cpu7/topology"};
static const char *const files[] = {
    "power/cpumask", "power/type", "power/format/event", "power/events/energy-pkg", "power/events/energy-pkg.scale", "power/events/energy-pkg.unit", "power/events/energy-psys",
    "power/events/energy-psys.scale", "power/events/energy-psys.unit", "cpu/cpu0/topology/physical_package_id", "cpu/cpu0/topology/die_id", "cpu/cpu7/topology/physical_package_id",
    "cpu/cpu7/topology/die_id",
};
#define N_FILES (sizeof files / sizeof files[0])
#define N_DIRS (sizeof dirs / sizeof dirs[0])

static char root[64];

static void check(bool ok)
{
    if (!ok) abort();
}

static void path_of(const char *name, char path[160])
{
    snprintf(path, 160, "%s/%s", root, name);
}

static void clear(void)
{
    char path[160];
    for (size_t i = 0; i < N_FILES; i++) {
        path_of(files[i], path);
        unlink(path);
    }
}

static void remove_tree(void)
{
    char path[160];
    clear();
    for (size_t i = N_DIRS; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, dirs[i]);
        rmdir(path);
    }
}

static void make_dirs(void)
{
    char path[160];
    snprintf(root, sizeof root, "/dev/shm/jb_fuzz_pmu_%d", (int)getpid());
    if (mkdir(root, 0700) != 0) snprintf(root, sizeof root, "/tmp/jb_fuzz_pmu_%d", (int)getpid());
    for (size_t i = 0; i < N_DIRS; i++) {
        snprintf(path, sizeof path, "%s%s", root, dirs[i]);
        mkdir(path, 0700);
    }
    atexit(remove_tree);
}

static void put(const char *name, const uint8_t *text, size_t n)
{
    char path[160];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    close(fd);
}

static void judge(const struct jb_pmu *p)
{
    check(p->n_packages >= 1 && p->n_packages <= JB_PMU_MAX_PACKAGES);
    check(p->event[JB_PMU_PKG].here || p->event[JB_PMU_PSYS].here);
    for (size_t i = 0; i < p->n_packages; i++)
        for (size_t k = 0; k < i; k++)
            check(p->package[i].cpu > p->package[k].cpu && (p->package[i].package != p->package[k].package || p->package[i].die != p->package[k].die));
    for (int d = 0; d < JB_PMU_DOMAINS; d++) {
        const struct jb_pmu_event *e = &p->event[d];
        if (!e->here) continue;
        check(e->config <= 255 && isfinite(e->scale_j) && e->scale_j > 0 && e->scale_j <= 1);
        for (size_t i = 0; i < p->n_packages; i++) {
            struct jb_channel c;
            jb_pmu_channel(p, i, (enum jb_pmu_domain)d, 0, &c);
            check(c.unit > 0 && c.zone.name[0] && memchr(c.zone.name, 0, sizeof c.zone.name) && (c.zone.parent == -1) == (d == JB_PMU_PKG || d == JB_PMU_PSYS));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_pmu p;
    struct jb_err err = {0};
    char dir[160], cpu_dir[160];
    if (!root[0]) make_dirs();
    clear();
    for (size_t i = 0, at = 0; i < N_FILES && at < n; i++) {
        const uint8_t *end = memchr(data + at, 0, n - at);
        size_t length = end ? (size_t)(end - data) - at : n - at;
        if (length) put(files[i], data + at, length);
        at += length + 1;
    }
    path_of("power", dir);
    path_of("cpu", cpu_dir);
    int rc = jb_pmu_read(&p, dir, cpu_dir, &err);
    if (rc == JB_OK) judge(&p);
    else check(err.code == rc && err.detail[0] && (p.at[0] || rc == JB_E_RANGE));
    return 0;
}
