// The loads of a noise measurement, run by the host as every other block is.
#include "harness/noise.h"

#include "base/cpu.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/version.h"
#include "harness/host.h"
#include "runtime/synth.h"
#include "workloads/workload.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEAD_IN_NS 2000000u          // as the default of a plan
#define MOST_MORE_NS 1000000000u     // for min_queries, on a machine so slow that they do not fit the block
#define SPIN_NS "20000"

static const double block_ms[] = {2, 5, 10, 20, 50, 100};
#define PINNED_MS 20

struct loads {
    struct jb_host *host;
    struct jb_block_request request[JB_NOISE_LOADS];
    int model_fd;                    // -1: the network is a file
    cpu_set_t before;                // affinity to go back to
    int pin_cpu;
    char what[160];                  // of the network
};

static int block(void *self, uint32_t load, uint64_t block_ns, uint32_t start, struct jb_noise_block *out, struct jb_err *err)
{
    struct loads *l = self;
    struct jb_block_request r = l->request[load];
    struct jb_block b;
    uint64_t sum = 0;
    r.block_ns = block_ns;
    r.max_ns = block_ns + MOST_MORE_NS;
    r.repetition = start;
    int rc = jb_host_run(l->host, &r, &b, err);
    if (rc) return rc;
    uint32_t n = b.raw.n_queries;
    for (uint32_t i = 0; i < n; i++) sum += b.raw.latency_ns[i];
    jb_sort_u64(b.raw.latency_ns, n);
    *out = (struct jb_noise_block){.mean_ns = n ? (double)sum / n : 0, .median_ns = n ? ((double)b.raw.latency_ns[(n - 1) / 2] + (double)b.raw.latency_ns[n / 2]) / 2 : 0, .queries = n,
                                   .reference_ns = b.reference_ns, .wall_ns = b.wall_ns, .cpu_ns = b.cpu_ns, .involuntary_switches = b.involuntary_switches, .steal_ns = b.others.known ? b.others.steal_ns : 0,
                                   .others_least = b.others.known ? b.others.share_least : NAN};
    jb_block_free(&b);
    return 0;
}

static int pin(void *self, bool on)
{
    struct loads *l = self;
    cpu_set_t one;
    if (!on) return sched_setaffinity(0, sizeof l->before, &l->before);
    if (sched_getaffinity(0, sizeof l->before, &l->before) != 0) return -1;
    CPU_ZERO(&one);
    CPU_SET(l->pin_cpu, &one);
    return sched_setaffinity(0, sizeof one, &one);
}

static void base_request(struct jb_block_request *r, const char *name, const char *workload)
{
    *r = (struct jb_block_request){.split = JB_SPLIT_TEST, .n_samples = 256, .batch = 1, .threads = 1, .streams = 1, .seed = 1, .repetitions = 64, .lead_in_ns = LEAD_IN_NS, .min_queries = 4};
    snprintf(r->cell, sizeof r->cell, "%s", name);
    snprintf(r->workload, sizeof r->workload, "%s", workload);
    snprintf(r->precision, sizeof r->precision, "none");
}

static void param(struct jb_block_request *r, const char *name, const char *value)
{
    struct jb_request_param *p = &r->workload_params[r->n_workload_params++];
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->value, sizeof p->value, "%s", value);
}

// The workload fashion and its network; false: not to be had.
static bool fashion(struct loads *l, const struct jb_paths *paths)
{
    struct jb_block_request *r = &l->request[1];
    struct jb_workload *w;
    const struct jb_model *m;
    base_request(r, "network", "fashion");
    snprintf(r->precision, sizeof r->precision, "int8");
    snprintf(r->policy, sizeof r->policy, "final");
    snprintf(l->what, sizeof l->what, "fashion/fashion-ee.gguf on the test images, int8, to its last exit");
    return jb_paths_resolve(paths, "fashion/fashion-ee.gguf", r->model_path, sizeof r->model_path, NULL) == JB_OK &&
           jb_host_workload(l->host, "fashion", NULL, 0, &w, NULL) == JB_OK && jb_host_model(l->host, r->model_path, "", &m, NULL) == JB_OK;
}

// A made-up network of about the same size, in a file that is memory alone.
static int made_up(struct loads *l, struct jb_err *err)
{
    struct jb_synth_opts o;
    struct jb_block_request *r = &l->request[1];
    void *model = NULL;
    size_t n = 0;
    jb_synth_defaults(&o);
    o.stages = 4;
    o.width = 16;
    o.size = 28;
    base_request(r, "network", "synthetic");
    snprintf(r->precision, sizeof r->precision, "int8");
    snprintf(r->policy, sizeof r->policy, "final");
    param(r, "n", "256");
    snprintf(l->what, sizeof l->what, "a made-up network of %u stages on made-up images, int8, to its last exit (the workload fashion was not found)", o.stages);
    int rc = jb_synth_make(&model, &n, &o, err);
    if (rc) return rc;
    l->model_fd = memfd_create("joulebench-noise", MFD_CLOEXEC);
    FILE *f = l->model_fd < 0 ? NULL : fdopen(dup(l->model_fd), "wb");
    bool written = f && fwrite(model, 1, n, f) == n;
    written = f && fclose(f) == 0 && written;
    free(model);
    snprintf(r->model_path, sizeof r->model_path, "/proc/self/fd/%d", l->model_fd);
    return written ? 0 : jb_fail(err, JB_E_IO, "no memory file for the made-up network");
}

static int open_loads(struct loads *l, const struct jb_noise_run_opts *o, struct jb_err *err)
{
    struct jb_host_opts host = {.kernels = o->kernels, .paths = o->paths, .clock = jb_clock_monotonic()};
    struct jb_warm_up warm;
    int rc = jb_host_open(&l->host, &host, err);
    if (rc) return rc;
    base_request(&l->request[0], "null", "null");
    param(&l->request[0], "ns", SPIN_NS);
    if (!fashion(l, o->paths)) rc = made_up(l, err);
    for (int i = 0; i < JB_NOISE_LOADS && !rc; i++) {
        rc = jb_host_warm_up(l->host, &l->request[i], &warm, err);
        if (!rc && warm.median_ns > 0) l->request[i].query_ns = (uint64_t)(warm.median_ns / 2);
    }
    return rc;
}

static void describe(struct jb_noise *n, const struct jb_noise_run_opts *o)
{
    struct jb_cpu_info cpu;
    struct jb_clock clock = jb_clock_monotonic();
    struct jb_clock_quality q = jb_clock_measure(&clock);
    jb_cpu_describe(&cpu);
    snprintf(n->version, sizeof n->version, "%s", jb_version());
    snprintf(n->machine.cpu, sizeof n->machine.cpu, "%s", cpu.model);
    snprintf(n->machine.kernel, sizeof n->machine.kernel, "%s", cpu.kernel);
    snprintf(n->machine.tier, sizeof n->machine.tier, "%s", jb_cpu_tier_name(o->kernels->mask));
    snprintf(n->machine.governor, sizeof n->machine.governor, "%s", cpu.governor);
    snprintf(n->machine.turbo, sizeof n->machine.turbo, "%s", cpu.turbo);
    n->machine.cores = cpu.cores > 0 ? (uint32_t)cpu.cores : 0;
    n->machine.hypervisor = cpu.hypervisor;
    n->clock.cost_ns = q.cost_ns;
    n->clock.resolution_ns = q.resolution_ns;
    jb_tuning_clock_source(o->root, n->clock.source, sizeof n->clock.source);
}

static void advise(struct jb_noise *n, const struct jb_noise_run_opts *o)
{
    struct jb_tuning_facts f = {.hypervisor = n->machine.hypervisor, .others = n->others, .steal = n->steal, .clock_cost_ns = n->clock.cost_ns, .free = {NAN, NAN, NAN},
                                .pinned = {NAN, NAN, NAN}, .pinned_ms = PINNED_MS};
    const struct jb_noise_series *as_is = jb_noise_find(n, n->n_loads - 1, PINNED_MS, false), *pinned = jb_noise_find(n, n->n_loads - 1, PINNED_MS, true);
    uint64_t out = 0, all = 0;
    for (uint32_t i = 0; i < n->n_series; i++) {
        out += n->series[i].switched_out;
        all += 2 * n->series[i].pairs;
    }
    f.switched_out = all ? (double)out / (double)all : NAN;
    if (as_is && pinned) {
        f.free = (struct jb_tuning_try){as_is->mean.sd_log, as_is->mean.lower, as_is->mean.upper};
        f.pinned = (struct jb_tuning_try){pinned->mean.sd_log, pinned->mean.lower, pinned->mean.upper};
    }
    jb_tuning_affinity(&f);
    n->n_tuning = jb_tuning_find(n->tuning, o->root, &f);
}

int jb_noise_run(struct jb_noise *out, const struct jb_noise_run_opts *o, struct jb_err *err)
{
    struct loads l = {.model_fd = -1};
    struct jb_tuning_facts f = {0};
    char started[32];
    jb_time_iso8601(jb_realtime_ns(), started);
    jb_tuning_affinity(&f);
    l.pin_cpu = f.last_cpu;
    int rc = open_loads(&l, o, err);
    struct jb_noise_opts m = {.seconds = o->seconds, .seed = o->seed, .clock = jb_clock_monotonic(), .load = {{"null", "spins " SPIN_NS " ns a query"}, {"network", l.what}}, .n_loads = 2,
                              .block_ms = block_ms, .n_block_ms = sizeof block_ms / sizeof *block_ms, .block = block, .pin = f.cpus > 1 && f.last_cpu < CPU_SETSIZE ? pin : NULL,
                              .pinned_ms = PINNED_MS, .self = &l, .stop = o->stop, .progress = o->progress, .progress_user = o->progress_user};
    if (!rc) rc = jb_noise_measure(out, &m, err);
    if (!rc) {
        snprintf(out->started, sizeof out->started, "%s", started);
        describe(out, o);
        advise(out, o);
    }
    jb_host_close(l.host);
    if (l.model_fd >= 0) close(l.model_fd);
    return rc;
}
