// A directory with a small network, its kernels wrapped (memo.h), and options to measure there under a clock that is made of what the work costs: nothing depends on the machine.
#ifndef JB_TESTS_AUDIT_PLACE_H
#define JB_TESTS_AUDIT_PLACE_H

#include "harness/audit.h"
#include "tests/audit/memo.h"

struct place {
    char dir[128];
    struct jb_kernels kernels;
    struct jb_paths paths;
    struct jb_fake_clock clock;
    struct jb_sweep_opts o;
};
// `costs`: what a convolution costs; its clock is set to the place's. NULL: kernels as they are.
void place_open(struct place *p, const struct memo *costs);
void place_close(struct place *p);
void place_write(const char *path, const char *text);
extern const char place_plan[]; // two cells, final exit and a threshold, f32, for DIR/tiny.gguf; any machine is good enough

#endif
