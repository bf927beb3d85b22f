// A reference kernel: fixed work that has nothing to do with what is measured (integers, floats in the first cache, dependent loads and stores over 256 KiB), a third of a millisecond, run three times
// behind every block. Its time is the machine's: where it drifts, the machine drifts. The least of the three counts: interrupts, other threads and the cold caches behind a block are no drift.
//
// Normalising by it is a rule of the plan ("normalise": "none" or "reference"), never chosen after looking at the data that are compared. It is sound between blocks of one program. Two builds
// compile the kernel each for itself: between them normalising carries whatever the compilers made different, so the figures without it always stand beside.
#ifndef JB_HARNESS_REFERENCE_H
#define JB_HARNESS_REFERENCE_H

#include "base/clock.h"

struct jb_reference;
int jb_reference_open(struct jb_reference **out); // NOMEM
void jb_reference_close(struct jb_reference *r);  // accepts NULL
// Fills *ns with the least of the three (at least 1). MISMATCH: the work gave another result than it always gives, so memory or CPU cannot be trusted.
int jb_reference_run(struct jb_reference *r, const struct jb_clock *clock, uint64_t *ns);

// For tests: the work once; the same number on every machine.
uint64_t jb_reference_work(struct jb_reference *r);
#define JB_REFERENCE_RESULT 0x4004c2bfb98bd741u

#endif
