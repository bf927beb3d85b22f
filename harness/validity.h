// Whether what the machine did beside a block leaves its figures usable: rules of the plan ("validity"), judged for every block, for every cell and for the run. An invalid block stays in the journal with
// its reasons; it is measured again where there is time, and left out of figures and intervals. What cannot be known on a machine is unknown: it neither passes nor fails.
//
// How the defaults were chosen. The machine at hand (KVM guest, 2 CPUs, no cpufreq) must be valid with nothing else running on it, and one block must never condemn a cell:
//   max_other_cpu 0.1          idle systems have 0.2 to 2 %; one busy process on 8 CPUs has 12 %
//   max_steal 0.05             guests on hosts that are not overbooked show below 1 %; 5 % moves a mean by as much
//   max_freq_change 0.2        turbo steps with the number of busy cores are 3 to 10 %; a fall to the base clock is 25 % and more
//   max_clock_jump_ms 10       slewing is already allowed for; a step by NTP is 128 ms or more by default (ntpd), a resumed guest jumps by seconds
//   max_involuntary_per_s 250  of a stream: an equal competitor on its CPU takes it 80 to 160 times a second (a slice of 3 to 6 ms each), two and interrupts' threads more; idle machines are below 20.
//                              Fewer than 10 in a block prove nothing, whatever the rate
//   swap, throttling false     there is no harmless amount: "true" allows them
//   max_reference_drift 0.5    of the reference kernel beside the block from the median over the run (of 8 blocks or more); on the machine at hand it is within 5 % when idle, and 28 % slower while the
//                              other hardware thread of the core is busy; a fall to half the clock is 100 %
//   max_invalid_share 0.2      of a cell's blocks, but one block always may
#ifndef JB_HARNESS_VALIDITY_H
#define JB_HARNESS_VALIDITY_H

#include "base/machine.h"

enum jb_check {
    JB_CHECK_OTHERS, JB_CHECK_STEAL, JB_CHECK_FREQUENCY, JB_CHECK_GOVERNOR, JB_CHECK_THROTTLING, JB_CHECK_SWAP, JB_CHECK_CLOCK, JB_CHECK_INVOLUNTARY, JB_CHECK_REFERENCE, JB_CHECK_COUNT
};
const char *jb_check_name(enum jb_check c);      // "other_cpu", "steal", ...: as in journal and results
int jb_check_find(const char *name);             // -1: none
const char *jb_check_what_to_do(enum jb_check c); // a sentence without a full stop

struct jb_validity_limits {
    double max_other_cpu, max_steal, max_freq_change, max_clock_jump_ms, max_involuntary_per_s, max_reference_drift, max_invalid_share;
    bool swap, throttling;                       // allowed
};
void jb_validity_default(struct jb_validity_limits *l);
double jb_check_limit(enum jb_check c, const struct jb_validity_limits *l); // in the unit of what is observed; 0: none may happen; INFINITY: not judged

// What a block says. NAN: unknown.
struct jb_conditions {
    uint64_t wall_ns; uint32_t streams;
    double observed[JB_CHECK_COUNT];             // share of CPU, share of CPU, relative change, 0 or 1, count, pages, ms, switches a second and stream, relative drift
    double certain[JB_CHECK_COUNT];              // what of it is certain: the same where nothing is rounded
};
// From what was read around a block. The reference's drift is not known while a run goes on: NAN.
void jb_conditions_of(const struct jb_machine_span *s, uint64_t involuntary_switches, uint64_t wall_ns, uint32_t streams, struct jb_conditions *out);
// Bit 1 << enum jb_check of each check that is failed for certain, and of each that cannot be judged.
uint32_t jb_conditions_judge(const struct jb_conditions *c, const struct jb_validity_limits *l, uint32_t *unknown);

// How many invalid ones among n blocks a cell bears: a share, but always one.
uint64_t jb_validity_may_fail(uint64_t n, const struct jb_validity_limits *l);

#endif
