// What the commands that measure have in common: kernels, clock, power source, signals, progress; and the workload's parameters.
#ifndef JB_CLI_MEASURE_H
#define JB_CLI_MEASURE_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "harness/sweep.h"

struct cli_power_opts { const char *source, *root, *trace, *external; bool trust_guest_rapl, external_joules; double max_power_w; int64_t external_offset_ns; };
#define CLI_POWER_ROWS(type, member)                                                                                                              \
    { "power", 0, CLI_TEXT, offsetof(type, member.source), "SOURCE", "auto", 0, 0, "energy source (joulebench list power); auto: the first available" }, \
    { "power-root", 0, CLI_TEXT, offsetof(type, member.root), "DIR", NULL, 0, 0, "read counters below DIR instead of the system's own; their class is then replayed" }, \
    { "power-trace", 0, CLI_TEXT, offsetof(type, member.trace), "FILE", NULL, 0, 0, "the recorded trace for --power replay" },                       \
    { "power-external", 0, CLI_TEXT, offsetof(type, member.external), "FILE", NULL, 0, 0,                                                           \
      "an outside meter for --power external: a file or FIFO of timestamp_ns,watts lines" },                                                     \
    { "power-external-joules", 0, CLI_FLAG, offsetof(type, member.external_joules), NULL, NULL, 0, 0, "its second column is cumulative joules" },     \
    { "power-external-offset", 0, CLI_I64, offsetof(type, member.external_offset_ns), "NS", NULL, -9e18, 9e18,                                       \
      "nanoseconds to add to its stamps to get CLOCK_REALTIME" },                                                                                \
    { "trust-guest-rapl", 0, CLI_FLAG, offsetof(type, member.trust_guest_rapl), NULL, NULL, 0, 0, "believe RAPL under a hypervisor; recorded with every figure" }, \
    { "max-power-w", 0, CLI_F64, offsetof(type, member.max_power_w), "W", "0", 0, 100000, "no window may exceed this power; 0: from the source" }

// Fills power options. CPUs that this process is bound to (taskset) are the measured ones.
void cli_power_fill(struct jb_power_opts *out, const struct cli_power_opts *p);

struct cli_measure {
    struct jb_kernels kernels;
    struct jb_paths paths;
    struct cli_progress progress;
    struct jb_sweep_opts sweep;   // points into this struct: do not move it
    char program[PATH_MAX];       // this one; empty: not known
};
// plan_dir NULL: files are looked for in the working directory. Catches signals from here on.
int cli_measure_open(struct cli_measure *m, const struct cli *c, const struct cli_power_opts *power, const char *plan_dir, struct jb_err *err);
void cli_measure_close(struct cli_measure *m);
// Instructions of a query are to be counted: "no", "papi" or "callgrind", the value of --count-instructions.
void cli_measure_count(struct cli_measure *m, const char *how);
#define CLI_COUNT_ROW(type, member)                                                                                                              \
    { "count-instructions", 0, CLI_CHOICE, offsetof(type, member), "no|papi|callgrind", "no", 0, 0,                                                \
      "count the instructions of a query: by the CPU, or by valgrind, which takes longer and runs other kernels, but needs no counter" }
// The exit code for a failure: 128 + signal when one stopped it.
int cli_measure_fail(const struct jb_err *err);

// "name=value" of --param into params (owned: free; each name is a copy in `text`).
struct cli_params { struct jb_workload_param *item; size_t n; char *text; };
int cli_params_parse(struct cli_params *out, const struct cli_list *pairs, struct jb_err *err);
void cli_params_free(struct cli_params *p);

#endif
