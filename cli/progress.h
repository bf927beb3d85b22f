// The progress line on stderr; nothing at all when stderr is no terminal.
#ifndef JB_CLI_PROGRESS_H
#define JB_CLI_PROGRESS_H

#include "cli/cli.h"
#include "harness/sweep.h"

struct cli_progress {
    bool on, drawn;
    int width;
    uint64_t last_ns;    // of the last drawing
    char phase[16];
    struct jb_clock clock;
};
void cli_progress_open(struct cli_progress *p, const struct cli *c);
void cli_progress_show(void *self, const struct jb_progress *p); // a jb_progress_fn
void cli_progress_close(struct cli_progress *p);                 // wipes the line
// "12 s", "3 min 05 s", "2 h 10 min" into out; "" when unknown.
void cli_time_left(double seconds, char out[32]);
// The line itself, cut to `width` columns.
void cli_progress_line(const struct jb_progress *p, int width, char *out, size_t n);

#endif
