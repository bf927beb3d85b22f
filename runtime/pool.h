// Inside the runtime: a small team of threads that run one function together, as a session needs it many thousand times a second.
// Who waits spins for some 50 us, because the next piece of work is nearly always due by then, and sleeps on a futex if it is not. While it spins
// there are no locks and no calls of the kernel. Where there are more threads than CPUs nobody spins: the time would be the others'.
#ifndef JB_RUNTIME_POOL_H
#define JB_RUNTIME_POOL_H

#include <stdint.h>
#include "base/err.h"

struct jb_team;

#define JB_TEAM_MAX 64

// n: 1 to JB_TEAM_MAX, the caller's thread included, which is thread 0 of each run. cpus (borrowed for the call; NULL: not bound): thread i >= 1 is bound to cpus[i % n_cpus];
// the caller's own affinity is the caller's. RANGE: too many; UNAVAILABLE: a CPU that cannot be had, or no more threads.
int jb_team_open(struct jb_team **out, uint32_t n, const uint32_t *cpus, uint32_t n_cpus, struct jb_err *err);
void jb_team_close(struct jb_team *t); // accepts NULL
uint32_t jb_team_size(const struct jb_team *t);

// Every thread calls fn(self, its number) once; returns when all have. What the caller wrote before is seen by all, and what they wrote is seen by the caller. One run at a time.
typedef void (*jb_team_fn)(void *self, uint32_t thread);
void jb_team_run(struct jb_team *t, jb_team_fn fn, void *self);
// Within fn: returns when all threads have called it; what any wrote before is seen by all behind it. Every thread calls it equally often.
void jb_team_barrier(struct jb_team *t);

// Part `thread` of n things, as even as whole things allow.
static inline void jb_team_share(uint32_t n, uint32_t thread, uint32_t n_threads, uint32_t *begin, uint32_t *end)
{
    *begin = (uint32_t)((uint64_t)n * thread / n_threads);
    *end = (uint32_t)((uint64_t)n * (thread + 1) / n_threads);
}

#endif
