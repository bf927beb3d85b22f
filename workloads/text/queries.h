// The queries of a text workload as one model's tokens: made once, outside of anything that is timed.
//
// Answers are numbered through the split: query i answers tokens first .. first + n_steps - 1. These numbers are the "samples" of a text workload
// wherever an image workload has its images: in recordings, in raw files, in the comparison of the two passes.
#ifndef JB_WORKLOADS_TEXT_QUERIES_H
#define JB_WORKLOADS_TEXT_QUERIES_H

#include "workloads/text/tokenizer.h"
#include "workloads/workload.h"

struct jb_queries;

struct jb_query_tokens {
    const uint32_t *prompt; uint32_t n_prompt; // at least 1
    const uint32_t *target;                    // (n_steps), right behind the prompt; NULL: the model writes by itself
    uint32_t n_steps;                          // answers asked for (a free query may end earlier, at a token of `stop`)
    uint32_t first;                            // number of its first answer in the split
    bool forced;
};

// Tokenises all queries of a split. RANGE: a query has more positions than max_positions (0: no limit); INVALID: a target without tokens. The text names the query.
// The prompt and what follows are tokenised apart, so that the target begins where the workload says; bos goes in front where the model's file wants it, eos never.
int jb_queries_open(struct jb_queries **out, const struct jb_workload *w, enum jb_split s, const struct jb_tokenizer *t, uint32_t max_positions, struct jb_err *err);
void jb_queries_close(struct jb_queries *q); // accepts NULL
uint32_t jb_queries_count(const struct jb_queries *q);   // as many as the workload's split has
uint32_t jb_queries_answers(const struct jb_queries *q); // in all
uint32_t jb_queries_most_positions(const struct jb_queries *q); // of one query, answers included
void jb_queries_at(const struct jb_queries *q, uint32_t i, struct jb_query_tokens *out); // borrowed from q
uint32_t jb_queries_of(const struct jb_queries *q, uint32_t answer); // the query that a number belongs to (binary search)
const uint32_t *jb_queries_stop(const struct jb_queries *q, uint32_t *n); // tokens at which free writing ends

#endif
