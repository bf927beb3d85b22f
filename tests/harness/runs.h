// Made-up runs with known truth: journals and raw files as a sweep leaves them, without measuring anything.
#ifndef JB_TESTS_HARNESS_RUNS_H
#define JB_TESTS_HARNESS_RUNS_H

#include "harness/compare.h"

#define RUNS_MAX_CELLS 16

struct made_cell {
    const char *key, *label;          // key: 16 hex digits
    enum jb_cell_status status;
    uint32_t n_samples, n_wrong, flipped; // the first n_wrong answers are wrong; from there on `flipped` more
    uint32_t n_blocks, n_queries;     // of each block
    double mean_ns, block_sd, query_sd; // lognormal: every query is mean * exp(block's) * exp(its own)
    uint32_t contaminated;            // blocks, the last ones; they are ten times as slow
    enum jb_energy_class cls; double uj, bound; const char *domains; // per query; relative hard bound; class none: no energy
    uint32_t unrecorded;              // queries that ran within each window beside the recorded ones; their joules are in it
    double macs, model_bytes;
    double reference_ns;              // of the reference kernel behind each block; it shares the block's factor. 0: none
    const char *precision;            // NULL: "int8"
    // A language model: unit "token", n_samples answers in queries of per_query each; 0: images
    uint32_t per_query;
    double nll;                       // added to what a token costs in nats, half to one and a half times, by query
    uint32_t disagreed, vocabulary;   // answers, the first ones, that are not the full model's; a number that labels are shifted by
    double ttft;                      // in mean_ns
    bool old_raw;                     // written by a version that did not keep queries
    bool words;                       // its queries are right as a whole ("exact-match")
    uint32_t slow_exit;               // not 0: a twentieth of the queries leaves there, three times as slow; the others at exit 0
};
struct made_run {
    const char *cpu, *data_sha, *kernel, *version, *workload;
    uint64_t seed;
    double peak_rss_bytes;
    const char *normalise;            // what the plan says; NULL: nothing
    struct made_cell cell[RUNS_MAX_CELLS]; size_t n_cells;
};
// One cell with 20 blocks of 200 queries at 100 us, 1000 samples of which 80 are wrong, on "cpu A".
void made_defaults(struct made_run *r);
// Writes it to dir (created); asserts on failure.
void made_write(const struct made_run *r, const char *dir);

#endif
