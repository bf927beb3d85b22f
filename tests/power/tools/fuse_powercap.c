// A file system that looks like /sys/class/powercap, whose counters follow a known power by CLOCK_MONOTONIC at the moment they are read. Nobody advances it, so nothing is ever late.
//
//   fuse_powercap DIR [options]     mounts onto the empty directory DIR, stays in the foreground; ended by SIGTERM or SIGINT, it unmounts
//     -n SOCKETS      1 (to 4); each a package with core (0.7 of it) and dram (0.2 beside it) inside
//     -w LEAST:MOST   watts of package-0, 20:20; each further one draws 0.1 of that less, else it would be taken for a mirror of the first
//     -s NS           length of a step between powers, 5000000
//     -S SEED         of the steps and of the moments of update, 1
//     -z NS           CLOCK_MONOTONIC at which energy is 0 (so that others can compute it, see ../profile.h); now
//     -p NS, -j J     update period at most, 1000000, and by how much of it an update may come early, 0.3
//     -r UJ, -u UJ    range, 262143328850, and unit, 1
//     -e N            one read of N fails: in turn EIO, EINVAL, nothing, text; 0: none
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse3/fuse.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "tests/power/profile.h"

#define MAX_SOCKETS 4

struct plant {
    int sockets;
    double least_w, most_w, jitter;
    uint64_t step_ns, seed, zero_ns, period_ns, range_uj, unit_uj, fail_one_of;
    atomic_uint_fast64_t reads;
    struct profile profile;
};

enum kind { NOTHING, ROOT, TYPE, ZONE, FILE_ENABLED, FILE_NAME, FILE_ENERGY, FILE_RANGE };
struct node { enum kind kind; int socket, part; }; // part 0: package, 1: core, 2: dram

static const char *const part_name[] = {"package", "core", "dram"};
static const double part_share[] = {1, 0.7, 0.2};

static struct plant *plant(void) { return fuse_get_context()->private_data; }

static enum kind file_kind(const char *name)
{
    return strcmp(name, "name") == 0 ? FILE_NAME : strcmp(name, "energy_uj") == 0 ? FILE_ENERGY : strcmp(name, "max_energy_range_uj") == 0 ? FILE_RANGE : strcmp(name, "enabled") == 0 ? FILE_ENABLED : NOTHING;
}

static struct node find(const char *path)
{
    struct node n = {.kind = NOTHING};
    int socket, again, part, used = 0;
    if (strcmp(path, "/") == 0) n.kind = ROOT;
    else if (strcmp(path, "/intel-rapl") == 0) n.kind = TYPE;
    else if (strcmp(path, "/intel-rapl/enabled") == 0) n.kind = FILE_ENABLED;
    else if (sscanf(path, "/intel-rapl/intel-rapl:%d/intel-rapl:%d:%d%n", &socket, &again, &part, &used) == 3 && socket == again && part >= 0 && part < 2) n = (struct node){ZONE, socket, part + 1};
    else if (sscanf(path, "/intel-rapl/intel-rapl:%d%n", &socket, &used) == 1) n = (struct node){ZONE, socket, 0};
    if (n.kind != ZONE) return n;
    if (n.socket < 0 || n.socket >= plant()->sockets) n.kind = NOTHING;
    else if (path[used] == '/') n.kind = file_kind(path + used + 1);
    else if (path[used]) n.kind = NOTHING;
    return n;
}

// What a file says now; a length or a negative errno.
static int text_of(const struct node *n, char out[64])
{
    struct plant *p = plant();
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t k;
    switch (n->kind) {
    case FILE_ENABLED: return snprintf(out, 64, "1\n");
    case FILE_NAME: return n->part ? snprintf(out, 64, "%s\n", part_name[n->part]) : snprintf(out, 64, "package-%d\n", n->socket);
    case FILE_RANGE: return snprintf(out, 64, "%" PRIu64 "\n", p->range_uj);
    case FILE_ENERGY: break;
    default: return -ENOENT;
    }
    k = atomic_fetch_add(&p->reads, 1) + 1;
    if (p->fail_one_of && k % p->fail_one_of == 0) {
        switch (k / p->fail_one_of % 4) {
        case 0: return -EIO;
        case 1: return -EINVAL;
        case 2: return 0;
        default: return snprintf(out, 64, "broken\n");
        }
    }
    uint64_t at = profile_update_at(clock.now_ns(clock.self), p->period_ns, p->jitter, p->seed);
    return snprintf(out, 64, "%" PRIu64 "\n", profile_shown(profile_uj(&p->profile, at) * (1 - 0.1 * n->socket) * part_share[n->part], p->unit_uj, p->range_uj));
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    (void)fi;
    struct node n = find(path);
    memset(st, 0, sizeof *st);
    if (n.kind == NOTHING) return -ENOENT;
    bool dir = n.kind == ROOT || n.kind == TYPE || n.kind == ZONE;
    st->st_mode = dir ? S_IFDIR | 0755 : n.kind == FILE_ENERGY ? S_IFREG | 0400 : S_IFREG | 0444;
    st->st_nlink = dir ? 2 : 1;
    st->st_size = dir ? 0 : 4096;
    st->st_uid = getuid();
    st->st_gid = getgid();
    return 0;
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    (void)offset, (void)fi, (void)flags;
    static const char *const files[] = {"name", "enabled", "energy_uj", "max_energy_range_uj"};
    struct node n = find(path);
    char name[64];
    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    if (n.kind == ROOT) fill(buffer, "intel-rapl", NULL, 0, 0);
    if (n.kind == TYPE) fill(buffer, "enabled", NULL, 0, 0);
    for (int s = 0; n.kind == TYPE && s < plant()->sockets; s++) {
        snprintf(name, sizeof name, "intel-rapl:%d", s);
        fill(buffer, name, NULL, 0, 0);
    }
    for (size_t i = 0; n.kind == ZONE && i < 4; i++) fill(buffer, files[i], NULL, 0, 0);
    for (int i = 0; n.kind == ZONE && n.part == 0 && i < 2; i++) {
        snprintf(name, sizeof name, "intel-rapl:%d:%d", n.socket, i);
        fill(buffer, name, NULL, 0, 0);
    }
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *fi)
{
    if (find(path).kind < FILE_ENABLED) return -ENOENT;
    fi->direct_io = 1; // every read comes to us
    return 0;
}

static int read_file(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)fi;
    char text[64];
    struct node n = find(path);
    if (offset > 0) return 0; // a value is read in one go
    int length = text_of(&n, text);
    if (length <= 0) return length;
    if ((size_t)length > size) length = (int)size;
    memcpy(buffer, text, (size_t)length);
    return length;
}

static const struct fuse_operations operations = {.getattr = get_attributes, .readdir = list, .open = open_file, .read = read_file};

static int usage(void)
{
    fputs("usage: fuse_powercap DIR [-n SOCKETS] [-w LEAST:MOST] [-s NS] [-S SEED] [-z NS] [-p NS] [-j JITTER] [-r UJ] [-u UJ] [-e N]\n", stderr);
    return 1;
}

int main(int argc, char **argv)
{
    static struct plant p = {.sockets = 1, .least_w = 20, .most_w = 20, .jitter = 0.3, .step_ns = 5000000, .seed = 1, .period_ns = 1000000, .range_uj = 262143328850u, .unit_uj = 1};
    struct jb_clock clock = jb_clock_monotonic();
    p.zero_ns = clock.now_ns(clock.self);
    for (int c; (c = getopt(argc, argv, "n:w:s:S:z:p:j:r:u:e:")) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'n': p.sockets = atoi(optarg); break;
        case 'w': p.least_w = p.most_w = strtod(optarg, &end); if (*end == ':') p.most_w = strtod(end + 1, NULL); break;
        case 's': p.step_ns = strtoull(optarg, NULL, 10); break;
        case 'S': p.seed = strtoull(optarg, NULL, 10); break;
        case 'z': p.zero_ns = strtoull(optarg, NULL, 10); break;
        case 'p': p.period_ns = strtoull(optarg, NULL, 10); break;
        case 'j': p.jitter = strtod(optarg, NULL); break;
        case 'r': p.range_uj = strtoull(optarg, NULL, 10); break;
        case 'u': p.unit_uj = strtoull(optarg, NULL, 10); break;
        case 'e': p.fail_one_of = strtoull(optarg, NULL, 10); break;
        default: return usage();
        }
    }
    if (optind + 1 != argc || p.sockets < 1 || p.sockets > MAX_SOCKETS || !p.step_ns || !p.period_ns || !p.range_uj || !p.unit_uj) return usage();
    profile_make(&p.profile, p.seed, p.least_w, p.most_w, p.step_ns, p.zero_ns);
    // As root others may look in, too; a user needs a line in /etc/fuse.conf for that.
    char *arguments[] = {argv[0], (char[]){"-f"}, (char[]){"-s"}, (char[]){"-o"}, getuid() == 0 ? (char[]){"default_permissions,allow_other"} : (char[]){"default_permissions"}, argv[optind], NULL};
    return fuse_main(6, arguments, &operations, &p);
}
