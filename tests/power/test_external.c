// The source external: an outside meter's lines in files and FIFOs. The rig's clock is a fake one, so stamps are of that clock unless a test sets a CLOCK_REALTIME of its own.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/external.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define START 100000000000003u // fine stamps: not whole microseconds

struct rig {
    struct unit_tree tree;
    struct jb_fake_clock clock;
    struct jb_power_opts opts;
    struct jb_source source;
    struct jb_meter *meter;
    char path[256];
    void *impl;
    int to; // a FIFO's writing end
};

static void rig_make(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->tree);
    unit_path(&r->tree, "meter.csv", r->path);
    r->clock = (struct jb_fake_clock){.t_ns = START};
    r->opts = (struct jb_power_opts){.source = "external", .external = r->path, .clock = jb_clock_fake(&r->clock)};
    r->to = -1;
}

static void append(struct rig *r, const char *text)
{
    int fd = open(r->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void say(struct rig *r, const char *text)
{
    assert_int_equal(write(r->to, text, strlen(text)), strlen(text));
}

__attribute__((format(printf, 3, 4))) static void line(struct rig *r, uint64_t stamp, const char *format, ...)
{
    char value[64], text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%" PRIu64 ",%s\n", stamp, value);
    if (r->to >= 0) say(r, text);
    else append(r, text);
}

static void rig_open(struct rig *r)
{
    struct jb_err err = {0};
    if (jb_source_external.open(&r->impl, &r->opts, &r->source, &err) != 0) fail_msg("open: %s", err.detail);
}

static void rig_fifo(struct rig *r)
{
    assert_int_equal(mkfifo(r->path, 0644), 0);
}

static void connect_writer(struct rig *r)
{
    r->to = open(r->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(r->to >= 0);
}

static void rig_close(struct rig *r)
{
    if (r->impl) jb_source_external.close(r->impl);
    jb_meter_close(r->meter);
    if (r->to >= 0) close(r->to);
    unit_tree_close(&r->tree);
}

static struct jb_external_counts counts_of(const struct rig *r)
{
    struct jb_external_counts c;
    jb_external_counts(r->impl, &c);
    return c;
}

static bool next(struct rig *r, struct jb_reading *out)
{
    return jb_source_external.read(r->impl, 0, out);
}

#define expect_watts(r, stamp, watts, more) expect_watts_at(r, stamp, watts, more, __LINE__)
static void expect_watts_at(struct rig *r, uint64_t stamp, double watts, bool more, int at)
{
    struct jb_reading x;
    bool m = next(r, &x);
    if (x.errnum) fail_msg("errno %d: %s", x.errnum, x.why);
    assert_int_equal(x.begin_ns, stamp);
    assert_int_equal(x.end_ns, stamp);
    assert_true(x.exact);
    assert_float_equal(x.watts, watts, 1e-9);
    if (m != more) fail_msg("line %d: %s waits", at, m ? "another one" : "none");
}

static struct jb_reading expect_nothing(struct rig *r)
{
    struct jb_reading x;
    assert_false(next(r, &x));
    assert_int_equal(x.errnum, EAGAIN);
    return x;
}

static void lines_are_parsed_strictly(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t stamp, micro; int digits; } good[] = {
        {"1,2", 1, 2000000, 0}, {"1763830000123456789,12.5", 1763830000123456789, 12500000, 1}, {"1,0.000001", 1, 1, 6}, {"1,0.0000019", 1, 1, 6}, {"0,0", 0, 0, 0},
        {"1,1000000000000.999999", 1, 1000000000000999999, 6}, {"9223372036854775807,1\r", INT64_MAX, 1000000, 0},
    };
    static const char *const bad[] = {"1", "1,", ",1", "1,2,3", "1 ,2", "1, 2", " 1,2", "1,-2", "-1,2", "+1,2", "1,2.", "1,.5", "1,1e3", "1,nan", "1,inf", "1,0x1", "01,2", "1,02", "1,2 W", "1,1.2.3",
                                      "9223372036854775808,1", "99999999999999999999,1", "1,1000000000001", "1;2", "timestamp_ns,Watts", "timestamp_ns,watts ", "1,2\r\r", "1.5,2", "1,1\n", "1\n,1"};
    struct jb_external_line l;
    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        jb_external_parse(good[i].text, strlen(good[i].text), &l);
        if (l.kind != JB_EXTERNAL_VALUE || l.stamp_ns != good[i].stamp || l.micro != good[i].micro || l.digits != good[i].digits) fail_msg("%s", good[i].text);
    }
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        jb_external_parse(bad[i], strlen(bad[i]), &l);
        if (l.kind != JB_EXTERNAL_GARBAGE) fail_msg("%s", bad[i]);
    }
    jb_external_parse("1,2\0", 4, &l); // a NUL
    assert_int_equal(l.kind, JB_EXTERNAL_GARBAGE);
    jb_external_parse("timestamp_ns,watts\r", 19, &l);
    assert_int_equal(l.kind, JB_EXTERNAL_WATTS_HEADER);
    jb_external_parse("timestamp_ns,joules", 19, &l);
    assert_int_equal(l.kind, JB_EXTERNAL_JOULES_HEADER);
    jb_external_parse("# anything", 10, &l);
    assert_int_equal(l.kind, JB_EXTERNAL_EMPTY);
    jb_external_parse("", 0, &l);
    assert_int_equal(l.kind, JB_EXTERNAL_EMPTY);
}

static void a_file_is_followed(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n# a wall plug\n");
    for (int i = 5; i >= 1; i--) line(&r, START - (uint64_t)i * 100 * MS, "%d.5", 20 + i);
    rig_open(&r);
    assert_int_equal(r.source.cls, JB_ENERGY_INTEGRATED);
    assert_int_equal(r.source.channel[0].kind, JB_CHANNEL_POWER);
    assert_int_equal(r.source.channel[0].update_ns, 100 * MS);
    assert_int_equal(r.source.sampler_period_ns, 500 * MS);
    assert_int_equal(r.source.settle_most_ns, 650 * MS);
    assert_true(r.source.stream);
    assert_float_equal(r.source.channel[0].step_uj, 100000, 1e-6); // tenths of a watt
    assert_string_equal(r.source.channel[0].zone.label, "meter");
    assert_true(r.source.channel[0].zone.summed);
    expect_watts(&r, START - 100 * MS, 21.5, false); // of what was there before, the last
    expect_nothing(&r);
    line(&r, START, "30");
    line(&r, START + 50 * MS, "31");
    append(&r, "100000"); // half a line
    r.clock.t_ns = START + 60 * MS;
    expect_watts(&r, START, 30, true);
    expect_watts(&r, START + 50 * MS, 31, false);
    expect_nothing(&r);
    append(&r, "100000003,32.25\r\n"); // the rest of it: 100000.100000003 s
    r.clock.t_ns = START + 200 * MS;
    expect_watts(&r, START + 100 * MS, 32.25, false);
    assert_int_equal(counts_of(&r).values, 4);
    assert_int_equal(counts_of(&r).garbage, 0);
    rig_close(&r);
}

static void joules_are_a_counter(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,joules\n");
    line(&r, START - SECOND, "1234.56");
    rig_open(&r);
    assert_int_equal(r.source.cls, JB_ENERGY_MEASURED);
    assert_string_equal(r.source.root, r.path);
    const struct jb_channel *c = r.source.channel;
    assert_int_equal(c->kind, JB_CHANNEL_ENERGY);
    assert_true(c->unit == 1);
    assert_float_equal(c->step_uj, 10000, 1e-9); // the last digit it shows
    struct jb_reading x;
    assert_false(next(&r, &x));
    assert_int_equal(x.count, 1234560000);
    assert_string_equal(x.text, "1234560000");
    rig_close(&r);
}

static void an_old_recording_is_replayed(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,joules\n");
    for (int i = 0; i < 5; i++) line(&r, START - 3600 * SECOND + (uint64_t)i * SECOND, "%d", i);
    rig_open(&r);
    assert_int_equal(r.source.cls, JB_ENERGY_REPLAYED);
    expect_nothing(&r); // an hour ago says nothing of now
    rig_close(&r);
    rig_make(&r); // one line every 10 s: 12 s ago is fresh
    for (int i = 5; i >= 1; i--) line(&r, START - (uint64_t)i * 10 * SECOND - 2 * SECOND, "%d", 5 - i);
    r.opts.external_joules = true; // no header
    rig_open(&r);
    assert_int_equal(r.source.cls, JB_ENERGY_MEASURED);
    assert_int_equal(r.source.settle_most_ns, 3 * SECOND);
    assert_non_null(strstr(r.source.remark, "a line every 10 s only"));
    rig_close(&r);
}

static void bad_lines_are_dropped_and_counted(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    rig_open(&r);
    struct jb_reading x = expect_nothing(&r);
    assert_string_equal(x.why, "no line yet");
    append(&r, "hello\n1,2,3\n\x1b[31m,\"1\n");
    r.clock.t_ns = START + 100 * SECOND;
    x = expect_nothing(&r);
    assert_string_equal(x.why, "no valid line yet, 3 dropped, the last \"?[31m,?1\"");
    char big[700];
    memset(big, '7', sizeof big);
    big[sizeof big - 1] = 0;
    for (int i = 0; i < 30; i++) append(&r, big); // 20 kB without a newline
    append(&r, "\n");
    for (uint64_t i = 1; i <= 6; i++) line(&r, START + i * SECOND, "10");
    line(&r, START + 6 * SECOND, "11");       // twice the same
    line(&r, START + 5 * SECOND, "11");       // backwards
    line(&r, START + 11 * SECOND + 1, "12");  // a gap of more than 4 periods
    line(&r, START + 200 * SECOND, "13");     // the future
    line(&r, START + 12 * SECOND, "14");
    snprintf(big, sizeof big, "%0200d\n", 1); // an overlong line that is whole
    append(&r, big);
    line(&r, START + 13 * SECOND, "15");
    for (uint64_t i = 1; i <= 6; i++) expect_watts(&r, START + i * SECOND, 10, true);
    expect_watts(&r, START + 11 * SECOND + 1, 12, true);
    expect_watts(&r, START + 12 * SECOND, 14, true);
    expect_watts(&r, START + 13 * SECOND, 15, false);
    struct jb_external_counts c = counts_of(&r);
    assert_int_equal(c.garbage, 3);
    assert_int_equal(c.overlong, 2);
    assert_int_equal(c.out_of_order, 2);
    assert_int_equal(c.ahead, 1);
    assert_int_equal(c.missing, 1);
    assert_int_equal(c.values, 9);
    assert_int_equal(c.late, 9); // all of them are from a minute ago and more
    x = expect_nothing(&r);
    assert_non_null(strstr(x.why, "no line for 87 s (usual period 1 s)"));
    rig_close(&r);
}

static void no_reading_lies_in_the_future(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    rig_open(&r);
    line(&r, START + 300 * MS, "10"); // its clock goes a little ahead
    expect_nothing(&r);
    r.clock.t_ns = START + 299 * MS;
    expect_nothing(&r);
    r.clock.t_ns = START + 301 * MS;
    expect_watts(&r, START + 300 * MS, 10, false);
    assert_int_equal(counts_of(&r).ahead, 0);
    rig_close(&r);
}

static void a_declared_offset_is_added(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    r.opts.external_has_offset = true;
    r.opts.external_offset_ns = (int64_t)START - 5000;
    rig_open(&r);
    line(&r, 4003, "10");
    expect_watts(&r, START - 997, 10, false);
    rig_close(&r);
    rig_make(&r); // one that leads nowhere
    append(&r, "timestamp_ns,watts\n");
    r.opts.external_has_offset = true;
    r.opts.external_offset_ns = INT64_MIN;
    rig_open(&r);
    line(&r, 4003, "10");
    expect_nothing(&r);
    assert_int_equal(counts_of(&r).out_of_order, 1);
    rig_close(&r);
}

static void coarse_stamps_are_uncertain(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,joules\n");
    rig_open(&r);
    uint64_t t = 100000 * SECOND + 17 * MS;
    line(&r, t, "1"); // milliseconds
    line(&r, t + 100 * MS, "2");
    r.clock.t_ns = t + 150 * MS;
    struct jb_reading x;
    assert_true(next(&r, &x));
    assert_int_equal(x.begin_ns, t - MS);
    assert_int_equal(x.end_ns, t + MS);
    rig_close(&r);
}

struct realtime { uint64_t *clock_ns; int64_t ahead_ns; };

static uint64_t realtime_of(void *self)
{
    const struct realtime *t = self;
    return *t->clock_ns + (uint64_t)t->ahead_ns;
}

static void setting_the_clock_is_noticed(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    rig_open(&r);
    const uint64_t ahead = 1763830000000000001u - START;
    struct realtime real = {&r.clock.t_ns, (int64_t)ahead};
    jb_external_set_realtime(r.impl, realtime_of, &real);
    line(&r, START + ahead, "10");
    r.clock.t_ns += 100 * MS;
    struct jb_reading x;
    assert_false(next(&r, &x));
    assert_int_equal(x.errnum, 0);
    assert_true(x.begin_ns <= START && START <= x.end_ns && x.end_ns - x.begin_ns < 200000);
    real.ahead_ns += (int64_t)(2 * SECOND); // somebody set the clock
    line(&r, START + ahead + 150 * MS, "11");             // written before
    line(&r, START + ahead + 200 * MS + 2 * SECOND, "12"); // and after
    r.clock.t_ns += 200 * MS;
    assert_false(next(&r, &x));
    assert_int_equal(x.errnum, ENODATA);
    assert_non_null(strstr(x.why, "CLOCK_REALTIME was set by +2 s"));
    assert_false(next(&r, &x)); // the one from before is a line of two seconds ago now: dropped
    assert_int_equal(x.errnum, 0);
    assert_float_equal(x.watts, 12, 1e-12);
    assert_true(x.begin_ns <= START + 200 * MS && START + 200 * MS <= x.end_ns);
    assert_int_equal(counts_of(&r).clock_steps, 1);
    assert_int_equal(counts_of(&r).out_of_order, 1);
    real.ahead_ns -= (int64_t)(3600 * SECOND); // and back
    line(&r, START + ahead + 2 * SECOND - 3600 * SECOND + 400 * MS, "13");
    r.clock.t_ns += 200 * MS;
    assert_false(next(&r, &x));
    assert_non_null(strstr(x.why, "CLOCK_REALTIME was set by -3.6e+03 s"));
    assert_false(next(&r, &x));
    assert_int_equal(x.errnum, 0);
    assert_float_equal(x.watts, 13, 1e-12);
    rig_close(&r);
}

static void a_fifos_writer_may_go_and_come(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    rig_fifo(&r);
    rig_open(&r);
    expect_nothing(&r); // nobody there yet
    assert_int_equal(counts_of(&r).writers_gone, 0);
    connect_writer(&r);
    say(&r, "timestamp_ns,watts\n");
    expect_nothing(&r);
    r.clock.t_ns += SECOND;
    line(&r, START + 10 * MS, "10");
    say(&r, "10000000"); // dies within a line
    close(r.to);
    expect_watts(&r, START + 10 * MS, 10, false);
    expect_nothing(&r);
    assert_int_equal(counts_of(&r).writers_gone, 1);
    assert_int_equal(counts_of(&r).garbage, 1);
    r.clock.t_ns += 10 * SECOND;
    assert_non_null(strstr(expect_nothing(&r).why, "its writer has gone"));
    connect_writer(&r);
    say(&r, "timestamp_ns,watts\n"); // it starts over
    line(&r, START + 2 * SECOND, "11");
    expect_watts(&r, START + 2 * SECOND, 11, false);
    assert_int_equal(counts_of(&r).garbage, 1);
    say(&r, "timestamp_ns,joules\n"); // another meter
    struct jb_reading x;
    assert_false(next(&r, &x));
    assert_int_equal(x.errnum, EINVAL);
    assert_non_null(strstr(x.why, "its header says joules, not watts"));
    rig_close(&r);
}

static void a_fifos_header_is_seen_at_open(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    rig_fifo(&r);
    int keep = open(r.path, O_RDWR | O_NONBLOCK | O_CLOEXEC); // so that a writer may come first
    assert_true(keep >= 0);
    connect_writer(&r);
    say(&r, "timestamp_ns,joules\n");
    for (uint64_t i = 0; i < 4; i++) line(&r, START - 400 * MS + i * 100 * MS, "%d.25", (int)i);
    rig_open(&r);
    assert_int_equal(r.source.cls, JB_ENERGY_MEASURED);
    assert_int_equal(r.source.channel[0].update_ns, 100 * MS);
    struct jb_reading x;
    for (int i = 0; i < 4; i++) { // looking at them did not use them up
        assert_int_equal(next(&r, &x), i < 3);
        assert_int_equal(x.count, i * 1000000 + 250000);
    }
    close(keep);
    rig_close(&r);
}

static void a_file_may_be_cut_replaced_or_removed(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    line(&r, START, "10");
    rig_open(&r);
    expect_watts(&r, START, 10, false);
    assert_int_equal(truncate(r.path, 0), 0);
    expect_nothing(&r);
    line(&r, START + 10 * MS, "11");
    r.clock.t_ns += SECOND;
    expect_watts(&r, START + 10 * MS, 11, false);
    assert_int_equal(counts_of(&r).restarted, 1);
    char other[300];
    snprintf(other, sizeof other, "%s.old", r.path);
    assert_int_equal(rename(r.path, other), 0);
    line(&r, START + 20 * MS, "12"); // a new file of the name
    expect_nothing(&r);
    expect_watts(&r, START + 20 * MS, 12, false);
    assert_int_equal(counts_of(&r).restarted, 2);
    assert_int_equal(unlink(r.path), 0);
    struct jb_reading x;
    assert_false(next(&r, &x));
    assert_int_equal(x.errnum, ENODEV);
    assert_non_null(strstr(x.why, "has vanished"));
    line(&r, START + 30 * MS, "13");
    next(&r, &x);
    expect_watts(&r, START + 30 * MS, 13, false);
    rig_close(&r);
}

static void probes_say_what_is_missing(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    struct jb_power_probe p;
    r.opts.external = NULL;
    assert_int_equal(jb_source_external.probe(&r.opts, &p), 0);
    assert_false(p.available);
    assert_string_equal(p.reason, "no outside meter was named");
    assert_non_null(strstr(p.fix, "--power-external FILE"));
    r.opts.external = r.path;
    assert_int_equal(jb_source_external.probe(&r.opts, &p), 0);
    assert_int_equal(p.errnum, ENOENT);
    assert_string_equal(p.path, r.path);
    struct jb_err err = {0};
    assert_int_equal(jb_source_external.open(&r.impl, &r.opts, &r.source, &err), JB_E_UNAVAILABLE);
    assert_null(r.impl);
    r.opts.external = r.tree.root;
    assert_int_equal(jb_source_external.probe(&r.opts, &p), 0);
    assert_false(p.available);
    assert_non_null(strstr(p.reason, "neither a file nor a FIFO"));
    r.opts.external = r.path;
    line(&r, START, "1");
    assert_int_equal(jb_source_external.probe(&r.opts, &p), 0);
    assert_true(p.available);
    assert_int_equal(p.cls, JB_ENERGY_INTEGRATED);
    assert_string_equal(p.domains, "meter");
    assert_string_equal(p.mode, "-rw-r--r--");
    rig_close(&r);
    rig_make(&r); // a FIFO is not opened: its writer would lose its reader
    rig_fifo(&r);
    assert_int_equal(jb_source_external.probe(&r.opts, &p), 0);
    assert_true(p.available);
    assert_int_equal(open(r.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
    assert_int_equal(errno, ENXIO); // nobody reads
    rig_close(&r);
}

// ---- through the meter ----

// A plug that tells the mean power now and the joules so far; power moves between lines.
static double power_at(double s) { return 20 + 10 * sin(s * 3); }
static double joules_at(double s) { return 20 * s + 10.0 / 3 * (1 - cos(s * 3)); }

// Lines every period up to `until`; from the last one's time.
static void play(struct rig *r, bool joules, uint64_t period, uint64_t *at, uint64_t until)
{
    for (; *at + period <= until; *at += period) {
        double s = (double)(*at + period - START) * 1e-9;
        if (joules) line(r, *at + period, "%.3f", joules_at(s));
        else line(r, *at + period, "%.4f", power_at(s));
    }
    r->clock.t_ns = until;
}

// The meter's sleep lets the outside meter write on.
struct player { struct rig *r; bool joules; uint64_t period, at; };
static struct player player; // a clock has one self, which is the fake clock's
static void sleep_and_play(void *self, uint64_t ns)
{
    (void)self;
    play(player.r, player.joules, player.period, &player.at, player.r->clock.t_ns + ns);
}

static void windows_hold_the_truth(void **state)
{
    (void)state;
    struct jb_rng rng;
    jb_rng_seed(&rng, 4);
    for (int joules = 0; joules < 2; joules++) {
        struct rig r;
        rig_make(&r);
        append(&r, joules ? "timestamp_ns,joules\n" : "timestamp_ns,watts\n");
        player = (struct player){&r, joules, 20 * MS + 7, START};
        r.opts.clock.sleep_ns = sleep_and_play;
        r.opts.max_power_w = 100;
        play(&r, joules, player.period, &player.at, START + SECOND);
        struct jb_err err = {0};
        if (jb_meter_open(&r.meter, &r.opts, &err) != 0) fail_msg("%s", err.detail);
        int refused = 0;
        for (int k = 0; k < 200; k++) {
            struct jb_window w;
            sleep_and_play(NULL, jb_rng_below(&rng, 50 * MS));
            assert_int_equal(jb_meter_begin(r.meter, &w), 0);
            uint64_t length = jb_rng_below(&rng, 2000) * MS + jb_rng_below(&rng, MS);
            for (uint64_t done = 0; done < length; done += 100 * MS) {
                sleep_and_play(NULL, length - done < 100 * MS ? length - done : 100 * MS);
                jb_meter_poll(r.meter);
            }
            double from = (double)(w.start_ns - START) * 1e-9, to = (double)(r.clock.t_ns - START) * 1e-9;
            struct jb_joules j = jb_meter_end(r.meter, &w);
            double truth = (joules_at(to) - joules_at(from)) * 1e6;
            if (!jb_joules_have(&j)) {
                refused++;
                continue;
            }
            assert_int_equal(j.cls, joules ? JB_ENERGY_MEASURED : JB_ENERGY_INTEGRATED);
            // Of watts it is only assumed that between two lines power lies between them: at a crest that is off by a hair.
            double hair = joules ? 0 : 1e-3 * truth + 1;
            if (truth < j.lower_uj - hair || truth > j.upper_uj + hair) fail_msg("window %d of %g s: %g not in %g .. %g", k, to - from, truth, j.lower_uj, j.upper_uj);
            if (to - from > 1) assert_true(j.upper_uj - j.lower_uj < 0.3 * truth);
        }
        assert_true(refused < 40);
        rig_close(&r);
    }
}

static void a_silent_meter_gives_no_figure(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    append(&r, "timestamp_ns,watts\n");
    player = (struct player){&r, false, 20 * MS + 7, START};
    play(&r, false, player.period, &player.at, START + SECOND);
    struct jb_err err = {0};
    if (jb_meter_open(&r.meter, &r.opts, &err) != 0) fail_msg("%s", err.detail);
    assert_int_equal(r.source.n, 0);
    struct jb_window w;
    assert_int_equal(jb_meter_begin(r.meter, &w), 0);
    r.clock.t_ns += 5 * SECOND; // not a line more
    struct jb_joules j = jb_meter_end(r.meter, &w);
    assert_false(jb_joules_have(&j));
    print_message("    %s\n", j.reason);
    assert_non_null(strstr(j.reason, "no sample of power behind the window; no line for 5"));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_parsed_strictly),
        cmocka_unit_test(a_file_is_followed),
        cmocka_unit_test(joules_are_a_counter),
        cmocka_unit_test(an_old_recording_is_replayed),
        cmocka_unit_test(bad_lines_are_dropped_and_counted),
        cmocka_unit_test(no_reading_lies_in_the_future),
        cmocka_unit_test(a_declared_offset_is_added),
        cmocka_unit_test(coarse_stamps_are_uncertain),
        cmocka_unit_test(setting_the_clock_is_noticed),
        cmocka_unit_test(a_fifos_writer_may_go_and_come),
        cmocka_unit_test(a_fifos_header_is_seen_at_open),
        cmocka_unit_test(a_file_may_be_cut_replaced_or_removed),
        cmocka_unit_test(probes_say_what_is_missing),
        cmocka_unit_test(windows_hold_the_truth),
        cmocka_unit_test(a_silent_meter_gives_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
