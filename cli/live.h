// What the commands that measure two sides in turns have in common: reading the sides, options for their workers, clock, signals, progress.
#ifndef JB_CLI_LIVE_H
#define JB_CLI_LIVE_H

#include "cli/limits.h"
#include "cli/measure.h"
#include "harness/live.h"

#define CLI_LIVE_WORDS 12

struct cli_live {
    struct cli_measure measure;
    struct jb_side a, b;
    char program[PATH_MAX];                       // this one
    char word[CLI_LIVE_WORDS][4200]; size_t n_words; // power options for the workers; the sides borrow them
    char state[CLI_LIMITS_PATH];                  // of power limits
    struct jb_live_opts opts;                     // all but seconds, block_ms, only and seed is set; points into this struct: do not move it
};
#define CLI_LIVE_LIMITS_ROW(type, member)                                                                                                        \
    { "limits-state", 0, CLI_TEXT, offsetof(type, member), "FILE", NULL, 0, 0,                                                                     \
      "with --live and power_limit_w in a side's plan: where it is written down what the limits were; without it limits.json in $JOULEBENCH_STATE_DIR or the user's state directory" }

// limits_state: as given by that option, or NULL. Limits that an earlier process left are said on stderr.
// Catches signals from here on. Close in every case.
int cli_live_open(struct cli_live *l, const struct cli *c, const char *path_a, const char *path_b, const struct cli_power_opts *power, const char *limits_state, struct jb_err *err);
void cli_live_close(struct cli_live *l);

#endif
