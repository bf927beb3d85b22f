#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cpu.h"
#include "base/fs.h"
#include "base/version.h"
#include "cli/doctor.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/power.h"
#include "cli/table.h"
#include "reports/report.h"

enum { MAX_PAPI = 64, MAX_ADVICE = 8 };

struct opts { bool json, measure; double seconds; int64_t seed; const char *output; struct cli_power_opts power; };

static const struct cli_option options[] = {
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { "measure", 'm', CLI_FLAG, offsetof(struct opts, measure), NULL, NULL, 0, 0, "measure how much equal things differ here, and the smallest difference that can be seen" },
    { "seconds", 0, CLI_F64, offsetof(struct opts, seconds), "S", "60", 0.1, 3600, "how long --measure takes" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9e15, "order of what --measure runs" },
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "write what --measure found to FILE, for --noise of other commands" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench doctor", "what this machine can measure, and what would make it better" },
    { "joulebench doctor --measure -o noise.json", "a minute of measuring: what this machine can tell apart, and how to make it quieter" },
    { "joulebench doctor --power-root ./tree", "the same on a recorded tree of counters" },
    { NULL, NULL },
};

struct findings {
    struct jb_cpu_info cpu;
    uint32_t mask;                       // with JB_CPU
    struct jb_clock_quality clock;
    struct jb_power_probe power[JB_POWER_MAX_SOURCES]; size_t n_power;
    struct cli_papi_component papi[MAX_PAPI]; size_t n_papi;
    char papi_failed[128];
    struct cli_library library[8]; size_t n_libraries;
    bool gnuplot, fashion;
    char gnuplot_version[128], fashion_path[4096];
    char advice[MAX_ADVICE][256]; size_t n_advice;
};

__attribute__((format(printf, 2, 3))) static void advise(struct findings *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (f->n_advice < MAX_ADVICE)
        vsnprintf(f->advice[f->n_advice++], sizeof f->advice[0], format, args);
    va_end(args);
}

static void give_advice(struct findings *f)
{
    bool energy = false;
    for (size_t i = 0; i < f->n_power; i++)
        energy |= f->power[i].available && (f->power[i].cls == JB_ENERGY_MEASURED || f->power[i].cls == JB_ENERGY_INTEGRATED);
    if (f->cpu.governor[0] && strcmp(f->cpu.governor, "performance") != 0)
        advise(f, "governor is %s: frequencies will wander; run: sudo cpupower frequency-set -g performance", f->cpu.governor);
    if (strcmp(f->cpu.turbo, "on") == 0)
        advise(f, "turbo is on: speed depends on temperature; BIOS or /sys/devices/system/cpu switches it off");
    if (f->cpu.hypervisor)
        advise(f, "this is a virtual machine: neighbours share the CPU, and energy counters are synthetic or absent; compare blocks, not single runs");
    if (!energy)
        advise(f, "no energy counter can be read: energy will be \"none\" with the reason, and only a relative figure is modelled");
    if (!f->gnuplot)
        advise(f, "gnuplot is missing: reports come without plots; run: sudo apt-get install gnuplot-nox");
    if (!f->fashion)
        advise(f, "the data of workload fashion was not found: set JB_DATA, or install it with make install");
    if (f->clock.cost_ns > 200)
        advise(f, "reading the clock costs %.0f ns: the kernel has no fast clock source here (cat /sys/devices/system/clocksource/clocksource0/current_clocksource)",
               f->clock.cost_ns);
}

static int find_out(struct findings *f, const struct cli *c, const struct opts *o, struct jb_err *err)
{
    memset(f, 0, sizeof *f);
    int rc = cli_mask(c, &f->mask, err);
    if (rc < 0)
        return rc;
    struct jb_power_opts power;
    cli_power_fill(&power, &o->power);
    jb_cpu_describe(&f->cpu);
    struct jb_clock clock = jb_clock_monotonic();
    f->clock = jb_clock_measure(&clock);
    rc = jb_power_probe_all(&power, f->power, JB_POWER_MAX_SOURCES, &f->n_power);
    if (rc < 0)
        return jb_fail(err, rc, "probing the power sources: %s", jb_code_text(rc));
    f->n_papi = cli_doctor_papi(f->papi, MAX_PAPI, f->papi_failed);
    f->n_libraries = cli_doctor_libraries(f->library);
    f->gnuplot = cli_doctor_program("gnuplot", f->gnuplot_version, sizeof f->gnuplot_version);
    f->fashion = jb_paths_resolve(&c->paths, "fashion/test-images-idx3-ubyte.gz", f->fashion_path, sizeof f->fashion_path, NULL) == JB_OK;
    give_advice(f);
    return JB_OK;
}

static const char *or_unknown(const char *text)
{
    return text[0] ? text : "not exposed";
}

static void print_cpu(const struct cli *c, const struct findings *f)
{
    char l1[24], l2[24], l3[24], mem[24], cost[24];
    jb_fmt_bytes(l1, (double)f->cpu.l1d_bytes);
    jb_fmt_bytes(l2, (double)f->cpu.l2_bytes);
    jb_fmt_bytes(l3, (double)f->cpu.l3_bytes);
    jb_fmt_bytes(mem, (double)f->cpu.mem_bytes);
    jb_fmt_ns(cost, f->clock.cost_ns);
    printf("joulebench   %s (git %s), %s\n", jb_version(), jb_git_revision(), jb_build_compiler());
    printf("CPU          ");
    cli_print_safe(f->cpu.model);
    printf("\ntier         %s%s%s%s\n", jb_cpu_tier_name(f->cpu.mask), c->jb_cpu ? ", limited to " : "", c->jb_cpu ? jb_cpu_tier_name(f->mask) : "",
           c->jb_cpu ? " by JB_CPU" : "");
    printf("cores        %d usable\n", f->cpu.cores);
    printf("caches       L1d %s, L2 %s, L3 %s\n", l1, l2, l3);
    printf("memory       %s\n", mem);
    printf("kernel       %s\n", f->cpu.kernel);
    printf("hypervisor   %s\n", f->cpu.hypervisor ? "yes" : "no");
    printf("governor     %s\n", or_unknown(f->cpu.governor));
    printf("turbo        %s\n", or_unknown(f->cpu.turbo));
    printf("clock        %s a reading, resolution %llu ns\n", cost, (unsigned long long)f->clock.resolution_ns);
    printf("gnuplot      %s\n", f->gnuplot ? f->gnuplot_version : "missing");
    printf("fashion      %s\n", f->fashion ? f->fashion_path : "not found");
}

static void print_rest(const struct findings *f)
{
    printf("\nPAPI components%s%s\n", f->papi_failed[0] ? ": " : "", f->papi_failed);
    for (size_t i = 0; i < f->n_papi; i++) {
        printf("  %-22s %s", f->papi[i].name, f->papi[i].enabled ? "on" : "off: ");
        cli_print_safe(f->papi[i].reason);
        putchar('\n');
    }
    printf("\nlibraries\n");
    for (size_t i = 0; i < f->n_libraries; i++)
        printf("  %-12s %s (%s)\n", f->library[i].name, f->library[i].version, f->library[i].use);
    printf("\n%s\n", f->n_advice ? "what would make measurements better" : "nothing to improve was found");
    for (size_t i = 0; i < f->n_advice; i++)
        printf("  - %s\n", f->advice[i]);
}

static void put_cpu(cJSON *root, const struct findings *f)
{
    cJSON *o = jb_json_put_object(root, "joulebench");
    jb_json_put_str(o, "version", jb_version());
    jb_json_put_str(o, "git", jb_git_revision());
    jb_json_put_str(o, "compiler", jb_build_compiler());
    o = jb_json_put_object(root, "cpu");
    jb_json_put_str(o, "model", f->cpu.model);
    jb_json_put_str(o, "tier", jb_cpu_tier_name(f->cpu.mask));
    jb_json_put_str(o, "tier_used", jb_cpu_tier_name(f->mask));
    jb_json_put_u64(o, "cores", (uint64_t)f->cpu.cores);
    jb_json_put_bool(o, "hypervisor", f->cpu.hypervisor);
    jb_json_put_str(o, "governor", f->cpu.governor[0] ? f->cpu.governor : NULL);
    jb_json_put_str(o, "turbo", f->cpu.turbo[0] ? f->cpu.turbo : NULL);
    jb_json_put_u64(o, "l1d_bytes", f->cpu.l1d_bytes);
    jb_json_put_u64(o, "l2_bytes", f->cpu.l2_bytes);
    jb_json_put_u64(o, "l3_bytes", f->cpu.l3_bytes);
    jb_json_put_u64(o, "mem_bytes", f->cpu.mem_bytes);
    jb_json_put_str(o, "kernel", f->cpu.kernel);
    o = jb_json_put_object(root, "clock");
    jb_json_put_f64(o, "cost_ns", f->clock.cost_ns);
    jb_json_put_u64(o, "resolution_ns", f->clock.resolution_ns);
}

static int print_json(const struct findings *f, const struct jb_noise *noise)
{
    cJSON *root = cJSON_CreateObject(), *o;
    put_cpu(root, f);
    cli_power_put_probes(root, "power", f->power, f->n_power);
    o = jb_json_put_object(root, "papi");
    jb_json_put_str(o, "failed", f->papi_failed[0] ? f->papi_failed : NULL);
    cJSON *list = jb_json_put_array(o, "components");
    for (size_t i = 0; i < f->n_papi; i++) {
        cJSON *c = jb_json_put_object(list, NULL);
        jb_json_put_str(c, "name", f->papi[i].name);
        jb_json_put_bool(c, "enabled", f->papi[i].enabled);
        jb_json_put_str(c, "reason", f->papi[i].reason[0] ? f->papi[i].reason : NULL);
    }
    o = jb_json_put_object(root, "libraries");
    for (size_t i = 0; i < f->n_libraries; i++)
        jb_json_put_str(o, f->library[i].name, f->library[i].version);
    jb_json_put_str(root, "gnuplot", f->gnuplot ? f->gnuplot_version : NULL);
    jb_json_put_str(root, "fashion", f->fashion ? f->fashion_path : NULL);
    list = jb_json_put_array(root, "advice");
    for (size_t i = 0; list && i < f->n_advice; i++)
        jb_json_put_str(list, NULL, f->advice[i]);
    if (noise && root)
        cJSON_AddItemToObject(root, "noise", jb_noise_to_json(noise));
    return cli_print_json(root);
}

static void show_progress(void *user, double share)
{
    struct jb_progress p = { .phase = "measure", .cell = "noise", .done = (uint64_t)(share * 100), .total = 100, .seconds_left = NAN };
    cli_progress_show(user, &p);
}

// A minute of measuring must not be lost to a wrong name.
static int can_write(const char *path, struct jb_err *err)
{
    char dir[PATH_MAX];
    if (jb_path_dir(dir, sizeof dir, path) < 0 || access(dir, W_OK | X_OK) == 0)
        return JB_OK;
    int e = errno;
    return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot be written", path);
}

// Measures, and writes the file if one is asked for.
static int measure(const struct cli *c, const struct opts *o, struct jb_noise *out, struct jb_err *err)
{
    static const struct cli_power_opts none = { .source = "none" };
    struct cli_measure m;
    int rc = o->output ? can_write(o->output, err) : JB_OK;
    if (rc == JB_OK)
        rc = cli_measure_open(&m, c, &none, NULL, err);
    if (rc < 0)
        return rc;
    struct jb_noise_run_opts run = { .kernels = &m.kernels, .paths = &m.paths, .seconds = o->seconds, .seed = (uint64_t)o->seed, .stop = m.sweep.stop, .progress = show_progress,
                                     .progress_user = &m.progress };
    rc = jb_noise_run(out, &run, err);
    cli_measure_close(&m);
    if (rc == JB_OK && o->output)
        rc = jb_noise_write(out, o->output, err);
    return rc;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    static struct findings f; // too large for a small stack
    static struct jb_noise noise;
    struct jb_err err = { 0 };
    (void)args;
    if (o->output && !o->measure) {
        jb_fail(&err, JB_E_USAGE, "--output holds what --measure found: give that too");
        return cli_usage("doctor", &err);
    }
    if (find_out(&f, c, o, &err) < 0)
        return cli_fail(&err);
    if (o->json && o->measure && measure(c, o, &noise, &err) < 0)
        return cli_measure_fail(&err);
    if (o->json)
        return print_json(&f, o->measure ? &noise : NULL);
    print_cpu(c, &f);
    printf("\npower sources\n");
    cli_power_print_probes(f.power, f.n_power);
    print_rest(&f);
    if (!o->measure)
        return JB_EXIT_OK;
    fflush(stdout);
    if (measure(c, o, &noise, &err) < 0)
        return cli_measure_fail(&err);
    cli_doctor_print_noise(&noise);
    if (o->output) {
        printf("\nwritten: ");
        cli_print_safe(o->output);
        putchar('\n');
    }
    return JB_EXIT_OK;
}

const struct cli_command cli_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what this machine can measure, and what would make it better",
    .about = "Shows the CPU with the kernels that it can run, what disturbs measurements, and for every power source whether it can be read, or the exact "
             "reason and the command that would unlock it; which libraries are linked, and what reading the clock costs.\n\n"
             "--measure runs pairs of equal blocks (a query that spins, and a network) for a minute in random order. What differs between equal things is noise: from it follow the smallest "
             "difference that a live comparison can see here in one and in five minutes, at each block length, how the machine drifts, and what would make it quieter.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
