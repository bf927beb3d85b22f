// Thresholds for target accuracy losses, chosen on a calibration split alone.
#ifndef JB_EARLY_EXIT_CALIBRATE_H
#define JB_EARLY_EXIT_CALIBRATE_H

#include "early_exit/recording.h"

struct jb_calibrated {
    char policy[32];
    char precision[96];                  // schedule text
    bool agreement;                      // loss is 1 - agreement with the full model, not accuracy (the recording's labels; language models)
    double target_loss;                  // points of accuracy (or agreement), as a fraction (0.005 = half a point)
    double threshold[JB_MAX_STAGES];     // by exit
    uint32_t n_exits;
    double loss_observed;                // on the calibration split, against the final exit at the same schedule
    double accuracy, macs_mean;          // on the calibration split (agreement: share of answers as the full model's). macs_mean counts what is filled late
};
// The cheapest thresholds (mean MACs) whose observed loss is <= target. `per_exit` false: one value for all exits. INVALID for a policy without thresholds.
// patience: the threshold is its count t. JB_THRESHOLD_NEVER: that exit stops nobody.
// How the search is guarded against noise: docs/policies.md.
int jb_calibrate(struct jb_calibrated *out, const struct jb_recording *r, const char *policy, double target_loss, bool per_exit, struct jb_err *err);

// The file: JSON "joulebench.thresholds/1" (docs/schema/thresholds.schema.json) with model_sha256, split, split_sha256, n, entries[].
struct jb_thresholds {
    char model_sha256[65], split[32], split_sha256[65];
    char id[65];                         // hash of the canonical content
    uint32_t n;                          // samples
    struct jb_calibrated *entries; size_t n_entries; // owned
};
int jb_thresholds_read(struct jb_thresholds *out, const char *path, struct jb_err *err);
int jb_thresholds_write(const struct jb_thresholds *t, const char *path, struct jb_err *err);
void jb_thresholds_seal(struct jb_thresholds *t); // computes id
void jb_thresholds_close(struct jb_thresholds *t);
const struct jb_calibrated *jb_thresholds_find(const struct jb_thresholds *t, const char *policy, const char *precision, double target_loss);

// All three look at labelled samples with finite confidence alone, and give NAN where there is nothing to say.
// Expected calibration error (15 equal-width bins, Guo et al. 2017) of exit k, and failure-prediction AUROC.
double jb_recording_ece(const struct jb_recording *r, uint32_t exit);
double jb_recording_auroc(const struct jb_recording *r, uint32_t exit);
// Temperature that minimises the negative log likelihood at exit k (Guo et al. 2017), by golden-section search in [0.05, 20]. NAN of a compact recording: it takes all logits.
double jb_fit_temperature(const struct jb_recording *r, uint32_t exit);

#endif
