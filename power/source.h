// Inside power: what a source is to the meter. A source knows how to find its channels and how to read one; everything that makes joules of readings
// (wraps, bounds, cover, windows, sampling, recording) is the meter's, the same for all.
#ifndef JB_POWER_SOURCE_H
#define JB_POWER_SOURCE_H

#include "power/cover.h"
#include "power/power.h"

#define JB_DEFAULT_CEILING_W 500.0
#define JB_SOURCE_MAX_CHANNELS 64
#define JB_READING_TEXT 64

enum jb_channel_kind {
    JB_CHANNEL_ENERGY, // a counter of energy
    JB_CHANNEL_POWER,  // a reading of power: integrated over time
};

// One thing that can be read. What a source does not know stays 0.
struct jb_channel {
    struct jb_cover_zone zone; // who it is; the source fills control_type, name, parent, has_counter (and excluded), the cover the rest
    enum jb_channel_kind kind;
    char path[160];          // where it is read, for people
    double unit;             // energy: microjoules a count. power: watts a count
    uint64_t range;          // energy: largest count, after which comes 0; 0: 64 bits, never wraps
    double step_uj;          // energy: granularity of the counter in microjoules (a reading is rounded down to it); at least `unit`. power: in microwatts, rounded either way
    double ceiling_w;        // no more than this is ever drawn; 0: JB_DEFAULT_CEILING_W. --max-power-w goes before it (the meter sees to that)
    const char *ceiling_from; // "max_power_range_uw", "4x the largest constraint"; NULL: default
    uint64_t update_ns;      // how old a value can be, where the source knows; 0: the meter looks (energy), or 100 ms is assumed
    uint64_t period_ns;      // typical distance of two updates, found by the meter with update_ns; 0: not known
    uint64_t update_least_ns; // a shorter period found is not believed (RAPL: 1 ms, Intel SDM)
    double accuracy;         // relative, as the driver states it; 0: not stated
    bool never_rests;        // a package: standing still for long means frozen, not idle
    bool averaged;           // power: each value is the mean since the one before, not a moment's
    bool falling;            // energy: the count falls as energy is drawn (battery)
};

struct jb_reading {
    uint64_t begin_ns, end_ns; // of the meter's clock: the read lies between. For stamped streams: the stamp, with its uncertainty
    bool exact;                // the value is of a moment in [begin_ns, end_ns], not up to update_ns older (stamped streams; battery no)
    int errnum;                // 0; EAGAIN: no news since the last reading (streams; not a failure); else why there is no value
    uint64_t count;            // energy
    double watts;              // power
    char text[JB_READING_TEXT]; // as it was read, newline off, for `power record`; empty: the meter writes the count
    char why[128];             // with errnum: more about it, or empty
};

struct jb_source {
    enum jb_energy_class cls;
    char name[32];           // in figures: the row's name, or "guest-rapl"
    char root[128], remark[160];
    struct jb_channel *channel; // owned by the implementation until close; the meter fills zone's result and update_ns
    size_t n;
    uint64_t sampler_period_ns; // 0: the meter decides (half the shortest wrap, at most 10 s). Power channels: how often to read
    uint64_t settle_most_ns; // how long end may wait for the reading behind the end; 0: 2 update periods
    char too_short[160];     // added to the reason when a window is refused in which too little moved: how long it has to be; empty
    bool stream;             // a reading is given once and then gone (replay, external): none may be spent on looking for the update period or on the cost, nor is an edge spun for
};

struct jb_source_ops {
    const char *name, *summary;
    bool only_when_asked;    // auto does not try it by itself (external, replay: only with their path; papi: the same counters as perf)
    int (*probe)(const struct jb_power_opts *o, struct jb_power_probe *out);
    // Errors: UNAVAILABLE or DENIED with the reason and the fix in the text; anything else is a fault.
    int (*open)(void **impl, const struct jb_power_opts *o, struct jb_source *out, struct jb_err *err);
    void (*close)(void *impl);
    // One reading; called by one thread at a time. True: another one of this channel waits already (streams): call again.
    bool (*read)(void *impl, size_t channel, struct jb_reading *out);
};
extern const struct jb_source_ops jb_source_perf, jb_source_papi, jb_source_powercap, jb_source_hwmon, jb_source_battery, jb_source_external, jb_source_replay, jb_source_none;

// A probe that found nothing yet: not available, class none, cost unknown.
void jb_probe_init(struct jb_power_probe *p, const char *source);
// Mode bits as ls writes them; false when the path cannot be seen.
bool jb_probe_mode(const char *path, char mode[12]);

// Where a source's tree lies: sub is "class/powercap", "class/hwmon", "class/power_supply", "bus/event_source/devices". Without a root /sys/SUB; with one
// ROOT/SUB if that exists, else ROOT itself. RANGE when it is too long.
int jb_source_root(const struct jb_power_opts *o, const char *sub, char *out, size_t room, struct jb_err *err);
// statfs says sysfs. Only then is a figure `measured` or `integrated`; else `replayed`.
bool jb_fd_in_sysfs(int fd);
// The clock of the options.
struct jb_clock jb_power_clock(const struct jb_power_opts *o);
// Median cost of `reads` calls of ops->read over the first `n` channels, in ns, for probes.
double jb_source_read_cost_ns(const struct jb_source_ops *ops, void *impl, const struct jb_source *s, const struct jb_clock *clock);

#endif
