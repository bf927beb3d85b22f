#include "cli/measure.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cpu.h"
#include "base/version.h"
#include "cli/signals.h"
#include "harness/instructions.h"

// The CPUs that this process is bound to, as "0-3,8"; NULL when it may use all of them.
static const char *bound_to(void)
{
    static char text[512]; // a fact of the process, like its environment
    cpu_set_t set;
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    size_t at = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || all < 1 || CPU_COUNT(&set) >= all)
        return NULL;
    for (int cpu = 0; cpu < CPU_SETSIZE && at < sizeof text - 32; cpu++) {
        int last = cpu;
        if (!CPU_ISSET(cpu, &set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        at += (size_t)snprintf(text + at, sizeof text - at, last > cpu ? "%s%d-%d" : "%s%d", at ? "," : "", cpu, last);
        cpu = last;
    }
    return at ? text : NULL;
}

void cli_power_fill(struct jb_power_opts *out, const struct cli_power_opts *p)
{
    struct jb_cpu_info cpu;
    jb_cpu_describe(&cpu);
    *out = (struct jb_power_opts){
        .source = p->source,
        .root = p->root,
        .trace = p->trace,
        .external = p->external,
        .external_joules = p->external_joules,
        .external_has_offset = p->external_offset_ns != 0,
        .external_offset_ns = p->external_offset_ns,
        .trust_guest_rapl = p->trust_guest_rapl,
        .hypervisor = cpu.hypervisor,
        .max_power_w = p->max_power_w,
        .measured_cpus = bound_to(),
        .clock = jb_clock_monotonic(),
    };
}

int cli_measure_open(struct cli_measure *m, const struct cli *c, const struct cli_power_opts *power, const char *plan_dir, struct jb_err *err)
{
    memset(m, 0, sizeof *m);
    int rc = cli_kernels(c, &m->kernels, err);
    if (rc < 0)
        return rc;
    m->paths = c->paths;
    m->paths.plan_dir = plan_dir;
    cli_progress_open(&m->progress, c);
    m->sweep.paths = &m->paths;
    m->sweep.kernels = &m->kernels;
    m->sweep.clock = jb_clock_monotonic();
    m->sweep.stop = cli_signals_catch();
    m->sweep.progress = m->progress.on ? cli_progress_show : NULL;
    m->sweep.progress_user = &m->progress;
    m->sweep.version = jb_version();
    m->sweep.git = jb_git_revision();
    m->sweep.compiler = jb_build_compiler();
    static const struct cli_power_opts none = { .source = "none" };
    cli_power_fill(&m->sweep.power, power ? power : &none);
    return JB_OK;
}

void cli_measure_count(struct cli_measure *m, const char *how)
{
    ssize_t n = readlink("/proc/self/exe", m->program, sizeof m->program - 1);
    m->program[n > 0 ? n : 0] = '\0';
    m->sweep.program = n > 0 ? m->program : NULL;
    m->sweep.count_instructions = strcmp(how, "papi") == 0 ? JB_INSTRUCTIONS_PAPI : strcmp(how, "callgrind") == 0 ? JB_INSTRUCTIONS_CALLGRIND : JB_INSTRUCTIONS_NO;
}

void cli_measure_close(struct cli_measure *m)
{
    cli_progress_close(&m->progress);
}

int cli_measure_fail(const struct jb_err *err)
{
    int number = cli_signals_seen();
    if (err->code != JB_E_INTERRUPTED || !number)
        return cli_fail(err);
    return JB_EXIT_SIGNAL_BASE + number;
}

int cli_params_parse(struct cli_params *out, const struct cli_list *pairs, struct jb_err *err)
{
    enum { NAME = 64 };
    struct cli_params p = { calloc(pairs->n ? pairs->n : 1, sizeof *p.item), pairs->n, malloc((pairs->n ? pairs->n : 1) * NAME) };
    if (!p.item || !p.text) {
        cli_params_free(&p);
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < pairs->n; i++) {
        char *name = p.text + i * NAME;
        if (!cli_split_pair(pairs->item[i], name, NAME, &p.item[i].value)) {
            cli_params_free(&p);
            return jb_fail(err, JB_E_USAGE, "\"%s\" is not NAME=VALUE", pairs->item[i]);
        }
        p.item[i].name = name;
    }
    *out = p;
    return JB_OK;
}

void cli_params_free(struct cli_params *p)
{
    free(p->item);
    free(p->text);
    *p = (struct cli_params){ NULL, 0, NULL };
}
