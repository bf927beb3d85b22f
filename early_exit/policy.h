// Exit policies: when may a row stop? One small file each, one row in the table of early_exit/policy.c.
#ifndef JB_EARLY_EXIT_POLICY_H
#define JB_EARLY_EXIT_POLICY_H

#include "base/err.h"
#include "base/joules.h"
#include "base/option.h"
#include "runtime/session.h"

// What a confidence is made from. NONE: the policy has none, or makes its own from answers (patience).
enum jb_measure { JB_MEASURE_MAXPROB, JB_MEASURE_MARGIN, JB_MEASURE_ENTROPY, JB_MEASURE_GATE, JB_MEASURE_COUNT, JB_MEASURE_NONE = JB_MEASURE_COUNT };
const char *jb_measure_name(enum jb_measure m); // "maxprob", ...; "none"
uint32_t jb_measure_needs(enum jb_measure m);   // JB_WANT_*
// The one place where a confidence is computed: live runs and recordings ask it, decisions only see its number. NAN without what it needs.
float jb_measure(enum jb_measure m, const struct jb_head_row *head, float inverse_temperature);

#define JB_NO_ANSWER UINT32_MAX

// What a policy is told at an exit: plain values, which a recording holds as well.
struct jb_decision_in {
    uint32_t exit, n_exits;            // exits count from 0; n_exits - 1 is the final one
    float confidence;                  // in the policy's measure; NAN: none, or not to be had
    uint32_t answer;                   // JB_NO_ANSWER unless the policy needs answers (JB_WANT_TOP or JB_WANT_LOGITS)
    uint64_t spent_macs;               // by this row so far, heads included
    const struct jb_joules *spent;     // energy of this query so far, if a later harness offers it; NULL
    uint64_t deadline_ns;              // time left; UINT64_MAX: none
};
struct jb_decision {
    bool stop;
    float confidence;                  // what is written down: as given, or the policy's own count; rising with certainty, NAN if it has none
};

#define JB_POLICY_ROW_BYTES 32         // room for a policy's state per row (patience counts), zeroed at begin

struct jb_policy;
struct jb_policy_ops {
    const char *name, *summary, *source; // source: the paper or formula it comes from
    const struct jb_option *options;     // scalar parameters but the thresholds
    enum jb_measure measure;             // its confidence
    uint32_t needs;                      // JB_WANT_*. Without TOP and LOGITS (but not 0) it decides before the answer is known: only rows that stop run the rest of the head
    bool has_threshold;                  // one value per exit, confidence >= threshold stops
    double threshold_min, threshold_max; // range of that confidence
    // Whether head `exit` is to be run at all (fixed and final run only the one they answer from). The final exit's is always run.
    bool (*wants_exit)(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);
    void (*decide)(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out);
};
extern const struct jb_policy_ops *const jb_policies[]; // NULL-terminated: final fixed maxprob margin entropy patience gate
const struct jb_policy_ops *jb_policy_find(const char *name); // NULL: unknown

// A policy with its parameters: read-only, may be shared by sessions.
struct jb_policy {
    const struct jb_policy_ops *ops;
    double threshold[JB_MAX_STAGES];     // by exit; the final one's is not used
    double param[4];                     // in the order of ops->options
};
// Parameters by name; `threshold` NULL or n values (1: the same for every exit, or one for each exit but the last). Errors name the parameter and its range.
struct jb_param { const char *name; double value; };
int jb_policy_make(struct jb_policy *out, const char *name, const struct jb_param *params, size_t n_params, const double *threshold, size_t n_thresholds, uint32_t n_exits, struct jb_err *err);

// A threshold that no confidence reaches: the exit never stops a row. Accepted where 0..1 is.
#define JB_THRESHOLD_NEVER 2.0
// Whether this policy wants head `exit` run; the final exit's always is.
bool jb_policy_wants(const struct jb_policy *p, uint32_t exit, uint32_t n_exits);

// Whether it decides from the hidden state alone, before the answer is known.
bool jb_policy_asks_first(const struct jb_policy_ops *ops);
// UNSUPPORTED when the model's exits do not offer what the policy needs: names the policy, the exit and what is missing.
int jb_policy_fits(const struct jb_policy_ops *ops, const struct jb_model_info *info, struct jb_err *err);

// The answer of a head: index of the largest logit, ties by lower index. NaN counts as minus infinity; nothing else gives 0.
uint32_t jb_argmax(const float *logits, uint32_t n);
// From whichever of logits and top the row holds; 0 when it holds neither.
uint32_t jb_head_prediction(const struct jb_head_row *head);

// Confidence measures on logits (formulas: shared notes adaptive.md; softmax with inverse temperature). Exact same code for live runs and replays.
// NAN when a logit is NaN or none is finite: a comparison with NAN is false, so such a row never stops early.
float jb_conf_maxprob(const float *logits, uint32_t n, float inverse_temperature);  // max p (Hendrycks & Gimpel 2017)
float jb_conf_margin(const float *logits, uint32_t n, float inverse_temperature);   // p(1) - p(2)
float jb_conf_entropy(const float *logits, uint32_t n, float inverse_temperature);  // 1 - H(p) / ln n (BranchyNet 2016; FastBERT 2020)

// ln p(token) of softmax(logits); the terms are floats, their sum is double. NAN when the softmax is not defined or the token is none.
double jb_logprob(const float *logits, uint32_t n, uint32_t token);

#endif
