// Inside result building: what several of its files share. Everything comes from the journal and the raw files.
#ifndef JB_HARNESS_BUILD_H
#define JB_HARNESS_BUILD_H

#include "harness/rawfile.h"
#include "harness/record.h"
#include "harness/validity.h"

// What bootstraps need of a cell; same index as the result's cells.
struct jb_built {
    const struct jb_rec_cell *rec;
    uint32_t n;                          // samples
    uint32_t *index;                     // (n) sample indices: cells are paired only when these agree
    uint8_t *outcome;                    // (n) exit * 2 + correct
    // Texts, whose answers come in queries and depend on each other within one; NULL: samples stand alone
    uint32_t *first, n_groups;           // (n_groups + 1) where each query's samples begin; n at the end
    uint8_t *whole;                      // (n_groups) all answers are right, where that is what counts ("exact-match"); NULL: answers count one by one
    double macs[JB_MAX_STAGES];          // by exit, all precisions
    uint8_t *use;                        // (rec->n_blocks) whether a block takes part in figures; NULL: none was measured
    uint32_t left_out;                   // those that do not
    uint32_t n_blocks;                   // those that do
    uint32_t *repetition;                // (n_blocks)
    double *block_sum, *block_n;         // latency and queries of each block
};

static inline bool jb_built_uses(const struct jb_built *x, uint32_t block) { return !x->use || x->use[block]; }

struct jb_build {
    struct jb_result *r;
    const struct jb_record *rec;
    const struct jb_store *store;
    struct jb_built *built;              // (r->n_cells)
    uint64_t seed;
    double percentiles[JB_PLAN_MAX_PERCENTILES]; size_t n_percentiles;
    double clock_cost_ns, clock_resolution_ns;
    bool measured;                       // the run had a performance pass
    bool extend;                         // blocks could be made longer for joules
    struct jb_validity_limits limits;
    bool judged;                         // the journal knows rules of validity
    double reference_ns;                 // of the run: median of the reference kernel over all blocks; NAN
    double stop_latency, stop_joules;    // NAN: cells did not end early
    uint32_t repetitions;                // planned
    double energy_half_width, max_other_cpu; // as the plan had them; NAN: a journal of a version before them
};

// build_cell.c: one cell's row. `index` into r->cells and built.
int jb_build_cell(struct jb_build *b, size_t index, struct jb_err *err);
void jb_built_free(struct jb_built *x);
// build_validity.c: the rules of the plan; which blocks of a cell take part; the run's checks, once all cells are built.
void jb_build_limits(struct jb_build *b, const cJSON *settings);
void jb_validity_of_settings(struct jb_validity_limits *out, const cJSON *settings); // of a "run" line; defaults for what it lacks
int jb_build_blocks(struct jb_build *b, size_t index);
int jb_build_validity(struct jb_build *b);
// build_energy.c: joules of its windows, CPU time of others.
int jb_build_energy(struct jb_build *b, struct jb_result_cell *c, const struct jb_built *x);
// build_power.c: the meter of the run.
int jb_build_power(struct jb_build *b);
// build_latency.c: everything that comes from blocks.
int jb_build_latency(struct jb_build *b, size_t index, struct jb_err *err);
// hull.c: adaptive cells against the hull of static networks and fixed exits; fills r->hull.
int jb_build_hull(struct jb_build *b, struct jb_err *err);
// sentences.c: the summary in words; fills r->sentences.
int jb_build_sentences(struct jb_build *b, struct jb_err *err);

// Two schedules: an escalating or mixed one is compared with the precisions that it is made of.
bool jb_precision_covers(const char *of_cell, const char *of_base);
bool jb_same_conditions(const struct jb_result_cell *a, const struct jb_result_cell *b); // workload, scenario, threads, streams

#define JB_BLOCKS_FOR_INTERVAL 5u        // fewer blocks give no interval
#define JB_RESAMPLES 1000u

static inline const char *jb_energy_per(const struct jb_result_cell *c) { return c->unit && c->unit[0] == 't' ? "committed_token" : "query"; }

#endif
