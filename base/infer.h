// Inference: tests and intervals for comparing runs. Every formula cites its source; every function is tested against known answers, and the intervals' coverage
// against simulated data of known truth (tests/base/test_infer.c).
#ifndef JB_BASE_INFER_H
#define JB_BASE_INFER_H

#include "base/rng.h"
#include "base/stats.h"

double jb_normal_cdf(double z);
double jb_normal_quantile(double p); // NAN outside (0, 1). Wichura 1988 (AS 241, PPND16) is the accuracy aimed at; found by Newton steps on erfc from a rational start (Acklam)

// P(X <= k) for X ~ Binomial(n, p), exactly by the incomplete beta function (DLMF 8.17.5).
double jb_binomial_cdf(uint64_t k, uint64_t n, double p);

// ---- answers of two settings on the same samples: b right only in the first, c right only in the second, n samples ----

// Exact two-sided McNemar test: under equality b ~ Binomial(b + c, 1/2) (McNemar 1947; exact form: Mosteller 1952). 1 when b + c = 0.
double jb_mcnemar(uint64_t b, uint64_t c);
// Score interval of the difference p2 - p1 = (c - b) / n of paired proportions (Tango, Statistics in Medicine 17:891, 1998). NAN for n = 0 or b + c > n.
struct jb_interval jb_paired_difference(uint64_t b, uint64_t c, uint64_t n, double confidence);
// One-sided p-value of H0: p2 - p1 <= -margin against "not worse by margin or more" (the score test that the interval inverts). margin >= 0.
double jb_noninferiority_p(uint64_t b, uint64_t c, uint64_t n, double margin);

// ---- answers that come in groups: tokens of queries ----

// Two ratios of sums over the same m groups: sum(top_b) / sum(under_b) against sum(top_a) / sum(under_a). Answers of one group depend on each other, so groups are what varies: the variance of the difference
// is that of the groups' influences, (top_b - R_b under_b) / mean(under_b) - (top_a - R_a under_a) / mean(under_a) (ratio estimates, linearised: Cochran 1977, Sampling Techniques, 6.3), interval and two-sided
// p-value of "no difference" are Student's with m - 1 degrees of freedom. Groups without answers in both sides must be left out. NAN for m < 2, or where either sum of `under` is not positive.
struct jb_grouped { double a, b, difference, lower, upper, p; size_t m; };
struct jb_grouped jb_grouped_difference(const double *top_a, const double *under_a, const double *top_b, const double *under_b, size_t m, double confidence);

// P(T >= t) with df degrees of freedom (Abramowitz & Stegun 26.7.1; DLMF 8.17).
double jb_student_tail(double t, double df);

// ---- many tests at once ----

// Holm's step-down correction (Scandinavian Journal of Statistics 6:65, 1979): adjusted[i] is the smallest family-wise level at which test i is rejected. NAN p-values are
// no tests: they stay NAN and do not count. JB_E_NOMEM.
int jb_holm(const double *p, size_t n, double *adjusted);

// ---- blocks ----

// A statistic over blocks drawn with replacement: `draw` holds n_draws indices of blocks. NAN: not defined for this draw.
typedef double (*jb_block_statistic)(void *user, const uint32_t *draw, size_t n_draws);
// Interval of a statistic by resampling blocks (queries in a block are correlated, blocks nearly not: Carlstein 1986), percentile method with the levels expanded for few blocks: alpha/2 becomes
// Phi(-sqrt(n / (n - 1)) t_{alpha/2, n - 1}) (Hesterberg, The American Statistician 69:371, 2015, "expanded percentile"). NAN below 5 blocks, or when more than a twentieth of the draws
// are undefined. JB_E_NOMEM.
int jb_block_bootstrap(jb_block_statistic f, void *user, size_t n_blocks, double confidence, uint32_t resamples, struct jb_rng *rng, struct jb_interval *out);
// Two runs with blocks of their own, drawn independently; f gets both draws one behind the other (n_a first). Levels by the smaller of the two.
int jb_block_bootstrap_2(jb_block_statistic f, void *user, size_t n_a, size_t n_b, double confidence, uint32_t resamples, struct jb_rng *rng, struct jb_interval *out);

// What both are made of: the tail probability to cut off on either side, expanded for n blocks or other units that were drawn (n >= 2), and the cut; `value` (n >= 1 figures of resamples) gets sorted.
double jb_expanded_tail(double confidence, size_t n);
void jb_cut_tails(double *value, size_t n, double tail, struct jb_interval *out);

// Blocks that follow one another are correlated where the machine's state lasts longer than a block. How much wider than for independent blocks the interval of mean(b) - mean(a) must then be (b NULL: of
// mean(a)), at least 1. A mean of n blocks whose neighbours correlate by r tells as much as one of n (1 - r) / (1 + r) independent ones (first-order autoregression: Bayley & Hammersley, JRSS Suppl. 8:184,
// 1946); that number also gives Student's degrees of freedom and undoes the bias of s^2. r is estimated over both series, each around its own mean, corrected for the bias of short series
// (E r = r - (1 + 4 r) / n: Marriott & Pope, Biometrika 41:390, 1954), and kept within 0 and 0.7: what is anticorrelated is not believed. Noise of the blocks' own hides a slow state from neighbours, so the
// same is done with means of 2 blocks (from 16 blocks) and of 4 (from 48), where there is less of it (batch means: Schmeiser, Operations Research 30:556, 1982); the widest counts. 1 below 6 blocks.
double jb_correlated_widening(const double *a, size_t n_a, const double *b, size_t n_b, double confidence);

// Ratio b / a of two things measured in pairs of blocks that stand side by side in time (a[i] beside b[i]): exp of Student's interval of the mean log ratio. Robust to what slows both; one
// outlier costs width, not truth. NAN for n < 2 or values that are not positive.
struct jb_ratio { double ratio, lower, upper; size_t n; };
struct jb_ratio jb_paired_ratio(const double *a, const double *b, size_t n, double confidence);

// ---- tests that may be looked at after every pair ----

// A test martingale by betting on signs. H0: the median of the paired log ratio is at most `log_margin` (as many signs + as - at best). Wealth is the mixture over bets l in a fixed grid of
// prod (1 + l s_i), s_i = +-1 (a tie is not bet on); under H0 it is a non-negative supermartingale, so P(it ever reaches 1 / alpha) <= alpha (Ville 1939; Shafer 2021, JRSS A 184:407; Ramdas et al. 2023,
// Statistical Science 38:576). Needs only that, given the past, + is no more likely than -: the order within each pair must be random. Works whatever the noise looks like.
#define JB_BETS 8
struct jb_sign_bet { double log_margin, log_wealth[JB_BETS]; uint64_t n, above, below; double best_log_wealth; };
void jb_sign_bet_open(struct jb_sign_bet *b, double log_margin);
void jb_sign_bet_add(struct jb_sign_bet *b, double log_ratio);
// Smallest alpha at which H0 is rejected so far: min over time of 1 / wealth, at most 1. Holds under peeking and stopping at will.
double jb_sign_bet_p(const struct jb_sign_bet *b);

// ---- change ----

// Pettitt's test for one change of level in a series (Applied Statistics 28:126, 1979): p-value 2 exp(-6 K^2 / (n^3 + n^2)); *at: index of the first value behind the change. NAN for n < 8.
double jb_change_point(const double *x, size_t n, size_t *at);

#endif
