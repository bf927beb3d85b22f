// Clocks. A clock is passed, so that tests can inject a fake one.
#ifndef JB_BASE_CLOCK_H
#define JB_BASE_CLOCK_H

#include <stdint.h>

struct jb_clock {
    uint64_t (*now_ns)(void *self);              // monotonic nanoseconds
    void (*sleep_ns)(void *self, uint64_t ns);   // may end early when a signal handler ran (Ctrl-C is not kept waiting)
    void *self;
};

// CLOCK_MONOTONIC by the vDSO (no system call where the kernel offers it).
struct jb_clock jb_clock_monotonic(void);
uint64_t jb_realtime_ns(void);       // CLOCK_REALTIME, for records only
uint64_t jb_thread_cpu_ns(void);     // CPU time of the calling thread
// A fake clock: `self` is struct jb_fake_clock; each now_ns adds step_ns.
struct jb_fake_clock { uint64_t t_ns, step_ns; };
struct jb_clock jb_clock_fake(struct jb_fake_clock *state);

// Cost of one call (median over many) and resolution (least non-zero difference seen).
struct jb_clock_quality { double cost_ns; uint64_t resolution_ns; };
struct jb_clock_quality jb_clock_measure(const struct jb_clock *clock);
// ISO 8601 UTC with seconds: "2026-11-22T15:04:05Z". out has room for 32 bytes.
void jb_time_iso8601(uint64_t realtime_ns, char *out);

#endif
