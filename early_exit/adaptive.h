// The loop, for rows of every kind: runs stages, asks the policy at exits, lets rows stop, keeps score of what each row cost. Allocates nothing after open.
#ifndef JB_EARLY_EXIT_ADAPTIVE_H
#define JB_EARLY_EXIT_ADAPTIVE_H

#include "early_exit/policy.h"
#include "early_exit/precision.h"

// What happened to one row.
struct jb_query_result {
    uint32_t exit, prediction;
    uint32_t n_stages;                      // depth: stages executed
    uint8_t precision[JB_MAX_STAGES];       // of each executed stage
    uint32_t n_reached;                     // exits looked at
    uint8_t reached[JB_MAX_STAGES];         // their indices
    float confidence[JB_MAX_STAGES];        // at each of them (NAN if the policy has no measure)
    uint32_t reached_prediction[JB_MAX_STAGES]; // JB_NO_ANSWER where the policy went on without one
    struct jb_cost cost;
};

struct jb_adaptive;
// Borrows session, policy and schedule; they outlive it.
int jb_adaptive_open(struct jb_adaptive **out, struct jb_session *s, const struct jb_policy *policy, const struct jb_schedule *schedule, uint32_t max_rows, struct jb_err *err);
void jb_adaptive_close(struct jb_adaptive *a);
// Exchanges policy and schedule between queries (dynamic precision per query).
// The schedule may use only precisions that the model offers (checked by open for the first one; otherwise the session refuses the stage).
void jb_adaptive_set(struct jb_adaptive *a, const struct jb_policy *policy, const struct jb_schedule *schedule);
// One query: n rows through the network. Rows that stop are compacted out. Each answer comes from the head at which its row stopped.
// RANGE: more than max_rows. On an error `out` is undefined.
int jb_adaptive_run(struct jb_adaptive *a, const struct jb_row_input *rows, uint32_t n, struct jb_query_result *out);
// The same, but the first n_silent rows run every stage and no head: their prediction is JB_NO_ANSWER, and they look at no exit (a prompt's tokens but the last).
int jb_adaptive_run_behind(struct jb_adaptive *a, const struct jb_row_input *rows, uint32_t n, uint32_t n_silent, struct jb_query_result *out);
// What went wrong in the last run that failed: stage or head, precision and reason. Borrowed.
const struct jb_err *jb_adaptive_error(const struct jb_adaptive *a);
// Hands out the head from which a row's answer comes, with `want` (JB_WANT_*) beside what the policy needs. Borrowed for the call, in which the session may not be used.
// fn NULL: nobody. For what an answer is needed beside its index: sampling, log probabilities.
typedef void (*jb_answer_fn)(void *user, uint32_t row, uint32_t exit, const struct jb_head_row *head);
void jb_adaptive_watch(struct jb_adaptive *a, uint32_t want, jb_answer_fn fn, void *user);
size_t jb_adaptive_bytes(const struct jb_adaptive *a);

#endif
