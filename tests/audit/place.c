#include "tests/audit/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "runtime/synth.h"

const char place_plan[] =
    "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"seed\": 5,\n"
    " \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 120}}], \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}],\n"
    " \"precisions\": [\"f32\"], \"policies\": [{\"name\": \"final\"}, {\"name\": \"maxprob\", \"threshold\": [0.2]}],\n"
    " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 8, \"block_ms\": 6, \"idle_ms\": 0, \"lead_in_ms\": 0.2, \"max_seconds\": 120,\n"
    " \"validity\": {\"max_other_cpu\": 1, \"max_steal\": 1, \"max_involuntary_per_s\": 1e9, \"max_reference_drift\": 1e6, \"throttling\": true, \"swap\": true, \"max_freq_change\": 100}}\n";

void place_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

void place_open(struct place *p, const struct memo *costs)
{
    struct jb_synth_opts s;
    struct jb_err err = { 0 };
    char path[200];
    *p = (struct place){ .clock = { .t_ns = 1000000000, .step_ns = 10 } };
    memo = (struct memo){ 0 };
    snprintf(p->dir, sizeof p->dir, "%s/jb_audit_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm"); // memory, where there is: runs wait for the disk some thousand times
    assert_non_null(mkdtemp(p->dir));
    jb_synth_defaults(&s);
    s.width = 4;
    snprintf(path, sizeof path, "%s/tiny.gguf", p->dir);
    if (jb_synth_write(path, &s, &err)) fail_msg("%s", err.detail);
    jb_kernels_init(&p->kernels, jb_cpu_detect());
    p->paths.plan_dir = p->dir;
    p->o = (struct jb_sweep_opts){ .paths = &p->paths, .kernels = &p->kernels, .clock = jb_clock_fake(&p->clock), .version = "0", .git = "test", .compiler = "cc" };
    p->o.power = (struct jb_power_opts){ .source = "none", .clock = p->o.clock };
    if (!costs) return;
    memo = *costs;
    memo.clock = &p->clock;
    memo_wrap(&p->kernels);
}

void place_close(struct place *p)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    assert_int_equal(system(command), 0);
    memo = (struct memo){ 0 };
}
