// Windows of a whole meter on a fabricated tree whose true energy is known. Time is simulated: the clock writes the counters as it is asked.
// Truth and window are of the same clock, so that the bounds must hold the joules from start_ns to start_ns + window_ns exactly.
#include "tests/power/unit.h"
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>
#include "power/meter_data.h"
#include "tests/power/profile.h"

#define MS 1000000u
#define MAX_ZONES 8
#define N_OPEN 8

struct zone {
    char path[100];
    int fd;
    double share;           // of the profile's energy
    uint64_t unit_uj, range_uj, written;
    bool summed;
    const char *broken;     // what it shows instead; NULL: its counter
};

struct world {
    struct jb_rng rng;
    struct profile profile;
    struct unit_tree tree;
    uint64_t now_ns, update_ns, seed, stopped_ns; // stopped_ns: counters stand still from here on; 0: no
    double jitter, ceiling_w, shares;             // shares: of what is summed
    struct zone zone[MAX_ZONES];
    size_t n;
    uint64_t last_break_ns;                       // of a zone that is summed
};

struct tally { uint64_t held, refused, wrapped; double half_widths; };

static void put(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(pwrite(fd, text, n, 0), n);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
}

static void show(struct world *w)
{
    uint64_t t = w->stopped_ns && w->now_ns > w->stopped_ns ? w->stopped_ns : w->now_ns;
    double uj = profile_uj(&w->profile, profile_update_at(t, w->update_ns, w->jitter, w->seed));
    for (size_t i = 0; i < w->n; i++) {
        struct zone *z = &w->zone[i];
        uint64_t shown = profile_shown(uj * z->share, z->unit_uj, z->range_uj);
        if (z->broken || shown == z->written) continue;
        char text[32];
        snprintf(text, sizeof text, "%" PRIu64 "\n", shown);
        put(z->fd, text);
        z->written = shown;
    }
}

static uint64_t world_now(void *self)
{
    struct world *w = self;
    w->now_ns += 200 + jb_rng_below(&w->rng, 5000);
    uint64_t now = w->now_ns;
    show(w);
    return now;
}

static void world_sleep(void *self, uint64_t ns) { ((struct world *)self)->now_ns += ns; }

static void add_zone(struct world *w, const char *path, const char *name, double share, bool summed)
{
    struct zone *z = &w->zone[w->n++];
    char file[120], full[256];
    *z = (struct zone){.share = share, .summed = summed, .written = UINT64_MAX, .unit_uj = 1};
    snprintf(z->path, sizeof z->path, "%s", path);
    if (jb_rng_below(&w->rng, 2)) z->unit_uj = 2 + jb_rng_below(&w->rng, 60); // a 32-bit register's step shows in the range: see step_uj in power/powercap.c
    double joules = w->ceiling_w * (0.3 + 10 * jb_rng_unit(&w->rng));        // wraps in 0.3 s at the soonest
    z->range_uj = z->unit_uj == 1 ? (uint64_t)(joules * 1e6) : 4294967295u * z->unit_uj;
    unit_zone(&w->tree, path, name, 0, z->range_uj);
    snprintf(file, sizeof file, "%s/energy_uj", path);
    unit_path(&w->tree, file, full);
    z->fd = open(full, O_WRONLY | O_CLOEXEC);
    assert_true(z->fd >= 0);
    if (summed) w->shares += share;
}

static void make_world(struct world *w, uint64_t seed, uint64_t update_ns, double least_w, double most_w)
{
    memset(w, 0, sizeof *w);
    jb_rng_seed(&w->rng, seed);
    w->seed = seed;
    w->now_ns = 1000u * MS + jb_rng_below(&w->rng, 1000u * MS);
    w->update_ns = update_ns;
    w->jitter = 0.3; // the period must be found by looking at it: sixteen periods show what it can be
    w->ceiling_w = most_w;
    profile_make(&w->profile, seed, least_w, most_w, 1000 + jb_rng_below(&w->rng, 20 * (uint64_t)MS), w->now_ns - 500u * MS);
    unit_tree_open(&w->tree);
    int sockets = 1 + (int)jb_rng_below(&w->rng, 2);
    for (int s = 0; s < sockets; s++) {
        char path[80], name[20];
        snprintf(path, sizeof path, "intel-rapl/intel-rapl:%d", s);
        snprintf(name, sizeof name, "package-%d", s);
        add_zone(w, path, name, s ? 0.6 : 0.9, true);
        snprintf(path, sizeof path, "intel-rapl/intel-rapl:%d/intel-rapl:%d:0", s, s);
        add_zone(w, path, "core", 0.5, false);
        snprintf(path, sizeof path, "intel-rapl/intel-rapl:%d/intel-rapl:%d:1", s, s);
        if (jb_rng_below(&w->rng, 2)) add_zone(w, path, "dram", 0.3, true);
    }
    show(w);
}

static void close_world(struct world *w)
{
    for (size_t i = 0; i < w->n; i++) close(w->zone[i].fd);
    unit_tree_close(&w->tree);
}

static struct jb_meter *open_meter(struct world *w)
{
    struct jb_power_opts o = {.source = "powercap", .root = w->tree.root, .max_power_w = w->ceiling_w, .clock = {.now_ns = world_now, .sleep_ns = world_sleep, .self = w}};
    struct jb_meter *m;
    struct jb_err err = {0};
    if (jb_meter_open(&m, &o, &err)) fail_msg("seed %" PRIu64 ": %s", w->seed, err.detail);
    return m;
}

static double truth_uj(const struct world *w, uint64_t start_ns, uint64_t window_ns)
{
    return w->shares * (profile_uj(&w->profile, start_ns + window_ns) - profile_uj(&w->profile, start_ns));
}

// Returns whether there was a figure.
static bool judge(const struct world *w, const struct jb_window *win, const struct jb_joules *j, struct tally *t)
{
    if (!jb_joules_have(j)) {
        if (!isnan(j->uj) || !j->reason[0]) fail_msg("seed %" PRIu64 ": no figure and no reason", w->seed);
        t->refused++;
        return false;
    }
    double truth = truth_uj(w, win->start_ns, j->window_ns), eps = 1e-9 * j->upper_uj;
    assert_int_equal(j->cls, JB_ENERGY_REPLAYED);
    if (!(j->lower_uj <= truth + eps && truth - eps <= j->upper_uj && j->lower_uj <= j->uj && j->uj <= j->upper_uj))
        fail_msg("seed %" PRIu64 ", update %" PRIu64 " ns (meter: %" PRIu64 "), window %" PRIu64 " ns: truth %.1f, said %.1f in [%.1f, %.1f]", w->seed, w->update_ns, j->update_ns, j->window_ns,
                 truth, j->uj, j->lower_uj, j->upper_uj);
    if (w->last_break_ns > win->start_ns && w->last_break_ns < win->start_ns + j->window_ns) fail_msg("seed %" PRIu64 ": a figure over a failed reading", w->seed);
    t->held++;
    t->wrapped += j->wraps;
    t->half_widths += (j->upper_uj - j->lower_uj) / 2 / truth;
    return true;
}

// For one poll a counter shows something else.
static void break_once(struct world *w, struct jb_meter *m)
{
    static const char *const garbage[] = {"", "abc\n", "0012\n", "-1\n", "99999999999999999999999\n", "\n", "1 2\n", "0x10\n"};
    struct zone *z = &w->zone[jb_rng_below(&w->rng, w->n)];
    z->broken = garbage[jb_rng_below(&w->rng, N_ELEMENTS(garbage))];
    put(z->fd, z->broken);
    world_now(w);
    jb_meter_poll(m);
    if (z->summed) w->last_break_ns = w->now_ns;
    world_now(w);
    z->broken = NULL;
    z->written = UINT64_MAX;
    show(w);
}

static void random_windows(uint64_t seed, struct tally *t, bool failures)
{
    struct world w;
    struct jb_rng rng;
    jb_rng_seed_named(&rng, seed, "update");
    double most_w = pow(10, 0.5 + 2 * jb_rng_unit(&rng)), least_w = most_w * (jb_rng_below(&rng, 2) ? 1 : 0.05 + 0.5 * jb_rng_unit(&rng));
    make_world(&w, seed, (uint64_t)pow(10, 4.5 + 3.4 * jb_rng_unit(&rng)), least_w, most_w);
    struct jb_meter *m = open_meter(&w);
    struct jb_window win[N_OPEN];
    size_t n_open = 0;
    for (int k = 0; k < 60; k++) {
        uint64_t what = jb_rng_below(&w.rng, failures ? 10 : 9);
        world_sleep(&w, jb_rng_below(&w.rng, jb_rng_below(&w.rng, 6) ? 40u * MS : 300u * MS));
        if (what < 4 && n_open < N_OPEN) {
            (void)jb_meter_begin(m, &win[n_open++]);
        } else if (what < 7 && n_open > 0) {
            size_t i = jb_rng_below(&w.rng, n_open);
            struct jb_joules j = jb_meter_end(m, &win[i]);
            (void)judge(&w, &win[i], &j, t);
            win[i] = win[--n_open];
        } else if (what < 9) {
            jb_meter_poll(m);
        } else {
            break_once(&w, m);
        }
    }
    jb_meter_close(m);
    close_world(&w);
}

static void many_windows(void **state)
{
    (void)state;
    struct tally t = {0}, f = {0};
    for (uint64_t seed = 1; seed <= 120; seed++) random_windows(seed, &t, false);
    for (uint64_t seed = 1; seed <= 60; seed++) random_windows(1000 + seed, &f, true);
    print_message("%" PRIu64 " windows held the truth (half-width %.2g on average), %" PRIu64 " refused, %" PRIu64 " wraps; with failing readings %" PRIu64 " and %" PRIu64 "\n", t.held,
                  t.half_widths / (double)t.held, t.refused, t.wrapped, f.held, f.refused);
    assert_true(t.held > 1000 && t.held > t.refused && t.wrapped > 100);
    assert_true(f.held > 200 && f.refused > 50);
}

// Long enough windows on a fast counter are known to a percent: what the issue asks of a second.
static void update_period_is_found_and_bounds_are_tight(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        struct tally t = {0};
        make_world(&w, seed, MS, 20, 30);
        w.ceiling_w = 120;
        struct jb_meter *m = open_meter(&w);
        struct jb_meter_facts facts;
        struct jb_window win;
        jb_meter_facts(m, &facts);
        assert_true(facts.update_ns >= MS && facts.update_ns < 2 * MS);
        assert_true(facts.read_ns > 0);
        for (int k = 0; k < 20; k++) {
            world_sleep(&w, jb_rng_below(&w.rng, 5 * MS));
            assert_int_equal(jb_meter_begin(m, &win), 0);
            for (int p = 0; p < 4; p++) {
                world_sleep(&w, 50u * MS);
                jb_meter_poll(m);
            }
            struct jb_joules j = jb_meter_end(m, &win);
            assert_true(judge(&w, &win, &j, &t));
            // An update period at either end at the real 20 to 30 W of 200 ms: 0.75 %, and the jitter; not the 5 % of the ceiling.
            if ((j.upper_uj - j.lower_uj) / 2 > 0.012 * j.uj) fail_msg("half-width %.4f of the figure", (j.upper_uj - j.lower_uj) / 2 / j.uj);
        }
        jb_meter_close(m);
        close_world(&w);
    }
}

// The period of the hardware is the least that is believed: what seems quicker on a few looks was luck.
static void no_shorter_period_than_the_hardware_has(void **state)
{
    (void)state;
    struct world w;
    struct jb_meter_facts facts;
    make_world(&w, 3, MS / 5, 20, 30);
    struct jb_meter *m = open_meter(&w);
    jb_meter_facts(m, &facts);
    assert_int_equal(facts.update_ns, MS);
    jb_meter_close(m);
    close_world(&w);
}

// However the counter stops in a window: a figure is never made of it.
static void frozen_within_a_window(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        struct jb_window win;
        make_world(&w, seed, 20000 + (uint64_t)(seed * 500000), 50, 100);
        struct jb_meter *m = open_meter(&w);
        assert_int_equal(jb_meter_begin(m, &win), 0);
        world_sleep(&w, 20u * MS + jb_rng_below(&w.rng, 100u * MS));
        if (jb_rng_below(&w.rng, 2)) jb_meter_poll(m);
        w.stopped_ns = w.now_ns;
        for (uint64_t polls = jb_rng_below(&w.rng, 3); polls > 0; polls--) {
            world_sleep(&w, jb_rng_below(&w.rng, 60u * MS));
            jb_meter_poll(m);
        }
        world_sleep(&w, 3 * w.update_ns + jb_rng_below(&w.rng, 100u * MS));
        struct jb_joules j = jb_meter_end(m, &win);
        double truth = truth_uj(&w, win.start_ns, j.window_ns);
        if (jb_joules_have(&j) && (j.upper_uj < truth || j.lower_uj > truth)) fail_msg("seed %" PRIu64 ", update %" PRIu64 ": truth %.1f, said [%.1f, %.1f]", seed, w.update_ns, truth, j.lower_uj, j.upper_uj);
        jb_meter_close(m);
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_windows),
        cmocka_unit_test(update_period_is_found_and_bounds_are_tight),
        cmocka_unit_test(no_shorter_period_than_the_hardware_has),
        cmocka_unit_test(frozen_within_a_window),
    };
    return cmocka_run_group_tests_name("truth", tests, NULL, NULL);
}
