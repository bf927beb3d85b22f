// Linux: Documentation/admin-guide/pm/{cpufreq,intel_pstate}.rst, ABI/testing/sysfs-devices-system-cpu (smt, isolated), kernel-parameters.txt (isolcpus, nohz_full).
#include "harness/tuning.h"

#include "base/fs.h"
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS 4096
#define DIR_CPU "/sys/devices/system/cpu"

struct finder { const char *root; const struct jb_tuning_facts *f; struct jb_tuning *out; uint32_t n; };

// First line of a file below the root; false: not there, or empty.
static bool read_line(const char *root, const char *path, char *out, size_t room)
{
    char whole[512], *text = NULL;
    size_t n = 0;
    if ((size_t)snprintf(whole, sizeof whole, "%s%s", root, path) >= sizeof whole || jb_read_file(whole, 4096, &text, &n, NULL) != JB_OK) return false;
    text[strcspn(text, "\n")] = '\0';
    snprintf(out, room, "%s", text);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = '?'; // goes to terminals and into commands
    free(text);
    return out[0] != '\0';
}

// A number of at most 15 digits.
static bool read_number(const char *root, const char *path, double *out)
{
    char text[32], *end;
    if (!read_line(root, path, text, sizeof text) || strlen(text) > 15 || text[strspn(text, "0123456789")]) return false;
    *out = strtod(text, &end);
    return true;
}

static struct jb_tuning *add(struct finder *x, const char *what, bool applies)
{
    struct jb_tuning *t = &x->out[x->n++];
    memset(t, 0, sizeof *t);
    snprintf(t->what, sizeof t->what, "%s", what);
    t->applies = applies;
    return t;
}

__attribute__((format(printf, 3, 4))) static void say(char *out, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, room, format, args);
    va_end(args);
}
#define STATE(t, ...) say((t)->state, sizeof (t)->state, __VA_ARGS__)
#define COMMAND(t, ...) say((t)->command, sizeof (t)->command, __VA_ARGS__)
#define EFFECT(t, ...) say((t)->effect, sizeof (t)->effect, __VA_ARGS__)

// ---- frequency ----

// How many CPUs have a governor, and how many of these "performance"; name: of the first that has not, else of the first.
static void governors(const char *root, int *n, int *fast, char *name, size_t room)
{
    *n = *fast = 0;
    name[0] = '\0';
    for (int cpu = 0, missing = 0; cpu < CPUS && missing < 64; cpu++) { // holes in the numbering are short
        char path[96], text[32];
        snprintf(path, sizeof path, DIR_CPU "/cpu%d/cpufreq/scaling_governor", cpu);
        if (!read_line(root, path, text, sizeof text)) {
            missing++;
            continue;
        }
        bool is_fast = strcmp(text, "performance") == 0;
        if (!*n || (!is_fast && *fast == *n)) snprintf(name, room, "%s", text);
        missing = 0;
        *fast += is_fast;
        ++*n;
    }
}

static void governor(struct finder *x)
{
    char name[32], choices[128] = "";
    double low, high;
    int n, fast;
    governors(x->root, &n, &fast, name, sizeof name);
    struct jb_tuning *t = add(x, "governor", n > fast);
    if (!n) {
        STATE(t, "not exposed");
        EFFECT(t, "%s", x->f->hypervisor ? "a virtual machine cannot set a governor: its host decides; there it would be: cpupower frequency-set -g performance"
                                         : "the kernel has no cpufreq driver here: the firmware decides how fast the CPUs are (BIOS: power profile \"performance\")");
        return;
    }
    STATE(t, "%s on %d of %d CPUs", name, n > fast ? n - fast : n, n);
    if (n == fast) {
        EFFECT(t, "already as steady as a governor makes it");
        return;
    }
    if (read_line(x->root, DIR_CPU "/cpu0/cpufreq/scaling_available_governors", choices, sizeof choices) && !strstr(choices, "performance")) {
        t->applies = false;
        EFFECT(t, "the driver offers no governor \"performance\" (only: %.100s)", choices);
        return;
    }
    COMMAND(t, "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
    if (read_number(x->root, DIR_CPU "/cpu0/cpufreq/scaling_min_freq", &low) && read_number(x->root, DIR_CPU "/cpu0/cpufreq/scaling_max_freq", &high))
        EFFECT(t, "the clock now wanders between %.0f and %.0f MHz with the load; it would stay near the upper end, so that blocks behind a pause are no slower than others", low / 1e3, high / 1e3);
    else
        EFFECT(t, "the clock now follows the load; it would stay near its upper end, so that blocks behind a pause are no slower than others");
}

static void turbo(struct finder *x)
{
    double off, boost, base, most;
    bool intel = read_number(x->root, DIR_CPU "/intel_pstate/no_turbo", &off), acpi = !intel && read_number(x->root, DIR_CPU "/cpufreq/boost", &boost);
    struct jb_tuning *t = add(x, "turbo", (intel && off == 0) || (acpi && boost != 0));
    if (!intel && !acpi) {
        STATE(t, "not exposed");
        EFFECT(t, "%s", x->f->hypervisor ? "a virtual machine cannot switch turbo off: its host decides" : "the kernel does not offer a switch: the BIOS may");
        return;
    }
    STATE(t, "%s", t->applies ? "on" : "off");
    if (!t->applies) {
        EFFECT(t, "already off: speed does not depend on temperature and on how many cores work");
        return;
    }
    COMMAND(t, "echo %d | sudo tee /sys/devices/system/cpu/%s", intel ? 1 : 0, intel ? "intel_pstate/no_turbo" : "cpufreq/boost");
    if (read_number(x->root, DIR_CPU "/cpu0/cpufreq/base_frequency", &base) && read_number(x->root, DIR_CPU "/cpu0/cpufreq/cpuinfo_max_freq", &most))
        EFFECT(t, "the clock would hold %.0f MHz instead of up to %.0f by temperature and number of busy cores: slower figures, that repeat", base / 1e3, most / 1e3);
    else
        EFFECT(t, "the clock would no longer depend on temperature and on how many cores work: slower figures, that repeat");
}

static void smt(struct finder *x)
{
    double active;
    bool known = read_number(x->root, DIR_CPU "/smt/active", &active);
    struct jb_tuning *t = add(x, "smt", known && active != 0);
    STATE(t, "%s", !known ? "not exposed" : active != 0 ? "on: two threads share a core" : "off, or one thread a core");
    if (t->applies) {
        COMMAND(t, "echo off | sudo tee /sys/devices/system/cpu/smt/control");
        EFFECT(t, "nobody else would run on the other half of a core that is measured; there would be half as many CPUs%s", x->f->hypervisor ? "; whether the host's are halves too cannot be seen" : "");
    } else if (x->f->hypervisor)
        EFFECT(t, "nothing to switch in this guest; whether its CPUs are halves of the host's cores cannot be seen from here");
    else
        EFFECT(t, "nothing shares a core with what is measured");
}

// ---- places ----

static void affinity(struct finder *x)
{
    const struct jb_tuning_facts *f = x->f;
    bool tried = f->free.sd_log >= 0 && f->pinned.sd_log >= 0, gain = tried && f->pinned.upper < f->free.lower; // the bounds of both: chance alone halves a noise now and then
    struct jb_tuning *t = add(x, "affinity", f->cpus > 1 && (gain || !tried));
    if (f->cpus <= 1) {
        STATE(t, f->cpus == 1 ? "bound to CPU %d" : "not known", f->last_cpu);
        EFFECT(t, "%s", f->cpus == 1 ? "already bound: it cannot be moved between CPUs" : "the system does not say on which CPUs this process may run");
        return;
    }
    STATE(t, "%d CPUs allowed", f->cpus);
    if (t->applies) COMMAND(t, "taskset -c %d joulebench ...", f->last_cpu);
    if (tried)
        EFFECT(t, "tried here with blocks of %g ms: noise within pairs %.2f %% as it is, %.2f %% bound to one CPU%s", f->pinned_ms, f->free.sd_log * 100,
               f->pinned.sd_log * 100, gain ? "" : f->free.upper < f->pinned.lower ? ": worse" : ": no difference for sure");
    else
        EFFECT(t, "the process would no longer be moved between CPUs, each time with cold caches");
}

static const char *percent(char out[24], double share)
{
    if (isnan(share)) return "an unknown share";
    snprintf(out, 24, "%.1f %%", share * 100);
    return out;
}

static bool exists(const char *root, const char *path)
{
    char whole[512];
    return (size_t)snprintf(whole, sizeof whole, "%s%s", root, path) < sizeof whole && jb_path_exists(whole);
}

// The command that keeps one CPU for us. Returns whether the timer tick leaves it too.
static bool isolate(struct finder *x, struct jb_tuning *t)
{
    char controllers[256];
    int cpu = x->f->last_cpu;
    if (cpu > 0 && exists(x->root, "/run/systemd/system") && read_line(x->root, "/sys/fs/cgroup/cgroup.controllers", controllers, sizeof controllers) && strstr(controllers, "cpuset")) {
        COMMAND(t, "for s in system.slice user.slice; do sudo systemctl set-property --runtime $s AllowedCPUs=0-%d; done; sudo systemd-run --scope --slice=bench -p AllowedCPUs=%d joulebench ...",
                cpu - 1, cpu);
        return false;
    }
    if (exists(x->root, "/etc/default/grub"))
        COMMAND(t, "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX isolcpus=managed_irq,domain,%d nohz_full=%d rcu_nocbs=%d\"' | sudo tee -a /etc/default/grub && sudo update-grub && sudo reboot; "
                   "then: taskset -c %d joulebench ...", cpu, cpu, cpu, cpu);
    else
        COMMAND(t, "boot with the kernel parameters isolcpus=managed_irq,domain,%d nohz_full=%d rcu_nocbs=%d; then: taskset -c %d joulebench ...", cpu, cpu, cpu, cpu);
    return true;
}

static void isolation(struct finder *x)
{
    const struct jb_tuning_facts *f = x->f;
    char isolated[64] = "", others[24], switched_out[24];
    double busy = fmax(isnan(f->others) ? 0 : f->others, isnan(f->switched_out) ? 0 : f->switched_out);
    bool is = read_line(x->root, DIR_CPU "/isolated", isolated, sizeof isolated);
    struct jb_tuning *t = add(x, "isolation", !is && f->cpus > 1 && busy >= 0.01);
    STATE(t, is ? "CPUs %s are isolated" : "no CPU is isolated", isolated);
    if (is) {
        EFFECT(t, "bind joulebench to one of them: taskset -c %.20s", isolated);
        return;
    }
    if (f->cpus <= 1) {
        EFFECT(t, "needs two CPUs: one of them for everybody else");
        return;
    }
    if (!t->applies) {
        EFFECT(t, "others had %s of the machine, and %s of the blocks was switched out: nothing to gain now", percent(others, f->others), percent(switched_out, f->switched_out));
        return;
    }
    bool ticks = isolate(x, t);
    EFFECT(t, "others had %s of the machine, and %s of the blocks was switched out: they %swould leave CPU %d%s", percent(others, f->others),
           percent(switched_out, f->switched_out), ticks ? "and the timer tick " : "", f->last_cpu, f->hypervisor ? "; the host's other guests would not" : "");
}

static void steal(struct finder *x)
{
    const struct jb_tuning_facts *f = x->f;
    if (!f->hypervisor) return;
    struct jb_tuning *t = add(x, "steal", f->steal > 0.001);
    if (isnan(f->steal)) STATE(t, "not known");
    else STATE(t, "%.2f %% of the time was stolen", f->steal * 100);
    if (t->applies) EFFECT(t, "the host gave this time to others: no command here helps; dedicated CPUs (pinned vCPUs, a \"dedicated\" or bare-metal type) would");
    else EFFECT(t, "the host says that it took next to nothing; not every host says it");
}

void jb_tuning_clock_source(const char *root, char *out, unsigned n)
{
    if (!read_line(root ? root : "", "/sys/devices/system/clocksource/clocksource0/current_clocksource", out, n)) out[0] = '\0';
}

static void clock_source(struct finder *x)
{
    char now[32] = "", all[128] = "";
    jb_tuning_clock_source(x->root, now, sizeof now);
    bool slow = x->f->clock_cost_ns > 100, has = read_line(x->root, "/sys/devices/system/clocksource/clocksource0/available_clocksource", all, sizeof all) && strstr(all, "tsc");
    bool can = slow && has && strcmp(now, "tsc") != 0;
    struct jb_tuning *t = add(x, "clock", can);
    STATE(t, "%s, %.0f ns a reading", now[0] ? now : "not exposed", x->f->clock_cost_ns);
    if (can) {
        COMMAND(t, "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource");
        EFFECT(t, "two readings a query cost %.0f ns now; with tsc about 50", 2 * x->f->clock_cost_ns);
    } else if (slow)
        EFFECT(t, "slow, and the kernel offers no faster source (it offers: %.90s): short queries look longer than they are", all[0] ? all : "nothing");
    else
        EFFECT(t, "fast enough");
}

void jb_tuning_affinity(struct jb_tuning_facts *f)
{
    cpu_set_t *set = CPU_ALLOC(CPUS);
    size_t bytes = CPU_ALLOC_SIZE(CPUS);
    f->cpus = 0;
    f->last_cpu = -1;
    if (!set) return;
    CPU_ZERO_S(bytes, set);
    if (sched_getaffinity(0, bytes, set) == 0)
        for (int cpu = 0; cpu < CPUS; cpu++)
            if (CPU_ISSET_S((size_t)cpu, bytes, set)) {
                f->cpus++;
                f->last_cpu = cpu;
            }
    CPU_FREE(set);
}

uint32_t jb_tuning_find(struct jb_tuning out[JB_TUNING_MAX], const char *root, const struct jb_tuning_facts *f)
{
    struct finder x = {.root = root ? root : "", .f = f, .out = out};
    governor(&x);
    turbo(&x);
    smt(&x);
    affinity(&x);
    isolation(&x);
    clock_source(&x);
    steal(&x);
    return x.n;
}
