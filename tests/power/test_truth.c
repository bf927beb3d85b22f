// Properties: whatever a counter does, a window's bounds hold the true joules or the window is refused. The truth is simulated: power varies up
// to the ceiling, the counter follows it in steps of its unit, late by up to its update period, wraps, is read late, fails, is not read for long.
#include "tests/power/unit.h"
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>
#include "power/accumulator.h"

// ---- A machine whose true energy is known at every moment.
struct machine {
    struct jb_rng rng;
    double ceiling_w, power_w, true_uj;
    uint64_t now_ns, next_update_ns, update_ns;
    double unit_uj, jitter; // periods lie between (1 - jitter) and 1 times update_ns
    uint64_t range_uj;
    bool unit_beyond_range; // after range comes one more unit (32-bit counters), or nothing
    uint64_t shown_uj;      // what the counter says
};

static void show(struct machine *m)
{
    uint64_t units = (uint64_t)(m->true_uj / m->unit_uj);
    uint64_t modulus = m->range_uj + (m->unit_beyond_range ? (uint64_t)m->unit_uj : 1);
    m->shown_uj = (uint64_t)((double)units * m->unit_uj) % modulus;
    if (m->shown_uj > m->range_uj) m->shown_uj = m->range_uj;
}

// Time goes by; the counter is brought up to date on its way, power changes now and then.
static void pass(struct machine *m, uint64_t ns)
{
    uint64_t end = m->now_ns + ns;
    while (m->now_ns < end) {
        uint64_t to = m->next_update_ns < end ? m->next_update_ns : end;
        m->true_uj += m->power_w * 1e-3 * (double)(to - m->now_ns);
        m->now_ns = to;
        if (to < m->next_update_ns) continue;
        show(m);
        m->next_update_ns += 1 + (uint64_t)((1 - m->jitter * jb_rng_unit(&m->rng)) * (double)(m->update_ns - 1));
        double u = jb_rng_unit(&m->rng);
        m->power_w = u < 0.1 ? m->ceiling_w : u < 0.2 ? 0.01 * m->ceiling_w : m->ceiling_w * jb_rng_unit(&m->rng);
    }
}

static void make_machine(struct machine *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    jb_rng_seed(&m->rng, seed);
    m->ceiling_w = 1 + 200 * jb_rng_unit(&m->rng);
    m->power_w = m->ceiling_w * jb_rng_unit(&m->rng);
    m->update_ns = 20000 + jb_rng_below(&m->rng, 2000000);
    m->jitter = 1;
    m->unit_uj = jb_rng_below(&m->rng, 2) ? 1 : 1 + (double)jb_rng_below(&m->rng, 100);
    m->range_uj = (uint64_t)m->unit_uj * (uint64_t)(m->ceiling_w * (1e4 + 2e5 * jb_rng_unit(&m->rng)) / m->unit_uj + 1);
    m->unit_beyond_range = jb_rng_below(&m->rng, 2);
    m->true_uj = 1e6 * jb_rng_unit(&m->rng);
    m->next_update_ns = 1;
    pass(m, 2 + m->update_ns);
}

struct tally { uint64_t held, refused, wrapped; };

static void check(const struct tally *t, bool have, double lower, double upper, double truth, uint64_t seed)
{
    (void)t;
    if (have && !(lower <= truth && truth <= upper)) fail_msg("seed %" PRIu64 ": truth %.3f outside [%.3f, %.3f]", seed, truth, lower, upper);
}

// ---- The accumulator alone: hundreds of thousands of sequences.
static void one_sequence(uint64_t seed, struct tally *t)
{
    struct machine m;
    struct jb_accumulator a;
    char why[200];
    make_machine(&m, seed);
    struct jb_counter c = {.range_uj = m.range_uj, .unit_uj = m.unit_uj, .ceiling_w = m.ceiling_w, .update_ns = m.update_ns};
    jb_accumulator_init(&a, &c);
    bool open = false;
    double lower_0 = 0, upper_0 = 0, truth_0 = 0;
    uint32_t wraps_0 = 0;
    int n = 2 + (int)jb_rng_below(&m.rng, 12);
    for (int k = 0; k < n; k++) {
        double wrap_s = (double)m.range_uj * 1e-6 / m.ceiling_w; // shortest wrap
        pass(&m, (uint64_t)(wrap_s * 1e9 * (jb_rng_below(&m.rng, 8) ? 0.6 : 3.0) * jb_rng_unit(&m.rng)));
        if (jb_rng_below(&m.rng, 20) == 0) { // a failed reading
            jb_accumulator_break(&a);
            open = false;
            continue;
        }
        uint64_t at = m.now_ns, begin = at + jb_rng_below(&m.rng, 2000);
        double truth = m.true_uj;
        pass(&m, begin - at + jb_rng_below(&m.rng, 50000));
        uint64_t raw = m.shown_uj;
        pass(&m, jb_rng_below(&m.rng, 50000));
        double lower, upper;
        int rc = jb_accumulator_push(&a, raw, begin, m.now_ns, why, sizeof why);
        jb_accumulator_bounds(&a, at, &lower, &upper);
        if (rc) t->refused++;
        else if (open) {
            check(t, true, lower - upper_0, upper - lower_0, truth - truth_0, seed);
            t->held++;
            t->wrapped += a.wraps - wraps_0;
        }
        open = true; // after a refusal a new window starts here
        lower_0 = lower, upper_0 = upper, truth_0 = truth, wraps_0 = a.wraps;
    }
}

static void accumulator_holds_the_truth(void **state)
{
    (void)state;
    struct tally t = {0};
    for (uint64_t seed = 1; seed <= 15000; seed++) one_sequence(seed, &t);
    print_message("%" PRIu64 " windows held, %" PRIu64 " refused, %" PRIu64 " wraps\n", t.held, t.refused, t.wrapped);
    assert_true(t.held > 50000 && t.refused > 1500 && t.wrapped > 1500);
}

// ---- The whole source: the clock is the machine, which writes its counter into the tree as time is asked for.
struct plant { struct machine m; int fd; uint64_t written_uj; };

static void put_counter(struct plant *p)
{
    char text[32];
    if (p->m.shown_uj == p->written_uj) return;
    int n = snprintf(text, sizeof text, "%" PRIu64, p->m.shown_uj);
    assert_int_equal(pwrite(p->fd, text, (size_t)n, 0), n);
    assert_int_equal(ftruncate(p->fd, n), 0);
    p->written_uj = p->m.shown_uj;
}

static uint64_t plant_now(void *self)
{
    struct plant *p = self;
    pass(&p->m, 200 + jb_rng_below(&p->m.rng, 5000));
    uint64_t now = p->m.now_ns;
    put_counter(p);
    return now;
}

static void random_windows(uint64_t seed, struct tally *t)
{
    struct plant p = {.written_uj = UINT64_MAX};
    struct unit_tree tree;
    char path[256];
    make_machine(&p.m, seed);
    p.m.update_ns = 20000 + jb_rng_below(&p.m.rng, 5000000);
    p.m.jitter = 0.3; // the period must be found by looking at it: sixteen periods show what it can be
    p.m.unit_uj = 1;
    p.m.range_uj *= 5;
    unit_tree_open(&tree);
    unit_zone(&tree, PKG0, "package-0", p.m.shown_uj, p.m.range_uj);
    unit_path(&tree, PKG0 "/energy_uj", path);
    p.fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(p.fd >= 0);
    struct jb_power_opts o = {.source = "powercap", .root = tree.root, .max_power_w = p.m.ceiling_w, .clock = {.now_ns = plant_now, .self = &p}};
    struct jb_meter *meter;
    assert_int_equal(jb_meter_open(&meter, &o, NULL), 0);
    for (int k = 0; k < 20; k++) {
        struct jb_window w;
        pass(&p.m, jb_rng_below(&p.m.rng, 300000000));
        double before = p.m.true_uj; // begin's own time stamp lies a few microseconds later: bracket it
        jb_meter_begin(meter, &w);
        double after = p.m.true_uj;
        for (uint64_t polls = jb_rng_below(&p.m.rng, 4); polls > 0; polls--) {
            pass(&p.m, jb_rng_below(&p.m.rng, 400000000));
            jb_meter_poll(meter);
        }
        pass(&p.m, jb_rng_below(&p.m.rng, 100000000));
        double end_before = p.m.true_uj;
        struct jb_joules j = jb_meter_end(meter, &w);
        double end_after = p.m.true_uj;
        if (!jb_joules_have(&j)) {
            assert_true(isnan(j.uj) && j.reason[0]);
            t->refused++;
            continue;
        }
        // The truth over the stamped window lies in [least, most]; the bounds must not exclude all of it, and with the bracket be at least as wide.
        double least = end_before - after, most = end_after - before;
        if (j.lower_uj > most || j.upper_uj < least) fail_msg("seed %" PRIu64 ": [%.1f, %.1f] against [%.1f, %.1f]", seed, j.lower_uj, j.upper_uj, least, most);
        t->held++;
        t->wrapped += j.wraps;
    }
    jb_meter_close(meter);
    close(p.fd);
    unit_tree_close(&tree);
}

static void a_thousand_windows_on_a_tree(void **state)
{
    (void)state;
    struct tally t = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) random_windows(seed, &t);
    print_message("%" PRIu64 " windows held, %" PRIu64 " refused, %" PRIu64 " wraps\n", t.held, t.refused, t.wrapped);
    assert_true(t.held > 500);
}

// ---- The update period is found, and bounds shrink accordingly.
static void update_period_is_found(void **state)
{
    (void)state;
    struct plant p = {.written_uj = UINT64_MAX};
    struct unit_tree tree;
    char path[256];
    make_machine(&p.m, 4);
    p.m.jitter = 0;
    p.m.range_uj = RANGE_UJ;
    p.m.ceiling_w = p.m.power_w = 50;
    unit_tree_open(&tree);
    unit_zone(&tree, PKG0, "package-0", p.m.shown_uj, p.m.range_uj);
    unit_path(&tree, PKG0 "/energy_uj", path);
    p.fd = open(path, O_WRONLY | O_CLOEXEC);
    p.m.update_ns = 1000000;
    struct jb_power_opts o = {.source = "powercap", .root = tree.root, .max_power_w = 50, .clock = {.now_ns = plant_now, .self = &p}};
    struct jb_meter *meter;
    struct jb_window w;
    assert_int_equal(jb_meter_open(&meter, &o, NULL), 0);
    assert_int_equal(jb_meter_begin(meter, &w), 0);
    pass(&p.m, 1000000000);
    struct jb_joules j = jb_meter_end(meter, &w);
    assert_true(jb_joules_have(&j));
    assert_true(j.update_ns > 300000 && j.update_ns < 2000000);
    assert_true((j.upper_uj - j.lower_uj) < 50.0 * 2 * 2000); // two ends, 50 W, at most 2 ms each
    jb_meter_close(meter);
    close(p.fd);
    unit_tree_close(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accumulator_holds_the_truth),
        cmocka_unit_test(a_thousand_windows_on_a_tree),
        cmocka_unit_test(update_period_is_found),
    };
    return cmocka_run_group_tests_name("truth", tests, NULL, NULL);
}
