// A full-depth recording: every exit's logits for every sample of a split, at one precision schedule. Policies and thresholds are replayed on it
// by the same code that decides live, so that many thresholds share one pass; oracles, regret and calibration are computed from it.
// With an escalating schedule the recording holds the path of a row that never stopped (stage 0 low, the rest high), which is the path every row takes as far as it goes.
#ifndef JB_EARLY_EXIT_RECORDING_H
#define JB_EARLY_EXIT_RECORDING_H

#include "early_exit/adaptive.h"

struct jb_recording {
    uint32_t n, n_exits, n_classes, n_stages;
    float *logits;                       // (n, n_exits, n_classes), owned
    uint32_t *label;                     // (n), owned; UINT32_MAX: unlabelled
    uint32_t exit_stage[JB_MAX_STAGES];
    float inverse_temperature[JB_MAX_STAGES];
    struct jb_schedule schedule;
    struct jb_cost stage_cost[JB_MAX_STAGES], head_cost[JB_MAX_STAGES]; // at the recorded schedule; head_cost by exit
    char model_sha256[65], split_sha256[65];
};
int jb_recording_open(struct jb_recording *r, const struct jb_model *m, const struct jb_schedule *s, uint32_t n, struct jb_err *err); // allocates, fills the descriptive part
void jb_recording_close(struct jb_recording *r);
// Runs one sample through every stage and head and stores its logits as sample i.
int jb_recording_add(struct jb_recording *r, struct jb_session *s, uint32_t i, const void *data, uint32_t label);
// Row of logits, borrowed; and the answer of one exit.
const float *jb_recording_logits(const struct jb_recording *r, uint32_t i, uint32_t exit);
uint32_t jb_recording_prediction(const struct jb_recording *r, uint32_t i, uint32_t exit);
// What a policy would have done with sample i: same decisions, costs and confidences as a live run.
// UNSUPPORTED when the policy would have taken another precision path than the recorded one (an escalating schedule under a policy
// that skips exits, such as fixed(2) or final): such a setting needs a live run.
int jb_recording_replay(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out);

// Oracles (adaptive.md): exit index per sample; n_exits when there is none.
uint32_t jb_oracle_earliest_correct(const struct jb_recording *r, uint32_t i);    // min{k : y_k = y}
uint32_t jb_oracle_earliest_consistent(const struct jb_recording *r, uint32_t i); // min{k : y_j = y_K for all j >= k}
struct jb_overthinking { double wasteful, destructive; };                          // shares of samples (Kaya et al. 2019)
struct jb_overthinking jb_recording_overthinking(const struct jb_recording *r);
// Cost of answering at exit k having looked at exits 0..k (adaptive), or at k alone (fixed).
struct jb_cost jb_recording_cost(const struct jb_recording *r, uint32_t exit, bool looked_at_all);

#endif
