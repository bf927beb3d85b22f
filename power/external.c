// external: an outside meter (a wall plug, a shunt on a bench) that writes "timestamp_ns,watts" or "timestamp_ns,joules" lines into a file or a FIFO.
//
// Its stamps are CLOCK_REALTIME, or a clock at a declared distance from it. The meter counts in CLOCK_MONOTONIC: both are read one after the other and run alike, so one difference
// holds until somebody sets CLOCK_REALTIME. That is noticed (the difference moves), fails the reading, and is counted. A reading's time is uncertain by how well the difference is known,
// and by the grain of the stamps: when all of them are whole milliseconds, it is a millisecond. With a clock that is not the system's (tests) stamps are of that clock.
//
// Lines come one by one, in the order of their stamps; what does not fit is dropped and counted. A line ahead of now waits until its time has come, so that no reading lies in the future.
// A file is followed like tail -F: lines that were there before tell the usual period, and the last one is the first reading if it is fresh. A file whose last line is old when it is opened
// is somebody's recording: class replayed. A FIFO is never opened by a probe: to lose its reader would kill the writer.
// Watts are integrated (class integrated); joules are the outside meter's own counter (class measured). What that meter itself gets wrong is not known here and not in the bounds.
#include "power/external.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER 4096
#define TAIL_BYTES 65536
#define PERIODS 15                    // of which the median is the usual one
#define MISSING_PERIODS 4
#define PERIOD_UNKNOWN_NS 1000000000u // assumed
#define LATE_LEAST_NS 3000000000u     // a line is late when it is older than this, and than MISSING_PERIODS
#define AHEAD_MOST_NS 1000000000u
#define LATENCY_NS 500000000u         // from the meter to here
#define SETTLE_MOST_NS 3000000000u
#define STEP_LEAST_NS 50000u          // a smaller movement of the clocks' difference is uncertainty
#define GRAIN_LEAST_NS 1000u          // stamps that are finer are taken as they are
#define FIRST_LINES_MS 1000           // open waits so long for a FIFO's first lines
#define FILLS_MOST 64                 // reads of the file in one call
#define DROPS_MOST 10000              // lines dropped in one call

struct external {
    struct jb_clock clock;
    bool own_clock;                   // not the system's: stamps are of this clock
    uint64_t (*realtime_ns)(void *self);
    void *realtime_self;
    int64_t declared_ns;              // stamp + this = CLOCK_REALTIME
    char path[160];
    int fd;
    bool fifo, had_writer, joules, contradicted, vanished;
    dev_t dev;
    ino_t ino;
    char buffer[BUFFER];
    size_t used, n;                   // unread: [used, n)
    bool skipping;                    // within an overlong line
    bool has_last, has_anchor, has_next;
    bool has_used;
    uint64_t last_stamp, used_stamp, grain; // the last one seen, the last one used
    uint64_t last_begin, last_end, last_ns; // of the last reading, meter's clock; last_ns: without its uncertainty
    uint64_t gap[PERIODS];
    size_t n_gaps;
    int64_t anchor_ns;                // CLOCK_REALTIME - clock
    uint64_t anchor_unsure_ns;
    struct jb_external_line next;     // to be delivered
    char odd[40];                     // the last garbage
    struct jb_external_counts counts;
    struct jb_channel channel;
};

static uint64_t system_realtime(void *self)
{
    (void)self;
    return jb_realtime_ns();
}

void jb_external_counts(void *impl, struct jb_external_counts *out)
{
    *out = ((const struct external *)impl)->counts;
}

void jb_external_set_realtime(void *impl, uint64_t (*realtime_ns)(void *self), void *self)
{
    struct external *x = impl;
    x->own_clock = x->has_anchor = false;
    x->realtime_ns = realtime_ns;
    x->realtime_self = self;
}

// ---- time ----

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t usual_period(const struct external *x)
{
    uint64_t sorted[PERIODS];
    size_t n = x->n_gaps < PERIODS ? x->n_gaps : PERIODS;
    if (n < 2) return 0;
    memcpy(sorted, x->gap, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    return sorted[n / 2];
}

static uint64_t late_ns(const struct external *x)
{
    uint64_t most = MISSING_PERIODS * usual_period(x);
    return most > LATE_LEAST_NS ? most : LATE_LEAST_NS;
}

// Reads both clocks; *step_ns is how far CLOCK_REALTIME was set since the last time, 0: not.
static uint64_t look_at_clocks(struct external *x, int64_t *step_ns)
{
    *step_ns = 0;
    uint64_t before = x->clock.now_ns(x->clock.self);
    if (x->own_clock) return before;
    uint64_t real = x->realtime_ns(x->realtime_self), after = x->clock.now_ns(x->clock.self);
    uint64_t unsure = (after - before) / 2 + 1;
    int64_t difference = (int64_t)(real - (before + (after - before) / 2));
    int64_t moved = x->has_anchor ? difference - x->anchor_ns : 0;
    bool step = (uint64_t)llabs(moved) > STEP_LEAST_NS + unsure + x->anchor_unsure_ns;
    if (step) *step_ns = moved;
    if (!x->has_anchor || step || unsure < x->anchor_unsure_ns) {
        x->anchor_ns = difference;
        x->anchor_unsure_ns = unsure;
        x->has_anchor = true;
    }
    return after;
}

// A stamp in the meter's clock; false when it lies before that clock's beginning.
static bool to_clock(const struct external *x, uint64_t stamp, uint64_t *ns)
{
    int64_t t;
    if (__builtin_add_overflow((int64_t)stamp, x->declared_ns, &t) || __builtin_sub_overflow(t, x->own_clock ? 0 : x->anchor_ns, &t) || t <= 0) return false;
    *ns = (uint64_t)t;
    return true;
}

// The largest power of ten that all stamps so far are whole multiples of, up to a second.
static void note_grain(struct external *x, uint64_t stamp)
{
    if (x->grain == 0) x->grain = 1000000000u;
    while (x->grain > 1 && stamp % x->grain != 0) x->grain /= 10;
}

// ---- lines ----

static void drop_garbage(struct external *x, const char *text, size_t n)
{
    x->counts.garbage++;
    size_t m = n < sizeof x->odd - 1 ? n : sizeof x->odd - 1;
    for (size_t i = 0; i < m; i++) x->odd[i] = text[i] >= ' ' && text[i] < 127 && text[i] != '"' ? text[i] : '?';
    x->odd[m] = 0;
}

// A value in its turn. False: out of order.
static bool in_order(struct external *x, uint64_t stamp)
{
    if (x->has_last && stamp <= x->last_stamp) {
        x->counts.out_of_order++;
        return false;
    }
    x->last_stamp = stamp;
    x->has_last = true;
    note_grain(x, stamp);
    return true;
}

// A value that is used: counts a gap before it and learns the usual period. A meter that was slowed down for good gets its new period when half of the ring agrees.
static void note_gap(struct external *x, uint64_t stamp)
{
    uint64_t period = usual_period(x), gap = stamp - x->used_stamp;
    if (x->has_used) {
        x->counts.missing += period && gap > MISSING_PERIODS * period;
        x->gap[x->n_gaps++ % PERIODS] = gap;
    }
    x->used_stamp = stamp;
    x->has_used = true;
}

// True: `next` holds a value.
static bool take_line(struct external *x, const char *text, size_t n)
{
    struct jb_external_line line;
    jb_external_parse(text, n, &line);
    switch (line.kind) {
    case JB_EXTERNAL_EMPTY: return false;
    case JB_EXTERNAL_WATTS_HEADER:
    case JB_EXTERNAL_JOULES_HEADER:
        x->contradicted |= x->joules != (line.kind == JB_EXTERNAL_JOULES_HEADER);
        return false;
    case JB_EXTERNAL_GARBAGE:
        drop_garbage(x, text, n);
        return false;
    default: break;
    }
    if (!in_order(x, line.stamp_ns)) return false;
    x->next = line;
    x->has_next = true;
    return true;
}

// The next whole line of the buffer; false: there is none. An overlong one is dropped and counted once.
static bool next_line(struct external *x, const char **text, size_t *n)
{
    while (x->used < x->n) {
        const char *start = x->buffer + x->used, *end = memchr(start, '\n', x->n - x->used);
        size_t length = end ? (size_t)(end - start) : x->n - x->used;
        bool overlong = length > JB_EXTERNAL_LINE_MOST, skipped = x->skipping;
        if (!end && !overlong && !skipped) return false;
        x->counts.overlong += overlong && !skipped;
        x->skipping = !end && (overlong || skipped);
        x->used += length + (end != NULL);
        if (!end || overlong || skipped) continue;
        *text = start;
        *n = length;
        return true;
    }
    return false;
}

// ---- the file ----

static void forget_buffer(struct external *x)
{
    x->used = x->n = 0;
    x->skipping = false;
}

// Nothing to read at the moment: has the writer gone, was the file cut or replaced?
static void look_at_end(struct external *x)
{
    struct stat st, there;
    if (x->fifo) {
        if (!x->had_writer) return;
        x->had_writer = false;
        x->counts.writers_gone++;
        const char *start = x->buffer + x->used, *last = x->used < x->n ? memrchr(start, '\n', x->n - x->used) : NULL;
        const char *cut = last ? last + 1 : start, *end = x->buffer + x->n; // the next writer's first line must not be glued to half a one
        if (cut < end && !x->skipping) drop_garbage(x, cut, (size_t)(end - cut));
        x->n = (size_t)(cut - x->buffer);
        x->skipping = false;
        return;
    }
    off_t at = lseek(x->fd, 0, SEEK_CUR);
    if (fstat(x->fd, &st) == 0 && at >= 0 && st.st_size < at && lseek(x->fd, 0, SEEK_SET) == 0) {
        x->counts.restarted++;
        forget_buffer(x);
        return;
    }
    x->vanished = stat(x->path, &there) != 0 && errno == ENOENT;
    if (x->vanished || stat(x->path, &there) != 0 || !S_ISREG(there.st_mode) || (there.st_dev == x->dev && there.st_ino == x->ino)) return;
    int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &there) != 0 || !S_ISREG(there.st_mode)) {
        if (fd >= 0) close(fd);
        return;
    }
    close(x->fd);
    x->fd = fd;
    x->dev = there.st_dev;
    x->ino = there.st_ino;
    x->counts.restarted++;
    forget_buffer(x);
}

// More bytes into the buffer. 0: some came; EAGAIN: none; else the errno.
static int fill(struct external *x)
{
    memmove(x->buffer, x->buffer + x->used, x->n - x->used);
    x->n -= x->used;
    x->used = 0;
    if (x->n == sizeof x->buffer) return 0;
    ssize_t got = read(x->fd, x->buffer + x->n, sizeof x->buffer - x->n);
    if (got > 0) {
        x->n += (size_t)got;
        x->had_writer = true;
        x->vanished = false;
        return 0;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        x->had_writer = true;
        return EAGAIN;
    }
    if (got < 0) return errno;
    look_at_end(x);
    return EAGAIN;
}

// Until `next` holds a value, or there are no more lines. 0 or an errno (EAGAIN: none).
static int fetch(struct external *x)
{
    const char *text;
    size_t n;
    int e = 0;
    for (int fills = 0; !x->has_next && fills < FILLS_MOST && e == 0; fills++) {
        while (!x->has_next && next_line(x, &text, &n)) take_line(x, text, n);
        if (!x->has_next) e = fill(x);
    }
    return x->has_next ? 0 : e ? e : EAGAIN;
}

// ---- readings ----

__attribute__((format(printf, 3, 4))) static bool refuse(struct jb_reading *r, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
    r->errnum = errnum;
    return false;
}

// Why no news may be bad news.
static bool no_news(const struct external *x, uint64_t now, struct jb_reading *r)
{
    uint64_t period = usual_period(x), silent = now - x->last_end;
    if (x->vanished) return refuse(r, ENODEV, "%.80s has vanished", x->path);
    if (x->counts.values == 0 && x->counts.garbage) return refuse(r, EAGAIN, "no valid line yet, %llu dropped, the last \"%s\"", (unsigned long long)x->counts.garbage, x->odd);
    if (x->counts.values == 0 && x->counts.ahead) return refuse(r, EAGAIN, "no valid line yet, %llu are stamped ahead of CLOCK_REALTIME", (unsigned long long)x->counts.ahead);
    if (x->counts.values == 0) return refuse(r, EAGAIN, "no line yet");
    if (silent > late_ns(x)) return refuse(r, EAGAIN, "no line for %.3g s (usual period %.3g s%s)", (double)silent * 1e-9, (double)period * 1e-9, x->fifo && !x->had_writer ? "; its writer has gone" : "");
    r->errnum = EAGAIN;
    return false;
}

// How far a stamp may be off.
static uint64_t unsure_ns(const struct external *x)
{
    return (x->own_clock ? 0 : x->anchor_unsure_ns + STEP_LEAST_NS) + (x->grain >= GRAIN_LEAST_NS ? x->grain : 0);
}

// Has the time of `next` come? Drops it when it never will, or not soon.
static bool is_due(struct external *x, uint64_t now, uint64_t *t)
{
    if (!to_clock(x, x->next.stamp_ns, t) || *t > now + AHEAD_MOST_NS) {
        if (*t > now) x->counts.ahead++;
        else x->counts.out_of_order++;
        x->has_next = false;
        // A stamp from the future must not make all that follow come too early.
        if (x->last_stamp == x->next.stamp_ns) x->has_last = false;
        return false;
    }
    return *t + unsure_ns(x) <= now;
}

static void deliver(struct external *x, uint64_t now, uint64_t t, struct jb_reading *r)
{
    uint64_t unsure = unsure_ns(x);
    r->begin_ns = t > unsure ? t - unsure : 0;
    r->end_ns = t + unsure;
    if (r->begin_ns < x->last_begin) r->begin_ns = x->last_begin;
    if (r->end_ns < x->last_end) r->end_ns = x->last_end;
    x->last_begin = r->begin_ns;
    x->last_end = r->end_ns;
    x->last_ns = t;
    r->exact = x->joules || x->grain < GRAIN_LEAST_NS; // power of a moment that is known to no better than a period
    if (x->joules) r->count = x->next.micro;
    else r->watts = (double)x->next.micro * 1e-6;
    snprintf(r->text, sizeof r->text, "%llu", (unsigned long long)x->next.micro);
    if (!x->has_used || x->next.stamp_ns > x->used_stamp) note_gap(x, x->next.stamp_ns);
    x->counts.values++;
    x->counts.late += now - t > late_ns(x);
    x->has_next = false;
}

// `next` is a value whose time has come, behind the last reading. 0 or an errno.
static int next_due(struct external *x, uint64_t now, uint64_t *t)
{
    for (int dropped = 0; dropped < DROPS_MOST; dropped++) {
        int e = fetch(x);
        if (e) return e;
        *t = 0;
        bool due = is_due(x, now, t);
        if (!x->has_next) continue;
        if (!due) return EAGAIN;
        if (x->counts.values == 0 || *t > x->last_ns) return 0;
        x->counts.out_of_order++; // a clock was set: this one is from before
        x->has_next = false;
    }
    return EAGAIN;
}

static bool read_external(void *impl, size_t channel, struct jb_reading *out)
{
    struct external *x = impl;
    int64_t step;
    uint64_t t, now = look_at_clocks(x, &step);
    (void)channel;
    *out = (struct jb_reading){.begin_ns = now, .end_ns = now};
    if (step) {
        x->counts.clock_steps++;
        x->has_last = x->has_next = x->has_used = false;
        return refuse(out, ENODATA, "CLOCK_REALTIME was set by %+.3g s: the outside meter's stamps before and after do not fit", (double)step * 1e-9);
    }
    int e = next_due(x, now, &t);
    if (x->contradicted) return refuse(out, EINVAL, "its header says %s: open it anew", x->joules ? "watts, not joules" : "joules, not watts");
    if (e == EAGAIN) return no_news(x, now, out);
    if (e) return refuse(out, e, "%.60s: %s", x->path, strerror(e));
    deliver(x, now, t, out);
    return next_due(x, now, &t) == 0;
}

// ---- open ----

// Lines of a text that was there before: header, period, grain, last value. Nothing is delivered.
static void learn(struct external *x, const char *at, const char *end, bool *header)
{
    for (const char *stop; at < end && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
        struct jb_external_line line;
        if (stop - at > JB_EXTERNAL_LINE_MOST) continue;
        jb_external_parse(at, (size_t)(stop - at), &line);
        if (line.kind == JB_EXTERNAL_WATTS_HEADER || line.kind == JB_EXTERNAL_JOULES_HEADER) {
            if (!*header) x->joules = line.kind == JB_EXTERNAL_JOULES_HEADER;
            *header = true;
        }
        if (line.kind != JB_EXTERNAL_VALUE || !in_order(x, line.stamp_ns)) continue;
        note_gap(x, line.stamp_ns);
        x->next = line;
        x->has_next = true;
    }
}

// The head of a file for its header, its tail for the rest; reading goes on behind the last newline. The last line stays in `next` if it is fresh. Returns whether it is not.
static int learn_file(struct external *x, bool *old, struct jb_err *err)
{
    bool header = false;
    struct stat st;
    char *text = malloc(TAIL_BYTES);
    if (!text) return jb_fail(err, JB_E_NOMEM, "external: out of memory");
    ssize_t n = pread(x->fd, text, BUFFER, 0);
    if (n > 0) learn(x, text, text + n, &header);
    x->has_last = x->has_next = x->has_used = false;
    x->n_gaps = 0;
    off_t size = fstat(x->fd, &st) == 0 ? st.st_size : 0, from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    n = pread(x->fd, text, TAIL_BYTES, from);
    const char *start = text, *end = text + (n > 0 ? n : 0), *last = n > 0 ? memrchr(text, '\n', (size_t)n) : NULL;
    if (from > 0 && n > 0) { // it begins within a line
        const char *first = memchr(text, '\n', (size_t)n);
        start = first ? first + 1 : end;
    }
    learn(x, start, end, &header);
    lseek(x->fd, from + (last ? last + 1 - text : 0), SEEK_SET);
    free(text);
    memset(&x->counts, 0, sizeof x->counts); // of what comes from now on
    int64_t step;
    uint64_t t = 0, now = look_at_clocks(x, &step);
    *old = x->has_next && (!to_clock(x, x->next.stamp_ns, &t) || (now > t && now - t > late_ns(x)));
    if (*old) x->has_next = false;
    return JB_OK;
}

// A FIFO's first lines stay in the buffer: they are news.
static void learn_fifo(struct external *x)
{
    bool header = false;
    for (int waited = 0; waited < FIRST_LINES_MS && x->n < sizeof x->buffer; waited += 100) {
        struct pollfd p = {.fd = x->fd, .events = POLLIN};
        if (x->own_clock && waited > 0) break; // a fake clock does not wait
        if (poll(&p, 1, x->own_clock ? 0 : 100) > 0 && !(p.revents & POLLIN)) break;
        fill(x);
        learn(x, x->buffer, x->buffer + x->n, &header);
        bool enough = x->n_gaps >= 3;
        x->has_last = x->has_next = x->has_used = false;
        if (enough) break;
        x->n_gaps = 0;
    }
    memset(&x->counts, 0, sizeof x->counts);
}

static int open_path(struct external *x, const struct jb_power_opts *o, struct jb_err *err)
{
    struct stat st;
    if (!o->external) return jb_fail(err, JB_E_UNAVAILABLE, "no outside meter was named");
    if (strlen(o->external) >= sizeof x->path) return jb_fail(err, JB_E_RANGE, "%.60s...: longer than %zu bytes", o->external, sizeof x->path - 1);
    snprintf(x->path, sizeof x->path, "%s", o->external);
    if (stat(x->path, &st) != 0) {
        int e = errno;
        return jb_fail_errno(err, e == EACCES ? JB_E_DENIED : JB_E_UNAVAILABLE, e, "%s", x->path);
    }
    x->fifo = S_ISFIFO(st.st_mode);
    if (!x->fifo && !S_ISREG(st.st_mode)) return jb_fail(err, JB_E_UNAVAILABLE, "%s: neither a file nor a FIFO", x->path);
    x->fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (x->fd < 0 || fstat(x->fd, &st) != 0) {
        int e = errno;
        return jb_fail_errno(err, e == EACCES ? JB_E_DENIED : JB_E_UNAVAILABLE, e, "%s", x->path);
    }
    x->dev = st.st_dev;
    x->ino = st.st_ino;
    return JB_OK;
}

static const char *fix_of(int code, const struct jb_power_opts *o)
{
    if (code == JB_E_DENIED) return "give yourself the right to read it (chmod a+r)";
    if (!o->external) return "--power-external FILE, a file or FIFO that the meter's program writes (lines \"timestamp_ns,watts\" or \"timestamp_ns,joules\")";
    return "let the meter's program write lines \"timestamp_ns,watts\" into a file or a FIFO (mkfifo) and name that";
}

static void set_up(struct external *x, const struct jb_power_opts *o)
{
    struct jb_clock system = jb_clock_monotonic();
    x->fd = -1;
    x->clock = jb_power_clock(o);
    x->own_clock = x->clock.now_ns != system.now_ns;
    x->realtime_ns = system_realtime;
    x->declared_ns = o->external_has_offset ? o->external_offset_ns : 0;
    x->joules = o->external_joules;
}

static void describe(struct external *x, bool old, struct jb_source *out)
{
    uint64_t period = usual_period(x), used = period ? period : PERIOD_UNKNOWN_NS;
    x->channel = (struct jb_channel){.zone = {.parent = -1, .has_counter = true, .control_type = "external", .name = "meter"}, .kind = x->joules ? JB_CHANNEL_ENERGY : JB_CHANNEL_POWER,
                                     .unit = x->joules ? 1 : 1e-6, .update_ns = used};
    x->channel.step_uj = 1;
    for (int i = x->next.digits; i < 6; i++) x->channel.step_uj *= 10; // what the last digit shown is worth; a joule or a watt while no line was seen
    snprintf(x->channel.path, sizeof x->channel.path, "%s", x->path);
    jb_cover_choose(&x->channel.zone, 1);
    *out = (struct jb_source){.cls = old ? JB_ENERGY_REPLAYED : x->joules ? JB_ENERGY_MEASURED : JB_ENERGY_INTEGRATED, .channel = &x->channel, .n = 1, .stream = true};
    // Nothing is lost by reading seldom, as long as a FIFO (64 KiB) does not fill; and the clocks want to be looked at.
    out->sampler_period_ns = !period ? 100000000u : 16 * used < 100000000u ? 100000000u : 16 * used > 500000000u ? 500000000u : 16 * used;
    out->settle_most_ns = used / 2 * 3 + LATENCY_NS < SETTLE_MOST_NS ? used / 2 * 3 + LATENCY_NS : SETTLE_MOST_NS;
    snprintf(out->name, sizeof out->name, "%s", jb_source_external.name);
    snprintf(out->root, sizeof out->root, "%.127s", x->path);
    if (old) snprintf(out->remark, sizeof out->remark, "its last line was old when it was opened: a recording, unless it grows");
    else if (period) snprintf(out->remark, sizeof out->remark, "a line every %.3g s", (double)period * 1e-9);
    else snprintf(out->remark, sizeof out->remark, "period not known, 1 s assumed");
    if (period * 3 / 2 + LATENCY_NS > SETTLE_MOST_NS) snprintf(out->remark, sizeof out->remark, "a line every %.3g s only: ends of windows may come too early for it", (double)period * 1e-9);
}

static void close_external(void *impl)
{
    struct external *x = impl;
    if (!x) return;
    if (x->fd >= 0) close(x->fd);
    free(x);
}

static int open_external(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err)
{
    struct jb_err why = {0};
    bool old = false;
    struct external *x = calloc(1, sizeof *x);
    if (!x) return jb_fail(err, JB_E_NOMEM, "external: out of memory");
    set_up(x, o);
    int rc = open_path(x, o, &why);
    if (rc == JB_OK && x->fifo) learn_fifo(x);
    else if (rc == JB_OK) rc = learn_file(x, &old, &why);
    if (rc) {
        close_external(x);
        return jb_fail(err, rc, "external: %s%s%s", why.detail, rc == JB_E_UNAVAILABLE || rc == JB_E_DENIED ? "; to unlock: " : "", rc == JB_E_UNAVAILABLE || rc == JB_E_DENIED ? fix_of(rc, o) : "");
    }
    describe(x, old, out);
    *impl = x;
    return JB_OK;
}

// Of a FIFO nothing but its mode is looked at.
static int probe(const struct jb_power_opts *o, struct jb_power_probe *out)
{
    struct stat st;
    struct jb_err err = {0};
    struct jb_source s;
    void *impl;
    jb_probe_init(out, jb_source_external.name);
    if (o->external) snprintf(out->path, sizeof out->path, "%s", o->external);
    if (o->external) jb_probe_mode(out->path, out->mode);
    if (o->external && stat(o->external, &st) == 0 && S_ISFIFO(st.st_mode)) {
        out->available = access(o->external, R_OK) == 0;
        out->errnum = out->available ? 0 : errno;
        if (out->available) out->cls = o->external_joules ? JB_ENERGY_MEASURED : JB_ENERGY_INTEGRATED;
        else snprintf(out->reason, sizeof out->reason, "%.160s: %s", o->external, strerror(out->errnum));
        snprintf(out->fix, sizeof out->fix, "%s", out->available ? "" : fix_of(JB_E_DENIED, o));
        snprintf(out->domains, sizeof out->domains, "%s", out->available ? "meter" : "");
        return JB_OK;
    }
    int rc = open_external(&impl, o, &s, &err);
    if (rc == JB_E_NOMEM) return rc;
    out->available = rc == JB_OK;
    if (rc == JB_OK) {
        out->cls = s.cls;
        snprintf(out->domains, sizeof out->domains, "%s", s.channel[0].zone.label);
        close_external(impl);
        return JB_OK;
    }
    out->errnum = o->external && stat(o->external, &st) != 0 ? errno : rc == JB_E_DENIED ? EACCES : 0;
    if (o->external && out->errnum) snprintf(out->reason, sizeof out->reason, "%.160s: %s", o->external, strerror(out->errnum));
    else snprintf(out->reason, sizeof out->reason, "%s", o->external ? "neither a file nor a FIFO, or its name is too long" : "no outside meter was named");
    snprintf(out->fix, sizeof out->fix, "%s", fix_of(rc, o));
    return JB_OK;
}

const struct jb_source_ops jb_source_external = {"external", "an outside meter: a file or FIFO of \"timestamp_ns,watts\" or \"timestamp_ns,joules\" lines", true, probe, open_external, close_external, read_external};
