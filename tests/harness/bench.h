// Test helpers: a directory with a small model and a plan in it, and options for a sweep there.
#ifndef JB_TESTS_HARNESS_BENCH_H
#define JB_TESTS_HARNESS_BENCH_H

#include "harness/sweep.h"

struct bench {
    char dir[128], out[160];             // out: the run directory
    struct jb_kernels kernels;
    struct jb_paths paths;
    struct jb_sweep_opts o;
    volatile int stop;
};
void bench_open(struct bench *b);        // asserts on failure; the model is DIR/tiny.gguf (4 exits, 10 classes, 28 x 28)
void bench_close(struct bench *b);       // removes the directory
const char *bench_path(const struct bench *b, const char *name); // a static buffer that the fourth next call reuses
char *bench_read(const char *path, size_t *n);
void bench_write(const char *path, const void *data, size_t n);
// Runs a plan given as text; asserts that it can be read. rc of jb_sweep_run.
int bench_sweep(struct bench *b, const char *plan, struct jb_result **out, struct jb_err *err);
const struct jb_result_cell *bench_cell(const struct jb_result *r, const char *label); // asserts that it is there
size_t bench_count(const char *text, const char *what);

// Of a plan whose test must not depend on what else the machine does.
#define BENCH_ANY_MACHINE "\"validity\": {\"max_other_cpu\": 1, \"max_steal\": 1, \"max_involuntary_per_s\": 1e9, \"max_reference_drift\": 1e6, \"throttling\": true, \"swap\": true, \"max_freq_change\": 100}"

extern const char bench_plan[];          // small: 7 cells, 3 blocks each

#endif
