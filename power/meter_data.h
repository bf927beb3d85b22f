// Inside power: what an open meter holds.
#ifndef JB_POWER_METER_DATA_H
#define JB_POWER_METER_DATA_H

#include <pthread.h>
#include "power/record.h"
#include "power/track.h"

#define JB_METER_WINDOWS (JB_TRACK_MARKS / 2) // each takes two marks of every track
#define JB_METER_LEGS 2

// One open source: the meter's own, and perhaps a second one on the same counters to compare with.
struct jb_leg {
    const struct jb_source_ops *ops; // NULL: not open
    void *impl;
    struct jb_source source;
    struct jb_track *track;          // (source.n); owned
    char domains[160], left_out[160];
    char no_news[128];               // why a stream gives nothing; empty while it does
    double read_ns;
    uint64_t update_ns;              // longest period found in the cover; 0: some was not found
};

struct jb_sampler {
    pthread_t thread;
    pthread_mutex_t lock;            // of stop and of the condition, never held while reading
    pthread_cond_t wake;
    bool running, stop;
    uint64_t period_ns, start_ns, reads, cpu_ns;
    int cpu;
};

struct jb_meter {
    pthread_mutex_t lock;            // of everything below but the sampler's own
    struct jb_clock clock;
    struct jb_leg leg[JB_METER_LEGS];
    bool slot_used[JB_METER_WINDOWS];
    uint32_t generation[JB_METER_WINDOWS];
    double max_power_w;              // the user's; 0: none
    char none_reason[256];           // source none: what was tried
    struct jb_recorder *recorder;    // or NULL
    bool record_failed;
    struct jb_sampler sampler;
};

static inline bool jb_meter_is_none(const struct jb_meter *m) { return m->leg[0].ops == &jb_source_none; }

// Reads channel i of a leg until nothing more waits, records it and gives it to its track. The lock is held.
void jb_leg_read(struct jb_meter *m, struct jb_leg *leg, size_t i);
// All channels of all legs.
void jb_meter_read_all(struct jb_meter *m);

// Finds how often counters are brought up to date (fills channel.update_ns and leg->update_ns) and packages that show one counter twice (zone.excluded).
void jb_leg_look(struct jb_leg *leg, const struct jb_clock *clock);

// The sampler: a thread that reads everything at its period until it is stopped.
int jb_sampler_start(struct jb_meter *m, uint64_t period_ns, const char *measured_cpus);
void jb_sampler_stop(struct jb_meter *m);

#endif
