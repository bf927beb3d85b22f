// Inside power: which energy zones may be summed without counting a joule twice.
#ifndef JB_POWER_COVER_H
#define JB_POWER_COVER_H

#include <stdbool.h>
#include <stddef.h>

struct jb_cover_zone {
    char control_type[32]; // "intel-rapl", "intel-rapl-mmio", "arm-scmi", ...
    char name[64];         // as the kernel says: "package-0", "core", "dram", "psys"
    char label[80];        // unique in reports: "package-0", "dram-0"
    int parent;            // index of the zone that it is nested in; -1: none
    bool has_counter;
    const char *excluded;  // set by the source: why this one must not be summed (a constant); NULL: the rules decide
    bool summed;           // result
    const char *why_not;   // result: a constant; NULL when summed
};

// Parents stand before their children. Fills label, summed and why_not.
void jb_cover_choose(struct jb_cover_zone *zones, size_t n);
bool jb_cover_is_package(const struct jb_cover_zone *z);
// "package-0 dram-0" and "core-0 (within its package), psys (spans all)"; cut with "..." when they do not fit.
void jb_cover_describe(const struct jb_cover_zone *zones, size_t n, char *domains, size_t domains_room, char *left_out, size_t left_room);

#endif
