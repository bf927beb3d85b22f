// Full-depth passes over known tokens, many positions at once: what recordings, perplexity and verification are made of. The heads of scored positions are
// handed out one by one. The same bits as steps of one position (runtime/session.h), so nothing is lost by running batches.
#ifndef JB_EARLY_EXIT_SCORE_H
#define JB_EARLY_EXIT_SCORE_H

#include "early_exit/policy.h"
#include "early_exit/precision.h"

// The head at exit `exit` of position `position`. `head` is borrowed for the call; the session may not be used in it. A code other than 0 ends the pass with it.
typedef int (*jb_score_fn)(void *user, uint32_t position, uint32_t exit, const struct jb_head_row *head);

struct jb_score {
    const uint32_t *token; uint32_t n;      // one sequence from its begin on
    uint32_t first;                         // positions first .. n - 1 are scored
    uint32_t want;                          // JB_WANT_*
    bool every_exit;                        // false: only the final one
    uint32_t batch;                         // positions in one pass, at most; 0: the session's rows
    uint32_t sequence;
    const volatile int *cancel;             // INTERRUPTED when it is set; NULL
    jb_score_fn fn; void *user;
};
// Runs the pass and forgets the sequence, also after an error. Rows stand at schedule->stage[]: an escalating schedule is UNSUPPORTED.
int jb_score_run(struct jb_session *s, const struct jb_schedule *schedule, const struct jb_score *q, struct jb_cost *cost, struct jb_err *err);

#endif
