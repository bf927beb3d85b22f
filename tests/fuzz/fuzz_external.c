// Fuzz target: an outside meter's stream. First byte: bit 0 the input's second part comes later; bit 1 by a FIFO; bit 2 joules; bit 3 CLOCK_REALTIME is set in between; bit 4 the file is cut.
// All bytes behind it are the stream, and each of its lines goes to the parser alone, too. Readings must be in order, not in the future, and in bounds.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/external.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define NOW 1700000000000000000u // what most seeds' stamps lie around
#define SECOND 1000000000u
#define READS_MOST 100000

static void check(bool ok)
{
    if (!ok) abort();
}

static void parse_lines(const uint8_t *data, size_t n)
{
    for (size_t at = 0; at <= n;) {
        const uint8_t *end = at < n ? memchr(data + at, '\n', n - at) : NULL;
        size_t length = end ? (size_t)(end - data) - at : n - at;
        struct jb_external_line l;
        char *exact = malloc(length ? length : 1); // one byte too far is seen
        if (!exact) return;
        memcpy(exact, data + at, length);
        jb_external_parse(exact, length, &l);
        free(exact);
        check(l.kind <= JB_EXTERNAL_GARBAGE && l.digits >= 0 && l.digits <= 6);
        if (l.kind == JB_EXTERNAL_VALUE) check(l.stamp_ns <= INT64_MAX && l.micro <= 1000000000000999999u);
        at += length + 1;
    }
}

static char fifo[64]; // one for the process

static void remove_fifo(void) { unlink(fifo); }

static uint64_t realtime_ns; // a clock's state: the callback has to find it

static uint64_t fake_realtime(void *self)
{
    return realtime_ns + *(const uint64_t *)self;
}

static void drain(void *impl, const struct jb_source *s, const struct jb_fake_clock *clock, uint64_t *last_end)
{
    struct jb_reading r;
    bool more = true;
    for (int i = 0; more && i < READS_MOST; i++) {
        more = jb_source_external.read(impl, 0, &r);
        check(memchr(r.why, 0, sizeof r.why) && memchr(r.text, 0, sizeof r.text) && isfinite(r.watts));
        if (r.errnum) {
            check(!more || r.errnum != EAGAIN);
            continue;
        }
        check(r.begin_ns <= r.end_ns && r.end_ns <= clock->t_ns && r.end_ns >= *last_end && r.watts >= 0);
        check(s->channel[0].kind == JB_CHANNEL_ENERGY ? r.watts == 0 : r.count == 0);
        *last_end = r.end_ns;
    }
}

static void put(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) { // a FIFO takes what it has room for
        ssize_t done = write(fd, data, n);
        if (done <= 0) return;
        data += done;
        n -= (size_t)done;
    }
}

static void follow(int fd, const char *path, uint8_t how, const uint8_t *data, size_t n)
{
    struct jb_fake_clock clock = {.t_ns = NOW};
    struct jb_power_opts o = {.source = "external", .external = path, .external_joules = how & 4, .clock = jb_clock_fake(&clock)};
    struct jb_source s;
    struct jb_external_counts c;
    void *impl;
    size_t first = how & 1 ? n / 2 : n;
    uint64_t last_end = 0;
    put(fd, data, first);
    if (jb_source_external.open(&impl, &o, &s, NULL)) return;
    check(s.n == 1 && s.channel[0].zone.summed && s.channel[0].update_ns > 0 && s.channel[0].step_uj >= 1);
    if (how & 8) jb_external_set_realtime(impl, fake_realtime, &clock.t_ns);
    realtime_ns = 0;
    drain(impl, &s, &clock, &last_end);
    clock.t_ns += SECOND;
    drain(impl, &s, &clock, &last_end);
    if (how & 16) check(ftruncate(fd, 0) == 0 || how & 2);
    put(fd, data + first, n - first);
    if (how & 8) realtime_ns += how & 32 ? (uint64_t)-(int64_t)SECOND : 3600 * (uint64_t)SECOND;
    clock.t_ns += 10 * (uint64_t)SECOND;
    drain(impl, &s, &clock, &last_end);
    jb_external_counts(impl, &c);
    check(c.late <= c.values && c.garbage <= n && c.overlong <= n);
    jb_source_external.close(impl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0) return 0;
    parse_lines(data + 1, n - 1);
    char path[80];
    int fd;
    if (data[0] & 2) {
        if (!fifo[0]) {
            snprintf(fifo, sizeof fifo, "/tmp/jb_fuzz_external_%d", (int)getpid());
            unlink(fifo);
            check(mkfifo(fifo, 0600) == 0);
            atexit(remove_fifo);
        }
        snprintf(path, sizeof path, "%s", fifo);
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); // emptied when it is closed
    } else {
        fd = memfd_create("stream", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    check(fd >= 0);
    follow(fd, path, data[0], data + 1, n - 1);
    close(fd);
    return 0;
}
