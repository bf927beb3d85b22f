// Proof of what comparisons and gates promise: simulations of known truth through the product's own code. Commands of one program, build/tests/trust/trust; docs/trust.md says what came out.
#ifndef JB_TESTS_TRUST_TRUST_H
#define JB_TESTS_TRUST_TRUST_H

#include "harness/compare.h"
#include <stdio.h>

// ---- made-up cells ----

enum trust_shape { TRUST_ONE, TRUST_BIMODAL, TRUST_EXITS };
// What makes up a latency: base * shape * exp(its own noise, correlated within the block) * exp(machine's noise, the same for both of a pair) * exp(side's noise) * drift * outliers.
struct trust_scene {
    const char *name;
    bool paired;
    uint32_t blocks, queries;             // queries: of each block
    enum trust_shape shape;
    double factor;                        // candidate / baseline
    double earlier;                       // EXITS: share of the last exit's samples that the candidate lets go at the first: other mixture, not a factor
    double machine_sd, machine_rho;       // of blocks, AR(1)
    double own_sd, own_rho;               // of blocks of one side, AR(1)
    double query_sd, query_rho;           // of queries within a block, AR(1)
    double drift;                         // over a run, relative
    double between;                       // the candidate's whole run is so much slower for no reason of its own (unpaired)
    double slow_query, slow_block;        // chance of an outlier: a query takes 3 to 10 times as long, a block 1.3 to 1.8 times
    double joules_bound;                  // hard bound of a block's joules, relative; the reading errs anywhere within it
    uint32_t samples;                     // of the accuracy pass; 0: only the two shares are known
    bool documented;                      // known not to be covered, and said in docs/trust.md: reported, never a failure
};
extern const struct trust_scene trust_scenes[];
extern const size_t trust_n_scenes;

#define TRUST_METRICS 7
extern const char *const trust_metric[TRUST_METRICS];

struct trust_pair { struct jb_side_cell side[2]; struct jb_result_cell cell[2]; };
int trust_pair_open(struct trust_pair *p, const struct trust_scene *s); // room for the scene's blocks; JB_E_NOMEM
void trust_pair_close(struct trust_pair *p);
void trust_pair_draw(struct trust_pair *p, const struct trust_scene *s, struct jb_rng *rng);
// What the intervals are to cover, by exact reasoning where the sides differ by a factor alone, else from a long run of the same scene.
int trust_truth(const struct trust_scene *s, uint64_t seed, double truth[TRUST_METRICS]);

// ---- commands: 0 good, 1 bad, 2 wrong arguments. Options are "name=value" ----

struct trust_args { int n; char **item; };
const char *trust_arg(const struct trust_args *a, const char *name, const char *otherwise);
double trust_number(const struct trust_args *a, const char *name, double otherwise);

int trust_coverage(const struct trust_args *a);  // intervals of all metrics on simulated data
int trust_needs(const struct trust_args *a);     // the same by number of blocks and queries: where jb_compare_needs comes from
int trust_stopping(const struct trust_args *a);  // cells that may end early
int trust_peeking(const struct trust_args *a);   // the sequential judge on simulated pairs, looked at after every one
int trust_accuracy(const struct trust_args *a);  // a model with k predictions flipped: verdicts
int trust_record(const struct trust_args *a);    // a live A/A run, pair by pair, to a file
int trust_permuted(const struct trust_args *a);  // gates of permuted labels from such a file
int trust_line(const struct trust_args *a);      // comparison.json of one gate as one JSON line
int trust_count(const struct trust_args *a);     // such lines, counted and judged

// P(X >= k) for X ~ Binomial(n, p): how surprising k or more would be.
double trust_upper_tail(uint64_t k, uint64_t n, double p);

#endif
