// How much memory this process may still take.
#ifndef JB_BASE_MEMORY_H
#define JB_BASE_MEMORY_H

#include <stdint.h>

// The least of: MemAvailable of /proc/meminfo; what the process's cgroups (version 2) leave, up to the root; what RLIMIT_AS leaves. UINT64_MAX: unknown. root NULL: "".
uint64_t jb_memory_available(const char *root);

#endif
