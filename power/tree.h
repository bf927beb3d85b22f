// Inside power: a powercap tree (/sys/class/powercap or one that looks like it), opened: zones, their descriptors in libpowercap's structs, the cover.
#ifndef JB_POWER_TREE_H
#define JB_POWER_TREE_H

#include <powercap/powercap.h>
#include "power/cover.h"
#include "power/power.h"

#define JB_TREE_MAX_ZONES 64
#define JB_TREE_MAX_DEPTH 4
#define JB_TREE_SYSTEM_ROOT "/sys/class/powercap"

struct jb_tree_zone {
    char path[160];                      // below the root: "intel-rapl/intel-rapl:0/intel-rapl:0:1"
    uint32_t index[JB_TREE_MAX_DEPTH], depth; // its address for libpowercap
    struct powercap_zone files;          // descriptors, -1 where not open; owned
    int counter_errno;                   // why there is no counter; 0: there is
    uint64_t range_uj, first_uj;
    int power_errno;                     // why there is no reading of power (looked at when there is no counter); 0: there is
    double limit_w;                      // largest power the kernel names for it; 0: none
    const char *limit_from;              // which attribute that was
};

struct jb_tree {
    char root[128];
    bool system_root, sysfs;             // sysfs: every counter lies in a sysfs
    bool too_many;                       // zones, so that some are missing
    bool power;                          // no zone has a counter of energy, some show power
    struct jb_tree_zone zone[JB_TREE_MAX_ZONES];
    struct jb_cover_zone cover[JB_TREE_MAX_ZONES];
    size_t n;
};

// Finds the zones below the root (NULL: the system's) and opens their counters. Failures to read a counter are kept in the zone.
// RANGE: more zones than there is room for. UNAVAILABLE: no root, or no zone (errnum says why the root could not be read, 0 otherwise).
int jb_tree_open(struct jb_tree *t, const char *root, int *errnum, struct jb_err *err);
void jb_tree_close(struct jb_tree *t);
// ROOT/zone/energy_uj, or power_uw of a zone that has only this
void jb_tree_counter_path(const struct jb_tree *t, size_t zone, char *out, size_t room);

#endif
