// How good answers of a language model are, token by token. Tokens of one query depend on each other, so intervals take queries as the units:
// ratio estimates with the linearised variance over queries (Cochran 1977, Sampling Techniques, 6.3), Student's t with queries - 1 degrees of freedom.
#ifndef JB_WORKLOADS_TEXT_SCORE_TOKENS_H
#define JB_WORKLOADS_TEXT_SCORE_TOKENS_H

#include "workloads/text/queries.h"

struct jb_answered {
    uint32_t index;      // number of the answer in the split; rising
    uint32_t token;      // what was answered
    uint32_t full;       // what the full model answers there (free writing: the token of its own greedy text at this place); UINT32_MAX: not known
    float logprob;       // of the target, natural; NAN: not known
};

// Writes up to `room` qualities, *n_out; NOMEM leaves the outputs untouched. Those that exist for the workload's queries:
//   forced: accuracy            share of tokens answered right (prose; the prompt is given up to each)
//           exact-match         share of queries with all tokens right (what `cloze` is about: put first there, i.e. when no query has more than 16 answers)
//           perplexity          exp(-mean logprob), lower is better; interval of the mean, through exp
//           agreement           share of tokens answered as the full model does
//   free:   matching            share of the full model's tokens that stand at the same place
//           first-divergence    mean number of tokens before the first that differs (all of them: those of the full model's text)
int jb_score_tokens(const struct jb_queries *q, const struct jb_answered *a, uint32_t n, struct jb_quality *out, size_t room, size_t *n_out);

#endif
