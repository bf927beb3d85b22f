// Traces: what was written is read back, to the byte and to the last bit; what is damaged is an error with its line.
#include "tests/power/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/fs.h"
#include "power/reading.h"
#include "power/record.h"
#include "power/trace.h"

#define S 1000000000u

struct rig {
    struct unit_tree dir;
    char path[256];
    struct jb_fake_clock clock;
    struct jb_clock now;
    struct jb_channel channel[3];
    struct jb_source source;
};

static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof *r);
    unit_tree_open(&r->dir);
    unit_path(&r->dir, "trace.txt", r->path);
    r->clock.t_ns = 5 * (uint64_t)S;
    r->now = jb_clock_fake(&r->clock);
    r->channel[0] = (struct jb_channel){
        .zone = {.control_type = "intel-rapl", .name = "package-0", .parent = -1, .has_counter = true}, .kind = JB_CHANNEL_ENERGY, .path = "/sys/class/powercap/intel-rapl:0/energy_uj",
        .unit = 1, .range = RANGE_UJ, .step_uj = 1e6 / 16384, .ceiling_w = 1.0 / 3, .ceiling_from = "4x the largest constraint", .update_ns = 1500000, .update_least_ns = 1000000,
        .accuracy = 0.1, .never_rests = true,
    };
    r->channel[1] = (struct jb_channel){
        .zone = {.control_type = "a \"b\",\\ =", .name = "\x01\x7f\xff\n=\",", .parent = 0, .excluded = "the same counter, \"twice\""}, .kind = JB_CHANNEL_ENERGY, .path = "",
        .unit = 0x1p-32 * 1e6, .step_uj = 5e-324, .falling = true,
    };
    r->channel[2] = (struct jb_channel){.zone = {.control_type = "hwmon", .name = "VDD_IN", .parent = -1, .has_counter = true}, .kind = JB_CHANNEL_POWER, .unit = 1e-6, .averaged = true};
    r->source = (struct jb_source){.cls = JB_ENERGY_MEASURED, .name = "powercap", .root = "/sys/class/power\xc3\xbc", .remark = "vouched", .channel = r->channel, .n = 3,
                                   .sampler_period_ns = 7, .settle_most_ns = 8};
}

static void rig_close(struct rig *r)
{
    unit_tree_close(&r->dir);
}

static struct jb_recorder *record(struct rig *r)
{
    struct jb_recorder *rec;
    struct jb_err err = {0};
    if (jb_recorder_open(&rec, r->path, &r->source, &r->now, &err)) fail_msg("%s", err.detail);
    return rec;
}

static struct jb_trace *replay(struct rig *r)
{
    struct jb_trace *t;
    struct jb_err err = {0};
    if (jb_trace_read(&t, r->path, &err)) fail_msg("%s", err.detail);
    return t;
}

static void same_text(const char *a, const char *b)
{
    if (!a || !b) assert_true(a == b);
    else assert_string_equal(a, b);
}

static void same_channel(const struct jb_channel *a, const struct jb_channel *b)
{
    assert_string_equal(a->zone.control_type, b->zone.control_type);
    assert_string_equal(a->zone.name, b->zone.name);
    assert_int_equal(a->zone.parent, b->zone.parent);
    assert_int_equal(a->zone.has_counter, b->zone.has_counter);
    same_text(a->zone.excluded, b->zone.excluded);
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->path, b->path);
    assert_true(a->unit == b->unit && a->range == b->range && a->step_uj == b->step_uj && a->ceiling_w == b->ceiling_w && a->accuracy == b->accuracy);
    same_text(a->ceiling_from, b->ceiling_from);
    assert_true(a->update_ns == b->update_ns && a->update_least_ns == b->update_least_ns);
    assert_true(a->never_rests == b->never_rests && a->averaged == b->averaged && a->falling == b->falling);
}

static void same_reading(const struct jb_channel *c, const struct jb_reading *a, const struct jb_reading *b)
{
    assert_int_equal(a->begin_ns, b->begin_ns);
    assert_int_equal(a->end_ns, b->end_ns);
    assert_int_equal(a->errnum, b->errnum);
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->why, b->why);
    assert_int_equal(a->exact, b->exact);
    if (a->errnum) return;
    if (c->kind == JB_CHANNEL_ENERGY) assert_int_equal(a->count, b->count);
    else assert_memory_equal(&a->watts, &b->watts, sizeof a->watts);
}

static void the_header_comes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    uint64_t before_ns = jb_realtime_ns();
    struct jb_recorder *rec = record(&r);
    assert_int_equal(jb_recorder_add(rec, 0, &(struct jb_reading){.begin_ns = 1, .end_ns = 2, .count = 3}), 0);
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    struct jb_trace *t = replay(&r);
    assert_string_equal(t->head.name, "powercap");
    assert_int_equal(t->head.cls, JB_ENERGY_MEASURED);
    assert_string_equal(t->head.root, r.source.root);
    assert_string_equal(t->head.remark, "vouched");
    assert_int_equal(t->head.sampler_period_ns, 7);
    assert_int_equal(t->head.settle_most_ns, 8);
    assert_int_equal(t->head.opened_ns, 5 * (uint64_t)S);
    assert_true(t->head.realtime_ns >= before_ns && t->head.realtime_ns <= jb_realtime_ns());
    assert_int_equal(t->n, 3);
    for (size_t i = 0; i < 3; i++) same_channel(&t->channel[i], &r.channel[i]);
    assert_false(t->torn);
    jb_trace_close(t);
    rig_close(&r);
}

static void every_kind_of_reading_comes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    const struct { size_t channel; struct jb_reading r; const char *line; } cases[] = {
        {0, {.begin_ns = 10, .end_ns = 11, .count = 1234, .text = "1234"}, "10,11,0,1234\n"},
        {0, {.begin_ns = 12, .end_ns = 12, .count = UINT64_MAX, .text = "18446744073709551615"}, "12,12,0,18446744073709551615\n"},
        {0, {.begin_ns = 13, .end_ns = 14, .count = 36, .text = "12 3"}, "13,14,0,\"12 3\"\n"},                       // charge x voltage
        {0, {.begin_ns = 15, .end_ns = 15, .count = 99, .text = "0x63"}, "15,15,0,\"0x63\",=99\n"},                   // the source reads more than we do
        {0, {.begin_ns = 16, .end_ns = 17, .count = 5, .exact = true, .text = "5"}, "16,17,0,5,exact\n"},
        {0, {.begin_ns = 18, .end_ns = 18, .errnum = ENODATA}, "18,18,0,!ENODATA\n"},
        {0, {.begin_ns = 19, .end_ns = 19, .errnum = EACCES, .why = "not \"root\",\n"}, "19,19,0,!EACCES,\"not \\\"root\\\",\\x0a\"\n"},
        {0, {.begin_ns = 20, .end_ns = 20, .errnum = EINVAL, .text = "garb\\age"}, "20,20,0,!EINVAL,\"\",\"garb\\\\age\"\n"},
        {0, {.begin_ns = 21, .end_ns = 21, .errnum = 1234}, "21,21,0,!1234\n"},
        {2, {.begin_ns = 22, .end_ns = 23, .watts = 15000000 * 1e-6, .text = "15000000"}, "22,23,2,15000000\n"},
        {2, {.begin_ns = 24, .end_ns = 25, .watts = 1.0 / 3, .text = "1700000000.5,0.333"}, "24,25,2,\"1700000000.5,0.333\",=0.33333333333333331\n"},
        {2, {.begin_ns = 26, .end_ns = 26, .watts = -2.5, .exact = true}, "26,26,2,\"\",=-2.5,exact\n"},
        {2, {.begin_ns = 27, .end_ns = 28, .watts = 0.25, .text = "500 500"}, "27,28,2,\"500 500\"\n"},
    };
    struct jb_recorder *rec = record(&r);
    size_t next[3] = {0};
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        assert_int_equal(jb_recorder_add(rec, cases[i].channel, &cases[i].r), 0);
        assert_int_equal(jb_recorder_add(rec, cases[i].channel, &(struct jb_reading){.begin_ns = 500, .end_ns = 500, .errnum = EAGAIN}), 0); // no news is not written
    }
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    char *text, expected[2048];
    size_t n;
    assert_int_equal(jb_read_file(r.path, 1 << 20, &text, &n, NULL), 0);
    int len = snprintf(expected, sizeof expected, "\n%s\n", JB_TRACE_COLUMNS);
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) len += snprintf(expected + len, sizeof expected - (size_t)len, "%s", cases[i].line);
    const char *data = strstr(text, "\nbegin_ns");
    assert_non_null(data);
    assert_string_equal(data, expected);
    free(text);
    struct jb_trace *t = replay(&r);
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_reading back;
        size_t c = cases[i].channel;
        assert_true(next[c] < jb_trace_count(t, c));
        jb_trace_reading(t, c, next[c]++, &back);
        struct jb_reading want = cases[i].r;
        same_reading(&r.channel[c], &want, &back);
    }
    for (size_t c = 0; c < 3; c++) assert_int_equal(next[c], jb_trace_count(t, c));
    assert_int_equal(t->first_ns, 10);
    assert_int_equal(t->last_ns, 28);
    jb_trace_close(t);
    rig_close(&r);
}

// A source that misbehaves must not make a trace that cannot be read.
static void what_cannot_be_written(void **state)
{
    (void)state;
    struct rig r;
    struct jb_reading back;
    struct jb_err err = {0};
    rig_open(&r);
    struct jb_recorder *rec = record(&r);
    assert_int_equal(jb_recorder_add(rec, 2, &(struct jb_reading){.begin_ns = 10, .end_ns = 20, .watts = NAN, .text = "nan"}), 0);
    assert_int_equal(jb_recorder_add(rec, 2, &(struct jb_reading){.begin_ns = 11, .end_ns = 15, .watts = INFINITY}), 0); // and ends before the one above
    assert_int_equal(jb_recorder_add(rec, 2, &(struct jb_reading){.begin_ns = 40, .end_ns = 30, .errnum = -7}), 0);      // begins behind its end
    assert_int_equal(jb_recorder_add(rec, 2, &(struct jb_reading){.begin_ns = UINT64_MAX, .end_ns = UINT64_MAX, .errnum = 70000}), 0);
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    struct jb_trace *t = replay(&r);
    assert_int_equal(jb_trace_count(t, 2), 4);
    jb_trace_reading(t, 2, 0, &back);
    assert_int_equal(back.errnum, ERANGE);
    assert_string_equal(back.text, "nan");
    jb_trace_reading(t, 2, 1, &back);
    assert_true(back.begin_ns == 11 && back.end_ns == 20 && back.errnum == ERANGE);
    jb_trace_reading(t, 2, 2, &back);
    assert_true(back.begin_ns == 30 && back.end_ns == 30 && back.errnum == EIO);
    jb_trace_reading(t, 2, 3, &back);
    assert_true(back.end_ns == INT64_MAX && back.errnum == EIO);
    jb_trace_close(t);
    rec = record(&r);
    assert_int_equal(jb_recorder_add(rec, 3, &(struct jb_reading){.end_ns = 1}), JB_E_INTERNAL);
    assert_int_equal(jb_recorder_close(rec, &err), JB_E_INTERNAL);
    r.channel[1].unit = NAN;
    assert_int_equal(jb_recorder_open(&rec, r.path, &r.source, &r.now, &err), JB_E_INVALID);
    r.source.n = 0;
    assert_int_equal(jb_recorder_open(&rec, r.path, &r.source, &r.now, &err), JB_E_INVALID);
    r.source.n = 65;
    assert_int_equal(jb_recorder_open(&rec, r.path, &r.source, &r.now, &err), JB_E_INVALID);
    r.source.n = 1;
    assert_int_equal(jb_recorder_open(&rec, r.dir.root, &r.source, &r.now, &err), JB_E_INVALID); // a directory
    assert_non_null(strstr(err.detail, r.dir.root));
    assert_int_equal(jb_recorder_open(&rec, "/nonexistent/trace", &r.source, &r.now, &err), JB_E_NOT_FOUND);
    jb_recorder_close(NULL, NULL);
    rig_close(&r);
}

// ---- Random channels and readings, as bad as their types allow.

static void random_text(struct jb_rng *rng, char *out, size_t room)
{
    static const char likely[] = "0123456789 \"\\,=!x\n";
    size_t n = jb_rng_below(rng, 3) ? jb_rng_below(rng, 6) : jb_rng_below(rng, room);
    for (size_t i = 0; i < n; i++) out[i] = jb_rng_below(rng, 3) ? likely[jb_rng_below(rng, sizeof likely - 1)] : (char)(1 + jb_rng_below(rng, 255));
    out[n] = 0;
}

static double random_positive(struct jb_rng *rng, double most)
{
    double v = exp(-30 + 60 * jb_rng_unit(rng));
    return jb_rng_below(rng, 8) == 0 ? 0 : v > most ? most : v;
}

static void random_channel(struct jb_rng *rng, struct jb_channel *c, size_t i, char constants[2][JB_TRACE_MAX_CONSTANT])
{
    *c = (struct jb_channel){
        .kind = jb_rng_below(rng, 2) ? JB_CHANNEL_POWER : JB_CHANNEL_ENERGY, .range = jb_rng_u64(rng) >> jb_rng_below(rng, 64), .step_uj = random_positive(rng, 1e15),
        .ceiling_w = random_positive(rng, 1e9), .update_ns = jb_rng_below(rng, 3600000000000), .update_least_ns = jb_rng_below(rng, 3600000000000), .accuracy = random_positive(rng, 100),
        .never_rests = jb_rng_below(rng, 2), .averaged = jb_rng_below(rng, 2), .falling = jb_rng_below(rng, 2),
    };
    c->unit = random_positive(rng, 1e12) + 1e-9;
    c->zone.parent = (int)jb_rng_below(rng, i + 1) - 1;
    c->zone.has_counter = jb_rng_below(rng, 2);
    random_text(rng, c->zone.control_type, sizeof c->zone.control_type);
    random_text(rng, c->zone.name, sizeof c->zone.name);
    random_text(rng, c->path, sizeof c->path);
    random_text(rng, constants[0], JB_TRACE_MAX_CONSTANT);
    random_text(rng, constants[1], JB_TRACE_MAX_CONSTANT);
    c->zone.excluded = jb_rng_below(rng, 2) ? constants[0] : NULL;
    c->ceiling_from = jb_rng_below(rng, 2) ? constants[1] : NULL;
}

static void random_reading(struct jb_rng *rng, const struct jb_channel *c, uint64_t *now_ns, struct jb_reading *r)
{
    *r = (struct jb_reading){.exact = jb_rng_below(rng, 4) == 0};
    r->end_ns = *now_ns += jb_rng_below(rng, 2000000000);
    r->begin_ns = r->end_ns - jb_rng_below(rng, r->end_ns + 1 < 5000000 ? r->end_ns + 1 : 5000000);
    random_text(rng, r->text, sizeof r->text);
    if (jb_rng_below(rng, 4) == 0) {
        do r->errnum = (int)(1 + jb_rng_below(rng, 4095));
        while (r->errnum == EAGAIN);
        r->exact = false;
        random_text(rng, r->why, sizeof r->why);
        return;
    }
    if (c->kind == JB_CHANNEL_POWER) r->watts = (jb_rng_below(rng, 4) ? 1 : -1) * random_positive(rng, 1e12);
    else r->count = jb_rng_u64(rng) >> jb_rng_below(rng, 64);
    if (c->kind == JB_CHANNEL_ENERGY && jb_rng_below(rng, 2)) snprintf(r->text, sizeof r->text, "%" PRIu64, r->count);
    if (c->kind == JB_CHANNEL_ENERGY && !r->text[0]) snprintf(r->text, sizeof r->text, "%" PRIu64, r->count); // an empty one is filled in by the recorder
}

static void random_round_trip(struct rig *r, struct jb_rng *rng)
{
    enum { N = 200 };
    static struct jb_channel channel[JB_SOURCE_MAX_CHANNELS];
    static char constants[JB_SOURCE_MAX_CHANNELS][2][JB_TRACE_MAX_CONSTANT];
    static struct jb_reading reading[N];
    size_t of[N], next[JB_SOURCE_MAX_CHANNELS] = {0};
    r->source.channel = channel;
    r->source.n = 1 + jb_rng_below(rng, JB_SOURCE_MAX_CHANNELS);
    for (size_t i = 0; i < r->source.n; i++) random_channel(rng, &channel[i], i, constants[i]);
    struct jb_recorder *rec = record(r);
    uint64_t now_ns = jb_rng_below(rng, 2) ? 0 : jb_rng_below(rng, (uint64_t)1 << 60);
    for (size_t k = 0; k < N; k++) {
        of[k] = jb_rng_below(rng, r->source.n);
        random_reading(rng, &channel[of[k]], &now_ns, &reading[k]);
        assert_int_equal(jb_recorder_add(rec, of[k], &reading[k]), 0);
    }
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    struct jb_trace *t = replay(r);
    assert_int_equal(t->n, r->source.n);
    for (size_t i = 0; i < t->n; i++) same_channel(&t->channel[i], &channel[i]);
    for (size_t k = 0; k < N; k++) {
        struct jb_reading back;
        jb_trace_reading(t, of[k], next[of[k]]++, &back);
        same_reading(&channel[of[k]], &reading[k], &back);
    }
    for (size_t i = 0; i < t->n; i++) assert_int_equal(next[i], jb_trace_count(t, i));
    jb_trace_close(t);
}

static void random_round_trips(void **state)
{
    (void)state;
    struct rig r;
    struct jb_rng rng;
    jb_rng_seed(&rng, 44);
    rig_open(&r);
    for (int trial = 0; trial < 200; trial++) random_round_trip(&r, &rng);
    rig_close(&r);
}

// ---- Whole lines

static size_t size_of(const char *path)
{
    char *text;
    size_t n;
    assert_int_equal(jb_read_file(path, 1 << 24, &text, &n, NULL), 0);
    assert_true(n > 0 && text[n - 1] == '\n');
    free(text);
    return n;
}

static void add_at(struct jb_recorder *rec, uint64_t t_ns)
{
    assert_int_equal(jb_recorder_add(rec, 0, &(struct jb_reading){.begin_ns = t_ns, .end_ns = t_ns, .count = t_ns}), 0);
}

static void written_once_a_second(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    struct jb_recorder *rec = record(&r);
    size_t header = size_of(r.path);
    for (uint64_t i = 0; i < 1000; i++) add_at(rec, 10 * (uint64_t)S + i * 1000000);
    assert_int_equal(size_of(r.path), header); // 0.999 s
    add_at(rec, 11 * (uint64_t)S);
    size_t first = size_of(r.path);
    assert_true(first > header + 1001 * 20);
    add_at(rec, 11 * (uint64_t)S + 5);
    assert_int_equal(size_of(r.path), first);
    for (int i = 0; i < 4000; i++) add_at(rec, 11 * (uint64_t)S + 6); // full before the second is over
    assert_true(size_of(r.path) > first + 60000);
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    struct jb_trace *t = replay(&r);
    assert_int_equal(jb_trace_count(t, 0), 5002);
    assert_int_equal(t->largest_gap_ns, 1000000);
    jb_trace_close(t);
    rig_close(&r);
}

// A file that ends anywhere: the lines before are there, the rest is named torn.
static void torn_anywhere(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.source.n = 1;
    struct jb_recorder *rec = record(&r);
    size_t header = size_of(r.path), n;
    for (uint64_t i = 0; i < 20; i++) add_at(rec, 100 + 7 * i);
    assert_int_equal(jb_recorder_close(rec, NULL), 0);
    char *text;
    assert_int_equal(jb_read_file(r.path, 1 << 20, &text, &n, NULL), 0);
    for (size_t cut = 0; cut <= n; cut++) {
        struct jb_trace *t;
        struct jb_err err = {0};
        char *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, text, cut);
        part[cut] = 0;
        size_t lines = 0;
        for (size_t i = header; i < cut; i++) lines += text[i] == '\n';
        int rc = jb_trace_parse(&t, "t.txt", part, cut, &err);
        if (lines == 0) {
            assert_int_equal(rc, JB_E_INVALID);
            assert_non_null(strstr(err.detail, "t.txt"));
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(jb_trace_count(t, 0), lines);
        assert_int_equal(t->torn, text[cut - 1] != '\n');
        jb_trace_close(t);
    }
    free(text);
    rig_close(&r);
}

static void full_disk(void **state)
{
    (void)state;
    struct rig r;
    struct jb_recorder *rec;
    struct jb_err err = {0};
    rig_open(&r);
    int rc = jb_recorder_open(&rec, "/dev/full", &r.source, &r.now, &err);
    assert_int_equal(rc, JB_E_NO_SPACE);
    assert_non_null(strstr(err.detail, "/dev/full"));
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 20001, .rlim_max = before.rlim_max}; // no line ends there: the last write is a partial one
    rec = record(&r);
    size_t header = size_of(r.path);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t t_ns = S;
    for (rc = 0; rc == 0 && t_ns < 1000 * (uint64_t)S; t_ns += 3000000) rc = jb_recorder_add(rec, 0, &(struct jb_reading){.begin_ns = t_ns, .end_ns = t_ns, .count = 1});
    int again = jb_recorder_add(rec, 0, &(struct jb_reading){.begin_ns = t_ns, .end_ns = t_ns, .count = 1}), closed = jb_recorder_close(rec, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_true(rc == JB_E_NO_SPACE && again == rc && closed == rc && err.code == rc);
    assert_non_null(strstr(err.detail, r.path));
    size_t left = size_of(r.path); // checks that it ends in a newline
    assert_true(left > header && left <= 20001);
    struct jb_trace *t = replay(&r);
    assert_false(t->torn);
    assert_true(jb_trace_count(t, 0) > 100);
    jb_trace_close(t);
    rig_close(&r);
}

// ---- Damage

static const char good_header[] = JB_TRACE_MAGIC "\n## a comment\n# source name=\"powercap\" class=measured root=\"/sys/class/powercap\" realtime_ns=1700000000000000000\n"
                                  "# channel 0 kind=energy name=\"package-0\" control_type=\"intel-rapl\" parent=-1 has_counter unit=1 range=262143328850\n"
                                  "# channel 1 kind=power name=\"in\" parent=-1 has_counter unit=1e-06\n" JB_TRACE_COLUMNS "\n";

static int parse(const char *text, size_t n, struct jb_trace **t, struct jb_err *err)
{
    char *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    copy[n] = 0;
    return jb_trace_parse(t, "t.txt", copy, n, err);
}

static void refused(const char *text, const char *says)
{
    struct jb_trace *t;
    struct jb_err err = {0};
    int rc = parse(text, strlen(text), &t, &err);
    if (rc != JB_E_INVALID || !strstr(err.detail, says) || strncmp(err.detail, "t.txt", 5) != 0) fail_msg("\"%s\": %d \"%s\", not \"%s\"", text, rc, err.detail, says);
}

static void bad_headers(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } cases[] = {
        {"", "no trace"},
        {"x", "no trace"},
        {"timestamp_ns,zone,energy_uj\n", ":1: a trace begins with"},
        {"# joulebench.trace/1\n# zone a 10\n", ":1: format 1 of traces was never released"},
        {"# joulebench.trace/22\n", "begins with"},
        {JB_TRACE_MAGIC "\n", "no readings"},
        {JB_TRACE_MAGIC "\n" JB_TRACE_COLUMNS "\n", ":2: the header has no line `# source`"},
#define SOURCE JB_TRACE_MAGIC "\n# source name=\"a\" class=none realtime_ns=0\n"
        {SOURCE JB_TRACE_COLUMNS "\n", ":3: the header has no channel"},
        {SOURCE "# source name=\"a\" class=none realtime_ns=0\n", ":3: a second line"},
        {SOURCE "1,1,0,5\n", ":3: before the readings stand"},
        {SOURCE "\n", ":3: before the readings stand"},
        {JB_TRACE_MAGIC "\r\n", "begins with"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=none\n", "the key realtime_ns is missing"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=best realtime_ns=0\n", "value of class"},
        {JB_TRACE_MAGIC "\n# source name=a class=none realtime_ns=0\n", "value of name"},
        {JB_TRACE_MAGIC "\n# source name=\"a class=none realtime_ns=0\n", "value of name"},
        {JB_TRACE_MAGIC "\n# source name=\"\\x00\" class=none realtime_ns=0\n", "value of name"},
        {JB_TRACE_MAGIC "\n# source name=\"\\q\" class=none realtime_ns=0\n", "value of name"},
        {JB_TRACE_MAGIC "\n# source name=\"\xff\" class=none realtime_ns=0\n", "value of name"},
        {JB_TRACE_MAGIC "\n# source name=\"12345678901234567890123456789012\" class=none realtime_ns=0\n", "value of name"}, // 32 bytes
        {JB_TRACE_MAGIC "\n# source name=\"a\" name=\"a\" class=none realtime_ns=0\n", "stands twice"},
        {JB_TRACE_MAGIC "\n# source name=\"a\"  class=none realtime_ns=0\n", "unknown key"},
        {JB_TRACE_MAGIC "\n# source name=\"a\"class=none realtime_ns=0\n", "one blank"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=none realtime_ns=-1\n", "value of realtime_ns"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=none realtime_ns=18446744073709551615\n", "value of realtime_ns"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=none realtime_ns=18446744073709551616\n", "value of realtime_ns"},
        {JB_TRACE_MAGIC "\n# source name=\"a\" class=none realtime_ns=0 colour=1\n", "unknown key"},
        {SOURCE "# channel 1 kind=energy name=\"a\" parent=-1 unit=1\n", "numbered from 0"},
        {SOURCE "# channel 0\n", "key kind is missing"},
        {SOURCE "# channel 0 kind=force name=\"a\" parent=-1 unit=1\n", "value of kind"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=0 unit=1\n", "stands before it"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-2 unit=1\n", "value of parent"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=0\n", "more than 0"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=-1\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=nan\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=0x1p3\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=1e999\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=1e13\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=1e\n", "value of unit"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=1 update_ns=3600000000001\n", "value of update_ns"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit=1 falling=1\n", "one blank"},
        {SOURCE "# channel 0 kind=energy name=\"a\" parent=-1 unit\n", "value of unit"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) refused(cases[i].text, cases[i].says);
    struct jb_str many = {0};
    jb_str_add(&many, SOURCE);
    for (int i = 0; i < 65; i++) jb_str_addf(&many, "# channel %d kind=energy name=\"a\" parent=-1 unit=1\n", i);
    refused(jb_str_get(&many), ":67: more than 64 channels");
    jb_str_free(&many);
}

static void bad_readings(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } cases[] = {
        {"", ":7: a reading is BEGIN"},
        {"1,2,0", "a reading is BEGIN"},
        {"1,2", "a reading is BEGIN"},
        {"1, 2,0,5", "a reading is BEGIN"},
        {"-1,2,0,5", "a reading is BEGIN"},
        {"01,2,0,5", "a reading is BEGIN"},
        {"1,99999999999999999999,0,5", "a reading is BEGIN"},
        {"3,2,0,5", "ends before it begins"},
        {"1,9223372036854775808,0,5", "end of time"},
        {"1,2,2,5", "does not name"},
        {"1,2,0,", "empty"},
        {"1,2,0,5 ", "whole number"},
        {"1,2,0,5\r", "whole number"},
        {"1,2,0,05", "no number"},
        {"1,2,0,18446744073709551616", "no number"},
        {"1,2,0,0000000000000000000000000000000000000000000000000000000000000001", "too long"},
        {"1,2,0,x", "whole number"},
        {"1,2,0,\"x\"", "no number"},
        {"1,2,0,\"x\",", "no number"},
        {"1,2,0,\"x", "malformed"},
        {"1,2,0,\"5\"5", "something stands behind"},
        {"1,2,0,5,", "at most =VALUE"},
        {"1,2,0,5,=", "behind = stands"},
        {"1,2,0,5,=1.5", "behind = stands"},
        {"1,2,0,5,=1,exactly", "at most =VALUE"},
        {"1,2,0,5,exact,=1", "at most =VALUE"},
        {"1,2,1,5,=1e13", "more than 1e12 watts"},
        {"1,2,1,10000000000000000000", "more than 1e12 watts"}, // a million times too much for its unit
        {"1,2,1,5,=--1", "behind = stands"},
        {"1,2,1,5,=nan", "behind = stands"},
        {"1,2,0,!", "unknown name"},
        {"1,2,0,!0", "unknown name"},
        {"1,2,0,!4096", "unknown name"},
        {"1,2,0,!EWHAT", "unknown name"},
        {"1,2,0,!EAGAIN", "unknown name"},
        {"1,2,0,!EIO,", "stands a text"},
        {"1,2,0,!EIO,why", "stands a text"},
        {"1,2,0,!EIO,\"a\",b", "at most two texts"},
        {"1,2,0,!EIO,\"a\",\"b\",\"c\"", "something stands behind"},
        {"5,6,0,5\n4,5,0,6", ":8: this reading of the channel ends before"},
        {"# channel 2 kind=power name=\"in\" parent=-1 unit=1", "a reading is BEGIN"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char text[2048];
        snprintf(text, sizeof text, "%s%s\n", good_header, cases[i].line);
        refused(text, cases[i].says);
    }
    struct jb_trace *t;
    struct jb_reading back;
    char text[2048];
    int n = snprintf(text, sizeof text, "%s5,6,0,5\n## between\n4,6,0,6\n1,2,1,!5\n", good_header); // a reading may begin before the one above, and times differ among channels
    assert_int_equal(parse(text, (size_t)n, &t, NULL), 0);
    assert_int_equal(t->first_ns, 1);
    jb_trace_reading(t, 1, 0, &back);
    assert_int_equal(back.errnum, EIO);
    jb_trace_close(t);
}

// Damaged traces: an answer or an error that names the file, never more; what is taken can be read to its end.
static void damaged_traces(void **state)
{
    (void)state;
    static const char odd[] = "0123456789,#!-=\" \n\r\xff\0px\\";
    struct jb_rng rng;
    char good[2048], text[2048];
    uint32_t parsed = 0;
    size_t n_good = (size_t)snprintf(good, sizeof good, "%s10,11,0,1000\n12,13,1,15000000\n20,21,0,\"12 3\"\n30,31,0,!EACCES,\"why\"\n40,41,0,5,=7,exact\n", good_header);
    jb_rng_seed(&rng, 8);
    for (int trial = 0; trial < 20000; trial++) {
        struct jb_trace *t;
        struct jb_reading back;
        struct jb_err err = {0};
        size_t n = jb_rng_below(&rng, 4) ? n_good : jb_rng_below(&rng, n_good);
        memcpy(text, good, n_good);
        for (uint64_t k = jb_rng_below(&rng, 4); k > 0; k--) text[jb_rng_below(&rng, n_good)] = odd[jb_rng_below(&rng, sizeof odd)];
        int rc = parse(text, n, &t, &err);
        if (rc == 0) {
            parsed++;
            for (size_t c = 0; c < t->n; c++)
                for (size_t i = 0; i < jb_trace_count(t, c); i++) jb_trace_reading(t, c, i, &back);
            jb_trace_close(t);
        } else if (rc != JB_E_INVALID || strncmp(err.detail, "t.txt", 5) != 0) fail_msg("trial %d: %d \"%s\"", trial, rc, err.detail);
    }
    assert_true(parsed > 1000 && parsed < 19000);
}

// ---- The texts themselves

static void raw_texts(void **state)
{
    (void)state;
    struct jb_channel energy = {.kind = JB_CHANNEL_ENERGY, .unit = 1}, power = {.kind = JB_CHANNEL_POWER, .unit = 1e-6};
    static const struct { const char *text; int errnum; uint64_t value; } cases[] = {
        {"0", 0, 0}, {"7\n", 0, 7}, {"18446744073709551615", 0, UINT64_MAX}, {"3 4", 0, 12}, {"3 4\n", 0, 12}, {"0 18446744073709551615", 0, 0}, {"18446744073709551615 0", 0, 0},
        {"", ENODATA, 0}, {"\n", ENODATA, 0}, {"x", EINVAL, 0}, {"-1", EINVAL, 0}, {"+1", EINVAL, 0}, {" 1", EINVAL, 0}, {"1 ", EINVAL, 0}, {"1  2", EINVAL, 0}, {"1 2 3", EINVAL, 0},
        {"1\n2", EINVAL, 0}, {"1\n 2", EINVAL, 0}, {"1\n\n", EINVAL, 0}, {"007", EINVAL, 0}, {"1.5", EINVAL, 0}, {"0x10", EINVAL, 0}, {"18446744073709551616", ERANGE, 0},
        {"4294967296 4294967296", ERANGE, 0}, {"1 18446744073709551616", ERANGE, 0},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct jb_reading r = {.count = 99, .watts = 99, .errnum = 99};
        size_t n = strlen(cases[i].text);
        int rc = jb_reading_parse(&energy, cases[i].text, n, &r);
        if (rc != cases[i].errnum || r.errnum != rc || r.count != (rc ? 99 : cases[i].value)) fail_msg("\"%s\": %d, %" PRIu64, cases[i].text, rc, r.count);
        assert_int_equal(strlen(r.text), n - (n && cases[i].text[n - 1] == '\n'));
        rc = jb_reading_parse(&power, cases[i].text, n, &r);
        assert_true(rc == cases[i].errnum && r.watts == (rc ? 99 : (double)cases[i].value * 1e-6));
    }
    struct jb_reading r = {0};
    assert_int_equal(jb_reading_parse(&energy, "5\0006", 3, &r), EINVAL);
    assert_string_equal(r.text, "5");
    char longer[100];
    memset(longer, '1', sizeof longer);
    assert_int_equal(jb_reading_parse(&energy, longer, sizeof longer, &r), ERANGE);
    assert_int_equal(strlen(r.text), JB_READING_TEXT - 1);
    char name[24];
    for (int e = 1; e < 4096; e++) {
        jb_errno_name(e, name);
        int back = jb_errno_of_name(name, strlen(name));
        if (back != e && strcmp(name, "EAGAIN") != 0) fail_msg("errno %d is %s is %d", e, name, back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_comes_back), cmocka_unit_test(every_kind_of_reading_comes_back), cmocka_unit_test(what_cannot_be_written), cmocka_unit_test(random_round_trips),
        cmocka_unit_test(written_once_a_second), cmocka_unit_test(torn_anywhere), cmocka_unit_test(full_disk), cmocka_unit_test(bad_headers), cmocka_unit_test(bad_readings),
        cmocka_unit_test(damaged_traces), cmocka_unit_test(raw_texts),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
