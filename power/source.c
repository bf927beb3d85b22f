// What sources share: where trees lie, modes of files, the cost of reading.
#include "power/source.h"
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define COST_ROUNDS 101
#define COST_MOST_NS 20000000u // a slow file system is not asked a hundred times

void jb_probe_init(struct jb_power_probe *p, const char *source)
{
    *p = (struct jb_power_probe){.source = source, .cls = JB_ENERGY_NONE, .read_ns = NAN};
}

bool jb_probe_mode(const char *path, char mode[12])
{
    struct stat st;
    mode[0] = 0;
    if (stat(path, &st) != 0) return false;
    mode[0] = S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? '-' : S_ISFIFO(st.st_mode) ? 'p' : 'c';
    for (int bit = 0; bit < 9; bit++) mode[1 + bit] = st.st_mode & (0400u >> bit) ? "rwx"[bit % 3] : '-';
    mode[10] = 0;
    return true;
}

int jb_source_root(const struct jb_power_opts *o, const char *sub, char *out, size_t room, struct jb_err *err)
{
    struct stat st;
    int n = snprintf(out, room, "%s/%s", o->root ? o->root : "/sys", sub);
    if (n > 0 && (size_t)n < room && (!o->root || (stat(out, &st) == 0 && S_ISDIR(st.st_mode)))) return JB_OK;
    if (!o->root || strlen(o->root) >= room) return jb_fail(err, JB_E_RANGE, "power root \"%.60s...\" is longer than %zu bytes", o->root ? o->root : "/sys", room - 1);
    snprintf(out, room, "%s", o->root);
    return JB_OK;
}

bool jb_fd_in_sysfs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == SYSFS_MAGIC;
}

struct jb_clock jb_power_clock(const struct jb_power_opts *o)
{
    return o->clock.now_ns ? o->clock : jb_clock_monotonic();
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double jb_source_read_cost_ns(const struct jb_source_ops *ops, void *impl, const struct jb_source *s, const struct jb_clock *clock)
{
    double cost[COST_ROUNDS];
    uint64_t start = clock->now_ns(clock->self);
    size_t n = 0;
    while (n < COST_ROUNDS) {
        struct jb_reading unused;
        uint64_t before = clock->now_ns(clock->self);
        for (size_t i = 0; i < s->n; i++)
            if (s->channel[i].zone.summed) (void)ops->read(impl, i, &unused);
        uint64_t after = clock->now_ns(clock->self);
        cost[n++] = (double)(after - before);
        if (after - start > COST_MOST_NS) break;
    }
    qsort(cost, n, sizeof *cost, by_value);
    return n ? cost[n / 2] : NAN;
}
