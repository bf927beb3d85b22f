// Replay: what a recording gives again, what it refuses, and that nothing in a trace upsets the meter. Then the source none and the relative model.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>
#include "base/fs.h"
#include "power/track.h"
#include "power/trace.h"

#define MS 1000000u
#define S 1000000000u

// ---- A fabricated package that draws known power: counter brought up to date every ms, in steps of 61 uJ, wrapping.

struct plant {
    struct unit_tree tree;
    struct jb_rng rng;
    int fd;
    uint64_t t_ns, range_uj, next_power_ns;
    double watts, uj;          // now
    double *history;           // energy at each ms since the beginning
    size_t n, room;
};

static void plant_to(struct plant *p, uint64_t t_ns)
{
    while (p->t_ns < t_ns) {
        uint64_t ms_end = (p->t_ns / MS + 1) * MS, to = ms_end < t_ns ? ms_end : t_ns;
        p->uj += p->watts * 1e-3 * (double)(to - p->t_ns);
        p->t_ns = to;
        if (to != ms_end) continue;
        assert_true(p->n < p->room);
        p->history[p->n++] = p->uj;
        if (p->t_ns >= p->next_power_ns) {
            p->watts = jb_rng_below(&p->rng, 5) ? 90 * jb_rng_unit(&p->rng) + 1 : 100;
            p->next_power_ns = p->t_ns + jb_rng_below(&p->rng, 300 * MS);
        }
        char text[32];
        uint64_t shown = (uint64_t)(p->uj / 61) * 61 % (p->range_uj + 61);
        int n = snprintf(text, sizeof text, "%" PRIu64, shown > p->range_uj ? p->range_uj : shown);
        assert_int_equal(pwrite(p->fd, text, (size_t)n, 0), n);
        assert_int_equal(ftruncate(p->fd, n), 0);
    }
}

static uint64_t plant_now(void *self)
{
    struct plant *p = self;
    plant_to(p, p->t_ns + 20000);
    return p->t_ns;
}

static void plant_sleep(void *self, uint64_t ns)
{
    struct plant *p = self;
    plant_to(p, p->t_ns + ns);
}

// True energy at a time, interpolated within its ms by the power of that ms.
static double truth_at(const struct plant *p, uint64_t t_ns)
{
    size_t ms = t_ns / MS;
    assert_true(ms >= 1 && ms < p->n); // history[k] is the energy at ms k + 1
    double before = p->history[ms - 1], after = p->history[ms];
    return before + (after - before) * ((double)(t_ns % MS) / MS);
}

static void plant_open(struct plant *p, uint64_t seed, uint64_t range_uj)
{
    char path[256];
    memset(p, 0, sizeof *p);
    jb_rng_seed(&p->rng, seed);
    p->range_uj = range_uj;
    p->watts = 40;
    p->room = 200000;
    p->history = malloc(p->room * sizeof *p->history);
    assert_non_null(p->history);
    unit_tree_open(&p->tree);
    unit_zone(&p->tree, PKG0, "package-0", 0, range_uj);
    unit_path(&p->tree, PKG0 "/energy_uj", path);
    p->fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(p->fd >= 0);
    plant_to(p, 3 * MS);
}

static void plant_close(struct plant *p)
{
    close(p->fd);
    free(p->history);
    unit_tree_close(&p->tree);
}

static struct jb_meter *open_meter(const struct jb_power_opts *o)
{
    struct jb_meter *m;
    struct jb_err err = {0};
    if (jb_meter_open(&m, o, &err)) fail_msg("%s", err.detail);
    return m;
}

static void holds(const struct plant *p, const struct jb_joules *j, uint64_t from_ns, uint64_t to_ns, const char *what)
{
    double truth = truth_at(p, to_ns) - truth_at(p, from_ns);
    if (!(j->lower_uj <= truth + 1 && truth <= j->upper_uj + 1)) fail_msg("%s: truth %.1f uJ outside [%.1f, %.1f]", what, truth, j->lower_uj, j->upper_uj);
    assert_true(j->lower_uj <= j->uj && j->uj <= j->upper_uj);
}

// Records a live meter on the plant: windows and polls for `seconds`. Returns the number of figures; the windows of the live meter hold the truth as well.
static int record_plant(struct plant *p, const char *path, double seconds)
{
    struct jb_power_opts o = {.source = "powercap", .root = p->tree.root, .max_power_w = 100, .record = path, .clock = {plant_now, plant_sleep, p}};
    struct jb_meter *m = open_meter(&o);
    struct jb_err err = {0};
    int figures = 0;
    uint64_t end = p->t_ns + (uint64_t)(seconds * 1e9);
    while (p->t_ns < end) {
        struct jb_window w;
        assert_int_equal(jb_meter_begin(m, &w), 0);
        for (uint64_t polls = jb_rng_below(&p->rng, 4); polls > 0; polls--) {
            plant_sleep(p, jb_rng_below(&p->rng, 100 * MS));
            jb_meter_poll(m);
        }
        plant_sleep(p, 20 * MS + jb_rng_below(&p->rng, 200 * MS));
        struct jb_joules j = jb_meter_end(m, &w);
        if (!jb_joules_have(&j)) fail_msg("%s", j.reason);
        holds(p, &j, w.start_ns, w.start_ns + j.window_ns, "live");
        figures++;
    }
    int rc = jb_meter_record_end(m, &err);
    if (rc) fail_msg("%s", err.detail);
    jb_meter_close(m);
    return figures;
}

static struct jb_trace *read_trace(const char *path)
{
    struct jb_trace *t;
    struct jb_err err = {0};
    if (jb_trace_read(&t, path, &err)) fail_msg("%s", err.detail);
    return t;
}

struct tally { int held, refused; uint64_t wraps; double widest_uj; };

// Windows anywhere in a recording, on another clock: the bounds hold the true joules of the recorded time, or there is a reason.
static void replay_windows(struct plant *p, const char *path, struct tally *tally)
{
    struct jb_trace *t = read_trace(path);
    struct jb_fake_clock clock = {.t_ns = 7 * (uint64_t)S};
    struct jb_power_opts o = {.source = "replay", .trace = path, .max_power_w = 100, .clock = jb_clock_fake(&clock)};
    struct jb_meter *m = open_meter(&o);
    uint64_t lasts_ns = t->last_ns - t->start_ns;
    while (clock.t_ns < 4 * (uint64_t)S + lasts_ns) {
        struct jb_window w;
        clock.t_ns += jb_rng_below(&p->rng, S);
        (void)jb_meter_begin(m, &w); // behind a failure it complains; readings still to come may save the window
        clock.t_ns += 100 * MS + jb_rng_below(&p->rng, 2 * (uint64_t)S);
        struct jb_joules j = jb_meter_end(m, &w);
        if (!jb_joules_have(&j)) {
            assert_true(j.reason[0] && isnan(j.uj));
            tally->refused++;
            continue;
        }
        assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
        uint64_t from = t->start_ns + (w.start_ns - 7 * (uint64_t)S);
        holds(p, &j, from, from + j.window_ns, "replay");
        tally->widest_uj = fmax(tally->widest_uj, j.upper_uj - j.lower_uj);
        tally->wraps += j.wraps;
        tally->held++;
    }
    jb_meter_close(m);
    jb_trace_close(t);
}

// The counter wraps every second or so.
static void a_recording_gives_the_same_joules(void **state)
{
    (void)state;
    struct plant p;
    struct tally t = {0};
    char path[256];
    plant_open(&p, 11, 61 * (100000000 / 61)); // 100 J
    unit_path(&p.tree, "trace.txt", path);
    record_plant(&p, path, 20);
    plant_to(&p, p.t_ns + 10 * MS);
    for (int round = 0; round < 25; round++) replay_windows(&p, path, &t);
    print_message("%d windows held, %d refused, %" PRIu64 " wraps\n", t.held, t.refused, t.wraps);
    assert_true(t.held > 200 && t.refused < t.held / 20 && t.wraps > 40 && t.widest_uj < 60e6); // two gaps of at most 0.3 s at 100 W
    plant_close(&p);
}

// Some lines are taken out, so that readings come late, in runs of up to seconds; others become failures. The header stays.
static void spoil(struct jb_rng *rng, const char *from, const char *to)
{
    char *text;
    size_t n;
    struct jb_str b = {0};
    assert_int_equal(jb_read_file(from, 1 << 24, &text, &n, NULL), 0);
    char *data = strstr(text, "\nbegin_ns");
    assert_non_null(data);
    data = strchr(data + 1, '\n') + 1;
    jb_str_addn(&b, text, (size_t)(data - text));
    uint64_t skip = 0, kept = 0;
    for (char *next; *data; data = next) {
        next = strchr(data, '\n') + 1;
        if (kept++ > 2 && skip == 0 && jb_rng_below(rng, 25) == 0) skip = 1 + jb_rng_below(rng, jb_rng_below(rng, 3) ? 8 : 150);
        if (skip > 0) {
            skip--;
            continue;
        }
        bool fails = kept > 2 && jb_rng_below(rng, 60) == 0;
        size_t keep = (size_t)(fails ? strstr(data, ",0,") + 3 - data : next - data);
        jb_str_addn(&b, data, keep);
        if (fails) jb_str_add(&b, "!EINVAL\n");
    }
    free(text);
    assert_int_equal(jb_write_file_atomic(to, b.s, b.len, NULL), 0);
    jb_str_free(&b);
}

static void a_spoiled_recording_holds_or_refuses(void **state)
{
    (void)state;
    struct plant p;
    struct tally t = {0};
    char path[256], spoiled[256];
    plant_open(&p, 13, 61 * (100000000 / 61));
    unit_path(&p.tree, "trace.txt", path);
    unit_path(&p.tree, "spoiled.txt", spoiled);
    record_plant(&p, path, 20);
    plant_to(&p, p.t_ns + 10 * MS);
    for (int round = 0; round < 60; round++) {
        spoil(&p.rng, path, spoiled);
        replay_windows(&p, spoiled, &t);
    }
    print_message("%d windows held, %d refused, %" PRIu64 " wraps\n", t.held, t.refused, t.wraps);
    assert_true(t.held > 150 && t.refused > 50 && t.wraps > 50);
    plant_close(&p);
}

// A replay that is recorded is the same recording: readings byte for byte, times by the same distances.
static void a_replay_recorded_is_the_recording(void **state)
{
    (void)state;
    struct plant p;
    char path[256], again[256];
    plant_open(&p, 12, RANGE_UJ);
    unit_path(&p.tree, "trace.txt", path);
    unit_path(&p.tree, "again.txt", again);
    record_plant(&p, path, 2);
    struct jb_trace *a = read_trace(path);
    struct jb_fake_clock clock = {.t_ns = 7 * (uint64_t)S};
    struct jb_power_opts o = {.source = "replay", .trace = path, .record = again, .clock = jb_clock_fake(&clock)};
    struct jb_meter *m = open_meter(&o);
    while (clock.t_ns < 7 * (uint64_t)S + (a->last_ns - a->start_ns)) {
        clock.t_ns += jb_rng_below(&p.rng, 300 * MS);
        if (clock.t_ns > 7 * (uint64_t)S + (a->last_ns - a->start_ns)) clock.t_ns = 7 * (uint64_t)S + (a->last_ns - a->start_ns);
        jb_meter_poll(m);
    }
    jb_meter_close(m);
    struct jb_trace *b = read_trace(again);
    assert_string_equal(b->head.name, "replay");
    assert_non_null(strstr(b->head.remark, "recorded from powercap at "));
    // The first reading was taken while the meter opened, before its recording began.
    size_t n = jb_trace_count(b, 0), skipped = jb_trace_count(a, 0) - n;
    assert_true(n > 50 && skipped <= 1);
    for (size_t i = 0; i < n; i++) {
        struct jb_reading x, y;
        jb_trace_reading(a, 0, i + skipped, &x);
        jb_trace_reading(b, 0, i, &y);
        assert_string_equal(x.text, y.text);
        assert_int_equal(x.count, y.count);
        assert_int_equal(x.begin_ns - a->start_ns, y.begin_ns - 7 * (uint64_t)S);
        assert_int_equal(x.end_ns - a->start_ns, y.end_ns - 7 * (uint64_t)S);
    }
    jb_trace_close(a);
    jb_trace_close(b);
    plant_close(&p);
}

// ---- Traces written by hand

static const char header[] = JB_TRACE_MAGIC "\n# source name=\"powercap\" class=measured root=\"/sys/class/powercap\" remark=\"vouched for\" realtime_ns=1700000000000000000\n"
                             "# channel 0 kind=energy control_type=\"intel-rapl\" name=\"package-0\" parent=-1 has_counter unit=1 range=262143328850 ceiling_w=100 update_ns=1000000 never_rests\n"
                             "# channel 1 kind=energy control_type=\"intel-rapl\" name=\"dram\" parent=0 has_counter unit=1 range=65712999613 ceiling_w=100 update_ns=1000000\n"
                             "# channel 2 kind=energy control_type=\"intel-rapl\" name=\"core\" parent=0 has_counter unit=1 range=262143328850 ceiling_w=100 update_ns=1000000\n"
                             "# channel 3 kind=energy control_type=\"intel-rapl\" name=\"psys\" parent=-1 has_counter unit=1 range=262143328850 ceiling_w=100 update_ns=1000000\n" JB_TRACE_COLUMNS "\n";

struct rig {
    struct unit_tree dir;
    char path[256];
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_meter *meter;
    struct jb_window w;
};

static void rig_put(struct rig *r, const char *head, const char *data)
{
    char *text;
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->dir);
    assert_true(asprintf(&text, "%s%s", head, data) >= 0);
    unit_put(&r->dir, "trace.txt", text);
    free(text);
    unit_path(&r->dir, "trace.txt", r->path);
    r->clock = (struct jb_fake_clock){.t_ns = 5 * (uint64_t)S};
    r->opts = (struct jb_power_opts){.source = "replay", .trace = r->path, .clock = jb_clock_fake(&r->clock)};
}

static void rig_open(struct rig *r, const char *data)
{
    rig_put(r, header, data);
    r->meter = open_meter(&r->opts);
}

static void rig_close(struct rig *r)
{
    jb_meter_close(r->meter);
    unit_tree_close(&r->dir);
}

// A window from `from_ms` to `to_ms` behind the opening. Each must begin well behind the one before, whose end has waited for a reading.
static struct jb_joules window(struct rig *r, unsigned from_ms, unsigned to_ms)
{
    assert_true(r->clock.t_ns <= 5 * (uint64_t)S + (uint64_t)from_ms * MS);
    r->clock.t_ns = 5 * (uint64_t)S + (uint64_t)from_ms * MS;
    (void)jb_meter_begin(r->meter, &r->w);
    r->clock.t_ns = 5 * (uint64_t)S + (uint64_t)to_ms * MS;
    return jb_meter_end(r->meter, &r->w);
}

static void refused(const struct jb_joules *j, const char *says)
{
    assert_int_equal(j->cls, JB_ENERGY_NONE);
    assert_true(isnan(j->uj) && isnan(j->lower_uj) && isnan(j->upper_uj));
    if (!strstr(j->reason, says)) fail_msg("\"%s\", not \"%s\"", j->reason, says);
}

static void figure(const struct jb_joules *j, double uj, double within_uj)
{
    if (!jb_joules_have(j)) fail_msg("%s", j->reason);
    if (!(j->lower_uj <= uj && uj <= j->upper_uj) || fabs(j->uj - uj) > within_uj || j->upper_uj - j->lower_uj > 2.5 * within_uj)
        fail_msg("%.0f uJ [%.0f, %.0f], not %.0f +- %.0f", j->uj, j->lower_uj, j->upper_uj, uj, within_uj);
}

// Readings of the package (10 W) and of the memory (1 W) every 100 ms. Times are of the trace, which begins with second 1.
struct build { struct jb_str text; unsigned ms; uint64_t count[2]; };

static void line(struct build *b, int channel, const char *reading)
{
    jb_str_addf(&b->text, "%" PRIu64 ",%" PRIu64 ",%d,%s\n", (uint64_t)S + (uint64_t)b->ms * MS, (uint64_t)S + (uint64_t)b->ms * MS, channel, reading);
}

// One round: NULL: the counter as it stands; "": no reading; else this instead of it.
static void round_of(struct build *b, const char *package, const char *dram)
{
    const char *instead[2] = {package, dram};
    char text[32];
    for (int c = 0; c < 2; c++) {
        snprintf(text, sizeof text, "%" PRIu64, b->count[c]);
        if (!instead[c] || instead[c][0]) line(b, c, instead[c] ? instead[c] : text);
    }
    b->ms += 100;
    b->count[0] = (b->count[0] + 1000000) % (RANGE_UJ + (uint64_t)1);
    b->count[1] += 100000;
}

static void ramp(struct build *b, unsigned to_ms)
{
    while (b->ms <= to_ms) round_of(b, NULL, NULL);
}

static void play(struct rig *r, struct build *b)
{
    rig_open(r, jb_str_get(&b->text));
    jb_str_free(&b->text);
}

static void plays_as_time_goes_by(void **state)
{
    (void)state;
    struct rig r;
    struct build b = {.count = {5000, 100}};
    ramp(&b, 2000);
    play(&r, &b);
    assert_string_equal(jb_meter_source(r.meter), "replay");
    assert_string_equal(jb_meter_root(r.meter), r.path);
    struct jb_meter_facts facts;
    jb_meter_facts(r.meter, &facts);
    assert_string_equal(facts.remark, "recorded from powercap at /sys/class/powercap on 2023-11-14T22:13:20Z; vouched for");
    assert_string_equal(facts.domains, "package-0 dram-0");
    assert_non_null(strstr(facts.left_out, "core-0 (within its package)"));
    assert_non_null(strstr(facts.left_out, "psys (spans all)"));
    assert_int_equal(facts.cls, JB_ENERGY_REPLAYED);
    assert_true(facts.ceiling_w == 200);
    struct jb_joules j = window(&r, 0, 200); // both ends at readings: an update period at 100 W and a step, for two zones at each end
    figure(&j, 2200000, 420000);
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    assert_string_equal(j.domains, "package-0 dram-0");
    assert_int_equal(j.window_ns, 200 * MS);
    assert_int_equal(j.update_ns, MS);
    assert_true(r.clock.t_ns >= 5 * (uint64_t)S + 300 * MS); // it waited for the reading behind the end
    j = window(&r, 750, 950); // between readings: bounds reach from one to the other
    figure(&j, 2200000, 1000000);
    j = window(&r, 1850, 2050); // its end lies behind the last reading
    refused(&j, "the trace is over: it lasts 2.000 s");
    j = window(&r, 2100, 2500);
    refused(&j, "the trace is over");
    assert_int_not_equal(jb_meter_begin(r.meter, &r.w), 0);
    rig_close(&r);
}

// Channels are read one behind the other: those that are not summed come last, and have figures too.
static void every_channel_has_its_figure(void **state)
{
    (void)state;
    static const unsigned watts[4] = {10, 1, 7, 13};
    struct rig r;
    struct jb_joules parts[4];
    struct jb_str b = {0};
    for (uint64_t round = 0; round <= 20; round++)
        for (uint64_t c = 0; c < 4; c++) {
            uint64_t t_ns = S + round * 100 * MS + c * 3000;
            jb_str_addf(&b, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", t_ns, t_ns + 2000, c, round * watts[c] * 100000);
        }
    rig_open(&r, jb_str_get(&b));
    jb_str_free(&b);
    for (unsigned from_ms = 0; from_ms <= 1300; from_ms += 650) { // the first at the moment of the opening: a round of readings is there
        r.clock.t_ns = 5 * (uint64_t)S + from_ms * MS;
        assert_int_equal(jb_meter_begin(r.meter, &r.w), 0);
        r.clock.t_ns += 300 * MS;
        struct jb_joules j = jb_meter_end_parts(r.meter, &r.w, parts, 4);
        figure(&j, 3300000, 1400000);
        for (size_t c = 0; c < 4; c++) figure(&parts[c], 0.3e6 * watts[c], 0.13e6 * watts[c]);
    }
    rig_close(&r);
}

static void wraps_and_missing_readings(void **state)
{
    (void)state;
    struct rig r;
    struct build b = {.count = {262143328000, 0}};
    ramp(&b, 900);
    round_of(&b, "!EINVAL", NULL);
    ramp(&b, 2000);
    b.count[0] -= 5000000;
    ramp(&b, 3000);
    play(&r, &b);
    struct jb_joules j = window(&r, 0, 200);
    figure(&j, 2200000, 420000); // 850 to the end of the range, the rest behind it
    assert_int_equal(j.wraps, 1);
    j = window(&r, 750, 950);
    refused(&j, "package-0: not a number");
    j = window(&r, 1300, 1500);
    figure(&j, 2200000, 420000);
    assert_int_equal(j.wraps, 0);
    j = window(&r, 1950, 2150);
    refused(&j, "ran backwards");
    j = window(&r, 2500, 2700);
    figure(&j, 2200000, 420000);
    rig_close(&r);
}

// A counter that wraps every 2 s at its ceiling, read once after 5: how often it wrapped cannot be known.
static void late_readings(void **state)
{
    (void)state;
    static const char small[] = JB_TRACE_MAGIC "\n# source name=\"powercap\" class=measured realtime_ns=0\n"
                                "# channel 0 kind=energy control_type=\"x\" name=\"box\" parent=-1 has_counter unit=1 range=200000000 ceiling_w=100 update_ns=1000000\n" JB_TRACE_COLUMNS "\n";
    struct rig r;
    struct build b = {.count = {0}};
    for (unsigned s = 0; s <= 12; s++) {
        char text[32];
        snprintf(text, sizeof text, "%u", s * 50000000u % 200000001u);
        b.ms = 1000 * s;
        if (s < 2 || s > 5) line(&b, 0, text);
    }
    rig_put(&r, small, jb_str_get(&b.text));
    jb_str_free(&b.text);
    r.meter = open_meter(&r.opts);
    struct jb_joules j = window(&r, 0, 1000);
    figure(&j, 50000000, 500000);
    j = window(&r, 4500, 5500);
    refused(&j, "ambiguous wrap");
    j = window(&r, 8000, 11000);
    figure(&j, 150000000, 500000);
    assert_int_equal(j.wraps, 1); // behind 10 s (window begins with 0 of the range, and ends with 150)
    rig_close(&r);
}

static void denied_and_vanished(void **state)
{
    (void)state;
    struct rig r;
    struct jb_joules parts[4];
    struct build b = {.count = {0, 0}};
    ramp(&b, 500);
    round_of(&b, NULL, "!EACCES");
    ramp(&b, 1500);
    round_of(&b, "!ENODEV,\"unplugged\"", NULL);
    b.count[0] = 1; // it came back
    ramp(&b, 2500);
    play(&r, &b);
    struct jb_joules j = window(&r, 450, 590);
    refused(&j, "dram-0: Permission denied");
    r.clock.t_ns = 5 * (uint64_t)S + 1000 * MS;
    assert_int_equal(jb_meter_begin(r.meter, &r.w), 0);
    r.clock.t_ns += 200 * MS;
    j = jb_meter_end_parts(r.meter, &r.w, parts, 4);
    figure(&j, 2200000, 420000);
    figure(&parts[0], 2000000, 220000);
    refused(&parts[2], ""); // core: never read
    j = window(&r, 1450, 1590);
    refused(&j, "package-0: unplugged");
    j = window(&r, 2000, 2200);
    figure(&j, 2200000, 420000);
    rig_close(&r);
    // Denied from the start: the source does not open.
    struct jb_meter *m;
    struct jb_err err = {0};
    b = (struct build){.ms = 0};
    round_of(&b, "!EACCES", NULL);
    rig_put(&r, header, jb_str_get(&b.text));
    jb_str_free(&b.text);
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_UNAVAILABLE);
    assert_non_null(strstr(err.detail, "package-0: Permission denied"));
    rig_close(&r);
    // A channel that silently has no more readings.
    b = (struct build){.ms = 0};
    ramp(&b, 500);
    while (b.ms <= 2000) round_of(&b, NULL, "");
    play(&r, &b);
    j = window(&r, 600, 800);
    refused(&j, "dram-0: no reading behind the window");
    rig_close(&r);
}

// Samples of power: millivolts and milliamperes, a value that stands beside its text, a failure.
static void power_channels(void **state)
{
    (void)state;
    static const char power[] = JB_TRACE_MAGIC "\n# source name=\"hwmon\" class=integrated realtime_ns=0 sampler_period_ns=50000000\n"
                                "# channel 0 kind=power control_type=\"hwmon\" name=\"VDD_IN\" parent=-1 has_counter unit=1e-06 update_ns=50000000\n" JB_TRACE_COLUMNS "\n";
    struct rig r;
    struct build b = {.ms = 0};
    for (int i = 0; i <= 60; i++, b.ms += 100) line(&b, 0, i == 30 ? "!EIO" : i % 2 ? "\"5000 2000\"" : "\"9.5,x\",=10"); // 10 W
    rig_put(&r, power, jb_str_get(&b.text));
    jb_str_free(&b.text);
    r.meter = open_meter(&r.opts);
    struct jb_joules j = window(&r, 100, 1100);
    figure(&j, 10e6, 0.2e6);
    assert_int_equal(j.cls, JB_ENERGY_REPLAYED);
    j = window(&r, 2500, 3500);
    refused(&j, "VDD_IN: Input/output error");
    j = window(&r, 4000, 4500);
    figure(&j, 5e6, 0.2e6);
    rig_close(&r);
}

static void a_torn_trace_says_so(void **state)
{
    (void)state;
    struct rig r;
    struct jb_meter_facts facts;
    struct build b = {.ms = 0};
    ramp(&b, 1000);
    jb_str_add(&b.text, "2400000000,2");
    play(&r, &b);
    jb_meter_facts(r.meter, &facts);
    assert_non_null(strstr(facts.remark, "its last line was torn"));
    struct jb_joules j = window(&r, 0, 200);
    figure(&j, 2200000, 420000);
    assert_non_null(strstr(j.reason, "torn"));
    rig_close(&r);
}

static const struct jb_power_probe *probe_of(const struct jb_power_probe *p, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].source, name) == 0) return &p[i];
    fail_msg("no row %s", name);
    return NULL;
}

static void probes(void **state)
{
    (void)state;
    struct rig r;
    struct jb_power_probe p[JB_POWER_MAX_SOURCES];
    struct jb_err err = {0};
    struct jb_meter *m;
    size_t n;
    struct build b = {.ms = 0};
    ramp(&b, 100);
    play(&r, &b);
    assert_int_equal(jb_power_probe_all(&r.opts, p, N_ELEMENTS(p), &n), 0);
    const struct jb_power_probe *replay = probe_of(p, n, "replay");
    assert_true(replay->available);
    assert_int_equal(replay->cls, JB_ENERGY_REPLAYED);
    assert_string_equal(replay->path, r.path);
    assert_string_equal(replay->mode, "-rw-r--r--");
    assert_string_equal(replay->domains, "package-0 dram-0");
    assert_non_null(strstr(replay->left_out, "psys (spans all)"));
    assert_true(isnan(replay->read_ns));
    unit_put(&r.dir, "trace.txt", "# joulebench.trace/1\n# zone a 10\n");
    assert_int_equal(jb_power_probe_all(&r.opts, p, N_ELEMENTS(p), &n), 0);
    replay = probe_of(p, n, "replay");
    assert_false(replay->available);
    assert_non_null(strstr(replay->reason, "format 1"));
    assert_true(replay->fix[0] && replay->cls == JB_ENERGY_NONE);
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "trace.txt:1: "));
    assert_int_equal(jb_power_probe_all(&r.opts, p, 2, &n), JB_E_RANGE);
    r.opts.trace = NULL;
    assert_int_equal(jb_power_probe_all(&r.opts, p, N_ELEMENTS(p), &n), 0);
    assert_false(probe_of(p, n, "replay")->available);
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_UNAVAILABLE);
    r.opts.trace = "/nonexistent.txt";
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, "/nonexistent.txt"));
    r.opts.source = "wall";
    assert_int_equal(jb_meter_open(&m, &r.opts, &err), JB_E_NOT_FOUND);
    rig_close(&r);
}

static void auto_takes_the_trace(void **state)
{
    (void)state;
    struct rig r;
    struct build b = {.ms = 0};
    ramp(&b, 100);
    play(&r, &b);
    r.opts.source = "auto";
    r.opts.root = "/nonexistent/root";
    struct jb_meter *m = open_meter(&r.opts);
    assert_string_equal(jb_meter_source(m), "replay");
    jb_meter_close(m);
    rig_close(&r);
}

// ---- Any trace that can be read, on the meter: no crash, and each window has bounds in order or a reason.

// mild: such as a sensor could write.
static void random_line(struct jb_rng *rng, struct jb_str *b, bool mild, size_t n_channels, uint64_t *end_ns, uint64_t *count, uint64_t *t_ns)
{
    static const char *const failures[] = {"!EIO", "!ENODATA", "!EINVAL,\"why\"", "!ENODEV,\"\",\"x\"", "!4095"};
    size_t c = jb_rng_below(rng, n_channels);
    *t_ns += jb_rng_below(rng, 3) ? jb_rng_below(rng, 20 * MS) : jb_rng_below(rng, (mild ? 100 * (uint64_t)MS : 2 * (uint64_t)S));
    uint64_t end = *t_ns + jb_rng_below(rng, MS), begin = jb_rng_below(rng, 10) ? *t_ns : jb_rng_below(rng, *t_ns + 1);
    if (end < end_ns[c]) end = end_ns[c];
    end_ns[c] = end;
    if (begin > end) begin = end;
    count[c] += mild || jb_rng_below(rng, 8) ? jb_rng_below(rng, 2000000) : jb_rng_u64(rng) >> jb_rng_below(rng, 64);
    jb_str_addf(b, "%" PRIu64 ",%" PRIu64 ",%zu,", begin, end, c);
    if (!mild && jb_rng_below(rng, 15) == 0) jb_str_addf(b, "%s\n", failures[jb_rng_below(rng, N_ELEMENTS(failures))]);
    else jb_str_addf(b, "%" PRIu64 "%s\n", count[c], jb_rng_below(rng, 10) ? "" : ",exact");
}

static void random_trace(struct jb_rng *rng, struct jb_str *b)
{
    bool mild = jb_rng_below(rng, 2);
    size_t n = 1 + jb_rng_below(rng, mild ? 2 : 4);
    uint64_t end_ns[4] = {0}, count[4] = {0}, t_ns = jb_rng_below(rng, 5) ? jb_rng_below(rng, S) : jb_rng_u64(rng) >> 2;
    jb_str_addf(b, "%s\n# source name=\"x\" class=measured realtime_ns=0 sampler_period_ns=%" PRIu64 "\n", JB_TRACE_MAGIC, jb_rng_below(rng, 2) ? 0 : jb_rng_below(rng, S));
    for (size_t i = 0; i < n; i++) {
        bool power = jb_rng_below(rng, 3) == 0;
        if (mild) {
            jb_str_addf(b, "# channel %zu kind=%s control_type=\"x\" name=\"c%zu\" parent=-1 unit=%s has_counter update_ns=%s ceiling_w=1000\n", i, power ? "power" : "energy", i, power ? "1e-07" : "1",
                        power ? "200000000" : "1000000");
            continue;
        }
        jb_str_addf(b, "# channel %zu kind=%s control_type=\"%s\" name=\"%s\" parent=%d unit=%.17g", i, power ? "power" : "energy", jb_rng_below(rng, 2) ? "intel-rapl" : "x",
                    jb_rng_below(rng, 2) ? "package-0" : "dram", (int)jb_rng_below(rng, i + 1) - 1, power ? 1e-8 : exp(-10 + 20 * jb_rng_unit(rng)));
        if (jb_rng_below(rng, 8)) jb_str_add(b, " has_counter");
        if (jb_rng_below(rng, 2)) jb_str_addf(b, " range=%" PRIu64, jb_rng_u64(rng) >> jb_rng_below(rng, 64));
        if (jb_rng_below(rng, 2)) jb_str_addf(b, " update_ns=%" PRIu64, jb_rng_below(rng, 3600000000001u) >> jb_rng_below(rng, 30));
        if (jb_rng_below(rng, 2)) jb_str_addf(b, " ceiling_w=%.17g", exp(-10 + 30 * jb_rng_unit(rng)));
        if (jb_rng_below(rng, 4) == 0) jb_str_addf(b, " accuracy=%.17g", 2 * jb_rng_unit(rng));
        if (jb_rng_below(rng, 4) == 0) jb_str_addf(b, " step_uj=%.17g", exp(30 * jb_rng_unit(rng)));
        static const char *const flags[] = {"never_rests", "averaged", "falling"};
        for (size_t f = 0; f < 3; f++)
            if (jb_rng_below(rng, 3) == 0) jb_str_addf(b, " %s", flags[f]);
        jb_str_add(b, "\n");
    }
    jb_str_add(b, JB_TRACE_COLUMNS "\n");
    for (uint64_t k = 1 + jb_rng_below(rng, mild ? 400 : 60); k > 0; k--) random_line(rng, b, mild, n, end_ns, count, &t_ns);
}

static void in_order(const struct jb_joules *j, uint64_t seed)
{
    bool have = jb_joules_have(j);
    if (have && !(isfinite(j->lower_uj) && isfinite(j->upper_uj) && j->lower_uj >= 0 && j->lower_uj <= j->uj && j->uj <= j->upper_uj))
        fail_msg("seed %" PRIu64 ": %g [%g, %g]", seed, j->uj, j->lower_uj, j->upper_uj);
    if (!have && (!j->reason[0] || !isnan(j->uj))) fail_msg("seed %" PRIu64 ": no figure and no reason", seed);
}

static void any_trace_on_the_meter(void **state)
{
    (void)state;
    struct rig r;
    struct jb_rng rng;
    uint32_t opened = 0, figures = 0, reasons = 0;
    rig_put(&r, "", "");
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct jb_str b = {0};
        struct jb_err err = {0};
        struct jb_joules parts[4];
        jb_rng_seed(&rng, seed);
        random_trace(&rng, &b);
        unit_put(&r.dir, "trace.txt", jb_str_get(&b));
        jb_str_free(&b);
        r.clock = (struct jb_fake_clock){.t_ns = jb_rng_below(&rng, 2) ? 0 : 100 * (uint64_t)S, .step_ns = jb_rng_below(&rng, 3) * 1000};
        r.meter = NULL;
        int rc = jb_meter_open(&r.meter, &r.opts, &err);
        if (rc) {
            if (rc != JB_E_UNAVAILABLE) fail_msg("seed %" PRIu64 ": %s", seed, err.detail);
            continue;
        }
        opened++;
        for (int k = 0; k < 6; k++) {
            r.clock.t_ns += jb_rng_below(&rng, 2) ? jb_rng_below(&rng, S) : 0;
            (void)jb_meter_begin(r.meter, &r.w);
            for (uint64_t polls = jb_rng_below(&rng, 3); polls > 0; polls--) {
                r.clock.t_ns += jb_rng_below(&rng, S);
                jb_meter_poll(r.meter);
            }
            r.clock.t_ns += jb_rng_below(&rng, 300 * MS);
            size_t n = jb_meter_n_channels(r.meter);
            struct jb_joules j = jb_meter_end_parts(r.meter, &r.w, parts, 4);
            in_order(&j, seed);
            for (size_t i = 0; i < n; i++) in_order(&parts[i], seed);
            *(jb_joules_have(&j) ? &figures : &reasons) += 1;
        }
        jb_meter_close(r.meter);
    }
    print_message("%u opened, %u figures, %u reasons\n", opened, figures, reasons);
    assert_true(opened > 500 && figures > 300 && reasons > 300);
    unit_tree_close(&r.dir);
}

// ----

static void none_is_never_zero(void **state)
{
    (void)state;
    struct jb_power_opts o = {.source = "none"};
    struct jb_window w;
    struct jb_meter *m = open_meter(&o);
    assert_int_equal(jb_meter_begin(m, &w), 0);
    jb_meter_poll(m);
    struct jb_joules j = jb_meter_end(m, &w);
    assert_int_equal(j.cls, JB_ENERGY_NONE);
    assert_true(isnan(j.uj) && isnan(j.lower_uj) && isnan(j.upper_uj) && j.reason[0]);
    assert_string_equal(jb_meter_source(m), "none");
    jb_meter_close(m);
    jb_meter_close(NULL);
}

static void relative_model(void **state)
{
    (void)state;
    struct jb_model_work full = {.macs_f32 = 20e6, .bytes = 2e6}, early = {.macs_int8 = 1e6, .bytes = 1e5}, nothing = {0};
    assert_true(jb_modelled_relative(&full, &full) == 1.0);
    double x = jb_modelled_relative(&early, &full);
    assert_true(fabs(x - (0.3e6 + 12.5e5) / (92e6 + 25e6 - 0)) < 0.02 && x > 0);
    assert_true(isnan(jb_modelled_relative(&nothing, &full)) && isnan(jb_modelled_relative(&full, &nothing)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recording_gives_the_same_joules), cmocka_unit_test(a_spoiled_recording_holds_or_refuses),
        cmocka_unit_test(a_replay_recorded_is_the_recording), cmocka_unit_test(plays_as_time_goes_by), cmocka_unit_test(every_channel_has_its_figure),
        cmocka_unit_test(wraps_and_missing_readings), cmocka_unit_test(late_readings), cmocka_unit_test(denied_and_vanished), cmocka_unit_test(power_channels),
        cmocka_unit_test(a_torn_trace_says_so), cmocka_unit_test(probes), cmocka_unit_test(auto_takes_the_trace), cmocka_unit_test(any_trace_on_the_meter),
        cmocka_unit_test(none_is_never_zero), cmocka_unit_test(relative_model),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
