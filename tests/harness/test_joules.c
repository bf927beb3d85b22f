// Joules of a sweep: the clock is the machine, which writes its counter into a fabricated tree as time is asked for. It draws one power while it sleeps and another
// one while it works, both known.
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "harness/build.h"
#include "harness/extend.h"
#include "tests/harness/bench.h"

#define STEP_NS 50000u                   // each look at the clock
#define UPDATE_NS 1000000u
#define BUSY_W 20.0

struct machine {
    uint64_t now_ns, shown_at_ns, update_ns;
    double uj, idle_w, idle_more_w;      // idle_more_w: what idle power rises by with each sleep
    int fd;
    bool junk;                           // the counter is no number
    uint64_t sleeps, slept_ns;
};

static void show(struct machine *m)
{
    char text[32];
    int n = m->junk ? snprintf(text, sizeof text, "broken") : snprintf(text, sizeof text, "%" PRIu64, (uint64_t)m->uj);
    assert_int_equal(pwrite(m->fd, text, (size_t)n, 0), n);
    assert_int_equal(ftruncate(m->fd, n), 0);
    m->shown_at_ns = m->now_ns;
}

static void pass(struct machine *m, uint64_t ns, double watts)
{
    for (uint64_t end = m->now_ns + ns; m->now_ns < end;) {
        uint64_t to = m->shown_at_ns + m->update_ns < end ? m->shown_at_ns + m->update_ns : end;
        m->uj += watts * 1e-3 * (double)(to - m->now_ns);
        m->now_ns = to;
        if (to == m->shown_at_ns + m->update_ns) show(m);
    }
}

static uint64_t machine_now(void *self)
{
    struct machine *m = self;
    pass(m, STEP_NS, BUSY_W);
    return m->now_ns;
}

static void machine_sleep(void *self, uint64_t ns)
{
    struct machine *m = self;
    pass(m, ns, m->idle_w);
    m->idle_w += m->idle_more_w;
    m->sleeps++;
    m->slept_ns += ns;
}

// CPU time of others: while `hot` spans are left, half the machine.
struct neighbours { struct jb_cputime t; int hot; bool second; };

static void neighbours_now(void *self, struct jb_cputime *out)
{
    struct neighbours *n = self;
    bool hot = n->second && n->hot != 0;
    n->t.wall_ns += 1000000000;
    n->t.own_ns += 900000000;
    n->t.busy_ns += 900000000 + (hot ? 1000000000 : 0);
    if (hot && n->hot > 0) n->hot--;
    n->second = !n->second;
    n->t.n_cpus = 2;
    n->t.known = true;
    *out = n->t;
}

struct plant { struct bench b; struct machine m; struct neighbours n; int hot, junk_at, blocks, stop_after; };

static void put(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    bench_write(path, text, strlen(text));
}

static void plant_open(struct plant *p)
{
    static char root[200]; // lives as long as the options that name it
    char zone[300];
    memset(p, 0, sizeof *p);
    bench_open(&p->b);
    snprintf(root, sizeof root, "%s/power", p->b.dir);
    mkdir(root, 0755);
    snprintf(zone, sizeof zone, "%s/intel-rapl", root);
    mkdir(zone, 0755);
    snprintf(zone, sizeof zone, "%s/intel-rapl/intel-rapl:0", root);
    mkdir(zone, 0755);
    put(zone, "name", "package-0\n");
    put(zone, "energy_uj", "0");
    put(zone, "max_energy_range_uj", "262143328850\n");
    char path[400];
    snprintf(path, sizeof path, "%s/energy_uj", zone);
    p->m = (struct machine){ .fd = open(path, O_RDWR | O_CLOEXEC), .uj = 1e6, .idle_w = 5, .update_ns = UPDATE_NS };
    assert_true(p->m.fd >= 0);
    p->junk_at = p->stop_after = -1;
    p->b.o.clock = (struct jb_clock){ machine_now, machine_sleep, &p->m };
    p->b.o.power = (struct jb_power_opts){ .source = "powercap", .root = root, .max_power_w = 40, .clock = p->b.o.clock };
    p->b.o.cputime = neighbours_now;
    p->b.o.cputime_self = &p->n;
}

static void plant_close(struct plant *p)
{
    close(p->m.fd);
    bench_close(&p->b);
}

// Between blocks: `blocks` counts those that are done.
static void watch(void *user, const struct jb_progress *x)
{
    struct plant *p = user;
    if (strcmp(x->phase, "measure")) return;
    if (p->n.hot == 0) p->n.hot = p->hot;
    p->hot = p->hot < 0 ? p->hot : 0;
    bool junk = p->junk_at == p->blocks;
    if (junk != p->m.junk) {
        p->m.junk = junk;
        show(&p->m);
    }
    p->b.stop = p->stop_after == p->blocks;
    p->blocks++;
}

#define PLAN(more) \
    "{\"schema\": \"joulebench.plan/1\", \"name\": \"j\", \"seed\": 5, \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 40}}],\n" \
    " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}], \"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}],\n" \
    " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 5, \"block_ms\": 30, \"idle_ms\": 20, \"lead_in_ms\": 0.2,\n" \
    " \"validity\": {\"max_involuntary_per_s\": 1e9, \"max_steal\": 1}" more "}" // what of this machine is real must not condemn a block of the made-up one

static struct jb_result *sweep(struct plant *p, const char *plan)
{
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    p->b.o.progress = watch;
    p->b.o.progress_user = p;
    if (bench_sweep(&p->b, plan, &r, &err)) fail_msg("%s", err.detail);
    return r;
}

static size_t count(const struct plant *p, const char *what)
{
    char path[256];
    snprintf(path, sizeof path, "%s/journal.jsonl", p->b.out);
    char *text = bench_read(path, NULL);
    size_t n = bench_count(text, what);
    free(text);
    return n;
}

static void holds(double value, double lower, double upper, double truth)
{
    if (!(lower <= truth && truth <= upper && lower <= value && value <= upper)) fail_msg("%g [%g, %g] does not hold %g", value, lower, upper, truth);
}

static void bounds_hold_the_known_powers(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1")), *loaded = NULL;
    const struct jb_result_cell *c = &r->cells[0];
    const struct jb_result_energy *e = &c->energy;
    assert_int_equal(e->cls, JB_ENERGY_REPLAYED);
    assert_string_equal(e->source, "powercap");
    assert_string_equal(e->domains, "package-0");
    assert_int_equal(e->windows, 5);
    assert_int_equal(e->windows_failed, 0);
    assert_int_equal(e->drift_windows, 0);
    // 20 W of work over 5 W of idle, by the sums of five windows
    double per_w = e->gross_uj / e->power_w; // microjoules a query that one watt is
    holds(e->gross_uj, e->gross_lower_uj, e->gross_upper_uj, BUSY_W * per_w);
    holds(e->net_uj, e->net_lower_uj, e->net_upper_uj, (BUSY_W - 5) * per_w);
    holds(e->idle_w, e->idle_lower_w, e->idle_upper_w, 5);
    if (!(fabs(e->power_w - BUSY_W) < 1 && fabs(e->idle_w - 5) < 1)) fail_msg("%g W, idle %g W", e->power_w, e->idle_w);
    assert_true(fabs(e->half_width - (e->gross_upper_uj - e->gross_lower_uj) / 2 / e->gross_uj) < 1e-12);
    assert_true(fabs(e->per_correct_uj * c->accuracy.value - e->gross_uj) < 1e-9 && e->per_correct_lower_uj < e->per_correct_uj && e->per_correct_upper_uj > e->per_correct_uj);
    assert_true(fabs(e->edp_uj_ms - e->gross_uj * c->latency_mean_ns * 1e-6) < 1e-9);
    assert_string_equal(e->stopped, "target reached");
    assert_null(e->reason);
    assert_null(e->remark);
    assert_true(c->others.limit == 0.1 && c->others.share == 0 && c->others.contaminated == 0);
    // Idle windows: one before the first block and one behind each; the one behind a block serves the next.
    assert_true(r->power.known && r->power.cls == JB_ENERGY_REPLAYED && r->power.ceiling_w == 40 && r->power.idle_ns >= 20000000);
    assert_string_equal(r->power.ceiling_from, "--max-power-w");
    assert_true(r->power.update_ns >= UPDATE_NS && !r->power.sampler.there);
    assert_int_equal(p.m.slept_ns / r->power.idle_ns, 6);
    struct jb_err err = { 0 };
    assert_int_equal(jb_sweep_load(p.b.out, &loaded, &err), 0);
    assert_true(fabs(loaded->cells[0].energy.gross_uj / e->gross_uj - 1) < 1e-12 && fabs(loaded->cells[0].energy.net_lower_uj / e->net_lower_uj - 1) < 1e-12);
    assert_string_equal(loaded->power.domains, "package-0");
    jb_result_close(loaded);
    jb_result_close(r);
    plant_close(&p);
}

static void without_a_meter_nothing_sleeps(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.b.o.power = (struct jb_power_opts){ .source = "none", .clock = p.b.o.clock };
    p.hot = -1;
    struct jb_result *r = sweep(&p, PLAN(""));
    const struct jb_result_cell *c = &r->cells[0];
    assert_int_equal(p.m.sleeps, 0);
    assert_int_equal(c->energy.cls, JB_ENERGY_NONE);
    assert_true(isnan(c->energy.gross_uj) && isnan(c->energy.idle_w) && isnan(c->energy.half_width) && isnan(c->energy.edp_uj_ms));
    assert_string_equal(c->energy.reason, "no energy source was chosen");
    assert_int_equal(r->power.cls, JB_ENERGY_NONE);
    assert_int_equal(r->power.idle_ns, 0);
    // Others are at work: latencies suffer as joules do.
    assert_true(c->others.share > 0.4 && c->others.share_most_least > 0.4);
    assert_int_equal(c->others.contaminated, 5);
    assert_int_equal(c->others.repeated, 15);
    assert_int_equal(c->status, JB_CELL_INVALID);
    assert_int_equal(count(&p, "\"kind\":\"block\""), 20);
    jb_result_close(r);
    plant_close(&p);
}

static void drift_is_flagged(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.m.idle_more_w = 3;
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
    const struct jb_result_energy *e = &r->cells[0].energy;
    assert_int_equal(e->drift_windows, 5);
    assert_non_null(strstr(e->remark, "idle drifted beyond its bounds around 5 of 5 windows"));
    assert_true(e->idle_lower_w < 6.6 + 5 && e->idle_upper_w > 11 && e->idle_upper_w - e->idle_lower_w >= 3); // both sides are inside
    assert_int_equal(count(&p, "\"drift\":true"), 5);
    jb_result_close(r);
    plant_close(&p);
}

static void a_failed_window_keeps_its_reason(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.junk_at = 3; // progress is told once before the blocks
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
    const struct jb_result_energy *e = &r->cells[0].energy;
    assert_int_equal(e->cls, JB_ENERGY_REPLAYED);
    assert_int_equal(e->windows, 5);
    assert_int_equal(e->windows_failed, 1);
    assert_non_null(strstr(e->remark, "1 of 5 windows failed: package-0: "));
    assert_true(fabs(e->power_w - BUSY_W) < 0.5 && isfinite(e->net_uj));
    jb_result_close(r);
    plant_close(&p);
}

static void all_windows_failed_is_none(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.m.update_ns = 100000000; // and there is no time for longer windows
    static const char plan[] = "{\"schema\": \"joulebench.plan/1\", \"name\": \"j\", \"seed\": 5, \"workloads\": [{\"name\": \"synthetic\", \"params\": {\"n\": 40}}],\n"
                               " \"models\": [{\"name\": \"tiny\", \"file\": \"tiny.gguf\"}], \"precisions\": [\"int8\"], \"policies\": [{\"name\": \"final\"}],\n"
                               " \"scenarios\": [\"single-stream\"], \"percentiles\": [0.5], \"repetitions\": 2, \"block_ms\": 1, \"idle_ms\": 1, \"lead_in_ms\": 0.2, \"max_seconds\": 0.2}";
    struct jb_result *r = sweep(&p, plan);
    const struct jb_result_energy *e = &r->cells[0].energy;
    assert_true(e->windows > 0 && e->windows_failed == e->windows);
    assert_int_equal(e->cls, JB_ENERGY_NONE);
    if (!strstr(e->reason, "too short") && !strstr(e->reason, "shorter than its update period")) fail_msg("%s", e->reason);
    assert_true(isnan(e->gross_uj) && !e->stopped);
    jb_result_close(r);
    plant_close(&p);
}

static void blocks_grow_until_the_target(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
    double wide = r->cells[0].energy.half_width, target = wide / 4;
    uint64_t short_queries = r->cells[0].n_queries;
    jb_result_close(r);
    plant_close(&p);
    char plan[2000];
    plant_open(&p);
    snprintf(plan, sizeof plan, PLAN(", \"energy_half_width\": %.6f"), target);
    r = sweep(&p, plan);
    const struct jb_result_cell *c = &r->cells[0];
    if (!(c->energy.half_width <= target)) fail_msg("%g of %g, at first %g: %s", c->energy.half_width, target, wide, c->energy.stopped);
    assert_string_equal(c->energy.stopped, "target reached");
    if (!(c->n_queries > 2 * short_queries && c->energy.windows >= 5))
        fail_msg("%llu queries, at first %llu; %llu windows; %g of %g", (unsigned long long)c->n_queries, (unsigned long long)short_queries, (unsigned long long)c->energy.windows,
                 c->energy.half_width, target);
    jb_result_close(r);
    plant_close(&p);
}

static void says_why_it_stopped(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 0.0001, \"max_seconds\": 1"));
    const struct jb_result_cell *c = &r->cells[0];
    assert_true(c->energy.half_width > 0.0001);
    assert_non_null(strstr(c->energy.stopped, "max_seconds: another window of "));
    assert_true(c->energy.half_width_target == 0.0001);
    jb_result_close(r);
    plant_close(&p);
    plant_open(&p);
    p.stop_after = 2;
    p.b.o.progress = watch;
    p.b.o.progress_user = &p;
    struct jb_err err = { 0 };
    assert_int_equal(bench_sweep(&p.b, PLAN(", \"energy_half_width\": 0.0001, \"max_seconds\": 1"), &r, &err), JB_E_INTERRUPTED);
    assert_string_equal(r->cells[0].energy.stopped, "interrupted");
    jb_result_close(r);
    plant_close(&p);
}

static void contaminated_blocks_are_measured_again(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.hot = 2; // two spans: the first block twice
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
    const struct jb_result_cell *c = &r->cells[0];
    assert_int_equal(c->others.repeated, 2);
    assert_int_equal(c->others.contaminated, 0);
    assert_null(c->energy.remark);
    assert_int_equal(c->n_blocks, 5);
    assert_int_equal(count(&p, "\"kind\":\"block\""), 7);
    assert_int_equal(count(&p, "\"contaminated\":true"), 2);
    jb_result_close(r);
    plant_close(&p);
}

static void after_three_repeats_it_is_kept_and_marked(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.hot = -1;
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
    const struct jb_result_cell *c = &r->cells[0];
    assert_int_equal(c->others.contaminated, 5);
    assert_int_equal(c->others.repeated, 15);
    assert_int_equal(c->status, JB_CELL_INVALID);
    assert_non_null(strstr(c->reason, "5 of 5 blocks are invalid (other_cpu 5; at most 20 % may be): end other programs"));
    assert_true(c->blocks.known && c->blocks.invalid == 5 && c->blocks.left_out == 0 && c->n_blocks == 5);
    assert_string_equal(r->validity.verdict, "INVALID");
    assert_string_equal(r->validity.checks[0].name, "other_cpu");
    assert_string_equal(r->validity.checks[0].verdict, "fail");
    assert_true(r->n_sentences && !strcmp(r->sentences[0].kind, "validity") && !strncmp(r->sentences[0].text, "INVALID: other_cpu (", 20));
    assert_int_equal(c->energy.cls, JB_ENERGY_REPLAYED);
    assert_non_null(strstr(c->energy.remark, "contaminated: in 5 of 5 windows others had more than 10 % of the machine"));
    assert_int_equal(count(&p, "\"kind\":\"block\""), 20);
    jb_result_close(r);
    plant_close(&p);
    plant_open(&p); // allowed to
    p.hot = -1;
    r = sweep(&p, PLAN(", \"energy_half_width\": 1, \"max_other_cpu\": 0.6"));
    assert_int_equal(r->cells[0].others.repeated, 0);
    assert_true(r->cells[0].others.share > 0.4);
    jb_result_close(r);
    plant_close(&p);
}

// Where time is short the plan's blocks go before another attempt at one of them.
static void repeats_take_no_blocks_away(void **state)
{
    (void)state;
    struct plant p;
    plant_open(&p);
    p.hot = -1;
    struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1, \"max_seconds\": 0.8"));
    const struct jb_result_cell *c = &r->cells[0];
    if (!(c->n_blocks == 5 && c->others.contaminated == 5 && c->others.repeated > 0 && c->others.repeated < 15))
        fail_msg("%llu blocks, %llu contaminated, %llu repeated", (unsigned long long)c->n_blocks, (unsigned long long)c->others.contaminated, (unsigned long long)c->others.repeated);
    jb_result_close(r);
    plant_close(&p);
}

// A journal cut anywhere: attempts that are on the disk count, no block is tried more than four times.
static void attempts_survive_a_crash(void **state)
{
    (void)state;
    struct plant p;
    size_t n;
    plant_open(&p);
    p.hot = -1;
    jb_result_close(sweep(&p, PLAN(", \"energy_half_width\": 1")));
    char path[256];
    snprintf(path, sizeof path, "%s/journal.jsonl", p.b.out);
    char *text = bench_read(path, &n);
    p.b.o.resume = true;
    for (int i = 1; i <= 4; i++) {
        bench_write(path, text, n * (size_t)i / 5);
        p.hot = -1;
        struct jb_result *r = sweep(&p, PLAN(", \"energy_half_width\": 1"));
        assert_int_equal(r->cells[0].n_blocks, 5);
        assert_int_equal(r->cells[0].others.contaminated, 5);
        assert_int_equal(r->cells[0].others.repeated, 15);
        assert_int_equal(count(&p, "\"kind\":\"block\""), 20);
        jb_result_close(r);
    }
    free(text);
    plant_close(&p);
}

// `joulebench run`: ten long blocks in the time that the user gave, none longer.
static void one_setting_in_given_time(void **state)
{
    (void)state;
    struct plant p;
    struct jb_result *r = NULL;
    struct jb_err err = { 0 };
    char model[300];
    plant_open(&p);
    p.b.o.dir = NULL;
    snprintf(model, sizeof model, "%s", bench_path(&p.b, "tiny.gguf"));
    struct jb_workload_param params[] = { { "n", "40" } };
    struct jb_workload_opts w = { .paths = &p.b.paths, .params = params, .n_params = 1 };
    struct jb_run_opts o = { .workload = "synthetic", .workload_opts = &w, .model_path = model, .precision = "int8", .policy = "final", .split = JB_SPLIT_TEST, .seconds = 1 };
    if (jb_run_one(&o, &p.b.o, &r, &err)) fail_msg("%s", err.detail);
    const struct jb_result_cell *c = &r->cells[0];
    assert_int_equal(c->energy.windows, 10);
    assert_int_equal(c->energy.windows_failed, 0);
    assert_true(fabs(c->energy.power_w - BUSY_W) < 1 && isfinite(c->energy.net_uj) && c->energy.half_width < 0.05);
    if (c->energy.half_width > 0.01) assert_non_null(strstr(c->energy.stopped, "the length was given"));
    jb_result_close(r);
    plant_close(&p);
}

// ---- arithmetic ----

static struct jb_block_fact window(double uj, double half, uint64_t ns)
{
    return (struct jb_block_fact){ .energy_cls = JB_ENERGY_MEASURED, .uj = uj, .lower_uj = uj - half, .upper_uj = uj + half, .window_ns = ns, .n_rows = 10, .window_rows = 10, .others = NAN, .others_least = NAN };
}

static void known_extensions(void **state)
{
    (void)state;
    struct jb_extension x;
    struct jb_block_fact b[4] = { window(10, 1, 10) };
    jb_extension_of(b, 0, 3, 0.01, &x);
    assert_false(x.known);
    jb_extension_of(b, 1, 1, 0.01, &x); // (1 + 1 - 0.1) / 0.01, and the margin
    assert_true(x.known && !x.reached && !x.unreachable && fabs(x.half_width - 0.1) < 1e-12 && fabs(x.wanted_ns - 1.05 * 190) < 1e-9);
    jb_extension_of(b, 1, 4, 0.01, &x); // (1 + 4 - 0.1) / 0.04
    assert_true(fabs(x.wanted_ns - 1.05 * 122.5) < 1e-9);
    jb_extension_of(b, 1, 1, 0.1, &x);
    assert_true(x.reached && isnan(x.wanted_ns));
    b[0].energy_cls = JB_ENERGY_MODELLED;
    jb_extension_of(b, 1, 1, 0.01, &x);
    assert_false(x.known);
    // 3 % of the figure on top of the edges: no length is enough for 1 %, one is for 5 %.
    b[0] = window(10, 1.3, 10);
    b[1] = window(100, 4, 100);
    b[2] = window(200, 7, 200);
    jb_extension_of(b, 3, 1, 0.01, &x);
    assert_true(x.unreachable && isnan(x.wanted_ns));
    b[0] = window(10, 4, 10);
    b[1] = window(100, 6.7, 100); // 3.7 + 0.03 T
    b[2] = window(200, 9.7, 200);
    jb_extension_of(b, 3, 1, 0.05, &x);
    assert_true(!x.unreachable && !x.reached && x.wanted_ns > 0);
    // One long window that scattered is no proof.
    b[1] = window(100, 50, 100);
    jb_extension_of(b, 2, 1, 0.01, &x);
    assert_false(x.unreachable);
    b[2] = window(100, 1, 100);
    jb_extension_of(b, 3, 1, 0.01, &x);
    assert_false(x.unreachable);
}

// What RAPL says under a hypervisor stands among the modelled figures, in microjoules; energy is none and says what to do.
static void guest_rapl_is_modelled(void **state)
{
    (void)state;
    struct jb_build b = { .energy_half_width = 0.01, .max_other_cpu = 0.1 };
    struct jb_block_fact blocks[2] = { window(100, 5, 1000), window(100, 5, 1000) };
    struct jb_joules text = { .cls = JB_ENERGY_MODELLED, .uj = 100, .lower_uj = 95, .upper_uj = 105, .source = "guest-rapl", .root = "/sys/class/powercap", .domains = "package-0" };
    struct jb_rec_cell rec = { .blocks = blocks, .n_blocks = 2, .energy_text = &text };
    struct jb_result_cell c;
    jb_result_cell_init(&c);
    c.accuracy.value = 0.9;
    blocks[0].energy_cls = blocks[1].energy_cls = JB_ENERGY_MODELLED;
    assert_int_equal(jb_result_open(&b.r), 0);
    struct jb_record record = { .complete = true };
    b.rec = &record;
    assert_int_equal(jb_build_energy(&b, &c, &(struct jb_built){ .rec = &rec }), 0);
    assert_int_equal(c.energy.cls, JB_ENERGY_NONE);
    assert_true(isnan(c.energy.gross_uj) && isnan(c.energy.per_correct_uj));
    assert_non_null(strstr(c.energy.reason, "--trust-guest-rapl"));
    assert_string_equal(c.energy.source, "guest-rapl");
    assert_int_equal(c.n_modelled, 1);
    assert_string_equal(c.modelled[0].source, "guest-rapl");
    assert_true(c.modelled[0].uj == 10 && c.modelled[0].lower_uj == 9.5 && c.modelled[0].upper_uj == 10.5 && isnan(c.modelled[0].relative));
    // Vouched for: measured, and the word of it stands beside the figure.
    jb_result_cell_init(&c);
    c.accuracy.value = 0.9;
    blocks[0].energy_cls = blocks[1].energy_cls = text.cls = JB_ENERGY_MEASURED;
    snprintf(text.reason, sizeof text.reason, "RAPL of a guest, vouched for by the user");
    assert_int_equal(jb_build_energy(&b, &c, &(struct jb_built){ .rec = &rec }), 0);
    assert_int_equal(c.energy.cls, JB_ENERGY_MEASURED);
    assert_string_equal(c.energy.remark, "RAPL of a guest, vouched for by the user");
    // Two classes make no sum.
    blocks[1].energy_cls = JB_ENERGY_REPLAYED;
    assert_int_equal(jb_build_energy(&b, &c, &(struct jb_built){ .rec = &rec }), 0);
    assert_int_equal(c.energy.cls, JB_ENERGY_NONE);
    assert_string_equal(c.energy.reason, "its windows are of several classes");
    jb_result_close(b.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_the_known_powers), cmocka_unit_test(without_a_meter_nothing_sleeps), cmocka_unit_test(drift_is_flagged),
        cmocka_unit_test(a_failed_window_keeps_its_reason), cmocka_unit_test(all_windows_failed_is_none), cmocka_unit_test(blocks_grow_until_the_target),
        cmocka_unit_test(says_why_it_stopped), cmocka_unit_test(contaminated_blocks_are_measured_again), cmocka_unit_test(after_three_repeats_it_is_kept_and_marked),
        cmocka_unit_test(repeats_take_no_blocks_away), cmocka_unit_test(attempts_survive_a_crash),
        cmocka_unit_test(one_setting_in_given_time), cmocka_unit_test(known_extensions), cmocka_unit_test(guest_rapl_is_modelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
