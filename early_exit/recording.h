// A full-depth recording: what every exit said of every sample of a split, at one precision schedule. Policies and thresholds are replayed on it
// by the same code that decides live, so that many thresholds share one pass; oracles, regret and calibration are computed from it.
// With an escalating schedule the recording holds the path of a row that never stopped (stage 0 low, the rest high), which is the path every row takes as far as it goes.
//
// Two forms. Images of few classes: all logits are kept. Sequences, and more than JB_MAX_CLASSES classes: the compact form, which keeps of each exit the answer,
// the confidence in every measure and the log probability of the label, computed when recording by the code that decides live (jb_measure).
//
// Sequences. A sample is one answer: the label is the token that stood in the text, the group the query (window, passage) to which it belongs. Tokens are read as
// they stand (teacher forcing). Then, if what an exit skipped is filled exactly, a later position sees the same states whoever stopped before it: every policy and
// threshold can be replayed, bit for bit. This does not hold under the frozen fill, in free running, or where stages run at different precisions (a fill
// runs at the precision of the last stage run): such settings need a live run. jb_recording_add_sequence and jb_recording_replay refuse what they can see of it.
#ifndef JB_EARLY_EXIT_RECORDING_H
#define JB_EARLY_EXIT_RECORDING_H

#include "early_exit/adaptive.h"

struct jb_sequence_query;

struct jb_recording {
    uint32_t n, n_exits, n_classes, n_stages;
    float *logits;                       // (n, n_exits, n_classes), owned; NULL: compact
    uint32_t *label;                     // (n), owned; UINT32_MAX: unlabelled
    uint32_t *answer;                    // (n, n_exits), owned; NULL unless compact
    float *confidence;                   // (n, n_exits, JB_MEASURE_COUNT), owned; NULL unless compact. Measures that there are not: NAN
    float *logprob;                      // (n, n_exits) of the text's token, natural, at the exit's logits as they are; owned; NULL unless of sequences
    uint32_t *group, *position;          // (n) query, position in its sequence; owned; NULL unless of sequences
    bool agreement;                      // labels are the full model's answers (jb_recording_label_by_agreement)
    bool has_gate[JB_MAX_STAGES];        // by exit
    uint32_t exit_stage[JB_MAX_STAGES];
    float inverse_temperature[JB_MAX_STAGES];
    struct jb_schedule schedule;
    struct jb_cost stage_cost[JB_MAX_STAGES], head_cost[JB_MAX_STAGES]; // at the recorded schedule; head_cost by exit. Sequences: of position 0
    // Sequences, measured by jb_recording_price: what each earlier position adds to a stage; a gate asked before the answer is known; the answer behind a gate.
    struct jb_cost position_cost[JB_MAX_STAGES], gate_cost[JB_MAX_STAGES], answer_cost[JB_MAX_STAGES];
    uint32_t fill_rows;                  // sequences: positions in one batch of late work (jb_session_fill_rows); 0: no limit
    char model_sha256[65], split_sha256[65];
};
int jb_recording_open(struct jb_recording *r, const struct jb_model *m, const struct jb_schedule *s, uint32_t n, struct jb_err *err); // allocates, fills the descriptive part
void jb_recording_close(struct jb_recording *r);
// Runs one sample (an image) through every stage and head and stores it as sample i. Different samples may be added by different threads.
int jb_recording_add(struct jb_recording *r, struct jb_session *s, uint32_t i, const void *data, uint32_t label);
// Sequences, once before the first add: measures what single steps cost, by two short ones. The sequence is forgotten.
int jb_recording_price(struct jb_recording *r, struct jb_session *s, struct jb_err *err);
// Runs one query (its prompt and targets, forced) as jb_sequence_run would without exits, in batches, and stores its answers as samples first .. first + n_steps - 1 of group `group`.
// Different ranges may be added by different threads, each with its session. UNSUPPORTED: a schedule with several precisions, a session with the frozen fill.
int jb_recording_add_sequence(struct jb_recording *r, struct jb_session *s, const struct jb_sequence_query *q, uint32_t first, uint32_t group, struct jb_err *err);
// From now on every label is what the final exit answered: accuracy becomes agreement with the full model, and loss = 1 - agreement. Log probabilities stay those of the text.
void jb_recording_label_by_agreement(struct jb_recording *r);
// Row of logits, borrowed (NULL: compact); and the answer of one exit, its confidence in a measure (NAN: not recorded), the log probability of the text's token (NAN: none).
const float *jb_recording_logits(const struct jb_recording *r, uint32_t i, uint32_t exit);
uint32_t jb_recording_prediction(const struct jb_recording *r, uint32_t i, uint32_t exit);
float jb_recording_confidence(const struct jb_recording *r, uint32_t i, uint32_t exit, enum jb_measure m);
float jb_recording_logprob(const struct jb_recording *r, uint32_t i, uint32_t exit);
// What a policy would have done with sample i: same decisions, costs and confidences as a live run. Of a sequence's position: as if no earlier one lacked anything.
// UNSUPPORTED when the policy would have taken another precision path than the recorded one (an escalating schedule under a policy
// that skips exits, such as fixed(2) or final), or needs what was not recorded (a gate): such a setting needs a live run.
int jb_recording_replay(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out);
// All samples of the group that begins at sample i (samples of a group follow each other): costs and what was filled late exactly as jb_sequence_run reports them with
// `apart` and without settling, in a session of as many rows as that in which the prices were measured. *n: samples of the group. out: (*n), or NULL. Images: one sample, nothing late.
int jb_recording_replay_group(const struct jb_recording *r, const struct jb_policy *p, uint32_t i, struct jb_query_result *out, uint32_t *n, struct jb_cost *deferred);

// Oracles (adaptive.md): exit index per sample; n_exits when there is none.
uint32_t jb_oracle_earliest_correct(const struct jb_recording *r, uint32_t i);    // min{k : y_k = y}
uint32_t jb_oracle_earliest_consistent(const struct jb_recording *r, uint32_t i); // min{k : y_j = y_K for all j >= k}
struct jb_overthinking { double wasteful, destructive; };                          // shares of samples (Kaya et al. 2019)
struct jb_overthinking jb_recording_overthinking(const struct jb_recording *r);
// Cost of answering at exit k having looked at exits 0..k (adaptive), or at k alone (fixed). Sequences: at the mean position of the recording, rounded.
struct jb_cost jb_recording_cost(const struct jb_recording *r, uint32_t exit, bool looked_at_all);

#endif
