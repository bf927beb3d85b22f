// Inside early_exit: the search for thresholds over a table of confidences. Knows no policy and no model: numbers alone.
#ifndef JB_EARLY_EXIT_CALIBRATE_SEARCH_H
#define JB_EARLY_EXIT_CALIBRATE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define JB_FOLDS 5

struct jb_search {
    uint32_t n, n_exits;
    float *confidence;  // (n, n_exits - 1); NAN never stops
    uint8_t *correct;   // (n, n_exits)
    double *cost;       // (n_exits) of a row that looked at exits 0..k and stopped at k; rising
    uint32_t *order;    // (n_exits - 1, n) samples by falling confidence of that exit, NAN last
    uint32_t fold;      // cross-validation: 0: every sample counts; f: all but those of fold f; JB_FOLDS + f: those of fold f alone
};

// What a set of thresholds does to the samples.
struct jb_outcome {
    double cost_sum;
    uint32_t n;            // samples that counted
    uint32_t lost, gained; // right at the final exit and wrong now; wrong there and right now
};

// Room for n samples; false when out of memory (jb_search_close is still needed).
bool jb_search_open(struct jb_search *s, uint32_t n, uint32_t n_exits);
void jb_search_close(struct jb_search *s);
bool jb_search_sort(struct jb_search *s); // after confidence is filled; false when out of memory

struct jb_outcome jb_search_evaluate(const struct jb_search *s, const double *threshold);
double jb_outcome_loss(const struct jb_outcome *o); // accuracy lost, as a fraction; negative: gained

// One threshold for all exits. Exact: every observed confidence is tried. `at` is scratch of n entries. Writes n_exits - 1 equal values.
void jb_search_uniform(const struct jb_search *s, double target_loss, uint32_t *at, double *threshold);
// One threshold per exit: never costlier than `threshold` on entry, which must satisfy the target. The target must also hold in cross-validation.
void jb_search_per_exit(const struct jb_search *s, double target_loss, uint32_t *at, double *threshold);

#endif
