#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define REDRAW_NS 100000000u // ten times a second at most

void cli_time_left(double seconds, char out[32])
{
    if (!(seconds >= 0) || seconds > 1e8) {
        out[0] = '\0'; // unknown
        return;
    }
    long s = lround(seconds);
    if (s < 60)
        snprintf(out, 32, "%ld s", s);
    else if (s < 3600)
        snprintf(out, 32, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, 32, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

void cli_progress_line(const struct jb_progress *p, int width, char *out, size_t n)
{
    char left[32], text[512];
    cli_time_left(p->seconds_left, left);
    int digits = snprintf(NULL, 0, "%llu", (unsigned long long)p->total);
    snprintf(text, sizeof text, "[%*llu/%llu] %-9s %s%s%s", digits, (unsigned long long)p->done, (unsigned long long)p->total, p->phase ? p->phase : "", left, left[0] ? " left  " : "",
             p->cell ? p->cell : "");
    size_t k = 0;
    for (const char *s = text; *s && k + 1 < n && (int)k < width; s++) {
        unsigned char c = (unsigned char)*s;
        out[k++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    out[k] = '\0';
}

void cli_progress_open(struct cli_progress *p, const struct cli *c)
{
    memset(p, 0, sizeof *p);
    p->on = c->err_tty;
    p->width = c->width - 1; // the last column would wrap
    p->clock = jb_clock_monotonic();
}

void cli_progress_show(void *self, const struct jb_progress *progress)
{
    struct cli_progress *p = self;
    const char *phase = progress->phase ? progress->phase : "";
    if (!p->on)
        return;
    uint64_t now = p->clock.now_ns(p->clock.self);
    if (p->drawn && now - p->last_ns < REDRAW_NS && strncmp(phase, p->phase, sizeof p->phase - 1) == 0)
        return;
    char line[512];
    cli_progress_line(progress, p->width, line, sizeof line);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    snprintf(p->phase, sizeof p->phase, "%s", phase);
    p->last_ns = now;
    p->drawn = true;
}

void cli_progress_close(struct cli_progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}
