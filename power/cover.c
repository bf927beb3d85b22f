// Rules (kernel: Documentation/power/powercap; Intel SDM volume 3, "RAPL domains"): a package contains its core and uncore planes; dram is beside
// it; psys spans everything; intel-rapl-mmio is the package's counter by another way. What is not known to be disjoint is not added.
#include "power/cover.h"
#include <stdio.h>
#include <string.h>

static const char no_counter[] = "no readable energy counter";

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool jb_cover_is_package(const struct jb_cover_zone *z)
{
    return z->parent < 0 && starts(z->name, "package");
}

static bool is_rapl(const struct jb_cover_zone *z)
{
    return starts(z->control_type, "intel-rapl");
}

static bool is_mmio(const struct jb_cover_zone *z)
{
    return strcmp(z->control_type, "intel-rapl-mmio") == 0;
}

// Top-level zones keep their name; nested ones take the number of their package: "dram" in "package-1" is "dram-1".
static void make_label(struct jb_cover_zone *zones, size_t i)
{
    struct jb_cover_zone *z = &zones[i];
    int top = (int)i;
    while (zones[top].parent >= 0) top = zones[top].parent;
    const char *number = top != (int)i && starts(zones[top].name, "package") ? zones[top].name + strlen("package") : "";
    snprintf(z->label, sizeof z->label, "%.40s%.24s%s", z->name, strchr(z->name, '-') ? "" : number, is_mmio(z) ? "/mmio" : "");
}

// Whether the packages are already counted by the MSR interface.
static bool any_msr_package(const struct jb_cover_zone *zones, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_rapl(&zones[i]) && !is_mmio(&zones[i]) && jb_cover_is_package(&zones[i]) && zones[i].has_counter) return true;
    return false;
}

static const char *judge_rapl(const struct jb_cover_zone *zones, size_t n, size_t i, bool any_package)
{
    const struct jb_cover_zone *z = &zones[i];
    if (is_mmio(z) && any_msr_package(zones, n)) return "the same counter as the package";
    if (z->parent < 0) {
        if (starts(z->name, "package")) return NULL;
        if (starts(z->name, "psys")) return any_package ? "spans all" : NULL;
        return any_package ? "not known to be disjoint" : NULL;
    }
    if (!zones[z->parent].summed) return "within a zone that is left out";
    return starts(z->name, "dram") && jb_cover_is_package(&zones[z->parent]) ? NULL : "within its package";
}

void jb_cover_choose(struct jb_cover_zone *zones, size_t n)
{
    bool any_package = false, any_rapl = false;
    const char *other = NULL; // the first control type that is not RAPL and counts
    for (size_t i = 0; i < n; i++) {
        make_label(zones, i);
        any_package |= is_rapl(&zones[i]) && jb_cover_is_package(&zones[i]) && zones[i].has_counter;
        any_rapl |= is_rapl(&zones[i]) && zones[i].parent < 0 && zones[i].has_counter;
        if (!other && !is_rapl(&zones[i]) && zones[i].has_counter) other = zones[i].control_type;
    }
    for (size_t i = 0; i < n; i++) {
        struct jb_cover_zone *z = &zones[i];
        if (!z->has_counter) z->why_not = no_counter;
        else if (z->excluded) z->why_not = z->excluded;
        else if (is_rapl(z)) z->why_not = judge_rapl(zones, n, i, any_package);
        else if (any_rapl || strcmp(z->control_type, other) != 0) z->why_not = "not known to be disjoint";
        else z->why_not = z->parent >= 0 && zones[z->parent].has_counter ? "within its parent" : NULL;
        z->summed = !z->why_not;
    }
}

// Appends, or ends the text with "...".
static void append(char *out, size_t room, const char *text)
{
    size_t at = strlen(out);
    if (at + strlen(text) < room) memcpy(out + at, text, strlen(text) + 1);
    else if (room > 4) memcpy(out + (at < room - 4 ? at : room - 4), "...", 4);
}

void jb_cover_describe(const struct jb_cover_zone *zones, size_t n, char *domains, size_t domains_room, char *left_out, size_t left_room)
{
    domains[0] = left_out[0] = 0;
    for (size_t i = 0; i < n; i++) {
        char item[160];
        if (zones[i].summed) {
            snprintf(item, sizeof item, "%s%s", domains[0] ? " " : "", zones[i].label);
            append(domains, domains_room, item);
        } else {
            snprintf(item, sizeof item, "%s%s (%s)", left_out[0] ? ", " : "", zones[i].label, zones[i].why_not);
            append(left_out, left_room, item);
        }
    }
}
