// One query of a language model: a prompt, then answers token by token, each under an exit policy. Works on every model whose rows are positions.
//
// The prompt runs in batches as large as the session allows, at full depth and without heads; its last token is a step like any other, so the first answer
// is under the policy too. Every position is committed as soon as it is answered. Positions that stopped early leave holes, which the session fills when a
// later position needs them (session.h); holes that are left at the end of a query are read by nobody, need not be filled, and cost nothing unless `settle`
// asks for it. The cost of a query is prompt + steps + deferred: nothing is counted twice, nothing left out.
#ifndef JB_EARLY_EXIT_SEQUENCE_H
#define JB_EARLY_EXIT_SEQUENCE_H

#include "base/clock.h"
#include "base/rng.h"
#include "early_exit/adaptive.h"

// What happened to one answered token.
struct jb_token_result {
    uint32_t token;                     // the answer: the largest logit of the head at which it stopped, or what was drawn
    uint32_t exit, n_stages;
    float confidence;                   // at the exit where it stopped, in the policy's measure; NAN: none
    float logprob;                      // natural, of the target (without targets: of the answer), at that exit's logits as they are; NAN unless wanted
    uint64_t at_ns;                     // since the begin of the query
    struct jb_cost cost;                // of its own step, heads included; that of the first one is counted here, not with the prompt
};

// A token was answered: its number (from 0) and what happened. It may not touch the session.
typedef void (*jb_token_fn)(void *user, uint32_t i, const struct jb_token_result *token);

// All pointers are borrowed for the call.
struct jb_sequence_query {
    const uint32_t *prompt; uint32_t n_prompt;  // at least 1
    uint32_t n_steps;                           // answers asked for, at least 1
    const uint32_t *target;                     // (n_steps) the tokens behind the prompt; NULL: none
    bool forced;                                // step t reads target[t - 1] whatever was answered (needs targets); false: it reads its own answer
    bool want_logprob;
    const uint32_t *stop; uint32_t n_stop;      // free running ends behind one of these (it is the last token reported)
    double temperature; uint64_t seed;          // 0: greedy; else answers are drawn from softmax(logits / temperature), the same for the same seed. Free running alone
    bool apart;                                 // the prompt's last token runs by itself, behind the others: its step is then like any other, and prompt_ns is known. Costs one pass over the weights
    bool settle;                                // fill what is left at the end, and count it
    uint32_t sequence;                          // its number in the session
    jb_token_fn on_token; void *user;           // streaming; NULL: none
    const volatile int *cancel;                 // looked at before every batch and step; not 0: end with what there is. NULL: never
};

enum jb_sequence_end { JB_END_STEPS, JB_END_STOP, JB_END_CONTEXT, JB_END_CANCELLED }; // all steps done; a stop token; no position left (free running); cancelled

struct jb_sequence_result {
    uint32_t n_tokens;
    const struct jb_token_result *tokens;       // (n_tokens), borrowed until the next run
    uint32_t n_positions;                       // that the sequence had at its end
    enum jb_sequence_end end;
    uint64_t prompt_ns;                         // until the prompt but its last token was read; 0 unless `apart`
    uint64_t ttft_ns, total_ns;                 // to the first answer (0 when there is none: n_tokens); to the end, settling included
    struct jb_cost prompt, steps, deferred;     // deferred: what was filled late, by later steps or by settling
    uint32_t by_exit[JB_MAX_STAGES];            // answers that stopped there
    uint64_t digest;                            // FNV-1a (64 bits) of the answered tokens, four bytes each, little-endian
};

struct jb_sequence;
// Borrows session, policy and schedule. max_steps: answers of one query, at most. Allocates everything that a run needs. UNSUPPORTED: the model's rows are no positions, or it has several parts.
int jb_sequence_open(struct jb_sequence **out, struct jb_session *s, const struct jb_policy *policy, const struct jb_schedule *schedule, uint32_t max_steps,
                     const struct jb_clock *clock, struct jb_err *err);
void jb_sequence_close(struct jb_sequence *q); // accepts NULL
void jb_sequence_set(struct jb_sequence *q, const struct jb_policy *policy, const struct jb_schedule *schedule); // between queries, as jb_adaptive_set
size_t jb_sequence_bytes(const struct jb_sequence *q);

// Runs one query and forgets its sequence, whatever comes of it. Allocates nothing.
// RANGE: longer than the session's positions (free running: the prompt alone counts, and the query ends at the context's end), more than max_steps, a token that is none.
// INVALID: an empty prompt, forced without targets, a temperature with targets. On an error *out is undefined.
int jb_sequence_run(struct jb_sequence *s, const struct jb_sequence_query *q, struct jb_sequence_result *out, struct jb_err *err);

// A token drawn from softmax(logits / temperature), NaN never; one number of the generator, whatever comes of it.
uint32_t jb_draw(const float *logits, uint32_t n, double temperature, struct jb_rng *rng);
uint64_t jb_token_digest(uint64_t digest, uint32_t token); // adds a token; start with JB_TOKEN_DIGEST
#define JB_TOKEN_DIGEST 0xcbf29ce484222325u

#endif
