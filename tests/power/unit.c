#include "tests/power/unit.h"
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

void unit_tree_open(struct unit_tree *t)
{
    snprintf(t->root, sizeof t->root, "/tmp/jb_power_XXXXXX");
    assert_non_null(mkdtemp(t->root));
    assert_int_equal(chmod(t->root, 0755), 0); // another user looks in, too
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void unit_tree_close(struct unit_tree *t)
{
    nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void unit_path(const struct unit_tree *t, const char *path, char out[256])
{
    snprintf(out, 256, "%s/%s", t->root, path);
}

void unit_put(const struct unit_tree *t, const char *path, const char *text)
{
    char full[256];
    unit_path(t, path, full);
    for (char *slash = strchr(full + strlen(t->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0755);
        *slash = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) fail_msg("%s cannot be written", full);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    assert_int_equal(ftruncate(fd, (off_t)strlen(text)), 0);
    close(fd);
}

void unit_put_u64(const struct unit_tree *t, const char *path, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    unit_put(t, path, text);
}

void unit_remove(const struct unit_tree *t, const char *path)
{
    char full[256];
    unit_path(t, path, full);
    assert_int_equal(remove(full), 0);
}

void unit_counter(const struct unit_tree *t, const char *zone, uint64_t energy_uj)
{
    char path[200];
    snprintf(path, sizeof path, "%s/energy_uj", zone);
    unit_put_u64(t, path, energy_uj);
}

void unit_zone(const struct unit_tree *t, const char *zone, const char *name, uint64_t energy_uj, uint64_t range_uj)
{
    char path[200], text[80];
    snprintf(path, sizeof path, "%s/name", zone);
    snprintf(text, sizeof text, "%s\n", name);
    unit_put(t, path, text);
    snprintf(path, sizeof path, "%s/max_energy_range_uj", zone);
    unit_put_u64(t, path, range_uj);
    unit_counter(t, zone, energy_uj);
}

void unit_one_socket(const struct unit_tree *t)
{
    unit_zone(t, PKG0, "package-0", 1000, RANGE_UJ);
    unit_zone(t, CORE0, "core", 500, RANGE_UJ);
    unit_zone(t, DRAM0, "dram", 200, 65712999613u);
}

struct jb_power_opts unit_opts(const struct unit_tree *t, struct jb_fake_clock *clock)
{
    struct jb_power_opts o = {.source = "powercap", .root = t->root, .max_power_w = 100};
    if (clock) {
        if (clock->t_ns == 0) clock->t_ns = 1000000000;
        o.clock = jb_clock_fake(clock);
    }
    return o;
}
