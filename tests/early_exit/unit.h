// What every test of this folder includes.
#ifndef JB_TESTS_EARLY_EXIT_UNIT_H
#define JB_TESTS_EARLY_EXIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "early_exit/calibrate.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof(a)[0])

// A recording without a model: (n, n_exits, n_classes), every stage ends in an exit, stage k costs 100 (k + 1) MACs and a head 10; labels and logits zero.
void unit_recording(struct jb_recording *r, uint32_t n, uint32_t n_exits, uint32_t n_classes, const char *schedule);
// Logits of a plausible multi-exit network: signal grows with depth, samples differ in difficulty.
void unit_fill(struct jb_recording *r, struct jb_rng *rng);
struct jb_policy unit_threshold_policy(const char *name, double threshold, uint32_t n_exits);
struct jb_policy unit_param_policy(const char *name, const char *param, double value, uint32_t n_exits);

#endif
