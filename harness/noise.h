// How much this machine's measurements differ when nothing does (A/A): from it the smallest difference that a live comparison can see here.
//
// A pair is two blocks of the same load, one behind the other, the first of them called A or B by the toss of a coin, as in a live comparison. d = log(B / A) of their means (or medians) has
// the expectation 0, and because the coin is tossed anew each time the d of different pairs are uncorrelated, whatever the machine does. With s the standard deviation of d, n pairs see
//     delta = (t(1 - alpha / 2, n - 1) + t(power, n - 1)) s / sqrt(n)
// with the chance `power`, by a two-sided Student test at level alpha (NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.2.2 "Sample sizes required", solved for the difference; Kupper & Hafner,
// The American Statistician 43:101, 1989, on how good that is). Here alpha = 0.05, power = 0.8; exp(delta) - 1 is the difference as a share. The bounds of s are by resampling pairs (base/infer.h).
// How many pairs fit in a time follows from what a pair took here, lead-ins included. It holds for one setting: k settings in the same time see sqrt(k) times as much.
#ifndef JB_HARNESS_NOISE_H
#define JB_HARNESS_NOISE_H

#include "base/clock.h"
#include "base/cputime.h"
#include "base/err.h"
#include "base/json.h"
#include "harness/tuning.h"

#define JB_NOISE_SCHEMA "joulebench.noise/1"
#define JB_NOISE_CONFIDENCE 0.95
#define JB_NOISE_POWER 0.8
#define JB_NOISE_TRUST 5.0           // times the measured time; a longer horizon is extrapolated: the machine's slower moods were not seen
enum { JB_NOISE_LOADS = 2, JB_NOISE_SERIES = 16, JB_NOISE_HORIZONS = 4 };
extern const double jb_noise_horizon_s[JB_NOISE_HORIZONS];   // 60, 300, 1800, 3600

// Smallest visible relative difference; NAN for n < 2 or a standard deviation that is none.
double jb_noise_visible(double sd_log, uint64_t pairs, double confidence, double power);

struct jb_noise_sight { double seconds; uint64_t pairs; double least, lower, upper; bool extrapolated; }; // shares (0.01: 1 %); NAN: too few pairs
struct jb_noise_spread {
    double sd_log, lower, upper;     // of the log ratio within pairs; NAN bounds below 5 pairs
    double robust_log;               // 1.4826 times the median absolute deviation: what it would be without outliers (Hampel 1974)
    struct jb_noise_sight sight[JB_NOISE_HORIZONS];
};

// Blocks of one length of one load.
struct jb_noise_series {
    uint32_t load;                   // place in jb_noise.load
    double block_ms;                 // asked for
    bool pinned;                     // to one CPU
    uint64_t pairs;
    double pair_ms, queries;         // what a pair took with its lead-ins; queries in a block; means
    struct jb_noise_spread mean, median;
    double unpaired_log;             // standard deviation of the log of a single block's mean: what is left of it in pairs is the win of pairing
    // Of 2 * pairs blocks: in how many this process was switched out against its will, had less CPU time than passed (by 1 %), time was stolen by the hypervisor's other guests, others had
    // for certain more than a tenth of the machine; and in how many any of these.
    uint64_t switched_out, starved, stolen, crowded, disturbed;
};

struct jb_noise_drift {              // of the median query, all lengths together
    double change;                   // from the beginning to the end, relative: slope of the median of all pairs of rounds (Theil 1950, Sen 1968); NAN below 8 rounds
    double wander;                   // highest over lowest of ten equal spans of time, less 1; NAN below 20 rounds
    double p, at_s;                  // Pettitt's test for a change of level, and when it was
};

// Whether dividing by the reference kernel (harness/reference.h) narrows the spread of block means, learned from these A/A blocks alone: of the last load, at its best length. gain: standard deviation of the
// log of a block's mean, divided, over the same undivided; below 1 it narrows. Bounds of 95 %: delete-a-group jackknife over ten spans of time (Kott, Journal of Official Statistics 17:521, 2001), which bears
// that neighbours are alike (Kuensch, Annals of Statistics 17:1217, 1989). Rule "reference" only when the upper bound is below 1; NAN, and "none", below JB_NOISE_LEAST_LEARNED blocks.
#define JB_NOISE_LEAST_LEARNED 50u
struct jb_noise_normalise { bool known, reference; double gain, lower, upper, block_ms; uint64_t blocks; }; // known false: a file of a version before it

struct jb_noise_load {
    char name[24], what[160];
    double query_ns;                 // median of the blocks' medians
    double best_block_ms;            // see jb_noise_measure
    struct jb_noise_drift drift;
};

struct jb_noise {
    char version[64], started[32];
    struct { char cpu[96], kernel[96], tier[16], governor[32], turbo[16]; uint32_t cores; bool hypervisor; } machine; // empty: not exposed
    struct { double cost_ns; uint64_t resolution_ns; char source[32]; } clock;
    double seconds;                  // measured
    uint64_t seed;
    uint32_t rounds;
    double others, steal;            // shares of the machine's CPU time over the whole measuring; NAN: unknown
    struct jb_noise_load load[JB_NOISE_LOADS]; uint32_t n_loads;
    struct jb_noise_series series[JB_NOISE_SERIES]; uint32_t n_series;
    double best_block_ms;            // of the last load: the one nearest to a user's
    struct jb_noise_normalise normalise;
    struct jb_tuning tuning[JB_TUNING_MAX]; uint32_t n_tuning;
};

// ---- measuring ----

struct jb_noise_block {
    double mean_ns, median_ns;       // of the block's queries
    uint64_t queries, wall_ns, cpu_ns, involuntary_switches, steal_ns; // wall: of the recorded part
    uint64_t reference_ns;           // of the reference kernel behind it; 0: none
    double others_least;             // share of the machine that others had for certain; NAN: unknown
};
// Measures one block of load `load`, at least block_ns long, beginning at sample place `start`.
typedef int (*jb_noise_block_fn)(void *self, uint32_t load, uint64_t block_ns, uint32_t start, struct jb_noise_block *out, struct jb_err *err);

struct jb_noise_opts {
    double seconds;
    uint64_t seed;
    struct jb_clock clock;
    struct { const char *name, *what; } load[JB_NOISE_LOADS]; uint32_t n_loads;
    const double *block_ms; uint32_t n_block_ms; // rising; at most (JB_NOISE_SERIES - 1) / n_loads
    jb_noise_block_fn block;
    int (*pin)(void *self, bool on);             // binds to one CPU and undoes it; NULL: pinning is not looked at
    double pinned_ms;                            // length of the pinned blocks of the last load: one of block_ms
    void *self;
    void (*cputime)(void *self, struct jb_cputime *out); // NULL: the machine's
    const volatile int *stop;                    // or NULL
    void (*progress)(void *user, double share); void *progress_user; // or NULL
};
// Rounds of all lengths and loads in random order until the time is up (at least 5 rounds, at most until ten times as long). Fills series, loads, drift and what others took; the rest of *out is
// zeroed and the caller's. best_block_ms: where the geometric mean of the differences visible in one minute (by means, by medians) is least, or the shortest length within a tenth of that, since more
// pairs decide sooner. INTERRUPTED; UNAVAILABLE when the clock stands still.
int jb_noise_measure(struct jb_noise *out, const struct jb_noise_opts *o, struct jb_err *err);
// The whole of `joulebench doctor --measure`: the loads "null" (spins a known time) and "network" (the workload fashion if it is found, else a made-up network in memory), the host's own blocks,
// the machine, its clock, and what would make it quieter.
struct jb_kernels;
struct jb_paths;
struct jb_noise_run_opts {
    const struct jb_kernels *kernels; // borrowed
    const struct jb_paths *paths;     // borrowed
    double seconds;
    uint64_t seed;
    const char *root;                 // above /sys, for what would make it quieter; NULL: ""
    const volatile int *stop;         // or NULL
    void (*progress)(void *user, double share); void *progress_user; // or NULL
};
int jb_noise_run(struct jb_noise *out, const struct jb_noise_run_opts *o, struct jb_err *err);

// The series of a load, length and pinning, or NULL.
const struct jb_noise_series *jb_noise_find(const struct jb_noise *n, uint32_t load, double block_ms, bool pinned);

// ---- the file (docs/schema/noise.schema.json) ----

cJSON *jb_noise_to_json(const struct jb_noise *n);           // NULL on out of memory
int jb_noise_write(const struct jb_noise *n, const char *path, struct jb_err *err);
// Strict: unknown keys, wrong types and ranges, series of no load, differences that do not follow from their standard deviation are INVALID, with file and line.
int jb_noise_read(struct jb_noise *out, const char *path, struct jb_err *err);
int jb_noise_parse(struct jb_noise *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);

#endif
