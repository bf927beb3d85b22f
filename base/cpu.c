#include "base/cpu.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cpu_internal.h"

struct tier {
    const char *name;
    uint32_t mask; // cumulative
};

// By rising rank. AMX is a capability, but not a tier before it has kernels.
static const struct tier tiers[] = {
    {"ref", 0},
    {"avx2", JB_CPU_AVX2},
    {"avx512", JB_CPU_AVX2 | JB_CPU_AVX512},
    {"vnni", JB_CPU_AVX2 | JB_CPU_AVX512 | JB_CPU_AVX512_VNNI},
};
enum { N_TIERS = sizeof tiers / sizeof tiers[0] };

uint32_t jb_cpu_detect(void)
{
    return jb_cpu_x86_detect();
}

const char *jb_cpu_tier_name(uint32_t mask)
{
    // The highest bit counts, so that a single kernel's bits have a name too.
    for (int i = N_TIERS - 1; i > 0; i--)
        if (mask & tiers[i].mask & ~tiers[i - 1].mask) return tiers[i].name;
    return tiers[0].name;
}

int jb_cpu_tier_mask(const char *name, uint32_t detected, uint32_t *mask, struct jb_err *err)
{
    for (int i = 0; i < N_TIERS; i++) {
        if (strcmp(name, tiers[i].name) != 0) continue;
        if (tiers[i].mask & ~detected)
            return jb_fail(err, JB_E_UNAVAILABLE, "this CPU lacks tier \"%s\": its highest is \"%s\"", name, jb_cpu_tier_name(detected));
        *mask = tiers[i].mask;
        return JB_OK;
    }
    return jb_fail(err, JB_E_USAGE, "unknown CPU tier \"%s\" (known: ref, avx2, avx512, vnni)", name);
}

// First line of ROOT/PATH without white space at its ends. False when it is absent or empty.
static bool read_line(const char *root, const char *path, char *out, size_t n)
{
    char full[512], line[256];
    if (snprintf(full, sizeof full, "%s/%s", root, path) >= (int)sizeof full) return false;
    FILE *f = fopen(full, "re");
    if (!f) return false;
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    if (!got) return false;
    size_t len = strlen(line), start = strspn(line, " \t");
    while (len > start && isspace((unsigned char)line[len - 1])) len--;
    if (len == start || len - start >= n) return false;
    memcpy(out, line + start, len - start);
    out[len - start] = '\0';
    return true;
}

// "32K", "2048K", "8M" -> bytes; 0 when it is none of these.
static uint64_t parse_size(const char *text)
{
    char *end;
    if (!isdigit((unsigned char)text[0])) return 0;
    unsigned long long v = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    return v > (UINT64_MAX >> shift) ? 0 : (uint64_t)v << shift;
}

static void describe_caches(struct jb_cpu_info *out, const char *sysfs)
{
    for (int i = 0; i < 16; i++) {
        char path[96], level[8], type[16], size[24];
        snprintf(path, sizeof path, "devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(sysfs, path, level, sizeof level)) break;
        snprintf(path, sizeof path, "devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(sysfs, path, type, sizeof type) || strcmp(type, "Instruction") == 0) continue;
        snprintf(path, sizeof path, "devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(sysfs, path, size, sizeof size)) continue;
        if (strcmp(level, "1") == 0) out->l1d_bytes = parse_size(size);
        if (strcmp(level, "2") == 0) out->l2_bytes = parse_size(size);
        if (strcmp(level, "3") == 0) out->l3_bytes = parse_size(size);
    }
}

static void describe_frequency(struct jb_cpu_info *out, const char *sysfs)
{
    char value[16];
    read_line(sysfs, "devices/system/cpu/cpu0/cpufreq/scaling_governor", out->governor, sizeof out->governor);
    if (read_line(sysfs, "devices/system/cpu/intel_pstate/no_turbo", value, sizeof value))
        snprintf(out->turbo, sizeof out->turbo, "%s", strcmp(value, "0") == 0 ? "on" : "off");
    else if (read_line(sysfs, "devices/system/cpu/cpufreq/boost", value, sizeof value))
        snprintf(out->turbo, sizeof out->turbo, "%s", strcmp(value, "0") == 0 ? "off" : "on");
}

// For CPUs whose instructions do not tell: "model name" of /proc/cpuinfo, if the kernel gives one.
static void model_from_proc(char *out, size_t n)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) != 0) continue;
        const char *value = strchr(line, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, n, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(f);
}

static int usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); // more CPUs than a cpu_set_t holds
    return n > 0 ? (int)n : 1;
}

void jb_cpu_describe_at(struct jb_cpu_info *out, const char *sysfs)
{
    *out = (struct jb_cpu_info){.mask = jb_cpu_detect(), .cores = usable_cores()};
    jb_cpu_x86_describe(out->model, sizeof out->model, &out->hypervisor);
    if (!out->model[0]) model_from_proc(out->model, sizeof out->model);
    if (!out->model[0]) snprintf(out->model, sizeof out->model, "unknown");
    describe_caches(out, sysfs);
    describe_frequency(out, sysfs);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) out->mem_bytes = (uint64_t)pages * (uint64_t)page;
    struct utsname u;
    if (uname(&u) == 0) snprintf(out->kernel, sizeof out->kernel, "%s", u.release);
}

void jb_cpu_describe(struct jb_cpu_info *out)
{
    jb_cpu_describe_at(out, "/sys");
}
