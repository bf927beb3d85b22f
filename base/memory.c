#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"

#define MAX_BYTES ((size_t)1 << 20)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A number at the start of a file's line `label` (NULL: of its first line), in units of `unit` bytes. UINT64_MAX: none ("max" is none).
static uint64_t read_number(const char *path, const char *label, uint64_t unit)
{
    size_t n;
    char *text = NULL, *at;
    uint64_t v = UINT64_MAX;
    if (jb_read_file(path, MAX_BYTES, &text, &n, NULL))
        return v;
    at = label ? strstr(text, label) : text;
    if (at && sscanf(at + (label ? strlen(label) : 0), " %20" SCNu64, &v) == 1)
        v = v > UINT64_MAX / unit ? UINT64_MAX : v * unit;
    else
        v = UINT64_MAX;
    free(text);
    return v;
}

static uint64_t group_leaves(const char *root, const char *group)
{
    char path[4608];
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.max", root, group);
    uint64_t max = read_number(path, NULL, 1);
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.current", root, group);
    uint64_t now = read_number(path, NULL, 1);
    if (max == UINT64_MAX || now == UINT64_MAX)
        return UINT64_MAX;
    return max > now ? max - now : 0;
}

// Every group on the way to the root may have a limit.
static uint64_t groups_leave(const char *root)
{
    char path[4096], *text = NULL, group[4000];
    uint64_t leaves = UINT64_MAX;
    size_t n;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (jb_read_file(path, MAX_BYTES, &text, &n, NULL))
        return leaves;
    const char *at = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (at && sscanf(strstr(at, "0::") + 3, "%3999[^\n]", group) == 1)
        for (;;) {
            leaves = least(leaves, group_leaves(root, group[1] ? group : ""));
            char *slash = strrchr(group, '/');
            if (!slash || !group[1])
                break;
            slash[slash == group] = '\0'; // "/a" becomes "/"
        }
    free(text);
    return leaves;
}

uint64_t jb_memory_available(const char *root)
{
    char path[4096];
    struct rlimit limit;
    root = root ? root : "";
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    uint64_t n = least(read_number(path, "MemAvailable:", 1024), groups_leave(root));
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        snprintf(path, sizeof path, "%s/proc/self/status", root);
        uint64_t used = read_number(path, "VmSize:", 1024);
        n = least(n, used != UINT64_MAX && limit.rlim_cur > used ? limit.rlim_cur - used : 0);
    }
    return n;
}
