// CPU time of this process and of all others over a span of time, from /proc/stat and the process clock. Linux counts in ticks: the bounds say so.
#ifndef JB_BASE_CPUTIME_H
#define JB_BASE_CPUTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jb_cputime { uint64_t wall_ns, busy_ns, steal_ns, own_ns; uint32_t n_cpus; bool known; }; // busy: all CPUs, user to softirq; own: this process and the children it has waited for
void jb_cputime_now(struct jb_cputime *out);

// others_ns = busy - own, at least 0; least_ns is what it is for certain, given that each CPU's figure is rounded to a tick. share = others_ns over (wall * CPUs), NAN when unknown.
struct jb_cputime_span { uint64_t wall_ns, own_ns, others_ns, others_least_ns, steal_ns; double share, share_least; bool known; };
void jb_cputime_between(const struct jb_cputime *a, const struct jb_cputime *b, struct jb_cputime_span *out);

// The text of /proc/stat, or its beginning, with this many ticks a second: fills busy_ns, steal_ns and n_cpus. False, and nothing filled, when it is not what the kernel writes.
bool jb_cputime_parse(const char *text, size_t n_bytes, uint64_t ticks_per_s, struct jb_cputime *out);
// The same as jb_cputime_between with a tick of this length.
void jb_cputime_between_ticks(const struct jb_cputime *a, const struct jb_cputime *b, uint64_t tick_ns, struct jb_cputime_span *out);

#endif
