// Test helpers: a directory with a small model and a plan in it, and options for a sweep there.
#include "tests/harness/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/fs.h"
#include "runtime/synth.h"

const char bench_plan[] =
    "{\"schema\": \"joulebench.plan/1\", \"name\": \"t\", \"seed\": 5,\n"
    " \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 120}}],\n"
    " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}],\n"
    " \"precisions\": [\"int8\", \"escalate:int4>int8\"],\n"
    " \"policies\": [{\"name\": \"final\"}, {\"name\": \"fixed\", \"k\": [0, 1, 9]}, {\"name\": \"maxprob\", \"threshold\": [0.3], \"target_loss\": [0.01]}],\n"
    " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 3, \"block_ms\": 2, \"idle_ms\": 0, \"lead_in_ms\": 0.2, \"max_seconds\": 120,\n" BENCH_ANY_MACHINE "}\n";

const char *bench_path(const struct bench *b, const char *name)
{
    static char ring[4][512];
    static int at;
    char *p = ring[at++ % 4];
    snprintf(p, sizeof ring[0], "%s/%s", b->dir, name);
    return p;
}

void bench_open(struct bench *b)
{
    struct jb_synth_opts s;
    struct jb_err err = { 0 };
    memset(b, 0, sizeof *b);
    // Memory, where there is: these tests wait for the disk some thousand times.
    snprintf(b->dir, sizeof b->dir, "%s/jb_harness_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->out, sizeof b->out, "%s/out", b->dir);
    jb_synth_defaults(&s);
    s.width = 4;
    assert_int_equal(jb_synth_write(bench_path(b, "tiny.gguf"), &s, &err), 0);
    jb_kernels_init(&b->kernels, jb_cpu_detect());
    b->paths.plan_dir = b->dir;
    b->o = (struct jb_sweep_opts){ .dir = b->out, .paths = &b->paths, .kernels = &b->kernels, .clock = jb_clock_monotonic(), .stop = &b->stop, .version = "0", .git = "test",
                                   .compiler = "cc" };
    b->o.power = (struct jb_power_opts){ .source = "none", .clock = jb_clock_monotonic() };
}

void bench_close(struct bench *b)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    assert_int_equal(system(command), 0);
}

char *bench_read(const char *path, size_t *n)
{
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(jb_read_file(path, 64u << 20, &text, &size, NULL), 0);
    if (n) *n = size;
    return text;
}

void bench_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

int bench_sweep(struct bench *b, const char *plan, struct jb_result **out, struct jb_err *err)
{
    struct jb_plan *p = NULL;
    struct jb_err why = { 0 };
    if (jb_plan_parse(&p, "plan.json", plan, strlen(plan), &why)) fail_msg("%s", why.detail);
    int rc = jb_sweep_run(p, &b->o, out, err);
    jb_plan_close(p);
    return rc;
}

const struct jb_result_cell *bench_cell(const struct jb_result *r, const char *label)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (!strcmp(r->cells[i].label, label)) return &r->cells[i];
    for (size_t i = 0; i < r->n_cells; i++) print_message("have: %s\n", r->cells[i].label);
    fail_msg("no cell \"%s\"", label);
    return NULL;
}

size_t bench_count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++) n++;
    return n;
}
