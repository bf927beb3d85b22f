// Effects with intervals and p-values from blocks: what harness/compare_metrics.c is made of. Nothing here knows of runs or cells.
#ifndef JB_HARNESS_COMPARE_STATS_H
#define JB_HARNESS_COMPARE_STATS_H

#include "base/infer.h"
#include "harness/compare.h"

struct jb_effect { double effect, lower, upper, p; };        // NAN: none
struct jb_resampling { double confidence; uint32_t resamples; uint64_t seed; };

// Intervals are as wide as the correlation of neighbouring blocks, of pairs that of neighbouring batches, asks for (jb_correlated_widening): the correlation of their influence on the figure, in order.

// All latencies of one side in one sorted list, with the block of each, so that a percentile of any draw of blocks is found without sorting again.
struct jb_pooled {
    double *value; uint32_t *block; size_t n;                // by rising value
    uint32_t *count; size_t n_checks, step;                  // (n_checks, n_blocks): values of each block among the first k * step
    uint32_t *size; size_t n_blocks;
};
// scale: a factor for each block's latencies; NULL: none. group: which unit of drawing each block belongs to, of n_groups; NULL: each is one of its own. JB_E_NOMEM.
int jb_pooled_open(struct jb_pooled *p, const struct jb_side_block *const *blocks, size_t n_blocks, const double *scale, const uint32_t *group, size_t n_groups);
void jb_pooled_free(struct jb_pooled *p);
// Nearest rank (Hyndman & Fan 1996, definition 1) of the blocks taken times[i] times each; NAN: nothing was drawn. times NULL: once each.
double jb_pooled_percentile(const struct jb_pooled *p, const uint32_t *times, double percentile);

// Ratio b / a of percentiles. paired: block i of both is drawn together. JB_E_NOMEM.
int jb_effect_percentile(struct jb_effect *out, const struct jb_pooled *a, const struct jb_pooled *b, double percentile, bool paired, const struct jb_resampling *r);

// Ratio of sums: (sum of b.top / sum of b.under) / (the same of a), blocks drawn whole. Where a block's top is known only within bounds, top_lower and top_upper widen the interval: its ends are
// those of the ratio of b's least to a's most, and of b's most to a's least.
struct jb_sums { const double *top, *top_lower, *top_upper, *under; size_t n; }; // top_lower NULL: exact
int jb_effect_sums(struct jb_effect *out, const struct jb_sums *a, const struct jb_sums *b, bool paired, const struct jb_resampling *r);

// Pairs follow one another, and what happens to one of the two lasts longer than a pair: where the memory of its process lies, a neighbour on its core. Their log ratios are correlated. So pairs are put
// together in batches, and these are what is drawn, or what Student's interval is made of: the pairs of one instance of the workers, where there were at least JB_COMPARE_LEAST_BLOCKS (repeat at the
// level at which the variance arises: Kalibera & Jones, ISMM 2013); else at most JB_COMPARE_BATCHES stretches of consecutive pairs (Schmeiser, Operations Research 30:556, 1982, who finds 10 to 30).
#define JB_COMPARE_BATCHES 20u
size_t jb_starts(const uint32_t *instance, size_t n_pairs); // how many instances there are; they stand one behind the other
// instance: of each pair, in order; NULL: all one. Fills the batch of each pair, by rising numbers from 0; returns how many there are.
size_t jb_batches(const uint32_t *instance, size_t n_pairs, uint32_t *batch);

// Mean of the batches' mean log ratios with Student's interval (jb_paired_ratio) and p-value. JB_E_NOMEM.
int jb_effect_pairs(struct jb_effect *out, const double *a, const double *b, const uint32_t *batch, size_t n_pairs, size_t n_batches, double confidence);

// Difference p_b - p_a of two independent proportions: Newcombe's interval from two Wilson intervals (Statistics in Medicine 17:873, 1998, method 10), p-value of the score test (pooled variance).
void jb_effect_proportions(struct jb_effect *out, uint64_t k_a, uint64_t n_a, uint64_t k_b, uint64_t n_b, double confidence);

// Smallest alpha at which the expanded percentile interval (base/infer.h) of these resampled log ratios excludes 0, for n blocks. Where none of them lies beyond 0 the percentile method can say no more
// than its resolution; there the resamples' standard deviation takes over as the standard error of a Student test with n - 1 degrees of freedom (Efron & Tibshirani 1993, section 12.4), if that is smaller.
double jb_invert_percentile(const double *log_ratio, size_t n_values, double log_effect, size_t n_blocks);

#endif
