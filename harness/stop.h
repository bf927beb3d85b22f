// Ending a cell early once its figures are narrow enough ("stop_when"), with intervals that hold all the same.
//
// Looking at data until they please makes intervals of 95 % cover less often. So there are few looks, at numbers of blocks fixed before anything is measured (10, then each half as many again, the last
// at the plan's), and the error that an interval may have is spent over them: by the look at share t of the plan alpha ln(1 + (e - 1) t) is spent (Lan & DeMets, Biometrika 70:659, 1983, the function like
// Pocock's). The interval of a look is made at 1 - what that look spends (repeated confidence intervals: Jennison & Turnbull, JRSS B 51:305, 1989). What is spent adds up to alpha, so by the union bound
// all intervals of all looks hold together in 95 % of runs, however the looks depend on one another and by whatever rule one of them is chosen. That is safe rather than sharp: an interval of a cell
// that could have ended early is some 30 % wider than that of a fixed number of blocks.
#ifndef JB_HARNESS_STOP_H
#define JB_HARNESS_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JB_STOP_LEAST_BLOCKS 10u // with 8, blocks of two modes are all of one too often: 92 % covered (tests/trust/stopping.c)
#define JB_STOP_MAX_LOOKS 40

// The looks of a plan of so many blocks, rising, the last at `planned`. Returns their number (0: planned is 0).
size_t jb_stop_looks(uint32_t planned, uint32_t out[JB_STOP_MAX_LOOKS]);
// Whether a cell with n blocks is looked at before the plan's end.
bool jb_stop_is_look(uint32_t planned, uint32_t n);
// Level of the intervals of a cell that ended with n blocks: at a look, or because time was up before the next.
double jb_stop_confidence(uint32_t planned, uint32_t n);
// Half-width of Student's interval of the mean over blocks at a level, relative to the mean. NAN for n < 2, or a mean that is not positive.
double jb_stop_half_width(const double *x, size_t n, double confidence);

#endif
