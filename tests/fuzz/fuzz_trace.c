// Fuzz target: a trace of any bytes. What is read is written again and must read the same; then it is replayed on a meter, whose windows have bounds in order or a reason.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "power/record.h"
#include "power/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define S 1000000000u

static void check(bool ok)
{
    if (!ok) abort();
}

static bool same_channel(const struct jb_channel *a, const struct jb_channel *b)
{
    return strcmp(a->zone.name, b->zone.name) == 0 && strcmp(a->zone.control_type, b->zone.control_type) == 0 && a->zone.parent == b->zone.parent && a->zone.has_counter == b->zone.has_counter &&
           a->kind == b->kind && strcmp(a->path, b->path) == 0 && a->unit == b->unit && a->range == b->range && a->step_uj == b->step_uj && a->ceiling_w == b->ceiling_w &&
           a->update_ns == b->update_ns && a->update_least_ns == b->update_least_ns && a->accuracy == b->accuracy && a->never_rests == b->never_rests && a->averaged == b->averaged &&
           a->falling == b->falling && !a->zone.excluded == !b->zone.excluded && (!a->zone.excluded || strcmp(a->zone.excluded, b->zone.excluded) == 0);
}

static bool same_reading(const struct jb_reading *a, const struct jb_reading *b)
{
    return a->begin_ns == b->begin_ns && a->end_ns == b->end_ns && a->errnum == b->errnum && a->exact == b->exact && a->count == b->count && a->watts == b->watts &&
           strcmp(a->text, b->text) == 0 && strcmp(a->why, b->why) == 0;
}

static void write_again(const struct jb_trace *t, const char *path)
{
    struct jb_clock clock = jb_clock_monotonic();
    struct jb_recorder *rec;
    struct jb_source s = {.cls = t->head.cls, .channel = (struct jb_channel *)t->channel, .n = t->n};
    memcpy(s.name, t->head.name, sizeof s.name);
    memcpy(s.root, t->head.root, sizeof s.root);
    check(jb_recorder_open(&rec, path, &s, &clock, NULL) == JB_OK);
    for (size_t c = 0; c < t->n; c++)
        for (size_t i = 0; i < jb_trace_count(t, c); i++) {
            struct jb_reading r;
            jb_trace_reading(t, c, i, &r);
            check(r.begin_ns <= r.end_ns && isfinite(r.watts));
            check(jb_recorder_add(rec, c, &r) == JB_OK);
        }
    check(jb_recorder_close(rec, NULL) == JB_OK);
}

static void compare(const struct jb_trace *t, const char *path)
{
    struct jb_trace *u;
    check(jb_trace_read(&u, path, NULL) == JB_OK && !u->torn && u->n == t->n && strcmp(u->head.name, t->head.name) == 0 && strcmp(u->head.root, t->head.root) == 0);
    for (size_t c = 0; c < t->n; c++) {
        check(same_channel(&t->channel[c], &u->channel[c]) && jb_trace_count(t, c) == jb_trace_count(u, c));
        for (size_t i = 0; i < jb_trace_count(t, c); i++) {
            struct jb_reading a, b;
            jb_trace_reading(t, c, i, &a);
            jb_trace_reading(u, c, i, &b);
            check(same_reading(&a, &b));
        }
    }
    jb_trace_close(u);
}

static void in_order(const struct jb_joules *j)
{
    if (jb_joules_have(j)) check(isfinite(j->upper_uj) && j->lower_uj >= 0 && j->lower_uj <= j->uj && j->uj <= j->upper_uj);
    else check(j->reason[0] && isnan(j->uj));
}

static void measure(const char *path, uint64_t step_ns)
{
    struct jb_fake_clock clock = {.t_ns = S, .step_ns = step_ns};
    struct jb_power_opts o = {.source = "replay", .trace = path, .clock = jb_clock_fake(&clock)};
    struct jb_meter *m;
    if (jb_meter_open(&m, &o, NULL)) return;
    for (int k = 0; k < 4; k++) {
        struct jb_joules parts[JB_SOURCE_MAX_CHANNELS];
        struct jb_window w;
        (void)jb_meter_begin(m, &w);
        clock.t_ns += 1000000u + (uint64_t)k * 300000000u;
        struct jb_joules j = jb_meter_end_parts(m, &w, parts, JB_SOURCE_MAX_CHANNELS);
        in_order(&j);
        for (size_t i = 0; i < jb_meter_n_channels(m); i++) in_order(&parts[i]);
    }
    jb_meter_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_trace *t;
    struct jb_err err = {0};
    char *text = malloc(n ? n : 1), path[64], again[64];
    if (!text) return 0;
    if (n) memcpy(text, data, n);
    int rc = jb_trace_parse(&t, "fuzz", text, n, &err);
    if (rc) {
        check(err.code == rc && strncmp(err.detail, "fuzz", 4) == 0);
        return 0;
    }
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
    check(in >= 0 && out >= 0 && write(in, data, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", in);
    snprintf(again, sizeof again, "/proc/self/fd/%d", out);
    write_again(t, again);
    compare(t, again);
    jb_trace_close(t);
    measure(path, n % 3 * 1000);
    close(in);
    close(out);
    return 0;
}
