#include "power/record.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/reading.h"
#include "power/trace_text.h"

enum { FLUSH_BYTES = 64 * 1024 };
#define FLUSH_NS 1000000000u

struct jb_recorder {
    int fd;
    bool regular;            // its end can be cut
    bool broken;             // it could not be written: nothing more is tried
    char path[4096];
    off_t whole_bytes;       // written so far, all of it whole lines
    struct jb_str pending, line;
    uint64_t flushed_ns;     // time of the reading that was last when the file was written
    bool flushed_once;
    size_t n;
    struct { enum jb_channel_kind kind; double unit; uint64_t end_ns; } channel[JB_SOURCE_MAX_CHANNELS];
    struct jb_err failure;   // the first one; code 0: none
};

static int fail(struct jb_recorder *r, int errnum, const char *what)
{
    if (r->failure.code == 0) jb_fail_errno(&r->failure, jb_code_of_errno(errnum), errnum, "%.300s: cannot %s the trace", r->path, what);
    return r->failure.code;
}

static int out_of_memory(struct jb_recorder *r)
{
    return r->failure.code ? r->failure.code : jb_fail(&r->failure, JB_E_NOMEM, "%.300s: out of memory", r->path);
}

// All of `pending`, or the file ends where it did before.
static int flush(struct jb_recorder *r)
{
    size_t done = 0;
    while (done < r->pending.len) {
        ssize_t put = write(r->fd, r->pending.s + done, r->pending.len - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            int e = errno;
            r->broken = true;
            if (r->regular && ftruncate(r->fd, r->whole_bytes) != 0) {} // then its last line stays torn, which the reader knows to leave out
            return fail(r, e, "write");
        }
        done += (size_t)put;
    }
    r->whole_bytes += (off_t)done;
    jb_str_clear(&r->pending);
    return JB_OK;
}

static int write_header(struct jb_recorder *r, const struct jb_source *s, const struct jb_clock *clock)
{
    struct jb_str *b = &r->pending;
    struct jb_trace_head head = {
        .cls = s->cls, .sampler_period_ns = s->sampler_period_ns, .settle_most_ns = s->settle_most_ns,
        .opened_ns = clock->now_ns(clock->self), .realtime_ns = jb_realtime_ns(),
    };
    memcpy(head.name, s->name, sizeof head.name);
    memcpy(head.root, s->root, sizeof head.root);
    memcpy(head.remark, s->remark, sizeof head.remark);
    jb_str_add(b, JB_TRACE_MAGIC "\n# source");
    jb_trace_put_fields(b, jb_trace_head_fields, &head);
    for (size_t i = 0; i < s->n; i++) {
        jb_str_addf(b, "\n# channel %zu", i);
        jb_trace_put_fields(b, jb_trace_channel_fields, &s->channel[i]);
    }
    jb_str_add(b, "\n" JB_TRACE_COLUMNS "\n");
    if (!b->failed) return flush(r);
    jb_str_clear(b); // half a header is none
    return out_of_memory(r);
}

static int open_file(struct jb_recorder *r, struct jb_err *err)
{
    struct stat st;
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (r->fd < 0 || fstat(r->fd, &st) != 0) {
        int e = errno;
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%.300s: cannot write a trace there", r->path);
    }
    r->regular = S_ISREG(st.st_mode);
    return JB_OK;
}

static int check_channels(struct jb_recorder *r, const struct jb_source *s, struct jb_err *err)
{
    if (s->n == 0 || s->n > JB_SOURCE_MAX_CHANNELS) return jb_fail(err, JB_E_INVALID, "%.300s: a trace holds 1 to %d channels, not %zu", r->path, JB_SOURCE_MAX_CHANNELS, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct jb_channel *c = &s->channel[i];
        if (c->kind == JB_CHANNEL_ENERGY && !(c->unit > 0 && isfinite(c->unit))) return jb_fail(err, JB_E_INVALID, "%.300s: channel %zu has no unit", r->path, i);
        r->channel[i].kind = c->kind;
        r->channel[i].unit = c->unit;
    }
    r->n = s->n;
    return JB_OK;
}

int jb_recorder_open(struct jb_recorder **out, const char *path, const struct jb_source *s, const struct jb_clock *clock, struct jb_err *err)
{
    struct jb_recorder *r = calloc(1, sizeof *r);
    if (!r) return jb_fail(err, JB_E_NOMEM, "%.300s: out of memory", path);
    r->fd = -1;
    int rc = (size_t)snprintf(r->path, sizeof r->path, "%s", path) < sizeof r->path ? JB_OK : jb_fail(err, JB_E_INVALID, "%.300s...: path too long", path);
    if (rc == JB_OK) rc = check_channels(r, s, err);
    if (rc == JB_OK) rc = open_file(r, err);
    if (rc == JB_OK && (rc = write_header(r, s, clock)) && err) *err = r->failure;
    if (rc) {
        jb_recorder_close(r, NULL);
        return rc;
    }
    *out = r;
    return JB_OK;
}

// Digits stand as they are, anything else in quotes.
static void put_text(struct jb_str *b, const char *text)
{
    if (text[0] && strspn(text, "0123456789") == strlen(text)) jb_str_add(b, text);
    else jb_trace_put_quoted(b, text);
}

static void put_failure(struct jb_str *b, int errnum, const char *why, const char *text)
{
    char name[24];
    jb_errno_name(errnum, name);
    jb_str_addf(b, "!%s", name);
    if (!why[0] && !text[0]) return;
    jb_str_add(b, ",");
    jb_trace_put_quoted(b, why);
    if (!text[0]) return;
    jb_str_add(b, ",");
    jb_trace_put_quoted(b, text);
}

// The text, and behind it the value where the text alone would not be read as that.
static void put_value(struct jb_str *b, const struct jb_channel *c, const struct jb_reading *reading)
{
    struct jb_reading again = {0};
    bool energy = c->kind == JB_CHANNEL_ENERGY;
    if (energy && !reading->text[0]) {
        jb_str_addf(b, "%" PRIu64, reading->count);
    } else {
        put_text(b, reading->text);
        int rc = jb_reading_parse(c, reading->text, strlen(reading->text), &again);
        if (energy && (rc || again.count != reading->count)) jb_str_addf(b, ",=%" PRIu64, reading->count);
        if (!energy && (rc || again.watts != reading->watts)) jb_str_addf(b, ",=%.17g", reading->watts);
    }
    if (reading->exact) jb_str_add(b, ",exact");
}

static int put_line(struct jb_recorder *r, size_t i, const struct jb_reading *reading, uint64_t end_ns)
{
    struct jb_str *b = &r->line;
    struct jb_channel c = {.kind = r->channel[i].kind, .unit = r->channel[i].unit};
    uint64_t begin_ns = reading->begin_ns < end_ns ? reading->begin_ns : end_ns;
    jb_str_clear(b);
    jb_str_addf(b, "%" PRIu64 ",%" PRIu64 ",%zu,", begin_ns, end_ns, i);
    if (reading->errnum) put_failure(b, reading->errnum, reading->why, reading->text);
    else if (c.kind == JB_CHANNEL_POWER && !(fabs(reading->watts) <= JB_TRACE_MAX_W)) put_failure(b, ERANGE, "no number of watts", reading->text);
    else put_value(b, &c, reading);
    jb_str_add(b, "\n");
    if (b->failed) return out_of_memory(r);
    jb_str_addn(&r->pending, b->s, b->len); // all of the line or nothing
    return r->pending.failed ? out_of_memory(r) : JB_OK;
}

int jb_recorder_add(struct jb_recorder *r, size_t channel, const struct jb_reading *reading)
{
    if (r->failure.code) return r->failure.code;
    if (reading->errnum == EAGAIN) return JB_OK;
    if (channel >= r->n) return jb_fail(&r->failure, JB_E_INTERNAL, "%.300s: a reading of channel %zu of %zu", r->path, channel, r->n);
    // The reader holds that each channel's readings end in order. A later end only says less.
    uint64_t end_ns = reading->end_ns, last_ns = r->channel[channel].end_ns;
    if (end_ns < last_ns) end_ns = last_ns;
    if (end_ns > INT64_MAX) end_ns = INT64_MAX;
    r->channel[channel].end_ns = end_ns;
    int rc = put_line(r, channel, reading, end_ns);
    if (rc) return rc;
    if (!r->flushed_once) {
        r->flushed_once = true;
        r->flushed_ns = end_ns;
    }
    bool due = end_ns >= r->flushed_ns && end_ns - r->flushed_ns >= FLUSH_NS;
    if (!due && r->pending.len < FLUSH_BYTES) return JB_OK;
    if (end_ns > r->flushed_ns) r->flushed_ns = end_ns;
    return flush(r);
}

int jb_recorder_close(struct jb_recorder *r, struct jb_err *err)
{
    if (!r) return JB_OK;
    if (r->fd >= 0) {
        if (!r->broken) (void)flush(r); // what was taken is whole
        if (r->regular && fsync(r->fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS) fail(r, errno, "sync");
        if (close(r->fd) != 0) fail(r, errno, "write"); // NFS reports a full disk here
    }
    int rc = r->failure.code;
    if (rc && err) *err = r->failure;
    jb_str_free(&r->pending);
    jb_str_free(&r->line);
    free(r);
    return rc;
}
